"""Scenario: a TOML file from which a whole run follows, checked to the last key before anything starts.

Read      1 the file (or its `base`, another scenario, under what the file says), over the presets that it names, under
            overlays and overrides (`makers.mode=stay`; see layers)
          2 every key by the schema: an unknown one stops with its path and the nearest name  3 every value  4 all
          together.
Files     that are named (accounts, brackets, a base) are looked for beside the file that names them; what `--set` names
          beside the scenario's.
Dates     Only the bounds of the run, the knots of the outside path, the news and the feed faults have any. All of them
          are shifted together by `outside.shift_s`. What a participant does has no date anywhere.
Makes     `setup`: the first inputs (listings, accounts, money, positions, fund).    `agents`: the participants.
Venues    several of one world, as `[[venues]]` lists them: each with its own book, accounts, people, fund and rules,
          all with the same outside path and the same makers, who are one firm with an account of one number on each.
          `share` is a venue's part of the whole that `markets` and `population` describe; of a market that some do not
          list, the others share all. What is said of one venue alone is its own, and is not shared out.
Copies    `venue.copies` of one venue, each with the whole of everything: for load, not for a world.
Chance    is keyed by the participant's name on the first venue, by `name@venue` on a further one: the first is the same
          however many there are.
Rounding  a venue's people are what all up to it have, rounded, less what all before it have: none is lost or counted
          twice.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from producers.abuse import Abuse, Abuser, Spoofers, Stuffers, abusers_of
from producers.agent import Agent
from producers.arbitrage import Arbitrage, Arbitrageurs, Branch
from producers.dip_buyers import DipBuyers, Dips
from producers.hedgers import HedgedPortfolios, Hedgers, Portfolio
from producers.leveraged_traders import Crowd, LeveragedTraders
from producers.market_maker import Benefits, Makers, MarketMaker, Seat
from producers.market_view import MarketView
from producers.momentum import Momentum, MomentumShorts, momentum_sellers
from producers.near_book import NearBook, NearBookTraders
from producers.noise import Noise
from producers.noise_traders import NoiseFlow, NoiseTraders
from producers.participant import Sized
from producers.population import Perpetual, Population, Position, crowd_positions, hedger_lots, maker_lots
from producers.quoting import Scale
from producers.relay import PriceRelay, lines_between
from producers.shocks import SECOND_US, Outside, OutsideMarket, OutsidePath, micros
from stream_engine.drive import Clock
from stream_engine.layers import Layered, Overlay, Place, ScenarioError, Schema, layered, nearest, overlay
from stream_engine.messages.inputs import (
    Deposit,
    Input,
    Leg,
    ListInstrument,
    MapVenue,
    OpenAccounts,
    SeedFund,
    SeedPositions,
    SetDuty,
    SetRules,
)
from stream_engine.messages.instrument import MAIN_POOL, MARKS, OWN_TRADES, IndexSource, Instrument, Tier, tick_value_of
from stream_engine.messages.rules import (
    AdlRules,
    BackstopRules,
    BreakerRules,
    FundRules,
    LiquidationRules,
    ObligationRules,
    OrderRules,
)
from stream_engine.messages.units import MILLION, WIRE_MAX
from stream_engine.own_positions import OwnAccounts, balanced_records, own_positions, tiers_from

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]

TICK_US = SECOND_US
# Whatever is counted here stays within it, and so far within what a float can hold that no step on the way passes it.
MOST = 1e15
# Draws are keyed by the participant's name: a maker under one of these would share another's, and its place in a tick.
TAKEN_NAMES = frozenset(
    {
        "outside",
        "population",
        "traders",
        "hedgers",
        "dip-buyers",
        "momentum",
        "noise",
        "near-book",
        "arbitrage",
        "relay",
        "spoofers",
        "stuffers",
    }
)

# The settings that name a file: margin brackets, and accounts of one's own.
FILES = ("brackets", "from")
# What msgspec calls the kinds of values, and what people call them.
WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a text",
    "bool": "true or false",
    "datetime": "a time",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
KINDS = re.compile(rf"`((?:{'|'.join(WORDS)})(?: \| (?:{'|'.join(WORDS)}))*)`")
# What of a market is shared out over the venues that list it.
SHARED = ("depth_usdt", "open_interest_usdt", "max_open_interest_usdt")
SUM_TO_ONE = 1e-9
LAST_PARTITION = 1_023

# What the copies of a venue are called.
LETTERS = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
]  # fmt: skip

# Where each kind of account begins to be numbered, and how many fit one bulk record.
MAKERS_FROM, HEDGERS_FROM, CROWD_FROM = 1, 1_001, 10_001
DIPS_FROM, MOMENTUM_FROM, NOISE_FROM, NEAR_FROM = 1_000_001, 2_000_001, 3_000_001, 4_000_001
ARBITRAGE_FROM = 5_000_001
# So many fit into these numbers: portfolios over all venues (each has its number on all of them); of the crowd on one
# venue, with room for its large accounts and whoever abuses.
MOST_PORTFOLIOS, MOST_OF_CROWD = 9_000, 980_000
ACCOUNTS_A_RECORD = 4_000
LEGS_A_RECORD = 6_000


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """The bounds of the run: first and last tick."""

    start: datetime
    end: datetime


class VenueSetting(Struct, frozen=True, forbid_unknown_fields=True):
    """The venue, the partition it lives on, its rules (see SetRules) and the money in its insurance fund.

    preset   whose published rules lie under these.
    fund_usdt, pools   what is in the fund's main pool, and in other pools and backstop vaults by name.
    orders, ...   the sections of messages/rules.py.
    duty_of   the tier of duty of a maker, on every market that names no other for it.
    copies   so many venues, on this partition and those after it: this one, then beta, gamma, ... (see `made`).
    """

    fund_usdt: NotNegative
    name: str = "alpha"
    preset: str | None = None
    pools: dict[str, NotNegative] = {}
    orders: OrderRules = OrderRules()
    liquidation: LiquidationRules = LiquidationRules()
    fund: FundRules = FundRules()
    backstop: BackstopRules = BackstopRules()
    adl: AdlRules = AdlRules()
    breakers: BreakerRules = BreakerRules()
    obligations: ObligationRules = ObligationRules()
    duty_of: dict[str, str] = {}
    partition: Annotated[int, Meta(ge=0, le=LAST_PARTITION)] = 0
    copies: Annotated[int, Meta(ge=1, le=24)] = 1
    checks_per_input: AtLeastOne = 500
    fund_draw_ppm: Annotated[int, Meta(ge=0, le=MILLION)] = MILLION
    cover_bound_ppm: Annotated[int, Meta(ge=0, le=MILLION)] = MILLION


class MaintenanceTier(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """Up to this notional (USDT; the last: 0, no end) the maintenance rate applies, and this leverage is the largest
    (0: the market's)."""

    bound_usdt: Annotated[int, Meta(ge=0)]
    rate_ppm: Annotated[int, Meta(gt=0, lt=MILLION)]
    max_leverage: Annotated[int, Meta(ge=0)] = 0


class MarketSetting(Struct, frozen=True, forbid_unknown_fields=True):
    """A perpetual as listed, and what is normal on it.

    max_price           USDT; the largest position follows from it.
    outside_weight, own_weight   of the outside source and of the venue's own trades in the index.
    depth_usdt          both sides together within 1 % in normal times, all makers.
    half_spread_bp      between the mid price and a side's best.      volatility_bp   per root second.
    stale_after_s       silence after which a source is left out of the index.
    brackets            a file of margin brackets instead of `tiers`; see own_positions.
    other_sources       further sources of the index, with their weights. Where one has the name of another venue of
                        the run (or `perp-` and that: only for the mark), it is that venue's last trade.
    max_open_interest_usdt   at the first price; 0: no limit.
    duty_of             the tier of duty of a maker on this market: what is large on one is nothing on another.
    mark, basis_*, index_clamp_ppm, funding_*, interest_ppm, liquidation_fee_ppm, fund_pool   as in Instrument.
    """

    symbol: str
    tick_size: str
    lot_size: str
    max_price: AtLeastOne
    max_leverage: AtLeastOne
    tiers: list[MaintenanceTier]
    outside_weight: AtLeastOne
    own_weight: Annotated[int, Meta(ge=0)]
    depth_usdt: Positive
    open_interest_usdt: Positive
    half_spread_bp: Positive
    volatility_bp: Positive
    default_leverage: AtLeastOne = 20
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 400
    market_bound_ppm: Annotated[int, Meta(gt=0, le=MILLION)] = 100_000
    stale_after_s: AtLeastOne = 5
    mark: str = "median"
    brackets: str | None = None
    other_sources: dict[str, AtLeastOne] = {}
    basis_every_us: AtLeastOne = 5 * SECOND_US
    basis_window_us: AtLeastOne = 150 * SECOND_US
    mark_bound_ppm: Annotated[int, Meta(ge=0, le=MILLION)] = 0
    index_clamp_ppm: Annotated[int, Meta(ge=0, le=MILLION)] = 0
    funding_interval_us: Annotated[int, Meta(ge=0)] = 0
    interest_ppm: Annotated[int, Meta(ge=-MILLION, le=MILLION)] = 100
    funding_damp_ppm: Annotated[int, Meta(ge=0, le=MILLION)] = 500
    funding_cap_ppm: Annotated[int, Meta(ge=0, le=MILLION)] = 7_500
    liquidation_fee_ppm: Annotated[int, Meta(ge=0, le=MILLION)] = MILLION
    fund_pool: str = MAIN_POOL
    max_open_interest_usdt: NotNegative = 0
    duty_of: dict[str, str] = {}


class Venue(VenueSetting, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One venue of a world of several: its rules as `[venue]` has them, and its markets.

    share     its part of depth and open interest of the markets, of accounts, portfolios and makers' capital.
    symbols   only these markets of the scenario are listed; none are named: all.
    """

    share: Annotated[float, Meta(gt=0, le=1)]
    markets: list[MarketSetting]
    symbols: list[str] | None = None


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole run. A population that is not named is not there; `accounts`: positions of one's own, from a file.

    venue, markets   what all venues have in common, the whole of each market.
    venues           as they are run: never empty once read (see `resolve`), each with all of its rules and markets.
    """

    name: str
    title: str
    run: Run
    venue: VenueSetting
    markets: list[MarketSetting]
    outside: Outside
    makers: Makers
    population: Population | None = None
    crowd: Crowd | None = None
    accounts: OwnAccounts | None = None
    hedgers: Hedgers | None = None
    dips: Dips | None = None
    momentum: Momentum | None = None
    noise: NoiseFlow | None = None
    near_book: NearBook | None = None
    arbitrage: Arbitrage | None = None
    abuse: Abuse | None = None
    venues: list[Venue] = []


SCHEMA = Schema(Scenario, MarketSetting)


# reading --------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """The scenarios that come with the package."""
    files = resources.files("stream_engine").joinpath("scenarios").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def text(name_or_path: str) -> str:
    """The TOML of a shipped scenario, or of a file."""
    if name_or_path in names():
        return resources.files("stream_engine").joinpath("scenarios", f"{name_or_path}.toml").read_text("utf-8")
    path = Path(name_or_path)
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(
            f"{name_or_path}: no scenario of this name{nearest(name_or_path, names())}, and no file that can be read "
            f"({getattr(error, 'strerror', None) or error})"
        ) from error


def load(name_or_path: str, overrides: Sequence[str] = (), overlays: Sequence[str] = ()) -> Scenario:
    """A scenario with its overlays and overrides, checked; ScenarioError otherwise."""
    return resolve(name_or_path, overrides, overlays)[0]


def resolve(name_or_path: str, overrides: Sequence[str] = (), overlays: Sequence[str] = ()) -> tuple[Scenario, Layered]:
    """A scenario, checked, and the layers that tell where each of its settings came from."""
    table = _table(name_or_path)
    beside = None if name_or_path in names() else Path(name_or_path).parent
    over = [_overlay(each) for each in overlays]
    if "base" in table:
        table, variation = _varied(table, beside)
        over.insert(0, variation)
    layers = layered(table, SCHEMA, over, overrides)
    for place, market in _markets_of(layers.table):
        if "brackets" in market:
            path = f"{_written(place)}.brackets"
            said = layers.said((*place, "tiers"))
            if said is not None and not said.label.startswith("preset"):
                raise ScenarioError(f"{path}: tiers are given, too; one of them says it")
            market["tiers"] = tiers_from(_beside(beside, market["brackets"]), path)
    accounts = layers.table.get("accounts")
    if isinstance(accounts, dict) and isinstance(accounts.get("from"), str):
        accounts["from"] = str(_beside(beside, accounts["from"]))
    for path, number in _out_of_bounds(layers.table, ""):
        raise ScenarioError(layers.named(f"{path}: expected a number from {-MOST:g} to {MOST:g}, found {number:g}"))
    try:
        scenario = msgspec.convert(layers.table, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(layers.named(readable(str(error)))) from error
    listed = bool(scenario.venues)
    for complaint in _venues_complaints(scenario):
        raise ScenarioError(layers.named(complaint))
    scenario = replace(scenario, venues=_shared_out(scenario, layers) if listed else _copies(scenario))
    for complaint in _complaints(scenario, listed):
        raise ScenarioError(layers.named(complaint))
    return scenario, layers


def _table(name_or_path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text(name_or_path))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{name_or_path}: {error}") from error


def _overlay(name_or_path: str) -> Overlay:
    over = overlay(name_or_path)
    return over._replace(table=_found(over.table, Path(name_or_path).parent))


def _varied(table: dict[str, Any], beside: Path | None) -> tuple[dict[str, Any], Overlay]:
    """The scenario that one is based on, under the new one's name, and what the new one lays over it."""
    base = str(table.pop("base"))
    for key in ("name", "title"):
        if not isinstance(table.get(key), str):
            raise ScenarioError(f"{key}: expected a line of text, also where a scenario is based on {base}")
    own = {key: table.pop(key) for key in ("name", "title")}
    path = None if base in names() else _beside(beside, base)
    try:
        below = _table(base if path is None else str(path))
    except ScenarioError as error:
        raise ScenarioError(f"base: {error}") from error
    if path is not None:
        below = _found(below, path.parent)
    if "base" in below:
        raise ScenarioError(f"base: {base} is based on another one itself; name that one")
    return below | own, Overlay(own["name"], own["title"], table, "scenario")


def _markets_of(table: Mapping[str, Any]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Every market's table, those of the venues included, and its place before each venue chose what it lists."""
    symbols: list[Any] = []
    for place, holder in _holders(table):
        markets = holder.get("markets") if isinstance(holder, dict) else None
        for at, market in enumerate(markets if isinstance(markets, list) else []):
            if isinstance(market, dict):
                symbol = market.get("symbol")
                if not place:
                    symbols.append(symbol)
                yield (*place, "markets", symbols.index(symbol) if symbol in symbols else at), market


def _holders(table: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """What has markets: the table itself, and each of its venues."""
    yield (), table
    venues = table.get("venues")
    for at, venue in enumerate(venues if isinstance(venues, list) else []):
        yield ("venues", at), venue


def _written(place: Place) -> str:
    """A place as people write it: `venues[0].markets[1]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")


def _found(value: Any, folder: Path) -> Any:
    """A table in which every file that it names has its whole path, for whoever reads it from another folder."""
    if isinstance(value, list):
        return [_found(each, folder) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: str(_beside(folder, below).absolute())
        if key in FILES and isinstance(below, str)
        else _found(below, folder)
        for key, below in value.items()
    }


def _beside(folder: Path | None, written: Any) -> Path:
    """A file that a scenario names: beside the scenario's own, or from where one stands."""
    path = Path(str(written))
    return path if folder is None or path.is_absolute() else folder / path


def clock(scenario: Scenario) -> Clock:
    """The bounds of the run, shifted like everything else that has a date."""
    shift_s = scenario.outside.shift_s
    return Clock(micros(scenario.run.start, shift_s), micros(scenario.run.end, shift_s), TICK_US)


def venues(scenario: Scenario) -> dict[str, int]:
    """The venues of a run, each with its partition."""
    return {venue.name: venue.partition for venue in scenario.venues}


def partitions(scenario: Scenario) -> int:
    """How many partitions every topic must have at least."""
    return max(venues(scenario).values()) + 1


def _copies(scenario: Scenario) -> list[Venue]:
    """The one venue of a file and its copies, named by the Greek alphabet, each with the whole of everything."""
    one = scenario.venue
    others = [letter for letter in LETTERS if letter != one.name]
    settings = {name: getattr(one, name) for name in one.__struct_fields__}
    return [
        Venue(**settings | {"name": name, "partition": one.partition + at}, share=1.0, markets=scenario.markets)
        for at, name in enumerate([one.name, *others][: one.copies])
    ]


def _shared_out(scenario: Scenario, layers: Layered) -> list[Venue]:
    """The venues of a file, each with its partition and its part of every market."""
    symbols = [market.symbol for market in scenario.markets]
    of_symbol = dict.fromkeys(symbols, 0.0)
    for venue in scenario.venues:
        for market in venue.markets:
            of_symbol[market.symbol] += venue.share
    made = []
    for at, venue in enumerate(scenario.venues):
        markets = []
        for market in venue.markets:
            place = ("venues", at, "markets", symbols.index(market.symbol))
            everyone = abs(of_symbol[market.symbol] - 1) <= SUM_TO_ONE
            part = venue.share if everyone else venue.share / of_symbol[market.symbol]
            whole = [key for key in SHARED if not (said := layers.said((*place, key))) or not said.own]
            markets.append(replace(market, **{key: getattr(market, key) * part for key in whole}))
        own = layers.said(("venues", at, "partition"))
        partition = venue.partition if own is not None else scenario.venue.partition + at
        made.append(replace(venue, markets=markets, partition=partition))
    return made


def at_venue(scenario: Scenario, venue: Venue) -> Scenario:
    """The scenario as one of its venues has it: its rules, its markets, and its part of the people."""
    if venue.share == 1:
        return replace(scenario, venue=venue, markets=venue.markets)
    before = sum(each.share for each in scenario.venues[: scenario.venues.index(venue)])

    def part(many: int) -> int:
        return round(many * (before + venue.share)) - round(many * before)

    symbols = {market.symbol for market in venue.markets}
    population, hedgers = scenario.population, scenario.hedgers
    if population is not None:
        population = replace(population, accounts=max(1, part(population.accounts)))
    if hedgers is not None:
        legs = [leg for leg in hedgers.legs if leg.symbol in symbols]
        hedgers = replace(hedgers, portfolios=part(hedgers.portfolios) if legs else 0, legs=legs)
    accounts = scenario.accounts if venue == scenario.venues[0] else None
    return replace(
        scenario, venue=venue, markets=venue.markets, population=population, hedgers=hedgers, accounts=accounts
    )


def _out_of_bounds(value: Any, path: str) -> Iterator[tuple[str, float]]:
    """Every number that is infinite, none at all, or too large to count with."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _out_of_bounds(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from _out_of_bounds(element, f"{path}[{number}]")
    elif isinstance(value, int | float) and not -MOST <= value <= MOST:
        yield path, value if isinstance(value, float) else float(min(max(value, -(10**300)), 10**300))


def readable(complaint: str) -> str:
    """Where first, then what is wrong, in words of people; msgspec says it like `Expected `int` - at `$.a`."""
    what, _, where = complaint.partition(" - at `$")
    where = where.rstrip("`").lstrip(".")
    what = KINDS.sub(_in_words, what[:1].lower() + what[1:]).replace(", got ", ", found ")
    if what.startswith("invalid enum value"):
        what += "".join(f"; it is one of {', '.join(words)}" for words in _choices(where))
    return f"{where}: {what}" if where else what


def _in_words(kinds: re.Match[str]) -> str:
    """`int | null`, as people say it."""
    return " or ".join(WORDS[kind] for kind in kinds[1].split(" | "))


def _choices(where: str) -> Iterator[list[str]]:
    """The words that a setting may be, if it is one of some."""
    kind: Any = Scenario
    for name in where.split("."):
        kind = get_type_hints(kind).get(name) if isinstance(kind, type) else None
    if isinstance(kind, type) and issubclass(kind, Enum):
        yield [word.value for word in kind]


# what the values say together ------------------------------------------------------------------------------


def _venues_complaints(scenario: Scenario) -> Iterator[str]:
    """What is wrong with the markets and with those who list them."""
    symbols = [market.symbol for market in scenario.markets]
    if not symbols:
        yield "markets: expected one or more"
    if len(set(symbols)) < len(symbols):
        yield "markets: a symbol is listed twice"
    if not scenario.venues:
        return
    for path, copies in [
        ("venue", scenario.venue.copies),
        *((f"venues.{venue.name}", venue.copies) for venue in scenario.venues),
    ]:
        if copies > 1:
            yield f"{path}.copies: copies are of a single venue, to load an engine; a world of several lists each"
    venue_names = [venue.name for venue in scenario.venues]
    for name in venue_names:
        if venue_names.count(name) > 1:
            yield f"venues: the name {name} is given twice"
    total = sum(venue.share for venue in scenario.venues)
    if abs(total - 1) > SUM_TO_ONE:
        yield f"venues: the shares are parts of one whole; their sum is {total:g}, and not 1"
    for venue in scenario.venues:
        if not venue.markets:
            yield f"venues.{venue.name}.symbols: expected one or more"
        for market in venue.markets:
            if market.symbol not in symbols:
                yield f"venues.{venue.name}.markets: {market.symbol} is no market of the scenario"
    for symbol in symbols:
        if not any(market.symbol == symbol for venue in scenario.venues for market in venue.markets):
            yield f"markets.{symbol}: no venue lists it"


def _complaints(scenario: Scenario, listed: bool) -> Iterator[str]:
    """What is wrong with the scenario, the first of it first; `listed`: it has venues as its file lists them."""
    symbols = [market.symbol for market in scenario.markets]
    # First of what is said of times: without its zone a time cannot be held against another.
    for path, moment in _moments(scenario):
        if moment.tzinfo is None:
            yield f"{path}: expected a time with its zone, as 2025-10-10T20:00:00Z"
        if moment.microsecond:
            yield f"{path}: expected a whole second, found {moment}"
    if scenario.run.start >= scenario.run.end:
        yield f"run.end: expected later than run.start ({scenario.run.start})"
    for path, moment in (("run.start", scenario.run.start), ("run.end", scenario.run.end)):
        if not 0 <= micros(moment, scenario.outside.shift_s) <= WIRE_MAX:
            yield f"{path}: with outside.shift_s of {scenario.outside.shift_s} it lies before 1970 or after 2255"
    yield from _outside_complaints(scenario, set(symbols))
    for venue in scenario.venues:
        if venue.partition > LAST_PARTITION:
            yield f"venue.partition: {venue.name} would live on {venue.partition}; the last is {LAST_PARTITION}"
        for number, market in enumerate(venue.markets):
            where = f"venues.{venue.name}.markets.{market.symbol}" if listed else f"markets[{number}]"
            yield from _market_complaints(market, where)
            for source in market.other_sources:
                if source in (OWN_TRADES, scenario.outside.source):
                    yield f"{where}.other_sources: {source} is a source already"
        desks = [desk.name for desk in scenario.makers.desks]
        yield from _rules_complaints(venue, desks, f"venues.{venue.name}" if listed else "venue")
        yield from _number_complaints(at_venue(scenario, venue), venue.name)
    yield from _participant_complaints(scenario, symbols)


def _number_complaints(scenario: Scenario, venue: str) -> Iterator[str]:
    crowd = scenario.population.accounts if scenario.population else 0
    if crowd > MOST_OF_CROWD:
        yield f"population.accounts: a venue has {MOST_OF_CROWD:,} at most, and {venue} would have {crowd:,}"


def _moments(scenario: Scenario) -> Iterator[tuple[str, datetime]]:
    yield "run.start", scenario.run.start
    yield "run.end", scenario.run.end
    for number, knot in enumerate(scenario.outside.knots):
        yield f"outside.knots[{number}].at", knot.at
    for number, news in enumerate(scenario.outside.news):
        yield f"outside.news[{number}].at", news.at
    for number, fault in enumerate(scenario.outside.faults):
        yield f"outside.faults[{number}].start", fault.start
        yield f"outside.faults[{number}].end", fault.end


def _outside_complaints(scenario: Scenario, symbols: set[str]) -> Iterator[str]:
    outside = scenario.outside
    if not outside.knots:
        yield "outside.knots: expected one or more"
    if outside.source == OWN_TRADES:
        yield f"outside.source: {OWN_TRADES} stands for the venue's own trades"
    for number, knot in enumerate(outside.knots):
        path = f"outside.knots[{number}]"
        if set(knot.prices) != symbols:
            odd = sorted(set(knot.prices) ^ symbols)
            yield f"{path}.prices: expected a price of each market and no other; look at {', '.join(odd)}"
        if number and (knot.at - outside.knots[number - 1].at).total_seconds() < 60:
            before = outside.knots[number - 1].at
            yield f"{path}.at: expected a minute or more after the knot before it ({before}), found {knot.at}"
    knots = {knot.at for knot in outside.knots}
    for number, news in enumerate(outside.news):
        unknown = sorted(set(news.moves_pct) - symbols)
        if unknown:
            yield f"outside.news[{number}].moves_pct: there is no market {unknown[0]}"
        if any(move <= -100 for move in news.moves_pct.values()):
            yield f"outside.news[{number}].moves_pct: expected more than -100"
        if news.moves_pct and news.at not in knots:
            yield f"outside.news[{number}].at: news that moves a price needs a knot at its time ({news.at})"
    for number, fault in enumerate(outside.faults):
        if fault.end <= fault.start:
            yield f"outside.faults[{number}].end: expected later than its start"
    for symbol in outside.impact.depth_usdt if outside.impact is not None else ():
        if symbol not in symbols:
            yield f"outside.impact.depth_usdt: there is no market {symbol}{nearest(symbol, sorted(symbols))}"


def _market_complaints(market: MarketSetting, path: str) -> Iterator[str]:
    try:
        instrument = _instrument(market, "spot")
    except (ValueError, ArithmeticError):  # no number; or 0, or infinite
        found = f"{market.tick_size}, {market.lot_size}"
        yield f"{path}.tick_size: expected tick and lot as decimal numbers above 0, below max_price, found {found}"
        return
    if instrument.tick_value != tick_value_of(instrument) or instrument.tick_value < 1:
        yield f"{path}: tick_size * lot_size is no whole number of millionths of a USDT, 1 or more"
    if market.mark not in MARKS:
        yield f"{path}.mark: expected {', '.join(MARKS)}; found {market.mark}"
    if market.default_leverage > market.max_leverage:
        yield f"{path}.default_leverage: expected at most max_leverage ({market.max_leverage})"
    bounds = [tier.bound_usdt for tier in market.tiers]
    if not bounds or bounds[-1] != 0 or bounds[:-1] != sorted(set(bounds[:-1])) or 0 in bounds[:-1]:
        yield f"{path}.tiers: expected rising bounds, the last of them 0"
    if [tier.rate_ppm for tier in market.tiers] != sorted(tier.rate_ppm for tier in market.tiers):
        yield f"{path}.tiers: expected rates that do not fall"


def _participant_complaints(scenario: Scenario, symbols: Sequence[str]) -> Iterator[str]:
    population, crowd = scenario.population, scenario.crowd
    if (population is None) != (crowd is None):
        yield f"{'population' if population is None else 'crowd'}: expected, too: who holds what, and how they act"
    if population is None and scenario.hedgers is not None:
        yield "hedgers: expected a population, which holds the other side of theirs"
    per_symbol: list[tuple[str, Mapping[str, Any]]] = []
    if population is not None:
        per_symbol.append(("population.split", population.split))
    if crowd is not None:
        per_symbol.append(("crowd.panic_pct", crowd.panic_pct))
        per_symbol.append(("crowd.profit_pct", crowd.profit_pct))
    if scenario.dips is not None:
        per_symbol.append(("dips.density_of_depth", scenario.dips.density_of_depth))
        per_symbol.append(("dips.farthest_pct", scenario.dips.farthest_pct))
    for path, values in per_symbol:
        odd = sorted(set(values) ^ set(symbols))
        if odd:
            yield f"{path}: expected a value of each market and no other; look at {', '.join(odd)}"
    desks = [desk.name for desk in scenario.makers.desks]
    if len(set(desks)) < len(desks):
        yield "makers.desks: a name is given twice"
    for name in desks:
        if name in TAKEN_NAMES:
            yield f"makers.desks: {name} is the name of another participant"
    nearest_pct = scenario.dips.nearest_pct if scenario.dips is not None else 0.0
    for symbol, pct in scenario.dips.farthest_pct.items() if scenario.dips is not None else ():
        if not nearest_pct <= pct <= 100:
            yield f"dips.farthest_pct.{symbol}: expected from dips.nearest_pct ({nearest_pct:g}) to 100, found {pct:g}"
    portfolios = scenario.hedgers.portfolios if scenario.hedgers else 0
    if portfolios > MOST_PORTFOLIOS:
        yield f"hedgers.portfolios: there are {MOST_PORTFOLIOS:,} at most, found {portfolios:,}"
    for number, leg in enumerate(scenario.hedgers.legs if scenario.hedgers else []):
        if leg.symbol not in symbols:
            yield f"hedgers.legs[{number}].symbol: there is no market {leg.symbol}"
    for symbol in sorted(set(scenario.near_book.share_of if scenario.near_book else ()) - set(symbols)):
        yield f"near_book.share_of: there is no market {symbol}{nearest(symbol, symbols)}"
    if population is not None:
        yield from _population_complaints(population, symbols)
    if scenario.abuse is not None:
        yield from _abuse_complaints(scenario.abuse, symbols)


def _population_complaints(population: Population, symbols: Sequence[str]) -> Iterator[str]:
    for symbol in sorted(set(population.leverage_factor) - set(symbols)):
        yield f"population.leverage_factor: there is no market {symbol}"
    for side in ("long_leverage", "short_leverage"):
        if not getattr(population, side):
            yield f"population.{side}: expected one range of leverage or more"


def _abuse_complaints(abuse: Abuse, symbols: Sequence[str]) -> Iterator[str]:
    for kind in ("spoofers", "stuffers"):
        for symbol in sorted(set(getattr(abuse, kind)) - set(symbols)):
            yield f"abuse.{kind}: there is no market {symbol}"
    for least, most in (("levels_from", "levels_to"), ("burst_from_s", "burst_to_s"), ("orders_from", "orders_to")):
        if getattr(abuse, least) > getattr(abuse, most):
            found = f"{getattr(abuse, least)} and {getattr(abuse, most)}"
            yield f"abuse.{most}: expected at least abuse.{least}, found {found}"


def _rules_complaints(venue: Venue, desks: Sequence[str], path: str) -> Iterator[str]:
    tiers = [duty.name for duty in venue.obligations.duties]
    below = "markets" if path == "venue" else f"{path}.markets"
    of_markets = ((f"{below}.{market.symbol}.duty_of", market.duty_of) for market in venue.markets)
    for said, duty_of in ((f"{path}.duty_of", venue.duty_of), *of_markets):
        for desk, tier in duty_of.items():
            if desk not in desks:
                yield f"{said}: there is no maker {desk}{nearest(desk, desks)}"
            if tier not in tiers:
                yield f"{said}.{desk}: {path}.obligations has no duty {tier}{nearest(tier, tiers)}"
    known = {MAIN_POOL, *venue.backstop.vaults, *(market.fund_pool for market in venue.markets)}
    for pool in venue.pools:
        if pool not in known:
            yield f"{path}.pools: no market and no backstop vault has a pool {pool}{nearest(pool, sorted(known))}"


# making ---------------------------------------------------------------------------------------------------


class _Cast(Struct):
    """Who takes part on one venue: everything that follows from scenario and seed before the first tick.

    scenario   as the venue has it.
    """

    venue: str
    scenario: Scenario
    instruments: dict[str, Instrument]
    perpetuals: dict[str, Perpetual]
    path: OutsidePath
    accounts: list[tuple[int, str]]
    money: list[tuple[int, int]]
    legs: dict[str, list[Leg]]
    makers: dict[str, int]
    portfolios: list[Portfolio]
    positions: list[Position]
    dips: dict[str, list[int]]
    momentum: dict[str, list[int]]
    noise: dict[str, list[int]]
    near_book: dict[str, list[int]]
    arbitrage: dict[str, int]
    spoofers: list[Abuser]
    stuffers: list[Abuser]


def setup(scenario: Scenario, seed: int) -> list[Input]:
    """The first inputs, from which a recording is enough to replay the run; the map of every venue comes first."""
    now_us = clock(scenario).start_us
    inputs: list[Input] = [MapVenue(venue, now_us, partition) for venue, partition in venues(scenario).items()]
    for cast in _casts(scenario, seed):
        inputs.extend(_setup_of(cast, now_us))
    return inputs


def _setup_of(cast: _Cast, now_us: int) -> Iterator[Input]:
    venue, rules = cast.venue, cast.scenario.venue
    yield SetRules(
        venue, now_us, rules.checks_per_input, rules.fund_draw_ppm, rules.cover_bound_ppm, rules.orders,
        rules.liquidation, rules.fund, rules.backstop, rules.adl, rules.breakers, rules.obligations,
    )  # fmt: skip
    for instrument in cast.instruments.values():
        yield ListInstrument(venue, now_us, instrument)
    for at in range(0, len(cast.accounts), ACCOUNTS_A_RECORD):
        yield OpenAccounts(venue, now_us, tuple(cast.accounts[at : at + ACCOUNTS_A_RECORD]))
    for at in range(0, len(cast.money), ACCOUNTS_A_RECORD):
        page = cast.money[at : at + ACCOUNTS_A_RECORD]
        yield Deposit(venue, now_us, tuple(page))
    begun: set[int] = set()
    for legs in cast.legs.values():
        begun.clear()
        for record in balanced_records(legs, LEGS_A_RECORD):
            yield SeedPositions(venue, now_us, tuple(record), any(leg.account in begun for leg in record))
            begun.update(leg.account for leg in record)
    for pool, usdt in {MAIN_POOL: rules.fund_usdt, **rules.pools}.items():
        if usdt:
            yield SeedFund(venue, now_us, round(usdt * MILLION), pool)
    for desk, account in cast.makers.items():
        for market in cast.scenario.markets:
            tier = market.duty_of.get(desk, rules.duty_of.get(desk))
            if tier is not None:
                yield SetDuty(venue, now_us, account, market.symbol, tier)


def agents(scenario: Scenario, seed: int) -> list[Agent]:
    """The participants of all venues, new: an agent has a memory, so every run needs its own."""
    casts = _casts(scenario, seed)
    return [agent for world in _worlds(scenario, casts) for agent in _agents_of(scenario, world, seed)]


def _worlds(scenario: Scenario, casts: list[_Cast]) -> list[list[_Cast]]:
    """The venues that know of each other: all of them; copies of one each stand alone."""
    return [[cast] for cast in casts] if scenario.venue.copies > 1 else [casts]


def _agents_of(scenario: Scenario, casts: Sequence[_Cast], seed: int) -> Iterator[Agent]:
    """The participants of one world: the outside market and the firms, each one over its venues, then its people."""
    home = casts[0].venue
    instruments = {cast.venue: cast.instruments for cast in casts}
    hedging = {casts[0].makers[desk.name]: desk.hedge_s for desk in scenario.makers.desks}
    hedging |= {account: 0.0 for cast in casts for account in cast.arbitrage.values()}
    yield OutsideMarket(instruments, scenario.outside, casts[0].path, hedging)
    views = {
        (cast.venue, lag_s): MarketView(
            cast.venue, cast.instruments, scenario.outside.source, latency_us=lag_s * SECOND_US
        )
        for cast in casts
        for lag_s in sorted({0} | {desk.feed_lag_s for desk in scenario.makers.desks})
    }
    for desk in scenario.makers.desks:
        seats = {cast.venue: Seat(views[cast.venue, desk.feed_lag_s], *_normal(cast, desk.name)) for cast in casts}
        chance = _chance(scenario, home, seed, desk.name)
        yield MarketMaker(casts[0].makers[desk.name], desk, scenario.makers, seats, chance)
    now = {cast.venue: views[cast.venue, 0] for cast in casts}
    if scenario.hedgers is not None:
        portfolios = [portfolio for cast in casts for portfolio in cast.portfolios]
        yield HedgedPortfolios(portfolios, scenario.hedgers, now, _chance(scenario, home, seed, "hedgers"))
    if scenario.arbitrage is not None:
        accounts = {symbol: account for cast in casts for symbol, account in cast.arbitrage.items()}
        branches = {cast.venue: Branch(now[cast.venue], _sizes(cast.scenario)) for cast in casts}
        yield Arbitrageurs(accounts, branches, scenario.arbitrage)
    if lines_between(now):
        yield PriceRelay(now)
    for cast in casts:
        yield from _people_of(scenario, cast, now[cast.venue], seed)


def _normal(cast: _Cast, desk: str) -> tuple[dict[str, Scale], dict[str, Benefits]]:
    """What is normal on each symbol of a venue, and what it gives and takes of a maker."""
    markets, rules = cast.scenario.markets, cast.scenario.venue
    scales = {
        market.symbol: Scale(market.depth_usdt, market.half_spread_bp * 1e-4, market.volatility_bp * 1e-4)
        for market in markets
    }
    return scales, {market.symbol: _benefits(rules, market, desk) for market in markets}


def _benefits(rules: VenueSetting, market: MarketSetting, desk: str) -> Benefits:
    obligations, tier = rules.obligations, market.duty_of.get(desk, rules.duty_of.get(desk))
    duty = next((duty for duty in obligations.duties if duty.name == tier), None)
    return Benefits(
        rebate=max(-market.maker_fee_ppm, 0) / MILLION,
        duty_usdt=duty.size_quote / MILLION if duty is not None else 0.0,
        duty_spread=duty.spread_ppm / MILLION if duty is not None else 0.0,
        clawback=obligations.clawback and duty is not None,
        tranche_usdt=obligations.tranche_cap_quote / MILLION if duty is not None else 0.0,
        period_s=obligations.period_us / SECOND_US,
    )


def _sizes(scenario: Scenario) -> dict[str, Sized]:
    return {
        market.symbol: Sized(
            market.depth_usdt, market.open_interest_usdt, market.volatility_bp * 1e-4, market.max_leverage
        )
        for market in scenario.markets
    }


def _people_of(scenario: Scenario, cast: _Cast, view: MarketView, seed: int) -> Iterator[Agent]:
    """Those who are at home on one venue."""
    venue, sizes = cast.venue, _sizes(cast.scenario)

    def chance(name: str) -> Noise:
        return _chance(scenario, venue, seed, name)

    if scenario.crowd is not None:
        holders = [position.holder for position in cast.positions]
        yield LeveragedTraders(venue, holders, scenario.crowd, sizes, view, chance("traders"))
    if scenario.dips is not None:
        yield DipBuyers(venue, cast.dips, scenario.dips, sizes, view, chance("dip-buyers"))
    if scenario.momentum is not None:
        yield MomentumShorts(venue, cast.momentum, scenario.momentum, sizes, view, chance("momentum"))
    if scenario.noise is not None:
        yield NoiseTraders(venue, cast.noise, scenario.noise, sizes, view, chance("noise"))
    if scenario.near_book is not None:
        yield NearBookTraders(venue, cast.near_book, scenario.near_book, sizes, view, chance("near-book"))
    if scenario.abuse is not None:
        yield Spoofers(venue, cast.spoofers, scenario.abuse, view, chance("spoofers"))
        yield Stuffers(venue, cast.stuffers, scenario.abuse, view, chance("stuffers"))


def _chance(scenario: Scenario, venue: str, seed: int, name: str) -> Noise:
    """The chance of a participant on a venue."""
    return Noise(seed, name if venue == scenario.venues[0].name else f"{name}@{venue}")


def _casts(scenario: Scenario, seed: int) -> list[_Cast]:
    # setup and agents of one run ask for the same; a Struct with lists has no hash, its encoding has.
    try:
        return _casts_of(msgspec.json.encode(scenario), seed)
    except ArithmeticError as error:
        raise ScenarioError(f"a value is too small or too large for its purpose: {error}") from error


@lru_cache(maxsize=1)
def _casts_of(encoded: bytes, seed: int) -> list[_Cast]:
    scenario = msgspec.json.decode(encoded, type=Scenario)
    times = clock(scenario)
    volatility = {market.symbol: market.volatility_bp for market in scenario.markets}
    path = OutsidePath(scenario.outside, volatility, times.start_us, times.end_us, Noise(seed, "outside"))
    casts: list[_Cast] = []
    for venue in scenario.venues:
        before = sum(len(cast.portfolios) for cast in casts) if scenario.venue.copies == 1 else 0
        casts.append(_cast_of(at_venue(scenario, venue), venue, path, before, seed))
    for world in _worlds(scenario, casts):
        _add_elsewhere(world)
    return casts


def _cast_of(scenario: Scenario, at: Venue, path: OutsidePath, portfolios: int, seed: int) -> _Cast:
    """The cast of a venue; `portfolios`: how many there are on those before it."""
    venue = at.name
    instruments = {market.symbol: _instrument(market, scenario.outside.source) for market in scenario.markets}
    for market in scenario.markets:
        lot_usdt = path.prices(path.start_us)[market.symbol] * float(market.lot_size)
        most = int(market.max_open_interest_usdt / lot_usdt)
        if most:
            instruments[market.symbol] = replace(instruments[market.symbol], max_open_interest=most)
    perpetuals = {market.symbol: _perpetual(market, instruments[market.symbol], path) for market in scenario.markets}
    legs: dict[str, list[Leg]] = {symbol: [] for symbol in instruments}
    cast = _Cast(venue, scenario, instruments, perpetuals, path, [], [], legs, {}, [], [], {}, {}, {}, {}, {}, [], [])
    makers = _add_makers(scenario, cast, at.share)
    hedged = _add_hedgers(scenario, cast, portfolios, _chance(scenario, venue, seed, "hedgers"))
    if scenario.population is not None:
        _add_crowd(scenario.population, cast, hedged, makers, _chance(scenario, venue, seed, "population"))
    if scenario.accounts is not None:
        prices = {symbol: perpetual.price for symbol, perpetual in perpetuals.items()}
        own = own_positions(scenario.accounts, instruments, prices)
        cast.accounts += own.accounts
        cast.money += own.money
        for symbol, each in own.legs.items():
            legs[symbol] += each
    _add_populations(scenario, cast, _chance(scenario, venue, seed, "momentum"))
    if scenario.abuse is not None:
        _add_abusers(scenario.abuse, cast)
    return cast


def _add_crowd(
    population: Population, cast: _Cast, hedged: dict[str, int], makers: dict[str, int], noise: Noise
) -> None:
    try:
        cast.positions = crowd_positions(population, cast.perpetuals, hedged, makers, noise, CROWD_FROM)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    for position in cast.positions:
        holder = position.holder
        cast.accounts.append((holder.account, f"trader-{holder.account - CROWD_FROM + 1}"))
        _pay_in(cast, holder.account, position.money_usdt)
        isolated = position.is_isolated
        margin = round(position.money_usdt * MILLION) if isolated else 0  # all that it has stands behind it
        leverage = position.set_leverage
        cast.legs[holder.symbol].append(
            Leg(holder.account, holder.symbol, holder.lots, holder.entry, leverage, isolated, margin)
        )


def _pay_in(cast: _Cast, account: int, usdt: float) -> None:
    cast.money.append((account, round(usdt * MILLION)))


def _add_makers(scenario: Scenario, cast: _Cast, part: float) -> dict[str, int]:
    """Accounts and positions of the makers, each with this part of its capital; the lots that they hold in all."""
    held = dict.fromkeys(cast.instruments, 0)
    shares = sum(desk.share for desk in scenario.makers.desks) or 1.0
    for number, desk in enumerate(scenario.makers.desks):
        account = MAKERS_FROM + number
        cast.makers[desk.name] = account
        cast.accounts.append((account, desk.name))
        _pay_in(cast, account, desk.capital_usdt * desk.capital_scale * part)
        for symbol, perpetual in cast.perpetuals.items() if scenario.population is not None else ():
            assert scenario.population is not None
            lots = maker_lots(scenario.population, perpetual, desk.share / shares)
            if lots:
                held[symbol] += lots
                cast.legs[symbol].append(Leg(account, symbol, lots, perpetual.price))
    return held


def _add_hedgers(scenario: Scenario, cast: _Cast, before: int, noise: Noise) -> dict[str, int]:
    """Accounts and positions of the hedged portfolios, numbered on from those of the venues before; the lots that they
    hold in all."""
    held = dict.fromkeys(cast.instruments, 0)
    hedgers = scenario.hedgers
    for number in range(before, before + (hedgers.portfolios if hedgers is not None else 0)):
        assert hedgers is not None
        account = HEDGERS_FROM + number
        lots = hedger_lots(hedgers, cast.perpetuals, number, noise)
        leverage = {leg.symbol: leg.leverage for leg in hedgers.legs}
        money = sum(abs(size) * cast.perpetuals[symbol].lot_usdt / leverage[symbol] for symbol, size in lots.items())
        cast.portfolios.append(Portfolio(account, f"hedger-{number + 1}", cast.venue, lots, money))
        cast.accounts.append((account, f"hedger-{number + 1}"))
        _pay_in(cast, account, money)
        for symbol, size in lots.items():
            held[symbol] += size
            cast.legs[symbol].append(Leg(account, symbol, size, cast.perpetuals[symbol].price, leverage[symbol]))
    return held


def _add_elsewhere(world: Sequence[_Cast]) -> None:
    """Accounts of hedged portfolios on the next venue, if they have any."""
    for at, cast in enumerate(world):
        hedgers = cast.scenario.hedgers
        if hedgers is None or not hedgers.elsewhere or len(world) == 1:
            continue
        other = world[(at + 1) % len(world)]
        for portfolio in cast.portfolios:
            portfolio.elsewhere = other.venue
            other.accounts.append((portfolio.account, portfolio.name))
            _pay_in(other, portfolio.account, portfolio.margin_usdt * hedgers.elsewhere)


def _add_populations(scenario: Scenario, cast: _Cast, noise: Noise) -> None:
    """Accounts of those who hold nothing at the start; those of a symbol have the same numbers on every venue."""
    symbols = list(dict.fromkeys(market.symbol for venue in scenario.venues for market in venue.markets))
    if scenario.dips is not None:
        cast.dips = _accounts(cast, symbols, scenario.dips.buyers, DIPS_FROM, "dip", scenario.dips.capital_usdt)
    momentum = scenario.momentum
    if momentum is not None:
        cast.momentum = _accounts(cast, symbols, momentum.sellers, MOMENTUM_FROM, "momentum", None)
        for seller in momentum_sellers(momentum, cast.momentum, _sizes(scenario), noise):
            _pay_in(cast, seller.account, max(1.0, seller.money_usdt()))
    if scenario.noise is not None:
        cast.noise = _accounts(cast, symbols, scenario.noise.traders, NOISE_FROM, "noise", scenario.noise.capital_usdt)
    near = scenario.near_book
    if near is not None:
        cast.near_book = _accounts(cast, symbols, near.accounts, NEAR_FROM, "near", near.capital_usdt)
    arbitrage = scenario.arbitrage
    if arbitrage is not None:
        numbers = _accounts(cast, symbols, 1, ARBITRAGE_FROM, "arbitrage", None)
        cast.arbitrage = {symbol: each[0] for symbol, each in numbers.items()}
        for market in scenario.markets:
            # It gives back outside and here together: what it holds here grows beyond its capacity, and so its money.
            money = market.open_interest_usdt * arbitrage.capacity * 10 / arbitrage.leverage
            _pay_in(cast, cast.arbitrage[market.symbol], max(1.0, money))


def _add_abusers(abuse: Abuse, cast: _Cast) -> None:
    """Accounts of those who abuse what the venue lists, numbered and called after the crowd's last."""
    spoofers, stuffers = (
        {symbol: many for symbol, many in each.items() if symbol in cast.instruments}
        for each in (abuse.spoofers, abuse.stuffers)
    )
    first = max((position.holder.account for position in cast.positions), default=CROWD_FROM - 1) + 1
    cast.spoofers = abusers_of(spoofers, first, first - CROWD_FROM + 1)
    first += len(cast.spoofers)
    cast.stuffers = abusers_of(stuffers, first, first - CROWD_FROM + 1)
    for abuser in (*cast.spoofers, *cast.stuffers):
        cast.accounts.append((abuser.account, abuser.name))
        _pay_in(cast, abuser.account, abuse.capital_usdt)


def _accounts(
    cast: _Cast, symbols: Sequence[str], many: int, first: int, kind: str, money: float | None
) -> dict[str, list[int]]:
    """So many accounts on each symbol that the venue lists, with money if it is known already."""
    made: dict[str, list[int]] = {}
    for place, symbol in enumerate(symbols):
        if symbol not in cast.instruments:
            continue
        numbers = made[symbol] = list(range(first + place * many, first + (place + 1) * many))
        cast.accounts.extend((account, f"{kind}-{symbol}-{account - numbers[0] + 1}") for account in numbers)
        if money is not None:
            for account in numbers:
                _pay_in(cast, account, money)
    return made


def _instrument(market: MarketSetting, source: str) -> Instrument:
    tick_value = round(float(market.tick_size) * float(market.lot_size) * MILLION)
    max_price = round(market.max_price / float(market.tick_size))
    sources = [IndexSource(source, market.outside_weight)]
    sources += [IndexSource(name, weight) for name, weight in market.other_sources.items()]
    if market.own_weight:
        sources.append(IndexSource(OWN_TRADES, market.own_weight))
    return Instrument(
        symbol=market.symbol,
        tick_size=market.tick_size,
        lot_size=market.lot_size,
        tick_value=tick_value,
        max_price=max_price,
        max_size=WIRE_MAX // (max_price * max(tick_value, 1)),
        tiers=tuple(Tier(tier.bound_usdt * MILLION, tier.rate_ppm, tier.max_leverage) for tier in market.tiers),
        max_leverage=market.max_leverage,
        default_leverage=market.default_leverage,
        maker_fee_ppm=market.maker_fee_ppm,
        taker_fee_ppm=market.taker_fee_ppm,
        market_bound_ppm=market.market_bound_ppm,
        sources=tuple(sources),
        stale_after_us=market.stale_after_s * SECOND_US,
        mark=market.mark,
        basis_every_us=market.basis_every_us,
        basis_window_us=market.basis_window_us,
        mark_bound_ppm=market.mark_bound_ppm,
        index_clamp_ppm=market.index_clamp_ppm,
        funding_interval_us=market.funding_interval_us,
        interest_ppm=market.interest_ppm,
        funding_damp_ppm=market.funding_damp_ppm,
        funding_cap_ppm=market.funding_cap_ppm,
        liquidation_fee_ppm=market.liquidation_fee_ppm,
        fund_pool=market.fund_pool,
    )


def _perpetual(market: MarketSetting, instrument: Instrument, path: OutsidePath) -> Perpetual:
    price = round(path.prices(path.start_us)[market.symbol] / float(market.tick_size))
    if price < 1:
        raise ScenarioError(f"outside.knots: at the start {market.symbol} costs less than one tick")
    lot_usdt = price * instrument.tick_value / MILLION
    if market.open_interest_usdt < lot_usdt:
        raise ScenarioError(f"markets.{market.symbol}.open_interest_usdt: less than one lot ({lot_usdt:g} USDT)")
    return Perpetual(market.symbol, lot_usdt, price, market.open_interest_usdt, market.max_leverage)
