"""Pairs: medians, 5 to 95 %, and the difference of each seed."""

import pytest

from stream_engine.whatif.outcomes import OUTCOMES
from stream_engine.whatif.pairs import Pair, pairs, quantile, spread

NOTHING: dict[str, float | None] = {each.name: None for each in OUTCOMES}


def adl(base: dict[int, float | None], variant: dict[int, float | None]) -> Pair:
    sides = ({seed: NOTHING | {"adl": value} for seed, value in side.items()} for side in (base, variant))
    return next(pair for pair in pairs(*sides) if pair.name == "adl")


@pytest.mark.parametrize(
    ("q", "value"),
    [(0.0, 10), (0.24, 19.6), (0.25, 20), (0.26, 20.4), (0.5, 30), (0.95, 48), (1.0, 50)],
)
def test_a_quantile_lies_between_the_values_beside_it(q: float, value: float) -> None:
    assert quantile([50, 10, 40, 20, 30], q) == pytest.approx(value)


@pytest.mark.parametrize(("values", "median"), [([7.0], 7), ([7.0, 8.0], 7.5), ([9.0, 7.0, 8.0], 8)])
def test_the_median_of_one_is_it_of_two_is_between_them_of_three_is_the_middle(
    values: list[float], median: float
) -> None:
    found = spread(values)
    assert found is not None
    assert (found.median, found.runs) == (median, len(values))


def test_nothing_has_no_median() -> None:
    assert spread([]) is None


def test_the_difference_is_that_of_each_seed_and_not_that_of_the_medians() -> None:
    pair = adl({1: 1, 2: 5, 3: 100}, {1: 4, 2: 6, 3: 90})
    assert pair.base is not None and pair.variant is not None and pair.difference is not None
    assert (pair.base.median, pair.variant.median) == (5, 6)
    assert pair.differences == {1: 3, 2: 1, 3: -10}
    assert pair.difference.median == 1
    assert (pair.up, pair.down, pair.same) == (2, 1, 0)


def test_a_variant_that_is_the_base_differs_by_nothing() -> None:
    pair = adl({1: 0.1, 2: 0.2}, {1: 0.1, 2: 0.2})
    assert pair.difference == spread([0.0, 0.0])
    assert (pair.up, pair.down, pair.same) == (0, 0, 2)


def test_a_seed_that_was_played_one_way_only_is_in_no_pair() -> None:
    pair = adl({1: 1, 2: 2}, {2: 2, 3: 3})
    assert list(pair.seeds) == [2]


def test_what_a_run_does_not_have_is_left_out_and_no_zero() -> None:
    pair = adl({1: None, 2: 2, 3: None}, {1: 1, 2: 4, 3: None})
    assert pair.base is not None and pair.variant is not None and pair.difference is not None
    assert (pair.base.median, pair.base.runs) == (2, 1)
    assert (pair.variant.median, pair.variant.runs) == (2.5, 2)
    assert (pair.difference.median, pair.difference.runs) == (2, 1)
    assert (pair.up, pair.down, pair.same) == (1, 0, 0)
