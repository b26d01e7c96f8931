"""Quotes: a maker's two-sided ladder, replaced as one input.

Replaced  levels that are gone leave the book first; a level that stands as before, or smaller, keeps its place in
          the queue; what is new comes behind. A level that crosses takes, the rest of it rests; where the venue's
          self-trade rule stops it, what is left of the level is gone, as `QuoteAccepted` shows.
Refused   as a whole, in the order of the `Reject` enum; the former quote then stands.
"""

from itertools import pairwise

from stream_engine.core.accounts import Account, is_marked
from stream_engine.core.arithmetic import div_ceil
from stream_engine.core.auction import collect
from stream_engine.core.cancelling import take_off_book
from stream_engine.core.circuit_breaker import is_out_of_band, stopped
from stream_engine.core.expiry import is_past, note_quote
from stream_engine.core.market import Market, is_paused
from stream_engine.core.matching import emit_quote, match, rest, shrink
from stream_engine.core.order_book import Order
from stream_engine.core.order_entry import exposure_refusal, price_refusal
from stream_engine.core.position import Position, RestingQuote
from stream_engine.core.protection import is_frozen
from stream_engine.core.venue import Venue, position_of
from stream_engine.messages.events import QuoteRejected
from stream_engine.messages.inputs import Level, MassQuote
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import MILLION


def mass_quote(venue: Venue, received: MassQuote) -> None:
    """Take a maker's quote, or say why not."""
    account = venue.accounts.get(received.account)
    market = venue.markets.get(received.symbol)
    if received.expires_us is not None and is_past(venue, received):
        venue.out.emit(QuoteRejected, None, received.account, received.symbol, received.quote_id, Reject.EXPIRED)
        return
    if account is None or market is None:
        reason: Reject | None = Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_SYMBOL
    else:
        reason = _refusal(venue, account, market, received)
    if account is None or market is None or reason is not None:
        assert reason is not None
        venue.out.emit(QuoteRejected, None, received.account, received.symbol, received.quote_id, reason)
        return
    position = position_of(account, market)
    if position.quote is None:
        position.quote = RestingQuote(received.quote_id, [], [])
    quote = position.quote
    quote.quote_id = received.quote_id
    kept_bids = _keep(venue, market, account, quote.bids, received.bids)
    kept_asks = _keep(venue, market, account, quote.asks, received.asks)
    quote.bids = _lay(venue, market, account, 1, received.bids, kept_bids)
    quote.asks = _lay(venue, market, account, -1, received.asks, kept_asks)
    if received.expires_us is not None:
        note_quote(venue, received)
    emit_quote(venue, market, account, None)


def _keep(
    venue: Venue, market: Market, account: Account, standing: list[Order], wanted: tuple[Level, ...]
) -> dict[int, Order]:
    sizes = dict(wanted)
    kept = {}
    for order in standing:
        if order.level is None:
            continue
        size = sizes.get(order.price, 0)
        if size < order.size:
            if not size:
                take_off_book(venue, market, account, order)
                continue
            shrink(venue, market, account, order, size)
        elif size > order.size:
            take_off_book(venue, market, account, order)
            continue
        kept[order.price] = order
    return kept


def _lay(
    venue: Venue, market: Market, account: Account, sign: int, wanted: tuple[Level, ...], kept: dict[int, Order]
) -> list[Order]:
    levels = []
    opposite, band = market.book.opposite(sign), market.band
    for price, size in wanted:
        order = kept.get(price)
        if order is None:
            order = Order(venue.next_order_id(), account.number, "", market.instrument.symbol, sign, price, size)
            limit = price if band is None else band.cut(sign, price)
            if opposite.best_key <= sign * limit:
                rule, reason = venue.rules.orders.self_trade, None
                if band is not None and is_paused(market):
                    reason = collect(venue, market, account, sign, limit, None, rule)
                else:
                    order.size, reason = match(
                        venue, market, account, order.order_id, sign, size, sign * limit, None, rule
                    )
                if reason is not None:
                    continue
            if not order.size:
                continue
            if band is not None:
                stopped(venue, market, band, sign, limit, None)
                if limit != price:
                    continue
            rest(venue, market, account, order)
        levels.append(order)
    return levels


def _refusal(venue: Venue, account: Account, market: Market, received: MassQuote) -> Reject | None:
    position = account.positions.get(received.symbol)
    quote = position.quote if position is not None else None
    if quote is not None and received.quote_id <= quote.quote_id:
        return Reject.QUOTE_ID_NOT_NEWER
    if position is not None and position.protection is not None and is_frozen(position, venue.now_us):
        return Reject.PROTECTED
    reason = _ladder_refusal(market, received.bids, received.asks, venue.rules.breakers.price_band_ppm)
    if reason is not None:
        return reason
    if received.bids and received.asks and received.bids[0][0] >= received.asks[0][0]:
        return Reject.QUOTE_CROSSES_ITSELF
    if not market.mark or not is_marked(account, venue.markets):
        return Reject.NO_MARK_PRICE
    mark = market.mark
    bought = sold = loss = taking = 0
    for price, size in received.bids:
        bought += size
        if price > mark:
            loss += (price - mark) * size
        if market.book.asks.best_key <= price:
            taking += price * size
    for price, size in received.asks:
        sold += size
        if price < mark:
            loss += (mark - price) * size
        if market.book.bids.best_key <= -price:
            taking += price * size
    fee = div_ceil(taking * market.tick_value * max(0, market.instrument.taker_fee_ppm), MILLION)
    held, buying, selling = _without_quote(position, quote)
    at_once = loss * market.tick_value + fee
    return exposure_refusal(venue, account, market, position, held, buying + bought, selling + sold, at_once, quote)


def _ladder_refusal(market: Market, bids: tuple[Level, ...], asks: tuple[Level, ...], band_ppm: int) -> Reject | None:
    most, step, highest = market.instrument.max_size, market.instrument.price_step, market.instrument.max_price
    for price, size in bids + asks:
        if not 0 < size <= most or not 0 < price <= highest or price % step:
            return _level_refusal(market, bids + asks)
    sides = ((bids, -1), (asks, 1))
    if band_ppm and any(
        is_out_of_band(market, -direction, price, band_ppm) for ladder, direction in sides for price, _ in ladder
    ):
        return Reject.PRICE_OUT_OF_BAND
    for ladder, direction in sides:
        if any(direction * worse <= direction * better for (better, _), (worse, _) in pairwise(ladder)):
            return Reject.LEVELS_NOT_SORTED
    return None


def _level_refusal(market: Market, levels: tuple[Level, ...]) -> Reject:
    """Of levels with something wrong: the first reason of all that hold, in the order of the enum."""
    if any(size <= 0 for _, size in levels):
        return Reject.SIZE_NOT_POSITIVE
    if any(size > market.instrument.max_size for _, size in levels):
        return Reject.SIZE_TOO_LARGE
    reasons = {price_refusal(market, price) for price, _ in levels}
    return next(reason for reason in Reject if reason in reasons)


def _without_quote(position: Position | None, quote: RestingQuote | None) -> tuple[int, int, int]:
    if position is None:
        return 0, 0, 0
    buying, selling = position.buying, position.selling
    if quote is not None:
        buying -= sum(order.size for order in quote.bids if order.level is not None)
        selling -= sum(order.size for order in quote.asks if order.level is not None)
    return position.size, buying, selling
