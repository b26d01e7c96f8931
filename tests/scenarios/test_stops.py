"""Stops of the crowd on the venue: played with an exchange behind them, in a fall that everybody stays for."""

import asyncio

import pytest

from stream_engine.messages.events import (
    AnyEvent,
    LiquidationStarted,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderTriggered,
    PositionsSeeded,
    Traded,
)
from stream_engine.messages.inputs import Side
from stream_engine.messages.refusals import Reject
from tests.scenarios.play import play

CROWD = range(10_001, 1_000_001)
A_FALL = ["population.accounts=500", "outside.scale=3", "makers.mode=stay", "run.end=2025-10-10T20:47:00Z"]


@pytest.fixture(scope="module")
def events() -> list[AnyEvent]:
    return asyncio.run(play("oct10-small", 5, A_FALL))


def test_all_stops_are_on_the_venue_before_the_news_and_the_fall_sets_some_off(events: list[AnyEvent]) -> None:
    placed = [event for event in events if isinstance(event, OrderAccepted) and event.trigger is not None]
    begun_us = min(event.ts_us for event in events)
    assert 60 < len(placed) < 130  # a quarter of the longs
    assert max(event.ts_us for event in placed) <= begun_us + 301_000_000
    stopped = {event.account for event in events if isinstance(event, OrderTriggered)}
    assert 5 < len(stopped) < len(placed)


def test_whoever_was_stopped_out_sold_all_he_had_and_nobody_came_to_the_other_side(events: list[AnyEvent]) -> None:
    held: dict[tuple[int, str], int] = {}
    for event in events:
        if isinstance(event, PositionsSeeded):
            held.update(((leg.account, leg.symbol), leg.size) for leg in event.legs)
    longs = {place for place, lots in held.items() if lots > 0 and place[0] in CROWD}
    for event in events:
        if isinstance(event, Traded):
            lots = event.size if event.taker_side is Side.BUY else -event.size
            for account, each in ((event.taker, lots), (event.maker, -lots)):
                place = (account, event.symbol)
                held[place] = held.get(place, 0) + each
                assert place not in longs or held[place] >= 0
    stopped = {(event.account, event.symbol) for event in events if isinstance(event, OrderTriggered)}
    liquidated = {event.account for event in events if isinstance(event, LiquidationStarted)}
    assert stopped <= longs
    # Whose loss of closing would leave a debt is not let; he can only wait.
    could_not = {event.account for event in events if isinstance(event, OrderCancelled) and event.refusal is not None}
    assert len(could_not) <= 2
    assert not [place for place in stopped if held[place] and place[0] not in liquidated | could_not]


def test_nobodys_order_is_refused_but_of_those_who_had_just_lost_the_position(events: list[AnyEvent]) -> None:
    closed_us = {
        event.account: event.ts_us for event in events if isinstance(event, LiquidationStarted | OrderTriggered)
    }
    refused = [event for event in events if isinstance(event, OrderRejected) and event.account in CROWD]
    for event in refused:
        assert event.reason is Reject.REDUCE_ONLY_WITHOUT_POSITION
        assert 0 <= event.ts_us - closed_us[event.account] < 3_000_000  # he hears of it with the next events
