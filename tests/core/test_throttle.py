"""Throttle: liquidations take their share of the volume; who finds no allowance left waits for a clock tick."""

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.throttle import Turnover
from stream_engine.messages.events import (
    Breaker,
    BreakerReleased,
    BreakerTripped,
    ControlRejected,
    LiquidationEnded,
    LiquidationStarted,
)
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import BreakerRules
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    SECOND,
    VENUE,
    an_exchange,
    apply,
    held,
    leg,
    one,
    only,
    sell,
    spot,
    tick,
    usd,
)

SHARE = BreakerRules(throttle_ppm=100_000, throttle_window_us=10 * SECOND, throttle_least_quote=usd(500))


def three_longs(rules: BreakerRules = SHARE, checks: int = 500) -> Exchange:
    """Alice, Carol and Dave are long 10 each from 100 with 60 USDT, and there are bids for all of them at 97."""
    exchange = an_exchange(
        "100 @ 97 |",
        wallets={ALICE: 60, CAROL: 60, DAVE: 60},
        holds=[leg(ALICE, 10, at=100), leg(CAROL, 10, at=100), leg(DAVE, 10, at=100), leg(BOB, -30, at=100)],
        rules=SetRules(VENUE, 0, checks_per_input=checks, breakers=rules),
    )
    apply(exchange, tick(0))
    return exchange


def left(exchange: Exchange) -> list[int]:
    return [account for account in (ALICE, CAROL, DAVE) if held(exchange, account)]


def test_a_liquidation_goes_whole_while_anything_is_left_and_the_next_waits() -> None:
    exchange = three_longs()
    events = apply(exchange, spot(BTC=97))
    assert one(events, LiquidationEnded).book == 10  # 970 USDT, of 500
    assert one(events, BreakerTripped).breaker is Breaker.THROTTLE
    assert left(exchange) == [CAROL, DAVE]


def test_what_was_taken_beyond_is_missing_until_the_window_has_passed_over_it_and_then_one_more_goes() -> None:
    exchange = three_longs()
    apply(exchange, spot(BTC=97))
    assert not only(apply(exchange, tick(5), tick(9)), LiquidationStarted)
    events = apply(exchange, tick(10))
    assert one(events, BreakerReleased).accounts == 2
    assert one(events, LiquidationStarted).account == CAROL and left(exchange) == [DAVE]
    apply(exchange, tick(15), tick(20))
    assert left(exchange) == []


def test_a_share_of_what_others_trade_is_allowed_as_well_from_the_next_clock_tick_on() -> None:
    exchange = three_longs()
    apply(exchange, spot(BTC=97), sell(50, 97, by=BOB))  # 970 + 4,850 traded: 582 and 500 allowed, 970 used
    assert left(exchange) == [CAROL, DAVE]
    apply(exchange, tick(1))
    assert left(exchange) == [DAVE]


def test_who_waits_is_liquidated_once_and_nobody_is_lost_at_the_bound_of_the_cascade() -> None:
    exchange = three_longs(checks=1)
    events = apply(exchange, spot(BTC=97), *(tick(second) for second in range(1, 60)))
    assert [event.account for event in only(events, LiquidationStarted)] == [ALICE, CAROL, DAVE]
    assert left(exchange) == []


def test_who_is_above_maintenance_again_when_his_turn_comes_keeps_his_position() -> None:
    exchange = three_longs()
    apply(exchange, spot(BTC=97), spot(BTC=100), *(tick(second) for second in range(1, 40)))
    assert left(exchange) == [CAROL, DAVE]


def test_without_a_throttle_all_of_them_go_at_once() -> None:
    exchange = three_longs(BreakerRules())
    apply(exchange, spot(BTC=97))
    assert left(exchange) == []


def test_rules_without_it_let_everybody_go_with_the_next_clock_tick() -> None:
    exchange = three_longs()
    apply(exchange, spot(BTC=97), SetRules(VENUE, 0, breakers=BreakerRules()))
    assert left(exchange) == [CAROL, DAVE]
    apply(exchange, tick(1))
    assert left(exchange) == []


@pytest.mark.parametrize(
    ("least", "window", "refused"),
    [(0, SECOND, True), (1, SECOND, False), (2, SECOND, False), (1, SECOND - 1, True), (1, SECOND + 1, False)],
)
def test_a_throttle_that_might_never_let_anybody_go_is_refused(least: int, window: int, refused: bool) -> None:
    rules = BreakerRules(throttle_ppm=1, throttle_least_quote=least, throttle_window_us=window)
    events = apply(an_exchange(), SetRules(VENUE, 0, breakers=rules))
    assert [event.reason for event in only(events, ControlRejected)] == ([Reject.BAD_RULES] if refused else [])


@pytest.mark.parametrize(("seconds", "allowance"), [(9.9, 600), (10.0, 500), (10.1, 500)])
def test_a_fill_counts_until_its_second_began_a_window_ago(seconds: float, allowance: int) -> None:
    turnover = Turnover(10 * SECOND)
    turnover.add(round(0.9 * SECOND), usd(1_000), liquidation=False)
    assert turnover.allowance(round(seconds * SECOND), SHARE) == usd(allowance)


def test_the_share_is_rounded_down() -> None:
    turnover = Turnover(SECOND)
    turnover.add(0, 19, liquidation=False)
    assert turnover.allowance(0, BreakerRules(throttle_ppm=100_000)) == 1
