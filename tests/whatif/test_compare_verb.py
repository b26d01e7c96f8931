"""`liqstorm compare`: what was set otherwise, what came of it and when, of two recorded runs."""

import json
from pathlib import Path

import pytest

from tests.test_cli import complaint, liqstorm
from tests.whatif.test_whatif_verb import Closed
from tests.whatif.tiny import tiny


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """As it is, and with another policy and a shock that comes a minute later."""
    directory = tmp_path_factory.mktemp("runs")
    scenario, settings = tiny(directory), ("--set", "venue.adl.policy=pro-rata", "--set", "outside.shift_s=60")
    for name, changed in (("one", ()), ("other", settings)):
        run = liqstorm("run", scenario, "--seed", "1", *changed, "--out", directory / name, "--quiet")
        assert run.returncode == 0, run.stderr
    return directory / "one", directory / "other"


def compared(*words: str | Path) -> dict[str, object]:
    run = liqstorm("compare", *words, "--json")
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert isinstance(said, dict)
    return said


def test_only_the_settings_that_differ_are_told_by_their_paths(runs: tuple[Path, Path]) -> None:
    assert compared(*runs)["settings"] == {
        "venue.adl.policy": ["binance", "pro-rata"],
        "outside.shift_s": [0, 60],
    }


def test_what_happens_a_minute_later_stands_beside_what_it_was(runs: tuple[Path, Path]) -> None:
    said = json.loads(liqstorm("compare", *runs, "--json").stdout)
    (began,) = [moment["at"] for moment in said["timeline"] if moment["what"] == "liquidations"]
    assert [at[11:] for at in began] == ["21:10:42Z", "21:11:42Z"]
    firsts = [min(at for at in moment["at"] if at is not None) for moment in said["timeline"]]
    assert firsts == sorted(firsts)


def test_the_difference_is_the_second_less_the_first_and_turns_with_them(runs: tuple[Path, Path]) -> None:
    there, back = (json.loads(liqstorm("compare", *order, "--json").stdout) for order in (runs, runs[::-1]))
    accounts = there["outcomes"]["adl_accounts"]
    assert accounts["difference"] == accounts["values"][1] - accounts["values"][0] > 0
    assert back["outcomes"]["adl_accounts"]["difference"] == -accounts["difference"]


def test_a_run_beside_itself_differs_in_nothing(runs: tuple[Path, Path]) -> None:
    said = liqstorm("compare", runs[0], runs[0]).stdout
    assert "The event logs are the same" in said and "No setting differs." in said


def test_the_table_and_the_page_have_settings_outcomes_and_times(runs: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = liqstorm("compare", *runs, "--html", page).stdout
    text = page.read_text(encoding="utf-8")
    for word in ("venue.adl.policy", "pro-rata", "accounts deleveraged", "21:11:42", "The event logs differ."):
        assert word in said and word in text
    Closed().feed(text)


@pytest.mark.parametrize("missing", ["summary.json", "scenario.json", "event_log.sha256"])
def test_a_directory_without_what_is_compared_is_no_run(runs: tuple[Path, Path], tmp_path: Path, missing: str) -> None:
    for file in runs[0].iterdir():
        if file.name != missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert f"it has no {missing}" in complaint(liqstorm("compare", runs[0], tmp_path), 1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": {}}', "\x00"])
def test_a_summary_of_another_kind_is_no_run(runs: tuple[Path, Path], tmp_path: Path, text: str) -> None:
    for file in runs[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "summary.json").write_text(text)
    assert "is no run directory of this version" in complaint(liqstorm("compare", tmp_path, runs[0]), 1)
