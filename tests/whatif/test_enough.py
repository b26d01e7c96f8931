"""Enough: the fund that would have been enough, by order statistic, and what so many runs cannot show."""

from math import log
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream_engine import scenario as scenarios
from stream_engine.whatif.enough import ALL, PARTS_PPM, UNLIMITED_USDT, Part, enough, parts, tail, without_end
from stream_engine.whatif.play import play
from tests.whatif.tiny import tiny


def of(part_ppm: int, losses: list[float]) -> Part:
    return next(part for part in parts(losses) if part.part_ppm == part_ppm)


@pytest.mark.parametrize(("runs", "usd"), [(9, None), (10, 9), (11, 10)])
def test_ninety_percent_are_shown_by_ten_runs_and_are_the_ninth_of_them(runs: int, usd: float | None) -> None:
    assert of(900_000, [float(loss) for loss in range(1, runs + 1)]).usd == usd


@pytest.mark.parametrize(("runs", "is_shown"), [(999, False), (1_000, True), (1_001, True)])
def test_the_last_thousandth_is_shown_by_a_thousand_runs(runs: int, is_shown: bool) -> None:
    part = of(999_000, [float(loss) for loss in range(runs)])
    assert (part.usd is not None) == is_shown
    assert (part.estimate_usd is None) == is_shown


def test_the_order_of_the_runs_says_nothing() -> None:
    assert parts([5, 1, 4, 2, 3]) == parts([1, 2, 3, 4, 5])


def test_what_is_enough_more_often_is_no_less() -> None:
    losses = [float(loss**2) for loss in range(200)]
    found = [part.usd if part.usd is not None else part.estimate_usd for part in parts(losses)]
    assert [part.part_ppm for part in parts(losses)] == list(PARTS_PPM)
    assert all(each is not None for each in found)
    assert found == sorted(each for each in found if each is not None)


def test_the_tail_is_exponential_over_the_median() -> None:
    # Of 0, 10, 20, 30, 40 the median is 20; two of five lie over it, by 15 on average.
    assert tail([0, 10, 20, 30, 40], 0.001) == pytest.approx(20 + 15 * log(0.4 / 0.001))


@pytest.mark.parametrize(("losses", "estimate"), [([1.0] * 4, None), ([1.0] * 5, 1.0), ([1.0] * 6, 1.0)])
def test_from_fewer_than_five_runs_there_is_no_estimate(losses: list[float], estimate: float | None) -> None:
    assert tail(losses, 0.001) == estimate


def test_an_estimate_is_never_below_the_largest_seen() -> None:
    assert tail([0, 0, 0, 0, 1_000], 0.19) == 1_000


def test_without_runs_nothing_is_known() -> None:
    assert enough(scenarios.load("quiet-day"), []) is None


def test_a_fund_without_end_has_every_pool_but_the_vaults() -> None:
    venue = scenarios.load("oct10-small", ["venue.preset=hyperliquid"]).venues[0]
    endless = without_end(scenarios.load("oct10-small", ["venue.preset=hyperliquid"])).venues[0]
    assert endless.fund_usdt == UNLIMITED_USDT
    assert venue.backstop.vaults
    assert {vault: endless.pools.get(vault) for vault in venue.backstop.vaults} == {
        vault: venue.pools.get(vault) for vault in venue.backstop.vaults
    }


def test_of_several_venues_each_needs_its_own_and_all_the_sum(tmp_path: Path) -> None:
    scenario = scenarios.load(str(tiny(tmp_path)), ["venue.copies=2"])
    (run,) = play(str(tiny(tmp_path)), ["venue.copies=2"], seeds=[1])
    lost = [
        replace(each, fund=replace(each.fund, opening_usd=100.0, lowest_usd=low))
        for each, low in zip(run.summaries, (70.0, 110.0), strict=True)
    ]
    found = enough(scenario, [lost])
    assert found is not None
    assert {needed.venue: needed.losses_usd for needed in found.needed} == {ALL: [30], "alpha": [30], "beta": [0]}
    assert [needed.fund_usd for needed in found.needed] == [20_000, 10_000, 10_000]
    assert found.still_deleveraged_usd > 0
