"""`liqstorm engine`: the engines of some of the partitions of a run on Kafka; several such processes share them."""

import asyncio
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from stream_engine.cli.connection import answered, connect, run_of, with_kafka
from stream_engine.cli.errors import UserError
from stream_engine.cli.options import with_loop

if TYPE_CHECKING:
    from collections.abc import Collection

    from stream_engine.host import Host, PartitionStatus
    from stream_engine.transport.kafka import KafkaSettings

# A signal is heard, and the line renewed, this often.
NAP_S = 0.05
ALL = "all"


class Partitions(click.ParamType["frozenset[int] | None"]):
    """`all` (None), or numbers of partitions."""

    name = "partitions"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[int] | None:
        """The numbers."""
        if value == ALL or isinstance(value, frozenset):
            return None if value == ALL else value
        words = str(value).split(",")
        if not all(word.isdecimal() for word in words):
            self.fail(f"{value!r} is neither all nor numbers of partitions, such as 1,2.", param, ctx)
        return frozenset(map(int, words))


@click.command()
@with_kafka
@click.option(
    "--follow",
    type=Partitions(),
    default=frozenset(),
    metavar="all|1,2",
    help="Follow the journals of these partitions where they are another's: a take-over starts warm, and their"
    " snapshots are made here.  [default: none]",
)
@with_loop
def command(
    bootstrap: str, prefix: str, kafka: tuple[str, ...], follow: frozenset[int] | None, loop: str | None
) -> None:
    """Run the exchange: take what is on the intake topics, publish what follows from it, exactly once.

    Start as many as there are partitions, or fewer: they share the partitions, and who stops or dies is taken over from
    within seconds. It runs until it is told to stop (Ctrl-C, SIGTERM), then ends its cycle and hands over. What cannot
    be got going again ends it with the cause.
    """
    from stream_engine.cli.show import can_draw
    from stream_engine.cli.status_line import CLEAR
    from stream_engine.cli.stopping import loop_factory
    from stream_engine.host import PartitionFailed

    handler = logging.StreamHandler()
    handler.setFormatter(
        logging.Formatter(f"{CLEAR}%(asctime)s %(levelname)s %(message)s") if can_draw(sys.stderr) else _AsJson()
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("stream_engine").setLevel(logging.INFO)
    with answered(), asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        try:
            runner.run(_run(connect(bootstrap, kafka), prefix, follow))
        except PartitionFailed as error:
            raise UserError(str(error)) from error


async def _run(settings: "KafkaSettings", prefix: str, follow: frozenset[int] | None) -> None:
    from stream_engine.cli.status_line import StatusLine
    from stream_engine.cli.stopping import interruption
    from stream_engine.cli.topic_rules import partitions_there

    partitions = await partitions_there(settings, prefix)
    if follow and (missing := sorted(number for number in follow if number >= partitions)):
        raise UserError(f"there is no partition {missing[0]} to follow: the topics have {partitions}.")
    host = host_of(settings, prefix, run_of(prefix), range(partitions) if follow is None else follow)
    line = StatusLine()
    with interruption() as stop:
        running = asyncio.ensure_future(host.run())
        before: tuple[float, int] | None = None
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=NAP_S)
                if stop():
                    host.stop()
                if line.due and not running.done():
                    now_s, commits = asyncio.get_running_loop().time(), sum(each.commits for each in host.status())
                    pace = 0.0 if before is None else (commits - before[1]) / (now_s - before[0])
                    before = now_s, commits
                    line.say(**_facts(host.status(), pace))
            running.result()
        finally:
            line.end()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def host_of(settings: "KafkaSettings", prefix: str, run_id: str, follow: "Collection[int]" = ()) -> "Host":
    """A host of engines on Kafka, one of those that share the partitions of the prefix."""
    from stream_engine.host import Host
    from stream_engine.messages.topics import Topic
    from stream_engine.transport.kafka import KafkaLog, KafkaMembers

    members = KafkaMembers(settings, f"{prefix}engine-members", prefix + Topic.CONTROL.value)
    return Host(lambda: KafkaLog(settings), members, prefix, run_id, follow)


class _AsJson(logging.Formatter):
    """A line of the log among the lines of the status: JSON like those."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level and message, and the trace where there is one."""
        said = {"at": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()}
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said)


def _facts(partitions: "list[PartitionStatus]", pace: float) -> dict[str, object]:
    """How it goes, in a few words on a terminal, in full for a program."""
    from stream_engine.cli.show import can_draw
    from stream_engine.host import Role

    if can_draw(sys.stderr):
        owned = [each for each in partitions if each.role is Role.OWNER]
        followed = [each.partition for each in partitions if each.role is Role.STANDBY]
        facts: dict[str, object] = {
            "partitions": _numbers([each.partition for each in owned]),
            "taken": sum(each.taken for each in owned),
            "commits/s": f"{pace:.0f}",
            "lag": sum(sum(each.lag.values()) for each in owned),
            "unsaved": sum(each.unsaved.records for each in owned),
        }
        if followed:
            facts["following"] = _numbers(followed)
        if troubles := [each.error for each in partitions if each.error]:
            facts["trouble"] = troubles[0]
        return facts
    return {"partitions": [_in_full(each) for each in partitions], "commits_per_s": round(pace, 1)}


def _in_full(status: "PartitionStatus") -> dict[str, object]:
    import msgspec

    said: dict[str, object] = msgspec.to_builtins(status)
    return said


def _numbers(partitions: list[int]) -> str:
    return ",".join(map(str, partitions)) or "none"
