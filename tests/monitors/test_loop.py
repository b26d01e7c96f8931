"""The loop: seven steps, each with its measure, when it began, and how much of it went round again; as it is shown."""

import re
from io import StringIO

import pytest
from rich.console import Console

from consumers.board import Board
from consumers.figures import stamp
from consumers.loop import GENERATIONS, CascadeSummary, StepSummary
from consumers.prices import Outside
from consumers.summary import Summary, summarize
from consumers.summary_table import table
from consumers.terminal import TerminalView
from stream_engine.messages import events as e
from stream_engine.messages.inputs import IndexPrices, Side
from tests.monitors.cascading import Cascading
from tests.monitors.story import BTC, MINUTE_US, SECOND, START_US, TOKEN, USD, VENUE

MAKERS = {"MM1": 1, "MM2": 2, "MM3": 3}
ANN, BOB, CARL, HEDGER = 11, 12, 13, 50


def a_loop() -> tuple[Cascading, Board]:
    """Each second something: the news, two of three makers leave, a liquidation, the fund, ADL, a sale, two more."""
    board = Board(VENUE)
    story = Cascading(board)
    story.accounts(**MAKERS)
    story.fund(1_000, 1_000, e.FundReason.SEEDED)
    for account in MAKERS.values():
        story.quote(account, [(9_990, 10)], [(10_010, 10)])
    story.prices()
    story.marks(mark=10_000)
    story.marks(mark=10_000, symbol=BTC)
    story.seconds().tell(e.NewsPublished, "tariff", "100 % tariff announced")
    story.marks(mark=8_000)
    story.seconds(59)
    for account in (1, 2):
        story.unquote(account)
    story.seconds(60)
    begun = story.tell(e.LiquidationStarted, ANN, TOKEN, 10, 10_000, 9_900, 0, 0)
    story.tell(e.FundChanged, -400 * USD, 600 * USD, e.FundReason.COVER, account=ANN)
    closed = story.closes(begun, ANN, 4, account=HEDGER)
    story.tell(e.LiquidationEnded, ANN, TOKEN, 3, 3, 4, 0, 9_900, 0, because=begun)
    story.seconds().trade(10_000, 5, taker=HEDGER, taker_side=Side.SELL, maker=3, maker_left=5, symbol=BTC)
    story.takes(BOB, 20, story.marks(story.takes(HEDGER, 5, closed, symbol=BTC)), adl=10)
    story.seconds()
    return story, board


def steps(summary: CascadeSummary) -> dict[str, StepSummary]:
    return {step.step: step for step in summary.steps}


def test_each_step_is_measured_from_when_it_began() -> None:
    _, board = a_loop()
    loop = summarize(board, token=TOKEN).cascade
    assert [(step.step, step.text, step.again_percent) for step in loop.steps] == [
        ("shock", f"index -20.0 % in {TOKEN}", None),
        ("makers leave", f"2 of 3 gone from {TOKEN}", None),
        ("no book", "$1.70k of $3.50k", 58.82),
        ("fund drains", "$400 paid, down to 60 %", 0.0),
        ("ADL", "$1.40k closed", 71.43),
        ("hedges broken", "1 account: $500 sold, $500 liquidated", 0.0),
        ("further liquidations", "$2.50k set off, $2.50k of it by cause; $500 of the deleveraged", 80.0),
    ]
    began = [step.at for step in loop.steps]
    assert began == [stamp(START_US + after_s * SECOND) for after_s in (1, 61, 120, 120, 120, 121, 121)]


def test_where_nothing_happened_each_step_is_none_and_the_table_leaves_the_loop_out() -> None:
    board = Board(VENUE)
    story = Cascading(board)
    story.seconds()
    summary = summarize(board)
    assert [(step.at, step.text, step.usd) for step in summary.cascade.steps] == [
        (None, "no price", None),
        (None, "no makers", None),
        *[(None, "none", 0.0)] * 5,
    ]
    assert (summary.cascade.r, summary.cascade.r_highest, summary.cascade.tree_at) == (None, None, None)
    assert "The loop" not in printed(summary, 80)


def test_where_no_liquidation_set_off_another_the_table_says_so() -> None:
    board = Board(VENUE)
    Cascading(board).takes(ANN, 10)
    words = " ".join(printed(summarize(board), 80).split())
    assert "7 further liquidations - none" in words
    assert "0 $1.00k; none set off another (R 0); the largest tree $1.00k, 1 position, from TOKEN-PERP." in words


def test_the_shock_is_the_outside_s_where_that_is_known() -> None:
    _, board = a_loop()
    outside = Outside()
    for seconds, ticks in ((0, 10_000), (1, 7_500)):
        outside.take(IndexPrices(VENUE, START_US + seconds * SECOND, "spot", ((BTC, ticks),)))
    summary = summarize(board, outside=outside.paths)
    assert steps(summary.cascade)["shock"].text == f"outside -25.0 % in {BTC}"


def test_trees_generations_and_minutes_are_those_of_the_monitor_in_decimals() -> None:
    _, board = a_loop()
    told = summarize(board).cascade
    assert [(each.generation, each.positions, each.notional_usd) for each in told.generations] == [
        (0, 1, 1_000.0),
        (1, 1, 500.0),
        (2, 1, 2_000.0),
    ]
    assert (told.deepest, told.tree_positions, told.tree_usd, told.tree_symbol) == (2, 3, 3_500.0, TOKEN)
    assert told.tree_at == stamp(START_US + 120 * SECOND)
    assert (told.liquidated_usd, told.set_off_usd, told.caused_usd, told.r) == (3_500.0, 2_500.0, 2_500.0, 0.71)
    (minute,) = told.minutes
    assert (minute.at, minute.liquidated_usd, minute.set_off_usd, minute.r) == (
        stamp(START_US + 2 * MINUTE_US), 3_500.0, 2_500.0, 0.71,
    )  # fmt: skip
    assert (told.r_highest, told.r_highest_at) == (0.71, minute.at)


@pytest.mark.parametrize(("deepest", "lines", "and_deeper"), [(8, 9, False), (9, 10, False), (10, 10, True)])
def test_what_is_deeper_than_the_tenth_generation_is_one_line(deepest: int, lines: int, and_deeper: bool) -> None:
    board = Board(VENUE)
    story = Cascading(board)
    cause = None
    for account in range(deepest + 1):
        cause = story.marks(story.takes(account, 10, cause))
    told = summarize(board).cascade.generations
    assert (len(told), told[-1].and_deeper) == (lines, and_deeper)
    assert GENERATIONS == 10
    assert sum(each.positions for each in told) == deepest + 1
    assert sum(each.notional_usd for each in told) == 1_000.0 * (deepest + 1)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_table_tells_the_loop_within_the_terminal_s_width(width: int) -> None:
    _, board = a_loop()
    lines = printed(summarize(board), width).splitlines()
    began = next(at for at, line in enumerate(lines) if line.startswith("The loop"))
    loop = lines[began : lines.index("", began)]
    assert len(loop) <= 13 and max(len(line) for line in loop) <= width
    assert [line[0] for line in loop if re.match(r"\d [a-zA-Z]", line)] == list("1234567")
    assert any(line.startswith("Generations  0 $1.00k, 1 $500, 2 $2.00k; each dollar set off 0.71") for line in loop)


def test_the_live_view_has_a_line_of_it_while_liquidations_set_off_others() -> None:
    story, board = a_loop()
    view = TerminalView(board, title="by hand", start_us=START_US, end_us=START_US + 30 * MINUTE_US)
    (line,) = cascade_lines(view)
    assert line == " cascade     R not known yet, generation 2, $2.50k set off by others"
    story.minutes_on(2)
    (line,) = cascade_lines(view)
    assert line == " cascade     R 0.71 in 5 minutes, generation 2, $2.50k set off by others"
    story.minutes_on(5)
    assert cascade_lines(view) == []


def cascade_lines(view: TerminalView) -> list[str]:
    return [line.plain.rstrip() for line in view.lines(80, 24) if line.plain.startswith(" cascade")]


def printed(summary: Summary, width: int) -> str:
    console = Console(file=StringIO(), width=width, no_color=True, highlight=False)
    console.print(table(summary))
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())
