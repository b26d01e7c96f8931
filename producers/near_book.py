"""Near the book: small resting orders round the market, taken away as it gets rough."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from producers.market_view import MarketView, SymbolView
from producers.noise import Noise
from producers.participant import NotNegative, Participant, Positive, Share, Sized
from producers.quoting import bipower
from stream_engine.messages.events import AnyEvent, OrderCancelled, OrderRejected, Traded
from stream_engine.messages.inputs import Cancel, Input


class NearBook(Struct, frozen=True, forbid_unknown_fields=True):
    """Small resting orders: `share` of the normal depth within `reach_pct` (`share_of` some symbols another), renewed
    every `refresh_s`; less of it once volatility is more than `boldness` times the normal one. Their middle lies
    `follows_last` of the way from the outside price to the last one."""

    accounts: Annotated[int, Meta(ge=0)] = 6
    share: NotNegative = 0.05
    share_of: dict[str, NotNegative] = {}
    boldness: Positive = 2.0
    follows_last: Share = 0.8
    reach_pct: Positive = 0.9
    refresh_s: Annotated[int, Meta(ge=1)] = 25
    capital_usdt: Positive = 20_000_000.0


class _Resting(Struct):
    """One account's order near the market: `place` from the mid price, as a share of it (below zero: a bid)."""

    account: int
    symbol: str
    place: float
    client_id: str = ""


class NearBookTraders(Participant):
    """Small orders on both sides, each renewed in its own turn."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], near: NearBook, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("near-book", venue, [one for many in accounts.values() for one in many], view, noise)
        self._near = near
        self._sizes = sizes
        self._variance = {symbol: size.volatility**2 for symbol, size in sizes.items()}
        self._outside: dict[str, int] = {}
        self._moved = dict.fromkeys(sizes, 0.0)
        self._resting: dict[int, _Resting] = {}
        for symbol, numbers in accounts.items():
            for place, account in enumerate(numbers):
                away = near.reach_pct / 100 * (place // 2 + 0.5) / ((len(numbers) + 1) // 2)
                self._resting[account] = _Resting(account, symbol, -away if place % 2 else away)

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Whose turn it is takes its order away and places a new one."""
        self._steps += 1
        for event in events:
            match event:
                case OrderCancelled() | OrderRejected():
                    self._gone(event.account, event.client_id)
                case Traded() if event.maker_left == 0 and event.maker in self._resting:
                    self._resting[event.maker].client_id = ""
                case _:
                    pass
        for symbol, variance in self._variance.items():
            price = self._view.symbols[symbol].outside
            if price:
                moved = abs(price / self._outside.get(symbol, price) - 1)
                self._variance[symbol] = variance + (bipower(moved, self._moved[symbol]) - variance) / 60
                self._outside[symbol], self._moved[symbol] = price, moved
        sent: list[Input] = []
        for rank, order in enumerate(self._resting.values()):
            view = self._view.symbols[order.symbol]
            if (self._steps + 7 * rank) % self._near.refresh_s or not view.mark or not view.outside or not view.trading:
                continue
            if order.client_id:
                sent.append(Cancel(self.venue, now_us, order.account, order.client_id))
            sent.extend(self._renewed(now_us, order, view))
        return sent

    def _gone(self, account: int, client_id: str) -> None:
        if self._resting[account].client_id == client_id:
            self._resting[account].client_id = ""

    def _renewed(self, now_us: int, order: _Resting, view: SymbolView) -> list[Input]:
        size = self._sizes[order.symbol]
        calm = min(1.0, self._near.boldness * size.volatility / max(self._variance[order.symbol], 1e-12) ** 0.5)
        share = self._near.share_of.get(order.symbol, self._near.share)
        usdt = share * size.depth_usdt * calm / self._near.accounts
        outside = float(self._outside[order.symbol])
        anchor = outside + self._near.follows_last * ((view.last or outside) - outside)
        price = view.ticks(anchor * (1 + order.place))
        lots = view.lots(usdt, price)
        if not lots:
            order.client_id = ""
            return []
        placed = self._order(now_us, order.account, order.symbol, -lots if order.place > 0 else lots, price, rests=True)
        order.client_id = placed.client_id
        return [placed]
