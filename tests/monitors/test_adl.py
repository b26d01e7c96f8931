"""ADL: who was deleveraged, how much of it, and who stood in the book meanwhile."""

import pytest

from consumers.board import Board
from tests.monitors.story import START_US, TOKEN, USD, VENUE, Story

MAKERS = {"MM1": 1, "MM2": 2, "MM3": 3, "MM4": 4, "MM5": 5}


def a_board() -> tuple[Board, Story]:
    board = Board(VENUE)
    story = Story(board.observe).listed().accounts(**MAKERS)
    for account in MAKERS.values():
        story.quote(account, [(9_990, 10)], [(10_010, 10)])
    return board, story.seconds()


def test_deleveraging_is_worth_its_lots_at_the_price_of_closing() -> None:
    board, story = a_board()
    story.deleveraged(7, 10, 5_000).deleveraged(7, 2, 6_000).deleveraged(8, -4, 10_000)
    done = board.adl.all
    assert (done.closings, len(done.positions), len(done.by_account)) == (3, 2, 2)
    assert (done.notional, done.short_notional) == ((500 + 120 + 400) * USD, (500 + 120) * USD)
    assert board.adl.of(TOKEN).notional == done.notional


def test_lights_say_how_much_of_it_hit_which_fifth_of_the_queue() -> None:
    board, story = a_board()
    story.deleveraged(7, 10, lights=5).deleveraged(8, 5, lights=4).deleveraged(9, 1, lights=5)
    assert board.adl.all.by_lights == {1: 0, 2: 0, 3: 0, 4: 500 * USD, 5: 1_100 * USD}


@pytest.mark.parametrize(("out", "absent"), [(2, False), (3, True), (4, True)])
def test_makers_are_absent_when_most_of_them_had_no_two_sided_quote_at_the_last_tick(out: int, absent: bool) -> None:
    board, story = a_board()
    for account in range(1, out + 1):
        story.unquote(account)
    story.seconds().deleveraged(7, 10)
    assert board.adl.all.absent_notional == (1_000 * USD if absent else 0)


def test_quotes_that_the_cascade_itself_takes_are_no_absence() -> None:
    board, story = a_board()
    for account in MAKERS.values():
        story.trade(9_990, 10, maker=account, maker_left=0)
    story.deleveraged(7, 10)
    assert board.adl.all.absent_notional == 0


@pytest.mark.parametrize(("accounts", "top"), [(1, 1), (199, 1), (200, 2), (201, 2)])
def test_the_top_hundredth_is_of_accounts_and_at_least_one(accounts: int, top: int) -> None:
    board, story = a_board()
    for account in range(accounts):
        story.deleveraged(100 + account, 10 if account < 2 else 1)
    assert board.adl.all.top_percent_notional() == top * 1_000 * USD


def test_adl_is_told_when_it_begins_with_who_was_missing_and_when_it_is_over() -> None:
    board, story = a_board()
    for account in (1, 2, 3):
        story.unquote(account)
    story.seconds().deleveraged(7, 10, lights=4).minutes(2).deleveraged(8, -5).minutes(6)
    assert story.told("adl") == [
        ("open", "TOKEN-PERP: ADL begins: a short of $1.00k, 4 lights, most makers out"),
        ("update", "TOKEN-PERP: 2 closings by ADL, $1.50k"),
        ("close", "TOKEN-PERP: 2 closings by ADL, $1.50k; none for 5 minutes"),
    ]
    assert board.adl.first_us == START_US + 2 * 1_000_000


def test_where_nobody_ever_quoted_no_makers_are_said_to_quote() -> None:
    board = Board(VENUE)
    story = Story(board.observe).listed()
    story.seconds().deleveraged(7, 10, lights=4)
    assert story.told("adl") == [("open", "TOKEN-PERP: ADL begins: a short of $1.00k, 4 lights, no makers")]


def test_a_venue_that_shows_no_lights_is_told_without_them() -> None:
    board, story = a_board()
    story.seconds().deleveraged(7, 10, lights=0)
    assert story.told("adl") == [("open", "TOKEN-PERP: ADL begins: a short of $1.00k, most makers quote")]
    assert board.adl.all.by_lights[0] == 1_000 * USD
