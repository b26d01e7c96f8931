"""Near the book: small resting orders, renewed in turn."""

from producers.near_book import NearBook, NearBookTraders
from producers.noise import Noise
from stream_engine.messages.inputs import Cancel, Side
from tests.agents.stage import SIZES, SYMBOL, VENUE, a_halt, a_view, falling, hear, orders, play, the_market


def test_near_the_book_each_order_is_taken_away_before_it_is_renewed() -> None:
    path = falling(100.0)
    near = NearBookTraders(VENUE, {SYMBOL: range(1, 7)}, NearBook(refresh_s=25), SIZES, a_view(), Noise(1, "near-book"))
    sent = play(near, path, range(100))
    placed = [order for _, order in orders(sent)]
    cancelled = [each.client_id for inputs in sent.values() for each in inputs if isinstance(each, Cancel)]
    assert len(placed) == 24 and len(cancelled) == 18
    assert set(cancelled) < {order.client_id for order in placed}
    assert all(((order.price or 0) < 10_000) == (order.side is Side.BUY) for order in placed)


def test_while_trading_is_halted_what_rests_near_the_book_stays_and_nothing_new_comes() -> None:
    path = falling(100.0)
    near = NearBookTraders(VENUE, {SYMBOL: range(1, 7)}, NearBook(), SIZES, a_view(), Noise(1, "near-book"))
    assert orders(play(near, path, range(50)))
    hear(near, 50, [a_halt(50), *the_market(path, 50)])
    assert not any(play(near, path, range(51, 150)).values())
