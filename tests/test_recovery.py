"""Recovery: wherever an engine is cut off, the one that resumes yields the same bytes. Every call of the log is a place
to die at, before it is done and after it; a snapshot may also be torn in the midst of its parts.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import count
from typing import cast

import pytest
from msgspec.structs import replace

from stream_engine import journal, snapshots, venues
from stream_engine.core.state import state_hash
from stream_engine.engine import Engine
from stream_engine.journal import JournalError
from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import (
    Cancel,
    ClockTick,
    Deposit,
    IndexPrices,
    Input,
    Leg,
    ListInstrument,
    MapVenue,
    MassQuote,
    OpenAccounts,
    Place,
    SeedFund,
    SeedPositions,
    Side,
)
from stream_engine.messages.topics import INPUT_TOPIC, INTAKE, OUTPUT, Topic
from stream_engine.transport.memory import MemoryLog, MemoryWriter
from stream_engine.transport.protocol import Log, Outgoing, Positions, Record, TopicPartition
from tests.instruments import BTC
from tests.transport.marked import MarkedLog

SECOND = 1_000_000
EIGHT = 1_760_126_400 * SECOND
PUBLISHED = (*OUTPUT, Topic.DEADLETTERS)
JOURNAL = (Topic.JOURNAL.value, 0)
SNAPSHOTS = (Topic.SNAPSHOTS.value, 0)
# So few inputs to a cycle, and so often a snapshot, that a short storm has many of both.
AT_ONCE = 4
EVERY = 18


def a_storm(venue: str) -> Iterator[Input]:
    """Seeded longs on 50x, a maker who quotes and cancels, a price that falls until the fund is gone and ADL begins."""
    longs = range(10, 16)
    yield MapVenue(venue, EIGHT, 0)
    yield ListInstrument(venue, EIGHT, BTC)
    yield OpenAccounts(venue, EIGHT, ((1, "MM1"), (2, "hedger"), *((each, f"trader-{each}") for each in longs)))
    yield Deposit(venue, EIGHT, ((1, 10**11), (2, 10**11), *((each, 10**8 * each) for each in longs)))
    yield SeedFund(venue, EIGHT, 10**7)
    yield IndexPrices(venue, EIGHT, "spot", (("BTC", 122_000),))
    legs = [Leg(each, "BTC", 500, 122_000) for each in longs]
    yield SeedPositions(venue, EIGHT, (Leg(2, "BTC", -500 * len(longs), 122_000), *legs))
    for second in range(8):
        now_us = EIGHT + second * SECOND
        price = 122_000 - 450 * second
        yield ClockTick(venue, now_us)
        yield IndexPrices(venue, now_us + 1, "spot", (("BTC", price),))
        yield MassQuote(venue, now_us + 2, 1, "BTC", second + 1, ((price - 10, 300),), ((price + 10, 300),))
        yield Place(venue, now_us + 3, 2, f"rest-{second}", "BTC", Side.BUY, 1, price - 900)
        yield Place(venue, now_us + 4, 10, f"in-{second}", "BTC", Side.SELL, 1)
        if second % 2:
            yield Cancel(venue, now_us + 5, 2, f"rest-{second - 1}")


def intake(*venues: str) -> list[Outgoing]:
    """The storms of some venues on partition 0, in turn, and what nobody can take among them."""
    records = []
    for together in zip(*map(a_storm, venues), strict=True):
        for each in together:
            topic = INPUT_TOPIC[type(each)].value
            records.append(Outgoing(topic, 0, each.venue.encode(), encode(each), each.ts_us))
    records[20:20] = [Outgoing(Topic.ORDERS.value, 0, b"", b"not an order", EIGHT), *elsewhere()]
    records.append(Outgoing(Topic.SHOCKS.value, 0, b"", b"x" * 5_000, EIGHT))
    return records


def elsewhere() -> Iterator[Outgoing]:
    for each in (MapVenue("far", EIGHT, 3), ClockTick("far", EIGHT)):
        yield Outgoing(Topic.CONTROL.value, 0, b"far", encode(each), EIGHT)


async def filled(log: MemoryLog, *venues: str) -> MemoryLog:
    await log.append(intake(*venues))
    return log


Step = Callable[[Engine, int], Awaitable[int]]


async def to_the_end(log: Log, every: int = EVERY, step: Step = Engine.cycle) -> Engine:
    """An engine takes what there is, and writes its snapshots."""
    engine = Engine(log, 0)
    await engine.start()
    while await engine.behind():
        await step(engine, AT_ONCE)
        if engine.stand.work.inputs >= every and (snapshot := await engine.snapshot()):
            await snapshots.write(log, snapshot, SNAPSHOTS)
    await engine.settle()
    return engine


async def published(log: Log, topics: Iterable[Topic] = PUBLISHED) -> dict[str, list[bytes]]:
    """What stands on the topics, without the broker's marks."""
    found = {}
    for topic in topics:
        records = (await log.read({(topic.value, 0): 0}, 10**9)).get((topic.value, 0), [])
        found[topic.value] = [
            repr((each.key, each.value, each.timestamp_us, each.headers)).encode() for each in records
        ]
    return found


async def taken(log: Log) -> list[tuple[str, int]]:
    records = (await log.read({JOURNAL: 0}, 10**9)).get(JOURNAL, [])
    batches = journal.read(record.value for record in records)
    return [(topic, offset) for batch in batches for topic, offset, _ in batch.entries()]


class Dying(Exception):
    """The process ends here."""


class Moment(Enum):
    """When a call kills."""

    BEFORE = "before it is done"
    AMID = "with the first half of an append done"
    AFTER = "once it is done"


class MortalLog:
    """A log whose user dies at its n-th call."""

    def __init__(self, log: MemoryLog, at: int = 10**9, moment: Moment = Moment.BEFORE) -> None:
        self.calls = 0
        self.appends: list[int] = []
        self._log, self._at, self._moment = log, at, moment

    async def die_or(self, call: Callable[[], Awaitable[object]], half: Callable[[], Awaitable[None]]) -> object:
        """Do the call, unless it is the fatal one."""
        is_fatal = self.calls == self._at
        self.calls += 1
        if is_fatal and self._moment is Moment.AMID:
            await half()
        if is_fatal and self._moment is not Moment.AFTER:
            raise Dying
        answer = await call()
        if is_fatal:
            raise Dying
        return answer

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*args: object) -> object:
            if name == "append":  # a commit is all or nothing, an append is not
                self.appends.append(self.calls)
            answer = await self.die_or(lambda: getattr(self._log, name)(*args), lambda: self._half(name, *args))
            return _MortalWriter(self, answer) if isinstance(answer, MemoryWriter) else answer

        return call

    async def _half(self, name: str, *args: object) -> None:
        if name == "append":
            records = cast(Sequence[Outgoing], args[0])
            await self._log.append(records[: len(records) // 2])


class _MortalWriter:
    def __init__(self, log: MortalLog, writer: MemoryWriter) -> None:
        self._log, self._writer = log, writer

    async def commit(self, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        await self._log.die_or(lambda: self._writer.commit(records, group, offsets), nothing)

    async def close(self) -> None:
        await self._writer.close()


async def nothing() -> None:
    """Half of a commit."""


@pytest.mark.parametrize(
    ("make", "step"), [(MemoryLog, Engine.cycle), (MarkedLog, Engine.cycle), (MarkedLog, Engine.advance)]
)
@pytest.mark.parametrize("moment", Moment)
async def test_cut_off_at_any_call_of_the_log_and_resumed_an_engine_yields_the_same_bytes(
    make: type[MemoryLog], step: Step, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_STATE_BYTES", 1_500)
    monkeypatch.setattr(journal, "STATES_EVERY", 3)
    whole = await filled(make(), "alpha", "beta")
    counting = MortalLog(whole)
    await to_the_end(cast(Log, counting), step=step)
    expected, order = await published(whole), await taken(whole)
    assert expected["adl"] and expected["deadletters"]
    assert len([each async for each in snapshots.newest(whole, SNAPSHOTS)]) >= 4
    for at in counting.appends if moment is Moment.AMID else range(counting.calls):
        log = await filled(make(), "alpha", "beta")
        with pytest.raises(Dying):
            await to_the_end(cast(Log, MortalLog(log, at, moment)), step=step)
        await to_the_end(log, step=step)
        assert await published(log) == expected, at
        assert await taken(log) == order, at


@pytest.mark.parametrize("make", [MemoryLog, MarkedLog])
async def test_cut_off_after_every_single_call_an_engine_still_comes_to_the_end(make: type[MemoryLog]) -> None:
    whole = await filled(make(), "alpha")
    await to_the_end(whole)
    log = await filled(make(), "alpha")
    lives = 0
    # The start of an engine alone is some calls; each life is granted one more, until one reaches the end.
    for calls in count():
        try:
            await to_the_end(cast(Log, MortalLog(log, calls, Moment.AFTER)))
            break
        except Dying:
            lives += 1
    assert lives > 10
    assert await published(log) == await published(whole)


# what stops the start ----------------------------------------------------------------------------------------


async def test_the_writer_is_taken_before_the_committed_offsets_are_read_and_they_before_the_journal() -> None:
    called: list[str] = []

    class NamingLog(MemoryLog):
        async def writer(self, name: str) -> MemoryWriter:
            called.append("writer")
            return await super().writer(name)

        async def committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
            called.append("committed")
            return await super().committed(group, partitions)

        async def read(
            self, positions: Positions, limit: int, wait_s: float = 0.0
        ) -> dict[TopicPartition, list[Record]]:
            called.extend(topic for topic, _ in positions)
            return await super().read(positions, limit, wait_s)

    log = NamingLog()
    await to_the_end(await filled(log, "alpha"))
    called.clear()
    await Engine(log, 0).start()
    order = [call for number, call in enumerate(called) if call not in called[:number]]
    assert order == ["writer", "committed", "snapshots", "journal", *(topic.value for topic in INTAKE)]


@pytest.mark.parametrize("topic", [Topic.CONTROL, Topic.QUOTES, Topic.SHOCKS, Topic.ORDERS])
async def test_an_intake_topic_that_holds_another_record_than_the_last_taken_was_made_anew(topic: Topic) -> None:
    log = await filled(MemoryLog(), "alpha")
    await to_the_end(log, every=10**9)
    await Engine(log, 0).start()
    there = log._kept[topic.value, 0]
    there[-1] = replace(there[-1], value=there[-1].value[:-1] + b" ")
    await log.append([there[-1]])
    told = rf"{topic.value}, partition 0, holds before offset {len(there) - 1} another record .* made anew"
    with pytest.raises(JournalError, match=told):
        await Engine(log, 0).start()


@pytest.mark.parametrize(("short_by", "is_refused"), [(0, False), (1, True), (2, True)])
async def test_an_intake_topic_that_is_shorter_than_what_was_taken_of_it_was_made_anew(
    short_by: int, is_refused: bool
) -> None:
    log = await filled(MemoryLog(), "alpha")
    await to_the_end(log)
    orders = log._kept[Topic.ORDERS.value, 0]
    length = len(orders)
    del orders[length - short_by :]
    if not is_refused:
        await Engine(log, 0).start()
        return
    told = rf"orders, partition 0, ends at offset {length - short_by}, .* up to {length}: the topic was made anew"
    with pytest.raises(JournalError, match=told):
        await Engine(log, 0).start()


@pytest.mark.parametrize(("trimmed_over", "is_refused"), [(-1, False), (0, False), (1, True)])
async def test_an_intake_topic_that_was_trimmed_past_what_was_taken_of_it_has_lost_records(
    trimmed_over: int, is_refused: bool
) -> None:
    log = await filled(MemoryLog(), "alpha")
    control = (Topic.CONTROL.value, 0)
    await Engine(log, 0).cycle(AT_ONCE)
    log.forget({control: AT_ONCE + trimmed_over})
    if not is_refused:
        await Engine(log, 0).start()
        return
    told = "control, partition 0, begins at offset 5, .* only up to 4: what lies between is lost"
    with pytest.raises(JournalError, match=told):
        await Engine(log, 0).start()


@pytest.mark.parametrize("number", [0, 7])
async def test_a_journal_record_that_was_altered_stops_the_start_and_is_named(number: int) -> None:
    log = await filled(MemoryLog(), "alpha")
    await to_the_end(log, every=10**9)
    record = log._kept[JOURNAL][number]
    log._kept[JOURNAL][number] = replace(record, value=record.value.replace(b"alpha", b"alphb", 1))
    told = f"journal, partition 0, offset {number}: journal record {number}: its hash does not follow"
    with pytest.raises(JournalError, match=told):
        await Engine(log, 0).start()


async def test_an_engine_that_comes_to_another_state_than_the_journal_says_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "STATES_EVERY", 5)
    log = await filled(MemoryLog(), "alpha", "beta")
    with monkeypatch.context() as patch:
        patch.setattr(venues, "state_hash", lambda exchange: state_hash(exchange) + "?" * (exchange.venue == "beta"))
        await to_the_end(log, every=10**9)
    told = "journal, partition 0, offset 4: journal record 4: the state after it is not what it was, of venue beta"
    with pytest.raises(JournalError, match=told):
        await Engine(log, 0).start()


@pytest.mark.parametrize(("number", "carries"), [(98, False), (99, True), (100, False), (199, True)])
def test_every_hundredth_journal_record_carries_the_hashes_of_the_states(number: int, carries: bool) -> None:
    assert journal.carries_states(number) is carries
