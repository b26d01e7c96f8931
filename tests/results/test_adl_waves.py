"""The deleveraging waves of 10 October 2025: pro-rata takes what was needed, the queue overshoots."""

from fractions import Fraction
from pathlib import Path

import pytest

from stream_engine.core.adl.policies import POLICIES
from stream_engine.messages.rules import AdlPolicy
from tests.results.adl_waves import (
    ALL_AT_ONCE,
    IN_FULL,
    given,
    micro,
    overshoot_in_positions_closed,
    published,
    rows,
    table,
    taken,
    waves,
)

pytestmark = pytest.mark.data

TEXT = Path(__file__).with_name("adl_waves.txt")


def test_there_are_sixteen_waves_and_what_each_needed_is_the_gap_to_the_mark_over_its_contracts() -> None:
    told = waves()
    assert len(told) == 16
    assert all(abs(wave.needed - wave.published_needed) <= 60 for wave in told)  # a micro-dollar a coin at most


@pytest.mark.parametrize("name", AdlPolicy, ids=lambda name: name.value)
def test_every_policy_takes_in_every_wave_what_was_needed_to_the_micro_dollar(name: AdlPolicy) -> None:
    assert all(taken(wave, name).paid == wave.needed for wave in waves())


def test_pro_rata_takes_the_same_share_of_everybodys_profit_and_what_the_authors_pro_rata_takes() -> None:
    for wave in waves():
        haircut = Fraction(wave.needed, sum(winner.profit for winner in wave.winners))
        assert all(abs(lots - haircut * winner.pnl) < 1 for winner, lots in given(wave, AdlPolicy.PRO_RATA))
    assert abs(sum(wave.needed for wave in waves()) - dict(published())["pro-rata by wealth"]) <= 500


def test_a_queue_that_closes_whomever_it_reaches_whole_overshoots_in_every_wave() -> None:
    for wave in waves():
        assert taken(wave, AdlPolicy.BINANCE).profit_of_payers > wave.needed


def test_the_production_queue_overshot_by_45_million_and_by_654_million_in_positions_closed() -> None:
    beyond = sum(wave.production - wave.needed for wave in waves())
    assert round(beyond / 1e12, 3) == 45.029
    (total,) = rows("summary_totals.csv")
    assert abs(overshoot_in_positions_closed() - micro(total["total_overshoot"])) <= 1_200  # roundings of 1,125 rows


def test_the_policies_are_all_in_the_table_and_the_table_is_the_one_that_is_kept() -> None:
    assert {*IN_FULL, *ALL_AT_ONCE, AdlPolicy.DYDX} == set(POLICIES)
    assert table() == TEXT.read_text(encoding="utf-8")
