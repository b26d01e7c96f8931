"""`liqstorm topics`: make the topics, look whether they are right, trim what is no longer needed, take them away."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stream_engine.cli.connection import answered, connect, with_kafka
from stream_engine.cli.errors import FAILED, UserError

if TYPE_CHECKING:
    from stream_engine.transport.kafka import KafkaSettings

Answer = TypeVar("Answer")

PARTITIONS = 4


@click.group()
def command() -> None:
    """The topics of a prefix: make them, check them, trim them, take them away.

    Nothing else makes topics. Every topic has the same number of partitions, and a venue lives on one of them; more
    partitions than venues do no harm.
    """


@command.command()
@with_kafka
@click.option(
    "--partitions", type=click.IntRange(1, 10_000), default=PARTITIONS, show_default=True, help="Of every topic."
)
def create(bootstrap: str, prefix: str, kafka: tuple[str, ...], partitions: int) -> None:
    """Make the topics that are missing; those that are there and right stay as they are.

    What is there and otherwise is not changed: it is said, with the fix, and the exit status is 1.
    """
    made = _ask(_create(connect(bootstrap, kafka), prefix, partitions))
    click.echo(f"{made} topics were made, {14 - made} were there; {partitions} partitions each.")


@command.command()
@with_kafka
@click.pass_context
def check(ctx: click.Context, bootstrap: str, prefix: str, kafka: tuple[str, ...]) -> None:
    """Look whether every topic is there, with equal partitions and the right settings.

    Each line that is wrong says how it is mended; the exit status is 1 then.
    """
    from stream_engine.cli.topic_rules import complaints, named, options

    partitions, settings = _ask(_there(connect(bootstrap, kafka), prefix))
    if not partitions:
        raise UserError(
            f"there is no topic of ours. Make them with `liqstorm topics create {options(bootstrap, prefix)}`."
        )
    found = complaints(partitions, settings, bootstrap, prefix)
    wrong = {complaint.topic for complaint in found}
    for name in named(prefix):
        if name not in wrong:
            click.echo(f"ok    {name}: {partitions[name]} partitions")
        for complaint in found:
            if complaint.topic == name:
                click.echo(f"fail  {name} {complaint.what}\n      fix: {complaint.fix}")
    if found:
        ctx.exit(FAILED)


@command.command()
@with_kafka
@click.option("--yes", is_flag=True, help="Do it; without, only what would go is shown.")
def trim(bootstrap: str, prefix: str, kafka: tuple[str, ...], yes: bool) -> None:
    """Let go of journal and intake before the second newest snapshot.

    What is trimmed cannot be replayed or verified any more: record it first. An engine starts from a snapshot, and
    has another in reserve. A broker takes whole segments away, so less may go than is said.
    """
    from stream_engine.cli.trimming import plan_and_trim

    lines, goes = _ask(plan_and_trim(connect(bootstrap, kafka), prefix, yes))
    for line in lines:
        click.echo(line)
    if goes and not yes:
        click.echo("Nothing was done; --yes does it.")


@command.command()
@with_kafka
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(bootstrap: str, prefix: str, kafka: tuple[str, ...], yes: bool) -> None:
    """Take the topics of the prefix away, with everything in them. Stop engines and producers first."""
    settings = connect(bootstrap, kafka)
    there, records = _ask(_contents(settings, prefix))
    if not there:
        click.echo("There is no topic of ours" + (f" whose name begins with {prefix}" if prefix else "."))
        return
    what = f"{len(there)} topics ({there[0]} ... {there[-1]}) with {records:,} records at {bootstrap}"
    if not yes and not click.confirm(f"Take away {what}?", err=True):
        raise UserError("nothing was taken away.")
    _ask(_delete(settings, there))
    click.echo(f"Taken away: {what}.")


def _ask(question: Coroutine[Any, Any, Answer]) -> Answer:
    with answered():
        return asyncio.run(question)


async def _there(settings: "KafkaSettings", prefix: str) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
    from stream_engine.cli.topic_rules import named
    from stream_engine.transport.kafka import KafkaAdmin

    admin = KafkaAdmin(settings)
    try:
        partitions = await admin.partitions(named(prefix))
        return partitions, await admin.configs(partitions)
    finally:
        await admin.close()


async def _create(settings: "KafkaSettings", prefix: str, partitions: int) -> int:
    from stream_engine.cli.topic_rules import complaints, named, options, settings_of
    from stream_engine.transport.kafka import KafkaAdmin

    there, found = await _there(settings, prefix)
    wrong = [each for each in complaints(there, found, settings.bootstrap, prefix) if each.topic in there]
    if wrong:
        lines = "".join(f"\n  {each.topic} {each.what}\n    fix: {each.fix}" for each in wrong)
        raise UserError(f"topics are there that are not as they must be, and nothing was changed:{lines}")
    if others := {count for count in there.values() if count != partitions}:
        raise UserError(
            f"the topics are there with {others.pop()} partitions, not {partitions}. Make them anew with `liqstorm"
            f" topics clean {options(settings.bootstrap, prefix)}` and `create`, or choose another --prefix."
        )
    missing = {name: topic for name, topic in named(prefix).items() if name not in there}
    admin = KafkaAdmin(settings)
    try:
        await admin.create(missing, partitions, {name: settings_of(topic) for name, topic in missing.items()})
    finally:
        await admin.close()
    return len(missing)


async def _contents(settings: "KafkaSettings", prefix: str) -> tuple[list[str], int]:
    """The topics that are there, and how many records they hold at most: a transaction's mark counts as one."""
    from stream_engine.transport.kafka import KafkaLog

    partitions, _ = await _there(settings, prefix)
    log = KafkaLog(settings)
    try:
        everywhere = [(name, number) for name, count in partitions.items() for number in range(count)]
        starts, ends = await log.starts(everywhere), await log.ends(everywhere)
    finally:
        await log.close()
    return list(partitions), sum(ends.values()) - sum(starts.values())


async def _delete(settings: "KafkaSettings", names: Sequence[str]) -> None:
    from stream_engine.transport.kafka import KafkaAdmin

    admin = KafkaAdmin(settings)
    try:
        await admin.delete(names)
    finally:
        await admin.close()
