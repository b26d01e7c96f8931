"""Session: one run of a scenario in this process, and its directory.

The directory   <topic>.jsonl of every topic, scenario.json (as run), versions.json, summary.json, event_log.sha256
Same bytes      scenario, settings and seed give the same topics, the same summary and the same hash, whatever the
                speed and the event loop; only versions.json says where it was run.
Stopped         the first Ctrl-C ends the run at the end of a tick, and what was recorded is summed up; the second
                ends it at once.
"""

import asyncio
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NamedTuple, Protocol

import msgspec

from consumers import summary as summaries
from consumers.board import Board
from consumers.prices import Outside
from consumers.recorder import Recorder
from consumers.runner import Reader
from producers.agent import Agent
from stream_engine import drive
from stream_engine import scenario as scenarios
from stream_engine.cli.errors import UserError, not_a_scenario, why
from stream_engine.cli.version import versions
from stream_engine.engine import Engine
from stream_engine.messages.codec import decode_input
from stream_engine.messages.inputs import Input
from stream_engine.messages.topics import Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing, Record, headers

RUNS = Path("runs")
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

    def end(self) -> None:
        """After the last tick, or when something failed."""
        ...


class Result(NamedTuple):
    """What a run came to."""

    directory: Path
    summary: summaries.Summary
    summary_json: str
    event_log_sha256: str
    until: str
    stopped: bool


def run(
    name: str, seed: int, settings: Sequence[str], out: Path | None, speed: float | None, loop: str | None, show: Show
) -> Result:
    """Run a scenario into its directory; UserError where it cannot be read, started or written."""
    try:
        scenario = scenarios.load(name, list(settings))
    except scenarios.ScenarioError as error:
        raise not_a_scenario(error) from error
    check(scenario, seed)
    factory = loop_factory(loop)
    directory = new_directory(out, f"{scenario.name}-{seed}")
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(_record(scenario, seed, settings, directory, speed, show))
    except OSError as error:
        kept = "What was recorded so far is kept; make room, or name another place with --out."
        raise UserError(f"cannot write to {directory}: {why(error)}. {kept}") from error


def check(scenario: scenarios.Scenario, seed: int) -> list[Input]:
    """The setup of a scenario, once an engine of its own has taken all of it; UserError where it does not."""
    partitions = range(scenario.venue.partition + 1)
    log = MemoryLog(len(partitions))
    try:
        setup = scenarios.setup(scenario, seed)
        start_us = scenarios.clock(scenario).start_us
        no_time = drive.Clock(start_us, start_us - 1)
        asyncio.run(
            drive.lockstep(log, [Engine(log, partition) for partition in partitions], [], [], no_time, setup=setup)
        )
    except (scenarios.ScenarioError, drive.SetupRefused) as error:
        raise not_a_scenario(error) from error
    return setup


async def _record(
    scenario: scenarios.Scenario, seed: int, settings: Sequence[str], directory: Path, speed: float | None, show: Show
) -> Result:
    (directory / "scenario.json").write_bytes(msgspec.json.format(msgspec.json.encode(scenario), indent=2) + b"\n")
    (directory / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n", encoding="utf-8")
    board, outside = Board(scenario.venue.name), Outside(scenario.outside.source)
    with interruption() as interrupted, Recorder(directory, scenario.venue.partition + 1) as recorder:
        try:
            outcome = await play(scenario, seed, board, outside, recorder, speed, interrupted, show, directory.name)
        finally:
            show.end()
        sha256 = recorder.event_log_sha256()
    title = " ".join([f"{scenario.name}, seed {seed}", *settings])
    is_that_day = scenario.name.startswith(THAT_DAY)
    summary = summaries.summarize(board, title=title, outside=outside.paths, beside_record=is_that_day)
    ran = {
        "scenario": scenario.name,
        "seed": seed,
        "set": list(settings),
        "complete": not outcome.stopped,
        "ticks": outcome.ticks,
        "inputs": outcome.inputs,
        "events": outcome.events,
        "event_log_sha256": sha256,
    }
    text = json.dumps({"run": ran} | msgspec.to_builtins(summary), indent=2) + "\n"
    (directory / "event_log.sha256").write_text(sha256 + "\n", encoding="utf-8")
    (directory / "summary.json").write_text(text, encoding="utf-8")
    return Result(directory, summary, text, sha256, summary.until_at, outcome.stopped)


async def play(
    scenario: scenarios.Scenario,
    seed: int,
    board: Board,
    outside: Outside,
    recorder: Recorder,
    speed: float | None,
    stop: Callable[[], bool],
    show: Show,
    run_id: str,
) -> drive.Outcome:
    """Builds log, engine and participants, and drives them through the scenario."""
    partitions = range(scenario.venue.partition + 1)
    log = MemoryLog(len(partitions))
    clock = scenarios.clock(scenario)
    agents = scenarios.agents(scenario, seed)

    def record(records: Sequence[Record]) -> None:
        recorder.write(records)
        for each in records:
            if each.topic == Topic.SHOCKS.value:
                outside.take(decode_input(each.value))

    show.begin(board, clock, f"{scenario.name}  seed {seed}", speed)
    outcome = await drive.lockstep(
        log,
        [Engine(log, partition, run_id=run_id) for partition in partitions],
        agents,
        [board],
        clock,
        setup=scenarios.setup(scenario, seed),
        run_id=run_id,
        speed=speed,
        stop=stop,
        on_tick=show.tick,
        record=record,
        forget=log.forget,
    )
    # Told when all is over: whoever is to find out by watching must not be able to read it.
    await log.append(_labels(agents, scenario.venue, run_id))
    recorder.write(await Reader(log, [Topic.LABELS], partitions).poll())
    return outcome


def _labels(agents: Sequence[Agent], venue: scenarios.VenueSetting, run_id: str) -> list[Outgoing]:
    """What the participants say that they did, in the order of time."""
    told = [label for agent in agents for label in agent.labels]
    told.sort(key=lambda label: (label.ts_us, label.participant))
    head = headers(Topic.LABELS, run_id)
    return [
        Outgoing(
            Topic.LABELS.value, venue.partition, venue.name.encode(), msgspec.json.encode(label), label.ts_us, head
        )
        for label in told
    ]


@contextmanager
def interruption() -> Iterator[Callable[[], bool]]:
    """Says whether Ctrl-C was pressed; pressed again, it interrupts at once."""
    pressed = []

    def press(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def loop_factory(name: str | None) -> Callable[[], asyncio.AbstractEventLoop]:
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        if name is None:
            return asyncio.new_event_loop
        raise UserError("uvloop is not installed, as on Windows; use --loop asyncio.") from None
    return uvloop.new_event_loop


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
