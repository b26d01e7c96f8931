"""Population: whoever it makes, long and short meet the open interest to the lot."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from producers.noise import Noise
from producers.population import LeverageClass, Perpetual, Population, Position, crowd_positions

BTC = Perpetual("BTC", lot_usdt=100.0, price=1_000_000, open_interest_usdt=100_000_000.0, max_leverage=50)
OPEN_LOTS = 1_000_000


def a_crowd(hedged: int = 0, makers: int = 0, **settings: object) -> list[Position]:
    terms: dict[str, object] = {
        "accounts": 2_000,
        "split": {"BTC": 1.0},
        "long_leverage": [LeverageClass(1.2, 20, 1.0)],
        "short_leverage": [LeverageClass(1.2, 4, 1.0), LeverageClass(4, 16, 1.0)],
    }
    population = Population(**(terms | settings))  # type: ignore[arg-type]
    return crowd_positions(population, {"BTC": BTC}, {"BTC": hedged}, {"BTC": makers}, Noise(1, "population"), 1)


def longs(crowd: Sequence[Position]) -> list[int]:
    return [position.holder.lots for position in crowd if position.holder.lots > 0]


def shorts(crowd: Sequence[Position]) -> list[int]:
    return [-position.holder.lots for position in crowd if position.holder.lots < 0]


def held_by_the_largest(lots: Sequence[int], share: float) -> float:
    ranked = sorted(lots, reverse=True)
    return sum(ranked[: round(share * len(ranked))]) / sum(ranked)


@pytest.mark.parametrize("hedged", [-40_000, 0, 40_000])
@pytest.mark.parametrize("settings", [{}, {"short_tail": 1.05}, {"accounts": 40}, {"large_accounts": 0}])
def test_with_makers_and_portfolios_each_side_is_the_open_interest_to_the_lot(
    settings: dict[str, object], hedged: int
) -> None:
    makers = -350_000
    crowd = a_crowd(hedged, makers, **settings)
    assert sum(longs(crowd)) + max(0, hedged) == OPEN_LOTS
    assert sum(shorts(crowd)) - makers - min(0, hedged) == OPEN_LOTS


@pytest.mark.parametrize(("makers", "sound"), [(-799_000, True), (-800_000, False), (-801_000, False)])
def test_a_side_that_others_fill_already_leaves_nothing_for_the_crowd(makers: int, sound: bool) -> None:
    if sound:  # a fifth is the large accounts'
        assert sum(shorts(a_crowd(makers=makers))) == 201_000
        return
    with pytest.raises(ValueError, match="lots of the short side"):
        a_crowd(makers=makers)


def test_nobody_holds_more_than_the_largest_may() -> None:
    crowd = a_crowd(largest=0.004, largest_short=0.03, short_tail=1.05, large_accounts=0)
    assert max(longs(crowd)) <= 0.004 * OPEN_LOTS * 1.01
    assert 0.025 * OPEN_LOTS < max(shorts(crowd)) <= 0.03 * OPEN_LOTS * 1.01


def test_a_pareto_tail_is_heavier_than_a_lognormal() -> None:
    lognormal, pareto = (
        shorts(a_crowd(accounts=20_000, large_accounts=0, largest_short=0.2, short_tail=tail)) for tail in (0.0, 1.05)
    )
    assert held_by_the_largest(pareto, 0.01) > 1.3 * held_by_the_largest(lognormal, 0.01)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shorts_may_have_the_leverage_that_their_size_ranks_at(share: float) -> None:
    crowd = a_crowd(rank_leverage=share, large_accounts=0)
    ranked = sorted((one.holder for one in crowd if one.holder.lots < 0), key=lambda one: (-one.lots, one.account))
    rises = sum(low.leverage < high.leverage for low, high in pairwise(ranked)) / (len(ranked) - 1)
    assert rises == 1.0 if share else 0.4 < rises < 0.6
    assert (ranked[-1].leverage > 15.5) == (share == 1.0)


@pytest.mark.parametrize(("to", "leverages"), [(0.0, [2.0] * 3), (2.0, [2.0] * 3), (8.0, [2.0, 4.0, 8.0])])
def test_large_accounts_have_one_leverage_or_lie_evenly_between_two(to: float, leverages: list[float]) -> None:
    crowd = a_crowd(large_accounts=3, large_share=0.3, large_leverage=2.0, large_leverage_to=to)
    large = [one.holder.leverage for one in crowd if one.holder.lots == -100_000]
    assert large == pytest.approx(leverages)


def test_the_money_of_an_account_is_its_notional_over_its_leverage_at_the_start() -> None:
    for position in a_crowd(entry_spread=0.5):
        holder = position.holder
        gained = holder.lots * BTC.lot_usdt * (BTC.price - holder.entry) / BTC.price
        equity = position.money_usdt + gained
        assert abs(holder.lots) * BTC.lot_usdt / equity == pytest.approx(holder.leverage, rel=1e-6)
