"""Quotes: a maker's ladder, replaced as one input."""

import pytest

from stream_engine.messages.events import CancelReason, QuoteAccepted, QuoteCancelled, QuoteRejected, Traded
from stream_engine.messages.inputs import Level
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    BOB,
    MM,
    an_exchange,
    apply,
    book,
    buy,
    held,
    kinds,
    leg,
    one,
    only,
    queue_at,
    quote,
    quote_cancel,
    reasons,
    refusals,
    sell,
    spot,
    trades,
)

BIDS, ASKS = [(99, 5), (98, 10)], [(101, 5), (102, 10)]


def test_a_quote_puts_all_its_levels_on_the_book_in_one_input() -> None:
    exchange = an_exchange()
    events = apply(exchange, quote(1, BIDS, ASKS))
    assert kinds(events) == ["QuoteAccepted", "BookChanged"]
    assert book(exchange) == "10 @ 98, 5 @ 99 | 101 @ 5, 102 @ 10"


def test_a_quote_replaces_the_former_one_entirely() -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, BIDS, ASKS), quote(2, [(97, 1)], [(103, 2)]))
    assert book(exchange) == "1 @ 97 | 103 @ 2"


def test_an_empty_side_is_no_quote_there() -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, BIDS, ASKS), quote(2, [], ASKS))
    assert book(exchange) == "| 101 @ 5, 102 @ 10"


def test_a_quote_replaces_nothing_but_that_makers_quote_on_that_symbol() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 10})
    apply(exchange, quote(1, [(9, 1)], symbol="ETH"), quote(1, [(98, 1)], by=BOB), buy(1, 97, by=MM), quote(1, BIDS))
    apply(exchange, quote(2, [(96, 1)]))
    assert (book(exchange), book(exchange, "ETH")) == ("1 @ 96, 1 @ 97, 1 @ 98 |", "1 @ 9 |")


@pytest.mark.parametrize(("size", "queue"), [(4, ["MM1 4", "bob 3"]), (5, ["MM1 5", "bob 3"]), (6, ["bob 3", "MM1 6"])])
def test_a_level_that_stands_as_before_or_smaller_keeps_its_place_and_a_larger_one_loses_it(
    size: int, queue: list[str]
) -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, [(99, 5)]), buy(3, 99, by=BOB), quote(2, [(99, size)]))
    assert queue_at(exchange, 99) == queue


def test_a_level_filled_in_part_and_quoted_in_full_again_goes_behind() -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, [(99, 5)]), buy(3, 99, by=BOB), sell(1, 99), quote(2, [(99, 5)]))
    assert queue_at(exchange, 99) == ["bob 3", "MM1 5"]


def test_a_level_that_crosses_takes_and_the_rest_of_it_rests() -> None:
    exchange = an_exchange()
    apply(exchange, sell(2, 101, by=BOB))
    events = apply(exchange, quote(1, [(101, 5), (98, 1)], [(103, 1)]))
    assert trades(events) == ["2 @ 101"]
    assert one(events, QuoteAccepted).bids == ((101, 3), (98, 1))
    assert book(exchange) == "1 @ 98, 3 @ 101 | 103 @ 1"
    assert held(exchange, MM) == 2


def test_levels_that_are_gone_leave_the_book_before_new_ones_take() -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, [(99, 5)], [(101, 5)]))
    events = apply(exchange, quote(2, [(101, 5)], [(103, 5)]))
    assert not trades(events)
    assert book(exchange) == "5 @ 101 | 103 @ 5"


def test_the_answer_says_all_that_rests_after_the_input() -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, BIDS, ASKS), sell(7, 98))
    accepted = one(apply(exchange, quote(2, [(98, 8)], [(101, 5)])), QuoteAccepted)
    assert (accepted.quote_id, accepted.bids, accepted.asks) == (2, ((98, 8),), ((101, 5),))


def test_a_fill_of_a_quote_names_the_maker_and_its_level_is_known_by_the_price() -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, BIDS, ASKS))
    fills = only(apply(exchange, buy(6, 102)), Traded)
    assert [(fill.maker, fill.price, fill.size, fill.maker_left) for fill in fills] == [
        (MM, 101, 5, 0),
        (MM, 102, 1, 9),
    ]


# cancels ---------------------------------------------------------------------------------------------------


def test_a_quote_cancel_takes_what_is_left_of_the_quote_and_no_order() -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, BIDS, ASKS), buy(1, 97, by=MM), sell(5, 99))
    cancelled = one(apply(exchange, quote_cancel()), QuoteCancelled)
    assert (cancelled.size, cancelled.reason) == (25, CancelReason.OWNER)
    assert book(exchange) == "1 @ 97 |"


def test_a_quote_cancel_without_a_symbol_takes_the_quotes_on_all() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 10})
    apply(exchange, quote(1, BIDS, ASKS), quote(1, [(9, 1)], symbol="ETH"), quote_cancel(symbol="ETH"))
    assert (book(exchange), book(exchange, "ETH")) == ("10 @ 98, 5 @ 99 | 101 @ 5, 102 @ 10", "|")
    apply(exchange, quote(2, [(9, 1)], symbol="ETH"), quote_cancel())
    assert (book(exchange), book(exchange, "ETH")) == ("|", "|")


def test_after_a_cancel_the_next_quote_still_needs_a_higher_number() -> None:
    exchange = an_exchange()
    apply(exchange, quote(5, BIDS, ASKS), quote_cancel())
    assert reasons(apply(exchange, quote(5, BIDS, ASKS), quote(6, BIDS, ASKS))) == [Reject.QUOTE_ID_NOT_NEWER]


# refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "allowed"), [(6, False), (7, False), (8, True)])
def test_the_number_of_a_quote_rises(number: int, allowed: bool) -> None:
    exchange = an_exchange()
    apply(exchange, quote(7, BIDS, ASKS))
    assert reasons(apply(exchange, quote(number, BIDS, ASKS))) == ([] if allowed else [Reject.QUOTE_ID_NOT_NEWER])


@pytest.mark.parametrize(
    ("bids", "asks", "reason"),
    [
        ([(99, 0)], [], Reject.SIZE_NOT_POSITIVE),
        ([], [(101, -1)], Reject.SIZE_NOT_POSITIVE),
        ([(99, 50_001)], [], Reject.SIZE_TOO_LARGE),
        ([(0, 1)], [], Reject.PRICE_NOT_POSITIVE),
        ([(-1, 1)], [], Reject.PRICE_NOT_POSITIVE),
        ([], [(100_001, 1)], Reject.PRICE_TOO_HIGH),
        ([(98, 1), (99, 1)], [], Reject.LEVELS_NOT_SORTED),
        ([(99, 1), (99, 1)], [], Reject.LEVELS_NOT_SORTED),
        ([], [(102, 1), (101, 1)], Reject.LEVELS_NOT_SORTED),
        ([(100, 1)], [(100, 1)], Reject.QUOTE_CROSSES_ITSELF),
        ([(101, 1)], [(100, 1)], Reject.QUOTE_CROSSES_ITSELF),
    ],
)
def test_a_quote_is_refused_as_a_whole_and_the_former_one_stands(
    bids: list[Level], asks: list[Level], reason: Reject
) -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, BIDS, ASKS))
    events = apply(exchange, quote(2, bids, asks))
    assert reasons(events) == [reason] and kinds(events) == ["QuoteRejected"]
    assert book(exchange) == "10 @ 98, 5 @ 99 | 101 @ 5, 102 @ 10"


def test_a_quote_between_two_steps_of_the_price_grid_is_refused() -> None:
    exchange = an_exchange(price_step=5)
    assert reasons(apply(exchange, quote(1, [(95, 1), (91, 1)]))) == [Reject.PRICE_OFF_TICK]


def test_of_several_faults_the_first_in_the_order_of_the_reasons_is_told() -> None:
    exchange = an_exchange(price_step=5)
    assert reasons(apply(exchange, quote(1, [(91, 1), (-5, 1), (100_005, 1)]))) == [Reject.PRICE_NOT_POSITIVE]
    assert reasons(apply(exchange, quote(1, [(100_005, 1), (91, 1)]))) == [Reject.PRICE_TOO_HIGH]


# margin ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dollars", "allowed"), [(99, False), (100, True), (101, True)])
def test_a_quote_needs_margin_for_the_larger_of_its_sides(dollars: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={MM: dollars})
    reason = [] if allowed else [Reject.INSUFFICIENT_MARGIN]
    assert reasons(apply(exchange, quote(1, [(99, 4), (98, 6)], [(101, 9)]))) == reason


def test_a_quote_that_replaces_another_of_its_size_needs_no_margin_twice() -> None:
    exchange = an_exchange(wallets={MM: 100})
    assert not refusals(apply(exchange, quote(1, [(99, 10)], [(101, 10)]), quote(2, [(98, 10)], [(102, 10)])))


def test_a_maker_without_margin_to_open_may_quote_what_only_reduces() -> None:
    exchange = an_exchange(wallets={MM: 100}, holds=[leg(MM, 10, at=100), leg(ALICE, -10, at=100)])
    apply(exchange, spot(BTC=96))
    events = apply(exchange, quote(1, [], [(97, 10)]), quote(2, [(95, 1)], [(97, 10)]))
    assert [event.reason for event in only(events, QuoteRejected)] == [Reject.INSUFFICIENT_MARGIN]
    assert book(exchange) == "| 97 @ 10"
