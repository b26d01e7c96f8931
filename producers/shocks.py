"""The outside market: spot as the news alone would have moved it, what hedging does to it, and the feed to the venues.

Given     Knots of the path (at most one a minute), what a piece of news moves at once, how restless the price is
          between two knots, and when the feed stands still.
Answers   to nothing but trade: who holds outside the other way round what he trades on a venue (makers, arbitrageurs)
          sells there what he buys here. Every `depth_usdt` sold moves the price by one percent; the move decays.
Order     1 the straight line between two knots  2 all deviations from the first price times `scale`
          3 noise round it, keyed by second and symbol, that reverts within `reversion_s`  4 the impact of trade.
Holds     Every time is shifted by `shift_s`, and so are the bounds of the run: nothing else in a scenario is a date.
          The path up to a moment does not depend on what comes after it.
"""

from bisect import bisect_right
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from math import exp, log
from typing import Annotated

from msgspec import Meta, Struct

from producers.labels import AnyLabel
from producers.market_view import MarketView
from producers.noise import Noise
from stream_engine.messages.events import AnyEvent, PositionDeleveraged, Traded
from stream_engine.messages.inputs import IndexPrices, Input, PriceShock, Side
from stream_engine.messages.instrument import Instrument
from stream_engine.messages.topics import Topic
from stream_engine.messages.units import MILLION

SECOND_US = 1_000_000

Positive = Annotated[float, Meta(gt=0)]


class Knot(Struct, frozen=True, forbid_unknown_fields=True):
    """The outside price of every symbol at a moment, in USDT. `noise`: volatility in multiples of the normal one."""

    at: datetime
    prices: dict[str, Positive]
    noise: Annotated[float, Meta(ge=0)] = 1.0


class News(Struct, frozen=True, forbid_unknown_fields=True):
    """A labelled piece of news, and what it moves at once (percent). The knot at its time has the prices after it."""

    at: datetime
    label: str
    headline: str
    moves_pct: dict[str, float] = {}


class FeedFault(Struct, frozen=True, forbid_unknown_fields=True):
    """From `start` until before `end` the outside feed delivers nothing."""

    start: datetime
    end: datetime


class Impact(Struct, frozen=True, forbid_unknown_fields=True):
    """How spot answers to trade, of the symbols named.

    depth_usdt   what must be sold to move it by one percent in a calm market.     decay_s   how fast that decays.
    calm         volatility, in multiples of the normal one, up to which a market is calm; a restless one is thinner as
                 its variance grows, `thinnest` times at most.
    """

    depth_usdt: dict[str, Positive]
    decay_s: Positive = 900.0
    calm: Positive = 1.5
    thinnest: Annotated[float, Meta(ge=1)] = 8.0


class Outside(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is given from outside. Without `impact` it answers to nothing."""

    knots: list[Knot]
    source: str = "spot"
    shift_s: int = 0
    scale: Annotated[float, Meta(ge=0)] = 1.0
    reversion_s: Positive = 120.0
    common_share: Annotated[float, Meta(ge=0, le=1)] = 0.8
    news: list[News] = []
    faults: list[FeedFault] = []
    impact: Impact | None = None


def micros(moment: datetime, shift_s: int) -> int:
    """A moment of the scenario as event time, shifted."""
    return round(moment.timestamp()) * SECOND_US + shift_s * SECOND_US


class OutsidePath:
    """The outside prices of a run as the news alone makes them, second by second, and whether the feed is alive."""

    def __init__(
        self, outside: Outside, volatility_bp: Mapping[str, float], start_us: int, end_us: int, noise: Noise
    ) -> None:
        self.symbols = tuple(volatility_bp)
        self.start_us = start_us
        self.steps = (end_us - start_us) // SECOND_US + 1
        self.normal = {symbol: bp * 1e-4 for symbol, bp in volatility_bp.items()}
        self._prices = _path(outside, volatility_bp, start_us, self.steps, noise)
        self._faults = [
            (_step(fault.start, outside, start_us), _step(fault.end, outside, start_us)) for fault in outside.faults
        ]

    def prices(self, now_us: int) -> dict[str, float]:
        """The outside price of every symbol, in USDT."""
        step = self._clamped((now_us - self.start_us) // SECOND_US)
        return {symbol: self._prices[symbol][step] for symbol in self.symbols}

    def delivers(self, now_us: int) -> bool:
        """Whether the feed is alive."""
        step = (now_us - self.start_us) // SECOND_US
        return not any(start <= step < end for start, end in self._faults)

    def _clamped(self, step: int) -> int:
        return min(max(step, 0), self.steps - 1)


class OutsideMarket:
    """Publishes the outside prices on every venue at every tick, and the news when there is some.

    hedgers   accounts that hold outside the other way round what they trade on the venues, and the seconds that they
              take for it (0: at once).
    """

    name = "outside"
    latency_us = 0
    topics = frozenset({Topic.EXECUTIONS, Topic.ADL})
    views: tuple[MarketView, ...] = ()
    labels: tuple[AnyLabel, ...] = ()

    def __init__(
        self, instruments: Mapping[str, Mapping[str, Instrument]], outside: Outside, path: OutsidePath,
        hedgers: Mapping[int, float],
    ) -> None:  # fmt: skip
        self.venue = next(iter(instruments))
        self.hears = frozenset(instruments)
        self.accounts = frozenset(hedgers)
        self._instruments = instruments
        self._source = outside.source
        self._path = path
        self._news = sorted(((micros(news.at, outside.shift_s), news) for news in outside.news), key=lambda due: due[0])
        self._published = 0
        self._hedgers = hedgers
        self._depth = outside.impact.depth_usdt if outside.impact is not None else {}
        self._keeps = 1.0 - 1.0 / outside.impact.decay_s if outside.impact is not None else 0.0
        self._calm = outside.impact.calm if outside.impact is not None else 1.0
        self._thinnest = outside.impact.thinnest if outside.impact is not None else 1.0
        self._normal = path.normal
        self._variance = {symbol: normal**2 for symbol, normal in path.normal.items()}
        self._was: dict[str, float] = {}
        self._to_sell: dict[tuple[int, str], float] = {}
        self.impact = dict.fromkeys(path.symbols, 0.0)

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """The prices of now, under the name of any news that is due; nothing while the feed stands still."""
        if self._depth:
            self._answer(events)
        news = self._due_news(now_us)
        delivers = self._path.delivers(now_us)
        true = self._path.prices(now_us)
        if self._depth:
            for symbol, price in true.items():
                moved = log(price) + self.impact[symbol]
                if symbol in self._was:
                    self._variance[symbol] += ((moved - self._was[symbol]) ** 2 - self._variance[symbol]) / 120
                self._was[symbol] = moved
        sent: list[Input] = []
        for venue, instruments in self._instruments.items():
            prices = tuple(
                (symbol, max(1, round(true[symbol] * exp(self.impact[symbol]) / float(instrument.tick_size))))
                for symbol, instrument in instruments.items()
            )
            for each in news:
                told = prices if delivers else ()
                sent.append(PriceShock(venue, now_us, each.label, each.headline, self._source, told))
            if delivers:
                sent.append(IndexPrices(venue, now_us, self._source, prices))
        return sent

    def _due_news(self, now_us: int) -> list[News]:
        due: list[News] = []
        while self._published < len(self._news) and self._news[self._published][0] <= now_us:
            due.append(self._news[self._published][1])
            self._published += 1
        return due

    def _answer(self, events: Sequence[AnyEvent]) -> None:
        """Move the price by what was hedged in this tick."""
        for event in events:
            if isinstance(event, Traded):
                bought = event.size if event.taker_side is Side.BUY else -event.size
                self._owes(event.venue, event.taker, event.symbol, bought, event.price)
                self._owes(event.venue, event.maker, event.symbol, -bought, event.price)
            elif isinstance(event, PositionDeleveraged):
                self._owes(event.venue, event.account, event.symbol, event.size, event.price)
        thin: dict[str, float] = {}
        for symbol in self.impact:
            self.impact[symbol] *= self._keeps
            thin[symbol] = min(
                max(self._variance[symbol] / (self._calm * self._normal[symbol]) ** 2, 1.0), self._thinnest
            )
        for (account, symbol), usdt in self._to_sell.items():
            sold = usdt / max(self._hedgers[account], 1.0)
            self._to_sell[account, symbol] = usdt - sold
            self.impact[symbol] -= 0.01 * sold / self._depth[symbol] * thin[symbol]

    def _owes(self, venue: str, account: int, symbol: str, lots: int, price: int) -> None:
        if account in self._hedgers and symbol in self._depth:
            usdt = lots * price * self._instruments[venue][symbol].tick_value / MILLION
            self._to_sell[account, symbol] = self._to_sell.get((account, symbol), 0.0) + usdt


def _path(
    outside: Outside, volatility_bp: Mapping[str, float], start_us: int, steps: int, noise: Noise
) -> dict[str, list[float]]:
    knot_steps = [_step(knot.at, outside, start_us) for knot in outside.knots]
    news_moves = {_step(news.at, outside, start_us): news.moves_pct for news in outside.news}
    # A smaller shock is a calmer one too: what volatility is above the normal one belongs to it.
    factors = [min(knot.noise, 1.0) + outside.scale * max(knot.noise - 1.0, 0.0) for knot in outside.knots]
    restless = [_restless(knot_steps, factors, step, news_moves) for step in range(steps)]
    keep = 1.0 - 1.0 / outside.reversion_s
    own_share = (1.0 - outside.common_share**2) ** 0.5
    common = [noise.normal(step) for step in range(steps)]
    prices: dict[str, list[float]] = {}
    for number, (symbol, normal_bp) in enumerate(volatility_bp.items(), start=1):
        knots = [knot.prices[symbol] for knot in outside.knots]
        jumps = {at: moves.get(symbol, 0.0) / 100.0 for at, moves in news_moves.items()}
        line: list[float] = []
        away = 0.0
        for step in range(steps):
            sigma = normal_bp * 1e-4 * restless[step]
            away = keep * away + sigma * (outside.common_share * common[step] + own_share * noise.normal(step, number))
            given = _between(knot_steps, knots, step, jumps)
            line.append((knots[0] + outside.scale * (given - knots[0])) * exp(away))
        prices[symbol] = line
    return prices


def _between(steps: list[int], values: list[float], step: int, jumps: Mapping[int, float]) -> float:
    """The straight line through the knots; at a jump the value after it, the line before leads to the one before."""
    right = bisect_right(steps, step)
    if right == 0:
        return values[0]
    if right == len(steps):
        return values[-1]
    start, end = steps[right - 1], steps[right]
    before = values[right] / (1.0 + jumps.get(end, 0.0))
    return values[right - 1] + (before - values[right - 1]) * (step - start) / (end - start)


def _restless(steps: list[int], factors: list[float], step: int, news: Container[int]) -> float:
    """Volatility between the knots; where the next one is news it stays as it is: it must not tell of it early."""
    right = bisect_right(steps, step)
    if 0 < right < len(steps) and steps[right] in news:
        return factors[right - 1]
    return _between(steps, factors, step, {})


def _step(moment: datetime, outside: Outside, start_us: int) -> int:
    return (micros(moment, outside.shift_s) - start_us) // SECOND_US
