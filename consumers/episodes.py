"""Episodes: one alert object with a beginning, updates and an end, instead of a stream of duplicates.

An episode is named after what was seen: rule, whom it concerns, venue, symbol, and the `seq` of the input with which
it began (its onset, which may lie before the moment of knowing: `since_us` among its values).
"""

from collections.abc import Iterator, Mapping

from consumers.monitor import Finding, Severity, State, finding_id
from consumers.paths import MINUTE_US
from stream_engine.messages.events import Event

WAVE_OVER_AFTER_US = 5 * MINUTE_US


class Held:
    """Since when a condition has been met without a break."""

    __slots__ = ("seq", "since_us")

    def __init__(self) -> None:
        self.seq = 0
        self.since_us: int | None = None

    def for_us(self, met: bool, event: Event) -> int:
        """For how long it has been met by now; -1 if it is not."""
        if not met:
            self.since_us = None
            return -1
        if self.since_us is None:
            self.since_us, self.seq = event.ts_us, event.seq
        return event.ts_us - self.since_us

    @property
    def began_us(self) -> int:
        """Since when; asked only of a condition that is met."""
        assert self.since_us is not None
        return self.since_us


class Episode:
    """An open finding, and what it takes to publish its opening, its updates and its end."""

    __slots__ = ("rule", "seq", "severity", "since_us", "subject", "symbol", "venue")

    def __init__(
        self,
        rule: str,
        severity: Severity,
        *,
        venue: str,
        symbol: str | None,
        since_us: int,
        seq: int,
        subject: str = "",
    ) -> None:
        """`since_us` and `seq` are those of the onset."""
        self.rule = rule
        self.severity = severity
        self.venue = venue
        self.symbol = symbol
        self.since_us = since_us
        self.seq = seq
        self.subject = subject

    def opened(self, event: Event, text: str, values: Mapping[str, int]) -> Finding:
        """It has begun, as this event shows."""
        return self._finding(State.OPEN, event, text, values)

    def updated(self, event: Event, text: str, values: Mapping[str, int]) -> Finding:
        """It goes on, and there is something to say."""
        return self._finding(State.UPDATE, event, text, values)

    def closed(self, event: Event, text: str, values: Mapping[str, int]) -> Finding:
        """It is over."""
        return self._finding(State.CLOSE, event, text, values)

    def _finding(self, state: State, event: Event, text: str, values: Mapping[str, int]) -> Finding:
        about = f"{self.rule}/{self.subject}" if self.subject else self.rule
        return Finding(
            id=finding_id(about, self.venue, self.symbol, self.seq),
            rule=self.rule,
            venue=self.venue,
            symbol=self.symbol,
            seq=event.seq,
            ts_us=event.ts_us,
            severity=self.severity,
            state=state,
            text=text,
            values={"since_us": self.since_us, **values},
        )


class Wave:
    """An episode of things that happen again and again: updated at most once a minute, over after 5 without any."""

    __slots__ = ("count", "episode", "newest_us", "notional", "told_us")

    def __init__(self, episode: Episode, event: Event) -> None:
        self.episode = episode
        self.count = 0
        self.notional = 0
        self.newest_us = self.told_us = event.ts_us

    def add(self, event: Event, notional: int, anew: bool = True) -> None:
        """It has happened once more, or (not `anew`) what had happened goes on."""
        self.count += anew
        self.notional += notional
        self.newest_us = event.ts_us

    def opened(self, event: Event, text: str) -> Finding:
        """It has happened for the first time."""
        return self.episode.opened(event, text, self.values)

    def over(self, event: Event) -> bool:
        """Whether it has not happened for long enough."""
        return event.ts_us - self.newest_us >= WAVE_OVER_AFTER_US

    def told(self, event: Event, text: str) -> Iterator[Finding]:
        """At a clock tick: that it is over, or what came since the last update, if anything."""
        if self.over(event):
            yield self.episode.closed(event, f"{text}; none for 5 minutes", self.values)
        elif self.newest_us > self.told_us and event.ts_us - self.told_us >= MINUTE_US:
            self.told_us = event.ts_us
            yield self.episode.updated(event, text, self.values)

    @property
    def values(self) -> dict[str, int]:
        """How often, and how much in micro-quote."""
        return {"count": self.count, "notional": self.notional}
