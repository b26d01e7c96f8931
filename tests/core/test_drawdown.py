"""Drawdown: when a pool has lost too much of what it was worth, and what it pays until then.

The fund has 1,000 USDT; from a loss of 30 % on it no longer pays, above one of 25 % it pays again. Alice is long 100
lots from 100 with 600 USDT: at 95 she is bankrupt at 94.
"""

import pytest

from stream_engine.core.drawdown import beyond_the_line, ratio_ppm, reference_of, sets_it_off, sets_it_on
from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import AnyEvent, DrawdownChanged, LiquidationEnded
from stream_engine.messages.inputs import SeedFund, SetRules
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import FundRules, Reference
from tests.core.rulebook import (
    ALICE,
    DAVE,
    VENUE,
    an_exchange,
    apply,
    fund,
    leg,
    one,
    only,
    reasons,
    spot,
    tick,
    usd,
)

EIGHT_HOURS = 8 * 3_600


def drawdown(**changes: object) -> FundRules:
    return FundRules(**{"drawdown_on_ppm": 300_000, "drawdown_off_ppm": 250_000, **changes})  # type: ignore[arg-type]


def alice_falls(book: str, rules: FundRules | None = None) -> tuple[Exchange, list[AnyEvent]]:
    """The clock has ticked, then the mark falls from 100; the exchange and the events after it."""
    exchange = an_exchange(
        book,
        wallets={ALICE: 600},
        holds=(leg(ALICE, 100, at=100), leg(DAVE, -100, at=100)),
        fund=1_000,
        rules=SetRules(VENUE, 0, fund=rules or drawdown()),
    )
    apply(exchange, tick(0))
    return exchange, apply(exchange, spot(BTC=95))


def pay_in(exchange: Exchange, dollars: float, second: float) -> list[AnyEvent]:
    """The operator pays in, and the clock ticks."""
    return apply(exchange, SeedFund(VENUE, 0, usd(dollars)), tick(second))


@pytest.mark.parametrize(
    ("price", "covered", "on"), [(92, 100, False), (91, 100, True), (90, 75, True), (89, 60, True)]
)
def test_the_fund_pays_down_to_the_line_and_what_is_beyond_it_is_deleveraged(
    price: int, covered: int, on: bool
) -> None:
    exchange, events = alice_falls(f"100 @ {price} |")
    ended = one(events, LiquidationEnded)
    assert (ended.fund, ended.adl) == (covered, 100 - covered)
    assert fund(exchange) == 1_000 - covered * (94 - price)
    assert bool(only(events, DrawdownChanged)) is on


def test_while_it_is_on_the_fund_pays_nothing_and_says_how_much_it_has_lost() -> None:
    exchange, events = alice_falls("60 @ 89 |")
    changed = one(events, DrawdownChanged)
    assert (changed.on, changed.ratio_ppm, changed.reference, changed.worth) == (
        True,
        -300_000,
        usd(1_000),
        usd(700),
    )
    assert exchange.state.pools["main"].is_down


@pytest.mark.parametrize(("dollars", "is_off"), [(49, False), (50, False), (50.001, True)])
def test_it_is_off_again_above_the_second_line_and_not_at_it(dollars: float, is_off: bool) -> None:
    exchange, _ = alice_falls("60 @ 89 |")
    events = pay_in(exchange, dollars, 1)
    assert [event.on for event in only(events, DrawdownChanged)] == ([False] if is_off else [])


@pytest.mark.parametrize(("seconds", "is_off"), [(EIGHT_HOURS - 60, False), (EIGHT_HOURS, True)])
def test_what_it_was_worth_is_forgotten_when_the_window_has_passed(seconds: int, is_off: bool) -> None:
    """In parts of a minute: the first began with the first tick."""
    exchange, _ = alice_falls("60 @ 89 |")
    events = apply(exchange, tick(seconds))
    assert bool(only(events, DrawdownChanged)) is is_off
    assert len(exchange.state.pools["main"].parts) <= 480


@pytest.mark.parametrize(("reference", "dollars"), [(Reference.PEAK, 700), (Reference.AVERAGE, 550)])
def test_the_reference_is_the_peak_or_the_mean_of_what_the_ticks_found(reference: Reference, dollars: int) -> None:
    rules = SetRules(VENUE, 0, fund=drawdown(drawdown_reference=reference))
    exchange = an_exchange(fund=400, rules=rules)
    apply(exchange, tick(0), tick(70))
    pay_in(exchange, 300, 71)
    apply(exchange, tick(200))
    assert reference_of(exchange.state.pools["main"].parts, reference) == usd(dollars)


@pytest.mark.parametrize(("above", "on"), [(999, True), (1_000, False), (1_001, False)])
def test_only_a_reference_above_the_least_counts(above: int, on: bool) -> None:
    exchange, events = alice_falls("100 @ 89 |", drawdown(drawdown_above_quote=usd(above)))
    assert bool(only(events, DrawdownChanged)) is on
    assert fund(exchange) == (700 if on else 500)


def test_set_off_the_fund_pays_again_at_the_next_tick() -> None:
    exchange, _ = alice_falls("60 @ 89 |")
    apply(exchange, SetRules(VENUE, 0, fund=FundRules()))
    assert one(apply(exchange, tick(1)), DrawdownChanged).on is False


# figures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "on"), [(-299, False), (-300, True), (-301, True)])
def test_at_the_first_line_it_is_on(change: int, on: bool) -> None:
    assert sets_it_on(change, 1_000, 300_000) is on


@pytest.mark.parametrize(("change", "off"), [(-251, False), (-250, False), (-249, True)])
def test_at_the_second_line_it_is_not_off(change: int, off: bool) -> None:
    assert sets_it_off(change, 1_000, 250_000) is off


@pytest.mark.parametrize(("change", "beyond"), [(-299, 0), (-300, 0), (-301, 1), (-350, 50)])
def test_what_is_beyond_the_line_is_not_the_funds(change: int, beyond: int) -> None:
    assert beyond_the_line(change, 1_000, 300_000) == beyond
    assert ratio_ppm(change, 1_000) == change * 1_000


@pytest.mark.parametrize(
    ("rules", "bad"),
    [
        (drawdown(drawdown_off_ppm=299_999), False),
        (drawdown(drawdown_off_ppm=300_000), False),
        (drawdown(drawdown_off_ppm=300_001), True),
        (drawdown(drawdown_window_us=479), True),
        (drawdown(drawdown_window_us=480), False),
        (drawdown(drawdown_on_ppm=0, drawdown_window_us=0), False),
    ],
)
def test_rules_of_the_trigger_that_contradict_themselves_are_refused(rules: FundRules, bad: bool) -> None:
    assert reasons(apply(an_exchange(), SetRules(VENUE, 0, fund=rules))) == ([Reject.BAD_RULES] if bad else [])
