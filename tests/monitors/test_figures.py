"""Figures for people: decimals with units."""

import pytest

from consumers.figures import change, clock, counted, duration, money, ordinal, price, price_text, share, stamp, usd
from tests.monitors.story import BTC, START_US, an_instrument


def test_one_is_one_and_the_rest_are_several() -> None:
    assert [counted(number, "record") for number in (0, 1, 2, 12_000)] == [
        "0 records",
        "1 record",
        "2 records",
        "12,000 records",
    ]


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (0, "$0"),
        (0.4, "$0.40"),
        (999, "$999"),
        (999.6, "$1.00k"),
        (1_000, "$1.00k"),
        (26_940, "$26.9k"),
        (999_400, "$999k"),
        (999_600, "$1.00M"),
        (1_200_000, "$1.20M"),
        (412_000_000, "$412M"),
        (19_000_000_000, "$19.0bn"),
        (-184_000_000, "-$184M"),
    ],
)
def test_money_is_said_with_three_digits_and_its_unit(dollars: float, text: str) -> None:
    assert money(round(dollars * 1_000_000)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 m 00 s"), (1142, "19 m 02 s"), (3599, "59 m 59 s"), (3600, "1 h 00 m")],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: int, text: str) -> None:
    assert duration(seconds * 1_000_000) == text


def test_times_are_utc_of_24_hours() -> None:
    assert clock(START_US) == "19:45:00"
    assert stamp(START_US + 999_999) == "2025-10-10T19:45:00Z"


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st")]
)
def test_places_have_their_endings(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_ticks_become_prices_with_the_decimals_of_the_tick() -> None:
    bitcoin = an_instrument(BTC, tick_size="0.1", lot_size="0.001", tick_value=100)
    assert price_text(bitcoin, 1_018_777) == "101,877.7"
    assert price(bitcoin, 1_018_777) == 101_877.7


def test_nothing_has_no_share_and_no_change() -> None:
    assert (share(1, 0), change(0, 1)) == (None, None)
    assert (share(1, 3), change(200, 100)) == (33.33, -50.0)
    assert usd(1_234_567) == 1.23
