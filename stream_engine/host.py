"""Host: runs the engines of the partitions that its membership gives it, and the standbys it was asked for.

Members   who is a member says which partitions are whose; that is for liveness alone. What is safe is that an engine
          fences off its predecessor when it starts.
Given     an engine starts, warm where a standby had followed; it goes on where a new assignment gives it again.
Taken     the engine ends after the cycle that it is in; where it was to be followed, a standby begins anew.
Fails     whatever an engine or the log raises is logged, everything of the partition is closed, and it starts again
          from the beginning after a pause; fenced, after a longer one, and only what is still given. A broker that is
          gone is waited for. What fails time and again at the same place, or a standby that comes to another state,
          ends the host: PartitionFailed says where and why. Nothing is ever skipped.
Stop      every engine ends its cycle, then the membership ends, so that others can go on at once.
Snapshots are made when they are worth it, by a standby four times as often: an owner that sees one newer than its own
          need not make any. One that cannot be written is a warning.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from enum import Enum
from functools import partial

from msgspec import Struct, field

from stream_engine import snapshots
from stream_engine.engine import Engine
from stream_engine.journal import JournalError
from stream_engine.messages.topics import Topic
from stream_engine.snapshots import Snapshot, Work
from stream_engine.standby import Follower
from stream_engine.transport.protocol import Fenced, Log, LogError, Members, TopicPartition, Unreachable

# A partition without inputs looks up so often whether it is still its host's.
WAIT_S = 0.1
PAUSES_S = (0.2, 0.5, 1.0, 2.0)
FENCED_PAUSE_S = 2.0
# So often is started again what does not get further; and so long is a broker waited for.
RESTARTS = 3
FENCED_RESTARTS = 10
GIVES_UP_AFTER_S = 300.0
# What goes for so long where nothing comes in has got over what failed.
WELL_AFTER_S = 60.0
LAG_EVERY_S = 1.0
LONG_PAUSE_S = 1.0
SAVES_WITHIN_S = 0.5
CLOSES_WITHIN_S = 5.0

_logger = logging.getLogger(__name__)


class PartitionFailed(Exception):
    """A partition cannot be got going again; the text names it and the cause."""


class Role(Enum):
    """What a host is to a partition."""

    NONE = "none"
    STANDBY = "standby"
    OWNER = "owner"


class PartitionStatus(Struct):
    """How a partition goes here.

    journalled   journal records there are (a standby: that it has applied).   seq     the next of each venue.
    lag          of each intake topic, the records that wait.                   taken   inputs, since the host began.
    commit_ms    how long the last commit took.
    saved        journal records in the newest snapshot that is known here.   unsaved   what was applied since.
    restarts     since the host began.    error   the last one; "" where it has got further since.
    """

    partition: int
    role: Role = Role.NONE
    is_running: bool = False
    journalled: int = 0
    seq: dict[str, int] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
    taken: int = 0
    commits: int = 0
    commit_ms: int = 0
    saved: int = 0
    unsaved: Work = field(default_factory=Work)
    snapshots: int = 0
    restarts: int = 0
    error: str = ""


class Host:
    """Runs engines and standbys in this process, each with a log of its own, made by `make_log`."""

    def __init__(
        self,
        make_log: Callable[[], Log],
        members: Members,
        prefix: str = "",
        run_id: str = "",
        follow: Collection[int] = (),
        snapshot_every_s: float = snapshots.EVERY_S,
    ) -> None:
        self._members = members
        self._follow = frozenset(follow)
        self._seats: dict[int, _Seat] = {}
        self._make_seat = partial(_Seat, make_log, prefix, run_id, snapshot_every_s, self._fail)
        self._stopping = asyncio.Event()
        self._failure: PartitionFailed | None = None

    def status(self) -> list[PartitionStatus]:
        """How each partition goes that this host has or follows, by number."""
        return [seat.status for _, seat in sorted(self._seats.items()) if seat.status.role is not Role.NONE]

    def stop(self) -> None:
        """End every engine after its cycle, then the membership; `run` returns."""
        self._stopping.set()

    async def run(self) -> None:
        """Run what is given until `stop`; raises PartitionFailed, or Unreachable if there is nobody to join."""
        await self._members.start()
        for partition in self._follow:
            self._seat(partition).take(Role.STANDBY)
        watching = asyncio.create_task(self._watch())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            for task in (watching, stopping):
                task.cancel()
            await asyncio.gather(*(seat.leave() for seat in self._seats.values()))
            await self._members.close()
        if self._failure is not None:
            raise self._failure

    async def _watch(self) -> None:
        """Follow the assignments; a broker that is gone is waited for, and the engines meanwhile go on as they can."""
        clock = asyncio.get_running_loop().time
        is_member, well_s, tries = True, clock(), 0
        while True:
            try:
                if not is_member:
                    await self._members.start()
                is_member, tries = True, 0
                self._assign(await self._members.changed())
            except LogError as error:
                if is_member:
                    well_s = clock()
                elif clock() - well_s > GIVES_UP_AFTER_S:
                    raise
                _logger.warning("no longer a member, joining again: %s", error)
                is_member = False
                await self._members.close()
                tries += 1
                await asyncio.sleep(_pause_s(tries))

    def _assign(self, given: frozenset[int]) -> None:
        for partition in given | self._follow | self._seats.keys():
            if partition in given:
                self._seat(partition).take(Role.OWNER)
            else:
                self._seat(partition).take(Role.STANDBY if partition in self._follow else Role.NONE)
        _logger.info("partitions of this process: %s", sorted(given))

    def _seat(self, partition: int) -> "_Seat":
        if partition not in self._seats:
            self._seats[partition] = self._make_seat(partition)
        return self._seats[partition]

    def _fail(self, failure: PartitionFailed) -> None:
        self._failure = self._failure or failure
        self._stopping.set()


class _Seat:
    """What a host does for one partition: one task, which does what its role says."""

    def __init__(
        self,
        make_log: Callable[[], Log],
        prefix: str,
        run_id: str,
        snapshot_every_s: float,
        fail: Callable[[PartitionFailed], None],
        partition: int,
    ) -> None:
        self.status = PartitionStatus(partition)
        self._make_log = make_log
        self._prefix = prefix
        self._run_id = run_id
        self._every_s = snapshot_every_s
        self._fail = fail
        self._snapshots: TopicPartition = (prefix + Topic.SNAPSHOTS.value, partition)
        self._role = Role.NONE
        self._turned = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._warm: tuple[Log, Follower] | None = None
        self._saving: asyncio.Task[None] | None = None

    def take(self, role: Role) -> None:
        """Be this to the partition from now on; what is under way ends at its next good place."""
        if role is self._role:
            return
        self._role = role
        self._turned.set()
        if role is not Role.NONE and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run())

    async def leave(self) -> None:
        """Be nothing to it; returns when that is so."""
        self.take(Role.NONE)
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=CLOSES_WITHIN_S)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLOSES_WITHIN_S)

    async def _run(self) -> None:
        trouble = _Trouble(self.status)
        while (role := self._role) is not Role.NONE:
            self._turned.clear()
            self.status.role = role
            try:
                await (self._own(trouble) if role is Role.OWNER else self._follow(trouble))
            except Exception as error:
                # To be fenced off is how a hand-over looks from here.
                level = logging.INFO if isinstance(error, Fenced) else logging.WARNING
                is_ours = not isinstance(error, LogError)
                _logger.log(level, "partition %d, %s: %s", self.status.partition, role.value, error, exc_info=is_ours)
                if self._role is not role:
                    continue
                pause_s = trouble.came(error, role)
                if pause_s is None:
                    self._fail(PartitionFailed(trouble.told(role, error)))
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._turned.wait(), pause_s)
            finally:
                self.status.is_running = False
        self.status.role = Role.NONE

    async def _own(self, trouble: "_Trouble") -> None:
        log, follower = self._warm or self._cold()
        self._warm = None
        status = self.status
        engine = Engine(log, status.partition, self._prefix, self._run_id, follower)
        clock = asyncio.get_running_loop().time
        lag_s = 0.0
        try:
            await engine.start()
            began = "partition %d: an engine starts behind journal record %d"
            _logger.info(began, status.partition, engine.stand.chain.length)
            status.is_running = True
            while self._role is Role.OWNER:
                self._committed(engine, await engine.advance(wait_s=WAIT_S), trouble)
                if self._is_free and engine.stand.is_worth_a_snapshot(self._every_s):
                    self._committed(engine, await engine.settle(), trouble)
                    await self._save(log, engine.stand, engine.snapshot)
                if clock() - lag_s > LAG_EVERY_S:
                    lag_s, status.lag = clock(), await engine.lag()
                await asyncio.sleep(0)
            self._committed(engine, await engine.settle(), trouble)
        finally:
            # What crashed may have done so behind a commit that went well.
            status.journalled = max(status.journalled, engine.journalled)
            await self._end_saving()
            await engine.close()
            await log.close()

    async def _follow(self, trouble: "_Trouble") -> None:
        log, follower = self._warm or self._cold()
        self._warm = None
        status = self.status
        try:
            while self._role is Role.STANDBY:
                await follower.follow(WAIT_S)
                status.is_running = True
                seq = {venue: exchange.seq for venue, exchange in follower.venues.exchanges.items()}
                self._stands(follower, follower.chain.length, seq, trouble)
                if self._is_free and follower.is_worth_a_snapshot(self._every_s / 4, snapshots.TIMES_ITS_COST / 4):
                    await self._save(log, follower, follower.snapshot)
                await asyncio.sleep(0)
            if self._role is Role.OWNER:
                self._warm = log, follower
        finally:
            if self._warm is None:
                await self._end_saving()
                await log.close()

    def _cold(self) -> tuple[Log, Follower]:
        log = self._make_log()
        return log, Follower(log, self.status.partition, self._prefix, self._run_id)

    def _committed(self, engine: Engine, inputs: int, trouble: "_Trouble") -> None:
        status = self.status
        status.taken += inputs
        status.commits += inputs > 0
        status.commit_ms = int(engine.commit_s * 1000)
        if inputs or engine.is_settled:  # what is only applied may still come to nothing
            self._stands(engine.stand, engine.journalled, engine.seq, trouble)

    def _stands(self, stand: Follower, journalled: int, seq: dict[str, int], trouble: "_Trouble") -> None:
        status = self.status
        status.journalled = journalled
        status.saved = stand.saved
        status.unsaved = stand.work
        status.seq = seq
        trouble.reached(journalled)

    @property
    def _is_free(self) -> bool:
        """Whether no snapshot is being written."""
        return self._saving is None or self._saving.done()

    async def _save(self, log: Log, stand: Follower, make: Callable[[], Awaitable[Snapshot | None]]) -> None:
        """Begin to write a snapshot, unless somebody else has just done so; whatever fails here is only a warning."""
        try:
            newest = await snapshots.latest(log, self._snapshots)
            if stand.saved < newest <= stand.chain.length:
                stand.saved_up_to(newest)
                return
            snapshot = await make()
            if self._role is Role.OWNER and stand.dumped_s > LONG_PAUSE_S:
                told = "partition %d took nothing for %.1f s, making its snapshot: a standby elsewhere would make it"
                _logger.warning(told, self.status.partition, stand.dumped_s)
        except Exception as error:
            stand.saved_up_to(stand.saved)
            self._not_saved(error)
            return
        if snapshot is None:
            stand.saved_up_to(stand.saved)
        else:
            self._saving = asyncio.create_task(self._write(log, snapshot))

    async def _write(self, log: Log, snapshot: Snapshot) -> None:
        try:
            await snapshots.write(log, snapshot, self._snapshots, self._run_id)
            self.status.snapshots += 1
            self.status.error = ""
        except Exception as error:
            self._not_saved(error)

    def _not_saved(self, error: Exception) -> None:
        _logger.warning("partition %d: no snapshot was written: %s", self.status.partition, error)
        self.status.error = f"no snapshot was written: {error}"

    async def _end_saving(self) -> None:
        """A snapshot that is being written may be finished, for a moment; a torn one does not exist."""
        if self._saving is not None:
            await asyncio.wait({self._saving}, timeout=SAVES_WITHIN_S)
            self._saving.cancel()
            self._saving = None


class _Trouble:
    """What has failed of a partition, and whether to try again: an outage of the broker counts for nothing else.

    place     the journal record at which it failed last.   well_s    loop time when it last went well.
    outages, fences, failures      of each kind, since it last got further.   failed_s  loop time of the last one.
    """

    def __init__(self, status: PartitionStatus) -> None:
        self._status = status
        self._clock = asyncio.get_running_loop().time
        self._place = -1
        self._outages = self._fences = self._failures = 0
        self._well_s = self._failed_s = self._clock()

    def reached(self, journalled: int) -> None:
        """It goes, and stands at this journal record."""
        self._well_s = self._clock()
        is_further = journalled > self._place or self._well_s - self._failed_s > WELL_AFTER_S
        if is_further and self._outages + self._fences + self._failures:
            self._place = journalled
            self._outages = self._fences = self._failures = 0
            self._status.error = ""

    def came(self, error: BaseException, role: Role) -> float | None:
        """It failed: the pause before the next try, or None if there shall be none."""
        self._status.restarts += 1
        self._status.error = f"{type(error).__name__}: {error}"
        self._place = max(self._place, self._status.journalled)
        self._failed_s = self._clock()
        match error:
            case Unreachable():
                self._outages += 1
                return None if self._failed_s - self._well_s > GIVES_UP_AFTER_S else _pause_s(self._outages)
            case Fenced():
                self._fences += 1
                return FENCED_PAUSE_S if self._fences <= FENCED_RESTARTS else None
        self._failures += 1
        if isinstance(error, JournalError) and role is Role.STANDBY:  # nobody fences it off: what it read is there
            return None
        return _pause_s(self._failures) if self._failures <= RESTARTS else None

    def told(self, role: Role, error: BaseException) -> str:
        """What an operator is told who must help."""
        tries = self._outages + self._fences + self._failures
        tried = "" if tries == 1 else f" Tried {tries} times without getting further."
        why = str(error) or type(error).__name__
        return f"partition {self._status.partition}, {role.value}: {why}{'' if why.endswith('.') else '.'}{tried}"


def _pause_s(tries: int) -> float:
    return PAUSES_S[min(tries, len(PAUSES_S)) - 1]
