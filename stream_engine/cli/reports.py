"""Reports: where a verb that plays many runs writes what came of them.

--html FILE   one page that opens offline.
--out DIR     table.json, page.html, and runs.jsonl: a line for each run with its summaries, outcomes and labels.
Checked       both before anything runs: an hour of runs must not end at a directory that is not there.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from stream_engine.cli.errors import UserError, why
from stream_engine.cli.playing import Done
from stream_engine.cli.session import new_directory


class Places:
    """The files that were asked for."""

    def __init__(self, html: Path | None, out: Path | None, name: str) -> None:
        self._out = new_directory(out, name) if out is not None else None
        self._html = html
        if html is not None:
            try:
                html.open("a").close()
            except OSError as error:
                raise UserError(f"cannot write {html}: {why(error)}. Name another file with --html.") from error

    def write(self, as_json: str, page: str, runs: Iterable[tuple[str, Done]]) -> None:
        """All of it; each run with the side that it was played on. Runs that came to nothing are left out."""
        files = {self._html: page} if self._html is not None else {}
        if self._out is not None:
            played = [{"side": side, "run": each.result} for side, each in runs if each.result is not None]
            lines = "".join(msgspec.json.encode(each).decode() + "\n" for each in played)
            files |= {self._out / "table.json": as_json, self._out / "page.html": page, self._out / "runs.jsonl": lines}
        for file, text in files.items():
            try:
                file.write_text(text, encoding="utf-8")
            except OSError as error:
                raise UserError(f"cannot write {file}: {why(error)}. Make room, or name another place.") from error

    def tell(self, console: Console) -> None:
        """Where it is."""
        if self._out is not None:
            console.print(Text(f"\nEverything is in {self._out}."), soft_wrap=True)
        if self._html is not None:
            console.print(Text(f"\nThe page is {self._html}."), soft_wrap=True)
