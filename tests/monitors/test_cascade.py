"""Cascade: which liquidations others set off, by cause and by pressure, and whether it grows."""

import pytest

from consumers import cascade as rules
from consumers.monitor import Severity
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side, TimeInForce
from stream_engine.messages.units import MILLION
from tests.monitors.cascading import Cascading
from tests.monitors.story import BTC, MINUTE_US, START_US, TOKEN, USD

# by cause ----------------------------------------------------------------------------------------------------


def test_what_a_price_or_nothing_set_off_is_of_generation_zero() -> None:
    story = Cascading()
    story.takes(7, because=story.marks())
    story.takes(8)
    assert story.generations == {0: (2, 2_000)}
    assert story.largest == (1, 1_000, 0)


def test_a_mark_that_a_liquidation_s_fill_made_takes_the_next_generation() -> None:
    story = Cascading()
    first = story.marks(story.takes(7, 10))
    second = story.marks(story.takes(8, 20, first))
    story.takes(9, 5, first)
    story.takes(10, 40, second)
    assert story.generations == {0: (1, 1_000), 1: (2, 2_500), 2: (1, 4_000)}
    assert story.largest == (4, 7_500, 2)


def test_an_ordinary_fill_sets_off_nothing_of_a_cascade() -> None:
    story = Cascading()
    order = story.tell(e.OrderAccepted, 9, "a", 1, TOKEN, Side.SELL, 5, 9_990, TimeInForce.IOC, False)
    story.takes(7, because=story.marks(story.fills(order, 5, forced=False)))
    assert story.generations == {0: (1, 1_000)}


def test_a_stop_that_a_liquidation_triggers_carries_on_what_it_began() -> None:
    story = Cascading()
    triggered = story.tell(
        e.OrderTriggered, 20, "s", 9, TOKEN, Side.SELL, 5, None, TimeInForce.IOC, because=story.takes(7)
    )
    story.takes(8, because=story.marks(story.fills(triggered, 5, forced=False)))
    assert story.generations == {0: (1, 1_000), 1: (1, 1_000)}


def test_whose_hedge_is_deleveraged_and_then_falls_is_of_the_next_generation() -> None:
    story = Cascading()
    begun = story.tell(e.LiquidationStarted, 7, TOKEN, 10, 10_000, 9_900, 0, 0)
    closed = story.closes(begun, bankrupt=7, lots=10)
    story.tell(e.LiquidationEnded, 7, TOKEN, 0, 0, 10, 0, 9_900, 0, because=begun)
    story.takes(50, 20, closed, symbol=BTC)
    assert story.generations == {0: (1, 1_000), 1: (1, 2_000)}
    assert (story.cascade.hedges.fell, story.cascade.hedges.accounts) == (2_000 * USD, {50})


def test_who_pays_for_a_bankrupt_or_fails_its_duty_and_falls_is_of_the_next_generation() -> None:
    story = Cascading()
    story.takes(7, 10)
    begun = (story.seq - 3, 0)
    paid = story.tell(e.LossSocialised, 8, 7, TOKEN, 5, 0, because=begun)
    called = story.tell(e.TrancheCalled, 9, TOKEN, 5, 100, 0, because=begun)
    story.takes(8, 10, paid)
    story.takes(9, 10, called)
    assert story.generations == {0: (1, 1_000), 1: (2, 2_000)}


def test_parts_of_one_position_are_one_and_stay_in_their_generation() -> None:
    story = Cascading()
    first = story.marks(story.takes(7, 10))
    part = story.takes(8, 10, first, left=5)
    story.takes(8, 5, story.marks(part))
    assert story.generations == {0: (1, 1_000), 1: (1, 1_500)}
    assert story.cascade.caused.total == 1_500 * USD


def test_what_an_account_loses_by_one_cause_is_one_tree() -> None:
    story = Cascading()
    mark = story.marks()
    story.takes(7, 10, mark)
    story.takes(7, -20, mark, symbol=BTC)
    story.takes(8, 5, mark)
    assert story.generations == {0: (3, 3_500)}
    assert story.largest == (2, 3_000, 0)


def test_a_vault_s_take_over_is_a_liquidation_and_what_the_vault_then_loses_sets_off_but_does_not_count_again() -> None:
    story = Cascading()
    story.tell(e.BackstopTookOver, 7, 4_000, "vault", ((TOKEN, 10, 10_000), (BTC, -3, 10_000)), 5, 9)
    assert (story.generations, story.largest) == ({0: (2, 1_300)}, (2, 1_300, 0))
    assert story.cascade.not_into_book.total == 1_300 * USD
    lost = story.takes(4_000, 10)
    assert story.generations == {0: (2, 1_300)}
    story.takes(8, 10, story.marks(lost))
    assert story.generations == {0: (2, 1_300), 1: (1, 1_000)}


def test_what_a_pool_took_over_and_loses_does_not_count_again() -> None:
    story = Cascading()
    begun = story.tell(e.LiquidationStarted, 7, TOKEN, 10, 10_000, 9_900, 0, 0)
    story.tell(e.PositionTakenOver, 7, 4_000, TOKEN, 10, 9_900, 10, "main", because=begun)
    story.tell(e.LiquidationEnded, 7, TOKEN, 0, 0, 0, 0, 9_900, 0, 0, 10, because=begun)
    story.takes(4_000, 10)
    assert story.generations == {0: (1, 1_000)}


@pytest.mark.parametrize(("since", "generation"), [(7, 1), (8, 0), (9, 0)])
def test_of_causes_twice_as_many_as_said_are_known_at_most(
    since: int, generation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "KNOWN_CAUSES", 4)
    story = Cascading()
    begun = story.tell(e.LiquidationStarted, 7, TOKEN, 10, 10_000, 9_900, 0, 0)
    for _ in range(since):
        story.fills(begun, 1)
    begun = story.tell(e.LiquidationStarted, 8, TOKEN, 10, 10_000, 9_900, 0, 0, because=begun)
    story.tell(e.LiquidationEnded, 8, TOKEN, 10, 0, 0, 0, 9_900, 0, because=begun)
    assert story.generations == {generation: (1, 1_000)}


def test_a_monitor_that_begins_in_the_middle_leaves_out_what_it_did_not_see_begin() -> None:
    story, late = Cascading(), Cascading()
    trade = story.takes(7)
    late.seq = story.seq
    late.tell(e.LiquidationEnded, 7, TOKEN, 10, 0, 0, 0, 9_900, 0)
    late.takes(8, 10, late.marks(trade))
    assert late.generations == {0: (1, 1_000)}


# by pressure -------------------------------------------------------------------------------------------------


def a_fall(story: Cascading, mark: int = 9_000, outside: int = 10_000) -> None:
    """Liquidations for $10,000 are all that takers sell; then mark and outside come anew."""
    story.prices()
    story.marks(mark=10_000)
    story.takes(7, 100)
    story.seconds(5)
    story.prices(outside)
    story.marks(mark=mark)


@pytest.mark.parametrize(("outside", "set_off"), [(10_000, 2_000), (9_500, 1_000), (9_000, 0)])
def test_without_a_cause_the_share_of_the_fall_that_liquidations_made_is_set_off(outside: int, set_off: int) -> None:
    story = Cascading()
    a_fall(story, outside=outside)
    story.takes(8, 20)
    assert story.cascade.set_off.total == set_off * USD
    assert (story.generations, story.cascade.caused.total) == ({0: (2, 12_000)}, 0)


def test_a_cause_counts_whole_and_pressure_does_not_count_beside_it() -> None:
    story = Cascading()
    a_fall(story, outside=9_500)
    story.takes(8, 20, story.marks(story.takes(9, 10)))
    assert (story.cascade.set_off.total, story.cascade.caused.total) == (2_500 * USD, 2_000 * USD)


def test_another_symbol_and_the_other_side_press_on_nobody() -> None:
    story = Cascading()
    a_fall(story)
    story.takes(8, -20)
    story.takes(9, 20, symbol=BTC)
    assert story.cascade.set_off.total == 0


def test_a_source_that_is_not_the_outside_says_nothing_of_it() -> None:
    story = Cascading()
    a_fall(story, outside=9_500)
    story.prices(9_000, source="perp-Y")
    story.takes(8, 20)
    assert story.cascade.set_off.total == 1_000 * USD


def test_it_is_laid_to_the_minutes_of_those_who_pressed_by_their_notional() -> None:
    story = Cascading()
    story.prices()
    story.marks(mark=10_000)
    story.seconds(30)
    story.takes(7, 30)
    story.seconds(40)
    story.takes(8, 10)
    story.seconds(5)
    story.marks(mark=9_000)
    story.takes(9, 20)
    first = {minute_us: notional // USD for minute_us, notional in story.cascade.set_off.minutes.items()}
    assert first == {START_US: 1_500, START_US + MINUTE_US: 500}


# R -----------------------------------------------------------------------------------------------------------


def test_r_is_what_a_minute_s_liquidations_set_off_per_notional_liquidated_in_it() -> None:
    story = Cascading()
    first = story.marks(story.takes(7, 10))
    story.minutes_on()
    second = story.marks(story.takes(8, 20, first))
    story.minutes_on()
    story.takes(9, 10, second)
    story.takes(10, 5)
    cascade = story.cascade
    assert [cascade.reproduction_ppm(START_US + at * MINUTE_US) for at in range(4)] == [2 * MILLION, 500_000, 0, None]
    assert cascade.reproduction_ppm(START_US, 2) == MILLION
    assert cascade.reproduction_ppm(START_US, 3) == 3_000 * MILLION // 4_500


def test_r_of_five_minutes_is_that_of_the_newest_whose_next_minute_is_over() -> None:
    story = Cascading()
    story.takes(8, 20, story.marks(story.takes(7, 10)))
    seen = [story.minutes_on().cascade.r_ppm for _ in range(8)]
    assert seen == [None, *[2_000 * MILLION // 3_000] * 5, None, None]


@pytest.mark.parametrize(("taken", "minute"), [(9, 1), (10, 0), (11, 0)])
def test_a_minute_with_less_than_a_hundredth_of_it_all_is_no_peak(taken: int, minute: int) -> None:
    story = Cascading()
    set_off = story.marks(story.takes(7, taken))
    story.minutes_on()
    next_off = story.marks(story.takes(8, 980 - taken, set_off))
    story.minutes_on()
    story.takes(9, 20, next_off)
    peak = story.cascade.peak()
    assert peak is not None and peak.ts_us == START_US + minute * MINUTE_US


def test_where_nothing_was_liquidated_there_is_no_peak() -> None:
    assert Cascading().cascade.peak() is None


# what it came to -----------------------------------------------------------------------------------------------


def test_again_is_what_came_by_liquidations_that_others_had_set_off() -> None:
    story = Cascading()
    outside = story.takes(7, 10, adl=4)
    story.tell(e.FundChanged, -3 * USD, 97 * USD, e.FundReason.COVER, account=7)
    story.takes(8, 30, story.marks(outside), adl=20)
    story.tell(e.FundChanged, -5 * USD, 92 * USD, e.FundReason.COVER, account=8)
    story.tell(e.FundChanged, 2 * USD, 94 * USD, e.FundReason.DUST, account=8)
    story.tell(e.FundChanged, -4 * USD, 90 * USD, e.FundReason.UNWOUND, account=4_000)
    cascade = story.cascade
    amounts = (cascade.not_into_book, cascade.deleveraged, cascade.paid_by_fund)
    assert [(each.total // USD, each.again // USD) for each in amounts] == [(2_400, 2_000), (2_400, 2_000), (8, 5)]
    assert cascade.not_into_book.first_us == START_US


# what is told --------------------------------------------------------------------------------------------------


def test_a_cascade_is_told_from_the_first_that_another_caused_each_minute_until_there_was_none_for_five() -> None:
    story = Cascading()
    story.takes(7, 10)
    assert story.findings == []
    story.minutes_on()
    story.takes(9, 20, story.marks(story.takes(8, 10)))
    story.minutes_on(5)
    assert [state for state, _ in story.told("cascade")] == ["open", *["update"] * 4, "close"]
    assert story.told("cascade")[0][1] == f"liquidations set off liquidations: {TOKEN} is the first, of generation 1"
    assert story.told("cascade")[-1] == (
        "close",
        "R 0.50 in 5 minutes; $2.00k of $4.00k set off so far, down to generation 1; the largest tree 2 positions, "
        "$3.00k; none set off for 5 minutes",
    )
    assert len({finding.id for finding in story.findings}) == 1
    assert {finding.severity for finding in story.findings} == {Severity.INFO}
    assert not story.cascade.is_running


@pytest.mark.parametrize(("last", "opened"), [(999, False), (1_000, False), (1_001, True)])
def test_it_grows_when_r_of_five_minutes_is_over_one(last: int, opened: bool) -> None:
    story = Cascading()
    first = story.marks(story.takes(7, 1_000))
    story.minutes_on(5)
    story.takes(8, last, first)
    story.minutes_on()
    assert [state for state, _ in story.told("cascade-grows")] == ["open"] * opened


@pytest.mark.parametrize(("first", "opened"), [(999, False), (1_000, True), (1_001, True)])
def test_it_takes_a_hundred_thousand_dollars_in_them_to_say_so(first: int, opened: bool) -> None:
    story = Cascading()
    mark = story.marks(story.takes(7, first))
    story.minutes_on(5)
    story.takes(8, 2_000, mark)
    story.minutes_on()
    assert [state for state, _ in story.told("cascade-grows")] == ["open"] * opened


@pytest.mark.parametrize(("later", "minutes"), [(999, 6), (1_000, 7), (1_001, 7)])
def test_it_grows_until_r_was_under_a_half_for_five_minutes(later: int, minutes: int) -> None:
    story = Cascading()
    first = story.marks(story.takes(7, 1_000))
    story.minutes_on(5)
    second = story.marks(story.takes(8, 2_000, first))
    story.minutes_on()
    story.takes(9, later, second)
    story.minutes_on(minutes - 1)
    assert [state for state, _ in story.told("cascade-grows")] == ["open", *["update"] * (minutes - 1)]
    story.minutes_on()
    state, text = story.told("cascade-grows")[-1]
    assert state == "close" and text.startswith("it grows no more: R ")
    assert len({finding.id for finding in story.findings if finding.rule == "cascade-grows"}) == 1
