"""Verify: whether a recording's events are what follows from its journal, byte for byte.

Applied   the journal of each partition, from its beginning, with no log between: chain, core version, seq, dead letters
          and the state hashes it carries must come out as they are written.
Compared  every event with the line of its file, in order; every dead letter of the engine with its reason and origin;
          then nothing may be left over in any file, not even half a line. The hash of the event log, where it was kept.
Said      the first difference: the file, the line, what was expected there and what is.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from consumers.recorder import listed_sha256
from stream_engine.cli.errors import UserError
from stream_engine.cli.recording import Recording, dead_letter
from stream_engine.cli.status_line import StatusLine
from stream_engine.engine import replay
from stream_engine.journal import Batch, JournalError, Oversize
from stream_engine.messages.topics import INTAKE, OUTPUT, Topic

SHOWN = 240
KEPT_HASH = "event_log.sha256"

_batch = msgspec.json.Decoder(Batch)


class Verified(NamedTuple):
    """What was found to be the same."""

    journal_records: int
    inputs: int
    events: int
    dead_letters: int
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
        sha256,
    )


class _Partition:
    """The journal of one partition, and the files of what follows from it."""

    def __init__(self, recording: Recording, partition: int, status: StatusLine) -> None:
        self.partition = partition
        self._status = status
        self.journal_records = self.inputs = self.events = self.dead_letters = 0
        self._recording = recording
        missing = [topic.value for topic in (*OUTPUT, Topic.JOURNAL) if (topic, partition) not in recording.files]
        if missing:
            where = f"partition {partition} of {recording.directory}"
            raise UserError(f"{where} was recorded without {', '.join(missing)}: nothing can be verified without.")
        self._tapes = {topic.value: _Tape(recording, topic, partition) for topic in OUTPUT}
        self._dead = _Tape(recording, Topic.DEADLETTERS, partition)

    def run(self) -> None:
        """Compare everything."""
        journal = self._recording.name(Topic.JOURNAL, self.partition)
        try:
            for event in replay(self._journal(), self.partition):
                self._tapes[event.topic].expect(event.value)
                self.events += 1
        except JournalError as error:
            raise Different(f"{journal}: {error}.") from error
        except msgspec.DecodeError as error:
            raise Different(f"{journal} line {self.journal_records}: {error}.") from error
        for tape in self._tapes.values():
            tape.expect_end()
        while (line := self._dead.next_line()) is not None:
            if _is_the_engines(line):
                raise Different(self._dead.difference("no more dead letters of the engine", line))

    def _journal(self) -> Iterator[bytes]:
        for line in self._recording.lines(Topic.JOURNAL, self.partition):
            self.journal_records += 1
            yield line
            # Asked for the next, the engine has applied this one, and found its seal whole.
            self._look_at_dead_letters(_batch.decode(line))
            self._status.say(partition=self.partition, journal_records=self.journal_records, events=self.events)

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
        self._number = 0
        self._read = 0

    def next_line(self) -> bytes | None:
        """The next line; None: there is none."""
        line = next(self._lines, None)
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
