"""The mark once more, in each of its kinds; exponential means from all their samples, with e to forty digits."""

from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor
from statistics import median

from stream_engine.messages.units import MILLION
from tests.naive.naive_rules import nearest


@dataclass
class NaiveEma:
    """Samples of (time, value), each weighted by the time since the one before and by its age."""

    tau_us: int
    samples: list[tuple[int, int]] = field(default_factory=list)

    def see(self, value: Fraction, now_us: int) -> None:
        """One more, to the nearest tick; the second of the same moment is none."""
        if not self.samples or now_us > self.samples[-1][0]:
            self.samples.append((now_us, nearest(value)))

    def mean(self) -> int | None:
        """None without a sample."""
        if not self.samples:
            return None
        newest_us = self.samples[-1][0]
        with localcontext() as context:
            context.prec = 40
            total = weights = Decimal(0)
            before_us = self.samples[0][0] - 1
            for at_us, value in self.samples:
                weight = (at_us - before_us) * (Decimal(at_us - newest_us) / self.tau_us).exp()
                total, weights, before_us = total + weight * value, weights + weight, at_us
            return floor(total / weights + Decimal("0.5"))


@dataclass
class NaiveMeans:
    """Of the basis over 150 s, and of the touch over 30 s."""

    basis: NaiveEma = field(default_factory=lambda: NaiveEma(150 * MILLION))
    touch: NaiveEma = field(default_factory=lambda: NaiveEma(30 * MILLION))


def naive_touch(bid: int, ask: int, last: int) -> int:
    """The middle one of bid, ask and last trade; where nothing has traded, the mid price."""
    return nearest(Fraction(median([bid, ask, last]) if last else Fraction(bid + ask, 2)))


def naive_hyperliquid(index: int, means: NaiveMeans, touch: int | None, others: list[int]) -> int:
    """The median of what there is; of two, with the mean of the touch as the third."""
    there = [index + (means.basis.mean() or 0)]
    if touch is not None:
        there.append(touch)
    if others:
        there.append(nearest(Fraction(median([Fraction(price) for price in others]))))
    mean = means.touch.mean()
    if len(there) == 2 and mean is not None:
        there.append(mean)
    return nearest(Fraction(median([Fraction(price) for price in there])))


def naive_bounded(index: int, with_basis: int, bound_ppm: int) -> int:
    """The basis, cut to the bound; the bound is a whole number of ticks."""
    reach = floor(Fraction(index * bound_ppm, MILLION))
    return min(index + reach, max(index - reach, with_basis))
