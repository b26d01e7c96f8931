"""Pairs: a base and a variant of the same seeds, outcome by outcome.

Spread      median and 5 to 95 % of the runs that have the figure, by interpolation between order statistics: the q-th
            part of n values in order lies at place q (n - 1), counted from 0.
Difference  variant less base of one seed, where both have the figure; its spread is that of the differences, which is
            not the difference of the spreads. Up, down and same count seeds.
Holds       a variant that is the base differs by exactly nothing.
"""

from collections.abc import Mapping, Sequence
from math import floor

from msgspec import Struct

from stream_engine.whatif.outcomes import OUTCOMES, Outcome

LOW, MEDIAN, HIGH = 0.05, 0.5, 0.95

Figures = Mapping[str, float | None]


class Spread(Struct, frozen=True):
    """Of so many runs."""

    median: float
    low: float
    high: float
    runs: int


class Pair(Struct, frozen=True):
    """One outcome: its values by seed, what they spread over, and how many seeds went which way.

    base, variant, difference   None: no run has the figure.
    """

    name: str
    base: Spread | None
    variant: Spread | None
    difference: Spread | None
    up: int
    down: int
    same: int
    seeds: dict[int, tuple[float | None, float | None]]

    @property
    def differences(self) -> dict[int, float]:
        """Variant less base, of the seeds that have both."""
        return {seed: b - a for seed, (a, b) in self.seeds.items() if a is not None and b is not None}


def pairs(base: Mapping[int, Figures], variant: Mapping[int, Figures]) -> list[Pair]:
    """Every outcome, of the seeds that were played both ways."""
    return [_pair(outcome, base, variant) for outcome in OUTCOMES]


def spread(values: Sequence[float]) -> Spread | None:
    """Median and 5 to 95 %; None of nothing."""
    if not values:
        return None
    return Spread(quantile(values, MEDIAN), quantile(values, LOW), quantile(values, HIGH), len(values))


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which a part of all lies, interpolated; of one value that value."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _pair(outcome: Outcome, base: Mapping[int, Figures], variant: Mapping[int, Figures]) -> Pair:
    seeds = {seed: (base[seed][outcome.name], variant[seed][outcome.name]) for seed in sorted(base.keys() & variant)}
    apart = [b - a for a, b in seeds.values() if a is not None and b is not None]
    return Pair(
        outcome.name,
        spread([a for a, _ in seeds.values() if a is not None]),
        spread([b for _, b in seeds.values() if b is not None]),
        spread(apart),
        sum(each > 0 for each in apart),
        sum(each < 0 for each in apart),
        sum(each == 0 for each in apart),
        seeds,
    )
