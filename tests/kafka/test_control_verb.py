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


def test_one_setting_of_a_section_is_changed_and_the_others_of_it_stay(control: Control, running: None) -> None:
    said(control("set", "breakers.stall_s=3", "adl.policy=pro-rata"))
    output = said(control("set", "breakers.stall_cap_s=60", "checks_per_input=50"))
    for rule in ("checks_per_input=50", "breakers.stall_us=3000000", "breakers.stall_cap_us=60000000"):
        assert rule in output
    assert "adl.policy=pro-rata" in output

    assert "there is no such" in complaint(control("set", "obligations.duties.T1.presence_pct=80"))
    refused = control("set", "backstop.below_pct=66.6667")
    assert (refused.return_value, "refused: bad_rules (backstop: vaults: " in refused.output) == (1, True)


def test_stress_is_declared_and_ended_and_makers_are_obliged(control: Control, running: None) -> None:
    assert "StressDeclared  reason=thin books" in said(control("stress", "on", "thin books"))
    assert "StressEnded" in said(control("stress", "off"))

    asked = "presence_pct=90, spread_pct=1, size_usdt=1_000"
    in_stress = "stress_presence_pct=50, stress_spread_pct=5, stress_size_usdt=100"
    said(control("set", f'obligations.duties=[{{name="T1", {asked}, {in_stress}}}]'))
    assert "presence_ppm': 800000" in said(control("set", "obligations.duties.T1.presence_pct=80"))
    assert "duty=T1" in said(control("duty", "1", "BTC", "T1"))
    assert "duty=None" in said(control("duty", "1", "BTC", "none"))
    refused = control("duty", "1", "BTC", "T9")
    assert (refused.return_value, "refused: unknown_duty" in refused.output) == (1, True)


def test_without_an_engine_that_is_said_and_the_input_is_taken_by_the_next_one(
    control: Control, bootstrap: str, prefix: str
) -> None:
    assert "nothing has happened on venue 'V1' yet" in complaint(control("halt", wait="0.5"))
    with engines(bootstrap, prefix, 2):
        asyncio.run(taken(bootstrap, prefix))
    nobody = complaint(control("halt", wait="0.5"))
    assert "no engine answered within 0.5 s" in nobody
    assert f"liqstorm engine --bootstrap {bootstrap} --prefix {prefix}" in nobody
    assert "Nothing is changed" in complaint(control("set", "adl.policy=okx", wait="0.5"))
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
        (("set", "checks_per_input=many"), "checks_per_input: expected a whole number or nothing, found a text"),
        (("set", "checks_per_input=-1"), "expected a whole number >= 0"),
        (("set", "checks_per_input"), "expected KEY=VALUE"),
        (("set", "adl.polcy=okx"), "adl.polcy: there is no such setting; the nearest is policy"),
        (("set", "adl.policy=okex"), "adl.policy: invalid enum value 'okex'"),
        (("set", "adl=okx"), "as in adl.KEY=VALUE"),
        (("set", "breakers.stall_s=soon"), "breakers.stall_s: expected a number"),
        (("set", "breakers.stall_s=0.0000001"), "no whole number"),
        (("set", "venue=beta"), "there is no rule 'venue'"),
        (("stress", "maybe"), "maybe"),
        (("duty", "1", "BTC", ""), "no input"),
        (("halt", "--reason", "x" * 401), "no input"),
    ],
)
def test_what_cannot_be_an_input_is_refused_before_anything_is_sent(words: Sequence[str], why: str) -> None:
    command = ("control", *words, "--bootstrap", "127.0.0.1:1", "--venue", "V1")
    assert why in complaint(CliRunner().invoke(liqstorm, command, standalone_mode=False))
