"""`liqstorm doctor`: what is right and what is wrong, each wrong line with its fix."""

import asyncio
import json
from typing import TYPE_CHECKING

import click

from stream_engine.cli.connection import START_ONE, connect, with_kafka_or_without
from stream_engine.cli.errors import FAILED

if TYPE_CHECKING:
    from stream_engine.cli.diagnosis import Line

COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@with_kafka_or_without
@click.option("--json", "as_json", is_flag=True, help="Print the lines as JSON.")
@click.pass_context
def command(ctx: click.Context, bootstrap: str | None, prefix: str, kafka: tuple[str, ...], as_json: bool) -> None:
    """Look at this machine, and with --bootstrap at the broker, the topics and the engines of a prefix.

    Each line is ok, warn or fail, with what to do where it is not ok. The exit status is 1 if one fails. Nothing is
    changed anywhere.
    """
    from stream_engine.cli.diagnosis import here

    lines = []
    for line in here():
        lines.append(line)
        _say(line, as_json)
    if bootstrap is not None:
        lines += asyncio.run(_there(bootstrap, prefix, kafka, as_json))
    elif prefix or kafka:
        raise click.UsageError("--prefix and --kafka are for Kafka: name it with --bootstrap.")
    if as_json:
        click.echo(json.dumps([_plain(line) for line in lines], indent=2))
    if any(line.state.value == "fail" for line in lines):
        ctx.exit(FAILED)


async def _there(bootstrap: str, prefix: str, kafka: tuple[str, ...], as_json: bool) -> "list[Line]":
    from stream_engine.cli.diagnosis import Line, State, there
    from stream_engine.transport.protocol import LogError, Unreachable

    lines = []
    try:
        async for line in there(connect(bootstrap, kafka), prefix):
            lines.append(line)
            _say(line, as_json)
    except Unreachable as error:
        lines.append(Line(State.FAIL, "broker", str(error), START_ONE))
        _say(lines[-1], as_json)
    except LogError as error:
        lines.append(Line(State.FAIL, "broker", str(error), "look again once it is at rest"))
        _say(lines[-1], as_json)
    return lines


def _say(line: "Line", as_json: bool) -> None:
    if as_json:
        return
    state = line.state.value
    click.echo(f"{click.style(f'{state:4}', fg=COLORS[state])}  {line.what}: {line.found}")
    if line.fix:
        click.echo(f"      fix: {line.fix}")


def _plain(line: "Line") -> dict[str, str]:
    return {"state": line.state.value, "what": line.what, "found": line.found, "fix": line.fix}
