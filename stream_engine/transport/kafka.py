"""Kafka: the log on a broker, and what else is asked of one. The only file that names aiokafka.

Read      a Fetch for exactly the partitions and positions that are asked for, committed records only; what came beyond
          the limit is kept for the next read, a fetch (4 MiB) a partition at most. A position that the broker does not
          keep is an error, never a new beginning. (The client's getmany cannot say that there is nothing, and stalls
          when other partitions are asked for than before.)
Append    an idempotent producer: a lost answer doubles nothing. Batches of 256 KiB; every one is awaited and counted.
Commit    one transaction of a producer whose transactional id is the writer's name, bounded by a deadline that is
          shorter than the transaction's own. Any error in it ends the writer.
Members   a consumer group for liveness alone: who is alive shares the partitions. What is safe is the fencing.

Four things that a broker and this client do are unsafe, and guarded against:
A  a record refused inside a transaction does not fail its commit    every batch is awaited and counted before it
B  after a refusal every later record of that partition is refused   sizes are looked at before; then the writer ends
C  a zombie with an id of its own commits what is no longer its      the id is the name, partitions are given, not won
D  a late end of one transaction ends the next one half way; its     after an end, or offsets, that took more than one
   late offsets take the place of the next one's                     try the writer ends; whoever takes the name anew
                                                                     has a new epoch

Holds     nothing waits for ever: a broker that is silent for DEADLINE_S is unreachable, and the error says why.
"""

import asyncio
import logging
import os
import re
import struct
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from io import BytesIO
from itertools import islice
from operator import attrgetter, itemgetter
from ssl import SSLContext, SSLError
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)
from aiokafka.record.memory_records import MemoryRecords
from msgspec import Struct

from stream_engine.transport.protocol import (
    Fenced,
    Headers,
    LogError,
    Outgoing,
    OutOfRange,
    Positions,
    Record,
    TooLarge,
    UnknownPartition,
    Unreachable,
)
from stream_engine.transport.protocol import TopicPartition as At

BATCH_BYTES = 256 * 1024
# A broker takes batches of 1,048,588 bytes unless it is told otherwise; one record of this size and its batch fit.
MAX_RECORD_BYTES = 1_000_000
PARTITION_FETCH_BYTES = 4 * 1024 * 1024
FETCH_BYTES = 16 * 1024 * 1024
# What was read ahead is kept for so many readers of a partition.
READERS = 2
# A read that asks for other partitions waits behind the one before it at the broker: no longer than this.
POLL_MS = 250
REQUEST_TIMEOUT_S = 8.0
DEADLINE_S = 12.0
TRANSACTION_TIMEOUT_S = 15.0
RETRY_S = 0.1
PRODUCER_RETRY_MS = 20
PROBE_S = 3.0
SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_MS = 500
CLOSES_WITHIN_S = 3.0
FLUSHES_WITHIN_S = 0.5
# Whoever bends a record on its way is asked again so often.
FETCHES_OF_A_CORRUPT_BATCH = 3

_UNCOMMITTED_TOO, _COMMITTED_ONLY = 0, 1
_EARLIEST, _LATEST = -2, -1
_FOR_EVER_MS = 2**31 - 1
# Of a batch: first offset, attributes, first and last time, number of records.
_BATCH_HEAD = struct.Struct(">q13xh4xqq14xi")
_BATCH_SIZE_BEFORE = 12  # the size in the head counts what follows it
_COMPRESSED, _STAMPED_BY_BROKER = 0x07, 0x08
_ABORT = 0  # what a mark says
_SUPPORTED_FEATURES = 0  # a tag
# The last version of the metadata in each release of Kafka.
_RELEASES = (
    (7, "3.3 or before"),
    (8, "3.4"),
    (11, "3.5"),
    (14, "3.6"),
    (19, "3.7"),
    (20, "3.8"),
    (21, "3.9"),
    (25, "4.0"),
    (27, "4.1"),
)

_CLIENT_OPTIONS = (
    "client_id",
    "security_protocol",
    "sasl_mechanism",
    "sasl_plain_username",
    "sasl_plain_password",
    "sasl_kerberos_service_name",
    "sasl_kerberos_domain_name",
)
_SSL_OPTIONS = {
    "ssl_cafile": "cafile",
    "ssl_certfile": "certfile",
    "ssl_keyfile": "keyfile",
    "ssl_password": "password",
}
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_WITH_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_MOVED = (
    kafka_errors.NotLeaderForPartitionError,
    kafka_errors.LeaderNotAvailableError,
    kafka_errors.UnknownTopicOrPartitionError,
    kafka_errors.ReplicaNotAvailableError,
)
_FORBIDDEN = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.GroupAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.TransactionalIdAuthorizationFailed,
)
# A transaction that is not what its writer knows of it was ended by another one, or by the broker.
_FENCED = (
    kafka_errors.ProducerFenced,
    kafka_errors.InvalidProducerEpoch,
    kafka_errors.InvalidProducerIdMapping,
    kafka_errors.InvalidTxnState,
)
_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)

Answer = TypeVar("Answer")

# It logs several lines for each retry; what matters of them is in our errors.
if logging.getLogger("aiokafka").level == logging.NOTSET:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

assert REQUEST_TIMEOUT_S < DEADLINE_S < TRANSACTION_TIMEOUT_S
# Right behind a transaction the broker is not ready for the next for some milliseconds: 20 ms between two tries, as it
# has it, make a commit of 27 ms, 5 ms one of 9 ms.
assert aiokafka_sender.BACKOFF_OVERRIDE > 0
aiokafka_sender.BACKOFF_OVERRIDE = 0.005


class KafkaSettings(Struct, frozen=True):
    """Where Kafka is, and how it is spoken to: options under their names in aiokafka, such as security_protocol."""

    bootstrap: str
    options: dict[str, str] = {}

    def __post_init__(self) -> None:
        for name in self.options:
            if name not in _CLIENT_OPTIONS and name not in _SSL_OPTIONS:
                known = ", ".join(sorted((*_CLIENT_OPTIONS, *_SSL_OPTIONS)))
                raise LogError(f"{name} is no option of the Kafka client; there are {known}.")
        protocol = self.options.get("security_protocol", _PROTOCOLS[0])
        if protocol not in _PROTOCOLS:
            raise LogError(f"security_protocol={protocol}: expected one of {', '.join(_PROTOCOLS)}.")
        if protocol.startswith("SASL_"):
            mechanism = self.options.get("sasl_mechanism", _WITH_PASSWORD[0])
            if mechanism not in (*_WITH_PASSWORD, "GSSAPI"):
                raise LogError(f"sasl_mechanism={mechanism}: expected one of {', '.join(_WITH_PASSWORD)}, GSSAPI.")
            for name in ("sasl_plain_username", "sasl_plain_password"):
                if mechanism in _WITH_PASSWORD and not self.options.get(name):
                    raise LogError(f"security_protocol={protocol} with {mechanism} needs {name}.")

    def __repr__(self) -> str:
        return f"KafkaSettings({self.bootstrap!r}, {sorted(self.options)})"  # a password stays out of every trace

    def for_client(self) -> dict[str, Any]:
        """The arguments of every client of aiokafka."""
        arguments: dict[str, Any] = {name: self.options[name] for name in _CLIENT_OPTIONS if name in self.options}
        if "SSL" in arguments.get("security_protocol", "").split("_"):
            arguments["ssl_context"] = self._ssl_context()
        return arguments | {
            "bootstrap_servers": self.bootstrap.split(","),
            "request_timeout_ms": int(REQUEST_TIMEOUT_S * 1000),
        }

    def _ssl_context(self) -> SSLContext:
        files = {argument: self.options[name] for name, argument in _SSL_OPTIONS.items() if name in self.options}
        try:
            context: SSLContext = create_ssl_context(**files)
            return context
        except OSError as error:
            raise LogError(f"{', '.join(sorted(files.values()))}: {error.strerror or error}") from error


class KafkaLog:
    """The log on Kafka. One for each engine or reader: it has its own connections."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._line = _Line(settings)
        self._ahead: defaultdict[At, list[_Ahead]] = defaultdict(list)
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Append records; after an error some of them may be there."""
        if not records:
            return
        async with self._starting:
            if self._producer is None:
                self._producer = await _started_producer(self._settings)
        producer = self._producer
        batches = _batches(producer, records)
        await self._line.refuse_unknown(batches)
        try:
            async with _within(DEADLINE_S, self._settings, "an append"):
                await _send(producer, batches)
        except BaseException:
            if self._producer is producer:
                self._producer = None  # it would go on trying to send what is given up here
            await _drop(producer)
            raise

    async def writer(self, name: str) -> "KafkaWriter":
        """Take the name: a new epoch of its transactional id, once what the former holder committed is complete."""
        producer = await _started_producer(
            self._settings, transactional_id=name, transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1000)
        )
        return KafkaWriter(name, self._settings, self._line, producer)

    async def read(self, positions: Positions, limit: int, wait_s: float = 0.0) -> dict[At, list[Record]]:
        """At most `limit` committed records of each partition from its position on; waits `wait_s` for a first one."""
        until = asyncio.get_running_loop().time() + wait_s
        ahead = {at: self._lend(at, position) for at, position in positions.items()}
        try:
            return await self._read(ahead, positions, limit, until)
        finally:
            for at, lent in ahead.items():
                self._ahead[at] = [lent, *self._ahead[at]][:READERS]

    def _lend(self, at: At, position: int) -> "_Ahead":
        """What was fetched around there. It is its reader's alone: another one may read elsewhere meanwhile."""
        kept = self._ahead[at]
        for place, ahead in enumerate(kept):
            if ahead.start <= position <= ahead.fetch_at:
                return kept.pop(place)
        return _Ahead(at, position)

    async def _read(
        self, ahead: dict[At, "_Ahead"], positions: Positions, limit: int, until: float
    ) -> dict[At, list[Record]]:
        clock = asyncio.get_running_loop().time
        bent = 0
        while True:
            try:
                found = _taken(ahead, positions, limit)
                empty = {at: ahead[at] for at in positions if at not in found}
                if not empty:
                    return found
                left_ms = 0 if found else max(0, int((until - clock()) * 1000))
                begun = {at: lent.fetch_at for at, lent in empty.items()}
                await self._line.ask(partial(self._fetch, min(left_ms, POLL_MS), empty))
                found |= _taken(empty, positions, limit)
            except kafka_errors.CorruptRecordException as error:
                bent += 1
                if bent == FETCHES_OF_A_CORRUPT_BATCH:
                    where = f"Kafka at {self._settings.bootstrap}"
                    raise LogError(f"what comes from {where} is bent: {_text(error)}") from error
                ahead.update({at: _Ahead(at, position) for at, position in positions.items()})
                continue
            # A fetch ends with its segment: in it there may be only marks and what was broken off, and more behind it.
            if found or (clock() >= until and all(lent.fetch_at == begun[at] for at, lent in empty.items())):
                return found

    async def _fetch(self, wait_ms: int, empty: dict[At, "_Ahead"], client: AIOKafkaClient) -> None:
        by_node: dict[int, dict[At, _Ahead]] = defaultdict(dict)
        for at, ahead in empty.items():
            by_node[await self._line.leader(client, at)][at] = ahead
        if len(by_node) > 1:
            wait_ms = min(wait_ms, POLL_MS // 10)  # who has nothing holds up who has
        await asyncio.gather(*(self._fetch_from(client, node, wanted, wait_ms) for node, wanted in by_node.items()))

    async def _fetch_from(self, client: AIOKafkaClient, node: int, empty: dict[At, "_Ahead"], wait_ms: int) -> None:
        topics: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for (topic, partition), ahead in empty.items():
            topics[topic].append((partition, ahead.fetch_at, PARTITION_FETCH_BYTES))
        request = FetchRequest(wait_ms, 1, FETCH_BYTES, _COMMITTED_ONLY, list(topics.items()), rack_id="")
        response = await client.send(node, request)
        for topic, partitions in response.topics:
            for partition, code, _, *more in partitions:
                at = (topic, partition)
                error = kafka_errors.for_code(code)
                if error is kafka_errors.OffsetOutOfRangeError:
                    await self._refuse_out_of_range(at, empty[at].fetch_at)
                elif error is not kafka_errors.NoError:
                    raise error(f"{topic}-{partition}")
                else:
                    empty[at].load(more[-1], (more[-2] if response.API_VERSION < 11 else more[-3]) or ())

    async def _refuse_out_of_range(self, at: At, position: int) -> None:
        first, end = (await self.starts([at]))[at], (await self.ends([at]))[at]
        if not first <= position <= end:
            raise OutOfRange(f"{at}: position {position} is not between {first} and {end}")

    async def committed(self, group: str, partitions: Iterable[At]) -> dict[At, int]:
        """The group's offsets, of those partitions that have one."""
        partitions = list(partitions)
        return await self._line.ask(lambda client: self._line.committed(client, group, partitions))

    async def starts(self, partitions: Iterable[At]) -> dict[At, int]:
        """The offset before which each partition keeps nothing."""
        return await self._line.offsets(partitions, _EARLIEST)

    async def ends(self, partitions: Iterable[At]) -> dict[At, int]:
        """The offset behind the last record of each partition whose transaction has ended, or a later one."""
        return await self._line.offsets(partitions, _LATEST)

    async def heads(self, partitions: Iterable[At]) -> dict[At, int]:
        """The offset behind the last record of each partition, its transaction ended or not (the high watermark)."""
        return await self._line.offsets(partitions, _LATEST, _UNCOMMITTED_TOO)

    async def close(self) -> None:
        """Close its connections; what is being appended is given up."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _drop(producer)
        await self._line.close()


def _taken(ahead: Mapping[At, "_Ahead"], positions: Positions, limit: int) -> dict[At, list[Record]]:
    """What is here of each partition."""
    taken = {at: fetched.take(positions[at], limit) for at, fetched in ahead.items()}
    return {at: records for at, records in taken.items() if records}


class KafkaWriter:
    """Writes under a name: the holder of the newest epoch of a transactional id."""

    def __init__(self, name: str, settings: KafkaSettings, line: "_Line", producer: AIOKafkaProducer) -> None:
        self.name = name
        self._settings = settings
        self._line = line
        self._producer = producer
        self._tries = _count_tries_to_end(producer)
        self._ended: LogError | None = None

    async def commit(self, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        """Append the records and set the group's offsets, all or nothing."""
        if self._ended is not None:
            raise self._ended
        if not records and not offsets:
            return
        batches = _batches(self._producer, records)
        await self._line.refuse_unknown({*batches, *offsets})
        self._tries.clear()
        try:
            async with _within(DEADLINE_S, self._settings, f"a commit of {self.name}"):
                await self._transaction(batches, group, offsets)
        except BaseException as error:
            self._ended = error if isinstance(error, LogError) else Unreachable(f"{self.name}: a commit was broken off")
            await _drop(self._producer)
            raise
        if len(self._tries) > len(set(self._tries)):  # D
            self._ended = Unreachable(
                f"{self.name}: the end of a transaction, or its offsets, needed more than one try, and a late one of"
                " them could fall into the next; take the name anew"
            )
            await _drop(self._producer)

    async def _transaction(self, batches: dict[At, list[BatchBuilder]], group: str, offsets: Positions) -> None:
        producer = self._producer
        try:
            await producer.begin_transaction()
            await _send(producer, batches)
            if offsets:
                named = {TopicPartition(*at): offset for at, offset in offsets.items()}
                await producer.send_offsets_to_transaction(named, group)
            await producer.commit_transaction()
        except (kafka_errors.IllegalOperation, AssertionError):
            # What is asked of a transaction that has failed meanwhile is refused without the cause: that lies there.
            ended = producer._txn_manager._transaction_waiter
            if ended.done():
                ended.result()
            raise

    async def close(self) -> None:
        """Close its connections. The name stays with it until somebody else takes it."""
        if self._ended is None:
            self._ended = LogError(f"{self.name}: this writer is closed")
            await _drop(self._producer)


class KafkaMembers:
    """Membership of a consumer group: its members share the partitions of a topic. They read nothing."""

    def __init__(self, settings: KafkaSettings, group: str, topic: str) -> None:
        self._settings = settings
        self._group = group
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None
        self._outcome: _Outcome | None = None

    async def start(self) -> None:
        """Join; returns with the first assignment made."""
        # The assignor remembers what its member had in its class: each member has a class of its own.
        assignor = type("Sticky", (StickyPartitionAssignor,), {})
        self._consumer = AIOKafkaConsumer(
            group_id=self._group,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=SESSION_TIMEOUT_MS,
            max_poll_interval_ms=_FOR_EVER_MS,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            partition_assignment_strategy=(assignor,),
            **self._settings.for_client(),
        )
        self._outcome = _Outcome(self._consumer)
        self._consumer.subscribe([self._topic], listener=self._outcome)
        try:
            async with _within(DEADLINE_S, self._settings, f"joining {self._group}"):
                await _refuse_unknown_topic(self._topic, self._settings)
                await self._consumer.start()
        except BaseException:
            await self.close()
            raise

    async def changed(self) -> frozenset[int]:
        """Wait for the next assignment: the partitions that are now this member's, kept ones among them."""
        consumer, outcome = self._consumer, self._outcome
        if consumer is None or outcome is None:
            raise LogError(f"{self._group}: not a member")
        assigned = asyncio.ensure_future(outcome.assigned.wait())
        try:
            while not assigned.done():
                # It finds nothing, since all is paused; but what ends the membership is raised here alone.
                poll = asyncio.ensure_future(consumer.getmany(timeout_ms=60_000))
                try:
                    await asyncio.wait({assigned, poll}, return_when=asyncio.FIRST_COMPLETED)
                    if poll.done():
                        poll.result()
                except kafka_errors.ConsumerStoppedError as error:
                    raise LogError(f"{self._group}: no longer a member") from error
                except KafkaError as error:
                    raise _translated(error, self._settings) from error
                finally:
                    poll.cancel()
        finally:
            assigned.cancel()
        outcome.assigned.clear()
        return outcome.partitions

    async def close(self) -> None:
        """Leave the group at once: the others need not wait for the session to end."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(CLOSES_WITHIN_S):
                await consumer.stop()


class KafkaAdmin:
    """What an operator asks of a broker."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin: AIOKafkaAdminClient | None = None

    async def partitions(self, names: Iterable[str]) -> dict[str, int]:
        """How many partitions each topic has, of those that exist."""
        names = list(names)
        if not names:
            return {}
        described = await self._ask("its topics", lambda admin: admin.describe_topics(names))
        return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}

    async def create(self, names: Iterable[str], partitions: int, configs: Mapping[str, Mapping[str, str]]) -> None:
        """Create topics that do not exist, each with its settings; they can be used when this returns."""
        topics = [
            # -1: as many replicas as the broker makes of any topic; it is taken only with an empty assignment.
            NewTopic(name, partitions, -1, replica_assignments={}, topic_configs=dict(configs.get(name, {})))
            for name in names
        ]
        if not topics:
            return
        response = await self._ask("new topics", lambda admin: admin.create_topics(topics))
        for name, code, *said in response.topic_errors:
            if code:
                raise LogError(f"{name} was not created: {said[0] or kafka_errors.for_code(code).description}")
        await self._settled({topic.name: partitions for topic in topics})

    async def configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The settings of each topic, of those that exist."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        if not asked:
            return {}
        responses = await self._ask("settings of topics", lambda admin: admin.describe_configs(asked))
        found = {}
        for response in responses:
            for code, _, _, name, entries in response.resources:
                if not code:
                    found[name] = {key: value for key, value, *_ in entries if value is not None}
        return found

    async def delete(self, names: Iterable[str]) -> None:
        """Delete topics; they are gone when this returns. Those that do not exist are left at that."""
        names = list(names)
        if not names:
            return
        response = await self._ask("the deletion of topics", lambda admin: admin.delete_topics(names))
        for name, code in response.topic_error_codes:
            if code and kafka_errors.for_code(code) is not kafka_errors.UnknownTopicOrPartitionError:
                raise LogError(f"{name} was not deleted: {kafka_errors.for_code(code).description}")
        await self._settled(dict.fromkeys(names, 0))

    async def trim(self, before: Positions) -> None:
        """Let go of the records before these positions; those stay whose segment is being written to, unseen."""
        to_delete = {TopicPartition(*at): RecordsToDelete(position) for at, position in before.items()}
        if to_delete:
            await self._ask("the deletion of records", lambda admin: admin.delete_records(to_delete))

    async def sizes(self, names: Iterable[str]) -> dict[At, int]:
        """The bytes that each partition takes on a broker's disk, of the topics that exist."""
        topics = [(name, list(range(count))) for name, count in (await self.partitions(names)).items()]
        cluster = await self._ask("its brokers", lambda admin: admin.describe_cluster())
        sizes: dict[At, int] = {}
        for broker in cluster["brokers"]:
            request, node = _DescribeLogDirs(topics), broker["node_id"]
            response = await self._ask("sizes of topics", partial(_sent, request, node))
            for code, _, found in response.log_dirs:
                if code:
                    raise _translated(kafka_errors.for_code(code)("sizes of topics"), self._settings)
                for name, partitions in found:
                    for partition, size, _, _ in partitions:
                        sizes[name, partition] = max(size, sizes.get((name, partition), 0))
        return sizes

    async def broker(self) -> str:
        """The address of a broker that answers."""
        cluster = await self._ask("what it is", lambda admin: admin.describe_cluster())
        first = min(cluster["brokers"], key=lambda broker: broker["node_id"])
        return f"{first['host']}:{first['port']}"

    async def release(self) -> str:
        """Which release of Kafka it is, by the newest metadata that it understands."""
        cluster = await self._ask("what it is", lambda admin: admin.describe_cluster())
        first = min(broker["node_id"] for broker in cluster["brokers"])
        said = await self._ask("its features", partial(_sent, _Features(), first))
        return _release(said.tags.get(_SUPPORTED_FEATURES, b""))

    async def members(self, group: str) -> list[str]:
        """The client id and the host of each member of a group."""
        answers = await self._ask("a group", lambda admin: admin.describe_consumer_groups([group]))
        return sorted(f"{member[1]} at {member[2].lstrip('/')}" for answer in answers for member in answer.groups[0][5])

    async def close(self) -> None:
        """Close its connections."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await _closed(admin._client)

    async def _settled(self, expected: Mapping[str, int]) -> None:
        """A broker answers before it knows itself what it has done."""
        async with _within(DEADLINE_S, self._settings, "topics to be as asked"):
            while (await self.partitions(expected)) != {name: count for name, count in expected.items() if count}:
                await asyncio.sleep(RETRY_S / 4)

    async def _ask(self, what: str, ask: Callable[[AIOKafkaAdminClient], Awaitable[Answer]]) -> Answer:
        async with _within(DEADLINE_S, self._settings, what):
            if self._admin is None:
                self._admin = AIOKafkaAdminClient(**self._settings.for_client())
                try:
                    await self._admin.start()
                except BaseException:
                    await self.close()
                    raise
            while True:
                try:
                    return await ask(self._admin)
                except KafkaError as error:
                    if not error.retriable:
                        raise
                await asyncio.sleep(RETRY_S)


async def _sent(request: Any, node: int, admin: AIOKafkaAdminClient) -> Any:
    return await admin._client.send(node, request)


class _LogDirsAnswer(Response):  # type: ignore[misc]
    API_KEY = 35
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "log_dirs",
            Array(
                ("error_code", Int16),
                ("directory", String("utf-8")),
                (
                    "topics",
                    Array(
                        ("topic", String("utf-8")),
                        (
                            "partitions",
                            Array(("partition", Int32), ("size", Int64), ("lag", Int64), ("is_future", Boolean)),
                        ),
                    ),
                ),
            ),
        ),
    )


class _LogDirsRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = 35
    API_VERSION = 1
    RESPONSE_TYPE = _LogDirsAnswer
    SCHEMA = Schema(("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))))


class _DescribeLogDirs(Request[_LogDirsRequest]):  # type: ignore[misc]
    """How large partitions are: aiokafka does not ask it."""

    API_KEY = 35

    def __init__(self, topics: list[tuple[str, list[int]]]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_LogDirsRequest]) -> _LogDirsRequest:
        return request_struct_class(self._topics)


class _FeaturesAnswer(Response):  # type: ignore[misc]
    API_KEY = 18
    API_VERSION = 3
    SCHEMA = Schema(
        ("error_code", Int16),
        ("apis", CompactArray(("key", Int16), ("min", Int16), ("max", Int16), ("tags", TaggedFields))),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class _FeaturesRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = 18
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _FeaturesAnswer
    SCHEMA = Schema(
        ("software", CompactString("utf-8")), ("software_version", CompactString("utf-8")), ("tags", TaggedFields)
    )

    def parse_response_header(self, read_buffer: Any) -> Any:
        """The one answer that has the old head: who asks does not know yet what the broker speaks."""
        return ResponseHeader_v0.decode(read_buffer)


class _Features(Request[_FeaturesRequest]):  # type: ignore[misc]
    """What a broker can do: aiokafka asks an older version, which leaves out what says how old it is."""

    API_KEY = 18

    def build(self, request_struct_class: type[_FeaturesRequest]) -> _FeaturesRequest:
        return request_struct_class("liqstorm", "1", {})


def _release(features: bytes) -> str:
    name = b"metadata.version"
    if (at := features.find(name)) < 0:
        return "unknown"
    (newest,) = struct.unpack_from(">2xh", features, at + len(name))
    return next((release for last, release in _RELEASES if newest <= last), f"after {_RELEASES[-1][1]}")


class _Line:
    """A client of the broker: asks, and asks again, until the deadline."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: AIOKafkaClient | None = None
        self._starting = asyncio.Lock()
        self._coordinators: dict[str, int] = {}

    async def ask(self, ask: Callable[[AIOKafkaClient], Awaitable[Answer]]) -> Answer:
        """What `ask` answers, once what can pass has passed."""
        async with _within(DEADLINE_S, self._settings, "a request"):
            client = await self._started()
            while True:
                try:
                    return await ask(client)
                except KafkaError as error:
                    if not error.retriable and not isinstance(error, _MOVED):
                        raise
                except RuntimeError as error:
                    if not _is_closed(error):
                        raise
                await client.force_metadata_update()
                await asyncio.sleep(RETRY_S)

    async def refuse_unknown(self, partitions: Collection[At]) -> None:
        """Raises UnknownPartition where one does not exist."""
        client = self._client
        if client is None or any(client.cluster.leader_for_partition(TopicPartition(*at)) is None for at in partitions):
            await self.ask(lambda client: asyncio.gather(*(self.leader(client, at) for at in partitions)))

    async def leader(self, client: AIOKafkaClient, at: At) -> int:
        """The broker that has the partition; UnknownPartition if none ever will."""
        named = TopicPartition(*at)
        # Metadata may be under way that was asked for before the topic was: the second answer is the one that counts.
        for _ in range(2):
            node: int | None = client.cluster.leader_for_partition(named)
            if node is not None:
                break
            client.add_topic(named.topic)
            if not await client.force_metadata_update():
                raise kafka_errors.KafkaConnectionError("no broker answers")
        else:
            node = client.cluster.leader_for_partition(named)
        if node is None:
            if named.topic in client.cluster.unauthorized_topics:
                raise kafka_errors.TopicAuthorizationFailedError(named.topic)
            raise UnknownPartition(f"no such topic and partition: {at}")
        if node == -1:
            raise kafka_errors.LeaderNotAvailableError(f"{at}")
        return node

    async def offsets(self, partitions: Iterable[At], which: int, seen: int = _COMMITTED_ONLY) -> dict[At, int]:
        """The first or the last offset of each partition."""
        partitions = list(partitions)
        return await self.ask(lambda client: self._offsets(client, partitions, which, seen))

    async def _offsets(self, client: AIOKafkaClient, partitions: Sequence[At], which: int, seen: int) -> dict[At, int]:
        by_node: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for at in partitions:
            by_node[await self.leader(client, at)][at[0]].append((at[1], which))
        found = {}
        for node, topics in by_node.items():
            request = OffsetRequest(-1, seen, list(topics.items()))
            # Fetches wait at the broker, and what comes behind them on their connection with them: not this.
            response = await client.send(node, request, group=ConnectionGroup.COORDINATION)
            for topic, answers in response.topics:
                for partition, code, _, offset in answers:
                    if code:
                        raise kafka_errors.for_code(code)(f"{topic}-{partition}")
                    found[topic, partition] = offset
        return found

    async def committed(self, client: AIOKafkaClient, group: str, partitions: Sequence[At]) -> dict[At, int]:
        """The group's offsets, of those partitions that have one."""
        if group not in self._coordinators:
            self._coordinators[group] = await client.coordinator_lookup(CoordinationType.GROUP, group)
        topics: dict[str, list[int]] = defaultdict(list)
        for topic, partition in partitions:
            topics[topic].append(partition)
        request = OffsetFetchRequest(group, list(topics.items()))
        try:
            response = await client.send(self._coordinators[group], request, group=ConnectionGroup.COORDINATION)
            codes = [response.error_code, *(answer[3] for _, answers in response.topics for answer in answers)]
            for code in codes:
                if code:
                    raise kafka_errors.for_code(code)(group)
        except KafkaError:
            del self._coordinators[group]
            raise
        return {
            (topic, partition): offset
            for topic, answers in response.topics
            for partition, offset, *_ in answers
            if offset >= 0
        }

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await _closed(client)

    async def _started(self) -> AIOKafkaClient:
        async with self._starting:
            if self._client is None:
                client = AIOKafkaClient(**self._settings.for_client())
                try:
                    await client.bootstrap()
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client


class _Ahead:
    """What was fetched of a partition: all that there is from `start` on and before `fetch_at`.

    `fetch_at` is where the next fetch begins: behind the marks that follow the last record, too.
    """

    def __init__(self, at: At, position: int) -> None:
        self.start = position
        self.fetch_at = position
        self._at = at
        self._decoded: list[Record] = []
        self._rest: Iterator[Record] | None = None

    def load(self, fetched: bytes, aborted: Iterable[tuple[int, int]]) -> None:
        """Take what the broker has answered to a fetch at `fetch_at`."""
        self._rest = self._unpacked(fetched, sorted(aborted, key=itemgetter(1), reverse=True))

    def take(self, position: int, limit: int) -> list[Record]:
        """The records from the position on, `limit` at most; they stay until a later position is asked for."""
        decoded = self._decoded
        if decoded:
            del decoded[: bisect_left(decoded, position, key=attrgetter("offset"))]
        self.start = position
        wanted = limit - len(decoded)
        if self._rest is not None and wanted > 0:
            decoded.extend(islice(self._rest, wanted))
            if len(decoded) < limit:
                self._rest = None
        return decoded[:limit]

    def _unpacked(self, fetched: bytes, aborted: list[tuple[int, int]]) -> Iterator[Record]:
        """The records, each batch checked by its checksum, without marks and what was broken off.

        aborted   the transactions that were: producer and first offset, the last first.
        """
        batches, begins = MemoryRecords(fetched), 0
        breaking: set[int] = set()  # producers whose transaction here was broken off
        while batches.has_next():
            batch = batches.next_batch()
            ends = (
                begins + _BATCH_SIZE_BEFORE + int.from_bytes(fetched[begins + 8 : begins + _BATCH_SIZE_BEFORE], "big")
            )
            if not batch.validate_crc():
                raise kafka_errors.CorruptRecordException(f"checksum of the batch at {self._at}, {batch.base_offset}")
            while aborted and aborted[-1][1] <= batch.base_offset:
                breaking.add(aborted.pop()[0])
            if batch.is_control_batch:
                if int.from_bytes(next(batch).key[2:4], "big") == _ABORT:
                    breaking.discard(batch.producer_id)
            elif not batch.is_transactional or batch.producer_id not in breaking:
                try:
                    yield from self._records(batch)
                except (ValueError, kafka_errors.CorruptRecordException):
                    # Its checksum is right, so this is how it was sent; it must not keep what follows from being read.
                    yield from self._records(_read_by_hand(fetched[begins:ends]))
            self.fetch_at = batch.next_offset
            begins = ends

    def _records(self, batch: Iterable[Any]) -> Iterator[Record]:
        topic, partition = self._at
        headers: Headers = ()
        as_they_came: list[tuple[str, bytes | None]] = []
        for record in batch:
            offset = record.offset
            if offset < self.fetch_at:
                continue
            self.fetch_at = offset + 1
            if record.headers != as_they_came:  # those of one batch are mostly the same
                as_they_came = record.headers
                headers = tuple((key, value or b"") for key, value in as_they_came)
            yield Record(
                topic, partition, offset, record.timestamp * 1000, record.key or b"", record.value or b"", headers
            )


class _ByHand(Struct):
    """A record that the client could not read, under its names."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes | None]]


def _read_by_hand(batch: bytes) -> Iterator[_ByHand]:
    """The records of a batch, whatever the keys of their headers are: the client takes nothing but UTF-8."""
    first_offset, attributes, first_ms, last_ms, count = _BATCH_HEAD.unpack_from(batch)
    if attributes & _COMPRESSED:
        raise LogError(f"a compressed batch at offset {first_offset} has a header whose key is no UTF-8")
    rest = BytesIO(batch[_BATCH_HEAD.size :])
    for _ in range(count):
        _varint(rest)  # its length
        rest.read(1)  # its attributes: there are none
        delta_ms = _varint(rest)
        ms = last_ms if attributes & _STAMPED_BY_BROKER else first_ms + delta_ms
        offset, key, value = first_offset + _varint(rest), _bytes(rest), _bytes(rest)
        headers: list[tuple[str, bytes | None]] = [
            (_bytes(rest).decode(errors="replace"), _bytes(rest)) for _ in range(_varint(rest))
        ]
        yield _ByHand(offset, ms, key, value, headers)


def _varint(rest: BytesIO) -> int:
    """A number as protocol buffers write it: seven bits a byte, the sign in the lowest."""
    number = shift = 0
    while (byte := rest.read(1)[0]) & 0x80:
        number |= (byte & 0x7F) << shift
        shift += 7
    number |= byte << shift
    return (number >> 1) ^ -(number & 1)


def _bytes(rest: BytesIO) -> bytes:
    """A length and so many bytes; none where it is negative."""
    return rest.read(max(_varint(rest), 0))


async def _refuse_unknown_topic(topic: str, settings: KafkaSettings) -> None:
    """A consumer would wait for it to be made."""
    line = _Line(settings)
    try:
        await line.refuse_unknown([(topic, 0)])
    finally:
        await line.close()


class _Outcome(ConsumerRebalanceListener):  # type: ignore[misc]
    """What a rebalance came to. Exceptions in a listener go nowhere, so there is little in it."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.assigned = asyncio.Event()
        self.partitions: frozenset[int] = frozenset()
        self._consumer = consumer

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Every rebalance begins by taking all; only what it comes to counts."""

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.partitions = frozenset(at.partition for at in assigned)
        self.assigned.set()
        self._consumer.pause(*assigned)


async def _started_producer(settings: KafkaSettings, **more: Any) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        retry_backoff_ms=PRODUCER_RETRY_MS,
        **more,
        **settings.for_client(),
    )
    try:
        async with _within(DEADLINE_S, settings, "the start of a producer"):
            await producer.start()
    except BaseException:
        await _drop(producer)
        raise
    return producer


def _batches(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> dict[At, list[BatchBuilder]]:
    """The records of each partition in batches; TooLarge where one of them would be refused (B)."""
    of_partition: dict[At, list[Outgoing]] = defaultdict(list)
    for record in records:
        of_partition[record.topic, record.partition].append(record)
    return {at: list(_batches_of(producer, at, ordered)) for at, ordered in of_partition.items()}


def _batches_of(producer: AIOKafkaProducer, at: At, records: Sequence[Outgoing]) -> Iterator[BatchBuilder]:
    batch, place = producer.create_batch(), 0
    # Not through the batch's own `append`: it costs as much again for every record.
    add = batch._builder.append
    given: Headers = ()
    headers: list[tuple[str, bytes]] = []
    for record in records:
        if record.headers is not given:  # those of one partition are mostly the same
            given, headers = record.headers, list(record.headers)
        ms = record.timestamp_us // 1000
        added = add(place, ms, record.key, record.value, headers)
        if added is None:
            batch._relative_offset = place
            yield batch
            batch, place = producer.create_batch(), 0
            add = batch._builder.append
            added = add(place, ms, record.key, record.value, headers)
        if added.size > MAX_RECORD_BYTES:
            raise TooLarge(f"{at}: a record of {added.size} bytes; {MAX_RECORD_BYTES} is the most that is sent")
        place += 1
    batch._relative_offset = place
    yield batch


async def _send(producer: AIOKafkaProducer, batches: dict[At, list[BatchBuilder]]) -> None:
    """Send the batches, those of one partition in their order; every one is acknowledged when this returns (A)."""
    sent = await asyncio.gather(*(_send_in_order(producer, at, ordered) for at, ordered in batches.items()))
    acknowledged = await asyncio.gather(*(future for futures in sent for future in futures))
    assert len(acknowledged) == sum(map(len, batches.values())), "a batch was sent and not acknowledged"


async def _send_in_order(
    producer: AIOKafkaProducer, at: At, batches: Sequence[BatchBuilder]
) -> list[asyncio.Future[Any]]:
    topic, partition = at
    return [await producer.send_batch(batch, topic, partition=partition) for batch in batches]


def _count_tries_to_end(producer: AIOKafkaProducer) -> list[str]:
    """A list that has an entry for each try to end the transaction, and for each to commit its offsets: what guard D
    needs and nobody is told otherwise."""
    sender = producer._sender
    end, commit_offsets = sender._do_txn_commit, sender._do_txn_offset_commit
    tries: list[str] = []

    async def counted_end(result: int) -> None:
        tries.append("end")
        await end(result)

    async def counted_offsets(offsets: Mapping[TopicPartition, int], group: str) -> None:
        tries.append("offsets")
        await commit_offsets(offsets, group)

    sender._do_txn_commit, sender._do_txn_offset_commit = counted_end, counted_offsets
    return tries


async def _drop(producer: AIOKafkaProducer) -> None:
    """Close a producer without sending what it still has, and without waiting for a broker that is silent."""
    producer._closed = True
    task, transaction = producer._sender.sender_task, producer._txn_manager
    waiting = [batch._drain_waiter for batches in producer._message_accumulator._batches.values() for batch in batches]
    for future in (*waiting, transaction._transaction_waiter):
        if future is not None:
            future.add_done_callback(_heard)
    until = asyncio.get_running_loop().time() + CLOSES_WITHIN_S
    await _closed(producer.client)
    while task is not None and not task.done() and asyncio.get_running_loop().time() < until:
        task.cancel()
        if (metadata := producer.client._md_update_fut) is not None and not metadata.done():
            metadata.set_result(False)  # nobody is left who would bring them
        await asyncio.wait([task], timeout=RETRY_S)
    await _closed(producer.client)


async def _closed(client: AIOKafkaClient) -> None:
    """Close a client's connections; what a broker does not read any more is not waited for."""
    open_ones = [
        connection._writer.transport for connection in client._conns.values() if connection._writer is not None
    ]
    try:
        async with asyncio.timeout(FLUSHES_WITHIN_S):
            await client.close()
    except TimeoutError:
        client._conns.clear()
        for transport in open_ones:
            transport.abort()


def _heard(future: asyncio.Future[Any]) -> None:
    """Its failure is known: asyncio need not log it."""
    if not future.cancelled():
        future.exception()


@asynccontextmanager
async def _within(seconds: float, settings: KafkaSettings, what: str) -> AsyncIterator[None]:
    """Bounds what is asked of a broker, and says errors in our words."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise await _silence(settings, f"did not answer {what} within {seconds:g} s") from error
    except KafkaError as error:
        said = await _said(error, settings)
        if said is error:
            raise
        raise said from error
    except RuntimeError as error:
        if not _is_closed(error):
            raise
        raise await _silence(settings, "broke off") from error


def _is_closed(error: RuntimeError) -> bool:
    """What uvloop says of a connection that the broker has closed, where asyncio raises an OSError."""
    return "handler is closed" in str(error)


async def _said(error: BaseException, settings: KafkaSettings) -> BaseException:
    if type(error) is KafkaError and isinstance(error.__cause__, KafkaError):
        error = error.__cause__  # what the client did not expect it only wraps
    if isinstance(error, kafka_errors.KafkaConnectionError | kafka_errors.KafkaTimeoutError):
        return await _silence(settings, "broke off")
    return _translated(error, settings)


def _translated(error: BaseException, settings: KafkaSettings) -> BaseException:
    """The error in our words; what is none of Kafka's stays as it is."""
    if isinstance(error, _FENCED):
        return Fenced("another writer has taken the name, or the transaction took too long")
    if isinstance(error, _TOO_LARGE):
        return TooLarge(f"Kafka at {settings.bootstrap} refused a record: {_text(error)}")
    if isinstance(error, _FORBIDDEN):
        return Unreachable(f"Kafka at {settings.bootstrap} does not allow it: {_text(error)}")
    if isinstance(error, KafkaError):
        return Unreachable(f"Kafka at {settings.bootstrap}: {_text(error)}")
    return error


async def _silence(settings: KafkaSettings, otherwise: str) -> Unreachable:
    """Why nobody answers: what a new connection meets says more than what the client kept."""
    reason = ""
    for host, port, _ in collect_hosts(settings.bootstrap.split(",")):
        try:
            async with asyncio.timeout(PROBE_S):
                arguments = settings.for_client()
                del arguments["bootstrap_servers"]
                connection = await create_conn(host, port, **arguments)
                await connection.close()
            return Unreachable(f"Kafka at {settings.bootstrap} {otherwise}.")
        except TimeoutError:
            reason = reason or "it takes connections and does not answer"
        except OSError as error:
            reason = reason or _cause(error)
        except KafkaError as error:
            reason = reason or _text(error)
    return Unreachable(f"Cannot reach Kafka at {settings.bootstrap} ({reason}).")


def _text(error: BaseException) -> str:
    """What an error of aiokafka says, without its number and its class."""
    return re.sub(r"^(\[Error -?\d+\] )?\w+: ", "", str(error)) or type(error).__name__


def _cause(error: OSError) -> str:
    """Why a connection was not made: a host with several addresses has its numbers in the text alone."""
    if isinstance(error, SSLError):
        return getattr(error, "verify_message", "") or str(error.reason).replace("_", " ").lower()
    numbers = [error.errno] if error.errno else map(int, re.findall(r"\[Errno (\d+)\]", str(error)))
    known = [os.strerror(number).lower() for number in numbers if number > 0]
    return known[0] if known else error.strerror or str(error)
