"""Index price: the weighted mean of the sources that are fresh.

A source is outside spot (its prices come in on `shocks`) or the venue's own last trade (`own`). One that has been
silent for longer than the instrument allows is left out; when all are, the index stays where it was.
Rounding  to the nearest tick: an index favours nobody.
"""

from msgspec import Struct

from stream_engine.core.arithmetic import div_nearest
from stream_engine.messages.instrument import OWN_TRADES, IndexSource


class Sighting(Struct, gc=False):
    """The last price of a source, in ticks, and when it came."""

    weight: int
    price: int = 0
    seen_us: int = -1


class IndexPrice:
    """The sources of one symbol."""

    __slots__ = ("own", "sightings", "stale_after_us")

    def __init__(self, sources: tuple[IndexSource, ...], stale_after_us: int) -> None:
        self.sightings = {source.name: Sighting(source.weight) for source in sources}
        self.stale_after_us = stale_after_us
        self.own = self.sightings.get(OWN_TRADES)

    def see_own(self, price: int, now_us: int) -> None:
        """Take the venue's own last trade, if it is a source of the index."""
        if self.own is not None:
            self.own.price = price
            self.own.seen_us = now_us

    def see(self, source: str, price: int, now_us: int) -> None:
        """Take the price of one of its sources, in ticks."""
        sighting = self.sightings[source]
        sighting.price = price
        sighting.seen_us = now_us

    def value(self, now_us: int) -> int | None:
        """The index in ticks; None when no source is fresh."""
        oldest = now_us - self.stale_after_us
        weight = total = 0
        for sighting in self.sightings.values():
            if sighting.seen_us >= oldest and sighting.seen_us >= 0:
                weight += sighting.weight
                total += sighting.weight * sighting.price
        return div_nearest(total, weight) if weight else None
