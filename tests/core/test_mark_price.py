"""Mark price: the median of index, basis and last trade, and when it is made."""

import pytest

from stream_engine.core.mark_price import Basis, mark_price
from stream_engine.messages.events import MarkPriceChanged
from tests.core.rulebook import MINUTE, SECOND, an_exchange, apply, buy, cancel_all, kinds, mark, one, sell, spot, tick


@pytest.mark.parametrize(
    ("index", "basis", "last", "mark_expected"),
    [(100, 2, 90, 100), (100, 2, 101, 101), (100, 2, 110, 102), (100, -2, 110, 100), (100, -2, 99, 99),
     (100, -2, 90, 98)],
)  # fmt: skip
def test_the_mark_is_the_median_of_index_index_plus_basis_and_last(
    index: int, basis: int, last: int, mark_expected: int
) -> None:
    assert mark_price(index, basis, last, "median") == mark_expected


@pytest.mark.parametrize("basis", [-50, 0, 50])
def test_before_the_first_trade_the_index_stands_for_the_last(basis: int) -> None:
    assert mark_price(100, basis, 0, "median") == 100


def test_the_mark_is_the_index_where_the_instrument_says_so() -> None:
    assert mark_price(100, 30, 130, "index") == 100


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
    assert mark_price(1, -5, 0, "median") == 1
    assert mark_price(1, -5, 1, "median") == 1


def test_the_mark_is_told_only_when_it_or_the_index_changed() -> None:
    exchange = an_exchange()
    assert kinds(apply(exchange, tick(0), tick(1))).count("MarkPriceChanged") == 0
    assert kinds(apply(exchange, spot(BTC=101), spot(BTC=101))).count("MarkPriceChanged") == 1
