"""Host: engines where the membership says, standbys where one was asked for, and what is done when something fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest

from stream_engine import engine as engines
from stream_engine import host as hosts
from stream_engine import journal, snapshots, venues
from stream_engine.core.exchange import Exchange
from stream_engine.host import Host, PartitionFailed, PartitionStatus, Role
from stream_engine.journal import Batch
from stream_engine.messages.codec import encode
from stream_engine.messages.events import AnyEvent
from stream_engine.messages.inputs import AnyInput, ClockTick
from stream_engine.messages.topics import Topic
from stream_engine.snapshots import Snapshot, Standing
from stream_engine.transport.memory import MemoryLog, MemoryWriter
from stream_engine.transport.protocol import Fenced, Outgoing, Positions, TopicPartition, UnknownPartition, Unreachable
from stream_engine.venues import Venues
from tests.test_recovery import EIGHT, filled, intake, published, to_the_end

PARTITIONS = 4


class Group:
    """Shares the partitions among who is there, in the order of their coming; tells each what is its own."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self._partitions = partitions
        self._members: list[Member] = []

    def member(self) -> "Member":
        return Member(self)

    def joins(self, member: "Member") -> None:
        self._members.append(member)
        self.shares()

    def leaves(self, member: "Member") -> None:
        self._members.remove(member)
        self.shares()

    def is_empty(self) -> bool:
        return not self._members

    def shares(self) -> None:
        for number, member in enumerate(self._members):
            member.told.put_nowait(frozenset(range(number, self._partitions, len(self._members))))


class Member:
    def __init__(self, group: Group) -> None:
        self.told: asyncio.Queue[frozenset[int]] = asyncio.Queue()
        self._group = group
        self.is_there = False

    async def start(self) -> None:
        self.is_there = True
        self._group.joins(self)

    async def changed(self) -> frozenset[int]:
        return await self.told.get()

    async def close(self) -> None:
        if self.is_there:
            self.is_there = False
            self._group.leaves(self)


@asynccontextmanager
async def running(host: Host) -> AsyncIterator[Host]:
    """The host runs; it is stopped at the end, and must have gone well."""
    task = asyncio.create_task(host.run())
    try:
        yield host
    finally:
        host.stop()
        await asyncio.wait_for(task, 5)


async def until(what: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not what():
            await asyncio.sleep(0.005)


def owned(host: Host) -> set[int]:
    return {each.partition for each in host.status() if each.role is Role.OWNER and each.is_running}


def of(host: Host, partition: int) -> PartitionStatus:
    """How a partition goes; as nothing would, where the host has not begun with it."""
    return next((each for each in host.status() if each.partition == partition), PartitionStatus(partition))


def ticks(partition: int, count: int) -> list[Outgoing]:
    venue = f"V{partition}"
    inputs: Sequence[AnyInput] = [ClockTick(venue, EIGHT + number) for number in range(count)]
    return [Outgoing(Topic.CONTROL.value, partition, b"", encode(each), EIGHT) for each in inputs]


async def everywhere(log: MemoryLog, count: int) -> None:
    for partition in range(PARTITIONS):
        await log.append(ticks(partition, count))


def taken(log: MemoryLog) -> Callable[[], bool]:
    """Whether everything that was sent is taken, on every partition."""
    control = [(Topic.CONTROL.value, partition) for partition in range(PARTITIONS)]
    return lambda: log._committed.get("engine", {}) == {at: log._end(at) for at in control}


async def test_a_host_runs_an_engine_for_each_partition_that_it_is_given() -> None:
    log = MemoryLog(PARTITIONS)
    async with running(Host(lambda: log, Group().member())) as host:
        await everywhere(log, 5)
        await until(taken(log))
        assert owned(host) == {0, 1, 2, 3}
        assert [(each.taken, each.seq) for each in host.status()] == [(5, {f"V{p}": 5}) for p in range(PARTITIONS)]
    assert host.status() == []


async def test_who_comes_is_given_a_share_and_what_stays_goes_on_in_the_same_engine() -> None:
    log, group = MemoryLog(PARTITIONS), Group()
    async with running(Host(lambda: log, group.member())) as first:
        await until(lambda: owned(first) == {0, 1, 2, 3})
        await everywhere(log, 3)
        await until(taken(log))
        writers = dict(log._holders)
        async with running(Host(lambda: log, group.member())) as second:
            await until(lambda: owned(second) == {1, 3} and owned(first) == {0, 2})
            await everywhere(log, 3)
            await until(taken(log))
            assert {name for name, writer in log._holders.items() if writers[name] is not writer} == {
                "engine-1",
                "engine-3",
            }
            assert [each.restarts for each in first.status()] == [0, 0]
        await until(lambda: owned(first) == {0, 1, 2, 3})
        await everywhere(log, 3)
        await until(taken(log))
    assert await counted(log) == [9] * PARTITIONS


async def counted(log: MemoryLog) -> list[int]:
    """The events of each partition: one for each tick, if none was lost or taken twice."""
    ends = await log.ends([(Topic.MARKET.value, partition) for partition in range(PARTITIONS)])
    return list(ends.values())


async def test_one_that_is_stopped_closes_what_it_has_and_then_leaves() -> None:
    order: list[str] = []

    class NamingLog(MemoryLog):
        async def close(self) -> None:
            order.append("log closed")

    class NamingMember(Member):
        async def close(self) -> None:
            order.append("left")

    log = NamingLog(PARTITIONS)
    async with running(Host(lambda: log, NamingMember(Group(2)))) as host:
        await until(lambda: owned(host) == {0, 1})
    assert order == ["log closed", "log closed", "left"]


async def test_a_standby_follows_and_saves_and_when_the_partition_is_given_to_it_applies_nothing_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, group = MemoryLog(), Group(1)
    again: list[int] = []
    apply_again = Venues.again

    def noting(venues: Venues, batch: Batch, out: list[Outgoing]) -> dict[str, int]:
        again.append(batch.number)
        return apply_again(venues, batch, out)

    monkeypatch.setattr(Venues, "again", noting)
    storm = intake("alpha", "beta")
    async with running(Host(lambda: log, group.member())) as first:
        await until(lambda: owned(first) == {0})
        async with running(Host(lambda: log, group.member(), follow={0}, snapshot_every_s=0.0)) as second:
            for record in storm:
                await log.append([record])
                await asyncio.sleep(0.001)
            await until(lambda: of(first, 0).taken == len(storm))
            await until(lambda: of(second, 0).journalled == of(first, 0).journalled)
            assert of(second, 0).role is Role.STANDBY
            assert of(second, 0).snapshots > 0
            journalled = of(first, 0).journalled
            first.stop()
            await until(lambda: owned(second) == {0})
            await log.append(storm[-1:])
            await until(lambda: of(second, 0).taken == 1)
            assert again == list(range(journalled))


async def test_a_snapshot_that_a_standby_is_writing_holds_up_no_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "SAVES_WITHIN_S", 60.0)
    writing, may_end = asyncio.Event(), asyncio.Event()

    class SlowLog(MemoryLog):
        async def append(self, records: Sequence[Outgoing]) -> None:
            if any(record.topic == Topic.SNAPSHOTS.value for record in records):
                writing.set()
                await may_end.wait()
            await super().append(records)

    log, group = SlowLog(PARTITIONS), Group()
    async with running(Host(lambda: log, group.member())) as first:
        await until(lambda: owned(first) == {0, 1, 2, 3})
        second_member = group.member()
        async with running(Host(lambda: log, second_member, follow={0}, snapshot_every_s=0.0)) as second:
            await until(lambda: of(second, 0).role is Role.STANDBY and of(second, 0).is_running)
            await everywhere(log, 2)
            await asyncio.wait_for(writing.wait(), 5)
            second_member.told.put_nowait(frozenset({0}))
            await until(lambda: 0 in owned(second))
            assert of(second, 0).snapshots == 0
            may_end.set()
            await until(lambda: of(second, 0).snapshots > 0)


@pytest.mark.parametrize(("number", "writes"), [(0, True), (1, False), (3, False), (4, True)])
async def test_an_owner_makes_no_snapshot_where_somebody_made_one_newer_than_its_own(number: int, writes: bool) -> None:
    log = MemoryLog(PARTITIONS)
    standing = Standing(number, number, "", {"control": (0, EIGHT)}, {}, ("V0",))
    await snapshots.write(log, Snapshot(standing, {"V0": b"of a standby"}), (Topic.SNAPSHOTS.value, 0))
    async with running(Host(lambda: log, Group().member(), snapshot_every_s=0.0)) as host:
        await until(lambda: len(owned(host)) == PARTITIONS)
        host._seats[0]._every_s = 10**9
        for tick in ticks(0, 3):
            await log.append([tick])
            await asyncio.sleep(0.01)
        await until(lambda: of(host, 0).journalled == 3)
        host._seats[0]._every_s = 0.0
        await until(lambda: of(host, 0).unsaved.inputs == 0)
        await until(lambda: of(host, 0).snapshots == writes)


class ClosingLog(MemoryLog):
    """Counts how often it was closed."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1


async def test_however_quickly_it_turns_what_a_host_is_to_a_partition_it_closes_every_log_that_it_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts, "WAIT_S", 0.001)
    logs: list[ClosingLog] = []

    def make() -> ClosingLog:
        logs.append(ClosingLog(PARTITIONS))
        return logs[-1]

    member = Member(Group(0))
    async with running(Host(make, member, follow={0, 1, 2, 3})) as host:
        for number in range(40):
            member.told.put_nowait(frozenset({number % 4, number % 3} if number % 2 else ()))
            await asyncio.sleep(0.003 * (number % 5))
        await until(lambda: len(host.status()) == PARTITIONS and all(each.is_running for each in host.status()))
    assert len(logs) > PARTITIONS
    assert {log.closed for log in logs} == {1}


async def test_who_hangs_is_not_waited_for_when_the_host_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "CLOSES_WITHIN_S", 0.05)

    class HangingLog(MemoryLog):
        async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
            await asyncio.sleep(60)
            return {}

    group = Group()
    async with running(Host(lambda: HangingLog(PARTITIONS), group.member())) as host:
        await until(lambda: len(host.status()) == PARTITIONS)
    assert group.is_empty()


async def test_what_fails_begins_again_from_what_the_log_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    log = await filled(MemoryLog(), "alpha")
    whole = await filled(MemoryLog(), "alpha")
    await to_the_end(whole)
    commits = 0
    commit = MemoryWriter.commit

    async def sometimes(writer: MemoryWriter, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        nonlocal commits
        commits += 1
        if commits % 3 == 1:
            raise Unreachable("nobody answers")
        await commit(writer, records, group, offsets)
        if commits % 3 == 2:
            raise Unreachable("nobody answers")

    monkeypatch.setattr(MemoryWriter, "commit", sometimes)
    monkeypatch.setattr(hosts, "PAUSES_S", (0.0,))
    monkeypatch.setattr(engines, "RECORDS_PER_CYCLE", 10)
    async with running(Host(lambda: log, Group(1).member(), snapshot_every_s=0.0)) as host:
        await until(lambda: sum(of(host, 0).seq.values()) == len(intake("alpha")) - 4, 10)
        assert of(host, 0).restarts >= 10
    assert await published(log) == await published(whole)


async def test_a_status_counts_what_the_log_has_and_one_that_is_stopped_waits_for_the_commit_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog()
    await log.append(ticks(0, 30))
    monkeypatch.setattr(engines, "RECORDS_PER_CYCLE", 10)
    commit, begun, answers = MemoryWriter.commit, 0, asyncio.Semaphore(1)

    async def when_told(writer: MemoryWriter, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        nonlocal begun
        begun += 1
        await answers.acquire()
        await commit(writer, records, group, offsets)

    monkeypatch.setattr(MemoryWriter, "commit", when_told)
    async with running(Host(lambda: log, Group(1).member())) as host:
        await until(lambda: begun == 2)
        for _ in range(10):
            await asyncio.sleep(0)
        status = of(host, 0)
        assert (status.taken, status.commits, status.journalled, status.seq) == (10, 1, 1, {"V0": 10})
        host.stop()
        for _ in range(2):
            answers.release()
    assert log._end((Topic.JOURNAL.value, 0)) == 3
    assert (status.taken, status.commits, status.journalled, status.seq) == (30, 3, 3, {"V0": 30})


async def test_a_record_on_which_the_core_fails_ends_the_host_after_its_restarts_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog(PARTITIONS)
    await log.append(ticks(2, 3))
    tried: list[int] = []

    def broken(exchange: Exchange, received: AnyInput) -> list[AnyEvent]:
        tried.append(received.ts_us - EIGHT)
        raise AssertionError("the fund is below zero")

    monkeypatch.setattr(Exchange, "apply", broken)
    monkeypatch.setattr(hosts, "PAUSES_S", (0.0,))
    group = Group()
    with pytest.raises(PartitionFailed) as failed:
        await asyncio.wait_for(Host(lambda: log, group.member()).run(), 5)
    assert str(failed.value) == (
        "partition 2, owner: control, partition 2, offset 0: the core failed on this record: "
        "AssertionError: the fund is below zero. Tried 4 times without getting further."
    )
    assert tried == [0] * (1 + hosts.RESTARTS)
    assert group.is_empty()


async def test_who_is_fenced_off_waits_and_starts_again_only_what_is_still_given_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog(PARTITIONS)
    monkeypatch.setattr(hosts, "FENCED_PAUSE_S", 0.05)
    member = Group().member()
    async with running(Host(lambda: log, member)) as host:
        await until(lambda: len(owned(host)) == PARTITIONS)
        for partition in (0, 1):
            await log.writer(f"engine-{partition}")
        await everywhere(log, 2)
        await until(lambda: of(host, 0).restarts == of(host, 1).restarts == 1)
        member.told.put_nowait(frozenset({1, 2, 3}))
        await until(lambda: [each.partition for each in host.status()] == [1, 2, 3])
        await until(lambda: owned(host) == {1, 2, 3} and of(host, 1).taken == 2)
        assert of(host, 1).error == ""
    assert await counted(log) == [0, 2, 2, 2]


async def test_a_broker_that_is_gone_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class GoneLog(MemoryLog):
        is_gone = True

        async def writer(self, name: str) -> MemoryWriter:
            if self.is_gone:
                raise Unreachable("Cannot reach Kafka.")
            return await super().writer(name)

    log = GoneLog(PARTITIONS)
    monkeypatch.setattr(hosts, "PAUSES_S", (0.001,))
    async with running(Host(lambda: log, Group().member())) as host:
        await until(lambda: len(host.status()) == PARTITIONS and of(host, 0).restarts > 10)
        assert owned(host) == set()
        assert of(host, 0).error == "Unreachable: Cannot reach Kafka."
        log.is_gone = False
        await until(lambda: len(owned(host)) == PARTITIONS)
    log.is_gone = True
    monkeypatch.setattr(hosts, "GIVES_UP_AFTER_S", 0.05)
    with pytest.raises(PartitionFailed, match="owner: Cannot reach Kafka"):
        await asyncio.wait_for(Host(lambda: log, Group().member()).run(), 5)


async def test_what_fails_once_behind_an_outage_has_all_its_restarts_still(monkeypatch: pytest.MonkeyPatch) -> None:
    class RecoveringLog(MemoryLog):
        """Nobody answers for a while; then it answers, and knows its topics only after one more question each."""

        asked = 0

        async def writer(self, name: str) -> MemoryWriter:
            self.asked += 1
            if self.asked <= 10:
                raise Unreachable("Cannot reach Kafka.")
            if self.asked <= 12:
                raise UnknownPartition("no such topic and partition")
            if self.asked == 13:
                raise Fenced("another writer has taken the name")
            return await super().writer(name)

    log = RecoveringLog()
    monkeypatch.setattr(hosts, "PAUSES_S", (0.001,))
    monkeypatch.setattr(hosts, "FENCED_PAUSE_S", 0.001)
    async with running(Host(lambda: log, Group(1).member())) as host:
        await until(lambda: owned(host) == {0})
        assert of(host, 0).restarts == 13


async def test_a_partition_that_went_well_for_long_has_all_its_restarts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class MoodyLog(MemoryLog):
        """Refuses every hundredth question."""

        asked = 0

        async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
            self.asked += 1
            if self.asked % 100 == 0:
                raise UnknownPartition("no such topic and partition")
            return await super().ends(partitions)

    log = MoodyLog()
    for name, seconds in (("WAIT_S", 0.0), ("PAUSES_S", (0.0,)), ("WELL_AFTER_S", 0.0)):
        monkeypatch.setattr(hosts, name, seconds)
    async with running(Host(lambda: log, Group(1).member())) as host:
        await until(lambda: of(host, 0).restarts > 2 * hosts.RESTARTS)


async def test_a_log_that_answers_and_commits_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def full(writer: MemoryWriter, records: Sequence[Outgoing], group: str, offsets: Positions) -> None:
        await asyncio.sleep(0.001)
        raise Unreachable("its disk is full")

    log = MemoryLog()
    await log.append(ticks(0, 3))
    monkeypatch.setattr(MemoryWriter, "commit", full)
    for name, seconds in (("PAUSES_S", (0.001,)), ("GIVES_UP_AFTER_S", 0.05)):
        monkeypatch.setattr(hosts, name, seconds)
    with pytest.raises(PartitionFailed, match="its disk is full"):
        await asyncio.wait_for(Host(lambda: log, Group(1).member()).run(), 5)


async def test_who_is_no_longer_a_member_joins_again_and_its_engines_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog(PARTITIONS)
    monkeypatch.setattr(hosts, "PAUSES_S", (0.001,))

    class Forgetful(Member):
        joined = 0

        async def start(self) -> None:
            self.joined += 1
            if self.joined in (2, 3):
                raise Unreachable("Cannot reach Kafka.")
            await super().start()

        async def changed(self) -> frozenset[int]:
            given = await super().changed()
            if self.joined == 1 and given != frozenset(range(PARTITIONS)):
                raise Unreachable("Cannot reach Kafka.")
            return given

    member = Forgetful(Group())
    async with running(Host(lambda: log, member)) as host:
        await until(lambda: len(owned(host)) == PARTITIONS)
        member.told.put_nowait(frozenset())
        await until(lambda: member.joined == 4)
        await everywhere(log, 2)
        await until(taken(log))
        assert [each.restarts for each in host.status()] == [0] * PARTITIONS


async def test_who_was_a_member_for_however_long_has_all_the_time_to_join_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog(PARTITIONS)
    for name, seconds in (("PAUSES_S", (0.001,)), ("GIVES_UP_AFTER_S", 0.05)):
        monkeypatch.setattr(hosts, name, seconds)

    class ThrownOut(Member):
        """Its membership ends once, long after the last assignment."""

        times = 0

        async def changed(self) -> frozenset[int]:
            if self.told.empty() and not self.times:
                await asyncio.sleep(2 * hosts.GIVES_UP_AFTER_S)
                self.times = 1
                raise Unreachable("Cannot reach Kafka.")
            return await super().changed()

    member = ThrownOut(Group())
    async with running(Host(lambda: log, member)) as host:
        await until(lambda: member.times == 1 and member.is_there)
        await everywhere(log, 2)
        await until(taken(log))
        assert [each.restarts for each in host.status()] == [0] * PARTITIONS


async def test_a_standby_that_comes_to_another_state_ends_the_host_and_names_the_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = await filled(MemoryLog(), "alpha")
    monkeypatch.setattr(journal, "STATES_EVERY", 5)
    with monkeypatch.context() as patch:
        patch.setattr(venues, "state_hash", lambda exchange: "what another state would give")
        await to_the_end(log, every=10**9)
    group = Group(1)
    await group.member().start()
    with pytest.raises(PartitionFailed) as failed:
        await asyncio.wait_for(Host(lambda: log, group.member(), follow={0}).run(), 5)
    assert str(failed.value) == (
        "partition 0, standby: journal, partition 0, offset 4: journal record 4: "
        "the state after it is not what it was, of venue alpha."
    )


@pytest.mark.parametrize(("long_s", "is_told"), [(0.0, True), (60.0, False)])
async def test_an_owner_that_pauses_long_for_a_snapshot_says_that_a_standby_would_make_it(
    long_s: float, is_told: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "LONG_PAUSE_S", long_s)
    log = await filled(MemoryLog(), "alpha")
    async with running(Host(lambda: log, Group(1).member(), snapshot_every_s=0.0)) as host:
        await until(lambda: of(host, 0).snapshots > 0)
    assert ("a standby elsewhere would make it" in caplog.text) is is_told


async def test_a_snapshot_that_cannot_be_written_is_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullLog(MemoryLog):
        async def append(self, records: Sequence[Outgoing]) -> None:
            if any(record.topic == Topic.SNAPSHOTS.value for record in records):
                raise Unreachable("the disk is full")
            await super().append(records)

    log = await filled(FullLog(), "alpha")
    monkeypatch.setattr(engines, "RECORDS_PER_CYCLE", 10)
    async with running(Host(lambda: log, Group(1).member(), snapshot_every_s=0.0)) as host:
        await until(lambda: of(host, 0).taken == len(intake("alpha")))
        await until(lambda: of(host, 0).error == "no snapshot was written: the disk is full")
        assert of(host, 0).restarts == 0
    assert "partition 0: no snapshot was written: the disk is full" in caplog.messages
