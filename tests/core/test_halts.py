"""Halts: what a venue refuses while trading is halted, what it takes, and what waits until it goes on."""

import pytest
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.core.state import dump, load
from stream_engine.messages.events import (
    AnyEvent,
    ControlRejected,
    OrderAccepted,
    OrderRejected,
    TradingHalted,
    TradingResumed,
)
from stream_engine.messages.inputs import AnyInput, ListInstrument, OpenAccounts, SetRules
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    RICH,
    SECOND,
    VENUE,
    an_exchange,
    an_instrument,
    apply,
    book,
    buy,
    cancel,
    cancel_all,
    deposit,
    fund,
    halt,
    held,
    kinds,
    leg,
    mark,
    one,
    only,
    quote,
    quote_cancel,
    reasons,
    resume,
    seed,
    sell,
    set_leverage,
    spot,
    tick,
    wallet,
    withdraw,
)

BOOK = "4 @ 99 | 101 @ 5"


def halted(exchange: Exchange) -> Exchange:
    assert kinds(apply(exchange, halt())) == ["TradingHalted"]
    return exchange


def a_long_near_its_end() -> Exchange:
    """Alice is long 10 from 100 with 60 USDT: liquidated below 98.9 or so; there are bids at 97."""
    return an_exchange("20 @ 97 |", wallets={ALICE: 60}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)])


# what is said ----------------------------------------------------------------------------------------------


def test_a_halt_and_its_end_are_published_with_the_reason() -> None:
    exchange = an_exchange()
    assert (
        one(apply(exchange, halt("the index feed has stalled")), TradingHalted).reason == "the index feed has stalled"
    )
    assert kinds(apply(exchange, resume())) == ["TradingResumed"]


def test_trading_that_is_halted_is_not_halted_again() -> None:
    exchange = halted(an_exchange())
    refused = one(apply(exchange, halt()), ControlRejected)
    assert (refused.input, refused.reason) == ("HaltTrading", Reject.TRADING_HALTED)


def test_trading_that_is_not_halted_is_not_resumed() -> None:
    refused = one(apply(an_exchange(), resume()), ControlRejected)
    assert (refused.input, refused.reason) == ("ResumeTrading", Reject.TRADING_NOT_HALTED)


# what is refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "received",
    [buy(1, 98), sell(1, 99, ioc=True), buy(1), buy(1, 98, by=77), quote(1, [(98, 1)]), withdraw(ALICE, 1)],
    ids=["a bid", "a taker", "a market order", "of nobody", "a quote", "a withdrawal"],
)
def test_while_trading_is_halted_orders_quotes_and_withdrawals_are_refused_and_change_nothing(
    received: AnyInput,
) -> None:
    exchange = halted(an_exchange(BOOK))
    before = (book(exchange), wallet(exchange, ALICE), held(exchange, ALICE))
    assert reasons(apply(exchange, received)) == [Reject.TRADING_HALTED]
    assert (book(exchange), wallet(exchange, ALICE), held(exchange, ALICE)) == before


@pytest.mark.parametrize("received", [buy(1, 98, id="a"), quote(1, [(98, 1)]), withdraw(ALICE, 1)])
def test_they_are_taken_again_once_trading_goes_on(received: AnyInput) -> None:
    exchange = halted(an_exchange(BOOK))
    apply(exchange, resume())
    assert not reasons(apply(exchange, received))


def test_a_stamp_in_the_future_is_looked_at_before_a_halt_and_everything_else_after_it() -> None:
    exchange = halted(an_exchange(BOOK))
    apply(exchange, tick(0))
    late, unknown = replace(buy(1, 98), ts_us=SECOND + 1), buy(0, -3, by=77, symbol="DOGE")
    assert reasons(apply(exchange, late)) == [Reject.TIMESTAMP_IN_FUTURE]
    assert reasons(apply(exchange, unknown)) == [Reject.TRADING_HALTED]


def test_an_order_answered_before_the_halt_is_answered_as_it_was() -> None:
    exchange = an_exchange(BOOK)
    first = one(apply(exchange, buy(1, 98, id="mine")), OrderAccepted)
    again = one(apply(halted(exchange), buy(1, 98, id="mine")), OrderAccepted)
    assert (again.order_id, again.repeated) == (first.order_id, True)
    assert book(exchange) == "1 @ 98, 4 @ 99 | 101 @ 5"


def test_a_refusal_given_before_the_halt_is_given_again() -> None:
    exchange = an_exchange(BOOK)
    apply(exchange, buy(0, 98, id="mine"))
    again = one(apply(halted(exchange), buy(0, 98, id="mine")), OrderRejected)
    assert (again.reason, again.repeated) == (Reject.SIZE_NOT_POSITIVE, True)


def test_another_order_under_a_known_id_is_refused_for_the_halt() -> None:
    exchange = an_exchange(BOOK)
    apply(exchange, buy(1, 98, id="mine"))
    assert reasons(apply(halted(exchange), buy(2, 98, id="mine"))) == [Reject.TRADING_HALTED]


def test_an_order_refused_for_the_halt_may_be_sent_again_under_its_id() -> None:
    exchange = halted(an_exchange())
    apply(exchange, buy(1, 98, id="mine"))
    assert kinds(apply(exchange, resume(), buy(1, 98, id="mine"))) == ["TradingResumed", "OrderAccepted", "BookChanged"]


# what is taken ---------------------------------------------------------------------------------------------


def test_cancels_are_taken_while_trading_is_halted() -> None:
    exchange = an_exchange(BOOK)
    apply(exchange, buy(1, 98, id="mine"), buy(1, 97, id="too"), quote(1, [(96, 1)]))
    halted(exchange)
    assert kinds(apply(exchange, cancel("mine"))) == ["OrderCancelled", "BookChanged"]
    assert kinds(apply(exchange, cancel_all())) == ["OrderCancelled", "BookChanged"]
    assert kinds(apply(exchange, quote_cancel())) == ["QuoteCancelled", "BookChanged"]
    assert book(exchange) == BOOK


def test_prices_and_the_clock_move_the_mark_while_trading_is_halted() -> None:
    exchange = halted(an_exchange())
    assert "MarkPriceChanged" in kinds(apply(exchange, spot(BTC=90)))
    assert mark(exchange) == 90
    assert "ClockTicked" in kinds(apply(exchange, tick(1)))


@pytest.mark.parametrize(
    "received",
    [
        deposit(ALICE, 5),
        set_leverage(ALICE, 5),
        SetRules(VENUE, 0, checks_per_input=3),
        OpenAccounts(VENUE, 0, ((50, "late"),)),
        ListInstrument(VENUE, 0, an_instrument("DOGE")),
        seed(leg(ALICE, 1, at=100), leg(BOB, -1, at=100)),
    ],
    ids=lambda received: type(received).__name__,
)
def test_the_operator_and_whoever_brings_money_are_heard_while_trading_is_halted(received: AnyInput) -> None:
    assert not reasons(apply(halted(an_exchange()), received))


# what waits ------------------------------------------------------------------------------------------------


def test_nobody_is_liquidated_while_trading_is_halted_and_who_is_still_due_is_in_the_input_that_resumes_it() -> None:
    exchange = halted(a_long_near_its_end())
    waiting = apply(exchange, spot(BTC=97), tick(1), tick(2))
    assert not {"LiquidationStarted", "Traded"} & set(kinds(waiting))
    assert held(exchange, ALICE) == 10
    resumed = kinds(apply(exchange, resume()))
    assert resumed[:2] == ["TradingResumed", "LiquidationStarted"] and resumed[-1] == "BookChanged"
    assert held(exchange, ALICE) == 0


def test_who_is_safe_again_when_trading_is_resumed_is_not_liquidated() -> None:
    exchange = halted(a_long_near_its_end())
    apply(exchange, spot(BTC=90), spot(BTC=100))
    assert kinds(apply(exchange, resume(), tick(1)))[:2] == ["TradingResumed", "ClockTicked"]
    assert held(exchange, ALICE) == 10


def test_who_pays_in_while_trading_is_halted_saves_his_position() -> None:
    exchange = halted(a_long_near_its_end())
    apply(exchange, spot(BTC=90), deposit(ALICE, 100))
    apply(exchange, resume())
    assert held(exchange, ALICE) == 10


def test_a_cascade_that_a_halt_cuts_goes_on_where_it_stopped() -> None:
    exchange = an_exchange(
        wallets={ALICE: 60, CAROL: 60},
        holds=[leg(ALICE, 10, at=100), leg(CAROL, 10, at=100), leg(BOB, -20, at=100)],
        rules=SetRules(VENUE, 0, checks_per_input=1),
    )
    apply(exchange, spot(BTC=97))
    assert (held(exchange, ALICE), held(exchange, CAROL)) == (0, 10)
    apply(exchange, halt(), tick(1), tick(2))
    assert held(exchange, CAROL) == 10
    apply(exchange, resume())
    assert held(exchange, CAROL) == 0


def test_neither_fund_nor_deleveraging_is_asked_while_trading_is_halted() -> None:
    exchange = an_exchange(wallets={ALICE: 60}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)], fund=1_000)
    events: list[AnyEvent] = apply(halted(exchange), spot(BTC=80), tick(1))
    assert not {"FundChanged", "DeleveragingStarted", "PositionDeleveraged"} & set(kinds(events))
    assert fund(exchange) == 1_000
    assert "PositionDeleveraged" in kinds(apply(exchange, resume()))


def test_a_venue_that_is_loaded_while_halted_is_halted_still() -> None:
    exchange = load(dump(halted(a_long_near_its_end())))
    apply(exchange, spot(BTC=97))
    assert reasons(apply(exchange, buy(1, 98, by=DAVE))) == [Reject.TRADING_HALTED]
    assert only(apply(exchange, resume()), TradingResumed) and held(exchange, ALICE) == 0
    assert held(exchange, MM) == 10 and wallet(exchange, DAVE) == RICH
