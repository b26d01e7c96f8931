"""Risk-aware (RAP of Chitra et al.): the more lever, the larger the share of the profit that a winner gives.

Rank     by weight, leverage N / A times profit U; the published score is that in micro-quote.
Price    the bankruptcy price.      Lights   none.
Share    h_i = min(b_i, tau * l_i): in proportion to l_i * w_i, of the profit w_i at most `cap_ppm`, equity staying at
         or above `least_equity_quote`; tau by water-filling. What the caps leave goes on to the last step.
Rounding weights and caps down, lots by largest remainder; ties to the lower account id. Who is at or below zero gives
         nothing, unless the price is no loss.
"""

from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, Markets
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.shares import in_proportion_capped
from stream_engine.core.arithmetic import div_floor
from stream_engine.messages.units import MILLION


def score_of(candidate: Candidate, markets: Markets) -> int:
    """Leverage times profit, so that a millionth of the score is a micro-quote."""
    profit = max(0, candidate.pnl)
    return div_floor(profit * candidate.value * (SCORE_UNIT // MILLION), candidate.equity)


POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_proportion_capped)
