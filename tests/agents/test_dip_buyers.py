"""Dip buyers: their bids hang on the outside price, and they have money for a few."""

import pytest

from producers.dip_buyers import DipBuyers, Dips
from producers.noise import Noise
from stream_engine.messages.events import AnyEvent, Traded
from stream_engine.messages.inputs import Cancel, Place, Side
from stream_engine.messages.refusals import Reject
from tests.agents.stage import (
    SIZES,
    START_US,
    SYMBOL,
    VENUE,
    a_halt,
    a_resumption,
    a_view,
    falling,
    hear,
    orders,
    play,
    refused,
    the_market,
)


def dip_buyers(**settings: float) -> DipBuyers:
    dips = Dips(**({"density_of_depth": {SYMBOL: 0.1}, "farthest_pct": {SYMBOL: 21.5}} | settings))  # type: ignore[arg-type]
    return DipBuyers(VENUE, {SYMBOL: range(1, 41)}, dips, SIZES, a_view(), Noise(1, "dip-buyers"))


def test_dip_bids_stand_below_the_outside_price_as_deep_and_as_dense_as_said() -> None:
    path = falling(100.0)
    placed = [order for _, order in orders(play(dip_buyers(), path, range(10)))]
    assert len(placed) == 40 and all(order.side is Side.BUY for order in placed)
    assert all(7_850 <= (order.price or 0) <= 9_850 for order in placed)
    assert sum((order.price or 0) * order.size * 1e-4 for order in placed) == pytest.approx(2_000_000, rel=0.01)


def test_dip_bids_follow_the_outside_price_and_never_the_last_trade() -> None:
    standing = falling(100.0)
    sent = play(dip_buyers(), standing, range(600), gap=-0.3)
    assert not [each for inputs in sent.values() for each in inputs if isinstance(each, Cancel)]
    moving = falling(80.0)
    sent = play(dip_buyers(), moving, range(600))
    assert len([each for inputs in sent.values() for each in inputs if isinstance(each, Cancel)]) == 40


def test_a_dip_buyer_whose_bid_was_filled_comes_again_as_often_as_it_has_money_for() -> None:
    path = falling(100.0)
    buyers = dip_buyers(refills=1, refill_s=5.0)
    times = 0
    answer: list[AnyEvent] = []
    for second in range(300):
        inputs = hear(buyers, second, [*answer, *the_market(path, second)])
        placed = [each for each in inputs if isinstance(each, Place) and each.account == 1]
        times += len(placed)
        answer = [
            Traded(
                VENUE, second, 3, START_US, None, SYMBOL, order.price or 0, order.size, 99, 7, Side.SELL, 0, 0,
                order.account, 8, 0, 0,
            )
            for order in placed
        ]  # fmt: skip
    assert times == 2


def test_while_trading_is_halted_no_new_bid_is_sent() -> None:
    path = falling(100.0)
    buyers = dip_buyers()
    hear(buyers, 0, [a_halt(0), *the_market(path, 0)])
    assert not orders(play(buyers, path, range(1, 60)))
    hear(buyers, 60, [a_resumption(60), *the_market(path, 60)])
    assert len(orders(play(buyers, path, range(61, 70)))) >= 32  # each looks every five seconds


@pytest.mark.parametrize(("reason", "again"), [(Reject.TRADING_PAUSED, 1), (Reject.INSUFFICIENT_MARGIN, 0)])
def test_a_bid_refused_for_a_pause_comes_again_and_one_refused_for_itself_does_not(reason: Reject, again: int) -> None:
    path = falling(100.0)
    buyers = dip_buyers()
    (_, order), *_ = orders(play(buyers, path, range(10)))
    sent = {10: hear(buyers, 10, [refused(order, 10, reason), *the_market(path, 10)])}
    sent |= play(buyers, path, range(11, 60))
    assert len([one for _, one in orders(sent) if one.account == order.account]) == again
