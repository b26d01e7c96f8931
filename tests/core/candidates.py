"""Candidates for deleveraging without a venue, and a queue of them in the order in which they are given."""

from collections.abc import Iterable

from stream_engine.core.accounts import Account
from stream_engine.core.adl.candidate import Candidate
from stream_engine.core.position import Position


def candidate(
    number: int, size: int = -1, *, equity: int = 1, pnl: int = 0, value: int = 1, cost: int = 0, score: int = 0
) -> Candidate:
    """An account's position of BTC in signed lots, with the figures that a policy asks for."""
    account = Account(number, f"p{number}", wallet=equity - pnl)
    account.positions["BTC"] = Position(number, "BTC", 0, 0, size=size, cost=cost)
    return Candidate(account, account.positions["BTC"], equity, pnl, value, score)


class Ranked(list[Candidate]):
    """A queue in the order given; ranks are set."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        super().__init__(candidates)
        self.positions, self.lots = len(self), 0
        for rank, each in enumerate(self, 1):
            self.lots += abs(each.position.size)
            each.rank, each.through = rank, self.lots
