"""Labels: one vocabulary, read as it was written; told in the order of time, and of nobody who exists."""

import asyncio
import json
import re
from typing import get_args

import msgspec
import pytest

from producers.labels import (
    AnyLabel,
    Arbitrage,
    BenignOutage,
    Coordinated,
    DepthEpisode,
    HedgeBroken,
    HedgeGivenUp,
    LawfulQuickCancels,
    Mode,
    Protection,
    Rehedged,
    Spoof,
    State,
    Stuffing,
    Way,
    Withdrawal,
    changed,
    decode,
    encode,
    in_order,
    returned,
    withdrew,
)
from stream_engine.messages.inputs import Side
from tests.scenarios.play import play_and_tell

AT = 1_760_126_400_000_000
WHERE = ("alpha", "MM1", "BTC")

ALL: list[AnyLabel] = [
    withdrew(AT, *WHERE, "strain"),
    withdrew(AT, *WHERE, "agreed", coordinated=True),
    returned(AT + 5, *WHERE, "calm", AT),
    changed(AT, *WHERE, State.WIDENED),
    Protection(AT, *WHERE, "quantity", AT + 5),
    Arbitrage(AT, *WHERE, "gap", "spot"),
    BenignOutage(AT, *WHERE, "power", AT + 5),
    Coordinated(AT, "alpha", "", "BTC", "agreed", ("MM2", "MM1"), AT + 5),
    HedgeBroken(AT, "alpha", "hedger-1", "BTC", -50, 0),
    Rehedged(AT, "alpha", "hedger-1", "BTC", Way.ELSEWHERE, -50, AT - 5),
    HedgeGivenUp(AT, "alpha", "hedger-1", "BTC", 50),
    DepthEpisode(AT, "alpha", "", "BTC", 100, 2, AT + 1, ("MM2", "MM1"), Mode.COORDINATED, True, AT + 5),
    LawfulQuickCancels(AT, *WHERE, 480, AT + 60_000_000),
    Spoof(AT, "alpha", "trader-9", "BTC", 77, Side.BUY, ("1", "2", "3"), 3, "4", 5, 0, AT + 5),
    Stuffing(AT, "alpha", "trader-9", "BTC", 77, "1", "3000", 3_000, 40, AT + 5),
]

# Withdrawal, return and a depth episode within minutes: the feed stands still.
A_STALL = "outside.faults=[{ start = 2025-10-09T14:11:00Z, end = 2025-10-09T14:11:20Z }]"
SOON_BACK = [f"makers.desks.{name}.return_s=60" for name in ("MM1", "MM2")]
SHORT = "run.end=2025-10-09T14:14:00Z"


@pytest.fixture(scope="module")
def told() -> list[AnyLabel]:
    """What a quarter of an hour with abusers and a dead feed comes to."""
    return asyncio.run(play_and_tell("abuse", 7, [A_STALL, *SOON_BACK, SHORT]))[1]


def test_every_kind_is_among_the_samples() -> None:
    assert {type(label) for label in ALL} == set(get_args(AnyLabel))


@pytest.mark.parametrize("label", ALL, ids=lambda label: type(label).__name__)
def test_a_label_is_read_as_it_was_written_and_names_its_type(label: AnyLabel) -> None:
    said = json.loads(encode(label))
    assert decode(encode(label)) == label
    words = re.findall("[A-Z][a-z]+", type(label).__name__)
    assert said["type"] == "_".join(words).lower()


def test_what_has_its_default_is_not_written() -> None:
    assert "mode" not in json.loads(encode(withdrew(AT, *WHERE, "strain")))
    assert json.loads(encode(withdrew(AT, *WHERE, "agreed", coordinated=True)))["mode"] == "coordinated"


@pytest.mark.parametrize("value", [b"{}", b'{"type":"rumour"}', b'{"type":"withdrawal","ts_us":-1}', b"no"])
def test_what_is_no_label_is_not_read_as_one(value: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(value)


def test_labels_are_told_by_time_then_by_name_venue_and_symbol_and_else_as_they_were_said() -> None:
    first = withdrew(AT, "alpha", "MM2", "ETH", "strain")
    at_once = [
        changed(AT + 1, "alpha", "MM1", "BTC", State.WIDENED),
        changed(AT + 1, "alpha", "MM1", "BTC", State.THINNED),
        changed(AT + 1, "alpha", "MM1", "ETH", State.WIDENED),
        changed(AT + 1, "beta", "MM1", "BTC", State.WIDENED),
        changed(AT + 1, "alpha", "MM2", "BTC", State.WIDENED),
    ]
    ordered = [first, *at_once]
    assert in_order([at_once[4], at_once[3], at_once[0], at_once[1], at_once[2], first]) == ordered


def test_a_run_tells_in_the_order_of_time(told: list[AnyLabel]) -> None:
    assert told == in_order(told)
    assert [label.ts_us for label in told] == sorted(label.ts_us for label in told)


def test_a_run_reaches_every_kind_that_its_participants_can(told: list[AnyLabel]) -> None:
    kinds = {json.loads(encode(label))["type"] for label in told}
    assert kinds >= {
        "withdrawal", "re_entry", "state_change", "depth_episode", "lawful_quick_cancels", "spoof", "stuffing",
    }  # fmt: skip


async def labels_of_three_minutes(*overrides: str) -> list[AnyLabel]:
    return (await play_and_tell("quiet-day", 7, ["run.end=2025-10-09T14:03:00Z", *overrides]))[1]


async def test_an_agreed_signal_is_told_with_who_followed_it() -> None:
    told = await labels_of_three_minutes("makers.mode=coordinated", "makers.agreed_fall_pct=0.02")
    for label in (label for label in told if isinstance(label, Coordinated)):
        followed = [each for each in told if isinstance(each, Withdrawal) and each.symbol == label.symbol]
        assert {each.mode for each in followed} == {Mode.COORDINATED}
        assert sorted(label.actors) == sorted(each.participant for each in followed)
    assert {label.symbol for label in told if isinstance(label, Coordinated)} == {"BTC", "TOKEN"}


async def test_an_outage_is_told_as_benign_from_its_begin_to_its_end() -> None:
    told = await labels_of_three_minutes(
        "makers.mode=one-firm-outage", "makers.who=MM2", "makers.outage_wait_s=20", "makers.outage_s=30"
    )
    outages = [label for label in told if isinstance(label, BenignOutage)]
    assert [(label.participant, label.symbol) for label in outages] == [("MM2", "BTC"), ("MM2", "TOKEN")]
    assert not [label for label in told if isinstance(label, Withdrawal)]
    for label in outages:
        assert label.to_us is not None
        assert 30_000_000 <= label.to_us - label.ts_us <= 35_000_000


async def test_a_protection_that_was_hit_is_told_and_is_no_withdrawal() -> None:
    told = await labels_of_three_minutes("makers.desks.MM1.protection=0.0001")
    hit = [label for label in told if isinstance(label, Protection)]
    assert {label.participant for label in hit} == {"MM1"}
    assert not [label for label in told if isinstance(label, Withdrawal)]
    for label in hit:
        assert label.to_us is None or label.to_us > label.ts_us


def test_when_the_feed_dies_all_leave_together_each_by_itself(told: list[AnyLabel]) -> None:
    lows = [label for label in told if isinstance(label, DepthEpisode)]
    assert {low.symbol for low in lows} == {"BTC", "TOKEN"}
    for low in lows:
        assert sorted(low.actors) == ["MM1", "MM2", "MM3", "MM4", "MM5"]
        assert low.synchronised and low.mode is Mode.INDEPENDENT
        assert 2 * low.trough < low.normal


def test_nobody_in_it_has_the_name_of_a_firm(told: list[AnyLabel]) -> None:
    names = {label.participant for label in told} - {""}
    names |= {name for label in told if isinstance(label, DepthEpisode) for name in label.actors}
    assert [name for name in sorted(names) if not re.fullmatch(r"MM\d|trader-\d+", name)] == []
