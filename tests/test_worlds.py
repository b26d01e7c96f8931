"""Worlds: who is on several venues of one world, under which numbers, and what goes from venue to venue."""

import asyncio
from pathlib import Path

import pytest

from producers.agent import Agent
from stream_engine import scenario as scenarios
from stream_engine.messages.events import ControlRejected, OrderRejected, SourcePriced, Traded
from stream_engine.messages.inputs import Deposit, OpenAccounts
from tests.scenarios.play import play
from tests.test_layers import a_world

BIG, SMALL = {"name": "big", "share": 0.75}, {"name": "small", "share": 0.25}
TOKEN_ONLY = {"name": "small", "share": 0.25, "symbols": ["TOKEN"]}
LOOKS_AT_BIG = SMALL | {"markets": [{"symbol": "BTC", "other_sources": {"big": 40}}]}
HEDGERS = "hedgers={ portfolios = 8, elsewhere = 0.5, legs = [{ symbol = 'BTC', usdt = 1000, leverage = 4 }] }"
ARBITRAGE = "arbitrage={ capacity = 0.005 }"


def named(agents: list[Agent], name: str) -> list[Agent]:
    return [agent for agent in agents if agent.name == name]


def opened(path: str, *overrides: str) -> dict[str, dict[str, int]]:
    """The accounts of each venue by whose they are."""
    inputs = scenarios.setup(scenarios.load(path, overrides), 1)
    found: dict[str, dict[str, int]] = {}
    for each in inputs:
        if isinstance(each, OpenAccounts):
            found.setdefault(each.venue, {}).update((name, account) for account, name in each.accounts)
    return found


def test_outside_market_makers_arbitrageurs_and_portfolios_are_each_one_on_all_venues(tmp_path: Path) -> None:
    scenario = scenarios.load(a_world(tmp_path, BIG, SMALL), [HEDGERS, ARBITRAGE])
    cast = scenarios.agents(scenario, 1)
    for name in ("outside", "MM1", "arbitrage", "hedgers"):
        (one,) = named(cast, name)
        assert one.hears == {"big", "small"}
    assert [agent.hears for agent in named(cast, "traders")] == [{"big"}, {"small"}]


def test_copies_of_a_venue_know_nothing_of_each_other() -> None:
    cast = scenarios.agents(scenarios.load("quiet-day", ["venue.copies=2", ARBITRAGE]), 1)
    for name in ("outside", "MM1", "arbitrage"):
        assert [agent.hears for agent in named(cast, name)] == [{"alpha"}, {"beta"}]


def test_an_arbitrageur_has_the_same_number_on_every_venue_whatever_that_lists(tmp_path: Path) -> None:
    accounts = opened(a_world(tmp_path, BIG, TOKEN_ONLY), ARBITRAGE)
    assert accounts["big"]["arbitrage-TOKEN-1"] == accounts["small"]["arbitrage-TOKEN-1"]
    assert "arbitrage-BTC-1" in accounts["big"] and "arbitrage-BTC-1" not in accounts["small"]


def test_portfolios_are_numbered_on_over_the_venues_and_each_has_money_on_the_next(tmp_path: Path) -> None:
    path = a_world(tmp_path, BIG, SMALL)
    accounts = opened(path, HEDGERS)
    expected = {f"hedger-{number}": 1_000 + number for number in range(1, 9)}
    for venue in ("big", "small"):
        assert {name: account for name, account in accounts[venue].items() if name.startswith("hedger")} == expected
    money: dict[str, dict[int, int]] = {"big": {}, "small": {}}
    for each in scenarios.setup(scenarios.load(path, [HEDGERS]), 1):
        if isinstance(each, Deposit):
            money[each.venue].update(each.deposits)
    for account in expected.values():
        home, other = ("big", "small") if account <= 1_006 else ("small", "big")  # six of eight are the big one's
        assert money[other][account] == pytest.approx(money[home][account] / 2, abs=1)


def test_without_money_elsewhere_a_portfolio_has_an_account_at_home_only(tmp_path: Path) -> None:
    accounts = opened(a_world(tmp_path, BIG, SMALL), HEDGERS.replace("elsewhere = 0.5, ", ""))
    assert not {name for name in accounts["big"] if name.startswith("hedger")} & set(accounts["small"])


def test_prices_go_between_venues_only_where_one_looks_at_another(tmp_path: Path) -> None:
    alone = scenarios.load(a_world(tmp_path, BIG, SMALL))
    assert not named(scenarios.agents(alone, 1), "relay")
    looking = scenarios.load(a_world(tmp_path, BIG, LOOKS_AT_BIG))
    (relay,) = named(scenarios.agents(looking, 1), "relay")
    assert relay.hears == {"big", "small"}


def test_a_world_is_played_with_prices_and_trades_between_its_venues_and_nothing_refused(tmp_path: Path) -> None:
    path = a_world(tmp_path, BIG, LOOKS_AT_BIG)
    closer = "arbitrage={ capacity = 0.005, threshold_bp = 1, between_bp = 0.5 }"
    short = ["run.end=2025-10-09T14:05:00Z", "venues.small.partition=0"]
    events = asyncio.run(play(path, 1, [closer, HEDGERS, *short]))
    told = [event for event in events if isinstance(event, SourcePriced) and event.source == "big"]
    assert told and {event.venue for event in told} == {"small"}
    assert all([symbol for symbol, _ in event.prices] == ["BTC"] for event in told)
    last = {event.venue: event.price for event in events if isinstance(event, Traded) and event.symbol == "BTC"}
    assert abs(told[-1].prices[0][1] / last["big"] - 1) < 0.002
    arbitrage = {event.venue for event in events if isinstance(event, Traded) and event.taker > 5_000_000}
    assert arbitrage == {"big", "small"}
    assert not [event for event in events if isinstance(event, ControlRejected | OrderRejected)]
