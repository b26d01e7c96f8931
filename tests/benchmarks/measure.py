"""Measure: how the benchmarks time, and how they keep what they found.

The machines are shared and noisy, so what counts is the ratio of two things done in turn in one run, A B A B ...;
each figure is the median, with the least and the most, in seconds of this process's own processor time.
"""

import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
ROUNDS = 5


def in_turn(*works: Callable[[], object], rounds: int = ROUNDS) -> list[list[float]]:
    """Processor seconds of each piece of work, round by round; the collector is off while one runs."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for number, work in enumerate(works):
            gc.collect()
            gc.disable()
            began = time.process_time()
            work()
            seconds[number].append(time.process_time() - began)
            gc.enable()
    return seconds


def rate(count: int, seconds: list[float]) -> str:
    """So many a second: median (least to most)."""
    rates = sorted(count / each for each in seconds)
    return f"{statistics.median(rates):>11,.0f}/s ({rates[0]:,.0f} to {rates[-1]:,.0f})"


def spread(figures: list[float], form: str) -> str:
    """Median (least to most), each in this format."""
    return f"{statistics.median(figures):{form}} ({min(figures):{form}} to {max(figures):{form}})"


def ratio(seconds: list[float], reference: list[float]) -> str:
    """Time against the reference's of the same round: median (least to most)."""
    ratios = sorted(mine / theirs for mine, theirs in zip(seconds, reference, strict=True))
    return f"{statistics.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def keep(name: str, how: str, lines: list[str]) -> None:
    """Print a result, and keep it as text with how it was made."""
    machine = f"CPython {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    text = "\n".join([f"python -m tests.benchmarks {name}", machine, "", how.strip(), "", *lines, ""])
    sys.stdout.write(text + "\n")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.txt").write_text(text)
