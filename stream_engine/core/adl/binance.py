"""Binance, since 2025 (FAQ 360033525471): the rule of every venue that sets no other.

Rank     PNL% = U / N, effective leverage = N / A; U and N of the symbol, A the account's equity, all at the mark.
         Winners PNL% * leverage (the notional cancels: U / A), others PNL% / leverage (U * A / N^2).
Price    the bankruptcy price.      Lights   by number of positions.      Share   the queue in full.
Rounding scores down. Who is at or below zero stands last. Ties: the lower account id.
"""

from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, Markets
from stream_engine.core.adl.lights import by_number
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.shares import in_full


def score(unrealised: int, equity: int, value: int) -> int:
    """Score of a position in units of 10^-12, from micro-quote; equity above zero, `value` its notional."""
    if unrealised >= 0:  # both divisions round down; written out, since they are asked for of whole sides
        return unrealised * SCORE_UNIT // equity
    return unrealised * equity * SCORE_UNIT // (value * value)


def score_of(candidate: Candidate, markets: Markets) -> int:
    """The score at the mark."""
    return score(candidate.pnl, candidate.equity, candidate.value)


POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_full, lights=by_number)
