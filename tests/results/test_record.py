"""The table beside the public record: what passes, what is told, and that no number in it is written by hand."""

import pytest

from tests.results import RECORD, ROOT
from tests.results.kept import Kept, alike, kept, meaning
from tests.results.record import FOLDER, ROWS, Origin, Row, Unit, band, modes, said, seeds_of, table, text

ROW = Row("thin_to_gone", "from thinning to gone", "20-40 min", 15, 40, Unit.MINUTES, Origin.EMERGENT)
YES = Row("bybit_most_adl", "Bybit-like: the most ADL", "so it was", 1, None, Unit.WHETHER, Origin.EMERGENT)


def runs(*values: float | None, figure: str = "thin_to_gone") -> list[Kept]:
    """Runs that have nothing but this figure."""
    return [Kept("s", "c", "oct10", seed, {figure: value}, {}, {}, {}, {}) for seed, value in enumerate(values, 101)]


@pytest.mark.parametrize(
    ("values", "passes"),
    [((14, 14.9, 30), False), ((14, 15, 30), True), ((20, 40, 50), True), ((20, 40.1, 50), False)],
)
def test_a_row_passes_whose_median_lies_within_its_band_bounds_included(
    values: tuple[float, ...], passes: bool
) -> None:
    assert said(ROW, runs(*values)).passes == passes


@pytest.mark.parametrize(("known", "passes"), [(1, False), (2, False), (3, True)])
def test_what_comes_to_nothing_in_half_of_the_seeds_misses(known: int, passes: bool) -> None:
    told = said(ROW, runs(*[20.0] * known, *[None] * (4 - known)))
    assert (told.passes, told.never) == (passes, 4 - known)


@pytest.mark.parametrize(("yes", "passes"), [(1, False), (2, False), (3, True)])
def test_a_yes_passes_in_more_than_half_of_the_seeds(yes: int, passes: bool) -> None:
    told = said(YES, runs(*[1.0] * yes, *[0.0] * (4 - yes), figure="bybit_most_adl"))
    assert (told.passes, told.median) == (passes, f"{yes} of 4")


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ([1, 2, 7, 8], [[1, 2], [7, 8]]),
        ([1, 2.75, 6.25, 8], [[1, 2.75, 6.25, 8]]),  # the gap is half of the range, not more
        ([1, 7, 8, 8], [[1, 7, 8, 8]]),  # one alone is no mode
        ([1, 1] + [8] * 18, [[1, 1], [8] * 18]),
        ([1, 1] + [8] * 19, [[1, 1] + [8] * 19]),  # under a tenth
        ([3, 3, 3, 3], [[3, 3, 3, 3]]),
    ],
)
def test_there_are_two_modes_where_a_gap_is_more_than_half_of_the_range_and_neither_side_is_a_stray(
    values: list[float], parts: list[list[float]]
) -> None:
    assert modes(list(reversed(values))) == parts


def test_two_modes_are_told_with_their_part_of_the_seeds() -> None:
    told = said(ROW, runs(11, 12, 38, 39, 40)).modes
    assert told == ["2 of 5 seeds: 11.0 min .. 12.0 min", "3 of 5 seeds: 38.0 min .. 40.0 min"]


def test_a_given_row_is_no_evidence_and_stands_beside_one_that_is() -> None:
    by_figure = {row.figure: row for row in ROWS}
    for row in ROWS:
        assert (row.origin is Origin.GIVEN) == (row.beside is not None), row.what
        assert row.beside is None or by_figure[row.beside].origin is not Origin.GIVEN, row.what


def test_given_rows_are_not_counted() -> None:
    rows = len([row for row in ROWS if row.origin is not Origin.GIVEN])
    assert f"1 of {rows} rows pass" in table(runs(20, 30), {})


def test_a_reason_to_miss_of_a_row_that_passes_is_an_error_and_a_miss_without_one_says_so() -> None:
    assert "why: too few makers" in table(runs(50), {"thin_to_gone": "too few makers"})
    assert "why: no reason known yet" in table(runs(50), {})
    with pytest.raises(AssertionError, match="from thinning to gone: passes, and has a reason to miss"):
        table(runs(20), {"thin_to_gone": "too few makers"})


def test_times_of_day_are_told_to_the_second_and_bounds_to_the_minute() -> None:
    assert text(Unit.CLOCK, 1263.5) == "21:03:30"
    assert band(ROWS[0]) == "20:33 .. 20:50"


def test_seeds_are_a_span_or_one() -> None:
    assert seeds_of("101-103") == [101, 102, 103]
    assert seeds_of("7") == [7]


def test_the_table_is_that_of_the_runs_that_are_kept() -> None:
    assert (ROOT / RECORD).read_text(encoding="utf-8") == table(alike(kept(FOLDER)))


def test_runs_of_different_code_or_scenarios_are_not_told_beside_each_other() -> None:
    (one,) = runs(20)
    other_code = Kept("s", "d", "oct10", 102, {}, {}, {}, {}, {})
    other_scenario = Kept("t", "c", "oct10", 102, {}, {}, {}, {}, {})
    with pytest.raises(AssertionError, match="different code"):
        alike([one, other_code])
    with pytest.raises(AssertionError, match="different scenarios"):
        alike([one, other_scenario])
    assert alike([one, other_scenario], scenarios=2) == [one, other_scenario]


def test_the_code_is_the_same_whatever_its_comments_docstrings_and_layout() -> None:
    same = 'def f(x):\n    """Words."""\n    return x  # why'
    assert meaning(same) == meaning("def f( x ):\n\n    return x") != meaning("def f(x):\n    return -x")
