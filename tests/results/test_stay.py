"""Had they stayed, and the remedies: what is claimed, how seeds are paired, what is better and what is worse."""

import pytest

from tests.results import REMEDIES, ROOT, STAY
from tests.results.kept import Kept, kept
from tests.results.record import FOLDER as RECORD_FOLDER
from tests.results.stay import (
    BASE,
    CLAIMS,
    EFFECTS,
    FOLDER,
    LIQUIDATED,
    STAYING,
    VARIANTS,
    Effect,
    compared,
    remedies_table,
    stay_table,
)

PAID_IN = next(effect for effect in EFFECTS if effect.figure == "fund_paid_in")


def runs(figure: str, *values: float | None, first: int = 101) -> list[Kept]:
    """Runs that have nothing but this figure."""
    return [Kept("s", "c", "oct10", seed, {figure: value}, {}, {}, {}, {}) for seed, value in enumerate(values, first)]


def test_seeds_are_paired_and_one_without_the_figure_on_either_side_is_left_out() -> None:
    base = runs("liquidated", 10, 20, None, 40)
    variant = runs("liquidated", 25, 30, 45, 50, first=102)
    assert compared(LIQUIDATED, base, variant).differences == [5, 5]  # 102 and 104


@pytest.mark.parametrize(("better", "mark"), [(1, "worse"), (2, ""), (3, "better")])
def test_better_and_worse_is_what_more_than_half_of_the_seeds_are(better: int, mark: str) -> None:
    base = runs("liquidated", 10, 10, 10, 10)
    variant = runs("liquidated", *[9] * better, *[11] * (4 - better))
    assert compared(LIQUIDATED, base, variant).mark == mark


def test_what_is_neither_good_nor_bad_has_no_mark_and_what_a_remedy_costs_is_worse() -> None:
    assert compared(Effect("x", "x", 1, 0), runs("x", 1), runs("x", 2)).mark == ""
    assert compared(PAID_IN, runs("fund_paid_in", 1), runs("fund_paid_in", 2)).mark == "worse"


@pytest.mark.parametrize(
    ("figure", "base", "below", "at", "above"),
    [
        ("adl", 50.0, None, (0.0, True), (0.1, False)),
        ("fund_lowest", 0.0, (99.9, False), (100.0, True), None),
        ("token_beyond_outside", 30.0, (9.9, True), (10.0, True), (10.1, False)),
        ("btc_index_low", 100.0, (99.9, False), (100.0, False), (100.1, True)),
    ],
)
def test_each_claim_holds_up_to_its_bound(
    figure: str,
    base: float,
    below: tuple[float, bool] | None,
    at: tuple[float, bool] | None,
    above: tuple[float, bool] | None,
) -> None:
    holds = next(claim.holds for claim in CLAIMS if claim.effect.figure == figure)
    assert holds is not None
    for stays, is_so in (each for each in (below, at, above) if each is not None):
        assert holds(base, stays) == is_so


def test_a_claim_is_told_with_the_seeds_in_which_it_holds_and_liquidations_as_a_finding() -> None:
    adl = stay_table(runs("adl", 50, 60, 70), {STAYING: runs("adl", 0, 0, 1)})
    assert "-60.0 [-69.0, -50.0]" in adl and "none: 2 of 3" in adl
    assert stay_table(runs("liquidated", 50), {STAYING: runs("liquidated", 60)}).rstrip().endswith("a finding")


def test_a_remedys_price_is_marked_beside_what_it_brings() -> None:
    base = [*runs("fund_paid_in", 5)]
    told = stay_table(base, {"fund-to-risk": runs("fund_paid_in", 50)})
    assert any("paid into the fund" in line and line.endswith("+45.0 !") for line in told.splitlines())
    assert "worse" in remedies_table(base, {"fund-to-risk": runs("fund_paid_in", 50)})


def test_no_variant_is_called_as_the_base_is() -> None:
    assert BASE not in VARIANTS


def test_the_tables_are_those_of_the_runs_that_are_kept() -> None:
    variants = {name: found for name in VARIANTS if (found := kept(FOLDER / name))}
    seeds = {run.seed for found in variants.values() for run in found}
    base = [run for run in kept(RECORD_FOLDER) if run.seed in seeds]
    assert (ROOT / STAY).read_text(encoding="utf-8") == stay_table(base, variants)
    assert (ROOT / REMEDIES).read_text(encoding="utf-8") == remedies_table(base, variants)
