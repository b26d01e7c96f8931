"""Fourteen defects that matching engines have shown again and again: here none of them is, each by a test of its own.

What is only named here in its plainest form has its rules in the file of its mechanism.
"""

import sys

import pytest
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import (
    BookChanged,
    CancelReason,
    OrderAccepted,
    OrderCancelled,
    OrderTriggered,
    Traded,
)
from stream_engine.messages.inputs import AnyInput, Trigger, TriggerBy, TriggerKind
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    amend,
    an_exchange,
    apply,
    book,
    buy,
    cancel,
    held,
    leg,
    one,
    only,
    queue_at,
    reasons,
    sell,
    tick,
    trades,
)

# How Bob's bid of 4 at 99 leaves that price.
WAYS_OUT: dict[str, AnyInput] = {
    "cancelled": cancel("mine", by=BOB),
    "filled": sell(4, 99, id="the fill"),
    "amended": amend("mine", at=97, by=BOB),
}


def best(exchange: Exchange) -> tuple[int, int]:
    """The best bid and the best ask, as the book knows them without looking through its levels."""
    levels = exchange.state.markets["BTC"].book
    return -levels.bids.best_key, levels.asks.best_key


def test_1_a_fill_has_the_makers_price_at_every_level_never_the_takers() -> None:
    exchange = an_exchange(book="1 @ 97, 1 @ 98, 1 @ 99 | 101 @ 1, 102 @ 1, 103 @ 1")
    assert trades(apply(exchange, buy(3, 120))) == ["1 @ 101", "1 @ 102", "1 @ 103"]
    assert trades(apply(exchange, sell(3, 80))) == ["1 @ 99", "1 @ 98", "1 @ 97"]


@pytest.mark.parametrize("gone", ["first", "second", "third"])
def test_2_nobody_loses_his_place_when_his_neighbour_cancels(gone: str) -> None:
    exchange = an_exchange()
    people = {"first": BOB, "second": CAROL, "third": DAVE}
    apply(exchange, *(buy(2, 99, by=account, id=name) for name, account in people.items()), buy(2, 99, by=MM))
    apply(exchange, cancel(gone, by=people[gone]))
    stay = [account for name, account in people.items() if name != gone] + [MM]
    fills = only(apply(exchange, sell(6, 99)), Traded)
    assert [fill.maker for fill in fills] == stay


@pytest.mark.parametrize("how", WAYS_OUT)
def test_3_the_best_price_moves_on_when_its_level_is_gone(how: str) -> None:
    exchange = an_exchange(book="4 @ 98 | 102 @ 4")
    apply(exchange, buy(4, 99, by=BOB, id="mine"))
    assert best(exchange) == (99, 102)
    apply(exchange, WAYS_OUT[how])
    assert best(exchange) == (98, 102)
    assert not trades(apply(exchange, sell(1, 99))) and best(exchange) == (98, 99)


@pytest.mark.parametrize("how", WAYS_OUT)
def test_4_no_level_stays_behind_without_an_order_in_it(how: str) -> None:
    exchange = an_exchange()
    apply(exchange, buy(4, 99, by=BOB, id="mine"))
    changed = one(apply(exchange, WAYS_OUT[how]), BookChanged)
    assert (99, 0) in changed.bids
    assert 99 not in exchange.state.markets["BTC"].book.bids.levels
    assert not trades(apply(exchange, sell(1, 99, ioc=True)))


@pytest.mark.parametrize("book_drawn", ["", "| 101 @ 3", "| 101 @ 3, 110 @ 9"])
def test_5_nothing_of_an_immediate_order_rests_whatever_it_found(book_drawn: str) -> None:
    exchange = an_exchange(book=book_drawn)
    events = apply(exchange, buy(5, 101, ioc=True, id="mine"))
    assert one(events, OrderCancelled).reason is CancelReason.IMMEDIATE
    assert not exchange.state.markets["BTC"].book.bids.levels
    assert reasons(apply(exchange, cancel("mine"))) == [Reject.UNKNOWN_ORDER]


def test_6_an_order_amended_to_a_price_that_crosses_trades_and_never_leaves_the_book_crossed() -> None:
    exchange = an_exchange(book="| 101 @ 3, 102 @ 3")
    apply(exchange, buy(5, 99, id="mine"))
    assert trades(apply(exchange, amend("mine", at=101))) == ["3 @ 101"]
    assert book(exchange) == "2 @ 101 | 102 @ 3"


def test_7_a_maker_that_is_filled_is_in_no_index_left() -> None:
    exchange = an_exchange()
    apply(exchange, sell(3, 101, by=BOB, id="mine"), buy(3, 101))
    assert exchange.state.accounts[BOB].orders == {}
    assert reasons(apply(exchange, cancel("mine", by=BOB), amend("mine", 1, by=BOB))) == [Reject.UNKNOWN_ORDER] * 2
    assert trades(apply(exchange, buy(1, 101, ioc=True))) == []


def test_8_an_id_may_be_used_anew_once_it_is_forgotten_and_a_dead_one_is_never_acknowledged() -> None:
    exchange = an_exchange()
    apply(exchange, tick(0), buy(1, 99, id="mine"), cancel("mine"))
    assert reasons(apply(exchange, cancel("mine"), amend("mine", 2))) == [Reject.UNKNOWN_ORDER] * 2
    assert reasons(apply(exchange, buy(2, 98, id="mine"))) == [Reject.DUPLICATE_CLIENT_ID]
    accepted = one(apply(exchange, tick(600), buy(2, 98, id="mine")), OrderAccepted)
    assert not accepted.repeated and book(exchange) == "2 @ 98 |"
    assert one(apply(exchange, cancel("mine")), OrderCancelled).order_id == accepted.order_id


@pytest.mark.parametrize("size", [4, 5, 6])
def test_9_no_fill_has_size_zero_where_an_order_ends_with_a_level(size: int) -> None:
    exchange = an_exchange(book="| 101 @ 2, 102 @ 3, 103 @ 4")
    fills = only(apply(exchange, buy(size, 103)), Traded)
    assert sum(fill.size for fill in fills) == size and all(fill.size > 0 for fill in fills)


def test_10_a_sweep_is_no_deeper_in_calls_however_many_orders_it_fills() -> None:
    deep = 3 * sys.getrecursionlimit()
    exchange = an_exchange()
    state = exchange.state
    for level in range(deep):
        exchange.apply(sell(1, 101 + level % 7, by=MM if level % 2 else BOB))
    events = exchange.apply(buy(deep, 107))
    assert len(only(events, Traded)) == deep
    assert not state.markets["BTC"].book.asks.levels


@pytest.mark.parametrize(("size", "filled"), [(2, True), (3, True), (9, True), (10, False)])
def test_11_fill_or_kill_is_judged_on_all_its_levels_not_on_the_first(size: int, filled: bool) -> None:
    exchange = an_exchange(book="| 101 @ 2, 102 @ 3, 103 @ 4, 104 @ 9")
    events = apply(exchange, buy(size, 103, fok=True))
    assert (held(exchange, ALICE), reasons(events)) == ((size, []) if filled else (0, [Reject.FOK_NOT_FILLABLE]))


def test_12_a_reduce_only_order_over_several_levels_closes_the_position_and_does_not_turn_it() -> None:
    exchange = an_exchange(book="4 @ 97, 4 @ 98, 4 @ 99 |", holds=[leg(ALICE, 6, at=100), leg(DAVE, -6, at=100)])
    assert trades(apply(exchange, sell(12, 97, reduce_only=True))) == ["4 @ 99", "2 @ 98"]
    assert (held(exchange, ALICE), book(exchange)) == (0, "4 @ 97, 2 @ 98 |")


def test_13_a_stop_that_sets_off_a_stop_that_sets_off_a_stop_goes_on_to_the_last_of_them() -> None:
    exchange = an_exchange(book="1 @ 94, 1 @ 95, 1 @ 96, 1 @ 97, 1 @ 98 |")
    apply(exchange, buy(1, 99, by=BOB), sell(1, 99))  # a last price
    for account, price in ((ALICE, 98), (BOB, 97), (CAROL, 96)):
        stop = replace(sell(1, by=account), trigger=Trigger(TriggerKind.STOP, price, TriggerBy.LAST))
        assert not reasons(apply(exchange, stop))
    events = apply(exchange, sell(1, 98, by=DAVE))
    assert trades(events) == ["1 @ 98", "1 @ 97", "1 @ 96", "1 @ 95"]
    assert [event.account for event in only(events, OrderTriggered)] == [ALICE, BOB, CAROL]
    assert book(exchange) == "1 @ 94 |"


def test_14_depth_is_less_by_every_partial_fill_in_the_level_and_in_what_is_published() -> None:
    exchange = an_exchange()
    apply(exchange, sell(5, 101, by=BOB), sell(5, 101, by=CAROL))
    assert [one(apply(exchange, buy(2, 101)), BookChanged).asks for _ in range(3)] == [
        ((101, 8),), ((101, 6),), ((101, 4),)
    ]  # fmt: skip
    assert (queue_at(exchange, 101), book(exchange)) == (["carol 4"], "| 101 @ 4")
