"""Candidate: a position that may be deleveraged, with the figures by which it is judged.

Figures   of its account at the mark, in micro-quote, when the queue was made.
Order     the higher score first; whoever is at or below zero has no score and stands last; ties go to the lower
          account id, so that two runs over one log deleverage the same people.
Reach     nobody is closed further than the equity reaches.
Rounding  scores down, at 10^-12, so that a tie is a tie.
"""

from collections.abc import Callable

from msgspec import Struct

from stream_engine.core.accounts import Account, equity_behind
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.market import Market
from stream_engine.core.position import Position
from stream_engine.messages.units import MILLION, WIRE_MAX

SCORE_UNIT = 10**12

Markets = dict[str, Market]


class Candidate(Struct, gc=False):
    """A position of the side that is deleveraged. `score` in units of 10^-12.

    pnl, value   of the position; value is its notional.      equity   what stands behind it.
    rank         1 is the first of the queue; 0: not looked at yet.
    through      lots of the queue up to and with it.
    """

    account: Account
    position: Position
    equity: int
    pnl: int
    value: int
    score: int = 0
    rank: int = 0
    through: int = 0


Score = Callable[[Candidate, Markets], int]
Key = tuple[bool, int, int]


def measured(account: Account, position: Position, markets: Markets, score: Score | None) -> Candidate:
    """The candidate at the mark, with its score where the policy has one."""
    market = markets[position.symbol]
    size, equity = position.size, equity_behind(account, position, markets)
    value = size * market.mark * market.tick_value  # written out: asked for of whole sides
    candidate = Candidate(account, position, equity, value - position.cost, value if size > 0 else -value)
    if score is not None and equity > 0:
        candidate.score = score(candidate, markets)
    return candidate


def key_of(candidate: Candidate) -> Key:
    """Sorts the first to be deleveraged first."""
    return candidate.equity <= 0, -candidate.score, candidate.account.number


def score_ppm(candidate: Candidate) -> int:
    """The score as it is published, cut to what the wire carries."""
    return max(-WIRE_MAX, min(WIRE_MAX, div_floor(candidate.score, SCORE_UNIT // MILLION)))


def closable(candidate: Candidate, loss_per_lot: int) -> int:
    """Lots that a candidate can be closed by, losing so much a lot against the mark, without falling below zero."""
    lots = abs(candidate.position.size)
    if loss_per_lot <= 0:
        return lots
    return min(lots, div_floor(max(0, candidate.equity), loss_per_lot))
