"""Inheritance: what the insurance fund takes over, how it unwinds it, and how a pool ends that is worth nothing.

Alice is long 10 lots from 100 with 60 USDT: at 95 she is bankrupt at 94. Dave, rich, is short; nobody bids.
"""

from typing import Any

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.insurance_fund import LAST_ACCOUNT
from stream_engine.core.state import dump, load
from stream_engine.messages.events import (
    AccountsOpened,
    AnyEvent,
    DeleveragingStarted,
    FundChanged,
    FundReason,
    LiquidationEnded,
    LiquidationStarted,
    PositionDeleveraged,
    PositionTakenOver,
    Traded,
)
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import FundPolicy, FundRules
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    VENUE,
    an_exchange,
    apply,
    buy,
    fund,
    halt,
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

HOUSE = LAST_ACCOUNT


def taking_over(**changes: Any) -> SetRules:
    """The fund takes over, as much as it has ten times, and sells a fifth per tick within 5 % of the mark."""
    rules: dict[str, Any] = {
        "position_limit_ppm": 10_000_000,
        "unwind_ppm": 200_000,
        "unwind_within_ppm": 50_000,
    } | changes
    return SetRules(VENUE, 0, fund=FundRules(policy=FundPolicy.TAKE_OVER, **rules))


def alice_falls(
    book: str = "",
    *,
    dollars: float = 100,
    to: int = 95,
    rules: SetRules | None = None,
    wallets: dict[int, float] | None = None,
) -> tuple[Exchange, list[AnyEvent]]:
    """The mark falls from 100; the exchange and the events after it."""
    exchange = an_exchange(
        book,
        wallets={ALICE: 60, **(wallets or {})},
        holds=(leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)),
        fund=dollars,
        rules=rules or taking_over(),
    )
    return exchange, apply(exchange, spot(BTC=to))


# taking over -----------------------------------------------------------------------------------------------


def test_what_the_book_leaves_the_fund_takes_at_the_bankruptcy_price() -> None:
    exchange, events = alice_falls("4 @ 94 |")
    taken = one(events, PositionTakenOver)
    assert (taken.size, taken.price, taken.position, taken.pool) == (6, 94, 6, "main")
    ended = one(events, LiquidationEnded)
    assert (ended.book, ended.taken_over, ended.adl, ended.left) == (4, 6, 0, 0)
    assert (held(exchange, HOUSE), held(exchange, ALICE), wallet(exchange, ALICE)) == (6, 0, 0)
    assert not only(events, DeleveragingStarted) and fund(exchange) == 100


def test_the_house_account_is_told_when_it_is_first_needed_and_not_before() -> None:
    assert not only(alice_falls("10 @ 94 |")[1], AccountsOpened)
    opened = one(alice_falls()[1], AccountsOpened)
    assert opened.accounts == ((HOUSE, "insurance-fund:main"),)


@pytest.mark.parametrize(("limit_ppm", "lots"), [(949_999, 0), (950_000, 1), (1_899_999, 1), (1_900_000, 2)])
def test_what_it_holds_is_worth_no_more_than_a_multiple_of_the_fund_the_rest_is_deleveraged(
    limit_ppm: int, lots: int
) -> None:
    exchange, events = alice_falls(rules=taking_over(position_limit_ppm=limit_ppm))
    assert held(exchange, HOUSE) == lots if lots else HOUSE not in exchange.state.accounts
    assert one(events, LiquidationEnded).adl == 10 - lots


@pytest.mark.parametrize(("dollars", "lots"), [(19, 9), (20, 10), (21, 10)])
def test_it_takes_no_more_than_it_can_lose_at_once(dollars: int, lots: int) -> None:
    """At 92 Alice's ten lots, bankrupt at 94, cost the fund two USDT each."""
    exchange, _ = alice_falls(dollars=dollars, to=92, rules=taking_over(position_limit_ppm=100_000_000))
    assert held(exchange, HOUSE) == lots


def test_what_closes_a_position_of_its_own_always_fits() -> None:
    """Bob is short four lots from 95 with 40 USDT: bankrupt at 105."""
    exchange, _ = alice_falls(wallets={BOB: 40})
    apply(exchange, taking_over(position_limit_ppm=0), buy(4, 95, by=CAROL), sell(4, 95, by=BOB))
    taken = one(apply(exchange, spot(BTC=101)), PositionTakenOver)
    assert (taken.size, taken.price, taken.position) == (-4, 105, 6)
    assert fund(exchange) == 100 + 4 * (105 - 94)


def test_with_nothing_in_the_fund_everything_is_deleveraged() -> None:
    _, events = alice_falls(dollars=0)
    assert one(events, LiquidationEnded).adl == 10


# unwinding -------------------------------------------------------------------------------------------------


def test_a_share_of_what_was_taken_goes_back_into_the_book_at_each_tick() -> None:
    exchange, _ = alice_falls()
    apply(exchange, buy(30, 95, by=BOB))
    sold = [trades(apply(exchange, tick(second))) for second in range(1, 7)]
    assert sold == [["2 @ 95"]] * 5 + [[]]
    assert (held(exchange, HOUSE), fund(exchange)) == (0, 110)


@pytest.mark.parametrize(("unwind_ppm", "lots"), [(1, 1), (199_999, 1), (200_000, 2), (1_000_000, 10)])
def test_a_share_is_whole_lots_rounded_down_and_one_at_least(unwind_ppm: int, lots: int) -> None:
    exchange, _ = alice_falls(rules=taking_over(unwind_ppm=unwind_ppm))
    apply(exchange, buy(30, 95, by=BOB), tick(1))
    assert held(exchange, HOUSE) == 10 - lots


@pytest.mark.parametrize(("price", "sold"), [(90, 0), (91, 2), (92, 2)])
def test_it_sells_no_further_from_the_mark_than_it_may(price: int, sold: int) -> None:
    """5 % of 95 are 4.75: four ticks."""
    exchange, _ = alice_falls()
    apply(exchange, buy(30, price, by=BOB), tick(1))
    assert held(exchange, HOUSE) == 10 - sold


def test_what_a_sale_realises_is_the_balances_and_it_costs_no_fee() -> None:
    exchange, _ = alice_falls()
    apply(exchange, buy(30, 92, by=BOB))
    events = apply(exchange, tick(1))
    changed = one(events, FundChanged)
    assert (changed.change, changed.reason, changed.account, changed.symbol) == (
        usd(-4),
        FundReason.UNWOUND,
        HOUSE,
        "BTC",
    )
    traded = one(events, Traded)
    assert (traded.taker, traded.liquidation, traded.taker_fee) == (HOUSE, True, 0)


@pytest.mark.parametrize(("dollars", "sold"), [(5, 1), (6, 2)])
def test_it_sells_only_as_long_as_it_is_worth_something(dollars: int, sold: int) -> None:
    """Taken at 94 and marked at 93, ten lots have lost 10 USDT: of 15 or 16 there are 5 or 6 left, 3 a lot to lose."""
    exchange, _ = alice_falls(dollars=dollars + 10, rules=taking_over(position_limit_ppm=100_000_000))
    apply(exchange, spot(BTC=93), buy(30, 90, by=BOB), tick(1))
    assert held(exchange, HOUSE) == 10 - sold


def test_nothing_is_unwound_while_trading_is_halted() -> None:
    exchange, _ = alice_falls()
    apply(exchange, buy(30, 95, by=BOB), halt(), tick(1))
    assert held(exchange, HOUSE) == 10


# the end of a pool -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mark", "closed"), [(85, False), (84, False), (83, True)])
def test_a_pool_worth_less_than_nothing_is_closed_and_exactly_nothing_is_left(mark: int, closed: bool) -> None:
    """Ten lots taken at 94 and 100 USDT: at 84 they are worth nothing together."""
    exchange, _ = alice_falls()
    events = apply(exchange, spot(BTC=mark))
    assert bool(only(events, LiquidationStarted)) is closed
    if closed:
        victim = one(events, PositionDeleveraged)
        assert (victim.account, victim.bankrupt, victim.price) == (DAVE, HOUSE, 84)
        assert (held(exchange, HOUSE), fund(exchange), exchange.state.deficit.total) == (0, 0, 0)


def test_after_its_end_the_pool_has_an_account_as_before() -> None:
    exchange, _ = alice_falls()
    apply(exchange, spot(BTC=83))
    assert fund(exchange) == 0
    restored = load(dump(exchange))
    assert restored.state.pools["main"].house is restored.state.accounts[HOUSE]
    assert exchange.state.pools["main"].house is exchange.state.accounts[HOUSE]


def test_the_fund_may_be_deleveraged_as_anybody_and_its_balance_takes_what_that_realises() -> None:
    exchange, _ = alice_falls(wallets={DAVE: 60})
    apply(exchange, SetRules(VENUE, 0, fund=FundRules(policy=FundPolicy.NONE)))
    events = apply(exchange, spot(BTC=102))
    victim = one(events, PositionDeleveraged)
    assert (victim.account, victim.bankrupt, victim.size, victim.price) == (HOUSE, DAVE, -10, 106)
    assert (held(exchange, HOUSE), fund(exchange)) == (0, 220)


def test_where_a_loss_would_take_the_balance_below_zero_gains_of_other_positions_count() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={ALICE: 120},
        holds=[
            leg(account, size, at=100, symbol=symbol)
            for symbol in ("BTC", "ETH")
            for account, size in ((ALICE, 10), (DAVE, -10))
        ],
        fund=10,
        rules=taking_over(position_limit_ppm=500_000_000, unwind_ppm=1_000_000, unwind_within_ppm=0),
    )
    apply(exchange, spot(BTC=95, ETH=94))
    apply(exchange, spot(BTC=120, ETH=80), buy(10, 80, by=BOB, symbol="ETH"))
    events = apply(exchange, tick(1))
    assert trades(events) == ["10 @ 80"]
    assert (held(exchange, HOUSE, "ETH"), held(exchange, HOUSE)) == (0, 10)
    assert fund(exchange) == 0 and exchange.state.deficit.total == 0


# the rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("unwind_ppm", "bad"), [(0, True), (1, False)])
def test_a_fund_that_takes_over_and_never_unwinds_is_refused(unwind_ppm: int, bad: bool) -> None:
    assert reasons(apply(an_exchange(), taking_over(unwind_ppm=unwind_ppm))) == ([Reject.BAD_RULES] if bad else [])


def test_without_a_policy_the_fund_keeps_its_money_and_what_the_book_leaves_is_deleveraged() -> None:
    rules = SetRules(VENUE, 0, fund=FundRules(policy=FundPolicy.NONE))
    exchange, events = alice_falls("10 @ 93 |", rules=rules)
    assert one(events, LiquidationEnded).adl == 10
    assert fund(exchange) == 100
