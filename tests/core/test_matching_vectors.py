"""Matching scenarios from the test suites of other engines, each through `Exchange.apply` with ample margin.

The data is `matching_vectors.jsonl` of LIQSTORM_TEST_DATA; its README says what the fields mean. A scenario that
needs what this exchange does not do is not run: `why_not` says which and why, and one test lists them.
"""

import json
import warnings
from collections import Counter
from typing import Any

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.order_book import BookSide, orders_of
from stream_engine.messages.events import (
    CancelReason,
    CancelRejected,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    Traded,
)
from stream_engine.messages.inputs import (
    Cancel,
    Deposit,
    IndexPrices,
    ListInstrument,
    OpenAccounts,
    Place,
    Side,
    TimeInForce,
)
from stream_engine.messages.instrument import IndexSource, Instrument, Tier
from stream_engine.messages.units import BALANCE_MAX, WIRE_MAX
from tests.conftest import data_path
from tests.core.rulebook import VENUE, apply

FILE = "matching_vectors.jsonl"
SYMBOL = "BTC"
OPS = {"limit", "market", "ioc", "post_only", "cancel"}
STEP_FIELDS = {"op", "id", "side", "price", "qty", "acct", "stp"}
RULES = {"tick", "lot", "stp", "id_reuse_after_death"}
ANYWHERE_PPM = 10**12  # a market order of these scenarios knows no bound


class NotRun(UserWarning):
    """Scenarios that were not run, and why."""


def scenarios() -> list[dict[str, Any]]:
    path = data_path(FILE)
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.is_file() else []


def why_not(scenario: dict[str, Any]) -> str | None:
    """What a scenario needs that this exchange does not do; None: it runs."""
    rules, steps = scenario["symbol_rules"], scenario["steps"]
    ops = {step["op"] for step in steps}
    modes = {rules["stp"]} | {step["stp"] for step in steps if "stp" in step}
    if "fok" in ops:
        return "not built yet: fill or kill"
    if "amend" in ops:
        return "not built yet: amend"
    if any(step.get("reduce_only") for step in steps) or "positions" in rules:
        return "not built yet: reduce only"
    if modes & {"cancel_taker", "cancel_both"}:
        return "not built yet: a self-trade rule other than cancelling the resting order"
    strange = (ops - OPS) | (modes - {"none", "cancel_maker"}) | (set(rules) - RULES)
    strange |= {field for step in steps for field in step} - STEP_FIELDS
    if strange:
        return f"no test knows {', '.join(sorted(strange))}"
    if rules["lot"] != 1:
        return "outside: a lot is the smallest size here"
    if _highest_price(steps) * _all_lots(steps) > WIRE_MAX:
        return "outside: price times size passes 2^53"
    if _trades_with_itself(scenario):
        return "outside: an order never trades with its own account here"
    return None


def _highest_price(steps: list[dict[str, Any]]) -> int:
    return max(step.get("price") or 1 for step in steps)


def _all_lots(steps: list[dict[str, Any]]) -> int:
    return sum(step.get("qty") or 0 for step in steps)


def _trades_with_itself(scenario: dict[str, Any]) -> bool:
    accounts: dict[int, set[int]] = {}
    for step in scenario["steps"]:
        if "acct" in step:
            accounts.setdefault(step["id"], set()).add(step["acct"])
    return any(
        accounts.get(trade["maker"], set()) & accounts.get(trade["taker"], set())
        for trade in scenario["expect"]["trades"]
    )


RUN = [scenario for scenario in scenarios() if why_not(scenario) is None]


@pytest.mark.data
@pytest.mark.parametrize("scenario", RUN or [{}], ids=lambda scenario: scenario.get("name", "none"))
def test_the_scenario_ends_as_it_does_elsewhere(scenario: dict[str, Any]) -> None:
    assert Run(scenario).outcome() == scenario["expect"]


@pytest.mark.data
def test_what_is_not_run_is_listed_with_its_reason_and_every_scenario_is_one_or_the_other() -> None:
    not_run = Counter(reason for scenario in scenarios() if (reason := why_not(scenario)) is not None)
    for reason, number in sorted(not_run.items()):
        warnings.warn(NotRun(f"{FILE}: {number} scenarios not run, {reason}"), stacklevel=1)
    assert RUN and len(RUN) + sum(not_run.values()) == len(scenarios())


A_SCENARIO: dict[str, Any] = {
    "symbol_rules": {"tick": 1, "lot": 1, "stp": "none"},
    "steps": [
        {"op": "limit", "id": 1, "side": "sell", "price": 100, "qty": 1, "acct": 1},
        {"op": "limit", "id": 2, "side": "buy", "price": 100, "qty": 1, "acct": 2},
    ],
    "expect": {"trades": [{"maker": 1, "taker": 2, "price": 100, "qty": 1}]},
}


def test_a_scenario_that_uses_only_what_there_is_runs() -> None:
    assert why_not(A_SCENARIO) is None


@pytest.mark.parametrize(
    ("rules", "step", "reason"),
    [
        ({}, {"op": "fok"}, "not built yet: fill or kill"),
        ({}, {"op": "amend"}, "not built yet: amend"),
        ({}, {"reduce_only": True}, "not built yet: reduce only"),
        ({"stp": "cancel_taker"}, {}, "not built yet: a self-trade rule other than cancelling the resting order"),
        ({}, {"stp": "cancel_both"}, "not built yet: a self-trade rule other than cancelling the resting order"),
        ({}, {"op": "iceberg"}, "no test knows iceberg"),
        ({}, {"hidden": True}, "no test knows hidden"),
        ({"auction": True}, {}, "no test knows auction"),
        ({"lot": 10}, {}, "outside: a lot is the smallest size here"),
        ({}, {"price": 2**64 - 1}, "outside: price times size passes 2^53"),
        ({}, {"acct": 1}, "outside: an order never trades with its own account here"),
    ],
)
def test_a_scenario_that_needs_something_else_is_not_run(
    rules: dict[str, Any], step: dict[str, Any], reason: str
) -> None:
    first, second = A_SCENARIO["steps"]
    changed = {"symbol_rules": A_SCENARIO["symbol_rules"] | rules, "steps": [first, second | step]}
    assert why_not(A_SCENARIO | changed) == reason


class Run:
    """One scenario. An order without an account gets one of its own; each use of an id gets a client id of its own."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self.steps = scenario["steps"]
        self.exchange = Exchange(VENUE)
        self.accounts: dict[int, int] = {}  # by the scenario's order id, of its latest use
        self.client_ids: dict[int, str] = {}
        self.ids: dict[int, int] = {}  # the scenario's by the venue's
        self.found: dict[str, list[Any]] = {"trades": [], "rejected": [], "cancelled": []}
        self._set_up(scenario["symbol_rules"]["tick"])

    def outcome(self) -> dict[str, Any]:
        """What came of all steps, in the form of `expect`."""
        for number, step in enumerate(self.steps, 1):
            self._take(number, step)
        book = self.exchange.state.markets[SYMBOL].book
        sides = {"bids": book.bids, "asks": book.asks}
        levels = {name: [[level.price, level.size] for level in side.best_first()] for name, side in sides.items()}
        resting = [self._line(order) for side in sides.values() for order in _orders(side)]
        return {**self.found, "book": levels, "resting": resting}

    def _set_up(self, tick: int) -> None:
        prices = [step["price"] for step in self.steps if step.get("price")]
        instrument = Instrument(
            symbol=SYMBOL, tick_size="0.000001", lot_size="1", tick_value=1, price_step=tick,
            max_price=_highest_price(self.steps), max_size=_all_lots(self.steps), tiers=(Tier(0, 10_000),),
            market_bound_ppm=ANYWHERE_PPM, sources=(IndexSource("spot", 1),), mark="index",
        )  # fmt: skip
        names = sorted({str(step["acct"]) for step in self.steps if "acct" in step})
        self.numbers = {name: number for number, name in enumerate(names, 1)}
        self.own = len(names)
        accounts = range(1, self.own + 1 + len(self.steps))
        apply(
            self.exchange,
            ListInstrument(VENUE, 0, instrument),
            OpenAccounts(VENUE, 0, tuple((account, "somebody") for account in accounts)),
            Deposit(VENUE, 0, tuple((account, BALANCE_MAX) for account in accounts)),
            IndexPrices(VENUE, 0, "spot", ((SYMBOL, prices[0]),)),
        )

    def _take(self, number: int, step: dict[str, Any]) -> None:
        one = step["id"]
        is_live = self._is_live(one)
        if step["op"] == "cancel":
            account = self.accounts.get(one, self.own + number)
            received: Place | Cancel = Cancel(VENUE, 0, account, self.client_ids.get(one, f"{one}"))
        else:
            if not is_live:
                self.accounts[one] = self.numbers[str(step["acct"])] if "acct" in step else self.own + number
                self.client_ids[one] = f"{one} of step {number}"
            received = self._order(step, self.accounts[one], self.client_ids[one])
        for event in apply(self.exchange, received):
            match event:
                case OrderAccepted(repeated=False):
                    self.ids[event.order_id] = one
                case OrderAccepted() | OrderRejected() | CancelRejected():
                    self.found["rejected"].append(one)
                case OrderCancelled() if event.reason is not CancelReason.OWNER:
                    self.found["cancelled"].append([self.ids[event.order_id], event.size])
                case Traded():
                    self.found["trades"].append(
                        {
                            "maker": self.ids[event.maker_order_id],
                            "taker": self.ids[event.taker_order_id],
                            "price": event.price,
                            "qty": event.size,
                        }
                    )

    def _is_live(self, one: int) -> bool:
        return one in self.accounts and (
            self.client_ids[one] in self.exchange.state.accounts[self.accounts[one]].orders
        )

    def _order(self, step: dict[str, Any], account: int, client_id: str) -> Place:
        op = step["op"]
        time_in_force = TimeInForce.IOC if op == "ioc" else TimeInForce.GTC
        price = None if op == "market" else step["price"]
        return Place(
            VENUE, 0, account, client_id, SYMBOL, Side(step["side"]), step["qty"], price, time_in_force,
            op == "post_only",
        )  # fmt: skip

    def _line(self, order: Any) -> list[int]:
        return [self.ids[order.order_id], order.price, order.size]


def _orders(side: BookSide) -> list[Any]:
    return [order for level in side.best_first() for order in orders_of(level)]
