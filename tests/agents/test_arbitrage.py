"""Arbitrage: between venues and against outside spot, as far as inventory and money go."""

from collections.abc import Sequence

import pytest

from producers.arbitrage import Arbitrage, Arbitrageurs, Branch
from stream_engine.messages.events import AnyEvent
from stream_engine.messages.inputs import Input, Place, Side, TimeInForce
from tests.agents.stage import (
    ACCOUNT,
    SIZES,
    SYMBOL,
    VENUE,
    a_book,
    a_gone_book,
    a_halt,
    a_view,
    deleveraged,
    falling,
    filled,
    hear,
    the_market,
)

BETA = "beta"
PATH = falling(100.0)
OPEN_INTEREST = SIZES[SYMBOL].open_interest_usdt


def arbitrageurs(*venues: str, **settings: float) -> Arbitrageurs:
    branches = {venue: Branch(a_view(venue), SIZES) for venue in venues or (VENUE,)}
    return Arbitrageurs({SYMBOL: ACCOUNT}, branches, Arbitrage(**settings))


def sent(agent: Arbitrageurs, second: int, *events: AnyEvent) -> list[Place]:
    """What it sends; outside, and at the mark of each of its venues, the coin costs 100."""
    market = [each for venue in sorted(agent.hears) for each in the_market(PATH, second, venue=venue)]
    inputs: Sequence[Input] = hear(agent, second, [*events, *market])
    return [each for each in inputs if isinstance(each, Place)]


def usdt(order: Place) -> float:
    return order.size * 10_000 * 1e-4


# against outside ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bid", "ask", "side"),
    [
        (9_960, 9_974, None),
        (9_960, 9_973, None),
        (9_960, 9_972, Side.BUY),
        (10_026, 10_040, None),
        (10_027, 10_040, None),
        (10_028, 10_040, Side.SELL),
    ],
)
def test_what_lies_beyond_the_threshold_from_outside_is_taken_and_nothing_else(
    bid: int, ask: int, side: Side | None
) -> None:
    placed = sent(arbitrageurs(threshold_bp=27.0), 1, a_book(bid, ask))
    assert [order.side for order in placed] == ([side] if side else [])


def test_inventory_stops_at_its_capacity() -> None:
    agent = arbitrageurs(capacity=0.002, unwind_s=1e9, slice_of_depth=0.01)  # 20,000 USDT in slices of 10,000
    bought = 0.0
    answer: list[AnyEvent] = [a_book(9_000, 9_500)]
    for second in range(1, 50):
        placed = sent(agent, second, *answer)
        bought += sum(usdt(order) for order in placed)
        answer = [filled(order, second, price=10_000) for order in placed]
    assert bought == pytest.approx(20_000, rel=0.01)


def test_inventory_is_given_back_in_time() -> None:
    agent = arbitrageurs(capacity=0.001, unwind_s=100.0, slice_of_depth=0.01)
    (order,) = sent(agent, 1, a_book(9_000, 9_500))
    assert not sent(agent, 2, filled(order, 2, price=10_000))[1:]
    (later,) = sent(agent, 102)
    assert later.size > 0


def test_while_outside_is_silent_nothing_is_held_against_it() -> None:
    agent = arbitrageurs()
    assert sent(agent, 1, a_book(9_000, 9_500))
    for age, takes in ((2, True), (3, False)):
        assert bool(hear(agent, 1 + age, [])) == takes


# between venues ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bid", "takes"), [(10_019, False), (10_020, False), (10_021, True)])
def test_one_venue_is_bought_and_another_sold_in_the_same_tick_where_the_gap_is_worth_it(bid: int, takes: bool) -> None:
    agent = arbitrageurs(VENUE, BETA, between_bp=20.0, threshold_bp=10_000.0)
    placed = sent(agent, 1, a_book(9_990, 10_000), a_book(bid, bid + 10, venue=BETA))
    assert [(order.venue, order.side) for order in placed] == ([(VENUE, Side.BUY), (BETA, Side.SELL)] if takes else [])
    assert all(order.time_in_force is TimeInForce.IOC for order in placed)
    if placed:
        buy, sell = placed
        assert buy.size == sell.size
        assert buy.price is not None and sell.price is not None and sell.price / buy.price >= 1.002


def test_it_takes_no_more_than_both_books_have_at_a_price_that_pays() -> None:
    agent = arbitrageurs(VENUE, BETA, threshold_bp=10_000.0, slice_of_depth=1.0)
    buy, sell = sent(agent, 1, a_book(9_990, 10_000, lots=500), a_book(10_100, 10_110, lots=80, venue=BETA))
    assert buy.size == sell.size == 80


def test_of_several_venues_the_cheapest_is_bought_and_the_dearest_sold() -> None:
    agent = arbitrageurs(VENUE, BETA, "gamma", threshold_bp=10_000.0)
    books = [a_book(9_990, 10_000), a_book(9_900, 9_910, venue=BETA), a_book(10_100, 10_110, venue="gamma")]
    assert [(order.venue, order.side) for order in sent(agent, 1, *books)] == [(BETA, Side.BUY), ("gamma", Side.SELL)]


def test_a_leg_that_missed_stays_as_inventory_and_each_venue_has_its_own_limit() -> None:
    agent = arbitrageurs(VENUE, BETA, threshold_bp=10_000.0, capacity=0.001, unwind_s=1e9, slice_of_depth=0.01)
    buy, _ = sent(agent, 1, a_book(9_990, 10_000), a_book(10_100, 10_110, venue=BETA))  # 10,000 USDT each: all it may
    assert usdt(buy) == pytest.approx(10_000)
    assert not sent(agent, 2, filled(buy, 2, price=10_000))  # full here; and one leg alone is no arbitrage
    assert not sent(agent, 3)


def test_nothing_is_sent_to_a_venue_that_is_halted() -> None:
    agent = arbitrageurs(VENUE, BETA)
    gap = (a_book(9_000, 9_010), a_book(10_100, 10_110, venue=BETA))
    placed = sent(agent, 1, *gap, a_halt(1, venue=BETA))
    assert [(order.venue, order.side) for order in placed] == [(VENUE, Side.BUY)]  # against outside


# money -------------------------------------------------------------------------------------------------------


def test_inventory_takes_money_that_follows_no_faster_than_it_can_be_transferred() -> None:
    settings = {"capacity": 0.001, "unwind_s": 10.0, "slice_of_depth": 0.01, "leverage": 2.0}

    def bought_in_a_minute(**more: float) -> float:
        agent = arbitrageurs(**settings, **more)
        bought = 0.0
        answer: list[AnyEvent] = [a_book(9_000, 9_500)]
        for second in range(1, 62):
            placed = sent(agent, second, *answer)
            bought += sum(usdt(order) for order in placed)
            answer = [filled(order, second, price=10_000) for order in placed]
        return bought

    whole = 0.001 * OPEN_INTEREST  # its money, 5,000 USDT, twice
    assert bought_in_a_minute(transfer_usdt_a_minute=1_000.0) == pytest.approx(whole + 2 * 1_000, rel=0.05)
    assert bought_in_a_minute(transfer_usdt_a_minute=4_000.0) == pytest.approx(whole + 2 * 4_000, rel=0.05)
    assert bought_in_a_minute() > 5 * whole


def test_what_is_sold_back_gives_its_money_back_at_once() -> None:
    agent = arbitrageurs(capacity=0.001, unwind_s=1e9, slice_of_depth=0.01, transfer_usdt_a_minute=1e-6)
    (bought,) = sent(agent, 1, a_book(9_000, 9_500))
    assert not sent(agent, 2, filled(bought, 2, price=10_000))
    (sold,) = sent(agent, 3, a_book(10_100, 10_200), a_gone_book(9_000, 9_500))
    assert sold.side is Side.SELL and usdt(sold) == pytest.approx(10_000, rel=0.001)
    (more,) = sent(agent, 4, filled(sold, 4, price=10_000))
    assert more.side is Side.SELL and usdt(more) == pytest.approx(10_000, rel=0.001)


def test_what_is_deleveraged_is_inventory_no_more() -> None:
    agent = arbitrageurs(capacity=0.001, unwind_s=1e9, slice_of_depth=0.01)
    (bought,) = sent(agent, 1, a_book(9_000, 9_500))
    assert not sent(agent, 2, filled(bought, 2, price=10_000))
    assert sent(agent, 3, deleveraged(3, -bought.size, 0))
