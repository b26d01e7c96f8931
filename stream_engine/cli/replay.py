"""`liqstorm replay`: the inputs of a recording once more, embedded or into Kafka; or whether it verifies."""

from pathlib import Path
from typing import Any

import click

from stream_engine.cli.connection import with_kafka_or_without
from stream_engine.cli.errors import UserError
from stream_engine.cli.options import Speed

DAY_US = 86_400_000_000


class Moment(click.ParamType[str]):
    """A time of day, or a moment with its date; UTC where no zone is named."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, if it can be read."""
        from stream_engine.cli.replaying import moment_us

        try:
            moment_us(str(value), 0)
        except ValueError:
            self.fail(f"{value!r} is neither a time such as 20:50 or 20:50:10 nor a moment such as 2025-10-10T20:50Z.")
        return str(value)


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--speed",
    type=Speed(),
    default="max",
    show_default=True,
    metavar="X|max",
    help="Event seconds per wall second (1: as it was); max: as fast as the engine follows.",
)
@click.option(
    "--from", "start", type=Moment(), metavar="TIME", help="What lies before is sent at once; pace from here."
)
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Send nothing that lies after.")
@click.option(
    "--rebase", type=click.Choice(["now"]), help="Shift all times, so that the first paced input is of this moment."
)
@click.option(
    "--loop", is_flag=True, help="Begin again at the end, as new venues: alpha-2, alpha-3, ...; until Ctrl-C."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Embedded: where to record the replay.  [default: runs/NAME-replay-UTC]",
)
@click.option("--verify", "only_verify", is_flag=True, help="Send nothing: apply the journal, compare every event.")
@with_kafka_or_without
@click.pass_context
def command(
    ctx: click.Context,
    directory: Path,
    speed: float | None,
    start: str | None,
    end: str | None,
    rebase: str | None,
    loop: bool,
    out: Path | None,
    only_verify: bool,
    bootstrap: str | None,
    prefix: str,
    kafka: tuple[str, ...],
) -> None:
    """Send the inputs of the recording DIR once more, in the order in which the engine took them.

    Without --bootstrap an engine in this process takes them, and what it says is recorded: as long as no time is
    changed, the same event log. Into Kafka the same inputs go, but its engine may merge them otherwise. A log cannot
    be un-sent, so --loop begins again with new venues, beside the old ones.

    --verify applies the recorded journal directly and says whether every event is the same, byte for byte; if not,
    which is the first that differs, with exit status 1.
    """
    given = {
        name
        for name in ("speed", "start", "end", "rebase", "loop", "out", "bootstrap", "prefix", "kafka")
        if ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }
    if only_verify:
        if given:
            raise click.UsageError("--verify sends nothing: it goes with DIR alone.")
        _verify(directory)
        return
    if bootstrap is None and given & {"prefix", "kafka"}:
        raise click.UsageError("--prefix and --kafka are for Kafka: name it with --bootstrap.")
    if bootstrap is not None and out is not None:
        raise click.UsageError("--out is for an embedded replay; `liqstorm record` records from Kafka.")

    from stream_engine.cli import replaying

    plan = replaying.Plan(directory, speed, start, end, rebase is not None, loop)
    if bootstrap is None:
        replayed = replaying.embedded(plan, out)
    else:
        replayed = replaying.into_kafka(plan, bootstrap, prefix, kafka)
    for line in replayed.said:
        click.echo(line)
    if replayed.status:
        click.echo("liqstorm: stopped; what was sent until then is kept.", err=True)
        ctx.exit(replayed.status)


def _verify(directory: Path) -> None:
    from stream_engine.cli.recording import Recording
    from stream_engine.cli.verify import verify

    found = verify(Recording(directory))
    if not found.journal_records and not found.passed_over:
        raise UserError(f"the journal in {directory} is empty: there is nothing to verify.")
    click.echo(
        f"verified: {found.journal_records:,} journal records with {found.inputs:,} inputs; {found.events:,} events and"
        f" {found.dead_letters:,} dead letters, every one the same, byte for byte; event log sha256\n"
        f"{found.event_log_sha256}"
    )
    if found.passed_over:
        click.echo(f"{found.passed_over:,} events before them follow from what was trimmed, and were not looked at.")
