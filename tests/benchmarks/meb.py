"""The order flows of the matching-engine benchmark (MEB), through the book of the exchange and nothing else.

`python -m tests.benchmarks.meb FILE` prints the hash of the reports and the rate for any file of this form: xz, one
header line of JSON (`count`, `columns`: name, array type code, item size), then the columns, little-endian. A hash in
the header (`published_sha256`, `report_sha256`) is compared: where it differs the exit code is 1, where the file is
not of this form 2.

Rules     price-time priority; a trade at the maker's price; what an IOC leaves is cancelled; a modification cancels and
          comes again, behind the others, and may take; only what rests can be cancelled or modified.
Reports   tuples, in the order in which they came about; for the hash sorted by (sequence, kind), stably.
Timed     from the first message to the last report in the list, by this process's own processor time, without the
          collector; reading the file and the hash are not.
"""

import gc
import hashlib
import json
import lzma
import sys
import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_engine.core.order_book import Order, OrderBook, orders_of
from tests.benchmarks.measure import rate

NEW, CANCEL, MODIFY = range(3)
ACK, TRADE, CANCELLED, MODIFIED, CANCEL_REJECTED, MODIFY_REJECTED = range(6)
COLUMNS = ("type", "side", "ioc", "qty", "order_id", "price")
HASHES = ("published_sha256", "report_sha256")
ROUNDS = 5

Message = tuple[int, int, int, int, int, int]  # as COLUMNS
Report = tuple[int, ...]


class NotAFlow(ValueError):
    """A file that is not of this form; the text says what is wrong."""


@dataclass(frozen=True)
class MebFlow:
    """Messages, column by column, and the hash that their reports should have, where somebody says."""

    name: str
    columns: tuple[Iterable[int], ...]
    count: int
    expected: str | None = None

    def messages(self) -> Iterable[Message]:
        """All messages, in their sequence."""
        return zip(*self.columns, strict=True)


def read(path: Path) -> MebFlow:
    """The flow in a file; raises NotAFlow, and OSError where there is none."""
    try:
        head, _, body = lzma.decompress(path.read_bytes()).partition(b"\n")
        header: dict[str, Any] = json.loads(head)
        count = int(header["count"])
        sizes = [(str(name), str(code), int(size)) for name, code, size in header["columns"]]
    except (lzma.LZMAError, EOFError, ValueError, KeyError, TypeError) as error:
        raise NotAFlow(f"expected xz with a header line of JSON with count and columns: {error!r}") from error
    wanted = count * sum(size for _, _, size in sizes)
    if count < 0 or wanted != len(body):
        raise NotAFlow(f"expected {wanted:,} bytes for {count:,} rows behind the header, found {len(body):,}")
    columns: dict[str, array[int]] = {}
    start = 0
    for name, code, size in sizes:
        if code not in "bBhHiIlLqQ" or len(code) != 1 or array(code).itemsize != size:
            raise NotAFlow(f"column {name}: no integers of {size} bytes have the type code {code!r} here")
        column = columns[name] = array(code, body[start : start + size * count])
        start += size * count
        if sys.byteorder == "big":
            column.byteswap()
    if missing := set(COLUMNS) - set(columns):
        raise NotAFlow(f"there is no column {', '.join(sorted(missing))}")
    for name, most in (("type", MODIFY), ("side", 1), ("ioc", 1)):
        if count and not 0 <= min(columns[name]) <= max(columns[name]) <= most:
            raise NotAFlow(f"column {name}: expected 0 to {most}, found {min(columns[name])} to {max(columns[name])}")
    if count and min(columns["qty"]) < 1:
        raise NotAFlow("column qty: expected 1 or more, found 0")
    expected = next((header[name] for name in HASHES if name in header), None)
    return MebFlow(path.name, tuple(columns[name] for name in COLUMNS), count, expected)


def through_book(book: OrderBook, resting: dict[int, Order], messages: Iterable[Message]) -> list[Report]:
    """Apply all messages to an empty book; returns the reports. `resting`: then the orders in it, by id."""
    bids, asks = book.bids, book.asks
    reports: list[Report] = []
    report = reports.append
    for seq, (kind, side, ioc, left, order_id, price) in enumerate(messages):
        if kind == NEW:
            report((ACK, seq, side, order_id, price, left))
        else:
            order = resting.pop(order_id, None)
            if order is None:
                report((CANCEL_REJECTED if kind == CANCEL else MODIFY_REJECTED, seq, order_id))
                continue
            if order.sign > 0:
                side = 0
                bids.remove(order)
            else:
                side = 1
                asks.remove(order)
            if kind == CANCEL:
                report((CANCELLED, seq, side, order_id, order.price))
                continue
            report((MODIFIED, seq, side, order_id, price, left))
        if side:
            own, opposite, limit_key = asks, bids, -price
        else:
            own, opposite, limit_key = bids, asks, price
        while opposite.best_key <= limit_key:
            maker, lots = opposite.take(left)
            report((TRADE, seq, maker.price, lots, maker.order_id, order_id))
            if not maker.size:
                del resting[maker.order_id]
            left -= lots
            if not left:
                break
        else:
            if ioc and kind == NEW:
                report((CANCELLED, seq, side, order_id, price))
            else:
                order = resting[order_id] = Order(order_id, 0, "", "", -1 if side else 1, price, left)
                own.rest(order)
    return reports


def through_fresh_book(flow: MebFlow) -> list[Report]:
    """The reports of a flow."""
    return through_book(OrderBook(), {}, flow.messages())


def report_hash(reports: list[Report]) -> str:
    """SHA-256 of the reports as text."""
    ordered = sorted(reports, key=lambda report: (report[1], report[0]))
    return hashlib.sha256("\n".join([",".join(map(str, report)) for report in ordered]).encode()).hexdigest()


def replay(flow: MebFlow) -> tuple[float, list[Report]]:
    """The processor seconds that a flow took, and its reports; raises NotAFlow where an id was used twice at a time."""
    book = OrderBook()
    resting: dict[int, Order] = {}
    gc.collect()
    gc.disable()
    began = time.process_time()
    reports = through_book(book, resting, flow.messages())
    seconds = time.process_time() - began
    gc.enable()
    book.check()
    in_book = sum(1 for side in (book.bids, book.asks) for level in side.best_first() for _ in orders_of(level))
    if in_book != len(resting):
        raise NotAFlow("an order has the id of one that rests")
    return seconds, reports


def main(arguments: list[str], say: Callable[[str], object], rounds: int = ROUNDS) -> int:
    """The command; returns its exit code."""
    if len(arguments) != 1:
        say("python -m tests.benchmarks.meb FILE")
        return 2
    try:
        flow = read(Path(arguments[0]))
        all_seconds = []
        for _ in range(rounds):
            seconds, reports = replay(flow)
            all_seconds.append(seconds)
    except (OSError, NotAFlow) as error:
        say(f"{arguments[0]}: {error}")
        return 2
    found = report_hash(reports)
    say(f"{flow.name}: {flow.count:,} messages, {len(reports):,} reports")
    say(f"sha256 {found}")
    say(f"rate   {rate(flow.count, all_seconds).strip()} messages, median of {rounds} (least to most)")
    if flow.expected is None:
        say("the header names no hash to compare with")
    elif flow.expected == found:
        say("as the header says")
    else:
        say(f"NOT as the header says: {flow.expected}")
    return 0 if flow.expected in (None, found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda line: sys.stdout.write(line + "\n")))
