"""The implementations of the log that the contract is held against: embedded, with marks, Kafka on a real broker."""

from collections.abc import AsyncIterator

import pytest

from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings
from stream_engine.transport.memory import MemoryLog
from stream_engine.transport.protocol import Log
from tests.transport.marked import MarkedLog
from tests.transport.prefixed import PrefixedLog

TOPICS = ("orders", "market")  # those that the contract speaks of


@pytest.fixture(params=["memory", "marked", "kafka"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    """A new log with two partitions."""
    if request.param != "kafka":
        yield {"memory": MemoryLog, "marked": MarkedLog}[request.param](partitions=2)
        return
    settings, prefix = KafkaSettings(request.getfixturevalue("bootstrap")), request.getfixturevalue("prefix")
    admin = KafkaAdmin(settings)
    names = [prefix + topic for topic in TOPICS]
    await admin.create(names, 2, {name: {"retention.ms": "-1"} for name in names})  # event time lies in the past
    await admin.close()
    log = PrefixedLog(KafkaLog(settings), prefix)
    yield log
    await log.close()
