"""Insurance fund: pays what liquidations cost beyond the bankruptcy price, while it can. One pool of it.

Pools     an instrument names the pool that stands behind it; "main" is always there, and pays what belongs to no
          symbol. A backstop vault is a pool as well.
House     a pool's money is the wallet of its house account, which also holds what the pool has taken over. It
          is opened when it first takes something; its number, from 2^32 - 1 downwards in the order of the
          pools, is one that no input can name.
Holds     no balance is below zero; the deficit, which is the venue's, is never above zero; both change with an event.
"""

from collections import deque

from stream_engine.core.accounts import Account
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.emitter import Emitter
from stream_engine.messages.events import Cause, DeficitChanged, FundChanged, FundReason
from stream_engine.messages.instrument import MAIN_POOL
from stream_engine.messages.units import MILLION

LAST_ACCOUNT = 2**32 - 1


class Deficit:
    """What neither a fund nor deleveraging carried, in micro-quote."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0

    def run(self, out: Emitter, cause: Cause | None, loss: int, account: int, symbol: str | None) -> None:
        """Book a loss (a positive amount) that nobody carries."""
        if loss:
            self.total -= loss
            out.emit(DeficitChanged, cause, -loss, self.total, account, symbol)
            self.check()

    def check(self) -> None:
        """Asserts what the head of this file says."""
        assert self.total <= 0, self.total


class InsuranceFund:
    """A pool: its name, its house account with its money, the balance that was last told, and the venue's deficit.

    inherited        by symbol, the largest size of what it holds since it was last flat (inheritance).
    is_down, parts   its drawdown trigger, and the window: (began, largest worth, sum, ticks) of each part (drawdown).
    """

    __slots__ = ("deficit", "house", "inherited", "is_down", "name", "parts", "told")

    def __init__(self, name: str = MAIN_POOL, place: int = 0, deficit: Deficit | None = None) -> None:
        self.name = name
        self.house = Account(LAST_ACCOUNT - place, f"insurance-fund:{name}")
        self.told = 0
        self.inherited: dict[str, int] = {}
        self.is_down = False
        self.parts: deque[tuple[int, int, int, int]] = deque()
        self.deficit = Deficit() if deficit is None else deficit

    @property
    def balance(self) -> int:
        """What the pool has, in micro-quote."""
        return self.house.wallet

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
        self.house.wallet += change
        self.tell(out, cause, reason, account, symbol)

    def tell(
        self, out: Emitter, cause: Cause | None, reason: FundReason, account: int | None, symbol: str | None
    ) -> None:
        """Say by how much the balance has changed since it was last told, if it has."""
        change = self.balance - self.told
        if change:
            self.told = self.balance
            out.emit(FundChanged, cause, change, self.balance, reason, account, symbol, self.name)
            self.check()

    def make_good(
        self, out: Emitter, cause: Cause | None, loss: int, reason: FundReason, account: int, symbol: str | None
    ) -> None:
        """Pay a loss (a positive amount) as far as there is anything; the rest is the deficit."""
        paid = min(loss, self.balance)
        self.change(out, cause, -paid, reason, account, symbol)
        self.deficit.run(out, cause, loss - paid, account, symbol)

    def check(self) -> None:
        """Asserts what the head of this file says."""
        assert self.balance >= 0, (self.name, self.balance)
        assert self.told == self.balance, (self.name, self.told, self.balance)


def fund_flow(size: int, lots: int, price: int, bankruptcy: int, tick_value: int) -> int:
    """What a fill of a liquidation order is worth to the fund (+) or costs it (-), in micro-quote.

    dF = s * x * (p - BK): closing a long (size > 0) above its bankruptcy price leaves a surplus, a short below.
    """
    return (1 if size > 0 else -1) * lots * (price - bankruptcy) * tick_value


def to_fund(flow: int, value: int, fee_ppm: int) -> int:
    """What of a fill's flow is the fund's: a cost wholly; a surplus up to the liquidation fee on the value of the fill,
    rounded down, and wholly where that is 1,000,000. The rest is the owner's (dYdX v4: min(IFDelta, fee * quote))."""
    if flow <= 0 or fee_ppm >= MILLION:
        return flow
    return min(flow, div_floor(value * fee_ppm, MILLION))
