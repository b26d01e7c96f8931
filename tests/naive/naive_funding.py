"""Funding once more: what an interval's rate is, and who pays what, as fractions."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from stream_engine.messages.instrument import Instrument
from stream_engine.messages.units import MILLION, WIRE_MAX
from tests.naive.naive_rules import nearest


@dataclass
class NaiveFunding:
    """The premiums seen since the interval began, when it ends (none: it has not begun), and the last rate."""

    ends_us: int | None = None
    premiums_ppm: list[int] = field(default_factory=list)
    rate_ppm: int = 0

    def see(self, mid: Fraction | None, index: int) -> None:
        """The premium of a tick, where there is a mid price."""
        if mid is not None:
            self.premiums_ppm.append(nearest((mid - index) / index * MILLION))

    def premium_ppm(self) -> int:
        """The mean; nothing without a sample."""
        count = len(self.premiums_ppm)
        mean = nearest(Fraction(sum(self.premiums_ppm), count)) if count else 0
        return min(WIRE_MAX, mean) if mean > 0 else max(-WIRE_MAX, mean)

    def is_over(self, now_us: int) -> bool:
        """Whether its end has come."""
        return self.ends_us is None or now_us >= self.ends_us

    def turn(self, now_us: int, interval_us: int, rate_ppm: int) -> None:
        """The next interval."""
        self.premiums_ppm = []
        self.rate_ppm = rate_ppm
        self.ends_us = interval_us + floor(Fraction(now_us, interval_us)) * interval_us

    def with_what_is_due(self, index: int, now_us: int, interval_us: int) -> int:
        """P1: the index and the funding to come until the end."""
        left = Fraction(max(0, (self.ends_us or 0) - now_us), interval_us)
        return index + nearest(index * Fraction(self.rate_ppm, MILLION) * left)


def naive_rate(premium_ppm: int, instrument: Instrument) -> int:
    """The premium drawn towards the interest by the damp at most, and cut to the cap."""
    interest, damp, cap = instrument.interest_ppm, instrument.funding_damp_ppm, instrument.funding_cap_ppm
    if abs(interest - premium_ppm) <= damp:
        rate = interest
    elif interest > premium_ppm:
        rate = premium_ppm + damp
    else:
        rate = premium_ppm - damp
    if abs(rate) > cap:
        rate = cap if rate > 0 else -cap
    return rate


def naive_payment(size: int, mark: int, tick_value: int, rate_ppm: int) -> int:
    """What a position pays, rounded up, or receives (below 0), rounded down."""
    return ceil(Fraction(size * mark * tick_value * rate_ppm, MILLION))
