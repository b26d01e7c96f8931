"""Traders: the crowd on both sides of the book, each population one participant's code over many accounts.

LeveragedTraders  hold the positions of the start. Longs have stops, some panic; shorts take profit; who was deleveraged
                  may open half again.
DipBuyers         bid far below the outside price, evenly spread, with money for a few fills each.
MomentumShorts    lie in wait, and sell what falls.
NoiseTraders      buy and sell a little all the time, less as the spread widens.
NearBookTraders   small resting orders round the market, taken away as it gets rough.
Arbitrageurs      take what is dearer or cheaper than outside, as far as their capacity goes.

Dip bids are anchored to the outside price, never to the last one: else the price goes to nothing.
Nobody reads the clock but for intervals. All chance is keyed by step or account.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from math import exp, pow
from typing import Annotated

from msgspec import Meta, Struct

from producers.labels import AnyLabel
from producers.market_view import MarketView, SymbolView
from producers.noise import Noise
from stream_engine.messages.events import (
    AnyEvent,
    LiquidationStarted,
    OrderCancelled,
    OrderRejected,
    PositionDeleveraged,
    Traded,
)
from stream_engine.messages.inputs import Cancel, Input, Place, Side, TimeInForce
from stream_engine.messages.topics import Topic

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]

LOOK_EVERY_S = 5
FRESH_S = 2


class Holder(Struct, frozen=True):
    """An account with a position at the start: signed lots, entry in ticks, and at `price`, the price of the start in
    ticks, its notional over its money. Its plans count from that price: what it has won or lost before is old news."""

    account: int
    symbol: str
    lots: int
    entry: int
    price: int
    leverage: float


class Crowd(Struct, frozen=True, forbid_unknown_fields=True):
    """How holders of leveraged positions behave. Intervals in seconds.

    stop_share          of the longs have a stop, at `stop_from` to `stop_to` of the way to the loss of their margin.
    panic_share         of the longs may panic, when the price has fallen from its high by more than they bear
                        (lognormal round `panic_pct` of the symbol), after a wait of `panic_wait_s` on average.
    profit_share        of the shorts take profit once it is more than they hoped for (lognormal round `profit_pct`),
                        after a wait of `profit_wait_s` on average, with bids that rest `profit_below_pct` below
                        the mark.
    reopen_share        of the deleveraged open half again after `reopen_wait_s` on average.
    slice_of_depth      of the normal depth is the most one of them trades at a time.
    patience_s          how long an order that finds nobody waits before it is tried again. One that is refused is given
                        up: who cannot bear the loss of closing can only wait.
    """

    stop_share: Share = 0.26
    stop_from: Share = 0.3
    stop_to: Share = 0.9
    panic_share: Share = 0.42
    panic_pct: dict[str, Positive] = {}
    panic_sigma: Positive = 0.65
    panic_wait_s: Positive = 357.0
    profit_share: Share = 0.8
    profit_pct: dict[str, Positive] = {}
    profit_sigma: Positive = 0.5
    profit_wait_s: Positive = 800.0
    profit_below_pct: NotNegative = 0.5
    reopen_share: Share = 0.5
    reopen_wait_s: Positive = 300.0
    fall_memory_s: Positive = 3600.0
    slice_of_depth: Positive = 0.02
    patience_s: Annotated[int, Meta(ge=1)] = 30


class Dips(Struct, frozen=True, forbid_unknown_fields=True):
    """Bids below the outside price.

    buyers            accounts on each symbol.
    density_of_depth  what they bid per percent of price, as a share of the symbol's normal depth.
    nearest_pct, farthest_pct   between which they stand below the outside price: evenly at a `crowding` of 1, nearer
                      to the market above.
    refill_s, refills           how long one waits after a fill, on average, and how often it comes again.
    """

    buyers: Annotated[int, Meta(ge=0)] = 40
    density_of_depth: dict[str, Positive] = {}
    nearest_pct: Positive = 1.5
    crowding: Positive = 1.0
    farthest_pct: dict[str, Positive] = {}
    refill_s: Positive = 120.0
    refills: Annotated[int, Meta(ge=0)] = 20
    capital_usdt: Positive = 50_000_000.0


class Momentum(Struct, frozen=True, forbid_unknown_fields=True):
    """Accounts that open shorts into a fall: once the price is `trigger_pct` below that of `lookback_s` ago."""

    sellers: Annotated[int, Meta(ge=0)] = 30
    size_of_depth: NotNegative = 0.01
    trigger_pct: Positive = 1.5
    lookback_s: Annotated[int, Meta(ge=1)] = 300
    wait_s: Positive = 300.0
    leverage_from: Positive = 8.0
    leverage_to: Positive = 18.0


class NoiseFlow(Struct, frozen=True, forbid_unknown_fields=True):
    """Flow without a view: `turnover` of the open interest a day, falling with the spread by `spread_bp`."""

    traders: Annotated[int, Meta(ge=1)] = 30
    turnover: Positive = 1.75
    chance: Share = 0.7
    spread_bp: Positive = 36.0
    size_sigma: Positive = 1.0
    reach_pct: Positive = 0.5
    capital_usdt: Positive = 20_000_000.0


class NearBook(Struct, frozen=True, forbid_unknown_fields=True):
    """Small resting orders: `share` of the normal depth within `reach_pct`, renewed every `refresh_s`; less of it once
    volatility is more than `boldness` times the normal one. Their middle lies `follows_last` of the way from the
    outside price to the last one."""

    accounts: Annotated[int, Meta(ge=0)] = 6
    share: NotNegative = 0.05
    boldness: Positive = 2.0
    follows_last: Share = 0.8
    reach_pct: Positive = 0.9
    refresh_s: Annotated[int, Meta(ge=1)] = 25
    capital_usdt: Positive = 20_000_000.0


class Arbitrage(Struct, frozen=True, forbid_unknown_fields=True):
    """Who buys here what is cheaper than outside, and the other way round, beyond `threshold_bp`.

    capacity   of the open interest may be bought or sold so; a position is given back within `unwind_s`, outside and
               here together (so it does not trade here), which frees capacity.
    slice_of_depth   of the normal depth is the most it trades in one tick.
    """

    threshold_bp: Positive = 27.0
    capacity: NotNegative = 0.02
    unwind_s: Positive = 600.0
    slice_of_depth: Positive = 0.01
    leverage: Positive = 2.0


class Sized(Struct, frozen=True):
    """What a population needs to know of a symbol: normal depth of both sides, open interest (USDT), volatility."""

    depth_usdt: float
    open_interest_usdt: float
    volatility: float


class _Population:
    """What all populations share: a venue, a view, own chance, client ids, and steps counted since the start."""

    latency_us = 0
    topics = frozenset({Topic.EXECUTIONS, Topic.LIQUIDATIONS, Topic.ADL})
    labels: tuple[AnyLabel, ...] = ()

    def __init__(self, name: str, venue: str, accounts: Iterable[int], view: MarketView, noise: Noise) -> None:
        self.name = name
        self.accounts = frozenset(accounts)
        self.venue = venue
        self.hears = frozenset({venue})
        self.views = (view,)
        self._view = view
        self._noise = noise
        self._steps = 0
        self._orders = 0

    def _order(
        self, now_us: int, account: int, symbol: str, lots: int, price: int | None, rests: bool = False
    ) -> Place:
        """An order for signed lots: below zero it sells. No price: a market order."""
        self._orders += 1
        immediate = price is not None and not rests
        return Place(
            self.venue, now_us, account, str(self._orders), symbol, Side.BUY if lots > 0 else Side.SELL, abs(lots),
            price, TimeInForce.IOC if immediate else TimeInForce.GTC,
        )  # fmt: skip


class _Working(Struct):
    """What an account is about to trade: `left` signed lots, and the order that is out for it (sent at `since`)."""

    left: int
    resting: bool
    client_id: str = ""
    since: int = 0
    not_before: int = 0


class LeveragedTraders(_Population):
    """The holders of the start. An intention falls due, waits, and is carried out order by order."""

    def __init__(
        self, venue: str, holders: Sequence[Holder], crowd: Crowd, sizes: Mapping[str, Sized], view: MarketView,
        noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("traders", venue, [holder.account for holder in holders], view, noise)
        self._crowd = crowd
        self._sizes = sizes
        self._held = {holder.account: holder.lots for holder in holders}
        self._symbol = {holder.account: holder.symbol for holder in holders}
        self._high: dict[str, float] = {}
        self._due: list[tuple[int, int, int]] = []
        self._working: dict[int, _Working] = {}
        # What each is waiting for, easiest last: a price to stop at, a fall to panic at, a price to take profit at.
        self._stops: dict[str, list[tuple[float, int]]] = {symbol: [] for symbol in sizes}
        self._panics: dict[str, list[tuple[float, int]]] = {symbol: [] for symbol in sizes}
        self._profits: dict[str, list[tuple[float, int]]] = {symbol: [] for symbol in sizes}
        for holder in holders:
            self._intend(holder)
        for queues in (self._stops, self._panics, self._profits):
            for queue in queues.values():
                queue.sort()

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Orders of those whose stop was crossed, whose fear or hope fell due, or who are not done yet."""
        self._steps += 1
        for event in events:
            self._take(event)
        for symbol, view in self._view.symbols.items():
            if view.mark:
                self._awake(symbol, view)
        while self._due and self._due[0][0] <= self._steps:
            _, account, lots = heappop(self._due)
            self._begin(account, lots)
        sent: list[Input] = []
        for account, work in list(self._working.items()):
            sent.extend(self._carry_on(now_us, account, work))
        return sent

    def _intend(self, holder: Holder) -> None:
        crowd, draw, account = self._crowd, self._noise.uniform, holder.account
        if holder.lots > 0:
            if draw(account, 1) < crowd.stop_share:
                way = crowd.stop_from + (crowd.stop_to - crowd.stop_from) * draw(account, 2)
                self._stops[holder.symbol].append((holder.price * (1 - way / holder.leverage), account))
            if draw(account, 3) < crowd.panic_share:
                bears = self._noise.lognormal(crowd.panic_pct[holder.symbol], crowd.panic_sigma, account, 4)
                self._panics[holder.symbol].append((-bears / 100, account))
        elif draw(account, 5) < crowd.profit_share:
            hopes = self._noise.lognormal(crowd.profit_pct[holder.symbol], crowd.profit_sigma, account, 6)
            self._profits[holder.symbol].append((holder.price * (1 - min(hopes / 100, 0.95)), account))

    def _take(self, event: AnyEvent) -> None:
        match event:
            case Traded():
                bought = event.size if event.taker_side is Side.BUY else -event.size
                if not event.liquidation:
                    self._filled(event.taker, bought, event.taker_left)
                self._filled(event.maker, -bought, event.maker_left)
            case OrderCancelled():
                self._answered(event.account, event.client_id, self._steps + self._crowd.patience_s)
            case LiquidationStarted():
                self._held[event.account] = 0
                self._working.pop(event.account, None)
            case PositionDeleveraged():
                self._deleveraged(event)
            case OrderRejected():
                self._working.pop(event.account, None)
            case _:
                pass

    def _filled(self, account: int, bought: int, left: int) -> None:
        if account in self._held:
            self._held[account] += bought
        work = self._working.get(account)
        if work is not None:
            work.left -= bought
            if left == 0:
                work.client_id = ""

    def _answered(self, account: int, client_id: str, not_before: int) -> None:
        work = self._working.get(account)
        if work is not None and work.client_id == client_id:
            work.client_id = ""
            work.not_before = not_before if not work.resting else 0

    def _deleveraged(self, event: PositionDeleveraged) -> None:
        account = event.account
        self._held[account] = event.position
        self._working.pop(account, None)
        half = -event.size // 2
        if half and self._noise.uniform(account, 7) < self._crowd.reopen_share:
            wait = self._noise.exponential(self._crowd.reopen_wait_s, account, 8)
            heappush(self._due, (self._steps + 1 + round(wait), account, half))

    def _awake(self, symbol: str, view: SymbolView) -> None:
        mark = float(view.mark)
        high = self._high.get(symbol, mark)
        self._high[symbol] = high = max(mark, high - (high - mark) / self._crowd.fall_memory_s)
        _pop_due(self._stops[symbol], mark, self._later, lambda account: 0.0)
        _pop_due(self._panics[symbol], mark / high - 1, self._later, self._wait_of_panic)
        _pop_due(self._profits[symbol], mark, self._later, self._wait_of_profit)

    def _wait_of_panic(self, account: int) -> float:
        return self._noise.exponential(self._crowd.panic_wait_s, account, 9)

    def _wait_of_profit(self, account: int) -> float:
        return self._noise.exponential(self._crowd.profit_wait_s, account, 10)

    def _later(self, account: int, wait: float) -> None:
        heappush(self._due, (self._steps + round(wait), account, 0))

    def _begin(self, account: int, lots: int) -> None:
        """Trade these lots; none named: close the position."""
        lots = lots or -self._held[account]
        if lots and account not in self._working:
            self._working[account] = _Working(lots, resting=lots > 0)

    def _carry_on(self, now_us: int, account: int, work: _Working) -> list[Input]:
        symbol = self._symbol[account]
        view = self._view.symbols[symbol]
        if work.client_id:
            if work.resting and self._steps - work.since == self._crowd.patience_s:
                return [Cancel(self.venue, now_us, account, work.client_id)]
            return []
        if work.left == 0:
            del self._working[account]
            return []
        if self._steps < work.not_before:
            return []
        most = max(1, view.lots(self._crowd.slice_of_depth * self._sizes[symbol].depth_usdt, view.mark))
        price = view.ticks(view.mark * (1 - self._crowd.profit_below_pct / 100)) if work.resting else None
        order = self._order(now_us, account, symbol, max(-most, min(work.left, most)), price, work.resting)
        work.client_id, work.since = order.client_id, self._steps
        return [order]


class _Bid(Struct):
    """A dip buyer's order: none out while `client_id` is empty."""

    account: int
    symbol: str
    below: float
    usdt: float
    comes_again: int
    client_id: str = ""
    price: int = 0
    cancelling: bool = False
    not_before: int = 0


class DipBuyers(_Population):
    """Bids below the outside price, each by an account of its own."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], dips: Dips, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("dip-buyers", venue, [one for many in accounts.values() for one in many], view, noise)
        self._dips = dips
        self._bids: dict[int, _Bid] = {}
        for symbol, numbers in accounts.items():
            span = dips.farthest_pct[symbol] - dips.nearest_pct
            usdt = dips.density_of_depth[symbol] * sizes[symbol].depth_usdt * span / len(numbers)
            for place, account in enumerate(numbers):
                way = pow((place + noise.uniform(account, 0)) / len(numbers), dips.crowding)
                below = (dips.nearest_pct + span * way) / 100
                self._bids[account] = _Bid(account, symbol, below, usdt, dips.refills)

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Each looks at its bid every few seconds: places it, or moves it after the outside price."""
        self._steps += 1
        for event in events:
            self._take(event)
        sent: list[Input] = []
        for bid in self._bids.values():
            if (self._steps + bid.account) % LOOK_EVERY_S or self._steps < bid.not_before:
                continue
            view = self._view.symbols[bid.symbol]
            if not view.outside:
                continue
            price = view.ticks(view.outside * (1 - bid.below))
            if not bid.client_id:
                lots = view.lots(bid.usdt, price)
                if lots and view.mark and bid.comes_again >= 0:
                    order = self._order(now_us, bid.account, bid.symbol, lots, price, rests=True)
                    bid.client_id, bid.price, bid.cancelling = order.client_id, price, False
                    sent.append(order)
            elif not bid.cancelling and abs(price - bid.price) > max(0.003, 0.1 * bid.below) * price:
                bid.cancelling = True
                sent.append(Cancel(self.venue, now_us, bid.account, bid.client_id))
        return sent

    def _take(self, event: AnyEvent) -> None:
        match event:
            case Traded():
                if event.maker_left == 0 and event.maker in self._bids:
                    self._spent(self._bids[event.maker])
                if event.taker_left == 0 and event.taker in self._bids and not event.liquidation:
                    self._spent(self._bids[event.taker])
            case OrderCancelled():
                if event.client_id == self._bids[event.account].client_id:
                    self._bids[event.account].client_id = ""
            case OrderRejected() | LiquidationStarted():
                self._bids[event.account].client_id = ""
                self._bids[event.account].comes_again = -1
            case _:
                pass

    def _spent(self, bid: _Bid) -> None:
        bid.client_id = ""
        bid.comes_again -= 1
        wait = self._noise.exponential(self._dips.refill_s, bid.account, bid.comes_again + 1)
        bid.not_before = self._steps + 1 + round(wait)


class MomentumShorts(_Population):
    """Each opens its short once, in market orders, some time after the fall set it off."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], momentum: Momentum, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("momentum", venue, [one for many in accounts.values() for one in many], view, noise)
        self._momentum = momentum
        self._sizes = sizes
        self._marks: dict[str, deque[int]] = {symbol: deque(maxlen=momentum.lookback_s + 1) for symbol in accounts}
        # Each has its own trigger: whose is smallest comes first, so it stands last in the list.
        self._waiting = {
            symbol: sorted(
                (-momentum.trigger_pct / 100 * (1 + noise.uniform(account, 0)), account) for account in numbers
            )
            for symbol, numbers in accounts.items()
        }
        self._symbol = {account: symbol for symbol, numbers in accounts.items() for account in numbers}
        self._due: list[tuple[int, int]] = []

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Market sells of those whose time has come."""
        self._steps += 1
        for symbol, waiting in self._waiting.items():
            mark = self._view.symbols[symbol].mark
            if mark:
                marks = self._marks[symbol]
                marks.append(mark)
                _pop_due(waiting, mark / marks[0] - 1, self._later, self._wait)
        sent: list[Input] = []
        while self._due and self._due[0][0] <= self._steps:
            account = heappop(self._due)[1]
            symbol = self._symbol[account]
            view = self._view.symbols[symbol]
            lots = view.lots(self._momentum.size_of_depth * self._sizes[symbol].depth_usdt, view.mark)
            if lots:
                sent.append(self._order(now_us, account, symbol, -lots, None))
        return sent

    def _wait(self, account: int) -> float:
        return self._noise.exponential(self._momentum.wait_s, account, 1)

    def _later(self, account: int, wait: float) -> None:
        heappush(self._due, (self._steps + round(wait), account))


class NoiseTraders(_Population):
    """A trade now and then on either side, inside the spread's reach, until the spread is too dear."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], flow: NoiseFlow, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("noise", venue, [one for many in accounts.values() for one in many], view, noise)
        self._flow = flow
        self._numbers = accounts
        self._held: dict[int, int] = dict.fromkeys(self.accounts, 0)
        # A lognormal's mean lies above its median; the turnover is about the mean.
        lift = exp(flow.size_sigma**2 / 2) * flow.chance * 86_400
        self._median = {symbol: flow.turnover * size.open_interest_usdt / lift for symbol, size in sizes.items()}

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """At most one order on each symbol."""
        self._steps += 1
        for event in events:
            self._take(event)
        sent: list[Input] = []
        for number, (symbol, accounts) in enumerate(self._numbers.items()):
            view = self._view.symbols[symbol]
            half = view.half_spread()
            if half is None:
                continue
            chance = self._flow.chance * exp(-2 * half / (self._flow.spread_bp * 1e-4))
            if self._noise.uniform(self._steps, number, 0) >= chance:
                continue
            account = accounts[int(self._noise.uniform(self._steps, number, 1) * len(accounts))]
            usdt = self._noise.lognormal(self._median[symbol], self._flow.size_sigma, self._steps, number, 2)
            lots = view.lots(usdt, view.mark)
            if not lots:
                continue
            sells = self._noise.uniform(self._steps, number, 3) < self._leans(account)
            best = view.best_bid() if sells else view.best_ask()
            assert best is not None
            reach = self._flow.reach_pct / 100
            price = view.ticks(best * (1 - reach) if sells else best * (1 + reach))
            sent.append(self._order(now_us, account, symbol, -lots if sells else lots, price))
        return sent

    def _leans(self, account: int) -> float:
        """Chance of selling: who has bought is likelier to sell."""
        held = self._held[account]
        return 0.5 if held == 0 else 0.65 if held > 0 else 0.35

    def _take(self, event: AnyEvent) -> None:
        if isinstance(event, Traded):
            bought = event.size if event.taker_side is Side.BUY else -event.size
            taker = 0 if event.liquidation else event.taker  # what is being liquidated it has counted as gone
            for account, size in ((taker, bought), (event.maker, -bought)):
                if account in self._held:
                    self._held[account] += size
        elif isinstance(event, LiquidationStarted):
            self._held[event.account] = 0


class _Resting(Struct):
    """One account's order near the market: `place` from the mid price, as a share of it (below zero: a bid)."""

    account: int
    symbol: str
    place: float
    client_id: str = ""


class NearBookTraders(_Population):
    """Small orders on both sides, each renewed in its own turn."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], near: NearBook, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("near-book", venue, [one for many in accounts.values() for one in many], view, noise)
        self._near = near
        self._sizes = sizes
        self._variance = {symbol: size.volatility**2 for symbol, size in sizes.items()}
        self._outside: dict[str, int] = {}
        self._resting: dict[int, _Resting] = {}
        for symbol, numbers in accounts.items():
            for place, account in enumerate(numbers):
                away = near.reach_pct / 100 * (place // 2 + 0.5) / ((len(numbers) + 1) // 2)
                self._resting[account] = _Resting(account, symbol, -away if place % 2 else away)

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Whose turn it is takes its order away and places a new one."""
        self._steps += 1
        for event in events:
            match event:
                case OrderCancelled() | OrderRejected():
                    self._gone(event.account, event.client_id)
                case Traded() if event.maker_left == 0 and event.maker in self._resting:
                    self._resting[event.maker].client_id = ""
                case _:
                    pass
        for symbol, variance in self._variance.items():
            price = self._view.symbols[symbol].outside
            if price:
                moved = price / self._outside.get(symbol, price) - 1
                self._variance[symbol] = variance + (moved**2 - variance) / 60
                self._outside[symbol] = price
        sent: list[Input] = []
        for rank, order in enumerate(self._resting.values()):
            view = self._view.symbols[order.symbol]
            if (self._steps + 7 * rank) % self._near.refresh_s or not view.mark or not view.outside:
                continue
            if order.client_id:
                sent.append(Cancel(self.venue, now_us, order.account, order.client_id))
            sent.extend(self._renewed(now_us, order, view))
        return sent

    def _gone(self, account: int, client_id: str) -> None:
        if self._resting[account].client_id == client_id:
            self._resting[account].client_id = ""

    def _renewed(self, now_us: int, order: _Resting, view: SymbolView) -> list[Input]:
        size = self._sizes[order.symbol]
        calm = min(1.0, self._near.boldness * size.volatility / max(self._variance[order.symbol], 1e-12) ** 0.5)
        usdt = self._near.share * size.depth_usdt * calm / self._near.accounts
        outside = float(self._outside[order.symbol])
        anchor = outside + self._near.follows_last * ((view.last or outside) - outside)
        price = view.ticks(anchor * (1 + order.place))
        lots = view.lots(usdt, price)
        if not lots:
            order.client_id = ""
            return []
        placed = self._order(now_us, order.account, order.symbol, -lots if order.place > 0 else lots, price, rests=True)
        order.client_id = placed.client_id
        return [placed]


class Arbitrageurs(_Population):
    """One account on each symbol. What it holds here it holds the other way round outside."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], arbitrage: Arbitrage, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("arbitrage", venue, [one for many in accounts.values() for one in many], view, noise)
        self._arbitrage = arbitrage
        self._accounts = {symbol: numbers[0] for symbol, numbers in accounts.items()}
        self._sizes = sizes
        self._used_usdt = dict.fromkeys(accounts, 0.0)

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Takes what crosses its threshold, as far as its capacity goes."""
        self._steps += 1
        for event in events:
            if isinstance(event, Traded):
                bought = (event.taker_side is Side.BUY) == (event.taker == self._accounts[event.symbol])
                usdt = self._view.symbols[event.symbol].usdt(event.size, event.price)
                self._used_usdt[event.symbol] += usdt if bought else -usdt
        sent: list[Input] = []
        for symbol, account in self._accounts.items():
            used = self._used_usdt[symbol] = self._used_usdt[symbol] * (1 - 1 / self._arbitrage.unwind_s)
            view, size = self._view.symbols[symbol], self._sizes[symbol]
            if not view.mark or not view.outside or view.outside_age_s(now_us) > FRESH_S:
                continue
            outside, threshold = float(view.outside), self._arbitrage.threshold_bp * 1e-4
            most = self._arbitrage.slice_of_depth * size.depth_usdt
            capacity = self._arbitrage.capacity * size.open_interest_usdt
            bid, ask = view.best_bid(), view.best_ask()
            if ask is not None and ask < outside * (1 - threshold):
                limit, usdt = view.ticks(outside * (1 - threshold)), min(most, capacity - used)
            elif bid is not None and bid > outside * (1 + threshold):
                limit, usdt = view.ticks(outside * (1 + threshold)), -min(most, capacity + used)
            else:
                continue
            lots = view.lots(abs(usdt), outside)
            if lots and usdt * (outside - limit) > 0:
                sent.append(self._order(now_us, account, symbol, lots if usdt > 0 else -lots, limit))
        return sent


def _pop_due(
    waiting: list[tuple[float, int]], level: float, later: Callable[[int, float], None], wait: Callable[[int], float]
) -> None:
    """Everybody whose trigger the level has fallen to, easiest first."""
    while waiting and waiting[-1][0] >= level:
        account = waiting.pop()[1]
        later(account, wait(account))
