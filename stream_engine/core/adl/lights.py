"""Lights: what a holder is shown of the place in the queue; five is next to be deleveraged, one is last.

By number     of positions (Binance, whose `adlQuantile` 0 to 4 is one less; Bybit; OKX): the first fifth has five.
By quantity   of lots (BitMEX): up to and with the position, in fifths of the side, rounded up: the first 20 % have
              five. Who alone holds more than 80 % has one, wherever it stands.
Thresholds    the least score with 5, with 4 or more, 3 or more and 2 or more lights; where nobody has so many, the
              largest number there is.
"""

from bisect import bisect_left, bisect_right
from typing import Protocol

from stream_engine.core.adl.candidate import Candidate, score_ppm
from stream_engine.core.adl.policy import Lights
from stream_engine.core.adl.queue import Counted
from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.messages.units import WIRE_MAX

LIGHTS = 5


class Ranked(Counted, Protocol):
    """A side by rank, from place 0."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Candidate: ...


def by_number(candidate: Candidate, queue: Counted) -> int:
    """By the share of the positions that stand before it."""
    return lights_of_rank(candidate.rank, queue.positions)


def by_quantity(candidate: Candidate, queue: Counted) -> int:
    """By the share of the lots up to and with it."""
    return lights_of_quantity(candidate.through, queue.lots)


def lights_of_rank(rank: int, positions: int) -> int:
    """Lights of the position at a rank (1 is first) among so many."""
    return LIGHTS - div_floor(LIGHTS * (rank - 1), positions)


def lights_of_quantity(through: int, lots: int) -> int:
    """Lights of the position up to and with which the queue holds so many of all lots."""
    return LIGHTS + 1 - div_ceil(LIGHTS * through, lots)


def thresholds_ppm(ranked: Ranked, lights: Lights | None) -> tuple[int, ...]:
    """The four thresholds; empty for an empty queue and where there are no lights.

    Nobody has more lights than who stands before, so each begins at a place that is found by halving.
    """
    positions = len(ranked)
    if not positions or lights is None:
        return ()

    def lit_less(place: int) -> int:
        return -lights(ranked[place], ranked)

    places = range(positions)
    solvent = bisect_left(places, True, key=lambda place: ranked[place].equity <= 0)
    with_as_many = [bisect_right(places, -least, key=lit_less) for least in range(LIGHTS, 1, -1)]
    return tuple(_least_of_first(ranked, many, solvent) for many in with_as_many)


def _least_of_first(ranked: Ranked, many: int, solvent: int) -> int:
    """The least score of so many from the first; who has no score stands last, with a 0: the least is not the last."""
    if not many:
        return WIRE_MAX
    least = score_ppm(ranked[min(many, solvent) - 1]) if solvent else 0
    return least if many <= solvent else min(least, 0)
