"""Refusals: every reason once, in the order in which they are looked for."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from msgspec.structs import replace

from stream_engine.messages.inputs import (
    AnyInput,
    Deposit,
    ListInstrument,
    OpenAccounts,
    Place,
    SeedFund,
    SetDuty,
    SetProtection,
    SetRules,
    Side,
    TimeInForce,
    Trigger,
    TriggerKind,
)
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import BreakerRules, OrderRules
from stream_engine.messages.units import WIRE_MAX
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
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
    deposit,
    halt,
    held,
    isolate,
    leg,
    move_margin,
    prices_of,
    quote,
    reasons,
    resume,
    seed,
    sell,
    set_leverage,
    spot,
    tick,
    until,
    wallet,
    withdraw,
)

# What is refused for each reason, after what (on a venue with BTC at 100 and the book 4 @ 100 | 101 @ 5).
ROWS: dict[Reject, Sequence[AnyInput]] = {
    Reject.TIMESTAMP_IN_FUTURE: [tick(0), replace(buy(1, 99), ts_us=SECOND + 1)],
    Reject.TRADING_HALTED: [halt(), buy(1, 99)],
    Reject.TRADING_NOT_HALTED: [resume()],
    Reject.EXPIRED: [tick(1), until(SECOND - 1, buy(1, 99))],
    Reject.RATE_LIMITED: [SetRules(VENUE, 0, orders=OrderRules(rate_limit=1)), buy(1, 98), buy(1, 99)],
    Reject.UNKNOWN_ACCOUNT: [buy(1, 99, by=77)],
    Reject.DUPLICATE_CLIENT_ID: [buy(1, 99, id="mine"), buy(2, 99, id="mine")],
    Reject.UNKNOWN_SYMBOL: [buy(1, 99, symbol="DOGE")],
    Reject.ALREADY_EXISTS: [OpenAccounts(VENUE, 0, ((ALICE, "alice"),))],
    Reject.BAD_RULES: [SetRules(VENUE, 0, orders=OrderRules(rate_limit=1, rate_window_us=0))],
    Reject.BAD_INSTRUMENT: [ListInstrument(VENUE, 0, an_instrument("DOGE", tick_value=7))],
    Reject.TRADING_HAS_BEGUN: [buy(1, 101), seed(leg(BOB, 1, at=100), leg(CAROL, -1, at=100))],
    Reject.POSITIONS_DO_NOT_BALANCE: [seed(leg(BOB, 2, at=100), leg(CAROL, -1, at=100))],
    Reject.UNKNOWN_SOURCE: [prices_of("rumours", BTC=99)],
    Reject.STALE_PRICE: [tick(2), prices_of("spot", 2, BTC=100), prices_of("spot", 1, BTC=99)],
    Reject.UNKNOWN_POOL: [SeedFund(VENUE, 0, 1, "alts")],
    Reject.UNKNOWN_DUTY: [SetDuty(VENUE, 0, MM, "BTC", "T1")],
    Reject.UNKNOWN_ORDER: [cancel("never sent")],
    Reject.QUOTE_ID_NOT_NEWER: [quote(1, [(99, 1)], by=ALICE), quote(1, [(98, 1)], by=ALICE)],
    Reject.PROTECTED: [
        SetProtection(VENUE, 0, BOB, "BTC", SECOND, SECOND, 2, 0),
        quote(1, [], [(101, 3)], by=BOB),
        buy(8, 101, by=CAROL),
        quote(2, [], [(102, 3)], by=BOB),
    ],
    Reject.TRADING_PAUSED: [
        SetRules(VENUE, 0, breakers=BreakerRules(band_ppm=10_000, limit_state_us=0)),
        tick(0),
        buy(9, 101),
        tick(1),
        buy(1),
    ],
    Reject.NOT_ISOLATED: [buy(1, 101), move_margin(ALICE, 1)],
    Reject.POSITION_OR_ORDERS_OPEN: [buy(1, 99), isolate(ALICE)],
    Reject.LEVERAGE_OUT_OF_RANGE: [set_leverage(ALICE, 11)],
    Reject.SIZE_NOT_POSITIVE: [buy(0, 99)],
    Reject.SIZE_TOO_LARGE: [buy(50_001, 99)],
    Reject.PRICE_NOT_POSITIVE: [buy(1, 0)],
    Reject.PRICE_TOO_HIGH: [buy(1, 100_001)],
    Reject.PRICE_OFF_TICK: [ListInstrument(VENUE, 0, an_instrument("DOGE", price_step=5)), buy(1, 99, symbol="DOGE")],
    Reject.PRICE_OUT_OF_BAND: [SetRules(VENUE, 0, breakers=BreakerRules(price_band_ppm=50_000)), buy(1, 106)],
    Reject.LEVELS_NOT_SORTED: [quote(1, [(98, 1), (99, 1)])],
    Reject.QUOTE_CROSSES_ITSELF: [quote(1, [(99, 1)], [(99, 1)])],
    Reject.TRIGGER_MET: [replace(buy(1), trigger=Trigger(TriggerKind.STOP, 100))],
    Reject.POST_ONLY_MARKET_ORDER: [buy(1, post_only=True)],
    Reject.NO_MARK_PRICE: [ListInstrument(VENUE, 0, an_instrument("DOGE")), buy(1, 99, symbol="DOGE")],
    Reject.POST_ONLY_WOULD_TAKE: [buy(1, 101, post_only=True)],
    Reject.FOK_NOT_FILLABLE: [buy(6, 101, fok=True)],
    Reject.REDUCE_ONLY_WITHOUT_POSITION: [buy(1, 99, reduce_only=True)],
    Reject.POSITION_TOO_LARGE: [buy(30_000, 99), buy(30_000, 98)],
    Reject.OPEN_INTEREST_TOO_LARGE: [
        ListInstrument(VENUE, 0, an_instrument("DOGE", max_open_interest=5)),
        spot(DOGE=100),
        buy(6, 99, symbol="DOGE"),
    ],
    Reject.INSUFFICIENT_MARGIN: [withdraw(ALICE, RICH - 9), buy(1, 99)],
    Reject.AMOUNT_NOT_POSITIVE: [deposit(ALICE, 0)],
    Reject.AMOUNT_TOO_LARGE: [Deposit(VENUE, 0, ((ALICE, WIRE_MAX),))],
}


def test_no_reason_is_missing() -> None:
    assert list(ROWS) == list(Reject)


@pytest.mark.parametrize("reason", Reject, ids=lambda reason: reason.value)
def test_the_last_input_of_the_row_is_refused_for_its_reason_and_nothing_else_is(reason: Reject) -> None:
    exchange = an_exchange(book="4 @ 100 | 101 @ 5")
    *before, refused = ROWS[reason]
    assert not reasons(apply(exchange, *before))
    state = (book(exchange), held(exchange, ALICE), wallet(exchange, ALICE))
    events = apply(exchange, refused)
    assert reasons(events) == [reason] and len(events) == 1
    assert (book(exchange), held(exchange, ALICE), wallet(exchange, ALICE)) == state


# An order with every fault that an order can have at once; each next one mends what the one before was refused for.
FAULTS: list[tuple[Reject | None, Place]] = []
_faulty = Place(VENUE, 10 * SECOND, 77, "used", "DOGE", Side.BUY, 0, -3, TimeInForce.IOC, True, expires_us=0)
for _reason, _change in (
    (Reject.TIMESTAMP_IN_FUTURE, {"ts_us": 0}),
    (Reject.EXPIRED, {"expires_us": None, "account": MM}),
    (Reject.RATE_LIMITED, {"account": 77}),
    (Reject.UNKNOWN_ACCOUNT, {"account": ALICE}),
    (Reject.DUPLICATE_CLIENT_ID, {"client_id": "new 1"}),
    (Reject.UNKNOWN_SYMBOL, {"symbol": "ETH", "client_id": "new 2"}),
    (Reject.SIZE_NOT_POSITIVE, {"size": 50_001, "client_id": "new 3"}),
    (Reject.SIZE_TOO_LARGE, {"size": 50_000, "client_id": "new 4"}),
    (Reject.PRICE_NOT_POSITIVE, {"price": 100_001, "client_id": "new 5"}),
    (Reject.PRICE_TOO_HIGH, {"price": 102, "client_id": "new 6"}),
    (Reject.PRICE_OFF_TICK, {"price": 105, "client_id": "new 7"}),
    (Reject.POST_ONLY_MARKET_ORDER, {"time_in_force": TimeInForce.GTC, "client_id": "new 8"}),
    (Reject.NO_MARK_PRICE, {"symbol": "BTC", "client_id": "new 9"}),
    (Reject.POST_ONLY_WOULD_TAKE, {"post_only": False, "time_in_force": TimeInForce.FOK, "client_id": "new 10"}),
    (Reject.FOK_NOT_FILLABLE, {"time_in_force": TimeInForce.GTC, "reduce_only": True, "client_id": "new 11"}),
    (Reject.REDUCE_ONLY_WITHOUT_POSITION, {"reduce_only": False, "client_id": "new 12"}),
    (Reject.POSITION_TOO_LARGE, {"size": 40_000, "client_id": "new 13"}),
    (Reject.INSUFFICIENT_MARGIN, {"size": 1, "client_id": "new 14"}),
):
    FAULTS.append((_reason, _faulty))
    _faulty = replace(_faulty, **_change)
FAULTS.append((None, _faulty))


def test_an_order_with_many_faults_is_refused_for_the_first_of_them() -> None:
    exchange = an_exchange(marks={"BTC": 100}, price_step=5, wallets={ALICE: 9_000})
    apply(exchange, ListInstrument(VENUE, 0, an_instrument("ETH", price_step=5)), tick(1))
    apply(exchange, sell(5, 105, by=BOB), buy(1, 95, id="used"))
    apply(exchange, SetRules(VENUE, 0, orders=OrderRules(rate_limit=50)), *(buy(1, 95, by=MM) for _ in range(50)))
    for reason, order in FAULTS:
        assert reasons(apply(exchange, order)) == ([] if reason is None else [reason]), order


def test_the_order_of_these_faults_is_the_order_of_the_reasons() -> None:
    places = [list(Reject).index(reason) for reason, _ in FAULTS if reason is not None]
    assert all(earlier < later for earlier, later in pairwise(places))
