"""Matching: a taker meets the best resting orders, and both sides are settled.

Price     the maker's, always. First the better price, then who came first.
Own       an order never trades with its own account: the resting one is cancelled, the taker goes on.
Settled   each fill moves cost and realised PnL of both accounts and their fees; see `position.fill`.
Rounding  fees paid go up, rebates go down.
Protected a fill may be the one after which the maker's whole quote goes (protection): the taker finds the next order.
Bound     every step fills the taker or takes a resting order away.
"""

from stream_engine.core.accounts import Account
from stream_engine.core.arithmetic import div_ceil
from stream_engine.core.cancelling import finish, take_off_book
from stream_engine.core.margin_watch import forget
from stream_engine.core.market import Market, hold
from stream_engine.core.order_book import Order
from stream_engine.core.position import add_open, fill
from stream_engine.core.protection import count_fill
from stream_engine.core.venue import Venue, position_of
from stream_engine.messages.events import CancelReason, Cause, OrderCancelled, QuoteAccepted, Traded, TradePrinted
from stream_engine.messages.inputs import Level, Side
from stream_engine.messages.units import MILLION

BUY, SELL = Side.BUY, Side.SELL  # looked up once: they are asked for with every fill


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
) -> int:
    """Fill up to `size` lots of a taker, no worse than the limit; returns the lots left."""
    resting = market.book.opposite(sign)
    left = size
    while left and resting.best_key <= limit_key:
        if not cancel_own(venue, market, taker, resting.first(), cause):
            left -= trade_with_best(venue, market, taker, order_id, sign, left, left, cause)[0]
    return left


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
) -> tuple[int, int, Cause]:
    """One fill of at most `most` lots with the first order of the other side, of a taker with `left` lots open.

    Returns lots, price in ticks and the trade's event. A liquidation pays no fee, its surplus is the fund's; no
    rebate is paid out of nothing.
    """
    order, lots = market.book.opposite(sign).take(most)
    price = order.price
    maker = venue.accounts[order.account]
    instrument = market.instrument
    symbol = instrument.symbol
    value = lots * price * market.tick_value
    maker_fee = div_ceil(value * instrument.maker_fee_ppm, MILLION)
    if liquidation:
        maker_fee = max(0, maker_fee)
    taker_fee = 0 if liquidation else div_ceil(value * instrument.taker_fee_ppm, MILLION)
    venue.fees += maker_fee + taker_fee
    venue.booked[symbol] = None
    settle(venue, market, maker, -sign * lots, price, maker_fee)
    settle(venue, market, taker, sign * lots, price, taker_fee)
    stake = maker.positions[symbol]
    add_open(stake, -sign, -lots)
    if order.client_id and not order.size:
        finish(venue, maker, order.client_id)
    market.last = price
    market.index_price.see_own(price, venue.now_us)
    side = BUY if sign > 0 else SELL
    traded = venue.out.emit(
        Traded, cause, symbol, price, lots, taker.number, order_id, side, left - lots, taker_fee, maker.number,
        order.order_id, order.size, maker_fee, liquidation,
    )  # fmt: skip
    venue.out.emit(TradePrinted, traded, symbol, price, lots, side, liquidation)
    market.printed = maker.changed = taker.changed = traded
    if stake.protection is not None and not order.client_id:
        count_fill(venue, stake, -sign * lots, traded)
    return lots, price, traded


def settle(venue: Venue, market: Market, account: Account, lots: int, price: int, fee: int) -> int:
    """Book one fill of signed lots, and a fee in micro-quote, to an account; returns the realised PnL."""
    position = position_of(account, market)
    before = position.size
    venue.traded = True
    realised = fill(position, lots, price, market.tick_value)
    account.wallet += realised - fee
    hold(market, position, before)
    if (before > 0) != (position.size > 0) or not before:
        forget(position)
    venue.touch(account, position.symbol)
    return realised


def rest(venue: Venue, market: Market, account: Account, order: Order) -> None:
    """Put what is left of an order into the book."""
    book, sign = market.book, order.sign
    (book.bids if sign > 0 else book.asks).rest(order)
    venue.booked[order.symbol] = None
    add_open(position_of(account, market), sign, order.size)


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
