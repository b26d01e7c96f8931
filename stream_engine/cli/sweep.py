"""`liqstorm sweep`: a grid of settings, each cell over many seeds; and the fund that would have been enough."""

from pathlib import Path

import click

from stream_engine.cli.options import with_reports, with_runs, with_settings
from stream_engine.whatif.outcomes import BY_NAME

SHOWN = ("liquidated", "adl", "fund_lowest")
MOST_RUNS = 10_000


@click.command()
@click.argument("scenario")
@click.option("--over", "over", multiple=True, metavar="A.B=X,Y,Z", help="A setting and its values; repeatable.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice(list(BY_NAME)),
    default=SHOWN,
    show_default=True,
    help="What to show of each cell; repeatable. The JSON has all.",
)
@click.option("--enough", is_flag=True, help="Find the fund that would have been enough, too.")
@with_settings
@with_runs
@with_reports
@click.pass_context
def command(
    ctx: click.Context,
    scenario: str,
    over: tuple[str, ...],
    outcomes: tuple[str, ...],
    enough: bool,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    runs: int,
    jobs: int | None,
    seed: int,
    as_json: bool,
    html: Path | None,
    out: Path | None,
    quiet: bool,
) -> None:
    """Play SCENARIO with every choice of the values of --over, each over the same seeds.

    The table is a heat map of medians. Where the size of the fund is swept, or with --enough, it is played with a fund
    that never runs dry as well: the losses that this one bears say which fund would have been enough in 50, 90, 99 and
    99.9 % of the runs. Ctrl-C ends it with what is done so far.
    """
    import json

    from stream_engine.cli import playing, session, show
    from stream_engine.cli.errors import FAILED, not_a_scenario
    from stream_engine.cli.reports import Places
    from stream_engine.layers import ScenarioError
    from stream_engine.whatif import enough as funds
    from stream_engine.whatif import grid, page, plan, report, sweep_table
    from stream_engine.whatif.play import Task

    if not over and not enough:
        raise click.UsageError("Over what? --over A.B=X,Y,Z names a setting and its values; --enough asks for a fund.")
    change = plan.Change(overlays, settings)
    try:
        base = plan.read(scenario, change)
        axes, cells = grid.cells(scenario, change, [grid.axis(each) for each in over]) if over else ([], [])
    except ScenarioError as error:
        raise not_a_scenario(error) from error
    asks_for_fund = enough or any(axis.is_fund for axis in axes)
    sides = [*(cell.scenario for cell in cells), *([funds.without_end(base)] if asks_for_fund else [])]
    playing.check_number(base, len(sides), runs, jobs, MOST_RUNS)
    session.check(base, seed)
    places = Places(html, out, f"{base.name}-sweep")
    seeds = list(plan.seeds_from(seed, runs))
    tasks = [Task(side, number) for number in seeds for side in sides]
    played = playing.played(tasks, jobs, quiet)
    names = [" ".join(cell.values) for cell in cells] + ["a fund without end"] * asks_for_fund
    by_side = [played.runs[at :: len(sides)] for at in range(len(sides))]
    endless = playing.results(by_side[-1]) if asks_for_fund else []
    told = report.Sweep(
        scenario=base.name,
        base=change,
        axes=axes,
        seeds=seeds,
        cells=[
            grid.cell_outcome(cell, {run.seed: run.outcomes for run in playing.results(side)})
            for cell, side in zip(cells, by_side, strict=False)
        ],
        chosen=list(dict.fromkeys(outcomes)),
        enough=funds.enough(base, [run.summaries for run in endless]),
        failed=[
            f"{name}, seed {task.seed}: {each.why}"
            for name, task, each in zip(names * runs, tasks, played.runs, strict=True)
            if each.why
        ],
        stopped=bool(played.status),
    )
    as_text = json.dumps(report.sweep_as_json(told), indent=2)
    places.write(as_text + "\n", page.sweep(told), zip(names * runs, played.runs, strict=True))
    if as_json:
        click.echo(as_text)
    else:
        console = show.stdout()
        console.print(sweep_table.sweep_table(told))
        places.tell(console)
    ctx.exit(played.status or (FAILED if told.failed else 0))
