"""The checker: it passes what an engine wrote, and fails each of its invariants where the topics are not so."""

import asyncio
import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from random import Random

import pytest
from msgspec.structs import replace

from stream_engine.engine import Engine
from stream_engine.messages.codec import decode_event, encode
from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    Deposited,
    Event,
    FundChanged,
    LiquidationFilled,
    MarkPriceChanged,
    OpenInterestChanged,
    OrderAccepted,
    Traded,
)
from stream_engine.messages.topics import INTAKE, OUTPUT, Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing
from tests.kafka.checker import Read, Run, check
from tests.kafka.ledger import Violated
from tests.kafka.load import Storm
from tests.test_architecture import imports_of, lies_in

PREFIX = "checked."
SECONDS = 20


async def a_run(partitions: int = 2) -> Run:
    """What an engine on each of two partitions makes of two venues in their bad hour, as the checker reads it."""
    log = MemoryLog(partitions, PREFIX)
    for partition in range(partitions):
        storm = Storm(7, f"V{partition + 1}", partition)
        sent = [
            Outgoing(PREFIX + one.topic.value, partition, one.venue.encode(), one.value, one.ts_us)
            for one in storm.seconds(SECONDS)
        ]
        await log.append(sent)
        engine = Engine(log, partition, PREFIX)
        while await engine.cycle(limit=100):
            pass
    names = [(topic.value, number) for topic in Topic for number in range(partitions)]
    found = await log.read({(PREFIX + topic, number): 0 for topic, number in names}, 10**6)
    records = {
        (topic, number): [
            Read(topic, number, record.offset, record.key, record.value, dict(record.headers))
            for record in found.get((PREFIX + topic, number), [])
        ]
        for topic, number in names
    }
    committed = await log.committed(PREFIX + "engine", [(PREFIX + topic, number) for topic, number in names])
    offsets = {(topic.removeprefix(PREFIX), number): offset for (topic, number), offset in committed.items()}
    return Run(partitions, records, offsets, PREFIX)


@pytest.fixture(scope="module")
def untouched() -> Run:
    return asyncio.run(a_run())


@pytest.fixture
def run(untouched: Run) -> Run:
    records = {at: list(reads) for at, reads in untouched.records.items()}
    return replace(untouched, records=records, committed=dict(untouched.committed))


def violated(run: Run) -> str:
    """The invariant that the checker finds violated."""
    with pytest.raises(Violated) as found:
        list(check(run))
    return found.value.invariant


def of(run: Run, topic: Topic, partition: int = 0) -> list[Read]:
    return run.records[topic.value, partition]


def place_of(run: Run, topic: Topic, kind: type[Event]) -> int:
    """Where the first event of a kind stands in a topic of partition 0."""
    return next(place for place, read in enumerate(of(run, topic)) if isinstance(decode_event(read.value), kind))


def alter(run: Run, topic: Topic, kind: type[Event], change: Callable[[AnyEvent], AnyEvent]) -> None:
    """Put another event in the place of the first of a kind."""
    place = place_of(run, topic, kind)
    read = of(run, topic)[place]
    of(run, topic)[place] = replace(read, value=encode(change(decode_event(read.value))))


def resealed(run: Run, change: Callable[[int, bytes], bytes | None]) -> None:
    """Write the journal of partition 0 anew with a chain that holds, its bodies changed (or left out)."""
    chain, written = "", []
    for number, read in enumerate(of(run, Topic.JOURNAL)):
        body = change(number, read.value[: -len(',"sha256":""}') - 64])
        if body is not None:
            chain = hashlib.sha256(chain.encode() + body).hexdigest()
            written.append(replace(read, value=body + b',"sha256":"' + chain.encode() + b'"}'))
    run.records[Topic.JOURNAL.value, 0] = written


def test_what_an_engine_wrote_holds_with_liquidations_and_dead_letters_in_it(run: Run) -> None:
    said = list(check(run))
    assert [line.partition(" ")[0] for line in said] == ["I1", "I2", "I3", "I5", "I6", "I7"]
    numbers = [int(word) for word in " ".join(said).replace(",", "").split() if word.isdigit()]
    assert all(numbers), said


@pytest.mark.parametrize("kind", [Topic.ORDERS, Topic.CONTROL, Topic.QUOTES, Topic.SHOCKS])
def test_a_record_that_was_committed_and_is_in_no_journal_violates_I1(run: Run, kind: Topic) -> None:
    end = run.committed[kind.value, 0]
    of(run, kind).append(replace(of(run, kind)[-1], offset=end))
    run.committed[kind.value, 0] = end + 1
    assert violated(run) == "I1"


def test_a_value_that_the_journal_has_otherwise_violates_I1(run: Run) -> None:
    read = of(run, Topic.ORDERS)[3]
    of(run, Topic.ORDERS)[3] = replace(read, value=read.value + b" ")
    assert violated(run) == "I1"


def test_an_order_without_an_answer_violates_I1(run: Run) -> None:
    del of(run, Topic.EXECUTIONS)[place_of(run, Topic.EXECUTIONS, OrderAccepted)]
    assert violated(run) == "I1"


def test_a_dead_letter_that_is_missing_or_there_twice_violates_I1(run: Run) -> None:
    letter = of(run, Topic.DEADLETTERS).pop()
    assert violated(run) == "I1"
    of(run, Topic.DEADLETTERS).extend([letter, letter])
    assert violated(run) == "I1"


def test_a_dead_letter_that_is_not_the_record_byte_for_byte_violates_I1(run: Run) -> None:
    read = of(run, Topic.DEADLETTERS)[0]
    of(run, Topic.DEADLETTERS)[0] = replace(read, value=read.value + b" ")
    assert violated(run) == "I1"


def test_an_altered_journal_record_violates_I2(run: Run) -> None:
    read = of(run, Topic.JOURNAL)[1]
    of(run, Topic.JOURNAL)[1] = replace(read, value=read.value.replace(b'"size":1', b'"size":2', 1))
    assert of(run, Topic.JOURNAL)[1] != read
    assert violated(run) == "I2"


def test_a_journal_record_that_is_missing_violates_I2_even_with_a_chain_that_holds(run: Run) -> None:
    resealed(run, lambda number, body: None if number == 1 else body)
    assert violated(run) == "I2"


def test_a_journal_record_there_twice_violates_I2_even_with_a_chain_that_holds(run: Run) -> None:
    of(run, Topic.JOURNAL).insert(1, of(run, Topic.JOURNAL)[1])
    resealed(run, lambda number, body: body)
    assert violated(run) == "I2"


def test_a_seq_that_is_not_the_next_violates_I2(run: Run) -> None:
    def skipping(number: int, body: bytes) -> bytes:
        batch = json.loads(body + b"}")
        return body.replace(b'"V1":%d' % batch["seq"]["V1"], b'"V1":%d' % (batch["seq"]["V1"] + (number == 2)), 1)

    resealed(run, skipping)
    assert violated(run) == "I2"


def test_an_event_there_twice_violates_I2(run: Run) -> None:
    of(run, Topic.MARKET).append(of(run, Topic.MARKET)[-1])
    assert violated(run) == "I2"


def test_an_event_that_is_missing_amid_its_inputs_events_violates_I2(run: Run) -> None:
    del of(run, Topic.EXECUTIONS)[place_of(run, Topic.EXECUTIONS, Traded)]
    assert violated(run) == "I2"


def test_an_event_of_an_input_in_no_journal_violates_I2(run: Run) -> None:
    event = decode_event(of(run, Topic.MARKET)[-1].value)
    value = encode(replace(event, seq=event.seq + 10_000, n=0))
    of(run, Topic.MARKET).append(replace(of(run, Topic.MARKET)[-1], value=value))
    assert violated(run) == "I2"


@pytest.mark.parametrize("moved", [-1, 1])
def test_an_offset_that_is_not_where_the_journal_ends_violates_I3_or_I1(run: Run, moved: int) -> None:
    of(run, Topic.ORDERS).append(replace(of(run, Topic.ORDERS)[-1], offset=run.committed["orders", 0]))
    run.committed["orders", 0] += moved
    assert violated(run) == ("I3" if moved < 0 else "I1")


def test_inputs_of_a_topic_out_of_their_order_violate_I3(run: Run) -> None:
    def swapped(number: int, body: bytes) -> bytes:
        batch = json.loads(body + b"}")
        runs = [turn for turn in batch["runs"] if turn[0] == "orders"]
        if number == 3:
            [first, second] = [b'["orders",%d,' % turn[1] for turn in runs[:2]]
            body = body.replace(first, b"?", 1).replace(second, first, 1).replace(b"?", second, 1)
        return body

    resealed(run, swapped)
    assert violated(run) in ("I1", "I3")


Change = Callable[[Event], Event]


@pytest.mark.parametrize(
    ("topic", "kind", "change"),
    [
        (Topic.EXECUTIONS, Traded, lambda event: replace(event, price=event.price + 1)),
        (Topic.EXECUTIONS, Deposited, lambda event: replace(event, deposits=event.deposits[1:])),
        (Topic.FUND, FundChanged, lambda event: replace(event, balance=event.balance + 1)),
        (Topic.FUND, FundChanged, lambda event: replace(event, change=event.change + 1, balance=event.balance + 1)),
        (Topic.LIQUIDATIONS, LiquidationFilled, lambda event: replace(event, to_fund=event.to_fund - 1)),
    ],
)
def test_a_micro_quote_too_much_violates_I5(run: Run, topic: Topic, kind: type[Event], change: Change) -> None:
    alter(run, topic, kind, change)  # type: ignore[arg-type]
    assert violated(run) in ("I5", "I6")


@pytest.mark.parametrize(
    ("topic", "kind", "change"),
    [
        (Topic.EXECUTIONS, Traded, lambda event: replace(event, size=event.size + 1)),
        (Topic.EXECUTIONS, Traded, lambda event: replace(event, maker_left=event.maker_left + 1)),
        (Topic.EXECUTIONS, OrderAccepted, lambda event: replace(event, size=event.size + 1)),
        (Topic.MARKET, BookChanged, lambda event: replace(event, bids=((999_999, 1), *event.bids))),
        (Topic.MARKET, BookChanged, lambda event: replace(event, bids=())),
    ],
)
def test_lots_that_do_not_add_up_violate_I6(run: Run, topic: Topic, kind: type[Event], change: Change) -> None:
    alter(run, topic, kind, change)  # type: ignore[arg-type]
    assert violated(run) == "I6"


def test_an_event_that_stands_behind_its_successors_violates_I7(run: Run) -> None:
    of(run, Topic.MARKET).append(of(run, Topic.MARKET).pop(5))
    assert violated(run) == "I7"


def vouched(records: Sequence[Read], place: int) -> bool:
    """Whether anything shows that a record must be there: how often an input moves marks or open interest, nothing."""
    if records[place].topic != Topic.MARKET.value:
        return True
    event, after = (decode_event(record.value) for record in records[place : place + 2])
    return not isinstance(event, MarkPriceChanged | OpenInterestChanged) or event.seq == after.seq


DEEDS = ("lost", "there twice", "swapped with the next")
CHECKED = (*INTAKE, *OUTPUT, Topic.JOURNAL, Topic.DEADLETTERS)


@pytest.mark.parametrize(
    ("topic", "deed"),
    # Nothing says in which order dead letters stand.
    [(topic, deed) for topic in CHECKED for deed in DEEDS if (topic, deed) != (Topic.DEADLETTERS, DEEDS[2])],
)
def test_any_record_that_is_not_as_it_was_is_found(untouched: Run, topic: Topic, deed: str) -> None:
    random = Random(f"{topic} {deed}")
    for _ in range(3):
        records = list(of(untouched, topic))
        place = random.choice([place for place in range(len(records) - 1) if deed != "lost" or vouched(records, place)])
        match deed:
            case "lost":
                del records[place]
            case "there twice":
                records.insert(place, records[place])
            case _:
                records[place], records[place + 1] = records[place + 1], records[place]
        violated(replace(untouched, records=untouched.records | {(topic.value, 0): records}))


def test_the_checker_knows_the_vocabulary_and_nothing_else_of_ours() -> None:
    import tests.kafka.checker
    import tests.kafka.ledger

    for module in (tests.kafka.checker, tests.kafka.ledger):
        imported = list(imports_of(inspect.getsource(module)))
        ours = [name for name in imported if lies_in(name, ("stream_engine", "producers", "consumers", "tests"))]
        assert [name for name in ours if not lies_in(name, ("stream_engine.messages", "tests.kafka.ledger"))] == []
