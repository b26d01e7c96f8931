"""Replay: puts recorded inputs on the topics again, in the order in which an engine took them, at their own pace.

Time      an input is due at its venue's time: what the last clock tick said, or its own stamp, at most 1 s past that
          tick (a bad stamp must not hold everything up), and never before the input in front of it.
Together  inputs that are due within one grain are sent together; a clock tick goes by itself, before what follows it,
          so that nothing finds its venue's time not yet moved.
Backlog   the next tick, or the next some thousand inputs, wait while ten ticks, or 20,000 inputs, of a partition are
          not yet taken.
Holds     every input is sent once, in the recorded order within its partition, its bytes as they were recorded
          unless its times are shifted or its venue is renamed; what is no input is sent as it is.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct, structs

from stream_engine.messages.codec import NotAMessage, decode_input, encode
from stream_engine.messages.inputs import AnyInput, ClockTick, Input, MapVenue, MassQuote, Place
from stream_engine.messages.topics import INTAKE, Topic
from stream_engine.transport.protocol import Log, Outgoing, headers

TICKS_BEHIND = 10
INPUTS_BEHIND = 20_000
LOOKS_EVERY = 4_096
AHEAD_OF_A_TICK_US = 1_000_000
NAP_S = 0.1
ASK_AGAIN_S = 0.01

Recorded = tuple[Topic, bytes]


class Recast(Struct, frozen=True):
    """What becomes of an input before it is sent again: its time shifted, its venue renamed."""

    shift_us: int = 0
    suffix: str = ""

    def of(self, received: AnyInput) -> AnyInput:
        """The input as it is sent."""
        moved = structs.replace(received, ts_us=received.ts_us + self.shift_us, venue=received.venue + self.suffix)
        if isinstance(moved, Place | MassQuote) and moved.expires_us is not None:
            return structs.replace(moved, expires_us=max(0, moved.expires_us + self.shift_us))
        return moved


AS_IT_WAS = Recast()


class Cue(NamedTuple):
    """Inputs that are sent together to one partition; `ticks`: they are clock ticks, so many."""

    due_us: int
    partition: int
    records: list[Outgoing]
    ticks: int


class Pace(Struct, frozen=True):
    """When what is sent: what is due before `from_us` at once, the rest `speed` event seconds a wall second
    (None: at once, too), nothing that is due after `to_us`."""

    speed: float | None = None
    from_us: int = 0
    to_us: int | None = None


class Score:
    """Turns the recorded inputs of one partition into cues."""

    def __init__(
        self,
        partition: int,
        pace: Pace,
        recast: Recast = AS_IT_WAS,
        prefix: str = "",
        run_id: str = "",
        more: Sequence[int] = (),
    ) -> None:
        """`more`: partitions that were none when it was recorded, and are told where the venues live, too."""
        self._partition = partition
        self._more = more
        self._pace = pace
        self._recast = recast
        self._targets = {topic: (prefix + topic.value, headers(topic, run_id)) for topic in INTAKE}
        # What is due within a fiftieth of a wall second goes together.
        self._grain_us = None if pace.speed is None else max(1, int(20_000 * pace.speed))
        self._now_us = 0
        self._tick_us: int | None = None

    def cues(self, batches: Iterable[Sequence[Recorded]]) -> Iterator[Cue]:
        """The cues of the batches; a batch's inputs never go together with another's."""
        to_us = self._pace.to_us
        for batch in batches:
            cue: Cue | None = None
            for topic, value in batch:
                record, kind = self._record(topic, value)
                is_tick = kind is ClockTick
                due_us = self._now_us
                if to_us is not None and due_us > to_us:
                    break
                if cue is not None and (is_tick != bool(cue.ticks) or not self._together(cue.due_us, due_us)):
                    yield cue
                    cue = None
                if cue is None:
                    cue = Cue(due_us, self._partition, [], 0)
                cue.records.append(record)
                if is_tick:
                    cue = cue._replace(ticks=cue.ticks + 1)
                elif kind is MapVenue:
                    cue.records.extend(structs.replace(record, partition=number) for number in self._more)
            if cue is not None:
                yield cue
            if to_us is not None and self._now_us > to_us:
                return

    def _record(self, topic: Topic, value: bytes) -> tuple[Outgoing, type[Input] | None]:
        name, head = self._targets[topic]
        try:
            received = decode_input(value)
        except NotAMessage:
            return Outgoing(name, self._partition, b"", value, self._now_us + self._recast.shift_us, head), None
        self._hear(received.ts_us, type(received) is ClockTick)
        if self._recast is not AS_IT_WAS:
            received = self._recast.of(received)
            value = encode(received)
        return Outgoing(name, self._partition, received.venue.encode(), value, received.ts_us, head), type(received)

    def _hear(self, ts_us: int, is_tick: bool) -> None:
        if is_tick:
            self._tick_us = max(ts_us, self._tick_us or 0)
        elif self._tick_us is not None:
            ts_us = min(ts_us, self._tick_us + AHEAD_OF_A_TICK_US)
        self._now_us = max(self._now_us, ts_us)

    def _together(self, first_us: int, due_us: int) -> bool:
        if self._grain_us is None or due_us < self._pace.from_us:
            return True
        return first_us // self._grain_us == due_us // self._grain_us


async def play(
    cues: Iterable[Cue], pace: Pace, send: Callable[[Cue], Awaitable[None]], stop: Callable[[], bool]
) -> None:
    """Send every cue when it is due, until there is none or somebody stops it. The first that is paced is due now.

    Who falls behind goes on without a pause until the wall is caught up.
    """
    loop = asyncio.get_running_loop()
    began: tuple[float, int] | None = None
    for cue in cues:
        await asyncio.sleep(0)  # a signal must be heard at full speed
        if pace.speed is not None and cue.due_us >= pace.from_us:
            began_s, began_us = began = began or (loop.time(), cue.due_us)
            due_s = began_s + (cue.due_us - began_us) / 1e6 / pace.speed
            while (left_s := due_s - loop.time()) > 0 and not stop():
                await asyncio.sleep(min(left_s, NAP_S))
        if stop():
            return
        await send(cue)


class Backlog:
    """How far the engines are behind what was sent, by the offsets that they commit."""

    def __init__(self, log: Log, partitions: Iterable[int], prefix: str, group: str) -> None:
        self._log = log
        self._group = group
        self._lanes = {number: [(prefix + topic.value, number) for topic in INTAKE] for number in partitions}
        # Of each partition the ticks sent since it was last looked at, and, of those before, the offset of `control`
        # at which each is taken.
        self._new_ticks = dict.fromkeys(self._lanes, 0)
        self._ticks: dict[int, deque[int]] = {number: deque() for number in self._lanes}
        self._inputs = dict.fromkeys(self._lanes, 0)  # sent since it was last looked at

    def sent(self, cue: Cue) -> None:
        """Note what was sent."""
        self._new_ticks[cue.partition] += cue.ticks
        self._inputs[cue.partition] += len(cue.records)

    async def behind(self, partition: int) -> tuple[int, int]:
        """Ticks and inputs of the partition that were sent and are not yet taken."""
        lanes = self._lanes[partition]
        control = lanes[0]
        committed, ends = await asyncio.gather(self._log.committed(self._group, lanes), self._log.ends(lanes))
        ticks = self._ticks[partition]
        ticks.extend([ends[control]] * self._new_ticks[partition])
        self._new_ticks[partition] = self._inputs[partition] = 0
        while ticks and ticks[0] <= committed.get(control, 0):
            ticks.popleft()
        return len(ticks), sum(ends[at] - committed.get(at, 0) for at in lanes)

    async def room(self, cue: Cue, stop: Callable[[], bool], on_wait: Callable[[int, int, int], None]) -> None:
        """Wait until the engine of the cue's partition has taken enough; `on_wait` is told where, ticks and inputs."""
        if not cue.ticks and self._inputs[cue.partition] + len(cue.records) < LOOKS_EVERY:
            return
        while not stop():
            ticks, inputs = await self.behind(cue.partition)
            if ticks < TICKS_BEHIND and inputs < INPUTS_BEHIND:
                return
            on_wait(cue.partition, ticks, inputs)
            await asyncio.sleep(ASK_AGAIN_S)

    async def drained(self, stop: Callable[[], bool], on_wait: Callable[[int, int, int], None]) -> None:
        """Wait until everything that was sent is taken."""
        for partition in self._lanes:
            while not stop():
                ticks, inputs = await self.behind(partition)
                if not inputs or not await self._untaken(partition):
                    break
                on_wait(partition, ticks, inputs)
                await asyncio.sleep(ASK_AGAIN_S)

    async def _untaken(self, partition: int) -> bool:
        """Whether a record waits: an end may lie past the last one."""
        lanes = self._lanes[partition]
        committed = await self._log.committed(self._group, lanes)
        return bool(await self._log.read({at: committed.get(at, 0) for at in lanes}, 1))
