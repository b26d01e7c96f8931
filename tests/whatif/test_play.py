"""Play: scenario and seed give the same outcome, alone or beside others, and as a run in a directory gives it."""

from pathlib import Path

import pytest

from stream_engine.layers import ScenarioError
from stream_engine.whatif.outcomes import OUTCOMES
from stream_engine.whatif.plan import Change, contrast, read
from stream_engine.whatif.play import Task, play, play_one
from stream_engine.whatif.processes import Failed
from tests.whatif.tiny import tiny


def test_seeds_are_played_alike_alone_and_beside_others_in_whatever_order(tmp_path: Path) -> None:
    name = str(tiny(tmp_path))
    both = play(name, seeds=[2, 1], jobs=2)
    assert [run.seed for run in both] == [1, 2]
    assert both == play(name, seeds=[1, 2], jobs=1)
    assert both[0].outcomes != both[1].outcomes


def test_every_outcome_is_told_and_the_tiny_scenario_liquidates_and_deleverages(tmp_path: Path) -> None:
    run = play_one(Task(read(str(tiny(tmp_path)), Change()), 1), lambda part: None)
    assert list(run.outcomes) == [outcome.name for outcome in OUTCOMES]
    liquidated, deleveraged = run.outcomes["liquidated"], run.outcomes["adl"]
    assert liquidated is not None and deleveraged is not None and 0 < deleveraged < liquidated
    assert run.outcomes["first_exit"] is None  # it has no makers


def test_how_far_a_run_is_rises_from_nothing_to_all(tmp_path: Path) -> None:
    parts: list[float] = []
    play_one(Task(read(str(tiny(tmp_path, minutes=1)), Change()), 1), parts.append)
    assert (parts[0], parts[-1]) == (0.0, 1.0)
    assert parts == sorted(parts)


def test_settings_are_those_of_the_runs(tmp_path: Path) -> None:
    name = str(tiny(tmp_path))
    assert play(name, ["venue.fund_usdt=20000"], seeds=[1])[0].summaries[0].fund.opening_usd == 20_000


def test_a_setting_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="fund_usd: there is no such setting; the nearest is fund_usdt"):
        play(str(tiny(tmp_path)), ["venue.fund_usd=1"])


def test_runs_that_fail_are_told_by_seed(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"^seed 1: ScenarioError: .*less than one lot.*; seed 2: "):
        play(str(tiny(tmp_path)), ["markets.BTC.open_interest_usdt=1"], seeds=[1, 2], jobs=2)


# plan ------------------------------------------------------------------------------------------------------


def test_a_variant_that_changes_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="Nothing says what the variant changes"):
        contrast(str(tiny(tmp_path)), Change(), Change())


def test_a_variant_that_comes_to_the_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="fund_usdt=10000: comes to the same scenario as the base"):
        contrast(str(tiny(tmp_path)), Change(), Change(settings=("venue.fund_usdt=10000",)))


def test_what_is_said_of_both_lies_under_the_variant(tmp_path: Path) -> None:
    both = Change(settings=("venue.fund_usdt=20000", "venue.checks_per_input=5"))
    found = contrast(str(tiny(tmp_path)), both, Change(settings=("venue.fund_usdt=30000",)))
    assert [side.venue.fund_usdt for side in (found.base, found.variant)] == [20_000, 30_000]
    assert [side.venue.checks_per_input for side in (found.base, found.variant)] == [5, 5]
