"""Trigger index: the orders of one symbol that wait for one of its prices, mark or last.

Each waits for the price to rise to its trigger price or to fall to it. Those that the next move of the price reaches
first stand first: by trigger price, at one price by order id, which is the order in which they were accepted.

Holds     an order stands in exactly one of the two lists; no order stands here whose price is reached (`triggers`
          takes it out), but while trading is halted.
Cost      a move of the price costs what it reaches; to come and to go costs a bisection.
"""

from msgspec import Struct
from sortedcontainers import SortedList

from stream_engine.messages.inputs import Place, Side, Trigger, TriggerKind


class Waiting(Struct, gc=False):
    """An order that was accepted and waits outside the book."""

    order: Place
    order_id: int


class TriggerIndex:
    """`waiting`: by order id. `rising`, `falling`: (trigger price or minus it, order id), first to be reached first."""

    __slots__ = ("falling", "rising", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[int, Waiting] = {}
        self.rising: SortedList[tuple[int, int]] = SortedList()
        self.falling: SortedList[tuple[int, int]] = SortedList()

    def add(self, waiting: Waiting) -> None:
        """An order begins to wait."""
        self.waiting[waiting.order_id] = waiting
        entries, entry = self._place_of(waiting)
        entries.add(entry)

    def remove(self, waiting: Waiting) -> None:
        """An order waits no longer."""
        del self.waiting[waiting.order_id]
        entries, entry = self._place_of(waiting)
        entries.remove(entry)

    def take_reached(self, price: int) -> list[Waiting]:
        """Those whose trigger price this price reaches, nearest first; the rising before the falling. They are gone."""
        reached = []
        for entries, rank in ((self.rising, price), (self.falling, -price)):
            while entries and entries[0][0] <= rank:
                _, order_id = entries.pop(0)
                reached.append(self.waiting.pop(order_id))
        return reached

    def check(self, price: int | None) -> None:
        """Asserts what the head of this file says; the price is none while nothing triggers."""
        entries = [self._place_of(waiting)[1] for waiting in self.waiting.values()]
        assert sorted(entries) == sorted([*self.rising, *self.falling])
        for order_id, waiting in self.waiting.items():
            assert waiting.order_id == order_id, order_id
            trigger = waiting.order.trigger
            assert trigger is not None, order_id
            assert price is None or not is_met(trigger, waiting.order.side, price), order_id

    def _place_of(self, waiting: Waiting) -> "tuple[SortedList[tuple[int, int]], tuple[int, int]]":
        trigger = waiting.order.trigger
        assert trigger is not None, waiting.order_id
        if waits_for_rise(trigger, waiting.order.side):
            return self.rising, (trigger.price, waiting.order_id)
        return self.falling, (-trigger.price, waiting.order_id)


def waits_for_rise(trigger: Trigger, side: Side) -> bool:
    """A buy stop and a sell take-profit wait for a higher price, a sell stop and a buy take-profit for a lower one."""
    return (side is Side.BUY) == (trigger.kind is TriggerKind.STOP)


def is_met(trigger: Trigger, side: Side, price: int) -> bool:
    """Whether a price (0: none yet) has reached the trigger price."""
    if not price:
        return False
    return price >= trigger.price if waits_for_rise(trigger, side) else price <= trigger.price
