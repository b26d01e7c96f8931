"""Stay: what would have been, on the same seeds: makers who stay, makers who agree, and each remedy of the analysis.

`python -m tests.results.stay [NAME ...] [--seeds 101-105] [--jobs 2]` plays what is not kept yet of the variants named
(none: all), and keeps stay.txt and remedies.txt beside this file. The runs as it is are those of record.py.

Difference   variant less base, seed by seed: its median, and the least and the most of it.
Claims       of the analysis, each told with the seeds in which it holds. What is liquidated is no claim but a finding.
             They are claims of all who stay; how far it comes when the largest alone stays is told beside them.
Lessons      warning time, synchrony, return when it pays: the same figures of makers who decide by themselves, who
             agreed on a signal, and of whom all leave within a minute. That they return when it pays: what their quotes
             earned before the news, until they were all out, and from the first return on (see measured).
Ablations    one thing taken away, or given otherwise: the makers' price of a crowd that may be forced out, wholly, what
             is under way included (`makers.crowding.loss=0`; a rate of 0 leaves the latter); the feed's standstill; the
             account's clock, for the record's. What happened when, beside the runs as they are.
Remedies     one overlay each. Better and worse is what it is for those who trade, marked where more than half of the
             seeds go that way; a remedy's price stands among its effects.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from stream_engine import scenario as scenarios
from stream_engine.scenario import Scenario
from stream_engine.whatif.outcomes import BY_NAME
from stream_engine.whatif.pairs import MEDIAN, quantile
from tests.results import REMEDIES, ROOT, STAY, record, shown_anew
from tests.results.kept import Kept, alike, kept, played

FOLDER = ROOT / "tests/results/stay"
SEEDS = "101-105"
BASE, STAYING, ONE_STAYING, AGREED, AT_ONCE = "as it is", "stay", "one-stays", "coordinated", "cliff"


class Variant(Struct, frozen=True):
    """A scenario as it is changed."""

    settings: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    scenario: str = "oct10"

    def read(self) -> Scenario:
        """The scenario that it comes to."""
        return scenarios.load(self.scenario, self.settings, self.overlays)


class Effect(Struct, frozen=True):
    """A figure by which variants are held against the base; `good`: 1, more is better; -1: worse; 0: neither.

    clock   it is a time of day, in minutes.
    """

    figure: str
    title: str
    decimals: int
    good: int
    clock: bool = False


class Claim(Struct, frozen=True):
    """What the analysis says of a figure had they stayed, and whether it holds of one seed (base, variant)."""

    effect: Effect
    words: str
    holds: Callable[[float, float], bool] | None


def _outcome(name: str, good: int) -> Effect:
    outcome = BY_NAME[name]
    return Effect(name, f"{outcome.title}, {outcome.unit}", outcome.decimals, good)


REMEDIED = ("tiered-responsibility", "fund-to-risk", "adl-with-breakers", "transparency")
ABLATIONS = {
    "no crowding": Variant(settings=("makers.crowding.loss=0",)),
    "no feed stall": Variant(settings=("outside.faults=[]",)),
    "the other clock": Variant(scenario="oct10-tape"),
}
VARIANTS = (
    {
        STAYING: Variant(overlays=(STAYING,)),
        ONE_STAYING: Variant(scenario="oct10-one-stays"),
        AGREED: Variant(settings=("makers.mode=coordinated",)),
        AT_ONCE: Variant(scenario=AT_ONCE),
    }
    | {name: Variant(overlays=(name,)) for name in REMEDIED}
    | ABLATIONS
)

LIQUIDATED, ADL = _outcome("liquidated", -1), _outcome("adl", -1)
FUND_LOWEST, BEYOND = _outcome("fund_lowest", 1), _outcome("token_beyond_outside", -1)
BTC_LOW = Effect("btc_index_low", "BTC low, index of the first venue, USD", 0, 1)
WARNING, SYNCHRONY = Effect("thin_to_gone", "thinning to gone, min", 1, 1), _outcome("synchrony", 1)

CLAIMS = (
    Claim(ADL, "none", lambda base, stays: stays == 0),
    Claim(FUND_LOWEST, "untouched", lambda base, stays: stays == 100),
    Claim(BEYOND, "at most a third", lambda base, stays: 3 * stays <= base),
    Claim(BTC_LOW, "higher", lambda base, stays: stays > base),
    Claim(LIQUIDATED, "", None),
    Claim(_outcome("accounts_wiped_out", -1), "", None),
    Claim(_outcome("open_interest_change", 0), "", None),
)
LESSONS = (
    WARNING,
    SYNCHRONY,
    _outcome("first_exit", 0),
    _outcome("first_return", 0),
    Effect("spread_at_return", "spread then, times normal", 1, 0),
    Effect("earned_calm", "quotes earned before the news, bp", 0, 1),
    Effect("earned_leaving", "the same until all were out, bp", 0, 1),
    Effect("earned_back", "the same from the first return, bp", 0, 1),
)
TOLD_OF_ABLATIONS = (
    Effect("thin_at", "token depth under 80 %", 0, 0, clock=True),
    Effect("gone_at", "all makers of the token out", 0, 0, clock=True),
    WARNING,
    Effect("return_at", "first maker back", 0, 0, clock=True),
    Effect("trough_at", "token depth, trough", 0, 0, clock=True),
    Effect("trough", "the same, % of normal", 2, 1),
    Effect("token_fall", "token, lowest trade, % change", 1, 1),
    BTC_LOW,
    Effect("btc_index_low_at", "when that was", 0, 0, clock=True),
    LIQUIDATED,
    ADL,
)
EFFECTS = (
    LIQUIDATED,
    _outcome("accounts_liquidated", -1),
    _outcome("accounts_wiped_out", -1),
    ADL,
    _outcome("adl_accounts", -1),
    _outcome("deficit", -1),
    FUND_LOWEST,
    Effect("fund_paid_in", "paid into the fund, M USD", 1, -1),
    _outcome("fund_lost", -1),
    _outcome("depth_trough", 1),
    BEYOND,
    BTC_LOW,
    _outcome("open_interest_change", 0),
    WARNING,
    SYNCHRONY,
    _outcome("first_return", -1),
    _outcome("makers_profit", 0),
    Effect("waited", "liquidations held up, min", 1, -1),
    Effect("delay_cost", "owed more for the waiting, M USD", 2, -1),
)


class Compared(Struct, frozen=True):
    """A figure of base and variant over the seeds that have it both ways."""

    effect: Effect
    pairs: list[tuple[float, float]]

    @property
    def differences(self) -> list[float]:
        """Variant less base, of each seed."""
        return [after - before for before, after in self.pairs]

    @property
    def mark(self) -> str:
        """`better` or `worse` where more than half of the seeds go that way."""
        ways = [self.effect.good * difference for difference in self.differences]
        better, worse = sum(way > 0 for way in ways), sum(way < 0 for way in ways)
        return "better" if 2 * better > len(ways) else "worse" if 2 * worse > len(ways) else ""


def compared(effect: Effect, base: Sequence[Kept], variant: Sequence[Kept]) -> Compared:
    """A figure of the seeds that were played both ways and have it both ways."""
    before = {run.seed: run.figure(effect.figure) for run in base}
    after = {run.seed: run.figure(effect.figure) for run in variant}
    found = [(before[seed], after[seed]) for seed in sorted(before.keys() & after)]
    return Compared(effect, [(one, other) for one, other in found if one is not None and other is not None])


def stay_table(base: Sequence[Kept], variants: Mapping[str, Sequence[Kept]]) -> str:
    """The text of stay.txt, of what is kept."""
    lines = [
        "python -m tests.results.stay",
        "Medians over the seeds that were played both ways; differences are those of each seed: median [least, most].",
    ]
    for name, heads in ((STAYING, ("Had they stayed", "they stay")), (ONE_STAYING, ("Had MM1 stayed", "MM1 stays"))):
        if name in variants:
            lines += ["", *_claims(base, variants[name], heads)]
    played_ways = {BASE: base} | {name: variants[name] for name in (AGREED, AT_ONCE) if name in variants}
    if len(played_ways) > 1:
        lines += ["", *_lessons(played_ways)]
    ablations = {name: variants[name] for name in ABLATIONS if name in variants}
    if ablations:
        lines += ["", *_ablations({BASE: base} | ablations)]
    remedies = {name: variants[name] for name in REMEDIED if name in variants}
    if remedies:
        lines += ["", *_matrix(base, remedies)]
    return "\n".join([*lines, ""])


def remedies_table(base: Sequence[Kept], variants: Mapping[str, Sequence[Kept]]) -> str:
    """The text of remedies.txt: every effect of every remedy that is kept, with how far the seeds differ."""
    lines = ["python -m tests.results.stay", "Each remedy against the same seeds as it is: median [least, most]."]
    for name in (each for each in REMEDIED if each in variants):
        many = len(_seeds(base, variants[name]))
        lines += ["", f"{name + f', {many} seeds':40}{'as it is':>12}{'with it':>12}  difference"]
        for effect in EFFECTS:
            found = compared(effect, base, variants[name])
            if found.pairs:
                lines.append(f"{_row(found)}  {found.mark}".rstrip())
    return "\n".join([*lines, ""])


def _claims(base: Sequence[Kept], staying: Sequence[Kept], titles: tuple[str, str]) -> list[str]:
    what, how = titles
    heads = f"{f'{what}, {len(_seeds(base, staying))} seeds':40}{'as it is':>12}{how:>12}"
    lines = [f"{heads}  {'difference':32}said, and holds in"]
    for claim in CLAIMS:
        found = compared(claim.effect, base, staying)
        if not found.pairs:
            continue
        if claim.holds is None:
            lines.append(f"{_row(found):98}a finding")
        else:
            held = sum(claim.holds(before, after) for before, after in found.pairs)
            lines.append(f"{_row(found):98}{claim.words}: {held} of {len(found.pairs)}")
    return lines


def _lessons(ways: Mapping[str, Sequence[Kept]]) -> list[str]:
    ways = _of_the_same_seeds(ways)
    heads = {BASE: "each by itself", AGREED: "agreed signal", AT_ONCE: "all at once"}
    lines = _side_by_side("How they left and came back", {heads[name]: runs for name, runs in ways.items()}, LESSONS)
    for title, field in (("left for", "withdrew"), ("came back for", "returned")):
        counted = [_reasons([getattr(run, field) for run in runs]) for runs in ways.values()]
        for name, reasons in zip(ways, counted, strict=True):
            lines.append(f"{title + ', ' + heads[name]:40}{reasons or 'never'}")
    return lines


def _ablations(ways: Mapping[str, Sequence[Kept]]) -> list[str]:
    return _side_by_side("One thing taken away", _of_the_same_seeds(ways), TOLD_OF_ABLATIONS)


def _side_by_side(title: str, ways: Mapping[str, Sequence[Kept]], effects: Sequence[Effect]) -> list[str]:
    """Each way by itself: median, least and most, and of how many seeds, where not all come to it."""
    many = max(len(runs) for runs in ways.values())
    lines = [f"{f'{title}, {many} seeds':40}{''.join(f'{name:>28}' for name in ways)}"]
    for effect in effects:
        if not any(effect.figure in run.figures.keys() | run.outcomes for runs in ways.values() for run in runs):
            continue  # of what was not measured it cannot be said that it never came to it
        cells = [_spread_text(effect, [run.figure(effect.figure) for run in runs]) for runs in ways.values()]
        lines.append(f"{effect.title:40}{''.join(f'{cell:>28}' for cell in cells)}")
    return lines


def _reasons(counts: Sequence[Mapping[str, int]]) -> str:
    """Reasons with how often over all seeds, the most frequent first."""
    summed: dict[str, int] = {}
    for each in counts:
        for reason, times in each.items():
            summed[reason] = summed.get(reason, 0) + times
    return ", ".join(f"{reason} {times}" for reason, times in sorted(summed.items(), key=lambda one: (-one[1], one[0])))


def _matrix(base: Sequence[Kept], remedies: Mapping[str, Sequence[Kept]]) -> list[str]:
    lines = [
        "Remedies: median difference over the seeds; ! it is worse in more than half of them, + better",
        f"{'':40}{'as it is':>11}{''.join(f'{name:>23}' for name in remedies)}",
    ]
    for effect in EFFECTS:
        cells = []
        for runs in remedies.values():
            found = compared(effect, base, runs)
            sign = {"better": "+", "worse": "!"}.get(found.mark, " ")
            apart = "-"
            if found.pairs:
                apart = _figure(effect, quantile(found.differences, MEDIAN), signed=True)
            cells.append(f"{apart:>21} {sign}")
        whole = [value for run in base if (value := run.figure(effect.figure)) is not None]
        now = _figure(effect, quantile(whole, MEDIAN)) if whole else "never"
        lines.append(f"{effect.title:40}{now:>11}{''.join(cells)}".rstrip())
    return lines


def _row(found: Compared) -> str:
    effect, apart = found.effect, found.differences
    before, after = (quantile([pair[side] for pair in found.pairs], MEDIAN) for side in (0, 1))
    median, least, most = (
        _figure(effect, value, signed=True) for value in (quantile(apart, MEDIAN), min(apart), max(apart))
    )
    return f"{effect.title:40}{_figure(effect, before):>12}{_figure(effect, after):>12}  {median} [{least}, {most}]"


def _spread_text(effect: Effect, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "never"
    median, low, high = (_figure(effect, value) for value in (quantile(known, MEDIAN), min(known), max(known)))
    return f"{median} [{low}, {high}]" + (f" in {len(known)}" if len(known) < len(values) else "")


def _figure(effect: Effect, value: float, signed: bool = False) -> str:
    if effect.clock:
        return record.text(record.Unit.CLOCK, value)[:5]
    shown = round(value, effect.decimals) + 0.0  # no minus before nothing
    return f"{shown:{'+' if signed and shown else ''},.{effect.decimals}f}"


def _of_the_same_seeds(ways: Mapping[str, Sequence[Kept]]) -> dict[str, list[Kept]]:
    """The runs of the seeds that were played every way."""
    common = set.intersection(*({run.seed for run in runs} for runs in ways.values()))
    return {name: [run for run in runs if run.seed in common] for name, runs in ways.items()}


def _seeds(base: Sequence[Kept], variant: Sequence[Kept]) -> set[int]:
    return {run.seed for run in base} & {run.seed for run in variant}


def tell() -> None:
    """Keeps the tables of what is kept."""
    variants = {name: alike(runs) for name in VARIANTS if (runs := kept(FOLDER / name))}
    seeds = {run.seed for runs in variants.values() for run in runs}
    base = alike(run for run in kept(record.FOLDER) if run.seed in seeds)
    alike([*base, *(run for runs in variants.values() for run in runs)], scenarios=1 + len(variants))
    (ROOT / STAY).write_text(stay_table(base, variants), encoding="utf-8")
    (ROOT / REMEDIES).write_text(remedies_table(base, variants), encoding="utf-8")


def main() -> None:
    """Plays what is not kept yet, and keeps the tables."""
    asked = argparse.ArgumentParser(prog="python -m tests.results.stay")
    asked.add_argument("names", nargs="*", metavar="NAME", help=", ".join(VARIANTS))
    asked.add_argument("--seeds", default=SEEDS)
    asked.add_argument("--jobs", type=int, default=2)
    words = asked.parse_args()
    seeds = record.seeds_of(words.seeds)
    played(Variant().read(), record.FOLDER, seeds, words.jobs)
    for name in words.names or VARIANTS:
        played(VARIANTS[name].read(), FOLDER / name, seeds, words.jobs)
    tell()
    shown_anew()


if __name__ == "__main__":
    main()
