"""`quiet-day`: nothing happens."""

import pytest

from stream_engine.messages.events import (
    ControlRejected,
    DeleveragingStarted,
    FundChanged,
    FundReason,
    LiquidationStarted,
    QuoteCancelled,
    QuoteRejected,
    TradePrinted,
)
from tests.scenarios.play import play


@pytest.mark.parametrize("seed", [1, 7])
async def test_on_a_quiet_day_there_is_trade_and_nobody_is_liquidated(seed: int) -> None:
    events = await play("quiet-day", seed)
    assert sum(isinstance(event, TradePrinted) for event in events) > 1_000
    assert not [event for event in events if isinstance(event, LiquidationStarted | DeleveragingStarted)]
    assert [event.reason for event in events if isinstance(event, FundChanged)] == [FundReason.SEEDED]


async def test_on_a_quiet_day_no_maker_leaves_and_no_quote_is_refused() -> None:
    events = await play("quiet-day", 7)
    assert not [event for event in events if isinstance(event, QuoteCancelled | QuoteRejected | ControlRejected)]
