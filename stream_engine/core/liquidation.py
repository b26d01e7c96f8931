"""Liquidation: what happens to the positions their owner can no longer carry.

Trigger   equity < maintenance margin, both at the mark price.
Steps     1 cancel all its orders; then for each position, the one with most maintenance first, as a whole:
          2 IOC into the book limited at the bankruptcy price, what it fills better goes to the fund
          3 the fund covers: the order trades on beyond the bankruptcy price, the fund pays each difference, as far
            as its balance and its limits go
          4 ADL, and what even that leaves at the fund's or the deficit's cost (deleveraging).
Holds     every lot leaving one account enters another; the account ends with no position and nothing in its wallet
          (what rounding left is the fund's).
Order     equal maintenance: by symbol. The fund's allowance is what it has after step 2.
Causes    Started <- the newest of the held symbols' marks and the account's own last fill; Filled <- Traded <- Started;
          DeleveragingStarted <- Started; Ended <- Started; DUST and DEBT <- the last Ended.
Bound     each position is closed once; a step of 2 and 3 takes a resting order.
"""

from stream_engine.core.accounts import Account, Standing, credit, standing_behind
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.cancelling import cancel_orders, cancel_quotes
from stream_engine.core.deleveraging import deleverage
from stream_engine.core.insurance_fund import InsuranceFund, fund_flow
from stream_engine.core.margin import bankruptcy_price, maintenance_margin
from stream_engine.core.market import Market
from stream_engine.core.matching import side_of, trade_with_best
from stream_engine.core.position import Position, notional
from stream_engine.core.venue import Venue
from stream_engine.messages.events import (
    CancelReason,
    Cause,
    FundReason,
    LiquidationEnded,
    LiquidationFilled,
    LiquidationStarted,
)
from stream_engine.messages.units import MILLION


def liquidate(venue: Venue, account: Account) -> None:
    """Close everything an account has, or write off the debt of one that has nothing left."""
    trigger = _trigger(venue, account)
    live = [position for position in account.positions.values() if position.size]
    live.sort(key=lambda position: (-_maintenance(venue, position), position.symbol))
    last, pool = trigger, venue.fund
    if not live:
        _cancel_everything(venue, account, trigger)
    for number, position in enumerate(live):
        figures = standing_behind(account, position, venue.markets)
        last = _close(venue, account, position, figures, trigger, first=number == 0)
        pool = venue.pool_behind(venue.markets[position.symbol])
    if account.wallet > 0 and live:
        change, account.wallet = account.wallet, 0
        pool.change(venue.out, last, change, FundReason.DUST, account.number, None)
    elif account.wallet < 0:
        _write_off(venue, pool, account, last)
    venue.touch(account)


def _close(
    venue: Venue, account: Account, position: Position, figures: Standing, trigger: Cause | None, first: bool
) -> Cause:
    market = venue.markets[position.symbol]
    weight = _maintenance(venue, position)
    price = bankruptcy_price(position.size, market.mark, figures.equity, weight, figures.maintenance, market.tick_value)
    price = max(1, min(market.instrument.max_price, price))  # what no price can make good is left as a debt
    size = position.size
    started = venue.out.emit(
        LiquidationStarted, trigger, account.number, position.symbol, size, market.mark, price, figures.equity,
        figures.maintenance,
    )  # fmt: skip
    if first:
        _cancel_everything(venue, account, started)
    book = _into_book(venue, market, account, size, price, started)
    fund = _at_the_funds_cost(venue, market, account, position.size, price, started)
    left = abs(position.size)
    adl, deficit = deleverage(venue, market, account, position, price, started) if left else (0, 0)
    assert position.size == 0 and left == adl + deficit, (account.number, position.symbol)
    return venue.out.emit(
        LiquidationEnded, started, account.number, position.symbol, book, fund, adl, deficit, price, account.wallet
    )


def _cancel_everything(venue: Venue, account: Account, cause: Cause | None) -> None:
    cancel_quotes(venue, account, None, CancelReason.LIQUIDATION, cause)
    cancel_orders(venue, account, None, CancelReason.LIQUIDATION, cause)


def _into_book(venue: Venue, market: Market, account: Account, size: int, bankruptcy: int, started: Cause) -> int:
    sign = -1 if size > 0 else 1
    resting = market.book.opposite(sign)
    order_id = venue.next_order_id()
    done = 0
    while done < abs(size) and resting.best_key <= sign * bankruptcy:
        left = abs(size) - done
        lots, price, traded = trade_with_best(
            venue, market, account, order_id, sign, left, left, started, liquidation=True
        )
        done += lots
        _settle_with_fund(venue, market, account, size, lots, price, bankruptcy, traded)
    return done


def _at_the_funds_cost(
    venue: Venue, market: Market, account: Account, size: int, bankruptcy: int, started: Cause
) -> int:
    sign = -1 if size > 0 else 1
    resting = market.book.opposite(sign)
    order_id = venue.next_order_id() if size else 0
    allowance = venue.pool_behind(market).allowance(venue.rules.fund_draw_ppm)
    reach = div_floor(max(0, bankruptcy) * venue.rules.cover_bound_ppm, MILLION)
    done = 0
    while done < abs(size) and resting.best_key <= sign * (bankruptcy + sign * reach):
        left = abs(size) - done
        cost_per_lot = -fund_flow(size, 1, resting.first().price, bankruptcy, market.tick_value)
        affordable = min(left, div_floor(allowance, cost_per_lot))
        if not affordable:
            break
        lots, price, traded = trade_with_best(
            venue, market, account, order_id, sign, affordable, left, started, liquidation=True
        )
        done += lots
        allowance -= lots * cost_per_lot
        _settle_with_fund(venue, market, account, size, lots, price, bankruptcy, traded)
    return done


def _settle_with_fund(
    venue: Venue, market: Market, account: Account, size: int, lots: int, price: int, bankruptcy: int, traded: Cause
) -> None:
    flow = fund_flow(size, lots, price, bankruptcy, market.tick_value)
    symbol = market.instrument.symbol
    credit(account, account.positions[symbol], -flow)
    filled = venue.out.emit(
        LiquidationFilled, traded, account.number, symbol, side_of(-size), lots, price, bankruptcy, flow
    )
    reason = FundReason.SURPLUS if flow > 0 else FundReason.COVER
    venue.pool_behind(market).change(venue.out, filled, flow, reason, account.number, symbol)


def _write_off(venue: Venue, pool: InsuranceFund, account: Account, cause: Cause | None) -> None:
    debt, account.wallet = -account.wallet, 0
    pool.make_good(venue.out, cause, debt, FundReason.DEBT, account.number, None)


def _trigger(venue: Venue, account: Account) -> Cause | None:
    # The newest of what could have done it: a mark of one of its symbols, or its own last fill.
    causes = [venue.markets[symbol].moved for symbol, held in account.positions.items() if held.size]
    known = [cause for cause in (*causes, account.changed) if cause is not None]
    return max(known, default=None)


def _maintenance(venue: Venue, position: Position) -> int:
    market = venue.markets[position.symbol]
    return maintenance_margin(notional(position, market.mark, market.tick_value), market.table)
