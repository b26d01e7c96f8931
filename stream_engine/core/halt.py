"""Halt: the operator stops trading, and lets it go on.

Refused   while trading is halted, before anything else about them is looked at: orders, amends, quotes and
          withdrawals (what liquidations will need must not be paid out). An order that was answered before is
          answered once more. What is refused so is not remembered: it may be sent again under its id when trading
          goes on.
Taken     cancels, as ever; prices, and marks move; the clock, and funding with it; money in, leverage, listings,
          rules.
Waits     every liquidation, and with it the fund and deleveraging, and every trigger. The margin watch goes on: who is
          crossed, and what the marks of then have triggered, is looked at when trading is resumed, in that very input,
          within its bound.
Holds     nobody trades while trading is halted.
"""

from stream_engine.core.control import refuse
from stream_engine.core.order_entry import is_repeat
from stream_engine.core.triggers import mark_moved
from stream_engine.core.venue import Venue
from stream_engine.messages.events import TradingHalted, TradingResumed
from stream_engine.messages.inputs import Amend, AnyInput, HaltTrading, MassQuote, Place, ResumeTrading, Withdraw
from stream_engine.messages.refusals import Reject


def halt_trading(venue: Venue, received: HaltTrading) -> None:
    """Stop trading."""
    if venue.halted:
        refuse(venue, received, Reject.TRADING_HALTED)
        return
    venue.halted = True
    venue.out.emit(TradingHalted, None, received.reason)


def resume_trading(venue: Venue, received: ResumeTrading) -> None:
    """Let trading go on."""
    if not venue.halted:
        refuse(venue, received, Reject.TRADING_NOT_HALTED)
        return
    venue.halted = False
    venue.out.emit(TradingResumed, None)
    for market in venue.markets.values():
        mark_moved(venue, market)


def waits(venue: Venue, received: AnyInput) -> bool:
    """Whether an input is one that a halted venue refuses."""
    if isinstance(received, Place):
        return not is_repeat(venue, received)
    return isinstance(received, MassQuote | Withdraw | Amend)
