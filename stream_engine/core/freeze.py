"""Freeze: a price feed that cannot be trusted liquidates nobody.

Divergence  last trade and index are farther apart than the venue allows (strictly, as a share of the index), and have
            been for longer than it allows. Before the first trade there is none.
Stall       the oldest outside source of the index (with a weight, and heard of at least once) is older than the venue
            allows, strictly.
Cap         a freeze ends when its reason does; or after its cap (0: none), and then it does not come again before its
            reason has gone.
Looked at   whenever index and mark are made anew: at each clock tick, each price that comes in, and between the rounds
            of a cascade.
"""

from stream_engine.core.index_price import IndexPrice
from stream_engine.messages.events import Breaker
from stream_engine.messages.instrument import OWN_TRADES
from stream_engine.messages.rules import BreakerRules
from stream_engine.messages.units import MILLION


class Freeze:
    """Of one symbol: since when last and index are apart, and which freezes have used up their cap."""

    __slots__ = ("apart_since_us", "spent")

    def __init__(self) -> None:
        self.apart_since_us: int | None = None
        self.spent: dict[Breaker, None] = {}

    def is_diverged(self, last: int, index: int, now_us: int, rules: BreakerRules) -> bool:
        """Whether last and index have been too far apart for too long."""
        limit = rules.divergence_ppm
        if not limit or not last or abs(last - index) * MILLION <= limit * index:
            self.apart_since_us = None
            return False
        if self.apart_since_us is None:
            self.apart_since_us = now_us
        return now_us - self.apart_since_us > rules.divergence_after_us


def age_of_oldest_us(sources: IndexPrice, now_us: int) -> int:
    """How long ago the most silent of the outside sources was heard; 0 where none ever was."""
    seen = [
        sighting.seen_us
        for name, sighting in sources.sightings.items()
        if name != OWN_TRADES and sighting.weight and sighting.seen_us >= 0
    ]
    return now_us - min(seen, default=now_us)
