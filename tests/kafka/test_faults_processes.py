"""Faults of whole processes and of the broker, under load: nothing lost, nothing twice, and it goes on afterwards."""

import asyncio
import signal
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from stream_engine.messages.topics import Topic
from stream_engine.transport.kafka import PARTITION_FETCH_BYTES, KafkaLog, KafkaSettings
from tests.kafka.broker import Broker
from tests.kafka.engines import (
    ENDS_WITHIN_S,
    Engines,
    Load,
    Process,
    Progress,
    assert_exact,
    assert_verified,
    ended,
    faulty,
    frozen,
    records_of,
)
from tests.kafka.load import Sent, Storm, create_topics, delete_topic, send

SESSION_S = 6.0
FENCED = "Fenced: another writer has taken the name"


@pytest.mark.parametrize(
    "step",
    [
        "after:intake:3",
        pytest.param("before:commit:3", marks=pytest.mark.prove),
        "before:Produce:3",
        pytest.param("before:TxnOffsetCommit:3", marks=pytest.mark.prove),
        "before:EndTxn:3",
    ],
)
def test_a_zombie_that_comes_back_is_fenced_off_and_says_so(bootstrap: str, prefix: str, step: str) -> None:
    create_topics(bootstrap, prefix)
    sent = send(bootstrap, prefix, Storm(11).seconds(6))
    with frozen(bootstrap, prefix, step) as zombie:
        code, said = ended(faulty(bootstrap, prefix))
        assert code == 0, said
        zombie.send_signal(signal.SIGCONT)
        code, said = ended(zombie)
    assert code == 1 and FENCED in said, f"it ended with {code}: {said}"
    assert_exact(bootstrap, prefix, sent)


def test_of_engines_that_start_at_once_one_is_left_and_the_others_say_why(bootstrap: str, prefix: str) -> None:
    create_topics(bootstrap, prefix)
    sent = send(bootstrap, prefix, Storm(19).seconds(10))
    at_once = [faulty(bootstrap, prefix, "--limit", "10") for _ in range(4)]
    ends = [ended(engine) for engine in at_once]
    assert 0 in [code for code, _ in ends], ends
    for code, said in ends:
        assert code == 0 or (code == 1 and FENCED in said), f"it ended with {code}: {said}"
    assert_exact(bootstrap, prefix, sent)


@pytest.mark.parametrize(
    "step",
    [
        "after:InitProducerId:1",
        pytest.param("after:OffsetFetch:1", marks=pytest.mark.prove),
        pytest.param("after:Offset:2", marks=pytest.mark.prove),
        "after:journal:1",
        pytest.param("before:intake:1", marks=pytest.mark.prove),
    ],
)
def test_an_engine_that_is_fenced_off_while_it_starts_says_that_and_nothing_else(
    bootstrap: str, prefix: str, step: str
) -> None:
    create_topics(bootstrap, prefix)
    storm = Storm(21)
    sent = send(bootstrap, prefix, storm.seconds(3))
    code, said = ended(faulty(bootstrap, prefix))
    assert code == 0, said
    sent += send(bootstrap, prefix, storm.seconds(3))
    with frozen(bootstrap, prefix, step) as overtaken:
        code, said = ended(faulty(bootstrap, prefix))
        assert code == 0, said
        sent += send(bootstrap, prefix, storm.second())
        overtaken.send_signal(signal.SIGCONT)
        code, said = ended(overtaken)
    assert code == 1 and FENCED in said, f"it ended with {code}: {said}"
    code, said = ended(faulty(bootstrap, prefix))
    assert code == 0, said
    assert_exact(bootstrap, prefix, sent)


def test_a_transaction_that_takes_longer_than_its_timeout_is_as_if_it_had_not_been(bootstrap: str, prefix: str) -> None:
    create_topics(bootstrap, prefix)
    sent = send(bootstrap, prefix, Storm(20).seconds(4))
    with frozen(bootstrap, prefix, "before:EndTxn:3", "--transaction-timeout", "3") as slow:
        open_s, open_at = time.monotonic(), asyncio.run(end_of(bootstrap, prefix, Topic.JOURNAL))
        while asyncio.run(end_of(bootstrap, prefix, Topic.JOURNAL)) == open_at:
            assert time.monotonic() - open_s < ENDS_WITHIN_S, "the broker does not break the transaction off"
            time.sleep(0.1)
        slow.send_signal(signal.SIGCONT)
        code, said = ended(slow)
    assert code == 1 and f"{FENCED}, or the transaction took too long" in said, f"it ended with {code}: {said}"
    code, said = ended(faulty(bootstrap, prefix))
    assert code == 0, said
    assert_exact(bootstrap, prefix, sent)


async def end_of(bootstrap: str, prefix: str, topic: Topic) -> int:
    """Where partition 0 of a topic ends for whoever reads what is committed: an open transaction holds it up."""
    log, at = KafkaLog(KafkaSettings(bootstrap)), (prefix + topic.value, 0)
    try:
        return (await log.ends([at]))[at]
    finally:
        await log.close()


def test_a_process_that_stood_still_hands_its_partitions_over_and_publishes_nothing_more(
    bootstrap: str, prefix: str
) -> None:
    create_topics(bootstrap, prefix, 2)
    load = Load(bootstrap, prefix, [Storm(12, "V1", 0), Storm(12, "V2", 1)], every_s=0.08)
    progress = Progress(bootstrap, prefix, 2)
    with Engines(bootstrap, prefix) as engines:
        zombie = engines.start()
        load.start()
        progress.wait(200, 40)
        zombie.send(signal.SIGSTOP)
        engines.start("--follow", "all")
        progress.wait(progress.taken() + 400, SESSION_S + 10)
        zombie.send(signal.SIGCONT)
        progress.wait(progress.taken() + 400, 40)
        progress.wait(sent := load.finish(), 40)
        assert [engine.stop() for engine in engines.running] == [0, 0]
    progress.close()
    assert_exact(bootstrap, prefix, sent)


def test_engines_go_on_after_the_broker_was_killed_and_came_back(
    own_broker: Broker, prefix: str, tmp_path: Path
) -> None:
    create_topics(own_broker.bootstrap, prefix)
    load = Load(own_broker.bootstrap, prefix, [Storm(13)], every_s=0.1)
    progress = Progress(own_broker.bootstrap, prefix, 1)
    with Engines(own_broker.bootstrap, prefix) as engines:
        engine = engines.start()
        load.start()
        progress.wait(progress.taken() + 200, 40)
        own_broker.kill()
        time.sleep(0.5)
        own_broker.start()
        progress.wait(sent := load.finish(), 40)
        assert engine.stop() == 0
    progress.close()
    assert_exact(own_broker.bootstrap, prefix, sent)
    assert_verified(own_broker.bootstrap, prefix, tmp_path / "recorded")


def test_partitions_that_move_under_load_lose_nothing(bootstrap: str, prefix: str, tmp_path: Path) -> None:
    create_topics(bootstrap, prefix, 4)
    storms = [Storm(14, f"V{number}", number) for number in range(4)]
    load = Load(bootstrap, prefix, storms, every_s=0.2)
    progress = Progress(bootstrap, prefix, 4)
    with Engines(bootstrap, prefix) as engines:
        engines.start()
        load.start()
        progress.wait(400, 40)
        joins = engines.start()
        joins.wait_until_it_says("an engine starts")
        progress.wait(progress.taken() + 400, 40)
        assert joins.stop() == 0
        engines.start().wait_until_it_says("an engine starts")
        progress.wait(progress.taken() + 400, 40)
        progress.wait(sent := load.finish(), 40)
        assert [engine.stop() for engine in engines.running if engine.is_running] == [0, 0]
    progress.close()
    assert_exact(bootstrap, prefix, sent)
    assert_verified(bootstrap, prefix, tmp_path / "recorded")


def test_topics_with_differing_partitions_are_refused_at_the_start(bootstrap: str, prefix: str) -> None:
    create_topics(bootstrap, prefix, 2, short=Topic.QUOTES)
    refused = Process("engine", "--bootstrap", bootstrap, "--prefix", prefix)
    assert refused.wait() == 1, refused.said()
    assert f"{prefix}quotes has 1" in refused.said()


def test_an_engine_whose_topic_is_made_anew_stops_and_says_which(bootstrap: str, prefix: str) -> None:
    create_topics(bootstrap, prefix)
    sent = send(bootstrap, prefix, Storm(15).seconds(3))
    progress = Progress(bootstrap, prefix, 1)
    with Engines(bootstrap, prefix) as engines:
        engine = engines.start()
        progress.wait(sent, 40)
        delete_topic(bootstrap, prefix, Topic.ORDERS)
        create_topics(bootstrap, prefix, only=Topic.ORDERS)
        send(bootstrap, prefix, Storm(16).second())
        assert engine.wait() == 1
        assert f"{prefix}orders" in engine.said() and "the topic was made anew" in engine.said()
    progress.close()


@pytest.mark.prove  # in memory: tests/test_recovery.py
def test_an_engine_that_starts_on_a_topic_that_was_made_anew_says_which(bootstrap: str, prefix: str) -> None:
    create_topics(bootstrap, prefix)
    send(bootstrap, prefix, Storm(15).seconds(3))
    code, said = ended(faulty(bootstrap, prefix))
    assert code == 0, said
    delete_topic(bootstrap, prefix, Topic.ORDERS)
    create_topics(bootstrap, prefix, only=Topic.ORDERS)
    with Engines(bootstrap, prefix) as engines:
        again = engines.start()
        assert again.wait() == 1
        assert f"{prefix}orders" in again.said() and "the topic was made anew" in again.said()


# snapshots ---------------------------------------------------------------------------------------------------


def parts_of(bootstrap: str, prefix: str) -> list[bytes]:
    """The records of the topic of snapshots."""
    return [record.value for record in records_of(bootstrap, prefix, Topic.SNAPSHOTS)]


def flipped(part: bytes) -> bytes:
    """The same part with one character of its state another one."""
    at = part.index(b'"state":"') + 100
    return part[:at] + (b"B" if part[at : at + 1] == b"A" else b"A") + part[at + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda parts: [parts[0], *(flipped(part) for part in parts[1:])],
        lambda parts: [b"", b"not json", b"\xff\x00", *(part[: len(part) // 2] for part in parts)],
        lambda parts: [],
    ],
    ids=["bent", "rubbish and cut off", "gone"],
)
def test_an_engine_resumes_whatever_became_of_the_snapshots(
    bootstrap: str, prefix: str, spoil: Callable[[list[bytes]], list[bytes]]
) -> None:
    create_topics(bootstrap, prefix)
    storm = Storm(17)
    sent = send(bootstrap, prefix, storm.seconds(5))
    code, said = ended(faulty(bootstrap, prefix, "--snapshots", "4"))
    assert code == 0, said
    parts = parts_of(bootstrap, prefix)
    assert parts
    delete_topic(bootstrap, prefix, Topic.SNAPSHOTS)
    create_topics(bootstrap, prefix, only=Topic.SNAPSHOTS)
    send(bootstrap, prefix, [Sent(Topic.SNAPSHOTS, "V1", part, 0) for part in spoil(parts)])
    sent += send(bootstrap, prefix, storm.second())
    code, said = ended(faulty(bootstrap, prefix))
    assert code == 0, said
    assert_exact(bootstrap, prefix, sent)


# who reads slowly --------------------------------------------------------------------------------------------


async def test_who_reads_slowly_holds_little_of_what_waits_and_holds_up_nobody(bootstrap: str, prefix: str) -> None:
    create_topics(bootstrap, prefix)
    waiting = [Sent(Topic.EXECUTIONS, "V2", b"%01000d" % number, 0) for number in range(24_000)]
    send(bootstrap, prefix, waiting)
    at = (prefix + Topic.EXECUTIONS.value, 0)
    log, position = KafkaLog(KafkaSettings(bootstrap)), 0
    tracemalloc.start()
    for _ in range(10):
        records = (await log.read({at: position}, 10))[at]
        position = records[-1].offset + 1
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    whole = sum(len(each.value) for each in waiting)
    assert most < 3 * PARTITION_FETCH_BYTES < whole, f"{most} bytes are held for a reader of a hundred records"
    sent = send(bootstrap, prefix, Storm(18).seconds(3))
    code, said = ended(faulty(bootstrap, prefix))
    assert code == 0, said
    while found := (await log.read({at: position}, 10_000)).get(at):
        position = found[-1].offset + 1
    await log.close()
    executions = records_of(bootstrap, prefix, Topic.EXECUTIONS)
    assert position == executions[-1].offset + 1 and len(executions) > len(waiting)
    progress = Progress(bootstrap, prefix, 1)
    assert progress.taken() == sent
    progress.close()
