"""Labels: what a participant did and why, in its own words. Ground truth for whoever wants to detect it."""

from msgspec import Struct

from stream_engine.messages.units import Micros


class Label(Struct, frozen=True, gc=False, tag=True, tag_field="type", omit_defaults=True):
    """A change of a participant's state on a symbol, and the reason for it."""

    ts_us: Micros
    venue: str
    participant: str
    symbol: str
    state: str
    reason: str = ""
