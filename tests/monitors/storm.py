"""A storm by hand: every kind of event a run brings, in their proportions, for what only many of them show.

Five makers quote two symbols each second, thin out one after another, leave, and come back; meanwhile the token falls,
longs are liquidated into what is left, the fund pays, and shorts are deleveraged. It is a timetable, as no run is:
here the monitors are under test, not the makers.
"""

from collections.abc import Callable

from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side
from tests.monitors.story import BTC, START_US, TOKEN, Story, an_instrument

MAKERS = {"MM1": 1, "MM2": 2, "MM3": 3, "MM4": 4, "MM5": 5}
LEVELS = 8


def storm(story: Story, minutes: int = 150, after_tick: Callable[[], None] = lambda: None) -> Story:
    """Tell it: thinning from 3/8 of the time on, gone from 1/2, ADL from 5/8, back from 3/4."""
    story.listed(an_instrument(), an_instrument(BTC, tick_size="0.1", lot_size="0.001", tick_value=100))
    story.accounts(**MAKERS, Ann=11, Bob=12)
    fund = 50_000_000
    story.fund(fund, fund, e.FundReason.SEEDED)
    retail = [story.order(11, Side.BUY, 40, 9_990 - 7 * at) for at in range(40)]
    token, btc, open_interest = 10_000, 1_220_000, 400_000
    ticks = 60 * minutes
    for tick in range(ticks):
        story.now_us = START_US + tick * 1_000_000
        story.tell(e.ClockTicked)
        done = tick / ticks
        if tick == ticks // 10:
            story.tell(e.NewsPublished, "tariff", "100 % tariff announced")
        fear = max(0.0, min(1.0, (done - 0.37) / 0.2)) if done < 0.7 else max(0.0, 1 - (done - 0.7) / 0.2)
        fallen = max(0.0, min(1.0, (done - 0.4) / 0.25)) if done < 0.7 else 1 - 0.7 * min(1.0, (done - 0.7) / 0.1)
        token = round(10_000 - 7_000 * fallen)
        btc = round(1_220_000 - 180_000 * max(0.0, min(1.0, (done - 0.1) / 0.5)))
        for symbol, mark in ((TOKEN, token), (BTC, btc)):
            story.mark(mark, mark + mark // 100 * round(3 * fear), mark, symbol)
            for at, account in enumerate(MAKERS.values()):
                _quote(story, symbol, mark, account, fear, at)
        story.trade(token, 3, maker=1, maker_left=5, taker=12)
        if 0.5 < done < 0.7 and tick % 3 == 0:
            paid = min(fund, 1_250_000_000 // ticks)  # drained after three fifths of the liquidations
            fund -= paid
            _liquidation(story, token, tick, paid, fund, by_adl=done > 0.62)
            open_interest -= 300
        if tick % 5 == 0:
            story.open_interest(open_interest, 870 - tick % 7, 130)
        if tick == 3 * ticks // 8:
            for order_id in retail:
                story.cancelled(11, order_id, 40)
        after_tick()
    return story


def _quote(story: Story, symbol: str, mark: int, account: int, fear: float, at: int) -> None:
    gone = 0.55 + 0.06 * at
    if fear > gone:
        if fear - gone < 0.02:
            story.unquote(account, symbol)
        return
    width = 1 + round(8 * fear)
    size = max(1, round((60 - 8 * at) * (1 - fear) * (10 if symbol == BTC else 1)))
    step = mark // 2_000 * width
    bids = [(mark - step * level, size) for level in range(1, LEVELS + 1)]
    asks = [(mark + step * level, size) for level in range(1, LEVELS + 1)]
    story.quote(account, bids, asks, symbol)


def _liquidation(story: Story, mark: int, tick: int, paid: int, fund: int, *, by_adl: bool) -> None:
    account = 1_000 + tick
    story.liquidated(account, 300, mark=mark, book=100 if by_adl else 200, fund=100, adl=100 if by_adl else 0)
    if paid:
        story.fund(-paid, fund, e.FundReason.COVER)
    if by_adl:
        story.tell(e.PositionDeleveraged, 12 + tick % 9, account, TOKEN, 100, mark, -50, 1, 0, 1 + tick % 5, 0)
