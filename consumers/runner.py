"""Runner: reads the topics, decodes each event once, asks the monitors, and makes alerts of what they find.

Holds     monitors are given the events in the order of `(ts_us, venue, seq, n)`, over all topics, as far as they are
          read together; the monitors of one event are asked in the order of their names.
Reading   `Reader` where nobody writes meanwhile: each time to the end. `Feed` where somebody does: a part at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from consumers.monitor import Finding, Monitor
from stream_engine.messages.codec import NotAMessage, decode_event
from stream_engine.messages.events import AnyEvent, Event
from stream_engine.messages.topics import EVENT_TOPIC, OUTPUT, Topic
from stream_engine.transport.protocol import Log, Outgoing, Record, TopicPartition, headers

READ_AT_ONCE = 4_096
MOST_HELD = 8_192
MOST_READ = 65_536


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
        found: dict[TopicPartition, list[Record]] = {}
        ends = await self._log.ends(self.positions)
        while behind := {at: position for at, position in self.positions.items() if position < ends[at]}:
            new = await self._log.read(behind, READ_AT_ONCE)
            if not new:  # the ends may lie past the last records
                break
            for at, records in new.items():
                found.setdefault(at, []).extend(records)
                self.positions[at] = records[-1].offset + 1
        return [record for at in self.positions for record in found.get(at, ())]

    def events(self, records: Iterable[Record]) -> list[AnyEvent]:
        """The events among the records, each decoded once, in the order of `(ts_us, venue, seq, n)`."""
        events = [decode_event(record.value) for record in records if record.topic in self._of_events]
        events.sort(key=lambda event: (event.ts_us, event.venue, event.seq, event.n))
        return events


class Unreadable(Struct):
    """A record of an event topic that is no event, and why."""

    record: Record
    why: str


class Part(Struct):
    """What one look at a feed gave: the records as they came, and the events that are in order by now."""

    records: list[Record] = []
    events: list[AnyEvent] = []
    unreadable: list[Unreadable] = []


class _Mark(Struct):
    """Events of a partition in hand: the last seq of each venue, and the heads of its topics after they were read."""

    seqs: dict[str, int]
    heads: dict[TopicPartition, int]


class Feed:
    """Follows topics while others write to them, from their beginning on or from `positions`.

    Order     A commit is seen on one topic a moment before another, though never after a later commit. So an event is
              given out only once all topics of its partition show what had been written to them when it was read,
              committed by then or not, and have been read so far, or, while there is more than fits one look, past it;
              and with it whatever was read since that comes before it. `late` counts what came too late still.
    Bound     A topic with MOST_HELD events in hand is not read on until the others have come as far.
    """

    def __init__(
        self,
        log: Log,
        topics: Sequence[Topic],
        partitions: Sequence[int],
        prefix: str = "",
        positions: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        self.positions: dict[TopicPartition, int] = {
            (prefix + topic.value, partition): 0 for topic in topics for partition in partitions
        }
        self.positions.update(positions or {})
        self.behind = False  # whether the last look left something unread
        self.late = 0
        self._log = log
        self._partitions = partitions
        self._held: dict[TopicPartition, list[AnyEvent]] = {
            (prefix + topic.value, partition): [] for topic in topics if topic in OUTPUT for partition in partitions
        }
        self._seen: dict[tuple[TopicPartition, str], int] = {}  # the last seq of a venue on a topic
        self._given: dict[str, tuple[int, int]] = {}  # the last event of a venue that was given out
        self._emptied: dict[TopicPartition, int] = {}  # the end before which nothing more was found
        self._marks: dict[int, _Mark] = {}  # of each partition with events that wait
        self._most = MOST_HELD

    @property
    def holds(self) -> bool:
        """Whether events are in hand that wait for the next look."""
        return any(self._held.values())

    async def look(self, wait_s: float = 0.0) -> Part:
        """The next part; where there is nothing to tell, it waits for something new, for `wait_s` at most."""
        part = Part()
        stuck = bool(self._marks)  # on a commit that not all topics show
        await self._mark()
        if wait_s and (stuck or not self.holds) and not self.behind:
            self._take(part, await self._log.read(self.positions, READ_AT_ONCE, wait_s))
        ends = await self._log.ends(self.positions)
        while len(part.records) < MOST_READ:
            wanted = [at for at in self._unread(ends) if len(self._held.get(at, ())) < self._most]
            found = await self._log.read({at: self.positions[at] for at in wanted}, READ_AT_ONCE) if wanted else {}
            self._take(part, found)
            if not found:
                self._emptied.update({at: ends[at] for at in wanted})
                break
        unread = [at for at in self._unread(ends) if at in self._held and await self._has_more(at, ends[at])]
        self.behind = bool(self._unread(ends))
        part.events = self._give_out(self._bounds(ends, unread))
        self._most = MOST_HELD if part.events or not unread else 2 * self._most
        return part

    async def lag(self) -> int:
        """How many records there are that were not read yet, about: a broker's own marks may be among them."""
        ends = await self._log.ends(self.positions)
        return sum(ends[at] - self.positions[at] for at in self._unread(ends))

    def _take(self, part: Part, found: Mapping[TopicPartition, Sequence[Record]]) -> None:
        for at, records in found.items():
            part.records += records
            self.positions[at] = records[-1].offset + 1
            held = self._held.get(at)
            if held is None:
                continue
            for record in records:
                try:
                    event = decode_event(record.value)
                except NotAMessage as error:
                    part.unreadable.append(Unreadable(record, str(error)))
                    continue
                held.append(event)
                self._seen[at, event.venue] = event.seq

    def _unread(self, ends: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        """Where there may be more before these ends."""
        return [
            at for at, position in self.positions.items() if position < ends[at] and self._emptied.get(at, 0) < ends[at]
        ]

    async def _has_more(self, at: TopicPartition, end: int) -> bool:
        """Whether there is more on a topic before its end, which may lie past its last record."""
        if await self._log.read({at: self.positions[at]}, 1):
            return True
        self._emptied[at] = end
        return False

    async def _mark(self) -> None:
        """Where events are in hand: up to which seq of each venue, and what had been written to the topics by then."""
        last: dict[int, dict[str, int]] = {}
        for (_, partition), events in self._held.items():
            if partition not in self._marks:
                for event in events:
                    seqs = last.setdefault(partition, {})
                    seqs[event.venue] = max(seqs.get(event.venue, -1), event.seq)
        if last:
            heads = await self._log.heads([at for at in self._held if at[1] in last])
            for partition, seqs in last.items():
                self._marks[partition] = _Mark(seqs, {at: head for at, head in heads.items() if at[1] == partition})

    def _bounds(
        self, ends: Mapping[TopicPartition, int], unread: Iterable[TopicPartition]
    ) -> dict[tuple[int, str], int]:
        """Of each venue on a partition, up to which seq its events are in order: up to the last before its mark, once
        all topics show what lay before it; where topics have more to read, before the last that was read of each."""
        shown = [
            partition
            for partition, mark in self._marks.items()
            if all(ends[at] >= head for at, head in mark.heads.items())
        ]
        bounds: dict[tuple[int, str], int] = {}
        for partition in shown:
            bounds.update(((partition, venue), seq) for venue, seq in self._marks.pop(partition).seqs.items())
        for at in unread:
            for partition, venue in bounds:
                if partition == at[1]:
                    bounds[partition, venue] = min(bounds[partition, venue], self._seen.get((at, venue), 0) - 1)
        return bounds

    def _give_out(self, bounds: Mapping[tuple[int, str], int]) -> list[AnyEvent]:
        """The events in hand up to these bounds, in their order."""
        given: list[AnyEvent] = []
        for at, events in self._held.items():
            kept: list[AnyEvent] = []
            for event in events:
                (given if event.seq <= bounds.get((at[1], event.venue), -1) else kept).append(event)
            self._held[at] = kept
        given.sort(key=lambda event: (event.ts_us, event.venue, event.seq, event.n))
        last = self._given
        for event in given:
            place = (event.seq, event.n)
            if place <= last.get(event.venue, (-1, -1)):
                self.late += 1
            else:
                last[event.venue] = place
        return given


class MonitorRunner:
    """Gives events to the monitors that listen to their topic."""

    def __init__(
        self, monitors: Iterable[Monitor], homes: Mapping[str, int], prefix: str = "", run_id: str = ""
    ) -> None:
        self._in_order = sorted(monitors, key=lambda monitor: monitor.name)
        self._listeners: dict[tuple[type[Event], str], list[Monitor]] = {}
        self._homes = homes
        self._topic = prefix + Topic.ALERTS.value
        self._headers = headers(Topic.ALERTS, run_id)

    def observe(self, events: Iterable[AnyEvent]) -> list[Outgoing]:
        """The alerts that follow from the events, in their order, each on the partition of its venue."""
        return [self.alert(finding) for finding in self.findings(events)]

    def findings(self, events: Iterable[AnyEvent]) -> Iterator[Finding]:
        """What the monitors find in the events, in their order."""
        for event in events:
            listeners = self._listeners.get((type(event), event.venue))
            if listeners is None:
                listeners = self._listening(event)
            for monitor in listeners:
                yield from monitor.observe(event)

    def _listening(self, event: AnyEvent) -> list[Monitor]:
        """Whom events of this type and venue concern, kept for the next one."""
        kind, topic = type(event), EVENT_TOPIC[type(event)]
        concerned = [
            monitor for monitor in self._in_order if topic in monitor.topics and monitor.venue in (None, event.venue)
        ]
        self._listeners[kind, event.venue] = concerned
        return concerned

    def alert(self, finding: Finding) -> Outgoing:
        """A finding as a record."""
        return Outgoing(
            self._topic,
            self._homes[finding.venue],
            finding.venue.encode(),
            msgspec.json.encode(finding),
            finding.ts_us,
            self._headers,
        )
