"""Processes: results in the order of the tasks; one that fails is told, and the others go on; none is left behind."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_engine.whatif.processes import Progress, over_processes

Part = Callable[[float], None]


def squared(number: int, part: Part) -> int:
    time.sleep(0.05 * (3 - number))  # the first ends last
    return number * number


def squared_but_for_1(number: int, part: Part) -> int:
    if number == 1:
        raise ValueError("one is no number")
    return number * number


def dies(number: int, part: Part) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def never_ends(file: Path, part: Part) -> None:
    file.write_text(str(os.getpid()))
    while True:
        time.sleep(0.01)
        part(0.5)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("jobs", [1, 2, 3, 4])
def test_results_stand_in_the_order_of_the_tasks_however_many_are_done_at_once(jobs: int) -> None:
    assert [done.result for done in over_processes(squared, [0, 1, 2], jobs)] == [0, 1, 4]


def test_no_tasks_have_no_results() -> None:
    assert over_processes(squared, [], 2) == []


def test_a_task_that_fails_says_why_and_where_and_the_others_go_on() -> None:
    done = over_processes(squared_but_for_1, [0, 1, 2], 2)
    assert [each.result for each in done] == [0, None, 4]
    assert done[1].why.startswith("ValueError: one is no number (test_processes.py, line ")
    assert [done[0].why, done[2].why] == ["", ""]


def test_a_process_that_dies_is_told_with_its_status() -> None:
    done = over_processes(dies, [0, 1, 2], 1)
    assert [each.result for each in done] == [0, None, 2]
    assert done[1].why == "its process ended by itself (exit status -9)"


def test_who_is_told_to_stop_ends_its_processes_and_gives_what_it_has(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    told: list[Progress] = []
    done = over_processes(
        never_ends, [*files, tmp_path / "three"], 2, told.append, lambda: all(file.exists() for file in files)
    )
    assert [(each.result, each.why) for each in done] == [(None, "")] * 3
    assert not (tmp_path / "three").exists()
    assert not any(is_alive(int(file.read_text())) for file in files)


def test_progress_counts_what_is_over_and_what_failed_and_begun_ones_by_part() -> None:
    told: list[Progress] = []
    over_processes(squared_but_for_1, [0, 1, 2], 1, told.append)
    assert told[-1] == Progress(tasks=3, over=3, failed=1, whole=3.0)
    assert [each.over for each in told] == sorted(each.over for each in told)
