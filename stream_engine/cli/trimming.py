"""Trimming: what no engine needs any more: journal, intake and snapshots before the second newest snapshot.

An engine resumes from the newest snapshot; should that one be unusable, from the one before. A partition that does not
have two keeps everything.
"""

from typing import NamedTuple

from stream_engine.cli.topic_rules import partitions_there
from stream_engine.messages.topics import INTAKE, Topic
from stream_engine.snapshots import Snapshot, newest
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Log, TopicPartition


class Cut(NamedTuple):
    """Of one partition of a topic: what goes lies from `start` on and before `before`; it ends at `end`."""

    at: TopicPartition
    start: int
    before: int
    end: int


async def plan_and_trim(settings: KafkaSettings, prefix: str, really: bool) -> tuple[list[str], bool]:
    """What goes from each topic, in lines, and whether anything does; and let go of it, if `really`."""
    partitions = await partitions_there(settings, prefix)
    log, admin = KafkaLog(settings), KafkaAdmin(settings)
    lines, cuts = [], []
    try:
        for partition in range(partitions):
            found = await cuts_of(log, prefix, partition)
            cuts += found
            if not found:
                lines.append(f"partition {partition}: nothing goes, it has no two snapshots")
            lines += [_line(cut) for cut in found]
        before = {cut.at: cut.before for cut in cuts if cut.before > cut.start}
        if really:
            await admin.trim(before)
    finally:
        await log.close()
        await admin.close()
    return lines, bool(before)


async def cuts_of(log: Log, prefix: str, partition: int) -> list[Cut]:
    """What of a partition no engine needs; nothing where there are no two snapshots."""
    snapshots = newest(log, (prefix + Topic.SNAPSHOTS.value, partition))
    found: list[Snapshot] = []
    async for snapshot in snapshots:
        found.append(snapshot)
        if len(found) == 2:
            break
    if len(found) < 2:
        return []
    second = found[1]
    before: dict[TopicPartition, int] = {
        (prefix + Topic.JOURNAL.value, partition): second.standing.offset,
        (prefix + Topic.SNAPSHOTS.value, partition): second.first,
    }
    for topic in INTAKE:
        before[prefix + topic.value, partition] = second.standing.lanes[topic.value][0]
    starts, ends = await log.starts(before), await log.ends(before)
    return [Cut(at, starts[at], offset, ends[at]) for at, offset in before.items()]


def _line(cut: Cut) -> str:
    name, number = cut.at
    goes = f"{cut.before - cut.start:,} of {cut.end - cut.start:,} offsets" if cut.before > cut.start else "nothing"
    return f"partition {number}: of {name} goes {goes}"
