"""Inputs a second through the engine, exactly once, on a real broker; against others that do nothing with them."""

import subprocess
import sys
from pathlib import Path

import msgspec

from stream_engine import journal
from stream_engine.messages.inputs import Input
from stream_engine.messages.topics import Topic
from tests.benchmarks import on_kafka
from tests.benchmarks.flows import Flow, mixed, simple
from tests.benchmarks.measure import keep, spread
from tests.benchmarks.on_kafka import Measured

INPUTS = 200_000
FOR_FAUST = 30_000
ROUNDS = 5
RIVALS = Path(__file__).parent / "rivals"
RIVALS_PYTHON = Path(__file__).resolve().parents[2] / ".venv-bench" / "bin" / "python"
NO_RIVALS = "Quix Streams and Faust are not here: `make bench-rivals` installs them beside, and measures again."

HOW = f"""
{{broker}}
Each topic has one partition and holds all records before a contender starts: {INPUTS:,} inputs and the {{head:,}} that
fill the book, about 140 bytes of JSON each, with two headers. By the clock on the wall, from the first record to the
last commit, in turn, {ROUNDS} rounds: median (least to most). Each in a process of its own, uvloop where it is asyncio.
Looked at after each: every record is in the target exactly once for a reader of committed records.

engine         our whole engine: decodes, merges four topics, matches, margins, watches; writes events, journal, offsets
               in one transaction a cycle. `simple`: two orders that rest for each cancel. `mixed`: 10 % take.
pass-through   aiokafka 0.14: getmany of 20,000, decode, encode, send_batch of 256 KiB, one transaction with offsets.
Quix           Quix Streams 3.28, processing_guarantee="exactly-once": bytes in, bytes out, a commit every 20,000.
Faust          Faust-streaming 0.15, processing_guarantee="exactly_once": raw bytes in and out, uvloop, Cython; its last
               commit is not counted; {FOR_FAUST:,} records.
All four promise the same: read, write and offsets in transactions, each record's effect once for committed readers.
"""


def run() -> None:
    """Measure and keep."""
    flows = {"simple": simple(INPUTS), "mixed": mixed(INPUTS)}
    found: dict[str, list[Measured]] = {}
    with on_kafka.broker() as bootstrap:
        for number in range(ROUNDS):
            for name, taken in _round(bootstrap, f"{number}.", flows).items():
                found.setdefault(name, []).append(taken)
                sys.stderr.write(f"round {number + 1}, {name}: {taken.rate:,.0f}/s\n")
    head = sum(type(each).__name__ == "Place" for each in flows["simple"].head)
    keep("exactly_once", HOW.format(broker=on_kafka.said_of_the_broker(), head=head), _lines(found))


def _round(bootstrap: str, prefix: str, flows: dict[str, Flow]) -> dict[str, Measured]:
    found = {}
    for kind, flow in flows.items():
        own = f"{prefix}{kind}."
        inputs = flow.head + flow.body
        on_kafka.make_topics(bootstrap, own)
        on_kafka.fill(bootstrap, own, inputs)
        found[f"engine, {kind}"] = on_kafka.measured(on_kafka.start("contenders", "engine", bootstrap, own, 0))
        _assert_journalled(bootstrap, own, len(inputs))
    source, orders = f"{prefix}simple.orders", _orders(flows["simple"])
    target = prefix + "copy"
    on_kafka.make_topic(bootstrap, target)
    found["pass-through"] = on_kafka.measured(on_kafka.start("contenders", "pass-through", bootstrap, source, target))
    _assert_copied(bootstrap, target, len(orders))
    if RIVALS_PYTHON.exists():
        target = prefix + "quix"
        on_kafka.make_topic(bootstrap, target)
        found["Quix"] = _rival("quix.py", bootstrap, source, target, len(orders))
        _assert_copied(bootstrap, target, len(orders))
        few, target = prefix + "few.", prefix + "faust"
        on_kafka.make_topic(bootstrap, few + Topic.ORDERS.value)
        on_kafka.make_topic(bootstrap, target)
        on_kafka.fill(bootstrap, few, orders[:FOR_FAUST])
        found["Faust"] = _rival("faust_streaming.py", bootstrap, few + Topic.ORDERS.value, target, FOR_FAUST)
        _assert_copied(bootstrap, target, FOR_FAUST)
    return found


def _orders(flow: Flow) -> list[Input]:
    return [each for each in flow.head + flow.body if type(each).__name__ in ("Place", "Cancel")]


def _rival(script: str, *arguments: object) -> Measured:
    command = [str(RIVALS_PYTHON), str(RIVALS / script), *map(str, arguments)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=on_kafka.WITHIN_S).stdout
    line = next(line for line in reversed(said.splitlines()) if line.startswith("{"))
    return msgspec.json.decode(line, type=Measured)


def _assert_journalled(bootstrap: str, prefix: str, inputs: int) -> None:
    records = on_kafka.committed_records(bootstrap, prefix + Topic.JOURNAL.value)
    taken = sum(1 for batch in journal.read(records) for _ in batch.entries())
    assert taken == inputs, f"{taken:,} of {inputs:,} inputs are in the journal"


def _assert_copied(bootstrap: str, target: str, records: int) -> None:
    copied = sum(1 for _ in on_kafka.committed_records(bootstrap, target))
    assert copied == records, f"{copied:,} of {records:,} records are in {target}"


def _lines(found: dict[str, list[Measured]]) -> list[str]:
    lines = []
    engine = [taken.rate for taken in found["engine, simple"]]
    for name, all_taken in found.items():
        rates = [taken.rate for taken in all_taken]
        micros = [1e6 * taken.processor_s / taken.records for taken in all_taken]
        ratios = [ours / theirs for ours, theirs in zip(engine, rates, strict=True)]
        line = f"{name:15} {spread(rates, ',.0f'):>32}/s   its own processor {spread(micros, '.1f')} us a record"
        if not name.startswith("engine"):
            line += f"   engine, simple: {spread(ratios, '.2f')} times that"
        lines.append(line)
    return lines if "Quix" in found else [*lines, NO_RIVALS]
