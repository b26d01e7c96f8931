"""Drive: moves a virtual clock and steps every participant in lockstep.

A tick   1 the clock ticks for every venue    2 the engines take it, and what they publish is read, decoded once
         3 the agents decide, in the order of their names, and what they send is appended    4 the engines take that
         5 the monitors observe what the tick brought, and their findings are appended
Time     event time runs by itself: as fast as the machine can, or `speed` event seconds per wall second. Who falls
         behind goes on without a pause until the wall is caught up; nothing that is decided depends on it.
Setup    is applied before the first tick; where an input of it is refused or cannot be taken, there is no run.
Ends     after the last tick, or at the end of the tick in which `stop` first says so; either way everything that was
         sent is taken, published, observed and recorded.
Holds    the same setup, clock and participants append the same bytes, at any speed.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from consumers.monitor import Monitor
from consumers.runner import MonitorRunner, Reader
from producers.agent import Agent
from producers.runner import AgentRunner, Sender
from stream_engine.messages.events import AnyEvent, ControlRejected
from stream_engine.messages.inputs import ClockTick, Input, MapVenue
from stream_engine.messages.topics import Topic
from stream_engine.transport.protocol import Log, Outgoing, Positions, Record

# While it waits for the wall clock, `stop` is asked this often.
NAP_S = 0.1


class SetupRefused(Exception):
    """An input of the setup was not taken; the text says which and why."""


class Clock(Struct, frozen=True):
    """The event time of a run: ticks from start to end, both included where they fall on a tick."""

    start_us: int
    end_us: int
    tick_us: int = 1_000_000


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
    if speed is not None and speed <= 0:
        raise ValueError(f"speed is {speed}: event seconds per wall second are more than 0")
    homes = {each.venue: each.partition for each in setup if isinstance(each, MapVenue)}
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
    began = await take(_records(sender, setup))
    events = heard(began)
    for complaint in _refusals(began, events, prefix + Topic.DEADLETTERS.value):
        raise SetupRefused(complaint)
    await show(events)
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


def _records(sender: Sender, setup: Sequence[Input]) -> list[Outgoing]:
    try:
        return sender.records(setup)
    except ValueError as error:
        raise SetupRefused(str(error)) from error


def _refusals(records: Iterable[Record], events: Iterable[AnyEvent], dead_letters: str) -> Iterator[str]:
    """What of the setup was not taken, and why."""
    for each in records:
        if each.topic == dead_letters:
            why = dict(each.headers).get("reason", b"").decode(errors="replace")
            kind = msgspec.json.decode(each.value)["type"]  # of our own making, and JSON whatever it says
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
