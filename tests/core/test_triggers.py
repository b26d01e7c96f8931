"""Stop and take-profit orders: they wait outside the book, and enter when their price comes."""

import pytest
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.core.state import dump, load
from stream_engine.messages.events import (
    AnyEvent,
    CancelReason,
    Event,
    LiquidationStarted,
    MarkPriceChanged,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrdersResting,
    OrderTriggered,
    PositionDeleveraged,
    Traded,
)
from stream_engine.messages.inputs import (
    ListInstrument,
    Place,
    SetRules,
    Side,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
)
from stream_engine.messages.instrument import OWN_TRADES, IndexSource
from stream_engine.messages.refusals import Reject
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
    an_instrument,
    apply,
    book,
    buy,
    cancel,
    cancel_all,
    halt,
    held,
    kinds,
    leg,
    one,
    only,
    reasons,
    resume,
    sell,
    spot,
    tick,
    trades,
    until,
    withdraw,
)

MARK, LAST = TriggerBy.MARK, TriggerBy.LAST


def stop(at: int, order: Place, by: TriggerBy = MARK) -> Place:
    """The order as a stop."""
    return replace(order, trigger=Trigger(TriggerKind.STOP, at, by))


def take_profit(at: int, order: Place, by: TriggerBy = MARK) -> Place:
    """The order as a take-profit."""
    return replace(order, trigger=Trigger(TriggerKind.TAKE_PROFIT, at, by))


def triggered(events: list[AnyEvent]) -> list[str]:
    """The client ids of what was triggered, in order."""
    return [event.client_id for event in only(events, OrderTriggered)]


def identity(event: Event) -> tuple[int, int]:
    return event.seq, event.n


def print_at(price: int, symbol: str = "BTC") -> list[Place]:
    """A trade of one lot at a price, between two who have no other business."""
    return [sell(1, price, by=DAVE, symbol=symbol), buy(1, price, by=CAROL, symbol=symbol)]


# waiting ---------------------------------------------------------------------------------------------------


def test_an_order_with_a_trigger_is_accepted_with_it_and_is_not_in_the_book() -> None:
    exchange = an_exchange(book="4 @ 99 | 101 @ 5")
    order = stop(95, sell(3, 94, id="mine"))
    accepted = one(apply(exchange, order), OrderAccepted)
    assert accepted.trigger == order.trigger
    assert book(exchange) == "4 @ 99 | 101 @ 5"


def test_an_order_that_waits_stands_in_no_report_of_the_book() -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, sell(3, 94)))
    resting = one(apply(exchange, tick(0)), OrdersResting)
    assert (resting.bids, resting.asks) == ((), ())


def test_an_order_that_waits_needs_no_margin() -> None:
    exchange = an_exchange(wallets={ALICE: 10})
    apply(exchange, stop(95, sell(1_000)))
    assert not reasons(apply(exchange, withdraw(ALICE, 10)))


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (stop(95, sell(0)), Reject.SIZE_NOT_POSITIVE),
        (stop(95, sell(50_001)), Reject.SIZE_TOO_LARGE),
        (stop(0, sell(1)), Reject.PRICE_NOT_POSITIVE),
        (stop(95, sell(1, -5)), Reject.PRICE_NOT_POSITIVE),
        (stop(100_005, buy(1)), Reject.PRICE_TOO_HIGH),
        (stop(95, sell(1, 100_005)), Reject.PRICE_TOO_HIGH),
        (stop(94, sell(1)), Reject.PRICE_OFF_TICK),
        (stop(95, sell(1, 94)), Reject.PRICE_OFF_TICK),
        (stop(95, sell(1, post_only=True)), Reject.POST_ONLY_MARKET_ORDER),
        (stop(95, sell(1, symbol="DOGE")), Reject.UNKNOWN_SYMBOL),
        (stop(95, sell(1, symbol="NEW")), Reject.NO_MARK_PRICE),
    ],
)
def test_whatever_needs_no_book_is_checked_when_the_order_comes(order: Place, reason: Reject) -> None:
    exchange = an_exchange(price_step=5)
    apply(exchange, ListInstrument(VENUE, 0, an_instrument("NEW", price_step=5)))
    assert reasons(apply(exchange, order)) == [reason]


@pytest.mark.parametrize(
    ("order", "below", "at", "above"),
    [
        (stop(100, buy(1)), False, True, True),
        (stop(100, sell(1)), True, True, False),
        (take_profit(100, buy(1)), True, True, False),
        (take_profit(100, sell(1)), False, True, True),
    ],
    ids=["buy stop", "sell stop", "buy take-profit", "sell take-profit"],
)
def test_an_order_that_would_be_triggered_at_once_is_refused(order: Place, below: bool, at: bool, above: bool) -> None:
    for mark, is_met in ((99, below), (100, at), (101, above)):
        expected = [Reject.TRIGGER_MET] if is_met else []
        assert reasons(apply(an_exchange(marks={"BTC": mark}), order)) == expected, mark


def test_before_the_first_trade_nothing_that_waits_for_the_last_price_is_met() -> None:
    exchange = an_exchange()
    assert not reasons(apply(exchange, stop(100, sell(1), by=LAST), stop(100, buy(1), by=LAST)))


# reached ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "below", "at", "above"),
    [
        (stop(110, buy(1, 1)), False, True, True),
        (stop(90, sell(1, 999)), True, True, False),
        (take_profit(90, buy(1, 1)), True, True, False),
        (take_profit(110, sell(1, 999)), False, True, True),
    ],
    ids=["buy stop", "sell stop", "buy take-profit", "sell take-profit"],
)
def test_the_mark_triggers_where_it_reaches_the_price_or_passes_it(
    order: Place, below: bool, at: bool, above: bool
) -> None:
    assert order.trigger is not None
    for away, is_met in ((-1, below), (0, at), (1, above)):
        exchange = an_exchange()
        apply(exchange, order)
        assert bool(triggered(apply(exchange, spot(BTC=order.trigger.price + away)))) == is_met, away


@pytest.mark.parametrize(("price", "is_met"), [(96, False), (95, True), (94, True)])
def test_the_last_trade_triggers_what_waits_for_it_and_the_mark_does_not(price: int, is_met: bool) -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, sell(1, 999), by=LAST))
    assert not triggered(apply(exchange, spot(BTC=80), spot(BTC=100)))
    assert bool(triggered(apply(exchange, *print_at(price)))) == is_met


def test_a_sweep_triggers_at_every_price_at_which_it_trades_and_not_only_at_its_last() -> None:
    exchange = an_exchange()
    apply(exchange, *print_at(95), stop(97, buy(1, 1, id="up"), by=LAST), buy(1, 97, by=MM), buy(1, 94, by=MM))
    assert triggered(apply(exchange, sell(2, 94, by=BOB, ioc=True))) == ["up"]


def test_the_event_that_reached_the_price_is_the_cause_and_what_the_order_does_follows_from_it() -> None:
    exchange = an_exchange(book="4 @ 90 |")
    apply(exchange, stop(95, sell(3)))
    events = apply(exchange, spot(BTC=95))
    moved, fired, trade = one(events, MarkPriceChanged), one(events, OrderTriggered), one(events, Traded)
    assert fired.cause == identity(moved) and trade.cause == identity(fired)
    assert trade.taker_order_id == fired.order_id


def test_a_triggered_limit_order_rests_with_what_it_does_not_fill() -> None:
    exchange = an_exchange(book="2 @ 95 |")
    apply(exchange, stop(96, sell(5, 95)))
    assert trades(apply(exchange, spot(BTC=96))) == ["2 @ 95"]
    assert book(exchange) == "| 95 @ 3"


def test_a_triggered_market_order_is_bounded_by_the_mark_of_that_time() -> None:
    exchange = an_exchange(book="2 @ 60, 2 @ 64 |", market_bound_ppm=200_000)
    apply(exchange, stop(90, sell(5)))
    events = apply(exchange, spot(BTC=80))
    assert trades(events) == ["2 @ 64"]
    assert one(events, OrderCancelled).reason is CancelReason.IMMEDIATE


def test_an_order_is_triggered_once() -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, sell(3, 999)))
    assert len(triggered(apply(exchange, spot(BTC=94), spot(BTC=99), spot(BTC=93)))) == 1


# not allowed any more --------------------------------------------------------------------------------------


def test_a_triggered_order_is_refused_as_a_new_one_would_be_and_cancelled_with_the_reason() -> None:
    exchange = an_exchange(wallets={ALICE: 10})
    apply(exchange, stop(95, sell(5, 95, id="mine")))
    events = apply(exchange, spot(BTC=95))
    fired, gone = one(events, OrderTriggered), one(events, OrderCancelled)
    assert (gone.client_id, gone.size, gone.reason) == ("mine", 5, CancelReason.NOT_ALLOWED)
    assert gone.refusal is Reject.INSUFFICIENT_MARGIN and gone.cause == identity(fired)
    assert book(exchange) == "|"


@pytest.mark.parametrize(("bid", "traded"), [(4, False), (5, True), (6, True)])
def test_a_fill_or_kill_order_is_judged_by_the_book_that_it_is_triggered_into(bid: int, traded: bool) -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, replace(sell(5, 95), time_in_force=TimeInForce.FOK)), buy(bid, 95, by=MM))
    events = apply(exchange, spot(BTC=95))
    assert trades(events) == (["5 @ 95"] if traded else [])
    assert [gone.refusal for gone in only(events, OrderCancelled)] == ([] if traded else [Reject.FOK_NOT_FILLABLE])


def test_a_post_only_order_that_would_take_when_it_is_triggered_is_cancelled() -> None:
    exchange = an_exchange(book="2 @ 95 |")
    apply(exchange, stop(95, sell(5, 95, post_only=True)))
    assert one(apply(exchange, spot(BTC=95)), OrderCancelled).refusal is Reject.POST_ONLY_WOULD_TAKE


# the order of things ---------------------------------------------------------------------------------------


def test_of_what_one_price_reaches_the_nearest_is_first_and_at_one_price_who_was_accepted_first() -> None:
    exchange = an_exchange()
    apply(
        exchange,
        stop(94, sell(1, 999, id="far")),
        stop(96, sell(1, 999, id="near", by=BOB)),
        stop(96, sell(1, 999, id="near too")),
        take_profit(95, buy(1, 1, id="middle")),
    )
    assert triggered(apply(exchange, spot(BTC=90))) == ["near", "near too", "middle", "far"]


def test_what_is_reached_first_enters_first_though_its_price_lies_farther() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100})
    apply(exchange, stop(90, sell(1, 999, id="btc")), stop(99, sell(1, 999, id="eth", symbol="ETH")))
    assert triggered(apply(exchange, spot(BTC=80, ETH=80))) == ["btc", "eth"]


def test_stops_set_off_one_another_to_the_last_of_them() -> None:
    exchange = an_exchange(book="1 @ 94, 1 @ 95, 1 @ 96, 1 @ 97, 1 @ 98 |")
    apply(exchange, *(stop(price, sell(1, id=f"at {price}"), by=LAST) for price in (95, 98, 96, 97)))
    events = apply(exchange, sell(1, 98, by=BOB))
    assert triggered(events) == ["at 98", "at 97", "at 96", "at 95"]
    assert trades(events) == ["1 @ 98", "1 @ 97", "1 @ 96", "1 @ 95", "1 @ 94"]
    for trade, fired in zip(only(events, Traded), only(events, OrderTriggered), strict=False):
        assert fired.cause == identity(trade)


def test_a_cascade_of_many_stops_does_not_recurse() -> None:
    rules = SetRules(VENUE, 0, checks_per_input=10_000)
    exchange = an_exchange(marks={"BTC": 5_000}, wallets={ALICE: 10_000_000}, rules=rules)
    for step in range(1_500):
        exchange.apply(buy(1, 4_999 - step, by=MM))
        exchange.apply(stop(4_999 - step, sell(1, 1), by=LAST))
    events = apply(exchange, sell(1, 4_999, by=BOB))
    assert len(trades(events)) == 1_500 and len(triggered(events)) == 1_500


@pytest.mark.parametrize(("checks", "per_input"), [(1, [1, 1, 1, 1]), (2, [2, 2]), (3, [3, 1]), (4, [4]), (5, [4])])
def test_what_the_bound_leaves_goes_on_at_the_next_input(checks: int, per_input: list[int]) -> None:
    exchange = an_exchange(
        book="1 @ 94, 1 @ 95, 1 @ 96, 1 @ 97, 1 @ 98 |", rules=SetRules(VENUE, 0, checks_per_input=checks)
    )
    apply(exchange, *(stop(price, sell(1), by=LAST) for price in (95, 98, 96, 97)))
    told = [len(triggered(apply(exchange, sell(1, 98, by=BOB))))]
    exchange = load(dump(exchange))
    told += [len(triggered(apply(exchange, tick(second)))) for second in range(5)]
    assert [number for number in told if number] == per_input


def test_the_mark_is_made_anew_after_each_round_so_that_stops_by_mark_set_off_one_another_too() -> None:
    exchange = an_exchange(
        book="9 @ 90, 1 @ 94, 1 @ 98 |", sources=(IndexSource("spot", 1), IndexSource(OWN_TRADES, 9)), mark="index"
    )
    apply(exchange, stop(99, sell(1, id="first")), stop(97, sell(1, id="second")), stop(90, sell(1, id="third")))
    events = apply(exchange, sell(1, 98, by=BOB), tick(0))
    assert triggered(events) == ["first", "second"]
    assert [moved.mark for moved in only(events, MarkPriceChanged)] == [98, 95, 91]


def test_liquidations_come_first_then_what_is_triggered_and_then_the_liquidations_that_it_brings() -> None:
    exchange = an_exchange(
        book="50 @ 80, 10 @ 95 |",
        wallets={ALICE: 60, BOB: 200},
        holds=[leg(ALICE, 10, at=100), leg(BOB, 10, at=100), leg(CAROL, -20, at=100)],
        sources=(IndexSource("spot", 1), IndexSource(OWN_TRADES, 9)),
    )
    apply(exchange, stop(95, sell(20, id="stop", by=DAVE)))
    events = apply(exchange, spot(BTC=95))
    told = [event.account for event in events if isinstance(event, LiquidationStarted | OrderTriggered)]
    assert told == [ALICE, DAVE, BOB]


# leaving ---------------------------------------------------------------------------------------------------


def test_its_owner_cancels_an_order_that_waits_under_its_id() -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, sell(3, id="mine")))
    gone = one(apply(exchange, cancel("mine")), OrderCancelled)
    assert (gone.client_id, gone.size, gone.reason) == ("mine", 3, CancelReason.OWNER)
    assert reasons(apply(exchange, cancel("mine"))) == [Reject.UNKNOWN_ORDER]
    assert not triggered(apply(exchange, spot(BTC=90)))


def test_to_cancel_all_takes_what_waits_after_what_rests_and_on_that_symbol_only() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100})
    apply(exchange, stop(95, sell(1, id="waits")), buy(1, 90, id="rests"), stop(95, sell(1, id="eth", symbol="ETH")))
    gone = only(apply(exchange, cancel_all(symbol="BTC")), OrderCancelled)
    assert [event.client_id for event in gone] == ["rests", "waits"]
    assert triggered(apply(exchange, spot(BTC=90, ETH=90))) == ["eth"]


def test_a_liquidation_cancels_what_waits() -> None:
    exchange = an_exchange(book="10 @ 94 |", wallets={ALICE: 60}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)])
    apply(exchange, stop(120, buy(1, id="waits")))
    gone = one(apply(exchange, spot(BTC=94)), OrderCancelled)
    assert (gone.client_id, gone.reason) == ("waits", CancelReason.LIQUIDATION)


def test_deleveraging_cancels_what_waits_on_the_symbol() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={ALICE: 60},
        holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)],
    )
    apply(exchange, stop(120, buy(10, id="waits", by=BOB)), stop(120, buy(1, id="eth", by=BOB, symbol="ETH")))
    events = apply(exchange, spot(BTC=94))
    assert one(events, PositionDeleveraged).account == BOB
    assert [(gone.client_id, gone.reason) for gone in only(events, OrderCancelled)] == [
        ("waits", CancelReason.DELEVERAGED)
    ]


def test_an_order_that_waits_expires() -> None:
    exchange = an_exchange()
    apply(exchange, until(SECOND, stop(95, sell(1, id="mine"))))
    assert one(apply(exchange, tick(2)), OrderCancelled).reason is CancelReason.EXPIRED
    assert not triggered(apply(exchange, spot(BTC=90)))


def test_an_order_that_was_triggered_and_rests_expires_at_its_time_too() -> None:
    exchange = an_exchange()
    apply(exchange, until(SECOND, stop(95, sell(1, 96))), spot(BTC=95))
    assert book(exchange) == "| 96 @ 1"
    assert one(apply(exchange, tick(2)), OrderCancelled).reason is CancelReason.EXPIRED


def test_an_order_cut_short_in_the_queue_may_still_be_cancelled() -> None:
    exchange = an_exchange(rules=SetRules(VENUE, 0, checks_per_input=1))
    apply(exchange, stop(96, sell(1, 999, id="first")), stop(95, sell(1, 999, id="second")))
    assert triggered(apply(exchange, spot(BTC=90))) == ["first"]
    assert one(apply(exchange, cancel("second")), OrderCancelled).reason is CancelReason.OWNER
    assert not triggered(apply(exchange, tick(0)))


def test_the_client_id_of_an_order_that_waits_is_taken_and_a_repeat_is_answered_again() -> None:
    exchange = an_exchange()
    order = stop(95, sell(3, id="mine"))
    apply(exchange, order)
    again = one(apply(exchange, order), OrderAccepted)
    assert again.repeated and again.trigger == order.trigger
    assert reasons(apply(exchange, stop(94, sell(3, id="mine")))) == [Reject.DUPLICATE_CLIENT_ID]
    assert reasons(apply(exchange, sell(3, id="mine"))) == [Reject.DUPLICATE_CLIENT_ID]


# amended ---------------------------------------------------------------------------------------------------


def test_an_order_that_waits_gets_another_size_and_price_and_waits_on_in_its_place() -> None:
    exchange = an_exchange(book="9 @ 90 |")
    apply(exchange, stop(95, sell(3, 94, id="mine")), stop(95, sell(1, 999, id="other")))
    amended = one(apply(exchange, amend("mine", size=5, at=90)), OrderAmended)
    assert (amended.size, amended.price, amended.side) == (5, 90, Side.SELL)
    events = apply(exchange, spot(BTC=95))
    assert triggered(events) == ["mine", "other"]
    assert trades(events) == ["5 @ 90"]


def test_a_market_order_that_waits_stays_one_until_it_is_given_a_price() -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, sell(3, id="mine")))
    assert one(apply(exchange, amend("mine", size=2)), OrderAmended).price is None
    assert one(apply(exchange, amend("mine", at=97)), OrderAmended).price == 97
    apply(exchange, spot(BTC=95))
    assert book(exchange) == "| 97 @ 2"


def test_to_amend_an_order_that_waits_to_nothing_cancels_it() -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, sell(3, id="mine")))
    assert one(apply(exchange, amend("mine", size=0)), OrderCancelled).reason is CancelReason.OWNER


@pytest.mark.parametrize(
    ("size", "price", "reason"),
    [
        (-1, None, Reject.SIZE_NOT_POSITIVE),
        (50_001, None, Reject.SIZE_TOO_LARGE),
        (None, 0, Reject.PRICE_NOT_POSITIVE),
        (None, 94, Reject.PRICE_OFF_TICK),
    ],
)
def test_an_order_that_waits_is_not_amended_to_what_it_could_not_have_been(
    size: int | None, price: int | None, reason: Reject
) -> None:
    exchange = an_exchange(price_step=5)
    apply(exchange, stop(95, sell(3, id="mine")))
    assert reasons(apply(exchange, amend("mine", size, price))) == [reason]
    assert triggered(apply(exchange, spot(BTC=95))) == ["mine"]


# reduce-only -----------------------------------------------------------------------------------------------


def test_a_reduce_only_stop_takes_no_more_than_the_position_of_that_time() -> None:
    exchange = an_exchange(book="9 @ 94 |", holds=[leg(ALICE, 4, at=100), leg(BOB, -4, at=100)])
    apply(exchange, replace(stop(95, sell(7)), reduce_only=True))
    events = apply(exchange, spot(BTC=95))
    assert trades(events) == ["4 @ 94"] and held(exchange, ALICE) == 0
    assert one(events, OrderCancelled).reason is CancelReason.REDUCE_ONLY


def test_a_reduce_only_stop_waits_without_a_position_and_is_cancelled_if_there_is_none_when_it_is_triggered() -> None:
    exchange = an_exchange(book="9 @ 94 |")
    apply(exchange, replace(stop(95, sell(7)), reduce_only=True))
    gone = one(apply(exchange, spot(BTC=95)), OrderCancelled)
    assert (gone.reason, gone.refusal) == (CancelReason.NOT_ALLOWED, Reject.REDUCE_ONLY_WITHOUT_POSITION)


# halted ----------------------------------------------------------------------------------------------------


def test_while_trading_is_halted_nothing_is_triggered() -> None:
    exchange = an_exchange(book="3 @ 90 |")
    apply(exchange, stop(95, sell(3)), halt())
    assert kinds(apply(exchange, spot(BTC=90))) == ["SourcePriced", "MarkPriceChanged"]


def test_when_trading_is_resumed_the_mark_of_then_decides() -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, sell(1, 999, id="passed by")), stop(92, sell(1, 999, id="other")), halt())
    moved = only(apply(exchange, spot(BTC=90), spot(BTC=94)), MarkPriceChanged)[-1]
    events = apply(exchange, resume())
    assert triggered(events) == ["passed by"]
    assert one(events, OrderTriggered).cause == identity(moved)


def test_no_order_with_a_trigger_is_taken_while_trading_is_halted_and_one_that_waits_may_be_cancelled() -> None:
    exchange = an_exchange()
    apply(exchange, stop(95, sell(1, id="mine")), halt())
    assert reasons(apply(exchange, stop(95, sell(1)))) == [Reject.TRADING_HALTED]
    assert not reasons(apply(exchange, cancel("mine")))


# what it is for --------------------------------------------------------------------------------------------


def test_a_stop_closes_a_position_before_the_venue_has_to() -> None:
    exchange = an_exchange(book="10 @ 96 |", wallets={ALICE: 90}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)])
    apply(exchange, stop(97, sell(10)))
    assert not only(apply(exchange, spot(BTC=97), spot(BTC=90)), LiquidationStarted)
    assert held(exchange, ALICE) == 0


def test_side_and_kind_say_which_way_the_price_must_go() -> None:
    rising = [(Side.BUY, TriggerKind.STOP), (Side.SELL, TriggerKind.TAKE_PROFIT)]
    for side in Side:
        for kind in TriggerKind:
            exchange: Exchange = an_exchange()
            up = 110 if (side, kind) in rising else 90
            order = Place(VENUE, 0, ALICE, "one", "BTC", side, 1, 100, trigger=Trigger(kind, up))
            assert not reasons(apply(exchange, order))
            assert triggered(apply(exchange, spot(BTC=up))) == ["one"]
