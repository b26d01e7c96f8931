"""Codec: the one encoder and the one typed decoder per direction. JSON on the wire.

A value that is no message raises `NotAMessage`, whose text says where in the value and why.
"""

from collections.abc import Callable

import msgspec

from stream_engine.messages.events import AnyEvent, Event
from stream_engine.messages.inputs import AnyInput, Input


class NotAMessage(ValueError):
    """A value that cannot be decoded: not JSON, of an unknown type, or of the wrong shape."""


_encoder = msgspec.json.Encoder()
_inputs: msgspec.json.Decoder[AnyInput] = msgspec.json.Decoder(AnyInput)
_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


# The message as JSON: fields in the order of their declaration, none that has its default.
encode: Callable[[Input | Event], bytes] = _encoder.encode


def decode_input(value: bytes) -> AnyInput:
    """The input in a record's value; raises NotAMessage."""
    try:
        return _inputs.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAMessage(_why(error)) from error


def decode_event(value: bytes) -> AnyEvent:
    """The event in a record's value; raises NotAMessage."""
    try:
        return _events.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAMessage(_why(error)) from error


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
