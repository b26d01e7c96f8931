"""Order entry: what an order is refused for, what it takes, what rests of it, and how it is cancelled.

Immediate IOC, FOK and market orders: nothing of them rests. FOK is taken only where all of it would be filled at once,
          over all prices up to its limit, and its own account's orders as the self-trade rule has it; of a reduce-only
          one, all that its position has. Otherwise it is refused.

Refused   in the order of the `Reject` enum; refusing changes nothing. Nothing may be opened without margin:
          after the order equity must cover the initial margin of all positions and open orders, with what the
          order would lose at once (against the mark, at its fills; at its limit for what rests) and its fee, and
          with what the account's other resting orders would lose so: else two accounts could trade themselves the
          fund's money.
          An order that only reduces (neither the long nor the short that the open orders can lead to grows) needs no
          more than not to leave a debt; neither does a reduce-only one.
          What orders on an isolated symbol need is the reserve (isolated), free in the wallet; they may lose at once
          what stands behind the position.
Limits    no more notional than the position's leverage allows by the tiers; no more open interest than the instrument
          allows: what there is, and all that the account's open orders could open on one side. Both are looked at when
          an order would lead further; what rests is not looked at again.
Market    an order without a price is an IOC limited at the mark, give or take the instrument's bound.
Trigger   an order with one waits outside the book; see triggers.
Cancelled quotes before orders.
Repeats   a client id seen before, with the same content, is answered as it was; with other content it is refused.
          Refusals are remembered too, but for an unknown account, a stamp, a halt, an expiry, the rate limit or a
          repeat.
"""

from msgspec.structs import replace

from stream_engine.core.accounts import Account, Answer, equity_behind, free_margin, free_wallet, is_marked
from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.core.auction import collect
from stream_engine.core.cancelling import cancel_order, cancel_orders, cancel_quotes, cancel_waiting, finish
from stream_engine.core.circuit_breaker import is_out_of_band, stopped
from stream_engine.core.expiry import is_past, note_order
from stream_engine.core.isolated import reserve
from stream_engine.core.margin import highest_leverage, initial_margin, initial_rate
from stream_engine.core.market import Market, is_paused
from stream_engine.core.matching import match, rest, would_take
from stream_engine.core.order_book import Order
from stream_engine.core.position import Position, RestingQuote, resting_levels
from stream_engine.core.reduce_only import reducible
from stream_engine.core.trigger_index import Waiting
from stream_engine.core.triggers import is_met_already, wait, withdraw
from stream_engine.core.venue import Venue
from stream_engine.messages.events import (
    CancelReason,
    CancelRejected,
    Cause,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderTriggered,
)
from stream_engine.messages.inputs import Cancel, CancelAll, Place, QuoteCancel, Side, TimeInForce, Trigger
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import MILLION

BUY, GTC, FOK = Side.BUY, TimeInForce.GTC, TimeInForce.FOK  # looked up once: they are asked for with every order
_NOTHING_HELD = Position(0, "", 0, 0)


def place(venue: Venue, order: Place) -> None:
    """Take an order, or say why not."""
    account = venue.accounts.get(order.account)
    if order.expires_us is not None and is_past(venue, order) and not is_repeat(venue, order):
        _reject(venue, order, Reject.EXPIRED)
        return
    if account is None:
        _reject(venue, order, Reject.UNKNOWN_ACCOUNT)
        return
    earlier = account.answers.get(order.client_id)
    if earlier is not None:
        _answer_again(venue, order, earlier)
        return
    market = venue.markets.get(order.symbol)
    if market is None:
        _refuse(venue, account, order, Reject.UNKNOWN_SYMBOL)
        return
    if order.trigger is not None:
        _place_trigger(venue, account, market, order, order.trigger)
        return
    sign = 1 if order.side is BUY else -1
    price = order.price
    limit = price if price is not None else market_limit(market, sign)
    if market.band is not None:
        limit = market.band.cut(sign, limit)
        price = limit if price is not None else None
    reason = order_refusal(venue, account, market, order, sign, limit)
    if reason is not None:
        _refuse(venue, account, order, reason)
        return
    order_id = venue.next_order_id()
    out = venue.out
    events, n = out.events, len(out.events)
    accepted = OrderAccepted(
        out.venue, out.seq, n, out.now_us, None, account.number, order.client_id, order_id, order.symbol,
        order.side, order.size, price, order.time_in_force, order.post_only, False, order.reduce_only,
    )  # fmt: skip
    events.append(accepted)
    account.answers[order.client_id] = Answer(order, accepted)
    if order.expires_us is not None:
        note_order(venue, order, order_id)
    enter(venue, account, market, order, order_id, sign, limit, (out.seq, n))


def enter(
    venue: Venue, account: Account, market: Market, order: Place, order_id: int, sign: int, limit: int, cause: Cause
) -> None:
    """Let an order that is allowed into the book: it takes what it can, and rests where it may."""
    left, reason, band = order.size, None, market.band
    if (market.book.asks if sign > 0 else market.book.bids).best_key <= sign * limit:
        rule = order.self_trade or venue.rules.orders.self_trade
        if band is not None and is_paused(market):
            reason = collect(venue, market, account, sign, limit, cause, rule)
        else:
            left, reason = match(
                venue, market, account, order_id, sign, left, sign * limit, cause, rule, order.reduce_only
            )
    if band is not None and left and reason is None:
        stopped(venue, market, band, sign, limit, cause)
    if not left:
        finish(venue, account, order.client_id)
    elif reason is not None or order.price is None or order.time_in_force is not GTC:
        venue.out.emit(
            OrderCancelled, cause, account.number, order.client_id, order_id, order.symbol, left,
            reason or CancelReason.IMMEDIATE,
        )  # fmt: skip
        finish(venue, account, order.client_id)
    else:
        resting = Order(order_id, account.number, order.client_id, order.symbol, sign, limit, left, order.reduce_only)
        account.orders[order.client_id] = resting
        rest(venue, market, account, resting)


def enter_triggered(venue: Venue, account: Account, waiting: Waiting, cause: Cause) -> None:
    """An order's trigger was met: it enters if it is allowed, and is cancelled if not."""
    order, order_id = waiting.order, waiting.order_id
    market = venue.markets[order.symbol]
    sign = 1 if order.side is BUY else -1
    price = order.price
    limit = price if price is not None else market_limit(market, sign)
    if market.band is not None:
        limit = market.band.cut(sign, limit)
        price = limit if price is not None else None
    triggered = venue.out.emit(
        OrderTriggered, cause, account.number, order.client_id, order_id, order.symbol, order.side, order.size, price,
        order.time_in_force,
    )  # fmt: skip
    reason = order_refusal(venue, account, market, order, sign, limit)
    if reason is not None:
        cancel_waiting(venue, account, waiting, CancelReason.NOT_ALLOWED, triggered, reason)
        return
    withdraw(venue, account, waiting)
    enter(venue, account, market, order, order_id, sign, limit, triggered)


def is_repeat(venue: Venue, order: Place) -> bool:
    """Whether this order was answered before, with the same content."""
    account = venue.accounts.get(order.account)
    earlier = None if account is None else account.answers.get(order.client_id)
    return earlier is not None and _is_same(order, earlier.place)


def cancel(venue: Venue, received: Cancel) -> None:
    """Cancel one order that rests or waits at its owner's wish."""
    account = venue.accounts.get(received.account)
    if account is None:
        venue.out.emit(CancelRejected, None, received.account, received.client_id, Reject.UNKNOWN_ACCOUNT)
        return
    order = account.orders.get(received.client_id)
    if order is None and received.client_id in account.waiting:
        cancel_waiting(venue, account, account.waiting[received.client_id], CancelReason.OWNER, None)
        return
    if order is None:
        venue.out.emit(CancelRejected, None, received.account, received.client_id, Reject.UNKNOWN_ORDER)
        return
    cancel_order(venue, account, order, CancelReason.OWNER, None)


def cancel_all(venue: Venue, received: CancelAll) -> None:
    """Cancel everything that rests for an account, orders and quotes."""
    account = _account_and_symbol(venue, received)
    if account is not None:
        gone = cancel_quotes(venue, account, received.symbol, CancelReason.OWNER, None)
        gone += cancel_orders(venue, account, received.symbol, CancelReason.OWNER, None)
        if not gone:
            venue.out.emit(CancelRejected, None, account.number, None, Reject.UNKNOWN_ORDER)


def quote_cancel(venue: Venue, received: QuoteCancel) -> None:
    """Take a maker's quotes away at its wish."""
    account = _account_and_symbol(venue, received)
    if account is not None and not cancel_quotes(venue, account, received.symbol, CancelReason.OWNER, None):
        venue.out.emit(CancelRejected, None, account.number, None, Reject.UNKNOWN_ORDER)


def price_refusal(market: Market, price: int) -> Reject | None:
    """Why a price cannot be an order's, if it cannot."""
    instrument = market.instrument
    if price <= 0:
        return Reject.PRICE_NOT_POSITIVE
    if price > instrument.max_price:
        return Reject.PRICE_TOO_HIGH
    if price % instrument.price_step:
        return Reject.PRICE_OFF_TICK
    return None


def terms_refusal(market: Market, order: Place, trigger: Trigger) -> Reject | None:
    """What is wrong with the size and the prices of an order with a trigger."""
    if order.size <= 0:
        return Reject.SIZE_NOT_POSITIVE
    if order.size > market.instrument.max_size:
        return Reject.SIZE_TOO_LARGE
    prices = (trigger.price,) if order.price is None else (order.price, trigger.price)
    reasons = {price_refusal(market, price) for price in prices}
    return next((reason for reason in Reject if reason in reasons), None)


def resting_loss(venue: Venue, account: Account, replaced: RestingQuote | Order | None = None) -> int:
    """What the account's resting orders would lose against the mark, at their limits, but for a quote or an order being
    replaced; a reduce-only one as far as its position goes.

    A scan: asked for where it matters, by a withdrawal and by an order that loses at once.
    """
    orders = list(account.orders.values())
    for position in account.positions.values():
        if position.quote is not None and position.quote is not replaced:
            orders += resting_levels(position)
    loss = 0
    for order in orders:
        market = venue.markets[order.symbol]
        worse_than_mark = order.sign * (order.price - market.mark)
        if worse_than_mark <= 0 or order is replaced:
            continue
        size = order.size
        if order.reduce_only:
            size = min(size, reducible(account.positions[order.symbol], order.sign))
        loss += worse_than_mark * size * market.tick_value
    return loss


def exposure_refusal(
    venue: Venue,
    account: Account,
    market: Market,
    position: Position | None,
    size: int,
    buying: int,
    selling: int,
    loss: int,
    replaced: RestingQuote | Order | None = None,
) -> Reject | None:
    """Whether the account may come to this position and these open lots on the symbol, losing `loss` at once.

    `position` is what it holds there so far; `replaced` the quote or order that the new open lots stand instead of. An
    order that comes instead of another opens all that it has: only what is taken off a position only reduces.
    """
    instrument = market.instrument
    if loss:
        loss += resting_loss(venue, account, replaced)
    held = position if position is not None else _NOTHING_HELD
    had_buying, had_selling = held.buying, held.selling
    if isinstance(replaced, Order):
        had_buying -= replaced.size if replaced.sign > 0 else 0
        had_selling -= replaced.size if replaced.sign < 0 else 0
    long, short = size + buying, selling - size
    longer = long > 0 and long > held.size + had_buying
    shorter = short > 0 and short > had_selling - held.size
    if not longer and not shorter:
        return _debt_refusal(venue, account, held, loss)
    if not loss and _may_lose(venue, account):
        loss = resting_loss(venue, account, replaced)
    worst = long if long > short else short
    notional = worst * market.mark * market.tick_value
    if worst > instrument.max_size:
        return Reject.POSITION_TOO_LARGE
    if market.table.leverages:
        leverage = instrument.default_leverage if position is None else position.leverage
        if leverage > highest_leverage(notional, market.table):
            return Reject.POSITION_TOO_LARGE
    if instrument.max_open_interest:
        opened = max(max(0, long) - max(0, held.size), max(0, short) - max(0, -held.size))
        if market.open_interest + opened > instrument.max_open_interest:
            return Reject.OPEN_INTEREST_TOO_LARGE
    if held.isolated:
        needed = reserve(held, market, long, short) + loss
        free = free_wallet(account, venue.markets, besides=instrument.symbol)
        return Reject.INSUFFICIENT_MARGIN if free < needed else None
    rate = initial_rate(instrument.default_leverage) if position is None else position.initial_ppm
    required = initial_margin(notional, rate, market.table)
    if position is not None and len(account.positions) == 1:  # by far the most: free margin without going round
        free = account.wallet + held.size * market.mark * market.tick_value - held.cost
    else:
        free = free_margin(account, venue.markets, besides=instrument.symbol)
    return Reject.INSUFFICIENT_MARGIN if free - loss < required else None


def _may_lose(venue: Venue, account: Account) -> bool:
    """Whether an order of the account may rest beyond its mark; where none does, nobody looks through them."""
    for symbol, position in account.positions.items():
        if position.buying or position.selling or position.reducing:
            market = venue.markets[symbol]
            if market.book.bids.best_key < -market.mark or market.book.asks.best_key < market.mark:
                return True
    return False


def market_limit(market: Market, sign: int) -> int:
    """The worst price in ticks at which a market order may fill, rounded towards the mark."""
    reach = div_floor(market.mark * market.instrument.market_bound_ppm, MILLION)
    return max(1, market.mark + sign * reach)


def order_refusal(
    venue: Venue,
    account: Account,
    market: Market,
    order: Place,
    sign: int,
    limit: int,
    replaced: Order | None = None,
) -> Reject | None:
    """Why an order of a known account is not allowed, up to its limit in ticks; `replaced`: the one that it amends."""
    immediate = order.price is None or order.time_in_force is not GTC
    paused = market.band is not None and is_paused(market)
    if paused and immediate:
        return Reject.TRADING_PAUSED
    if order.size <= 0:
        return Reject.SIZE_NOT_POSITIVE
    if order.size > market.instrument.max_size:
        return Reject.SIZE_TOO_LARGE
    if order.price is not None:
        if not 0 < order.price <= market.instrument.max_price or order.price % market.instrument.price_step:
            return price_refusal(market, order.price)
        band_ppm = venue.rules.breakers.price_band_ppm
        if band_ppm and is_out_of_band(market, sign, order.price, band_ppm):
            return Reject.PRICE_OUT_OF_BAND
    if order.post_only and immediate:
        return Reject.POST_ONLY_MARKET_ORDER
    position = account.positions.get(order.symbol)
    if not market.mark or (len(account.positions) > (position is not None) and not is_marked(account, venue.markets)):
        return Reject.NO_MARK_PRICE
    size = min(order.size, reducible(position, sign)) if order.reduce_only else order.size
    taken = loss = 0
    if (market.book.asks if sign > 0 else market.book.bids).best_key <= sign * limit:
        if order.post_only:
            return Reject.POST_ONLY_WOULD_TAKE
        if not paused:
            taken, loss, is_stopped = _at_once(venue, account, market, order, sign, limit, size)
            immediate = immediate or is_stopped
    if order.time_in_force is FOK and taken < size:
        return Reject.FOK_NOT_FILLABLE
    if replaced is not None and order.size <= replaced.size and sign * limit <= sign * replaced.price:
        return None  # less of it, or farther from the market: it can only cost less than it did
    resting = 0 if immediate else size - taken
    worse_than_mark = sign * (limit - market.mark)
    if worse_than_mark > 0:
        loss += worse_than_mark * resting * market.tick_value
    if order.reduce_only:
        if not size or position is None:
            return Reject.REDUCE_ONLY_WITHOUT_POSITION
        return _debt_refusal(venue, account, position, loss + resting_loss(venue, account, replaced) if loss else 0)
    held = position if position is not None else _NOTHING_HELD
    buying, selling = held.buying, held.selling
    if replaced is not None:
        buying -= replaced.size if sign > 0 else 0
        selling -= replaced.size if sign < 0 else 0
    if sign > 0:
        buying += resting
    else:
        selling += resting
    return exposure_refusal(venue, account, market, position, held.size + sign * taken, buying, selling, loss, replaced)


def _debt_refusal(venue: Venue, account: Account, held: Position, loss: int) -> Reject | None:
    """Whether losing so much with a position would leave a debt."""
    return Reject.INSUFFICIENT_MARGIN if loss > 0 and equity_behind(account, held, venue.markets) < loss else None


def _place_trigger(venue: Venue, account: Account, market: Market, order: Place, trigger: Trigger) -> None:
    reason = _trigger_refusal(market, order, trigger)
    if reason is not None:
        _refuse(venue, account, order, reason)
        return
    order_id = venue.next_order_id()
    venue.out.emit(
        OrderAccepted, None, account.number, order.client_id, order_id, order.symbol, order.side, order.size,
        order.price, order.time_in_force, order.post_only, False, order.reduce_only, trigger,
    )  # fmt: skip
    accepted = venue.out.events[-1]
    assert isinstance(accepted, OrderAccepted)
    account.answers[order.client_id] = Answer(order, accepted)
    if order.expires_us is not None:
        note_order(venue, order, order_id)
    wait(market, account, order, order_id)


def _trigger_refusal(market: Market, order: Place, trigger: Trigger) -> Reject | None:
    reason = terms_refusal(market, order, trigger)
    if reason is not None:
        return reason
    if is_met_already(market, order, trigger):
        return Reject.TRIGGER_MET
    if order.post_only and (order.price is None or order.time_in_force is not GTC):
        return Reject.POST_ONLY_MARKET_ORDER
    return None if market.mark else Reject.NO_MARK_PRICE


def _at_once(
    venue: Venue, account: Account, market: Market, order: Place, sign: int, limit: int, size: int
) -> tuple[int, int, bool]:
    """Lots that an order would take, what it would lose by that (against the mark, and its fee), and whether an order
    of its own account would stop it."""
    rule = order.self_trade or venue.rules.orders.self_trade
    taken, value, stopped = would_take(venue, market, account, sign, size, limit, rule)
    fee_ppm, worse_than_mark = market.instrument.taker_fee_ppm, sign * (value - taken * market.mark)
    loss = div_ceil(value * market.tick_value * fee_ppm, MILLION) if fee_ppm > 0 else 0
    if worse_than_mark > 0:
        loss += worse_than_mark * market.tick_value
    return taken, loss, stopped


def _refuse(venue: Venue, account: Account, order: Place, reason: Reject) -> None:
    """Reject an order of a known account: the answer is remembered."""
    _reject(venue, order, reason)
    event = venue.out.events[-1]
    assert isinstance(event, OrderRejected)
    account.answers[order.client_id] = Answer(order, event)
    finish(venue, account, order.client_id)


def _reject(venue: Venue, order: Place, reason: Reject) -> None:
    venue.out.emit(OrderRejected, None, order.account, order.client_id, order.symbol, reason)


def _answer_again(venue: Venue, order: Place, earlier: Answer) -> None:
    if not _is_same(order, earlier.place):
        _reject(venue, order, Reject.DUPLICATE_CLIENT_ID)
        return
    event = earlier.event
    if isinstance(event, OrderRejected):
        venue.out.emit(OrderRejected, None, event.account, event.client_id, event.symbol, event.reason, True)
    else:
        venue.out.emit(
            OrderAccepted, None, event.account, event.client_id, event.order_id, event.symbol, event.side, event.size,
            event.price, event.time_in_force, event.post_only, True, event.reduce_only, event.trigger,
        )  # fmt: skip


def _is_same(order: Place, earlier: Place) -> bool:
    """The same in everything but the time at which it was sent."""
    return replace(order, ts_us=earlier.ts_us) == earlier


def _account_and_symbol(venue: Venue, received: CancelAll | QuoteCancel) -> Account | None:
    account = venue.accounts.get(received.account)
    reason = None
    if account is None:
        reason = Reject.UNKNOWN_ACCOUNT
    elif received.symbol is not None and received.symbol not in venue.markets:
        reason = Reject.UNKNOWN_SYMBOL
    if reason is not None:
        venue.out.emit(CancelRejected, None, received.account, None, reason)
        return None
    return account
