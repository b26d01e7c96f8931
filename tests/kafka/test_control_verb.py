"""`liqstorm control` on a real broker: the input comes at the venue's time, and the engine's answer is printed."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import pytest
from click.testing import CliRunner, Result

from stream_engine import journal
from stream_engine.cli.main import liqstorm
from stream_engine.messages.codec import decode_event, decode_input
from stream_engine.messages.events import TradingHalted
from stream_engine.messages.inputs import HaltTrading, Input, MapVenue
from stream_engine.transport.kafka import KafkaAdmin, KafkaLog, KafkaSettings
from stream_engine.transport.protocol import Outgoing, Record
from tests.kafka.test_record_replay import append, engines
from tests.test_engine import EIGHT, SECOND, a_market
from tests.test_replay import sent

Control = Callable[..., Result]

LAST_US = EIGHT + 9 * SECOND + 6  # the venue's time after the market's last input
LAST_SEEN_US = LAST_US - 1  # and that of its last event on `market`


async def read(bootstrap: str, topic: str, partition: int) -> list[Record]:
    log = KafkaLog(KafkaSettings(bootstrap))
    at, found, position = (topic, partition), list[Record](), 0
    while records := (await log.read({at: position}, 1_000, 0.2)).get(at):
        found += records
        position = records[-1].offset + 1
    await log.close()
    return found


async def taken(bootstrap: str, prefix: str, partition: int = 1) -> None:
    """Until the engine has taken the whole market."""
    async with asyncio.timeout(30):
        while not (found := await read(bootstrap, prefix + "market", partition)) or time_of(found[-1]) < LAST_SEEN_US:
            await asyncio.sleep(0.05)


def time_of(record: Record) -> int:
    return decode_event(record.value).ts_us


def put(bootstrap: str, prefix: str, inputs: Sequence[Input], partition: int) -> None:
    records = [sent(each, partition) for each in inputs]
    here = [Outgoing(prefix + each.topic, partition, each.key, each.value, each.timestamp_us) for each in records]
    asyncio.run(append(bootstrap, here))


@pytest.fixture
def control(bootstrap: str, prefix: str) -> Control:
    """Calls `liqstorm control ...` on topics of our own, where venue V1 lives on partition 1."""

    def call(verb: str, *words: str, venue: str = "V1", wait: str = "10") -> Result:
        options = ("--bootstrap", bootstrap, "--prefix", prefix, "--venue", venue, "--wait", wait)
        return CliRunner().invoke(liqstorm, ("control", verb, *words, *options), standalone_mode=False)

    topics = ("topics", "create", "--partitions", "2", "--bootstrap", bootstrap, "--prefix", prefix)
    assert CliRunner().invoke(liqstorm, topics, standalone_mode=False).exception is None
    for partition in (0, 1):
        put(bootstrap, prefix, [MapVenue("V1", EIGHT, 1)], partition)
    put(bootstrap, prefix, a_market(), 1)
    return call


@pytest.fixture
def running(control: Control, bootstrap: str, prefix: str) -> Iterator[None]:
    """Engines that have taken the market."""
    with engines(bootstrap, prefix, 2):
        asyncio.run(taken(bootstrap, prefix))
        yield


def said(result: Result) -> str:
    assert (result.exception, result.return_value) == (None, None), result.output
    return result.output


def complaint(result: Result) -> str:
    assert result.exception is not None, result.output
    return str(result.exception)


def test_a_halt_comes_at_the_venues_own_time_is_journalled_and_answered(
    control: Control, running: None, bootstrap: str, prefix: str
) -> None:
    assert "TradingHalted  reason=the feed stalled" in said(control("halt", "--reason", "the feed stalled"))
    halted = [decode_event(record.value) for record in asyncio.run(read(bootstrap, prefix + "market", 1))][-1]
    assert isinstance(halted, TradingHalted)
    assert halted.ts_us == LAST_US
    written = asyncio.run(read(bootstrap, prefix + "journal", 1))
    entries = [entry for batch in journal.read(record.value for record in written) for entry in batch.entries()]
    assert isinstance(entries[-1][2], bytes)
    assert decode_input(entries[-1][2]) == HaltTrading("V1", LAST_SEEN_US, "the feed stalled")

    refused = control("halt")
    assert refused.return_value == 1
    assert "refused: " in refused.output
    assert "TradingResumed" in said(control("resume"))


def test_rules_are_set_and_all_of_them_are_said(control: Control, running: None) -> None:
    output = said(control("set", "checks_per_input=50", "fund_draw_ppm=200_000"))
    assert "checks_per_input=50  fund_draw_ppm=200000  cover_bound_ppm=1000000" in output


def test_without_an_engine_that_is_said_and_the_input_is_taken_by_the_next_one(
    control: Control, bootstrap: str, prefix: str
) -> None:
    assert "nothing has happened on venue 'V1' yet" in complaint(control("halt", wait="0.5"))
    with engines(bootstrap, prefix, 2):
        asyncio.run(taken(bootstrap, prefix))
    nobody = complaint(control("halt", wait="0.5"))
    assert "no engine answered within 0.5 s" in nobody
    assert f"liqstorm engine --bootstrap {bootstrap} --prefix {prefix}" in nobody
    with engines(bootstrap, prefix, 2):
        assert "TradingResumed" in said(control("resume"))


def test_a_venue_that_does_not_exist_is_answered_with_those_that_do(control: Control) -> None:
    assert "V1" in complaint(control("halt", venue="V9", wait="0.5"))


def test_a_venue_whose_map_was_trimmed_away_is_found_by_what_is_said_of_it(
    control: Control, running: None, bootstrap: str, prefix: str
) -> None:
    async def trim() -> None:
        admin = KafkaAdmin(KafkaSettings(bootstrap))
        await admin.trim({(prefix + "control", 0): 1})
        await admin.close()

    asyncio.run(trim())
    assert "TradingHalted" in said(control("halt"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("set",), "rules"),
        (("set", "check_per_input=5"), "Did you mean 'checks_per_input'"),
        (("set", "checks_per_input=many"), "whole number"),
        (("set", "checks_per_input=-1"), "no input"),
        (("halt", "--reason", "x" * 401), "no input"),
    ],
)
def test_what_cannot_be_an_input_is_refused_before_anything_is_sent(words: Sequence[str], why: str) -> None:
    command = ("control", *words, "--bootstrap", "127.0.0.1:1", "--venue", "V1")
    assert why in complaint(CliRunner().invoke(liqstorm, command, standalone_mode=False))
