"""Triggers: stop and take-profit orders wait outside the book until a price reaches them.

Accepted  an order with a trigger is checked for all that needs no book: sizes, prices, the grid, its id; it is refused
          if its price is reached already (TRIGGER_MET). It needs no margin while it waits, and is in no report of the
          book. Its owner may cancel and amend it, a liquidation and deleveraging cancel it with the owner's orders,
          after those that rest, as accepted.
Reached   by mark: with each new mark. By last: with each fill, at its price, wherever the sweep ends. It queues behind
          what was reached before; of what one price reaches, the nearest trigger price is first, then who was accepted
          first.
Entered   after what the input itself does, and after the cascade of liquidations, in rounds: all that are queued enter
          one after the other; then the marks of what traded are made anew, then the cascade has its turn, then the next
          round, until nothing is queued and nobody is below maintenance: a stop that sets off a stop goes on, and so
          does one that sets off a liquidation. One enters like a new order, through the same refusals: if it is not
          allowed any more, it is cancelled, with the reason.
Bound     the orders that enter with one input count against `checks_per_input` like the accounts that it checks. The
          rest stays queued, and goes on at the venue's next input.
Paused    while a breaker has paused the symbol nothing is reached, and what was queued waits again. When it reopens,
          what its mark and its last trade have reached by then is queued.
Halted    nothing is reached and nothing enters. When trading is resumed, what the marks of then have reached is, in the
          order of the symbols' listing.
Causes    OrderTriggered <- MarkPriceChanged or Traded; what it brings, or its OrderCancelled <- OrderTriggered.
"""

from stream_engine.core.accounts import Account
from stream_engine.core.market import Market, is_paused
from stream_engine.core.trigger_index import TriggerIndex, Waiting, is_met
from stream_engine.core.venue import Venue
from stream_engine.messages.events import Cause
from stream_engine.messages.inputs import Place, Trigger, TriggerBy


def is_met_already(market: Market, order: Place, trigger: Trigger) -> bool:
    """Whether the order would be triggered at once."""
    price = market.mark if trigger.by is TriggerBy.MARK else market.last
    return is_met(trigger, order.side, price)


def wait(market: Market, account: Account, order: Place, order_id: int) -> None:
    """An accepted order begins to wait."""
    waiting = Waiting(order, order_id)
    account.waiting[order.client_id] = waiting
    index_of(market, order).add(waiting)


def withdraw(venue: Venue, account: Account, waiting: Waiting) -> None:
    """An order waits no longer: it is cancelled, or it enters."""
    del account.waiting[waiting.order.client_id]
    if venue.triggered.pop(waiting.order_id, None) is None:
        index_of(venue.markets[waiting.order.symbol], waiting.order).remove(waiting)


def mark_moved(venue: Venue, market: Market) -> None:
    """A mark was made, or trading was resumed: queue what it reaches."""
    if market.moved is not None and not venue.halted and not is_paused(market):
        queue_reached(venue, market.by_mark, market.mark, market.moved)


def paused(venue: Venue, market: Market) -> None:
    """The symbol is paused: what was queued waits again."""
    for number, client_id, _ in list(venue.triggered.values()):
        waiting = venue.accounts[number].waiting[client_id]
        if waiting.order.symbol == market.instrument.symbol:
            del venue.triggered[waiting.order_id]
            index_of(market, waiting.order).add(waiting)


def reopened(venue: Venue, market: Market, cause: Cause) -> None:
    """The symbol trades again: queue what its prices have reached."""
    queue_reached(venue, market.by_mark, market.mark, cause)
    if market.last:
        queue_reached(venue, market.by_last, market.last, cause)


def queue_reached(venue: Venue, index: TriggerIndex, price: int, cause: Cause) -> None:
    """Queue what a price reaches."""
    for waiting in index.take_reached(price):
        venue.triggered[waiting.order_id] = (waiting.order.account, waiting.order.client_id, cause)


def index_of(market: Market, order: Place) -> TriggerIndex:
    """Where an order waits that no price has reached yet."""
    assert order.trigger is not None, order.client_id
    return market.by_mark if order.trigger.by is TriggerBy.MARK else market.by_last
