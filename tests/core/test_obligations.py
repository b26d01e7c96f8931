"""Obligations: presence is measured at every tick, judged at the end of a period, and costs what was missed."""

from typing import Any

import pytest
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import (
    DutyMeasured,
    FundChanged,
    FundReason,
    PositionDeleveraged,
    StressDeclared,
    StressEnded,
    TrancheCalled,
)
from stream_engine.messages.inputs import DeclareStress, SetDuty, SetRules
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import Duty, ObligationRules
from stream_engine.messages.units import MILLION
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    RICH,
    VENUE,
    an_exchange,
    apply,
    buy,
    fund,
    halt,
    leg,
    one,
    only,
    quote,
    quote_cancel,
    reasons,
    sell,
    spot,
    tick,
    usd,
    wallet,
)

# Half of the ticks, within 2 USDT of a mid of 100, 500 USDT on a side; in stress a tenth, within 4, 100 USDT.
T1 = Duty(
    name="T1", presence_ppm=500_000, spread_ppm=40_000, size_quote=usd(500),
    stress_presence_ppm=100_000, stress_spread_ppm=80_000, stress_size_quote=usd(100),
)  # fmt: skip
TEN_SECONDS = 10 * MILLION
GOOD = quote(1, [(99, 6)], [(101, 6)])


def rules(*duties: Duty, **changes: object) -> SetRules:
    return SetRules(VENUE, 0, obligations=replace(ObligationRules(duties=duties, period_us=TEN_SECONDS), **changes))


def an_obliged_exchange(*, clawback: bool = False, cap: float = 0, **more: Any) -> Exchange:
    """MM in T1 on BTC from second 0 on; the first period ends at second 10."""
    exchange = an_exchange(**more)
    apply(exchange, rules(T1, clawback=clawback, tranche_cap_quote=usd(cap)), SetDuty(VENUE, 0, MM, "BTC", "T1"))
    return exchange


def measured(exchange: Exchange, quoted_for: int) -> DutyMeasured:
    """What is told at second 10, after so many of the nine ticks before found the quote there."""
    for second in range(1, 10):
        if second == 1 and quoted_for:
            apply(exchange, GOOD)
        apply(exchange, tick(second))
        if second == quoted_for:
            apply(exchange, quote_cancel())
    return one(apply(exchange, tick(10)), DutyMeasured)


@pytest.mark.parametrize(
    ("quoted_for", "presence", "shortfall"),
    [(0, 0, 1_000_000), (4, 444_444, 111_111), (5, 555_555, 0), (9, 1_000_000, 0)],
)
def test_presence_is_the_share_of_the_ticks_with_a_good_quote_and_what_is_missing_of_the_duty_is_the_shortfall(
    quoted_for: int, presence: int, shortfall: int
) -> None:
    told = measured(an_obliged_exchange(), quoted_for)
    assert (told.account, told.symbol, told.duty, told.ticks, told.stressed) == (MM, "BTC", "T1", 9, 0)
    assert (told.presence_ppm, told.required_ppm, told.shortfall_ppm) == (presence, 500_000, shortfall)


@pytest.mark.parametrize(
    ("bids", "asks", "is_met"),
    [
        ([(99, 6)], [(101, 6)], True),
        ([(98, 6)], [(102, 6)], True),  # at the edge: 2 of 100
        ([(97, 6)], [(103, 6)], False),
        ([(99, 5)], [(101, 6)], False),  # 495 USDT
        ([(99, 3), (98, 3)], [(101, 6)], True),  # all levels within the spread count together
        ([(99, 6)], [], False),
    ],
)
def test_a_quote_is_good_on_both_sides_near_enough_and_large_enough(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], is_met: bool
) -> None:
    exchange = an_obliged_exchange(book="1 @ 99 | 101 @ 1")
    apply(exchange, quote(1, bids, asks), tick(1))
    assert one(apply(exchange, tick(10)), DutyMeasured).presence_ppm == (MILLION if is_met else 0)


def test_orders_do_not_count() -> None:
    exchange = an_obliged_exchange()
    apply(exchange, buy(10, 99, by=MM), sell(10, 101, by=MM), tick(1))
    assert one(apply(exchange, tick(10)), DutyMeasured).presence_ppm == 0


def test_in_declared_stress_less_is_asked_for() -> None:
    exchange = an_obliged_exchange()
    declared = one(apply(exchange, DeclareStress(VENUE, 0, True, "tariffs")), StressDeclared)
    assert declared.reason == "tariffs"
    apply(exchange, quote(1, [(96, 2)], [(104, 2)]), *(tick(second) for second in (1, 2, 3, 4)))
    one(apply(exchange, DeclareStress(VENUE, 0, False)), StressEnded)
    apply(exchange, *(tick(second) for second in (5, 6, 7, 8)))
    told = one(apply(exchange, tick(10)), DutyMeasured)
    assert (told.ticks, told.stressed, told.presence_ppm, told.required_ppm) == (8, 4, 500_000, 300_000)


def test_stress_is_declared_once_and_ended_once() -> None:
    exchange = an_obliged_exchange()
    assert reasons(apply(exchange, DeclareStress(VENUE, 0, False))) == [Reject.ALREADY_EXISTS]
    apply(exchange, DeclareStress(VENUE, 0, True))
    assert reasons(apply(exchange, DeclareStress(VENUE, 0, True))) == [Reject.ALREADY_EXISTS]


def test_nothing_is_due_while_trading_is_halted() -> None:
    exchange = an_obliged_exchange()
    apply(exchange, tick(1), halt(), tick(2), tick(3))
    assert one(apply(exchange, tick(10)), DutyMeasured).ticks == 1


def test_the_shortfalls_share_of_the_rebates_is_taken_back() -> None:
    exchange = an_obliged_exchange(clawback=True, maker_fee_ppm=-10_000, taker_fee_ppm=20_000)
    apply(exchange, GOOD, buy(5, 101))  # a rebate of 1 % of 505 USDT
    apply(exchange, quote_cancel(), tick(1))
    told = one(apply(exchange, tick(10)), DutyMeasured)
    assert (told.shortfall_ppm, told.rebates, told.clawed_back) == (1_000_000, usd(5.05), usd(5.05))
    assert wallet(exchange, MM) * MILLION == told.wallet == usd(RICH)


def test_rebates_stay_where_clawback_is_off_and_count_for_one_period_only() -> None:
    exchange = an_obliged_exchange(maker_fee_ppm=-10_000, taker_fee_ppm=20_000)
    apply(exchange, GOOD, buy(5, 101), tick(1))
    first = one(apply(exchange, tick(10)), DutyMeasured)
    assert (first.rebates, first.clawed_back) == (usd(5.05), 0)
    assert one(apply(exchange, tick(20)), DutyMeasured).rebates == 0


def test_a_clawback_takes_no_margin_that_the_maker_needs() -> None:
    exchange = an_obliged_exchange(clawback=True, maker_fee_ppm=-10_000, taker_fee_ppm=20_000, wallets={MM: 120})
    apply(exchange, GOOD, buy(6, 101), spot(BTC=111), tick(1))
    told = one(apply(exchange, tick(10)), DutyMeasured)
    assert told.rebates == usd(6.06) and told.clawed_back == 0


def a_bankrupt_long(exchange: Exchange) -> None:
    """Alice is long 10 from 100 with 100 USDT, and only Dave bids for it, at 85."""
    apply(exchange, buy(10, 85, by=DAVE))


def falling(**more: Any) -> Exchange:
    exchange = an_obliged_exchange(wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)], **more)
    apply(exchange, tick(1), tick(10))  # MM failed the whole period
    a_bankrupt_long(exchange)
    return exchange


def test_who_failed_pays_before_anybody_is_deleveraged() -> None:
    exchange = falling(cap=1_000)
    events = apply(exchange, spot(BTC=86))  # bankrupt at 90: 50 USDT are missing
    called = one(events, TrancheCalled)
    assert (called.account, called.symbol, called.quote, called.shortfall_ppm) == (MM, "BTC", usd(50), MILLION)
    assert [event.reason for event in only(events, FundChanged)][:2] == [FundReason.TRANCHE, FundReason.COVER]
    assert not only(events, PositionDeleveraged) and fund(exchange) == 0
    assert wallet(exchange, MM) == RICH - 50


@pytest.mark.parametrize(("cap", "paid", "deleveraged"), [(49, 45, 1), (50, 50, 0), (51, 50, 0)])
def test_nobody_pays_more_than_the_cap_in_a_period(cap: int, paid: int, deleveraged: int) -> None:
    exchange = falling(cap=cap)
    events = apply(exchange, spot(BTC=86))
    assert sum(-event.size for event in only(events, PositionDeleveraged)) == -deleveraged
    assert -sum(event.change for event in only(events, FundChanged) if event.reason is FundReason.COVER) == usd(paid)


def test_the_fund_pays_before_the_makers() -> None:
    called = one(apply(falling(cap=1_000, fund=20), spot(BTC=86)), TrancheCalled)
    assert called.quote == usd(30)


def test_who_did_its_duty_pays_nothing() -> None:
    exchange = an_obliged_exchange(
        cap=1_000, wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)]
    )
    apply(exchange, GOOD, tick(1), tick(10), quote_cancel())
    a_bankrupt_long(exchange)
    events = apply(exchange, spot(BTC=86))
    assert not only(events, TrancheCalled) and only(events, PositionDeleveraged)


def test_two_who_failed_pay_by_size_and_shortfall() -> None:
    exchange = an_obliged_exchange(
        cap=1_000, wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)]
    )
    small = replace(T1, name="T2", size_quote=usd(250), stress_size_quote=0)
    apply(exchange, rules(T1, small, tranche_cap_quote=usd(1_000)), SetDuty(VENUE, 0, CAROL, "BTC", "T2"))
    apply(exchange, tick(1), tick(10))
    a_bankrupt_long(exchange)
    paid = {event.account: event.quote for event in only(apply(exchange, spot(BTC=86)), TrancheCalled)}
    assert paid == {CAROL: 16_666_667, MM: 33_333_333}


def test_a_maker_is_let_out_of_its_duty() -> None:
    exchange = an_obliged_exchange()
    apply(exchange, tick(1), SetDuty(VENUE, 0, MM, "BTC", None))
    assert not only(apply(exchange, tick(10)), DutyMeasured)
    assert reasons(apply(exchange, SetDuty(VENUE, 0, MM, "BTC", None))) == [Reject.UNKNOWN_DUTY]


@pytest.mark.parametrize(
    "bad",
    [
        rules(),  # T1 is MM's
        rules(T1, T1),
        rules(T1, period_us=0),
        rules(replace(T1, stress_presence_ppm=500_001)),
        rules(replace(T1, stress_spread_ppm=39_999)),
        rules(replace(T1, stress_size_quote=usd(501))),
        rules(replace(T1, spread_ppm=-1)),
    ],
)
def test_obligations_that_contradict_themselves_are_refused(bad: SetRules) -> None:
    assert reasons(apply(an_obliged_exchange(), bad)) == [Reject.BAD_RULES]
