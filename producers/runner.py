"""Runner: steps agents, and puts what they decide on the topics.

Decides   who hears which event and when; in which order agents are asked; where an input goes.
Order     by name; two of one name are on two venues, and go by those.
Several   an agent on several venues is asked at a tick once all of these have come as far.
Holds     an agent hears an event of its accounts once, in the order in which it was given, once it is old enough for
          it; a view is folded at a tick before the first that looks at it is asked, and at most once.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from producers.agent import Agent
from producers.market_view import MarketView
from stream_engine.messages import events as e
from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import Input, MapVenue
from stream_engine.messages.topics import EVENT_TOPIC, INPUT_TOPIC, MAX_INPUT_BYTES, Topic
from stream_engine.transport.protocol import Headers, Outgoing, headers

Row = TypeVar("Row")

PUBLIC = frozenset(kind for kind, topic in EVENT_TOPIC.items() if topic is Topic.MARKET)


class AgentRunner:
    """Holds what each agent has yet to hear."""

    def __init__(self, agents: Iterable[Agent]) -> None:
        self._ears = [_Ear(agent) for agent in sorted(agents, key=lambda agent: (agent.name, agent.venue))]
        names = [full_name(ear.agent) for ear in self._ears]
        if len(set(names)) < len(names):
            raise ValueError(f"two agents have one name: {names}")
        self._eyes: dict[int, _Eye] = {}
        self._public: dict[str, list[_Eye]] = {}
        self._owners: dict[tuple[str, type[e.Event]], dict[int, list[_Ear]]] = {}
        self._reached_us: dict[str, int] = {}
        of_topic: dict[tuple[str, Topic], dict[int, list[_Ear]]] = {}
        for ear in self._ears:
            for view in ear.agent.views:
                if id(view) not in self._eyes:
                    self._eyes[id(view)] = eye = _Eye(view)
                    self._public.setdefault(view.venue, []).append(eye)
            for venue in sorted(ear.agent.hears):
                for topic in ear.agent.topics:
                    owners = of_topic.setdefault((venue, topic), {})
                    for account in ear.agent.accounts:
                        owners.setdefault(account, []).append(ear)
        for (venue, topic), owners in of_topic.items():
            self._owners.update({(venue, kind): owners for kind, its in EVENT_TOPIC.items() if its is topic})

    def hear(self, events: Iterable[e.AnyEvent]) -> None:
        """Keep events for those whom they concern."""
        for event in events:
            if type(event) in PUBLIC:
                for eye in self._public.get(event.venue, ()):
                    eye.waiting.append(event)
                continue
            owners = self._owners.get((event.venue, type(event)))
            if owners is None:
                continue
            if isinstance(event, e.AccountsOpened | e.Deposited | e.PositionsSeeded | e.FundingPaid):
                for ear, own in _shares(event, owners):
                    ear.waiting.append(own)
                continue
            accounts = accounts_of(event)
            concerned: Iterable[_Ear] = owners.get(accounts[0], ()) if accounts else ()
            if len(accounts) > 1:
                concerned = dict.fromkeys(ear for account in accounts for ear in owners.get(account, ()))
            for ear in concerned:
                ear.waiting.append(event)

    def decide(self, now_us: int, venue: str | None = None) -> list[Input]:
        """Ask every agent once, in their order; what they send, in that order.

        `venue`: only this one has come so far; asked is whoever acts there, and on no venue that has yet to.
        """
        asked = self._ears
        if venue is not None:
            self._reached_us[venue] = now_us
            asked = [ear for ear in asked if venue in ear.agent.hears and self._all_reached(ear.agent, now_us)]
        sent: list[Input] = []
        for ear in asked:
            for view in ear.agent.views:
                self._eyes[id(view)].look(now_us)
            sent.extend(ear.agent.decide(now_us, ear.due(now_us)))
        return sent

    def _all_reached(self, agent: Agent, now_us: int) -> bool:
        return all(self._reached_us.get(venue, -1) >= now_us for venue in agent.hears)


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
        self._routes: dict[type[Input], tuple[str, Headers, int]] = {
            kind: (prefix + topic.value, headers(topic, run_id), MAX_INPUT_BYTES[topic])
            for kind, topic in INPUT_TOPIC.items()
        }

    def records(self, inputs: Iterable[Input]) -> list[Outgoing]:
        """The records of inputs, in order; the map of a venue goes to every partition."""
        return [
            self._record(each, partition)
            for each in inputs
            for partition in (self._partitions if isinstance(each, MapVenue) else (self._home(each.venue),))
        ]

    def _record(self, sent: Input, partition: int) -> Outgoing:
        name, head, most = self._routes[type(sent)]
        value = encode(sent)
        if len(value) > most:
            raise ValueError(
                f"{type(sent).__name__} of {len(value)} bytes: {INPUT_TOPIC[type(sent)].value} takes {most}"
            )
        return Outgoing(name, partition, sent.venue.encode(), value, sent.ts_us, head)

    def _home(self, venue: str) -> int:
        try:
            return self._homes[venue]
        except KeyError:
            raise ValueError(f"venue {venue} is mapped to no partition") from None


class _Eye:
    """One view and what is not folded into it yet."""

    def __init__(self, view: MarketView) -> None:
        self.view = view
        self.waiting: deque[e.AnyEvent] = deque()
        self._looked_us = -1

    def look(self, now_us: int) -> None:
        if now_us > self._looked_us:
            self._looked_us = now_us
            until_us = now_us - self.view.latency_us
            if (
                self.waiting and self.waiting[-1].ts_us <= until_us
            ):  # one venue's time never goes back: all of it is due
                self.view.fold(self.waiting)
                self.waiting.clear()
            else:
                self.view.fold(_due(self.waiting, until_us))


class _Ear:
    """One agent and what it has not heard yet."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.waiting: deque[e.AnyEvent] = deque()

    def due(self, now_us: int) -> list[e.AnyEvent]:
        return _due(self.waiting, now_us - self.agent.latency_us)


def _due(waiting: deque[e.AnyEvent], until_us: int) -> list[e.AnyEvent]:
    """What is old enough, taken out."""
    due = []
    while waiting and waiting[0].ts_us <= until_us:
        due.append(waiting.popleft())
    return due


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
