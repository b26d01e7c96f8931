"""Instrument: integers into decimals and back, exactly or not at all."""

from decimal import Decimal

import pytest

from stream_engine.messages.instrument import lots_of, money_of, price_of, size_of, tick_value_of, ticks_of
from stream_engine.messages.units import WIRE_MAX
from tests.core.rulebook import an_instrument

DOGE = an_instrument("DOGE", tick_size="0.00001", lot_size="10", tick_value=100)


def test_a_lot_gains_tick_size_times_lot_size_per_tick() -> None:
    assert tick_value_of(DOGE) == 100


@pytest.mark.parametrize(
    ("tick_size", "lot_size", "value"),
    [
        ("0.000001", "1", 1),
        ("0.0000005", "1", None),
        ("0.0000015", "1", None),
        ("0.001", "0.001", 1),
        (f"{WIRE_MAX}", "0.000001", WIRE_MAX),
        (f"{WIRE_MAX + 1}", "0.000001", None),
        ("0", "1", None),
        ("-1", "-1", None),
        ("NaN", "1", None),
        ("sNaN", "1", None),
        ("Infinity", "1", None),
        ("1e999999", "1e999999", None),
        ("one", "1", None),
        ("", "1", None),
    ],
)
def test_a_tick_value_is_a_whole_number_that_the_wire_carries_or_there_is_none(
    tick_size: str, lot_size: str, value: int | None
) -> None:
    assert tick_value_of(an_instrument(tick_size=tick_size, lot_size=lot_size)) == value


def test_ticks_lots_and_money_become_decimals() -> None:
    assert (price_of(DOGE, 25_001), size_of(DOGE, -3), money_of(1_500_000)) == (
        Decimal("0.25001"), Decimal("-30"), Decimal("1.5")
    )  # fmt: skip


def test_decimals_become_ticks_and_lots() -> None:
    assert (ticks_of(DOGE, Decimal("0.25001")), lots_of(DOGE, Decimal("-30"))) == (25_001, -3)


def test_what_lies_between_two_ticks_or_two_lots_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.250011 is no multiple of the tick 0\.00001"):
        ticks_of(DOGE, Decimal("0.250011"))
    with pytest.raises(ValueError, match="35 is no multiple of the lot 10"):
        lots_of(DOGE, Decimal("35"))
