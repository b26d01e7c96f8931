"""Diagnosis: what is right and what is wrong, here and on the broker, each wrong line with its fix.

Here      Python, the libraries, the event loop, the terminal.
There     the broker and its release, the topics and their settings, who shares the partitions; of each partition how
          long its journal is and how it grows, how old its newest whole snapshot is, what its engine has yet to take,
          and where its venues' clocks stand; dead letters.
Lag       what waits is what a read finds behind the committed offset. The offset itself never reaches the end where
          transactions write: their marks take offsets, too.
Measured  the growth of a journal is that between its first and its last record, by event time; its size is what the
          broker says that it takes on disk.
"""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from enum import Enum
from importlib import metadata, util

import msgspec
from msgspec import Struct

from consumers.figures import counted
from stream_engine.cli.show import can_draw
from stream_engine.cli.topic_rules import complaints, named, options
from stream_engine.cli.version import versions
from stream_engine.messages.codec import NotAMessage, decode_event
from stream_engine.messages.events import ClockTicked
from stream_engine.messages.topics import INTAKE, Topic
from stream_engine.messages.units import MILLION
from stream_engine.snapshots import Snapshot, newest
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Log, Record, TopicPartition

AIOKAFKA = "0.14."
LAST_TICKS = 2_000
LAST_JOURNALS = 20
# What an engine would have to apply again: some seconds of work.
MANY_RECORDS = 10_000
LOOKS_AGAIN_AFTER_S = 1.0
NARROW = 80


class State(Enum):
    """How a line stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Line(Struct, frozen=True):
    """One thing that was looked at; `fix` says what to do where it is not right."""

    state: State
    what: str
    found: str
    fix: str = ""


def here() -> Iterator[Line]:
    """What can be said without a broker."""
    found = versions()
    yield Line(State.OK, "python", f"{found['python']} ({found['implementation']}), {found['system']}")
    libraries = found["libraries"]
    assert isinstance(libraries, dict)
    missing = sorted(name for name, version in libraries.items() if version is None and name != "uvloop")
    told = ", ".join(f"{name} {version}" for name, version in libraries.items() if version is not None)
    if missing:
        yield Line(State.FAIL, "libraries", f"missing: {', '.join(missing)}", "pip install liqstorm, anew")
    else:
        yield Line(State.OK, "libraries", f"liqstorm {found['liqstorm']}, {told}")
    aiokafka = metadata.version("aiokafka")
    if not aiokafka.startswith(AIOKAFKA):
        yield Line(
            State.FAIL, "aiokafka", f"{aiokafka}: the guards are made for {AIOKAFKA}x", "pip install aiokafka~=0.14.0"
        )
    if util.find_spec("uvloop") is None:
        yield Line(State.WARN, "event loop", "uvloop is not installed, asyncio's own is slower", "pip install uvloop")
    else:
        yield Line(State.OK, "event loop", f"uvloop {metadata.version('uvloop')}")
    if not can_draw(sys.stdout):
        yield Line(State.OK, "terminal", "none: progress comes as lines of JSON")
    elif (width := shutil.get_terminal_size().columns) < NARROW:
        yield Line(State.WARN, "terminal", f"{width} columns", f"make it {NARROW} wide or more for the live view")
    else:
        yield Line(State.OK, "terminal", f"{width} columns")


async def there(settings: KafkaSettings, prefix: str) -> AsyncIterator[Line]:
    """What a broker and the topics of a prefix say; Unreachable where nobody answers."""
    admin, log = KafkaAdmin(settings), KafkaLog(settings)
    where = options(settings.bootstrap, prefix)
    try:
        release = await admin.release()
        yield Line(State.OK, "broker", f"{await admin.broker()} answers" + (f"; Kafka {release}" if release else ""))
        partitions = await admin.partitions(named(prefix))
        if not partitions:
            yield Line(State.FAIL, "topics", "there are none of ours", f"liqstorm topics create {where}")
            return
        wrong = complaints(partitions, await admin.configs(partitions), settings.bootstrap, prefix)
        for complaint in wrong:
            yield Line(State.FAIL, "topics", f"{complaint.topic} {complaint.what}", complaint.fix)
        if len(partitions) < len(Topic) or len(set(partitions.values())) > 1:
            return
        count = partitions[prefix + Topic.CONTROL.value]
        if not wrong:
            yield Line(
                State.OK, "topics", f"{len(partitions)}, {count} partitions each; kept for ever, event time taken"
            )
        members = await admin.members(f"{prefix}engine-members")
        yield _members(members, count, where)
        sizes = await admin.sizes([prefix + Topic.JOURNAL.value])
        for partition in range(count):
            yield await _journal(log, prefix, partition, sizes.get((prefix + Topic.JOURNAL.value, partition)))
            for look in (_snapshots, _lag, _clocks, _dead_letters):
                async for line in look(log, prefix, partition, where):
                    yield line
    finally:
        await admin.close()
        await log.close()


def _members(members: list[str], partitions: int, where: str) -> Line:
    if not members:
        return Line(State.WARN, "engines", "none runs", f"liqstorm engine {where}")
    told = f"{len(members)} share {partitions} partitions: {', '.join(members)}"
    if len(members) > partitions:
        return Line(State.WARN, "engines", told, "stop some: more engines than partitions idle, unless they --follow")
    return Line(State.OK, "engines", told)


class _Sealed(Struct):
    number: int
    runs: list[tuple[str, int, list[msgspec.Raw]]]


_sealed = msgspec.json.Decoder(_Sealed)


async def _journal(log: Log, prefix: str, partition: int, size: int | None) -> Line:
    at = (prefix + Topic.JOURNAL.value, partition)
    what = f"journal {partition}"
    tail = await _tail(log, at, 1)
    if not tail:
        return Line(State.OK, what, "empty")
    start = (await log.starts([at]))[at]
    head = (await log.read({at: start}, 1, LOOKS_AGAIN_AFTER_S)).get(at, tail)[0]
    try:
        first, last = _sealed.decode(head.value).number, _sealed.decode(tail[-1].value).number
    except msgspec.DecodeError:
        return Line(State.FAIL, what, "holds what is no journal record", "start anew under another --prefix")
    told = counted(last + 1 - first, "record") + ("" if size is None else f", {size / 1e6:,.1f} MB")
    hours = (tail[-1].timestamp_us - head.timestamp_us) / MILLION / 3_600
    told += f", {(last - first) / hours:,.0f} records an hour of event time" if hours > 0 else ""
    return Line(State.OK, what, told + (f"; the {first:,} before were trimmed" if first else ""))


async def _snapshots(log: Log, prefix: str, partition: int, where: str) -> AsyncIterator[Line]:
    what = f"snapshots {partition}"
    journal = await _tail(log, (prefix + Topic.JOURNAL.value, partition), 1)
    if not journal:
        return
    try:
        records = _sealed.decode(journal[-1].value).number + 1
    except msgspec.DecodeError:
        return
    found = [snapshot async for snapshot in _first_two(newest(log, (prefix + Topic.SNAPSHOTS.value, partition)))]
    age = records - (found[0].standing.number if found else 0)
    told = f"{len(found)} or more" if len(found) == 2 else ("one" if found else "none")
    told += f" whole; an engine that starts applies {counted(age, 'journal record')} again"
    if age > MANY_RECORDS:
        yield Line(State.WARN, what, told, f"liqstorm engine {where} --follow all, in a process more, makes them")
    else:
        yield Line(State.OK, what, told)


async def _first_two(snapshots: AsyncIterator[Snapshot]) -> AsyncIterator[Snapshot]:
    left = 2
    async for snapshot in snapshots:
        yield snapshot
        left -= 1
        if not left:
            return


async def _lag(log: Log, prefix: str, partition: int, where: str) -> AsyncIterator[Line]:
    what = f"lag {partition}"
    lanes = [(prefix + topic.value, partition) for topic in INTAKE]
    group = prefix + "engine"
    committed = await log.committed(group, lanes)
    positions = {at: committed.get(at, 0) for at in lanes}
    starts, ends = await log.starts(lanes), await log.ends(lanes)
    for at, position in (positions | await _journalled(log, prefix, partition)).items():
        if not starts[at] <= position <= ends[at]:
            found = f"{at[0]} is taken up to {position:,}, and holds {starts[at]:,} to {ends[at]:,}"
            yield Line(State.FAIL, what, found, "it was made anew or lost records: start anew under another --prefix")
            return
    if not await log.read(positions, 1):
        yield Line(State.OK, what, f"nothing waits ({sum(ends.values()):,} offsets, marks of transactions included)")
        return
    waiting = sum(ends[at] - positions[at] for at in lanes)
    await asyncio.sleep(LOOKS_AGAIN_AFTER_S)
    taken = sum((await log.committed(group, lanes)).values()) - sum(committed.values())
    if taken:
        yield Line(State.OK, what, f"{waiting:,} inputs wait, {taken / LOOKS_AGAIN_AFTER_S:,.0f} are taken a second")
    else:
        yield Line(State.FAIL, what, f"{waiting:,} inputs wait, and none is taken", f"liqstorm engine {where}")


async def _journalled(log: Log, prefix: str, partition: int) -> dict[TopicPartition, int]:
    """Up to where the last journal records took the intake: a broker forgets offsets together with their topic."""
    taken: dict[TopicPartition, int] = {}
    for record in await _tail(log, (prefix + Topic.JOURNAL.value, partition), LAST_JOURNALS):
        for topic, offset, values in _sealed.decode(record.value).runs:
            taken[prefix + topic, partition] = offset + len(values)
    return taken


async def _clocks(log: Log, prefix: str, partition: int, where: str) -> AsyncIterator[Line]:
    clocks: dict[str, int] = {}
    for record in await _tail(log, (prefix + Topic.MARKET.value, partition), LAST_TICKS):
        try:
            event = decode_event(record.value)
        except NotAMessage:
            continue
        if isinstance(event, ClockTicked):
            clocks[event.venue] = event.ts_us
    now = datetime.now(UTC)
    for venue, ts_us in clocks.items():
        at = datetime.fromtimestamp(ts_us / MILLION, UTC)
        told = f"its clock stands at {at:%Y-%m-%d %H:%M:%S} UTC, this machine's at {now:%Y-%m-%d %H:%M:%S}"
        yield Line(State.OK, f"venue {venue}", told)


async def _dead_letters(log: Log, prefix: str, partition: int, where: str) -> AsyncIterator[Line]:
    at = (prefix + Topic.DEADLETTERS.value, partition)
    tail = await _tail(log, at, 1)
    if not tail:
        return
    origin = {name: value.decode(errors="replace") for name, value in tail[-1].headers}
    last = f"the last from {origin.get('topic')}, offset {origin.get('offset')}: {origin.get('reason')}"
    fix = f"liqstorm record {where} --topics deadletters --until-idle 2, and mend whoever sends them"
    yield Line(State.WARN, f"dead letters {partition}", last, fix)


async def _tail(log: Log, at: TopicPartition, count: int) -> list[Record]:
    """The last records of a partition: of so many offsets, or, where these are all marks, of more."""
    start, end = (await log.starts([at]))[at], (await log.ends([at]))[at]
    window = count
    while end > start:
        position = max(start, end - window)
        found: list[Record] = []
        while position < end and (records := (await log.read({at: position}, count)).get(at)):
            found += records
            position = records[-1].offset + 1
        if found or window >= end - start:
            return found[-count:]
        window *= 4
    return []
