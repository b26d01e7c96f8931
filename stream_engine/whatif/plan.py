"""Plan: what is to be played, all of it checked before anything is.

Change    overlays and settings over a scenario. The variant's come after the base's; settings go over overlays,
          whosever they are.
Refused   a variant that is none, or that comes to the scenario that the base is: nothing would differ.
"""

from collections.abc import Sequence

from msgspec import Struct

from stream_engine import scenario as scenarios
from stream_engine.layers import ScenarioError
from stream_engine.scenario import Scenario


class Change(Struct, frozen=True):
    """What is laid over a scenario, in its order."""

    overlays: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def then(self, other: "Change") -> "Change":
        """This, and the other over it."""
        return Change(self.overlays + other.overlays, self.settings + other.settings)

    def __str__(self) -> str:
        return " ".join([*(f"with {overlay}" for overlay in self.overlays), *self.settings]) or "as it is"


class Contrast(Struct, frozen=True):
    """A base and a variant of it."""

    base: Scenario
    variant: Scenario
    base_change: Change
    variant_change: Change


def contrast(name: str, both: Change, variant: Change) -> Contrast:
    """Base and variant of a scenario; ScenarioError where one of them cannot be read, or they do not differ."""
    if variant == Change():
        raise ScenarioError("what if what? Nothing says what the variant changes")
    base_scenario = read(name, both)
    variant_scenario = read(name, both.then(variant))
    if base_scenario == variant_scenario:
        raise ScenarioError(f"{variant}: comes to the same scenario as the base; nothing would differ")
    return Contrast(base_scenario, variant_scenario, both, variant)


def read(name: str, change: Change) -> Scenario:
    """A scenario with what is laid over it."""
    return scenarios.load(name, change.settings, change.overlays)


def seeds_from(first: int, runs: int) -> Sequence[int]:
    """So many, one after the other."""
    return range(first, first + runs)
