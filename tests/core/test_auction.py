"""The call auction: one price for everybody, at which most trades."""

import pytest

from stream_engine.core import auction
from stream_engine.core.auction import call_price
from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import (
    AuctionUncrossed,
    CancelReason,
    OrderCancelled,
    QuoteAccepted,
    Traded,
    TradingReopened,
)
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import BreakerRules, SelfTrade
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    SECOND,
    VENUE,
    amend,
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
    quote,
    reasons,
    sell,
    tick,
    trades,
    wallet,
)

RULES = BreakerRules(band_ppm=10_000, limit_state_us=0, pause_us=10 * SECOND)


def paused(**more: object) -> Exchange:
    """BTC at 100 with a band of 99 to 101; a buyer of 2 lots found no offer and bids 101; paused from 1 s to 11 s."""
    exchange = an_exchange(rules=SetRules(VENUE, 0, breakers=RULES), **more)  # type: ignore[arg-type]
    apply(exchange, tick(0), buy(2, 101, by=DAVE, id="first"))
    assert "TradingPaused" in kinds(apply(exchange, tick(1)))
    return exchange


# the price -------------------------------------------------------------------------------------------------


def test_most_lots_trade() -> None:
    assert call_price([(103, 5), (102, 5)], [(100, 4), (101, 6)], 103) == (102, 10, 0)
    assert call_price([(103, 5), (102, 5)], [(100, 4), (103, 6)], 103)[:2] == (103, 5)


def test_at_equal_volume_the_least_is_left_over() -> None:
    assert call_price([(103, 5), (101, 4)], [(100, 5)], 100) == (103, 5, 0)


def test_where_every_best_price_leaves_bids_the_highest_is_taken() -> None:
    assert call_price([(103, 9)], [(100, 5)], 100) == (103, 5, 4)


def test_where_every_best_price_leaves_offers_the_lowest_is_taken() -> None:
    assert call_price([(103, 5)], [(100, 9)], 103) == (100, 5, -4)


@pytest.mark.parametrize(("reference", "price"), [(98, 100), (101, 101), (102, 102), (105, 103)])
def test_where_nothing_is_left_over_the_price_is_the_nearest_to_the_reference(reference: int, price: int) -> None:
    assert call_price([(103, 5)], [(100, 5)], reference) == (price, 5, 0)


# what is collected -----------------------------------------------------------------------------------------


def test_orders_collect_at_their_own_prices_and_nothing_trades_before_the_call() -> None:
    exchange = paused()
    assert not only(apply(exchange, sell(3, 95, by=BOB), buy(4, 120, by=CAROL)), Traded)
    assert book(exchange) == "2 @ 101, 4 @ 120 | 95 @ 3"


@pytest.mark.parametrize("order", [buy(1), buy(1, 100, ioc=True), buy(1, 100, fok=True)], ids=["market", "IOC", "FOK"])
def test_an_immediate_order_is_refused(order: object) -> None:
    exchange = paused()
    assert reasons(apply(exchange, order)) == [Reject.TRADING_PAUSED]  # type: ignore[arg-type]


def test_orders_are_cancelled_and_amended_as_ever() -> None:
    exchange = paused()
    apply(exchange, sell(3, 95, by=BOB, id="s"), amend("s", size=5, at=96, by=BOB), cancel("first", by=DAVE))
    assert book(exchange) == "| 96 @ 5"


def test_a_post_only_order_may_not_cross_what_rests_when_it_comes() -> None:
    exchange = paused()
    assert reasons(apply(exchange, sell(1, 101, post_only=True))) == [Reject.POST_ONLY_WOULD_TAKE]
    assert not reasons(apply(exchange, sell(1, 102, post_only=True)))


def test_an_order_that_crosses_one_of_its_own_account_cancels_it_as_it_comes() -> None:
    exchange = paused()
    gone = one(apply(exchange, sell(1, 100, by=DAVE)), OrderCancelled)
    assert (gone.client_id, gone.reason) == ("first", CancelReason.SELF_TRADE)
    assert book(exchange) == "| 100 @ 1"


def test_or_is_cancelled_itself_as_its_rule_says() -> None:
    exchange = paused()
    order = sell(1, 100, by=DAVE, id="late", self_trade=SelfTrade.CANCEL_TAKER)
    assert one(apply(exchange, order), OrderCancelled).client_id == "late"
    assert book(exchange) == "2 @ 101 |"


# the call --------------------------------------------------------------------------------------------------


def test_at_the_first_tick_past_the_pause_all_trade_at_one_price_the_better_limit_first_and_then_who_came_first() -> (
    None
):
    exchange = paused()
    apply(exchange, buy(2, 102, by=CAROL), buy(2, 101, by=ALICE), sell(5, 99, by=BOB))
    assert not only(apply(exchange, tick(10.9)), AuctionUncrossed)
    events = apply(exchange, tick(11))
    uncrossed = one(events, AuctionUncrossed)
    assert (uncrossed.price, uncrossed.size, uncrossed.surplus) == (101, 5, 1)
    assert trades(events) == ["2 @ 101", "2 @ 101", "1 @ 101"]
    assert [event.maker for event in only(events, Traded)] == [CAROL, DAVE, ALICE]
    assert one(events, TradingReopened).price == 101
    assert (held(exchange, CAROL), held(exchange, DAVE), held(exchange, ALICE)) == (2, 2, 1)
    assert book(exchange) == "1 @ 101 |"


def test_of_two_orders_that_trade_the_later_pays_as_the_taker() -> None:
    exchange = paused(taker_fee_ppm=1_000)
    apply(exchange, sell(2, 100, by=BOB), tick(11))
    assert wallet(exchange, BOB) < wallet(exchange, DAVE) == 1_000_000


def test_a_makers_quote_is_collected_and_told_what_rests_of_it() -> None:
    exchange = paused()
    apply(exchange, quote(1, [(98, 3)], [(100, 3)], by=MM))
    events = apply(exchange, tick(11))
    assert one(events, QuoteAccepted).asks == ((100, 1),) and held(exchange, MM) == -2


def test_a_reduce_only_order_gives_no_more_than_its_position_has() -> None:
    exchange = paused(holds=[leg(ALICE, 1, at=100), leg(CAROL, -1, at=100)])
    apply(exchange, sell(5, 99, by=ALICE, reduce_only=True), sell(1, 100, by=BOB))
    events = apply(exchange, tick(11))
    assert (held(exchange, ALICE), held(exchange, BOB), held(exchange, DAVE)) == (0, -1, 2)
    assert one(events, OrderCancelled).reason is CancelReason.REDUCE_ONLY


@pytest.mark.parametrize("offered", [1, 2, 50])
def test_a_reduce_only_order_moves_the_price_with_no_more_than_its_position_has(offered: int) -> None:
    exchange = paused(holds=[leg(ALICE, 1, at=100), leg(CAROL, -1, at=100)])
    apply(exchange, sell(offered, 99, by=ALICE, reduce_only=True), sell(1, 100, by=BOB))
    uncrossed = one(apply(exchange, tick(11)), AuctionUncrossed)
    assert (uncrossed.price, uncrossed.size, uncrossed.surplus) == (100, 2, 0)


def test_two_reduce_only_orders_of_one_account_count_together_with_what_its_position_has() -> None:
    exchange = paused(holds=[leg(ALICE, 1, at=100), leg(CAROL, -1, at=100)])
    apply(exchange, *(sell(1, at, by=ALICE, reduce_only=True) for at in (98, 99)), sell(1, 100, by=BOB))
    uncrossed = one(apply(exchange, tick(11)), AuctionUncrossed)
    assert (uncrossed.price, uncrossed.size, uncrossed.surplus) == (100, 2, 0)


def test_after_the_calls_that_there_may_be_the_best_two_trade_at_the_price_of_the_elder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auction, "CALLS_AT_MOST", 0)
    exchange = paused()
    apply(exchange, sell(1, 100, by=BOB), sell(3, 99, by=CAROL), buy(2, 100, by=ALICE))
    events = apply(exchange, tick(11))
    assert [(fill.price, fill.size) for fill in only(events, Traded)] == [(101, 2), (99, 1), (100, 1)]
    assert [fill.size for fill in only(events, AuctionUncrossed)] == [2, 1, 1]


def test_where_nothing_crosses_the_symbol_opens_without_a_price() -> None:
    exchange = paused()
    events = apply(exchange, tick(11))
    assert one(events, TradingReopened).price == 0 and not only(events, AuctionUncrossed)
