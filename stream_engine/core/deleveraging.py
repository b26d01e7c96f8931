"""Deleveraging: the last of a liquidation, when neither the book nor the fund takes what is left of a position.

Steps     1 the opposite side is closed at the policy's price, whom and how far as the policy shares it, nobody below
            zero
          2 the rest is closed at the mark against the opposite side by rank
          3 what 1 or 2 closed at another price than the bankruptcy price leaves a difference. Better for the bankrupt:
            the fund's. Worse: the fund pays as far as it has anything, then (after both steps) the payers of the
            policy, each no further than the equity reaches, then the venue's deficit account.
Order     the queue and its equities are made once, for both steps; who is closed loses its quotes, then its orders on
          the symbol. Payers pay in the order of their ids.
Holds     every lot leaving one account enters another; nothing of the position is left, and its owner has been
          charged the bankruptcy price for it, no more and no less.
Causes    DeleveragingStarted <- the liquidation's Started; PositionDeleveraged, LossSocialised, SURPLUS, SHORTFALL and
          deficit <- DeleveragingStarted.
Bound     a step takes an opposite position.
"""

from msgspec import Struct

from stream_engine.core.accounts import Account, collateral_behind, credit, equity_behind
from stream_engine.core.adl.candidate import Candidate, score_ppm
from stream_engine.core.adl.dydx import start_of
from stream_engine.core.adl.policies import POLICIES
from stream_engine.core.adl.policy import Asked, Left, Policy
from stream_engine.core.adl.queue import Counted, Queue, Ranking, Rotation, holders
from stream_engine.core.cancelling import cancel_orders, cancel_quotes
from stream_engine.core.insurance_fund import fund_flow
from stream_engine.core.market import Market
from stream_engine.core.matching import settle
from stream_engine.core.obligations import call_tranche
from stream_engine.core.position import Position
from stream_engine.core.venue import Venue, balance_of_house
from stream_engine.core.water_filling import water_fill
from stream_engine.messages.events import (
    CancelReason,
    Cause,
    DeleveragingStarted,
    FundReason,
    LossSocialised,
    PositionDeleveraged,
)


class Deleveraging(Struct):
    """One position that is deleveraged. `payers`: who may be asked to pay, with their weights, by account."""

    venue: Venue
    market: Market
    account: Account
    position: Position
    sign: int
    bankruptcy: int
    policy: Policy
    queue: Queue
    cause: Cause
    payers: dict[int, int]
    unpaid: int = 0


def deleverage(
    venue: Venue, market: Market, account: Account, position: Position, bankruptcy: int, started: Cause
) -> tuple[int, int]:
    """Close all that is left of a position; returns the lots closed at the policy's price, and those at the mark."""
    rules = venue.rules.adl
    policy = POLICIES[rules.policy]
    sign = 1 if position.size > 0 else -1
    price = policy.price(market, Left(position.size, bankruptcy, venue.pool_behind(market).balance), rules)
    positions = len(holders(market, -sign))
    cause = venue.out.emit(
        DeleveragingStarted, started, account.number, position.symbol, position.size, price, positions
    )
    queue = _queue(venue, market, -sign, policy, cause)
    payers = _payers(market, account, policy)
    deleveraging = Deleveraging(venue, market, account, position, sign, bankruptcy, policy, queue, cause, payers)
    loss_per_lot = fund_flow(sign, 1, price, market.mark, market.tick_value)
    asked = Asked(abs(position.size), loss_per_lot, venue.markets, rules)
    adl = deficit = 0
    for candidate, lots in policy.share(queue, asked):
        adl += lots
        _close_against(deleveraging, candidate, lots, price)
    for candidate in queue if position.size else ():
        lots = min(abs(position.size), abs(candidate.position.size))
        if lots:
            deficit += lots
            _close_against(deleveraging, candidate, lots, market.mark)
        if not position.size:
            break
    if deleveraging.unpaid:
        _ask_the_payers(deleveraging)
    return adl, deficit


def ranking(venue: Venue, market: Market, sign: int, policy: Policy) -> Ranking:
    """The side by the policy's score, as it is now: that of the round, where there is one, with whom it touched."""
    key = (market.instrument.symbol, sign)
    known = venue.rankings.get(key)
    if known is not None and known.stands(policy.score):
        known.refresh((*venue.dirty, *venue.houses))  # a pool's money moves without a touch
        return known
    made = venue.rankings[key] = Ranking(market, sign, venue.accounts, venue.markets, policy.score)
    return made


def lights_of(policy: Policy, candidate: Candidate, queue: Counted) -> int:
    """What the holder is shown; 0 where the policy shows nothing."""
    return 0 if policy.lights is None else policy.lights(candidate, queue)


def _queue(venue: Venue, market: Market, sign: int, policy: Policy, cause: Cause) -> Queue:
    if policy.score is not None:
        return ranking(venue, market, sign, policy)
    return Rotation(market, sign, venue.accounts, venue.markets, start_of(cause, len(holders(market, sign))))


def _payers(market: Market, account: Account, policy: Policy) -> dict[int, int]:
    if policy.payers is None:
        return {}
    weights = {
        number: policy.payers(position, market)
        for number, position in (*market.longs.items(), *market.shorts.items())
        if number != account.number
    }
    return dict(sorted(weights.items()))


def _close_against(deleveraging: Deleveraging, candidate: Candidate, lots: int, price: int) -> None:
    venue, market, account = deleveraging.venue, deleveraging.market, deleveraging.account
    symbol, other = market.instrument.symbol, candidate.account
    change = lots * deleveraging.sign
    settle(venue, market, account, -change, price, 0, liquidation=True)
    realised = settle(venue, market, other, change, price, 0)
    deleveraged = venue.out.emit(
        PositionDeleveraged, deleveraging.cause, other.number, account.number, symbol, change, price,
        candidate.position.size, candidate.rank, score_ppm(candidate),
        lights_of(deleveraging.policy, candidate, deleveraging.queue), realised,
    )  # fmt: skip
    other.changed = account.changed = deleveraged
    if other.number in venue.houses:
        balance_of_house(venue, venue.houses[other.number], deleveraged, symbol)
    cancel_quotes(venue, other, symbol, CancelReason.DELEVERAGED, deleveraged)
    cancel_orders(venue, other, symbol, CancelReason.DELEVERAGED, deleveraged)
    _book_difference(deleveraging, lots, price)


def _book_difference(deleveraging: Deleveraging, lots: int, price: int) -> None:
    venue, account, cause = deleveraging.venue, deleveraging.account, deleveraging.cause
    market, symbol = deleveraging.market, deleveraging.market.instrument.symbol
    pool = venue.pool_behind(market)
    flow = fund_flow(deleveraging.sign, lots, price, deleveraging.bankruptcy, market.tick_value)
    credit(account, deleveraging.position, -flow)
    call_tranche(venue, pool, symbol, -flow - pool.balance, cause, account.number)
    if flow > 0:
        pool.change(venue.out, cause, flow, FundReason.SURPLUS, account.number, symbol)
    elif deleveraging.policy.payers is None:
        pool.make_good(venue.out, cause, -flow, FundReason.SHORTFALL, account.number, symbol)
    else:
        paid = min(-flow, pool.balance)
        pool.change(venue.out, cause, -paid, FundReason.SHORTFALL, account.number, symbol)
        deleveraging.unpaid -= flow + paid


def _ask_the_payers(deleveraging: Deleveraging) -> None:
    venue, account, symbol = deleveraging.venue, deleveraging.account, deleveraging.market.instrument.symbol
    payers = [venue.accounts[number] for number in deleveraging.payers]
    reach = [max(0, equity_behind(payer, payer.positions[symbol], venue.markets)) for payer in payers]
    shares = water_fill(tuple(deleveraging.payers.values()), reach, deleveraging.unpaid)
    for payer, loss in zip(payers, shares, strict=True):
        if loss:
            credit(payer, payer.positions[symbol], -loss)
            venue.touch(payer)
            payer.changed = venue.out.emit(
                LossSocialised,
                deleveraging.cause,
                payer.number,
                account.number,
                symbol,
                loss,
                collateral_behind(payer, payer.positions[symbol]),
            )
            if payer.number in venue.houses:
                balance_of_house(venue, venue.houses[payer.number], payer.changed, symbol)
    venue.deficit.run(venue.out, deleveraging.cause, deleveraging.unpaid - sum(shares), account.number, symbol)
