"""`liqstorm topics` on a real broker: made as they must be, checked, trimmed before the second snapshot, taken away."""

import asyncio
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import KafkaError, KafkaException, Producer

from stream_engine import snapshots
from stream_engine.cli.main import liqstorm
from stream_engine.cli.topic_rules import settings_of
from stream_engine.engine import Engine
from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import ClockTick, Input
from stream_engine.messages.topics import INPUT_TOPIC, INTAKE, Topic
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Outgoing
from tests.test_engine import EIGHT, SECOND, a_market

Topics = Callable[..., Result]


@pytest.fixture
def topics(bootstrap: str, prefix: str) -> Topics:
    """Calls `liqstorm topics ...` on topics of our own."""

    def call(*words: str, stdin: str = "") -> Result:
        words = ("topics", *words, "--bootstrap", bootstrap, "--prefix", prefix)
        return CliRunner().invoke(liqstorm, words, input=stdin, standalone_mode=False)

    return call


def said(result: Result) -> str:
    assert result.exception is None, result.exception
    return result.output


def complaint(result: Result) -> str:
    assert result.exception is not None, result.output
    return str(result.exception)


async def make(bootstrap: str, name: str, partitions: int, settings: dict[str, str]) -> None:
    admin = KafkaAdmin(KafkaSettings(bootstrap))
    await admin.create([name], partitions, {name: settings})
    await admin.close()


# made and checked -------------------------------------------------------------------------------------------


def test_all_topics_are_made_with_equal_partitions_and_a_second_time_stay_as_they_are(topics: Topics) -> None:
    assert "14 topics were made, 0 were there; 3 partitions each" in said(topics("create", "--partitions", "3"))
    assert "0 topics were made, 14 were there" in said(topics("create", "--partitions", "3"))
    checked = topics("check")
    assert said(checked).count("ok ") == len(Topic)
    assert "fail" not in checked.output


def test_their_settings_are_those_that_are_needed(topics: Topics, bootstrap: str, prefix: str) -> None:
    said(topics("create"))

    async def settings() -> dict[str, dict[str, str]]:
        admin = KafkaAdmin(KafkaSettings(bootstrap))
        try:
            return await admin.configs([prefix + topic.value for topic in Topic])
        finally:
            await admin.close()

    found = asyncio.run(settings())
    for topic in Topic:
        assert settings_of(topic).items() <= found[prefix + topic.value].items()
        assert found[prefix + topic.value]["retention.ms"] == "-1"
        is_intake = topic in INTAKE
        assert found[prefix + topic.value]["compression.type"] == ("uncompressed" if is_intake else "producer")


def test_missing_topics_are_said_with_the_fix_and_made(topics: Topics, bootstrap: str, prefix: str) -> None:
    assert f"liqstorm topics create --bootstrap {bootstrap} --prefix {prefix}`" in complaint(topics("check"))
    asyncio.run(make(bootstrap, prefix + "orders", 2, {}))
    checked = topics("check")
    assert (checked.exit_code, checked.return_value) == (0, 1)
    assert f"fail  {prefix}market is missing" in checked.output
    assert "--partitions 2" in checked.output


def test_other_partitions_and_other_settings_are_said_each_with_its_fix_and_nothing_is_changed(
    topics: Topics, bootstrap: str, prefix: str
) -> None:
    said(topics("create", "--partitions", "2"))
    assert "with 2 partitions, not 3" in complaint(topics("create", "--partitions", "3"))

    async def spoil() -> None:
        admin = KafkaAdmin(KafkaSettings(bootstrap))
        await admin.delete([prefix + "fund", prefix + "orders"])
        await admin.close()
        await make(bootstrap, prefix + "fund", 1, settings_of(Topic.FUND))
        await make(bootstrap, prefix + "orders", 2, settings_of(Topic.ORDERS) | {"retention.ms": "1000"})

    asyncio.run(spoil())
    checked = topics("check").output
    assert f"fail  {prefix}fund has 1 partitions, most have 2" in checked
    assert f"fail  {prefix}orders has retention.ms=1000, and must have -1" in checked
    assert f"--entity-name {prefix}orders --add-config retention.ms=-1" in checked
    refused = complaint(topics("create", "--partitions", "2"))
    assert f"{prefix}orders has retention.ms=1000" in refused
    assert f"{prefix}fund has 1 partitions" in refused


# what comes in ----------------------------------------------------------------------------------------------


def refusal(bootstrap: str, topic: str, value: bytes, **options: str | int) -> int | None:
    """The broker's error for a record, None if it takes it."""
    answers: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 100_000_000, **options})
    try:
        producer.produce(topic, value, partition=0, timestamp=1, on_delivery=lambda error, _: answers.append(error))
    except KafkaException as error:
        return int(error.args[0].code())
    assert producer.flush(20) == 0
    return answers[0].code() if answers[0] is not None else None


@pytest.mark.parametrize("topic", INTAKE)
def test_a_decompression_bomb_is_refused_by_every_intake_topic(
    topics: Topics, bootstrap: str, prefix: str, topic: Topic
) -> None:
    """20 MB of zeros are 2 KB on their way; the broker unpacks them, for the topic is stored uncompressed."""
    said(topics("create", "--partitions", "1"))
    bomb = bytes(20_000_000)
    zstd = {"compression.type": "zstd"}
    assert refusal(bootstrap, prefix + topic.value, bomb, **zstd) == KafkaError.MSG_SIZE_TOO_LARGE
    assert refusal(bootstrap, prefix + "labels", bomb, **zstd) is None  # elsewhere it would have passed
    assert refusal(bootstrap, prefix + topic.value, bytes(262_144), **zstd) is None


def test_a_record_of_2025_and_one_of_a_far_future_are_taken(topics: Topics, bootstrap: str, prefix: str) -> None:
    said(topics("create", "--partitions", "1"))

    async def append() -> int:
        log = KafkaLog(KafkaSettings(bootstrap))
        at = (prefix + "market", 0)
        stamps = (EIGHT, 4_102_444_800 * SECOND)
        try:
            await log.append([Outgoing(*at, b"", b"{}", stamp) for stamp in stamps])
            return (await log.ends([at]))[at]
        finally:
            await log.close()

    assert asyncio.run(append()) == 2


# trimmed ----------------------------------------------------------------------------------------------------


def sent(prefix: str, received: Input) -> Outgoing:
    return Outgoing(prefix + INPUT_TOPIC[type(received)].value, 0, b"V1", encode(received), received.ts_us)


async def a_run_with_snapshots(bootstrap: str, prefix: str, count: int) -> list[int]:
    """Ten seconds of a market, a snapshot after each but the last part; the journal offsets that they hold."""
    log = KafkaLog(KafkaSettings(bootstrap))
    engine = Engine(log, 0, prefix)
    inputs = a_market()
    held = []
    size = len(inputs) // (count + 1)
    for number in range(count + 1):
        await log.append([sent(prefix, each) for each in inputs[number * size : (number + 1) * size]])
        while await engine.behind():
            await engine.cycle(wait_s=0.1)
        if number < count:
            while (snapshot := await engine.snapshot()) is None:
                await asyncio.sleep(0.02)  # a commit is seen a moment after it was answered
            await snapshots.write(log, snapshot, (prefix + "snapshots", 0))
            held.append(snapshot.standing.offset)
    await engine.close()
    await log.close()
    return held


async def offsets(bootstrap: str, prefix: str, *topics: str) -> list[tuple[int, int]]:
    log = KafkaLog(KafkaSettings(bootstrap))
    at = [(prefix + topic, 0) for topic in topics]
    starts, ends = await log.starts(at), await log.ends(at)
    await log.close()
    return [(starts[each], ends[each]) for each in at]


def test_trimmed_is_what_lies_before_the_second_newest_snapshot_and_an_engine_goes_on_from_there(
    topics: Topics, bootstrap: str, prefix: str
) -> None:
    said(topics("create", "--partitions", "1"))
    held = asyncio.run(a_run_with_snapshots(bootstrap, prefix, 3))
    [(_, journal_ends), (_, ticks)] = asyncio.run(offsets(bootstrap, prefix, "journal", "control"))

    shown = said(topics("trim"))
    assert f"of {prefix}journal goes {held[1]:,} of {journal_ends:,} offsets" in shown
    assert "Nothing was done" in shown
    assert asyncio.run(offsets(bootstrap, prefix, "journal")) == [(0, journal_ends)]

    said(topics("trim", "--yes"))
    [journal, control, kept] = asyncio.run(offsets(bootstrap, prefix, "journal", "control", "snapshots"))
    assert journal == (held[1], journal_ends)
    assert 0 < control[0] < ticks
    assert kept[0] == 1
    assert f"of {prefix}journal goes nothing" in said(topics("trim", "--yes"))

    async def resume() -> int:
        log = KafkaLog(KafkaSettings(bootstrap))
        engine = Engine(log, 0, prefix)
        await log.append([sent(prefix, ClockTick("V1", EIGHT + 99 * SECOND))])
        await engine.start()
        try:
            return await engine.cycle(wait_s=1.0)
        finally:
            await engine.close()
            await log.close()

    assert asyncio.run(resume()) == 1


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_snapshots_nothing_goes(topics: Topics, bootstrap: str, prefix: str, count: int) -> None:
    said(topics("create", "--partitions", "1"))
    asyncio.run(a_run_with_snapshots(bootstrap, prefix, count))
    shown = said(topics("trim"))
    assert "nothing goes, it has no two snapshots" in shown
    assert "--yes" not in shown  # it would do nothing either
    said(topics("trim", "--yes"))
    assert [start for start, _ in asyncio.run(offsets(bootstrap, prefix, "journal", "orders"))] == [0, 0]


# gone -------------------------------------------------------------------------------------------------------


def test_topics_are_taken_away_only_when_that_is_meant_and_only_those_of_the_prefix(
    topics: Topics, bootstrap: str, prefix: str
) -> None:
    asyncio.run(make(bootstrap, prefix + "orders-of-somebody", 1, {}))
    said(topics("create", "--partitions", "1"))
    assert complaint(topics("clean", stdin="n\n")) == "nothing was taken away."
    said(topics("check"))
    assert "Taken away: 14 topics" in said(topics("clean", stdin="y\n"))
    assert "no topic of ours" in said(topics("clean", "--yes"))
    [(start, end)] = asyncio.run(offsets(bootstrap, prefix, "orders-of-somebody"))
    assert (start, end) == (0, 0)


def test_nobody_there_is_one_sentence_with_what_to_do() -> None:
    result = CliRunner().invoke(liqstorm, ["topics", "check", "--bootstrap", "127.0.0.1:1"], standalone_mode=False)
    assert "Cannot reach Kafka at 127.0.0.1:1" in complaint(result)
    assert "docker compose up -d kafka" in complaint(result)
