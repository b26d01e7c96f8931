"""A whole run: `oct10-small` at full speed, recorded, against decoding what it recorded and nothing else."""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from tempfile import TemporaryDirectory

from stream_engine.messages.codec import decode_event, decode_input
from stream_engine.messages.topics import INTAKE, OUTPUT
from tests.benchmarks.measure import in_turn, keep, ratio

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
COMMAND = [sys.executable, *["-m", "stream_engine", "run", "oct10-small", "--seed", "7", "--speed", "max", "--quiet"]]
HOW = """
`liqstorm run oct10-small --seed 7 --speed max` in a process of its own: participants, exchange, monitors, every topic
written to files. The reference decodes every input and every event of the recording once, in this process.
"""


def run() -> None:
    """Measure and keep."""
    with TemporaryDirectory() as scratch:
        walls: list[float] = []
        seconds, reference = [], []
        for number in range(ROUNDS):
            directory = Path(scratch) / str(number)
            before, began = getrusage(RUSAGE_CHILDREN).ru_utime, time.monotonic()
            command = [*COMMAND, "--out", str(directory)]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
            walls.append(time.monotonic() - began)
            seconds.append(getrusage(RUSAGE_CHILDREN).ru_utime - before)
            reference += in_turn(partial(_decode, directory), rounds=1)[0]
        ran = json.loads((Path(scratch) / "0" / "summary.json").read_text())["run"]
        megabytes = sum(file.stat().st_size for file in (Path(scratch) / "0").iterdir()) / 1e6
    wall = sorted(walls)[ROUNDS // 2]
    keep(
        "run",
        HOW,
        [
            f"{ran['ticks']:,} ticks, {ran['inputs']:,} inputs, {ran['events']:,} events, {megabytes:,.0f} MB of files",
            f"{wall:.1f} s ({min(walls):.1f} to {max(walls):.1f}): {ran['events'] / wall:,.0f} events/s, "
            f"{ran['ticks'] / wall:,.0f} event seconds a second",
            f"processor time against the reference: {ratio(seconds, reference)}",
        ],
    )


def _decode(directory: Path) -> None:
    for topics, decode in ((INTAKE, decode_input), (OUTPUT, decode_event)):
        for topic in topics:
            with (directory / f"{topic.value}.jsonl").open("rb") as lines:
                for line in lines:
                    decode(line)
