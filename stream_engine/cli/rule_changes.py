"""Rule changes: KEY=VALUE for the rules of a running venue, a setting at a time.

Keys      those of a scenario's `[venue]`: checks_per_input, adl.policy, obligations.duties.T1.presence_pct; in its
          units, too (`_pct`, `_s`, `_usdt`). See layers.
Sections  an input replaces one as a whole. So the present rules are asked for first: an input that changes nothing is
          answered with all of them. Only what differs is sent.
Told      the three numbers, and of the sections what is not as it is where nothing was ever set.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from stream_engine.cli import errors
from stream_engine.layers import ScenarioError, overridden
from stream_engine.messages.events import RulesSet
from stream_engine.messages.inputs import Input, SetRules
from stream_engine.scenario import readable

RULES = [name for name in SetRules.__struct_fields__ if name not in Input.__struct_fields__]
SECTIONS = [name for name in RULES if not name.endswith(("_ppm", "_input"))]


def check(changes: Sequence[str]) -> None:
    """Raises ScenarioError for what can be no change whatever the rules are now."""
    for change in changes:
        path, equals, _ = change.partition("=")
        keys = path.split(".")
        if not equals:
            raise ScenarioError(f"{change}: expected KEY=VALUE")
        if keys[0] not in RULES:
            raise ScenarioError(f"there is no rule {keys[0]!r}.{errors.nearest(keys[0], RULES)}")
        if keys[0] in SECTIONS and len(keys) == 1:
            raise ScenarioError(f"{change}: a section is changed by its settings, as in {keys[0]}.KEY=VALUE")
        if len(keys) < 3:  # what lies deeper is in a list that the venue may have
            _changed({}, [change])


def given(changes: Sequence[str]) -> dict[str, Any]:
    """The fields of the SetRules that makes changes that no section has a part in; raises ScenarioError."""
    return _changed({}, changes)


def changed(now: RulesSet, changes: Sequence[str]) -> dict[str, Any]:
    """The fields of the SetRules that makes the changes; raises ScenarioError."""
    return _changed({name: _table(getattr(now, name)) for name in RULES}, changes)


def told(rules: RulesSet) -> Iterator[str]:
    """The rules in words, as they would be given."""
    plain = RulesSet("", 0, 0, 0, None, 0, 0, 0)
    for name in RULES:
        if name not in SECTIONS:
            yield f"{name}={getattr(rules, name)}"
    for name in SECTIONS:
        section, usual = (_table(getattr(each, name)) for each in (rules, plain))
        yield from (f"{name}.{key}={value}" for key, value in section.items() if value != usual[key])


def is_of_a_section(changes: Sequence[str]) -> bool:
    """Whether the present rules must be known."""
    return any(change.partition("=")[0].split(".")[0] in SECTIONS for change in changes)


def _changed(now: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    table = overridden(now, SetRules, changes)
    try:
        rules = msgspec.convert({"type": "SetRules", "venue": "any", "ts_us": 0} | table, SetRules)
    except msgspec.ValidationError as error:
        raise ScenarioError(readable(str(error))) from error
    given = {name: getattr(rules, name) for name in table}
    return {name: value for name, value in given.items() if _table(value) != now.get(name)}


def _table(value: Any) -> Any:
    """As a scenario's file would have it: tables, lists, words and numbers."""
    return msgspec.json.decode(msgspec.json.encode(value))
