"""The outside market: a path that is given, and a feed that may stand still."""

import statistics
from collections.abc import Mapping
from datetime import timedelta

import msgspec
import pytest

from producers.shocks import SECOND_US, Knot, News, Outside, OutsideMarket, OutsidePath
from stream_engine.messages.inputs import IndexPrices, PriceShock
from tests.agents.stage import START, START_US, SYMBOL, VENUE, a_path, an_instrument, an_outside


def price(path: OutsidePath, second: int) -> float:
    return path.prices(START_US + second * SECOND_US)[SYMBOL]


def a_market(outside: Outside, hedgers: Mapping[int, float] | None = None) -> OutsideMarket:
    return OutsideMarket({VENUE: {SYMBOL: an_instrument()}}, outside, a_path(outside), hedgers or {})


def test_between_two_knots_the_price_runs_in_a_straight_line() -> None:
    path = a_path(an_outside((0, 100.0), (100, 90.0)))
    assert [price(path, second) for second in (0, 25, 50, 100)] == [100.0, 97.5, 95.0, 90.0]


def test_before_the_first_knot_and_after_the_last_the_price_stands() -> None:
    path = a_path(an_outside((60, 100.0), (160, 90.0)))
    assert [price(path, second) for second in (0, 59, 60)] == [100.0, 100.0, 100.0]
    assert [price(path, second) for second in (160, 161, 3_600)] == [90.0, 90.0, 90.0]


def test_news_moves_the_price_at_once_and_not_a_second_before() -> None:
    outside = msgspec.structs.replace(
        an_outside((0, 100.0), (600, 95.0), (1_200, 95.0)),
        news=[News(START + timedelta(seconds=600), "tariff", "", {SYMBOL: -5.0})],
    )
    path = a_path(outside)
    assert [price(path, second) for second in (599, 600, 601)] == pytest.approx([100.0, 95.0, 95.0])


def test_news_is_not_told_by_the_volatility_before_it() -> None:
    calm, restless = Knot(START, {SYMBOL: 100.0}, 0.0), Knot(START + timedelta(seconds=600), {SYMBOL: 100.0}, 3.0)
    news = [News(START + timedelta(seconds=600), "tariff", "", {SYMBOL: 0.0})]
    path = a_path(msgspec.structs.replace(an_outside(), knots=[calm, restless], news=news))
    assert {price(path, second) for second in range(600)} == {100.0}
    assert price(path, 601) != 100.0


def test_half_the_scale_is_half_of_every_deviation_from_the_first_price() -> None:
    outside = an_outside((0, 100.0), (60, 80.0), (120, 110.0))
    half = a_path(msgspec.structs.replace(outside, scale=0.5))
    assert [price(half, second) for second in (0, 60, 120)] == [100.0, 90.0, 105.0]


def test_a_shift_moves_the_whole_path_noise_included() -> None:
    outside = an_outside((0, 100.0), (600, 90.0), noise=1.0)
    shifted = a_path(msgspec.structs.replace(outside, shift_s=3_600))
    path = a_path(outside)
    later_us = START_US + 3_600 * SECOND_US
    assert all(
        shifted.prices(later_us + second * SECOND_US) == path.prices(START_US + second * SECOND_US)
        for second in range(0, 1_200, 7)
    )


def test_a_shorter_run_sees_the_same_prices() -> None:
    outside = an_outside((0, 100.0), (600, 90.0), noise=1.0)
    shorter, longer = a_path(outside, 900), a_path(outside, 3_600)
    assert [price(shorter, second) for second in range(900)] == [price(longer, second) for second in range(900)]


def test_noise_has_the_normal_volatility_times_the_knots_factor() -> None:
    for factor in (1.0, 4.0):
        path = a_path(an_outside((0, 100.0), (3_600, 100.0), noise=factor))
        moves = [price(path, second + 1) / price(path, second) - 1 for second in range(3_000)]
        assert statistics.pstdev(moves) == pytest.approx(factor * 1e-4, rel=0.1)


def test_the_outside_market_is_silent_from_the_first_second_of_a_fault_to_its_last() -> None:
    market = a_market(an_outside((0, 100.0), faults=[(3, 5)]))
    sent = {second: market.decide(START_US + second * SECOND_US, []) for second in range(7)}
    assert [second for second, inputs in sent.items() if not inputs] == [3, 4]
    assert all(isinstance(each, IndexPrices) for inputs in sent.values() for each in inputs)


def test_news_is_published_once_at_its_time_with_the_price_after_it() -> None:
    news = News(START + timedelta(seconds=60), "tariff", "100 %", {SYMBOL: -5.0})
    outside = msgspec.structs.replace(an_outside((0, 100.0), (60, 95.0)), news=[news])
    market = a_market(outside)
    shocks = [
        (second, each)
        for second in range(120)
        for each in market.decide(START_US + second * SECOND_US, [])
        if isinstance(each, PriceShock)
    ]
    assert [(second, shock.label, shock.prices) for second, shock in shocks] == [(60, "tariff", ((SYMBOL, 9_500),))]


def test_another_seed_draws_another_noise_round_the_same_line() -> None:
    outside = an_outside((0, 100.0), (600, 90.0), noise=1.0)
    one, other = a_path(outside, seed=1), a_path(outside, seed=2)
    assert price(one, 300) != price(other, 300)
    assert price(one, 300) == pytest.approx(price(other, 300), rel=0.01)
