"""Leveraged traders: the holders of the positions of the start, and what makes them close these.

Stops     some longs have one. As an order it waits on the venue, which triggers it: at the mark or at the last trade.
          The orders are sent one by one within the first minutes. Without `stop_orders` their owners watch the mark
          themselves, and close once it is there.
Panic     some longs close a while after the price has fallen from its high by more than they bear.
Profit    some shorts close with bids that rest below the market, once they have what they hoped for.
Again     who was deleveraged may open half of it again.
Order     what a tick brings falls due by step, then by account; who has begun goes on first.
Holds     Of an account one intention at a time is carried out, order by order. What closes is reduce-only: nobody is on
          the other side by a late fill. Who is being liquidated does nothing more; a stop outlives no position.
"""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from msgspec import Struct

from producers.market_view import MarketView, SymbolView
from producers.noise import Noise
from producers.participant import (
    NOT_NOW,
    AtLeastOne,
    NotNegative,
    Participant,
    Positive,
    Share,
    Sized,
    bought,
    take_due,
)
from stream_engine.messages.events import (
    AnyEvent,
    CancelReason,
    LiquidationStarted,
    OrderCancelled,
    OrderRejected,
    OrderTriggered,
    PositionDeleveraged,
    Traded,
)
from stream_engine.messages.inputs import Cancel, Input, Trigger, TriggerBy, TriggerKind
from stream_engine.messages.refusals import Reject


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
    stop_orders         stops are orders on the venue, sent within the first `stop_within_s`; of them `stop_by_last` are
                        triggered by the last trade, the others by the mark.
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
    stop_orders: bool = True
    stop_within_s: AtLeastOne = 300
    stop_by_last: Share = 0.5
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
    patience_s: AtLeastOne = 30


class _Working(Struct):
    """What an account is about to trade, and the order that is out for it (sent at `since`): `opens` signed lots, or
    what closes its position. `turn`: who has begun earlier."""

    turn: int
    opens: int
    resting: bool
    client_id: str = ""
    since: int = 0
    not_before: int = 0


class _Stop(Struct):
    """The stop of a long: its price in ticks; no client id: it is not on the venue."""

    price: float
    client_id: str = ""
    triggered: bool = False


class LeveragedTraders(Participant):
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
        self._begun = 0
        self._looks: list[tuple[int, int]] = []  # when to look again at whom of them
        self._stop: dict[int, _Stop] = {}
        self._to_place: list[tuple[int, int]] = []
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
        sent: list[Input] = []
        for event in events:
            self._take(event)
            if isinstance(event, Traded):
                sent.extend(self._stops_without_position(now_us, event))
        for symbol, view in self._view.symbols.items():
            if view.mark:
                self._awake(symbol, view)
        while self._due and self._due[0][0] <= self._steps:
            _, account, lots = heappop(self._due)
            self._begin(account, lots)
        while self._to_place and self._to_place[0][0] <= self._steps:
            sent.extend(self._place_stop(now_us, heappop(self._to_place)[1]))
        due: set[int] = set()
        while self._looks and self._looks[0][0] <= self._steps:
            due.add(heappop(self._looks)[1])
        working = [(work.turn, account, work) for account in due if (work := self._working.get(account)) is not None]
        for _, account, work in sorted(working, key=lambda one: one[0]):
            sent.extend(self._carry_on(now_us, account, work))
        return sent

    def _intend(self, holder: Holder) -> None:
        crowd, draw, account = self._crowd, self._noise.uniform, holder.account
        if holder.lots > 0:
            if draw(account, 1) < crowd.stop_share:
                way = crowd.stop_from + (crowd.stop_to - crowd.stop_from) * draw(account, 2)
                self._intend_stop(holder, holder.price * (1 - way / holder.leverage))
            if draw(account, 3) < crowd.panic_share:
                bears = self._noise.lognormal(crowd.panic_pct[holder.symbol], crowd.panic_sigma, account, 4)
                self._panics[holder.symbol].append((-bears / 100, account))
        elif draw(account, 5) < crowd.profit_share:
            hopes = self._noise.lognormal(crowd.profit_pct[holder.symbol], crowd.profit_sigma, account, 6)
            self._profits[holder.symbol].append((holder.price * (1 - min(hopes / 100, 0.95)), account))

    def _intend_stop(self, holder: Holder, price: float) -> None:
        if not self._crowd.stop_orders:
            self._stops[holder.symbol].append((price, holder.account))
            return
        self._stop[holder.account] = _Stop(price)
        turn = 1 + int(self._crowd.stop_within_s * self._noise.uniform(holder.account, 11))
        heappush(self._to_place, (turn, holder.account))

    # what happened to them ---------------------------------------------------------------------------------

    def _take(self, event: AnyEvent) -> None:
        match event:
            case Traded():
                (taker, taken), (maker, given) = bought(event)
                if taken:
                    self._filled(taker, taken, event.taker_left)
                self._filled(maker, given, event.maker_left)
            case OrderCancelled():
                self._cancelled(event)
            case OrderTriggered():
                stop = self._stop.get(event.account)
                if stop is not None and stop.client_id == event.client_id:
                    stop.triggered = True
            case LiquidationStarted():
                self._held[event.account] = 0
                self._working.pop(event.account, None)
                self._stop.pop(event.account, None)
            case PositionDeleveraged():
                self._deleveraged(event)
            case OrderRejected():
                self._refused(event)
            case _:
                pass

    def _filled(self, account: int, lots: int, left: int) -> None:
        if account in self._held:
            self._held[account] += lots
        work = self._working.get(account)
        if work is not None:
            if work.opens:
                work.opens -= lots
                if not work.opens:
                    del self._working[account]
            if left == 0:
                work.client_id = ""
            self._look(account, self._steps)

    def _cancelled(self, event: OrderCancelled) -> None:
        account, stop, work = event.account, self._stop.get(event.account), self._working.get(event.account)
        if stop is not None and stop.client_id == event.client_id:
            if event.reason is CancelReason.DELEVERAGED:  # what is left of the position wants one again
                stop.client_id = ""
                heappush(self._to_place, (self._steps, account))
                return
            del self._stop[account]
            if event.reason is CancelReason.IMMEDIATE:  # the book was empty: its owner goes on
                heappush(self._due, (self._steps + self._crowd.patience_s, account, 0))
        elif work is not None and work.client_id == event.client_id:
            work.client_id = ""
            work.not_before = 0 if work.resting else self._steps + self._crowd.patience_s
            self._look(account, self._steps)

    def _refused(self, event: OrderRejected) -> None:
        account, stop, work = event.account, self._stop.get(event.account), self._working.get(event.account)
        later = self._steps + self._crowd.patience_s
        if stop is not None and stop.client_id == event.client_id:
            stop.client_id = ""
            if event.reason in NOT_NOW:
                heappush(self._to_place, (later, account))
                return
            del self._stop[account]
            if event.reason is Reject.TRIGGER_MET:
                heappush(self._due, (self._steps, account, 0))
        elif work is not None and work.client_id == event.client_id:
            if event.reason in NOT_NOW:
                work.client_id, work.not_before = "", later
                self._look(account, self._steps)
            else:
                del self._working[account]

    def _deleveraged(self, event: PositionDeleveraged) -> None:
        account = event.account
        self._held[account] = event.position
        self._working.pop(account, None)
        half = -event.size // 2
        if half and self._noise.uniform(account, 7) < self._crowd.reopen_share:
            wait = self._noise.exponential(self._crowd.reopen_wait_s, account, 8)
            heappush(self._due, (self._steps + 1 + round(wait), account, half))

    # what they intend ---------------------------------------------------------------------------------------

    def _awake(self, symbol: str, view: SymbolView) -> None:
        mark = float(view.mark)
        high = self._high.get(symbol, mark)
        self._high[symbol] = high = max(mark, high - (high - mark) / self._crowd.fall_memory_s)
        take_due(self._stops[symbol], mark, self._later, lambda account: 0.0)
        take_due(self._panics[symbol], mark / high - 1, self._later, self._wait_of_panic)
        take_due(self._profits[symbol], mark, self._later, self._wait_of_profit)

    def _wait_of_panic(self, account: int) -> float:
        return self._noise.exponential(self._crowd.panic_wait_s, account, 9)

    def _wait_of_profit(self, account: int) -> float:
        return self._noise.exponential(self._crowd.profit_wait_s, account, 10)

    def _later(self, account: int, wait: float) -> None:
        heappush(self._due, (self._steps + round(wait), account, 0))

    def _begin(self, account: int, lots: int) -> None:
        """Open these lots; none: close the position."""
        wanted = lots or -self._held[account]
        if wanted and account not in self._working:
            self._begun += 1
            self._working[account] = _Working(self._begun, lots, resting=wanted > 0)
            self._look(account, self._steps)

    def _look(self, account: int, step: int) -> None:
        heappush(self._looks, (step, account))

    # what they send -----------------------------------------------------------------------------------------

    def _place_stop(self, now_us: int, account: int) -> list[Input]:
        """Send a long's stop; while nothing trades, a little later."""
        stop, symbol = self._stop.get(account), self._symbol[account]
        if stop is None or self._held[account] <= 0:
            self._stop.pop(account, None)
            return []
        view = self._view.symbols[symbol]
        if not view.mark or not view.trading:
            heappush(self._to_place, (self._steps + self._crowd.patience_s, account))
            return []
        by = TriggerBy.LAST if self._noise.uniform(account, 12) < self._crowd.stop_by_last else TriggerBy.MARK
        trigger = Trigger(TriggerKind.STOP, view.ticks(stop.price), by)
        order = self._order(now_us, account, symbol, -self._held[account], reduces=True, trigger=trigger)
        stop.client_id = order.client_id
        return [order]

    def _stops_without_position(self, now_us: int, event: Traded) -> list[Input]:
        """Take the stops away of those whose position this fill has closed."""
        sent: list[Input] = []
        for account in (event.taker, event.maker):
            stop = self._stop.get(account)
            if stop is not None and self._held[account] <= 0:
                del self._stop[account]
                if stop.client_id and not stop.triggered:
                    sent.append(Cancel(self.venue, now_us, account, stop.client_id))
        return sent

    def _carry_on(self, now_us: int, account: int, work: _Working) -> list[Input]:
        symbol = self._symbol[account]
        view = self._view.symbols[symbol]
        if work.client_id:
            if work.resting and self._steps - work.since == self._crowd.patience_s:
                return [Cancel(self.venue, now_us, account, work.client_id)]
            return []
        left = work.opens or -self._held[account]
        if left == 0:
            del self._working[account]
            return []
        if self._steps < work.not_before or not view.trading:
            self._look(account, max(work.not_before, self._steps + 1))
            return []
        most = max(1, view.lots(self._crowd.slice_of_depth * self._sizes[symbol].depth_usdt, view.mark))
        price = view.ticks(view.mark * (1 - self._crowd.profit_below_pct / 100)) if work.resting else None
        lots = max(-most, min(left, most))
        order = self._order(now_us, account, symbol, lots, price, rests=work.resting, reduces=not work.opens)
        work.client_id, work.since = order.client_id, self._steps
        if work.resting:
            self._look(account, self._steps + self._crowd.patience_s)
        return [order]
