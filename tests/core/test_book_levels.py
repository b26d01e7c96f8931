"""Levels of one side in order, however many there are: near the touch in a list, the others in a sorted container."""

import random

import pytest

from stream_engine.core import order_book
from stream_engine.core.order_book import NOTHING, BookSide, Order


def an_order(price: int, sign: int) -> Order:
    return Order(price, 1, "", "BTC", sign, price, 1)


def prices(side: BookSide) -> list[int]:
    return [level.price for level in side.best_first()]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("near", [1, 2, 5])
def test_levels_that_come_and_go_in_any_order_stay_sorted(
    monkeypatch: pytest.MonkeyPatch, near: int, sign: int
) -> None:
    monkeypatch.setattr(order_book, "NEAR", near)
    draw = random.Random(near)
    side = BookSide(sign)
    resting: dict[int, Order] = {}
    was_far = False
    for step in range(1_200):
        price = draw.randint(1, 40)
        if price in resting:
            side.remove(resting.pop(price))
        elif step % 400 < 300:  # the book fills for a while, then it empties
            resting[price] = an_order(price, sign)
            side.rest(resting[price])
        elif resting:
            taken, _ = side.take(1)
            assert taken is resting.pop(max(resting) if sign > 0 else min(resting))
        side.check()
        assert prices(side) == sorted(resting, reverse=sign > 0)
        was_far = was_far or bool(side.far)
    assert was_far


@pytest.mark.parametrize(("levels", "behind"), [(5, 0), (6, 0), (7, 3)])
def test_the_worst_levels_go_behind_when_there_are_more_than_twice_as_many_as_lie_near(
    monkeypatch: pytest.MonkeyPatch, levels: int, behind: int
) -> None:
    monkeypatch.setattr(order_book, "NEAR", 3)
    side = BookSide(-1)
    for price in range(levels, 0, -1):
        side.rest(an_order(price, -1))
    assert len(side.far) == behind
    side.check()


def test_the_levels_behind_come_to_the_touch_when_those_before_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_book, "NEAR", 2)
    side = BookSide(1)
    for price in range(1, 8):
        side.rest(an_order(price, 1))
    assert [side.take(1)[0].price for _ in range(7)] == [7, 6, 5, 4, 3, 2, 1]
    assert (side.best_key, side.near, len(side.far)) == (NOTHING, [], 0)
