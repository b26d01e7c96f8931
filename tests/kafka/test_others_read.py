"""Others read: what a client that knows nothing of ours finds on every topic. Plain JSON, keys, headers, timestamps.

Two short runs on a real broker, one with makers and one in which somebody is deleveraged; then two records that nobody
can take, and a snapshot.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import ClockTick
from stream_engine.messages.topics import INTAKE, MAX_INPUT_BYTES, OUTPUT, Topic
from tests.kafka.checker import Read, read
from tests.kafka.engines import Process, ended, faulty
from tests.kafka.load import Sent, create_topics, send

RUNS = (
    ("hedged-portfolio", "--set", "run.start=2025-10-10T21:10:00Z", "--set", "run.end=2025-10-10T21:10:59Z"),
    ("oct10-small", "--set", "run.start=2025-10-10T21:15:00Z", "--set", "run.end=2025-10-10T21:15:20Z"),
)
AFTER_US = 1_760_131_000_000_000
HALF_AN_ORDER = b'{"type":"Place","venue":"alpha","ts'
TOO_LONG = b"x" * (MAX_INPUT_BYTES[Topic.ORDERS] + 1)

Topics = dict[Topic, list[Read]]


def by_confluent_kafka(bootstrap: str, prefix: str) -> Topics:
    records = read(bootstrap, prefix, [topic.value for topic in Topic]).records
    return {topic: records.get((topic.value, 0), []) for topic in Topic}


def by_kcat(bootstrap: str, prefix: str) -> Topics:
    found: Topics = {}
    for topic in Topic:
        command = ["kcat", "-C", "-e", "-q", "-J", "-X", "isolation.level=read_committed"]
        said = subprocess.run(
            [*command, "-b", bootstrap, "-t", prefix + topic.value], capture_output=True, text=True, check=True
        )
        found[topic] = [_of_kcat(topic, json.loads(line)) for line in said.stdout.splitlines()]
    return found


def _of_kcat(topic: Topic, line: dict[str, Any]) -> Read:
    pairs = line.get("headers", [])
    headers = dict(zip(pairs[::2], (each.encode() for each in pairs[1::2]), strict=True))
    key, value = (line["key"] or "").encode(), (line["payload"] or "").encode()
    return Read(topic.value, line["partition"], line["offset"], key, value, headers, line["ts"])


@pytest.fixture(scope="module")
def ran(bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """Where two runs were, and their prefixes."""
    prefixes = []
    for name, *chosen in RUNS:
        out = tmp_path_factory.mktemp("out") / "run"
        prefix = f"read-{os.getpid()}-{name}."
        create_topics(bootstrap, prefix)
        where = ["--bootstrap", bootstrap, "--prefix", prefix]
        run = Process("run", name, *chosen, "--speed", "max", "--out", str(out), *where)
        assert run.wait() == 0, run.said()
        prefixes.append(prefix)
    tick = Sent(Topic.CONTROL, "alpha", encode(ClockTick("alpha", AFTER_US)), AFTER_US)
    dead = [Sent(Topic.ORDERS, "alpha", value, AFTER_US) for value in (HALF_AN_ORDER, TOO_LONG)]
    send(bootstrap, prefixes[0], [tick, *dead])
    code, said = ended(faulty(bootstrap, prefixes[0], "--snapshots", "1"))
    assert code == 0, said
    return bootstrap, prefixes


@pytest.fixture(
    scope="module",
    params=[
        "confluent-kafka",
        pytest.param("kcat", marks=pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")),
    ],
)
def topics(request: pytest.FixtureRequest, ran: tuple[str, list[str]]) -> Topics:
    """Every record of both runs."""
    readers: dict[str, Callable[[str, str], Topics]] = {"confluent-kafka": by_confluent_kafka, "kcat": by_kcat}
    bootstrap, prefixes = ran
    first, second = (readers[request.param](bootstrap, prefix) for prefix in prefixes)
    return {topic: first[topic] + second[topic] for topic in Topic}


def test_every_topic_is_plain_json_under_its_key_headers_and_event_time(topics: Topics) -> None:
    for topic in (*INTAKE, *OUTPUT, Topic.LABELS, Topic.ALERTS, Topic.JOURNAL, Topic.SNAPSHOTS):
        assert topics[topic], topic
        for record in topics[topic]:
            if topic is Topic.ORDERS and record.value in (HALF_AN_ORDER, TOO_LONG):
                continue
            message = json.loads(record.value)
            if record.timestamp_ms * 1_000 != AFTER_US or topic not in INTAKE:  # what this test sent has none
                assert record.headers["schema"] == f"{topic.value}/1".encode(), record.at
                assert "run_id" in record.headers, record.at
            if "venue" in message:
                assert record.key == message["venue"].encode(), record.at
            if "ts_us" in message:
                assert record.timestamp_ms == message["ts_us"] // 1_000, record.at


def test_a_journal_record_has_the_time_of_the_latest_input_in_it(topics: Topics) -> None:
    for record in topics[Topic.JOURNAL]:
        runs = json.loads(record.value)["runs"]
        times = [value["ts_us"] for _, _, values in runs for value in values if isinstance(value, dict)]
        assert record.timestamp_ms == max(times) // 1_000


def test_a_dead_letter_is_the_record_byte_for_byte_with_its_origin_and_the_reason(
    topics: Topics, ran: tuple[str, list[str]]
) -> None:
    offsets = {record.value: record.offset for record in topics[Topic.ORDERS]}
    letters = {letter.value: letter.headers for letter in topics[Topic.DEADLETTERS]}
    assert set(letters) == {HALF_AN_ORDER, TOO_LONG}
    for value, headers in letters.items():
        assert headers["topic"].decode() == f"{ran[1][0]}orders"
        assert (int(headers["partition"]), int(headers["offset"])) == (0, offsets[value])
        assert headers["schema"] == b"deadletters/1"
    assert b"truncated" in letters[HALF_AN_ORDER]["reason"]
    assert letters[TOO_LONG]["reason"] == b"4097 bytes: orders takes 4096 at most"
    assert letters[TOO_LONG]["length"] == b"4097"
