"""100 random kills of engine processes under load, on a real broker: 0 lost, 0 twice, money exact. `make prove`.

Four runs go side by side, each with two partitions, a venue on each, and two engine processes that follow each other's
journals. Once the engines get on after the last kill, one of them is killed at a random moment, and another started.
What came out is kept as text in `results/`.
"""

import os
import platform
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from stream_engine.messages.topics import Topic
from tests.kafka.engines import Engines, Load, Progress, assert_exact, assert_verified, records_of
from tests.kafka.load import Storm, create_topics

RESULT = Path(__file__).parent / "results" / "kills.txt"
HOW = "python -m pytest -m prove tests/kafka/test_prove_kills.py"

RUNS = 4
KILLS = 25
PARTITIONS = 2
GETS_ON_WITHIN_S = 30.0
LATEST_MOMENT_S = 1.5


class Killed:
    """One run: what was sent, and how long each kill held up the partitions."""

    def __init__(self, bootstrap: str, prefix: str, seed: int) -> None:
        self.prefix = prefix
        self.waits_s: list[float] = []
        self.sent = 0
        self._bootstrap = bootstrap
        self._random = Random(seed)
        self._storms = [Storm(seed, f"V{number}", number) for number in range(PARTITIONS)]

    def go(self) -> "Killed":
        """Kill and kill again, under load; then let it come to rest."""
        create_topics(self._bootstrap, self.prefix, PARTITIONS)
        load = Load(self._bootstrap, self.prefix, self._storms, every_s=0.3)
        progress = Progress(self._bootstrap, self.prefix, PARTITIONS)
        with Engines(self._bootstrap, self.prefix) as engines:
            load.start()
            for _ in range(2):
                engines.start("--follow", "all")
            self._get_on(progress)
            for _ in range(KILLS):
                time.sleep(self._random.uniform(0, LATEST_MOMENT_S))
                victim = self._random.choice([engine for engine in engines.running if engine.is_running])
                victim.send(signal.SIGKILL)
                assert victim.wait() == -signal.SIGKILL
                engines.start("--follow", "all")
                self.waits_s.append(self._get_on(progress))
            self.sent = load.finish()
            progress.wait(self.sent, GETS_ON_WITHIN_S)
            assert [engine.stop() for engine in engines.running if engine.is_running] == [0, 0]
        progress.close()
        return self

    def _get_on(self, progress: Progress) -> float:
        began_s = time.monotonic()
        stood = [progress.taken(partition) for partition in range(PARTITIONS)]
        for partition, taken in enumerate(stood):
            progress.wait(taken + 1, GETS_ON_WITHIN_S, partition)
        return time.monotonic() - began_s


@pytest.mark.prove
def test_a_hundred_random_kills_lose_nothing_and_double_nothing(bootstrap: str, prefix: str, tmp_path: Path) -> None:
    runs = [Killed(bootstrap, f"{prefix}{number}.", number) for number in range(RUNS)]
    began_s = time.monotonic()
    with ThreadPoolExecutor(RUNS) as side_by_side:
        done = list(side_by_side.map(Killed.go, runs))
    took_s = time.monotonic() - began_s
    said = {run.prefix: assert_exact(bootstrap, run.prefix, run.sent) for run in done}
    for run in done:
        assert_verified(bootstrap, run.prefix, tmp_path / run.prefix)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(_kept(bootstrap, done, said, took_s), encoding="utf-8")


def _kept(bootstrap: str, runs: list[Killed], said: dict[str, list[str]], took_s: float) -> str:
    waits_s = [wait_s for run in runs for wait_s in run.waits_s]
    journals = sum(
        len(records_of(bootstrap, run.prefix, Topic.JOURNAL, partition))
        for run in runs
        for partition in range(PARTITIONS)
    )
    lines = [
        HOW,
        f"CPython {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, the broker among them",
        "",
        f"{len(waits_s)} kills of engine processes (SIGKILL, at a random moment, under load) in {took_s:,.0f} s:"
        f" {RUNS} runs side by side,",
        f"each with {PARTITIONS} partitions and 2 engine processes that follow each other's journals.",
        "",
        f"records sent                  {sum(run.sent for run in runs):>9,}   in {journals:,} journal records",
        f"lost                          {0:>9}",
        f"taken twice                   {0:>9}",
        f"money out of balance          {0:>9}   micro-quote",
        "replayed from the journals    every event the same, byte for byte",
        f"both partitions got on after  {statistics.median(waits_s):>9.1f} s median,"
        f" {max(waits_s):.1f} s at most (a killed member is noticed after 6 s)",
        "",
        "What the checker said of each run, which reads only the topics:",
    ]
    for number, of_run in enumerate(said.values()):
        lines += [f"run {number}", *(f"    {line}" for line in of_run)]
    return "\n".join(lines) + "\n"
