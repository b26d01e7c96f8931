"""Momentum shorts: they lie in wait, and sell what falls."""

from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Annotated

from msgspec import Meta, Struct

from producers.market_view import MarketView
from producers.noise import Noise
from producers.participant import NotNegative, Participant, Positive, Sized, take_due
from stream_engine.messages.events import AnyEvent
from stream_engine.messages.inputs import Input


class Momentum(Struct, frozen=True, forbid_unknown_fields=True):
    """Accounts that open shorts into a fall: once the price is `trigger_pct` below that of `lookback_s` ago."""

    sellers: Annotated[int, Meta(ge=0)] = 30
    size_of_depth: NotNegative = 0.01
    trigger_pct: Positive = 1.5
    lookback_s: Annotated[int, Meta(ge=1)] = 300
    wait_s: Positive = 300.0
    leverage_from: Positive = 8.0
    leverage_to: Positive = 18.0


class MomentumShorts(Participant):
    """Each opens its short once, in market orders, some time after the fall set it off."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], momentum: Momentum, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("momentum", venue, [one for many in accounts.values() for one in many], view, noise)
        self._momentum = momentum
        self._sizes = sizes
        self._marks: dict[str, deque[int]] = {symbol: deque(maxlen=momentum.lookback_s + 1) for symbol in accounts}
        # Each has its own trigger: whose is smallest comes first, so it stands last in the list.
        self._waiting = {
            symbol: sorted(
                (-momentum.trigger_pct / 100 * (1 + noise.uniform(account, 0)), account) for account in numbers
            )
            for symbol, numbers in accounts.items()
        }
        self._symbol = {account: symbol for symbol, numbers in accounts.items() for account in numbers}
        self._due: list[tuple[int, int]] = []

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Market sells of those whose time has come."""
        self._steps += 1
        for symbol, waiting in self._waiting.items():
            mark = self._view.symbols[symbol].mark
            if mark:
                marks = self._marks[symbol]
                marks.append(mark)
                take_due(waiting, mark / marks[0] - 1, self._later, self._wait)
        sent: list[Input] = []
        while self._due and self._due[0][0] <= self._steps:
            account = heappop(self._due)[1]
            symbol = self._symbol[account]
            view = self._view.symbols[symbol]
            lots = view.lots(self._momentum.size_of_depth * self._sizes[symbol].depth_usdt, view.mark)
            if lots:
                sent.append(self._order(now_us, account, symbol, -lots, None))
        return sent

    def _wait(self, account: int) -> float:
        return self._noise.exponential(self._momentum.wait_s, account, 1)

    def _later(self, account: int, wait: float) -> None:
        heappush(self._due, (self._steps + round(wait), account))
