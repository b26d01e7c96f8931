"""The storm over seeds 1 to 10, pair by pair: what the makers' leaving did. Too long for every change: `make prove`.

The table of what came out is kept as text in `results/over_seeds.txt`.
"""

from pathlib import Path

import pytest

from tests.storm.runs import AN_HOUR_LATER, HALF_THE_SHOCK, SEEDS, STAY, Runs, Storm
from tests.storm.test_the_storm import (
    RICHER,
    TOKEN,
    TWICE_ITS_CAPITAL,
    check_that_a_smaller_shock_keeps_makers_longer,
    check_that_capital_holds,
    check_that_staying_helps,
)

pytestmark = pytest.mark.prove
RESULTS = Path(__file__).parent / "results" / "over_seeds.txt"


@pytest.fixture(scope="module", autouse=True)
def all_ahead(runs: Runs) -> None:
    for seed in SEEDS:
        for settings in ((), STAY, HALF_THE_SHOCK, TWICE_ITS_CAPITAL):
            runs.ahead(seed, settings)


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
    check_that_a_smaller_shock_keeps_makers_longer(runs.storm(seed), runs.storm(seed, HALF_THE_SHOCK))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_maker_with_twice_the_capital_does_not_leave_earlier(runs: Runs, seed: int) -> None:
    check_that_capital_holds(runs.storm(seed), runs.storm(seed, TWICE_ITS_CAPITAL), RICHER)


def test_an_hour_later_is_the_same_storm_for_other_seeds_too(runs: Runs) -> None:
    for seed in list(SEEDS)[:2]:
        told, retold = runs.storm(seed).summary, runs.storm(seed, AN_HOUR_LATER).summary
        assert told["liquidations"]["notional_usd"] == retold["liquidations"]["notional_usd"]
        assert told["adl"] == retold["adl"]


def test_the_order_of_leaving_differs_between_seeds(runs: Runs) -> None:
    assert len({tuple(runs.storm(seed).leaving_order(TOKEN)) for seed in SEEDS}) > 1


def test_the_table_over_seeds_is_kept(runs: Runs) -> None:
    lines = [_row(seed, runs.storm(seed), runs.storm(seed, STAY)) for seed in SEEDS]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join([_HEAD, *lines, ""]))
    assert len(lines) == len(SEEDS)


_HEAD = """python -m pytest -m prove tests/storm, oct10: as it is / with makers made to stay
seed  most thin  most gone  trough    return    depth low %  BTC low            token fall %       open interest %    \
liquidated M USD   fund lowest %    ADL M USD      leaving"""


def _row(seed: int, storm: Storm, stayed: Storm) -> str:
    def clock(what: str) -> str:
        at = storm.first(what)
        return at[11:19] if at else "never   "

    def both(figure: float, other: float) -> str:
        return f"{figure:>9,.1f}/{other:<9,.1f}"

    return "  ".join(
        [
            f"{seed:>4}",
            clock("most_thin"),
            clock("most_gone"),
            clock("trough"),
            clock("return"),
            f"{storm.market(TOKEN)['depth_trough_percent']:>9.2f}  ",
            both(storm.market("BTC")["price_low"], stayed.market("BTC")["price_low"]),
            both(storm.market(TOKEN)["fall_percent"], stayed.market(TOKEN)["fall_percent"]),
            both(_open_interest(storm), _open_interest(stayed)),
            both(
                storm.summary["liquidations"]["notional_usd"] / 1e6,
                stayed.summary["liquidations"]["notional_usd"] / 1e6,
            ),
            both(storm.summary["fund"]["lowest_percent"], stayed.summary["fund"]["lowest_percent"]),
            both(storm.summary["adl"]["notional_usd"] / 1e6, stayed.summary["adl"]["notional_usd"] / 1e6),
            " ".join(storm.leaving_order(TOKEN)),
        ]
    )


def _open_interest(storm: Storm) -> float:
    markets = storm.summary["markets"]
    before = sum(market["open_interest_first_usd"] for market in markets)
    change = sum(market["open_interest_first_usd"] * market["open_interest_change_percent"] for market in markets)
    return float(change / before)


def _millions(storm: Storm, part: str) -> float:
    return float(storm.summary[part]["notional_usd"] / 1e6)
