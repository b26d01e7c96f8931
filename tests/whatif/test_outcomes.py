"""Outcomes: each figure from the summaries, of one venue and of several together."""

import pytest
from msgspec.structs import replace

from consumers.summary import MakerSummary, Onset, Summary
from stream_engine.whatif.outcomes import OUTCOMES, outcomes
from stream_engine.whatif.play import play
from tests.whatif.tiny import tiny

FROM = "2025-10-10T21:05:00Z"


@pytest.fixture(scope="module")
def venues(tmp_path_factory: pytest.TempPathFactory) -> list[Summary]:
    """Two venues of one run."""
    name = str(tiny(tmp_path_factory.mktemp("tiny")))
    return play(name, ["venue.copies=2"], seeds=[1])[0].summaries


def maker(name: str, symbol: str | None, gone_at: str | None) -> MakerSummary:
    assert symbol is not None
    return MakerSummary(name, symbol, "gone", 1.0, None, gone_at, 1, None, 0)


def at(minute: int) -> str:
    return f"2025-10-10T21:{minute:02}:00Z"


def test_names_are_unique_and_every_outcome_has_title_unit_and_source() -> None:
    assert len({each.name for each in OUTCOMES}) == len({each.title for each in OUTCOMES}) == len(OUTCOMES)
    assert all(each.unit and each.source for each in OUTCOMES)


def test_sums_are_added_up_over_the_venues(venues: list[Summary]) -> None:
    both, one, other = (outcomes(each, {}) for each in (venues, venues[:1], venues[1:]))
    for name in ("liquidated", "accounts_liquidated", "adl", "adl_accounts", "fund_lost", "deficit"):
        parts = [side[name] or 0.0 for side in (one, other)]
        assert both[name] == pytest.approx(sum(parts))
    assert both["liquidated"] != one["liquidated"]


def cascade(of: Summary, liquidated: float, set_off: float, highest: float | None) -> Summary:
    """The venue, had that been liquidated and set off."""
    told = replace(of.cascade, liquidated_usd=liquidated, set_off_usd=set_off, r_highest=highest)
    return replace(of, cascade=told)


def test_what_liquidations_set_off_is_over_all_that_was_liquidated_and_the_highest_minute_is_a_venues(
    venues: list[Summary],
) -> None:
    told = [cascade(venues[0], 300.0, 30.0, 0.4), cascade(venues[1], 100.0, 70.0, 1.3)]
    assert outcomes(told, {})["reproduction"] == 0.25
    assert outcomes(told, {})["reproduction_highest"] == 1.3
    quiet = [told[0], cascade(venues[1], 0.0, 0.0, None)]
    assert (outcomes(quiet, {})["reproduction"], outcomes(quiet, {})["reproduction_highest"]) == (0.1, 0.4)


def test_where_nothing_is_liquidated_nothing_reproduces_itself(venues: list[Summary]) -> None:
    found = outcomes([cascade(venues[0], 0.0, 0.0, None)], {})
    assert found["reproduction"] is None and found["reproduction_highest"] is None


def test_the_fund_at_its_lowest_is_of_what_all_venues_paid_in(venues: list[Summary]) -> None:
    told = [
        replace(each, fund=replace(each.fund, opening_usd=opening, lowest_usd=lowest))
        for each, opening, lowest in zip(venues, (300.0, 100.0), (100.0, 100.0), strict=True)
    ]
    assert outcomes(told, {})["fund_lowest"] == 50
    assert outcomes(told, {})["fund_lost"] == pytest.approx(200 / 1e6)


def test_of_prices_the_venue_that_fell_farthest_counts(venues: list[Summary]) -> None:
    told = [
        replace(each, markets=[replace(market, beyond_outside_points=points, price_low=low) for market in each.markets])
        for each, points, low in zip(venues, (3.0, 8.0), (100.0, 90.0), strict=True)
    ]
    found = outcomes(told, {})
    assert (found["token_beyond_outside"], found["btc_beyond_outside"], found["btc_low"]) == (8, 8, 90)


def test_a_firm_leaves_with_the_first_venue_that_it_leaves_and_those_that_stay_are_in_no_time(
    venues: list[Summary],
) -> None:
    token = venues[0].token
    makers = (
        [maker("MM1", token, at(20)), maker("MM2", token, None), maker("MM3", token, at(12))],
        [maker("MM1", token, at(10)), maker("MM2", token, None), maker("MM3", token, at(30))],
    )
    told = [replace(each, from_at=FROM, makers=of_it) for each, of_it in zip(venues, makers, strict=True)]
    assert outcomes(told, {})["first_exit"] == 5
    assert outcomes(told, {})["synchrony"] == 2


@pytest.mark.parametrize(("leaving", "minutes"), [(0, None), (1, None), (2, 1.0)])
def test_synchrony_is_of_two_makers_or_more(venues: list[Summary], leaving: int, minutes: float | None) -> None:
    makers = [maker(f"MM{number}", venues[0].token, at(10 + number)) for number in range(leaving)]
    assert outcomes([replace(venues[0], makers=makers)], {})["synchrony"] == minutes


def test_the_warning_is_that_of_the_venue_that_was_left_first(venues: list[Summary]) -> None:
    def timeline(thin: int, gone: int) -> list[Onset]:
        token = venues[0].token
        return [Onset("most_thin", at(thin), token, ""), Onset("most_gone", at(gone), token, "")]

    told = [
        replace(venues[0], from_at=FROM, timeline=timeline(10, 30)),
        replace(venues[1], from_at=FROM, timeline=timeline(13, 25)),
    ]
    assert outcomes(told, {})["warning"] == 12
    assert outcomes([replace(venues[0], timeline=[])], {})["warning"] is None


def test_the_makers_profit_is_that_of_those_who_quote(venues: list[Summary]) -> None:
    told = [replace(venues[0], makers=[maker("MM1", venues[0].token, None)])]
    assert outcomes(told, {"MM1": 2e6, "hedgers": 5e6})["makers_profit"] == 2
    assert outcomes(told, {"hedgers": 5e6})["makers_profit"] is None
