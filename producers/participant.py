"""Participant: what all populations of traders have in common, whatever each trades for.

Knows     one venue, by a view of it, and what concerns its own accounts.
Counts    seconds as steps: it is asked once a tick, and no date means anything to it.
Chance    keyed by step or account.
Waits     Nothing new is sent on a symbol that is halted or paused; what rests may be taken away. What is refused for
          that alone (it was sent before anybody could know) may be tried again.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from producers.labels import AnyLabel
from producers.market_view import MarketView
from producers.noise import Noise
from stream_engine.messages.events import Traded
from stream_engine.messages.inputs import Place, Side, TimeInForce, Trigger
from stream_engine.messages.refusals import Reject
from stream_engine.messages.topics import Topic

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
AtLeastOne = Annotated[int, Meta(ge=1)]

# Refusals that say nothing about the order: later it may be taken.
NOT_NOW = frozenset({Reject.TRADING_HALTED, Reject.TRADING_PAUSED, Reject.RATE_LIMITED})


class Sized(Struct, frozen=True):
    """What a population needs to know of a symbol: normal depth of both sides, open interest (USDT), volatility, and
    the largest leverage."""

    depth_usdt: float
    open_interest_usdt: float
    volatility: float
    max_leverage: int


class Participant:
    """One population's code over many accounts: a venue, a view, own chance, client ids, steps since the start."""

    latency_us = 0
    topics = frozenset({Topic.EXECUTIONS, Topic.LIQUIDATIONS, Topic.ADL})
    labels: Sequence[AnyLabel] = ()

    def __init__(self, name: str, venue: str, accounts: Iterable[int], view: MarketView, noise: Noise) -> None:
        self.name = name
        self.accounts = frozenset(accounts)
        self.venue = venue
        self.hears = frozenset({venue})
        self.views = (view,)
        self._view = view
        self._noise = noise
        self._steps = 0
        self._orders = 0

    def _order(
        self, now_us: int, account: int, symbol: str, lots: int, price: int | None = None, *, rests: bool = False,
        reduces: bool = False, trigger: Trigger | None = None,
    ) -> Place:  # fmt: skip
        """An order for signed lots: below zero it sells. No price: a market order."""
        self._orders += 1
        immediate = price is not None and not rests
        return Place(
            self.venue, now_us, account, str(self._orders), symbol, Side.BUY if lots > 0 else Side.SELL, abs(lots),
            price, TimeInForce.IOC if immediate else TimeInForce.GTC, reduce_only=reduces, trigger=trigger,
        )  # fmt: skip


def bought(event: Traded) -> tuple[tuple[int, int], tuple[int, int]]:
    """(account, signed lots that it bought) of taker and maker. Of a liquidation's taker none: from when it began, what
    is being liquidated counts as gone."""
    lots = event.size if event.taker_side is Side.BUY else -event.size
    return (event.taker, 0 if event.liquidation else lots), (event.maker, -lots)


def take_due(
    waiting: list[tuple[float, int]], level: float, later: Callable[[int, float], None], wait: Callable[[int], float]
) -> None:
    """Everybody whose trigger the level has fallen to, easiest first."""
    while waiting and waiting[-1][0] >= level:
        account = waiting.pop()[1]
        later(account, wait(account))
