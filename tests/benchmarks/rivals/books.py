"""Matching engines that install from PyPI, each on the same orders: `python books.py NAME STEPS`.

STEPS is a file of JSON: [order id, sign, price, size] in integers, sign 0 to cancel; the first 3,000 fill the book and
are not timed. An order that takes is a limit far through the book. Each is used as its own documentation says, with
what it asks for (decimals, its own ids) made within the time: whoever uses it pays for that.
Prints one line of JSON: how many orders and cancels it took, in how many seconds of this process's own processor time.
"""

import gc
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

RESTING = 3_000
Take = Callable[[int, int, int, int], None]


def lightmatchingengine() -> Take:
    """Pure Python: a dict of lists by price, the best by a scan."""
    from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Side  # type: ignore[import-not-found]

    engine = LightMatchingEngine()
    ids: dict[int, int] = {}

    def take(order_id: int, sign: int, price: int, size: int) -> None:
        if not sign:
            engine.cancel_order(ids.pop(order_id), "BTC")
        else:
            ids[order_id] = engine.add_order("BTC", price, size, Side.BUY if sign > 0 else Side.SELL)[0].order_id

    return take


def fastlob() -> Take:
    """Pure Python on sortedcontainers, decimals."""
    from fastlob import Orderbook, OrderParams, OrderSide  # type: ignore[import-not-found]

    logging.disable(logging.CRITICAL)
    book = Orderbook(start=True)
    ids: dict[int, str] = {}

    def take(order_id: int, sign: int, price: int, size: int) -> None:
        if not sign:
            book.cancel(ids.pop(order_id))
        else:
            side = OrderSide.BID if sign > 0 else OrderSide.ASK
            ids[order_id] = book(OrderParams(side=side, price=price, quantity=size)).orderid()

    return take


def akhil4n_orderbook() -> Take:
    """Pure Python on sortedcontainers, decimals."""
    from orderbook import Order, OrderBook, OrderSide  # type: ignore[import-not-found]

    book = OrderBook()
    ids: dict[int, str] = {}

    def take(order_id: int, sign: int, price: int, size: int) -> None:
        if not sign:
            book.cancel_order(ids.pop(order_id))
        else:
            order = Order(OrderSide.BID if sign > 0 else OrderSide.ASK, Decimal(price), size)
            ids[order_id] = order.order_id
            book.add_limit_order(order)

    return take


def limit_order_book() -> Take:
    """C++ behind ctypes: a book without reports, which says neither who traded nor at what price."""
    from limit_order_book import LimitOrderBook  # type: ignore[import-not-found]

    book = LimitOrderBook()

    def take(order_id: int, sign: int, price: int, size: int) -> None:
        if not sign:
            if book.has(order_id):
                book.cancel(order_id)
        elif sign > 0:
            book.limit_buy(order_id, size, price)
        else:
            book.limit_sell(order_id, size, price)

    return take


ENGINES = {each.__name__: each for each in (limit_order_book, lightmatchingengine, akhil4n_orderbook, fastlob)}


def measure(name: str, file: str) -> dict[str, float]:
    """Take all steps. Some engines raise when an order is cancelled that is gone; that is their answer."""
    with open(file, encoding="utf-8") as lines:
        steps = json.load(lines)
    take = ENGINES[name]()
    gc.collect()
    gc.disable()
    began = time.process_time()
    for number, step in enumerate(steps):
        if number == RESTING:
            began = time.process_time()
        with suppress(KeyError, AssertionError):
            take(*step)
    return {"records": len(steps) - RESTING, "seconds": time.process_time() - began}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(*sys.argv[1:])) + "\n")
    sys.stdout.flush()
    os._exit(0)  # fastlob leaves a thread behind that never ends
