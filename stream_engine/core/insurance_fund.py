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

    def make_good(
        self, out: Emitter, cause: Cause | None, loss: int, reason: FundReason, account: int, symbol: str | None
    ) -> None:
        """Pay a loss (a positive amount) as far as there is anything; the rest is the deficit."""
        paid = min(loss, self.balance)
        self.change(out, cause, -paid, reason, account, symbol)
        self.run_deficit(out, cause, loss - paid, account, symbol)

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


def fund_flow(size: int, lots: int, price: int, bankruptcy: int, tick_value: int) -> int:
    """What a fill of a liquidation order brings the fund (+) or costs it (-), in micro-quote.

    dF = s * x * (p - BK): closing a long (size > 0) above its bankruptcy price leaves a surplus, a short below.
    """
    return (1 if size > 0 else -1) * lots * (price - bankruptcy) * tick_value
