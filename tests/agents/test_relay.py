"""The relay: another venue's last trade, told where an index or a mark looks at it."""

from msgspec.structs import replace

from producers.market_view import MarketView
from producers.relay import PriceRelay
from stream_engine.messages.events import TradePrinted
from stream_engine.messages.inputs import IndexPrices, Side
from stream_engine.messages.instrument import IndexSource
from tests.agents.stage import START_US, SYMBOL, VENUE, a_halt, a_resumption, an_instrument, hear

BETA = "beta"


def a_view_that_looks_at(venue: str, *sources: str, tick: str = "0.01") -> MarketView:
    own = replace(an_instrument(), tick_size=tick, sources=tuple(IndexSource(name, 1) for name in ("spot", *sources)))
    return MarketView(venue, {SYMBOL: own})


def a_relay(*sources: str, tick: str = "0.01") -> PriceRelay:
    """From beta to the first venue."""
    return PriceRelay({VENUE: a_view_that_looks_at(VENUE, *sources, tick=tick), BETA: a_view_that_looks_at(BETA)})


def a_trade(price: int, venue: str = BETA) -> TradePrinted:
    return TradePrinted(venue, 1, 0, START_US, None, SYMBOL, price, 5, Side.BUY)


def test_a_venue_is_told_the_last_trade_of_one_that_its_index_names() -> None:
    (told,) = hear(a_relay(BETA), 1, [a_trade(9_990), a_trade(9_995)])
    assert isinstance(told, IndexPrices)
    assert (told.venue, told.source, told.prices) == (VENUE, BETA, ((SYMBOL, 9_995),))


def test_the_perpetual_of_another_venue_is_told_under_the_name_that_marks_look_for() -> None:
    (told,) = hear(a_relay("perp-beta"), 1, [a_trade(9_990)])
    assert isinstance(told, IndexPrices) and told.source == "perp-beta"


def test_a_venue_that_looks_at_no_other_is_told_nothing() -> None:
    assert not hear(a_relay(), 1, [a_trade(9_990)])
    assert not hear(a_relay("gamma"), 1, [a_trade(9_990)])


def test_before_its_first_trade_a_venue_has_no_price_to_tell() -> None:
    assert not hear(a_relay(BETA), 1, [a_trade(9_990, venue=VENUE)])


def test_a_price_is_told_in_the_ticks_of_who_is_told() -> None:
    (told,) = hear(a_relay(BETA, tick="0.05"), 1, [a_trade(9_992)])
    assert isinstance(told, IndexPrices) and told.prices == ((SYMBOL, 1_998),)


def test_while_the_other_is_halted_its_price_is_not_told_and_grows_stale() -> None:
    relay = a_relay(BETA)
    assert hear(relay, 1, [a_trade(9_990)])
    assert not hear(relay, 2, [a_halt(2, venue=BETA)])
    assert not hear(relay, 3, [])
    assert hear(relay, 4, [a_resumption(4, venue=BETA)])
