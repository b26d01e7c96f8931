"""Duty: a market maker's account on a symbol in its tier, and whether the tiers go together. See obligations."""

from msgspec import Struct

from stream_engine.messages.rules import ObligationRules


class Obligation(Struct, gc=False):
    """An account's duty on a symbol, and how it is met in the present period.

    ticks, met       clock ticks at which something was due, and those at which it was there.
    minute_ticks, minute_met   the same of the present minute; see presence.
    stressed         of the ticks, those in declared stress.      required   sum of what each asked for, in ppm.
    rebates          micro-quote received on the symbol.          called     paid into the tranche.
    shortfall_ppm    of the last judged period.
    """

    account: int
    symbol: str
    duty: str
    ticks: int = 0
    met: int = 0
    stressed: int = 0
    required: int = 0
    rebates: int = 0
    called: int = 0
    shortfall_ppm: int = 0
    minute_ticks: int = 0
    minute_met: int = 0


def complaint(rules: ObligationRules, in_use: set[str]) -> str | None:
    """Why these rules contradict themselves, if they do; `in_use`: the tiers that makers are in."""
    names = [duty.name for duty in rules.duties]
    if rules.period_us < 1:
        return "obligations.period_us: expected 1 or more"
    if len(set(names)) < len(names):
        return "obligations.duties: a name is given twice"
    gone = sorted(in_use - set(names))
    if gone:
        return f"obligations.duties: {gone[0]} is somebody's duty"
    for duty in rules.duties:
        where = f"obligations.duties.{duty.name}"
        if duty.spread_ppm < 0 or duty.spread_ppm > duty.stress_spread_ppm:
            return f"{where}: expected a spread of 0 or more, in stress no narrower one"
        if duty.stress_presence_ppm > duty.presence_ppm or duty.stress_size_quote > duty.size_quote:
            return f"{where}: expected that stress relaxes it, in presence and in size"
    return None
