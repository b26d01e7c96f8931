"""The implementations of the log that the contract is held against."""

import pytest

from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Log


@pytest.fixture(params=["memory"])
def log(request: pytest.FixtureRequest) -> Log:
    """A new log with two partitions."""
    return {"memory": lambda: MemoryLog(partitions=2)}[request.param]()
