"""Pressure: which share of a symbol's move of the last minute was the liquidations' own making."""

import pytest

from consumers.pressure import Pressure
from stream_engine.messages.instrument import IndexSource
from stream_engine.messages.units import MILLION
from tests.monitors.story import SECOND, START_US, an_instrument


def a_minute(*, mark: int = 9_000, outside: int = 10_000) -> Pressure:
    """Mark and outside were 100.00; now they are these, and the half of what takers sold were liquidations."""
    pressure = Pressure(an_instrument())
    pressure.marked(START_US, 10_000)
    pressure.priced(START_US, 10_000)
    pressure.traded(START_US + 30 * SECOND, 50, sold=True, forced=True)
    pressure.traded(START_US + 30 * SECOND, 50, sold=True, forced=False)
    pressure.marked(START_US + 40 * SECOND, mark)
    pressure.priced(START_US + 40 * SECOND, outside)
    return pressure


@pytest.mark.parametrize(("outside", "share"), [(10_000, 500_000), (9_500, 250_000), (9_000, 0), (8_500, 0)])
def test_of_a_fall_what_the_outside_price_fell_too_is_not_theirs(outside: int, share: int) -> None:
    assert a_minute(outside=outside).share_ppm(START_US + 45 * SECOND, long=True) == share


def test_an_outside_price_that_rose_makes_their_share_no_larger_than_the_fall() -> None:
    assert a_minute(outside=11_000).share_ppm(START_US + 45 * SECOND, long=True) == 500_000


@pytest.mark.parametrize(("forced", "free", "share"), [(0, 10, 0), (5, 10, 333_333), (10, 0, MILLION)])
def test_of_the_rest_theirs_is_their_part_of_what_takers_sold_rounded_down(forced: int, free: int, share: int) -> None:
    pressure = Pressure(an_instrument())
    pressure.marked(START_US, 10_000)
    pressure.priced(START_US, 10_000)
    for lots, is_forced in ((forced, True), (free, False)):
        if lots:
            pressure.traded(START_US, lots, sold=True, forced=is_forced)
    pressure.traded(START_US, 1_000, sold=False, forced=False)
    pressure.marked(START_US, 9_000)
    assert pressure.share_ppm(START_US, long=True) == share


@pytest.mark.parametrize(("mark", "share"), [(9_999, 500_000), (10_000, 0), (10_001, 0)])
def test_a_mark_that_did_not_go_against_the_position_was_nobody_s_making(mark: int, share: int) -> None:
    assert a_minute(mark=mark).share_ppm(START_US + 45 * SECOND, long=True) == share


def test_for_a_short_it_is_the_rise_and_what_takers_bought() -> None:
    pressure = a_minute(mark=11_000)
    assert pressure.share_ppm(START_US + 45 * SECOND, long=False) == 0
    pressure.traded(START_US + 45 * SECOND, 1, sold=False, forced=True)
    pressure.traded(START_US + 45 * SECOND, 3, sold=False, forced=False)
    assert pressure.share_ppm(START_US + 45 * SECOND, long=False) == 250_000


@pytest.mark.parametrize(("seconds", "share"), [(59, 500_000), (60, 500_000), (61, 0)])
def test_trades_count_for_sixty_seconds(seconds: int, share: int) -> None:
    pressure = a_minute()
    at = START_US + (30 + seconds) * SECOND
    pressure.marked(at, 8_000)
    assert pressure.share_ppm(at, long=True) == share


@pytest.mark.parametrize(("seconds", "share"), [(59, 500_000), (60, 500_000), (61, 0)])
def test_the_move_is_that_from_the_last_price_before_those_seconds(seconds: int, share: int) -> None:
    pressure = a_minute()
    at = START_US + (40 + seconds) * SECOND
    pressure.traded(at, 1, sold=True, forced=True)
    pressure.traded(at, 1, sold=True, forced=False)
    assert pressure.share_ppm(at, long=True) == share


def test_where_no_outside_price_is_known_nothing_is_theirs() -> None:
    pressure = Pressure(an_instrument())
    pressure.marked(START_US, 10_000)
    pressure.traded(START_US, 1, sold=True, forced=True)
    pressure.marked(START_US, 9_000)
    assert pressure.share_ppm(START_US, long=True) == 0


def test_what_was_known_of_prices_outlasts_an_hour_without_any() -> None:
    pressure = Pressure(an_instrument())
    pressure.traded(START_US, 1, sold=True, forced=False)
    pressure.marked(START_US + 5 * SECOND, 10_000)
    pressure.priced(START_US + 5 * SECOND, 10_000)
    at = START_US + 3_600 * SECOND
    pressure.traded(at, 1, sold=True, forced=True)
    pressure.marked(at, 9_000)
    assert pressure.share_ppm(at, long=True) == MILLION


def test_parents_are_what_was_liquidated_on_the_side_within_sixty_seconds_before_the_minute_and_in_it() -> None:
    pressure = Pressure(an_instrument())
    for second, notional, long in ((10, 1, True), (50, 20, True), (55, 300, False), (61, 4_000, True)):
        pressure.liquidated(START_US + second * SECOND, notional, long=long)
    assert pressure.parents(START_US + 70 * SECOND, long=True) == (21, 4_000)
    assert pressure.parents(START_US + 71 * SECOND, long=True) == (20, 4_000)
    assert pressure.parents(START_US + 71 * SECOND, long=False) == (300, 0)
    assert pressure.parents(START_US + 120 * SECOND, long=True) == (4_000, 0)
    assert pressure.parents(START_US + 122 * SECOND, long=True) == (0, 0)


@pytest.mark.parametrize(
    ("sources", "outside"),
    [(("own", "spot"), "spot"), (("perp-Y", "own", "spot", "dex"), "spot"), (("own", "perp-Y"), None)],
)
def test_the_outside_is_the_first_source_that_is_no_perpetual_here_or_elsewhere(
    sources: tuple[str, ...], outside: str | None
) -> None:
    pressure = Pressure(an_instrument(sources=tuple(IndexSource(name, 1) for name in sources)))
    assert pressure.source == outside
