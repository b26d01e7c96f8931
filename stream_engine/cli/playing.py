"""Playing: many runs over processes from the command line, with progress, and what becomes of Ctrl-C.

Progress   on a terminal a bar with the time left; else a line of JSON every five seconds.
Stopped    the first signal ends the runs that go; those that are over are kept, and told as a part of what was asked.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

import click
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stream_engine.cli.errors import UserError
from stream_engine.cli.show import LINE_EVERY_S, can_draw
from stream_engine.cli.stopping import interruption
from stream_engine.scenario import Scenario
from stream_engine.whatif import processes
from stream_engine.whatif.play import RunOutcome, Task, play_one

A_MINUTE = timedelta(minutes=1)

Done = processes.Done[RunOutcome]


def results(done: Iterable[Done]) -> list[RunOutcome]:
    """Those that there are."""
    return [each.result for each in done if each.result is not None]


class Played(NamedTuple):
    """What became of every run, in the order of the tasks; `status` is 0, or that of the signal that ended it."""

    runs: list[Done]
    status: int


def played(tasks: Sequence[Task], jobs: int | None, quiet: bool) -> Played:
    """Play every run, `jobs` at a time (None: as many as there are cores)."""
    watcher = _Quiet() if quiet else _Bar() if can_draw(sys.stderr) else _Lines()
    with interruption() as stop:
        try:
            runs = processes.over_processes(play_one, tasks, jobs or processes.cores(), watcher.show, stop)
        finally:
            watcher.end()
    return Played(runs, stop.status)


def check_number(scenario: Scenario, sides: int, runs: int, jobs: int | None, most: int) -> None:
    """UserError where it would be more runs than `most`, with how long that would be: from the first minute of one."""
    whole = sides * runs
    if whole <= most:
        return
    start, end = scenario.run.start, scenario.run.end
    began_s = time.monotonic()
    play_one(Task(replace(scenario, run=replace(scenario.run, end=min(start + A_MINUTE, end))), 1), lambda part: None)
    took_s = (time.monotonic() - began_s) * max((end - start) / A_MINUTE, 1.0)
    at_once = jobs or processes.cores()
    hours = took_s * whole / at_once / 3_600
    raise UserError(
        f"{sides} x {runs:,} are {whole:,} runs, and {most:,} is the most. One takes about {took_s:.0f} s here, and"
        f" all, {at_once} at a time, {hours:.0f} h. Ask for fewer values, or fewer --runs."
    )


class _Quiet:
    def show(self, progress: processes.Progress) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing to put away."""


class _Bar:
    """On a terminal."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(), TextColumn("left"), console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("starting", total=1.0)
        self._bar.start()

    def show(self, progress: processes.Progress) -> None:
        """How many runs are over."""
        failed = f", {progress.failed} failed" if progress.failed else ""
        text = f"{progress.over} of {progress.tasks} runs{failed}"
        self._bar.update(self._task, description=text, total=float(progress.tasks), completed=progress.whole)

    def end(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class _Lines:
    """In a log file."""

    def __init__(self) -> None:
        self._began_s = self._said_s = time.monotonic()

    def show(self, progress: processes.Progress) -> None:
        """A line, if one is due."""
        now_s = time.monotonic()
        if now_s - self._said_s < LINE_EVERY_S:
            return
        self._said_s = now_s
        said = {"runs": progress.over, "of": progress.tasks, "failed": progress.failed}
        if progress.whole > 0:
            said["eta_s"] = round((now_s - self._began_s) * (progress.tasks - progress.whole) / progress.whole)
        click.echo(json.dumps(said), err=True)

    def end(self) -> None:
        """Nothing to put away."""
