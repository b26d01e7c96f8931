"""Market makers: who quotes, who has thinned out, who is gone, who is back; in which order, and for how long.

Of each maker and symbol, at each clock tick, against its own normal (median of 60 minutes, frozen while it does
not quote as usual):
  quoting   it stands on both sides, with its normal depth
  thin      its two-sided 1 % depth is under 60 % of its normal, for 30 s; quoting again from 70 %, for a minute
  gone      for 10 s it does not stand on both sides at all; the time out counts from the first of these seconds
  back      it stands on both sides again, for 30 s; quoting from 70 % of its normal, for a minute
Beside these it may be wide: its own spread over 1.5 times its normal, for 30 s; until under 1.2 times for a minute.
A state begins when its condition began, not when it had held long enough; of most makers, when that of the maker
began that makes them most.

Findings  maker-thin, maker-gone (closed when back); and of more than half of a symbol's makers at once: makers-wide,
          makers-thin (they do not quote as usual, for whatever reason), makers-gone.
Holds     observed after `Depth`, whose samples it reads: the board sees to it.
"""

from collections.abc import Iterable, Iterator
from enum import Enum

from msgspec import Struct

from consumers.depth import Depth, MakerDepth
from consumers.episodes import Episode, Held
from consumers.figures import duration, money, ordinal, share
from consumers.handlers import Handlers
from consumers.monitor import Finding, Severity
from consumers.paths import MINUTE_US, SECOND_US, Normal
from stream_engine.messages import events as e
from stream_engine.messages.topics import Topic

THIN_PERCENT = 60
THIN_FOR_US = 30 * SECOND_US
FULL_PERCENT = 70
FULL_FOR_US = MINUTE_US
WIDE_PERCENT = 150
WIDE_FOR_US = 30 * SECOND_US
NARROW_PERCENT = 120
NARROW_FOR_US = MINUTE_US
GONE_FOR_US = 10 * SECOND_US
BACK_FOR_US = 30 * SECOND_US


class Presence(Enum):
    """What a maker does in a symbol."""

    QUOTING = "quoting"
    THIN = "thin"
    GONE = "gone"
    BACK = "back"


class Absence(Struct, gc=False):
    """One time out: which one to leave it was (1: first); `until_us` is None while it lasts.

    `thin_from_us`: since when it had been thin, if it was thin when it left.
    """

    from_us: int
    until_us: int | None
    order: int
    thin_from_us: int | None


class Since(Struct, frozen=True, gc=False, order=True):
    """When a condition began, and with which input."""

    ts_us: int
    seq: int


class Spell(Struct, gc=False):
    """A time during which something held of most makers; `until_us` is None while it lasts."""

    episode: Episode
    from_us: int
    until_us: int | None = None


class Maker:
    """One maker in one symbol."""

    def __init__(self, name: str, symbol: str) -> None:
        self.name = name
        self.symbol = symbol
        self.state = Presence.QUOTING
        self.since_us = 0
        self.thin_from_us: int | None = None  # the first time
        self.absences: list[Absence] = []
        self.normal = Normal()
        self.depth = MakerDepth(0, 0, None)
        self.thin, self.full, self.gone, self.back = Held(), Held(), Held(), Held()
        self.wide_since: Since | None = None
        self.unusual_since: Since | None = None  # since when it has not quoted as usual
        self.gone_since: Since | None = None
        self.normal_spread = Normal()
        self.wide, self.narrow = Held(), Held()
        self.episode: Episode | None = None

    @property
    def is_wide(self) -> bool:
        """Whether it quotes wide."""
        return self.wide_since is not None

    def out_us(self, now_us: int) -> int:
        """Time out, in all."""
        return sum((absence.until_us or now_us) - absence.from_us for absence in self.absences)


class MarketMakers:
    """Presence of each maker in each symbol of one venue."""

    name = "market_makers"
    topics = frozenset({Topic.MARKET})

    def __init__(self, venue: str, depth: Depth) -> None:
        self.venue = venue
        self.depth = depth
        self.makers: dict[str, dict[str, Maker]] = {}
        self.wide_spells: dict[str, list[Spell]] = {}
        self.thin_spells: dict[str, list[Spell]] = {}
        self.gone_spells: dict[str, list[Spell]] = {}
        self.handlers: Handlers = {e.ClockTicked: self._ticked}

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        handler = self.handlers.get(type(event))
        return handler(event) if handler and event.venue == self.venue else ()

    def of(self, symbol: str) -> list[Maker]:
        """The makers of a symbol, by name."""
        return [maker for _, maker in sorted(self.makers.get(symbol, {}).items())]

    def most_without_quotes(self, symbol: str) -> bool:
        """Whether, at the last tick, more than half of a symbol's makers did not stand on both sides."""
        sample = self.depth.sample(symbol)
        if sample is None or not sample.makers:
            return False
        without = sum(maker.spread_ppm is None for maker in sample.makers.values())
        return 2 * without > len(sample.makers)

    def leaving_order(self, symbol: str) -> list[Maker]:
        """Who left first, second, ...: by the time of the first absence, then by name."""
        left = [maker for maker in self.of(symbol) if maker.absences]
        return sorted(left, key=lambda maker: (maker.absences[0].from_us, maker.name))

    def most_wide_us(self, symbol: str) -> int | None:
        """When for the first time more than half of a symbol's makers quoted wide."""
        spells = self.wide_spells.get(symbol)
        return spells[0].from_us if spells else None

    def most_gone_us(self, symbol: str) -> int | None:
        """When for the first time more than half of a symbol's makers were gone."""
        spells = self.gone_spells.get(symbol)
        return spells[0].from_us if spells else None

    def most_thin_us(self, symbol: str) -> int | None:
        """Since when, before most were gone, more than half had not quoted as usual; if most never left, the first."""
        spells, gone_us = self.thin_spells.get(symbol, []), self.most_gone_us(symbol)
        if gone_us is None:
            return spells[0].from_us if spells else None
        return max((spell.from_us for spell in spells if spell.from_us <= gone_us), default=None)

    def _ticked(self, event: e.ClockTicked) -> Iterable[Finding]:
        assert self.depth.now_us == event.ts_us, "Depth takes each tick before MarketMakers"
        found: list[Finding] = []
        for symbol, book in self.depth.books.items():
            if book.sample is None:
                continue
            makers = self.makers.setdefault(symbol, {})
            for name in sorted(book.sample.makers):
                if name not in makers:
                    makers[name] = Maker(name, symbol)
                    makers[name].since_us = event.ts_us
                maker = makers[name]
                maker.depth = book.sample.makers[name]
                _judge_spread(maker, event)
                found.extend(self._judge(maker, event))
            found.extend(self._judge_all(symbol, event))
        return found

    def _judge(self, maker: Maker, event: e.ClockTicked) -> Iterator[Finding]:
        depth = maker.depth
        two_sided = depth.spread_ppm is not None
        both = depth.bid + depth.ask
        if maker.state is Presence.GONE:
            if maker.back.for_us(two_sided, event) >= BACK_FOR_US:
                yield self._returns(maker, event)
            return
        if maker.gone.for_us(not two_sided, event) >= GONE_FOR_US:
            yield from self._leaves(maker, event)
            return
        if two_sided and maker.state is Presence.QUOTING:
            maker.normal.put(event.ts_us, both)
        normal = maker.normal.value
        if not normal:
            return
        if maker.state is Presence.QUOTING:
            if maker.thin.for_us(100 * both < THIN_PERCENT * normal, event) >= THIN_FOR_US:
                yield self._thins(maker, event, both, normal)
        elif maker.full.for_us(100 * both >= FULL_PERCENT * normal, event) >= FULL_FOR_US:
            yield from self._quotes_again(maker, event, both, normal)

    def _thins(self, maker: Maker, event: e.ClockTicked, both: int, normal: int) -> Finding:
        onset_us = maker.thin.began_us
        maker.unusual_since = _since(maker.thin)
        episode = self._episode(maker, "maker-thin", Severity.WATCH, maker.thin)
        self._enter(maker, Presence.THIN, onset_us)
        maker.episode = episode
        if maker.thin_from_us is None:
            maker.thin_from_us = onset_us
        percent = share(both, normal) or 0.0
        return episode.opened(
            event,
            f"{maker.name} thins out in {maker.symbol}: {money(both)}, {percent:.0f} % of its normal",
            {"depth": both, "normal": normal},
        )

    def _leaves(self, maker: Maker, event: e.ClockTicked) -> Iterator[Finding]:
        onset_us = maker.gone.began_us
        maker.gone_since = _since(maker.gone)
        maker.unusual_since = maker.unusual_since or maker.gone_since
        if maker.episode is not None:
            yield maker.episode.closed(event, f"{maker.name} in {maker.symbol}: from thin to gone", {})
        episode = self._episode(maker, "maker-gone", Severity.WARNING, maker.gone)
        order = 1 + sum(other.state is Presence.GONE for other in self.of(maker.symbol))
        thin_from_us = maker.since_us if maker.state is Presence.THIN else None
        maker.absences.append(Absence(onset_us, None, order, thin_from_us))
        self._enter(maker, Presence.GONE, onset_us)
        maker.episode = episode
        count = len(self.makers[maker.symbol])
        yield episode.opened(
            event,
            f"{maker.name} is gone from {maker.symbol}: {ordinal(order)} of {count} to leave",
            {"order": order, "makers": count},
        )

    def _returns(self, maker: Maker, event: e.ClockTicked) -> Finding:
        onset_us = maker.back.began_us
        maker.gone_since = None
        absence = maker.absences[-1]
        absence.until_us = onset_us
        episode = maker.episode
        assert episode is not None, maker.name
        self._enter(maker, Presence.BACK, onset_us)
        out_us = onset_us - absence.from_us
        return episode.closed(
            event,
            f"{maker.name} is back in {maker.symbol} after {duration(out_us)}",
            {"out_us": out_us},
        )

    def _quotes_again(self, maker: Maker, event: e.ClockTicked, both: int, normal: int) -> Iterator[Finding]:
        episode = maker.episode
        maker.unusual_since = None
        self._enter(maker, Presence.QUOTING, maker.full.began_us)
        if episode is not None:
            percent = share(both, normal) or 0.0
            yield episode.closed(
                event,
                f"{maker.name} quotes its size in {maker.symbol} again: {percent:.0f} % of its normal",
                {"depth": both, "normal": normal},
            )

    def _judge_all(self, symbol: str, event: e.ClockTicked) -> Iterator[Finding]:
        makers = self.of(symbol)
        wide = {maker.name: maker.wide_since for maker in makers if maker.wide_since}
        yield from self._judge_most(
            symbol, self.wide_spells, event, "makers-wide", Severity.WATCH, "quote wide in", wide
        )
        unusual = {maker.name: maker.unusual_since for maker in makers if maker.unusual_since}
        yield from self._judge_most(
            symbol, self.thin_spells, event, "makers-thin", Severity.WARNING, "have thinned out in", unusual
        )
        gone = {maker.name: maker.gone_since for maker in makers if maker.gone_since}
        yield from self._judge_most(
            symbol, self.gone_spells, event, "makers-gone", Severity.CRITICAL, "are gone from", gone
        )

    def _judge_most(
        self,
        symbol: str,
        all_spells: dict[str, list[Spell]],
        event: e.ClockTicked,
        rule: str,
        severity: Severity,
        how: str,
        such: dict[str, Since],
    ) -> Iterator[Finding]:
        """Open or close the finding that something holds of most makers; `such`: of whom, and since when."""
        count = len(self.makers[symbol])
        spells = all_spells.setdefault(symbol, [])
        lasting = spells[-1] if spells and spells[-1].until_us is None else None
        values = {"such": len(such), "makers": count}
        if lasting is None and 2 * len(such) > count:
            since = sorted(such.values())[count // 2]  # of the maker that makes them more than half
            episode = Episode(rule, severity, venue=self.venue, symbol=symbol, since_us=since.ts_us, seq=since.seq)
            spells.append(Spell(episode, since.ts_us))
            who = ", ".join(sorted(such))
            yield episode.opened(event, f"{len(such)} of {count} makers {how} {symbol}: {who}", values)
        elif lasting is not None and 2 * len(such) <= count:
            lasting.until_us = event.ts_us
            others = f"{count - len(such)} of {count} makers"
            text = f"{others} quote {symbol} again" if rule == "makers-gone" else f"{others} quote {symbol} as usual"
            yield lasting.episode.closed(event, text, values)

    def _enter(self, maker: Maker, state: Presence, since_us: int) -> None:
        maker.state = state
        maker.since_us = since_us
        maker.episode = None
        maker.thin, maker.full, maker.gone, maker.back = Held(), Held(), Held(), Held()

    def _episode(self, maker: Maker, rule: str, severity: Severity, since: Held) -> Episode:
        return Episode(
            rule,
            severity,
            venue=self.venue,
            symbol=maker.symbol,
            since_us=since.began_us,
            seq=since.seq,
            subject=maker.name,
        )


def _judge_spread(maker: Maker, event: e.ClockTicked) -> None:
    spread = maker.depth.spread_ppm
    if spread is not None and not maker.is_wide:
        maker.normal_spread.put(event.ts_us, spread)
    normal = maker.normal_spread.value
    if not normal:
        return
    if maker.is_wide:
        narrow = spread is not None and 100 * spread < NARROW_PERCENT * normal
        turns = maker.narrow.for_us(narrow, event) >= NARROW_FOR_US
    else:
        wide = spread is not None and 100 * spread > WIDE_PERCENT * normal
        turns = maker.wide.for_us(wide, event) >= WIDE_FOR_US
    if turns:
        maker.wide_since = None if maker.is_wide else _since(maker.wide)
        maker.wide, maker.narrow = Held(), Held()


def _since(held: Held) -> Since:
    return Since(held.began_us, held.seq)
