"""Instrument: what one perpetual contract is, and how its integers become decimals.

One lot gains `tick_value` micro-quote per tick, an integer of 1 or more, so PnL never rounds.
The listing travels on `control` and again on `market`, so whoever reads the topics can convert.
"""

from decimal import Decimal, InvalidOperation, Overflow

from msgspec import Struct

from stream_engine.messages.units import MILLION, WIRE_MAX, Count, Lots, Micros, Name, Ppm, Quote, Ticks


class Tier(Struct, frozen=True, gc=False, array_like=True):
    """One step of the maintenance table: up to `bound` of notional the rate applies (the last bound is 0: no end), and
    a position may be opened at `max_leverage` at most (0: the instrument's)."""

    bound: Quote
    rate_ppm: Ppm
    max_leverage: Count = 0


class IndexSource(Struct, frozen=True, gc=False, array_like=True):
    """Weight of one source in the index. The source `own` is the venue's own last trade; `perp`... are other venues'
    perpetuals, which only a mark of the kind "hyperliquid" looks at."""

    name: Name
    weight: Count


OWN_TRADES = "own"
PERPETUALS = "perp"  # how the name of a source begins that is another venue's perpetual
MAIN_POOL = "main"
MARKS = ("median", "index", "fair", "moving-average", "hyperliquid")


class Instrument(Struct, frozen=True, gc=False, kw_only=True):
    """A linear perpetual, margined and settled in USDT.

    tick_size, lot_size   decimal strings: USDT per tick of one coin, coins per lot.
    tick_value            micro-quote that one lot gains per tick = tick_size * lot_size * 1e6.
    price_step            orders are priced at multiples of this many ticks (marks use every tick).
    max_price, max_size   largest price, largest order and position; their notional stays below 2^53 micro-quote. Prices
                          are 1 to `max_price`: beyond it an order is refused, and beyond 2^53 it is no input at all.
    tiers                 maintenance: convex and continuous, deductions follow (WATCH formulas).
    market_bound_ppm      a market order reaches at most this far from the mark.
    mark                  "median" of P1, P2 and last; "index"; "fair": P1; "moving-average": P2, no farther than
                          `mark_bound_ppm` from the index; "hyperliquid": its median of three.
    basis_*               P2 = index + mean of (mid - index) over the samples of the window.
    stale_after_us        a source silent for longer is left out of the index.
    index_clamp_ppm       a source farther from the median of the fresh ones counts as if it were that far; 0: off.
    funding_interval_us   positions pay funding at its multiples; 0: none.
    interest_ppm, funding_damp_ppm, funding_cap_ppm   of one interval: rate = premium + clamp(interest - premium, damp),
                          between cap and minus cap.
    liquidation_fee_ppm   of a liquidation's fill, what the fund gets at most of what it fills better than the
                          bankruptcy price; 1,000,000: all.
    fund_pool             the pool of the insurance fund that stands behind it.
    max_open_interest     lots; 0: no limit. What opens more is refused.
    """

    symbol: Name
    tick_size: str
    lot_size: str
    tick_value: Quote
    price_step: Ticks = 1
    max_price: Ticks
    max_size: Lots
    tiers: tuple[Tier, ...]
    max_leverage: Count = 50
    default_leverage: Count = 20
    maker_fee_ppm: Ppm = 200
    taker_fee_ppm: Ppm = 500
    market_bound_ppm: Ppm = 300_000
    sources: tuple[IndexSource, ...]
    stale_after_us: Micros = 5_000_000
    mark: Name = "median"
    basis_every_us: Micros = 5_000_000
    basis_window_us: Micros = 150_000_000
    mark_bound_ppm: Ppm = 0
    index_clamp_ppm: Ppm = 0
    funding_interval_us: Micros = 0
    interest_ppm: Ppm = 100
    funding_damp_ppm: Ppm = 500
    funding_cap_ppm: Ppm = 7_500
    liquidation_fee_ppm: Ppm = MILLION
    fund_pool: Name = MAIN_POOL
    max_open_interest: Lots = 0


def tick_value_of(instrument: Instrument) -> int | None:
    """tick_size * lot_size in micro-quote; None where they are no decimals above 0, or their product is not whole
    or larger than the wire carries."""
    try:
        tick, lot = Decimal(instrument.tick_size), Decimal(instrument.lot_size)
        value = tick * lot * MILLION
        fits = tick > 0 and lot > 0 and value <= WIRE_MAX and value == value.to_integral_value()
    except (InvalidOperation, Overflow):
        return None
    return int(value) if fits else None


def price_of(instrument: Instrument, ticks: int) -> Decimal:
    """Ticks as a price in USDT of one coin."""
    return ticks * Decimal(instrument.tick_size)


def size_of(instrument: Instrument, lots: int) -> Decimal:
    """Lots as a number of coins."""
    return lots * Decimal(instrument.lot_size)


def money_of(micro_quote: int) -> Decimal:
    """Micro-quote as USDT."""
    return Decimal(micro_quote) / MILLION


def ticks_of(instrument: Instrument, price: Decimal) -> int:
    """A price in USDT as ticks; refuses one that lies between two ticks."""
    return _whole(price / Decimal(instrument.tick_size), f"{price} is no multiple of the tick {instrument.tick_size}")


def lots_of(instrument: Instrument, coins: Decimal) -> int:
    """A number of coins as lots; refuses one that lies between two lots."""
    return _whole(coins / Decimal(instrument.lot_size), f"{coins} is no multiple of the lot {instrument.lot_size}")


def _whole(value: Decimal, complaint: str) -> int:
    if value != int(value):
        raise ValueError(complaint)
    return int(value)
