"""Breakers: pauses and liquidations that wait, how often, how long, and what the waiting cost."""

import pytest

from consumers.breakers import Breakers
from stream_engine.messages import events as e
from stream_engine.messages.events import Breaker
from tests.monitors.story import START_US, TOKEN, USD, VENUE, Story


def a_watch() -> tuple[Breakers, Story]:
    breakers = Breakers(VENUE)
    return breakers, Story(breakers.observe).listed()


def test_a_pause_is_told_with_its_band_until_the_call_reopens_the_symbol() -> None:
    breakers, story = a_watch()
    story.tell(e.TradingPaused, TOKEN, 10_000, 9_000, 11_000, START_US + 60_000_000)
    assert breakers.pauses == 1 and TOKEN in breakers.paused and breakers.first_pause_us == START_US
    story.seconds(60).tell(e.TradingReopened, TOKEN, 9_100)
    assert not breakers.paused
    assert story.told("paused") == [
        ("open", f"{TOKEN}: trading pauses, nothing trades in 90.00 to 110.00"),
        ("close", f"{TOKEN}: trading reopens after 1 m 00 s at 91.00"),
    ]


def test_a_call_in_which_nothing_crossed_names_no_price() -> None:
    _, story = a_watch()
    story.tell(e.TradingPaused, TOKEN, 10_000, 9_000, 11_000, START_US)
    story.tell(e.TradingReopened, TOKEN, 0)
    assert story.told("paused")[-1] == ("close", f"{TOKEN}: trading reopens after 0 s, nothing crossed")


def test_a_breaker_that_trips_again_and_again_is_one_alert_with_what_all_its_delays_cost() -> None:
    breakers, story = a_watch()
    for after in (700, -100):
        story.tell(e.BreakerTripped, TOKEN, Breaker.STALL, 10_000, 10_000, 10_000)
        assert breakers.waiting == {(TOKEN, Breaker.STALL)}
        story.seconds(2).tell(e.BreakerReleased, TOKEN, Breaker.STALL, 2_000_000, 3, 0, after * USD)
    assert not breakers.waiting and breakers.held_up[Breaker.STALL] == 2
    assert (breakers.waited_us, breakers.delay_cost) == (4_000_000, 600 * USD)
    story.minutes(6)
    why = "an outside source is silent"
    assert story.told("breaker")[0] == ("open", f"{TOKEN}: liquidations wait, {why}")
    closed = f"{TOKEN}: liquidations have waited 2 times, {why}; $600 more was owed in the end; none for 5 minutes"
    assert story.told("breaker")[-1] == ("close", closed)


@pytest.mark.parametrize(("cost", "owed"), [(-1, "$1.00 less"), (0, "$0 more"), (1, "$1.00 more")])
def test_a_delay_may_save_whoever_liquidates(cost: int, owed: str) -> None:
    _, story = a_watch()
    story.tell(e.BreakerTripped, TOKEN, Breaker.THROTTLE, 10_000, 10_000, 10_000)
    story.tell(e.BreakerReleased, TOKEN, Breaker.THROTTLE, 0, 3, 5 * USD, (5 + cost) * USD)
    story.minutes(5)
    assert owed in story.told("breaker")[-1][1] and "once" in story.told("breaker")[-1][1]


def test_an_alert_does_not_close_while_liquidations_wait() -> None:
    _, story = a_watch()
    story.tell(e.BreakerTripped, TOKEN, Breaker.DIVERGENCE, 10_000, 10_000, 9_000)
    story.minutes(7)
    assert [state for state, _ in story.told("breaker")] == ["open"]


def test_what_began_before_the_oldest_event_that_is_kept_closes_nothing() -> None:
    breakers, story = a_watch()
    story.tell(e.TradingReopened, TOKEN, 9_100)
    story.tell(e.BreakerReleased, TOKEN, Breaker.STALL, 1_000_000, 1, 0, 0)
    assert not story.findings and breakers.waited_us == 1_000_000
