"""The rule of the broker: skipped with the reason where none can be had, failed where one is required; and counted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
import pytest
import tests.kafka.broker
from tests.kafka.fixtures import BrokerTests, bootstrap, own_broker, prefix

tests.kafka.broker.JARS = tests.kafka.broker.JARS / "nowhere"

def pytest_configure(config):
    config.pluginmanager.register(BrokerTests())
"""
TESTS = """
def test_on_the_shared_broker(bootstrap, prefix):
    assert bootstrap and prefix

def test_on_its_own(own_broker):
    assert own_broker

def test_that_asks_while_it_runs(request):
    assert request.getfixturevalue("bootstrap")

def test_without_a_broker():
    pass
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def run(checkout: Path, *chosen: str, **variables: str) -> tuple[int, list[str]]:
    """How pytest ended, and its lines, where no jars are."""
    apart = ("KAFKA_BOOTSTRAP", "LIQSTORM_BROKER")
    surroundings = {name: value for name, value in os.environ.items() if name not in apart} | variables
    surroundings["PYTHONPATH"] = str(Path(__file__).parents[1])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    ended = subprocess.run(command, cwd=checkout, env=surroundings, capture_output=True, text=True)
    return ended.returncode, ended.stdout.splitlines()


def test_without_jars_the_broker_tests_are_skipped_and_the_reason_is_said(checkout: Path) -> None:
    ended, said = run(checkout)
    assert (ended, said[0].split()[0]) == (0, "sss.")
    [counted] = [line for line in said if line.startswith("broker tests: ")]
    assert counted.startswith("broker tests: 0 ran, 3 skipped (")
    assert "KAFKA_BOOTSTRAP is not set" in counted


def test_where_a_broker_is_required_none_is_a_failure(checkout: Path) -> None:
    ended, said = run(checkout, LIQSTORM_BROKER="required")
    assert (ended, said[0].split()[0]) == (1, "EEF.")


def test_where_a_broker_is_required_a_run_without_a_broker_test_is_a_failure(checkout: Path) -> None:
    ended, said = run(checkout, "-k", "without_a_broker", LIQSTORM_BROKER="required")
    assert (ended, said[0].split()[0]) == (1, ".")
    assert "LIQSTORM_BROKER is set, and not one broker test ran" in said


def test_what_ran_with_a_broker_is_counted_however_it_was_asked_for(checkout: Path) -> None:
    ended, said = run(checkout, "--deselect", "test_it.py::test_on_its_own", KAFKA_BOOTSTRAP="somewhere:9092")
    assert (ended, said[0].split()[0]) == (0, "...")
    assert "broker tests: 2 ran, 0 skipped" in said
