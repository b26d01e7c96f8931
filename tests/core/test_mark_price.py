"""Mark price: of what it is made in each of its kinds, and when."""

from decimal import Decimal, localcontext

import pytest

from stream_engine.core.ema import UNIT, Ema, decay
from stream_engine.core.mark_price import Basis, hyperliquid_mark, median_mark, touch_price, weighted_median
from stream_engine.core.order_book import Order, OrderBook
from stream_engine.messages.events import MarkPriceChanged
from stream_engine.messages.instrument import IndexSource
from stream_engine.messages.units import MILLION
from tests.core.rulebook import (
    MINUTE,
    SECOND,
    an_exchange,
    apply,
    buy,
    cancel_all,
    kinds,
    mark,
    one,
    prices_of,
    sell,
    spot,
    tick,
)


@pytest.mark.parametrize(
    ("with_basis", "last", "mark_expected"),
    [(102, 90, 100), (102, 101, 101), (102, 110, 102), (98, 110, 100), (98, 99, 99), (98, 90, 98)],
)
def test_the_mark_is_the_median_of_index_index_plus_basis_and_last(
    with_basis: int, last: int, mark_expected: int
) -> None:
    assert median_mark(100, with_basis, last) == mark_expected


def test_before_the_first_trade_the_index_stands_for_the_last() -> None:
    exchange = an_exchange(book="1 @ 140 | 160 @ 1", mark="median")
    apply(exchange, tick(0))
    assert exchange.state.markets["BTC"].basis.mean() == 50
    assert mark(exchange) == 100


def test_the_mark_is_the_index_where_the_instrument_says_so() -> None:
    exchange = an_exchange(book="1 @ 128 | 130 @ 2", mark="index")
    apply(exchange, buy(1, 130), tick(0), tick(5))
    assert mark(exchange) == 100


def test_one_odd_trade_moves_the_mark_no_further_than_the_basis() -> None:
    exchange = an_exchange(book="| 150 @ 1", mark="median")
    apply(exchange, tick(0), buy(1, 150), tick(1))
    assert mark(exchange) == 100


def test_a_trade_moves_the_mark_at_the_next_tick_only() -> None:
    exchange = an_exchange(book="1 @ 104 | 108 @ 2", mark="median")
    apply(exchange, tick(0))
    assert "MarkPriceChanged" not in kinds(apply(exchange, buy(1, 108)))
    changed = one(apply(exchange, tick(1)), MarkPriceChanged)
    assert (changed.mark, changed.index, changed.last) == (106, 100, 108)


# the basis -------------------------------------------------------------------------------------------------


def a_basis(*samples: tuple[int, int]) -> Basis:
    """After samples of (time, twice the mid) around an index of 100; one due every 5 s, kept for 15."""
    basis = Basis(every_us=5 * SECOND, window_us=15 * SECOND)
    for now_us, doubled_mid in samples:
        basis.sample(now_us, doubled_mid, 100)
    return basis


def test_the_basis_is_the_mean_of_mid_less_index() -> None:
    assert a_basis((0, 204), (5 * SECOND, 208)).mean() == 3
    assert a_basis((0, 196), (5 * SECOND, 192)).mean() == -3


@pytest.mark.parametrize(("doubled_mid", "mean"), [(200, 0), (201, 1), (202, 1), (199, 0), (198, -1)])
def test_the_mean_is_rounded_to_the_nearest_tick_and_a_half_goes_up(doubled_mid: int, mean: int) -> None:
    assert a_basis((0, doubled_mid)).mean() == mean


@pytest.mark.parametrize(("now_us", "samples"), [(4_999_999, 1), (5_000_000, 2), (5_000_001, 2)])
def test_a_sample_is_taken_when_one_is_due(now_us: int, samples: int) -> None:
    assert len(a_basis((0, 204), (now_us, 208)).samples) == samples


@pytest.mark.parametrize(("now_us", "mean"), [(14_999_999, 3), (15_000_000, 4), (15_000_001, 4)])
def test_a_sample_is_forgotten_when_it_leaves_the_window(now_us: int, mean: int) -> None:
    basis = a_basis((0, 204), (10 * SECOND, 208))
    basis.sample(now_us, None, 100)
    assert basis.mean() == mean


def test_no_sample_is_taken_while_a_side_of_the_book_is_empty() -> None:
    exchange = an_exchange(book="1 @ 110 |", mark="median")
    apply(exchange, tick(0), tick(5))
    assert not exchange.state.markets["BTC"].basis.samples
    apply(exchange, sell(1, 112), tick(10))
    assert exchange.state.markets["BTC"].basis.mean() == 11


def test_with_every_sample_gone_the_basis_is_nothing_again() -> None:
    exchange = an_exchange(book="1 @ 104 | 106 @ 1", mark="median", basis_window_us=MINUTE)
    apply(exchange, tick(0), buy(1, 106), tick(1))
    assert mark(exchange) == 105
    apply(exchange, cancel_all(by=9), tick(60))
    assert mark(exchange) == 100


def test_a_mark_is_never_below_one_tick() -> None:
    exchange = an_exchange(
        mark="fair",
        funding_interval_us=MINUTE,
        interest_ppm=-MILLION,
        funding_damp_ppm=MILLION,
        funding_cap_ppm=MILLION,
    )
    apply(exchange, tick(1), tick(60))
    for index in (2, 200, 1):
        apply(exchange, spot(BTC=index))
        assert mark(exchange) == 1


def test_a_mark_is_never_above_the_largest_price() -> None:
    exchange = an_exchange(book="1 @ 120 | 122 @ 1", mark="moving-average", mark_bound_ppm=999_999, max_price=130)
    apply(exchange, tick(0))
    for index, expected in ((108, 129), (109, 130), (110, 130)):
        apply(exchange, spot(BTC=index))
        assert mark(exchange) == expected


def test_the_mark_is_told_only_when_it_or_the_index_changed() -> None:
    exchange = an_exchange()
    assert kinds(apply(exchange, tick(0), tick(1))).count("MarkPriceChanged") == 0
    assert kinds(apply(exchange, spot(BTC=101), spot(BTC=101))).count("MarkPriceChanged") == 1


# the kinds of mark -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("basis", "expected"), [(49, 1_049), (50, 1_050), (51, 1_050), (-49, 951), (-51, 950)])
def test_a_moving_average_mark_follows_the_basis_no_farther_than_its_bound(basis: int, expected: int) -> None:
    exchange = an_exchange(marks={"BTC": 1_000}, mark="moving-average", mark_bound_ppm=50_999)
    apply(exchange, buy(1, 999 + basis), sell(1, 1_001 + basis), tick(0))
    assert mark(exchange) == expected


def test_trades_alone_do_not_move_a_moving_average_mark() -> None:
    exchange = an_exchange(book="1 @ 99 | 150 @ 1", mark="moving-average", mark_bound_ppm=50_000)
    apply(exchange, buy(1, 150), tick(0))
    assert mark(exchange) == 100


@pytest.mark.parametrize(
    ("with_basis", "touch", "others", "touch_mean", "expected"),
    [(100, 98, 99, 50, 99), (100, 101, 99, 50, 100), (100, 98, None, 97, 98), (100, 98, None, 99, 99),
     (100, None, 90, 95, 95), (100, None, 90, None, 95), (101, None, 90, None, 96), (100, None, None, 50, 100)],
)  # fmt: skip
def test_hyperliquids_mark_is_the_median_of_three_and_of_two_with_the_mean_of_what_the_venue_shows(
    with_basis: int, touch: int | None, others: int | None, touch_mean: int | None, expected: int
) -> None:
    assert hyperliquid_mark(with_basis, touch, others, touch_mean) == expected


def a_book(bid: int | None, ask: int | None) -> OrderBook:
    book = OrderBook()
    for price, side in ((bid, book.bids), (ask, book.asks)):
        if price is not None:
            side.rest(Order(1, 1, "", "BTC", side.sign, price, 1))
    return book


@pytest.mark.parametrize(("last", "touch"), [(95, 98), (98, 98), (100, 100), (103, 103), (104, 103), (0, 101)])
def test_what_the_venue_shows_is_the_median_of_bid_ask_and_last_and_the_mid_before_the_first_trade(
    last: int, touch: int
) -> None:
    assert touch_price(a_book(98, 103), last) == touch


def test_a_venue_with_an_empty_side_or_a_crossed_book_shows_nothing() -> None:
    assert touch_price(a_book(103, 98), 100) is None
    assert touch_price(a_book(98, None), 100) is None
    assert touch_price(a_book(None, 103), 100) is None


@pytest.mark.parametrize(
    ("weighed", "median"),
    [([], None), ([(7, 3)], 7), ([(9, 1), (7, 1)], 8), ([(9, 1), (6, 1)], 8), ([(9, 2), (7, 1)], 9),
     ([(9, 1), (7, 2)], 7), ([(1, 3), (2, 2), (3, 2), (4, 1)], 2), ([(1, 3), (2, 1), (3, 2), (4, 2)], 3)],
)  # fmt: skip
def test_a_weighted_median_has_half_the_weight_on_either_side(
    weighed: list[tuple[int, int]], median: int | None
) -> None:
    assert weighted_median(weighed) == median


def test_hyperliquids_mark_looks_at_the_perpetuals_of_others_while_they_are_fresh() -> None:
    sources = (IndexSource("spot", 1), IndexSource("perp-x", 2), IndexSource("perp-y", 1))
    exchange = an_exchange(book="1 @ 89 | 91 @ 1", mark="hyperliquid", sources=sources, stale_after_us=50 * SECOND)
    apply(exchange, prices_of("perp-x", BTC=95), prices_of("perp-y", BTC=80))
    assert mark(exchange) == 95  # of the index 100, the book's 90 and 95
    apply(exchange, tick(0))
    assert mark(exchange) == 90  # of 90 with the basis, 90 and 95
    apply(exchange, tick(51))
    assert mark(exchange) == 90


# means -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("elapsed_us", [0, 1, 999_999, 30_000_000, 30_000_001, 149_999_999, 600_000_000, 1_199_999_999])
def test_a_weight_decays_as_e_does_to_thirteen_digits(elapsed_us: int) -> None:
    with localcontext() as context:
        context.prec = 40
        exact = (Decimal(-elapsed_us) / 30_000_000).exp()
        assert abs(Decimal(decay(elapsed_us, 30_000_000)) / UNIT - exact) < Decimal(10) ** -13


def test_what_is_forty_times_the_constant_ago_is_forgotten() -> None:
    assert decay(40 * SECOND, SECOND) == 0
    assert decay(39 * SECOND, SECOND) <= 1


def an_ema(*samples: tuple[float, int]) -> Ema:
    mean = Ema(30 * SECOND)
    for seconds, price in samples:
        mean.sample(price, round(seconds * SECOND))
    return mean


def test_a_mean_without_a_sample_is_nothing_and_of_one_sample_that() -> None:
    assert an_ema().mean() is None
    assert an_ema((7, 123)).mean() == 123


def test_a_sample_counts_for_the_time_since_the_one_before_and_decays() -> None:
    assert an_ema((0, 0), (1, 1_000), (2, 2_000)).mean() == 1_508  # (1,000 e^(-1/30) + 2,000) / (e^(-1/30) + 1)
    assert an_ema((0, 0), (1, 1_000), (31, 2_000)).mean() == 1_988  # (1,000 / e + 30 * 2,000) / (1 / e + 30)


def test_a_second_sample_of_the_same_moment_is_none() -> None:
    assert an_ema((0, 100), (1, 200), (1, 900)).mean() == 200


@pytest.mark.parametrize("price", [-3, 0, 10**9])
def test_the_mean_of_a_price_that_stands_is_that_price(price: int) -> None:
    assert an_ema(*((second / 3, price) for second in range(200))).mean() == price
