"""Results that the README quotes or names: each is what its command prints. `python -m tests.results` makes them anew.

Runs      what is made of many runs (record, stay, outside) is told from those that are kept beside it: their own
          commands play them, and this one tells them again.
"""

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

COMMANDS = {"tests/results/oct10-small-7.json": ("run", "oct10-small", "--seed", "7", "--json")}
VENUES = "tests/results/venues.txt"
RECORD = "tests/results/record.txt"
STAY = "tests/results/stay.txt"
REMEDIES = "tests/results/remedies.txt"
OUTSIDE = "tests/results/outside.txt"
CASE_STUDY = "tests/results/case_study.txt"
TEXTS = [
    RECORD,  # kept by `python -m tests.results.record`, as are those of the outside path
    STAY,  # kept by `python -m tests.results.stay`, as are those of the remedies
    CASE_STUDY,  # kept by `python -m tests.results.case_study`
    VENUES,  # kept by `python -m tests.results.venues`
    "tests/benchmarks/results/exactly_once.txt",  # kept by `make bench`
    "tests/benchmarks/results/latency.txt",
]
LINKED = [OUTSIDE, REMEDIES]


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


def shown_anew() -> None:
    """Puts the results as they are kept into the README."""
    text = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda found: found[1] + printed(found[2]) + found[4], text), encoding="utf-8")
