"""The embedded log: the transport inside one process. One event loop, no threads, no disk.

Every topic of the vocabulary exists from the start, each with the same number of partitions; there are no others.
Offsets have no gaps. It keeps everything until it is told to `forget`: whoever owns the run knows who has read what.

Holds     a batch is checked before it is appended, and appended without giving way: nobody sees half of it.
"""

import asyncio
from collections.abc import Iterable, Sequence

from stream_engine.messages.topics import Topic
from stream_engine.transport.protocol import (
    Fenced,
    Outgoing,
    OutOfRange,
    Positions,
    Record,
    TopicPartition,
    UnknownPartition,
)


class MemoryLog:
    """A log that lives and dies with its process."""

    def __init__(self, partitions: int = 1, prefix: str = "") -> None:
        self._kept: dict[TopicPartition, list[Outgoing]] = {
            (prefix + topic.value, number): [] for topic in Topic for number in range(partitions)
        }
        self._first = dict.fromkeys(self._kept, 0)  # the offset of the oldest record kept
        self._committed: dict[str, dict[TopicPartition, int]] = {}
        self._holders: dict[str, MemoryWriter] = {}
        self._waiting: list[asyncio.Future[None]] = []  # readers who found nothing

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append records, all or nothing."""
        self._append(records)

    async def writer(self, name: str) -> "MemoryWriter":
        """Take the name; its former holder is fenced from now on."""
        self._holders[name] = MemoryWriter(self, name)
        return self._holders[name]

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> dict[TopicPartition, list[Record]]:
        """At most `limit` records of each partition from its position on; waits `wait_s` at most for a first one."""
        until = asyncio.get_running_loop().time() + wait_s
        while not (found := self._find(positions, limit)):
            left_s = until - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            grown: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(grown)
            try:
                await asyncio.wait([grown], timeout=left_s)
            finally:
                if not grown.done():
                    self._waiting.remove(grown)
        return found

    def _find(self, positions: Positions, limit: int) -> dict[TopicPartition, list[Record]]:
        found = {}
        for at, position in positions.items():
            kept = self._partition(at)
            start = position - self._first[at]
            if not 0 <= start <= len(kept):
                raise OutOfRange(f"{at}: position {position} is not between {self._first[at]} and {self._end(at)}")
            if records := kept[start : start + limit]:
                found[at] = [
                    Record(r.topic, r.partition, offset, r.timestamp_us, r.key, r.value, r.headers)
                    for offset, r in enumerate(records, position)
                ]
        return found

    async def committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The group's offsets, of those partitions that have one."""
        offsets = self._committed.get(group, {})
        return {at: offsets[at] for at in partitions if at in offsets}

    async def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset of the oldest record that each partition keeps."""
        for at in (partitions := list(partitions)):
            self._partition(at)
        return {at: self._first[at] for at in partitions}

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset that the next record of each partition will have."""
        kept, first = self._kept, self._first
        try:
            return {at: first[at] + len(kept[at]) for at in partitions}
        except KeyError as error:
            raise _unknown(error) from None

    async def heads(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """As `ends`: what is not committed is nowhere."""
        return await self.ends(partitions)

    async def close(self) -> None:
        """Nothing is held open: what is in the log stays."""

    def forget(self, before: Positions) -> None:
        """Let go of the records before these positions; reading them is out of range from now on."""
        for at, position in before.items():
            gone = min(position, self._end(at)) - self._first[at]
            if gone > 0:
                del self._kept[at][:gone]
                self._first[at] += gone

    def _commit(self, writer: "MemoryWriter", records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        if self._holders[writer.name] is not writer:
            raise Fenced(f"another writer has taken the name {writer.name}")
        for at in offsets:
            self._partition(at)
        self._append(records)
        self._committed.setdefault(group, {}).update(offsets)

    def _append(self, records: Sequence[Outgoing]) -> None:
        kept = self._kept
        try:
            targets = [kept[record.topic, record.partition] for record in records]
        except KeyError as error:
            raise _unknown(error) from None
        for target, record in zip(targets, records, strict=True):
            target.append(record)
        waiting, self._waiting = self._waiting, []
        for grown in waiting:
            if not grown.done():
                grown.set_result(None)

    def _partition(self, at: TopicPartition) -> list[Outgoing]:
        try:
            return self._kept[at]
        except KeyError as error:
            raise _unknown(error) from None

    def _end(self, at: TopicPartition) -> int:
        kept = self._partition(at)
        return self._first[at] + len(kept)


class MemoryWriter:
    """Writes to the embedded log under a name."""

    def __init__(self, log: MemoryLog, name: str) -> None:
        self.name = name
        self._log = log

    async def commit(self, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        """Append the records and set the group's offsets, all or nothing."""
        self._log._commit(self, records, group, offsets)

    async def close(self) -> None:
        """Nothing is held open."""


def _unknown(error: KeyError) -> UnknownPartition:
    return UnknownPartition(f"no such topic and partition: {error.args[0]}")
