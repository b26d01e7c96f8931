"""Prices and open interest: paths, falls, and how much of a fall the venue added."""

from consumers.open_interest import OpenInterest
from consumers.prices import Outside, Prices, beyond_ppm, fall_ppm
from stream_engine.messages import events as e
from stream_engine.messages import inputs as i
from tests.monitors.story import START_US, TOKEN, USD, VENUE, Story


def test_mark_index_and_last_each_have_their_path() -> None:
    prices = Prices(VENUE)
    story = Story(prices.observe).listed().mark(10_000, 10_010)
    story.seconds().mark(9_000, 9_500).trade(8_000, 1, maker=1, maker_left=0)
    story.seconds().mark(9_800, 9_900).trade(9_700, 1, maker=1, maker_left=0)
    lows = [path[TOKEN].low for path in (prices.mark, prices.index, prices.last)]
    assert [(low.value, low.ts_us - START_US) for low in lows if low] == [
        (9_000, 1_000_000),
        (9_500, 1_000_000),
        (8_000, 1_000_000),
    ]


def test_a_fall_is_from_the_first_price_to_the_lowest_and_beyond_is_what_outside_did_not_fall() -> None:
    prices, outside = Prices(VENUE), Outside()
    story = Story(prices.observe).listed()
    for last, spot in ((10_000, 10_000), (2_000, 7_300), (4_000, 9_000)):
        story.trade(last, 1, maker=1, maker_left=0)
        outside.take(i.IndexPrices(VENUE, story.now_us, "spot", ((TOKEN, spot),)))
        story.seconds()
    assert fall_ppm(prices.last[TOKEN]) == 800_000
    assert fall_ppm(outside.paths[TOKEN]) == 270_000
    assert beyond_ppm(prices.last[TOKEN], TOKEN, outside.paths) == 530_000


def test_the_outside_is_one_source_shocks_included_and_nothing_else() -> None:
    outside = Outside()
    outside.take(i.IndexPrices(VENUE, START_US, "spot", ((TOKEN, 10_000),)))
    outside.take(i.PriceShock(VENUE, START_US, "tariff", "100 % tariff", "spot", ((TOKEN, 9_000),)))
    outside.take(i.IndexPrices(VENUE, START_US, "relay", ((TOKEN, 1),)))
    outside.take(i.ClockTick(VENUE, START_US))
    low = outside.paths[TOKEN].low
    assert low is not None and low.value == 9_000


def test_without_the_outside_what_lies_beyond_it_is_not_known() -> None:
    prices = Prices(VENUE)
    Story(prices.observe).listed().trade(10_000, 1, maker=1, maker_left=0)
    assert beyond_ppm(prices.last[TOKEN], TOKEN, {}) is None


def test_news_is_told_once_at_its_time() -> None:
    prices = Prices(VENUE)
    story = Story(prices.observe)
    story.tell(e.NewsPublished, "tariff", "100 % tariff announced")
    assert story.told("news") == [("close", "100 % tariff announced")]
    assert [news.label for news in prices.news] == ["tariff"]


def test_a_halt_is_told_with_its_reason_and_is_over_when_trading_is_resumed() -> None:
    prices = Prices(VENUE)
    story = Story(prices.observe)
    story.tell(e.TradingHalted, "feed stalled")
    assert prices.halt is not None
    story.seconds(62)
    story.tell(e.TradingResumed)
    assert prices.halt is None
    assert story.told("halted") == [
        ("open", "trading is halted: feed stalled"),
        ("close", "trading is resumed after 1 m 02 s"),
    ]
    opened, closed = (finding for finding in story.findings if finding.rule == "halted")
    assert opened.id == closed.id


def test_who_begins_to_watch_within_a_halt_hears_nothing_of_its_end() -> None:
    story = Story(Prices(VENUE).observe)
    story.tell(e.TradingResumed)
    assert story.told("halted") == []


def test_open_interest_is_worth_its_lots_at_the_mark_of_that_moment() -> None:
    open_interest = OpenInterest(VENUE)
    story = Story(open_interest.observe).listed().mark(10_000).open_interest(1_000, 87, 13)
    assert open_interest.now(TOKEN) == 100_000 * USD
    story.mark(5_000)
    assert open_interest.now(TOKEN) == 50_000 * USD
    story.open_interest(600, 40, 10)
    notional = open_interest.notional[TOKEN]
    assert notional.first is not None and notional.first.value == 100_000 * USD
    assert notional.last is not None and notional.last.value == 30_000 * USD
    assert (open_interest.first_accounts[TOKEN], open_interest.accounts[TOKEN]) == ((87, 13), (40, 10))


def test_open_interest_without_a_mark_is_worth_nothing_known() -> None:
    open_interest = OpenInterest(VENUE)
    Story(open_interest.observe).listed().open_interest(1_000, 87, 13)
    assert open_interest.now(TOKEN) is None
    assert open_interest.now("OTHER") is None
