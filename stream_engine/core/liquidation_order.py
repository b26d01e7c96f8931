"""Liquidation order: the venue's own, closing a position or a part of it. How far it goes, whose each fill is.

Limit     BANKRUPTCY  the bankruptcy price.
          FILLABLE    dYdX v4: mark -/+ ABR * spread * MM_i / |q|, ABR = adjustment * (1 - equity / maintenance) between
                      0 and 1: the deeper the account is below maintenance, the farther (liquidations.go).
          MARKET      as far from the mark as a market order reaches.
Fills     no worse than the bankruptcy price: the owner's, but for what the liquidation fee gives the fund. Beyond it,
          and as far as the order goes: only where the fund COVERs; it pays each difference while its allowance lasts,
          one order in all.
Band      it goes no farther than the edge of the symbol's price band, and waits where that is what stopped it.
Rounding  a limit towards the mark: nobody is sold at a price that the formula does not reach.
Bound     each fill takes a resting order or ends the allowance.
"""

from msgspec import Struct

from stream_engine.core.accounts import Account, Standing, credit, maintenance_of
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.circuit_breaker import stopped
from stream_engine.core.drawdown import payable
from stream_engine.core.insurance_fund import fund_flow, to_fund
from stream_engine.core.margin import bankruptcy_price
from stream_engine.core.market import Market
from stream_engine.core.matching import side_of, trade_with_best
from stream_engine.core.obligations import call_tranche
from stream_engine.core.order_entry import market_limit
from stream_engine.core.position import Position
from stream_engine.core.venue import Venue
from stream_engine.messages.events import Cause, FundReason, LiquidationFilled
from stream_engine.messages.rules import FundPolicy, LiquidationLimit, LiquidationRules
from stream_engine.messages.units import MILLION


class LiquidationOrder(Struct):
    """It sells (or buys) `lots` of a position, up to `limit` as its owner's, up to `cover` at the fund's cost.

    sign           +1 buys, -1 sells.
    limit, cover   prices in ticks; `cover` is None where the fund does not pay.
    """

    venue: Venue
    market: Market
    account: Account
    sign: int
    lots: int
    bankruptcy: int
    limit: int
    cover: int | None


def liquidation_order(
    venue: Venue, account: Account, position: Position, lots: int, figures: Standing, with_fund: bool
) -> LiquidationOrder:
    """The order for so many lots of a position. `with_fund`: beyond the bankruptcy price as well, where the venue's
    limit ends there."""
    market = venue.markets[position.symbol]
    weight = maintenance_of(position, market)
    price = bankruptcy_price(position.size, market.mark, figures.equity, weight, figures.maintenance, market.tick_value)
    price = max(1, min(market.instrument.max_price, price))  # what no price can make good is left as a debt
    sign = -1 if position.size > 0 else 1
    rules = venue.rules
    is_bankruptcy = rules.liquidation.limit is LiquidationLimit.BANKRUPTCY
    limit = price if is_bankruptcy else _limit(rules.liquidation, market, position, figures, weight)
    cover = None
    if rules.fund.policy is FundPolicy.COVER and (with_fund or not is_bankruptcy):
        reach = div_floor(price * rules.cover_bound_ppm, MILLION)
        cover = price + sign * reach if is_bankruptcy else limit
    limit = sign * min(sign * limit, sign * price)
    if market.band is not None:
        limit = market.band.cut(sign, limit)
        cover = cover if cover is None else market.band.cut(sign, cover)
    return LiquidationOrder(venue, market, account, sign, lots, price, limit, cover)


def fillable_price(
    size: int, mark: int, figures: Standing, weight: int, rules: LiquidationRules, tick_value: int
) -> int:
    """dYdX v4's limit of a liquidation order, in ticks; `weight` is the position's own maintenance."""
    short_of = max(0, figures.maintenance - figures.equity) * rules.adjustment_ppm
    whole = figures.maintenance * MILLION
    spread = div_floor(min(short_of, whole) * weight * rules.spread_ppm, whole * MILLION * abs(size) * tick_value)
    return mark - spread if size > 0 else mark + spread


def can_fill(order: LiquidationOrder) -> bool:
    """Whether the book has anything for the order."""
    if order.market.book.opposite(order.sign).best_key <= order.sign * order.limit:
        return True
    return _affordable(order, order.lots, _allowance(order)) > 0


def fill_liquidation(order: LiquidationOrder, started: Cause) -> tuple[int, int]:
    """Send the order; returns the lots filled as the owner's, and those at the fund's cost."""
    book = _into_book(order, started)
    fund = _at_the_funds_cost(order, order.lots - book, started) if order.cover is not None else 0
    return book, fund


def has_to_wait(order: LiquidationOrder, left: int, started: Cause) -> bool:
    """Whether it is the price band alone that leaves so many lots of the order unfilled."""
    band, sign = order.market.band, order.sign
    if band is None or not left:
        return False
    reach = order.cover if order.cover is not None and _allowance(order) > 0 else order.limit
    if order.market.book.opposite(sign).best_key <= sign * reach:  # for these the fund has too little
        return False
    return stopped(order.venue, order.market, band, sign, reach, started)


def _limit(rules: LiquidationRules, market: Market, position: Position, figures: Standing, weight: int) -> int:
    if rules.limit is LiquidationLimit.MARKET:
        return market_limit(market, -1 if position.size > 0 else 1)
    price = fillable_price(position.size, market.mark, figures, weight, rules, market.tick_value)
    return max(1, min(market.instrument.max_price, price))


def _into_book(order: LiquidationOrder, started: Cause) -> int:
    venue, sign = order.venue, order.sign
    resting = order.market.book.opposite(sign)
    order_id = venue.next_order_id()
    done = 0
    while done < order.lots and resting.best_key <= sign * order.limit:
        left = order.lots - done
        lots, price, traded = trade_with_best(
            venue, order.market, order.account, order_id, sign, left, left, started, liquidation=True
        )
        done += lots
        _settle_with_fund(order, -sign, lots, price, traded)
    return done


def _at_the_funds_cost(order: LiquidationOrder, size: int, started: Cause) -> int:
    venue, sign = order.venue, order.sign
    order_id = venue.next_order_id() if size else 0
    allowance = _allowance(order)
    done = 0
    while True:
        left = size - done
        allowance += _from_the_makers(order, left, allowance, started)
        affordable = _affordable(order, left, allowance)
        if not affordable:
            break
        lots, price, traded = trade_with_best(
            venue, order.market, order.account, order_id, sign, affordable, left, started, liquidation=True
        )
        done += lots
        allowance += fund_flow(-sign, lots, price, order.bankruptcy, order.market.tick_value)
        _settle_with_fund(order, -sign, lots, price, traded)
    return done


def _allowance(order: LiquidationOrder) -> int:
    return payable(order.venue, order.venue.pool_behind(order.market))


def _affordable(order: LiquidationOrder, left: int, allowance: int) -> int:
    """Lots of the next fill that the fund can pay for, within what the order covers."""
    resting = order.market.book.opposite(order.sign)
    if order.cover is None or not left or resting.best_key > order.sign * order.cover:
        return 0
    cost_per_lot = -fund_flow(-order.sign, 1, resting.first().price, order.bankruptcy, order.market.tick_value)
    return min(left, div_floor(allowance, cost_per_lot))


def _from_the_makers(order: LiquidationOrder, left: int, allowance: int, started: Cause) -> int:
    """What makers that failed their duty pay into the pool for the next fill, where its allowance is too little."""
    venue, market = order.venue, order.market
    resting = market.book.opposite(order.sign)
    if not venue.duties or order.cover is None or not left or resting.best_key > order.sign * order.cover:
        return 0
    first = resting.first()
    lots = min(left, first.size)
    cost = -fund_flow(-order.sign, lots, first.price, order.bankruptcy, market.tick_value)
    pool = venue.pool_behind(market)
    return call_tranche(venue, pool, market.instrument.symbol, cost - allowance, started, order.account.number)


def _settle_with_fund(order: LiquidationOrder, size: int, lots: int, price: int, traded: Cause) -> None:
    venue, market, account = order.venue, order.market, order.account
    flow = fund_flow(size, lots, price, order.bankruptcy, market.tick_value)
    flow = to_fund(flow, lots * price * market.tick_value, market.instrument.liquidation_fee_ppm)
    symbol = market.instrument.symbol
    credit(account, account.positions[symbol], -flow)
    filled = venue.out.emit(
        LiquidationFilled, traded, account.number, symbol, side_of(-size), lots, price, order.bankruptcy, flow
    )
    reason = FundReason.SURPLUS if flow > 0 else FundReason.COVER
    venue.pool_behind(market).change(venue.out, filled, flow, reason, account.number, symbol)
