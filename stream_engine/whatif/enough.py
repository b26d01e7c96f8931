"""Enough: the insurance fund that would have been enough.

Played    with a fund that never runs dry: UNLIMITED_USDT in every pool of every venue, backstop vaults apart. It bears
          every loss that the rules let it bear.
Loss      of a run: what was paid in less the lowest balance, so what the fund earned before counts; 0 where it never
          fell below its start. Who had started with that would have come to nothing, and no further. Each venue has a
          fund of its own; all together is the sum of what each would have needed.
Quantile  q of n losses: the smallest loss that at least the q-th part of the runs stay within, the ceil(q n)-th in
          order. n runs show nothing beyond 1 - 1/n: there the largest is told, and an estimate marked as such.
Estimate  an exponential tail: what lies over the median does so by m on average, and P(loss > median + x) is taken to
          be p exp(-x / m), p the part of the runs over the median. Never below the largest seen. Losses that cluster
          or grow without bound have a heavier tail: then it is too small. From fewer than FIT_FROM runs there is none.
Still     deleveraged or left as a deficit with such a fund: what the rules do not let a fund bear, however large.
"""

from collections.abc import Sequence
from math import log

from msgspec import Struct
from msgspec.structs import replace

from consumers.summary import Summary
from stream_engine.messages.instrument import MAIN_POOL
from stream_engine.messages.units import MILLION
from stream_engine.scenario import Scenario, Venue
from stream_engine.whatif.pairs import MEDIAN, quantile

# Half of what the wire carries, so that what such a fund earns finds room.
UNLIMITED_USDT = 4e9
PARTS_PPM = (500_000, 900_000, 990_000, 999_000)
FIT_FROM = 5
ALL = "all venues"


class Part(Struct, frozen=True):
    """The fund that would have been enough in a part of the runs. `usd`: as observed; None: beyond what so many runs
    show. `estimate_usd`: only then."""

    part_ppm: int
    usd: float | None
    estimate_usd: float | None


class Needed(Struct, frozen=True):
    """Of one venue, or of all together: the losses in the order of the seeds, and what would have been enough."""

    venue: str
    fund_usd: float
    losses_usd: list[float]
    largest_usd: float
    parts: list[Part]


class Enough(Struct, frozen=True):
    """Over so many runs; what was deleveraged or left as a deficit all the same, in the worst of them."""

    runs: int
    needed: list[Needed]
    still_deleveraged_usd: float
    still_deficit_usd: float


def without_end(scenario: Scenario) -> Scenario:
    """The scenario with a fund that never runs dry."""
    return replace(scenario, venues=[_without_end(venue) for venue in scenario.venues])


def enough(scenario: Scenario, runs: Sequence[Sequence[Summary]]) -> Enough | None:
    """What the runs without end show, each by the summaries of its venues; `scenario` is the one as it is."""
    if not runs:
        return None
    losses = {venue.name: [_loss(run[at]) for run in runs] for at, venue in enumerate(scenario.venues)}
    funds = {venue.name: _fund(venue) for venue in scenario.venues}
    if len(losses) > 1:
        together = [sum(of_run) for of_run in zip(*losses.values(), strict=True)]
        losses, funds = {ALL: together} | losses, {ALL: sum(funds.values())} | funds
    return Enough(
        len(runs),
        [Needed(name, funds[name], each, max(each), parts(each)) for name, each in losses.items()],
        max(sum(summary.adl.notional_usd for summary in run) for run in runs),
        max(sum(summary.fund.deficit_usd for summary in run) for run in runs),
    )


def parts(losses: Sequence[float]) -> list[Part]:
    """What would have been enough in 50, 90, 99 and 99.9 % of the runs."""
    ordered, many = sorted(losses), len(losses)
    found = []
    for part_ppm in PARTS_PPM:
        beyond_ppm = MILLION - part_ppm
        if many * beyond_ppm >= MILLION:
            at = -(-part_ppm * many // MILLION)
            found.append(Part(part_ppm, ordered[at - 1], None))
        else:
            found.append(Part(part_ppm, None, tail(ordered, beyond_ppm / MILLION)))
    return found


def tail(losses: Sequence[float], beyond: float) -> float | None:
    """The loss that is passed with this probability, by the exponential tail; None of too few runs."""
    if len(losses) < FIT_FROM:
        return None
    median = quantile(losses, MEDIAN)
    over = [loss - median for loss in losses if loss > median]
    if not over:
        return max(losses)
    mean, part = sum(over) / len(over), len(over) / len(losses)
    return max(median + mean * log(part / beyond), *losses)


def _without_end(venue: Venue) -> Venue:
    pools = {market.fund_pool for market in venue.markets} | venue.pools.keys()
    endless = {pool: UNLIMITED_USDT for pool in sorted(pools - {MAIN_POOL, *venue.backstop.vaults})}
    return replace(venue, fund_usdt=UNLIMITED_USDT, pools=venue.pools | endless)


def _loss(summary: Summary) -> float:
    return max(summary.fund.opening_usd - summary.fund.lowest_usd, 0.0)


def _fund(venue: Venue) -> float:
    return venue.fund_usdt + sum(venue.pools.values())
