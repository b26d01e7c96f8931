"""What a participant knows of a market: the public events of a venue, folded into the present state.

Holds     Only what was published: levels of the book, trades without names, mark, index, what the outside source said,
          open interest. Nothing younger than `latency_us`.
Shared    Participants of one venue who see equally late may look at one view. Whoever steps them (producers.runner)
          folds each event into it once, before the first of them decides.
Volumes   count since the view was last folded, so a participant sees what happened in its tick.
"""

from collections.abc import Callable, Iterable, Mapping

from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    MarkPriceChanged,
    OpenInterestChanged,
    PresencePublished,
    SourcePriced,
    TradePrinted,
    TradingHalted,
    TradingPaused,
    TradingReopened,
    TradingResumed,
)
from stream_engine.messages.inputs import Level, Side
from stream_engine.messages.instrument import Instrument
from stream_engine.messages.units import MILLION

SECOND_US = 1_000_000


class SymbolView:
    """One perpetual as everybody sees it. Prices in ticks, sizes in lots; `_usdt` is money as a float.

    outside, outside_us   what the outside source said last (0: nothing yet), and the time it is of.
    halted, paused        the whole venue by its operator; this symbol, until it is called.
    present               share of the last minute told at which makers met their duties, mean over the makers; None
                          where nobody is told.
    """

    __slots__ = (
        "_best_ask", "_best_bid", "_depths_usdt", "asks", "bids", "bought_usdt", "halted", "index", "instrument",
        "last", "liquidated_usdt", "long_accounts", "lot_tick_usdt", "mark", "open_interest", "outside", "outside_us",
        "paused", "present", "short_accounts", "sold_usdt", "tick_usdt",
    )  # fmt: skip

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.tick_usdt = float(instrument.tick_size)
        self.lot_tick_usdt = instrument.tick_value / MILLION
        self.mark = self.index = self.last = self.outside = self.outside_us = 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self._best_bid: int | None = None  # looked for once between two changes of the levels
        self._best_ask: int | None = None
        self._depths_usdt: dict[float, float] = {}  # by share of the mid price, likewise
        self.open_interest = self.long_accounts = self.short_accounts = 0
        self.bought_usdt = self.sold_usdt = self.liquidated_usdt = 0.0
        self.halted = self.paused = False
        self.present: float | None = None

    @property
    def trading(self) -> bool:
        """Neither halted nor paused."""
        return not self.halted and not self.paused

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
        if self._best_bid is None and self.bids:
            self._best_bid = max(self.bids)
        return self._best_bid

    def best_ask(self) -> int | None:
        """The lowest ask."""
        if self._best_ask is None and self.asks:
            self._best_ask = min(self.asks)
        return self._best_ask

    def half_spread(self) -> float | None:
        """Half the spread as a share of the mid price; None while a side is empty."""
        bid, ask = self.best_bid(), self.best_ask()
        return None if bid is None or ask is None else (ask - bid) / (ask + bid)

    def levels_changed(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Levels are so large from here on; 0: gone."""
        self._best_bid = self._best_ask = None
        if self._depths_usdt:
            self._depths_usdt = {}
        for levels, changed in ((self.bids, bids), (self.asks, asks)):
            for price, size in changed:
                if size:
                    levels[price] = size
                else:
                    levels.pop(price, None)

    def depth_usdt(self, share: float) -> float:
        """What rests on both sides within this share of the mid price."""
        known = self._depths_usdt.get(share)
        if known is not None:
            return known
        bid, ask = self.best_bid(), self.best_ask()
        if bid is None or ask is None:
            return 0.0
        mid = (bid + ask) / 2
        low, high = mid * (1 - share), mid * (1 + share)
        lots = sum(size for price, size in self.bids.items() if price >= low)
        lots += sum(size for price, size in self.asks.items() if price <= high)
        self._depths_usdt[share] = depth_usdt = self.usdt(lots, mid)
        return depth_usdt

    def long_share(self) -> float:
        """Share of the accounts with a position that are long; one half while nothing is known."""
        accounts = self.long_accounts + self.short_accounts
        return self.long_accounts / accounts if accounts else 0.5

    def outside_age_s(self, now_us: int) -> int:
        """For how many whole seconds the outside source has been silent, on this line."""
        return (now_us - self.outside_us) // SECOND_US


class MarketView:
    """All perpetuals of one venue. `outside`: which source of the index stands for the outside market. Without `books`
    the levels are left alone (many participants need none)."""

    def __init__(
        self, venue: str, instruments: Mapping[str, Instrument], outside: str = "spot", *, latency_us: int = 0,
        books: bool = True,
    ) -> None:  # fmt: skip
        self.venue = venue
        self.latency_us = latency_us
        self.symbols = {symbol: SymbolView(instrument) for symbol, instrument in instruments.items()}
        self.outside = outside
        self._on: dict[type, Callable[[AnyEvent], None]] = {
            TradePrinted: self._traded,
            MarkPriceChanged: self._marked,
            OpenInterestChanged: self._open_interest,
            SourcePriced: self._priced,
            PresencePublished: self._presence,
            TradingHalted: self._halted,
            TradingResumed: self._halted,
            TradingPaused: self._paused,
            TradingReopened: self._paused,
        }
        if books:
            self._on[BookChanged] = self._book

    def fold(self, events: Iterable[AnyEvent]) -> None:
        """Take what was published on its venue since the last time."""
        for view in self.symbols.values():
            view.bought_usdt = view.sold_usdt = view.liquidated_usdt = 0.0
        handlers = self._on
        for event in events:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

    def _book(self, event: AnyEvent) -> None:
        assert isinstance(event, BookChanged)
        self.symbols[event.symbol].levels_changed(event.bids, event.asks)

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

    def _priced(self, event: AnyEvent) -> None:
        assert isinstance(event, SourcePriced)
        if event.source == self.outside:
            for symbol, price in event.prices:
                view = self.symbols[symbol]
                view.outside, view.outside_us = price, event.ts_us

    def _open_interest(self, event: AnyEvent) -> None:
        assert isinstance(event, OpenInterestChanged)
        view = self.symbols[event.symbol]
        view.open_interest = event.open_interest
        view.long_accounts, view.short_accounts = event.long_accounts, event.short_accounts

    def _presence(self, event: AnyEvent) -> None:
        assert isinstance(event, PresencePublished)
        shares = [share_ppm for _, share_ppm in event.presences]
        self.symbols[event.symbol].present = sum(shares) / len(shares) / MILLION

    def _halted(self, event: AnyEvent) -> None:
        for view in self.symbols.values():
            view.halted = isinstance(event, TradingHalted)

    def _paused(self, event: AnyEvent) -> None:
        assert isinstance(event, TradingPaused | TradingReopened)
        self.symbols[event.symbol].paused = isinstance(event, TradingPaused)
