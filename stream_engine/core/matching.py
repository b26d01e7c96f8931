"""Matching: a taker meets the best resting orders, and both sides are settled.

Price     the maker's, always. First the better price, then who came first.
Own       an order never trades with its own account. Where the two would meet, by the taker's rule: the resting one is
          cancelled and the taker goes on, or what is left of the taker is, or both are, the resting one first. A
          quote's level that is in the way is taken away as an order is; a quote takes by the venue's rule.
Reducing  a reduce-only order gives and takes no more than its owner's position has; see reduce_only.
Settled   each fill moves cost and realised PnL of both accounts and their fees; see `position.fill`, and isolated.
Rounding  fees paid go up, rebates go down.
Protected a fill may be the one after which the maker's whole quote goes (protection): the taker finds the next order.
Foreseen  `would_take` and `match` go the same way: what it says is what an order then gets.
Bound     every step fills the taker or takes a resting order away.
"""

from stream_engine.core.accounts import Account, spare_wallet
from stream_engine.core.arithmetic import div_ceil
from stream_engine.core.cancelling import cancel_spent, finish, take_off_book
from stream_engine.core.isolated import after_fill
from stream_engine.core.margin_watch import forget
from stream_engine.core.market import Market, hold
from stream_engine.core.order_book import Order, orders_of
from stream_engine.core.position import add_open, fill
from stream_engine.core.protection import count_fill, would_trigger
from stream_engine.core.reduce_only import count_in, count_out, is_closed_by, reducible
from stream_engine.core.triggers import queue_reached
from stream_engine.core.venue import Venue, position_of
from stream_engine.messages.events import CancelReason, Cause, OrderCancelled, QuoteAccepted, Traded, TradePrinted
from stream_engine.messages.inputs import Level, Side
from stream_engine.messages.rules import SelfTrade
from stream_engine.messages.units import MILLION

BUY, SELL = Side.BUY, Side.SELL  # looked up once: they are asked for with every fill
CANCEL_MAKER = SelfTrade.CANCEL_MAKER


def side_of(sign: int) -> Side:
    """BUY for +1, SELL for -1."""
    return BUY if sign > 0 else SELL


def match(
    venue: Venue,
    market: Market,
    taker: Account,
    order_id: int,
    sign: int,
    size: int,
    limit_key: int,
    cause: Cause | None,
    self_trade: SelfTrade,
    reduce_only: bool = False,
) -> tuple[int, CancelReason | None]:
    """Fill up to `size` lots of a taker, no worse than the limit; returns the lots left, and why they may not rest."""
    resting = market.book.opposite(sign)
    left = most = size
    while left and resting.best_key <= limit_key:
        first = resting.first()
        if first.account == taker.number:
            if self_trade is not CANCEL_MAKER:
                if self_trade is SelfTrade.CANCEL_BOTH:
                    cancel_own(venue, market, taker, first, cause)
                return left, CancelReason.SELF_TRADE
            if cancel_own(venue, market, taker, first, cause):
                continue
        if reduce_only:
            most = reducible(taker.positions[market.instrument.symbol], sign)
            if not most:
                break
        lots = left if left < most else most
        left -= trade_with_best(venue, market, taker, order_id, sign, lots, left, cause)[0]
    if reduce_only and not reducible(taker.positions[market.instrument.symbol], sign):
        return left, CancelReason.REDUCE_ONLY
    return left, None


def would_take(
    venue: Venue, market: Market, taker: Account, sign: int, size: int, limit: int, self_trade: SelfTrade
) -> tuple[int, int, bool]:
    """What a taker of up to `size` lots would get up to the limit: lots, the sum of price * lots, and whether its own
    order would stop it."""
    side = market.book.opposite(sign)
    if self_trade is CANCEL_MAKER and not market.reducing and not market.protected:
        return *side.sweep(sign * limit, size, taker.number), False
    taken = value = 0
    given: dict[int, int] = {}  # by the makers, so far
    quoted: dict[int, int] = {}  # the same of their quotes
    for level in side.best_first():
        if sign * level.price > sign * limit:
            break
        for order in orders_of(level):
            if taken == size:
                return taken, value, False
            if order.account == taker.number:
                if self_trade is not CANCEL_MAKER:
                    return taken, value, True
                continue
            maker, lots = order.account, min(order.size, size - taken)
            position = venue.accounts[maker].positions[order.symbol]
            if order.reduce_only:
                lots = min(lots, max(0, reducible(position, -sign) - given.get(maker, 0)))
            elif not order.client_id and position.protection is not None:
                before = quoted.get(maker, 0)
                if before and would_trigger(position.protection, -sign * before, venue.now_us):
                    continue
                quoted[maker] = before + lots
            taken += lots
            value += lots * order.price
            given[maker] = given.get(maker, 0) + lots
    return taken, value, False


def cancel_own(venue: Venue, market: Market, taker: Account, resting: Order, cause: Cause | None) -> bool:
    """Cancel the resting order if it is the taker's own; says whether it was."""
    if resting.account != taker.number:
        return False
    take_off_book(venue, market, taker, resting)
    if resting.client_id:
        finish(venue, taker, resting.client_id)
        left = resting.size
        venue.out.emit(
            OrderCancelled, cause, taker.number, resting.client_id, resting.order_id, resting.symbol, left,
            CancelReason.SELF_TRADE,
        )  # fmt: skip
    else:
        emit_quote(venue, market, taker, cause)
    return True


def trade_with_best(
    venue: Venue,
    market: Market,
    taker: Account,
    order_id: int,
    sign: int,
    most: int,
    left: int,
    cause: Cause | None,
    liquidation: bool = False,
    at: int | None = None,
) -> tuple[int, int, Cause]:
    """One fill of at most `most` lots with the first order of the other side, of a taker with `left` lots open; at the
    maker's price, or `at` that of a call auction.

    Returns lots, price in ticks and the trade's event. A liquidation pays no fee, its surplus is the fund's; no
    rebate is paid out of nothing.
    """
    instrument = market.instrument
    symbol = instrument.symbol
    resting = market.book.opposite(sign)
    if market.reducing and (first := resting.first()).reduce_only:
        most = min(most, reducible(venue.accounts[first.account].positions[symbol], -sign))
    assert most, order_id  # or whoever fills would never come to an end
    order, lots = resting.take(most)
    price = order.price if at is None else at
    maker = venue.accounts[order.account]
    value = lots * price * market.tick_value
    maker_fee = div_ceil(value * instrument.maker_fee_ppm, MILLION)
    if liquidation:
        maker_fee = max(0, maker_fee)
    taker_fee = 0 if liquidation else div_ceil(value * instrument.taker_fee_ppm, MILLION)
    venue.fees += maker_fee + taker_fee
    if maker_fee < 0 and (obligation := venue.duties.get((maker.number, symbol))) is not None:
        obligation.rebates -= maker_fee
    venue.booked[symbol] = None
    settle(venue, market, maker, -sign * lots, price, maker_fee)
    settle(venue, market, taker, sign * lots, price, taker_fee, liquidation)
    maker_position, taker_position = maker.positions[symbol], taker.positions[symbol]
    _give(venue, market, maker, order, lots)
    market.last = price
    if market.turnover is not None:
        market.turnover.add(venue.now_us, value, liquidation)
    market.index_price.see_own(price, venue.now_us)
    side = BUY if sign > 0 else SELL
    out = venue.out
    events, n = out.events, len(out.events)
    traded = out.seq, n
    events.append(Traded(
        out.venue, out.seq, n, out.now_us, cause, symbol, price, lots, taker.number, order_id, side, left - lots,
        taker_fee, maker.number, order.order_id, order.size, maker_fee, liquidation,
    ))  # fmt: skip
    events.append(TradePrinted(
        out.venue, out.seq, n + 1, out.now_us, traded, symbol, price, lots, side, liquidation
    ))  # fmt: skip
    market.printed = maker.changed = taker.changed = traded
    if market.by_last.waiting:
        queue_reached(venue, market.by_last, price, traded)
    if maker_position.protection is not None and not order.client_id:
        count_fill(venue, maker_position, -sign * lots, traded)
    if maker_position.reducing and is_closed_by(maker_position, -sign * lots):
        cancel_spent(venue, maker, maker_position, traded)
    if taker_position.reducing and is_closed_by(taker_position, sign * lots):
        cancel_spent(venue, taker, taker_position, traded)
    return lots, price, traded


def take_lots(venue: Venue, market: Market, account: Account, sign: int, lots: int) -> None:
    """Fill the first order of a side as a taker, with so many lots, at least one and no more than it has."""
    order, _ = market.book.side(sign).take(lots)
    _give(venue, market, account, order, lots)


def _give(venue: Venue, market: Market, account: Account, order: Order, lots: int) -> None:
    """The book has taken lots off a resting order: what is open of it, and whether it is done."""
    position = account.positions[order.symbol]
    if order.reduce_only:
        if not order.size:
            count_out(market, position)
    elif order.sign > 0:
        position.buying -= lots
    else:
        position.selling -= lots
    if order.client_id and not order.size:
        finish(venue, account, order.client_id)


def settle(
    venue: Venue, market: Market, account: Account, lots: int, price: int, fee: int, liquidation: bool = False
) -> int:
    """Book one fill of signed lots, and a fee in micro-quote, to an account; returns the realised PnL.

    `liquidation`: it is the account's position that is being liquidated.
    """
    position = account.positions.get(market.instrument.symbol) or position_of(account, market)
    before = position.size
    venue.traded = True
    realised = fill(position, lots, price, market.tick_value)
    if not position.isolated:
        account.wallet += realised - fee
    elif liquidation:
        position.margin += realised - fee
    else:
        spare = spare_wallet(account, venue.markets)
        account.wallet += after_fill(position, market, before, price, realised - fee, spare)
    after = position.size
    if before > 0 < after:  # the same holders as before
        market.open_interest += lots
    elif not before < 0 > after:
        hold(market, position, before)
        if before >= 0 or after > 0:
            forget(position)
    if position.symbol not in venue.dirty.get(account.number, ()):
        venue.touch(account, position.symbol)
    return realised


def rest(venue: Venue, market: Market, account: Account, order: Order) -> None:
    """Put what is left of an order into the book."""
    (market.book.bids if order.sign > 0 else market.book.asks).rest(order)
    venue.booked[order.symbol] = None
    position = account.positions.get(order.symbol) or position_of(account, market)
    if order.reduce_only:
        count_in(market, position)
    elif order.sign > 0:
        position.buying += order.size
    else:
        position.selling += order.size


def shrink(venue: Venue, market: Market, account: Account, order: Order, size: int) -> None:
    """Lower a resting order to `size` lots, one at least; it keeps its place."""
    if size == order.size:
        return
    if not order.reduce_only:
        add_open(account.positions[order.symbol], order.sign, size - order.size)
    market.book.side(order.sign).shrink(order, size)
    venue.booked[order.symbol] = None


def emit_quote(venue: Venue, market: Market, account: Account, cause: Cause | None) -> None:
    """Say what rests of a maker's quote."""
    quote = account.positions[market.instrument.symbol].quote
    assert quote is not None, account.number
    quote.bids = [order for order in quote.bids if order.level is not None]
    quote.asks = [order for order in quote.asks if order.level is not None]
    venue.out.emit(
        QuoteAccepted, cause, account.number, market.instrument.symbol, quote.quote_id, _levels(quote.bids),
        _levels(quote.asks),
    )  # fmt: skip


def _levels(orders: list[Order]) -> tuple[Level, ...]:
    return tuple([(order.price, order.size) for order in orders])
