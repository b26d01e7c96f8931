"""Liquidations: how many positions were taken, from whom, how large, and where they went.

Counted    a position when its liquidation ends (`LiquidationEnded`), valued at the mark at which it was taken.
Went       into the book up to the bankruptcy price; into the book beyond it at the fund's cost, or to the fund itself;
           to deleveraged accounts; to the deficit. The four add up to what was liquidated.
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
from stream_engine.messages.topics import Topic


class Liquidated(Struct, frozen=True, gc=False):
    """One position that was taken: notional in micro-quote at the mark, by where it went."""

    ts_us: int
    account: int
    symbol: str
    long: bool
    book: int
    fund: int
    adl: int
    deficit: int

    @property
    def notional(self) -> int:
        """All of it."""
        return self.book + self.fund + self.adl + self.deficit


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
        self.adl = 0
        self.deficit = 0
        self.longs = Totals()
        self.shorts = Totals()
        self.largest: Liquidated | None = None

    def add(self, taken: Liquidated) -> None:
        """One more position."""
        notional = taken.notional
        self.positions += 1
        self.accounts.add(taken.account)
        self.notional += notional
        self.book += taken.book
        self.fund += taken.fund
        self.adl += taken.adl
        self.deficit += taken.deficit
        if taken.long:
            self.long_positions += 1
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
    topics = frozenset({Topic.LIQUIDATIONS, Topic.MARKET})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.all = Tally()
        self.by_symbol: dict[str, Tally] = {}
        self.first_into_book_us: int | None = None
        self._tick_values: dict[str, int] = {}
        self._taken: dict[tuple[int, str], e.LiquidationStarted] = {}
        self._waves: dict[str, Wave] = {}
        self.handlers: Handlers = {
            e.InstrumentListed: self._listed,
            e.LiquidationStarted: self._started,
            e.LiquidationFilled: self._filled,
            e.LiquidationEnded: self._ended,
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
        if started is None or tick_value is None:
            return ()  # it began before this monitor did
        per_lot = started.mark * tick_value
        taken = Liquidated(
            event.ts_us,
            event.account,
            event.symbol,
            started.size > 0,
            event.book * per_lot,
            (event.fund + event.taken_over) * per_lot,
            event.adl * per_lot,
            event.deficit * per_lot,
        )
        self.all.add(taken)
        self.by_symbol.setdefault(event.symbol, Tally()).add(taken)
        return self._told(event, started, taken)

    def _told(self, event: e.LiquidationEnded, started: e.LiquidationStarted, taken: Liquidated) -> Iterable[Finding]:
        wave = self._waves.get(event.symbol)
        if wave is not None:
            wave.add(event, taken.notional)
            return ()
        episode = Episode(
            "liquidations",
            Severity.WARNING,
            venue=self.venue,
            symbol=event.symbol,
            since_us=started.ts_us,
            seq=started.seq,
        )
        self._waves[event.symbol] = wave = Wave(episode, event)
        wave.add(event, taken.notional)
        side = "long" if taken.long else "short"
        return (wave.opened(event, f"{event.symbol}: liquidations begin, a {side} of {money(taken.notional)}"),)

    def _ticked(self, event: e.ClockTicked) -> Iterable[Finding]:
        return self._waves_at(event) if self._waves else ()

    def _waves_at(self, event: e.ClockTicked) -> Iterator[Finding]:
        for symbol, wave in list(self._waves.items()):
            yield from wave.told(event, f"{symbol}: {wave.count:,} positions liquidated, {money(wave.notional)}")
            if wave.over(event):
                del self._waves[symbol]
