"""Report: what a what-if came to, for programs; the tables and the page are made from the same."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from consumers.public_record import HONESTY
from stream_engine.whatif.outcomes import BY_NAME
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
