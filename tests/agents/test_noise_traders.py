"""Noise traders: a trade now and then on either side, less as the spread widens."""

import pytest

from producers.noise import Noise
from producers.noise_traders import NoiseFlow, NoiseTraders
from stream_engine.messages.inputs import Side
from tests.agents.stage import SIZES, SYMBOL, VENUE, a_book, a_halt, a_view, falling, hear, orders, play, the_market


@pytest.mark.parametrize(("bid", "ask", "least", "most"), [(9_999, 10_001, 650, 750), (9_900, 10_100, 0, 30)])
def test_noise_trades_on_both_sides_and_dies_down_as_the_spread_widens(
    bid: int, ask: int, least: int, most: int
) -> None:
    path = falling(100.0)
    noise = NoiseTraders(VENUE, {SYMBOL: range(1, 31)}, NoiseFlow(), SIZES, a_view(), Noise(1, "noise"))
    hear(noise, 0, [a_book(bid, ask), *the_market(path, 0)])
    sent = [order for _, order in orders(play(noise, path, range(1, 1_001)))]
    assert least <= len(sent) <= most
    if least:
        assert {order.side for order in sent} == {Side.BUY, Side.SELL}


def test_without_a_book_noise_sends_nothing() -> None:
    path = falling(100.0)
    noise = NoiseTraders(VENUE, {SYMBOL: range(1, 31)}, NoiseFlow(), SIZES, a_view(), Noise(1, "noise"))
    assert not orders(play(noise, path, range(300)))


def test_while_trading_is_halted_noise_sends_nothing() -> None:
    path = falling(100.0)
    noise = NoiseTraders(VENUE, {SYMBOL: range(1, 31)}, NoiseFlow(), SIZES, a_view(), Noise(1, "noise"))
    assert not hear(noise, 0, [a_book(9_999, 10_001), a_halt(0), *the_market(path, 0)])
    assert not orders(play(noise, path, range(1, 300)))
