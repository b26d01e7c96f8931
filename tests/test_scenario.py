"""A scenario is read strictly, says what is wrong and where, and everything of a run follows from it."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Struct

from producers.market_maker import Mode
from stream_engine import scenario as scenarios
from stream_engine.core import invariants
from stream_engine.core.exchange import Exchange
from stream_engine.layers import ScenarioError
from stream_engine.messages.codec import encode
from stream_engine.messages.events import ControlRejected, LiquidationStarted
from stream_engine.messages.inputs import ClockTick, Deposit, IndexPrices, Input, MapVenue, OpenAccounts, SeedPositions
from stream_engine.messages.topics import INPUT_TOPIC, MAX_INPUT_BYTES
from stream_engine.scenario import Scenario, agents, clock, load, names, setup

QUIET = scenarios.text("quiet-day")
FIRST_KNOT = "knots = [{ at = 2025-10-09T14:00:00Z, prices = { BTC = 121500.0, TOKEN = 4.1 } }]"


def a_file(folder: Path, text: str) -> str:
    path = folder / "a.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def changed(folder: Path, before: str, after: str) -> str:
    assert before in QUIET
    return a_file(folder, QUIET.replace(before, after, 1))


def complaint(name_or_path: str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(name_or_path, overrides)
    return str(caught.value)


# reading --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_the_shipped_scenarios_are_sound_and_named_as_their_files(name: str) -> None:
    assert load(name).name == name


def test_the_storm_its_variations_the_benign_days_and_the_small_ones_are_shipped() -> None:
    assert set(names()) == {
        "oct10", "oct10-tape", "oct10-small", "oct10-full", "oct10-one-stays", "oct10-stay", "cliff", "slow-bleed",
        "one-firm-outage", "cpi-print", "feed-stall", "hedged-portfolio", "quiet-day", "abuse",
    }  # fmt: skip


def test_a_scenario_may_be_a_file_of_ones_own(tmp_path: Path) -> None:
    assert load(changed(tmp_path, 'name = "quiet-day"', 'name = "mine"')).name == "mine"


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    said = complaint("oct-10")
    assert said.startswith("oct-10: no scenario of this name; the nearest is oct10")


def test_a_file_that_is_no_toml_says_where(tmp_path: Path) -> None:
    assert "line 1" in complaint(a_file(tmp_path, "name = = 1\n"))


def test_an_unknown_key_stops_at_once_with_its_path_and_the_nearest_name(tmp_path: Path) -> None:
    said = complaint(changed(tmp_path, 'mode = "independent"', 'modes = "independent"'))
    assert said == "makers.modes: there is no such setting; the nearest is mode"


def test_an_unknown_key_deep_in_a_list_has_the_whole_path(tmp_path: Path) -> None:
    said = complaint(changed(tmp_path, 'name = "MM2", capital_usdt', 'name = "MM2", capital_usd'))
    assert said == "makers.desks[1].capital_usd: there is no such setting; the nearest is capital_usdt"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("fund_usdt = 500_000", 'fund_usdt = "much"', "venue.fund_usdt: expected a number, found a text"),
        ("fund_usdt = 500_000", "fund_usdt = -1", "venue.fund_usdt: expected a number >= 0.0"),
        ("accounts = 600", "accounts = 0", "population.accounts: expected a whole number >= 1"),
        ("share = 0.30", "share = 1.5", "makers.desks[0].share: expected a number <= 1.0"),
        ("half_spread_bp = 1.5\n", "", "markets[0]: object missing required field `half_spread_bp`"),
    ],
)
def test_a_wrong_value_is_answered_with_its_path_and_what_was_expected(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert complaint(changed(tmp_path, before, after)) == said


# overrides ------------------------------------------------------------------------------------------------


def test_a_setting_is_overridden_by_its_path() -> None:
    assert load("oct10").makers.mode is Mode.INDEPENDENT
    assert load("oct10", ["makers.mode=stay"]).makers.mode is Mode.STAY


@pytest.mark.parametrize("path", ["makers.MM3", "makers.desks.MM3", "makers.desks.2"])
def test_an_element_of_a_list_is_addressed_by_its_name_or_number_and_the_list_may_be_left_out(path: str) -> None:
    before, after = load("oct10"), load("oct10", [f"{path}.capital_scale=2"])
    scales = [desk.capital_scale for desk in after.makers.desks]
    assert [desk.capital_scale for desk in before.makers.desks] == [1.0] * 5
    assert scales == [1.0, 1.0, 2.0, 1.0, 1.0]


def test_markets_are_addressed_by_their_symbol() -> None:
    changed_market = load("oct10", ["markets.TOKEN.depth_usdt=5"]).markets
    assert {market.symbol: market.depth_usdt == 5 for market in changed_market} == {
        "BTC": False, "ETH": False, "DOGE": False, "TOKEN": True,
    }  # fmt: skip


def test_of_two_overrides_of_one_setting_the_last_holds() -> None:
    assert load("oct10", ["outside.scale=0.5", "outside.scale=0.25"]).outside.scale == 0.25


def test_a_table_of_defaults_may_be_overridden_though_the_file_does_not_have_it(tmp_path: Path) -> None:
    without = changed(tmp_path, "[momentum]\nsellers = 5\n", "")
    assert load(without).momentum is None
    momentum = load(without, ["momentum.sellers=3"]).momentum
    assert momentum is not None and momentum.sellers == 3


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("makers.mode", "makers.mode: expected a.b=value"),
        ("makers..mode=1", "makers..mode=1: expected a.b=value"),
        ("makers.mod=stay", "makers.mod: there is no such setting; the nearest is mode"),
        ("makers.MM9.capital_scale=2", "makers.MM9: there is no such setting"),
        ("makers.desks.MM9.capital_scale=2", "makers.desks.MM9: there is no such table to set capital_scale in"),
        ("makers.desks.9=1", "makers.desks.9: the list has no element 9"),
        ("outside.scale=half", "outside.scale: expected a number, found a text"),
        ("name.x=1", "name: there is no such table to set x in"),
    ],
)
def test_an_override_that_fits_nothing_is_answered_with_its_path(override: str, said: str) -> None:
    assert complaint("oct10", override).startswith(said)


# what the values say together -----------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "sound"), [(59, False), (60, True), (61, True)])
def test_knots_lie_a_minute_apart_or_more(tmp_path: Path, second: int, sound: bool) -> None:
    at = f"14:{second // 60:02}:{second % 60:02}"
    knots = FIRST_KNOT.replace("}]", "}, { at = 2025-10-09T" + at + "Z, prices = { BTC = 1.0, TOKEN = 1.0 } }]")
    path = changed(tmp_path, FIRST_KNOT, knots)
    if sound:
        assert len(load(path).outside.knots) == 2
    else:
        assert complaint(path).startswith("outside.knots[1].at: expected a minute or more after the knot before it")


def test_knots_that_are_not_in_order_are_refused(tmp_path: Path) -> None:
    knots = FIRST_KNOT.replace("}]", "}, { at = 2025-10-09T13:00:00Z, prices = { BTC = 1.0, TOKEN = 1.0 } }]")
    assert complaint(changed(tmp_path, FIRST_KNOT, knots)).startswith("outside.knots[1].at")


NEWS = 'news = [{ at = 2025-10-09T14:10:00Z, label = "x", headline = "x", moves_pct = { BTC = -5.0 } }]'


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (", TOKEN = 4.1 }", " }", "outside.knots[0].prices: expected a price of each market and no other"),
        ("2025-10-09T14:30:00Z", "2025-10-09T14:00:00Z", "run.end: expected later than run.start"),
        ("end = 2025-10-09T14:30:00Z", "end = 2025-10-09T14:30:00.5Z", "run.end: expected a whole second"),
        (FIRST_KNOT, NEWS + "\n" + FIRST_KNOT, "outside.news[0].at: news that moves a price needs a knot at its time"),
        (
            FIRST_KNOT,
            "impact = { depth_usdt = { TOKN = 1.0 } }\n" + FIRST_KNOT,
            "outside.impact.depth_usdt: there is no market TOKN; the nearest is TOKEN",
        ),
        ('source = "spot"', 'source = "own"', "outside.source: own stands for the venue's own trades"),
        ('tick_size = "0.1"', 'tick_size = "0.0001"', "markets[0]: tick_size * lot_size is no whole number"),
        ('tick_size = "0.1"', 'tick_size = "x"', "markets[0].tick_size: expected tick and lot as decimal numbers"),
        ("[0, 25_000]]", "[9, 25_000]]", "markets[0].tiers: expected rising bounds, the last of them 0"),
        ("max_leverage = 50", "max_leverage = 5", "markets[0].default_leverage: expected at most max_leverage (5)"),
        ("split = { BTC = 0.5, TOKEN = 0.5 }", "split = { BTC = 1.0 }", "population.split: expected a value of each"),
        ('name = "MM2"', 'name = "MM1"', "makers.desks: a name is given twice"),
        ('symbol = "TOKEN"', 'symbol = "BTC"', "markets: a symbol is listed twice"),
        (
            'tick_size = "0.1"',
            'tick_size = "0"',
            "markets[0].tick_size: expected tick and lot as decimal numbers above",
        ),
        ('tick_size = "0.1"', 'tick_size = "inf"', "markets[0].tick_size: expected tick and lot as decimal numbers"),
        ('tick_size = "0.1"', 'tick_size = "nan"', "markets[0].tick_size: expected tick and lot as decimal numbers"),
        ('tick_size = "0.1"', 'tick_size = "1e9"', "markets[0].tick_size: expected tick and lot as decimal numbers"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_path(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert complaint(changed(tmp_path, before, after)).startswith(said)


def test_a_time_without_its_zone_is_refused(tmp_path: Path) -> None:
    text = QUIET.replace("2025-10-09T14:00:00Z", "2025-10-09T14:00:00").replace(
        "2025-10-09T14:30:00Z", "2025-10-09T14:30:00"
    )
    assert complaint(a_file(tmp_path, text)).startswith("run.start: expected a time with its zone")


@pytest.mark.parametrize("override", ["run.start=2025-10-09T14:00:00", "run.end=2025-10-09T14:30:00"])
def test_one_time_without_a_zone_among_others_that_have_one_is_refused(override: str) -> None:
    assert complaint("quiet-day", override).startswith(override[: override.index("=")] + ": expected a time with its")


SINCE_1970_S = 1_760_018_400  # the start of quiet-day


@pytest.mark.parametrize(("shift_s", "sound"), [(-1, True), (0, True), (1, False)])
def test_no_run_begins_before_1970(shift_s: int, sound: bool) -> None:
    override = f"outside.shift_s={-SINCE_1970_S - shift_s}"
    if sound:
        assert clock(load("quiet-day", [override])).start_us == -shift_s * 1_000_000
    else:
        assert complaint("quiet-day", override).endswith("lies before 1970 or after 2255")


def test_no_run_ends_after_2255() -> None:
    assert complaint("quiet-day", "outside.shift_s=8_000_000_000").startswith("run.start: with outside.shift_s")


def test_makers_and_large_accounts_that_hold_more_than_the_short_side_are_refused() -> None:
    scenario = load("quiet-day", ["population.maker_share=0.8", "population.large_share=0.5"])
    with pytest.raises(ScenarioError, match="population: on BTC makers, portfolios and large accounts leave"):
        setup(scenario, 1)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("population.accounts=979_999", ""),
        ("population.accounts=980_000", ""),
        (
            "population.accounts=980_001",
            "population.accounts: a venue has 980,000 at most, and alpha would have 980,001",
        ),
        ("hedgers.portfolios=8_999", ""),
        ("hedgers.portfolios=9_000", ""),
        ("hedgers.portfolios=9_001", "hedgers.portfolios: there are 9,000 at most, found 9,001"),
    ],
)
def test_a_venue_has_no_more_people_than_fit_their_numbers(override: str, said: str) -> None:
    if said:
        assert complaint("oct10-small", override) == said
    else:
        load("oct10-small", [override])


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "1e16", "-1e16", "1" + "0" * 400])
@pytest.mark.parametrize("path", ["venue.fund_usdt", "population.size_sigma", "outside.knots.0.prices.BTC"])
def test_a_number_that_is_none_or_cannot_be_counted_with_is_refused_with_its_path(path: str, number: str) -> None:
    said = complaint("quiet-day", f"{path}={number}")
    assert said.startswith(path.replace(".0.", "[0].") + ": expected a number from -1e+15 to 1e+15, found")


@pytest.mark.parametrize("override", ["population.long_leverage=[]", "population.short_leverage=[]"])
def test_a_crowd_without_any_range_of_leverage_is_refused(override: str) -> None:
    assert complaint("quiet-day", override).endswith("expected one range of leverage or more")


def test_a_maker_has_no_name_of_another_participant_even_of_one_that_is_not_there() -> None:
    few = ["population.accounts=600"]
    others = {agent.name for name in names() for agent in agents(load(name, few), 7)}
    desks = {desk.name for name in names() for desk in load(name).makers.desks}
    assert others - desks <= scenarios.TAKEN_NAMES
    for name in sorted(scenarios.TAKEN_NAMES):
        said = complaint("quiet-day", f'makers.MM1.name="{name}"')
        assert said == f"makers.desks: {name} is the name of another participant"


@pytest.mark.parametrize(
    ("pct", "sound"),
    [("1.4", False), ("1.5", True), ("1.6", True), ("99", True), ("100", True), ("101", False)],
)
def test_dip_buyers_stand_between_their_nearest_distance_and_the_whole_price(pct: str, sound: bool) -> None:
    override = f"dips.farthest_pct.BTC={pct}"
    if sound:
        load("quiet-day", [override])
    else:
        assert complaint("quiet-day", override).startswith(
            "dips.farthest_pct.BTC: expected from dips.nearest_pct (1.5)"
        )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("near_book.share_of.DOGE=1", "near_book.share_of: there is no market DOGE; the nearest is TOKEN"),
        ("abuse.spoofers.DOGE=1", "abuse.spoofers: there is no market DOGE"),
        ("abuse.stuffers.DOGE=1", "abuse.stuffers: there is no market DOGE"),
        ("abuse.levels_from=6", "abuse.levels_to: expected at least abuse.levels_from, found 6 and 5"),
        ("abuse.burst_from_s=11", "abuse.burst_to_s: expected at least abuse.burst_from_s, found 11 and 10"),
        ("abuse.orders_from=501", "abuse.orders_to: expected at least abuse.orders_from, found 501 and 500"),
    ],
)
def test_abuse_of_what_is_not_there_or_from_more_to_less_is_refused(override: str, said: str) -> None:
    assert complaint("abuse", override) == said


def test_abusers_have_accounts_and_names_that_follow_those_of_the_crowd_and_nobody_else_has() -> None:
    def opened_in(name: str) -> dict[int, str]:
        records = [each for each in setup(load(name), 7) if isinstance(each, OpenAccounts)]
        return {account: called for each in records for account, called in each.accounts}

    with_them, without = opened_in("abuse"), opened_in("quiet-day")
    theirs = {account: with_them[account] for account in with_them.keys() - without.keys()}
    last = max(account for account, called in without.items() if called.startswith("trader-"))
    assert without.items() <= with_them.items()
    assert theirs == {last + n: f"trader-{last - scenarios.CROWD_FROM + 1 + n}" for n in range(1, 5)}
    abusers = [agent for agent in agents(load("abuse"), 7) if agent.name in ("spoofers", "stuffers")]
    assert sorted(account for agent in abusers for account in agent.accounts) == sorted(theirs)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("population.size_sigma=1000", "a value is too small or too large for its purpose"),
        ("markets.BTC.open_interest_usdt=1", "markets.BTC.open_interest_usdt: less than one lot"),
        ('markets.BTC.tick_size="400000"', "outside.knots: at the start BTC costs less than one tick"),
    ],
)
def test_what_no_participants_can_be_made_of_is_refused(override: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        setup(load("quiet-day", [override]), 7)


# times ----------------------------------------------------------------------------------------------------

WITH_DATES = {"run.start", "run.end", "outside.knots[].at", "outside.news[].at", "outside.faults[].start",
              "outside.faults[].end"}  # fmt: skip


def fields(kind: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of the schema by its path, and its type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Struct):
        for name, below in get_type_hints(kind, include_extras=True).items():
            yield from fields(below, f"{path}.{name}" if path else name)
    elif origin is Annotated:
        yield from fields(arguments[0], path)
    elif origin is list:
        yield from fields(arguments[0], f"{path}[]")
    elif arguments:
        for each in arguments:
            yield from fields(each, path)
    else:
        yield path, kind


def test_only_bounds_knots_news_and_faults_have_dates() -> None:
    assert {path for path, kind in fields(Scenario) if kind in (datetime, date, time)} == WITH_DATES


def test_no_participant_can_be_given_a_time_of_day_in_another_guise() -> None:
    # A date may hide in a number or a text: the schema of participants has neither texts but names, nor such names.
    # (The times of a venue's rules are lengths.)
    schema = dict(fields(Scenario))
    participants = [
        path for path in schema if path.split(".")[0].removesuffix("[]") not in ("run", "outside", "venue", "venues")
    ]
    texts = {path for path in participants if schema[path] is str}
    assert {path.split(".")[-1] for path in texts} <= NAMES | TABLES
    assert not [path for path in participants if path.split(".")[-1] in ("at", "start", "end", "when", "time", "date")]
    assert not [path for path in participants if path.endswith(("_at", "_us", "_utc", "_time")) and path not in LENGTHS]


NAMES = {"name", "who", "title", "symbol", "tick_size", "lot_size", "mark", "fund_pool", "brackets", "file",
         "balance_with"}  # fmt: skip
LENGTHS = {"markets[].basis_every_us", "markets[].basis_window_us", "markets[].funding_interval_us"}
TABLES = {"split", "leverage_factor", "panic_pct", "profit_pct", "density_of_depth", "farthest_pct", "share_of",
          "duty_of"}  # fmt: skip


def test_one_setting_moves_every_time_by_the_same() -> None:
    plain, shifted = load("oct10"), load("oct10", ["outside.shift_s=3600"])
    hour_us = 3_600_000_000
    assert clock(shifted).start_us == clock(plain).start_us + hour_us
    assert clock(shifted).end_us == clock(plain).end_us + hour_us
    moved = [msgspec.structs.replace(each, ts_us=each.ts_us + hour_us) for each in setup(plain, 7)]
    assert setup(shifted, 7) == moved


# what follows from it -------------------------------------------------------------------------------------


def opened(name: str, seed: int, *overrides: str) -> tuple[list[Exchange], list[Input]]:
    """The exchange of every venue after the setup and the first prices; nothing of it may be refused."""
    scenario = load(name, overrides)
    exchanges = {venue: Exchange(venue) for venue in scenarios.venues(scenario)}
    inputs = setup(scenario, seed)
    start_us = clock(scenario).start_us
    first = [each for agent in agents(scenario, seed) if agent.name == "outside" for each in agent.decide(start_us, [])]
    prices = [each for each in first if isinstance(each, IndexPrices)]
    assert {each.venue for each in prices} == exchanges.keys()
    for each in [*inputs, *(ClockTick(venue, start_us) for venue in exchanges), *prices]:
        events = exchanges[each.venue].apply(each)  # type: ignore[arg-type]
        assert not [event for event in events if isinstance(event, ControlRejected | LiquidationStarted)]
    return list(exchanges.values()), inputs


@pytest.mark.parametrize("name", ["abuse", "hedged-portfolio", "oct10", "oct10-small", "quiet-day"])
def test_the_setup_is_taken_as_it_is_and_nobody_starts_below_maintenance(name: str) -> None:
    exchanges, _ = opened(name, 7)
    for exchange in exchanges:
        invariants.check(exchange)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_longs_equal_shorts_to_the_lot_in_every_record_of_every_venue(seed: int) -> None:
    for each in setup(load("oct10"), seed):
        if isinstance(each, SeedPositions):
            sums: dict[str, int] = defaultdict(int)
            for leg in each.legs:
                sums[leg.symbol] += leg.size
            assert set(sums.values()) == {0}


def test_every_record_of_the_setup_is_small_enough_for_its_topic() -> None:
    sizes = [(len(encode(each)), MAX_INPUT_BYTES[INPUT_TOPIC[type(each)]]) for each in setup(load("oct10"), 7)]
    assert all(size <= most for size, most in sizes), sizes


# Each account of the crowd has one position; what is told of all venues holds of the largest alone, too.
CROWDS = [("oct10", None, 20_000), ("oct10", "binance-like", 7_600), ("oct10-small", None, 3_000)]


@pytest.mark.parametrize(("name", "venue", "accounts"), CROWDS)
def test_of_the_crowd_87_percent_are_long_and_a_few_hold_the_shorts(
    name: str, venue: str | None, accounts: int
) -> None:
    records = [each for each in setup(load(name), 7) if isinstance(each, SeedPositions) and venue in (None, each.venue)]
    legs = [(each.venue, leg) for each in records for leg in each.legs]
    crowd = [leg for _, leg in legs if leg.account >= scenarios.CROWD_FROM]
    assert len(crowd) == pytest.approx(accounts, rel=0.05)
    assert sum(leg.size > 0 for leg in crowd) / len(crowd) == pytest.approx(0.87, abs=0.005)
    shorts = Counter({(at, leg.account): -leg.size for at, leg in legs if leg.symbol == "BTC" and leg.size < 0})
    biggest = sum(lots for _, lots in shorts.most_common(len(shorts) // 20))
    assert biggest > 0.6 * sum(shorts.values())


@pytest.mark.parametrize(("share", "least", "most"), [(0, 0, 0), (0.5, 240, 360), (1, 590, 600)])
def test_a_share_of_the_crowd_has_isolated_margin(share: float, least: int, most: int) -> None:
    [exchange], made = opened("quiet-day", 7, f"population.isolated_share={share}")
    isolated = [leg for each in made if isinstance(each, SeedPositions) for leg in each.legs if leg.isolated]
    assert least <= len(isolated) <= most
    invariants.check(exchange)


def test_sizes_are_heavy_tailed() -> None:
    legs = [leg for each in setup(load("oct10"), 7) if isinstance(each, SeedPositions) for leg in each.legs]
    longs = sorted((leg.size for leg in legs if leg.symbol == "BTC" and leg.size > 0), reverse=True)
    assert sum(longs[: len(longs) // 10]) > 0.4 * sum(longs)


def test_seed_and_scenario_give_the_same_setup_and_another_seed_another() -> None:
    scenario = load("oct10")
    first = setup(scenario, 7)
    assert first != setup(scenario, 8)
    assert first == setup(scenario, 7)


def test_the_setup_does_not_depend_on_the_interpreters_hash_seed() -> None:
    program = (
        "import hashlib\nfrom stream_engine.messages.codec import encode\n"
        "from stream_engine.scenario import load, setup\n"
        "print(hashlib.sha256(b''.join(map(encode, setup(load('quiet-day'), 7)))).hexdigest())"
    )

    def said(hash_seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert said("0") == said("4242")


def test_the_participants_are_new_for_every_run_and_each_has_a_name_of_its_own() -> None:
    scenario = load("oct10")
    one, other = agents(scenario, 7), agents(scenario, 7)
    assert not {id(agent) for agent in one} & {id(agent) for agent in other}
    assert len({(agent.venue, agent.name) for agent in one}) == len(one)
    assert {"MM1", "MM2", "MM3", "MM4", "MM5"} < {agent.name for agent in one}


def test_no_account_belongs_to_two_participants() -> None:
    # The outside market hears what everybody who hedges there trades; it has none of its own.
    owners: Sequence[Any] = [agent for agent in agents(load("oct10"), 7) if agent.name != "outside"]
    accounts = [(venue, account) for agent in owners for venue in agent.hears for account in agent.accounts]
    assert len(set(accounts)) == len(accounts)


# several venues -------------------------------------------------------------------------------------------


def test_copies_of_a_venue_are_named_by_the_greek_alphabet_and_live_on_the_partitions_after_it() -> None:
    four = load("oct10-small", ["venue.copies=4"])
    assert scenarios.venues(four) == {"alpha": 0, "beta": 1, "gamma": 2, "delta": 3}
    named = load("oct10-small", ["venue.copies=3", "venue.name=beta", "venue.partition=2"])
    assert scenarios.venues(named) == {"beta": 2, "alpha": 3, "gamma": 4}
    assert (scenarios.partitions(four), scenarios.partitions(named)) == (4, 5)


@pytest.mark.parametrize(("copies", "sound"), [(0, False), (1, True), (24, True), (25, False)])
def test_there_are_as_many_venues_as_letters(copies: int, sound: bool) -> None:
    override = f"venue.copies={copies}"
    if sound:
        assert len(scenarios.venues(load("quiet-day", [override]))) == copies
    else:
        assert complaint("quiet-day", override).startswith("venue.copies: expected a whole number")


def test_a_further_venue_adds_to_the_setup_and_changes_nothing_of_the_first() -> None:
    one, two = load("quiet-day"), load("quiet-day", ["venue.copies=2"])
    alone = setup(one, 7)
    both = setup(two, 7)
    assert [each for each in both if each.venue == "alpha"] == alone
    other = [msgspec.structs.replace(each, venue="alpha") for each in both if each.venue == "beta"]
    assert [type(each) for each in other] == [type(each) for each in alone]
    # The same rules, markets, accounts and owners; other money and positions: other people.
    for mine, theirs in zip(alone, other, strict=True):
        assert (mine == theirs) == (not isinstance(mine, Deposit | SeedPositions | MapVenue)), type(mine)


def test_participants_keep_their_names_on_every_venue_and_each_has_a_chance_of_its_own_there() -> None:
    made = agents(load("oct10-small", ["venue.copies=2"]), 7)
    names = [(agent.venue, agent.name) for agent in made]
    assert len(set(names)) == len(names)
    assert {name for venue, name in names if venue == "alpha"} == {name for venue, name in names if venue == "beta"}
    start_us = clock(load("oct10-small")).start_us
    first = {(agent.venue, agent.name): agent.decide(start_us, []) for agent in made}
    prices = [
        [msgspec.structs.replace(each, venue="") for each in first[venue, "outside"]] for venue in ("alpha", "beta")
    ]
    assert prices[0] == prices[1] != []
