"""Liquidation: what happens to the positions their owner can no longer carry.

Trigger   equity < maintenance margin, both at the mark price.
Steps     1 cancel all its orders; then for each position, the one with most maintenance first, as a whole:
          2 IOC into the book limited at the bankruptcy price, what it fills better goes to the fund
          3 the fund covers: the order trades on beyond the bankruptcy price, the fund pays each difference, as far
            as its balance and its limits go
          4 ADL: the opposite side is closed at the bankruptcy price, by rank, nobody below zero
          5 the rest is closed at the mark against the opposite side by rank; the fund pays the difference to the
            bankruptcy price as far as it has anything, then the venue's deficit account.
Holds     every lot leaving one account enters another; the account ends with no position and nothing in its wallet
          (what rounding left is the fund's).
Order     equal maintenance: by symbol. The fund's allowance is what it has after step 2. The queue and its equities are
          made once per position, for 4 and 5; who is closed there loses its quotes, then its orders on the symbol.
Causes    Started <- the newest of the held symbols' marks and the account's own last fill; Filled <- Traded <- Started;
          DeleveragingStarted <- Started; PositionDeleveraged, SHORTFALL and deficit <- DeleveragingStarted; Ended <-
          Started; DUST and DEBT <- the last Ended.
Bound     each position is closed once; a step of 2 and 3 takes a resting order, of 4 and 5 an opposite position.
"""

from stream_engine.core.accounts import Account, Standing, standing
from stream_engine.core.adl import Candidate, closable, lights, queue, score_ppm
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.margin import bankruptcy_price, maintenance_margin
from stream_engine.core.market import Market
from stream_engine.core.matching import settle, side_of, trade_with_best
from stream_engine.core.order_entry import cancel_orders, cancel_quotes
from stream_engine.core.position import Position, notional
from stream_engine.core.venue import Venue
from stream_engine.messages.events import (
    CancelReason,
    Cause,
    DeleveragingStarted,
    FundReason,
    LiquidationEnded,
    LiquidationFilled,
    LiquidationStarted,
    PositionDeleveraged,
)
from stream_engine.messages.units import MILLION


def liquidate(venue: Venue, account: Account) -> None:
    """Close everything an account has, or write off the debt of one that has nothing left."""
    trigger = _trigger(venue, account)
    live = [position for position in account.positions.values() if position.size]
    live.sort(key=lambda position: (-_maintenance(venue, position), position.symbol))
    last = trigger
    if not live:
        _cancel_everything(venue, account, trigger)
    for number, position in enumerate(live):
        figures = standing(account, venue.markets)
        last = _close(venue, account, position, figures, trigger, first=number == 0)
    if account.wallet > 0 and live:
        change, account.wallet = account.wallet, 0
        venue.fund.change(venue.out, last, change, FundReason.DUST, account.number, None)
    elif account.wallet < 0:
        _write_off(venue, account, last)
    venue.touch(account)


def fund_flow(size: int, lots: int, price: int, bankruptcy: int, tick_value: int) -> int:
    """What a fill of a liquidation order brings the fund (+) or costs it (-), in micro-quote.

    dF = s * x * (p - BK): closing a long (size > 0) above its bankruptcy price leaves a surplus, a short below.
    """
    return (1 if size > 0 else -1) * lots * (price - bankruptcy) * tick_value


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
    adl = deficit = 0
    if left:
        ranked = queue(market, -1 if size > 0 else 1, venue.accounts, venue.markets)
        deleveraging = venue.out.emit(
            DeleveragingStarted, started, account.number, position.symbol, position.size, price, len(ranked)
        )
        adl = _deleverage(venue, market, account, position, price, ranked, deleveraging)
        deficit = _at_the_deficits_cost(venue, market, account, position, price, ranked, deleveraging)
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
    allowance = venue.fund.allowance(venue.rules.fund_draw_ppm)
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
    account.wallet -= flow
    symbol = market.instrument.symbol
    filled = venue.out.emit(
        LiquidationFilled, traded, account.number, symbol, side_of(-size), lots, price, bankruptcy, flow
    )
    reason = FundReason.SURPLUS if flow > 0 else FundReason.COVER
    venue.fund.change(venue.out, filled, flow, reason, account.number, symbol)


def _deleverage(
    venue: Venue,
    market: Market,
    account: Account,
    position: Position,
    bankruptcy: int,
    ranked: list[Candidate],
    cause: Cause,
) -> int:
    done = 0
    loss_per_lot = fund_flow(position.size, 1, bankruptcy, market.mark, market.tick_value)
    for rank, candidate in enumerate(ranked, 1):
        if not position.size:
            break
        lots = min(abs(position.size), closable(candidate, loss_per_lot))
        if lots:
            done += lots
            _close_against(venue, market, account, position, candidate, (rank, len(ranked)), lots, bankruptcy, cause)
    return done


def _at_the_deficits_cost(
    venue: Venue,
    market: Market,
    account: Account,
    position: Position,
    bankruptcy: int,
    ranked: list[Candidate],
    cause: Cause,
) -> int:
    done = 0
    for rank, candidate in enumerate(ranked, 1):
        if not position.size:
            break
        lots = min(abs(position.size), abs(candidate.position.size))
        if lots:
            done += lots
            loss = -fund_flow(position.size, lots, market.mark, bankruptcy, market.tick_value)
            _close_against(venue, market, account, position, candidate, (rank, len(ranked)), lots, market.mark, cause)
            account.wallet += loss
            _pay(venue, account, loss, FundReason.SHORTFALL, position.symbol, cause)
    return done


def _close_against(
    venue: Venue,
    market: Market,
    account: Account,
    position: Position,
    candidate: Candidate,
    rank_of: tuple[int, int],
    lots: int,
    price: int,
    cause: Cause,
) -> None:
    change = lots if candidate.position.size < 0 else -lots
    other = venue.accounts[candidate.account]
    settle(venue, market, account, -change, price, 0)
    realised = settle(venue, market, other, change, price, 0)
    deleveraged = venue.out.emit(
        PositionDeleveraged, cause, other.number, account.number, position.symbol, change, price,
        candidate.position.size, rank_of[0], score_ppm(candidate), lights(*rank_of), realised,
    )  # fmt: skip
    other.changed = account.changed = deleveraged
    cancel_quotes(venue, other, position.symbol, CancelReason.DELEVERAGED, deleveraged)
    cancel_orders(venue, other, position.symbol, CancelReason.DELEVERAGED, deleveraged)


def _write_off(venue: Venue, account: Account, cause: Cause | None) -> None:
    debt, account.wallet = -account.wallet, 0
    _pay(venue, account, debt, FundReason.DEBT, None, cause)


def _pay(
    venue: Venue, account: Account, loss: int, reason: FundReason, symbol: str | None, cause: Cause | None
) -> None:
    paid = min(loss, venue.fund.balance)
    venue.fund.change(venue.out, cause, -paid, reason, account.number, symbol)
    venue.fund.run_deficit(venue.out, cause, loss - paid, account.number, symbol)


def _trigger(venue: Venue, account: Account) -> Cause | None:
    # The newest of what could have done it: a mark of one of its symbols, or its own last fill.
    causes = [venue.markets[symbol].moved for symbol, held in account.positions.items() if held.size]
    known = [cause for cause in (*causes, account.changed) if cause is not None]
    return max(known, default=None)


def _maintenance(venue: Venue, position: Position) -> int:
    market = venue.markets[position.symbol]
    return maintenance_margin(notional(position, market.mark, market.tick_value), market.table)
