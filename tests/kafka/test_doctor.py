"""`liqstorm doctor`: each line is right, or wrong with its fix; the exit status is 1 if one fails."""

import asyncio
import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from stream_engine.cli import diagnosis
from stream_engine.cli.diagnosis import State
from stream_engine.cli.main import liqstorm
from stream_engine.messages.inputs import MapVenue
from stream_engine.transport.kafka import KafkaAdmin, KafkaSettings
from stream_engine.transport.protocol import Outgoing
from tests.kafka.test_control_verb import put, read, taken
from tests.kafka.test_record_replay import append, call, engines
from tests.kafka.test_topics_verb import a_run_with_snapshots
from tests.test_engine import EIGHT, a_market

Lines = dict[str, tuple[str, str, str]]
Doctor = Callable[[], tuple[int | None, Lines]]


def doctor(*words: str) -> tuple[int | None, Lines]:
    """The exit status, and of each thing that was looked at (state, found, fix)."""
    result = CliRunner().invoke(liqstorm, ("doctor", "--json", *words), standalone_mode=False)
    assert result.exception is None, result.exception
    lines = json.loads(result.stdout)
    return result.return_value, {line["what"]: (line["state"], line["found"], line["fix"]) for line in lines}


@pytest.fixture
def look(bootstrap: str, prefix: str) -> Doctor:
    """`liqstorm doctor` on topics of our own, two partitions each."""
    call("topics", "create", "--partitions", "2", "--bootstrap", bootstrap, "--prefix", prefix)
    return lambda: doctor("--bootstrap", bootstrap, "--prefix", prefix)


def test_without_a_broker_it_looks_at_this_machine() -> None:
    status, lines = doctor()
    assert status is None
    assert {"python", "libraries", "event loop", "terminal"} <= set(lines)
    assert "aiokafka 0.14" in lines["libraries"][1]


def test_for_people_each_line_says_its_state_and_its_fix() -> None:
    said = CliRunner().invoke(liqstorm, ("doctor", "--bootstrap", "127.0.0.1:1"), standalone_mode=False)
    assert said.return_value == 1
    assert "fail  broker: Cannot reach Kafka at 127.0.0.1:1" in said.output
    assert "      fix: Start one with `docker compose up -d kafka`" in said.output


def test_another_aiokafka_than_the_guards_are_made_for_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "AIOKAFKA", "0.15.")
    assert [line.what for line in diagnosis.here() if line.state is State.FAIL] == ["aiokafka"]


def test_topics_that_are_not_there_are_made_with_the_fix(bootstrap: str, prefix: str) -> None:
    status, lines = doctor("--bootstrap", bootstrap, "--prefix", prefix)
    assert status == 1
    assert lines["broker"][0] == "ok"
    assert "Kafka " in lines["broker"][1]
    assert lines["topics"] == (
        "fail",
        "there are none of ours",
        f"liqstorm topics create --bootstrap {bootstrap} --prefix {prefix}",
    )


def test_a_setting_that_is_wrong_fails_with_its_fix(look: Doctor, bootstrap: str, prefix: str) -> None:
    async def spoil() -> None:
        admin = KafkaAdmin(KafkaSettings(bootstrap))
        await admin.delete([prefix + "market"])
        await admin.create([prefix + "market"], 2, {prefix + "market": {"retention.ms": "1000"}})
        await admin.close()

    asyncio.run(spoil())
    status, lines = look()
    assert status == 1
    assert lines["topics"][0] == "fail"
    assert f"--entity-name {prefix}market --add-config" in lines["topics"][2]


def test_a_run_at_rest_is_well(look: Doctor, bootstrap: str, prefix: str) -> None:
    for partition in (0, 1):
        put(bootstrap, prefix, [MapVenue("V1", EIGHT, 1)], partition)
    put(bootstrap, prefix, a_market(), 1)
    with engines(bootstrap, prefix, 2):
        asyncio.run(taken(bootstrap, prefix))
    status, lines = look()
    assert status is None
    assert lines["engines"][:2] == ("warn", "none runs")  # these are no members of the group
    assert lines["journal 1"][1].startswith("1 record, 0.0 MB")
    assert lines["lag 1"][:1] == ("ok",)
    assert "nothing waits" in lines["lag 1"][1]
    assert "2025-10-10 20:00:09 UTC" in lines["venue V1"][1]
    assert "none whole" in lines["snapshots 1"][1]


def test_inputs_that_nobody_takes_fail(look: Doctor, bootstrap: str, prefix: str) -> None:
    put(bootstrap, prefix, [MapVenue("V1", EIGHT, 0)], 0)
    status, lines = look()
    assert status == 1
    assert lines["lag 0"] == (
        "fail",
        "1 inputs wait, and none is taken",
        f"liqstorm engine --bootstrap {bootstrap} --prefix {prefix}",
    )
    assert lines["lag 1"][0] == "ok"


def test_intake_that_is_gone_before_it_was_taken_fails(look: Doctor, bootstrap: str, prefix: str) -> None:
    put(bootstrap, prefix, a_market(), 0)

    async def trim() -> None:
        admin = KafkaAdmin(KafkaSettings(bootstrap))
        await admin.trim({(prefix + "orders", 0): 3})
        await admin.close()

    asyncio.run(trim())
    _, lines = look()
    assert lines["lag 0"][0] == "fail"
    assert "is taken up to 0, and holds 3 to 40" in lines["lag 0"][1]


def test_intake_that_was_made_anew_fails(look: Doctor, bootstrap: str, prefix: str) -> None:
    put(bootstrap, prefix, a_market(), 0)
    with engines(bootstrap, prefix):
        asyncio.run(taken(bootstrap, prefix, 0))

    async def make_anew() -> None:
        admin = KafkaAdmin(KafkaSettings(bootstrap))
        await admin.delete([prefix + "orders"])
        await admin.create([prefix + "orders"], 2, {})
        await admin.close()

    asyncio.run(make_anew())
    _, lines = look()
    assert lines["lag 0"][0] == "fail"
    assert "orders is taken up to 40, and holds 0 to 0" in lines["lag 0"][1]


def test_snapshots_are_counted_and_what_comes_after_the_newest(look: Doctor, bootstrap: str, prefix: str) -> None:
    asyncio.run(a_run_with_snapshots(bootstrap, prefix, 2))
    assert "2 or more whole; an engine that starts applies 1 journal record again" in look()[1]["snapshots 0"][1]


def test_dead_letters_are_a_warning_with_the_last_reason(look: Doctor, bootstrap: str, prefix: str) -> None:
    asyncio.run(append(bootstrap, [Outgoing(prefix + "orders", 0, b"", b"?", 0)]))
    with engines(bootstrap, prefix):
        asyncio.run(buried(bootstrap, prefix))
    state, found, _ = look()[1]["dead letters 0"]
    assert state == "warn"
    assert f"from {prefix}orders, offset 0: " in found


async def buried(bootstrap: str, prefix: str) -> None:
    async with asyncio.timeout(30):
        while not await read(bootstrap, prefix + "deadletters", 0):
            pass
