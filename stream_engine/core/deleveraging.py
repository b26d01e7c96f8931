"""Deleveraging: the last of a liquidation, when neither the book nor the fund takes what is left of a position.

Steps     1 the opposite side is closed at the bankruptcy price, by rank, nobody below zero
          2 the rest is closed at the mark against the opposite side by rank; the fund pays the difference to the
            bankruptcy price as far as it has anything, then the venue's deficit account.
Order     the queue and its equities are made once, for both steps; who is closed loses its quotes, then its orders on
          the symbol.
Holds     every lot leaving one account enters another; nothing of the position is left.
Causes    DeleveragingStarted <- the liquidation's Started; PositionDeleveraged, SHORTFALL and deficit <-
          DeleveragingStarted.
Bound     a step takes an opposite position.
"""

from stream_engine.core.accounts import Account, credit
from stream_engine.core.adl import Candidate, closable, lights, queue, score_ppm
from stream_engine.core.cancelling import cancel_orders, cancel_quotes
from stream_engine.core.insurance_fund import fund_flow
from stream_engine.core.market import Market
from stream_engine.core.matching import settle
from stream_engine.core.position import Position
from stream_engine.core.venue import Venue
from stream_engine.messages.events import CancelReason, Cause, DeleveragingStarted, FundReason, PositionDeleveraged


def deleverage(
    venue: Venue, market: Market, account: Account, position: Position, bankruptcy: int, started: Cause
) -> tuple[int, int]:
    """Close all that is left of a position; returns the lots that others carried, and those that the deficit did."""
    ranked = queue(market, -1 if position.size > 0 else 1, venue.accounts, venue.markets)
    deleveraging = venue.out.emit(
        DeleveragingStarted, started, account.number, position.symbol, position.size, bankruptcy, len(ranked)
    )
    adl = _at_the_bankruptcy_price(venue, market, account, position, bankruptcy, ranked, deleveraging)
    deficit = _at_the_deficits_cost(venue, market, account, position, bankruptcy, ranked, deleveraging)
    return adl, deficit


def _at_the_bankruptcy_price(
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
            credit(account, position, loss)
            pool = venue.pool_behind(market)
            pool.make_good(venue.out, cause, loss, FundReason.SHORTFALL, account.number, position.symbol)
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
