"""Flows for the book alone, of the shapes that a book is hurt by, made from a seed; see meb for what a message is.

quiet     prices wander by 2 %: a few hundred levels, 6 % of the messages trade.
still     the price stands: orders by the ten thousand on a few dozen levels, hardly a trade.
swing     prices wander by a quarter: levels are made and dropped all the time, in a book that is wide and thin.
crash     prices fall by 60 % and come back halfway: as swing, and every 50th order sweeps 30 levels or more.
scattered half of all orders rest alone, anywhere within 20,000 ticks: the most levels to keep in order.

Orders live as in the measured flow: 15 % are IOC, of the others a fifth is modified (larger, mostly a tick nearer) and
95 % are cancelled soon, what rests deeper later; 2 % of cancels and modifications come twice.
"""

import math
import random
from dataclasses import dataclass

from tests.benchmarks.meb import CANCEL, MODIFY, NEW, MebFlow, Message

ORDERS = 200_000
MID = 33_500
SWEEP_EVERY = 200
SWEEP_LOTS = 3_000
SCATTERED_WITHIN = 20_000


@dataclass(frozen=True)
class Shape:
    """How far the price wanders and where it is led, as parts of it; how many orders are cancelled; what is special."""

    wander: float = 0.0
    led: tuple[float, ...] = ()
    cancelled: float = 0.95
    sweeps: bool = False
    scattered: bool = False


SHAPES = {
    "quiet": Shape(wander=0.02),
    "still": Shape(cancelled=0.8),
    "swing": Shape(wander=0.25),
    "crash": Shape(wander=0.1, led=(0.0, -0.6, -0.3), cancelled=0.7, sweeps=True),
    "scattered": Shape(wander=0.02, scattered=True),
}


def flows(orders: int = ORDERS, seed: int = 4) -> list[MebFlow]:
    """One flow of each shape."""
    return [_flow(name, shape, orders, random.Random(seed)) for name, shape in SHAPES.items()]


def _flow(name: str, shape: Shape, orders: int, draw: random.Random) -> MebFlow:
    mids = _path(shape, orders, draw)
    # Buys follow one half of the path and sells the other, as both are shuffled together: so that they meet.
    numbers = list(range(orders))
    if not shape.led:
        draw.shuffle(numbers)
    timed: list[tuple[int, Message]] = []
    now = 0
    for order_id, number in enumerate(numbers, 1):
        now = _live(shape, draw, timed, now, order_id, mids[number], int(2 * number >= orders), order_id)
    timed.sort(key=lambda each: each[0])
    columns = tuple(zip(*(message for _, message in timed), strict=True))
    return MebFlow(name, columns, len(timed))


def _path(shape: Shape, orders: int, draw: random.Random) -> list[int]:
    step = shape.wander / math.sqrt(orders)
    mid, mids = float(MID), []
    legs = len(shape.led) - 1
    for number in range(orders):
        mid *= 1 + draw.gauss(0, step)
        led = 0.0
        if legs > 0:
            leg, along = divmod(number * legs / orders, 1.0)
            led = shape.led[int(leg)] * (1 - along) + shape.led[int(leg) + 1] * along
        mids.append(max(1_000, int(mid * (1 + led))))
    return mids


def _live(
    shape: Shape, draw: random.Random, timed: list[tuple[int, Message]], now: int, order_id: int, mid: int, side: int,
    number: int,
) -> int:  # fmt: skip
    """One order's life; returns when it has come to its end, which is when the next one begins."""
    if shape.led:
        side = draw.randint(0, 1)
    away = 1 + (int(abs(draw.gauss(8, 1))) if draw.random() < 0.9 else min(799, int(draw.paretovariate(1.23)) - 1))
    if shape.scattered and draw.random() < 0.5:
        away = draw.randint(1, SCATTERED_WITHIN)
    towards = -1 if side else 1
    price, size = max(1, mid - towards * away), draw.randint(1, 100)
    if shape.sweeps and number % SWEEP_EVERY == 0:
        timed.append((now, (NEW, side, 1, SWEEP_LOTS, order_id, mid + towards * mid // 2)))
        return now + 1
    ioc = draw.random() < 0.15
    timed.append((now, (NEW, side, int(ioc), size, order_id, price)))
    if ioc:
        return now + 1
    if modified := draw.random() < 0.2:
        now += draw.randint(30, 100)
        size += 1
        price += towards if draw.random() < 0.8 else 0
        timed.append((now, (MODIFY, side, 0, size, order_id, price)))
    if draw.random() < shape.cancelled:
        now += int(draw.expovariate(1 / (620 * math.sqrt(away))))
        timed.append((now, (CANCEL, side, 0, size, order_id, price)))
        if draw.random() < 0.02:
            now += draw.randint(1, 20)
            timed.append((now, (CANCEL, side, 0, size, order_id, price)))
        if modified and draw.random() < 0.02:
            now += draw.randint(1, 20)
            timed.append((now, (MODIFY, side, 0, size, order_id, price)))
    return now + 1
