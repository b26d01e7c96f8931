"""Quix Streams, exactly once, handing every record on as it is: `python quix.py BOOTSTRAP SOURCE TARGET RECORDS`.

Values are bytes, so that it neither decodes nor encodes; it commits when it has RECORDS_A_COMMIT records.
Prints how many records it took in how many seconds, from the first to the end of the run, its last commit within.
"""

import json
import sys
import tempfile
import time

from quixstreams import Application  # type: ignore[import-not-found]

RECORDS_A_COMMIT = 20_000

bootstrap, source, target, records = *sys.argv[1:4], int(sys.argv[4])
application = Application(
    broker_address=bootstrap,
    consumer_group=target,
    auto_offset_reset="earliest",
    auto_create_topics=False,
    processing_guarantee="exactly-once",
    commit_interval=5.0,
    commit_every=RECORDS_A_COMMIT,
    loglevel="ERROR",
    state_dir=tempfile.mkdtemp(),
    producer_extra_config={"linger.ms": 5, "batch.size": 262_144},
)
began: list[float] = []


def begin(value: bytes) -> None:
    """Note when the first record came."""
    if not began:
        began.extend((time.monotonic(), time.process_time()))


raw = {"key_deserializer": "bytes", "value_deserializer": "bytes"}
copied = {"key_serializer": "bytes", "value_serializer": "bytes"}
application.dataframe(application.topic(source, **raw)).update(begin).to_topic(application.topic(target, **copied))
application.run(count=records, timeout=20.0)
print(
    json.dumps(
        {
            "records": records,
            "seconds": time.monotonic() - began[0],
            "processor_s": time.process_time() - began[1],
        }
    )
)
