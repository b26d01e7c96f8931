"""Insurance fund: its balance, the deficit, and what they say."""

import pytest

from stream_engine.core.emitter import Emitter
from stream_engine.core.insurance_fund import InsuranceFund
from stream_engine.messages.events import FundChanged, FundReason
from stream_engine.messages.inputs import SeedFund
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import BALANCE_MAX
from tests.core.rulebook import VENUE, an_exchange, apply, fund, one, reasons, usd


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
    fund_of_99.balance = 99
    assert fund_of_99.allowance(draw_ppm) == allowance


def test_a_change_of_nothing_is_no_event() -> None:
    out = Emitter("test")
    out.begin(0)
    InsuranceFund().change(out, None, 0, FundReason.SURPLUS, None, None)
    InsuranceFund().run_deficit(out, None, 0, 1, None)
    assert not out.events


def test_a_fund_below_zero_stops_the_exchange() -> None:
    out = Emitter("test")
    out.begin(0)
    with pytest.raises(AssertionError):
        InsuranceFund().change(out, None, -1, FundReason.COVER, None, None)
