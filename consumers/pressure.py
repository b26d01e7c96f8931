"""Pressure: how much of a symbol's move of the last minute was the liquidations' own making.

Window     whole seconds of venue time, the last 60 and the present one: what takers bought and sold, what of it the
           venue did for those it liquidated, what was liquidated, and the mark and the outside price before that (the
           first that are known, where none is older).
Share      of a fall, for a long (of a rise, for a short): (the mark's fall - the outside price's) / the mark's fall,
           times (lots sold by liquidations / all lots that takers sold). Both between 0 and 1, rounded down.
           0 where the mark has not moved against the position, or no outside price is known: what cannot be told
           apart is the outside's.
Outside    the first of the index's sources that is neither the venue's own trades nor another venue's perpetual.
Bound      61 seconds of a symbol.
"""

from collections import deque

from msgspec import Struct

from consumers.paths import MINUTE_US, SECOND_US
from stream_engine.messages.instrument import OWN_TRADES, PERPETUALS, Instrument
from stream_engine.messages.units import MILLION

WINDOW_SECONDS = 60


class Flow(Struct, gc=False):
    """One direction: lots that takers traded, those of liquidations among them, micro-quote that was liquidated."""

    lots: int = 0
    forced: int = 0
    liquidated: int = 0

    def add(self, more: "Flow") -> None:
        """Another flow comes in."""
        self.lots += more.lots
        self.forced += more.forced
        self.liquidated += more.liquidated

    def take(self, less: "Flow") -> None:
        """A flow that is in it goes."""
        self.lots -= less.lots
        self.forced -= less.forced
        self.liquidated -= less.liquidated


class Second(Struct, gc=False):
    """What one second brought, and the prices at its end (0: none yet)."""

    at: int
    sold: Flow
    bought: Flow
    mark: int
    outside: int


class Pressure:
    """The last minute of one symbol."""

    __slots__ = ("_before", "_bought", "_minute", "_now", "_seconds", "_sold", "source")

    def __init__(self, instrument: Instrument) -> None:
        self.source = next(
            (
                source.name
                for source in instrument.sources
                if source.name != OWN_TRADES and not source.name.startswith(PERPETUALS)
            ),
            None,
        )
        self._before = self._now = Second(-1, Flow(), Flow(), 0, 0)
        self._seconds: deque[Second] = deque()
        self._sold, self._bought = Flow(), Flow()
        self._minute = {True: 0, False: 0}  # what was liquidated in the present minute: of longs, of shorts

    def marked(self, ts_us: int, mark: int) -> None:
        """The mark was made anew."""
        self._at(ts_us).mark = mark
        self._before.mark = self._before.mark or mark

    def priced(self, ts_us: int, outside: int) -> None:
        """The outside source has said its price."""
        self._at(ts_us).outside = outside
        self._before.outside = self._before.outside or outside

    def traded(self, ts_us: int, lots: int, *, sold: bool, forced: bool) -> None:
        """A taker has traded; `forced`: it was a liquidation."""
        self._count(ts_us, Flow(lots, lots if forced else 0), sold=sold)

    def liquidated(self, ts_us: int, notional: int, *, long: bool) -> None:
        """So much of a position was liquidated."""
        self._count(ts_us, Flow(liquidated=notional), sold=long)
        self._minute[long] += notional

    def share_ppm(self, ts_us: int, *, long: bool) -> int:
        """Which share of the last minute's move against such a position liquidations made."""
        now, before, flow = self._at(ts_us), self._before, self._sold if long else self._bought
        if not flow.forced or not before.mark or not before.outside:
            return 0
        moved = _against(before.mark, now.mark, long=long)
        outside = max(0, _against(before.outside, now.outside, long=long))
        if moved <= outside:
            return 0
        return (moved - outside) * MILLION // moved * flow.forced // flow.lots

    def parents(self, ts_us: int, *, long: bool) -> tuple[int, int]:
        """What was liquidated on the side in the last minute: before the present minute of the clock, and in it."""
        self._at(ts_us)
        within = self._minute[long]
        return (self._sold if long else self._bought).liquidated - within, within

    def _count(self, ts_us: int, flow: Flow, *, sold: bool) -> None:
        second = self._at(ts_us)
        (second.sold if sold else second.bought).add(flow)
        (self._sold if sold else self._bought).add(flow)

    def _at(self, ts_us: int) -> Second:
        """The second of a time, with the window moved on to it; times never go back."""
        at, now, seconds = ts_us // SECOND_US, self._now, self._seconds
        if at == now.at:
            return now
        while seconds and seconds[0].at < at - WINDOW_SECONDS:
            gone = seconds.popleft()
            gone.mark, gone.outside = gone.mark or self._before.mark, gone.outside or self._before.outside
            self._before = gone
            self._sold.take(gone.sold)
            self._bought.take(gone.bought)
        if at * SECOND_US // MINUTE_US != now.at * SECOND_US // MINUTE_US:
            self._minute = {True: 0, False: 0}
        self._now = Second(at, Flow(), Flow(), now.mark, now.outside)
        seconds.append(self._now)
        return self._now


def _against(before: int, now: int, *, long: bool) -> int:
    """How far a price went against a position, in ppm of what it was; rounded towards having gone less far."""
    return (before - now if long else now - before) * MILLION // before
