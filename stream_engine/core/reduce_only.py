"""Reduce-only: an order that may make a position smaller, and never anything else.

Refused   where its owner holds nothing the other way.
Taken     it is accepted at its own size, and no fill is larger than the position is at that moment: it may rest with
          more than the position has, and several may together. An immediate one takes as far as the position goes.
Cancelled as soon as the position is closed or has changed sides, through whatever: first those that rest, as they
          came to rest, right behind the fill that did it; then what is left of the one that did it. Who loses a
          position without a fill in the book (deleveraging, liquidation) loses all its orders there.
Margin    none: it counts in no open lots. What it would lose at once, up to the position, must not leave a debt.
Holds     while one rests, its owner has a position the other way; no fill of one opens or turns a position.
Kept      how many rest, per position and per symbol, so that where there are none nobody looks for them.
"""

from stream_engine.core.market import Market
from stream_engine.core.position import Position


def reducible(position: Position | None, sign: int) -> int:
    """Lots that an order of this sign may take off the position."""
    return max(0, -sign * position.size) if position is not None else 0


def is_closed_by(position: Position, lots: int) -> bool:
    """Whether a fill of signed lots, just booked, has closed the position or changed its side."""
    return abs(position.size) < abs(lots) and position.size * lots >= 0


def count_in(market: Market, position: Position) -> None:
    """One more rests."""
    market.reducing += 1
    position.reducing += 1


def count_out(market: Market, position: Position) -> None:
    """One rests no more."""
    market.reducing -= 1
    position.reducing -= 1
