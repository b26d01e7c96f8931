"""ADL: who is deleveraged first, at which price, how far, and what the lights say."""

from collections import Counter
from itertools import islice
from random import Random

import pytest

from stream_engine.core.accounts import Account
from stream_engine.core.adl.binance import POLICY, score
from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, closable
from stream_engine.core.adl.lights import by_number, lights_of_rank, thresholds_ppm
from stream_engine.core.adl.queue import POPPED_AT_MOST, Ranking
from stream_engine.core.exchange import Exchange
from stream_engine.core.market import hold
from stream_engine.core.position import Position
from stream_engine.messages.events import CancelReason, OrderCancelled, PositionDeleveraged, QuoteCancelled
from tests.core.candidates import Ranked, candidate
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    an_exchange,
    apply,
    book,
    buy,
    held,
    leg,
    one,
    only,
    quote,
    sell,
    spot,
    usd,
)


def ranks(exchange: Exchange, sign: int = -1, symbol: str = "BTC") -> list[int]:
    """The queue of the shorts (or longs), first to be deleveraged first."""
    state = exchange.state
    ranking = Ranking(state.markets[symbol], sign, state.accounts, state.markets, POLICY.score)
    return [candidate.account.number for candidate in ranking]


# rank ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pnl", "equity", "notional", "expected"),
    [
        (50, 100, 1_000, 0.5),
        (50, 100, 9_000, 0.5),
        (0, 100, 1_000, 0),
        (-50, 100, 1_000, -0.005),
        (-50, 100, 500, -0.02),
    ],
)
def test_a_winners_score_is_profit_to_equity_and_a_losers_is_loss_times_equity_to_notional_squared(
    pnl: int, equity: int, notional: int, expected: float
) -> None:
    assert score(pnl, equity, notional) == round(expected * SCORE_UNIT)


def test_a_score_is_rounded_down() -> None:
    assert score(1, 3, 9) == 333_333_333_333
    assert score(-1, 1, 3) == -111_111_111_112


def test_the_larger_profit_to_equity_goes_first() -> None:
    exchange = an_exchange(
        wallets={BOB: 500, CAROL: 200, DAVE: 1_000},
        holds=[leg(ALICE, 30, at=100), *(leg(account, -10, at=100) for account in (BOB, CAROL, DAVE))],
    )
    apply(exchange, spot(BTC=90))
    assert ranks(exchange) == [CAROL, BOB, DAVE]


def test_winners_go_before_losers_and_the_least_lever_last_among_winners() -> None:
    exchange = an_exchange(
        marks={"BTC": 90},
        wallets={BOB: 1_000, CAROL: 1_000, DAVE: 1_000},
        holds=[leg(ALICE, 30, at=90), leg(BOB, -10, at=80), leg(CAROL, -10, at=100), leg(DAVE, -10, at=95)],
    )
    assert ranks(exchange) == [CAROL, DAVE, BOB]


def test_among_equals_the_lower_account_goes_first() -> None:
    holds = [leg(DAVE, -10, at=100), leg(CAROL, -10, at=100), leg(BOB, -10, at=100), leg(ALICE, 30, at=100)]
    exchange = an_exchange(holds=holds)
    apply(exchange, spot(BTC=90))
    assert ranks(exchange) == [BOB, CAROL, DAVE]


def test_longs_are_ranked_as_shorts_are() -> None:
    exchange = an_exchange(
        wallets={BOB: 500, CAROL: 200},
        holds=[leg(ALICE, -20, at=100), leg(BOB, 10, at=100), leg(CAROL, 10, at=100)],
    )
    apply(exchange, spot(BTC=110))
    assert ranks(exchange, sign=1) == [CAROL, BOB]


def test_a_loss_elsewhere_makes_a_hedger_go_first() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={BOB: 1_000, CAROL: 1_000},
        holds=[
            leg(ALICE, 20, at=100),
            leg(BOB, -10, at=100),
            leg(CAROL, -10, at=100),
            leg(CAROL, 10, at=100, symbol="ETH"),
            leg(DAVE, -10, at=100, symbol="ETH"),
        ],
    )
    apply(exchange, spot(BTC=90, ETH=90))
    assert ranks(exchange) == [CAROL, BOB]


@pytest.mark.parametrize(("dollars", "queued"), [(-99, [BOB, DAVE]), (-100, [DAVE, BOB]), (-101, [DAVE, BOB])])
def test_an_account_at_or_below_zero_has_no_score_and_stands_last_behind_losers_too(
    dollars: int, queued: list[int]
) -> None:
    exchange = an_exchange(
        marks={"BTC": 90}, holds=[leg(ALICE, 20, at=90), leg(BOB, -10, at=100), leg(DAVE, -10, at=80)]
    )
    exchange.state.accounts[BOB].wallet = usd(dollars)  # with his gain of 100: equity 1, 0, -1; Dave is a loser
    assert ranks(exchange) == queued


@pytest.mark.parametrize("walked", [0, 1, POPPED_AT_MOST - 1, POPPED_AT_MOST, POPPED_AT_MOST + 1, 2 * POPPED_AT_MOST])
def test_a_ranking_that_was_walked_and_refreshed_is_as_one_that_is_made_anew(walked: int) -> None:
    random = Random(walked)
    exchange = an_exchange(marks={"BTC": 100})
    state, people = exchange.state, range(100, 100 + 2 * POPPED_AT_MOST)
    market = state.markets["BTC"]
    for number in people:
        account = state.accounts[number] = Account(number, "", wallet=usd(random.randint(-50, 500)))
        account.positions["BTC"] = Position(number, "BTC", 100_000, 10, size=-1, cost=-usd(random.randint(80, 120)))
        hold(market, account.positions["BTC"], 0)
    ranking = Ranking(market, -1, state.accounts, state.markets, POLICY.score)
    for _ in range(3):
        assert len(list(islice(ranking, walked))) == min(walked, len(market.shorts))
        touched = random.sample(people, 40)
        for number in touched[:30]:
            state.accounts[number].wallet = usd(random.randint(-50, 500))
        for number in touched[30:]:
            position = state.accounts[number].positions["BTC"]
            before, position.size = position.size, random.choice((0, -1, -2))
            hold(market, position, before)
        ranking.refresh(touched)
        anew = Ranking(market, -1, state.accounts, state.markets, POLICY.score)
        assert (ranking.positions, ranking.lots) == (anew.positions, anew.lots)
        assert [figures_of(each) for each in ranking] == [figures_of(each) for each in anew]


def figures_of(candidate: Candidate) -> tuple[int, ...]:
    return candidate.account.number, candidate.score, candidate.equity, candidate.rank, candidate.through


# how far ---------------------------------------------------------------------------------------------------


def test_the_queue_is_closed_from_its_head_until_the_position_is_gone() -> None:
    exchange = an_exchange(
        wallets={ALICE: 300, BOB: 500, CAROL: 200, DAVE: 1_000},
        holds=[leg(ALICE, 25, at=100), leg(BOB, -10, at=100), leg(CAROL, -10, at=100), leg(DAVE, -5, at=100)],
    )
    events = only(apply(exchange, spot(BTC=88)), PositionDeleveraged)
    assert [(event.rank, event.account, event.size, event.position) for event in events] == [
        (1, CAROL, 10, 0), (2, BOB, 10, 0), (3, DAVE, 5, 0)
    ]  # fmt: skip
    assert [event.lights for event in events] == [5, 4, 2]


def test_the_last_of_the_queue_that_is_needed_is_closed_in_part_and_the_rest_is_left_alone() -> None:
    exchange = an_exchange(
        wallets={ALICE: 145, BOB: 500, CAROL: 200, DAVE: 1_000},
        holds=[leg(ALICE, 12, at=100), leg(BOB, -10, at=100), leg(CAROL, -10, at=100), leg(MM, 8, at=100)],
    )
    apply(exchange, spot(BTC=88))
    assert (held(exchange, CAROL), held(exchange, BOB), held(exchange, MM)) == (0, -8, 8)


@pytest.mark.parametrize(("equity", "lots"), [(-1, 0), (0, 0), (9, 0), (10, 1), (11, 1), (49, 4), (50, 5), (51, 5)])
def test_nobody_is_closed_further_than_the_equity_reaches(equity: int, lots: int) -> None:
    assert closable(candidate(1, -5, equity=equity), loss_per_lot=10) == lots


@pytest.mark.parametrize("loss_per_lot", [-1, 0])
def test_who_loses_nothing_can_be_closed_whole(loss_per_lot: int) -> None:
    assert closable(candidate(1, -5, equity=-100), loss_per_lot) == 5


# what else happens to a victim -----------------------------------------------------------------------------


def test_the_victims_orders_and_quote_on_the_symbol_are_cancelled_and_all_others_stay() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 10}, wallets={ALICE: 60}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)]
    )
    apply(exchange, sell(1, 120, by=DAVE), quote(1, [(50, 1)], by=DAVE))
    apply(exchange, sell(1, 125, by=BOB), buy(1, 9, by=DAVE, symbol="ETH"))
    events = apply(exchange, spot(BTC=95))
    assert one(events, OrderCancelled).reason is CancelReason.DELEVERAGED
    assert one(events, QuoteCancelled).reason is CancelReason.DELEVERAGED
    assert (book(exchange), book(exchange, "ETH")) == ("| 125 @ 1", "1 @ 9 |")


# lights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rank", "positions", "lit"),
    [(1, 1, 5), (1, 2, 5), (2, 2, 3), (1, 5, 5), (2, 5, 4), (5, 5, 1), (20, 100, 5), (21, 100, 4), (40, 100, 4),
     (41, 100, 3), (80, 100, 2), (81, 100, 1), (100, 100, 1)],
)  # fmt: skip
def test_the_first_fifth_of_the_queue_has_five_lights_and_the_last_has_one(rank: int, positions: int, lit: int) -> None:
    assert lights_of_rank(rank, positions) == lit


def test_every_fifth_of_a_long_queue_has_its_lights() -> None:
    assert Counter(lights_of_rank(rank, 50) for rank in range(1, 51)) == {5: 10, 4: 10, 3: 10, 2: 10, 1: 10}


def thresholds(positions: int) -> tuple[int, ...]:
    """Of a queue with so many positions that score 19, 18 and so on."""
    queue = Ranked(candidate(rank, score=(20 - rank) * SCORE_UNIT) for rank in range(1, positions + 1))
    return thresholds_ppm(queue, by_number)


def test_the_thresholds_are_the_least_scores_with_five_four_three_and_two_lights() -> None:
    assert thresholds(10) == (18_000_000, 16_000_000, 14_000_000, 12_000_000)
    assert thresholds(0) == ()


def test_a_short_queue_has_all_four_thresholds_too() -> None:
    assert thresholds(1) == (19_000_000,) * 4
    assert thresholds(2) == (19_000_000, 19_000_000, 18_000_000, 18_000_000)  # five lights and three
