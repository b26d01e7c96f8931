"""`liqstorm run`: a scenario from its setup to its last tick, and everything that it said in a run directory."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stream_engine.cli.errors import INTERRUPTED

if TYPE_CHECKING:
    from stream_engine.cli.session import Result

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


@click.command()
@click.argument("scenario")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=SEED,
    show_default=True,
    help="Another seed: the same day with other people.",
)
@click.option("--set", "settings", multiple=True, metavar="A.B=C", help="Change a setting of the scenario; repeatable.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run directory; must not hold anything yet.  [default: runs/SCENARIO-SEED-UTC]",
)
@click.option(
    "--speed", type=Speed(), default="max", show_default=True, metavar="X|max", help="Event seconds per wall second."
)
@click.option(
    "--loop", type=click.Choice(["uvloop", "asyncio"]), help="The event loop.  [default: uvloop if installed]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def command(
    ctx: click.Context,
    scenario: str,
    seed: int,
    settings: tuple[str, ...],
    out: Path | None,
    speed: float | None,
    loop: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run SCENARIO (a name of `liqstorm scenario list`, or a TOML file) and keep everything that it says.

    Prints the summary: the order of things, the makers, fund and ADL, beside the public record. The run directory has
    every topic as JSON lines, the summary, the scenario as it was run, versions, and the hash of the event log. Ctrl-C
    ends a run early; what was recorded is kept and summed up.
    """
    from stream_engine.cli import session, show

    watcher = show.Nothing() if quiet else show.progress()
    result = session.run(scenario, seed, settings, out, speed, loop, watcher)
    if as_json:
        click.echo(result.summary_json, nl=False)
    else:
        show.summary(result)
    leave(ctx, result)


def leave(ctx: click.Context, result: "Result") -> None:
    """Ends a verb that ran something: done, or stopped by Ctrl-C."""
    if result.stopped:
        where = f"stopped at {result.until}; what was recorded until then is in {result.directory}"
        click.echo(f"liqstorm: {where}.", err=True)
        ctx.exit(INTERRUPTED)
