"""`liqstorm scenario`: what can be run, what is in it, and whether a file is one."""

import click

from stream_engine.cli.errors import not_a_scenario
from stream_engine.cli.main import examples
from stream_engine.cli.options import SEED, with_settings


@click.group()
def command() -> None:
    """List, show and check scenarios: TOML files from which a whole run follows."""


@command.command("list", epilog=examples("liqstorm scenario list", "liqstorm scenario list --json"))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_them(as_json: bool) -> None:
    """The scenarios that come with liqstorm, a line each."""
    import json

    from stream_engine import scenario as scenarios

    titles = {name: scenarios.load(name).title for name in scenarios.names()}
    if as_json:
        click.echo(json.dumps(titles, indent=2))
    else:
        width = max(map(len, titles))
        for name, title in titles.items():
            click.echo(f"{name:<{width}}  {title}")


@command.command("show", epilog=examples("liqstorm scenario show oct10", "liqstorm scenario show oct10 > mine.toml"))
@click.argument("scenario")
def show(scenario: str) -> None:
    """The TOML of SCENARIO, with its sources: a start for one's own."""
    from stream_engine import scenario as scenarios

    try:
        click.echo(scenarios.text(scenario), nl=False)
    except scenarios.ScenarioError as error:
        raise not_a_scenario(error) from error


@command.command(
    "check",
    epilog=examples("liqstorm scenario check mine.toml", "liqstorm scenario check oct10 --set makers.stay=true"),
)
@click.argument("scenario")
@with_settings
def check(scenario: str, settings: tuple[str, ...]) -> None:
    """Whether SCENARIO can be run: every key, every value, what they say together, and whether an engine takes it."""
    from stream_engine import scenario as scenarios
    from stream_engine.cli import session
    from stream_engine.messages.inputs import OpenAccounts

    try:
        checked = scenarios.load(scenario, settings)
    except scenarios.ScenarioError as error:
        raise not_a_scenario(error) from error
    opened = [each.accounts for each in session.check(checked, SEED) if isinstance(each, OpenAccounts)]
    markets, makers = len(checked.markets), len(checked.makers.desks)
    venues = "" if checked.venue.copies == 1 else f"{checked.venue.copies} venues, each with "
    accounts = sum(map(len, opened)) // checked.venue.copies
    click.echo(f"{checked.name} can be run: {venues}{markets} markets, {makers} makers, {accounts:,} accounts")
