"""The order book alone: the flows of the matching-engine benchmark, and what a level costs that comes and goes."""

import random
from functools import partial

from stream_engine.core.order_book import BookSide, Order
from tests.benchmarks.measure import in_turn, keep, rate, ratio
from tests.benchmarks.meb import MebFlow, read, report_hash, through_fresh_book
from tests.benchmarks.meb_flows import flows
from tests.conftest import data_path

PUBLISHED = "meb/normal_seed23_n1000000.xz"
LEVELS = (100, 1_000, 10_000)
PAIRS = 50_000
ROUNDS = 7
HOW = f"""
Messages (new, cancel, modify) through the book that the exchange uses, by the taking that the exchange uses, to a list
of reports: acknowledgements, trades, rejections. No accounts, margin or events. See tests/benchmarks/meb.py for rules
and hash, meb_flows.py for the flows that are made here. In turn, {ROUNDS} rounds: median (least to most).
Levels: one order rests and is cancelled, anywhere in a side of so many levels; alone at its price, so that a level is
made and dropped, against behind the others of a level that stays.
"""


def run() -> None:
    """Measure and keep."""
    all_flows = flows()
    if data_path(PUBLISHED).exists():
        all_flows.insert(0, read(data_path(PUBLISHED)))
    seconds = in_turn(*(partial(through_fresh_book, flow) for flow in all_flows), rounds=ROUNDS)
    lines = [
        f"{flow.name:28} {flow.count:>9,} messages {rate(flow.count, taken)}{_hash(flow)}"
        for flow, taken in zip(all_flows, seconds, strict=True)
    ]
    each = [min(taken) / flow.count for flow, taken in zip(all_flows, seconds, strict=True)]
    lines += [f"the fastest flow is {max(each) / min(each):.2f} times as fast as the slowest, at their best", ""]
    for levels in LEVELS:
        made, stayed = in_turn(partial(_rest_and_cancel, levels, True), partial(_rest_and_cancel, levels, False))
        lines.append(f"{levels:>6,} levels: made and dropped {rate(PAIRS, made)}   against one that stays "
                     f"{ratio(made, stayed)}")  # fmt: skip
    keep("book", HOW, lines)


def _hash(flow: MebFlow) -> str:
    if flow.expected is None:
        return ""
    return "   report hash as published" if report_hash(through_fresh_book(flow)) == flow.expected else "   WRONG HASH"


def _rest_and_cancel(levels: int, alone: bool) -> None:
    draw = random.Random(levels)
    side = BookSide(-1)
    for price in range(2, 2 * levels + 1, 2):
        side.rest(Order(price, 1, "", "", -1, price, 1))
    for number in range(PAIRS):
        price = 2 * draw.randint(1, levels) + alone
        order = Order(number, 1, "", "", -1, price, 1)
        side.rest(order)
        side.remove(order)
