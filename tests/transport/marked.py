"""A log whose offsets have gaps, as a broker's have that numbers its own marks: one follows every batch.

Holds     nobody reads a mark; the end of a partition lies past its last record.
"""

from collections.abc import Sequence

from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Outgoing, Positions, Record, TopicPartition

MARK = (("mark", b""),)


class MarkedLog(MemoryLog):
    """The embedded log, with marks."""

    def _find(self, positions: Positions, limit: int) -> dict[TopicPartition, list[Record]]:
        found = super()._find(positions, 10**9)
        unmarked = {at: [record for record in records if record.headers != MARK] for at, records in found.items()}
        return {at: records[:limit] for at, records in unmarked.items() if records}

    def _append(self, records: Sequence[Outgoing]) -> None:
        super()._append(records)
        touched = dict.fromkeys((record.topic, record.partition) for record in records)
        super()._append([Outgoing(*at, b"", b"", 0, MARK) for at in touched])
