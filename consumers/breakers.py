"""Breakers: which symbols are paused, which liquidations wait, and what the waiting cost or saved whoever liquidates.

Counted    each pause, each time that a breaker held liquidations up, for how long, and the change of what those who
           fell meanwhile owed beyond their margin: above zero the delay cost so much, below zero it saved it.
Findings   paused, per symbol: nothing trades, until the call has reopened it; breaker, per symbol and kind:
           liquidations wait, until none has waited for 5 minutes; an update a minute.
"""

from collections.abc import Iterable, Iterator

from consumers.episodes import Episode, Wave
from consumers.figures import duration, money, price_text
from consumers.handlers import Handlers
from consumers.monitor import Finding, Severity
from stream_engine.messages import events as e
from stream_engine.messages.events import Breaker
from stream_engine.messages.instrument import Instrument
from stream_engine.messages.topics import Topic

WHY = {
    Breaker.BAND: "the price band lets nothing trade",
    Breaker.THROTTLE: "they have had their share of the volume",
    Breaker.DIVERGENCE: "last and index are too far apart",
    Breaker.STALL: "an outside source is silent",
}


class Breakers:
    """The circuit breakers of one venue."""

    name = "breakers"
    topics = frozenset({Topic.MARKET})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.pauses = 0
        self.held_up = dict.fromkeys(Breaker, 0)
        self.waited_us = 0
        self.delay_cost = 0
        self.first_pause_us: int | None = None
        self.first_held_up_us: int | None = None
        self.paused: dict[str, Episode] = {}
        self.waiting: set[tuple[str, Breaker]] = set()
        self._waves: dict[tuple[str, Breaker], Wave] = {}
        self._instruments: dict[str, Instrument] = {}
        self.handlers: Handlers = {
            e.InstrumentListed: self._listed,
            e.TradingPaused: self._paused,
            e.TradingReopened: self._reopened,
            e.BreakerTripped: self._tripped,
            e.BreakerReleased: self._released,
            e.ClockTicked: self._ticked,
        }

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    def _listed(self, event: e.InstrumentListed) -> Iterable[Finding]:
        self._instruments[event.instrument.symbol] = event.instrument
        return ()

    def _paused(self, event: e.TradingPaused) -> Iterable[Finding]:
        self.pauses += 1
        if self.first_pause_us is None:
            self.first_pause_us = event.ts_us
        self.paused[event.symbol] = episode = self._episode("paused", event, event.symbol)
        lower, upper = self._price(event.symbol, event.lower), self._price(event.symbol, event.upper)
        values = {"lower": event.lower, "upper": event.upper, "until_us": event.until_us}
        return (episode.opened(event, f"{event.symbol}: trading pauses, nothing trades in {lower} to {upper}", values),)

    def _reopened(self, event: e.TradingReopened) -> Iterable[Finding]:
        episode = self.paused.pop(event.symbol, None)
        if episode is None:  # paused before the oldest event that is kept
            return ()
        at = f" at {self._price(event.symbol, event.price)}" if event.price else ", nothing crossed"
        text = f"{event.symbol}: trading reopens after {duration(event.ts_us - episode.since_us)}{at}"
        return (episode.closed(event, text, {"price": event.price}),)

    def _tripped(self, event: e.BreakerTripped) -> Iterable[Finding]:
        self.held_up[event.breaker] += 1
        if self.first_held_up_us is None:
            self.first_held_up_us = event.ts_us
        held = event.symbol, event.breaker
        self.waiting.add(held)
        wave = self._waves.get(held)
        if wave is not None:
            wave.add(event, 0)
            return ()
        wave = Wave(self._episode("breaker", event, event.symbol, event.breaker.value), event)
        self._waves[held] = wave
        wave.add(event, 0)
        return (wave.opened(event, f"{event.symbol}: liquidations wait, {WHY[event.breaker]}"),)

    def _released(self, event: e.BreakerReleased) -> Iterable[Finding]:
        held, cost = (event.symbol, event.breaker), event.shortfall_after - event.shortfall_before
        self.waited_us += event.waited_us
        self.delay_cost += cost
        self.waiting.discard(held)
        wave = self._waves.get(held)
        if wave is not None:  # else it began before the oldest event that is kept
            wave.add(event, cost, anew=False)
        return ()

    def _ticked(self, event: e.ClockTicked) -> Iterable[Finding]:
        return self._waves_at(event) if self._waves else ()

    def _waves_at(self, event: e.ClockTicked) -> Iterator[Finding]:
        for (symbol, breaker), wave in list(self._waves.items()):
            if (symbol, breaker) in self.waiting:
                continue
            owed = f"{money(-wave.notional)} less" if wave.notional < 0 else f"{money(wave.notional)} more"
            times = "once" if wave.count == 1 else f"{wave.count:,} times"
            text = f"{symbol}: liquidations have waited {times}, {WHY[breaker]}; {owed} was owed in the end"
            yield from wave.told(event, text)
            if wave.over(event):
                del self._waves[symbol, breaker]

    def _episode(self, rule: str, event: e.Event, symbol: str, subject: str = "") -> Episode:
        return Episode(
            rule,
            Severity.WARNING,
            venue=self.venue,
            symbol=symbol,
            since_us=event.ts_us,
            seq=event.seq,
            subject=subject,
        )

    def _price(self, symbol: str, ticks: int) -> str:
        instrument = self._instruments.get(symbol)
        return price_text(instrument, ticks) if instrument else f"{ticks:,} ticks"
