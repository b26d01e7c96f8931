"""The runs are shared by all tests of a session: each takes seconds."""

from collections.abc import Iterator

import pytest

from tests.storm.runs import Runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    made = Runs(tmp_path_factory.mktemp("storms"))
    yield made
    made.close()
