"""Order book: what stands where, who is filled first, and what the market is told."""

import pytest

from stream_engine.core import exchange as exchanges
from stream_engine.core.order_book import OrderBook
from stream_engine.messages.codec import encode
from stream_engine.messages.events import BookChanged, Traded
from stream_engine.messages.inputs import AnyInput
from stream_engine.messages.units import WIRE_MAX
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    MM,
    an_exchange,
    apply,
    book,
    buy,
    cancel,
    cancel_all,
    one,
    only,
    queue_at,
    sell,
    trades,
)


def test_a_resting_order_can_be_seen_and_trades_with_nobody() -> None:
    exchange = an_exchange()
    events = apply(exchange, buy(4, 100), sell(5, 101, by=BOB))
    assert book(exchange) == "4 @ 100 | 101 @ 5"
    assert not trades(events)


def test_the_better_price_is_filled_first() -> None:
    exchange = an_exchange(book="| 103 @ 1, 101 @ 1, 102 @ 1")
    assert trades(apply(exchange, buy(3, 103))) == ["1 @ 101", "1 @ 102", "1 @ 103"]


def test_at_one_price_who_came_first_is_filled_first() -> None:
    exchange = an_exchange()
    apply(exchange, sell(2, 101, by=BOB), sell(2, 101, by=CAROL))
    events = apply(exchange, buy(3, 101))
    assert [(trade.maker, trade.size) for trade in only(events, Traded)] == [(BOB, 2), (CAROL, 1)]
    assert queue_at(exchange, 101) == ["carol 1"]


@pytest.mark.parametrize("leaver", [ALICE, BOB, CAROL])
def test_an_order_keeps_its_place_when_a_neighbour_cancels(leaver: int) -> None:
    exchange = an_exchange()
    names = {ALICE: "alice", BOB: "bob", CAROL: "carol"}
    apply(exchange, *(buy(1, 100, by=account, id=name) for account, name in names.items()))
    apply(exchange, cancel(names.pop(leaver), by=leaver))
    assert queue_at(exchange, 100) == [f"{name} 1" for name in names.values()]
    assert [trade.maker for trade in only(apply(exchange, sell(2, 100, by=MM)), Traded)] == list(names)


def test_an_order_keeps_its_place_when_it_is_filled_in_part() -> None:
    exchange = an_exchange()
    apply(exchange, buy(5, 100, by=BOB), buy(5, 100, by=CAROL), sell(1, 100))
    assert queue_at(exchange, 100) == ["bob 4", "carol 5"]


def test_a_partial_fill_lowers_the_depth_by_what_was_filled() -> None:
    exchange = an_exchange(book="4 @ 100 | 101 @ 5")
    apply(exchange, buy(2, 101))
    assert book(exchange) == "4 @ 100 | 101 @ 3"


def test_a_level_is_gone_with_its_last_lot() -> None:
    exchange = an_exchange(book="4 @ 100 | 101 @ 5, 102 @ 1")
    apply(exchange, buy(5, 101))
    assert book(exchange) == "4 @ 100 | 102 @ 1"


def test_a_level_is_gone_with_its_last_cancel_and_nobody_trades_with_it() -> None:
    exchange = an_exchange(book="| 102 @ 1")
    apply(exchange, sell(3, 101, by=BOB, id="mine"), cancel("mine", by=BOB))
    assert book(exchange) == "| 102 @ 1"
    assert trades(apply(exchange, buy(1, 102))) == ["1 @ 102"]


def test_the_best_price_moves_back_when_the_best_level_is_cancelled() -> None:
    exchange = an_exchange(book="1 @ 98 |")
    apply(exchange, buy(1, 100, id="best"), buy(1, 99), cancel("best"))
    assert trades(apply(exchange, sell(1, 98, by=BOB))) == ["1 @ 99"]


def test_the_best_price_moves_up_when_a_better_one_comes() -> None:
    exchange = an_exchange(book="1 @ 98 |")
    apply(exchange, buy(1, 99))
    assert trades(apply(exchange, sell(1, 98, by=BOB))) == ["1 @ 99"]


def test_a_price_can_be_used_again_after_its_level_was_gone() -> None:
    exchange = an_exchange()
    for _ in range(3):
        apply(exchange, buy(2, 100), sell(2, 100, by=BOB))
        assert book(exchange) == "|"


def test_a_filled_order_can_not_be_cancelled_and_is_filled_no_second_time() -> None:
    exchange = an_exchange()
    apply(exchange, sell(2, 101, by=BOB, id="mine"), buy(2, 101))
    assert not trades(apply(exchange, buy(2, 101)))
    apply(exchange, cancel("mine", by=BOB))
    assert book(exchange) == "2 @ 101 |"


# what the market is told -----------------------------------------------------------------------------------


def test_the_changed_levels_are_published_once_per_input_best_first() -> None:
    exchange = an_exchange(book="1 @ 99, 4 @ 100 | 101 @ 5, 102 @ 1")
    changed = one(apply(exchange, sell(5, 98)), BookChanged)
    assert (changed.bids, changed.asks) == (((100, 0), (99, 0)), ())
    changed = one(apply(exchange, buy(7, 102)), BookChanged)
    assert (changed.bids, changed.asks) == (((102, 1),), ((101, 0), (102, 0)))


@pytest.mark.parametrize(("levels", "parts"), [(1, [1]), (2, [2]), (3, [2, 1]), (4, [2, 2]), (5, [2, 2, 1])])
def test_very_many_changed_levels_are_published_in_parts(
    monkeypatch: pytest.MonkeyPatch, levels: int, parts: list[int]
) -> None:
    monkeypatch.setattr(exchanges, "LEVELS_PER_EVENT", 2)
    exchange = an_exchange()
    apply(exchange, *(buy(1, 99 - number) for number in range(levels)), sell(1, 101))
    changed = only(apply(exchange, cancel_all()), BookChanged)
    assert [len(each.bids) for each in changed] == parts
    assert [level for each in changed for level in each.bids] == [(99 - number, 0) for number in range(levels)]
    assert [each.asks for each in changed] == [((101, 0),), *[()] * (len(parts) - 1)]


def test_the_longest_part_of_what_changed_is_a_record_that_a_log_takes() -> None:
    side = ((WIRE_MAX, WIRE_MAX),) * exchanges.LEVELS_PER_EVENT
    event = BookChanged("V" * 64, WIRE_MAX, WIRE_MAX, WIRE_MAX, None, "S" * 64, side, side)
    assert len(encode(event)) < 900_000


def test_what_changes_no_level_publishes_no_book() -> None:
    exchange = an_exchange(book="4 @ 100 | 101 @ 5")
    assert not only(apply(exchange, buy(1, 100, ioc=True), cancel("nothing")), BookChanged)


def test_the_published_levels_add_up_to_the_book() -> None:
    exchange = an_exchange()
    levels: dict[int, int] = {}
    inputs: list[AnyInput] = [
        buy(3, 99, id="a"),
        buy(2, 100, by=BOB),
        sell(4, 101, by=CAROL),
        buy(6, 101, by=BOB),
        cancel("a"),
        sell(1, 101),
    ]
    for event in only(apply(exchange, *inputs), BookChanged):
        levels.update(event.bids + event.asks)
    assert {price: size for price, size in levels.items() if size} == {100: 2, 101: 1}
    assert book(exchange) == "2 @ 100, 1 @ 101 |"


# its own arithmetic ----------------------------------------------------------------------------------------


def test_twice_the_mid_is_the_sum_of_the_best_prices_and_none_while_a_side_is_empty() -> None:
    exchange = an_exchange(book="4 @ 100 | 103 @ 5")
    levels = exchange.state.markets["BTC"].book
    assert levels.doubled_mid() == 203
    apply(exchange, buy(5, 103))
    assert levels.doubled_mid() is None
    assert OrderBook().doubled_mid() is None


@pytest.mark.parametrize(("price", "crosses"), [(100, False), (101, True), (102, True)])
def test_a_buy_order_crosses_from_the_best_ask_on(price: int, crosses: bool) -> None:
    exchange = an_exchange(book="| 101 @ 5")
    assert exchange.state.markets["BTC"].book.crosses(1, price) == crosses


@pytest.mark.parametrize(("price", "crosses"), [(99, True), (100, True), (101, False)])
def test_a_sell_order_crosses_from_the_best_bid_down(price: int, crosses: bool) -> None:
    exchange = an_exchange(book="4 @ 100 |")
    assert exchange.state.markets["BTC"].book.crosses(-1, price) == crosses


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        (1, 105, (1, 101)),
        (2, 105, (2, 202)),
        (3, 105, (3, 304)),
        (9, 105, (5, 509)),
        (9, 102, (4, 406)),
        (9, 101, (2, 202)),
        (9, 100, (0, 0)),
    ],
)
def test_a_sweep_counts_lots_and_price_times_lots_up_to_the_limit(
    size: int, limit: int, expected: tuple[int, int]
) -> None:
    exchange = an_exchange(book="| 101 @ 2, 102 @ 2, 103 @ 1")
    assert exchange.state.markets["BTC"].book.asks.sweep(limit, size, ALICE) == expected


def test_a_sweep_passes_over_the_takers_own_orders() -> None:
    exchange = an_exchange(book="| 101 @ 2, 103 @ 1")
    apply(exchange, sell(2, 102))
    assert exchange.state.markets["BTC"].book.asks.sweep(103, 9, ALICE) == (3, 2 * 101 + 103)
