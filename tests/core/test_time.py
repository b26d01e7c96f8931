"""Time: a clock tick moves it, nothing else moves it far, and it never goes back."""

import pytest
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import ClockTicked, Event
from stream_engine.messages.inputs import AnyInput, MapVenue, PriceShock, SeedFund, SetRules
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    SECOND,
    VENUE,
    an_exchange,
    apply,
    book,
    buy,
    cancel,
    cancel_all,
    deposit,
    kinds,
    one,
    quote,
    quote_cancel,
    reasons,
    set_leverage,
    spot,
    tick,
    withdraw,
)

START = 1_000 * SECOND


def ticking() -> Exchange:
    exchange = an_exchange()
    apply(exchange, tick(1_000))
    return exchange


def at(received: AnyInput, ts_us: int) -> AnyInput:
    return replace(received, ts_us=ts_us)


@pytest.mark.parametrize(("ahead_us", "refused"), [(999_999, False), (1_000_000, False), (1_000_001, True)])
@pytest.mark.parametrize(
    "received",
    [
        buy(1, 99, id="a"),
        set_leverage(ALICE, 5),
        quote(1, [(99, 1)]),
        spot(BTC=101),
        PriceShock(VENUE, 0, "war", "", "spot"),
        deposit(ALICE, 1),
        withdraw(ALICE, 1),
        SetRules(VENUE, 0),
        SeedFund(VENUE, 0, 1),
    ],
    ids=lambda received: type(received).__name__,
)
def test_an_input_may_be_stamped_a_second_past_the_last_tick_and_no_further(
    received: AnyInput, ahead_us: int, refused: bool
) -> None:
    events = apply(ticking(), at(received, START + ahead_us))
    assert reasons(events) == ([Reject.TIMESTAMP_IN_FUTURE] if refused else [])


@pytest.mark.parametrize(
    ("received", "answer"),
    [(cancel("a"), "CancelRejected"), (cancel_all(), "CancelRejected"), (quote_cancel(), "CancelRejected"),
     (MapVenue(VENUE, 0, 1), "ControlRejected")],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_cancels_from_the_future_are_answered_too(received: AnyInput, answer: str) -> None:
    events = apply(ticking(), at(received, START + SECOND + 1))
    assert kinds(events) == [answer] and reasons(events) == [Reject.TIMESTAMP_IN_FUTURE]


def test_before_the_first_tick_an_input_may_be_stamped_anyhow() -> None:
    assert not reasons(apply(an_exchange(), at(buy(1, 99), 10**15)))


def test_a_tick_moves_time_freely() -> None:
    exchange = ticking()
    ticked = one(apply(exchange, tick(1_000_000)), ClockTicked)
    assert ticked.ts_us == 1_000_000 * SECOND
    assert not reasons(apply(exchange, at(buy(1, 99), 1_000_001 * SECOND)))


def test_time_never_goes_back() -> None:
    exchange = ticking()
    times: list[Event] = [*apply(exchange, at(buy(1, 99), START + 5), at(buy(1, 98), 3), tick(1))]
    assert {event.ts_us for event in times} == {START + 5}


def test_an_earlier_tick_does_not_bring_the_limit_back() -> None:
    exchange = ticking()
    apply(exchange, tick(1))
    assert not reasons(apply(exchange, at(buy(1, 99), START + SECOND)))


def test_an_order_moves_time_but_not_the_limit() -> None:
    exchange = ticking()
    apply(exchange, at(buy(1, 99), START + SECOND))
    assert reasons(apply(exchange, at(buy(1, 98), START + SECOND + 1))) == [Reject.TIMESTAMP_IN_FUTURE]


def test_what_is_refused_for_its_stamp_moves_no_time_and_may_be_sent_again_under_its_id() -> None:
    exchange = ticking()
    refused = apply(exchange, at(buy(1, 99, id="mine"), START + 2 * SECOND))
    assert [event.ts_us for event in refused] == [START]
    assert kinds(apply(exchange, at(buy(1, 99, id="mine"), START))) == ["OrderAccepted", "BookChanged"]
    assert book(exchange) == "1 @ 99 |"


def test_every_input_gets_the_next_number_and_its_events_are_numbered_from_nothing() -> None:
    exchange = ticking()
    first = exchange.seq
    events = apply(exchange, buy(1, 99), cancel("unknown"), buy(1, 98))
    assert [(event.seq - first, event.n) for event in events] == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
