"""The monitors over random histories: paused symbols, crossed books, vaults and halts bring none out of step."""

from consumers.board import Board
from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import AnyEvent
from tests.core.histories import VENUE, history
from tests.monitors.naive_cascade import NaiveCascade

SEEDS = range(60)
LENGTH = 150


def test_the_board_takes_every_history_and_its_fund_and_deficit_are_the_exchanges() -> None:
    for seed in SEEDS:
        exchange, board = Exchange(VENUE), Board(VENUE)
        for received in history(seed, LENGTH):
            for event in exchange.apply(received):
                list(board.observe(event))
        assert board.fund.closing == sum(pool.balance for pool in exchange.state.pools.values()), seed
        assert board.fund.adds_up, seed
        assert board.fund.deficit == exchange.state.deficit.total, seed


def test_the_cascade_is_what_one_finds_by_going_back_from_each_liquidation() -> None:
    generations: set[int] = set()
    pressed = 0
    for seed in SEEDS:
        exchange, board = Exchange(VENUE), Board(VENUE)
        events: list[AnyEvent] = []
        for received in history(seed, LENGTH):
            for event in exchange.apply(received):
                events.append(event)
                board.observe(event)
        naive, cascade = NaiveCascade(events), board.cascade
        assert {at: each.notional for at, each in cascade.generations.items()} == naive.generations, seed
        assert (cascade.taken.minutes, cascade.set_off.minutes) == (naive.taken, naive.set_off), seed
        assert cascade.taken.total == board.liquidations.all.notional, seed
        assert sum(each.positions for each in cascade.generations.values()) == board.liquidations.all.positions, seed
        assert cascade.deleveraged.total == board.adl.all.notional, seed
        generations |= cascade.generations.keys()
        pressed += cascade.set_off.total > cascade.caused.total
    assert max(generations) > 1 and pressed, "the histories are to hold what is compared"
