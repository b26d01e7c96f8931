"""Abuse: spoofers and quote stuffers, for scenarios that ask for them. What they do is labelled, order by order.

Spoof     1 large orders at some prices on one side, away from the best: each so many times the median size of the three
          best levels there  2 within two seconds a small one on the other side, a step inside the spread, which never
          takes  3 once any of it is filled, a large one is hit or patience is over, all is cancelled at the next tick.
          At three prices or more it is layering. It leans so that the small order gives back what it holds; holding
          nothing, either way.
Stuffing  bursts of one-lot orders at many prices away from the mark, each cancelled a second later; what the rate limit
          refuses is not sent again.
Profit    a spoofer earns most of the spread on what it buys and sells back; its risk is that the large orders are hit.
          Nobody's price here follows what rests, neither the makers' nor the traders', so the large orders draw nobody:
          they are seen in depth alone, by makers that ask how much the others show and by those who watch.
          A stuffer earns nothing here: it costs the others messages.
Holds     times by chance and intervals alone, keyed by account and act; it sees what everybody sees. Its accounts are
          called like other traders': whoever is to find them must do so by what they do.
"""

from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest, nsmallest
from statistics import median_low
from typing import Annotated

from msgspec import Meta, Struct

from producers.labels import AnyLabel, Spoof, Stuffing
from producers.market_view import MarketView, SymbolView
from producers.noise import Noise
from stream_engine.messages.events import (
    AnyEvent,
    CancelRejected,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    Traded,
)
from stream_engine.messages.inputs import Cancel, Input, Place, Side
from stream_engine.messages.topics import Topic

Positive = Annotated[float, Meta(gt=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]

BEST_LEVELS = 3
SMALL_WITHIN_S = 2


class Abuse(Struct, frozen=True, forbid_unknown_fields=True):
    """Who abuses the book, and how. Intervals in seconds.

    spoofers, stuffers   how many accounts on each symbol, each with `capital_usdt`.
    spoof_every_s        between two acts of a spoofer, on average.
    levels_from, levels_to   prices that the large orders stand at.
    large, small         size of each large order, and of the small one, times the median of the three best levels.
    nearest, apart       between the best price and the nearest of them, and between two; in half spreads.
    patience_s           how long the small order waits.
    stuff_every_s        between two bursts of a stuffer, on average.
    burst_from_s, burst_to_s   how long a burst lasts.      orders_from, orders_to   orders a second in it.
    away_pct             from the mark to the nearest of them; the farthest is twice as far.
    """

    spoofers: dict[str, Annotated[int, Meta(ge=0)]] = {}
    stuffers: dict[str, Annotated[int, Meta(ge=0)]] = {}
    capital_usdt: Positive = 20_000_000.0
    spoof_every_s: Positive = 240.0
    levels_from: AtLeastOne = 1
    levels_to: AtLeastOne = 5
    large: Positive = 4.0
    small: Positive = 0.2
    nearest: Positive = 3.0
    apart: Positive = 1.0
    patience_s: AtLeastOne = 8
    stuff_every_s: Positive = 90.0
    burst_from_s: AtLeastOne = 4
    burst_to_s: AtLeastOne = 10
    orders_from: AtLeastOne = 200
    orders_to: AtLeastOne = 500
    away_pct: Positive = 1.0


class Abuser(Struct, frozen=True):
    """An account that abuses one symbol, and the name it was opened under."""

    account: int
    name: str
    symbol: str


class Spoofers:
    """Accounts that show what they do not mean."""

    name = "spoofers"
    latency_us = 0
    topics = frozenset({Topic.EXECUTIONS})

    def __init__(self, venue: str, abusers: Iterable[Abuser], abuse: Abuse, view: MarketView, noise: Noise) -> None:
        self.venue = venue
        self.hears = frozenset({venue})
        self.views = (view,)
        self._abuse = abuse
        self._view = view
        self._noise = noise
        self._steps = 0
        self._told: list[AnyLabel] = []
        self._spoofers = {
            who.account: _Spoofer(who, begins=_wait(noise, abuse.spoof_every_s, who.account, 0)) for who in abusers
        }
        self.accounts = frozenset(self._spoofers)

    @property
    def labels(self) -> Sequence[AnyLabel]:
        """Every act, those that still go on among them."""
        going_on = [self._label(each, each.act) for each in self._spoofers.values() if each.act and each.act.large]
        return [*self._told, *going_on]

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """The next step of everybody's act."""
        self._steps += 1
        for event in events:
            self._take(event)
        return [each for spoofer in self._spoofers.values() for each in self._step(now_us, spoofer)]

    def _step(self, now_us: int, spoofer: "_Spoofer") -> list[Input]:
        act, view = spoofer.act, self._view.symbols[spoofer.who.symbol]
        if act is None:
            return self._lay(now_us, spoofer, view) if self._steps >= spoofer.begins else []
        if act.to_us is None:
            if self._steps == act.small_at:
                return self._bait(now_us, spoofer, act, view)
            if not act.filled and not act.hit and self._steps < act.small_at + self._abuse.patience_s:
                return []
            act.to_us = now_us
        elif not act.open:
            self._end(spoofer, act)
        # Whatever has not been answered by the next tick is cancelled once more.
        return [Cancel(self.venue, now_us, spoofer.who.account, client_id) for client_id in act.open]

    def _lay(self, now_us: int, spoofer: "_Spoofer", view: SymbolView) -> list[Input]:
        """The large orders, nearest first; nothing while there is no book to lean on."""
        half, draw, abuse = view.half_spread(), self._noise.uniform, self._abuse
        key = (spoofer.who.account, spoofer.acts)
        buys = draw(*key, 1) < 0.5 if spoofer.held == 0 else spoofer.held > 0
        levels = view.bids if buys else view.asks
        if half is None or len(levels) < BEST_LEVELS:
            return []
        best = nlargest(BEST_LEVELS, levels) if buys else nsmallest(BEST_LEVELS, levels)
        median = median_low(levels[price] for price in best)
        act = _Act(
            Side.BUY if buys else Side.SELL, now_us, self._steps + 1 + int(draw(*key, 2) * SMALL_WITHIN_S),
            max(1, round(abuse.small * median)),
        )  # fmt: skip
        many = abuse.levels_from + int(draw(*key, 3) * (abuse.levels_to + 1 - abuse.levels_from))
        lots = min(max(1, round(abuse.large * median)), view.instrument.max_size)
        away = -half if buys else half
        prices = [view.ticks(best[0] * (1 + away * (abuse.nearest + abuse.apart * place))) for place in range(many)]
        spoofer.act = act
        act.large = {self._client_id(spoofer): price for price in dict.fromkeys(prices)}
        act.open = dict.fromkeys(act.large)
        return [
            self._order(now_us, spoofer, client_id, act.side, lots, price) for client_id, price in act.large.items()
        ]

    def _bait(self, now_us: int, spoofer: "_Spoofer", act: "_Act", view: SymbolView) -> list[Input]:
        """The small order, on the other side, a step better than the best there is."""
        bid, ask = view.best_bid(), view.best_ask()
        if bid is None or ask is None:
            return []
        step = view.instrument.price_step
        sells = act.side is Side.BUY
        price = max(ask - step, bid + step) if sells else min(bid + step, ask - step)
        act.small = self._client_id(spoofer)
        act.open[act.small] = None
        side = Side.SELL if sells else Side.BUY
        return [self._order(now_us, spoofer, act.small, side, act.small_lots, price)]

    def _order(self, now_us: int, spoofer: "_Spoofer", client_id: str, side: Side, lots: int, price: int) -> Place:
        who = spoofer.who
        return Place(self.venue, now_us, who.account, client_id, who.symbol, side, lots, price, post_only=True)

    def _client_id(self, spoofer: "_Spoofer") -> str:
        spoofer.orders += 1
        return str(spoofer.orders)

    def _take(self, event: AnyEvent) -> None:
        match event:
            case OrderAccepted():
                act = self._spoofers[event.account].act
                if act is not None:
                    act.ids[event.order_id] = event.client_id
            case OrderRejected():
                act = self._spoofers[event.account].act
                if act is not None:
                    act.open.pop(event.client_id, None)
                    act.large.pop(event.client_id, None)
            case OrderCancelled() | CancelRejected():
                act = self._spoofers[event.account].act
                if act is not None and event.client_id is not None:
                    act.open.pop(event.client_id, None)
            case Traded():
                buys = event.taker_side is Side.BUY
                for account, order_id, size, left in (
                    (event.taker, event.taker_order_id, event.size if buys else -event.size, event.taker_left),
                    (event.maker, event.maker_order_id, -event.size if buys else event.size, event.maker_left),
                ):
                    if account in self._spoofers:
                        self._filled(self._spoofers[account], order_id, size, left)
            case _:
                pass

    def _filled(self, spoofer: "_Spoofer", order_id: int, size: int, left: int) -> None:
        spoofer.held += size
        act = spoofer.act
        client_id = act.ids.get(order_id) if act is not None else None
        if act is None or client_id is None:  # the venue closes its position
            return
        if client_id == act.small:
            act.filled += abs(size)
        else:
            act.hit += abs(size)
        if left == 0:
            act.open.pop(client_id, None)

    def _end(self, spoofer: "_Spoofer", act: "_Act") -> None:
        if act.large:
            self._told.append(self._label(spoofer, act))
        spoofer.act = None
        spoofer.acts += 1
        wait = _wait(self._noise, self._abuse.spoof_every_s, spoofer.who.account, spoofer.acts)
        spoofer.begins = self._steps + wait

    def _label(self, spoofer: "_Spoofer", act: "_Act") -> Spoof:
        who = spoofer.who
        return Spoof(
            act.began_us, self.venue, who.name, who.symbol, who.account, act.side, tuple(act.large),
            len(set(act.large.values())), act.small, act.filled, act.hit, act.to_us,
        )  # fmt: skip


class Stuffers:
    """Accounts that send what they take away at once."""

    name = "stuffers"
    latency_us = 0
    topics = frozenset({Topic.EXECUTIONS})

    def __init__(self, venue: str, abusers: Iterable[Abuser], abuse: Abuse, view: MarketView, noise: Noise) -> None:
        self.venue = venue
        self.hears = frozenset({venue})
        self.views = (view,)
        self._abuse = abuse
        self._view = view
        self._noise = noise
        self._steps = 0
        self._told: list[AnyLabel] = []
        self._stuffers = {
            who.account: _Stuffer(who, begins=_wait(noise, abuse.stuff_every_s, who.account, 0)) for who in abusers
        }
        self.accounts = frozenset(self._stuffers)

    @property
    def labels(self) -> Sequence[AnyLabel]:
        """Every burst, those that still go on among them."""
        going_on = [self._label(each, each.burst) for each in self._stuffers.values() if each.burst is not None]
        return [*self._told, *going_on]

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """What rests from the last tick goes, and in a burst as much comes anew."""
        self._steps += 1
        for event in events:
            match event:
                case OrderAccepted():
                    self._stuffers[event.account].resting[event.client_id] = None
                case OrderCancelled() | CancelRejected() if event.client_id is not None:
                    self._stuffers[event.account].resting.pop(event.client_id, None)
                case OrderRejected():
                    burst = self._stuffers[event.account].burst
                    if burst is not None:
                        burst.refused += 1
                case _:
                    pass
        return [each for stuffer in self._stuffers.values() for each in self._step(now_us, stuffer)]

    def _step(self, now_us: int, stuffer: "_Stuffer") -> list[Input]:
        account, view = stuffer.who.account, self._view.symbols[stuffer.who.symbol]
        sent: list[Input] = [Cancel(self.venue, now_us, account, client_id) for client_id in stuffer.resting]
        burst = stuffer.burst
        if burst is None and self._steps >= stuffer.begins and view.mark:
            burst = stuffer.burst = self._begun(now_us, stuffer)
        if burst is None:
            return sent
        if self._steps < burst.until:
            sent += [self._order(now_us, stuffer, view) for _ in range(burst.a_second)]
            burst.placed += burst.a_second
            return sent
        burst.to_us = now_us
        self._told.append(self._label(stuffer, burst))
        stuffer.burst = None
        stuffer.bursts += 1
        stuffer.begins = self._steps + _wait(self._noise, self._abuse.stuff_every_s, account, stuffer.bursts)
        return sent

    def _begun(self, now_us: int, stuffer: "_Stuffer") -> "_Burst":
        abuse, key = self._abuse, (stuffer.who.account, stuffer.bursts)
        lasts = abuse.burst_from_s + int(self._noise.uniform(*key, 1) * (abuse.burst_to_s + 1 - abuse.burst_from_s))
        a_second = abuse.orders_from + int(self._noise.uniform(*key, 2) * (abuse.orders_to + 1 - abuse.orders_from))
        return _Burst(now_us, stuffer.orders + 1, self._steps + lasts, a_second)

    def _order(self, now_us: int, stuffer: "_Stuffer", view: SymbolView) -> Place:
        stuffer.orders += 1
        who, number = stuffer.who, stuffer.orders
        buys = number % 2 == 0
        away = self._abuse.away_pct / 100 * (1 + self._noise.uniform(who.account, number, 3))
        price = view.ticks(view.mark * (1 - away if buys else 1 + away))
        side = Side.BUY if buys else Side.SELL
        return Place(self.venue, now_us, who.account, str(number), who.symbol, side, 1, price, post_only=True)

    def _label(self, stuffer: "_Stuffer", burst: "_Burst") -> Stuffing:
        who = stuffer.who
        last = burst.first + burst.placed - 1
        return Stuffing(
            burst.began_us, self.venue, who.name, who.symbol, who.account, str(burst.first), str(last), burst.placed,
            burst.refused, burst.to_us,
        )  # fmt: skip


def abusers_of(many: Mapping[str, int], first: int, first_name: int) -> list[Abuser]:
    """So many on each symbol, with accounts from one number on, and called as traders from another on."""
    symbols = [symbol for symbol, number in many.items() for _ in range(number)]
    return [Abuser(first + at, f"trader-{first_name + at}", symbol) for at, symbol in enumerate(symbols)]


class _Act(Struct):
    """One spoof. `large`: its prices by client id, without those that were refused; `open`: what may still rest."""

    side: Side
    began_us: int
    small_at: int
    small_lots: int
    large: dict[str, int] = {}
    open: dict[str, None] = {}
    ids: dict[int, str] = {}
    small: str | None = None
    filled: int = 0
    hit: int = 0
    to_us: int | None = None


class _Spoofer(Struct):
    """An account that spoofs: what it holds, and the act that goes on, or the step when the next one begins."""

    who: Abuser
    begins: int
    acts: int = 0
    orders: int = 0
    held: int = 0
    act: _Act | None = None


class _Burst(Struct):
    """One burst: from which order on, until before which step, and how many a second."""

    began_us: int
    first: int
    until: int
    a_second: int
    placed: int = 0
    refused: int = 0
    to_us: int | None = None


class _Stuffer(Struct):
    """An account that stuffs: what rests of it, and the burst that goes on, or the step when the next one begins."""

    who: Abuser
    begins: int
    bursts: int = 0
    orders: int = 0
    resting: dict[str, None] = {}
    burst: _Burst | None = None


def _wait(noise: Noise, mean_s: float, account: int, act: int) -> int:
    return 1 + round(noise.exponential(mean_s, account, act, 0))
