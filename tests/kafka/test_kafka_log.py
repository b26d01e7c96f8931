"""The log on Kafka: what it promises beyond the contract, and what it does when Kafka does not do its part."""

import asyncio
import random
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.transaction import EndTxnRequest
from msgspec.structs import replace

from stream_engine.transport import kafka
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaMembers, KafkaSettings
from stream_engine.transport.protocol import (
    Fenced,
    LogError,
    Outgoing,
    OutOfRange,
    Record,
    TooLarge,
    TopicPartition,
    UnknownPartition,
    Unreachable,
)
from tests.kafka.broker import Broker, free_port
from tests.kafka.proxy import Api, Deed, Proxy, Way

OCTOBER_US = 1_760_126_400_000_000
TOPICS = ("orders", "quotes", "market")
KEPT = {"retention.ms": "-1"}  # event time lies in the past: records would expire at once


class Stage:
    """Three topics of two partitions under a prefix, a log, and short words for what is in them."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.prefix = prefix
        self.settings = KafkaSettings(bootstrap)
        self.log = KafkaLog(self.settings)
        self.admin = KafkaAdmin(self.settings)

    async def create(self, topics: Iterable[str], partitions: int = 2) -> None:
        names = [self.prefix + topic for topic in topics]
        await self.admin.create(names, partitions, dict.fromkeys(names, KEPT))

    def at(self, topic: str = "orders", partition: int = 0) -> TopicPartition:
        return (self.prefix + topic, partition)

    def record(self, value: bytes, topic: str = "orders", partition: int = 0) -> Outgoing:
        return Outgoing(self.prefix + topic, partition, b"V1", value, OCTOBER_US, (("schema", b"orders/1"),))

    async def values(self, topic: str = "orders", partition: int = 0, log: KafkaLog | None = None) -> list[bytes]:
        at, position, found = self.at(topic, partition), 0, []
        while more := (await (log or self.log).read({at: position}, 1_000)).get(at):
            found += [record.value for record in more]
            position = more[-1].offset + 1
        return found

    async def settled(self, name: str = "engine-0") -> None:
        """Every transaction of the name has ended."""
        await (await self.log.writer(self.prefix + name)).close()


@pytest.fixture
async def stage(bootstrap: str, prefix: str) -> AsyncIterator[Stage]:
    stage = Stage(bootstrap, prefix)
    await stage.create(TOPICS)
    yield stage
    await stage.admin.close()
    await stage.log.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests time out after half a second, and what is asked is given up after two."""
    monkeypatch.setattr(kafka, "REQUEST_TIMEOUT_S", 0.5)
    monkeypatch.setattr(kafka, "DEADLINE_S", 2.0)
    monkeypatch.setattr(kafka, "PROBE_S", 0.5)


# Reading


async def test_a_reader_of_changing_partitions_misses_nothing_and_sees_each_partition_in_its_order(
    stage: Stage,
) -> None:
    places = [stage.at(topic, partition) for topic in TOPICS for partition in (0, 1)]
    sent = {at: [b"%d" % n for n in range(2_000)] for at in places}
    await stage.log.append([stage.record(v, *_place(stage, at)) for at in places for v in sent[at]])
    chance = random.Random(7)
    read: dict[TopicPartition, list[bytes]] = {at: [] for at in places}
    positions = dict.fromkeys(places, 0)
    for _ in range(1_000):
        asked = chance.sample(places, chance.randint(1, len(places)))
        found = await stage.log.read({at: positions[at] for at in asked}, chance.choice((1, 7, 500)))
        assert set(found) <= set(asked)
        for at, records in found.items():
            read[at] += [record.value for record in records]
            positions[at] = records[-1].offset + 1
        if read == sent:
            return
    raise AssertionError({at: len(values) for at, values in read.items()})


def _place(stage: Stage, at: TopicPartition) -> tuple[str, int]:
    return at[0].removeprefix(stage.prefix), at[1]


async def test_a_partition_that_is_not_read_on_from_does_not_hold_up_the_others(stage: Stage) -> None:
    await stage.log.append([stage.record(b"x" * 1_000) for _ in range(5_000)])
    ahead = {stage.at(): 0, stage.at("market"): 0}
    assert set(await stage.log.read(ahead, 1)) == {stage.at()}
    for n in range(5):
        await stage.log.append([stage.record(b"%d" % n, "market")])
        [record] = (await stage.log.read({stage.at("market"): n}, 9))[stage.at("market")]
        assert record.value == b"%d" % n


async def test_what_is_read_ahead_is_bounded_however_much_there_is(stage: Stage) -> None:
    for _ in range(5):
        await stage.log.append([stage.record(b"x" * 1_000, topic) for topic in TOPICS for _ in range(1_000)])
    found = await stage.log.read({stage.at(topic): 0 for topic in TOPICS}, 1_000_000)
    assert len(found) == len(TOPICS)
    for records in found.values():
        assert sum(len(record.value) for record in records) <= kafka.PARTITION_FETCH_BYTES


async def test_the_same_position_can_be_read_again_and_an_earlier_one_too(stage: Stage) -> None:
    await stage.log.append([stage.record(b"%d" % n) for n in range(10)])
    for position in (3, 3, 5, 0, 9, 8):
        [record] = (await stage.log.read({stage.at(): position}, 1))[stage.at()]
        assert record.offset == position


async def test_a_read_that_was_given_up_does_not_disturb_the_next(stage: Stage) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stage.log.read({stage.at(): 0}, 1, wait_s=30)
    await stage.log.append([stage.record(b"a")])
    assert await stage.values() == [b"a"]


async def test_two_who_read_through_one_log_at_once_both_find_everything(stage: Stage) -> None:
    values = [b"%d" % n for n in range(3_000)]
    await stage.log.append([stage.record(value) for value in values])

    async def read(limit: int) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < len(values):
            more = await stage.log.read({stage.at(): len(found), stage.at("market"): 0}, limit, wait_s=1)
            found += [record.value for record in more.get(stage.at(), [])]
        return found

    assert [*await asyncio.gather(read(700), read(900))] == [values] * 2


async def test_appends_at_once_keep_each_its_order(stage: Stage) -> None:
    await asyncio.gather(
        *(stage.log.append([stage.record(b"%d %d" % (who, n)) for n in range(500)]) for who in range(8))
    )
    read = [value.split() for value in await stage.values()]
    assert len(read) == 8 * 500
    for who in range(8):
        assert [int(n) for name, n in read if int(name) == who] == list(range(500))


@pytest.mark.parametrize(
    ("said", "goes_on"), [("unable to perform operation on <TCPTransport>; the handler is closed", True), ("x", False)]
)
async def test_a_connection_that_uvloop_calls_closed_is_made_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, said: str, goes_on: bool
) -> None:
    await stage.log.append([stage.record(b"a")])
    assert stage.log._line._client is not None
    send, failures = stage.log._line._client.send, [RuntimeError(said)]

    async def failing_once(*arguments, **named):
        if failures:
            raise failures.pop()
        return await send(*arguments, **named)

    monkeypatch.setattr(stage.log._line._client, "send", failing_once)
    if goes_on:
        assert await stage.values() == [b"a"]
    else:
        with pytest.raises(RuntimeError):
            await stage.values()


async def test_a_transaction_that_was_broken_off_is_never_read_and_what_follows_it_is(
    stage: Stage, impatient: None
) -> None:
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        proxy.fault(Api.END_TXN, "request", "drop", times=1_000)
        with pytest.raises(Unreachable):
            await (await log.writer(stage.prefix + "engine-0")).commit([stage.record(b"a")] * 100, "g", {})
        await log.close()
    await stage.settled()
    assert await stage.values() == []
    await stage.log.append([stage.record(b"b")])
    assert await stage.values() == [b"b"]


async def test_event_time_is_kept_to_the_millisecond(stage: Stage) -> None:
    sent = stage.record(b"a")
    for more_us in (999, 1_000, 1_001):
        await stage.log.append([Outgoing(sent.topic, 0, b"", b"", OCTOBER_US + more_us)])
    found = (await stage.log.read({stage.at(): 0}, 9))[stage.at()]
    assert [record.timestamp_us - OCTOBER_US for record in found] == [0, 1_000, 1_000]


async def test_a_large_append_is_kept_whole_and_in_order(stage: Stage) -> None:
    values = [b"%06d" % n + b"x" * 500 for n in range(10_000)]
    await stage.log.append([stage.record(value, "orders", n % 2) for n, value in enumerate(values)])
    assert await stage.values(partition=0) == values[0::2]
    assert await stage.values(partition=1) == values[1::2]


# What an operator does to topics


async def test_a_topic_that_was_made_anew_is_out_of_range_and_never_read_from_its_beginning(stage: Stage) -> None:
    await stage.log.append([stage.record(b"%d" % n) for n in range(10)])
    assert len(await stage.values()) == 10
    await stage.admin.delete([stage.prefix + "orders"])
    with pytest.raises(UnknownPartition):
        await stage.log.read({stage.at(): 10}, 9)
    await stage.create(["orders"])
    await stage.log.append([stage.record(b"new")])
    with pytest.raises(OutOfRange, match="position 10 is not between 0 and 1"):
        await stage.log.read({stage.at(): 10}, 9)


async def test_a_commit_to_a_topic_that_was_deleted_meanwhile_leaves_nothing(stage: Stage, impatient: None) -> None:
    writer = await stage.log.writer(stage.prefix + "engine-0")
    await writer.commit([stage.record(b"a"), stage.record(b"a", "market")], "g", {})
    await stage.admin.delete([stage.prefix + "market"])
    with pytest.raises(LogError):
        await writer.commit([stage.record(b"b"), stage.record(b"b", "market")], "g", {})
    await stage.settled()
    assert await stage.values() == [b"a"]


@pytest.mark.parametrize(("position", "kept"), [(4, False), (5, True), (6, True)])
async def test_what_was_trimmed_is_out_of_range_and_the_rest_stays_where_it_is(
    stage: Stage, position: int, kept: bool
) -> None:
    await stage.log.append([stage.record(b"%d" % n) for n in range(10)])
    await stage.admin.trim({stage.at(): 5})
    assert await stage.log.starts([stage.at()]) == {stage.at(): 5}
    if kept:
        assert (await stage.log.read({stage.at(): position}, 1))[stage.at()][0].offset == position
    else:
        with pytest.raises(OutOfRange, match="position 4 is not between 5 and 10"):
            await stage.log.read({stage.at(): position}, 1)


async def test_the_admin_says_which_topics_there_are_and_how_they_are_set(stage: Stage) -> None:
    name = stage.prefix + "journal"
    await stage.admin.create([name], 3, {name: {"retention.ms": "-1"}})
    assert await stage.admin.partitions([name, stage.prefix + "nowhere"]) == {name: 3}
    assert (await stage.admin.configs([name]))[name]["retention.ms"] == "-1"
    with pytest.raises(LogError, match="already exists"):
        await stage.admin.create([name], 3, {})
    await stage.admin.delete([name, stage.prefix + "nowhere"])
    assert await stage.admin.partitions([name]) == {}


async def test_the_admin_says_how_large_partitions_are(stage: Stage) -> None:
    await stage.log.append([stage.record(b"x" * 1_000, "orders", 1) for _ in range(100)])
    sizes = await stage.admin.sizes([stage.prefix + "orders", stage.prefix + "nowhere"])
    assert set(sizes) == {stage.at("orders", 0), stage.at("orders", 1)}
    assert sizes[stage.at("orders", 0)] == 0
    assert 100_000 < sizes[stage.at("orders", 1)] < 110_000


async def test_the_admin_says_where_a_broker_is_of_which_release_and_who_is_in_a_group(stage: Stage) -> None:
    assert await stage.admin.broker() == stage.settings.bootstrap
    assert re.fullmatch(r"\d\.\d|after 4\.1", await stage.admin.release())
    assert await stage.admin.members(stage.prefix + "engine-members") == []
    member = KafkaMembers(stage.settings, stage.prefix + "engine-members", stage.prefix + "orders")
    await member.start()
    [said] = await stage.admin.members(stage.prefix + "engine-members")
    assert re.fullmatch(r"aiokafka-0\.14\.\d+ at [\d.:]+", said)
    await member.close()
    assert await stage.admin.members(stage.prefix + "engine-members") == []


@pytest.mark.parametrize(
    ("newest", "release"), [(7, "3.3 or before"), (8, "3.4"), (25, "4.0"), (26, "4.1"), (27, "4.1"), (28, "after 4.1")]
)
def test_a_release_is_known_by_the_newest_metadata_that_it_understands(newest: int, release: str) -> None:
    assert kafka._release(b"\x02\x11metadata.version\x00\x01" + newest.to_bytes(2, "big")) == release
    assert kafka._release(b"") == "unknown"


# Nobody there, or not for us


async def test_where_nobody_listens_the_log_is_unreachable_and_says_why() -> None:
    settings = KafkaSettings(f"127.0.0.1:{free_port()}")
    log, admin = KafkaLog(settings), KafkaAdmin(settings)
    expected = rf"^Cannot reach Kafka at {settings.bootstrap} \(.*refused.*\)\.$"
    for asked in (log.ends([("orders", 0)]), log.writer("engine-0"), log.append([Outgoing("orders", 0, b"", b"", 0)])):
        with pytest.raises(Unreachable, match=expected):
            await asked
    with pytest.raises(Unreachable, match=expected):
        await admin.broker()
    await log.close()
    await admin.close()


async def test_who_takes_connections_and_never_answers_is_unreachable_within_the_deadline(impatient: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = KafkaSettings(f"127.0.0.1:{silent.getsockname()[1]}")
        log, admin = KafkaLog(settings), KafkaAdmin(settings)
        asked = (log.read({("orders", 0): 0}, 1), log.writer("engine-0"), admin.partitions(["orders"]))
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(answer, Unreachable)
            assert "takes connections and does not answer" in str(answer)
        await log.close()
        await admin.close()


async def test_a_broker_that_falls_silent_is_unreachable_within_the_deadline(stage: Stage, impatient: None) -> None:
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        await log.append([stage.record(b"a")])
        writer = await log.writer(stage.prefix + "engine-0")
        for api in Api:
            proxy.fault(api, "request", "drop", times=1_000)
        asked = (
            log.append([stage.record(b"b")]),
            writer.commit([stage.record(b"b")], "g", {}),
            log.read({stage.at(): 0}, 1),
        )
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unreachable] * 3
        await log.close()
    assert await stage.values() == [b"a"]


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("right", ""),
        ("wrong", r"^Cannot reach Kafka at [\d.:]+ \(Authentication failed: Invalid username or password\)\.$"),
    ],
)
async def test_a_password_is_passed_on_and_a_wrong_one_is_said(
    sasl_broker: Broker, prefix: str, password: str, said: str
) -> None:
    options = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "liqstorm",
        "sasl_plain_password": password,
    }
    settings = KafkaSettings(sasl_broker.bootstrap, options)
    admin, log = KafkaAdmin(settings), KafkaLog(settings)
    if said:
        with pytest.raises(Unreachable, match=said):
            await log.ends([("orders", 0)])
    else:
        await admin.create([prefix + "orders"], 1, {prefix + "orders": KEPT})
        await log.append([Outgoing(prefix + "orders", 0, b"", b"a", 0)])
        assert len((await log.read({(prefix + "orders", 0): 0}, 9))[prefix + "orders", 0]) == 1
    await admin.close()
    await log.close()


@pytest.fixture(scope="module")
def sasl_broker(bootstrap: str) -> Iterator[Broker]:
    """A broker that asks for a password. (Where the shared one can be started, or is given, so can this.)"""
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    jaas = f'{module} username="liqstorm" password="right" user_liqstorm="right";'
    more = (
        "sasl.enabled.mechanisms=PLAIN\nsasl.mechanism.inter.broker.protocol=PLAIN\n"
        f"listener.name.clients.plain.sasl.jaas.config={jaas}\n"
    )
    with Broker(protocol="SASL_PLAINTEXT", more=more) as broker:
        yield broker


@pytest.mark.parametrize(
    ("ours", "said"), [(True, ""), (False, r"^Cannot reach Kafka at [\d.:]+ \(self-signed certificate.*\)\.$")]
)
async def test_a_certificate_is_checked_against_the_authority_that_is_named(
    stage: Stage, tmp_path: Path, ours: bool, said: str
) -> None:
    names = ("broker", "other")
    for name in names:
        make_certificate(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "broker.pem", tmp_path / "broker.key")
    authority = tmp_path / ("broker.pem" if ours else "other.pem")
    async with Proxy(stage.settings.bootstrap, context) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap, {"security_protocol": "SSL", "ssl_cafile": str(authority)}))
        if ours:
            await log.append([stage.record(b"a")])
            assert await stage.values(log=log) == [b"a"]
        else:
            with pytest.raises(Unreachable, match=said):
                await log.append([stage.record(b"a")])
        await log.close()


def make_certificate(certificate: Path, key: Path) -> None:
    """A certificate of 127.0.0.1 that signs itself."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl on the PATH to make a certificate with")
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", *made, *named, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)


def test_an_option_that_the_client_does_not_have_is_refused_and_a_password_is_in_no_trace() -> None:
    with pytest.raises(LogError, match=r"^sasl_passwort is no option of the Kafka client; there are client_id, "):
        KafkaSettings("localhost:9092", {"sasl_passwort": "secret"})
    assert "secret" not in repr(KafkaSettings("localhost:9092", {"sasl_plain_password": "secret"}))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"security_protocol": "TLS"}, "security_protocol=TLS: expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, "),
        ({"security_protocol": "SASL_SSL"}, "security_protocol=SASL_SSL with PLAIN needs sasl_plain_username"),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "a"},
            "with SCRAM-SHA-512 needs sasl_plain_password",
        ),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}, "sasl_mechanism=OAUTHBEARER: expected"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_asked(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises(LogError, match=said):
        KafkaSettings("localhost:9092", options)


def test_a_certificate_that_is_not_there_is_said_by_its_name() -> None:
    settings = KafkaSettings("localhost:9092", {"security_protocol": "SSL", "ssl_cafile": "/nowhere/ca.pem"})
    with pytest.raises(LogError, match=r"^/nowhere/ca.pem: No such file or directory"):
        settings.for_client()


# A broker that dies and comes again


async def test_a_log_and_a_group_go_on_when_their_broker_has_been_killed_and_started_again(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(own_broker.bootstrap, "")
    await stage.create(TOPICS, 8)
    first, second = (KafkaMembers(stage.settings, "engine-members", "orders") for _ in range(2))
    await first.start()
    assert await first.changed() == set(range(8))
    await stage.log.append([stage.record(b"a")])
    writer = await stage.log.writer("engine-0")
    await writer.commit([stage.record(b"b")], "g", {stage.at("quotes"): 1})
    while await stage.values() != [b"a", b"b"]:
        await asyncio.sleep(0.01)

    own_broker.kill()
    waiting = asyncio.ensure_future(stage.log.read({stage.at(): 3}, 9, wait_s=20))
    await asyncio.to_thread(own_broker.start)
    await stage.log.append([stage.record(b"c")])
    assert [record.value for record in (await waiting)[stage.at()]] == [b"c"]

    await writer.close()
    writer = await stage.log.writer("engine-0")
    assert await stage.log.committed("g", [stage.at("quotes")]) == {stage.at("quotes"): 1}
    await writer.commit([stage.record(b"d")], "g", {stage.at("quotes"): 2})
    await stage.settled()
    assert await stage.values() == [b"a", b"b", b"c", b"d"]

    await second.start()
    kept = await first.changed()
    while len(kept) == 8:  # it may have joined anew before the other came
        kept = await first.changed()
    assert kept | await second.changed() == set(range(8))

    monkeypatch.setattr(kafka, "DEADLINE_S", 1.0)
    monkeypatch.setattr(kafka, "PROBE_S", 0.5)
    monkeypatch.setattr(kafka, "CLOSES_WITHIN_S", 0.5)
    own_broker.pause()
    async with asyncio.timeout(20):
        with pytest.raises(Unreachable):  # more than sockets take without being read
            await stage.log.append([stage.record(b"x" * 990_000, topic, n) for topic in TOPICS for n in range(8)])
        for held in (first, second, writer, stage.log, stage.admin):
            await held.close()
    own_broker.resume()


# Every request and every answer lost, late or bent

WRITING = (
    Api.INIT_PRODUCER_ID,
    Api.ADD_PARTITIONS_TO_TXN,
    Api.PRODUCE,
    Api.ADD_OFFSETS_TO_TXN,
    Api.TXN_OFFSET_COMMIT,
    Api.END_TXN,
)
READING = (Api.FETCH, Api.LIST_OFFSETS, Api.OFFSET_FETCH)
FAULTS: tuple[tuple[Way, Deed], ...] = (("request", "cut"), ("answer", "cut"), ("answer", "drop"), ("answer", "delay"))


@pytest.mark.parametrize(("way", "deed"), FAULTS)
@pytest.mark.parametrize("api", WRITING, ids=lambda api: api.name)
async def test_a_commit_is_seen_whole_or_not_at_all_whatever_frame_is_lost_or_late(
    stage: Stage, impatient: None, api: Api, way: Way, deed: Deed
) -> None:
    group, read_to = stage.prefix + "engine", stage.at("quotes")
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        fault = proxy.fault(api, way, deed, seconds=0.7)
        for _ in range(5):  # as the engine does: an error ends the writer, a new one asks what has been committed
            try:
                writer = await log.writer(stage.prefix + "engine-0")
                if await log.committed(group, [read_to]):
                    break
                await writer.commit([stage.record(b"a"), stage.record(b"b", "market")], group, {read_to: 1})
            except LogError:
                continue
            finally:
                await writer.close()
        await log.close()
        assert fault.count == 1
    await stage.settled()
    assert (await stage.values(), await stage.values("market")) == ([b"a"], [b"b"])
    assert await stage.log.committed(group, [read_to]) == {read_to: 1}


@pytest.mark.parametrize(("way", "deed"), FAULTS)
@pytest.mark.parametrize("api", READING, ids=lambda api: api.name)
async def test_what_is_read_is_the_same_whatever_frame_is_lost_or_late(
    stage: Stage, impatient: None, api: Api, way: Way, deed: Deed
) -> None:
    group = stage.prefix + "engine"
    writer = await stage.log.writer(stage.prefix + "engine-0")
    await writer.commit([stage.record(b"a"), stage.record(b"b")], group, {stage.at("quotes"): 1})
    await writer.close()
    await stage.settled()
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        fault = proxy.fault(api, way, deed, seconds=0.7)
        assert await log.ends([stage.at()]) == {stage.at(): 3}
        assert await stage.values(log=log) == [b"a", b"b"]
        assert await log.committed(group, [stage.at("quotes")]) == {stage.at("quotes"): 1}
        assert fault.count == 1
        await log.close()


@pytest.mark.parametrize(("way", "deed"), FAULTS)
async def test_an_append_whose_answer_is_lost_is_not_doubled(
    stage: Stage, impatient: None, way: Way, deed: Deed
) -> None:
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        fault = proxy.fault(Api.PRODUCE, way, deed, seconds=0.7)
        for value in (b"a", b"b", b"c"):
            await log.append([stage.record(value)])
        assert fault.count == 1
        await log.close()
    assert await stage.values() == [b"a", b"b", b"c"]


async def test_a_record_that_was_bent_on_its_way_is_fetched_again_and_never_read(stage: Stage) -> None:
    await stage.log.append([stage.record(b"sound")])
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        once = proxy.fault(Api.FETCH, "answer", "change", times=1, change=bent)
        assert await stage.values(log=log) == [b"sound"]
        assert once.count == 1
        always = proxy.fault(Api.FETCH, "answer", "change", times=1_000, change=bent)
        with pytest.raises(LogError, match="bent"):
            await log.read({stage.at(): 0}, 1)
        assert always.count == kafka.FETCHES_OF_A_CORRUPT_BATCH
        await log.close()


def bent(frame: bytes) -> bytes:
    assert b"sound" in frame
    return frame.replace(b"sound", b"souND")


async def test_a_header_that_is_no_text_keeps_nobody_from_reading_on(stage: Stage) -> None:
    async with Proxy(stage.settings.bootstrap) as proxy:
        log = KafkaLog(KafkaSettings(proxy.bootstrap))
        proxy.fault(Api.PRODUCE, "request", "change", times=1_000, change=with_a_header_that_is_no_text)
        sent = [Outgoing(stage.prefix + "orders", 0, b"V1", b"%d" % n, OCTOBER_US + n * 1_000_000) for n in range(300)]
        sent[7] = replace(sent[7], headers=(("schema", b"orders/1"), ("empty", b"")))
        await log.append(sent)
        await log.append([Outgoing(stage.prefix + "orders", 0, b"V1", b"behind", OCTOBER_US)])
        await log.close()
    found: list[Record] = []
    while more := await stage.log.read({stage.at(): len(found)}, 100):
        found += more[stage.at()]
    assert [(r.offset, r.timestamp_us, r.key, r.value) for r in found[:-1]] == [
        (n, r.timestamp_us, r.key, r.value) for n, r in enumerate(sent)
    ]
    assert found[7].headers == (("s\ufffdhema", b"orders/1"), ("empty", b""))
    assert found[8].headers == ()
    assert found[-1].value == b"behind"


def with_a_header_that_is_no_text(request: bytes) -> bytes:
    """The request to append a batch, with another header in it, if it has one, and the checksum that belongs to it."""
    if b"schema" not in request:
        return request
    changed = request.replace(b"schema", b"s\xffhema")
    batch = changed.index(b"\x02", changed.index(b"orders") + 6 + 4 + 4 + 4 + 8 + 4 + 4)
    return changed[: batch + 1] + crc32c(changed[batch + 5 :]).to_bytes(4, "big") + changed[batch + 5 :]


def crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


# A transaction that ends before its writer ends it


def before_the_first(step: str, writer: kafka.KafkaWriter, deed: Callable[[], Awaitable[None]]) -> None:
    """Has `deed` done before the writer sends its first request of a name."""
    client = writer._producer.client
    send = client.send
    is_done = False

    async def told(node: int, request: Any, **more: Any) -> Any:
        nonlocal is_done
        if not is_done and type(request).__name__ == step:
            is_done = True
            await deed()
        return await send(node, request, **more)

    client.send = told


@pytest.mark.parametrize("step", ["ProduceRequest", "TxnOffsetCommitRequest", "EndTxnRequest"])
async def test_a_writer_whose_transaction_another_one_has_ended_is_fenced_off(stage: Stage, step: str) -> None:
    writer = await stage.log.writer(stage.prefix + "engine-0")

    async def end() -> None:
        transaction, client = writer._producer._txn_manager, writer._producer.client
        node = await client.coordinator_lookup(CoordinationType.TRANSACTION, writer.name)
        break_off = EndTxnRequest(writer.name, transaction.producer_id, transaction.producer_epoch, False)
        assert (await client.send(node, break_off, group=ConnectionGroup.COORDINATION)).error_code == 0
        async with asyncio.timeout(kafka.DEADLINE_S):  # until its marks are written: what is open ends before them
            while (await stage.log.ends([stage.at()]))[stage.at()] == 0:
                await asyncio.sleep(0.01)

    before_the_first(step, writer, end)
    with pytest.raises(Fenced, match="another writer has taken the name, or the transaction took too long"):
        await writer.commit([stage.record(b"a")], stage.prefix + "engine", {stage.at("quotes"): 1})
    await stage.settled()
    assert await stage.values() == []


async def test_the_heads_lie_behind_what_is_not_committed_and_the_ends_before_it(stage: Stage) -> None:
    writer = await stage.log.writer(stage.prefix + "engine-0")
    seen: list[dict[TopicPartition, int]] = []

    async def look() -> None:
        seen.extend([await stage.log.ends([stage.at()]), await stage.log.heads([stage.at()])])

    before_the_first("EndTxnRequest", writer, look)
    await writer.commit([stage.record(b"a")], stage.prefix + "engine", {stage.at("quotes"): 1})
    assert seen == [{stage.at(): 0}, {stage.at(): 1}]


async def test_a_commit_of_several_batches_says_what_ended_its_transaction_amid_them(stage: Stage) -> None:
    writer = await stage.log.writer(stage.prefix + "engine-0")

    async def forbid() -> None:
        writer._producer._txn_manager.error_transaction(TopicAuthorizationFailedError("orders"))

    before_the_first("ProduceRequest", writer, forbid)
    large = [stage.record(b"x" * (kafka.BATCH_BYTES * 2 // 3)) for _ in range(4)]
    with pytest.raises(Unreachable, match="does not allow it: orders"):
        await writer.commit(large, stage.prefix + "engine", {stage.at("quotes"): 1})
    await stage.settled()
    assert await stage.values() == []


# Sizes


async def test_a_record_larger_than_its_topic_takes_is_too_large_and_nothing_of_a_commit_with_it_is_there(
    stage: Stage,
) -> None:
    name = stage.prefix + "small"
    await stage.admin.create([name], 1, {name: KEPT | {"max.message.bytes": "2000"}})
    large = Outgoing(name, 0, b"", b"x" * 3_000, 0)
    with pytest.raises(TooLarge):
        await stage.log.append([large])
    writer = await stage.log.writer(stage.prefix + "engine-0")
    with pytest.raises(TooLarge):
        await writer.commit([stage.record(b"a"), large], "g", {stage.at("quotes"): 1})
    await stage.settled()
    assert (await stage.values(), await stage.values("small")) == ([], [])
