"""Recording: a run directory as it is read back: which topics and partitions it has, and what stands in their files.

Order     the inputs come in the order of the journal, batch by batch; where a partition has no journal, its intake
          files are merged by the engine's rule: between their heads the earlier `ts_us` goes first, at equal times
          control < shocks < quotes < orders.
Torn      a last line without its end was being written when its writer died: the recording ends before it.
"""

import heapq
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from producers.replay import Recorded
from stream_engine.cli.errors import UserError, why
from stream_engine.journal import Batch, Oversize
from stream_engine.messages.codec import NotAMessage, decode_input
from stream_engine.messages.topics import INTAKE, Topic

INPUTS_TOGETHER = 1_000

_NAME = re.compile(r"([a-z]+)(?:\.(\d{1,6}))?\.jsonl")
_TOPICS = {topic.value: topic for topic in Topic}
_WRAPPED = b'{"headers":'


class Wrapped(Struct, frozen=True, forbid_unknown_fields=True):
    """A line that the recorder put a value into which is no line of JSON itself, or a dead letter."""

    headers: dict[str, str]
    value: str | None = None
    base64: str | None = None

    def bytes(self) -> bytes:
        """The value as it was."""
        return b64decode(self.base64) if self.base64 is not None else (self.value or "").encode()


class Identity(Struct, frozen=True):
    """Of an event, which input it belongs to."""

    venue: str
    seq: int


_identity = msgspec.json.Decoder(Identity)
_batch = msgspec.json.Decoder(Batch)
_wrapped = msgspec.json.Decoder(Wrapped)


class Recording:
    """What a run left in its directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.oversize = 0  # inputs read so far of which only the head was kept
        try:
            names = sorted(entry.name for entry in directory.iterdir())
        except OSError as error:
            raise UserError(f"cannot read {directory}: {why(error)}. Name the directory of a run.") from error
        found = [match for name in names if (match := _NAME.fullmatch(name)) and match[1] in _TOPICS]
        self.files: dict[tuple[Topic, int], Path] = {
            (_TOPICS[match[1]], int(match[2] or 0)): directory / match.string for match in found
        }
        if not self.files:
            raise UserError(f"{directory} holds no recording: there is no <topic>.jsonl in it. Name a run's directory.")
        if len({match[2] is None for match in found}) > 1:
            raise UserError(f"{directory} holds recordings of different numbers of partitions. Keep one of them there.")
        self.partitions = 1 + max(partition for _, partition in self.files)

    def lines(self, topic: Topic, partition: int) -> Iterator[bytes]:
        """The lines of one file without their ends; none where there is no such file."""
        path = self.files.get((topic, partition))
        if path is None:
            return
        try:
            with path.open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield line[:-1]
        except OSError as error:
            raise UserError(f"cannot read {path}: {why(error)}.") from error

    def has_journal(self, partition: int) -> bool:
        """Whether there is a journal with anything in it."""
        return next(self.lines(Topic.JOURNAL, partition), None) is not None

    def batches(self, partition: int) -> Iterator[list[Recorded]]:
        """The inputs of a partition, and what was no input, in the order in which the engine took them."""
        return self._journalled(partition) if self.has_journal(partition) else self._merged(partition)

    def name(self, topic: Topic, partition: int) -> str:
        """The name of a file."""
        return self.files[topic, partition].name

    def _journalled(self, partition: int) -> Iterator[list[Recorded]]:
        file = self.name(Topic.JOURNAL, partition)
        for number, line in enumerate(self.lines(Topic.JOURNAL, partition)):
            try:
                batch = _batch.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UserError(f"{file} line {number + 1} is no journal record: {error}.") from error
            if batch.number != number:
                what = "was trimmed before it was recorded" if number == 0 else "has a gap"
                raise UserError(f"{file} line {number + 1} is journal record {batch.number}: the journal {what}.")
            taken: list[Recorded] = []
            for name, _, value in batch.entries():
                if isinstance(value, Oversize):
                    self.oversize += 1
                else:
                    taken.append((_TOPICS[name], value))
            yield taken

    def _merged(self, partition: int) -> Iterator[list[Recorded]]:
        together: list[Recorded] = []
        lanes = [self._lane(topic, rank, partition) for rank, topic in enumerate(INTAKE)]
        for _, rank, value in heapq.merge(*lanes, key=lambda item: item[:2]):
            together.append((INTAKE[rank], value))
            if len(together) == INPUTS_TOGETHER:
                yield together
                together = []
        yield together

    def _lane(self, topic: Topic, rank: int, partition: int) -> Iterator[tuple[int, int, bytes]]:
        ts_us = 0
        for line in self.lines(topic, partition):
            value = unwrapped(line)
            with suppress(NotAMessage):  # it takes the time of the input before it
                ts_us = decode_input(value).ts_us
            yield ts_us, rank, value


def unwrapped(line: bytes) -> bytes:
    """The value that a line stands for."""
    if not line.startswith(_WRAPPED):
        return line
    try:
        return _wrapped.decode(line).bytes()
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return line


def dead_letter(line: bytes) -> Wrapped:
    """A line of the dead letters; raises msgspec.DecodeError."""
    return _wrapped.decode(line)


def identity(value: bytes) -> Identity | None:
    """Which input an event belongs to; None: it is no event."""
    try:
        return _identity.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
