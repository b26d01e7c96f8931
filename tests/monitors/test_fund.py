"""Fund: a ledger that adds up to the micro-unit, and what a drained fund looks like."""

import pytest

from consumers.fund import Fund
from stream_engine.messages import events as e
from stream_engine.messages.events import FundReason
from tests.monitors.story import TOKEN, USD, VENUE, Story


def a_fund(seeded: int = 1_000) -> tuple[Fund, Story]:
    fund = Fund(VENUE)
    return fund, Story(fund.observe).fund(seeded, seeded, FundReason.SEEDED)


def test_opening_and_surplus_and_dust_less_cover_and_shortfall_and_debt_are_the_closing_balance() -> None:
    fund, story = a_fund()
    story.fund(50, 1_050, FundReason.SURPLUS).fund(-300, 750, FundReason.COVER)
    story.fund(-20, 730, FundReason.DEBT).fund(1, 731, FundReason.DUST).fund(-31, 700, FundReason.SHORTFALL)
    assert (fund.opening, fund.closing) == (1_000 * USD, 700 * USD)
    assert (fund.received.total, fund.paid.total) == (51 * USD, 351 * USD)
    assert fund.adds_up


def test_the_balances_of_all_pools_count_together() -> None:
    fund, story = a_fund()
    story.tell(e.FundChanged, 500 * USD, 500 * USD, FundReason.SEEDED, None, None, "alts")
    story.tell(e.FundChanged, -200 * USD, 300 * USD, FundReason.COVER, 1, TOKEN, "alts")
    story.tell(e.FundChanged, 40 * USD, 340 * USD, FundReason.UNWOUND, 2, TOKEN, "alts")
    assert (fund.opening, fund.closing, fund.peak) == (1_500 * USD, 1_340 * USD, 1_500 * USD)
    assert fund.adds_up


def test_a_ledger_that_is_one_micro_unit_off_does_not_add_up() -> None:
    fund, story = a_fund()
    story.tell(e.FundChanged, -300 * USD, 700 * USD + 1, FundReason.COVER)
    assert not fund.adds_up


def test_the_path_begins_when_the_fund_has_been_paid_in_wholly() -> None:
    fund, story = a_fund(seeded=400)
    story.fund(600, 1_000, FundReason.SEEDED).fund(-100, 900, FundReason.COVER).fund(500, 1_400, FundReason.SURPLUS)
    assert fund.balance.first is not None and fund.balance.first.value == 1_000 * USD
    assert fund.balance.low is not None and fund.balance.low.value == 900 * USD
    assert fund.opening == 1_000 * USD


@pytest.mark.parametrize("reason", [FundReason.COVER, FundReason.SHORTFALL, FundReason.DEBT])
@pytest.mark.parametrize(("change", "paid"), [(-1, True), (0, False), (1, False)])
def test_the_first_payment_is_the_first_change_below_zero_whatever_its_reason(
    reason: FundReason, change: int, paid: bool
) -> None:
    fund, story = a_fund()
    story.seconds(3).fund(5, 1_005, FundReason.SURPLUS).seconds(4).fund(change, 1_005 + change, reason)
    assert fund.first_payment_us == (story.now_us if paid else None)
    story.seconds(5).fund(-5, 1_000 + change, FundReason.COVER)
    assert fund.first_payment_us == story.now_us - (5 * 1_000_000 if paid else 0)


@pytest.mark.parametrize(("balance", "told"), [(501, False), (500, False), (499, True)])
def test_a_fund_below_half_of_its_highest_balance_is_told(balance: int, told: bool) -> None:
    _, story = a_fund()
    story.fund(balance - 1_000, balance, FundReason.COVER)
    assert bool(story.told("fund-half")) is told


@pytest.mark.parametrize(("balance", "told"), [(11, False), (10, False), (9, True)])
def test_a_fund_below_a_hundredth_of_its_highest_balance_is_drained(balance: int, told: bool) -> None:
    _, story = a_fund()
    story.fund(balance - 1_000, balance, FundReason.COVER)
    assert bool(story.told("fund-empty")) is told


@pytest.mark.parametrize(("balance", "over"), [(699, False), (700, False), (701, True)])
def test_half_a_fund_is_told_until_it_is_above_seventy_percent(balance: int, over: bool) -> None:
    _, story = a_fund()
    story.fund(-600, 400, FundReason.COVER).fund(balance - 400, balance, FundReason.SURPLUS)
    assert [state for state, _ in story.told("fund-half")] == ["open"] + ["close"] * over
    assert story.told("fund-half")[0] == ("open", "insurance fund at $400, 40.0 % of its highest $1.00k")


def test_a_deficit_is_told_at_once_and_then_once_a_minute() -> None:
    fund, story = a_fund()
    for second in range(61):
        story.tell(e.DeficitChanged, -USD, -(second + 1) * USD, 7, TOKEN)
        story.seconds()
    assert fund.deficit == -61 * USD
    assert [(state, text.split(":")[0]) for state, text in story.told("deficit")] == [
        ("open", "deficit -$1.00"),
        ("update", "deficit -$61.0"),
    ]


def test_what_failing_makers_pay_in_is_a_part_of_the_ledger() -> None:
    fund, story = a_fund()
    story.fund(-1_000, 0, FundReason.COVER).fund(70, 70, FundReason.TRANCHE)
    assert fund.by_reason[FundReason.TRANCHE] == 70 * USD and fund.adds_up


def test_a_pool_that_has_lost_too_much_is_told_until_it_pays_again() -> None:
    fund, story = a_fund()
    story.tell(e.DrawdownChanged, "main", True, -300_000, 1_000 * USD, 700 * USD)
    assert set(fund.down) == {"main"}
    story.tell(e.DrawdownChanged, "main", False, -249_999, 1_000 * USD, 751 * USD)
    assert not fund.down
    assert story.told("fund-drawdown") == [
        ("open", "pool main at $700, 30.0 % below its reference: it stops paying"),
        ("close", "pool main at $751, 25.0 % below its reference: it pays again"),
    ]
