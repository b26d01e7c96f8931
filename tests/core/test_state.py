"""The state of a venue as bytes: whoever is loaded goes on exactly, and nothing is left out."""

import asyncio
import os
import subprocess
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import Struct
from msgspec.structs import replace
from sortedcontainers import SortedList

from stream_engine.core import state
from stream_engine.core.accounts import Account, Answer
from stream_engine.core.ema import Ema
from stream_engine.core.emitter import Emitter
from stream_engine.core.exchange import Exchange
from stream_engine.core.freeze import Freeze
from stream_engine.core.funding_rate import FundingRate
from stream_engine.core.index_price import IndexPrice, Sighting
from stream_engine.core.insurance_fund import Deficit, InsuranceFund
from stream_engine.core.invariants import check
from stream_engine.core.margin_watch import MarginWatch
from stream_engine.core.mark_price import Basis, HyperliquidMeans
from stream_engine.core.market import Market, Wait
from stream_engine.core.order_book import BookSide, Level, Order, OrderBook
from stream_engine.core.position import Position, Protection, RestingQuote
from stream_engine.core.price_band import PriceBand
from stream_engine.core.state import FORMAT, StateError, dump, load, state_hash
from stream_engine.core.throttle import Turnover
from stream_engine.core.trigger_index import TriggerIndex, Waiting
from stream_engine.core.venue import Venue
from stream_engine.messages.events import AnyEvent, Breaker
from stream_engine.messages.inputs import AnyInput, OpenAccounts, SetRules
from tests.core.histories import NO_BOUND, VENUE, histories, history
from tests.core.rulebook import ALICE, an_exchange, apply, buy, deposit, tick
from tests.scenarios.play import play

LENGTH = 150
PARTS = (
    Venue, Emitter, Account, Answer, Position, Protection, RestingQuote, Order, Level, BookSide, OrderBook, Market,
    TriggerIndex, Waiting, IndexPrice, Sighting, Basis, FundingRate, HyperliquidMeans, Ema, MarginWatch, InsuranceFund,
    Deficit, Wait, PriceBand, Freeze, Turnover,
)  # fmt: skip
# What has one value only in one venue, or only while an input is being applied.
ALWAYS_THE_SAME = {
    "Venue.name", "Emitter.venue", "Venue.dirty", "Venue.booked", "Venue.rankings", "BookSide.changed", "BookSide.far",
}  # fmt: skip


def within(told: Iterable[AnyInput], checks: int) -> list[AnyInput]:
    """The history with so many checks per input, wherever it set them out of reach."""
    return [
        replace(received, checks_per_input=checks)
        if isinstance(received, SetRules) and received.checks_per_input == NO_BOUND
        else received
        for received in told
    ]


def fields_of(part: Any) -> tuple[str, ...]:
    return part.__struct_fields__ if issubclass(part, Struct) else tuple(part.__slots__)


class Comparison:
    """Walks two states side by side, through every field there is; notes which values each field was seen with.

    Left out: the events of the last input, and levels of a quote that no longer rest, which nobody asks for again.
    The levels of a book are looked up, never gone through: their order is its keys'.
    """

    def __init__(self) -> None:
        self.values: defaultdict[str, set[str]] = defaultdict(set)
        self._met: dict[int, tuple[Any, Any]] = {}

    def same(self, a: Any, b: Any, where: str) -> None:
        assert type(a) is type(b), where
        if isinstance(a, PARTS):
            if id(a) in self._met:
                assert self._met[id(a)][1] is b, where
                return
            self._met[id(a)] = (a, b)
            for name in fields_of(type(a)):
                field = f"{type(a).__name__}.{name}"
                if field == "Emitter.events":
                    continue
                left, right = getattr(a, name), getattr(b, name)
                if field in ("RestingQuote.bids", "RestingQuote.asks"):
                    left = [order for order in left if order.level is not None]
                self.values[field].add(short(left))
                self.same(left, right, f"{where}.{name}")
        elif isinstance(a, dict):
            left, right = list(a), list(b)
            assert (sorted(left), sorted(right)) if where.endswith(".levels") else (left, right), where
            assert left == right or where.endswith(".levels"), where
            for key in a:
                self.same(a[key], b[key], f"{where}[{key}]")
        elif isinstance(a, list | deque | SortedList):
            assert len(a) == len(b), where
            for place, (left, right) in enumerate(zip(a, b, strict=True)):
                self.same(left, right, f"{where}[{place}]")
        else:
            assert a == b, where

    def forget_whom_it_met(self) -> None:
        self._met = {}


def short(value: Any) -> str:
    """What tells two values of a field apart, well enough."""
    if isinstance(value, PARTS):
        return f"a {type(value).__name__}"
    return str(len(value)) if isinstance(value, dict | list | deque | SortedList) else repr(value)


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
    for seed in range(6):
        goes_on_exactly(within(history(seed, LENGTH), checks), every)


@settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(told=histories(chapters=10))
def test_who_is_loaded_goes_on_exactly_in_any_history(told: list[AnyInput]) -> None:
    goes_on_exactly(told, 3)


def test_a_venue_that_is_loaded_in_the_middle_of_a_cascade_goes_on_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[AnyInput] = []
    take = Exchange.apply

    def overheard(exchange: Exchange, received: AnyInput) -> list[AnyEvent]:
        told.append(received)
        return take(exchange, received)

    with monkeypatch.context() as patch:
        patch.setattr(Exchange, "apply", overheard)
        asyncio.run(play("hedged-portfolio", 7, ["venue.checks_per_input=1"]))
    steady, moved = Exchange(told[0].venue), Exchange(told[0].venue)
    cascades_cut = 0
    for number, received in enumerate(told):
        is_cut = bool(steady.state.watch.owed)
        cascades_cut += is_cut
        if is_cut or number % 50 == 0:
            moved = load(dump(moved))
        assert steady.apply(received) == moved.apply(received), number
    assert dump(steady) == dump(moved)
    assert cascades_cut > 10


def test_every_field_of_the_state_comes_back_and_the_histories_fill_every_field() -> None:
    comparison = Comparison()
    for seed in range(36):
        exchange = Exchange(VENUE)
        for number, received in enumerate(within(history(seed, LENGTH), 1 + seed % 3)):
            exchange.apply(received)
            if number % 8 == 0:
                comparison.same(exchange.state, load(dump(exchange)).state, "venue")
                comparison.forget_whom_it_met()
    seldom = exchange.state
    seldom.accounts[ALICE].whole_until_us = 7
    seldom.carried, seldom.deficit.total, seldom.watch.indebted = 5, -7, {3: None}
    seldom.watch.released = {3: None}
    one = seldom.markets["A"]
    one.band, one.freeze = PriceBand(), Freeze()
    one.band.limit_ended_us, one.freeze.spent = 7, {Breaker.STALL: None}
    seldom.triggered = {7: (3, "c", (1, 2))}
    one.turnover = Turnover(7)
    one.turnover.add(0, 5, liquidation=True)
    comparison.same(seldom, load(dump(exchange)).state, "venue")
    fields = {f"{part.__name__}.{name}" for part in PARTS for name in fields_of(part)} - {"Emitter.events"}
    parts_of_parts = {
        field for field in fields if comparison.values[field] and all(v[:2] == "a " for v in comparison.values[field])
    }
    alike = {field for field in fields - parts_of_parts if len(comparison.values[field]) < 2}
    assert alike == ALWAYS_THE_SAME


def test_another_state_is_another_hash() -> None:
    exchange = an_exchange()
    before = state_hash(exchange)
    assert state_hash(load(dump(exchange))) == before
    apply(exchange, deposit(ALICE, 1))
    assert state_hash(exchange) != before


def test_the_hash_of_a_large_venue_looks_at_a_window_of_its_accounts_and_at_all_of_them_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = range(1_000, 1_000 + 5 * state.WINDOW)
    exchange = an_exchange()
    apply(exchange, OpenAccounts(exchange.venue, 0, tuple((number, "crowd") for number in crowd)))
    encode = state._account_of
    looked_at: list[int] = []

    def counting(account: Account, wanted: state.Wanted) -> state.AccountLine:
        looked_at.append(account.number)
        return encode(account, wanted)

    monkeypatch.setattr(state, "_account_of", counting)
    seen: set[int] = set()
    for second in range(60):
        exchange.apply(tick(second))
        looked_at.clear()
        state_hash(exchange)
        assert len(looked_at) <= state.WINDOW
        seen.update(looked_at)
    assert seen == set(exchange.state.accounts)


def test_the_hash_looks_at_a_window_of_what_one_account_sent_and_at_all_of_it_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exchange = an_exchange()
    apply(exchange, *(buy(1, 90, id=f"{number}") for number in range(5 * state.SMALL_WINDOW)))
    orders, answers = Counter[str](), Counter[str]()
    encode_order, encode_answer = state._order_of, state._answer_of

    def order_of(order: Order) -> state.OrderEntry:
        orders[order.client_id] += 1
        return encode_order(order)

    def answer_of(answer: Answer) -> state.AnswerEntry:
        answers[answer.place.client_id] += 1
        return encode_answer(answer)

    monkeypatch.setattr(state, "_order_of", order_of)
    monkeypatch.setattr(state, "_answer_of", answer_of)
    for second in range(60):
        exchange.apply(tick(second))
        state_hash(exchange)
    assert len(orders) == len(answers) == 5 * state.SMALL_WINDOW
    assert orders.total() == answers.total() == 60 * state.SMALL_WINDOW


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


def test_a_state_goes_on_to_the_same_events_in_a_process_with_another_hash_seed(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from stream_engine.core.state import dump, load
from stream_engine.core.exchange import Exchange
from tests.core.histories import VENUE, history

verb, file = sys.argv[1], Path(sys.argv[2])
for seed in range(24):
    told, kept = history(seed, 120), file.with_suffix(f".{seed}")
    exchange = Exchange(VENUE) if verb == "begin" else load(kept.read_bytes())
    half = len(told) // 2
    for received in told[:half] if verb == "begin" else ():
        exchange.apply(received)
    kept.write_bytes(dump(exchange))
    for received in told[half:]:
        print(exchange.apply(received))
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", program, verb, str(tmp_path / "state")],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for verb, hash_seed in (("begin", "0"), ("go on", "1"))
    ]
    assert said[0] and said[0] == said[1]
