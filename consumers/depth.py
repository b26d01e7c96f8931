"""Depth: who still stands in the book, how much of it, and at what spread.

Depth     sum of price * size of what rests within 1 % of mid, bids and asks; all, and per maker.
Mid       halfway between best bid and best ask; while one side is empty, the last valid one.
Maker     a participant who has ever sent a quote. Its other orders count with its quotes; everybody else is `others`.
Sampled   at each clock tick, and only where the book has changed since the last.
Normal    for findings: the median of the last 60 minutes (`paths.Normal`), frozen while an episode is open.
          For what is summed up (trough, widest spread, recovery): the one known at the first news, fixed from then on,
          because what thins slowly becomes normal before it is gone; without news, the best until that moment (the
          deepest book, the narrowest spread).
Trough    since that news, or since anything was normal: the least mean of a minute, any 60 seconds; at its lowest tick.
Recovered the first time after the trough that depth was over half of that normal for a minute: since when.
Findings  spread-wide: spread, smoothed over 30 s, above 1.6 times its normal for 3 minutes, until below 1.3 times;
          depth-low: depth under 20 % of its normal for 30 s, until 50 % or more for a minute.
Source    `executions` alone tells who owns what rests; `OrdersResting` is the whole truth of a symbol each minute, so
          a monitor that comes late is right from there on.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct
from sortedcontainers import SortedDict

from consumers.episodes import Episode, Held
from consumers.figures import bps, clock, money, share
from consumers.handlers import Handlers
from consumers.monitor import Finding, Severity
from consumers.paths import MINUTE_US, SECOND_US, Normal, Path
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Level, Side, TimeInForce
from stream_engine.messages.topics import Topic
from stream_engine.messages.units import MILLION

BAND_PERCENT = 1

LOW_PERCENT = 20
LOW_FOR_US = 30 * SECOND_US
RECOVERED_PERCENT = 50
RECOVERED_FOR_US = MINUTE_US

WIDE_TIMES_TEN = 16
NARROW_TIMES_TEN = 13
WIDE_FOR_US = 3 * MINUTE_US
SMOOTHING = 2 / (30 + 1)  # weight of the newest second in the moving average of the spread


class MakerDepth(Struct, gc=False):
    """What one maker has in one book: micro-quote within the band on each side, and its own spread.

    `spread_ppm` is None while it does not stand on both sides at all.
    """

    bid: int
    ask: int
    spread_ppm: int | None


class Sample(Struct, gc=False):
    """One book at one tick. `spread_ppm` is None while a side is empty. `mid2` is twice the mid, in ticks."""

    ts_us: int
    mid2: int
    bid: int
    ask: int
    spread_ppm: int | None
    makers: dict[str, MakerDepth]

    @property
    def both(self) -> int:
        """Two-sided depth, micro-quote."""
        return self.bid + self.ask


class Extreme(Struct, frozen=True, gc=False):
    """A value far from what is normal, and when; `normal` is the one that is summed up with."""

    ts_us: int
    value: int
    normal: int


class Depth:
    """Books by participant, sampled each tick."""

    name = "depth"
    topics = frozenset({Topic.EXECUTIONS, Topic.MARKET})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.now_us = 0
        self.books: dict[str, _Book] = {}
        self._news_known = False
        self._participants: dict[int, str] = {}
        self._orders: dict[int, _Order] = {}
        self.handlers: Handlers = {
            e.InstrumentListed: self._listed,
            e.AccountsOpened: self._opened,
            e.OrderAccepted: self._accepted,
            e.OrderAmended: self._amended,
            e.OrderTriggered: self._entered,
            e.OrderCancelled: self._cancelled,
            e.QuoteAccepted: self._quoted,
            e.QuoteCancelled: self._unquoted,
            e.Traded: self._traded,
            e.OrdersResting: self._resting,
            e.NewsPublished: self._news,
            e.ClockTicked: self._ticked,
        }

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    def sample(self, symbol: str) -> Sample | None:
        """The book of a symbol at the last tick; None before it had a mid."""
        book = self.books.get(symbol)
        return book.sample if book else None

    def makers(self, symbol: str) -> list[str]:
        """Who has ever quoted a symbol, by name."""
        book = self.books.get(symbol)
        return sorted(book.makers) if book else []

    # what changes the books ----------------------------------------------------------------------------------

    def _listed(self, event: e.InstrumentListed) -> Iterable[Finding]:
        instrument = event.instrument
        self.books[instrument.symbol] = _Book(self.venue, instrument.symbol, instrument.tick_value)
        return ()

    def _opened(self, event: e.AccountsOpened) -> Iterable[Finding]:
        self._participants.update(event.accounts)
        return ()

    def _accepted(self, event: e.OrderAccepted) -> Iterable[Finding]:
        return () if event.repeated or event.trigger is not None else self._entered(event)

    def _entered(self, event: e.OrderAccepted | e.OrderTriggered) -> Iterable[Finding]:
        if event.price is not None and event.time_in_force is TimeInForce.GTC:
            self._rest(event.order_id, _Order(event.account, event.symbol, event.side, event.price, event.size))
        return ()

    def _amended(self, event: e.OrderAmended) -> Iterable[Finding]:
        if self._left(event.order_id, 0) and event.price is not None:  # one that waits for its trigger is in no book
            self._rest(event.order_id, _Order(event.account, event.symbol, event.side, event.price, event.size))
        return ()

    def _cancelled(self, event: e.OrderCancelled) -> Iterable[Finding]:
        self._left(event.order_id, 0)
        return ()

    def _quoted(self, event: e.QuoteAccepted) -> Iterable[Finding]:
        if book := self.books.get(event.symbol):
            maker = self._maker(book, event.account)
            book.quotes[event.account] = _Quote(maker, list(event.bids), list(event.asks))
            book.changed = True
        return ()

    def _unquoted(self, event: e.QuoteCancelled) -> Iterable[Finding]:
        if book := self.books.get(event.symbol):
            book.quotes.pop(event.account, None)
            book.changed = True
        return ()

    def _traded(self, event: e.Traded) -> Iterable[Finding]:
        self._left(event.taker_order_id, event.taker_left)
        if not self._left(event.maker_order_id, event.maker_left) and (book := self.books.get(event.symbol)):
            book.fill(event.maker, event.taker_side, event.price, event.maker_left)
        return ()

    def _resting(self, event: e.OrdersResting) -> Iterable[Finding]:
        book = self.books.get(event.symbol)
        if book is None:
            return ()
        if event.part == 0:
            self._forget(book)
        for side, rows in ((Side.BUY, event.bids), (Side.SELL, event.asks)):
            for account, order_id, client_id, price, size in rows:
                if client_id:
                    self._rest(order_id, _Order(account, event.symbol, side, price, size))
                    continue
                maker = self._maker(book, account)
                quote = book.quotes.setdefault(account, _Quote(maker, [], []))
                (quote.bids if side is Side.BUY else quote.asks).append((price, size))
        return ()

    def _forget(self, book: "_Book") -> None:
        for order_id in [order_id for order_id, order in self._orders.items() if order.symbol == book.symbol]:
            self._left(order_id, 0)
        book.quotes.clear()
        book.changed = True

    def _rest(self, order_id: int, order: "_Order") -> None:
        if book := self.books.get(order.symbol):
            self._orders[order_id] = order
            maker = self._participants.get(order.account)
            book.add(order, order.left, maker if maker in book.makers else None)

    def _left(self, order_id: int, left: int) -> bool:
        """Set what is left of a resting order; false if none rests under that id."""
        order = self._orders.get(order_id)
        if order is None:
            return False
        book = self.books[order.symbol]
        maker = self._participants.get(order.account)
        book.add(order, left - order.left, maker if maker in book.makers else None)
        order.left = left
        if left == 0:
            del self._orders[order_id]
        return True

    def _maker(self, book: "_Book", account: int) -> str:
        """Whose quote it is; from its first one on, a maker of this book."""
        maker = self._participants.get(account) or f"account {account}"
        if maker not in book.makers:
            book.makers.add(maker)
            self._set_apart(book, maker)
        return maker

    def _set_apart(self, book: "_Book", maker: str) -> None:
        """Whoever quotes for the first time may have orders among those of the others: move them."""
        for order in self._orders.values():
            if order.symbol == book.symbol and self._participants.get(order.account) == maker:
                book.add(order, -order.left, None)
                book.add(order, order.left, maker)

    # what is read from them -----------------------------------------------------------------------------------

    def _news(self, event: e.NewsPublished) -> Iterable[Finding]:
        if not self._news_known:
            self._news_known = True
            for book in self.books.values():
                book.fix_normal()
        return ()

    def _ticked(self, event: e.ClockTicked) -> Iterable[Finding]:
        self.now_us = event.ts_us
        found: list[Finding] = []
        for book in self.books.values():
            book.tick(event)
            found.extend(book.judge(event))
        return found


class _Order(Struct, gc=False):
    account: int
    symbol: str
    side: Side
    price: int
    left: int


class _Quote(Struct, gc=False):
    """One account's quote, best first; `maker` is its participant."""

    maker: str
    bids: list[Level]
    asks: list[Level]


class _Ladder:
    """Lots by price, of one side."""

    __slots__ = ("levels",)

    def __init__(self) -> None:
        self.levels: SortedDict[int, int] = SortedDict()

    def add(self, price: int, lots: int) -> None:
        levels = self.levels
        now = levels.get(price, 0) + lots
        if now:
            levels[price] = now
        elif price in levels:
            del levels[price]

    def within(self, low: int, high: int) -> int:
        """Sum of price * lots from one price to another."""
        levels = self.levels
        return sum(price * levels[price] for price in levels.irange(low, high))


class _Book:
    """One symbol: quotes by account, other orders by maker and side, those of the others by side."""

    def __init__(self, venue: str, symbol: str, tick_value: int) -> None:
        self.venue = venue
        self.symbol = symbol
        self.tick_value = tick_value
        self.changed = False
        self.makers: set[str] = set()
        self.quotes: dict[int, _Quote] = {}
        self.others = (_Ladder(), _Ladder())
        self.own_orders: dict[str, tuple[_Ladder, _Ladder]] = {}
        self.sample: Sample | None = None

        self.depth = Path()
        self.spread = Path()
        self.normal_depth = Normal()
        self.normal_spread = Normal()
        self._fixed_depth: int | None = None
        self._fixed_spread: int | None = None
        self._best_depth: int | None = None
        self._best_spread: int | None = None
        self.trough: Extreme | None = None
        self.recovered_us: int | None = None
        self._trough_mean = 0.0
        self._minute: deque[tuple[int, int]] = deque()
        self._minute_sum = 0
        self._minute_from_us: int | None = None
        self._over_half = Held()
        self.widest: Extreme | None = None  # the largest smoothed spread
        self.spread_at_end_of: dict[int, int | None] = {}  # by minute, at its last tick; None: one-sided then
        self.one_sided_us = 0
        self.smooth_spread: float | None = None
        self._was_us = 0
        self._low, self._recovered, self._wide = Held(), Held(), Held()
        self.low_episode: Episode | None = None
        self.wide_episode: Episode | None = None

    def add(self, order: _Order, lots: int, maker: str | None) -> None:
        """Add lots (or take them away) at an order's price."""
        if maker is None:
            ladders = self.others
        elif maker in self.own_orders:
            ladders = self.own_orders[maker]
        else:
            ladders = self.own_orders[maker] = (_Ladder(), _Ladder())
        ladders[order.side is Side.SELL].add(order.price, lots)
        self.changed = True

    def fill(self, account: int, taker_side: Side, price: int, left: int) -> None:
        """A level of an account's quote was taken; the price says which."""
        quote = self.quotes.get(account)
        if quote is None:
            return
        levels = quote.asks if taker_side is Side.BUY else quote.bids
        for at, (level_price, _) in enumerate(levels):
            if level_price == price:
                if left:
                    levels[at] = (price, left)
                else:
                    del levels[at]
                self.changed = True
                return

    @property
    def summed_normal_depth(self) -> int | None:
        """The normal depth that troughs and recoveries are summed up with."""
        return self.trough.normal if self.trough else self._fixed_depth or self.normal_depth.value

    @property
    def summed_normal_spread(self) -> int | None:
        """The normal spread that the widest one and its recovery are summed up with."""
        return self.widest.normal if self.widest else self._fixed_spread or self.normal_spread.value

    @property
    def spread_now(self) -> int | None:
        """The smoothed spread at the last tick; None while a side is empty."""
        if self.sample is None or self.sample.spread_ppm is None or self.spread.last is None:
            return None
        return self.spread.last.value

    def fix_normal(self) -> None:
        """The first news: what is normal now stays so, and what follows is held against it."""
        if self.normal_depth.value:
            self._fixed_depth = self.normal_depth.value
            self.trough = self.recovered_us = self._minute_from_us = None
        if self.normal_spread.value:
            self._fixed_spread = self.normal_spread.value
            self.widest = None

    def tick(self, event: e.ClockTicked) -> None:
        """Sample the book if it has changed, and follow depth and spread."""
        ts_us = event.ts_us
        if self.changed:
            self.changed = False
            self.sample = self._sampled(ts_us)
        sample = self.sample
        if sample is None:
            return
        both = sample.both
        self.depth.put(ts_us, both)
        self.normal_depth.put(ts_us, both)
        self._follow_trough(event, both)
        if sample.spread_ppm is None:
            self.one_sided_us += ts_us - (self._was_us or ts_us)
        else:
            self._follow_spread(ts_us, sample.spread_ppm)
        self.spread_at_end_of[ts_us - ts_us % MINUTE_US] = self.spread_now
        self._was_us = ts_us

    def _follow_trough(self, event: e.ClockTicked, both: int) -> None:
        """A trough is a minute's mean: a book that is swept for a second is none."""
        known = self.normal_depth.value
        if not known:
            return
        self._best_depth = max(self._best_depth or 0, known)
        mean = self._mean_of_minute(event.ts_us, both)
        if mean is not None and (self.trough is None or mean < self._trough_mean):
            self._trough_mean = mean
            lowest_us, _ = min(self._minute, key=lambda tick: (tick[1], tick[0]))
            self.trough = Extreme(lowest_us, round(mean), self._fixed_depth or self._best_depth)
            self.recovered_us, self._over_half = None, Held()
        trough = self.trough
        if trough is None or self.recovered_us is not None:
            return
        over_half = 100 * both > RECOVERED_PERCENT * trough.normal
        if self._over_half.for_us(over_half, event) >= RECOVERED_FOR_US:
            self.recovered_us = self._over_half.began_us

    def _mean_of_minute(self, ts_us: int, both: int) -> float | None:
        """Mean depth of the 60 seconds up to now; None before they are full."""
        ticks = self._minute
        if self._minute_from_us is None:
            self._minute_from_us, self._minute_sum = ts_us, 0
            ticks.clear()
        ticks.append((ts_us, both))
        self._minute_sum += both
        while ticks[0][0] <= ts_us - MINUTE_US:
            self._minute_sum -= ticks.popleft()[1]
        return self._minute_sum / len(ticks) if ts_us - self._minute_from_us >= MINUTE_US else None

    def _follow_spread(self, ts_us: int, spread_ppm: int) -> None:
        was = self.smooth_spread
        self.smooth_spread = smooth = spread_ppm if was is None else was + SMOOTHING * (spread_ppm - was)
        self.spread.put(ts_us, round(smooth))
        self.normal_spread.put(ts_us, spread_ppm)
        normal = self.normal_spread.value
        if not normal:
            return
        self._best_spread = min(self._best_spread or normal, normal)
        if self.widest is None or round(smooth) > self.widest.value:
            self.widest = Extreme(ts_us, round(smooth), self._fixed_spread or self._best_spread)

    def judge(self, event: e.ClockTicked) -> Iterator[Finding]:
        """Open and close the episodes of the book."""
        if self.sample is not None:
            yield from self._judge_spread(self.sample, event)
            yield from self._judge_depth(self.sample, event)

    def _judge_spread(self, sample: Sample, event: e.ClockTicked) -> Iterator[Finding]:
        normal, smooth = self.normal_spread.value, self.smooth_spread
        if not normal or smooth is None:
            return
        times_ten = 10 * smooth / normal
        one_sided = sample.spread_ppm is None  # no spread at all is no narrow one
        values = {"spread_ppm": round(smooth), "normal_ppm": normal}
        if self.wide_episode is None:
            if self._wide.for_us(one_sided or times_ten > WIDE_TIMES_TEN, event) >= WIDE_FOR_US:
                self.wide_episode = episode = self._episode("spread-wide", Severity.WATCH, self._wide)
                self._wide = Held()
                self.normal_spread.freeze()
                yield episode.opened(
                    event,
                    f"{self.symbol}: spread {bps(round(smooth)):g} bps, {times_ten / 10:.1f} times its normal",
                    values,
                )
        elif not one_sided and times_ten < NARROW_TIMES_TEN:
            episode, self.wide_episode = self.wide_episode, None
            self.normal_spread.thaw()
            yield episode.closed(event, f"{self.symbol}: spread back to {bps(round(smooth)):g} bps", values)

    def _judge_depth(self, sample: Sample, event: e.ClockTicked) -> Iterator[Finding]:
        normal = self.normal_depth.value
        if not normal:
            return
        percent = share(sample.both, normal) or 0.0
        values = {"depth": sample.both, "normal": normal}
        if self.low_episode is None:
            low = 100 * sample.both < LOW_PERCENT * normal
            if self._low.for_us(low, event) >= LOW_FOR_US:
                self.low_episode = episode = self._episode("depth-low", Severity.CRITICAL, self._low)
                self._low = Held()
                self.normal_depth.freeze()
                yield episode.opened(
                    event,
                    f"{self.symbol}: depth {money(sample.both)}, {percent:.0f} % of its normal {money(normal)}",
                    values,
                )
            return
        recovered = 100 * sample.both >= RECOVERED_PERCENT * normal
        if self._recovered.for_us(recovered, event) >= RECOVERED_FOR_US:
            episode, self.low_episode = self.low_episode, None
            self._recovered = Held()
            self.normal_depth.thaw()
            yield episode.closed(
                event, f"{self.symbol}: depth back to {percent:.0f} %{self._trough_text(episode)}", values
            )

    def _episode(self, rule: str, severity: Severity, since: Held) -> Episode:
        return Episode(rule, severity, venue=self.venue, symbol=self.symbol, since_us=since.began_us, seq=since.seq)

    def _trough_text(self, episode: Episode) -> str:
        trough = self.trough
        if trough is None or trough.ts_us < episode.since_us:
            return ""
        return f"; its trough was {money(trough.value)} at {clock(trough.ts_us)}"

    # one sample --------------------------------------------------------------------------------------------------

    def _sampled(self, ts_us: int) -> Sample | None:
        best_bid, best_ask = self._best()
        if best_bid is not None and best_ask is not None:
            mid2 = best_bid + best_ask
            spread_ppm = (best_ask - best_bid) * 2 * MILLION // mid2
        elif self.sample is not None:
            mid2, spread_ppm = self.sample.mid2, None
        else:
            return None
        low = -(-mid2 * (100 - BAND_PERCENT) // 200)
        high = mid2 * (100 + BAND_PERCENT) // 200
        value = self.tick_value
        makers = {maker: MakerDepth(0, 0, None) for maker in self.makers}
        ends: dict[str, tuple[int, int]] = {}
        for quote in self.quotes.values():
            maker = makers[quote.maker]
            maker.bid += _bids_from(quote.bids, low) * value
            maker.ask += _asks_to(quote.asks, high) * value
            if quote.bids and quote.asks:
                bid, ask = quote.bids[0][0], quote.asks[0][0]
                was = ends.get(quote.maker)
                ends[quote.maker] = (max(bid, was[0]), min(ask, was[1])) if was else (bid, ask)
        for name, (bids, asks) in self.own_orders.items():
            makers[name].bid += bids.within(low, high) * value
            makers[name].ask += asks.within(low, high) * value
        for name, (bid, ask) in ends.items():
            makers[name].spread_ppm = max(0, ask - bid) * 2 * MILLION // (bid + ask)
        return Sample(
            ts_us,
            mid2,
            self.others[0].within(low, high) * value + sum(maker.bid for maker in makers.values()),
            self.others[1].within(low, high) * value + sum(maker.ask for maker in makers.values()),
            spread_ppm,
            makers,
        )

    def _best(self) -> tuple[int | None, int | None]:
        bids = [quote.bids[0][0] for quote in self.quotes.values() if quote.bids]
        asks = [quote.asks[0][0] for quote in self.quotes.values() if quote.asks]
        for bid_ladder, ask_ladder in (self.others, *self.own_orders.values()):
            if bid_ladder.levels:
                bids.append(bid_ladder.levels.peekitem(-1)[0])
            if ask_ladder.levels:
                asks.append(ask_ladder.levels.peekitem(0)[0])
        return max(bids, default=None), min(asks, default=None)


def _bids_from(levels: list[Level], low: int) -> int:
    total = 0
    for price, size in levels:
        if price < low:
            break
        total += price * size
    return total


def _asks_to(levels: list[Level], high: int) -> int:
    total = 0
    for price, size in levels:
        if price > high:
            break
        total += price * size
    return total
