"""ADL policies: whom each venue closes first, at which price, how the lots are shared, and what the lights say.

The scene: Alice's 10 lots bought at 100 fall from 95 to 80 with 100 USDT behind them, so her bankruptcy price is 90.
Bob's 20 were sold at 100, Carol's 10 at 90. At 80 their equities are 1,000 and 200, their profits 400 and 100.
"""

from collections.abc import Iterable, Sequence

import pytest

from stream_engine.core.adl import binance_v1, bitmex, dydx, hyperliquid
from stream_engine.core.adl import queue as adl_queue
from stream_engine.core.adl.candidate import SCORE_UNIT, Candidate, measured
from stream_engine.core.adl.lights import by_quantity, lights_of_quantity, thresholds_ppm
from stream_engine.core.adl.policies import POLICIES
from stream_engine.core.adl.policy import Asked, Left
from stream_engine.core.exchange import Exchange
from stream_engine.messages.events import (
    AdlQueueRanked,
    AnyEvent,
    DeficitChanged,
    DeleveragingStarted,
    FundChanged,
    FundReason,
    LiquidationEnded,
    LossSocialised,
    PositionDeleveraged,
    RulesSet,
)
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.rules import AdlPolicy, AdlRules
from stream_engine.messages.units import MILLION, WIRE_MAX
from tests.core.candidates import Ranked, candidate
from tests.core.rulebook import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    MM,
    VENUE,
    an_exchange,
    apply,
    deposit,
    fund,
    halt,
    leg,
    one,
    only,
    resume,
    spot,
    tick,
    usd,
    wallet,
)

P = AdlPolicy
MARKS = {"BTC": 95}
WALLETS: dict[int, float] = {ALICE: 100, BOB: 600, CAROL: 100}
HOLDS = (leg(ALICE, 10, at=100), leg(MM, 20, at=100), leg(BOB, -20, at=100), leg(CAROL, -10, at=90))


def scene(policy: AdlPolicy, fund: float = 0, **rules: int) -> Exchange:
    return an_exchange(
        marks=MARKS,
        wallets=WALLETS,
        holds=HOLDS,
        fund=fund,
        rules=SetRules(VENUE, 0, adl=AdlRules(policy=policy, **rules)),
    )


def crash(exchange: Exchange) -> list[AnyEvent]:
    """The mark falls to 80."""
    return apply(exchange, spot(BTC=80))


def closed(events: Iterable[AnyEvent]) -> list[tuple[int, int, int]]:
    """(account, lots, price) of all who were deleveraged."""
    return [(event.account, event.size, event.price) for event in only(tuple(events), PositionDeleveraged)]


def booked(events: Sequence[AnyEvent]) -> list[tuple[str, float]]:
    """What the fund and the deficit took and gave, in USDT, but for dust."""
    return [
        ("deficit" if isinstance(event, DeficitChanged) else event.reason.value, event.change / MILLION)
        for event in events
        if isinstance(event, DeficitChanged) or (isinstance(event, FundChanged) and event.reason is not FundReason.DUST)
    ]


def test_every_policy_that_a_venue_may_choose_is_there() -> None:
    assert set(POLICIES) == set(AdlPolicy)


def test_a_venue_that_chooses_nothing_deleverages_as_binance_does_and_the_choice_is_told() -> None:
    plain = an_exchange(marks=MARKS, wallets=WALLETS, holds=HOLDS, rules=SetRules(VENUE, 0))
    assert crash(plain) == crash(scene(P.BINANCE))
    apply(plain, tick(1))
    rules = AdlRules(policy=P.OKX, near_empty_quote=5)
    assert one(apply(plain, SetRules(VENUE, 0, adl=rules)), RulesSet).adl == rules


# rank ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "scores"),
    [
        (P.BINANCE, {CAROL: 0.5, BOB: 0.4}),  # profit to equity
        (P.OKX, {CAROL: 0.5, BOB: 0.4}),
        (P.HEDGE_AWARE, {CAROL: 0.5, BOB: 0.4}),  # nobody hedges anything
        (P.BINANCE_V1, {CAROL: 0.2, BOB: 0.053333}),  # 100/100 * 40/200, 400/600 * 80/1000
        (P.BITMEX, {CAROL: 0.444444, BOB: 0.32}),  # 100/900 * 800/200, 400/2000 * 1600/1000
        (P.BYBIT, {CAROL: 0.444444, BOB: 0.32}),
        (P.HYPERLIQUID, {CAROL: 4.5, BOB: 2}),  # 90/80 * 800/200, 100/80 * 1600/1000
        (P.PRO_RATA, {BOB: 400, CAROL: 100}),  # profits
        (P.CAPPED_PRO_RATA, {BOB: 400, CAROL: 100}),
        (P.PRO_RATA_CONTRACTS, {BOB: 20, CAROL: 10}),
        (P.RISK_AWARE, {BOB: 640, CAROL: 400}),  # 400 * 1.6, 100 * 4
        (P.SOCIALISED, {BOB: 20, CAROL: 10}),
        (P.SOCIALISED_PROFIT, {BOB: 20, CAROL: 10}),
    ],
)
def test_the_minutes_queue_is_ranked_by_the_venues_score(policy: AdlPolicy, scores: dict[int, float]) -> None:
    exchange = scene(policy)
    apply(exchange, deposit(ALICE, 1_000), spot(BTC=80))  # nobody is liquidated
    ranked = [event for event in only(apply(exchange, tick(60)), AdlQueueRanked) if event.side.value == "sell"]
    assert [(account, score / MILLION) for account, _, score, _ in ranked[0].head] == list(scores.items())


def test_a_venue_without_a_rank_publishes_how_many_may_be_deleveraged_and_nobodys_place() -> None:
    ranked = only(apply(scene(P.DYDX), tick(60)), AdlQueueRanked)
    assert [(event.positions, event.thresholds_ppm, event.head) for event in ranked] == [(2, (), ()), (2, (), ())]


@pytest.mark.parametrize(
    ("pnl", "entry_value", "value", "cushion", "expected"),
    [
        (1_000, 10_000, 11_000, 3_000, 0.366666666666),  # a long: 10 % * 11/3
        (1_000, 10_000, 9_000, 3_000, 0.3),  # a short: 10 % * 3
        (-1_000, 10_000, 9_000, 3_000, -0.033333333334),  # a long that loses: 10 % / 3, down
        (0, 10_000, 10_000, 3_000, 0),
    ],
)
def test_bitmex_ranks_profit_of_the_entry_value_by_leverage_to_the_bankrupt_value(
    pnl: int, entry_value: int, value: int, cushion: int, expected: float
) -> None:
    assert bitmex.score(pnl, entry_value, value, (cushion, 1)) == round(expected * SCORE_UNIT)


@pytest.mark.parametrize(("wallet_quote", "expected"), [(999_999, 0.2), (1_000_000, 0.2), (2_000_000, 0.1)])
def test_the_older_binance_form_counts_a_wallet_as_one_usdt_at_least(wallet_quote: int, expected: float) -> None:
    score = binance_v1.leveraged_pnl(400_000, wallet_quote, maintenance=MILLION, equity=2 * MILLION)
    assert score == round(expected * SCORE_UNIT)


def test_the_older_binance_form_scores_nobody_who_loses() -> None:
    assert binance_v1.leveraged_pnl(-1, MILLION, MILLION, MILLION) == binance_v1.pnl_percent(-1, MILLION) == 0


@pytest.mark.parametrize(("sign", "value", "entry_value", "expected"), [(1, 110, 100, 6.05), (-1, 90, 100, 5)])
def test_hyperliquids_index_is_the_price_gain_times_leverage(
    sign: int, value: int, entry_value: int, expected: float
) -> None:
    assert hyperliquid.score(sign, value, entry_value, equity=20) == round(expected * SCORE_UNIT)


@pytest.mark.parametrize(("eth", "first"), [(31, CAROL), (32, BOB), (33, BOB)])
def test_a_hedged_winner_goes_later_by_the_share_that_its_other_positions_offset(eth: int, first: int) -> None:
    """Carol's 100 to 210 falls to Bob's four tenths where 128 of her 800 are offset; ties go to Bob."""
    exchange = an_exchange(
        marks=MARKS | {"ETH": 4},
        wallets=WALLETS | {CAROL: 110},
        holds=[*HOLDS, leg(CAROL, eth, at=4, symbol="ETH"), leg(MM, -eth, at=4, symbol="ETH")],
        rules=SetRules(VENUE, 0, adl=AdlRules(policy=P.HEDGE_AWARE)),
    )
    assert closed(crash(exchange))[0][0] == first


def test_positions_the_same_way_hedge_nothing() -> None:
    exchange = an_exchange(
        marks=MARKS | {"ETH": 4},
        wallets=WALLETS | {CAROL: 110},
        holds=[*HOLDS, leg(CAROL, -40, at=4, symbol="ETH"), leg(MM, 40, at=4, symbol="ETH")],
        rules=SetRules(VENUE, 0, adl=AdlRules(policy=P.HEDGE_AWARE)),
    )
    event = only(crash(exchange), PositionDeleveraged)[0]
    assert (event.account, event.score_ppm) == (CAROL, 476_190)


# the ranking of a round ------------------------------------------------------------------------------------


def test_of_the_deleveragings_of_one_round_only_the_first_scores_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []

    def counting(*asked: object) -> Candidate:
        found = measured(*asked)  # type: ignore[arg-type]
        scored.append(found.account.number)
        return found

    monkeypatch.setattr(adl_queue, "measured", counting)
    exchange = an_exchange(
        wallets={ALICE: 50, BOB: 40, CAROL: 1_000, DAVE: 500},
        holds=[leg(ALICE, 5, at=100), leg(BOB, 4, at=100), leg(CAROL, -5, at=100), leg(DAVE, -3, at=100),
               leg(MM, -1, at=100)],
    )  # fmt: skip
    events = only(crash(exchange), PositionDeleveraged)
    assert [(event.bankrupt, event.account, event.size) for event in events] == [
        (ALICE, DAVE, 3), (ALICE, CAROL, 2), (BOB, CAROL, 3), (BOB, MM, 1)
    ]  # fmt: skip
    assert (scored[:3], scored[3:]) == ([CAROL, DAVE, MM], [CAROL])  # Alice and Dave hold nothing any more
    assert [event.rank for event in events] == [1, 2, 1, 2]


# price -----------------------------------------------------------------------------------------------------


def test_at_the_bankruptcy_price_the_fund_and_the_deficit_have_no_part() -> None:
    events = crash(scene(P.BYBIT, fund=50))
    assert closed(events) == [(CAROL, 10, 90)]
    assert booked(events) == []


@pytest.mark.parametrize(("near_empty", "price"), [(49, 80), (50, 90), (51, 90)])
def test_okx_closes_at_the_mark_until_the_fund_is_nearly_empty_and_then_at_the_bankruptcy_price(
    near_empty: int, price: int
) -> None:
    events = crash(scene(P.OKX, fund=50, near_empty_quote=usd(near_empty)))
    assert one(events, DeleveragingStarted).price == price
    assert closed(events) == [(CAROL, 10, price)]


def test_what_a_price_worse_than_the_bankruptcy_price_leaves_the_fund_pays_then_the_deficit() -> None:
    exchange = scene(P.OKX, fund=50)
    events = crash(exchange)
    assert booked(events) == [("shortfall", -50), ("deficit", -50)]
    assert (fund(exchange), wallet(exchange, ALICE), wallet(exchange, CAROL)) == (0, 0, 200)


@pytest.mark.parametrize(("before", "differences"), [(89, [("shortfall", -10)]), (90, []), (91, [("surplus", 10)])])
def test_hyperliquid_closes_at_the_mark_before_and_a_better_one_than_the_bankruptcy_price_is_the_funds(
    before: int, differences: list[tuple[str, float]]
) -> None:
    exchange = scene(P.HYPERLIQUID, fund=50)
    apply(exchange, halt(), spot(BTC=before), spot(BTC=80))  # liquidations wait
    events = apply(exchange, resume())
    assert closed(events) == [(CAROL, 10, before)]
    assert booked(events) == differences


def test_before_a_second_mark_hyperliquid_closes_at_the_present_one() -> None:
    market = scene(P.HYPERLIQUID).state.markets["BTC"]
    assert market.previous_mark == 0
    assert POLICIES[P.HYPERLIQUID].price(market, Left(size=10, bankruptcy=90, fund=0), AdlRules()) == 95


# share -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "lots"),
    [
        (P.PRO_RATA, {BOB: 8, CAROL: 2}),
        (P.PRO_RATA_CONTRACTS, {BOB: 7, CAROL: 3}),  # 6.67 and 3.33
        (P.SOCIALISED, {BOB: 7, CAROL: 3}),
        (P.SOCIALISED_PROFIT, {BOB: 7, CAROL: 3}),
    ],
)
def test_a_pro_rata_policy_closes_all_in_proportion_and_shows_no_lights(
    policy: AdlPolicy, lots: dict[int, int]
) -> None:
    events = only(crash(scene(policy)), PositionDeleveraged)
    assert {event.account: event.size for event in events} == lots
    assert [(event.rank, event.lights) for event in events] == [(1, 0), (2, 0)]


def test_pro_rata_takes_from_who_wins_nothing_only_what_the_winners_cannot_give() -> None:
    exchange = an_exchange(
        marks=MARKS,
        wallets={ALICE: 100, BOB: 600},
        holds=[leg(ALICE, 10, at=100), leg(BOB, -4, at=100), leg(DAVE, -6, at=70)],
        rules=SetRules(VENUE, 0, adl=AdlRules(policy=P.PRO_RATA)),
    )
    assert closed(crash(exchange)) == [(BOB, 4, 90), (DAVE, 6, 90)]


@pytest.mark.parametrize(
    ("cap_ppm", "given", "left"),
    [
        (200_000, {BOB: 8, CAROL: 2}, 0),  # 80 and 20 USDT: all is given
        (190_000, {BOB: 7, CAROL: 1}, 2),  # 76 and 19 USDT, at 10 a lot
        (0, {}, 10),
    ],
)
def test_capped_pro_rata_takes_no_more_than_the_cap_of_anybodys_profit_and_the_rest_costs_the_deficit(
    cap_ppm: int, given: dict[int, int], left: int
) -> None:
    events = crash(scene(P.CAPPED_PRO_RATA, cap_ppm=cap_ppm))
    assert {account: lots for account, lots, price in closed(events) if price == 90} == given
    assert sum(lots for _, lots, price in closed(events) if price == 80) == left
    ended = one(events, LiquidationEnded)
    assert (ended.adl, ended.deficit) == (10 - left, left)
    assert sum(change for _, change in booked(events)) == -10 * left


@pytest.mark.parametrize(("least", "carol"), [(180, 2), (181, 1), (190, 1), (191, 0)])
def test_capped_pro_rata_leaves_everybody_the_least_equity(least: int, carol: int) -> None:
    events = crash(scene(P.CAPPED_PRO_RATA, cap_ppm=MILLION, least_equity_quote=usd(least)))
    assert sum(lots for account, lots, price in closed(events) if (account, price) == (CAROL, 90)) == carol


@pytest.mark.parametrize(("cap_ppm", "lots"), [(MILLION, {BOB: 6, CAROL: 4}), (300_000, {BOB: 7, CAROL: 3})])
def test_risk_aware_takes_more_from_the_more_levered_within_the_cap(cap_ppm: int, lots: dict[int, int]) -> None:
    assert {account: size for account, size, _ in closed(crash(scene(P.RISK_AWARE, cap_ppm=cap_ppm)))} == lots


# dYdX ------------------------------------------------------------------------------------------------------


def test_the_start_of_chance_follows_from_the_identity_of_the_deleveraging_alone() -> None:
    assert [dydx.start_of((seq, 3), 1_000) for seq in (1, 2, 3)] == [844, 505, 443]
    starts = [dydx.start_of((seq, n), 10) for seq in range(100) for n in range(10)]
    assert all(70 < starts.count(start) < 130 for start in range(10))
    assert dydx.start_of((1, 1), 0) == 0


def test_from_the_start_the_queue_goes_round_the_accounts_by_id() -> None:
    exchange = scene(P.DYDX)
    events = crash(exchange)
    begun, event = one(events, DeleveragingStarted), one(events, PositionDeleveraged)
    start = dydx.start_of((begun.seq, begun.n), 2)
    assert (event.account, event.rank, event.lights, event.score_ppm) == ((BOB, CAROL)[start], 1, 0, 0)


def asked_for_ten(equity: int, short: int, eth: int, loss: int = 10) -> tuple[Candidate, Asked]:
    """A short at 80, with ETH at 100 beside it; 10 lots of it are asked for at a loss each. Initial margin is a tenth,
    maintenance a twentieth."""
    exchange = an_exchange(
        marks={"BTC": 80, "ETH": 100},
        holds=[leg(BOB, -short, at=80), leg(MM, short, at=80), leg(BOB, eth, at=100, symbol="ETH"),
               leg(MM, -eth, at=100, symbol="ETH")],
    )  # fmt: skip
    state = exchange.state
    state.accounts[BOB].wallet = usd(equity)
    found = measured(state.accounts[BOB], state.accounts[BOB].positions["BTC"], state.markets, None)
    return found, Asked(lots=10, loss_per_lot=usd(loss), markets=state.markets, rules=AdlRules())


@pytest.mark.parametrize(("equity", "taken"), [(199, False), (200, True), (201, True)])
def test_dydx_skips_whom_it_would_leave_below_initial_margin(equity: int, taken: bool) -> None:
    """Of 10 lots at 80 and 10 at 100 the ETH stays, which needs 100."""
    winner, asked = asked_for_ten(equity, short=10, eth=10)
    assert list(dydx.share(Ranked([winner]), asked)) == ([(winner, 10)] if taken else [])


@pytest.mark.parametrize(("equity", "taken"), [(547, False), (548, True)])
def test_dydx_takes_who_stands_better_against_maintenance_afterwards_though_below_initial_margin(
    equity: int, taken: bool
) -> None:
    """Of 90 lots at 80 and 1 at 100 are kept 80 and 1: maintenance 365 becomes 325, initial 650. 547.5 less the loss of
    60 is to 325 as it was to 365."""
    winner, asked = asked_for_ten(equity, short=90, eth=1, loss=6)
    assert list(dydx.share(Ranked([winner]), asked)) == ([(winner, 10)] if taken else [])


@pytest.mark.parametrize(("equity", "taken"), [(99, False), (100, True), (101, True)])
def test_dydx_closes_a_position_that_stands_alone_as_long_as_nothing_is_owed(equity: int, taken: bool) -> None:
    winner, asked = asked_for_ten(equity, short=10, eth=1)
    del winner.account.positions["ETH"]
    assert list(dydx.share(Ranked([winner]), asked)) == ([(winner, 10)] if taken else [])


# lights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("through", "lit"), [(1, 5), (19, 5), (20, 5), (21, 4), (40, 4), (41, 3), (60, 3), (80, 2), (81, 1), (100, 1)]
)
def test_bitmex_lights_count_the_quantity_up_to_and_with_the_position(through: int, lit: int) -> None:
    assert lights_of_quantity(through, 100) == lit


def test_who_alone_holds_most_of_the_side_has_one_light_though_it_is_first() -> None:
    queue = Ranked([candidate(1, -81, score=2 * SCORE_UNIT), candidate(2, -19, score=SCORE_UNIT)])
    assert [by_quantity(each, queue) for each in queue] == [1, 1]
    assert thresholds_ppm(queue, by_quantity) == (WIRE_MAX,) * 4


# socialised loss -------------------------------------------------------------------------------------------


def test_a_socialised_loss_is_paid_by_all_holders_of_the_symbol_by_contracts_after_the_fund() -> None:
    exchange = scene(P.SOCIALISED, fund=50)
    events = crash(exchange)
    assert closed(events) == [(BOB, 7, 80), (CAROL, 3, 80)]
    paid = only(events, LossSocialised)
    assert [(event.account, event.bankrupt, event.loss) for event in paid] == [
        (BOB, ALICE, usd(20)), (CAROL, ALICE, usd(10)), (MM, ALICE, usd(20))
    ]  # fmt: skip
    assert [event.wallet / MILLION for event in paid[:2]] == [wallet(exchange, BOB), wallet(exchange, CAROL)]
    assert booked(events) == [("shortfall", -50)]


def test_by_profit_the_winners_of_the_symbol_pay_alone() -> None:
    events = crash(scene(P.SOCIALISED_PROFIT))
    assert [(event.account, event.loss) for event in only(events, LossSocialised)] == [(BOB, usd(80)), (CAROL, usd(20))]
    assert booked(events) == []


def test_nobody_pays_more_of_a_socialised_loss_than_the_equity_and_what_is_left_is_the_deficit() -> None:
    exchange = an_exchange(
        marks={"BTC": 100, "ETH": 100},
        wallets={ALICE: 100, BOB: 118},
        holds=[leg(ALICE, 10, at=100), leg(BOB, -10, at=100), leg(BOB, 10, at=100, symbol="ETH"),
               leg(MM, -10, at=100, symbol="ETH")],
        rules=SetRules(VENUE, 0, adl=AdlRules(policy=P.SOCIALISED_PROFIT)),
    )  # fmt: skip
    events = apply(exchange, spot(BTC=80, ETH=76))  # Bob: 118 + 200 - 240
    assert [(event.account, event.loss) for event in only(events, LossSocialised)] == [(BOB, usd(78))]
    assert booked(events) == [("deficit", -22)]
