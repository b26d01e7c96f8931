"""Hedge-aware (a proposal of this project): whose position hedges others of its own goes later, or a hedger would be
left naked by the very fall it was hedged against.

Rank     Binance's score times (1 - hedge ratio) for winners. Hedge ratio: of the position's notional the part that the
         net of the account's other positions, at the marks, offsets; at most 1. Who loses keeps the score: times a
         share it would rise.
Price    the bankruptcy price.      Lights   by number of positions.      Share   the queue in full.
Rounding scores down. Who is at or below zero stands last. Ties: the lower account id.
"""

from stream_engine.core.adl import binance
from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, Markets
from stream_engine.core.adl.lights import by_number
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.shares import in_full
from stream_engine.core.arithmetic import div_floor


def hedged(candidate: Candidate, markets: Markets) -> int:
    """Notional of the position that the account's others offset, in micro-quote."""
    others = 0
    for symbol, position in candidate.account.positions.items():
        if symbol != candidate.position.symbol:
            market = markets[symbol]
            others += position.size * market.mark * market.tick_value
    against = -others if candidate.position.size > 0 else others
    return max(0, min(candidate.value, against))


def score_of(candidate: Candidate, markets: Markets) -> int:
    """The score at the mark."""
    if candidate.pnl <= 0:
        return binance.score_of(candidate, markets)
    naked = candidate.value - hedged(candidate, markets)
    return div_floor(candidate.pnl * naked * SCORE_UNIT, candidate.equity * candidate.value)


POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_full, lights=by_number)
