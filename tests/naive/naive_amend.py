"""Amending an order of the naive exchange: it stays where it is, or it is taken away and comes anew."""

from typing import TYPE_CHECKING

from msgspec.structs import replace

from stream_engine.messages import events
from stream_engine.messages.events import CancelReason
from stream_engine.messages.inputs import Amend, Side
from stream_engine.messages.refusals import Reject
from tests.naive.naive_rules import first_of
from tests.naive.naive_triggers import NaiveWaiting

if TYPE_CHECKING:
    from tests.naive.naive_exchange import NaiveExchange


def amend(venue: "NaiveExchange", received: Amend) -> None:
    """Change an order, or say why not."""
    account = venue.accounts.get(received.account)
    if account is None:
        venue._refuse(received, Reject.UNKNOWN_ACCOUNT)
        return
    for waiting in venue._waiting_of(received.account, None):
        if waiting.order.client_id == received.client_id:
            _amend_waiting(venue, received, waiting)
            return
    found = [order for order in venue._orders(received.account, None) if order.client_id == received.client_id]
    if not found:
        venue._refuse(received, Reject.UNKNOWN_ORDER)
        return
    former = found[0]
    size = former.size if received.size is None else received.size
    price = former.price if received.price is None else received.price
    if size == 0:
        venue._remove(former)
        venue._say_cancelled(former, CancelReason.OWNER, None)
        return
    stays = price == former.price and 0 < size <= former.size
    order = replace(account.answers[received.client_id][0], size=size, price=price)
    reason = None if stays else venue._order_refusal(account, order, former)
    if reason is not None:
        venue._refuse(received, reason)
        return
    if not stays:
        price = venue._limit(order)
    amended = venue._emit(
        events.OrderAmended, None, account=account.number, client_id=former.client_id, order_id=former.order_id,
        symbol=former.symbol, side=Side.BUY if former.sign > 0 else Side.SELL, size=size, price=price,
    )  # fmt: skip
    if stays:
        venue._reduce(former, former.size - size)
        return
    venue._remove(former)
    del account.done_us[former.client_id]
    venue._enter(account, order, former.order_id, amended)


def _amend_waiting(venue: "NaiveExchange", received: Amend, waiting: NaiveWaiting) -> None:
    former = waiting.order
    size = former.size if received.size is None else received.size
    price = former.price if received.price is None else received.price
    if size == 0:
        venue._cancel_waiting(waiting, CancelReason.OWNER, None)
        return
    order = replace(former, size=size, price=price)
    reason = first_of(venue._terms(order))
    if reason is not None:
        venue._refuse(received, reason)
        return
    waiting.order = order
    venue._emit(
        events.OrderAmended, None, account=order.account, client_id=order.client_id, order_id=waiting.order_id,
        symbol=order.symbol, side=order.side, size=size, price=price,
    )  # fmt: skip
