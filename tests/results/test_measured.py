"""What is measured of a run: each figure by its rule, on minutes made by hand."""

import pytest

from consumers.paths import MINUTE_US
from tests.results.measured import (
    MARKED_AFTER,
    THIN_FOR,
    all_out,
    back_percent,
    earned_bp,
    fall_between,
    first_back,
    midnight,
    per_million_sold,
    thinning_starts,
    top_percent,
    trough_of,
)
from tests.results.trace import Minute, Quoted

NEWS_US = 10 * MINUTE_US
M = 10**12  # a million USD


def minutes(*values: float) -> dict[int, float]:
    """A figure minute by minute: ten normal ones of 100, then these."""
    return {at * MINUTE_US: value for at, value in enumerate([100.0] * 10 + list(values))}


def spreads(*values: float | None) -> list[Minute]:
    """Spreads minute by minute: ten normal ones of 100, then these."""
    every = [100.0] * 10 + list(values)
    return [Minute(at * MINUTE_US, 1.0, 1.0, value) for at, value in enumerate(every)]


@pytest.mark.parametrize(("under", "starts"), [(THIN_FOR - 1, None), (THIN_FOR, 12), (THIN_FOR + 1, 12)])
def test_thinning_starts_once_depth_stays_under_the_bound_for_five_minutes(under: int, starts: int | None) -> None:
    depth = minutes(100, 100, *[79] * under, 100, 100)
    assert thinning_starts(depth, NEWS_US) == (None if starts is None else starts * MINUTE_US)


@pytest.mark.parametrize(("depth", "is_thin"), [(79, True), (80, False), (81, False)])
def test_thin_is_what_is_under_four_fifths_of_normal(depth: float, is_thin: bool) -> None:
    assert (thinning_starts(minutes(*[depth] * THIN_FOR), NEWS_US) is not None) == is_thin


def test_a_minute_that_is_not_thin_begins_it_anew() -> None:
    assert thinning_starts(minutes(79, 79, 79, 79, 80, *[79] * THIN_FOR), NEWS_US) == 15 * MINUTE_US


def test_what_was_thin_before_the_news_is_no_thinning_and_without_a_normal_there_is_none() -> None:
    before = minutes(100, 100) | {at * MINUTE_US: 79.0 for at in range(2, 7)}
    assert thinning_starts(before, NEWS_US) is None
    assert thinning_starts(minutes(*[1] * THIN_FOR), 0) is None


def test_the_trough_is_the_middle_of_the_first_of_the_least_five_minutes_after_the_news_in_percent_of_normal() -> None:
    assert trough_of(minutes(50, *[2] * 5, 30, *[2] * 5), NEWS_US) == (13 * MINUTE_US, 2.0)
    assert trough_of(minutes(*[2] * 4), NEWS_US) is None


def test_one_empty_minute_is_a_fifth_of_five() -> None:
    assert trough_of(minutes(50, 0, 50, 50, 50, *[20] * 5, 50), NEWS_US) == (17 * MINUTE_US, 20.0)


def test_all_are_out_when_the_last_one_leaves_while_the_others_are_still_out() -> None:
    assert all_out([[(5, 9)], [(7, None)]]) == 7
    assert all_out([[(5, 7)], [(7, None)]]) is None  # back in the moment in which the other leaves
    assert all_out([[(5, 7), (8, 9)], [(7, None)]]) == 8
    assert all_out([[(5, None)], []]) is None


def test_the_first_back_is_the_first_whose_absence_ends_after_the_trough() -> None:
    assert first_back([[(1, 4), (5, 20)], [(2, 12)], [(3, None)]], after_us=10) == 12
    assert first_back([[(1, 4)], [(3, None)]], after_us=10) is None


@pytest.mark.parametrize(("after", "percent"), [(200.0, 87.5), (180.0, 90.0), (100.0, 100.0)])
def test_spreads_are_back_by_the_part_of_the_way_from_the_widest_minute_to_the_normal_one(
    after: float, percent: float
) -> None:
    assert back_percent(spreads(900, *[500] * 34, after, 100, 100), NEWS_US) == percent


def test_a_minute_without_a_spread_is_nowhere_near_and_the_end_of_the_run_counts_where_it_comes_earlier() -> None:
    assert back_percent(spreads(900, *[500] * 34, None, 100), NEWS_US) == 0.0
    assert back_percent(spreads(900, 300), NEWS_US) == 75.0
    assert back_percent(spreads(100, 90), NEWS_US) is None  # never wider than normal


def bought(lots: int, at: int) -> Quoted:
    """What makers bought, or sold if it is below zero."""
    return Quoted(lots, lots * at, abs(lots) * at)


@pytest.mark.parametrize(("later", "bp"), [(99, -100), (100, 0), (101, 100)])
def test_quotes_that_bought_earn_what_the_mark_is_higher_five_minutes_later(later: int, bp: float) -> None:
    marks = {0: 100, MARKED_AFTER * MINUTE_US: later}
    assert earned_bp({0: bought(3, at=100)}, marks, 0, MINUTE_US) == bp
    assert earned_bp({0: bought(-3, at=100)}, marks, 0, MINUTE_US) == -bp


def test_what_is_bought_and_sold_in_a_minute_earns_the_spread_whatever_the_mark() -> None:
    both = Quoted(0, 5 * 99 - 5 * 101, 5 * 99 + 5 * 101)
    for mark in (50, 100, 200):
        assert earned_bp({0: both}, {MARKED_AFTER * MINUTE_US: mark}, 0, MINUTE_US) == 100


def test_only_minutes_of_the_window_whose_later_mark_is_known_count() -> None:
    quoted = {minute * MINUTE_US: bought(1, at=100) for minute in range(4)}
    marks = {(minute + MARKED_AFTER) * MINUTE_US: mark for minute, mark in enumerate((1, 110, 120))}
    assert earned_bp(quoted, marks, MINUTE_US, 2 * MINUTE_US) == 1_000
    assert earned_bp(quoted, marks, MINUTE_US, 4 * MINUTE_US) == 1_500  # of the last one no later mark is known
    assert earned_bp(quoted, marks, 3 * MINUTE_US, 4 * MINUTE_US) is None


def test_the_fund_falls_from_what_it_had_when_the_span_begins_to_the_lowest_within() -> None:
    balance = {0: 100, 1: 200, 2: 150, 3: 80, 4: 10}
    assert fall_between(balance, 2, 4) == 60.0
    assert fall_between(balance, 0, 4) is None  # nothing is known from before
    assert fall_between({0: 0, 1: 5}, 1, 2) is None


@pytest.mark.parametrize(("accounts", "counted"), [(99, 1), (199, 1), (200, 2)])
def test_the_top_is_a_hundredth_of_the_accounts_and_one_at_least(accounts: int, counted: int) -> None:
    taken = [1] * (accounts - 2) + [50, 100]
    assert top_percent(taken) == pytest.approx(100 * (150 if counted == 2 else 100) / sum(taken))
    assert top_percent([]) is None


def test_a_million_pushes_by_a_percent_for_every_million_of_bids() -> None:
    bids = {0: 0.5 * M, MINUTE_US: 0.3 * M, 2 * MINUTE_US: 9.0 * M}
    assert per_million_sold(bids, 0, 2 * MINUTE_US) == pytest.approx(2.5)
    assert per_million_sold(bids, 3 * MINUTE_US, 4 * MINUTE_US) is None


def test_midnight_is_that_before() -> None:
    assert midnight(1_760_127_301_000_000) == 1_760_054_400_000_000
    assert midnight(1_760_054_400_000_000) == 1_760_054_400_000_000
