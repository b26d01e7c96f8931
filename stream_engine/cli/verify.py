"""Verify: whether a recording's events are what follows from its journal, byte for byte.

Applied   the journal of each partition, from its beginning, with no log between: chain, core version, seq, dead letters
          and the state hashes it carries must come out as they are written. Where the journal was trimmed before it was
          recorded, it is applied from the oldest snapshot in the recording on; what lies before is not looked at.
Compared  every event with the line of its file, in order; every dead letter of the engine with its reason and origin;
          then nothing may be left over in any file, not even half a line. The hash of the event log, where it was kept.
Said      the first difference: the file, the line, what was expected there and what is.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct

from consumers.recorder import KEPT_HASH, listed_sha256
from stream_engine.cli.errors import UserError
from stream_engine.cli.recording import Recording, dead_letter, identity
from stream_engine.cli.status_line import StatusLine
from stream_engine.core.state import load
from stream_engine.journal import Batch, Chain, JournalError, Oversize
from stream_engine.messages.topics import INTAKE, OUTPUT, Topic
from stream_engine.snapshots import Snapshot, newest
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing
from stream_engine.venues import Venues

SHOWN = 240


class _Numbered(Struct):
    number: int


_numbered = msgspec.json.Decoder(_Numbered)


class Verified(NamedTuple):
    """What was found to be the same."""

    journal_records: int
    inputs: int
    events: int
    dead_letters: int
    passed_over: int
    event_log_sha256: str


class Different(UserError):
    """Something in the recording is not what follows from its journal."""


def verify(recording: Recording) -> Verified:
    """Apply the journals and compare; raises Different at the first difference, UserError where there is no journal."""
    status = StatusLine()
    checks = [_Partition(recording, partition, status) for partition in range(recording.partitions)]
    try:
        for check in checks:
            check.run()
    finally:
        status.end()
    sha256 = _event_log_sha256(recording)
    kept = recording.directory / KEPT_HASH
    if kept.exists() and (found := kept.read_text(encoding="utf-8").strip()) != sha256:
        raise Different(f"{KEPT_HASH} says {found}, the event files give {sha256}.")
    return Verified(
        sum(check.journal_records for check in checks),
        sum(check.inputs for check in checks),
        sum(check.events for check in checks),
        sum(check.dead_letters for check in checks),
        sum(check.passed_over for check in checks),
        sha256,
    )


class _Partition:
    """The journal of one partition, and the files of what follows from it."""

    def __init__(self, recording: Recording, partition: int, status: StatusLine) -> None:
        self.partition = partition
        self.journal_records = self.inputs = self.events = self.dead_letters = self.passed_over = 0
        self._recording = recording
        self._status = status
        missing = [topic.value for topic in (*OUTPUT, Topic.JOURNAL) if (topic, partition) not in recording.files]
        if missing:
            where = f"partition {partition} of {recording.directory}"
            raise UserError(f"{where} was recorded without {', '.join(missing)}: nothing can be verified without.")
        self._tapes = {topic.value: _Tape(recording, topic, partition) for topic in OUTPUT}
        self._dead = _Tape(recording, Topic.DEADLETTERS, partition)
        self._journal = recording.name(Topic.JOURNAL, partition)
        self._lines = recording.lines(Topic.JOURNAL, partition)
        self._venues = Venues(partition, "", "")
        self._chain = Chain()

    def run(self) -> None:
        """Compare everything."""
        first = self._first_number()
        if first > 0:
            self._begin_at(self._oldest_snapshot(first), first)
        for line in self._lines:
            self._compare(line)
            self._status.say(partition=self.partition, journal_records=self.journal_records, events=self.events)
        for tape in self._tapes.values():
            tape.expect_end()
        while (line_left := self._dead.next_line()) is not None:
            if _is_the_engines(line_left):
                raise Different(self._dead.difference("no more dead letters of the engine", line_left))

    def _compare(self, line: bytes) -> None:
        out: list[Outgoing] = []
        try:
            batch = self._chain.open(line)
            self._venues.again(batch, out)
        except JournalError as error:
            raise Different(f"{self._journal}: {error}.") from error
        self.journal_records += 1
        for event in out:
            self._tapes[event.topic].expect(event.value)
        self.events += len(out)
        self._look_at_dead_letters(batch)

    def _first_number(self) -> int:
        line = next(self._recording.lines(Topic.JOURNAL, self.partition), None)
        try:
            return 0 if line is None else _numbered.decode(line).number
        except msgspec.DecodeError as error:
            raise Different(f"{self._journal} line 1 is no journal record: {error}.") from error

    def _oldest_snapshot(self, first: int) -> Snapshot:
        """The oldest whole one that the journal goes on from; UserError where there is none."""

        async def whole() -> list[Snapshot]:
            log, at = MemoryLog(), (Topic.SNAPSHOTS.value, 0)
            await log.append(
                [Outgoing(*at, b"", line, 0) for line in self._recording.lines(Topic.SNAPSHOTS, self.partition)]
            )
            return [snapshot async for snapshot in newest(log, at)]

        fitting = [snapshot for snapshot in asyncio.run(whole()) if snapshot.standing.number >= first]
        if not fitting:
            raise UserError(
                f"{self._journal} begins at journal record {first}; what came before was trimmed, and no snapshot in"
                " the recording tells what it came to: it cannot be verified."
            )
        return min(fitting, key=lambda snapshot: snapshot.standing.number)

    def _begin_at(self, snapshot: Snapshot, first: int) -> None:
        """Stand where the snapshot was made, in every file."""
        standing = snapshot.standing
        for state in snapshot.states.values():
            self._venues.add(load(state))
        self._venues.elsewhere.update(standing.elsewhere)
        self._chain = Chain(standing.number, standing.sha256)
        for _ in range(standing.number - first):
            next(self._lines, None)
        seq = {venue: exchange.seq for venue, exchange in self._venues.exchanges.items()}
        for tape in self._tapes.values():
            self.passed_over += tape.pass_over(lambda line: _follows_before(line, seq))
        offsets = {topic: offset for topic, (offset, _) in standing.lanes.items()}
        self._dead.pass_over(lambda line: _was_buried_before(line, offsets))

    def _look_at_dead_letters(self, batch: Batch) -> None:
        reasons = dict(batch.dead)
        for place, (topic, offset, value) in enumerate(batch.entries()):
            self.inputs += 1
            if place not in reasons:
                continue
            expected = {"reason": reasons[place], "partition": str(self.partition), "offset": str(offset)}
            head = value
            if isinstance(value, Oversize):
                head = value.head
                expected |= {"length": str(value.length), "sha256": value.sha256}
            self._expect_dead_letter(topic, expected, head)
            self.dead_letters += 1

    def _expect_dead_letter(self, topic: str, expected: dict[str, str], value: object) -> None:
        while (line := self._dead.next_line()) is not None and not _is_the_engines(line):
            pass  # a monitor's
        wanted = f"a dead letter from {topic} with {expected}"
        if line is None:
            raise Different(self._dead.difference(wanted, None))
        letter = dead_letter(line)
        same = letter.headers | expected == letter.headers and letter.headers["topic"].endswith(topic)
        if not same or letter.bytes() != value:
            raise Different(self._dead.difference(wanted, line))


class _Tape:
    """A file that is read on line by line."""

    def __init__(self, recording: Recording, topic: Topic, partition: int) -> None:
        path = recording.files.get((topic, partition))
        self._name = path.name if path else f"{topic.value}.jsonl (which is not there)"
        self._size = path.stat().st_size if path else 0
        self._lines = recording.lines(topic, partition)
        self._put_back: bytes | None = None
        self._number = 0
        self._read = 0

    def pass_over(self, is_before: Callable[[bytes], bool]) -> int:
        """Go on to the first line that is not before; how many were."""
        while (line := self.next_line()) is not None and is_before(line):
            pass
        passed = self._number - 1
        if line is not None:
            self._put_back = line
            self._read -= len(line) + 1
        self._number = passed
        return passed

    def next_line(self) -> bytes | None:
        """The next line; None: there is none."""
        line, self._put_back = self._put_back or next(self._lines, None), None
        self._number += 1
        self._read += 0 if line is None else len(line) + 1
        return line

    def expect(self, expected: bytes) -> None:
        """The next line must be this."""
        if (line := self.next_line()) != expected:
            raise Different(self.difference(expected.decode(), line))

    def expect_end(self) -> None:
        """There must be nothing more."""
        if (line := self.next_line()) is not None:
            raise Different(self.difference("nothing more", line))
        if self._read < self._size:
            raise Different(f"{self._name} line {self._number}: expected nothing more, found half a line.")

    def difference(self, expected: str, found: bytes | None) -> str:
        """What is said of the line that was read last."""
        there = "the end of the file" if found is None else found.decode(errors="replace")
        same = next((place for place, (a, b) in enumerate(zip(expected, there, strict=False)) if a != b), 0)
        start = max(0, same - SHOWN // 2) if len(expected) > SHOWN and found is not None else 0
        return (
            f"{self._name} line {self._number} is not what follows from the journal.\n"
            f"  expected  {_cut(expected, start)}\n  found     {_cut(there, start)}"
        )


def _cut(text: str, start: int) -> str:
    end = start + SHOWN
    return ("..." if start else "") + text[start:end] + ("..." if len(text) > end else "")


def _follows_before(line: bytes, seq: Mapping[str, int]) -> bool:
    """Whether an event belongs to an input before the next of its venue."""
    event = identity(line)
    return event is not None and event.seq < seq.get(event.venue, 0)


def _was_buried_before(line: bytes, offsets: Mapping[str, int]) -> bool:
    """Whether a dead letter is one of those before the next offset of its topic."""
    if not _is_the_engines(line):
        return True
    headers = dead_letter(line).headers
    topic = next(each for each in offsets if headers["topic"].endswith(each))
    return int(headers["offset"]) < offsets[topic]


def _is_the_engines(line: bytes) -> bool:
    """Whether a dead letter came from an intake topic: what monitors bury comes from others."""
    try:
        topic = dead_letter(line).headers.get("topic", "")
    except msgspec.DecodeError:
        return True
    return topic.endswith(tuple(each.value for each in INTAKE))


def _event_log_sha256(recording: Recording) -> str:
    hashes = []
    for topic in OUTPUT:
        for partition in range(recording.partitions):
            path = recording.files[topic, partition]
            with path.open("rb") as file:
                hashes.append((path.name, hashlib.file_digest(file, "sha256").hexdigest()))
    return listed_sha256(hashes)
