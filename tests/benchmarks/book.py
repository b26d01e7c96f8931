"""The order book alone: rest, cancel and take, against the least that Python needs to remember the same orders."""

from functools import partial

from stream_engine.core.order_book import NOTHING, Order, OrderBook
from stream_engine.messages.inputs import Cancel, Place, Side
from tests.benchmarks.flows import Flow, mixed, simple
from tests.benchmarks.measure import in_turn, keep, rate, ratio

INPUTS = 200_000
HOW = """
Orders rest, are cancelled and are taken in a book of 3,000 resting orders; no accounts, margin or events.
The reference puts the same orders into one dict by id and takes them out again: what any book must do at least.
Time against the reference: 1.00x would be a book that costs nothing.
"""


def run() -> None:
    """Measure and keep."""
    lines = []
    for flow in (simple(INPUTS), mixed(INPUTS)):
        steps = _steps(flow)
        book, reference = in_turn(partial(_through_book, steps), partial(_through_dict, steps))
        lines.append(f"{flow.name:20} {rate(len(flow.body), book)}   against the dict {ratio(book, reference)}")
    keep("book", HOW, lines)


# (order id, sign, price or 0 for a market order, size), or (order id, 0, 0, 0) to cancel
_Step = tuple[int, int, int, int]


def _steps(flow: Flow) -> list[_Step]:
    steps: list[_Step] = []
    ids: dict[str, int] = {}
    for each in flow.head + flow.body:
        if isinstance(each, Place):
            ids[each.client_id] = len(ids) + 1
            steps.append((ids[each.client_id], 1 if each.side is Side.BUY else -1, each.price or 0, each.size))
        elif isinstance(each, Cancel):
            steps.append((ids[each.client_id], 0, 0, 0))
    return steps


def _through_book(steps: list[_Step]) -> None:
    book = OrderBook()
    resting: dict[int, Order] = {}
    for order_id, sign, price, size in steps:
        if not sign:
            order = resting.pop(order_id, None)
            if order is not None and order.size:
                book.side(order.sign).remove(order)
        elif price:
            order = resting[order_id] = Order(order_id, 1, "", "BTC", sign, price, size)
            book.side(sign).rest(order)
        else:
            side = book.opposite(sign)
            while size and side.best_key != NOTHING:
                size -= side.take(size)[1]


def _through_dict(steps: list[_Step]) -> None:
    resting: dict[int, Order] = {}
    for order_id, sign, price, size in steps:
        if sign:
            resting[order_id] = Order(order_id, 1, "", "BTC", sign, price, size)
        else:
            resting.pop(order_id, None)
