"""Makers' duties again: every tick of a period is kept, and the period is judged by looking at all of them."""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from stream_engine.messages.rules import Duty, ObligationRules
from stream_engine.messages.units import MILLION
from tests.naive.naive_rules import part_of

Levels = list[tuple[int, int]]


@dataclass
class Look:
    """One clock tick: the share of presence asked for, whether the quote was there, whether stress was declared."""

    asked: Fraction
    was_there: bool
    in_stress: bool


@dataclass
class NaiveDuty:
    """A maker's duty on a symbol. `shortfall_ppm` is the last judged period's; `this_minute`: whether it was met, at
    each tick of the minute."""

    account: int
    symbol: str
    name: str
    looks: list[Look] = field(default_factory=list)
    this_minute: list[bool] = field(default_factory=list)
    rebates: int = 0
    called: int = 0
    shortfall_ppm: int = 0

    def look(self, tier: Duty, in_stress: bool, sides: tuple[Levels, Levels], mid: Fraction, tick_value: int) -> None:
        """Keep what one tick asked for, and whether it was there; `sides` are (price, size) of bids and asks."""
        presence = tier.stress_presence_ppm if in_stress else tier.presence_ppm
        spread = tier.stress_spread_ppm if in_stress else tier.spread_ppm
        size = tier.stress_size_quote if in_stress else tier.size_quote
        half = mid * Fraction(spread, 2 * MILLION)
        bids = [price * lots * tick_value for price, lots in sides[0] if mid - price <= half]
        asks = [price * lots * tick_value for price, lots in sides[1] if price - mid <= half]
        was_there = all(side and sum(side) >= size for side in (bids, asks))
        self.looks.append(Look(Fraction(presence, MILLION), was_there, in_stress))
        self.this_minute.append(was_there)

    def judge(self) -> tuple[int, int, int]:
        """Presence, presence asked for, and the share of that which was missed, in ppm."""
        asked = sum((look.asked for look in self.looks), Fraction(0))
        met = sum(look.was_there for look in self.looks)
        ticks = len(self.looks) or 1
        missed = max(Fraction(0), asked - met)
        self.shortfall_ppm = floor(missed / asked * MILLION) if asked else 0
        return floor(Fraction(met, ticks) * MILLION), ceil(asked / ticks * MILLION), self.shortfall_ppm

    def owed(self) -> int:
        """What of the period's rebates the shortfall costs."""
        return floor(part_of(self.rebates, self.shortfall_ppm))


def presence_ppm(looks: list[bool]) -> int:
    """At which share of the ticks a duty was met."""
    return floor(Fraction(sum(looks), len(looks)) * MILLION)


def contradicts_itself(rules: ObligationRules, in_use: set[str]) -> bool:
    """Whether these rules cannot be, or leave out a tier that somebody is in."""
    names = [tier.name for tier in rules.duties]
    is_relaxed = all(
        tier.stress_presence_ppm <= tier.presence_ppm
        and tier.stress_size_quote <= tier.size_quote
        and 0 <= tier.spread_ppm <= tier.stress_spread_ppm
        for tier in rules.duties
    )
    return rules.period_us == 0 or len(set(names)) != len(names) or not in_use <= set(names) or not is_relaxed


def shares(total: int, weights: list[int]) -> list[int]:
    """A total in whole units by weight, the largest remainders up."""
    if not sum(weights):
        return [0] * len(weights)
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    given = [floor(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda place: (given[place] - exact[place], place))
    for place in by_remainder[: total - sum(given)]:
        given[place] += 1
    return given
