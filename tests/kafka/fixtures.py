"""The broker of the tests: KAFKA_BOOTSTRAP if it is set, else one started from its jars, else a skip with the reason.

A broker test is one that asks for `bootstrap` or `own_broker`. The end of the run says how many ran and how many did
not. LIQSTORM_BROKER=required (CI sets it): a broker test that is skipped for want of a broker is a failure, and so is a
run without any.
"""

import itertools
import os
from collections.abc import Iterator

import pytest

from tests.kafka.broker import Broker, missing

REQUIRED = "LIQSTORM_BROKER"

_numbers = itertools.count()


@pytest.fixture(scope="session")
def bootstrap() -> Iterator[str]:
    """Where a broker is that all tests share; each takes a prefix of its own."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield given
        return
    _skip_without_jars("KAFKA_BOOTSTRAP is not set")
    with Broker() as broker:
        yield broker.bootstrap


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker for one test alone, which may kill it."""
    _skip_without_jars("this test kills its broker")
    with Broker() as broker:
        yield broker


@pytest.fixture
def prefix() -> str:
    """A prefix for topics that no other test, and no other run of it, has."""
    return f"t{os.getpid()}-{next(_numbers)}."


class BrokerTests:
    """Counts the broker tests of a run: those that ran, and those that did not, by the reason."""

    def __init__(self) -> None:
        self.ran = 0
        self.skipped: dict[str, int] = {}
        self._began: pytest.Item | None = None

    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """This test has what it asked for, and begins."""
        self._began = item

    @pytest.fixture(autouse=True)
    def _count(self, request: pytest.FixtureRequest) -> Iterator[None]:
        yield
        # After the test: maybe only one of its parameters asked for a broker.
        if self._began is request.node and {"bootstrap", "own_broker"} & set(request.fixturenames):
            self.ran += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes a skip for want of a broker."""
        if report.skipped and isinstance(report.longrepr, tuple) and "no broker: " in report.longrepr[2]:
            reason = report.longrepr[2].partition("no broker: ")[2]
            self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says how many ran."""
        skipped = sum(self.skipped.values())
        why = f" ({'; '.join(self.skipped)})" if skipped else ""
        terminalreporter.write_line(f"broker tests: {self.ran} ran, {skipped} skipped{why}")
        if os.environ.get(REQUIRED) and not self.ran:
            terminalreporter.write_line(f"{REQUIRED} is set, and not one broker test ran", red=True)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """No broker test where one is required: the run has failed."""
        if os.environ.get(REQUIRED) and not self.ran and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _skip_without_jars(and_so: str) -> None:
    if why := missing():
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but {why}, and {and_so}", pytrace=False)
        pytest.skip(f"no broker: {why}, and {and_so}")
