"""Options that several verbs have, so that they mean the same everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

SEED = 7


class Speed(click.ParamType[float | None]):
    """`max` (None), or event seconds per wall second."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """The number, which must be above zero and finite."""
        if value == "max":
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is neither max nor a number of event seconds per second above 0, such as 60.")
        return speed


def with_seed(command: Command) -> Command:
    """`seed`."""
    return click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=SEED,
        show_default=True,
        help="Another seed: the same day with other people.",
    )(command)


def with_settings(command: Command) -> Command:
    """`overlays` and `settings`: what changes a scenario."""
    laid = click.option(
        "--with",
        "overlays",
        multiple=True,
        metavar="NAME|FILE",
        help="Lay an overlay of `liqstorm scenario list` over the scenario, or one of a file; repeatable, in order.",
    )
    changed = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="A.B=C",
        help="Change a setting of the scenario, over every overlay; repeatable.",
    )
    return laid(changed(command))


def with_runs(command: Command) -> Command:
    """`runs`, `jobs`, `seed` and `quiet` of a verb that plays many runs."""
    for option in (
        click.option("--quiet", is_flag=True, help="No progress on stderr."),
        click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first seed."),
        click.option(
            "--jobs", type=click.IntRange(min=1), metavar="J", help="So many runs at once.  [default: the cores]"
        ),
        click.option("--runs", type=click.IntRange(min=1), default=10, show_default=True, help="So many seeds."),
    ):
        command = option(command)
    return command


def with_page(command: Command) -> Command:
    """`as_json` and `html`."""
    page = click.Path(path_type=Path, dir_okay=False)
    for option in (
        click.option("--html", type=page, metavar="FILE", help="Write it as one page that opens offline, too."),
        click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with every value behind it."),
    ):
        command = option(command)
    return command


def with_reports(command: Command) -> Command:
    """`as_json`, `html` and `out`."""
    directory = click.Path(path_type=Path)
    return with_page(
        click.option(
            "--out", type=directory, metavar="DIR", help="Keep table, page and a line of each run in a new directory."
        )(command)
    )


def with_speed(default: str) -> Callable[[Command], Command]:
    """`speed`; the default stands in the help."""
    return click.option(
        "--speed",
        type=Speed(),
        default=default,
        metavar="X|max",
        help="Event seconds per wall second.",
        show_default=True,
    )


def with_loop(command: Command) -> Command:
    """`loop`."""
    return click.option(
        "--loop", type=click.Choice(["uvloop", "asyncio"]), help="The event loop.  [default: uvloop if installed]"
    )(command)
