"""Price band: how far from where the mark has been a symbol may trade. (LULD: limit up, limit down.)

Reference  the mean mark of the window, sampled at clock ticks, at most once a second; anew after each pause, from
           the price of its call.
Edges      reference * (1 -/+ band), rounded inwards to the price grid, but never nearer than the grid's prices on
           either side of the reference. They move at clock ticks only.
Cut        a limit beyond the far edge (a buy's upper, a sell's lower) counts as the edge; in a pause nothing is cut.
Rounding   the reference to the nearest tick.
"""

from collections import deque

from stream_engine.core.arithmetic import div_ceil, div_floor, div_nearest
from stream_engine.messages.rules import SECOND_US
from stream_engine.messages.units import MILLION


class PriceBand:
    """Of one symbol.

    reference, lower, upper   ticks; a reference of 0: no mark has been sampled yet, and there are no edges.
    limit_sign       whose orders were stopped in the last limit state: +1 buyers at the upper edge, -1 sellers.
    limit_since_us, limit_ended_us   that limit state; one that begins in the instant in which another ended goes on.
    paused_until_us  None: the symbol is not paused.     reopened_us   the end of the last pause.
    """

    __slots__ = (
        "limit_ended_us",
        "limit_sign",
        "limit_since_us",
        "lower",
        "paused_until_us",
        "reference",
        "reopened_us",
        "samples",
        "total",
        "upper",
    )

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int]] = deque()
        self.total = 0
        self.reference = self.lower = self.upper = 0
        self.limit_sign = 0
        self.limit_since_us = self.limit_ended_us = self.reopened_us = -1
        self.paused_until_us: int | None = None

    def sample(self, now_us: int, mark: int, window_us: int) -> None:
        """Take the mark into the mean, if a sample is due, and forget those that have left the window."""
        samples = self.samples
        while samples and samples[0][0] <= now_us - window_us:
            self.total -= samples.popleft()[1]
        if not samples or now_us - samples[-1][0] >= SECOND_US:
            samples.append((now_us, mark))
            self.total += mark

    def set_edges(self, band_ppm: int, step: int) -> None:
        """Make reference and edges of the samples."""
        self.reference = div_nearest(self.total, len(self.samples))
        below = max(step, div_floor(self.reference, step) * step)
        above = max(step, div_ceil(self.reference, step) * step)
        lowest = div_ceil(self.reference * (MILLION - band_ppm), MILLION * step) * step
        highest = div_floor(self.reference * (MILLION + band_ppm), MILLION * step) * step
        self.lower, self.upper = max(step, min(below, lowest)), max(above, highest)

    def begin_anew(self, now_us: int, price: int) -> None:
        """After a pause: nothing of the former samples counts. `price` is the call's; 0 where nothing crossed."""
        self.samples.clear()
        self.total = 0
        if price:
            self.samples.append((now_us, price))
            self.total = price
        self.reopened_us, self.paused_until_us = now_us, None

    def cut(self, sign: int, limit: int) -> int:
        """The limit of a buy (+1) or a sell (-1), no farther than the edge."""
        if not self.reference or self.paused_until_us is not None:
            return limit
        return min(limit, self.upper) if sign > 0 else max(limit, self.lower)

    def is_at_edge(self, sign: int, limit: int) -> bool:
        """Whether a limit is the farthest that the band allows."""
        return self.reference > 0 and self.paused_until_us is None and limit == (self.upper if sign > 0 else self.lower)

    def check(self) -> None:
        """Asserts that total and edges are those of the samples."""
        assert self.total == sum(mark for _, mark in self.samples)
        assert self.lower <= self.upper
