"""`liqstorm run`: a scenario from its setup to its last tick, and everything that it said in a run directory."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream_engine.cli.connection import connect, with_kafka_or_without
from stream_engine.cli.options import with_loop, with_seed, with_settings, with_speed

if TYPE_CHECKING:
    from stream_engine.cli.session import Result


@click.command()
@click.argument("scenario")
@with_seed
@with_settings
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run directory; must not hold anything yet.  [default: runs/SCENARIO+OVERLAYS-SEED-UTC]",
)
@with_speed("max")
@with_kafka_or_without
@with_loop
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def command(
    ctx: click.Context,
    scenario: str,
    seed: int,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    out: Path | None,
    speed: float | None,
    bootstrap: str | None,
    prefix: str,
    kafka: tuple[str, ...],
    loop: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run SCENARIO (a name of `liqstorm scenario list`, or a TOML file) and keep everything that it says.

    Prints the summary: the order of things, the makers, fund and ADL, beside the public record. The run directory has
    every topic as JSON lines, the summary, the scenario as it was run, versions, and the hash of the event log. Ctrl-C
    ends a run early; what was recorded is kept and summed up.

    With --bootstrap it runs on Kafka in real time, engines and monitors in this process too, on topics that hold no run
    yet (`liqstorm topics create` makes them).
    """
    from stream_engine.cli import session, show

    if bootstrap is None and (prefix or kafka):
        raise click.UsageError("--prefix and --kafka go with --bootstrap.")
    place = None if bootstrap is None else session.Place(connect(bootstrap, kafka), prefix)
    watcher = show.Nothing() if quiet else show.progress()
    result = session.run(scenario, seed, settings, out, speed, loop, watcher, place, overlays)
    if as_json:
        click.echo(result.summary_json, nl=False)
    else:
        show.summary(result)
    leave(ctx, result)


def leave(ctx: click.Context, result: "Result") -> None:
    """Ends a verb that ran something: done, or stopped by a signal."""
    if result.status:
        where = f"stopped at {result.until}; what was recorded until then is in {result.directory}"
        click.echo(f"liqstorm: {where}.", err=True)
        ctx.exit(result.status)
