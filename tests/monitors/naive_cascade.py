"""The cascade once more, from the list of all events: what took it a tree and windows is found here by going back.

It keeps nothing between two liquidations: the chain of causes is walked up to its end each time, and the last minute is
read event by event.
"""

from collections.abc import Sequence

from consumers.paths import MINUTE_US, SECOND_US
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side
from stream_engine.messages.instrument import OWN_TRADES, PERPETUALS
from stream_engine.messages.units import MILLION

Begun = e.LiquidationStarted | e.BackstopTookOver


class NaiveCascade:
    """What `Cascade` should have come to: notional by generation, and by minute what was taken and what it set off."""

    def __init__(self, events: Sequence[e.AnyEvent]) -> None:
        self.events = events
        self.by_id = {(event.seq, event.n): event for event in events}
        self.instruments = {
            event.instrument.symbol: event.instrument for event in events if isinstance(event, e.InstrumentListed)
        }
        self.generations: dict[int, int] = {}
        self.taken: dict[int, int] = {}
        self.set_off: dict[int, int] = {}
        self.liquidated: list[tuple[int, str, bool, int]] = []  # time, symbol, long, notional
        self.begun: list[Begun] = []
        self.blamed: dict[tuple[int, int], dict[int, int]] = {}
        self.houses: set[int] = set()
        for at, event in enumerate(events):
            if isinstance(event, e.LiquidationStarted):
                self._begins(event, at, event.symbol, event.size)
            elif isinstance(event, e.PositionTakenOver):
                self.houses.add(event.house)
            elif isinstance(event, e.LiquidationEnded):
                begun = self.begun[-1]
                assert isinstance(begun, e.LiquidationStarted)
                lots = event.book + event.fund + event.adl + event.deficit + event.taken_over
                self._count(begun, event.symbol, begun.size > 0, lots * begun.mark)
            elif isinstance(event, e.BackstopTookOver):
                self.houses.add(event.house)
                for symbol, size, mark in event.positions:
                    self._begins(event, at, symbol, size)
                    self._count(event, symbol, size > 0, abs(size) * mark)

    def generation(self, begun: Begun) -> int:
        """How many other accounts' liquidations lie between it and the outside."""
        parent = self.parent(begun)
        return 0 if parent is None else self.generation(parent) + (parent.account != begun.account)

    def parent(self, begun: Begun) -> Begun | None:
        """The liquidation that its causes lead to."""
        cause = begun.cause
        while cause is not None:
            event = self.by_id[cause]
            if isinstance(event, Begun):
                return event
            cause = event.cause
        return None

    def _begins(self, event: Begun, at: int, symbol: str, size: int) -> None:
        before = self.begun[-1] if self.begun else None
        self.begun.append(event)
        parent = self.parent(event)
        if parent is None and before is not None and (before.account, before.cause) == (event.account, event.cause):
            self.blamed[event.seq, event.n] = self.blamed[before.seq, before.n]
        elif parent is None:
            self.blamed[event.seq, event.n] = self._pressed(event, at, symbol, long=size > 0)
        elif parent.account == event.account:
            self.blamed[event.seq, event.n] = self.blamed[parent.seq, parent.n]
        else:
            self.blamed[event.seq, event.n] = {_minute(parent.ts_us): MILLION}

    def _count(self, begun: Begun, symbol: str, long: bool, ticks: int) -> None:
        if begun.account in self.houses:
            return
        notional = ticks * self.instruments[symbol].tick_value
        generation, minute_us = self.generation(begun), _minute(begun.ts_us)
        self.generations[generation] = self.generations.get(generation, 0) + notional
        self.taken[minute_us] = self.taken.get(minute_us, 0) + notional
        self.liquidated.append((begun.ts_us, symbol, long, notional))
        for blamed_us, ppm in self.blamed[begun.seq, begun.n].items():
            if ppm:
                self.set_off[blamed_us] = self.set_off.get(blamed_us, 0) + notional * ppm // MILLION

    def _pressed(self, event: Begun, at: int, symbol: str, *, long: bool) -> dict[int, int]:
        since = event.ts_us // SECOND_US - 60
        parents: dict[int, int] = {}
        for ts_us, where, side, notional in self.liquidated:
            if (where, side) == (symbol, long) and ts_us // SECOND_US >= since:
                parents[_minute(ts_us)] = parents.get(_minute(ts_us), 0) + notional
        whole = sum(parents.values())
        if not whole:
            return {}
        share = self._share(at, symbol, since, long=long)
        earlier = share * (whole - parents.get(_minute(event.ts_us), 0)) // whole
        return {_minute(event.ts_us) - MINUTE_US: earlier, _minute(event.ts_us): share - earlier}

    def _share(self, at: int, symbol: str, since: int, *, long: bool) -> int:
        side, past = Side.SELL if long else Side.BUY, self.events[:at]
        prints = [
            each
            for each in past
            if isinstance(each, e.TradePrinted)
            and (each.symbol, each.taker_side) == (symbol, side)
            and each.ts_us // SECOND_US >= since
        ]
        forced, lots = sum(each.size for each in prints if each.liquidation), sum(each.size for each in prints)
        marks = [
            (each.ts_us, each.mark) for each in past if isinstance(each, e.MarkPriceChanged) and each.symbol == symbol
        ]
        spots = [
            (each.ts_us, ticks)
            for each in past
            if isinstance(each, e.SourcePriced) and each.source == self._outside(symbol)
            for where, ticks in each.prices
            if where == symbol
        ]
        if not forced or not marks or not spots:
            return 0
        moved = _moved(marks, since, long=long)
        inside = moved - max(0, _moved(spots, since, long=long))
        return inside * MILLION // moved * forced // lots if inside > 0 else 0

    def _outside(self, symbol: str) -> str | None:
        names = [source.name for source in self.instruments[symbol].sources]
        return next((name for name in names if name != OWN_TRADES and not name.startswith(PERPETUALS)), None)


def _moved(prices: Sequence[tuple[int, int]], since: int, *, long: bool) -> int:
    older = [price for ts_us, price in prices if ts_us // SECOND_US < since]
    before, now = older[-1] if older else prices[0][1], prices[-1][1]
    return (before - now if long else now - before) * MILLION // before


def _minute(ts_us: int) -> int:
    return ts_us - ts_us % MINUTE_US
