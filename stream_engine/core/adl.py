"""Auto-deleveraging: who is closed first when nobody takes a bankrupt position.

Rank     Binance's current formula (FAQ 360033525471): PNL% = U / N, effective leverage = N / A, with U and N of the
         symbol and A the equity behind it, at the mark. Winners PNL% * leverage (the notional cancels: U / A),
         others PNL% / leverage (U * A / N^2). Higher first; ties go to the lower account id.
         An account at or below zero has no such score: it stands last.
Lights   Bybit's five by percentile: the first fifth of the queue has five.
Price    the bankruptcy price of the liquidated position. Nobody is closed further than its equity reaches.
Rounding scores down, at 10^-12, so that a tie is a tie.
"""

from msgspec import Struct

from stream_engine.core.accounts import Account, equity_behind
from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.core.market import Market
from stream_engine.core.position import Position, notional, unrealised
from stream_engine.messages.units import MILLION, WIRE_MAX

SCORE_UNIT = 10**12
LIGHTS = 5


class Candidate(Struct, gc=False):
    """A position that may be deleveraged. `score` in units of 10^-12."""

    account: int
    position: Position
    equity: int
    score: int


def score(unrealised_pnl: int, equity: int, value: int) -> int:
    """Score of a position in units of 10^-12, from micro-quote; equity above zero, `value` its notional."""
    if unrealised_pnl >= 0:
        return div_floor(unrealised_pnl * SCORE_UNIT, equity)
    return div_floor(unrealised_pnl * equity * SCORE_UNIT, value * value)


def queue(market: Market, sign: int, accounts: dict[int, Account], markets: dict[str, Market]) -> list[Candidate]:
    """All longs (+1) or shorts (-1) of a symbol, first to be deleveraged first."""
    holders = market.longs if sign > 0 else market.shorts
    candidates = []
    for number, position in holders.items():
        equity = equity_behind(accounts[number], position, markets)
        pnl = unrealised(position, market.mark, market.tick_value)
        value = notional(position, market.mark, market.tick_value)
        candidates.append(Candidate(number, position, equity, score(pnl, equity, value) if equity > 0 else 0))
    candidates.sort(key=lambda candidate: (candidate.equity <= 0, -candidate.score, candidate.account))
    return candidates


def lights(rank: int, positions: int) -> int:
    """Lights of the position at a rank (1 is first) among so many."""
    return LIGHTS - div_floor(LIGHTS * (rank - 1), positions)


def score_ppm(candidate: Candidate) -> int:
    """The score as it is published, cut to what the wire carries."""
    return max(-WIRE_MAX, min(WIRE_MAX, div_floor(candidate.score, SCORE_UNIT // MILLION)))


def thresholds_ppm(ranked: list[Candidate]) -> tuple[int, ...]:
    """The least score with 5, with 4 or more, 3 or more and 2 or more lights; empty for an empty queue."""
    if not ranked:
        return ()
    scores = [score_ppm(candidate) for candidate in ranked]
    # So many fifths of the queue, rounded up. Who has no score stands last, with a 0: the least is not the last.
    return tuple(min(scores[: div_ceil(fifths * len(scores), LIGHTS)]) for fifths in range(1, LIGHTS))


def closable(candidate: Candidate, loss_per_lot: int) -> int:
    """Lots that a candidate can be closed by, losing so much a lot against the mark, without falling below zero."""
    lots = abs(candidate.position.size)
    if loss_per_lot <= 0:
        return lots
    return min(lots, div_floor(max(0, candidate.equity), loss_per_lot))
