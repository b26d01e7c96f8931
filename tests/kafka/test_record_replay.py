"""Record and replay on a real broker: what is recorded verifies; what is replayed is recorded with the same inputs."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from stream_engine.cli.main import liqstorm
from stream_engine.cli.recording import Recording, unwrapped
from stream_engine.cli.verify import verify
from stream_engine.engine import Engine
from stream_engine.messages.codec import decode_event
from stream_engine.messages.events import ClockTicked
from stream_engine.messages.inputs import ClockTick, MapVenue
from stream_engine.messages.topics import INTAKE, Topic
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Outgoing
from tests.test_engine import EIGHT, SECOND, a_market
from tests.test_replay import by_the_second, garbage, lines, record_into, sent

ROOT = Path(__file__).resolve().parents[2]


def call(*words: str | Path) -> str:
    result: Result = CliRunner().invoke(liqstorm, list(map(str, words)), standalone_mode=False)
    assert result.exception is None, result.exception
    return result.output


def complaint(*words: str | Path) -> str:
    result: Result = CliRunner().invoke(liqstorm, list(map(str, words)), standalone_mode=False)
    assert result.exception is not None, result.output
    return str(result.exception)


@contextmanager
def engines(bootstrap: str, prefix: str, partitions: int = 1) -> Iterator[None]:
    """Engines of all partitions, on a thread of their own, until the block is left."""
    done = threading.Event()
    failed: list[BaseException] = []

    async def run(partition: int) -> None:
        log = KafkaLog(KafkaSettings(bootstrap))
        engine = Engine(log, partition, prefix)
        try:
            while not done.is_set():
                await engine.cycle(wait_s=0.1)
        finally:
            await engine.close()
            await log.close()

    async def run_all() -> None:
        await asyncio.gather(*(run(partition) for partition in range(partitions)))

    def thread() -> None:
        try:
            asyncio.run(run_all())
        except BaseException as error:
            failed.append(error)

    runner = threading.Thread(target=thread)
    runner.start()
    try:
        yield
    finally:
        done.set()
        runner.join(30)
        assert not failed, failed


async def append(bootstrap: str, records: Sequence[Outgoing]) -> None:
    log = KafkaLog(KafkaSettings(bootstrap))
    await log.append(records)
    await log.close()


@pytest.fixture
def at(bootstrap: str, prefix: str) -> list[str]:
    """The options of every verb, with the topics made."""
    options = ["--bootstrap", bootstrap, "--prefix", prefix]
    call("topics", "create", "--partitions", "2", *options)
    return options


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Ten seconds of trading on a venue of each of two partitions, with a dead letter."""
    home = [sent(MapVenue("V2", EIGHT, 1), partition) for partition in (0, 1)]
    batches = [home, *by_the_second(a_market("V1"), 0), *by_the_second(a_market("V2"), 1)]
    return record_into(tmp_path / "market", [*batches, [garbage(Topic.ORDERS, b"\xff?")]], partitions=2)


def inputs(directory: Path, topic: Topic, partition: int) -> list[bytes]:
    return [unwrapped(line) for line in lines(directory / f"{topic.value}.{partition}.jsonl")]


def test_what_is_replayed_into_kafka_is_recorded_with_the_same_inputs_and_verifies(
    at: list[str], bootstrap: str, prefix: str, market: Path, tmp_path: Path
) -> None:
    with engines(bootstrap, prefix, 2):
        said = call("replay", market, *at)
        # It ends when all is taken.
        recorded = call("record", *at, "--out", tmp_path / "again", "--until-idle", "0.5")
    assert f"{2 * len(a_market()) + 3} inputs were sent" in said
    for topic in INTAKE:
        for partition in (0, 1):
            assert inputs(tmp_path / "again", topic, partition) == inputs(market, topic, partition)
    found = verify(Recording(tmp_path / "again"))
    assert found.dead_letters == 1
    assert found.event_log_sha256 in recorded
    assert found.inputs == 2 * len(a_market()) + 3

    positions = json.loads((tmp_path / "again" / "positions.json").read_text())
    records = len(inputs(tmp_path / "again", Topic.ORDERS, 0))
    assert positions["prefix"] == prefix
    assert positions["offsets"][prefix + "orders"][0] == [0, records]


async def test_what_was_broken_off_at_the_beginning_of_a_topic_hides_nothing_behind_it(
    bootstrap: str, prefix: str
) -> None:
    """The mark has the broker's time, and begins a new segment beside a record of 2025; a fetch ends with a segment."""
    admin = KafkaAdmin(KafkaSettings(bootstrap))
    await admin.create([prefix + "journal"], 1, {})
    await admin.close()
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": prefix + "journal"})
    await asyncio.to_thread(producer.init_transactions)
    for value, end in ((b"broken off", producer.abort_transaction), (b"kept", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(prefix + "journal", value, partition=0, timestamp=EIGHT // 1_000)
        await asyncio.to_thread(producer.flush)
        await asyncio.to_thread(end)
    log = KafkaLog(KafkaSettings(bootstrap))
    found = await log.read({(prefix + "journal", 0): 0}, 1)
    await log.close()
    assert [record.value for records in found.values() for record in records] == [b"kept"]


def test_topics_that_hold_a_run_take_no_replay(at: list[str], bootstrap: str, prefix: str, market: Path) -> None:
    asyncio.run(append(bootstrap, [Outgoing(prefix + "control", 1, b"", b"{}", 0)]))
    assert "hold a run already" in complaint("replay", market, *at)


def test_too_few_partitions_and_missing_topics_are_said(
    at: list[str], bootstrap: str, prefix: str, market: Path, tmp_path: Path
) -> None:
    few = ["--bootstrap", bootstrap, "--prefix", prefix + "few."]
    call("topics", "create", "--partitions", "1", *few)
    assert "2 partitions are needed, the topics have 1" in complaint("replay", market, *few)
    none = ["--bootstrap", bootstrap, "--prefix", prefix + "none."]
    fix = f"topics create --bootstrap {bootstrap} --prefix {prefix}none."
    assert fix in complaint("replay", market, *none)
    assert fix in complaint("record", "--out", tmp_path / "out", *none)
    assert not (tmp_path / "out").exists()


def test_each_round_of_a_loop_is_new_venues_rebased_to_its_own_moment(
    at: list[str], bootstrap: str, prefix: str, tmp_path: Path
) -> None:
    batches = [[sent(ClockTick("V1", EIGHT))], [sent(ClockTick("V1", EIGHT + SECOND // 10))]]
    short = record_into(tmp_path / "short", batches)
    with engines(bootstrap, prefix), running("replay", short, *at, "--loop", "--speed", "1", "--rebase", "now") as run:
        rounds = [(each.venue, each.ts_us) for each in asyncio.run(ticks(bootstrap, prefix, 5))]
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 130
    assert [venue for venue, _ in rounds[:5]] == ["V1", "V1", "V1-2", "V1-2", "V1-3"]
    stamps = [ts_us for _, ts_us in rounds]
    assert stamps == sorted(stamps)
    assert abs(stamps[0] / SECOND - time.time()) < 120


async def ticks(bootstrap: str, prefix: str, count: int) -> list[ClockTicked]:
    """The first so many ticks of the venues' clocks, once there are as many."""
    log = KafkaLog(KafkaSettings(bootstrap))
    at, position, found = (prefix + "market", 0), 0, list[ClockTicked]()
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                for record in (await log.read({at: position}, 100, 0.2)).get(at, []):
                    position = record.offset + 1
                    event = decode_event(record.value)
                    found += [event] if isinstance(event, ClockTicked) else []
    finally:
        await log.close()
    return found


@contextmanager
def running(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A verb as a process of its own; it is killed if the block leaves it running."""
    command = [sys.executable, "-m", "stream_engine", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_that_is_stopped_while_the_engine_works_ends_where_its_journal_ends(
    at: list[str], bootstrap: str, prefix: str, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    with engines(bootstrap, prefix), running("record", *at, "--out", out) as run:
        endless = itertools.chain(
            a_market(), (ClockTick("V1", EIGHT + second * SECOND) for second in itertools.count(10))
        )
        stopped = False
        while run.poll() is None:
            some = [sent(received) for received in itertools.islice(endless, 5)]
            here = [Outgoing(prefix + each.topic, 0, each.key, each.value, each.timestamp_us) for each in some]
            asyncio.run(append(bootstrap, here))
            if not stopped and (out / "market.0.jsonl").exists() and lines(out / "market.0.jsonl"):
                run.send_signal(number)
                stopped = True
        said, complained = run.communicate(timeout=20)
        assert run.returncode == 0, complained
    found = verify(Recording(out))
    assert found.events > 0
    assert found.event_log_sha256 in said


def test_some_topics_alone_are_recorded(at: list[str], bootstrap: str, prefix: str, tmp_path: Path) -> None:
    asyncio.run(append(bootstrap, [Outgoing(prefix + "orders", 1, b"", b"{}", 0)]))
    said = call("record", *at, "--topics", "orders,labels", "--out", tmp_path / "out", "--until-idle", "0.2")
    assert said.startswith("1 record in ")
    files = {path.name for path in (tmp_path / "out").glob("*.jsonl")}
    assert files == {"orders.0.jsonl", "orders.1.jsonl", "labels.0.jsonl", "labels.1.jsonl"}
    assert "Did you mean 'orders'" in complaint("record", *at, "--topics", "order")


def test_nothing_is_recorded_over(at: list[str], tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    assert "not empty" in complaint("record", *at, "--out", tmp_path, "--until-idle", "0.1")
