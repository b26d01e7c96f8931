"""`liqstorm scenario`: what can be run, what is in it, and whether a file is one."""

import click

from stream_engine.cli.errors import not_a_scenario
from stream_engine.cli.main import examples
from stream_engine.cli.options import SEED, with_settings
from stream_engine.layers import ScenarioError


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


@command.command(
    "show",
    epilog=examples(
        "liqstorm scenario show oct10",
        "liqstorm scenario show oct10 --set venue.preset=bybit",
        "liqstorm scenario show oct10 --file > mine.toml",
    ),
)
@click.argument("scenario")
@with_settings
@click.option("--file", "as_file", is_flag=True, help="The TOML as it stands, with its sources: a start for one's own.")
@click.option("--json", "as_json", is_flag=True, help="The rules for machines: value and origin by path.")
def show(scenario: str, settings: tuple[str, ...], as_file: bool, as_json: bool) -> None:
    """The rules that SCENARIO comes to, of its venue and its markets, and where each came from.

    That is a preset, the file, --set or the defaults.
    """
    import json

    from stream_engine import scenario as scenarios
    from stream_engine.cli import rules

    if as_file and (settings or as_json):
        raise click.UsageError("--file prints what stands in the file: it goes with neither --set nor --json")
    try:
        if as_file:
            click.echo(scenarios.text(scenario), nl=False)
            return
        resolved, layers = scenarios.resolve(scenario, settings)
    except ScenarioError as error:
        raise not_a_scenario(error) from error
    if as_json:
        told = {rule.path: {"value": rule.value, "from": rule.origin} for rule in rules.of(resolved, layers)}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(rules.as_toml(resolved, layers))


@command.command(
    "check",
    epilog=examples("liqstorm scenario check mine.toml", "liqstorm scenario check oct10 --set makers.stay=true"),
)
@click.argument("scenario")
@with_settings
def check(scenario: str, settings: tuple[str, ...]) -> None:
    """Whether SCENARIO can be run: every key, every value, what they say together, and whether an engine takes it."""
    from consumers.figures import counted
    from stream_engine import scenario as scenarios
    from stream_engine.cli import session
    from stream_engine.messages.inputs import OpenAccounts

    try:
        checked = scenarios.load(scenario, settings)
    except ScenarioError as error:
        raise not_a_scenario(error) from error
    opened = [each.accounts for each in session.check(checked, SEED) if isinstance(each, OpenAccounts)]
    venues = "" if checked.venue.copies == 1 else f"{checked.venue.copies} venues, each with "
    accounts = sum(map(len, opened)) // checked.venue.copies
    counts = (len(checked.markets), "market"), (len(checked.makers.desks), "maker"), (accounts, "account")
    has = ", ".join(counted(number, one) for number, one in counts)
    click.echo(f"{checked.name} can be run: {venues}{has}")
