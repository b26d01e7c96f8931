"""Order entry: what an order takes, what rests of it, how it is cancelled, and what it needs in margin."""

import pytest

from stream_engine.messages.events import CancelReason, OrderAccepted, OrderCancelled, OrderRejected
from stream_engine.messages.inputs import Place, SetProtection
from stream_engine.messages.instrument import Tier
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    SECOND,
    VENUE,
    an_exchange,
    apply,
    book,
    buy,
    cancel,
    cancel_all,
    held,
    kinds,
    leg,
    one,
    only,
    quote,
    quote_cancel,
    reasons,
    sell,
    spot,
    tick,
    trades,
    usd,
    wallet,
)

# limit, market, immediate, post-only -----------------------------------------------------------------------


def test_what_a_limit_order_does_not_take_rests_at_its_limit() -> None:
    exchange = an_exchange(book="4 @ 100 | 101 @ 5")
    assert trades(apply(exchange, buy(7, 101))) == ["5 @ 101"]
    assert book(exchange) == "4 @ 100, 2 @ 101 |"


def test_a_limit_order_takes_nothing_beyond_its_limit() -> None:
    exchange = an_exchange(book="| 101 @ 1, 102 @ 1, 103 @ 1")
    assert trades(apply(exchange, buy(9, 102))) == ["1 @ 101", "1 @ 102"]


def test_what_an_immediate_order_can_not_fill_is_cancelled_and_never_rests() -> None:
    exchange = an_exchange(book="| 101 @ 5")
    events = apply(exchange, buy(7, 101, ioc=True))
    cancelled = one(events, OrderCancelled)
    assert trades(events) == ["5 @ 101"]
    assert (cancelled.size, cancelled.reason) == (2, CancelReason.IMMEDIATE)
    assert book(exchange) == "|"


def test_an_immediate_order_that_is_filled_is_not_cancelled() -> None:
    exchange = an_exchange(book="| 101 @ 5")
    assert not only(apply(exchange, buy(5, 101, ioc=True)), OrderCancelled)


def test_a_market_order_takes_the_best_prices_and_never_rests() -> None:
    exchange = an_exchange(book="| 101 @ 2, 102 @ 2")
    events = apply(exchange, buy(5))
    assert trades(events) == ["2 @ 101", "2 @ 102"]
    assert one(events, OrderCancelled).size == 1
    assert book(exchange) == "|"


def test_a_market_order_into_an_empty_book_is_accepted_and_cancelled() -> None:
    assert kinds(apply(an_exchange(), buy(5))) == ["OrderAccepted", "OrderCancelled"]


@pytest.mark.parametrize(("price", "filled"), [(129, ["1 @ 129"]), (130, ["1 @ 130"]), (131, [])])
def test_a_market_order_to_buy_reaches_no_further_above_the_mark_than_the_bound(price: int, filled: list[str]) -> None:
    exchange = an_exchange(book=f"| {price} @ 1", marks={"BTC": 100}, market_bound_ppm=300_000)
    assert trades(apply(exchange, buy(1))) == filled


@pytest.mark.parametrize(("price", "filled"), [(69, []), (70, ["1 @ 70"]), (71, ["1 @ 71"])])
def test_a_market_order_to_sell_reaches_no_further_below_the_mark_than_the_bound(price: int, filled: list[str]) -> None:
    exchange = an_exchange(book=f"1 @ {price} |", marks={"BTC": 100}, market_bound_ppm=300_000)
    assert trades(apply(exchange, sell(1))) == filled


def test_the_bound_of_a_market_order_is_rounded_towards_the_mark() -> None:
    exchange = an_exchange(book="| 111 @ 1", marks={"BTC": 101}, market_bound_ppm=98_900)  # 9.9889: nine ticks
    assert not trades(apply(exchange, buy(1)))
    assert trades(apply(exchange, sell(1, 110, by=MM), buy(1))) == ["1 @ 110"]


def test_a_post_only_order_that_would_take_is_rejected_and_leaves_the_book_alone() -> None:
    exchange = an_exchange(book="4 @ 100 | 101 @ 5")
    events = apply(exchange, buy(3, 101, post_only=True))
    assert reasons(events) == [Reject.POST_ONLY_WOULD_TAKE]
    assert book(exchange) == "4 @ 100 | 101 @ 5"


@pytest.mark.parametrize(("price", "taken"), [(100, True), (101, False), (102, False)])
def test_a_post_only_order_rests_where_it_would_not_take(price: int, taken: bool) -> None:
    exchange = an_exchange(book="4 @ 100 | 102 @ 5")
    assert bool(reasons(apply(exchange, sell(3, price, post_only=True)))) == taken


# fill or kill ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "filled"), [(6, ["5 @ 101", "1 @ 102"]), (7, ["5 @ 101", "2 @ 102"]), (8, [])])
def test_fill_or_kill_is_judged_on_all_prices_up_to_its_limit_and_refused_where_a_lot_is_missing(
    size: int, filled: list[str]
) -> None:
    exchange = an_exchange(book="| 101 @ 5, 102 @ 2, 103 @ 9")
    events = apply(exchange, buy(size, 102, fok=True))
    assert trades(events) == filled
    assert reasons(events) == ([] if filled else [Reject.FOK_NOT_FILLABLE])


def test_fill_or_kill_that_is_refused_changes_nothing() -> None:
    exchange = an_exchange(book="| 101 @ 5, 102 @ 2")
    assert kinds(apply(exchange, buy(8, 102, fok=True))) == ["OrderRejected"]
    assert (book(exchange), held(exchange, ALICE)) == ("| 101 @ 5, 102 @ 2", 0)


@pytest.mark.parametrize(("size", "allowed"), [(6, True), (7, True), (8, False)])
def test_fill_or_kill_without_a_price_is_judged_as_far_as_a_market_order_reaches(size: int, allowed: bool) -> None:
    exchange = an_exchange(book="| 101 @ 5, 130 @ 2, 131 @ 9", market_bound_ppm=300_000)
    events = apply(exchange, buy(size, fok=True))
    assert reasons(events) == ([] if allowed else [Reject.FOK_NOT_FILLABLE])


@pytest.mark.parametrize(("size", "allowed"), [(2, True), (3, True), (4, False)])
def test_fill_or_kill_does_not_count_on_orders_of_its_own_account(size: int, allowed: bool) -> None:
    exchange = an_exchange(book="| 101 @ 1, 103 @ 2")
    apply(exchange, sell(5, 102))
    events = apply(exchange, buy(size, 103, fok=True))
    assert reasons(events) == ([] if allowed else [Reject.FOK_NOT_FILLABLE])
    assert held(exchange, ALICE) == (size if allowed else 0)


@pytest.mark.parametrize(("size", "allowed"), [(8, True), (9, True), (10, False)])
def test_fill_or_kill_does_not_count_on_what_reduce_only_orders_cannot_give(size: int, allowed: bool) -> None:
    exchange = an_exchange(holds=[leg(BOB, 6, at=100), leg(DAVE, -6, at=100)])
    apply(exchange, sell(2, 101, by=BOB), sell(50, 101, by=BOB, reduce_only=True), sell(3, 102, by=CAROL))
    events = apply(exchange, buy(size, 102, fok=True))
    assert reasons(events) == ([] if allowed else [Reject.FOK_NOT_FILLABLE])
    assert held(exchange, ALICE) == (size if allowed else 0)


@pytest.mark.parametrize(("size", "allowed"), [(9, True), (10, True), (11, False)])
def test_fill_or_kill_does_not_count_on_a_quote_that_its_protection_would_take_away(size: int, allowed: bool) -> None:
    exchange = an_exchange()
    apply(exchange, SetProtection(VENUE, 0, MM, "BTC", window_us=SECOND, frozen_us=0, quantity=4, delta=0))
    apply(exchange, quote(1, [], [(101, 3), (102, 3), (103, 9)]), sell(4, 103, by=BOB))
    events = apply(exchange, buy(size, 103, fok=True))
    assert reasons(events) == ([] if allowed else [Reject.FOK_NOT_FILLABLE])
    assert held(exchange, ALICE) == (size if allowed else 0)


def test_fill_or_kill_may_not_be_post_only() -> None:
    assert reasons(apply(an_exchange(), buy(1, 99, fok=True, post_only=True))) == [Reject.POST_ONLY_MARKET_ORDER]


# client order ids ------------------------------------------------------------------------------------------


def test_an_order_sent_again_gets_the_original_answer_again_and_is_not_entered_twice() -> None:
    exchange = an_exchange()
    first = one(apply(exchange, buy(3, 99, id="mine")), OrderAccepted)
    again = one(apply(exchange, buy(3, 99, id="mine")), OrderAccepted)
    assert (again.order_id, again.repeated, first.repeated) == (first.order_id, True, False)
    assert book(exchange) == "3 @ 99 |"


def test_an_order_sent_again_after_it_was_filled_trades_no_second_time() -> None:
    exchange = an_exchange(book="| 101 @ 5")
    apply(exchange, buy(2, 101, id="mine"))
    events = apply(exchange, buy(2, 101, id="mine"))
    assert kinds(events) == ["OrderAccepted"] and one(events, OrderAccepted).repeated
    assert held(exchange, ALICE) == 2


def test_a_refused_order_sent_again_is_refused_again_even_if_it_were_allowed_by_now() -> None:
    exchange = an_exchange(book="| 101 @ 5")
    order = buy(3, 101, post_only=True, id="mine")
    assert reasons(apply(exchange, order)) == [Reject.POST_ONLY_WOULD_TAKE]
    apply(exchange, buy(5, 101, by=BOB))
    events = apply(exchange, order)
    assert reasons(events) == [Reject.POST_ONLY_WOULD_TAKE] and one(events, OrderRejected).repeated


@pytest.mark.parametrize(
    "other",
    [buy(4, 99, id="mine"), buy(3, 98, id="mine"), sell(3, 99, id="mine"), buy(3, 99, id="mine", ioc=True)],
    ids=["size", "price", "side", "time in force"],
)
def test_an_id_that_stands_for_other_content_is_refused(other: Place) -> None:
    exchange = an_exchange()
    apply(exchange, buy(3, 99, id="mine"))
    assert reasons(apply(exchange, other)) == [Reject.DUPLICATE_CLIENT_ID]
    assert book(exchange) == "3 @ 99 |"


def test_two_accounts_may_use_the_same_id() -> None:
    exchange = an_exchange()
    assert not reasons(apply(exchange, buy(3, 99, id="mine"), buy(3, 99, id="mine", by=BOB)))
    assert book(exchange) == "6 @ 99 |"


@pytest.mark.parametrize(("seconds", "repeated"), [(599, True), (600, False), (601, False)])
def test_an_id_may_be_used_anew_ten_minutes_after_its_order_was_done(seconds: int, repeated: bool) -> None:
    exchange = an_exchange(book="| 101 @ 9")
    apply(exchange, tick(0), buy(2, 101, id="mine"), tick(seconds))
    assert one(apply(exchange, buy(2, 101, id="mine")), OrderAccepted).repeated == repeated
    assert held(exchange, ALICE) == (2 if repeated else 4)


def test_the_id_of_an_order_that_still_rests_is_never_free() -> None:
    exchange = an_exchange()
    apply(exchange, tick(0), buy(2, 99, id="mine"), tick(100_000))
    assert one(apply(exchange, buy(2, 99, id="mine")), OrderAccepted).repeated
    assert book(exchange) == "2 @ 99 |"


# cancels ---------------------------------------------------------------------------------------------------


def test_a_cancel_takes_the_whole_of_what_rests() -> None:
    exchange = an_exchange()
    apply(exchange, buy(5, 99, id="mine"), sell(2, 99, by=BOB))
    cancelled = one(apply(exchange, cancel("mine")), OrderCancelled)
    assert (cancelled.size, cancelled.reason) == (3, CancelReason.OWNER)
    assert book(exchange) == "|"


def test_nobody_cancels_anothers_order() -> None:
    exchange = an_exchange()
    apply(exchange, buy(5, 99, id="mine"))
    assert reasons(apply(exchange, cancel("mine", by=BOB))) == [Reject.UNKNOWN_ORDER]
    assert book(exchange) == "5 @ 99 |"


def test_an_order_is_cancelled_once() -> None:
    exchange = an_exchange()
    apply(exchange, buy(5, 99, id="mine"), cancel("mine"))
    assert reasons(apply(exchange, cancel("mine"))) == [Reject.UNKNOWN_ORDER]


def test_cancel_all_takes_orders_and_quotes_on_every_symbol_and_nobody_elses() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 10})
    apply(exchange, buy(5, 99), buy(5, 9, symbol="ETH"), quote(1, [(98, 1)], [(102, 1)], by=ALICE), buy(1, 97, by=BOB))
    assert kinds(apply(exchange, cancel_all())) == [
        "QuoteCancelled", "OrderCancelled", "OrderCancelled", "BookChanged", "BookChanged"
    ]  # fmt: skip
    assert (book(exchange), book(exchange, "ETH")) == ("1 @ 97 |", "|")


def test_cancel_all_on_a_symbol_leaves_the_others() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 10})
    apply(exchange, buy(5, 99), buy(5, 9, symbol="ETH"), cancel_all(symbol="ETH"))
    assert (book(exchange), book(exchange, "ETH")) == ("5 @ 99 |", "|")


def test_cancel_all_and_quote_cancel_say_so_when_nothing_rests() -> None:
    exchange = an_exchange()
    apply(exchange, buy(5, 99))
    assert reasons(apply(exchange, cancel_all(by=BOB), quote_cancel(by=ALICE))) == [Reject.UNKNOWN_ORDER] * 2
    assert book(exchange) == "5 @ 99 |"


# margin ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dollars", "allowed"), [(99, False), (100, True), (101, True)])
def test_an_order_needs_the_initial_margin_of_its_size_at_the_mark(dollars: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: dollars})
    assert reasons(apply(exchange, buy(10, 100))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


def test_an_order_refused_for_margin_changes_nothing() -> None:
    exchange = an_exchange(book="| 100 @ 50", wallets={ALICE: 99})
    assert kinds(apply(exchange, buy(10, 100))) == ["OrderRejected"]
    assert (held(exchange, ALICE), wallet(exchange, ALICE), book(exchange)) == (0, 99, "| 100 @ 50")


@pytest.mark.parametrize(("second", "allowed"), [(4, True), (5, True), (6, False)])
def test_open_orders_of_one_side_need_margin_together(second: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: 100})
    apply(exchange, buy(5, 100))
    assert reasons(apply(exchange, buy(second, 90))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


def test_orders_of_both_sides_need_margin_for_the_larger_only() -> None:
    exchange = an_exchange(wallets={ALICE: 100})
    assert not reasons(apply(exchange, buy(10, 99), sell(10, 101)))


@pytest.mark.parametrize(("dollars", "allowed"), [(149, False), (150, True), (151, True)])
def test_an_order_needs_what_it_would_lose_at_once_besides(dollars: int, allowed: bool) -> None:
    exchange = an_exchange(book="| 105 @ 10", wallets={ALICE: dollars})  # 100 margin, 10 lots bought 5 above the mark
    assert reasons(apply(exchange, buy(10, 105))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


@pytest.mark.parametrize(("dollars", "allowed"), [(149, False), (150, True), (151, True)])
def test_a_resting_order_on_the_wrong_side_of_the_mark_needs_its_loss_too(dollars: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: dollars})
    assert reasons(apply(exchange, sell(10, 95))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


@pytest.mark.parametrize(("dollars", "allowed"), [(100.5, False), (101, True), (101.5, True)])
def test_an_order_that_takes_needs_its_fee_besides(dollars: float, allowed: bool) -> None:
    exchange = an_exchange(book="| 100 @ 10", wallets={ALICE: dollars}, taker_fee_ppm=1_000)
    assert reasons(apply(exchange, buy(10, 100))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


def test_unrealised_profit_counts_as_margin_and_unrealised_loss_is_taken_off() -> None:
    exchange = an_exchange(wallets={ALICE: 100, BOB: 110}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)])
    apply(exchange, spot(BTC=105))  # Alice: equity 150, 10 lots need 105
    assert not reasons(apply(exchange, buy(4, 105)))
    assert reasons(apply(exchange, buy(1, 105))) == [Reject.INSUFFICIENT_MARGIN]
    assert reasons(apply(exchange, sell(1, 105, by=BOB))) == [Reject.INSUFFICIENT_MARGIN]


@pytest.mark.parametrize("size", [1, 9, 10])
def test_an_account_under_its_initial_margin_may_still_place_what_only_reduces(size: int) -> None:
    exchange = an_exchange(wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, spot(BTC=96))  # equity 60, 96 needed, 48 is maintenance
    assert not reasons(apply(exchange, sell(size, 96)))


@pytest.mark.parametrize(("size", "allowed"), [(10, True), (16, True), (17, False), (20, False)])
def test_an_account_under_its_initial_margin_turns_its_position_round_only_as_far_as_its_equity_carries(
    size: int, allowed: bool
) -> None:
    exchange = an_exchange(
        book="50 @ 96 |", wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)]
    )
    apply(exchange, spot(BTC=96))
    assert reasons(apply(exchange, sell(size, 96))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


@pytest.mark.parametrize(("dollars", "allowed"), [(774, False), (775, True), (776, True)])
def test_no_position_is_opened_that_would_be_below_maintenance_at_once(dollars: int, allowed: bool) -> None:
    steep = (Tier(usd(500), 50_000), Tier(0, 500_000))  # 20 lots at 100: initial 200, maintenance 775
    exchange = an_exchange(wallets={ALICE: dollars}, tiers=steep)
    assert reasons(apply(exchange, buy(20, 100))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


def test_an_account_under_its_initial_margin_opens_nothing() -> None:
    exchange = an_exchange(wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, spot(BTC=96))
    assert reasons(apply(exchange, buy(1, 90))) == [Reject.INSUFFICIENT_MARGIN]


@pytest.mark.parametrize(("price", "allowed"), [(91, True), (90, True), (89, False)])
def test_an_order_that_only_reduces_must_not_leave_a_debt(price: int, allowed: bool) -> None:
    exchange = an_exchange(
        book=f"10 @ {price} |", wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)]
    )
    apply(exchange, spot(BTC=96))  # equity 60: the ten lots may go for 6 less than the mark
    assert reasons(apply(exchange, sell(10, price))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


@pytest.mark.parametrize(("size", "allowed"), [(49_989, True), (49_990, True), (49_991, False)])
def test_position_and_open_orders_together_stay_within_the_largest_size(size: int, allowed: bool) -> None:
    exchange = an_exchange(holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    assert reasons(apply(exchange, buy(size, 100))) == ([] if allowed else [Reject.POSITION_TOO_LARGE])


@pytest.mark.parametrize(("price", "allowed"), [(93, True), (92, True), (91, False)])
def test_what_several_orders_would_lose_at_once_counts_together(price: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, spot(BTC=96))  # equity 60
    apply(exchange, sell(5, 88))  # 40 lost at once
    assert reasons(apply(exchange, sell(5, price))) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


def test_margin_is_set_free_by_a_cancel() -> None:
    exchange = an_exchange(wallets={ALICE: 100})
    apply(exchange, buy(10, 100, id="mine"))
    assert reasons(apply(exchange, buy(10, 100))) == [Reject.INSUFFICIENT_MARGIN]
    assert not reasons(apply(exchange, cancel("mine"), buy(10, 100)))


def test_margin_moves_from_the_order_to_the_position_when_it_is_filled() -> None:
    exchange = an_exchange(wallets={ALICE: 100})
    apply(exchange, buy(10, 100), sell(10, 100, by=CAROL))
    assert reasons(apply(exchange, buy(1, 90))) == [Reject.INSUFFICIENT_MARGIN]
    assert not reasons(apply(exchange, sell(10, 110)))


def test_the_answer_to_an_order_stands_before_what_it_did() -> None:
    exchange = an_exchange(book="| 101 @ 2")
    assert kinds(apply(exchange, buy(3, 101, ioc=True))) == [
        "OrderAccepted", "Traded", "TradePrinted", "OrderCancelled", "BookChanged"
    ]  # fmt: skip
