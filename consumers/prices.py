"""Prices: paths of mark, index and last trade, how far they fell, the news, and whether trading is halted.

Decides    nothing; publishes one finding per piece of news, at its time.
Findings   halted: trading is halted, until it is resumed.
Fall       from the first value of the run to the lowest, in ppm of the first.
Beyond     how much further the last trade fell than the outside source did: the part that the venue added. Outside
           prices are inputs, so whoever runs this hands them over (`Outside`); without them it is not known.
"""

from collections.abc import Iterable, Mapping

from consumers.episodes import Episode
from consumers.figures import duration
from consumers.handlers import Handlers
from consumers.monitor import Finding, Severity
from consumers.paths import Path
from stream_engine.messages import events as e
from stream_engine.messages.inputs import AnyInput, IndexPrices, PriceShock
from stream_engine.messages.instrument import Instrument
from stream_engine.messages.topics import Topic
from stream_engine.messages.units import MILLION


class Outside:
    """The path of each symbol's price at one outside source, from the inputs on `shocks`."""

    def __init__(self, source: str = "spot") -> None:
        self.source = source
        self.paths: dict[str, Path] = {}

    def take(self, received: AnyInput) -> None:
        """Keep the prices of an input that carries any."""
        if isinstance(received, IndexPrices | PriceShock) and received.source == self.source:
            for symbol, ticks in received.prices:
                self.paths.setdefault(symbol, Path()).put(received.ts_us, ticks)


class Prices:
    """Mark, index and last trade of each symbol of one venue."""

    name = "prices"
    topics = frozenset({Topic.MARKET})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.now_us = 0
        self.started_us = 0
        self.instruments: dict[str, Instrument] = {}
        self.mark: dict[str, Path] = {}
        self.index: dict[str, Path] = {}
        self.last: dict[str, Path] = {}
        self.news: list[e.NewsPublished] = []
        self.halt: Episode | None = None
        self.handlers: Handlers = {
            e.InstrumentListed: self._listed,
            e.ClockTicked: self._ticked,
            e.MarkPriceChanged: self._marked,
            e.TradePrinted: self._traded,
            e.NewsPublished: self._published,
            e.TradingHalted: self._halted,
            e.TradingResumed: self._resumed,
        }

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    def _listed(self, event: e.InstrumentListed) -> Iterable[Finding]:
        symbol = event.instrument.symbol
        self.instruments[symbol] = event.instrument
        for paths in (self.mark, self.index, self.last):
            paths[symbol] = Path()
        return ()

    def _ticked(self, event: e.ClockTicked) -> Iterable[Finding]:
        self.now_us = event.ts_us
        if not self.started_us:
            self.started_us = event.ts_us
        return ()

    def _marked(self, event: e.MarkPriceChanged) -> Iterable[Finding]:
        if event.symbol in self.mark:
            self.mark[event.symbol].put(event.ts_us, event.mark)
            self.index[event.symbol].put(event.ts_us, event.index)
        return ()

    def _traded(self, event: e.TradePrinted) -> Iterable[Finding]:
        if event.symbol in self.last:
            self.last[event.symbol].put(event.ts_us, event.price)
        return ()

    def _published(self, event: e.NewsPublished) -> Iterable[Finding]:
        self.news.append(event)
        news = Episode(
            "news",
            Severity.INFO,
            venue=self.venue,
            symbol=None,
            since_us=event.ts_us,
            seq=event.seq,
            subject=event.label,
        )
        return (news.closed(event, event.headline, {}),)  # it has happened; nothing stays open

    def _halted(self, event: e.TradingHalted) -> Iterable[Finding]:
        self.halt = Episode(
            "halted", Severity.WARNING, venue=self.venue, symbol=None, since_us=event.ts_us, seq=event.seq
        )
        return (self.halt.opened(event, f"trading is halted: {event.reason}", {}),)

    def _resumed(self, event: e.TradingResumed) -> Iterable[Finding]:
        halt, self.halt = self.halt, None
        if halt is None:  # halted before the oldest event that is kept
            return ()
        return (halt.closed(event, f"trading is resumed after {duration(event.ts_us - halt.since_us)}", {}),)


def fall_ppm(path: Path | None) -> int | None:
    """From the first value to the lowest, in ppm of the first, rounded down; None without a price."""
    if path is None or path.first is None or path.low is None or path.first.value <= 0:
        return None
    return (path.first.value - path.low.value) * MILLION // path.first.value


def beyond_ppm(last: Path | None, symbol: str, outside: Mapping[str, Path]) -> int | None:
    """How much further the last trade fell than the outside source; None where either is not known."""
    inside_fall, outside_fall = fall_ppm(last), fall_ppm(outside.get(symbol))
    return None if inside_fall is None or outside_fall is None else inside_fall - outside_fall
