"""Capped pro-rata (Chitra et al.): pro-rata by wealth, but nobody gives more than a share of the profit.

Rank     by weight, as pro-rata.      Price   the bankruptcy price.      Lights   none.
Share    h_i = min(eta, b_i), b_i = min(cap, 1 - (e_min - c_i) / w_i): of the profit w_i at most `cap_ppm`, and the
         equity c_i + w_i stays at or above `least_equity_quote`; eta by water-filling. What the caps leave goes on to
         the last step, where nobody loses against the mark.
Rounding lots by largest remainder, caps down; ties to the lower account id. Who is at or below zero gives nothing,
         unless the price is no loss.
"""

from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.pro_rata import score_of
from stream_engine.core.adl.shares import in_proportion_capped

POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_proportion_capped)
