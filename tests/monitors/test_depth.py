"""Depth: the rules by which it is measured, and when a book counts as hollow."""

import random

import pytest

from consumers.depth import Depth
from stream_engine.core.exchange import Exchange
from stream_engine.messages import events as e
from stream_engine.messages import inputs as i
from stream_engine.messages.inputs import Side
from tests.monitors.story import START_US, TOKEN, USD, VENUE, Story, an_instrument


def a_book() -> tuple[Depth, Story]:
    depth = Depth(VENUE)
    story = Story(depth.observe).listed().accounts(MM1=1, MM2=2, Ann=11, Bob=12)
    return depth, story


def dollars(depth: Depth) -> tuple[float, float]:
    sample = depth.sample(TOKEN)
    assert sample is not None
    return sample.bid / USD, sample.ask / USD


def owned(depth: Depth, maker: str) -> tuple[float, float]:
    sample = depth.sample(TOKEN)
    assert sample is not None
    return sample.makers[maker].bid / USD, sample.makers[maker].ask / USD


def spread_bps(depth: Depth) -> float | None:
    sample = depth.sample(TOKEN)
    assert sample is not None
    return None if sample.spread_ppm is None else sample.spread_ppm / 100


def test_depth_is_price_times_size_on_both_sides() -> None:
    depth, story = a_book()
    story.quote(1, [(9_990, 10), (9_980, 5)], [(10_010, 20)]).seconds()
    assert dollars(depth) == (999.0 + 499.0, 2_002.0)
    assert owned(depth, "MM1") == (1_498.0, 2_002.0)
    assert spread_bps(depth) == 20.0


@pytest.mark.parametrize(("bid", "counts"), [(9_901, True), (9_900, True), (9_899, False)])
def test_a_bid_counts_down_to_one_percent_below_mid(bid: int, counts: bool) -> None:
    depth, story = a_book()
    story.quote(1, [(9_999, 1), (bid, 1)], [(10_001, 1)]).seconds()  # mid 100.00
    assert dollars(depth)[0] == 99.99 + (bid / 100 if counts else 0)


@pytest.mark.parametrize(("ask", "counts"), [(10_099, True), (10_100, True), (10_101, False)])
def test_an_ask_counts_up_to_one_percent_above_mid(ask: int, counts: bool) -> None:
    depth, story = a_book()
    story.quote(1, [(9_999, 1)], [(10_001, 1), (ask, 1)]).seconds()
    assert dollars(depth)[1] == pytest.approx(100.01 + (ask / 100 if counts else 0))


def test_orders_of_others_count_in_all_and_for_no_maker() -> None:
    depth, story = a_book()
    story.quote(1, [(9_990, 10)], [(10_010, 10)])
    story.order(11, Side.BUY, 3, 9_980)
    story.seconds()
    assert dollars(depth) == (999.0 + 299.4, 1_001.0)
    assert owned(depth, "MM1") == (999.0, 1_001.0)
    assert depth.makers(TOKEN) == ["MM1"]


def test_orders_of_a_maker_count_for_it_even_those_before_its_first_quote() -> None:
    depth, story = a_book()
    story.order(1, Side.BUY, 3, 9_980)
    story.quote(1, [(9_990, 10)], [(10_010, 10)])
    order_id = story.order(1, Side.SELL, 2, 10_020)
    story.seconds()
    assert owned(depth, "MM1") == (999.0 + 299.4, 1_001.0 + 200.4)
    story.cancelled(1, order_id, 2).seconds()
    assert owned(depth, "MM1") == (999.0 + 299.4, 1_001.0)
    assert dollars(depth) == (999.0 + 299.4, 1_001.0)


def test_a_maker_with_two_accounts_is_one_maker() -> None:
    depth = Depth(VENUE)
    story = Story(depth.observe).listed()
    story.tell(e.AccountsOpened, ((1, "MM1"), (2, "MM1")))
    story.quote(1, [(9_990, 10)], [(10_030, 10)]).quote(2, [(9_980, 10)], [(10_010, 10)]).seconds()
    sample = depth.sample(TOKEN)
    assert sample is not None
    assert owned(depth, "MM1") == (999.0 + 998.0, 1_003.0 + 1_001.0)
    assert sample.makers["MM1"].spread_ppm == 2_000  # from its best bid to its best ask, whichever account has it


def test_a_new_quote_replaces_the_former_one_and_a_cancelled_one_is_gone() -> None:
    depth, story = a_book()
    story.quote(1, [(9_990, 10)], [(10_010, 10)]).quote(1, [(9_980, 1)], [(10_020, 1)]).seconds()
    assert dollars(depth) == (99.8, 100.2)
    story.quote(2, [(9_970, 2)], [(10_030, 2)]).unquote(1).seconds()
    assert dollars(depth) == (199.4, 200.6)
    sample = depth.sample(TOKEN)
    assert sample is not None and sample.makers["MM1"].spread_ppm is None


def test_a_fill_takes_from_the_level_at_its_price_until_nothing_is_left_of_it() -> None:
    depth, story = a_book()
    story.quote(1, [(9_990, 10), (9_980, 10)], [(10_010, 10)])
    story.trade(9_990, 4, maker=1, maker_left=6).seconds()
    assert dollars(depth)[0] == 599.4 + 998.0
    story.trade(9_990, 6, maker=1, maker_left=0).seconds()
    assert dollars(depth)[0] == 998.0
    assert spread_bps(depth) == pytest.approx(30.01, abs=0.01)


def test_a_fill_takes_from_a_resting_order_and_from_the_taker_that_would_rest() -> None:
    depth, story = a_book()
    resting = story.order(11, Side.BUY, 10, 9_990)
    story.order(11, Side.SELL, 10, 10_010)
    taking = story.order(12, Side.SELL, 6, 9_990)
    story.trade(9_990, 4, maker=11, maker_order_id=resting, maker_left=6, taker=12, taker_order_id=taking, taker_left=2)
    story.cancelled(12, taking, 2).seconds()
    assert dollars(depth) == (599.4, 1_001.0)


def test_an_order_that_may_not_rest_and_an_answer_given_again_add_nothing() -> None:
    depth, story = a_book()
    story.quote(1, [(9_990, 1)], [(10_010, 1)])
    for price, time_in_force, repeated in ((None, i.TimeInForce.GTC, False), (9_980, i.TimeInForce.IOC, False),
                                           (9_980, i.TimeInForce.GTC, True)):  # fmt: skip
        story.tell(e.OrderAccepted, 11, "o", 77, TOKEN, Side.BUY, 5, price, time_in_force, False, repeated=repeated)
    story.seconds()
    assert dollars(depth) == (99.9, 100.1)


def test_an_amended_order_rests_with_its_new_size_at_its_new_price_and_what_it_takes_is_taken_off() -> None:
    depth, story = a_book()
    resting = story.order(11, Side.BUY, 10, 9_980)
    story.order(12, Side.SELL, 10, 10_010)
    story.tell(e.OrderAmended, 11, f"o{resting}", resting, TOKEN, Side.BUY, 5, 9_990)
    story.seconds()
    assert dollars(depth) == (499.5, 1_001.0)
    story.trade(9_990, 2, maker=90, taker=11, taker_side=Side.BUY, maker_left=8, taker_order_id=resting, taker_left=3)
    story.seconds()
    assert dollars(depth) == (299.7, 1_001.0)


def test_an_order_that_waits_for_its_trigger_is_in_the_book_from_its_trigger_on_and_not_before() -> None:
    depth, story = a_book()
    story.quote(1, [(9_990, 1)], [(10_010, 1)])
    order = (11, "stop", 77, TOKEN, Side.BUY)
    trigger = i.Trigger(i.TriggerKind.STOP, 10_050)
    story.tell(e.OrderAccepted, *order, 5, 9_980, i.TimeInForce.GTC, False, trigger=trigger)
    story.tell(e.OrderAmended, *order, 10, 9_990)
    story.seconds()
    assert dollars(depth) == (99.9, 100.1)
    story.tell(e.OrderTriggered, *order, 10, 9_990, i.TimeInForce.GTC)
    story.seconds()
    assert dollars(depth) == (1_098.9, 100.1)


def test_with_one_side_empty_the_mid_stays_and_there_is_no_spread() -> None:
    depth, story = a_book()
    assert depth.sample(TOKEN) is None
    story.quote(1, [(9_990, 10)], [(10_010, 10)]).seconds().quote(1, [(9_900, 10)], []).seconds(3)
    assert dollars(depth) == (990.0, 0.0)  # still round 100.00
    assert spread_bps(depth) is None
    assert depth.books[TOKEN].one_sided_us == 3 * 1_000_000


def test_the_minute_s_list_of_resting_orders_is_the_whole_truth_in_all_its_parts() -> None:
    depth, story = a_book()
    story.order(11, Side.BUY, 100, 9_950)
    story.quote(2, [(9_960, 100)], [(10_040, 100)])
    story.tell(e.OrdersResting, TOKEN, 0, 2, ((1, 5, "", 9_990, 10),), ((1, 6, "", 10_010, 10),))
    story.tell(e.OrdersResting, TOKEN, 1, 2, ((12, 7, "b", 9_980, 5),), ())
    story.seconds()
    assert dollars(depth) == (999.0 + 499.0, 1_001.0)
    assert owned(depth, "MM1") == (999.0, 1_001.0)
    assert owned(depth, "MM2") == (0.0, 0.0)
    story.cancelled(12, 7, 5).seconds()
    assert dollars(depth) == (999.0, 1_001.0)


@pytest.mark.parametrize(("size", "low"), [(19, True), (20, False), (21, False)])
def test_a_book_under_a_fifth_of_its_normal_is_low(size: int, low: bool) -> None:
    _, story = a_book()
    story.quote(1, [(9_990, 100)], [(10_010, 100)]).minutes(10).quote(1, [(9_990, size)], [(10_010, size)]).minutes(1)
    assert bool(story.told("depth-low")) is low


@pytest.mark.parametrize(("seconds", "told"), [(29, False), (30, False), (31, True)])
def test_a_low_book_is_told_once_it_has_been_low_for_thirty_seconds(seconds: int, told: bool) -> None:
    _, story = a_book()
    story.quote(1, [(9_990, 100)], [(10_010, 100)]).minutes(10).quote(1, [(9_990, 5)], [(10_010, 5)])
    story.seconds(seconds)
    assert bool(story.told("depth-low")) is told


def test_a_low_book_is_one_finding_from_its_onset_to_its_recovery_with_the_trough() -> None:
    depth, story = a_book()
    story.quote(1, [(9_990, 100)], [(10_010, 100)]).minutes(10)
    story.quote(1, [(9_990, 10)], [(10_010, 10)]).seconds()
    onset_us, onset_seq = story.now_us, story.seq
    story.minutes(5).quote(1, [(9_990, 2)], [(10_010, 2)]).minutes(30)
    story.quote(1, [(9_990, 60)], [(10_010, 60)]).minutes(5)
    opened, closed = (finding for finding in story.findings if finding.rule == "depth-low")
    assert opened.id == closed.id == f"depth-low/{VENUE}/{TOKEN}/{onset_seq}"
    assert opened.values["since_us"] == onset_us
    assert opened.text == "TOKEN-PERP: depth $2.00k, 10 % of its normal $20.0k"
    assert closed.text == "TOKEN-PERP: depth back to 60 %; its trough was $400 at 20:00:02"
    trough = depth.books[TOKEN].trough
    assert trough is not None and (trough.value, trough.normal) == (400 * USD, 20_000 * USD)


def test_a_book_that_is_swept_for_a_second_is_no_trough() -> None:
    depth, story = a_book()
    story.quote(1, [(9_990, 100)], [(10_010, 100)]).minutes(10)
    story.quote(1, [], []).seconds(1)
    story.quote(1, [(9_990, 100)], [(10_010, 100)]).minutes(2)
    trough = depth.books[TOKEN].trough
    assert trough is not None and 100 * trough.value > 95 * trough.normal


def of_size(story: Story, size: int, half_width: int = 10) -> Story:
    return story.quote(1, [(10_000 - half_width, size)], [(10_000 + half_width, size)])


@pytest.mark.parametrize("news", [True, False])
def test_what_thins_slowly_is_summed_up_with_what_was_normal_before(news: bool) -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10)
    if news:
        story.tell(e.NewsPublished, "n", "news")
    of_size(story, 40, half_width=30).minutes(50)
    rolling = depth.books[TOKEN].normal_depth.value
    of_size(story, 10, half_width=60).minutes(5)
    book = depth.books[TOKEN]
    assert rolling == 8_000 * USD  # the median has followed, as it should for findings
    assert book.trough is not None and (book.trough.value, book.trough.normal) == (2_000 * USD, 20_000 * USD)
    assert book.widest is not None and (book.widest.value, book.widest.normal) == (12_000, 2_000)


def test_a_deeper_book_after_the_trough_does_not_change_what_was_normal_before_it() -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10)
    of_size(story, 10).minutes(5)
    of_size(story, 300).minutes(90)
    assert depth.books[TOKEN].normal_depth.value == 60_000 * USD
    assert depth.books[TOKEN].summed_normal_depth == 20_000 * USD


def test_only_the_first_news_fixes_what_is_normal_and_what_was_before_is_not_its_trough() -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10)
    of_size(story, 5).minutes(2)
    of_size(story, 100).minutes(5)
    story.tell(e.NewsPublished, "n", "news")
    of_size(story, 50).minutes(70)
    story.tell(e.NewsPublished, "m", "more news")
    of_size(story, 30).minutes(2)
    trough = depth.books[TOKEN].trough
    assert trough is not None and (trough.value, trough.normal) == (6_000 * USD, 20_000 * USD)


def test_news_before_anything_is_normal_fixes_nothing() -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(2)
    story.tell(e.NewsPublished, "n", "news")
    of_size(story, 60).minutes(20)
    of_size(story, 30).minutes(2)
    trough = depth.books[TOKEN].trough
    assert trough is not None and (trough.value, trough.normal) == (6_000 * USD, 12_000 * USD)


@pytest.mark.parametrize(("seconds", "whole"), [(59, False), (60, True), (61, True)])
def test_any_sixty_seconds_make_a_trough_even_the_last_ones_of_a_run(seconds: int, whole: bool) -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10).seconds(25)
    of_size(story, 10).seconds(seconds)
    trough = depth.books[TOKEN].trough
    assert trough is not None and (trough.value == 2_000 * USD) is whole


def test_a_trough_is_stamped_with_its_lowest_second() -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10)
    of_size(story, 10).seconds(40)
    of_size(story, 9).seconds()
    lowest_us = story.now_us
    of_size(story, 10).minutes(2)
    trough = depth.books[TOKEN].trough
    assert trough is not None and trough.ts_us == lowest_us


@pytest.mark.parametrize(("size", "over"), [(49, False), (50, False), (51, True)])
def test_a_book_has_recovered_since_it_was_over_half_of_the_fixed_normal(size: int, over: bool) -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10)
    of_size(story, 10).minutes(5)
    of_size(story, size).seconds()
    since_us = story.now_us
    story.minutes(2)
    assert depth.books[TOKEN].recovered_us == (since_us if over else None)


@pytest.mark.parametrize(("seconds", "over"), [(60, False), (61, True), (62, True)])
def test_a_book_has_recovered_once_it_has_been_over_half_for_a_minute(seconds: int, over: bool) -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10)
    of_size(story, 10).minutes(5)
    of_size(story, 80).seconds(seconds)
    of_size(story, 20).minutes(1)
    assert (depth.books[TOKEN].recovered_us is not None) is over


def test_a_trough_after_a_recovery_has_to_be_recovered_from_again() -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10)
    for size in (10, 80, 5):
        of_size(story, size).minutes(3)
    assert depth.books[TOKEN].recovered_us is None


def test_while_a_side_is_empty_there_is_no_spread_now_and_none_at_the_end_of_the_minute() -> None:
    depth, story = a_book()
    of_size(story, 100).minutes(10)
    book, before_us = depth.books[TOKEN], story.now_us - 60 * 1_000_000
    story.quote(1, [(9_990, 100)], []).seconds(59)
    assert book.spread_now is None
    assert (book.spread_at_end_of[before_us], book.spread_at_end_of[before_us + 60 * 1_000_000]) == (2_000, None)
    of_size(story, 100).seconds()
    assert book.spread_now == 2_000


def test_who_comes_late_books_a_maker_s_order_for_it_though_it_is_listed_before_its_quote() -> None:
    depth, story = a_book()
    bids = ((1, 7, "b", 9_980, 5), (1, 5, "", 9_990, 10))
    story.tell(e.OrdersResting, TOKEN, 0, 1, bids, ((1, 6, "", 10_010, 10),))
    story.seconds()
    assert owned(depth, "MM1") == (999.0 + 499.0, 1_001.0)
    story.cancelled(1, 7, 5).seconds()
    assert owned(depth, "MM1") == dollars(depth) == (999.0, 1_001.0)


@pytest.mark.parametrize(("half_width", "wide"), [(15, False), (16, False), (19, True)])
def test_a_spread_over_eight_fifths_of_its_normal_for_three_minutes_is_wide(half_width: int, wide: bool) -> None:
    _, story = a_book()
    story.quote(1, [(9_990, 10)], [(10_010, 10)]).minutes(10)
    story.quote(1, [(10_000 - half_width, 10)], [(10_000 + half_width, 10)]).minutes(6)
    assert bool(story.told("spread-wide")) is wide


def test_a_wide_spread_is_over_when_it_is_narrow_again() -> None:
    _, story = a_book()
    story.quote(1, [(9_990, 10)], [(10_010, 10)]).minutes(10)
    story.quote(1, [(9_900, 10)], [(10_100, 10)]).minutes(6)
    assert [state for state, _ in story.told("spread-wide")] == ["open"]
    story.quote(1, [(9_990, 10)], [(10_010, 10)]).minutes(6)
    assert [state for state, _ in story.told("spread-wide")] == ["open", "close"]


def test_a_venue_of_another_name_is_none_of_its_business() -> None:
    depth = Depth("Y")
    Story(depth.observe).listed().accounts(MM1=1).quote(1, [(9_990, 10)], [(10_010, 10)]).seconds()
    assert depth.books == {} and depth.now_us == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_books_followed_are_those_the_exchange_says_rest(seed: int) -> None:
    """Random orders and quotes through the exchange: after each minute's list nothing had to be corrected."""
    draw = random.Random(seed)
    exchange, depth = Exchange(VENUE), Depth(VENUE)
    minutes = 0

    def apply(received: i.AnyInput) -> None:
        nonlocal minutes
        for event in exchange.apply(received):
            if isinstance(event, e.OrdersResting):
                assert resting(depth) == (sorted(row_of(row) for row in event.bids), sorted(map(row_of, event.asks)))
                minutes += bool(event.bids and event.asks)
            depth.observe(event)

    now_us = START_US
    apply(i.ListInstrument(VENUE, now_us, an_instrument()))
    accounts = range(1, 9)
    apply(i.OpenAccounts(VENUE, now_us, tuple((account, f"P{account}") for account in accounts)))
    apply(i.Deposit(VENUE, now_us, tuple((account, 1_000_000 * USD) for account in accounts)))
    apply(i.IndexPrices(VENUE, now_us, "spot", ((TOKEN, 10_000),)))
    for step in range(600):
        now_us += 1_000_000
        apply(i.ClockTick(VENUE, now_us))
        account = draw.choice(accounts)
        if account <= 3:
            middle = 10_000 + draw.randint(-6, 6)
            bids = tuple((middle - draw.randint(1, 3) - 4 * level, draw.randint(1, 9)) for level in range(4))
            asks = tuple((middle + draw.randint(1, 3) + 4 * level, draw.randint(1, 9)) for level in range(4))
            apply(i.MassQuote(VENUE, now_us, account, TOKEN, step + 1, bids, asks))
        elif draw.random() < 0.1:
            apply(i.CancelAll(VENUE, now_us, draw.choice(accounts)))
        else:
            side = draw.choice((Side.BUY, Side.SELL))
            price = draw.choice((None, 10_000 + draw.randint(-15, 15)))
            apply(i.Place(VENUE, now_us, account, f"c{step}", TOKEN, side, draw.randint(1, 20), price))
    assert minutes > 5


def row_of(row: tuple[int, int, str, int, int]) -> tuple[int, int, int]:
    account, _, _, price, size = row
    return account, price, size


def resting(depth: Depth) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """(account, price, size) of all that rests on either side, as the monitor has it."""
    orders = [(order.side, (order.account, order.price, order.left)) for order in depth._orders.values()]
    quotes = depth.books[TOKEN].quotes.items()
    bids = [row for side, row in orders if side is Side.BUY]
    asks = [row for side, row in orders if side is Side.SELL]
    bids += [(account, price, size) for account, quote in quotes for price, size in quote.bids]
    asks += [(account, price, size) for account, quote in quotes for price, size in quote.asks]
    return sorted(bids), sorted(asks)
