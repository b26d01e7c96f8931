"""Position: what an account holds of one symbol, and what a fill does to it.

`cost` is signed as the size is: what the lots were bought for (long) or, below zero, sold for (short), in
micro-quote. Unrealised PnL = size * mark * tick_value - cost, exactly.

Holds     a fill moves size * price * tick_value between collateral and cost and nothing else: over both accounts
          of a trade, collateral - cost sums to what it was.
Rounding  a partial close releases its share of the cost rounded down; nobody gains, it is the owner's either way.
"""

from collections import deque

from msgspec import Struct, field

from stream_engine.core.arithmetic import div_floor
from stream_engine.core.order_book import Order


class RestingQuote(Struct, gc=False):
    """A maker's last quote on the symbol: its id and the levels of it that still rest, best first."""

    quote_id: int
    bids: list[Order]
    asks: list[Order]


class Protection(Struct, gc=False):
    """How a maker's quotes on the symbol are protected; see protection.

    frozen_until_us   0: they were not taken away yet; None: until it is set again.
    fills             (time, signed lots) of the window, oldest first.
    filled, balance   lots of these fills, bought and sold together, and bought less sold.
    """

    window_us: int
    frozen_us: int
    quantity: int
    delta: int
    frozen_until_us: int | None = 0
    fills: deque[tuple[int, int]] = field(default_factory=deque)
    filled: int = 0
    balance: int = 0


class Position(Struct, gc=False):
    """An account's stake in one symbol: the position, its open orders, its quote, and where the watch has it.

    size, cost            signed lots, signed micro-quote.
    isolated, margin      whether it stands alone, and its own money in micro-quote then; see isolated.
    initial_ppm           initial margin rate: 10^6 / leverage, rounded up.
    buying, selling       open lots of its resting orders and quote levels; `quote`: its levels.
    reducing              how many reduce-only orders rest, which count in neither; see reduce_only.
    floor, watch, standing   see margin_watch.
    """

    account: int
    symbol: str
    initial_ppm: int
    leverage: int
    size: int = 0
    cost: int = 0
    buying: int = 0
    selling: int = 0
    quote: RestingQuote | None = None
    floor: int | None = None
    watch: int | None = None
    standing: int | None = None
    protection: Protection | None = None
    reducing: int = 0
    isolated: bool = False
    margin: int = 0


def add_open(position: Position, sign: int, lots: int) -> None:
    """So many more (or, below zero, fewer) lots of its orders of one sign rest."""
    if sign > 0:
        position.buying += lots
    else:
        position.selling += lots


def resting_levels(position: Position) -> list[Order]:
    """The levels of its quote that still rest, bids and then asks."""
    quote = position.quote
    return [] if quote is None else [order for order in quote.bids + quote.asks if order.level is not None]


def fill(position: Position, lots: int, price: int, tick_value: int) -> int:
    """Add signed lots at a price in ticks; returns the realised PnL in micro-quote, which the wallet takes."""
    held = position.size
    value = lots * price * tick_value
    position.size = held + lots
    if held == 0 or (held > 0) == (lots > 0):
        position.cost += value
        return 0
    if abs(lots) < abs(held):
        released = div_floor(position.cost * -lots, held)
        position.cost -= released
        return -value - released
    realised = held * price * tick_value - position.cost
    position.cost = (held + lots) * price * tick_value
    return realised


def notional(position: Position, mark: int, tick_value: int) -> int:
    """Value of the position at the mark, in micro-quote, never negative."""
    return abs(position.size) * mark * tick_value


def unrealised(position: Position, mark: int, tick_value: int) -> int:
    """Profit (+) or loss (-) at the mark, in micro-quote."""
    return position.size * mark * tick_value - position.cost
