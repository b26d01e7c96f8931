"""Broken hedges: what the deleveraged do within ten minutes, when the leg that carried their other one is gone.

Sold       whoever lost a short to deleveraging sells as a taker on another symbol: the long that it had covered.
           Whoever lost a long buys there.
Anew       it sells (buys) on the same symbol: the leg again.
Fell       it is liquidated on another symbol.
Counted    in micro-quote at the price of the trade, or the mark of the liquidation; the newest deleveraging of an
           account counts. What its owner would have done anyway is in it: events do not say why somebody sells.
Again      of all three, the share whose deleveraging was for a liquidation that others had set off.
Bound      whoever was deleveraged within ten minutes; and each account with a broken hedge, once.
"""

from collections import deque

from msgspec import Struct

from consumers.paths import MINUTE_US
from stream_engine.messages.events import PositionDeleveraged, Traded
from stream_engine.messages.inputs import Side
from stream_engine.messages.units import MILLION

WITHIN_US = 10 * MINUTE_US


class Bared(Struct, gc=False):
    """An account that was deleveraged: on which symbol, how it leaves the other leg, how much of it is set off."""

    until_us: int
    symbol: str
    out: Side
    set_off_ppm: int


class BrokenHedges:
    """Of one venue."""

    __slots__ = ("_bared", "_queue", "accounts", "again", "anew", "fell", "first_us", "sold")

    def __init__(self) -> None:
        self.accounts: set[int] = set()
        self.sold = self.anew = self.fell = self.again = 0
        self.first_us: int | None = None
        self._bared: dict[int, Bared] = {}
        self._queue: deque[tuple[int, int]] = deque()

    @property
    def notional(self) -> int:
        """All that broken hedges brought."""
        return self.sold + self.anew + self.fell

    def deleveraged(self, event: PositionDeleveraged, set_off_ppm: int) -> None:
        """An account lost a leg; which share of that others had set off."""
        until_us = event.ts_us + WITHIN_US
        out = Side.SELL if event.size > 0 else Side.BUY
        self._bared[event.account] = Bared(until_us, event.symbol, out, set_off_ppm)
        self._queue.append((until_us, event.account))

    def traded(self, event: Traded, tick_value: int) -> None:
        """A taker has traded, not by a liquidation."""
        bared = self._bared.get(event.taker)
        if bared is None or bared.out is not event.taker_side or event.ts_us > bared.until_us:
            return
        notional = event.size * event.price * tick_value
        if bared.symbol == event.symbol:
            self.anew += notional
        else:
            self.sold += notional
        self._count(event.taker, event.ts_us, notional, bared)

    def liquidated(self, account: int, symbol: str, ts_us: int, notional: int) -> None:
        """A position was liquidated."""
        bared = self._bared.get(account)
        if bared is not None and bared.symbol != symbol and ts_us <= bared.until_us:
            self.fell += notional
            self._count(account, ts_us, notional, bared)

    def forget(self, now_us: int) -> None:
        """Ten minutes are over for some."""
        queue, bared = self._queue, self._bared
        while queue and queue[0][0] < now_us:
            _, account = queue.popleft()
            if account in bared and bared[account].until_us < now_us:
                del bared[account]

    def _count(self, account: int, ts_us: int, notional: int, bared: Bared) -> None:
        self.accounts.add(account)
        self.again += notional * bared.set_off_ppm // MILLION
        if self.first_us is None:
            self.first_us = ts_us
