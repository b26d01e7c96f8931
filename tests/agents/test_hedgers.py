"""Hedged portfolios: what they do once a leg is deleveraged, and what they say about it."""

from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from producers.hedgers import HedgedPortfolios, Hedgers, Portfolio, PortfolioLeg
from producers.labels import HedgeBroken, HedgeGivenUp, Rehedged, Way
from producers.noise import Noise
from stream_engine.messages.events import AnyEvent, MarkPriceChanged
from stream_engine.messages.inputs import Input, Place, Side
from stream_engine.messages.refusals import Reject
from tests.agents.stage import (
    ACCOUNT,
    SYMBOL,
    VENUE,
    a_halt,
    a_liquidation,
    a_resumption,
    a_view,
    cancelled,
    deleveraged,
    falling,
    filled,
    hear,
    orders,
    refused,
    the_market,
)

ELSEWHERE, HEDGE = "beta", "HEDGE"
PATH = falling(100.0)


def portfolios(elsewhere: bool = False, **settings: float) -> HedgedPortfolios:
    """One, that is long 100 lots of the coin and short 50 of the hedge, on the first of one venue or two."""
    terms = {"rehedge_share": 1.0, "wait_from_s": 30, "wait_to_s": 300} | settings
    hedgers = Hedgers(1, [PortfolioLeg(SYMBOL, 1.0, 2)], **terms)  # type: ignore[arg-type]
    views = {venue: a_view(venue, SYMBOL, HEDGE) for venue in ((VENUE, ELSEWHERE) if elsewhere else (VENUE,))}
    one = Portfolio(ACCOUNT, "hedger-1", VENUE, {SYMBOL: 100, HEDGE: -50}, 1_000.0, ELSEWHERE if elsewhere else None)
    return HedgedPortfolios([one], hedgers, views, Noise(1, "hedgers"))


def everywhere(agent: HedgedPortfolios, second: int, *events: AnyEvent) -> Sequence[Input]:
    """What it sends; on each of its venues coin and hedge cost 100."""
    market = [
        replace(event, venue=venue, symbol=symbol)
        for venue in sorted(agent.hears)
        for symbol in (SYMBOL, HEDGE)
        for event in the_market(PATH, second)
        if isinstance(event, MarkPriceChanged)
    ]
    return hear(agent, second, [*events, *market])


def until_sent(agent: HedgedPortfolios, seconds: Sequence[int]) -> tuple[int, list[Place]]:
    """The first orders, and when."""
    sent: Mapping[int, Sequence[Input]] = {second: everywhere(agent, second) for second in seconds}
    placed = orders(dict(sent))
    return placed[0][0], [order for second, order in placed if second == placed[0][0]]


def test_nothing_happens_until_a_leg_is_deleveraged() -> None:
    agent = portfolios()
    assert not any(everywhere(agent, second) for second in range(400))
    assert not agent.labels


def test_who_does_not_hedge_again_sells_half_of_each_long_after_a_wait() -> None:
    agent = portfolios(rehedge_share=0.0)
    everywhere(agent, 100, deleveraged(100, 50, 0, HEDGE))
    second, (order,) = until_sent(agent, range(101, 600))
    assert 130 <= second <= 401
    assert (order.symbol, order.side, order.size, order.reduce_only) == (SYMBOL, Side.SELL, 50, True)
    broken, given_up = agent.labels
    assert isinstance(broken, HedgeBroken) and (broken.symbol, broken.lots, broken.left) == (HEDGE, -50, 0)
    assert isinstance(given_up, HedgeGivenUp) and (given_up.symbol, given_up.lots) == (SYMBOL, 50)


def test_who_hedges_again_opens_first_what_it_lost_where_it_was() -> None:
    agent = portfolios()
    everywhere(agent, 100, deleveraged(100, 30, -20, HEDGE))
    second, (order,) = until_sent(agent, range(101, 600))
    assert (order.venue, order.symbol, order.side, order.size) == (VENUE, HEDGE, Side.SELL, 30)
    assert not everywhere(agent, second + 1, filled(order, second + 1))
    assert not any(everywhere(agent, later) for later in range(second + 2, second + 60))
    hedged = agent.labels[-1]
    assert isinstance(hedged, Rehedged) and (hedged.way, hedged.lots) == (Way.AGAIN, -30)


def test_what_is_lost_while_it_thinks_is_hedged_together() -> None:
    agent = portfolios()
    everywhere(agent, 100, deleveraged(100, 30, -20, HEDGE))
    everywhere(agent, 101, deleveraged(101, 20, 0, HEDGE))
    _, (order,) = until_sent(agent, range(102, 600))
    assert order.size == 50


def test_what_one_way_leaves_is_tried_in_the_next_and_in_the_end_it_sells() -> None:
    agent = portfolios(elsewhere=True)
    everywhere(agent, 100, deleveraged(100, 50, 0, HEDGE))
    second, (again,) = until_sent(agent, range(101, 600))
    assert (again.venue, again.symbol, again.size) == (VENUE, HEDGE, 50)
    (other,) = everywhere(agent, second + 1, filled(again, second + 1, lots=20), cancelled(again, second + 1))
    assert isinstance(other, Place)
    assert (other.venue, other.symbol, other.side, other.size) == (ELSEWHERE, HEDGE, Side.SELL, 30)
    (against,) = everywhere(agent, second + 2, refused(other, second + 2, Reject.INSUFFICIENT_MARGIN))
    assert isinstance(against, Place)
    assert (against.venue, against.symbol, against.side, against.size) == (ELSEWHERE, SYMBOL, Side.SELL, 30)
    (sale,) = everywhere(agent, second + 3, refused(against, second + 3, Reject.INSUFFICIENT_MARGIN))
    assert isinstance(sale, Place)
    assert (sale.venue, sale.symbol, sale.side, sale.size) == (VENUE, SYMBOL, Side.SELL, 50)


def test_without_an_account_elsewhere_who_is_refused_sells_at_once() -> None:
    agent = portfolios()
    everywhere(agent, 100, deleveraged(100, 50, 0, HEDGE))
    second, (again,) = until_sent(agent, range(101, 600))
    sent = everywhere(agent, second + 1, refused(again, second + 1, Reject.INSUFFICIENT_MARGIN))
    assert [(each.symbol, each.size) for each in sent if isinstance(each, Place)] == [(SYMBOL, 50)]


def test_a_short_of_its_largest_long_elsewhere_hedges_for_good() -> None:
    agent = portfolios(elsewhere=True)
    everywhere(agent, 100, deleveraged(100, 50, 0, HEDGE))
    second, (again,) = until_sent(agent, range(101, 600))
    (other,) = everywhere(agent, second + 1, cancelled(again, second + 1))
    assert isinstance(other, Place)
    (against,) = everywhere(agent, second + 2, cancelled(other, second + 2))
    assert isinstance(against, Place)
    assert not everywhere(agent, second + 3, filled(against, second + 3))
    hedged = agent.labels[-1]
    assert isinstance(hedged, Rehedged)
    assert (hedged.venue, hedged.symbol, hedged.way) == (ELSEWHERE, SYMBOL, Way.AGAINST_LONGS)


@pytest.mark.parametrize("rehedge_share", [0.0, 1.0])
def test_who_is_liquidated_meanwhile_does_nothing_more(rehedge_share: float) -> None:
    agent = portfolios(rehedge_share=rehedge_share)
    everywhere(agent, 100, deleveraged(100, 50, 0, HEDGE))
    everywhere(agent, 101, a_liquidation(101))
    assert not any(everywhere(agent, second) for second in range(102, 600))


@pytest.mark.parametrize("rehedge_share", [0.0, 1.0])
def test_while_trading_is_halted_it_waits(rehedge_share: float) -> None:
    agent = portfolios(rehedge_share=rehedge_share)
    everywhere(agent, 100, deleveraged(100, 50, 0, HEDGE), a_halt(100))
    assert not any(everywhere(agent, second) for second in range(101, 600))
    assert everywhere(agent, 600, a_resumption(600))


def test_what_a_halt_refused_is_tried_the_same_way_again() -> None:
    agent = portfolios()
    everywhere(agent, 100, deleveraged(100, 50, 0, HEDGE))
    second, (again,) = until_sent(agent, range(101, 600))
    (same,) = everywhere(agent, second + 1, refused(again, second + 1, Reject.TRADING_HALTED))
    assert isinstance(same, Place) and (same.symbol, same.size) == (again.symbol, again.size)


def test_who_is_deleveraged_once_more_decides_once_more() -> None:
    agent = portfolios()
    everywhere(agent, 100, deleveraged(100, 50, 0, HEDGE))
    second, (order,) = until_sent(agent, range(101, 600))
    everywhere(agent, second + 1, filled(order, second + 1))
    everywhere(agent, 700, deleveraged(700, 10, -40, HEDGE))
    _, (once_more,) = until_sent(agent, range(701, 1_100))
    assert (once_more.symbol, once_more.size) == (HEDGE, 10)


def test_a_run_of_many_portfolios_splits_by_the_share_and_the_same_way_under_one_seed() -> None:
    def who_sells() -> list[int]:
        hedgers = Hedgers(200, [PortfolioLeg(SYMBOL, 1.0, 2)], rehedge_share=0.6)
        lots = {SYMBOL: 100, HEDGE: -50}
        many = [Portfolio(number, f"hedger-{number}", VENUE, lots, 1.0) for number in range(1, 201)]
        agent = HedgedPortfolios(many, hedgers, {VENUE: a_view(VENUE, SYMBOL, HEDGE)}, Noise(1, "hedgers"))
        taken = [replace(deleveraged(0, 50, 0, HEDGE), account=number) for number in range(1, 201)]
        sent = {0: everywhere(agent, 0, *taken)} | {second: everywhere(agent, second) for second in range(1, 400)}
        return [order.account for _, order in orders(sent) if order.symbol == SYMBOL]

    sellers = who_sells()
    assert 60 < len(sellers) < 100
    assert sellers == who_sells()
