"""Layers: the tables that a scenario is read from, laid over one another, and where each value came from.

Order     `--set` over the scenario's file over the preset that its venue names over the defaults; lists as a whole, but
          for `markets`, each of which lies over the preset's `market`.
Units     a setting in ppm, microseconds or micro-quote may be written in percent (`_pct` for `_ppm`), seconds (`_s` for
          `_us`) or USDT (`_usdt` for `_quote`); written both ways in one table it is refused.
Paths     a.b.c; an element of a list by its number or its name, and where a table has one list of named things, the
          list's own name may be left out (`makers.MM1` is `makers.desks.MM1`).
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from importlib import resources
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields as fields_of

Table = dict[str, Any]
Place = tuple[str | int, ...]

# How else a unit may be written, and how many of it that is.
WRITTEN = {"_ppm": ("_pct", 10_000), "_us": ("_s", 1_000_000), "_quote": ("_usdt", 1_000_000)}


class ScenarioError(Exception):
    """A scenario that cannot be run; the text says where and why."""


class Layered(Struct):
    """A scenario's table, and what it was made of: its file, its preset (and that one's name), the places set."""

    table: Table
    file: Table
    preset: Table
    preset_name: str | None
    set: list[Place]

    def origin(self, place: Place) -> str:
        """Where the value at a place of the table came from."""
        if any(place[: len(each)] == each or each[: len(place)] == place for each in self.set):
            return "--set"
        if _has(self.file, place):
            return "file"
        laid = ("market", *place[2:]) if place[0] == "markets" else place
        return f"preset {self.preset_name}" if _has(self.preset, laid) else "default"


def presets() -> list[str]:
    """The venues whose published rules come with the package."""
    files = resources.files("stream_engine").joinpath("presets").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def layered(file: Table, kind: type[Struct], market: type[Struct], overrides: Sequence[str]) -> Layered:
    """The table that a file's, with its preset under it and the overrides over it, comes to; raises ScenarioError.

    `kind` is what the table will be, `market` what one of its `markets` will be.
    """
    file = _in_units(file, kind, "")
    name = _preset_named(file, overrides)
    preset: Table = {}
    if name is not None:
        preset = tomllib.loads(resources.files("stream_engine").joinpath("presets", f"{name}.toml").read_text("utf-8"))
        below = preset.pop("market", {})
        preset = _in_units(preset, kind, "")
        preset["market"] = _in_units(below, market, "market.")
    table = _over({key: value for key, value in preset.items() if key != "market"}, file)
    if isinstance(table.get("markets"), list):
        table["markets"] = [
            _over(preset.get("market", {}), each) if isinstance(each, dict) else each for each in table["markets"]
        ]
    places = []
    for override in overrides:
        written = _set(table, override)
        table = _in_units(table, kind, "")
        places.append(_unit_of(written, table))
    return Layered(table, file, preset, name, places)


def unknown(value: Any, kind: Any, path: str = "") -> Iterator[tuple[str, str, list[str]]]:
    """Every key that the schema does not have: (path before it, key, the names there are)."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from unknown(value, arguments[0], path)
    elif origin in (Union, UnionType):
        for each in arguments:
            yield from unknown(value, each, path)
    elif origin is list and isinstance(value, list):
        for number, element in enumerate(value):
            yield from unknown(element, arguments[0], f"{path.removesuffix('.')}[{number}].")
    elif is_struct(kind) and isinstance(value, dict):
        known = _fields(kind)
        for key, below in value.items():
            if key in known:
                yield from unknown(below, known[key], f"{path}{key}.")
            else:
                yield path, key, list(known)


def is_struct(kind: Any) -> bool:
    """Whether a type of the schema is a table."""
    return isinstance(kind, type) and issubclass(kind, Struct)


def nearest(key: str, known: Sequence[str]) -> str:
    """The end of a complaint about a name that is not known."""
    found = get_close_matches(key, known, n=1, cutoff=0.0)
    return f"; the nearest is {found[0]}" if found else ""


def _fields(kind: type[Struct]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.encode_name: hints[field.name] for field in fields_of(kind)}


def _has(table: Table, place: Place) -> bool:
    here: Any = table
    for key in place:
        known = key in here if isinstance(here, dict) else isinstance(here, list) and key in range(len(here))
        if not known:
            return False
        here = here[key]
    return True


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Table:
    """The upper table laid over the lower one, table by table."""
    laid = dict(lower)
    for key, value in upper.items():
        below = laid.get(key)
        laid[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return laid


def _preset_named(file: Table, overrides: Sequence[str]) -> str | None:
    venue = file.get("venue")
    name = venue.get("preset") if isinstance(venue, dict) else None
    for override in overrides:
        path, _, value = override.partition("=")
        if path.strip() == "venue.preset":
            name = _value(value)
    if name is None:
        return None
    if name not in presets():
        raise ScenarioError(f"venue.preset: there is no preset {name}{nearest(str(name), presets())}")
    return str(name)


# units ----------------------------------------------------------------------------------------------------


def _in_units(value: Any, kind: Any, path: str) -> Any:
    """The table with every setting in the unit of its name in the schema."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _in_units(value, arguments[0], path)
    if origin in (Union, UnionType):
        tables = [each for each in arguments if is_struct(each) or get_origin(each) is list]
        return _in_units(value, tables[0], path) if len(tables) == 1 else value
    if origin in (list, tuple) and isinstance(value, list) and arguments:
        here = path.removesuffix(".")
        return [_in_units(each, arguments[0], f"{here}[{number}].") for number, each in enumerate(value)]
    if not is_struct(kind) or not isinstance(value, dict):
        return value
    known = _fields(kind)
    table: Table = {}
    for key, below in value.items():
        name, factor = (key, 0) if key in known else _named(key, known)
        if factor and name in value:
            raise ScenarioError(f"{path}{key}: {name} is given, too; one of them says it")
        if factor:
            table[name] = _counted(below, factor, path, key, name)
        else:
            table[key] = _in_units(below, known.get(key), f"{path}{key}.")
    return table


def _named(key: str, known: Mapping[str, Any]) -> tuple[str, int]:
    for unit, (written, factor) in WRITTEN.items():
        name = key.removesuffix(written) + unit
        if key.endswith(written) and name in known:
            return name, factor
    return key, 0


def _counted(value: Any, factor: int, path: str, key: str, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(f"{path}{key}: expected a number, found {value}")
    try:
        counted = Decimal(str(value)) * factor
        whole = int(counted)
    except (ArithmeticError, ValueError) as error:
        raise ScenarioError(f"{path}{key}: expected a number, found {value}") from error
    if whole != counted:
        raise ScenarioError(f"{path}{key}: {value} is no whole number of what {name} counts; 1 of it is 1/{factor:,}")
    return whole


def _unit_of(place: Place, table: Table) -> Place:
    """A place as it is called in the schema's unit."""
    key = str(place[-1])
    for unit, (written, _) in WRITTEN.items():
        named = (*place[:-1], key.removesuffix(written) + unit)
        if key.endswith(written) and not _has(table, place) and _has(table, named):
            return named
    return place


# overrides ------------------------------------------------------------------------------------------------


def _set(table: Table, override: str) -> Place:
    """Put an override's value at its place in the table; returns the place."""
    path, equals, value = override.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise ScenarioError(f"{override}: expected a.b=value")
    here: Any = table
    place: Place = ()
    for number, key in enumerate(keys[:-1]):
        found, step = _member(here, key)
        if found is None and isinstance(here, dict):
            # Not in the file: it may be a table of defaults; the check of the keys will say if it is not.
            found, step = here.setdefault(key, {}), (key,)
        if not isinstance(found, dict | list):
            raise ScenarioError(f"{'.'.join(keys[: number + 1])}: there is no such table to set {keys[-1]} in")
        here = found
        place += step
    if isinstance(here, list):
        at = _place(here, keys[-1])
        if at is None:
            raise ScenarioError(f"{path}: the list has no element {keys[-1]}{nearest(keys[-1], _names_of(here))}")
        here[at] = _value(value)
        return (*place, at)
    for unit, (written, _) in WRITTEN.items():
        if keys[-1].endswith(written):  # in another unit it takes the place of what is there, and is no second word
            here.pop(keys[-1].removesuffix(written) + unit, None)
    here[keys[-1]] = _value(value)
    return (*place, keys[-1])


def _member(here: Any, key: str) -> tuple[Any, Place]:
    """What a key of a path stands for in a table or list of the file, and the steps to it; None: nothing there."""
    if isinstance(here, list):
        at = _place(here, key)
        return (None, ()) if at is None else (here[at], (at,))
    if not isinstance(here, dict):
        return None, ()
    if key in here:
        return here[key], (key,)
    named = [(name, each) for name, each in here.items() if isinstance(each, list) and key in _names_of(each)]
    if len(named) != 1:
        return None, ()
    name, elements = named[0]
    found, step = _member(elements, key)
    return found, (name, *step)


def _place(elements: list[Any], key: str) -> int | None:
    if key.isdecimal():
        return int(key) if int(key) < len(elements) else None
    return _names_of(elements).index(key) if key in _names_of(elements) else None


def _names_of(elements: list[Any]) -> list[str]:
    return [
        next((str(each[field]) for field in ("name", "symbol", "label") if field in each), "")
        for each in elements
        if isinstance(each, dict)
    ]


def _value(written: str) -> Any:
    """As TOML would read it; what is no TOML value is a string."""
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return written.strip()
