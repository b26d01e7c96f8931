"""Momentum shorts: they read the fall over a while, and sell what falls.

Reads     mark over the mark of `lookback_s` ago. Each has a fall of its own from which it believes, even between
          `trigger_pct` and `late_pct`; the later one believes, the more leverage it takes.
Sells     once, at the market, some time after; with isolated margin, so that a short costs what stands behind it and
          no more. It holds it: who sold near the low with high leverage is squeezed by the rebound.
Again     who was liquidated or deleveraged, or found no buyer, may come again with the next reading that it believes,
          as often as it has money for.
Order     of those whose time has come by step, then by account.
"""

from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Annotated

from msgspec import Meta, Struct

from producers.market_view import MarketView
from producers.noise import Noise
from producers.participant import AtLeastOne, NotNegative, Participant, Positive, Share, Sized, take_due
from stream_engine.messages.events import (
    AnyEvent,
    LiquidationStarted,
    OrderCancelled,
    OrderRejected,
    PositionDeleveraged,
)
from stream_engine.messages.inputs import Input, SetLeverage, SetMarginMode

# Money for a round, times the margin of the short: it pays the fee and what a bad fill loses at once, too.
HEADROOM = 1.5
MOST_ROUNDS = 4


class Momentum(Struct, frozen=True, forbid_unknown_fields=True):
    """Accounts that open shorts into a fall.

    sellers          on each symbol.
    size_of_depth    median size of a short as a share of the symbol's normal depth; lognormal by `size_sigma`.
    trigger_pct, late_pct   fall within `lookback_s` from which the first, and the last, of them believes.
    wait_s           how long it takes on average to act on that.
    leverage_from, leverage_to   of the first, and of the last; never more than the market allows.
    again            chance to have money for one more round, and then for another.
    """

    sellers: Annotated[int, Meta(ge=0)] = 100
    size_of_depth: NotNegative = 0.002
    size_sigma: NotNegative = 1.0
    trigger_pct: Positive = 1.5
    late_pct: Positive = 3.0
    lookback_s: AtLeastOne = 300
    wait_s: Positive = 300.0
    leverage_from: Positive = 8.0
    leverage_to: Positive = 40.0
    again: Share = 0.3


class Seller(Struct):
    """One of them: the fall that it waits for (below zero, as a share), its short, and how often it may still sell."""

    account: int
    symbol: str
    fall: float
    usdt: float
    leverage: int
    rounds: int
    isolated: bool = False

    def money_usdt(self) -> float:
        """What it needs for all its rounds."""
        return self.rounds * HEADROOM * self.usdt / self.leverage


def momentum_sellers(
    momentum: Momentum, accounts: Mapping[str, Sequence[int]], sizes: Mapping[str, Sized], noise: Noise
) -> list[Seller]:
    """Who they are, in the order of their accounts."""
    sellers: list[Seller] = []
    for symbol, numbers in accounts.items():
        size = sizes[symbol]
        for account in numbers:
            late = noise.uniform(account, 0)
            fall = momentum.trigger_pct + (momentum.late_pct - momentum.trigger_pct) * late
            leverage = momentum.leverage_from + (momentum.leverage_to - momentum.leverage_from) * late
            leverage = max(1, min(round(leverage), size.max_leverage))
            usdt = noise.lognormal(momentum.size_of_depth * size.depth_usdt, momentum.size_sigma, account, 2)
            rounds, chance = 1, noise.uniform(account, 3)
            while rounds < MOST_ROUNDS and chance < momentum.again**rounds:
                rounds += 1
            sellers.append(Seller(account, symbol, -fall / 100, usdt, leverage, rounds))
    return sellers


class MomentumShorts(Participant):
    """All of them on one venue."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], momentum: Momentum, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("momentum", venue, [one for many in accounts.values() for one in many], view, noise)
        self._momentum = momentum
        self._marks: dict[str, deque[int]] = {symbol: deque(maxlen=momentum.lookback_s + 1) for symbol in accounts}
        self._sellers = {seller.account: seller for seller in momentum_sellers(momentum, accounts, sizes, noise)}
        # Who needs the smallest fall comes first, so it stands last in the list.
        self._waiting: dict[str, list[tuple[float, int]]] = {symbol: [] for symbol in accounts}
        for seller in self._sellers.values():
            self._wait_for_a_fall(seller)
        self._due: list[tuple[int, int]] = []

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Market sells of those whose time has come; while nothing trades it has not."""
        self._steps += 1
        for event in events:
            if isinstance(event, LiquidationStarted | PositionDeleveraged | OrderCancelled | OrderRejected):
                self._wait_for_a_fall(self._sellers[event.account])
        for symbol, waiting in self._waiting.items():
            mark = self._view.symbols[symbol].mark
            if mark:
                marks = self._marks[symbol]
                marks.append(mark)
                take_due(waiting, mark / marks[0] - 1, self._later, self._wait)
        sent: list[Input] = []
        while self._due and self._due[0][0] <= self._steps:
            seller = self._sellers[heappop(self._due)[1]]
            if self._view.symbols[seller.symbol].trading:
                sent.extend(self._sell(now_us, seller))
            else:
                self._wait_for_a_fall(seller)
        return sent

    def _wait_for_a_fall(self, seller: Seller) -> None:
        entry = (seller.fall, seller.account)
        if seller.rounds and entry not in self._waiting[seller.symbol]:
            insort(self._waiting[seller.symbol], entry)

    def _sell(self, now_us: int, seller: Seller) -> list[Input]:
        view = self._view.symbols[seller.symbol]
        lots = view.lots(seller.usdt, view.mark)
        if not lots:
            return []
        sent: list[Input] = []
        if not seller.isolated:
            seller.isolated = True
            sent.append(SetMarginMode(self.venue, now_us, seller.account, seller.symbol, True))
            sent.append(SetLeverage(self.venue, now_us, seller.account, seller.symbol, seller.leverage))
        seller.rounds -= 1
        sent.append(self._order(now_us, seller.account, seller.symbol, -lots))
        return sent

    def _wait(self, account: int) -> float:
        return self._noise.exponential(self._momentum.wait_s, account, 1, self._sellers[account].rounds)

    def _later(self, account: int, wait: float) -> None:
        heappush(self._due, (self._steps + round(wait), account))
