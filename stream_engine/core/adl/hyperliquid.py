"""Hyperliquid (documentation, "Auto-deleveraging"): price gain by leverage, closed at the mark before.

Rank     (mark / entry) * (notional / account value) for longs; the page prints this form only, shorts take
         (entry / mark). Losers score too, only less.
Price    the previous mark.      Lights   none.      Share   the queue in full.
Rounding scores down. Who is at or below zero stands last. Ties: the lower account id.
"""

from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, Markets
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import previous_mark_price
from stream_engine.core.adl.shares import in_full
from stream_engine.core.arithmetic import div_floor


def score(sign: int, value: int, entry_value: int, equity: int) -> int:
    """The index in units of 10^-12, from micro-quote without sign; equity above zero.

    mark / entry is the value at the mark to the value at the entry.
    """
    if sign > 0:
        return div_floor(value * value * SCORE_UNIT, entry_value * equity)
    return div_floor(entry_value * SCORE_UNIT, equity)


def score_of(candidate: Candidate, markets: Markets) -> int:
    """The index at the mark."""
    position = candidate.position
    return score(position.size, candidate.value, max(1, abs(position.cost)), candidate.equity)


POLICY = Policy(score=score_of, price=previous_mark_price, share=in_full)
