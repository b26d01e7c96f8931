"""Isolated margin: a position that stands alone, with money of its own beside the account's wallet.

Equity    its margin and its unrealised PnL. The wallet, the cross portfolio and other isolated positions have no part
          in it: each is judged, liquidated and deleveraged by itself.
Opened    more lots bring their initial margin from the wallet (at the fill price and the position's leverage: that of
          the larger position less that of the former), and with it what they lose against the mark at once: so they
          add their initial margin, whatever they were filled at. The wallet gives no more than it can spare: it stays
          at zero or above, the cross portfolio at its maintenance. Their fee is the wallet's.
Closed    x of q lots give floor(margin * x / q) back to the wallet, with what they realise less the fee. Where that is
          a loss the margin that stays pays it, and the wallet nothing. A flip is a close, then an opening.
Taken     by a liquidation: everything stays in the margin, until nothing of the position is left.
Reserve   what its open orders can draw from the wallet must be free there: for the largest position of either sign,
          its initial margin at the mark, less that of what is held, or (for a flip) less what closing brings.
Holds     a cross position has no margin of its own, a flat one none either, but for a debt that is written off next.
Rounding  what is drawn goes up, what is given back goes down.
"""

from stream_engine.core.arithmetic import div_floor
from stream_engine.core.margin import initial_margin
from stream_engine.core.market import Market
from stream_engine.core.position import Position


def isolated_equity(position: Position, market: Market) -> int:
    """Margin and unrealised PnL at the mark, in micro-quote; before the first mark it counts at what it cost."""
    if not market.mark:
        return position.margin
    return position.margin + position.size * market.mark * market.tick_value - position.cost


def after_fill(position: Position, market: Market, before: int, price: int, earned: int, spare: int) -> int:
    """Move the money of a fill that made the position what it is, from `before` lots; returns what the wallet gets (or,
    below zero, gives).

    `earned` is the realised PnL less the fee, `spare` what the wallet can spare before the fill.
    """
    size = position.size
    closed = _closed(before, size)
    paid = earned
    if closed:
        given = div_floor(position.margin * closed, abs(before)) + earned
        paid = max(0, given)
        position.margin += earned - paid
    held = 0 if closed else before
    opened = abs(size) - abs(held)
    if opened <= 0 or (closed and not _is_flip(before, size)):
        return paid
    value = market.tick_value * price
    wanted = _initial(position, market, size * value) - _initial(position, market, held * value)
    worse = price - market.mark if size > 0 else market.mark - price
    wanted += max(0, worse) * opened * market.tick_value
    moved = max(0, min(wanted, spare + paid))
    position.margin += moved
    return paid - moved


def reserve(position: Position, market: Market, long: int, short: int) -> int:
    """What the wallet must have free for an isolated position that open orders can lead to so many lots long or short
    (neither counts below zero), in micro-quote."""
    drawn = 0
    for sign, worst in ((1, long), (-1, short)):
        held = position.size * sign
        if worst <= 0 or worst <= held:
            continue
        needed = _initial(position, market, worst * market.mark * market.tick_value)
        if held >= 0:
            needed -= _initial(position, market, held * market.mark * market.tick_value)
        else:
            needed -= max(0, isolated_equity(position, market))
        drawn = max(drawn, needed)
    return drawn


def reserve_of(position: Position, market: Market) -> int:
    """The reserve for the orders that are open now."""
    if not position.buying and not position.selling:
        return 0
    return reserve(position, market, position.size + position.buying, position.selling - position.size)


def _initial(position: Position, market: Market, value: int) -> int:
    return initial_margin(abs(value), position.initial_ppm, market.table) if value else 0


def _closed(before: int, after: int) -> int:
    if before == 0 or (before > 0) == (after > before):
        return 0
    return abs(before) if _is_flip(before, after) else abs(before) - abs(after)


def _is_flip(before: int, after: int) -> bool:
    return after != 0 and (before > 0) != (after > 0)
