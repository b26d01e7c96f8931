"""A stage for one participant: a market that follows the outside price, and no exchange behind it.

What is published is folded into its views before it decides, what concerns its accounts is given to it, as the runner
does (producers.runner); here everything reaches it at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from producers.agent import Agent
from producers.market_maker import Benefits, Desk, Makers, MarketMaker, Seat
from producers.market_view import MarketView
from producers.noise import Noise
from producers.participant import Sized
from producers.quoting import Scale
from producers.shocks import SECOND_US, FeedFault, Knot, Outside, OutsidePath
from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    CancelReason,
    LiquidationStarted,
    MarkPriceChanged,
    OpenInterestChanged,
    OrderCancelled,
    OrderRejected,
    PositionDeleveraged,
    SourcePriced,
    Traded,
    TradingHalted,
    TradingResumed,
)
from stream_engine.messages.inputs import Input, MassQuote, Place, Side
from stream_engine.messages.instrument import IndexSource, Instrument, Tier
from stream_engine.messages.refusals import Reject
from stream_engine.messages.topics import EVENT_TOPIC, Topic

START = datetime(2025, 10, 10, 20, 0, tzinfo=UTC)
START_US = round(START.timestamp()) * SECOND_US
VENUE, SYMBOL, ACCOUNT, OTHER = "alpha", "COIN", 1, 2
SCALE = Scale(depth_usdt=1_000_000, half_spread=5e-4, volatility=1e-4)
SIZES = {SYMBOL: Sized(depth_usdt=1_000_000, open_interest_usdt=10_000_000, volatility=1e-4, max_leverage=50)}


def an_instrument() -> Instrument:
    """A coin of about 100 USDT in ticks of a cent and lots of a hundredth: one lot gains 100 micro-quote per tick."""
    return Instrument(
        symbol=SYMBOL, tick_size="0.01", lot_size="0.01", tick_value=100, max_price=100_000, max_size=10_000_000,
        tiers=(Tier(0, 10_000),), sources=(IndexSource("spot", 1),),
    )  # fmt: skip


def a_view(venue: str = VENUE, *symbols: str) -> MarketView:
    return MarketView(venue, {symbol: replace(an_instrument(), symbol=symbol) for symbol in symbols or (SYMBOL,)})


def an_outside(*knots: tuple[int, float], noise: float = 0.0, faults: Iterable[tuple[int, int]] = ()) -> Outside:
    """Prices at seconds after the start; without noise the path is exactly that."""
    return Outside(
        knots=[Knot(START + timedelta(seconds=at), {SYMBOL: price}, noise) for at, price in knots],
        faults=[FeedFault(START + timedelta(seconds=a), START + timedelta(seconds=b)) for a, b in faults],
    )


def a_path(outside: Outside, seconds: int = 3_600, seed: int = 1) -> OutsidePath:
    shift_us = outside.shift_s * SECOND_US
    end_us = START_US + seconds * SECOND_US
    return OutsidePath(outside, {SYMBOL: 1.0}, START_US + shift_us, end_us + shift_us, Noise(seed, "outside"))


def a_desk(**changes: float | int | str) -> Desk:
    fields: dict[str, float | int | str] = {
        "name": "MM1", "capital_usdt": 10_000_000.0, "share": 0.5, "horizon_s": 4.0, "requote_s": 1, "feed_lag_s": 0,
        "boldness": 4.0, "accepts_pct": 2.0, "loss_budget_pct": 8.0, "inventory_limit": 6.0, "hedge_s": 40.0,
        "feed_age_s": 5, "gap_pct": 4.0, "return_gap_pct": 30.0, "alone": 0.3, "hold_s": 30, "return_s": 120,
        "ramp_s": 60.0,
    }  # fmt: skip
    return Desk(**(fields | changes))  # type: ignore[arg-type]


def a_maker(
    desk: Desk | None = None, benefits: Benefits | None = None, venues: Sequence[str] = (VENUE,), **settings: object
) -> MarketMaker:
    desk = desk or a_desk()
    makers = Makers(**({"desks": [desk], "variation": 0.0} | settings))  # type: ignore[arg-type]
    owed = {SYMBOL: benefits} if benefits is not None else {}
    seats = {venue: Seat(a_view(venue), {SYMBOL: SCALE}, owed) for venue in venues}
    return MarketMaker(ACCOUNT, desk, makers, seats, Noise(1, desk.name))


def the_market(
    path: OutsidePath, second: int, start_us: int = START_US, gap: float = 0.0, venue: str = VENUE
) -> list[AnyEvent]:
    """What is published at a second: the outside price, unless the feed stands still; mark, index and last at it, or
    off it by a share; 87 % are long."""
    now_us = start_us + second * SECOND_US
    outside = path.prices(now_us)[SYMBOL] * 100
    price = round(outside * (1 + gap))
    said: list[AnyEvent] = [SourcePriced(venue, second, 2, now_us, None, "spot", ((SYMBOL, round(outside)),))]
    return [
        *(said if path.delivers(now_us) else []),
        MarkPriceChanged(venue, second, 0, now_us, None, SYMBOL, price, price, price),
        OpenInterestChanged(venue, second, 1, now_us, None, SYMBOL, 1_000_000, 87, 13),
    ]


def hear(agent: Agent, second: int, events: Sequence[AnyEvent], start_us: int = START_US) -> Sequence[Input]:
    """What it sends at a second, with these events before it."""
    public = [event for event in events if EVENT_TOPIC[type(event)] is Topic.MARKET]
    for view in agent.views:
        view.fold(event for event in public if event.venue == view.venue)
    return agent.decide(
        start_us + second * SECOND_US, [event for event in events if EVENT_TOPIC[type(event)] is not Topic.MARKET]
    )


def play(
    agent: Agent, path: OutsidePath, seconds: Iterable[int], start_us: int = START_US, gap: float = 0.0
) -> dict[int, Sequence[Input]]:
    """What it sends, second by second, in a market that does nothing but follow the outside price."""
    return {second: hear(agent, second, the_market(path, second, start_us, gap), start_us) for second in seconds}


def quotes(sent: Iterable[Sequence[Input]]) -> list[MassQuote]:
    return [each for inputs in sent for each in inputs if isinstance(each, MassQuote)]


def a_fill(second: int, size: int, price: int, account_buys: bool, account: int = ACCOUNT) -> Traded:
    """The account's resting order was hit for so many lots."""
    return Traded(
        VENUE, second, 2, START_US + second * SECOND_US, None, SYMBOL, price, size, OTHER, 1,
        Side.SELL if account_buys else Side.BUY, 0, 0, account, 2, 0, 0,
    )  # fmt: skip


def falling(to: float, seconds: int = 1_000) -> OutsidePath:
    """From 100 in a straight line."""
    return a_path(an_outside((0, 100.0), (seconds, to)))


def orders(sent: Mapping[int, Sequence[Input]]) -> list[tuple[int, Place]]:
    return [(second, each) for second, inputs in sent.items() for each in inputs if isinstance(each, Place)]


def a_book(bid: int, ask: int, lots: int = 100_000, venue: str = VENUE) -> BookChanged:
    return BookChanged(venue, 1, 0, START_US, None, SYMBOL, ((bid, lots),), ((ask, lots),))


def a_gone_book(bid: int, ask: int, venue: str = VENUE) -> BookChanged:
    return a_book(bid, ask, lots=0, venue=venue)


def filled(order: Place, second: int, price: int = 9_000, lots: int | None = None) -> Traded:
    """The order took so many lots (none said: all of it)."""
    size = order.size if lots is None else lots
    return Traded(
        order.venue, second, 3, START_US + second * SECOND_US, None, order.symbol, price, size, order.account, 7,
        order.side, order.size - size, 0, OTHER, 8, 0, 0,
    )  # fmt: skip


def cancelled(order: Place, second: int, reason: CancelReason = CancelReason.IMMEDIATE) -> OrderCancelled:
    now_us = START_US + second * SECOND_US
    return OrderCancelled(
        order.venue, second, 3, now_us, None, order.account, order.client_id, 7, order.symbol, order.size, reason
    )


def refused(order: Place, second: int, reason: Reject) -> OrderRejected:
    now_us = START_US + second * SECOND_US
    return OrderRejected(order.venue, second, 3, now_us, None, order.account, order.client_id, order.symbol, reason)


def a_liquidation(second: int, account: int = ACCOUNT) -> LiquidationStarted:
    now_us = START_US + second * SECOND_US
    return LiquidationStarted(VENUE, second, 0, now_us, None, account, SYMBOL, 100, 9_000, 8_900, 1, 2)


def deleveraged(second: int, size: int, left: int, symbol: str = SYMBOL) -> PositionDeleveraged:
    """The account's position changed by so many lots, and `left` stayed."""
    now_us = START_US + second * SECOND_US
    return PositionDeleveraged(VENUE, second, 0, now_us, None, ACCOUNT, OTHER, symbol, size, 9_000, left, 1, 5, 5, 100)


def a_halt(second: int, venue: str = VENUE) -> TradingHalted:
    return TradingHalted(venue, second, 0, START_US + second * SECOND_US, None, "a test")


def a_resumption(second: int, venue: str = VENUE) -> TradingResumed:
    return TradingResumed(venue, second, 0, START_US + second * SECOND_US, None)
