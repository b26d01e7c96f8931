"""Insurance fund: pays what liquidations cost beyond the bankruptcy price, while it can.

Holds     the balance is never below zero; the deficit is never above zero; both change with an event.
"""

from stream_engine.core.arithmetic import div_floor
from stream_engine.core.emitter import Emitter
from stream_engine.messages.events import Cause, DeficitChanged, FundChanged, FundReason
from stream_engine.messages.units import MILLION


class InsuranceFund:
    """Balance of the fund, and the deficit that neither it nor deleveraging carried, in micro-quote."""

    __slots__ = ("balance", "deficit")

    def __init__(self) -> None:
        self.balance = 0
        self.deficit = 0

    def allowance(self, draw_ppm: int) -> int:
        """What the liquidation of one position may draw; rounded down."""
        return div_floor(self.balance * draw_ppm, MILLION)

    def change(
        self,
        out: Emitter,
        cause: Cause | None,
        change: int,
        reason: FundReason,
        account: int | None,
        symbol: str | None,
    ) -> None:
        """Pay in (+) or out (-)."""
        if change:
            self.balance += change
            out.emit(FundChanged, cause, change, self.balance, reason, account, symbol)
            self.check()

    def run_deficit(self, out: Emitter, cause: Cause | None, loss: int, account: int, symbol: str | None) -> None:
        """Book a loss (a positive amount) that nobody carries."""
        if loss:
            self.deficit -= loss
            out.emit(DeficitChanged, cause, -loss, self.deficit, account, symbol)
            self.check()

    def check(self) -> None:
        """Asserts what the head of this file says."""
        assert self.balance >= 0, self.balance
        assert self.deficit <= 0, self.deficit
