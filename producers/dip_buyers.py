"""Dip buyers: they bid far below the outside price, evenly spread, with money for a few fills each.

Waits     A bid that stands stays while the symbol is halted or paused; none comes anew.
Holds     Their bids are anchored to the outside price, never to the last one: else the price goes to nothing.
"""

from collections.abc import Mapping, Sequence
from math import pow
from typing import Annotated

from msgspec import Meta, Struct

from producers.market_view import MarketView
from producers.noise import Noise
from producers.participant import NOT_NOW, Participant, Positive, Sized
from stream_engine.messages.events import AnyEvent, LiquidationStarted, OrderCancelled, OrderRejected, Traded
from stream_engine.messages.inputs import Cancel, Input

LOOK_EVERY_S = 5


class Dips(Struct, frozen=True, forbid_unknown_fields=True):
    """Bids below the outside price.

    buyers            accounts on each symbol.
    density_of_depth  what they bid per percent of price, as a share of the symbol's normal depth.
    nearest_pct, farthest_pct   between which they stand below the outside price: evenly at a `crowding` of 1, nearer
                      to the market above.
    refill_s, refills           how long one waits after a fill, on average, and how often it comes again.
    """

    buyers: Annotated[int, Meta(ge=0)] = 40
    density_of_depth: dict[str, Positive] = {}
    nearest_pct: Positive = 1.5
    crowding: Positive = 1.0
    farthest_pct: dict[str, Positive] = {}
    refill_s: Positive = 120.0
    refills: Annotated[int, Meta(ge=0)] = 20
    capital_usdt: Positive = 50_000_000.0


class _Bid(Struct):
    """A dip buyer's order: none out while `client_id` is empty."""

    account: int
    symbol: str
    below: float
    usdt: float
    comes_again: int
    client_id: str = ""
    price: int = 0
    cancelling: bool = False
    not_before: int = 0


class DipBuyers(Participant):
    """Bids below the outside price, each by an account of its own."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], dips: Dips, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("dip-buyers", venue, [one for many in accounts.values() for one in many], view, noise)
        self._dips = dips
        self._bids: dict[int, _Bid] = {}
        self._turns: list[list[_Bid]] = [[] for _ in range(LOOK_EVERY_S)]  # who looks together, by step
        for symbol, numbers in accounts.items():
            span = dips.farthest_pct[symbol] - dips.nearest_pct
            usdt = dips.density_of_depth[symbol] * sizes[symbol].depth_usdt * span / len(numbers)
            for place, account in enumerate(numbers):
                way = pow((place + noise.uniform(account, 0)) / len(numbers), dips.crowding)
                below = (dips.nearest_pct + span * way) / 100
                self._bids[account] = bid = _Bid(account, symbol, below, usdt, dips.refills)
                self._turns[-account % LOOK_EVERY_S].append(bid)

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Each looks at its bid every few seconds: places it, or moves it after the outside price."""
        self._steps += 1
        for event in events:
            self._take(event)
        sent: list[Input] = []
        for bid in self._turns[self._steps % LOOK_EVERY_S]:
            if self._steps < bid.not_before:
                continue
            view = self._view.symbols[bid.symbol]
            if not view.outside:
                continue
            price = view.ticks(view.outside * (1 - bid.below))
            if not bid.client_id:
                lots = view.lots(bid.usdt, price)
                if lots and view.mark and view.trading and bid.comes_again >= 0:
                    order = self._order(now_us, bid.account, bid.symbol, lots, price, rests=True)
                    bid.client_id, bid.price, bid.cancelling = order.client_id, price, False
                    sent.append(order)
            elif not bid.cancelling and abs(price - bid.price) > max(0.003, 0.1 * bid.below) * price:
                bid.cancelling = True
                sent.append(Cancel(self.venue, now_us, bid.account, bid.client_id))
        return sent

    def _take(self, event: AnyEvent) -> None:
        match event:
            case Traded():
                if event.maker_left == 0 and event.maker in self._bids:
                    self._spent(self._bids[event.maker])
                if event.taker_left == 0 and event.taker in self._bids and not event.liquidation:
                    self._spent(self._bids[event.taker])
            case OrderCancelled():
                if event.client_id == self._bids[event.account].client_id:
                    self._bids[event.account].client_id = ""
            case OrderRejected() if event.reason in NOT_NOW:
                self._bids[event.account].client_id = ""
            case OrderRejected() | LiquidationStarted():
                self._bids[event.account].client_id = ""
                self._bids[event.account].comes_again = -1
            case _:
                pass

    def _spent(self, bid: _Bid) -> None:
        bid.client_id = ""
        bid.comes_again -= 1
        wait = self._noise.exponential(self._dips.refill_s, bid.account, bid.comes_again + 1)
        bid.not_before = self._steps + 1 + round(wait)
