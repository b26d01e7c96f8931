"""Relay: tells each venue what a perpetual last traded at on the others, where its index or mark looks at that.

Source    of a market, one that bears another venue's name is that venue's last trade; so is `perp-` and its name (a
          perpetual: looked at by the mark alone).
Sends     every tick, all that a venue looks at of one other in one input, in ticks of the venue that is told.
Silent    while the other has not traded yet, is halted or has paused the symbol: its price grows stale like any other.
"""

from collections.abc import Mapping, Sequence

from producers.labels import AnyLabel
from producers.market_view import MarketView
from stream_engine.messages.events import AnyEvent
from stream_engine.messages.inputs import IndexPrices, Input
from stream_engine.messages.instrument import PERPETUALS
from stream_engine.messages.topics import Topic


class PriceRelay:
    """Between all venues of a world."""

    name = "relay"
    latency_us = 0
    topics: frozenset[Topic] = frozenset()
    accounts: frozenset[int] = frozenset()
    labels: tuple[AnyLabel, ...] = ()

    def __init__(self, views: Mapping[str, MarketView]) -> None:
        self.venue = next(iter(views))
        self.hears = frozenset(views)
        self.views = tuple(views.values())
        self._views = views
        self._lines = lines_between(views)

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """What each venue is told of each other."""
        sent: list[Input] = []
        for venue, source, other, symbols in self._lines:
            told, theirs = self._views[venue].symbols, self._views[other].symbols
            prices = tuple(
                (symbol, told[symbol].ticks(theirs[symbol].last * theirs[symbol].tick_usdt / told[symbol].tick_usdt))
                for symbol in symbols
                if theirs[symbol].last and theirs[symbol].trading
            )
            if prices:
                sent.append(IndexPrices(venue, now_us, source, prices))
        return sent


def lines_between(views: Mapping[str, MarketView]) -> list[tuple[str, str, str, list[str]]]:
    """(venue that is told, name of the source, the other venue, symbols): in the order of the venues."""
    lines = []
    for venue, view in views.items():
        for other, theirs in views.items():
            for source in (other, f"{PERPETUALS}-{other}") if other != venue else ():
                symbols = [
                    symbol
                    for symbol, one in view.symbols.items()
                    if symbol in theirs.symbols and any(each.name == source for each in one.instrument.sources)
                ]
                if symbols:
                    lines.append((venue, source, other, symbols))
    return lines
