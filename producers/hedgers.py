"""Hedged portfolios: long here, short there, in one cross-margined account; safe until one leg is taken away.

Decides   nothing, until a leg is deleveraged. Then, after a wait, by chance one of two things; both close the loop.
Hedges    again, in the first of these ways that it is let: what it lost, where it was; the same on the other venue on
          which it has an account; there, as much of a short of its largest long. What one way leaves (the book was
          empty, the margin not enough) is tried in the next; what is left in the end makes it sell.
Sells     a share of each of its longs, at the market: what hedged them is gone.
Again     Whoever is deleveraged once more, after that, decides once more.
Waits     while the symbol is halted or paused. Who is being liquidated does nothing more.
"""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Annotated

from msgspec import Meta, Struct

from producers.labels import AnyLabel, HedgeBroken, HedgeGivenUp, Rehedged, Way
from producers.market_view import MarketView
from producers.noise import Noise
from producers.participant import NOT_NOW, Share, bought
from stream_engine.messages.events import (
    AnyEvent,
    LiquidationStarted,
    OrderCancelled,
    OrderRejected,
    PositionDeleveraged,
    Traded,
)
from stream_engine.messages.inputs import Input, Place, Side
from stream_engine.messages.topics import Topic


class PortfolioLeg(Struct, frozen=True, forbid_unknown_fields=True):
    """One position of the typical portfolio: notional at the start (short below zero), and its leverage."""

    symbol: str
    usdt: float
    leverage: Annotated[int, Meta(ge=1)]


class Hedgers(Struct, frozen=True, forbid_unknown_fields=True):
    """How many portfolios, how large (multiples of the legs, lognormal), and what they do once deleveraged.

    rehedge_share     of them hedge again; the others sell `sell_share` of each long. Either after `wait_from_s` to
                      `wait_to_s`.
    elsewhere         money that each has on the next venue, as a share of its margin; 0: it has no account there.
    """

    portfolios: Annotated[int, Meta(ge=0)]
    legs: list[PortfolioLeg]
    size_median: Annotated[float, Meta(gt=0)] = 1.0
    size_sigma: Annotated[float, Meta(ge=0)] = 0.0
    rehedge_share: Share = 0.5
    elsewhere: Share = 0.0
    sell_share: Share = 0.5
    wait_from_s: Annotated[int, Meta(ge=0)] = 30
    wait_to_s: Annotated[int, Meta(ge=0)] = 300


class Portfolio(Struct):
    """One of them: signed lots by symbol on its own venue, the margin behind them, and the other venue on which it has
    an account, if any."""

    account: int
    name: str
    venue: str
    lots: dict[str, int]
    margin_usdt: float
    elsewhere: str | None = None


class _Repair(Struct):
    """What a portfolio does about a leg: signed lots that it has lost (at `lost_us`) and not replaced, the ways that it
    has not tried, and the order that is out: by which way, on which venue and symbol, and what was filled of it."""

    account: int
    symbol: str
    lots: int
    lost_us: int
    ways: list[Way]
    way: Way = Way.AGAIN
    place: tuple[str, str] = ("", "")
    client_id: str = ""
    filled: int = 0


class HedgedPortfolios:
    """All hedged portfolios of a run, on all venues."""

    name = "hedgers"
    latency_us = 0
    topics = frozenset({Topic.EXECUTIONS, Topic.LIQUIDATIONS, Topic.ADL})

    def __init__(
        self, portfolios: Sequence[Portfolio], hedgers: Hedgers, views: Mapping[str, MarketView], noise: Noise
    ) -> None:
        self.accounts = frozenset(portfolio.account for portfolio in portfolios)
        self.venue = next(iter(views))
        self.hears = frozenset(views)
        self.views = tuple(views.values())
        self.labels: list[AnyLabel] = []
        self._portfolios = {portfolio.account: portfolio for portfolio in portfolios}
        self._held = {
            (portfolio.account, portfolio.venue, symbol): lots
            for portfolio in portfolios
            for symbol, lots in portfolio.lots.items()
        }
        self._hedgers = hedgers
        self._on = views
        self._noise = noise
        self._steps = 0
        self._orders = 0
        self._alarms = dict.fromkeys(self.accounts, 0)
        self._lost: dict[int, dict[str, tuple[int, int]]] = {}
        self._due: list[tuple[int, int]] = []
        self._repairs: dict[tuple[int, str], _Repair] = {}
        self._selling: set[int] = set()

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Orders of those whose wait is over, and of those who must try another way."""
        self._steps += 1
        for event in events:
            self._take(now_us, event)
        while self._due and self._due[0][0] <= self._steps:
            self._choose(heappop(self._due)[1])
        sent: list[Input] = []
        for key, repair in list(self._repairs.items()):
            if repair.client_id:
                continue
            if repair.lots and repair.ways:
                sent.extend(self._hedge(now_us, repair))
                continue
            del self._repairs[key]
            if repair.lots:
                self._selling.add(repair.account)
        for account in sorted(self._selling):
            sent.extend(self._sell(now_us, self._portfolios[account]))
        return sent

    # what happened to them ---------------------------------------------------------------------------------

    def _take(self, now_us: int, event: AnyEvent) -> None:
        match event:
            case Traded():
                for account, lots in bought(event):
                    if account in self._portfolios and lots:
                        place = (account, event.venue, event.symbol)
                        self._held[place] = self._held.get(place, 0) + lots
                        self._filled(now_us, event, account, lots)
            case PositionDeleveraged() if event.account in self._portfolios:
                self._alarm(event)
            case OrderCancelled() | OrderRejected():
                for repair in self._repairs.values():
                    if repair.client_id == event.client_id:
                        if isinstance(event, OrderRejected) and event.reason in NOT_NOW:
                            repair.ways.insert(0, repair.way)
                        self._tried(now_us, repair)
            case LiquidationStarted():
                self._held[event.account, event.venue, event.symbol] = 0
                if event.venue == self._portfolios[event.account].venue:
                    self._give_up(event.account)
            case _:
                pass

    def _filled(self, now_us: int, event: Traded, account: int, lots: int) -> None:
        for repair in self._repairs.values():
            if repair.account == account and repair.client_id and repair.place == (event.venue, event.symbol):
                repair.filled += lots
                if event.taker_left == 0:
                    self._tried(now_us, repair)

    def _tried(self, now_us: int, repair: _Repair) -> None:
        """The order that was out is done."""
        repair.client_id = ""
        if repair.filled:
            venue, symbol = repair.place
            name = self._portfolios[repair.account].name
            self.labels.append(Rehedged(now_us, venue, name, symbol, repair.way, repair.filled, repair.lost_us))
            repair.lots = 0 if repair.way is Way.AGAINST_LONGS else repair.lots - repair.filled
            repair.filled = 0

    def _alarm(self, event: PositionDeleveraged) -> None:
        """A leg was taken; who does not think about one already begins to."""
        account, symbol = event.account, event.symbol
        self._held[account, event.venue, symbol] = event.position
        self.labels.append(
            HedgeBroken(event.ts_us, event.venue, self._portfolios[account].name, symbol, -event.size, event.position)
        )
        lost = self._lost.get(account)
        if lost is None:
            lost = self._lost[account] = {}
            self._alarms[account] += 1
            span = self._hedgers.wait_to_s - self._hedgers.wait_from_s
            wait = self._hedgers.wait_from_s + round(span * self._noise.uniform(account, self._alarms[account]))
            heappush(self._due, (self._steps + wait, account))
        before, since_us = lost.get(symbol, (0, event.ts_us))
        lost[symbol] = (before - event.size, since_us)

    def _give_up(self, account: int) -> None:
        """It is being liquidated where its portfolio is."""
        for key in [key for key in self._repairs if key[0] == account]:
            del self._repairs[key]
        self._lost.pop(account, None)
        self._selling.discard(account)

    # what they do about it ----------------------------------------------------------------------------------

    def _choose(self, account: int) -> None:
        lost = self._lost.pop(account, None)
        if lost is None:
            return
        if self._noise.uniform(account, self._alarms[account], 1) >= self._hedgers.rehedge_share:
            self._selling.add(account)
            return
        ways = list(Way) if self._portfolios[account].elsewhere is not None else [Way.AGAIN]
        for symbol, (lots, since_us) in lost.items():
            repair = self._repairs.setdefault((account, symbol), _Repair(account, symbol, 0, since_us, list(ways)))
            repair.lots += lots

    def _hedge(self, now_us: int, repair: _Repair) -> list[Input]:
        """Try the next way; nothing while that is not traded."""
        portfolio, way = self._portfolios[repair.account], repair.ways[0]
        venue = portfolio.venue if way is Way.AGAIN else portfolio.elsewhere
        symbol, lots = repair.symbol, repair.lots
        if way is Way.AGAINST_LONGS:
            symbol, lots = self._against_longs(portfolio, repair)
        view = self._on[venue].symbols.get(symbol) if venue is not None else None
        if venue is None or view is None or not lots:
            del repair.ways[0]
            return []
        if not view.trading or not view.mark:
            return []
        del repair.ways[0]
        repair.way, repair.place = way, (venue, symbol)
        order = self._order(now_us, repair.account, venue, symbol, lots)
        repair.client_id = order.client_id
        return [order]

    def _against_longs(self, portfolio: Portfolio, repair: _Repair) -> tuple[str, int]:
        """A short, on the other venue, of its largest long: as much as a lost short was worth. A lost long has none."""
        lost = self._usdt(portfolio.venue, repair.symbol, repair.lots)
        longs = [
            (self._usdt(portfolio.venue, symbol, self._held[portfolio.account, portfolio.venue, symbol]), symbol)
            for symbol in portfolio.lots
        ]
        worth, symbol = max(longs)
        if lost >= 0 or worth <= 0 or portfolio.elsewhere is None:
            return symbol, 0
        view = self._on[portfolio.elsewhere].symbols.get(symbol)
        return symbol, -view.lots(min(-lost, worth), view.mark) if view is not None else 0

    def _sell(self, now_us: int, portfolio: Portfolio) -> list[Input]:
        """A share of each long, once it is traded."""
        account, venue = portfolio.account, portfolio.venue
        longs = {symbol: self._held[account, venue, symbol] for symbol in portfolio.lots}
        longs = {symbol: lots for symbol, lots in longs.items() if lots > 0}
        if not all(self._on[venue].symbols[symbol].trading for symbol in longs):
            return []
        self._selling.discard(account)
        sent: list[Input] = []
        for symbol, held in longs.items():
            lots = int(held * self._hedgers.sell_share)
            if lots:
                self.labels.append(HedgeGivenUp(now_us, venue, portfolio.name, symbol, lots))
                sent.append(self._order(now_us, account, venue, symbol, -lots, reduces=True))
        return sent

    def _usdt(self, venue: str, symbol: str, lots: int) -> float:
        view = self._on[venue].symbols[symbol]
        return view.usdt(lots, view.mark)

    def _order(self, now_us: int, account: int, venue: str, symbol: str, lots: int, *, reduces: bool = False) -> Place:
        """A market order for signed lots."""
        self._orders += 1
        side = Side.BUY if lots > 0 else Side.SELL
        return Place(venue, now_us, account, str(self._orders), symbol, side, abs(lots), reduce_only=reduces)
