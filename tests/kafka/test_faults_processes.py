"""Faults of whole processes and of the broker, under load: nothing lost, nothing twice, and it goes on afterwards."""

import signal
import time

import pytest

from stream_engine.messages.topics import Topic
from tests.kafka.broker import Broker
from tests.kafka.engines import (
    Engines,
    Load,
    Process,
    Progress,
    assert_exact,
    ended,
    faulty,
    stands_still,
)
from tests.kafka.load import Storm, create_topics, send

SESSION_S = 6.0


@pytest.mark.parametrize(
    "step",
    ["after:intake:3", "before:commit:3", "before:Produce:3", "before:TxnOffsetCommit:3", "before:EndTxn:3"],
)
def test_a_zombie_that_comes_back_is_fenced_off_and_says_so(bootstrap: str, prefix: str, step: str) -> None:
    create_topics(bootstrap, prefix)
    sent = send(bootstrap, prefix, Storm(11).seconds(6))
    zombie = faulty(bootstrap, prefix, "--freeze", step)
    assert stands_still(zombie)
    code, said = ended(faulty(bootstrap, prefix))
    assert code == 0, said
    zombie.send_signal(signal.SIGCONT)
    code, said = ended(zombie)
    assert code == 1 and "Fenced: another writer has taken the name" in said
    assert_exact(bootstrap, prefix, sent)


def test_a_process_that_stood_still_hands_its_partitions_over_and_publishes_nothing_more(
    bootstrap: str, prefix: str
) -> None:
    create_topics(bootstrap, prefix, 2)
    load = Load(bootstrap, prefix, [Storm(12, "V1", 0), Storm(12, "V2", 1)], every_s=0.08)
    progress = Progress(bootstrap, prefix, 2)
    with Engines(bootstrap, prefix) as engines:
        zombie = engines.start()
        load.start()
        progress.wait(200, 20)
        zombie.send(signal.SIGSTOP)
        engines.start("--follow", "all")
        progress.wait(progress.taken() + 400, SESSION_S + 10)
        zombie.send(signal.SIGCONT)
        progress.wait(progress.taken() + 400, 20)
        progress.wait(sent := load.finish(), 20)
        assert [engine.stop() for engine in engines.running] == [0, 0]
    progress.close()
    assert_exact(bootstrap, prefix, sent)


def test_engines_go_on_after_the_broker_was_killed_and_came_back(own_broker: Broker, prefix: str) -> None:
    create_topics(own_broker.bootstrap, prefix)
    load = Load(own_broker.bootstrap, prefix, [Storm(13)], every_s=0.1)
    progress = Progress(own_broker.bootstrap, prefix, 1)
    with Engines(own_broker.bootstrap, prefix) as engines:
        engine = engines.start()
        load.start()
        for _ in range(2):
            progress.wait(progress.taken() + 200, 40)
            own_broker.kill()
            time.sleep(0.5)
            own_broker.start()
        progress.wait(sent := load.finish(), 40)
        assert engine.stop() == 0
    progress.close()
    assert_exact(own_broker.bootstrap, prefix, sent)


def test_partitions_that_move_under_load_lose_nothing(bootstrap: str, prefix: str) -> None:
    create_topics(bootstrap, prefix, 4)
    storms = [Storm(14, f"V{number}", number) for number in range(4)]
    load = Load(bootstrap, prefix, storms, every_s=0.05)
    progress = Progress(bootstrap, prefix, 4)
    with Engines(bootstrap, prefix) as engines:
        engines.start()
        load.start()
        progress.wait(400, 20)
        joins = engines.start()
        joins.wait_until_it_says("an engine starts")
        progress.wait(progress.taken() + 800, 20)
        assert joins.stop() == 0
        engines.start().wait_until_it_says("an engine starts")
        progress.wait(progress.taken() + 400, 20)
        progress.wait(sent := load.finish(), 20)
        assert [engine.stop() for engine in engines.running if engine.is_running] == [0, 0]
    progress.close()
    assert_exact(bootstrap, prefix, sent)


def test_topics_with_differing_partitions_are_refused_at_the_start(bootstrap: str, prefix: str) -> None:
    create_topics(bootstrap, prefix, 2, short=Topic.QUOTES)
    refused = Process("engine", "--bootstrap", bootstrap, "--prefix", prefix)
    assert refused.wait() == 1
    assert f"{prefix}quotes has 1" in refused.said()
