"""Binance until about 2022 (copied by Aevo, which closes at the mark): profit to wallet, by how near liquidation is.

Rank     PnlPercent = max(0, U) / max(1, wallet), U of the symbol, the wallet in USDT; MarginRatio = MM / (W + U) of the
         account, or of an isolated position with its margin for the wallet; score PnlPercent * MarginRatio. Who does
         not win scores 0.
Price    the bankruptcy price.      Lights   by number of positions.      Share   the queue in full.
Rounding scores down. Who is at or below zero stands last. Ties: the lower account id.
"""

from stream_engine.core.accounts import collateral_behind, standing_behind
from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, Markets
from stream_engine.core.adl.lights import by_number
from stream_engine.core.adl.policy import Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.shares import in_full
from stream_engine.core.arithmetic import div_floor
from stream_engine.messages.units import MILLION


def pnl_percent(unrealised: int, wallet: int) -> int:
    """Profit to wallet in units of 10^-12, from micro-quote; a wallet counts as 1 USDT at least."""
    return div_floor(max(0, unrealised) * SCORE_UNIT, max(MILLION, wallet))


def leveraged_pnl(unrealised: int, wallet: int, maintenance: int, equity: int) -> int:
    """The score in units of 10^-12; equity above zero."""
    return div_floor(max(0, unrealised) * maintenance * SCORE_UNIT, max(MILLION, wallet) * equity)


def score_of(candidate: Candidate, markets: Markets) -> int:
    """The score at the mark."""
    account = candidate.account
    maintenance = standing_behind(account, candidate.position, markets).maintenance
    wallet = collateral_behind(account, candidate.position)
    return leveraged_pnl(candidate.pnl, wallet, maintenance, candidate.equity)


POLICY = Policy(score=score_of, price=bankruptcy_price, share=in_full, lights=by_number)
