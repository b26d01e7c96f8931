"""`cpi-print`: around a scheduled figure makers ask for more and show less; none of them leaves, and it passes."""

import asyncio
from statistics import median

import pytest

from producers.labels import AnyLabel, State, StateChange, Withdrawal
from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    ClockTicked,
    DeleveragingStarted,
    LiquidationStarted,
    NewsPublished,
    QuoteCancelled,
)
from tests.scenarios.play import play_and_tell

NEWS_US = 1_760_013_000_000_000  # 2025-10-09 12:30:00 UTC
MINUTE_US = 60_000_000
BEFORE = (NEWS_US - 15 * MINUTE_US, NEWS_US - 5 * MINUTE_US)
AFTER = (NEWS_US + MINUTE_US, NEWS_US + 15 * MINUTE_US)
LATER = (NEWS_US + 25 * MINUTE_US, NEWS_US + 30 * MINUTE_US)


class Books:
    """Spread, and depth within 1 % of mid, at every tick: (time, spread, depth) by symbol."""

    def __init__(self, events: list[AnyEvent]) -> None:
        self.seen: dict[str, list[tuple[int, float, float]]] = {}
        sides: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        for event in events:
            if isinstance(event, BookChanged):
                bids, asks = sides.setdefault(event.symbol, ({}, {}))
                bids.update(event.bids)
                asks.update(event.asks)
            elif isinstance(event, ClockTicked):
                for symbol, (bids, asks) in sides.items():
                    self._look(event.ts_us, symbol, bids, asks)

    def _look(self, ts_us: int, symbol: str, bids: dict[int, int], asks: dict[int, int]) -> None:
        buy = {price: size for price, size in bids.items() if size}
        sell = {price: size for price, size in asks.items() if size}
        best_bid, best_ask = max(buy), min(sell)
        mid = (best_bid + best_ask) / 2
        near = [price * size for price, size in (*buy.items(), *sell.items()) if abs(price - mid) <= mid / 100]
        self.seen.setdefault(symbol, []).append((ts_us, (best_ask - best_bid) / mid, sum(near)))

    def usual(self, symbol: str, bounds: tuple[int, int]) -> tuple[float, float]:
        """Spread and depth in between, each the median."""
        within = [each for each in self.seen[symbol] if bounds[0] <= each[0] < bounds[1]]
        return median(spread for _, spread, _ in within), median(depth for _, _, depth in within)


@pytest.fixture(scope="module")
def run() -> tuple[list[AnyEvent], list[AnyLabel]]:
    return asyncio.run(play_and_tell("cpi-print", 7))


@pytest.fixture(scope="module")
def books(run: tuple[list[AnyEvent], list[AnyLabel]]) -> Books:
    return Books(run[0])


def test_the_figure_comes_when_it_was_due(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    assert [event.ts_us for event in run[0] if isinstance(event, NewsPublished)] == [NEWS_US]


def test_the_spread_about_doubles_for_a_quarter_of_an_hour(books: Books) -> None:
    before, after, later = (books.usual("BTC", bounds)[0] for bounds in (BEFORE, AFTER, LATER))
    assert 1.6 < after / before < 2.6
    assert 0.8 < later / before < 1.4


@pytest.mark.parametrize(("symbol", "least", "most"), [("BTC", 0.75, 0.95), ("TOKEN", 0.4, 0.8)])
def test_depth_thins_and_fills_up_again(books: Books, symbol: str, least: float, most: float) -> None:
    before, after, later = (books.usual(symbol, bounds)[1] for bounds in (BEFORE, AFTER, LATER))
    assert least < after / before < most
    assert later / before > 0.9


def test_most_makers_thin_and_each_that_did_is_full_again(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    last = {
        (label.participant, label.symbol): label.state
        for label in run[1]
        if isinstance(label, StateChange) and label.state in (State.THINNED, State.FILLED_UP)
    }
    assert len({name for name, _ in last}) >= 3
    assert set(last.values()) == {State.FILLED_UP}


def test_nobody_leaves_and_nobody_is_liquidated(run: tuple[list[AnyEvent], list[AnyLabel]]) -> None:
    events, labels = run
    assert not [label for label in labels if isinstance(label, Withdrawal)]
    assert not [
        event for event in events if isinstance(event, QuoteCancelled | LiquidationStarted | DeleveragingStarted)
    ]
