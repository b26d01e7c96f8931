"""Cascade: which liquidations others set off, and whether it grows.

Set off    by cause: the chain of `cause` from a liquidation's beginning leads to another account's liquidation: its
           fills made the mark or the trigger that came next, hit the account's own resting order, or deleveraged it.
           What an account loses by one cause, or by an earlier part of its own liquidation, is one: it goes on with
           what set the first of it off.
           By pressure: no cause, but of the last minute's move against it liquidations made a share (`pressure`); so
           much of it was set off by what was liquidated on that side of the symbol within that minute, by notional.
Generation 0: its cause came from outside (a price that came in, a clock tick, an order). k + 1: by cause of one of k.
           A tree is one of generation 0 and all that follows from it by cause.
R          what the liquidations of a minute set off, by cause or pressure, per notional liquidated in it: over 1 each
           makes more than itself, and it grows. A minute is known when the one after it has ended, so the R of five
           minutes is that of the newest five that are.
Again      of what liquidations came to (not into the book, the fund's payments, deleveraging, broken hedges), the
           share by those that were set off.
Unseen     what people do because of it: the panic of others, a hedger's order, a maker that leaves, an outside price
           that follows, count as outside. So does what the index's own weight or the mean basis brings later than a
           minute. So R leans to the low side.
Counted    as `liquidations` does: a part when it ends, at the mark at which it was taken; what a pool or a vault had
           taken over and then loses has its place in a tree, and no notional.
Findings   cascade, for information: from the first liquidation that another caused, until for 5 minutes there was
           none; an update a minute, with R.
           cascade-grows, for information: R of five minutes over 1, with $100k liquidated in them at least, until it
           was under 0.5 for 5 minutes; an update a minute.
Bound      of the events that may be causes yet the newest 32,768 at least are known, and twice as many at most; what
           is set off by an older one counts as generation 0. Begun late, a monitor knows no earlier causes.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from consumers.broken_hedges import BrokenHedges
from consumers.episodes import WAVE_OVER_AFTER_US, Episode
from consumers.figures import counted, money
from consumers.handlers import Handlers
from consumers.monitor import Finding, Severity
from consumers.paths import MINUTE_US, Moment, Totals
from consumers.pressure import Pressure
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side
from stream_engine.messages.topics import Topic
from stream_engine.messages.units import MILLION

KNOWN_CAUSES = 32_768
FIVE = 5
GROWS_ABOVE_PPM = MILLION
GROWS_UNTIL_PPM = MILLION // 2
GROWS_FROM = 100_000 * MILLION
PEAK_FROM_PPM = 10_000  # a minute with less than a hundredth of it all is no peak


class Tree(Struct, gc=False):
    """A liquidation that nothing before it caused, and all that it caused: when it began, where, and how much it is."""

    ts_us: int
    symbol: str
    positions: int = 0
    notional: int = 0
    deepest: int = 0


class Generation(Struct, gc=False):
    """What was liquidated in it."""

    positions: int = 0
    notional: int = 0


class Taken(Struct, gc=False):
    """A liquidation as it goes on. `set_off`: by the liquidations of which minutes, in ppm of it."""

    ts_us: int
    cause: e.Cause | None
    account: int
    symbol: str
    size: int
    mark: int
    generation: int
    tree: Tree
    set_off: tuple[tuple[int, int], ...]
    set_off_ppm: int


class Amount(Struct, gc=False):
    """Micro-quote, and what of it came by liquidations that were set off."""

    total: int = 0
    again: int = 0
    first_us: int | None = None

    def add(self, ts_us: int, notional: int, set_off_ppm: int) -> None:
        """Some more."""
        self.total += notional
        self.again += notional * set_off_ppm // MILLION
        if self.first_us is None and notional:
            self.first_us = ts_us


class Cascade:
    """How the liquidations of one venue feed themselves."""

    name = "cascade"
    topics = frozenset({Topic.EXECUTIONS, Topic.MARKET, Topic.LIQUIDATIONS, Topic.FUND, Topic.ADL})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.generations: dict[int, Generation] = {}
        self.largest: Tree | None = None
        self.taken = Totals()
        self.set_off = Totals()  # by the minute of those that set it off
        self.caused = Totals()  # of it by cause
        self.first_set_off_us: int | None = None
        self.not_into_book, self.paid_by_fund, self.deleveraged = Amount(), Amount(), Amount()
        self.hedges = BrokenHedges()
        self.r_ppm: int | None = None  # of the newest five minutes that are known, if anything was liquidated in them
        self._pressures: dict[str, Pressure] = {}
        self._tick_values: dict[str, int] = {}
        self._now: Taken | None = None
        self._newer: dict[e.Cause, Taken] = {}
        self._older: dict[e.Cause, Taken] = {}
        self._in_parts: set[tuple[int, str]] = set()
        self._houses: set[int] = set()
        self._minute_us = 0
        self._running: Episode | None = None
        self._newest_us = 0
        self._growing: Episode | None = None
        self._slow_since_us: int | None = None
        self.handlers: Handlers = {
            e.InstrumentListed: self._listed,
            e.SourcePriced: self._priced,
            e.MarkPriceChanged: self._marked,
            e.TradePrinted: self._printed,
            e.Traded: self._traded,
            e.OrderTriggered: self._follows,
            e.LiquidationStarted: self._started,
            e.LiquidationEnded: self._ended,
            e.BackstopTookOver: self._handed_over,
            e.PositionTakenOver: self._inherited,
            e.FundChanged: self._fund_changed,
            e.TrancheCalled: self._follows,
            e.DeleveragingStarted: self._follows,
            e.PositionDeleveraged: self._deleveraged,
            e.LossSocialised: self._follows,
            e.ClockTicked: self._ticked,
        }

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    @property
    def deepest(self) -> int:
        """The last generation."""
        return max(self.generations, default=0)

    @property
    def is_running(self) -> bool:
        """Whether liquidations set off others, or did until a few minutes ago."""
        return self._running is not None

    def reproduction_ppm(self, from_us: int, minutes: int = 1) -> int | None:
        """R of the minutes from one on; None where nothing was liquidated."""
        span = range(from_us, from_us + minutes * MINUTE_US, MINUTE_US)
        taken = sum(self.taken.at(minute_us) for minute_us in span)
        return sum(self.set_off.at(minute_us) for minute_us in span) * MILLION // taken if taken else None

    def peak(self) -> Moment | None:
        """The minute with the highest R, the first of equals, among those in which enough was liquidated."""
        enough = [
            minute_us
            for minute_us, taken in self.taken.minutes.items()
            if taken and taken * MILLION >= self.taken.total * PEAK_FROM_PPM
        ]
        found = [Moment(minute_us, self.reproduction_ppm(minute_us) or 0) for minute_us in enough]
        return min(found, key=lambda moment: (-moment.value, moment.ts_us), default=None)

    # prices and trades ---------------------------------------------------------------------------------------

    def _listed(self, event: e.InstrumentListed) -> Iterable[Finding]:
        self._tick_values[event.instrument.symbol] = event.instrument.tick_value
        self._pressures[event.instrument.symbol] = Pressure(event.instrument)
        return ()

    def _priced(self, event: e.SourcePriced) -> Iterable[Finding]:
        for symbol, ticks in event.prices:
            pressure = self._pressures.get(symbol)
            if pressure is not None and pressure.source == event.source:
                pressure.priced(event.ts_us, ticks)
        return ()

    def _marked(self, event: e.MarkPriceChanged) -> Iterable[Finding]:
        if event.symbol in self._pressures:
            self._pressures[event.symbol].marked(event.ts_us, event.mark)
        return self._follows(event)

    def _printed(self, event: e.TradePrinted) -> Iterable[Finding]:
        if event.symbol in self._pressures:
            sold = event.taker_side is Side.SELL
            self._pressures[event.symbol].traded(event.ts_us, event.size, sold=sold, forced=event.liquidation)
        return ()

    def _traded(self, event: e.Traded) -> Iterable[Finding]:
        if not event.liquidation:
            self.hedges.traded(event, self._tick_values.get(event.symbol, 0))
        return self._follows(event)

    # the tree ------------------------------------------------------------------------------------------------

    def _follows(self, event: e.Event) -> Iterable[Finding]:
        """What a liquidation has caused may cause more."""
        taken = self._origin(event.cause)
        if taken is not None:
            self._know(event, taken)
        return ()

    def _origin(self, cause: e.Cause | None) -> Taken | None:
        """The liquidation that an event belongs to, if any."""
        if cause is None:
            return None
        return self._newer.get(cause) or self._older.get(cause)

    def _know(self, event: e.Event, taken: Taken) -> None:
        if len(self._newer) >= KNOWN_CAUSES:
            self._older, self._newer = self._newer, {}
        self._newer[event.seq, event.n] = taken

    def _started(self, event: e.LiquidationStarted) -> Iterable[Finding]:
        self._now = taken = self._taken(event, event.symbol, event.size, event.mark)
        self._know(event, taken)
        return ()

    def _taken(self, event: e.LiquidationStarted | e.BackstopTookOver, symbol: str, size: int, mark: int) -> Taken:
        origin, before = self._origin(event.cause), self._now
        if origin is None and before is not None and before.account == event.account and before.cause == event.cause:
            origin = before
        if origin is None:
            generation, tree = 0, Tree(event.ts_us, symbol)
            set_off = self._pressed(event.ts_us, symbol, long=size > 0)
        elif origin.account == event.account:
            generation, tree, set_off = origin.generation, origin.tree, origin.set_off
        else:
            generation, tree, set_off = origin.generation + 1, origin.tree, ((origin.ts_us, MILLION),)
        set_off_ppm = sum(ppm for _, ppm in set_off)
        return Taken(
            event.ts_us, event.cause, event.account, symbol, size, mark, generation, tree, set_off, set_off_ppm
        )

    def _pressed(self, ts_us: int, symbol: str, *, long: bool) -> tuple[tuple[int, int], ...]:
        pressure = self._pressures.get(symbol)
        before, within = pressure.parents(ts_us, long=long) if pressure is not None else (0, 0)
        if pressure is None or not before + within:
            return ()
        ppm = pressure.share_ppm(ts_us, long=long)
        earlier = ppm * before // (before + within)
        return (ts_us - MINUTE_US, earlier), (ts_us, ppm - earlier)

    # what it came to -----------------------------------------------------------------------------------------

    def _ended(self, event: e.LiquidationEnded) -> Iterable[Finding]:
        taken = self._now
        if taken is None or (taken.account, taken.symbol) != (event.account, event.symbol):
            return ()  # it began before this monitor did
        elsewhere = event.fund + event.adl + event.deficit + event.taken_over
        return self._count(event, taken, event.book, elsewhere, is_over=not event.left)

    def _handed_over(self, event: e.BackstopTookOver) -> Iterator[Finding]:
        self._houses.add(event.house)
        for symbol, size, mark in event.positions:
            self._now = taken = self._taken(event, symbol, size, mark)
            self._know(event, taken)
            yield from self._count(event, taken, 0, abs(size), is_over=True)

    def _inherited(self, event: e.PositionTakenOver) -> Iterable[Finding]:
        self._houses.add(event.house)
        return self._follows(event)

    def _fund_changed(self, event: e.FundChanged) -> Iterable[Finding]:
        taken = self._now
        if event.change < 0 and taken is not None and taken.account == event.account:
            self.paid_by_fund.add(event.ts_us, -event.change, taken.set_off_ppm)
        return ()

    def _deleveraged(self, event: e.PositionDeleveraged) -> Iterable[Finding]:
        taken = self._now
        if taken is not None and taken.account == event.bankrupt:
            notional = abs(event.size) * event.price * self._tick_values.get(event.symbol, 0)
            self.deleveraged.add(event.ts_us, notional, taken.set_off_ppm)
            self.hedges.deleveraged(event, taken.set_off_ppm)
        return self._follows(event)

    def _count(self, event: e.Event, taken: Taken, book: int, elsewhere: int, *, is_over: bool) -> Iterable[Finding]:
        tick_value = self._tick_values.get(taken.symbol)
        if tick_value is None or taken.account in self._houses:
            return ()
        position = taken.account, taken.symbol
        first = position not in self._in_parts
        (self._in_parts.discard if is_over else self._in_parts.add)(position)
        per_lot = taken.mark * tick_value
        notional = (book + elsewhere) * per_lot
        generation, tree = self.generations.setdefault(taken.generation, Generation()), taken.tree
        for sums in (generation, tree):
            sums.positions += first
            sums.notional += notional
        tree.deepest = max(tree.deepest, taken.generation)
        if self.largest is None or tree.notional > self.largest.notional:
            self.largest = tree
        self._pressures[taken.symbol].liquidated(event.ts_us, notional, long=taken.size > 0)
        self.taken.add(taken.ts_us, notional)
        for minute_us, ppm in taken.set_off:
            if ppm:
                self.set_off.add(minute_us, notional * ppm // MILLION)
                self.first_set_off_us = self.first_set_off_us or event.ts_us
        if taken.generation:
            self.caused.add(taken.set_off[0][0], notional)
        self.not_into_book.add(event.ts_us, elsewhere * per_lot, taken.set_off_ppm)
        self.hedges.liquidated(taken.account, taken.symbol, event.ts_us, notional)
        return self._runs(event, taken) if taken.generation else ()

    # what is told --------------------------------------------------------------------------------------------

    def _runs(self, event: e.Event, taken: Taken) -> Iterable[Finding]:
        self._newest_us = event.ts_us
        if self._running is not None:
            return ()
        self._running = self._episode("cascade", event)
        text = f"liquidations set off liquidations: {taken.symbol} is the first, of generation {taken.generation}"
        return (self._running.opened(event, text, self._values),)

    def _ticked(self, event: e.ClockTicked) -> Iterable[Finding]:
        minute_us = event.ts_us - event.ts_us % MINUTE_US
        if minute_us == self._minute_us:
            return ()
        self._minute_us = minute_us
        self.hedges.forget(event.ts_us)
        return self._minute_over(event) if self.taken.total else ()

    def _minute_over(self, event: e.ClockTicked) -> Iterator[Finding]:
        from_us = self._minute_us - (FIVE + 1) * MINUTE_US
        self.r_ppm = self.reproduction_ppm(from_us, FIVE)
        if self._running is not None:
            if event.ts_us - self._newest_us >= WAVE_OVER_AFTER_US:
                yield self._running.closed(event, f"{self._text}; none set off for 5 minutes", self._values)
                self._running = None
            else:
                yield self._running.updated(event, self._text, self._values)
        yield from self._judge(event, from_us)

    def _judge(self, event: e.ClockTicked, from_us: int) -> Iterator[Finding]:
        r_ppm = self.r_ppm or 0
        if self._growing is None:
            enough = sum(self.taken.at(from_us + at * MINUTE_US) for at in range(FIVE)) >= GROWS_FROM
            if r_ppm > GROWS_ABOVE_PPM and enough:
                self._growing = self._episode("cascade-grows", event)
                yield self._growing.opened(
                    event, f"each liquidation sets off more than itself: {self._text}", self._values
                )
            return
        if r_ppm >= GROWS_UNTIL_PPM:
            self._slow_since_us = None
        elif self._slow_since_us is None:
            self._slow_since_us = event.ts_us
        if self._slow_since_us is not None and event.ts_us - self._slow_since_us >= FIVE * MINUTE_US:
            yield self._growing.closed(event, f"it grows no more: {self._text}", self._values)
            self._growing = self._slow_since_us = None
        else:
            yield self._growing.updated(event, self._text, self._values)

    def _episode(self, rule: str, event: e.Event) -> Episode:
        return Episode(rule, Severity.INFO, venue=self.venue, symbol=None, since_us=event.ts_us, seq=event.seq)

    @property
    def _text(self) -> str:
        r = "R not known yet" if self.r_ppm is None else f"R {self.r_ppm / MILLION:.2f} in 5 minutes"
        largest = self.largest or Tree(0, "")
        return (
            f"{r}; {money(self.set_off.total)} of {money(self.taken.total)} set off so far, down to generation "
            f"{self.deepest}; the largest tree {counted(largest.positions, 'position')}, {money(largest.notional)}"
        )

    @property
    def _values(self) -> dict[str, int]:
        largest = self.largest or Tree(0, "")
        return {
            "r_ppm": self.r_ppm or 0,
            "generations": self.deepest,
            "notional": self.taken.total,
            "set_off": self.set_off.total,
            "caused": self.caused.total,
            "largest_positions": largest.positions,
            "largest_notional": largest.notional,
        }
