"""The outside market: a path that is given, and a feed that may stand still."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import msgspec
import pytest

from producers.shocks import SECOND_US, Impact, Knot, News, Outside, OutsideMarket, OutsidePath
from stream_engine.messages.events import AnyEvent, PositionDeleveraged
from stream_engine.messages.inputs import IndexPrices, PriceShock
from tests.agents.stage import ACCOUNT, OTHER, START, START_US, SYMBOL, VENUE, a_fill, a_path, an_instrument, an_outside


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


# what trade does to it -------------------------------------------------------------------------------------

A_MILLION = 1_000_000  # lots of a hundredth at 100 USDT: so many USDT
DEPTH = {SYMBOL: 1_000_000.0}


def answering(hedge_s: float = 0.0, noise: float = 0.0, **impact: float) -> OutsideMarket:
    """An outside market that stands at 100, moves by one percent for a million sold, and in which ACCOUNT hedges."""
    outside = an_outside((0, 100.0), noise=noise)
    settings = {"depth_usdt": DEPTH, "decay_s": 1e9, "thinnest": 1.0} | impact
    return a_market(msgspec.structs.replace(outside, impact=Impact(**settings)), {ACCOUNT: hedge_s})  # type: ignore[arg-type]


def moves_pct(market: OutsideMarket, heard: Mapping[int, Sequence[AnyEvent]], seconds: Iterable[int]) -> list[float]:
    """How far from 100 the price lies that it publishes at each second, in percent."""
    published = []
    for second in seconds:
        (prices,) = market.decide(START_US + second * SECOND_US, heard.get(second, ()))
        assert isinstance(prices, IndexPrices)
        published.append(prices.prices[0][1] / 100 - 100)
    return published


@pytest.mark.parametrize(("account_buys", "percent"), [(True, -1.0), (False, 1.0)])
def test_what_is_bought_on_a_venue_is_sold_outside_and_moves_it_by_one_percent_for_its_depth(
    account_buys: bool, percent: float
) -> None:
    fill = a_fill(1, A_MILLION, 10_000, account_buys)
    assert moves_pct(answering(), {1: [fill]}, range(3)) == pytest.approx([0.0, percent, percent], abs=0.02)


def test_it_is_hedged_a_share_of_what_is_left_every_second() -> None:
    fill = a_fill(0, A_MILLION, 10_000, account_buys=True)
    moved = moves_pct(answering(hedge_s=2.0), {0: [fill]}, range(4))
    assert moved == pytest.approx([-0.5, -0.75, -0.875, -0.9375], abs=0.02)


def test_the_move_decays() -> None:
    fill = a_fill(0, A_MILLION, 10_000, account_buys=True)
    moved = moves_pct(answering(decay_s=100.0), {0: [fill]}, range(301))
    assert [moved[second] for second in (0, 100, 300)] == pytest.approx([-1.0, -0.37, -0.05], abs=0.01)


def test_a_position_that_is_deleveraged_is_hedged_like_any_other_trade() -> None:
    taken = PositionDeleveraged(VENUE, 1, 0, START_US, None, ACCOUNT, OTHER, SYMBOL, A_MILLION, 10_000, 0, 1, 5, 5, 0)
    assert moves_pct(answering(), {1: [taken]}, range(2)) == pytest.approx([0.0, -1.0], abs=0.01)


def test_who_does_not_hedge_outside_moves_nothing_there_and_with_a_hedger_the_other_way_round_it_cancels_out() -> None:
    stranger = a_fill(0, A_MILLION, 10_000, account_buys=True, account=7)
    both = [a_fill(1, A_MILLION, 10_000, account_buys=buys) for buys in (True, False)]
    assert moves_pct(answering(), {0: [stranger], 1: both}, range(3)) == [0.0, 0.0, 0.0]


def test_without_impact_it_answers_to_nothing_and_a_symbol_that_has_no_depth_neither() -> None:
    fill = a_fill(0, A_MILLION, 10_000, account_buys=True)
    given = a_market(an_outside((0, 100.0)), {ACCOUNT: 0.0})
    other = a_market(msgspec.structs.replace(an_outside((0, 100.0)), impact=Impact({"OTHER": 1_000.0})), {ACCOUNT: 0.0})
    for market in (given, other):
        assert moves_pct(market, {0: [fill]}, range(3)) == [0.0, 0.0, 0.0]


def test_a_restless_market_is_thinner_and_never_thinner_than_said() -> None:
    fill = {300: [a_fill(300, A_MILLION // 10, 10_000, account_buys=True)]}

    def moved(noise: float, thinnest: float) -> float:
        hit = moves_pct(answering(noise=noise, thinnest=thinnest), fill, range(301))[-1]
        return moves_pct(answering(noise=noise, thinnest=thinnest), {}, range(301))[-1] - hit

    calm, restless, bounded = moved(1.0, 8.0), moved(3.0, 8.0), moved(10.0, 3.0)
    assert calm == pytest.approx(0.1, abs=0.02)
    assert 2 * calm < restless < 8 * calm
    assert bounded == pytest.approx(0.3, abs=0.02)


def test_every_venue_is_told_the_same_price_in_its_own_ticks_and_hears_the_trade_of_all() -> None:
    coarse = msgspec.structs.replace(an_instrument(), tick_size="0.1", tick_value=1_000)
    outside = msgspec.structs.replace(an_outside((0, 100.0)), impact=Impact(DEPTH, decay_s=1e9))
    venues = {VENUE: {SYMBOL: an_instrument()}, "beta": {SYMBOL: coarse}}
    market = OutsideMarket(venues, outside, a_path(outside), {ACCOUNT: 0.0})
    there = msgspec.structs.replace(a_fill(0, A_MILLION, 1_000, account_buys=True), venue="beta")
    sent = market.decide(START_US, [there])
    assert [(each.venue, each.prices) for each in sent if isinstance(each, IndexPrices)] == [
        (VENUE, ((SYMBOL, 9_900),)),
        ("beta", ((SYMBOL, 990),)),
    ]
