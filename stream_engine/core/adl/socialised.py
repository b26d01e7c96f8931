"""Socialised loss: nobody's position is taken at a loss, everybody in the symbol carries a part of it.

Close    at the mark, against the opposite side in proportion to contracts.
Payers   what the fund cannot pay of the difference to the bankruptcy price, all other holders of the symbol pay by
         contracts, on both sides (Drift v2's form), as they held them when the deleveraging began; nobody below zero.
         What that leaves is the deficit.
Rank     by lots; the published score is their number in millionths.      Lights   none.
Rounding lots and micro-quote by largest remainder, ties to the lower account id.
"""

from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import mark_price
from stream_engine.core.adl.pro_rata_contracts import score_of
from stream_engine.core.adl.shares import in_proportion
from stream_engine.core.market import Market
from stream_engine.core.position import Position


def contracts(position: Position, market: Market) -> int:
    """What a holder is weighed by."""
    return abs(position.size)


POLICY = Policy(score=score_of, price=mark_price, share=in_proportion, payers=contracts)
