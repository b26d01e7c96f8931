"""Operating: one control input to a running venue, and what its engine answers.

Where     the venue's partition is in the map on `control`; where that was trimmed away, whichever speaks of it.
When      at the venue's own time, that of its last event: an operator's clock must not move a venue's.
Answer    the first event of the venue after the input that says what became of it; a dead letter says why it was not
          taken. No answer: no engine runs, or it is far behind; the input stays on `control` and is taken later.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from stream_engine.cli.errors import UserError, nearest
from stream_engine.cli.topic_rules import options, partitions_there
from stream_engine.messages.codec import NotAMessage, decode_event, decode_input, encode
from stream_engine.messages.events import AnyEvent, ControlRejected, Event
from stream_engine.messages.inputs import Input, MapVenue, SetRules
from stream_engine.messages.topics import Topic
from stream_engine.transport.kafka import KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Log, Outgoing, TopicPartition, headers

READ_AT_ONCE = 4_096
POLL_S = 0.2
RUN_ID = "operator"


class Place(NamedTuple):
    """Where a venue lives, and its time."""

    partition: int
    now_us: int


async def operate(
    settings: KafkaSettings, prefix: str, venue: str, make: Callable[[int], Input], answers: type[Event], wait_s: float
) -> AnyEvent:
    """Send the input that `make` gives for the venue's time; the event that answers it. UserError where none comes."""
    partitions = await partitions_there(settings, prefix)
    log = KafkaLog(settings)
    try:
        place = await find(log, prefix, partitions, venue)
        return await send_and_hear(log, prefix, place, make(place.now_us), answers, wait_s, settings.bootstrap)
    finally:
        await log.close()


async def find(log: Log, prefix: str, partitions: int, venue: str) -> Place:
    """Where the venue lives, and its time; UserError where there is no such venue, or it has not begun."""
    homes, is_whole = await _venue_map(log, prefix)
    if venue not in homes and is_whole:
        there = nearest(venue, homes) if homes else " Nothing has named one yet: start `liqstorm produce` or `replay`."
        raise UserError(f"there is no venue {venue!r} on the topics{' ' + prefix + '*' if prefix else ''}.{there}")
    for partition in [homes[venue]] if venue in homes else range(partitions):
        now_us = await _last_time(log, (prefix + Topic.MARKET.value, partition), venue)
        if now_us is not None:
            return Place(partition, now_us)
    raise UserError(f"nothing has happened on venue {venue!r} yet: no engine has taken its clock. Start one.")


async def send_and_hear(
    log: Log, prefix: str, place: Place, received: Input, answers: type[Event], wait_s: float, bootstrap: str
) -> AnyEvent:
    """Append the input, and wait for its answer."""
    value = encode(received)
    topics = (Topic.MARKET, Topic.EXECUTIONS, Topic.DEADLETTERS)
    positions = await log.ends([(prefix + topic.value, place.partition) for topic in topics])
    dead_letters = (prefix + Topic.DEADLETTERS.value, place.partition)
    control, key = prefix + Topic.CONTROL.value, received.venue.encode()
    await log.append([Outgoing(control, place.partition, key, value, received.ts_us, headers(Topic.CONTROL, RUN_ID))])
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while (left_s := until_s - loop.time()) > 0:
        found = await log.read(positions, READ_AT_ONCE, min(left_s, POLL_S))
        for at, records in found.items():
            positions[at] = records[-1].offset + 1
            for record in records:
                if at == dead_letters:
                    if record.value == value:
                        why = dict(record.headers).get("reason", b"").decode(errors="replace")
                        raise UserError(f"the engine did not take it: {why}.")
                elif record.key == key and (event := _answer(record.value, type(received), answers)) is not None:
                    return event
    then = f"The input stays on {control} and is taken by the next engine:"
    if received == SetRules(received.venue, received.ts_us):  # it asked what the rules are
        then = "Nothing is changed: the rules must be known first."
    raise UserError(
        f"no engine answered within {wait_s:g} s. {then}"
        f" `liqstorm engine {options(bootstrap, prefix)}` starts one, `liqstorm doctor` says how far behind it is."
    )


def _answer(value: bytes, asked: type[Input], answers: type[Event]) -> AnyEvent | None:
    try:
        event = decode_event(value)
    except NotAMessage:
        return None
    if isinstance(event, ControlRejected):
        return event if event.input == asked.__name__ else None
    return event if isinstance(event, answers) else None


async def _venue_map(log: Log, prefix: str) -> tuple[dict[str, int], bool]:
    """The venues that partition 0 of `control` maps, as every other does; and whether it has all that it ever had."""
    at = (prefix + Topic.CONTROL.value, 0)
    start, end = (await log.starts([at]))[at], (await log.ends([at]))[at]
    homes: dict[str, int] = {}
    position = start
    while position < end and (records := (await log.read({at: position}, READ_AT_ONCE)).get(at)):
        position = records[-1].offset + 1
        for record in records:
            if b"MapVenue" in record.value:
                try:
                    received = decode_input(record.value)
                except NotAMessage:
                    continue
                if isinstance(received, MapVenue):
                    homes.setdefault(received.venue, received.partition)  # the first holds
    return homes, start == 0


async def _last_time(log: Log, at: TopicPartition, venue: str) -> int | None:
    """The time of the venue's last event there, looked for from the end."""
    start, end = (await log.starts([at]))[at], (await log.ends([at]))[at]
    key, window = venue.encode(), READ_AT_ONCE
    while end > start:
        begin = max(start, end - window)
        last = None
        position = begin
        while position < end and (records := (await log.read({at: position}, READ_AT_ONCE)).get(at)):
            position = records[-1].offset + 1
            last = next((record for record in reversed(records) if record.key == key), last)
        if last is not None:
            return decode_event(last.value).ts_us
        end, window = begin, 2 * window
    return None
