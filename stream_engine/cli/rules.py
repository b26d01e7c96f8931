"""Rules: what a scenario's venue and markets come to, as TOML, each with where it came from."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from stream_engine.layers import WRITTEN, Layered
from stream_engine.scenario import Scenario

WIDTH = 48  # so far in stand the origins, but behind a longer setting


class Rule(NamedTuple):
    """One setting: the table that it stands in, its key, its value, and its origin."""

    table: str
    key: str
    value: Any
    origin: str

    @property
    def path(self) -> str:
        """As `--set` has it."""
        return f"{self.table}.{self.key}"


def of(scenario: Scenario, layers: Layered) -> Iterator[Rule]:
    """The settings of the venue, then of each market."""
    told = msgspec.to_builtins(scenario)
    yield from _table("venue", ("venue",), told["venue"], layers)
    for number, market in enumerate(told["markets"]):
        yield from _table(f"markets.{market['symbol']}", ("markets", number), market, layers)


def _table(name: str, place: tuple[str | int, ...], table: dict[str, Any], layers: Layered) -> Iterator[Rule]:
    for key, value in table.items():
        if not isinstance(value, dict):
            yield Rule(name, key, value, layers.origin((*place, key)))
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _table(f"{name}.{key}", (*place, key), value, layers)


def as_toml(scenario: Scenario, layers: Layered) -> str:
    """For people, and to be pasted into a scenario; None, which TOML does not have, stands in a comment."""
    rules = list(of(scenario, layers))
    settings = [_setting(rule.key, rule.value) for rule in rules]
    width = min(WIDTH, max(map(len, settings)))
    lines: list[str] = []
    for number, (rule, setting) in enumerate(zip(rules, settings, strict=True)):
        if not number or rule.table != rules[number - 1].table:
            lines += ["", _heading(rule.table)]
        lines.append(f"{setting:<{width}}  # {rule.origin}")
    return "\n".join(lines[1:])


def _heading(table: str) -> str:
    kind, _, below = table.partition(".")
    if kind != "markets":
        return f"[{table}]"
    _, _, nested = below.partition(".")
    return f"[markets.{nested}]" if nested else "[[markets]]"


def _setting(key: str, value: Any) -> str:
    if value is None:
        return f"# {key}"
    for unit, (written, factor) in WRITTEN.items():
        if key.endswith(unit) and isinstance(value, int):
            many = value / factor if value % factor else value // factor
            return f"{key.removesuffix(unit)}{written} = {_value(many)}"
    return f"{key} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(below)}" for key, below in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    return json.dumps(value)
