"""Status line: how far something has come, on stderr: one line that is rewritten on a terminal, else JSON every 5 s."""

import json
import shutil
import sys
import time

import click

from stream_engine.cli.show import can_draw

LINES_EVERY_S = 5.0
FRAMES_EVERY_S = 0.25
CLEAR = "\r\x1b[K"


class StatusLine:
    """Says what it is told, as often as it can be read."""

    def __init__(self) -> None:
        self._draws = can_draw(sys.stderr)
        self._next_s = time.monotonic() + (0.0 if self._draws else LINES_EVERY_S)

    @property
    def due(self) -> bool:
        """Whether it is time for the next; who must ask others for the facts asks this first."""
        return time.monotonic() >= self._next_s

    def say(self, **facts: object) -> None:
        """Show the facts, if it is time."""
        if not self.due:
            return
        self._next_s = time.monotonic() + (FRAMES_EVERY_S if self._draws else LINES_EVERY_S)
        if self._draws:
            line = "  ".join(f"{name.replace('_', ' ')} {_figure(fact)}" for name, fact in facts.items())
            # A line that wraps could not be rewritten.
            click.echo(CLEAR + line[: shutil.get_terminal_size().columns - 1], nl=False, err=True)
        else:
            click.echo(json.dumps(facts), err=True)

    def end(self) -> None:
        """Take the line away."""
        if self._draws:
            click.echo(CLEAR, nl=False, err=True)


def _figure(fact: object) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name} {_figure(each)}" for name, each in fact.items())
    return f"{fact:,}" if isinstance(fact, int) else str(fact)
