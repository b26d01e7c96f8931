"""The implementations of the log that the contract is held against."""

import pytest

from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Log
from tests.transport.marked import MarkedLog


@pytest.fixture(params=["memory", "marked"])
def log(request: pytest.FixtureRequest) -> Log:
    """A new log with two partitions."""
    return {"memory": MemoryLog, "marked": MarkedLog}[request.param](partitions=2)
