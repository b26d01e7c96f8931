"""Rate limit: how many orders, amends and quotes an account may send.

Counted   per account, in windows of the venue's time that begin at the multiples of `rate_window_us` (as Binance counts
          its order limits): whatever is looked at, even if it is then refused for another reason. Where the order
          rules are set anew, counting begins anew.
Never     cancels; a repeat of what was answered; what comes halted, expired or over the limit already.
Refused   what comes over it: RATE_LIMITED, and it is not remembered. It may be sent again in the next window.
"""

from stream_engine.core.expiry import is_past
from stream_engine.core.order_entry import is_repeat
from stream_engine.core.venue import Venue
from stream_engine.messages.inputs import Amend, AnyInput, MassQuote, Place
from stream_engine.messages.rules import OrderRules


def complaint(rules: OrderRules) -> str | None:
    """What in these rules contradicts itself."""
    if rules.rate_limit and not rules.rate_window_us:
        return "rate_window_us: expected 1 or more with a rate_limit, found 0"
    return None


def takes(venue: Venue, received: AnyInput) -> bool:
    """Whether the account may send this still; counts it if so. There is a limit."""
    if not isinstance(received, Place | Amend | MassQuote) or received.account not in venue.accounts:
        return True
    if not isinstance(received, Amend) and is_past(venue, received):
        return True
    if isinstance(received, Place) and is_repeat(venue, received):
        return True
    rules = venue.rules.orders
    window_us = venue.now_us - venue.now_us % rules.rate_window_us
    if window_us != venue.sent_since_us:
        venue.sent_since_us, venue.sent = window_us, {}
    sent = venue.sent.get(received.account, 0)
    if sent >= rules.rate_limit:
        return False
    venue.sent[received.account] = sent + 1
    return True
