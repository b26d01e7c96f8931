"""Bybit (help centre, "Auto-Deleveraging"; API `adlRankIndicator`): profit percentage by effective leverage.

Rank     as BitMEX's, whose formula Bybit took over: profit by entry value, leverage to the bankrupt value.
Price    the bankruptcy price.      Lights   by number of positions: five are the first fifth. The API's 0 is for who
         holds nothing.      Share   the queue in full.
Rounding scores down. Who is at or below zero stands last. Ties: the lower account id.
"""

from stream_engine.core.adl.bitmex import score_of
from stream_engine.core.adl.lights import by_number
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.shares import in_full

POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_full, lights=by_number)
