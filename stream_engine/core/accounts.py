"""Accounts: who owns what, and what stands behind it.

Cross equity = wallet + sum of unrealised PnL at the marks: an account carries its cross portfolio with one wallet. Each
isolated position stands beside it, with money of its own (isolated).
Before its symbol's first mark a (seeded) position counts at what it cost, and nobody who holds one is judged: neither
liquidated, nor let into more, nor paid out.
"""

from msgspec import Struct

from stream_engine.core.isolated import isolated_equity, reserve_of
from stream_engine.core.margin import initial_margin, maintenance_margin, worst_size
from stream_engine.core.market import Market
from stream_engine.core.order_book import Order
from stream_engine.core.position import Position, notional
from stream_engine.core.trigger_index import Waiting
from stream_engine.messages.events import Cause, OrderAccepted, OrderRejected
from stream_engine.messages.inputs import Place


class Answer(Struct, gc=False):
    """What an order was answered, kept for as long as a repeat may come."""

    place: Place
    event: OrderAccepted | OrderRejected


class Account(Struct, gc=False):
    """An account: its wallet in micro-quote, its positions and orders, and its standing in the margin watch.

    positions   by symbol, flat ones included while their orders or leverage matter.
    orders      resting orders by client id (quote levels are with the position).
    waiting     orders that wait for their trigger, by client id, as accepted.
    answers     by client id.
    slack       see margin_watch.       changed   the event that last changed it.
    whole_until_us   until then its positions are liquidated as a whole (LiquidationStep.SHARE).
    isolated    on so many symbols its margin is isolated.
    """

    number: int
    participant: str
    wallet: int = 0
    positions: dict[str, Position] = {}
    orders: dict[str, Order] = {}
    waiting: dict[str, Waiting] = {}
    answers: dict[str, Answer] = {}
    slack: int = 0
    changed: Cause | None = None
    whole_until_us: int = 0
    isolated: int = 0


class Standing(Struct, gc=False):
    """What is judged as one: its equity and its maintenance at the marks, in micro-quote."""

    equity: int
    maintenance: int


def standing(account: Account, markets: dict[str, Market]) -> Standing:
    """Equity and maintenance margin of the cross portfolio."""
    equity = account.wallet
    maintenance = 0
    for symbol, position in account.positions.items():
        if position.size and not position.isolated and (market := markets[symbol]).mark:
            value = position.size * market.mark * market.tick_value
            equity += value - position.cost
            maintenance += maintenance_margin(abs(value), market.table)
    return Standing(equity, maintenance)


def standing_behind(account: Account, position: Position, markets: dict[str, Market]) -> Standing:
    """Equity and maintenance margin of what is judged together with a position: the cross portfolio, or it alone."""
    if not position.isolated:
        return standing(account, markets)
    market = markets[position.symbol]
    return Standing(isolated_equity(position, market), maintenance_of(position, market))


def is_liquidatable(account: Account, markets: dict[str, Market]) -> bool:
    """Whether anything of the account is: its cross portfolio, or an isolated position."""
    if account.isolated:
        return has_cross_fallen(account, markets) or bool(fallen_alone(account, markets))
    figures = standing(account, markets)
    return figures.equity < figures.maintenance


def has_cross_fallen(account: Account, markets: dict[str, Market]) -> bool:
    """Equity below maintenance, strictly; without cross positions: a debt. Not before each symbol held has a mark."""
    figures = standing(account, markets)
    return figures.equity < figures.maintenance and all(markets[held.symbol].mark for held in cross_of(account))


def fallen_alone(account: Account, markets: dict[str, Market]) -> list[Position]:
    """The isolated positions below maintenance, and what a flat one owes, by symbol."""
    fallen = []
    for position in isolated_of(account):
        if markets[position.symbol].mark or not position.size:
            figures = standing_behind(account, position, markets)
            if figures.equity < figures.maintenance:
                fallen.append(position)
    return fallen


def isolate(account: Account, position: Position, isolated: bool) -> None:
    """Let a flat position stand alone from here on, or in the cross portfolio."""
    account.isolated += isolated - position.isolated
    position.isolated = isolated


def cross_of(account: Account) -> list[Position]:
    """The cross portfolio: positions that are not flat."""
    return [position for position in account.positions.values() if position.size and not position.isolated]


def isolated_of(account: Account) -> list[Position]:
    """The isolated positions, by symbol, flat ones included."""
    alone = [position for position in account.positions.values() if position.isolated]
    return sorted(alone, key=lambda position: position.symbol)


def equity_of(account: Account, markets: dict[str, Market]) -> int:
    """Wallet and unrealised PnL of the cross portfolio at the marks, in micro-quote."""
    equity = account.wallet
    for symbol, position in account.positions.items():
        if position.size and not position.isolated and (market := markets[symbol]).mark:
            equity += position.size * market.mark * market.tick_value - position.cost
    return equity


def shortfall(account: Account, markets: dict[str, Market]) -> int:
    """What an account owes beyond its money at the marks, in micro-quote: cross, and with each isolated position."""
    owed = max(0, -equity_of(account, markets))
    if account.isolated:
        alone = isolated_of(account)
        owed += sum(max(0, -isolated_equity(position, markets[position.symbol])) for position in alone)
    return owed


def equity_behind(account: Account, position: Position, markets: dict[str, Market]) -> int:
    """The equity that stands behind a position, in micro-quote: as far as that goes it may lose."""
    if position.isolated:
        return isolated_equity(position, markets[position.symbol])
    return equity_of(account, markets)


def collateral_behind(account: Account, position: Position) -> int:
    """The money that stands behind a position, without unrealised PnL: the wallet, or its own margin."""
    return position.margin if position.isolated else account.wallet


def credit(account: Account, position: Position, micro_quote: int) -> None:
    """Book a profit (+) or a loss (-) to what stands behind a position."""
    if position.isolated:
        position.margin += micro_quote
    else:
        account.wallet += micro_quote


def free_margin(account: Account, markets: dict[str, Market], besides: str | None = None) -> int:
    """Cross equity less the initial margin of its positions and open orders (not those on `besides`), and less what
    the orders of isolated positions can draw, in micro-quote."""
    free = account.wallet
    for symbol, position in account.positions.items():
        market = markets[symbol]
        if position.isolated:
            if symbol != besides:
                free -= reserve_of(position, market)
            continue
        size = position.size
        if size:
            free += size * market.mark * market.tick_value - position.cost
        if symbol != besides:
            free -= initial_of(position, market)
    return free


def free_wallet(account: Account, markets: dict[str, Market], besides: str | None = None, loss: int = 0) -> int:
    """What may leave the wallet, in micro-quote: free margin less a loss to come; no profit that is not realised."""
    held = account.wallet
    if account.isolated:
        alone = [position for position in isolated_of(account) if position.symbol != besides]
        held -= sum(reserve_of(position, markets[position.symbol]) for position in alone)
    return min(free_margin(account, markets, besides) - loss, held)


def spare_wallet(account: Account, markets: dict[str, Market]) -> int:
    """What the wallet can give before it is empty or the cross portfolio is below maintenance, in micro-quote."""
    figures = standing(account, markets)
    return min(account.wallet, figures.equity - figures.maintenance)


def initial_of(position: Position, market: Market) -> int:
    """Initial margin of the largest position that the open orders can lead to."""
    lots = worst_size(position.size, position.buying, position.selling)
    return initial_margin(lots * market.mark * market.tick_value, position.initial_ppm, market.table) if lots else 0


def maintenance_of(position: Position, market: Market) -> int:
    """Maintenance margin of a position at the mark, in micro-quote."""
    return maintenance_margin(notional(position, market.mark, market.tick_value), market.table)


def is_marked(account: Account, markets: dict[str, Market]) -> bool:
    """Every symbol of which it holds something has a mark."""
    for symbol, position in account.positions.items():  # noqa: SIM110 (asked with every order)
        if position.size and not markets[symbol].mark:
            return False
    return True
