"""Inheritance: what a pool of the insurance fund, or a backstop vault, has taken over, and how it gets rid of it.

Takes     with TAKE_OVER: what the book leaves of a liquidated position, at its bankruptcy price, into the pool's house
          account: first what closes a position of its own, then as much as keeps all that it holds, at the mark,
          within `position_limit_ppm` of its worth; never so much that it would be worth less than nothing. Not while
          the drawdown trigger is on. The rest is deleveraged.
Unwinds   at each clock tick `unwind_ppm` of the largest size of each position (a lot at least), by an order of the
          venue that goes no further than `unwind_within_ppm` from the mark, costs no fee, and stops where the pool
          would be worth less than nothing. Not while trading is halted, nor liquidations of the symbol wait.
Ends      a pool worth less than nothing is closed in the same input, all that it holds on every symbol: each position
          deleveraged at the bankruptcy price of the whole, so that exactly nothing is left. (On 10 October 2025 one
          coin's winners were closed so for another coin's loss.)
Money     what a fill realises is the balance's; where it would fall below zero, what other positions have gained is
          counted in first (their cost moves, nobody pays), and what even that leaves is the deficit's.
Holds     no balance below zero; a house account has no orders, needs no margin and is not watched; it may be
          deleveraged as anybody.
Order     pools as their accounts were opened, positions as they were first taken; at the end most maintenance first.
Bound     a fill takes a resting order; a position is closed once.
"""

from stream_engine.core.accounts import Account, maintenance_of, standing
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.deleveraging import deleverage
from stream_engine.core.drawdown import worth_of
from stream_engine.core.insurance_fund import InsuranceFund, fund_flow
from stream_engine.core.margin import bankruptcy_price
from stream_engine.core.market import Market
from stream_engine.core.matching import settle, trade_with_best
from stream_engine.core.position import Position, notional
from stream_engine.core.venue import Venue, balance_of_house
from stream_engine.messages.events import (
    AccountsOpened,
    Cause,
    FundReason,
    LiquidationEnded,
    LiquidationStarted,
    PositionTakenOver,
)
from stream_engine.messages.rules import FundPolicy, FundRules
from stream_engine.messages.units import MILLION


def complaint(rules: FundRules) -> str | None:
    """What contradicts itself in the rules of the take-over, if anything."""
    if rules.policy is FundPolicy.TAKE_OVER and not rules.unwind_ppm:
        return "unwind_ppm: a fund that takes over and never unwinds"
    return None


def open_house(venue: Venue, pool: InsuranceFund, cause: Cause) -> Account:
    """The pool's house account, opened if this is the first that it takes."""
    house = pool.house
    if house.number not in venue.houses:
        venue.accounts[house.number] = house
        venue.houses[house.number] = pool
        venue.out.emit(AccountsOpened, cause, ((house.number, house.participant),))
    return house


def take_over(
    venue: Venue, market: Market, account: Account, position: Position, bankruptcy: int, started: Cause
) -> int:
    """Let the pool behind the symbol take as much of a position as it may; returns the lots."""
    pool = venue.pool_behind(market)
    lots = 0 if pool.is_down else _takeable(venue, market, pool, position, bankruptcy)
    if not lots:
        return 0
    house = open_house(venue, pool, started)
    change = lots if position.size > 0 else -lots
    settle(venue, market, account, -change, bankruptcy, 0, liquidation=True)
    settle(venue, market, house, change, bankruptcy, 0)
    symbol = position.symbol
    taken = venue.out.emit(
        PositionTakenOver, started, account.number, house.number, symbol, change, bankruptcy,
        house.positions[symbol].size, pool.name,
    )  # fmt: skip
    account.changed = house.changed = taken
    note_inherited(pool, house.positions[symbol])
    balance_of_house(venue, pool, taken, symbol)
    return lots


def note_inherited(pool: InsuranceFund, position: Position) -> None:
    """Something was taken: remember the largest size of the position, of which a share is unwound at a time."""
    pool.inherited[position.symbol] = max(abs(position.size), pool.inherited.get(position.symbol, 0))


def count(venue: Venue) -> None:
    """At a clock tick, after funding: what the pools paid or received for what they hold is their balance."""
    for pool in venue.houses.values():
        balance_of_house(venue, pool, None, None)


def unwind(venue: Venue) -> None:
    """At a clock tick: sell and buy back a part of what the pools hold."""
    for pool in venue.houses.values():
        is_vault = pool.name in venue.rules.backstop.vaults
        rules = venue.rules.backstop if is_vault else venue.rules.fund
        for position in [held for held in pool.house.positions.values() if held.size]:
            market = venue.markets[position.symbol]
            if not market.waits:
                share = div_floor(pool.inherited[position.symbol] * rules.unwind_ppm, MILLION)
                reach = div_floor(market.mark * rules.unwind_within_ppm, MILLION)
                _unwind(venue, market, pool, position, min(abs(position.size), max(1, share)), reach)


def close_bankrupt(venue: Venue) -> bool:
    """Close every pool that is worth less than nothing; says whether there was one."""
    bankrupt = [pool for pool in venue.houses.values() if worth_of(venue, pool) < 0]
    for pool in bankrupt:
        _close(venue, pool)
    return bool(bankrupt)


def _takeable(venue: Venue, market: Market, pool: InsuranceFund, position: Position, bankruptcy: int) -> int:
    house, worth = pool.house, worth_of(venue, pool)
    own = house.positions.get(position.symbol)
    held = own.size if own is not None else 0
    value_per_lot = market.mark * market.tick_value
    closing = min(abs(position.size), abs(held)) if held * position.size < 0 else 0
    inherited = sum(
        notional(other, venue.markets[other.symbol].mark, venue.markets[other.symbol].tick_value)
        for other in house.positions.values()
    )
    limit = div_floor(worth * venue.rules.fund.position_limit_ppm, MILLION)
    room = max(0, div_floor(limit - inherited + closing * value_per_lot, value_per_lot))
    loss_per_lot = fund_flow(position.size, 1, bankruptcy, market.mark, market.tick_value)
    lots = min(abs(position.size), closing + room)
    return min(lots, div_floor(max(0, worth), loss_per_lot)) if loss_per_lot > 0 else lots


def _unwind(venue: Venue, market: Market, pool: InsuranceFund, position: Position, lots: int, reach: int) -> None:
    house = pool.house
    sign = -1 if position.size > 0 else 1
    limit = market.mark + sign * reach
    if market.band is not None:
        limit = market.band.cut(sign, limit)
    resting = market.book.opposite(sign)
    order_id = venue.next_order_id()
    done = 0
    while done < lots and resting.best_key <= sign * limit:
        left = lots - done
        loss_per_lot = fund_flow(sign, 1, resting.first().price, market.mark, market.tick_value)
        most = min(left, div_floor(max(0, worth_of(venue, pool)), loss_per_lot)) if loss_per_lot > 0 else left
        if not most:
            break
        filled, _, traded = trade_with_best(venue, market, house, order_id, sign, most, left, None, liquidation=True)
        done += filled
        balance_of_house(venue, pool, traded, position.symbol)


def _close(venue: Venue, pool: InsuranceFund) -> None:
    """The house account becomes an estate with the pool's money, and is closed as any; a new one takes its place."""
    estate = pool.house
    house = Account(estate.number, estate.participant)
    money = estate.wallet
    live = [position for position in estate.positions.values() if position.size]
    live.sort(key=lambda position: (-maintenance_of(position, venue.markets[position.symbol]), position.symbol))
    last = max((moved for held in live if (moved := venue.markets[held.symbol].moved) is not None), default=None)
    pool.house, pool.inherited = house, {}
    pool.tell(venue.out, last, FundReason.UNWOUND, house.number, None)
    estate.wallet = money
    trigger = last
    for position in live:
        market, figures = venue.markets[position.symbol], standing(estate, venue.markets)
        weight, size = maintenance_of(position, market), position.size
        price = bankruptcy_price(size, market.mark, figures.equity, weight, figures.maintenance, market.tick_value)
        price = max(1, min(market.instrument.max_price, price))
        started = venue.out.emit(
            LiquidationStarted, trigger, estate.number, position.symbol, size, market.mark, price, figures.equity,
            figures.maintenance,
        )  # fmt: skip
        adl, deficit = deleverage(venue, market, estate, position, price, started)
        last = venue.out.emit(
            LiquidationEnded, started, estate.number, position.symbol, 0, 0, adl, deficit, price, estate.wallet
        )
    venue.accounts[house.number] = house
    if estate.wallet < 0:
        pool.deficit.run(venue.out, last, -estate.wallet, house.number, None)
    else:
        pool.change(venue.out, last, estate.wallet, FundReason.DUST, house.number, None)
