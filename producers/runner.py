"""Runner: steps agents, and puts what they decide on the topics.

Decides   who hears which event and when; in which order agents are asked; where an input goes.
Order     by name; two of one name are on two venues, and go by those.
Holds     an agent hears an event of its venue once, in the order in which it was given, once it is old enough for it;
          of every topic but `market` only what concerns its own accounts.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from producers.agent import Agent
from stream_engine.messages import events as e
from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import Input, MapVenue
from stream_engine.messages.topics import EVENT_TOPIC, INPUT_TOPIC, MAX_INPUT_BYTES, Topic
from stream_engine.transport.protocol import Outgoing, headers

Row = TypeVar("Row")


class AgentRunner:
    """Holds what each agent has yet to hear."""

    def __init__(self, agents: Iterable[Agent]) -> None:
        self._ears = [_Ear(agent) for agent in sorted(agents, key=lambda agent: (agent.name, agent.venue))]
        names = [full_name(ear.agent) for ear in self._ears]
        if len(set(names)) < len(names):
            raise ValueError(f"two agents have one name: {names}")
        self._public: dict[str, list[_Ear]] = {}
        self._owners: dict[tuple[str, Topic], dict[int, list[_Ear]]] = {}
        for ear in self._ears:
            if Topic.MARKET in ear.agent.topics:
                self._public.setdefault(ear.agent.venue, []).append(ear)
            for topic in ear.agent.topics:
                owners = self._owners.setdefault((ear.agent.venue, topic), {})
                for account in ear.agent.accounts:
                    owners.setdefault(account, []).append(ear)

    def hear(self, events: Iterable[e.AnyEvent]) -> None:
        """Keep events for those whom they concern."""
        for event in events:
            topic = EVENT_TOPIC[type(event)]
            if topic is Topic.MARKET:
                for ear in self._public.get(event.venue, ()):
                    ear.waiting.append(event)
                continue
            owners = self._owners.get((event.venue, topic))
            if owners is None:
                continue
            if isinstance(event, e.AccountsOpened | e.Deposited | e.PositionsSeeded | e.FundingPaid):
                for ear, own in _shares(event, owners):
                    ear.waiting.append(own)
                continue
            concerned = [ear for account in accounts_of(event) for ear in owners.get(account, ())]
            for ear in dict.fromkeys(concerned):
                ear.waiting.append(event)

    def decide(self, now_us: int, venue: str | None = None) -> list[Input]:
        """Ask every agent (of the venue) once, in their order; what they send, in that order."""
        return [
            each
            for ear in self._ears
            if venue is None or ear.agent.venue == venue
            for each in ear.agent.decide(now_us, ear.due(now_us))
        ]


def full_name(agent: Agent) -> str:
    """An agent among those of several venues: `MM1@beta`."""
    return f"{agent.name}@{agent.venue}"


def accounts_of(event: e.AnyEvent) -> tuple[int, ...]:
    """Whom an event concerns; nobody where it shows the accounts of all (`OrdersResting`, `AdlQueueRanked`)."""
    if isinstance(event, e.Traded):
        return (event.taker, event.maker)
    account: int | None = getattr(event, "account", None)
    return () if account is None else (account,)


class Sender:
    """Makes records of inputs: each goes to the topic of its type, on the partition of its venue."""

    def __init__(self, homes: Mapping[str, int], partitions: Sequence[int], prefix: str = "", run_id: str = "") -> None:
        self._homes = homes
        self._partitions = partitions
        self._names = {topic: prefix + topic.value for topic in Topic}
        self._headers = {topic: headers(topic, run_id) for topic in Topic}

    def records(self, inputs: Iterable[Input]) -> list[Outgoing]:
        """The records of inputs, in order; the map of a venue goes to every partition."""
        return [
            self._record(each, partition)
            for each in inputs
            for partition in (self._partitions if isinstance(each, MapVenue) else (self._home(each.venue),))
        ]

    def _record(self, sent: Input, partition: int) -> Outgoing:
        topic = INPUT_TOPIC[type(sent)]
        value = encode(sent)
        if len(value) > MAX_INPUT_BYTES[topic]:
            raise ValueError(
                f"{type(sent).__name__} of {len(value)} bytes: {topic.value} takes {MAX_INPUT_BYTES[topic]}"
            )
        return Outgoing(self._names[topic], partition, sent.venue.encode(), value, sent.ts_us, self._headers[topic])

    def _home(self, venue: str) -> int:
        try:
            return self._homes[venue]
        except KeyError:
            raise ValueError(f"venue {venue} is mapped to no partition") from None


class _Ear:
    """One agent and what it has not heard yet."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.waiting: deque[e.AnyEvent] = deque()

    def due(self, now_us: int) -> list[e.AnyEvent]:
        until = now_us - self.agent.latency_us
        heard = []
        while self.waiting and self.waiting[0].ts_us <= until:
            heard.append(self.waiting.popleft())
        return heard


def _shares(
    event: e.AccountsOpened | e.Deposited | e.PositionsSeeded | e.FundingPaid, owners: Mapping[int, Sequence[_Ear]]
) -> list[tuple[_Ear, e.AnyEvent]]:
    """A bulk event cut up: to each its own rows, and nobody else's."""
    if isinstance(event, e.PositionsSeeded):
        legs = _by_ear(event.legs, [leg.account for leg in event.legs], owners)
        return [(ear, replace(event, legs=rows)) for ear, rows in legs]
    if isinstance(event, e.Deposited):
        deposits = _by_ear(event.deposits, [row[0] for row in event.deposits], owners)
        return [(ear, replace(event, deposits=rows)) for ear, rows in deposits]
    if isinstance(event, e.FundingPaid):
        payments = _by_ear(event.payments, [row[0] for row in event.payments], owners)
        return [(ear, replace(event, payments=rows)) for ear, rows in payments]
    accounts = _by_ear(event.accounts, [row[0] for row in event.accounts], owners)
    return [(ear, replace(event, accounts=rows)) for ear, rows in accounts]


def _by_ear(
    rows: Sequence[Row], accounts: Sequence[int], owners: Mapping[int, Sequence[_Ear]]
) -> list[tuple[_Ear, tuple[Row, ...]]]:
    found: dict[_Ear, list[Row]] = {}
    for row, account in zip(rows, accounts, strict=True):
        for ear in owners.get(account, ()):
            found.setdefault(ear, []).append(row)
    return [(ear, tuple(own)) for ear, own in found.items()]
