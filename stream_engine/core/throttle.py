"""Throttle: liquidations take their share of what is traded, and no more, so that a book can fill again.

Allowance  of one symbol: throttle_ppm of the value traded within the window, and the least that is always allowed,
           less what liquidations have traded in it.
Grain      one liquidation at a time: an account whose turn it is goes as long as anything is left on every symbol that
           it holds, and goes whole; what it takes beyond is missing until the window has passed over it.
Waits      the others, until a clock tick finds an allowance again. The least is 1 or more: nobody waits for ever.
Window     of whole seconds of venue time: a fill counts until its second began a window ago.
Rounding   the share is rounded down.
"""

from collections import deque

from stream_engine.core.arithmetic import div_floor
from stream_engine.messages.rules import SECOND_US, BreakerRules
from stream_engine.messages.units import MILLION


class Turnover:
    """What was traded on one symbol within the window, in micro-quote. `seconds`: [began, all, liquidations]."""

    __slots__ = ("liquidated", "seconds", "traded", "window_us")

    def __init__(self, window_us: int) -> None:
        self.window_us = window_us
        self.seconds: deque[list[int]] = deque()
        self.traded = self.liquidated = 0

    def add(self, now_us: int, value: int, liquidation: bool) -> None:
        """Count a fill."""
        began = now_us - now_us % SECOND_US
        seconds = self.seconds
        if not seconds or seconds[-1][0] != began:
            self._forget(now_us)
            seconds.append([began, 0, 0])
        seconds[-1][1] += value
        self.traded += value
        if liquidation:
            seconds[-1][2] += value
            self.liquidated += value

    def allowance(self, now_us: int, rules: BreakerRules) -> int:
        """What liquidations may still trade, in micro-quote; below zero where the last one went beyond."""
        self._forget(now_us)
        return div_floor(self.traded * rules.throttle_ppm, MILLION) + rules.throttle_least_quote - self.liquidated

    def check(self) -> None:
        """Asserts that the totals are those of the seconds."""
        assert self.traded == sum(second[1] for second in self.seconds)
        assert self.liquidated == sum(second[2] for second in self.seconds)

    def _forget(self, now_us: int) -> None:
        while self.seconds and self.seconds[0][0] <= now_us - self.window_us:
            _, traded, liquidated = self.seconds.popleft()
            self.traded -= traded
            self.liquidated -= liquidated
