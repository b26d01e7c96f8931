"""BitMEX (documentation, "Auto-deleveraging"): profit by entry value, leverage by what is left to the bankrupt value.

Rank     PNL% = (MarkValue - AvgEntryValue) / |AvgEntryValue|, EffLev = |MarkValue| / (MarkValue - BankruptValue),
         values signed as the position is. Winners PNL% * EffLev, others PNL% / EffLev.
         MarkValue - BankruptValue is the position's share of the account's equity, A * MM_i / MM: the bankruptcy price
         of an account with several positions is only defined by such a share (margin.bankruptcy_price).
Price    the bankruptcy price.      Lights   by quantity.      Share   the queue in full.
Orders   of both sides are cancelled: the bankrupt's were when its liquidation began.
Rounding scores down. Who is at or below zero stands last. Ties: the lower account id.
"""

from stream_engine.core.accounts import standing_behind
from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, Markets
from stream_engine.core.adl.lights import by_quantity
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.shares import in_full
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.margin import maintenance_margin


def score(unrealised: int, entry_value: int, value: int, cushion: tuple[int, int]) -> int:
    """The score in units of 10^-12, from micro-quote without sign.

    `cushion`: what lies between mark value and bankrupt value, as a fraction (numerator, denominator), above zero.
    """
    over, under = cushion
    if unrealised >= 0:
        return div_floor(unrealised * value * under * SCORE_UNIT, entry_value * over)
    return div_floor(unrealised * over * SCORE_UNIT, entry_value * value * under)


def score_of(candidate: Candidate, markets: Markets) -> int:
    """The score at the mark."""
    account, position = candidate.account, candidate.position
    if position.isolated or len(account.positions) == 1:  # by far the most stand alone: all of the equity is theirs
        cushion = (candidate.equity, 1)
    else:
        own = maintenance_margin(candidate.value, markets[position.symbol].table)
        cushion = (candidate.equity * own, standing_behind(account, position, markets).maintenance)
    return score(candidate.pnl, max(1, abs(position.cost)), candidate.value, cushion)


POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_full, lights=by_quantity)
