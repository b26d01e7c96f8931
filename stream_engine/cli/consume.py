"""`liqstorm consume`: the monitors, live from the topics of a run on Kafka."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream_engine.cli.connection import answered, connect, with_kafka
from stream_engine.cli.errors import UserError, nearest, why
from stream_engine.cli.options import with_loop

if TYPE_CHECKING:
    from rich.console import RenderableType

    from consumers.live import Watch
    from consumers.terminal import TerminalView
    from stream_engine.transport.kafka import KafkaSettings

WAIT_S = 0.2
FRAME_S = 0.1
# The time axis of the live view is as long as the run so far, and at least this.
LEAST_SHOWN_US = 7_200_000_000


@click.command()
@with_kafka
@click.option(
    "--monitors",
    multiple=True,
    metavar="NAME",
    help="Publish what this one finds: prices, depth, market_makers, liquidations, fund, adl, open_interest;"
    " repeatable.  [default: all]",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Keep the alerts and, at the end, the summary here."
)
@with_loop
def command(
    bootstrap: str, prefix: str, kafka: tuple[str, ...], monitors: tuple[str, ...], out: Path | None, loop: str | None
) -> None:
    """Watch the run on the topics of a prefix: what the monitors find goes to `alerts`, and to the terminal.

    It begins at the oldest event kept and learns from the topics which venues there are, so it needs no scenario.
    Started again it finds the same, and publishes nothing twice. A record that is no event goes to `deadletters`. It
    runs until it is told to stop (Ctrl-C, SIGTERM), and then prints the summary.
    """
    from consumers.board import MONITORS
    from stream_engine.cli.stopping import loop_factory

    for name in monitors:
        if name not in MONITORS:
            raise UserError(f"there is no monitor {name}.{nearest(name, MONITORS)}")
    with answered(), asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        try:
            watch = runner.run(_consume(connect(bootstrap, kafka), prefix, monitors or None, out))
            _sum_up(watch, out)
        except OSError as error:
            raise UserError(f"cannot write to {out}: {why(error)}. Name another directory with --out.") from error


async def _consume(
    settings: "KafkaSettings", prefix: str, monitors: tuple[str, ...] | None, out: Path | None
) -> "Watch":
    import msgspec

    from consumers.live import Watch
    from consumers.monitor import Finding
    from stream_engine.cli.stopping import interruption
    from stream_engine.cli.topic_rules import partitions_there
    from stream_engine.transport.kafka import KafkaLog
    from stream_engine.transport.patient import PatientLog

    partitions = await partitions_there(settings, prefix)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    kept = None if out is None else (out / "alerts.jsonl").open("ab")

    def keep(findings: Sequence[Finding]) -> None:
        if kept is not None:
            kept.writelines(msgspec.json.encode(finding) + b"\n" for finding in findings)
            kept.flush()

    with interruption() as stop:
        log = PatientLog(KafkaLog(settings), stop)
        watch = Watch(log, partitions, prefix, monitors, keep)
        screen = _screen(watch)
        try:
            await watch.begin()
            while not stop():
                await watch.look(WAIT_S)
                await screen.show()
        finally:
            screen.end()
            if kept is not None:
                kept.close()
            await log.close()
    return watch


def _sum_up(watch: "Watch", out: Path | None) -> None:
    """The summary of the first venue and a line of each on stdout; of all of them in the directory."""
    import msgspec

    from consumers.summary import summarize
    from consumers.summary_table import table, venues_table
    from stream_engine.cli import show

    told = [summarize(board, beside_record=False) for board in watch.boards.values() if board.now_us]
    if not told:
        click.echo("liqstorm: there was no run on these topics.", err=True)
        return
    console = show.stdout()
    console.print(table(told[0]))
    if len(told) > 1:
        console.print()
        console.print(venues_table(told))
    click.echo(f"{watch.events:,} events, {watch.alerts:,} alerts published")
    if out is not None:
        venues = {each.venue: each for each in told}
        (out / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(venues), indent=2) + b"\n")


def _screen(watch: "Watch") -> "_Lines | _View":
    from stream_engine.cli.show import can_draw

    return _View(watch) if can_draw(sys.stdout) else _Lines(watch)


class _Lines:
    """How far it has come, as JSON lines on stderr."""

    def __init__(self, watch: "Watch") -> None:
        from stream_engine.cli.status_line import StatusLine

        self._watch = watch
        self._line = StatusLine()

    async def show(self) -> None:
        """Says it, if it is time."""
        if not self._line.due:
            return
        from consumers.figures import clock

        watch = self._watch
        at = {venue: clock(board.now_us) for venue, board in watch.boards.items()}
        self._line.say(
            at=at, events=watch.events, alerts=watch.alerts, dead_letters=watch.dead_letters, lag=await watch.lag()
        )

    def end(self) -> None:
        """Takes the line away."""
        self._line.end()


class _View:
    """The live view of the first venue, on the whole terminal."""

    def __init__(self, watch: "Watch") -> None:
        from rich.console import Console
        from rich.live import Live

        self._watch = watch
        self._view: TerminalView | None = None
        self._live = Live(console=Console(), screen=True, auto_refresh=False, get_renderable=self._frame)
        self._live.start()
        self._next_s = 0.0

    async def show(self) -> None:
        """Draws a frame, ten times a second at most."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._next_s:
            self._next_s = now_s + FRAME_S
            self._live.refresh()

    def end(self) -> None:
        """Gives the screen back."""
        self._live.stop()

    def _frame(self) -> "RenderableType":
        boards = list(self._watch.boards.values())
        if not boards or not boards[0].now_us:
            return "Nothing has happened on these topics yet. Ctrl-C ends the wait."
        board = boards[0]
        if self._view is None:
            from consumers.terminal import TerminalView

            start_us = board.prices.started_us
            self._view = TerminalView(board, title="", start_us=start_us, end_us=start_us, live=True)
        others = f" and {len(boards) - 1} more" if len(boards) > 1 else ""
        self._view.title = f"venue {board.venue}{others}  {self._watch.events:,} events  {self._watch.alerts:,} alerts"
        self._view.end_us = max(board.now_us, self._view.start_us + LEAST_SHOWN_US)
        return self._view.render()
