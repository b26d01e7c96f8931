"""Expiry: orders and quotes that say until when they stand.

Refused   what comes later than its own `expires_us`, before anything else about it is looked at but the stamp and a
          halt. Such a refusal is not remembered; an order that was answered before is answered once more.
Gone      what still rests or waits once the venue's time is past its `expires_us`: it is cancelled before the first
          input of a later time does what it does, also while trading is halted. At `expires_us` itself it stands.
Order     the earliest first; at one time by account, its quotes by symbol before its orders by client id.
Amended   an order keeps its time; a quote that replaces another brings its own, or has none.
Upkeep    a heap, whose first entry is looked at with every input. What is gone earlier leaves its entry behind: it is
          passed over, and each minute all such entries are thrown away.
"""

from heapq import heappop, heappush

from stream_engine.core.accounts import Account
from stream_engine.core.cancelling import cancel_order, cancel_quotes, cancel_waiting
from stream_engine.core.position import resting_levels
from stream_engine.core.venue import Expiring, Venue
from stream_engine.messages.events import CancelReason
from stream_engine.messages.inputs import MassQuote, Place


def is_past(venue: Venue, received: Place | MassQuote) -> bool:
    """Whether it comes later than it says itself."""
    return received.expires_us is not None and received.expires_us < venue.now_us


def note_order(venue: Venue, order: Place, order_id: int) -> None:
    """An order with a time was accepted."""
    assert order.expires_us is not None, order.client_id
    heappush(venue.expiring, (order.expires_us, order.account, order.client_id, order.symbol, order_id))


def note_quote(venue: Venue, quote: MassQuote) -> None:
    """A quote with a time was accepted."""
    assert quote.expires_us is not None, quote.quote_id
    heappush(venue.expiring, (quote.expires_us, quote.account, "", quote.symbol, quote.quote_id))


def expire(venue: Venue) -> None:
    """Cancel everything whose time is past."""
    expiring = venue.expiring
    while expiring and expiring[0][0] < venue.now_us:
        entry = heappop(expiring)
        if not _stands(venue, entry):
            continue
        _, number, client_id, symbol, _ = entry
        account = venue.accounts[number]
        if client_id in account.waiting:
            cancel_waiting(venue, account, account.waiting[client_id], CancelReason.EXPIRED, None)
        elif client_id:
            cancel_order(venue, account, account.orders[client_id], CancelReason.EXPIRED, None)
        else:
            cancel_quotes(venue, account, symbol, CancelReason.EXPIRED, None)


def throw_away_stale(venue: Venue) -> None:
    """Let go of the entries of what is gone already."""
    venue.expiring = sorted(entry for entry in venue.expiring if _stands(venue, entry))


def _stands(venue: Venue, entry: Expiring) -> bool:
    _, number, client_id, symbol, order_or_quote_id = entry
    account: Account = venue.accounts[number]
    if client_id:
        order = account.orders.get(client_id) or account.waiting.get(client_id)
        return order is not None and order.order_id == order_or_quote_id
    position = account.positions[symbol]
    quote = position.quote
    return quote is not None and quote.quote_id == order_or_quote_id and bool(resting_levels(position))
