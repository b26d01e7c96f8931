"""Stop and take-profit orders again: all that wait are looked at with every price."""

from collections.abc import Iterable
from dataclasses import dataclass

from stream_engine.messages.events import Cause
from stream_engine.messages.inputs import Place, Side, TriggerBy, TriggerKind


@dataclass
class NaiveWaiting:
    """An order that waits; `reached` by what, once it was."""

    order: Place
    order_id: int
    reached: Cause | None = None


def waits_for_more(order: Place) -> bool:
    """Whether the price has to rise."""
    assert order.trigger is not None
    directions = {
        (Side.BUY, TriggerKind.STOP): True,
        (Side.BUY, TriggerKind.TAKE_PROFIT): False,
        (Side.SELL, TriggerKind.STOP): False,
        (Side.SELL, TriggerKind.TAKE_PROFIT): True,
    }
    return directions[order.side, order.trigger.kind]


def is_reached(order: Place, price: int) -> bool:
    """Whether a price is there, or beyond."""
    assert order.trigger is not None
    if price == 0:
        return False
    return price >= order.trigger.price if waits_for_more(order) else price <= order.trigger.price


def reached_by(waiting: Iterable[NaiveWaiting], symbol: str, by: TriggerBy, price: int) -> list[NaiveWaiting]:
    """Those that a price of the symbol reaches now: who waits for more before who waits for less, nearest first."""
    found = [
        one
        for one in waiting
        if one.reached is None
        and one.order.symbol == symbol
        and one.order.trigger is not None
        and one.order.trigger.by is by
        and is_reached(one.order, price)
    ]

    def place(one: NaiveWaiting) -> tuple[bool, int, int]:
        assert one.order.trigger is not None
        more = waits_for_more(one.order)
        return not more, one.order.trigger.price * (1 if more else -1), one.order_id

    return sorted(found, key=place)
