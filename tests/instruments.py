"""Instruments that tests of the shell list: small, and all alike."""

from stream_engine.messages.instrument import IndexSource, Instrument, Tier

BTC = Instrument(
    symbol="BTC",
    tick_size="1",
    lot_size="0.001",
    tick_value=1_000,
    max_price=1_000_000,
    max_size=1_000_000,
    tiers=(Tier(0, 5_000),),
    sources=(IndexSource("spot", 1),),
)
