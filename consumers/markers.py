"""Markers: the few findings of a run that tell its story as it goes.

A marker is the first finding of its kind at the venue, whoever and whatever it is about, and every piece of news,
halts included:
who thins out first, who is gone first, when most are gone, the first liquidation, the fund at half, the first pool
that stops paying, the first pause, the first liquidations that wait for a breaker, the first ADL, who is back first,
and the first book that recovers. Once most makers quote every symbol as usual again, thinning and
leaving are news again; whenever most leave a symbol, so is coming back. None of it comes from a timetable.
"""

from collections.abc import Iterable

from msgspec import Struct

from consumers.figures import clock
from consumers.monitor import Finding, Severity, State

TOLD = frozenset(
    {
        ("maker-thin", State.OPEN),
        ("maker-gone", State.OPEN),
        ("makers-gone", State.OPEN),
        ("liquidations", State.OPEN),
        ("fund-half", State.OPEN),
        ("fund-drawdown", State.OPEN),
        ("paused", State.OPEN),
        ("breaker", State.OPEN),
        ("adl", State.OPEN),
        ("maker-gone", State.CLOSE),
        ("depth-low", State.CLOSE),
    }
)

NEWS = frozenset({"news", "halted"})

LEAVING = frozenset({("maker-thin", State.OPEN), ("maker-gone", State.OPEN), ("makers-gone", State.OPEN)})
RETURNING = frozenset({("maker-gone", State.CLOSE), ("depth-low", State.CLOSE)})


class Marker(Struct, frozen=True):
    """One line of the story; `severity` is that of its finding, nothing graver than a notice when it is good news."""

    ts_us: int
    severity: Severity
    text: str

    @property
    def line(self) -> str:
        """20:41:07 MM4 thins out in TOKEN-PERP."""
        return f"{clock(self.ts_us)} {self.text}"


class Markers:
    """Picks the markers out of the findings, as they come."""

    def __init__(self) -> None:
        self.all: list[Marker] = []
        self._told: set[tuple[str, State]] = set()
        self._thin: set[str | None] = set()

    def take(self, findings: Iterable[Finding]) -> list[Marker]:
        """The markers among these findings."""
        new: list[Marker] = []
        for finding in findings:
            kind = (finding.rule, finding.state)
            if finding.rule == "makers-thin":
                self._follow(finding)
            elif kind == ("makers-gone", State.OPEN):
                self._told -= RETURNING
            if finding.rule in NEWS:
                over = finding.state is State.CLOSE
                new.append(Marker(finding.ts_us, Severity.INFO if over else finding.severity, finding.text))
            elif kind in TOLD and kind not in self._told:
                self._told.add(kind)
                over = finding.state is State.CLOSE
                ts_us = finding.ts_us if over else finding.values.get("since_us", finding.ts_us)
                new.append(Marker(ts_us, Severity.INFO if over else finding.severity, finding.text))
        self.all.extend(new)
        return new

    def _follow(self, finding: Finding) -> None:
        """In which symbols most makers do not quote as usual."""
        if finding.state is State.OPEN:
            self._thin.add(finding.symbol)
        elif finding.state is State.CLOSE:
            self._thin.discard(finding.symbol)
            if not self._thin:
                self._told -= LEAVING
