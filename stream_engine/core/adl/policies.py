"""Policies: every way to deleverage that a venue may choose, by its name in the rules."""

from stream_engine.core.adl import (
    binance,
    binance_v1,
    bitmex,
    bybit,
    capped_pro_rata,
    dydx,
    hedge_aware,
    hyperliquid,
    okx,
    pro_rata,
    pro_rata_contracts,
    risk_aware,
    socialised,
    socialised_profit,
)
from stream_engine.core.adl.policy import Policy
from stream_engine.messages.rules import AdlPolicy

POLICIES: dict[AdlPolicy, Policy] = {
    AdlPolicy.BINANCE: binance.POLICY,
    AdlPolicy.BINANCE_V1: binance_v1.POLICY,
    AdlPolicy.BYBIT: bybit.POLICY,
    AdlPolicy.BITMEX: bitmex.POLICY,
    AdlPolicy.OKX: okx.POLICY,
    AdlPolicy.HYPERLIQUID: hyperliquid.POLICY,
    AdlPolicy.DYDX: dydx.POLICY,
    AdlPolicy.PRO_RATA: pro_rata.POLICY,
    AdlPolicy.PRO_RATA_CONTRACTS: pro_rata_contracts.POLICY,
    AdlPolicy.CAPPED_PRO_RATA: capped_pro_rata.POLICY,
    AdlPolicy.RISK_AWARE: risk_aware.POLICY,
    AdlPolicy.HEDGE_AWARE: hedge_aware.POLICY,
    AdlPolicy.SOCIALISED: socialised.POLICY,
    AdlPolicy.SOCIALISED_PROFIT: socialised_profit.POLICY,
}
