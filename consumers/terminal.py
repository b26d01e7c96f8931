"""Terminal: a run as it goes, from the state of its monitors, on 80 by 24 characters and up.

Shown      clock and progress, whether trading is halted; per symbol depth, spread, prices, open interest; depth and
           liquidations as a sparkline over the whole of the run; the makers; fund, ADL, and the cascade while
           liquidations set off others; the markers, newest last,
           on the lines that are left. A taller terminal gets a sparkline for every symbol, rules between the parts,
           and the newest alerts.
Holds      every frame has the size of the terminal at that moment, so nothing scrolls and nothing flickers.
Degrades   no colour where the console has none (NO_COLOR), plain characters where its encoding is not UTF-8; what
           colour says, a word says too.
"""

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from consumers.board import Board
from consumers.depth import BAND_PERCENT
from consumers.figures import bps, change, clock, counted, duration, money, price_text, share
from consumers.markers import Markers
from consumers.market_makers import Maker, Presence
from consumers.monitor import Severity, State
from consumers.paths import MINUTE_US, Minute
from stream_engine.messages.units import MILLION

ROOMY = 32  # lines from which the parts are set apart and every symbol has its sparkline

BLOCKS = "▁▂▃▄▅▆▇█"
BLOCKS_ASCII = "_.:-=+*#"

STATE_STYLE = {
    Presence.QUOTING: "green",
    Presence.THIN: "yellow",
    Presence.GONE: "bold red",
    Presence.BACK: "cyan",
}
SEVERITY_STYLE = {
    Severity.INFO: "",
    Severity.WATCH: "yellow",
    Severity.WARNING: "bold yellow",
    Severity.CRITICAL: "bold red",
}
SEVERITY_SIGN = {Severity.INFO: " ", Severity.WATCH: ".", Severity.WARNING: "!", Severity.CRITICAL: "!!"}

# heading and width of the columns of the table of symbols; the last takes what is left
COLUMNS = (
    ("", 8),
    (f"{BAND_PERCENT}% depth", 8),
    ("normal", 7),
    ("bps", 6),
    ("mark", 11),
    ("to index", 9),
    ("change", 8),
    ("OI", 8),
    ("change", 7),
)


class TerminalView:
    """What the terminal shows of one venue; `render` may be called at any time, ten times a second at most."""

    def __init__(
        self, board: Board, *, title: str, start_us: int, end_us: int, speed: float | None = None, live: bool = False
    ) -> None:
        """`speed`: event seconds per wall second; None: as fast as the machine can. `live`: nobody knows the end, and
        who shows it moves `end_us` on."""
        self.board = board
        self.title = title
        self.start_us = start_us
        self.end_us = end_us
        self.speed = speed
        self.live = live
        self.markers = Markers()
        self._taken = 0
        self._thinnest: str | None = None

    def render(self) -> RenderableType:
        """The present frame; it takes its size from the console that prints it."""
        findings = self.board.findings
        self.markers.take(findings[self._taken :])
        self._taken = len(findings)
        return _Frame(self)

    def lines(self, width: int, height: int, *, ascii_only: bool = False) -> list[Text]:
        """The present frame as exactly `height` lines of at most `width` characters."""
        pen = _Pen(width, ascii_only)
        roomy = height >= ROOMY
        parts = [
            self._head(pen),
            self._symbols(pen),
            self._sparklines(pen, all_symbols=roomy),
            self._makers(pen),
            self._fund_and_adl(pen),
        ]
        lines: list[Text] = []
        for part in parts:
            if roomy and lines:
                lines.append(pen.rule())
            lines.extend(part)
        room = height - len(lines) - 1
        if room > 0:
            lines.append(pen.rule())
            alerts = self._alerts(pen, room // 2 - 1) if roomy else []
            markers = self._markers(pen, room - len(alerts))
            lines.extend(markers + [Text("")] * (room - len(alerts) - len(markers)) + alerts)
        for line in lines:
            line.truncate(width, overflow="crop")
        return (lines + [Text("")] * height)[:height]

    # the parts -----------------------------------------------------------------------------------------------

    def _head(self, pen: "_Pen") -> list[Text]:
        now_us = self.board.now_us or self.start_us
        done = min(1.0, max(0.0, (now_us - self.start_us) / max(1, self.end_us - self.start_us)))
        speed = "live" if self.live else "max" if self.speed is None else f"{self.speed:g}x"
        halted = "HALTED  " if self.board.prices.halt else ""
        right = f"  {halted}{clock(now_us)} UTC  {speed} "
        room = max(0, pen.width - len(right))
        title = Text(pen.plain(f" liqstorm  {self.title}")[:room].ljust(room) + right, style="bold reverse")
        if self.live:
            return [title]
        ends = f" {clock(self.start_us)[:5]} ", f" {clock(self.end_us)[:5]}  {100 * done:3.0f} % "
        bar = pen.bar(done, max(4, pen.width - len(ends[0]) - len(ends[1])))
        return [title, Text.assemble(ends[0], (bar, "cyan"), ends[1])]

    def _symbols(self, pen: "_Pen") -> list[Text]:
        rows = [Text(_row([heading for heading, _ in COLUMNS]), style="dim")]
        for symbol in self.board.symbols:
            rows.append(self._symbol(symbol))
        return rows

    def _symbol(self, symbol: str) -> Text:
        prices, book = self.board.prices, self.board.depth.books[symbol]
        instrument = prices.instruments[symbol]
        mark, index = prices.mark[symbol], prices.index[symbol]
        lots, open_interest = self.board.open_interest.lots.get(symbol), self.board.open_interest.now(symbol)
        sample, normal = book.sample, book.normal_depth.value
        one_sided = sample is not None and sample.spread_ppm is None
        spread = "-" if sample is None else "none" if sample.spread_ppm is None else f"{bps(sample.spread_ppm):.1f}"
        if symbol in self.board.breakers.paused:
            spread = "PAUSED"
        percent = share(sample.both, normal) if sample is not None and normal else None
        fields = [
            _short(symbol),
            money(sample.both) if sample else "-",
            _whole(percent),
            spread,
            price_text(instrument, mark.last.value) if mark.last else "-",
            _signed(change(index.last.value, mark.last.value) if index.last and mark.last else None),
            _signed(change(mark.first.value, mark.last.value) if mark.first and mark.last else None),
            money(open_interest) if open_interest is not None else "-",
            _signed(change(lots.first.value, lots.last.value) if lots and lots.first and lots.last else None),
        ]
        low = percent is not None and percent < 20
        return Text(_row(fields), style="bold red" if low or one_sided else "yellow" if (percent or 100) < 60 else "")

    def _sparklines(self, pen: "_Pen", *, all_symbols: bool) -> list[Text]:
        rows = []
        thinnest = self._thinnest_symbol()
        for symbol in self.board.symbols if all_symbols else [thinnest] if thinnest else []:
            book = self.board.depth.books[symbol]
            trough = f"low {money(book.trough.value)}" if book.trough else ""
            line = self._spark(pen, book.depth.minutes, [minute.last for minute in book.depth.minutes])
            rows.append(Text.assemble(f" depth {_short(symbol):<6} ", (line, "cyan"), f" {trough:<14}"))
        tally = self.board.liquidations.all
        minutes = tally.minutes().minutes
        starts = [Minute(ts_us, total, total, total) for ts_us, total in sorted(minutes.items())]
        line = self._spark(pen, starts, [minute.last for minute in starts])
        now = f"{money(tally.minute(self.board.now_us))}/min"
        rows.append(Text.assemble(f" {'liquidated':<12} ", (line, "red"), f" {now:<14}"))
        return rows

    def _spark(self, pen: "_Pen", minutes: Sequence[Minute], values: Sequence[int]) -> str:
        """Values by minute on the time axis of the whole run; the last of each cell, the largest is full height."""
        cells = max(8, pen.width - 29)
        length = max(MINUTE_US, self.end_us - self.start_us)
        heights: list[int | None] = [None] * cells
        for minute, value in zip(minutes, values, strict=True):
            at = (minute.ts_us - self.start_us) * cells // length
            if 0 <= at < cells:
                heights[at] = value
        return pen.spark(heights)

    def _makers(self, pen: "_Pen") -> list[Text]:
        symbols = [symbol for symbol in self.board.symbols if self.board.market_makers.of(symbol)]
        if not symbols:
            return []
        heading = " makers    " + "".join(f"{_short(symbol):<15}" for symbol in symbols)
        rows = [Text(heading, style="dim")]
        names = sorted({maker.name for symbol in symbols for maker in self.board.market_makers.of(symbol)})
        for name in names:
            row = Text(f" {name:<10}")
            for symbol in symbols:
                maker = self.board.market_makers.makers[symbol].get(name)
                row.append(f"{self._presence(maker):<15}", STATE_STYLE[maker.state] if maker else "")
            rows.append(row)
        return rows

    def _presence(self, maker: Maker | None) -> str:
        if maker is None:
            return "-"
        if maker.state is Presence.GONE:
            return f"GONE {duration(maker.out_us(self.board.now_us))}"
        percent = share(maker.depth.bid + maker.depth.ask, maker.normal.value) if maker.normal.value else None
        return f"{maker.state.value} {_whole(percent)}" if percent is not None else maker.state.value

    def _fund_and_adl(self, pen: "_Pen") -> list[Text]:
        fund, done, tally = self.board.fund, self.board.adl.all, self.board.liquidations.all
        level = fund.closing / fund.peak if fund.peak else 0.0
        bar = pen.bar(level, 20)
        deficit = f"  deficit {money(fund.deficit)}" if fund.deficit else "  DOES NOT PAY" if fund.down else ""
        paid = f" {level * 100:3.0f} %  paid {money(fund.paid.total)}  received {money(fund.received.total)}{deficit}"
        style = "green" if level >= 0.5 else "yellow" if level >= 0.1 else "bold red"
        longs, absent = share(tally.long_notional, tally.notional), share(done.absent_notional, done.notional)
        liquidated = adl = "none"
        if tally.positions:
            liquidated = f"{counted(tally.positions, 'position')}, {money(tally.notional)}, {_whole(longs)} of it long"
        if waiting := {_short(symbol) for symbol, _ in self.board.breakers.waiting}:
            liquidated += f"; wait in {', '.join(sorted(waiting))}"
        if tally.taken_over or tally.vault:
            liquidated += f"; {money(tally.taken_over + tally.vault)} taken over"
        if done.closings:
            adl = f"{done.closings:,} closings, {money(done.notional)}"
            if any(self.board.market_makers.of(symbol) for symbol in self.board.symbols):
                adl += f", {_whole(absent)} of it while most makers are out"
        lines = [
            Text.assemble(f" fund {money(fund.closing):>7} ", (bar, style), paid),
            Text(f" liquidated  {liquidated}"),
            Text(f" ADL         {adl}", style="bold red" if done.closings else ""),
        ]
        return lines + self._cascade() if self.board.cascade.is_running else lines

    def _cascade(self) -> list[Text]:
        cascade = self.board.cascade
        r_ppm = cascade.r_ppm
        r = "R not known yet" if r_ppm is None else f"R {r_ppm / MILLION:.2f} in 5 minutes"
        set_off = f"{money(cascade.set_off.total)} set off by others"
        style = "bold red" if (r_ppm or 0) > MILLION else "yellow"
        return [Text(f" cascade     {r}, generation {cascade.deepest}, {set_off}", style=style)]

    def _markers(self, pen: "_Pen", room: int) -> list[Text]:
        # An onset may be known only after something that began later was told.
        shown = sorted(self.markers.all, key=lambda marker: marker.ts_us)[-room:] if room > 0 else []
        return [Text(pen.plain(f" {marker.line}"), style=SEVERITY_STYLE[marker.severity]) for marker in shown]

    def _alerts(self, pen: "_Pen", room: int) -> list[Text]:
        if room < 2:
            return []
        newest = [finding for finding in self.board.findings if finding.state is not State.UPDATE][1 - room :]
        rows = [pen.rule()]
        for finding in newest:
            state = "closed" if finding.state is State.CLOSE else finding.severity.value
            text = f" {SEVERITY_SIGN[finding.severity]:<2} {clock(finding.ts_us)} {state:<8} {finding.text}"
            rows.append(Text(pen.plain(text), style="dim"))
        return rows

    def _thinnest_symbol(self) -> str | None:
        """The symbol with the least normal depth, once that is known of all; then it stays so."""
        if self._thinnest is None and self.board.symbols:
            normals = {symbol: self.board.depth.books[symbol].normal_depth.value for symbol in self.board.symbols}
            known = {symbol: value for symbol, value in normals.items() if value}
            if len(known) < len(normals):
                return self.board.symbols[-1]
            self._thinnest = min(known, key=lambda symbol: (known[symbol], symbol))
        return self._thinnest


class _Frame:
    """A view, printed: it asks the console for its size and its characters."""

    def __init__(self, view: TerminalView) -> None:
        self.view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or options.size.height
        lines = self.view.lines(options.max_width, height, ascii_only=options.ascii_only)
        yield Text("\n", end="").join(lines)


class _Pen:
    """Draws with what the terminal has."""

    def __init__(self, width: int, ascii_only: bool) -> None:
        self.width = width
        self.ascii_only = ascii_only
        self.blocks = BLOCKS_ASCII if ascii_only else BLOCKS
        self.full, self.empty, self.line = ("#", ".", "-") if ascii_only else ("█", "░", "─")

    def plain(self, text: str) -> str:
        """Words that others wrote, in characters that the terminal has."""
        return text.encode("ascii", "replace").decode() if self.ascii_only else text

    def rule(self) -> Text:
        return Text(self.line * self.width, style="dim")

    def bar(self, part: float, cells: int) -> str:
        full = round(min(1.0, max(0.0, part)) * cells)
        return self.full * full + self.empty * (cells - full)

    def spark(self, values: Iterable[int | None]) -> str:
        """Nothing is a space, the largest is full height."""
        heights = list(values)
        top = max((height for height in heights if height is not None), default=0)
        steps = len(self.blocks) - 1
        return "".join(
            " " if height is None else self.blocks[steps * height // top if top else 0] for height in heights
        )


def _row(fields: Sequence[str]) -> str:
    first, *rest = (field.rjust(width) for field, (_, width) in zip(fields, COLUMNS, strict=True))
    return " " + first.strip().ljust(COLUMNS[0][1]) + " ".join(rest)


def _short(symbol: str) -> str:
    return symbol.removesuffix("-PERP")


def _whole(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.0f} %"


def _signed(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:+.1f} %"
