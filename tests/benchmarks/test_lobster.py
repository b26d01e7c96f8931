"""A day of LOBSTER data: what is compared, what counts as there before, and what the command answers."""

import gzip
from pathlib import Path

import pytest

from tests.benchmarks.lobster import (
    CROSS,
    DELETE,
    EMPTY,
    EXECUTE,
    HALT,
    HIDDEN,
    NEW,
    SHRINK,
    Day,
    Found,
    NotADay,
    Row,
    main,
    read,
)
from tests.conftest import data_path

BUY, SELL = 1, -1
NO_BID, NO_ASK = (-EMPTY, 0), (EMPTY, 0)


def row(*asks_and_bids: tuple[int, int]) -> Row:
    """The book row of these levels: ask, bid, ask, bid, ..."""
    return tuple(number for level in asks_and_bids for number in level)


def a_day(*rows: tuple[Row, Row]) -> Found:
    return Day().replay(rows)


BEGIN = (NEW, 1, 5, 101, SELL), row((101, 12), (100, 4))  # 7 lots were there before order 1


def test_a_new_order_stands_behind_what_was_there_before() -> None:
    found = a_day(
        BEGIN,
        ((NEW, 2, 3, 101, SELL), row((101, 15), (100, 4))),
        ((EXECUTE, 77, 7, 101, SELL), row((101, 8), (100, 4))),
        ((EXECUTE, 1, 5, 101, SELL), row((101, 3), (100, 4))),
        ((EXECUTE, 2, 1, 101, SELL), row((101, 2), (100, 4))),
    )
    assert (found.mismatches, found.executions, found.of_before) == (0, 3, 1)


def test_an_execution_that_names_an_order_behind_another_is_a_mismatch_and_no_row_after_it_is() -> None:
    found = a_day(
        BEGIN,
        ((EXECUTE, 1, 5, 101, SELL), row((101, 7), (100, 4))),
        ((DELETE, 77, 7, 101, SELL), row(NO_ASK, (100, 4))),
    )
    assert found.wrong == ["row 1: the execution of order 1 meets what was before"]


def test_an_execution_behind_a_better_price_is_a_mismatch() -> None:
    found = a_day(
        ((NEW, 1, 5, 101, SELL), row((101, 5), (100, 4), (102, 3), NO_BID)),
        ((EXECUTE, 88, 3, 102, SELL), row((101, 5), (100, 4), NO_ASK, NO_BID)),
    )
    assert found.wrong == ["row 1: the execution of order 88 meets 1"]


@pytest.mark.parametrize(("lots", "right"), [(3, True), (4, True), (5, False)])
def test_no_more_is_taken_off_a_price_than_was_there(lots: int, right: bool) -> None:
    found = a_day(BEGIN, ((SHRINK, 66, lots, 100, BUY), row((101, 12), (100, 4 - lots) if lots < 4 else NO_BID)))
    assert bool(found.mismatches) is not right


def test_a_deleted_order_leaves_its_neighbours_in_their_order() -> None:
    found = a_day(
        ((NEW, 1, 5, 101, SELL), row((101, 5), (100, 4))),
        ((NEW, 2, 3, 101, SELL), row((101, 8), (100, 4))),
        ((NEW, 3, 2, 101, SELL), row((101, 10), (100, 4))),
        ((DELETE, 2, 3, 101, SELL), row((101, 7), (100, 4))),
        ((SHRINK, 1, 4, 101, SELL), row((101, 3), (100, 4))),
        ((EXECUTE, 1, 1, 101, SELL), row((101, 2), (100, 4))),
        ((EXECUTE, 3, 2, 101, SELL), row(NO_ASK, (100, 4))),
    )
    assert (found.mismatches, found.executions) == (0, 2)


def test_hidden_executions_crosses_and_halts_leave_the_book_alone() -> None:
    still = row((101, 12), (100, 4))
    found = a_day(
        BEGIN, ((HIDDEN, 0, 9, 101, SELL), still), ((CROSS, -1, 9, 101, -1), still), ((HALT, 0, 0, -1, -1), still)
    )
    assert (found.rows, found.mismatches, found.executions) == (4, 0, 0)


def test_a_level_that_comes_into_view_is_taken_from_the_file() -> None:
    found = a_day(
        ((NEW, 1, 5, 101, SELL), row((101, 5), (100, 4))),
        ((DELETE, 1, 5, 101, SELL), row((103, 6), (100, 4))),
        ((EXECUTE, 99, 6, 103, SELL), row((104, 2), (100, 4))),
    )
    assert (found.mismatches, found.came_into_view, found.of_before) == (0, 2, 1)


def test_what_goes_out_of_view_is_forgotten_with_its_orders() -> None:
    found = a_day(
        ((NEW, 1, 5, 102, SELL), row((102, 5), (100, 4))),
        ((NEW, 2, 1, 101, SELL), row((101, 1), (100, 4))),
        ((DELETE, 2, 1, 101, SELL), row((102, 9), (100, 4))),
        ((EXECUTE, 1, 5, 102, SELL), row((102, 4), (100, 4))),
    )
    assert (found.mismatches, found.came_into_view, found.of_before) == (0, 1, 1)


def test_nothing_comes_into_view_while_the_file_shows_fewer_levels_than_it_could() -> None:
    found = a_day(
        ((NEW, 1, 5, 101, SELL), row((101, 5), (100, 4), NO_ASK, NO_BID)),
        ((NEW, 2, 5, 99, BUY), row((101, 5), (100, 4), (103, 1), (99, 5))),
    )
    assert found.wrong == ["row 1: ask 2: built None, in the file (103, 1)"]


@pytest.mark.parametrize(("size", "right"), [(11, False), (12, True), (13, False)])
def test_a_level_that_differs_is_a_mismatch_and_counted_once(size: int, right: bool) -> None:
    after = row((101, size), (100, 9))
    found = a_day(BEGIN, ((NEW, 2, 5, 100, BUY), after), ((HIDDEN, 0, 1, 100, BUY), after))
    assert found.mismatches == (0 if right else 1)
    assert right or found.wrong == [f"row 1: ask 1: built (101, 12), in the file (101, {size})"]


@pytest.mark.data
def test_the_sample_is_rebuilt_level_for_level_and_every_execution_meets_the_order_that_is_named() -> None:
    said: list[str] = []
    folder = data_path("lobster")
    files = [str(next(folder.glob(f"*_{kind}_10.first999.csv.gz"))) for kind in ("message", "orderbook")]
    assert main(files, said.append) == 0
    assert said[0].startswith("999 rows compared, 19,980 levels")
    assert said[1].startswith("98 executions checked")
    assert said[-1] == "0 mismatches"


MESSAGES = "34200.1,1,1,5,101,-1\n34200.2,4,77,2,101,-1\n"
BOOKS = "101,12,100,4\n101,10,100,4\n"


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize(
    ("books", "code", "says"), [(BOOKS, 0, "0 mismatches"), (BOOKS[:-2] + "5\n", 1, "row 1: bid 1")]
)
def test_the_command_reads_plain_files_and_gz_and_exits_by_what_it_found(
    tmp_path: Path, is_packed: bool, books: str, code: int, says: str
) -> None:
    files = []
    for name, text in (("messages", MESSAGES), ("books", books)):
        file = tmp_path / (name + (".csv.gz" if is_packed else ".csv"))
        file.write_bytes(gzip.compress(text.encode()) if is_packed else text.encode())
        files.append(str(file))
    said: list[str] = []
    assert main(files, said.append) == code
    assert says in said[-1]


@pytest.mark.parametrize(
    ("messages", "books", "says"),
    [
        ("", "", "no rows"),
        (MESSAGES, "101,12,100,4\n", "books.csv ends before row 1"),
        (MESSAGES[:21], BOOKS, "messages.csv ends before row 1"),
        ("34200.1,8,1,5,101,-1\n", "101,12,100,4\n", "row 0: expected a message"),
        ("34200.1,1,1,5,101,0\n", "101,12,100,4\n", "row 0: expected a size"),
        ("34200.1,1,1,0,101,-1\n", "101,12,100,4\n", "row 0: expected a size"),
        ("34200.1,1,1,5\n", "101,12,100,4\n", "row 0: expected a message"),
        ("34200.1,1,1,5,x,-1\n", "101,12,100,4\n", "row 0: invalid literal"),
        (MESSAGES, "101,12,100,4\n101,12,100\n", "row 1: expected ask price"),
    ],
)
def test_files_that_are_no_day_are_refused_with_the_row(tmp_path: Path, messages: str, books: str, says: str) -> None:
    (tmp_path / "messages.csv").write_text(messages)
    (tmp_path / "books.csv").write_text(books)
    with pytest.raises(NotADay, match=says):
        list(read(tmp_path / "messages.csv", tmp_path / "books.csv"))


def test_the_command_says_what_it_could_not_read(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "not.csv.gz").write_text("text")
    assert main([], said.append) == 2
    assert main([str(tmp_path / "none"), str(tmp_path / "none")], said.append) == 2
    assert main([str(tmp_path / "not.csv.gz")] * 2, said.append) == 2
    assert ["python -m" in said[0], "No such file" in said[1], "gzip" in said[2]] == [True, True, True]
