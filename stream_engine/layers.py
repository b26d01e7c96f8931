"""Layers: the tables that a scenario is read from, laid over one another, and where each value came from.

Order     lowest first: defaults, the preset that a venue names (its `market` under each market), the scenario's file
          (`[venue]`, `[[markets]]`), its entry of `[[venues]]`, the overlays in the order given, `--set`.
          A scenario that is based on another lies over it as the first of the overlays.
Venues    what file, overlay or `--set` says of `venue` and `markets`, it says of every venue; but where a venue is on
          (its name, its partition) and how many copies there are is its entry's, or for the one venue of the file.
Lists     as a whole; but `markets` lie over each other by their symbol, and in an overlay a table over a list lies over
          the elements that it names (`[makers.desks.MM1]`).
Units     a setting in ppm, microseconds or micro-quote may be written in percent (`_pct` for `_ppm`), seconds (`_s` for
          `_us`) or USDT (`_usdt` for `_quote`); written both ways in one table it is refused.
Wrong     values are answered with their path; what an overlay says, or a scenario over its base, after its name.
Paths     a.b.c; an element of a list by its number or its name, and where a table has one list of named things, the
          list's own name may be left out (`makers.MM1` is `makers.desks.MM1`).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields as fields_of

Table = dict[Any, Any]
Place = tuple[str | int, ...]

# How else a unit may be written, and how many of it that is.
WRITTEN = {"_ppm": ("_pct", 10_000), "_us": ("_s", 1_000_000), "_quote": ("_usdt", 1_000_000)}
# What is said by the scenario's file itself, and on the command line.
FILE, SET = "file", "--set"
PATH = re.compile(r"[^.\[\]]+")
# What of `[venue]` is not said of every venue where there are several, by a file, and by an overlay or `--set`.
NOT_SHARED = frozenset({"name", "partition", "copies"})
ONLY_BELOW = frozenset({"partition", "copies"})


class ScenarioError(Exception):
    """A scenario that cannot be run; the text says where and why."""


class Schema(NamedTuple):
    """What a scenario's table will be, and one of its `markets`."""

    scenario: type[Struct]
    market: type[Struct]


class Overlay(NamedTuple):
    """Tables to lay over a scenario, and what they are called. `kind`: a scenario may be laid over another one, too."""

    name: str
    title: str
    table: Table
    kind: str = "overlay"

    @property
    def label(self) -> str:
        """As origins and complaints have it."""
        return f"{self.kind} {self.name}"


class Layer(NamedTuple):
    """What one layer says; the elements of a list may be by their number. `own`: of one venue, and not of every."""

    label: str
    table: Table
    own: bool = False

    @property
    def changes(self) -> bool:
        """Whether it lies over the file."""
        return self.label != FILE and not self.label.startswith("preset ")


class Layered(NamedTuple):
    """A scenario's table, and the layers that it was made of, the lowest first."""

    table: Table
    layers: list[Layer]

    def said(self, place: Place) -> Layer | None:
        """The layer that the value at a place of the table came from; None: nobody says it."""
        return next((layer for layer in reversed(self.layers) if _has(layer.table, place)), None)

    def named(self, complaint: str) -> str:
        """A complaint that begins with the path of a value, after the name of the layer that says the value; what the
        file and `--set` say needs none. What is wrong with a list or table of the whole scenario is nobody's alone."""
        place: Place = ()
        here: Any = self.table
        for key in PATH.findall(complaint.partition(":")[0]):
            here, step = _member(here, key)
            if not step:
                break
            place += step
            if place[2:-1] == ("markets",):  # of a venue, which lists some of them: layers number all of them
                symbols = _names_of(_tables(self.table, "markets"))
                place = *place[:-1], *(symbols.index(each) for each in _names_of([here]) if each in symbols)
        layer = self.said(place) if place[1:] else None
        return complaint if layer is None or layer.label in (FILE, SET) else f"{layer.label}: {complaint}"

    def changed(self) -> Iterator[tuple[Place, str, Any]]:
        """What overlays and `--set` say beside rules and markets: each place once, as people write it, its value."""
        places = [place for layer in self.layers if layer.changes for place in _leaves(layer.table)]
        for place in dict.fromkeys(each for each in places if each[0] not in ("venue", "markets", "venues")):
            here: Any = self.table
            written = []
            for key in place:
                written.append(_names_of(here)[key] if isinstance(here, list) and isinstance(key, int) else str(key))
                here = here[key]
            yield place, ".".join(written), here

    def origin(self, place: Place) -> str:
        """Where the value at a place of the table came from."""
        layer = self.said(place)
        return "default" if layer is None else layer.label


def presets() -> list[str]:
    """The venues whose published rules come with the package."""
    return _shipped("presets")


def overlays() -> list[str]:
    """The overlays that come with the package."""
    return _shipped("overlays")


def overlay(name_or_path: str) -> Overlay:
    """A shipped overlay, or one of a file; ScenarioError where it cannot be read."""
    if name_or_path in overlays():
        name, text = name_or_path, _text("overlays", name_or_path)
    else:
        path = Path(name_or_path)
        try:
            name, text = path.stem, path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if "," in name_or_path:
                raise ScenarioError(f"overlay {name_or_path}: each of several has a --with of its own") from error
            raise ScenarioError(
                f"overlay {name_or_path}: there is none of this name{nearest(name_or_path, overlays())}, and no file "
                f"that can be read ({getattr(error, 'strerror', None) or error})"
            ) from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"overlay {name}: {error}") from error
    title = table.pop("title", None)
    if not isinstance(title, str):
        raise ScenarioError(f"overlay {name}: title: expected a line that says what it changes")
    return Overlay(name, title, table)


def layered(file: Table, schema: Schema, over: Sequence[Overlay], overrides: Sequence[str]) -> Layered:
    """The table that a file's comes to with everything under and over it; raises ScenarioError."""
    file = _in_units(file, schema.scenario, "")
    _check_keys(file, schema.scenario, "")
    entries = _entries(file)
    symbols = _names_of(file["markets"]) if isinstance(file.get("markets"), list) else []
    over = [each._replace(table=_checked(each, schema)) for each in over]
    layers = _preset_layers(_presets_named(file, entries, over, overrides), schema, len(symbols))
    layers.append(Layer(FILE, _of_every_venue(file, entries)))
    if entries:
        own = {at: _by_symbol(entry, symbols, f"venues[{at}]") for at, entry in enumerate(entries)}
        layers.append(Layer(FILE, {"venues": own}, own=True))
    table: Table = {}
    for layer in layers:
        table = _over(table, layer.table)
    for each in over:
        for layer in _overlay_layers(each, table, len(entries)):
            layers.append(layer)
            table = _over(table, layer.table)
    table = _copied(table)  # what follows writes into it, and layers and venues have parts in common
    for override in overrides:
        table, set_here = _overridden(table, override, schema.scenario)
        layers += set_here
    if entries:
        table["venues"] = table.pop("venues")  # what is wrong in common is told as what is common, which comes before
        _list_markets(_tables(table, "venues"))
        _fill(table, schema)
    _check_keys(table, schema.scenario, "")
    return Layered(table, layers)


def overridden(table: Table, kind: type[Struct], overrides: Sequence[str]) -> Table:
    """A table of its own with overrides in it, every key known; raises ScenarioError."""
    table = _in_units(_copied(table), kind, "")
    for override in overrides:
        table, _ = _overridden(table, override, kind)
    _check_keys(table, kind, "")
    return table


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
    elif origin is list and isinstance(value, dict):
        for name, element in value.items():
            yield from unknown(element, arguments[0], f"{path}{name}.")
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


def _leaves(table: Table, place: Place = ()) -> Iterator[Place]:
    """The places of all that a layer says; a list that is said as a whole is one."""
    for key, below in table.items():
        if isinstance(below, dict):
            yield from _leaves(below, (*place, key))
        else:
            yield (*place, key)


def _over(lower: Any, upper: Any) -> Any:
    """The upper laid over the lower, table by table; of a list, the elements that the other has by their number."""
    if isinstance(lower, dict) and isinstance(upper, dict):
        return lower | {key: _over(lower[key], value) if key in lower else value for key, value in upper.items()}
    if isinstance(lower, list) and isinstance(upper, dict) and upper.keys() <= set(range(len(lower))):
        return [_over(each, upper[number]) if number in upper else each for number, each in enumerate(lower)]
    if isinstance(lower, dict) and isinstance(upper, list) and lower.keys() <= set(range(len(upper))):
        return [_over(lower[number], each) if number in lower else each for number, each in enumerate(upper)]
    return upper


def _copied(value: Any) -> Any:
    """A table or list of its own, all the way down, though the one given has one part at two places."""
    if isinstance(value, dict):
        return {key: _copied(below) for key, below in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _check_keys(table: Table, kind: type[Struct], whose: str, path: str = "") -> None:
    for place, key, known in unknown(table, kind, path):
        raise ScenarioError(f"{whose}{place}{key}: there is no such setting{nearest(key, known)}")


def _shipped(folder: str) -> list[str]:
    files = resources.files("stream_engine").joinpath(folder).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def _text(folder: str, name: str) -> str:
    return resources.files("stream_engine").joinpath(folder, f"{name}.toml").read_text("utf-8")


# presets --------------------------------------------------------------------------------------------------


def _presets_named(
    file: Table, entries: Sequence[Table], over: Sequence[Overlay], overrides: Sequence[str]
) -> list[str | None]:
    """The preset of `venue`, then of each of the venues."""
    named: list[Any] = [_below(file, "venue").get("preset")]
    named += [entry.get("preset", named[0]) for entry in entries]
    names = _names_of(entries)
    for each in over:
        if "preset" in _below(each.table, "venue"):
            named = [each.table["venue"]["preset"]] * len(named)
        for at, name in enumerate(names, 1):
            named[at] = _below(_below(each.table, "venues"), name).get("preset", named[at])
    for override in overrides:
        path, _, value = override.partition("=")
        *keys, last = [key.strip() for key in path.split(".")]
        if last == "preset" and keys == ["venue"]:
            named = [_value(value)] * len(named)
        elif last == "preset" and keys and keys[:-1] in ([], ["venues"]):
            place = _place(entries, keys[-1])
            if place is not None:
                named[1 + place] = _value(value)
    for where, preset in zip(["venue", *(f"venues.{name}" for name in names)], named, strict=True):
        if preset is not None and preset not in presets():
            raise ScenarioError(f"{where}.preset: there is no preset {preset}{nearest(str(preset), presets())}")
    return named


def _preset_layers(named: Sequence[str | None], schema: Schema, markets: int) -> list[Layer]:
    """A layer for each preset, of those venues that name it; its `market` is under each market there."""
    layers = []
    for name in sorted({each for each in named if each is not None}):
        preset = tomllib.loads(_text("presets", name))
        venue: Table = _in_units(preset, schema.scenario, "")["venue"]
        market = _in_units(preset["market"], schema.market, "market.")
        listed = {"markets": dict.fromkeys(range(markets), market)} if markets else {}
        table: Table = {"venue": venue, **listed} if named[0] == name else {}
        of_venues = {at: venue | listed for at, each in enumerate(named[1:]) if each == name}
        layers.append(Layer(f"preset {name}", table | ({"venues": of_venues} if of_venues else {})))
    return layers


# venues ---------------------------------------------------------------------------------------------------


def _entries(file: Table) -> list[Table]:
    """The venues that a file lists."""
    entries = _tables(file, "venues")
    for at, entry in enumerate(entries):
        if not isinstance(entry.get("name"), str):
            raise ScenarioError(f"venues[{at}].name: expected what this venue is called")
    return entries


def _of_every_venue(file: Table, entries: Sequence[Table]) -> Table:
    """The file without its entries: what it says of `venue` and `markets`, it says of each."""
    if not entries:
        return file
    venue = {key: value for key, value in _below(file, "venue").items() if key not in NOT_SHARED}
    listed = {"markets": file["markets"]} if "markets" in file else {}
    return file | {"venues": [venue | listed for _ in entries]}


def _by_symbol(entry: Table, symbols: list[str], path: str) -> Table:
    """An entry whose markets stand by the number of the market that they lie over."""
    if not isinstance(entry.get("markets"), list):
        return entry
    markets: Table = {}
    for number, market in enumerate(entry["markets"]):
        symbol = market.get("symbol") if isinstance(market, dict) else None
        if symbol not in symbols:
            there = f"there is no market {symbol}{nearest(str(symbol), symbols)}" if symbol else "expected a symbol"
            raise ScenarioError(f"{path}.markets[{number}].symbol: {there}")
        if symbols.index(symbol) in markets:
            raise ScenarioError(f"{path}.markets[{number}].symbol: {symbol} is there twice")
        markets[symbols.index(symbol)] = market
    return entry | {"markets": markets}


def _list_markets(venues: Sequence[Table]) -> None:
    """Leaves each venue the markets that it lists."""
    for venue in venues:
        symbols, markets = venue.get("symbols"), _tables(venue, "markets")
        if isinstance(symbols, list) and markets:
            known = _names_of(markets)
            for symbol in symbols:
                if symbol not in known:
                    raise ScenarioError(
                        f"venues.{venue['name']}.symbols: there is no market {symbol}{nearest(str(symbol), known)}"
                    )
            venue["markets"] = [market for market, symbol in zip(markets, known, strict=True) if symbol in symbols]


def _fill(table: Table, schema: Schema) -> None:
    """What must be there and is not said of every venue, `venue` and `markets` have as the first venue that has it."""
    venues = _tables(table, "venues")
    table.setdefault("venue", {})
    _fill_one(_below(table, "venue"), venues, _fields(schema.scenario)["venue"])
    listed = [market for venue in venues for market in _tables(venue, "markets")]
    for market in _tables(table, "markets"):
        of_symbol = [each for each in listed if each.get("symbol") == market.get("symbol")]
        _fill_one(market, of_symbol, schema.market)


def _fill_one(table: Table, others: Sequence[Table], kind: type[Struct]) -> None:
    for field in fields_of(kind):
        key = field.encode_name
        if field.required and key not in table:
            table |= next(({key: other[key]} for other in others if key in other), {})


def _tables(table: Table, key: str) -> list[Table]:
    """The list of tables at a key; an empty one where there is none, which the check of the values says."""
    tables = table.get(key)
    return tables if isinstance(tables, list) and all(isinstance(each, dict) for each in tables) else []


def _below(table: Any, key: str) -> Table:
    """The table at a key; an empty one where there is none."""
    below = table.get(key) if isinstance(table, dict) else None
    return below if isinstance(below, dict) else {}


# overlays -------------------------------------------------------------------------------------------------


def _checked(over: Overlay, schema: Schema) -> Table:
    """An overlay's table in the schema's units, every key known."""
    whose = f"{over.label}: "
    if "name" in over.table:
        raise ScenarioError(f"{whose}name: a scenario keeps its own under an overlay")
    for key, meant in (("venue", "venue"), ("market", "market"), ("markets", "markets.BTC"), ("venues", "venues.NAME")):
        if not isinstance(over.table.get(key, {}), dict):
            raise ScenarioError(f"{whose}{key}: expected a table, as [{meant}]")
    try:
        market = _in_units(over.table.get("market", {}), schema.market, "market.")
        rest: Table = _in_units(
            {key: value for key, value in over.table.items() if key != "market"}, schema.scenario, ""
        )
        _check_keys(market, schema.market, "", "market.")
        _check_keys(rest, schema.scenario, "")
    except ScenarioError as error:
        raise ScenarioError(f"{whose}{error}") from error
    return rest | {"market": market}


def _overlay_layers(over: Overlay, table: Table, venues: int) -> Iterator[Layer]:
    """What an overlay says of everything, and what it says of one venue alone."""
    said = {key: value for key, value in over.table.items() if key not in ("market", "markets", "venues")}
    label = over.label
    try:
        named = _placed(over.table.get("markets", {}), table.get("markets"), "markets")
        market = over.table["market"]
        count = len(table["markets"]) if isinstance(table.get("markets"), list) else 0
        markets = {at: _over(market, named.get(at, {})) for at in range(count) if market or at in named}
        listed = {"markets": markets} if markets else {}
        placed = _placed(said, table, "") | listed
        if venues:
            venue = {key: value for key, value in said.get("venue", {}).items() if key not in ONLY_BELOW}
            placed["venues"] = {at: _placed(venue, table["venues"][at], "venue") | listed for at in range(venues)}
        yield Layer(label, placed)
        if over.table.get("venues"):
            if not venues:
                raise ScenarioError("venues: the scenario lists none; its one venue is called venue")
            yield Layer(label, {"venues": _placed(over.table["venues"], table["venues"], "venues")}, own=True)
    except ScenarioError as error:
        raise ScenarioError(f"{label}: {error}") from error


def _placed(said: Any, below: Any, path: str) -> Any:
    """What lies over lists, by the number of the element instead of its name."""
    if not isinstance(said, dict):
        return said
    if not isinstance(below, list):
        under = below if isinstance(below, dict) else {}
        return {key: _placed(value, under.get(key), f"{path}.{key}" if path else key) for key, value in said.items()}
    placed: Table = {}
    for key, value in said.items():
        at = _place(below, key)
        if at is None:
            raise ScenarioError(f"{path}: the list has no element {key}{nearest(key, _names_of(below))}")
        placed[at] = _placed(value, below[at], f"{path}.{key}")
    return placed


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
    if origin is list and isinstance(value, dict):
        return {name: _in_units(each, arguments[0], f"{path}{name}.") for name, each in value.items()}
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


def _overridden(table: Table, override: str, kind: type[Struct]) -> tuple[Table, list[Layer]]:
    """The table with an override in it, and a layer for each place that it set."""
    path, equals, value = override.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise ScenarioError(f"{override}: expected a.b=value")
    venues = table.get("venues")
    if keys[0] == "venues" and venues is None:
        raise ScenarioError(f"{path}: the scenario lists no venues; its one venue is called venue")
    places = [_set(table, keys, _value(value))]
    if isinstance(venues, list) and places[0][0] in ("venue", "markets"):
        places += _set_in_every_venue(venues, places[0], keys, _value(value))
    table = _in_units(table, kind, "")
    places = [_unit_of(place, table) for place in places]
    return table, [Layer(SET, _only(table, place), place[0] == "venues" == places[0][0]) for place in places]


def _set_in_every_venue(venues: list[Any], place: Place, keys: list[str], value: Any) -> Iterator[Place]:
    if len(place) == 1:
        raise ScenarioError(f"{keys[0]}: where there are several venues, it is set key by key")
    if place[0] == "venue":
        within = [] if place[1] in ONLY_BELOW else keys[1:]
    else:
        within = ["markets", str(place[1]), *keys[2 if keys[0] == "markets" else 1 :]]
    for at, venue in enumerate(venues if within else []):
        yield ("venues", at, *_set(venue, within, _copied(value)))


def _only(table: Table, place: Place) -> Table:
    """A table with nothing but what another has at a place."""
    value: Any = table
    for key in place:
        value = value[key]
    only: Table = {place[-1]: value}
    for key in reversed(place[:-1]):
        only = {key: only}
    return only


def _set(table: Table, keys: list[str], value: Any) -> Place:
    """Put a value at its place in the table; returns the place."""
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
            raise ScenarioError(
                f"{'.'.join(keys)}: the list has no element {keys[-1]}{nearest(keys[-1], _names_of(here))}"
            )
        here[at] = value
        return (*place, at)
    for unit, (written, _) in WRITTEN.items():
        if keys[-1].endswith(written):  # in another unit it takes the place of what is there, and is no second word
            here.pop(keys[-1].removesuffix(written) + unit, None)
    here[keys[-1]] = value
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


def _place(elements: Sequence[Any], key: str) -> int | None:
    if key.isdecimal():
        return int(key) if int(key) < len(elements) else None
    return _names_of(elements).index(key) if key in _names_of(elements) else None


def _names_of(elements: Sequence[Any]) -> list[str]:
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
