"""Backstop vaults: who takes an account over when it is far below maintenance, and what becomes of it.

Alice is long 20 lots from 100 with 160 USDT; maintenance is 5 %. At 95 her equity is 60 of 95, at 96 it is 80 of 96.
A vault takes over below two thirds. Dave, rich, holds the other side.
"""

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.insurance_fund import LAST_ACCOUNT
from stream_engine.messages.events import (
    AnyEvent,
    BackstopTookOver,
    DeleveragingStarted,
    FundChanged,
    FundReason,
    LiquidationEnded,
    LiquidationStarted,
    PositionDeleveraged,
)
from stream_engine.messages.inputs import SeedFund, SetRules
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import (
    BackstopRules,
    FundPolicy,
    FundRules,
    LiquidationLimit,
    LiquidationRules,
)
from tests.core.rulebook import (
    ALICE,
    BOB,
    DAVE,
    VENUE,
    an_exchange,
    apply,
    buy,
    held,
    leg,
    one,
    only,
    reasons,
    spot,
    tick,
    trades,
    usd,
    wallet,
)

TWO_THIRDS = 666_667
VAULT = LAST_ACCOUNT - 1
OTHER = LAST_ACCOUNT - 2


def backstop(below_ppm: int = TWO_THIRDS, vaults: tuple[str, ...] = ("vault",), **changes: int) -> SetRules:
    return SetRules(
        VENUE,
        0,
        liquidation=LiquidationRules(limit=LiquidationLimit.MARKET),
        fund=FundRules(policy=FundPolicy.NONE),
        backstop=BackstopRules(below_ppm=below_ppm, vaults=vaults, unwind_within_ppm=50_000, **changes),
    )


def alice_falls(
    book: str = "", *, to: int = 95, rules: SetRules | None = None, dollars: float = 160, **vaults: float
) -> tuple[Exchange, list[AnyEvent]]:
    """The mark falls from 100; the exchange and the events after it."""
    exchange = an_exchange(
        book,
        wallets={ALICE: dollars},
        holds=(leg(ALICE, 20, at=100), leg(DAVE, -20, at=100)),
        rules=rules or backstop(),
    )
    apply(exchange, *(SeedFund(VENUE, 0, usd(money), name) for name, money in vaults.items()))
    return exchange, apply(exchange, spot(BTC=to))


def balance(exchange: Exchange, vault: str = "vault") -> float:
    """USDT in a vault."""
    return exchange.state.pools[vault].balance / 1_000_000


# taking over -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dollars", "taken"), [(163, True), (163.333333, True), (163.333334, True), (163.4, False)])
def test_an_account_goes_to_the_vault_below_the_share_of_its_maintenance_and_waits_above_it(
    dollars: float, taken: bool
) -> None:
    """Of 95, two thirds (666,667 ppm, rounded nowhere) are 63.333365."""
    exchange, events = alice_falls(dollars=dollars)
    assert bool(only(events, BackstopTookOver)) is taken
    assert held(exchange, ALICE) == (0 if taken else 20)
    assert (VAULT in exchange.state.accounts) is taken


@pytest.mark.parametrize(("to", "taken"), [(93, True), (92, True), (91, False)])
def test_below_zero_no_vault_takes_it_and_it_is_deleveraged(to: int, taken: bool) -> None:
    _, events = alice_falls(to=to)
    assert bool(only(events, BackstopTookOver)) is taken
    assert bool(only(events, DeleveragingStarted)) is not taken


def test_the_vault_gets_everything_at_the_marks_with_the_equity_and_the_owner_nothing() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 50},
        wallets={ALICE: 160},
        holds=[
            leg(ALICE, 20, at=100),
            leg(ALICE, -1, at=50, symbol="ETH"),
            leg(DAVE, -20, at=100),
            leg(DAVE, 1, at=50, symbol="ETH"),
        ],
        rules=backstop(),
    )
    took = one(apply(exchange, spot(BTC=95)), BackstopTookOver)
    assert took.positions == (("BTC", 20, 95), ("ETH", -1, 50))
    assert (took.equity, took.maintenance, took.vault, took.house) == (usd(60), usd(97.5), "vault", VAULT)
    assert (held(exchange, VAULT), held(exchange, VAULT, "ETH"), balance(exchange)) == (20, -1, 60)
    assert (held(exchange, ALICE), held(exchange, ALICE, "ETH"), wallet(exchange, ALICE)) == (0, 0, 0)


def test_the_book_comes_first_and_the_vault_takes_what_it_leaves() -> None:
    exchange, events = alice_falls("5 @ 93 |")
    assert one(events, LiquidationEnded).book == 5
    assert one(events, BackstopTookOver).positions == (("BTC", 15, 95),)
    assert held(exchange, VAULT) == 15


def test_with_a_limit_at_bankruptcy_the_fund_comes_before_the_vault_and_deleveraging_after_it() -> None:
    rules = SetRules(VENUE, 0, backstop=BackstopRules(below_ppm=TWO_THIRDS, vaults=("vault",)))
    exchange, events = alice_falls("5 @ 91 |", rules=rules, main=5)
    assert one(events, LiquidationEnded).fund == 5
    assert held(exchange, VAULT) == 15
    _, events = alice_falls(rules=rules, to=96)
    assert one(events, DeleveragingStarted).size == 20


def test_what_the_vault_gets_is_told_as_its_own() -> None:
    changed = one(alice_falls(vault=7)[1], FundChanged)
    assert (changed.pool, changed.change, changed.balance) == ("vault", usd(60), usd(67))
    assert (changed.reason, changed.account) == (FundReason.BACKSTOP, VAULT)


@pytest.mark.parametrize(("one_has", "two_has", "wanted"), [(10, 9, "one"), (10, 10, "one"), (10, 11, "two")])
def test_of_several_vaults_the_one_that_is_worth_most_takes_of_equals_the_first_by_name(
    one_has: int, two_has: int, wanted: str
) -> None:
    exchange, events = alice_falls(rules=backstop(vaults=("two", "one")), one=one_has, two=two_has)
    took = one(events, BackstopTookOver)
    assert took.vault == wanted
    assert took.house == {"two": VAULT, "one": OTHER}[wanted] and held(exchange, took.house) == 20


# and then --------------------------------------------------------------------------------------------------


def test_a_vault_sells_what_it_took_as_the_fund_does() -> None:
    exchange, _ = alice_falls(rules=backstop(unwind_ppm=250_000))
    apply(exchange, buy(30, 94, by=BOB))
    assert trades(apply(exchange, tick(1))) == ["5 @ 94"]
    assert (held(exchange, VAULT), balance(exchange)) == (15, 55)


def test_a_vault_worth_less_than_nothing_is_closed_on_every_symbol_in_the_same_input() -> None:
    """It has gained on ETH and lost more on BTC: who is short ETH has nothing to do with it, and is closed too."""
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 50},
        wallets={ALICE: 160},
        holds=[
            leg(ALICE, 20, at=100),
            leg(ALICE, 1, at=50, symbol="ETH"),
            leg(DAVE, -20, at=100),
            leg(BOB, -1, at=50, symbol="ETH"),
        ],
        rules=backstop(),
    )
    apply(exchange, spot(BTC=95))
    events = apply(exchange, spot(BTC=91, ETH=52))
    assert [started.symbol for started in only(events, LiquidationStarted)] == ["BTC", "ETH"]
    assert [(victim.account, victim.symbol) for victim in only(events, PositionDeleveraged)] == [
        (DAVE, "BTC"),
        (BOB, "ETH"),
    ]
    assert (held(exchange, VAULT), held(exchange, VAULT, "ETH")) == (0, 0)
    assert 0 <= balance(exchange) < 1 + 20 and exchange.state.deficit.total == 0


# the rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "bad"),
    [
        (BackstopRules(), False),
        (BackstopRules(vaults=("one", "two")), False),
        (BackstopRules(vaults=("one", "one")), True),
        (BackstopRules(below_ppm=1), True),
        (BackstopRules(below_ppm=1, vaults=("one",)), False),
        (BackstopRules(below_ppm=1, vaults=("one",), unwind_ppm=0), True),
    ],
)
def test_rules_of_vaults_that_contradict_themselves_are_refused(rules: BackstopRules, bad: bool) -> None:
    assert reasons(apply(an_exchange(), SetRules(VENUE, 0, backstop=rules))) == ([Reject.BAD_RULES] if bad else [])


def test_a_vault_is_paid_into_by_its_name() -> None:
    exchange = an_exchange(rules=backstop())
    apply(exchange, SeedFund(VENUE, 0, usd(5), "vault"))
    assert balance(exchange) == 5
