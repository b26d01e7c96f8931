"""`cliff`: makers that look as ever leave at an agreed signal, and nothing that they did before tells of it."""

import asyncio
from collections import defaultdict

import pytest

from producers.labels import AnyLabel, Coordinated, DepthEpisode, Mode, State, StateChange, Withdrawal
from stream_engine.messages.events import AnyEvent, QuoteCancelled
from tests.scenarios.play import MAKERS, MINUTE_US, play_and_tell

# Every maker has left by then.
END = "run.end=2025-10-10T20:50:00Z"


@pytest.fixture(scope="module")
def run() -> tuple[list[AnyEvent], list[AnyLabel]]:
    return asyncio.run(play_and_tell("cliff", 7, [END]))


@pytest.fixture(scope="module")
def left(run: tuple[list[AnyEvent], list[AnyLabel]]) -> dict[str, list[Withdrawal]]:
    of_symbol: dict[str, list[Withdrawal]] = defaultdict(list)
    for label in run[1]:
        if isinstance(label, Withdrawal):
            of_symbol[label.symbol].append(label)
    return of_symbol


def test_all_makers_leave_each_symbol_within_a_minute_of_the_first(left: dict[str, list[Withdrawal]]) -> None:
    assert left.keys() == {"BTC", "TOKEN"}
    for withdrawals in left.values():
        assert sorted(label.participant for label in withdrawals) == MAKERS
        assert max(label.ts_us for label in withdrawals) - min(label.ts_us for label in withdrawals) < MINUTE_US


def test_each_says_that_it_was_agreed(
    left: dict[str, list[Withdrawal]], run: tuple[list[AnyEvent], list[AnyLabel]]
) -> None:
    said = [(label.reason, label.mode) for withdrawals in left.values() for label in withdrawals]
    assert set(said) == {("agreed", Mode.COORDINATED)}
    together = {label.symbol: label for label in run[1] if isinstance(label, Coordinated)}
    assert together.keys() == left.keys()
    for symbol, label in together.items():
        assert sorted(label.actors) == MAKERS
        assert label.ts_us == left[symbol][0].ts_us
    assert {label.mode for label in run[1] if isinstance(label, DepthEpisode)} == {Mode.COORDINATED}


def test_depth_is_above_half_of_normal_until_they_leave_and_then_it_is_gone(
    left: dict[str, list[Withdrawal]], run: tuple[list[AnyEvent], list[AnyLabel]]
) -> None:
    lows = {label.symbol: label for label in run[1] if isinstance(label, DepthEpisode)}
    assert lows.keys() == left.keys()
    for symbol, low in lows.items():
        assert left[symbol][0].ts_us <= low.ts_us < left[symbol][0].ts_us + MINUTE_US
        assert low.trough == 0


def test_nobody_thins_or_takes_a_quote_away_before_the_signal(
    left: dict[str, list[Withdrawal]], run: tuple[list[AnyEvent], list[AnyLabel]]
) -> None:
    events, labels = run
    changes = [label for label in labels if isinstance(label, StateChange) and label.state is State.THINNED]
    assert [label for label in changes if label.ts_us < left[label.symbol][0].ts_us] == []
    cancels = [event for event in events if isinstance(event, QuoteCancelled)]
    assert len(cancels) == 2 * len(MAKERS)
    assert [event for event in cancels if event.ts_us < left[event.symbol][0].ts_us] == []
