"""Two runs beside each other on a terminal, of any width from 80 columns up."""

import json
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream_engine.whatif.beside import Comparison, Moment, apart
from stream_engine.whatif.outcomes import OUTCOMES
from stream_engine.whatif.table import NONE, figure

LONGEST = 60


def beside_table(found: Comparison) -> RenderableType:
    """Settings, outcomes, timelines."""
    said: list[RenderableType] = [
        Text.assemble((f"{side}  ", "bold"), title, (f"   {directory}", "dim"))
        for side, title, directory in zip("AB", found.titles, found.directories, strict=True)
    ]
    said += [Text(event_logs(found)), Text()]
    if found.settings:
        said += [_settings(found), Text()]
    else:
        said += [Text("No setting differs."), Text()]
    return Group(*said, _outcomes(found), Text(), _timeline(found))


def event_logs(found: Comparison) -> str:
    """Whether they are the same."""
    if found.same_event_log:
        return "The event logs are the same: everything that the engines said."
    return "The event logs differ."


def value_text(value: Any) -> str:
    """A setting as TOML people would know it, not too long."""
    text = NONE if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 4] + " ..."


def words(moment: Moment) -> str:
    """What happened: in the words of both, where these differ."""
    a, b = moment.text
    return " / ".join(dict.fromkeys(text for text in (a, b) if text is not None))


def times(moment: Moment) -> list[str]:
    """When, in either."""
    return [at[11:19] if at is not None else NONE for at in moment.at]


def _settings(found: Comparison) -> Table:
    grid = _grid("Set otherwise", "setting", "A", "B")
    for path, (a, b) in found.settings.items():
        grid.add_row(path, value_text(a), value_text(b))
    return grid


def _outcomes(found: Comparison) -> Table:
    grid = _grid("Outcomes", "outcome", "unit", "A", "B", "difference")
    for column in grid.columns[2:]:
        column.justify = "right"
    for outcome in OUTCOMES:
        a, b = found.outcomes[outcome.name]
        if a is not None or b is not None:
            texts = figure(outcome, a), figure(outcome, b), figure(outcome, apart(a, b), signed=True)
            grid.add_row(outcome.title, outcome.unit, *texts)
    return grid


def _timeline(found: Comparison) -> Table:
    several = len({moment.venue for moment in found.timeline}) > 1
    grid = _grid("Order of onset (UTC)", "A", "B", "what", *(["venue"] if several else []))
    for moment in found.timeline:
        grid.add_row(*times(moment), words(moment), *([moment.venue] if several else []))
    return grid


def _grid(title: str, *headings: str) -> Table:
    grid = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    return grid
