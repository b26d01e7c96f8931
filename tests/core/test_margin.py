"""Margin: tiers, initial and maintenance margin, and the prices at which a position falls."""

import pytest

from stream_engine.core.margin import (
    MaintenanceTable,
    TierTableError,
    bankruptcy_price,
    initial_margin,
    initial_rate,
    long_falls_below,
    maintenance_margin,
    maintenance_table,
    short_falls_below,
    worst_size,
)
from stream_engine.messages.instrument import Tier

# 1 % up to 1,000, 5 % up to 10,000, 20 % above: amounts in whole money, deductions 40 and 1,540.
TABLE = maintenance_table((Tier(1_000, 10_000), Tier(10_000, 50_000), Tier(0, 200_000)))
FLAT = maintenance_table((Tier(0, 50_000),))


def test_deductions_follow_from_the_bounds() -> None:
    assert [deduction for _, _, deduction in TABLE.tiers] == [0, 40_000_000, 1_540_000_000]


@pytest.mark.parametrize(
    ("notional", "margin"),
    [(0, 0), (100, 1), (999, 10), (1_000, 10), (1_001, 11), (2_000, 60), (9_999, 460), (10_000, 460), (10_001, 461),
     (20_000, 2_460)],
)  # fmt: skip
def test_maintenance_margin_has_no_step_where_a_tier_begins_and_is_rounded_up(notional: int, margin: int) -> None:
    assert maintenance_margin(notional, TABLE) == margin


@pytest.mark.parametrize(
    ("tiers", "complaint"),
    [
        ((), "tiers: expected at least one"),
        ((Tier(5, 10_000),), "tiers[0]: the last bound is 0 (no end), found 5"),
        ((Tier(0, 10_000), Tier(0, 20_000)), "tiers[0]: expected a bound above 0, found 0"),
        ((Tier(9, 1), Tier(9, 2), Tier(0, 3)), "tiers[1]: expected a bound above 9, found 9"),
        ((Tier(9, 10_000), Tier(0, 10_000)), "tiers[1]: expected a rate above 10000, found 10000"),
        ((Tier(9, 10_000), Tier(0, 9_999)), "tiers[1]: expected a rate above 10000, found 9999"),
        ((Tier(0, 0),), "tiers: expected rates above 0 and below 1,000,000 ppm"),
        ((Tier(0, 1_000_000),), "tiers: expected rates above 0 and below 1,000,000 ppm"),
    ],
)
def test_a_table_that_is_not_convex_and_continuous_is_refused_with_the_place(
    tiers: tuple[Tier, ...], complaint: str
) -> None:
    with pytest.raises(TierTableError) as error:
        maintenance_table(tiers)
    assert str(error.value) == complaint


@pytest.mark.parametrize(("leverage", "ppm"), [(1, 1_000_000), (2, 500_000), (3, 333_334), (50, 20_000)])
def test_the_initial_rate_is_one_over_the_leverage_rounded_up(leverage: int, ppm: int) -> None:
    assert initial_rate(leverage) == ppm


@pytest.mark.parametrize(("notional", "margin"), [(0, 0), (9, 1), (10, 1), (11, 2)])
def test_initial_margin_is_rounded_up(notional: int, margin: int) -> None:
    assert initial_margin(notional, 100_000, maintenance_table((Tier(0, 50_000),))) == margin


@pytest.mark.parametrize(
    ("size", "buying", "selling", "lots"),
    [(0, 0, 0, 0), (5, 0, 0, 5), (5, 3, 0, 8), (5, 0, 3, 5), (5, 0, 12, 7), (-5, 0, 3, 8), (-5, 12, 0, 7),
     (0, 4, 6, 6)],
)  # fmt: skip
def test_the_largest_position_that_open_orders_can_lead_to(size: int, buying: int, selling: int, lots: int) -> None:
    assert worst_size(size, buying, selling) == lots


# where a position falls ------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [FLAT, TABLE], ids=["one rate", "three tiers"])
@pytest.mark.parametrize("wallet", [0, 1, 77, 500, 1_234, 5_000])
@pytest.mark.parametrize("size", [1, 7, 100, 333])
def test_the_liquidation_price_of_a_long_is_the_last_mark_at_which_it_is_liquidatable(
    size: int, wallet: int, table: MaintenanceTable
) -> None:
    cost = size * 100
    price = long_falls_below(-wallet, cost, size, table)
    below = [wallet + size * mark - cost < maintenance_margin(size * mark, table) for mark in (price - 1, price)]
    above = [wallet + size * mark - cost < maintenance_margin(size * mark, table) for mark in (price + 1, price + 2)]
    if price > 1:
        assert below == [True, True]
    assert above == [False, False] or price < 0


@pytest.mark.parametrize("table", [FLAT, TABLE], ids=["one rate", "three tiers"])
@pytest.mark.parametrize("wallet", [0, 1, 77, 500, 1_234, 5_000])
@pytest.mark.parametrize("size", [1, 7, 100, 333])
def test_the_liquidation_price_of_a_short_is_the_first_mark_at_which_it_is_liquidatable(
    size: int, wallet: int, table: MaintenanceTable
) -> None:
    cost = -size * 100
    price = short_falls_below(-wallet, cost, size, table)
    fell = [
        wallet - size * mark - cost < maintenance_margin(size * mark, table) for mark in range(price - 2, price + 2)
    ]
    assert fell == [False, False, True, True]


def test_a_liquidation_price_worked_by_hand() -> None:
    # Long 10 at 100 with 100: falls where 100 + 10 M - 1,000 < 0.5 M, below 94.74. Short: above 104.76.
    assert long_falls_below(-100, 1_000, 10, FLAT) == 94
    assert short_falls_below(-100, -1_000, 10, FLAT) == 105


# where nothing is left -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "equity", "price"),
    [(10, 50, 95), (10, 0, 100), (10, -50, 105), (-10, 50, 105), (-10, 0, 100), (-10, -50, 95)],
)
def test_closing_at_the_bankruptcy_price_uses_up_the_equity(size: int, equity: int, price: int) -> None:
    assert bankruptcy_price(size, 100, equity, 1, 1, 1) == price
    assert equity + size * (price - 100) == 0


@pytest.mark.parametrize(("equity", "long", "short"), [(49, 96, 104), (50, 95, 105), (51, 95, 105)])
def test_a_bankruptcy_price_between_two_ticks_is_rounded_away_from_debt(equity: int, long: int, short: int) -> None:
    assert bankruptcy_price(10, 100, equity, 1, 1, 1) == long
    assert bankruptcy_price(-10, 100, equity, 1, 1, 1) == short


def test_equity_is_shared_among_positions_by_their_maintenance() -> None:
    # Equity 60; the one position has a third of the maintenance: 20 over 10 lots, 2 ticks.
    assert bankruptcy_price(10, 100, 60, 1, 3, 1) == 98
    assert bankruptcy_price(-40, 50, 60, 2, 3, 1) == 51
