"""Reduce-only: an order that makes a position smaller, never larger, and never turns it round."""

from collections.abc import Sequence

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.state import dump, load
from stream_engine.messages.events import AnyEvent, CancelReason, OrderAccepted, OrderCancelled, Traded
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    an_exchange,
    apply,
    book,
    buy,
    cancel,
    held,
    kinds,
    leg,
    one,
    only,
    position_of,
    queue_at,
    quote,
    reasons,
    sell,
    set_leverage,
    spot,
    trades,
    wallet,
)


def alice_is_long(lots: int = 10, drawn: str = "", **more: object) -> Exchange:
    """Alice has bought from Dave at 100, before the run."""
    return an_exchange(drawn, holds=[leg(ALICE, lots, at=100), leg(DAVE, -lots, at=100)], **more)  # type: ignore[arg-type]


def cut(events: Sequence[AnyEvent]) -> list[tuple[str, int]]:
    """What was cancelled because there was nothing left to reduce: whose id, and how much."""
    return [
        (event.client_id, event.size)
        for event in only(events, OrderCancelled)
        if event.reason is CancelReason.REDUCE_ONLY
    ]


# what is taken ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lots", "allowed"), [(-1, True), (0, False), (1, False)])
def test_it_is_refused_to_whom_holds_nothing_the_other_way(lots: int, allowed: bool) -> None:
    holds = [leg(ALICE, lots, at=100), leg(DAVE, -lots, at=100)] if lots else []
    exchange = an_exchange(holds=holds)
    events = apply(exchange, buy(1, 99, reduce_only=True))
    assert reasons(events) == ([] if allowed else [Reject.REDUCE_ONLY_WITHOUT_POSITION])


def test_it_is_accepted_at_its_own_size_however_small_the_position_and_says_what_it_is() -> None:
    exchange = alice_is_long(10)
    accepted = one(apply(exchange, sell(25, 101, reduce_only=True)), OrderAccepted)
    assert (accepted.size, accepted.reduce_only) == (25, True)
    assert book(exchange) == "| 101 @ 25"


@pytest.mark.parametrize(("size", "filled", "left"), [(9, 9, 1), (10, 10, 0), (11, 10, 0)])
def test_one_that_takes_goes_as_far_as_the_position_and_the_rest_of_it_is_cancelled(
    size: int, filled: int, left: int
) -> None:
    exchange = alice_is_long(10, "50 @ 100 |")
    events = apply(exchange, sell(size, 100, reduce_only=True, id="mine"))
    assert trades(events) == [f"{filled} @ 100"] and held(exchange, ALICE) == left
    assert cut(events) == ([("mine", size - filled)] if size > filled else [])
    assert book(exchange) == f"{50 - filled} @ 100 |"


def test_what_it_cannot_take_rests_while_there_is_a_position() -> None:
    exchange = alice_is_long(10, "4 @ 100 |")
    assert trades(apply(exchange, sell(25, 100, reduce_only=True))) == ["4 @ 100"]
    assert (held(exchange, ALICE), book(exchange)) == (6, "| 100 @ 21")


def test_a_market_order_may_only_reduce() -> None:
    exchange = alice_is_long(10, "8 @ 99, 8 @ 100 |")
    events = apply(exchange, sell(30, reduce_only=True, id="mine"))
    assert trades(events) == ["8 @ 100", "2 @ 99"]
    assert (held(exchange, ALICE), cut(events)) == (0, [("mine", 20)])


def test_what_an_immediate_one_does_not_find_is_cancelled_as_such_while_there_is_a_position() -> None:
    exchange = alice_is_long(10, "4 @ 100 |")
    cancelled = one(apply(exchange, sell(9, 100, reduce_only=True, ioc=True)), OrderCancelled)
    assert (cancelled.size, cancelled.reason) == (5, CancelReason.IMMEDIATE)


@pytest.mark.parametrize(("bid", "filled"), [(9, 0), (10, 10), (11, 10)])
def test_fill_or_kill_is_judged_on_what_the_position_has(bid: int, filled: int) -> None:
    exchange = alice_is_long(10, f"{bid} @ 100 |")
    events = apply(exchange, sell(25, 100, reduce_only=True, fok=True))
    assert reasons(events) == ([] if filled else [Reject.FOK_NOT_FILLABLE])
    assert held(exchange, ALICE) == 10 - filled


# what rests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "filled", "cancelled"), [(9, 9, []), (10, 10, [("mine", 15)]), (11, 10, [("mine", 15)])]
)
def test_one_that_rests_gives_no_more_than_the_position_has(
    asked: int, filled: int, cancelled: list[tuple[str, int]]
) -> None:
    exchange = alice_is_long(10)
    apply(exchange, sell(25, 101, reduce_only=True, id="mine"))
    events = apply(exchange, buy(asked, 101, by=BOB))
    assert trades(events) == [f"{filled} @ 101"] and held(exchange, ALICE) == 10 - filled
    assert cut(events) == cancelled


def test_a_taker_goes_past_one_that_is_spent_to_the_next_order() -> None:
    exchange = alice_is_long(10)
    apply(exchange, sell(25, 101, reduce_only=True), sell(5, 101, by=CAROL))
    assert trades(apply(exchange, buy(13, 101, by=BOB))) == ["10 @ 101", "3 @ 101"]
    assert queue_at(exchange, 101) == ["carol 2"]


def test_several_may_rest_with_more_than_there_is_and_are_cut_when_the_position_is_closed_not_before() -> None:
    exchange = alice_is_long(10)
    apply(exchange, sell(8, 101, reduce_only=True, id="first"), sell(8, 102, reduce_only=True, id="second"))
    assert not cut(apply(exchange, buy(8, 101, by=BOB))) and book(exchange) == "| 102 @ 8"
    assert cut(apply(exchange, buy(1, 102, by=BOB))) == []
    assert cut(apply(exchange, buy(9, 102, by=BOB))) == [("second", 6)]
    assert (held(exchange, ALICE), book(exchange)) == (0, "8 @ 102 |")


def test_closing_the_position_by_another_order_cancels_them_in_the_order_in_which_they_came_to_rest() -> None:
    exchange = alice_is_long(10, "10 @ 100 |")
    apply(exchange, sell(3, 102, reduce_only=True, id="b"), sell(4, 101, reduce_only=True, id="a"), sell(1, 103))
    events = apply(exchange, sell(10, 100))
    assert cut(events) == [("b", 3), ("a", 4)]
    assert book(exchange) == "| 103 @ 1"


@pytest.mark.parametrize(("sold", "cancelled"), [(9, []), (10, ["mine"]), (11, ["mine"])])
def test_they_are_cancelled_when_the_position_is_closed_or_turned_round(sold: int, cancelled: list[str]) -> None:
    exchange = alice_is_long(10, "50 @ 100 |")
    apply(exchange, sell(3, 102, reduce_only=True, id="mine"))
    assert [client_id for client_id, _ in cut(apply(exchange, sell(sold, 100)))] == cancelled


def test_a_makers_are_cancelled_in_the_middle_of_a_sweep_before_they_could_open_anything() -> None:
    exchange = alice_is_long(10)
    apply(exchange, sell(15, 101), sell(9, 102, reduce_only=True, id="mine"), sell(9, 102, by=CAROL))
    events = apply(exchange, buy(20, 102, by=BOB))
    assert trades(events) == ["15 @ 101", "5 @ 102"] and cut(events) == [("mine", 9)]
    assert (held(exchange, ALICE), held(exchange, CAROL)) == (-5, -5)


def test_the_cancellation_names_the_trade_that_closed_the_position() -> None:
    exchange = alice_is_long(10)
    apply(exchange, sell(25, 101, reduce_only=True))
    events = apply(exchange, buy(10, 101, by=BOB))
    traded = one(events, Traded)
    assert one(events, OrderCancelled).cause == (traded.seq, traded.n)


def test_a_quote_of_the_same_account_that_closes_the_position_cancels_them_too() -> None:
    exchange = an_exchange(holds=[leg(MM, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, sell(3, 105, by=MM, reduce_only=True, id="mine"), quote(1, [(99, 5)], [(101, 12)]))
    assert cut(apply(exchange, buy(12, 101, by=BOB))) == [("mine", 3)]


def test_a_liquidation_order_takes_no_more_of_one_than_its_owner_has() -> None:
    exchange = an_exchange(
        wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(BOB, -4, at=100), leg(DAVE, -6, at=100)]
    )
    apply(exchange, buy(9, 95, by=BOB, reduce_only=True, id="mine"), buy(6, 94, by=CAROL))
    events = apply(exchange, spot(BTC=93))
    assert trades(events) == ["4 @ 95", "6 @ 94"] and cut(events) == [("mine", 5)]
    assert (held(exchange, BOB), held(exchange, CAROL)) == (0, 6)


def test_who_is_liquidated_or_deleveraged_loses_them_as_all_orders() -> None:
    exchange = an_exchange(wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)])
    apply(exchange, sell(5, 120, reduce_only=True, id="mine"), buy(5, 50, by=BOB, reduce_only=True, id="bobs"))
    events = apply(exchange, spot(BTC=89))
    why = {event.client_id: event.reason for event in only(events, OrderCancelled)}
    assert why == {"mine": CancelReason.LIQUIDATION, "bobs": CancelReason.DELEVERAGED}
    assert book(exchange) == "|"


def test_it_is_cancelled_by_its_owner_like_any_other() -> None:
    exchange = alice_is_long(10)
    apply(exchange, sell(25, 101, reduce_only=True, id="mine"))
    assert one(apply(exchange, cancel("mine")), OrderCancelled).size == 25
    assert (position_of(exchange, ALICE).reducing, exchange.state.markets["BTC"].reducing) == (0, 0)


def test_it_is_cut_as_before_by_an_exchange_that_was_loaded() -> None:
    exchange = alice_is_long(10)
    apply(exchange, sell(25, 101, reduce_only=True, id="mine"))
    loaded = load(dump(exchange))
    assert cut(apply(loaded, buy(11, 101, by=BOB))) == [("mine", 15)]


# margin ----------------------------------------------------------------------------------------------------


def test_it_needs_no_margin() -> None:
    exchange = alice_is_long(10, wallets={ALICE: 100})
    apply(exchange, spot(BTC=96))  # equity 60, 96 needed
    assert reasons(apply(exchange, sell(11, 96))) == [Reject.INSUFFICIENT_MARGIN]
    assert not reasons(apply(exchange, sell(25, 96, reduce_only=True)))


def test_what_is_open_of_it_takes_no_margin_from_others() -> None:
    exchange = alice_is_long(10, wallets={ALICE: 100})
    apply(exchange, sell(25, 105, reduce_only=True))
    assert not reasons(apply(exchange, sell(20, 105), set_leverage(ALICE, 10)))
    assert (position_of(exchange, ALICE).selling, wallet(exchange, ALICE)) == (20, 100)


@pytest.mark.parametrize(("price", "allowed"), [(91, True), (90, True), (89, False)])
def test_it_must_not_leave_a_debt(price: int, allowed: bool) -> None:
    exchange = alice_is_long(10, f"10 @ {price} |", wallets={ALICE: 100})
    apply(exchange, spot(BTC=96))  # equity 60: the ten lots may go for 6 less than the mark
    events = apply(exchange, sell(25, price, reduce_only=True))
    assert reasons(events) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


@pytest.mark.parametrize(("price", "allowed"), [(92, True), (91, True), (90, False)])
def test_what_it_would_lose_counts_with_what_other_orders_would_lose_as_far_as_the_position_goes(
    price: int, allowed: bool
) -> None:
    exchange = alice_is_long(10, wallets={ALICE: 100})
    apply(exchange, spot(BTC=96))
    assert not reasons(apply(exchange, sell(25, 95, reduce_only=True)))  # 10 lots, 10 lost of 60
    events = apply(exchange, sell(10, price, reduce_only=True))
    assert reasons(events) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


def test_a_repeat_that_is_not_reduce_only_is_another_order() -> None:
    exchange = alice_is_long(10)
    apply(exchange, sell(5, 101, reduce_only=True, id="mine"))
    again = one(apply(exchange, sell(5, 101, reduce_only=True, id="mine")), OrderAccepted)
    assert again.repeated and again.reduce_only
    assert reasons(apply(exchange, sell(5, 101, id="mine"))) == [Reject.DUPLICATE_CLIENT_ID]


def test_where_none_rests_an_order_brings_the_events_that_it_always_brought() -> None:
    exchange = alice_is_long(10, "10 @ 100 |")
    assert kinds(apply(exchange, sell(10, 100))) == ["OrderAccepted", "Traded", "TradePrinted", "BookChanged"]
