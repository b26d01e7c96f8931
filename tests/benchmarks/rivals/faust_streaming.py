"""Faust-streaming, exactly once, handing every record on: `python faust_streaming.py BOOTSTRAP SOURCE TARGET RECORDS`.

Values are raw bytes, so that it neither decodes nor encodes; uvloop; its Cython extensions, as its wheel brings them.
Prints how many records it took in how many seconds, from the first to the last; its last commit is not within.
"""

import asyncio
import json
import os
import sys
import tempfile
import time

import faust  # type: ignore[import-not-found]
import uvloop

bootstrap, source, target, records = *sys.argv[1:4], int(sys.argv[4])
uvloop.install()
application = faust.App(
    target,
    broker=f"kafka://{bootstrap}",
    processing_guarantee="exactly_once",
    consumer_auto_offset_reset="earliest",
    topic_partitions=1,
    topic_disable_leader=True,
    topic_allow_declare=False,
    store="memory://",
    web_enabled=False,
    producer_linger=0.005,
    producer_max_batch_size=262_144,
    stream_wait_empty=False,
    datadir=tempfile.mkdtemp(),
)
incoming = application.topic(source, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
outgoing = application.topic(target, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


@application.agent(incoming)  # type: ignore[untyped-decorator]
async def hand_on(stream: faust.Stream) -> None:
    """Send every record to the target."""
    taken = 0
    began = began_cpu = 0.0
    async for event in stream.events():
        if not taken:
            began, began_cpu = time.monotonic(), time.process_time()
        await outgoing.send(key=event.key, value=event.value)
        taken += 1
        if taken == records:
            seconds, processor_s = time.monotonic() - began, time.process_time() - began_cpu
            print(json.dumps({"records": taken, "seconds": seconds, "processor_s": processor_s}), flush=True)
            await asyncio.sleep(2 * application.conf.broker_commit_interval + 1)
            os._exit(0)


faust.Worker(application, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()
