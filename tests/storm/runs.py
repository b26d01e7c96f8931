"""Runs of `oct10-small` as a user makes them, each in a process of its own, two at a time, each made once a session."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = "oct10-small"
AT_ONCE = 2
SEED = 7
SEEDS = range(1, 11)
STAY = ("makers.mode=stay",)
LATER_S = 3_600
AN_HOUR_LATER = (f"outside.shift_s={LATER_S}",)
HALF_THE_SHOCK = ("outside.scale=0.5",)


class Storm(NamedTuple):
    """A finished run: its directory and its summary."""

    directory: Path
    summary: dict[str, Any]

    def first(self, what: str) -> str | None:
        """When something of the timeline first happened, as its UTC stamp; None: it did not."""
        return next((onset["at"] for onset in self.summary["timeline"] if onset["what"] == what), None)

    def market(self, symbol: str) -> dict[str, Any]:
        """The summary of one symbol."""
        return next(market for market in self.summary["markets"] if market["symbol"] == symbol)

    def makers(self, symbol: str) -> dict[str, dict[str, Any]]:
        """The makers of one symbol by name."""
        return {maker["maker"]: maker for maker in self.summary["makers"] if maker["symbol"] == symbol}

    def leaving_order(self, symbol: str) -> list[str]:
        """The makers that left, first to leave first."""
        gone = [maker for maker in self.makers(symbol).values() if maker["order"] is not None]
        return [maker["maker"] for maker in sorted(gone, key=lambda maker: maker["order"])]


class Runs:
    """Starts runs ahead, and hands each out when it is done."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._made: dict[tuple[int, tuple[str, ...], str, int], Future[Storm]] = {}

    def ahead(self, seed: int, settings: Sequence[str] = (), loop: str = "asyncio", hash_seed: int = 0) -> None:
        """Have a run made, if it is not."""
        key = (seed, tuple(settings), loop, hash_seed)
        if key not in self._made:
            self._made[key] = self._pool.submit(self._run, *key)

    def storm(self, seed: int, settings: Sequence[str] = (), loop: str = "asyncio", hash_seed: int = 0) -> Storm:
        """The run, once it is done."""
        self.ahead(seed, settings, loop, hash_seed)
        return self._made[seed, tuple(settings), loop, hash_seed].result()

    def close(self) -> None:
        """Let go of what is not begun."""
        self._pool.shutdown(cancel_futures=True)

    def _run(self, seed: int, settings: tuple[str, ...], loop: str, hash_seed: int) -> Storm:
        directory = self._directory / "-".join([str(seed), loop, str(hash_seed), *settings]).replace("=", "-")
        command = [sys.executable, "-m", "stream_engine", "run", SCENARIO, "--seed", str(seed), "--speed", "max"]
        command += ["--loop", loop, "--json", "--quiet", "--out", str(directory)]
        for setting in settings:
            command += ["--set", setting]
        environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, f"{' '.join(command)}: exit {ran.returncode}\n{ran.stderr[-2000:]}"
        return Storm(directory, json.loads((directory / "summary.json").read_text()))


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one UTC stamp to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
