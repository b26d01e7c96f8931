"""Index price: the weighted mean of the sources that are fresh.

A source is outside spot (its prices come in on `shocks`) or the venue's own last trade (`own`).
Fresh     a price is as old as its sender says, however late it came: after a feed has stalled, what it kept back
          counts for what it was. One older than the instrument allows is left out; when all are, the index stays where
          it was. A source that has sent a newer price is not taken at its older ones (STALE_PRICE): records that
          overtook each other; at an equal time the later one counts.
Clamp     where the instrument asks for it, and three sources or more are fresh: one that is farther from their median
          than `index_clamp_ppm` counts as if it were that far. The median is of the sources with a weight, each once.
Others    `perp...` are perpetuals of other venues: no source of the index, but of the mark that asks for them.
Rounding  to the nearest tick: an index favours nobody. The bounds of the clamp away from the median.
"""

from msgspec import Struct

from stream_engine.core.arithmetic import div_ceil, div_floor, div_nearest
from stream_engine.messages.instrument import OWN_TRADES, PERPETUALS, Instrument
from stream_engine.messages.units import MILLION

LEAST_FOR_A_CLAMP = 3


class Sighting(Struct, gc=False):
    """The last price of a source, in ticks, and the sender's time of it."""

    weight: int
    price: int = 0
    seen_us: int = -1


class IndexPrice:
    """The sources of one symbol."""

    __slots__ = ("clamp_ppm", "own", "perpetuals", "sightings", "spot", "stale_after_us")

    def __init__(self, instrument: Instrument) -> None:
        self.sightings = {source.name: Sighting(source.weight) for source in instrument.sources}
        self.stale_after_us = instrument.stale_after_us
        self.clamp_ppm = instrument.index_clamp_ppm
        self.own = self.sightings.get(OWN_TRADES)
        self.perpetuals = tuple(seen for name, seen in self.sightings.items() if name.startswith(PERPETUALS))
        self.spot = tuple(seen for name, seen in self.sightings.items() if not name.startswith(PERPETUALS))

    def see_own(self, price: int, now_us: int) -> None:
        """Take the venue's own last trade, if it is a source of the index."""
        if self.own is not None:
            self.own.price = price
            self.own.seen_us = now_us

    def is_overtaken(self, source: str, sent_us: int) -> bool:
        """Whether one of its sources has already sent a newer price."""
        return sent_us < self.sightings[source].seen_us

    def see(self, source: str, price: int, sent_us: int) -> None:
        """Take the price of one of its sources, in ticks."""
        sighting = self.sightings[source]
        sighting.price = price
        sighting.seen_us = sent_us

    def value(self, now_us: int) -> int | None:
        """The index in ticks; None when no source is fresh."""
        oldest = max(0, now_us - self.stale_after_us)
        if self.clamp_ppm:
            return self._clamped(oldest)
        weight = total = 0
        for sighting in self.spot:
            if sighting.seen_us >= oldest:
                weight += sighting.weight
                total += sighting.weight * sighting.price
        return div_nearest(total, weight) if weight else None

    def others(self, now_us: int) -> list[tuple[int, int]]:
        """(price in ticks, weight) of the other venues' perpetuals that are fresh."""
        oldest = max(0, now_us - self.stale_after_us)
        return [(seen.price, seen.weight) for seen in self.perpetuals if seen.seen_us >= oldest and seen.weight]

    def _clamped(self, oldest: int) -> int | None:
        fresh = [sighting for sighting in self.spot if sighting.seen_us >= oldest and sighting.weight]
        if not fresh:
            return None
        low, high = 0, max(sighting.price for sighting in fresh)
        if len(fresh) >= LEAST_FOR_A_CLAMP:
            prices = sorted(sighting.price for sighting in fresh)
            doubled = prices[(len(prices) - 1) // 2] + prices[len(prices) // 2]
            low = div_floor(doubled * (MILLION - self.clamp_ppm), 2 * MILLION)
            high = div_ceil(doubled * (MILLION + self.clamp_ppm), 2 * MILLION)
        total = sum(sighting.weight * min(high, max(low, sighting.price)) for sighting in fresh)
        return div_nearest(total, sum(sighting.weight for sighting in fresh))


def complaint(instrument: Instrument) -> str | None:
    """What contradicts itself in where a listing's index comes from."""
    names = [source.name for source in instrument.sources]
    weights = [source.weight for source in instrument.sources if not source.name.startswith(PERPETUALS)]
    if len(set(names)) < len(names) or not any(weights):
        return "sources: expected each once, and a weight above 0"
    if not 0 <= instrument.index_clamp_ppm < MILLION:
        return f"index_clamp_ppm: expected 0 to 999,999, found {instrument.index_clamp_ppm}"
    return None
