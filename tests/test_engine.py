"""Engine: one order out of four topics, one commit per cycle, dead letters, the journal and what follows from it."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence

import pytest

from stream_engine import engine as shell
from stream_engine import journal, venues
from stream_engine.core.exchange import Exchange
from stream_engine.engine import PATIENCE, Engine, EngineStopped, InputCrashed, replay
from stream_engine.journal import CORE_VERSION, KEPT_OF_OVERSIZE, MAX_RECORD_BYTES, JournalError, Oversize
from stream_engine.messages.codec import decode_event, encode
from stream_engine.messages.events import AnyEvent
from stream_engine.messages.inputs import (
    AnyInput,
    Cancel,
    ClockTick,
    Deposit,
    IndexPrices,
    Input,
    ListInstrument,
    MapVenue,
    MassQuote,
    OpenAccounts,
    Place,
    Side,
)
from stream_engine.messages.topics import INPUT_TOPIC, INTAKE, MAX_INPUT_BYTES, OUTPUT, Topic
from stream_engine.transport.memory import MemoryLog, MemoryWriter
from stream_engine.transport.protocol import Fenced, Outgoing, Positions, Record, TopicPartition
from tests.instruments import BTC
from tests.transport.marked import MARK, MarkedLog

Found = dict[TopicPartition, list[Record]]

SECOND = 1_000_000
EIGHT = 1_760_126_400 * SECOND  # 10 October 2025, 20:00 UTC


def a_cancel(account: int, at_us: int = EIGHT, venue: str = "V1") -> Cancel:
    return Cancel(venue, at_us, account, "none")


def a_quote(account: int, at_us: int = EIGHT) -> MassQuote:
    return MassQuote("V1", at_us, account, "BTC", 1)


def a_price(at_us: int = EIGHT) -> IndexPrices:
    return IndexPrices("V1", at_us, "spot", (("BTC", 122_000),))


def a_tick(at_us: int = EIGHT, venue: str = "V1") -> ClockTick:
    return ClockTick(venue, at_us)


def a_market(venue: str = "V1") -> list[Input]:
    """A listing, two funded accounts, a price; then trades, a cancel, quotes, refusals, over ten seconds."""
    inputs: list[Input] = [
        ListInstrument(venue, EIGHT, BTC),
        OpenAccounts(venue, EIGHT, ((1, "MM1"), (2, "trader-2"))),
        Deposit(venue, EIGHT, ((1, 10**12), (2, 10**12))),
        ClockTick(venue, EIGHT),
        IndexPrices(venue, EIGHT + 1, "spot", (("BTC", 122_000),)),
    ]
    for second in range(10):
        now_us = EIGHT + second * SECOND
        inputs += [
            ClockTick(venue, now_us),
            MassQuote(venue, now_us + 2, 1, "BTC", second + 1, ((121_990, 5),), ((122_010, 5),)),
            Place(venue, now_us + 3, 2, f"in-{second}", "BTC", Side.BUY, 2),
            Place(venue, now_us + 4, 2, f"rest-{second}", "BTC", Side.BUY, 1, 121_000),
            Cancel(venue, now_us + 5, 2, f"rest-{second}"),
            Cancel(venue, now_us + 6, 2, "never placed"),
        ]
    return inputs


def on(topic: Topic, value: bytes, partition: int = 0) -> Outgoing:
    return Outgoing(topic.value, partition, b"V1", value, EIGHT)


def records(*inputs: Input, partition: int = 0) -> list[Outgoing]:
    return [on(INPUT_TOPIC[type(each)], encode(each), partition) for each in inputs]


async def drained(log: MemoryLog, limit: int = 4_096, partition: int = 0) -> Engine:
    engine = Engine(log, partition)
    while await engine.behind():
        await engine.cycle(limit)
    return engine


async def read(log: MemoryLog, topic: Topic, partition: int = 0) -> list[Record]:
    at = (topic.value, partition)
    return (await log.read({at: 0}, 10**9)).get(at, [])


async def values(log: MemoryLog, topic: Topic) -> list[bytes]:
    return [record.value for record in await read(log, topic)]


async def events(log: MemoryLog) -> list[AnyEvent]:
    found = [decode_event(value) for topic in OUTPUT for value in await values(log, topic)]
    return sorted(found, key=lambda event: (event.venue, event.seq, event.n))


async def everything(log: MemoryLog, topics: Sequence[Topic] = tuple(Topic)) -> dict[str, list[Record]]:
    return {topic.value: await read(log, topic) for topic in topics}


async def taken(log: MemoryLog) -> list[tuple[str, int]]:
    """Topic and offset of what was taken, in order."""
    batches = journal.read(await values(log, Topic.JOURNAL))
    return [(topic, offset) for batch in batches for topic, offset, _ in batch.entries()]


async def dead_letters(log: MemoryLog) -> list[tuple[bytes, dict[str, bytes]]]:
    return [(record.value, dict(record.headers)) for record in await read(log, Topic.DEADLETTERS)]


# the order ---------------------------------------------------------------------------------------------------


async def test_between_topics_the_earlier_goes_first() -> None:
    log = MemoryLog()
    await log.append(records(a_cancel(1, EIGHT + 3), a_quote(1, EIGHT + 2), a_price(EIGHT + 1), a_tick(EIGHT + 4)))
    await drained(log)
    assert [topic for topic, _ in await taken(log)] == ["shocks", "quotes", "orders", "control"]


async def test_at_equal_times_control_goes_before_shocks_before_quotes_before_orders() -> None:
    log = MemoryLog()
    await log.append(records(a_cancel(1), a_cancel(2), a_quote(1), a_price(), a_tick()))
    await drained(log)
    assert [topic for topic, _ in await taken(log)] == ["control", "shocks", "quotes", "orders", "orders"]


@pytest.mark.parametrize(
    ("order_us", "order"),
    [
        (-1, ["orders", "quotes", "orders"]),
        (0, ["quotes", "orders", "orders"]),
        (1, ["quotes", "orders", "orders"]),
    ],
)
async def test_an_order_passes_a_quote_only_if_it_is_earlier(order_us: int, order: list[str]) -> None:
    log = MemoryLog()
    await log.append(records(a_quote(1), a_cancel(1, EIGHT + order_us), a_cancel(1, EIGHT + 9)))
    await drained(log)
    assert [topic for topic, _ in await taken(log)] == order


async def test_records_of_one_topic_never_overtake_each_other_whatever_their_stamps_say() -> None:
    log = MemoryLog()
    await log.append(records(a_cancel(1, EIGHT + 9), a_cancel(2, EIGHT), a_quote(1, EIGHT + 5)))
    await drained(log)
    assert await taken(log) == [("quotes", 0), ("orders", 0), ("orders", 1)]


async def test_a_value_that_is_no_input_takes_the_time_of_the_input_before_it_in_its_topic() -> None:
    log = MemoryLog()
    await log.append([*records(a_cancel(1, EIGHT + 5), a_quote(1, EIGHT + 5)), on(Topic.ORDERS, b"?")])
    await log.append([on(Topic.CONTROL, b"?"), *records(a_tick(EIGHT + 1), a_quote(1, EIGHT + 6))])
    await drained(log)
    control_then = [("control", 0), ("control", 1)]
    assert await taken(log) == [*control_then, ("quotes", 0), ("orders", 0), ("orders", 1), ("quotes", 1)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 4_096])
async def test_the_order_does_not_depend_on_how_much_is_read_at_once(limit: int) -> None:
    log, whole = MemoryLog(), MemoryLog()
    for each in (log, whole):
        await each.append(records(*a_market()))
    await drained(log, limit)
    await drained(whole)
    assert await taken(log) == await taken(whole)
    assert await everything(log, OUTPUT) == await everything(whole, OUTPUT)


@pytest.mark.parametrize(("cycles", "passes"), [(PATIENCE, False), (PATIENCE + 1, True), (PATIENCE + 2, True)])
async def test_a_stamp_far_in_the_future_does_not_hold_up_its_topic_for_ever(cycles: int, passes: bool) -> None:
    log = MemoryLog()
    await log.append(records(a_price(2**53 - 1), a_price(EIGHT), *(a_cancel(1) for _ in range(2 * cycles))))
    engine = Engine(log, 0)
    for _ in range(cycles + 1):
        await engine.cycle(limit=1)
    assert (("shocks", 0) in await taken(log)) is passes


# one commit per cycle ----------------------------------------------------------------------------------------


async def test_events_go_to_their_topics_with_venue_time_schema_and_run() -> None:
    log = MemoryLog(partitions=2, prefix="oct10.")
    await log.append([Outgoing("oct10.control", 1, b"V1", encode(a_tick()), EIGHT)])
    await Engine(log, 1, "oct10.", "run-7").cycle()
    [record] = (await log.read({("oct10.market", 1): 0}, 9))["oct10.market", 1]
    assert (record.key, record.timestamp_us) == (b"V1", EIGHT)
    assert record.headers == (("schema", b"market/1"), ("run_id", b"run-7"))
    assert await log.committed("oct10.engine", [("oct10.control", 1)]) == {("oct10.control", 1): 1}


async def test_a_cycle_commits_the_offsets_of_what_it_took() -> None:
    log = MemoryLog()
    await log.append(records(*(a_cancel(1) for _ in range(5)), a_tick()))
    engine = Engine(log, 0)
    assert await engine.cycle(limit=3) == 4
    assert await log.committed("engine", [(topic.value, 0) for topic in INTAKE]) == {
        ("control", 0): 1,
        ("orders", 0): 3,
    }
    assert await engine.cycle(limit=3) == 2
    assert await engine.cycle(limit=3) == 0


async def test_a_cycle_with_nothing_to_take_appends_nothing() -> None:
    log = MemoryLog()
    assert await Engine(log, 0).cycle() == 0
    assert all(not found for found in (await everything(log)).values())


async def test_venues_on_one_partition_count_their_inputs_each_from_zero() -> None:
    log = MemoryLog()
    await log.append(records(a_tick(venue="V1"), a_tick(venue="V2"), a_tick(venue="V1")))
    engine = await drained(log)
    assert [(event.venue, event.seq) for event in await events(log)] == [("V1", 0), ("V1", 1), ("V2", 0)]
    assert {venue: exchange.seq for venue, exchange in engine.exchanges.items()} == {"V1": 2, "V2": 1}


async def test_a_journal_record_names_the_first_seq_that_each_venue_gave_in_it() -> None:
    log = MemoryLog()
    for inputs in ([a_tick(), a_tick(venue="V2")], [a_tick()], [a_tick(venue="V2"), a_tick(), a_tick()]):
        await log.append(records(*inputs))
        await drained(log)
    batches = list(journal.read(await values(log, Topic.JOURNAL)))
    assert [batch.seq for batch in batches] == [{"V1": 0, "V2": 0}, {"V1": 1}, {"V2": 1, "V1": 2}]
    assert [(batch.number, batch.core) for batch in batches] == [
        (0, CORE_VERSION),
        (1, CORE_VERSION),
        (2, CORE_VERSION),
    ]


async def test_a_cycle_ends_before_its_journal_record_passes_the_limit() -> None:
    log = MemoryLog()
    big = encode(OpenAccounts("V1", EIGHT, tuple((number, "p" * 64) for number in range(1, 3_001))))
    assert 200_000 < len(big) <= MAX_INPUT_BYTES[Topic.CONTROL]
    await log.append([on(Topic.CONTROL, big) for _ in range(5)])
    await drained(log)
    sizes = [len(value) for value in await values(log, Topic.JOURNAL)]
    assert len(sizes) > 1
    assert max(sizes) <= MAX_RECORD_BYTES
    assert await taken(log) == [("control", offset) for offset in range(5)]


async def test_a_cycle_may_fill_several_journal_records_in_one_commit_but_not_more_than_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "JOURNALS_PER_CYCLE", 3)
    commits: list[int] = []
    commit = MemoryWriter.commit

    async def counting(writer: MemoryWriter, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        commits.append(sum(record.topic == Topic.JOURNAL.value for record in records))
        await commit(writer, records, group, offsets)

    monkeypatch.setattr(MemoryWriter, "commit", counting)
    log = MemoryLog()
    big = encode(OpenAccounts("V1", EIGHT, tuple((number, "p" * 64) for number in range(1, 3_001))))
    await log.append([on(Topic.CONTROL, big) for _ in range(10)])
    await drained(log)
    lengths = [len(list(batch.entries())) for batch in journal.read(await values(log, Topic.JOURNAL))]
    assert (commits, lengths) == ([3, 2], [2, 2, 2, 2, 2])
    assert await log.committed("engine", [("control", 0)]) == {("control", 0): 10}


@pytest.mark.parametrize("length", [99, 199])
async def test_a_journal_record_with_state_hashes_of_all_its_venues_stays_within_its_limit(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "STATES_EVERY", 1)
    log = MemoryLog()
    await log.append(records(*(a_tick(venue="\x7f" * 60 + f"{number:04}") for number in range(length * 3))))
    await log.append([on(Topic.CONTROL, b"\xff" * MAX_INPUT_BYTES[Topic.CONTROL]) for _ in range(2)])
    await drained(log)
    lines = await values(log, Topic.JOURNAL)
    assert max(map(len, lines)) <= MAX_RECORD_BYTES
    assert len(list(journal.read(lines))[-1].state) == min(length * 3, journal.MAX_STATES)


async def test_dead_letters_and_new_venues_fit_into_journal_records_too() -> None:
    log = MemoryLog()
    longest = MAX_INPUT_BYTES[Topic.CONTROL]
    await log.append([on(Topic.CONTROL, b"\xff" * (longest + more)) for more in (-1, 0, 1) * 3])
    await log.append(records(*(a_tick(venue=f"{number:064}") for number in range(4_096))))
    await log.append([on(Topic.QUOTES, b'{"type":"' + b"\x7f" * 300 + b'"}') for _ in range(4_096)])
    await drained(log)
    assert max(len(value) for value in await values(log, Topic.JOURNAL)) <= MAX_RECORD_BYTES
    assert len(await taken(log)) == 9 + 2 * 4_096


async def test_a_cycle_ends_once_it_has_made_its_number_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "RECORDS_PER_CYCLE", 3)
    log = MemoryLog()
    await log.append(records(*(a_tick() for _ in range(7))))
    await drained(log)
    assert [len(list(batch.entries())) for batch in journal.read(await values(log, Topic.JOURNAL))] == [3, 3, 1]


async def test_a_journal_record_has_the_latest_time_of_what_was_taken_and_not_of_what_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shell, "RECORDS_PER_CYCLE", 2)
    log = MemoryLog()
    await log.append(records(*(a_tick(EIGHT + later) for later in (0, 3, 1, 2, 9))))
    await drained(log)
    assert [record.timestamp_us - EIGHT for record in await read(log, Topic.JOURNAL)] == [3, 2, 9]


# dead letters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        (Topic.ORDERS, b"", "truncated"),
        (Topic.ORDERS, b"not json", "malformed"),
        (Topic.ORDERS, b'{"type":"Steal","venue":"V1","ts_us":1}', "Steal"),
        (Topic.ORDERS, b'{"type":"Cancel","venue":"V1","ts_us":1,"account":"1","client_id":"a"}', "$.account"),
        (Topic.ORDERS, b'{"type":"Cancel","venue":"V1","ts_us":1,"account":1' + b"0" * 300 + b"}", "account"),
        (Topic.ORDERS, b"\xff\x00\n", "malformed"),
        (Topic.ORDERS, b"[" * 4_000, ""),
        (Topic.ORDERS, encode(a_tick()), "ClockTick belongs on control"),
        (Topic.CONTROL, encode(a_cancel(1)), "Cancel belongs on orders"),
        (Topic.QUOTES, encode(a_price()), "IndexPrices belongs on shocks"),
    ],
)
async def test_what_is_no_input_of_its_topic_is_a_dead_letter_byte_for_byte_and_the_engine_goes_on(
    topic: Topic, value: bytes, reason: str
) -> None:
    log = MemoryLog()
    await log.append([*records(MapVenue("V1", EIGHT, 0), a_cancel(1)), on(topic, value), *records(a_cancel(2))])
    await drained(log)
    [(letter, headers)] = await dead_letters(log)
    assert letter == value
    assert reason in headers["reason"].decode()
    offset = 0 if topic is Topic.QUOTES else 1
    assert (headers["topic"], headers["partition"], headers["offset"]) == (topic.value.encode(), b"0", b"%d" % offset)
    assert [event.seq for event in await events(log)] == [1, 2]


@pytest.mark.parametrize("topic", INTAKE)
@pytest.mark.parametrize(("over", "is_dead"), [(-1, False), (0, False), (1, True)])
async def test_a_record_over_the_size_of_its_topic_is_a_dead_letter(topic: Topic, over: int, is_dead: bool) -> None:
    log = MemoryLog()
    of_topic: dict[Topic, Input] = {
        Topic.CONTROL: a_tick(),
        Topic.SHOCKS: a_price(),
        Topic.QUOTES: a_quote(1),
        Topic.ORDERS: a_cancel(1),
    }
    await log.append(records(MapVenue("V1", EIGHT, 0)))
    await log.append([on(topic, encode(of_topic[topic]).ljust(MAX_INPUT_BYTES[topic] + over))])
    await drained(log)
    assert bool(await dead_letters(log)) is is_dead
    assert bool(await events(log)) is not is_dead


@pytest.mark.parametrize("length", [KEPT_OF_OVERSIZE - 1, KEPT_OF_OVERSIZE, KEPT_OF_OVERSIZE + 1])
async def test_of_an_oversize_record_the_head_the_length_and_the_hash_are_kept(length: int) -> None:
    log = MemoryLog()
    value = bytes(number % 251 for number in range(length))
    await log.append([on(Topic.ORDERS, value)])
    await drained(log)
    [(letter, headers)] = await dead_letters(log)
    assert letter == value[: 64 * 1024]
    assert headers["length"] == b"%d" % length
    assert headers["sha256"].decode() == hashlib.sha256(value).hexdigest()
    assert headers["reason"] == b"%d bytes: orders takes 4096 at most" % length


async def test_the_size_is_looked_at_before_the_value_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def decode(value: bytes) -> Input:
        decoded.append(value)
        return a_cancel(1)

    monkeypatch.setattr(venues, "decode_input", decode)
    log = MemoryLog()
    await log.append([on(Topic.ORDERS, b"x" * length) for length in (4_096, 4_097)])
    await drained(log)
    assert [len(value) for value in decoded] == [4_096]


async def test_an_input_of_a_venue_that_lives_elsewhere_is_a_dead_letter_that_names_the_partition() -> None:
    log = MemoryLog(partitions=4)
    both = [MapVenue("V1", EIGHT, 0), MapVenue("V2", EIGHT, 3)]
    await log.append(records(*both, a_tick(), a_tick(venue="V2")))
    await log.append(records(*both, a_tick(), a_tick(venue="V2"), partition=3))
    here, there = await drained(log), await drained(log, partition=3)
    assert (set(here.exchanges), set(there.exchanges)) == ({"V1"}, {"V2"})
    letters = await read(log, Topic.DEADLETTERS) + await read(log, Topic.DEADLETTERS, 3)
    assert [record.value for record in letters] == [encode(a_tick(venue="V2")), encode(a_tick())]
    assert [dict(record.headers)["reason"] for record in letters] == [
        b"venue V2 lives on partition 3",
        b"venue V1 lives on partition 0",
    ]


@pytest.mark.parametrize("early", [a_cancel(1), a_quote(1), a_price()])
async def test_a_venue_begins_at_its_first_control_input_and_what_comes_before_is_a_dead_letter(early: Input) -> None:
    log = MemoryLog()
    await log.append(records(early))
    assert not (await drained(log)).exchanges
    await log.append(records(a_tick(), early))
    assert list((await drained(log)).exchanges) == ["V1"]
    [(letter, headers)] = await dead_letters(log)
    assert letter == encode(early)
    assert headers["reason"] == b"there is no venue V1: one begins at its first input of the topic control"
    assert len(list(replay(await values(log, Topic.JOURNAL)))) == len(await events(log)) == 2


@pytest.mark.parametrize("begin", [MapVenue("V1", EIGHT, 0), a_tick()])
async def test_a_venue_does_not_move(begin: Input) -> None:
    log = MemoryLog(partitions=2)
    await log.append(records(begin, MapVenue("V1", EIGHT, 1), a_tick()))
    await log.append(records(*(MapVenue("V1", EIGHT, partition) for partition in (0, 1, 0)), a_tick(), partition=1))
    here, there = await drained(log), await drained(log, partition=1)
    assert (set(here.exchanges), set(there.exchanges)) == ({"V1"}, set())
    for partition, moves in ((0, 1), (1, 2)):
        letters = await read(log, Topic.DEADLETTERS, partition)
        assert [dict(letter.headers)["reason"] for letter in letters] == [b"venue V1 lives on partition 0"] * moves
    assert [letter.value for letter in await read(log, Topic.DEADLETTERS)] == [encode(MapVenue("V1", EIGHT, 1))]


async def test_others_have_their_turn_behind_every_journal_record_of_a_cycle() -> None:
    """Its process says several times a second that it is alive, and a cycle may be of 16 records and of seconds."""
    log = MemoryLog()
    await log.append(records(a_tick(), *(a_cancel(number) for number in range(30_000))))
    engine = Engine(log, 0)
    await engine.start()
    journalled = []

    async def others() -> None:
        while True:
            journalled.append(engine.stand.chain.length)
            await asyncio.sleep(0)

    watching = asyncio.create_task(others())
    await asyncio.sleep(0)
    await engine.cycle()
    watching.cancel()
    assert len(await read(log, Topic.JOURNAL)) == engine.stand.chain.length > 2
    assert set(journalled) >= set(range(engine.stand.chain.length))


async def test_how_long_a_cycle_works_changes_how_many_there_are_and_no_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = records(a_tick(), *(a_cancel(number) for number in range(15_000)), *(a_quote(1) for _ in range(5_000)))
    cycles, journals = [], []
    for seconds in (60.0, 0.0):
        monkeypatch.setattr(shell, "WORK_PER_CYCLE_S", seconds)
        log = MemoryLog()
        await log.append(sent)
        engine, number = Engine(log, 0), 0
        while await engine.cycle():
            number += 1
        cycles.append(number)
        journals.append(await values(log, Topic.JOURNAL))
    assert journals[0] == journals[1]
    assert cycles == [1, len(journals[1])]


async def test_of_half_a_cycle_nobody_gets_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    engine = Engine(log, 0)
    await log.append(records(a_tick()))
    await engine.cycle()
    assert await engine.snapshot() is not None
    await log.append(records(a_cancel(1), a_cancel(2)))
    apply = Exchange.apply

    def breaking(exchange: Exchange, received: AnyInput) -> Sequence[AnyEvent]:
        if received == a_cancel(2):
            raise AssertionError
        return apply(exchange, received)

    monkeypatch.setattr(Exchange, "apply", breaking)
    with pytest.raises(InputCrashed):
        await engine.cycle()
    with pytest.raises(EngineStopped):
        await engine.snapshot()


# the journal -------------------------------------------------------------------------------------------------

AWKWARD = [
    encode(a_cancel(1)),
    b" " + encode(a_cancel(1)),
    encode(a_cancel(1)) + b"\n",
    encode(a_cancel(1)).replace(b",", b",\n\t"),
    encode(a_cancel(1)).replace(b",", b",\r"),
    encode(a_cancel(1)).replace(b'"none"', '"größe \u2028"'.encode()),
    encode(a_cancel(1)).replace(b'"none"', b'"\\u0067one"'),
    encode(a_cancel(1))[:-1] + b',"unknown":[1e999,"\\u2028"]}',
    encode(a_cancel(1))[:-1] + b',"unknown":"\xff"}',
    b"",
    b"\x00\xff\n",
    b'"eyJ0"',
    b'["oversize",1,"",""]',
    b'{"venue":"V1"}',
    encode(a_tick()),
]


async def test_every_value_comes_back_from_the_journal_byte_for_byte() -> None:
    log = MemoryLog()
    await log.append([on(Topic.ORDERS, value) for value in AWKWARD])
    await drained(log)
    lines = await values(log, Topic.JOURNAL)
    assert all(line.decode().splitlines() == [line.decode()] for line in lines)
    assert [value for batch in journal.read(lines) for _, _, value in batch.entries()] == AWKWARD


async def test_an_input_in_one_line_can_be_read_in_the_journal_as_it_is() -> None:
    log = MemoryLog()
    await log.append(records(a_cancel(1), a_cancel(2)))
    await drained(log)
    [line] = await values(log, Topic.JOURNAL)
    assert b'[["orders",0,[' + encode(a_cancel(1)) + b"," + encode(a_cancel(2)) + b"]]]" in line


async def test_the_journal_keeps_of_an_oversize_value_what_its_dead_letter_keeps() -> None:
    log = MemoryLog()
    value = b"x" * 100_000
    await log.append([on(Topic.ORDERS, value)])
    await drained(log)
    [batch] = journal.read(await values(log, Topic.JOURNAL))
    kept = Oversize(100_000, hashlib.sha256(value).hexdigest(), value[:KEPT_OF_OVERSIZE])
    assert list(batch.entries()) == [("orders", 0, kept)]
    assert batch.dead == [(0, "100000 bytes: orders takes 4096 at most")]


def test_offsets_with_gaps_come_back_from_the_journal() -> None:
    draft = journal.Draft(0)
    sent = [("orders", 4), ("orders", 5), ("orders", 7), ("quotes", 8), ("orders", 8)]
    for topic, offset in sent:
        draft.add(topic, offset, b"{}")
    [batch] = journal.read([journal.Chain().seal(draft)])
    assert [(topic, offset) for topic, offset, _ in batch.entries()] == sent


async def a_storm_of_bytes() -> MemoryLog:
    """A market among dead letters, on its own partition, not yet taken."""
    log = MemoryLog()
    await log.append(records(MapVenue("V1", EIGHT, 0), MapVenue("V2", EIGHT, 1), a_tick(venue="V2")))
    for number, record in enumerate(records(*a_market())):
        await log.append([record, on(Topic.ORDERS, AWKWARD[number % len(AWKWARD)])])
    await log.append([on(Topic.CONTROL, b"x" * 300_000)])
    return log


async def test_the_journal_applied_again_gives_the_same_events_byte_for_byte() -> None:
    log = await a_storm_of_bytes()
    await drained(log, limit=5)
    again = list(replay(await values(log, Topic.JOURNAL)))
    for topic in OUTPUT:
        published = await read(log, topic)
        assert [event for event in again if event.topic == topic.value] == [
            Outgoing(
                each.topic,
                each.partition,
                each.key,
                each.value,
                each.timestamp_us,
                (("schema", f"{topic.value}/1".encode()), ("run_id", b"")),
            )
            for each in published
        ]
    assert {event.topic for event in again} == {"executions", "market"}


async def test_one_changed_byte_anywhere_in_the_journal_is_found() -> None:
    log = await a_storm_of_bytes()
    await drained(log, limit=20)
    lines = await values(log, Topic.JOURNAL)
    assert len(lines) > 2
    for number in (0, 1, len(lines) - 1):
        for place in (0, len(lines[number]) // 2, len(lines[number]) - 3):
            changed = bytearray(lines[number])
            changed[place] ^= 1
            with pytest.raises(JournalError, match=f"journal record {number}: its hash"):
                list(journal.read([*lines[:number], bytes(changed), *lines[number + 1 :]]))


@pytest.mark.parametrize("number", [0, 1])
async def test_a_journal_record_that_is_missing_is_found(number: int) -> None:
    log = await a_storm_of_bytes()
    await drained(log, limit=20)
    lines = await values(log, Topic.JOURNAL)
    with pytest.raises(JournalError, match=f"journal record {number}"):
        list(journal.read(lines[:number] + lines[number + 1 :]))


@pytest.mark.parametrize("away", [-1, 1])
async def test_a_journal_of_another_core_is_neither_applied_nor_gone_on_from(
    away: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await a_storm_of_bytes()
    monkeypatch.setattr(journal, "CORE_VERSION", CORE_VERSION + away)
    await drained(log)
    lines = await values(log, Topic.JOURNAL)
    monkeypatch.undo()
    told = f"taken under core {CORE_VERSION + away}, this is core {CORE_VERSION}"
    with pytest.raises(JournalError, match=told):
        list(replay(lines))
    with pytest.raises(JournalError, match=told):
        await Engine(log, 0).start()


async def test_a_journal_that_comes_out_otherwise_than_it_did_is_not_gone_on_from() -> None:
    log = MemoryLog()
    await log.append(records(a_tick()))
    await drained(log)
    [batch] = journal.read(await values(log, Topic.JOURNAL))
    draft = journal.Draft(0)
    draft.seq = {"V1": 5}
    draft.runs = batch.runs
    with pytest.raises(JournalError, match="its inputs come out otherwise"):
        list(replay([journal.Chain().seal(draft)]))


# resuming ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 4_096])
async def test_where_the_ends_lie_past_the_last_records_an_engine_takes_all_is_not_behind_and_is_resumed(
    limit: int,
) -> None:
    log, plain = MarkedLog(), MemoryLog()
    for each in (log, plain):
        for batch in (a_market()[:20], a_market()[20:]):
            await each.append(records(*batch))
    async with asyncio.timeout(30):
        first = await drained(log, limit)
        again = Engine(log, 0)
        await again.start()
        assert not await again.behind()
        await log.append(records(a_tick(EIGHT + 9 * SECOND)))
        assert await again.behind()
        assert await again.cycle() == 1
    await drained(plain, limit)
    assert first.exchanges["V1"].seq == len(a_market())
    assert await values(log, Topic.EXECUTIONS) == await values(plain, Topic.EXECUTIONS)


@pytest.mark.parametrize("limit", [1, 4])
async def test_an_engine_cut_off_after_any_cycle_is_resumed_to_the_same_bytes(limit: int) -> None:
    whole = await a_storm_of_bytes()
    await drained(whole, limit)
    cycles = len(await values(whole, Topic.JOURNAL))
    for cut in range(0, cycles + 1, 5 if limit == 1 else 1):
        log = await a_storm_of_bytes()
        first = Engine(log, 0)
        for _ in range(cut):
            await first.cycle(limit)
        await drained(log, limit)
        assert await everything(log, OUTPUT) == await everything(whole, OUTPUT)
        assert await taken(log) == await taken(whole)


class Dying(Exception):
    """The process ends here."""


class DyingWriter:
    """A writer whose process dies at its n-th commit, just before or just after the log has it."""

    def __init__(self, writer: MemoryWriter, at: int, is_kept: bool) -> None:
        self._writer, self._left, self._is_kept = writer, at, is_kept

    async def commit(self, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        self._left -= 1
        if self._left >= 0 or self._is_kept:
            await self._writer.commit(records, group, offsets)
        if self._left < 0:
            raise Dying


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("at", [0, 1, 7, 20])
async def test_whether_the_last_commit_was_kept_or_not_nothing_is_lost_or_taken_twice(
    at: int, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, log = await a_storm_of_bytes(), await a_storm_of_bytes()
    await drained(whole, 4)

    async def a_dying_writer(name: str) -> DyingWriter:
        return DyingWriter(await MemoryLog.writer(log, name), at, is_kept)

    with monkeypatch.context() as patch:
        patch.setattr(log, "writer", a_dying_writer)
        with pytest.raises(Dying):
            await drained(log, 4)
    await drained(log, 4)
    assert await everything(log, OUTPUT) == await everything(whole, OUTPUT)
    assert await everything(log, [Topic.DEADLETTERS]) == await everything(whole, [Topic.DEADLETTERS])


async def test_an_engine_whose_commit_failed_does_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    log = await a_storm_of_bytes()
    engine = Engine(log, 0)
    await engine.cycle(1)

    async def fail(self: MemoryWriter, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        raise Dying

    with monkeypatch.context() as patch:
        patch.setattr(MemoryWriter, "commit", fail)
        with pytest.raises(Dying):
            await engine.cycle(1)
    before = await everything(log)
    with pytest.raises(EngineStopped):
        await engine.cycle(1)
    assert await everything(log) == before


async def test_an_exchange_that_raises_stops_the_engine_and_leaves_the_log_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = await a_storm_of_bytes()
    engine = Engine(log, 0)
    await engine.cycle(3)
    before = await everything(log)

    def broken(received: Input) -> list[AnyEvent]:
        raise AssertionError("the fund is below zero")

    with monkeypatch.context() as patch:
        patch.setattr(Exchange, "apply", lambda self, received: broken(received))
        with pytest.raises(
            InputCrashed, match=r"control, partition 0, offset 3: .*AssertionError: the fund is below zero"
        ):
            await engine.cycle()
    with pytest.raises(EngineStopped):
        await engine.cycle()
    assert await everything(log) == before


class SlowLog(MemoryLog):
    """Answers a commit when it is told to, or with an error; says in which order it was asked what."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.answer = asyncio.Event()
        self.refusal: Exception | None = None

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> Found:
        self.asked.append("read")
        return await super().read(positions, limit, wait_s)

    async def writer(self, name: str) -> MemoryWriter:
        self._holders[name] = SlowWriter(self, name)
        return self._holders[name]


class SlowWriter(MemoryWriter):
    async def commit(self, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        log = self._log
        assert isinstance(log, SlowLog)
        log.asked.append("commit")
        await log.answer.wait()
        log.asked.append("answer")
        if log.refusal is not None:
            raise log.refusal
        await super().commit(records, group, offsets)


async def a_commit_under_way(sent: int) -> tuple[SlowLog, Engine]:
    """A log with so many ticks, and an engine that has begun to commit the first five of them."""
    log = SlowLog()
    await log.append(records(*(a_tick() for _ in range(sent))))
    engine = Engine(log, 0)
    await engine.start()
    log.asked.clear()
    assert await engine.advance(limit=5) == 0
    await asyncio.sleep(0)
    assert log.asked == ["read", "commit"]
    return log, engine


@pytest.mark.parametrize(
    ("sent", "journalled", "asked"),
    [(5, 1, ["answer"]), (6, 2, ["read", "answer", "commit"]), (15, 2, ["read", "answer", "commit"])],
)
async def test_where_more_is_known_to_be_there_it_is_read_and_applied_while_the_commit_before_is_answered(
    sent: int, journalled: int, asked: list[str]
) -> None:
    log, engine = await a_commit_under_way(sent)
    going_on = asyncio.create_task(engine.advance(limit=5))
    for _ in range(5):
        await asyncio.sleep(0)
    assert engine.exchanges["V1"].seq == min(sent, 10)
    assert (engine.journalled, engine.seq) == (0, {})
    log.answer.set()
    assert await going_on == 5
    await asyncio.sleep(0)
    assert log.asked[2:5] == asked
    await engine.settle()
    assert (engine.journalled, engine.seq) == (journalled, {"V1": min(sent, 10)})
    assert await engine.behind() is (sent > 10)


async def test_what_was_applied_ahead_of_a_commit_that_failed_is_neither_published_nor_saved_nor_counted() -> None:
    log, engine = await a_commit_under_way(10)
    before = await everything(log)
    log.refusal = Dying()
    log.answer.set()
    with pytest.raises(Dying):
        await engine.advance(limit=5)
    assert engine.exchanges["V1"].seq == 10
    assert (engine.journalled, engine.seq) == (0, {})
    for more in (engine.advance, engine.settle, engine.snapshot):
        with pytest.raises(EngineStopped):
            await more()
    await engine.close()
    assert await everything(log) == before


async def test_a_snapshot_waits_for_the_commit_that_is_under_way() -> None:
    log, engine = await a_commit_under_way(5)
    log.answer.set()
    snapshot = await engine.snapshot()
    assert snapshot is not None
    assert (snapshot.standing.number, snapshot.standing.lanes["control"]) == (1, (5, EIGHT))


async def test_a_crash_ahead_of_a_commit_leaves_what_was_taken_before_it_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, engine = await a_commit_under_way(6)
    log.answer.set()

    def broken(exchange: Exchange, received: Input) -> list[AnyEvent]:
        raise AssertionError

    monkeypatch.setattr(Exchange, "apply", broken)
    with pytest.raises(InputCrashed, match="offset 5"):
        await engine.advance()
    assert engine.journalled == len(await read(log, Topic.JOURNAL)) == 1
    assert log._committed["engine"]["control", 0] == 5


async def test_an_engine_that_is_closed_breaks_off_the_commit_that_is_under_way() -> None:
    log, engine = await a_commit_under_way(5)
    await asyncio.wait_for(engine.close(), 5)
    assert log.asked == ["read", "commit"]
    assert log._committed == {}


async def test_of_two_live_engines_on_one_partition_the_older_is_fenced_off() -> None:
    log = await a_storm_of_bytes()
    older = Engine(log, 0)
    await older.cycle(3)
    newer = Engine(log, 0)
    await newer.start()
    with pytest.raises(Fenced):
        await older.cycle(3)
    while await newer.behind():
        await newer.cycle(3)
    whole = await a_storm_of_bytes()
    await drained(whole, 3)
    assert await everything(log, OUTPUT) == await everything(whole, OUTPUT)


class ScantLog(MemoryLog):
    """Gives two records of a partition at most, however many there are."""

    def _find(self, positions: Positions, limit: int) -> Found:
        return super()._find(positions, min(limit, 2))


@pytest.mark.parametrize("limit", [1, 2, 3, 4_096])
async def test_the_order_does_not_depend_on_how_much_the_log_gives_at_once(limit: int) -> None:
    log, whole = ScantLog(), MemoryLog()
    for each in (log, whole):
        await each.append(records(*a_market()))
    engine = Engine(log, 0)
    cycles = 0
    while await engine.behind():
        await engine.cycle(limit)
        cycles += 1
    await drained(whole)
    assert engine.exchanges["V1"].seq == len(a_market())
    for topic in OUTPUT:
        assert [record.value for record in log._kept[topic.value, 0]] == await values(whole, topic)
    assert (cycles == 1) is (limit == 4_096)


@pytest.mark.parametrize(("kib", "cycles"), [(3, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
async def test_of_a_topic_no_more_is_read_once_there_are_so_many_bytes(
    kib: int, cycles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "READ_BYTES_AT_ONCE", 4 * 1024)
    log = ScantLog()
    await log.append([on(Topic.CONTROL, encode(a_tick()).ljust(1024)) for _ in range(kib)])
    engine = Engine(log, 0)
    counted = 0
    while await engine.behind():
        await engine.cycle()
        counted += 1
    assert counted == cycles


class AbortingLog(MarkedLog):
    """A read stops short at each mark that it comes to, as where a broker passes over much that was aborted."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[TopicPartition, int] = {}

    def _find(self, positions: Positions, limit: int) -> Found:
        found: Found = {}
        for at, position in positions.items():
            begin = max(position, self._passed.get(at, 0))
            for number, kept in enumerate(self._kept[at][begin : begin + limit], begin):
                if kept.headers == MARK:
                    if at not in found:
                        self._passed[at] = number + 1
                    break
                found.setdefault(at, []).extend(super()._find({at: number}, 1)[at])
        return found


async def test_where_no_offset_is_committed_the_journal_is_read_to_its_end_whatever_was_aborted_in_it() -> None:
    log = AbortingLog()
    await log.append(records(*a_market()))
    engine = Engine(log, 0)
    while await engine.behind():
        await engine.cycle(5)
    journalled = engine.stand.chain.length
    log._committed.clear()
    again = Engine(log, 0)
    await again.start()
    assert again.stand.chain.length == journalled > 5


async def test_where_no_offset_is_committed_it_follows_from_the_journal() -> None:
    whole = await a_storm_of_bytes()
    await drained(whole, 4)
    log = await a_storm_of_bytes()
    kept = [record for topic in (*OUTPUT, Topic.JOURNAL) for record in await read(whole, topic)]
    await log.append([Outgoing(r.topic, r.partition, r.key, r.value, r.timestamp_us, r.headers) for r in kept])
    await drained(log, 4)
    assert await everything(log, OUTPUT) == await everything(whole, OUTPUT)


@pytest.mark.parametrize(("committed", "fits"), [(2, False), (3, True), (4, False)])
async def test_committed_offsets_that_are_not_where_the_journal_ends_stop_the_start(committed: int, fits: bool) -> None:
    log = MemoryLog()
    await log.append(records(*(a_cancel(1) for _ in range(5))))
    await Engine(log, 0).cycle(limit=3)
    await (await log.writer("operator")).commit([], "engine", {("orders", 0): committed})
    if fits:
        await Engine(log, 0).start()
    else:
        with pytest.raises(JournalError, match=f"{committed} is committed, the journal ends at 3"):
            await Engine(log, 0).start()


class OvertakenLog(MemoryLog):
    """Right behind the offsets that the first engine reads, a second one takes the name and what there is."""

    overtaken = False

    async def committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        found = await super().committed(group, partitions)
        if found and not self.overtaken:
            self.overtaken = True
            await Engine(self, 0).cycle()
        return found


async def test_an_engine_that_is_fenced_off_while_it_starts_says_so_and_not_that_the_journal_does_not_fit() -> None:
    log = OvertakenLog()
    await log.append(records(*(a_cancel(1) for _ in range(5))))
    await Engine(log, 0).cycle(limit=3)
    with pytest.raises(Fenced):
        await Engine(log, 0).start()
    assert log._committed["engine"]["orders", 0] == 5
    await Engine(log, 0).start()


async def test_offsets_without_a_journal_stop_the_start() -> None:
    log = MemoryLog()
    await (await log.writer("operator")).commit([], "engine", {("orders", 0): 1})
    with pytest.raises(JournalError, match="1 is committed, the journal ends at 0"):
        await Engine(log, 0).start()
