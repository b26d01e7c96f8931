"""Engine: the shell round the exchanges of one partition: read, sequence, apply, publish, journal, resume.

Sequence  the records of one intake topic never overtake each other; between the heads of the four, the earlier `ts_us`
          goes first, at equal times control < shocks < quotes < orders. A value that is no input of its topic takes the
          time of the input before it there (0: there is none).
Apply     each input goes to the exchange of its venue, which is made at the venue's first control input. What cannot be
          taken (too large, no input, on the wrong topic or partition, of a venue that no control input has named yet)
          goes to the dead letters, and the engine goes on.
Publish   one commit holds the journal record, the events, the dead letters and the intake offsets of a cycle.
Resume    the journal is applied again; intake is read on from where it ends.
Holds     the same journal gives the same events, byte for byte. A commit that failed, or an exchange that raised, stops
          this engine for good: a new one resumes from what the log really holds.
Bounds    a cycle ends before its journal record would pass 512 KiB, or once it has made 50,000 records.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from stream_engine import journal
from stream_engine.core.exchange import Exchange
from stream_engine.journal import Batch, Chain, Draft, JournalError, Oversize
from stream_engine.messages.codec import NotAMessage, decode_input, encode
from stream_engine.messages.events import Event
from stream_engine.messages.inputs import AnyInput, MapVenue
from stream_engine.messages.topics import EVENT_TOPIC, INPUT_TOPIC, INTAKE, MAX_INPUT_BYTES, Topic
from stream_engine.transport.protocol import Headers, Log, Outgoing, Record, TopicPartition, Writer, headers

READ_AT_ONCE = 4_096
RECORDS_PER_CYCLE = 50_000
# A stamp far in the future must not hold up its topic for as long as others stay full: after so many reads it goes.
PATIENCE = 64
MAX_REASON = 200
_JOURNALS_AT_ONCE = 16
_NEVER = 2**63


class EngineStopped(Exception):
    """This engine failed before and no longer knows what the log holds: start a new one."""


class Engine:
    """Runs the venues of one partition."""

    def __init__(self, log: Log, partition: int, prefix: str = "", run_id: str = "") -> None:
        self.partition = partition
        self.group = prefix + "engine"
        self._log = log
        self._name = f"{prefix}engine-{partition}"
        self._lanes = [_Lane(topic, prefix, partition) for topic in INTAKE]
        self._journal: TopicPartition = (prefix + Topic.JOURNAL.value, partition)
        self._dead_letters = prefix + Topic.DEADLETTERS.value
        self._run_id = run_id
        self._venues = Venues(partition, prefix, run_id)
        self._chain = Chain()
        self._writer: Writer | None = None
        self._failed = False

    @property
    def exchanges(self) -> dict[str, Exchange]:
        """The exchange of each venue."""
        return self._venues.exchanges

    async def start(self) -> None:
        """Fence off any other engine of this partition; then, not before, come to where the journal ends."""
        self._failed = True
        writer = await self._log.writer(self._name)
        committed = await self._log.committed(self.group, [lane.at for lane in self._lanes])
        end = (await self._log.ends([self._journal]))[self._journal]
        position = 0
        # The end may lie past the last record: where a read finds nothing, there is nothing more.
        while position < end and (found := await self._log.read({self._journal: position}, _JOURNALS_AT_ONCE)):
            for record in found[self._journal]:
                self._resume(self._chain.open(record.value))
                position = record.offset + 1
        for lane in self._lanes:
            if committed.get(lane.at, lane.next) != lane.next:
                raise JournalError(f"{lane.at}: {committed[lane.at]} is committed, the journal ends at {lane.next}")
        self._writer = writer
        self._failed = False

    async def behind(self) -> bool:
        """Whether there is intake that is not yet taken."""
        if any(lane.waiting for lane in self._lanes):
            return True
        ends = await self._log.ends([lane.at for lane in self._lanes])
        behind = {lane.at: lane.next for lane in self._lanes if lane.next < ends[lane.at]}
        # The end may lie past the last record: only a read shows whether there is one.
        return bool(behind) and bool(await self._log.read(behind, 1))

    async def cycle(self, limit: int = READ_AT_ONCE) -> int:
        """Take what there is, `limit` records of each topic at most, in one commit; how many were taken."""
        if self._failed:
            raise EngineStopped(f"the engine of partition {self.partition} failed before")
        if self._writer is None:
            await self.start()
        assert self._writer is not None
        await self._read(limit)
        self._failed = True
        out: list[Outgoing] = []
        draft = self._take(out)
        if draft.taken:
            topic, partition = self._journal
            value = self._chain.seal(draft)
            out.append(Outgoing(topic, partition, b"", value, draft.ts_us, headers(Topic.JOURNAL, self._run_id)))
            await self._writer.commit(out, self.group, {lane.at: lane.next for lane in self._lanes if lane.next})
        self._failed = False
        return draft.taken

    async def _read(self, limit: int) -> None:
        empty = [lane for lane in self._lanes if not lane.waiting]
        found = await self._log.read({lane.at: lane.next for lane in empty}, limit)
        for lane in self._lanes:
            lane.passed_over += 1
        for lane in empty:
            lane.load(found.get(lane.at, []), limit)

    def _take(self, out: list[Outgoing]) -> Draft:
        draft = Draft()
        take, add = self._venues.take, draft.add
        for lane, (ts_us, record, received, why) in merged(self._lanes):
            # Ends only here, before the input is taken: what `merged` has handed out and not been asked on from, waits.
            if not draft.has_room(record.value) or len(out) >= RECORDS_PER_CYCLE:
                break
            if received is not None:
                why = take(received, draft.seq, out)
            if ts_us > draft.ts_us:
                draft.ts_us = ts_us
            if not why:
                add(lane.name, record.offset, record.value)
            else:
                out.append(self._bury(draft, lane, record, ts_us, received is not None, why))
        return draft

    def _bury(self, draft: Draft, lane: "_Lane", record: Record, ts_us: int, is_input: bool, why: str) -> Outgoing:
        """Note a dead letter in the draft, and make it: the value byte for byte (of an oversize one its head)."""
        value = record.value
        origin: Headers = (
            *headers(Topic.DEADLETTERS, self._run_id),
            ("reason", why.encode()),
            ("topic", record.topic.encode()),
            ("partition", b"%d" % record.partition),
            ("offset", b"%d" % record.offset),
        )
        if len(value) > lane.max_bytes:
            oversize = journal.cut(value)
            draft.add_oversize(lane.name, record.offset, oversize, why)
            origin = (*origin, ("length", b"%d" % oversize.length), ("sha256", oversize.sha256.encode()))
            value = oversize.head
        else:
            draft.add_dead(lane.name, record.offset, value, is_input, why)
        return Outgoing(self._dead_letters, self.partition, record.key, value, ts_us, origin)

    def _resume(self, batch: Batch) -> None:
        times = self._venues.again(batch, [])
        lanes = {lane.name: lane for lane in self._lanes}
        for run in batch.runs:
            lanes[run.topic].next = run.offset + len(run.values)
        for name, ts_us in times.items():
            lanes[name].ts_us = ts_us


def replay(records: Iterable[bytes], partition: int = 0, prefix: str = "", run_id: str = "") -> Iterator[Outgoing]:
    """The events that follow from the journal records of a partition, by applying its inputs again."""
    venues = Venues(partition, prefix, run_id)
    for batch in journal.read(records):
        out: list[Outgoing] = []
        venues.again(batch, out)
        yield from out


class NotTaken(ValueError):
    """A value that cannot be taken from its topic, and why."""


def reader_of(topic: Topic) -> Callable[[bytes], AnyInput]:
    """What reads the input in a record's value from this topic; it raises NotTaken. Size is looked at first."""
    max_bytes = MAX_INPUT_BYTES[topic]

    def read_input(value: bytes) -> AnyInput:
        if len(value) > max_bytes:
            raise NotTaken(f"{len(value)} bytes: {topic.value} takes {max_bytes} at most")
        try:
            received = decode_input(value)
        except NotAMessage as error:
            raise NotTaken(str(error)[:MAX_REASON]) from error
        if INPUT_TOPIC[type(received)] is not topic:
            raise NotTaken(f"{type(received).__name__} belongs on {INPUT_TOPIC[type(received)].value}")
        return received

    return read_input


def opens_a_venue(received: AnyInput) -> bool:
    """Whether a venue may begin with this input: whoever may only trade or publish prices cannot make a venue."""
    return INPUT_TOPIC[type(received)] is Topic.CONTROL


def not_open(venue: str) -> str:
    """Why an input is not taken whose venue has not begun."""
    return f"there is no venue {venue}: one begins at its first input of the topic {Topic.CONTROL.value}"


class Venues:
    """The venues of one partition: input in, records of events out. No I/O; what a journal is applied to."""

    def __init__(self, partition: int, prefix: str, run_id: str) -> None:
        self.partition = partition
        self.exchanges: dict[str, Exchange] = {}
        self._elsewhere: dict[str, int] = {}  # the venues that live on other partitions
        self._keys: dict[str, bytes] = {}
        self._read = {topic.value: reader_of(topic) for topic in INTAKE}
        self._routes: dict[type[Event], tuple[str, Headers]] = {
            event: (prefix + topic.value, headers(topic, run_id)) for event, topic in EVENT_TOPIC.items()
        }

    def take(self, received: AnyInput, first_seq: dict[str, int], out: list[Outgoing]) -> str:
        """Apply an input and append its events; "" or why it is not for this partition. Notes a venue's first seq."""
        venue = received.venue
        if type(received) is MapVenue and not self._map(received):
            return ""
        if venue in self._elsewhere:
            return f"venue {venue} lives on partition {self._elsewhere[venue]}"
        exchange = self.exchanges.get(venue)
        if exchange is None:
            if not opens_a_venue(received):
                return not_open(venue)
            exchange = self.exchanges[venue] = Exchange(venue)
            self._keys[venue] = venue.encode()
        if venue not in first_seq:
            first_seq[venue] = exchange.seq
        key, partition, routes = self._keys[venue], self.partition, self._routes
        for event in exchange.apply(received):
            topic, head = routes[type(event)]
            out.append(Outgoing(topic, partition, key, encode(event), event.ts_us, head))
        return ""

    def again(self, batch: Batch, out: list[Outgoing]) -> dict[str, int]:
        """Apply what a journal record holds; gives the time of each topic's last input.

        Raises JournalError where it comes out otherwise than it did.
        """
        first_seq: dict[str, int] = {}
        dead: list[int] = []
        times: dict[str, int] = {}
        for place, (name, _, value) in enumerate(batch.entries()):
            if isinstance(value, Oversize):
                dead.append(place)
                continue
            try:
                received = self._read[name](value)
            except NotTaken:
                dead.append(place)
                continue
            times[name] = received.ts_us
            if self.take(received, first_seq, out):
                dead.append(place)
        if first_seq != batch.seq or dead != [place for place, _ in batch.dead]:
            raise JournalError(f"journal record {batch.number}: its inputs come out otherwise than they did")
        return times

    def _map(self, received: MapVenue) -> bool:
        """Note where a venue lives; whether that is here. The map goes to every partition."""
        if received.partition == self.partition:
            self._elsewhere.pop(received.venue, None)
            return True
        self._elsewhere[received.venue] = received.partition
        return False


# (ts_us, the record, its input, or why it has none)
_Item = tuple[int, Record, AnyInput | None, str]


class _Lane:
    """One intake topic of the partition: what was read and is not yet taken.

    next      the offset to be taken next.      ts_us        the time of the last input read.
    cut       the last read found as many records as it asked for: there may be more.
    passed_over  reads since something was taken.
    """

    def __init__(self, topic: Topic, prefix: str, partition: int) -> None:
        self.topic = topic
        self.name = topic.value
        self.at: TopicPartition = (prefix + topic.value, partition)
        self.max_bytes = MAX_INPUT_BYTES[topic]
        self._read = reader_of(topic)
        self.next = 0
        self.ts_us = 0
        self.cut = False
        self.passed_over = 0
        self.items: list[_Item] = []
        self.taken = 0

    @property
    def waiting(self) -> bool:
        return self.taken < len(self.items)

    def load(self, records: Sequence[Record], limit: int) -> None:
        read, ts_us = self._read, self.ts_us
        items: list[_Item] = []
        for record in records:
            try:
                received = read(record.value)
            except NotTaken as why:
                items.append((ts_us, record, None, str(why)))
            else:
                ts_us = received.ts_us
                items.append((ts_us, record, received, ""))
        self.items, self.ts_us = items, ts_us
        self.taken = 0
        self.cut = len(records) >= limit
        self.passed_over = 0

    def key(self) -> int:
        """The time by which its head is merged."""
        return self.items[self.taken][0] if self.passed_over <= PATIENCE else -1


def merged(lanes: Sequence[_Lane]) -> Iterator[tuple[_Lane, _Item]]:
    """What waits, in the order in which it is taken, until a topic that may have more is used up.

    An item counts as taken when the next is asked for.
    """
    while live := sorted((lane.key(), rank) for rank, lane in enumerate(lanes) if lane.waiting):
        _, rank = live[0]
        lane = lanes[rank]
        # The heads of the others stand still meanwhile: from this topic goes what is earlier than all of them.
        until = min((ts_us + (rank < other) for ts_us, other in live[1:]), default=_NEVER)
        items = lane.items
        while True:
            yield lane, items[lane.taken]
            lane.next = items[lane.taken][1].offset + 1
            lane.taken += 1
            lane.passed_over = 0
            if lane.taken == len(items) or items[lane.taken][0] >= until:
                break
        if lane.cut and not lane.waiting:
            return
