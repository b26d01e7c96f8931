"""Two engine processes on two partitions, against one on one."""

import sys
from collections.abc import Iterator

import msgspec

from stream_engine.messages.inputs import Input, MapVenue
from tests.benchmarks import on_kafka
from tests.benchmarks.flows import START_US, simple
from tests.benchmarks.measure import keep, spread
from tests.benchmarks.on_kafka import Measured

INPUTS = 200_000
ROUNDS = 5
PARTITIONS = 2
HOW = f"""
{{broker}}
Each partition holds a venue of its own with {INPUTS:,} inputs (flow `simple`) before anything starts. One engine
process takes one partition; then two take both at once, sharing the cores with the broker. By the clock on the wall,
in turn, {ROUNDS} rounds: median (least to most).
"""


def run() -> None:
    """Measure and keep."""
    alone: list[float] = []
    together: list[float] = []
    with on_kafka.broker() as bootstrap:
        for number in range(ROUNDS):
            for name, partitions in (("one", [0]), ("two", [0, 1])):
                prefix = f"{number}.{name}."
                on_kafka.make_topics(bootstrap, prefix, PARTITIONS)
                for partition in range(PARTITIONS):
                    on_kafka.fill(bootstrap, prefix, _of_venue(partition), partition)
                engines = [on_kafka.start("contenders", "engine", bootstrap, prefix, each) for each in partitions]
                rate = _rate([on_kafka.measured(engine) for engine in engines])
                (alone if name == "one" else together).append(rate)
                sys.stderr.write(f"round {number + 1}, {name}: {rate:,.0f}/s\n")
    ratios = [two / one for one, two in zip(alone, together, strict=True)]
    keep(
        "processes",
        HOW.format(broker=on_kafka.said_of_the_broker()),
        [
            f"one engine process, one partition     {spread(alone, ',.0f')}/s",
            f"two engine processes, two partitions  {spread(together, ',.0f')}/s in all, {spread(ratios, '.2f')} times",
        ],
    )


def _of_venue(partition: int) -> Iterator[Input]:
    venue = f"bench-{partition}"
    yield MapVenue(venue, START_US, partition)
    flow = simple(INPUTS)
    for each in flow.head + flow.body:
        yield msgspec.structs.replace(each, venue=venue)


def _rate(all_taken: list[Measured]) -> float:
    """Of engines that ran at the same time: all inputs, in the time of the slowest."""
    return sum(taken.records for taken in all_taken) / max(taken.seconds for taken in all_taken)
