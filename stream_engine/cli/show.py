"""What a person sees: progress on stderr while a run goes, the live view of the demo, and the summary after it.

Terminal    a bar and the markers of the run.      No terminal   a line of JSON every five seconds, and at each marker.
Waiting     a run that waits for an engine says so once nothing has come of it for three seconds.
Venues      what moves shows the first; the summary has a line of each further one.
"""

import errno
import json
import os
import sys
import time
from typing import TextIO

import click
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from consumers.board import Board
from consumers.figures import clock as utc
from consumers.markers import Marker, Markers
from consumers.summary_table import table, venues_table
from consumers.terminal import SEVERITY_STYLE, TerminalView
from stream_engine import drive
from stream_engine.cli.session import Result, Show

PIPE_WIDTH = 120
FRAMES_PER_SECOND = 10
LINE_EVERY_S = 5
WAITS_AFTER_S = 3.0


class Nothing:
    """Shows nothing."""

    def begin(self, board: Board, clock: drive.Clock, title: str, speed: float | None) -> None:
        """Nothing to prepare."""

    def tick(self, now_us: int) -> None:
        """Nothing to show."""

    def lag(self, lag: drive.Lag) -> None:
        """Nothing to show."""

    def waits(self, text: str) -> None:
        """Nothing to show."""

    def end(self) -> None:
        """Nothing to put away."""


class Lines:
    """Progress for a log file."""

    def begin(self, board: Board, clock: drive.Clock, title: str, speed: float | None) -> None:
        """Nothing to show yet: the wall clock starts at the first tick, lest the setup count as time of the run."""
        self._story = _Story(board)
        self._clock = clock
        self._began: tuple[int, float] | None = None
        self._said_s = self._waited_s = 0.0
        self._behind: int | None = None

    def tick(self, now_us: int) -> None:
        """Says what is new, or what is due."""
        for marker in self._story.new():
            click.echo(json.dumps({"at": utc(marker.ts_us), "marker": marker.text}), err=True)
        now_s = time.monotonic()
        if self._began is None:
            self._began = now_us, now_s
            self._said_s = now_s
        if now_s - self._said_s >= LINE_EVERY_S:
            self._said_s = now_s
            from_us, from_s = self._began
            done_us, left_us = now_us - self._clock.start_us, self._clock.end_us - now_us
            speed = (now_us - from_us) / 1e6 / (now_s - from_s)
            said = {
                "at": utc(now_us),
                "percent": round(100 * done_us / (done_us + left_us), 1),
                "speed": round(speed, 1),
            }
            if speed > 0:
                said["eta_s"] = round(left_us / 1e6 / speed)
            if self._behind is not None:
                said["ticks_behind"] = self._behind
            click.echo(json.dumps(said), err=True)

    def lag(self, lag: drive.Lag) -> None:
        """Kept for the next line."""
        self._behind = lag.ticks
        if waits(lag):
            self.waits(waiting(lag))

    def waits(self, text: str) -> None:
        """Says it every five seconds."""
        now_s = time.monotonic()
        if now_s - self._waited_s >= LINE_EVERY_S:
            self._waited_s = now_s
            click.echo(json.dumps({"waiting": text}), err=True)

    def end(self) -> None:
        """Nothing to put away."""


class Bar:
    """Progress for a terminal: a bar at the bottom, and the markers of the run above it."""

    def begin(self, board: Board, clock: drive.Clock, title: str, speed: float | None) -> None:
        """Shows the empty bar."""
        self._story = _Story(board)
        self._frames = _Frames()
        self._start_us = clock.start_us
        self._lag = ""
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:3.0f} % {task.fields[speed]}{task.fields[lag]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            expand=True,
            transient=True,
            auto_refresh=False,
        )
        self._began_s = time.monotonic()
        self._task = self._bar.add_task(title, total=clock.end_us - clock.start_us, speed="", lag="")
        self._bar.start()

    def tick(self, now_us: int) -> None:
        """Moves the bar, ten times a second at most."""
        for marker in self._story.new():
            self._bar.console.print(Text(marker.line, style=SEVERITY_STYLE[marker.severity]))
        if self._frames.due():
            done_us = now_us - self._start_us
            speed = f"{done_us / 1e6 / max(1e-6, time.monotonic() - self._began_s):.0f}x"
            at = f"{utc(now_us)} UTC"
            self._bar.update(self._task, completed=done_us, description=at, speed=speed, lag=self._lag, refresh=True)

    def lag(self, lag: drive.Lag) -> None:
        """Shows it behind the speed."""
        self._lag = f"  {lag.ticks} behind"
        if waits(lag):
            self.waits(waiting(lag))

    def waits(self, text: str) -> None:
        """Shows it in the place of the time."""
        if self._frames.due():
            self._bar.update(self._task, description=text, lag="", refresh=True)

    def end(self) -> None:
        """Takes the bar away."""
        if hasattr(self, "_bar"):
            self._bar.stop()


class View:
    """The live view of the monitors, on the whole terminal."""

    def begin(self, board: Board, clock: drive.Clock, title: str, speed: float | None) -> None:
        """Takes the screen."""
        self._frames = _Frames()
        self._title = title
        self._view = TerminalView(board, title=title, start_us=clock.start_us, end_us=clock.end_us, speed=speed)
        self._live = Live(console=Console(), screen=True, auto_refresh=False, get_renderable=self._view.render)
        self._live.start()

    def tick(self, now_us: int) -> None:
        """Draws a frame, ten times a second at most."""
        if self._frames.due():
            self._live.refresh()

    def lag(self, lag: drive.Lag) -> None:
        """Says in the title that the run waits, if it does."""
        self._view.title = self._title
        if waits(lag):
            self.waits(waiting(lag))

    def waits(self, text: str) -> None:
        """Says it in the title."""
        self._view.title = text
        if self._frames.due():
            self._live.refresh()

    def end(self) -> None:
        """Gives the screen back."""
        if hasattr(self, "_live"):
            self._live.stop()


def progress() -> Show:
    """How progress is shown on this stderr."""
    return Bar() if can_draw(sys.stderr) else Lines()


def can_draw(stream: TextIO | None) -> bool:
    """Whether something that moves can be shown there. FORCE_COLOR makes no terminal of a pipe."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def waits(lag: drive.Lag) -> bool:
    """Whether somebody who looks at it should be told that the run waits."""
    return lag.held_up and lag.still_s >= WAITS_AFTER_S


def waiting(lag: drive.Lag) -> str:
    """For what, and what may help."""
    return f"{lag} (`liqstorm engine` starts one)"


def summary(result: Result) -> None:
    """The summary on stdout, as wide as the terminal is; of several venues the first one's, and a line of each."""
    console = stdout()
    console.print(table(result.venues[0]))
    console.print()
    if len(result.venues) > 1:
        console.print(venues_table(result.venues))
        console.print()
    if result.status:
        console.print(
            Text(f"Stopped at {result.until}: this is what had happened by then.", style="bold"), soft_wrap=True
        )
    console.print(Text(f"Everything is in {result.directory}; the sha256 of its event log:"), soft_wrap=True)
    console.print(Text(result.event_log_sha256), soft_wrap=True)


def stdout() -> Console:
    """The console of results: a terminal has its width; a pipe or a file gets lines of a good length."""
    console = _Results(highlight=False)
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


class _Results(Console):
    """A console whose reader may leave: the command line says how a verb ends then, not the console."""

    def on_broken_pipe(self) -> None:
        """Hands the error on."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class _Story:
    """The markers of a run, as they come."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._markers = Markers()
        self._taken = 0

    def new(self) -> list[Marker]:
        findings = self._board.findings[self._taken :]
        self._taken += len(findings)
        return self._markers.take(findings)


class _Frames:
    """Ten a second at most."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def due(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + 1 / FRAMES_PER_SECOND
        return True
