"""Paths: what a figure did over time, and what is normal for it.

Path      first, last, lowest and highest value with their times, and by minute the last, lowest and highest:
          a day of minutes is what a chart needs, so memory follows minutes, not events.
Normal    the median of the last 60 minutes, sampled every 10 s and made anew each minute. While an episode is
          open it is frozen, however long that takes, and that time does not count: what is missing must not
          become normal. It follows what thins slowly, so findings go by it, and the summary by a fixed one (`depth`).
"""

from collections import deque

from msgspec import Struct

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US

SAMPLE_EVERY_US = 10 * SECOND_US
WINDOW_SAMPLES = 360  # an hour
WARM_UP_SAMPLES = 30  # five minutes: before that nothing is normal, so nothing is missing


class Moment(Struct, frozen=True, gc=False):
    """A value at a time."""

    ts_us: int
    value: int


class Minute(Struct, gc=False):
    """One minute of a path."""

    ts_us: int
    last: int
    low: int
    high: int


class Path:
    """A figure over time. Of equal extremes the first counts."""

    __slots__ = ("first", "high", "last", "low", "minutes")

    def __init__(self) -> None:
        self.first: Moment | None = None
        self.last: Moment | None = None
        self.low: Moment | None = None
        self.high: Moment | None = None
        self.minutes: list[Minute] = []

    def put(self, ts_us: int, value: int) -> None:
        """The figure at a time; times never go back."""
        self.last = moment = Moment(ts_us, value)
        if self.first is None:
            self.first = moment
        if self.low is None or value < self.low.value:
            self.low = moment
        if self.high is None or value > self.high.value:
            self.high = moment
        minute_us = ts_us - ts_us % MINUTE_US
        if not self.minutes or self.minutes[-1].ts_us != minute_us:
            self.minutes.append(Minute(minute_us, value, value, value))
            return
        minute = self.minutes[-1]
        minute.last = value
        if value < minute.low:
            minute.low = value
        elif value > minute.high:
            minute.high = value


class Normal:
    """The median of a figure over the last 60 minutes; None during the first five."""

    __slots__ = ("_due_us", "_frozen", "_median_due_us", "_samples", "value")

    def __init__(self) -> None:
        self.value: int | None = None
        self._samples: deque[int] = deque(maxlen=WINDOW_SAMPLES)
        self._due_us = 0
        self._median_due_us = 0
        self._frozen = False

    def put(self, ts_us: int, value: int) -> None:
        """Sample the figure; what comes more often than every 10 s, or while frozen, is passed over."""
        if self._frozen or ts_us < self._due_us:
            return
        self._due_us = ts_us - ts_us % SAMPLE_EVERY_US + SAMPLE_EVERY_US
        samples = self._samples
        samples.append(value)
        if ts_us < self._median_due_us or len(samples) < WARM_UP_SAMPLES:
            return
        self._median_due_us = ts_us - ts_us % MINUTE_US + MINUTE_US
        self.value = sorted(samples)[len(samples) // 2]

    def freeze(self) -> None:
        """An episode has opened: keep the value as it is."""
        self._frozen = True

    def thaw(self) -> None:
        """The episode is over."""
        self._frozen = False


class Totals:
    """Sums by minute of what happens now and then; a minute without anything is not there."""

    __slots__ = ("minutes", "total")

    def __init__(self) -> None:
        self.total = 0
        self.minutes: dict[int, int] = {}

    def add(self, ts_us: int, value: int) -> None:
        """Something more has happened."""
        self.total += value
        minute_us = ts_us - ts_us % MINUTE_US
        self.minutes[minute_us] = self.minutes.get(minute_us, 0) + value

    def at(self, ts_us: int) -> int:
        """The sum of the minute in which a time lies."""
        return self.minutes.get(ts_us - ts_us % MINUTE_US, 0)

    def peak(self) -> Moment | None:
        """The largest minute, the first of equals."""
        if not self.minutes:
            return None
        minute_us = min(self.minutes, key=lambda minute: (-self.minutes[minute], minute))
        return Moment(minute_us, self.minutes[minute_us])
