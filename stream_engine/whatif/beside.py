"""Beside: two recorded runs, what was set otherwise, what came of it, and when.

Settings    of scenario.json, by their paths; of the elements of a list by their name or symbol. A setting that only one
            run has stands beside nothing. Of one venue it is told once, as the file has it; of several as each has it.
Outcomes    as in a what-if, from summary.json; the difference is the second run less the first.
Timeline    what happened first in either, in the order of time; of several venues each has its own.
Event log   the same or not, by the hashes: whether everything was the same that the engines said.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from consumers.recorder import KEPT_HASH
from consumers.summary import Onset, Summary
from stream_engine.whatif.outcomes import OUTCOMES, outcomes

NAMES = ("name", "symbol", "label")


class NotARun(Exception):
    """A directory that cannot be compared; the text says why."""


class Recorded(Struct, frozen=True):
    """A run directory, as far as it is compared. `said` is what summary.json has of the run itself."""

    directory: str
    said: dict[str, Any]
    settings: dict[str, Any]
    summaries: list[Summary]
    event_log_sha256: str

    @property
    def outcomes(self) -> dict[str, float | None]:
        """Every outcome by name."""
        return outcomes(self.summaries, self.said.get("profits_usdt", {}))

    @property
    def title(self) -> str:
        """For a person."""
        changed = [*(f"with {each}" for each in self.said.get("with", [])), *self.said.get("set", [])]
        early = "" if self.said.get("complete", True) else ", stopped early"
        return " ".join([f"{self.said.get('scenario')}, seed {self.said.get('seed')}{early}", *changed])


class Moment(Struct, frozen=True):
    """Something that happened first: where, when in either run, and in the words of each."""

    venue: str
    what: str
    symbol: str | None
    at: tuple[str | None, str | None]
    text: tuple[str | None, str | None]


class Comparison(Struct, frozen=True):
    """Two runs beside each other."""

    titles: tuple[str, str]
    directories: tuple[str, str]
    same_event_log: bool
    settings: dict[str, tuple[Any, Any]]
    outcomes: dict[str, tuple[float | None, float | None]]
    timeline: list[Moment]


def recorded(directory: Path) -> Recorded:
    """A run directory; NotARun where it is none, or is of another version."""
    try:
        summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
        scenario = json.loads((directory / "scenario.json").read_text(encoding="utf-8"))
        sha256 = (directory / KEPT_HASH).read_text(encoding="utf-8").strip()
        told = list(summary["venues"].values()) if "venues" in summary else [summary]
        summaries = [msgspec.convert(each, Summary) for each in told]
        return Recorded(str(directory), summary["run"], dict(_settings(scenario)), summaries, sha256)
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise NotARun(f"{directory} is no run directory: it has no {name}. `liqstorm run` makes one") from error
    except OSError as error:
        raise NotARun(f"{directory} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise NotARun(
            f"{directory} is no run directory of this version ({type(error).__name__}: {error}). Run it again"
        ) from error


def compare(first: Recorded, second: Recorded) -> Comparison:
    """The two beside each other."""
    ours, theirs = first.settings, second.settings
    paths = [*ours, *(path for path in theirs if path not in ours)]
    a, b = first.outcomes, second.outcomes
    return Comparison(
        (first.title, second.title),
        (first.directory, second.directory),
        first.event_log_sha256 == second.event_log_sha256,
        {path: (ours.get(path), theirs.get(path)) for path in paths if ours.get(path) != theirs.get(path)},
        {each.name: (a[each.name], b[each.name]) for each in OUTCOMES},
        _timeline(first, second),
    )


def as_json(found: Comparison) -> dict[str, Any]:
    """Everything, with the difference of each outcome."""
    said: dict[str, Any] = msgspec.to_builtins(found)
    said["outcomes"] = {
        each.name: {"title": each.title, "unit": each.unit, "values": [a, b], "difference": apart(a, b)}
        for each in OUTCOMES
        for a, b in (found.outcomes[each.name],)
    }
    return said


def apart(a: float | None, b: float | None) -> float | None:
    """The second less the first, where both are known."""
    return None if a is None or b is None else b - a


def _settings(scenario: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every value of a scenario as it was run, by its path."""
    several = len(scenario.get("venues", [])) > 1
    twice = ("venue", "markets") if several else ("venues",)
    for path, value in _leaves(scenario, ()):
        if path[0] not in twice:
            yield ".".join(path), value


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, (*path, key))
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for number, each in enumerate(value):
            yield from _leaves(each, (*path, _name_of(each) or str(number)))
    elif path:
        yield path, value


def _name_of(each: Any) -> str | None:
    return next((str(each[key]) for key in NAMES if key in each), None) if isinstance(each, dict) else None


def _timeline(first: Recorded, second: Recorded) -> list[Moment]:
    sides = [_onsets(first.summaries), _onsets(second.summaries)]
    moments = [
        Moment(
            venue, what, symbol,
            (_at(sides[0].get((venue, what, symbol, nth))), _at(sides[1].get((venue, what, symbol, nth)))),
            (_text(sides[0].get((venue, what, symbol, nth))), _text(sides[1].get((venue, what, symbol, nth)))),
        )
        for venue, what, symbol, nth in dict.fromkeys([*sides[0], *sides[1]])
    ]  # fmt: skip
    return sorted(moments, key=lambda moment: min(at for at in moment.at if at is not None))


Key = tuple[str, str, str | None, int]


def _onsets(summaries: Sequence[Summary]) -> dict[Key, Onset]:
    """By venue, what and where; what can happen more than once (news) also by its number."""
    found: dict[Key, Onset] = {}
    for summary in summaries:
        for onset in summary.timeline:
            nth = 0
            while (key := (summary.venue, onset.what, onset.symbol, nth)) in found:
                nth += 1
            found[key] = onset
    return found


def _at(onset: Onset | None) -> str | None:
    return onset.at if onset is not None else None


def _text(onset: Onset | None) -> str | None:
    return onset.text if onset is not None else None
