"""The four guards of the log on Kafka: each fault is provoked with its guard, and without it, where the rule breaks."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stream_engine.transport import kafka
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Fenced, LogError, Outgoing, TooLarge, Unreachable
from tests.kafka.proxy import Api, Proxy

SMALL = 2_000  # what the topic `small` takes


class Stage:
    """Two topics under a prefix, a log that reads them, and what is in them."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.prefix = prefix
        self.settings = KafkaSettings(bootstrap)
        self.log = KafkaLog(self.settings)

    def record(self, value: bytes, topic: str = "orders") -> Outgoing:
        return Outgoing(self.prefix + topic, 0, b"V1", value, 1_760_126_400_000_000)

    def orders(self, offset: int) -> dict[tuple[str, int], int]:
        return {(self.prefix + "orders", 0): offset}

    async def values(self, topic: str = "orders") -> list[bytes]:
        """All that can be read once every transaction of `engine-0` has ended."""
        await (await self.log.writer(self.prefix + "engine-0")).close()
        at, position, found = (self.prefix + topic, 0), 0, []
        while more := (await self.log.read({at: position}, 100)).get(at):
            found += [record.value for record in more]
            position = more[-1].offset + 1
        return found

    async def committed(self) -> int | None:
        at = (self.prefix + "orders", 0)
        return (await self.log.committed(self.prefix + "engine", [at])).get(at)


@pytest.fixture
async def stage(bootstrap: str, prefix: str) -> AsyncIterator[Stage]:
    admin = KafkaAdmin(KafkaSettings(bootstrap))
    kept = {"retention.ms": "-1"}  # event time lies in the past: records would expire at once
    configs = {prefix + "orders": kept, prefix + "small": kept | {"max.message.bytes": str(SMALL)}}
    await admin.create(configs, 1, configs)
    await admin.close()
    stage = Stage(bootstrap, prefix)
    yield stage
    await stage.log.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests time out after half a second, and transactions are given up after two."""
    monkeypatch.setattr(kafka, "REQUEST_TIMEOUT_S", 0.5)
    monkeypatch.setattr(kafka, "DEADLINE_S", 2.0)


# A: a record that the broker refuses inside a transaction


async def a_refused_record_takes_its_commit_with_it(stage: Stage) -> None:
    writer = await stage.log.writer(stage.prefix + "engine-0")
    records = [stage.record(b"a"), stage.record(b"x" * 2 * SMALL, "small")]
    try:
        await writer.commit(records, stage.prefix + "engine", stage.orders(1))
    except TooLarge:
        pass
    finally:
        await writer.close()
    assert len(await stage.values()) == len(await stage.values("small")) == (await stage.committed() or 0)


async def test_a_refused_record_takes_its_commit_with_it(stage: Stage) -> None:
    await a_refused_record_takes_its_commit_with_it(stage)


async def test_without_guard_a_the_commit_goes_through_without_the_record(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send_and_forget(producer, batches) -> None:
        for at, ordered in batches.items():
            await kafka._send_in_order(producer, at, ordered)

    monkeypatch.setattr(kafka, "_send", send_and_forget)
    with pytest.raises(AssertionError, match="assert 1 == 0"):
        await a_refused_record_takes_its_commit_with_it(stage)


# B: what comes after a refusal


async def after_a_refusal_the_next_append_goes_on(stage: Stage) -> None:
    await stage.log.append([stage.record(b"a", "small")])
    with pytest.raises(TooLarge):
        await stage.log.append([stage.record(b"x" * 2 * SMALL, "small")])
    await stage.log.append([stage.record(b"b", "small")])
    assert await stage.values("small") == [b"a", b"b"]


async def test_after_a_refusal_the_next_append_goes_on(stage: Stage) -> None:
    await after_a_refusal_the_next_append_goes_on(stage)


async def test_without_guard_b_every_append_after_a_refusal_is_refused(
    stage: Stage, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.log.append([stage.record(b"0")])
    producer, drop = stage.log._producer, kafka._drop

    async def kept(wedged) -> None:
        stage.log._producer = wedged

    monkeypatch.setattr(kafka, "_drop", kept)
    try:
        with pytest.raises(Unreachable):
            await after_a_refusal_the_next_append_goes_on(stage)
    finally:
        monkeypatch.setattr(kafka, "_drop", drop)
        assert stage.log._producer is producer


@pytest.mark.parametrize(("over", "taken"), [(-1, True), (0, True), (1, False)])
async def test_a_record_over_the_limit_is_refused_before_anything_is_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, over: int, taken: bool
) -> None:
    overhead = 13  # of this record, as the client counts it: lengths, timestamp, offset, key
    monkeypatch.setattr(kafka, "MAX_RECORD_BYTES", 10_000)
    writer = await stage.log.writer(stage.prefix + "engine-0")
    records = [stage.record(b"a"), stage.record(b"x" * (10_000 - overhead + over))]
    if taken:
        await writer.commit(records, stage.prefix + "engine", stage.orders(1))
    else:
        with pytest.raises(TooLarge, match="10001 bytes"):
            await writer.commit(records, stage.prefix + "engine", stage.orders(1))
        with pytest.raises(TooLarge, match="10001 bytes"):
            await stage.log.append(records)
        await writer.commit([stage.record(b"b")], stage.prefix + "engine", stage.orders(1))
    await writer.close()
    assert [len(value) for value in await stage.values()] == ([1, 10_000 - overhead + over] if taken else [1])


# C: who has been replaced


async def a_successor_ends_its_predecessor(stage: Stage, zombie: str, successor: str) -> None:
    first = await stage.log.writer(stage.prefix + zombie)
    second = await stage.log.writer(stage.prefix + successor)
    await second.commit([stage.record(b"a")], stage.prefix + "engine", stage.orders(1))
    try:
        await first.commit([stage.record(b"a")], stage.prefix + "engine", stage.orders(1))
    except Fenced:
        pass
    finally:
        await first.close()
        await second.close()
    assert await stage.values() == [b"a"]


async def test_a_successor_ends_its_predecessor(stage: Stage) -> None:
    await a_successor_ends_its_predecessor(stage, "engine-0", "engine-0")


async def test_without_guard_c_both_commit_the_same(stage: Stage) -> None:
    with pytest.raises(AssertionError, match=r"\[b'a', b'a'\] == \[b'a'\]"):
        await a_successor_ends_its_predecessor(stage, "engine-0-of-another-process", "engine-0")


# D: the end of a transaction, or its offsets, that come late


async def a_late_end_of_a_transaction_does_not_end_the_next(stage: Stage) -> None:
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        writer = await log.writer(stage.prefix + "engine-0")
        late = proxy.fault(Api.END_TXN, "request", "hold")
        await writer.commit([stage.record(b"a")], stage.prefix + "engine", stage.orders(1))
        assert late.count == 1

        end = proxy.fault(Api.END_TXN, "request", "drop", times=1_000)  # the next transaction is never ended by its own
        second = asyncio.ensure_future(commit_with_whoever_may(log, writer, stage))
        await end.met.wait()
        late.release()
        with pytest.raises(LogError):
            await second
        await log.close()
    assert await stage.values() == [b"a"]
    assert await stage.committed() == 1


async def commit_with_whoever_may(log: KafkaLog, writer: kafka.KafkaWriter, stage: Stage) -> None:
    """As the engine does: a writer that has ended is replaced by a new one of its name."""
    if writer._ended is not None:
        writer = await log.writer(writer.name)
    await writer.commit([stage.record(b"b")], stage.prefix + "engine", stage.orders(2))


async def test_a_late_end_of_a_transaction_does_not_end_the_next(stage: Stage, impatient: None) -> None:
    await a_late_end_of_a_transaction_does_not_end_the_next(stage)


async def test_without_guard_d_a_late_end_commits_what_was_never_committed(
    stage: Stage, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_count_tries_to_end", lambda producer: [])
    with pytest.raises(AssertionError, match=r"\[b'a', b'b'\] == \[b'a'\]"):
        await a_late_end_of_a_transaction_does_not_end_the_next(stage)


async def late_offsets_do_not_take_the_place_of_the_next(stage: Stage) -> None:
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        writer = await log.writer(stage.prefix + "engine-0")
        late = proxy.fault(Api.TXN_OFFSET_COMMIT, "request", "hold")
        await writer.commit([stage.record(b"a")], stage.prefix + "engine", stage.orders(1))
        assert late.count == 1

        end = proxy.fault(Api.END_TXN, "request", "hold")
        second = asyncio.ensure_future(commit_with_whoever_may(log, writer, stage))
        await end.met.wait()
        late.release()
        await asyncio.sleep(0.2)  # the broker takes the one before the other
        end.release()
        await second
        await log.close()
    assert await stage.values() == [b"a", b"b"]
    await (await stage.log.writer(stage.prefix + "engine-0")).close()  # what is committed is complete then
    assert await stage.committed() == 2


async def test_late_offsets_do_not_take_the_place_of_the_next(stage: Stage, impatient: None) -> None:
    await late_offsets_do_not_take_the_place_of_the_next(stage)


async def test_without_guard_d_late_offsets_turn_the_intake_back(
    stage: Stage, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_count_tries_to_end", lambda producer: [])
    with pytest.raises(AssertionError, match="1 == 2"):
        await late_offsets_do_not_take_the_place_of_the_next(stage)


async def test_the_hook_of_guard_d_counts_one_try_for_a_transaction_that_ends_at_once(stage: Stage) -> None:
    writer = await stage.log.writer(stage.prefix + "engine-0")
    for offset in (1, 2):
        await writer.commit([stage.record(b"a")], stage.prefix + "engine", stage.orders(offset))
        assert writer._tries == ["offsets", "end"]
    await writer.close()
