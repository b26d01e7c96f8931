"""Causes: with all that is given from outside an hour later, everything is an hour later and nothing else differs."""

from msgspec.structs import replace

from producers.labels import StateChange
from stream_engine.messages.events import LiquidationStarted
from tests.scenarios.play import play_and_tell

HOUR_US = 3_600_000_000
# The first liquidations have begun by then, and no funding is due before or an hour later.
END = "run.end=2025-10-10T20:37:00Z"


async def test_an_hour_later_everything_happens_and_is_decided_an_hour_later() -> None:
    events, labels = await play_and_tell("oct10-small", 7, [END])
    events_later, labels_later = await play_and_tell("oct10-small", 7, [END, "outside.shift_s=3600"])
    assert any(isinstance(event, LiquidationStarted) for event in events)
    assert any(isinstance(label, StateChange) for label in labels)
    assert [replace(event, ts_us=event.ts_us - HOUR_US) for event in events_later] == events
    told = [(type(label), label.ts_us, label.participant, label.symbol) for label in labels]
    told_later = [(type(label), label.ts_us - HOUR_US, label.participant, label.symbol) for label in labels_later]
    assert told_later == told
