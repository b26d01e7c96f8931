"""Stopping: how a verb that runs for a while is told to end, and on which event loop it runs.

First signal    SIGINT (Ctrl-C) or SIGTERM: it ends at the next good place, and keeps what it has.
Second signal   it ends at once.
Status          what a signal means to whoever waits for the process: 130 after SIGINT, 143 after SIGTERM.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from stream_engine.cli.errors import UserError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Says whether the end was asked for."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> bool:
        return self.number != 0

    @property
    def status(self) -> int:
        """The exit status of what was ended so; 0 if it was not."""
        return 128 + self.number if self.number else 0


@contextmanager
def interruption() -> Iterator[Stop]:
    """Hears the signals until the block is left."""
    stop = Stop()

    def hear(number: int, frame: FrameType | None) -> None:
        if stop():
            raise KeyboardInterrupt
        stop.number = number

    before = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def loop_factory(name: str | None) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes the loop of this name; none: uvloop where it is installed."""
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        if name is None:
            return asyncio.new_event_loop
        raise UserError("uvloop is not installed, as on Windows; use --loop asyncio.") from None
    return uvloop.new_event_loop
