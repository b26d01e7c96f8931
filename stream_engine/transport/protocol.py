"""Log: what carries the records between participants, engine and monitors. Embedded in the process, or Kafka.

A log has topics, a topic has partitions, a partition is a sequence of records with rising offsets (not always without
gaps: a broker numbers its own marks too). Readers hold their positions themselves.

Holds     records of one partition are read in the order in which they were appended, by everybody, unchanged;
          a commit is seen whole, records and offsets, or not at all;
          whoever takes a writer's name anew ends the former writer.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from stream_engine.messages.topics import Topic

TopicPartition = tuple[str, int]
Positions = Mapping[TopicPartition, int]
Headers = tuple[tuple[str, bytes], ...]


class LogError(Exception):
    """The log cannot do what was asked; it is as it was before."""


class UnknownPartition(LogError):
    """There is no such topic, or it has fewer partitions."""


class OutOfRange(LogError):
    """A position that is no longer kept, or past the end: someone trimmed, or made the topic anew."""


class Fenced(LogError):
    """Another writer has taken this one's name: stop, and do not try again under it."""


class TooLarge(LogError):
    """A record is larger than the log takes."""


class Unreachable(LogError):
    """Nobody answers where the log should be, or not in time, or not to us; the text says which, and what to do."""


class Outgoing(Struct, frozen=True, gc=False):
    """A record to be appended. `timestamp_us` is event time; a log may keep whole milliseconds of it."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    timestamp_us: int
    headers: Headers = ()


class Record(Struct, frozen=True, gc=False):
    """A record as it is read."""

    topic: str
    partition: int
    offset: int
    timestamp_us: int
    key: bytes
    value: bytes
    headers: Headers


def headers(topic: Topic, run_id: str) -> Headers:
    """The headers of every record: what its value is, and of which run."""
    return (("schema", f"{topic.value}/1".encode()), ("run_id", run_id.encode()))


def dead_letter_headers(record: Record, why: str, run_id: str) -> Headers:
    """The headers of a dead letter: why the record could not be taken, and where it lies."""
    return (
        *headers(Topic.DEADLETTERS, run_id),
        ("reason", why.encode()),
        ("topic", record.topic.encode()),
        ("partition", b"%d" % record.partition),
        ("offset", b"%d" % record.offset),
    )


class Writer(Protocol):
    """Writes under a name that only one can hold."""

    async def commit(self, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        """Append the records and set the group's offsets (the next to be read), all or nothing; may raise Fenced.

        After any other error the outcome may be unknown: read it from the log, under a new writer of the same name.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds open; the name stays with it until somebody else takes it."""
        ...


class Log(Protocol):
    """The transport."""

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append records, in their order within each partition; they are kept when this returns."""
        ...

    async def writer(self, name: str) -> Writer:
        """Take the name: from now on its former holder is fenced, and what it committed can be read."""
        ...

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> dict[TopicPartition, list[Record]]:
        """At most `limit` committed records of each partition from its position on; nothing new: no entry.

        Where there is nothing new at all it waits for something, for `wait_s` at most. It may find less than there is.
        """
        ...

    async def committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The group's offsets, of those partitions that have one."""
        ...

    async def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset before which each partition keeps nothing: what lay there was trimmed."""
        ...

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that the next committed record of each partition will have, or a later one."""
        ...

    async def heads(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset behind the last record of each partition, committed or not: what one partition shows of a commit
        lies before these on all the others, also where they do not show it yet."""
        ...

    async def close(self) -> None:
        """Let go of what it holds open. Its writers are closed by whoever took them."""
        ...


class Members(Protocol):
    """Membership of those who share the partitions: for liveness alone; what is safe is the affair of the writers."""

    async def start(self) -> None:
        """Become a member."""
        ...

    async def changed(self) -> frozenset[int]:
        """Wait for the next assignment: the partitions that are this member's now, kept ones among them."""
        ...

    async def close(self) -> None:
        """Leave; what was this member's can be given to others at once. One may start again."""
        ...
