"""Queue: one side of a symbol, first to be deleveraged first, ordered only as far as somebody asks.

Ranking   by score, in a heap: made once, in O(n), while marks stay; of the deleveragings of one round only the first
          scores everybody, each later one scores again whom a fill or a payment has touched since. Whoever walks
          far has the rest sorted: popping all would cost more.
Rotation  where a policy has no rank: by account id, from a start.
Holds     whoever walks the queue again meets the same candidates in the same order; a ranking that was refreshed
          walks as one that is made anew.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Protocol

from stream_engine.core.accounts import Account
from stream_engine.core.adl.candidate import Candidate, Markets, Score, account_at, key_of, measured
from stream_engine.core.market import Market
from stream_engine.core.position import Position

POPPED_AT_MOST = 300  # one after the other; then the rest is sorted


class Counted(Protocol):
    """A side of so many positions that hold so many lots."""

    positions: int
    lots: int


class Queue(Counted, Protocol):
    """A side in the order in which it is deleveraged."""

    def __iter__(self) -> Iterator[Candidate]:
        """From the first, with rank and `through` set."""


class Ranking:
    """The longs (+1) or shorts (-1) of a symbol by score, at the marks at which it was made."""

    __slots__ = (
        "_accounts",
        "_candidates",
        "_heap",
        "_market",
        "_markets",
        "_marks",
        "_met",
        "_rest",
        "_score",
        "_sign",
        "lots",
        "positions",
    )  # fmt: skip

    def __init__(
        self, market: Market, sign: int, accounts: dict[int, Account], markets: Markets, score: Score | None
    ) -> None:
        self._market, self._sign, self._accounts, self._markets, self._score = market, sign, accounts, markets, score
        self._marks = _marks(markets)
        self._candidates = {
            number: measured(accounts[number], position, markets, score)
            for number, position in holders(market, sign).items()
        }
        self._heap: list[int] = [key_of(candidate) for candidate in self._candidates.values()]
        heapify(self._heap)
        self._rest: list[int] = []  # sorted, the first one last
        self._met: list[Candidate] = []
        self.positions, self.lots = len(self._candidates), market.open_interest

    def __iter__(self) -> Iterator[Candidate]:
        place = 0
        while place < len(self._met) or self._meet_next():
            yield self._met[place]
            place += 1

    def stands(self, score: Score | None) -> bool:
        """Whether it is by this score, and no mark has moved since it was made."""
        return self._score is score and self._marks == _marks(self._markets)

    def refresh(self, touched: Iterable[int]) -> None:
        """Begin again, with the accounts that were touched since it was made scored again."""
        if self._rest:
            self._heap, self._rest = self._rest[::-1], []
        met, self._met = self._met, []
        for candidate in met:
            candidate.rank = 0
            heappush(self._heap, key_of(candidate))
        held = holders(self._market, self._sign)
        for number in touched:
            position = held.get(number)
            if position is None:
                self._candidates.pop(number, None)
                continue
            before = self._candidates.get(number)
            candidate = measured(self._accounts[number], position, self._markets, self._score)
            self._candidates[number] = candidate
            if before is None or key_of(before) != key_of(candidate):
                heappush(self._heap, key_of(candidate))
        self.positions, self.lots = len(self._candidates), self._market.open_interest

    def _meet_next(self) -> bool:
        if len(self._met) == POPPED_AT_MOST:
            self._heap.sort(reverse=True)
            self._heap, self._rest = [], self._heap
        while self._heap or self._rest:
            key = self._rest.pop() if self._rest else heappop(self._heap)
            candidate = self._candidates.get(account_at(key))
            # Left by whoever was scored again since: another key stands for it, or this one a second time.
            if candidate is None or candidate.rank or key_of(candidate) != key:
                continue
            _enter(candidate, self._met)
            return True
        return False


class Rotation:
    """The longs (+1) or shorts (-1) of a symbol by account id, from a place in that order and round to it."""

    __slots__ = ("_accounts", "_market", "_markets", "_met", "_numbers", "_sign", "lots", "positions")

    def __init__(self, market: Market, sign: int, accounts: dict[int, Account], markets: Markets, start: int) -> None:
        self._market, self._sign, self._accounts, self._markets = market, sign, accounts, markets
        numbers = sorted(holders(market, sign))
        self._numbers = numbers[start:] + numbers[:start]
        self._met: list[Candidate] = []
        self.positions, self.lots = len(numbers), market.open_interest

    def __iter__(self) -> Iterator[Candidate]:
        for place, number in enumerate(self._numbers):
            if place == len(self._met):
                position = self._accounts[number].positions[self._market.instrument.symbol]
                _enter(measured(self._accounts[number], position, self._markets, None), self._met)
            yield self._met[place]


def holders(market: Market, sign: int) -> dict[int, Position]:
    """All who hold one side, by account."""
    return market.longs if sign > 0 else market.shorts


def _enter(candidate: Candidate, met: list[Candidate]) -> None:
    candidate.rank = len(met) + 1
    candidate.through = (met[-1].through if met else 0) + abs(candidate.position.size)
    met.append(candidate)


def _marks(markets: Markets) -> tuple[int, ...]:
    return tuple(market.mark for market in markets.values())
