"""`hedged-portfolio`, step by step: the hedge wins, the hedge is taken away, and then everything goes.

Long BTC 5 M at 3x, short DOGE 500 k at 15x, long ETH 1 M at 5x in one cross-margined account, as the analysis has it.
"""

import asyncio
from typing import TypeVar

import pytest

from stream_engine.messages.events import (
    AnyEvent,
    Deposited,
    FundChanged,
    FundReason,
    InstrumentListed,
    LiquidationEnded,
    LiquidationStarted,
    MarkPriceChanged,
    PositionDeleveraged,
    PositionsSeeded,
    Traded,
)
from stream_engine.messages.units import MILLION
from stream_engine.scenario import HEDGERS_FROM
from tests.scenarios.play import play

HEDGER = HEDGERS_FROM
E = TypeVar("E", bound=AnyEvent)


class Story:
    """What the venue published, and the portfolio's part in it."""

    def __init__(self, events: list[AnyEvent]) -> None:
        self.events = events
        self.tick_value = {
            event.instrument.symbol: event.instrument.tick_value
            for event in events
            if isinstance(event, InstrumentListed)
        }
        self.start = {
            leg.symbol: leg
            for event in events
            if isinstance(event, PositionsSeeded)
            for leg in event.legs
            if leg.account == HEDGER
        }

    def of(self, kind: type[E]) -> list[E]:
        """Every event of a kind that names the portfolio's account."""
        return [event for event in self.events if isinstance(event, kind) and getattr(event, "account", None) == HEDGER]

    def first_mark_at_or_after(self, symbol: str, ts_us: int) -> int:
        return next(
            event.mark
            for event in self.events
            if isinstance(event, MarkPriceChanged) and event.symbol == symbol and event.ts_us >= ts_us
        )


@pytest.fixture(scope="module", params=[1, 7])
def story(request: pytest.FixtureRequest) -> Story:
    return Story(asyncio.run(play("hedged-portfolio", request.param)))


def test_1_it_starts_long_short_long_with_the_margin_of_its_leverages(story: Story) -> None:
    usdt = {symbol: leg.size * leg.entry * story.tick_value[symbol] / MILLION for symbol, leg in story.start.items()}
    assert usdt == pytest.approx({"BTC": 5_000_000, "DOGE": -500_000, "ETH": 1_000_000}, rel=0.001)
    assert {symbol: leg.leverage for symbol, leg in story.start.items()} == {"BTC": 3, "DOGE": 15, "ETH": 5}
    money = next(
        paid
        for event in story.events
        if isinstance(event, Deposited)
        for account, paid, _ in event.deposits
        if account == HEDGER
    )
    assert money / MILLION == pytest.approx(5_000_000 / 3 + 500_000 / 15 + 1_000_000 / 5, rel=0.001)


def test_2_doge_falls_and_the_short_is_far_in_profit_when_its_turn_comes(story: Story) -> None:
    first = story.of(PositionDeleveraged)[0]
    assert first.symbol == "DOGE"
    mark = story.first_mark_at_or_after("DOGE", first.ts_us)
    assert mark < 0.9 * story.start["DOGE"].entry
    assert first.realised > 0


def test_3_the_short_is_deleveraged_from_the_head_of_the_queue_at_the_bankruptcy_price(story: Story) -> None:
    taken = story.of(PositionDeleveraged)
    assert {event.symbol for event in taken} == {"DOGE"}
    closed = sum(event.size for event in taken)
    assert closed > 0.9 * -story.start["DOGE"].size
    assert all(event.lights == 5 for event in taken if event.rank == 1)
    bankruptcy = {
        event.account: event.bankruptcy_price
        for event in story.events
        if isinstance(event, LiquidationStarted) and event.symbol == "DOGE"
    }
    assert [event.price for event in taken] == [bankruptcy[event.bankrupt] for event in taken]


def test_4_only_then_are_the_longs_liquidated(story: Story) -> None:
    started = story.of(LiquidationStarted)
    assert [event.symbol for event in started][:2] == ["BTC", "ETH"]
    assert started[0].ts_us > story.of(PositionDeleveraged)[-1].ts_us
    assert started[0].equity < started[0].maintenance
    assert started[0].size == story.start["BTC"].size and started[1].size == story.start["ETH"].size


def test_5_the_hedge_would_have_gone_on_winning(story: Story) -> None:
    mark = story.first_mark_at_or_after("DOGE", story.of(LiquidationStarted)[0].ts_us)
    missed = sum(
        event.size * (event.price - mark) * story.tick_value["DOGE"] for event in story.of(PositionDeleveraged)
    )
    assert missed > 0


def test_6_the_account_ends_at_nothing(story: Story) -> None:
    ended = story.of(LiquidationEnded)
    left = {symbol: leg.size for symbol, leg in story.start.items()}
    for event in story.events:
        match event:
            case PositionDeleveraged() if event.account == HEDGER:
                left[event.symbol] += event.size
            case Traded() if HEDGER in (event.taker, event.maker):
                bought = event.size if (event.taker_side.value == "buy") == (event.taker == HEDGER) else -event.size
                left[event.symbol] += bought
            case LiquidationEnded() if event.account == HEDGER:
                sign = 1 if left[event.symbol] > 0 else -1
                left[event.symbol] -= sign * (event.adl + event.deficit)
            case _:
                pass
    assert set(left.values()) == {0}
    rest = [event.change for event in story.of(FundChanged) if event.reason in (FundReason.DUST, FundReason.DEBT)]
    assert sum(rest) == ended[-1].wallet  # what rounding left of it is the fund's; the account keeps nothing
    assert abs(ended[-1].wallet) < MILLION
