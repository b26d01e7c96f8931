"""Liquidation: the waterfall of one account, step by step, and the cascade over several.

Most tests tell of Alice: long 10 lots from 100 with 60 USDT. At a mark of 95 her equity is 10 and her maintenance
47.5; her bankruptcy price is 94. Dave, rich, holds the other side.
"""

import pytest

from stream_engine.core.exchange import Exchange
from stream_engine.core.insurance_fund import fund_flow
from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    CancelReason,
    DeficitChanged,
    DeleveragingStarted,
    FundChanged,
    FundReason,
    LiquidationEnded,
    LiquidationFilled,
    LiquidationStarted,
    MarkPriceChanged,
    OrderCancelled,
    PositionDeleveraged,
    QuoteCancelled,
    Traded,
)
from stream_engine.messages.inputs import Leg, SetRules
from stream_engine.messages.instrument import IndexSource
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    RICH,
    VENUE,
    an_exchange,
    apply,
    book,
    buy,
    fund,
    held,
    kinds,
    leg,
    one,
    only,
    quote,
    sell,
    spot,
    trades,
    usd,
    wallet,
)

LONG_AND_SHORT = (leg(ALICE, 10, at=100), leg(DAVE, -10, at=100))


def alice_falls(book: str = "", fund: float = 0, to: int = 95, dollars: float = 60) -> tuple[Exchange, list[AnyEvent]]:
    """The mark falls from 100; the exchange and the events after it."""
    exchange = an_exchange(book, wallets={ALICE: dollars}, holds=LONG_AND_SHORT, fund=fund)
    return exchange, apply(exchange, spot(BTC=to))


def where_it_went(events: list[AnyEvent]) -> tuple[int, int, int, int]:
    """Lots into the book, into the book at the fund's cost, to deleveraged accounts, to the deficit."""
    ended = one(events, LiquidationEnded)
    return ended.book, ended.fund, ended.adl, ended.deficit


# what is told ----------------------------------------------------------------------------------------------


def test_the_start_names_the_position_and_the_figures_that_decided() -> None:
    started = one(alice_falls()[1], LiquidationStarted)
    assert (started.account, started.size, started.mark, started.bankruptcy_price) == (ALICE, 10, 95, 94)
    assert (started.equity, started.maintenance) == (usd(10), usd(47.5))


def test_a_liquidation_tells_its_steps_in_their_order() -> None:
    _, events = alice_falls(book="3 @ 92, 3 @ 94, 2 @ 96 |", fund=4)
    assert kinds(events) == [
        "SourcePriced",
        "MarkPriceChanged",
        "LiquidationStarted",
        *("Traded", "TradePrinted", "LiquidationFilled", "FundChanged"),  # 2 at 96
        *("Traded", "TradePrinted", "LiquidationFilled"),  # 3 at 94: neither surplus nor cost
        *("Traded", "TradePrinted", "LiquidationFilled", "FundChanged"),  # 3 at 92, covered
        "DeleveragingStarted",
        "PositionDeleveraged",
        "LiquidationEnded",
        "BookChanged",
    ]
    assert where_it_went(events) == (5, 3, 2, 0)


# 1: its orders ---------------------------------------------------------------------------------------------


def test_all_orders_and_quotes_of_the_account_are_cancelled_first_on_every_symbol() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 10}, wallets={ALICE: 160}, holds=LONG_AND_SHORT)
    apply(exchange, buy(1, 90), buy(1, 9, symbol="ETH"), quote(1, [(8, 1)], by=ALICE, symbol="ETH"))
    events = apply(exchange, spot(BTC=85))
    assert [event.reason for event in only(events, OrderCancelled)] == [CancelReason.LIQUIDATION] * 2
    assert one(events, QuoteCancelled).reason is CancelReason.LIQUIDATION
    assert (book(exchange), book(exchange, "ETH")) == ("|", "|")
    assert not exchange.state.accounts[ALICE].orders


def test_a_liquidation_order_never_trades_with_an_order_of_its_own_account() -> None:
    exchange = an_exchange(wallets={ALICE: 70}, holds=LONG_AND_SHORT)
    apply(exchange, sell(5, 99), buy(5, 96, by=BOB))
    events = apply(exchange, spot(BTC=94))
    assert all(trade.maker == BOB for trade in only(events, Traded)) and trades(events) == ["5 @ 96"]


# 2: into the book ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "went", "balance"), [(93, (0, 0, 10, 0), 0), (94, (10, 0, 0, 0), 0), (95, (10, 0, 0, 0), 10)]
)
def test_the_order_of_a_long_is_limited_at_the_bankruptcy_price(
    price: int, went: tuple[int, int, int, int], balance: float
) -> None:
    exchange, events = alice_falls(book=f"10 @ {price} |")
    assert where_it_went(events) == went
    assert fund(exchange) == balance


@pytest.mark.parametrize(
    ("price", "went", "balance"), [(105, (10, 0, 0, 0), 10), (106, (10, 0, 0, 0), 0), (107, (0, 0, 10, 0), 0)]
)
def test_the_order_of_a_short_is_limited_at_the_bankruptcy_price(
    price: int, went: tuple[int, int, int, int], balance: float
) -> None:
    exchange = an_exchange(
        f"| {price} @ 10", wallets={ALICE: 60}, holds=[leg(ALICE, -10, at=100), leg(DAVE, 10, at=100)]
    )
    events = apply(exchange, spot(BTC=105))
    assert where_it_went(events) == went
    assert fund(exchange) == balance


def test_what_the_order_fills_better_than_bankruptcy_goes_to_the_fund() -> None:
    exchange, events = alice_falls(book="4 @ 95, 6 @ 97 |")
    changes = [(event.change, event.reason) for event in only(events, FundChanged)]
    assert changes == [(usd(18), FundReason.SURPLUS), (usd(4), FundReason.SURPLUS)]
    assert (fund(exchange), wallet(exchange, ALICE)) == (22, 0)


def test_every_fill_is_told_against_the_bankruptcy_price() -> None:
    _, events = alice_falls(book="4 @ 93, 6 @ 97 |", fund=100)
    fills = [(fill.size, fill.price, fill.bankruptcy_price, fill.to_fund) for fill in only(events, LiquidationFilled)]
    assert fills == [(6, 97, 94, usd(18)), (4, 93, 94, usd(-4))]


def test_the_trades_of_a_liquidation_say_so_and_name_the_account_as_taker() -> None:
    _, events = alice_falls(book="10 @ 96 |")
    trade = one(events, Traded)
    assert (trade.liquidation, trade.taker, trade.maker) == (True, ALICE, MM)


def test_a_liquidated_account_pays_no_fee_and_its_maker_pays_the_makers() -> None:
    exchange = an_exchange(
        "10 @ 96 |", wallets={ALICE: 60, MM: RICH}, holds=LONG_AND_SHORT, taker_fee_ppm=1_000, maker_fee_ppm=500
    )
    trade = one(apply(exchange, spot(BTC=95)), Traded)
    assert (trade.taker_fee, trade.maker_fee) == (0, usd(0.48))
    assert fund(exchange) == 20


def test_depth_beyond_what_the_liquidation_needs_stays() -> None:
    exchange, events = alice_falls(book="5 @ 95, 8 @ 96 |")
    assert trades(events) == ["8 @ 96", "2 @ 95"]
    assert book(exchange) == "3 @ 95 |"
    assert one(events, BookChanged).bids == ((96, 0), (95, 3))


# 3: at the fund's cost -------------------------------------------------------------------------------------


def test_beyond_bankruptcy_the_fund_pays_each_difference() -> None:
    exchange, events = alice_falls(book="6 @ 92, 4 @ 94 |", fund=100)
    assert where_it_went(events) == (4, 6, 0, 0)
    assert (fund(exchange), wallet(exchange, ALICE)) == (88, 0)
    assert one(events, FundChanged).reason is FundReason.COVER


@pytest.mark.parametrize(("balance", "went"), [(19, (0, 9, 1, 0)), (20, (0, 10, 0, 0)), (21, (0, 10, 0, 0))])
def test_the_fund_covers_whole_lots_as_far_as_its_balance_goes(balance: int, went: tuple[int, int, int, int]) -> None:
    exchange, events = alice_falls(book="10 @ 92 |", fund=balance)
    assert where_it_went(events) == went
    assert fund(exchange) == balance - 2 * went[1]


@pytest.mark.parametrize(("share_ppm", "covered"), [(0, 0), (100_000, 5), (200_000, 10), (1_000_000, 10)])
def test_one_position_draws_no_more_than_its_share_of_the_fund(share_ppm: int, covered: int) -> None:
    rules = SetRules(VENUE, 0, fund_draw_ppm=share_ppm)
    exchange = an_exchange("10 @ 92 |", wallets={ALICE: 60}, holds=LONG_AND_SHORT, fund=100, rules=rules)
    assert where_it_went(apply(exchange, spot(BTC=95))) == (0, covered, 10 - covered, 0)


@pytest.mark.parametrize(("price", "covered"), [(84, 0), (85, 10), (86, 10)])
def test_the_fund_trades_on_no_further_than_the_bound_beyond_bankruptcy(price: int, covered: int) -> None:
    rules = SetRules(VENUE, 0, cover_bound_ppm=100_000)  # of 94: 9.4, so nine ticks
    exchange = an_exchange(f"10 @ {price} |", wallets={ALICE: 60}, holds=LONG_AND_SHORT, fund=1_000, rules=rules)
    assert where_it_went(apply(exchange, spot(BTC=95))) == (0, covered, 10 - covered, 0)


def test_a_surplus_of_the_same_order_may_cover_its_rest() -> None:
    exchange, events = alice_falls(book="6 @ 92, 4 @ 97 |")
    assert where_it_went(events) == (4, 6, 0, 0)
    assert fund(exchange) == 0


def test_the_fund_never_goes_below_zero() -> None:
    exchange, events = alice_falls(book="1 @ 1, 2 @ 50, 7 @ 60 |", fund=100)
    assert where_it_went(events) == (0, 2, 8, 0)
    assert fund(exchange) == 100 - 2 * 34
    assert all(event.balance >= 0 for event in only(events, FundChanged))


# 4: ADL ----------------------------------------------------------------------------------------------------


def test_what_neither_book_nor_fund_takes_is_closed_against_the_opposite_side_at_bankruptcy() -> None:
    exchange, events = alice_falls()
    victim = one(events, PositionDeleveraged)
    assert (victim.account, victim.bankrupt, victim.size, victim.price) == (DAVE, ALICE, 10, 94)
    assert (victim.position, victim.realised) == (0, usd(60))
    assert (wallet(exchange, DAVE), wallet(exchange, ALICE)) == (RICH + 60, 0)


def test_only_what_is_left_is_deleveraged() -> None:
    exchange, events = alice_falls(book="4 @ 95 |")
    assert one(events, DeleveragingStarted).size == 6
    assert (held(exchange, DAVE), held(exchange, MM), held(exchange, ALICE)) == (-4, 4, 0)


def test_a_filled_liquidation_deleverages_nobody() -> None:
    assert not only(alice_falls(book="10 @ 94 |")[1], DeleveragingStarted)


def test_deleveraging_is_no_trade_it_moves_no_last_price_and_costs_no_fee() -> None:
    exchange = an_exchange(wallets={ALICE: 60}, holds=LONG_AND_SHORT, taker_fee_ppm=1_000, maker_fee_ppm=1_000)
    events = apply(exchange, spot(BTC=95))
    assert not only(events, Traded)
    assert exchange.state.markets["BTC"].last == 0
    assert exchange.state.fees == 0


# 5: deficit ------------------------------------------------------------------------------------------------


def a_venue_without_winners(fund: float = 0) -> tuple[Exchange, list[AnyEvent]]:
    """Dave gained 200 on BTC and lost 220 on ETH: at 94 instead of 80 he can lose 14 on nine lots, not on ten."""
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={ALICE: 60, DAVE: 150},
        holds=[*LONG_AND_SHORT, leg(DAVE, 10, at=100, symbol="ETH"), leg(CAROL, -10, at=100, symbol="ETH")],
        fund=fund,
    )
    return exchange, apply(exchange, spot(BTC=80, ETH=78))


def test_nobody_is_deleveraged_below_zero_the_rest_is_closed_at_the_mark_at_the_deficits_cost() -> None:
    _, events = a_venue_without_winners()
    ended = next(event for event in only(events, LiquidationEnded) if event.account == ALICE)
    assert (ended.adl, ended.deficit) == (9, 1)
    at_bankruptcy, at_mark = (event for event in only(events, PositionDeleveraged) if event.bankrupt == ALICE)
    assert (at_bankruptcy.size, at_bankruptcy.price) == (9, 94)
    assert (at_mark.size, at_mark.price) == (1, 80)
    change = next(event for event in only(events, DeficitChanged) if event.account == ALICE)
    assert (change.change, change.symbol) == (usd(-14), "BTC")


def test_the_deficit_is_never_above_zero_and_its_total_is_told() -> None:
    exchange, events = a_venue_without_winners()
    totals = [event.total for event in only(events, DeficitChanged)]
    assert totals == sorted(totals, reverse=True) and all(total < 0 for total in totals)
    assert exchange.state.deficit.total == totals[-1]


@pytest.mark.parametrize(("balance", "paid", "deficit"), [(0, 0, 14), (13, 13, 1), (14, 14, 0), (15, 14, 0)])
def test_the_fund_pays_for_what_is_closed_at_the_mark_as_far_as_it_goes_before_the_deficit_does(
    balance: int, paid: int, deficit: int
) -> None:
    _, events = a_venue_without_winners(fund=balance)
    of_alice = [event for event in events if getattr(event, "account", None) == ALICE]
    changes = [event for event in of_alice if isinstance(event, FundChanged)]
    assert [(-event.change, event.reason) for event in changes] == ([(usd(paid), FundReason.SHORTFALL)] if paid else [])
    assert [-event.change for event in only(of_alice, DeficitChanged)] == ([usd(deficit)] if deficit else [])


def test_no_bankruptcy_price_is_below_one_tick_what_it_can_not_make_good_is_a_debt() -> None:
    holds = [leg(ALICE, 1_000, at=100), leg(DAVE, -1_000, at=100)]
    holds += [leg(ALICE, -1, at=20, symbol="SOL"), leg(DAVE, 1, at=20, symbol="SOL")]
    exchange = an_exchange(marks={"BTC": 100, "SOL": 20}, wallets={ALICE: 12_000}, holds=holds)
    events = apply(exchange, spot(BTC=1))
    prices = {event.symbol: event.bankruptcy_price for event in only(events, LiquidationStarted)}
    assert prices["SOL"] == 1 and prices["BTC"] > 1
    debt = next(event for event in only(events, DeficitChanged) if event.symbol is None)
    assert debt.change < 0 and wallet(exchange, ALICE) == 0


@pytest.mark.parametrize(("fee_ppm", "paid"), [(-500, 0), (0, 0), (500, 0.47)])
def test_a_maker_gets_no_rebate_out_of_a_liquidation_that_pays_no_fee(fee_ppm: int, paid: float) -> None:
    exchange = an_exchange(
        "10 @ 94 |", wallets={ALICE: 60}, holds=LONG_AND_SHORT, maker_fee_ppm=fee_ppm, taker_fee_ppm=1_000
    )
    (traded,) = only(apply(exchange, spot(BTC=95)), Traded)
    assert (traded.maker_fee, traded.taker_fee) == (usd(paid), 0)


# dust and debt ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dollars", "dust"), [(60, 0), (61, 1), (65, 5), (69, 9), (70, 0)])
def test_what_rounding_the_bankruptcy_price_left_goes_to_the_fund(dollars: int, dust: int) -> None:
    exchange, events = alice_falls(dollars=dollars)
    changes = [event.change for event in only(events, FundChanged) if event.reason is FundReason.DUST]
    assert changes == ([usd(dust)] if dust else [])
    assert wallet(exchange, ALICE) == 0


def a_debt(fund: float) -> tuple[Exchange, list[AnyEvent]]:
    """Alice closes at 95 what 50 USDT carry, and the fee of 0.95 is more than she has."""
    exchange = an_exchange(
        wallets={ALICE: 50}, holds=LONG_AND_SHORT, fund=fund, maker_fee_ppm=1_000, taker_fee_ppm=1_000
    )
    apply(exchange, sell(10, 95))
    return exchange, apply(exchange, buy(10, 95, by=BOB))


@pytest.mark.parametrize(
    ("balance", "paid", "deficit"), [(0, 0, 0.95), (0.5, 0.5, 0.45), (0.95, 0.95, 0), (2, 0.95, 0)]
)
def test_the_debt_of_an_account_without_a_position_is_paid_by_the_fund_and_then_by_the_deficit(
    balance: float, paid: float, deficit: float
) -> None:
    exchange, events = a_debt(balance)
    assert [-event.change for event in only(events, FundChanged)] == ([usd(paid)] if paid else [])
    assert [-event.change for event in only(events, DeficitChanged)] == ([usd(deficit)] if deficit else [])
    assert all(event.reason is FundReason.DEBT for event in only(events, FundChanged))
    assert wallet(exchange, ALICE) == 0


def test_the_orders_of_an_account_that_only_has_a_debt_are_cancelled() -> None:
    exchange = an_exchange(wallets={ALICE: 160}, holds=LONG_AND_SHORT, maker_fee_ppm=1_000, taker_fee_ppm=1_000)
    apply(exchange, buy(1, 60, id="left"), spot(BTC=90))
    apply(exchange, sell(10, 84))  # equity 60, all of which the ten lots lose; then there is the fee
    events = apply(exchange, buy(10, 84, by=BOB))
    cancelled = only(events, OrderCancelled)
    assert [(event.client_id, event.reason) for event in cancelled] == [("left", CancelReason.LIQUIDATION)]
    assert book(exchange) == "|"


# the whole account -----------------------------------------------------------------------------------------

CROSS = (
    leg(ALICE, 10, at=100),
    leg(ALICE, -30, at=50, symbol="ETH"),
    leg(ALICE, 7, at=20, symbol="SOL"),
    leg(DAVE, -10, at=100),
    leg(DAVE, 30, at=50, symbol="ETH"),
    leg(DAVE, -7, at=20, symbol="SOL"),
)


@pytest.mark.parametrize("ladder", ["", "3 @ 60, 2 @ 90 | 45 @ 9, 70 @ 9"])
@pytest.mark.parametrize("prices", [(88, 55, 20), (80, 52, 19), (70, 60, 15), (100, 54, 3), (97, 90, 40)])
def test_a_cross_account_ends_with_no_position_and_exactly_nothing(prices: tuple[int, int, int], ladder: str) -> None:
    exchange = an_exchange(ladder, marks={"BTC": 100, "ETH": 50, "SOL": 20}, wallets={ALICE: 137}, holds=CROSS, fund=50)
    btc, eth, sol = prices
    events = apply(exchange, spot(BTC=btc, ETH=eth, SOL=sol))
    assert [event.symbol for event in only(events, LiquidationStarted)].count("BTC") == 1
    assert [held(exchange, ALICE, symbol) for symbol in ("BTC", "ETH", "SOL")] == [0, 0, 0]
    assert wallet(exchange, ALICE) == 0
    for ended in only(events, LiquidationEnded):
        started = next(one for one in only(events, LiquidationStarted) if one.symbol == ended.symbol)
        assert ended.book + ended.fund + ended.adl + ended.deficit == abs(started.size)


def test_the_position_with_most_maintenance_goes_first() -> None:
    exchange = an_exchange(marks={"BTC": 100, "ETH": 50, "SOL": 20}, wallets={ALICE: 137}, holds=CROSS)
    events = apply(exchange, spot(BTC=80, ETH=52, SOL=19))
    assert [event.symbol for event in only(events, LiquidationStarted)] == ["ETH", "BTC", "SOL"]


# the cascade -----------------------------------------------------------------------------------------------


def a_chain() -> tuple[Exchange, list[AnyEvent]]:
    """Alice's ten lots find a bid at 80 only; half of the index is the venue's own last trade; so Bob falls too."""
    exchange = an_exchange(
        "10 @ 80 |",
        wallets={ALICE: 60, BOB: 100},
        holds=[leg(ALICE, 10, at=100), leg(BOB, 10, at=100), leg(DAVE, -20, at=100)],
        fund=140,
        sources=(IndexSource("spot", 1), IndexSource("own", 1)),
    )
    return exchange, apply(exchange, spot(BTC=95))


def test_a_liquidation_that_moves_the_mark_makes_the_next_account_fall_in_the_same_input() -> None:
    exchange, events = a_chain()
    assert [event.mark for event in only(events, MarkPriceChanged)] == [95, 88]
    assert [(event.account, event.mark) for event in only(events, LiquidationStarted)] == [(ALICE, 95), (BOB, 88)]
    assert fund(exchange) == 0
    assert one(events, PositionDeleveraged).price == 90


def test_without_the_first_liquidation_the_second_account_would_not_have_fallen() -> None:
    holds: list[Leg] = [leg(BOB, 10, at=100), leg(DAVE, -10, at=100)]
    exchange = an_exchange("10 @ 80 |", wallets={BOB: 100}, holds=holds)
    assert not only(apply(exchange, spot(BTC=95)), LiquidationStarted)


def test_from_a_deleveraged_position_the_causes_lead_back_to_the_first_mark() -> None:
    _, events = a_chain()
    by_place = {(event.seq, event.n): event for event in events}
    event: AnyEvent = one(events, PositionDeleveraged)
    chain = [event]
    while event.cause is not None:
        event = by_place[event.cause]
        chain.append(event)
    assert kinds(chain) == [
        "PositionDeleveraged",
        "DeleveragingStarted",
        "LiquidationStarted",
        "MarkPriceChanged",
        "Traded",
        "LiquidationStarted",
        "MarkPriceChanged",
    ]
    started = only(chain, LiquidationStarted)
    assert [one.account for one in started] == [BOB, ALICE]


def test_the_events_of_a_fill_are_set_off_by_the_fill() -> None:
    _, events = alice_falls(book="10 @ 96 |")
    trade, filled, changed = one(events, Traded), one(events, LiquidationFilled), one(events, FundChanged)
    assert trade.cause == (trade.seq, one(events, LiquidationStarted).n)
    assert filled.cause == (trade.seq, trade.n)
    assert changed.cause == (filled.seq, filled.n)


def test_of_several_marks_that_moved_the_newest_is_the_cause() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={ALICE: 200},
        holds=[*LONG_AND_SHORT, leg(ALICE, 10, at=100, symbol="ETH"), leg(DAVE, -10, at=100, symbol="ETH")],
    )
    apply(exchange, spot(ETH=99))
    events = apply(exchange, spot(BTC=88))
    newest = one(events, MarkPriceChanged)
    assert {started.cause for started in only(events, LiquidationStarted)} == {(newest.seq, newest.n)}


def test_a_cascade_cut_short_names_its_cause_in_the_earlier_input() -> None:
    exchange = an_exchange(
        wallets={ALICE: 60, BOB: 60},
        holds=[leg(ALICE, 10, at=100), leg(BOB, 10, at=100), leg(DAVE, -20, at=100)],
        rules=SetRules(VENUE, 0, checks_per_input=1),
    )
    mark = one(apply(exchange, spot(BTC=95)), MarkPriceChanged)
    later = one(apply(exchange, buy(1, 50, by=CAROL)), LiquidationStarted)
    assert later.cause == (mark.seq, mark.n) and later.seq == mark.seq + 1


# whose money -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "flow"), [(10, 6), (-10, -6)])
def test_the_flow_of_a_fill_is_its_distance_from_bankruptcy_on_the_owners_better_side(size: int, flow: int) -> None:
    assert fund_flow(size, 3, 96, 94, 1) == flow
    assert fund_flow(size, 3, 94, 94, 1) == 0
    assert fund_flow(size, 3, 92, 94, 1) == -flow
