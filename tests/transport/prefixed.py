"""A log seen through a prefix: tests that share one broker do not see each other's topics, groups and names.

It closes with it the writers that were taken through it.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from stream_engine.transport.protocol import Log, Outgoing, Positions, Record, TopicPartition, Writer


class PrefixedLog:
    """A log in which every name has the prefix, and whoever uses it does not notice."""

    def __init__(self, log: Log, prefix: str) -> None:
        self._log = log
        self._prefix = prefix
        self._writers: list[Writer] = []

    async def append(self, records: Sequence[Outgoing]) -> None:
        await self._log.append(self._named(records))

    async def writer(self, name: str) -> "PrefixedWriter":
        self._writers.append(await self._log.writer(self._prefix + name))
        return PrefixedWriter(self, self._writers[-1])

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> dict[TopicPartition, list[Record]]:
        found = await self._log.read(self._at(positions), limit, wait_s)
        return {
            self._without(at): [replace(record, topic=self._without(at)[0]) for record in records]
            for at, records in found.items()
        }

    async def committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return self._named_back(await self._log.committed(self._prefix + group, self._at(dict.fromkeys(partitions, 0))))

    async def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return self._named_back(await self._log.starts(self._at(dict.fromkeys(partitions, 0))))

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return self._named_back(await self._log.ends(self._at(dict.fromkeys(partitions, 0))))

    async def heads(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return self._named_back(await self._log.heads(self._at(dict.fromkeys(partitions, 0))))

    async def close(self) -> None:
        for writer in self._writers:
            await writer.close()
        await self._log.close()

    def _named(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        return [replace(record, topic=self._prefix + record.topic) for record in records]

    def _at(self, positions: Positions) -> dict[TopicPartition, int]:
        return {(self._prefix + topic, partition): position for (topic, partition), position in positions.items()}

    def _named_back(self, positions: Positions) -> dict[TopicPartition, int]:
        return {self._without(at): position for at, position in positions.items()}

    def _without(self, at: TopicPartition) -> TopicPartition:
        return at[0].removeprefix(self._prefix), at[1]


class PrefixedWriter:
    """A writer of such a log."""

    def __init__(self, log: PrefixedLog, writer: Writer) -> None:
        self._log = log
        self._writer = writer

    async def commit(self, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        await self._writer.commit(self._log._named(records), self._log._prefix + group, self._log._at(offsets))

    async def close(self) -> None:
        await self._writer.close()
