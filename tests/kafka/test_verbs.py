"""The verbs that run on Kafka, as processes of their own on a real broker: what they do together, and how each ends."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from stream_engine.cli.errors import UserError
from stream_engine.cli.main import liqstorm
from stream_engine.cli.topic_rules import named, settings_of
from stream_engine.messages.topics import OUTPUT, Topic
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Record
from tests.kafka.broker import free_port

ROOT = Path(__file__).resolve().parents[2]
ENDS_WITHIN_S = 60.0
# A minute and a half in which somebody is deleveraged, on two venues, also where participants answer a little late.
STORM = (
    "hedged-portfolio",
    *("--set", "run.start=2025-10-10T21:10:00Z"),
    *("--set", "run.end=2025-10-10T21:11:29Z"),
    *("--set", "venue.copies=2"),
)
TICKS = 90


@pytest.fixture
def topics(bootstrap: str, prefix: str) -> str:
    """A prefix whose topics are there, with two partitions each."""
    make(bootstrap, prefix, 2)
    return prefix


@pytest.fixture
def start(bootstrap: str) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts verbs; whatever still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def call(verb: str, prefix: str, *words: str | Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "stream_engine", verb, *map(str, words), "--bootstrap", bootstrap]
        process = subprocess.Popen(
            [*command, "--prefix", prefix],
            env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "120"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield call
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def make(bootstrap: str, prefix: str, partitions: int, odd: Topic | None = None) -> None:
    """The topics of a prefix; `odd` has one partition more."""

    async def create() -> None:
        admin = KafkaAdmin(KafkaSettings(bootstrap))
        for name, topic in named(prefix).items():
            if topic is odd:
                await admin.create([name], partitions + 1, {name: settings_of(topic)})
        names = [name for name, topic in named(prefix).items() if topic is not odd]
        await admin.create(names, partitions, {name: settings_of(named(prefix)[name]) for name in names})
        await admin.close()

    asyncio.run(create())


def read(bootstrap: str, prefix: str, topic: Topic, partitions: int = 2) -> list[Record]:
    async def all_of_it() -> list[Record]:
        log = KafkaLog(KafkaSettings(bootstrap))
        at = [(prefix + topic.value, number) for number in range(partitions)]
        positions = dict.fromkeys(at, 0)
        found: list[Record] = []
        while part := await log.read(positions, 10_000):
            for where, records in part.items():
                found += records
                positions[where] = records[-1].offset + 1
        await log.close()
        return found

    return asyncio.run(all_of_it())


def ended(process: "subprocess.Popen[str]", status: int = 0) -> tuple[str, str]:
    """What a process said that ends by itself, with this status."""
    out, err = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == status, err
    assert "Traceback" not in err
    return out, err


def stopped(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGTERM, status: int = 0) -> str:
    """What a process says that is told to stop."""
    process.send_signal(number)
    return ended(process, status)[0]


def until(holds: Callable[[], Any], within_s: float = ENDS_WITHIN_S) -> None:
    give_up_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up_s, "it does not come to that"
        time.sleep(0.1)


def until_events(monitors: "subprocess.Popen[str]", events: int) -> None:
    """Until the monitors say that they have seen so many events."""
    assert monitors.stderr is not None
    lines = iter(monitors.stderr.readline, "")
    until(lambda: json.loads(next(lines))["events"] == events)


def ticks_answered(bootstrap: str, prefix: str, partition: int) -> int:
    market = read(bootstrap, prefix, Topic.MARKET)
    return sum(record.partition == partition and b'"ClockTicked"' in record.value for record in market)


def complaint(*words: str) -> str:
    """The sentence with which a verb refuses to begin."""
    result = CliRunner().invoke(liqstorm, words, standalone_mode=False)
    assert isinstance(result.exception, UserError), (result.exception, result.output)
    assert result.output == ""
    return str(result.exception)


# together ------------------------------------------------------------------------------------------------------


def test_engine_participants_and_monitors_in_processes_of_their_own_play_a_run(
    bootstrap: str, topics: str, start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    engine, monitors = start("engine", topics), start("consume", topics, "--out", tmp_path)
    said, _ = ended(start("produce", topics, *STORM, "--speed", "max", "--quiet"))
    assert f": {TICKS} ticks, " in said
    until(lambda: len(read(bootstrap, topics, Topic.ALERTS)) >= 4)
    poison = Producer({"bootstrap.servers": bootstrap})
    poison.produce(f"{topics}market", b"{", partition=1)
    poison.flush(10)
    until(lambda: read(bootstrap, topics, Topic.DEADLETTERS))
    until(lambda: [ticks_answered(bootstrap, topics, number) for number in (0, 1)] == [TICKS, TICKS])
    engine.send_signal(signal.SIGTERM)
    said, status = ended(engine)
    assert said == ""
    assert {"level", "message"} <= json.loads(status.splitlines()[0]).keys()
    events = sum(len(read(bootstrap, topics, topic)) for topic in OUTPUT) - len([poison])
    until_events(monitors, events)
    summed_up = stopped(monitors)
    assert re.search(rf"^{events:,} events, \d+ alerts published", summed_up, re.MULTILINE)

    # Both venues, as the monitors saw them; the alerts on the partition of each.
    kept = json.loads((tmp_path / "summary.json").read_text())
    assert {venue: told["until_at"] for venue, told in kept.items()} == dict.fromkeys(
        ("alpha", "beta"), "2025-10-10T21:11:29Z"
    )
    alerts = read(bootstrap, topics, Topic.ALERTS)
    assert {(record.partition, record.key) for record in alerts} == {(0, b"alpha"), (1, b"beta")}
    assert sorted((tmp_path / "alerts.jsonl").read_bytes().splitlines()) == sorted(record.value for record in alerts)
    assert {json.loads(record.value)["rule"] for record in alerts} == {"adl", "liquidations"}

    # Whoever wrote, it is of one run.
    everything = [record for topic in Topic for record in read(bootstrap, topics, topic)]
    named_so = {dict(record.headers).get("run_id", b"").decode() for record in everything if record.value != b"{"}
    assert named_so == {topics.rstrip(".")}

    # What is no event is kept with where it came from and why, and the monitors went on.
    (dead,) = read(bootstrap, topics, Topic.DEADLETTERS)
    told = {name: value.decode() for name, value in dead.headers}
    assert (dead.value, told["topic"], told["partition"]) == (b"{", f"{topics}market", "1")
    assert told["reason"] == "no event: Input data was truncated"

    # Started again they see everything once more, and publish nothing twice.
    again = start("consume", topics, "--out", tmp_path / "again")
    until_events(again, events)
    summed_up = stopped(again, signal.SIGINT)
    assert f"{events:,} events, 0 alerts published" in summed_up
    assert json.loads((tmp_path / "again" / "summary.json").read_text()) == kept
    assert len(read(bootstrap, topics, Topic.ALERTS)) == len(alerts)
    assert len(read(bootstrap, topics, Topic.DEADLETTERS)) == 1


def test_processes_share_the_participants_of_a_run_and_one_of_them_has_the_clock(
    bootstrap: str, topics: str, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    engine = start("engine", topics)
    joined = start("produce", topics, *STORM, "--only", "near-book", "--only", "hedgers@beta", "--quiet")
    clock = start("produce", topics, *STORM, "--only", "clock", "--only", "outside", "--speed", "30", "--quiet")
    assert f": {TICKS} ticks, " in ended(clock)[0]
    assert f": {TICKS} ticks, " in ended(joined)[0]
    stopped(engine)
    senders = {record.key for record in read(bootstrap, topics, Topic.ORDERS)}
    assert senders == {b"alpha", b"beta"}
    ticks = [record for record in read(bootstrap, topics, Topic.CONTROL) if b'"ClockTick"' in record.value]
    assert len(ticks) == 2 * TICKS


def test_a_run_in_one_process_records_everything_and_its_journal_gives_its_events(
    bootstrap: str, topics: str, start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    ended(start("run", topics, *STORM, "--out", tmp_path / "run", "--quiet"))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["run"]["complete"], summary["run"]["ticks"]) == (True, TICKS)
    assert list(summary["venues"]) == ["alpha", "beta"]
    for topic in (Topic.ORDERS, Topic.EXECUTIONS, Topic.JOURNAL, Topic.ALERTS):
        lines = [
            line
            for number in (0, 1)
            for line in (tmp_path / "run" / f"{topic.value}.{number}.jsonl").read_bytes().splitlines()
        ]
        assert len(lines) == len(read(bootstrap, topics, topic)) > 0
    verified = CliRunner().invoke(liqstorm, ["replay", str(tmp_path / "run"), "--verify"], standalone_mode=False)
    assert verified.exception is None, verified.output
    again = complaint("run", *STORM, "--bootstrap", bootstrap, "--prefix", topics, "--out", str(tmp_path / "again"))
    assert "hold a run already" in again and "--prefix" in again
    assert not (tmp_path / "again").exists()


# waiting and ending --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_producer_says_what_it_waits_for_and_ends_when_it_is_told_to(
    topics: str, start: Callable[..., "subprocess.Popen[str]"], number: signal.Signals, status: int
) -> None:
    producer = start("produce", topics, *STORM)
    assert producer.stderr is not None
    said = json.loads(producer.stderr.readline())["waiting"]
    assert said.startswith("waiting for an engine to take the setup of alpha, for ")
    assert said.endswith("(`liqstorm engine` starts one)")
    assert ": 0 ticks, " in stopped(producer, number, status)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_keeps_what_it_has_and_says_where(
    topics: str, start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, number: signal.Signals
) -> None:
    run = start("run", topics, *STORM, "--speed", "5", "--out", tmp_path / "run", "--quiet")
    market = tmp_path / "run" / "market.0.jsonl"
    until(lambda: market.exists() and b"ClockTicked" in market.read_bytes())
    run.send_signal(number)
    _, err = ended(run, 128 + number)
    assert f"what was recorded until then is in {tmp_path / 'run'}" in err
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["run"]["complete"] is False


# what cannot begin ---------------------------------------------------------------------------------------------

VERBS: list[tuple[str, ...]] = [("engine",), ("consume",), ("produce", *STORM), ("run", *STORM)]
by_name = pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])


@by_name
def test_where_no_broker_answers_a_verb_says_in_one_sentence_what_to_do(words: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{free_port()}"
    said = complaint(*words, "--bootstrap", address)
    assert said.startswith(f"Cannot reach Kafka at {address} (")
    assert "Start one with `docker compose up -d kafka`" in said
    assert said.endswith("or leave --bootstrap out to run embedded.") == (words[0] == "run")


@by_name
def test_where_topics_are_missing_a_verb_says_how_they_are_made(
    bootstrap: str, prefix: str, words: tuple[str, ...]
) -> None:
    said = complaint(*words, "--bootstrap", bootstrap, "--prefix", prefix)
    assert f"`liqstorm topics create --bootstrap {bootstrap} --prefix {prefix}`" in said


def test_where_topics_differ_in_their_partitions_no_verb_begins(bootstrap: str, prefix: str) -> None:
    make(bootstrap, prefix, 2, odd=Topic.QUOTES)
    for words in VERBS:
        said = complaint(*words, "--bootstrap", bootstrap, "--prefix", prefix)
        assert f"{prefix}control has 2, {prefix}quotes 3" in said


def test_a_scenario_with_more_venues_than_partitions_does_not_begin(bootstrap: str, topics: str) -> None:
    said = complaint("produce", *STORM, "--set", "venue.copies=3", "--bootstrap", bootstrap, "--prefix", topics)
    assert "3 partitions are needed, the topics have 2" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("produce", *STORM, "--only", "MM9"), "there is no participant MM9 in hedged-portfolio."),
        (("consume", "--monitors", "dept"), "there is no monitor dept. Did you mean 'depth'?"),
        (("engine", "--follow", "2"), "there is no partition 2 to follow: the topics have 2."),
    ],
)
def test_a_name_or_number_that_is_none_is_answered_before_anything_begins(
    bootstrap: str, topics: str, words: tuple[str, ...], said: str
) -> None:
    assert complaint(*words, "--bootstrap", bootstrap, "--prefix", topics).startswith(said)
