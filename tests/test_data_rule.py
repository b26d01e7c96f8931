"""The rule of the reference data: skipped where nobody says that there is any, failed where somebody does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = """
import pytest
from conftest import data_path

@pytest.mark.data
def test_reads():
    assert data_path("file").read_text() == "here"

@pytest.mark.data
def test_gives_up():
    if not data_path("other").exists():
        pytest.skip("no other")

@pytest.mark.data
@pytest.mark.parametrize("case", data_path("cases").read_text().split() if data_path("cases").exists() else [])
def test_cases(case):
    assert case

def test_without_data():
    pass
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    tests = tmp_path / "checkout" / "tests"
    tests.mkdir(parents=True)
    (tests / "conftest.py").write_text(CONFTEST.read_text())
    (tests / "test_it.py").write_text(TESTS)
    (tests.parent / "pytest.ini").write_text("[pytest]\nmarkers = data\n")
    return tests.parent


def outcomes(checkout: Path, variable: str | None) -> str:
    """What came of each test, in their order; one that fails before it begins has failed too."""
    apart = ("LIQSTORM_TEST_DATA", "LIQSTORM_BROKER")
    surroundings = {name: value for name, value in os.environ.items() if name not in apart}
    surroundings["PYTHONPATH"] = str(CONFTEST.parents[1])  # the conftest imports the fixtures of tests/kafka
    if variable is not None:
        surroundings["LIQSTORM_TEST_DATA"] = variable
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=checkout, env=surroundings, capture_output=True, text=True)
    shown = run.stdout.split()[0].replace("E", "F")
    assert (run.returncode != 0) == ("F" in shown)
    return shown


def test_without_the_folder_and_the_variable_such_tests_are_skipped(checkout: Path) -> None:
    assert outcomes(checkout, None) == "sss."


def test_with_the_folder_beside_the_checkout_they_run(checkout: Path) -> None:
    folder = checkout.parent / "shared" / "data"
    folder.mkdir(parents=True)
    (folder / "file").write_text("here")
    (folder / "cases").write_text("one two")
    assert outcomes(checkout, None) == ".s..."


def test_where_the_variable_is_set_a_folder_that_is_missing_is_a_failure(checkout: Path) -> None:
    assert outcomes(checkout, str(checkout / "nowhere")) == "FFF."


def test_where_the_variable_is_set_a_skip_is_a_failure(checkout: Path) -> None:
    folder = checkout.parent / "data"
    folder.mkdir()
    (folder / "file").write_text("here")
    assert outcomes(checkout, str(folder)) == ".FF."
    (folder / "other").write_text("")
    (folder / "cases").write_text("one")
    assert outcomes(checkout, str(folder)) == "...."
