"""Policy: how one venue deleverages. Each is a small file of its own.

rank      by a score, higher first; without one by account id from a start of chance.
price     at which the positions are closed against the bankrupt one.
share     how the lots are shared: the queue in full until the bankrupt position is gone, or all in proportion.
lights    what a holder is shown of the place in the queue, 1 to 5; none: 0.
payers    who carries a loss against the bankruptcy price that the fund does not, before it is the venue's deficit.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from stream_engine.core.adl.candidate import Candidate, Markets, Score
from stream_engine.core.adl.queue import Counted, Queue
from stream_engine.core.market import Market
from stream_engine.core.position import Position
from stream_engine.messages.rules import AdlRules


class Asked(Struct, frozen=True, gc=False):
    """What a side is asked to take: so many lots, each of which loses so much (micro-quote) against the mark."""

    lots: int
    loss_per_lot: int
    markets: Markets
    rules: AdlRules


class Left(Struct, frozen=True, gc=False):
    """What is left of a bankrupt position: signed lots, its bankruptcy price in ticks, and the fund's balance."""

    size: int
    bankruptcy: int
    fund: int


Price = Callable[[Market, Left, AdlRules], int]
Share = Callable[[Queue, Asked], Iterator[tuple[Candidate, int]]]
Lights = Callable[[Candidate, Counted], int]
Payers = Callable[[Position, Market], int]


class Policy(Struct, frozen=True):
    """The five choices; see the head of this file. `payers` weighs a holder of either side."""

    score: Score | None
    price: Price
    share: Share
    lights: Lights | None = None
    payers: Payers | None = None
