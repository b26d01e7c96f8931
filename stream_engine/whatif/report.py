"""Report: what a what-if or a sweep came to, for programs; the tables and the page are made from the same."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from consumers.public_record import HONESTY
from stream_engine.whatif.enough import Enough
from stream_engine.whatif.grid import Axis, CellOutcome
from stream_engine.whatif.outcomes import BY_NAME, OUTCOMES
from stream_engine.whatif.pairs import Pair, pairs
from stream_engine.whatif.plan import Change
from stream_engine.whatif.play import RunOutcome


class WhatIf(Struct, frozen=True):
    """A base and a variant played over seeds.

    seeds     what was asked for; those of which both runs were played stand in the pairs.
    failed    which runs came to nothing, and why.      stopped   whether somebody ended it before it was done.
    """

    scenario: str
    base: Change
    variant: Change
    seeds: list[int]
    pairs: list[Pair]
    failed: list[str]
    stopped: bool

    @property
    def paired(self) -> list[int]:
        """The seeds that were played both ways."""
        return list(self.pairs[0].seeds)

    @property
    def is_partial(self) -> bool:
        """Whether a seed is missing."""
        return len(self.paired) < len(self.seeds)

    @property
    def title(self) -> str:
        """For a person."""
        return f"{self.scenario}: what if {self.variant}"


def what_if(
    scenario: str,
    changes: tuple[Change, Change],
    seeds: Sequence[int],
    base: Sequence[RunOutcome],
    variant: Sequence[RunOutcome],
    failed: Sequence[str],
    stopped: bool,
) -> WhatIf:
    """Hold the runs against each other, seed by seed; `changes` are those of the base and of the variant."""
    held = pairs(*({run.seed: run.outcomes for run in runs} for runs in (base, variant)))
    return WhatIf(scenario, *changes, list(seeds), held, list(failed), stopped)


def as_json(report: WhatIf) -> dict[str, Any]:
    """Everything, with the values of each seed."""
    return {
        "scenario": report.scenario,
        "base": msgspec.to_builtins(report.base),
        "variant": msgspec.to_builtins(report.variant),
        "seeds": report.seeds,
        "paired_seeds": report.paired,
        "partial": report.is_partial,
        "stopped": report.stopped,
        "failed": report.failed,
        "outcomes": {
            pair.name: {
                "title": BY_NAME[pair.name].title,
                "unit": BY_NAME[pair.name].unit,
                "source": BY_NAME[pair.name].source,
                "base": msgspec.to_builtins(pair.base),
                "variant": msgspec.to_builtins(pair.variant),
                "difference": msgspec.to_builtins(pair.difference),
                "up": pair.up,
                "down": pair.down,
                "same": pair.same,
                "by_seed": {str(seed): {"base": a, "variant": b} for seed, (a, b) in pair.seeds.items()},
            }
            for pair in report.pairs
        },
        "honesty": HONESTY,
    }


class Sweep(Struct, frozen=True):
    """A grid of cells played over seeds, and the fund that would have been enough, if that was asked.

    chosen    the outcomes to be shown, by name; the rest is in the JSON.
    """

    scenario: str
    base: Change
    axes: list[Axis]
    seeds: list[int]
    cells: list[CellOutcome]
    chosen: list[str]
    enough: Enough | None
    failed: list[str]
    stopped: bool

    @property
    def title(self) -> str:
        """For a person."""
        return f"{self.scenario}: {' and '.join(axis.path for axis in self.axes) or 'the fund that would be enough'}"

    @property
    def missing(self) -> int:
        """How many runs of cells there are not."""
        return len(self.cells) * len(self.seeds) - sum(len(cell.by_seed) for cell in self.cells)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The choices on all axes but the last."""
        return list(dict.fromkeys(cell.values[:-1] for cell in self.cells))

    def row(self, choice: tuple[str, ...]) -> list[CellOutcome]:
        """The cells of such a choice, along the last axis."""
        return [cell for cell in self.cells if cell.values[:-1] == choice]


def sweep_as_json(report: Sweep) -> dict[str, Any]:
    """Everything, with the values of each seed."""
    return {
        "scenario": report.scenario,
        "base": msgspec.to_builtins(report.base),
        "axes": msgspec.to_builtins(report.axes),
        "seeds": report.seeds,
        "partial": report.missing > 0,
        "stopped": report.stopped,
        "failed": report.failed,
        "cells": [
            {
                "settings": {axis.path: value for axis, value in zip(report.axes, cell.values, strict=True)},
                "outcomes": msgspec.to_builtins(cell.spreads),
                "by_seed": {str(seed): values for seed, values in cell.by_seed.items()},
            }
            for cell in report.cells
        ],
        "units": {outcome.name: outcome.unit for outcome in OUTCOMES},
        "enough": msgspec.to_builtins(report.enough),
        "honesty": HONESTY,
    }
