"""The case study is told by the events in their order."""

import asyncio

import pytest

from tests.results.case_study import HEDGER, SEED, story
from tests.scenarios.play import play


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [" ".join(line.split()) for line in story(asyncio.run(play("hedged-portfolio", SEED)), HEDGER)]


def test_the_hedge_wins_is_taken_away_and_then_the_longs_go_until_nothing_is_left(lines: list[str]) -> None:
    steps = [
        "long BTC $5.00M",
        "the short has won",
        "the short is deleveraged from rank 1 of the queue",
        "liquidation of BTC begins; the hedge, had it stayed, would have won another",
        "liquidation of BTC is over",
        "liquidation of ETH begins",
        "liquidation of ETH is over",
        "the account has nothing",
    ]
    at = [next(at for at, line in enumerate(lines) if step in line) for step in steps]
    assert at == sorted(set(at))


def test_lines_stand_in_the_order_of_time(lines: list[str]) -> None:
    times = [line[:8] for line in lines]
    assert times == sorted(times)


def test_what_the_hedge_would_have_won_is_told_once(lines: list[str]) -> None:
    assert sum("had it stayed" in line for line in lines) == 1
