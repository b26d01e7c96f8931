"""Market-maker protection: a quote that is hit too much, too fast, goes as a whole, and by rule."""

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import (
    CancelReason,
    ProtectionSet,
    ProtectionTriggered,
    QuoteCancelled,
    Traded,
)
from stream_engine.messages.inputs import ClockTick, MassQuote, SetProtection
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    BOB,
    MM,
    SECOND,
    VENUE,
    an_exchange,
    apply,
    book,
    buy,
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
)

MILLISECOND = SECOND // 1_000


def protect(
    quantity: int = 0, delta: int = 0, window_ms: int = 5_000, frozen_ms: int = 100, by: int = MM
) -> SetProtection:
    """The window and the freeze of Bybit, unless they matter."""
    return SetProtection(VENUE, 0, by, "BTC", window_ms * MILLISECOND, frozen_ms * MILLISECOND, quantity, delta)


def a_protected_maker(**limits: int) -> Exchange:
    """10 lots on each of three levels of either side, and the clock at 0."""
    exchange = an_exchange()
    apply(exchange, tick(0), protect(**limits), three_levels(1))
    return exchange


def three_levels(number: int) -> MassQuote:
    return quote(number, [(99, 10), (98, 10), (97, 10)], [(101, 10), (102, 10), (103, 10)])


def at(ms: int) -> ClockTick:
    return ClockTick(VENUE, ms * MILLISECOND)


@pytest.mark.parametrize(("sold", "triggers"), [(11, False), (12, False), (13, True)])
def test_more_lots_than_the_quantity_take_the_whole_quote_away(sold: int, triggers: bool) -> None:
    exchange = a_protected_maker(quantity=12)
    events = apply(exchange, sell(sold, 98, ioc=True))
    assert bool(only(events, ProtectionTriggered)) == triggers
    assert (book(exchange) == "|") == triggers


@pytest.mark.parametrize(("sold", "triggers"), [(11, False), (12, False), (13, True)])
def test_a_balance_of_more_lots_than_the_delta_takes_the_whole_quote_away(sold: int, triggers: bool) -> None:
    exchange = a_protected_maker(delta=12)
    assert bool(only(apply(exchange, sell(sold, 98, ioc=True)), ProtectionTriggered)) == triggers


def test_what_is_bought_and_what_is_sold_add_up_to_the_quantity_and_cancel_out_in_the_delta() -> None:
    by_delta, by_quantity = a_protected_maker(delta=8), a_protected_maker(quantity=12)
    for exchange in (by_delta, by_quantity):
        assert not only(apply(exchange, sell(8, 99, ioc=True)), ProtectionTriggered)
    assert not only(apply(by_delta, buy(8, 101, ioc=True)), ProtectionTriggered)
    triggered = one(apply(by_quantity, buy(8, 101, ioc=True)), ProtectionTriggered)
    assert (triggered.quantity, triggered.delta) == (16, 0)


@pytest.mark.parametrize(("ms", "triggers"), [(4_999, True), (5_000, False), (5_001, False)])
def test_a_fill_counts_until_it_is_as_old_as_the_window(ms: int, triggers: bool) -> None:
    exchange = a_protected_maker(quantity=12)
    apply(exchange, sell(7, 99, ioc=True), at(ms))
    assert bool(only(apply(exchange, sell(7, 98, ioc=True)), ProtectionTriggered)) == triggers


def test_the_sweep_that_exceeds_it_finds_no_further_level_of_the_quote_but_goes_on_with_others() -> None:
    exchange = a_protected_maker(quantity=12)
    apply(exchange, buy(4, 97, by=BOB))
    events = apply(exchange, sell(30, 97, ioc=True))
    assert trades(events) == ["10 @ 99", "10 @ 98", "4 @ 97"]
    assert [trade.maker for trade in only(events, Traded)] == [MM, MM, BOB]


def test_it_is_the_fill_that_sets_it_off_and_the_protection_that_takes_the_quote_away() -> None:
    exchange = a_protected_maker(quantity=12)
    events = apply(exchange, sell(20, 98, ioc=True))
    assert kinds(events) == [
        "OrderAccepted", "Traded", "TradePrinted", "Traded", "TradePrinted", "ProtectionTriggered", "QuoteCancelled",
        "BookChanged",
    ]  # fmt: skip
    fill, triggered, gone = events[3], one(events, ProtectionTriggered), one(events, QuoteCancelled)
    assert triggered.cause == (fill.seq, fill.n) and gone.cause == (triggered.seq, triggered.n)
    assert (triggered.account, triggered.quantity, triggered.delta) == (MM, 20, 20)
    assert (gone.size, gone.reason) == (40, CancelReason.PROTECTION)


def test_a_quote_of_which_nothing_is_left_is_frozen_too() -> None:
    exchange = an_exchange()
    apply(exchange, tick(0), protect(quantity=3), quote(1, [(99, 5)]))
    events = apply(exchange, sell(5, 99))
    assert only(events, ProtectionTriggered) and not only(events, QuoteCancelled)
    assert reasons(apply(exchange, quote(2, [(99, 5)]))) == [Reject.PROTECTED]


@pytest.mark.parametrize(("ms", "expected"), [(99, [Reject.PROTECTED]), (100, []), (101, [])])
def test_quotes_are_refused_until_the_freeze_is_over(ms: int, expected: list[Reject]) -> None:
    exchange = a_protected_maker(quantity=3)
    assert one(apply(exchange, sell(4, 99)), ProtectionTriggered).frozen_until_us == 100 * MILLISECOND
    apply(exchange, at(ms))
    assert reasons(apply(exchange, three_levels(2))) == expected


def test_after_the_freeze_the_count_begins_anew() -> None:
    exchange = a_protected_maker(quantity=3)
    apply(exchange, sell(4, 99), at(100), three_levels(2))
    assert not only(apply(exchange, sell(3, 99)), ProtectionTriggered)
    assert only(apply(exchange, sell(1, 99)), ProtectionTriggered)


def test_without_a_length_the_freeze_lasts_until_the_protection_is_set_again() -> None:
    exchange = a_protected_maker(quantity=3, frozen_ms=0)
    assert one(apply(exchange, sell(4, 99)), ProtectionTriggered).frozen_until_us is None
    apply(exchange, tick(1_000))
    assert reasons(apply(exchange, quote(2, [(99, 5)]))) == [Reject.PROTECTED]
    assert not reasons(apply(exchange, protect(quantity=3), quote(2, [(99, 5)])))


def test_setting_it_again_begins_a_new_count() -> None:
    exchange = a_protected_maker(quantity=12)
    apply(exchange, sell(12, 98), protect(quantity=12))
    assert not only(apply(exchange, sell(8, 98)), ProtectionTriggered)


def test_with_both_limits_at_nothing_there_is_no_protection() -> None:
    exchange = a_protected_maker(quantity=3)
    off = one(apply(exchange, protect()), ProtectionSet)
    assert (off.quantity, off.delta) == (0, 0)
    assert not only(apply(exchange, sell(30, 97)), ProtectionTriggered)


def test_orders_are_neither_counted_nor_taken_away() -> None:
    exchange = a_protected_maker(quantity=12)
    apply(exchange, buy(5, 100, by=MM), quote(2, [(99, 10)]), buy(5, 98, by=MM))
    apply(exchange, sell(5, 100), sell(10, 99, ioc=True))
    apply(exchange, quote(3, [(99, 10)]))
    assert only(apply(exchange, sell(3, 99, ioc=True)), ProtectionTriggered)
    assert book(exchange) == "5 @ 98 |"


def test_what_a_quote_takes_as_it_comes_in_does_not_count() -> None:
    exchange = an_exchange()
    apply(exchange, protect(quantity=3), sell(20, 99, by=BOB))
    events = apply(exchange, quote(1, [(99, 25)]))
    assert trades(events) == ["20 @ 99"] and not only(events, ProtectionTriggered)
    assert book(exchange) == "5 @ 99 |"


def test_a_quote_of_another_symbol_stays() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100})
    apply(exchange, protect(quantity=3), quote(1, [(99, 5), (98, 5)]), quote(1, [(99, 5)], symbol="ETH"))
    apply(exchange, sell(4, 99))
    assert (book(exchange), book(exchange, "ETH")) == ("|", "5 @ 99 |")


def test_a_liquidation_that_runs_into_a_protected_quote_takes_it_away_like_any_other_taker() -> None:
    exchange = an_exchange(wallets={ALICE: 60}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)])
    apply(exchange, protect(quantity=3), quote(1, [(99, 4), (98, 4), (97, 4)]))
    events = apply(exchange, spot(BTC=94))
    assert trades(events)[0] == "4 @ 99"
    assert [trade.maker for trade in only(events, Traded)] == [MM]
    assert only(events, ProtectionTriggered)


def test_a_maker_may_still_take_its_own_quote_away_and_send_orders_while_it_is_frozen() -> None:
    exchange = a_protected_maker(quantity=3, frozen_ms=0)
    apply(exchange, sell(4, 99))
    assert reasons(apply(exchange, quote_cancel())) == [Reject.UNKNOWN_ORDER]
    assert not reasons(apply(exchange, buy(1, 99, by=MM)))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (protect(quantity=3, by=77), Reject.UNKNOWN_ACCOUNT),
        (protect(quantity=-1), Reject.SIZE_NOT_POSITIVE),
        (protect(delta=-1), Reject.SIZE_NOT_POSITIVE),
        (protect(quantity=3, window_ms=0), Reject.AMOUNT_NOT_POSITIVE),
    ],
)
def test_a_protection_that_makes_no_sense_is_refused(wrong: SetProtection, reason: Reject) -> None:
    assert reasons(apply(an_exchange(), wrong)) == [reason]
