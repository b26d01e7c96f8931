"""Amend: a resting order gets another size or price, and keeps its place where nobody loses by that."""

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.state import dump, load
from stream_engine.messages.events import (
    AmendRejected,
    CancelReason,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    Traded,
)
from stream_engine.messages.inputs import Side
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import SelfTrade
from tests.core.rulebook import (
    ALICE,
    BOB,
    DAVE,
    SECOND,
    amend,
    an_exchange,
    apply,
    book,
    buy,
    cancel,
    halt,
    held,
    kinds,
    leg,
    one,
    queue_at,
    quote,
    reasons,
    resume,
    sell,
    spot,
    tick,
    trades,
)


def a_queue() -> Exchange:
    """Alice's 5 before Bob's 5 at 99, and an offer of 4 at 102."""
    exchange = an_exchange()
    apply(exchange, buy(5, 99, id="mine"), buy(5, 99, by=BOB), sell(4, 102, by=DAVE))
    return exchange


@pytest.mark.parametrize(
    ("size", "queue"),
    [(4, ["alice 4", "bob 5"]), (5, ["alice 5", "bob 5"]), (6, ["bob 5", "alice 6"])],
)
def test_at_the_same_price_it_keeps_its_place_unless_it_grows(size: int, queue: list[str]) -> None:
    exchange = a_queue()
    apply(exchange, amend("mine", size))
    assert queue_at(exchange, 99) == queue


def test_the_size_is_what_is_open_from_then_on_not_what_it_was_placed_with() -> None:
    exchange = a_queue()
    apply(exchange, sell(2, 99, by=DAVE), amend("mine", 3))
    assert queue_at(exchange, 99) == ["alice 3", "bob 5"]
    assert trades(apply(exchange, sell(4, 99, by=DAVE))) == ["3 @ 99", "1 @ 99"]


def test_the_event_says_whose_order_it_is_and_what_is_open_at_which_price() -> None:
    exchange = a_queue()
    accepted = one(apply(exchange, sell(3, 105, id="other")), OrderAccepted)
    amended = one(apply(exchange, amend("other", 2, at=104)), OrderAmended)
    assert (amended.account, amended.client_id, amended.order_id) == (ALICE, "other", accepted.order_id)
    assert (amended.side, amended.size, amended.price, amended.cause) == (Side.SELL, 2, 104, None)


def test_what_is_not_said_stays_as_it_is() -> None:
    exchange = a_queue()
    assert one(apply(exchange, amend("mine", at=98)), OrderAmended).size == 5
    assert one(apply(exchange, amend("mine", 2)), OrderAmended).price == 98
    assert book(exchange) == "2 @ 98, 5 @ 99 | 102 @ 4"


def test_nothing_said_changes_nothing_and_is_answered() -> None:
    exchange = a_queue()
    assert kinds(apply(exchange, amend("mine"))) == ["OrderAmended"]
    assert queue_at(exchange, 99) == ["alice 5", "bob 5"]


def test_at_another_price_it_comes_behind_who_is_there() -> None:
    exchange = a_queue()
    apply(exchange, buy(1, 98, by=BOB), amend("mine", at=98))
    assert (queue_at(exchange, 99), queue_at(exchange, 98)) == (["bob 5"], ["bob 1", "alice 5"])


def test_a_price_that_crosses_trades_at_once_under_the_same_id_and_the_rest_of_it_rests() -> None:
    exchange = a_queue()
    events = apply(exchange, amend("mine", at=102))
    amended, traded = one(events, OrderAmended), one(events, Traded)
    assert (traded.taker_order_id, traded.taker_left) == (amended.order_id, 1)
    assert traded.cause == (amended.seq, amended.n)
    assert book(exchange) == "5 @ 99, 1 @ 102 |"
    assert one(apply(exchange, cancel("mine")), OrderCancelled).size == 1


def test_one_that_is_filled_by_that_is_done() -> None:
    exchange = a_queue()
    apply(exchange, amend("mine", 4, at=102))
    assert held(exchange, ALICE) == 4
    assert reasons(apply(exchange, amend("mine", 1), cancel("mine"))) == [Reject.UNKNOWN_ORDER] * 2


def test_size_0_cancels_it_as_its_owner_would() -> None:
    exchange = a_queue()
    cancelled = one(apply(exchange, amend("mine", 0, at=101)), OrderCancelled)
    assert (cancelled.size, cancelled.reason, book(exchange)) == (5, CancelReason.OWNER, "5 @ 99 | 102 @ 4")


# refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (amend("mine", 1, by=77), Reject.UNKNOWN_ACCOUNT),
        (amend("never sent", 1), Reject.UNKNOWN_ORDER),
        (amend("mine", 1, by=BOB), Reject.UNKNOWN_ORDER),
        (amend("mine", -1), Reject.SIZE_NOT_POSITIVE),
        (amend("mine", 50_001), Reject.SIZE_TOO_LARGE),
        (amend("mine", at=0), Reject.PRICE_NOT_POSITIVE),
        (amend("mine", at=100_001), Reject.PRICE_TOO_HIGH),
        (amend("post", at=102), Reject.POST_ONLY_WOULD_TAKE),
        (amend("mine", 50_000), Reject.POSITION_TOO_LARGE),
    ],
    ids=lambda value: value.value if isinstance(value, Reject) else "",
)
def test_it_is_refused_as_an_order_would_be_and_the_order_stands_as_it_stood(received: object, reason: Reject) -> None:
    exchange = a_queue()
    apply(exchange, buy(1, 98, post_only=True, id="post"))
    before = book(exchange), queue_at(exchange, 99)
    events = apply(exchange, received)  # type: ignore[arg-type]
    assert reasons(events) == [reason] and kinds(events) == ["AmendRejected"]
    assert (book(exchange), queue_at(exchange, 99)) == before


def test_a_post_only_order_stays_one() -> None:
    exchange = a_queue()
    apply(exchange, buy(1, 98, post_only=True, id="post"), amend("post", at=101))
    assert reasons(apply(exchange, amend("post", 2, at=102))) == [Reject.POST_ONLY_WOULD_TAKE]


def test_an_order_that_is_done_and_a_quote_cannot_be_amended() -> None:
    exchange = an_exchange(book="| 101 @ 5")
    apply(exchange, buy(1, 101, id="filled"), buy(1, 99, ioc=True, id="gone"), quote(1, [(98, 1)], by=ALICE))
    assert reasons(apply(exchange, amend("filled", 1), amend("gone", 1))) == [Reject.UNKNOWN_ORDER] * 2


@pytest.mark.parametrize(("size", "allowed"), [(9, True), (10, True), (11, False)])
def test_a_larger_one_needs_the_margin_of_what_it_becomes_not_of_both(size: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: 100})
    apply(exchange, buy(8, 100, id="mine"))
    assert reasons(apply(exchange, amend("mine", size))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])
    assert book(exchange) == f"{size if allowed else 8} @ 100 |"


@pytest.mark.parametrize(("price", "allowed"), [(104, True), (105, True), (106, False)])
def test_a_price_beyond_the_mark_needs_what_it_would_lose(price: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: 150})
    apply(exchange, buy(10, 102, id="mine"))  # 100 margin, and 20 that it would lose
    assert reasons(apply(exchange, amend("mine", at=price))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


@pytest.mark.parametrize(
    ("size", "price", "allowed"),
    [(8, 80, True), (9, 79, True), (9, 80, True), (9, 81, False), (10, 80, False), (10, 79, False), (8, 81, False)],
)
def test_who_is_under_his_initial_margin_may_make_an_order_smaller_and_move_it_away_and_no_more(
    size: int, price: int, allowed: bool
) -> None:
    exchange = an_exchange(wallets={ALICE: 200}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, buy(9, 80, id="mine"), spot(BTC=90))  # equity 100, 171 needed
    assert reasons(apply(exchange, amend("mine", size, at=price))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


def test_while_trading_is_halted_it_waits_and_the_order_stands() -> None:
    exchange = a_queue()
    apply(exchange, halt())
    assert reasons(apply(exchange, amend("mine", 1))) == [Reject.TRADING_HALTED]
    assert not reasons(apply(exchange, resume(), amend("mine", 1)))
    assert queue_at(exchange, 99) == ["alice 1", "bob 5"]


def test_one_from_the_future_is_refused() -> None:
    exchange = a_queue()
    apply(exchange, tick(0))
    received = amend("mine", 1)
    late = type(received)(received.venue, SECOND + 1, ALICE, "mine", 1)
    assert one(apply(exchange, late), AmendRejected).reason is Reject.TIMESTAMP_IN_FUTURE


# what it keeps ---------------------------------------------------------------------------------------------


def test_it_keeps_its_self_trade_rule() -> None:
    exchange = an_exchange()
    apply(exchange, sell(2, 101, id="ask"), buy(3, 99, id="bid", self_trade=SelfTrade.CANCEL_TAKER))
    events = apply(exchange, amend("bid", at=101))
    cancelled = one(events, OrderCancelled)
    assert (cancelled.client_id, cancelled.size, cancelled.reason) == ("bid", 3, CancelReason.SELF_TRADE)
    assert book(exchange) == "| 101 @ 2"


def test_a_reduce_only_order_stays_one_and_needs_no_margin_for_more() -> None:
    exchange = an_exchange("8 @ 95 |", wallets={ALICE: 100}, holds=[leg(ALICE, 5, at=100), leg(DAVE, -5, at=100)])
    apply(exchange, sell(3, 105, reduce_only=True, id="mine"))
    assert not reasons(apply(exchange, amend("mine", 40_000)))
    events = apply(exchange, amend("mine", at=95))
    assert (trades(events), held(exchange, ALICE)) == (["5 @ 95"], 0)
    assert one(events, OrderCancelled).reason is CancelReason.REDUCE_ONLY


def test_the_order_that_was_amended_is_answered_again_as_it_was_placed() -> None:
    exchange = a_queue()
    apply(exchange, amend("mine", 2, at=98))
    again = one(apply(exchange, buy(5, 99, id="mine")), OrderAccepted)
    assert (again.repeated, again.size, again.price) == (True, 5, 99)
    assert book(exchange) == "2 @ 98, 5 @ 99 | 102 @ 4"


def test_an_exchange_that_was_loaded_goes_on_with_the_amended_order() -> None:
    exchange = a_queue()
    apply(exchange, amend("mine", 7))
    loaded = load(dump(exchange))
    assert queue_at(loaded, 99) == ["bob 5", "alice 7"]
    assert one(apply(loaded, amend("mine", 3, at=102)), OrderAmended).size == 3
