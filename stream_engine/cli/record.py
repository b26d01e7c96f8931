"""`liqstorm record`: topics on Kafka into a run directory."""

from pathlib import Path
from typing import Any

import click

from stream_engine.cli.connection import connect, with_kafka
from stream_engine.cli.errors import nearest


class Topics(click.ParamType[tuple[str, ...]]):
    """Names of topics without the prefix, with commas between."""

    name = "topics"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names, each once."""
        from stream_engine.messages.topics import Topic

        known = [topic.value for topic in Topic]
        names = tuple(dict.fromkeys(str(value).split(",")))
        for name in names:
            if name not in known:
                self.fail(f"there is no topic {name!r}.{nearest(name, known)}", param, ctx)
        return names


@click.command()
@with_kafka
@click.option("--topics", type=Topics(), metavar="A,B", help="Only these.  [default: all]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The run directory; must not hold anything yet.  [default: runs/PREFIX-recorded-UTC]",
)
@click.option(
    "--until-idle",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End when nothing new has come for so long.  [default: at Ctrl-C or SIGTERM]",
)
def command(
    bootstrap: str,
    prefix: str,
    kafka: tuple[str, ...],
    topics: tuple[str, ...] | None,
    out: Path | None,
    until_idle: float | None,
) -> None:
    """Record topics from their beginning on, as files like those of `run`, while others write to them.

    Journal and events end together, so `liqstorm replay DIR --verify` can say whether every event follows from the
    journal. positions.json says which offsets were recorded.
    """
    from consumers.figures import counted
    from stream_engine.cli.taping import tape
    from stream_engine.messages.topics import Topic

    chosen = [topic for topic in Topic if topics is None or topic.value in topics]
    taped = tape(connect(bootstrap, kafka), prefix, chosen, out, until_idle)
    click.echo(f"{counted(taped.records, 'record')} in {taped.directory}; the sha256 of its event log:")
    click.echo(taped.event_log_sha256)
    if taped.trimmed:
        told = "The journal was trimmed before: this verifies from its oldest snapshot on, and cannot be replayed."
        click.echo(told, err=True)
