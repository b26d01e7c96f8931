"""Replaying: a recording's inputs into an engine of this process, or into Kafka.

Same bytes    embedded, with no time and no name changed, the event log of the replay is that of the recording.
Into Kafka    the topics must hold no run yet; the engines that take it run elsewhere, and are waited for.
Rounds        each round of a loop is new venues on the same topics; rebased, each begins at its own moment.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from consumers.figures import clock
from consumers.recorder import KEPT_HASH, Recorder, keep_hash
from consumers.runner import Reader
from producers.replay import AS_IT_WAS, Backlog, Cue, Pace, Recast, Score, play
from stream_engine.cli.connection import answered, connect
from stream_engine.cli.errors import UserError, why
from stream_engine.cli.recording import Recording
from stream_engine.cli.session import new_directory
from stream_engine.cli.status_line import StatusLine
from stream_engine.cli.stopping import interruption, loop_factory
from stream_engine.cli.version import keep_versions
from stream_engine.engine import Engine
from stream_engine.messages.codec import NotAMessage, decode_input
from stream_engine.messages.topics import Topic
from stream_engine.messages.units import MILLION
from stream_engine.transport.memory import MemoryLog

HALF_A_DAY = timedelta(hours=12)


class Plan(NamedTuple):
    """What was asked for."""

    directory: Path
    speed: float | None
    start: str | None
    end: str | None
    rebase: bool
    loop: bool


class Replayed(NamedTuple):
    """What became of it, in lines, and the exit status: 0 unless a signal ended it."""

    said: list[str]
    status: int


def moment_us(text: str, first_us: int) -> int:
    """A moment of a recording that begins at `first_us`, to which a time of day lies as near as can be; ValueError."""
    first = datetime.fromtimestamp(first_us / MILLION, UTC)
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            time_of_day = datetime.strptime(text, form)
        except ValueError:
            continue
        moment = first.replace(
            hour=time_of_day.hour, minute=time_of_day.minute, second=time_of_day.second, microsecond=0
        )
        if moment < first - HALF_A_DAY:
            moment += timedelta(days=1)
        elif moment >= first + HALF_A_DAY:
            moment -= timedelta(days=1)
        break
    else:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * MILLION)


def embedded(plan: Plan, out: Path | None) -> Replayed:
    """Replay into an engine of this process; what it says is recorded."""
    recording = Recording(plan.directory)
    tape = _Tape(recording, plan)
    directory = new_directory(out, f"{plan.directory.resolve().name}-replay")
    try:
        with asyncio.Runner(loop_factory=loop_factory(None)) as runner:
            return runner.run(_embedded(recording, tape, directory))
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {why(error)}. Make room, or name another --out.") from error


def into_kafka(plan: Plan, bootstrap: str, prefix: str, kafka: Sequence[str]) -> Replayed:
    """Replay into the topics with the prefix."""
    recording = Recording(plan.directory)
    tape = _Tape(recording, plan)
    with answered(embedded=True), asyncio.Runner(loop_factory=loop_factory(None)) as runner:
        return runner.run(_into_kafka(recording, tape, bootstrap, prefix, kafka))


class _Tape:
    """The rounds of a replay."""

    def __init__(self, recording: Recording, plan: Plan) -> None:
        self._recording = recording
        self._plan = plan
        self._first_us = _first_us(recording)
        self.is_as_it_was = not plan.rebase and not plan.loop and plan.end is None
        start = None if plan.start is None else moment_us(plan.start, self._first_us)
        end = None if plan.end is None else moment_us(plan.end, self._first_us)
        if end is not None and end < max(start or 0, self._first_us):
            raise UserError(
                f"--to {plan.end} lies before the beginning; the recording starts at {clock(self._first_us)}."
            )
        self.pace = Pace(plan.speed, start or 0, end)

    def rounds(self, prefix: str, run_id: str, partitions: int) -> Iterator[Iterator[Cue]]:
        """The cues of each round; its first paced one is of this moment if that was asked for."""
        for number in itertools.count(1) if self._plan.loop else [1]:
            begin_us = self.pace.from_us or self._first_us
            shift_us = time.time_ns() // 1_000 - begin_us if self._plan.rebase else 0
            suffix = f"-{number}" if number > 1 else ""
            recast = Recast(shift_us, suffix) if shift_us or suffix else AS_IT_WAS
            recorded = range(self._recording.partitions)
            more = range(len(recorded), partitions)
            # Each was told of every venue: one of them tells the others.
            scores = [Score(each, self.pace, recast, prefix, run_id, () if each else more) for each in recorded]
            yield heapq.merge(
                *(score.cues(self._recording.batches(number)) for number, score in enumerate(scores)),
                key=lambda cue: (cue.due_us, cue.partition),
            )


def _first_us(recording: Recording) -> int:
    times = []
    for partition in range(recording.partitions):
        for _, value in itertools.chain.from_iterable(recording.batches(partition)):
            try:
                times.append(decode_input(value).ts_us)
                break
            except NotAMessage:
                continue
    if not times:
        raise UserError(f"{recording.directory} holds no inputs: neither a journal nor an intake topic has any.")
    recording.oversize = 0
    return min(times)


async def _embedded(recording: Recording, tape: _Tape, directory: Path) -> Replayed:
    partitions = range(recording.partitions)
    log = MemoryLog(len(partitions))
    engines = [Engine(log, partition, run_id=directory.name) for partition in partitions]
    reader = Reader(log, list(Topic), partitions)
    inputs = 0
    status = StatusLine()
    with interruption() as stop, Recorder(directory, len(partitions)) as recorder:

        async def send(cue: Cue) -> None:
            nonlocal inputs
            await log.append(cue.records)
            while await engines[cue.partition].behind():
                inputs += await engines[cue.partition].cycle()
            recorder.write(await reader.poll())
            log.forget(reader.positions)
            status.say(at=clock(cue.due_us), inputs=inputs)

        for cues in tape.rounds("", directory.name, len(partitions)):
            await play(cues, tape.pace, send, stop)
            if stop():
                break
        status.end()
        sha256 = recorder.event_log_sha256()
    keep_hash(directory, sha256)
    keep_versions(directory)
    said = [
        f"{inputs:,} inputs were replayed{_unsent(recording)}.",
        f"Everything is in {directory}; the sha256 of its event log:",
    ]
    kept = recording.directory / KEPT_HASH
    if tape.is_as_it_was and not stop() and kept.exists():
        same = kept.read_text(encoding="utf-8").strip() == sha256
        verdict = "as in the recording" if same else "otherwise than in the recording (--verify says where)"
        return Replayed([*said, f"{sha256}, {verdict}"], stop.status)
    return Replayed([*said, sha256], stop.status)


async def _into_kafka(recording: Recording, tape: _Tape, bootstrap: str, prefix: str, kafka: Sequence[str]) -> Replayed:
    from stream_engine.cli.topic_rules import free_topics
    from stream_engine.transport.kafka import KafkaLog

    settings = connect(bootstrap, kafka)
    partitions = await free_topics(settings, prefix, recording.partitions)
    log = KafkaLog(settings)
    backlog = Backlog(log, range(partitions), prefix, prefix + "engine")
    inputs = 0
    status = StatusLine()
    waiting = _Waiting(status)
    run_id = f"replay of {recording.directory.resolve().name}"
    try:
        with interruption() as stop:

            async def send(cue: Cue) -> None:
                nonlocal inputs
                await backlog.room(cue, stop, waiting.on)
                if stop():
                    return
                await log.append(cue.records)
                backlog.sent(cue)
                inputs += len(cue.records)
                waiting.over()
                status.say(at=clock(cue.due_us), inputs=inputs)

            for cues in tape.rounds(prefix, run_id, partitions):
                await play(cues, tape.pace, send, stop)
                if stop():
                    break
            await backlog.drained(stop, waiting.on)
    finally:
        status.end()
        await log.close()
    return Replayed([f"{inputs:,} inputs were sent{_unsent(recording)}."], stop.status)


class _Waiting:
    """Says on whom the replay waits, and how long already."""

    def __init__(self, status: StatusLine) -> None:
        self._status = status
        self._since_s: float | None = None

    def on(self, partition: int, ticks: int, inputs: int) -> None:
        """The engine of the partition has so much yet to take."""
        self._since_s = self._since_s or time.monotonic()
        if for_s := int(time.monotonic() - self._since_s):
            self._status.say(waiting_for_the_engine_of_partition=partition, ticks=ticks, inputs=inputs, for_s=for_s)

    def over(self) -> None:
        """It has taken enough."""
        self._since_s = None


def _unsent(recording: Recording) -> str:
    if not recording.oversize:
        return ""
    return f" ({recording.oversize:,} oversize dead letters were not: only their heads are in the journal)"
