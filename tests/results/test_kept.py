"""Runs that are kept: played once, and anew when they are of another scenario or of other code."""

from pathlib import Path

import msgspec
from msgspec.structs import replace

from consumers.board import Board
from stream_engine import scenario as scenarios
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side
from tests.results.kept import kept, played
from tests.results.trace import Quoted, Trace
from tests.whatif.tiny import tiny


def test_a_run_is_played_once_and_then_read(tmp_path: Path) -> None:
    scenario = scenarios.load(str(tiny(tmp_path, minutes=1)))
    (run,) = played(scenario, tmp_path / "runs", [3], jobs=1)
    assert (run.seed, run.scenario) == (3, "hedged-portfolio")
    assert run.figure("open_interest_change") == run.outcomes["open_interest_change"]
    assert run.figure("thin_at") is None  # there was no news
    marked = replace(run, withdrew={"marked": 1})
    (tmp_path / "runs/3.json").write_bytes(msgspec.json.encode(marked))
    assert played(scenario, tmp_path / "runs", [3], jobs=1) == [marked]


def test_what_is_of_another_scenario_or_of_other_code_is_played_anew(tmp_path: Path) -> None:
    file = str(tiny(tmp_path, minutes=1))
    (run,) = played(scenarios.load(file), tmp_path / "runs", [3], jobs=1)
    (other,) = played(scenarios.load(file, ["venue.fund_usdt=20000"]), tmp_path / "runs", [3], jobs=1)
    assert other.stamp != run.stamp and other.code == run.code
    assert (run.figure("fund_paid_in"), other.figure("fund_paid_in")) == (0.01, 0.02)
    (tmp_path / "runs/3.json").write_bytes(msgspec.json.encode(replace(run, code="older")))
    assert played(scenarios.load(file), tmp_path / "runs", [3], jobs=1) == [run] == kept(tmp_path / "runs")


def test_an_account_counts_once_by_its_first_position_and_a_house_never() -> None:
    trace = Trace(Board("alpha"))
    for event in (
        e.LiquidationStarted("alpha", 1, 0, 0, None, 11, "BTC", 5, 1, 1, 0, 0),
        e.LiquidationStarted("alpha", 2, 0, 0, None, 11, "ETH", -5, 1, 1, 0, 0),
        e.LiquidationStarted("alpha", 3, 0, 0, None, 12, "BTC", -5, 1, 1, 0, 0),
        e.BackstopTookOver("alpha", 4, 0, 0, None, 13, 99, "vault", (("BTC", 5, 1),), 0, 0),
        e.LiquidationStarted("alpha", 5, 0, 0, None, 99, "BTC", 5, 1, 1, 0, 0),
        e.LiquidationStarted("beta", 6, 0, 0, None, 14, "BTC", 5, 1, 1, 0, 0),
    ):
        trace.observe(event)
    assert (trace.long_accounts, trace.short_accounts, trace.houses) == ({11, 13}, {12}, {99})


def test_a_vaults_money_is_not_the_funds() -> None:
    trace = Trace(Board("alpha"), frozenset({"vault"}))
    for balance, pool in ((500, "main"), (900, "vault"), (70, "token")):
        trace.observe(e.FundChanged("alpha", 1, 0, 0, None, balance, balance, e.FundReason.SEEDED, pool=pool))
    trace.observe(e.ClockTicked("alpha", 2, 0, 60_000_000, None))
    assert trace.fund == {60_000_000: 570}


def test_what_is_traded_with_makers_quotes_is_kept_by_the_minute_and_not_what_they_trade_with_each_other() -> None:
    trace = Trace(Board("alpha"), makers=frozenset({1, 2}))
    trace.quoted["BTC"] = {}

    def traded(ts_us: int, size: int, price: int, taker: int, side: Side, maker: int) -> e.Traded:
        return e.Traded("alpha", 1, 0, ts_us, None, "BTC", price, size, taker, 1, side, 0, 0, maker, 2, 0, 0)

    for event in (
        traded(60_000_000, 3, 100, 11, Side.SELL, 1),
        traded(119_999_999, 2, 101, 12, Side.BUY, 2),
        traded(119_999_999, 5, 101, 1, Side.BUY, 2),
        traded(119_999_999, 5, 101, 1, Side.BUY, 13),
        traded(120_000_000, 7, 90, 11, Side.SELL, 2),
    ):
        trace.observe(event)
    assert trace.quoted["BTC"] == {60_000_000: Quoted(1, 300 - 202, 502), 120_000_000: Quoted(7, 630, 630)}
