"""Rate limit: so many orders, amends and quotes of an account per window, and no more."""

import pytest

from stream_engine.messages.events import OrderAccepted
from stream_engine.messages.inputs import ClockTick, SetRules
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import OrderRules
from tests.core.rulebook import (
    ALICE,
    BOB,
    SECOND,
    VENUE,
    amend,
    an_exchange,
    apply,
    buy,
    cancel,
    cancel_all,
    halt,
    one,
    quote,
    quote_cancel,
    reasons,
    resume,
    tick,
    until,
)


def limited(limit: int, window_us: int = SECOND) -> SetRules:
    return SetRules(VENUE, 0, orders=OrderRules(rate_limit=limit, rate_window_us=window_us))


@pytest.mark.parametrize(("sent", "refused"), [(2, 0), (3, 0), (4, 1)])
def test_what_an_account_sends_over_the_limit_is_refused(sent: int, refused: int) -> None:
    exchange = an_exchange(rules=limited(3))
    assert reasons(apply(exchange, *(buy(1, 99) for _ in range(sent)))) == [Reject.RATE_LIMITED] * refused


def test_orders_and_quotes_count_together_whatever_the_symbol() -> None:
    exchange = an_exchange(rules=limited(2), marks={"BTC": 100, "ETH": 100})
    apply(exchange, buy(1, 99), quote(1, [(98, 1)], by=ALICE, symbol="ETH"))
    assert reasons(apply(exchange, buy(1, 99))) == [Reject.RATE_LIMITED]
    assert reasons(apply(exchange, quote(2, [(98, 1)], by=ALICE))) == [Reject.RATE_LIMITED]


def test_an_amend_counts_as_an_order_does() -> None:
    exchange = an_exchange(rules=limited(2))
    apply(exchange, buy(1, 99, id="mine"), amend("mine", size=2))
    assert reasons(apply(exchange, amend("mine", size=3))) == [Reject.RATE_LIMITED]


def test_everybody_has_a_limit_of_his_own() -> None:
    exchange = an_exchange(rules=limited(1))
    assert not reasons(apply(exchange, buy(1, 99), buy(1, 99, by=BOB)))


@pytest.mark.parametrize(("us", "expected"), [(SECOND - 1, [Reject.RATE_LIMITED]), (SECOND, []), (SECOND + 1, [])])
def test_the_count_begins_anew_at_every_multiple_of_the_window(us: int, expected: list[Reject]) -> None:
    exchange = an_exchange(rules=limited(1))
    apply(exchange, ClockTick(VENUE, SECOND - 2), buy(1, 99), ClockTick(VENUE, us))
    assert reasons(apply(exchange, buy(1, 99))) == expected


def test_another_limit_counts_from_its_own_beginning() -> None:
    exchange = an_exchange(rules=limited(1))
    apply(exchange, buy(1, 99), limited(2, window_us=3 * SECOND))
    assert reasons(apply(exchange, *(buy(1, 99) for _ in range(3)))) == [Reject.RATE_LIMITED]


def test_a_cancel_is_never_refused_and_does_not_count() -> None:
    exchange = an_exchange(rules=limited(2))
    apply(exchange, buy(1, 99, id="mine"))
    assert reasons(apply(exchange, cancel("mine"), cancel_all(ALICE), quote_cancel(ALICE))) == [
        Reject.UNKNOWN_ORDER,
        Reject.UNKNOWN_ORDER,
    ]
    assert not reasons(apply(exchange, buy(1, 99, id="next")))
    assert not reasons(apply(exchange, cancel("next")))


def test_a_repeat_of_what_was_answered_does_not_count_and_is_answered_even_over_the_limit() -> None:
    exchange = an_exchange(rules=limited(1))
    order = buy(1, 99)
    apply(exchange, order)
    assert all(one(apply(exchange, order), OrderAccepted).repeated for _ in range(3))


def test_what_is_refused_for_another_reason_counts() -> None:
    exchange = an_exchange(rules=limited(1))
    assert reasons(apply(exchange, buy(0, 99), buy(1, 99))) == [Reject.SIZE_NOT_POSITIVE, Reject.RATE_LIMITED]


def test_what_comes_halted_or_expired_does_not_count() -> None:
    exchange = an_exchange(rules=limited(1))
    events = apply(exchange, tick(2), halt(), buy(1, 99), resume(), until(SECOND, buy(1, 99)))
    assert reasons(events) == [Reject.TRADING_HALTED, Reject.EXPIRED]
    assert not reasons(apply(exchange, buy(1, 99)))


def test_an_order_refused_by_the_limit_may_be_sent_again_under_its_id() -> None:
    exchange = an_exchange(rules=limited(1))
    again = buy(1, 98, id="again")
    assert reasons(apply(exchange, buy(1, 99), again)) == [Reject.RATE_LIMITED]
    assert not one(apply(exchange, tick(1), again), OrderAccepted).repeated


def test_nobody_is_limited_unless_it_is_set_nor_once_it_is_set_to_nothing() -> None:
    exchange = an_exchange()
    assert not reasons(apply(exchange, *(buy(1, 99) for _ in range(50))))
    assert not reasons(apply(exchange, limited(1), limited(0), *(buy(1, 99) for _ in range(50))))


def test_a_limit_without_a_window_is_refused() -> None:
    exchange = an_exchange()
    assert reasons(apply(exchange, limited(1, window_us=0))) == [Reject.BAD_RULES]
    assert not reasons(apply(exchange, limited(0, window_us=0), buy(1, 99), buy(1, 99)))
