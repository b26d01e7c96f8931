"""The storm over seeds 1 to 10, pair by pair: what the makers' leaving did. Too long for every change: `make prove`.

What came out is kept as text in `results/`, and the README quotes it (`tables.py`).
"""

from collections.abc import Iterator

import pytest

from tests.storm import tables
from tests.storm.runs import AN_HOUR_LATER, HALF_THE_SHOCK, SEEDS, STAY, Runs
from tests.storm.test_the_storm import TOKEN, check_that_staying_helps

pytestmark = pytest.mark.prove

RICHER = "MM3"
TWICE_ITS_CAPITAL = (f"makers.{RICHER}.capital_scale=2",)


@pytest.fixture(scope="module", autouse=True)
def all_ahead(runs: Runs) -> Iterator[None]:
    for seed in SEEDS:
        for settings in ((), STAY, HALF_THE_SHOCK, TWICE_ITS_CAPITAL):
            runs.ahead(seed, settings)
    yield
    pairs = {seed: (runs.storm(seed), runs.storm(seed, STAY)) for seed in SEEDS}
    tables.keep(pairs)


@pytest.mark.parametrize("seed", SEEDS)
def test_book_and_fund_are_tried_for_a_while_before_anybody_is_deleveraged(runs: Runs, seed: int) -> None:
    book, fund, adl = (runs.storm(seed).first(what) for what in ("liquidations", "fund_pays", "adl"))
    assert book is not None and fund is not None and adl is not None
    assert max(book, fund) < adl


@pytest.mark.parametrize("seed", SEEDS)
def test_with_makers_that_stay_nobody_is_deleveraged_and_the_fund_is_whole(runs: Runs, seed: int) -> None:
    check_that_staying_helps(runs.storm(seed), runs.storm(seed, STAY))


@pytest.mark.parametrize("seed", SEEDS)
def test_with_half_the_shock_makers_leave_later_or_not_at_all(runs: Runs, seed: int) -> None:
    milder = runs.storm(seed, HALF_THE_SHOCK).makers(TOKEN)
    for name, maker in runs.storm(seed).makers(TOKEN).items():
        left = milder[name]["gone_at"]
        assert maker["gone_at"] is not None and (left is None or left > maker["gone_at"]), name


@pytest.mark.parametrize("seed", SEEDS)
def test_a_maker_with_twice_the_capital_does_not_leave_earlier(runs: Runs, seed: int) -> None:
    before, after = (
        runs.storm(seed, settings).makers(TOKEN)[RICHER]["gone_at"] for settings in ((), TWICE_ITS_CAPITAL)
    )
    assert before is not None and (after is None or after >= before)


def test_an_hour_later_is_the_same_storm_for_other_seeds_too(runs: Runs) -> None:
    for seed in list(SEEDS)[:2]:
        told, retold = runs.storm(seed).summary, runs.storm(seed, AN_HOUR_LATER).summary
        assert told["liquidations"]["notional_usd"] == retold["liquidations"]["notional_usd"]
        assert told["adl"] == retold["adl"]


def test_the_order_of_leaving_differs_between_seeds(runs: Runs) -> None:
    assert len({tuple(runs.storm(seed).leaving_order(TOKEN)) for seed in SEEDS}) > 1
