"""The checker can fail: each protection is taken away in turn, its fault provoked, and the checker finds what follows.

Every fault is provoked twice, on a real broker: with the protection, where what the topics hold stays exact, and
without it. What is taken away is taken away here: the product has no switch for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from stream_engine.engine import Engine
from stream_engine.journal import JournalError
from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import ClockTick
from stream_engine.messages.topics import Topic
from stream_engine.transport import kafka
from stream_engine.transport.kafka import KafkaLog, KafkaSettings, KafkaWriter
from stream_engine.transport.protocol import Fenced, LogError, Outgoing, Positions, TooLarge, Unreachable, Writer
from tests.kafka.checker import check, read
from tests.kafka.engines import assert_exact, records_of
from tests.kafka.ledger import Violated
from tests.kafka.load import QUIET, Sent, Storm, create_topics, delete_topic, send
from tests.kafka.proxy import Api, Proxy

LIMIT = 30  # records of a topic in a cycle

Fault = Callable[["Stage"], Awaitable[None]]


class Died(Exception):
    """Stands for the end of a process: nothing of it goes on."""


class Stage:
    """The topics of a run with a load on them, and the engines that a test starts there."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.storm = Storm(5)
        self.sent = 0
        self._logs: list[KafkaLog] = []

    def send(self, records: Sequence[Sent]) -> None:
        self.sent += send(self.bootstrap, self.prefix, records)

    def engine(self, bootstrap: str = "") -> Engine:
        """An engine with connections of its own."""
        self._logs.append(KafkaLog(KafkaSettings(bootstrap or self.bootstrap)))
        return Engine(self._logs[-1], 0, self.prefix)

    async def finish(self) -> None:
        """A successor takes what is left."""
        left = True
        while left:
            engine = self.engine()
            with suppress(Unreachable):  # a broker was slow, guard D: another successor
                while left:
                    left = bool(await engine.cycle(LIMIT)) or await engine.behind()
            await engine.close()

    def assert_exact(self) -> None:
        assert_exact(self.bootstrap, self.prefix, self.sent)

    def violated(self) -> str:
        """The invariant that the checker finds violated."""
        with pytest.raises(Violated) as found:
            list(check(read(self.bootstrap, self.prefix)))
        return found.value.invariant

    async def close(self) -> None:
        for log in self._logs:
            await log.close()


@pytest.fixture
async def stage(bootstrap: str, prefix: str) -> AsyncIterator[Stage]:
    create_topics(bootstrap, prefix)
    stage = Stage(bootstrap, prefix)
    stage.send(list(stage.storm.seconds(4)))
    yield stage
    await stage.close()


# the offsets in the transaction ------------------------------------------------------------------------------


async def an_engine_dies_before_the_end_of_its_transaction(stage: Stage) -> None:
    engine = stage.engine()
    await engine.cycle(LIMIT)
    writer = engine._writer
    assert isinstance(writer, KafkaWriter)

    async def died() -> None:
        raise Died

    writer._producer.commit_transaction = died
    with pytest.raises(Died):
        await engine.cycle(LIMIT)


async def test_an_engine_that_dies_before_the_end_of_its_transaction_has_done_nothing(stage: Stage) -> None:
    await an_engine_dies_before_the_end_of_its_transaction(stage)
    await stage.finish()
    stage.assert_exact()


async def test_with_the_offsets_outside_the_transaction_its_inputs_are_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = KafkaWriter.commit

    async def offsets_first(writer: KafkaWriter, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        consumer = Consumer(QUIET | {"bootstrap.servers": stage.bootstrap, "group.id": group})
        consumer.commit(offsets=[TopicPartition(*at, offset) for at, offset in offsets.items()], asynchronous=False)
        consumer.close()
        await commit(writer, records, group, {})

    monkeypatch.setattr(KafkaWriter, "commit", offsets_first)
    await an_engine_dies_before_the_end_of_its_transaction(stage)
    assert stage.violated() == "I1"
    with pytest.raises(JournalError, match="is committed, the journal ends at"):
        await stage.engine().start()


# guard A and B: a refused record -----------------------------------------------------------------------------


def take_at_most(stage: Stage, topic: Topic, most: int) -> None:
    """The broker refuses batches of the topic that are larger."""
    entry = ConfigEntry("max.message.bytes", str(most), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, stage.prefix + topic.value, incremental_configs=[entry])
    admin = AdminClient(QUIET | {"bootstrap.servers": stage.bootstrap})
    [altered] = admin.incremental_alter_configs([resource]).values()
    altered.result(10)


async def the_broker_refuses_events(stage: Stage) -> Engine:
    engine = stage.engine()
    await engine.cycle(LIMIT)
    take_at_most(stage, Topic.EXECUTIONS, 500)
    try:
        await engine.cycle(LIMIT)
    finally:
        take_at_most(stage, Topic.EXECUTIONS, 1_000_000)
    return engine


async def test_events_that_the_broker_refuses_take_their_commit_with_them(stage: Stage) -> None:
    with pytest.raises(TooLarge):
        await the_broker_refuses_events(stage)
    await stage.finish()
    stage.assert_exact()


async def test_without_guard_a_inputs_are_taken_and_not_answered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def send_and_forget(producer: object, batches: dict[tuple[str, int], list[object]]) -> None:
        for at, ordered in batches.items():
            for sent in await kafka._send_in_order(producer, at, ordered):
                sent.add_done_callback(lambda future: future.exception())

    monkeypatch.setattr(kafka, "_send", send_and_forget)
    monkeypatch.setattr(kafka, "_count_tries_to_end", lambda producer: [])  # guard D, which a slow broker sets off
    await (await the_broker_refuses_events(stage)).close()
    assert stage.violated() == "I1"


async def test_without_guard_b_an_engine_that_goes_on_after_a_refusal_leaves_a_gap(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def aborted(writer: KafkaWriter, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        batches = kafka._batches(writer._producer, records)
        try:
            await writer._transaction(batches, group, offsets)
        except kafka.kafka_errors.KafkaError:  # type: ignore[attr-defined]
            await writer._producer.abort_transaction()  # and on, with the same producer

    monkeypatch.setattr(KafkaWriter, "commit", aborted)
    engine = await the_broker_refuses_events(stage)
    while await engine.cycle(LIMIT):  # the rest of the load: its executions are refused, out of sequence
        pass
    stage.send([Sent(Topic.CONTROL, "V1", encode(ClockTick("V1", stage.storm.second()[0].ts_us)), 0)])
    assert await engine.cycle(LIMIT) == 1
    await engine.close()
    assert stage.violated() == "I2"


# guard C: who has been replaced ------------------------------------------------------------------------------


async def a_zombie_comes_back(stage: Stage) -> None:
    zombie, successor = stage.engine(), stage.engine()
    await zombie.cycle(LIMIT)
    await successor.cycle(LIMIT)
    try:
        await zombie.cycle(LIMIT)
    finally:
        await zombie.close()
        await successor.close()


async def test_who_comes_back_after_its_successor_has_begun_publishes_nothing(stage: Stage) -> None:
    with pytest.raises(Fenced):
        await a_zombie_comes_back(stage)
    await stage.finish()
    stage.assert_exact()


async def test_without_guard_c_both_publish_what_follows_from_the_same_inputs(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = KafkaLog.writer

    async def of_its_own(log: KafkaLog, name: str) -> KafkaWriter:
        return await take(log, f"{name}-{id(log)}")

    monkeypatch.setattr(KafkaLog, "writer", of_its_own)
    await a_zombie_comes_back(stage)
    assert stage.violated() == "I2"


# guard D: the end of a transaction that comes late -----------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests time out after half a second, and transactions are given up after three."""
    monkeypatch.setattr(kafka, "REQUEST_TIMEOUT_S", 0.5)
    monkeypatch.setattr(kafka, "DEADLINE_S", 3.0)


async def the_end_of_a_transaction_comes_amid_the_next(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Proxy(stage.bootstrap) as proxy:
        engine = stage.engine(proxy.bootstrap)
        await engine.start()
        late = proxy.fault(Api.END_TXN, "request", "hold")
        await engine.cycle(LIMIT)
        assert late.count == 1
        send_whole = kafka._send

        async def half(producer: object, batches: dict[tuple[str, int], list[object]]) -> None:
            first = next(iter(batches))
            await send_whole(producer, {first: batches[first]})
            before = await engine._log.ends([first])
            late.release()
            while await engine._log.ends([first]) == before:
                await asyncio.sleep(0.02)
            raise Died

        with monkeypatch.context() as patched:
            patched.setattr(kafka, "_send", half)
            with pytest.raises((Died, LogError)):
                await engine.cycle(LIMIT)
        await engine.close()
    await stage.finish()


async def test_a_late_end_does_not_end_the_next_transaction(
    stage: Stage, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await the_end_of_a_transaction_comes_amid_the_next(stage, monkeypatch)
    stage.assert_exact()


async def test_without_guard_d_a_late_end_publishes_half_a_cycle(
    stage: Stage, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_count_tries_to_end", lambda producer: [])
    await the_end_of_a_transaction_comes_amid_the_next(stage, monkeypatch)
    assert stage.violated() in ("I1", "I2")


# the start order ---------------------------------------------------------------------------------------------


async def the_predecessor_commits_just_before_it_is_fenced_off(stage: Stage) -> None:
    predecessor, successor = stage.engine(), stage.engine()
    await predecessor.cycle(LIMIT)
    log = successor._log
    # A broker that is busy shows a commit a moment later, the offsets and the journal each at its own time.
    offsets = {lane.at: lane.next for lane in predecessor._lanes if lane.next}
    while await log.committed(predecessor.group, offsets) != offsets:
        await asyncio.sleep(0.01)
    while not await log.read({predecessor._journal: 0}, 1):
        await asyncio.sleep(0.01)
    take = log.writer

    async def after_another_commit(name: str) -> Writer:
        await predecessor.cycle(LIMIT)
        return await take(name)

    log.writer = after_another_commit  # type: ignore[method-assign]
    await successor.cycle(LIMIT)
    await successor.close()
    await predecessor.close()


async def test_a_successor_takes_up_what_its_predecessor_committed_to_the_last(stage: Stage) -> None:
    await the_predecessor_commits_just_before_it_is_fenced_off(stage)
    await stage.finish()
    stage.assert_exact()


async def test_what_is_read_before_the_fence_is_taken_twice(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journal and offsets are read before the name is taken: they agree, so that no assertion sees it."""

    async def too_early(engine: Engine) -> None:
        committed = await engine._log.committed(engine.group, [lane.at for lane in engine._lanes])
        await engine._catch_up(committed)
        engine._writer = await engine._log.writer(engine._name)

    monkeypatch.setattr(Engine, "start", too_early)
    await the_predecessor_commits_just_before_it_is_fenced_off(stage)
    assert stage.violated() == "I2"


async def test_offsets_that_are_read_before_the_fence_stop_an_engine_that_sees_more_in_the_journal(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_early(engine: Engine) -> None:
        committed = await engine._log.committed(engine.group, [lane.at for lane in engine._lanes])
        engine._writer = await engine._log.writer(engine._name)
        await engine._catch_up(committed)

    monkeypatch.setattr(Engine, "start", too_early)
    with pytest.raises(JournalError, match="is committed, the journal ends at"):
        await the_predecessor_commits_just_before_it_is_fenced_off(stage)


# the chain ---------------------------------------------------------------------------------------------------


async def test_an_altered_journal_record_is_found_by_its_hash_and_by_who_starts_on_it(stage: Stage) -> None:
    await stage.finish()
    stage.assert_exact()
    values = [record.value for record in records_of(stage.bootstrap, stage.prefix, Topic.JOURNAL)]
    values[1] = values[1].replace(b'"size":', b'"size":1', 1)
    delete_topic(stage.bootstrap, stage.prefix, Topic.JOURNAL)
    create_topics(stage.bootstrap, stage.prefix, only=Topic.JOURNAL)
    send(stage.bootstrap, stage.prefix, [Sent(Topic.JOURNAL, "", value, 0) for value in values])
    assert stage.violated() == "I2"
    with pytest.raises(JournalError, match="journal record 1: its hash does not follow"):
        await stage.engine().start()
