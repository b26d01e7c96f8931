"""`liqstorm compare`: two run directories beside each other."""

from pathlib import Path

import click

from stream_engine.cli.options import with_page


@click.command()
@click.argument("first", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("second", type=click.Path(path_type=Path), metavar="RUN")
@with_page
def command(first: Path, second: Path, as_json: bool, html: Path | None) -> None:
    """Hold two run directories against each other: what was set otherwise, what came of it, and when.

    One run is one throw: `liqstorm whatif` plays a variant over many seeds.
    """
    import json

    from stream_engine.cli import show
    from stream_engine.cli.errors import UserError
    from stream_engine.cli.reports import Places
    from stream_engine.whatif import beside, beside_table, page

    try:
        found = beside.compare(beside.recorded(first), beside.recorded(second))
    except beside.NotARun as error:
        raise UserError(f"{error}.") from error
    as_text = json.dumps(beside.as_json(found), indent=2)
    places = Places(html, None, "compare")
    places.write(as_text, page.beside(found), [])
    if as_json:
        click.echo(as_text)
    else:
        console = show.stdout()
        console.print(beside_table.beside_table(found))
        places.tell(console)
