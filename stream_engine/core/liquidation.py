"""Liquidation: what happens to the positions their owner can no longer carry.

Trigger   equity < maintenance margin, both at the mark price: of the cross portfolio, then of each isolated position by
          its symbol. Each is judged by itself, when its turn comes, and liquidated with its own money: what the one
          owes the other never pays.
Steps     1 cancel all its orders (of an isolated position: those on its symbol); then, the position with most
          maintenance first:
          2 an order into the book (liquidation_order), what it fills better than bankruptcy goes to the fund, as far as
            the liquidation fee says
          3 the fund covers: the order trades on beyond the bankruptcy price, the fund pays each difference, as far
            as its balance and its limits go; or takes what is left over at that price (inheritance)
          4 a backstop vault takes the whole account, if it is far enough below maintenance (backstop)
          5 ADL, and what even that leaves at the fund's or the deficit's cost (deleveraging).
How much  WHOLE at the bankruptcy price, without vaults: every position as a whole, through all steps, whatever the
          first ones brought.
          Else equity is looked at again after each step, and once it covers maintenance the owner keeps the rest:
          TIER, TWO_TIERS  first step 2 alone, for what a position is above the bound of the tier below (or of the
              second tier below), again and again; the book not taking all of it, or the lowest tiers reached, the
              position goes as a whole.
          SHARE  first step 2 alone, for a share of a position worth more than `share_above_quote`. The rest waits for
              the clock; within `cooldown_us` of such a fill whatever is liquidated goes as a whole. (Hyperliquid.)
Waits     with a limit that is not the bankruptcy price what the book leaves waits while equity is not below zero, as
          a share's rest does: the account is looked at again at the next clock tick. Below zero it goes through all
          steps at once.
          In the limit state or a pause of the price band what its edge has stopped waits, with all that the account
          holds (circuit_breaker): neither fund nor deleveraging touches it meanwhile.
Holds     every lot leaving one account enters another; an account that loses everything ends with nothing in its
          wallet, an isolated position with no margin (what rounding left is the fund's; its owner's, where the
          liquidation fee leaves the owner a surplus).
Order     equal maintenance: by symbol. The fund's allowance is what it has after step 2.
Published equity as far down as the wire goes: several symbols may have lost more than that.
Causes    Started <- the newest of the held symbols' marks and the account's own last fill; Filled <- Traded <- Started;
          DeleveragingStarted <- Started; Ended <- Started; DUST and DEBT <- the last Ended.
Bound     a tier is left once, each position is closed once; a step of 2 and 3 takes a resting order.
"""

from enum import Enum

from msgspec import Struct

from stream_engine.core.accounts import (
    Account,
    collateral_behind,
    cross_of,
    fallen_alone,
    has_cross_fallen,
    isolated_of,
    maintenance_of,
    standing_behind,
)
from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.core.backstop import hand_over, is_due, next_vault
from stream_engine.core.cancelling import cancel_orders, cancel_quotes
from stream_engine.core.circuit_breaker import is_on
from stream_engine.core.deleveraging import deleverage
from stream_engine.core.drawdown import judge
from stream_engine.core.inheritance import take_over
from stream_engine.core.insurance_fund import InsuranceFund
from stream_engine.core.liquidation_order import can_fill, fill_liquidation, has_to_wait, liquidation_order
from stream_engine.core.margin import tier_of
from stream_engine.core.market import Market
from stream_engine.core.obligations import call_tranche
from stream_engine.core.position import Position, notional
from stream_engine.core.venue import Venue
from stream_engine.messages.events import CancelReason, Cause, FundReason, LiquidationEnded, LiquidationStarted
from stream_engine.messages.rules import FundPolicy, LiquidationLimit, LiquidationRules, LiquidationStep
from stream_engine.messages.units import MILLION, WIRE_MAX

TIERS_DOWN = {LiquidationStep.TIER: 1, LiquidationStep.TWO_TIERS: 2}


class Depth(Enum):
    """How far down the steps a position goes."""

    BOOK = "book"
    FUND = "fund"
    END = "end"


class Liquidation(Struct):
    """Of an account's cross portfolio or of one isolated position (`alone`), as it goes on. `last` and `pool` are those
    of the position closed last; `keeps`: the owner gets what the liquidation fee leaves."""

    venue: Venue
    account: Account
    alone: Position | None
    trigger: Cause | None
    last: Cause | None
    pool: InsuranceFund
    has_begun: bool = False
    keeps: bool = False


def complaint(rules: LiquidationRules) -> str | None:
    """What contradicts itself in the rules, if anything."""
    if rules.step is LiquidationStep.SHARE and not rules.share_ppm:
        return "share_ppm: a share of 0 liquidates nothing"
    return None


def liquidate(venue: Venue, account: Account) -> None:
    """Close what an account can no longer carry, or write off the debt of one that has nothing left."""
    if not account.isolated:
        _liquidate(venue, account, None)
        return
    for alone in (None, *isolated_of(account)):
        if _has_fallen(venue, account, alone):
            _liquidate(venue, account, alone)
    if account.number not in venue.watch.put_off:
        venue.watch.split(account)


def _liquidate(venue: Venue, account: Account, alone: Position | None) -> None:
    live = _by_maintenance(venue, account, alone)
    trigger = _trigger(venue, account, live)
    pool = venue.fund if alone is None else venue.pool_behind(venue.markets[alone.symbol])
    liquidation = Liquidation(venue, account, alone, trigger, trigger, pool)
    rules = venue.rules.liquidation
    if not live:
        _cancel_everything(liquidation, trigger)
    elif (
        rules.step is LiquidationStep.WHOLE
        and rules.limit is LiquidationLimit.BANKRUPTCY
        and not venue.rules.backstop.below_ppm
    ):
        for position in live:
            _close(liquidation, position, abs(position.size), Depth.END)
    else:
        _cancel_everything(liquidation, trigger)
        liquidation.has_begun = True
        _in_steps(liquidation, live)
    if not _by_maintenance(venue, account, alone):
        _settle_up(liquidation, had_positions=bool(live))
    elif account.number not in venue.watch.put_off:
        venue.watch.split(account)
    venue.touch(account)


def _in_steps(liquidation: Liquidation, live: list[Position]) -> None:
    venue, account = liquidation.venue, liquidation.account
    below_ppm = venue.rules.backstop.below_ppm
    is_bankruptcy = venue.rules.liquidation.limit is LiquidationLimit.BANKRUPTCY
    depth = Depth.BOOK
    if is_bankruptcy:
        depth = Depth.FUND if below_ppm else Depth.END
    wait = _reduce(liquidation, live)
    for position in live:
        if position.size and position not in wait and _is_below(liquidation):
            _close(liquidation, position, abs(position.size), depth)
    if not _is_below(liquidation) or is_on(venue, account):
        return
    figures = standing_behind(account, live[0], venue.markets)
    vault = next_vault(venue) if figures.equity >= 0 and is_due(figures, below_ppm) else None
    if vault is not None:
        hand_over(venue, vault, account, live, figures, liquidation.trigger)
        return
    if figures.equity < 0:
        wait = []
    elif not is_bankruptcy:
        wait = live
    for position in live:
        if position.size and position not in wait and _is_below(liquidation):
            _close(liquidation, position, abs(position.size), Depth.END)
    if wait and _is_below(liquidation):
        venue.watch.put_off[account.number] = None


def _reduce(liquidation: Liquidation, live: list[Position]) -> list[Position]:
    """The steps that take only a part of a position; returns those whose rest is to wait."""
    step = liquidation.venue.rules.liquidation.step
    if step is LiquidationStep.SHARE:
        return _take_shares(liquidation, live)
    for position in live if step in TIERS_DOWN else ():
        market = liquidation.venue.markets[position.symbol]
        while lots := _above_a_lower_tier(market, position, TIERS_DOWN[step]):
            if not _is_below(liquidation) or _close(liquidation, position, lots, Depth.BOOK) < lots:
                break
    return []


def _take_shares(liquidation: Liquidation, live: list[Position]) -> list[Position]:
    venue, account = liquidation.venue, liquidation.account
    rules, now_us = venue.rules.liquidation, venue.now_us
    if now_us < account.whole_until_us:
        return []
    shared = []
    for position in live:
        market = venue.markets[position.symbol]
        if notional(position, market.mark, market.tick_value) > rules.share_above_quote and _is_below(liquidation):
            shared.append(position)
            if _close(liquidation, position, div_ceil(abs(position.size) * rules.share_ppm, MILLION), Depth.BOOK):
                account.whole_until_us = now_us + rules.cooldown_us
    return shared


def _above_a_lower_tier(market: Market, position: Position, tiers_down: int) -> int:
    """Lots by which a position is too large for the tier so many below its own; 0 where there is none."""
    tier = tier_of(notional(position, market.mark, market.tick_value), market.table)
    if tier < tiers_down:
        return 0
    bound = market.table.tiers[tier - tiers_down][0]
    return abs(position.size) - div_floor(bound, market.mark * market.tick_value)


def _close(liquidation: Liquidation, position: Position, lots: int, depth: Depth) -> int:
    """One step: so many lots of a position; returns those that are closed."""
    venue, account = liquidation.venue, liquidation.account
    if is_on(venue, account):  # by what an earlier step came to
        return 0
    market = venue.markets[position.symbol]
    figures = standing_behind(account, position, venue.markets)
    order = liquidation_order(venue, account, position, lots, figures, with_fund=depth is not Depth.BOOK)
    if depth is Depth.BOOK and not can_fill(order):
        return 0
    before = abs(position.size)
    started = venue.out.emit(
        LiquidationStarted, liquidation.trigger, account.number, position.symbol, -order.sign * lots, market.mark,
        order.bankruptcy, max(-WIRE_MAX, figures.equity), figures.maintenance,
    )  # fmt: skip
    if not liquidation.has_begun:
        liquidation.has_begun = True
        _cancel_everything(liquidation, started)
    book, fund = fill_liquidation(order, started)
    taken = adl = deficit = 0
    waits = has_to_wait(order, lots - book - fund, started)
    takes_over = depth is not Depth.BOOK and venue.rules.fund.policy is FundPolicy.TAKE_OVER
    if takes_over and position.size and not waits:
        taken = take_over(venue, market, account, position, order.bankruptcy, started)
    if depth is Depth.END and position.size and not waits:
        adl, deficit = deleverage(venue, market, account, position, order.bankruptcy, started)
        assert position.size == 0, (account.number, position.symbol)
    left = abs(position.size)
    assert before - left == book + fund + taken + adl + deficit, (account.number, position.symbol)
    liquidation.last = venue.out.emit(
        LiquidationEnded, started, account.number, position.symbol, book, fund, adl, deficit, order.bankruptcy,
        collateral_behind(account, position), left, taken,
    )  # fmt: skip
    liquidation.pool = venue.pool_behind(market)
    if venue.rules.fund.drawdown_on_ppm:
        judge(venue, liquidation.pool, liquidation.last)
    liquidation.keeps = liquidation.keeps or market.instrument.liquidation_fee_ppm < MILLION
    return before - left


def _settle_up(liquidation: Liquidation, had_positions: bool) -> None:
    """Nothing is held any more: what money is left is dust, a debt, or what the fee left its owner."""
    venue, account, pool, last = liquidation.venue, liquidation.account, liquidation.pool, liquidation.last
    alone, symbol = liquidation.alone, _symbol(liquidation)
    left = account.wallet if alone is None else alone.margin
    if left > 0 and had_positions and liquidation.keeps and alone is not None:
        account.wallet, alone.margin = account.wallet + left, 0
    elif left > 0 and had_positions and not liquidation.keeps:
        _take(liquidation, left)
        pool.change(venue.out, last, left, FundReason.DUST, account.number, symbol)
    elif left < 0:
        _take(liquidation, left)
        call_tranche(venue, pool, symbol, -left - pool.balance, last, account.number)
        pool.make_good(venue.out, last, -left, FundReason.DEBT, account.number, symbol)


def _take(liquidation: Liquidation, left: int) -> None:
    if liquidation.alone is None:
        liquidation.account.wallet -= left
    else:
        liquidation.alone.margin -= left


def _is_below(liquidation: Liquidation) -> bool:
    return _has_fallen(liquidation.venue, liquidation.account, liquidation.alone)


def _has_fallen(venue: Venue, account: Account, alone: Position | None) -> bool:
    if alone is None:
        return has_cross_fallen(account, venue.markets)
    return alone in fallen_alone(account, venue.markets)


def _symbol(liquidation: Liquidation) -> str | None:
    return None if liquidation.alone is None else liquidation.alone.symbol


def _cancel_everything(liquidation: Liquidation, cause: Cause | None) -> None:
    venue, account, symbol = liquidation.venue, liquidation.account, _symbol(liquidation)
    cancel_quotes(venue, account, symbol, CancelReason.LIQUIDATION, cause)
    cancel_orders(venue, account, symbol, CancelReason.LIQUIDATION, cause)


def _by_maintenance(venue: Venue, account: Account, alone: Position | None) -> list[Position]:
    live = cross_of(account) if alone is None else [alone] if alone.size else []
    live.sort(key=lambda position: (-maintenance_of(position, venue.markets[position.symbol]), position.symbol))
    return live


def _trigger(venue: Venue, account: Account, live: list[Position]) -> Cause | None:
    # The newest of what could have done it: a mark of one of its symbols, or its own last fill.
    causes = [venue.markets[position.symbol].moved for position in live]
    known = [cause for cause in (*causes, account.changed) if cause is not None]
    return max(known, default=None)
