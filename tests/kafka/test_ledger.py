"""The ledger: from the events alone it has what the exchange has, in every history, and sees each wrong micro-quote."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.core.venue import Venue
from stream_engine.messages.events import (
    AnyEvent,
    BackstopTookOver,
    DeficitChanged,
    DutyMeasured,
    Event,
    FundChanged,
    FundingPaid,
    LiquidationFilled,
    LossSocialised,
    MarginMoved,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
    TrancheCalled,
)
from stream_engine.messages.inputs import AnyInput
from tests.core.histories import VENUE, history
from tests.kafka.checker import outcomes
from tests.kafka.ledger import Ledger, Violated

SEEDS = range(40)
MOST_SEEDS = 480  # what happens seldom may need more stories than the others
LENGTH = 150
MONEY = [
    (Traded, "taker_fee"),
    (Traded, "price"),
    (FundingPaid, "payments"),
    (MarginMoved, "margin"),
    (LiquidationFilled, "to_fund"),
    (BackstopTookOver, "equity"),
    (PositionTakenOver, "position"),
    (PositionTakenOver, "price"),
    (FundChanged, "change"),
    (DeficitChanged, "change"),
    (TrancheCalled, "quote"),
    (DutyMeasured, "clawed_back"),
    (PositionDeleveraged, "price"),
    (PositionDeleveraged, "realised"),
    (LossSocialised, "loss"),
]


class Told(NamedTuple):
    """One input, what came of it, and the venue that it came to."""

    received: AnyInput
    events: list[AnyEvent]
    venue: Venue


@cache
def events_of(seed: int) -> list[list[AnyEvent]]:
    return [told.events for told in tell(seed)]


def tell(seed: int) -> Iterator[Told]:
    exchange = Exchange(VENUE)
    for received in history(seed, LENGTH):
        yield Told(received, exchange.apply(received), exchange.state)


def book(ledger: Ledger, events: list[AnyEvent], at: str) -> None:
    for event in events:
        ledger.take(event, at)
    ledger.close(at)


def test_its_purses_pools_fees_and_deficit_are_the_exchanges_after_every_input_of_every_history() -> None:
    for seed in SEEDS:
        ledger = Ledger()
        for number, (_, events, venue) in enumerate(tell(seed)):
            book(ledger, events, f"{seed}/{number}")
            purses = {
                account.number: account.wallet + sum(position.margin for position in account.positions.values())
                for account in venue.accounts.values()
            }
            assert ledger.wallets == purses, (seed, number)
            pools = {name: pool.balance for name, pool in venue.pools.items() if pool.balance}
            assert {name: has for name, has in ledger.pools.items() if has} == pools, (seed, number)
            assert (ledger.fees, ledger.deficit) == (venue.fees, venue.deficit.total), (seed, number)


def test_every_input_of_every_history_has_one_outcome() -> None:
    for seed in SEEDS:
        for number, (received, events, venue) in enumerate(tell(seed)):
            found = outcomes(received, events)
            assert found in (1, None), (seed, number, received, found, venue.now_us)


def wrong(event: AnyEvent, field: str) -> AnyEvent:
    value = getattr(event, field)
    if isinstance(event, FundingPaid):
        (account, paid, wallet), *others = event.payments
        return replace(event, payments=((account, paid + 1, wallet), *others))
    return replace(event, **{field: value + 1})


def first(kind: type[Event], field: str) -> tuple[int, int, int]:
    """The seed, the input and the place of the first event of a kind with such a figure in it."""
    for seed in range(MOST_SEEDS):
        for number, events in enumerate(events_of(seed)):
            for place, event in enumerate(events):
                if isinstance(event, kind) and getattr(event, field):
                    return seed, number, place
    raise AssertionError(f"no history has a {kind.__name__} with {field}")


@pytest.mark.parametrize(("kind", "field"), MONEY)
def test_one_micro_quote_or_tick_too_much_in_any_event_that_moves_money_violates_I5(
    kind: type[Event], field: str
) -> None:
    seed, wrong_at, place = first(kind, field)
    ledger = Ledger()
    with pytest.raises(Violated, match=r"I[56] violated"):
        for number, events in enumerate(events_of(seed)):
            told = list(events)
            if number == wrong_at:
                told[place] = wrong(told[place], field)
            book(ledger, told, f"{seed}/{number}")
