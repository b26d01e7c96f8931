"""The summary as a table for a terminal, of any width from 80 columns up."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.figures import counted, duration
from consumers.loop import CascadeSummary
from consumers.paths import SECOND_US
from consumers.summary import BreakerSummary, FundSummary, LiquidationSummary, Summary, usd_text

GENERATIONS_TOLD = 5


def table(summary: Summary) -> RenderableType:
    """Order of onset, makers, where the liquidated went, fund, loop, breakers, funding, the run beside the record."""
    parts: list[RenderableType] = [
        Text(f"{summary.title or summary.venue}   {summary.from_at} to {summary.until_at}", style="bold"),
        Text(),
        _timeline_table(summary),
        Text(),
    ]
    if summary.makers and summary.token:
        parts += [_makers_table(summary), Text()]
    if summary.liquidations.positions:
        parts += [_waterfall_text(summary.liquidations), Text()]
    parts += [_fund_text(summary.fund), Text()]
    if summary.cascade.liquidated_usd:
        parts += [_loop_table(summary.cascade), _cascade_text(summary.cascade), Text()]
    if any(summary.breakers.held_up.values()):
        parts += [_breakers_text(summary.breakers), Text()]
    if summary.funding_paid_usd:
        paid = f"{usd_text(summary.funding_paid_usd)} paid from one side to the other"
        parts += [Text.assemble(("Funding  ", "italic"), paid), Text()]
    if summary.beside:
        parts += [_beside_table(summary), Text()]
    parts.append(Text(summary.honesty, style="dim"))
    return Group(*parts)


def venues_table(summaries: Sequence[Summary]) -> RenderableType:
    """Venues of one run beside each other, a line each."""
    grid = Table(title="Venues", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("venue", "ADL from", "liquidated", "accounts", "deleveraged", "fund at its lowest", "deficit"):
        grid.add_column(heading, justify="left" if heading == "venue" else "right")
    for each in summaries:
        began = next((onset.at[11:19] for onset in each.timeline if onset.what == "adl"), "")
        lowest = "" if each.fund.lowest_percent is None else f"{each.fund.lowest_percent:.0f} %"
        grid.add_row(
            each.venue,
            began,
            usd_text(each.liquidations.notional_usd),
            f"{each.liquidations.accounts:,}",
            usd_text(each.adl.notional_usd),
            lowest,
            usd_text(each.fund.deficit_usd),
        )
    return grid


def _timeline_table(summary: Summary) -> Table:
    grid = Table(title="Order of onset (UTC)", title_justify="left", box=None, padding=(0, 2, 0, 0))
    grid.add_column("at", no_wrap=True)
    grid.add_column("what")
    grid.add_column("where", no_wrap=True)
    if summary.beside:
        grid.add_column("public record")
    for onset in summary.timeline:
        cells = (onset.at[11:19], onset.text, onset.symbol or "", onset.record or "")
        grid.add_row(*cells[: len(grid.columns)])
    if not summary.timeline:
        grid.add_row("", "nothing happened")
    return grid


def _makers_table(summary: Summary) -> Table:
    grid = Table(title=f"Makers in {summary.token}", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("maker", "thin from", "gone from", "order", "back", "out for", "at the end"):
        grid.add_column(heading, no_wrap=True, justify="right" if heading in ("order", "out for") else "left")
    for maker in summary.makers:
        if maker.symbol == summary.token:
            grid.add_row(
                maker.maker,
                maker.thin_at[11:19] if maker.thin_at else "-",
                maker.gone_at[11:19] if maker.gone_at else "-",
                str(maker.order or "-"),
                maker.back_at[11:19] if maker.back_at else "-",
                duration(maker.out_s * SECOND_US) if maker.gone_at else "-",
                maker.state,
            )
    return grid


def _waterfall_text(liquidated: LiquidationSummary) -> Text:
    terms = (
        ("book", liquidated.into_book_usd),
        ("book at the fund's cost", liquidated.at_the_funds_cost_usd),
        ("fund takes over", liquidated.taken_over_usd),
        ("vaults", liquidated.to_vaults_usd),
        ("ADL", liquidated.deleveraged_usd),
        ("deficit", liquidated.deficit_usd),
    )
    went = ", ".join(f"{term} {usd_text(dollars)}" for term, dollars in terms if dollars)
    positions, accounts = counted(liquidated.positions, "position"), counted(liquidated.accounts, "account")
    line = f"{usd_text(liquidated.notional_usd)}, {positions} of {accounts}: {went}"
    return Text.assemble(("Liquidated  ", "italic"), line)


def _fund_text(fund: FundSummary) -> Text:
    seldom = [("+ tranche", fund.tranche_usd), ("+ unwound", fund.unwound_usd), ("+ backstop", fund.backstop_usd)]
    terms = (
        ("opening", fund.opening_usd),
        ("+ surplus", fund.surplus_usd),
        ("+ dust", fund.dust_usd),
        ("- cover", fund.cover_usd),
        ("- shortfall", fund.shortfall_usd),
        ("- debt", fund.debt_usd),
        *(term for term in seldom if term[1]),
        ("= closing", fund.closing_usd),
    )
    line = " ".join(f"{term} {usd_text(dollars)}" for term, dollars in terms)
    verdict = "adds up to the micro-unit" if fund.adds_up else "DOES NOT ADD UP"
    deficit = f"; deficit {usd_text(fund.deficit_usd)}"
    return Text.assemble(("Insurance fund  ", "italic"), line, f" ({verdict}){deficit}")


def _loop_table(cascade: CascadeSummary) -> Table:
    grid = Table(box=None, padding=(0, 2, 0, 0))
    grid.add_column("The loop", no_wrap=True)
    grid.add_column("from", no_wrap=True)
    grid.add_column("how much")
    grid.add_column("again", no_wrap=True, justify="right")
    for number, step in enumerate(cascade.steps, start=1):
        again = "" if step.again_percent is None else f"{step.again_percent:.0f} %"
        grid.add_row(f"{number} {step.step}", step.at[11:19] if step.at else "-", step.text, again)
    return grid


def _cascade_text(cascade: CascadeSummary) -> Text:
    told = [f"{each.generation} {usd_text(each.notional_usd)}" for each in cascade.generations[:GENERATIONS_TOLD]]
    deeper = sum(each.notional_usd for each in cascade.generations[GENERATIONS_TOLD:])
    if deeper:
        told.append(f"deeper {usd_text(deeper)}, the last {cascade.deepest}")
    positions = counted(cascade.tree_positions, "position")
    tree = f"the largest tree {usd_text(cascade.tree_usd)}, {positions}, from {cascade.tree_symbol}"
    line = f"{', '.join(told)}; {_reproduction(cascade)}; {tree}. Again: by liquidations that others had set off"
    return Text.assemble(("Generations  ", "italic"), line)


def _reproduction(cascade: CascadeSummary) -> str:
    if not cascade.set_off_usd:
        return "none set off another (R 0)"
    highest_at = (cascade.r_highest_at or "-")[11:16]
    return f"each dollar set off {cascade.r} more (R), in the minute of {highest_at} {cascade.r_highest}"


def _breakers_text(breakers: BreakerSummary) -> Text:
    held_up = ", ".join(f"{kind} {times:,}" for kind, times in breakers.held_up.items() if times)
    cost = breakers.delay_cost_usd
    more = f"{usd_text(-cost)} less" if cost < 0 else f"{usd_text(cost)} more"
    line = (
        f"held liquidations up (times: {held_up}), {duration(breakers.waited_s * SECOND_US)} in all; those who fell "
        f"meanwhile owed {more} at the end than before; {counted(breakers.pauses, 'pause')}"
    )
    return Text.assemble(("Circuit breakers  ", "italic"), line)


def _beside_table(summary: Summary) -> Table:
    grid = Table(title="This run beside the public record", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("figure", "this run", "public record"):
        grid.add_column(heading)
    grid.add_column("sure", no_wrap=True)
    for row in summary.beside:
        grid.add_row(row.figure, row.run, row.record, row.how_sure)
    return grid
