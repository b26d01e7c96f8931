"""Drawdown: a pool of the insurance fund that has lost too much too fast no longer pays, and what the book leaves is
deleveraged.

Worth      balance and unrealised PnL of what the pool has taken over.
Reference  the largest worth of the window (PEAK: Bybit), or its mean (AVERAGE: OKX), as clock ticks found it.
On         worth - reference <= -drawdown_on_ppm of the reference (Bybit's second example: at the line it is on), of a
           reference above `drawdown_above_quote` only.
Off        worth - reference > -drawdown_off_ppm of it, or the reference is no longer above that.
Room       down to the line, and no further, the fund pays: a loss of 350 of 1,000 at a line of 30 % is 300 for the
           fund, and 50 for those who are deleveraged (Bybit, adl-alert).
Window     kept in 480 parts (of a minute, of eight hours), each with its largest, its sum and its number of ticks: a
           part leaves as a whole, when it began a window ago.
Rounding   the room down, the published ratio down, a mean down.
"""

from collections import deque

from stream_engine.core.accounts import equity_of
from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.core.insurance_fund import InsuranceFund
from stream_engine.core.venue import Venue
from stream_engine.messages.events import Cause, DrawdownChanged
from stream_engine.messages.rules import FundRules, Reference
from stream_engine.messages.units import MILLION, WIRE_MAX

PARTS = 480


def complaint(rules: FundRules) -> str | None:
    """What contradicts itself in the rules of the trigger, if anything."""
    if not rules.drawdown_on_ppm:
        return None
    if rules.drawdown_off_ppm > rules.drawdown_on_ppm:
        return f"drawdown_off_ppm: expected at most {rules.drawdown_on_ppm}, found {rules.drawdown_off_ppm}"
    if rules.drawdown_window_us < PARTS:
        return f"drawdown_window_us: expected {PARTS} or more, found {rules.drawdown_window_us}"
    return None


def ratio_ppm(change: int, reference: int) -> int:
    """A change as a share of the reference."""
    return div_floor(change * MILLION, reference)


def sets_it_on(change: int, reference: int, on_ppm: int) -> bool:
    """Whether a loss is large enough."""
    return change * MILLION <= -on_ppm * reference


def sets_it_off(change: int, reference: int, off_ppm: int) -> bool:
    """Whether a loss is small enough again."""
    return change * MILLION > -off_ppm * reference


def line(reference: int, on_ppm: int) -> int:
    """The worth at which the trigger is on."""
    return div_ceil(reference * (MILLION - on_ppm), MILLION)


def beyond_the_line(change: int, reference: int, on_ppm: int) -> int:
    """What of a loss is not the fund's."""
    return max(0, line(reference, on_ppm) - (reference + change))


def worth_of(venue: Venue, pool: InsuranceFund) -> int:
    """Balance and unrealised PnL at the marks."""
    return equity_of(pool.house, venue.markets)


def reference_of(parts: deque[tuple[int, int, int, int]], reference: Reference) -> int:
    """What the window says; 0 while it says nothing."""
    if not parts:
        return 0
    if reference is Reference.PEAK:
        return max(peak for _, peak, _, _ in parts)
    return div_floor(sum(total for _, _, total, _ in parts), sum(ticks for _, _, _, ticks in parts))


def payable(venue: Venue, pool: InsuranceFund) -> int:
    """What the pool may pay for the liquidation of one position."""
    rules = venue.rules.fund
    allowance = pool.allowance(venue.rules.fund_draw_ppm)
    if not rules.drawdown_on_ppm:
        return allowance
    if pool.is_down:
        return 0
    reference = reference_of(pool.parts, rules.drawdown_reference)
    if reference <= rules.drawdown_above_quote:
        return allowance
    return max(0, min(allowance, worth_of(venue, pool) - line(reference, rules.drawdown_on_ppm)))


def tick(venue: Venue) -> None:
    """At a clock tick: note what each pool is worth, and judge it."""
    rules, now_us = venue.rules.fund, venue.now_us
    for pool in venue.pools.values():
        if rules.drawdown_on_ppm:
            width_us = rules.drawdown_window_us // PARTS
            while pool.parts and pool.parts[0][0] <= now_us - rules.drawdown_window_us:
                pool.parts.popleft()
            worth, began = worth_of(venue, pool), now_us - now_us % width_us
            peak, total, ticks = worth, 0, 0
            if pool.parts and pool.parts[-1][0] == began:
                _, highest, total, ticks = pool.parts.pop()
                peak = max(highest, worth)
            pool.parts.append((began, peak, total + worth, ticks + 1))
        else:
            pool.parts.clear()
        judge(venue, pool, None)


def judge(venue: Venue, pool: InsuranceFund, cause: Cause | None) -> None:
    """Is the trigger of a pool on now?"""
    rules = venue.rules.fund
    reference = reference_of(pool.parts, rules.drawdown_reference)
    worth = worth_of(venue, pool)
    is_down = False
    if rules.drawdown_on_ppm and reference > rules.drawdown_above_quote:
        change = worth - reference
        is_down = sets_it_on(change, reference, rules.drawdown_on_ppm) or (
            pool.is_down and not sets_it_off(change, reference, rules.drawdown_off_ppm)
        )
    if is_down is not pool.is_down:
        pool.is_down = is_down
        ratio = min(WIRE_MAX, ratio_ppm(worth - reference, reference)) if reference > 0 else 0
        venue.out.emit(DrawdownChanged, cause, pool.name, is_down, ratio, reference, worth)
