"""Session: one run of a scenario in this process, and its directory.

The directory   <topic>.jsonl of every topic, scenario.json (as run), versions.json, summary.json, event_log.sha256
Embedded        scenario, overlays, settings and seed give the same topics, the same summary and the same hash, whatever
                the speed and the event loop; only versions.json says where it was run.
On Kafka        the same participants, and the engines, in real time on the topics of a prefix that hold no run yet. The
                journal differs from run to run; what follows from it does not.
Venues          the first one's summary is the headline; where there are several, `venues` has every one's.
Stopped         the first signal ends the run at the end of a tick, and what was recorded is summed up; the second ends
                it at once.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from consumers import summary as summaries
from consumers.board import Board
from consumers.prices import Outside
from consumers.recorder import Recorder, keep_hash
from consumers.runner import Reader
from producers.agent import Agent, profits_usdt
from producers.ground_truth import GroundTruth
from producers.labels import encode, in_order
from stream_engine import drive
from stream_engine import scenario as scenarios
from stream_engine.cli.connection import answered, waiting_for_kafka
from stream_engine.cli.errors import INTERRUPTED, UserError, not_a_scenario, why
from stream_engine.cli.stopping import Stop, interruption, loop_factory
from stream_engine.cli.version import keep_versions
from stream_engine.engine import Engine
from stream_engine.host import PartitionFailed
from stream_engine.layers import ScenarioError, overlay
from stream_engine.messages.codec import NotAMessage, decode_input
from stream_engine.messages.topics import Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.patient import PatientLog
from stream_engine.transport.protocol import Log, Outgoing, Record, headers

if TYPE_CHECKING:
    from stream_engine.transport.kafka import KafkaSettings

RUNS = Path("runs")
# At full speed so many records are written at once: whoever kills the run has nothing that it would not say again.
GATHERED = 4_096
# Scenarios whose names begin so are meant to be 10 October 2025: the summary sets them beside the public record.
THAT_DAY = "oct10"


class Show(Protocol):
    """What a person sees of a run while it goes."""

    def begin(self, board: Board, clock: drive.Clock, title: str, speed: float | None) -> None:
        """Before the first tick."""
        ...

    def tick(self, now_us: int) -> None:
        """After every tick."""
        ...

    def lag(self, lag: drive.Lag) -> None:
        """How far the slowest venue is behind the clock, again and again; only in real time."""
        ...

    def waits(self, text: str) -> None:
        """For whom the run waits, again and again; only on Kafka."""
        ...

    def end(self) -> None:
        """After the last tick, or when something failed."""
        ...


class Result(NamedTuple):
    """What a run came to. `status` is 0, or that of the signal that ended it."""

    directory: Path
    venues: list[summaries.Summary]
    summary_json: str
    event_log_sha256: str
    status: int

    @property
    def until(self) -> str:
        """The time of the last tick."""
        return self.venues[0].until_at


class Cast(NamedTuple):
    """A scenario, its seed, and the settings and overlays (by name) that changed it."""

    scenario: scenarios.Scenario
    seed: int
    settings: Sequence[str]
    overlays: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The scenario with its overlays: `oct10+stay`."""
        return "+".join([self.scenario.name, *self.overlays])

    @property
    def title(self) -> str:
        """For a person."""
        return " ".join([f"{self.name}, seed {self.seed}", *self.settings])


class Place(NamedTuple):
    """Where a run on Kafka happens."""

    settings: "KafkaSettings"
    prefix: str


def run(
    name: str,
    seed: int,
    settings: Sequence[str],
    out: Path | None,
    speed: float | None,
    loop: str | None,
    show: Show,
    place: Place | None = None,
    overlays: Sequence[str] = (),
) -> Result:
    """Run a scenario into its directory; UserError where it cannot be read, started or written."""
    cast = cast_of(name, seed, settings, overlays)
    factory = loop_factory(loop)
    if place is not None:
        with answered(embedded=True):
            ready(place, cast.scenario)
    directory = new_directory(out, f"{cast.name}-{seed}")
    try:
        with answered(embedded=True), asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_record(cast, directory, speed, show, place))
    except KeyboardInterrupt:
        raise UserError(f"stopped at once; what was recorded until then is in {directory}.", INTERRUPTED) from None
    except drive.SetupRefused as error:
        raise not_a_scenario(error) from error
    except PartitionFailed as error:
        raise UserError(f"{error} What was recorded until then is in {directory}.") from error
    except OSError as error:
        kept = "What was recorded so far is kept; make room, or name another place with --out."
        raise UserError(f"cannot write to {directory}: {why(error)}. {kept}") from error


def cast_of(name: str, seed: int, settings: Sequence[str], overlays: Sequence[str] = ()) -> Cast:
    """A scenario that can be run; UserError where it cannot."""
    try:
        scenario = scenarios.load(name, settings, overlays)
    except ScenarioError as error:
        raise not_a_scenario(error) from error
    check(scenario, seed)
    return Cast(scenario, seed, settings, [overlay(each).name for each in overlays])


def ready(place: Place, scenario: scenarios.Scenario) -> None:
    """UserError unless a run of the scenario can begin there."""
    from stream_engine.cli.topic_rules import free_topics

    asyncio.run(free_topics(place.settings, place.prefix, scenarios.partitions(scenario)))


def check(scenario: scenarios.Scenario, seed: int) -> None:
    """UserError unless an engine of its own takes all of a scenario's setup."""
    partitions = range(scenarios.partitions(scenario))
    log = MemoryLog(len(partitions))
    try:
        setup = scenarios.setup(scenario, seed)
        start_us = scenarios.clock(scenario).start_us
        no_time = drive.Clock(start_us, start_us - 1)
        engines = [Engine(log, partition) for partition in partitions]
        asyncio.run(drive.lockstep(log, engines, [], [], no_time, setup=setup, forget=log.forget))
    except (ScenarioError, drive.SetupRefused) as error:
        raise not_a_scenario(error) from error


async def _record(cast: Cast, directory: Path, speed: float | None, show: Show, place: Place | None) -> Result:
    scenario = cast.scenario
    (directory / "scenario.json").write_bytes(msgspec.json.format(msgspec.json.encode(scenario), indent=2) + b"\n")
    keep_versions(directory)
    boards = [Board(venue) for venue in scenarios.venues(scenario)]
    outside = Outside(scenario.outside.source)
    with interruption() as stop:
        stage = _Stage(cast, boards, outside, directory, speed, stop, show)
        try:
            outcome, sha256 = await (stage.play() if place is None else stage.play_on_kafka(place))
        finally:
            show.end()
    is_that_day = scenario.name.startswith(THAT_DAY)
    told = [
        summaries.summarize(
            board,
            title=cast.title if len(boards) == 1 else f"{cast.title}, venue {board.venue}",
            outside=outside.paths,
            beside_record=is_that_day,
        )
        for board in boards
    ]
    ran = {
        "scenario": scenario.name,
        "seed": cast.seed,
        "with": list(cast.overlays),
        "set": list(cast.settings),
        "complete": not outcome.stopped,
        "ticks": outcome.ticks,
        "inputs": outcome.inputs,
        "events": outcome.events,
        "event_log_sha256": sha256,
        "profits_usdt": {name: round(usdt, 2) for name, usdt in stage.profits_usdt.items()},
    }
    said = {"run": ran} | msgspec.to_builtins(told[0])
    if len(told) > 1:
        said["venues"] = {each.venue: msgspec.to_builtins(each) for each in told}
    text = json.dumps(said, indent=2) + "\n"
    keep_hash(directory, sha256)
    (directory / "summary.json").write_text(text, encoding="utf-8")
    return Result(directory, told, text, sha256, stop.status if outcome.stopped else 0)


class _Stage:
    """A run with its participants, who are the same on either log."""

    def __init__(
        self,
        cast: Cast,
        boards: Sequence[Board],
        outside: Outside,
        directory: Path,
        speed: float | None,
        stop: Stop,
        show: Show,
    ) -> None:
        self._scenario = cast.scenario
        self._boards = boards
        self._outside = outside
        self._directory = directory
        self._run_id = directory.name
        self._speed = speed
        self._stop = stop
        self._show = show
        self._clock = scenarios.clock(cast.scenario)
        self._homes = scenarios.venues(cast.scenario)
        self._agents = scenarios.agents(cast.scenario, cast.seed)
        self._truths = [GroundTruth(venue) for venue in self._homes]
        self._setup = scenarios.setup(cast.scenario, cast.seed)
        show.begin(boards[0], self._clock, f"{cast.name}  seed {cast.seed}", speed)

    @property
    def profits_usdt(self) -> dict[str, float]:
        """What the participants say that they earned, of those that keep an account."""
        return profits_usdt(self._agents)

    async def play(self) -> tuple[drive.Outcome, str]:
        """In lockstep on an embedded log."""
        partitions = range(scenarios.partitions(self._scenario))
        log = MemoryLog(len(partitions))
        with Recorder(self._directory, len(partitions), gathers=0 if self._speed else GATHERED) as recorder:
            outcome = await drive.lockstep(
                log,
                [Engine(log, partition, run_id=self._run_id) for partition in partitions],
                self._agents,
                [*self._boards, *self._truths],
                self._clock,
                setup=self._setup,
                run_id=self._run_id,
                speed=self._speed,
                stop=self._stop,
                on_tick=self._show.tick,
                record=lambda records: self._record(recorder, records),
                forget=log.forget,
            )
            await self._tell(log, recorder, partitions, "")
            return outcome, recorder.event_log_sha256()

    async def play_on_kafka(self, place: Place) -> tuple[drive.Outcome, str]:
        """In real time on the topics of a prefix, with the engines in this process too."""
        from stream_engine.cli.engine import host_of
        from stream_engine.cli.topic_rules import partitions_there
        from stream_engine.transport.kafka import KafkaLog

        partitions = range(await partitions_there(place.settings, place.prefix))
        log = PatientLog(
            KafkaLog(place.settings), self._stop, lambda s, why: self._show.waits(waiting_for_kafka(s, why))
        )
        with Recorder(self._directory, len(partitions), place.prefix) as recorder:
            host = host_of(place.settings, place.prefix, self._run_id)
            engines = asyncio.ensure_future(host.run())
            driving = asyncio.ensure_future(
                drive.realtime(
                    log,
                    self._agents,
                    [*self._boards, *self._truths],
                    self._clock,
                    setup=self._setup,
                    partitions=len(partitions),
                    prefix=place.prefix,
                    run_id=self._run_id,
                    speed=self._speed,
                    stop=self._stop,
                    on_tick=self._show.tick,
                    on_lag=self._show.lag,
                    record=lambda records: self._record(recorder, records),
                )
            )
            try:
                await asyncio.wait({engines, driving}, return_when=asyncio.FIRST_COMPLETED)
                if engines.done():
                    engines.result()
                outcome = await driving
                await self._tell(log, recorder, partitions, place.prefix)
            finally:
                driving.cancel()
                host.stop()
                await asyncio.gather(driving, engines, return_exceptions=True)
                await log.close()
            return outcome, recorder.event_log_sha256()

    def _record(self, recorder: Recorder, records: Sequence[Record]) -> None:
        recorder.write(records)
        first, shocks = self._boards[0].venue.encode(), Topic.SHOCKS.value
        for each in records:
            # The outside market is one; every venue is told of it.
            if each.key == first and each.topic.endswith(shocks):
                with suppress(NotAMessage):  # on Kafka anybody may write there
                    self._outside.take(decode_input(each.value))

    async def _tell(self, log: Log, recorder: Recorder, partitions: Sequence[int], prefix: str) -> None:
        # Told when all is over: whoever is to find out by watching must not be able to read it.
        await log.append(labels(self._agents, self._truths, self._homes, prefix, self._run_id))
        recorder.write(await Reader(log, [Topic.LABELS], partitions, prefix).poll())


def labels(
    agents: Sequence[Agent], truths: Sequence[GroundTruth], homes: Mapping[str, int], prefix: str, run_id: str
) -> list[Outgoing]:
    """What really happened, in the order of time: as the participants tell it, and as the whole shows it."""
    told = [label for agent in agents for label in agent.labels]
    told += [label for truth in truths for label in truth.labels(told)]
    topic, head = prefix + Topic.LABELS.value, headers(Topic.LABELS, run_id)
    return [
        Outgoing(topic, homes[label.venue], label.venue.encode(), encode(label), label.ts_us, head)
        for label in in_order(told)
    ]


def new_directory(out: Path | None, name: str) -> Path:
    """An empty directory to record in: the one asked for, or a new one in `runs`."""
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()):
                raise UserError(f"{out} is not empty, and nothing is written over. Name another directory with --out.")
        except OSError as error:
            raise UserError(f"cannot make {out}: {why(error)}. Name another directory with --out.") from error
        return out
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for again in ("", *(f"-{number}" for number in range(2, 100))):
        directory = RUNS / f"{name}-{stamp}{again}"
        try:
            directory.mkdir(parents=True)
            return directory
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"cannot make {directory}: {why(error)}. Name a directory with --out.") from error
    raise UserError(f"there are too many runs named {name}-{stamp}. Name a directory with --out.")
