"""Index price: which sources count, how much, and for how long."""

import pytest

from stream_engine.core.index_price import IndexPrice
from stream_engine.messages.events import MarkPriceChanged
from stream_engine.messages.instrument import IndexSource
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import SECOND, an_exchange, apply, buy, mark, one, only, prices_of, reasons, sell, spot, tick

SPOT_AND_OWN = (IndexSource("spot", 3), IndexSource("own", 1))


def an_index(**prices: int) -> IndexPrice:
    index = IndexPrice((IndexSource("a", 1), IndexSource("b", 3)), stale_after_us=5 * SECOND)
    for source, price in prices.items():
        index.see(source, price, now_us=0)
    return index


def test_the_index_is_the_weighted_mean_of_its_sources() -> None:
    assert an_index(a=100, b=104).value(0) == 103


@pytest.mark.parametrize(("b", "value"), [(101, 101), (102, 102), (103, 102)])
def test_the_index_is_rounded_to_the_nearest_tick_and_a_half_goes_up(b: int, value: int) -> None:
    assert an_index(a=100, b=b).value(0) == value  # 100.75, 101.5, 102.25


def test_a_source_that_has_never_spoken_is_left_out() -> None:
    assert an_index(a=100).value(0) == 100
    assert an_index().value(0) is None


@pytest.mark.parametrize(("now_us", "value"), [(4_999_999, 103), (5_000_000, 103), (5_000_001, 100)])
def test_a_source_that_is_silent_for_longer_than_allowed_is_left_out(now_us: int, value: int) -> None:
    index = an_index(b=104)
    index.see("a", 100, now_us=1)
    assert index.value(now_us) == value


def test_a_source_that_speaks_again_counts_again() -> None:
    index = an_index(a=100, b=104)
    assert index.value(9 * SECOND) is None
    index.see("b", 96, now_us=9 * SECOND)
    assert index.value(9 * SECOND) == 96


@pytest.mark.parametrize(("seconds", "index"), [(4, 100), (5, 100), (6, 100), (60, 100)])
def test_when_all_sources_are_silent_the_index_stays_where_it_was(seconds: int, index: int) -> None:
    exchange = an_exchange(marks={"BTC": 100})
    apply(exchange, tick(0), tick(seconds))
    assert mark(exchange) == index


def test_the_venues_own_last_trade_is_a_source_at_the_next_tick() -> None:
    exchange = an_exchange(book="| 120 @ 1", sources=SPOT_AND_OWN)
    apply(exchange, tick(0))
    assert not only(apply(exchange, buy(1, 120)), MarkPriceChanged)
    assert one(apply(exchange, tick(1)), MarkPriceChanged).index == 105


def test_the_own_last_trade_goes_stale_as_any_source_does() -> None:
    exchange = an_exchange(book="| 120 @ 1", sources=SPOT_AND_OWN)
    apply(exchange, tick(0), buy(1, 120), tick(4), spot(BTC=100), tick(5))
    assert mark(exchange) == 105
    apply(exchange, tick(6))
    assert mark(exchange) == 100


def test_where_the_own_trades_are_no_source_they_do_not_count() -> None:
    exchange = an_exchange(book="| 120 @ 1")
    apply(exchange, tick(0), buy(1, 120), tick(1))
    assert mark(exchange) == 100


def test_nobody_from_outside_speaks_for_the_venues_own_trades() -> None:
    exchange = an_exchange(sources=SPOT_AND_OWN)
    assert reasons(apply(exchange, prices_of("own", BTC=90))) == [Reject.UNKNOWN_SOURCE]
    assert mark(exchange) == 100


def test_prices_of_one_input_are_taken_or_refused_as_a_whole() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 10})
    assert reasons(apply(exchange, spot(BTC=90, DOGE=1))) == [Reject.UNKNOWN_SYMBOL]
    assert (mark(exchange), mark(exchange, "ETH")) == (100, 10)


@pytest.mark.parametrize(
    ("price", "reason"),
    [(-1, Reject.PRICE_NOT_POSITIVE), (0, Reject.PRICE_NOT_POSITIVE), (1, None), (100_000, None),
     (100_001, Reject.PRICE_TOO_HIGH)],
)  # fmt: skip
def test_an_index_price_is_above_zero_and_within_the_listing(price: int, reason: Reject | None) -> None:
    assert reasons(apply(an_exchange(), spot(BTC=price))) == ([] if reason is None else [reason])


def test_an_index_price_may_lie_between_two_steps_of_the_order_grid() -> None:
    exchange = an_exchange(price_step=5)
    assert not reasons(apply(exchange, spot(BTC=101)))
    assert mark(exchange) == 101


def test_an_earlier_price_stands_until_the_next_and_an_equal_one_says_nothing() -> None:
    exchange = an_exchange()
    assert not apply(exchange, spot(BTC=100))
    assert one(apply(exchange, spot(BTC=101)), MarkPriceChanged).mark == 101
    apply(exchange, sell(1, 110), buy(1, 90))
    assert mark(exchange) == 101
