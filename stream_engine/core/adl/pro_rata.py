"""Pro-rata by wealth (Chitra et al., arXiv 2512.01112): every winner gives the same share of the profit.

Rank     by weight, the unrealised profit on the symbol; the published score is that profit in micro-quote.
Price    the bankruptcy price.      Lights   none: all winners are next.
Share    in proportion to profit, within position and equity; h = B / U where neither binds. Who wins nothing gives only
         what the winners cannot, by contracts.
Rounding lots by largest remainder, ties to the lower account id. Who is at or below zero weighs nothing.
"""

from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, Markets
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.shares import in_proportion
from stream_engine.messages.units import MILLION


def score_of(candidate: Candidate, markets: Markets) -> int:
    """The profit, so that a millionth of the score is a micro-quote."""
    return max(0, candidate.pnl) * (SCORE_UNIT // MILLION)


POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_proportion)
