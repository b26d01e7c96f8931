"""`liqstorm sweep` as a user meets it, and the grid that it plays."""

import json
from pathlib import Path

import pytest

from stream_engine.layers import ScenarioError
from stream_engine.whatif.grid import Axis, axis, cells
from stream_engine.whatif.plan import Change
from tests.test_cli import complaint, liqstorm
from tests.whatif.test_whatif_verb import Closed
from tests.whatif.tiny import tiny


@pytest.mark.parametrize(
    ("written", "path", "values"),
    [
        ("a.b=1", "a.b", ("1",)),
        ("a.b = x, y ,z", "a.b", ("x", "y", "z")),
        ("a.b=[1, 2],[3]", "a.b", ("[1, 2]", "[3]")),
        ("a.b='x,y',z", "a.b", ("'x,y'", "z")),
        ("a.b={c = 1, d = [2]},e", "a.b", ("{c = 1, d = [2]}", "e")),
        ("policy=okx,dydx", "venue.adl.policy", ("okx", "dydx")),
    ],
)
def test_an_axis_is_cut_at_commas_that_stand_in_no_brackets_or_quotes(
    written: str, path: str, values: tuple[str, ...]
) -> None:
    assert axis(written) == Axis(path, values)


@pytest.mark.parametrize("written", ["a.b", "=1", "a.b=", "a.b=1,,2"])
def test_what_is_no_axis_is_refused(written: str) -> None:
    with pytest.raises(ScenarioError, match=r"expected a\.b=x,y,z"):
        axis(written)


def test_the_grid_has_every_choice_and_the_last_axis_moves_fastest(tmp_path: Path) -> None:
    axes, grid = cells(str(tiny(tmp_path)), Change(), [axis("fund_usdt=1,2"), axis("adl.policy=okx,dydx")])
    assert [each.path for each in axes] == ["venue.fund_usdt", "venue.adl.policy"]
    assert [cell.values for cell in grid] == [("1", "okx"), ("1", "dydx"), ("2", "okx"), ("2", "dydx")]
    assert [cell.scenario.venue.fund_usdt for cell in grid] == [1, 1, 2, 2]
    assert [each.is_fund for each in axes] == [True, False]


def test_a_sweep_is_a_table_json_and_a_page(tmp_path: Path) -> None:
    page, out = tmp_path / "page.html", tmp_path / "out"
    words = ("--over", "policy=binance,pro-rata", "--over", "checks_per_input=5,10", "--runs", "1", "--outcome", "adl")
    run = liqstorm("sweep", tiny(tmp_path), *words, "--html", page, "--out", out, "--quiet")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == "hedged-portfolio: venue.adl.policy and venue.checks_per_input"
    assert [line.split()[0] for line in lines if line.startswith(("binance", "pro-rata"))] == ["binance", "pro-rata"]
    assert "liquidated" not in run.stdout  # not chosen
    told = json.loads((out / "table.json").read_text())
    assert [cell["settings"]["venue.adl.policy"] for cell in told["cells"]] == ["binance"] * 2 + ["pro-rata"] * 2
    assert all(cell["outcomes"]["liquidated"]["runs"] == 1 for cell in told["cells"])
    assert told["enough"] is None and not told["partial"]
    assert len((out / "runs.jsonl").read_text().splitlines()) == 4
    Closed().feed(page.read_text(encoding="utf-8"))
    assert page.read_text(encoding="utf-8").count("<svg") == 1


def test_where_the_fund_is_swept_the_one_that_would_be_enough_is_told(tmp_path: Path) -> None:
    run = liqstorm("sweep", tiny(tmp_path), "--over", "fund.size=1_000,2_000", "--runs", "2", "--quiet")
    assert run.returncode == 0, run.stderr
    assert "over 2 seeds, by order statistic" in run.stdout
    assert "2 runs cannot show it" in run.stdout.replace("\n", " ")


def test_the_fund_can_be_asked_for_alone(tmp_path: Path) -> None:
    told = json.loads(liqstorm("sweep", tiny(tmp_path), "--enough", "--runs", "2", "--json", "--quiet").stdout)
    assert told["cells"] == [] and told["enough"]["runs"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--over", "venue.adl.policy=binance,bynance"), "venue.adl.policy: invalid enum value 'bynance'"),
        (("--over", "venue.fund_usdt=1,many"), "venue.fund_usdt: expected"),
        (("--over", "no_such=1,2"), "no_such: there is no such setting"),
        (("--over", "fund_usdt=1,1"), "a value is given twice"),
        (("--over", "fund_usdt=1,2", "--over", "venue.fund_usdt=3,4"), "venue.fund_usdt: is given on two axes"),
        (("--over", "fund_usdt=1,2", "--runs", "4000"), "3 x 4,000 are 12,000 runs, and 10,000 is the most. One takes"),
    ],
)
def test_what_cannot_be_played_is_said_at_once(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    assert said in complaint(liqstorm("sweep", tiny(tmp_path), *words), 1)


def test_without_an_axis_it_asks_for_one(tmp_path: Path) -> None:
    assert "names a setting and its values" in complaint(liqstorm("sweep", tiny(tmp_path)), 2)
    assert "'no-such' is not one of" in complaint(liqstorm("sweep", tiny(tmp_path), "--outcome", "no-such"), 2)
