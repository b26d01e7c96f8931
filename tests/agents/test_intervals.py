"""Nobody reads the clock but for intervals: held over every participant's syntax tree, and by playing.

A time (whatever ends in `_us`) may be stamped on what is sent, handed on, taken from another time, added to an
interval, and held against another time. It is no number: nothing divides it, multiplies it, draws by it, or holds it
against one that stands in the code. What is given from outside (shocks) has dates; machinery (runner, replay, ground
truth) is nobody who decides.
"""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import producers
from stream_engine.messages.events import AnyEvent
from tests.scenarios.play import play

GIVEN = {"shocks"}
MACHINERY = {"__init__", "runner", "replay", "ground_truth"}
FILES = [
    file for file in sorted(Path(str(producers.__file__)).parent.glob("*.py")) if file.stem not in GIVEN | MACHINERY
]
DRAWS = {"uniform", "normal", "exponential", "lognormal"}
CLOCKS = {"time", "datetime", "calendar", "zoneinfo"}


def is_time(node: ast.AST) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name.endswith("_us")


def is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def is_draw(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DRAWS


def misuses(source: str) -> Iterator[str]:
    """What a piece of code does with a time that is not an interval's business."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"imports {name}" for name in names if name.partition(".")[0] in CLOCKS)
        elif isinstance(node, ast.BinOp) and (is_time(node.left) or is_time(node.right)):
            if not isinstance(node.op, ast.Sub | ast.Add):
                yield ast.unparse(node)
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(is_time, sides)) and any(map(is_number, sides)):
                yield ast.unparse(node)
        elif is_draw(node) and any(map(is_time, ast.walk(node))):
            yield ast.unparse(node)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_participant_takes_a_time_for_a_number(file: Path) -> None:
    assert list(misuses(file.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "now_us // 60_000_000", "now_us % 86_400_000_000", "view.outside_us / 2", "now_us > 1_760_000_000_000_000",
        "0 < now_us", "noise.uniform(now_us, 1)", "noise.exponential(5, round(self.seen_us))",
        "from datetime import datetime", "import time",
    ],
)  # fmt: skip
def test_what_reads_the_clock_is_found(code: str) -> None:
    assert list(misuses(code))


@pytest.mark.parametrize(
    "code",
    [
        "Cancel(venue, now_us, account)", "(now_us - view.outside_us) // SECOND_US", "now_us < line.frozen_until_us",
        "ends_us = now_us + WINDOW_US", "noise.uniform(steps, 1)",
    ],
)  # fmt: skip
def test_what_is_about_an_interval_is_let_be(code: str) -> None:
    assert not list(misuses(code))


def without_times(event: AnyEvent) -> dict[str, Any]:
    said = msgspec.to_builtins(event)
    return {name: value for name, value in said.items() if not name.endswith("_us")}


def test_with_all_that_is_given_an_hour_later_everybody_does_the_same_an_hour_later() -> None:
    times = ["run.start=2025-10-10T19:58:00Z", "run.end=2025-10-10T20:02:00Z"]
    short = ["population.accounts=300", "hedgers.portfolios=5", *times]
    plain, later = (asyncio.run(play("oct10", 3, [*short, f"outside.shift_s={shift}"])) for shift in (0, 3_600))
    assert len(plain) > 10_000
    assert [event.ts_us + 3_600_000_000 for event in plain] == [event.ts_us for event in later]
    assert [without_times(event) for event in plain] == [without_times(event) for event in later]
