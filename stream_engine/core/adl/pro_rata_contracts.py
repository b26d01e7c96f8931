"""Pro-rata by contracts (the tear-up of a clearing house): every position of the side is cut by the same share.

Rank     by weight, the lots held; the published score is their number in millionths.
Price    the bankruptcy price.      Lights   none.
Share    k_i = Q * q_i / sum q, floor and largest remainder, within equity; what that leaves, those who are left give.
Rounding ties to the lower account id. Who is at or below zero gives only what nobody loses by.
"""

from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, Markets
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.shares import in_proportion


def score_of(candidate: Candidate, markets: Markets) -> int:
    """The lots."""
    return abs(candidate.position.size) * SCORE_UNIT


POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_proportion)
