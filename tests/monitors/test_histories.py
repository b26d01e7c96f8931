"""The monitors over random histories: paused symbols, crossed books, vaults and halts bring none out of step."""

from consumers.board import Board
from stream_engine.core.exchange import Exchange
from tests.core.histories import VENUE, history

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
