"""Leveraged traders: stops on the venue or in the head, panic, profit; each by what it sees, none by the clock."""

from collections.abc import Sequence

import pytest

from producers.leveraged_traders import Crowd, Holder, LeveragedTraders
from producers.noise import Noise
from producers.shocks import SECOND_US
from stream_engine.messages.events import AnyEvent, CancelReason, OrderTriggered
from stream_engine.messages.inputs import Cancel, Input, Place, Side, TimeInForce, TriggerBy, TriggerKind
from stream_engine.messages.refusals import Reject
from tests.agents.stage import (
    ACCOUNT,
    SIZES,
    START_US,
    SYMBOL,
    VENUE,
    a_halt,
    a_liquidation,
    a_resumption,
    a_view,
    cancelled,
    deleveraged,
    falling,
    filled,
    hear,
    orders,
    play,
    refused,
    the_market,
)

ONLY_STOPS = {"stop_share": 1.0, "panic_share": 0.0, "profit_share": 0.0, "reopen_share": 0.0}
NEEDS = {"panic_pct": {SYMBOL: 5.0}, "profit_pct": {SYMBOL: 5.0}}


def a_long(lots: int = 100, leverage: float = 10.0) -> Holder:
    return Holder(ACCOUNT, SYMBOL, lots, 10_000, 10_000, leverage)


def traders(*holders: Holder, **settings: float) -> LeveragedTraders:
    crowd = Crowd(**(NEEDS | ONLY_STOPS | settings))  # type: ignore[arg-type]
    return LeveragedTraders(VENUE, holders, crowd, SIZES, a_view(), Noise(1, "traders"))


def watchers(*holders: Holder, **settings: float) -> LeveragedTraders:
    """Those whose stops are no orders."""
    return traders(*holders, stop_orders=False, **settings)


def cancels(sent: dict[int, Sequence[Input]]) -> list[tuple[int, str]]:
    return [(second, each.client_id) for second, inputs in sent.items() for each in inputs if isinstance(each, Cancel)]


def triggered(order: Place, second: int) -> OrderTriggered:
    now_us = START_US + second * SECOND_US
    return OrderTriggered(
        VENUE, second, 1, now_us, None, order.account, order.client_id, 7, order.symbol, order.side, order.size, None,
        TimeInForce.GTC,
    )  # fmt: skip


# stops on the venue ----------------------------------------------------------------------------------------


def test_a_stop_is_an_order_that_waits_on_the_venue_and_may_only_reduce() -> None:
    trader = traders(a_long(), stop_from=0.5, stop_to=0.5, stop_by_last=0.0)  # half of 10 % is lost at 95
    ((_, order),) = orders(play(trader, falling(90.0), range(1_000)))
    assert (order.side, order.size, order.price, order.reduce_only) == (Side.SELL, 100, None, True)
    assert order.trigger is not None
    assert (order.trigger.kind, order.trigger.price, order.trigger.by) == (TriggerKind.STOP, 9_500, TriggerBy.MARK)


def test_stops_come_one_by_one_within_the_first_minutes_and_some_look_at_the_last_trade() -> None:
    holders = [Holder(number, SYMBOL, 10, 10_000, 10_000, 2.0) for number in range(1, 301)]
    sent = orders(play(traders(*holders, stop_within_s=300, stop_by_last=0.3), falling(100.0), range(1_000)))
    seconds = [second for second, _ in sent]
    assert len(sent) == 300 and max(seconds) < 300
    assert max(seconds.count(second) for second in seconds) < 10
    by_last = sum(order.trigger is not None and order.trigger.by is TriggerBy.LAST for _, order in sent)
    assert 60 < by_last < 120


def test_a_stop_that_found_an_empty_book_is_carried_on_by_its_owner() -> None:
    path = falling(90.0)
    trader = traders(a_long(), stop_from=0.5, stop_to=0.5, patience_s=30)
    ((_, stop),) = orders(play(trader, path, range(500)))
    answer: list[AnyEvent] = [triggered(stop, 500), filled(stop, 500, lots=40), cancelled(stop, 500)]
    hear(trader, 500, [*answer, *the_market(path, 500)])
    ((second, order),) = orders(play(trader, path, range(501, 600)))
    assert (second, order.side, order.size, order.trigger, order.reduce_only) == (530, Side.SELL, 60, None, True)


def test_a_stop_whose_price_was_passed_before_it_came_is_carried_out_at_once() -> None:
    path = falling(90.0)
    trader = traders(a_long(), stop_from=0.5, stop_to=0.5)
    ((_, stop),) = orders(play(trader, path, range(400)))
    (order,) = hear(trader, 400, [refused(stop, 400, Reject.TRIGGER_MET), *the_market(path, 400)])
    assert isinstance(order, Place)
    assert (order.side, order.size, order.price, order.trigger) == (Side.SELL, 100, None, None)


def test_who_panics_out_of_his_position_takes_his_stop_away() -> None:
    path = falling(80.0)
    settings = {"panic_share": 1.0, "panic_sigma": 0.01, "panic_wait_s": 1.0}
    trader = traders(a_long(leverage=2.0), stop_from=0.9, stop_to=0.9, **settings)
    (_, stop), (second, sale) = orders(play(trader, path, range(280)))
    assert stop.trigger is not None and sale.trigger is None
    sent = hear(trader, second + 1, [filled(sale, second + 1), *the_market(path, second + 1)])
    assert [each.client_id for each in sent if isinstance(each, Cancel)] == [stop.client_id]


def test_the_stop_of_who_was_liquidated_is_gone_with_his_position() -> None:
    path = falling(90.0)
    trader = traders(a_long(), stop_from=0.5, stop_to=0.5, stop_within_s=300)
    play(trader, path, range(300))
    hear(trader, 300, [a_liquidation(300), *the_market(path, 300)])
    assert not any(play(trader, path, range(301, 1_000)).values())


def test_who_was_deleveraged_of_a_part_has_a_stop_for_the_rest_again() -> None:
    path = falling(99.0)
    trader = traders(a_long(), stop_from=0.5, stop_to=0.5)
    ((_, stop),) = orders(play(trader, path, range(400)))
    lost: list[AnyEvent] = [cancelled(stop, 400, CancelReason.DELEVERAGED), deleveraged(400, -70, 30)]
    (order,) = hear(trader, 400, [*lost, *the_market(path, 400)])
    assert isinstance(order, Place) and order.trigger is not None
    assert (order.size, order.trigger.price) == (30, 9_500)


def test_no_stop_is_sent_while_trading_is_halted() -> None:
    path = falling(100.0)
    trader = traders(a_long(), stop_within_s=10, patience_s=30)
    hear(trader, 0, [a_halt(0), *the_market(path, 0)])
    assert not orders(play(trader, path, range(1, 100)))
    hear(trader, 100, [a_resumption(100), *the_market(path, 100)])
    assert len(orders(play(trader, path, range(101, 200)))) == 1


# stops in the head -----------------------------------------------------------------------------------------


def test_without_stop_orders_a_stop_sells_the_whole_position_at_the_market_once_the_mark_is_there() -> None:
    path = falling(90.0)
    trader = watchers(a_long(), stop_from=0.5, stop_to=0.5)  # half of 10 % is lost at 95
    sent = orders(play(trader, path, range(1_000)))
    (second, order), *others = sent
    assert second == 500 and not others
    assert (order.account, order.side, order.size, order.price) == (ACCOUNT, Side.SELL, 100, None)


def test_plans_count_from_the_price_of_the_start_not_from_an_old_entry() -> None:
    path = falling(97.0)  # the long was bought at 130, the short sold at 130: neither acts on what lies behind it
    bought = Holder(ACCOUNT, SYMBOL, 100, 13_000, 10_000, 10.0)
    sold = Holder(ACCOUNT, SYMBOL, -100, 13_000, 10_000, 10.0)
    assert not orders(play(watchers(bought, stop_from=0.5, stop_to=0.5), path, range(1_000)))
    greedy = traders(sold, stop_share=0.0, profit_share=1.0, profit_sigma=0.01, profit_wait_s=1.0)
    assert not orders(play(greedy, path, range(1_000)))


def test_a_short_has_no_stop() -> None:
    path = falling(50.0)
    assert not orders(play(traders(Holder(ACCOUNT, SYMBOL, -100, 10_000, 10_000, 10.0)), path, range(1_000)))


def test_a_large_position_is_sold_in_slices_each_after_the_one_before_it() -> None:
    path = falling(90.0)
    trader = watchers(a_long(lots=30_000), stop_from=0.5, stop_to=0.5, slice_of_depth=0.01)
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
    trader = watchers(a_long(), stop_from=0.5, stop_to=0.5)
    play(trader, path, range(400))
    hear(trader, 400, [a_liquidation(400), *the_market(path, 400)])
    assert not orders(play(trader, path, range(401, 1_000)))


def test_an_order_that_finds_nobody_is_tried_again_after_a_while() -> None:
    path = falling(90.0)
    trader = watchers(a_long(), stop_from=0.5, stop_to=0.5, patience_s=30)
    (second, order), *_ = orders(play(trader, path, range(501)))
    hear(trader, 501, [cancelled(order, 501), *the_market(path, 501)])
    again = orders(play(trader, path, range(502, 700)))
    assert second == 500 and [at for at, _ in again] == [531]
    assert again[0][1].client_id != order.client_id


# halts -----------------------------------------------------------------------------------------------------


def test_nobody_sends_anything_new_while_trading_is_halted_and_goes_on_after_it() -> None:
    path = falling(90.0)
    trader = watchers(a_long(), stop_from=0.5, stop_to=0.5)
    play(trader, path, range(400))
    hear(trader, 400, [a_halt(400), *the_market(path, 400)])
    assert not orders(play(trader, path, range(401, 700)))
    (order,) = hear(trader, 700, [a_resumption(700), *the_market(path, 700)])
    assert isinstance(order, Place) and order.size == 100


def test_an_order_refused_because_of_a_halt_is_sent_again_and_one_refused_for_itself_is_not() -> None:
    path = falling(90.0)
    for reason, again in ((Reject.TRADING_HALTED, 1), (Reject.TRADING_PAUSED, 1), (Reject.INSUFFICIENT_MARGIN, 0)):
        trader = watchers(a_long(), stop_from=0.5, stop_to=0.5, patience_s=30)
        ((_, order),) = orders(play(trader, path, range(501)))
        hear(trader, 501, [refused(order, 501, reason), *the_market(path, 501)])
        assert len(orders(play(trader, path, range(502, 600)))) == again


# panic, profit, reopening ----------------------------------------------------------------------------------


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
    assert order.reduce_only
    assert order.price == round(path.prices(START_US + second * SECOND_US)[SYMBOL] * 99)
    cancels = [(at, each) for at, inputs in sent.items() for each in inputs if isinstance(each, Cancel)]
    assert [(at, each.client_id) for at, each in cancels] == [(second + 20, order.client_id)]


@pytest.mark.parametrize(("share", "reopens"), [(0.0, False), (1.0, True)])
def test_of_the_deleveraged_some_open_half_again(share: float, reopens: bool) -> None:
    path = falling(99.0)
    trader = traders(Holder(ACCOUNT, SYMBOL, -100, 10_000, 10_000, 2.0), reopen_share=share, reopen_wait_s=10.0)
    hear(trader, 0, [deleveraged(0, 100, 0), *the_market(path, 0)])
    sent = orders(play(trader, path, range(1, 300)))
    expected = [(Side.SELL, 50, False)] if reopens else []
    assert [(order.side, order.size, order.reduce_only) for _, order in sent] == expected


def test_what_closes_is_reduce_only_so_that_nobody_is_on_the_other_side_by_a_late_fill() -> None:
    path = falling(80.0)
    panics = {"stop_share": 0.0, "panic_share": 1.0, "panic_sigma": 0.01, "panic_wait_s": 1.0}
    sent = orders(play(traders(a_long(leverage=2.0), **panics), path, range(1_000)))
    assert sent and all(order.reduce_only for _, order in sent)
