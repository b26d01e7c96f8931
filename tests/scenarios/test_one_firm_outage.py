"""`one-firm-outage`: the machines of one firm fail on a quiet day. It is absent, and that means nothing."""

import asyncio

import pytest

from producers.labels import AnyLabel, BenignOutage, DepthEpisode, ReEntry, Withdrawal
from stream_engine.messages.events import (
    AccountsOpened,
    AnyEvent,
    DeleveragingStarted,
    LiquidationStarted,
    QuoteAccepted,
    QuoteCancelled,
)
from tests.scenarios.play import play_and_tell

END = "run.end=2025-10-09T14:30:00Z"
SYMBOLS = ["BTC", "TOKEN"]


@pytest.fixture(scope="module")
def run() -> tuple[list[AnyEvent], list[AnyLabel]]:
    return asyncio.run(play_and_tell("one-firm-outage", 7, [END]))


def test_only_the_largest_maker_is_out_and_its_label_says_why(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    outages = [label for label in run[1] if isinstance(label, BenignOutage)]
    assert sorted((label.participant, label.symbol) for label in outages) == [("MM1", symbol) for symbol in SYMBOLS]
    assert not [label for label in run[1] if isinstance(label, Withdrawal)]


def test_after_twenty_minutes_it_is_back(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    outages = {label.symbol: label for label in run[1] if isinstance(label, BenignOutage)}
    returns = [label for label in run[1] if isinstance(label, ReEntry)]
    assert sorted((label.participant, label.symbol) for label in returns) == [("MM1", symbol) for symbol in SYMBOLS]
    for label in returns:
        outage = outages[label.symbol]
        assert (label.from_us, label.ts_us) == (outage.ts_us, outage.to_us)
        assert 1_200_000_000 <= label.ts_us - label.from_us <= 1_205_000_000


def test_its_quotes_are_gone_while_it_is_out_and_the_others_stay(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    events, labels = run
    account = next(
        account
        for event in events
        if isinstance(event, AccountsOpened)
        for account, name in event.accounts
        if name == "MM1"
    )
    outages = {label.symbol: label for label in labels if isinstance(label, BenignOutage)}
    cancelled = [event for event in events if isinstance(event, QuoteCancelled)]
    assert sorted((event.account, event.symbol) for event in cancelled) == [(account, symbol) for symbol in SYMBOLS]
    meanwhile = []
    for event in events:
        if isinstance(event, QuoteAccepted):
            outage = outages[event.symbol]
            assert outage.to_us is not None
            # What it sent in its last second may arrive in the next.
            if outage.ts_us + 2_000_000 < event.ts_us < outage.to_us:
                meanwhile.append(event.account)
    assert account not in meanwhile
    assert len(set(meanwhile)) == 4


def test_nobody_is_liquidated_and_depth_never_falls_to_half(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    assert not [event for event in run[0] if isinstance(event, LiquidationStarted | DeleveragingStarted)]
    assert not [label for label in run[1] if isinstance(label, DepthEpisode)]
