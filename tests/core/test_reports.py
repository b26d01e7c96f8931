"""Reports: what the venue says of itself with the clock."""

import pytest

from stream_engine.core import reports
from stream_engine.messages.codec import encode
from stream_engine.messages.events import (
    AdlQueueRanked,
    NewsPublished,
    OpenInterestChanged,
    OrdersResting,
    SourcePriced,
)
from stream_engine.messages.inputs import PriceShock, Side
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import WIRE_MAX
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    MM,
    VENUE,
    an_exchange,
    apply,
    buy,
    kinds,
    leg,
    mark,
    one,
    only,
    quote,
    reasons,
    sell,
    spot,
    tick,
)


def test_every_tick_is_answered_first_thing() -> None:
    assert kinds(apply(an_exchange(), tick(1)))[0] == "ClockTicked"


# open interest ---------------------------------------------------------------------------------------------


def test_open_interest_is_told_with_the_tick_after_it_changed_and_only_then() -> None:
    exchange = an_exchange(book="| 100 @ 9")
    assert not only(apply(exchange, tick(1)), OpenInterestChanged)
    assert not only(apply(exchange, buy(3, 100), buy(1, 100, by=BOB)), OpenInterestChanged)
    changed = one(apply(exchange, tick(2)), OpenInterestChanged)
    assert (changed.open_interest, changed.long_accounts, changed.short_accounts) == (4, 2, 1)
    assert not only(apply(exchange, tick(3)), OpenInterestChanged)


def test_open_interest_rises_when_both_open_stays_when_one_follows_and_falls_when_both_close() -> None:
    exchange = an_exchange()
    told = []
    for second, (seller, buyer) in enumerate([(BOB, ALICE), (ALICE, CAROL), (CAROL, BOB)], 1):
        apply(exchange, sell(5, 100, by=seller), buy(5, 100, by=buyer))
        events = apply(exchange, tick(second))
        told += [event.open_interest for event in only(events, OpenInterestChanged)]
    assert told == [5, 0]  # after the second trade nothing is other than before it


# each minute -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "reported"), [(59, False), (60, True), (61, True)])
def test_a_new_minute_is_reported_with_its_first_tick(seconds: int, reported: bool) -> None:
    exchange = an_exchange()
    assert only(apply(exchange, tick(0)), OrdersResting)
    assert bool(only(apply(exchange, tick(seconds)), OrdersResting)) == reported


def test_every_resting_order_is_reported_with_its_owner_in_the_order_of_priority() -> None:
    exchange = an_exchange()
    apply(exchange, buy(1, 99, id="a"), quote(1, [(99, 5)], [(101, 6)]), buy(2, 100, by=BOB, id="b"))
    resting = one(apply(exchange, tick(0)), OrdersResting)
    assert [(account, client_id, price, size) for account, _, client_id, price, size in resting.bids] == [
        (BOB, "b", 100, 2), (ALICE, "a", 99, 1), (MM, "", 99, 5)
    ]  # fmt: skip
    assert [line[0] for line in resting.asks] == [MM]
    assert (resting.part, resting.parts) == (0, 1)


@pytest.mark.parametrize(("orders", "parts"), [(0, [0]), (1, [1]), (2, [2]), (3, [2, 1]), (4, [2, 2])])
def test_a_long_book_is_reported_in_parts(monkeypatch: pytest.MonkeyPatch, orders: int, parts: list[int]) -> None:
    monkeypatch.setattr(reports, "ORDERS_PER_EVENT", 2)
    exchange = an_exchange()
    apply(exchange, *(buy(1, 99 - number) for number in range(orders)))
    told = only(apply(exchange, tick(0)), OrdersResting)
    assert [len(event.bids) for event in told] == parts
    assert [(event.part, event.parts) for event in told] == [(part, len(parts)) for part in range(len(parts))]


def test_the_longest_part_of_a_book_is_a_record_that_a_log_takes() -> None:
    longest = (2**32 - 1, WIRE_MAX, "\x01" * 36, WIRE_MAX, WIRE_MAX)
    side = (longest,) * reports.ORDERS_PER_EVENT
    event = OrdersResting("V" * 64, WIRE_MAX, 0, WIRE_MAX, None, "S" * 64, 0, WIRE_MAX, side, side)
    assert len(encode(event)) < 900_000


def test_the_adl_queue_of_both_sides_is_reported_with_scores_and_lights() -> None:
    exchange = an_exchange(
        wallets={BOB: 500, CAROL: 200},
        holds=[leg(ALICE, 20, at=100), leg(BOB, -10, at=100), leg(CAROL, -10, at=100)],
    )
    apply(exchange, spot(BTC=90))
    longs, shorts = only(apply(exchange, tick(0)), AdlQueueRanked)
    assert (longs.side, longs.positions, len(longs.head)) == (Side.BUY, 1, 1)
    assert (shorts.side, shorts.positions) == (Side.SELL, 2)
    assert shorts.head == ((CAROL, -10, 333_333, 5), (BOB, -10, 166_666, 3))  # 100 / 300, 100 / 600


def test_of_a_long_queue_only_the_head_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "QUEUE_HEAD", 1)
    exchange = an_exchange(holds=[leg(ALICE, 20, at=100), leg(BOB, -10, at=100), leg(CAROL, -10, at=100)])
    shorts = only(apply(exchange, tick(0)), AdlQueueRanked)[1]
    assert (shorts.positions, len(shorts.head)) == (2, 1)


# news ------------------------------------------------------------------------------------------------------


def test_a_price_shock_is_published_by_its_name_and_then_moves_the_mark() -> None:
    exchange = an_exchange()
    events = apply(exchange, PriceShock(VENUE, 0, "tariff", "100 % on everything", "spot", (("BTC", 90),)))
    assert kinds(events) == ["NewsPublished", "SourcePriced", "MarkPriceChanged"]
    news = one(events, NewsPublished)
    assert (news.label, news.headline, mark(exchange)) == ("tariff", "100 % on everything", 90)


# the sources of the index ----------------------------------------------------------------------------------


def test_what_a_source_says_is_published_as_said_before_any_mark_moves_and_also_when_none_does() -> None:
    exchange = an_exchange()
    events = apply(exchange, spot(BTC=90), spot(BTC=90))
    assert kinds(events) == ["SourcePriced", "MarkPriceChanged", "SourcePriced"]
    assert [(each.source, each.prices) for each in only(events, SourcePriced)] == [("spot", (("BTC", 90),))] * 2


def test_news_without_prices_says_nothing_of_a_source() -> None:
    events = apply(an_exchange(), PriceShock(VENUE, 0, "tariff", "100 % on everything", "spot", ()))
    assert kinds(events) == ["NewsPublished"]


def test_news_may_move_no_price() -> None:
    assert kinds(apply(an_exchange(), PriceShock(VENUE, 0, "rumour", "", "spot"))) == ["NewsPublished"]


def test_news_with_a_price_that_is_not_allowed_is_not_published() -> None:
    events = apply(an_exchange(), PriceShock(VENUE, 0, "tariff", "", "spot", (("BTC", 0),)))
    assert kinds(events) == ["ControlRejected"] and reasons(events) == [Reject.PRICE_NOT_POSITIVE]
