"""Tables: what came out over the seeds, pair by pair, kept as text beside the tests."""

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.storm.runs import SCENARIO, Storm

RESULTS = Path(__file__).parent / "results"
HOW = "python -m pytest -m prove tests/storm"
TOKEN = "TOKEN"

Pairs = Mapping[int, tuple[Storm, Storm]]


def keep(pairs: Pairs) -> None:
    """Write both tables."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "over_seeds.txt").write_text(over_seeds(pairs), encoding="utf-8")
    (RESULTS / "had_they_stayed.txt").write_text(had_they_stayed(pairs), encoding="utf-8")


def had_they_stayed(pairs: Pairs) -> str:
    """Median and range over the seeds, as it is and with makers made to stay, and of the paired difference."""
    lines = [
        f"{SCENARIO}, seeds {min(pairs)} to {max(pairs)}, median [least, most]; {HOW}",
        f"{'':34}{'as it is':36}{'makers stay':36}difference by seed",
    ]
    for name, figure in FIGURES.items():
        were = [figure(storm) for storm, _ in pairs.values()]
        stayed = [figure(other) for _, other in pairs.values()]
        apart = [b - a for a, b in zip(were, stayed, strict=True)]
        lines.append(f"{name:34}{_spread(were):36}{_spread(stayed):36}{_spread(apart)}")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def over_seeds(pairs: Pairs) -> str:
    """One line a seed: when, how deep, who left, and each figure as it is / with makers made to stay."""
    lines = [f"{SCENARIO}: as it is / with makers made to stay; {HOW}", ""]
    for seed, (storm, stayed) in pairs.items():
        times = [f"{what} {_clock(storm, what)}" for what in ("most_thin", "most_gone", "adl", "trough", "return")]
        lines.append(f"seed {seed}: {', '.join(times)}; leaving {' '.join(storm.leaving_order(TOKEN))}")
        lines += [f"    {name:34}{figure(storm):>12,.1f} / {figure(stayed):,.1f}" for name, figure in FIGURES.items()]
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.1f} [{min(values):,.1f}, {max(values):,.1f}]"


def _clock(storm: Storm, what: str) -> str:
    at = storm.first(what)
    return at[11:19] if at is not None else "never"


def _open_interest(storm: Storm) -> float:
    markets = storm.summary["markets"]
    before = sum(market["open_interest_first_usd"] for market in markets)
    change = sum(market["open_interest_first_usd"] * market["open_interest_change_percent"] for market in markets)
    return float(change / before)


FIGURES: dict[str, Callable[[Storm], float]] = {
    "deleveraged, M USD": lambda storm: storm.summary["adl"]["notional_usd"] / 1e6,
    "fund at its lowest, %": lambda storm: storm.summary["fund"]["lowest_percent"],
    "token depth at the trough, %": lambda storm: storm.market(TOKEN)["depth_trough_percent"] or 0.0,
    "token fall beyond outside, points": lambda storm: storm.market(TOKEN)["beyond_outside_points"],
    "BTC's lowest trade": lambda storm: storm.market("BTC")["price_low"],
    "liquidated, M USD": lambda storm: storm.summary["liquidations"]["notional_usd"] / 1e6,
    "accounts liquidated": lambda storm: storm.summary["liquidations"]["accounts"],
    "open interest, % in contracts": _open_interest,
}
