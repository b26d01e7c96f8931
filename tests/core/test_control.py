"""Control: listings, accounts, money in and out, leverage, seeded positions, rules."""

from typing import Any

import pytest
from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.core.venue import Rules
from stream_engine.messages.events import (
    AccountsOpened,
    ControlRejected,
    Deposited,
    InstrumentListed,
    LeverageSet,
    PositionsSeeded,
    RulesSet,
    Withdrawn,
)
from stream_engine.messages.inputs import (
    Deposit,
    Leg,
    ListInstrument,
    MapVenue,
    OpenAccounts,
    SetRules,
    Withdraw,
)
from stream_engine.messages.instrument import IndexSource, Tier
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import BALANCE_MAX, WIRE_MAX
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    RICH,
    VENUE,
    an_exchange,
    an_instrument,
    apply,
    buy,
    deposit,
    held,
    kinds,
    leg,
    one,
    position_of,
    reasons,
    seed,
    sell,
    set_leverage,
    spot,
    tick,
    usd,
    wallet,
    withdraw,
)

# listings --------------------------------------------------------------------------------------------------


def test_a_listing_is_published_as_it_was_given() -> None:
    instrument = an_instrument("DOGE")
    assert one(apply(an_exchange(), ListInstrument(VENUE, 0, instrument)), InstrumentListed).instrument == instrument


def test_a_symbol_is_listed_once() -> None:
    assert reasons(apply(an_exchange(), ListInstrument(VENUE, 0, an_instrument("BTC")))) == [Reject.ALREADY_EXISTS]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"tick_size": "0"}, "tick_size 0 * lot_size 1 must be a whole number of micro-quote"),
        ({"tick_size": "0.0000001"}, "tick_size 0.0000001 * lot_size 1 must be a whole number of micro-quote"),
        ({"tick_size": "a"}, "tick_size a * lot_size 1 must be a whole number of micro-quote"),
        ({"lot_size": "NaN"}, "tick_size 1 * lot_size NaN must be a whole number of micro-quote"),
        ({"lot_size": "-1"}, "tick_size 1 * lot_size -1 must be a whole number of micro-quote"),
        ({"tick_size": "-1", "lot_size": "-1"}, "tick_size -1 * lot_size -1 must be a whole number of micro-quote"),
        ({"lot_size": "Infinity"}, "tick_size 1 * lot_size Infinity must be a whole number of micro-quote"),
        ({"tick_size": "1e999999", "lot_size": "1e999999"}, "must be a whole number of micro-quote"),
        ({"tick_size": "1e99999"}, "must be a whole number of micro-quote"),
        ({"tick_value": 999_999}, "tick_value: expected 1000000, found 999999"),
        ({"price_step": 0}, "price_step: expected 1 or more, found 0"),
        ({"max_price": 0}, "max_price: expected 1 or more, found 0"),
        ({"max_size": -1}, "max_size: expected 1 or more, found -1"),
        ({"max_leverage": 0}, "max_leverage: expected 1 or more, found 0"),
        ({"default_leverage": 0}, "default_leverage: expected 1 or more, found 0"),
        ({"stale_after_us": 0}, "stale_after_us: expected 1 or more, found 0"),
        ({"basis_every_us": 0}, "basis_every_us: expected 1 or more, found 0"),
        ({"basis_window_us": 0}, "basis_window_us: expected 1 or more, found 0"),
        ({"max_price": 2**40}, "max_price * max_size * tick_value: expected less than 2^53"),
        ({"default_leverage": 11}, "default_leverage: expected at most 10, found 11"),
        ({"taker_fee_ppm": -1}, "fees: expected a taker fee of 0 or more that covers the maker's rebate"),
        ({"maker_fee_ppm": -2, "taker_fee_ppm": 1}, "fees: expected a taker fee of 0 or more"),
        ({"taker_fee_ppm": 1_000_000}, "fees below 1,000,000 ppm"),
        ({"market_bound_ppm": -1}, "market_bound_ppm of 0 or more expected"),
        ({"mark": "last"}, "mark: expected median, index, fair, moving-average, hyperliquid; found"),
        ({"mark_bound_ppm": -1}, "mark_bound_ppm: expected 0 to 999,999, found -1"),
        ({"mark_bound_ppm": 1_000_000}, "mark_bound_ppm: expected 0 to 999,999, found 1000000"),
        ({"mark": "moving-average"}, "mark_bound_ppm: expected 1 to 999,999, found 0"),
        ({"funding_interval_us": 999_999}, "funding_interval_us: expected 0 or 1000000 or more, found 999999"),
        ({"interest_ppm": -1_000_001}, "interest_ppm: expected -1,000,000 to 1,000,000, found -1000001"),
        ({"interest_ppm": 1_000_001}, "interest_ppm: expected -1,000,000 to 1,000,000, found 1000001"),
        ({"funding_damp_ppm": -1}, "funding_damp_ppm: expected 0 to 1,000,000, found -1"),
        ({"funding_damp_ppm": 1_000_001}, "funding_damp_ppm: expected 0 to 1,000,000, found 1000001"),
        ({"funding_cap_ppm": -1}, "funding_cap_ppm: expected 0 to 1,000,000, found -1"),
        ({"funding_cap_ppm": 1_000_001}, "funding_cap_ppm: expected 0 to 1,000,000, found 1000001"),
        ({"sources": ()}, "sources: expected each once, and a weight above 0"),
        ({"sources": (IndexSource("spot", 0),)}, "sources: expected each once, and a weight above 0"),
        ({"sources": (IndexSource("a", 1), IndexSource("a", 1))}, "sources: expected each once"),
        ({"sources": (IndexSource("perp-x", 1),)}, "sources: expected each once, and a weight above 0"),
        ({"index_clamp_ppm": -1}, "index_clamp_ppm: expected 0 to 999,999, found -1"),
        ({"index_clamp_ppm": 1_000_000}, "index_clamp_ppm: expected 0 to 999,999, found 1000000"),
        ({"tiers": ()}, "tiers: expected at least one"),
        ({"tiers": (Tier(0, 100_001),)}, "tiers: the first rate is above the initial margin at max_leverage"),
    ],
)
def test_a_listing_that_contradicts_itself_is_refused_and_says_where(change: dict[str, Any], complaint: str) -> None:
    exchange = Exchange(VENUE)
    refused = one(apply(exchange, ListInstrument(VENUE, 0, replace(an_instrument(), **change))), ControlRejected)
    assert refused.reason is Reject.BAD_INSTRUMENT
    assert complaint in refused.detail
    assert not exchange.state.markets


def test_a_complaint_is_cut_to_what_a_message_may_carry() -> None:
    endless = an_instrument(tick_size="x" * 10_000)
    assert len(one(apply(Exchange(VENUE), ListInstrument(VENUE, 0, endless)), ControlRejected).detail) == 400


# accounts and money ----------------------------------------------------------------------------------------


def test_accounts_open_empty_and_may_share_a_participant() -> None:
    exchange = Exchange(VENUE)
    opened = ((1, "MM1"), (2, "MM1"))
    assert one(apply(exchange, OpenAccounts(VENUE, 0, opened)), AccountsOpened).accounts == opened
    assert [wallet(exchange, account) for account in (1, 2)] == [0, 0]


@pytest.mark.parametrize("accounts", [((77, "new"), (ALICE, "old")), ((77, "one"), (77, "two"))])
def test_an_account_opens_once_and_bulk_is_refused_as_a_whole(accounts: tuple[tuple[int, str], ...]) -> None:
    exchange = an_exchange()
    assert reasons(apply(exchange, OpenAccounts(VENUE, 0, accounts))) == [Reject.ALREADY_EXISTS]
    assert 77 not in exchange.state.accounts


def test_a_deposit_says_what_came_in_and_what_is_there_now() -> None:
    exchange = an_exchange(wallets={ALICE: 5})
    deposited = one(apply(exchange, Deposit(VENUE, 0, ((ALICE, usd(2)), (ALICE, usd(3))))), Deposited)
    assert deposited.deposits == ((ALICE, usd(2), usd(7)), (ALICE, usd(3), usd(10)))


@pytest.mark.parametrize(
    ("second", "reason"),
    [((77, 1), Reject.UNKNOWN_ACCOUNT), ((BOB, 0), Reject.AMOUNT_NOT_POSITIVE), ((BOB, -1), Reject.AMOUNT_NOT_POSITIVE),
     ((BOB, WIRE_MAX), Reject.AMOUNT_TOO_LARGE)],
)  # fmt: skip
def test_deposits_are_refused_as_a_whole(second: tuple[int, int], reason: Reject) -> None:
    exchange = an_exchange()
    assert reasons(apply(exchange, Deposit(VENUE, 0, ((ALICE, 1), second)))) == [reason]
    assert wallet(exchange, ALICE) == RICH


@pytest.mark.parametrize(("quote", "allowed"), [(BALANCE_MAX - 2, True), (BALANCE_MAX - 1, True), (BALANCE_MAX, False)])
def test_a_balance_is_paid_up_to_half_of_what_the_wire_carries(quote: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: 0})
    apply(exchange, Deposit(VENUE, 0, ((ALICE, 1),)))
    events = apply(exchange, Deposit(VENUE, 0, ((ALICE, quote),)))
    assert reasons(events) == ([] if allowed else [Reject.AMOUNT_TOO_LARGE])


@pytest.mark.parametrize(("dollars", "allowed"), [(99, True), (100, True), (101, False)])
def test_a_withdrawal_leaves_what_resting_orders_would_lose_at_once(dollars: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: 1_000}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, sell(10, 20))  # ten lots for 80 less than the mark; the position needs another 100
    events = apply(exchange, withdraw(ALICE, dollars))
    assert reasons(events) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])


@pytest.mark.parametrize(("dollars", "allowed"), [(49, True), (50, True), (51, False)])
def test_a_withdrawal_leaves_what_initial_margin_needs(dollars: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: 150}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    events = apply(exchange, withdraw(ALICE, dollars))
    assert reasons(events) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])
    assert wallet(exchange, ALICE) == (150 - dollars if allowed else 150)


def test_open_orders_keep_their_margin_from_a_withdrawal() -> None:
    exchange = an_exchange(wallets={ALICE: 150})
    apply(exchange, buy(10, 100, id="mine"))
    assert reasons(apply(exchange, withdraw(ALICE, 51))) == [Reject.INSUFFICIENT_MARGIN]
    assert one(apply(exchange, withdraw(ALICE, 50)), Withdrawn).wallet == usd(100)


def test_profit_that_is_not_realised_is_not_paid_out() -> None:
    exchange = an_exchange(wallets={ALICE: 100}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    apply(exchange, spot(BTC=200))
    assert reasons(apply(exchange, withdraw(ALICE, 101))) == [Reject.INSUFFICIENT_MARGIN]
    assert not reasons(apply(exchange, withdraw(ALICE, 100)))


@pytest.mark.parametrize("quote", [-1, 0])
def test_what_is_withdrawn_is_above_zero(quote: int) -> None:
    assert reasons(apply(an_exchange(), Withdraw(VENUE, 0, ALICE, quote))) == [Reject.AMOUNT_NOT_POSITIVE]


# leverage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leverage", "allowed"), [(0, False), (1, True), (10, True), (11, False)])
def test_a_leverage_lies_between_one_and_the_instruments(leverage: int, allowed: bool) -> None:
    events = apply(an_exchange(), set_leverage(ALICE, leverage))
    assert reasons(events) == ([] if allowed else [Reject.LEVERAGE_OUT_OF_RANGE])


def test_a_lower_leverage_needs_more_margin_for_the_next_order() -> None:
    exchange = an_exchange(wallets={ALICE: 100})
    assert one(apply(exchange, set_leverage(ALICE, 5)), LeverageSet).leverage == 5
    assert reasons(apply(exchange, buy(6, 100), buy(5, 100))) == [Reject.INSUFFICIENT_MARGIN]


@pytest.mark.parametrize(("dollars", "allowed"), [(199, False), (200, True), (201, True)])
def test_a_leverage_is_lowered_only_where_the_margin_for_it_is_there(dollars: int, allowed: bool) -> None:
    exchange = an_exchange(wallets={ALICE: dollars}, holds=[leg(ALICE, 10, at=100), leg(DAVE, -10, at=100)])
    events = apply(exchange, set_leverage(ALICE, 5))
    assert reasons(events) == ([] if allowed else [Reject.INSUFFICIENT_MARGIN])
    assert position_of(exchange, ALICE).leverage == (5 if allowed else 10)


def test_an_account_under_its_initial_margin_may_raise_its_leverage() -> None:
    exchange = an_exchange(wallets={ALICE: 60}, holds=[leg(ALICE, 10, at=100, leverage=5), leg(DAVE, -10, at=100)])
    assert not reasons(apply(exchange, set_leverage(ALICE, 10)))


# seeded positions ------------------------------------------------------------------------------------------


def test_seeded_positions_exist_at_their_entry_and_leverage_without_a_trade() -> None:
    exchange = an_exchange()
    legs = (leg(ALICE, 10, at=90, leverage=3), leg(BOB, -10, at=110))
    assert one(apply(exchange, seed(*legs)), PositionsSeeded).legs == legs
    assert (held(exchange, ALICE), position_of(exchange, ALICE).cost) == (10, usd(900))
    assert (position_of(exchange, ALICE).leverage, position_of(exchange, BOB).leverage) == (3, 10)
    assert (wallet(exchange, ALICE), exchange.state.markets["BTC"].last) == (RICH, 0)


@pytest.mark.parametrize(
    ("legs", "reason"),
    [
        ([leg(ALICE, 10, at=100), leg(BOB, -9, at=100)], Reject.POSITIONS_DO_NOT_BALANCE),
        ([leg(ALICE, 10, at=100), leg(BOB, -11, at=100)], Reject.POSITIONS_DO_NOT_BALANCE),
        ([leg(ALICE, 10, at=100), leg(BOB, -10, at=100, symbol="ETH")], Reject.POSITIONS_DO_NOT_BALANCE),
        ([leg(ALICE, 10, at=100), leg(77, -10, at=100)], Reject.UNKNOWN_ACCOUNT),
        ([leg(ALICE, 10, at=100), leg(BOB, -10, at=100, symbol="DOGE")], Reject.UNKNOWN_SYMBOL),
        ([leg(ALICE, 10, at=100), leg(ALICE, -10, at=100)], Reject.ALREADY_EXISTS),
        ([leg(ALICE, 10, at=100), leg(BOB, -10, at=100, leverage=11)], Reject.LEVERAGE_OUT_OF_RANGE),
        ([leg(ALICE, 10, at=100), leg(BOB, -10, at=100), leg(CAROL, 0, at=100)], Reject.SIZE_NOT_POSITIVE),
        ([leg(ALICE, 50_001, at=100), leg(BOB, -50_001, at=100)], Reject.SIZE_TOO_LARGE),
        ([leg(ALICE, 10, at=100), leg(BOB, -10, at=0)], Reject.PRICE_NOT_POSITIVE),
        ([leg(ALICE, 10, at=100), leg(BOB, -10, at=100_001)], Reject.PRICE_TOO_HIGH),
    ],
)
def test_seeded_positions_that_do_not_fit_are_refused_as_a_whole(legs: list[Leg], reason: Reject) -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100})
    assert reasons(apply(exchange, seed(*legs))) == [reason]
    assert (held(exchange, ALICE), held(exchange, BOB)) == (0, 0)


def test_what_is_uneven_is_told_by_symbol() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100})
    events = apply(exchange, seed(leg(ALICE, 10, at=100), leg(BOB, -7, at=100), leg(BOB, 2, at=100, symbol="ETH")))
    assert one(events, ControlRejected).detail == "BTC: 3 lots; ETH: 2 lots"


def test_what_is_uneven_on_very_many_symbols_is_cut_to_what_a_message_may_carry() -> None:
    symbols = [f"A-SYMBOL-WITH-A-LONG-NAME-{number}" for number in range(30)]
    exchange = an_exchange(marks=dict.fromkeys(symbols, 100))
    events = apply(exchange, seed(*(leg(ALICE, 1, at=100, symbol=symbol) for symbol in symbols)))
    assert len(one(events, ControlRejected).detail) == 400


def test_an_account_that_holds_the_symbol_is_seeded_no_second_time() -> None:
    exchange = an_exchange(holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)])
    assert reasons(apply(exchange, seed(leg(ALICE, 1, at=100), leg(CAROL, -1, at=100)))) == [Reject.ALREADY_EXISTS]


def test_positions_are_seeded_before_the_venues_first_trade_only() -> None:
    exchange = an_exchange(book="| 100 @ 1", marks={"BTC": 100, "ETH": 100})
    legs = (leg(ALICE, 1, at=100, symbol="ETH"), leg(BOB, -1, at=100, symbol="ETH"))
    apply(exchange, buy(1, 100, by=CAROL))
    assert reasons(apply(exchange, seed(*legs))) == [Reject.TRADING_HAS_BEGUN]


def test_a_position_seeded_below_maintenance_is_liquidated_at_once() -> None:
    exchange = an_exchange(wallets={ALICE: 49})
    assert "LiquidationEnded" in kinds(apply(exchange, seed(leg(ALICE, 10, at=100), leg(BOB, -10, at=100))))
    assert held(exchange, ALICE) == 0


def test_positions_seeded_before_the_first_price_are_judged_when_it_comes() -> None:
    exchange = Exchange(VENUE)
    apply(exchange, ListInstrument(VENUE, 0, an_instrument()), OpenAccounts(VENUE, 0, ((ALICE, "a"), (BOB, "b"))))
    apply(exchange, deposit(ALICE, 49), deposit(BOB, 1_000))
    assert kinds(apply(exchange, seed(leg(ALICE, 10, at=100), leg(BOB, -10, at=100)))) == ["PositionsSeeded"]
    assert reasons(apply(exchange, withdraw(BOB, 1))) == [Reject.NO_MARK_PRICE]
    assert "LiquidationStarted" in kinds(apply(exchange, spot(BTC=100)))


# rules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"checks_per_input": 0}, Reject.AMOUNT_NOT_POSITIVE),
        ({"checks_per_input": 1}, None),
        ({"fund_draw_ppm": -1}, Reject.AMOUNT_NOT_POSITIVE),
        ({"fund_draw_ppm": 0}, None),
        ({"fund_draw_ppm": 1_000_000}, None),
        ({"fund_draw_ppm": 1_000_001}, Reject.AMOUNT_TOO_LARGE),
        ({"cover_bound_ppm": -1}, Reject.AMOUNT_NOT_POSITIVE),
        ({"cover_bound_ppm": 1_000_000}, None),
        ({"cover_bound_ppm": 1_000_001}, Reject.AMOUNT_TOO_LARGE),
    ],
)
def test_the_venues_rules_are_a_bound_above_zero_and_shares(rules: dict[str, Any], reason: Reject | None) -> None:
    exchange = an_exchange()
    assert reasons(apply(exchange, SetRules(VENUE, 0, **rules))) == ([] if reason is None else [reason])
    changed = {name: getattr(exchange.state.rules, name) for name in rules}
    assert (changed == rules) == (reason is None)


def test_settings_that_are_not_given_stay_as_they_are() -> None:
    exchange = an_exchange(rules=SetRules(VENUE, 0, 7, 200_000, 50_000))
    apply(exchange, SetRules(VENUE, 0, fund_draw_ppm=300_000))
    assert exchange.state.rules == Rules(7, 300_000, 50_000)
    apply(exchange, SetRules(VENUE, 0))
    assert exchange.state.rules == Rules(7, 300_000, 50_000)


def test_settings_one_of_which_is_refused_all_stay_as_they_are() -> None:
    exchange = an_exchange()
    assert reasons(apply(exchange, SetRules(VENUE, 0, 7, -1))) == [Reject.AMOUNT_NOT_POSITIVE]
    assert exchange.state.rules == Rules()


def test_settings_are_published_as_a_whole_once_the_clock_has_ticked_and_not_before() -> None:
    exchange = an_exchange()
    assert apply(exchange, SetRules(VENUE, 0, checks_per_input=7)) == []
    apply(exchange, tick(0))
    published = one(apply(exchange, SetRules(VENUE, 0, cover_bound_ppm=50_000)), RulesSet)
    assert (published.checks_per_input, published.fund_draw_ppm, published.cover_bound_ppm) == (7, 1_000_000, 50_000)


def test_the_map_of_the_venues_is_no_business_of_the_exchange_but_counts_as_an_input() -> None:
    exchange = an_exchange()
    seq = exchange.seq
    assert apply(exchange, MapVenue(VENUE, 0, 3)) == []
    assert exchange.seq == seq + 1


def test_a_sale_of_what_was_seeded_realises_against_the_seeded_entry() -> None:
    exchange = an_exchange(holds=[leg(ALICE, 10, at=80), leg(BOB, -10, at=100)])
    apply(exchange, buy(10, 100, by=BOB), sell(10, 100))
    assert (wallet(exchange, ALICE), wallet(exchange, BOB)) == (RICH + 200, RICH)
