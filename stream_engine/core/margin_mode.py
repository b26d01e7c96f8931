"""Margin mode: what an account chooses for a symbol: cross or isolated, its leverage, money for an isolated position.

Mode      changes while the account has neither a position nor orders on the symbol.
Leverage  from 1 to the instrument's, and to what the tiers allow for the position and the open orders at the mark. A
          lower one needs the more margin that it asks for: cross, free; isolated, it is moved from the wallet at
          once, so that the position has its initial margin at the mark (what its orders then reserve must be free
          too). A higher one moves nothing: margin is taken out by a move.
Move      in: what is free in the wallet. Out: what is above the initial margin at the mark, and no profit that is not
          realised. Neither while the account's resting orders could lose it at once.
Refused   in the order of the `Reject` enum; refusing changes nothing.
"""

from msgspec.structs import replace

from stream_engine.core.accounts import Account, free_margin, free_wallet, initial_of, is_marked, isolate
from stream_engine.core.control import refuse
from stream_engine.core.isolated import isolated_equity, reserve_of
from stream_engine.core.margin import highest_leverage, initial_margin, initial_rate, worst_size
from stream_engine.core.market import Market
from stream_engine.core.order_entry import resting_loss
from stream_engine.core.position import Position, notional
from stream_engine.core.venue import Venue, position_of
from stream_engine.messages.events import LeverageSet, MarginModeSet, MarginMoved
from stream_engine.messages.inputs import MoveMargin, SetLeverage, SetMarginMode
from stream_engine.messages.refusals import Reject


def set_margin_mode(venue: Venue, received: SetMarginMode) -> None:
    """Choose cross or isolated margin."""
    account, market = _account_and_market(venue, received)
    if account is None or market is None:
        return
    position = account.positions.get(received.symbol)
    if position is not None and _is_in_use(position):
        refuse(venue, received, Reject.POSITION_OR_ORDERS_OPEN, _where(received))
        return
    isolate(account, position_of(account, market), received.isolated)
    venue.out.emit(MarginModeSet, None, account.number, received.symbol, received.isolated)


def move_margin(venue: Venue, received: MoveMargin) -> None:
    """Move money between the wallet and an isolated position."""
    account, market = _account_and_market(venue, received)
    if account is None or market is None:
        return
    position = account.positions.get(received.symbol)
    if position is None or not position.isolated or not position.size:
        refuse(venue, received, Reject.NOT_ISOLATED, _where(received))
        return
    if not is_marked(account, venue.markets):
        refuse(venue, received, Reject.NO_MARK_PRICE, _where(received))
        return
    loss = resting_loss(venue, account)
    is_in = received.quote > 0
    free = free_wallet(account, venue.markets, loss=loss) if is_in else _removable(position, market, loss)
    if free < abs(received.quote):
        refuse(venue, received, Reject.INSUFFICIENT_MARGIN, f"{_where(received)}: free {free}")
        return
    if received.quote == 0:
        refuse(venue, received, Reject.AMOUNT_NOT_POSITIVE, _where(received))
        return
    _move(venue, account, position, received.quote)


def set_leverage(venue: Venue, received: SetLeverage) -> None:
    """Change the initial margin rate of an account on a symbol."""
    account, market = _account_and_market(venue, received)
    if account is None or market is None:
        return
    most = market.instrument.max_leverage
    position = account.positions.get(received.symbol)
    lots = 0 if position is None else worst_size(position.size, position.buying, position.selling)
    value = lots * market.mark * market.tick_value
    if market.table.leverages:
        most = min(most, highest_leverage(value, market.table))
    if not 1 <= received.leverage <= most:
        detail = f"{_where(received)}: 1 to {most}, found {received.leverage}"
        refuse(venue, received, Reject.LEVERAGE_OUT_OF_RANGE, detail)
        return
    rate = initial_rate(received.leverage)
    more = 0
    if position is not None and lots and rate > position.initial_ppm:
        if not is_marked(account, venue.markets):
            refuse(venue, received, Reject.NO_MARK_PRICE, _where(received))
            return
        if position.isolated:
            more = _missing(position, market, rate)
            is_free = _is_free_at(venue, account, position, market, rate, more)
        else:
            required = initial_margin(value, rate, market.table) - initial_of(position, market)
            is_free = free_margin(account, venue.markets) >= required
        if not is_free:
            refuse(venue, received, Reject.INSUFFICIENT_MARGIN, _where(received))
            return
    position = position_of(account, market)
    position.initial_ppm, position.leverage = rate, received.leverage
    venue.out.emit(LeverageSet, None, account.number, received.symbol, received.leverage)
    if more:
        _move(venue, account, position, more)


def _is_in_use(position: Position) -> bool:
    return any((position.size, position.margin, position.buying, position.selling, position.reducing))


def _move(venue: Venue, account: Account, position: Position, quote: int) -> None:
    account.wallet -= quote
    position.margin += quote
    venue.touch(account, position.symbol)
    venue.out.emit(MarginMoved, None, account.number, position.symbol, quote, position.margin, account.wallet)


def _removable(position: Position, market: Market, loss: int) -> int:
    held = notional(position, market.mark, market.tick_value)
    spare = isolated_equity(position, market) - initial_margin(held, position.initial_ppm, market.table)
    return min(spare - loss, position.margin)


def _missing(position: Position, market: Market, rate_ppm: int) -> int:
    if not position.size:
        return 0
    held = notional(position, market.mark, market.tick_value)
    return max(0, initial_margin(held, rate_ppm, market.table) - isolated_equity(position, market))


def _is_free_at(venue: Venue, account: Account, position: Position, market: Market, rate_ppm: int, more: int) -> bool:
    reserved = reserve_of(replace(position, initial_ppm=rate_ppm), market)
    return free_wallet(account, venue.markets, besides=position.symbol) >= reserved + more


def _account_and_market(
    venue: Venue, received: SetLeverage | SetMarginMode | MoveMargin
) -> tuple[Account | None, Market | None]:
    account, market = venue.accounts.get(received.account), venue.markets.get(received.symbol)
    if account is None or market is None:
        reason = Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_SYMBOL
        refuse(venue, received, reason, _where(received))
    return account, market


def _where(received: SetLeverage | SetMarginMode | MoveMargin) -> str:
    return f"account {received.account}, {received.symbol}"
