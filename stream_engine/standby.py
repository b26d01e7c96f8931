"""Standby: what the journal of one partition comes to, followed without owning the partition.

Begin     the newest snapshot that fits the journal, else the journal from its beginning. A snapshot fits if the journal
          record before its position has the sum that it names. One that does not, or cannot be read, gives way to the
          one before it: that only costs time.
Follow    each journal record must be the next, as it was written, of this core; its inputs are applied and must come
          out as they did; every hundredth is held against the state hashes that it carries.
Error     JournalError names the record and its offset. Whoever raised it knows no state any more: start a new one.

Alive     what takes long (the dump of a venue, its load) is done beside the event loop, and others have their turn
          behind every journal record: a process that is silent for seconds counts as dead.

An engine that starts does just this, once it has fenced off its predecessor: given a follower, it starts warm.
"""

import asyncio
import logging
from time import perf_counter

from stream_engine import snapshots
from stream_engine.core.state import StateError, dump, load
from stream_engine.journal import Chain, JournalError, sum_of
from stream_engine.messages.topics import INTAKE, Topic
from stream_engine.snapshots import EVERY_S, TIMES_ITS_COST, Snapshot, Standing, Work
from stream_engine.transport.protocol import Log, Record, TopicPartition
from stream_engine.venues import Venues

JOURNALS_AT_ONCE = 8

_logger = logging.getLogger(__name__)


class Follower:
    """Follows the journal of one partition.

    position   the journal offset up to which it is applied; -1 before `begin`.
    lanes      of each intake topic: the offset to be taken next, and the time of the last input taken.
    newest     of an intake topic, the last value that it has applied: its offset, and what stands in the journal.
    work       what was applied since the snapshot that it began from, or made last.
    saved      how many journal records the newest snapshot holds that it knows of.
    dumped_s   how long the dumps of its last snapshot took.
    """

    def __init__(self, log: Log, partition: int, prefix: str = "", run_id: str = "") -> None:
        self.venues = Venues(partition, prefix, run_id)
        self.chain = Chain()
        self.lanes = {topic.value: (0, 0) for topic in INTAKE}
        self.newest: dict[str, tuple[int, bytes]] = {}
        self.position = -1
        self.work = Work()
        self.saved = 0
        self.dumped_s = 0.0
        self._log = log
        self._journal: TopicPartition = (prefix + Topic.JOURNAL.value, partition)
        self._snapshots: TopicPartition = (prefix + Topic.SNAPSHOTS.value, partition)

    async def begin(self) -> None:
        """Take up the newest snapshot that fits, or stand at the journal's beginning."""
        start = (await self._log.starts([self._journal]))[self._journal]
        end = (await self._log.ends([self._journal]))[self._journal]
        async for snapshot in snapshots.newest(self._log, self._snapshots):
            if await self._adopt(snapshot, start, end):
                return
        if start > 0:
            topic, partition = self._journal
            raise JournalError(
                f"{topic}, partition {partition}, begins at offset {start}, and no snapshot of this core holds what "
                "was before: nothing can be resumed. Start anew under another prefix, or with the core that wrote it."
            )
        self.position = 0

    async def follow(self, wait_s: float = 0.0) -> int:
        """Apply what is new in the journal, some records at most; how many. Waits `wait_s` at most for a first."""
        if self.position < 0:
            await self.begin()
        found = await self._log.read({self._journal: self.position}, JOURNALS_AT_ONCE, wait_s)
        records = found.get(self._journal, [])
        for record in records:
            self._apply(record)
            await asyncio.sleep(0)
        return len(records)

    async def snapshot(self) -> Snapshot:
        """Where the partition stands, to be written; nothing may be applied meanwhile."""
        venues = self.venues
        standing = Standing(
            self.position,
            self.chain.length,
            self.chain.sha256,
            dict(self.lanes),
            dict(venues.elsewhere),
            tuple(venues.exchanges),
        )
        states = {}
        self.dumped_s = 0.0
        for venue, exchange in venues.exchanges.items():
            begun_s = perf_counter()
            states[venue] = await asyncio.to_thread(dump, exchange)
            self.dumped_s += perf_counter() - begun_s
        self.saved_up_to(standing.number)
        return Snapshot(standing, states)

    def is_worth_a_snapshot(self, every_s: float = EVERY_S, times_its_cost: float = TIMES_ITS_COST) -> bool:
        """Whether it is time for one."""
        return self.work.inputs > 0 and self.work.seconds >= max(every_s, times_its_cost * self.dumped_s)

    def saved_up_to(self, number: int) -> None:
        """There is a snapshot that holds so many journal records, by whoever."""
        self.saved = number
        self.work = Work()

    async def _adopt(self, snapshot: Snapshot, start: int, end: int) -> bool:
        standing = snapshot.standing
        try:
            if why := await self._misfit(standing, start, end):
                raise StateError(why)
            exchanges = [await asyncio.to_thread(load, state) for state in snapshot.states.values()]
        except StateError as error:
            told = "%s, partition %d, offset %d: the snapshot there is not used: %s"
            _logger.warning(told, *self._journal, standing.offset, error)
            return False
        for exchange in exchanges:
            self.venues.add(exchange)
        self.venues.elsewhere.update(standing.elsewhere)
        self.chain = Chain(standing.number, standing.sha256)
        self.lanes.update(standing.lanes)
        self.position = standing.offset
        self.saved = standing.number
        return True

    async def _misfit(self, standing: Standing, start: int, end: int) -> str:
        """Why the journal does not go on from there; "" if it may."""
        if standing.offset > end:
            return f"the journal ends at {end}"
        if standing.offset < start:
            return f"the journal begins at {start}"
        if standing.offset == start:  # trimmed exactly so far: the sum of the next record will tell
            return ""
        before = standing.offset - 1
        found = (await self._log.read({self._journal: before}, 1)).get(self._journal)
        if not found or found[0].offset != before or sum_of(found[0].value) != standing.sha256:
            return "the journal holds another record before it"
        return ""

    def _apply(self, record: Record) -> None:
        begun_s = perf_counter()
        try:
            batch = self.chain.open(record.value)
            times = self.venues.again(batch, None)
        except JournalError as error:
            raise JournalError(
                f"{record.topic}, partition {record.partition}, offset {record.offset}: {error}"
            ) from error
        for run in batch.runs:
            end = run.offset + len(run.values)
            self.lanes[run.topic] = (end, self.lanes[run.topic][1])
            self.newest[run.topic] = (end - 1, bytes(run.values[-1]))
            self.work.inputs += len(run.values)
        for name, ts_us in times.items():
            self.lanes[name] = (self.lanes[name][0], ts_us)
        self.position = record.offset + 1
        self.work.records += 1
        self.work.seconds += perf_counter() - begun_s
