"""Worked numbers of deleveraging, each through the policies' own functions; `test_vectors.py` says which case is which.

Units     10^-12 of whatever a case counts in, so that roundings stay far below any tolerance. The older Binance form
          counts a wallet as 1 USDT at least: there the units are micro-quote, as in the exchange.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from stream_engine.core.adl import binance, binance_v1, bitmex, dydx, hyperliquid
from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, measured
from stream_engine.core.adl.lights import LIGHTS, by_quantity
from stream_engine.core.adl.policy import Asked
from stream_engine.core.adl.shares import in_full, in_proportion
from stream_engine.core.insurance_fund import fund_flow
from stream_engine.core.margin import bankruptcy_price, maintenance_table
from stream_engine.core.position import Position, fill
from stream_engine.core.water_filling import water_level
from stream_engine.messages.instrument import Tier
from stream_engine.messages.rules import AdlRules
from stream_engine.messages.units import MILLION
from tests.core.candidates import Ranked, candidate
from tests.core.rulebook import BOB, an_exchange

Inputs = dict[str, Any]

UNIT = 10**12
# Of the dYdX cases that name no market: BTC at its oracle price, with 20 % of initial and 10 % of maintenance margin.
ORACLE, INITIAL_PPM, MAINTENANCE_PPM = 50_000, 200_000, 100_000


def units(number: object, unit: int = UNIT) -> int:
    """A number of a case in units."""
    return round(Fraction(Decimal(str(number))) * unit)


# rank ------------------------------------------------------------------------------------------------------


def binance_score(inputs: Inputs, quantity: str) -> Fraction:
    """Binance's present rank, from notional, unrealised PnL and wallet or equity."""
    pnl = units(inputs["upnl"])
    equity = units(inputs["wallet"]) + pnl if "wallet" in inputs else units(inputs["equity"])
    return Fraction(binance.score(pnl, equity, units(inputs["notional"])), SCORE_UNIT)


def binance_leveraged_pnl(inputs: Inputs, quantity: str) -> list[Fraction]:
    """Binance's older rank: PnlPercent and LeveragePnl."""
    pnl, wallet = units(inputs["upnl"], MILLION), units(inputs["wallet"], MILLION)
    equity = wallet + pnl
    maintenance = round(Fraction(Decimal(str(inputs["marginRatio"]))) * equity)
    found = (binance_v1.pnl_percent(pnl, wallet), binance_v1.leveraged_pnl(pnl, wallet, maintenance, equity))
    return [Fraction(score, SCORE_UNIT) for score in found]


def bitmex_score(inputs: Inputs, quantity: str) -> Fraction:
    """BitMEX's rank of one contract; a short is bankrupt above the mark."""
    mark, entry, bankrupt = (units(inputs[name]) for name in ("mark", "entry", "bankrupt"))
    sign = -1 if bankrupt > mark else 1
    return Fraction(bitmex.score(sign * (mark - entry), entry, mark, (sign * (mark - bankrupt), 1)), SCORE_UNIT)


def hyperliquid_index(inputs: Inputs, quantity: str) -> Fraction:
    """Hyperliquid's index, from mark, entry, notional and account value."""
    sign = -1 if "short" in quantity.lower() else 1
    entry_value = Fraction(Decimal(str(inputs["notional"]))) * units(inputs["entry"]) / units(inputs["mark"])
    score = hyperliquid.score(sign, units(inputs["notional"]), round(entry_value * UNIT), units(inputs["account"]))
    return Fraction(score, SCORE_UNIT)


# price and lights ------------------------------------------------------------------------------------------


def cost_against_the_mark(inputs: Inputs, quantity: str) -> Fraction:
    """What the winners of a block of deleveraging lost to the price against the mark."""
    flow = fund_flow(1, units(inputs["qty"]), units(inputs["px"]), units(inputs["mark"]), 1)
    return Fraction(flow, UNIT * UNIT)


def queue_told(inputs: Inputs, quantity: str) -> Ranked:
    """Accounts with (quantity, rank), the highest rank first, or in the order that the case tells."""
    told = re.search(r"order ([\d, ]+)", quantity)
    names = re.findall(r"\d+", told.group(1)) if told else sorted(inputs, key=lambda name: -int(inputs[name][1]))
    return Ranked(candidate(int(name), -units(inputs[name][0])) for name in names)


def bitmex_percentiles(inputs: Inputs, quantity: str) -> list[Fraction]:
    """The bucket of each account in the order of the queue: 20 is the first fifth, with five lights."""
    queue = queue_told(inputs, quantity)
    return [Fraction(100 * (LIGHTS + 1 - by_quantity(each, queue)), LIGHTS) for each in queue]


def contracts_closed(inputs: Inputs, quantity: str) -> list[Fraction]:
    """What each account of the queue is closed by, of so many bankrupt contracts; who is not closed is left out."""
    bankrupt = re.search(r"bankrupt ([\d.]+)", quantity)
    assert bankrupt is not None, quantity
    given = in_full(queue_told(inputs, quantity), asked(units(bankrupt.group(1)), 0))
    return [Fraction(lots, UNIT) for _, lots in given]


def no_queue_is_told(inputs: Inputs, quantity: str) -> str | None:
    """Why a case of BitMEX's queue is none."""
    is_one = all(name.isdigit() and len(account) == 2 for name, account in inputs.items())
    return None if is_one else "no test knows this queue"


def is_inverse(inputs: Inputs, quantity: str) -> str | None:
    """Why a case of a coin-margined contract is not run."""
    return "outside: inverse contracts" if "inverse" in quantity.lower() else None


# share -----------------------------------------------------------------------------------------------------


def asked(lots: int, loss_per_lot: int) -> Asked:
    """So many lots, of a side that no market stands behind."""
    return Asked(lots, loss_per_lot, {}, AdlRules())


def dydx_quote_after_deleveraging(inputs: Inputs, quantity: str) -> Fraction:
    """The quote balance of the account that a bankrupt position is closed against; it may be skipped."""
    exchange = an_exchange(marks={"BTC": 1})
    market = exchange.state.markets["BTC"]
    market.mark, market.tick_value, market.table = ORACLE * UNIT, 1, maintenance_table((Tier(0, MAINTENANCE_PPM),))
    bankrupt, offset = inputs["bankrupt"], inputs["offset"]
    size = units(bankrupt["BTC"])
    equity = units(bankrupt["usdc"], UNIT * UNIT) + size * market.mark
    price = bankruptcy_price(size, market.mark, equity, 1, 1, 1)
    account = exchange.state.accounts[BOB]
    account.wallet = units(offset["usdc"], UNIT * UNIT)
    position = account.positions["BTC"] = Position(BOB, "BTC", INITIAL_PPM, 5, size=units(offset["BTC"]))
    winner = measured(account, position, exchange.state.markets, None)
    loss = fund_flow(size, 1, price, market.mark, 1)
    for _, lots in dydx.share(Ranked([winner]), Asked(abs(size), loss, exchange.state.markets, AdlRules())):
        account.wallet += fill(position, lots if size > 0 else -lots, price, 1)
    return Fraction(account.wallet - position.cost, UNIT * UNIT)


def queue_haircuts(inputs: Inputs, quantity: str) -> list[Fraction]:
    """Haircuts of a queue, closed in full, and what each has left; in the order told, or by profit to equity."""
    winners = _winners(inputs)
    told = re.search(r"order ([\d, ]+)", quantity)
    if told:
        ranked = [winners[int(number) - 1] for number in re.findall(r"\d+", told.group(1))]
    else:
        ranked = sorted(winners, key=lambda each: (-Fraction(each.pnl, each.equity), each.account.number))
    return _haircuts(winners, in_full(ranked, asked(units(inputs["B"]), 1)))


def pro_rata_haircuts(inputs: Inputs, quantity: str) -> list[Fraction]:
    """The common haircut, what each gives of the profit, and what each has left."""
    winners = _winners(inputs)
    profits = [each.pnl for each in winners]
    level = water_level(profits, profits, units(inputs["B"]))
    given = in_proportion(Ranked(winners), asked(units(inputs["B"]), 1))
    return [Fraction(*level), *_haircuts(winners, given)]


def capped_level(inputs: Inputs, quantity: str) -> Fraction:
    """The level eta of capped pro-rata."""
    profits = [units(profit) for profit in inputs["w"]]
    caps = [units(cap) * profit // UNIT for cap, profit in zip(inputs["caps"], profits, strict=True)]
    return Fraction(*water_level(profits, caps, units(inputs["B"])))


def contracts_in_proportion(inputs: Inputs, quantity: str) -> list[Fraction]:
    """Whole contracts of each."""
    holders = [candidate(number, -lots, score=lots) for number, lots in enumerate(inputs["q"], 1)]
    lots_of = {each.account.number: lots for each, lots in in_proportion(Ranked(holders), asked(inputs["Q"], 0))}
    return [Fraction(lots_of.get(each.account.number, 0)) for each in holders]


def _winners(inputs: Inputs) -> list[Candidate]:
    """Accounts with a profit w and an equity e; a lot is a unit of profit, and each loses a unit."""
    pairs = zip(inputs["w"], inputs["e"], strict=True)
    return [
        candidate(number, -units(profit), equity=units(equity), pnl=units(profit), score=units(profit))
        for number, (profit, equity) in enumerate(pairs, 1)
    ]


def _haircuts(winners: Sequence[Candidate], given: Iterable[tuple[Candidate, int]]) -> list[Fraction]:
    lots_of = {each.account.number: lots for each, lots in given}
    haircuts = [lots_of.get(each.account.number, 0) for each in winners]
    left = [each.equity - haircut for each, haircut in zip(winners, haircuts, strict=True)]
    return [Fraction(number, UNIT) for number in (*haircuts, *left)]
