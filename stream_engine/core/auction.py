"""Call auction: how a paused symbol opens again, at one price for everybody.

Collected  while a symbol is paused orders and quotes rest at their own prices without trading, crossed or not; an order
           that would meet one of its own account is dealt with as it comes, by its self-trade rule. A post-only order
           may not cross what rests when it comes, and may be filled by what comes later.
Price      of all prices of the crossed orders, and the reference: most lots trade; then the least is left over at it;
           then, where all of these leave bids, the highest, where all leave offers, the lowest, else the one
           nearest to the reference; then the lower.
Counted    a reduce-only order with what its position has, less what orders of its account before it on that side count
           with: so nobody moves the price with lots that he cannot trade.
Fills      so many lots at that price, on either side the better limit first and then who came first. Of two orders
           the one with the lower id is the maker.
Again      what reduce-only orders and maker protection give up while it is filled may leave the book crossed: then
           another call follows at once, until it is not. After eight calls, the best bid and the best offer trade
           at the price of the elder, and so on: a call looks at all that crosses, this only at two.
Causes     Traded <- AuctionUncrossed; makers hear what rests of their quotes after the last fill.
Bound      every fill but the last of a call takes an order out of the book.
"""

from collections.abc import Iterable

from stream_engine.core.accounts import Account
from stream_engine.core.arithmetic import div_nearest
from stream_engine.core.market import Market
from stream_engine.core.matching import cancel_own, emit_quote, take_lots, trade_with_best
from stream_engine.core.order_book import BookSide, Level, Order, orders_of
from stream_engine.core.position import resting_levels
from stream_engine.core.protection import count_fill
from stream_engine.core.reduce_only import reducible
from stream_engine.core.venue import Venue
from stream_engine.messages.events import AuctionUncrossed, CancelReason, Cause
from stream_engine.messages.rules import SelfTrade

Levels = list[tuple[int, int]]

CALLS_AT_MOST = 8


def collect(
    venue: Venue, market: Market, account: Account, sign: int, limit: int, cause: Cause | None, rule: SelfTrade
) -> CancelReason | None:
    """An order comes into the call: its account's own orders that it crosses, best first, then the lower id. Returns
    why it may not rest, if it may not."""
    symbol = market.instrument.symbol
    position = account.positions.get(symbol)
    levels = resting_levels(position) if position is not None else []
    own = [order for order in account.orders.values() if order.symbol == symbol] + levels
    crossed = [order for order in own if order.sign == -sign and sign * order.price <= sign * limit]
    crossed.sort(key=lambda order: (sign * order.price, order.order_id))
    for order in crossed:
        if rule is not SelfTrade.CANCEL_TAKER:
            cancel_own(venue, market, account, order, cause)
        if rule is not SelfTrade.CANCEL_MAKER:
            return CancelReason.SELF_TRADE
    return None


def uncross(venue: Venue, market: Market, reference: int) -> int:
    """Hold the call; returns the price at which the symbol opens, 0 where nothing crossed."""
    step = market.instrument.price_step
    nearest = max(step, div_nearest(reference, step) * step)
    opened = calls = 0
    while market.book.is_crossed():
        if calls < CALLS_AT_MOST:
            bids = _levels(venue, market, market.book.bids, market.book.asks.best_key)
            asks = _levels(venue, market, market.book.asks, market.book.bids.best_key)
            price, lots, surplus = call_price(bids, asks, nearest)
        else:
            price, lots, surplus = _price_of_two(market.book.bids.first(), market.book.asks.first())
        calls += 1
        uncrossed = venue.out.emit(AuctionUncrossed, None, market.instrument.symbol, price, lots, surplus)
        _fill_at(venue, market, price, lots, uncrossed)
        opened = price
    return opened


def call_price(bids: Levels, asks: Levels, reference: int) -> tuple[int, int, int]:
    """Of crossed levels (price, lots): the price, the lots that trade at it, the surplus of bids (+) or offers (-)."""
    lowest, highest = min(price for price, _ in asks), max(price for price, _ in bids)
    prices = {price for price, _ in bids + asks}
    candidates = sorted(price for price in {*prices, reference} if lowest <= price <= highest)
    offered = _up_to(candidates, asks)
    wanted = [sum(lots for _, lots in bids) - below for below in _below(candidates, bids)]
    figures = list(zip(candidates, wanted, offered, strict=True))
    most = max(min(bid, ask) for _, bid, ask in figures)
    least = min(abs(bid - ask) for _, bid, ask in figures if min(bid, ask) == most)
    best = [(price, bid - ask) for price, bid, ask in figures if min(bid, ask) == most and abs(bid - ask) == least]
    if all(surplus > 0 for _, surplus in best):
        price, surplus = best[-1]
    elif all(surplus < 0 for _, surplus in best):
        price, surplus = best[0]
    else:
        price, surplus = min(best, key=lambda one: (abs(one[0] - reference), one[0]))
    return price, most, surplus


def _up_to(candidates: list[int], levels: Levels) -> list[int]:
    """For each candidate the lots priced at or below it."""
    sums, done, place = [], 0, 0
    rising = sorted(levels)
    for candidate in candidates:
        while place < len(rising) and rising[place][0] <= candidate:
            done += rising[place][1]
            place += 1
        sums.append(done)
    return sums


def _below(candidates: list[int], levels: Levels) -> list[int]:
    """For each candidate the lots priced below it."""
    return _up_to([candidate - 1 for candidate in candidates], levels)


def _levels(venue: Venue, market: Market, side: BookSide, other_best_key: int) -> Levels:
    """The levels that cross the best of the other side, with what counts of them."""
    levels: Levels = []
    counted: dict[int, int] = {}
    for level in side.best_first():
        if side.key(level.price) > -other_best_key:
            break
        lots = _countable(venue, level, counted) if market.reducing else level.size
        levels.append((level.price, lots))
    return levels


def _countable(venue: Venue, level: Level, counted: dict[int, int]) -> int:
    """Lots of a level, reduce-only orders as far as they go; `counted` are the accounts' lots on the side so far."""
    total = 0
    for order in orders_of(level):
        lots, before = order.size, counted.get(order.account, 0)
        if order.reduce_only:
            position = venue.accounts[order.account].positions[order.symbol]
            lots = min(lots, max(0, reducible(position, order.sign) - before))
        counted[order.account] = before + lots
        total += lots
    return total


def _price_of_two(bid: Order, ask: Order) -> tuple[int, int, int]:
    elder = bid if bid.order_id < ask.order_id else ask
    return elder.price, min(bid.size, ask.size), 0


def _fill_at(venue: Venue, market: Market, price: int, lots: int, uncrossed: Cause) -> None:
    book, symbol = market.book, market.instrument.symbol
    quoted: dict[int, None] = {}
    while lots and book.bids.best_key <= -price and book.asks.best_key <= price:
        bid, ask = book.bids.first(), book.asks.first()
        maker, taker = (bid, ask) if bid.order_id < ask.order_id else (ask, bid)
        owner = venue.accounts[taker.account]
        left = taker.size
        most = min(lots, left, maker.size)
        for order in (maker, taker):
            if order.reduce_only:
                most = min(most, reducible(venue.accounts[order.account].positions[symbol], order.sign))
        lots -= most
        take_lots(venue, market, owner, taker.sign, most)
        _, _, traded = trade_with_best(
            venue, market, owner, taker.order_id, taker.sign, most, left, uncrossed, at=price
        )
        position = owner.positions[symbol]
        if position.protection is not None and not taker.client_id:
            count_fill(venue, position, taker.sign * most, traded)
        quoted.update(dict.fromkeys(_quoters((maker.client_id, maker.account), (taker.client_id, taker.account))))
    for number in quoted:
        emit_quote(venue, market, venue.accounts[number], uncrossed)


def _quoters(*orders: tuple[str, int]) -> Iterable[int]:
    return [account for client_id, account in orders if not client_id]
