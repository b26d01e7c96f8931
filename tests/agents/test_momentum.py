"""Momentum shorts: they read a fall, sell into it once, and come again as often as they have money for."""

from collections.abc import Sequence

import pytest

from producers.momentum import Momentum, MomentumShorts, momentum_sellers
from producers.noise import Noise
from stream_engine.messages.inputs import Input, SetLeverage, SetMarginMode, Side
from tests.agents.stage import (
    SIZES,
    SYMBOL,
    VENUE,
    a_halt,
    a_liquidation,
    a_resumption,
    a_view,
    cancelled,
    falling,
    hear,
    orders,
    play,
    the_market,
)

NOISE = Noise(1, "momentum")


def shorts(many: int = 20, **settings: float) -> MomentumShorts:
    momentum = Momentum(**({"wait_s": 30.0, "again": 0.0} | settings))  # type: ignore[arg-type]
    return MomentumShorts(VENUE, {SYMBOL: range(1, many + 1)}, momentum, SIZES, a_view(), NOISE)


def test_momentum_shorts_sell_once_each_after_a_fall_and_never_in_a_calm() -> None:
    assert not orders(play(shorts(), falling(99.5), range(1_000)))
    sent = orders(play(shorts(), falling(85.0), range(1_000)))
    assert sorted(order.account for _, order in sent) == list(range(1, 21))
    assert all(order.side is Side.SELL for _, order in sent)


@pytest.mark.parametrize(("to", "sells"), [(98.6, False), (98.5, True), (98.4, True)])
def test_the_first_believes_at_the_fall_said_and_not_before(to: float, sells: bool) -> None:
    path = falling(to, seconds=300)
    settings = {"trigger_pct": 1.5, "late_pct": 1.5, "lookback_s": 300, "wait_s": 1.0}
    assert bool(orders(play(shorts(many=1, **settings), path, range(320)))) == sells


def test_a_fall_that_took_longer_than_they_look_back_moves_nobody() -> None:
    path = falling(90.0)  # one percent in a hundred seconds
    assert not orders(play(shorts(lookback_s=100, trigger_pct=1.5), path, range(1_000)))
    assert orders(play(shorts(lookback_s=200, trigger_pct=1.5), path, range(1_000)))


def test_the_later_one_believes_the_more_leverage_it_takes_and_never_more_than_the_market_allows() -> None:
    momentum = Momentum(leverage_from=5, leverage_to=90, trigger_pct=1.5, late_pct=6.0)
    sellers = momentum_sellers(momentum, {SYMBOL: range(1, 201)}, SIZES, NOISE)
    by_fall = [seller.leverage for seller in sorted(sellers, key=lambda seller: -seller.fall)]
    assert by_fall == sorted(by_fall)
    assert by_fall[0] < 10 and by_fall[-1] == SIZES[SYMBOL].max_leverage
    assert all(-0.06 <= seller.fall <= -0.015 for seller in sellers)


def test_sizes_are_lognormal_round_the_one_said_and_money_is_margin_for_every_round() -> None:
    sellers = momentum_sellers(Momentum(size_of_depth=0.01, size_sigma=1.0), {SYMBOL: range(1, 1_001)}, SIZES, NOISE)
    sizes = sorted(seller.usdt for seller in sellers)
    assert sizes[500] == pytest.approx(10_000, rel=0.1)
    assert sizes[-1] > 10 * sizes[500]
    assert all(seller.money_usdt() >= seller.rounds * seller.usdt / seller.leverage for seller in sellers)


def test_a_short_stands_alone_with_the_leverage_its_owner_chose() -> None:
    sent: Sequence[Input] = next(each for each in play(shorts(many=1), falling(85.0), range(1_000)).values() if each)
    mode, leverage, order = sent
    assert isinstance(mode, SetMarginMode) and mode.isolated
    (seller,) = momentum_sellers(Momentum(again=0.0), {SYMBOL: [1]}, SIZES, NOISE)
    assert isinstance(leverage, SetLeverage) and leverage.leverage == seller.leverage
    assert [order] == [each for _, each in orders({0: sent})]


@pytest.mark.parametrize(("again", "rounds"), [(0.0, {1}), (0.5, {1, 2, 3, 4}), (1.0, {4})])
def test_who_has_money_for_more_rounds_is_a_matter_of_chance(again: float, rounds: set[int]) -> None:
    sellers = momentum_sellers(Momentum(again=again), {SYMBOL: range(1, 201)}, SIZES, NOISE)
    assert {seller.rounds for seller in sellers} == rounds


def test_who_was_liquidated_comes_again_with_the_next_fall_while_it_has_money() -> None:
    path = falling(70.0, seconds=3_000)
    agent = shorts(many=1, again=1.0, wait_s=5.0)
    times: list[int] = []
    for second in range(3_000):
        events = [a_liquidation(second)] if times and second == times[-1] + 10 else []
        if orders({second: hear(agent, second, [*events, *the_market(path, second)])}):
            times.append(second)
    assert len(times) == 4


def test_who_found_no_buyer_tries_again_with_another_round() -> None:
    path = falling(70.0)
    agent = shorts(many=1, again=1.0, wait_s=5.0)
    (_, order), *_ = orders(play(agent, path, range(600)))
    assert not orders(play(agent, path, range(600, 620)))
    hear(agent, 620, [cancelled(order, 620), *the_market(path, 620)])
    assert len(orders(play(agent, path, range(621, 700)))) == 1


def test_while_trading_is_halted_nobody_sells_and_the_next_reading_counts() -> None:
    path = falling(70.0)
    agent = shorts(wait_s=1.0)
    hear(agent, 0, [a_halt(0), *the_market(path, 0)])
    assert not any(play(agent, path, range(1, 500)).values())
    sent = {500: hear(agent, 500, [a_resumption(500), *the_market(path, 500)])}
    assert len(orders(sent | play(agent, path, range(501, 600)))) == 20
