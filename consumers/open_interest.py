"""Open interest: contracts of one side, what they are worth at the mark, and which share of the accounts is long."""

from collections.abc import Iterable

from consumers.handlers import Handlers
from consumers.monitor import Finding
from consumers.paths import Path
from stream_engine.messages import events as e
from stream_engine.messages.topics import Topic


class OpenInterest:
    """Paths of open interest by symbol, in lots and in micro-quote at the mark of that moment."""

    name = "open_interest"
    topics = frozenset({Topic.MARKET})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.lots: dict[str, Path] = {}
        self.notional: dict[str, Path] = {}
        self.accounts: dict[str, tuple[int, int]] = {}  # long, short
        self.first_accounts: dict[str, tuple[int, int]] = {}
        self._tick_values: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        self.handlers: Handlers = {
            e.InstrumentListed: self._listed,
            e.MarkPriceChanged: self._marked,
            e.OpenInterestChanged: self._changed,
        }

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue; it finds nothing worth an alert."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    def now(self, symbol: str) -> int | None:
        """Open interest of a symbol at its mark, in micro-quote; None before either is known."""
        lots, mark = self.lots.get(symbol), self._marks.get(symbol)
        if lots is None or lots.last is None or mark is None:
            return None
        return lots.last.value * mark * self._tick_values[symbol]

    def _listed(self, event: e.InstrumentListed) -> Iterable[Finding]:
        self._tick_values[event.instrument.symbol] = event.instrument.tick_value
        return ()

    def _marked(self, event: e.MarkPriceChanged) -> Iterable[Finding]:
        self._marks[event.symbol] = event.mark
        return ()

    def _changed(self, event: e.OpenInterestChanged) -> Iterable[Finding]:
        symbol = event.symbol
        if symbol not in self._tick_values:
            return ()
        self.lots.setdefault(symbol, Path()).put(event.ts_us, event.open_interest)
        self.accounts[symbol] = held = (event.long_accounts, event.short_accounts)
        self.first_accounts.setdefault(symbol, held)
        notional = self.now(symbol)
        if notional is not None:
            self.notional.setdefault(symbol, Path()).put(event.ts_us, notional)
        return ()
