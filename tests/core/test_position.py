"""Position: size, cost and realised PnL, fill by fill."""

import pytest

from stream_engine.core.position import Position, fill, notional, unrealised
from tests.core.rulebook import ALICE, BOB, an_exchange, apply, book, buy, held, position_of, sell, spot, usd, wallet


def filled(*fills: tuple[int, int]) -> tuple[int, int, int]:
    """Size, cost and realised PnL after signed lots at prices, a lot gaining 1 per tick."""
    position = Position(1, "BTC", 0, 0)
    realised = sum(fill(position, lots, price, 1) for lots, price in fills)
    return position.size, position.cost, realised


@pytest.mark.parametrize(
    ("fills", "size", "cost", "realised"),
    [
        ([(10, 100)], 10, 1_000, 0),
        ([(-10, 100)], -10, -1_000, 0),
        ([(10, 100), (10, 110)], 20, 2_100, 0),
        ([(10, 100), (-4, 110)], 6, 600, 40),
        ([(10, 100), (-10, 90)], 0, 0, -100),
        ([(10, 100), (-15, 110)], -5, -550, 100),
        ([(-10, 100), (4, 90)], -6, -600, 40),
        ([(-10, 100), (10, 110)], 0, 0, -100),
        ([(-10, 100), (15, 90)], 5, 450, 100),
    ],
    ids=["open long", "open short", "add", "reduce long", "close long", "turn to short", "reduce short",
         "close short", "turn to long"],
)  # fmt: skip
def test_what_a_fill_does_to_size_cost_and_realised_profit(
    fills: list[tuple[int, int]], size: int, cost: int, realised: int
) -> None:
    assert filled(*fills) == (size, cost, realised)


@pytest.mark.parametrize(
    ("size", "cost", "released"), [(3, 9, 3), (3, 10, 3), (3, 11, 3), (3, 12, 4), (-3, -9, -3), (-3, -10, -4)]
)
def test_a_partial_close_releases_its_share_of_the_cost_rounded_down(size: int, cost: int, released: int) -> None:
    position = Position(1, "BTC", 0, 0, size=size, cost=cost)
    closed = 1 if size > 0 else -1
    assert fill(position, -closed, 4, 1) == closed * 4 - released
    assert position.cost == cost - released


@pytest.mark.parametrize("lots", [-25, -20, -7, -1, 1, 7, 20, 25])
@pytest.mark.parametrize("held_lots", [-20, 0, 20])
def test_a_fill_moves_its_value_between_wallet_and_cost_and_nothing_else(held_lots: int, lots: int) -> None:
    position = Position(1, "BTC", 0, 0, size=held_lots, cost=held_lots * 101 + (1 if held_lots else 0))
    before = position.cost
    realised = fill(position, lots, 97, 3)
    assert realised - position.cost == -before - lots * 97 * 3
    assert position.size == held_lots + lots


@pytest.mark.parametrize(("size", "profit"), [(10, 50), (0, 0), (-10, -50)])
def test_unrealised_profit_is_what_closing_at_the_mark_would_bring(size: int, profit: int) -> None:
    position = Position(1, "BTC", 0, 0, size=size, cost=size * 100)
    assert unrealised(position, 105, 1) == profit
    assert fill(position, -size, 105, 1) == profit if size else position.cost == 0


@pytest.mark.parametrize("size", [-10, 10])
def test_notional_is_never_negative(size: int) -> None:
    assert notional(Position(1, "BTC", 0, 0, size=size), 105, 2) == 2_100


def test_a_round_trip_moves_the_profit_into_the_wallet_and_leaves_nothing_behind() -> None:
    exchange = an_exchange(wallets={ALICE: 1_000, BOB: 1_000})
    apply(exchange, sell(10, 100, by=BOB), buy(10, 100), spot(BTC=110), sell(10, 110), buy(10, 110, by=BOB))
    assert (wallet(exchange, ALICE), wallet(exchange, BOB)) == (1_100, 900)
    assert (held(exchange, ALICE), position_of(exchange, ALICE).cost, book(exchange)) == (0, 0, "|")


def test_profit_that_is_not_realised_stays_out_of_the_wallet() -> None:
    exchange = an_exchange(wallets={ALICE: 1_000})
    apply(exchange, sell(10, 100, by=BOB), buy(10, 100), spot(BTC=110))
    assert wallet(exchange, ALICE) == 1_000
    assert unrealised(position_of(exchange, ALICE), 110, usd(1)) == usd(100)
