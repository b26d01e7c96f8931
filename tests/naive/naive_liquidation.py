"""Liquidation again: what happens to an account below maintenance, step by step, on the naive exchange.

Every price and every share is a fraction, made anew for each step.
"""

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from stream_engine.messages import events
from stream_engine.messages.events import CancelReason, Cause, FundReason
from stream_engine.messages.inputs import SetRules, Side
from stream_engine.messages.instrument import MAIN_POOL
from stream_engine.messages.rules import FundPolicy, LiquidationLimit, LiquidationStep
from stream_engine.messages.units import MILLION, WIRE_MAX
from tests.naive.naive_rules import bankruptcy_price, part_of

if TYPE_CHECKING:
    from tests.naive.naive_exchange import NaiveAccount, NaiveExchange


def is_contradictory(received: SetRules) -> bool:
    """Whether the rules of the waterfall contradict themselves."""
    rules = received.liquidation
    return rules is not None and rules.step is LiquidationStep.SHARE and rules.share_ppm == 0


class NaiveLiquidation:
    """Of an account's cross portfolio, or of what is isolated on one symbol (`alone`)."""

    def __init__(self, exchange: "NaiveExchange", account: "NaiveAccount", alone: str | None) -> None:
        self.exchange = exchange
        self.account = account
        self.alone = alone
        self.rules = exchange.rules["liquidation"]
        self.covers = exchange.rules["fund"].policy is FundPolicy.COVER
        self.held = [symbol for symbol in exchange._carried(account, alone) if account.holdings[symbol].size]
        causes = [exchange.markets[symbol].moved for symbol in self.held] + [account.changed]
        self.trigger = max((cause for cause in causes if cause is not None), default=None)
        self.last = self.trigger
        self.pool = MAIN_POOL if alone is None else exchange._pool_of(alone)
        self.owner_gets_a_surplus = False

    def carry_out(self) -> None:
        """Close what has to be closed."""
        at_once = self.rules.step is LiquidationStep.WHOLE and self.rules.limit is LiquidationLimit.BANKRUPTCY
        at_once = at_once and not self.exchange.rules["backstop"].below_ppm
        symbols = sorted(self.held)
        symbols.sort(key=lambda symbol: self.exchange._maintenance_on(self.account, symbol), reverse=True)
        if at_once and symbols:
            for symbol in symbols:
                self._close(symbol, self._size(symbol), with_fund=True, with_adl=True)
        else:
            self._cancel(self.trigger)
            self._in_steps(symbols)
        if not any(self._size(symbol) for symbol in symbols):
            self._settle_up()

    def _in_steps(self, symbols: list[str]) -> None:
        shared: list[str] = []
        for symbol in symbols:
            if self.rules.step is LiquidationStep.SHARE:
                if self._is_below() and self._is_large(symbol):
                    shared.append(symbol)
            elif self.rules.step is not LiquidationStep.WHOLE:
                self._down_the_tiers(symbol)
        cools_until_us = self.account.whole_until_us
        for symbol in list(shared):
            if not self._is_below():
                shared.remove(symbol)
            elif self._close(symbol, ceil(part_of(self._size(symbol), self.rules.share_ppm))):
                cools_until_us = self.exchange.now_us + self.rules.cooldown_us
        self.account.whole_until_us = cools_until_us
        ends_at_bankruptcy = self.rules.limit is LiquidationLimit.BANKRUPTCY
        with_adl = ends_at_bankruptcy and not self.exchange.rules["backstop"].below_ppm
        for symbol in symbols:
            if self._is_below() and self._size(symbol) and symbol not in shared:
                self._close(symbol, self._size(symbol), with_fund=ends_at_bankruptcy, with_adl=with_adl)
        if not self._is_below() or self._waits():
            return
        equity = self.exchange._equity(self.account, self.alone)
        maintenance = self.exchange._maintenance(self.account, self.alone)
        vault = self.exchange.fund.vault_for(equity, maintenance)
        if vault is not None:
            self.exchange.fund.hand_over(vault, self.account, self.alone, symbols, self.trigger)
            return
        waiting = [] if equity < 0 else shared if ends_at_bankruptcy else symbols
        for symbol in symbols:
            if self._is_below() and self._size(symbol) and symbol not in waiting:
                self._close(symbol, self._size(symbol), with_fund=True, with_adl=True)
        if waiting and self._is_below():
            self.exchange.put_off.add(self.account.number)

    def _waits(self) -> bool:
        return not self.exchange.breakers.those_who_need_not_wait([self.account], note=False)

    def _is_large(self, symbol: str) -> bool:
        is_cool = self.exchange.now_us >= self.account.whole_until_us
        return is_cool and self.exchange._notional(symbol, self._size(symbol)) > self.rules.share_above_quote

    def _down_the_tiers(self, symbol: str) -> None:
        down = 1 if self.rules.step is LiquidationStep.TIER else 2
        market = self.exchange.markets[symbol]
        while self._is_below():
            value = self.exchange._notional(symbol, self._size(symbol))
            bounds = [tier.bound for tier in market.instrument.tiers if tier.bound and tier.bound < value]
            if len(bounds) < down:
                return
            allowed = floor(Fraction(bounds[-down], market.mark * market.instrument.tick_value))
            lots = self._size(symbol) - allowed
            if self._close(symbol, lots) < lots:
                return

    def _size(self, symbol: str) -> int:
        return abs(self.exchange._size(self.account, symbol))

    def _is_below(self) -> bool:
        return self.exchange._has_fallen(self.account, self.alone)

    def _cancel(self, cause: Cause | None) -> None:
        self.exchange._withdraw_quotes(self.account, self.alone, CancelReason.LIQUIDATION, cause)
        self.exchange._withdraw_orders(self.account, self.alone, CancelReason.LIQUIDATION, cause)

    def _close(self, symbol: str, lots: int, with_fund: bool = False, with_adl: bool = False) -> int:
        """One step; returns the lots that it closed."""
        if self._waits():
            return 0
        exchange, account = self.exchange, self.account
        market, before = exchange.markets[symbol], self._size(symbol)
        direction = 1 if account.holdings[symbol].size > 0 else -1
        equity, maintenance = exchange._equity(account, self.alone), exchange._maintenance(account, self.alone)
        own = exchange._maintenance_on(account, symbol)
        bankruptcy = bankruptcy_price(
            direction * before, market.mark, equity, own, maintenance, market.instrument.tick_value
        )
        bankruptcy = max(bankruptcy, 1)
        bankruptcy = min(bankruptcy, market.instrument.max_price)
        limit = self._limit(symbol, direction, bankruptcy, equity, own, maintenance)
        covers_to = None
        if self.covers and self.rules.limit is not LiquidationLimit.BANKRUPTCY:
            covers_to = limit
        elif self.covers and with_fund:
            covers_to = bankruptcy - direction * floor(part_of(bankruptcy, exchange.rules["cover_bound_ppm"]))
        owners = max(limit, bankruptcy) if direction > 0 else min(limit, bankruptcy)
        owners = exchange.breakers.cut(symbol, -direction, owners)
        if covers_to is not None:
            covers_to = exchange.breakers.cut(symbol, -direction, covers_to)
        if not with_fund and not self._finds_anything(symbol, direction, owners, covers_to, bankruptcy):
            return 0
        started = exchange._emit(
            events.LiquidationStarted, self.trigger, account=account.number, symbol=symbol, size=direction * lots,
            mark=market.mark, bankruptcy_price=bankruptcy, equity=max(-WIRE_MAX, equity), maintenance=maintenance,
        )  # fmt: skip
        self._cancel(started)
        book = self._into_the_book(symbol, lots, direction, owners, bankruptcy, None, started)
        fund = 0
        if covers_to is not None and book < lots:
            allowance = self._allowance(symbol)
            fund = self._into_the_book(symbol, lots - book, direction, covers_to, bankruptcy, allowance, started)
        taken = adl = deficit = 0
        is_stopped = False
        if book + fund < lots:
            reach = covers_to if covers_to is not None and self._allowance(symbol) > 0 else owners
            if not exchange._within(symbol, -direction, reach):
                is_stopped = exchange.breakers.stopped(symbol, -direction, reach, started)
        takes_over = exchange.rules["fund"].policy is FundPolicy.TAKE_OVER
        if with_fund and takes_over and self._size(symbol) and not is_stopped:
            taken = exchange.fund.take_over(account, symbol, bankruptcy, started)
        if with_adl and self._size(symbol) and not is_stopped:
            adl, deficit = exchange._deleverage(account, symbol, bankruptcy, started)
        self.last = exchange._emit(
            events.LiquidationEnded, started, account=account.number, symbol=symbol, book=book, fund=fund, adl=adl,
            deficit=deficit, bankruptcy_price=bankruptcy, wallet=exchange._collateral(account, self.alone),
            left=self._size(symbol), taken_over=taken,
        )  # fmt: skip
        self.pool = exchange._pool_of(symbol)
        if exchange.rules["fund"].drawdown_on_ppm:
            exchange.fund.judge(self.pool, self.last)
        if market.instrument.liquidation_fee_ppm < MILLION:
            self.owner_gets_a_surplus = True
        return before - self._size(symbol)

    def _limit(self, symbol: str, direction: int, bankruptcy: int, equity: int, own: int, maintenance: int) -> int:
        market, instrument = self.exchange.markets[symbol], self.exchange.markets[symbol].instrument
        if self.rules.limit is LiquidationLimit.BANKRUPTCY:
            return bankruptcy
        if self.rules.limit is LiquidationLimit.MARKET:
            return max(1, market.mark - direction * floor(part_of(market.mark, instrument.market_bound_ppm)))
        distress = Fraction(self.rules.adjustment_ppm, MILLION) * (1 - Fraction(equity, maintenance))
        spread = min(max(distress, Fraction(0)), Fraction(1)) * Fraction(self.rules.spread_ppm, MILLION) * own
        away = floor(spread / (self._size(symbol) * instrument.tick_value))
        return min(max(1, market.mark - direction * away), instrument.max_price)

    def _allowance(self, symbol: str) -> int:
        return self.exchange.fund.payable(self.exchange._pool_of(symbol))

    def _finds_anything(self, symbol: str, direction: int, owners: int, covers_to: int | None, bankruptcy: int) -> bool:
        if self.exchange._within(symbol, -direction, owners):
            return True
        covered = self.exchange._within(symbol, -direction, covers_to) if covers_to is not None else []
        tick_value = self.exchange.markets[symbol].instrument.tick_value
        return bool(covered) and self._allowance(symbol) >= direction * (bankruptcy - covered[0].price) * tick_value

    def _into_the_book(
        self,
        symbol: str,
        lots: int,
        direction: int,
        limit: int,
        bankruptcy: int,
        allowance: int | None,
        started: Cause,
    ) -> int:
        """One order down to a limit; with an allowance the fund pays for what is beyond bankruptcy."""
        exchange, account = self.exchange, self.account
        instrument = exchange.markets[symbol].instrument
        order_id = exchange._new_order_id()
        done = 0
        while done < lots and (reachable := exchange._within(symbol, -direction, limit)):
            best = reachable[0]
            gain_per_lot = direction * (best.price - bankruptcy) * instrument.tick_value
            filled_lots = min(lots - done, exchange._gives(best))
            if allowance is not None:
                missing = -gain_per_lot * filled_lots - allowance
                pool = exchange._pool_of(symbol)
                allowance += exchange._call_tranche(pool, symbol, missing, started, account.number)
                filled_lots = min(filled_lots, floor(Fraction(allowance, -gain_per_lot)))
                if not filled_lots:
                    break
                allowance += filled_lots * gain_per_lot
            price = best.price
            done += filled_lots
            traded = exchange._trade(account, best, filled_lots, lots - done, order_id, started, liquidation=True)
            gain = filled_lots * gain_per_lot
            if gain > 0 and instrument.liquidation_fee_ppm < MILLION:
                fee = part_of(filled_lots * price * instrument.tick_value, instrument.liquidation_fee_ppm)
                gain = min(gain, floor(fee))
            exchange._credit(account, self.alone, -gain)
            filled = exchange._emit(
                events.LiquidationFilled, traded, account=account.number, symbol=symbol,
                side=Side.SELL if direction > 0 else Side.BUY, size=filled_lots, price=price,
                bankruptcy_price=bankruptcy, to_fund=gain,
            )  # fmt: skip
            reason = FundReason.SURPLUS if gain > 0 else FundReason.COVER
            exchange._fund_takes(exchange._pool_of(symbol), gain, reason, account.number, symbol, filled)
        return done

    def _settle_up(self) -> None:
        account, exchange = self.account, self.exchange
        left = exchange._collateral(account, self.alone)
        if left == 0 or (left > 0 and not self.held):
            return
        if left > 0 and self.owner_gets_a_surplus:
            exchange._credit(account, self.alone, -left)
            account.wallet += left
            return
        exchange._credit(account, self.alone, -left)
        if left > 0:
            exchange._fund_takes(self.pool, left, FundReason.DUST, account.number, self.alone, self.last)
        else:
            exchange._make_good(self.pool, -left, FundReason.DEBT, account.number, self.alone, self.last)
