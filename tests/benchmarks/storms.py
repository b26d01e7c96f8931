"""Whole storms of every size: `python -m tests.benchmarks storms [SCENARIO ...]`, of the package or files."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from msgspec import Struct

from tests.benchmarks.measure import keep, spread

ROOT = Path(__file__).resolve().parents[2]
STORMS = ("oct10-small", "oct10", "oct10-full")
# The least that is done again: what takes longer than so many seconds runs once.
ROUNDS, LONG_S = 3, 120.0
HOW = """
`liqstorm run SCENARIO --seed 7 --speed max`, each in a process of its own: participants, exchanges, monitors, every
topic written to files. By the clock on the wall, median (least to most) of three rounds; of one where a round takes
over two minutes. Memory is the largest resident set, that of the setup included.
"""


class Storm(Struct):
    """One run: seconds on the wall and of its processor, bytes of memory and of files, and what it told of itself."""

    wall_s: float
    processor_s: float
    memory: int
    files: int
    ran: dict[str, int]
    accounts: int
    liquidated_usd: float


def run(names: Sequence[str] = ()) -> None:
    """Measure and keep."""
    lines: list[str] = []
    for name in names or STORMS:
        rounds = [_storm(name)]
        while len(rounds) < ROUNDS and rounds[0].wall_s <= LONG_S:
            rounds.append(_storm(name))
        sys.stderr.write(f"{name}: {rounds[0].wall_s:.1f} s\n")
        lines += _told(name, rounds)
    keep("storms", HOW, lines)


def _told(name: str, rounds: list[Storm]) -> Iterator[str]:
    first = rounds[0]
    walls = [each.wall_s for each in rounds]
    wall = statistics.median(walls)
    processor_s = statistics.median(each.processor_s for each in rounds)
    memory = max(each.memory for each in rounds)
    yield f"{Path(name).stem}"
    yield (
        f"    {first.accounts:,} accounts, {first.liquidated_usd / 1e9:,.2f} bn USD liquidated; {first.ran['ticks']:,} "
        f"ticks, {first.ran['inputs']:,} inputs, {first.ran['events']:,} events, {first.files / 1e6:,.0f} MB of files"
    )
    yield (
        f"    {spread(walls, '.1f')} s on the wall, {processor_s:.1f} s of a processor; "
        f"{memory / 1e6:,.0f} MB of memory, {memory / first.accounts:,.0f} bytes an account"
    )
    yield (
        f"    {first.ran['events'] / wall:,.0f} events/s, {first.ran['inputs'] / wall:,.0f} inputs/s, "
        f"{first.ran['ticks'] / wall:,.0f} ticks/s"
    )


def _storm(name: str) -> Storm:
    with TemporaryDirectory() as scratch, TemporaryFile() as complaints:
        directory = Path(scratch) / "run"
        began = time.monotonic()
        command = [sys.executable, "-m", "stream_engine", "run", name, "--seed", "7", "--speed", "max", "--quiet"]
        process = subprocess.Popen(
            [*command, "--out", str(directory)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=complaints
        )
        # Not `wait`: only this tells of one child alone what it took.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - began
        if process.returncode:
            complaints.seek(0)
            sys.exit(f"{name}: {complaints.read().decode(errors='replace')}")
        summary = json.loads((directory / "summary.json").read_text())
        venues = list(summary.get("venues", {}).values()) or [summary]
        return Storm(
            wall_s,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss * 1_024,
            sum(file.stat().st_size for file in directory.iterdir()),
            {figure: summary["run"][figure] for figure in ("ticks", "inputs", "events")},
            sum(_opened(file) for file in directory.glob("control*.jsonl")),
            sum(venue["liquidations"]["notional_usd"] for venue in venues),
        )


def _opened(recording: Path) -> int:
    with recording.open("rb") as lines:
        told = (json.loads(line) for line in lines if line.startswith(b'{"type":"OpenAccounts"'))
        return sum(len(each["accounts"]) for each in told)
