"""Amend: an order that rests gets another open size, another price, or both; so does one that waits for its trigger.

Kept      its place in the queue at the same price and at no larger size; its ids, and whatever else it was placed with.
Entered   otherwise it is taken out and comes anew under its order id: behind the others, or it trades at once.
Waiting   it waits on for the same trigger, in its place among the others; a market order with a price is a limit order
          from then on. Only its size and price are looked at.
Cancelled at size 0, as by its owner.
Refused   in the order of the `Reject` enum, as an order is that comes instead of it; it then stands as it stood. One
          that becomes no larger and comes no nearer to the market is not asked for margin.
Sent again it says the same of what is open by then: after a fill in between, another size.
"""

from msgspec.structs import replace

from stream_engine.core.accounts import Account
from stream_engine.core.cancelling import cancel_order, cancel_waiting, take_off_book
from stream_engine.core.market import Market
from stream_engine.core.matching import shrink, side_of
from stream_engine.core.order_book import Order
from stream_engine.core.order_entry import enter, order_refusal, terms_refusal
from stream_engine.core.trigger_index import Waiting
from stream_engine.core.venue import Venue
from stream_engine.messages.events import AmendRejected, CancelReason, Cause, OrderAmended
from stream_engine.messages.inputs import Amend, Side
from stream_engine.messages.refusals import Reject


def amend(venue: Venue, received: Amend) -> None:
    """Change an order at its owner's wish, or say why not."""
    account = venue.accounts.get(received.account)
    if account is None:
        _reject(venue, received, Reject.UNKNOWN_ACCOUNT)
        return
    if received.client_id in account.waiting:
        _amend_waiting(venue, account, received, account.waiting[received.client_id])
        return
    resting = account.orders.get(received.client_id)
    if resting is None:
        _reject(venue, received, Reject.UNKNOWN_ORDER)
        return
    size = resting.size if received.size is None else received.size
    price = resting.price if received.price is None else received.price
    market = venue.markets[resting.symbol]
    if size == 0:
        cancel_order(venue, account, resting, CancelReason.OWNER, None)
    elif price == resting.price and 0 < size <= resting.size:
        shrink(venue, market, account, resting, size)
        _say(venue, account, resting.client_id, resting.order_id, market, resting.sign, size, price)
    else:
        _enter_anew(venue, account, market, received, resting, size, price)


def _amend_waiting(venue: Venue, account: Account, received: Amend, waiting: Waiting) -> None:
    order, market = waiting.order, venue.markets[waiting.order.symbol]
    assert order.trigger is not None, order.client_id
    size = order.size if received.size is None else received.size
    price = order.price if received.price is None else received.price
    if size == 0:
        cancel_waiting(venue, account, waiting, CancelReason.OWNER, None)
        return
    changed = replace(order, size=size, price=price)
    reason = terms_refusal(market, changed, order.trigger)
    if reason is not None:
        _reject(venue, received, reason)
        return
    waiting.order = changed
    _say(venue, account, order.client_id, waiting.order_id, market, 1 if order.side is Side.BUY else -1, size, price)


def _enter_anew(
    venue: Venue, account: Account, market: Market, received: Amend, resting: Order, size: int, price: int
) -> None:
    order = replace(account.answers[resting.client_id].place, size=size, price=price, trigger=None)
    if market.band is not None:
        price = market.band.cut(resting.sign, price)
    reason = order_refusal(venue, account, market, order, resting.sign, price, resting)
    if reason is not None:
        _reject(venue, received, reason)
        return
    take_off_book(venue, market, account, resting)
    del account.orders[resting.client_id]
    amended = _say(venue, account, resting.client_id, resting.order_id, market, resting.sign, size, price)
    enter(venue, account, market, order, resting.order_id, resting.sign, price, amended)


def _say(
    venue: Venue,
    account: Account,
    client_id: str,
    order_id: int,
    market: Market,
    sign: int,
    size: int,
    price: int | None,
) -> Cause:
    return venue.out.emit(
        OrderAmended, None, account.number, client_id, order_id, market.instrument.symbol, side_of(sign), size, price
    )


def _reject(venue: Venue, received: Amend, reason: Reject) -> None:
    venue.out.emit(AmendRejected, None, received.account, received.client_id, reason)
