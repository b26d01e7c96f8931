"""Liquidations: how many positions were taken, from whom, how large, and where they went.

Counted    a part of a position when its liquidation ends (`LiquidationEnded`) or a vault takes it over with its
           account (`BackstopTookOver`), valued at the mark at which it was taken; the position itself once, with its
           first part.
Went       into the book up to the bankruptcy price; into the book beyond it at the fund's cost; to the fund itself; to
           a vault; to deleveraged accounts; to the deficit. The six add up to what was liquidated.
Houses     what a pool or a vault had taken over and then loses was liquidated before, and does not count again.
Wiped out  an account that a vault took over, or that had no money when its last position was liquidated: none, a debt,
           or what rounding left and the fund took. Where the owner keeps what is left over the fee, it is not.
Long       the liquidated position was long (its closing sells).
Finding    liquidations, per symbol: open from the first until there was none for 5 minutes; an update a minute.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from consumers.episodes import Episode, Wave
from consumers.figures import money
from consumers.handlers import Handlers
from consumers.monitor import Finding, Severity
from consumers.paths import Totals
from stream_engine.messages import events as e
from stream_engine.messages.events import FundReason
from stream_engine.messages.topics import Topic


class Liquidated(Struct, frozen=True, gc=False):
    """One position that was taken: notional in micro-quote at the mark, by where it went."""

    ts_us: int
    account: int
    symbol: str
    long: bool
    book: int = 0
    fund: int = 0
    taken_over: int = 0
    vault: int = 0
    adl: int = 0
    deficit: int = 0

    @property
    def notional(self) -> int:
        """All of it."""
        return self.book + self.fund + self.taken_over + self.vault + self.adl + self.deficit


class Tally:
    """Sums over liquidated positions, all in micro-quote but the counts."""

    def __init__(self) -> None:
        self.positions = 0
        self.long_positions = 0
        self.accounts: set[int] = set()
        self.notional = 0
        self.long_notional = 0
        self.book = 0
        self.fund = 0
        self.taken_over = 0
        self.vault = 0
        self.adl = 0
        self.deficit = 0
        self.longs = Totals()
        self.shorts = Totals()
        self.largest: Liquidated | None = None

    def add(self, taken: Liquidated, first: bool) -> None:
        """One more part; whether it is the first of its position."""
        notional = taken.notional
        self.positions += first
        self.accounts.add(taken.account)
        self.notional += notional
        self.book += taken.book
        self.fund += taken.fund
        self.taken_over += taken.taken_over
        self.vault += taken.vault
        self.adl += taken.adl
        self.deficit += taken.deficit
        if taken.long:
            self.long_positions += first
            self.long_notional += notional
        (self.longs if taken.long else self.shorts).add(taken.ts_us, notional)
        if self.largest is None or notional > self.largest.notional:
            self.largest = taken

    def minute(self, ts_us: int) -> int:
        """What was liquidated in the minute of a time."""
        return self.longs.at(ts_us) + self.shorts.at(ts_us)

    def minutes(self) -> Totals:
        """Longs and shorts together, by minute."""
        both = Totals()
        for side in (self.longs, self.shorts):
            for minute_us, notional in side.minutes.items():
                both.add(minute_us, notional)
        return both


class Liquidations:
    """Every liquidated position of one venue."""

    name = "liquidations"
    topics = frozenset({Topic.LIQUIDATIONS, Topic.FUND, Topic.MARKET})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.all = Tally()
        self.by_symbol: dict[str, Tally] = {}
        self.wiped_out: set[int] = set()
        self.first_into_book_us: int | None = None
        self.first_taken_over_us: int | None = None
        self.first_vault_us: int | None = None
        self._tick_values: dict[str, int] = {}
        self._taken: dict[tuple[int, str], e.LiquidationStarted] = {}
        self._in_parts: set[tuple[int, str]] = set()
        self._houses: set[int] = set()
        self._waves: dict[str, Wave] = {}
        self.handlers: Handlers = {
            e.InstrumentListed: self._listed,
            e.LiquidationStarted: self._started,
            e.LiquidationFilled: self._filled,
            e.LiquidationEnded: self._ended,
            e.BackstopTookOver: self._handed_over,
            e.PositionTakenOver: self._inherited,
            e.FundChanged: self._settled,
            e.ClockTicked: self._ticked,
        }

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    def of(self, symbol: str) -> Tally:
        """The sums of one symbol."""
        return self.by_symbol.get(symbol) or Tally()

    def _listed(self, event: e.InstrumentListed) -> Iterable[Finding]:
        self._tick_values[event.instrument.symbol] = event.instrument.tick_value
        return ()

    def _started(self, event: e.LiquidationStarted) -> Iterable[Finding]:
        self._taken[event.account, event.symbol] = event
        return ()

    def _filled(self, event: e.LiquidationFilled) -> Iterable[Finding]:
        if self.first_into_book_us is None and event.to_fund >= 0:
            self.first_into_book_us = event.ts_us
        return ()

    def _ended(self, event: e.LiquidationEnded) -> Iterable[Finding]:
        started = self._taken.pop((event.account, event.symbol), None)
        tick_value = self._tick_values.get(event.symbol)
        if started is None or tick_value is None or event.account in self._houses:
            return ()  # it began before this monitor did, or counted when the house took it over
        if not event.left and event.wallet == 0:
            self.wiped_out.add(event.account)
        per_lot = started.mark * tick_value
        taken = Liquidated(
            event.ts_us,
            event.account,
            event.symbol,
            started.size > 0,
            event.book * per_lot,
            event.fund * per_lot,
            event.taken_over * per_lot,
            0,
            event.adl * per_lot,
            event.deficit * per_lot,
        )
        return self._counted(event, started, taken, is_over=not event.left)

    def _handed_over(self, event: e.BackstopTookOver) -> Iterator[Finding]:
        self._houses.add(event.house)
        self.wiped_out.add(event.account)
        if self.first_vault_us is None:
            self.first_vault_us = event.ts_us
        for symbol, size, mark in event.positions:
            tick_value = self._tick_values.get(symbol)
            if tick_value is not None:
                worth = abs(size) * mark * tick_value
                taken = Liquidated(event.ts_us, event.account, symbol, size > 0, vault=worth)
                yield from self._counted(event, event, taken, is_over=True)

    def _inherited(self, event: e.PositionTakenOver) -> Iterable[Finding]:
        self._houses.add(event.house)
        if self.first_taken_over_us is None:
            self.first_taken_over_us = event.ts_us
        return ()

    def _settled(self, event: e.FundChanged) -> Iterable[Finding]:
        is_what_was_left = event.reason is FundReason.DUST or event.reason is FundReason.DEBT
        if is_what_was_left and event.account is not None and event.account not in self._houses:
            self.wiped_out.add(event.account)
        return ()

    def _counted(self, event: e.Event, started: e.Event, taken: Liquidated, *, is_over: bool) -> Iterable[Finding]:
        position = taken.account, taken.symbol
        first = position not in self._in_parts
        (self._in_parts.discard if is_over else self._in_parts.add)(position)
        self.all.add(taken, first)
        self.by_symbol.setdefault(taken.symbol, Tally()).add(taken, first)
        return self._told(event, started, taken, first)

    def _told(self, event: e.Event, started: e.Event, taken: Liquidated, first: bool) -> Iterable[Finding]:
        symbol, notional = taken.symbol, taken.notional
        wave = self._waves.get(symbol)
        if wave is not None:
            wave.add(event, notional, first)
            return ()
        episode = Episode(
            "liquidations",
            Severity.WARNING,
            venue=self.venue,
            symbol=symbol,
            since_us=started.ts_us,
            seq=started.seq,
        )
        self._waves[symbol] = wave = Wave(episode, event)
        wave.add(event, notional)
        side = "long" if taken.long else "short"
        return (wave.opened(event, f"{symbol}: liquidations begin, a {side} of {money(notional)}"),)

    def _ticked(self, event: e.ClockTicked) -> Iterable[Finding]:
        return self._waves_at(event) if self._waves else ()

    def _waves_at(self, event: e.ClockTicked) -> Iterator[Finding]:
        for symbol, wave in list(self._waves.items()):
            yield from wave.told(event, f"{symbol}: {wave.count:,} positions liquidated, {money(wave.notional)}")
            if wave.over(event):
                del self._waves[symbol]
