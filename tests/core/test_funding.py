"""Funding: what the rate of an interval is, who pays it to whom, and what that does to the mark and to accounts."""

from typing import Any

import pytest

from stream_engine.core import funding
from stream_engine.core.exchange import Exchange
from stream_engine.core.funding_rate import FundingRate, funded_index, rate_of
from stream_engine.core.state import dump, load
from stream_engine.messages.events import AnyEvent, FundingPaid, FundingSettled, LiquidationStarted, MarkPriceChanged
from stream_engine.messages.inputs import ListInstrument
from stream_engine.messages.units import MILLION
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MINUTE,
    MM,
    VENUE,
    an_exchange,
    an_instrument,
    apply,
    cancel_all,
    halt,
    held,
    kinds,
    leg,
    mark,
    one,
    only,
    resume,
    seed,
    sell,
    spot,
    tick,
    wallet,
)

# Funding each minute; the premium is the rate: no interest, no damp, and a cap that nothing here reaches.
EACH_MINUTE: dict[str, Any] = {
    "funding_interval_us": MINUTE, "interest_ppm": 0, "funding_damp_ppm": 0, "funding_cap_ppm": MILLION,
}  # fmt: skip


def funded(book: str = "1 @ 1009 | 1011 @ 1", index: int = 1_000, **changes: object) -> Exchange:
    """Alice long and Bob short ten coins at an index of 1,000, the mid price 1 % above it; after the first tick."""
    terms = EACH_MINUTE | {"stale_after_us": 60 * MINUTE} | changes
    holds = (leg(ALICE, 10, at=1_000), leg(BOB, -10, at=1_000))
    exchange = an_exchange(book=book, marks={"BTC": index}, holds=holds, **terms)
    apply(exchange, tick(1))
    return exchange


def payments(events: list[AnyEvent]) -> dict[int, float]:
    """What each paid (+) or received (-), in USDT."""
    return {number: paid / MILLION for event in only(events, FundingPaid) for number, paid, _ in event.payments}


# the rate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("premium_ppm", "rate_ppm"),
    [(100, 100), (-399, 100), (-400, 100), (-401, 99), (599, 100), (600, 100), (601, 101), (3_000, 2_500),
     (-3_000, -2_500)],
)  # fmt: skip
def test_near_the_index_the_rate_is_the_interest_and_farther_away_the_premium_less_the_damp(
    premium_ppm: int, rate_ppm: int
) -> None:
    terms = an_instrument(interest_ppm=100, funding_damp_ppm=500, funding_cap_ppm=MILLION)
    assert rate_of(premium_ppm, terms) == rate_ppm


@pytest.mark.parametrize(
    ("premium_ppm", "rate_ppm"),
    [(7_999, 7_499), (8_000, 7_500), (8_001, 7_500), (-7_999, -7_499), (-8_000, -7_500), (-8_001, -7_500)],
)
def test_the_rate_is_capped_either_way(premium_ppm: int, rate_ppm: int) -> None:
    assert rate_of(premium_ppm, an_instrument(funding_damp_ppm=500, funding_cap_ppm=7_500)) == rate_ppm


def test_the_premium_is_the_mean_over_the_ticks_of_the_interval() -> None:
    exchange = funded()
    events = apply(exchange, tick(20), cancel_all(by=MM), tick(30), sell(1, 1_030, by=MM), tick(40), tick(60))
    assert one(events, FundingSettled).premium_ppm == 10_000  # one side of the book was empty at the others
    events = apply(exchange, *(tick(second) for second in (70, 80, 120)))
    assert one(events, FundingSettled).premium_ppm == 0


def test_the_tick_that_ends_an_interval_is_its_last_sample_and_the_next_begins_without_any() -> None:
    exchange = funded(book="1 @ 1009 | 1011 @ 1")
    apply(exchange, tick(30), spot(BTC=1_010))
    assert one(apply(exchange, tick(60)), FundingSettled).premium_ppm == 5_000  # 1 % and nothing
    assert one(apply(exchange, tick(120)), FundingSettled).premium_ppm == 0


@pytest.mark.parametrize(
    ("doubled_mid", "premium_ppm"),
    [(20_000_000, 0), (20_000_009, 0), (20_000_010, 1), (20_000_011, 1), (19_999_990, 0), (19_999_989, -1)],
)
def test_a_premium_is_rounded_to_the_nearest_ppm_and_a_half_goes_up(doubled_mid: int, premium_ppm: int) -> None:
    rate = FundingRate()
    rate.sample(doubled_mid, 10_000_000)
    assert rate.premium_ppm() == premium_ppm


# when ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "settled"), [(59.999_999, 0), (60, 1), (60.000_001, 1)])
def test_funding_is_settled_at_the_first_tick_at_or_past_a_multiple_of_the_interval(
    seconds: float, settled: int
) -> None:
    assert len(only(apply(funded(), tick(seconds)), FundingSettled)) == settled


def test_an_interval_that_is_settled_is_settled_once() -> None:
    exchange = funded()
    assert kinds(apply(exchange, tick(60), tick(60), tick(61), tick(119))).count("FundingSettled") == 1
    assert kinds(apply(exchange, tick(120))).count("FundingSettled") == 1


def test_a_clock_that_jumps_over_several_ends_pays_once() -> None:
    exchange = funded()
    events = apply(exchange, tick(10 * 60 + 5))
    assert payments(events) == {ALICE: 100, BOB: -100}
    assert not only(apply(exchange, tick(10 * 60 + 59)), FundingSettled)
    assert only(apply(exchange, tick(11 * 60)), FundingSettled)


def test_the_first_tick_begins_an_interval_and_pays_nobody_even_at_its_end() -> None:
    exchange = an_exchange(book="1 @ 109 | 111 @ 1", holds=[leg(ALICE, 1, at=100), leg(BOB, -1, at=100)], **EACH_MINUTE)
    assert not only(apply(exchange, tick(60)), FundingSettled)


def test_without_funding_nobody_ever_pays() -> None:
    exchange = funded(funding_interval_us=0)
    assert "FundingSettled" not in kinds(apply(exchange, tick(60), tick(120), tick(600)))


def test_before_the_first_mark_there_is_nothing_to_pay_on() -> None:
    exchange = an_exchange(marks={})
    apply(exchange, ListInstrument(VENUE, 0, an_instrument(**EACH_MINUTE)))
    apply(exchange, seed(leg(ALICE, 1, at=100), leg(BOB, -1, at=100)))
    assert "FundingSettled" not in kinds(apply(exchange, tick(1), tick(60), spot(BTC=100)))
    assert only(apply(exchange, tick(120)), FundingSettled)


# who pays --------------------------------------------------------------------------------------------------


def test_longs_pay_shorts_while_the_perpetual_is_above_its_index() -> None:
    exchange = funded()
    events = apply(exchange, tick(60))
    assert payments(events) == {ALICE: 100, BOB: -100}  # 1 % of 10,000 USDT
    assert (wallet(exchange, ALICE), wallet(exchange, BOB)) == (999_900, 1_000_100)
    settled = one(events, FundingSettled)
    assert (settled.rate_ppm, settled.premium_ppm, settled.mark) == (10_000, 10_000, 1_000)
    assert one(events, FundingPaid).cause == (settled.seq, settled.n)


def test_shorts_pay_longs_while_it_is_below() -> None:
    assert payments(apply(funded(book="1 @ 989 | 991 @ 1"), tick(60))) == {ALICE: -100, BOB: 100}


def test_a_rate_of_nothing_is_settled_and_nobody_pays() -> None:
    events = apply(funded(book="1 @ 999 | 1001 @ 1"), tick(60))
    assert one(events, FundingSettled).rate_ppm == 0
    assert not only(events, FundingPaid)


def test_positions_pay_at_the_mark_of_the_tick_that_ends_the_interval() -> None:
    exchange = funded()
    apply(exchange, tick(59), spot(BTC=2_000))
    settled = one(apply(exchange, tick(60)), FundingSettled)
    assert settled.mark == 2_000
    rate = settled.rate_ppm
    assert wallet(exchange, ALICE) == 1_000_000 - 10 * 2_000 * rate / MILLION


def test_payments_are_rounded_up_and_receipts_down_and_the_venue_keeps_what_is_left() -> None:
    holds = (leg(ALICE, 1, at=1), leg(BOB, 2, at=1), leg(CAROL, -2, at=1), leg(DAVE, -1, at=1))
    terms = EACH_MINUTE | {"interest_ppm": 1, "funding_damp_ppm": 1_000, "tick_size": "0.001", "tick_value": 1_000}
    exchange = an_exchange(marks={"BTC": 1_500}, holds=holds, stale_after_us=MINUTE, **terms)
    apply(exchange, tick(1))
    before = exchange.state.fees
    paid = one(apply(exchange, tick(60)), FundingPaid).payments
    assert [(number, quote) for number, quote, _ in paid] == [(ALICE, 2), (BOB, 3), (CAROL, -3), (DAVE, -1)]
    assert exchange.state.fees - before == 1


def test_who_receives_less_than_a_micro_quote_receives_nothing() -> None:
    holds = (leg(ALICE, 1, at=1), leg(BOB, -1, at=1))
    terms = EACH_MINUTE | {"interest_ppm": 1, "funding_damp_ppm": 1_000, "tick_size": "0.001", "tick_value": 1_000}
    exchange = an_exchange(marks={"BTC": 999}, holds=holds, stale_after_us=MINUTE, **terms)
    assert payments(apply(exchange, tick(1), tick(60))) == {ALICE: 0.000_001}


def test_two_symbols_settle_in_the_order_of_their_listing_each_with_its_own_rate() -> None:
    holds = [leg(who, size, 100, symbol) for symbol in ("BTC", "ETH") for who, size in ((ALICE, 1), (BOB, -1))]
    exchange = an_exchange(book="1 @ 109 | 111 @ 1", marks={"BTC": 100, "ETH": 100}, holds=holds, **EACH_MINUTE)
    events = apply(exchange, tick(1), tick(60))
    assert [(event.symbol, event.rate_ppm) for event in only(events, FundingSettled)] == [("BTC", 100_000), ("ETH", 0)]


def test_very_many_payments_come_in_several_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(funding, "PAYMENTS_PER_EVENT", 2)
    holds = (leg(ALICE, 1, at=1_000), leg(BOB, 1, at=1_000), leg(CAROL, -1, at=1_000), leg(DAVE, -1, at=1_000))
    exchange = an_exchange(book="1 @ 1009 | 1011 @ 1", marks={"BTC": 1_000}, holds=holds, **EACH_MINUTE)
    told = only(apply(exchange, tick(1), tick(60)), FundingPaid)
    assert [[number for number, _, _ in event.payments] for event in told] == [[ALICE, BOB], [CAROL, DAVE]]


def test_the_largest_record_of_payments_is_one_that_a_log_takes() -> None:
    largest = len(b"[4294967295,-9007199254740991,-9007199254740991],")
    assert funding.PAYMENTS_PER_EVENT * largest < 900_000


# what it does ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("index", "liquidated"), [(999, True), (1_000, False), (1_001, False)])
def test_who_cannot_carry_his_position_after_paying_is_liquidated_in_the_same_input(
    index: int, liquidated: bool
) -> None:
    holds = (leg(ALICE, 10, at=1_000), leg(BOB, -10, at=1_000))
    # At 1,000 Alice needs 500 USDT and pays 100: 600 is just enough.
    terms = EACH_MINUTE | {"interest_ppm": 10_000, "funding_damp_ppm": MILLION}
    exchange = an_exchange(marks={"BTC": 1_000}, holds=holds, wallets={ALICE: 600}, **terms)
    apply(exchange, tick(1), spot(BTC=index))
    assert held(exchange, ALICE) == 10
    events = apply(exchange, tick(60))
    started = only(events, LiquidationStarted)
    assert [event.account for event in started] == ([ALICE] if liquidated else [])
    if liquidated:
        paid = one(events, FundingPaid)
        assert started[0].cause == (paid.seq, paid.n)


def test_what_is_received_may_save_an_account_in_time() -> None:
    holds = (leg(ALICE, -10, at=1_000), leg(BOB, 10, at=1_000))
    terms = EACH_MINUTE | {"interest_ppm": 10_000, "funding_damp_ppm": MILLION, "stale_after_us": MINUTE}
    for settles in (False, True):
        exchange = an_exchange(marks={"BTC": 1_000}, holds=holds, wallets={ALICE: 530}, **terms)
        apply(exchange, tick(1), tick(60 if settles else 59))
        events = apply(exchange, spot(BTC=1_010))  # a loss of 100, and 505 to carry it
        assert bool(only(events, LiquidationStarted)) is not settles


def test_a_halt_does_not_stop_funding_but_what_it_does_waits() -> None:
    holds = (leg(ALICE, 10, at=1_000), leg(BOB, -10, at=1_000))
    terms = EACH_MINUTE | {"interest_ppm": 10_000, "funding_damp_ppm": MILLION}
    exchange = an_exchange(marks={"BTC": 1_000}, holds=holds, wallets={ALICE: 599}, **terms)
    events = apply(exchange, tick(1), halt(), tick(60))
    assert payments(events) == {ALICE: 100, BOB: -100}
    assert not only(events, LiquidationStarted)
    assert [event.account for event in only(apply(exchange, resume()), LiquidationStarted)] == [ALICE]


# P1 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left_s", "expected"), [(60, 1_010), (57, 1_010), (56, 1_009), (30, 1_005), (3, 1_001), (2, 1_000), (0, 1_000)]
)
def test_the_index_with_funding_still_to_be_paid_comes_back_to_the_index(left_s: int, expected: int) -> None:
    assert funded_index(1_000, 10_000, left_s, 60) == expected


@pytest.mark.parametrize(("left_s", "expected"), [(60, 990), (3, 1_000), (4, 999), (0, 1_000)])
def test_with_a_rate_below_nothing_it_stands_below_the_index(left_s: int, expected: int) -> None:
    assert funded_index(1_000, -10_000, left_s, 60) == expected


def test_a_fair_mark_is_the_index_with_the_funding_to_come() -> None:
    exchange = funded(mark="fair")
    assert mark(exchange) == 1_000
    apply(exchange, tick(60))
    assert mark(exchange) == 1_000  # the interval that ended is paid
    marks = [event.mark for event in only(apply(exchange, tick(61), tick(90), tick(119), tick(120)), MarkPriceChanged)]
    assert marks == [1_010, 1_005, 1_000]


def test_a_median_mark_has_the_funding_to_come_as_one_of_its_three() -> None:
    plain, with_funding = funded(mark="median", funding_interval_us=0), funded(mark="median")
    for exchange in (plain, with_funding):
        apply(exchange, tick(60), tick(75))
    assert mark(plain) == 1_000  # of the index, the index + 10, and the index for the last trade
    assert mark(with_funding) == 1_008  # of 1,008, 1,010 and 1,000


# the state -------------------------------------------------------------------------------------------------


def test_a_venue_that_is_loaded_in_the_middle_of_an_interval_pays_the_same() -> None:
    exchange = funded()
    apply(exchange, tick(30))
    loaded = load(dump(exchange))
    assert apply(loaded, tick(60)) == apply(exchange, tick(60))
    assert apply(loaded, tick(90), tick(120)) == apply(exchange, tick(90), tick(120))
