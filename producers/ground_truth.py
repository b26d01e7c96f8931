"""Ground truth: what no participant knows of itself, told at the end of a run from the run's own events.

Depth     what all makers' quotes have within 1 % of mid, both sides, price times size, at each clock tick. Mid lies
          halfway between their best bid and ask; while a side is empty, where it last was. Nobody else's orders count:
          an abuser's must not hide that the makers are gone.
Normal    the median of the ticks before the first news; where these are less than a minute, or there is none, of the
          first ten minutes. What comes later is held against it, and does not change it.
Episode   from the first tick of a minute under half of normal to the first tick of a minute at half or above.
          A run may end in one. Who was out meanwhile, and how that came, is known from the makers' own labels.
Agreed    withdrawals of the mode coordinated, by two makers or more within ten minutes of the first of them.
Quick     a level of a maker's quote that stood for less than two seconds and was taken away, not filled. Told of each
          maker, symbol and minute where there are more than `MANY_QUICK`: lawful, however many.
Holds     no participant is given any of this while the run goes; the same events give the same labels. It listens as a
          monitor does, and finds nothing.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median_low
from typing import Any

from msgspec import Struct

from producers.labels import (
    AnyLabel,
    BenignOutage,
    Coordinated,
    DepthEpisode,
    LawfulQuickCancels,
    Mode,
    ReEntry,
    Withdrawal,
)
from stream_engine.messages.events import (
    AccountsOpened,
    AnyEvent,
    ClockTicked,
    Event,
    InstrumentListed,
    NewsPublished,
    QuoteAccepted,
    QuoteCancelled,
    Traded,
)
from stream_engine.messages.inputs import Level, Side
from stream_engine.messages.topics import Topic

MINUTE_US = 60_000_000
NORMAL_FOR_US = 10 * MINUTE_US
LASTS_US = MINUTE_US
TOGETHER_US = 10 * MINUTE_US
TOGETHER = 3
QUICK_US = 2_000_000
MANY_QUICK = 100


class Low(Struct, frozen=True):
    """A time of little depth: its bounds (no end: it outlasts the run) and its least, the first of equals."""

    from_us: int
    to_us: int | None
    trough: int
    trough_us: int


class GroundTruth:
    """The makers' quotes of one venue, and what they came to."""

    name = "ground-truth"
    topics = frozenset({Topic.EXECUTIONS, Topic.MARKET})

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self._names: dict[int, str] = {}
        self._books: dict[str, _Book] = {}
        self._news_us: int | None = None
        self._quick: Counter[tuple[int, int, str]] = Counter()  # by minute, account and symbol
        self._on: dict[type[Event], Callable[[Any], None]] = {
            InstrumentListed: self._listed,
            AccountsOpened: self._opened,
            QuoteAccepted: self._quoted,
            QuoteCancelled: self._unquoted,
            Traded: self._traded,
            NewsPublished: self._news,
            ClockTicked: self._ticked,
        }

    def observe(self, event: AnyEvent) -> tuple[()]:
        """Take one event of the venue; there is nothing to be told yet."""
        handler = self._on.get(type(event))
        if handler is not None and event.venue == self.venue:
            handler(event)
        return ()

    def labels(self, told: Iterable[AnyLabel]) -> list[AnyLabel]:
        """What the whole shows; `told` is what the participants say of themselves."""
        here = [label for label in told if label.venue == self.venue]
        found: list[AnyLabel] = []
        for symbol, book in self._books.items():
            normal = book.normal(self._news_us)
            absences = absences_of([label for label in here if label.symbol == symbol])
            found += agreed(self.venue, symbol, [label for label in here if isinstance(label, Withdrawal)])
            for low in lows(book.times, book.depths, normal):
                found.append(_episode(self.venue, symbol, normal, low, absences))
        for (minute, account, symbol), count in self._quick.items():
            if count > MANY_QUICK:
                from_us, name = minute * MINUTE_US, self._names[account]
                found.append(LawfulQuickCancels(from_us, self.venue, name, symbol, count, from_us + MINUTE_US))
        return found

    def _listed(self, event: InstrumentListed) -> None:
        self._books[event.instrument.symbol] = _Book(event.instrument.tick_value)

    def _opened(self, event: AccountsOpened) -> None:
        self._names.update(event.accounts)

    def _quoted(self, event: QuoteAccepted) -> None:
        book = self._books[event.symbol]
        self._replace(book, event.account, event.symbol, event.ts_us, event.bids, event.asks)

    def _unquoted(self, event: QuoteCancelled) -> None:
        self._replace(self._books[event.symbol], event.account, event.symbol, event.ts_us, (), ())

    def _replace(
        self, book: "_Book", account: int, symbol: str, now_us: int, bids: Sequence[Level], asks: Sequence[Level]
    ) -> None:
        quote = book.quotes.get(account)
        if quote is None:
            quote = book.quotes[account] = _Quote({}, {}, {}, 0)
        before, since = quote.since, dict.fromkeys([price for price, _ in (*bids, *asks)], now_us)
        if now_us - quote.quoted_us < QUICK_US:
            # Only what came with its last quotes can be so young; what stands longer is not looked through each time.
            for price, at_us in before.items():
                if price in since:
                    since[price] = at_us
                elif now_us - at_us < QUICK_US:
                    self._quick[now_us // MINUTE_US, account, symbol] += 1
        else:
            since.update((price, at_us) for price, at_us in before.items() if price in since)
        quote.bids, quote.asks, quote.since, quote.quoted_us = dict(bids), dict(asks), since, now_us
        book.changed = True

    def _traded(self, event: Traded) -> None:
        book = self._books[event.symbol]
        quote = book.quotes.get(event.maker)
        if quote is None:
            return
        side = quote.asks if event.taker_side is Side.BUY else quote.bids
        if event.price not in side:  # an order of the maker's own
            return
        book.changed = True
        if event.maker_left:
            side[event.price] = event.maker_left
        else:
            del side[event.price]
            quote.since.pop(event.price, None)

    def _news(self, event: NewsPublished) -> None:
        if self._news_us is None:
            self._news_us = event.ts_us

    def _ticked(self, event: ClockTicked) -> None:
        for book in self._books.values():
            book.sample(event.ts_us)


class Absence(Struct, frozen=True):
    """A maker's time out (no end: it did not come back), and how it came."""

    maker: str
    from_us: int
    to_us: int | None
    mode: Mode


def lows(times: Sequence[int], depths: Sequence[int], normal: int) -> list[Low]:
    """The episodes of little depth among samples in the order of time."""
    found: list[Low] = []
    began: int | None = None  # where the episode that is open began
    turned: int | None = None  # since where the samples have been on the other side
    for at, depth in enumerate(depths):
        under = 2 * depth < normal
        if under == (began is not None):
            turned = None
            continue
        turned = at if turned is None else turned
        if times[at] - times[turned] < LASTS_US:
            continue
        if began is None:
            began = turned
        else:
            found.append(_low(times, depths, began, turned))
            began = None
        turned = None
    if began is not None:
        found.append(_low(times, depths, began, None))
    return found


def absences_of(labels: Iterable[AnyLabel]) -> list[Absence]:
    """Who was out when, on one symbol of one venue, in the order in which they left."""
    found: list[Absence] = []
    out: dict[str, tuple[int, Mode, int | None]] = {}  # since when, how, and the end that was known then
    for label in sorted(labels, key=lambda label: label.ts_us):
        name = label.participant
        if isinstance(label, Withdrawal | BenignOutage | ReEntry) and name in out:
            from_us, mode, _ = out.pop(name)
            found.append(Absence(name, from_us, label.ts_us, mode))
        if isinstance(label, Withdrawal):
            out[name] = (label.ts_us, label.mode, None)
        elif isinstance(label, BenignOutage):
            out[name] = (label.ts_us, Mode.OUTAGE, label.to_us)
    found += [Absence(name, from_us, to_us, mode) for name, (from_us, mode, to_us) in out.items()]
    return sorted(found, key=lambda absence: (absence.from_us, absence.maker))


def agreed(venue: str, symbol: str, withdrawals: Iterable[Withdrawal]) -> list[Coordinated]:
    """The agreed withdrawals on a symbol, each with those who followed the signal."""
    groups: list[list[Withdrawal]] = []
    for label in sorted(withdrawals, key=lambda label: (label.ts_us, label.participant)):
        if label.mode is not Mode.COORDINATED or label.symbol != symbol:
            continue
        if not groups or label.ts_us - groups[-1][0].ts_us > TOGETHER_US:
            groups.append([])
        groups[-1].append(label)
    found = []
    for group in groups:
        actors = tuple(dict.fromkeys(label.participant for label in group))
        if len(actors) > 1:
            found.append(Coordinated(group[0].ts_us, venue, "", symbol, group[0].reason, actors, group[-1].ts_us))
    return found


class _Quote(Struct):
    """What rests of a maker's quote, lots by price; since when each price has stood; when it was last made anew."""

    bids: dict[int, int]
    asks: dict[int, int]
    since: dict[int, int]
    quoted_us: int


class _Book:
    """The quotes on one symbol by account, and their depth at each tick since the first of them."""

    def __init__(self, tick_value: int) -> None:
        self.quotes: dict[int, _Quote] = {}
        self.times, self.depths = array("q"), array("q")
        self.changed = False
        self._tick_value = tick_value
        self._mid2 = 0

    def sample(self, now_us: int) -> None:
        """Keep what is there at a tick."""
        if self.quotes:
            depth = self._depth() if self.changed or not self.depths else self.depths[-1]
            self.times.append(now_us)
            self.depths.append(depth)
            self.changed = False

    def normal(self, news_us: int | None) -> int:
        """The depth that the rest is held against; 0 where nobody quoted."""
        if not self.times:
            return 0
        begin_us = self.times[0]
        until_us = begin_us + NORMAL_FOR_US if news_us is None or news_us - begin_us < MINUTE_US else news_us
        return median_low(depth for at, depth in zip(self.times, self.depths, strict=True) if at <= until_us)

    def _depth(self) -> int:
        """Micro-quote within 1 % of mid; half a tick of mid is kept, the band's bounds lie inside it."""
        bids = [max(quote.bids) for quote in self.quotes.values() if quote.bids]
        asks = [min(quote.asks) for quote in self.quotes.values() if quote.asks]
        if bids and asks:
            self._mid2 = max(bids) + min(asks)
        low, high = -(-99 * self._mid2 // 200), 101 * self._mid2 // 200
        lots = 0
        for quote in self.quotes.values():
            lots += sum(price * size for price, size in quote.bids.items() if price >= low)
            lots += sum(price * size for price, size in quote.asks.items() if price <= high)
        return lots * self._tick_value


def _low(times: Sequence[int], depths: Sequence[int], first: int, end: int | None) -> Low:
    trough = min(range(first, len(depths) if end is None else end), key=depths.__getitem__)
    return Low(times[first], None if end is None else times[end], depths[trough], times[trough])


def _episode(venue: str, symbol: str, normal: int, low: Low, absences: Sequence[Absence]) -> DepthEpisode:
    out = [
        absence
        for absence in absences
        if (low.to_us is None or absence.from_us < low.to_us) and (absence.to_us is None or absence.to_us > low.from_us)
    ]
    modes = {absence.mode for absence in out}
    mode = Mode.INDEPENDENT
    if Mode.COORDINATED in modes:
        mode = Mode.COORDINATED
    elif modes == {Mode.OUTAGE}:
        mode = Mode.OUTAGE
    return DepthEpisode(
        low.from_us, venue, "", symbol, normal, low.trough, low.trough_us,
        tuple(dict.fromkeys(absence.maker for absence in out)), mode, _together(out), low.to_us,
    )  # fmt: skip


def _together(absences: Sequence[Absence]) -> bool:
    """Whether enough different makers left within the time, outages not counted."""
    left = [absence for absence in absences if absence.mode is not Mode.OUTAGE]
    return any(
        len({each.maker for each in left[at:] if each.from_us - first.from_us <= TOGETHER_US}) >= TOGETHER
        for at, first in enumerate(left)
    )
