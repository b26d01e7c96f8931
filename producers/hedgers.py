"""Hedged portfolios: long here, short there, in one cross-margined account; safe until one leg is taken away.

Decides   nothing, until one of its positions is deleveraged. Then, after a wait, it sells a share of each of its longs,
          once: half of what hedged them is gone.
"""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Annotated

from msgspec import Meta, Struct

from producers.labels import AnyLabel
from producers.market_view import MarketView
from producers.noise import Noise
from stream_engine.messages.events import AnyEvent, LiquidationStarted, PositionDeleveraged, Traded
from stream_engine.messages.inputs import Input, Place, Side
from stream_engine.messages.topics import Topic

Share = Annotated[float, Meta(ge=0, le=1)]


class PortfolioLeg(Struct, frozen=True, forbid_unknown_fields=True):
    """One position of the typical portfolio: notional at the start (short below zero), and its leverage."""

    symbol: str
    usdt: float
    leverage: Annotated[int, Meta(ge=1)]


class Hedgers(Struct, frozen=True, forbid_unknown_fields=True):
    """How many portfolios, how large (multiples of the legs, lognormal), and what they do once deleveraged."""

    portfolios: Annotated[int, Meta(ge=0)]
    legs: list[PortfolioLeg]
    size_median: Annotated[float, Meta(gt=0)] = 1.0
    size_sigma: Annotated[float, Meta(ge=0)] = 0.0
    sell_share: Share = 0.5
    wait_from_s: Annotated[int, Meta(ge=0)] = 30
    wait_to_s: Annotated[int, Meta(ge=0)] = 300


class HedgedPortfolios:
    """All hedged portfolios of a run: `positions` is signed lots by account and symbol."""

    name = "hedgers"
    latency_us = 0
    topics = frozenset({Topic.EXECUTIONS, Topic.LIQUIDATIONS, Topic.ADL})
    labels: tuple[AnyLabel, ...] = ()

    def __init__(
        self, venue: str, positions: Mapping[int, Mapping[str, int]], hedgers: Hedgers, view: MarketView, noise: Noise
    ) -> None:
        self.accounts = frozenset(positions)
        self.venue = venue
        self.hears = frozenset({venue})
        self.views = (view,)
        self._held = {account: dict(legs) for account, legs in positions.items()}
        self._hedgers = hedgers
        self._view = view
        self._noise = noise
        self._steps = 0
        self._orders = 0
        self._alarmed: set[int] = set()
        self._due: list[tuple[int, int]] = []

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Market sells of those whose wait is over."""
        self._steps += 1
        for event in events:
            self._take(event)
        sent: list[Input] = []
        while self._due and self._due[0][0] <= self._steps:
            account = heappop(self._due)[1]
            for symbol, held in self._held[account].items():
                lots = int(held * self._hedgers.sell_share)
                if lots > 0:
                    self._orders += 1
                    sent.append(Place(self.venue, now_us, account, str(self._orders), symbol, Side.SELL, lots))
        return sent

    def _take(self, event: AnyEvent) -> None:
        match event:
            case Traded():
                bought = event.size if event.taker_side is Side.BUY else -event.size
                taker = 0 if event.liquidation else event.taker  # what is being liquidated it has counted as gone
                for account, size in ((taker, bought), (event.maker, -bought)):
                    if account in self._held:
                        self._held[account][event.symbol] = self._held[account].get(event.symbol, 0) + size
            case PositionDeleveraged() if event.account in self._held:
                self._held[event.account][event.symbol] = event.position
                if event.account not in self._alarmed:
                    self._alarmed.add(event.account)
                    wait = self._hedgers.wait_to_s - self._hedgers.wait_from_s
                    wait = self._hedgers.wait_from_s + round(wait * self._noise.uniform(event.account))
                    heappush(self._due, (self._steps + wait, event.account))
            case LiquidationStarted():
                self._held[event.account][event.symbol] = 0
            case _:
                pass
