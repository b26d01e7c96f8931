"""Rules: what a scenario's venue and markets come to, as TOML, each with where it came from.

Several venues, as a scenario lists them, are each told with their own markets and their part of them. What overlays and
`--set` change beside these (of participants, of what is outside) is told after them, and of nothing else.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from consumers.figures import counted
from stream_engine.layers import WRITTEN, Layered, Place
from stream_engine.scenario import Scenario

WIDTH = 48  # so far in stand the origins, but behind a longer setting


class Rule(NamedTuple):
    """One setting: the table that it stands in, that one's heading in TOML, its key, its value, and its origin."""

    table: str
    heading: str
    key: str
    value: Any
    origin: str

    @property
    def path(self) -> str:
        """As `--set` has it."""
        return f"{self.table}.{self.key}" if self.table else self.key


def of(scenario: Scenario, layers: Layered, only: str | None = None) -> Iterator[Rule]:
    """The settings of the venue, or of each that is listed (of one `only`), each before its markets."""
    told = msgspec.to_builtins(scenario)
    symbols = [market["symbol"] for market in told["markets"]]
    if "venues" not in layers.table:
        yield from _table("venue", "[venue]", ("venue",), told["venue"], layers)
        yield from _markets("markets", (), symbols, told["markets"], layers)
        return
    for number, venue in enumerate(told["venues"]):
        if only in (None, venue["name"]):
            name, place = f"venues.{venue['name']}", ("venues", number)
            markets = venue.pop("markets")
            yield from _table(name, "[[venues]]", place, venue, layers)
            yield from _markets(f"{name}.markets", place, symbols, markets, layers)


def beside(layers: Layered) -> Iterator[Rule]:
    """What overlays, `--set` and what is laid over a base change beside the rules."""
    for place, path, value in layers.changed():
        table, _, key = path.rpartition(".")
        yield Rule(table, "# beside the rules", key, msgspec.to_builtins(value), layers.origin(place))


def _markets(
    name: str, place: Place, symbols: list[str], markets: list[dict[str, Any]], layers: Layered
) -> Iterator[Rule]:
    heading = "[[venues.markets]]" if place else "[[markets]]"
    for market in markets:
        symbol = market["symbol"]
        at = (*place, "markets", symbols.index(symbol))
        yield from _table(f"{name}.{symbol}", heading, at, market, layers)


def _table(name: str, heading: str, place: Place, table: dict[str, Any], layers: Layered) -> Iterator[Rule]:
    for key, value in table.items():
        if not isinstance(value, dict):
            yield Rule(name, heading, key, value, layers.origin((*place, key)))
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _table(f"{name}.{key}", f"[{heading.strip('[]')}.{key}]", (*place, key), value, layers)


def as_toml(scenario: Scenario, layers: Layered, only: str | None = None) -> str:
    """For people, and to be pasted into a scenario; None, which TOML does not have, stands in a comment."""
    rules = list(of(scenario, layers, only))
    settings = [_setting(rule.key, rule.value) for rule in rules]
    width = min(WIDTH, max(map(len, settings)))
    lines: list[str] = []
    for number, (rule, setting) in enumerate(zip(rules, settings, strict=True)):
        if not number or rule.table != rules[number - 1].table:
            lines += ["", rule.heading]
        lines.append(f"{setting:<{width}}  # {rule.origin}")
    others = list(beside(layers))
    lines += ["", others[0].heading] if others else []
    lines += [f"{'# ' + _change(rule):<{width}}  # {rule.origin}" for rule in others]
    return "\n".join(lines[1:])


def _change(rule: Rule) -> str:
    """A list of tables by how many they are: it is read in the file."""
    if isinstance(rule.value, list) and any(isinstance(each, dict) for each in rule.value):
        return f"{rule.path}: {counted(len(rule.value), 'table')}"
    return _setting(rule.path, rule.value)


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
