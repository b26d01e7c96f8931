"""Recovery: wherever an engine is cut off, the one that resumes yields the same bytes. Every call of the log is a place
to die at, before it is done and after it; a snapshot may also be torn in the midst of its parts.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import pytest

from stream_engine import journal, snapshots
from stream_engine.engine import Engine
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
from stream_engine.messages.instrument import IndexSource, Instrument, Tier
from stream_engine.messages.topics import INPUT_TOPIC, OUTPUT, Topic
from stream_engine.transport.memory import MemoryLog, MemoryWriter
from stream_engine.transport.protocol import Log, Outgoing, Positions
from tests.transport.marked import MarkedLog

SECOND = 1_000_000
EIGHT = 1_760_126_400 * SECOND
PUBLISHED = (*OUTPUT, Topic.DEADLETTERS)
JOURNAL = (Topic.JOURNAL.value, 0)
SNAPSHOTS = (Topic.SNAPSHOTS.value, 0)
# So few inputs to a cycle, and so often a snapshot, that a short storm has many of both.
AT_ONCE = 4
EVERY = 18

BTC = Instrument(
    symbol="BTC",
    tick_size="1",
    lot_size="0.001",
    tick_value=1_000,
    max_price=1_000_000,
    max_size=1_000_000,
    tiers=(Tier(0, 5_000),),
    sources=(IndexSource("spot", 1),),
)


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


async def to_the_end(log: Log, every: int = EVERY) -> Engine:
    """An engine takes what there is, and writes its snapshots."""
    engine = Engine(log, 0)
    await engine.start()
    while await engine.behind():
        await engine.cycle(AT_ONCE)
        if engine.stand.work.inputs >= every and (snapshot := await engine.snapshot()):
            await snapshots.write(log, snapshot, SNAPSHOTS)
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


class MortalLog:
    """A log whose user dies at its n-th call, just before or just after it is done."""

    def __init__(self, log: MemoryLog, at: int = 10**9, is_done: bool = False) -> None:
        self.calls = 0
        self._log, self._at, self._is_done = log, at, is_done

    async def die_or(self, call: Callable[[], Awaitable[object]]) -> object:
        number, self.calls = self.calls, self.calls + 1
        if number >= self._at and not self._is_done:
            raise Dying
        answer = await call()
        if number >= self._at:
            raise Dying
        return answer

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*args: object) -> object:
            answer = await self.die_or(lambda: getattr(self._log, name)(*args))
            return _MortalWriter(self, answer) if isinstance(answer, MemoryWriter) else answer

        return call


class _MortalWriter:
    def __init__(self, log: MortalLog, writer: MemoryWriter) -> None:
        self._log, self._writer = log, writer

    async def commit(self, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        await self._log.die_or(lambda: self._writer.commit(records, group, offsets))

    async def close(self) -> None:
        await self._writer.close()


@pytest.mark.parametrize("make", [MemoryLog, MarkedLog])
@pytest.mark.parametrize("is_done", [False, True])
async def test_cut_off_at_any_call_of_the_log_and_resumed_an_engine_yields_the_same_bytes(
    make: type[MemoryLog], is_done: bool
) -> None:
    whole = await filled(make(), "alpha", "beta")
    counting = MortalLog(whole)
    await to_the_end(counting)  # type: ignore[arg-type]
    expected, order = await published(whole), await taken(whole)
    assert expected["adl"] and expected["deadletters"]
    assert len((await published(whole, [Topic.SNAPSHOTS]))["snapshots"]) >= 8
    for at in range(counting.calls):
        log = await filled(make(), "alpha", "beta")
        with pytest.raises(Dying):
            await to_the_end(MortalLog(log, at, is_done))  # type: ignore[arg-type]
        await to_the_end(log)
        assert await published(log) == expected, at
        assert await taken(log) == order, at
