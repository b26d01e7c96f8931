"""Presence: which makers are there, as everybody may see it.

Counted   with each look at a duty (obligations): the clock ticks of the minute at which it was due, and those at which
          it was met, by the figures that held then, those of declared stress included. Also while nobody is told, so
          that the first minute after a change of the rules is told whole.
Told      where `ObligationRules.public` is set, at the first clock tick of a new minute, before that tick is looked at
          and before a period that is over is judged: of each symbol, in the order of their listing, who was there, by
          the name of the participant. A firm with several accounts is judged by the ticks of all of them together.
Silent    Who owed nothing (a halt, no price, a duty that is younger) is not named; without anybody to name there is no
          event. Orders without a duty are nobody's presence.
Rounding  down.
Causes    PresencePublished: the input.
"""

from stream_engine.core.arithmetic import div_floor
from stream_engine.core.venue import Venue
from stream_engine.messages.events import PresencePublished
from stream_engine.messages.units import MILLION

# So many, whatever the participants are called, are a record that a log takes (1 MB).
PRESENCES_PER_EVENT = 3_000


def end_minute(venue: Venue) -> None:
    """A minute is over: tell it, where it is told, and begin to count the next."""
    if venue.rules.obligations.public:
        _publish(venue)
    for obligation in venue.duties.values():
        obligation.minute_ticks = obligation.minute_met = 0


def _publish(venue: Venue) -> None:
    counted: dict[str, dict[str, tuple[int, int]]] = {symbol: {} for symbol in venue.markets}
    for obligation in venue.duties.values():
        if obligation.minute_ticks:
            firms, name = counted[obligation.symbol], venue.accounts[obligation.account].participant
            ticks, met = firms.get(name, (0, 0))
            firms[name] = (ticks + obligation.minute_ticks, met + obligation.minute_met)
    for symbol, firms in counted.items():
        presences = tuple((name, div_floor(met * MILLION, ticks)) for name, (ticks, met) in sorted(firms.items()))
        for start in range(0, len(presences), PRESENCES_PER_EVENT):
            venue.out.emit(PresencePublished, None, symbol, presences[start : start + PRESENCES_PER_EVENT])
