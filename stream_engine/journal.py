"""Journal: what the engine took, in the order in which it took it. The truth that a restart and a replay go by.

A record is one line of JSON, at most 512 KiB, written in the same commit as the events that follow from it:

    {"number":7,"core":2,"seq":{"V1":120},"runs":[["orders",55,[{...},{...}]],["quotes",9,["eyJ0"]]],
     "dead":[[2,"reason"]],"state":{"V1":"..."},"sha256":"..."}

number    counts the records of a partition from 0.       core      the version of the rules they were applied under.
seq       the first seq that each venue gave here.        runs      topic, offset of the first, the values as they came.
dead      which of the values (counted through) went to the dead letters, and why.
state     in every hundredth record: the hash of each venue's state after it (of 256 venues at most, the first by name).
sha256    over the sum of the record before and this one up to here: one changed byte breaks the chain.

A value stands as it is where it is an input in one line of ASCII; else as a string, its bytes in base64; an oversize
one as a list: its length, its SHA-256, its first 64 KiB in base64.
Holds     the values come back byte for byte.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from stream_engine.messages.topics import MAX_INPUT_BYTES

# Raised with every change of the core after which the same inputs may give other events.
CORE_VERSION = 5

MAX_RECORD_BYTES = 512 * 1024
KEPT_OF_OVERSIZE = 64 * 1024
_SEAL = len(',"sha256":""}') + 64
_LONGEST_STORED_WHOLE = max(MAX_INPUT_BYTES.values())
_MAX_STORED = _LONGEST_STORED_WHOLE * 4 // 3
# What stands round the values takes at most: the rest of the record and one more reason; a run; a venue and its seq.
_ROOM = MAX_RECORD_BYTES - 4_096
_RUN_BYTES = 64
_VENUE_BYTES = 512
# As numbers: bytes looked for in bytes are first taken for a number, and that failure costs more than all the rest.
_OPEN, _CLOSE, _LF, _CR = b"{}\n\r"

STATES_EVERY = 100
# More hashes would not leave room for one input of any size.
MAX_STATES = 256
_STATES_BYTES = MAX_STATES * (64 * 6 + 64 + 8)


class JournalError(Exception):
    """The journal does not read back as it was written, or does not fit what it is held against."""


class Oversize(Struct, frozen=True):
    """What is kept of a value larger than its topic takes."""

    length: int
    sha256: str
    head: bytes


Value = bytes | Oversize


class Run(Struct, array_like=True):
    """Values of one topic with consecutive offsets, taken one after the other."""

    topic: str
    offset: int
    values: list[Raw]


class Batch(Struct):
    """One record of the journal, without its seal."""

    number: int
    core: int
    seq: dict[str, int]
    runs: list[Run]
    dead: list[tuple[int, str]] = []
    state: dict[str, str] = {}

    def entries(self) -> Iterator[tuple[str, int, Value]]:
        """Topic, offset and value of everything taken, in order."""
        for run in self.runs:
            for offset, value in enumerate(run.values, run.offset):
                yield run.topic, offset, value_of(bytes(value))


def carries_states(number: int) -> bool:
    """Whether the journal record of this number carries the hashes of the venues' states."""
    return number % STATES_EVERY == STATES_EVERY - 1


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Batch)
_oversize = msgspec.json.Decoder(tuple[Literal["oversize"], int, str, str])


class Draft:
    """A record of the journal in the making. `ts_us` is the latest time of what it holds; `state` is set at its end."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seq: dict[str, int] = {}
        self.runs: list[Run] = []
        self.dead: list[tuple[int, str]] = []
        self.state: dict[str, str] = {}
        self.taken = 0
        self.ts_us = 0
        self._values: list[Raw] = []
        self._topic = ""
        self._next = -1
        self._bytes = _STATES_BYTES if carries_states(number) else 0

    def has_room(self, value: bytes) -> bool:
        """Whether the record stays within its limit with one more value, whatever becomes of it."""
        length = len(value)
        stored = length * 4 // 3 if length < _LONGEST_STORED_WHOLE else _MAX_STORED
        return self._bytes + len(self.seq) * _VENUE_BYTES + stored <= _ROOM

    def add(self, topic: str, offset: int, value: bytes) -> None:
        """The next value taken, which is an input."""
        # It is known to be JSON; only in one line may it stand as it is.
        if not value.isascii() or _LF in value or _CR in value or value[0] != _OPEN or value[-1] != _CLOSE:
            value = _in_base64(value)
        if offset == self._next and topic is self._topic:
            self._values.append(Raw(value))
            self._next = offset + 1
            self._bytes += len(value) + 1
            self.taken += 1
        else:
            self._add(topic, offset, value)

    def add_dead(self, topic: str, offset: int, value: bytes, is_input: bool, why: str) -> None:
        """The next value taken, which goes to the dead letters."""
        self._bury(why)
        if is_input:
            self.add(topic, offset, value)
        else:
            self._add(topic, offset, _in_base64(value))

    def add_oversize(self, topic: str, offset: int, value: Oversize, why: str) -> None:
        """The next value taken, which goes to the dead letters for its length."""
        self._bury(why)
        stored = ("oversize", value.length, value.sha256, b64encode(value.head).decode())
        self._add(topic, offset, _encoder.encode(stored))

    def _bury(self, why: str) -> None:
        self.dead.append((self.taken, why))
        self._bytes += 6 * len(why) + 16

    def _add(self, topic: str, offset: int, stored: bytes) -> None:
        if offset != self._next or topic is not self._topic:
            self._values = []
            self._topic = topic
            self.runs.append(Run(topic, offset, self._values))
            self._bytes += _RUN_BYTES
        self._values.append(Raw(stored))
        self._next = offset + 1
        self._bytes += len(stored) + 1
        self.taken += 1


def cut(value: bytes) -> Oversize:
    """What is kept of an oversize value."""
    return Oversize(len(value), hashlib.sha256(value).hexdigest(), value[:KEPT_OF_OVERSIZE])


class Chain:
    """Seals and checks the records of one partition one after the other. `sha256` is the sum of the last."""

    def __init__(self, length: int = 0, sha256: str = "") -> None:
        self.length = length
        self.sha256 = sha256

    def seal(self, draft: Draft) -> bytes:
        """The next record."""
        assert draft.number == self.length, (draft.number, self.length)
        batch = Batch(self.length, CORE_VERSION, draft.seq, draft.runs, draft.dead, draft.state)
        body = _encoder.encode(batch)[:-1]
        self._advance(body)
        record = body + b',"sha256":"' + self.sha256.encode() + b'"}'
        assert len(record) <= MAX_RECORD_BYTES, len(record)
        return record

    def open(self, record: bytes) -> Batch:
        """What the next record holds; raises JournalError where it is not the next, or not as it was written."""
        body, sealed = record[:-_SEAL], record[-_SEAL:]
        number = self.length
        self._advance(body)
        if sealed != b',"sha256":"' + self.sha256.encode() + b'"}':
            raise JournalError(f"journal record {number}: its hash does not follow from the record before it")
        batch = _decoder.decode(body + b"}")
        if batch.core != CORE_VERSION:
            raise JournalError(f"journal record {number}: taken under core {batch.core}, this is core {CORE_VERSION}")
        return batch

    def _advance(self, body: bytes) -> None:
        self.length += 1
        self.sha256 = hashlib.sha256(self.sha256.encode() + body).hexdigest()


def sum_of(record: bytes) -> str:
    """The sum that stands in a record, unchecked; of what is no record, something that is no sum."""
    return record[-_SEAL:][len(',"sha256":"') : -len('"}')].decode(errors="replace")


def read(records: Iterable[bytes]) -> Iterator[Batch]:
    """The batches of one partition's journal from its beginning; raises JournalError at the first that is not whole."""
    chain = Chain()
    for record in records:
        yield chain.open(record)


def value_of(stored: bytes) -> Value:
    """A value as it came, of what stands in a record."""
    if stored[:1] == b"{":
        return stored
    if stored[:1] == b'"':
        return b64decode(stored[1:-1])
    _, length, sha256, head = _oversize.decode(stored)
    return Oversize(length, sha256, b64decode(head))


def _in_base64(value: bytes) -> bytes:
    return b'"' + b64encode(value) + b'"'
