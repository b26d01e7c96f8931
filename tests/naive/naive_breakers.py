"""The circuit breakers once more: every fill is kept, everybody is asked again at every look."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from stream_engine.messages import events
from stream_engine.messages.events import Breaker, CancelReason, Cause
from stream_engine.messages.inputs import TriggerBy
from stream_engine.messages.instrument import OWN_TRADES
from stream_engine.messages.rules import BreakerRules, SelfTrade
from stream_engine.messages.units import WIRE_MAX
from tests.naive.naive_rules import nearest, part_of

if TYPE_CHECKING:
    from tests.naive.naive_exchange import NaiveAccount, NaiveExchange, NaiveMarket, Resting

SECOND_US = MILLION = 1_000_000


def is_bad(rules: BreakerRules) -> bool:
    """Whether the settings contradict themselves."""
    is_bad_throttle = rules.throttle_window_us < SECOND_US or rules.throttle_least_quote < 1
    is_bad_band = rules.band_window_us < SECOND_US or rules.pause_us < SECOND_US or rules.band_ppm >= MILLION
    return (rules.throttle_ppm > 0 and is_bad_throttle) or (rules.band_ppm > 0 and is_bad_band)


@dataclass
class NaiveWait:
    """A breaker that is on, and what each owed who was found below maintenance."""

    since_us: int
    accounts: dict[int, int] = field(default_factory=dict)


@dataclass
class NaiveFill:
    """What the throttle remembers of a trade."""

    ts_us: int
    value: int
    liquidation: bool


@dataclass
class NaiveBand:
    """The price band of one symbol. `edges`: None before the first mark."""

    marks: list[tuple[int, int]] = field(default_factory=list)
    reference: int = 0
    edges: tuple[int, int] | None = None
    sellers_stopped: bool = False
    limit_since_us: int = -1
    limit_ended_us: int = -1
    paused_until_us: int | None = None
    reopened_us: int = -1


@dataclass
class NaiveBreaker:
    """Of one symbol. `window_us`: of the throttle; 0 while there is none."""

    on: dict[Breaker, NaiveWait] = field(default_factory=dict)
    looks_at_feeds: bool = False
    apart_since_us: int | None = None
    used_up: set[Breaker] = field(default_factory=set)
    window_us: int = 0
    fills: list[NaiveFill] = field(default_factory=list)
    band: NaiveBand | None = None


def best_call(bids: list[Resting], asks: list[Resting], reference: int) -> tuple[int, int, int]:
    """Every price is tried: (price, lots, surplus) of the best."""
    low, high = min(order.price for order in asks), max(order.price for order in bids)
    found = []
    for price in sorted({reference, *(order.price for order in bids + asks)}):
        if low <= price <= high:
            wanted = sum(order.size for order in bids if order.price >= price)
            offered = sum(order.size for order in asks if order.price <= price)
            found.append((price, min(wanted, offered), wanted - offered))
    found = [one for one in found if one[1] == max(lots for _, lots, _ in found)]
    found = [one for one in found if abs(one[2]) == min(abs(surplus) for _, _, surplus in found)]
    if min(surplus for _, _, surplus in found) > 0:
        return found[-1]
    if max(surplus for _, _, surplus in found) < 0:
        return found[0]
    return min(found, key=lambda one: abs(one[0] - reference))


class NaiveBreakers:
    """The breakers of a naive exchange."""

    def __init__(self, exchange: NaiveExchange) -> None:
        self.exchange = exchange
        self.symbols: dict[str, NaiveBreaker] = {}

    @property
    def rules(self) -> BreakerRules:
        """As the venue has them now."""
        rules: BreakerRules = self.exchange.rules["breakers"]
        return rules

    def of(self, symbol: str) -> NaiveBreaker:
        """What there is for a symbol."""
        return self.symbols.setdefault(symbol, NaiveBreaker())

    # who waits ---------------------------------------------------------------------------------------------

    def those_who_need_not_wait(self, found: list[NaiveAccount], note: bool = True) -> list[NaiveAccount]:
        """Of accounts below maintenance; the others are noted."""
        for account in found if note else ():
            for breaker in self._on_for(account):
                breaker.accounts.setdefault(account.number, self._owed(account))
        return [account for account in found if not self._on_for(account)]

    def may_go(self, account: NaiveAccount) -> bool:
        """Whether it is its turn indeed."""
        for symbol in self._held(account):
            has_share = self.of(symbol).window_us and Breaker.THROTTLE not in self.of(symbol).on
            if has_share and self._allowance(symbol) <= 0:
                self._trip(symbol, Breaker.THROTTLE, self.exchange.markets[symbol].moved)
        return not self._on_for(account)

    def _held(self, account: NaiveAccount) -> list[str]:
        return [symbol for symbol, holding in account.holdings.items() if holding.size]

    def _on_for(self, account: NaiveAccount) -> list[NaiveWait]:
        return [wait for symbol in self._held(account) for wait in self.of(symbol).on.values()]

    def _owed(self, account: NaiveAccount) -> int:
        purses = self.exchange._purses(account)
        return sum(max(0, -self.exchange._equity(account, alone)) for alone in purses)

    # what happens ------------------------------------------------------------------------------------------

    def traded(self, symbol: str, value: int, liquidation: bool) -> None:
        """A fill, for the throttle."""
        if self.of(symbol).window_us:
            self.of(symbol).fills.append(NaiveFill(self.exchange.now_us, value, liquidation))

    def before_marks(self, symbol: str) -> None:
        """At a clock tick."""
        breaker, rules = self.of(symbol), self.rules
        self._arm_the_band(symbol)
        breaker.looks_at_feeds = rules.divergence_ppm > 0 or rules.stall_us > 0
        if not breaker.looks_at_feeds:
            breaker.apart_since_us = None
            breaker.used_up.clear()
            for kind in (Breaker.DIVERGENCE, Breaker.STALL):
                if kind in breaker.on:
                    self._release(symbol, kind, None)
        window_us = rules.throttle_window_us if rules.throttle_ppm else 0
        if window_us != breaker.window_us:
            breaker.window_us, breaker.fills = window_us, []

    def after_marks(self, symbol: str) -> None:
        """At a clock tick."""
        breaker = self.of(symbol)
        if Breaker.THROTTLE in breaker.on and (not breaker.window_us or self._allowance(symbol) > 0):
            self._release(symbol, Breaker.THROTTLE, None)
        market = self.exchange.markets[symbol]
        if breaker.band is not None and not self.is_paused(symbol) and not self.exchange.is_halted and market.mark:
            self._move_the_band(symbol, breaker.band, market)

    def look_at_feeds(self, symbol: str, market: NaiveMarket) -> None:
        """Whenever a mark was made."""
        breaker, rules, now_us = self.of(symbol), self.rules, self.exchange.now_us
        if not breaker.looks_at_feeds:
            return
        apart = abs(market.last - market.index) > part_of(market.index, rules.divergence_ppm)
        if not rules.divergence_ppm or not market.last or not apart:
            breaker.apart_since_us = None
        elif breaker.apart_since_us is None:
            breaker.apart_since_us = now_us
        since_us = breaker.apart_since_us
        diverged = since_us is not None and now_us > since_us + rules.divergence_after_us
        self._freeze(symbol, Breaker.DIVERGENCE, diverged, rules.divergence_cap_us, 0)
        outside = [source.name for source in market.instrument.sources if source.weight and source.name != OWN_TRADES]
        ages = [now_us - market.seen[name][1] for name in outside if name in market.seen]
        oldest = max(ages, default=0)
        self._freeze(symbol, Breaker.STALL, rules.stall_us > 0 and oldest > rules.stall_us, rules.stall_cap_us, oldest)

    def _freeze(self, symbol: str, kind: Breaker, wanted: bool, cap_us: int, age_us: int) -> None:
        breaker, moved = self.of(symbol), self.exchange.markets[symbol].moved
        if not wanted:
            breaker.used_up.discard(kind)
            if kind in breaker.on:
                self._release(symbol, kind, moved)
        elif kind in breaker.on:
            if cap_us and self.exchange.now_us >= breaker.on[kind].since_us + cap_us:
                breaker.used_up.add(kind)
                self._release(symbol, kind, moved, capped=True)
        elif kind not in breaker.used_up:
            self._trip(symbol, kind, moved, age_us=age_us)

    # the price band ----------------------------------------------------------------------------------------

    def is_paused(self, symbol: str) -> bool:
        """Whether orders are only collected."""
        band = self.of(symbol).band
        return band is not None and band.paused_until_us is not None

    def cut(self, symbol: str, sign: int, limit: int) -> int:
        """No farther than the edge."""
        edge = self._edge(symbol, sign)
        if edge is None or sign * limit <= sign * edge:
            return limit
        return edge

    def stopped(self, symbol: str, sign: int, limit: int, cause: Cause | None) -> bool:
        """Something is left at a limit."""
        band, now_us = self.of(symbol).band, self.exchange.now_us
        if band is None or limit != self._edge(symbol, sign) or band.reopened_us == now_us:
            return False
        if Breaker.BAND not in self.of(symbol).on:
            band.sellers_stopped = sign < 0
            if band.limit_ended_us < now_us:
                band.limit_since_us = now_us
            self._trip(symbol, Breaker.BAND, cause, reference=band.reference)
        return True

    def is_priced_out(self, symbol: str, sign: int, price: int) -> bool:
        """Too far from the mark to the bad side."""
        mark, band_ppm = self.exchange.markets[symbol].mark, self.rules.price_band_ppm
        return band_ppm > 0 and mark > 0 and sign * (price - mark) > part_of(mark, band_ppm)

    def collect(self, taker: NaiveAccount, order: Resting, cause: Cause | None, rule: SelfTrade) -> CancelReason | None:
        """During a pause an order comes that may cross its own account's."""
        crossed = self.exchange._within(order.symbol, order.sign, order.price)
        own = [other for other in crossed if other.account == taker.number]
        for other in sorted(own, key=lambda other: (order.sign * other.price, other.order_id)):
            if rule is not SelfTrade.CANCEL_TAKER:
                self.exchange._cancel_own(other, cause)
            if rule is not SelfTrade.CANCEL_MAKER:
                return CancelReason.SELF_TRADE
        return None

    def _edge(self, symbol: str, sign: int) -> int | None:
        band = self.of(symbol).band
        if band is None or band.edges is None or band.paused_until_us is not None:
            return None
        return band.edges[1] if sign > 0 else band.edges[0]

    def _arm_the_band(self, symbol: str) -> None:
        breaker, is_set = self.of(symbol), self.rules.band_ppm > 0
        band = breaker.band
        until_us = band.paused_until_us if band is not None and not self.exchange.is_halted else None
        if band is not None and until_us is not None and (not is_set or until_us <= self.exchange.now_us):
            price = self._call(symbol, band.reference)
            band.paused_until_us = None
            band.reopened_us = self.exchange.now_us
            band.marks = [(self.exchange.now_us, price)] if price else []
            reopened = self.exchange._emit(events.TradingReopened, None, symbol=symbol, price=price)
            market = self.exchange.markets[symbol]
            self.exchange._look_for_triggers(symbol, TriggerBy.MARK, market.mark, reopened)
            self.exchange._look_for_triggers(symbol, TriggerBy.LAST, market.last, reopened)
            self._release(symbol, Breaker.BAND, None)
        if is_set and band is None:
            breaker.band = NaiveBand()
        if not is_set and band is not None and band.paused_until_us is None:
            if Breaker.BAND in breaker.on:
                self._release(symbol, Breaker.BAND, None)
            breaker.band = None

    def _move_the_band(self, symbol: str, band: NaiveBand, market: NaiveMarket) -> None:
        now_us, rules, step = self.exchange.now_us, self.rules, market.instrument.price_step
        band.marks = [mark for mark in band.marks if now_us - mark[0] < rules.band_window_us]
        if all(now_us - seen_us >= SECOND_US for seen_us, _ in band.marks):
            band.marks.append((now_us, market.mark))
        band.reference = nearest(Fraction(sum(mark for _, mark in band.marks), len(band.marks)))
        width = part_of(band.reference, rules.band_ppm)
        lower = min(ceil((band.reference - width) / step), band.reference // step) * step
        upper = max(floor((band.reference + width) / step), ceil(Fraction(band.reference, step))) * step
        band.edges = max(step, lower), max(step, upper)
        self._cancel_what_lies_outside(symbol, *band.edges)
        if Breaker.BAND not in self.of(symbol).on:
            return
        if band.sellers_stopped:
            is_over = any(order.price >= band.edges[0] for order in self.exchange._side(symbol, 1))
        else:
            is_over = any(order.price <= band.edges[1] for order in self.exchange._side(symbol, -1))
        if is_over:
            band.limit_ended_us = now_us
            self._release(symbol, Breaker.BAND, None)
        elif now_us >= band.limit_since_us + rules.limit_state_us:
            band.paused_until_us = min(WIRE_MAX, now_us + rules.pause_us)
            self.exchange._emit(
                events.TradingPaused, None, symbol=symbol, reference=band.reference, lower=band.edges[0],
                upper=band.edges[1], until_us=band.paused_until_us,
            )  # fmt: skip
            for waiting in self.exchange.waiting:
                if waiting.order.symbol == symbol:
                    waiting.reached = None
            self.exchange.reached = [waiting for waiting in self.exchange.reached if waiting.reached is not None]

    def _cancel_what_lies_outside(self, symbol: str, lower: int, upper: int) -> None:
        exchange = self.exchange
        too_high = [order for order in exchange._side(symbol, 1) if order.price > upper]
        too_low = [order for order in exchange._side(symbol, -1) if order.price < lower]
        for order in too_high + too_low:
            exchange._remove(order)
            if order.client_id:
                exchange._say_cancelled(order, CancelReason.OUT_OF_BAND, None)
        for number in dict.fromkeys(order.account for order in too_high + too_low if not order.client_id):
            exchange._say_quote(exchange.accounts[number], symbol, None)

    # the call ----------------------------------------------------------------------------------------------

    def _call(self, symbol: str, reference: int) -> int:
        """Calls until nothing crosses; the price of the last."""
        exchange, price, calls = self.exchange, 0, 0
        step = exchange.markets[symbol].instrument.price_step
        while True:
            bids, asks = exchange._side(symbol, 1), exchange._side(symbol, -1)
            if not bids or not asks or bids[0].price < asks[0].price:
                return price
            on_grid = max(step, nearest(Fraction(reference, step)) * step)
            calls += 1
            if calls <= 8:
                price, lots, surplus = best_call(self._counting(bids), self._counting(asks), on_grid)
            else:
                elder = min(bids[0], asks[0], key=lambda order: order.order_id)
                price, lots, surplus = elder.price, min(bids[0].size, asks[0].size), 0
            uncrossed = exchange._emit(
                events.AuctionUncrossed, None, symbol=symbol, price=price, size=lots, surplus=surplus
            )
            self._fill_the_call(symbol, price, lots, uncrossed)

    def _counting(self, side: list[Resting]) -> list[Resting]:
        """The orders of a side, reduce-only ones no larger than what is left of their position for them."""
        counting: list[Resting] = []
        for order in side:
            lots = order.size
            if order.reduce_only:
                before = sum(other.size for other in counting if other.account == order.account)
                has = self.exchange._reducible(self.exchange.accounts[order.account], order.symbol, order.sign)
                lots = min(lots, max(0, has - before))
            counting.append(replace(order, size=lots))
        return counting

    def _fill_the_call(self, symbol: str, price: int, most: int, uncrossed: Cause) -> None:
        exchange = self.exchange
        quoters: list[int] = []
        while True:
            bids = [order for order in exchange._side(symbol, 1) if order.price >= price]
            asks = [order for order in exchange._side(symbol, -1) if order.price <= price]
            if not bids or not asks or not most:
                break
            maker, taker = sorted((bids[0], asks[0]), key=lambda order: order.order_id)
            lots, left = min(most, exchange._gives(maker), exchange._gives(taker)), taker.size
            most -= lots
            quoters += [order.account for order in (maker, taker) if not order.client_id]
            exchange._reduce(taker, lots)
            owner = exchange.accounts[taker.account]
            traded = exchange._trade(
                owner, maker, lots, left - lots, taker.order_id, uncrossed, liquidation=False, at=price
            )
            if not taker.client_id:
                exchange._protect(owner, taker, lots, traded)
        for number in dict.fromkeys(quoters):
            exchange._say_quote(exchange.accounts[number], symbol, uncrossed)

    # the throttle ------------------------------------------------------------------------------------------

    def _allowance(self, symbol: str) -> int:
        breaker = self.of(symbol)
        began_after_us = self.exchange.now_us - breaker.window_us
        counted = [fill for fill in breaker.fills if fill.ts_us // SECOND_US * SECOND_US > began_after_us]
        share = floor(part_of(sum(fill.value for fill in counted), self.rules.throttle_ppm))
        used = sum(fill.value for fill in counted if fill.liquidation)
        return share + self.rules.throttle_least_quote - used

    def _trip(self, symbol: str, kind: Breaker, cause: Cause | None, reference: int = 0, age_us: int = 0) -> None:
        market = self.exchange.markets[symbol]
        self.of(symbol).on[kind] = NaiveWait(self.exchange.now_us)
        self.exchange._emit(
            events.BreakerTripped, cause, symbol=symbol, breaker=kind, mark=market.mark, index=market.index,
            last=market.last, reference=reference, age_us=age_us,
        )  # fmt: skip

    def _release(self, symbol: str, kind: Breaker, cause: Cause | None, capped: bool = False) -> None:
        wait = self.of(symbol).on.pop(kind)
        after = sum(self._owed(self.exchange.accounts[number]) for number in wait.accounts)
        self.exchange._emit(
            events.BreakerReleased, cause, symbol=symbol, breaker=kind,
            waited_us=self.exchange.now_us - wait.since_us, accounts=len(wait.accounts),
            shortfall_before=sum(wait.accounts.values()), shortfall_after=after, capped=capped,
        )  # fmt: skip
