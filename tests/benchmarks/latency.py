"""How long after it was sent an input's answer is read: producer, engine transaction, reader of committed records.

`python -m tests.benchmarks.latency send|read ...` are the two other processes of the measurement.
"""

import json
import signal
import statistics
import sys
import time

import msgspec
from confluent_kafka import TopicPartition

from stream_engine.messages.codec import encode
from stream_engine.messages.topics import Topic
from tests.benchmarks import on_kafka
from tests.benchmarks.flows import VENUE, simple
from tests.benchmarks.measure import keep

RATES = (1_000, 10_000, 30_000)
SECONDS = 10
# The first inputs find a broker and an engine that are not yet compiled, connected and warm.
WARMING_S = 3
ROUNDS = 3
STEP_S = 0.002
HOW = f"""
{{broker}}
Producer (librdkafka, idempotent, linger 1 ms), engine (one partition, a transaction a cycle) and reader of `executions`
(librdkafka, committed records only) are a process each, on the cores that the broker runs on too. An input (flow
`simple`) is stamped when it is handed to the producer; its answer carries that stamp, and the reader's clock is the
same. {SECONDS} s at each rate after {WARMING_S} s of warming up, {ROUNDS} rounds: the median round (least to most).
"""


class Answer(msgspec.Struct):
    """What the reader looks at of an event."""

    ts_us: int
    n: int


def run() -> None:
    """Measure and keep."""
    lines = []
    with on_kafka.broker() as bootstrap:
        for rate in RATES:
            rounds = [_round(bootstrap, f"{rate}.{number}.", rate) for number in range(ROUNDS)]
            figures = [
                f"{name} {statistics.median(found):6.1f} ms ({min(found):.1f} to {max(found):.1f})"
                for name in ("p50", "p99", "p99.9")
                for found in [[each[name] for each in rounds]]
            ]
            sent = statistics.median(each["rate"] for each in rounds)
            lines.append(f"{rate:>6,} a second (came to {sent:,.0f})   " + "   ".join(figures))
            sys.stderr.write(lines[-1] + "\n")
    keep("latency", HOW.format(broker=on_kafka.said_of_the_broker()), lines)


def _round(bootstrap: str, prefix: str, rate: int) -> dict[str, float]:
    on_kafka.make_topics(bootstrap, prefix)
    on_kafka.fill(bootstrap, prefix, simple(0).head)
    engine = on_kafka.start("contenders", "serve", bootstrap, prefix, 0)
    assert engine.stdout is not None and engine.stdout.readline() == "ready\n"
    reader = on_kafka.start("latency", "read", bootstrap, prefix)
    assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
    sender = on_kafka.start("latency", "send", bootstrap, prefix, rate)
    sent = on_kafka.result(sender)
    reader.send_signal(signal.SIGTERM)
    found = on_kafka.result(reader)
    engine.send_signal(signal.SIGTERM)
    on_kafka.result(engine)
    return msgspec.convert(sent | found, dict[str, float])


def send(bootstrap: str, prefix: str, rate: int) -> None:
    """Send inputs evenly, each with its time, and say how many a second it came to."""
    producer = on_kafka.a_producer(bootstrap, linger_ms=1)
    topic, key = prefix + Topic.ORDERS.value, VENUE.encode()
    total = (WARMING_S + SECONDS) * rate
    inputs = simple(total).body
    began = time.monotonic()
    sent = 0
    while sent < total:
        due = min(total, int((time.monotonic() - began) * rate))
        for each in inputs[sent:due]:
            now_us = time.time_ns() // 1000
            producer.produce(topic, encode(msgspec.structs.replace(each, ts_us=now_us)), key, 0)
        sent = due
        producer.poll(0)
        time.sleep(STEP_S)
    came_to = sent / (time.monotonic() - began)
    assert producer.flush(on_kafka.WITHIN_S) == 0
    time.sleep(1)  # the last are still on their way
    print(json.dumps({"rate": came_to}))


def read(bootstrap: str, prefix: str) -> None:
    """Read answers until SIGTERM, and say how old they were."""
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    consumer = on_kafka.a_reader(bootstrap)
    consumer.assign([TopicPartition(prefix + Topic.EXECUTIONS.value, 0, 0)])
    consumer.consume(1, 0.5)
    print("ready", flush=True)
    decode = msgspec.json.Decoder(Answer).decode
    began_us = time.time_ns() // 1000
    ages_us: list[int] = []
    while running:
        messages = consumer.consume(10_000, 0.005)
        now_us = time.time_ns() // 1000
        for message in messages:
            if message.error() is None:
                answer = decode(message.value() or b"")
                if answer.n == 0 and answer.ts_us > began_us + WARMING_S * 1_000_000:
                    ages_us.append(now_us - answer.ts_us)
    consumer.close()
    ages_us.sort()
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    print(json.dumps({name: ages_us[int(share * len(ages_us))] / 1000 for name, share in shares.items()}))


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        read(*sys.argv[2:])
