"""Freezes: liquidations wait while last and index are far apart, or while a price source is silent; never for ever."""

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.freeze import Freeze
from stream_engine.core.state import dump, load
from stream_engine.messages.events import (
    AnyEvent,
    Breaker,
    BreakerReleased,
    BreakerTripped,
    LiquidationStarted,
)
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.instrument import OWN_TRADES, IndexSource
from stream_engine.messages.rules import BreakerRules
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    SECOND,
    VENUE,
    an_exchange,
    apply,
    buy,
    deposit,
    fund,
    halt,
    held,
    kinds,
    leg,
    one,
    only,
    prices_of,
    resume,
    sell,
    spot,
    tick,
    usd,
)


def breakers(**rules: int) -> SetRules:
    return SetRules(VENUE, 0, breakers=BreakerRules(**rules))


def diverging(cap: int = 0, **more: object) -> Exchange:
    """Liquidations wait above 5 % between last and index, after 3 s. Alice is long 10 from 100 with 60 USDT; somebody
    has traded at 100."""
    exchange = an_exchange(
        "20 @ 90 | 100 @ 1",
        wallets={ALICE: 60},
        holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)],
        rules=breakers(divergence_ppm=50_000, divergence_cap_us=cap * SECOND),
        fund=1_000,
        **more,  # type: ignore[arg-type]
    )
    apply(exchange, tick(0), buy(1, 100, by=CAROL))
    return exchange


def frozen_at_94(cap: int = 0) -> Exchange:
    """As above; the index has been at 94 for longer than 3 s, and Alice needs money before it falls."""
    exchange = diverging(cap)
    apply(exchange, deposit(ALICE, 60), spot(BTC=94), tick(3))
    assert tripped(apply(exchange, tick(3.1))) == [Breaker.DIVERGENCE]
    return exchange


def tripped(events: list[AnyEvent]) -> list[Breaker]:
    return [event.breaker for event in only(events, BreakerTripped)]


def released(events: list[AnyEvent]) -> list[tuple[Breaker, float, bool]]:
    return [(event.breaker, event.waited_us / SECOND, event.capped) for event in only(events, BreakerReleased)]


# divergence ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "diverged"), [(83, False), (84, False), (85, True), (77, False), (76, False), (75, True)]
)
def test_last_and_index_are_apart_above_the_share_of_the_index_that_is_set_on_either_side(
    last: int, diverged: bool
) -> None:
    rules = BreakerRules(divergence_ppm=50_000, divergence_after_us=0)
    freeze = Freeze()
    freeze.is_diverged(last, 80, 0, rules)
    assert freeze.is_diverged(last, 80, 1, rules) == diverged


@pytest.mark.parametrize(("seconds", "on"), [(2.9, False), (3.0, False), (3.1, True)])
def test_they_freeze_once_they_have_been_apart_for_longer_than_is_set(seconds: float, on: bool) -> None:
    exchange = diverging()
    apply(exchange, deposit(ALICE, 60), spot(BTC=94), tick(1))
    assert bool(tripped(apply(exchange, tick(seconds)))) == on


def test_before_the_first_trade_nothing_is_apart() -> None:
    exchange = an_exchange(rules=breakers(divergence_ppm=1))
    assert not tripped(apply(exchange, tick(0), spot(BTC=50), tick(9), tick(20)))


def test_while_they_are_apart_nobody_is_liquidated_and_neither_fund_nor_deleveraging_is_asked() -> None:
    exchange = frozen_at_94()
    waiting = apply(exchange, spot(BTC=80), tick(4), tick(5))
    assert not {"LiquidationStarted", "FundChanged", "DeleveragingStarted"} & set(kinds(waiting))
    assert held(exchange, ALICE) == 10 and fund(exchange) == 1_000


def test_who_waited_goes_with_the_release_and_the_event_says_what_the_delay_cost() -> None:
    exchange = frozen_at_94()
    apply(exchange, spot(BTC=87), tick(4), spot(BTC=84))
    traded = apply(exchange, sell(20, 90, by=DAVE), buy(12, 84, by=MM), sell(1, 84, by=DAVE))
    assert not only(traded, BreakerReleased)  # it is looked at when a mark is made
    events = apply(exchange, tick(7))
    done = one(events, BreakerReleased)
    assert (done.accounts, done.shortfall_before, done.shortfall_after) == (1, usd(10), usd(40))
    assert released(events) == [(Breaker.DIVERGENCE, 3.9, False)]
    assert held(exchange, ALICE) == 0 and fund(exchange) == 960


def test_who_is_above_maintenance_again_by_then_is_not_liquidated() -> None:
    exchange = frozen_at_94()
    events = apply(exchange, spot(BTC=87), spot(BTC=97))
    assert one(events, BreakerReleased).accounts == 1 and one(events, BreakerReleased).shortfall_after == 0
    assert held(exchange, ALICE) == 10
    assert only(apply(exchange, spot(BTC=91)), LiquidationStarted)


def test_who_pays_in_while_waiting_saves_the_position_and_is_watched_again() -> None:
    exchange = frozen_at_94()
    apply(exchange, spot(BTC=87), deposit(ALICE, 100), spot(BTC=97))
    assert held(exchange, ALICE) == 10
    assert only(apply(exchange, spot(BTC=81)), LiquidationStarted)


@pytest.mark.parametrize(("seconds", "over"), [(8.0, False), (8.1, True), (8.2, True)])
def test_a_freeze_ends_with_its_cap_although_its_reason_stays(seconds: float, over: bool) -> None:
    exchange = frozen_at_94(cap=5)
    events = apply(exchange, spot(BTC=87), tick(seconds))
    assert [capped for _, _, capped in released(events)] == ([True] if over else [])
    assert (held(exchange, ALICE) == 0) == over


def test_after_its_cap_a_freeze_does_not_come_again_before_its_reason_has_gone() -> None:
    exchange = frozen_at_94(cap=5)
    apply(exchange, tick(9))
    assert not tripped(apply(exchange, tick(20), tick(40)))
    apply(exchange, spot(BTC=97), spot(BTC=94))
    assert tripped(apply(exchange, tick(41), tick(44))) == [Breaker.DIVERGENCE]


def test_an_account_waits_with_all_that_it_holds_and_the_others_do_not() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={ALICE: 60, CAROL: 60},
        holds=[
            leg(ALICE, 9, at=100),
            leg(BOB, -9, at=100),
            leg(ALICE, 1, at=100, symbol="ETH"),
            leg(CAROL, 10, at=100, symbol="ETH"),
            leg(BOB, -11, at=100, symbol="ETH"),
        ],
        rules=breakers(divergence_ppm=50_000),
    )
    apply(exchange, sell(1, 106, by=MM), tick(0), buy(1, 106, by=DAVE), tick(1))
    assert tripped(apply(exchange, tick(5))) == [Breaker.DIVERGENCE]
    apply(exchange, spot(BTC=97, ETH=90))
    assert (held(exchange, ALICE, "ETH"), held(exchange, CAROL, "ETH")) == (1, 0)


def test_rules_without_it_end_a_freeze_with_the_next_clock_tick() -> None:
    exchange = frozen_at_94()
    assert not released(apply(exchange, spot(BTC=87), breakers()))
    assert released(apply(exchange, tick(4))) == [(Breaker.DIVERGENCE, 0.9, False)]
    assert held(exchange, ALICE) == 0


def test_a_halt_stands_above_a_freeze_and_who_waits_for_both_waits_for_the_later_end() -> None:
    exchange = frozen_at_94()
    apply(exchange, spot(BTC=87), halt(), breakers())
    assert released(apply(exchange, tick(4)))
    assert held(exchange, ALICE) == 10
    apply(exchange, resume())
    assert held(exchange, ALICE) == 0


def test_a_venue_that_is_loaded_while_somebody_waits_goes_on_exactly() -> None:
    exchange = frozen_at_94()
    apply(exchange, spot(BTC=87))
    again = load(dump(exchange))
    assert again.apply(breakers()) == exchange.apply(breakers())
    assert again.apply(tick(9)) == exchange.apply(tick(9))
    assert held(again, ALICE) == held(exchange, ALICE) == 0


# stall -----------------------------------------------------------------------------------------------------


def stalling(cap: int = 0) -> Exchange:
    """Liquidations wait while a source is older than 3 s. Alice is long 10 from 100 with 60 USDT."""
    exchange = an_exchange(
        "20 @ 90 |",
        wallets={ALICE: 60},
        holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)],
        rules=breakers(stall_us=3 * SECOND, stall_cap_us=cap * SECOND),
        sources=(IndexSource("spot", 1), IndexSource("other", 1), IndexSource("idle", 0), IndexSource(OWN_TRADES, 1)),
        fund=1_000,
    )
    apply(exchange, prices_of("other", BTC=100), tick(0))
    return exchange


@pytest.mark.parametrize(("seconds", "on"), [(2.9, False), (3.0, False), (3.1, True)])
def test_the_oldest_outside_source_with_a_weight_freezes_once_it_is_older_than_is_set(seconds: float, on: bool) -> None:
    exchange = stalling()
    apply(exchange, tick(1), spot(BTC=100))
    events = apply(exchange, tick(seconds))
    assert bool(tripped(events)) == on
    assert [event.age_us for event in only(events, BreakerTripped)] == ([3_100_000] if on else [])


def test_a_source_that_was_never_heard_of_does_not_stall() -> None:
    exchange = an_exchange(rules=breakers(stall_us=SECOND), sources=(IndexSource("spot", 1), IndexSource("other", 1)))
    assert not tripped(apply(exchange, tick(0), tick(1)))


def test_while_a_source_is_silent_the_others_liquidate_nobody_and_its_next_price_ends_the_freeze() -> None:
    exchange = stalling()
    apply(exchange, tick(4))
    assert not only(apply(exchange, spot(BTC=80), tick(5), spot(BTC=79)), LiquidationStarted)
    events = apply(exchange, prices_of("other", BTC=80))
    assert released(events) == [(Breaker.STALL, 1.0, False)]
    assert held(exchange, ALICE) == 0


def test_a_stall_ends_with_its_cap() -> None:
    exchange = stalling(cap=2)
    apply(exchange, tick(4), spot(BTC=80))
    assert released(apply(exchange, tick(5), tick(6))) == [(Breaker.STALL, 2.0, True)]
    assert held(exchange, ALICE) == 0
