"""Matching: at which price, with whom, and what both sides are left with."""

import pytest

from stream_engine.messages.events import CancelReason, OrderCancelled, QuoteAccepted, Traded, TradePrinted
from stream_engine.messages.inputs import Side
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    MM,
    an_exchange,
    apply,
    book,
    buy,
    held,
    one,
    only,
    quote,
    sell,
    trades,
    wallet,
)


def test_a_fill_is_at_the_makers_price_never_at_the_takers() -> None:
    exchange = an_exchange(book="4 @ 99 | 101 @ 5")
    assert trades(apply(exchange, buy(1, 110), sell(1, 90))) == ["1 @ 101", "1 @ 99"]


def test_every_fill_says_who_traded_and_what_is_left_of_both_orders() -> None:
    exchange = an_exchange()
    apply(exchange, sell(3, 101, by=BOB), sell(9, 102, by=CAROL))
    first, second = only(apply(exchange, buy(5, 102)), Traded)
    assert (first.taker, first.maker, first.size, first.taker_left, first.maker_left) == (ALICE, BOB, 3, 2, 0)
    assert (second.taker, second.maker, second.size, second.taker_left, second.maker_left) == (ALICE, CAROL, 2, 0, 7)
    assert {first.taker_side, second.taker_side} == {Side.BUY}


def test_every_fill_is_printed_on_the_market_without_names() -> None:
    exchange = an_exchange(book="| 101 @ 2, 102 @ 3")
    prints = only(apply(exchange, buy(5, 102)), TradePrinted)
    assert [(fill.price, fill.size, fill.taker_side) for fill in prints] == [(101, 2, Side.BUY), (102, 3, Side.BUY)]


def test_no_fill_is_of_size_zero_at_the_edge_of_an_order() -> None:
    exchange = an_exchange(book="| 101 @ 2, 102 @ 3")
    assert trades(apply(exchange, buy(2, 102), buy(3, 102), buy(1, 102))) == ["2 @ 101", "3 @ 102"]


def test_what_one_side_buys_the_other_sells() -> None:
    exchange = an_exchange(book="| 101 @ 5")
    apply(exchange, buy(3, 101))
    assert (held(exchange, ALICE), held(exchange, MM)) == (3, -3)


def test_an_order_never_trades_with_its_own_account_the_resting_one_is_cancelled_and_the_taker_goes_on() -> None:
    exchange = an_exchange()
    apply(exchange, sell(2, 101, id="mine"), sell(2, 101, by=BOB))
    events = apply(exchange, buy(3, 101))
    cancelled = one(events, OrderCancelled)
    assert (cancelled.client_id, cancelled.size, cancelled.reason) == ("mine", 2, CancelReason.SELF_TRADE)
    assert trades(events) == ["2 @ 101"] and held(exchange, ALICE) == 2
    assert book(exchange) == "1 @ 101 |"


def test_an_own_order_behind_one_that_fills_the_taker_stays() -> None:
    exchange = an_exchange()
    apply(exchange, sell(2, 101, by=BOB), sell(2, 101))
    assert not only(apply(exchange, buy(2, 101)), OrderCancelled)
    assert book(exchange) == "| 101 @ 2"


def test_an_own_order_worse_than_the_limit_stays() -> None:
    exchange = an_exchange()
    apply(exchange, sell(2, 102))
    assert not only(apply(exchange, buy(2, 101)), OrderCancelled)
    assert book(exchange) == "2 @ 101 | 102 @ 2"


def test_an_own_quote_level_in_the_way_is_cancelled_and_the_quote_says_what_still_rests() -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, [(99, 1)], [(101, 2), (102, 2)]), sell(1, 102, by=BOB))
    events = apply(exchange, buy(1, 101, by=MM))
    assert not trades(events)
    assert one(events, QuoteAccepted).asks == ((102, 2),)
    assert book(exchange) == "1 @ 99, 1 @ 101 | 102 @ 3"


def test_two_accounts_of_one_participant_may_trade_with_each_other() -> None:
    exchange = an_exchange()
    assert trades(apply(exchange, sell(1, 100, by=BOB), buy(1, 100, by=CAROL))) == ["1 @ 100"]


# fees ------------------------------------------------------------------------------------------------------


def test_the_taker_pays_the_taker_fee_and_the_maker_the_makers_on_the_value_of_the_fill() -> None:
    exchange = an_exchange(book="| 100 @ 10", wallets={ALICE: 1_000, MM: 1_000}, taker_fee_ppm=500, maker_fee_ppm=200)
    traded = one(apply(exchange, buy(10, 100)), Traded)
    assert (traded.taker_fee, traded.maker_fee) == (500_000, 200_000)
    assert (wallet(exchange, ALICE), wallet(exchange, MM)) == (999.5, 999.8)


def test_a_rebate_is_paid_to_the_maker() -> None:
    exchange = an_exchange(book="| 100 @ 10", wallets={MM: 1_000}, taker_fee_ppm=500, maker_fee_ppm=-100)
    assert one(apply(exchange, buy(10, 100)), Traded).maker_fee == -100_000
    assert wallet(exchange, MM) == 1_000.1


@pytest.mark.parametrize(("ppm", "fee"), [(0, 0), (1, 1), (-1, 0)])
def test_a_fee_below_the_smallest_money_is_rounded_up_and_such_a_rebate_down(ppm: int, fee: int) -> None:
    exchange = an_exchange(
        book="| 1 @ 1", marks={"BTC": 1}, tick_size="0.1", lot_size="0.1", tick_value=10_000,
        taker_fee_ppm=1, maker_fee_ppm=ppm,
    )  # fmt: skip
    traded = one(apply(exchange, buy(1, 1)), Traded)
    assert (traded.taker_fee, traded.maker_fee) == (1, fee)
