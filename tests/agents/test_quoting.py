"""What quoting pays and costs: the formulas, each by what it is for."""

import msgspec
import pytest

from producers import quoting
from producers.quoting import HOLDS_S, Crowding, Scale

SCALE = Scale(depth_usdt=1_000_000, half_spread=5e-4, volatility=1e-4)
# A crowd priced per symbol of this very volatility: a fall counts as it is.
CROWD = Crowding(rate=1e-3, flow=0.01, loss=0.2, fall_pct=5.0, volatility_bp=1.0, oi_floor=0.5)
WIDEST = 0.03


# width -----------------------------------------------------------------------------------------------------


def width(volatility: float = 1e-4, horizon_s: float = 4.0, load: float = 0.0, gap: float = 0.0) -> float:
    return quoting.half_width(SCALE, volatility, horizon_s, load, gap, WIDEST)


@pytest.mark.parametrize(("volatility", "times"), [(0.5e-4, 1.0), (1e-4, 1.0), (2e-4, 2.0), (6e-4, 6.0)])
def test_half_the_spread_grows_with_volatility_and_is_never_less_than_the_normal_one(
    volatility: float, times: float
) -> None:
    assert width(volatility) == pytest.approx(times * SCALE.half_spread)


def test_who_holds_longer_quotes_at_least_as_wide_as_the_price_runs_meanwhile() -> None:
    assert width(horizon_s=100.0) == pytest.approx(0.8 * 1e-4 * 10)


@pytest.mark.parametrize(("load", "times"), [(0.0, 1.0), (0.4, 1.3), (-0.4, 1.3), (1.0, 1.75), (-3.0, 1.75)])
def test_inventory_on_either_side_widens_up_to_its_limit(load: float, times: float) -> None:
    assert width(load=load) == pytest.approx(times * SCALE.half_spread)


@pytest.mark.parametrize(("gap", "more"), [(0.002, 0.0), (0.003, 0.0), (0.007, 0.001), (0.5, WIDEST - 5e-4)])
def test_a_gap_of_more_than_30_bp_widens_and_nothing_widens_beyond_the_widest(gap: float, more: float) -> None:
    assert width(gap=gap) == pytest.approx(SCALE.half_spread + more)


# flow ------------------------------------------------------------------------------------------------------


def test_flow_that_comes_both_ways_pays_half_the_spread_on_its_share_of_both_sides() -> None:
    assert quoting.flow_income(0.25, bought=400.0, sold=1_000.0, quoted=1e6, width=1e-3) == pytest.approx(0.2)


def test_nobody_earns_on_more_than_a_twentieth_of_what_he_quotes_in_a_second() -> None:
    assert quoting.flow_income(1.0, 1e9, 1e9, quoted=1_000.0, width=1e-3) == pytest.approx(50 * 1e-3)


@pytest.mark.parametrize(("bought", "sold"), [(500.0, 500.0), (0.0, 0.0)])
def test_flow_that_is_balanced_costs_nothing(bought: float, sold: float) -> None:
    assert quoting.flow_loss(1.0, bought, sold, 1e6, 0.0, 1e-3) == 0.0


@pytest.mark.parametrize(("bought", "sold"), [(0.0, 1_000.0), (1_000.0, 0.0)])
def test_flow_that_comes_one_way_costs_what_the_price_runs_beyond_the_spread_whichever_way(
    bought: float, sold: float
) -> None:
    runs = 0.6 * 2 * 1e-3 * HOLDS_S**0.5
    assert quoting.flow_loss(0.25, bought, sold, 1e6, 1e-3, 1e-3) == pytest.approx(250 * (runs - 1e-3))


def test_a_spread_as_wide_as_the_price_runs_costs_nothing_and_no_loss_is_an_income() -> None:
    runs = 0.6 * 2 * 1e-3 * HOLDS_S**0.5
    losses = [quoting.flow_loss(1.0, 0.0, 1_000.0, 1e6, runs + more, 1e-3) for more in (-1e-4, 0.0, 1e-4)]
    assert losses == pytest.approx([0.1, 0.0, 0.0])


def test_the_more_one_sided_the_dearer_the_same_excess() -> None:
    alone, among_others = (
        quoting.flow_loss(1.0, bought, bought + 1_000.0, 1e6, 0.0, 1e-3) for bought in (0.0, 9_000.0)
    )
    assert alone > 1.5 * among_others > 0


# the crowd -------------------------------------------------------------------------------------------------


def hazard(
    fall: float = 0.05, long_share: float = 1.0, oi_left: float = 1.0, forced: float = 0.0, volatility: float = 1e-4,
    crowd: Crowding = CROWD,
) -> float:  # fmt: skip
    scale = msgspec.structs.replace(SCALE, volatility=volatility)
    return quoting.crowd_hazard(crowd, scale, fall, long_share, oi_left, forced)


@pytest.mark.parametrize(("fall", "times"), [(-0.1, 0.0), (0.0, 0.0), (0.05, 1 / 1.05), (0.1, 8 / 1.4)])
def test_the_danger_grows_with_the_fall_and_a_rise_is_none(fall: float, times: float) -> None:
    assert hazard(fall) == pytest.approx(times * CROWD.rate)


def test_the_danger_does_not_grow_without_end() -> None:
    assert hazard(0.9) < 20 * CROWD.rate


@pytest.mark.parametrize(("long_share", "times"), [(0.2, 0.0), (0.5, 0.0), (0.75, 0.5), (0.87, 0.74), (1.0, 1.0)])
def test_as_many_longs_as_shorts_are_no_danger_in_a_fall_and_87_percent_are_three_quarters_of_it(
    long_share: float, times: float
) -> None:
    assert hazard(long_share=long_share) == pytest.approx(times * hazard(), abs=1e-12)


@pytest.mark.parametrize(("oi_left", "times"), [(0.3, 0.0), (0.5, 0.0), (0.75, 0.25), (1.0, 1.0)])
def test_what_has_been_closed_can_no_longer_be_forced_out(oi_left: float, times: float) -> None:
    assert hazard(oi_left=oi_left) == pytest.approx(times * hazard(), abs=1e-12)


def test_where_all_open_interest_is_held_without_danger_there_is_none() -> None:
    assert hazard(crowd=msgspec.structs.replace(CROWD, oi_floor=1.0)) == 0.0


def test_a_livelier_symbol_falls_further_for_the_same_danger() -> None:
    times = 9**CROWD.liveliness
    assert hazard(0.05 * times, volatility=9e-4) == pytest.approx(hazard(0.05))
    assert hazard(0.05, volatility=9e-4) < hazard(0.05) / 5


def test_forced_selling_that_is_under_way_is_a_danger_by_itself() -> None:
    assert hazard(fall=0.0, forced=0.1) == pytest.approx(0.1 * CROWD.flow)
    assert hazard(forced=0.1) - hazard() == pytest.approx(0.1 * CROWD.flow)


def test_what_it_may_cost_is_a_share_of_what_is_quoted() -> None:
    assert quoting.crowd_loss(CROWD, 1e-3, quoted=1e6, seen=1.0, alone=0.5) == pytest.approx(1e6 * 1e-3 * 0.2)


@pytest.mark.parametrize(("seen", "times"), [(1.0, 1.0), (0.25, 2.0), (0.01, 10.0), (0.0, 10.0)])
def test_the_last_one_left_bears_most_and_an_empty_book_is_no_infinity(seen: float, times: float) -> None:
    full = quoting.crowd_loss(CROWD, 1e-3, 1e6, 1.0, 0.5)
    assert quoting.crowd_loss(CROWD, 1e-3, 1e6, seen, 0.5) == pytest.approx(times * full)


def test_who_does_not_mind_being_alone_does_not() -> None:
    assert quoting.crowd_loss(CROWD, 1e-3, 1e6, 0.01, 0.0) == quoting.crowd_loss(CROWD, 1e-3, 1e6, 1.0, 0.0)


# arbitrage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gap", "pays"), [(0.002, 0.0), (0.003, 0.0), (0.005, 2.0)])
def test_a_gap_pays_what_it_is_beyond_the_cost_of_both_legs(gap: float, pays: float) -> None:
    assert quoting.arbitrage_income(gap, 0.003, 1_000.0) == pytest.approx(pays)
