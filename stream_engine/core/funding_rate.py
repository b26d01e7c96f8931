"""Funding rate: how far the perpetual stood from its index over an interval, and what its longs pay for it.

Premium   the mean of (mid - index) / index over the clock ticks of the interval; a tick without a mid price is no
          sample; without any the premium is 0.
Rate      premium + clamp(interest - premium, -damp, damp), and between -cap and cap: near the index it is the interest.
Interval  ends at the multiples of `funding_interval_us` since 1970, at the first tick at or past one: that tick is its
          last sample. An interval is begun by the first tick after the listing, and after each end.
P1        index * (1 + rate * time to funding / interval), with the rate of the last interval: what is still to be paid
          until the next payment. It is the index at the end, and until the first interval has ended.
Rounding  a sample, the mean and P1 to the nearest ppm and tick, a half upwards.
"""

from msgspec import Struct

from stream_engine.core.arithmetic import div_nearest
from stream_engine.messages.instrument import Instrument
from stream_engine.messages.units import MILLION, WIRE_MAX

SHORTEST_INTERVAL_US = 1_000_000


class FundingRate(Struct, gc=False):
    """The interval that runs, and the rate of the one before.

    ends_us   when it ends; 0 before the first tick.     samples, total   their number, and their sum in ppm.
    """

    ends_us: int = 0
    samples: int = 0
    total: int = 0
    rate_ppm: int = 0

    def sample(self, doubled_mid: int | None, index: int) -> None:
        """Take the premium of a tick, from twice the mid price."""
        if doubled_mid is not None:
            self.samples += 1
            self.total += div_nearest((doubled_mid - 2 * index) * MILLION, 2 * index)

    def premium_ppm(self) -> int:
        """The mean premium of the interval so far, cut to what the wire carries."""
        mean = div_nearest(self.total, self.samples) if self.samples else 0
        return max(-WIRE_MAX, min(WIRE_MAX, mean))

    def begin(self, now_us: int, interval_us: int, rate_ppm: int) -> None:
        """Begin the interval that ends next, with the rate of the last one."""
        self.ends_us = (now_us // interval_us + 1) * interval_us
        self.samples = self.total = 0
        self.rate_ppm = rate_ppm


def rate_of(premium_ppm: int, instrument: Instrument) -> int:
    """The rate of an interval in ppm: longs pay it where it is above 0, shorts below."""
    damp, cap = instrument.funding_damp_ppm, instrument.funding_cap_ppm
    rate = premium_ppm + max(-damp, min(damp, instrument.interest_ppm - premium_ppm))
    return max(-cap, min(cap, rate))


def funded_index(index: int, rate_ppm: int, left_us: int, interval_us: int) -> int:
    """P1 in ticks: the index, and what funding is still to be paid on it until the interval ends."""
    return index + div_nearest(index * rate_ppm * left_us, MILLION * interval_us)


def complaint(instrument: Instrument) -> str | None:
    """What contradicts itself in the funding of a listing."""
    interval_us = instrument.funding_interval_us
    if interval_us and interval_us < SHORTEST_INTERVAL_US:
        return f"funding_interval_us: expected 0 or {SHORTEST_INTERVAL_US} or more, found {interval_us}"
    if abs(instrument.interest_ppm) > MILLION:
        return f"interest_ppm: expected -1,000,000 to 1,000,000, found {instrument.interest_ppm}"
    for field in ("funding_damp_ppm", "funding_cap_ppm"):
        if not 0 <= getattr(instrument, field) <= MILLION:
            return f"{field}: expected 0 to 1,000,000, found {getattr(instrument, field)}"
    return None
