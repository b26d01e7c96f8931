"""`liqstorm demo`: the storm of 10 October 2025, small, as a show; then its summary and where to go from there."""

import shutil
import sys
from pathlib import Path

import click

from stream_engine.cli.options import with_seed, with_speed
from stream_engine.cli.run import leave

SCENARIO = "oct10-small"
# 20:20 to 21:50 UTC in two and a half minutes.
SPEED = "36"


@click.command()
@with_seed
@with_speed(SPEED)
@click.pass_context
def command(ctx: click.Context, seed: int, speed: float | None) -> None:
    """The storm of 10 October 2025 in two and a half minutes: a live view, the summary, and three next commands.

    It plays `oct10-small`: one venue, two symbols, 20:20 to 21:50 UTC. The whole storm, on four venues, is `oct10`.

    Where the output is no terminal, it runs as fast as it can and prints the summary alone.
    """
    from stream_engine.cli import session, show

    live = show.can_draw(sys.stdout)
    if not live and ctx.get_parameter_source("speed") is click.core.ParameterSource.DEFAULT:
        speed = None
    result = session.run(SCENARIO, seed, (), None, speed, None, show.View() if live else show.progress())
    show.summary(result)
    console = show.stdout()
    console.print("\nNext:")
    for line, meaning in (
        (f"{called()} run {SCENARIO} --set makers.mode=stay", "had the makers stayed?"),
        (f"{called()} run oct10 --seed {seed}", "the whole of it, on four venues: it takes a minute or two"),
        (f"head -n 3 {result.directory / 'adl.jsonl'}", "a topic, as your own systems would read it"),
    ):
        console.print(f"  {line}\n      {meaning}", markup=False, soft_wrap=True)
    leave(ctx, result)


def called() -> str:
    """How the command is called from here: after `make` it is not on the PATH."""
    script = Path(sys.argv[0])
    if script.name == "__main__.py":
        return f"{sys.executable} -m stream_engine"
    found = shutil.which("liqstorm")
    return "liqstorm" if found and script.exists() and script.samefile(found) else str(script)
