"""The exchange: input bytes to event bytes, against decoding and encoding the same bytes and doing nothing."""

from collections.abc import Callable

from stream_engine.core.exchange import Exchange
from stream_engine.messages.codec import decode_input, encode
from stream_engine.messages.events import AnyEvent
from tests.benchmarks.flows import VENUE, Flow, mixed, quoting, simple
from tests.benchmarks.measure import ROUNDS, in_turn, keep, rate, ratio

Work = Callable[[], None]

INPUTS = 100_000
HOW = """
One venue, one symbol, 1,000 accounts with margin, 3,000 resting orders at the start. Each input is decoded from JSON,
applied with matching, margin, watch and events, and every event encoded to JSON: bytes in to event bytes out.
`apply alone` is the same without the codec. The reference decodes the same inputs and encodes the same events.
"""


def run() -> None:
    """Measure and keep."""
    lines = []
    for flow in (simple(INPUTS), mixed(INPUTS), quoting(INPUTS // 10)):
        values = [encode(each) for each in flow.body]
        exchange = _ready(flow)
        events = [event for each in flow.body for event in exchange.apply(each)]
        whole, alone, codec = in_turn(*_works(flow, values, events))
        count = len(flow.body)
        lines += [
            f"{flow.name}: {len(events) / count:.1f} events an input",
            f"  bytes in to event bytes out {rate(count, whole)}   against the codec alone {ratio(whole, codec)}",
            f"  apply alone                 {rate(count, alone)}   against the codec alone {ratio(alone, codec)}",
        ]
    keep("apply", HOW, lines)


def _works(flow: Flow, values: list[bytes], events: list[AnyEvent]) -> tuple[Work, Work, Work]:
    ready = [_ready(flow) for _ in range(2 * ROUNDS)]

    def whole() -> None:
        apply = ready.pop().apply
        for value in values:
            for event in apply(decode_input(value)):
                encode(event)

    def alone() -> None:
        apply = ready.pop().apply
        for each in flow.body:
            apply(each)

    def codec() -> None:
        for value in values:
            decode_input(value)
        for event in events:
            encode(event)

    return whole, alone, codec


def _ready(flow: Flow) -> Exchange:
    exchange = Exchange(VENUE)
    for each in flow.head:
        exchange.apply(each)
    return exchange
