"""The outside path beside the day's bars."""

import pytest

from stream_engine import scenario as scenarios
from tests.results.kept import Kept, stamp_of
from tests.results.outside import PAIRS, alone, closes, table


def test_the_path_of_the_news_alone_is_the_line_through_the_knots_without_noise() -> None:
    path = alone("oct10")
    knots = scenarios.load("oct10").outside.knots
    seen = path[19 * 60 + 59]  # a second before the knot of 19:59
    assert seen == pytest.approx(knots[1].prices)
    first = next(knot for knot in knots if knot.at.hour == 21 and knot.at.minute == 20)
    assert path[21 * 60 + 20] == pytest.approx(first.prices, rel=1e-3)


@pytest.mark.data
def test_hedging_is_told_over_the_path_and_the_bars_over_what_was_simulated() -> None:
    minute = 21 * 60 + 10
    path, bars = alone("oct10")[minute], closes()
    simulated = {symbol: {minute: path[symbol] * 0.98} for symbol in PAIRS}
    run = Kept(stamp_of(scenarios.load("oct10")), "c", "oct10", 101, {}, {}, simulated, {}, {})
    told = table([run]).splitlines()[-1].split()
    assert told[0] == "21:10" and told[2::3] == ["-2.0"] * 4
    bar = bars["BTC", minute] / simulated["BTC"][minute]
    assert told[3] == f"{100 * (bar - 1):+.1f}"


@pytest.mark.data
def test_every_pair_of_the_bars_is_read() -> None:
    assert {symbol for symbol, _ in closes()} == set(PAIRS)
