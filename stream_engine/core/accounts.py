"""Accounts: who owns what, in cross margin.

Equity = wallet + sum of unrealised PnL at the marks. An account carries all its positions with one wallet; an
isolated position would be an account of its own here, with its margin as the wallet.
Before its symbol's first mark a (seeded) position counts at what it cost, and nobody who holds one is judged: neither
liquidated, nor let into more, nor paid out.
"""

from msgspec import Struct

from stream_engine.core.margin import initial_margin, maintenance_margin, worst_size
from stream_engine.core.market import Market
from stream_engine.core.order_book import Order
from stream_engine.core.position import Position
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


class Standing(Struct, gc=False):
    """An account's figures at the marks, in micro-quote."""

    equity: int
    maintenance: int


def standing(account: Account, markets: dict[str, Market]) -> Standing:
    """Equity and maintenance margin over all positions."""
    equity = account.wallet
    maintenance = 0
    for symbol, position in account.positions.items():
        if position.size and (market := markets[symbol]).mark:
            value = position.size * market.mark * market.tick_value
            equity += value - position.cost
            maintenance += maintenance_margin(abs(value), market.table)
    return Standing(equity, maintenance)


def is_liquidatable(account: Account, markets: dict[str, Market]) -> bool:
    """Equity below maintenance, strictly; an account without positions: a debt."""
    figures = standing(account, markets)
    return figures.equity < figures.maintenance


def equity_of(account: Account, markets: dict[str, Market]) -> int:
    """Wallet and unrealised PnL at the marks, in micro-quote."""
    equity = account.wallet
    for symbol, position in account.positions.items():
        if position.size and (market := markets[symbol]).mark:
            equity += position.size * market.mark * market.tick_value - position.cost
    return equity


def standing_behind(account: Account, position: Position, markets: dict[str, Market]) -> Standing:
    """Equity and maintenance margin of what is liquidated together with a position."""
    return standing(account, markets)


def equity_behind(account: Account, position: Position, markets: dict[str, Market]) -> int:
    """The equity that stands behind a position, in micro-quote: as far as that goes it may lose."""
    return equity_of(account, markets)


def credit(account: Account, position: Position, micro_quote: int) -> None:
    """Book a profit (+) or a loss (-) to what stands behind a position."""
    account.wallet += micro_quote


def free_margin(account: Account, markets: dict[str, Market], besides: str | None = None) -> int:
    """Equity less the initial margin of positions and open orders (not those on `besides`), in micro-quote."""
    free = account.wallet
    for symbol, position in account.positions.items():
        market = markets[symbol]
        size = position.size
        if size:
            free += size * market.mark * market.tick_value - position.cost
        if symbol != besides:
            free -= initial_of(position, market)
    return free


def initial_of(position: Position, market: Market) -> int:
    """Initial margin of the largest position that the open orders can lead to."""
    lots = worst_size(position.size, position.buying, position.selling)
    return initial_margin(lots * market.mark * market.tick_value, position.initial_ppm, market.table) if lots else 0


def is_marked(account: Account, markets: dict[str, Market]) -> bool:
    """Every symbol of which it holds something has a mark."""
    for symbol, position in account.positions.items():  # noqa: SIM110 (asked with every order)
        if position.size and not markets[symbol].mark:
            return False
    return True
