"""Venues: the exchanges of one partition, and what may be taken to them from which topic. No I/O.

Read      the size of a value is looked at first; then it must be an input, and one of its topic.
Map       `MapVenue` goes to every partition, and the first of a venue holds: a venue does not move, since what it has
          would stay behind and its events be numbered from 0 again. One that says otherwise is not taken, as is no
          input of a venue that lives on another partition.
Begin     an exchange is made at the venue's first control input: whoever may only trade or publish prices cannot
          make a venue.
Holds     the same journal gives the same events, byte for byte.
"""

from collections.abc import Callable

from stream_engine import journal
from stream_engine.core.exchange import Exchange
from stream_engine.core.state import state_hash
from stream_engine.journal import Batch, JournalError, Oversize
from stream_engine.messages.codec import NotAMessage, decode_input, encode
from stream_engine.messages.events import Event
from stream_engine.messages.inputs import AnyInput, MapVenue
from stream_engine.messages.topics import EVENT_TOPIC, INPUT_TOPIC, INTAKE, MAX_INPUT_BYTES, Topic
from stream_engine.transport.protocol import Headers, Outgoing, headers

MAX_REASON = 200


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


def lives_on(venue: str, partition: int) -> str:
    """Why an input is not taken whose venue is another partition's."""
    return f"venue {venue} lives on partition {partition}"


class Venues:
    """The venues of one partition: input in, records of events out. No I/O; what a journal is applied to."""

    def __init__(self, partition: int, prefix: str, run_id: str) -> None:
        self.partition = partition
        self.exchanges: dict[str, Exchange] = {}
        self.elsewhere: dict[str, int] = {}  # the venues that live on other partitions
        self._keys: dict[str, bytes] = {}
        self._read = {topic.value: reader_of(topic) for topic in INTAKE}
        self._routes: dict[type[Event], tuple[str, Headers]] = {
            event: (prefix + topic.value, headers(topic, run_id)) for event, topic in EVENT_TOPIC.items()
        }

    def take(self, received: AnyInput, first_seq: dict[str, int], out: list[Outgoing] | None) -> str:
        """Apply an input and append its events (None: nobody wants them); "" or why it is not for this partition.
        Notes a venue's first seq."""
        venue = received.venue
        if type(received) is MapVenue:
            home = self._home(received)
            if home != received.partition:
                return lives_on(venue, home)
            if home != self.partition:
                return ""
        elif venue in self.elsewhere:
            return lives_on(venue, self.elsewhere[venue])
        exchange = self.exchanges.get(venue)
        if exchange is None:
            if not opens_a_venue(received):
                return not_open(venue)
            exchange = Exchange(venue)
            self.add(exchange)
        if venue not in first_seq:
            first_seq[venue] = exchange.seq
        events = exchange.apply(received)
        if out is None:
            return ""
        key, partition, routes = self._keys[venue], self.partition, self._routes
        for event in events:
            topic, head = routes[event.__class__]
            out.append(Outgoing(topic, partition, key, encode(event), event.ts_us, head))
        return ""

    def add(self, exchange: Exchange) -> None:
        """A venue, new or as it was left."""
        self.exchanges[exchange.venue] = exchange
        self._keys[exchange.venue] = exchange.venue.encode()

    @property
    def accounts(self) -> int:
        """How many accounts its venues have together."""
        return sum(len(exchange.state.accounts) for exchange in self.exchanges.values())

    def state_hashes(self) -> dict[str, str]:
        """What every hundredth journal record carries."""
        first = sorted(self.exchanges)[: journal.MAX_STATES]
        return {venue: state_hash(self.exchanges[venue]) for venue in first}

    def again(self, batch: Batch, out: list[Outgoing] | None) -> dict[str, int]:
        """Apply what a journal record holds, as `take` does; gives the time of each topic's last input.

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
        if journal.carries_states(batch.number) and batch.state != (states := self.state_hashes()):
            differ = sorted(venue for venue in {*batch.state, *states} if batch.state.get(venue) != states.get(venue))
            raise JournalError(
                f"journal record {batch.number}: the state after it is not what it was, of venue {', '.join(differ)}"
            )
        return times

    def _home(self, received: MapVenue) -> int:
        """Where the venue lives: as it was mapped first, or here if it has begun here."""
        if received.venue in self.exchanges:
            return self.partition
        if received.partition == self.partition and received.venue not in self.elsewhere:
            return self.partition
        return self.elsewhere.setdefault(received.venue, received.partition)
