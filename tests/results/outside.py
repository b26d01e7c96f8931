"""Outside: the spot path of a scenario beside what the day's own bars say, every five minutes.

Alone      what the news alone makes of the price: the scenario's path, without noise.
Hedging    what the participants' hedging of the venues' cascade adds to it, noise included: the simulated price over
           the path alone, in percent, median over the seeds.
Bars       the day's last trades over the simulated price, in percent: where it is near nothing, path and hedging
           together come to what spot did. Binance's bars are no spot, so BTC and ETH are Gemini's, DOGE and DOT (for
           the token) Coinbase's; a dash: nothing was traded in the minute.
Moments    the end of the minute before the one named.
"""

import csv
import gzip
from collections.abc import Sequence
from statistics import median

from producers.noise import Noise
from producers.shocks import OutsidePath
from stream_engine import scenario as scenarios
from tests.conftest import data_path
from tests.results.kept import Kept, stamp_of
from tests.results.measured import midnight

FILE = "oct10/bars_1m.csv.gz"
PAIRS = {
    "BTC": ("gemini", "BTCUSD"),
    "ETH": ("gemini", "ETHUSD"),
    "DOGE": ("coinbase", "DOGE-USD"),
    "TOKEN": ("coinbase", "DOT-USD"),
}
MINUTE_US = 60_000_000
SECOND_US = 1_000_000


def alone(name: str) -> dict[int, dict[str, float]]:
    """The path of the news alone by minute of the day."""
    scenario = scenarios.load(name)
    times = scenarios.clock(scenario)
    symbols = {market.symbol: 0.0 for market in scenario.markets}
    path = OutsidePath(scenario.outside, symbols, times.start_us, times.end_us, Noise(0, "outside"))
    start_us = midnight(times.start_us)
    return {
        minute: path.prices(start_us + minute * MINUTE_US - SECOND_US)
        for minute in range(
            (times.start_us - start_us) // MINUTE_US + 1, (times.end_us - start_us) // MINUTE_US + 1
        )
    }  # fmt: skip


def closes() -> dict[tuple[str, int], float]:
    """The day's last trades by symbol and minute of the day."""
    symbols = {pair: symbol for symbol, pair in PAIRS.items()}
    found: dict[tuple[str, int], float] = {}
    with gzip.open(data_path(FILE), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            symbol = symbols.get((row["venue"], row["symbol"]))
            if symbol is not None:
                hour, minute = row["minute_utc"].split(":")
                found[symbol, int(hour) * 60 + int(minute) + 1] = float(row["close"])
    return found


def table(runs: Sequence[Kept]) -> str:
    """The text of outside.txt."""
    name = runs[0].scenario
    assert stamp_of(scenarios.load(name)) == runs[0].stamp, f"the runs are not of {name} as it is now"
    path, bars = alone(name), closes()
    symbols = [symbol for symbol in PAIRS if symbol in runs[0].outside]
    lines = [
        "python -m tests.results.record",
        f"{name}: outside spot, {len(runs)} seeds. Alone: the path of the news alone, USD. Hedging: what hedging of",
        "the venues' cascade (and noise) adds to it, %, median. Bars: the day's trades over the simulated price, %.",
        "",
        "      " + "".join(f"{symbol:>27}" for symbol in symbols),
        "      " + f"{'alone':>11}{'hedging':>8}{'bars':>8}" * len(symbols),
    ]
    for minute in sorted(runs[0].outside[symbols[0]]):
        cells = []
        for symbol in symbols:
            before = path[minute][symbol]
            after = median(run.outside[symbol][minute] for run in runs)
            bar = bars.get((symbol, minute))
            beside = "-" if bar is None else f"{100 * (bar / after - 1):+.1f}"
            price = f"{before:,.0f}" if before >= 1_000 else f"{before:.4f}"
            cells.append(f"{price:>11}{100 * (after / before - 1):+8.1f}{beside:>8}")
        lines.append(f"{minute // 60:02}:{minute % 60:02} " + "".join(cells))
    return "\n".join([*lines, ""])
