"""Topic rules: how the topics of a prefix must be, and what is wrong with those that are there.

All      the same number of partitions; kept for ever (events of 2025 would expire at once); the time of a record is
         event time, however far from the broker's clock (an output that is refused would stop its partition).
Intake   stored uncompressed: the broker unpacks what comes in compressed, and refuses what is larger than the topic
         takes, so that no small record grows large in whoever reads it. Batches of 256 KiB fit.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from stream_engine.cli.errors import UserError
from stream_engine.messages.topics import INTAKE, Topic
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings

FOR_EVER = "-1"
MOST_MS = str(2**63 - 1)
BATCH_BYTES = str(384 * 1024)
RECORD_BYTES = str(1_048_588)

_KEPT = {
    "cleanup.policy": "delete",
    "retention.ms": FOR_EVER,
    "retention.bytes": FOR_EVER,
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": MOST_MS,
    "message.timestamp.after.max.ms": MOST_MS,
    # A mark has the broker's time: beside a record of 2025 it would begin a new segment.
    "segment.ms": MOST_MS,
}


class Complaint(NamedTuple):
    """What is wrong with a topic, and what to do."""

    topic: str
    what: str
    fix: str


def settings_of(topic: Topic) -> dict[str, str]:
    """The settings that a topic must have."""
    if topic in INTAKE:
        return _KEPT | {"compression.type": "uncompressed", "max.message.bytes": BATCH_BYTES}
    return _KEPT | {"compression.type": "producer", "max.message.bytes": RECORD_BYTES}


def named(prefix: str) -> dict[str, Topic]:
    """Every topic by its name with the prefix."""
    return {prefix + topic.value: topic for topic in Topic}


def options(bootstrap: str, prefix: str) -> str:
    """How a command is told which topics are meant."""
    return f"--bootstrap {bootstrap}" + (f" --prefix {prefix}" if prefix else "")


def complaints(
    partitions: Mapping[str, int], settings: Mapping[str, Mapping[str, str]], bootstrap: str, prefix: str
) -> list[Complaint]:
    """What is wrong with the topics of a prefix, by how many partitions each has and by its settings."""
    where = options(bootstrap, prefix)
    # What most of them have is meant.
    usual = Counter(partitions.values()).most_common(1)[0][0] if partitions else 0
    found = []
    for name, topic in named(prefix).items():
        if name not in partitions:
            found.append(Complaint(name, "is missing", f"liqstorm topics create {where} --partitions {usual or 4}"))
            continue
        if partitions[name] != usual:
            fix = f"liqstorm topics clean {where}, then create: what they hold is lost; or choose another --prefix"
            found.append(Complaint(name, f"has {partitions[name]} partitions, most have {usual}", fix))
        for key, value in settings_of(topic).items():
            there = settings.get(name, {}).get(key)
            if there != value:
                fix = (
                    f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {name}"
                    f" --add-config {key}={value}"
                )
                found.append(Complaint(name, f"has {key}={there}, and must have {value}", fix))
    return found


async def partitions_there(settings: KafkaSettings, prefix: str, topics: Sequence[Topic] = tuple(Topic)) -> int:
    """How many partitions the topics of the prefix have; UserError where one is missing, or has others."""
    names = [prefix + topic.value for topic in topics]
    admin = KafkaAdmin(settings)
    try:
        partitions = await admin.partitions(names)
    finally:
        await admin.close()
    missing = [name for name in names if name not in partitions]
    if missing:
        raise UserError(
            f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} not there. Make the topics with"
            f" `liqstorm topics create {options(settings.bootstrap, prefix)}`."
        )
    if len(set(partitions.values())) > 1:
        least, most = min(names, key=partitions.__getitem__), max(names, key=partitions.__getitem__)
        raise UserError(
            f"the topics differ in their number of partitions: {least} has {partitions[least]}, {most}"
            f" {partitions[most]}. Make them anew with `liqstorm topics clean {options(settings.bootstrap, prefix)}`"
            " and `create`, or choose another --prefix."
        )
    return partitions[names[0]]


async def free_topics(settings: KafkaSettings, prefix: str, partitions: int) -> int:
    """How many partitions the topics have; UserError unless there are so many at least, and they hold no run yet."""
    there = await partitions_there(settings, prefix)
    if there < partitions:
        raise UserError(
            f"{partitions} partitions are needed, the topics have {there}. Make others with"
            f" `liqstorm topics create --partitions {partitions} --prefix ...`."
        )
    log = KafkaLog(settings)
    try:
        ends = await log.ends((prefix + topic.value, number) for topic in INTAKE for number in range(there))
    finally:
        await log.close()
    if any(ends.values()):
        raise UserError(
            f"the topics{' ' + prefix + '*' if prefix else ''} hold a run already, and a log cannot be un-sent. Choose"
            " another --prefix, or empty them with `liqstorm topics clean` and `create`."
        )
    return there


def _listed(names: Sequence[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more topics"
    return " and ".join(names)
