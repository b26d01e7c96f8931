"""Index price: which sources count, how much, and for how long."""

import pytest

from stream_engine.core.index_price import IndexPrice
from stream_engine.messages.events import MarkPriceChanged
from stream_engine.messages.inputs import ListInstrument, PriceShock
from stream_engine.messages.instrument import IndexSource
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    SECOND,
    VENUE,
    an_exchange,
    an_instrument,
    apply,
    buy,
    kinds,
    mark,
    one,
    only,
    prices_of,
    reasons,
    sell,
    spot,
    tick,
)

SPOT_AND_OWN = (IndexSource("spot", 3), IndexSource("own", 1))


def an_index(**prices: int) -> IndexPrice:
    index = IndexPrice(an_instrument(sources=(IndexSource("a", 1), IndexSource("b", 3)), stale_after_us=5 * SECOND))
    for source, price in prices.items():
        index.see(source, price, sent_us=0)
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
    index.see("a", 100, sent_us=1)
    assert index.value(now_us) == value


def test_a_source_that_speaks_again_counts_again() -> None:
    index = an_index(a=100, b=104)
    assert index.value(9 * SECOND) is None
    index.see("b", 96, sent_us=9 * SECOND)
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


def test_an_earlier_price_stands_until_the_next_and_an_equal_one_moves_no_mark() -> None:
    exchange = an_exchange()
    assert kinds(apply(exchange, spot(BTC=100))) == ["SourcePriced"]
    assert one(apply(exchange, spot(BTC=101)), MarkPriceChanged).mark == 101
    apply(exchange, sell(1, 110), buy(1, 90))
    assert mark(exchange) == 101


# when a price was sent -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sent", "index"), [(2.999_999, 100), (3, 90), (3.000_001, 90)])
def test_a_price_is_as_old_as_its_sender_says_however_late_it_comes(sent: float, index: int) -> None:
    exchange = an_exchange()
    apply(exchange, tick(8), prices_of("spot", sent, BTC=90))
    assert mark(exchange) == index


@pytest.mark.parametrize(("sent", "reason"), [(1.999_999, Reject.STALE_PRICE), (2, None), (2.000_001, None)])
def test_a_price_that_was_overtaken_by_a_newer_one_of_its_source_is_refused(sent: float, reason: Reject | None) -> None:
    exchange = an_exchange()
    apply(exchange, tick(3), prices_of("spot", 2, BTC=101))
    assert reasons(apply(exchange, prices_of("spot", sent, BTC=90))) == ([] if reason is None else [reason])
    assert mark(exchange) == (90 if reason is None else 101)


def test_the_prices_of_one_source_do_not_overtake_those_of_another() -> None:
    exchange = an_exchange(sources=(IndexSource("a", 1), IndexSource("b", 1)), marks={})
    apply(exchange, ListInstrument(VENUE, 0, an_instrument(sources=(IndexSource("a", 1), IndexSource("b", 1)))))
    apply(exchange, tick(3), prices_of("a", 2, BTC=100), prices_of("b", 1, BTC=110))
    assert mark(exchange) == 105


def test_a_shock_that_was_overtaken_is_refused_with_its_news() -> None:
    exchange = an_exchange()
    apply(exchange, tick(3), prices_of("spot", 2, BTC=101))
    late = PriceShock(VENUE, SECOND, "tariff", "100 % tariff", "spot", (("BTC", 90),))
    assert reasons(apply(exchange, late)) == [Reject.STALE_PRICE]
    assert mark(exchange) == 101


# outliers --------------------------------------------------------------------------------------------------


def a_clamped_index(clamp_ppm: int, *prices: int) -> int | None:
    """Of sources that weigh the same; one more has never spoken, and one that says 1,000 has no weight."""
    names = [f"venue {number}" for number in range(len(prices))]
    sources = [IndexSource(name, 1) for name in names] + [IndexSource("silent", 1), IndexSource("idle", 0)]
    index = IndexPrice(an_instrument(sources=tuple(sources), index_clamp_ppm=clamp_ppm))
    for name, price in zip(names, prices, strict=True):
        index.see(name, price, sent_us=0)
    index.see("idle", 1_000, sent_us=0)
    return index.value(0)


@pytest.mark.parametrize(("outlier", "index"), [(1_049, 1_016), (1_050, 1_017), (1_051, 1_017), (9_000, 1_017)])
def test_a_source_farther_from_the_median_than_the_clamp_counts_as_if_it_were_that_far(
    outlier: int, index: int
) -> None:
    assert a_clamped_index(50_000, 1_000, 1_000, outlier) == index


@pytest.mark.parametrize(("outlier", "index"), [(951, 984), (950, 983), (949, 983), (1, 983)])
def test_the_clamp_holds_below_the_median_too(outlier: int, index: int) -> None:
    assert a_clamped_index(50_000, 1_000, 1_000, outlier) == index


def test_with_two_sources_nobody_knows_which_is_the_outlier() -> None:
    assert a_clamped_index(50_000, 1_000, 2_000) == 1_500
    assert a_clamped_index(50_000, 1_000, 1_000, 2_000) == 1_017


def test_the_median_of_an_even_number_of_sources_lies_between_the_middle_two() -> None:
    assert a_clamped_index(100_000, 900, 1_000, 1_010, 5_000) == 1_005  # 904 and 1,106 for the outer two


def test_no_clamp_is_no_clamp() -> None:
    assert a_clamped_index(0, 1_000, 1_000, 9_000) == 3_667


# other venues' perpetuals ----------------------------------------------------------------------------------


def test_another_venues_perpetual_is_no_source_of_the_index() -> None:
    sources = (IndexSource("spot", 1), IndexSource("perp-x", 5))
    exchange = an_exchange(sources=sources)
    assert not reasons(apply(exchange, prices_of("perp-x", BTC=200)))
    assert exchange.state.markets["BTC"].index == 100


@pytest.mark.parametrize(("now_us", "fresh"), [(4_999_999, 1), (5_000_000, 1), (5_000_001, 0)])
def test_another_venues_perpetual_is_left_out_when_it_is_silent_as_any_source_is(now_us: int, fresh: int) -> None:
    index = IndexPrice(an_instrument(sources=(IndexSource("spot", 1), IndexSource("perp-x", 5))))
    index.see("perp-x", 200, sent_us=0)
    assert len(index.others(now_us)) == fresh
