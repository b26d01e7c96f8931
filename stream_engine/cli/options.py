"""Options that several verbs have, so that they mean the same everywhere."""

from collections.abc import Callable
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
