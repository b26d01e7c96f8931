"""The exchange: input bytes to journal and event bytes, against decoding and encoding the same bytes alone."""

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path

from stream_engine.core.exchange import Exchange
from stream_engine.journal import Chain, Draft
from stream_engine.messages.codec import decode_input, encode
from stream_engine.messages.events import AnyEvent
from stream_engine.messages.topics import Topic
from stream_engine.transport.protocol import Outgoing
from stream_engine.venues import Venues
from tests.benchmarks.flows import VENUE, Flow, mixed, quoting, simple
from tests.benchmarks.measure import ROUNDS, in_turn, keep, rate, ratio

Work = Callable[[], None]

INPUTS = 60_000
HOW = """
One venue, one symbol, 1,000 accounts with margin, 3,000 resting orders at the start. Each input is decoded from JSON,
applied with matching, margin, watch and events, every event encoded to JSON, and the input put into the journal's
record, which is sealed when it is full: bytes in to journal and event bytes out, as the engine does it but for the log.
`apply alone` is the same without codec and journal. The reference decodes the same inputs and encodes the same events.
`mixed`: 60 % orders near the touch, 30 % cancels, 10 % that take.
"""

PROFILED = 20_000
SHOWN = 14
# What bounds it, as read from the profile: the goals are 350,000 commands and 250,000 inputs to bytes a second.
BOUNDS = """
No single thing bounds it: a command is some fifty calls of Python functions, none above a tenth of the time. An order
that takes meets 3.8 others on average, and each fill settles two accounts, asks two fees, puts two watches right and
makes two events: a tenth of the commands is more than half of the time. Orders that rest and cancels (`simple`) go
through more than twice as fast. The book is a tenth of it (book.txt has it alone); the rest is margin before an order,
settlement and the watch after it, and the making of the events. From bytes to bytes each event costs once more what
encoding it and its record for the log do.
"""


def run() -> None:
    """Measure and keep."""
    lines = []
    for flow in (simple(INPUTS), mixed(INPUTS), quoting(INPUTS // 10)):
        values = [encode(each) for each in flow.body]
        exchange = ready(flow)
        events = [event for each in flow.body for event in exchange.apply(each)]
        whole, alone, codec = in_turn(*_works(flow, values, events))
        count = len(flow.body)
        lines += [
            f"{flow.name}: {len(events) / count:.1f} events an input",
            f"  bytes in to bytes out       {rate(count, whole)}   against the codec alone {ratio(whole, codec)}",
            f"  apply alone                 {rate(count, alone)}   against the codec alone {ratio(alone, codec)}",
        ]
    lines += ["", *_profile(mixed(PROFILED)), *BOUNDS.strip().splitlines()]
    keep("apply", HOW, lines)


def ready(flow: Flow) -> Exchange:
    """An exchange that is set up and has its book filled."""
    exchange = Exchange(VENUE)
    for each in flow.head:
        exchange.apply(each)
    return exchange


def _profile(flow: Flow) -> list[str]:
    """Where the time of `apply` goes, by module, own time only."""
    apply, profile = ready(flow).apply, cProfile.Profile()
    profile.enable()
    for each in flow.body:
        apply(each)
    profile.disable()
    seconds: dict[str, float] = {}
    for (file, _, _), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        where = Path(file).stem if "stream_engine" in file else "built in: dict, list, len, ..."
        seconds[where] = seconds.get(where, 0.0) + own
    total = sum(seconds.values())
    first = sorted(seconds.items(), key=lambda each: (-each[1], each[0]))[:SHOWN]
    return [f"profile of {flow.name}, apply alone, own time by module (cProfile: many small calls look larger):"] + [
        f"  {own / total:>4.0%}  {where}" for where, own in first
    ]


def _works(flow: Flow, values: list[bytes], events: list[AnyEvent]) -> tuple[Work, Work, Work]:
    exchanges = [ready(flow) for _ in range(2 * ROUNDS)]

    def whole() -> None:
        venues = Venues(0, "", "")
        venues.add(exchanges.pop())
        chain = Chain()
        draft = Draft(chain.length)
        out: list[Outgoing] = []
        for offset, value in enumerate(values):
            if not draft.has_room(value):
                chain.seal(draft)
                draft = Draft(chain.length)
                out = []
            assert not venues.take(decode_input(value), draft.seq, out)
            draft.add(Topic.ORDERS.value, offset, value)
        chain.seal(draft)

    def alone() -> None:
        apply = exchanges.pop().apply
        for each in flow.body:
            apply(each)

    def codec() -> None:
        for value in values:
            decode_input(value)
        for event in events:
            encode(event)

    return whole, alone, codec
