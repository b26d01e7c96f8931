"""Play: one run of a scenario in memory, and many over processes; what is kept is what is compared.

Kept      the summary of every venue, the outcomes, and the labels. Nothing is written anywhere.
Holds     scenario and seed give the same `RunOutcome` whatever the number of processes and the order in which they end:
          a base and a variant of one seed differ by the variant alone.
Scripts   `play` starts processes that import the script anew: call it under `if __name__ == "__main__":`.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from msgspec import Struct

from consumers import summary as summaries
from consumers.board import Board
from consumers.monitor import Monitor
from consumers.paths import Path
from consumers.prices import Outside
from producers.agent import profits_usdt
from producers.ground_truth import GroundTruth
from producers.labels import AnyLabel, in_order
from stream_engine import drive
from stream_engine import scenario as scenarios
from stream_engine.engine import Engine
from stream_engine.messages.codec import NotAMessage, decode_input
from stream_engine.messages.topics import Topic
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Record
from stream_engine.whatif.outcomes import outcomes
from stream_engine.whatif.processes import Failed, cores, over_processes


class RunOutcome(Struct, frozen=True):
    """What a run came to: a summary for each venue, in the order of the scenario; every outcome by name; what the
    participants say that they did, in the order of time."""

    seed: int
    summaries: list[summaries.Summary]
    outcomes: dict[str, float | None]
    profits_usdt: dict[str, float]
    labels: list[AnyLabel]


class Watched(Struct, frozen=True):
    """A run and what it was seen by: the monitors of every venue, the paths of the outside source."""

    outcome: RunOutcome
    boards: list[Board]
    outside: dict[str, Path]


class Task(Struct, frozen=True):
    """A run to be played."""

    scenario: scenarios.Scenario
    seed: int


def play(
    name: str,
    settings: Sequence[str] = (),
    overlays: Sequence[str] = (),
    seeds: Iterable[int] = range(1, 11),
    jobs: int | None = None,
) -> list[RunOutcome]:
    """Runs of a scenario with its overlays and settings, by seed, `jobs` at a time (None: as many as there are cores).

    Raises ScenarioError before anything runs, and `Failed` once all others are done where a run fails.
    """
    scenario = scenarios.load(name, settings, overlays)
    tasks = [Task(scenario, seed) for seed in sorted(set(seeds))]
    played = over_processes(play_one, tasks, jobs or cores())
    failed = [f"seed {task.seed}: {each.why}" for task, each in zip(tasks, played, strict=True) if each.why]
    if failed:
        raise Failed("; ".join(failed))
    return [each.result for each in played if each.result is not None]


def play_one(task: Task, done: Callable[[float], None]) -> RunOutcome:
    """The run of a scenario and a seed, in this process; `done` is told the part of it that is over."""
    return play_watched(task, done).outcome


def play_watched(
    task: Task,
    done: Callable[[float], None],
    beside: Callable[[Board], Monitor] | None = None,
) -> Watched:
    """The same, with what it was seen by. `beside` makes one more monitor for each venue, given the venue's board; one
    whose name comes after the board's is asked after it."""
    scenario = task.scenario
    clock = scenarios.clock(scenario)
    boards = [Board(venue) for venue in scenarios.venues(scenario)]
    truths = [GroundTruth(board.venue) for board in boards]
    others = [beside(board) for board in boards] if beside is not None else []
    outside = Outside(scenario.outside.source)
    agents = scenarios.agents(scenario, task.seed)
    log = MemoryLog(scenarios.partitions(scenario))
    first = boards[0].venue.encode()

    def record(records: Sequence[Record]) -> None:
        for each in records:
            # The outside market is one; every venue is told of it.
            if each.topic == Topic.SHOCKS.value and each.key == first:
                with suppress(NotAMessage):
                    outside.take(decode_input(each.value))

    asyncio.run(
        drive.lockstep(
            log,
            [Engine(log, partition) for partition in range(scenarios.partitions(scenario))],
            agents,
            [*boards, *truths, *others],
            clock,
            setup=scenarios.setup(scenario, task.seed),
            on_tick=lambda now_us: done((now_us - clock.start_us) / (clock.end_us - clock.start_us)),
            record=record,
            forget=log.forget,
        )
    )
    told = [
        summaries.summarize(
            board,
            title=f"{scenario.name}, seed {task.seed}" + (f", venue {board.venue}" if len(boards) > 1 else ""),
            outside=outside.paths,
            beside_record=False,
        )
        for board in boards
    ]
    earned = profits_usdt(agents)
    labels = [label for agent in agents for label in agent.labels]
    labels += [label for truth in truths for label in truth.labels(labels)]
    outcome = RunOutcome(task.seed, told, outcomes(told, earned), earned, in_order(labels))
    return Watched(outcome, boards, outside.paths)
