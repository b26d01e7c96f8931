"""Lights: what a holder is shown of the place in the queue; five is next to be deleveraged, one is last.

By number     of positions (Binance, whose `adlQuantile` 0 to 4 is one less; Bybit; OKX): the first fifth has five.
By quantity   of lots (BitMEX): up to and with the position, in fifths of the side, rounded up: the first 20 % have
              five. Who alone holds more than 80 % has one, wherever it stands.
Thresholds    the least score with 5, with 4 or more, 3 or more and 2 or more lights; where nobody has so many, the
              largest number there is.
"""

from collections.abc import Sequence

from stream_engine.core.adl.candidate import Candidate, score_ppm
from stream_engine.core.adl.policy import Lights
from stream_engine.core.adl.queue import Queue
from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.messages.units import WIRE_MAX

LIGHTS = 5


def by_number(candidate: Candidate, queue: Queue) -> int:
    """By the share of the positions that stand before it."""
    return lights_of_rank(candidate.rank, queue.positions)


def by_quantity(candidate: Candidate, queue: Queue) -> int:
    """By the share of the lots up to and with it."""
    return lights_of_quantity(candidate.through, queue.lots)


def lights_of_rank(rank: int, positions: int) -> int:
    """Lights of the position at a rank (1 is first) among so many."""
    return LIGHTS - div_floor(LIGHTS * (rank - 1), positions)


def lights_of_quantity(through: int, lots: int) -> int:
    """Lights of the position up to and with which the queue holds so many of all lots."""
    return LIGHTS + 1 - div_ceil(LIGHTS * through, lots)


def thresholds_ppm(ranked: Sequence[Candidate], queue: Queue, lights: Lights | None) -> tuple[int, ...]:
    """The four thresholds; empty for an empty queue and where there are no lights."""
    if not ranked or lights is None:
        return ()
    shown = [(lights(candidate, queue), score_ppm(candidate)) for candidate in ranked]
    # Who has no score stands last, with a 0: the least is not the last.
    return tuple(
        min((score for lit, score in shown if lit >= least), default=WIRE_MAX) for least in range(LIGHTS, 1, -1)
    )
