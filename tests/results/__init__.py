"""Results that the README quotes: each is what its command prints. `python -m tests.results` makes all of them anew."""

import json
import re
from io import StringIO
from pathlib import Path

import msgspec
from rich.console import Console

from consumers.summary import Summary
from consumers.summary_table import table

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- from (\S+): begin -->\n)(.*?)(<!-- from \2: end -->)", re.DOTALL)
WIDTH = 110

COMMANDS = {"tests/results/oct10-7.json": ("run", "oct10", "--seed", "7", "--json")}
VENUES = "tests/results/venues.txt"
TEXTS = [
    VENUES,  # kept by `python -m tests.results.venues`
    "tests/storm/results/had_they_stayed.txt",  # kept by `make prove`
    "tests/benchmarks/results/exactly_once.txt",  # kept by `make bench`
    "tests/benchmarks/results/latency.txt",
]


def printed(result: str) -> str:
    """What the README says of a result: the summary as a terminal prints it, and the hash; a text as it is."""
    if result in TEXTS:
        return "```\n" + (ROOT / result).read_text(encoding="utf-8") + "```\n"
    said = json.loads((ROOT / result).read_text(encoding="utf-8"))
    console = Console(file=StringIO(), width=WIDTH, no_color=True, highlight=False)
    console.print(table(msgspec.convert(said, Summary)))
    console.print(f"\nThe sha256 of its event log:\n{said['run']['event_log_sha256']}", soft_wrap=True)
    assert isinstance(console.file, StringIO)
    return "```\n" + "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines()) + "```\n"
