"""Drive: steps every participant of a run from its setup to its last tick: in lockstep, or in real time.

Lockstep   moves a virtual clock. A tick: 1 the clock ticks for every venue  2 the engines take it, and what they
           publish is read, decoded once  3 the agents decide, in the order of their names, and what they send is
           appended  4 the engines take that  5 the monitors observe what the tick brought; findings are appended.
           Holds: the same setup, clock and participants append the same bytes, at any speed.
Realtime   runs against engines that go by themselves, wherever they are. One producer of the clock sends ticks; an
           agent decides when it sees the tick that the engine of its venue has answered.
           Holds: no venue is ever more than MOST_BEHIND ticks behind, so nothing piles up, and what participants see
           is as new as it is in lockstep but for a tick. A slow or dead engine makes the run wait, whatever the speed
           asked for, and that is told; the time waited is not made up for.
Time       runs by itself: as fast as it goes, or `speed` event seconds per wall second. In lockstep who falls behind
           goes on without a pause until the wall is caught up; nothing that is decided depends on it.
Setup      is taken before the first tick; where an input of it is refused or cannot be taken, there is no run.
Ends       after the last tick, or once `stop` says so; either way what was answered is observed and recorded.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from consumers.monitor import Monitor
from consumers.runner import Feed, MonitorRunner, Reader
from producers.agent import Agent
from producers.runner import AgentRunner, Sender
from stream_engine.messages.events import AnyEvent, ClockTicked, ControlRejected
from stream_engine.messages.inputs import ClockTick, Input, MapVenue, SetRules
from stream_engine.messages.topics import INTAKE, OUTPUT, Topic
from stream_engine.transport.protocol import Log, Outgoing, Positions, Record

# While it waits for the wall clock or for an engine, `stop` is asked this often.
NAP_S = 0.1
# In lockstep so many inputs of a setup are taken together: a million accounts shall not lie in the log all at once.
SETUP_AT_ONCE = 64
# In real time a tick is sent only while every venue has answered all but so many. What an agent sends lies behind the
# ticks that were sent before it heard of its own: with more of them on the way, makers would take the feed for dead.
MOST_BEHIND = 2
# In real time what an agent would have sent so many ticks ago is not sent any more.
TOO_LATE = 10
# In real time a run is over when all is taken and for so long nothing more comes; told to stop, it waits this long.
QUIET_S = 0.5
LEAVES_WITHIN_S = 2.0
# What a venue answers with no event where it is taken.
SILENT = (MapVenue, SetRules)


class SetupRefused(Exception):
    """An input of the setup was not taken; the text says which and why."""


class Clock(Struct, frozen=True):
    """The event time of a run: ticks from start to end, both included where they fall on a tick."""

    start_us: int
    end_us: int
    tick_us: int = 1_000_000

    @property
    def ticks(self) -> int:
        """How many there are."""
        return max(0, (self.end_us - self.start_us) // self.tick_us + 1)

    def at(self, number: int) -> int:
        """The time of a tick; the first is 0."""
        return self.start_us + number * self.tick_us


class Lag(Struct, frozen=True):
    """How far the slowest venue is behind, in ticks, and for how long nothing has come of it."""

    venue: str
    ticks: int
    still_s: float
    in_setup: bool = False

    @property
    def held_up(self) -> bool:
        """Whether the run waits for it."""
        return self.in_setup or self.ticks >= MOST_BEHIND

    def __str__(self) -> str:
        if self.in_setup:
            return f"waiting for an engine to take the setup of {self.venue}, for {self.still_s:.0f} s"
        return f"waiting for the engine of {self.venue}: {self.ticks} ticks behind for {self.still_s:.0f} s"


class Outcome(Struct):
    """What a run came to. `now_us` is the last tick (0: none)."""

    ticks: int = 0
    inputs: int = 0
    events: int = 0
    findings: int = 0
    now_us: int = 0
    stopped: bool = False


class Steps(Protocol):
    """What a drive needs of an engine."""

    @property
    def partition(self) -> int: ...

    async def behind(self) -> bool:
        """Whether there is intake that is not yet taken."""
        ...

    async def cycle(self) -> int:
        """Take some of it; how many inputs."""
        ...


async def lockstep(
    log: Log,
    engines: Sequence[Steps],
    agents: Iterable[Agent],
    monitors: Iterable[Monitor],
    clock: Clock,
    *,
    setup: Sequence[Input],
    prefix: str = "",
    run_id: str = "",
    speed: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_tick: Callable[[int], None] = lambda now_us: None,
    record: Callable[[Sequence[Record]], None] = lambda records: None,
    forget: Callable[[Positions], None] = lambda before: None,
) -> Outcome:
    """Run a scenario from its setup to its last tick; SetupRefused where it does not get as far as the first.

    setup    the first inputs, the map of each venue among them.   on_tick  called with the time after each tick.
    record   given every record of every topic, once.              forget   given what everybody has read, each tick.
    """
    _check(speed)
    homes = _homes(setup)
    sender = Sender(homes, [engine.partition for engine in engines], prefix, run_id)
    reader = Reader(log, list(Topic), [engine.partition for engine in engines], prefix)
    runner = AgentRunner(agents)
    watch = MonitorRunner(monitors, homes, prefix, run_id)
    outcome = Outcome()

    async def take(sent: Sequence[Outgoing]) -> list[Record]:
        await log.append(sent)
        for engine in engines:
            while await engine.behind():
                outcome.inputs += await engine.cycle()
        records = await reader.poll()
        record(records)
        return records

    def heard(records: Sequence[Record]) -> list[AnyEvent]:
        events = reader.events(records)
        outcome.events += len(events)
        runner.hear(events)
        return events

    async def step(sent: Sequence[Outgoing]) -> list[AnyEvent]:
        return heard(await take(sent))

    async def show(events: Sequence[AnyEvent]) -> None:
        alerts = watch.observe(events)
        outcome.findings += len(alerts)
        await log.append(alerts)

    wall = _Wall(clock.start_us, speed, stop)
    for at in range(0, len(setup), SETUP_AT_ONCE):
        began = await take(_records(sender, setup[at : at + SETUP_AT_ONCE]))
        events = heard(began)
        for complaint in _refusals(began, events, prefix):
            raise SetupRefused(complaint)
        await show(events)
        forget(reader.positions)
    for now_us in range(clock.start_us, clock.end_us + 1, clock.tick_us):
        await wall.reach(now_us)
        if stop():
            outcome.stopped = True
            break
        events = await step(sender.records(ClockTick(venue, now_us) for venue in homes))
        events += await step(sender.records(runner.decide(now_us)))
        await show(events)
        outcome.ticks += 1
        outcome.now_us = now_us
        on_tick(now_us)
        forget(reader.positions)
    record(await reader.poll())
    return outcome


async def realtime(
    log: Log,
    agents: Iterable[Agent],
    monitors: Iterable[Monitor],
    clock: Clock,
    *,
    setup: Sequence[Input],
    partitions: int,
    prefix: str = "",
    run_id: str = "",
    speed: float | None = None,
    keeps_time: bool = True,
    stop: Callable[[], bool] = lambda: False,
    on_tick: Callable[[int], None] = lambda now_us: None,
    on_lag: Callable[[Lag], None] = lambda lag: None,
    record: Callable[[Sequence[Record]], None] | None = None,
) -> Outcome:
    """Run a scenario on topics that hold no run yet, for engines that go by themselves; else as `lockstep`.

    keeps_time   whether setup and clock are sent from here; if not, this joins a run that another process clocks: what
                 its agents would have sent more than TOO_LATE ticks ago stays unsent.
    on_lag       told each time it has looked how far the slowest venue is behind.
    """
    _check(speed)
    live = _Live(log, agents, monitors, clock, setup, partitions, prefix, run_id, record)
    if keeps_time:
        await live.send(_records(live.sender, setup))
        if not await live.setup_taken(setup, stop, on_lag):
            live.outcome.stopped = True
            return live.outcome
    pace = _Pace(clock, speed, sent=0 if keeps_time else clock.ticks)
    while live.answered < clock.ticks:
        if stop():
            live.outcome.stopped = True
            break
        if ticks := pace.due(live.answered):
            await live.send(live.sender.records(ClockTick(venue, now_us) for now_us in ticks for venue in live.homes))
        if await live.look(pace.left_s(live.answered)):
            on_tick(live.outcome.now_us)
        if keeps_time:
            on_lag(live.lag(pace.sent))
        await asyncio.sleep(0)  # an embedded log never gives way by itself
    await live.end(stop)
    return live.outcome


class _Pace:
    """Which ticks are due by the wall clock, as far as no venue falls more than MOST_BEHIND behind."""

    def __init__(self, clock: Clock, speed: float | None, sent: int) -> None:
        self.sent = sent
        self._clock = clock
        self._every_s = clock.tick_us / 1e6 / speed if speed is not None else 0.0
        self._due_s = asyncio.get_running_loop().time()

    def due(self, answered: int) -> list[int]:
        """The times of the ticks to be sent now; they count as sent."""
        now_s = asyncio.get_running_loop().time()
        most = min(self._clock.ticks, answered + MOST_BEHIND)
        ticks: list[int] = []
        while self.sent < most and self._due_s <= now_s:
            ticks.append(self._clock.at(self.sent))
            self.sent += 1
            self._due_s += self._every_s
        if self.sent >= most:  # held up: the time waited is not made up for
            self._due_s = max(self._due_s, now_s)
        return ticks

    def left_s(self, answered: int) -> float:
        """How long until the next may be due, at most NAP_S."""
        if self.sent >= min(self._clock.ticks, answered + MOST_BEHIND):
            return NAP_S
        return min(max(self._due_s - asyncio.get_running_loop().time(), 0.0), NAP_S)


class _Live:
    """The participants of a run in real time, and how far each venue has come."""

    def __init__(
        self,
        log: Log,
        agents: Iterable[Agent],
        monitors: Iterable[Monitor],
        clock: Clock,
        setup: Sequence[Input],
        partitions: int,
        prefix: str,
        run_id: str,
        record: Callable[[Sequence[Record]], None] | None,
    ) -> None:
        self.homes = _homes(setup)
        self.sender = Sender(self.homes, range(partitions), prefix, run_id)
        self.outcome = Outcome()
        self._log = log
        self._clock = clock
        self._prefix = prefix
        self._engines = prefix + "engine"  # the group under which engines commit what they have taken
        self._intake = [(prefix + topic.value, number) for topic in INTAKE for number in range(partitions)]
        self._runner = AgentRunner(agents)
        self._watch = MonitorRunner(monitors, self.homes, prefix, run_id)
        self._record = record
        topics = list(Topic) if record is not None else [*OUTPUT, Topic.DEADLETTERS]
        self._feed = Feed(log, topics, range(partitions), prefix)
        self._answered = dict.fromkeys(self.homes, 0)  # ticks that each venue has answered
        self._moved_s = dict.fromkeys(self.homes, asyncio.get_running_loop().time())

    @property
    def answered(self) -> int:
        """How many ticks every venue has answered."""
        return min(self._answered.values())

    async def send(self, inputs: Sequence[Outgoing]) -> None:
        """Append inputs."""
        await self._log.append(inputs)
        self.outcome.inputs += len(inputs)

    async def setup_taken(
        self, setup: Sequence[Input], stop: Callable[[], bool], on_lag: Callable[[Lag], None]
    ) -> bool:
        """Wait until every input of the setup is answered, or until told to stop: False. SetupRefused: not taken."""
        asked = Counter(each.venue for each in setup if not isinstance(each, SILENT))
        answers: dict[str, set[int]] = {venue: set() for venue in self.homes}
        while waiting := [venue for venue in self.homes if len(answers[venue]) < asked[venue]]:
            if stop():
                return False
            records, events = await self._part(NAP_S)
            for complaint in _refusals(records, events, self._prefix):
                raise SetupRefused(complaint)
            for event in events:
                if event.venue in answers:
                    answers[event.venue].add(event.seq)
                    self._moved_s[event.venue] = asyncio.get_running_loop().time()
            self._runner.hear(events)
            await self._tell(events, [])
            on_lag(Lag(waiting[0], 0, self._still_s(waiting[0]), in_setup=True))
        now_s = asyncio.get_running_loop().time()
        self._moved_s = dict.fromkeys(self.homes, now_s)
        return True

    async def look(self, wait_s: float) -> bool:
        """Take what is new; agents decide at each tick. Whether every venue has come further."""
        _, events = await self._part(wait_s)
        before = self.answered
        newest_us = max((event.ts_us for event in events if isinstance(event, ClockTicked)), default=0)
        sent: list[Outgoing] = []
        heard = 0
        for number, event in enumerate(events, 1):
            if isinstance(event, ClockTicked) and event.venue in self.homes:
                self._runner.hear(events[heard:number])
                heard = number
                sent += self._at_tick(event, newest_us)
        self._runner.hear(events[heard:])
        await self._tell(events, sent)
        self.outcome.ticks = self.answered
        self.outcome.now_us = self._clock.at(self.answered - 1) if self.answered else 0
        return self.answered > before

    def lag(self, sent: int) -> Lag:
        """How far the slowest venue is behind the clock."""
        venue = min(self._answered, key=lambda venue: self._answered[venue])
        return Lag(venue, sent - self._answered[venue], self._still_s(venue))

    async def end(self, stop: Callable[[], bool]) -> None:
        """Take what the engines still answer, until they have taken all that is on the intake; or, told to stop, for a
        moment."""
        clock = asyncio.get_running_loop().time
        until_s = clock() + LEAVES_WITHIN_S
        while not await self._all_taken() and not (stop() and clock() > until_s):
            await self._rest(NAP_S)
        # What was committed last may be seen a moment later, and what the monitors find in it after that.
        while await self._rest(QUIET_S):
            pass

    async def _rest(self, wait_s: float) -> bool:
        records, events = await self._part(wait_s)
        await self._tell(events, [])
        return bool(records or events) or self._feed.holds

    async def _all_taken(self) -> bool:
        ends = await self._log.ends(self._intake)
        taken = await self._log.committed(self._engines, self._intake)
        return all(taken.get(at, 0) >= end for at, end in ends.items())

    def _at_tick(self, event: ClockTicked, newest_us: int) -> list[Outgoing]:
        number = (event.ts_us - self._clock.start_us) // self._clock.tick_us + 1
        if number <= self._answered[event.venue]:
            return []  # a tick that was sent twice
        self._answered[event.venue] = number
        self._moved_s[event.venue] = asyncio.get_running_loop().time()
        if number >= self._clock.ticks:  # nobody would wait for what came of it
            return []
        decided = self.sender.records(self._runner.decide(event.ts_us, event.venue))
        in_time = newest_us - event.ts_us <= TOO_LATE * self._clock.tick_us and not self._feed.behind
        return decided if in_time else []

    def _still_s(self, venue: str) -> float:
        return asyncio.get_running_loop().time() - self._moved_s[venue]

    async def _part(self, wait_s: float) -> tuple[list[Record], list[AnyEvent]]:
        part = await self._feed.look(wait_s)
        if self._record is not None:
            self._record(part.records)
        return part.records, part.events

    async def _tell(self, events: Sequence[AnyEvent], sent: list[Outgoing]) -> None:
        """Append what the agents send, and what the monitors find in the events."""
        if sent:
            await self.send(sent)
        self.outcome.events += len(events)
        alerts = self._watch.observe(events)
        self.outcome.findings += len(alerts)
        if alerts:
            await self._log.append(alerts)


def _check(speed: float | None) -> None:
    if speed is not None and speed <= 0:
        raise ValueError(f"speed is {speed}: event seconds per wall second are more than 0")


def _homes(setup: Sequence[Input]) -> dict[str, int]:
    """The venues of a setup, each with its partition."""
    return {each.venue: each.partition for each in setup if isinstance(each, MapVenue)}


def _records(sender: Sender, setup: Sequence[Input]) -> list[Outgoing]:
    try:
        return sender.records(setup)
    except ValueError as error:
        raise SetupRefused(str(error)) from error


def _refusals(records: Iterable[Record], events: Iterable[AnyEvent], prefix: str) -> Iterator[str]:
    """What of the setup was not taken, and why."""
    intake = {(prefix + topic.value).encode() for topic in INTAKE}
    for each in records:
        # A monitor buries what it cannot read, too: that is nobody's input.
        if each.topic == prefix + Topic.DEADLETTERS.value and dict(each.headers).get("topic") in intake:
            why = dict(each.headers).get("reason", b"").decode(errors="replace")
            try:
                kind = str(msgspec.json.decode(each.value)["type"])
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
                kind = "an input"  # not of our own making
            yield f"the engine does not take {kind} of the setup: {why}"
    for event in events:
        if isinstance(event, ControlRejected):
            detail = f" ({event.detail})" if event.detail else ""
            yield f"the exchange refuses {event.input} of the setup: {event.reason.value}{detail}"


class _Wall:
    """The wall clock against which event time is paced."""

    def __init__(self, start_us: int, speed: float | None, stop: Callable[[], bool]) -> None:
        self._start_us = start_us
        self._speed = speed
        self._stop = stop
        self._began_s = asyncio.get_running_loop().time()

    async def reach(self, now_us: int) -> None:
        """Wait until it is time for a tick, or to stop. Gives way in any case: a signal must be heard at full speed."""
        await asyncio.sleep(0)
        if self._speed is None:
            return
        loop = asyncio.get_running_loop()
        due_s = self._began_s + (now_us - self._start_us) / 1e6 / self._speed
        while (left_s := due_s - loop.time()) > 0 and not self._stop():
            await asyncio.sleep(min(left_s, NAP_S))
