"""Had they stayed, and the remedies: what is claimed, how seeds are paired, what is better and what is worse."""

from collections.abc import Callable

import pytest

from producers.quoting import crowd_loss
from stream_engine.scenario import Scenario
from tests.results import REMEDIES, ROOT, STAY
from tests.results.kept import Kept, kept, stamp_of
from tests.results.record import FOLDER as RECORD_FOLDER
from tests.results.stay import (
    ABLATIONS,
    BASE,
    CLAIMS,
    EFFECTS,
    FOLDER,
    LIQUIDATED,
    ONE_STAYING,
    STAYING,
    VARIANTS,
    Effect,
    Variant,
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


def test_how_far_it_comes_when_one_stays_is_told_beside_those_who_all_stay() -> None:
    base = runs("adl", 50, 60)
    told = stay_table(base, {STAYING: runs("adl", 0, 0), ONE_STAYING: runs("adl", 40, 0)})
    assert told.index("Had they stayed") < told.index("Had MM1 stayed")
    assert "none: 2 of 2" in told and "none: 1 of 2" in told


def test_an_ablation_is_told_beside_the_same_seeds_as_it_is_with_times_of_day() -> None:
    base = runs("gone_at", 1255, 1260, 1265, 1400)
    told = stay_table(base, {"the other clock": runs("gone_at", 1270, 1275.9, 1280)})
    (line,) = (line for line in told.splitlines() if line.startswith("all makers of the token out"))
    assert line.split("  ")[-1].strip() == "21:15 [21:10, 21:20]"
    assert "21:00 [20:55, 21:05]" in line  # of a seed that was not played both ways nothing is told


def test_what_a_run_without_the_thing_never_comes_to_is_told_as_that() -> None:
    told = stay_table(runs("return_at", 1290), {"no crowding": runs("return_at", None)})
    assert any(line.startswith("first maker back") and line.endswith("never") for line in told.splitlines())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no crowding", lambda it: it.makers.crowding.loss == 0),
        ("no feed stall", lambda it: it.outside.faults == []),
        ("the other clock", lambda it: it.outside.news[0].at.minute == 50),
    ],
)
def test_an_ablation_takes_one_thing_away_that_is_there_and_nothing_else(
    name: str, said: Callable[[Scenario], bool]
) -> None:
    base, ablated = Variant().read(), ABLATIONS[name].read()
    assert said(ablated) and not said(base)
    assert ablated.population == base.population and ablated.venues == base.venues
    if name != "the other clock":
        assert (ablated.run, ablated.outside.knots) == (base.run, base.outside.knots)


def test_without_the_price_of_a_crowd_none_is_asked_though_forced_selling_is_under_way() -> None:
    crowding = ABLATIONS["no crowding"].read().makers.crowding
    assert crowd_loss(crowding, hazard=1.0, quoted=1e6, seen=0.01, alone=0.5) == 0


def test_no_two_variants_come_to_the_same() -> None:
    stamps = [stamp_of(variant.read()) for variant in (Variant(), *VARIANTS.values())]
    assert len(set(stamps)) == len(stamps)


def test_no_variant_is_called_as_the_base_is() -> None:
    assert BASE not in VARIANTS


def test_the_tables_are_those_of_the_runs_that_are_kept() -> None:
    variants = {name: found for name in VARIANTS if (found := kept(FOLDER / name))}
    seeds = {run.seed for found in variants.values() for run in found}
    base = [run for run in kept(RECORD_FOLDER) if run.seed in seeds]
    assert (ROOT / STAY).read_text(encoding="utf-8") == stay_table(base, variants)
    assert (ROOT / REMEDIES).read_text(encoding="utf-8") == remedies_table(base, variants)
