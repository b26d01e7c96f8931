"""What one participant knows of the market is what was published."""

import pytest

from producers.market_view import SECOND_US
from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    PresencePublished,
    SourcePriced,
    TradePrinted,
    TradingHalted,
    TradingPaused,
    TradingReopened,
    TradingResumed,
)
from stream_engine.messages.inputs import Side
from tests.agents.stage import START_US, SYMBOL, VENUE, a_view


def a_book(*, bids: tuple[tuple[int, int], ...] = (), asks: tuple[tuple[int, int], ...] = ()) -> BookChanged:
    return BookChanged(VENUE, 1, 0, START_US, None, SYMBOL, bids, asks)


def a_print(size: int, side: Side, liquidation: bool = False) -> TradePrinted:
    return TradePrinted(VENUE, 1, 0, START_US, None, SYMBOL, 10_000, size, side, liquidation)


def test_levels_are_set_and_a_level_of_size_zero_is_gone() -> None:
    market = a_view()
    market.fold([a_book(bids=((9_990, 5), (9_980, 7)), asks=((10_010, 3),)), a_book(bids=((9_990, 0),))])
    view = market.symbols[SYMBOL]
    assert (view.bids, view.best_bid(), view.best_ask()) == ({9_980: 7}, 9_980, 10_010)


def test_without_a_side_there_is_neither_spread_nor_depth() -> None:
    market = a_view()
    market.fold([a_book(asks=((10_010, 3),))])
    view = market.symbols[SYMBOL]
    assert (view.best_bid(), view.half_spread(), view.depth_usdt(0.01)) == (None, None, 0.0)


def test_depth_counts_what_rests_within_the_share_of_the_mid_price() -> None:
    market = a_view()
    market.fold([a_book(bids=((9_999, 100), (9_900, 100), (9_899, 100)), asks=((10_001, 100), (10_101, 100)))])
    assert market.symbols[SYMBOL].depth_usdt(0.01) == pytest.approx(3 * 100 * 10_000 * 1e-4)


def test_volumes_are_those_of_the_tick_and_begin_anew() -> None:
    market = a_view()
    market.fold([a_print(10, Side.BUY), a_print(30, Side.SELL), a_print(20, Side.SELL, liquidation=True)])
    view = market.symbols[SYMBOL]
    assert (view.bought_usdt, view.sold_usdt, view.liquidated_usdt) == pytest.approx((10.0, 50.0, 20.0))
    market.fold([])
    assert (view.bought_usdt, view.sold_usdt, view.liquidated_usdt, view.last) == (0.0, 0.0, 0.0, 10_000)


def test_presence_is_the_mean_over_the_makers_of_the_last_minute_told() -> None:
    market = a_view()
    view = market.symbols[SYMBOL]
    assert view.present is None
    for presences, mean in (((("MM1", 1_000_000), ("MM2", 500_000)), 0.75), ((("MM1", 0),), 0.0)):
        market.fold([PresencePublished(VENUE, 1, 0, START_US, None, SYMBOL, presences)])
        assert view.present == mean


# what the outside source said ------------------------------------------------------------------------------


def said(second: int, price: int, source: str = "spot") -> SourcePriced:
    return SourcePriced(VENUE, second, 0, START_US + second * SECOND_US, None, source, ((SYMBOL, price),))


def test_the_outside_price_is_what_its_source_said_last_and_as_old_as_that() -> None:
    market = a_view()
    view = market.symbols[SYMBOL]
    assert (view.outside, view.outside_us) == (0, 0)
    market.fold([said(1, 10_000), said(2, 9_900)])
    market.fold([])
    assert view.outside == 9_900
    assert [view.outside_age_s(START_US + second * SECOND_US) for second in (2, 3, 12)] == [0, 1, 10]


def test_another_source_of_the_index_is_not_the_outside_market() -> None:
    market = a_view()
    market.fold([said(1, 10_000), said(2, 9_900, source="own")])
    assert market.symbols[SYMBOL].outside == 10_000


# halted and paused -----------------------------------------------------------------------------------------

AT = (VENUE, 1, 0, START_US, None)
HALTED, RESUMED = TradingHalted(*AT, "incident"), TradingResumed(*AT)
PAUSED, REOPENED = TradingPaused(*AT, SYMBOL, 10_000, 9_500, 10_500, START_US), TradingReopened(*AT, SYMBOL, 0)


@pytest.mark.parametrize(
    ("events", "trading"),
    [
        ([], True),
        ([HALTED], False),
        ([HALTED, RESUMED], True),
        ([PAUSED], False),
        ([PAUSED, REOPENED], True),
        ([PAUSED, HALTED, REOPENED], False),
        ([PAUSED, HALTED, RESUMED], False),
        ([PAUSED, HALTED, RESUMED, REOPENED], True),
    ],
)
def test_a_symbol_trades_while_its_venue_is_not_halted_and_itself_not_paused(
    events: list[AnyEvent], trading: bool
) -> None:
    market = a_view()
    market.fold(events)
    assert market.symbols[SYMBOL].trading is trading
