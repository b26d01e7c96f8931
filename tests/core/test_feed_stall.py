"""A feed that stalls and then delivers all it kept back at once: nobody is liquidated twice, nor out of turn.

Each price is an input of its own, as it comes from the log, and stamped with the time at which it was sent.
"""

from collections.abc import Iterator
from random import Random

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.invariants import check
from stream_engine.messages.events import (
    AnyEvent,
    ControlRejected,
    LiquidationEnded,
    LiquidationStarted,
    MarkPriceChanged,
)
from stream_engine.messages.inputs import Deposit, IndexPrices, OpenAccounts, Place, SeedPositions, SetRules, Side
from tests.core.rulebook import MM, SECOND, VENUE, an_exchange, apply, leg, mark, only, prices_of, tick, usd

STALL_S = 8
PRICES = 4_000  # of the stall, one every 2 ms
CROWD = range(100, 140)  # each long one coin from 1,000; who has the higher number has more margin
ENTRY = 1_000


def a_crowd(checks: int = 500) -> Exchange:
    """Forty longs against a maker who bids for all of them, their marks where they bought, and the clock at 0."""
    exchange = an_exchange(marks={"BTC": ENTRY}, rules=SetRules(VENUE, 0, checks_per_input=checks))
    margins = tuple((number, usd(60 + 4 * (number - CROWD[0]))) for number in CROWD)
    legs = (*(leg(number, 1, at=ENTRY) for number in CROWD), leg(MM, -len(CROWD), at=ENTRY))
    apply(exchange, OpenAccounts(VENUE, 0, tuple((number, f"p{number}") for number in CROWD)))
    apply(exchange, Deposit(VENUE, 0, margins), SeedPositions(VENUE, 0, legs))
    apply(exchange, Place(VENUE, 0, MM, "all of it", "BTC", Side.BUY, len(CROWD), 700), tick(0))
    return exchange


def kept_back(lowest: int, at: float, end: int) -> list[IndexPrices]:
    """What was sent during the stall: down from the entry to the lowest price, and back up to the last."""
    prices = []
    for number in range(1, PRICES + 1):
        part = number / PRICES
        price = ENTRY + (lowest - ENTRY) * part / at if part <= at else lowest + (end - lowest) * (part - at) / (1 - at)
        prices.append(prices_of("spot", STALL_S * part, BTC=round(price)))
    return prices


def delivered(exchange: Exchange, prices: list[IndexPrices]) -> Iterator[AnyEvent]:
    """All in one instant; the invariants are looked at where more than the mark changed."""
    for received in prices:
        events = exchange.apply(received)
        if any(not isinstance(event, MarkPriceChanged | ControlRejected) for event in events):
            check(exchange)
        yield from events


def test_what_comes_at_once_after_a_stall_liquidates_each_once_and_in_the_order_of_their_prices() -> None:
    exchange = a_crowd()
    apply(exchange, tick(STALL_S))
    events = list(delivered(exchange, kept_back(lowest=850, at=0.9, end=900)))
    started = only(events, LiquidationStarted)
    assert [event.account for event in started] == list(CROWD[: len(started)])
    assert [event.account for event in only(events, LiquidationEnded)] == [event.account for event in started]
    assert [event.mark for event in started] == sorted((event.mark for event in started), reverse=True)
    assert 0 < len(started) < len(CROWD)
    assert mark(exchange) == 900


def test_who_would_have_been_liquidated_at_a_price_that_was_old_when_it_came_is_not() -> None:
    exchange = a_crowd()
    apply(exchange, tick(STALL_S))
    prices = kept_back(lowest=850, at=0.2, end=ENTRY)  # the low is 6.4 s old, the index looks back for 5 s
    oldest = STALL_S * SECOND - 5 * SECOND
    counted = [price for received in prices if received.ts_us >= oldest for _, price in received.prices]
    events = list(delivered(exchange, prices))
    assert 850 < min(counted) < 900 and only(events, LiquidationStarted)
    assert min(event.index for event in only(events, MarkPriceChanged)) == min(counted)
    assert all(event.mark >= min(counted) for event in only(events, LiquidationStarted))


def test_the_same_prices_in_disorder_liquidate_nobody_at_a_price_that_was_overtaken() -> None:
    exchange = a_crowd()
    apply(exchange, tick(STALL_S))
    prices = kept_back(lowest=850, at=0.6, end=ENTRY)
    newest = prices.pop()
    Random(5).shuffle(prices)
    assert not only(list(delivered(exchange, [newest, *prices])), LiquidationStarted)
    assert mark(exchange) == ENTRY


@pytest.mark.parametrize("checks", [1, 3])
def test_a_cascade_that_is_cut_short_in_the_middle_of_the_flood_forgets_nobody_and_takes_nobody_twice(
    checks: int,
) -> None:
    exchange = a_crowd(checks)
    apply(exchange, tick(STALL_S))
    flood = kept_back(lowest=750, at=0.999, end=760)
    fall = flood[-20:]  # so steep that every price but the last few leaves somebody over
    events = list(delivered(exchange, [*flood[:2_000], *fall]))
    for second in range(1, 60):
        events += apply(exchange, tick(STALL_S + second))
    started = [event.account for event in only(events, LiquidationStarted)]
    assert sorted(started) == list(CROWD)
    assert len(started) == len(set(started))
    behind = {event.seq for event in only(events, LiquidationStarted)}
    assert len(behind) >= len(CROWD) // checks


def test_a_flood_liquidates_whom_its_fresh_prices_would_have_liquidated_one_by_one() -> None:
    steady, stalled = a_crowd(), a_crowd()
    prices = kept_back(lowest=850, at=0.9, end=900)
    ticked: list[AnyEvent] = []
    for received in prices:
        if received.ts_us % SECOND == 0:
            ticked += apply(steady, tick(received.ts_us / SECOND))
        ticked += delivered(steady, [received])
    apply(stalled, tick(STALL_S))
    flooded = list(delivered(stalled, prices))
    assert [event.account for event in only(flooded, LiquidationStarted)] == [
        event.account for event in only(ticked, LiquidationStarted)
    ]
