"""What is shipped plays: every scenario and every overlay, for its first half minute."""

from datetime import timedelta

import pytest

from stream_engine.layers import overlays
from stream_engine.messages.events import AnyEvent, ClockTicked, QuoteAccepted
from stream_engine.scenario import load, names, resolve, venues
from tests.scenarios.play import play

# A fifth of all that there is of it takes minutes to set up; whether its file holds together is seen without that.
ONLY_LOADED = ["oct10-full"]
SEEDED = 7


async def first_half_minute(name: str, over: tuple[str, ...] = ()) -> list[AnyEvent]:
    end = load(name).run.start + timedelta(seconds=30)
    return await play(name, SEEDED, [f"run.end={end.isoformat()}"], over)


def ticks(events: list[AnyEvent]) -> int:
    return len({event.ts_us for event in events if isinstance(event, ClockTicked)})


def quoting(events: list[AnyEvent]) -> set[str]:
    """The venues on which somebody quotes."""
    return {event.venue for event in events if isinstance(event, QuoteAccepted)}


@pytest.mark.parametrize("name", names())
def test_every_scenario_loads_under_its_own_name(name: str) -> None:
    assert load(name).name == name


@pytest.mark.parametrize("name", [name for name in names() if name not in ONLY_LOADED])
async def test_every_scenario_plays_and_its_makers_quote_on_all_its_venues(name: str) -> None:
    events = await first_half_minute(name)
    scenario = load(name)
    assert ticks(events) >= 30
    assert quoting(events) == (set(venues(scenario)) if scenario.makers.desks else set())


@pytest.mark.parametrize("over", overlays())
@pytest.mark.parametrize("name", ["oct10", "oct10-small"])
async def test_every_overlay_plays_on_four_venues_and_on_one(name: str, over: str) -> None:
    assert resolve(name, (), (over,))[0] != load(name)
    events = await first_half_minute(name, (over,))
    assert ticks(events) >= 30
    assert quoting(events) == set(venues(load(name)))


async def test_all_remedies_play_together() -> None:
    together = tuple(over for over in overlays() if over != "stay")
    assert quoting(await first_half_minute("oct10-small", together)) == {"alpha"}
