"""Snapshots: the state of a partition's venues at one position of its journal, kept on the topic `snapshots`.

Each venue's snapshot is one or more records under the venue's key, at most 512 KiB each, one line of JSON:

    {"venue":"alpha","offset":812,"number":640,"core":3,"part":0,"parts":2,"sha256":"...","state":"<base64>"}

offset    what the journal holds before this offset is in the snapshot.     number  so many journal records are that.
sha256    over the whole, which is the parts' `state` one after the other: a `Standing`, then the venue's dump.

Set       a snapshot counts only together with those of all venues of its partition at the same journal position,
          each whole and with the hash that it names: an incomplete set does not exist.
Due       when applying again what came since the last one would take half a second, and twenty times as long as the
          dumps do: what snapshots cost stays below a twentieth of the work, whatever the size of the venues.
Order     the newest set comes first; whoever cannot use it asks for the one before.
Holds     a snapshot only saves time. Whatever becomes of it, the journal gives the same state.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct

from stream_engine.journal import CORE_VERSION
from stream_engine.messages.topics import Topic
from stream_engine.transport.protocol import Log, Outgoing, Record, TopicPartition, headers

MAX_PART_BYTES = 512 * 1024
# Room for what stands round the state, which grows by a third in base64.
_STATE_BYTES = (MAX_PART_BYTES - 2_048) * 3 // 4
_PARTS_AT_ONCE = 4
_READ_BACK = 16

EVERY_S = 0.5
TIMES_ITS_COST = 20

_logger = logging.getLogger(__name__)


class Standing(Struct, frozen=True):
    """Where a partition stands, but for the states of its venues.

    offset, number   the journal up to there is applied.        sha256     the sum of its last record.
    lanes            of each intake topic: the offset to be taken next, and the time of the last input taken.
    elsewhere        the venues that live on other partitions.  venues     those that live here, in their order.
    """

    offset: int
    number: int
    sha256: str
    lanes: dict[str, tuple[int, int]]
    elsewhere: dict[str, int]
    venues: tuple[str, ...]


class Snapshot(NamedTuple):
    """A whole set: where the partition stands, and the dump of each of its venues.

    first    the offset of its first record on the topic.
    """

    standing: Standing
    states: dict[str, bytes]
    first: int = 0


class Part(Struct, frozen=True):
    """One record of a snapshot."""

    venue: str
    offset: int
    number: int
    core: int
    part: int
    parts: int
    sha256: str
    state: bytes


class Work(Struct):
    """What would be applied again without a snapshot, and how long that took."""

    inputs: int = 0
    records: int = 0
    seconds: float = 0.0


_encode = msgspec.json.Encoder().encode
_part = msgspec.json.Decoder(Part)
_standing = msgspec.json.Decoder(Standing)


def parts(snapshot: Snapshot, at: TopicPartition, run_id: str = "") -> Iterator[Outgoing]:
    """The records of a snapshot."""
    standing = snapshot.standing
    head = headers(Topic.SNAPSHOTS, run_id)
    stands = _encode(standing)
    now_us = max(ts_us for _, ts_us in standing.lanes.values())
    for venue, state in snapshot.states.items():
        whole = stands + b"\n" + state
        sha256 = hashlib.sha256(whole).hexdigest()
        count = -(-len(whole) // _STATE_BYTES)
        for number in range(count):
            piece = whole[number * _STATE_BYTES : (number + 1) * _STATE_BYTES]
            part = Part(venue, standing.offset, standing.number, CORE_VERSION, number, count, sha256, piece)
            yield Outgoing(*at, venue.encode(), _encode(part), now_us, head)


async def write(log: Log, snapshot: Snapshot, at: TopicPartition, run_id: str = "") -> None:
    """Append a snapshot, few parts at a time: it may be large, and others wait to write."""
    some: list[Outgoing] = []
    for record in parts(snapshot, at, run_id):
        some.append(record)
        if len(some) == _PARTS_AT_ONCE:
            await log.append(some)
            some = []
    await log.append(some)


async def newest(log: Log, at: TopicPartition) -> AsyncIterator[Snapshot]:
    """The whole sets of this core version, from the end of the topic to its start."""
    found = _Found()
    start, end = (await log.starts([at]))[at], (await log.ends([at]))[at]
    window = _READ_BACK
    while end > start:
        begin = max(start, end - window)
        complete = []
        for record in await _between(log, at, begin, end):
            complete += found.add(record)
        for snapshot in sorted(complete, key=lambda each: -each.standing.offset):
            yield snapshot
        end = begin
        window = min(2 * window, 16 * _READ_BACK)


async def latest(log: Log, at: TopicPartition) -> int:
    """How many journal records the last snapshot that was written holds, whole or not; 0 where there is none."""
    start, end = (await log.starts([at]))[at], (await log.ends([at]))[at]
    records = await _between(log, at, max(start, end - 2), end) if end > start else []
    numbers = [part.number for part in map(_read, records) if part is not None]
    return numbers[-1] if numbers else 0


class _Found:
    """Parts as they are found, put together."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, int, str], dict[int, Record]] = {}
        self._sets: dict[bytes, dict[str, tuple[bytes, int]]] = {}

    def add(self, record: Record) -> list[Snapshot]:
        """Another record; the set that it completes, if it does."""
        part = _read(record)
        if part is None or part.core != CORE_VERSION:
            return []
        pieces = self._pieces.setdefault((part.venue, part.offset, part.sha256), {})
        pieces[part.part] = record
        if any(number not in pieces for number in range(part.parts)):
            return []
        del self._pieces[part.venue, part.offset, part.sha256]
        whole = b"".join(_part.decode(pieces[number].value).state for number in range(part.parts))
        stands, _, state = whole.partition(b"\n")
        standing = _standing_of(stands)
        is_sound = hashlib.sha256(whole).hexdigest() == part.sha256
        if not is_sound or standing is None or (standing.offset, standing.number) != (part.offset, part.number):
            _warn(record, "the snapshot is not as it was written")
            return []
        venues = self._sets.setdefault(stands, {})
        venues[part.venue] = (state, min(each.offset for each in pieces.values()))
        if any(venue not in venues for venue in standing.venues):
            return []
        first = min(offset for _, offset in venues.values())
        return [Snapshot(standing, {venue: venues[venue][0] for venue in standing.venues}, first)]


async def _between(log: Log, at: TopicPartition, begin: int, end: int) -> list[Record]:
    records: list[Record] = []
    while begin < end and (found := (await log.read({at: begin}, end - begin)).get(at)):
        records += [record for record in found if record.offset < end]
        begin = found[-1].offset + 1
    return records


def _read(record: Record) -> Part | None:
    try:
        return _part.decode(record.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _warn(record, "this is no part of a snapshot")
        return None


def _standing_of(value: bytes) -> Standing | None:
    try:
        return _standing.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _warn(record: Record, what: str) -> None:
    _logger.warning("%s, partition %d, offset %d: %s", record.topic, record.partition, record.offset, what)
