"""Liquidation in steps: how much of a position at a time, how far into the book, and what of it the owner keeps.

Alice is long 20 lots from 100 with 230 USDT; up to 1,000 USDT of notional maintenance is 5 %, of what is above it 10 %.
At 95 her equity is 130, her maintenance 140 and her bankruptcy price 89. Dave, rich, holds the other side.
"""

from typing import Any

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import (
    AnyEvent,
    CancelReason,
    DeleveragingStarted,
    FundChanged,
    LiquidationEnded,
    LiquidationFilled,
    LiquidationStarted,
    OrderCancelled,
)
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.instrument import Tier
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import FundPolicy, FundRules, LiquidationLimit, LiquidationRules, LiquidationStep
from stream_engine.messages.units import MILLION
from tests.core.rulebook import (
    ALICE,
    BOB,
    DAVE,
    VENUE,
    an_exchange,
    apply,
    book,
    buy,
    deposit,
    fund,
    held,
    leg,
    one,
    only,
    reasons,
    sell,
    spot,
    tick,
    trades,
    usd,
    wallet,
)

TIERS = (Tier(usd(1_000), 50_000), Tier(0, 100_000))
THREE_TIERS = (Tier(usd(500), 50_000), Tier(usd(1_000), 60_000), Tier(0, 100_000))
TIER, TWO_TIERS, SHARE = LiquidationStep.TIER, LiquidationStep.TWO_TIERS, LiquidationStep.SHARE
NO_COVER = FundRules(policy=FundPolicy.NONE)


def alice_falls(
    book: str,
    liquidation: LiquidationRules,
    *,
    dollars: float = 230,
    to: int = 95,
    fund: float = 0,
    policy: FundRules = NO_COVER,
    **instrument: Any,
) -> tuple[Exchange, list[AnyEvent]]:
    """The mark falls from 100; the exchange and the events after it."""
    exchange = an_exchange(
        book,
        wallets={ALICE: dollars},
        holds=(leg(ALICE, 20, at=100), leg(DAVE, -20, at=100)),
        fund=fund,
        rules=SetRules(VENUE, 0, liquidation=liquidation, fund=policy),
        **{"tiers": TIERS, **instrument},
    )
    return exchange, apply(exchange, spot(BTC=to))


def steps(events: list[AnyEvent]) -> list[tuple[int, int, int]]:
    """Of each step: lots asked for, lots into the book, lots that the owner still holds."""
    ended = only(events, LiquidationEnded)
    sizes = [started.size for started in only(events, LiquidationStarted)]
    return [(size, end.book, end.left) for size, end in zip(sizes, ended, strict=True)]


# a tier at a time ------------------------------------------------------------------------------------------


def test_a_position_is_reduced_to_the_bound_of_the_tier_below_and_no_further() -> None:
    exchange, events = alice_falls("20 @ 94 |", LiquidationRules(step=TIER))
    assert steps(events) == [(10, 10, 10)]
    assert (held(exchange, ALICE), book(exchange)) == (10, "10 @ 94 |")
    assert one(events, LiquidationFilled).to_fund == usd(50) == exchange.state.fund.balance
    assert wallet(exchange, ALICE) == 230 - 60 - 50


@pytest.mark.parametrize(
    ("dollars", "asked"), [(157, [10, 10]), (157.5, [10]), (158, [10]), (239.5, [10]), (240, []), (240.5, [])]
)
def test_the_steps_end_when_equity_covers_maintenance_and_the_owner_keeps_the_rest(
    dollars: float, asked: list[int]
) -> None:
    """Nothing is the fund's here: ten lots at 94 cost 10 of equity, and the other ten need 47.5."""
    rules = LiquidationRules(step=TIER)
    _, events = alice_falls("20 @ 94 |", rules, dollars=dollars, liquidation_fee_ppm=0)
    assert [size for size, _, _ in steps(events)] == asked


def test_the_book_not_taking_a_step_the_whole_rest_goes_through_all_steps() -> None:
    exchange, events = alice_falls("4 @ 94 |", LiquidationRules(step=TIER), dollars=200)
    assert steps(events) == [(10, 4, 16), (16, 0, 0)]
    assert one(events, DeleveragingStarted).size == 16
    assert (held(exchange, ALICE), wallet(exchange, ALICE)) == (0, 0)


def test_where_nothing_can_be_sold_no_step_is_told_before_the_whole() -> None:
    _, events = alice_falls("", LiquidationRules(step=TIER))
    assert steps(events) == [(20, 0, 0)]


def test_in_the_lowest_tier_a_position_goes_as_a_whole() -> None:
    _, events = alice_falls("30 @ 94 |", LiquidationRules(step=TIER), dollars=280, tiers=(Tier(0, 100_000),))
    assert steps(events) == [(20, 20, 0)]


@pytest.mark.parametrize(("step", "asked"), [(TIER, [9, 6, 5]), (TWO_TIERS, [15, 5])])
def test_tiers_are_left_one_or_two_at_a_time(step: LiquidationStep, asked: list[int]) -> None:
    """At 90 eleven lots are 990 USDT, five 450. At the edge of bankruptcy no step is enough."""
    _, events = alice_falls("20 @ 90 |", LiquidationRules(step=step), dollars=210, to=90, tiers=THREE_TIERS)
    assert [size for size, _, _ in steps(events)] == asked


def test_in_the_second_tier_there_are_no_two_to_leave() -> None:
    _, events = alice_falls("20 @ 94 |", LiquidationRules(step=TWO_TIERS))
    assert steps(events) == [(20, 20, 0)]


def test_all_orders_are_cancelled_before_the_first_step() -> None:
    exchange = an_exchange(
        "20 @ 94 |",
        wallets={ALICE: 400},
        holds=(leg(ALICE, 20, at=100), leg(DAVE, -20, at=100)),
        rules=SetRules(VENUE, 0, liquidation=LiquidationRules(step=TIER)),
        tiers=TIERS,
    )
    apply(exchange, buy(1, 50))
    events = apply(exchange, spot(BTC=86))
    cancelled = one(events, OrderCancelled)
    assert cancelled.reason is CancelReason.LIQUIDATION
    assert cancelled.n < only(events, LiquidationStarted)[0].n


# a share first ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("above", "asked"), [(1_899, 4), (1_900, 20), (1_901, 20)])
def test_of_a_position_worth_more_than_the_bound_a_share_goes_first(above: int, asked: int) -> None:
    rules = LiquidationRules(step=SHARE, share_above_quote=usd(above))
    assert [size for size, _, _ in steps(alice_falls("20 @ 94 |", rules)[1])] == [asked]


@pytest.mark.parametrize(("share_ppm", "lots"), [(200_000, 4), (200_001, 5), (249_999, 5), (250_000, 5)])
def test_a_share_is_whole_lots_rounded_up(share_ppm: int, lots: int) -> None:
    rules = LiquidationRules(step=SHARE, share_ppm=share_ppm, share_above_quote=0)
    assert [size for size, _, _ in steps(alice_falls("20 @ 94 |", rules)[1])] == [lots]


def a_share_was_sold() -> Exchange:
    """Four of Alice's lots; sixteen are left, and she is still below maintenance."""
    rules = LiquidationRules(step=SHARE, share_above_quote=usd(1_000), cooldown_us=30 * MILLION)
    exchange, events = alice_falls("20 @ 89 |", rules, dollars=220)
    assert steps(events) == [(4, 4, 16)]
    return exchange


def test_what_a_share_leaves_waits_for_the_clock_whatever_the_mark_does() -> None:
    exchange = a_share_was_sold()
    assert not only(apply(exchange, spot(BTC=94), spot(BTC=95)), LiquidationStarted)
    assert steps(apply(exchange, tick(1))) == [(16, 16, 0)]


def test_who_is_saved_while_waiting_keeps_the_rest() -> None:
    exchange = a_share_was_sold()
    assert not only(apply(exchange, deposit(ALICE, 100), tick(1)), LiquidationStarted)
    assert held(exchange, ALICE) == 16
    assert not exchange.state.watch.put_off


@pytest.mark.parametrize(("seconds", "asked"), [(29, 16), (30, 4), (31, 4)])
def test_within_the_cooldown_a_large_position_goes_as_a_whole_after_it_by_a_share_again(
    seconds: int, asked: int
) -> None:
    exchange = a_share_was_sold()
    apply(exchange, deposit(ALICE, 100), tick(seconds))
    assert [size for size, _, _ in steps(apply(exchange, spot(BTC=88)))] == [asked]


def test_a_share_that_nobody_buys_is_asked_for_again_at_each_tick() -> None:
    rules = LiquidationRules(step=SHARE, share_above_quote=usd(1_000))
    exchange, events = alice_falls("", rules)
    assert not only(events, LiquidationStarted)
    assert not only(apply(exchange, tick(1)), LiquidationStarted)
    apply(exchange, buy(4, 90, by=BOB))
    assert steps(apply(exchange, tick(2))) == [(4, 4, 16)]


def test_below_zero_everything_goes_at_once() -> None:
    _, events = alice_falls("", LiquidationRules(step=SHARE, share_above_quote=0), to=88)
    assert steps(events) == [(20, 0, 0)]
    assert one(events, DeleveragingStarted).size == 20


# how far ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "sold"), [(88, 0), (89, 0), (92, 0), (93, 20), (94, 20)])
def test_the_fillable_price_lies_nearer_to_the_mark_than_bankruptcy_while_there_is_equity(
    price: int, sold: int
) -> None:
    """Equity is a quarter short of maintenance; the whole spread is 10 USDT a lot: 2.5, so two ticks."""
    rules = LiquidationRules(limit=LiquidationLimit.FILLABLE, spread_ppm=1_428_572)
    exchange, events = alice_falls(f"20 @ {price} |", rules, dollars=205)
    assert 20 - held(exchange, ALICE) == sold
    assert not only(events, DeleveragingStarted)


@pytest.mark.parametrize(("adjustment_ppm", "price"), [(0, 95), (1_000_000, 93), (1_500_000, 92), (9_000_000, 85)])
def test_the_fillable_price_goes_farther_the_deeper_the_account_is_and_no_farther_than_the_whole_spread(
    adjustment_ppm: int, price: int
) -> None:
    rules = LiquidationRules(limit=LiquidationLimit.FILLABLE, spread_ppm=1_428_572, adjustment_ppm=adjustment_ppm)
    exchange, _ = alice_falls(
        f"1 @ {price - 1}, 1 @ {price} |", rules, dollars=205, fund=100, policy=FundRules(policy=FundPolicy.COVER)
    )
    assert book(exchange) == f"1 @ {price - 1} |"


@pytest.mark.parametrize(("price", "sold"), [(90, 0), (91, 20), (92, 20)])
def test_a_market_limit_goes_as_far_from_the_mark_as_a_market_order(price: int, sold: int) -> None:
    rules = LiquidationRules(limit=LiquidationLimit.MARKET)
    exchange, _ = alice_falls(f"20 @ {price} |", rules, market_bound_ppm=50_000)  # 4.75 of 95: four ticks
    assert 20 - held(exchange, ALICE) == sold


@pytest.mark.parametrize(
    ("policy", "sold"), [(NO_COVER, 0), (FundRules(policy=FundPolicy.COVER), 15)], ids=["none", "cover"]
)
def test_beyond_bankruptcy_a_market_limit_sells_only_at_the_funds_cost(policy: FundRules, sold: int) -> None:
    rules = LiquidationRules(limit=LiquidationLimit.MARKET)
    exchange, events = alice_falls("20 @ 87 |", rules, fund=30, policy=policy)
    assert 20 - held(exchange, ALICE) == sold
    assert [event.change for event in only(events, FundChanged)] == ([usd(-30)] if sold else [])


def test_what_the_book_leaves_waits_for_the_clock_while_equity_is_not_below_zero() -> None:
    exchange, events = alice_falls("5 @ 94 |", LiquidationRules(limit=LiquidationLimit.MARKET), dollars=200)
    assert steps(events) == [(20, 5, 15)]
    apply(exchange, buy(15, 93, by=BOB))
    assert steps(apply(exchange, tick(1))) == [(15, 15, 0)]


@pytest.mark.parametrize(("to", "closed"), [(89, False), (88, True)])
def test_below_zero_what_the_book_leaves_goes_through_all_steps(to: int, closed: bool) -> None:
    exchange, events = alice_falls("", LiquidationRules(limit=LiquidationLimit.MARKET), dollars=220, to=to)
    assert (held(exchange, ALICE) == 0) is closed
    assert bool(only(events, DeleveragingStarted)) is closed


def test_who_waits_may_sell_himself() -> None:
    exchange, _ = alice_falls("5 @ 94 |", LiquidationRules(limit=LiquidationLimit.MARKET), dollars=200)
    apply(exchange, buy(10, 95, by=BOB))
    assert trades(apply(exchange, sell(10, 95))) == ["10 @ 95"]
    assert not only(apply(exchange, tick(1)), LiquidationStarted)


# whose surplus ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fee_ppm", "to_fund"), [(0, 0), (10_000, 18.8), (1_000_000, 100)])
def test_the_owner_keeps_what_the_liquidation_fee_leaves_of_a_surplus(fee_ppm: int, to_fund: float) -> None:
    """20 lots at 94 are 100 USDT better than at 89, and 1,880 in all."""
    exchange, events = alice_falls("20 @ 94 |", LiquidationRules(), liquidation_fee_ppm=fee_ppm)
    assert one(events, LiquidationFilled).to_fund == usd(to_fund)
    assert wallet(exchange, ALICE) == (0 if fee_ppm == MILLION else 230 - 120 - to_fund)
    assert fund(exchange) == (110 if fee_ppm == MILLION else to_fund)


# the rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share_ppm", "bad"), [(0, True), (1, False)])
def test_a_share_of_nothing_is_refused(share_ppm: int, bad: bool) -> None:
    rules = SetRules(VENUE, 0, liquidation=LiquidationRules(step=SHARE, share_ppm=share_ppm))
    assert reasons(apply(an_exchange(), rules)) == ([Reject.BAD_RULES] if bad else [])
