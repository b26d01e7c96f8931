"""Board: the monitors of one venue as one, for whoever needs them all (terminal, summary).

Each event goes to the monitors that take its type, depth before market makers, so that each tick is judged on its own
sample. Findings are kept in their order. Where only some monitors are to tell, the others watch all the same: one goes
by what another has seen.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from consumers.adl import Adl
from consumers.breakers import Breakers
from consumers.cascade import Cascade
from consumers.depth import Depth
from consumers.fund import Fund
from consumers.funding import Funding
from consumers.liquidations import Liquidations
from consumers.market_makers import MarketMakers
from consumers.monitor import Finding
from consumers.open_interest import OpenInterest
from consumers.prices import Prices
from stream_engine.messages import events as e
from stream_engine.messages.topics import OUTPUT

MONITORS = (
    "prices",
    "depth",
    "market_makers",
    "liquidations",
    "fund",
    "adl",
    "cascade",
    "open_interest",
    "funding",
    "breakers",
)


class Board:
    """A monitor made of monitors."""

    name = "board"
    topics = frozenset(OUTPUT)

    def __init__(self, venue: str, telling: Collection[str] | None = None) -> None:
        """`telling`: the monitors whose findings are told, by name; None: all."""
        self.venue = venue
        self.prices = Prices(venue)
        self.depth = Depth(venue)
        self.market_makers = MarketMakers(venue, self.depth)
        self.liquidations = Liquidations(venue)
        self.fund = Fund(venue)
        self.adl = Adl(venue, self.market_makers)
        self.cascade = Cascade(venue)
        self.open_interest = OpenInterest(venue)
        self.funding = Funding(venue)
        self.breakers = Breakers(venue)
        self.findings: list[Finding] = []
        self._takers: dict[type[e.Event], list[tuple[bool, Callable[[Any], Iterable[Finding]]]]] = {}
        for monitor in (
            self.prices,
            self.depth,
            self.market_makers,
            self.liquidations,
            self.fund,
            self.adl,
            self.cascade,
            self.open_interest,
            self.funding,
            self.breakers,
        ):
            tells = telling is None or monitor.name in telling
            for event_type, handler in monitor.handlers.items():
                self._takers.setdefault(event_type, []).append((tells, handler))

    @property
    def now_us(self) -> int:
        """The venue's time at the last tick."""
        return self.prices.now_us

    @property
    def symbols(self) -> list[str]:
        """In the order of their listing."""
        return list(self.prices.instruments)

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        takers = self._takers.get(type(event))
        if not takers or event.venue != self.venue:
            return ()
        found: list[Finding] = []
        for tells, take in takers:
            findings = list(take(event))
            if tells:
                found.extend(findings)
        self.findings.extend(found)
        return found
