"""Liquidations: counted when they end, valued at the mark at which they were taken, by where they went."""

import pytest

from consumers.liquidations import Liquidations
from stream_engine.messages import events as e
from tests.monitors.story import BTC, START_US, TOKEN, USD, VENUE, Story, an_instrument


def a_watch() -> tuple[Liquidations, Story]:
    liquidations = Liquidations(VENUE)
    return liquidations, Story(liquidations.observe).listed()


def test_a_liquidated_position_is_worth_its_lots_at_the_mark_wherever_they_went() -> None:
    liquidations, story = a_watch()
    story.liquidated(7, 10, mark=10_000, book=4, fund=3, adl=2, deficit=1)
    tally = liquidations.all
    assert (tally.positions, tally.notional) == (1, 1_000 * USD)
    assert (tally.book, tally.fund, tally.adl, tally.deficit) == (400 * USD, 300 * USD, 200 * USD, 100 * USD)


def test_longs_and_shorts_are_told_apart_by_the_sign_of_what_was_taken() -> None:
    liquidations, story = a_watch()
    story.liquidated(7, 30, book=30).liquidated(8, -10, book=10)
    tally = liquidations.of(TOKEN)
    assert (tally.long_positions, tally.positions) == (1, 2)
    assert (tally.long_notional, tally.notional) == (3_000 * USD, 4_000 * USD)


def test_an_account_that_loses_two_positions_is_one_account() -> None:
    liquidations, story = a_watch()
    story.liquidated(7, 30, book=30).liquidated(7, -10, book=10).liquidated(8, 1, book=1)
    assert len(liquidations.all.accounts) == 2


def test_minutes_hold_what_ended_in_them_and_the_largest_is_the_peak() -> None:
    liquidations, story = a_watch()
    story.liquidated(7, 10, book=10).minutes().liquidated(8, 20, book=20).liquidated(9, -5, book=5)
    assert liquidations.all.minute(START_US) == 1_000 * USD
    assert liquidations.all.minute(story.now_us) == 2_500 * USD
    peak = liquidations.all.minutes().peak()
    assert peak is not None and (peak.ts_us, peak.value) == (START_US + 60 * 1_000_000, 2_500 * USD)


def test_the_first_fill_at_the_bankruptcy_price_or_better_is_the_first_into_the_book() -> None:
    liquidations, story = a_watch()
    story.liquidated(7, 10, fund=10)
    assert liquidations.first_into_book_us is None
    story.seconds(5).liquidated(8, 10, book=10)
    assert liquidations.first_into_book_us == START_US + 5 * 1_000_000


def test_a_liquidation_that_has_not_ended_is_not_counted() -> None:
    liquidations, story = a_watch()
    story.tell(e.LiquidationStarted, 7, TOKEN, 10, 10_000, 9_900, 0, 0)
    assert liquidations.all.positions == 0
    story.tell(e.LiquidationEnded, 7, TOKEN, 10, 0, 0, 0, 9_900, 0)
    assert liquidations.all.positions == 1


def test_one_that_began_before_the_watch_is_left_out() -> None:
    liquidations, story = a_watch()
    story.tell(e.LiquidationEnded, 7, TOKEN, 10, 0, 0, 0, 9_900, 0)
    assert liquidations.all.positions == 0


@pytest.mark.parametrize(("seconds", "over"), [(299, False), (300, True), (301, True)])
def test_a_wave_is_over_after_five_minutes_without_any(seconds: int, over: bool) -> None:
    _, story = a_watch()
    story.liquidated(7, 10, book=10).seconds(seconds)
    assert [state for state, _ in story.told("liquidations")] == ["open"] + ["close"] * over


def test_a_wave_is_one_finding_updated_once_a_minute_at_most() -> None:
    _, story = a_watch()
    for account in range(90):
        story.liquidated(account + 1, 10, book=10).seconds()
    story.minutes(6)
    assert story.told("liquidations") == [
        ("open", "TOKEN-PERP: liquidations begin, a long of $1.00k"),
        ("update", "TOKEN-PERP: 60 positions liquidated, $60.0k"),
        ("update", "TOKEN-PERP: 90 positions liquidated, $90.0k"),
        ("close", "TOKEN-PERP: 90 positions liquidated, $90.0k; none for 5 minutes"),
    ]
    assert len({finding.id for finding in story.findings}) == 1


def test_a_position_that_goes_in_parts_is_one_position_and_its_parts_add_up() -> None:
    liquidations, story = a_watch()
    for book, left in ((4, 6), (3, 3), (3, 0)):
        story.tell(e.LiquidationStarted, 7, TOKEN, book, 10_000, 9_900, 0, 0)
        story.tell(e.LiquidationEnded, 7, TOKEN, book, 0, 0, 0, 9_900, 0, left)
    story.liquidated(7, 1, book=1)
    tally = liquidations.all
    assert (tally.positions, tally.long_positions, len(tally.accounts), tally.book) == (2, 2, 1, 1_100 * USD)
    story.minutes(5)
    assert "2 positions liquidated, $1.10k" in story.told("liquidations")[-1][1]


def test_what_the_fund_takes_over_is_told_apart_and_does_not_count_again_when_the_fund_loses_it() -> None:
    liquidations, story = a_watch()
    story.tell(e.LiquidationStarted, 7, TOKEN, 10, 10_000, 9_900, 0, 0)
    story.tell(e.PositionTakenOver, 7, 4_000, TOKEN, 6, 9_900, 6, "main")
    story.tell(e.LiquidationEnded, 7, TOKEN, 4, 0, 0, 0, 9_900, 0, 0, 6)
    story.seconds(9).liquidated(4_000, 6, adl=6)
    tally = liquidations.all
    assert (tally.book, tally.taken_over, tally.adl, tally.notional) == (400 * USD, 600 * USD, 0, 1_000 * USD)
    assert liquidations.first_taken_over_us == START_US and tally.accounts == {7}


def test_all_positions_of_an_account_that_a_vault_takes_over_are_liquidated() -> None:
    liquidations, story = a_watch()
    story.listed(an_instrument(BTC))
    story.tell(e.BackstopTookOver, 7, 4_000, "vault", ((TOKEN, 10, 10_000), (BTC, -3, 10_000)), 5, 9)
    tally = liquidations.all
    assert (tally.positions, tally.long_positions, tally.vault, tally.notional) == (2, 1, 1_300 * USD, 1_300 * USD)
    assert liquidations.of(BTC).vault == 300 * USD and liquidations.first_vault_us == START_US
    story.liquidated(4_000, 10, adl=10)
    assert tally.notional == 1_300 * USD
