"""Contenders: what is measured on Kafka in a process of its own, by `python -m tests.benchmarks.contenders NAME ...`.

Each prints one line of JSON: how many records it took in how many seconds, and its own processor time.

engine         the engine of one partition, from its first cycle until its intake is used up; then maybe a snapshot.
serve          the same, until it is told to stop.
resume         the engine of one partition comes back to where its journal, of so many inputs, ends.
pass-through   aiokafka alone: getmany, decode, encode, send_batch, one transaction with the offsets; it knows nothing.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream_engine import snapshots
from stream_engine.engine import Engine
from stream_engine.messages.codec import decode_input, encode
from stream_engine.messages.topics import Topic
from stream_engine.transport.kafka import KafkaLog, KafkaSettings

TAKEN_AT_ONCE = 20_000
BATCH_BYTES = 256 * 1024
WAITS_S = 1.0


class Stopwatch:
    """From `begin` on it is timed, up to the last `came_to`."""

    def __init__(self) -> None:
        self.records = 0
        self.begin()

    def begin(self) -> None:
        """Now."""
        self._began = self._ended = (time.monotonic(), time.process_time())

    def came_to(self, records: int) -> None:
        """So many more are done by now."""
        self.records += records
        self._ended = (time.monotonic(), time.process_time())

    def said(self) -> str:
        """As JSON."""
        seconds, processor_s = (ended - began for began, ended in zip(self._began, self._ended, strict=True))
        return json.dumps({"records": self.records, "seconds": seconds, "processor_s": processor_s})


async def engine(watch: Stopwatch, bootstrap: str, prefix: str, partition: str, snapshot: str = "") -> None:
    """Take all that there is, exactly once; after it, and not timed, a snapshot if one is asked for."""
    log = KafkaLog(KafkaSettings(bootstrap))
    running = Engine(log, int(partition), prefix)
    await running.start()
    watch.begin()
    while await running.behind():
        watch.came_to(await running.advance(wait_s=WAITS_S))
    watch.came_to(await running.settle())
    if snapshot:
        found = await running.snapshot()
        assert found is not None, "the log does not show the journal's end"
        await snapshots.write(log, found, (prefix + Topic.SNAPSHOTS.value, int(partition)))
    await running.close()
    await log.close()


async def serve(watch: Stopwatch, bootstrap: str, prefix: str, partition: str) -> None:
    """Take what comes until SIGTERM; says `ready` once it takes."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    log = KafkaLog(KafkaSettings(bootstrap))
    running = Engine(log, int(partition), prefix)
    await running.start()
    print("ready", flush=True)
    watch.begin()
    while not stopping.is_set():
        watch.came_to(await running.advance(wait_s=WAITS_S))
    watch.came_to(await running.settle())
    await running.close()
    await log.close()


async def resume(watch: Stopwatch, bootstrap: str, prefix: str, partition: str, inputs: str) -> None:
    """Start where the journal ends."""
    log = KafkaLog(KafkaSettings(bootstrap))
    running = Engine(log, int(partition), prefix)
    watch.begin()
    await running.start()
    watch.came_to(int(inputs))
    await running.close()
    await log.close()


async def pass_through(watch: Stopwatch, bootstrap: str, source: str, target: str) -> None:
    """Read, decode, encode and write every record of a topic, exactly once."""
    at = TopicPartition(source, 0)
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=target, max_batch_size=BATCH_BYTES, acks="all"
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_partition_fetch_bytes=16 * BATCH_BYTES,
    )
    await producer.start()
    await consumer.start()
    consumer.assign([at])
    consumer.seek(at, 0)
    end = (await consumer.end_offsets([at]))[at]
    watch.begin()
    position = 0
    while position < end:
        found = (await consumer.getmany(at, timeout_ms=1_000, max_records=TAKEN_AT_ONCE)).get(at, [])
        if not found:
            break
        await producer.begin_transaction()
        sent, batch = [], producer.create_batch()
        for record in found:
            value = encode(decode_input(record.value))
            if batch.append(key=record.key, value=value, timestamp=record.timestamp) is None:
                sent.append(await producer.send_batch(batch, target, partition=0))
                batch = producer.create_batch()
                batch.append(key=record.key, value=value, timestamp=record.timestamp)
        sent.append(await producer.send_batch(batch, target, partition=0))
        await asyncio.gather(*sent)
        position = found[-1].offset + 1
        await producer.send_offsets_to_transaction({at: position}, target)
        await producer.commit_transaction()
        watch.came_to(len(found))
    await consumer.stop()
    await producer.stop()


CONTENDERS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "engine": engine,
    "serve": serve,
    "resume": resume,
    "pass-through": pass_through,
}


def main() -> None:
    """Run one."""
    watch = Stopwatch()
    uvloop.run(CONTENDERS[sys.argv[1]](watch, *sys.argv[2:]))
    print(watch.said())


if __name__ == "__main__":
    main()
