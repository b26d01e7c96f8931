"""Kept: runs that were played and measured, one small file each, so that a table of many can be made in several goes.

Stamp      of a run: what the scenario comes to; and the code that plays and measures it, without its comments and
           docstrings. What bears another one is played anew; runs of different code are never told beside each other.
Written    by the process that played the run, as soon as it is over, under its seed.
"""

import ast
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from consumers.board import Board
from producers.labels import ReEntry, Withdrawal
from stream_engine.scenario import MAKERS_FROM, Scenario
from stream_engine.whatif.play import Task, play_watched
from stream_engine.whatif.processes import Failed, over_processes
from tests.results import ROOT
from tests.results.measured import figures, outside_closes
from tests.results.trace import Trace

# What decides how a run goes and how it is measured; how it is printed, recorded or carried does not.
CODE = ("stream_engine/core", "stream_engine/messages", "producers", "consumers")
CODE_FILES = (
    "stream_engine/drive",
    "stream_engine/engine",
    "stream_engine/scenario",
    "stream_engine/own_positions",
    "stream_engine/whatif/play",
    "stream_engine/whatif/outcomes",
    "tests/results/measured",
    "tests/results/trace",
)


class Kept(Struct, frozen=True):
    """A run: its figures (see measured), its outcomes (see whatif), the outside closes by symbol and minute of the day,
    and how often makers withdrew and came back for which reason."""

    stamp: str
    code: str
    scenario: str
    seed: int
    figures: dict[str, float | None]
    outcomes: dict[str, float | None]
    outside: dict[str, dict[int, float]]
    withdrew: dict[str, int]
    returned: dict[str, int]

    def figure(self, name: str) -> float | None:
        """An outcome, or a figure; None: it never came to that."""
        return self.outcomes[name] if name in self.outcomes else self.figures.get(name)


class ToKeep(Struct, frozen=True):
    """A run to be played, and where it is kept."""

    task: Task
    stamp: str
    code: str
    path: Path


def played(scenario: Scenario, folder: Path, seeds: Sequence[int], jobs: int) -> list[Kept]:
    """The runs of these seeds: those that are kept as they are, all others played; Failed where one does not end."""
    stamp, code = stamp_of(scenario), code_stamp()
    there = {run.seed: run for run in kept(folder) if (run.stamp, run.code) == (stamp, code)}
    missing = [seed for seed in sorted(set(seeds)) if seed not in there]
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [ToKeep(Task(scenario, seed), stamp, code, folder / f"{seed}.json") for seed in missing]
    done = over_processes(keep, tasks, jobs)
    failed = [f"seed {each.task.seed}: {run.why}" for each, run in zip(tasks, done, strict=True) if run.why]
    if failed:
        raise Failed("; ".join(failed))
    there |= {run.result.seed: run.result for run in done if run.result is not None}
    return [there[seed] for seed in sorted(set(seeds))]


def kept(folder: Path) -> list[Kept]:
    """What is kept in a folder, by seed."""
    runs = (msgspec.json.decode(path.read_bytes(), type=Kept) for path in folder.glob("*.json"))
    return sorted(runs, key=lambda run: run.seed)


def alike(runs: Iterable[Kept], scenarios: int = 1) -> list[Kept]:
    """The runs, of which all must be of the same code, and of so many scenarios."""
    of_one = list(runs)
    assert len({run.code for run in of_one}) == 1, "runs of different code"
    assert len({run.stamp for run in of_one}) == scenarios, "runs of different scenarios"
    return of_one


def keep(to_keep: ToKeep, done: Callable[[float], None]) -> Kept:
    """Play a run, measure it, and keep it."""
    scenario = to_keep.task.scenario
    vaults = {venue.name: frozenset(venue.backstop.vaults) for venue in scenario.venues}
    makers = frozenset(range(MAKERS_FROM, MAKERS_FROM + len(scenario.makers.desks)))
    traces: list[Trace] = []
    run = play_watched(to_keep.task, done, partial(_trace, traces, vaults, makers))
    labels = run.outcome.labels
    measured = Kept(
        to_keep.stamp,
        to_keep.code,
        scenario.name,
        to_keep.task.seed,
        _rounded(figures(run, traces, {venue.name: venue.preset for venue in scenario.venues})),
        _rounded(run.outcome.outcomes),
        outside_closes(run.outside, run.boards[0].prices.instruments),
        _counted(label.reason for label in labels if isinstance(label, Withdrawal)),
        _counted(label.reason for label in labels if isinstance(label, ReEntry)),
    )
    assert not measured.figures.keys() & measured.outcomes.keys(), "two figures of one name"
    unfinished = to_keep.path.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n")
    unfinished.replace(to_keep.path)
    return measured


def stamp_of(scenario: Scenario) -> str:
    """The stamp of what a scenario comes to."""
    return _hash(msgspec.json.encode(scenario, order="sorted"))


@cache
def code_stamp() -> str:
    """The stamp of the code as it is now."""
    files = [file for folder in CODE for file in (ROOT / folder).rglob("*.py")]
    files += [ROOT / f"{name}.py" for name in CODE_FILES]
    return _hash("\n".join(meaning(file.read_text(encoding="utf-8")) for file in sorted(files)).encode())


def meaning(source: str) -> str:
    """A source text without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]


def _trace(traces: list[Trace], vaults: dict[str, frozenset[str]], makers: frozenset[int], board: Board) -> Trace:
    traces.append(Trace(board, vaults[board.venue], makers))
    return traces[-1]


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items()))


def _rounded(values: dict[str, float | None]) -> dict[str, float | None]:
    """To six decimals: a file that people may read, and no last digit that another machine might see otherwise."""
    return {name: None if value is None else round(value, 6) for name, value in values.items()}
