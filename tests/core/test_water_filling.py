"""Water-filling: in proportion, within caps, to the last unit."""

from random import Random

import pytest

from stream_engine.core.water_filling import water_fill, water_level


@pytest.mark.parametrize(
    ("weights", "total", "shares"),
    [
        ((7, 5, 3), 10, [5, 3, 2]),  # 4.67, 3.33, 2: the largest remainder goes up
        ((1, 1), 1, [1, 0]),  # equal remainders: who comes first
        ((1, 1, 1), 2, [1, 1, 0]),
        ((1, 0, 1), 4, [2, 0, 2]),
        ((5, 5), 0, [0, 0]),
    ],
)
def test_shares_are_in_proportion_and_the_largest_remainders_go_up(
    weights: tuple[int, ...], total: int, shares: list[int]
) -> None:
    assert water_fill(weights, (100,) * len(weights), total) == shares


def test_what_a_cap_holds_back_the_others_give_in_their_proportion() -> None:
    assert water_fill((8, 4, 4), (4, 100, 100), 10) == [4, 3, 3]


@pytest.mark.parametrize(("total", "shares"), [(11, [4, 7]), (12, [4, 8]), (13, [4, 8])])
def test_beyond_all_caps_everybody_with_a_weight_is_at_the_cap_and_the_rest_is_left(
    total: int, shares: list[int]
) -> None:
    assert water_fill((1, 1, 0), (4, 8, 5), total) == [*shares, 0]


def test_the_level_is_what_is_left_to_the_weights_that_no_cap_holds() -> None:
    assert water_level((8, 4, 1), (4, 4, 1), 8) == (4, 5)


def test_any_shares_sum_to_the_total_or_to_the_caps_and_none_is_above_its_cap_or_far_from_its_level() -> None:
    random = Random(7)
    for _ in range(400):
        count = random.randint(1, 6)
        weights = [random.choice((0, 1, 2, 7, 30)) for _ in range(count)]
        caps = [random.choice((0, 1, 3, 10, 40)) for _ in range(count)]
        total = random.randint(0, 60)
        shares = water_fill(weights, caps, total)
        over, under = water_level(weights, caps, total)
        assert sum(shares) == min(total, sum(cap for cap, w in zip(caps, weights, strict=True) if w))
        for share, weight, cap in zip(shares, weights, caps, strict=True):
            assert 0 <= share <= cap
            if weight and cap * under > over * weight:
                assert abs(share * under - over * weight) < under
            else:
                assert share == (cap if weight else 0)
