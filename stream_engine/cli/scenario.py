"""`liqstorm scenario`: what can be run, what is in it, and whether a file is one."""

import click

from stream_engine.cli.errors import UserError, nearest, not_a_scenario
from stream_engine.cli.main import examples
from stream_engine.cli.options import SEED, with_settings
from stream_engine.layers import ScenarioError


@click.group()
def command() -> None:
    """List, show and check scenarios: TOML files from which a whole run follows."""


@command.command("list", epilog=examples("liqstorm scenario list", "liqstorm scenario list --json"))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_them(as_json: bool) -> None:
    """The scenarios that come with liqstorm, a line each, and the overlays that may be laid over any of them."""
    import json

    from stream_engine import layers
    from stream_engine import scenario as scenarios

    titles = {
        "scenarios": {name: scenarios.load(name).title for name in scenarios.names()},
        "overlays": {name: layers.overlay(name).title for name in layers.overlays()},
    }
    if as_json:
        click.echo(json.dumps(titles, indent=2))
        return
    width = max(len(name) for named in titles.values() for name in named)
    for kind, named in titles.items():
        click.echo("scenarios" if kind == "scenarios" else "\noverlays, for --with")
        for name, title in named.items():
            click.echo(f"  {name:<{width}}  {title}")


@command.command(
    "show",
    epilog=examples(
        "liqstorm scenario show oct10",
        "liqstorm scenario show oct10-small --set venue.preset=bybit",
        "liqstorm scenario show oct10 --with fund-to-risk --venue bybit-like",
        "liqstorm scenario show oct10 --file > mine.toml",
    ),
)
@click.argument("scenario")
@with_settings
@click.option("--venue", metavar="NAME", help="Of several venues, only this one.")
@click.option("--file", "as_file", is_flag=True, help="The TOML as it stands, with its sources: a start for one's own.")
@click.option("--json", "as_json", is_flag=True, help="The rules for machines: value and origin by path.")
def show(
    scenario: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    venue: str | None,
    as_file: bool,
    as_json: bool,
) -> None:
    """The rules that SCENARIO comes to, of its venues and their markets, and where each came from.

    That is a preset, the file, what is based on it, an overlay, --set or the defaults. Where there are several
    venues, each is shown with its part of the markets. What an overlay or --set changes beside the rules stands at
    the end.
    """
    import json

    from stream_engine import scenario as scenarios
    from stream_engine.cli import rules

    if as_file and (overlays or settings or venue or as_json):
        raise click.UsageError(
            "--file prints what stands in the file: it goes with none of --with, --set, --venue and --json"
        )
    try:
        if as_file:
            click.echo(scenarios.text(scenario), nl=False)
            return
        resolved, layers = scenarios.resolve(scenario, settings, overlays)
    except ScenarioError as error:
        raise not_a_scenario(error) from error
    there = list(scenarios.venues(resolved))
    if venue is not None and venue not in there:
        raise UserError(f"{resolved.name} has no venue {venue}.{nearest(venue, there)}")
    if as_json:
        shown = [*rules.of(resolved, layers, venue), *rules.beside(layers)]
        told = {rule.path: {"value": rule.value, "from": rule.origin} for rule in shown}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(rules.as_toml(resolved, layers, venue))


@command.command(
    "check",
    epilog=examples("liqstorm scenario check mine.toml", "liqstorm scenario check oct10 --set makers.mode=stay"),
)
@click.argument("scenario")
@with_settings
def check(scenario: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Whether SCENARIO can be run: every key, every value, what they say together, and whether an engine takes it.

    Says what there is, of several venues by venue.
    """
    from collections import Counter

    from consumers.figures import counted
    from stream_engine import scenario as scenarios
    from stream_engine.cli import session
    from stream_engine.messages.inputs import OpenAccounts

    cast = session.cast_of(scenario, SEED, settings, overlays)
    checked, accounts = cast.scenario, Counter[str]()
    for each in scenarios.setup(checked, SEED):
        if isinstance(each, OpenAccounts):
            accounts[each.venue] += len(each.accounts)
    several = [(len(checked.venues), "venue")] if len(checked.venues) > 1 else []
    counts = [*several, (len(checked.markets), "market"), (len(checked.makers.desks), "maker")]
    counts.append((accounts.total(), "account"))
    click.echo(f"{cast.name} can be run: {', '.join(counted(number, one) for number, one in counts)}")
    width = max(len(venue.name) for venue in checked.venues)
    for venue in checked.venues if several else []:
        has = f"{counted(len(venue.markets), 'market')}, {counted(accounts[venue.name], 'account')}"
        rules = f"preset {venue.preset}" if venue.preset else "rules of its own"
        click.echo(f"  {venue.name:<{width}}  {100 * venue.share:g} % of the whole, {has}, {rules}")
