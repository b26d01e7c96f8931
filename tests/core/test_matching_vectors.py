"""Matching scenarios from the test suites of other engines, each through `Exchange.apply` with ample margin.

The data is `matching_vectors.jsonl` of LIQSTORM_TEST_DATA; its README says what the fields mean.

Accounts  who is named in a scenario has one account here, but for an order whose owner makes no difference (no
          positions, and no self-trade rule that could find it): it has an account of its own, so that a scenario in
          which somebody trades with himself, which never happens here, still runs.
Ids       each use of a scenario's id gets a client id of its own: to use an id again once its order is dead is allowed
          there.
Prices    from 1 tick to the instrument's `max_price`; what its largest order costs there stays below 2^53 micro-quote
          (`messages/instrument`). A scenario with a price or a size beyond is not compared: each such order is
          refused, nothing else comes of it, and beyond 2^53 it is no input on the wire.
Not run   what no word here means (`why_not`); one test lists it. There is no such scenario in the file.
"""

import json
import warnings
from collections import Counter
from typing import Any

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.order_book import BookSide, orders_of
from stream_engine.messages.codec import NotAMessage, decode_input, encode
from stream_engine.messages.events import (
    AmendRejected,
    CancelReason,
    CancelRejected,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    Traded,
)
from stream_engine.messages.inputs import (
    Amend,
    AnyInput,
    Cancel,
    Deposit,
    IndexPrices,
    Leg,
    ListInstrument,
    OpenAccounts,
    Place,
    SeedPositions,
    SetRules,
    Side,
    TimeInForce,
)
from stream_engine.messages.instrument import IndexSource, Instrument, Tier
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import OrderRules, SelfTrade
from stream_engine.messages.units import BALANCE_MAX, WIRE_MAX
from tests.conftest import data_path
from tests.core.rulebook import VENUE, apply, reasons

FILE = "matching_vectors.jsonl"
SYMBOL = "BTC"
FORCES = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
OPS = {"limit", "market", "post_only", "cancel", "amend", *FORCES}
MODES = {"none": None, **{rule.value.replace("-", "_"): rule for rule in SelfTrade}}
STEP_FIELDS = {"op", "id", "side", "price", "qty", "acct", "stp", "reduce_only"}
RULES = {"tick", "lot", "stp", "positions", "id_reuse_after_death"}
BEYOND_REASONS = (Reject.PRICE_TOO_HIGH, Reject.SIZE_TOO_LARGE, Reject.UNKNOWN_ORDER)  # an amend of such an order
ANYWHERE_PPM = 10**12  # a market order of these scenarios knows no bound


class NotRun(UserWarning):
    """Scenarios that were not run, and why."""


def scenarios() -> list[dict[str, Any]]:
    path = data_path(FILE)
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.is_file() else []


def why_not(scenario: dict[str, Any]) -> str | None:
    """What a scenario asks for that no word here means; None: it runs."""
    rules, steps = scenario["symbol_rules"], scenario["steps"]
    strange = {step["op"] for step in steps} - OPS
    strange |= {mode for mode in _modes(scenario) if mode not in MODES}
    strange |= set(rules) - RULES
    strange |= {field for step in steps for field in step} - STEP_FIELDS
    if strange:
        return f"no test knows {', '.join(sorted(strange))}"
    if any(step["op"] in ("cancel", "amend") and {"stp", "reduce_only"} & set(step) for step in steps):
        return "outside: an amended order keeps the terms that it was placed on"
    if rules["lot"] != 1:
        return "outside: a lot is the smallest size here"
    if _trades_with_itself(scenario) and _owners_matter(scenario):
        return "outside: an order never trades with its own account here"
    return None


def beyond_the_range(scenario: dict[str, Any]) -> bool:
    """Whether an order of it is too large or priced too high for any instrument that holds the others."""
    return _highest_price(scenario) > _max_price(scenario) or _all_lots(scenario) > WIRE_MAX


def _modes(scenario: dict[str, Any]) -> set[str]:
    return {scenario["symbol_rules"]["stp"]} | {step["stp"] for step in scenario["steps"] if "stp" in step}


def _owners_matter(scenario: dict[str, Any]) -> bool:
    """Whether what somebody holds says what happens to an order."""
    return "positions" in scenario["symbol_rules"] or any(step.get("reduce_only") for step in scenario["steps"])


def _highest_price(scenario: dict[str, Any]) -> int:
    prices: list[int] = [step.get("price") or 1 for step in scenario["steps"]]
    return max(prices, default=1)


def _all_lots(scenario: dict[str, Any]) -> int:
    """As large as a position or an order can become in it."""
    held: int = sum(abs(size) for size in scenario["symbol_rules"].get("positions", {}).values())
    return held + sum(step.get("qty") or 0 for step in scenario["steps"])


def _max_price(scenario: dict[str, Any]) -> int:
    return min(_highest_price(scenario), WIRE_MAX // min(WIRE_MAX, max(1, _all_lots(scenario))))


def _trades_with_itself(scenario: dict[str, Any]) -> set[int]:
    """The ids of the takers that do."""
    accounts: dict[int, set[str]] = {}
    for step in scenario["steps"]:
        if "acct" in step:
            accounts.setdefault(step["id"], set()).add(str(step["acct"]))
    return {
        trade["taker"]
        for trade in scenario["expect"]["trades"]
        if accounts.get(trade["maker"], set()) & accounts.get(trade["taker"], set())
    }


KNOWN = [scenario for scenario in scenarios() if why_not(scenario) is None]
RUN = [scenario for scenario in KNOWN if not beyond_the_range(scenario)]
BEYOND = [scenario for scenario in KNOWN if beyond_the_range(scenario)]


@pytest.mark.data
@pytest.mark.parametrize("scenario", RUN or [{}], ids=lambda scenario: scenario.get("name", "none"))
def test_the_scenario_ends_as_it_does_elsewhere(scenario: dict[str, Any]) -> None:
    assert Run(scenario).outcome() == scenario["expect"]


@pytest.mark.data
@pytest.mark.parametrize("scenario", BEYOND or [{}], ids=lambda scenario: scenario.get("name", "none"))
def test_beyond_the_range_of_prices_and_sizes_an_order_is_refused_and_beyond_2_to_the_53_it_is_no_input(
    scenario: dict[str, Any],
) -> None:
    run = Run(scenario)
    instrument = run.exchange.state.markets[SYMBOL].instrument
    beyond = 0
    for number, step in enumerate(run.steps, 1):
        price, size = step.get("price") or 1, step.get("qty") or 1
        received = run.received(number, step)
        events = apply(run.exchange, received)
        if price > instrument.max_price or size > instrument.max_size:
            beyond += 1
            assert len(events) == 1 and reasons(events)[0] in BEYOND_REASONS
        if max(price, size) > WIRE_MAX:
            with pytest.raises(NotAMessage):
                decode_input(encode(received))
    assert beyond


@pytest.mark.data
def test_what_is_not_run_is_listed_with_its_reason_and_every_scenario_is_one_or_the_other() -> None:
    not_run = Counter(reason for scenario in scenarios() if (reason := why_not(scenario)) is not None)
    for reason, number in sorted(not_run.items()):
        warnings.warn(NotRun(f"{FILE}: {number} scenarios not run, {reason}"), stacklevel=1)
    assert RUN and len(RUN) + len(BEYOND) + sum(not_run.values()) == len(scenarios())


A_SCENARIO: dict[str, Any] = {
    "symbol_rules": {"tick": 1, "lot": 1, "stp": "none"},
    "steps": [
        {"op": "limit", "id": 1, "side": "sell", "price": 100, "qty": 1, "acct": 1},
        {"op": "limit", "id": 2, "side": "buy", "price": 100, "qty": 1, "acct": 2},
    ],
    "expect": {"trades": [{"maker": 1, "taker": 2, "price": 100, "qty": 1}]},
}


def changed(rules: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    """The scenario above with something else in its rules and in its second step."""
    first, second = A_SCENARIO["steps"]
    return A_SCENARIO | {"symbol_rules": A_SCENARIO["symbol_rules"] | rules, "steps": [first, second | step]}


@pytest.mark.parametrize(
    ("rules", "step", "reason"),
    [
        ({}, {}, None),
        ({"positions": {"1": 5}}, {"reduce_only": True}, None),
        ({"stp": "cancel_both"}, {"stp": "cancel_taker"}, None),
        ({}, {"acct": 1}, None),
        ({}, {"op": "iceberg"}, "no test knows iceberg"),
        ({}, {"hidden": True}, "no test knows hidden"),
        ({}, {"stp": "decrement"}, "no test knows decrement"),
        ({"auction": True}, {}, "no test knows auction"),
        ({}, {"op": "amend", "stp": "none"}, "outside: an amended order keeps the terms that it was placed on"),
        ({"lot": 10}, {}, "outside: a lot is the smallest size here"),
        (
            {"positions": {"1": 5}},
            {"acct": 1},
            "outside: an order never trades with its own account here",
        ),
    ],
)
def test_a_scenario_runs_unless_it_asks_for_what_there_is_no_word_for(
    rules: dict[str, Any], step: dict[str, Any], reason: str | None
) -> None:
    assert why_not(changed(rules, step)) == reason


@pytest.mark.parametrize(("price", "beyond"), [(2**52 - 1, False), (2**52, True), (2**64 - 1, True)])
def test_what_two_lots_cost_at_the_highest_price_stays_below_2_to_the_53(price: int, beyond: bool) -> None:
    assert beyond_the_range(changed({}, {"price": price})) == beyond


@pytest.mark.parametrize(
    "later", [[], [{"op": "ioc", "id": 3, "side": "buy", "price": 1, "qty": 1, "stp": "cancel_both"}]]
)
def test_who_trades_with_himself_elsewhere_has_two_accounts_here(later: list[dict[str, Any]]) -> None:
    scenario = changed({}, {"acct": 1})
    scenario["steps"] += [step | {"acct": 1} for step in later]
    assert Run(scenario).outcome()["trades"] == A_SCENARIO["expect"]["trades"]


class Run:
    """One scenario. An order without an account gets one of its own; each use of an id gets a client id of its own."""

    def __init__(self, scenario: dict[str, Any]) -> None:
        self.steps = scenario["steps"]
        self.rules = scenario["symbol_rules"]
        self.owners_matter = _owners_matter(scenario)
        self.trade_with_themselves = _trades_with_itself(scenario)
        self.exchange = Exchange(VENUE)
        self.accounts: dict[int, int] = {}  # by the scenario's order id, of its latest use
        self.client_ids: dict[int, str] = {}
        self.ids: dict[int, int] = {}  # the scenario's by the venue's
        self.found: dict[str, list[Any]] = {"trades": [], "rejected": [], "cancelled": []}
        self._set_up(scenario)

    def outcome(self) -> dict[str, Any]:
        """What came of all steps, in the form of `expect`."""
        for number, step in enumerate(self.steps, 1):
            self._take(number, step)
        book = self.exchange.state.markets[SYMBOL].book
        sides = {"bids": book.bids, "asks": book.asks}
        levels = {name: [[level.price, level.size] for level in side.best_first()] for name, side in sides.items()}
        resting = [self._line(order) for side in sides.values() for order in _orders(side)]
        return {**self.found, "book": levels, "resting": resting}

    def received(self, number: int, step: dict[str, Any]) -> AnyInput:
        """A step as an input; remembers whose order it is."""
        one = step["id"]
        if step["op"] in ("cancel", "amend"):
            account = self.accounts.get(one, self.own + number)
            client_id = self.client_ids.get(one, f"{one}")
            if step["op"] == "cancel":
                return Cancel(VENUE, 0, account, client_id)
            return Amend(VENUE, 0, account, client_id, step.get("qty"), step.get("price"))
        if not self._is_live(one):
            self.accounts[one] = self._owner(number, step)
            self.client_ids[one] = f"{one} of step {number}"
        return self._order(step, self.accounts[one], self.client_ids[one])

    def _set_up(self, scenario: dict[str, Any]) -> None:
        positions = {str(name): size for name, size in self.rules.get("positions", {}).items() if size}
        names = sorted({str(step["acct"]) for step in self.steps if "acct" in step} | set(positions))
        self.numbers = {name: number for number, name in enumerate(names, 1)}
        self.own = len(names)
        others = self.own + len(self.steps) + 1
        accounts = range(1, others + 1)
        tick, most = self.rules["tick"], _max_price(scenario)
        first = min(next((step["price"] for step in self.steps if (step.get("price") or 0) > 0), tick), most)
        instrument = Instrument(
            symbol=SYMBOL, tick_size="0.000001", lot_size="1", tick_value=1, price_step=tick, max_price=most,
            max_size=min(WIRE_MAX, max(1, _all_lots(scenario))), tiers=(Tier(0, 10_000),),
            market_bound_ppm=ANYWHERE_PPM, sources=(IndexSource("spot", 1),), mark="index",
        )  # fmt: skip
        apply(
            self.exchange,
            ListInstrument(VENUE, 0, instrument),
            OpenAccounts(VENUE, 0, tuple((account, "somebody") for account in accounts)),
            Deposit(VENUE, 0, tuple((account, BALANCE_MAX) for account in accounts)),
            IndexPrices(VENUE, 0, "spot", ((SYMBOL, first),)),
        )
        rule = MODES[self.rules["stp"]]
        if rule is not None:
            apply(self.exchange, SetRules(VENUE, 0, orders=OrderRules(self_trade=rule)))
        legs = [Leg(self.numbers[name], SYMBOL, size, first) for name, size in positions.items()]
        if total := sum(positions.values()):
            legs.append(Leg(others, SYMBOL, -total, first))
        if legs:
            apply(self.exchange, SeedPositions(VENUE, 0, tuple(legs)))

    def _take(self, number: int, step: dict[str, Any]) -> None:
        one = step["id"]
        for event in apply(self.exchange, self.received(number, step)):
            match event:
                case OrderAccepted(repeated=False):
                    self.ids[event.order_id] = one
                case OrderAccepted() | OrderRejected() | AmendRejected() | CancelRejected():
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

    def _owner(self, number: int, step: dict[str, Any]) -> int:
        if "acct" not in step or step["id"] in self.trade_with_themselves:
            return self.own + number
        could_meet_its_own = any(
            later.get("acct") == step["acct"] and MODES[self._mode(later)] is not None
            for later in self.steps[number - 1 :]
        )
        return self.numbers[str(step["acct"])] if could_meet_its_own or self.owners_matter else self.own + number

    def _mode(self, step: dict[str, Any]) -> str:
        mode: str = step.get("stp", self.rules["stp"])
        return mode

    def _order(self, step: dict[str, Any], account: int, client_id: str) -> Place:
        op = step["op"]
        return Place(
            VENUE, 0, account, client_id, SYMBOL, Side(step["side"]), step["qty"],
            None if op == "market" else step.get("price"), FORCES.get(op, TimeInForce.GTC), op == "post_only",
            bool(step.get("reduce_only")), MODES[self._mode(step)],
        )  # fmt: skip

    def _line(self, order: Any) -> list[int]:
        return [self.ids[order.order_id], order.price, order.size]


def _orders(side: BookSide) -> list[Any]:
    return [order for level in side.best_first() for order in orders_of(level)]
