"""Record: `oct10` over many seeds beside the public record of the day, row by row.

`python -m tests.results.record [--seeds 101-120] [--scenario oct10] [--jobs 2]` plays what is not kept yet, and keeps
the tables in record.txt and outside.txt beside this file. Figures are those of measured.py; the runs are in `record`.

Row       the record, a band round it, and over the seeds the median and 5 to 95 %. Bands were set before any seed that
          stands here was played; tuning was done on seeds 1 to 20.
Passes    a row whose median lies within its band, bounds included, and which came to something in more than half of the
          seeds. Where it is a yes or a no: in more than half of the seeds.
Modes     two, where the largest gap between the values in order is more than half of their range and each side of it
          has two runs and a tenth of all: then each is told with its part of the seeds.
Origin    emergent   it follows from what participants and venues do; nothing was turned to bring it about.
          tuned      a setting was chosen so that it comes near the record on other seeds.
          given      an input has the most part in it. It is no evidence, is not counted, and stands only beside the row
                     that it belongs to.
Reasons   why a row misses are a person's: REASONS. There is none for a row that passes.
"""

import argparse
from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

from msgspec import Struct

from consumers import public_record as known
from stream_engine import scenario as scenarios
from stream_engine.whatif.pairs import spread
from tests.conftest import data_path
from tests.results import OUTSIDE, RECORD, ROOT, outside, shown_anew
from tests.results.kept import Kept, alike, kept, played

FOLDER = ROOT / "tests/results/record"
SEEDS = "101-120"
DAY_MINUTES = 24 * 60


class Origin(Enum):
    """Where a row comes from."""

    GIVEN = "given"
    TUNED = "tuned"
    EMERGENT = "emergent"


class Unit(Enum):
    """How a figure is told."""

    CLOCK = "time of day"
    MINUTES = "minutes"
    PERCENT = "percent"
    CHANGE = "percent with a sign"
    USD = "USD"
    TIMES = "times"
    WHETHER = "yes or no"


class Row(Struct, frozen=True):
    """One row: a figure (see measured, and whatif/outcomes), what the record has, and the band; None: no bound.

    beside   of a given row: the row that it belongs to.
    """

    figure: str
    what: str
    record: str
    low: float | None
    high: float | None
    unit: Unit
    origin: Origin
    beside: str | None = None


class Said(Struct, frozen=True):
    """What a row comes to over the seeds."""

    row: Row
    median: str
    span: str
    passes: bool
    modes: list[str]
    never: int


def day(hour: int, minute: int) -> int:
    """A time of day in minutes."""
    return hour * 60 + minute


ROWS = (
    Row("thin_at", "token depth under 80 %", known.THINNING.value, day(20, 33), day(20, 50), Unit.CLOCK, Origin.TUNED),
    Row(
        "gone_at", "all makers of the token out", known.FULL_WITHDRAWAL.value, day(20, 50), day(21, 5), Unit.CLOCK,
        Origin.TUNED,
    ),
    Row("thin_to_gone", "from thinning to gone", known.WARNING_TIME.value, 15, 40, Unit.MINUTES, Origin.TUNED),
    Row("trough", "token depth, trough, of normal", "2.25 %", 0.5, 4, Unit.PERCENT, Origin.TUNED),
    Row("trough_at", "when that was", known.TROUGH.value, day(21, 5), day(21, 30), Unit.CLOCK, Origin.EMERGENT),
    Row(
        "btc_index_low", "BTC low, index of the first venue", "101,878", 100_500, 103_500, Unit.USD, Origin.TUNED,
    ),
    Row("btc_index_low_at", "when that was", "21:20", day(21, 17), day(21, 23), Unit.CLOCK, Origin.EMERGENT),
    Row("token_fall", "token, lowest trade", "-82.4 %", -90, -60, Unit.CHANGE, Origin.TUNED),
    Row(
        "token_outside_fall", "outside spot of the token", "-27.9 %", -35, None, Unit.CHANGE, Origin.GIVEN,
        beside="token_fall",
    ),
    Row("return_at", "first maker back", known.RETURN.value, day(21, 28), day(21, 50), Unit.CLOCK, Origin.TUNED),
    Row("spreads_back", "spreads back 35 min after widest", "over 90 %", 90, None, Unit.PERCENT, Origin.EMERGENT),
    Row("open_interest_change", "open interest, contracts", "-43, -50 %", -50, -36, Unit.CHANGE, Origin.TUNED),
    Row("long_liquidated", "longs among the liquidated", "83.9 %, 87 %", 84, 92, Unit.PERCENT, Origin.TUNED),
    Row("adl_absent", "ADL while most makers are out", "nearly all", 95, None, Unit.PERCENT, Origin.EMERGENT),
    Row("fund_fall", "fund lost, 20:55 to 21:25", "over half", 50, None, Unit.PERCENT, Origin.TUNED),
    Row("adl_top", "ADL on the top 1 % of accounts", "84.2 %", 60, 95, Unit.PERCENT, Origin.TUNED),
    Row("impact_ratio", "fall per M sold, 21:15 : 20:10", "10 x or more", 10, None, Unit.TIMES, Origin.EMERGENT),
    Row("bybit_most_adl", "Bybit-like: the most ADL", "so it was", 1, None, Unit.WHETHER, Origin.TUNED),
    Row(
        "vault_deleveraged", "Hyperliquid-like: vault deleveraged", "so it was", 1, None, Unit.WHETHER,
        Origin.EMERGENT,
    ),
    Row("bitmex_adl", "BitMEX-like: its part of all ADL", "next to none", None, 2, Unit.PERCENT, Origin.TUNED),
)  # fmt: skip

# Why a row misses, by its figure.
REASONS: dict[str, str] = {
    "thin_to_gone": "the path of the news alone falls faster from 20:50 on; all leave within minutes of that",
    "trough_at": "the book is emptiest as the last maker leaves and the first wave of liquidations sweeps it",
    "btc_index_low": "by little: how deep the deepest sweep of the first venue's book goes is chance, seed by seed",
    "btc_index_low_at": "such sweeps come from 20:55 on, all through the half hour; which is the deepest is chance",
    "fund_fall": "Bybit-like stops at -30 % of its peak, Binance-like at its position limit: they deleverage instead",
}


def said(row: Row, runs: Sequence[Kept]) -> Said:
    """What a row comes to; a row that hardly ever comes to anything misses."""
    values = [value for run in runs if (value := run.figure(row.figure)) is not None]
    never = len(runs) - len(values)
    over = spread(values)
    if over is None:
        return Said(row, "-", "", False, [], never)
    often = 2 * len(values) > len(runs)
    if row.unit is Unit.WHETHER:
        yes = sum(value == 1 for value in values)
        return Said(row, f"{yes} of {len(runs)}", "seeds", 2 * yes > len(runs), [], never)
    within = (row.low is None or row.low <= over.median) and (row.high is None or over.median <= row.high)
    span = f"{text(row.unit, over.low)} .. {text(row.unit, over.high)}"
    return Said(row, text(row.unit, over.median), span, often and within, _modes_told(row, values), never)


def modes(values: Sequence[float]) -> list[list[float]]:
    """The values in order, in two parts where they fall into two; else in one."""
    ordered = sorted(values)
    gaps = [(after - before, at) for at, (before, after) in enumerate(pairwise(ordered), 1)]
    if not gaps:
        return [ordered]
    gap, at = max(gaps, key=lambda each: (each[0], -each[1]))
    parts = [ordered[:at], ordered[at:]]
    apart = 2 * gap > ordered[-1] - ordered[0] > 0
    large = all(len(part) >= 2 and 10 * len(part) >= len(ordered) for part in parts)
    return parts if apart and large else [ordered]


def text(unit: Unit, value: float) -> str:
    """A figure for people."""
    match unit:
        case Unit.CLOCK:
            seconds = round(value * 60) % (DAY_MINUTES * 60)
            return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case Unit.MINUTES:
            return f"{value:.1f} min"
        case Unit.PERCENT:
            return f"{value:.2f} %" if abs(value) < 10 else f"{value:.1f} %"
        case Unit.CHANGE:
            return f"{value:+.1f} %"
        case Unit.USD:
            return f"{value:,.0f}"
        case Unit.TIMES:
            return f"{value:.1f} x"
        case Unit.WHETHER:
            return "yes" if value else "no"


def band(row: Row) -> str:
    """The band of a row for people."""

    def bound(value: float) -> str:
        return text(row.unit, value)[:5] if row.unit is Unit.CLOCK else f"{value:,g}"

    if row.unit is Unit.WHETHER:
        return "most seeds"
    if row.low is None or row.high is None:
        return f"{bound(row.low)} or more" if row.low is not None else f"{bound(row.high or 0)} or less"
    return f"{bound(row.low)} .. {bound(row.high)}"


def table(runs: Sequence[Kept], reasons: dict[str, str] | None = None) -> str:
    """The text of record.txt."""
    reasons = REASONS if reasons is None else reasons
    rows = [said(row, runs) for row in ROWS]
    counted = [each for each in rows if each.row.origin is not Origin.GIVEN]
    for each in rows:
        assert not (each.passes and each.row.figure in reasons), f"{each.row.what}: passes, and has a reason to miss"
    lines = [
        "python -m tests.results.record",
        f"{runs[0].scenario}, {_seeds_text([run.seed for run in runs])}: simulated against public record",
        "",
        f"{'':36}{'record':>15}{'band':>20}{'median':>11}{'5 to 95 %':>24}  origin    passes",
    ]
    for each in rows:
        row = each.row
        what = f"  {row.what}" if row.beside else row.what
        lines.append(
            f"{what:36}{row.record:>15}{band(row):>20}{each.median:>11}{each.span:>24}  {row.origin.value:10}"
            f"{'yes' if each.passes else 'MISSES'}"
        )
        lines += [f"    {mode}" for mode in each.modes]
        if each.never and row.unit is not Unit.WHETHER:
            lines.append(f"    in {each.never} of {len(runs)} seeds it never came to that")
        if not each.passes:
            lines.append(f"    why: {reasons.get(row.figure, 'no reason known yet')}")
    lines += [
        "",
        f"{sum(each.passes for each in counted)} of {len(counted)} rows pass; what is given "
        f"({len(rows) - len(counted)}) is not counted. What each figure is: tests/results/measured.py.",
        "",
    ]
    return "\n".join(lines)


def _modes_told(row: Row, values: Sequence[float]) -> list[str]:
    parts = modes(values)
    if len(parts) == 1:
        return []
    return [
        f"{len(part)} of {len(values)} seeds: {text(row.unit, part[0])} .. {text(row.unit, part[-1])}" for part in parts
    ]


def _seeds_text(seeds: Sequence[int]) -> str:
    whole = list(seeds) == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 1
    return f"seeds {seeds[0]} to {seeds[-1]}" if whole else f"seeds {', '.join(map(str, seeds))}"


def seeds_of(written: str) -> list[int]:
    """The seeds of `101-120`, or of `3`."""
    first, _, last = written.partition("-")
    return list(range(int(first), int(last or first) + 1))


def tell() -> None:
    """Keeps the tables of what is kept."""
    runs = alike(kept(FOLDER))
    (ROOT / RECORD).write_text(table(runs), encoding="utf-8")
    if data_path(outside.FILE).exists():  # a part of it is the bars of the day
        (ROOT / OUTSIDE).write_text(outside.table(runs), encoding="utf-8")


def main() -> None:
    """Plays what is not kept yet, and keeps the table."""
    asked = argparse.ArgumentParser(prog="python -m tests.results.record")
    asked.add_argument("--seeds", default=SEEDS)
    asked.add_argument("--scenario", default="oct10", choices=scenarios.names())
    asked.add_argument("--jobs", type=int, default=2)
    words = asked.parse_args()
    seeds = seeds_of(words.seeds)
    for path in FOLDER.glob("*.json"):
        if int(path.stem) not in seeds:
            path.unlink()
    played(scenarios.load(words.scenario), FOLDER, seeds, words.jobs)
    tell()
    shown_anew()


if __name__ == "__main__":
    main()
