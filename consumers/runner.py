"""Runner: reads the topics, decodes each event once, asks the monitors, and makes alerts of what they find.

Holds     monitors are given the events in the order of `(ts_us, venue, seq, n)`, over all topics, as far as they are
          read together; the monitors of one event are asked in the order of their names.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from consumers.monitor import Monitor
from stream_engine.messages.codec import decode_event
from stream_engine.messages.events import AnyEvent, Event
from stream_engine.messages.topics import EVENT_TOPIC, OUTPUT, Topic
from stream_engine.transport.protocol import Log, Outgoing, Record, TopicPartition, headers

READ_AT_ONCE = 4_096


class Reader:
    """Reads topics from their beginning on; `positions` says up to where."""

    def __init__(self, log: Log, topics: Sequence[Topic], partitions: Sequence[int], prefix: str = "") -> None:
        self._log = log
        self.positions: dict[TopicPartition, int] = {
            (prefix + topic.value, partition): 0 for topic in topics for partition in partitions
        }
        self._of_events = {prefix + topic.value for topic in OUTPUT}

    async def poll(self) -> list[Record]:
        """Everything new, in the order of topic, partition and offset."""
        found: dict[TopicPartition, list[Record]] = {at: [] for at in self.positions}
        ends = await self._log.ends(self.positions)
        while behind := {at: position for at, position in self.positions.items() if position < ends[at]}:
            new = await self._log.read(behind, READ_AT_ONCE)
            if not new:  # the ends may lie past the last records
                break
            for at, records in new.items():
                found[at] += records
                self.positions[at] = records[-1].offset + 1
        return [record for records in found.values() for record in records]

    def events(self, records: Iterable[Record]) -> list[AnyEvent]:
        """The events among the records, each decoded once, in the order of `(ts_us, venue, seq, n)`."""
        events = [decode_event(record.value) for record in records if record.topic in self._of_events]
        events.sort(key=lambda event: (event.ts_us, event.venue, event.seq, event.n))
        return events


class MonitorRunner:
    """Gives events to the monitors that listen to their topic."""

    def __init__(
        self, monitors: Iterable[Monitor], homes: Mapping[str, int], prefix: str = "", run_id: str = ""
    ) -> None:
        in_order = sorted(monitors, key=lambda monitor: monitor.name)
        self._listeners: dict[type[Event], list[Monitor]] = {
            event: [monitor for monitor in in_order if topic in monitor.topics] for event, topic in EVENT_TOPIC.items()
        }
        self._homes = homes
        self._topic = prefix + Topic.ALERTS.value
        self._headers = headers(Topic.ALERTS, run_id)

    def observe(self, events: Iterable[AnyEvent]) -> list[Outgoing]:
        """The alerts that follow from the events, in their order, each on the partition of its venue."""
        return [
            Outgoing(
                self._topic,
                self._homes[finding.venue],
                finding.venue.encode(),
                msgspec.json.encode(finding),
                finding.ts_us,
                self._headers,
            )
            for event in events
            for monitor in self._listeners[type(event)]
            for finding in monitor.observe(event)
        ]
