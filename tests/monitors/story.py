"""Events by hand: a story tells a monitor what happened, in human amounts, second by second.

Token: 1 tick = 0.01 USDT, 1 lot = 1 coin; around a price of 100.00 a lot is worth $100.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from consumers.monitor import Finding
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side, TimeInForce
from stream_engine.messages.instrument import IndexSource, Instrument, Tier

VENUE = "X"
TOKEN = "TOKEN-PERP"
BTC = "BTC-PERP"
START_US = 1_760_125_500_000_000  # 2025-10-10 19:45:00 UTC, at a minute's beginning
SECOND = 1_000_000
MINUTE_US = 60 * SECOND
USD = 1_000_000

Observe = Callable[[e.AnyEvent], Iterable[Finding]]


def an_instrument(
    symbol: str = TOKEN,
    tick_size: str = "0.01",
    lot_size: str = "1",
    tick_value: int = 10_000,
    sources: tuple[IndexSource, ...] = (IndexSource("spot", 1), IndexSource("own", 1)),
) -> Instrument:
    """A perpetual with the index from `spot` and the venue's own trades."""
    return Instrument(
        symbol=symbol,
        tick_size=tick_size,
        lot_size=lot_size,
        tick_value=tick_value,
        max_price=10_000_000,
        max_size=10**15 // (10_000_000 * tick_value),
        tiers=(Tier(0, 10_000),),
        sources=sources,
    )


class Story:
    """Numbers events and hands them to whoever observes; keeps what is found."""

    def __init__(self, *observers: Observe) -> None:
        self.observers = observers
        self.now_us = START_US
        self.seq = 0
        self.order_id = 0
        self.events: list[e.AnyEvent] = []
        self.findings: list[Finding] = []

    def tell(self, event_type: type[Any], *fields: Any, because: e.Cause | None = None, **named: Any) -> e.Cause:
        """One event of an input of its own, and what set it off; returns its own identity."""
        self.seq += 1
        event = event_type(VENUE, self.seq, 0, self.now_us, because, *fields, **named)
        self.events.append(event)
        for observe in self.observers:
            self.findings.extend(observe(event))
        return self.seq, 0

    def told(self, rule: str) -> list[tuple[str, str]]:
        """(state, text) of the findings of a rule."""
        return [(finding.state.value, finding.text) for finding in self.findings if finding.rule == rule]

    # the stage ---------------------------------------------------------------------------------------------

    def listed(self, *instruments: Instrument) -> "Story":
        """List what is traded (a token, if nothing is said)."""
        for instrument in instruments or (an_instrument(),):
            self.tell(e.InstrumentListed, instrument)
        return self

    def accounts(self, **participants: int) -> "Story":
        """MM1=1, Ann=7: who owns which account."""
        self.tell(e.AccountsOpened, tuple((account, name) for name, account in participants.items()))
        return self

    # the clock -----------------------------------------------------------------------------------------------

    def seconds(self, count: int = 1) -> "Story":
        """Let the clock tick."""
        for _ in range(count):
            self.now_us += SECOND
            self.tell(e.ClockTicked)
        return self

    def minutes(self, count: int = 1) -> "Story":
        """Let the clock tick for minutes."""
        return self.seconds(60 * count)

    # the book ------------------------------------------------------------------------------------------------

    def quote(
        self, account: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], symbol: str = TOKEN
    ) -> "Story":
        """A maker's quote rests: (price, size) best first."""
        self.tell(e.QuoteAccepted, account, symbol, self.seq, tuple(bids), tuple(asks))
        return self

    def unquote(self, account: int, symbol: str = TOKEN) -> "Story":
        """A maker's quote is gone."""
        self.tell(e.QuoteCancelled, account, symbol, 1, e.CancelReason.OWNER)
        return self

    def order(self, account: int, side: Side, size: int, price: int, symbol: str = TOKEN) -> int:
        """A limit order is taken; its id."""
        self.order_id += 1
        self.tell(
            e.OrderAccepted,
            account,
            f"o{self.order_id}",
            self.order_id,
            symbol,
            side,
            size,
            price,
            TimeInForce.GTC,
            False,
        )
        return self.order_id

    def cancelled(self, account: int, order_id: int, size: int, symbol: str = TOKEN) -> "Story":
        """An order is gone."""
        self.tell(e.OrderCancelled, account, f"o{order_id}", order_id, symbol, size, e.CancelReason.OWNER)
        return self

    def trade(
        self,
        price: int,
        size: int,
        *,
        taker: int = 90,
        taker_side: Side = Side.SELL,
        maker: int,
        maker_left: int,
        maker_order_id: int = 10**9,
        taker_order_id: int = 2 * 10**9,
        taker_left: int = 0,
        symbol: str = TOKEN,
    ) -> "Story":
        """A fill against what rests."""
        self.tell(
            e.Traded, symbol, price, size, taker, taker_order_id, taker_side, taker_left, 0, maker, maker_order_id,
            maker_left, 0,
        )  # fmt: skip
        self.tell(e.TradePrinted, symbol, price, size, taker_side)
        return self

    # prices, liquidations, fund, ADL -----------------------------------------------------------------------------

    def mark(self, mark: int, index: int | None = None, last: int = 0, symbol: str = TOKEN) -> "Story":
        """Mark and index are made anew."""
        self.tell(e.MarkPriceChanged, symbol, mark, mark if index is None else index, last)
        return self

    def liquidated(
        self,
        account: int,
        size: int,
        *,
        mark: int = 10_000,
        book: int = 0,
        fund: int = 0,
        adl: int = 0,
        deficit: int = 0,
        symbol: str = TOKEN,
    ) -> "Story":
        """A position is taken and gone: size is signed, the rest says where its lots went."""
        self.tell(e.LiquidationStarted, account, symbol, size, mark, mark, 0, 0)
        side = Side.SELL if size > 0 else Side.BUY
        if book:
            self.tell(e.LiquidationFilled, account, symbol, side, book, mark, mark, 0)
        if fund:
            self.tell(e.LiquidationFilled, account, symbol, side, fund, mark - 1, mark, -fund)
        self.tell(e.LiquidationEnded, account, symbol, book, fund, adl, deficit, mark, 0)
        return self

    def fund(self, change_usd: int, balance_usd: int, reason: e.FundReason) -> "Story":
        """The fund changes, in whole USDT."""
        self.tell(e.FundChanged, change_usd * USD, balance_usd * USD, reason)
        return self

    def deleveraged(
        self, account: int, size: int, price: int = 10_000, *, lights: int = 5, symbol: str = TOKEN
    ) -> "Story":
        """A position is closed by ADL: the signed change of it."""
        self.tell(e.PositionDeleveraged, account, 99, symbol, size, price, 0, 1, 0, lights, 0)
        return self

    def open_interest(self, lots: int, longs: int, shorts: int, symbol: str = TOKEN) -> "Story":
        """Open interest changes."""
        self.tell(e.OpenInterestChanged, symbol, lots, longs, shorts)
        return self
