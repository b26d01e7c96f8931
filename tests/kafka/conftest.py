"""The broker of the tests: KAFKA_BOOTSTRAP if it is set, else one started from its jars, else a skip with the reason.

LIQSTORM_BROKER=required (CI sets it) makes that skip a failure, and the end of the run says how many tests had a broker.
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
    _skip_without_jars()
    with Broker() as broker:
        yield broker.bootstrap


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker for one test alone, which may kill it."""
    _skip_without_jars()
    with Broker() as broker:
        yield broker


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A prefix for topics that no other test, and no other run of it, has."""
    return f"t{os.getpid()}-{next(_numbers)}."


def _skip_without_jars() -> None:
    if why := missing():
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, but {why}", pytrace=False)
        pytest.skip(f"no broker: {why}")
