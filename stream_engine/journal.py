"""Journal: what the engine took, in the order in which it took it. The truth that a restart and a replay go by.

A record is one line of JSON, at most 512 KiB, written in the same commit as the events that follow from it:

    {"number":7,"core":1,"seq":{"V1":120},"runs":[["orders",55,[{...},{...}]],["quotes",9,["eyJ0"]]],
     "dead":[[2,"reason"]],"sha256":"..."}

number    counts the records of a partition from 0.       core      the version of the rules they were applied under.
seq       the first seq that each venue gave here.        runs      topic, offset of the first, the values as they came.
dead      which of the values (counted through) went to the dead letters, and why.
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

# Raised with every change of the core after which the same inputs may give other events.
CORE_VERSION = 1

MAX_RECORD_BYTES = 512 * 1024
KEPT_OF_OVERSIZE = 64 * 1024
_SEAL = len(',"sha256":""}') + 64


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

    def entries(self) -> Iterator[tuple[str, int, Value]]:
        """Topic, offset and value of everything taken, in order."""
        for run in self.runs:
            for offset, value in enumerate(run.values, run.offset):
                yield run.topic, offset, _value(bytes(value))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Batch)
_oversize = msgspec.json.Decoder(tuple[Literal["oversize"], int, str, str])


def as_it_is(value: bytes) -> Raw | None:
    """The value of an input for the journal, where it may stand there unchanged."""
    if value.isascii() and value[0] == 0x7B and value[-1] == 0x7D and b"\n" not in value and b"\r" not in value:
        return Raw(value)
    return None


def as_base64(value: bytes) -> Raw:
    """Any value for the journal."""
    return Raw(b'"' + b64encode(value) + b'"')


def as_oversize(value: Oversize) -> Raw:
    """What is kept of an oversize value for the journal."""
    return Raw(_encoder.encode(("oversize", value.length, value.sha256, b64encode(value.head).decode())))


def cut(value: bytes) -> Oversize:
    """What is kept of an oversize value."""
    return Oversize(len(value), hashlib.sha256(value).hexdigest(), value[:KEPT_OF_OVERSIZE])


class Chain:
    """Seals and checks the records of one partition one after the other."""

    def __init__(self) -> None:
        self.length = 0
        self._sha256 = ""

    def seal(self, batch: Batch) -> bytes:
        """The next record."""
        body = _encoder.encode(batch)[:-1]
        self._advance(body)
        record = body + b',"sha256":"' + self._sha256.encode() + b'"}'
        assert len(record) <= MAX_RECORD_BYTES, len(record)
        return record

    def open(self, record: bytes) -> Batch:
        """What the next record holds; raises JournalError where it is not the next, or not as it was written."""
        body, sealed = record[:-_SEAL], record[-_SEAL:]
        number = self.length
        self._advance(body)
        if sealed != b',"sha256":"' + self._sha256.encode() + b'"}':
            raise JournalError(f"journal record {number}: its hash does not follow from the record before it")
        batch = _decoder.decode(body + b"}")
        if batch.core != CORE_VERSION:
            raise JournalError(f"journal record {number}: taken under core {batch.core}, this is core {CORE_VERSION}")
        return batch

    def _advance(self, body: bytes) -> None:
        self.length += 1
        self._sha256 = hashlib.sha256(self._sha256.encode() + body).hexdigest()


def read(records: Iterable[bytes]) -> Iterator[Batch]:
    """The batches of one partition's journal from its beginning; raises JournalError at the first that is not whole."""
    chain = Chain()
    for record in records:
        yield chain.open(record)


def _value(stored: bytes) -> Value:
    if stored[:1] == b"{":
        return stored
    if stored[:1] == b'"':
        return b64decode(stored[1:-1])
    _, length, sha256, head = _oversize.decode(stored)
    return Oversize(length, sha256, b64decode(head))
