"""Engine: the shell round the exchanges of one partition: read, sequence, apply, publish, journal, resume.

Sequence  the records of one intake topic never overtake each other; between the heads of the four, the earlier `ts_us`
          goes first, at equal times control < shocks < quotes < orders. A value that is no input of its topic takes the
          time of the input before it there (0: there is none).
Apply     each input goes to the exchange of its venue, which is made at the venue's first control input. What cannot be
          taken (too large, no input, on the wrong topic or partition, of a venue that no control input has named yet)
          goes to the dead letters, and the engine goes on.
Publish   one commit holds the journal records, the events, the dead letters and the intake offsets of a cycle.
Ahead     where more is known to be there, it is read and applied while the log answers a commit; one is under way at a
          time. What was applied ahead of a commit that fails is neither published, nor saved, nor counted.
Resume    1 take the writer's name: any other engine of the partition is fenced off  2 then, not before, read the
          committed offsets  3 snapshot and journal (standby)  4 the journal must end where the offsets are committed,
          and the intake topics must still hold what comes next, behind what was taken. This order is never changed:
          offsets that are read before the fence may be those of a commit that is still under way. Where 3 or 4 fails,
          a newer engine may have journalled on meanwhile: then this one is fenced off, and that is what it says.
Holds     the same journal gives the same events, byte for byte. A commit that failed, or an exchange that raised, stops
          this engine for good: a new one resumes from what the log really holds.
Bounds    of each topic 20,000 records are read at once, and no more once 8 MiB are there;
          a journal record ends before it would pass 512 KiB; a cycle ends with its 16th, with the one that is full
          after half a second of work, or once it has made 50,000 records. How long it works changes no journal: the
          next cycle goes on where a record was full anyway.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from time import perf_counter

from stream_engine import journal
from stream_engine.core.exchange import Exchange
from stream_engine.journal import Draft, JournalError, sum_of
from stream_engine.messages.inputs import AnyInput
from stream_engine.messages.topics import INTAKE, MAX_INPUT_BYTES, Topic
from stream_engine.snapshots import Snapshot
from stream_engine.standby import Follower
from stream_engine.transport.protocol import (
    Log,
    Outgoing,
    Record,
    TopicPartition,
    Writer,
    dead_letter_headers,
    headers,
)
from stream_engine.venues import NotTaken, Venues, reader_of

READ_AT_ONCE = 20_000
READ_BYTES_AT_ONCE = 8 * 1024 * 1024
RECORDS_PER_CYCLE = 50_000
JOURNALS_PER_CYCLE = 16
# What a cascade takes long over is soon in a snapshot, so that whoever takes over has little to apply again.
WORK_PER_CYCLE_S = 0.5
# So many inputs are applied in one go, about a millisecond; then others have their turn, a commit under way among them.
GIVES_WAY_EVERY = 100
# A stamp far in the future must not hold up its topic for as long as others stay full: after so many reads it goes.
PATIENCE = 64
# The last records of a journal may be seen a moment after they were committed.
_SEEN_AFTER_S = 0.02
_SEEN_TRIES = 50
_NEVER = 2**63


class EngineStopped(Exception):
    """This engine failed before and no longer knows what the log holds: start a new one."""


class InputCrashed(Exception):
    """The core failed on an input: an error of ours. The text names the record; nothing of its cycle was published."""


class Engine:
    """Runs the venues of one partition. Given a follower of its journal, it starts from where that stands.

    journalled, seq   what the log holds of it: how many journal records, and the next seq of each venue.
    commit_s          how long the last commit took.
    """

    def __init__(
        self, log: Log, partition: int, prefix: str = "", run_id: str = "", follower: Follower | None = None
    ) -> None:
        self.partition = partition
        self.group = prefix + "engine"
        self._log = log
        self._name = f"{prefix}engine-{partition}"
        self._lanes = [_Lane(topic, prefix, partition) for topic in INTAKE]
        self._journal: TopicPartition = (prefix + Topic.JOURNAL.value, partition)
        self._dead_letters = prefix + Topic.DEADLETTERS.value
        self._run_id = run_id
        self._follower = follower or Follower(log, partition, prefix, run_id)
        self._venues = self._follower.venues
        self._writer: Writer | None = None
        self._failed = False
        self._committing: asyncio.Task[int] | None = None
        self.journalled = 0
        self.seq: dict[str, int] = {}
        self.commit_s = 0.0

    @property
    def exchanges(self) -> dict[str, Exchange]:
        """The exchange of each venue."""
        return self._venues.exchanges

    @property
    def stand(self) -> Follower:
        """Venues, chain, and what a snapshot would save, up to what was applied last: ahead of a commit under way."""
        return self._follower

    @property
    def is_settled(self) -> bool:
        """Whether all that was taken is in the log."""
        return self._committing is None

    async def start(self) -> None:
        """Fence off any other engine of this partition; then, not before, come to where the journal ends."""
        self._failed = True
        writer = await self._log.writer(self._name)
        try:
            committed = await self._log.committed(self.group, [lane.at for lane in self._lanes])
            try:
                await self._catch_up(committed)
                await self._check_intake()
            except JournalError:
                # To commit what is committed changes nothing, and who no longer holds the name is told so.
                await writer.commit([], self.group, committed)
                raise
        except BaseException:
            await writer.close()
            raise
        self._writer = writer
        self.journalled, self.seq = self._stands_at()
        self._failed = False

    async def behind(self) -> bool:
        """Whether there is intake that is not yet taken."""
        if any(lane.waiting for lane in self._lanes):
            return True
        ends = await self._log.ends([lane.at for lane in self._lanes])
        behind = {lane.at: lane.next for lane in self._lanes if lane.next < ends[lane.at]}
        # The end may lie past the last record: only a read shows whether there is one.
        return bool(behind) and bool(await self._log.read(behind, 1))

    async def cycle(self, limit: int = READ_AT_ONCE, wait_s: float = 0.0) -> int:
        """Take what there is, `limit` records of each topic at most, in one commit; how many were taken.

        Where there is nothing it waits for something, for `wait_s` at most.
        """
        committed, commit = await self._apply_next(limit, wait_s)
        if commit is None:
            return committed + await self.settle()
        # Waited for here and now: a task for each would cost a log in memory more than all the rest of a commit.
        self._failed = True
        committed += await commit
        self._failed = False
        return committed

    async def advance(self, limit: int = READ_AT_ONCE, wait_s: float = 0.0) -> int:
        """As `cycle`, but its commit is only begun; how many inputs the one before has brought into the log meanwhile.

        Where no more is known to be there, that one comes to its end first: what arrives until then shall go into one
        commit and not into two.
        """
        committed, commit = await self._apply_next(limit, wait_s)
        if commit is not None:
            self._committing = asyncio.create_task(commit)
        return committed

    async def settle(self) -> int:
        """Wait until all that was taken is in the log; how many inputs were not yet."""
        self._refuse_failed()
        self._failed = True
        committed = await self._answered()
        self._failed = False
        return committed

    async def snapshot(self) -> Snapshot | None:
        """Where the partition stands, between two cycles; None where the log does not show it yet."""
        await self.settle()
        stand = self._follower
        position = await self._journal_position()
        if position is None:
            return None
        stand.position = position
        stand.lanes = {lane.name: (lane.next, lane.taken_us) for lane in self._lanes}
        return await stand.snapshot()

    async def lag(self) -> dict[str, int]:
        """Of each intake topic, how many records wait, the broker's marks among them."""
        ends = await self._log.ends([lane.at for lane in self._lanes])
        return {lane.name: max(0, ends[lane.at] - lane.next) for lane in self._lanes}

    async def close(self) -> None:
        """Let go of the writer; the log is its owner's. A commit that is under way is broken off: settle before."""
        self._failed = True
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.gather(self._committing, return_exceptions=True)
        if self._writer is not None:
            await self._writer.close()

    def _refuse_failed(self) -> None:
        if self._failed:
            raise EngineStopped(f"the engine of partition {self.partition} failed before")

    async def _apply_next(self, limit: int, wait_s: float) -> tuple[int, Coroutine[None, None, int] | None]:
        """Take what there is: how many inputs the commit before has brought into the log, and what commits these."""
        self._refuse_failed()
        if self._writer is None:
            await self.start()
        assert self._writer is not None
        if self._committing is None:
            await self._read(limit, wait_s)
        elif any(lane.waiting or lane.cut for lane in self._lanes):
            await self._read(limit, 0.0)
        else:
            return await self.settle(), None
        self._failed = True
        out: list[Outgoing] = []
        try:
            taken = await self._take(out)
        except InputCrashed:
            await self._answered()  # what was taken before is published all the same
            raise
        committed = await self._answered()
        self._failed = False
        return committed, self._commit(self._writer, out, taken) if taken else None

    def _commit(self, writer: Writer, out: Sequence[Outgoing], taken: int) -> Coroutine[None, None, int]:
        """What commits all that was taken up to now; it gives how many inputs that were."""
        offsets = {lane.at: lane.next for lane in self._lanes if lane.next}
        journalled, seq = self._stands_at()

        async def commit() -> int:
            begun_s = perf_counter()
            await writer.commit(out, self.group, offsets)
            self.commit_s = perf_counter() - begun_s
            self.journalled, self.seq = journalled, seq
            return taken

        return commit()

    async def _answered(self) -> int:
        """Wait for the commit that is under way, if there is one; how many inputs it held."""
        if self._committing is None:
            return 0
        taken = await self._committing
        self._committing = None
        return taken

    def _stands_at(self) -> tuple[int, dict[str, int]]:
        """How many journal records were made, and the next seq of each venue."""
        return self._follower.chain.length, {venue: exchange.seq for venue, exchange in self.exchanges.items()}

    async def _catch_up(self, committed: dict[TopicPartition, int]) -> None:
        follower = self._follower
        for _ in range(_SEEN_TRIES):
            while await follower.follow():
                pass
            for lane in self._lanes:
                lane.next, lane.ts_us = follower.lanes[lane.name]
            # What was aborted may hide from a read what comes behind it: only offsets that fit say that all is read.
            if committed and all(committed.get(lane.at, 0) == lane.next for lane in self._lanes):
                break
            if (await self._log.ends([self._journal]))[self._journal] <= follower.position:
                break
            await asyncio.sleep(_SEEN_AFTER_S)
        for lane in self._lanes:
            if committed.get(lane.at, lane.next) != lane.next:
                raise JournalError(f"{lane.at}: {committed[lane.at]} is committed, the journal ends at {lane.next}")

    async def _check_intake(self) -> None:
        """What comes next must still be there, and what was taken must have been."""
        partitions = [lane.at for lane in self._lanes]
        starts, ends = await self._log.starts(partitions), await self._log.ends(partitions)
        for lane in self._lanes:
            where = f"{lane.at[0]}, partition {self.partition},"
            if lane.next < starts[lane.at]:
                raise JournalError(
                    f"{where} begins at offset {starts[lane.at]}, and the journal took it only up to {lane.next}: "
                    "what lies between is lost. Was it trimmed too far, or is its retention.ms not -1?"
                )
            if lane.next > ends[lane.at]:
                raise JournalError(
                    f"{where} ends at offset {ends[lane.at]}, and the journal took it up to {lane.next}: the topic "
                    "was made anew. Start anew under another prefix."
                )
            if await self._has_another(lane, starts[lane.at]):
                raise JournalError(
                    f"{where} holds before offset {lane.next} another record than the journal took there: the topic "
                    "was made anew. Start anew under another prefix."
                )

    async def _has_another(self, lane: "_Lane", start: int) -> bool:
        """Whether the last record taken, as far as it is known and kept, is not the one that lies there."""
        offset, stored = self._follower.newest.get(lane.name, (-1, b""))
        if offset < start:
            return False
        found = (await self._log.read({lane.at: offset}, 1)).get(lane.at)
        if not found:
            return False
        value, taken = found[0].value, journal.value_of(stored)
        return found[0].offset != offset or taken != (value if isinstance(taken, bytes) else journal.cut(value))

    async def _journal_position(self) -> int | None:
        """The offset behind the last journal record, once the log shows it."""
        chain, at = self._follower.chain, self._journal
        for _ in range(_SEEN_TRIES // 5):
            start, end = (await self._log.starts([at]))[at], (await self._log.ends([at]))[at]
            if end == start:
                return None
            # The last offset may be a mark of the broker's, which nobody reads.
            found = (await self._log.read({at: max(start, end - 2)}, 2)).get(at)
            if found and sum_of(found[-1].value) == chain.sha256:
                return found[-1].offset + 1
            await asyncio.sleep(_SEEN_AFTER_S)
        return None

    async def _read(self, limit: int, wait_s: float) -> None:
        empty = [lane for lane in self._lanes if not lane.waiting]
        if len(empty) < len(self._lanes):
            wait_s = 0.0
        ends = await self._log.ends([lane.at for lane in empty])
        found = await self._log.read({lane.at: lane.next for lane in empty}, limit, wait_s)
        for lane in empty:
            found[lane.at] = await self._all_of(lane, found.get(lane.at, []), limit, ends[lane.at])
        for lane in self._lanes:
            lane.passed_over += 1
        for lane in empty:
            lane.load(found[lane.at], ends[lane.at])

    async def _all_of(self, lane: "_Lane", records: list[Record], limit: int, end: int) -> list[Record]:
        """A broker may give less than there is: no other topic may pass what is known to be there, and few commits of
        many records cost less than many of few."""
        size = sum(len(record.value) for record in records)
        while len(records) < limit and size < READ_BYTES_AT_ONCE:
            position = records[-1].offset + 1 if records else lane.next
            if position >= end or lane.hollow == end:
                break
            more = (await self._log.read({lane.at: position}, limit - len(records))).get(lane.at, [])
            if not more:
                lane.hollow = end
            records = records + more
            size += sum(len(record.value) for record in more)
        return records

    async def _take(self, out: list[Outgoing]) -> int:
        """Take what is waiting, in its order, into journal records and what follows from them; how many inputs.

        Others have their turn meanwhile: whoever is silent for seconds counts as dead, and a commit is to be answered.
        """
        chain, work = self._follower.chain, self._follower.work
        taken = sealed = in_one_go = 0
        before_s, begun_s = work.seconds, perf_counter()
        draft = Draft(chain.length)
        take, add = self._venues.take, draft.add
        for lane, (ts_us, record, received, why) in merged(self._lanes):
            # Ends only here, before the input is taken: what `merged` has handed out and not been asked on from, waits.
            if len(out) >= RECORDS_PER_CYCLE:
                break
            if not draft.has_room(record.value):
                taken += self._seal(draft, out)
                sealed += 1
                draft = Draft(chain.length)
                add = draft.add
                worked_s = work.seconds - before_s + perf_counter() - begun_s
                if sealed == JOURNALS_PER_CYCLE or worked_s > WORK_PER_CYCLE_S:
                    break
                in_one_go = GIVES_WAY_EVERY
            if in_one_go == GIVES_WAY_EVERY:
                work.seconds += perf_counter() - begun_s
                await asyncio.sleep(0)
                begun_s = perf_counter()
                in_one_go = 0
            in_one_go += 1
            if received is not None:
                try:
                    why = take(received, draft.seq, out)
                except Exception as error:
                    raise InputCrashed(_crash(record, error)) from error
            if ts_us > draft.ts_us:
                draft.ts_us = ts_us
            if not why:
                add(lane.name, record.offset, record.value)
            else:
                out.append(self._bury(draft, lane, record, ts_us, received is not None, why))
        if draft.taken:
            taken += self._seal(draft, out)
            sealed += 1
        work.inputs += taken
        work.records += sealed
        work.seconds += perf_counter() - begun_s
        return taken

    def _seal(self, draft: Draft, out: list[Outgoing]) -> int:
        topic, partition = self._journal
        if journal.carries_states(draft.number):
            draft.state = self._venues.state_hashes()
        value = self._follower.chain.seal(draft)
        out.append(Outgoing(topic, partition, b"", value, draft.ts_us, headers(Topic.JOURNAL, self._run_id)))
        return draft.taken

    def _bury(self, draft: Draft, lane: "_Lane", record: Record, ts_us: int, is_input: bool, why: str) -> Outgoing:
        """Note a dead letter in the draft, and make it: the value byte for byte (of an oversize one its head)."""
        value = record.value
        origin = dead_letter_headers(record, why, self._run_id)
        if len(value) > lane.max_bytes:
            oversize = journal.cut(value)
            draft.add_oversize(lane.name, record.offset, oversize, why)
            origin = (*origin, ("length", b"%d" % oversize.length), ("sha256", oversize.sha256.encode()))
            value = oversize.head
        else:
            draft.add_dead(lane.name, record.offset, value, is_input, why)
        return Outgoing(self._dead_letters, self.partition, record.key, value, ts_us, origin)


def _crash(record: Record, error: Exception) -> str:
    where = f"{record.topic}, partition {record.partition}, offset {record.offset}"
    return f"{where}: the core failed on this record: {type(error).__name__}: {error}"


def replay(records: Iterable[bytes], partition: int = 0, prefix: str = "", run_id: str = "") -> Iterator[Outgoing]:
    """The events that follow from the journal records of a partition, by applying its inputs again."""
    venues = Venues(partition, prefix, run_id)
    for batch in journal.read(records):
        out: list[Outgoing] = []
        venues.again(batch, out)
        yield from out


# (ts_us, the record, its input, or why it has none)
_Item = tuple[int, Record, AnyInput | None, str]


class _Lane:
    """One intake topic of the partition: what was read and is not yet taken.

    next      the offset to be taken next.      ts_us     the time of the last input read.
    cut       there is more behind what the last read found.
    hollow    an end of the topic before which nothing was found: what lies there are marks of the broker's.
    passed_over  reads since something was taken.
    """

    def __init__(self, topic: Topic, prefix: str, partition: int) -> None:
        self.topic = topic
        self.name = topic.value
        self.at: TopicPartition = (prefix + topic.value, partition)
        self.max_bytes = MAX_INPUT_BYTES[topic]
        self._read = reader_of(topic)
        self.next = 0
        self.ts_us = 0
        self.cut = False
        self.hollow = -1
        self.passed_over = 0
        self.items: list[_Item] = []
        self.taken = 0
        self._before_us = 0

    @property
    def waiting(self) -> bool:
        return self.taken < len(self.items)

    @property
    def taken_us(self) -> int:
        """The time of the last input taken."""
        if self.taken:
            return self.items[self.taken - 1][0]
        return self._before_us if self.items else self.ts_us

    def load(self, records: Sequence[Record], end: int) -> None:
        self._before_us = self.ts_us
        read, ts_us = self._read, self.ts_us
        items: list[_Item] = []
        for record in records:
            try:
                received = read(record.value)
            except NotTaken as why:
                items.append((ts_us, record, None, str(why)))
            else:
                ts_us = received.ts_us
                items.append((ts_us, record, received, ""))
        self.items, self.ts_us = items, ts_us
        self.taken = 0
        self.cut = bool(records) and records[-1].offset + 1 < end
        self.passed_over = 0

    def key(self) -> int:
        """The time by which its head is merged."""
        return self.items[self.taken][0] if self.passed_over <= PATIENCE else -1


def merged(lanes: Sequence[_Lane]) -> Iterator[tuple[_Lane, _Item]]:
    """What waits, in the order in which it is taken, until a topic that may have more is used up.

    An item counts as taken when the next is asked for.
    """
    while live := sorted((lane.key(), rank) for rank, lane in enumerate(lanes) if lane.waiting):
        _, rank = live[0]
        lane = lanes[rank]
        # The heads of the others stand still meanwhile: from this topic goes what is earlier than all of them.
        until = min((ts_us + (rank < other) for ts_us, other in live[1:]), default=_NEVER)
        items = lane.items
        while True:
            yield lane, items[lane.taken]
            lane.next = items[lane.taken][1].offset + 1
            lane.taken += 1
            lane.passed_over = 0
            if lane.taken == len(items) or items[lane.taken][0] >= until:
                break
        if lane.cut and not lane.waiting:
            return
