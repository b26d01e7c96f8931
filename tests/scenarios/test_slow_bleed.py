"""`slow-bleed`: nothing is announced and nothing is agreed; makers thin out and leave, one after the other."""

import asyncio

import pytest

from producers.labels import AnyLabel, Coordinated, Mode, State, StateChange, Withdrawal
from stream_engine.messages.events import AnyEvent, NewsPublished
from tests.scenarios.play import MAKERS, MINUTE_US, play_and_tell

END = "run.end=2025-10-10T21:24:00Z"


@pytest.fixture(scope="module")
def run() -> tuple[list[AnyEvent], list[AnyLabel]]:
    return asyncio.run(play_and_tell("slow-bleed", 7, [END]))


def first(labels: list[AnyLabel], state: State, symbol: str, name: str) -> int:
    return next(
        label.ts_us
        for label in labels
        if isinstance(label, StateChange) and (label.state, label.symbol, label.participant) == (state, symbol, name)
    )


def leaving(labels: list[AnyLabel], symbol: str) -> list[Withdrawal]:
    return [label for label in labels if isinstance(label, Withdrawal) and label.symbol == symbol]


def test_there_is_no_news(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    assert not [event for event in run[0] if isinstance(event, NewsPublished)]


def test_most_makers_of_the_token_leave_each_by_its_own_sum(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    withdrawals = leaving(run[1], "TOKEN")
    assert len({label.participant for label in withdrawals} & set(MAKERS)) == len(withdrawals) >= 4
    assert {label.mode for label in withdrawals} == {Mode.INDEPENDENT}
    assert not [label for label in run[1] if isinstance(label, Coordinated)]


def test_each_thins_before_it_leaves(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    for label in leaving(run[1], "TOKEN"):
        assert first(run[1], State.THINNED, "TOKEN", label.participant) < label.ts_us


def test_they_leave_one_after_another_and_no_three_within_a_minute(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    times = [label.ts_us for label in leaving(run[1], "TOKEN")]
    assert min(third - first_ for first_, third in zip(times, times[2:], strict=False)) > MINUTE_US
    assert times[-1] - times[0] > 10 * MINUTE_US
