"""Patience: a log that waits while nobody answers, for those who had better wait than end.

Waits     what raised Unreachable is asked again after a pause, until it is answered, somebody says stop, or for
          GIVES_UP_AFTER_S; then the error goes on to whoever asked.
Once      an append that was not answered may have been done in part: what the log holds of it is not appended again.
          For that it is asked, before every append, where its partitions end.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from stream_engine.transport.protocol import Log, Outgoing, Positions, Record, TopicPartition, Unreachable, Writer

Answer = TypeVar("Answer")

PAUSE_S = 0.5
GIVES_UP_AFTER_S = 300.0
READ_AT_ONCE = 10_000


class PatientLog:
    """Another log, asked again until it answers. `waits` is told, each time, for how long and why."""

    def __init__(
        self, log: Log, stop: Callable[[], bool], waits: Callable[[float, Unreachable], None] = lambda s, why: None
    ) -> None:
        self._log = log
        self._stop = stop
        self._waits = waits

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append records, each once, wherever the log went away meanwhile."""
        before = await self.ends(dict.fromkeys((record.topic, record.partition) for record in records))
        was_tried = False

        async def append_what_is_missing() -> None:
            nonlocal was_tried
            missing = await self._missing(records, before) if was_tried else records
            was_tried = True
            await self._log.append(missing)

        await self._ask(append_what_is_missing)

    async def writer(self, name: str) -> Writer:
        """The log's own: a writer's outcome is its owner's affair."""
        return await self._ask(lambda: self._log.writer(name))

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> dict[TopicPartition, list[Record]]:
        """As the log does."""
        return await self._ask(lambda: self._log.read(positions, limit, wait_s))

    async def committed(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """As the log does."""
        asked = list(partitions)
        return await self._ask(lambda: self._log.committed(group, asked))

    async def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """As the log does."""
        asked = list(partitions)
        return await self._ask(lambda: self._log.starts(asked))

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """As the log does."""
        asked = list(partitions)
        return await self._ask(lambda: self._log.ends(asked))

    async def heads(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """As the log does."""
        asked = list(partitions)
        return await self._ask(lambda: self._log.heads(asked))

    async def close(self) -> None:
        """Close the log."""
        await self._log.close()

    async def _missing(self, records: Sequence[Outgoing], before: Positions) -> list[Outgoing]:
        """Those that are not in the log behind these positions."""
        await self._log.ends(before)
        await asyncio.sleep(PAUSE_S)  # it answers again: what was on its way to it arrives by now, or never
        found: Counter[tuple[str, int, bytes, bytes]] = Counter()
        for at, end in (await self._log.ends(before)).items():
            position = before[at]
            while position < end and (read := (await self._log.read({at: position}, READ_AT_ONCE)).get(at)):
                found.update((*at, record.key, record.value) for record in read)
                position = read[-1].offset + 1
        missing = []
        for record in records:
            identity = (record.topic, record.partition, record.key, record.value)
            if found[identity]:
                found[identity] -= 1
            else:
                missing.append(record)
        return missing

    async def _ask(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        clock = asyncio.get_running_loop().time
        began_s = clock()
        while True:
            try:
                return await ask()
            except Unreachable as error:
                waited_s = clock() - began_s
                if self._stop() or waited_s > GIVES_UP_AFTER_S:
                    raise
                self._waits(waited_s, error)
                await asyncio.sleep(PAUSE_S)
