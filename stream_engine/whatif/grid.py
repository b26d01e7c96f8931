"""Grid: every choice of some settings with every choice of the others, each played over the same seeds.

Axis      one setting and its values, `a.b=x,y,z`; a value may be anything that TOML knows, lists with their commas too.
Short     what is looked for in vain where it stands is looked for in `venue`; and see SHORT.
Refused   an axis without values, a value or a setting given twice, a cell that cannot be read; before any is played.
Order     of cells: the last axis moves fastest.
"""

from collections.abc import Mapping, Sequence
from itertools import product

from msgspec import Struct

from stream_engine.layers import ScenarioError
from stream_engine.scenario import Scenario
from stream_engine.whatif.outcomes import OUTCOMES
from stream_engine.whatif.pairs import Figures, Spread, spread
from stream_engine.whatif.plan import Change, read

SHORT = {"fund.size": "venue.fund_usdt", "policy": "venue.adl.policy"}
OPENS, CLOSES, QUOTES = "[{", "]}", "\"'"


class Axis(Struct, frozen=True):
    """A setting and its values, as they were written."""

    path: str
    values: tuple[str, ...]

    @property
    def is_fund(self) -> bool:
        """Whether it is the size of the insurance fund."""
        return self.path.rpartition(".")[2] in ("fund_usdt", "fund_quote")


class Cell(Struct, frozen=True):
    """One choice on each axis, and the scenario that it comes to."""

    values: tuple[str, ...]
    scenario: Scenario


class CellOutcome(Struct, frozen=True):
    """What a cell came to: the spread of each outcome, and its values by seed."""

    values: tuple[str, ...]
    spreads: dict[str, Spread | None]
    by_seed: dict[int, dict[str, float | None]]


def axis(written: str) -> Axis:
    """The axis that was written; ScenarioError where it is none."""
    path, equals, listed = written.partition("=")
    values = _apart(listed)
    if not equals or not path.strip() or not all(values):
        raise ScenarioError(f"{written}: expected a.b=x,y,z")
    if len(set(values)) < len(values):
        raise ScenarioError(f"{written}: a value is given twice")
    return Axis(SHORT.get(path.strip(), path.strip()), tuple(values))


def cells(name: str, base: Change, axes: Sequence[Axis]) -> tuple[list[Axis], list[Cell]]:
    """The axes by their full paths, and every cell; ScenarioError where one cannot be read."""
    full = [_found(name, base, each) for each in axes]
    paths = [each.path for each in full]
    for path in paths:
        if paths.count(path) > 1:
            raise ScenarioError(f"{path}: is given on two axes")
    made = []
    for values in product(*(each.values for each in full)):
        settings = tuple(f"{path}={value}" for path, value in zip(paths, values, strict=True))
        made.append(Cell(values, read(name, base.then(Change(settings=settings)))))
    return full, made


def cell_outcome(cell: Cell, runs: Mapping[int, Figures]) -> CellOutcome:
    """What it came to over the seeds that were played."""
    spreads = {
        outcome.name: spread([value for run in runs.values() if (value := run[outcome.name]) is not None])
        for outcome in OUTCOMES
    }
    return CellOutcome(cell.values, spreads, {seed: dict(run) for seed, run in sorted(runs.items())})


def _found(name: str, base: Change, each: Axis) -> Axis:
    """The axis where its setting stands: as written, or in `venue`."""
    complaint: ScenarioError | None = None
    for path in (each.path, f"venue.{each.path}"):
        try:
            read(name, base.then(Change(settings=(f"{path}={each.values[0]}",))))
        except ScenarioError as error:
            complaint = complaint or error
        else:
            return Axis(path, each.values)
    assert complaint is not None
    raise complaint


def _apart(listed: str) -> list[str]:
    """The values of a list, cut at its commas; those within brackets or quotes do not cut."""
    values, depth, quote = [""], 0, ""
    for sign in listed:
        if sign == "," and not depth and not quote:
            values.append("")
            continue
        values[-1] += sign
        if quote:
            quote = "" if sign == quote else quote
        elif sign in QUOTES:
            quote = sign
        else:
            depth += (sign in OPENS) - (sign in CLOSES)
    return [value.strip() for value in values]
