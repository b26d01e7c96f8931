"""What is said to whoever typed the command when it cannot be done: what, why, what to do, in one or two sentences.

Exit status   0 done   1 something outside failed (a file, a scenario)   2 a wrong word on the command line
              130 stopped by Ctrl-C   141 whoever read the output has gone.   `apply` has its own; see there.
"""

import difflib
import os
from collections.abc import Iterable
from typing import IO, Any

import click

FAILED = 1
INTERRUPTED = 130
NOBODY_READS = 141


class UserError(click.ClickException):
    """What cannot be done, and no fault of ours."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status

    def show(self, file: IO[Any] | None = None) -> None:
        """The sentences on stderr, without decoration."""
        click.echo(f"liqstorm: {self.message}", file=file, err=True)


def not_a_scenario(error: Exception) -> UserError:
    """The complaint of the scenario's reader, with where to look: the error's own `look`, where it has one."""
    look = getattr(error, "look", "`liqstorm scenario list` and `liqstorm scenario show NAME` say what there is.")
    return UserError(f"{error}. {look}")


def why(error: OSError) -> str:
    """The reason of a system error in small words: `no space left on device`."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or what there is."""
    words = list(known)
    close = difflib.get_close_matches(word, words, 1)
    return f" Did you mean {close[0]!r}?" if close else f" There is: {', '.join(words)}."


def silence(descriptor: int) -> None:
    """Sends what is still buffered for a broken output to nowhere, lest closing it raise the same error again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
