"""Order book: price-time priority on sorted containers.

Each side keeps its levels in a dict by price and their prices in order; the orders of a level are linked, so that a
cancel is O(1). A price is looked at through its *key* (asks: the price, bids: minus the price), so that on either
side a smaller key is a better price.

Order     levels come and go near the touch: the best ones, up to 2 * NEAR of them, lie in a plain list, best one last,
          where that costs a bisection; those behind lie in a sorted container, however many they are.
Holds     a level's size is the sum of its orders; no level is empty; near and far name the levels, each once, in
          order, and far is empty where near is; the best key is minus the last of near; no order rests at a price
          that crosses the other side (`check`).
Cost      rest, remove and take O(1) at a level that stays, O(log n) where one comes or goes; best price O(1).
"""

from bisect import bisect_left, insort
from collections.abc import Iterator

from msgspec import Struct
from sortedcontainers import SortedList

NOTHING = 1 << 62  # the best key of an empty side: no limit reaches it
NEAR = 64


class Order(Struct, gc=False):
    """A resting order. `sign` is +1 to buy and -1 to sell, `size` the open lots; a quote's level has no client id.
    One that is `reduce_only` gives no more than its owner's position has; see reduce_only.

    The links are cleared when it leaves the book, so that no cycle stays behind for a collector that does not look.
    """

    order_id: int
    account: int
    client_id: str
    symbol: str
    sign: int
    price: int
    size: int
    reduce_only: bool = False
    level: "Level | None" = None
    before: "Order | None" = None
    after: "Order | None" = None


class Level(Struct, gc=False):
    """All orders at one price, first come first."""

    price: int
    size: int
    first: Order
    last: Order


class BookSide:
    """The bids (sign +1) or the asks (sign -1). `near` and `far`: minus the keys of the levels, ascending."""

    __slots__ = ("best_key", "changed", "far", "levels", "near", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, Level] = {}
        self.near: list[int] = []
        self.far: SortedList[int] = SortedList()
        self.best_key = NOTHING
        self.changed: dict[int, int] = {}  # price: the level's size before the input

    def key(self, price: int) -> int:
        """Smaller is better."""
        return -price if self.sign > 0 else price

    def rest(self, order: Order) -> None:
        """Put an order behind the others of its price."""
        price, size = order.price, order.size
        level = self.levels.get(price)
        if level is None:
            if price not in self.changed:
                self.changed[price] = 0
            order.level = self.levels[price] = Level(price, size, order, order)
            rank = price if self.sign > 0 else -price
            near = self.near
            if -rank < self.best_key:
                self.best_key = -rank
                near.append(rank)
            elif rank < near[0] and self.far:
                self.far.add(rank)
                return
            else:
                insort(near, rank)
            if len(near) > 2 * NEAR:
                self.far.update(near[:NEAR])
                del near[:NEAR]
            return
        if price not in self.changed:
            self.changed[price] = level.size
        last = level.last
        order.level, order.before = level, last
        last.after = level.last = order
        level.size += size

    def remove(self, order: Order) -> None:
        """Take an order out, wherever it stands in its level."""
        level, price = order.level, order.price
        assert level is not None, order.order_id
        if price not in self.changed:
            self.changed[price] = level.size
        order.level = None
        before, after = order.before, order.after
        if before is None:
            if after is None:
                self._drop(price)
                return
            level.first = after
            after.before = order.after = None
        else:
            before.after = after
            if after is None:
                level.last = before
            else:
                after.before = before
                order.after = None
            order.before = None
        level.size -= order.size

    def take(self, most: int) -> tuple[Order, int]:
        """Fill the first order of the best level, up to so many lots: the order, and how many it gave.

        One that is filled leaves the book. The side is not empty.
        """
        level = self.levels[-self.sign * self.best_key]
        order = level.first
        lots = order.size
        if lots <= most:
            self.remove(order)
            order.size = 0
            return order, lots
        if level.price not in self.changed:
            self.changed[level.price] = level.size
        order.size = lots - most
        level.size -= most
        return order, most

    def shrink(self, order: Order, size: int) -> None:
        """Lower an order to `size` open lots, one at least; it keeps its place."""
        level, less = order.level, order.size - size
        assert level is not None and size > 0 <= less, order.order_id
        if order.price not in self.changed:
            self.changed[order.price] = level.size
        order.size = size
        level.size -= less

    def first(self) -> Order:
        """The order that is filled next; the side is not empty."""
        return self.levels[-self.sign * self.best_key].first

    def best_first(self) -> Iterator[Level]:
        """The levels, best first."""
        for rank in reversed(self.near):
            yield self.levels[self.sign * rank]
        for rank in reversed(self.far):
            yield self.levels[self.sign * rank]

    def sweep(self, limit_key: int, size: int, account: int) -> tuple[int, int]:
        """What a taker of up to `size` lots would get up to the limit: (lots, sum of price * lots).

        Its own resting orders are passed over: matching cancels them.
        """
        taken = value = 0
        for level in self.best_first():
            if -self.sign * level.price > limit_key:
                break
            order: Order | None = level.first
            while order is not None:
                if order.account != account:
                    if order.size >= size - taken:
                        return size, value + (size - taken) * level.price
                    taken += order.size
                    value += order.size * level.price
                order = order.after
        return taken, value

    def take_changed(self) -> tuple[tuple[int, int], ...]:
        """(price, size now) of every level whose size is not what it was at the last call, best first."""
        changed, levels = self.changed, self.levels
        if len(changed) == 1:  # by far the most: one order came or went
            price, before = changed.popitem()
            level = levels.get(price)
            size = 0 if level is None else level.size
            return ((price, size),) if size != before else ()
        self.changed = {}
        now = []
        for price in sorted(changed, reverse=self.sign > 0):
            level = levels.get(price)
            size = 0 if level is None else level.size
            if size != changed[price]:
                now.append((price, size))
        return tuple(now)

    def check(self) -> None:
        """Asserts what the head of this file says of one side."""
        assert [*self.far, *self.near] == sorted(-self.key(price) for price in self.levels)
        assert self.near or not self.far
        assert self.best_key == (-self.near[-1] if self.near else NOTHING)
        for price, level in self.levels.items():
            orders = list(orders_of(level))
            assert orders, price
            assert level.price == price and level.size == sum(order.size for order in orders)
            assert all(order.size > 0 and order.price == price and order.sign == self.sign for order in orders)
            assert all(order.level is level for order in orders) and level.last is orders[-1]

    def _drop(self, price: int) -> None:
        del self.levels[price]
        near, far = self.near, self.far
        rank = price if self.sign > 0 else -price
        if rank < near[0]:
            far.remove(rank)
        elif rank != near[-1]:
            del near[bisect_left(near, rank)]
        else:
            near.pop()
            if not near and far:
                near += far[-NEAR:]
                del far[-NEAR:]
            self.best_key = -near[-1] if near else NOTHING


def orders_of(level: Level) -> Iterator[Order]:
    """The orders of a level, first come first."""
    order: Order | None = level.first
    while order is not None:
        yield order
        order = order.after


class OrderBook:
    """Both sides of one symbol's book."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(1)
        self.asks = BookSide(-1)

    def side(self, sign: int) -> BookSide:
        """The side on which an order of this sign rests."""
        return self.bids if sign > 0 else self.asks

    def opposite(self, sign: int) -> BookSide:
        """The side that an order of this sign takes from."""
        return self.asks if sign > 0 else self.bids

    def crosses(self, sign: int, price: int) -> bool:
        """Whether an order of this sign and price would take."""
        return self.asks.best_key <= price if sign > 0 else self.bids.best_key <= -price

    def doubled_mid(self) -> int | None:
        """Twice the mid price, which stays an integer; None while a side is empty, or while orders that cross are
        collected for a call auction."""
        bid_key, ask_key = self.bids.best_key, self.asks.best_key
        return None if bid_key == NOTHING or ask_key == NOTHING or self.is_crossed() else ask_key - bid_key

    def is_crossed(self) -> bool:
        """Whether the best bid is no lower than the best offer."""
        return self.bids.best_key + self.asks.best_key <= 0

    def check(self, may_cross: bool = False) -> None:
        """Asserts what the head of this file says; `may_cross`: orders are being collected for a call auction."""
        self.bids.check()
        self.asks.check()
        assert may_cross or not self.is_crossed(), "the book is crossed"
