"""oct10-small by each venue's published rules, and by each ADL policy: one run each, all else the same.

`python -m tests.results.venues` runs them, two at a time, for a few minutes, and keeps the table in venues.txt beside
this file, which the README shows. Every figure is of the run's summary.json, but the haircuts: of each closing by ADL
the difference between its price and the mark at that moment, and what LossSocialised takes, added up by account.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from consumers.figures import money
from consumers.summary import usd_text
from stream_engine.layers import presets
from stream_engine.messages.rules import AdlPolicy
from tests.results import ROOT, VENUES, shown_anew

SCENARIO, SEED = "oct10-small", "7"
AT_ONCE = 2
AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Run:
    """A run by other rules: what its summary says, and what each deleveraged account lost against the mark."""

    name: str
    summary: dict[str, Any]
    haircuts: dict[int, int]


def run(name: str, setting: str | None) -> Run:
    """One run, in a process of its own; its recording is thrown away."""
    with TemporaryDirectory() as directory:
        options = ["--set", setting] if setting else []
        words = ["run", SCENARIO, "--seed", SEED, *options, "--json", "--out", directory]
        command = [sys.executable, "-m", "stream_engine", *words]
        said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        return Run(name, json.loads(said), haircuts(Path(directory)))


def haircuts(recording: Path) -> dict[int, int]:
    """By account, in micro-quote; below zero where ADL's price was better than the mark."""
    marks: dict[str, int] = {}
    tick_values: dict[str, int] = {}
    lost: dict[int, int] = defaultdict(int)
    for event in merge(events(recording / "market.jsonl"), events(recording / "adl.jsonl"), key=place):
        kind = event["type"]
        if kind == "InstrumentListed":
            tick_values[event["instrument"]["symbol"]] = event["instrument"]["tick_value"]
        elif kind == "MarkPriceChanged":
            marks[event["symbol"]] = event["mark"]
        elif kind == "PositionDeleveraged":
            symbol = event["symbol"]
            lost[event["account"]] += event["size"] * (event["price"] - marks[symbol]) * tick_values[symbol]
        elif kind == "LossSocialised":
            lost[event["account"]] += event["loss"]
    return lost


def events(path: Path) -> Iterator[dict[str, Any]]:
    """Of a topic, in its order."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def place(event: dict[str, Any]) -> tuple[int, int]:
    """Of an event among those of its venue."""
    return event["seq"], event["n"]


def table(venues: Sequence[Run], policies: Sequence[Run]) -> str:
    """The text of venues.txt."""
    lines = [
        "python -m tests.results.venues",
        f"{SCENARIO}, seed {SEED}, by other rules and else the same: venue.preset=..., then venue.adl.policy=...",
        "",
        "What it sets itself goes before a preset: the fund, tiers, reach of market orders, index weights.",
        "A preset is a venue's published rules on this scenario's market, not that venue on that day. The vaults of",
        "hyperliquid are as large as they were ($8.10M, counted as fund), while the market here is a small one.",
        "",
        f"{'rules':12}{'liquidated':>11}{'accounts':>9}   of it in %:{'book':>6}{'book, fund pays':>17}"
        f"{'taken over':>12}{'vaults':>8}{'ADL':>6}{'deficit':>9}",
    ]
    for each in venues:
        taken = each.summary["liquidations"]
        parts = [
            f"{100 * taken[part] / taken['notional_usd']:{width}.1f}"
            for part, width in (
                ("into_book_usd", 6),
                ("at_the_funds_cost_usd", 17),
                ("taken_over_usd", 12),
                ("to_vaults_usd", 8),
                ("deleveraged_usd", 6),
                ("deficit_usd", 9),
            )
        ]
        worth = usd_text(taken["notional_usd"])
        lines.append(f"{each.name:12}{worth:>11}{taken['accounts']:>9,}{'':14}{''.join(parts)}")
    lines += [
        "",
        f"{'rules':12}{'ADL from':>9}{'ADL':>8}{'accounts':>9}{'fund low':>10}{'fund end':>10}{'deficit':>9}"
        f"{'lowest BTC':>11}{'TOKEN beyond outside':>22}{'funding paid':>14}",
    ]
    for each in venues:
        fund, adl = each.summary["fund"], each.summary["adl"]
        markets = {market["symbol"]: market for market in each.summary["markets"]}
        began = next((onset["at"][11:19] for onset in each.summary["timeline"] if onset["what"] == "adl"), "never")
        beyond = f"{-markets['TOKEN']['beyond_outside_points']:+.1f} points"
        lines.append(
            f"{each.name:12}{began:>9}{usd_text(adl['notional_usd']):>8}{adl['accounts']:>9,}"
            f"{usd_text(fund['lowest_usd']):>10}{usd_text(fund['closing_usd']):>10}{usd_text(fund['deficit_usd']):>9}"
            f"{markets['BTC']['price_low']:>11,.1f}{beyond:>22}{usd_text(each.summary['funding_paid_usd']):>14}"
        )
    lines += [
        "",
        "Haircut: what a deleveraged account lost against the mark of that moment, and of losses that were socialised.",
        f"{'policy':20}{'ADL':>8}{'accounts':>9}{'on the top 1 %':>16}{'haircuts':>11}{'the largest':>13}"
        f"{'its share':>11}{'fund end':>10}{'deficit':>9}",
    ]
    for each in policies:
        adl, fund = each.summary["adl"], each.summary["fund"]
        lost = [haircut for haircut in each.haircuts.values() if haircut > 0]
        whole, largest = sum(lost), max(lost, default=0)
        share = f"{100 * largest / whole:.1f} %" if whole else "-"
        top = adl["top_1_percent_of_accounts_percent"]
        lines.append(
            f"{each.name:20}{usd_text(adl['notional_usd']):>8}{len(each.haircuts):>9,}"
            f"{'-' if top is None else f'{top:.1f} %':>16}{money(whole):>11}{money(largest):>13}{share:>11}"
            f"{usd_text(fund['closing_usd']):>10}{usd_text(fund['deficit_usd']):>9}"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Runs them all and keeps the table."""
    asked = [(AS_IT_IS, None), *((name, f"venue.preset={name}") for name in presets())]
    policies = [(policy.value, f"venue.adl.policy={policy.value}") for policy in AdlPolicy]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = list(pool.map(run, *zip(*asked, *policies, strict=True)))
    (ROOT / VENUES).write_text(table(runs[: len(asked)], runs[len(asked) :]), encoding="utf-8")
    shown_anew()


if __name__ == "__main__":
    main()
