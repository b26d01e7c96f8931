"""Handlers: which function of a monitor takes which type of event. A board merges those of several monitors."""

from collections.abc import Callable, Iterable
from typing import Any

from consumers.monitor import Finding
from stream_engine.messages.events import Event

Handlers = dict[type[Event], Callable[[Any], Iterable[Finding]]]
