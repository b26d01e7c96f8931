"""Trace: one venue minute by minute, as far as the results need it and its board does not keep it.

Minute     of a symbol: means of the 1 % depth over the ticks, of both sides and of the bids; median of the spread over
           the ticks that have one.
Fund       the balance of all pools but those of backstop vaults at the end of a minute; a vault's money is its own.
Accounts   each liquidated account by the side of the first position that was taken from it; houses are none.
Quoted     what was traded with the makers' resting quotes in a minute of a symbol, and the mark at its end.
Houses     what took a whole account over (a backstop vault), and the symbols in which it was then deleveraged itself.
Holds      asked after the board of its venue, whose samples it reads: its name comes after the board's.
"""

from collections.abc import Iterable
from statistics import median

from msgspec import Struct

from consumers.board import Board
from consumers.monitor import Finding
from consumers.paths import MINUTE_US
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side
from stream_engine.messages.topics import Topic


class Minute(Struct):
    """A minute of one symbol: micro-quote and ppm; `spread_ppm` is None where there was none."""

    ts_us: int
    depth: float
    bids: float
    spread_ppm: float | None


class Quoted(Struct):
    """What makers were given in a minute: lots (signed), what they paid for them, what was traded (lots * ticks)."""

    lots: int = 0
    paid: int = 0
    traded: int = 0


class _Open(Struct):
    """The minute that is not over."""

    ts_us: int
    depths: list[int]
    bids: list[int]
    spreads: list[int]


class Trace:
    """A monitor that finds nothing and keeps minutes."""

    name = "trace"
    topics = frozenset({Topic.MARKET, Topic.EXECUTIONS, Topic.FUND, Topic.LIQUIDATIONS, Topic.ADL})

    def __init__(
        self, board: Board, vaults: frozenset[str] = frozenset(), makers: frozenset[int] = frozenset()
    ) -> None:
        """`vaults`: the pools that are backstop vaults; `makers`: their accounts."""
        self.board = board
        self.venue = board.venue
        self.minutes: dict[str, list[Minute]] = {}
        self.quoted: dict[str, dict[int, Quoted]] = {}
        self.marks: dict[str, dict[int, int]] = {}
        self.fund: dict[int, int] = {}
        self.long_accounts: set[int] = set()
        self.short_accounts: set[int] = set()
        self.houses: set[int] = set()
        self.houses_deleveraged_in: set[str] = set()
        self._vaults = vaults
        self._makers = makers
        self._pools: dict[str, int] = {}
        self._took_over: set[int] = set()
        self._open: dict[str, _Open] = {}

    def observe(self, event: e.AnyEvent) -> Iterable[Finding]:
        """Take one event of the venue."""
        if event.venue == self.venue:
            self._take(event)
        return ()

    def _take(self, event: e.AnyEvent) -> None:
        match event:
            case e.InstrumentListed():
                symbol = event.instrument.symbol
                self.minutes[symbol], self.quoted[symbol], self.marks[symbol] = [], {}, {}
            case e.ClockTicked():
                self._ticked(event.ts_us - event.ts_us % MINUTE_US)
            case e.Traded():
                if event.maker in self._makers and event.taker not in self._makers:
                    self._given(event)
            case e.FundChanged():
                if event.pool not in self._vaults:
                    self._pools[event.pool] = event.balance
            case e.LiquidationStarted():
                self._liquidated(event.account, event.size)
            case e.BackstopTookOver():
                self.houses.add(event.house)
                self._took_over.add(event.house)
                self._liquidated(event.account, event.positions[0][1])
            case e.PositionTakenOver():
                self._took_over.add(event.house)
            case e.PositionDeleveraged():
                if event.bankrupt in self.houses:
                    self.houses_deleveraged_in.add(event.symbol)
            case _:
                pass

    def _ticked(self, minute_us: int) -> None:
        self.fund[minute_us] = sum(self._pools.values())
        for symbol in self.minutes:
            minute = self._open.get(symbol)
            if minute is None or minute.ts_us != minute_us:
                self._close(symbol)
                minute = self._open[symbol] = _Open(minute_us, [], [], [])
            mark = self.board.prices.mark[symbol].last
            if mark is not None:
                self.marks[symbol][minute_us] = mark.value
            sample = self.board.depth.sample(symbol)
            if sample is not None:
                minute.depths.append(sample.both)
                minute.bids.append(sample.bid)
                if sample.spread_ppm is not None:
                    minute.spreads.append(sample.spread_ppm)

    def _close(self, symbol: str) -> None:
        minute = self._open.pop(symbol, None)
        if minute is None or not minute.depths:  # the book has not had two sides yet
            return
        self.minutes[symbol].append(
            Minute(
                minute.ts_us,
                sum(minute.depths) / len(minute.depths),
                sum(minute.bids) / len(minute.bids),
                median(minute.spreads) if minute.spreads else None,
            )
        )

    def _given(self, event: e.Traded) -> None:
        quoted = self.quoted[event.symbol].setdefault(event.ts_us - event.ts_us % MINUTE_US, Quoted())
        lots = event.size if event.taker_side is Side.SELL else -event.size
        quoted.lots += lots
        quoted.paid += lots * event.price
        quoted.traded += event.size * event.price

    def _liquidated(self, account: int, size: int) -> None:
        if account not in self._took_over | self.long_accounts | self.short_accounts:
            (self.long_accounts if size > 0 else self.short_accounts).add(account)
