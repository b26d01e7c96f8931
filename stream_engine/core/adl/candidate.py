"""Candidate: a position that may be deleveraged, with the figures by which it is judged.

Figures   of its account at the mark, in micro-quote, when the queue was made.
Order     the higher score first; whoever is at or below zero has no score and stands last; ties go to the lower
          account id, so that two runs over one log deleverage the same people.
Key       the order as one number, so that a whole side sorts fast: 32 bits for the account below the score.
Reach     nobody is closed further than the equity reaches.
Rounding  scores down, at 10^-12, so that a tie is a tie.
"""

from collections.abc import Callable, Iterator

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

_ACCOUNT_BITS = 32
_ACCOUNT_MASK = (1 << _ACCOUNT_BITS) - 1
# Behind every score: what the wire carries is below 2^53, and no score multiplies more than four of such and its unit.
_LAST = 1 << 320


def measured(account: Account, position: Position, markets: Markets, score: Score | None) -> Candidate:
    """The candidate at the mark, with its score where the policy has one."""
    market = markets[position.symbol]
    size = position.size
    value = size * market.mark * market.tick_value  # written out: asked for of whole sides
    pnl = value - position.cost
    if market.mark and len(account.positions) == 1 and not position.isolated:
        equity = account.wallet + pnl  # what follows comes to the same, and by far the most stand alone
    else:
        equity = equity_behind(account, position, markets)
    candidate = Candidate(account, position, equity, pnl, value if size > 0 else -value)
    if score is not None and equity > 0:
        candidate.score = score(candidate, markets)
    return candidate


def key_of(candidate: Candidate) -> int:
    """Sorts the first to be deleveraged first."""
    if candidate.equity <= 0:
        return _LAST + candidate.account.number
    return (-candidate.score << _ACCOUNT_BITS) + candidate.account.number


def keys_of(
    market: Market, positions: dict[int, Position], accounts: dict[int, Account], markets: Markets, score: Score
) -> Iterator[int]:
    """The key of each of these positions in a market: `measured` and `key_of` in one, for a whole side each minute."""
    mark = market.mark
    a_lot = mark * market.tick_value
    for number, position in positions.items():
        account = accounts[number]
        value = position.size * a_lot
        pnl = value - position.cost
        if mark and len(account.positions) == 1 and not position.isolated:
            equity = account.wallet + pnl
        else:
            equity = equity_behind(account, position, markets)
        if equity <= 0:
            yield _LAST + number
        else:
            candidate = Candidate(account, position, equity, pnl, value if value > 0 else -value)
            yield (-score(candidate, markets) << _ACCOUNT_BITS) + number


def account_at(key: int) -> int:
    """The account whose key it is."""
    return key & _ACCOUNT_MASK


def is_last(key: int) -> bool:
    """Whether it is the key of somebody at or below zero."""
    return key >= _LAST


def score_ppm(candidate: Candidate) -> int:
    """The score as it is published, cut to what the wire carries."""
    return max(-WIRE_MAX, min(WIRE_MAX, div_floor(candidate.score, SCORE_UNIT // MILLION)))


def closable(candidate: Candidate, loss_per_lot: int) -> int:
    """Lots that a candidate can be closed by, losing so much a lot against the mark, without falling below zero."""
    lots = abs(candidate.position.size)
    if loss_per_lot <= 0:
        return lots
    return min(lots, div_floor(max(0, candidate.equity), loss_per_lot))
