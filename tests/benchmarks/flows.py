"""Flows: the order flows that the benchmarks run on, made from a seed, the same on every machine."""

import random
from dataclasses import dataclass

from stream_engine.messages.inputs import (
    AnyInput,
    Cancel,
    Deposit,
    IndexPrices,
    ListInstrument,
    MassQuote,
    OpenAccounts,
    Place,
    Side,
)
from stream_engine.messages.instrument import IndexSource, Instrument, Tier

VENUE = "bench"
SYMBOL = "BTC"
START_US = 1_000_000_000
MID = 10_000
ACCOUNTS = 1_000
RESTING = 3_000


@dataclass(frozen=True)
class Flow:
    """Inputs that set the venue up and fill its book (not timed), and those that are timed."""

    name: str
    head: list[AnyInput]
    body: list[AnyInput]


def simple(inputs: int, seed: int = 1) -> Flow:
    """Orders that rest and cancels, two to one; nothing trades."""
    return _orders("simple", inputs, seed, cancels=1 / 3, marketable=0.0)


def mixed(inputs: int, seed: int = 1) -> Flow:
    """60 % orders near the touch, 30 % cancels, 10 % marketable orders of up to 60 lots."""
    return _orders("mixed", inputs, seed, cancels=0.3, marketable=0.1)


def quoting(inputs: int, seed: int = 1) -> Flow:
    """Five makers replace quotes of eight levels a side, around a mid that wanders."""
    draw = random.Random(seed)
    mid = float(MID)
    body: list[AnyInput] = []
    for number in range(inputs):
        mid += draw.gauss(0, 2)
        near = int(mid)
        bids = tuple((near - 5 * level, draw.randint(1, 20)) for level in range(1, 9))
        asks = tuple((near + 5 * level, draw.randint(1, 20)) for level in range(1, 9))
        body.append(MassQuote(VENUE, START_US + number, number % 5 + 1, SYMBOL, number + 1, bids, asks))
    return Flow("quotes of 16 levels", setup(), body)


def setup() -> list[AnyInput]:
    """One symbol, a thousand accounts with more money than they need, and a first price."""
    instrument = Instrument(
        symbol=SYMBOL,
        tick_size="0.01",
        lot_size="0.01",
        tick_value=100,
        max_price=10_000_000,
        max_size=1_000_000,
        tiers=(Tier(10**12, 10_000), Tier(0, 50_000)),
        sources=(IndexSource("spot", 2), IndexSource("own", 1)),
    )
    accounts = range(1, ACCOUNTS + 1)
    return [
        ListInstrument(VENUE, START_US, instrument),
        OpenAccounts(VENUE, START_US, tuple((account, f"trader-{account}") for account in accounts)),
        Deposit(VENUE, START_US, tuple((account, 10**13) for account in accounts)),
        IndexPrices(VENUE, START_US, "spot", ((SYMBOL, MID),)),
    ]


def _orders(name: str, inputs: int, seed: int, cancels: float, marketable: float) -> Flow:
    draw = random.Random(seed)
    live: list[tuple[int, str]] = []
    made: list[AnyInput] = []
    for number in range(RESTING + inputs):
        now_us = START_US + number
        account, client_id = draw.randint(1, ACCOUNTS), f"c{number}"
        side = draw.choice((Side.BUY, Side.SELL))
        kind = draw.random() if number >= RESTING else 1.0
        if kind < cancels:
            place = draw.randrange(len(live))
            live[place], live[-1] = live[-1], live[place]
            made.append(Cancel(VENUE, now_us, *live.pop()))
        elif kind < cancels + marketable:
            made.append(Place(VENUE, now_us, account, client_id, SYMBOL, side, draw.randint(1, 60)))
        else:
            away = int(draw.expovariate(0.1)) + 1
            price = MID - away if side is Side.BUY else MID + away
            made.append(Place(VENUE, now_us, account, client_id, SYMBOL, side, draw.randint(1, 20), price))
            live.append((account, client_id))
    return Flow(name, setup() + made[:RESTING], made[RESTING:])
