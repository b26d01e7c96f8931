"""Tables of a sweep for a terminal: medians on a heat map, darker for more, every cell with its number.

One axis     a line for each value, a column for each chosen outcome, each column with colours of its own.
More         for each chosen outcome a table: the last axis across, the others down.
"""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.figures import counted, money
from stream_engine.messages.units import MILLION
from stream_engine.whatif.enough import Enough, Needed
from stream_engine.whatif.grid import CellOutcome
from stream_engine.whatif.outcomes import BY_NAME
from stream_engine.whatif.plots import shade
from stream_engine.whatif.report import Sweep
from stream_engine.whatif.table import NONE, figure, spread_text


def sweep_table(report: Sweep) -> RenderableType:
    """All of it."""
    said: list[RenderableType] = [Text(report.title, style="bold"), Text(heading(report)), *sweep_notes(report)]
    if len(report.axes) == 1:
        said += [Text(), _one_axis(report)]
    elif report.axes:
        for name in report.chosen:
            said += [Text(), _many_axes(report, name)]
    if report.enough is not None:
        said += [Text(), enough_table(report.enough)]
    return Group(*said)


def heading(report: Sweep) -> str:
    """What is played how often."""
    cells = f"{counted(len(report.cells), 'cell')} of " if report.axes else ""
    return f"base: {report.base}; {cells}{counted(len(report.seeds), 'seed')}; medians"


def sweep_notes(report: Sweep) -> list[Text]:
    """What must be known of a sweep that is not whole."""
    said = []
    if report.missing:
        why = "it was stopped" if report.stopped else "they failed"
        runs = len(report.cells) * len(report.seeds)
        said.append(Text(f"PARTIAL: {report.missing} of {runs} runs are missing, since {why}.", style="bold"))
    return said + [Text(f"Failed: {each}", style="bold red") for each in report.failed]


def parts_of(cells: Sequence[CellOutcome], name: str) -> list[float | None]:
    """Where each cell's median lies between the least and the largest of them."""
    medians = [None if (spread := cell.spreads[name]) is None else spread.median for cell in cells]
    known = [median for median in medians if median is not None]
    low, span = min(known, default=0.0), (max(known, default=0.0) - min(known, default=0.0)) or 1.0
    return [None if median is None else (median - low) / span for median in medians]


def part_text(part_ppm: int) -> str:
    """99.9 %."""
    return f"{100 * part_ppm / MILLION:g} %"


def needed_text(needed: Needed) -> list[str]:
    """What would have been enough in each part of the runs; `>`: beyond what so many show, with the estimate."""
    return [
        usd(part.usd)
        if part.usd is not None
        else f"> {usd(needed.largest_usd)}"
        + (f" (estimate {usd(part.estimate_usd)})" if part.estimate_usd is not None else "")
        for part in needed.parts
    ]


def enough_notes(enough: Enough) -> list[str]:
    """How it was found, and what a fund cannot do."""
    said = [
        f"The fund that would have been enough: deepest loss of a fund that never runs dry, over "
        f"{counted(enough.runs, 'seed')}, by order statistic."
    ]
    if any(part.usd is None for needed in enough.needed for part in needed.parts):
        said.append(
            f"'>': {counted(enough.runs, 'run')} cannot show it: the largest loss seen, and an estimate by an"
            " exponential tail over the median; a heavier tail needs more."
        )
    if enough.still_deleveraged_usd or enough.still_deficit_usd:
        said.append(
            f"With such a fund, in the worst run {usd(enough.still_deleveraged_usd)} were deleveraged all the same and "
            f"{usd(enough.still_deficit_usd)} carried by nobody: the rules do not let a fund bear that."
        )
    return said


def usd(dollars: float) -> str:
    """At a glance."""
    return money(round(dollars * MILLION))


def enough_table(enough: Enough) -> RenderableType:
    """A column for each venue, a line for each part of the runs."""
    first, *notes = enough_notes(enough)
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="italic")
    grid.add_column("in so many runs", no_wrap=True)
    for needed in enough.needed:
        grid.add_column(f"{needed.venue} (has {usd(needed.fund_usd)})", justify="right")
    columns = [needed_text(needed) for needed in enough.needed]
    for part, *texts in zip(enough.needed[0].parts, *columns, strict=True):
        grid.add_row(part_text(part.part_ppm), *texts)
    grid.add_row("largest seen", *(usd(needed.largest_usd) for needed in enough.needed))
    return Group(Text(first, style="bold"), grid, *(Text(note, style="dim") for note in notes))


def _one_axis(report: Sweep) -> Table:
    grid = Table(box=None, padding=(0, 1, 0, 0), header_style="italic")
    grid.add_column(report.axes[0].path, no_wrap=True)
    columns = []
    for name in report.chosen:
        grid.add_column(f"{BY_NAME[name].title}\n{BY_NAME[name].unit}", justify="right")
        parts = parts_of(report.cells, name)
        columns.append([_cell(cell, name, part) for cell, part in zip(report.cells, parts, strict=True)])
    for cell, *texts in zip(report.cells, *columns, strict=True):
        grid.add_row(cell.values[0], *texts)
    return grid


def _many_axes(report: Sweep, name: str) -> Table:
    outcome = BY_NAME[name]
    title = Text.assemble((outcome.title, "bold"), f", {outcome.unit}")
    grid = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="italic")
    for each in report.axes[:-1]:
        grid.add_column(each.path)
    last = report.axes[-1]
    for number, value in enumerate(last.values):
        grid.add_column(f"{last.path if not number else ''}\n{value}", justify="right", no_wrap=True)
    parts = dict(zip((cell.values for cell in report.cells), parts_of(report.cells, name), strict=True))
    for choice in report.rows:
        grid.add_row(*choice, *(_cell(cell, name, parts[cell.values]) for cell in report.row(choice)))
    return grid


def _cell(cell: CellOutcome, name: str, part: float | None) -> Text:
    spread = cell.spreads[name]
    if spread is None or part is None:
        return Text(NONE)
    fill, ink = shade(part)
    return Text(f" {median_text(cell, name)} ", style=f"{ink} on {fill}")


def hint(cell: CellOutcome, name: str) -> str:
    """A cell in words."""
    spread, outcome = cell.spreads[name], BY_NAME[name]
    if spread is None:
        return f"{', '.join(cell.values)}: in no run"
    median, span = spread_text(outcome, spread, len(cell.by_seed))
    return f"{', '.join(cell.values)}: {median} {outcome.unit}, 5 to 95 %: {span}"


def median_text(cell: CellOutcome, name: str) -> str:
    """Its number."""
    spread = cell.spreads[name]
    return NONE if spread is None else figure(BY_NAME[name], spread.median)
