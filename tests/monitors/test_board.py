"""Board, markers, summary, terminal: a whole storm by hand, seen by all monitors."""

from collections.abc import Iterator
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from consumers.board import Board
from consumers.figures import stamp
from consumers.markers import Markers
from consumers.monitor import Finding, Monitor, Severity, State
from consumers.prices import Outside
from consumers.summary import Summary, summarize
from consumers.summary_table import table
from consumers.terminal import TerminalView
from stream_engine.messages import events as e
from stream_engine.messages import inputs as i
from stream_engine.messages.events import Breaker, FundReason
from stream_engine.messages.topics import EVENT_TOPIC
from tests.monitors.storm import storm
from tests.monitors.story import BTC, START_US, TOKEN, USD, VENUE, Story, an_instrument

MINUTES = 40
END_US = START_US + MINUTES * 60 * 1_000_000


@pytest.fixture(scope="module")
def seen() -> tuple[Story, Board]:
    board = Board(VENUE)
    return storm(Story(board.observe), MINUTES), board


def test_the_same_events_give_the_same_findings_and_the_same_summary(seen: tuple[Story, Board]) -> None:
    story, board = seen
    again = Board(VENUE)
    for event in story.events:
        again.observe(event)
    assert again.findings == board.findings == story.findings
    assert summarize(again) == summarize(board)


def test_each_monitor_by_itself_finds_what_the_board_does(seen: tuple[Story, Board]) -> None:
    story, board = seen
    single = Board(VENUE)
    monitors: list[Monitor] = [
        single.adl,
        single.depth,
        single.fund,
        single.liquidations,
        single.market_makers,
        single.open_interest,
        single.prices,
    ]
    monitors.sort(key=lambda monitor: monitor.name)  # as a runner asks them
    found: list[Finding] = []
    for event in story.events:
        for monitor in monitors:
            if EVENT_TOPIC[type(event)] in monitor.topics:
                found.extend(monitor.observe(event))
    assert sorted(finding.id for finding in found) == sorted(finding.id for finding in board.findings)


def test_every_finding_is_opened_once_before_it_is_updated_and_closed_once_at_most(seen: tuple[Story, Board]) -> None:
    _, board = seen
    states: dict[str, list[State]] = {}
    for finding in board.findings:
        if finding.rule != "news":
            states.setdefault(finding.id, []).append(finding.state)
    assert len(states) > 20
    for course in states.values():
        assert course[0] is State.OPEN
        assert course.count(State.OPEN) == 1
        assert State.CLOSE not in course[:-1]


def test_the_markers_tell_the_story_in_eight_lines_and_the_news(seen: tuple[Story, Board]) -> None:
    _, board = seen
    markers = Markers()
    one_by_one = [marker.line for finding in board.findings for marker in markers.take([finding])]
    assert one_by_one == [marker.line for marker in markers.all]
    assert [line.split(" ", 1)[1].split(":")[0] for line in one_by_one] == [
        "100 % tariff announced",
        "MM1 thins out in BTC-PERP",
        "MM1 is gone from TOKEN-PERP",
        "TOKEN-PERP",  # liquidations begin
        "3 of 5 makers are gone from TOKEN-PERP",
        "insurance fund at $24.5M, 49.0 % of its highest $50.0M",
        "TOKEN-PERP",  # ADL begins
        "MM5 is back in TOKEN-PERP after 8 m 33 s",
        "TOKEN-PERP",  # its depth is back
    ]


def test_thinning_is_a_marker_again_once_most_makers_quote_every_symbol_as_usual() -> None:
    def finding(rule: str, state: State, symbol: str = TOKEN) -> Finding:
        return Finding("id", rule, VENUE, symbol, 1, START_US, Severity.WATCH, state, f"{rule} {symbol}")

    markers = Markers()
    first = [finding("makers-thin", State.OPEN), finding("makers-thin", State.OPEN, BTC)]
    assert len(markers.take([finding("maker-thin", State.OPEN), *first])) == 1
    assert markers.take([finding("makers-thin", State.CLOSE), finding("maker-thin", State.OPEN)]) == []
    assert len(markers.take([finding("makers-thin", State.CLOSE, BTC), finding("maker-thin", State.OPEN)])) == 1
    assert markers.take([finding("maker-thin", State.OPEN, BTC)]) == []


def test_coming_back_is_a_marker_again_whenever_most_makers_have_left_a_symbol() -> None:
    def finding(rule: str, state: State) -> Finding:
        return Finding("id", rule, VENUE, TOKEN, 1, START_US, Severity.WATCH, state, rule)

    markers, back, left = Markers(), finding("maker-gone", State.CLOSE), finding("makers-gone", State.OPEN)
    assert len(markers.take([left, back, back])) == 2
    assert len(markers.take([left, back, back])) == 1


# summary -----------------------------------------------------------------------------------------------------


def test_the_summary_tells_the_order_of_onset(seen: tuple[Story, Board]) -> None:
    _, board = seen
    timeline = summarize(board).timeline
    assert [onset.at for onset in timeline] == sorted(onset.at for onset in timeline)
    named = [onset.what for onset in timeline]
    for earlier, later in (
        ("news", "thin"),
        ("thin", "gone"),
        ("gone", "most_gone"),
        ("liquidations", "fund_pays"),
        ("fund_pays", "fund_half"),
        ("fund_half", "fund_empty"),
        ("fund_pays", "adl"),
        ("most_gone", "trough"),
        ("trough", "return"),
        ("return", "recovered"),
    ):
        assert named.index(earlier) < named.index(later), (earlier, later)


def test_the_summary_s_figures_are_those_of_the_monitors_in_decimals(seen: tuple[Story, Board]) -> None:
    _, board = seen
    summary = summarize(board, title="by hand")
    token = next(market for market in summary.markets if market.symbol == TOKEN)
    assert summary.token == TOKEN
    assert (token.price_first, token.price_low, token.fall_percent) == (100.0, 30.0, 70.0)
    assert (token.outside_low, token.beyond_outside_points) == (None, None)
    assert summary.liquidations.notional_usd == board.liquidations.all.notional / 1_000_000
    assert summary.liquidations.long_notional_percent == 100.0
    assert summary.adl.absent_percent == 100.0
    assert summary.fund.adds_up
    assert summary.fund.opening_usd - summary.fund.cover_usd == summary.fund.closing_usd
    assert [maker.order for maker in summary.makers if maker.symbol == TOKEN] == [1, 2, 3, 4, 5]


def test_with_the_outside_path_the_summary_says_how_much_the_venue_added(seen: tuple[Story, Board]) -> None:
    _, board = seen
    outside = Outside()
    for at, ticks in enumerate((10_000, 7_200, 9_000)):
        outside.take(i.IndexPrices(VENUE, START_US + at, "spot", ((TOKEN, ticks),)))
    summary = summarize(board, outside=outside.paths)
    token = next(market for market in summary.markets if market.symbol == TOKEN)
    assert (token.outside_fall_percent, token.beyond_outside_points) == (28.0, 42.0)


def test_every_figure_stands_beside_the_record_with_its_source(seen: tuple[Story, Board]) -> None:
    _, board = seen
    summary = summarize(board)
    assert len(summary.beside) >= 15
    for row in summary.beside:
        assert row.figure and row.run and row.record and row.source and row.how_sure
    assert "modelled, not attributed" in summary.honesty


def test_open_interest_stands_there_in_contracts_and_in_usd_and_the_fund_with_what_it_lost() -> None:
    board = Board(VENUE)
    story = Story(board.observe).listed().fund(1_000, 1_000, FundReason.SEEDED)
    story.seconds().mark(10_000).open_interest(100, 87, 13)
    story.mark(5_000).open_interest(80, 80, 20).fund(-600, 400, FundReason.SHORTFALL).fund(100, 500, FundReason.SURPLUS)
    story.liquidated(7, 20, book=20).minutes().liquidated(8, 10, book=10).seconds()
    summary = summarize(board)
    runs = {row.figure: row.run for row in summary.beside}
    assert runs["open interest, contracts and USD"] == "-20.0 % in contracts, -60.0 % in USD of $10.0k"
    assert runs["fund lost, start to end"] == "$500 (from $1.00k to $500, lowest $400)"
    assert runs["peak minute of liquidations"] == "19:45, $2.00k of $3.00k in the whole run"
    assert "ADL while most makers are out" not in runs  # there are none
    assert (summary.fund.shortfall_usd, summary.fund.adds_up) == (600.0, True)
    assert "- shortfall $600 - debt $0 = closing $500" in " ".join(printed(summary, 200).split())
    assert next(onset.at for onset in summary.timeline if onset.what == "fund_pays") == "2025-10-10T19:45:01Z"


def test_a_run_that_is_not_that_day_does_not_stand_beside_the_record(seen: tuple[Story, Board]) -> None:
    _, board = seen
    summary = summarize(board, beside_record=False)
    assert summary.beside == []
    assert {onset.record for onset in summary.timeline} == {None}
    assert [onset.what for onset in summary.timeline] == [onset.what for onset in summarize(board).timeline]
    assert "public record" not in printed(summary, 120).split("Synthetic participants")[0]


def test_only_the_first_news_has_the_record_s_time_of_it_beside() -> None:
    board = Board(VENUE)
    story = Story(board.observe).listed()
    for headline in ("first", "second"):
        story.seconds().tell(e.NewsPublished, headline, headline)
    assert [onset.record is not None for onset in summarize(board).timeline] == [True, False]


def test_the_token_is_the_symbol_with_the_smallest_normal_depth_whichever_falls_most() -> None:
    board = Board(VENUE)
    story = Story(board.observe).listed(an_instrument(), an_instrument(BTC)).accounts(MM1=1)
    for symbol, size in ((TOKEN, 90), (BTC, 100)):
        story.quote(1, [(9_990, size)], [(10_010, size)], symbol)
    story.minutes(10).quote(1, [(9_990, 1)], [(10_010, 1)], BTC).minutes(3)
    for price in (10_000, 2_000):
        story.trade(price, 1, maker=1, maker_left=0, symbol=BTC)
    assert summarize(board).token == TOKEN


def a_maker_that_leaves_and_returns(board: Board, minutes_after: int) -> Story:
    """Spread 20 bps; 120 bps for ten minutes without MM1; 40 bps from its return on, for so many minutes."""
    story = Story(board.observe).listed().accounts(MM1=1, MM2=2)
    quote(story, 1, 10).quote(2, [(9_940, 5)], [(10_060, 5)]).minutes(10)
    story.tell(e.NewsPublished, "n", "news")
    story.minutes().unquote(1).minutes(10)
    return quote(story, 1, 20).seconds().minutes(minutes_after)


def quote(story: Story, account: int, half_width: int) -> Story:
    return story.quote(account, [(10_000 - half_width, 100)], [(10_000 + half_width, 100)])


@pytest.mark.parametrize(
    ("minutes", "when"),
    [(34, "at the end"), (35, "35 min after the first return"), (36, "35 min after the first return")],
)
def test_the_spread_s_recovery_is_measured_when_the_record_measured_it_or_at_the_end(minutes: int, when: str) -> None:
    board = Board(VENUE)
    story = a_maker_that_leaves_and_returns(board, minutes)
    quote(story, 1, 50).minutes(2 if minutes > 34 else 0)  # what comes later does not count
    market = summarize(board).markets[0]
    assert (market.spread_normal_bps, market.spread_recovered_when) == (20.0, when)
    assert market.spread_widest_bps == pytest.approx(120, abs=0.1)
    assert market.spread_recovered_percent == pytest.approx(80, abs=0.1)
    row = next(row for row in summarize(board).beside if row.figure == "TOKEN-PERP spread, recovered")
    assert row.run == f"80.0 % {when} (from 120 bps to 40 bps)"


def test_with_a_side_empty_at_the_end_there_is_no_spread_and_no_recovery_of_it() -> None:
    board = Board(VENUE)
    story = a_maker_that_leaves_and_returns(board, 5)
    story.quote(1, [(9_990, 100)], []).quote(2, [(9_940, 5)], []).seconds(3)
    market = summarize(board).markets[0]
    assert (market.spread_end_bps, market.spread_recovered_percent) == (None, None)
    assert market.spread_recovered_when == "at the end"


def test_the_low_book_of_the_timeline_is_the_one_that_the_trough_belongs_to() -> None:
    board = Board(VENUE)
    story = Story(board.observe).listed().accounts(MM1=1)
    onsets = []
    for minutes, size in ((10, 100), (2, 15), (10, 100), (5, 5), (10, 100), (2, 15), (5, 100)):
        story.quote(1, [(9_990, size)], [(10_010, size)]).seconds()
        onsets.append(stamp(story.now_us))
        story.minutes(minutes)
    at = {onset.what: onset.at for onset in summarize(board).timeline}
    assert len(story.told("depth-low")) == 6  # three times low
    assert (at["depth_low"], at["recovered"]) == (onsets[3], onsets[4])
    assert at["depth_low"] <= at["trough"]


def test_a_book_that_was_never_under_half_has_not_recovered() -> None:
    board = Board(VENUE)
    story = Story(board.observe).listed().accounts(MM1=1)
    quote(story, 1, 10).minutes(10).quote(1, [(9_990, 80)], [(10_010, 80)]).minutes(5)
    named = [onset.what for onset in summarize(board).timeline]
    assert "trough" in named and "recovered" not in named and "depth_low" not in named


def test_the_summary_is_json_and_comes_back_from_it(seen: tuple[Story, Board]) -> None:
    _, board = seen
    summary = summarize(board, title="by hand")
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


def test_a_run_that_was_stopped_before_it_began_has_a_summary_too() -> None:
    empty = summarize(Board(VENUE))
    assert (empty.token, empty.timeline, empty.markets) == (None, [], [])
    listed = Board(VENUE)
    Story(listed.observe).listed()
    assert [market.symbol for market in summarize(listed).markets] == [TOKEN]
    for summary in (empty, summarize(listed)):
        assert "nothing happened" in printed(summary, 80)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_table_fits_the_terminal_and_says_what_it_is(seen: tuple[Story, Board], width: int) -> None:
    _, board = seen
    text = printed(summarize(board, title="by hand"), width)
    assert max(len(line) for line in text.splitlines()) <= width
    text = " ".join(text.split())
    for words in ("Order of onset", "Makers in TOKEN-PERP", "adds up to the micro-unit", "Synthetic participants"):
        assert words in text


def printed(summary: Summary, width: int) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=False)
    console.print(table(summary))
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


# terminal ------------------------------------------------------------------------------------------------------


def frames(width: int, height: int, *, ascii_only: bool = False) -> Iterator[list[str]]:
    """What the terminal shows before the storm, each minute of it, and at its end."""
    board = Board(VENUE)
    view = TerminalView(board, title="by hand", start_us=START_US, end_us=END_US, speed=60)
    shown: list[list[str]] = []

    def show() -> None:
        if board.now_us % 60_000_000 == 0:
            view.render()
            shown.append([line.plain for line in view.lines(width, height, ascii_only=ascii_only)])

    show()
    storm(Story(board.observe), MINUTES, after_tick=show)
    yield from shown


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 25), (79, 23), (120, 40), (200, 60), (20, 5)])
def test_every_frame_has_the_size_of_the_terminal(width: int, height: int) -> None:
    shown = list(frames(width, height))
    assert len(shown) == MINUTES + 1
    for lines in shown:
        assert len(lines) == height
        assert max(len(line) for line in lines) <= width


def test_a_terminal_without_utf_8_gets_plain_characters_only() -> None:
    for lines in frames(80, 24, ascii_only=True):
        assert all(line.isascii() for line in lines)


def test_on_80_by_24_nothing_of_the_story_is_cut_off() -> None:
    shown = next(lines for lines in frames(80, 24) if "20:14:00 UTC" in lines[0])
    text = "\n".join(shown)
    for words in ("60x", "GONE", "fund", "liquidated", "ADL", "makers are gone from TOKEN-PERP"):
        assert words in text
    assert any(line.rstrip().endswith("most makers out") for line in shown)
    assert sum(line.lstrip().startswith(("MM1 ", "MM2 ", "MM3 ", "MM4 ", "MM5 ")) for line in shown) >= 5


def test_a_frame_takes_its_size_and_its_characters_from_the_console() -> None:
    board = Board(VENUE)
    storm(Story(board.observe), 5)
    view = TerminalView(board, title="by hand", start_us=START_US, end_us=END_US)
    console = Console(file=StringIO(), width=90, height=30, force_terminal=True, no_color=True)
    console.print(view.render())
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert text.count("\n") == 29  # none after the last line, or the terminal would scroll
    assert "\x1b[3" not in text  # no colour was asked for


def test_a_halt_stands_in_the_first_line_until_it_is_over_and_among_the_markers_for_good() -> None:
    board = Board(VENUE)
    story = Story(board.observe)
    view = TerminalView(board, title="by hand", start_us=START_US, end_us=END_US)

    def lines() -> list[str]:
        view.render()
        return [line.plain for line in view.lines(80, 24)]

    for reason in ("feed stalled", "once more"):
        story.tell(e.TradingHalted, reason)
        assert "HALTED" in lines()[0]
        assert any(f"trading is halted: {reason}" in line for line in lines())
        story.tell(e.TradingResumed)
        assert "HALTED" not in lines()[0]
    assert sum("trading is resumed" in line for line in lines()) == 2


def test_a_long_title_leaves_the_clock_whole() -> None:
    view = TerminalView(Board(VENUE), title="t" * 100, start_us=START_US, end_us=END_US, live=True)
    assert view.lines(80, 24)[0].plain.endswith("t  19:45:00 UTC  live ")


def test_a_headline_in_other_letters_does_not_break_a_plain_terminal() -> None:
    board = Board(VENUE)
    Story(board.observe).tell(e.NewsPublished, "n", "关税 100 %")
    view = TerminalView(board, title="überall", start_us=START_US, end_us=END_US)
    view.render()
    assert all(line.plain.isascii() for line in view.lines(80, 24, ascii_only=True))


def test_the_summary_says_where_what_was_liquidated_went_and_how_the_fund_adds_up() -> None:
    board = Board(VENUE)
    story = Story(board.observe).listed().seconds(1).fund(1_000, 1_000, FundReason.SEEDED)
    story.liquidated(7, 10, book=4, fund=3, adl=2, deficit=1)
    story.tell(e.BackstopTookOver, 8, 4_000, "vault", ((TOKEN, 5, 10_000),), 0, 0)
    story.fund(70, 1_070, FundReason.TRANCHE).tell(e.FundingPaid, TOKEN, ((1, 2 * USD, 0), (2, -2 * USD, 0)))
    story.tell(e.BreakerTripped, TOKEN, Breaker.STALL, 10_000, 10_000, 10_000)
    story.tell(e.BreakerReleased, TOKEN, Breaker.STALL, 3_000_000, 1, 9 * USD, 4 * USD)
    console = Console(file=StringIO(), width=300)
    console.print(table(summarize(board, beside_record=False)))
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    went = "book $400, book at the fund's cost $300, vaults $500, ADL $200, deficit $100"
    assert f"Liquidated  $1.50k, 2 positions of 2 accounts: {went}" in shown
    assert "opening $1.00k" in shown and "+ tranche $70.0 = closing $1.07k (adds up to the micro-unit)" in shown
    assert "held liquidations up (times: stall 1), 3 s in all; those who fell meanwhile owed $5.00 less" in shown
    assert "Funding  $2.00 paid" in shown


def test_the_terminal_shows_a_pause_who_waits_a_pool_that_does_not_pay_and_what_was_taken_over() -> None:
    board = Board(VENUE)
    story = Story(board.observe).listed().mark(10_000).seconds(1).fund(1_000, 1_000, FundReason.SEEDED)
    story.tell(e.BackstopTookOver, 8, 4_000, "vault", ((TOKEN, 5, 10_000),), 0, 0)
    story.tell(e.TradingPaused, TOKEN, 10_000, 9_000, 11_000, story.now_us)
    story.tell(e.BreakerTripped, TOKEN, Breaker.BAND, 10_000, 10_000, 10_000)
    story.tell(e.DrawdownChanged, "main", True, -300_000, 1_000 * USD, 700 * USD)
    view = TerminalView(board, title="a pause", start_us=story.now_us, end_us=story.now_us + 60_000_000)
    shown = "\n".join(line.plain for line in view.lines(80, 24))
    assert "PAUSED" in shown and "DOES NOT PAY" in shown
    assert "1 position, $500, 100 % of it long; wait in TOKEN; $500 taken over" in shown
