"""Load: a venue's inputs as they come in a bad hour, made from a seed, and put onto the topics as others would.

A `Storm` is told second by second: the clock, prices that drift and every so often fall, makers who quote round them,
a crowd that is long with borrowed money, newcomers, cancels, money in and out; and what is no input at all: text,
half an order, another venue's, another topic's, too long. Forty seconds see some hundred liquidations, the fund pay and
accounts deleveraged.
Stamps  rise from record to record, so the order in which an engine takes them does not depend on when it reads.
"""

import time
from collections.abc import Iterable, Iterator
from random import Random

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from msgspec import Struct

from stream_engine.messages.codec import encode
from stream_engine.messages.inputs import (
    Cancel,
    CancelAll,
    ClockTick,
    Deposit,
    IndexPrices,
    Input,
    Leg,
    ListInstrument,
    MapVenue,
    MassQuote,
    OpenAccounts,
    Place,
    PriceShock,
    QuoteCancel,
    SeedFund,
    SeedPositions,
    Side,
    TimeInForce,
    Withdraw,
)
from stream_engine.messages.instrument import IndexSource, Instrument, Tier
from stream_engine.messages.topics import INPUT_TOPIC, MAX_INPUT_BYTES, Topic
from stream_engine.messages.units import MILLION

SECOND_US = MILLION
BEGIN_US = 1_760_126_400 * SECOND_US  # 10 October 2025, 20:00 UTC
USDT = MILLION
WITHIN_S = 60.0

MAKERS = range(1, 5)
CROWD = range(5, 41)
HEDGERS = range(41, 51)
FIRST_PRICES = {"BTC": 120_000, "ETH": 40_000}
CALM_SECONDS = 8  # between two falls

# Clients of librdkafka say on stderr what they tell in their answers anyhow.
QUIET: dict[str, str | int | float | bool] = {"log_level": 0}

_ANY_AGE = {
    "retention.ms": "-1",
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "message.timestamp.before.max.ms": str(2**63 - 1),
}


class Sent(Struct, frozen=True):
    """A record to be sent. `is_input`: the engine will take it; else it is a dead letter."""

    topic: Topic
    venue: str
    value: bytes
    ts_us: int
    is_input: bool = True


class Storm:
    """The bad hour of one venue."""

    def __init__(self, seed: int = 0, venue: str = "V1", partition: int = 0) -> None:
        self.venue = venue
        self._partition = partition
        self._random = Random(f"{seed}/{venue}")
        self._now_us = BEGIN_US
        self._prices = dict(FIRST_PRICES)
        self._quotes = 0
        self._orders = 0
        self._accounts = HEDGERS[-1]
        self._crowd = list(CROWD)
        self._resting: list[tuple[int, str]] = []
        self._seconds = 0

    def begin(self) -> list[Sent]:
        """The venue: listings, accounts, money, positions, first prices and first quotes."""
        everybody = [*MAKERS, *CROWD, *HEDGERS]
        margin = {account: 3_000 * USDT if account in CROWD else 3_000_000 * USDT for account in everybody}
        legs = [Leg(account, "BTC", 200, FIRST_PRICES["BTC"]) for account in CROWD]
        legs += [Leg(account, "BTC", -200 * len(CROWD) // len(HEDGERS), FIRST_PRICES["BTC"]) for account in HEDGERS]
        inputs: list[Input] = [
            MapVenue(self.venue, self._next(), self._partition),
            *(ListInstrument(self.venue, self._next(), an_instrument(symbol)) for symbol in self._prices),
            OpenAccounts(self.venue, self._next(), tuple((each, f"p-{each}") for each in everybody)),
            Deposit(self.venue, self._next(), tuple(margin.items())),
            SeedFund(self.venue, self._next(), 100 * USDT),
            SeedPositions(self.venue, self._next(), tuple(legs)),
            ClockTick(self.venue, self._next()),
            IndexPrices(self.venue, self._next(), "spot", tuple(self._prices.items())),
            *self._quoted(),
        ]
        return [self._sent(each) for each in inputs]

    def second(self) -> list[Sent]:
        """The next second: about sixty records."""
        self._seconds += 1
        self._now_us = BEGIN_US + self._seconds * SECOND_US
        random = self._random
        inputs: list[Input] = [ClockTick(self.venue, self._next())]
        inputs += self._priced()
        if self._seconds % CALM_SECONDS == 4:
            inputs += self._newcomers()
        inputs += self._quoted()
        sent = [self._sent(each) for each in inputs]
        for _ in range(40):
            sent.append(self._sent(self._traded()) if random.random() > 0.05 else self._poison())
        return sent

    def seconds(self, count: int) -> Iterator[Sent]:
        """The beginning and so many seconds."""
        yield from self.begin()
        for _ in range(count):
            yield from self.second()

    def _next(self) -> int:
        self._now_us += 1_000
        return self._now_us

    def _sent(self, received: Input) -> Sent:
        return Sent(INPUT_TOPIC[type(received)], self.venue, encode(received), received.ts_us)

    def _priced(self) -> list[Input]:
        random = self._random
        if self._seconds % CALM_SECONDS == 0:
            for symbol in self._prices:
                self._prices[symbol] -= self._prices[symbol] * random.randrange(5, 10) // 100
            headline = "Tariffs, again."
            return [PriceShock(self.venue, self._next(), "tariff", headline, "spot", tuple(self._prices.items()))]
        for symbol, first in FIRST_PRICES.items():
            price = self._prices[symbol]
            self._prices[symbol] += random.randrange(-20, 21) * price // 10_000 + (first - price) // 20
        return [IndexPrices(self.venue, self._next(), "spot", tuple(self._prices.items()))]

    def _newcomers(self) -> list[Input]:
        new = range(self._accounts + 1, self._accounts + 7)
        self._accounts = new[-1]
        self._crowd = [*self._crowd[len(new) :], *new]
        lots = 300
        return [
            OpenAccounts(self.venue, self._next(), tuple((account, f"p-{account}") for account in new)),
            Deposit(self.venue, self._next(), tuple((account, 2_200 * USDT) for account in new)),
            *(self._place(account, "BTC", Side.BUY, lots, None, TimeInForce.IOC) for account in new),
        ]

    def _quoted(self) -> list[Input]:
        quotes: list[Input] = []
        for account in MAKERS:
            for symbol, price in self._prices.items():
                if self._seconds % CALM_SECONDS == 1 and account > 1:
                    quotes.append(QuoteCancel(self.venue, self._next(), account, symbol))  # they leave after a fall
                    continue
                self._quotes += 1
                away = price * (1 + account) // 5_000
                bids = tuple((price - away * step, 150 * step) for step in (1, 2, 3))
                asks = tuple((price + away * step, 150 * step) for step in (1, 2, 3))
                quotes.append(MassQuote(self.venue, self._next(), account, symbol, self._quotes, bids, asks))
        return quotes

    def _traded(self) -> Input:
        random = self._random
        account = random.choice((*self._crowd, *HEDGERS))
        what = random.random()
        if what < 0.2 and self._resting:
            owner, client_id = self._resting.pop(random.randrange(len(self._resting)))
            return Cancel(self.venue, self._next(), owner, client_id)
        if what < 0.23:
            return Cancel(self.venue, self._next(), account, "never placed")
        if what < 0.26:
            return CancelAll(self.venue, self._next(), account)
        if what < 0.29:
            return Withdraw(self.venue, self._next(), account, random.choice((1, 100 * USDT, 10_000 * USDT)))
        symbol = random.choice(tuple(self._prices))
        side = random.choice(tuple(Side))
        if what < 0.5:
            return self._place(account, symbol, side, random.randrange(1, 60), None, TimeInForce.IOC)
        price = self._prices[symbol]
        away = price * random.randrange(-30, 60) // 10_000 * (-1 if side is Side.BUY else 1)
        return self._place(account, symbol, side, random.randrange(1, 40), price + away, TimeInForce.GTC)

    def _place(self, account: int, symbol: str, side: Side, size: int, price: int | None, force: TimeInForce) -> Place:
        self._orders += 1
        client_id = f"o{self._orders}"
        if price is not None:
            self._resting.append((account, client_id))
        return Place(self.venue, self._next(), account, client_id, symbol, side, size, price, force)

    def _poison(self) -> Sent:
        ts_us = self._next()
        cancel = encode(Cancel(self.venue, ts_us, 1, "x"))
        topic, value = self._random.choice(
            (
                (Topic.ORDERS, b""),
                (Topic.ORDERS, b"not json"),
                (Topic.ORDERS, cancel[: len(cancel) // 2]),
                (Topic.ORDERS, cancel.replace(b'"account":1', b'"account":1e400')),
                (Topic.ORDERS, cancel.replace(b'"account":1', b'"account":NaN')),
                (Topic.ORDERS, cancel.replace(self.venue.encode(), b"nowhere")),
                (Topic.ORDERS, b'{"type":"Steal","venue":"V1","ts_us":1}'),
                (Topic.ORDERS, cancel.ljust(MAX_INPUT_BYTES[Topic.ORDERS] + 1)),
                (Topic.QUOTES, b"[" * 4_000),
                (Topic.QUOTES, b"\xff\xfe\x00"),
                (Topic.SHOCKS, cancel),
                (Topic.CONTROL, b"\x00" * 300_000),
            )
        )
        return Sent(topic, self.venue, value, ts_us, is_input=False)


def an_instrument(symbol: str) -> Instrument:
    """A perpetual with twenty times leverage and fees."""
    return Instrument(
        symbol=symbol,
        tick_size="1",
        lot_size="0.001",
        tick_value=1_000,
        max_price=1_000_000,
        max_size=1_000_000,
        tiers=(Tier(0, 20_000),),
        max_leverage=25,
        default_leverage=20,
        sources=(IndexSource("spot", 1),),
    )


def create_topics(
    bootstrap: str, prefix: str, partitions: int = 1, short: Topic | None = None, only: Topic | None = None
) -> None:
    """Every topic of a run (or one); `short` has a partition less. A topic that is being deleted is waited for."""
    admin = AdminClient(QUIET | {"bootstrap.servers": bootstrap})
    config = _ANY_AGE | {"max.message.bytes": "1048576"}
    waiting = [topic for topic in Topic if only in (None, topic)]
    until = time.monotonic() + WITHIN_S
    while waiting:
        new = [
            NewTopic(prefix + topic.value, partitions - (topic is short), replication_factor=1, config=config)
            for topic in waiting
        ]
        waiting = []
        for name, created in admin.create_topics(new).items():
            try:
                created.result(WITHIN_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS or time.monotonic() > until:
                    raise
                waiting.append(Topic(name.removeprefix(prefix)))


def delete_topic(bootstrap: str, prefix: str, topic: Topic) -> None:
    """Delete one topic; until it is gone it cannot be created."""
    admin = AdminClient(QUIET | {"bootstrap.servers": bootstrap})
    [deleted] = admin.delete_topics([prefix + topic.value]).values()
    deleted.result(WITHIN_S)


class Sender:
    """Puts records onto the topics of a prefix."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._prefix = prefix
        self._failed: list[object] = []
        self._producer = Producer(
            QUIET
            | {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 2,
                "message.timeout.ms": int(WITHIN_S * 1000),
            }
        )

    def send(self, records: Iterable[Sent], partition: int = 0) -> int:
        """Send them, and wait until they are kept; how many they were."""
        count = 0
        for count, record in enumerate(records, 1):  # noqa: B007
            self._producer.produce(
                self._prefix + record.topic.value,
                record.value,
                record.venue.encode(),
                partition,
                timestamp=record.ts_us // 1_000,
                on_delivery=lambda error, _: self._failed.append(error) if error else None,
            )
            self._producer.poll(0)
        left = self._producer.flush(2 * WITHIN_S)
        assert not left and not self._failed, (left, self._failed)
        return count


def send(bootstrap: str, prefix: str, records: Iterable[Sent], partition: int = 0) -> int:
    """Put records onto a partition of the topics of a prefix, and wait until they are kept; how many they were."""
    return Sender(bootstrap, prefix).send(records, partition)
