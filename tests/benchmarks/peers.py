"""The exchange beside matching engines that install from PyPI, on the same orders; they know no accounts."""

import json
import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from stream_engine.core.exchange import Exchange
from stream_engine.messages.inputs import Cancel, Place, Side
from tests.benchmarks.apply import ready
from tests.benchmarks.exactly_once import RIVALS, RIVALS_PYTHON
from tests.benchmarks.flows import MID, RESTING, Flow, mixed
from tests.benchmarks.measure import in_turn, keep, rate
from tests.benchmarks.meb import CANCEL, NEW, MebFlow, through_fresh_book

INPUTS = 30_000
ROUNDS = 5
WITHIN_S = 60.0
THROUGH = 5_000  # so far from the mid an order is limited that takes: it never rests
ENGINES = {
    "limit_order_book": "limit-order-book 2.0.0, C++; no reports: nobody learns who traded, or at what price",
    "akhil4n_orderbook": "akhil4n-orderbook 0.1.1, Python",
    "lightmatchingengine": "lightmatchingengine 2019.1.4, Python; finds the best price by a scan",
    "fastlob": "fastlob 0.0.24, Python, decimals",
}
HOW = f"""
{INPUTS:,} inputs of the flow `mixed` (60 % orders near the touch, 30 % cancels, 10 % that take) on {RESTING:,} resting
orders, each in a process of its own, as objects: nothing is decoded or encoded. By processor time, in turn, {ROUNDS}
rounds: median (least to most). Only `exchange` has accounts, margin, the watch, fees, events and published depth; the
others match. order-matching and OrderBook install too and do not start: a dependency that is not declared, Python 2.
"""


def run() -> None:
    """Measure and keep."""
    flow = mixed(INPUTS)
    steps = _steps(flow)
    exchanges = [ready(flow) for _ in range(ROUNDS)]
    exchange, book = in_turn(
        partial(_through_exchange, exchanges, flow), partial(through_fresh_book, _as_messages(steps)), rounds=ROUNDS
    )
    lines = [
        f"exchange            {rate(INPUTS, exchange)}   ours, all of it",
        f"book                {rate(len(steps), book)}   ours, alone, with reports",
    ]
    if RIVALS_PYTHON.exists():
        found = _measured(steps)
        lines += [f"{name:20}{rate(INPUTS, found[name])}   {what}" for name, what in ENGINES.items()]
    else:
        lines.append("The others are not here: `make bench-rivals` installs them beside, and measures again.")
    keep("peers", HOW, lines)


def _through_exchange(exchanges: list[Exchange], flow: Flow) -> None:
    apply = exchanges.pop().apply
    for each in flow.body:
        apply(each)


def _steps(flow: Flow) -> list[tuple[int, int, int, int]]:
    """(order id, sign, price, size) of each order, (order id, 0, 0, 0) of each cancel."""
    steps: list[tuple[int, int, int, int]] = []
    ids: dict[str, int] = {}
    for each in flow.head + flow.body:
        if isinstance(each, Place):
            order_id = ids[each.client_id] = len(ids) + 1
            sign = 1 if each.side is Side.BUY else -1
            steps.append((order_id, sign, each.price or MID + sign * THROUGH, each.size))
        elif isinstance(each, Cancel):
            steps.append((ids[each.client_id], 0, 0, 0))
    return steps


def _as_messages(steps: list[tuple[int, int, int, int]]) -> MebFlow:
    rows = [(NEW if sign else CANCEL, int(sign < 0), 0, size, order_id, price) for order_id, sign, price, size in steps]
    return MebFlow("mixed", tuple(zip(*rows, strict=True)), len(rows))


def _measured(steps: list[tuple[int, int, int, int]]) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "steps.json"
        file.write_text(json.dumps(steps))
        for _ in range(ROUNDS):
            for name in ENGINES:
                command = [str(RIVALS_PYTHON), str(RIVALS / "books.py"), name, str(file)]
                said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=WITHIN_S).stdout
                seconds[name].append(json.loads(said)["seconds"])
    return seconds
