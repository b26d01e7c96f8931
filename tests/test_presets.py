"""A venue's published rules lie under a scenario's own, and every value tells where it came from."""

import tomllib
from pathlib import Path

import msgspec
import pytest

from stream_engine import scenario as scenarios
from stream_engine.cli.rules import as_toml, of
from stream_engine.core.exchange import Exchange
from stream_engine.layers import ScenarioError, layered, presets
from stream_engine.messages.codec import decode_input, encode
from stream_engine.messages.events import ControlRejected
from stream_engine.messages.inputs import SeedFund, SetDuty, SetRules
from stream_engine.messages.rules import AdlPolicy, FundPolicy, LiquidationLimit, LiquidationStep

QUIET = scenarios.text("quiet-day")
VENUES = ("binance", "bitmex", "bybit", "dydx", "hyperliquid", "okx")


def mine(folder: Path, added_to_venue: str = "", text: str = QUIET) -> str:
    path = folder / "mine.toml"
    path.write_text(text.replace("[venue]\n", f"[venue]\n{added_to_venue}\n", 1), encoding="utf-8")
    return str(path)


def origins(name_or_path: str, *overrides: str) -> dict[str, str]:
    return {rule.path: rule.origin for rule in of(*scenarios.resolve(name_or_path, overrides))}


def complaint(name_or_path: str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenarios.load(name_or_path, overrides)
    return str(caught.value)


def test_six_venues_have_a_preset() -> None:
    assert tuple(presets()) == VENUES


@pytest.mark.parametrize("venue", VENUES)
def test_an_exchange_takes_the_rules_of_every_preset(venue: str) -> None:
    scenario = scenarios.load("quiet-day", [f"venue.preset={venue}"])
    exchange = Exchange("alpha")
    answered = [event for each in scenarios.setup(scenario, 7) for event in exchange.apply(decode_input(encode(each)))]
    assert not [event for event in answered if isinstance(event, ControlRejected)]
    assert exchange.state.rules.adl.policy is AdlPolicy(venue)


@pytest.mark.parametrize(
    ("venue", "step", "limit", "fund"),
    [
        ("binance", LiquidationStep.WHOLE, LiquidationLimit.BANKRUPTCY, FundPolicy.TAKE_OVER),
        ("bybit", LiquidationStep.TIER, LiquidationLimit.BANKRUPTCY, FundPolicy.COVER),
        ("bitmex", LiquidationStep.TIER, LiquidationLimit.BANKRUPTCY, FundPolicy.COVER),
        ("okx", LiquidationStep.TWO_TIERS, LiquidationLimit.BANKRUPTCY, FundPolicy.COVER),
        ("hyperliquid", LiquidationStep.SHARE, LiquidationLimit.MARKET, FundPolicy.NONE),
        ("dydx", LiquidationStep.WHOLE, LiquidationLimit.FILLABLE, FundPolicy.COVER),
    ],
)
def test_a_preset_is_what_the_venue_publishes(
    venue: str, step: LiquidationStep, limit: LiquidationLimit, fund: FundPolicy
) -> None:
    rules = scenarios.load("quiet-day", [f"venue.preset={venue}"]).venue
    assert (rules.liquidation.step, rules.liquidation.limit, rules.fund.policy) == (step, limit, fund)


def test_set_goes_before_the_file_before_the_preset_before_the_defaults(tmp_path: Path) -> None:
    path = mine(tmp_path, 'preset = "bybit"\nfund.drawdown_off_pct = 20')
    found = origins(path, "venue.fund.drawdown_on_pct=40")
    assert found["venue.fund.drawdown_on_ppm"] == "--set"
    assert found["venue.fund.drawdown_off_ppm"] == "file"
    assert found["venue.fund.drawdown_window_us"] == "preset bybit"
    assert found["venue.fund.unwind_ppm"] == "default"
    fund = scenarios.load(path, ["venue.fund.drawdown_on_pct=40"]).venue.fund
    assert (fund.drawdown_on_ppm, fund.drawdown_off_ppm) == (400_000, 200_000)


def test_a_preset_lies_under_every_market_and_the_file_over_it() -> None:
    found = origins("quiet-day", "venue.preset=hyperliquid", "markets.TOKEN.mark=index")
    assert found["markets.BTC.mark"] == "preset hyperliquid" and found["markets.TOKEN.mark"] == "--set"
    assert found["markets.BTC.tiers"] == "file"
    markets = scenarios.load("quiet-day", ["venue.preset=hyperliquid", "markets.TOKEN.mark=index"]).markets
    assert [market.mark for market in markets] == ["hyperliquid", "index"]


def test_what_is_shown_is_toml_that_comes_to_the_same() -> None:
    scenario, layers = scenarios.resolve("quiet-day", ["venue.preset=hyperliquid", "venue.adl.cap_ppm=1"])
    shown = tomllib.loads(as_toml(scenario, layers))
    assert shown.keys() == {"venue", "markets"}
    again = layered(tomllib.loads(QUIET) | shown, scenarios.SCHEMA, (), ())
    assert msgspec.convert(again.table, scenarios.Scenario) == msgspec.structs.replace(scenario, venues=[])


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ('preset = "binanse"', "venue.preset: there is no preset binanse; the nearest is binance"),
        ("adl.polcy = 1", "venue.adl.polcy: there is no such setting; the nearest is policy"),
        (
            'adl.policy = "queue"',
            "venue.adl.policy: invalid enum value 'queue'; it is one of binance, binance-v1, bybit",
        ),
        ("adl.cap_pct = 101", "venue.adl.cap_ppm: expected a whole number <= 1000000"),
        ("adl.cap_pct = 0.00001", "venue.adl.cap_pct: 1e-05 is no whole number of what cap_ppm counts"),
        ('adl.cap_pct = "a"', "venue.adl.cap_pct: expected a number, found a"),
        ("adl.cap_pct = 1\nadl.cap_ppm = 10_000", "venue.adl.cap_pct: cap_ppm is given, too; one of them says it"),
        ("pools = { side = 5 }", "venue.pools: no market and no backstop vault has a pool side; the nearest is main"),
        ('duty_of = { MM1 = "T1" }', "venue.duty_of.MM1: venue.obligations has no duty T1"),
    ],
)
def test_a_rule_that_is_wrong_is_answered_with_its_path(tmp_path: Path, added: str, said: str) -> None:
    assert said in complaint(mine(tmp_path, added))


def test_pools_vaults_and_duties_are_a_part_of_the_setup(tmp_path: Path) -> None:
    path = mine(
        tmp_path,
        'pools = { vault = 2.5 }\nduty_of = { MM1 = "T1" }\nbackstop = { below_pct = 60, vaults = ["vault"] }\n'
        'obligations.duties = [{ name = "T1", presence_pct = 95, spread_pct = 0.03, size_usdt = 1_000_000, '
        "stress_presence_pct = 70, stress_spread_pct = 0.06, stress_size_usdt = 500_000 }]",
    )
    made = scenarios.setup(scenarios.load(path), 7)
    rules = next(each for each in made if isinstance(each, SetRules))
    assert rules.backstop is not None and rules.backstop.below_ppm == 600_000
    assert rules.obligations is not None and rules.obligations.duties[0].spread_ppm == 300
    assert [(each.pool, each.quote) for each in made if isinstance(each, SeedFund)][1:] == [("vault", 2_500_000)]
    assert {(each.symbol, each.duty) for each in made if isinstance(each, SetDuty)} == {("BTC", "T1"), ("TOKEN", "T1")}


TWO_TIERS = (
    'duty_of = { MM1 = "T1" }\nobligations.duties = ['
    + ", ".join(
        f'{{ name = "{name}", presence_pct = 95, spread_pct = 1, size_usdt = {usdt}, stress_presence_pct = 70, '
        f"stress_spread_pct = 2, stress_size_usdt = {usdt} }}"
        for name, usdt in (("T1", 1_000_000), ("T2", 10_000))
    )
    + "]"
)


def test_a_market_may_name_another_tier_for_a_maker(tmp_path: Path) -> None:
    scenario = scenarios.load(mine(tmp_path, TWO_TIERS), ["markets.TOKEN.duty_of.MM1=T2"])
    duties = [each for each in scenarios.setup(scenario, 7) if isinstance(each, SetDuty)]
    assert [(each.account, each.symbol, each.duty) for each in duties] == [(1, "BTC", "T1"), (1, "TOKEN", "T2")]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("markets.TOKEN.duty_of.MM1=T3", "markets.TOKEN.duty_of.MM1: venue.obligations has no duty T3"),
        ("markets.TOKEN.duty_of.MM0=T1", "markets.TOKEN.duty_of: there is no maker MM0"),
    ],
)
def test_a_tier_that_a_market_names_is_one_of_the_venue_and_of_a_maker(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        scenarios.load(mine(tmp_path, TWO_TIERS), [setting])
