"""A day of LOBSTER data through the book of the exchange, compared level for level with the book that came with it.

`python -m tests.benchmarks.lobster MESSAGES ORDERBOOK` takes the two files of a day, plain or gz, with any number of
levels. Exit code 0: all is as the files say; 1: something is not; 2: the files are not of this form.

Begins    with row 0 of the book: each level one order of nobody's; where message 0 brings an order, that is behind it.
Messages  1 rests; 2 shrinks and 3 takes away; 4 is replayed as an IOC of the other side at that price, which must meet
          the order that is named; 5 (hidden), 6 (cross) and 7 (halt) leave the visible book alone.
Nobody's  an order that the messages have not brought is part of what was there before at its price: first in the queue.
In view   a file of N levels says nothing of what lies behind the Nth. A level that goes out of view is forgotten; one
          that comes into view, worse than all that was there before, is taken from the file as nobody's, and counted.
Mismatch  a row that differs, an execution that does not meet the order that is named, a message of an order that is not
          there. After a row that differs the side is laid anew from it, so that it is counted once.
"""

import gc
import gzip
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path

from stream_engine.core.order_book import NOTHING, BookSide, Level, Order, OrderBook, orders_of

NEW, SHRINK, DELETE, EXECUTE, HIDDEN, CROSS, HALT = range(1, 8)
EMPTY = 9_999_999_999  # the price of a level that is not there; minus it for a bid
NOBODY = 0
SHOWN = 10

Row = tuple[int, ...]


class NotADay(ValueError):
    """Files that are not of this form; the text says what is wrong and in which row."""


@dataclass
class Found:
    """What came of a day; `wrong` says of the first mismatches what they are."""

    rows: int = 0
    levels: int = 0
    came_into_view: int = 0
    executions: int = 0
    of_before: int = 0
    mismatches: int = 0
    wrong: list[str] = field(default_factory=list)

    def differs(self, what: str) -> None:
        """Count a mismatch in the row that is being compared."""
        self.mismatches += 1
        if len(self.wrong) < SHOWN:
            self.wrong.append(f"row {self.rows}: {what}")


class Day:
    """The book of one symbol, row after row."""

    def __init__(self) -> None:
        self.found = Found()
        self._book = OrderBook()
        self._known: dict[int, Order] = {}
        self._worst_key = {1: NOTHING, -1: NOTHING}  # of each side: the last level in view

    def replay(self, rows: Iterable[tuple[Row, Row]]) -> Found:
        """Apply all messages to the first row's book and compare each with its row; returns what came of it."""
        for message, row in rows:
            if self.found.rows:
                self._apply(*message)
            else:
                self._begin(message, row)
            self._compare(self._book.asks, row[0::4], row[1::4])
            self._compare(self._book.bids, row[2::4], row[3::4])
            self.found.rows += 1
        return self.found

    def _begin(self, message: Row, row: Row) -> None:
        kind, order_id, size, price, sign = message
        for side, prices, sizes in ((self._book.asks, row[0::4], row[1::4]), (self._book.bids, row[2::4], row[3::4])):
            for level_price, level_size in _levels(prices, sizes):
                own = size if kind == NEW and (side.sign, level_price) == (sign, price) else 0
                if level_size > own:
                    side.rest(_order(NOBODY, side.sign, level_price, level_size - own))
        if kind == NEW:
            self._rest(order_id, size, price, sign)

    def _apply(self, kind: int, order_id: int, size: int, price: int, sign: int) -> None:
        if kind == NEW:
            self._rest(order_id, size, price, sign)
        elif kind in (SHRINK, DELETE, EXECUTE):
            order = self._named(order_id, price, sign)
            if kind == EXECUTE:
                self.found.executions += 1
                self.found.of_before += order is not None and order.order_id == NOBODY
            if order is None or size > order.size:
                self.found.differs(f"order {order_id} has not {size} to {_WORDS[kind]} at {price}")
            elif kind == EXECUTE:
                self._execute(order, order_id, size, price)
            else:
                _lower(self._book.side(sign), order, size)

    def _rest(self, order_id: int, size: int, price: int, sign: int) -> None:
        order = self._known[order_id] = _order(order_id, sign, price, size)
        self._book.side(sign).rest(order)

    def _named(self, order_id: int, price: int, sign: int) -> Order | None:
        """The order of this id, or what was at its price before: nobody's, first in the queue."""
        order = self._known.get(order_id)
        if order is not None and order.level is not None:
            return order
        level = self._book.side(sign).levels.get(price)
        first = None if level is None else level.first
        return first if first is not None and first.order_id == NOBODY else None

    def _execute(self, order: Order, order_id: int, size: int, price: int) -> None:
        """An IOC of the other side: it takes from the best order for as long as its price is met."""
        side = self._book.side(order.sign)
        limit_key = side.key(price)
        left = size
        while left and side.best_key <= limit_key:
            first = side.first()
            if first is not order:
                self.found.differs(f"the execution of order {order_id} meets {first.order_id or 'what was before'}")
                break
            left -= side.take(left)[1]
        if left:
            _lower(side, order, left)

    def _compare(self, side: BookSide, prices: Row, sizes: Row) -> None:
        wanted = list(_levels(prices, sizes))
        found: list[Row] = [(level.price, level.size) for level in islice(side.best_first(), len(prices))]
        self.found.levels += len(wanted)
        worst_key = self._worst_key[side.sign]
        if found != wanted:
            self._look(side, found, wanted, worst_key)
        last_key = side.key(wanted[-1][0]) if len(wanted) == len(prices) else NOTHING
        self._worst_key[side.sign] = last_key
        for level in list(_behind(side, last_key)):
            _clear(side, level)

    def _look(self, side: BookSide, found: list[Row], wanted: list[Row], worst_key: int) -> None:
        """Either levels came into view, or the row differs."""
        kept = [level for level in wanted if side.key(level[0]) <= worst_key]
        if [level for level in found if side.key(level[0]) <= worst_key] == kept == wanted[: len(kept)]:
            self.found.came_into_view += len(wanted) - len(kept)
            for level in list(_behind(side, worst_key)):
                _clear(side, level)
            wanted = wanted[len(kept) :]
        else:
            pairs = zip_longest(found, wanted)
            number, (mine, theirs) = next(each for each in enumerate(pairs, 1) if each[1][0] != each[1][1])
            self.found.differs(f"{'bid' if side.sign > 0 else 'ask'} {number}: built {mine}, in the file {theirs}")
            for level in list(side.best_first()):
                _clear(side, level)
        for price, size in wanted:
            side.rest(_order(NOBODY, side.sign, price, size))


_WORDS = {SHRINK: "lose", DELETE: "take away", EXECUTE: "be executed"}


def _order(order_id: int, sign: int, price: int, size: int) -> Order:
    return Order(order_id, 0, "", "", sign, price, size)


def _lower(side: BookSide, order: Order, size: int) -> None:
    """Take so many off an order that stays where it is, or all."""
    if size == order.size:
        side.remove(order)
    else:
        side.shrink(order, order.size - size)


def _levels(prices: Row, sizes: Row) -> Iterator[Row]:
    return ((price, size) for price, size in zip(prices, sizes, strict=True) if abs(price) != EMPTY)


def _behind(side: BookSide, key: int) -> Iterator[Level]:
    return (level for level in side.best_first() if side.key(level.price) > key)


def _clear(side: BookSide, level: Level) -> None:
    for order in list(orders_of(level)):
        side.remove(order)


def read(messages: Path, books: Path) -> Iterator[tuple[Row, Row]]:
    """Message and book of each row; raises NotADay, and OSError where there is no such file."""
    width = 0
    number = -1
    for number, (message_line, book_line) in enumerate(zip_longest(_lines(messages), _lines(books))):
        if message_line is None or book_line is None:
            raise NotADay(f"{(books if book_line is None else messages).name} ends before row {number}")
        try:
            message = tuple(map(int, message_line.split(",")[1:6]))
            row = tuple(map(int, book_line.split(",")))
        except ValueError as error:
            raise NotADay(f"row {number}: {error}") from error
        width = width or len(row)
        if len(message) != 5 or not NEW <= message[0] <= HALT:
            raise NotADay(f"row {number}: expected a message of time, type 1 to 7, order, size, price, direction")
        if message[0] <= EXECUTE and (message[4] not in (1, -1) or message[2] < 1):
            raise NotADay(f"row {number}: expected a size of 1 or more and a direction of 1 or -1")
        if len(row) != width or not row or len(row) % 4:
            raise NotADay(f"row {number}: expected ask price, ask size, bid price, bid size of each level")
        yield message, row
    if number < 0:
        raise NotADay("there are no rows")


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        yield from lines


def main(arguments: list[str], say: Callable[[str], object]) -> int:
    """The command; returns its exit code."""
    if len(arguments) != 2:
        say("python -m tests.benchmarks.lobster MESSAGES ORDERBOOK")
        return 2
    day = Day()
    gc.disable()
    began = time.process_time()
    try:
        found = day.replay(read(Path(arguments[0]), Path(arguments[1])))
    except (OSError, EOFError, UnicodeDecodeError, NotADay) as error:
        say(str(error))
        return 2
    finally:
        gc.enable()
    seconds = time.process_time() - began
    say(f"{found.rows:,} rows compared, {found.levels:,} levels, {found.came_into_view:,} of them came into view")
    say(f"{found.executions:,} executions checked, {found.of_before:,} of what was there before the file begins")
    say(f"rate {found.rows / seconds:,.0f} rows/s, reading and comparing included")
    say(f"{found.mismatches:,} mismatches")
    for line in found.wrong:
        say(line)
    return 1 if found.mismatches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda line: sys.stdout.write(line + "\n")))
