"""OKX: profit percentage by leverage, closed at the mark while the fund has something.

Rank     PNL% * leverage, at the mark as Binance's: U / A for winners, U * A / N^2 for others. (OKX publishes no more
         than the product.)
Price    the mark at the match; the bankruptcy price once the fund holds `near_empty_quote` or less.
Lights   by number of positions.      Share   the queue in full.
Rounding scores down. Who is at or below zero stands last. Ties: the lower account id.
"""

from stream_engine.core.adl.binance import score_of
from stream_engine.core.adl.lights import by_number
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import mark_price_while_funded
from stream_engine.core.adl.shares import in_full

POLICY = Policy(score=score_of, price=mark_price_while_funded, share=in_full, lights=by_number)
