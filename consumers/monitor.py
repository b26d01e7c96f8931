"""Monitor: the thinking part of a consumer, and what it finds.

Decides   from the events in their order what is worth telling: a finding, which goes to `alerts`.
Holds     no clock, no I/O: the same events give the same findings, ids included, so that one that comes again after
          a restart can be recognised.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

from msgspec import Struct

from stream_engine.messages.events import AnyEvent
from stream_engine.messages.topics import Topic
from stream_engine.messages.units import Count, Micros, Name, Text


class Severity(Enum):
    """How much a finding matters: the ladder of the alerts."""

    INFO = "info"
    WATCH = "watch"
    WARNING = "warning"
    CRITICAL = "critical"


class State(Enum):
    """Where a finding stands: it is opened once, updated at will, closed once, always under the same id."""

    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"


class Finding(Struct, frozen=True, omit_defaults=True):
    """Something a person should know.

    id          derives from what was seen, see `finding_id`.
    symbol      none: it concerns the venue as a whole.
    seq, ts_us  the input and the venue time of the event that made the monitor speak.
    text        one sentence in decimals, for a person.      values   the figures behind it, on the wire's scale.
    """

    id: str
    rule: Name
    venue: Name
    symbol: Name | None
    seq: Count
    ts_us: Micros
    severity: Severity
    state: State
    text: Text
    values: dict[str, int] = {}


def finding_id(rule: str, venue: str, symbol: str | None, onset_seq: int) -> str:
    """The id of a finding: its rule, where, and the input at which it began."""
    return f"{rule}/{venue}/{symbol or '*'}/{onset_seq}"


class Monitor(Protocol):
    """What a runner needs of a monitor.

    name        who it is; monitors are asked in the order of their names.
    venue       the one that it watches; None: it is given the events of all.
    topics      the output topics that it listens to.
    """

    @property
    def name(self) -> str: ...

    @property
    def venue(self) -> str | None: ...

    @property
    def topics(self) -> frozenset[Topic]: ...

    def observe(self, event: AnyEvent) -> Iterable[Finding]:
        """What this event tells; events come in the order of `(ts_us, venue, seq, n)`."""
        ...
