"""Market makers: quoting, thin, gone, back; in which order, and for how long."""

import pytest

from consumers.depth import Depth
from consumers.market_makers import MarketMakers, Presence
from stream_engine.messages import events as e
from tests.monitors.story import START_US, TOKEN, VENUE, Story

MAKERS = {"MM1": 1, "MM2": 2, "MM3": 3, "MM4": 4, "MM5": 5}


def makers_at_work(minutes: int = 10) -> tuple[MarketMakers, Story]:
    """Five makers with 100 lots a side, for long enough to be normal."""
    depth = Depth(VENUE)
    makers = MarketMakers(VENUE, depth)
    story = Story(depth.observe, makers.observe).listed().accounts(**MAKERS)
    for account in MAKERS.values():
        full(story, account)
    return makers, story.minutes(minutes)


def full(story: Story, account: int, size: int = 100) -> Story:
    return story.quote(account, [(9_990, size)], [(10_010, size)])


def state(makers: MarketMakers, name: str = "MM1") -> Presence:
    return makers.makers[TOKEN][name].state


def test_a_maker_that_quotes_as_ever_is_quoting_and_nothing_is_told() -> None:
    makers, story = makers_at_work()
    assert [maker.state for maker in makers.of(TOKEN)] == [Presence.QUOTING] * 5
    assert story.findings == []


@pytest.mark.parametrize(("size", "found"), [(59, Presence.THIN), (60, Presence.QUOTING), (61, Presence.QUOTING)])
def test_under_sixty_percent_of_its_normal_a_maker_is_thin(size: int, found: Presence) -> None:
    makers, story = makers_at_work()
    full(story, 1, size).minutes()
    assert state(makers) is found


@pytest.mark.parametrize(("seconds", "found"), [(29, Presence.QUOTING), (30, Presence.QUOTING), (31, Presence.THIN)])
def test_a_maker_is_thin_once_it_has_been_so_for_thirty_seconds(seconds: int, found: Presence) -> None:
    makers, story = makers_at_work()
    full(story, 1, 10).seconds(seconds)
    assert state(makers) is found


@pytest.mark.parametrize(("half_width", "wide"), [(14, False), (15, False), (16, True)])
def test_a_maker_whose_spread_is_over_three_halves_of_its_normal_is_wide(half_width: int, wide: bool) -> None:
    makers, story = makers_at_work()
    story.quote(1, [(10_000 - half_width, 100)], [(10_000 + half_width, 100)]).minutes()
    assert makers.makers[TOKEN]["MM1"].is_wide is wide


@pytest.mark.parametrize(("seconds", "wide"), [(29, False), (30, False), (31, True)])
def test_a_maker_is_wide_once_it_has_been_so_for_thirty_seconds(seconds: int, wide: bool) -> None:
    makers, story = makers_at_work()
    story.quote(1, [(9_970, 100)], [(10_030, 100)]).seconds(seconds)
    assert makers.makers[TOKEN]["MM1"].is_wide is wide


@pytest.mark.parametrize(("wide_makers", "told"), [(2, False), (3, True), (4, True)])
def test_that_most_makers_widen_is_one_finding_until_most_are_narrow_again(wide_makers: int, told: bool) -> None:
    makers, story = makers_at_work()
    for account in range(1, wide_makers + 1):
        story.quote(account, [(9_970, 200)], [(10_030, 200)])
    story.minutes(2)
    assert [state for state, _ in story.told("makers-wide")] == (["open"] if told else [])
    assert (makers.most_wide_us(TOKEN) is not None) is told
    for account in range(1, wide_makers + 1):
        full(story, account)
    story.minutes(3)
    assert [state for state, _ in story.told("makers-wide")] == (["open", "close"] if told else [])


@pytest.mark.parametrize(("seconds", "found"), [(10, Presence.QUOTING), (11, Presence.GONE), (12, Presence.GONE)])
def test_a_maker_is_gone_once_it_has_had_no_quote_for_ten_seconds(seconds: int, found: Presence) -> None:
    makers, story = makers_at_work()
    story.unquote(1).seconds(seconds)
    assert state(makers) is found


def test_a_maker_on_one_side_only_is_gone() -> None:
    makers, story = makers_at_work()
    story.quote(1, [(9_990, 500)], []).seconds(15)
    assert state(makers) is Presence.GONE


def test_a_maker_that_is_swept_and_quotes_again_at_once_is_not_gone() -> None:
    makers, story = makers_at_work()
    story.trade(9_990, 100, maker=1, maker_left=0).seconds(9)
    full(story, 1).seconds(60)
    assert state(makers) is Presence.QUOTING
    assert makers.leaving_order(TOKEN) == []


@pytest.mark.parametrize(("seconds", "found"), [(30, Presence.GONE), (31, Presence.BACK), (32, Presence.BACK)])
def test_a_maker_is_back_once_it_has_quoted_both_sides_for_thirty_seconds(seconds: int, found: Presence) -> None:
    makers, story = makers_at_work()
    story.unquote(1).minutes(5)
    full(story, 1, 5).seconds(seconds)
    assert state(makers) is found


@pytest.mark.parametrize(("size", "found"), [(69, Presence.BACK), (70, Presence.QUOTING), (71, Presence.QUOTING)])
def test_a_maker_that_is_back_is_quoting_again_from_seventy_percent_of_its_normal(size: int, found: Presence) -> None:
    makers, story = makers_at_work()
    story.unquote(1).minutes(5)
    full(story, 1, size).minutes(3)
    assert state(makers) is found


def test_what_is_normal_for_a_maker_outlasts_its_absence() -> None:
    makers, story = makers_at_work()
    story.unquote(1).minutes(50)
    full(story, 1, 100).minutes(2)
    assert state(makers) is Presence.QUOTING
    assert makers.makers[TOKEN]["MM1"].normal.value == 20_000 * 1_000_000


def test_time_out_counts_from_the_first_second_without_a_quote_to_the_first_with_one() -> None:
    makers, story = makers_at_work()
    story.unquote(1).minutes(31)
    full(story, 1).minutes(5)
    maker = makers.makers[TOKEN]["MM1"]
    assert maker.out_us(story.now_us) == 31 * 60 * 1_000_000
    assert story.told("maker-gone") == [
        ("open", "MM1 is gone from TOKEN-PERP: 1st of 5 to leave"),
        ("close", "MM1 is back in TOKEN-PERP after 31 m 00 s"),
    ]


def test_the_order_of_leaving_is_that_of_the_first_second_away_then_of_names() -> None:
    makers, story = makers_at_work()
    story.unquote(4).seconds(20).unquote(2).unquote(1).seconds(60)
    full(story, 4).minutes(2).unquote(4).minutes(1)
    assert [maker.name for maker in makers.leaving_order(TOKEN)] == ["MM4", "MM1", "MM2"]


def test_thin_is_told_with_its_onset_and_closed_when_the_maker_is_gone() -> None:
    _, story = makers_at_work()
    full(story, 1, 30).seconds()
    onset_us, onset_seq = story.now_us, story.seq
    story.seconds(60).unquote(1).seconds(20)
    opened, closed = (finding for finding in story.findings if finding.rule == "maker-thin")
    assert opened.id == closed.id == f"maker-thin/MM1/{VENUE}/{TOKEN}/{onset_seq}"
    assert opened.values["since_us"] == onset_us
    assert opened.text == "MM1 thins out in TOKEN-PERP: $6.00k, 30 % of its normal"
    assert closed.text == "MM1 in TOKEN-PERP: from thin to gone"


def test_two_makers_that_leave_in_the_same_second_are_two_findings() -> None:
    _, story = makers_at_work()
    story.unquote(1).unquote(2).seconds(20)
    ids = {finding.id for finding in story.findings if finding.rule == "maker-gone"}
    assert len(ids) == 2


@pytest.mark.parametrize(("leaving", "most"), [(2, False), (3, True), (4, True)])
def test_most_makers_are_gone_when_more_than_half_are(leaving: int, most: bool) -> None:
    makers, story = makers_at_work()
    for account in range(1, leaving + 1):
        story.unquote(account)
    story.seconds()
    assert makers.most_without_quotes(TOKEN) is most  # at once
    story.seconds(20)
    assert bool(story.told("makers-gone")) is most  # once it has held
    assert makers.most_gone_us(TOKEN) == (START_US + 601_000_000 if most else None)


def test_most_makers_gone_is_over_when_enough_are_back() -> None:
    _, story = makers_at_work()
    story.unquote(1).unquote(2).unquote(3).minutes()
    full(story, 2).minutes()
    assert story.told("makers-gone") == [
        ("open", "3 of 5 makers are gone from TOKEN-PERP: MM1, MM2, MM3"),
        ("close", "3 of 5 makers quote TOKEN-PERP again"),
    ]


@pytest.mark.parametrize("kind", ["wide", "thin", "gone"])
def test_of_most_makers_it_holds_since_the_onset_of_the_maker_that_makes_them_most(kind: str) -> None:
    makers, story = makers_at_work()
    onsets: list[tuple[int, int]] = []
    for account in (5, 1, 3, 2):
        if kind == "wide":
            story.quote(account, [(9_970, 200)], [(10_030, 200)])
        elif kind == "thin":
            full(story, account, 20)
        else:
            story.unquote(account)
        story.seconds()
        onsets.append((story.now_us, story.seq))
        story.seconds(3)
    story.minutes()
    third_us, third_seq = onsets[2]
    opened = next(finding for finding in story.findings if finding.rule == f"makers-{kind}")
    assert opened.values["since_us"] == third_us
    assert opened.id == f"makers-{kind}/{VENUE}/{TOKEN}/{third_seq}"
    found = {"wide": makers.most_wide_us, "thin": makers.most_thin_us, "gone": makers.most_gone_us}[kind](TOKEN)
    assert found == third_us


@pytest.mark.parametrize(("thinning", "most"), [(2, False), (3, True), (4, True)])
def test_most_makers_are_thin_when_more_than_half_do_not_quote_as_usual(thinning: int, most: bool) -> None:
    makers, story = makers_at_work()
    for account in range(1, thinning):
        full(story, account, 20)
    story.unquote(thinning).minutes()
    assert bool(story.told("makers-thin")) is most
    assert (makers.most_thin_us(TOKEN) is not None) is most


def test_the_thinning_that_counts_is_the_one_that_ended_in_leaving() -> None:
    makers, story = makers_at_work()
    for account in (1, 2, 3):
        full(story, account, 20)
    story.minutes(2)
    for account in (1, 2, 3):
        full(story, account)
    story.minutes(2)
    assert [state for state, _ in story.told("makers-thin")] == ["open", "close"]
    for account in (1, 2, 3):
        full(story, account, 20)
    story.seconds(1)
    thin_us = story.now_us
    story.minutes(20).unquote(1).unquote(2).unquote(3).seconds(11)
    assert makers.most_thin_us(TOKEN) == thin_us
    assert makers.most_gone_us(TOKEN) == story.now_us - 10 * 1_000_000
    maker = makers.makers[TOKEN]["MM1"]
    assert maker.absences[0].thin_from_us == thin_us


def test_a_maker_that_stays_small_stays_thin_however_long_it_does() -> None:
    makers, story = makers_at_work()
    full(story, 1, 50).minutes(120)
    assert state(makers) is Presence.THIN


def test_makers_must_be_observed_after_the_depth_they_are_judged_by() -> None:
    depth = Depth(VENUE)
    makers = MarketMakers(VENUE, depth)
    with pytest.raises(AssertionError, match="Depth takes each tick before MarketMakers"):
        makers.observe(e.ClockTicked(VENUE, 1, 0, START_US, None))
