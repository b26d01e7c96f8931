"""Market-maker protection again: all fills are kept, and each time those of the window are looked for."""

from dataclasses import dataclass, field

from stream_engine.messages.inputs import SetProtection
from stream_engine.messages.units import WIRE_MAX


@dataclass
class NaiveProtection:
    """`fills`: (time, signed lots) since it was set, or last triggered. `triggered_us`: when that was."""

    limits: SetProtection
    fills: list[tuple[int, int]] = field(default_factory=list)
    triggered_us: int | None = None

    def in_window(self, now_us: int) -> list[int]:
        """Signed lots of the fills that count still."""
        return [lots for filled_us, lots in self.fills if now_us - filled_us < self.limits.window_us]

    def is_exceeded(self, now_us: int) -> bool:
        """Whether one of the limits that are on is passed."""
        lots = self.in_window(now_us)
        too_many = self.limits.quantity > 0 and sum(map(abs, lots)) > self.limits.quantity
        too_far = self.limits.delta > 0 and abs(sum(lots)) > self.limits.delta
        return too_many or too_far

    def frozen_until_us(self) -> int | None:
        """The first time at which quotes are taken again after it was triggered; None: never by itself."""
        if self.triggered_us is None or not self.limits.frozen_us:
            return None
        return min(WIRE_MAX, self.triggered_us + self.limits.frozen_us)

    def is_frozen(self, now_us: int) -> bool:
        """Whether quotes are refused."""
        if self.triggered_us is None:
            return False
        until_us = self.frozen_until_us()
        return until_us is None or now_us < until_us
