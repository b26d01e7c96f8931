"""Host on a broker: engines are shared, handed over, taken over, resumed from snapshots, and warm where they were
followed. Seconds are those that the README promises, with room for a busy machine."""

import asyncio
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from stream_engine import snapshots
from stream_engine.engine import replay
from stream_engine.host import Host, Role
from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import ClockTick
from stream_engine.messages.topics import OUTPUT, Topic
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaMembers, KafkaSettings
from stream_engine.transport.protocol import Log, Outgoing
from tests.test_host import of, owned, running, until
from tests.test_recovery import EIGHT, intake

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 4
ALL = set(range(PARTITIONS))


class Cluster:
    """The topics of one run on a broker, and who works on them."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.prefix = prefix
        self.settings = KafkaSettings(bootstrap)
        self.log = KafkaLog(self.settings)
        self.logs = 0

    async def begin(self) -> None:
        admin = KafkaAdmin(self.settings)
        kept = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1)}
        names = [self.prefix + topic.value for topic in Topic]
        await admin.create(names, PARTITIONS, dict.fromkeys(names, kept))
        await admin.close()

    def host(self, **more: object) -> Host:
        return Host(self._make_log, self._member(), self.prefix, **more)  # type: ignore[arg-type]

    def process(self) -> "subprocess.Popen[bytes]":
        """A host in a process of its own."""
        program = f"""
import asyncio
from stream_engine.host import Host
from stream_engine.transport.kafka import KafkaLog, KafkaMembers, KafkaSettings
settings, prefix = KafkaSettings({self.settings.bootstrap!r}), {self.prefix!r}
members = KafkaMembers(settings, prefix + "engine-members", prefix + "control")
asyncio.run(Host(lambda: KafkaLog(settings), members, prefix).run())
"""
        return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)

    async def tick(self, number: int) -> None:
        """One input for the venue of each partition."""
        topic = self.prefix + Topic.CONTROL.value
        await self.log.append(
            [
                Outgoing(topic, partition, b"", encode(ClockTick(f"V{partition}", EIGHT + number)), EIGHT)
                for partition in range(PARTITIONS)
            ]
        )

    async def values(self, topic: Topic, partition: int = 0) -> list[bytes]:
        at = (self.prefix + topic.value, partition)
        found: list[bytes] = []
        position = (await self.log.starts([at]))[at]
        while records := (await self.log.read({at: position}, 10_000)).get(at):
            found += [record.value for record in records]
            position = records[-1].offset + 1
        return found

    async def take(self, sent: Sequence[Outgoing]) -> None:
        """A new host takes this, little by little, and writes a snapshot of partition 0."""
        async with running(self.host(snapshot_every_s=0.0)) as host:
            await until(lambda: owned(host) == ALL, 20)
            for begin in range(0, len(sent), 10):
                await self.log.append(sent[begin : begin + 10])
                await until(partial(has_taken, host, min(begin + 10, len(sent))), 20)
            await until(lambda: of(host, 0).snapshots > 0, 20)

    async def forget_the_journal_before_its_snapshot(self) -> None:
        """Of partition 0: whoever resumes must take the snapshot."""
        journal, saved = ((self.prefix + topic.value, 0) for topic in (Topic.JOURNAL, Topic.SNAPSHOTS))
        newest = await anext(aiter(snapshots.newest(self.log, saved)))
        admin = KafkaAdmin(self.settings)
        await admin.trim({journal: newest.standing.offset})
        await admin.close()
        assert (await self.log.starts([journal]))[journal] == newest.standing.offset > 0

    async def ticked(self) -> list[int]:
        return [len(await self.values(Topic.MARKET, partition)) for partition in range(PARTITIONS)]

    def _make_log(self) -> Log:
        self.logs += 1
        return KafkaLog(self.settings)

    def _member(self) -> KafkaMembers:
        return KafkaMembers(self.settings, self.prefix + "engine-members", self.prefix + Topic.CONTROL.value)


@pytest.fixture
async def cluster(bootstrap: str, prefix: str) -> AsyncIterator[Cluster]:
    made = Cluster(bootstrap, prefix)
    await made.begin()
    yield made
    await made.log.close()


def seqs(host: Host) -> list[int]:
    """The next of each venue."""
    return [seq for each in host.status() for seq in each.seq.values()]


def has_taken(host: Host, count: int) -> bool:
    return of(host, 0).taken == count


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def test_two_hosts_share_the_partitions_one_that_stops_hands_over_and_what_stays_goes_on_as_it_was(
    cluster: Cluster,
) -> None:
    async with running(cluster.host()) as first:
        await until(lambda: owned(first) == ALL, 20)
        await cluster.tick(1)
        async with running(cluster.host()) as second:
            await until(lambda: len(owned(first)) == len(owned(second)) == 2, 20)
            kept = owned(first)
            await cluster.tick(2)
            await until(lambda: sum(each.taken for each in second.status()) == 2, 20)
            assert (owned(first) | owned(second), cluster.logs) == (ALL, PARTITIONS + 2)
            second.stop()
            began_s = seconds()
            await until(lambda: owned(first) == ALL, 20)
            assert seconds() - began_s < 4
        await cluster.tick(3)
        await until(lambda: {of(first, each).taken for each in kept} == {3} and seqs(first) == [3] * PARTITIONS, 20)
        assert (cluster.logs, [each.restarts for each in first.status()]) == (PARTITIONS + 4, [0] * PARTITIONS)
    assert await cluster.ticked() == [3] * PARTITIONS


async def test_one_that_is_killed_is_taken_over_within_its_session_and_two_seconds(cluster: Cluster) -> None:
    process = cluster.process()
    try:
        await cluster.tick(1)
        async with asyncio.timeout(20):
            while await cluster.ticked() != [1] * PARTITIONS:
                await asyncio.sleep(0.02)
        async with running(cluster.host()) as successor:
            await until(lambda: len(owned(successor)) == 2, 20)
            process.send_signal(signal.SIGKILL)
            began_s = seconds()
            await cluster.tick(2)
            await until(lambda: owned(successor) == ALL, 20)
            assert seconds() - began_s < 8
            await until(lambda: seqs(successor) == [2] * PARTITIONS, 20)
        assert await cluster.ticked() == [2] * PARTITIONS
    finally:
        process.kill()
        process.wait()


async def test_who_resumes_from_a_snapshot_yields_the_bytes_that_the_whole_journal_gives(cluster: Cluster) -> None:
    storm = [changed(record, topic=cluster.prefix + record.topic) for record in intake("alpha", "beta")]
    journal: list[bytes] = []
    for part in (storm[:90], storm[90:]):
        await cluster.take(part)
        journal += [value for value in await cluster.values(Topic.JOURNAL) if value not in journal]
        await cluster.forget_the_journal_before_its_snapshot()
    again = defaultdict(list)
    for event in replay(journal, prefix=cluster.prefix):
        again[event.topic].append(event.value)
    published = {cluster.prefix + topic.value: await cluster.values(topic) for topic in OUTPUT}
    assert published == {name: again[name] for name in published}
    assert published[cluster.prefix + "adl"]


async def test_a_standby_is_warm_when_its_partition_comes_to_it(cluster: Cluster) -> None:
    async with running(cluster.host()) as first:
        await until(lambda: owned(first) == ALL, 20)
        async with running(cluster.host(follow=ALL)) as second:
            await until(lambda: len(owned(first)) == len(owned(second)) == 2, 20)
            followed = owned(first)
            await cluster.tick(1)
            await until(lambda: seqs(second) == [1] * PARTITIONS, 20)
            assert {each.partition for each in second.status() if each.role is Role.STANDBY} == followed
            first.stop()
            await until(lambda: owned(second) == ALL, 20)
            await cluster.tick(2)
            await until(lambda: seqs(second) == [2] * PARTITIONS, 20)
            assert {of(second, each).taken for each in followed} == {1}
            # Each of the first's and each of the second's: who takes over goes on with what it has.
            assert cluster.logs == 2 * PARTITIONS
