"""Price bands: what is refused, where trading stops, and how liquidations wait for the limit state and the pause."""

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.state import dump, load
from stream_engine.messages.events import (
    AnyEvent,
    Breaker,
    BreakerReleased,
    BreakerTripped,
    CancelReason,
    LiquidationEnded,
    LiquidationStarted,
    OrderAccepted,
    OrderCancelled,
    PositionDeleveraged,
    QuoteAccepted,
    TradingPaused,
)
from stream_engine.messages.inputs import AnyInput, Place, SetRules, Trigger, TriggerKind
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import BreakerRules
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    SECOND,
    VENUE,
    amend,
    an_exchange,
    apply,
    book,
    buy,
    fund,
    halt,
    held,
    kinds,
    leg,
    mark,
    one,
    only,
    quote,
    reasons,
    resume,
    sell,
    spot,
    tick,
    trades,
    usd,
)

# 5 % about the mean mark of a minute; 2 s of limit state, 10 s of pause.
BAND = BreakerRules(band_ppm=50_000, band_window_us=60 * SECOND, limit_state_us=2 * SECOND, pause_us=10 * SECOND)


def banded(drawn: str = "", rules: BreakerRules = BAND, **more: object) -> Exchange:
    """BTC at 100: nothing trades below 95 or above 105."""
    exchange = an_exchange(drawn, rules=SetRules(VENUE, 0, breakers=rules), **more)  # type: ignore[arg-type]
    apply(exchange, tick(0))
    return exchange


def falling(drawn: str = "20 @ 90 |", **more: object) -> Exchange:
    """Alice is long 10 from 100 with 60 USDT; the bids are outside the band."""
    return banded(drawn, wallets={ALICE: 60}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)], **more)  # type: ignore[arg-type]


def on(exchange: Exchange) -> list[Breaker]:
    return list(exchange.state.markets["BTC"].waits)


# order prices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "refused"),
    [
        (buy(1, 104), False), (buy(1, 105), False), (buy(1, 106), True), (buy(1, 50), False),
        (sell(1, 96), False), (sell(1, 95), False), (sell(1, 94), True), (sell(1, 200), False),
    ],
)  # fmt: skip
def test_an_order_priced_farther_from_the_mark_to_the_bad_side_is_refused(order: Place, refused: bool) -> None:
    exchange = banded(rules=BreakerRules(price_band_ppm=50_000))
    assert reasons(apply(exchange, order)) == ([Reject.PRICE_OUT_OF_BAND] if refused else [])


def test_so_is_a_quote_with_one_such_level_as_a_whole() -> None:
    exchange = banded(rules=BreakerRules(price_band_ppm=50_000))
    assert reasons(apply(exchange, quote(1, [(99, 1)], [(101, 1), (102, 1)]))) == []
    assert reasons(apply(exchange, quote(2, [(106, 1), (99, 1)]))) == [Reject.PRICE_OUT_OF_BAND]
    assert book(exchange) == "1 @ 99 | 101 @ 1, 102 @ 1"


# the edges -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "traded"), [(104, ["1 @ 104"]), (105, ["1 @ 105"]), (106, [])])
def test_nothing_trades_beyond_the_edge(at: int, traded: list[str]) -> None:
    exchange = banded(f"| {at} @ 1")
    assert trades(apply(exchange, buy(1, 120, ioc=True))) == traded


def test_an_order_priced_beyond_the_edge_is_taken_at_the_edge_and_rests_there() -> None:
    exchange = banded("| 104 @ 1, 106 @ 5")
    events = apply(exchange, buy(3, 120, id="far"))
    assert one(events, OrderAccepted).price == 105
    assert (trades(events), book(exchange)) == (["1 @ 104"], "2 @ 105 | 106 @ 5")
    assert one(apply(exchange, buy(3, 120, id="far")), OrderAccepted).price == 105
    assert not reasons(apply(exchange, amend("far", at=130)))
    assert book(exchange) == "2 @ 105 | 106 @ 5"


def test_of_a_quotes_level_beyond_the_edge_nothing_rests_there() -> None:
    exchange = banded("| 104 @ 1")
    events = apply(exchange, quote(1, [(106, 3), (103, 2)], by=ALICE))
    assert trades(events) == ["1 @ 104"]
    assert one(events, QuoteAccepted).bids == ((103, 2),)


def test_the_reference_is_the_mean_mark_of_the_window_and_moves_with_the_clock() -> None:
    exchange = banded(rules=BreakerRules(band_ppm=50_000, band_window_us=3 * SECOND))
    apply(exchange, spot(BTC=110), tick(1), tick(2))
    band = exchange.state.markets["BTC"].band
    assert band is not None and (band.reference, band.lower, band.upper) == (107, 102, 112)
    apply(exchange, tick(3))
    assert band.reference == 110


def test_what_the_band_has_moved_away_from_is_cancelled() -> None:
    exchange = banded("4 @ 94, 1 @ 104 |", rules=BreakerRules(band_ppm=50_000, band_window_us=SECOND))
    apply(exchange, quote(1, [(103, 2), (80, 2)], by=CAROL), spot(BTC=90))
    events = apply(exchange, tick(1))
    assert one(events, OrderCancelled).reason is CancelReason.OUT_OF_BAND
    assert one(events, QuoteAccepted).bids == ((80, 2),)
    assert book(exchange) == "2 @ 80, 4 @ 94 |"


# the limit state and the pause -----------------------------------------------------------------------------


@pytest.mark.parametrize(("at", "begins"), [(96, False), (95, True), (94, True)])
def test_the_limit_state_begins_where_lots_are_left_at_the_edge(at: int, begins: bool) -> None:
    exchange = banded("| 105 @ 5")
    events = apply(exchange, sell(1, at))
    assert [event.breaker for event in only(events, BreakerTripped)] == ([Breaker.BAND] if begins else [])


def test_trading_goes_on_inside_the_band_and_a_price_inside_it_ends_the_limit_state_at_the_next_tick() -> None:
    exchange = banded()
    apply(exchange, sell(5, 90, by=BOB))
    assert trades(apply(exchange, buy(2, 95, by=CAROL))) == ["2 @ 95"]
    assert on(exchange) == [Breaker.BAND]
    apply(exchange, buy(4, 96, by=CAROL))
    assert book(exchange) == "1 @ 96 |"
    events = apply(exchange, tick(1))
    assert one(events, BreakerReleased).waited_us == SECOND and not on(exchange)


@pytest.mark.parametrize(("seconds", "paused"), [(1.9, False), (2.0, True), (2.1, True)])
def test_a_limit_state_that_lasts_pauses_the_symbol(seconds: float, paused: bool) -> None:
    exchange = banded()
    apply(exchange, sell(5, 90))
    events = apply(exchange, tick(seconds))
    assert bool(only(events, TradingPaused)) == paused
    if paused:
        said = one(events, TradingPaused)
        assert (said.reference, said.lower, said.upper) == (100, 95, 105)
        assert said.until_us == round(seconds * SECOND) + 10 * SECOND


def test_after_the_pause_the_band_begins_anew_from_the_price_of_the_call() -> None:
    exchange = banded()
    apply(exchange, sell(5, 90), tick(2), buy(5, 80, by=CAROL), sell(5, 80, by=BOB), tick(12))
    band = exchange.state.markets["BTC"].band
    assert band is not None and band.reference == 80 and not on(exchange)


def test_while_trading_is_halted_a_pause_goes_on() -> None:
    exchange = banded()
    apply(exchange, sell(5, 90), tick(2), halt())
    assert "TradingReopened" not in kinds(apply(exchange, tick(12), tick(13)))
    assert "TradingReopened" in kinds(apply(exchange, resume(), tick(14)))


def test_rules_without_a_band_reopen_the_symbol_with_the_next_clock_tick() -> None:
    exchange = banded()
    apply(exchange, sell(5, 90, by=BOB), tick(2), SetRules(VENUE, 0, breakers=BreakerRules()))
    assert "TradingReopened" in kinds(apply(exchange, tick(3)))
    assert trades(apply(exchange, buy(1, 120))) == ["1 @ 95"]


def test_a_trigger_that_is_reached_in_a_pause_waits_for_its_end() -> None:
    exchange = banded()
    stop = Place(VENUE, 0, DAVE, "stop", "BTC", sell(1).side, 1, trigger=Trigger(TriggerKind.STOP, 98))
    apply(exchange, stop, sell(5, 90), tick(2))
    assert "OrderTriggered" not in kinds(apply(exchange, spot(BTC=97), tick(3)))
    assert "OrderTriggered" in kinds(apply(exchange, tick(12)))


# liquidations ----------------------------------------------------------------------------------------------


def test_a_liquidation_takes_what_is_inside_the_band_and_the_rest_waits_without_fund_and_deleveraging() -> None:
    exchange = falling("20 @ 90, 4 @ 96 |", fund=1_000)
    events = apply(exchange, spot(BTC=93))
    ended = one(events, LiquidationEnded)
    assert (ended.book, ended.fund, ended.adl, ended.left) == (4, 0, 0, 6)
    assert one(events, BreakerTripped).breaker is Breaker.BAND and held(exchange, ALICE) == 6
    assert not only(apply(exchange, spot(BTC=91), spot(BTC=90)), LiquidationStarted)


def test_it_goes_on_at_the_tick_at_which_a_price_is_inside_the_band_again() -> None:
    exchange = falling()
    apply(exchange, spot(BTC=93), buy(10, 95, by=CAROL))
    assert held(exchange, ALICE) == 10
    apply(exchange, tick(1))
    assert held(exchange, ALICE) == 0 and held(exchange, CAROL) == 10


def test_prices_inside_that_liquidations_eat_at_once_do_not_begin_the_limit_state_anew() -> None:
    exchange = falling()
    apply(exchange, spot(BTC=93), buy(1, 95, by=CAROL))
    assert not only(apply(exchange, tick(1), buy(1, 95, by=CAROL)), TradingPaused)
    apply(exchange, tick(1.9))
    assert held(exchange, ALICE) == 8
    assert only(apply(exchange, tick(2)), TradingPaused)


def test_after_the_pause_what_is_left_goes_on_to_deleveraging_and_the_event_says_what_the_delay_cost() -> None:
    exchange = falling("")
    apply(exchange, spot(BTC=93), tick(2), spot(BTC=90))
    assert held(exchange, ALICE) == 10
    events = apply(exchange, tick(12))
    done = one(events, BreakerReleased)
    assert (done.breaker, done.accounts, done.waited_us) == (Breaker.BAND, 1, 12 * SECOND)
    assert (done.shortfall_before, done.shortfall_after) == (usd(10), usd(40))
    assert only(events, PositionDeleveraged) and held(exchange, ALICE) == 0 and fund(exchange) == 0


def test_where_the_fund_has_nothing_left_and_the_bankruptcy_price_is_inside_the_band_nobody_waits() -> None:
    exchange = falling("", rules=BreakerRules(band_ppm=70_000))
    events = apply(exchange, spot(BTC=96))
    assert one(events, LiquidationEnded).bankruptcy_price == 94 and mark(exchange) == 96
    assert only(events, PositionDeleveraged) and not on(exchange)


def test_a_venue_that_is_loaded_in_a_pause_goes_on_exactly() -> None:
    exchange = falling()
    told: list[AnyInput] = [spot(BTC=93), tick(2), buy(3, 97, by=CAROL), sell(2, 94, by=MM, id="s")]
    apply(exchange, *told)
    again = load(dump(exchange))
    later: list[AnyEvent] = []
    for received in (buy(1, id="m"), tick(5), tick(12), tick(13)):
        answered = exchange.apply(received)
        assert again.apply(received) == answered
        later += answered
    assert "AuctionUncrossed" in kinds(later)


@pytest.mark.parametrize(
    "rules",
    [
        BreakerRules(band_ppm=1_000_000),
        BreakerRules(band_ppm=1, band_window_us=SECOND - 1),
        BreakerRules(band_ppm=1, pause_us=0),
    ],
)
def test_a_band_that_contradicts_itself_is_refused(rules: BreakerRules) -> None:
    assert reasons(apply(an_exchange(), SetRules(VENUE, 0, breakers=rules))) == [Reject.BAD_RULES]
