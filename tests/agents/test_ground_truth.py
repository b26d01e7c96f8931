"""What no participant knows of itself follows from the events: how deep the makers' book was, what they cancelled."""

import pytest

from producers.ground_truth import MANY_QUICK, Absence, GroundTruth, Low, absences_of, lows
from producers.labels import (
    AnyLabel,
    BenignOutage,
    Coordinated,
    DepthEpisode,
    LawfulQuickCancels,
    Mode,
    returned,
    withdrew,
)
from producers.shocks import SECOND_US
from stream_engine.messages.events import (
    AccountsOpened,
    AnyEvent,
    CancelReason,
    ClockTicked,
    InstrumentListed,
    NewsPublished,
    QuoteAccepted,
    QuoteCancelled,
    Traded,
)
from stream_engine.messages.inputs import Level
from tests.agents.stage import START_US, SYMBOL, VENUE, a_fill, an_instrument

FULL = ((9_990, 100),), ((10_010, 100),)
HALF = 2 * 100 * 10_000 * 100 // 2  # both sides, a hundred lots at about 10,000 ticks, 100 micro-quote a lot and tick


def at(second: int) -> int:
    return START_US + second * SECOND_US


def opened() -> list[AnyEvent]:
    return [
        InstrumentListed(VENUE, 0, 0, START_US, None, an_instrument()),
        AccountsOpened(VENUE, 1, 0, START_US, None, ((1, "MM1"), (2, "MM2"))),
    ]


def quoted(second: int, bids: tuple[Level, ...], asks: tuple[Level, ...], account: int = 1) -> QuoteAccepted:
    return QuoteAccepted(VENUE, second, 1, at(second), None, account, SYMBOL, second + 1, bids, asks)


def unquoted(second: int, account: int = 1) -> QuoteCancelled:
    return QuoteCancelled(VENUE, second, 1, at(second), None, account, SYMBOL, 1, CancelReason.OWNER)


def news(second: int) -> NewsPublished:
    return NewsPublished(VENUE, second, 1, at(second), None, "tariff", "100 % on everything")


def the_truth(events: list[AnyEvent], seconds: int, told: list[AnyLabel] | None = None) -> list[AnyLabel]:
    """What a run of so many seconds comes to: a tick each second, and after it the events of that second."""
    truth = GroundTruth(VENUE)
    for event in opened():
        truth.observe(event)
    for second in range(seconds):
        truth.observe(ClockTicked(VENUE, second, 0, at(second), None))
        for event in events:
            if event.ts_us == at(second):
                truth.observe(event)
    return truth.labels(told or [])


def episodes(labels: list[AnyLabel]) -> list[DepthEpisode]:
    return [label for label in labels if isinstance(label, DepthEpisode)]


# depth -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "is_one"), [(59, False), (60, True), (61, True)])
def test_an_episode_is_a_minute_or_more_under_half_of_normal(seconds: int, is_one: bool) -> None:
    times = [second * SECOND_US for second in range(seconds + 2)]
    expected = [Low(1 * SECOND_US, None, 4, 1 * SECOND_US)] if is_one else []
    assert _lows(times, [10] + [4] * (seconds + 1)) == expected


@pytest.mark.parametrize(("depth", "counts"), [(4, True), (5, False), (6, False)])
def test_half_of_normal_is_enough(depth: int, counts: bool) -> None:
    times = [second * SECOND_US for second in range(100)]
    assert bool(_lows(times, [depth] * 100)) == counts


@pytest.mark.parametrize(("seconds", "ends"), [(59, False), (60, True), (61, True)])
def test_an_episode_ends_with_a_minute_at_half_or_above_and_not_with_a_flicker(seconds: int, ends: bool) -> None:
    depths = [1] * 100 + [5] * (seconds + 1) + [1] * 30
    times = [second * SECOND_US for second in range(len(depths))]
    assert [low.to_us for low in _lows(times, depths)] == [100 * SECOND_US if ends else None]


def test_the_trough_is_the_first_of_the_least() -> None:
    depths = [10, *[4] * 30, *[2] * 20, *[3] * 20, *[2] * 20, *[10] * 70]
    times = [second * SECOND_US for second in range(len(depths))]
    assert _lows(times, depths) == [Low(1 * SECOND_US, 91 * SECOND_US, 2, 31 * SECOND_US)]


def _lows(times: list[int], depths: list[int]) -> list[Low]:
    return lows(times, depths, normal=10)


def test_makers_that_take_their_quotes_away_are_an_episode_from_then_on() -> None:
    labels = the_truth([quoted(0, *FULL), unquoted(700), quoted(900, *FULL)], 1_000)
    assert episodes(labels) == [
        DepthEpisode(at(701), VENUE, "", SYMBOL, 2 * HALF, 0, at(701), (), Mode.INDEPENDENT, False, at(901))
    ]


def test_what_is_farther_than_one_percent_from_mid_is_no_depth() -> None:
    (far,) = episodes(the_truth([quoted(0, *FULL), quoted(700, ((9_990, 1), (9_899, 500)), ((10_010, 1),))], 800))
    (near,) = episodes(the_truth([quoted(0, *FULL), quoted(700, ((9_990, 1), (9_900, 50)), ((10_010, 1),))], 800))
    assert far.trough == 2 * 10_000 * 100
    assert near.trough == far.trough + 50 * 9_900 * 100


def test_a_fill_takes_from_the_depth_until_the_maker_quotes_again() -> None:
    fill = a_fill(700, 90, 9_990, account_buys=True)
    left = Traded(**{field: getattr(fill, field) for field in fill.__struct_fields__} | {"maker_left": 10})
    gone = unquoted(700, account=2)
    (low,) = episodes(the_truth([quoted(0, *FULL), quoted(0, *FULL, account=2), gone, left], 800))
    assert low.trough == (10 * 9_990 + 100 * 10_010) * 100


def test_with_one_side_empty_the_other_is_held_against_where_mid_was() -> None:
    (low,) = episodes(the_truth([quoted(0, *FULL), quoted(700, (), ((10_010, 90), (10_101, 500)))], 800))
    assert low.trough == 90 * 10_010 * 100


@pytest.mark.parametrize(("news_at", "normal"), [(59, HALF), (60, 2 * HALF), (61, 2 * HALF)])
def test_normal_is_what_was_there_before_the_first_news_if_that_is_a_minute(news_at: int, normal: int) -> None:
    thin = ((9_990, 50),), ((10_010, 50),)
    events: list[AnyEvent] = [quoted(0, *FULL), news(news_at + 1), quoted(61, *thin), unquoted(700)]
    (low,) = episodes(the_truth(events, 800))
    assert low.normal == normal


def test_later_news_does_not_change_what_is_normal() -> None:
    thin = ((9_990, 40),), ((10_010, 40),)
    events: list[AnyEvent] = [quoted(0, *FULL), news(100), quoted(100, *thin), news(3_000)]
    (low,) = episodes(the_truth(events, 3_100))
    assert (low.ts_us, low.normal) == (at(101), 2 * HALF)


# who was out, and how --------------------------------------------------------------------------------------


def left(second: int, name: str, coordinated: bool = False) -> AnyLabel:
    return withdrew(at(second), VENUE, name, SYMBOL, "strain", coordinated)


def came(second: int, name: str) -> AnyLabel:
    return returned(at(second), VENUE, name, SYMBOL, "calm", at(0))


def failed(second: int, name: str, to: int | None = None) -> AnyLabel:
    return BenignOutage(at(second), VENUE, name, SYMBOL, "power", None if to is None else at(to))


def the_episode(*told: AnyLabel) -> DepthEpisode:
    """Depth is gone from second 701 to 901."""
    return episodes(the_truth([quoted(0, *FULL), unquoted(700), quoted(900, *FULL)], 1_000, list(told)))[0]


def test_actors_are_those_who_were_out_meanwhile_in_the_order_in_which_they_left() -> None:
    before, within, after = [left(100, "MM3"), came(600, "MM3")], left(800, "MM1"), left(950, "MM4")
    assert the_episode(*before, within, left(650, "MM2"), after).actors == ("MM2", "MM1")


def test_makers_on_another_symbol_are_no_actors() -> None:
    assert the_episode(withdrew(at(700), VENUE, "MM1", "OTHER", "strain")).actors == ()
    assert the_episode(withdrew(at(700), "beta", "MM1", SYMBOL, "strain")).actors == ()


def test_one_agreed_withdrawal_makes_it_a_coordinated_one() -> None:
    assert the_episode(left(700, "MM1"), left(701, "MM2")).mode is Mode.INDEPENDENT
    assert the_episode(left(700, "MM1"), left(701, "MM2", coordinated=True)).mode is Mode.COORDINATED


def test_where_only_machines_failed_it_is_an_outage() -> None:
    assert the_episode(failed(700, "MM1")).mode is Mode.OUTAGE
    assert the_episode(failed(700, "MM1"), left(720, "MM2")).mode is Mode.INDEPENDENT


@pytest.mark.parametrize(("last", "together"), [(799, True), (800, True), (801, False)])
def test_three_makers_within_ten_minutes_left_together_agreed_or_not(last: int, together: bool) -> None:
    found = the_episode(left(200, "MM1"), left(300, "MM2"), left(last, "MM3"))
    assert (found.synchronised, found.mode) == (together, Mode.INDEPENDENT)


def test_two_makers_that_leave_again_and_again_are_not_three() -> None:
    assert not the_episode(left(650, "MM1"), left(651, "MM2"), came(710, "MM1"), left(720, "MM1")).synchronised


def test_an_outage_does_not_count_for_leaving_together() -> None:
    assert not the_episode(left(700, "MM1"), left(701, "MM2"), failed(702, "MM3")).synchronised


def test_an_outage_ends_when_it_was_to_end_unless_the_maker_says_otherwise() -> None:
    assert absences_of([failed(10, "MM1", to=50)]) == [Absence("MM1", at(10), at(50), Mode.OUTAGE)]
    assert absences_of([failed(10, "MM1", to=50), came(70, "MM1")]) == [Absence("MM1", at(10), at(70), Mode.OUTAGE)]
    assert absences_of([failed(10, "MM1", to=50), left(40, "MM1")]) == [
        Absence("MM1", at(10), at(40), Mode.OUTAGE),
        Absence("MM1", at(40), None, Mode.INDEPENDENT),
    ]


# agreed ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "actors"), [(799, ("MM2", "MM1")), (800, ("MM2", "MM1")), (801, None)])
def test_two_who_follow_a_signal_within_ten_minutes_are_coordinated(last: int, actors: tuple[str, ...] | None) -> None:
    told = [left(200, "MM2", coordinated=True), left(last, "MM1", coordinated=True)]
    expected = [Coordinated(at(200), VENUE, "", SYMBOL, "strain", actors, at(last))] if actors else []
    assert agreed_in(told) == expected


def test_one_alone_has_agreed_with_nobody_and_who_leaves_by_itself_is_no_actor() -> None:
    assert agreed_in([left(200, "MM1", coordinated=True), left(201, "MM2")]) == []
    assert agreed_in([left(200, "MM1", coordinated=True), left(300, "MM1", coordinated=True)]) == []


def test_what_was_agreed_on_another_symbol_is_told_there() -> None:
    elsewhere = withdrew(at(201), VENUE, "MM2", "OTHER", "strain", coordinated=True)
    assert agreed_in([left(200, "MM1", coordinated=True), elsewhere]) == []


def agreed_in(told: list[AnyLabel]) -> list[AnyLabel]:
    return [label for label in the_truth([], 1, told) if isinstance(label, Coordinated)]


# quick cancels ---------------------------------------------------------------------------------------------


def requoting(every_s: int, levels: int, seconds: int) -> list[AnyEvent]:
    """A quote of so many levels on a side, all of it at other prices each time."""
    made: list[AnyEvent] = []
    for number, second in enumerate(range(0, seconds, every_s)):
        shift = number % 2
        bids = tuple((9_990 - 2 * level - shift, 100) for level in range(levels))
        asks = tuple((10_010 + 2 * level + shift, 100) for level in range(levels))
        made.append(quoted(second, bids, asks))
    return made


def quick(labels: list[AnyLabel]) -> list[tuple[int, str, int]]:
    return [
        ((label.ts_us - START_US) // SECOND_US, label.participant, label.count)
        for label in labels
        if isinstance(label, LawfulQuickCancels)
    ]


def test_levels_replaced_within_two_seconds_are_counted_by_the_minute() -> None:
    assert quick(the_truth(requoting(1, 8, 121), 121)) == [(0, "MM1", 59 * 16), (60, "MM1", 60 * 16)]


def test_levels_that_stood_for_two_seconds_are_not_quick() -> None:
    assert quick(the_truth(requoting(2, 8, 120), 120)) == []


def test_a_level_that_stays_where_it_was_is_not_cancelled() -> None:
    same: list[AnyEvent] = [quoted(second, *FULL) for second in range(120)]
    assert quick(the_truth(same, 120)) == []


def test_a_level_that_was_filled_is_not_cancelled() -> None:
    first, *others = requoting(1, 8, 60)
    fills: list[AnyEvent] = [a_fill(0, 100, 9_990 - 2 * level, account_buys=True) for level in range(8)]
    assert quick(the_truth([first, *fills, *others], 60)) == [(0, "MM1", 59 * 16 - 8)]


@pytest.mark.parametrize(("count", "told"), [(MANY_QUICK - 1, False), (MANY_QUICK, False), (MANY_QUICK + 1, True)])
def test_it_is_told_where_there_are_many(count: int, told: bool) -> None:
    many = tuple((9_000 - level, 1) for level in range(count))
    assert bool(quick(the_truth([quoted(0, many, ()), quoted(1, *FULL)], 60))) == told
