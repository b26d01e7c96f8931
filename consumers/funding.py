"""Funding: how often it was settled, and what those who paid it paid in all.

Paid       the payments above zero of `FundingPaid`; what is below zero was received by the other side of the position.
Settled    once per symbol and interval.
"""

from collections.abc import Iterable

from consumers.handlers import Handlers
from consumers.monitor import Finding
from stream_engine.messages import events as e
from stream_engine.messages.topics import Topic


class Funding:
    """The funding of one venue, in micro-quote."""

    name = "funding"
    topics = frozenset({Topic.EXECUTIONS, Topic.MARKET})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.settlements = 0
        self.paid = 0
        self.handlers: Handlers = {e.FundingSettled: self._settled, e.FundingPaid: self._paid}

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue; it finds nothing worth an alert."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    def _settled(self, event: e.FundingSettled) -> Iterable[Finding]:
        self.settlements += 1
        return ()

    def _paid(self, event: e.FundingPaid) -> Iterable[Finding]:
        self.paid += sum(change for _, change, _ in event.payments if change > 0)
        return ()
