"""Positions of one's own: read from a file, balanced, and seeded to the micro-unit, or refused with what is wrong."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from stream_engine import scenario as scenarios
from stream_engine.core.accounts import equity_of
from stream_engine.core.exchange import Exchange
from stream_engine.core.invariants import check
from stream_engine.layers import ScenarioError
from stream_engine.messages.codec import decode_input, encode
from stream_engine.messages.events import ControlRejected
from stream_engine.messages.inputs import IndexPrices, Leg
from stream_engine.messages.topics import INPUT_TOPIC, MAX_INPUT_BYTES
from stream_engine.own_positions import balanced_records

MARKET = """
name = "mine"
title = "The positions that we have"
run = { start = 2025-10-10T20:00:00Z, end = 2025-10-10T20:01:00Z }
venue = { fund_usdt = 1_000 }
makers = { desks = [] }
[accounts]
from = "FILE"
[[markets]]
symbol = "BTC"
tick_size = "0.1"
lot_size = "0.001"
max_price = 300_000
max_leverage = 50
tiers = [[1_000_000, 10_000], [0, 25_000]]
outside_weight = 1
own_weight = 0
depth_usdt = 1_000_000
open_interest_usdt = 1_000_000
half_spread_bp = 1
volatility_bp = 1
mark = "index"
[outside]
source = "spot"
knots = [{ at = 2025-10-10T20:00:00Z, prices = { BTC = 100_000.0 } }]
"""
HEAD = "account,participant,symbol,size,entry,wallet,margin_mode,leverage"


def a_scenario(
    folder: Path, rows: str, kind: str = "csv", head: str = HEAD, changes: tuple[str, str] = ("", "")
) -> str:
    (folder / f"positions.{kind}").write_text(f"{head}\n{rows}" if kind == "csv" else rows, encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(
        MARKET.replace("FILE", f"positions.{kind}").replace(*changes)
        if changes[0]
        else MARKET.replace("FILE", f"positions.{kind}"),
        encoding="utf-8",
    )
    return str(path)


def begun(name_or_path: str, *overrides: str) -> Exchange:
    exchange = Exchange("alpha")
    for each in scenarios.setup(scenarios.load(name_or_path, overrides), 7):
        received = decode_input(encode(each))
        assert not [event for event in exchange.apply(received) if isinstance(event, ControlRejected)], each
    check(exchange)
    return exchange


def complaint(name_or_path: str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        scenarios.setup(scenarios.load(name_or_path, overrides), 7)
    return str(caught.value)


def test_positions_come_in_as_they_are(tmp_path: Path) -> None:
    exchange = begun(a_scenario(tmp_path, "7,alice,BTC,0.5,90000,6000,cross,20\nbob,,BTC,-0.5,110000,9000.5,,10\n"))
    accounts = exchange.state.accounts
    assert {number: account.participant for number, account in accounts.items()} == {
        1_000_000_007: "alice", 2_000_000_002: "bob",
    }  # fmt: skip
    alice, bob = (account.positions["BTC"] for account in accounts.values())
    assert (alice.size, alice.cost, alice.leverage) == (500, 45_000_000_000, 20)
    assert (bob.size, bob.cost, bob.leverage) == (-500, -55_000_000_000, 10)
    assert [account.wallet for account in accounts.values()] == [6_000_000_000, 9_000_500_000]


def test_json_lines_are_read_as_well(tmp_path: Path) -> None:
    rows = (
        '{"account": 7, "symbol": "BTC", "size": 0.5, "entry": 90000.05, "wallet": 6000}\n\n'
        '{"account": "b", "symbol": "BTC", "size": "-0.5", "entry": 110000, "wallet": "9000"}\n'
    )
    assert set(begun(a_scenario(tmp_path, rows, "jsonl")).state.accounts) == {1_000_000_007, 2_000_000_002}


def test_an_isolated_position_stands_on_its_part_of_the_wallet(tmp_path: Path) -> None:
    rows = "7,,BTC,0.5,90000,6000,isolated,20,\n8,,BTC,-0.5,90000,6000,isolated,,1234.5\n"
    accounts = begun(a_scenario(tmp_path, rows, head=HEAD + ",margin")).state.accounts.values()
    assert [(account.wallet, account.positions["BTC"].margin) for account in accounts] == [
        (3_750_000_000, 2_250_000_000), (4_765_500_000, 1_234_500_000),
    ]  # fmt: skip


def test_isolated_positions_that_the_wallet_does_not_carry_are_refused(tmp_path: Path) -> None:
    path = a_scenario(tmp_path, "7,,BTC,0.5,90000,2249.99,isolated,20\n8,,BTC,-0.5,90000,6000,,\n")
    assert "account 7: wallet: expected the 2250 USDT or more" in complaint(path)


@pytest.mark.parametrize("entry", ["99999.94", "99999.95", "99999.96", "100000.000000333"])
def test_an_average_entry_between_two_ticks_leaves_equity_exact(tmp_path: Path, entry: str) -> None:
    path = a_scenario(tmp_path, f"7,,BTC,0.5,{entry},6000,,\n8,,BTC,-0.5,{entry},6000,,\n")
    exchange = begun(path)
    exchange.apply(IndexPrices("alpha", exchange.state.now_us, "spot", (("BTC", 1_010_000),)))
    long, short = (equity_of(account, exchange.state.markets) for account in exchange.state.accounts.values())
    won = (Decimal(101_000) - Decimal(entry)) * 500_000
    assert long == int((6_000_000_000 + won).to_integral_value("ROUND_FLOOR"))
    assert short == int((6_000_000_000 - won).to_integral_value("ROUND_FLOOR"))


def test_positions_that_do_not_balance_are_refused_with_the_sum_of_each_symbol(tmp_path: Path) -> None:
    said = complaint(a_scenario(tmp_path, "7,,BTC,0.5,90000,6000,,\n8,,BTC,-0.2,90000,6000,,\n"))
    assert "do not balance, the sum is BTC +0.300" in said and "accounts.balance_with" in said


def test_or_a_named_account_holds_the_rest_fully_paid(tmp_path: Path) -> None:
    path = a_scenario(tmp_path, "7,,BTC,0.5,90000,6000,,\n8,,BTC,-0.2,90000,6000,,\n")
    accounts = begun(path, "accounts.balance_with=the rest").state.accounts
    house = accounts[1_999_999_999]
    assert (house.participant, house.positions["BTC"].size) == ("the rest", -300)
    assert house.wallet == -house.positions["BTC"].cost > 29_000_000_000


def test_an_account_may_not_be_called_like_the_one_that_balances(tmp_path: Path) -> None:
    path = a_scenario(tmp_path, "rest,,BTC,0.5,90000,6000,,\n")
    assert "rest is an account of" in complaint(path, "accounts.balance_with=rest")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("7,,ETH,1,1,1,,", ":2: symbol: there is no market ETH; the nearest is BTC"),
        ("7,,BTC,x,1,1,,", ":2: size: expected a number, found x"),
        ("7,,BTC,nan,1,1,,", ":2: size: expected a number, found nan"),
        ("7,,BTC,0,1,1,,", ":2: size: expected a multiple of the lot 0.001, not 0, found 0"),
        ("7,,BTC,0.0005,1,1,,", ":2: size: expected a multiple of the lot 0.001"),
        ("7,,BTC,1e12,1,1,,", ":2: size: BTC takes"),
        ("7,,BTC,1,0,1,,", ":2: entry: expected a price above 0"),
        ("7,,BTC,1,300000.2,1,,", ":2: entry: expected a price above 0, of max_price at most"),
        ("7,,BTC,1,1,-5,,", "account 7: wallet: expected from 0"),
        ("7,,BTC,1,1,1,both,", ":2: margin_mode: expected cross or isolated, found both"),
        ("7,,BTC,1,1,1,,51", ":2: leverage: expected a whole number from 1 to 50, found 51"),
        ("7,,BTC,1,1,1,,2.5", ":2: leverage: expected a whole number from 1 to 50, found 2.5"),
        (",,BTC,1,1,1,,", ":2: account: nothing stands there"),
        ("7,,BTC,1,1", ":2: 8 columns expected, found 5"),
        ("7,,BTC,1,1,1,,\n7,,BTC,1,1,1,,", ":3: account: a second position on BTC"),
    ],
)
def test_a_row_that_is_wrong_is_answered_with_its_line_and_column(tmp_path: Path, row: str, said: str) -> None:
    assert said in complaint(a_scenario(tmp_path, row + "\n"), "accounts.balance_with=rest")


def test_a_head_that_is_wrong_is_answered(tmp_path: Path) -> None:
    assert ":1: the head has no column entry" in complaint(a_scenario(tmp_path, "", head="account,symbol,size"))
    said = complaint(a_scenario(tmp_path, "", head="account,symbol,size,entry,walet"))
    assert ":1: there is no column walet; the nearest is wallet" in said


def test_a_file_that_is_not_there_is_answered(tmp_path: Path) -> None:
    path = a_scenario(tmp_path, "")
    (tmp_path / "positions.csv").unlink()
    assert "accounts.from:" in complaint(path) and "cannot be read (No such file" in complaint(path)


@pytest.mark.parametrize("most", [2, 3, 10, 1_000])
def test_a_bulk_is_cut_into_records_that_each_balance(most: int) -> None:
    sizes = [40, -1, -2, 7, -30, 5, -19, 100, -60, -40]
    legs = [Leg(number, "BTC", size, 100, 10, True, abs(size) * 3 + 1) for number, size in enumerate(sizes, 1)]
    records = list(balanced_records(legs, most))
    assert all(sum(leg.size for leg in record) == 0 for record in records)
    assert all(len({leg.account for leg in record}) == len(record) <= most + 1 for record in records)
    pieces = [leg for record in records for leg in record]
    for leg in legs:
        own = [piece for piece in pieces if piece.account == leg.account]
        assert (sum(piece.size for piece in own), sum(piece.margin for piece in own)) == (leg.size, leg.margin)


def test_every_record_of_a_bulk_fits_its_topic_and_no_position_is_lost(tmp_path: Path) -> None:
    with (tmp_path / "positions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(HEAD.split(","))
        for number in range(1, 9_001):
            rows.writerow(
                [number, f"p{number}", "BTC", "0.003" if number % 3 else "-0.006", "99000.05", 50, "cross", 10]
            )
    path = tmp_path / "mine.toml"
    path.write_text(MARKET.replace("FILE", "positions.csv"), encoding="utf-8")
    for each in scenarios.setup(scenarios.load(str(path)), 7):
        assert len(encode(each)) <= MAX_INPUT_BYTES[INPUT_TOPIC[type(each)]]
    exchange = begun(str(path))
    assert exchange.state.markets["BTC"].open_interest == 18_000 and len(exchange.state.accounts) == 9_000


BRACKETS = "bound_usdt,rate_pct,max_leverage\n50000,0.4,50\n250000,0.5,25\n0,1,10\n"
BINANCE = """[{"symbol": "BTCUSDT", "brackets": [
  {"bracket": 1, "initialLeverage": 50, "notionalCap": 50000, "maintMarginRatio": 0.004, "cum": 0.0},
  {"bracket": 2, "initialLeverage": 25, "notionalCap": 250000, "notionalFloor": 50000, "maintMarginRatio": 0.005},
  {"bracket": 3, "initialLeverage": 10, "notionalCap": 9000000, "notionalFloor": 250000, "maintMarginRatio": 0.01}]}]"""


@pytest.mark.parametrize(("name", "text"), [("brackets.csv", BRACKETS), ("brackets.json", BINANCE)])
def test_margin_brackets_may_come_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    tiers = "tiers = [[1_000_000, 10_000], [0, 25_000]]"
    path = a_scenario(tmp_path, "", changes=(tiers, f'brackets = "{name}"'))
    tier = [(each.bound_usdt, each.rate_ppm, each.max_leverage) for each in scenarios.load(path).markets[0].tiers]
    assert tier == [(50_000, 4_000, 50), (250_000, 5_000, 25), (0, 10_000, 10)]


def test_brackets_and_tiers_do_not_go_together(tmp_path: Path) -> None:
    path = a_scenario(tmp_path, "", changes=("tiers =", 'brackets = "x.csv"\ntiers ='))
    assert "markets[0].brackets: tiers are given, too" in complaint(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bound_usdt,rate_pct,max_leverage\n1.5,0.4,50\n", ":2: bound_usdt: expected a whole number of 0 or more"),
        ("bound_usdt,rate_pct,max_leverage\n1,x,50\n", ":2: rate_pct: expected a number, found x"),
        ("bound_usdt,rate_pct,max_leverage\n", "has no bracket"),
    ],
)
def test_a_bracket_that_is_wrong_is_answered_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "b.csv").write_text(text)
    tiers = "tiers = [[1_000_000, 10_000], [0, 25_000]]"
    assert said in complaint(a_scenario(tmp_path, "", changes=(tiers, 'brackets = "b.csv"')))
