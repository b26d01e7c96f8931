"""Case study: the hedged portfolio of the analysis, told by what the venue published of it, in order.

`python -m tests.results.case_study` plays `hedged-portfolio` with seed SEED and keeps the story in case_study.txt.

Order     of the events. Closings of one leg that follow on each other are one line, at the time of the first, with how
          many and until when; what a liquidation sold is told when it is over, at the mark at which it began.
Marks     of a leg are told against its entry, at the first mark of the moment or after it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby

from consumers.figures import clock, money, price_text
from stream_engine.messages.events import (
    AnyEvent,
    Deposited,
    FundChanged,
    FundReason,
    InstrumentListed,
    LiquidationEnded,
    LiquidationStarted,
    MarkPriceChanged,
    PositionDeleveraged,
    PositionsSeeded,
)
from stream_engine.messages.inputs import Leg
from stream_engine.messages.instrument import Instrument
from stream_engine.scenario import HEDGERS_FROM
from tests.results import CASE_STUDY, ROOT, shown_anew
from tests.scenarios.play import play

SEED = 1
HEDGER = HEDGERS_FROM
TOLD = (PositionDeleveraged, LiquidationStarted, LiquidationEnded)
LEFT = (FundReason.DUST, FundReason.DEBT)


class Portfolio:
    """One account and its legs, as the events have them."""

    def __init__(self, events: Sequence[AnyEvent], account: int) -> None:
        self.events = events
        self.account = account
        self.instruments: dict[str, Instrument] = {}
        self.entered: dict[str, Leg] = {}
        self.taken_at: dict[str, int] = {}
        self.paid_in = 0
        for event in events:
            if isinstance(event, InstrumentListed):
                self.instruments[event.instrument.symbol] = event.instrument
            elif isinstance(event, Deposited):
                self.paid_in += sum(paid for account_, paid, _ in event.deposits if account_ == account)
            elif isinstance(event, PositionsSeeded):
                self.entered |= {leg.symbol: leg for leg in event.legs if leg.account == account}
        self.left = {symbol: leg.size for symbol, leg in self.entered.items()}

    def own(self) -> list[AnyEvent]:
        """What was published of it after it had its positions."""
        return [
            event
            for event in self.events
            if getattr(event, "account", None) == self.account
            and (isinstance(event, TOLD) or (isinstance(event, FundChanged) and event.reason in LEFT))
        ]

    def mark(self, symbol: str, ts_us: int) -> int:
        """The first mark of a moment or after it."""
        return next(
            event.mark
            for event in self.events
            if isinstance(event, MarkPriceChanged) and event.symbol == symbol and event.ts_us >= ts_us
        )

    def worth(self, symbol: str, lots: int, ticks: int) -> int:
        """Micro-quote of so many lots at a price, or over so many ticks."""
        return lots * ticks * self.instruments[symbol].tick_value

    def profit(self, symbol: str, lots: int, mark: int) -> int:
        """What so many lots of a leg have won since their entry."""
        return self.worth(symbol, lots, mark - self.entered[symbol].entry)

    def price(self, symbol: str, ticks: int) -> str:
        """A price for people."""
        return price_text(self.instruments[symbol], ticks)

    def moved(self, symbol: str, mark: int) -> str:
        """A mark against the entry."""
        entry = self.entered[symbol].entry
        return f"{symbol} at {self.price(symbol, mark)}, {100 * (mark - entry) / entry:+.1f} % from the entry"


def story(events: Sequence[AnyEvent], account: int) -> list[str]:
    """The lines of it."""
    told = Portfolio(events, account)
    start_us = next(event.ts_us for event in events if isinstance(event, MarkPriceChanged))
    lines = [_line(start_us, _opening(told))]
    for (kind, symbol), group in groupby(told.own(), key=lambda event: (type(event), getattr(event, "symbol", None))):
        of_it = list(group)
        lines += [_line(of_it[0].ts_us, text) for text in _chapter(told, kind, symbol, of_it)]
    return lines


def _opening(told: Portfolio) -> str:
    legs = [
        f"{'long' if leg.size > 0 else 'short'} {symbol} {money(abs(told.worth(symbol, leg.size, leg.entry)))} "
        f"at {told.price(symbol, leg.entry)}, {leg.leverage}x"
        for symbol, leg in told.entered.items()
    ]
    return f"{'; '.join(legs)}; one cross margin of {money(told.paid_in)}"


def _chapter(told: Portfolio, kind: type[AnyEvent], symbol: str | None, events: Sequence[AnyEvent]) -> Iterator[str]:
    if kind is PositionDeleveraged and symbol is not None:
        yield from _deleveraged(told, symbol, [each for each in events if isinstance(each, PositionDeleveraged)])
    else:
        for each in events:
            if isinstance(each, LiquidationStarted):
                yield _started(told, each)
            elif isinstance(each, LiquidationEnded):
                yield _ended(told, each)
            elif isinstance(each, FundChanged):
                yield f"what rounding left, {money(abs(each.change))}, is the fund's; the account has nothing"


def _deleveraged(told: Portfolio, symbol: str, events: Sequence[PositionDeleveraged]) -> Iterator[str]:
    first, last = events[0], events[-1]
    mark, held = told.mark(symbol, first.ts_us), told.left[symbol]
    side = "long" if held > 0 else "short"
    yield f"{told.moved(symbol, mark)}: the {side} has won {money(told.profit(symbol, held, mark))}"
    closed = sum(event.size for event in events)
    told.left[symbol] += closed
    times = f"in {len(events)} closings until {clock(last.ts_us)}" if len(events) > 1 else "at once"
    yield (
        f"the {side} is deleveraged from rank {first.rank} of the queue, {times}: {100 * -closed / held:.1f} % of it, "
        f"at bankruptcy prices from {told.price(symbol, first.price)} to {told.price(symbol, last.price)}; it realises "
        f"{money(sum(event.realised for event in events))}"
    )


def _started(told: Portfolio, event: LiquidationStarted) -> str:
    is_first = not told.taken_at
    told.taken_at[event.symbol] = event.mark
    text = (
        f"{told.moved(event.symbol, event.mark)}: equity {money(event.equity)} is under the maintenance margin of "
        f"{money(event.maintenance)}; liquidation of {event.symbol} begins"
    )
    if not is_first:
        return text
    missed = sum(
        told.worth(each.symbol, each.size, each.price - told.mark(each.symbol, event.ts_us))
        for each in told.events
        if isinstance(each, PositionDeleveraged) and each.account == told.account and each.ts_us <= event.ts_us
    )
    return f"{text}; the hedge, had it stayed, would have won another {money(missed)} by now"


def _ended(told: Portfolio, event: LiquidationEnded) -> str:
    parts = [
        f"{money(abs(told.worth(event.symbol, lots, told.taken_at[event.symbol])))} {where}"
        for lots, where in (
            (event.book, "into the book"),
            (event.fund, "at the fund's cost"),
            (event.taken_over, "to the fund"),
            (event.adl, "to winners by ADL"),
            (event.deficit, "to nobody: a deficit"),
        )
        if lots
    ]
    return (
        f"liquidation of {event.symbol} is over: {', '.join(parts)}; money left in the account: {money(event.wallet)}"
    )


def _line(ts_us: int, text: str) -> str:
    """A time and what happened, wrapped."""
    words, lines = text.split(), [clock(ts_us) + " "]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > 110:
            lines.append(" " * 9)
        lines[-1] += f" {word}"
    return "\n".join(lines)


def tell() -> None:
    """Plays it, and keeps the story."""
    events = asyncio.run(play("hedged-portfolio", SEED))
    text = ["python -m tests.results.case_study", f"hedged-portfolio, seed {SEED}", "", *story(events, HEDGER), ""]
    (ROOT / CASE_STUDY).write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    tell()
    shown_anew()
