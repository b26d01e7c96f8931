"""Plays a scenario to its end through the embedded log and the engine, as a run does, and keeps every event."""

from collections.abc import Iterable, Sequence

from consumers.monitor import Finding
from producers.ground_truth import GroundTruth
from producers.labels import AnyLabel, decode
from stream_engine import drive
from stream_engine.cli.session import labels
from stream_engine.core import invariants
from stream_engine.engine import Engine
from stream_engine.messages.events import AnyEvent
from stream_engine.messages.topics import OUTPUT, Topic
from stream_engine.scenario import agents, clock, load, partitions, setup, venues
from stream_engine.transport.memory import MemoryLog

MAKERS = ["MM1", "MM2", "MM3", "MM4", "MM5"]  # of every scenario that ships with five
MINUTE_US = 60_000_000


class Witness:
    """A monitor that finds nothing and forgets nothing."""

    name = "witness"
    venue: str | None = None
    topics: frozenset[Topic] = frozenset(OUTPUT)

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def observe(self, event: AnyEvent) -> Iterable[Finding]:
        self.events.append(event)
        return ()


async def play(name: str, seed: int, overrides: Sequence[str] = (), over: Sequence[str] = ()) -> list[AnyEvent]:
    """Everything that its venues published, in order; at the end each exchange keeps its invariants."""
    return (await play_and_tell(name, seed, overrides, over))[0]


async def play_and_tell(
    name: str, seed: int, overrides: Sequence[str] = (), over: Sequence[str] = ()
) -> tuple[list[AnyEvent], list[AnyLabel]]:
    """The same, and what is told on `labels` when it is over."""
    scenario = load(name, overrides, over)
    homes = venues(scenario)
    truths = [GroundTruth(venue) for venue in homes]
    cast = agents(scenario, seed)
    log = MemoryLog(partitions(scenario))
    engines = [Engine(log, partition) for partition in range(partitions(scenario))]
    witness = Witness()
    times = clock(scenario)
    await drive.lockstep(
        log, engines, cast, [witness, *truths], drive.Clock(times.start_us, times.end_us, times.tick_us),
        setup=setup(scenario, seed), forget=log.forget,
    )  # fmt: skip
    for engine in engines:
        for exchange in engine.exchanges.values():
            invariants.check(exchange)
    return witness.events, [decode(record.value) for record in labels(cast, truths, homes, "", "run")]
