"""Self-trade prevention: who gives way where an order meets another of its own account."""

from collections.abc import Sequence

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import AnyEvent, CancelReason, OrderCancelled, QuoteAccepted, RulesSet
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import OrderRules, SelfTrade
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    MM,
    VENUE,
    an_exchange,
    apply,
    book,
    buy,
    held,
    one,
    only,
    quote,
    reasons,
    sell,
    tick,
    trades,
)

MAKER, TAKER, BOTH = SelfTrade


def with_the_venues(rule: SelfTrade) -> Exchange:
    return an_exchange(rules=SetRules(VENUE, 0, orders=OrderRules(self_trade=rule)))


def alices_between_others() -> Exchange:
    """Bob offers 2 at 101 before Alice's 3, Carol 4 at 102."""
    exchange = an_exchange()
    apply(exchange, sell(2, 101, by=BOB), sell(3, 101, id="hers"), sell(4, 102, by=CAROL))
    return exchange


def gone(events: Sequence[AnyEvent]) -> list[tuple[str, int]]:
    """Whose ids were cancelled so, with what was left of them."""
    cancelled = only(events, OrderCancelled)
    return [(event.client_id, event.size) for event in cancelled if event.reason is CancelReason.SELF_TRADE]


@pytest.mark.parametrize(
    ("rule", "filled", "cancelled", "left"),
    [
        (MAKER, ["2 @ 101", "4 @ 102"], [("hers", 3)], "4 @ 102 |"),
        (TAKER, ["2 @ 101"], [("new", 8)], "| 101 @ 3, 102 @ 4"),
        (BOTH, ["2 @ 101"], [("hers", 3), ("new", 8)], "| 102 @ 4"),
    ],
)
def test_the_takers_rule_says_whether_the_resting_order_goes_or_what_is_left_of_the_taker_or_both(
    rule: SelfTrade, filled: list[str], cancelled: list[tuple[str, int]], left: str
) -> None:
    exchange = alices_between_others()
    events = apply(exchange, buy(10, 102, self_trade=rule, id="new"))
    assert (trades(events), gone(events), book(exchange)) == (filled, cancelled, left)


@pytest.mark.parametrize("rule", SelfTrade)
def test_an_order_that_does_not_say_goes_by_the_venues_rule(rule: SelfTrade) -> None:
    exchange = with_the_venues(rule)
    apply(exchange, sell(3, 101, id="old"))
    events = apply(exchange, buy(2, 101, id="new"))
    assert gone(events) == {MAKER: [("old", 3)], TAKER: [("new", 2)], BOTH: [("old", 3), ("new", 2)]}[rule]


def test_an_orders_own_rule_goes_before_the_venues() -> None:
    exchange = with_the_venues(TAKER)
    apply(exchange, sell(3, 101, id="old"))
    assert gone(apply(exchange, buy(2, 101, id="new", self_trade=MAKER))) == [("old", 3)]
    assert book(exchange) == "2 @ 101 |"


def test_the_resting_orders_rule_does_not_count() -> None:
    exchange = an_exchange()
    apply(exchange, sell(3, 101, id="old", self_trade=TAKER))
    assert gone(apply(exchange, buy(2, 101, id="new"))) == [("old", 3)]


def test_the_venues_rule_may_change_and_is_published() -> None:
    exchange = an_exchange()
    apply(exchange, tick(0), sell(3, 101, id="old"))
    events = apply(exchange, SetRules(VENUE, 0, orders=OrderRules(self_trade=TAKER)))
    assert one(events, RulesSet).orders.self_trade is TAKER
    assert gone(apply(exchange, buy(2, 101, id="new"))) == [("new", 2)]


@pytest.mark.parametrize(("size", "stopped"), [(1, False), (2, False), (3, True)])
def test_a_taker_that_is_filled_before_it_meets_its_own_order_is_not_stopped(size: int, stopped: bool) -> None:
    exchange = alices_between_others()
    assert bool(gone(apply(exchange, buy(size, 102, self_trade=BOTH)))) == stopped


@pytest.mark.parametrize(
    ("rule", "size", "allowed"),
    [(MAKER, 6, True), (MAKER, 7, False), (TAKER, 2, True), (TAKER, 3, False), (BOTH, 2, True), (BOTH, 3, False)],
)
def test_fill_or_kill_counts_on_nothing_beyond_its_own_order_where_that_would_stop_it(
    rule: SelfTrade, size: int, allowed: bool
) -> None:
    exchange = alices_between_others()
    before = book(exchange)
    events = apply(exchange, buy(size, 102, fok=True, self_trade=rule))
    assert reasons(events) == ([] if allowed else [Reject.FOK_NOT_FILLABLE])
    assert (held(exchange, ALICE) == size) if allowed else book(exchange) == before


@pytest.mark.parametrize(("rule", "allowed"), [(MAKER, False), (TAKER, True), (BOTH, True)])
def test_what_would_not_rest_because_its_own_order_stops_it_needs_no_margin(rule: SelfTrade, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: 100})
    apply(exchange, sell(10, 100, id="old"))
    events = apply(exchange, buy(11, 100, self_trade=rule))
    assert reasons(events) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


@pytest.mark.parametrize(
    ("rule", "asks", "left"),
    [
        (MAKER, ((102, 2),), "1 @ 99, 1 @ 101 | 102 @ 3"),
        (TAKER, None, "1 @ 99 | 101 @ 2, 102 @ 3"),
        (BOTH, ((102, 2),), "1 @ 99 | 102 @ 3"),
    ],
)
def test_a_level_of_ones_own_quote_that_is_in_the_way_is_as_an_order(rule: SelfTrade, asks: object, left: str) -> None:
    exchange = an_exchange()
    apply(exchange, quote(1, [(99, 1)], [(101, 2), (102, 2)]), sell(1, 102, by=BOB))
    events = apply(exchange, buy(1, 101, by=MM, self_trade=rule))
    assert [event.asks for event in only(events, QuoteAccepted)] == ([] if asks is None else [asks])
    assert book(exchange) == left


@pytest.mark.parametrize(
    ("rule", "bids", "left"),
    [
        (MAKER, ((101, 2), (99, 1)), "1 @ 99, 2 @ 101 |"),
        (TAKER, ((99, 1),), "1 @ 99 | 101 @ 3"),
        (BOTH, ((99, 1),), "1 @ 99 |"),
    ],
)
def test_a_quote_that_takes_goes_by_the_venues_rule_and_says_what_rests_of_it(
    rule: SelfTrade, bids: object, left: str
) -> None:
    exchange = with_the_venues(rule)
    apply(exchange, sell(3, 101, by=MM))
    events = apply(exchange, quote(1, [(101, 2), (99, 1)]))
    assert one(events, QuoteAccepted).bids == bids
    assert book(exchange) == left


def test_a_post_only_order_is_refused_by_its_own_order_whatever_the_rule() -> None:
    exchange = an_exchange()
    apply(exchange, sell(3, 101))
    assert [reasons(apply(exchange, buy(1, 101, post_only=True, self_trade=rule))) for rule in SelfTrade] == [
        [Reject.POST_ONLY_WOULD_TAKE]
    ] * 3


def test_a_repeat_with_another_rule_is_another_order() -> None:
    exchange = an_exchange()
    apply(exchange, buy(1, 99, id="mine", self_trade=TAKER))
    assert not reasons(apply(exchange, buy(1, 99, id="mine", self_trade=TAKER)))
    assert reasons(apply(exchange, buy(1, 99, id="mine"))) == [Reject.DUPLICATE_CLIENT_ID]
