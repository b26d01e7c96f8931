"""`liqstorm produce`: the clock and the participants of a scenario, on Kafka; engines and monitors are elsewhere."""

import asyncio
from typing import TYPE_CHECKING

import click

from stream_engine.cli.connection import answered, connect, run_of, waiting_for_kafka, with_kafka
from stream_engine.cli.errors import UserError, nearest, not_a_scenario
from stream_engine.cli.options import with_loop, with_seed, with_settings, with_speed

if TYPE_CHECKING:
    from producers.agent import Agent
    from stream_engine import drive
    from stream_engine.cli.session import Cast, Place, Show

# Among the names of --only: the setup and the clock.
CLOCK = "clock"


@click.command()
@click.argument("scenario")
@with_seed
@with_settings
@with_speed("60")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help=f"Only this participant (MM1, on one venue MM1@beta), or {CLOCK}: the setup and the clock; repeatable."
    " Without clock it joins a run that another process clocks.",
)
@with_kafka
@with_loop
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.pass_context
def command(
    ctx: click.Context,
    scenario: str,
    seed: int,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    speed: float | None,
    only: tuple[str, ...],
    bootstrap: str,
    prefix: str,
    kafka: tuple[str, ...],
    loop: str | None,
    quiet: bool,
) -> None:
    """Put the setup, the clock and the participants of SCENARIO on Kafka, in real time.

    The topics must hold no run yet. It waits for an engine (`liqstorm engine`) to answer; the next tick waits while a
    venue is two ticks behind, so nothing piles up. Several processes may share the participants with --only: one of
    them has the clock, and all have the same scenario, overlays, settings and seed.
    """
    from stream_engine.cli import session, show
    from stream_engine.cli.stopping import loop_factory

    place = session.Place(connect(bootstrap, kafka), prefix)
    cast = session.cast_of(scenario, seed, settings, overlays)
    agents = _chosen(cast, only)
    keeps_time = not only or CLOCK in only
    factory = loop_factory(loop)
    if keeps_time:
        with answered():
            session.ready(place, cast.scenario)
    watcher = show.Nothing() if quiet else show.progress()
    with answered(), asyncio.Runner(loop_factory=factory) as runner:
        outcome, status = runner.run(_produce(cast, agents, place, speed, keeps_time, watcher))
    click.echo(f"{cast.title}: {outcome.ticks:,} ticks, {outcome.inputs:,} inputs sent")
    ctx.exit(status)


def _chosen(cast: "Cast", only: tuple[str, ...]) -> "list[Agent]":
    """The participants asked for; UserError where there is no such."""
    from producers.runner import full_name
    from stream_engine.scenario import agents

    everybody = agents(cast.scenario, cast.seed)
    if not only:
        return everybody
    names = {name for agent in everybody for name in (agent.name, full_name(agent))}
    for name in only:
        if name not in names and name != CLOCK:
            known = sorted({agent.name for agent in everybody} | {CLOCK})
            raise UserError(f"there is no participant {name} in {cast.scenario.name}.{nearest(name, known)}")
    return [agent for agent in everybody if agent.name in only or full_name(agent) in only]


async def _produce(
    cast: "Cast", agents: "list[Agent]", place: "Place", speed: float | None, keeps_time: bool, watcher: "Show"
) -> "tuple[drive.Outcome, int]":
    from consumers.board import Board
    from producers.ground_truth import GroundTruth
    from stream_engine import drive
    from stream_engine import scenario as scenarios
    from stream_engine.cli.session import labels
    from stream_engine.cli.stopping import interruption
    from stream_engine.cli.topic_rules import partitions_there
    from stream_engine.transport.kafka import KafkaLog
    from stream_engine.transport.patient import PatientLog

    scenario, homes = cast.scenario, scenarios.venues(cast.scenario)
    clock, run_id = scenarios.clock(scenario), run_of(place.prefix)
    # What the whole shows is told once, by whoever keeps the time.
    truths = [GroundTruth(venue) for venue in homes] if keeps_time else []
    with interruption() as stop:
        kafka = KafkaLog(place.settings)
        log = PatientLog(kafka, stop, lambda s, why: watcher.waits(waiting_for_kafka(s, why)))
        watcher.begin(Board(scenario.venues[0].name), clock, f"{cast.name}  seed {cast.seed}", speed)
        try:
            outcome = await drive.realtime(
                log,
                agents,
                truths,
                clock,
                setup=scenarios.setup(scenario, cast.seed),
                partitions=await partitions_there(place.settings, place.prefix),
                prefix=place.prefix,
                run_id=run_id,
                speed=speed,
                keeps_time=keeps_time,
                stop=stop,
                on_tick=watcher.tick,
                on_lag=watcher.lag,
            )
            # Told when all is over: whoever is to find out by watching must not be able to read it.
            await log.append(labels(agents, truths, homes, place.prefix, run_id))
        except drive.SetupRefused as error:
            raise not_a_scenario(error) from error
        finally:
            watcher.end()
            await log.close()
        return outcome, stop.status if outcome.stopped else 0
