"""Insurance fund: its balance, the deficit, and what they say."""

import pytest

from stream_engine.core.emitter import Emitter
from stream_engine.core.exchange import Exchange
from stream_engine.core.insurance_fund import Deficit, InsuranceFund, fund_flow, to_fund
from stream_engine.messages.events import FundChanged, FundReason
from stream_engine.messages.inputs import ListInstrument, SeedFund
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import BALANCE_MAX
from tests.core.rulebook import (
    ALICE,
    BOB,
    DAVE,
    VENUE,
    an_exchange,
    an_instrument,
    apply,
    buy,
    fund,
    leg,
    one,
    only,
    reasons,
    seed,
    spot,
    usd,
)


def test_the_operator_pays_in() -> None:
    exchange = an_exchange(fund=5)
    changed = one(apply(exchange, SeedFund(VENUE, 0, usd(7))), FundChanged)
    assert (changed.change, changed.balance, changed.reason) == (usd(7), usd(12), FundReason.SEEDED)
    assert (changed.account, changed.symbol) == (None, None)


@pytest.mark.parametrize(
    ("quote", "reason"), [(-1, Reject.AMOUNT_NOT_POSITIVE), (0, Reject.AMOUNT_NOT_POSITIVE), (1, None)]
)
def test_what_is_paid_in_is_above_zero(quote: int, reason: Reject | None) -> None:
    assert reasons(apply(an_exchange(), SeedFund(VENUE, 0, quote))) == ([] if reason is None else [reason])


@pytest.mark.parametrize(("quote", "allowed"), [(BALANCE_MAX - 2, True), (BALANCE_MAX - 1, True), (BALANCE_MAX, False)])
def test_the_balance_is_paid_up_to_half_of_what_the_wire_carries(quote: int, allowed: bool) -> None:
    exchange = an_exchange()
    apply(exchange, SeedFund(VENUE, 0, 1))
    assert reasons(apply(exchange, SeedFund(VENUE, 0, quote))) == ([] if allowed else [Reject.AMOUNT_TOO_LARGE])
    assert fund(exchange) == (1 + quote if allowed else 1) / 1_000_000


@pytest.mark.parametrize(("draw_ppm", "allowance"), [(0, 0), (300_000, 29), (1_000_000, 99)])
def test_what_one_position_may_draw_is_a_share_rounded_down(draw_ppm: int, allowance: int) -> None:
    fund_of_99 = InsuranceFund()
    fund_of_99.house.wallet = 99
    assert fund_of_99.allowance(draw_ppm) == allowance


def test_a_change_of_nothing_is_no_event() -> None:
    out = Emitter("test")
    out.begin(0)
    InsuranceFund().change(out, None, 0, FundReason.SURPLUS, None, None)
    Deficit().run(out, None, 0, 1, None)
    assert not out.events


def two_pools() -> Exchange:
    """BTC stands before the main pool, ETH before a pool of its own; Alice is long ten of each."""
    exchange = an_exchange(fund=100, wallets={ALICE: 120})
    apply(exchange, ListInstrument(VENUE, 0, an_instrument("ETH", fund_pool="alts")), spot(ETH=100))
    apply(exchange, SeedFund(VENUE, 0, usd(50), "alts"))
    legs = [
        leg(account, size, 100, symbol) for symbol in ("BTC", "ETH") for account, size in ((ALICE, 10), (DAVE, -10))
    ]
    apply(exchange, seed(*legs))
    return exchange


def test_a_pool_that_no_instrument_names_can_not_be_paid_into() -> None:
    assert reasons(apply(an_exchange(), SeedFund(VENUE, 0, 1, "alts"))) == [Reject.UNKNOWN_POOL]
    assert not reasons(apply(two_pools(), SeedFund(VENUE, 0, 1, "alts")))


def test_each_symbol_takes_from_its_own_pool_and_gives_to_it() -> None:
    exchange = two_pools()
    apply(exchange, buy(10, 97, by=BOB), buy(10, 90, by=BOB, symbol="ETH"))
    events = apply(exchange, spot(BTC=94, ETH=94))  # nothing is left of 120: both are bankrupt at 94
    changes = [(event.pool, event.change, event.balance) for event in only(events, FundChanged)]
    assert changes == [("main", usd(30), usd(130)), ("alts", usd(-40), usd(10))]


@pytest.mark.parametrize(
    ("fee_ppm", "share"), [(0, 0), (9_999, 287), (10_000, 288), (10_001, 288), (500_000, 900), (1_000_000, 900)]
)
def test_of_a_surplus_the_fund_gets_the_liquidation_fee_on_the_value_and_the_owner_the_rest(
    fee_ppm: int, share: int
) -> None:
    surplus = fund_flow(10, 300, 96, 93, 1)
    assert surplus == 900
    assert to_fund(surplus, 300 * 96, fee_ppm) == share


@pytest.mark.parametrize("fee_ppm", [0, 10_000, 1_000_000])
def test_a_cost_is_the_funds_whatever_the_fee(fee_ppm: int) -> None:
    assert to_fund(-900, 300 * 96, fee_ppm) == -900


def test_a_whole_fee_takes_a_surplus_that_is_larger_than_the_fill() -> None:
    assert to_fund(fund_flow(-10, 10, 10, 50, 1), 100, 999_999) == 99
    assert to_fund(fund_flow(-10, 10, 10, 50, 1), 100, 1_000_000) == 400


def test_a_fund_below_zero_stops_the_exchange() -> None:
    out = Emitter("test")
    out.begin(0)
    with pytest.raises(AssertionError):
        InsuranceFund().change(out, None, -1, FundReason.COVER, None, None)
