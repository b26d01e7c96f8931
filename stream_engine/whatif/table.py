"""Tables of a what-if for a terminal, of any width from 80 columns up."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.figures import counted
from stream_engine.whatif.outcomes import BY_NAME, Outcome
from stream_engine.whatif.pairs import Pair, Spread
from stream_engine.whatif.report import WhatIf

NONE = "-"
ONE_LINE_FROM = 118
MORE_DECIMALS = 2


def figure(outcome: Outcome, value: float | None, signed: bool = False) -> str:
    """A value as it is shown: with its outcome's decimals, and more where it is small; nothing is 0."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    decimals = outcome.decimals
    is_whole = decimals == 0 and value == round(value)
    while not is_whole and abs(value) < 10.0 ** (1 - decimals) and decimals < outcome.decimals + MORE_DECIMALS:
        decimals += 1
    return f"{value:{'+' if signed else ''},.{decimals}f}"


def spread_text(outcome: Outcome, spread: Spread | None, runs: int, signed: bool = False) -> tuple[str, str]:
    """The median, and 5 to 95 %; of how many runs, where not all of them have the figure."""
    if spread is None:
        return NONE, ""
    low, high = (figure(outcome, value, signed) for value in (spread.low, spread.high))
    some = f" ({spread.runs} of {runs})" if spread.runs < runs else ""
    return figure(outcome, spread.median, signed), f"{low} to {high}{some}"


def table(report: WhatIf, width: int) -> RenderableType:
    """Base, variant and paired difference, outcome by outcome."""
    runs = len(report.paired)
    lines: list[RenderableType] = [
        Text(report.title, style="bold"),
        Text(f"base: {report.base}; {counted(runs, 'seed')}, the same noise in both; up/down counts seeds"),
        *notes(report),
        Text(),
    ]
    grid = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, header_style="italic")
    grid.add_column("outcome")
    for heading in ("base", "variant", "difference", "up/down"):
        grid.add_column(heading, justify="right", no_wrap=True)
    between = "  " if width >= ONE_LINE_FROM else "\n"
    for pair in report.pairs:
        if pair.base is None and pair.variant is None:
            continue
        outcome = BY_NAME[pair.name]
        name = Text.assemble(outcome.title, between, (outcome.unit, "dim"))
        cells = [
            Text.assemble((median, style), between, (span, "dim"))
            for spread, signed, style in (
                (pair.base, False, ""),
                (pair.variant, False, ""),
                (pair.difference, True, "bold"),
            )
            for median, span in (spread_text(outcome, spread, runs, signed),)
        ]
        grid.add_row(name, *cells, moved(pair))
    return Group(*lines, grid, *never(report))


def moved(pair: Pair) -> str:
    """How many seeds went up and down."""
    return f"{pair.up}/{pair.down}" if pair.difference is not None else NONE


def never(report: WhatIf) -> list[Text]:
    """Which outcomes no run has."""
    titles = [BY_NAME[pair.name].title for pair in report.pairs if pair.base is None and pair.variant is None]
    return [Text(f"In no run: {', '.join(titles)}.", style="dim")] if titles else []


def notes(report: WhatIf) -> list[Text]:
    """What must be known of a table that is not whole."""
    said: list[Text] = []
    if report.is_partial:
        why = "it was stopped" if report.stopped else "the other runs failed"
        text = f"PARTIAL: {len(report.paired)} of {counted(len(report.seeds), 'seed')}, since {why}."
        said.append(Text(text, style="bold"))
    said += [Text(f"Failed: {each}", style="bold red") for each in report.failed]
    return said
