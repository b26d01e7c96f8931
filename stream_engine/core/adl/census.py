"""Census: one side of a symbol, all of it by rank, for whoever is to say what a rank or a light takes.

Order     that of the queue (candidate), sorted once; only whom somebody asks for is made a candidate again.
Holds     the candidate at a place is the one that a walk of the ranking meets there, at the same marks.
"""

from itertools import accumulate

from stream_engine.core.accounts import Account
from stream_engine.core.adl.candidate import Candidate, Markets, Score, account_at, keys_of, measured
from stream_engine.core.adl.queue import holders
from stream_engine.core.market import Market


class Census:
    """The longs (+1) or shorts (-1) of a symbol by score; it stands while nobody trades and no mark moves.

    Where it `counts_lots` its candidates have `through`, which costs a look at everybody in the order of rank.
    """

    __slots__ = ("_accounts", "_held", "_keys", "_markets", "_score", "_through", "lots", "positions")

    def __init__(
        self,
        market: Market,
        sign: int,
        accounts: dict[int, Account],
        markets: Markets,
        score: Score,
        counts_lots: bool,
    ) -> None:
        held = holders(market, sign)
        self._held, self._accounts, self._markets, self._score = held, accounts, markets, score
        self._keys = sorted(keys_of(market, held, accounts, markets, score))
        sizes = [abs(held[account_at(key)].size) for key in self._keys] if counts_lots else []
        self._through = list(accumulate(sizes))
        self.positions, self.lots = len(held), market.open_interest

    def __len__(self) -> int:
        return self.positions

    def __getitem__(self, place: int) -> Candidate:
        """The candidate at a place from 0, with its rank set."""
        number = account_at(self._keys[place])
        candidate = measured(self._accounts[number], self._held[number], self._markets, self._score)
        candidate.rank = place + 1
        if self._through:
            candidate.through = self._through[place]
        return candidate
