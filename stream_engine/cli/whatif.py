"""`liqstorm whatif`: a scenario as it is and otherwise, over many seeds, the same noise in both."""

from pathlib import Path

import click

from stream_engine.cli.options import with_reports, with_runs, with_settings


@click.command()
@click.argument("scenario")
@with_settings
@click.option("--base-set", "base_settings", multiple=True, metavar="A.B=C", help="A setting of both; repeatable.")
@click.option("--base-with", "base_overlays", multiple=True, metavar="OVERLAY", help="An overlay of both; repeatable.")
@with_runs
@with_reports
@click.pass_context
def command(
    ctx: click.Context,
    scenario: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    base_settings: tuple[str, ...],
    base_overlays: tuple[str, ...],
    runs: int,
    jobs: int | None,
    seed: int,
    as_json: bool,
    html: Path | None,
    out: Path | None,
    quiet: bool,
) -> None:
    """Play SCENARIO as it is and as --set and --with change it, and hold the two against each other.

    Each seed is played both ways with the same noise, in memory, over processes. The table has median and 5 to 95 % of
    every outcome, of base, variant and of the difference of each seed, and how many seeds went up and down. Ctrl-C ends
    it with what is done so far.
    """
    import json
    from itertools import cycle

    from stream_engine.cli import playing, session, show
    from stream_engine.cli.errors import FAILED, not_a_scenario
    from stream_engine.cli.reports import Places
    from stream_engine.layers import ScenarioError
    from stream_engine.whatif import page, plan, report, table
    from stream_engine.whatif.play import Task

    if not settings and not overlays:
        raise click.UsageError("What if what? --set A.B=C or --with OVERLAY says what the variant changes.")
    both, variant = plan.Change(base_overlays, base_settings), plan.Change(overlays, settings)
    try:
        contrast = plan.contrast(scenario, both, variant)
    except ScenarioError as error:
        raise not_a_scenario(error) from error
    for each in (contrast.base, contrast.variant):
        session.check(each, seed)
    places = Places(html, out, f"{contrast.base.name}-whatif")
    seeds = list(plan.seeds_from(seed, runs))
    tasks = [Task(side, number) for number in seeds for side in (contrast.base, contrast.variant)]
    played = playing.played(tasks, jobs, quiet)
    by_side = list(zip(cycle(("base", "variant")), played.runs, strict=False))
    told = report.what_if(
        contrast.base.name,
        (both, variant),
        seeds,
        playing.results(played.runs[::2]),
        playing.results(played.runs[1::2]),
        [
            f"{side} of seed {task.seed}: {each.why}"
            for task, (side, each) in zip(tasks, by_side, strict=True)
            if each.why
        ],
        bool(played.status),
    )
    as_text = json.dumps(report.as_json(told), indent=2)
    places.write(as_text + "\n", page.what_if(told), by_side)
    if as_json:
        click.echo(as_text)
    else:
        console = show.stdout()
        console.print(table.table(told, console.width))
        places.tell(console)
    ctx.exit(played.status or (FAILED if told.failed else 0))
