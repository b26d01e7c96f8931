"""Patience: a log that waits while nobody answers, for those who had better wait than end.

Waits     what raised Unreachable is asked again after a pause, until it is answered, somebody says stop, or for
          GIVES_UP_AFTER_S; then the error goes on to whoever asked.
Repeats   an append that was not answered may have been done in part, and is then done again: inputs and alerts bear
          that, since each says by its own id whether it came before. What must be there once goes through a writer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from stream_engine.transport.protocol import Log, Outgoing, Positions, Record, TopicPartition, Unreachable, Writer

Answer = TypeVar("Answer")

PAUSE_S = 0.5
GIVES_UP_AFTER_S = 300.0


class PatientLog:
    """Another log, asked again until it answers. `waits` is told, each time, for how long and why."""

    def __init__(
        self, log: Log, stop: Callable[[], bool], waits: Callable[[float, Unreachable], None] = lambda s, why: None
    ) -> None:
        self._log = log
        self._stop = stop
        self._waits = waits

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append records; a part of them twice, maybe, where the log went away meanwhile."""
        await self._ask(lambda: self._log.append(records))

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

    async def close(self) -> None:
        """Close the log."""
        await self._log.close()

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
