"""Broken hedges: what the deleveraged sell, hedge anew or lose within ten minutes."""

import pytest

from consumers.broken_hedges import BrokenHedges
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side
from stream_engine.messages.units import MILLION
from tests.monitors.story import BTC, SECOND, START_US, TOKEN, USD, Story

ANN = 7
HALF = MILLION // 2


class Seen(Story):
    """A story whose deleveragings and trades the hedges see."""

    def __init__(self) -> None:
        super().__init__(self.observe)
        self.hedges = BrokenHedges()

    def observe(self, event: e.AnyEvent) -> tuple[()]:
        match event:
            case e.PositionDeleveraged():
                self.hedges.deleveraged(event, HALF)
            case e.Traded():
                self.hedges.traded(event, 10_000)
            case e.ClockTicked():
                self.hedges.forget(event.ts_us)
        return ()

    def takes(self, side: Side, symbol: str = BTC, account: int = ANN) -> "Seen":
        """A trade over $1,000."""
        self.trade(10_000, 10, taker=account, taker_side=side, maker=1, maker_left=0, symbol=symbol)
        return self


def test_who_lost_a_short_and_sells_elsewhere_has_broken_a_hedge() -> None:
    story = Seen()
    story.deleveraged(ANN, 5)
    story.takes(Side.SELL)
    assert (story.hedges.sold, story.hedges.anew, story.hedges.accounts) == (1_000 * USD, 0, {ANN})
    assert story.hedges.first_us == START_US


def test_who_sells_on_the_same_symbol_hedges_anew() -> None:
    story = Seen()
    story.deleveraged(ANN, 5)
    story.takes(Side.SELL, TOKEN)
    assert (story.hedges.sold, story.hedges.anew) == (0, 1_000 * USD)


def test_who_lost_a_long_gets_out_by_buying() -> None:
    story = Seen()
    story.deleveraged(ANN, -5)
    story.takes(Side.SELL).takes(Side.BUY)
    assert story.hedges.sold == 1_000 * USD


def test_buying_more_of_the_other_leg_or_somebody_else_s_sale_breaks_nothing() -> None:
    story = Seen()
    story.takes(Side.SELL)
    story.deleveraged(ANN, 5)
    story.takes(Side.BUY).takes(Side.SELL, account=8)
    assert (story.hedges.notional, story.hedges.accounts) == (0, set())


@pytest.mark.parametrize("ticking", [False, True])
@pytest.mark.parametrize(("seconds", "sold"), [(599, 1_000), (600, 1_000), (601, 0)])
def test_ten_minutes_count(seconds: int, sold: int, ticking: bool) -> None:
    story = Seen()
    story.deleveraged(ANN, 5)
    if ticking:
        story.seconds(seconds)
    story.now_us = START_US + seconds * SECOND
    story.takes(Side.SELL)
    assert story.hedges.sold == sold * USD


def test_the_newest_deleveraging_counts() -> None:
    story = Seen()
    story.deleveraged(ANN, 5).seconds(500)
    story.deleveraged(ANN, -5, symbol=BTC).seconds(200)
    story.takes(Side.SELL, TOKEN).takes(Side.BUY, TOKEN).takes(Side.BUY, BTC)
    assert (story.hedges.sold, story.hedges.anew) == (1_000 * USD, 1_000 * USD)


@pytest.mark.parametrize(("symbol", "seconds", "fell"), [(BTC, 600, 50), (BTC, 601, 0), (TOKEN, 0, 0)])
def test_the_other_leg_s_liquidation_within_ten_minutes_is_a_broken_hedge_too(
    symbol: str, seconds: int, fell: int
) -> None:
    story = Seen()
    story.deleveraged(ANN, 5)
    story.hedges.liquidated(ANN, symbol, START_US + seconds * SECOND, 50 * USD)
    assert story.hedges.fell == fell * USD


def test_again_is_the_share_whose_deleveraging_others_had_set_off() -> None:
    story = Seen()
    story.deleveraged(ANN, 5)
    story.takes(Side.SELL).takes(Side.SELL, TOKEN)
    story.hedges.liquidated(ANN, BTC, START_US, 50 * USD)
    assert (story.hedges.notional, story.hedges.again) == (2_050 * USD, 1_025 * USD)
