"""What lies over what: defaults, presets, a scenario's file, its venues, overlays and --set; and what is refused."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from producers.market_maker import Mode
from producers.population import LeverageClass
from stream_engine import scenario as scenarios
from stream_engine.cli.rules import as_toml, beside, of
from stream_engine.layers import Layered, ScenarioError, layered, overlay, overlays
from stream_engine.messages.inputs import Deposit, MapVenue, OpenAccounts, SeedFund, SeedPositions, SetRules
from stream_engine.scenario import Scenario, Venue

QUIET = scenarios.text("quiet-day")
# Two venues of one world: one by its published rules, one by its own.
BIG = {"name": "big", "share": 0.75, "preset": "binance"}
SMALL = {"name": "small", "share": 0.25}


def toml(value: Any) -> str:
    """A value as TOML has it in a line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(below)}" for key, below in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def a_world(folder: Path, *entries: dict[str, Any], in_venue: str = "", text: str = QUIET) -> str:
    """The quiet day on venues of one's own."""
    listed = "".join("[[venues]]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in each.items()) for each in entries)
    path = folder / "world.toml"
    text = text.replace("[venue]\n", f"[venue]\n{in_venue}\n", 1)
    path.write_text(text.replace("[outside]\n", f"{listed}\n[outside]\n", 1), encoding="utf-8")
    return str(path)


def an_overlay(folder: Path, text: str, name: str = "mine", title: str = "Mine") -> str:
    path = folder / f"{name}.toml"
    path.write_text(f'title = "{title}"\n{text}\n', encoding="utf-8")
    return str(path)


def resolved(path: str, *overrides: str, over: tuple[str, ...] = ()) -> tuple[Scenario, Layered]:
    return scenarios.resolve(path, overrides, over)


def complaint(path: str, *overrides: str, over: tuple[str, ...] = ()) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenarios.load(path, overrides, over)
    return str(caught.value)


def venue(scenario: Scenario, name: str) -> Venue:
    return next(each for each in scenario.venues if each.name == name)


def market(scenario: Scenario, name: str, symbol: str) -> scenarios.MarketSetting:
    return next(each for each in venue(scenario, name).markets if each.symbol == symbol)


# the order of layers --------------------------------------------------------------------------------------

# When the small venue's deleveraging begins by the fund's drawdown, in percent, as each layer says it, lowest first.
SAID = {
    "default": 0,
    "preset bybit": 30,
    "file": 41,
    "entry": 42,
    "overlay first": 43,
    "overlay second": 44,
    "--set of all": 45,
    "--set of one": 46,
}


@pytest.mark.parametrize("top", SAID)
def test_a_setting_is_the_highest_layers_that_says_it(tmp_path: Path, top: str) -> None:
    said = list(SAID)[: list(SAID).index(top) + 1]
    entry: dict[str, Any] = SMALL | ({"preset": "bybit"} if "preset bybit" in said else {})
    if "entry" in said:
        entry["fund"] = {"drawdown_on_pct": SAID["entry"]}
    in_file = f"fund.drawdown_on_pct = {SAID['file']}" if "file" in said else ""
    path = a_world(tmp_path, BIG, entry, in_venue=in_file)
    over = [
        an_overlay(tmp_path, f"[venue.fund]\ndrawdown_on_pct = {SAID[f'overlay {name}']}", name)
        for name in ("first", "second")
        if f"overlay {name}" in said
    ]
    of_all = [f"venue.fund.drawdown_on_pct={SAID['--set of all']}"] if "--set of all" in said else []
    of_one = [f"small.fund.drawdown_on_pct={SAID['--set of one']}"] if "--set of one" in said else []
    scenario, layers = resolved(path, *of_all, *of_one, over=tuple(over))
    assert venue(scenario, "small").fund.drawdown_on_ppm == SAID[top] * 10_000
    origin = "file" if top == "entry" else top.partition(" of ")[0]
    assert layers.origin(("venues", 1, "fund", "drawdown_on_ppm")) == origin


def test_the_rules_of_a_preset_lie_under_the_file_and_over_the_defaults_on_its_own_venue_only(tmp_path: Path) -> None:
    scenario, layers = resolved(a_world(tmp_path, BIG, SMALL))
    assert venue(scenario, "big").adl.policy.value == "binance"
    assert layers.origin(("venues", 0, "adl", "policy")) == "preset binance"
    assert venue(scenario, "small").fund.policy.value == "cover"
    assert layers.origin(("venues", 1, "fund", "policy")) == "default"
    assert market(scenario, "big", "BTC").taker_fee_ppm == 500 != market(scenario, "small", "BTC").taker_fee_ppm
    assert layers.origin(("venues", 0, "markets", 0, "tiers")) == "file"


def test_each_venue_has_a_preset_of_its_own_and_what_is_set_of_all_is_of_all(tmp_path: Path) -> None:
    path = a_world(tmp_path, BIG, SMALL, in_venue='preset = "okx"')
    assert [each.preset for each in resolved(path)[0].venues] == ["binance", "okx"]
    assert [each.preset for each in resolved(path, "venue.preset=bybit")[0].venues] == ["bybit", "bybit"]
    assert [each.preset for each in resolved(path, "venues.small.preset=dydx")[0].venues] == ["binance", "dydx"]
    assert [each.preset for each in resolved(path, "small.preset=dydx")[0].venues] == ["binance", "dydx"]
    of_all = an_overlay(tmp_path, '[venue]\npreset = "bitmex"')
    assert [each.preset for each in resolved(path, over=(of_all,))[0].venues] == ["bitmex", "bitmex"]
    of_one = an_overlay(tmp_path, '[venues.big]\npreset = "bitmex"')
    scenario, _ = resolved(path, over=(of_one,))
    assert [each.adl.policy.value for each in scenario.venues] == ["bitmex", "okx"]


# --set ----------------------------------------------------------------------------------------------------


def test_what_is_set_of_the_venue_and_of_a_market_is_set_on_every_venue(tmp_path: Path) -> None:
    entry = SMALL | {"fund_usdt": 1, "markets": [{"symbol": "BTC", "half_spread_bp": 9.0}]}
    path = a_world(tmp_path, BIG, entry)
    for override in ("markets.BTC.half_spread_bp=2", "BTC.half_spread_bp=2", "markets.0.half_spread_bp=2"):
        scenario, layers = resolved(path, override, "venue.fund_usdt=5", "venue.fund.drawdown_on_pct=40")
        assert [each.fund_usdt for each in scenario.venues] == [5, 5]
        assert [each.fund.drawdown_on_ppm for each in scenario.venues] == [400_000, 400_000]
        assert [market(scenario, name, "BTC").half_spread_bp for name in ("big", "small")] == [2, 2]
        assert [market(scenario, name, "TOKEN").half_spread_bp for name in ("big", "small")] == [6, 6]
        assert layers.origin(("venues", 1, "markets", 0, "half_spread_bp")) == "--set"


@pytest.mark.parametrize("path", ["venues.small", "venues.1", "small"])
def test_a_venue_is_set_alone_by_its_name_or_number_in_any_unit(tmp_path: Path, path: str) -> None:
    overrides = [f"{path}.fund.drawdown_on_pct=40", f"{path}.markets.BTC.basis_window_s=7", f"{path}.fund_usdt=3"]
    scenario, layers = resolved(a_world(tmp_path, BIG, SMALL), *overrides)
    assert [each.fund.drawdown_on_ppm for each in scenario.venues] == [0, 400_000]
    assert [each.fund_usdt for each in scenario.venues] == [500_000, 3]
    windows = [market(scenario, name, "BTC").basis_window_us for name in ("big", "small")]
    assert windows == [150_000_000, 7_000_000]
    assert layers.origin(("venues", 1, "fund", "drawdown_on_ppm")) == "--set"
    assert layers.origin(("venues", 0, "fund", "drawdown_on_ppm")) == "default"


def test_an_element_set_in_a_list_of_one_venue_changes_no_other_venues_list(tmp_path: Path) -> None:
    scenario, _ = resolved(a_world(tmp_path, SMALL | {"share": 0.75, "name": "other"}, SMALL),
                           "small.markets.BTC.tiers.0=[1000000, 9999]")  # fmt: skip
    assert [market(scenario, name, "BTC").tiers[0].rate_ppm for name in ("other", "small")] == [10_000, 9_999]
    assert scenario.markets[0].tiers[0].rate_ppm == 10_000


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("venues.smal.fund_usdt=1", "venues.smal: there is no such table to set fund_usdt in"),
        ("venues.small.fund_usd=1", "venues[1].fund_usd: there is no such setting; the nearest is fund_usdt"),
        ("small.markets.ETH.mark=index", "small.markets.ETH: there is no such table to set mark in"),
        ("venue.fund_usd=1", "venue.fund_usd: there is no such setting; the nearest is fund_usdt"),
        ("venue={}", "venue: where there are several venues, it is set key by key"),
        ("markets=[]", "markets: where there are several venues, it is set key by key"),
        ("venue.name=same", "venues: the name same is given twice"),
        ("small.markets.BTC.symbol=ETH", "venues.small.markets: ETH is no market of the scenario"),
    ],
)
def test_an_override_that_fits_no_venue_is_answered_with_its_path(tmp_path: Path, override: str, said: str) -> None:
    assert complaint(a_world(tmp_path, BIG, SMALL), override).startswith(said)


def test_venues_that_a_scenario_does_not_list_cannot_be_set() -> None:
    said = "venues.alpha.fund_usdt: the scenario lists no venues; its one venue is called venue"
    assert complaint("quiet-day", "venues.alpha.fund_usdt=1") == said


# shares ---------------------------------------------------------------------------------------------------


def test_depth_and_open_interest_are_shared_out_and_come_to_the_whole(tmp_path: Path) -> None:
    text = QUIET.replace("half_spread_bp = 1.5", "half_spread_bp = 1.5\nmax_open_interest_usdt = 2_000_000_000")
    scenario, _ = resolved(a_world(tmp_path, BIG, SMALL, text=text))
    btc = [market(scenario, name, "BTC") for name in ("big", "small")]
    assert [each.depth_usdt for each in btc] == [45_000_000, 15_000_000]
    assert [each.open_interest_usdt for each in btc] == [675_000_000, 225_000_000]
    assert [each.max_open_interest_usdt for each in btc] == [1_500_000_000, 500_000_000]
    assert scenario.markets[0].depth_usdt == 60_000_000


def test_of_a_market_that_not_all_list_the_others_share_the_whole(tmp_path: Path) -> None:
    third = {"name": "third", "share": 0.5, "symbols": ["BTC"]}
    scenario, _ = resolved(a_world(tmp_path, BIG | {"share": 0.375}, SMALL | {"share": 0.125}, third))
    assert [each.symbol for each in venue(scenario, "third").markets] == ["BTC"]
    assert [market(scenario, name, "TOKEN").depth_usdt for name in ("big", "small")] == [900_000, 300_000]
    assert sum(each.markets[0].depth_usdt for each in scenario.venues) == 60_000_000


def test_what_is_said_of_one_venue_alone_is_its_own_and_what_is_set_of_all_is_the_whole(tmp_path: Path) -> None:
    path = a_world(tmp_path, BIG, SMALL | {"markets": [{"symbol": "BTC", "depth_usdt": 1_000_000}]})
    assert market(resolved(path)[0], "small", "BTC").depth_usdt == 1_000_000
    alone = resolved(path, "small.markets.BTC.depth_usdt=7")[0]
    assert [market(alone, name, "BTC").depth_usdt for name in ("big", "small")] == [45_000_000, 7]
    of_all = resolved(path, "markets.BTC.depth_usdt=400")[0]
    assert [market(of_all, name, "BTC").depth_usdt for name in ("big", "small")] == [300, 100]


@pytest.mark.parametrize(("share", "sound"), [(0.2499, False), (0.25, True), (0.2501, False)])
def test_shares_are_parts_of_one_whole(tmp_path: Path, share: float, sound: bool) -> None:
    path = a_world(tmp_path, BIG, SMALL | {"share": share})
    if sound:
        assert len(scenarios.load(path).venues) == 2
    else:
        assert complaint(path) == f"venues: the shares are parts of one whole; their sum is {0.75 + share:g}, and not 1"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"share": 0.25}, "venues[1].name: expected what this venue is called"),
        ({"name": "small"}, "venues[1]: object missing required field `share`"),
        (SMALL | {"share": 0}, "venues[1].share: expected a number > 0.0"),
        (SMALL | {"name": "big"}, "venues: the name big is given twice"),
        (SMALL | {"copies": 2}, "venues.small.copies: copies are of a single venue"),
        (SMALL | {"preset": "okex"}, "venues.small.preset: there is no preset okex; the nearest is okx"),
        (SMALL | {"symbols": ["ETH"]}, "venues.small.symbols: there is no market ETH; the nearest is"),
        (SMALL | {"symbols": []}, "venues.small.symbols: expected one or more"),
        (SMALL | {"adl": {"polcy": 1}}, "venues[1].adl.polcy: there is no such setting; the nearest is policy"),
        (SMALL | {"markets": [{"symbol": "ETH"}]}, "venues[1].markets[0].symbol: there is no market ETH; the nearest"),
        (SMALL | {"markets": [{"mark": "index"}]}, "venues[1].markets[0].symbol: expected a symbol"),
        (SMALL | {"markets": [{"symbol": "BTC"}] * 2}, "venues[1].markets[1].symbol: BTC is there twice"),
        (SMALL | {"markets": [{"symbol": "BTC", "marc": 1}]}, "venues[1].markets[0].marc: there is no such setting"),
        (
            SMALL | {"markets": [{"symbol": "BTC", "mark": "x"}]},
            "venues.small.markets.BTC.mark: expected median",
        ),
        (SMALL | {"duty_of": {"MM1": "T1"}}, "venues.small.duty_of.MM1: venues.small.obligations has no duty T1"),
        (SMALL | {"pools": {"side": 5}}, "venues.small.pools: no market and no backstop vault has a pool side"),
        (
            SMALL | {"markets": [{"symbol": "BTC", "brackets": "b.csv"}]},
            "venues[1].markets[0].brackets: tiers are given, too; one of them says it",
        ),
    ],
)
def test_a_venue_that_is_wrong_is_answered_with_its_path(tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    assert complaint(a_world(tmp_path, BIG, entry)).startswith(said)


def test_a_market_that_no_venue_lists_is_refused(tmp_path: Path) -> None:
    entries = [each | {"symbols": ["BTC"]} for each in (BIG, SMALL)]
    assert complaint(a_world(tmp_path, *entries)) == "markets.TOKEN: no venue lists it"


def test_copies_are_of_a_single_venue(tmp_path: Path) -> None:
    said = "venue.copies: copies are of a single venue, to load an engine; a world of several lists each"
    assert complaint(a_world(tmp_path, BIG, SMALL), "venue.copies=2") == said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("venues=5", "venues: expected a list, found a whole number"),
        ("venues.0=5", "venues[0]: expected a table, found a whole number"),
        ("markets.0=5", "markets[0]: expected a table, found a whole number"),
        ("small.markets=5", "venues[1].markets: expected a list, found a whole number"),
        ("small.symbols=5", "venues[1].symbols: expected a list or nothing, found a whole number"),
        ("small.partition=1024", "venues[1].partition: expected a whole number <= 1023"),
    ],
)
def test_a_venue_that_is_no_table_or_has_none_is_answered_with_what_was_expected(
    tmp_path: Path, override: str, said: str
) -> None:
    assert complaint(a_world(tmp_path, BIG, SMALL), override) == said


@pytest.mark.parametrize(("first", "sound"), [(1021, True), (1022, True), (1023, False)])
def test_every_venue_lives_on_a_partition_that_there_can_be(tmp_path: Path, first: int, sound: bool) -> None:
    for path, name, override in (
        (a_world(tmp_path, BIG, SMALL), "small", []),
        ("quiet-day", "beta", ["venue.copies=2"]),
    ):
        if sound:
            assert scenarios.load(path, [f"venue.partition={first}", *override])
        else:
            said = complaint(path, f"venue.partition={first}", *override)
            assert said == f"venue.partition: {name} would live on 1024; the last is 1023"


# what follows from it -------------------------------------------------------------------------------------


def test_venues_live_on_the_partitions_from_the_first_on_unless_they_say_another(tmp_path: Path) -> None:
    third = {"name": "third", "share": 0.25}
    path = a_world(tmp_path, BIG | {"share": 0.5}, SMALL, third)
    assert scenarios.venues(scenarios.load(path)) == {"big": 0, "small": 1, "third": 2}
    moved = scenarios.load(path, ["venue.partition=3", "small.partition=9"])
    assert scenarios.venues(moved) == {"big": 3, "small": 9, "third": 5}
    assert scenarios.partitions(moved) == 10


def test_what_must_be_there_may_be_said_by_the_venues_alone(tmp_path: Path) -> None:
    text = QUIET.replace("fund_usdt = 500_000\n", "").replace("max_leverage = 50\n", "")
    entry = SMALL | {"fund_usdt": 7, "markets": [{"symbol": "BTC", "max_leverage": 30}]}
    scenario, _ = resolved(a_world(tmp_path, BIG | {"fund_usdt": 9}, entry, text=text))
    assert [each.fund_usdt for each in scenario.venues] == [9, 7]
    assert [market(scenario, name, "BTC").max_leverage for name in ("big", "small")] == [125, 30]
    said = complaint(a_world(tmp_path, BIG, entry, text=text))
    assert said == "venues[0]: object missing required field `fund_usdt`"


def test_accounts_portfolios_and_makers_money_are_shared_out_and_none_is_lost(tmp_path: Path) -> None:
    hedgers = '[hedgers]\nportfolios = 5\nlegs = [{ symbol = "BTC", usdt = 1_000_000, leverage = 3 }]\n[outside]\n'
    path = a_world(tmp_path, BIG, SMALL, text=QUIET.replace("[outside]\n", hedgers, 1))
    made = scenarios.setup(scenarios.load(path), 7)
    opened: dict[str, dict[int, str]] = {name: {} for name in ("big", "small")}
    money: dict[str, dict[int, int]] = {name: {} for name in ("big", "small")}
    for each in made:
        if isinstance(each, OpenAccounts):
            opened[each.venue] |= dict(each.accounts)
        elif isinstance(each, Deposit):
            money[each.venue] |= dict(each.deposits)
    hedging = {venue: sum(name.startswith("hedger-") for name in owners.values()) for venue, owners in opened.items()}
    assert hedging == {"big": 4, "small": 1}
    crowd = {venue: sum(name.startswith("trader-") for name in owners.values()) for venue, owners in opened.items()}
    assert (crowd["big"], crowd["small"]) == (450 + 8, 150 + 8)  # and four large accounts on each of two markets
    # One firm: the same number and the same name on each, its capital in parts.
    assert {venue: owners[1] for venue, owners in opened.items()} == {"big": "MM1", "small": "MM1"}
    assert (money["big"][1], money["small"][1]) == (90_000_000_000_000, 30_000_000_000_000)


def test_the_first_venue_has_the_chance_that_it_would_have_alone(tmp_path: Path) -> None:
    alone = a_world(tmp_path, BIG | {"share": 1, "name": "alpha", "preset": "binance"})
    listed = scenarios.setup(scenarios.load(alone), 7)
    assert listed == scenarios.setup(scenarios.load("quiet-day", ["venue.preset=binance"]), 7)


def test_every_venue_is_opened_by_its_own_rules_with_its_own_fund_and_balanced_positions(tmp_path: Path) -> None:
    path = a_world(tmp_path, BIG, SMALL | {"fund_usdt": 5, "symbols": ["TOKEN"], "adl": {"policy": "okx"}})
    made = scenarios.setup(scenarios.load(path), 7)
    assert [(each.venue, each.partition) for each in made if isinstance(each, MapVenue)] == [("big", 0), ("small", 1)]
    policies = {each.venue: each.adl.policy.value for each in made if isinstance(each, SetRules) and each.adl}
    assert policies == {"big": "binance", "small": "okx"}
    funds = {each.venue: each.quote for each in made if isinstance(each, SeedFund)}
    assert funds == {"big": 500_000_000_000, "small": 5_000_000}
    for each in made:
        if isinstance(each, SeedPositions):
            assert sum(leg.size for leg in each.legs) == 0
            assert each.venue == "big" or {leg.symbol for leg in each.legs} == {"TOKEN"}


def test_nobody_is_told_of_a_market_that_its_venue_does_not_list(tmp_path: Path) -> None:
    scenario = scenarios.load(a_world(tmp_path, BIG, SMALL | {"symbols": ["TOKEN"]}))
    start_us = scenarios.clock(scenario).start_us
    told: dict[str, set[str]] = {"big": set(), "small": set()}
    for agent in scenarios.agents(scenario, 7):
        for each in agent.decide(start_us, []):
            told[each.venue] |= {symbol for symbol, _ in getattr(each, "prices", ())}
    assert told == {"big": {"BTC", "TOKEN"}, "small": {"TOKEN"}}


# a scenario that is based on another ----------------------------------------------------------------------


def based(folder: Path, text: str = "", base: str = "quiet-day", named: str = 'name = "mine"\ntitle = "Mine"\n') -> str:
    path = folder / "mine.toml"
    path.write_text(f'{named}base = "{base}"\n{text}\n', encoding="utf-8")
    return str(path)


def test_what_a_scenario_is_based_on_is_all_that_it_does_not_say_itself(tmp_path: Path) -> None:
    quiet = scenarios.load("quiet-day")
    assert scenarios.load(based(tmp_path)) == msgspec.structs.replace(quiet, name="mine", title="Mine")
    changed = scenarios.load(based(tmp_path, "[venue]\nfund_usdt = 1\n[makers]\nmode = 'stay'"))
    assert changed.makers == msgspec.structs.replace(quiet.makers, mode=Mode.STAY)
    assert changed.venue == msgspec.structs.replace(quiet.venue, fund_usdt=1)
    assert (changed.markets, changed.outside, changed.population) == (quiet.markets, quiet.outside, quiet.population)


def test_elements_of_lists_of_the_base_are_changed_by_their_name_and_a_list_takes_the_place_of_the_whole(
    tmp_path: Path,
) -> None:
    world = Path(a_world(tmp_path, BIG, SMALL))
    text = (
        "[makers.desks.MM2]\ncapital_scale = 2.0\n[markets.TOKEN]\ntaker_fee_ppm = 4\n[venues.small]\nfund_usdt = 2\n"
        "[population]\nlong_leverage = [[2, 3, 100]]"
    )
    scenario, below = scenarios.load(based(tmp_path, text, world.name)), scenarios.load(str(world))
    assert [desk.capital_scale for desk in scenario.makers.desks] == [1, 2, 1, 1, 1]
    assert [each.name for each in scenario.makers.desks] == [each.name for each in below.makers.desks]
    assert [market(scenario, name, "TOKEN").taker_fee_ppm for name in ("big", "small")] == [4, 4]
    assert [each.fund_usdt for each in scenario.venues] == [below.venues[0].fund_usdt, 2]
    assert scenario.population is not None and scenario.population.long_leverage == [LeverageClass(2, 3, 100)]


def test_overlays_lie_over_what_a_scenario_says_of_its_base_and_origins_tell_them_apart(tmp_path: Path) -> None:
    path = based(tmp_path, "[venue]\nfund_usdt = 1\nfund.drawdown_on_pct = 2\nadl.cap_pct = 3")
    over = an_overlay(tmp_path, "[venue]\nfund.drawdown_on_pct = 4\nadl.cap_pct = 5", name="over")
    scenario, layers = resolved(path, "venue.adl.cap_pct=6", over=(over,))
    assert scenario.venue.fund_usdt == 1
    assert (scenario.venue.fund.drawdown_on_ppm, scenario.venue.adl.cap_ppm) == (40_000, 60_000)
    shown = {rule.path: rule.origin for rule in of(scenario, layers)}
    assert shown["venue.fund_usdt"] == "scenario mine"
    assert shown["venue.fund.drawdown_on_ppm"] == "overlay over"
    assert shown["venue.adl.cap_ppm"] == "--set"
    assert shown["venue.checks_per_input"] == "file"
    assert shown["venue.orders.rate_limit"] == "default"


def test_a_base_is_a_shipped_scenario_or_a_file_beside_the_one_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text(QUIET.replace("fund_usdt = 500_000", "fund_usdt = 7"), encoding="utf-8")
    assert scenarios.load(based(tmp_path, base="below.toml")).venue.fund_usdt == 7
    assert scenarios.load(based(tmp_path, base="quiet-day")).venue.fund_usdt == 500_000


def test_a_file_is_looked_for_beside_the_file_that_names_it_whatever_is_laid_over_that(tmp_path: Path) -> None:
    below, over = tmp_path / "below", tmp_path / "over"
    for folder, most in ((tmp_path, 10), (below, 20), (over, 30)):
        folder.mkdir(exist_ok=True)
        (folder / "b.csv").write_text(f"bound_usdt,rate_pct,max_leverage\n0,1,{most}\n", encoding="utf-8")
    bare = re.sub(r"^tiers = .*$", 'brackets = "b.csv"', QUIET, flags=re.MULTILINE)
    (below / "below.toml").write_text(bare, encoding="utf-8")

    def leverage(text: str = "", *over: str) -> list[int]:
        scenario = scenarios.load(based(tmp_path, text, base="below/below.toml"), overlays=over)
        return [each.tiers[0].max_leverage for each in scenario.markets]

    assert leverage() == [20, 20]
    assert leverage("[markets.BTC]\nbrackets = 'b.csv'") == [10, 20]
    assert leverage("", an_overlay(over, "[markets.TOKEN]\nbrackets = 'b.csv'")) == [20, 30]


def test_a_base_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    said = complaint(based(tmp_path, base="quite-day"))
    assert said.startswith("base: ") and "no scenario of this name; the nearest is quiet-day" in said


def test_a_base_that_is_no_toml_says_where(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text("name = = 1\n", encoding="utf-8")
    said = complaint(based(tmp_path, base="below.toml"))
    assert said.startswith("base: ") and "line 1" in said


@pytest.mark.parametrize("base", ["cliff", "mine.toml"])
def test_what_is_based_on_another_is_no_base(tmp_path: Path, base: str) -> None:
    said = f"base: {base} is based on another one itself; name that one"
    assert complaint(based(tmp_path, base=base)) == said


@pytest.mark.parametrize(
    ("named", "key"),
    [('title = "Mine"\n', "name"), ('name = "mine"\n', "title"), ('name = "mine"\ntitle = 1\n', "title")],
)
def test_a_scenario_has_a_name_and_a_title_of_its_own_whatever_it_is_based_on(
    tmp_path: Path, named: str, key: str
) -> None:
    said = f"{key}: expected a line of text, also where a scenario is based on quiet-day"
    assert complaint(based(tmp_path, named=named)) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[makers]\nmodes = 1", "scenario mine: makers.modes: there is no such setting; the nearest is mode"),
        ("[makers.desks.MM9]\nshare = 0.1", "scenario mine: makers.desks: the list has no element MM9; the nearest is"),
        ("[[markets]]\nsymbol = 'BTC'", "scenario mine: markets: expected a table, as [markets.BTC]"),
    ],
)
def test_what_is_wrong_over_a_base_is_named_by_the_scenario_that_says_it(tmp_path: Path, text: str, said: str) -> None:
    assert complaint(based(tmp_path, text)).startswith(said)


@pytest.mark.parametrize("below", ["oct10", "oct10-small", "quiet-day"])
def test_every_shipped_variation_changes_something_of_what_it_is_based_on(below: str) -> None:
    tables = {name: tomllib.loads(scenarios.text(name)) for name in scenarios.names()}
    varied = [name for name, table in tables.items() if table.get("base") == below]
    unnamed = [msgspec.structs.replace(scenarios.load(name), name="", title="") for name in (below, *varied)]
    assert varied and all(each != unnamed[0] for each in unnamed[1:])


# overlays -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", overlays())
def test_a_shipped_overlay_lies_over_the_storm_and_says_what_it_is(name: str) -> None:
    assert overlay(name).title
    changed = scenarios.load("oct10", overlays=[name])
    assert changed != scenarios.load("oct10")


def test_stay_makes_the_makers_stay() -> None:
    scenario, layers = resolved("oct10", over=("stay",))
    assert scenario.makers.mode is Mode.STAY and layers.origin(("makers", "mode")) == "overlay stay"


def test_an_overlay_says_things_of_all_venues_of_all_markets_of_one_and_of_a_lists_element(tmp_path: Path) -> None:
    mine = an_overlay(
        tmp_path,
        "[venue]\nfund_usdt = 1\nadl.cap_pct = 5\n[market]\ntaker_fee_ppm = 3\n[markets.BTC]\ntaker_fee_ppm = 4\n"
        "[venues.small]\nfund_usdt = 2\n[venues.small.markets.TOKEN]\ndepth_usdt = 5\n"
        "[makers.desks.MM2]\ncapital_scale = 2.0\n[outside]\nscale = 0.5",
    )
    scenario, layers = resolved(a_world(tmp_path, BIG, SMALL), over=(mine,))
    assert [each.fund_usdt for each in scenario.venues] == [1, 2]
    assert [each.adl.cap_ppm for each in scenario.venues] == [50_000, 50_000]
    assert [[each.taker_fee_ppm for each in one.markets] for one in scenario.venues] == [[4, 3], [4, 3]]
    assert market(scenario, "small", "TOKEN").depth_usdt == 5
    assert [desk.capital_scale for desk in scenario.makers.desks] == [1, 2, 1, 1, 1]
    assert scenario.outside.scale == 0.5
    assert layers.origin(("venues", 0, "markets", 1, "taker_fee_ppm")) == "overlay mine"


def test_an_overlay_lies_over_a_scenario_of_one_venue_and_over_its_copies(tmp_path: Path) -> None:
    mine = an_overlay(tmp_path, "[venue]\nfund_usdt = 1\n[market]\ntaker_fee_ppm = 3\n[markets.BTC]\ntaker_fee_ppm = 4")
    scenario, layers = resolved("quiet-day", "venue.copies=2", over=(mine,))
    assert [each.fund_usdt for each in scenario.venues] == [1, 1]
    assert [[each.taker_fee_ppm for each in one.markets] for one in scenario.venues] == [[4, 3], [4, 3]]
    assert layers.origin(("markets", 1, "taker_fee_ppm")) == "overlay mine"


def test_a_list_in_an_overlay_takes_the_place_of_the_whole_list(tmp_path: Path) -> None:
    mine = an_overlay(tmp_path, "[makers]\ndesks = []")
    assert scenarios.load("quiet-day", overlays=[mine]).makers.desks == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[maker]\nmode = 1", "maker: there is no such setting; the nearest is makers"),
        ("[makers]\nmodes = 1", "makers.modes: there is no such setting; the nearest is mode"),
        ("[market]\nmarc = 1", "market.marc: there is no such setting; the nearest is mark"),
        ("[makers.desks.MM2]\ncapital = 1", "makers.desks.MM2.capital: there is no such setting; the nearest is"),
        ("[makers.desks.MM9]\nshare = 0.1", "makers.desks: the list has no element MM9; the nearest is MM"),
        ("[markets.ETH]\nmark = 'index'", "markets: the list has no element ETH"),
        ("[venues.small]\nfund_usdt = 1", "venues: the scenario lists none; its one venue is called venue"),
        ("[[markets]]\nsymbol = 'BTC'", "markets: expected a table, as [markets.BTC]"),
        ("[venue]\nadl.cap_pct = 0.00001", "venue.adl.cap_pct: 1e-05 is no whole number of what cap_ppm counts"),
        ("name = 'x'", "name: a scenario keeps its own under an overlay"),
        ("x = = 1", "Invalid value"),
    ],
)
def test_an_overlay_that_is_wrong_is_named_with_the_path(tmp_path: Path, text: str, said: str) -> None:
    assert complaint("quiet-day", over=(an_overlay(tmp_path, text),)).startswith(f"overlay mine: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[makers]\nmode = 'gone'", "makers.mode: invalid enum value 'gone'; it is one of independent, "),
        ("[venue]\nfund_usdt = 'x'", "venue.fund_usdt: expected a number, found a text"),
        ("[venue]\nfund_usdt = 1e16", "venue.fund_usdt: expected a number from -1e+15 to 1e+15, found 1e+16"),
        ("[makers.desks.MM2]\nname = 'MM1'", "makers.desks: a name is given twice"),
        ("[markets.TOKEN]\nmark = 'best'", "markets[1].mark: expected "),
        ("[venue]\nduty_of = { MM9 = 'x' }", "venue.duty_of: there is no maker MM9; the nearest is MM"),
    ],
)
def test_a_value_that_is_wrong_is_answered_with_the_overlay_that_says_it(tmp_path: Path, text: str, said: str) -> None:
    over = an_overlay(tmp_path, text)
    assert complaint("quiet-day", over=(over,)).startswith(f"overlay mine: {said}")
    other = an_overlay(tmp_path, "[venue]\nchecks_per_input = 7", name="other")
    assert complaint("quiet-day", over=(other, over)).startswith(f"overlay mine: {said}")
    assert complaint(based(tmp_path, text)).startswith(f"scenario mine: {said}")


def test_a_value_that_is_wrong_on_one_venue_is_answered_with_what_says_it_there(tmp_path: Path) -> None:
    world = a_world(tmp_path, BIG, SMALL | {"symbols": ["TOKEN"]})
    wrong = an_overlay(tmp_path, "[venues.small.markets.TOKEN]\nmark = 'best'")
    right = an_overlay(tmp_path, "[markets.BTC]\nmark = 'index'", name="right")
    said = "overlay mine: venues.small.markets.TOKEN.mark: expected "
    assert complaint(world, over=(wrong, right)).startswith(said)


@pytest.mark.parametrize("override", ["makers.mode=gone", "venue.fund_usdt=x", "markets.TOKEN.mark=best", "markets=5"])
def test_what_the_command_line_says_wrong_is_not_laid_on_an_overlay(tmp_path: Path, override: str) -> None:
    text = "[makers]\nmode = 'stay'\n[venue]\nfund_usdt = 1\n[markets.TOKEN]\nmark = 'index'"
    assert not complaint("quiet-day", override, over=(an_overlay(tmp_path, text),)).startswith("overlay")


def test_an_overlay_without_a_title_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[makers]\nmode = "stay"\n')
    said = "overlay mine: title: expected a line that says what it changes"
    assert complaint("quiet-day", over=(str(path),)) == said


def test_several_overlays_in_one_are_answered_with_how_they_are_given() -> None:
    said = "overlay stay,transparency: each of several has a --with of its own"
    assert complaint("quiet-day", over=("stay,transparency",)) == said


def test_an_overlay_that_is_not_there_is_answered_with_the_nearest() -> None:
    said = "overlay stat: there is none of this name; the nearest is stay, and no file that can be read"
    assert complaint("quiet-day", over=("stat",)).startswith(said)


# as it is shown -------------------------------------------------------------------------------------------


def test_several_venues_are_shown_as_toml_that_comes_to_the_same(tmp_path: Path) -> None:
    path = a_world(tmp_path, BIG, SMALL | {"symbols": ["BTC"]})
    scenario, layers = resolved(path, "small.adl.cap_ppm=1", over=("stay",))
    shown = tomllib.loads(as_toml(scenario, layers))
    assert [each["name"] for each in shown["venues"]] == ["big", "small"]
    again = tmp_path / "again.toml"
    again.write_text(Path(path).read_text().partition("[[venues]]")[0] + as_toml(scenario, layers) + "\n[outside]\n"
                     + QUIET.partition("[outside]\n")[2])  # fmt: skip
    assert scenarios.load(str(again)).venues == scenario.venues


def test_of_several_venues_one_is_shown_alone(tmp_path: Path) -> None:
    rules = list(of(*resolved(a_world(tmp_path, BIG, SMALL), "markets.BTC.mark=index"), "small"))
    assert {rule.table.split(".")[1] for rule in rules} == {"small"}
    origins = {rule.path: rule.origin for rule in rules}
    assert origins["venues.small.markets.BTC.mark"] == "--set" and origins["venues.small.share"] == "file"


def test_what_is_changed_beside_the_rules_is_told_after_them_with_who_says_it(tmp_path: Path) -> None:
    fault = "{ start = 2025-10-09T14:01:00Z, end = 2025-10-09T14:02:00Z }"
    text = f"[makers]\ndesks.MM2.boldness = 5\n[venue]\nfund_usdt = 1\n[outside]\nfaults = [{fault}]"
    over = an_overlay(tmp_path, text)
    scenario, layers = resolved("quiet-day", "makers.MM1.hold_s=70", "makers.MM2.boldness=6", over=("stay", over))
    shown = as_toml(scenario, layers).partition("\n# beside the rules\n")[2]
    assert [line.split() for line in shown.splitlines()] == [
        ["#", "makers.mode", "=", '"stay"', "#", "overlay", "stay"],
        ["#", "makers.desks.MM2.boldness", "=", "6", "#", "--set"],
        ["#", "outside.faults:", "1", "table", "#", "overlay", "mine"],
        ["#", "makers.desks.MM1.hold_s", "=", "70", "#", "--set"],
    ]
    assert next(rule.path for rule in beside(layers)) == "makers.mode"


def test_where_nothing_is_changed_beside_the_rules_nothing_is_told_of_it() -> None:
    assert "beside the rules" not in as_toml(*resolved("oct10-small", "venue.fund_usdt=7", over=("fund-to-risk",)))


def test_a_scenario_as_it_was_run_tells_every_venue(tmp_path: Path) -> None:
    scenario = scenarios.load(a_world(tmp_path, BIG, SMALL), overlays=["stay"])
    assert msgspec.json.decode(msgspec.json.encode(scenario), type=Scenario) == scenario


def test_a_table_of_layers_is_the_same_whoever_reads_it_again() -> None:
    table = tomllib.loads(QUIET)
    before = json.dumps(table, default=str)
    layered(table, scenarios.SCHEMA, [overlay("stay")], ["markets.BTC.tiers.0=[1, 2]", "makers.MM1.share=0.1"])
    assert json.dumps(table, default=str) == before
