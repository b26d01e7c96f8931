"""The index once more: which sources count for what, from the rules, as fractions."""

from fractions import Fraction
from math import ceil, floor
from statistics import median

from stream_engine.messages.instrument import PERPETUALS, Instrument
from stream_engine.messages.units import MILLION
from tests.naive.naive_rules import nearest

Seen = dict[str, tuple[int, int]]  # by source: its last price, and when that was sent


def naive_index(instrument: Instrument, seen: Seen, now_us: int) -> int | None:
    """The weighted mean of the fresh sources, outliers drawn to the median; None without one."""
    fresh = {
        source: seen[source.name][0]
        for source in instrument.sources
        if not source.name.startswith(PERPETUALS) and source.weight and _is_fresh(instrument, seen, source.name, now_us)
    }
    if not fresh:
        return None
    if instrument.index_clamp_ppm and len(fresh) > 2:
        middle = median(Fraction(price) for price in fresh.values())
        away = middle * instrument.index_clamp_ppm / MILLION
        lowest, highest = floor(middle - away), ceil(middle + away)
        fresh = {source: min(max(price, lowest), highest) for source, price in fresh.items()}
    weighted = sum(source.weight * price for source, price in fresh.items())
    return nearest(Fraction(weighted, sum(source.weight for source in fresh)))


def naive_others(instrument: Instrument, seen: Seen, now_us: int) -> list[int]:
    """The fresh prices of other venues' perpetuals, each as often as it weighs, in order."""
    return sorted(
        seen[source.name][0]
        for source in instrument.sources
        for _ in range(source.weight)
        if source.name.startswith(PERPETUALS) and _is_fresh(instrument, seen, source.name, now_us)
    )


def _is_fresh(instrument: Instrument, seen: Seen, source: str, now_us: int) -> bool:
    return source in seen and now_us - seen[source][1] <= instrument.stale_after_us
