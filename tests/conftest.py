"""What every folder of tests sees: the reference data, and the broker of tests/kafka/fixtures.py.

Reference data: a test that reads it carries the mark `data` and finds its files with `data_path`.

The folder is LIQSTORM_TEST_DATA, by default ../shared/data beside the checkout. Not set and not there: the test is
skipped. Set: whatever is missing is a failure, and so is any skip of such a test.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.kafka.fixtures import BrokerTests
from tests.kafka.fixtures import bootstrap as bootstrap
from tests.kafka.fixtures import own_broker as own_broker
from tests.kafka.fixtures import prefix as prefix

VARIABLE = "LIQSTORM_TEST_DATA"
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_path(name: str = "") -> Path:
    """Where a file of the reference data lies, or would."""
    return Path(os.environ.get(VARIABLE) or BESIDE) / name


def pytest_configure(config: pytest.Config) -> None:
    """Has the broker tests counted."""
    config.pluginmanager.register(BrokerTests())


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test of the reference data where there is none, and nobody said that there is."""
    if item.get_closest_marker("data") is None or data_path().is_dir():
        return
    if os.environ.get(VARIABLE):
        pytest.fail(f"{VARIABLE} names {data_path()}, which is no folder", pytrace=False)
    pytest.skip(f"no reference data: {VARIABLE} is not set and {BESIDE} does not exist")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns the skip of a test of the reference data into a failure where the variable is set."""
    report = yield
    if report.skipped and item.get_closest_marker("data") is not None and os.environ.get(VARIABLE):
        report.outcome = "failed"
        report.longrepr = f"skipped although {VARIABLE} is set: {report.longrepr}"
    return report
