"""The state of a venue as bytes: whoever is loaded goes on exactly, and nothing is left out."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.core.invariants import check
from stream_engine.core.state import FORMAT, StateError, dump, load, state_hash
from stream_engine.messages.inputs import AnyInput, SetRules
from tests.core.histories import NO_BOUND, VENUE, histories, history
from tests.core.rulebook import ALICE, an_exchange, apply, deposit

LENGTH = 150


def within(told: Iterable[AnyInput], checks: int) -> list[AnyInput]:
    """The history with so many checks per input, wherever it set them out of reach."""
    return [
        replace(received, checks_per_input=checks)
        if isinstance(received, SetRules) and received.checks_per_input == NO_BOUND
        else received
        for received in told
    ]


def goes_on_exactly(told: Iterable[AnyInput], every: int) -> None:
    """One exchange takes the history in one go, the other is dumped and loaded before every so many inputs."""
    steady, moved = Exchange(VENUE), Exchange(VENUE)
    for number, received in enumerate(told):
        if number % every == 0:
            dumped = dump(moved)
            assert dumped == dump(steady), number
            moved = load(dumped)
            assert dump(moved) == dumped and state_hash(moved) == state_hash(steady), number
            check(moved)
        assert steady.apply(received) == moved.apply(received), number
    assert dump(steady) == dump(moved)


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("checks", [1, 2, NO_BOUND])
def test_who_is_loaded_before_any_input_goes_on_exactly_whatever_the_bound_left_undone(checks: int, every: int) -> None:
    for seed in range(12):
        goes_on_exactly(within(history(seed, LENGTH), checks), every)


@settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(told=histories(chapters=10))
def test_who_is_loaded_goes_on_exactly_in_any_history(told: list[AnyInput]) -> None:
    goes_on_exactly(told, 3)


def test_another_state_is_another_hash() -> None:
    exchange = an_exchange()
    before = state_hash(exchange)
    assert state_hash(load(dump(exchange))) == before
    apply(exchange, deposit(ALICE, 1))
    assert state_hash(exchange) != before


@pytest.mark.parametrize("cut", [0, 1, 40, -1, -2, -40])
def test_a_dump_that_was_cut_off_is_no_state(cut: int) -> None:
    with pytest.raises(StateError, match="no state of a venue"):
        load(dump(an_exchange())[:cut])


@pytest.mark.parametrize("dumped", [b"", b"\n", b"{}", b"[]\n", b"no json", b'["1"]\n', b"\xff\xfe"])
def test_bytes_that_are_no_dump_are_no_state(dumped: bytes) -> None:
    with pytest.raises(StateError, match="no state of a venue"):
        load(dumped)


def test_a_dump_of_another_format_is_refused_and_says_so() -> None:
    later = dump(an_exchange()).replace(b"[%d," % FORMAT, b"[%d," % (FORMAT + 1), 1)
    with pytest.raises(StateError, match=f"a state of format {FORMAT + 1}, this is format {FORMAT}"):
        load(later)
