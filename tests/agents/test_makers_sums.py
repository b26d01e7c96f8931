"""What enters a maker's sum beside the flow: protection, duties and what they save, gaps that pay better, halts."""

from collections.abc import Callable, Iterable, Sequence

import pytest

from producers.labels import Arbitrage, Protection, ReEntry, Withdrawal
from producers.market_maker import JUDGED_EVERY_S, Benefits, MarketMaker, Mode
from producers.quoting import Crowding
from producers.shocks import SECOND_US, OutsidePath
from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    PresencePublished,
    ProtectionTriggered,
    TradePrinted,
    TradingHalted,
    TradingPaused,
    TradingReopened,
    TradingResumed,
)
from stream_engine.messages.inputs import Input, MassQuote, Place, QuoteCancel, SetProtection, Side, TimeInForce
from tests.agents.stage import (
    ACCOUNT,
    START_US,
    SYMBOL,
    VENUE,
    a_desk,
    a_fill,
    a_maker,
    a_path,
    an_outside,
    hear,
    play,
    quotes,
    the_market,
)

CALM = a_path(an_outside((0, 100.0)))
A_FALL = a_path(an_outside((0, 100.0), (300, 100.0), (2_700, 88.0), (3_300, 88.0), noise=1.0))
FALLEN = a_path(an_outside((0, 100.0), (60, 95.0)))
CROWDING = Crowding(volatility_bp=1.0, memory_s=1e9)
SIDE = 250_000  # USDT of one side of a desk with half of the normal depth
BOLD = {"accepts_pct": 1e6, "loss_budget_pct": 1e6, "gap_pct": 1e6}


def stage(
    maker: MarketMaker, path: OutsidePath, seconds: Iterable[int], also: Callable[[int], Sequence[AnyEvent]],
    gap: float = 0.0,
) -> dict[int, Sequence[Input]]:  # fmt: skip
    """As `play`, with further events at each second."""
    return {at: hear(maker, at, [*the_market(path, at, gap=gap), *also(at)]) for at in seconds}


def left_at(maker: MarketMaker) -> int | None:
    return next((_second(label) for label in maker.labels if isinstance(label, Withdrawal)), None)


def _second(label: Withdrawal | ReEntry | Arbitrage | Protection) -> int:
    return (label.ts_us - START_US) // SECOND_US


def lots(levels: Iterable[tuple[int, int]]) -> int:
    return sum(size for _, size in levels)


# protection ---------------------------------------------------------------------------------------------------


def triggered(second: int, frozen_s: int = 5) -> ProtectionTriggered:
    now_us = START_US + second * SECOND_US
    return ProtectionTriggered(VENUE, second, 3, now_us, None, ACCOUNT, SYMBOL, 1, 1, now_us + frozen_s * SECOND_US)


def test_it_asks_for_protection_once_before_its_first_quote_in_multiples_of_its_side() -> None:
    sent = play(a_maker(a_desk(protection=0.5)), CALM, range(600))
    asked = [(at, each) for at, inputs in sent.items() for each in inputs if isinstance(each, SetProtection)]
    ((at, protection),) = asked
    assert (at, protection.quantity, protection.delta) == (0, SIDE // 2, 0)  # a lot is worth one USDT
    assert [type(each) for each in sent[0]] == [SetProtection, MassQuote]


@pytest.mark.parametrize(("protection", "mode"), [(0.0, Mode.INDEPENDENT), (0.5, Mode.STAY)])
def test_who_has_none_and_who_is_made_to_stay_asks_for_no_protection(protection: float, mode: Mode) -> None:
    sent = play(a_maker(a_desk(protection=protection), mode=mode), CALM, range(10))
    assert not [each for inputs in sent.values() for each in inputs if isinstance(each, SetProtection)]


def test_once_its_protection_has_taken_its_quote_it_waits_and_comes_back_with_half_its_size() -> None:
    maker = a_maker(a_desk(protection=0.5, ramp_s=300.0))
    before = quotes(play(maker, CALM, range(100)).values())[-1]
    hear(maker, 100, [*the_market(CALM, 100), triggered(99)])
    sent = play(maker, CALM, range(101, 1_000))
    again = {at: quotes([inputs]) for at, inputs in sent.items() if quotes([inputs])}
    first = min(again)
    assert first == 104
    assert lots(again[first][0].bids) == pytest.approx(0.5 * lots(before.bids), rel=0.1)
    assert lots(again[max(again)][0].bids) >= 0.75 * lots(before.bids)
    assert not [each for inputs in sent.values() for each in inputs if isinstance(each, SetProtection)]


def test_a_protection_that_triggered_is_told_as_that_and_is_no_withdrawal() -> None:
    maker = a_maker(a_desk(protection=0.5))
    play(maker, CALM, range(100))
    hear(maker, 100, [*the_market(CALM, 100), triggered(99)])
    play(maker, CALM, range(101, 200))
    (told,) = [label for label in maker.labels if isinstance(label, Protection)]
    assert told.to_us == START_US + 104 * SECOND_US
    assert left_at(maker) is None


# duties -------------------------------------------------------------------------------------------------------

DUTY = Benefits(duty_usdt=50_000.0, duty_spread=0.006)


def keeps(quote: MassQuote, mid: int = 10_000) -> bool:
    """Whether both sides have the duty's size within half of its spread of the mid price."""
    half = mid * DUTY.duty_spread / 2
    near = [[level for level in side if abs(level[0] - mid) <= half + 1] for side in (quote.bids, quote.asks)]
    return all(sum(price * size * 1e-4 for price, size in side) >= DUTY.duty_usdt for side in near)


def mid_of(path: OutsidePath, second: int) -> int:
    return round(path.prices(START_US + second * SECOND_US)[SYMBOL] * 100)


@pytest.mark.parametrize(("accepts_pct", "kept"), [(1e-4, False), (1e6, True)])
def test_under_strain_a_duty_is_kept_no_longer_though_it_still_quotes(accepts_pct: float, kept: bool) -> None:
    maker = a_maker(a_desk(accepts_pct=accepts_pct, hold_s=3_600), DUTY)
    sent = play(maker, A_FALL, range(1_500))
    last = max(at for at, inputs in sent.items() if quotes([inputs]))
    assert left_at(maker) is None
    assert keeps(quotes([sent[last]])[0], mid_of(A_FALL, last)) is kept


# what leaving would cost ----------------------------------------------------------------------------------------


def everybody_is_there(second: int) -> list[AnyEvent]:
    return [PresencePublished(VENUE, second, 9, START_US + second * SECOND_US, None, SYMBOL, (("MM2", 0),))]


def left_in_the_fall(benefits: Benefits | None = None, also: Callable[[int], Sequence[AnyEvent]] | None = None,
                     reputation_bp: float = 0.0) -> int:  # fmt: skip
    maker = a_maker(a_desk(), benefits, crowding=CROWDING, reputation_bp=reputation_bp)
    stage(maker, A_FALL, range(3_600), also or (lambda second: ()))
    return left_at(maker) or 3_600


def test_who_would_pay_into_losses_if_absent_stays_longer() -> None:
    none, small, large = (left_in_the_fall(Benefits(tranche_usdt=usdt)) for usdt in (0.0, 20_000.0, 200_000.0))
    assert none < small < large


def test_where_presence_is_public_a_name_to_lose_makes_it_stay_longer() -> None:
    nameless, named = (left_in_the_fall(also=everybody_is_there, reputation_bp=bp) for bp in (0.0, 400.0))
    assert nameless < named


def test_where_presence_is_not_public_a_name_weighs_nothing() -> None:
    assert left_in_the_fall(reputation_bp=400.0) == left_in_the_fall()


def test_rebates_that_would_be_clawed_back_make_it_stay_longer() -> None:
    def fills(second: int) -> list[AnyEvent]:
        both = (a_fill(second, 200, 10_000, account_buys=buys) for buys in (True, False))
        return list(both) if second < 300 else []

    kept, clawed = (
        left_in_the_fall(Benefits(rebate=5e-4, clawback=clawback), also=fills) for clawback in (False, True)
    )
    assert kept < clawed


def test_who_sees_that_the_others_are_there_fears_less_to_be_the_last() -> None:
    def presence(ppm: int) -> Callable[[int], Sequence[AnyEvent]]:
        return lambda second: [
            PresencePublished(VENUE, second, 9, START_US + second * SECOND_US, None, SYMBOL, (("MM2", ppm),))
        ]

    assert left_in_the_fall(also=presence(0)) < left_in_the_fall(also=presence(1_000_000))


# arbitrage ----------------------------------------------------------------------------------------------------


def a_book(second: int, bid: int, ask: int) -> BookChanged:
    return BookChanged(VENUE, second, 8, START_US + second * SECOND_US, None, SYMBOL, ((bid, 10**6),), ((ask, 10**6),))


@pytest.mark.parametrize(("gap", "leaves"), [(0.002, False), (0.003, False), (0.004, True), (-0.004, True)])
def test_a_gap_that_pays_more_than_quoting_does_makes_it_take_the_gap_instead(gap: float, leaves: bool) -> None:
    maker = a_maker(a_desk(**BOLD, hold_s=30, arbitrage_bp=30.0), crowding=CROWDING)
    play(maker, FALLEN, range(60))
    play(maker, FALLEN, range(60, 200), gap=gap)
    told = [label for label in maker.labels if isinstance(label, Withdrawal | Arbitrage)]
    assert [(type(label), label.reason) for label in told[:1]] == ([(Withdrawal, "arbitrage")] if leaves else [])
    if leaves:
        assert isinstance(told[1], Arbitrage) and told[1].against == "spot"
        assert told[1].ts_us == told[0].ts_us


def test_where_flow_that_comes_both_ways_pays_better_the_same_gap_is_left_alone() -> None:
    def busy(second: int) -> list[AnyEvent]:
        at = (VENUE, second, 7, START_US + second * SECOND_US, None, SYMBOL, 10_000)
        return [TradePrinted(*at, 20_000, side) for side in (Side.BUY, Side.SELL)]

    maker = a_maker(a_desk(**BOLD, hold_s=30), crowding=CROWDING)
    stage(maker, FALLEN, range(60), busy)
    stage(maker, FALLEN, range(60, 400), busy, gap=0.004)
    assert left_at(maker) is None


@pytest.mark.parametrize(
    ("bid", "ask", "side"),
    [(9_400, 9_480, None), (9_400, 9_460, Side.BUY), (9_520, 9_600, None), (9_540, 9_600, Side.SELL)],
)
def test_who_arbitrages_takes_what_lies_beyond_its_cost_from_the_outside_price_and_rests_nothing(
    bid: int, ask: int, side: Side | None
) -> None:
    maker = an_arbitrageur()
    sent = hear(maker, 200, [*the_market(FALLEN, 200, gap=0.01), a_book(200, bid, ask)])
    orders = [each for each in sent if isinstance(each, Place)]
    assert [order.side for order in orders] == ([side] if side else [])
    for order in orders:
        assert order.time_in_force is TimeInForce.IOC and order.price is not None
        cost = 9_500 * 30e-4
        assert order.price <= 9_500 - cost + 1 if side is Side.BUY else order.price >= 9_500 + cost - 1


@pytest.mark.parametrize(("held", "buys"), [(5 * SIDE, True), (7 * SIDE, False)])
def test_who_arbitrages_buys_no_more_than_its_inventory_may_be(held: int, buys: bool) -> None:
    maker = an_arbitrageur()
    fill = a_fill(200, held, 9_500, account_buys=True)
    sent = hear(maker, 200, [*the_market(FALLEN, 200, gap=-0.01), a_book(200, 9_300, 9_400), fill])
    assert bool([each for each in sent if isinstance(each, Place)]) is buys


def an_arbitrageur() -> MarketMaker:
    """A maker that has begun to arbitrage, in a market where its outside price stands at 95."""
    maker = a_maker(a_desk(**BOLD, hold_s=30, hedge_s=1e9, inventory_limit=6.0), crowding=CROWDING)
    play(maker, FALLEN, range(60))
    play(maker, FALLEN, range(60, 200), gap=0.01)
    assert isinstance(maker.labels[-1], Arbitrage)
    return maker


# halts and pauses ---------------------------------------------------------------------------------------------

AT = (VENUE, 1, 0, START_US, None)
STOPS: list[tuple[AnyEvent, AnyEvent]] = [
    (TradingHalted(*AT, "incident"), TradingResumed(*AT)),
    (TradingPaused(*AT, SYMBOL, 10_000, 9_500, 10_500, START_US), TradingReopened(*AT, SYMBOL, 0)),
]


@pytest.mark.parametrize(("stops", "goes_on"), STOPS, ids=["halted", "paused"])
def test_while_nothing_trades_it_neither_quotes_nor_leaves_and_quotes_anew_once_it_does(
    stops: AnyEvent, goes_on: AnyEvent
) -> None:
    moving = a_path(an_outside((0, 100.0), (100, 100.0), (700, 99.0)))
    maker = a_maker()
    play(maker, moving, range(100))
    hear(maker, 100, [*the_market(moving, 100), stops])
    sent = play(maker, moving, range(101, 700))
    assert not [each for inputs in sent.values() for each in inputs if isinstance(each, MassQuote | QuoteCancel)]
    assert left_at(maker) is None
    at_once = hear(maker, 700, [*the_market(moving, 700), goes_on])
    after = play(maker, moving, range(701, 701 + JUDGED_EVERY_S))
    assert quotes([at_once, *after.values()])[0].bids[0][0] < 9_900


def test_a_dead_feed_makes_it_take_its_quotes_away_also_while_nothing_trades() -> None:
    dead = a_path(an_outside((0, 100.0), faults=[(120, 600)]))
    maker = a_maker(a_desk(feed_age_s=5))
    play(maker, dead, range(100))
    hear(maker, 100, [*the_market(dead, 100), STOPS[0][0]])
    sent = play(maker, dead, range(101, 140))
    assert [at for at, inputs in sent.items() if any(isinstance(each, QuoteCancel) for each in inputs)] == [125]


# several venues -----------------------------------------------------------------------------------------------


def test_a_firm_leaves_the_venue_whose_price_is_off_and_widens_on_the_other() -> None:
    maker = a_maker(a_desk(gap_pct=4.0, hold_s=30), venues=(VENUE, "beta"))
    made: dict[str, list[MassQuote]] = {VENUE: [], "beta": []}
    for at in range(200):
        off = -0.05 if at >= 100 else 0.0
        sent = hear(maker, at, [*the_market(CALM, at), *the_market(CALM, at, gap=off, venue="beta")])
        for quote in quotes([sent]):
            made[quote.venue].append(quote)
    assert [(label.venue, label.reason) for label in maker.labels if isinstance(label, Withdrawal)] == [("beta", "gap")]
    first, last = made[VENUE][0], made[VENUE][-1]
    assert last.asks[0][0] - last.bids[0][0] > 2 * (first.asks[0][0] - first.bids[0][0])


def test_on_a_venue_whose_feed_is_dead_a_firm_quotes_no_longer_though_it_hears_the_price_elsewhere() -> None:
    dead = a_path(an_outside((0, 100.0), faults=[(100, 200)]))
    maker = a_maker(a_desk(feed_age_s=5), venues=(VENUE, "beta"))
    for at in range(150):
        hear(maker, at, [*the_market(CALM, at), *the_market(dead, at, venue="beta")])
    assert [(label.venue, label.reason) for label in maker.labels if isinstance(label, Withdrawal)] == [
        ("beta", "feed")
    ]
