"""Mark price: what margin is measured at, so that one odd trade liquidates nobody.

median          (Binance, Bybit) the median of P1, P2 and the last trade; before the first trade, of the index.
index           the index (dYdX).
fair            P1 (BitMEX).
moving-average  P2, and no farther than `mark_bound_ppm` from the index (OKX).
hyperliquid     the median of (a) the index + EMA over 150 s of (mid - index), (b) the median of best bid, best ask and
                last trade, (c) the weighted median of other venues' perpetuals, the sources named `perp...`.
                (b) is missing while there is no mid price, and is the mid before the first trade; (c) while no
                such source is fresh. If exactly two are there, the EMA over 30 s of (b) is the third; without any
                sample of it the mark is the mean of the two.

P1     the index with the funding still to be paid; see funding_rate. The index where there is no funding.
P2     index + mean basis, basis = mid - index, sampled every `basis_every_us` over `basis_window_us`, at clock ticks
       and against the index of that tick; no sample is taken while there is no mid price: a side of the
       book is empty, or it is crossed and waits for a call auction (it stays due);
       without a sample P2 is the index.
Means  of Hyperliquid's mark take a sample at each clock tick where there is one, rounded to the tick; see ema.
Holds  a mark lies between one tick and the instrument's largest price.
Rounding  means to the nearest tick, a half upwards; the bound down.
"""

from collections import deque

from msgspec import Struct

from stream_engine.core.arithmetic import div_floor, div_nearest
from stream_engine.core.ema import Ema
from stream_engine.core.order_book import OrderBook
from stream_engine.messages.instrument import MARKS, Instrument
from stream_engine.messages.units import MILLION

BASIS_TAU_US = 150_000_000
TOUCH_TAU_US = 30_000_000


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


class HyperliquidMeans(Struct, gc=False):
    """The two means of Hyperliquid's mark: of the basis, and of what the venue itself shows."""

    basis: Ema
    touch: Ema

    def sample(self, now_us: int, book: OrderBook, index: int, last: int) -> None:
        """Take what there is to be sampled at a clock tick."""
        doubled_mid = book.doubled_mid()
        if doubled_mid is not None:
            self.basis.sample(div_nearest(doubled_mid - 2 * index, 2), now_us)
        touch = touch_price(book, last)
        if touch is not None:
            self.touch.sample(touch, now_us)


def hyperliquid_means() -> HyperliquidMeans:
    """The means of a symbol that nothing is known of yet."""
    return HyperliquidMeans(Ema(BASIS_TAU_US), Ema(TOUCH_TAU_US))


def median_mark(funded: int, with_basis: int, last: int) -> int:
    """The middle one of P1, P2 and the last trade, in ticks."""
    return sorted((funded, with_basis, last))[1]


def bounded_mark(index: int, basis: int, bound_ppm: int) -> int:
    """The index with its mean basis, and no farther from it than the bound."""
    reach = div_floor(index * bound_ppm, MILLION)
    return index + max(-reach, min(reach, basis))


def hyperliquid_mark(with_basis: int, touch: int | None, others: int | None, touch_mean: int | None) -> int:
    """The median of (a), (b) and (c), or of two of them and the mean of (b)."""
    there = [price for price in (with_basis, touch, others) if price is not None]
    if len(there) == 2 and touch_mean is not None:
        there.append(touch_mean)
    there.sort()
    return div_nearest(there[(len(there) - 1) // 2] + there[len(there) // 2], 2)


def touch_price(book: OrderBook, last: int) -> int | None:
    """(b): the median of best bid, best ask and last trade (0: none yet); None while there is no mid price."""
    doubled_mid = book.doubled_mid()
    if doubled_mid is None:
        return None
    return sorted((-book.bids.best_key, book.asks.best_key, last or div_nearest(doubled_mid, 2)))[1]


def weighted_median(weighed: list[tuple[int, int]]) -> int | None:
    """(c): the price up to which half the weight lies, of (price, weight); between two of them, their mean."""
    if not weighed:
        return None
    total, doubled = sum(weight for _, weight in weighed), 0
    for place, (price, weight) in enumerate(ranked := sorted(weighed)):
        doubled += 2 * weight
        if doubled > total:
            return price
        if doubled == total:
            return div_nearest(price + ranked[place + 1][0], 2)
    raise AssertionError("every weight is above 0")


def complaint(instrument: Instrument) -> str | None:
    """What contradicts itself in how a listing is marked."""
    if instrument.mark not in MARKS:
        return f'mark: expected {", ".join(MARKS)}; found "{instrument.mark}"'
    least = 1 if instrument.mark == "moving-average" else 0
    if not least <= instrument.mark_bound_ppm < MILLION:
        return f"mark_bound_ppm: expected {least} to 999,999, found {instrument.mark_bound_ppm}"
    return None
