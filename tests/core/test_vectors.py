"""Worked numbers from the venues' documents, each through the function that the exchange itself calls.

The data is `vectors.json` of LIQSTORM_TEST_DATA. A case is recognised by its venue, the words of its quantity and
the names of its inputs, never by its id, so that other cases in the same form can be run. What this exchange does not
compute is not run: one test lists it, with the reason, and a quantity that nobody knows is listed as such.

Units     the functions take integers of any unit that fit together: here 10^-12 USDT a tick and 10^-12 coins a lot,
          so that a lot gains one unit of money (10^-24 USDT) per tick and roundings stay far below any tolerance.
"""

import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from stream_engine.core.accounts import Account, Standing, is_liquidatable
from stream_engine.core.insurance_fund import fund_flow, to_fund
from stream_engine.core.liquidation_order import fillable_price
from stream_engine.core.margin import (
    MaintenanceTable,
    bankruptcy_price,
    long_falls_below,
    maintenance_margin,
    maintenance_table,
    short_falls_below,
)
from stream_engine.core.mark_price import hyperliquid_mark, touch_price, weighted_median
from stream_engine.core.order_book import Order, OrderBook
from stream_engine.core.position import Position, notional, unrealised
from stream_engine.messages.instrument import Tier
from stream_engine.messages.rules import LiquidationRules
from stream_engine.messages.units import MILLION
from tests.conftest import data_path
from tests.core import adl_vectors as adl
from tests.core import fund_vectors as fund
from tests.core.rulebook import an_exchange

FILE = "vectors.json"
TICK = LOT = 10**12  # ticks in a USDT, lots in a coin
MONEY = TICK * LOT  # units of money in a USDT
TICK_VALUE = 1
QUOTE_QUANTUM = MILLION  # dYdX counts quote in 10^-6 USDC
ORACLE, DYDX_RATE = 50_000, "0.1"  # of the dYdX cases that name no market data: BTC and its maintenance rate
TOP_RATE_PPM = 1  # the rate below the first bound of a table made to give one deduction

Vector = dict[str, Any]
Inputs = dict[str, Any]


class NotRun(UserWarning):
    """Cases that were not run, and why."""


# dYdX v4 ---------------------------------------------------------------------------------------------------


def dydx_bankruptcy_quote(inputs: Inputs, quantity: str) -> Fraction:
    """What the whole or a part of a position changes hands for at its bankruptcy price, rounded up to the quantum."""
    price = _dydx_bankruptcy_price(inputs, inputs["close"])
    quote = -_integer(inputs["delta"], LOT) * price
    return Fraction(-(-quote * QUOTE_QUANTUM // MONEY), QUOTE_QUANTUM)


def dydx_fillable_price(inputs: Inputs, quantity: str) -> Fraction:
    """The limit of the liquidation order."""
    symbol = inputs["close"]
    marks, held, weights, equity = _dydx_account(inputs)
    rules = LiquidationRules(spread_ppm=_ppm(inputs["spreadToMMR"]), adjustment_ppm=_ppm(inputs["bankruptcyAdj"]))
    figures = Standing(equity, sum(weights.values()))
    price = fillable_price(held[symbol].size, marks[symbol], figures, weights[symbol], rules, TICK_VALUE)
    return Fraction(price, TICK)


def dydx_fund_delta(inputs: Inputs, quantity: str) -> Fraction:
    """What the fill of a liquidation order brings the fund: a surplus as far as the fee goes."""
    (symbol,) = inputs["positions"]
    lots = _integer(inputs["delta"], LOT)
    fill_price = _integer(inputs["fill_px"], TICK)
    flow = fund_flow(-lots, abs(lots), fill_price, _dydx_bankruptcy_price(inputs, symbol), TICK_VALUE)
    fee_ppm = _integer(inputs["max_fee"], MILLION)
    return Fraction(to_fund(flow, abs(lots) * fill_price * TICK_VALUE, fee_ppm), MONEY)


def dydx_fee_and_rest(inputs: Inputs, quantity: str) -> list[Fraction]:
    """What a liquidation of the whole position brings the fund, and what it leaves its owner."""
    size, fill_price = _integer(inputs["BTC"], LOT), _integer(inputs["fill_px"], TICK)
    equity = _integer(inputs["usdc"], MONEY) + size * ORACLE * TICK * TICK_VALUE
    price = bankruptcy_price(size, ORACLE * TICK, equity, 1, 1, TICK_VALUE)
    flow = fund_flow(size, abs(size), fill_price, price, TICK_VALUE)
    fee = to_fund(flow, abs(size) * fill_price * TICK_VALUE, _integer(inputs["max_fee"], MILLION))
    left = _integer(inputs["usdc"], MONEY) + size * fill_price * TICK_VALUE - fee
    return [Fraction(fee, MONEY), Fraction(left, MONEY)]


def dydx_liquidatable(inputs: Inputs, quantity: str) -> bool:
    """Whether an account with a quote balance and one position is liquidatable."""
    exchange = an_exchange(marks={"BTC": 1})
    market = exchange.state.markets["BTC"]
    market.mark, market.tick_value, market.table = ORACLE * TICK, TICK_VALUE, _flat(DYDX_RATE)
    account = Account(1, "carl", wallet=_integer(inputs["usdc"], MONEY))
    account.positions["BTC"] = Position(1, "BTC", 0, 0, size=_integer(inputs["BTC"], LOT))
    return is_liquidatable(account, exchange.state.markets)


def _dydx_bankruptcy_price(inputs: Inputs, symbol: str) -> int:
    marks, held, weights, equity = _dydx_account(inputs)
    total = sum(weights.values())
    return bankruptcy_price(held[symbol].size, marks[symbol], equity, weights[symbol], total, TICK_VALUE)


def _dydx_account(inputs: Inputs) -> tuple[dict[str, int], dict[str, Position], dict[str, int], int]:
    """Marks, positions, the maintenance of each, and the equity of all."""
    table = _flat(inputs["mmr"])
    marks = {name: _integer(price, TICK) for name, price in inputs["oracle"].items()}
    held = {name: Position(1, name, 0, 0, size=_integer(size, LOT)) for name, size in inputs["positions"].items()}
    weights = {
        name: maintenance_margin(notional(position, marks[name], TICK_VALUE), table) for name, position in held.items()
    }
    equity = _integer(inputs["usdc"], MONEY) + sum(
        unrealised(position, marks[name], TICK_VALUE) for name, position in held.items()
    )
    return marks, held, weights, equity


# liquidation and bankruptcy prices of a position that stands alone, or beside others ----------------------


def liquidation_price_of_wallet(inputs: Inputs, quantity: str) -> Fraction:
    """Binance: wallet, size, entry, rate and deduction."""
    wallet, size = _integer(inputs["WB"], MONEY), _side(inputs, quantity) * abs(_integer(inputs["q"], LOT))
    return _liquidation_price(wallet, size, inputs["EP"], _table(inputs["MMR"], inputs["cum"]))


def liquidation_price_of_leverage(inputs: Inputs, quantity: str) -> Fraction:
    """The wallet is the initial margin of the position at its entry."""
    size = _side(inputs, quantity) * abs(_integer(inputs["q"], LOT))
    wallet = int(_decimal(inputs["EP"]) * abs(size) * TICK / _decimal(inputs["L"]))
    return _liquidation_price(wallet, size, inputs["EP"], _table(inputs["MMR"], inputs.get("cum", 0)))


def liquidation_price_in_cross(inputs: Inputs, quantity: str) -> Fraction:
    """Binance: the position without a mark, beside others at their marks."""
    legs = [leg for name, leg in inputs.items() if name != "WB"]
    (wanted,) = (leg for leg in legs if "mark" not in leg)
    cushion = _integer(inputs["WB"], MONEY)
    for leg in legs:
        if leg is not wanted:
            size, mark = _leg_size(leg), _integer(leg["mark"], TICK)
            position = Position(1, "other", 0, 0, size=size, cost=size * _integer(leg["EP"], TICK))
            table = _table(leg["mmr"], leg["cum"])
            cushion += unrealised(position, mark, TICK_VALUE)
            cushion -= maintenance_margin(notional(position, mark, TICK_VALUE), table)
    return _liquidation_price(cushion, _leg_size(wanted), wanted["EP"], _table(wanted["mmr"], wanted["cum"]))


def liquidation_price_with_fee(inputs: Inputs, quantity: str) -> Fraction:
    """OKX and Gate count the fee of closing into maintenance: it is a part of the table's rate."""
    size = _side(inputs, quantity) * abs(_integer(inputs["q"], LOT))
    wallet = int(_decimal(inputs["EP"]) * abs(size) * TICK / _decimal(inputs["L"]))
    rate = _decimal(inputs["MMR"]) + _decimal(inputs["fee"])
    return _liquidation_price(wallet, size, inputs["EP"], _table(rate, inputs.get("cum", 0)))


def bybit_liquidation_price(inputs: Inputs, quantity: str) -> Fraction:
    """Bybit's is where a position that stands alone has used up its initial margin but for the maintenance of its entry
    value: the bankruptcy price of that much margin. (This exchange liquidates by the maintenance of the value at the
    mark, as the others do.)"""
    size, entry = _side(inputs, quantity) * LOT, _integer(inputs["EP"], TICK)
    value = abs(size) * entry
    margin = int(Fraction(value) / Fraction(_decimal(inputs["L"]))) - maintenance_margin(value, _flat(inputs["MMR"]))
    return Fraction(bankruptcy_price(size, entry, margin, 1, 1, TICK_VALUE), TICK)


def hyperliquid_liquidation_price(inputs: Inputs, quantity: str) -> Fraction:
    """From the margin of a position at the present price; the rate is one over the maintenance leverage."""
    size = _side(inputs, quantity) * abs(_integer(inputs["size"], LOT))
    table = _flat(Fraction(1) / Fraction(_decimal(inputs["maint_lev"])))
    return _liquidation_price(_integer(inputs["margin"], MONEY), size, inputs["price"], table)


def hyperliquid_maintenance(inputs: Inputs, quantity: str) -> Fraction:
    """Tiers as the quantity tells them: `1.25% to 150M, 2.5% above`."""
    tiers_told = _TWO_TIERS.search(quantity)
    assert tiers_told is not None, quantity
    first, bound, second = tiers_told.groups()
    tiers = (Tier(int(bound) * MILLION * MONEY, int(Decimal(first) * 10_000)), Tier(0, int(Decimal(second) * 10_000)))
    return Fraction(maintenance_margin(_integer(inputs["notional"], MONEY), maintenance_table(tiers)), MONEY)


def bybit_bankruptcy_price(inputs: Inputs, quantity: str) -> Fraction:
    """A position that stands alone with its initial margin, at its entry."""
    size, entry = _side(inputs, quantity) * LOT, _integer(inputs["EP"], TICK)
    margin = int(Fraction(abs(size) * entry) / Fraction(_decimal(inputs["L"])))
    return Fraction(bankruptcy_price(size, entry, margin, 1, 1, TICK_VALUE), TICK)


def _liquidation_price(wallet: int, size: int, entry: object, table: MaintenanceTable) -> Fraction:
    falls_below = long_falls_below if size > 0 else short_falls_below
    return Fraction(falls_below(-wallet, size * _integer(entry, TICK), abs(size) * TICK_VALUE, table), TICK)


def _leg_size(leg: Inputs) -> int:
    return _side(leg, "long") * abs(_integer(leg["q"], LOT))


# fund, ADL, book -------------------------------------------------------------------------------------------


def bybit_fund_flow(inputs: Inputs, quantity: str) -> list[str]:
    """Who pays for a fill on the wrong, or the right, side of each bankruptcy price."""
    said = {-1: "fund pays", 0: "nobody pays", 1: "fund receives"}
    flows = [_flow(inputs["fill"], bankruptcy, quantity) for bankruptcy in inputs["bk"]]
    return [said[(flow > 0) - (flow < 0)] for flow in flows]


def bitmex_fund_flow(inputs: Inputs, quantity: str) -> list[Fraction]:
    """What each fill brings the fund per contract."""
    return [_flow(fill_price, inputs["bk"], quantity) for fill_price in inputs["fills"]]


def sweep_of_the_book(inputs: Inputs, quantity: str) -> list[Fraction]:
    """Cost and average price of a market order."""
    levels, sign = (inputs["asks"], 1) if "asks" in inputs else (inputs["bids"], -1)
    side = OrderBook().opposite(sign)
    for number, (price, size) in enumerate(levels):
        side.rest(Order(number, 1, "", "BTC", -sign, _integer(price, TICK), _integer(size, LOT)))
    lots, value = side.sweep(side.key(0) + sign * 10**30, _integer(inputs["q"], LOT), account=2)
    return [Fraction(value, MONEY), Fraction(value, lots * TICK)]


def hyperliquid_mark_of_three(inputs: Inputs, quantity: str) -> Fraction:
    """From the oracle and the mean basis, the book and the last trade, and the median of other venues' perpetuals."""
    book = OrderBook()
    for number, (side, key) in enumerate(((book.bids, "bid"), (book.asks, "ask"))):
        side.rest(Order(number, 1, "", "BTC", side.sign, _integer(inputs[key], TICK), 1))
    touch = touch_price(book, _integer(inputs["last"], TICK))
    others = weighted_median([(_integer(inputs["cex"], TICK), 1)])
    with_basis = _integer(inputs["oracle"], TICK) + _integer(inputs["ema"], TICK)
    return Fraction(hyperliquid_mark(with_basis, touch, others, None), TICK)


def _flow(fill_price: object, bankruptcy: object, quantity: str) -> Fraction:
    size = _side({}, quantity) * LOT
    flow = fund_flow(size, LOT, _integer(fill_price, TICK), _integer(bankruptcy, TICK), TICK_VALUE)
    return Fraction(flow, MONEY)


# which case is which ---------------------------------------------------------------------------------------


def _tiers_are_not_told(inputs: Inputs, quantity: str) -> str | None:
    return None if _TWO_TIERS.search(quantity) else "no test knows these tiers"


def _legs_are_strange(inputs: Inputs, quantity: str) -> str | None:
    legs = [leg for name, leg in inputs.items() if name != "WB"]
    if not all(isinstance(leg, dict) and {"q", "EP", "mmr", "cum"} <= set(leg) for leg in legs):
        return "no test knows these positions"
    if sum("mark" not in leg for leg in legs) != 1:
        return "no test knows which position is meant"
    return None


_TWO_TIERS = re.compile(r"([\d.]+)\s*% to (\d+)M, ([\d.]+)\s*% above")


@dataclass(frozen=True)
class Known:
    """A quantity of a venue: the words it is called by, the inputs it needs and may have, and who answers.

    `unless` says why a case of it is not run after all.
    `printed`: the numbers are as somebody's screen showed them, rounded to their last digit, whatever the tolerance.
    """

    venue: str
    words: str
    needs: set[str]
    answer: Callable[[Inputs, str], Any]
    may_have: frozenset[str] = frozenset()
    unless: Callable[[Inputs, str], str | None] = lambda inputs, quantity: None
    printed: bool = False

    def fits(self, vector: Vector) -> bool:
        given = set(vector["inputs"])
        quantity = vector["quantity"].lower()
        named = vector["venue"].startswith(self.venue) and all(word in quantity for word in self.words.split())
        return named and self.needs <= given and (given <= self.needs | self.may_have or "*" in self.may_have)


SIDE = frozenset({"side"})
MARKET = {"usdc", "positions", "delta", "oracle", "mmr"}
KNOWN = (
    Known("dYdX", "bankruptcy quote", MARKET | {"close"}, dydx_bankruptcy_quote),
    Known("dYdX", "insurance fund", MARKET | {"fill_px", "max_fee"}, dydx_fund_delta),
    Known("dYdX", "liquidation fee", {"usdc", "BTC", "fill_px", "max_fee"}, dydx_fee_and_rest),
    Known("dYdX", "liquidatable", {"usdc", "BTC"}, dydx_liquidatable),
    Known("dYdX", "", {"bankrupt", "offset"}, adl.dydx_quote_after_deleveraging),
    Known(
        "Binance", "liq price", {"WB", "cum", "q", "EP", "MMR"}, liquidation_price_of_wallet, SIDE
    ),
    Known(
        "Binance", "liq price", {"L", "EP", "q", "MMR"}, liquidation_price_of_leverage, SIDE | {"cum"},
    ),
    Known("Binance", "liq price cross", {"WB"}, liquidation_price_in_cross, frozenset("*"), _legs_are_strange),
    Known("Binance", "score", {"notional", "upnl", "wallet"}, adl.binance_score),
    Known("Binance", "score", {"notional", "upnl", "equity"}, adl.binance_score),
    Known("Binance", "leveragepnl", {"upnl", "wallet", "marginRatio"}, adl.binance_leveraged_pnl, printed=True),
    Known("BitMEX", "rank", {"mark", "entry", "bankrupt"}, adl.bitmex_score, SIDE, adl.is_inverse),
    Known("BitMEX", "percentile", set(), adl.bitmex_percentiles, frozenset("*"), adl.no_queue_is_told),
    Known("BitMEX", "contracts closed", set(), adl.contracts_closed, frozenset("*"), adl.no_queue_is_told),
    Known("Hyperliquid", "adl index", {"mark", "entry", "notional", "account"}, adl.hyperliquid_index, SIDE),
    Known("Hyperliquid", "adl block", {"px", "mark", "qty"}, adl.cost_against_the_mark),
    Known("paper", "queue haircut", {"w", "B", "e"}, adl.queue_haircuts),
    Known("paper", "pro-rata haircut", {"w", "B", "e"}, adl.pro_rata_haircuts),
    Known("paper", "capped pro-rata", {"w", "caps", "B"}, adl.capped_level),
    Known("paper", "contract pro-rata", {"Q", "q"}, adl.contracts_in_proportion),
    Known("dYdX", "fillable", MARKET - {"delta"} | {"close", "bankruptcyAdj", "spreadToMMR"}, dydx_fillable_price),
    Known("OKX", "liq price", {"L", "EP", "q", "MMR", "fee"}, liquidation_price_with_fee, SIDE | {"cum"}),
    Known("Gate", "liq price", {"L", "EP", "q", "MMR", "fee"}, liquidation_price_with_fee, SIDE | {"cum"}),
    Known("Bybit", "liq price", {"L", "EP", "MMR"}, bybit_liquidation_price, SIDE),
    Known("Bybit", "bankruptcy price usdt", {"EP", "L"}, bybit_bankruptcy_price, SIDE),
    Known("Bybit", "pnlratio", {"pool_peak", "sym_pnl", "sym_max"}, fund.drawdown_of_a_symbol),
    Known("Bybit", "stop condition", {"pnlRatio", "stop"}, fund.drawdown_is_over),
    Known("OKX", "fund threshold", {"avg", "reserve"}, fund.threshold_of_a_reserve),
    Known("Hyperliquid", "backstop", {"mm", "equity"}, fund.vault_is_due),
    Known("Hyperliquid", "deposit", {"start"}, fund.balance_after_flows),
    Known("Bybit", "fund flow", {"fill", "bk"}, bybit_fund_flow),
    Known("BitMEX", "fund change", {"bk", "fills"}, bitmex_fund_flow),
    Known(
        "Hyperliquid", "liq price", {"price", "size", "margin", "maint_lev"}, hyperliquid_liquidation_price, SIDE,
    ),
    Known("Hyperliquid", "maintenance margin", {"notional"}, hyperliquid_maintenance, unless=_tiers_are_not_told),
    Known("Hyperliquid", "mark", {"oracle", "ema", "bid", "ask", "last", "cex"}, hyperliquid_mark_of_three),
    Known("paper", "market", {"asks", "q"}, sweep_of_the_book),
    Known("paper", "market", {"bids", "q"}, sweep_of_the_book),
)  # fmt: skip

# (venue, words of the quantity, why it is not run); the first that fits.
NOT_HERE = (
    ("", "inverse", "outside: inverse contracts"),
    ("Drift", "", "outside: Drift's partial liquidation and socialised losses"),
)


def known_as(vector: Vector) -> Known | None:
    """The quantity of a case, where it is one of ours and the case can be run."""
    if why_not(vector) is not None:
        return None
    return next(known for known in KNOWN if known.fits(vector))


def why_not(vector: Vector) -> str | None:
    """Why a case is not run; None: it is."""
    quantity = vector["quantity"].lower()
    for known in KNOWN:
        if known.fits(vector):
            return known.unless(vector["inputs"], vector["quantity"])
    for venue, words, reason in NOT_HERE:
        if vector["venue"].startswith(venue) and words in quantity:
            return reason
    return "no test knows this quantity"


def agrees(found: Any, expected: Any, rel_tol: float) -> bool:
    """Equal, or as near as the case asks."""
    if isinstance(expected, list):
        return len(found) == len(expected) and all(
            agrees(one, other, rel_tol) for one, other in zip(found, expected, strict=True)
        )
    if isinstance(expected, bool | str):
        return bool(found == expected)
    wanted = Fraction(_decimal(expected))
    return bool(abs(found - wanted) <= Fraction(_decimal(rel_tol)) * abs(wanted))


def printed(found: Fraction, expected: object) -> Fraction:
    """The number with as many decimals as the expected one has."""
    decimals = -int(_decimal(expected).as_tuple().exponent)
    return round(found, max(0, decimals))


def vectors() -> list[Vector]:
    path = data_path(FILE)
    return json.loads(path.read_text())["vectors"] if path.is_file() else []


def _decimal(number: object) -> Decimal:
    return Decimal(str(number))


def _integer(number: object, unit: int) -> int:
    return round(Fraction(_decimal(number)) * unit)


def _side(inputs: Inputs, quantity: str) -> int:
    if "side" in inputs:
        return int(inputs["side"])
    size = _decimal(inputs.get("q", inputs.get("size", 1)))
    return -1 if size < 0 or "short" in quantity.lower().split(" with ")[0] else 1


def _ppm(rate: object) -> Any:
    """A rate in ppm: whole where it is, else a fraction, which the functions take as well."""
    ppm = (rate if isinstance(rate, Fraction) else Fraction(_decimal(rate))) * MILLION
    return int(ppm) if ppm.denominator == 1 else ppm


def _flat(rate: object) -> MaintenanceTable:
    return maintenance_table((Tier(0, _ppm(rate)),))


def _table(rate: object, deduction: object) -> MaintenanceTable:
    """The table whose last tier has this rate and this deduction; below its bound next to nothing is required."""
    if not deduction:
        return _flat(rate)
    rate_ppm = _ppm(rate)
    bound = _integer(deduction, MONEY) * MILLION // (rate_ppm - TOP_RATE_PPM)
    return maintenance_table((Tier(bound, TOP_RATE_PPM), Tier(0, rate_ppm)))


# the tests -------------------------------------------------------------------------------------------------

RUN = [vector for vector in vectors() if why_not(vector) is None]


@pytest.mark.data
@pytest.mark.parametrize("vector", RUN or [{}], ids=lambda vector: vector.get("id", "none"))
def test_the_number_is_the_venues(vector: Vector) -> None:
    known = known_as(vector)
    assert known is not None
    found = known.answer(vector["inputs"], vector["quantity"])
    expected = vector["expected"]
    if known.printed:
        found = [printed(one, other) for one, other in zip(found, expected, strict=True)]
    assert agrees(found, expected, vector["rel_tol"]), (vector["quantity"], found, expected)


@pytest.mark.data
def test_what_is_not_run_is_listed_with_its_reason_and_every_case_is_one_or_the_other() -> None:
    not_run: dict[str, list[str]] = {}
    for vector in vectors():
        reason = why_not(vector)
        if reason is not None:
            not_run.setdefault(reason, []).append(vector["id"])
    for reason, ids in sorted(not_run.items()):
        warnings.warn(NotRun(f"{FILE}: {', '.join(ids)}: {reason}"), stacklevel=1)
    assert RUN and len(RUN) + sum(len(ids) for ids in not_run.values()) == len(vectors())


A_CASE: Vector = {
    "id": "X",
    "venue": "Bybit",
    "quantity": "bankruptcy price USDT long",
    "inputs": {"EP": 100, "L": 10},
    "expected": 90,
    "rel_tol": 1e-6,
}


def test_a_case_of_a_quantity_that_is_known_is_run_whatever_its_id_and_its_numbers() -> None:
    known = known_as(A_CASE)
    assert known is not None and agrees(known.answer(A_CASE["inputs"], A_CASE["quantity"]), 90, 1e-6)


def test_a_rate_that_is_no_whole_number_of_ppm_is_run_as_a_fraction() -> None:
    # Maintenance is a sixth: a long of 1 at 100 with 25 falls below (100 - 25) / (1 - 1/6) = 90.
    inputs = {"price": 100, "size": 1, "margin": 25, "maint_lev": 6}
    known = known_as({"venue": "Hyperliquid", "quantity": "liq price long", "inputs": inputs})
    assert known is not None and agrees(known.answer(inputs, "liq price long"), 90, 1e-9)


def test_a_short_is_told_from_a_long_by_the_words_of_the_quantity() -> None:
    known = known_as(A_CASE)
    assert known is not None and agrees(known.answer(A_CASE["inputs"], "bankruptcy price USDT short"), 110, 1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"venue": "Nowhere"},
        {"quantity": "funding rate"},
        {"inputs": {"EP": 100}},
        {"inputs": {"EP": 100, "L": 10, "wallet": 1}},
    ],
)
def test_a_case_whose_venue_quantity_or_inputs_nobody_knows_is_reported_as_such(change: Vector) -> None:
    assert why_not(A_CASE | change) == "no test knows this quantity"


@pytest.mark.parametrize(("found", "agreed"), [(89.998, False), (89.9999, True), (90, True), (90.0001, True)])
def test_a_number_agrees_within_its_relative_tolerance_and_no_further(found: float, agreed: bool) -> None:
    assert agrees(Fraction(_decimal(found)), 90, 1e-5) == agreed


@pytest.mark.parametrize(("found", "shown"), [("1.2551", 1.26), ("1.2634", 1.26), ("1.265001", 1.27)])
def test_a_number_is_printed_with_the_decimals_of_the_expected_one(found: str, shown: float) -> None:
    assert printed(Fraction(found), 9.99) == Fraction(_decimal(shown))
    assert printed(Fraction("1.5001"), 2) == 2


def test_a_list_agrees_only_as_a_whole() -> None:
    assert agrees([1, 2], [1, 2], 0.1)
    assert not agrees([1, 3], [1, 2], 0.1)
    assert not agrees([1], [1, 2], 0.1)
    assert not agrees([True], [False], 0.1)
