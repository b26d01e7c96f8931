"""Realtime: one clock against engines that go by themselves; who waits for whom, and what is never exceeded."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest

from consumers.runner import Feed, Part
from stream_engine.drive import MOST_BEHIND, Clock, Lag, Outcome, SetupRefused, realtime
from stream_engine.engine import Engine
from stream_engine.messages import events as e
from stream_engine.messages.codec import decode_event, decode_input, encode
from stream_engine.messages.inputs import Cancel, Deposit, Input, SetRules
from stream_engine.messages.topics import OUTPUT, Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.patient import PatientLog
from stream_engine.transport.protocol import Log, Outgoing, Positions, Record, TopicPartition, Unreachable, Writer
from tests.test_drive import EIGHT, SECOND, Trader, Watcher, a_setup, buying

# Two venues, each with an engine of its own.
TWO = a_setup("V1", 0) + a_setup("V2", 1)


def a_clock(ticks: int) -> Clock:
    return Clock(EIGHT + SECOND, EIGHT + ticks * SECOND)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedded log shows a commit at once: nothing has to be waited for at the end of a run."""
    monkeypatch.setattr("stream_engine.drive.QUIET_S", 0.01)


@asynccontextmanager
async def engines(log: MemoryLog, *partitions: int, pause_s: float = 0.001) -> AsyncIterator[None]:
    """Engines that go by themselves, a pause after every cycle, until the run is over."""

    async def go(engine: Engine) -> None:
        while True:
            await engine.cycle()
            await asyncio.sleep(pause_s)

    tasks = [asyncio.create_task(go(Engine(log, partition))) for partition in partitions]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def a_run(
    log: Log,
    *participants: Trader,
    setup: Sequence[Input] | None = None,
    ticks: int = 30,
    monitors: Sequence[Watcher] = (),
    **more: object,
) -> Outcome:
    async with asyncio.timeout(30):
        return await realtime(
            log, participants, monitors, a_clock(ticks), setup=setup or a_setup(),
            partitions=2 if setup is TWO else 1, **more,  # type: ignore[arg-type]
        )  # fmt: skip


async def read(log: MemoryLog, topic: Topic, partition: int = 0) -> list[Record]:
    return (await log.read({(topic.value, partition): 0}, 10**9)).get((topic.value, partition), [])


async def ticks_of(log: MemoryLog, partition: int = 0) -> list[int]:
    control = [record.value for record in await read(log, Topic.CONTROL, partition)]
    return [decode_input(value).ts_us for value in control if value.startswith(b'{"type":"ClockTick"')]


# the clock -----------------------------------------------------------------------------------------------------


async def test_every_venue_gets_every_tick_of_the_clock_once_and_in_order() -> None:
    log = MemoryLog(2)
    async with engines(log, 0, 1):
        outcome = await a_run(log, setup=TWO, ticks=25)
    expected = [EIGHT + number * SECOND for number in range(1, 26)]
    assert await ticks_of(log, 0) == expected
    assert await ticks_of(log, 1) == expected
    assert (outcome.ticks, outcome.now_us, outcome.stopped) == (25, expected[-1], False)


async def test_no_venue_is_ever_more_than_two_ticks_behind_however_slow_its_engine_is() -> None:
    log, lags = MemoryLog(), list[Lag]()
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            answered = sum(b'"ClockTicked"' in record.value for record in await read(log, Topic.MARKET))
            most = max(most, len(await ticks_of(log)) - answered)
            await asyncio.sleep(0)

    async with engines(log, 0, pause_s=0.02):
        watching = asyncio.create_task(watch())
        await a_run(log, ticks=60, on_lag=lags.append)
        watching.cancel()
    assert most == MOST_BEHIND
    assert max(lag.ticks for lag in lags) == MOST_BEHIND


async def test_the_clock_of_all_venues_waits_for_the_slowest() -> None:
    log = MemoryLog(2)
    lags: list[Lag] = []

    def stop() -> bool:
        return bool(lags) and lags[-1].held_up and not lags[-1].in_setup

    async with engines(log, 0):
        slow = Engine(log, 1)
        run = asyncio.create_task(a_run(log, setup=TWO, ticks=50, speed=200.0, on_lag=lags.append, stop=stop))
        while not await ticks_of(log):  # it takes the setup, and then nothing more
            await slow.cycle(limit=1)
            await asyncio.sleep(0.001)
        outcome = await run
    assert outcome.stopped
    assert len(await ticks_of(log, 0)) == len(await ticks_of(log, 1)) <= MOST_BEHIND + 1
    assert lags[-1].venue == "V2"


async def test_a_dead_engine_makes_the_run_wait_which_is_told_and_a_new_one_lets_it_go_on() -> None:
    log, lags = MemoryLog(), list[Lag]()
    async with engines(log, 0):
        run = asyncio.create_task(a_run(log, ticks=40, speed=500.0, on_lag=lags.append))
        while len(await ticks_of(log)) < 5:
            await asyncio.sleep(0.001)
    while not (lags and lags[-1].held_up and lags[-1].still_s > 0.2):
        await asyncio.sleep(0.01)
    assert str(lags[-1]) == "waiting for the engine of V1: 2 ticks behind for 0 s"
    sent = len(await ticks_of(log))
    assert sent < 40
    async with engines(log, 0):
        outcome = await run
    assert outcome.ticks == 40


async def test_speed_is_event_seconds_per_wall_second() -> None:
    log = MemoryLog()
    loop = asyncio.get_running_loop()
    async with engines(log, 0):
        began_s = loop.time()
        await a_run(log, ticks=31, speed=60.0)
    assert 0.5 <= loop.time() - began_s < 5


async def test_the_time_that_a_run_has_waited_is_not_made_up_for() -> None:
    log, times = MemoryLog(), list[float]()
    loop = asyncio.get_running_loop()
    async with engines(log, 0):
        run = asyncio.create_task(a_run(log, ticks=40, speed=50.0, on_tick=lambda now_us: times.append(loop.time())))
        while len(await ticks_of(log)) < 3:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.6)  # the wall is thirty ticks further by now
    began_s = loop.time()
    async with engines(log, 0):
        await run
    assert loop.time() - began_s > 20 / 50


@pytest.mark.parametrize("speed", [0.0, -1.0])
async def test_a_speed_that_is_not_positive_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="event seconds per wall second"):
        await a_run(MemoryLog(), speed=speed)


# the setup -----------------------------------------------------------------------------------------------------


async def test_the_first_tick_waits_until_every_venue_has_answered_the_setup_and_the_wait_is_told() -> None:
    log, lags = MemoryLog(2), list[Lag]()
    async with engines(log, 0):
        run = asyncio.create_task(a_run(log, setup=TWO, on_lag=lags.append))
        while not (lags and lags[-1].venue == "V2"):
            await asyncio.sleep(0.01)
        assert lags[-1].held_up
        assert str(lags[-1]) == "waiting for an engine to take the setup of V2, for 0 s"
        assert await ticks_of(log) == []
        async with engines(log, 1):
            assert (await run).ticks == 30


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (Deposit("V1", EIGHT, ((3, 1),)), "the exchange refuses Deposit of the setup: unknown_account"),
        (Deposit("V1", EIGHT, ((1, 2**60),)), "the engine does not take Deposit of the setup"),
    ],
)
async def test_a_setup_that_is_not_taken_as_a_whole_ends_the_run_before_the_first_tick(
    refused: Input, said: str
) -> None:
    log, trader = MemoryLog(), Trader("A")
    async with engines(log, 0):
        with pytest.raises(SetupRefused, match=said):
            await a_run(log, trader, setup=[*a_setup(), refused], ticks=3)
    assert trader.asked == []
    assert await ticks_of(log) == []


async def test_rules_and_maps_that_are_answered_by_no_event_hold_nothing_up() -> None:
    log = MemoryLog()
    async with engines(log, 0):
        outcome = await a_run(log, setup=[*a_setup(), SetRules("V1", EIGHT)], ticks=2)
    assert outcome.ticks == 2


async def test_a_stop_is_heard_while_no_engine_takes_the_setup() -> None:
    lags: list[Lag] = []
    outcome = await a_run(MemoryLog(), on_lag=lags.append, stop=lambda: len(lags) > 2)
    assert (outcome.stopped, outcome.ticks) == (True, 0)


# who decides when ----------------------------------------------------------------------------------------------


async def test_an_agent_decides_once_per_tick_of_its_venue_and_hears_every_event_once() -> None:
    log = MemoryLog(2)
    trader = Trader("A", [1], plan=buying(1, 121_000))
    async with engines(log, 0, 1):
        outcome = await a_run(log, trader, setup=TWO, ticks=12)
    # At the last tick nobody is asked: no one would wait for what came of it.
    assert trader.asked == [EIGHT + number * SECOND for number in range(1, 12)]
    for given in (trader.heard, trader.saw):
        places = [(event.seq, event.n) for _, event in given]
        assert places == sorted(set(places))
        assert {event.venue for _, event in given} == {"V1"}
    assert outcome.ticks == 12


async def test_what_an_agent_did_it_sees_two_ticks_later_however_slow_its_engine_is() -> None:
    log, trader = MemoryLog(), Trader("A", [1], plan=buying(1, 121_000))
    async with engines(log, 0, pause_s=0.02):
        await a_run(log, trader, ticks=30)
    accepted = [now_us for now_us, event in trader.heard if isinstance(event, e.OrderAccepted)]
    assert len(accepted) > 20
    for number, heard_us in enumerate(accepted):
        assert heard_us - trader.asked[number] <= MOST_BEHIND * SECOND


async def test_an_agent_hears_no_event_that_is_younger_than_its_latency() -> None:
    log, trader = MemoryLog(), Trader("A", [1], latency_us=2 * SECOND)
    async with engines(log, 0):
        await a_run(log, trader, ticks=12)
    assert trader.saw
    assert all(now_us - event.ts_us >= 2 * SECOND for now_us, event in (*trader.saw, *trader.heard))


async def test_everything_that_was_sent_is_taken_and_recorded_before_the_run_is_over() -> None:
    log, kept = MemoryLog(), list[Record]()
    async with engines(log, 0):
        outcome = await a_run(log, Trader("A", [1], plan=buying(1, 121_000)), ticks=12, record=kept.extend)
    accepted = sum(b'"OrderAccepted"' in record.value for record in await read(log, Topic.EXECUTIONS))
    assert accepted == 11
    assert outcome.inputs == 11 + 12 + len(a_setup())
    assert len(kept) == sum([len(await read(log, topic)) for topic in Topic])


async def test_who_joins_a_run_that_another_clocks_sends_no_clock_and_nothing_for_ticks_long_past() -> None:
    log = MemoryLog()
    late = Trader("late", [2], plan=lambda now_us: [Cancel("V1", now_us, 2, "none")])
    async with engines(log, 0):
        run = asyncio.create_task(a_run(log, ticks=60, speed=100.0))
        while len(await ticks_of(log)) < 40:
            await asyncio.sleep(0.001)
        joined = await a_run(log, late, ticks=60, keeps_time=False)
        await run
    assert late.asked == [EIGHT + number * SECOND for number in range(1, 60)]
    assert await ticks_of(log) == [EIGHT + number * SECOND for number in range(1, 61)]
    sent = [decode_input(record.value).ts_us for record in await read(log, Topic.ORDERS)]
    assert min(sent) > EIGHT + 25 * SECOND and max(sent) == EIGHT + 59 * SECOND
    assert joined.inputs == len(sent)


async def test_monitors_observe_every_event_once_in_order_and_their_findings_are_published() -> None:
    log, watcher = MemoryLog(2), Watcher()
    traders = (Trader("A", [1], plan=buying(1, 121_000)),)
    async with engines(log, 0, 1):
        outcome = await a_run(log, *traders, setup=TWO, ticks=12, monitors=[watcher])
    for venue in ("V1", "V2"):
        places = [(event.seq, event.n) for event in watcher.observed if event.venue == venue]
        assert places == sorted(set(places))
    assert len(watcher.observed) == outcome.events == sum(
        [len(await read(log, topic, partition)) for topic in OUTPUT for partition in (0, 1)]
    )  # fmt: skip
    assert outcome.findings == 24 == sum([len(await read(log, Topic.ALERTS, partition)) for partition in (0, 1)])


# the feed ------------------------------------------------------------------------------------------------------


def an_event(seq: int, topic: Topic, venue: str = "V1", partition: int = 0) -> Outgoing:
    where = (venue, seq, 0, EIGHT + seq, None)
    event: e.AnyEvent = e.ClockTicked(*where)
    if topic is Topic.EXECUTIONS:
        event = e.LeverageSet(*where, 1, "BTC", 5)
    return Outgoing(topic.value, partition, venue.encode(), encode(event), EIGHT + seq)


async def parts(feed: Feed) -> AsyncIterator[Part]:
    """Look by look, until there is nothing more."""
    more = True
    while more:
        part = await feed.look()
        yield part
        more = bool(part.records) or feed.holds or feed.behind


async def test_a_feed_gives_an_event_that_is_seen_late_on_its_topic_in_its_place_all_the_same() -> None:
    log = MemoryLog()
    feed = Feed(log, OUTPUT, [0])
    await log.append([an_event(2, Topic.MARKET)])
    assert (await feed.look()).events == []
    await log.append([an_event(1, Topic.EXECUTIONS)])  # of an earlier commit, and seen only now
    assert [event.seq for event in (await feed.look()).events] == [1, 2]
    assert feed.late == 0


class Unfolding(MemoryLog):
    """Shows of each topic what was committed to it only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, int] = {}

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: min(end, self.shown.get(at[0], 0)) for at, end in (await super().ends(partitions)).items()}

    async def heads(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return await super().ends(partitions)

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> dict[TopicPartition, list[Record]]:
        found = {
            at: [record for record in records if record.offset < self.shown.get(at[0], 0)]
            for at, records in (await super().read(positions, limit)).items()
        }
        return {at: records for at, records in found.items() if records}


async def test_a_feed_gives_nothing_of_a_commit_before_all_topics_show_it() -> None:
    log = Unfolding()
    feed = Feed(log, OUTPUT, [0])
    await log.append([an_event(1, Topic.EXECUTIONS), an_event(2, Topic.MARKET), an_event(4, Topic.MARKET)])
    log.shown["market"] = 2
    assert [(await feed.look(0.001)).events for _ in range(5)] == [[]] * 5
    await log.append([an_event(5, Topic.EXECUTIONS)])  # of the next one, which is under way
    log.shown["executions"] = 1
    given = [event.seq for _ in range(3) for event in (await feed.look(0.001)).events]
    assert (given, feed.holds) == ([1, 2, 4], False)
    log.shown["executions"] = 2
    assert [event.seq async for part in parts(feed) for event in part.events] == [5]
    assert feed.late == 0


async def test_a_feed_gives_an_event_that_is_seen_too_late_for_its_place_and_counts_it() -> None:
    log = MemoryLog()
    feed = Feed(log, OUTPUT, [0])
    await log.append([an_event(2, Topic.MARKET)])
    assert [event.seq async for part in parts(feed) for event in part.events] == [2]
    await log.append([an_event(1, Topic.EXECUTIONS)])
    assert [event.seq async for part in parts(feed) for event in part.events] == [1]
    assert feed.late == 1


async def test_the_last_of_a_topic_takes_its_place_among_what_was_in_hand_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("READ_AT_ONCE", "MOST_READ"):
        monkeypatch.setattr(f"consumers.runner.{name}", 4)
    log = MemoryLog()
    await log.append([an_event(seq, Topic.EXECUTIONS) for seq in (8, 9)])
    await log.append([an_event(seq, Topic.MARKET) for seq in range(8)])
    feed = Feed(log, OUTPUT, [0])
    assert [event.seq async for part in parts(feed) for event in part.events] == list(range(10))
    assert feed.late == 0


async def test_a_feed_that_is_far_behind_holds_a_bounded_part_and_gives_everything_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, bound in (("READ_AT_ONCE", 3), ("MOST_HELD", 5), ("MOST_READ", 20)):
        monkeypatch.setattr(f"consumers.runner.{name}", bound)
    log = MemoryLog()
    await log.append([an_event(seq, Topic.MARKET) for seq in range(0, 400, 2)])
    await log.append([an_event(seq, Topic.EXECUTIONS) for seq in range(1, 401, 40)])
    feed = Feed(log, OUTPUT, [0])
    given, read, most = list[int](), 0, 0
    async for part in parts(feed):
        given += [event.seq for event in part.events]
        read += len(part.records)
        most = max(most, read - len(given))
    assert given == sorted([*range(0, 400, 2), *range(1, 401, 40)])
    assert most <= 30
    assert feed.late == 0


async def test_a_feed_is_not_held_up_by_a_venue_that_a_topic_never_hears_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, bound in (("READ_AT_ONCE", 3), ("MOST_HELD", 5), ("MOST_READ", 20)):
        monkeypatch.setattr(f"consumers.runner.{name}", bound)
    log = MemoryLog()
    await log.append([an_event(seq, Topic.MARKET, "V2") for seq in range(50)])
    await log.append([an_event(seq, Topic.EXECUTIONS, "V1") for seq in range(50)])
    given = [event async for part in parts(Feed(log, OUTPUT, [0])) for event in part.events]
    for venue in ("V1", "V2"):
        assert [event.seq for event in given if event.venue == venue] == list(range(50))


async def test_a_record_that_is_no_event_is_told_apart_and_the_feed_goes_on() -> None:
    log = MemoryLog()
    await log.append([Outgoing("market", 0, b"", b"{", EIGHT), an_event(1, Topic.MARKET)])
    feed = Feed(log, OUTPUT, [0])
    part = await feed.look()
    assert [(each.record.offset, each.why) for each in part.unreadable] == [(0, "Input data was truncated")]
    assert [event.seq for event in (await feed.look()).events] == [1]


# a log that goes away ------------------------------------------------------------------------------------------


class Away:
    """Another log behind a line that breaks: three of seven calls are not answered, and of those every other append is
    done all the same."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.calls = 0

    async def append(self, records: Sequence[Outgoing]) -> None:
        if self._broken():
            if self.calls % 2:
                await self._log.append(records)
            raise Unreachable("nobody answers")
        await self._log.append(records)

    async def writer(self, name: str) -> Writer:
        return await self._log.writer(name)

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> dict[TopicPartition, list[Record]]:
        if self._broken():
            raise Unreachable("nobody answers")
        return await self._log.read(positions, limit, wait_s)

    async def committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._log.committed(group, partitions)

    async def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._log.starts(partitions)

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        if self._broken():
            raise Unreachable("nobody answers")
        return await self._log.ends(partitions)

    async def heads(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        if self._broken():
            raise Unreachable("nobody answers")
        return await self._log.heads(partitions)

    async def close(self) -> None:
        await self._log.close()

    def _broken(self) -> bool:
        self.calls += 1
        return self.calls % 7 < 3


async def test_a_run_waits_out_a_log_that_goes_away_and_appends_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stream_engine.transport.patient.PAUSE_S", 0.001)
    log, trader, waits = MemoryLog(), Trader("A", [1], plan=buying(1, 121_000)), list[str]()
    line = Away(log)
    patient = PatientLog(line, lambda: False, lambda waited_s, why: waits.append(str(why)))
    async with engines(log, 0):
        outcome = await a_run(patient, trader, ticks=20)
    assert outcome.ticks == 20
    assert set(waits) == {"nobody answers"}
    assert trader.asked == [EIGHT + number * SECOND for number in range(1, 20)]
    ticked = await ticks_of(log)
    assert ticked == [EIGHT + number * SECOND for number in range(1, 21)]
    answers = [decode_event(record.value) for record in await read(log, Topic.EXECUTIONS)]
    accepted = [each for each in answers if isinstance(each, e.OrderAccepted)]
    assert [each.repeated for each in accepted] == [False] * 19
    assert not [each for each in answers if isinstance(each, e.OrderRejected)]


class Torn(MemoryLog):
    """Takes the first of what is appended, then another's record, and does not answer; later it takes all."""

    torn = False

    async def append(self, records: Sequence[Outgoing]) -> None:
        if not self.torn:
            self.torn = True
            await super().append([records[0], Outgoing("control", 0, b"V1", b"another's", EIGHT)])
            raise Unreachable("nobody answers")
        await super().append(records)


async def test_of_an_append_that_was_done_in_part_only_what_is_missing_is_appended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stream_engine.transport.patient.PAUSE_S", 0.001)
    log = Torn()
    paid = [Outgoing("control", 0, b"V1", value, EIGHT) for value in (b"5 USDT", b"5 USDT", b"7 USDT")]
    await MemoryLog.append(log, paid[:1])  # as an earlier run did
    await PatientLog(log, lambda: False).append(paid)
    there = [record.value for record in (await log.read({("control", 0): 0}, 100))["control", 0]]
    assert there == [b"5 USDT", b"5 USDT", b"another's", b"5 USDT", b"7 USDT"]


async def test_who_waits_for_a_log_hears_a_stop_and_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_engine.transport.patient.PAUSE_S", 0.001)
    monkeypatch.setattr(Away, "_broken", lambda self: True)
    waits: list[float] = []
    patient = PatientLog(Away(MemoryLog()), lambda: len(waits) >= 3, lambda waited_s, why: waits.append(waited_s))
    with pytest.raises(Unreachable):
        await patient.ends([("market", 0)])
    assert len(waits) == 3
    monkeypatch.setattr("stream_engine.transport.patient.GIVES_UP_AFTER_S", 0.05)
    with pytest.raises(Unreachable):
        await PatientLog(Away(MemoryLog()), lambda: False).ends([("market", 0)])
