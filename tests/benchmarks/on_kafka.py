"""On Kafka: the broker, the topics and the processes that the benchmarks on a real broker share.

Every contender is a process of its own, on the cores that the broker runs on too; nothing else is meant to run
meanwhile. Rates are by the clock on the wall, in turn A B C A B C ..., so that what counts is the ratio of one round.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from msgspec import Struct

from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import Input
from stream_engine.messages.topics import INPUT_TOPIC, INTAKE, Topic
from stream_engine.transport.protocol import headers
from tests.kafka.broker import FOR_BENCHMARKS, JARS, Broker, missing

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 300.0


class Measured(Struct):
    """What a contender says: so many records in so many seconds, and of its own processor time."""

    records: int
    seconds: float
    processor_s: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


class NoBrokerHere(Exception):
    """The benchmarks on Kafka need one; the text says why there is none."""


@contextmanager
def broker() -> Iterator[str]:
    """Where a broker is: KAFKA_BOOTSTRAP if it is set, else one that is started for this."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield given
        return
    if why := missing():
        raise NoBrokerHere(why)
    with Broker(jvm=FOR_BENCHMARKS) as started:
        yield started.bootstrap


def said_of_the_broker() -> str:
    """The broker in a line, for the results."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        return f"broker: {given}, as it was found"
    version = next(JARS.glob("kafka_2.13-*.jar")).stem.removeprefix("kafka_2.13-")
    return f"broker: Apache Kafka {version}, one node on the same machine, no replicas, java {' '.join(FOR_BENCHMARKS)}"


def make_topics(bootstrap: str, prefix: str, partitions: int = 1) -> None:
    """The topics of one run, as an operator makes them."""
    command = ["topics", "create", "--bootstrap", bootstrap, "--prefix", prefix, "--partitions", str(partitions)]
    subprocess.run([sys.executable, "-m", "stream_engine", *command], cwd=ROOT, check=True, capture_output=True)


def make_topic(bootstrap: str, name: str) -> None:
    """A topic that a contender writes its copy to."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, 1, config={"retention.ms": "-1"})])[name].result(30)


def fill(bootstrap: str, prefix: str, inputs: Iterable[Input], partition: int = 0) -> None:
    """Put inputs on their topics, as producers do."""
    producer = a_producer(bootstrap)
    heads: dict[Topic, list[tuple[str, str | bytes | None]]] = {topic: [*headers(topic, "")] for topic in INTAKE}
    for each in inputs:
        topic = INPUT_TOPIC[type(each)]
        producer.produce(
            prefix + topic.value,
            encode(each),
            each.venue.encode(),
            partition,
            timestamp=each.ts_us // 1000,
            headers=heads[topic],
        )
        producer.poll(0)
    assert producer.flush(WITHIN_S) == 0, "the broker did not take what was sent"


def a_producer(bootstrap: str, linger_ms: int = 20) -> Producer:
    """An idempotent producer with room for a whole benchmark."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": linger_ms,
            "batch.size": 262_144,
            "queue.buffering.max.messages": 2_000_000,
        }
    )


def committed_records(bootstrap: str, topic: str, partition: int = 0) -> Iterator[bytes]:
    """The values of all committed records of a partition, read by another client than ours."""
    consumer = a_reader(bootstrap)
    consumer.assign([TopicPartition(topic, partition, 0)])
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        for message in consumer.consume(10_000, 5.0):
            error = message.error()
            if error is None:
                yield message.value() or b""
            elif error.code() == KafkaError._PARTITION_EOF:
                consumer.close()
                return
            else:
                raise RuntimeError(str(error))
    raise RuntimeError(f"{topic} did not come to its end in {WITHIN_S:.0f} s")


def a_reader(bootstrap: str) -> Consumer:
    """A consumer of committed records that is told where to read."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "benchmark",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )


def start(module: str, *arguments: object, python: str = sys.executable) -> subprocess.Popen[str]:
    """Start a contender of ours."""
    command = [python, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, object]:
    """What a contender has printed last, once it has ended."""
    said, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, f"{process.args!r} ended with {process.returncode}"
    answer: dict[str, object] = json.loads(said.splitlines()[-1])
    return answer


def measured(process: subprocess.Popen[str]) -> Measured:
    """What a contender took, once it has ended."""
    return msgspec.convert(result(process), Measured)
