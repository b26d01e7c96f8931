"""Checker: reads the topics of a run, and nothing else, and says whether what must hold holds.

    python -m tests.kafka.checker BOOTSTRAP [PREFIX]

I1  every intake record below the committed offset is in the journal exactly once, byte for byte; every input in it has
    exactly one outcome, every dead one exactly one dead letter
I2  the journal's numbers, hash chain and seq have no gap and no repeat; an input's events are numbered from 0 likewise
I3  the journal covers each intake partition up to the committed offset once, in order, and nothing beyond it
I5  money is conserved to the micro-quote, positions sum to zero, the fund is never below zero (ledger.py)
I6  no order is filled and cancelled past its size, no book is crossed at rest (ledger.py)
I7  events stand in the order of (seq, n) on their topic: who was fenced off published nothing after its successor

One line for each, or the first that is violated, with the record's place, and exit code 1.
Knows     the vocabulary (stream_engine.messages) and nothing else of ours; reads as any other client would.
Reads     committed records, from the beginning: a topic of which something was trimmed is out of its reach; and of
          engines that stand still: the offsets are read before the journal.
"""

import hashlib
import sys
import time
from base64 import b64decode
from collections.abc import Iterator, Sequence

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Raw, Struct

from stream_engine.messages.codec import NotAMessage, decode_event, decode_input
from stream_engine.messages.events import (
    AccountsOpened,
    AmendRejected,
    AnyEvent,
    CancelReason,
    CancelRejected,
    ClockTicked,
    ControlRejected,
    Deposited,
    DutySet,
    FundChanged,
    FundReason,
    InstrumentListed,
    LeverageSet,
    MarginModeSet,
    MarginMoved,
    NewsPublished,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderRejected,
    PositionsSeeded,
    ProtectionSet,
    QuoteAccepted,
    QuoteCancelled,
    QuoteRejected,
    SourcePriced,
    StressDeclared,
    StressEnded,
    TradingHalted,
    TradingResumed,
    Withdrawn,
)
from stream_engine.messages.inputs import (
    Amend,
    AnyInput,
    Cancel,
    CancelAll,
    ClockTick,
    DeclareStress,
    Deposit,
    HaltTrading,
    IndexPrices,
    ListInstrument,
    MapVenue,
    MassQuote,
    MoveMargin,
    OpenAccounts,
    Place,
    PriceShock,
    QuoteCancel,
    ResumeTrading,
    SeedFund,
    SeedPositions,
    SetDuty,
    SetLeverage,
    SetMarginMode,
    SetProtection,
    Withdraw,
)
from stream_engine.messages.topics import EVENT_TOPIC, INTAKE, OUTPUT, Topic
from tests.kafka.ledger import Ledger, Violated

ANSWERS_WITHIN_S = 30.0
_INTAKE = [topic.value for topic in INTAKE]
_READ = (*_INTAKE, *(topic.value for topic in OUTPUT), Topic.JOURNAL.value, Topic.DEADLETTERS.value)
_SEAL = len(',"sha256":""}') + 64

# What each of these inputs is answered with when it is taken; else it is a ControlRejected.
_TAKEN: dict[type, type] = {
    SetLeverage: LeverageSet,
    HaltTrading: TradingHalted,
    ResumeTrading: TradingResumed,
    ListInstrument: InstrumentListed,
    OpenAccounts: AccountsOpened,
    Deposit: Deposited,
    Withdraw: Withdrawn,
    SeedPositions: PositionsSeeded,
    ClockTick: ClockTicked,
    SetMarginMode: MarginModeSet,
    MoveMargin: MarginMoved,
    SetProtection: ProtectionSet,
    SetDuty: DutySet,
}


class Read(Struct, frozen=True):
    """A record as it was read; `topic` without the prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]
    timestamp_ms: int = 0

    @property
    def at(self) -> str:
        """Where it stands."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Run(Struct):
    """The topics of a run. `committed`: the engine's offsets, of those intake partitions that have one."""

    partitions: int
    records: dict[tuple[str, int], list[Read]]
    committed: dict[tuple[str, int], int]
    prefix: str = ""


class _Batch(Struct):
    number: int
    seq: dict[str, int]
    runs: list[tuple[str, int, list[Raw]]]
    dead: list[tuple[int, str]] = []


class _Taken(Struct):
    """One value of the journal: where the journal has it, where it came from, and what became of it."""

    at: str
    topic: str
    partition: int
    offset: int
    stored: bytes
    dead: str | None
    received: AnyInput | None = None
    seq: int = -1


_Events = dict[str, dict[int, list[tuple[int, AnyEvent, str]]]]  # venue, seq: (n, event, where)


def check(run: Run) -> Iterator[str]:
    """What holds, a line each; raises Violated at the first that does not."""
    taken = [_opened(run, partition) for partition in range(run.partitions)]
    every = [one for of_partition in taken for one in of_partition]
    letters = _journalled_once(run, every)
    events = _events(run)
    answered = _one_outcome_each(every, events)
    yield f"I1 holds: {len(every)} records in the journal, {answered} answered, {letters} dead letters"
    counted = _numbered(taken, events)
    yield f"I2 holds: {counted} events, {len(events)} venues"
    _covers(run, taken)
    yield f"I3 holds: {sum(run.committed.values())} offsets committed"
    _paid_as_asked(every, events)
    ledgers = [_balanced(of_venue) for _, of_venue in sorted(events.items())]
    money, in_fund = sum(each.paid_in - each.paid_out for each in ledgers), sum(each.fund for each in ledgers)
    yield f"I5 holds: {money} micro-quote paid in and accounted for, {in_fund} in the fund"
    trades, gone = sum(each.trades for each in ledgers), sum(each.liquidations for each in ledgers)
    yield f"I6 holds: {trades} trades, {gone} liquidations, {sum(each.deleveragings for each in ledgers)} deleveraged"
    _in_order(run)
    yield "I7 holds"


# the journal -------------------------------------------------------------------------------------------------


def _opened(run: Run, partition: int) -> list[_Taken]:
    """The values of a partition's journal, whose chain is checked, each with its seq."""
    taken = []
    chain, next_seq = "", dict[str, int]()
    for number, record in enumerate(run.records.get((Topic.JOURNAL.value, partition), [])):
        body, seal = record.value[:-_SEAL], record.value[-_SEAL:]
        chain = hashlib.sha256(chain.encode() + body).hexdigest()
        _must("I2", seal == b',"sha256":"' + chain.encode() + b'"}', record.at, "its hash does not follow")
        batch = msgspec.json.decode(body + b"}", type=_Batch)
        _must("I2", batch.number == number, record.at, f"number {batch.number} where {number} is next")
        first, dead = dict[str, int](), dict(batch.dead)
        place = 0
        for topic, offset, values in batch.runs:
            for value in values:
                at = f"{record.at}, value {place}"
                one = _Taken(at, topic, partition, offset, bytes(value), dead.get(place))
                taken.append(one)
                offset, place = offset + 1, place + 1
                if one.dead is None:
                    one.received = _decoded(one)
                    if type(one.received) is MapVenue and one.received.partition != partition:
                        continue  # for everybody to know; an input of the venue's own partition alone
                    venue = one.received.venue
                    one.seq = next_seq.get(venue, 0)
                    first.setdefault(venue, one.seq)
                    next_seq[venue] = one.seq + 1
        _must("I2", batch.seq == first, record.at, f"the venues' first seq are {batch.seq}, counted {first}")
    return taken


def _decoded(one: _Taken) -> AnyInput:
    _must("I1", one.stored[:1] in (b"{", b'"'), one.at, "an oversize value that is no dead letter")
    value = one.stored if one.stored[:1] == b"{" else b64decode(one.stored[1:-1])
    try:
        return decode_input(value)
    except NotAMessage as error:
        raise Violated("I1", f"{one.at}: no input, and no dead letter: {error}") from error


def _journalled_once(run: Run, every: list[_Taken]) -> int:
    """Each intake record below the committed offset once, as it was; each dead one in the dead letters once."""
    by_origin: dict[tuple[str, int, int], _Taken] = {}
    for one in every:
        origin = (one.topic, one.partition, one.offset)
        _must("I1", origin not in by_origin, one.at, f"{one.topic}@{one.offset} is in the journal twice")
        by_origin[origin] = one
    for (topic, partition), end in run.committed.items():
        for record in run.records.get((topic, partition), []):
            if record.offset >= end:
                break
            found = by_origin.get((topic, partition, record.offset))
            _must("I1", found is not None, record.at, f"below the committed offset {end} and not in the journal")
            assert found is not None
            _must("I1", _is_stored_as(found.stored, record.value), found.at, f"not what stands at {record.at}")
    waiting = {origin: one for origin, one in by_origin.items() if one.dead is not None}
    count = len(waiting)
    for partition in range(run.partitions):
        for letter in run.records.get((Topic.DEADLETTERS.value, partition), []):
            topic = letter.headers["topic"].decode().removeprefix(run.prefix)
            if topic not in _INTAKE:
                continue  # a monitor's
            origin = (topic, int(letter.headers["partition"]), int(letter.headers["offset"]))
            buried = waiting.pop(origin, None)
            _must("I1", buried is not None, letter.at, f"{origin} is dead in no journal, or twice")
            assert buried is not None
            kept = letter.value
            if "length" in letter.headers:
                length, sha256 = int(letter.headers["length"]), letter.headers["sha256"].decode()
                same = _oversize(buried.stored) == (length, sha256, kept)
            else:
                same = _is_stored_as(buried.stored, kept)
            same = same and letter.headers["reason"].decode() == buried.dead
            _must("I1", same, letter.at, f"not what the journal buries at {buried.at}")
    for one in waiting.values():
        raise Violated("I1", f"{one.at}: no dead letter of {one.topic}@{one.offset}")
    return count


def _is_stored_as(stored: bytes, value: bytes) -> bool:
    if stored[:1] == b"{":
        return stored == value
    if stored[:1] == b'"':
        return b64decode(stored[1:-1]) == value
    length, sha256, head = _oversize(stored)
    return length == len(value) and sha256 == hashlib.sha256(value).hexdigest() and value.startswith(head)


def _oversize(stored: bytes) -> tuple[int, str, bytes]:
    kind, length, sha256, head = msgspec.json.decode(stored, type=tuple[str, int, str, str])
    assert kind == "oversize", kind
    return length, sha256, b64decode(head)


def _covers(run: Run, taken: list[list[_Taken]]) -> None:
    for partition, of_partition in enumerate(taken):
        for topic in _INTAKE:
            ours = [one for one in of_partition if one.topic == topic]
            end = run.committed.get((topic, partition), 0)
            there = [one.offset for one in run.records.get((topic, partition), []) if one.offset < end]
            for one, offset in zip(ours, there, strict=False):
                _must("I3", one.offset == offset, one.at, f"{topic}@{one.offset} where {offset} is next")
            if len(ours) > len(there):
                beyond = ours[len(there)]
                raise Violated("I3", f"{beyond.at}: {topic}@{beyond.offset} is past the committed offset {end}")
            _must("I3", len(ours) == len(there), f"{topic}[{partition}]", f"the journal ends before {end}")


# the events --------------------------------------------------------------------------------------------------


def _events(run: Run) -> _Events:
    events: _Events = {}
    for topic in OUTPUT:
        for partition in range(run.partitions):
            for record in run.records.get((topic.value, partition), []):
                try:
                    event = decode_event(record.value)
                except NotAMessage as error:
                    raise Violated("I2", f"{record.at}: no event: {error}") from error
                fits = EVENT_TOPIC[type(event)] is topic and record.key == event.venue.encode()
                _must("I2", fits, record.at, f"a {type(event).__name__} of {event.venue} on the wrong topic or key")
                events.setdefault(event.venue, {}).setdefault(event.seq, []).append((event.n, event, record.at))
    for of_venue in events.values():
        for of_input in of_venue.values():
            of_input.sort(key=lambda found: found[0])
    return events


def _one_outcome_each(every: list[_Taken], events: _Events) -> int:
    answered = 0
    for one in every:
        if one.received is None or one.seq < 0:
            continue
        of_input = [event for _, event, _ in events.get(one.received.venue, {}).get(one.seq, [])]
        found = outcomes(one.received, of_input)
        what = f"{type(one.received).__name__}, seq {one.seq} of {one.received.venue}"
        if found is not None:
            _must("I1", found == 1, one.at, f"{what} has {found} outcomes")
            answered += 1
    return answered


def outcomes(received: AnyInput, events: list[AnyEvent]) -> int | None:
    """How many outcomes an input has; None: it needs none (a map, settings, prices that name none)."""
    own = CancelReason.OWNER
    found: list[AnyEvent]
    match received:
        case Place(account=account, client_id=client_id):
            found = [
                event
                for event in events
                if isinstance(event, OrderAccepted | OrderRejected)
                and (event.account, event.client_id) == (account, client_id)
            ]
        case MassQuote(account=account, symbol=symbol, quote_id=quote_id):
            found = [
                event
                for event in events
                if isinstance(event, QuoteAccepted | QuoteRejected)
                and (event.account, event.symbol, event.quote_id, event.cause) == (account, symbol, quote_id, None)
            ]
        case Cancel(account=account, client_id=client_id) | Amend(account=account, client_id=client_id):
            answers = CancelRejected if isinstance(received, Cancel) else OrderAmended | AmendRejected
            found = [
                event
                for event in events
                if (isinstance(event, answers) or (isinstance(event, OrderCancelled) and event.reason is own))
                and (event.account, event.client_id) == (account, client_id)
            ]
        case CancelAll() | QuoteCancel():
            refused = [event for event in events if isinstance(event, CancelRejected)]
            gone = [e for e in events if isinstance(e, OrderCancelled | QuoteCancelled) and e.reason is own]
            return len(refused) + bool(gone)
        case DeclareStress():
            found = [event for event in events if isinstance(event, StressDeclared | StressEnded | ControlRejected)]
        case SeedFund():
            found = [e for e in events if isinstance(e, FundChanged) and e.reason is FundReason.SEEDED]
            found += [event for event in events if isinstance(event, ControlRejected)]
        case IndexPrices(prices=prices) | PriceShock(prices=prices):
            kinds = [NewsPublished] * isinstance(received, PriceShock) + [SourcePriced] * bool(prices)
            told = {sum(isinstance(event, kind) for event in events) for kind in kinds}
            refusals = sum(isinstance(event, ControlRejected) for event in events)
            return refusals + (told.pop() if len(told) == 1 else 0) if kinds else None
        case _ if (outcome := _TAKEN.get(type(received))) is not None:
            found = [event for event in events if isinstance(event, outcome | ControlRejected)]
        case _:
            return None
    return len(found)


def _numbered(taken: list[list[_Taken]], events: _Events) -> int:
    inputs: dict[str, int] = {}
    for of_partition in taken:
        here = {one.received.venue: one.seq + 1 for one in of_partition if one.received and one.seq >= 0}
        for venue, count in here.items():
            if venue in inputs:
                raise Violated("I2", f"venue {venue} is in the journals of two partitions")
            inputs[venue] = count
    count = 0
    for venue, of_venue in events.items():
        for seq, of_input in of_venue.items():
            _must("I2", seq < inputs.get(venue, 0), of_input[0][2], f"seq {seq} of {venue} is in no journal")
            for place, (n, _, at) in enumerate(of_input):
                _must("I2", n == place, at, f"event {n} of seq {seq} of {venue} where {place} is next")
            count += len(of_input)
    return count


def _paid_as_asked(every: list[_Taken], events: _Events) -> None:
    """What was paid in, paid out and carried in is what the journal's inputs say, and nothing else."""
    asked: dict[tuple[str, int], object] = {}
    for one in every:
        match one.received:
            case Deposit(venue=venue, deposits=deposits):
                asked[venue, one.seq] = deposits
            case Withdraw(venue=venue, account=account, quote=quote):
                asked[venue, one.seq] = account, quote
            case SeedFund(venue=venue, quote=quote):
                asked[venue, one.seq] = quote
            case SeedPositions(venue=venue, legs=legs):
                asked[venue, one.seq] = legs
    for venue, of_venue in events.items():
        for seq, of_input in of_venue.items():
            for _, event, at in of_input:
                paid: object = None
                match event:
                    case Deposited(deposits=after):
                        paid = tuple((account, quote) for account, quote, _ in after)
                    case Withdrawn(account=account, quote=quote):
                        paid = account, quote
                    case FundChanged(reason=FundReason.SEEDED, change=quote):
                        paid = quote
                    case PositionsSeeded(legs=legs):
                        paid = legs
                    case _:
                        continue
                _must("I5", asked.get((venue, seq)) == paid, at, f"paid {paid}, asked for {asked.get((venue, seq))}")


def _balanced(of_venue: dict[int, list[tuple[int, AnyEvent, str]]]) -> Ledger:
    ledger = Ledger()
    for _, of_input in sorted(of_venue.items()):
        for _, event, at in of_input:
            ledger.take(event, at)
        ledger.close(of_input[-1][2])
    return ledger


def _in_order(run: Run) -> None:
    for topic in OUTPUT:
        for partition in range(run.partitions):
            last: dict[str, tuple[int, int]] = {}
            for record in run.records.get((topic.value, partition), []):
                event = decode_event(record.value)
                before = last.get(event.venue, (-1, -1))
                now = last[event.venue] = (event.seq, event.n)
                _must("I7", before < now, record.at, f"event {now} of {event.venue} after {before}")


def _must(invariant: str, holds: bool, at: str, otherwise: str) -> None:
    if not holds:
        raise Violated(invariant, f"{at}: {otherwise}")


# reading -----------------------------------------------------------------------------------------------------


def read(bootstrap: str, prefix: str = "", topics: Sequence[str] = _READ) -> Run:
    """Everything that is committed on the topics of a run, those that are checked or others."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{prefix}engine",  # its offsets are looked up and never moved
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    try:
        known = consumer.list_topics(timeout=ANSWERS_WITHIN_S).topics
        missing = [prefix + topic for topic in topics if prefix + topic not in known]
        if missing:
            raise SystemExit(f"no such topics: {', '.join(missing)}")
        partitions = len(known[prefix + Topic.JOURNAL.value].partitions)
        every = [TopicPartition(prefix + topic, number, 0) for topic in topics for number in range(partitions)]
        intake = [TopicPartition(prefix + topic, number) for topic in _INTAKE for number in range(partitions)]
        offsets = consumer.committed(intake, timeout=ANSWERS_WITHIN_S)
        committed = {(of.topic.removeprefix(prefix), of.partition): of.offset for of in offsets if of.offset >= 0}
        records = _drained(consumer, every, prefix)
    finally:
        consumer.close()
    return Run(partitions, records, committed, prefix)


def _drained(consumer: Consumer, partitions: list[TopicPartition], prefix: str) -> dict[tuple[str, int], list[Read]]:
    records: dict[tuple[str, int], list[Read]] = {}
    consumer.assign(partitions)
    unread = {(at.topic, at.partition) for at in partitions}
    until = time.monotonic() + ANSWERS_WITHIN_S
    while unread:
        found = consumer.consume(10_000, timeout=0.1)  # it waits for all of them, or so long
        if found:
            until = time.monotonic() + ANSWERS_WITHIN_S
        elif time.monotonic() > until:
            raise SystemExit(f"the broker does not answer for {sorted(unread)}")
        for message in found:
            topic, partition, error = message.topic(), message.partition(), message.error()
            assert topic is not None and partition is not None
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                unread.discard((topic, partition))
                continue
            # What is written while this reads comes after an end that was seen: it waits for the next time.
            if (topic, partition) not in unread:
                continue
            name = topic.removeprefix(prefix)
            offset, key, value = message.offset(), message.key() or b"", message.value() or b""
            assert offset is not None and isinstance(key, bytes) and isinstance(value, bytes)
            headers = dict(message.headers() or [])
            read = msgspec.convert(headers, dict[str, bytes])
            _, timestamp_ms = message.timestamp()
            record = Read(name, partition, offset, key, value, read, timestamp_ms)
            records.setdefault((name, partition), []).append(record)
    return records


def main() -> None:
    """Check one run; exit code 1 where something is violated."""
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m tests.kafka.checker BOOTSTRAP [PREFIX]")
    try:
        for line in check(read(*sys.argv[1:])):
            print(line)
    except Violated as error:
        print(error)
        sys.exit(1)


if __name__ == "__main__":
    main()
