"""Expiry: an order or a quote stands until the time that it names, and not a microsecond longer."""

import pytest
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import (
    CancelReason,
    ClockTicked,
    OrderAccepted,
    OrderCancelled,
    QuoteCancelled,
)
from stream_engine.messages.inputs import ClockTick
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    BOB,
    MINUTE,
    MM,
    SECOND,
    VENUE,
    an_exchange,
    apply,
    book,
    buy,
    cancel,
    halt,
    kinds,
    one,
    only,
    quote,
    reasons,
    sell,
    tick,
    trades,
    until,
)


def clock(us: int) -> ClockTick:
    """The clock, to the microsecond."""
    return ClockTick(VENUE, us)


@pytest.mark.parametrize(("early", "expected"), [(-1, Reject.EXPIRED), (0, None), (1, None)])
def test_an_order_that_comes_later_than_its_own_time_is_refused(early: int, expected: Reject | None) -> None:
    exchange = an_exchange()
    apply(exchange, tick(1))
    assert reasons(apply(exchange, until(SECOND + early, buy(1, 99)))) == ([expected] if expected else [])


@pytest.mark.parametrize(("early", "expected"), [(-1, Reject.EXPIRED), (0, None), (1, None)])
def test_a_quote_that_comes_later_than_its_own_time_is_refused_and_the_former_one_stands(
    early: int, expected: Reject | None
) -> None:
    exchange = an_exchange()
    apply(exchange, tick(1), quote(1, [(98, 1)]))
    assert reasons(apply(exchange, until(SECOND + early, quote(2, [(99, 1)])))) == ([expected] if expected else [])
    assert book(exchange) == ("1 @ 98 |" if expected else "1 @ 99 |")


def test_an_order_refused_as_expired_may_be_sent_again_under_its_id_with_another_time() -> None:
    exchange = an_exchange()
    apply(exchange, tick(2))
    assert reasons(apply(exchange, until(SECOND, buy(1, 99, id="mine")))) == [Reject.EXPIRED]
    assert not reasons(apply(exchange, until(3 * SECOND, buy(1, 99, id="mine"))))


def test_an_order_with_another_time_is_another_order() -> None:
    exchange = an_exchange()
    apply(exchange, until(SECOND, buy(1, 99, id="mine")))
    assert reasons(apply(exchange, until(2 * SECOND, buy(1, 99, id="mine")))) == [Reject.DUPLICATE_CLIENT_ID]


def test_an_order_that_was_answered_is_answered_again_after_its_time() -> None:
    exchange = an_exchange()
    order = until(SECOND, buy(1, 99, id="mine"))
    apply(exchange, order, tick(5))
    assert one(apply(exchange, order), OrderAccepted).repeated


@pytest.mark.parametrize(("late", "stands"), [(-1, True), (0, True), (1, False)])
def test_an_order_is_cancelled_before_the_first_input_whose_time_is_past_its_own(late: int, stands: bool) -> None:
    exchange = an_exchange()
    apply(exchange, until(SECOND, buy(3, 99, id="mine")))
    events = apply(exchange, clock(SECOND + late))
    assert (book(exchange) == "3 @ 99 |") == stands
    if not stands:
        cancelled = one(events, OrderCancelled)
        assert (cancelled.client_id, cancelled.size, cancelled.reason) == ("mine", 3, CancelReason.EXPIRED)
        assert cancelled.cause is None
        assert kinds(events)[:2] == ["OrderCancelled", "ClockTicked"]


def test_an_order_whose_time_is_past_trades_with_nobody_not_even_with_the_input_that_is_the_first_past_it() -> None:
    exchange = an_exchange()
    apply(exchange, tick(0), until(SECOND // 2, buy(3, 99)))
    late = replace(sell(3, 99, by=BOB), ts_us=SECOND // 2 + 1)
    assert trades(apply(exchange, late)) == []
    assert book(exchange) == "| 99 @ 3"


def test_a_quote_expires_as_a_whole_and_one_that_replaced_it_does_not() -> None:
    exchange = an_exchange()
    apply(exchange, until(SECOND, quote(1, [(99, 1), (98, 2)], [(101, 3)])))
    gone = one(apply(exchange, clock(SECOND + 1)), QuoteCancelled)
    assert (gone.account, gone.size, gone.reason) == (MM, 6, CancelReason.EXPIRED)
    apply(exchange, until(2 * SECOND, quote(2, [(99, 1)])), quote(3, [(99, 1)]))
    assert not only(apply(exchange, tick(3)), QuoteCancelled)
    assert book(exchange) == "1 @ 99 |"


def test_what_was_filled_or_cancelled_before_its_time_is_not_cancelled_then() -> None:
    exchange = an_exchange()
    apply(exchange, until(SECOND, buy(1, 99, id="filled")), until(SECOND, buy(1, 98, id="cancelled")))
    apply(exchange, sell(1, 99, by=BOB), cancel("cancelled"), until(SECOND, quote(1, [(97, 2)])))
    apply(exchange, sell(2, 97, by=BOB))
    assert not [event for event in apply(exchange, tick(2)) if isinstance(event, OrderCancelled | QuoteCancelled)]


def test_the_earliest_goes_first_and_at_one_time_quotes_before_orders_by_account() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100})
    apply(
        exchange,
        until(2 * SECOND, buy(1, 99, by=BOB, id="late")),
        until(SECOND, buy(1, 99, by=BOB, id="b")),
        until(SECOND, buy(1, 99, by=BOB, id="a")),
        until(SECOND, quote(1, [(98, 1)], by=BOB, symbol="ETH")),
        until(SECOND, quote(1, [(98, 1)], by=BOB)),
        until(SECOND, buy(1, 99, by=ALICE, id="z")),
    )
    gone = [event for event in apply(exchange, tick(5)) if isinstance(event, OrderCancelled | QuoteCancelled)]
    told = [event.client_id if isinstance(event, OrderCancelled) else event.symbol for event in gone]
    assert told == ["z", "BTC", "ETH", "a", "b", "late"]


def test_an_order_expires_while_trading_is_halted_too() -> None:
    exchange = an_exchange()
    apply(exchange, until(SECOND, buy(1, 99)), halt())
    assert one(apply(exchange, tick(2)), OrderCancelled).reason is CancelReason.EXPIRED


def test_what_is_gone_before_its_time_is_kept_in_mind_for_a_minute_at_most() -> None:
    exchange = an_exchange()
    for number in range(50):
        apply(exchange, until(100 * MINUTE, buy(1, 99, id=f"{number}")), cancel(f"{number}"))
    apply(exchange, until(100 * MINUTE, buy(1, 99, id="stands")))
    apply(exchange, tick(60))
    assert [entry[2] for entry in exchange.state.expiring] == ["stands"]


def test_an_expiry_is_looked_at_by_the_venues_time_which_the_clock_moves() -> None:
    exchange = an_exchange()
    apply(exchange, tick(1), until(SECOND + 5, buy(1, 99)))
    assert stands_after(exchange, SECOND + 5) and not stands_after(exchange, SECOND + 6)


def stands_after(exchange: Exchange, us: int) -> bool:
    events = apply(exchange, clock(us))
    assert only(events, ClockTicked)
    return book(exchange) == "1 @ 99 |"
