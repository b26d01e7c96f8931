"""Mark price: what margin is measured at, so that one odd trade liquidates nobody.

mark = median(P1, P2, last), or the index where the instrument says so.
P1     the index (until funding exists).
P2     index + mean basis, basis = mid - index, sampled every `basis_every_us` over `basis_window_us`, at clock ticks
       and against the index of that tick; no sample is taken while a side of the book is empty (it stays due);
       without a sample P2 is the index.
last   the last trade; before the first, the index.
Rounding  the mean basis to the nearest tick.
"""

from collections import deque

from stream_engine.core.arithmetic import div_nearest


class Basis:
    """The samples of (mid - index) of one symbol, doubled so that they stay integers."""

    __slots__ = ("every_us", "samples", "total", "window_us")

    def __init__(self, every_us: int, window_us: int) -> None:
        self.every_us = every_us
        self.window_us = window_us
        self.samples: deque[tuple[int, int]] = deque()
        self.total = 0

    def sample(self, now_us: int, doubled_mid: int | None, index: int) -> None:
        """Take a sample if one is due, and forget those that have left the window."""
        samples = self.samples
        while samples and samples[0][0] <= now_us - self.window_us:
            self.total -= samples.popleft()[1]
        due = not samples or now_us - samples[-1][0] >= self.every_us
        if due and doubled_mid is not None:
            doubled = doubled_mid - 2 * index
            samples.append((now_us, doubled))
            self.total += doubled

    def mean(self) -> int:
        """Mean basis in ticks; 0 without a sample."""
        return div_nearest(self.total, 2 * len(self.samples)) if self.samples else 0


def mark_price(index: int, basis: int, last: int, method: str) -> int:
    """The mark in ticks, from the index, the mean basis and the last trade (0: none yet)."""
    if method == "index":
        return index
    return max(1, sorted((index, index + basis, last or index))[1])
