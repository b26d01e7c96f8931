"""How long an engine takes to come back, by the length of its journal; against how long it took to write it."""

import sys

from tests.benchmarks import on_kafka
from tests.benchmarks.flows import simple
from tests.benchmarks.measure import keep, spread
from tests.benchmarks.on_kafka import Measured

LENGTHS = (50_000, 200_000, 800_000)
ROUNDS = 3
HOW = """
{broker}
An engine takes so many inputs (flow `simple`) live, from a filled topic; then another process takes its place: seconds
from the start of `Engine.start` to the end of it: fence, offsets, snapshot, journal. Each in a process of its own, in
turn, {rounds} rounds: median (least to most). `with a snapshot`: one was written at the journal's end.
"""


def run() -> None:
    """Measure and keep."""
    lines = []
    with on_kafka.broker() as bootstrap:
        for inputs in LENGTHS:
            live, back, warm = [], [], []
            for number in range(ROUNDS):
                prefix = f"{inputs}.{number}."
                flow = simple(inputs)
                on_kafka.make_topics(bootstrap, prefix)
                on_kafka.fill(bootstrap, prefix, flow.head + flow.body)
                live.append(_run(bootstrap, prefix, "engine"))
                back.append(_run(bootstrap, prefix, "resume", inputs))
                _run(bootstrap, prefix, "engine", "snapshot")
                warm.append(_run(bootstrap, prefix, "resume", inputs))
                sys.stderr.write(f"{inputs:,}, round {number + 1}: back in {back[-1].seconds:.2f} s\n")
            ratios = [there.seconds / again.seconds for there, again in zip(live, back, strict=True)]
            lines.append(
                f"{inputs:>9,} inputs   live {_seconds(live)} s   from the journal {_seconds(back)} s, "
                f"{spread(ratios, '.2f')} times as fast as live   with a snapshot {_seconds(warm)} s"
            )
    keep("recovery", HOW.format(broker=on_kafka.said_of_the_broker(), rounds=ROUNDS), lines)


def _run(bootstrap: str, prefix: str, *what: object) -> Measured:
    name, *more = what
    return on_kafka.measured(on_kafka.start("contenders", name, bootstrap, prefix, 0, *more))


def _seconds(all_taken: list[Measured]) -> str:
    return spread([taken.seconds for taken in all_taken], ".2f")
