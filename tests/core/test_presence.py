"""Presence: where it is public, everybody is told each minute which makers met their duties, and for how much of it."""

from typing import Any

import pytest

from stream_engine.core import presence
from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import AnyEvent, DutyMeasured, PresencePublished
from stream_engine.messages.inputs import ClockTick, DeclareStress, OpenAccounts, SetDuty, SetRules
from stream_engine.messages.rules import Duty, ObligationRules
from stream_engine.messages.topics import EVENT_TOPIC, Topic
from stream_engine.messages.units import MILLION
from tests.core.rulebook import (
    CAROL,
    MINUTE,
    MM,
    PEOPLE,
    SECOND,
    VENUE,
    an_exchange,
    apply,
    halt,
    one,
    only,
    quote,
    quote_cancel,
    resume,
    tick,
    usd,
)

# Within 2 USDT of a mid of 100, 500 USDT on a side; in stress 4 USDT, 100 USDT.
T1 = Duty(
    name="T1", presence_ppm=500_000, spread_ppm=40_000, size_quote=usd(500),
    stress_presence_ppm=100_000, stress_spread_ppm=80_000, stress_size_quote=usd(100),
)  # fmt: skip
GOOD = quote(1, [(99, 6)], [(101, 6)])


def rules(*, public: bool, period_s: int = 3_600) -> SetRules:
    return SetRules(VENUE, 0, obligations=ObligationRules(duties=(T1,), period_us=period_s * SECOND, public=public))


def a_public_exchange(*, public: bool = True, period_s: int = 3_600, **more: Any) -> Exchange:
    """MM in T1 on BTC from second 0 on."""
    exchange = an_exchange(**more)
    apply(exchange, rules(public=public, period_s=period_s), SetDuty(VENUE, 0, MM, "BTC", "T1"))
    return exchange


def ticks(exchange: Exchange, first: int, last: int) -> list[AnyEvent]:
    """Ticks of these seconds, every tenth."""
    return apply(exchange, *(tick(second) for second in range(first, last + 1, 10)))


def told(events: list[AnyEvent]) -> list[tuple[str, tuple[tuple[str, int], ...]]]:
    return [(event.symbol, event.presences) for event in only(events, PresencePublished)]


@pytest.mark.parametrize(("quoted_until", "presence_ppm"), [(0, 0), (20, 400_000), (50, MILLION)])
def test_the_share_of_the_minutes_ticks_at_which_the_duty_was_met_is_told_at_the_first_tick_of_the_next(
    quoted_until: int, presence_ppm: int
) -> None:
    exchange = a_public_exchange()
    if quoted_until:
        apply(exchange, GOOD)
    assert not told(ticks(exchange, 10, quoted_until))
    apply(exchange, quote_cancel())
    assert not told(ticks(exchange, quoted_until + 10, 50))
    assert told(apply(exchange, tick(60))) == [("BTC", ((PEOPLE[MM], presence_ppm),))]


@pytest.mark.parametrize(("after_us", "is_told"), [(-1, False), (0, True), (1, True)])
def test_a_minute_is_over_with_the_first_tick_of_the_next(after_us: int, is_told: bool) -> None:
    exchange = a_public_exchange()
    ticks(exchange, 10, 50)
    assert bool(told(apply(exchange, ClockTick(VENUE, MINUTE + after_us)))) is is_told


def test_the_tick_that_begins_a_minute_counts_for_it_and_not_for_the_one_before() -> None:
    exchange = a_public_exchange()
    ticks(exchange, 10, 50)
    apply(exchange, GOOD)
    assert told(apply(exchange, tick(60))) == [("BTC", ((PEOPLE[MM], 0),))]
    apply(exchange, quote_cancel(), tick(90))
    assert told(apply(exchange, tick(120))) == [("BTC", ((PEOPLE[MM], 500_000),))]


def test_what_nobody_is_told_of_is_counted_so_that_the_first_minute_told_is_whole() -> None:
    exchange = a_public_exchange(public=False)
    ticks(exchange, 10, 50)
    assert not told(ticks(exchange, 60, 60))
    apply(exchange, GOOD, tick(70), rules(public=True))
    ticks(exchange, 80, 110)
    assert told(apply(exchange, tick(120))) == [("BTC", ((PEOPLE[MM], 833_333),))]


def test_in_declared_stress_presence_is_what_is_asked_for_then() -> None:
    wide = quote(1, [(96, 2)], [(104, 2)])
    exchange = a_public_exchange()
    apply(exchange, wide, tick(10))
    apply(exchange, DeclareStress(VENUE, 0, True), tick(20), DeclareStress(VENUE, 0, False), tick(30), tick(40))
    assert told(apply(exchange, tick(60))) == [("BTC", ((PEOPLE[MM], 250_000),))]


def test_a_firm_is_judged_by_the_ticks_of_all_its_accounts_and_firms_are_told_by_name() -> None:
    exchange = a_public_exchange()
    second, other = 901, 902
    apply(exchange, OpenAccounts(VENUE, 0, ((second, PEOPLE[MM]), (other, "A-firm"))))
    apply(exchange, *(SetDuty(VENUE, 0, account, "BTC", "T1") for account in (second, other)), GOOD)
    ticks(exchange, 10, 50)
    assert told(apply(exchange, tick(60))) == [("BTC", (("A-firm", 0), (PEOPLE[MM], 500_000)))]


def test_each_symbol_is_told_in_the_order_of_listing_and_only_with_somebody_to_name() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100, "DOGE": 100})
    apply(exchange, rules(public=True))
    apply(exchange, SetDuty(VENUE, 0, CAROL, "DOGE", "T1"), SetDuty(VENUE, 0, MM, "BTC", "T1"))
    ticks(exchange, 10, 50)
    assert [symbol for symbol, _ in told(apply(exchange, tick(60)))] == ["BTC", "DOGE"]


def test_without_a_duty_there_is_nothing_to_tell_whoever_quotes() -> None:
    exchange = an_exchange()
    apply(exchange, rules(public=True), GOOD)
    assert not told(ticks(exchange, 10, 120))


def test_of_a_minute_in_which_trading_was_halted_throughout_nothing_is_told() -> None:
    exchange = a_public_exchange()
    apply(exchange, halt())
    assert not told(ticks(exchange, 10, 60))
    apply(exchange, resume())
    ticks(exchange, 70, 110)
    assert told(apply(exchange, tick(120)))


def test_who_is_let_out_of_its_duty_is_not_named() -> None:
    exchange = a_public_exchange()
    ticks(exchange, 10, 50)
    apply(exchange, SetDuty(VENUE, 0, MM, "BTC", None))
    assert not told(apply(exchange, tick(60)))


def test_the_minute_is_told_before_a_period_that_ends_with_it_is_judged() -> None:
    exchange = a_public_exchange(period_s=60)
    ticks(exchange, 10, 50)
    events = apply(exchange, tick(60))
    published, measured = one(events, PresencePublished), one(events, DutyMeasured)
    assert published.n < measured.n and (published.cause, measured.presence_ppm) == (None, 0)


def test_very_many_are_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "PRESENCES_PER_EVENT", 2)
    exchange = a_public_exchange()
    firms = [(900 + number, f"firm-{number}") for number in (1, 2, 3, 4)]
    apply(exchange, OpenAccounts(VENUE, 0, tuple(firms)))
    apply(exchange, *(SetDuty(VENUE, 0, account, "BTC", "T1") for account, _ in firms))
    ticks(exchange, 10, 50)
    parts = [[name for name, _ in presences] for _, presences in told(apply(exchange, tick(60)))]
    assert parts == [sorted((PEOPLE[MM], *(name for _, name in firms)))[start : start + 2] for start in (0, 2, 4)]


def test_everybody_may_read_it() -> None:
    assert EVENT_TOPIC[PresencePublished] is Topic.MARKET
