"""Taping: topics on Kafka into a run directory, while others write to them.

Ends      when it is told to, or when nothing new has come for a while; what was recorded is kept either way.
Cut       journal and events end together: first the journal is read to its end, then the events that follow from it;
          an event or a dead letter that follows from what the journal does not hold yet is left out. So every
          recording that has its journal from the beginning can be verified.
Waits     a broker that falls silent is waited for.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from consumers.recorder import Recorder, keep_hash
from stream_engine.cli.connection import answered
from stream_engine.cli.errors import UserError, why
from stream_engine.cli.recording import identity
from stream_engine.cli.session import new_directory
from stream_engine.cli.status_line import StatusLine
from stream_engine.cli.stopping import interruption, loop_factory
from stream_engine.cli.topic_rules import partitions_there
from stream_engine.cli.version import keep_versions
from stream_engine.journal import Batch, Oversize
from stream_engine.messages.codec import NotAMessage, decode_input
from stream_engine.messages.inputs import MapVenue
from stream_engine.messages.topics import INTAKE, OUTPUT, Topic
from stream_engine.transport.kafka import KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Log, LogError, Record, TopicPartition, Unreachable

READ_AT_ONCE = 4_096
POLL_S = 0.2
# A commit is seen on one topic a moment before another.
SEEN_AFTER_S = 0.5
TRY_AGAIN_S = 1.0
POSITIONS = "positions.json"


class Taped(NamedTuple):
    """What was recorded, and where."""

    directory: Path
    records: int
    trimmed: bool
    event_log_sha256: str


def tape(
    settings: KafkaSettings, prefix: str, topics: Sequence[Topic], out: Path | None, idle_s: float | None
) -> Taped:
    """Record topics until a signal, or until nothing came for `idle_s`."""
    with answered(), asyncio.Runner(loop_factory=loop_factory(None)) as runner:
        partitions = runner.run(partitions_there(settings, prefix, topics))
        directory = new_directory(out, f"{prefix.rstrip('.-_') or 'kafka'}-recorded")
        try:
            return runner.run(_tape(settings, prefix, topics, partitions, directory, idle_s))
        except OSError as error:
            kept = "What was recorded so far is kept; make room, or name another place with --out."
            raise UserError(f"cannot write to {directory}: {why(error)}. {kept}") from error
        except LogError as error:
            raise UserError(f"{error}. What was recorded so far is in {directory}.") from error


async def _tape(
    settings: KafkaSettings,
    prefix: str,
    topics: Sequence[Topic],
    partitions: int,
    directory: Path,
    idle_s: float | None,
) -> Taped:
    keep_versions(directory)
    log = KafkaLog(settings)
    status = StatusLine()
    try:
        with interruption() as stop, Recorder(directory, partitions, prefix, topics) as recorder:
            taping = Taping(log, recorder.write, prefix, topics, partitions)
            await taping.start()
            try:
                await taping.run(stop, idle_s, status)
                await taping.end()
            finally:
                status.end()
                taping.write_positions(directory / POSITIONS, settings.bootstrap)
            sha256 = recorder.event_log_sha256()
    finally:
        await log.close()
    keep_hash(directory, sha256)
    return Taped(directory, taping.records, taping.trimmed, sha256)


class Taping:
    """Follows topics from where they begin, and hands on what it reads."""

    def __init__(
        self, log: Log, write: Callable[[list[Record]], None], prefix: str, topics: Sequence[Topic], partitions: int
    ) -> None:
        self.records = 0
        self._log = log
        self._write = write
        self._prefix = prefix
        self._positions = {(prefix + topic.value, number): 0 for topic in topics for number in range(partitions)}
        self._starts: Mapping[TopicPartition, int] = {}
        self._journals = {at: Journalled(at[1]) for at in self._positions if at[0] == prefix + Topic.JOURNAL.value}
        self._follows = {prefix + topic.value for topic in (*OUTPUT, Topic.DEADLETTERS)}

    @property
    def trimmed(self) -> bool:
        """Whether a journal begins later than its beginning."""
        return any(self._starts[at] for at in self._journals)

    async def start(self) -> None:
        """Begin where the topics begin."""
        self._starts = await self._log.starts(self._positions)
        self._positions.update(self._starts)

    async def run(self, stop: Callable[[], bool], idle_s: float | None, status: StatusLine) -> None:
        """Read on until it is told to stop, or nothing new has come for `idle_s`."""
        loop = asyncio.get_running_loop()
        last_s = loop.time()
        while not stop():
            try:
                found = await self._read(self._positions, POLL_S)
                if found:
                    last_s = loop.time()
                elif idle_s is not None and loop.time() - last_s >= idle_s:
                    return
                if status.due:
                    # Where nothing was found there are at most marks of the broker's before the end.
                    behind = await self._behind() if found else 0
                    status.say(records=self.records, offsets_behind=behind)
            except Unreachable as error:
                status.say(records=self.records, waiting_for_kafka=str(error))
                await asyncio.sleep(TRY_AGAIN_S)

    async def end(self) -> None:
        """Read the journal to its end, and of the rest what belongs to it."""
        await asyncio.sleep(SEEN_AFTER_S)
        await self._read_to_end(list(self._journals))
        await asyncio.sleep(SEEN_AFTER_S)
        for journal in self._journals.values():
            journal.close()
        await self._read_to_end([at for at in self._positions if at not in self._journals])

    def write_positions(self, path: Path, bootstrap: str) -> None:
        """Say which offsets were recorded: from each first on, before each second."""
        offsets: dict[str, list[tuple[int, int]]] = {}
        for at, position in self._positions.items():
            offsets.setdefault(at[0], []).append((self._starts.get(at, 0), position))
        said = {"bootstrap": bootstrap, "prefix": self._prefix, "offsets": offsets}
        path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")

    async def _behind(self) -> int:
        ends = await self._log.ends(self._positions)
        return sum(ends.values()) - sum(self._positions.values())

    async def _read_to_end(self, partitions: Sequence[TopicPartition]) -> None:
        ends = await self._log.ends(partitions)
        while behind := {at: self._positions[at] for at in partitions if self._positions[at] < ends[at]}:
            if not await self._read(behind, POLL_S):
                return  # the ends may lie past the last records

    async def _read(self, positions: Mapping[TopicPartition, int], wait_s: float) -> bool:
        found = await self._log.read(positions, READ_AT_ONCE, wait_s)
        for at, records in found.items():
            self._positions[at] = records[-1].offset + 1
            if (journal := self._journals.get(at)) is not None:
                for record in records:
                    journal.take(record.value)
            elif at[0] in self._follows and (of_journal := self._journals.get(self._journal_of(at))) is not None:
                records = [record for record in records if of_journal.has(record)]
            self._write(records)
            self.records += len(records)
        return bool(found)

    def _journal_of(self, at: TopicPartition) -> TopicPartition:
        return self._prefix + Topic.JOURNAL.value, at[1]


_batch = msgspec.json.Decoder(Batch)


class Journalled:
    """Up to where the journal of a partition goes: of each venue the next seq, of each intake topic the next offset."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._latest: dict[str, bytes] = {}  # of each venue the last record that names it
        self._offsets: dict[str, int] = {}
        self._seq: dict[str, int] | None = None

    def take(self, value: bytes) -> None:
        """The next journal record."""
        try:
            batch = _batch.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # somebody else's: to be recorded, and to be found by whoever verifies
        self._latest |= dict.fromkeys(batch.seq, value)
        for run in batch.runs:
            self._offsets[run.topic] = run.offset + len(run.values)

    def close(self) -> None:
        """There comes no more: from now on it is asked what follows from it."""
        self._seq = {venue: self._next_seq(venue, _batch.decode(value)) for venue, value in self._latest.items()}

    def has(self, record: Record) -> bool:
        """Whether the event or dead letter follows from what the journal holds; before it is closed, it will."""
        if self._seq is None:
            return True
        origin = dict(record.headers)
        if "offset" in origin:
            lane = next((topic for topic in INTAKE if origin["topic"].decode().endswith(topic.value)), None)
            return lane is None or int(origin["offset"]) < self._offsets.get(lane.value, 0)
        event = identity(record.value)
        return event is None or event.seq < self._seq.get(event.venue, 0)

    def _next_seq(self, venue: str, batch: Batch) -> int:
        dead = {place for place, _ in batch.dead}
        taken = 0
        for place, (_, _, value) in enumerate(batch.entries()):
            if place in dead or isinstance(value, Oversize):
                continue
            try:
                received = decode_input(value)
            except NotAMessage:
                continue
            lives_here = not isinstance(received, MapVenue) or received.partition == self._partition
            taken += received.venue == venue and lives_here
        return batch.seq[venue] + taken
