"""Live: the monitors of every venue of a log, while engines write to it.

Venues    are learned from the maps on `control`: each has its board, and its alerts go where it lives. Where `control`
          was trimmed, maps and all, a venue lives where its events are.
Begin     at what the log still keeps. A restart sees everything again and finds the same; what already stands on
          `alerts` is not published again (an alert is known by its id, its state and the input that it follows).
Unread    a record of an event topic that is no event goes to `deadletters`, with where it came from and why, and the
          monitors go on; once, however often it is met.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress

import msgspec

from consumers.board import Board
from consumers.monitor import Finding
from consumers.runner import Feed, MonitorRunner, Part, Unreadable
from stream_engine.messages.codec import NotAMessage, decode_input
from stream_engine.messages.inputs import MapVenue
from stream_engine.messages.topics import OUTPUT, Topic
from stream_engine.transport.protocol import Log, Outgoing, Record, dead_letter_headers

# Of a record that nobody can read, so much is kept: a dead letter must fit its topic whatever it holds.
KEPT_BYTES = 64 * 1024
MAX_REASON = 200

_MAP = b'"MapVenue"'
_findings = msgspec.json.Decoder(Finding)


class Watch:
    """Follows a log, and says on it what the monitors find.

    boards     of each venue, in the order of their maps.      events, alerts, dead_letters   so far.
    """

    def __init__(
        self,
        log: Log,
        partitions: int,
        prefix: str = "",
        telling: Collection[str] | None = None,
        told: Callable[[Sequence[Finding]], None] = lambda findings: None,
    ) -> None:
        """`telling`: the monitors whose findings are published; None: all.  `told` is given those published anew."""
        self.boards: dict[str, Board] = {}
        self.events = self.alerts = self.dead_letters = 0
        self._log = log
        self._prefix = prefix
        self._partitions = range(partitions)
        self._telling = telling
        self._told = told
        self._homes: dict[str, int] = {}
        self._runners: dict[str, MonitorRunner] = {}
        self._feed: Feed | None = None
        self._maps_are_gone = False
        self._latest: dict[bytes, Record] = {}  # by key, where there are no maps
        self._control = prefix + Topic.CONTROL.value
        self._graveyard = prefix + Topic.DEADLETTERS.value
        self._published: set[tuple[str, str, int]] = set()
        self._buried: set[tuple[bytes, bytes, bytes]] = set()

    async def begin(self) -> None:
        """Learn what has been published before; then stand at the oldest events kept."""
        past = await self._from_the_start([Topic.ALERTS, Topic.DEADLETTERS])
        more = True
        while more:
            part = await past.look()
            for record in part.records:
                self._learn(record)
            more = past.behind or bool(part.records)
        starts = await self._log.starts([(self._control, number) for number in self._partitions])
        self._maps_are_gone = any(starts.values())
        self._feed = await self._from_the_start([Topic.CONTROL, *OUTPUT])

    async def _from_the_start(self, topics: Sequence[Topic]) -> Feed:
        at = [(self._prefix + topic.value, number) for topic in topics for number in self._partitions]
        return Feed(self._log, topics, self._partitions, self._prefix, await self._log.starts(at))

    async def look(self, wait_s: float) -> int:
        """Take what is new, and publish what follows from it; how many events there were."""
        assert self._feed is not None, "begin first"
        part = await self._feed.look(wait_s)
        self._map(part.records)
        found = list(self._findings(part))
        out = [alert for _, alert in found] + [
            self._dead_letter(each) for each in part.unreadable if self._is_new(each)
        ]
        if out:
            await self._log.append(out)
        self.events += len(part.events)
        self.alerts += len(found)
        self.dead_letters += len(out) - len(found)
        if found:
            self._told([finding for finding, _ in found])
        return len(part.events)

    async def lag(self) -> int:
        """How many records wait to be read, about."""
        assert self._feed is not None, "begin first"
        return await self._feed.lag()

    def _map(self, records: Sequence[Record]) -> None:
        """Learn of venues; the map of one stands on every partition."""
        for record in records:
            if record.topic != self._control or _MAP not in record.value[:64]:
                continue
            try:
                received = decode_input(record.value)
            except NotAMessage:
                continue  # the engine's to bury
            if isinstance(received, MapVenue) and received.venue not in self.boards:
                self._open(received.venue, received.partition, record)
        if self._maps_are_gone:
            self._latest.update((record.key, record) for record in records if record.topic != self._control)

    def _open(self, venue: str, home: int, record: Record) -> MonitorRunner:
        run_id = dict(record.headers).get("run_id", b"").decode(errors="replace")
        self.boards[venue] = board = Board(venue, self._telling)
        self._homes[venue] = home
        self._runners[venue] = runner = MonitorRunner([board], self._homes, self._prefix, run_id)
        return runner

    def _findings(self, part: Part) -> Iterable[tuple[Finding, Outgoing]]:
        for event in part.events:
            runner = self._runners.get(event.venue)
            if runner is None:
                record = self._latest.get(event.venue.encode())
                if record is None:
                    continue
                runner = self._open(event.venue, record.partition, record)
            for finding in runner.findings([event]):
                key = _key(finding)
                if key not in self._published:
                    self._published.add(key)
                    yield finding, runner.alert(finding)

    def _learn(self, record: Record) -> None:
        if record.topic == self._graveyard:
            self._buried.add(_origin(record))
            return
        with suppress(msgspec.DecodeError):  # somebody else's
            self._published.add(_key(_findings.decode(record.value)))

    def _is_new(self, unreadable: Unreadable) -> bool:
        record = unreadable.record
        return (record.topic.encode(), b"%d" % record.partition, b"%d" % record.offset) not in self._buried

    def _dead_letter(self, unreadable: Unreadable) -> Outgoing:
        record = unreadable.record
        origin = dead_letter_headers(record, f"no event: {unreadable.why}"[:MAX_REASON], "")
        value = record.value
        if len(value) > KEPT_BYTES:
            origin = (*origin, ("length", b"%d" % len(value)))
            value = value[:KEPT_BYTES]
        return Outgoing(self._graveyard, record.partition, record.key, value, record.timestamp_us, origin)


def _key(finding: Finding) -> tuple[str, str, int]:
    return finding.id, finding.state.value, finding.seq


def _origin(record: Record) -> tuple[bytes, bytes, bytes]:
    told = dict(record.headers)
    return told.get("topic", b""), told.get("partition", b""), told.get("offset", b"")
