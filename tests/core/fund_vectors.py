"""Worked numbers of funds, vaults and liquidation fees, each through the function that the exchange itself calls."""

import re
from fractions import Fraction
from typing import Any

from stream_engine.core.accounts import Standing
from stream_engine.core.backstop import is_due
from stream_engine.core.drawdown import beyond_the_line, line, ratio_ppm, sets_it_off, sets_it_on
from stream_engine.core.emitter import Emitter
from stream_engine.core.insurance_fund import InsuranceFund
from stream_engine.messages.events import FundReason
from stream_engine.messages.units import MILLION

Inputs = dict[str, Any]

LINE_PPM = 300_000  # of Bybit and OKX
TWO_THIRDS_PPM = 666_667


def drawdown_of_a_symbol(inputs: Inputs, quantity: str) -> list[Any]:
    """Bybit: the ratio, whether it sets deleveraging off, and (where asked) what of the loss is not the fund's."""
    change, peak = _micro(inputs["sym_pnl"]) - _micro(inputs["sym_max"]), _micro(inputs["pool_peak"])
    ratio = Fraction(ratio_ppm(change, peak), MILLION)
    found: list[Any] = [ratio, sets_it_on(change, peak, LINE_PPM)]
    if "amount" in quantity.lower():
        found.append(Fraction(beyond_the_line(change, peak, LINE_PPM), MILLION))
    return found


def drawdown_is_over(inputs: Inputs, quantity: str) -> list[bool]:
    """Bybit: whether deleveraging stops at each of these ratios."""
    return [sets_it_off(_micro(ratio), MILLION, -_micro(inputs["stop"])) for ratio in inputs["pnlRatio"]]


def threshold_of_a_reserve(inputs: Inputs, quantity: str) -> list[Any]:
    """OKX: the reserve at which deleveraging begins, and whether this one is there."""
    reference, reserve = _micro(inputs["avg"]), _micro(inputs["reserve"])
    threshold = Fraction(line(reference, LINE_PPM), MILLION)
    return [threshold, sets_it_on(reserve - reference, reference, LINE_PPM)]


def vault_is_due(inputs: Inputs, quantity: str) -> list[bool]:
    """Hyperliquid: whether a vault takes an account with each of these equities."""
    maintenance = _micro(inputs["mm"])
    return [is_due(Standing(_micro(equity), maintenance), TWO_THIRDS_PPM) for equity in inputs["equity"]]


def balance_after_flows(inputs: Inputs, quantity: str) -> Fraction:
    """What a vault has after the flows that the quantity tells: `a - b + PnL c + deposit d = e`."""
    out, vault = Emitter("test"), InsuranceFund("vault")
    out.begin(0)
    vault.change(out, None, _micro(inputs["start"]), FundReason.SEEDED, None, None)
    told = quantity.split(":", 1)[-1].split("=")[0]
    for sign, number in re.findall(r"([+-])[^\d+-]*([\d,.]*\d)", told):
        flow = _micro(number.replace(",", "")) * (1 if sign == "+" else -1)
        vault.change(out, None, flow, FundReason.UNWOUND, None, None)
    return Fraction(vault.balance, MILLION)


def _micro(number: object) -> int:
    return round(Fraction(str(number)) * MILLION)
