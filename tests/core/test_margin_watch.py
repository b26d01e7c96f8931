"""Margin watch: nobody is liquidated early, nobody late, and an input does no more than its bound."""

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import LiquidationStarted
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.instrument import Tier
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    VENUE,
    an_exchange,
    apply,
    buy,
    deposit,
    held,
    leg,
    only,
    sell,
    spot,
    tick,
    wallet,
    withdraw,
)


def liquidated(exchange: Exchange, **prices: int) -> list[int]:
    """Whose liquidation a price starts, in order."""
    return [event.account for event in only(apply(exchange, spot(**prices)), LiquidationStarted)]


@pytest.mark.parametrize(("price", "who"), [(96, []), (95, []), (94, [ALICE])])
def test_a_long_is_liquidated_from_the_first_mark_at_which_equity_is_below_maintenance(
    price: int, who: list[int]
) -> None:
    # 10 lots from 100 with 97.5 USDT: at 95 equity and maintenance are both 47.5.
    exchange = an_exchange(wallets={ALICE: 97.5}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    assert liquidated(exchange, BTC=price) == who


@pytest.mark.parametrize(("price", "who"), [(104, []), (105, []), (106, [ALICE])])
def test_a_short_is_liquidated_from_the_first_mark_at_which_equity_is_below_maintenance(
    price: int, who: list[int]
) -> None:
    # At 105 equity and maintenance are both 52.5.
    exchange = an_exchange(wallets={ALICE: 102.5}, holds=[leg(ALICE, -10, at=100), leg(DAVE, 10, at=100)])
    assert liquidated(exchange, BTC=price) == who


@pytest.mark.parametrize(("price", "who"), [(90, []), (89, []), (88, [ALICE])])
def test_the_tier_of_the_moment_counts(price: int, who: list[int]) -> None:
    # 1 % up to 900 of notional, 21 % of what is above: at 89 maintenance is 8.9, at 90 it is 9.
    exchange = an_exchange(
        wallets={ALICE: 119}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)],
        tiers=(Tier(900_000_000, 10_000), Tier(0, 210_000)),
    )  # fmt: skip
    assert liquidated(exchange, BTC=price) == who


def a_hedged_account() -> Exchange:
    """Alice, with 100 USDT: long ten BTC and short ten ETH from 100; Dave holds the other sides."""
    return an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={ALICE: 100},
        holds=[
            leg(ALICE, 10, at=100),
            leg(DAVE, -10, at=100),
            leg(ALICE, -10, at=100, symbol="ETH"),
            leg(DAVE, 10, at=100, symbol="ETH"),
        ],
    )


def test_in_cross_margin_a_profit_elsewhere_carries_a_loss() -> None:
    exchange = a_hedged_account()
    assert liquidated(exchange, BTC=70, ETH=70) == []
    assert liquidated(exchange, BTC=70, ETH=74) == [ALICE, ALICE]


def test_several_marks_of_one_input_are_all_set_before_anybody_is_looked_at() -> None:
    exchange = a_hedged_account()
    assert liquidated(exchange, BTC=50, ETH=50) == []
    assert liquidated(exchange, ETH=100, BTC=100) == []


def test_a_deposit_moves_the_liquidation_price_away() -> None:
    exchange = an_exchange(wallets={ALICE: 97.5}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, deposit(ALICE, 9.5))  # now 107: falls below 94
    assert liquidated(exchange, BTC=94) == []
    assert liquidated(exchange, BTC=93) == [ALICE]


def test_a_withdrawal_moves_the_liquidation_price_nearer() -> None:
    exchange = an_exchange(wallets={ALICE: 200}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, withdraw(ALICE, 100))
    assert liquidated(exchange, BTC=95) == []
    assert liquidated(exchange, BTC=94) == [ALICE]


def test_a_larger_position_falls_earlier() -> None:
    exchange = an_exchange(wallets={ALICE: 200}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, sell(10, 100, by=DAVE), buy(10, 100))
    assert liquidated(exchange, BTC=95) == []
    assert liquidated(exchange, BTC=94) == [ALICE]


def test_a_position_turned_from_long_to_short_is_watched_on_the_other_side() -> None:
    exchange = an_exchange(wallets={ALICE: 200}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, buy(30, 100, by=BOB), sell(20, 100))
    assert held(exchange, ALICE) == -10
    assert liquidated(exchange, BTC=10) == []
    assert liquidated(exchange, BTC=115) == [ALICE]


def test_a_closed_position_is_watched_no_more() -> None:
    exchange = an_exchange(wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, buy(10, 100, by=BOB), sell(10, 100))
    assert liquidated(exchange, BTC=1) == []
    assert wallet(exchange, ALICE) == 100


def test_several_accounts_of_one_round_are_liquidated_in_the_order_of_their_ids() -> None:
    exchange = an_exchange(
        wallets={ALICE: 90, BOB: 80, CAROL: 85},
        holds=[leg(CAROL, 10, at=100), leg(BOB, 10, at=100), leg(ALICE, 10, at=100), leg(DAVE, -30, at=100)],
    )
    assert liquidated(exchange, BTC=90) == [ALICE, BOB, CAROL]


def test_an_account_saved_earlier_in_its_round_is_not_liquidated() -> None:
    # Alice is 10 below nothing, Bob's equity is 92 and his maintenance 93.5. She goes first, and is closed against
    # his short at her bankruptcy price of 95: that costs him 10, but halves his maintenance.
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={ALICE: 50, BOB: 102},
        holds=[
            leg(ALICE, 10, at=100),
            leg(BOB, -10, at=100),
            leg(BOB, 10, at=100, symbol="ETH"),
            leg(DAVE, -10, at=100, symbol="ETH"),
        ],
    )
    assert liquidated(exchange, BTC=94, ETH=93) == [ALICE]
    assert (held(exchange, BOB), held(exchange, BOB, "ETH")) == (0, 10)


# the bound -------------------------------------------------------------------------------------------------


def a_crowd(checks: int) -> Exchange:
    return an_exchange(
        wallets={ALICE: 90, BOB: 80, CAROL: 85},
        holds=[leg(ALICE, 10, at=100), leg(BOB, 10, at=100), leg(CAROL, 10, at=100), leg(DAVE, -30, at=100)],
        rules=SetRules(VENUE, 0, checks_per_input=checks),
    )


@pytest.mark.parametrize("checks", [1, 2, 3, 4])
def test_an_input_checks_no_more_accounts_than_the_bound_and_the_rest_follows_with_the_next(checks: int) -> None:
    exchange = a_crowd(checks)
    per_input = [liquidated(exchange, BTC=90)]
    for second in range(3):
        per_input.append([event.account for event in only(apply(exchange, tick(second)), LiquidationStarted)])
    assert sorted(account for accounts in per_input for account in accounts) == [ALICE, BOB, CAROL]
    assert [len(accounts) for accounts in per_input if accounts] == {1: [1, 1, 1], 2: [2, 1], 3: [3], 4: [3]}[checks]


def test_what_the_bound_left_goes_on_with_any_input_even_a_refused_one() -> None:
    exchange = a_crowd(2)
    assert len(liquidated(exchange, BTC=90)) == 2
    assert len(only(apply(exchange, buy(1, 100, by=77)), LiquidationStarted)) == 1


def test_who_recovers_before_its_turn_is_not_liquidated() -> None:
    exchange = a_crowd(1)
    first = liquidated(exchange, BTC=90)
    assert len(first) == 1
    assert liquidated(exchange, BTC=100) == []
    assert sum(held(exchange, account) == 10 for account in (ALICE, BOB, CAROL)) == 2
