"""EMA: a mean in which what was longer ago counts for less, in integers.

A sample counts for the time since the one before; that weight decays by e^(-t / tau):
  sum = sum * e^(-t/tau) + sample * t,  weight = weight * e^(-t/tau) + t,  mean = sum / weight    (Hyperliquid's form)
The first sample counts for a microsecond. A sample in the same microsecond as the one before is none.

Rounding  sum and weight are kept in picoseconds, each to the nearest, and `decay` is off by less than 10^-13: a mean
          of samples a second apart is right to 10^-10 of itself before it is rounded to the nearest, a half upwards.
"""

from msgspec import Struct

from stream_engine.core.arithmetic import div_nearest

PICOSECONDS = 10**6  # of a microsecond
UNIT = 10**15
INVERSE_E = 367_879_441_171_442  # of 10^15
TERMS = 18  # of the series: the next is below 10^-16
FORGOTTEN = 40  # times tau: e^-40 is below 10^-17


class Ema(Struct, gc=False):
    """A mean over a time constant: sum in ticks * ps, weight in ps, and when the last sample was taken."""

    tau_us: int
    total: int = 0
    weight: int = 0
    sampled_us: int = -1

    def sample(self, price: int, now_us: int) -> None:
        """Take a sample."""
        elapsed_us = now_us - self.sampled_us if self.weight else 1
        if elapsed_us > 0:
            kept = decay(elapsed_us, self.tau_us) if self.weight else 0
            self.total = div_nearest(self.total * kept, UNIT) + price * elapsed_us * PICOSECONDS
            self.weight = div_nearest(self.weight * kept, UNIT) + elapsed_us * PICOSECONDS
            self.sampled_us = now_us

    def mean(self) -> int | None:
        """The mean, in ticks; None before the first sample."""
        return div_nearest(self.total, self.weight) if self.weight else None


def decay(elapsed_us: int, tau_us: int) -> int:
    """e^(-elapsed / tau) in units of 10^-15: the whole part as a power of 1/e, the rest by its series."""
    whole, rest_us = divmod(elapsed_us, tau_us)
    if whole >= FORGOTTEN:
        return 0
    term = kept = UNIT
    for number in range(1, TERMS + 1):
        term = -div_nearest(term * rest_us, number * tau_us)
        kept += term
    return div_nearest(kept * INVERSE_E**whole, UNIT**whole)
