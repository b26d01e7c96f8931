"""Paths and normals: what a figure did over time, and what is normal for it."""

import pytest

from consumers.paths import MINUTE_US, SECOND_US, Moment, Normal, Path, Totals


def test_a_path_knows_first_last_lowest_and_highest_with_their_times() -> None:
    path = Path()
    for second, value in enumerate((50, 70, 40, 40, 60)):
        path.put(second * SECOND_US, value)
    assert path.first == Moment(0, 50)
    assert path.last == Moment(4 * SECOND_US, 60)
    assert path.low == Moment(2 * SECOND_US, 40)  # of equals the first
    assert path.high == Moment(1 * SECOND_US, 70)


def test_a_path_keeps_one_entry_per_minute() -> None:
    path = Path()
    for second in range(120):
        path.put(second * SECOND_US, second)
    assert [(minute.ts_us, minute.low, minute.high, minute.last) for minute in path.minutes] == [
        (0, 0, 59, 59),
        (MINUTE_US, 60, 119, 119),
    ]


@pytest.mark.parametrize(("seconds", "known"), [(280, False), (290, True), (300, True)])
def test_nothing_is_normal_before_thirty_samples_ten_seconds_apart(seconds: int, known: bool) -> None:
    normal = Normal()
    for second in range(0, seconds + 1, 10):
        normal.put(second * SECOND_US, 100)
    assert (normal.value == 100) is known


def test_normal_is_the_median_and_a_few_minutes_do_not_move_it() -> None:
    normal = Normal()
    for second in range(0, 1800, 10):
        normal.put(second * SECOND_US, 100 if second < 1200 else 7)
    assert normal.value == 100


def test_what_is_frozen_does_not_become_normal_and_what_is_thawed_does() -> None:
    normal = Normal()
    for second in range(0, 600, 10):
        normal.put(second * SECOND_US, 100)
    normal.freeze()
    for second in range(600, 9000, 10):
        normal.put(second * SECOND_US, 7)
    assert normal.value == 100
    normal.thaw()
    for second in range(9000, 10_800, 10):
        normal.put(second * SECOND_US, 7)
    assert normal.value == 7


def test_totals_add_up_by_minute_and_name_their_peak() -> None:
    totals = Totals()
    for second, value in ((0, 5), (59, 6), (60, 11), (200, 3)):
        totals.add(second * SECOND_US, value)
    assert totals.total == 25
    assert (totals.at(30 * SECOND_US), totals.at(60 * SECOND_US), totals.at(150 * SECOND_US)) == (11, 11, 0)
    assert totals.peak() == Moment(0, 11)  # of equals the first
    assert Totals().peak() is None
