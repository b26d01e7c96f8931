"""Shares: how many lots each candidate gives; yields (candidate, lots) for those who give any, in the queue's order.

In full         from the first, each as far as its equity reaches, until there are enough.
In proportion   all at once by score within what each can be closed by (water-filling); what the scores leave, those
                who are left give by contracts. So the deficit is the last resort here too.
Capped          by score within caps of the policy's own; what they leave is left.
Rounding        largest remainder, ties to the lower account id.
"""

from collections.abc import Iterable, Iterator

from stream_engine.core.adl.candidate import Candidate, closable
from stream_engine.core.adl.policy import Asked
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.water_filling import water_fill
from stream_engine.messages.units import MILLION


def in_full(queue: Iterable[Candidate], asked: Asked) -> Iterator[tuple[Candidate, int]]:
    """The queue from its head."""
    left = asked.lots
    for candidate in queue:
        lots = min(left, closable(candidate, asked.loss_per_lot))
        if lots:
            left -= lots
            yield candidate, lots
        if not left:
            return


def in_proportion(queue: Iterable[Candidate], asked: Asked) -> Iterator[tuple[Candidate, int]]:
    """By score, then by contracts."""
    candidates = _by_account(queue)
    caps = [closable(candidate, asked.loss_per_lot) for candidate in candidates]
    shares = water_fill(_weights(candidates), caps, asked.lots)
    room = [cap - share for cap, share in zip(caps, shares, strict=True)]
    contracts = [abs(candidate.position.size) for candidate in candidates]
    more = water_fill(contracts, room, asked.lots - sum(shares))
    return _given(candidates, [share + extra for share, extra in zip(shares, more, strict=True)])


def in_proportion_capped(queue: Iterable[Candidate], asked: Asked) -> Iterator[tuple[Candidate, int]]:
    """By score; nobody gives more than `cap_ppm` of the profit, nor falls below `least_equity_quote`."""
    candidates = _by_account(queue)
    caps = [capped(candidate, asked) for candidate in candidates]
    return _given(candidates, water_fill(_weights(candidates), caps, asked.lots))


def capped(candidate: Candidate, asked: Asked) -> int:
    """Lots that a winner gives at most: b = min(cap, 1 - (e_min - c) / w) of its profit w, with its equity c + w."""
    if asked.loss_per_lot <= 0:
        return abs(candidate.position.size)
    affordable = min(
        div_floor(max(0, candidate.pnl) * asked.rules.cap_ppm, MILLION),
        candidate.equity - asked.rules.least_equity_quote,
    )
    return min(closable(candidate, asked.loss_per_lot), div_floor(max(0, affordable), asked.loss_per_lot))


def _by_account(queue: Iterable[Candidate]) -> list[Candidate]:
    return sorted(queue, key=lambda candidate: candidate.account.number)


def _weights(candidates: list[Candidate]) -> list[int]:
    return [max(0, candidate.score) for candidate in candidates]


def _given(candidates: list[Candidate], shares: list[int]) -> Iterator[tuple[Candidate, int]]:
    giving = [(candidate, share) for candidate, share in zip(candidates, shares, strict=True) if share]
    return iter(sorted(giving, key=lambda given: given[0].rank))
