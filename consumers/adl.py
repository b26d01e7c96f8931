"""ADL: who was deleveraged, how much of it, with how many lights, and who stood in the book meanwhile.

Notional   what was closed, at the price at which it was closed.
Absent     more than half of the symbol's makers did not stand on both sides at the last tick (`MarketMakers`).
Top 1 %    of the deleveraged accounts, at least one, by notional.
Finding    adl, per symbol: open from the first until there was none for 5 minutes; an update a minute.
"""

from collections.abc import Iterable, Iterator

from consumers.episodes import Episode, Wave
from consumers.figures import money
from consumers.handlers import Handlers
from consumers.market_makers import MarketMakers
from consumers.monitor import Finding, Severity
from consumers.paths import Totals
from stream_engine.messages import events as e
from stream_engine.messages.topics import Topic


class Deleveraged:
    """Sums over deleveraged positions; money in micro-quote."""

    def __init__(self) -> None:
        self.closings = 0
        self.positions: set[tuple[int, str]] = set()
        self.notional = 0
        self.short_notional = 0
        self.absent_notional = 0
        self.by_lights = dict.fromkeys(range(1, 6), 0)
        self.by_account: dict[int, int] = {}
        self.minutes = Totals()

    def add(self, event: e.PositionDeleveraged, notional: int, absent: bool) -> None:
        """One more closing."""
        self.closings += 1
        self.positions.add((event.account, event.symbol))
        self.notional += notional
        if event.size > 0:  # a short that is closed is bought back
            self.short_notional += notional
        if absent:
            self.absent_notional += notional
        self.by_lights[event.lights] = self.by_lights.get(event.lights, 0) + notional
        self.by_account[event.account] = self.by_account.get(event.account, 0) + notional
        self.minutes.add(event.ts_us, notional)

    def top_percent_notional(self) -> int:
        """Notional of the largest hundredth of the accounts, at least one of them."""
        largest = sorted(self.by_account.values(), reverse=True)
        return sum(largest[: max(1, len(largest) // 100)])


class Adl:
    """Deleveraging of one venue."""

    name = "adl"
    topics = frozenset({Topic.ADL, Topic.MARKET})

    def __init__(self, venue: str, market_makers: MarketMakers) -> None:
        self.venue = venue
        self.market_makers = market_makers
        self.all = Deleveraged()
        self.by_symbol: dict[str, Deleveraged] = {}
        self.first_us: int | None = None
        self._tick_values: dict[str, int] = {}
        self._waves: dict[str, Wave] = {}
        self.handlers: Handlers = {
            e.InstrumentListed: self._listed,
            e.PositionDeleveraged: self._deleveraged,
            e.ClockTicked: self._ticked,
        }

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    def of(self, symbol: str) -> Deleveraged:
        """The sums of one symbol."""
        return self.by_symbol.get(symbol) or Deleveraged()

    def _listed(self, event: e.InstrumentListed) -> Iterable[Finding]:
        self._tick_values[event.instrument.symbol] = event.instrument.tick_value
        return ()

    def _deleveraged(self, event: e.PositionDeleveraged) -> Iterable[Finding]:
        symbol = event.symbol
        notional = abs(event.size) * event.price * self._tick_values.get(symbol, 0)
        absent = self.market_makers.most_without_quotes(symbol)
        self.all.add(event, notional, absent)
        self.by_symbol.setdefault(symbol, Deleveraged()).add(event, notional, absent)
        if self.first_us is None:
            self.first_us = event.ts_us
        wave = self._waves.get(symbol)
        if wave is not None:
            wave.add(event, notional)
            return ()
        episode = Episode(
            "adl", Severity.CRITICAL, venue=self.venue, symbol=symbol, since_us=event.ts_us, seq=event.seq
        )
        self._waves[symbol] = wave = Wave(episode, event)
        wave.add(event, notional)
        quoting = "most makers quote" if self.market_makers.of(symbol) else "no makers"
        meanwhile = "most makers out" if absent else quoting
        side = "short" if event.size > 0 else "long"
        shown = f"{event.lights} lights, " if event.lights else ""  # some venues show none
        text = f"{symbol}: ADL begins: a {side} of {money(notional)}, {shown}{meanwhile}"
        return (wave.opened(event, text),)

    def _ticked(self, event: e.ClockTicked) -> Iterable[Finding]:
        return self._waves_at(event) if self._waves else ()

    def _waves_at(self, event: e.ClockTicked) -> Iterator[Finding]:
        for symbol, wave in list(self._waves.items()):
            yield from wave.told(event, f"{symbol}: {wave.count:,} closings by ADL, {money(wave.notional)}")
            if wave.over(event):
                del self._waves[symbol]
