"""Isolated margin: a position that stands alone, with money of its own."""

from math import prod
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_engine.core.exchange import Exchange
from stream_engine.core.margin import bankruptcy_price
from stream_engine.messages.events import FundChanged, FundReason, LiquidationStarted, MarginModeSet, MarginMoved
from stream_engine.messages.inputs import ListInstrument, Place
from stream_engine.messages.instrument import Tier
from stream_engine.messages.refusals import Reject
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    RICH,
    VENUE,
    an_exchange,
    an_instrument,
    apply,
    buy,
    fund,
    held,
    isolate,
    leg,
    margin,
    move_margin,
    one,
    only,
    position_of,
    reasons,
    seed,
    sell,
    set_leverage,
    spot,
    usd,
    wallet,
)


def alone(size: int = 10, money: float = 1_000) -> Exchange:
    """Alice, with an isolated position on BTC from 100 at ten times; Bob holds the other side."""
    exchange = an_exchange(wallets={ALICE: money})
    apply(exchange, isolate(ALICE), *traded(size, 100))
    return exchange


def traded(size: int, at: int) -> list[Place]:
    """Alice buys (or, below zero, sells) so many lots of Bob."""
    if size > 0:
        return [sell(size, at, by=BOB), buy(size, at)]
    return [buy(-size, at, by=BOB), sell(-size, at)]


# what a fill moves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, -10])
def test_what_is_opened_brings_its_initial_margin_from_the_wallet(size: int) -> None:
    exchange = alone(size)
    assert (margin(exchange, ALICE), wallet(exchange, ALICE)) == (100, 900)


def test_what_is_lost_against_the_mark_at_once_comes_with_it() -> None:
    exchange = an_exchange(wallets={ALICE: 1_000})
    apply(exchange, isolate(ALICE), *traded(10, 102))
    assert (margin(exchange, ALICE), wallet(exchange, ALICE)) == (102 + 20, 878)


@pytest.mark.parametrize(("lots", "left", "back"), [(1, 90, 910), (4, 60, 940), (10, 0, 1_000)])
def test_what_is_closed_gives_its_share_of_the_margin_back(lots: int, left: float, back: float) -> None:
    exchange = alone()
    apply(exchange, *traded(-lots, 100))
    assert (margin(exchange, ALICE), wallet(exchange, ALICE)) == (left, back)


@pytest.mark.parametrize(("price", "back"), [(104, 900 + 50 + 20), (100, 900 + 50), (97, 900 + 50 - 15)])
def test_what_a_close_realises_is_the_wallets(price: int, back: float) -> None:
    exchange = alone()
    apply(exchange, spot(BTC=price), *traded(-5, price))
    assert (margin(exchange, ALICE), wallet(exchange, ALICE)) == (50, back)


@pytest.mark.parametrize(("price", "left", "back"), [(91, 50, 905), (90, 50, 900), (89, 45, 900)])
def test_a_close_that_loses_more_than_its_share_takes_it_from_the_margin_that_stays(
    price: int, left: float, back: float
) -> None:
    exchange = alone()
    apply(exchange, move_margin(ALICE, 100), move_margin(ALICE, -100), *traded(-5, price))
    assert (margin(exchange, ALICE), wallet(exchange, ALICE)) == (left, back)


def test_a_flip_is_a_close_and_then_an_opening() -> None:
    exchange = alone()
    apply(exchange, *traded(-15, 100))
    assert (held(exchange, ALICE), margin(exchange, ALICE), wallet(exchange, ALICE)) == (-5, 50, 950)


def test_the_wallet_gives_no_more_than_the_cross_portfolio_can_spare() -> None:
    # Cross: 10 ETH from 100, at 50 worth 500 and 500 down. With 525 it has 25, just its maintenance; a bid for
    # BTC that rested before is filled now, and brings nothing.
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100}, wallets={ALICE: 525},
        holds=[leg(ALICE, 10, at=100, symbol="ETH"), leg(DAVE, -10, at=100, symbol="ETH")],
    )  # fmt: skip
    apply(exchange, isolate(ALICE), buy(10, 100), spot(ETH=50))
    apply(exchange, sell(1, 100, by=BOB))
    assert held(exchange, ALICE, "ETH") == 10
    assert wallet(exchange, ALICE) == 525


# what it carries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "falls"), [(96, False), (95, False), (94, True)])
def test_it_is_liquidated_by_its_own_margin_however_much_the_wallet_holds(price: int, falls: bool) -> None:
    # Long 10 from 100 with 97.5 of its own: at 95 equity and maintenance are both 47.5.
    exchange = an_exchange(holds=[leg(ALICE, 10, at=100, margin=97.5), leg(BOB, -10, at=100)])
    apply(exchange, spot(BTC=price))
    assert (held(exchange, ALICE) == 0) == falls
    assert wallet(exchange, ALICE) == RICH - 97.5


def test_its_liquidation_leaves_other_positions_and_orders_on_other_symbols_alone() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        holds=[
            leg(ALICE, 10, at=100, margin=100), leg(BOB, -10, at=100),
            leg(ALICE, 3, at=100, symbol="ETH"), leg(BOB, -3, at=100, symbol="ETH"),
        ],
    )  # fmt: skip
    apply(exchange, buy(1, 60), buy(1, 60, symbol="ETH"), spot(BTC=80))
    assert (held(exchange, ALICE), held(exchange, ALICE, "ETH")) == (0, 3)
    assert [order.symbol for order in exchange.state.accounts[ALICE].orders.values()] == ["ETH"]
    assert wallet(exchange, ALICE) == RICH - 100


def test_a_loss_of_the_cross_portfolio_leaves_it_alone() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100}, wallets={ALICE: 200},
        holds=[
            leg(ALICE, 10, at=100, margin=100), leg(BOB, -10, at=100),
            leg(ALICE, 10, at=100, symbol="ETH"), leg(BOB, -10, at=100, symbol="ETH"),
        ],
    )  # fmt: skip
    apply(exchange, spot(ETH=50))
    assert (held(exchange, ALICE), held(exchange, ALICE, "ETH")) == (10, 0)
    assert (margin(exchange, ALICE), wallet(exchange, ALICE)) == (100, 0)


def test_what_its_liquidation_leaves_of_the_margin_is_the_funds() -> None:
    exchange = an_exchange(book="20 @ 93 |", holds=[leg(ALICE, 10, at=100, margin=99), leg(BOB, -10, at=100)])
    events = apply(exchange, spot(BTC=94))
    started = one(events, LiquidationStarted)
    assert (started.equity, started.maintenance, started.bankruptcy_price) == (usd(39), usd(47), 91)
    assert [(change.reason, change.change) for change in only(events, FundChanged)] == [
        (FundReason.SURPLUS, usd(20)), (FundReason.DUST, usd(9)),
    ]  # fmt: skip
    assert (margin(exchange, ALICE), wallet(exchange, ALICE), fund(exchange)) == (0, RICH - 99, 29)


def test_a_winner_is_deleveraged_as_far_as_its_own_equity_reaches_and_is_paid_into_the_wallet() -> None:
    # Bob falls to 40 with 100: his 10 lots go to Alice's isolated short at his bankruptcy price of 90.
    exchange = an_exchange(wallets={BOB: 100}, holds=[leg(BOB, 10, at=100), leg(ALICE, -10, at=100, margin=100)])
    apply(exchange, spot(BTC=40))
    assert (held(exchange, ALICE), margin(exchange, ALICE), wallet(exchange, ALICE)) == (0, 0, RICH + 100)


# the mode, moves and leverage ------------------------------------------------------------------------------


def test_the_mode_changes_while_there_is_neither_a_position_nor_an_order() -> None:
    exchange = an_exchange(book="1 @ 99 | 101 @ 1")
    assert one(apply(exchange, isolate(ALICE)), MarginModeSet).isolated
    assert reasons(apply(exchange, buy(1, 90, id="mine"), isolate(ALICE, isolated=False))) == [
        Reject.POSITION_OR_ORDERS_OPEN
    ]
    assert reasons(apply(exchange, buy(1, 101), isolate(ALICE, isolated=False))) == [Reject.POSITION_OR_ORDERS_OPEN]


@pytest.mark.parametrize(("dollars", "reason"), [(899, []), (900, []), (901, [Reject.INSUFFICIENT_MARGIN])])
def test_margin_is_added_as_far_as_the_wallet_is_free(dollars: float, reason: list[Reject]) -> None:
    exchange = alone()
    assert reasons(apply(exchange, move_margin(ALICE, dollars))) == reason
    assert wallet(exchange, ALICE) == (900 if reason else 900 - dollars)


@pytest.mark.parametrize(("dollars", "reason"), [(49, []), (50, []), (51, [Reject.INSUFFICIENT_MARGIN])])
def test_margin_is_taken_out_down_to_the_initial_margin(dollars: float, reason: list[Reject]) -> None:
    exchange = alone()
    apply(exchange, move_margin(ALICE, 50))
    assert reasons(apply(exchange, move_margin(ALICE, -dollars))) == reason


def test_no_profit_that_is_not_realised_is_taken_out() -> None:
    exchange = alone()
    apply(exchange, spot(BTC=200))
    assert reasons(apply(exchange, move_margin(ALICE, -101))) == [Reject.INSUFFICIENT_MARGIN]
    assert not reasons(apply(exchange, move_margin(ALICE, -100)))


def test_a_lower_leverage_moves_the_margin_in_that_it_asks_for_and_a_higher_one_takes_nothing_out() -> None:
    exchange = alone()
    assert one(apply(exchange, set_leverage(ALICE, 5)), MarginMoved).quote == usd(100)
    assert not only(apply(exchange, set_leverage(ALICE, 10)), MarginMoved)
    assert margin(exchange, ALICE) == 200


@pytest.mark.parametrize(("money", "reason"), [(199, [Reject.INSUFFICIENT_MARGIN]), (200, []), (201, [])])
def test_a_lower_leverage_is_refused_where_the_wallet_cannot_give_it(money: float, reason: list[Reject]) -> None:
    assert reasons(apply(alone(money=money), set_leverage(ALICE, 5))) == reason


# what orders need ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "reason"), [(89, []), (90, []), (91, [Reject.INSUFFICIENT_MARGIN])])
def test_an_order_that_adds_needs_its_initial_margin_free_in_the_wallet(size: int, reason: list[Reject]) -> None:
    assert reasons(apply(alone(), buy(size, 100))) == reason


@pytest.mark.parametrize(("size", "reason"), [(109, []), (110, []), (111, [Reject.INSUFFICIENT_MARGIN])])
def test_an_order_that_turns_it_counts_with_what_closing_brings(size: int, reason: list[Reject]) -> None:
    # 10 lots bring 100 back, with the 900 of the wallet enough for 100 the other way.
    assert reasons(apply(alone(), sell(size, 100))) == reason


@pytest.mark.parametrize(("price", "reason"), [(91, []), (90, []), (89, [Reject.INSUFFICIENT_MARGIN])])
def test_an_order_that_closes_may_lose_what_stands_behind_the_position(price: int, reason: list[Reject]) -> None:
    exchange = alone()
    apply(exchange, buy(10, price, by=CAROL))
    assert reasons(apply(exchange, sell(10, price))) == reason


def test_what_its_orders_reserve_is_no_longer_free_for_others() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100}, wallets={ALICE: 100})
    apply(exchange, isolate(ALICE), buy(6, 100))
    assert reasons(apply(exchange, buy(5, 100, symbol="ETH"))) == [Reject.INSUFFICIENT_MARGIN]
    assert not reasons(apply(exchange, buy(4, 100, symbol="ETH")))


# seeded ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "moved"), [(0, 100), (60, 60)])
def test_a_seeded_position_takes_its_initial_margin_or_what_its_row_says(own: float, moved: float) -> None:
    exchange = an_exchange(holds=[leg(ALICE, 10, at=100, margin=own), leg(BOB, -10, at=100)])
    assert (position_of(exchange, ALICE).isolated, margin(exchange, ALICE)) == (True, moved)
    assert wallet(exchange, ALICE) == RICH - moved


@pytest.mark.parametrize(("money", "reason"), [(99, [Reject.INSUFFICIENT_MARGIN]), (100, []), (101, [])])
def test_seeded_margin_that_the_wallet_does_not_hold_is_refused(money: float, reason: list[Reject]) -> None:
    exchange = an_exchange(wallets={ALICE: money})
    assert reasons(apply(exchange, seed(leg(ALICE, 10, at=100, margin=0), leg(BOB, -10, at=100)))) == reason


# leverage by tier, open interest ---------------------------------------------------------------------------

TIERS = (Tier(usd(1_000), 50_000, 10), Tier(usd(5_000), 100_000, 5), Tier(0, 250_000, 2))


@pytest.mark.parametrize(("size", "reason"), [(9, []), (10, []), (11, [Reject.POSITION_TOO_LARGE])])
def test_a_position_is_no_larger_than_the_tiers_allow_at_its_leverage(size: int, reason: list[Reject]) -> None:
    assert reasons(apply(an_exchange(tiers=TIERS), buy(size, 100))) == reason


@pytest.mark.parametrize(("leverage", "reason"), [(2, []), (5, []), (6, [Reject.LEVERAGE_OUT_OF_RANGE])])
def test_a_leverage_above_what_the_tier_of_the_position_allows_is_refused(leverage: int, reason: list[Reject]) -> None:
    exchange = an_exchange(tiers=TIERS)
    apply(exchange, set_leverage(ALICE, 2), buy(50, 100))
    assert reasons(apply(exchange, set_leverage(ALICE, leverage))) == reason


@pytest.mark.parametrize(
    ("tiers", "complaint"),
    [
        ((Tier(9, 50_000, 5), Tier(0, 60_000, 6)), "tiers[1]: expected a leverage of 1 to 5, found 6"),
        ((Tier(9, 50_000), Tier(0, 100_001, 10)), "tiers[1]: its rate is above the initial margin at leverage 10"),
        ((Tier(9, 50_000, 11), Tier(0, 60_000, 5)), "tiers[0]: expected a leverage of 1 to 10, found 11"),
        ((Tier(0, 50_000, 9),), "default_leverage: expected at most 9, found 10"),
    ],
)
def test_a_table_whose_leverages_contradict_its_rates_or_rise_is_refused(
    tiers: tuple[Tier, ...], complaint: str
) -> None:
    events = apply(an_exchange(), ListInstrument(VENUE, 0, an_instrument("DOGE", tiers=tiers)))
    assert reasons(events) == [Reject.BAD_INSTRUMENT]
    assert complaint in str(events[0])


@pytest.mark.parametrize(("size", "reason"), [(4, []), (5, []), (6, [Reject.OPEN_INTEREST_TOO_LARGE])])
def test_an_order_that_could_open_more_than_the_limit_of_open_interest_is_refused(
    size: int, reason: list[Reject]
) -> None:
    exchange = an_exchange(max_open_interest=15)
    apply(exchange, *traded(10, 100))
    assert reasons(apply(exchange, buy(size, 100, by=CAROL))) == reason
    assert not reasons(apply(exchange, sell(10, 100)))


# bankruptcy prices -----------------------------------------------------------------------------------------


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(
    positions=st.lists(
        st.tuples(st.sampled_from([-7, -3, -1, 1, 2, 5]), st.integers(1, 900), st.integers(1, 50)),
        min_size=1, max_size=4,
    ),
    equity=st.integers(-500, 500),
    random=st.randoms(use_true_random=False),
)  # fmt: skip
def test_closing_a_whole_cross_account_at_its_bankruptcy_prices_leaves_exactly_nothing_in_any_order(
    positions: list[tuple[int, int, int]], equity: int, random: Random
) -> None:
    # (lots, mark, maintenance); the tick is so small that every share is a whole number of ticks a lot. Each price is
    # asked for when its position is closed, from what the account then has.
    weights = sum(weight for _, _, weight in positions)
    money = equity * weights * prod(abs(size) for size, _, _ in positions)
    random.shuffle(positions)
    for size, mark, weight in positions:
        price = bankruptcy_price(size, mark, money, weight, weights, 1)
        money += size * (price - mark)
        weights -= weight
    assert money == 0


@pytest.mark.parametrize("size", [10, -10])
def test_the_bankruptcy_price_of_an_isolated_position_lies_its_margin_a_lot_from_its_entry(size: int) -> None:
    exchange = alone(size)
    apply(exchange, spot(BTC=100 - size // 5))
    position, price = position_of(exchange, ALICE), 100 - size // 5
    equity = position.margin + position.size * price * usd(1) - position.cost
    assert bankruptcy_price(size, price, equity, 1, 1, usd(1)) == 100 - size
