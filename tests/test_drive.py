"""Drive: who is stepped when, who hears what, how a run ends, and that it is the same every time."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import pytest

from consumers.monitor import Finding, Severity, State, finding_id
from consumers.recorder import Recorder
from consumers.runner import MonitorRunner, Reader
from producers.labels import AnyLabel
from producers.market_view import MarketView
from producers.runner import AgentRunner, Sender
from stream_engine.drive import Clock, Outcome, SetupRefused, lockstep
from stream_engine.engine import Engine, replay
from stream_engine.messages import events as e
from stream_engine.messages.codec import decode_event, decode_input
from stream_engine.messages.inputs import (
    Cancel,
    ClockTick,
    Deposit,
    IndexPrices,
    Input,
    Leg,
    ListInstrument,
    MapVenue,
    OpenAccounts,
    Place,
    Side,
    TimeInForce,
)
from stream_engine.messages.topics import OUTPUT, Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing, OutOfRange, Positions, Record
from tests.instruments import BTC
from tests.transport.marked import MarkedLog

SECOND = 1_000_000
EIGHT = 1_760_126_400 * SECOND  # 10 October 2025, 20:00 UTC
ALL = frozenset(OUTPUT)


class Sight(MarketView):
    """A view that keeps what is folded into it."""

    def __init__(self, venue: str, latency_us: int) -> None:
        super().__init__(venue, {}, latency_us=latency_us)
        self.new: list[e.AnyEvent] = []
        self.folds = 0

    def fold(self, events: Iterable[e.AnyEvent]) -> None:
        self.new += events
        self.folds += 1


class Trader:
    """Sends what it is told to, and remembers what it heard of its accounts and saw of the market, and when."""

    labels: tuple[AnyLabel, ...] = ()
    venue = "V1"

    def __init__(
        self,
        name: str,
        accounts: Iterable[int] = (),
        latency_us: int = 0,
        topics: frozenset[Topic] = ALL - {Topic.MARKET},
        plan: Callable[[int], Sequence[Input]] = lambda now_us: (),
        hears: Iterable[str] = ("V1",),
        sights: Sequence[Sight] | None = None,
    ) -> None:
        self.name, self.latency_us, self.topics, self.accounts = name, latency_us, topics, frozenset(accounts)
        self.plan = plan
        self.hears = frozenset(hears)
        self.views = [Sight("V1", latency_us)] if sights is None else sights
        self.heard: list[tuple[int, e.AnyEvent]] = []
        self.saw: list[tuple[int, e.AnyEvent]] = []
        self.asked: list[int] = []

    def decide(self, now_us: int, events: Sequence[e.AnyEvent]) -> Sequence[Input]:
        self.asked.append(now_us)
        self.heard += [(now_us, event) for event in events]
        for view in self.views:
            self.saw += [(now_us, event) for event in view.new]
            view.new.clear()
        return self.plan(now_us)


class Watcher:
    """Remembers what it observes, and finds every clock tick worth telling."""

    venue: str | None = None

    def __init__(self, name: str = "watcher", topics: frozenset[Topic] = ALL) -> None:
        self.name, self.topics = name, topics
        self.observed: list[e.AnyEvent] = []

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        self.observed.append(event)
        if isinstance(event, e.ClockTicked):
            where = (self.name, event.venue, None, event.seq)
            yield Finding(
                finding_id(*where), *where, event.ts_us, Severity.INFO, State.OPEN, "it ticked", {"n": event.n}
            )


def a_setup(venue: str = "V1", partition: int = 0) -> list[Input]:
    return [
        MapVenue(venue, EIGHT, partition),
        ListInstrument(venue, EIGHT, BTC),
        OpenAccounts(venue, EIGHT, ((1, "A"), (2, "B"))),
        Deposit(venue, EIGHT, ((1, 10**12), (2, 10**12))),
        IndexPrices(venue, EIGHT, "spot", (("BTC", 122_000),)),
    ]


def a_clock(ticks: int = 3) -> Clock:
    return Clock(EIGHT + SECOND, EIGHT + ticks * SECOND)


def buying(account: int, price: int, side: Side = Side.BUY) -> Callable[[int], Sequence[Input]]:
    """One order a tick, under the client id of the second."""
    return lambda now_us: [Place("V1", now_us, account, str(now_us - EIGHT), "BTC", side, 1, price)]


async def a_run(
    *participants: Trader,
    monitors: Sequence[Watcher] = (),
    clock: Clock | None = None,
    log: MemoryLog | None = None,
    **more: object,
) -> tuple[MemoryLog, Outcome]:
    log = log or MemoryLog()
    outcome = await lockstep(
        log,
        [Engine(log, 0)],
        participants,
        monitors,
        clock or a_clock(),
        setup=a_setup(),
        **more,  # type: ignore[arg-type]
    )
    return log, outcome


async def read(log: MemoryLog, topic: Topic) -> list[Record]:
    return (await log.read({(topic.value, 0): 0}, 10**9)).get((topic.value, 0), [])


async def everything(log: MemoryLog) -> dict[Topic, list[Record]]:
    return {topic: await read(log, topic) for topic in Topic}


# the clock and the order of stepping ---------------------------------------------------------------------------


@pytest.mark.parametrize(("end_us", "ticks"), [(3 * SECOND - 1, 2), (3 * SECOND, 3), (3 * SECOND + 1, 3)])
async def test_the_clock_ticks_from_start_to_end_both_included(end_us: int, ticks: int) -> None:
    trader = Trader("A")
    _, outcome = await a_run(trader, clock=Clock(EIGHT + SECOND, EIGHT + end_us))
    assert trader.asked == [EIGHT + number * SECOND for number in range(1, ticks + 1)]
    assert (outcome.ticks, outcome.now_us, outcome.stopped) == (ticks, EIGHT + ticks * SECOND, False)


async def test_the_clock_has_the_tick_that_it_is_given() -> None:
    trader = Trader("A")
    await a_run(trader, clock=Clock(EIGHT, EIGHT + SECOND, tick_us=SECOND // 4))
    assert trader.asked == [EIGHT + number * SECOND // 4 for number in range(5)]


async def test_agents_send_in_the_order_of_their_names_whatever_order_they_are_given_in() -> None:
    names = ["trader-2", "MM1", "trader-10"]

    def plan(account: int) -> Callable[[int], Sequence[Input]]:
        return lambda now_us: [Cancel("V1", now_us, account, "none")]

    log, _ = await a_run(*(Trader(name, plan=plan(number)) for number, name in enumerate(names, 1)), clock=a_clock(1))
    sent = [decode_input(record.value) for record in await read(log, Topic.ORDERS)]
    assert [each.account for each in sent if isinstance(each, Cancel)] == [2, 3, 1]


async def test_the_clock_ticks_before_anybody_decides_and_what_they_send_is_taken_within_the_tick() -> None:
    log, _ = await a_run(Trader("A", plan=buying(1, 121_000)), clock=a_clock(2))
    kinds = [type(event) for event in await events_of(log) if isinstance(event, e.ClockTicked | e.OrderAccepted)]
    assert kinds == [e.ClockTicked, e.OrderAccepted, e.ClockTicked, e.OrderAccepted]


async def test_no_agent_sees_within_a_tick_what_another_sends_in_it() -> None:
    seller, buyer = Trader("A", [2], plan=buying(2, 122_000, Side.SELL)), Trader("B", [1])
    await a_run(seller, buyer, clock=a_clock(2))
    seen = {now_us for now_us, event in buyer.saw if isinstance(event, e.BookChanged)}
    assert seen == {EIGHT + 2 * SECOND}


async def events_of(log: MemoryLog) -> list[e.AnyEvent]:
    reader = Reader(log, OUTPUT, [0])
    return reader.events(await reader.poll())


async def test_two_agents_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two agents have one name"):
        await a_run(Trader("A"), Trader("A"))


# the setup -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (Deposit("V1", EIGHT, ((3, 1),)), "the exchange refuses Deposit of the setup: unknown_account"),
        (ListInstrument("V1", EIGHT, BTC), "the exchange refuses ListInstrument of the setup: already_exists"),
        (OpenAccounts("V1", EIGHT, ((3, "p" * 65),)), "the engine does not take OpenAccounts of the setup: Expected"),
        (OpenAccounts("V1", EIGHT, tuple((n, "p" * 60) for n in range(3, 4_003))), "control takes 262144"),
        (ClockTick("V2", EIGHT), "venue V2 is mapped to no partition"),
    ],
)
async def test_a_setup_that_is_not_taken_as_a_whole_ends_the_run_before_anybody_is_asked(
    refused: Input, said: str
) -> None:
    trader, log = Trader("A"), MemoryLog()
    with pytest.raises(SetupRefused, match=said):
        await lockstep(log, [Engine(log, 0)], [trader], [], a_clock(), setup=[*a_setup(), refused])
    assert trader.asked == []
    assert not [event for event in await events_of(log) if isinstance(event, e.ClockTicked)]


async def test_what_is_refused_after_the_setup_is_an_event_and_the_run_goes_on() -> None:
    log, outcome = await a_run(Trader("A", plan=lambda now_us: [Deposit("V1", now_us, ((3, 1),))]))
    assert sum(isinstance(event, e.ControlRejected) for event in await events_of(log)) == outcome.ticks == 3


# who hears what ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("latency_us", "after_ticks"), [(0, 0), (1, 1), (SECOND - 1, 1), (SECOND, 1), (SECOND + 1, 2)])
async def test_a_view_shows_an_event_once_it_is_as_old_as_its_latency(latency_us: int, after_ticks: int) -> None:
    trader = Trader("A", latency_us=latency_us)
    await a_run(trader, clock=a_clock(5))
    ticked = [(now_us - event.ts_us) // SECOND for now_us, event in trader.saw if isinstance(event, e.ClockTicked)]
    assert ticked == [after_ticks] * (5 - after_ticks)


async def test_an_agent_hears_its_own_fills_as_taker_and_as_maker_and_nobody_elses() -> None:
    seller = Trader("A", [2], plan=buying(2, 122_000, Side.SELL))
    buyer = Trader("B", [1], plan=buying(1, 122_000))
    other = Trader("C", [3])
    await a_run(seller, buyer, other, clock=a_clock(3))
    for each, fills in ((seller, 2), (buyer, 2), (other, 0)):
        assert sum(isinstance(event, e.Traded) for _, event in each.heard) == fills
        assert sum(isinstance(event, e.TradePrinted) for _, event in each.saw) == 2


async def test_an_agent_hears_only_the_topics_that_it_listens_to() -> None:
    market = Trader("A", [1], topics=frozenset(), plan=buying(1, 121_000))
    executions = Trader("B", [1], topics=frozenset({Topic.EXECUTIONS}))
    deaf = Trader("C", [1], topics=frozenset(), sights=[])
    await a_run(market, executions, deaf)
    assert {type(event) for _, event in executions.heard} == {e.AccountsOpened, e.Deposited, e.OrderAccepted}
    assert market.heard == deaf.heard == deaf.saw == []
    assert e.ClockTicked in {type(event) for _, event in market.saw}
    assert e.OrderAccepted not in {type(event) for _, event in market.saw}


WHERE = ("V1", 1, 0, EIGHT, None)


@pytest.mark.parametrize(
    ("event", "concerned"),
    [
        (e.OrderAccepted(*WHERE, 1, "c", 1, "BTC", Side.BUY, 1, 100, TimeInForce.GTC, False), {1}),
        (e.Traded(*WHERE, "BTC", 100, 1, 1, 7, Side.BUY, 0, 5, 2, 8, 0, 2), {1, 2}),
        (e.PositionDeleveraged(*WHERE, 2, 1, "BTC", -1, 100, 0, 1, 5, 5, 0), {2}),
        (e.LiquidationStarted(*WHERE, 1, "BTC", 1, 100, 99, 1, 2), {1}),
        (e.FundChanged(*WHERE, 5, 5, e.FundReason.SURPLUS, 2, "BTC"), {2}),
        (e.FundChanged(*WHERE, 5, 5, e.FundReason.SEEDED), set()),
        (e.OrdersResting(*WHERE, "BTC", 0, 1, ((1, 7, "c", 100, 1),), ()), set()),
        (e.AdlQueueRanked(*WHERE, "BTC", Side.BUY, 1, (), ((1, 1, 1, 5),)), set()),
        (e.ClockTicked(*WHERE), set()),
    ],
)
def test_an_event_goes_to_those_whose_accounts_it_concerns_and_to_nobody_else(
    event: e.AnyEvent, concerned: set[int]
) -> None:
    traders = {account: Trader(f"T{account}", [account]) for account in (1, 2, 3)}
    runner = AgentRunner(traders.values())
    runner.hear([event])
    runner.decide(EIGHT)
    assert {account for account, trader in traders.items() if trader.heard} == concerned


def test_an_agent_on_both_sides_of_a_trade_hears_of_it_once() -> None:
    trader = Trader("A", [1, 2])
    runner = AgentRunner([trader])
    runner.hear([e.Traded(*WHERE, "BTC", 100, 1, 1, 7, Side.BUY, 0, 5, 2, 8, 0, 2)])
    runner.decide(EIGHT)
    assert len(trader.heard) == 1


def test_of_a_bulk_event_an_agent_hears_its_own_rows() -> None:
    traders = [Trader("A", [1, 3]), Trader("B", [2]), Trader("C", [9])]
    runner = AgentRunner(traders)
    legs = tuple(Leg(account, "BTC", size, 100) for account, size in ((1, 5), (2, -7), (3, 2)))
    runner.hear(
        [
            e.AccountsOpened(*WHERE, ((1, "a"), (2, "b"), (3, "c"))),
            e.Deposited(*WHERE, ((1, 10, 10), (2, 20, 20), (3, 30, 30))),
            e.PositionsSeeded(*WHERE, legs),
            e.FundingPaid(*WHERE, "BTC", ((1, 5, 5), (2, -7, 27), (3, 2, 28))),
        ]
    )
    runner.decide(EIGHT)
    assert [[event for _, event in trader.heard] for trader in traders] == [
        [
            e.AccountsOpened(*WHERE, ((1, "a"), (3, "c"))),
            e.Deposited(*WHERE, ((1, 10, 10), (3, 30, 30))),
            e.PositionsSeeded(*WHERE, (legs[0], legs[2])),
            e.FundingPaid(*WHERE, "BTC", ((1, 5, 5), (3, 2, 28))),
        ],
        [
            e.AccountsOpened(*WHERE, ((2, "b"),)),
            e.Deposited(*WHERE, ((2, 20, 20),)),
            e.PositionsSeeded(*WHERE, (legs[1],)),
            e.FundingPaid(*WHERE, "BTC", ((2, -7, 27),)),
        ],
        [],
    ]


# monitors ------------------------------------------------------------------------------------------------------


async def test_a_monitor_observes_every_event_of_its_topics_once_in_the_order_in_which_they_happened() -> None:
    watcher, of_market = Watcher(), Watcher("market", frozenset({Topic.MARKET}))
    traders = (Trader("A", plan=buying(2, 122_000, Side.SELL)), Trader("B", plan=buying(1, 122_000)))
    log, outcome = await a_run(*traders, monitors=[watcher, of_market])
    places = [(event.seq, event.n) for event in watcher.observed]
    assert places == sorted(set(places))
    assert len(places) == outcome.events == sum([len(await read(log, topic)) for topic in OUTPUT])
    assert len(of_market.observed) == len(await read(log, Topic.MARKET))


async def test_findings_become_alerts_with_ids_that_derive_from_what_was_seen() -> None:
    log, outcome = await a_run(monitors=[Watcher("b"), Watcher("a")], clock=a_clock(2))
    alerts = await read(log, Topic.ALERTS)
    found = [msgspec.json.decode(record.value, type=Finding) for record in alerts]
    assert [each.id for each in found] == ["a/V1/*/5", "b/V1/*/5", "a/V1/*/6", "b/V1/*/6"]
    assert [each.ts_us for each in found] == [record.timestamp_us for record in alerts]
    assert alerts[0].key == b"V1"
    assert outcome.findings == 4


async def test_both_sides_are_put_on_the_partition_of_the_venue() -> None:
    log = MemoryLog(partitions=3)
    setup = a_setup("V1", 2) + a_setup("V2", 0)
    engines = [Engine(log, number) for number in range(3)]
    outcome = await lockstep(log, engines, [Trader("A", plan=buying(1, 121_000))], [Watcher()], a_clock(1), setup=setup)
    ends = await log.ends([(topic.value, number) for topic in Topic for number in range(3)])
    control = [ends["control", number] for number in range(3)]
    assert control == [2 + 4, 2, 2 + 4]  # the map everywhere; listing, accounts, deposit and tick at home
    assert [ends["orders", number] for number in range(3)] == [0, 0, 1]
    assert [ends["alerts", number] for number in range(3)] == [1, 0, 1]
    assert [ends["deadletters", number] for number in range(3)] == [0, 0, 0]
    assert outcome.inputs == sum(control) + 2 + 1


@pytest.mark.parametrize("count", [2, 3, 7])
async def test_a_reader_reads_to_the_end_however_much_there_is(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumers.runner.READ_AT_ONCE", 3)
    log = MemoryLog()
    reader = Reader(log, [Topic.ORDERS, Topic.CONTROL], [0])
    for _ in range(2):
        await log.append([Outgoing(topic, 0, b"", b"", 0) for topic in ("control", "orders") for _ in range(count)])
        assert [record.topic for record in await reader.poll()] == ["orders"] * count + ["control"] * count
    assert reader.positions == {("orders", 0): 2 * count, ("control", 0): 2 * count}


@pytest.mark.parametrize("batches", [1, 2, 3])
async def test_a_reader_ends_where_nothing_more_is_read_though_the_end_may_lie_further(batches: int) -> None:
    log = MarkedLog()
    reader = Reader(log, [Topic.ORDERS, Topic.CONTROL], [0])
    async with asyncio.timeout(30):
        for number in range(batches):
            await log.append([Outgoing("orders", 0, b"", b"%d" % number, 0)])
            assert [record.value for record in await reader.poll()] == [b"%d" % number]
        assert await reader.poll() == []


# what is sent --------------------------------------------------------------------------------------------------


def test_an_input_goes_to_the_topic_of_its_type_with_schema_and_run() -> None:
    [record] = Sender({"V1": 1}, [0, 1], "oct10.", "run-7").records([ClockTick("V1", EIGHT)])
    headers = (("schema", b"control/1"), ("run_id", b"run-7"))
    value = b'{"type":"ClockTick","venue":"V1","ts_us":%d}' % EIGHT
    assert record == Outgoing("oct10.control", 1, b"V1", value, EIGHT, headers)


def test_an_input_of_a_venue_without_a_partition_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="V2 is mapped to no partition"):
        Sender({"V1": 0}, [0]).records([ClockTick("V2", EIGHT)])


@pytest.mark.parametrize(("names", "fits"), [(3_700, True), (4_000, False)])
def test_an_input_that_the_engine_would_not_take_for_its_size_is_not_sent(names: int, fits: bool) -> None:
    bulk = OpenAccounts("V1", EIGHT, tuple((number, "p" * 60) for number in range(1, names)))
    sender = Sender({"V1": 0}, [0])
    if fits:
        assert len(sender.records([bulk])) == 1
    else:
        with pytest.raises(ValueError, match="control takes 262144"):
            sender.records([bulk])


# the end, the pace, and what is kept ---------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_stop_ends_the_run_at_the_end_of_the_tick_and_everything_sent_is_taken_and_recorded(after: int) -> None:
    recorded: list[Record] = []
    seen: list[int] = []
    watcher, trader = Watcher(), Trader("A", [1], plan=buying(1, 121_000))
    log, outcome = await a_run(
        trader,
        monitors=[watcher],
        record=recorded.extend,
        on_tick=seen.append,
        stop=lambda: len(seen) == after,
        clock=a_clock(5),
    )
    assert (outcome.ticks, outcome.stopped) == (after, True)
    assert seen == trader.asked == [EIGHT + number * SECOND for number in range(1, after + 1)]
    kept = await everything(log)
    assert {topic: [record for record in recorded if record.topic == topic.value] for topic in Topic} == kept
    assert sum(isinstance(event, e.OrderAccepted) for event in watcher.observed) == len(kept[Topic.ORDERS]) == after
    later = Engine(log, 0)
    await later.start()
    assert not await later.behind()


async def test_every_record_of_every_topic_is_recorded_once_in_the_order_of_its_topic() -> None:
    recorded: list[Record] = []
    log, _ = await a_run(Trader("A", plan=buying(1, 121_000)), monitors=[Watcher()], record=recorded.extend)
    for topic, kept in (await everything(log)).items():
        assert [record for record in recorded if record.topic == topic.value] == kept


async def test_the_same_run_appends_the_same_bytes_at_any_speed() -> None:
    logs = [
        (await a_run(Trader("A", [1], plan=buying(1, 121_000)), monitors=[Watcher()], speed=speed))[0]
        for speed in (None, None, 100.0)
    ]
    first, *others = [await everything(log) for log in logs]
    assert all(other == first for other in others)
    assert len(first[Topic.EXECUTIONS]) > 3


async def test_speed_is_event_seconds_per_wall_second() -> None:
    began = time.monotonic()
    await a_run(clock=a_clock(5), speed=20)
    assert 0.2 <= time.monotonic() - began < 2


async def test_a_stop_is_heard_while_the_run_waits_for_the_wall_clock() -> None:
    began = time.monotonic()
    async with asyncio.timeout(5):
        _, outcome = await a_run(clock=a_clock(3), speed=0.001, stop=lambda: time.monotonic() - began > 0.1)
    assert time.monotonic() - began < 2
    assert (outcome.ticks, outcome.stopped) == (1, True)


async def test_at_full_speed_others_on_the_loop_get_their_turn_each_tick() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await a_run(clock=a_clock(20))
    task.cancel()
    assert turns >= 20


@pytest.mark.parametrize("speed", [0, -1])
async def test_a_speed_that_is_not_positive_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="are more than 0"):
        await a_run(speed=speed)


async def test_what_everybody_has_read_may_be_forgotten_each_tick_and_the_run_is_the_same() -> None:
    recorded: dict[bool, list[Record]] = {True: [], False: []}
    for forgets in (True, False):
        log = MemoryLog()
        forget: Callable[[Positions], None] = log.forget if forgets else lambda before: None
        await a_run(Trader("A", [1], plan=buying(1, 121_000)), log=log, record=recorded[forgets].extend, forget=forget)
        if forgets:
            with pytest.raises(OutOfRange):
                await read(log, Topic.MARKET)
    assert recorded[True] == recorded[False]


async def test_from_the_recorded_journal_alone_the_recorded_events_follow_byte_for_byte(tmp_path: Path) -> None:
    seller, buyer = Trader("A", [2], plan=buying(2, 122_000, Side.SELL)), Trader("B", [1], plan=buying(1, 122_000))
    with Recorder(tmp_path) as recorder:
        await a_run(seller, buyer, record=recorder.write)
    again = list(replay((tmp_path / "journal.jsonl").read_bytes().splitlines()))
    for topic in OUTPUT:
        values = [event.value for event in again if event.topic == topic.value]
        assert (tmp_path / f"{topic.value}.jsonl").read_bytes().splitlines() == values
    assert {e.Traded, e.ClockTicked} <= {type(decode_event(event.value)) for event in again}


def test_a_monitor_runner_keeps_to_the_order_of_names() -> None:
    order: list[str] = []

    class Named(Watcher):
        def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
            order.append(self.name)
            return ()

    MonitorRunner([Named("b"), Named("c"), Named("a")], {"V1": 0}).observe([e.ClockTicked(*WHERE)])
    assert order == ["a", "b", "c"]
