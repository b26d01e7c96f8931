"""Fund: what the insurance fund had, was paid, paid, and has; and the deficit that nobody carried.

Ledger     opening (seeded) + surplus + dust - cover - shortfall - debt + what failing makers paid in + what positions
           taken over realised + equity of accounts that vaults took over = closing, to the micro-unit, checked against
           the balance. All pools together. The first payment is the first change below zero, whatever its reason.
Findings   fund-half: below half of its highest balance, until above 70 % of it; fund-empty: below 1 %, until above 5 %;
           fund-drawdown, of each pool: it has lost so much that it no longer pays, until it pays again;
           deficit: a loss was carried by nobody (stays open, updated at most once a minute).
"""

from collections.abc import Iterable, Iterator

from consumers.episodes import Episode
from consumers.figures import money, share
from consumers.handlers import Handlers
from consumers.monitor import Finding, Severity
from consumers.paths import MINUTE_US, Path, Totals
from stream_engine.messages import events as e
from stream_engine.messages.events import FundReason
from stream_engine.messages.topics import Topic

# rule, severity, opens below and closes above so many percent of the highest balance
RULES = (
    ("fund-half", Severity.WARNING, 50, 70),
    ("fund-empty", Severity.CRITICAL, 1, 5),
)


class Fund:
    """The insurance fund and the deficit of one venue."""

    name = "fund"
    topics = frozenset({Topic.FUND})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.balance = Path()
        self.pools: dict[str, int] = {}
        self.by_reason: dict[FundReason, int] = dict.fromkeys(FundReason, 0)
        self.first_payment_us: int | None = None
        self.paid = Totals()
        self.received = Totals()
        self.peak = 0
        self.deficit = 0
        self._open: dict[str, Episode] = {}
        self._deficit_episode: Episode | None = None
        self._deficit_told_us = 0
        self.down: dict[str, Episode] = {}
        self.handlers: Handlers = {
            e.FundChanged: self._changed,
            e.DeficitChanged: self._unpaid,
            e.DrawdownChanged: self._drawn_down,
        }

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    @property
    def opening(self) -> int:
        """What was paid in by the operator."""
        return self.by_reason[FundReason.SEEDED]

    @property
    def closing(self) -> int:
        """The balance after the last change."""
        return self.balance.last.value if self.balance.last else 0

    @property
    def adds_up(self) -> bool:
        """Whether the changes by reason come to the balance."""
        return sum(self.by_reason.values()) == self.closing

    def _changed(self, event: e.FundChanged) -> Iterable[Finding]:
        self.by_reason[event.reason] += event.change
        if event.reason is FundReason.SEEDED and not self.paid.total and not self.received.total:
            self.balance = Path()  # its path begins when it has been paid in wholly
        self.pools[event.pool] = event.balance
        balance = sum(self.pools.values())
        self.balance.put(event.ts_us, balance)
        self.peak = max(self.peak, balance)
        if event.change < 0:
            if self.first_payment_us is None:
                self.first_payment_us = event.ts_us
            self.paid.add(event.ts_us, -event.change)
        elif event.reason is not FundReason.SEEDED:
            self.received.add(event.ts_us, event.change)
        return self._judge(event, balance)

    def _judge(self, event: e.FundChanged, balance: int) -> Iterator[Finding]:
        peak = self.peak
        values = {"balance": balance, "peak": peak}
        for rule, severity, below, above in RULES:
            episode = self._open.get(rule)
            percent = share(balance, peak) or 0.0
            text = f"insurance fund at {money(balance)}, {percent:.1f} % of its highest {money(peak)}"
            if episode is None and 100 * balance < below * peak:
                self._open[rule] = episode = Episode(
                    rule, severity, venue=self.venue, symbol=None, since_us=event.ts_us, seq=event.seq
                )
                yield episode.opened(event, text, values)
            elif episode is not None and 100 * balance > above * peak:
                del self._open[rule]
                yield episode.closed(event, text, values)

    def _drawn_down(self, event: e.DrawdownChanged) -> Iterable[Finding]:
        values = {"worth": event.worth, "reference": event.reference}
        percent = f"{abs(event.ratio_ppm) / 10_000:.1f} % {'below' if event.ratio_ppm <= 0 else 'above'}"
        text = f"pool {event.pool} at {money(event.worth)}, {percent} its reference"
        if event.on:
            self.down[event.pool] = episode = Episode(
                "fund-drawdown",
                Severity.CRITICAL,
                venue=self.venue,
                symbol=None,
                since_us=event.ts_us,
                seq=event.seq,
                subject=event.pool,
            )
            return (episode.opened(event, f"{text}: it stops paying", values),)
        began = self.down.pop(event.pool, None)
        return (began.closed(event, f"{text}: it pays again", values),) if began else ()

    def _unpaid(self, event: e.DeficitChanged) -> Iterable[Finding]:
        self.deficit = event.total
        text = f"deficit {money(event.total)}: a loss that neither fund nor deleveraging carried"
        episode = self._deficit_episode
        if episode is None:
            self._deficit_episode = episode = Episode(
                "deficit", Severity.CRITICAL, venue=self.venue, symbol=None, since_us=event.ts_us, seq=event.seq
            )
            self._deficit_told_us = event.ts_us
            return (episode.opened(event, text, {"total": event.total}),)
        if event.ts_us - self._deficit_told_us >= MINUTE_US:
            self._deficit_told_us = event.ts_us
            return (episode.updated(event, text, {"total": event.total}),)
        return ()
