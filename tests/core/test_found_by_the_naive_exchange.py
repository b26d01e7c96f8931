"""Rules that the core once broke and the naive exchange found, each told as its smallest case."""

from collections import deque

import pytest
from msgspec.structs import replace

from stream_engine.core import matching
from stream_engine.core.adl.lights import by_number, thresholds_ppm
from stream_engine.core.adl.policies import POLICIES
from stream_engine.core.deleveraging import ranking
from stream_engine.core.drawdown import judge
from stream_engine.core.exchange import Exchange
from stream_engine.core.funding_rate import FundingRate
from stream_engine.core.order_book import BookSide, Order
from stream_engine.messages.codec import decode_event, encode
from stream_engine.messages.events import (
    DrawdownChanged,
    FundReason,
    LiquidationStarted,
    MarkPriceChanged,
    ProtectionTriggered,
    TradingPaused,
)
from stream_engine.messages.inputs import Deposit, ListInstrument, OpenAccounts, SetDuty, SetProtection, SetRules
from stream_engine.messages.instrument import OWN_TRADES, IndexSource
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import AdlPolicy, BreakerRules, Duty, FundPolicy, FundRules, ObligationRules
from stream_engine.messages.units import BALANCE_MAX, MILLION, WIRE_MAX
from tests.core.candidates import Ranked, candidate
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    MM,
    VENUE,
    an_exchange,
    an_instrument,
    apply,
    buy,
    leg,
    one,
    only,
    quote,
    reasons,
    seed,
    sell,
    set_leverage,
    spot,
    tick,
    usd,
    withdraw,
)

NOBODY = 77


def alice_holds_eth_before_its_first_price() -> Exchange:
    """Alice is long 10 BTC at 100 with 200 USDT, and 10 ETH, bought at 100, which have no mark yet."""
    exchange = an_exchange(wallets={ALICE: 200}, holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100)])
    apply(exchange, ListInstrument(VENUE, 0, an_instrument("ETH")))
    assert (
        reasons(apply(exchange, seed(leg(ALICE, 10, at=100, symbol="ETH"), leg(BOB, -10, at=100, symbol="ETH")))) == []
    )
    return exchange


def test_nobody_is_liquidated_before_every_symbol_that_he_holds_has_a_mark() -> None:
    exchange = alice_holds_eth_before_its_first_price()
    assert only(apply(exchange, spot(BTC=50)), LiquidationStarted) == []
    assert only(apply(exchange, spot(ETH=100)), LiquidationStarted)[0].equity == usd(-300)


def test_a_gain_on_a_symbol_whose_mark_comes_late_counts_once_it_is_there() -> None:
    exchange = alice_holds_eth_before_its_first_price()
    apply(exchange, spot(BTC=50))
    assert only(apply(exchange, spot(ETH=150)), LiquidationStarted) == []


def test_who_holds_a_symbol_without_a_mark_can_neither_withdraw_nor_open_nor_choose_a_lower_leverage() -> None:
    exchange = alice_holds_eth_before_its_first_price()
    asked = (withdraw(ALICE, 1), buy(1, at=100), quote(1, bids=[(99, 1)], by=ALICE), set_leverage(ALICE, 1))
    for received in asked:
        assert reasons(apply(exchange, received)) == [Reject.NO_MARK_PRICE], received
    apply(exchange, spot(ETH=110))
    for received in (withdraw(ALICE, 1), buy(1, at=100), quote(1, bids=[(99, 1)], by=ALICE)):
        assert reasons(apply(exchange, received)) == [], received


def test_a_watch_that_was_crossed_without_a_liquidation_makes_no_mark_anew() -> None:
    marks = {"BTC": 100, "ETH": 100, "SOL": 100}
    holds = [leg(who, size, at=100, symbol=on) for on in ("BTC", "ETH") for who, size in ((ALICE, 10), (BOB, -10))]
    sources = (IndexSource("spot", 1), IndexSource(OWN_TRADES, 1))
    exchange = an_exchange(marks=marks, wallets={ALICE: 400}, holds=holds, sources=sources)
    apply(exchange, sell(1, at=80, by=CAROL, symbol="SOL"), buy(1, at=80, by=BOB, symbol="SOL"))
    alice = exchange.state.accounts[ALICE]
    floors = [position.floor for position in alice.positions.values()]
    events = apply(exchange, spot(BTC=60, ETH=140))
    assert [position.floor for position in alice.positions.values()] != floors, "her cushion was to be split anew"
    assert [moved.symbol for moved in only(events, MarkPriceChanged)] == ["BTC", "ETH"]


def an_order(number: int, size: int) -> Order:
    return Order(number, ALICE, f"c{number}", "BTC", 1, 100, size)


@pytest.mark.parametrize(("coming", "published"), [(4, ((100, 4),)), (5, ()), (6, ((100, 6),))])
def test_a_level_that_leaves_and_comes_back_as_it_was_has_not_changed(
    coming: int, published: tuple[tuple[int, int], ...]
) -> None:
    side = BookSide(1)
    former = an_order(1, 5)
    side.rest(former)
    assert side.take_changed() == ((100, 5),)
    side.remove(former)
    side.rest(an_order(2, coming))
    assert side.take_changed() == published


def test_a_level_that_comes_and_goes_within_one_input_was_never_there() -> None:
    side = BookSide(1)
    order = an_order(1, 5)
    side.rest(order)
    side.take(5)
    assert side.take_changed() == ()


def test_of_several_things_wrong_with_seeded_positions_the_first_of_the_enum_answers() -> None:
    exchange = an_exchange()
    wrong = seed(leg(ALICE, 1, at=100, leverage=99), leg(BOB, 1, at=0))
    assert reasons(apply(exchange, wrong)) == [Reject.POSITIONS_DO_NOT_BALANCE]
    apply(exchange, sell(1, at=100, by=BOB), buy(1, at=100, by=CAROL))
    assert reasons(apply(exchange, wrong)) == [Reject.ALREADY_EXISTS]
    assert reasons(apply(exchange, seed(leg(ALICE, 1, at=0)))) == [Reject.TRADING_HAS_BEGUN]


def test_of_several_wrong_entries_the_first_of_the_enum_answers() -> None:
    exchange = an_exchange()
    assert reasons(apply(exchange, Deposit(VENUE, 0, ((ALICE, 0), (NOBODY, 1))))) == [Reject.UNKNOWN_ACCOUNT]
    assert reasons(apply(exchange, spot(BTC=0, ETH=1))) == [Reject.UNKNOWN_SYMBOL]


@pytest.mark.parametrize(
    ("share", "refused"),
    [
        (-1, [Reject.AMOUNT_NOT_POSITIVE]),
        (0, []),
        (1, []),
        (MILLION - 1, []),
        (MILLION, []),
        (MILLION + 1, [Reject.AMOUNT_TOO_LARGE]),
    ],
)
def test_what_a_liquidation_may_draw_and_how_far_it_reaches_are_shares_of_the_whole(
    share: int, refused: list[Reject]
) -> None:
    exchange = an_exchange()
    assert reasons(apply(exchange, SetRules(VENUE, 0, fund_draw_ppm=share))) == refused
    assert reasons(apply(exchange, SetRules(VENUE, 0, cover_bound_ppm=share))) == refused


def test_the_threshold_of_a_light_is_its_least_score_though_who_is_below_zero_stands_behind_with_none() -> None:
    scores = (9, 8, 7, 6, 5, -1, -2, 0, 0, 0)
    queue = Ranked(
        candidate(number, equity=1 if number < 8 else -1, score=score * MILLION)
        for number, score in enumerate(scores, 1)
    )
    assert thresholds_ppm(queue, by_number) == (8, 6, -1, -2)


def test_an_order_refused_for_margin_leaves_no_trace_on_the_account() -> None:
    exchange = an_exchange(wallets={ALICE: 1})
    assert reasons(apply(exchange, buy(1, at=100))) == [Reject.INSUFFICIENT_MARGIN]
    assert exchange.state.accounts[ALICE].positions == {}


def test_a_ranking_of_the_round_hears_what_the_fund_was_paid_while_it_holds_a_position() -> None:
    rules = SetRules(VENUE, 0, fund=FundRules(policy=FundPolicy.TAKE_OVER, position_limit_ppm=10 * MILLION))
    holds = [leg(ALICE, 10, at=100), leg(BOB, -10, at=100)]
    exchange = an_exchange(wallets={ALICE: 60}, holds=holds, fund=100, rules=rules)
    apply(exchange, spot(BTC=95), spot(BTC=97))
    venue, policy = exchange.state, POLICIES[AdlPolicy.BINANCE]
    house = venue.fund.house
    assert house.positions["BTC"].size == 10

    def equity() -> int:
        return next(one.equity for one in ranking(venue, venue.markets["BTC"], 1, policy) if one.account is house)

    before = equity()
    venue.fund.change(venue.out, None, usd(5), FundReason.SURPLUS, ALICE, "BTC")
    assert equity() == before + usd(5)


def test_a_pause_or_a_freeze_that_ends_beyond_all_time_ends_at_the_last_time_that_the_wire_carries() -> None:
    rules = SetRules(VENUE, 0, breakers=BreakerRules(band_ppm=10_000, limit_state_us=0, pause_us=WIRE_MAX))
    exchange = an_exchange(rules=rules)
    events = apply(exchange, tick(0), buy(1, 101), tick(1))
    assert one(events, TradingPaused).until_us == WIRE_MAX
    exchange = an_exchange()
    limits = SetProtection(VENUE, exchange.state.now_us, MM, "BTC", 1, WIRE_MAX, 1, 0)
    events = apply(exchange, limits, quote(1, [(99, 2)]), sell(2, 99, by=BOB))
    assert one(events, ProtectionTriggered).frozen_until_us == WIRE_MAX
    assert all(decode_event(encode(event)) == event for event in events)


def test_a_premium_and_a_loss_of_the_fund_are_cut_to_what_the_wire_carries() -> None:
    funding = FundingRate()
    funding.sample(2 * WIRE_MAX, 1)
    assert funding.premium_ppm() == WIRE_MAX
    exchange = an_exchange(rules=SetRules(VENUE, 0, fund=FundRules(drawdown_on_ppm=MILLION // 2)))
    pool = exchange.state.fund
    pool.is_down, pool.parts = True, deque([(0, 1, 1, 1)])
    pool.house.wallet = BALANCE_MAX
    judge(exchange.state, pool, None)
    event = exchange.state.out.events[-1]
    assert isinstance(event, DrawdownChanged) and event.ratio_ppm == WIRE_MAX


def test_makers_are_measured_against_the_index_while_a_paused_book_is_crossed() -> None:
    duty = Duty(
        name="T", presence_ppm=MILLION, spread_ppm=40_000, size_quote=1,
        stress_presence_ppm=0, stress_spread_ppm=40_000, stress_size_quote=0,
    )  # fmt: skip
    obliged = ObligationRules(duties=(duty,), period_us=60 * MILLION)
    breakers = BreakerRules(band_ppm=10_000, limit_state_us=0, pause_us=60 * MILLION)
    exchange = an_exchange(rules=SetRules(VENUE, 0, breakers=breakers, obligations=obliged))
    apply(exchange, tick(0), buy(1, 101), tick(1), SetDuty(VENUE, exchange.state.now_us, MM, "BTC", "T"))
    apply(exchange, quote(1, [(99, 1)], [(101, 1)]), buy(1, 110, by=BOB), tick(2))
    assert exchange.state.markets["BTC"].book.is_crossed()
    assert exchange.state.duties[MM, "BTC"].met == 1


def test_reduce_only_orders_are_looked_through_only_when_the_position_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(matching, "cancel_spent", lambda *asked: looked.append(asked[1].number))
    exchange = an_exchange(wallets={ALICE: 1_000}, holds=[leg(ALICE, 3, at=100), leg(BOB, -3, at=100)])
    apply(exchange, *(sell(1, 101, id=f"{number}", reduce_only=True) for number in range(3)))
    apply(exchange, buy(2, 101, by=BOB))
    assert looked == []


def test_who_has_lost_more_on_several_symbols_than_the_wire_carries_is_liquidated_and_told_so() -> None:
    symbols, exchange = ("BTC", "ETH", "SOL"), Exchange(VENUE)
    steep = an_instrument(max_price=9_000_000, max_size=1_000)
    for symbol in symbols:
        exchange.apply(ListInstrument(VENUE, 0, replace(steep, symbol=symbol)))
    apply(exchange, OpenAccounts(VENUE, 0, ((ALICE, "alice"), (BOB, "bob"))))
    apply(exchange, Deposit(VENUE, 0, ((ALICE, BALANCE_MAX), (BOB, BALANCE_MAX))))
    apply(exchange, spot(**dict.fromkeys(symbols, 9_000_000)))
    for symbol in symbols:
        apply(exchange, buy(1_000, 9_000_000, symbol=symbol), sell(1_000, 9_000_000, by=BOB, symbol=symbol))
    events = apply(exchange, spot(**dict.fromkeys(symbols, 1)))
    assert only(events, LiquidationStarted)[0].equity == -WIRE_MAX
    assert all(decode_event(encode(event)) == event for event in events)


def test_who_may_lose_all_by_an_order_that_rests_opens_nothing_more_with_that_money() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 100}, wallets={ALICE: 1_000})
    apply(exchange, buy(10, at=190, by=ALICE), sell(89, at=100, by=CAROL, symbol="ETH"))
    assert reasons(apply(exchange, buy(89, at=100, by=ALICE, symbol="ETH"))) == [Reject.INSUFFICIENT_MARGIN]
