"""A naive exchange: one venue by the same rules as the real one, slow and obvious, for the real one to be held against.

Everything is looked up by searching and everything is computed from scratch: resting orders are one list in the order
in which they came, books are sorted when asked for, and after every input all accounts are looked at, again and again,
until none is below maintenance. It knows no bound of work per input.

It leaves `ControlRejected.detail` empty: a text for people is no rule.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any

from msgspec.structs import replace

from stream_engine.messages import events
from stream_engine.messages.events import AnyEvent, CancelReason, Cause, FundReason
from stream_engine.messages.inputs import (
    Amend,
    AnyInput,
    Cancel,
    CancelAll,
    ClockTick,
    DeclareStress,
    Deposit,
    HaltTrading,
    IndexPrices,
    Leg,
    Level,
    ListInstrument,
    MapVenue,
    MassQuote,
    MoveMargin,
    OpenAccounts,
    Place,
    PriceShock,
    QuoteCancel,
    ResumeTrading,
    SeedFund,
    SeedPositions,
    SetDuty,
    SetLeverage,
    SetMarginMode,
    SetProtection,
    SetRules,
    Side,
    TimeInForce,
    TriggerBy,
    Withdraw,
)
from stream_engine.messages.instrument import MAIN_POOL, OWN_TRADES, Instrument
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import (
    AdlPolicy,
    AdlRules,
    BackstopRules,
    BreakerRules,
    Duty,
    FundRules,
    LiquidationRules,
    ObligationRules,
    OrderRules,
    SelfTrade,
)
from stream_engine.messages.units import BALANCE_MAX
from tests.naive import naive_adl, naive_amend
from tests.naive.naive_adl import Holder
from tests.naive.naive_breakers import NaiveBreakers
from tests.naive.naive_breakers import is_bad as are_bad_breakers
from tests.naive.naive_fund import NaiveFund
from tests.naive.naive_fund import is_bad as is_bad_fund
from tests.naive.naive_funding import NaiveFunding, naive_payment, naive_rate
from tests.naive.naive_index import naive_index, naive_others
from tests.naive.naive_isolated import Initial, after_closing, drawn_for_opening, reserve
from tests.naive.naive_liquidation import NaiveLiquidation, is_contradictory
from tests.naive.naive_mark import NaiveMeans, naive_bounded, naive_hyperliquid, naive_touch
from tests.naive.naive_obligations import NaiveDuty, contradicts_itself, presence_ppm, shares
from tests.naive.naive_protection import NaiveProtection
from tests.naive.naive_rules import (
    first_of,
    initial_margin,
    initial_rate_ppm,
    is_bad,
    leverage_allowed,
    maintenance_margin,
    median_of_three,
    nearest,
    part_of,
)
from tests.naive.naive_triggers import NaiveWaiting, is_reached, reached_by

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
REPEATS_ANSWERED_US = 10 * MINUTE_US
HEAD_OF_QUEUE = 20
ORDERS_PER_PART = 1_500


@dataclass
class Resting:
    """An order in the book, or one level of a quote (no client id)."""

    order_id: int
    account: int
    client_id: str
    symbol: str
    sign: int
    price: int
    size: int
    expires_us: int | None = None
    reduce_only: bool = False


@dataclass
class Holding:
    """What an account has on one symbol: signed lots, what they cost, its leverage, the id of its last quote; and
    its own margin where it is isolated."""

    leverage: int
    size: int = 0
    cost: int = 0
    quote_id: int | None = None
    protection: NaiveProtection | None = None
    isolated: bool = False
    margin: int = 0


@dataclass
class NaiveAccount:
    """`holdings` stand in the order in which the account first had something on the symbol."""

    number: int
    wallet: int = 0
    holdings: dict[str, Holding] = field(default_factory=dict)
    answers: dict[str, tuple[Place, AnyEvent]] = field(default_factory=dict)
    done_us: dict[str, int] = field(default_factory=dict)
    changed: Cause | None = None
    whole_until_us: int = 0
    participant: str = ""


@dataclass
class NaiveMarket:
    """`unpriced`: the last trade since the mark was made. `samples`: (time, mid - index)."""

    instrument: Instrument
    mark: int = 0
    previous_mark: int = 0
    index: int = 0
    last: int = 0
    moved: Cause | None = None
    unpriced: Cause | None = None
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    samples: list[tuple[int, Fraction]] = field(default_factory=list)
    funding: NaiveFunding = field(default_factory=NaiveFunding)
    means: NaiveMeans = field(default_factory=NaiveMeans)
    reported: tuple[int, int, int] = (0, 0, 0)


class NaiveExchange:
    """One venue, `apply(input) -> events`."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.seq = -1
        self.now_us = 0
        self.ticked_us: int | None = None
        self.rules: dict[str, Any] = {
            "checks_per_input": 500,
            "fund_draw_ppm": 1_000_000,
            "cover_bound_ppm": 1_000_000,
            "orders": OrderRules(),
            "liquidation": LiquidationRules(),
            "fund": FundRules(),
            "backstop": BackstopRules(),
            "adl": AdlRules(),
            "breakers": BreakerRules(),
            "obligations": ObligationRules(),
        }
        self.is_halted = self.is_stressed = False
        self.breakers = NaiveBreakers(self)
        self.put_off: set[int] = set()
        self.duties: list[NaiveDuty] = []
        self.accounts: dict[int, NaiveAccount] = {}
        self.markets: dict[str, NaiveMarket] = {}
        self.resting: list[Resting] = []
        self.waiting: list[NaiveWaiting] = []
        self.reached: list[NaiveWaiting] = []  # those that enter next, in this order
        self.pools = {MAIN_POOL: 0}
        self.fund = NaiveFund(self)
        self.sent: list[tuple[int, int]] = []  # (time, account) of all that counts against the rate limit
        self.deficit = 0
        self.orders_numbered = 0
        self.has_traded = False
        self.events: list[AnyEvent] = []
        self.touched_books: list[str] = []

    def apply(self, received: AnyInput) -> list[AnyEvent]:
        """Take one input; returns what changed, in order."""
        self.seq += 1
        self.events = []
        self.touched_books = []
        before = {symbol: (self._levels(symbol, 1), self._levels(symbol, -1)) for symbol in self.markets}
        if self._is_from_the_future(received):
            self._refuse(received, Reject.TIMESTAMP_IN_FUTURE)
        else:
            self.now_us = max(self.now_us, received.ts_us)
            self._cancel_what_has_expired()
            waits = isinstance(received, Place | Amend | MassQuote | Withdraw)
            if self.is_halted and waits and not self._is_known(received):
                self._refuse(received, Reject.TRADING_HALTED)
            elif self._is_late(received) and not self._is_known(received):
                self._refuse(received, Reject.EXPIRED)
            elif self._is_over_its_rate(received):
                self._refuse(received, Reject.RATE_LIMITED)
            else:
                self._take(received)
        if not self._is_waiting():
            self._run_its_course()
        for symbol in dict.fromkeys(self.touched_books):
            bids = _differences(before[symbol][0], self._levels(symbol, 1), best=max)
            asks = _differences(before[symbol][1], self._levels(symbol, -1), best=min)
            if bids or asks:
                self._emit(events.BookChanged, None, symbol=symbol, bids=bids, asks=asks)
        return self.events

    def _run_its_course(self) -> None:
        self._liquidate_until_nobody_is_left()
        while self.reached:
            for waiting in list(self.reached):
                self._trigger(waiting)
            self._make_marks_of_what_traded()
            self._liquidate_until_nobody_is_left()

    def _trigger(self, waiting: NaiveWaiting) -> None:
        order, account = waiting.order, self.accounts[waiting.order.account]
        triggered = self._emit(
            events.OrderTriggered, waiting.reached, account=account.number, client_id=order.client_id,
            order_id=waiting.order_id, symbol=order.symbol, side=order.side, size=order.size,
            price=None if order.price is None else self._limit(order), time_in_force=order.time_in_force,
        )  # fmt: skip
        reason = self._order_refusal(account, order)
        if reason is not None:
            self._cancel_waiting(waiting, CancelReason.NOT_ALLOWED, triggered, reason)
            return
        self._forget_waiting(waiting)
        self._enter(account, order, waiting.order_id, triggered)

    def _look_for_triggers(self, symbol: str, by: TriggerBy, price: int, cause: Cause | None) -> None:
        is_paused = by is TriggerBy.MARK and self.breakers.is_paused(symbol)
        if not self.is_halted and not is_paused:
            for waiting in reached_by(self.waiting, symbol, by, price):
                waiting.reached = cause
                self.reached.append(waiting)

    def _forget_waiting(self, waiting: NaiveWaiting) -> None:
        self.waiting.remove(waiting)
        if waiting in self.reached:
            self.reached.remove(waiting)

    def _cancel_waiting(
        self, waiting: NaiveWaiting, reason: CancelReason, cause: Cause | None, refusal: Reject | None = None
    ) -> None:
        order = waiting.order
        self._forget_waiting(waiting)
        self._emit(
            events.OrderCancelled, cause, account=order.account, client_id=order.client_id,
            order_id=waiting.order_id, symbol=order.symbol, size=order.size, reason=reason, refusal=refusal,
        )  # fmt: skip
        self.accounts[order.account].done_us[order.client_id] = self.now_us

    def _is_from_the_future(self, received: AnyInput) -> bool:
        if isinstance(received, ClockTick) or self.ticked_us is None:
            return False
        return received.ts_us - self.ticked_us > SECOND_US

    def _is_waiting(self) -> bool:
        return self.is_halted

    def _is_known(self, received: AnyInput) -> bool:
        if not isinstance(received, Place) or received.account not in self.accounts:
            return False
        known = self.accounts[received.account].answers.get(received.client_id)
        return known is not None and replace(known[0], ts_us=0) == replace(received, ts_us=0)

    def _cancel_what_has_expired(self) -> None:
        """One after the other: a quote's levels go together."""
        while gone := sorted(self._expired(), key=lambda found: found[0]):
            (_, account, client_id, symbol), found = gone[0]
            if isinstance(found, NaiveWaiting):
                self._cancel_waiting(found, CancelReason.EXPIRED, None)
            elif client_id:
                self._remove(found)
                self._say_cancelled(found, CancelReason.EXPIRED, None)
            else:
                self._withdraw_quotes(self.accounts[account], symbol, CancelReason.EXPIRED, None)

    def _expired(self) -> Iterator[tuple[tuple[int, int, str, str], Resting | NaiveWaiting]]:
        for order in self.resting:
            if order.expires_us is not None and order.expires_us < self.now_us:
                yield (order.expires_us, order.account, order.client_id, order.symbol), order
        for waiting in self.waiting:
            sent = waiting.order
            if sent.expires_us is not None and sent.expires_us < self.now_us:
                yield (sent.expires_us, sent.account, sent.client_id, sent.symbol), waiting

    def _is_late(self, received: AnyInput) -> bool:
        if not isinstance(received, Place | MassQuote) or received.expires_us is None:
            return False
        return self.now_us > received.expires_us

    def _is_over_its_rate(self, received: AnyInput) -> bool:
        limit, window_us = self.rules["orders"].rate_limit, self.rules["orders"].rate_window_us
        if not isinstance(received, Place | Amend | MassQuote) or received.account not in self.accounts:
            return False
        if not limit or self._is_known(received):
            return False
        window = self.now_us // window_us
        counted = [us for us, account in self.sent if account == received.account and us // window_us == window]
        if len(counted) >= limit:
            return True
        self.sent.append((self.now_us, received.account))
        return False

    def _take(self, received: AnyInput) -> None:
        match received:
            case Place():
                self._place(received)
            case Amend():
                naive_amend.amend(self, received)
            case Cancel():
                self._cancel(received)
            case CancelAll():
                self._cancel_all(received)
            case QuoteCancel():
                self._quote_cancel(received)
            case MassQuote():
                self._mass_quote(received)
            case IndexPrices() | PriceShock():
                self._prices(received)
            case ClockTick():
                self._clock_tick(received)
            case SetRules():
                self._set_rules(received)
            case ListInstrument():
                self._list(received)
            case OpenAccounts():
                self._open(received)
            case Deposit():
                self._deposit(received)
            case Withdraw():
                self._withdraw(received)
            case SetLeverage():
                self._set_leverage(received)
            case SetMarginMode():
                self._set_margin_mode(received)
            case MoveMargin():
                self._move_margin(received)
            case SetProtection():
                self._set_protection(received)
            case SeedPositions():
                self._seed_positions(received)
            case SeedFund():
                self._seed_fund(received)
            case SetDuty():
                self._set_duty(received)
            case DeclareStress():
                self._declare_stress(received)
            case HaltTrading():
                self._halt(received)
            case ResumeTrading():
                self._resume(received)
            case MapVenue():
                pass

    def _emit(self, kind: type[Any], cause: Cause | None, **fields: Any) -> Cause:
        number = len(self.events)
        self.events.append(kind(venue=self.venue, seq=self.seq, n=number, ts_us=self.now_us, cause=cause, **fields))
        return self.seq, number

    def _refuse(self, received: AnyInput, reason: Reject) -> None:
        match received:
            case Place():
                kind: type[Any] = events.OrderRejected
                who = {"account": received.account, "client_id": received.client_id, "symbol": received.symbol}
            case Amend():
                kind = events.AmendRejected
                who = {"account": received.account, "client_id": received.client_id}
            case Cancel():
                kind = events.CancelRejected
                who = {"account": received.account, "client_id": received.client_id}
            case CancelAll() | QuoteCancel():
                kind = events.CancelRejected
                who = {"account": received.account, "client_id": None}
            case MassQuote():
                kind = events.QuoteRejected
                who = {"account": received.account, "symbol": received.symbol, "quote_id": received.quote_id}
            case _:
                kind = events.ControlRejected
                who = {"input": type(received).__name__}
        self._emit(kind, None, reason=reason, **who)

    # what an account is worth ------------------------------------------------------------------------------

    def _holding(self, account: NaiveAccount, symbol: str) -> Holding:
        if symbol not in account.holdings:
            account.holdings[symbol] = Holding(self.markets[symbol].instrument.default_leverage)
        return account.holdings[symbol]

    def _size(self, account: NaiveAccount, symbol: str) -> int:
        return account.holdings[symbol].size if symbol in account.holdings else 0

    def _notional(self, symbol: str, lots: int) -> int:
        market = self.markets[symbol]
        return abs(lots) * market.mark * market.instrument.tick_value

    def _unrealised(self, account: NaiveAccount, symbol: str) -> int:
        holding, market = account.holdings[symbol], self.markets[symbol]
        return holding.size * market.mark * market.instrument.tick_value - holding.cost if market.mark else 0

    def _equity(self, account: NaiveAccount, alone: str | None = None) -> int:
        """Of the cross portfolio, or of what is isolated on a symbol."""
        collateral = self._collateral(account, alone)
        return collateral + sum(self._unrealised(account, symbol) for symbol in self._carried(account, alone))

    def _collateral(self, account: NaiveAccount, alone: str | None) -> int:
        return account.wallet if alone is None else account.holdings[alone].margin

    def _carried(self, account: NaiveAccount, alone: str | None) -> list[str]:
        if alone is not None:
            return [alone]
        return [symbol for symbol, holding in account.holdings.items() if not holding.isolated]

    def _alone(self, account: NaiveAccount, symbol: str) -> str | None:
        """Which equity stands behind a symbol: of what is isolated on it, or (None) the cross portfolio's."""
        return symbol if symbol in account.holdings and account.holdings[symbol].isolated else None

    def _purses(self, account: NaiveAccount) -> list[str | None]:
        isolated = [symbol for symbol, holding in account.holdings.items() if holding.isolated]
        return [None, *sorted(isolated)]

    def _credit(self, account: NaiveAccount, alone: str | None, money: int) -> None:
        if alone is None:
            account.wallet += money
        else:
            account.holdings[alone].margin += money

    def _maintenance_on(self, account: NaiveAccount, symbol: str) -> int:
        tiers = self.markets[symbol].instrument.tiers
        return maintenance_margin(self._notional(symbol, account.holdings[symbol].size), tiers)

    def _maintenance(self, account: NaiveAccount, alone: str | None = None) -> int:
        return sum(self._maintenance_on(account, symbol) for symbol in self._carried(account, alone))

    def _can_be_judged(self, account: NaiveAccount) -> bool:
        return all(self.markets[symbol].mark for symbol, held in account.holdings.items() if held.size)

    def _has_fallen(self, account: NaiveAccount, alone: str | None) -> bool:
        held = [symbol for symbol in self._carried(account, alone) if account.holdings[symbol].size]
        if not all(self.markets[symbol].mark for symbol in held):
            return False
        return self._equity(account, alone) < self._maintenance(account, alone)

    def _is_liquidatable(self, account: NaiveAccount) -> bool:
        return bool(self._fallen(account))

    def _open_lots(self, account: NaiveAccount, symbol: str, sign: int) -> int:
        """What a reduce-only order has open counts nowhere: it can open nothing."""
        mine = [order for order in self._side(symbol, sign) if order.account == account.number]
        return sum(order.size for order in mine if not order.reduce_only)

    def _reducible(self, account: NaiveAccount, symbol: str, sign: int) -> int:
        """Lots that an order of this sign can take off what the account holds."""
        size = self._size(account, symbol)
        return abs(size) if size * sign < 0 else 0

    def _largest(self, account: NaiveAccount, symbol: str) -> int:
        buying, selling = self._open_lots(account, symbol, 1), self._open_lots(account, symbol, -1)
        return _largest_position(self._size(account, symbol), buying, selling)

    def _initial(self, account: NaiveAccount, symbol: str, lots: int) -> int:
        default = self.markets[symbol].instrument.default_leverage
        leverage = account.holdings[symbol].leverage if symbol in account.holdings else default
        return initial_margin(self._notional(symbol, lots), leverage, self.markets[symbol].instrument.tiers)

    def _initial_but_on(self, account: NaiveAccount, left_out: str | None) -> int:
        """Of cross positions and their orders; with what the orders of isolated ones may draw from the wallet."""
        symbols = [symbol for symbol in self._carried(account, None) if symbol != left_out]
        cross = sum(self._initial(account, symbol, self._largest(account, symbol)) for symbol in symbols)
        return cross + self._reserved_but_on(account, left_out)

    def _reserved_but_on(self, account: NaiveAccount, left_out: str | None) -> int:
        isolated = [symbol for symbol in self._purses(account) if symbol is not None and symbol != left_out]
        return sum(self._reserve_now(account, symbol) for symbol in isolated)

    def _reserve_now(self, account: NaiveAccount, symbol: str, leverage: int | None = None) -> int:
        size = self._size(account, symbol)
        longest = size + self._open_lots(account, symbol, 1)
        return self._reserve(account, symbol, longest, size - self._open_lots(account, symbol, -1), leverage)

    def _reserve(
        self, account: NaiveAccount, symbol: str, longest: int, shortest: int, leverage: int | None = None
    ) -> int:
        initial = self._initial_at(account, symbol, leverage)
        size, equity = self._size(account, symbol), self._equity(account, symbol)
        return reserve(size, longest, shortest, self.markets[symbol].mark, equity, initial)

    def _initial_at(self, account: NaiveAccount, symbol: str, leverage: int | None = None) -> Initial:
        instrument, wanted = self.markets[symbol].instrument, leverage or account.holdings[symbol].leverage
        return lambda lots, price: initial_margin(abs(lots) * price * instrument.tick_value, wanted, instrument.tiers)

    def _free_wallet(self, account: NaiveAccount, left_out: str | None, loss: int) -> int:
        free = self._equity(account) - self._initial_but_on(account, left_out) - loss
        return min(free, account.wallet - self._reserved_but_on(account, left_out))

    # the book ----------------------------------------------------------------------------------------------

    def _side(self, symbol: str, sign: int) -> list[Resting]:
        orders = [order for order in self.resting if order.symbol == symbol and order.sign == sign]
        return sorted(orders, key=lambda order: -sign * order.price)

    def _levels(self, symbol: str, sign: int) -> dict[int, int]:
        levels: dict[int, int] = {}
        for order in self._side(symbol, sign):
            levels[order.price] = levels.get(order.price, 0) + order.size
        return levels

    def _rest(self, order: Resting) -> None:
        self._holding(self.accounts[order.account], order.symbol)
        self.resting.append(order)
        self.touched_books.append(order.symbol)

    def _remove(self, order: Resting) -> None:
        self.resting = [other for other in self.resting if other is not order]
        self.touched_books.append(order.symbol)
        if order.client_id:
            self.accounts[order.account].done_us[order.client_id] = self.now_us

    def _reduce(self, order: Resting, lots: int) -> None:
        order.size -= lots
        self.touched_books.append(order.symbol)
        if not order.size:
            self._remove(order)

    def _new_order_id(self) -> int:
        self.orders_numbered += 1
        return self.orders_numbered

    def _within(self, symbol: str, taker_sign: int, limit: int) -> list[Resting]:
        """What a taker can reach, best first and then who came first."""
        other_side = self._side(symbol, -taker_sign)
        return [order for order in other_side if taker_sign * order.price <= taker_sign * limit]

    def _match(
        self, taker: NaiveAccount, order: Resting, cause: Cause | None, self_trade: SelfTrade
    ) -> CancelReason | None:
        """Fills an incoming order as far as it goes; says why what is left of it may not rest, if it may not."""
        while order.size and (reachable := self._within(order.symbol, order.sign, order.price)):
            maker = reachable[0]
            if maker.account == taker.number:
                if self_trade is not SelfTrade.CANCEL_TAKER:
                    self._cancel_own(maker, cause)
                if self_trade is not SelfTrade.CANCEL_MAKER:
                    return CancelReason.SELF_TRADE
                continue
            lots = min(order.size, self._gives(maker))
            if order.reduce_only:
                lots = min(lots, self._reducible(taker, order.symbol, order.sign))
            if not lots:
                break
            order.size -= lots
            self._trade(taker, maker, lots, order.size, order.order_id, cause, liquidation=False)
        is_spent = order.reduce_only and not self._reducible(taker, order.symbol, order.sign)
        return CancelReason.REDUCE_ONLY if is_spent else None

    def _gives(self, order: Resting) -> int:
        """Lots that a resting order can be filled with."""
        if not order.reduce_only:
            return order.size
        return min(order.size, self._reducible(self.accounts[order.account], order.symbol, order.sign))

    def _would_take(self, taker: NaiveAccount, order: Resting, self_trade: SelfTrade) -> tuple[list[Level], bool]:
        """What an incoming order would get, (price, lots) each, and whether one of its own account would stop it."""
        holds = {number: self._size(account, order.symbol) for number, account in self.accounts.items()}
        protections = {
            number: deepcopy(account.holdings[order.symbol].protection)
            for number, account in self.accounts.items()
            if order.symbol in account.holdings
        }
        got: list[Level] = []
        for resting in self._within(order.symbol, order.sign, order.price):
            left = order.size - sum(lots for _, lots in got)
            if left and resting.account == taker.number and self_trade is not SelfTrade.CANCEL_MAKER:
                return got, True
            if resting.account != taker.number:
                lots = min(left, resting.size)
                if resting.reduce_only:
                    lots = min(lots, max(0, -resting.sign * holds[resting.account]))
                protection = protections[resting.account]
                if protection is not None and not resting.client_id and lots:
                    if protection.is_exceeded(self.now_us):
                        continue
                    protection.fills.append((self.now_us, resting.sign * lots))
                holds[resting.account] += resting.sign * lots
                got.append((resting.price, lots))
        return got, False

    def _cancel_what_reduces_nothing(self, cause: Cause) -> None:
        """The maker's and the taker's of a trade; nobody else's position has changed."""
        traded = self.events[cause[1]]
        assert isinstance(traded, events.Traded)
        for number in (traded.maker, traded.taker):
            for order in self._orders(number, traded.symbol):
                if order.reduce_only and not self._reducible(self.accounts[number], order.symbol, order.sign):
                    self._remove(order)
                    self._say_cancelled(order, CancelReason.REDUCE_ONLY, cause)

    def _cancel_own(self, order: Resting, cause: Cause | None) -> None:
        self._remove(order)
        if order.client_id:
            self._say_cancelled(order, CancelReason.SELF_TRADE, cause)
        else:
            self._say_quote(self.accounts[order.account], order.symbol, cause)

    def _trade(
        self,
        taker: NaiveAccount,
        resting: Resting,
        lots: int,
        left: int,
        order_id: int,
        cause: Cause | None,
        liquidation: bool,
        at: int | None = None,
    ) -> Cause:
        market, maker = self.markets[resting.symbol], self.accounts[resting.account]
        instrument, price = market.instrument, resting.price if at is None else at
        value = lots * price * instrument.tick_value
        maker_fee = ceil(part_of(value, instrument.maker_fee_ppm))
        if liquidation and maker_fee < 0:
            maker_fee = 0
        taker_fee = 0 if liquidation else ceil(part_of(value, instrument.taker_fee_ppm))
        self._reduce(resting, lots)
        self._book_fill(taker, resting.symbol, -resting.sign * lots, price, taker_fee, liquidation)
        self._book_fill(maker, resting.symbol, resting.sign * lots, price, maker_fee)
        for duty in self.duties:
            if (duty.account, duty.symbol) == (maker.number, resting.symbol):
                duty.rebates += max(0, -maker_fee)
        side = Side.SELL if resting.sign > 0 else Side.BUY
        traded = self._emit(
            events.Traded, cause, symbol=resting.symbol, price=price, size=lots, taker=taker.number,
            taker_order_id=order_id, taker_side=side, taker_left=left, taker_fee=taker_fee, maker=maker.number,
            maker_order_id=resting.order_id, maker_left=resting.size, maker_fee=maker_fee, liquidation=liquidation,
        )  # fmt: skip
        self._emit(
            events.TradePrinted, traded, symbol=resting.symbol, price=price, size=lots, taker_side=side,
            liquidation=liquidation,
        )  # fmt: skip
        self.has_traded = True
        market.last = price
        self.breakers.traded(resting.symbol, value, liquidation)
        market.seen[OWN_TRADES] = (price, self.now_us)
        market.unpriced = taker.changed = maker.changed = traded
        self._look_for_triggers(resting.symbol, TriggerBy.LAST, price, traded)
        if not resting.client_id:
            self._protect(maker, resting, lots, traded)
        self._cancel_what_reduces_nothing(traded)
        return traded

    def _protect(self, maker: NaiveAccount, level: Resting, lots: int, traded: Cause) -> None:
        protection = maker.holdings[level.symbol].protection
        if protection is None:
            return
        protection.fills.append((self.now_us, level.sign * lots))
        if protection.is_exceeded(self.now_us):
            counted = protection.in_window(self.now_us)
            protection.triggered_us, protection.fills = self.now_us, []
            triggered = self._emit(
                events.ProtectionTriggered, traded, account=maker.number, symbol=level.symbol,
                quantity=sum(map(abs, counted)), delta=sum(counted), frozen_until_us=protection.frozen_until_us(),
            )  # fmt: skip
            self._withdraw_quotes(maker, level.symbol, CancelReason.PROTECTION, triggered)

    def _book_fill(
        self, account: NaiveAccount, symbol: str, lots: int, price: int, fee: int = 0, liquidation: bool = False
    ) -> int:
        """Close first what is held the other way, then open the rest; returns what that realised."""
        holding, market = self._holding(account, symbol), self.markets[symbol]
        tick_value = market.instrument.tick_value
        realised = closed = 0
        before = holding.size
        if holding.size * lots < 0:
            closed = min(abs(lots), abs(holding.size))
            direction = 1 if holding.size > 0 else -1
            released = floor(Fraction(holding.cost * closed, abs(holding.size)))
            realised = direction * closed * price * tick_value - released
            holding.size -= direction * closed
            holding.cost -= released
            lots += direction * closed
        if not holding.isolated:
            account.wallet += realised - fee
        elif liquidation:
            holding.margin += realised - fee
        elif closed:
            holding.margin, gets = after_closing(holding.margin, before, closed, realised - fee)
        else:
            gets = -fee
        if holding.isolated and not liquidation:
            # What the wallet can spare counts the cross portfolio; the holding itself is no part of it.
            account.wallet += gets
            spare = min(account.wallet, self._equity(account) - self._maintenance(account))
            if lots:
                initial = self._initial_at(account, symbol)
                drawn = drawn_for_opening(
                    holding.size, holding.size + lots, price, market.mark, tick_value, initial, spare
                )
                account.wallet -= drawn
                holding.margin += drawn
        holding.size += lots
        holding.cost += lots * price * tick_value
        return realised

    # orders ------------------------------------------------------------------------------------------------

    def _place(self, order: Place) -> None:
        account = self.accounts.get(order.account)
        if account is None:
            self._refuse(order, Reject.UNKNOWN_ACCOUNT)
            return
        if order.client_id in account.answers:
            self._answer_again(order, *account.answers[order.client_id])
            return
        reason = self._waiting_refusal(order) if order.trigger else self._order_refusal(account, order)
        if reason is not None:
            self._refuse(order, reason)
            account.answers[order.client_id] = (order, self.events[-1])
            account.done_us[order.client_id] = self.now_us
            return
        order_id = self._new_order_id()
        accepted = self._emit(
            events.OrderAccepted, None, account=account.number, client_id=order.client_id, order_id=order_id,
            symbol=order.symbol, side=order.side, size=order.size,
            price=order.price if order.price is None or order.trigger else self._limit(order),
            time_in_force=order.time_in_force, post_only=order.post_only, reduce_only=order.reduce_only,
            trigger=order.trigger,
        )  # fmt: skip
        account.answers[order.client_id] = (order, self.events[-1])
        if order.trigger:
            self.waiting.append(NaiveWaiting(order, order_id))
        else:
            self._enter(account, order, order_id, accepted)

    def _incoming(self, order: Place, order_id: int) -> Resting:
        sign, limit = _sign(order.side), self._limit(order)
        return Resting(
            order_id, order.account, order.client_id, order.symbol, sign, limit, order.size, order.expires_us,
            order.reduce_only,
        )  # fmt: skip

    def _enter(self, account: NaiveAccount, order: Place, order_id: int, cause: Cause) -> None:
        incoming = self._incoming(order, order_id)
        if self.breakers.is_paused(order.symbol):
            reason = self.breakers.collect(account, incoming, cause, self._self_trade_of(order))
        else:
            reason = self._match(account, incoming, cause, self._self_trade_of(order))
        if incoming.size and reason is None:
            self.breakers.stopped(order.symbol, incoming.sign, incoming.price, cause)
        if incoming.size and reason is None and _may_rest(order):
            self._rest(incoming)
            return
        if incoming.size:
            self._say_cancelled(incoming, reason or CancelReason.IMMEDIATE, cause)
        account.done_us[order.client_id] = self.now_us

    def _self_trade_of(self, order: Place) -> SelfTrade:
        venues: SelfTrade = self.rules["orders"].self_trade
        return order.self_trade if order.self_trade is not None else venues

    def _answer_again(self, order: Place, former: Place, answer: AnyEvent) -> None:
        if replace(order, ts_us=0) != replace(former, ts_us=0):
            self._refuse(order, Reject.DUPLICATE_CLIENT_ID)
            return
        meta = ("venue", "seq", "n", "ts_us", "cause", "repeated")
        fields = {name: getattr(answer, name) for name in answer.__struct_fields__ if name not in meta}
        self._emit(type(answer), None, repeated=True, **fields)

    def _limit(self, order: Place) -> int:
        sign, price = _sign(order.side), order.price
        if price is None:
            market = self.markets[order.symbol]
            reach = floor(part_of(market.mark, market.instrument.market_bound_ppm))
            price = max(1, market.mark + sign * reach)
        return self.breakers.cut(order.symbol, sign, price)

    def _terms(self, order: Place) -> set[Reject]:
        instrument = self.markets[order.symbol].instrument
        reasons = {*_size_reasons(instrument, order.size)}
        if order.price is not None:
            reasons.update(_price_reasons(instrument, order.price, on_grid=True))
        if order.trigger is not None:
            reasons.update(_price_reasons(instrument, order.trigger.price, on_grid=True))
        return reasons

    def _waiting_refusal(self, order: Place) -> Reject | None:
        market, trigger = self.markets.get(order.symbol), order.trigger
        if market is None or trigger is None:
            return Reject.UNKNOWN_SYMBOL
        reasons = self._terms(order)
        if order.post_only and not _may_rest(order):
            reasons.add(Reject.POST_ONLY_MARKET_ORDER)
        if not market.mark:
            reasons.add(Reject.NO_MARK_PRICE)
        if is_reached(order, market.mark if trigger.by is TriggerBy.MARK else market.last):
            reasons.add(Reject.TRIGGER_MET)
        return first_of(reasons)

    def _order_refusal(self, account: NaiveAccount, order: Place, replaced: Resting | None = None) -> Reject | None:
        """Of a new order, or of one that comes instead of a resting one."""
        market = self.markets.get(order.symbol)
        if market is None:
            return Reject.UNKNOWN_SYMBOL
        reasons = set(_size_reasons(market.instrument, order.size))
        if order.price is not None:
            reasons.update(_price_reasons(market.instrument, order.price, on_grid=True))
            if self.breakers.is_priced_out(order.symbol, _sign(order.side), order.price):
                reasons.add(Reject.PRICE_OUT_OF_BAND)
        if self.breakers.is_paused(order.symbol) and not _may_rest(order):
            reasons.add(Reject.TRADING_PAUSED)
        if order.post_only and not _may_rest(order):
            reasons.add(Reject.POST_ONLY_MARKET_ORDER)
        if not market.mark or not self._can_be_judged(account):
            reasons.add(Reject.NO_MARK_PRICE)
        if reasons:
            return first_of(reasons)
        sign, limit, tick_value = _sign(order.side), self._limit(order), market.instrument.tick_value
        if order.post_only and self._within(order.symbol, sign, limit):
            return Reject.POST_ONLY_WOULD_TAKE
        incoming = self._incoming(order, 0)
        if order.reduce_only:
            incoming.size = min(order.size, self._reducible(account, order.symbol, sign))
        got, is_stopped = self._would_take(account, incoming, self._self_trade_of(order))
        if self.breakers.is_paused(order.symbol):
            got, is_stopped = [], False
        taken, paid = sum(lots for _, lots in got), sum(price * lots for price, lots in got)
        if order.time_in_force is TimeInForce.FOK and taken < incoming.size:
            return Reject.FOK_NOT_FILLABLE
        if replaced is not None and order.size <= replaced.size and sign * limit <= sign * replaced.price:
            return None
        if not incoming.size:
            return Reject.REDUCE_ONLY_WITHOUT_POSITION
        rests = incoming.size - taken if _may_rest(order) and not is_stopped else 0
        loss = max(0, sign * (paid - taken * market.mark)) * tick_value
        loss += ceil(part_of(paid * tick_value, market.instrument.taker_fee_ppm))
        loss += max(0, sign * (limit - market.mark)) * rests * tick_value
        gone = [replaced] if replaced is not None else []
        if order.reduce_only:
            needed = loss + self._resting_loss(account, gone) if loss else 0
            equity = self._equity(account, self._alone(account, order.symbol))
            return Reject.INSUFFICIENT_MARGIN if needed > 0 and equity < needed else None
        rests -= sum(former.size for former in gone)
        size = self._size(account, order.symbol) + sign * taken
        longest = size + self._open_lots(account, order.symbol, 1) + (rests if sign > 0 else 0)
        shortest = size - self._open_lots(account, order.symbol, -1) - (rests if sign < 0 else 0)
        return self._exposure_refusal(account, order.symbol, longest, shortest, loss, gone)

    def _exposure_refusal(
        self,
        account: NaiveAccount,
        symbol: str,
        longest: int,
        shortest: int,
        loss: int,
        replaced: Iterable[Resting] = (),
    ) -> Reject | None:
        """From the most positive and the most negative position that the open orders could then lead to.

        What would be lost at once counts with what the other resting orders would lose at once.
        """
        size = self._size(account, symbol)
        amended = [order for order in replaced if order.client_id]
        was_longest = size + self._open_lots(account, symbol, 1) - sum(o.size for o in amended if o.sign > 0)
        was_shortest = size - self._open_lots(account, symbol, -1) + sum(o.size for o in amended if o.sign < 0)
        largest = max(abs(longest), abs(shortest))
        others = self._resting_loss(account, replaced)
        if longest <= max(0, was_longest) and shortest >= min(0, was_shortest):  # it only reduces
            alone = self._alone(account, symbol)
            return Reject.INSUFFICIENT_MARGIN if loss > 0 and self._equity(account, alone) < loss + others else None
        loss += others
        if largest > self.markets[symbol].instrument.max_size or self._is_beyond_its_tier(account, symbol, largest):
            return Reject.POSITION_TOO_LARGE
        most_open = self.markets[symbol].instrument.max_open_interest
        opened = max(max(0, longest) - max(0, size), max(0, -shortest) - max(0, -size))
        if most_open and self._open_interest(symbol) + opened > most_open:
            return Reject.OPEN_INTEREST_TOO_LARGE
        if self._alone(account, symbol) is not None:
            free = self._free_wallet(account, symbol, 0)
            if free < self._reserve(account, symbol, longest, shortest) + loss:
                return Reject.INSUFFICIENT_MARGIN
        else:
            needed = loss + self._initial(account, symbol, largest) + self._initial_but_on(account, symbol)
            if needed > 0 and self._equity(account) < needed:
                return Reject.INSUFFICIENT_MARGIN
        return None

    def _open_interest(self, symbol: str) -> int:
        return sum(max(0, self._size(account, symbol)) for account in self.accounts.values())

    def _is_beyond_its_tier(self, account: NaiveAccount, symbol: str, lots: int) -> bool:
        instrument = self.markets[symbol].instrument
        leverage = instrument.default_leverage
        if symbol in account.holdings:
            leverage = account.holdings[symbol].leverage
        return leverage > leverage_allowed(self._notional(symbol, lots), instrument)

    def _resting_loss(self, account: NaiveAccount, replaced: Iterable[Resting] = ()) -> int:
        """What the account would lose against the marks if all its orders were filled at their limits."""
        left_out = {order.order_id for order in replaced}
        loss = 0
        for order in self.resting:
            if order.account == account.number and order.order_id not in left_out:
                market = self.markets[order.symbol]
                worse = order.sign * (order.price - market.mark)
                if worse > 0:
                    loss += worse * self._gives(order) * market.instrument.tick_value
        return loss

    def _cancel(self, received: Cancel) -> None:
        if received.account not in self.accounts:
            self._refuse(received, Reject.UNKNOWN_ACCOUNT)
            return
        for order in self._orders(received.account, None):
            if order.client_id == received.client_id:
                self._remove(order)
                self._say_cancelled(order, CancelReason.OWNER, None)
                return
        for waiting in self._waiting_of(received.account, None):
            if waiting.order.client_id == received.client_id:
                self._cancel_waiting(waiting, CancelReason.OWNER, None)
                return
        self._refuse(received, Reject.UNKNOWN_ORDER)

    def _cancel_all(self, received: CancelAll) -> None:
        self._cancel_for(received, with_orders=True)

    def _quote_cancel(self, received: QuoteCancel) -> None:
        self._cancel_for(received, with_orders=False)

    def _cancel_for(self, received: CancelAll | QuoteCancel, with_orders: bool) -> None:
        if received.account not in self.accounts:
            self._refuse(received, Reject.UNKNOWN_ACCOUNT)
        elif received.symbol is not None and received.symbol not in self.markets:
            self._refuse(received, Reject.UNKNOWN_SYMBOL)
        else:
            account, before = self.accounts[received.account], len(self.resting) + len(self.waiting)
            self._withdraw_quotes(account, received.symbol, CancelReason.OWNER, None)
            if with_orders:
                self._withdraw_orders(account, received.symbol, CancelReason.OWNER, None)
            if len(self.resting) + len(self.waiting) == before:
                self._refuse(received, Reject.UNKNOWN_ORDER)

    def _orders(self, account: int, symbol: str | None) -> list[Resting]:
        mine = [order for order in self.resting if order.account == account and order.client_id]
        return [order for order in mine if symbol in (None, order.symbol)]

    def _quote_levels(self, account: int, symbol: str, sign: int) -> list[Resting]:
        return [order for order in self._side(symbol, sign) if order.account == account and not order.client_id]

    def _withdraw_orders(
        self, account: NaiveAccount, symbol: str | None, reason: CancelReason, cause: Cause | None
    ) -> None:
        for order in self._orders(account.number, symbol):
            self._remove(order)
            self._say_cancelled(order, reason, cause)
        for waiting in self._waiting_of(account.number, symbol):
            self._cancel_waiting(waiting, reason, cause)

    def _waiting_of(self, account: int, symbol: str | None) -> list[NaiveWaiting]:
        mine = [waiting for waiting in self.waiting if waiting.order.account == account]
        return [waiting for waiting in mine if symbol in (None, waiting.order.symbol)]

    def _withdraw_quotes(
        self, account: NaiveAccount, symbol: str | None, reason: CancelReason, cause: Cause | None
    ) -> None:
        for name in account.holdings:
            if symbol not in (None, name):
                continue
            levels = self._quote_levels(account.number, name, 1) + self._quote_levels(account.number, name, -1)
            for order in levels:
                self._remove(order)
            if levels:
                size = sum(order.size for order in levels)
                self._emit(events.QuoteCancelled, cause, account=account.number, symbol=name, size=size, reason=reason)

    def _say_cancelled(self, order: Resting, reason: CancelReason, cause: Cause | None) -> None:
        self._emit(
            events.OrderCancelled, cause, account=order.account, client_id=order.client_id, order_id=order.order_id,
            symbol=order.symbol, size=order.size, reason=reason,
        )  # fmt: skip

    def _say_quote(self, account: NaiveAccount, symbol: str, cause: Cause | None) -> None:
        bids, asks = (self._quote_levels(account.number, symbol, sign) for sign in (1, -1))
        self._emit(
            events.QuoteAccepted, cause, account=account.number, symbol=symbol,
            quote_id=account.holdings[symbol].quote_id, bids=tuple((order.price, order.size) for order in bids),
            asks=tuple((order.price, order.size) for order in asks),
        )  # fmt: skip

    # quotes ------------------------------------------------------------------------------------------------

    def _mass_quote(self, received: MassQuote) -> None:
        reason = self._quote_refusal(received)
        if reason is not None:
            self._refuse(received, reason)
            return
        account, symbol = self.accounts[received.account], received.symbol
        self._holding(account, symbol).quote_id = received.quote_id
        sides = ((1, received.bids), (-1, received.asks))
        kept: set[tuple[int, int]] = set()
        for sign, ladder in sides:
            wanted = dict(ladder)
            for order in self._quote_levels(account.number, symbol, sign):
                if 0 < wanted.get(order.price, 0) <= order.size:
                    kept.add((sign, order.price))
                    self._reduce(order, order.size - wanted[order.price])
                else:
                    self._remove(order)
        for sign, ladder in sides:
            for price, size in ladder:
                if (sign, price) not in kept:
                    limit = self.breakers.cut(symbol, sign, price)
                    level = Resting(self._new_order_id(), account.number, "", symbol, sign, limit, size)
                    take = self.breakers.collect if self.breakers.is_paused(symbol) else self._match
                    is_stopped = take(account, level, None, self.rules["orders"].self_trade) is not None
                    if level.size and not is_stopped:
                        self.breakers.stopped(symbol, sign, limit, None)
                        if limit == price:
                            self._rest(level)
        for sign in (1, -1):
            for level in self._quote_levels(account.number, symbol, sign):
                level.expires_us = received.expires_us
        self._say_quote(account, symbol, None)

    def _quote_refusal(self, received: MassQuote) -> Reject | None:
        account, market = self.accounts.get(received.account), self.markets.get(received.symbol)
        if account is None:
            return Reject.UNKNOWN_ACCOUNT
        if market is None:
            return Reject.UNKNOWN_SYMBOL
        reasons: set[Reject] = set()
        holding = account.holdings.get(received.symbol)
        if holding is not None and holding.quote_id is not None and received.quote_id <= holding.quote_id:
            reasons.add(Reject.QUOTE_ID_NOT_NEWER)
        if holding is not None and holding.protection is not None and holding.protection.is_frozen(self.now_us):
            reasons.add(Reject.PROTECTED)
        for price, size in received.bids + received.asks:
            reasons.update(_size_reasons(market.instrument, size))
            reasons.update(_price_reasons(market.instrument, price, on_grid=True))
        bids, asks = [price for price, _ in received.bids], [price for price, _ in received.asks]
        if bids != sorted(set(bids), reverse=True) or asks != sorted(set(asks)):
            reasons.add(Reject.LEVELS_NOT_SORTED)
        if any(self.breakers.is_priced_out(received.symbol, 1, price) for price in bids):
            reasons.add(Reject.PRICE_OUT_OF_BAND)
        if any(self.breakers.is_priced_out(received.symbol, -1, price) for price in asks):
            reasons.add(Reject.PRICE_OUT_OF_BAND)
        if bids and asks and bids[0] >= asks[0]:
            reasons.add(Reject.QUOTE_CROSSES_ITSELF)
        if not market.mark or not self._can_be_judged(account):
            reasons.add(Reject.NO_MARK_PRICE)
        if reasons:
            return first_of(reasons)
        tick_value = market.instrument.tick_value
        open_lots = {}
        loss = takes = 0
        for sign, ladder in ((1, received.bids), (-1, received.asks)):
            former = sum(order.size for order in self._quote_levels(account.number, received.symbol, sign))
            open_lots[sign] = self._open_lots(account, received.symbol, sign) - former
            for price, size in ladder:
                open_lots[sign] += size
                loss += max(0, sign * (price - market.mark)) * size * tick_value
                if self._within(received.symbol, sign, price):
                    takes += price * size * tick_value
        loss += ceil(part_of(takes, market.instrument.taker_fee_ppm))
        size = self._size(account, received.symbol)
        longest, shortest = size + open_lots[1], size - open_lots[-1]
        replaced = [order for sign in (1, -1) for order in self._quote_levels(account.number, received.symbol, sign)]
        return self._exposure_refusal(account, received.symbol, longest, shortest, loss, replaced)

    # prices and time ---------------------------------------------------------------------------------------

    def _prices(self, received: IndexPrices | PriceShock) -> None:
        reasons: set[Reject] = set()
        for symbol, price in received.prices:
            market = self.markets.get(symbol)
            if market is None:
                reasons.add(Reject.UNKNOWN_SYMBOL)
                continue
            outside = [source.name for source in market.instrument.sources if source.name != OWN_TRADES]
            if received.source not in outside:
                reasons.add(Reject.UNKNOWN_SOURCE)
            elif received.ts_us < market.seen.get(received.source, (0, 0))[1]:
                reasons.add(Reject.STALE_PRICE)
            reasons.update(_price_reasons(market.instrument, price, on_grid=False))
        reason = first_of(reasons)
        if reason is not None:
            self._refuse(received, reason)
            return
        if isinstance(received, PriceShock):
            self._emit(events.NewsPublished, None, label=received.label, headline=received.headline)
        if received.prices:
            self._emit(events.SourcePriced, None, source=received.source, prices=received.prices)
        for symbol, price in received.prices:
            self.markets[symbol].seen[received.source] = (price, received.ts_us)
        for symbol, _ in received.prices:
            self._make_mark(symbol, None)

    def _make_mark(self, symbol: str, cause: Cause | None) -> None:
        self._reprice(symbol, cause)
        self.breakers.look_at_feeds(symbol, self.markets[symbol])

    def _reprice(self, symbol: str, cause: Cause | None) -> None:
        market = self.markets[symbol]
        market.unpriced = None
        index = self._index(market)
        if not index:
            return
        mark = max(1, min(market.instrument.max_price, self._mark(symbol, market, index)))
        if (mark, index) != (market.mark, market.index):
            market.previous_mark = market.mark if mark != market.mark else market.previous_mark
            market.mark, market.index = mark, index
            market.moved = self._emit(
                events.MarkPriceChanged, cause, symbol=symbol, mark=mark, index=index, last=market.last
            )
            self._look_for_triggers(symbol, TriggerBy.MARK, mark, market.moved)

    def _mark(self, symbol: str, market: NaiveMarket, index: int) -> int:
        instrument, kind = market.instrument, market.instrument.mark
        basis = [sample for _, sample in market.samples]
        with_basis = index + nearest(sum(basis, Fraction(0)) / len(basis)) if basis else index
        funded = index
        if instrument.funding_interval_us:
            funded = market.funding.with_what_is_due(index, self.now_us, instrument.funding_interval_us)
        if kind == "median":
            return median_of_three((funded, with_basis, market.last or index))
        if kind == "fair":
            return funded
        if kind == "moving-average":
            return naive_bounded(index, with_basis, instrument.mark_bound_ppm)
        if kind == "hyperliquid":
            others = naive_others(instrument, market.seen, self.now_us)
            return naive_hyperliquid(index, market.means, self._touch(symbol), others)
        return index

    def _touch(self, symbol: str) -> int | None:
        if self._mid(symbol) is None:
            return None
        bids, asks = self._side(symbol, 1), self._side(symbol, -1)
        return naive_touch(bids[0].price, asks[0].price, self.markets[symbol].last)

    def _mid(self, symbol: str) -> Fraction | None:
        bids, asks = self._side(symbol, 1), self._side(symbol, -1)
        if not bids or not asks or bids[0].price >= asks[0].price:  # crossed: while a call is collected
            return None
        return Fraction(bids[0].price + asks[0].price, 2)

    def _index(self, market: NaiveMarket) -> int:
        """Without a fresh source it is what it was."""
        index = naive_index(market.instrument, market.seen, self.now_us)
        return market.index if index is None else index

    def _clock_tick(self, received: ClockTick) -> None:
        former_us = self.ticked_us
        first_of_minute = former_us is None or received.ts_us // MINUTE_US > former_us // MINUTE_US
        self.ticked_us = received.ts_us if former_us is None else max(former_us, received.ts_us)
        self._forget_old_answers()
        self.put_off = set()
        self._emit(events.ClockTicked, None)
        for symbol, market in self.markets.items():
            self.breakers.before_marks(symbol)
            index = self._index(market)
            if index:
                self._sample_basis(symbol, market, index)
                self._sample_means(symbol, market, index)
            self._make_mark(symbol, None)
        for symbol in self.markets:
            self.breakers.after_marks(symbol)
        for symbol, market in self.markets.items():
            if market.instrument.funding_interval_us and market.funding.is_over(self.now_us):
                self._settle_funding(symbol, market)
        self.fund.count()
        self.fund.tick()
        if first_of_minute:
            self._end_minute_of_presence()
        self._measure_duties(former_us)
        for symbol, market in self.markets.items():
            self._report_open_interest(symbol, market)
            if first_of_minute:
                self._report_resting(symbol)
                if market.mark:
                    self._report_queue(symbol, 1)
                    self._report_queue(symbol, -1)
        if not self.is_halted:
            self.fund.unwind()

    def _sample_basis(self, symbol: str, market: NaiveMarket, index: int) -> None:
        window_us, every_us = market.instrument.basis_window_us, market.instrument.basis_every_us
        market.samples = [sample for sample in market.samples if self.now_us - sample[0] < window_us]
        if any(self.now_us - taken_us < every_us for taken_us, _ in market.samples):
            return
        mid = self._mid(symbol)
        if mid is not None:
            market.samples.append((self.now_us, mid - index))

    def _sample_means(self, symbol: str, market: NaiveMarket, index: int) -> None:
        mid, touch = self._mid(symbol), self._touch(symbol)
        market.funding.see(mid, index)
        if market.instrument.mark != "hyperliquid":
            return
        if mid is not None:
            market.means.basis.see(mid - index, self.now_us)
        if touch is not None:
            market.means.touch.see(Fraction(touch), self.now_us)

    def _settle_funding(self, symbol: str, market: NaiveMarket) -> None:
        instrument, premium = market.instrument, market.funding.premium_ppm()
        is_first = market.funding.ends_us is None
        rate = 0 if is_first else naive_rate(premium, instrument)
        market.funding.turn(self.now_us, instrument.funding_interval_us, rate)
        if is_first or not market.mark:
            return
        settled = self._emit(
            events.FundingSettled, None, symbol=symbol, rate_ppm=rate, premium_ppm=premium, mark=market.mark
        )
        payments = []
        for _, account in sorted(self.accounts.items()):
            paid = naive_payment(self._size(account, symbol), market.mark, instrument.tick_value, rate)
            if paid:
                self._credit(account, self._alone(account, symbol), -paid)
                account.changed = (settled[0], settled[1] + 1)
                payments.append((account.number, paid, account.wallet))
        if payments:
            self._emit(events.FundingPaid, settled, symbol=symbol, payments=tuple(payments))

    def _forget_old_answers(self) -> None:
        for account in self.accounts.values():
            for client_id, done_us in list(account.done_us.items()):
                if self.now_us - done_us >= REPEATS_ANSWERED_US:
                    del account.done_us[client_id], account.answers[client_id]

    def _report_open_interest(self, symbol: str, market: NaiveMarket) -> None:
        sizes = [self._size(account, symbol) for account in self.accounts.values()]
        longs, shorts = [size for size in sizes if size > 0], [size for size in sizes if size < 0]
        now = (sum(longs), len(longs), len(shorts))
        if now != market.reported:
            market.reported = now
            self._emit(
                events.OpenInterestChanged, None, symbol=symbol, open_interest=now[0], long_accounts=now[1],
                short_accounts=now[2],
            )  # fmt: skip

    def _report_resting(self, symbol: str) -> None:
        bids, asks = (
            tuple((o.account, o.order_id, o.client_id, o.price, o.size) for o in self._side(symbol, sign))
            for sign in (1, -1)
        )
        parts = max(1, ceil(Fraction(max(len(bids), len(asks)), ORDERS_PER_PART)))
        for part in range(parts):
            start, end = part * ORDERS_PER_PART, (part + 1) * ORDERS_PER_PART
            self._emit(
                events.OrdersResting, None, symbol=symbol, part=part, parts=parts, bids=bids[start:end],
                asks=asks[start:end],
            )  # fmt: skip

    def _report_queue(self, symbol: str, sign: int) -> None:
        policy = self.rules["adl"].policy
        queue = naive_adl.ranked(policy, self._holders(symbol, sign), (0, 0))
        head = (
            ()
            if policy in naive_adl.UNRANKED
            else tuple(
                (holder.number, sign * holder.lots, naive_adl.published(holder.score), holder.lights)
                for holder in queue[:HEAD_OF_QUEUE]
            )
        )
        self._emit(
            events.AdlQueueRanked, None, symbol=symbol, side=_side_of(sign), positions=len(queue),
            thresholds_ppm=naive_adl.thresholds_ppm(policy, queue), head=head,
        )  # fmt: skip

    # the operator ------------------------------------------------------------------------------------------

    def _set_rules(self, received: SetRules) -> None:
        rate = received.orders
        if (
            (rate is not None and rate.rate_limit and not rate.rate_window_us)
            or is_contradictory(received)
            or is_bad_fund(received)
        ):
            self._refuse(received, Reject.BAD_RULES)
            return
        obligations = received.obligations
        if obligations is not None and contradicts_itself(obligations, {duty.name for duty in self.duties}):
            self._refuse(received, Reject.BAD_RULES)
            return
        checks, draw, bound = received.checks_per_input, received.fund_draw_ppm, received.cover_bound_ppm
        if received.breakers is not None and are_bad_breakers(received.breakers):
            self._refuse(received, Reject.BAD_RULES)
            return
        if (checks is not None and checks < 1) or (draw is not None and draw < 0) or (bound is not None and bound < 0):
            self._refuse(received, Reject.AMOUNT_NOT_POSITIVE)
        elif (draw is not None and draw > 1_000_000) or (bound is not None and bound > 1_000_000):
            self._refuse(received, Reject.AMOUNT_TOO_LARGE)
        else:
            for name in self.rules:
                value = getattr(received, name)
                if value is not None:
                    self.rules[name] = value
            for vault in self.rules["backstop"].vaults:
                self.pools.setdefault(vault, 0)
            if received.orders is not None:
                self.sent = []
            if self.ticked_us is not None:
                self._emit(events.RulesSet, None, **self.rules)

    def _set_duty(self, received: SetDuty) -> None:
        of_maker = [duty for duty in self.duties if (duty.account, duty.symbol) == (received.account, received.symbol)]
        is_known = of_maker if received.duty is None else [t for t in self._tiers() if t == received.duty]
        if received.account not in self.accounts:
            self._refuse(received, Reject.UNKNOWN_ACCOUNT)
        elif received.symbol not in self.markets:
            self._refuse(received, Reject.UNKNOWN_SYMBOL)
        elif not is_known:
            self._refuse(received, Reject.UNKNOWN_DUTY)
        else:
            self.duties = [duty for duty in self.duties if duty not in of_maker]
            if received.duty is not None:
                self.duties.append(NaiveDuty(received.account, received.symbol, received.duty))
            self._emit(events.DutySet, None, account=received.account, symbol=received.symbol, duty=received.duty)

    def _declare_stress(self, received: DeclareStress) -> None:
        if self.is_stressed == received.declared:
            self._refuse(received, Reject.ALREADY_EXISTS)
            return
        self.is_stressed = received.declared
        if received.declared:
            self._emit(events.StressDeclared, None, reason=received.reason)
        else:
            self._emit(events.StressEnded, None)

    def _tiers(self) -> dict[str, Duty]:
        return {tier.name: tier for tier in self.rules["obligations"].duties}

    def _measure_duties(self, former_us: int | None) -> None:
        period_us = self.rules["obligations"].period_us
        for duty in self.duties:
            if former_us is not None and former_us // period_us != self.now_us // period_us:
                self._judge(duty)
            market = self.markets[duty.symbol]
            bids, asks = self._side(duty.symbol, 1), self._side(duty.symbol, -1)
            mid = Fraction(market.index)
            if bids and asks and bids[0].price < asks[0].price:
                mid = Fraction(bids[0].price + asks[0].price, 2)
            if mid and not self.is_halted:
                sides = tuple(
                    [(level.price, level.size) for level in self._quote_levels(duty.account, duty.symbol, sign)]
                    for sign in (1, -1)
                )
                tick_value = market.instrument.tick_value
                duty.look(self._tiers()[duty.name], self.is_stressed, (sides[0], sides[1]), mid, tick_value)

    def _end_minute_of_presence(self) -> None:
        for symbol in self.markets if self.rules["obligations"].public else ():
            owed = [duty for duty in self.duties if duty.symbol == symbol and duty.this_minute]
            names = sorted({self.accounts[duty.account].participant for duty in owed})
            told = []
            for name in names:
                of_firm = [duty for duty in owed if self.accounts[duty.account].participant == name]
                told.append((name, presence_ppm([was_there for duty in of_firm for was_there in duty.this_minute])))
            if told:
                self._emit(events.PresencePublished, None, symbol=symbol, presences=tuple(told))
        for duty in self.duties:
            duty.this_minute = []

    def _judge(self, duty: NaiveDuty) -> None:
        presence, asked, shortfall = duty.judge()
        account = self.accounts[duty.account]
        clawed = min(duty.owed(), self._can_pay(account)) if self.rules["obligations"].clawback else 0
        account.wallet -= clawed
        measured = self._emit(
            events.DutyMeasured, None, account=duty.account, symbol=duty.symbol, duty=duty.name, ticks=len(duty.looks),
            stressed=sum(look.in_stress for look in duty.looks), presence_ppm=presence, required_ppm=asked,
            shortfall_ppm=shortfall, rebates=duty.rebates, clawed_back=clawed, wallet=account.wallet,
        )  # fmt: skip
        if clawed:
            account.changed = measured
        duty.looks, duty.rebates, duty.called = [], 0, 0

    def _call_tranche(self, pool: str, symbol: str | None, need: int, cause: Cause | None, spared: int) -> int:
        cap = self.rules["obligations"].tranche_cap_quote
        failing = [
            duty
            for duty in sorted(self.duties, key=lambda duty: (duty.account, duty.symbol))
            if duty.shortfall_ppm and duty.account != spared and (symbol is None or duty.symbol == symbol)
        ]
        weights = [self._tiers()[duty.name].size_quote * duty.shortfall_ppm for duty in failing]
        came = 0
        for duty, share in zip(failing, shares(max(0, need), weights), strict=True):
            account = self.accounts[duty.account]
            call = min(share, cap - duty.called, self._can_pay(account))
            if call > 0:
                came += call
                duty.called += call
                account.wallet -= call
                called = self._emit(
                    events.TrancheCalled, cause, account=account.number, symbol=duty.symbol, quote=call,
                    shortfall_ppm=duty.shortfall_ppm, wallet=account.wallet,
                )  # fmt: skip
                account.changed = called
                self._fund_takes(pool, call, FundReason.TRANCHE, account.number, duty.symbol, called)
        return came

    def _can_pay(self, account: NaiveAccount) -> int:
        if not self._can_be_judged(account):
            return 0
        return max(0, min(account.wallet, self._equity(account) - self._initial_but_on(account, None)))

    def _halt(self, received: HaltTrading) -> None:
        if self.is_halted:
            self._refuse(received, Reject.TRADING_HALTED)
        else:
            self.is_halted = True
            self._emit(events.TradingHalted, None, reason=received.reason)

    def _resume(self, received: ResumeTrading) -> None:
        if self.is_halted:
            self.is_halted = False
            self._emit(events.TradingResumed, None)
            for symbol, market in self.markets.items():
                self._look_for_triggers(symbol, TriggerBy.MARK, market.mark, market.moved)
        else:
            self._refuse(received, Reject.TRADING_NOT_HALTED)

    def _list(self, received: ListInstrument) -> None:
        instrument = received.instrument
        if instrument.symbol in self.markets:
            self._refuse(received, Reject.ALREADY_EXISTS)
        elif is_bad(instrument):
            self._refuse(received, Reject.BAD_INSTRUMENT)
        else:
            self.markets[instrument.symbol] = NaiveMarket(instrument)
            self.pools.setdefault(instrument.fund_pool, 0)
            self._emit(events.InstrumentListed, None, instrument=instrument)

    def _open(self, received: OpenAccounts) -> None:
        numbers = [number for number, _ in received.accounts]
        if len({*numbers, *self.accounts}) < len(numbers) + len(self.accounts):
            self._refuse(received, Reject.ALREADY_EXISTS)
            return
        for number, participant in received.accounts:
            self.accounts[number] = NaiveAccount(number, participant=participant)
        self._emit(events.AccountsOpened, None, accounts=received.accounts)

    def _deposit(self, received: Deposit) -> None:
        reasons: set[Reject] = set()
        wallets = {number: account.wallet for number, account in self.accounts.items()}
        for number, quote in received.deposits:
            if number not in wallets:
                reasons.add(Reject.UNKNOWN_ACCOUNT)
                continue
            wallets[number] += quote
            if quote <= 0:
                reasons.add(Reject.AMOUNT_NOT_POSITIVE)
            if wallets[number] > BALANCE_MAX:
                reasons.add(Reject.AMOUNT_TOO_LARGE)
        reason = first_of(reasons)
        if reason is not None:
            self._refuse(received, reason)
            return
        done = []
        for number, quote in received.deposits:
            self.accounts[number].wallet += quote
            done.append((number, quote, self.accounts[number].wallet))
        self._emit(events.Deposited, None, deposits=tuple(done))

    def _withdraw(self, received: Withdraw) -> None:
        account = self.accounts.get(received.account)
        if account is None:
            self._refuse(received, Reject.UNKNOWN_ACCOUNT)
            return
        reasons = set()
        if not self._can_be_judged(account):
            reasons.add(Reject.NO_MARK_PRICE)
        if received.quote > self._free_wallet(account, None, self._resting_loss(account)):
            reasons.add(Reject.INSUFFICIENT_MARGIN)
        if received.quote <= 0:
            reasons.add(Reject.AMOUNT_NOT_POSITIVE)
        reason = first_of(reasons)
        if reason is not None:
            self._refuse(received, reason)
            return
        account.wallet -= received.quote
        self._emit(events.Withdrawn, None, account=account.number, quote=received.quote, wallet=account.wallet)

    def _set_leverage(self, received: SetLeverage) -> None:
        account, market = self.accounts.get(received.account), self.markets.get(received.symbol)
        if account is None:
            self._refuse(received, Reject.UNKNOWN_ACCOUNT)
            return
        if market is None:
            self._refuse(received, Reject.UNKNOWN_SYMBOL)
            return
        lots = self._largest(account, received.symbol)
        value = self._notional(received.symbol, lots)
        if received.leverage < 1 or received.leverage > leverage_allowed(value, market.instrument):
            self._refuse(received, Reject.LEVERAGE_OUT_OF_RANGE)
            return
        wanted = initial_margin(value, received.leverage, market.instrument.tiers)
        holding = account.holdings.get(received.symbol)
        missing = 0
        if holding is not None and lots and initial_rate_ppm(received.leverage) > initial_rate_ppm(holding.leverage):
            if not self._can_be_judged(account):
                self._refuse(received, Reject.NO_MARK_PRICE)
                return
            if holding.isolated:
                missing = self._missing(account, received.symbol, received.leverage)
                reserved = self._reserve_now(account, received.symbol, received.leverage)
                is_short = self._free_wallet(account, received.symbol, 0) < missing + reserved
            else:
                is_short = self._equity(account) < wanted + self._initial_but_on(account, received.symbol)
            if is_short:
                self._refuse(received, Reject.INSUFFICIENT_MARGIN)
                return
        self._holding(account, received.symbol).leverage = received.leverage
        self._emit(events.LeverageSet, None, account=account.number, symbol=received.symbol, leverage=received.leverage)
        if missing:
            self._move(account, received.symbol, missing)

    def _missing(self, account: NaiveAccount, symbol: str, leverage: int) -> int:
        """What an isolated position lacks of its initial margin at another leverage."""
        size = self._size(account, symbol)
        if not size:
            return 0
        required = self._initial_at(account, symbol, leverage)(size, self.markets[symbol].mark)
        return max(0, required - self._equity(account, symbol))

    def _move(self, account: NaiveAccount, symbol: str, quote: int) -> None:
        holding = account.holdings[symbol]
        account.wallet -= quote
        holding.margin += quote
        self._emit(
            events.MarginMoved, None, account=account.number, symbol=symbol, quote=quote, margin=holding.margin,
            wallet=account.wallet,
        )  # fmt: skip

    def _set_margin_mode(self, received: SetMarginMode) -> None:
        account = self.accounts.get(received.account)
        if account is None or received.symbol not in self.markets:
            self._refuse(received, Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_SYMBOL)
            return
        holding = account.holdings.get(received.symbol)
        open_lots = sum(self._open_lots(account, received.symbol, sign) for sign in (1, -1))
        if holding is not None and (holding.size or holding.margin or open_lots):
            self._refuse(received, Reject.POSITION_OR_ORDERS_OPEN)
            return
        self._holding(account, received.symbol).isolated = received.isolated
        self._emit(
            events.MarginModeSet, None, account=account.number, symbol=received.symbol, isolated=received.isolated
        )

    def _move_margin(self, received: MoveMargin) -> None:
        account, symbol = self.accounts.get(received.account), received.symbol
        if account is None or symbol not in self.markets:
            self._refuse(received, Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_SYMBOL)
            return
        if self._alone(account, symbol) is None or not self._size(account, symbol):
            self._refuse(received, Reject.NOT_ISOLATED)
            return
        if not self._can_be_judged(account):
            self._refuse(received, Reject.NO_MARK_PRICE)
            return
        loss = self._resting_loss(account)
        if received.quote > 0:
            free = self._free_wallet(account, None, loss)
        else:
            initial = self._initial_at(account, symbol)(self._size(account, symbol), self.markets[symbol].mark)
            free = min(self._equity(account, symbol) - initial - loss, account.holdings[symbol].margin)
        if free < abs(received.quote):
            self._refuse(received, Reject.INSUFFICIENT_MARGIN)
        elif not received.quote:
            self._refuse(received, Reject.AMOUNT_NOT_POSITIVE)
        else:
            self._move(account, symbol, received.quote)

    def _set_protection(self, received: SetProtection) -> None:
        account, symbol = self.accounts.get(received.account), received.symbol
        reasons = set()
        if account is None:
            reasons.add(Reject.UNKNOWN_ACCOUNT)
        if symbol not in self.markets:
            reasons.add(Reject.UNKNOWN_SYMBOL)
        if min(received.quantity, received.delta) < 0:
            reasons.add(Reject.SIZE_NOT_POSITIVE)
        is_on = received.quantity != 0 or received.delta != 0
        if is_on and received.window_us == 0:
            reasons.add(Reject.AMOUNT_NOT_POSITIVE)
        if account is None or reasons:
            self._refuse(received, first_of(reasons) or Reject.UNKNOWN_ACCOUNT)
            return
        self._holding(account, symbol).protection = NaiveProtection(received) if is_on else None
        self._emit(
            events.ProtectionSet, None, account=account.number, symbol=symbol, window_us=received.window_us,
            frozen_us=received.frozen_us, quantity=received.quantity, delta=received.delta,
        )  # fmt: skip

    def _seed_positions(self, received: SeedPositions) -> None:
        reason = first_of(self._seed_reasons(received.legs, received.adds))
        if reason is not None:
            self._refuse(received, reason)
            return
        for leg in received.legs:
            holding = self._holding(self.accounts[leg.account], leg.symbol)
            holding.leverage = leg.leverage or holding.leverage
            holding.isolated = holding.isolated or leg.isolated
            if holding.isolated:
                margin = self._seeded_margin(leg)
                holding.margin += margin
                self.accounts[leg.account].wallet -= margin
            holding.size += leg.size
            holding.cost += leg.size * leg.entry * self.markets[leg.symbol].instrument.tick_value
        self._emit(events.PositionsSeeded, None, legs=received.legs)

    def _seeded_margin(self, leg: Leg) -> int:
        if leg.margin:
            return leg.margin
        instrument, account = self.markets[leg.symbol].instrument, self.accounts[leg.account]
        leverage = leg.leverage or instrument.default_leverage
        if not leg.leverage and leg.symbol in account.holdings:
            leverage = account.holdings[leg.symbol].leverage
        return initial_margin(abs(leg.size) * leg.entry * instrument.tick_value, leverage, instrument.tiers)

    def _seed_margin_reasons(self, legs: tuple[Leg, ...]) -> Iterator[Reject]:
        wallets = {number: account.wallet for number, account in self.accounts.items()}
        for leg in legs:
            if leg.account not in self.accounts or leg.symbol not in self.markets:
                continue
            account = self.accounts[leg.account]
            is_isolated = leg.isolated or self._alone(account, leg.symbol) is not None
            if leg.margin and not is_isolated:
                yield Reject.NOT_ISOLATED
            if leg.margin < 0:
                yield Reject.AMOUNT_NOT_POSITIVE
            open_lots = sum(self._open_lots(account, leg.symbol, sign) for sign in (1, -1))
            if (
                leg.isolated
                and (open_lots or self._size(account, leg.symbol))
                and self._alone(account, leg.symbol) is None
            ):
                yield Reject.POSITION_OR_ORDERS_OPEN
            if is_isolated and leg.margin >= 0 and leg.size and leg.entry > 0:
                wallets[leg.account] -= self._seeded_margin(leg)
                if wallets[leg.account] < 0:
                    yield Reject.INSUFFICIENT_MARGIN

    def _seed_reasons(self, legs: tuple[Leg, ...], adds: bool) -> Iterator[Reject]:
        places = [(leg.account, leg.symbol) for leg in legs]
        for leg in legs:
            account, market = self.accounts.get(leg.account), self.markets.get(leg.symbol)
            if account is None:
                yield Reject.UNKNOWN_ACCOUNT
            if market is None:
                yield Reject.UNKNOWN_SYMBOL
            held = self._size(account, leg.symbol) if account else 0
            if places.count((leg.account, leg.symbol)) > 1 or (held and not (adds and held * leg.size > 0)):
                yield Reject.ALREADY_EXISTS
            if sum(other.size for other in legs if other.symbol == leg.symbol):
                yield Reject.POSITIONS_DO_NOT_BALANCE
            if leg.size == 0:
                yield Reject.SIZE_NOT_POSITIVE
            if market is None:
                continue
            if leg.leverage > market.instrument.max_leverage:
                yield Reject.LEVERAGE_OUT_OF_RANGE
            if abs(held + leg.size) > market.instrument.max_size:
                yield Reject.SIZE_TOO_LARGE
            yield from _price_reasons(market.instrument, leg.entry, on_grid=False)
        yield from self._seed_margin_reasons(legs)
        if self.has_traded:
            yield Reject.TRADING_HAS_BEGUN

    def _seed_fund(self, received: SeedFund) -> None:
        if received.pool not in self.pools:
            self._refuse(received, Reject.UNKNOWN_POOL)
        elif received.quote <= 0:
            self._refuse(received, Reject.AMOUNT_NOT_POSITIVE)
        elif self.pools[received.pool] + received.quote > BALANCE_MAX:
            self._refuse(received, Reject.AMOUNT_TOO_LARGE)
        else:
            self._fund_takes(received.pool, received.quote, FundReason.SEEDED, None, None, None)

    # liquidation -------------------------------------------------------------------------------------------

    def _liquidate_until_nobody_is_left(self) -> None:
        by_number = sorted(self.accounts.values(), key=lambda account: account.number)
        has_closed_a_pool = True
        while has_closed_a_pool:
            while found := self._who_is_to_be_liquidated(by_number):
                for account, purses in [(account, self._fallen(account)) for account in found]:
                    self._liquidate(account, purses)
                self._make_marks_of_what_traded()
            has_closed_a_pool = self.fund.close_bankrupt()
            if has_closed_a_pool:
                self._make_marks_of_what_traded()

    def _who_is_to_be_liquidated(self, by_number: list[NaiveAccount]) -> list[NaiveAccount]:
        below = [
            account
            for account in by_number
            if account.number not in self.put_off and not self.fund.is_own(account) and self._is_liquidatable(account)
        ]
        return self.breakers.those_who_need_not_wait(below)

    def _fallen(self, account: NaiveAccount) -> list[str | None]:
        return [alone for alone in self._purses(account) if self._has_fallen(account, alone)]

    def _is_doomed(self, account: NaiveAccount, alone: str | None, found: list[str | None]) -> bool:
        """Each is looked at once more when its turn comes: another liquidation may have saved it, or pulled it down."""
        return self._has_fallen(account, alone)

    def _make_marks_of_what_traded(self) -> None:
        for symbol, market in self.markets.items():
            if market.unpriced is not None:
                self._make_mark(symbol, market.unpriced)

    def _liquidate(self, account: NaiveAccount, found: list[str | None]) -> None:
        purses = self._purses(account)
        if any(self._is_doomed(account, alone, found) for alone in purses) and self.breakers.may_go(account):
            for alone in purses:
                if self._is_doomed(account, alone, found):
                    NaiveLiquidation(self, account, alone).carry_out()

    def _holders(self, symbol: str, sign: int) -> list[Holder]:
        """All who hold one side, with what a policy may ask about them."""
        held = [account for account in self.accounts.values() if self._size(account, symbol) * sign > 0]
        return [self._holder(account, symbol) for account in held]

    def _holder(self, account: NaiveAccount, symbol: str) -> Holder:
        alone = self._alone(account, symbol)

        def margins(closed: int) -> tuple[int, int]:
            initial = maintenance = 0
            for each in self._carried(account, alone):
                holding = account.holdings[each]
                lots = abs(holding.size) - (closed if each == symbol else 0)
                initial += self._initial(account, each, lots)
                maintenance += maintenance_margin(self._notional(each, lots), self.markets[each].instrument.tiers)
            return initial, maintenance

        holding = account.holdings[symbol]
        others = [(each, other) for each, other in account.holdings.items() if each != symbol]
        return Holder(
            number=account.number, is_long=holding.size > 0, lots=abs(holding.size),
            pnl=self._unrealised(account, symbol), value=self._notional(symbol, holding.size),
            entry_value=abs(holding.cost), wallet=self._collateral(account, alone), equity=self._equity(account, alone),
            own_maintenance=self._maintenance_on(account, symbol), maintenance=self._maintenance(account, alone),
            beside=sum(_sign_of(other.size) * self._notional(each, other.size) for each, other in others),
            margins=margins,
        )  # fmt: skip

    def _deleverage(self, account: NaiveAccount, symbol: str, bankruptcy: int, started: Cause) -> tuple[int, int]:
        market, holding, rules = self.markets[symbol], account.holdings[symbol], self.rules["adl"]
        direction = 1 if holding.size > 0 else -1
        price = naive_adl.price(rules, bankruptcy, market.mark, market.previous_mark, self.pools[self._pool_of(symbol)])
        opposite = self._holders(symbol, -direction)
        deleveraging = self._emit(
            events.DeleveragingStarted, started, account=account.number, symbol=symbol, size=holding.size,
            price=price, candidates=len(opposite),
        )  # fmt: skip
        queue = naive_adl.ranked(rules.policy, opposite, deleveraging)
        payers = self._payers(account, symbol) if rules.policy in naive_adl.SOCIAL else []
        loss_per_lot = direction * (price - market.mark) * market.instrument.tick_value
        adl = deficit = unpaid = 0
        for holder, lots in naive_adl.given(rules, queue, abs(holding.size), loss_per_lot):
            adl += lots
            unpaid += self._close_against(account, holder, symbol, lots, price, bankruptcy, deleveraging)
        for holder in queue:
            lots = min(abs(holding.size), abs(self._size(self.accounts[holder.number], symbol)))
            if lots:
                deficit += lots
                unpaid += self._close_against(account, holder, symbol, lots, market.mark, bankruptcy, deleveraging)
        if payers:
            for payer, _ in payers:
                paying = self.accounts[payer.number]
                payer.equity = self._equity(paying, self._alone(paying, symbol))
            for payer, loss in naive_adl.socialised(payers, unpaid):
                unpaid -= loss
                self._pay_into_a_loss(self.accounts[payer.number], account, symbol, loss, deleveraging)
        self._deficit_takes(unpaid, account.number, symbol, deleveraging)
        return adl, deficit

    def _payers(self, bankrupt: NaiveAccount, symbol: str) -> list[tuple[Holder, int]]:
        by_profit = self.rules["adl"].policy is AdlPolicy.SOCIALISED_PROFIT
        holders = [*self._holders(symbol, 1), *self._holders(symbol, -1)]
        weighed = [(holder, max(0, holder.pnl) if by_profit else holder.lots) for holder in holders]
        return [(holder, weight) for holder, weight in weighed if holder.number != bankrupt.number]

    def _pay_into_a_loss(
        self, payer: NaiveAccount, bankrupt: NaiveAccount, symbol: str, loss: int, cause: Cause
    ) -> None:
        if loss:
            alone = self._alone(payer, symbol)
            self._credit(payer, alone, -loss)
            payer.changed = self._emit(
                events.LossSocialised, cause, account=payer.number, bankrupt=bankrupt.number, symbol=symbol,
                loss=loss, wallet=self._collateral(payer, alone),
            )  # fmt: skip
            self.fund.settle_if_it_is_one(payer, symbol, payer.changed)

    def _close_against(
        self, bankrupt: NaiveAccount, holder: Holder, symbol: str, lots: int, price: int, bankruptcy: int, cause: Cause
    ) -> int:
        """Returns what nobody has paid yet, where others than the fund may be asked."""
        other, market = self.accounts[holder.number], self.markets[symbol]
        direction = -1 if holder.is_long else 1
        self.has_traded = True
        self._book_fill(bankrupt, symbol, -direction * lots, price, liquidation=True)
        realised = self._book_fill(other, symbol, direction * lots, price)
        deleveraged = self._emit(
            events.PositionDeleveraged, cause, account=other.number, bankrupt=bankrupt.number, symbol=symbol,
            size=direction * lots, price=price, position=self._size(other, symbol), rank=holder.rank,
            score_ppm=naive_adl.published(holder.score), lights=holder.lights, realised=realised,
        )  # fmt: skip
        bankrupt.changed = other.changed = deleveraged
        self.fund.settle_if_it_is_one(other, symbol, deleveraged)
        self._withdraw_quotes(other, symbol, CancelReason.DELEVERAGED, deleveraged)
        self._withdraw_orders(other, symbol, CancelReason.DELEVERAGED, deleveraged)
        gain = direction * lots * (price - bankruptcy) * market.instrument.tick_value
        self._credit(bankrupt, self._alone(bankrupt, symbol), -gain)
        pool = self._pool_of(symbol)
        if gain > 0:
            self._fund_takes(pool, gain, FundReason.SURPLUS, bankrupt.number, symbol, cause)
            return 0
        if self.rules["adl"].policy not in naive_adl.SOCIAL:
            self._make_good(pool, -gain, FundReason.SHORTFALL, bankrupt.number, symbol, cause)
            return 0
        self._call_tranche(pool, symbol, -gain - self.pools[pool], cause, bankrupt.number)
        from_fund = min(-gain, self.pools[pool])
        self._fund_takes(pool, -from_fund, FundReason.SHORTFALL, bankrupt.number, symbol, cause)
        return -gain - from_fund

    def _new_account(self, number: int) -> NaiveAccount:
        return NaiveAccount(number)

    def _pool_of(self, symbol: str) -> str:
        return self.markets[symbol].instrument.fund_pool

    def _fund_takes(
        self, pool: str, change: int, reason: FundReason, account: int | None, symbol: str | None, cause: Cause | None
    ) -> None:
        self.fund.takes(pool, change, reason, account, symbol, cause)

    def _make_good(
        self, pool: str, loss: int, reason: FundReason, account: int, symbol: str | None, cause: Cause | None
    ) -> None:
        """The pool pays a loss as far as it has anything and failing makers bring; the rest is the venue's deficit."""
        self._call_tranche(pool, symbol, loss - self.pools[pool], cause, account)
        from_fund = min(loss, self.pools[pool])
        self._fund_takes(pool, -from_fund, reason, account, symbol, cause)
        self._deficit_takes(loss - from_fund, account, symbol, cause)

    def _deficit_takes(self, loss: int, account: int, symbol: str | None, cause: Cause | None) -> None:
        if loss:
            self.deficit -= loss
            self._emit(events.DeficitChanged, cause, change=-loss, total=self.deficit, account=account, symbol=symbol)


def _sign(side: Side) -> int:
    return 1 if side is Side.BUY else -1


def _sign_of(lots: int) -> int:
    return (lots > 0) - (lots < 0)


def _side_of(sign: int) -> Side:
    return Side.BUY if sign > 0 else Side.SELL


def _may_rest(order: Place) -> bool:
    return order.price is not None and order.time_in_force is TimeInForce.GTC


def _largest_position(size: int, buying: int, selling: int) -> int:
    """The largest position, either way, to which the open lots can lead."""
    return max(abs(size), abs(size + buying), abs(size - selling))


def _size_reasons(instrument: Instrument, size: int) -> Iterator[Reject]:
    if size <= 0:
        yield Reject.SIZE_NOT_POSITIVE
    if size > instrument.max_size:
        yield Reject.SIZE_TOO_LARGE


def _price_reasons(instrument: Instrument, price: int, on_grid: bool) -> Iterator[Reject]:
    if price <= 0:
        yield Reject.PRICE_NOT_POSITIVE
    if price > instrument.max_price:
        yield Reject.PRICE_TOO_HIGH
    if on_grid and price % instrument.price_step:
        yield Reject.PRICE_OFF_TICK


def _differences(before: dict[int, int], after: dict[int, int], best: Any) -> tuple[Level, ...]:
    changed = [price for price in {*before, *after} if before.get(price, 0) != after.get(price, 0)]
    return tuple((price, after.get(price, 0)) for price in sorted(changed, reverse=best is max))
