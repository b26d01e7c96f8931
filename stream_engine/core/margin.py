"""Margin: what a position must carry, and the prices at which it no longer can.

Initial       notional * 10^6 / leverage, and never less than maintenance; opening anything must leave equity at or
              above the sum of these.
Maintenance   MM = ceil(max_k(N * r_k - c_k) / 10^6) over the tiers k, c_{k+1} = c_k + bound_k * (r_{k+1} - r_k).
Liquidatable  equity < maintenance, strictly, both at the mark.
Rounding      margin required goes up, margin counted goes down. The bankruptcy price is rounded away from debt:
              closing there may leave dust, never a loss.
"""

from itertools import pairwise

from msgspec import Struct

from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.messages.instrument import Tier
from stream_engine.messages.units import MILLION


class TierTableError(ValueError):
    """A maintenance table that is not convex and continuous."""


class MaintenanceTable(Struct, frozen=True):
    """The tiers: bound in micro-quote (the last: 0, no end), rate in ppm, deduction in micro-quote * 10^6.

    higher      the tiers above the first.
    leverages   the highest leverage of each tier; empty where the table says nothing of it.
    """

    tiers: tuple[tuple[int, int, int], ...]
    higher: tuple[tuple[int, int, int], ...]
    leverages: tuple[int, ...] = ()


def maintenance_table(tiers: tuple[Tier, ...], max_leverage: int = 0) -> MaintenanceTable:
    """The table with its deductions; they follow from the bounds, so that margin has no step where a tier begins.

    `max_leverage` is the instrument's, for tiers that name none. A higher tier allows no more than a lower one, and
    none more than its rate carries: who opens at it is not liquidatable at once.
    """
    if not tiers:
        raise TierTableError("tiers: expected at least one")
    deductions = [0]
    for number, (lower, upper) in enumerate(pairwise(tiers)):
        least = tiers[number - 1].bound if number else 0
        if lower.bound <= least:
            raise TierTableError(f"tiers[{number}]: expected a bound above {least}, found {lower.bound}")
        if upper.rate_ppm <= lower.rate_ppm:
            raise TierTableError(f"tiers[{number + 1}]: expected a rate above {lower.rate_ppm}, found {upper.rate_ppm}")
        deductions.append(deductions[-1] + lower.bound * (upper.rate_ppm - lower.rate_ppm))
    if tiers[-1].bound != 0:
        raise TierTableError(f"tiers[{len(tiers) - 1}]: the last bound is 0 (no end), found {tiers[-1].bound}")
    if not tiers[0].rate_ppm > 0 or not tiers[-1].rate_ppm < MILLION:
        raise TierTableError("tiers: expected rates above 0 and below 1,000,000 ppm")
    leverages = _leverages(tiers, max_leverage) if any(tier.max_leverage for tier in tiers) else ()
    table = tuple((tier.bound, tier.rate_ppm, deduction) for tier, deduction in zip(tiers, deductions, strict=True))
    return MaintenanceTable(table, table[1:], leverages)


def _leverages(tiers: tuple[Tier, ...], max_leverage: int) -> tuple[int, ...]:
    leverages: list[int] = []
    for number, tier in enumerate(tiers):
        leverage = tier.max_leverage or max_leverage
        most = leverages[-1] if leverages else max_leverage
        if not 1 <= leverage <= most:
            raise TierTableError(f"tiers[{number}]: expected a leverage of 1 to {most}, found {leverage}")
        if tier.rate_ppm > initial_rate(leverage):
            raise TierTableError(f"tiers[{number}]: its rate is above the initial margin at leverage {leverage}")
        leverages.append(leverage)
    return tuple(leverages)


def highest_leverage(notional: int, table: MaintenanceTable) -> int:
    """The highest leverage at which a position may have this notional; the table says something of it."""
    for (bound, _, _), leverage in zip(table.tiers, table.leverages, strict=True):
        if notional <= bound or not bound:
            return leverage
    raise AssertionError("the last tier has no end")


def maintenance_margin(notional: int, table: MaintenanceTable) -> int:
    """Maintenance margin of a notional, in micro-quote, rounded up.

    The tier in which the notional lies is the one that asks most: the table is convex.
    """
    for bound, rate, deduction in table.tiers:
        if notional <= bound or not bound:
            return div_ceil(notional * rate - deduction, MILLION)
    raise AssertionError("the last tier has no end")


def tier_of(notional: int, table: MaintenanceTable) -> int:
    """The tier in which a notional lies: 0 is the lowest."""
    return next(tier for tier, (bound, _, _) in enumerate(table.tiers) if notional <= bound or not bound)


def initial_rate(leverage: int) -> int:
    """Initial margin rate in ppm at a leverage, rounded up."""
    return div_ceil(MILLION, leverage)


def initial_margin(notional: int, rate_ppm: int, table: MaintenanceTable) -> int:
    """Initial margin of a notional, in micro-quote, rounded up: at least its maintenance, or a fill could be
    liquidated at once."""
    initial = div_ceil(notional * rate_ppm, MILLION)
    bound, rate, _ = table.tiers[0]
    if rate <= rate_ppm and (notional <= bound or not bound):
        return initial
    maintenance = maintenance_margin(notional, table)
    return initial if initial > maintenance else maintenance


def worst_size(size: int, buying: int, selling: int) -> int:
    """Largest position, in lots without sign, that the open orders can lead to."""
    long, short = size + buying, selling - size
    return long if long > short else short


def long_falls_below(floor: int, cost: int, per_tick: int, table: MaintenanceTable) -> int:
    """The highest mark in ticks at which a long's unrealised PnL less maintenance is below `floor`, exactly.

    f(M) = per_tick * M - cost - MM(M) < floor, solved tier by tier; per_tick = lots * tick_value.
    With floor = -wallet it is the price at which a position that stands alone is liquidated.
    """
    target = MILLION * (cost + floor) - 1
    bound, rate, deduction = table.tiers[0]
    highest = (target - deduction) // (per_tick * (MILLION - rate))
    if (highest + 1) * per_tick <= bound:  # f is not below from there on: the higher tiers have no say
        return highest
    for _, rate, deduction in table.higher:
        price = (target - deduction) // (per_tick * (MILLION - rate))
        if price < highest:
            break
        highest = price
    return highest


def short_falls_below(floor: int, cost: int, per_tick: int, table: MaintenanceTable) -> int:
    """The lowest mark in ticks at which a short's unrealised PnL less maintenance is below `floor`, exactly."""
    target = -MILLION * (cost + floor)
    bound, rate, deduction = table.tiers[0]
    lowest = (target + deduction) // (per_tick * (MILLION + rate)) + 1
    if (lowest - 1) * per_tick <= bound:  # f is not below up to there: the higher tiers have no say
        return lowest
    for _, rate, deduction in table.higher:
        price = (target + deduction) // (per_tick * (MILLION + rate)) + 1
        if price > lowest:
            break
        lowest = price
    return lowest


def bankruptcy_price(size: int, mark: int, equity: int, weight: int, weights: int, tick_value: int) -> int:
    """Price in ticks at which closing the position uses up its share of the account's equity.

    BK = M - s * (A * MM_i / MM_total) / (|q| * tick_value): dYdX v4's maintenance-weighted allocation; with one
    position the weights cancel. Closing every position of an account at these, in any order, leaves nothing.
    `weight` and `weights` are MM_i and MM_total.
    """
    per_tick = abs(size) * tick_value * weights
    if size > 0:
        return div_ceil(mark * per_tick - equity * weight, per_tick)
    return div_floor(mark * per_tick + equity * weight, per_tick)
