"""What one participant knows of the market: the public events of a venue, folded into the present state.

Holds     Only what was published: levels of the book, trades without names, mark, index, open interest.
          Volumes count since the view was last asked to begin anew, so a participant sees what happened in its tick.
"""

from collections.abc import Callable, Iterable, Mapping

from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    MarkPriceChanged,
    OpenInterestChanged,
    TradePrinted,
)
from stream_engine.messages.inputs import Side
from stream_engine.messages.instrument import Instrument
from stream_engine.messages.units import MILLION


class SymbolView:
    """One perpetual as everybody sees it. Prices in ticks, sizes in lots; `_usdt` is money as a float."""

    __slots__ = (
        "asks", "bids", "bought_usdt", "index", "instrument", "last", "liquidated_usdt", "long_accounts",
        "lot_tick_usdt", "mark", "open_interest", "short_accounts", "sold_usdt", "tick_usdt",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.tick_usdt = float(instrument.tick_size)
        self.lot_tick_usdt = instrument.tick_value / MILLION
        self.mark = self.index = self.last = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.open_interest = self.long_accounts = self.short_accounts = 0
        self.bought_usdt = self.sold_usdt = self.liquidated_usdt = 0.0

    def usdt(self, lots: float, price: float) -> float:
        """Notional of a size at a price in ticks."""
        return lots * price * self.lot_tick_usdt

    def lots(self, usdt: float, price: float) -> int:
        """As many whole lots as the money buys at a price in ticks; never more than one order may have."""
        if price <= 0:
            return 0
        return min(int(usdt / (price * self.lot_tick_usdt)), self.instrument.max_size)

    def ticks(self, price: float) -> int:
        """A price in (fractional) ticks on the instrument's grid, inside its bounds."""
        step = self.instrument.price_step
        top = self.instrument.max_price // step
        return min(max(round(price / step), 1), top) * step

    def best_bid(self) -> int | None:
        """The highest bid."""
        return max(self.bids) if self.bids else None

    def best_ask(self) -> int | None:
        """The lowest ask."""
        return min(self.asks) if self.asks else None

    def half_spread(self) -> float | None:
        """Half the spread as a share of the mid price; None while a side is empty."""
        if not self.bids or not self.asks:
            return None
        bid, ask = max(self.bids), min(self.asks)
        return (ask - bid) / (ask + bid)

    def depth_usdt(self, share: float) -> float:
        """What rests on both sides within this share of the mid price."""
        if not self.bids or not self.asks:
            return 0.0
        mid = (max(self.bids) + min(self.asks)) / 2
        low, high = mid * (1 - share), mid * (1 + share)
        lots = sum(size for price, size in self.bids.items() if price >= low)
        lots += sum(size for price, size in self.asks.items() if price <= high)
        return self.usdt(lots, mid)

    def long_share(self) -> float:
        """Share of the accounts with a position that are long; one half while nothing is known."""
        accounts = self.long_accounts + self.short_accounts
        return self.long_accounts / accounts if accounts else 0.5


class MarketView:
    """All perpetuals of one venue. Without `books` the levels are left alone (many participants need none)."""

    def __init__(self, venue: str, instruments: Mapping[str, Instrument], books: bool = True) -> None:
        self.venue = venue
        self.symbols = {symbol: SymbolView(instrument) for symbol, instrument in instruments.items()}
        self._on: dict[type, Callable[[AnyEvent], None]] = {
            TradePrinted: self._traded,
            MarkPriceChanged: self._marked,
            OpenInterestChanged: self._open_interest,
        }
        if books:
            self._on[BookChanged] = self._book

    def take(self, events: Iterable[AnyEvent]) -> list[AnyEvent]:
        """Fold in what is public; hand back what is not (the participant's own affairs)."""
        for view in self.symbols.values():
            view.bought_usdt = view.sold_usdt = view.liquidated_usdt = 0.0
        own: list[AnyEvent] = []
        handlers = self._on
        for event in events:
            handler = handlers.get(type(event))
            if handler is None:
                own.append(event)
            elif event.venue == self.venue:
                handler(event)
        return own

    def _book(self, event: AnyEvent) -> None:
        assert isinstance(event, BookChanged)
        view = self.symbols[event.symbol]
        for levels, changed in ((view.bids, event.bids), (view.asks, event.asks)):
            for price, size in changed:
                if size:
                    levels[price] = size
                else:
                    levels.pop(price, None)

    def _traded(self, event: AnyEvent) -> None:
        assert isinstance(event, TradePrinted)
        view = self.symbols[event.symbol]
        view.last = event.price
        usdt = view.usdt(event.size, event.price)
        if event.taker_side is Side.BUY:
            view.bought_usdt += usdt
        else:
            view.sold_usdt += usdt
        if event.liquidation:
            view.liquidated_usdt += usdt

    def _marked(self, event: AnyEvent) -> None:
        assert isinstance(event, MarkPriceChanged)
        view = self.symbols[event.symbol]
        view.mark, view.index = event.mark, event.index
        view.last = event.last or view.last

    def _open_interest(self, event: AnyEvent) -> None:
        assert isinstance(event, OpenInterestChanged)
        view = self.symbols[event.symbol]
        view.open_interest = event.open_interest
        view.long_accounts, view.short_accounts = event.long_accounts, event.short_accounts
