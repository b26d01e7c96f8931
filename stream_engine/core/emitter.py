"""Emitter: numbers the events of one input.

Holds     an event's `n` is its place among its input's events, from 0, without a gap.
"""

from collections.abc import Callable
from typing import TypeVarTuple

from stream_engine.messages.events import AnyEvent, Cause

Fields = TypeVarTuple("Fields")


class Emitter:
    """The events of the input that is being applied."""

    __slots__ = ("events", "now_us", "seq", "venue")

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.seq = -1
        self.now_us = 0
        self.events: list[AnyEvent] = []

    def begin(self, now_us: int) -> None:
        """Start on the next input, at the venue's time."""
        self.seq += 1
        self.now_us = now_us
        self.events = []

    def emit(
        self,
        kind: Callable[[str, int, int, int, Cause | None, *Fields], AnyEvent],
        cause: Cause | None,
        *fields: *Fields,
    ) -> Cause:
        """Append an event of a kind, set off by `cause`; returns its own identity, for what it sets off in turn."""
        events = self.events
        n = len(events)
        events.append(kind(self.venue, self.seq, n, self.now_us, cause, *fields))
        return self.seq, n
