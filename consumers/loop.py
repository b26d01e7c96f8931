"""Loop: the seven steps by which a liquidation storm feeds itself, each with its measure and when it began.

1  shock                 how far the outside price fell, of the symbol where it fell most (the index, where the outside
                         is not known); from the first news
2  makers leave          how many of the token's makers were ever gone
3  no book               what was liquidated and did not go into the book at the bankruptcy price or better
4  fund drains           what the insurance fund paid for liquidations, and how low it was
5  ADL                   what was closed against the deleveraged
6  hedges broken         what the deleveraged sold, hedged anew or lost to liquidation within ten minutes of it
7  further liquidations  what liquidations set off, by cause or pressure (see `cascade`), from the first of these; and
                         what the deleveraged lost, which step 6 holds too
Again      of steps 3 to 6 the share that came by liquidations which others had set off, of 7 the share, by cause, of
           those set off by such as were set off themselves: so much of the step went round more than once.
"""

from collections.abc import Mapping

from msgspec import Struct

from consumers.board import Board
from consumers.broken_hedges import BrokenHedges
from consumers.cascade import Amount, Cascade
from consumers.figures import counted, money, share, stamp, usd
from consumers.paths import Path
from consumers.prices import fall_ppm
from stream_engine.messages.units import MILLION

GENERATIONS = 10  # told one by one; what is deeper is one line


class StepSummary(Struct, frozen=True):
    """One step. None: it never came to that, or nothing of it can go round again."""

    step: str
    at: str | None
    text: str
    usd: float | None
    again_percent: float | None


class GenerationSummary(Struct, frozen=True):
    """What was liquidated in a generation; of the last line maybe in all deeper ones too (`and_deeper`)."""

    generation: int
    and_deeper: bool
    positions: int
    notional_usd: float


class ReproductionSummary(Struct, frozen=True):
    """A minute: what was liquidated in it, what that set off (of it by cause), and the one per the other."""

    at: str
    liquidated_usd: float
    set_off_usd: float
    caused_usd: float
    r: float | None


class CascadeSummary(Struct, frozen=True):
    """How the liquidations fed themselves: R in all and of its highest minute; the tree is the largest by notional."""

    liquidated_usd: float
    set_off_usd: float
    caused_usd: float
    r: float | None
    r_highest: float | None
    r_highest_at: str | None
    deepest: int
    tree_at: str | None
    tree_symbol: str | None
    tree_positions: int
    tree_usd: float
    generations: list[GenerationSummary]
    steps: list[StepSummary]
    minutes: list[ReproductionSummary]


def summarize_cascade(board: Board, token: str | None, outside: Mapping[str, Path]) -> CascadeSummary:
    """What the cascade of a venue came to. `outside`: the paths of the outside source, if known."""
    cascade = board.cascade
    peak, tree = cascade.peak(), cascade.largest
    return CascadeSummary(
        liquidated_usd=usd(cascade.taken.total),
        set_off_usd=usd(cascade.set_off.total),
        caused_usd=usd(cascade.caused.total),
        r=_ratio(cascade.set_off.total, cascade.taken.total),
        r_highest=_ratio(peak.value, MILLION) if peak else None,
        r_highest_at=stamp(peak.ts_us) if peak else None,
        deepest=cascade.deepest,
        tree_at=stamp(tree.ts_us) if tree else None,
        tree_symbol=tree.symbol if tree else None,
        tree_positions=tree.positions if tree else 0,
        tree_usd=usd(tree.notional) if tree else 0.0,
        generations=_generations(cascade),
        steps=_steps(board, token, outside),
        minutes=[_minute(cascade, minute_us) for minute_us in sorted(cascade.taken.minutes)],
    )


def _generations(cascade: Cascade) -> list[GenerationSummary]:
    rows = []
    for generation in range(min(GENERATIONS, cascade.deepest + 1)):
        last = generation == GENERATIONS - 1
        held = [each for at, each in cascade.generations.items() if at == generation or (last and at > generation)]
        positions, notional = sum(each.positions for each in held), sum(each.notional for each in held)
        if held:
            rows.append(GenerationSummary(generation, last and cascade.deepest > generation, positions, usd(notional)))
    return rows


def _minute(cascade: Cascade, minute_us: int) -> ReproductionSummary:
    taken, set_off = cascade.taken.at(minute_us), cascade.set_off.at(minute_us)
    return ReproductionSummary(
        stamp(minute_us), usd(taken), usd(set_off), usd(cascade.caused.at(minute_us)), _ratio(set_off, taken)
    )


def _steps(board: Board, token: str | None, outside: Mapping[str, Path]) -> list[StepSummary]:
    cascade, hedges, news = board.cascade, board.cascade.hedges, board.prices.news
    no_book, paid, closed = cascade.not_into_book, cascade.paid_by_fund, cascade.deleveraged
    lowest = board.fund.balance.low
    left = share(lowest.value, board.fund.opening) if lowest else None
    paid_text = f"{money(paid.total)} paid" + ("" if left is None else f", down to {left:.0f} %")
    makers = board.market_makers.of(token) if token else []
    leaving = board.market_makers.leaving_order(token) if token else []
    return [
        StepSummary("shock", stamp(news[0].ts_us) if news else None, _shock_text(board, outside), None, None),
        StepSummary(
            "makers leave",
            stamp(leaving[0].absences[0].from_us) if leaving else None,
            f"{len(leaving)} of {len(makers)} gone from {token}" if makers else "no makers",
            None,
            None,
        ),
        _step("no book", no_book.first_us, f"{money(no_book.total)} of {money(cascade.taken.total)}", *_of(no_book)),
        _step("fund drains", paid.first_us, paid_text, *_of(paid)),
        _step("ADL", closed.first_us, f"{money(closed.total)} closed", *_of(closed)),
        _step("hedges broken", hedges.first_us, _hedges_text(hedges), hedges.notional, hedges.again),
        _further(cascade),
    ]


def _further(cascade: Cascade) -> StepSummary:
    set_off, fell, first_us = cascade.set_off.total, cascade.hedges.fell, cascade.first_set_off_us
    told = [f"{money(set_off)} set off, {money(cascade.caused.total)} of it by cause"] if set_off else []
    told += [f"{money(fell)} of the deleveraged"] if fell else []
    caused = [(at, each.notional) for at, each in cascade.generations.items() if at]
    again = share(sum(notional for at, notional in caused if at > 1), sum(notional for _, notional in caused))
    at = None if first_us is None else stamp(first_us)
    return StepSummary("further liquidations", at, "; ".join(told) or "none", usd(set_off), again)


def _of(amount: Amount) -> tuple[int, int]:
    return amount.total, amount.again


def _step(step: str, at_us: int | None, text: str, total: int, again: int) -> StepSummary:
    at = None if at_us is None else stamp(at_us)
    return StepSummary(step, at, text if total else "none", usd(total), share(again, total))


def _shock_text(board: Board, outside: Mapping[str, Path]) -> str:
    paths = outside or board.prices.index
    falls = [(fall, symbol) for symbol in board.symbols if (fall := fall_ppm(paths.get(symbol))) is not None]
    if not falls:
        return "no price"
    fall, symbol = max(falls, key=lambda pair: pair[0])
    return f"{'outside' if outside else 'index'} -{fall / 10_000:.1f} % in {symbol}"


def _hedges_text(hedges: BrokenHedges) -> str:
    ways = (("sold", hedges.sold), ("hedged anew", hedges.anew), ("liquidated", hedges.fell))
    went = ", ".join(f"{money(notional)} {way}" for way, notional in ways if notional)
    return f"{counted(len(hedges.accounts), 'account')}: {went}"


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 2) if whole else None
