"""`feed-stall`: quotes are withdrawn for the age of the outside price alone, and come back when the feed does."""

import asyncio

import pytest

from producers.labels import AnyLabel, Coordinated, ReEntry, Withdrawal
from stream_engine.messages.events import (
    AnyEvent,
    DeleveragingStarted,
    LiquidationStarted,
    QuoteCancelled,
    SourcePriced,
)
from tests.scenarios.play import play_and_tell

END = "run.end=2025-10-09T14:25:00Z"
FAILS_US = 1_760_019_302_000_000  # 2025-10-09 14:15:02 UTC
BACK_US = FAILS_US + 8_000_000
PLACES = [(f"MM{number}", symbol) for number in range(1, 6) for symbol in ("BTC", "TOKEN")]


@pytest.fixture(scope="module")
def run() -> tuple[list[AnyEvent], list[AnyLabel]]:
    return asyncio.run(play_and_tell("feed-stall", 7, [END]))


def test_no_outside_price_comes_for_eight_seconds(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    times = [event.ts_us for event in run[0] if isinstance(event, SourcePriced)]
    assert [at for at in times if FAILS_US < at < BACK_US] == []
    assert [at for at in times if BACK_US <= at <= BACK_US + 1_000_000] != []


def test_makers_leave_for_the_age_of_the_feed_and_for_nothing_else(
    run: tuple[list[AnyEvent], list[AnyLabel]],
) -> None:
    withdrawals = [label for label in run[1] if isinstance(label, Withdrawal)]
    assert sorted((label.participant, label.symbol) for label in withdrawals) == PLACES
    assert {label.reason for label in withdrawals} == {"feed"}
    assert {FAILS_US < label.ts_us < BACK_US + 3_000_000 for label in withdrawals} == {True}
    assert len([event for event in run[0] if isinstance(event, QuoteCancelled)]) == len(PLACES)
    assert not [label for label in run[1] if isinstance(label, Coordinated)]


def test_all_of_them_come_back(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    returns = [label for label in run[1] if isinstance(label, ReEntry)]
    assert sorted((label.participant, label.symbol) for label in returns) == PLACES


def test_nobody_is_liquidated(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    assert not [event for event in run[0] if isinstance(event, LiquidationStarted | DeleveragingStarted)]
