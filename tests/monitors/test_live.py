"""Live: monitors that follow a log while it is written to, end, and begin again."""

from collections.abc import Sequence

import msgspec
import pytest

from consumers.board import MONITORS, Board
from consumers.live import KEPT_BYTES, Watch
from consumers.monitor import Finding
from stream_engine.engine import Engine
from stream_engine.messages import events as e
from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import ClockTick, Input, PriceShock
from stream_engine.messages.topics import INPUT_TOPIC, Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing, Record
from tests.test_drive import EIGHT, SECOND, a_setup


def news(venue: str, second: int) -> PriceShock:
    return PriceShock(venue, EIGHT + second * SECOND, f"news-{second}", f"what happened at {second}", "spot")


async def put(log: MemoryLog, *inputs: Input, partition: int = 0) -> None:
    """Inputs on their topics, taken by an engine of the partition."""
    await log.append(
        [
            Outgoing(
                INPUT_TOPIC[type(each)].value, partition, each.venue.encode(), encode(each), each.ts_us,
                (("run_id", b"storm"),),
            )
            for each in inputs
        ]
    )  # fmt: skip
    engine = Engine(log, partition)
    while await engine.cycle():
        pass


async def watched(log: MemoryLog, telling: Sequence[str] | None = None, partitions: int = 1) -> Watch:
    """Monitors from the beginning of the log to its end."""
    watch = Watch(log, partitions, telling=telling)
    await watch.begin()
    for _ in range(4):
        await watch.look(0.0)
    return watch


async def read(log: MemoryLog, topic: Topic, partition: int = 0) -> list[Record]:
    return (await log.read({(topic.value, partition): 0}, 10**9)).get((topic.value, partition), [])


async def ids(log: MemoryLog, partition: int = 0) -> list[str]:
    return [msgspec.json.decode(record.value, type=Finding).id for record in await read(log, Topic.ALERTS, partition)]


async def test_venues_are_learned_from_their_maps_and_alerts_go_where_each_lives() -> None:
    log = MemoryLog(2)
    await put(log, *a_setup("V1", 0), ClockTick("V1", EIGHT), news("V1", 0))
    await put(log, *a_setup("V2", 1), ClockTick("V2", EIGHT), news("V2", 0), partition=1)
    watch = await watched(log, partitions=2)
    assert list(watch.boards) == ["V1", "V2"]
    assert (await ids(log, 0), await ids(log, 1)) == (["news/news-0/V1/*/6"], ["news/news-0/V2/*/6"])
    (alert,) = await read(log, Topic.ALERTS, 1)
    assert (alert.key, dict(alert.headers)["run_id"]) == (b"V2", b"storm")


async def test_started_again_they_find_the_same_and_publish_only_what_is_new() -> None:
    log = MemoryLog()
    await put(log, *a_setup(), ClockTick("V1", EIGHT), news("V1", 0))
    first = await watched(log)
    await put(log, news("V1", 1))
    again = await watched(log)
    assert (first.alerts, again.alerts) == (1, 1)
    assert await ids(log) == ["news/news-0/V1/*/6", "news/news-1/V1/*/7"]
    assert len(again.boards["V1"].findings) == 2


@pytest.mark.parametrize(("telling", "told"), [(None, 1), (["prices"], 1), (["depth", "adl"], 0)])
async def test_only_the_monitors_that_are_asked_for_tell(telling: list[str] | None, told: int) -> None:
    log = MemoryLog()
    await put(log, *a_setup(), ClockTick("V1", EIGHT), news("V1", 0))
    assert (await watched(log, telling)).alerts == told == len(await ids(log))


def test_every_monitor_of_a_board_can_be_asked_for() -> None:
    board = Board("V1")
    assert {part.name for part in vars(board).values() if hasattr(part, "handlers")} == set(MONITORS)


async def test_what_is_no_event_is_buried_once_with_its_origin_and_the_monitors_go_on() -> None:
    log = MemoryLog()
    await put(log, *a_setup(), ClockTick("V1", EIGHT))
    long = b"{" * (KEPT_BYTES + 1)
    place = (await log.ends([("market", 0)]))["market", 0]
    await log.append([Outgoing("market", 0, b"k", b"\xff", 5), Outgoing("market", 0, b"", long, 6)])
    await put(log, news("V1", 1))
    assert (await watched(log)).dead_letters == 2
    assert (await watched(log)).dead_letters == 0
    first, second = await read(log, Topic.DEADLETTERS)
    told = {name: value.decode() for name, value in first.headers}
    assert (first.value, first.key, first.timestamp_us) == (b"\xff", b"k", 5)
    assert (told["topic"], told["partition"], told["offset"]) == ("market", "0", str(place))
    assert told["reason"].startswith("no event: ")
    assert (second.value, dict(second.headers)["length"]) == (long[:KEPT_BYTES], str(len(long)).encode())
    assert await ids(log) == ["news/news-1/V1/*/6"]


async def test_events_of_a_venue_that_no_map_names_are_nobodys() -> None:
    log = MemoryLog()
    await log.append([Outgoing("market", 0, b"X", encode(e.ClockTicked("X", 0, 0, EIGHT, None)), EIGHT)])
    watch = await watched(log)
    assert (watch.boards, watch.events, watch.alerts) == ({}, 1, 0)


async def test_where_the_maps_were_trimmed_a_venue_lives_where_its_events_are() -> None:
    log = MemoryLog(2)
    await put(log, *a_setup("V1", 0), ClockTick("V1", EIGHT), news("V1", 0))
    await put(log, *a_setup("V2", 1), ClockTick("V2", EIGHT), news("V2", 0), partition=1)
    log.forget(await log.ends([("control", 0), ("control", 1)]))
    watch = await watched(log, partitions=2)
    assert list(watch.boards) == ["V1", "V2"]
    assert (await ids(log, 0), await ids(log, 1)) == (["news/news-0/V1/*/6"], ["news/news-0/V2/*/6"])


async def test_a_log_that_was_trimmed_is_watched_from_what_it_keeps() -> None:
    log = MemoryLog()
    await put(log, *a_setup(), ClockTick("V1", EIGHT), news("V1", 0))
    log.forget({("market", 0): 2})
    assert (await watched(log)).alerts == 1
