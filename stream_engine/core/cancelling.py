"""Cancelling: what rests is taken out of the book, and what waits for its trigger waits no more, at its owner's wish or
the venue's.

Order     an account's quotes in the order in which it first met the symbols; its orders as they came to rest,
          then those that wait, as accepted.
Holds     what left the book stands in no list of open orders, and its lots count as open no more.
"""

from stream_engine.core.accounts import Account
from stream_engine.core.market import Market
from stream_engine.core.order_book import Order
from stream_engine.core.position import Position, resting_levels
from stream_engine.core.reduce_only import count_out, reducible
from stream_engine.core.trigger_index import Waiting
from stream_engine.core.triggers import withdraw
from stream_engine.core.venue import Venue
from stream_engine.messages.events import CancelReason, Cause, OrderCancelled, QuoteCancelled
from stream_engine.messages.refusals import Reject


def cancel_order(venue: Venue, account: Account, order: Order, reason: CancelReason, cause: Cause | None) -> None:
    """Take an order out of the book and say so."""
    take_off_book(venue, venue.markets[order.symbol], account, order)
    out = venue.out
    cancelled = OrderCancelled(
        out.venue, out.seq, len(out.events), out.now_us, cause, account.number, order.client_id, order.order_id,
        order.symbol, order.size, reason,
    )  # fmt: skip
    out.events.append(cancelled)
    finish(venue, account, order.client_id)


def cancel_orders(venue: Venue, account: Account, symbol: str | None, reason: CancelReason, cause: Cause | None) -> int:
    """Cancel an account's orders on a symbol (or all), those that wait too; returns how many there were."""
    orders = [order for order in account.orders.values() if symbol is None or order.symbol == symbol]
    for order in orders:
        cancel_order(venue, account, order, reason, cause)
    waiting = [one for one in account.waiting.values() if symbol is None or one.order.symbol == symbol]
    for one in waiting:
        cancel_waiting(venue, account, one, reason, cause)
    return len(orders) + len(waiting)


def cancel_waiting(
    venue: Venue,
    account: Account,
    waiting: Waiting,
    reason: CancelReason,
    cause: Cause | None,
    refusal: Reject | None = None,
) -> None:
    """Cancel an order that waits for its trigger, and say so."""
    withdraw(venue, account, waiting)
    order = waiting.order
    venue.out.emit(
        OrderCancelled, cause, account.number, order.client_id, waiting.order_id, order.symbol, order.size, reason,
        refusal,
    )  # fmt: skip
    finish(venue, account, order.client_id)


def cancel_spent(venue: Venue, account: Account, position: Position, cause: Cause | None) -> None:
    """Cancel the reduce-only orders on a symbol that have nothing left to reduce."""
    for order in [order for order in account.orders.values() if order.symbol == position.symbol and order.reduce_only]:
        if not reducible(position, order.sign):
            cancel_order(venue, account, order, CancelReason.REDUCE_ONLY, cause)


def cancel_quotes(venue: Venue, account: Account, symbol: str | None, reason: CancelReason, cause: Cause | None) -> int:
    """Take an account's quotes away on a symbol (or all); returns on how many symbols one stood."""
    gone = 0
    for position in account.positions.values():
        quote = position.quote
        if quote is None or (symbol is not None and position.symbol != symbol):
            continue
        levels = resting_levels(position)
        for order in levels:
            take_off_book(venue, venue.markets[position.symbol], account, order)
        quote.bids, quote.asks = [], []
        if levels:
            gone += 1
            size = sum(order.size for order in levels)
            venue.out.emit(QuoteCancelled, cause, account.number, position.symbol, size, reason)
    return gone


def take_off_book(venue: Venue, market: Market, account: Account, order: Order) -> None:
    """Take a resting order out of the book; its open lots stand in it still."""
    (market.book.bids if order.sign > 0 else market.book.asks).remove(order)
    venue.booked[order.symbol] = None
    position = account.positions[order.symbol]
    if order.reduce_only:
        count_out(market, position)
    elif order.sign > 0:
        position.buying -= order.size
    else:
        position.selling -= order.size


def finish(venue: Venue, account: Account, client_id: str) -> None:
    """An order is done: it no longer rests, and its answer is kept for a while yet."""
    account.orders.pop(client_id, None)
    venue.finished.append((venue.now_us, account.number, client_id))
