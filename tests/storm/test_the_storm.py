"""The storm of one seed: the order of things comes out by itself, and follows its causes.

Long   what needs one more run is in `test_over_seeds.py`, of this seed too: half the shock, twice the capital. That
       with what is given all is an hour later, `make prove` holds here, and every change does over a shorter stretch,
       event by event (tests/scenarios/test_causes.py).
"""

from collections.abc import Iterator

import pytest

from stream_engine.messages.codec import decode_event
from stream_engine.messages.events import AnyEvent, FundChanged, FundReason, LiquidationFilled, PositionDeleveraged
from tests.storm.runs import AN_HOUR_LATER, LATER_S, SEED, STAY, Runs, Storm, seconds_between

TOKEN = "TOKEN"


@pytest.fixture(scope="session")
def storm(runs: Runs) -> Storm:
    runs.ahead(SEED)
    runs.ahead(SEED, loop="uvloop", hash_seed=4_242)
    runs.ahead(SEED, STAY)
    return runs.storm(SEED)


def events(storm: Storm, topic: str) -> Iterator[AnyEvent]:
    with (storm.directory / f"{topic}.jsonl").open("rb") as lines:
        for line in lines:
            yield decode_event(line)


def test_the_same_seed_gives_the_same_bytes_under_either_loop_and_any_hash_seed(runs: Runs, storm: Storm) -> None:
    again = runs.storm(SEED, loop="uvloop", hash_seed=4_242)
    hashes = {each.summary["run"]["event_log_sha256"] for each in (storm, again)}
    assert len(hashes) == 1, hashes
    assert (storm.directory / "journal.jsonl").read_bytes() == (again.directory / "journal.jsonl").read_bytes()


def test_the_summary_has_every_figure_of_the_public_record_beside_its_own(storm: Storm) -> None:
    rows = storm.summary["beside"]
    assert all(row["run"] and row["record"] and row["source"] for row in rows), rows
    assert not [row["figure"] for row in rows if row["run"] in ("unknown", "never", "-")]


def test_liquidations_reach_the_book_first_then_the_fund_then_the_winners(storm: Storm) -> None:
    book = next(
        event for event in events(storm, "liquidations") if isinstance(event, LiquidationFilled) and event.to_fund >= 0
    )
    fund = next(
        event for event in events(storm, "fund") if isinstance(event, FundChanged) and event.reason is FundReason.COVER
    )
    adl = next(event for event in events(storm, "adl") if isinstance(event, PositionDeleveraged))
    assert book.ts_us < fund.ts_us < adl.ts_us


def test_makers_widen_then_thin_then_leave_and_return_after_the_trough(storm: Storm) -> None:
    onsets = [storm.first(what) for what in ("most_thin", "most_gone", "trough", "return", "recovered")]
    assert None not in onsets
    assert onsets == sorted(onsets, key=str)
    widened, left = storm.first("widen"), storm.first("gone")
    assert widened is not None and left is not None and widened < left


def test_depth_falls_by_over_nine_tenths_and_comes_back_to_over_half(storm: Storm) -> None:
    token = storm.market(TOKEN)
    assert token["depth_trough_percent"] < 10
    assert token["depth_end_percent"] > 50


def test_adl_falls_where_makers_are_absent(storm: Storm) -> None:
    assert storm.summary["adl"]["notional_usd"] > 0
    assert storm.summary["adl"]["absent_percent"] > 75


def test_the_fund_is_drained_and_its_ledger_adds_up(storm: Storm) -> None:
    assert storm.summary["fund"]["lowest_percent"] < 10
    assert storm.summary["fund"]["adds_up"]


def test_open_interest_falls_by_over_a_quarter(storm: Storm) -> None:
    markets = storm.summary["markets"]
    before = sum(market["open_interest_first_usd"] for market in markets)
    change = sum(market["open_interest_first_usd"] * market["open_interest_change_percent"] for market in markets)
    assert change / before < -25


def test_with_makers_that_stay_nobody_is_deleveraged_and_the_fund_is_whole(runs: Runs, storm: Storm) -> None:
    stayed = runs.storm(SEED, STAY)
    check_that_staying_helps(storm, stayed)


def check_that_staying_helps(storm: Storm, stayed: Storm) -> None:
    assert stayed.summary["adl"]["closings"] == 0
    assert stayed.summary["fund"]["lowest_percent"] > 95
    assert storm.market(TOKEN)["beyond_outside_points"] > 0
    assert stayed.market(TOKEN)["beyond_outside_points"] <= storm.market(TOKEN)["beyond_outside_points"] / 3
    assert stayed.summary["liquidations"]["notional_usd"] > 0  # reported, whichever way it goes


@pytest.mark.prove
def test_with_all_that_is_given_an_hour_later_the_whole_timeline_moves_by_an_hour(runs: Runs, storm: Storm) -> None:
    later = runs.storm(SEED, AN_HOUR_LATER)
    told, retold = storm.summary["timeline"], later.summary["timeline"]
    assert [onset["text"] for onset in told] == [onset["text"] for onset in retold]
    assert {seconds_between(a["at"], b["at"]) for a, b in zip(told, retold, strict=True)} == {LATER_S}
