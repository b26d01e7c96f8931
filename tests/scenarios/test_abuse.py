"""`abuse`: what the labels say of the abusers is what the venue saw of them, and what honest makers did looks alike."""

import asyncio
from collections import defaultdict

import pytest

from producers.labels import AnyLabel, LawfulQuickCancels, Spoof, Stuffing
from producers.shocks import SECOND_US
from stream_engine.messages.events import (
    AccountsOpened,
    AnyEvent,
    LiquidationStarted,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
)
from stream_engine.messages.refusals import Reject
from tests.scenarios.play import play_and_tell

TEN_MINUTES = "run.end=2025-10-09T14:10:00Z"
TWENTY_MINUTES = "run.end=2025-10-09T14:20:00Z"


class Seen:
    """What the venue saw of every order, by account and client id."""

    def __init__(self, events: list[AnyEvent]) -> None:
        self.names = {
            account: name for event in events if isinstance(event, AccountsOpened) for account, name in event.accounts
        }
        self.accepted = {(e.account, e.client_id): e for e in events if isinstance(e, OrderAccepted)}
        self.cancelled = {(e.account, e.client_id): e for e in events if isinstance(e, OrderCancelled)}

    def lived_us(self, account: int, client_id: str) -> int:
        return self.cancelled[account, client_id].ts_us - self.accepted[account, client_id].ts_us


@pytest.fixture(scope="module")
def run() -> tuple[list[AnyEvent], list[AnyLabel]]:
    return asyncio.run(play_and_tell("abuse", 7, [TWENTY_MINUTES]))


@pytest.fixture(scope="module")
def seen(run: tuple[list[AnyEvent], list[AnyLabel]]) -> Seen:
    return Seen(run[0])


@pytest.fixture(scope="module")
def told(run: tuple[list[AnyEvent], list[AnyLabel]]) -> list[AnyLabel]:
    return run[1]


def test_every_large_order_of_a_spoof_was_taken_and_is_cancelled_by_its_end(seen: Seen, told: list[AnyLabel]) -> None:
    spoofs = [label for label in told if isinstance(label, Spoof) and label.to_us is not None]
    assert len(spoofs) >= 4
    for label in spoofs:
        assert seen.names[label.account] == label.participant
        for client_id in label.orders:
            placed = seen.accepted[label.account, client_id]
            assert (placed.ts_us, placed.symbol, placed.side) == (label.ts_us, label.symbol, label.side)
            gone = seen.cancelled.get((label.account, client_id))
            assert label.hit if gone is None else gone.ts_us == label.to_us
        assert label.to_us is not None and label.to_us - label.ts_us <= 12 * SECOND_US


def test_spoofs_of_three_prices_and_more_are_among_them_and_small_orders_that_were_filled(told: list[AnyLabel]) -> None:
    spoofs = [label for label in told if isinstance(label, Spoof)]
    assert max(label.levels for label in spoofs) >= 3
    assert sum(label.filled > 0 for label in spoofs) >= 2


def test_every_order_of_a_burst_lived_for_less_than_two_seconds(seen: Seen, told: list[AnyLabel]) -> None:
    bursts = [label for label in told if isinstance(label, Stuffing)]
    assert len(bursts) >= 3
    for label in bursts:
        for number in range(int(label.first), int(label.last) + 1):
            assert seen.lived_us(label.account, str(number)) < 2 * SECOND_US


def test_in_ten_minutes_there_are_as_many_as_the_thresholds_for_stuffing_ask_for(told: list[AnyLabel]) -> None:
    assert sum(label.placed for label in told if isinstance(label, Stuffing)) > 10_000


def test_whatever_the_abusers_sent_is_in_a_label(seen: Seen, told: list[AnyLabel]) -> None:
    sent: dict[int, set[str]] = defaultdict(set)
    for label in told:
        if isinstance(label, Spoof):
            sent[label.account] |= {*label.orders, *([label.small] if label.small else [])}
        elif isinstance(label, Stuffing):
            sent[label.account] |= {str(number) for number in range(int(label.first), int(label.last) + 1)}
    for account, orders in sent.items():
        assert {client_id for who, client_id in seen.accepted if who == account} <= orders


def test_honest_makers_cancel_fast_too_and_are_told_apart(told: list[AnyLabel]) -> None:
    quick = [label for label in told if isinstance(label, LawfulQuickCancels)]
    assert max(label.count for label in quick) > 300
    assert {label.participant[:2] for label in quick} == {"MM"}


def test_nobody_is_liquidated_for_it(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    assert not [event for event in run[0] if isinstance(event, LiquidationStarted)]


async def test_a_rate_limit_cuts_the_bursts_and_the_label_counts_what_it_refused() -> None:
    events, told = await play_and_tell("abuse", 7, [TEN_MINUTES, "venue.orders.rate_limit=100"])
    refused = sum(isinstance(event, OrderRejected) and event.reason is Reject.RATE_LIMITED for event in events)
    bursts = [label for label in told if isinstance(label, Stuffing)]
    assert refused > 1_000 and sum(label.refused for label in bursts) == refused
    assert all(label.placed - label.refused <= 100 * 10 for label in bursts)
