"""Obligations: what market makers owe for their benefits, measured by the exchange at every clock tick.

Duty      a tier (ObligationRules.duties): at a share of the clock ticks a quote on both sides, each with levels within
          half of `spread_ppm` of the mid price that are worth `size_quote` or more. In declared stress the tier's other
          three figures are asked for. Only quotes count, not orders. The mid is the book's; where a side is empty, or
          crossed in a pause, the index. Nothing is due while there is neither, or while trading is halted.
Judged    at the first tick of each multiple of `period_us` (a first period may be shorter): the shortfall is the share
          of what was asked for, over all ticks, that was missed.
Clawback  rebates of the period on the symbol times the shortfall go back to the venue's fees, as far as the account has
          free margin in its wallet.
Tranche   who failed the last judged period pays, before anybody is deleveraged, into what the fund cannot: each by its
          duty's size times its shortfall, at most `tranche_cap_quote` a period and its free margin. The money goes into
          the pool, and out of it as the pool's own.
Rounding  required up, met down; a clawback down. Calls by largest remainder, ties to the lower account.
Causes    DutyMeasured, StressDeclared: the input. TrancheCalled <- what the loss follows from; FundChanged <- it.
"""

from stream_engine.core.accounts import Account, free_margin, is_marked
from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.core.duty import Obligation
from stream_engine.core.insurance_fund import InsuranceFund
from stream_engine.core.market import Market
from stream_engine.core.order_book import Order
from stream_engine.core.position import resting_levels
from stream_engine.core.venue import Venue
from stream_engine.core.water_filling import water_fill
from stream_engine.messages.events import (
    Cause,
    ControlRejected,
    DutyMeasured,
    DutySet,
    FundReason,
    StressDeclared,
    StressEnded,
    TrancheCalled,
)
from stream_engine.messages.inputs import DeclareStress, SetDuty
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import Duty
from stream_engine.messages.units import MILLION


def set_duty(venue: Venue, received: SetDuty) -> None:
    """Put an account on a symbol into a tier, from a new period's beginning, or let it out."""
    where = f"account {received.account}, {received.symbol}: {received.duty}"
    place = (received.account, received.symbol)
    tiers = {duty.name for duty in venue.rules.obligations.duties}
    known = place in venue.duties if received.duty is None else received.duty in tiers
    reason = None
    if received.account not in venue.accounts:
        reason = Reject.UNKNOWN_ACCOUNT
    elif received.symbol not in venue.markets:
        reason = Reject.UNKNOWN_SYMBOL
    elif not known:
        reason = Reject.UNKNOWN_DUTY
    if reason is not None:
        venue.out.emit(ControlRejected, None, "SetDuty", reason, where)
    else:
        venue.duties.pop(place, None)
        if received.duty is not None:
            venue.duties[place] = Obligation(*place, received.duty)
        venue.out.emit(DutySet, None, *place, received.duty)


def declare_stress(venue: Venue, received: DeclareStress) -> None:
    """Relax the duties, or end that; what is so already is refused."""
    if received.declared == venue.stressed:
        detail = f"stress declared: {venue.stressed}"
        venue.out.emit(ControlRejected, None, "DeclareStress", Reject.ALREADY_EXISTS, detail)
        return
    venue.stressed = received.declared
    if received.declared:
        venue.out.emit(StressDeclared, None, received.reason)
    else:
        venue.out.emit(StressEnded, None)


def measure(venue: Venue, before_us: int | None) -> None:
    """At a clock tick: judge the period that is over, then look who quotes. `before_us`: the tick before."""
    period_us = venue.rules.obligations.period_us
    is_over = before_us is not None and venue.now_us // period_us > before_us // period_us
    tiers = {duty.name: duty for duty in venue.rules.obligations.duties}
    for obligation in venue.duties.values():
        if is_over:
            _judge(venue, obligation)
        if not venue.halted:
            _look(venue, obligation, tiers[obligation.duty])


def call_tranche(
    venue: Venue, pool: InsuranceFund, symbol: str | None, need: int, cause: Cause | None, spared: int
) -> int:
    """Have failing makers pay into a pool what it needs, on a symbol's account (None: on any); returns what came.

    `spared` is the account whose loss it is.
    """
    cap = venue.rules.obligations.tranche_cap_quote
    if need <= 0 or not cap or not venue.duties:
        return 0
    failing = [
        obligation
        for obligation in venue.duties.values()
        if obligation.shortfall_ppm and obligation.account != spared and symbol in (None, obligation.symbol)
    ]
    failing.sort(key=lambda obligation: (obligation.account, obligation.symbol))
    tiers = {duty.name: duty for duty in venue.rules.obligations.duties}
    weights = [tiers[obligation.duty].size_quote * obligation.shortfall_ppm for obligation in failing]
    came = 0
    for obligation, call in zip(failing, water_fill(weights, [need] * len(failing), need), strict=True):
        account = venue.accounts[obligation.account]
        quote = min(call, cap - obligation.called, _payable(venue, account))
        if quote > 0:
            came += quote
            obligation.called += quote
            account.wallet -= quote
            venue.touch(account)
            called = venue.out.emit(
                TrancheCalled, cause, account.number, obligation.symbol, quote, obligation.shortfall_ppm, account.wallet
            )
            account.changed = called
            pool.change(venue.out, called, quote, FundReason.TRANCHE, account.number, obligation.symbol)
    return came


def _look(venue: Venue, obligation: Obligation, duty: Duty) -> None:
    market = venue.markets[obligation.symbol]
    doubled_mid = market.book.doubled_mid() or 2 * market.index
    if not doubled_mid:
        return
    stress = venue.stressed
    spread_ppm = duty.stress_spread_ppm if stress else duty.spread_ppm
    size_quote = duty.stress_size_quote if stress else duty.size_quote
    obligation.ticks += 1
    obligation.minute_ticks += 1
    obligation.stressed += stress
    obligation.required += duty.stress_presence_ppm if stress else duty.presence_ppm
    position = venue.accounts[obligation.account].positions.get(obligation.symbol)
    levels = [] if position is None else resting_levels(position)
    if all(_quoted(market, levels, sign, doubled_mid, spread_ppm) >= size_quote for sign in (1, -1)):
        obligation.met += 1
        obligation.minute_met += 1


def _quoted(market: Market, levels: list[Order], sign: int, doubled_mid: int, spread_ppm: int) -> int:
    """What the levels of one side within half a spread of the mid are worth, in micro-quote; nothing there: -1."""
    # |price - mid| <= mid * spread / 2, times 4 * 10^6: the doubled mid and the halved spread stay integers.
    reach = doubled_mid * spread_ppm
    near = [
        order
        for order in levels
        if order.sign == sign and sign * (2 * doubled_mid - 4 * order.price) * MILLION <= reach
    ]
    return sum(order.price * order.size for order in near) * market.tick_value if near else -1


def _judge(venue: Venue, obligation: Obligation) -> None:
    required, met = obligation.required, obligation.met * MILLION
    missed = max(0, required - met)
    obligation.shortfall_ppm = div_floor(missed * MILLION, required) if required else 0
    account = venue.accounts[obligation.account]
    owed = div_floor(obligation.rebates * obligation.shortfall_ppm, MILLION)
    clawed = min(owed, _payable(venue, account)) if venue.rules.obligations.clawback else 0
    if clawed:
        account.wallet -= clawed
        venue.fees += clawed
        venue.touch(account)
    ticks = obligation.ticks
    account_changed = venue.out.emit(
        DutyMeasured, None, obligation.account, obligation.symbol, obligation.duty, ticks, obligation.stressed,
        div_floor(met, ticks) if ticks else 0, div_ceil(required, ticks) if ticks else 0, obligation.shortfall_ppm,
        obligation.rebates, clawed, account.wallet,
    )  # fmt: skip
    if clawed:
        account.changed = account_changed
    obligation.ticks = obligation.met = obligation.stressed = obligation.required = 0
    obligation.rebates = obligation.called = 0


def _payable(venue: Venue, account: Account) -> int:
    """What an account can pay without margin that it needs."""
    if not is_marked(account, venue.markets):
        return 0
    return max(0, min(account.wallet, free_margin(account, venue.markets)))
