"""The exchange's formulas once more, as fractions: written down from the rules, rounded only where a rule says so.

It imports nothing of ours but the vocabulary, so that an error of the core cannot come in here as well.
"""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

from stream_engine.messages.instrument import PERPETUALS, Instrument, Tier, tick_value_of
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import MILLION, WIRE_MAX

HALF = Fraction(1, 2)


def nearest(value: Fraction) -> int:
    """The nearest integer; a half goes up."""
    return floor(value + HALF)


def part_of(value: int, ppm: int) -> Fraction:
    """So many millionths of a value."""
    return Fraction(value * ppm, MILLION)


def initial_rate_ppm(leverage: int) -> int:
    """The rate of initial margin at a leverage, rounded up to a whole ppm."""
    return ceil(Fraction(MILLION, leverage))


def initial_margin(notional: int, leverage: int, tiers: tuple[Tier, ...]) -> int:
    """Initial margin in micro-quote, rounded up, and no less than maintenance."""
    return max(ceil(part_of(notional, initial_rate_ppm(leverage))), maintenance_margin(notional, tiers))


def maintenance_margin(notional: int, tiers: tuple[Tier, ...]) -> int:
    """Each slice of the notional at the rate of the tier in which it lies; the sum is rounded up."""
    margin = Fraction(0)
    lower = 0
    for tier in tiers:
        upper = tier.bound or notional
        if notional > lower:
            margin += part_of(min(notional, upper) - lower, tier.rate_ppm)
        lower = upper
    return ceil(margin)


def leverage_allowed(notional: int, instrument: Instrument) -> int:
    """The highest leverage at which a position may be so large: that of the tier where its notional lies."""
    tier = next(tier for tier in instrument.tiers if not tier.bound or notional <= tier.bound)
    return tier.max_leverage or instrument.max_leverage


def bankruptcy_price(size: int, mark: int, equity: int, own: int, total: int, tick_value: int) -> int:
    """The price at which closing leaves nothing of the position's share (own / total) of the account's equity.

    Rounded to the side that leaves dust: a long's up, a short's down.
    """
    share = Fraction(equity * own, total)
    price = mark - share / (size * tick_value)
    return ceil(price) if size > 0 else floor(price)


def median_of_three(prices: Iterable[int]) -> int:
    """The middle one."""
    return sorted(prices)[1]


def first_of(reasons: Iterable[Reject]) -> Reject | None:
    """Of all the reasons that apply, the one that is looked for first."""
    found = set(reasons)
    return next((reason for reason in Reject if reason in found), None)


def is_bad(instrument: Instrument) -> bool:
    """Whether a listing contradicts itself."""
    expected = tick_value_of(instrument)
    at_least_one = (
        instrument.price_step,
        instrument.max_price,
        instrument.max_size,
        instrument.max_leverage,
        instrument.default_leverage,
        instrument.stale_after_us,
        instrument.basis_every_us,
        instrument.basis_window_us,
    )
    names = [source.name for source in instrument.sources]
    fees = (instrument.maker_fee_ppm, instrument.taker_fee_ppm)
    return (
        expected is None
        or expected < 1
        or expected != instrument.tick_value
        or min(at_least_one) < 1
        or instrument.max_price * instrument.max_size * instrument.tick_value > WIRE_MAX
        or instrument.default_leverage > instrument.max_leverage
        or instrument.taker_fee_ppm < 0
        or sum(fees) < 0
        or max(fees) >= MILLION
        or instrument.market_bound_ppm < 0
        or instrument.mark not in ("median", "index", "fair", "moving-average", "hyperliquid")
        or not (instrument.mark == "moving-average") <= instrument.mark_bound_ppm < MILLION
        or 0 < instrument.funding_interval_us < 1_000_000
        or not -MILLION <= instrument.interest_ppm <= MILLION
        or not 0 <= instrument.funding_damp_ppm <= MILLION
        or not 0 <= instrument.funding_cap_ppm <= MILLION
        or len(set(names)) < len(names)
        or sum(source.weight for source in instrument.sources if not source.name.startswith(PERPETUALS)) == 0
        or not 0 <= instrument.index_clamp_ppm < MILLION
        or _is_bad_table(instrument.tiers)
        or _has_bad_leverages(instrument)
        or instrument.max_open_interest < 0
        or instrument.tiers[0].rate_ppm > initial_rate_ppm(instrument.max_leverage)
    )


def _has_bad_leverages(instrument: Instrument) -> bool:
    """From tier to tier it may not rise, and none may be above what the tier's rate carries."""
    if not any(tier.max_leverage for tier in instrument.tiers):
        return False
    leverages = [instrument.max_leverage, *(tier.max_leverage or instrument.max_leverage for tier in instrument.tiers)]
    if leverages != sorted(leverages, reverse=True) or leverages[-1] < 1 or instrument.default_leverage > leverages[1]:
        return True
    rates = [initial_rate_ppm(leverage) for leverage in leverages[1:]]
    return any(tier.rate_ppm > rate for tier, rate in zip(instrument.tiers, rates, strict=True))


def _is_bad_table(tiers: tuple[Tier, ...]) -> bool:
    if not tiers:
        return True
    bounds = [0, *(tier.bound for tier in tiers[:-1])]
    rates = [0, *(tier.rate_ppm for tier in tiers), MILLION]
    return tiers[-1].bound != 0 or bounds != sorted(set(bounds)) or rates != sorted(set(rates))
