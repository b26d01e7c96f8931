"""Who is asked when, and what it has seen by then: views that are shared, lines that lag, agents on several venues."""

from collections.abc import Sequence

import pytest

from producers.runner import AgentRunner
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Input, Side
from tests.test_drive import EIGHT, SECOND, Sight, Trader


def ticked(second: int, venue: str = "V1") -> e.ClockTicked:
    return e.ClockTicked(venue, second, 0, EIGHT + second * SECOND, None)


def traded(second: int, account: int, venue: str = "V1") -> e.Traded:
    at = (venue, second, 1, EIGHT + second * SECOND, None)
    return e.Traded(*at, "BTC", 100, 1, account, 7, Side.BUY, 0, 0, 99, 8, 0, 0)


def seconds_of(seen: Sequence[tuple[int, e.AnyEvent]]) -> list[tuple[int, str, int]]:
    """When it saw what: the second at which, the venue, the second of the event."""
    return [((now - EIGHT) // SECOND, event.venue, (event.ts_us - EIGHT) // SECOND) for now, event in seen]


def asked_at(trader: Trader) -> list[int]:
    return [(now - EIGHT) // SECOND for now in trader.asked]


# views -----------------------------------------------------------------------------------------------------


def test_a_view_that_several_look_at_is_folded_once_a_tick_before_the_first_of_them() -> None:
    shared = Sight("V1", 0)
    folds: list[tuple[str, int]] = []

    def noting(name: str) -> Trader:
        def plan(now_us: int) -> Sequence[Input]:
            folds.append((name, shared.folds))
            return ()

        return Trader(name, sights=[shared], plan=plan)

    runner = AgentRunner([noting("A"), noting("B")])
    for at in (1, 2):
        runner.hear([ticked(at)])
        runner.decide(EIGHT + at * SECOND)
    assert folds == [("A", 1), ("B", 1), ("A", 2), ("B", 2)]


def test_a_view_is_folded_at_every_tick_also_when_nothing_was_published() -> None:
    # By that what it counts since the last time (volumes) begins anew.
    sight = Sight("V1", 0)
    runner = AgentRunner([Trader("A", sights=[sight])])
    for at in range(1, 4):
        runner.decide(EIGHT + at * SECOND)
        assert sight.folds == at


@pytest.mark.parametrize(
    ("latency_us", "sees"),
    [(2 * SECOND - 1, [1, 2, 3]), (2 * SECOND, [1, 2, 3]), (2 * SECOND + 1, [1, 2])],
)
def test_nothing_in_a_view_is_younger_than_its_latency(latency_us: int, sees: list[int]) -> None:
    trader = Trader("A", sights=[Sight("V1", latency_us)])
    runner = AgentRunner([trader])
    for at in range(1, 6):
        runner.hear([ticked(at)])
        runner.decide(EIGHT + at * SECOND)
    assert [second for _, _, second in seconds_of(trader.saw)] == sees
    assert all(now_us - event.ts_us >= latency_us for now_us, event in trader.saw)


def test_two_views_of_one_market_each_have_their_own_latency() -> None:
    fast, slow = Trader("A", sights=[Sight("V1", 0)]), Trader("B", sights=[Sight("V1", 2 * SECOND)])
    runner = AgentRunner([fast, slow])
    for at in range(1, 4):
        runner.hear([ticked(at)])
        runner.decide(EIGHT + at * SECOND)
    assert seconds_of(fast.saw) == [(1, "V1", 1), (2, "V1", 2), (3, "V1", 3)]
    assert seconds_of(slow.saw) == [(3, "V1", 1)]


def test_what_concerns_its_accounts_is_as_late_as_the_agent_and_the_market_as_late_as_the_view() -> None:
    trader = Trader("A", [1], latency_us=SECOND, sights=[Sight("V1", 2 * SECOND)])
    runner = AgentRunner([trader])
    for at in range(1, 5):
        runner.hear([ticked(at), traded(at, 1), traded(at, 2)])
        runner.decide(EIGHT + at * SECOND)
    assert seconds_of(trader.heard) == [(2, "V1", 1), (3, "V1", 2), (4, "V1", 3)]
    assert seconds_of(trader.saw) == [(3, "V1", 1), (4, "V1", 2)]


# several venues --------------------------------------------------------------------------------------------


def on_both() -> Trader:
    return Trader("A", [1], hears=["V1", "V2"], sights=[Sight("V1", 0), Sight("V2", 0)])


@pytest.mark.parametrize("order", [("V1", "V2"), ("V2", "V1")])
def test_an_agent_on_two_venues_is_asked_once_a_tick_and_not_before_both_have_come_so_far(order: Sequence[str]) -> None:
    trader, asked = on_both(), []
    runner = AgentRunner([trader])
    for at in (1, 2):
        for venue in order:
            runner.hear([ticked(at, venue)])
            runner.decide(EIGHT + at * SECOND, venue)
            asked.append(asked_at(trader))
    assert asked == [[], [1], [1], [1, 2]]
    assert {(now, second) for now, _, second in seconds_of(trader.saw)} == {(1, 1), (2, 2)}


def test_who_is_on_one_venue_waits_for_no_other() -> None:
    both, here = on_both(), Trader("B", hears=["V1"])
    runner = AgentRunner([both, here])
    runner.hear([ticked(1)])
    runner.decide(EIGHT + SECOND, "V1")
    assert asked_at(here) == [1] and asked_at(both) == []


def test_of_a_venue_that_is_ahead_an_agent_sees_nothing_before_its_time() -> None:
    trader = on_both()
    runner = AgentRunner([trader])
    for at in (1, 2, 3):
        runner.hear([ticked(at), traded(at, 1)])
        runner.decide(EIGHT + at * SECOND, "V1")
    assert asked_at(trader) == []
    for at in (1, 2, 3):
        runner.hear([ticked(at, "V2")])
        runner.decide(EIGHT + at * SECOND, "V2")
    assert asked_at(trader) == [1, 2, 3]
    assert all(now == second for now, _, second in seconds_of([*trader.saw, *trader.heard]))


def test_the_same_account_is_its_own_on_every_venue_where_it_acts_and_nowhere_else() -> None:
    trader = on_both()
    runner = AgentRunner([trader])
    runner.hear([traded(1, 1, venue) for venue in ("V1", "V2", "V3")])
    runner.decide(EIGHT + SECOND)
    assert [event.venue for _, event in trader.heard] == ["V1", "V2"]
