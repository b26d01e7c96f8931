"""Agent: the thinking part of a producer.

Decides   once per clock tick, from its views of the market and from the events of its own accounts, what to send.
Several   An agent may act on several venues: it is asked once the last of them has answered the tick.
Holds     no clock, no I/O, no shared randomness: what it draws is keyed by its name and the event, so that the same
          events give the same inputs, and a what-if keeps the same noise.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from producers.labels import AnyLabel
from producers.market_view import MarketView
from stream_engine.messages.events import AnyEvent
from stream_engine.messages.inputs import Input
from stream_engine.messages.topics import Topic


class Agent(Protocol):
    """What a drive needs of a participant.

    venue       the venue whose clock is its own.
    hears       the venues on which it acts, that one among them.
    views       what it knows of these markets; folded before it decides. Agents may share one.
    latency_us  an event of its accounts reaches it once it is at least this old.
    topics      the output topics that it listens to, beside what its views show.
    accounts    its own, the same numbers on every venue. Of every topic it is given only what concerns these.
    labels      what it did and why, in its own words, so far.
    """

    @property
    def name(self) -> str: ...

    @property
    def venue(self) -> str: ...

    @property
    def hears(self) -> frozenset[str]: ...

    @property
    def views(self) -> Sequence[MarketView]: ...

    @property
    def latency_us(self) -> int: ...

    @property
    def topics(self) -> frozenset[Topic]: ...

    @property
    def accounts(self) -> frozenset[int]: ...

    @property
    def labels(self) -> Sequence[AnyLabel]: ...

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> Sequence[Input]:
        """The inputs it sends at this tick, in their order; `events` of its accounts reached it since the last."""
        ...


@runtime_checkable
class KeepsProfit(Protocol):
    """A participant that keeps an account of what it has earned."""

    @property
    def profit_usdt(self) -> float:
        """Since the start, over all symbols: what it holds at the outside price, its hedges and their cost included."""
        ...


def profits_usdt(agents: Iterable[Agent]) -> dict[str, float]:
    """What those that keep an account say that they earned, by name; on several venues under one name, in all."""
    earned: dict[str, float] = {}
    for agent in agents:
        if isinstance(agent, KeepsProfit):
            earned[agent.name] = earned.get(agent.name, 0.0) + agent.profit_usdt
    return earned
