"""Figures for people: decimals with units, UTC, 24 hours. Nothing computes with what is made here."""

from datetime import UTC, datetime

from stream_engine.messages.instrument import Instrument, price_of
from stream_engine.messages.units import MILLION

_STEPS = ((1_000_000_000, "bn"), (1_000_000, "M"), (1_000, "k"))


def usd(micro_quote: int) -> float:
    """Money in USDT, to the cent."""
    return round(micro_quote / MILLION, 2)


def money(micro_quote: int) -> str:
    """Money at a glance: $26.9k, $1.20M, -$184M."""
    dollars = abs(micro_quote) / MILLION
    sign = "-" if micro_quote < 0 else ""
    for step, unit in _STEPS:
        if dollars >= step * 0.9995:  # what would round to 1,000 of the unit below is one of this
            return f"{sign}${_three_digits(dollars / step)}{unit}"
    return f"{sign}${_three_digits(dollars) if dollars else 0}"


def price(instrument: Instrument, ticks: int) -> float:
    """A price in USDT of one coin."""
    return float(price_of(instrument, ticks))


def price_text(instrument: Instrument, ticks: int) -> str:
    """A price with the decimals of its tick: 101,877.7."""
    return f"{price_of(instrument, ticks):,}"


def share(part: int, whole: int) -> float | None:
    """Part of a whole in percent, to a hundredth; None of nothing."""
    return round(100 * part / whole, 2) if whole else None


def change(before: int, after: int) -> float | None:
    """Change in percent, to a hundredth; None from nothing."""
    return round(100 * (after - before) / before, 2) if before else None


def bps(ppm: int) -> float:
    """A ratio in hundredths of a percent."""
    return round(ppm / 100, 2)


def clock(ts_us: int) -> str:
    """21:18:42, UTC."""
    return f"{_utc(ts_us):%H:%M:%S}"


def stamp(ts_us: int) -> str:
    """2025-10-10T21:18:42Z."""
    return f"{_utc(ts_us):%Y-%m-%dT%H:%M:%SZ}"


def duration(us: int) -> str:
    """42 s, 19 m 02 s, 1 h 05 m."""
    seconds = us // 1_000_000
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} m {seconds:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m"


def counted(number: int, one: str) -> str:
    """1 record, 12,000 records."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _three_digits(value: float) -> str:
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{decimals}f}"


def _utc(ts_us: int) -> datetime:
    return datetime.fromtimestamp(ts_us // 1_000_000, UTC)
