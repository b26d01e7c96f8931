"""Rules: what a venue may set about how it matches, liquidates, deleverages and stops. One section per mechanism.

A section is replaced as a whole by `SetRules`; its defaults are a plain venue: whatever can be off is off. Per-symbol
settings (tiers, fees, funding, index) are the instrument's. Units: ppm, micro-quote, microseconds.
"""

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from stream_engine.messages.units import MILLION, Count, Micros, Name, Ppm, Quote

SECOND_US = 1_000_000
EIGHT_HOURS_US = 8 * 3_600 * SECOND_US

Share = Annotated[int, Meta(ge=0, le=MILLION, description="a share, in parts per million")]
AtLeastZeroPpm = Annotated[int, Meta(ge=0, le=100 * MILLION, description="a ratio of 0 or more, in parts per million")]
Money = Annotated[int, Meta(ge=0, le=2**52, description="money of 0 or more, in micro-quote")]


class SelfTrade(Enum):
    """What happens where an order would trade with its own account."""

    CANCEL_MAKER = "cancel-maker"  # the resting one goes, the taker goes on
    CANCEL_TAKER = "cancel-taker"  # what is left of the taker goes
    CANCEL_BOTH = "cancel-both"


class LiquidationStep(Enum):
    """How much of a position one step of a liquidation takes."""

    WHOLE = "whole"
    TIER = "tier"  # down to the bound of the tier below, again and again while equity is below maintenance
    TWO_TIERS = "two-tiers"
    SHARE = "share"  # of a large position `share_ppm` first, and what is left as a whole


class LiquidationLimit(Enum):
    """The worst price of a liquidation order."""

    BANKRUPTCY = "bankruptcy"
    FILLABLE = "fillable"  # dYdX v4: index less the spread, which widens with the account's distress
    MARKET = "market"  # as far as a market order reaches


class FundPolicy(Enum):
    """What the insurance fund does with what the book does not take at the bankruptcy price."""

    COVER = "cover"  # the order trades on beyond it, the fund pays each difference
    TAKE_OVER = "take-over"  # the fund takes the position at that price, and unwinds it
    NONE = "none"  # nothing: what the book leaves is deleveraged (the fund still pays debts)


class Reference(Enum):
    """What the drawdown of a fund is measured against."""

    PEAK = "peak"  # its largest balance of the window
    AVERAGE = "average"  # its mean balance of the window


class AdlPolicy(Enum):
    """Who is deleveraged, and at what price; see the file of each name in core/adl."""

    BINANCE = "binance"
    BINANCE_V1 = "binance-v1"
    BYBIT = "bybit"
    BITMEX = "bitmex"
    OKX = "okx"
    HYPERLIQUID = "hyperliquid"
    DYDX = "dydx"
    PRO_RATA = "pro-rata"  # by wealth
    PRO_RATA_CONTRACTS = "pro-rata-contracts"
    CAPPED_PRO_RATA = "capped-pro-rata"
    RISK_AWARE = "risk-aware"
    HEDGE_AWARE = "hedge-aware"
    SOCIALISED = "socialised"  # by contracts
    SOCIALISED_PROFIT = "socialised-profit"


class OrderRules(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Order entry.

    self_trade   where the order does not say.
    rate_limit   orders, amends and quotes that an account may send per `rate_window_us`; 0: as many as it likes.
                 Cancels never count.
    """

    self_trade: SelfTrade = SelfTrade.CANCEL_MAKER
    rate_limit: Count = 0
    rate_window_us: Micros = SECOND_US


class LiquidationRules(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The waterfall's first steps. What of a fill better than the bankruptcy price goes to the fund, at most, is the
    instrument's `liquidation_fee_ppm`; the rest is the owner's.

    step                  how much at a time.
    share_ppm, share_above_quote, cooldown_us   with SHARE: of a position worth more, so much first; for so long after
                          it whatever is liquidated goes as a whole.
    limit                 how far the order goes into the book.
    spread_ppm, adjustment_ppm   with FILLABLE: dYdX's spread to maintenance (SMMR) and bankruptcy adjustment (BA).
    """

    step: LiquidationStep = LiquidationStep.WHOLE
    share_ppm: Share = 200_000
    share_above_quote: Money = 100_000 * MILLION
    cooldown_us: Micros = 30 * SECOND_US
    limit: LiquidationLimit = LiquidationLimit.BANKRUPTCY
    spread_ppm: AtLeastZeroPpm = 100_000
    adjustment_ppm: AtLeastZeroPpm = MILLION


class FundRules(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The insurance fund, for each of its pools (an instrument names its pool).

    policy              see FundPolicy.
                        (`fund_draw_ppm` and `cover_bound_ppm` of SetRules bound COVER.)
    position_limit_ppm  of the balance: the most that the inherited positions may be worth, with TAKE_OVER.
    unwind_ppm, unwind_within_ppm   with TAKE_OVER: of what was inherited at most so much goes back into the book per
                        clock tick, no further than so far from the mark.
    drawdown_on_ppm     loss of the window's reference, as a share of it, at which the fund no longer pays and what the
                        book leaves is deleveraged; 0: never.       drawdown_off_ppm   under it, it pays again.
    drawdown_window_us, drawdown_reference, drawdown_above_quote   only of a reference larger than that.
    """

    policy: FundPolicy = FundPolicy.COVER
    position_limit_ppm: AtLeastZeroPpm = MILLION
    unwind_ppm: Share = 100_000
    unwind_within_ppm: Share = 25_000
    drawdown_on_ppm: Share = 0
    drawdown_off_ppm: Share = 250_000
    drawdown_window_us: Micros = EIGHT_HOURS_US
    drawdown_reference: Reference = Reference.PEAK
    drawdown_above_quote: Money = 0


class BackstopRules(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Backstop vaults under the fund: an account whose equity is below this share of its maintenance goes to a vault,
    its whole cross portfolio with its margin (Hyperliquid: two thirds). 0: there is no vault.

    vaults   names of the pools that serve as vaults; `SeedFund` pays into them.
    unwind_ppm, unwind_within_ppm   as with the fund.
    """

    below_ppm: Share = 0
    vaults: tuple[Name, ...] = ()
    unwind_ppm: Share = 100_000
    unwind_within_ppm: Share = 25_000


class AdlRules(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Auto-deleveraging.

    policy              see AdlPolicy.
    cap_ppm             with CAPPED_PRO_RATA and RISK_AWARE: share of its profit that one winner gives at most.
    least_equity_quote  with both: what it keeps at least.
    near_empty_quote    with OKX: a fund at or under it: the price is the bankruptcy price, not the mark.
    """

    policy: AdlPolicy = AdlPolicy.BINANCE
    cap_ppm: Share = 500_000
    least_equity_quote: Money = 0
    near_empty_quote: Money = 0


class BreakerRules(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Circuit breakers; each is off at 0.

    price_band_ppm      an order priced farther from the mark, to the bad side, is refused (Binance PERCENT_PRICE).
    band_ppm            nothing trades farther from the reference, the mean mark of `band_window_us`. Where only that
                        would trade, the limit state begins; after `limit_state_us` of it the symbol pauses for
                        `pause_us`: orders collect, and a call auction reopens it. (LULD.)
    throttle_ppm        liquidations sell and buy at most this share of the volume of the last `throttle_window_us`,
                        and `throttle_least_quote` whatever was traded. The rest waits for a clock tick.
    divergence_ppm      liquidations of the symbol wait while last and index are farther apart, for longer than
                        `divergence_after_us`; at most `divergence_cap_us` at a time (0: as long as it takes).
    stall_us            liquidations of the symbol wait while the oldest outside source of its index is older, at most
                        `stall_cap_us` at a time (0: as long as it takes).
    The price band of orders holds at once; of the others what is set takes effect with the next clock tick.
    """

    price_band_ppm: AtLeastZeroPpm = 0
    band_ppm: AtLeastZeroPpm = 0
    band_window_us: Micros = 300 * SECOND_US
    limit_state_us: Micros = 15 * SECOND_US
    pause_us: Micros = 60 * SECOND_US
    throttle_ppm: AtLeastZeroPpm = 0
    throttle_window_us: Micros = 60 * SECOND_US
    throttle_least_quote: Money = 0
    divergence_ppm: AtLeastZeroPpm = 0
    divergence_after_us: Micros = 3 * SECOND_US
    divergence_cap_us: Micros = 120 * SECOND_US
    stall_us: Micros = 0
    stall_cap_us: Micros = 0


class Duty(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A tier of maker duty: share of the clock ticks of a period with a two-sided quote no wider than `spread_ppm` of
    the mid and no smaller than `size_quote` on either side; and what is asked for in declared stress."""

    name: Name
    presence_ppm: Share
    spread_ppm: Ppm
    size_quote: Money
    stress_presence_ppm: Share
    stress_spread_ppm: Ppm
    stress_size_quote: Money


class ObligationRules(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Obligations of market makers. `SetDuty` puts an account into a tier.

    period_us           how long presence is measured for before it is judged.
    clawback            the rebates of the period are taken back by the shortfall's share of the duty.
    tranche_cap_quote   what one failing maker pays at most per period, for its duty on one symbol, into the losses that
                        the fund left, before anybody is deleveraged; 0: no mutual tranche.
    public              each minute everybody is told how much of it each maker with a duty was there; where nobody has
                        one there is nothing to tell.
    """

    duties: tuple[Duty, ...] = ()
    period_us: Micros = 3_600 * SECOND_US
    clawback: bool = False
    tranche_cap_quote: Quote = 0
    public: bool = False
