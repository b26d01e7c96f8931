"""The crowd: stops, panic, profit, dips, noise; each by what it sees, none by the clock."""

from collections.abc import Sequence

import msgspec
import pytest

from producers.arbitrage import Arbitrage, Arbitrageurs
from producers.dip_buyers import DipBuyers, Dips
from producers.hedgers import HedgedPortfolios, Hedgers, PortfolioLeg
from producers.leveraged_traders import Crowd, Holder, LeveragedTraders
from producers.momentum import Momentum, MomentumShorts
from producers.near_book import NearBook, NearBookTraders
from producers.noise import Noise
from producers.noise_traders import NoiseFlow, NoiseTraders
from producers.participant import Sized
from producers.shocks import SECOND_US, OutsidePath
from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    CancelReason,
    LiquidationStarted,
    OrderCancelled,
    PositionDeleveraged,
    Traded,
)
from stream_engine.messages.inputs import Cancel, Input, Place, Side, TimeInForce
from tests.agents.stage import (
    ACCOUNT,
    OTHER,
    START_US,
    SYMBOL,
    VENUE,
    a_path,
    a_view,
    an_outside,
    hear,
    play,
    the_market,
)

SIZES = {SYMBOL: Sized(depth_usdt=1_000_000, open_interest_usdt=10_000_000, volatility=1e-4)}
ONLY_STOPS = {"stop_share": 1.0, "panic_share": 0.0, "profit_share": 0.0, "reopen_share": 0.0}
NEEDS = {"panic_pct": {SYMBOL: 5.0}, "profit_pct": {SYMBOL: 5.0}}


def a_long(lots: int = 100, leverage: float = 10.0) -> Holder:
    return Holder(ACCOUNT, SYMBOL, lots, 10_000, 10_000, leverage)


def traders(*holders: Holder, **settings: float) -> LeveragedTraders:
    crowd = Crowd(**(NEEDS | ONLY_STOPS | settings))  # type: ignore[arg-type]
    return LeveragedTraders(VENUE, holders, crowd, SIZES, a_view(), Noise(1, "traders"))


def orders(sent: dict[int, Sequence[Input]]) -> list[tuple[int, Place]]:
    return [(second, each) for second, inputs in sent.items() for each in inputs if isinstance(each, Place)]


def falling(to: float, seconds: int = 1_000) -> OutsidePath:
    return a_path(an_outside((0, 100.0), (seconds, to)))


def filled(order: Place, second: int, price: int = 9_000) -> Traded:
    return Traded(
        VENUE, second, 3, START_US + second * SECOND_US, None, SYMBOL, price, order.size, order.account, 7, order.side,
        0, 0, OTHER, 8, 0, 0,
    )  # fmt: skip


def a_liquidation(second: int) -> LiquidationStarted:
    return LiquidationStarted(VENUE, second, 0, START_US, None, ACCOUNT, SYMBOL, 100, 9_000, 8_900, 1, 2)


def deleveraged(second: int, size: int, left: int) -> PositionDeleveraged:
    return PositionDeleveraged(
        VENUE, second, 0, START_US, None, ACCOUNT, OTHER, SYMBOL, size, 9_000, left, 1, 5, 5, 100
    )


# holders ---------------------------------------------------------------------------------------------------


def test_a_stop_sells_the_whole_position_at_the_market_once_the_mark_is_there() -> None:
    path = falling(90.0)
    trader = traders(a_long(), stop_from=0.5, stop_to=0.5)  # half of 10 % is lost at 95
    sent = orders(play(trader, path, range(1_000)))
    (second, order), *others = sent
    assert second == 500 and not others
    assert (order.account, order.side, order.size, order.price) == (ACCOUNT, Side.SELL, 100, None)


def test_plans_count_from_the_price_of_the_start_not_from_an_old_entry() -> None:
    path = falling(97.0)  # the long was bought at 130, the short sold at 130: neither acts on what lies behind it
    bought = Holder(ACCOUNT, SYMBOL, 100, 13_000, 10_000, 10.0)
    sold = Holder(ACCOUNT, SYMBOL, -100, 13_000, 10_000, 10.0)
    assert not orders(play(traders(bought, stop_from=0.5, stop_to=0.5), path, range(1_000)))
    greedy = traders(sold, stop_share=0.0, profit_share=1.0, profit_sigma=0.01, profit_wait_s=1.0)
    assert not orders(play(greedy, path, range(1_000)))


def test_a_short_has_no_stop() -> None:
    path = falling(50.0)
    assert not orders(play(traders(Holder(ACCOUNT, SYMBOL, -100, 10_000, 10_000, 10.0)), path, range(1_000)))


def test_a_large_position_is_sold_in_slices_each_after_the_one_before_it() -> None:
    path = falling(90.0)
    trader = traders(a_long(lots=30_000), stop_from=0.5, stop_to=0.5, slice_of_depth=0.01)
    play(trader, path, range(500))
    sold: list[int] = []
    answer: list[AnyEvent] = []
    for second in range(500, 520):
        inputs = hear(trader, second, [*answer, *the_market(path, second)])
        placed = [each for each in inputs if isinstance(each, Place)]
        sold.extend(order.size for order in placed)
        answer = [filled(order, second) for order in placed]
    assert sum(sold) == 30_000 and len(sold) == 3


def test_who_is_liquidated_sends_nothing_more() -> None:
    path = falling(90.0)
    trader = traders(a_long(), stop_from=0.5, stop_to=0.5)
    play(trader, path, range(400))
    hear(trader, 400, [a_liquidation(400), *the_market(path, 400)])
    assert not orders(play(trader, path, range(401, 1_000)))


def test_an_order_that_finds_nobody_is_tried_again_after_a_while() -> None:
    path = falling(90.0)
    trader = traders(a_long(), stop_from=0.5, stop_to=0.5, patience_s=30)
    (second, order), *_ = orders(play(trader, path, range(501)))
    gone = OrderCancelled(VENUE, 1, 0, START_US, None, ACCOUNT, order.client_id, 7, SYMBOL, 100, CancelReason.IMMEDIATE)
    hear(trader, 501, [gone, *the_market(path, 501)])
    again = orders(play(trader, path, range(502, 700)))
    assert second == 500 and [at for at, _ in again] == [531]
    assert again[0][1].client_id != order.client_id


def test_panic_comes_with_the_fall_and_some_time_after_it() -> None:
    crowd = {"stop_share": 0.0, "panic_share": 1.0, "panic_sigma": 0.01, "panic_wait_s": 60.0}
    holders = [Holder(number, SYMBOL, 10, 10_000, 10_000, 2.0) for number in range(1, 101)]
    path = falling(80.0)  # 5 % are lost after 250 s
    sent = orders(play(traders(*holders, **crowd), path, range(1_000)))
    seconds = [second for second, _ in sent]
    assert len({order.account for _, order in sent}) == 100
    assert min(seconds) >= 240 and 40 < sum(seconds) / len(seconds) - 250 < 90


def test_shorts_take_profit_with_bids_that_rest_below_the_mark_and_follow_it() -> None:
    path = falling(80.0)
    trader = traders(
        Holder(ACCOUNT, SYMBOL, -100, 10_000, 10_000, 2.0),
        stop_share=0.0,
        profit_share=1.0,
        profit_wait_s=10.0,
        profit_below_pct=1.0,
        patience_s=20,
    )
    sent = play(trader, path, range(1_000))
    (second, order), *_ = orders(sent)
    assert (order.side, order.size, order.time_in_force) == (Side.BUY, 100, TimeInForce.GTC)
    assert order.price == round(path.prices(START_US + second * SECOND_US)[SYMBOL] * 99)
    cancels = [(at, each) for at, inputs in sent.items() for each in inputs if isinstance(each, Cancel)]
    assert [(at, each.client_id) for at, each in cancels] == [(second + 20, order.client_id)]


@pytest.mark.parametrize(("share", "reopens"), [(0.0, False), (1.0, True)])
def test_of_the_deleveraged_some_open_half_again(share: float, reopens: bool) -> None:
    path = falling(99.0)
    trader = traders(Holder(ACCOUNT, SYMBOL, -100, 10_000, 10_000, 2.0), reopen_share=share, reopen_wait_s=10.0)
    hear(trader, 0, [deleveraged(0, 100, 0), *the_market(path, 0)])
    sent = orders(play(trader, path, range(1, 300)))
    assert [(order.side, order.size) for _, order in sent] == ([(Side.SELL, 50)] if reopens else [])


def test_a_hedged_portfolio_sells_half_of_its_longs_once_it_is_deleveraged_and_not_before() -> None:
    path = falling(90.0)
    hedgers = Hedgers(1, [PortfolioLeg(SYMBOL, 1.0, 2)], wait_from_s=30, wait_to_s=300)
    portfolios = HedgedPortfolios(VENUE, {ACCOUNT: {SYMBOL: 100, "HEDGE": -50}}, hedgers, a_view(), Noise(1, "hedgers"))
    assert not orders(play(portfolios, path, range(100)))
    taken = msgspec.structs.replace(deleveraged(100, 50, 0), symbol="HEDGE")
    hear(portfolios, 100, [taken])
    ((second, order),) = orders(play(portfolios, path, range(101, 600)))
    assert 130 <= second <= 401
    assert (order.symbol, order.side, order.size) == (SYMBOL, Side.SELL, 50)


# those who come ---------------------------------------------------------------------------------------------


def dip_buyers(**settings: float) -> DipBuyers:
    dips = Dips(**({"density_of_depth": {SYMBOL: 0.1}, "farthest_pct": {SYMBOL: 21.5}} | settings))  # type: ignore[arg-type]
    return DipBuyers(VENUE, {SYMBOL: range(1, 41)}, dips, SIZES, a_view(), Noise(1, "dip-buyers"))


def test_dip_bids_stand_below_the_outside_price_as_deep_and_as_dense_as_said() -> None:
    path = falling(100.0)
    placed = [order for _, order in orders(play(dip_buyers(), path, range(10)))]
    assert len(placed) == 40 and all(order.side is Side.BUY for order in placed)
    assert all(7_850 <= (order.price or 0) <= 9_850 for order in placed)
    assert sum((order.price or 0) * order.size * 1e-4 for order in placed) == pytest.approx(2_000_000, rel=0.01)


def test_dip_bids_follow_the_outside_price_and_never_the_last_trade() -> None:
    standing = falling(100.0)
    sent = play(dip_buyers(), standing, range(600), gap=-0.3)
    assert not [each for inputs in sent.values() for each in inputs if isinstance(each, Cancel)]
    moving = falling(80.0)
    sent = play(dip_buyers(), moving, range(600))
    assert len([each for inputs in sent.values() for each in inputs if isinstance(each, Cancel)]) == 40


def test_a_dip_buyer_whose_bid_was_filled_comes_again_as_often_as_it_has_money_for() -> None:
    path = falling(100.0)
    buyers = dip_buyers(refills=1, refill_s=5.0)
    times = 0
    answer: list[AnyEvent] = []
    for second in range(300):
        inputs = hear(buyers, second, [*answer, *the_market(path, second)])
        placed = [each for each in inputs if isinstance(each, Place) and each.account == 1]
        times += len(placed)
        answer = [
            Traded(
                VENUE, second, 3, START_US, None, SYMBOL, order.price or 0, order.size, 99, 7, Side.SELL, 0, 0,
                order.account, 8, 0, 0,
            )
            for order in placed
        ]  # fmt: skip
    assert times == 2


def test_momentum_shorts_sell_once_each_after_a_fall_and_never_in_a_calm() -> None:
    momentum = Momentum(sellers=20, trigger_pct=1.5, lookback_s=300, wait_s=30.0)
    calm, fall = falling(99.5), falling(90.0)
    quiet = MomentumShorts(VENUE, {SYMBOL: range(1, 21)}, momentum, SIZES, a_view(), Noise(1, "momentum"))
    assert not orders(play(quiet, calm, range(1_000)))
    awake = MomentumShorts(VENUE, {SYMBOL: range(1, 21)}, momentum, SIZES, a_view(), Noise(1, "momentum"))
    sent = orders(play(awake, fall, range(1_000)))
    assert sorted(order.account for _, order in sent) == list(range(1, 21))
    assert all(order.side is Side.SELL for _, order in sent)


def a_book(bid: int, ask: int) -> BookChanged:
    return BookChanged(VENUE, 1, 0, START_US, None, SYMBOL, ((bid, 100_000),), ((ask, 100_000),))


@pytest.mark.parametrize(("bid", "ask", "least", "most"), [(9_999, 10_001, 650, 750), (9_900, 10_100, 0, 30)])
def test_noise_trades_on_both_sides_and_dies_down_as_the_spread_widens(
    bid: int, ask: int, least: int, most: int
) -> None:
    path = falling(100.0)
    noise = NoiseTraders(VENUE, {SYMBOL: range(1, 31)}, NoiseFlow(), SIZES, a_view(), Noise(1, "noise"))
    hear(noise, 0, [a_book(bid, ask), *the_market(path, 0)])
    sent = [order for _, order in orders(play(noise, path, range(1, 1_001)))]
    assert least <= len(sent) <= most
    if least:
        assert {order.side for order in sent} == {Side.BUY, Side.SELL}


def test_without_a_book_noise_sends_nothing() -> None:
    path = falling(100.0)
    noise = NoiseTraders(VENUE, {SYMBOL: range(1, 31)}, NoiseFlow(), SIZES, a_view(), Noise(1, "noise"))
    assert not orders(play(noise, path, range(300)))


def test_near_the_book_each_order_is_taken_away_before_it_is_renewed() -> None:
    path = falling(100.0)
    near = NearBookTraders(VENUE, {SYMBOL: range(1, 7)}, NearBook(refresh_s=25), SIZES, a_view(), Noise(1, "near-book"))
    sent = play(near, path, range(100))
    placed = [order for _, order in orders(sent)]
    cancelled = [each.client_id for inputs in sent.values() for each in inputs if isinstance(each, Cancel)]
    assert len(placed) == 24 and len(cancelled) == 18
    assert set(cancelled) < {order.client_id for order in placed}
    assert all(((order.price or 0) < 10_000) == (order.side is Side.BUY) for order in placed)


@pytest.mark.parametrize(
    ("bid", "ask", "side"),
    [(9_960, 9_980, None), (9_960, 9_970, Side.BUY), (10_020, 10_040, None), (10_030, 10_040, Side.SELL)],
)
def test_arbitrage_takes_what_lies_beyond_its_threshold_and_nothing_else(bid: int, ask: int, side: Side | None) -> None:
    path = falling(100.0)
    arbitrage = Arbitrage(threshold_bp=27.0)
    agent = Arbitrageurs(VENUE, {SYMBOL: [1]}, arbitrage, SIZES, a_view(), Noise(1, "arbitrage"))
    sent = [each for each in hear(agent, 1, [a_book(bid, ask), *the_market(path, 1)])]
    assert [each.side for each in sent if isinstance(each, Place)] == ([side] if side else [])


def test_arbitrage_stops_at_its_capacity() -> None:
    path = falling(100.0)
    arbitrage = Arbitrage(capacity=0.002, unwind_s=1e9, slice_of_depth=0.01)  # 20,000 USDT in slices of 10,000
    agent = Arbitrageurs(VENUE, {SYMBOL: [ACCOUNT]}, arbitrage, SIZES, a_view(), Noise(1, "arbitrage"))
    bought: list[int] = []
    answer: list[AnyEvent] = [a_book(9_000, 9_500)]
    for second in range(1, 50):
        sent = hear(agent, second, [*answer, *the_market(path, second)])
        placed = [each for each in sent if isinstance(each, Place)]
        bought.extend(order.size for order in placed)
        answer = [filled(order, second, price=10_000) for order in placed]
    assert sum(bought) * 10_000 * 1e-4 == pytest.approx(20_000, rel=0.01)
