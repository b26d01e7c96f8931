"""Socialised loss, by profit (Deribit, Paradex, OKX before 2019): the winners of the symbol carry it.

As `socialised`, but the payers are weighed by their unrealised profit on the symbol at the mark, on either side. The
venues take the profit of a session, with what was realised in it; here nobody keeps sessions.
"""

from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import mark_price
from stream_engine.core.adl.pro_rata_contracts import score_of
from stream_engine.core.adl.shares import in_proportion
from stream_engine.core.market import Market
from stream_engine.core.position import Position, unrealised


def profit(position: Position, market: Market) -> int:
    """What a holder is weighed by."""
    return max(0, unrealised(position, market.mark, market.tick_value))


POLICY = Policy(score=score_of, price=mark_price, share=in_proportion, payers=profit)
