"""The exchange against a naive one: for every history the same events, in the same order, with the same causes.

The naive exchange (tests/naive) scans all accounts after every input and knows no bound of work, so the histories set
the bound out of reach; how the exchange behaves within its bound is the last part of this file.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from stream_engine.core import (
    auction,
    cancelling,
    circuit_breaker,
    drawdown,
    exchange,
    freeze,
    funding,
    funding_rate,
    halt,
    index_price,
    inheritance,
    liquidation,
    liquidation_order,
    mark_price,
    matching,
    order_entry,
    position,
    presence,
    price_band,
    pricing,
    protection,
    quotes,
    venue,
    water_filling,
)
from stream_engine.core.accounts import Account, is_liquidatable, is_marked
from stream_engine.core.adl import shares
from stream_engine.core.adl.candidate import Candidate, key_of
from stream_engine.core.adl.queue import Ranking
from stream_engine.core.arithmetic import div_ceil, div_floor
from stream_engine.core.backstop import is_due
from stream_engine.core.exchange import Exchange
from stream_engine.core.insurance_fund import LAST_ACCOUNT
from stream_engine.core.invariants import check
from stream_engine.core.margin_watch import MarginWatch
from stream_engine.core.market import Market
from stream_engine.core.order_book import BookSide, Order
from stream_engine.core.trigger_index import TriggerIndex
from stream_engine.messages import events as vocabulary
from stream_engine.messages.events import (
    AnyEvent,
    AuctionUncrossed,
    Breaker,
    BreakerReleased,
    CancelReason,
    Cause,
    ControlRejected,
    DeficitChanged,
    DeleveragingStarted,
    FundChanged,
    FundReason,
    LiquidationEnded,
    LiquidationFilled,
    LiquidationStarted,
    MarkPriceChanged,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderTriggered,
    PositionDeleveraged,
    QuoteAccepted,
    Traded,
    TradingReopened,
)
from stream_engine.messages.inputs import (
    AnyInput,
    ClockTick,
    MapVenue,
    Place,
    ResumeTrading,
    SetRules,
    TimeInForce,
    Withdraw,
)
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import AdlPolicy, BreakerRules, SelfTrade
from tests.core.histories import NO_BOUND, VENUE, histories, history
from tests.naive.naive_exchange import NaiveAccount, NaiveExchange
from tests.test_architecture import PACKAGES, imports_of, lies_in

NAIVE = sorted((Path(__file__).resolve().parent.parent / "naive").glob("*.py"))
SEEDS = range(160)
MOST_SEEDS = 480  # what happens seldom may need more stories than the others
LENGTH = 150
EVENT_TYPES = get_args(AnyEvent)

SELDOM = (
    "closed in the book alone",
    "closed at the fund's cost",
    "deleveraged",
    "closed at the deficit's cost",
    "closed in the book, at the fund's cost and by deleveraging",
    "a debt that the fund could not pay",
    "a part of a position closed in the book",
    "an account that waits for the clock",
    "a surplus shared with its owner",
    "an owner left with money",
    "taken over in part, and deleveraged",
    "a pool closed that was worth less than nothing",
    "a pool deleveraged as anybody",
    "a vault that takes several positions",
    "several positions of one account in one input",
    "a second round",
    "a third round",
    "a quote level cancelled against its own account",
    "an answer given again",
    "a reduce-only order cut while it took",
    "a resting reduce-only order cut",
    "an order stopped by one of its own account",
    "an amended order that traded",
    "an amended order that waits",
    "a client id used again after its answer was forgotten",
    "a mark made anew by the clock",
    *(f"deleveraged as {policy.value}" for policy in AdlPolicy),
    "what the policy left, as capped-pro-rata",
    "what the policy left, as risk-aware",
    "a position closed better than at its bankruptcy price",
    "a deficit by the price of the policy",
    *(f"{breaker} that let nobody go" for breaker in Breaker),
    "a call with a surplus of bids",
    "a call with a surplus of offers",
    "a pause after which nothing crossed",
    "a breaker whose time was up",
    "triggered by Traded",
    "triggered by MarkPriceChanged",
    "triggered when trading is resumed",
    "a stop that set off a stop",
    "a stop that a liquidation set off",
    "a liquidation after a stop",
    "a liquidation set off by funding",
    "an isolated position liquidated",
    "margin moved by a lower leverage",
    "a rebate clawed back",
)


def without_detail(event: AnyEvent) -> AnyEvent:
    """A text for people is no rule: the naive exchange does not write it."""
    return replace(event, detail="") if isinstance(event, ControlRejected) else event


def difference(told: Iterable[AnyInput], naive: NaiveExchange, seen: Counter[str] | None = None) -> str | None:
    """Where the exchange and the naive one part, in words; counts in `seen` what the history reached."""
    real = Exchange(VENUE)
    client_ids: dict[tuple[int, str], int] = {}
    for number, received in enumerate(told):
        ours = [without_detail(event) for event in real.apply(received)]
        theirs = naive.apply(received)
        if ours != theirs:
            place = next(
                (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
            )
            return f"input {number}: {received}\nexchange: {ours[place:][:1]}\nnaive:    {theirs[place:][:1]}"
        if seen is not None:
            check(real)
            seen.update(reached(ours, client_ids))
            seen.update(deleveraged(ours, real.state.rules.adl.policy))
            seen["an account that waits for the clock"] += bool(real.state.watch.put_off)
    return None


def reached(events: list[AnyEvent], client_ids: dict[tuple[int, str], int]) -> Iterator[str]:
    """What the events of one input show; `client_ids` remembers the first order id of each."""
    started = {(event.account, event.symbol) for event in events if isinstance(event, LiquidationStarted)}
    closed = Counter(account for account, _ in started)
    if max(closed.values(), default=0) > 1:
        yield "several positions of one account in one input"
    rounds, has_moved, has_triggered = 0, True, False
    entered: set[int] = set()
    whole: set[int] = set()
    amended: set[int] = set()
    filled: set[int] = set()
    for event in events:
        yield type(event).__name__
        if isinstance(event, OrderAccepted | OrderTriggered) and event.time_in_force is TimeInForce.FOK:
            whole.add(event.order_id)
        reason = getattr(event, "reason", None)
        if reason is not None:
            yield str(reason)
        match event:
            case LiquidationStarted(account=account) if account > LAST_ACCOUNT - 100:
                yield "a pool closed that was worth less than nothing"
            case vocabulary.PositionDeleveraged(account=account) if account > LAST_ACCOUNT - 100:
                yield "a pool deleveraged as anybody"
            case vocabulary.BackstopTookOver() if len(event.positions) > 1:
                yield "a vault that takes several positions"
            case LiquidationStarted():
                if has_triggered:
                    yield "a liquidation after a stop"
                rounds, has_moved = rounds + has_moved, False
                seq, n = event.cause or (-1, 0)
                if seq == event.seq and isinstance(events[n], vocabulary.FundingPaid):
                    yield "a liquidation set off by funding"
            case MarkPriceChanged():
                has_moved = True
                if event.cause is None and isinstance(events[0], vocabulary.ClockTicked):
                    yield "a mark made anew by the clock"
            case LiquidationEnded():
                ways = (event.book > 0, event.fund > 0, event.adl > 0, event.deficit > 0)
                names = ("closed at the fund's cost", "deleveraged", "closed at the deficit's cost")
                yield from (name for name, way in zip(names, ways[1:], strict=True) if way)
                if ways == (True, False, False, False):
                    yield "closed in the book alone"
                if event.taken_over and event.adl:
                    yield "taken over in part, and deleveraged"
                if event.left:
                    yield "a part of a position closed in the book"
                if event.wallet > 0 and not event.left:
                    yield "an owner left with money"
                if all(ways[:3]):
                    yield "closed in the book, at the fund's cost and by deleveraging"
            case AuctionUncrossed():
                if event.surplus:
                    yield f"a call with a surplus of {'bids' if event.surplus > 0 else 'offers'}"
            case TradingReopened() if not event.price:
                yield "a pause after which nothing crossed"
            case BreakerReleased():
                if event.accounts:
                    yield f"{event.breaker} that let nobody go"
                if event.capped:
                    yield "a breaker whose time was up"
            case OrderTriggered(cause=cause) if cause is not None:
                has_triggered = True
                by = events[cause[1]] if cause[0] == event.seq else None
                yield f"triggered by {type(by).__name__}" if by is not None else "triggered when trading is resumed"
                if isinstance(by, Traded) and by.cause is not None and by.cause[0] == event.seq:
                    before = events[by.cause[1]]
                    if isinstance(before, OrderTriggered):
                        yield "a stop that set off a stop"
                    if isinstance(before, LiquidationStarted):
                        yield "a stop that a liquidation set off"
            case LiquidationFilled():
                surplus = abs(event.price - event.bankruptcy_price) * event.size
                if event.to_fund > 0 and event.to_fund % surplus:
                    yield "a surplus shared with its owner"
            case vocabulary.FundChanged() if event.symbol is not None and event.reason is FundReason.DUST:
                yield "an isolated position liquidated"
            case vocabulary.MarginMoved() if event.n and isinstance(events[event.n - 1], vocabulary.LeverageSet):
                yield "margin moved by a lower leverage"
            case vocabulary.DutyMeasured() if event.clawed_back:
                yield "a rebate clawed back"
            case DeficitChanged() if event.symbol is None:
                yield "a debt that the fund could not pay"
            case QuoteAccepted() if event.cause is not None:
                yield "a quote level cancelled against its own account"
            case OrderCancelled() if reason is CancelReason.IMMEDIATE:
                assert event.order_id not in whole, f"{event.order_id} was to be filled as a whole"
            case OrderCancelled() if reason is CancelReason.REDUCE_ONLY and event.order_id in entered:
                yield "a reduce-only order cut while it took"
            case OrderCancelled() if reason is CancelReason.REDUCE_ONLY and event.order_id in filled:
                yield "a resting reduce-only order cut"
            case OrderCancelled() if reason is CancelReason.SELF_TRADE and event.order_id in entered:
                yield "an order stopped by one of its own account"
            case Traded():
                filled.add(event.maker_order_id)
                if event.taker_order_id in amended:
                    yield "an amended order that traded"
            case OrderAmended():
                if event.price is None:
                    yield "an amended order that waits"
                amended.add(event.order_id)
            case OrderAccepted() if event.repeated:
                yield "an answer given again"
            case OrderAccepted():
                entered.add(event.order_id)
                key = (event.account, event.client_id)
                if client_ids.setdefault(key, event.order_id) != event.order_id:
                    yield "a client id used again after its answer was forgotten"
    if rounds > 1:
        yield "a second round"
    if rounds > 2:
        yield "a third round"


def deleveraged(events: list[AnyEvent], policy: AdlPolicy) -> Iterator[str]:
    """Which way of deleveraging one input's events show, and what is seldom about it."""
    prices: dict[Cause | None, int] = {}
    for event in events:
        match event:
            case DeleveragingStarted():
                prices[event.seq, event.n] = event.price
                yield f"deleveraged as {policy.value}"
            case PositionDeleveraged() if event.price != prices[event.cause]:
                yield f"what the policy left, as {policy.value}"
            case FundChanged() if event.cause in prices and event.reason is FundReason.SURPLUS:
                yield "a position closed better than at its bankruptcy price"
            case DeficitChanged() if event.cause in prices and policy in (AdlPolicy.OKX, AdlPolicy.HYPERLIQUID):
                yield "a deficit by the price of the policy"


# the naive exchange itself ---------------------------------------------------------------------------------


@pytest.mark.parametrize("file", NAIVE, ids=lambda file: file.name)
def test_the_naive_exchange_imports_nothing_of_ours_but_the_vocabulary(file: Path) -> None:
    names = imports_of(file.read_text(encoding="utf-8"))
    ours = [name for name in names if name.startswith(".") or lies_in(name, (*PACKAGES, "tests"))]
    assert [name for name in ours if not lies_in(name, ("stream_engine.messages", "tests.naive"))] == []


# the same events -------------------------------------------------------------------------------------------


def test_these_histories_bring_the_same_events_as_the_naive_exchange_and_reach_everything_that_there_is() -> None:
    seen: Counter[str] = Counter()
    wanted = [*SELDOM, *(kind.__name__ for kind in EVENT_TYPES)]
    wanted += [str(reason) for reasons in (Reject, CancelReason, FundReason) for reason in reasons]
    missing: dict[str, int] = {}
    for seed in range(MOST_SEEDS):
        parted = difference(history(seed, LENGTH), NaiveExchange(VENUE), seen)
        assert parted is None, f"seed {seed}, {parted}"
        missing = {path: seen[path] for path in wanted if seen[path] < 3}
        if seed + 1 >= len(SEEDS) and not missing:
            break
    assert missing == {}


@settings(max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(told=histories(chapters=10))
def test_any_history_brings_the_same_events_as_the_naive_exchange(told: list[AnyInput]) -> None:
    assert difference(told, NaiveExchange(VENUE), Counter()) is None


@pytest.mark.prove
@settings(max_examples=1_000, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(told=histories(chapters=20))
def test_very_many_histories_bring_the_same_events_as_the_naive_exchange(told: list[AnyInput]) -> None:
    assert difference(told, NaiveExchange(VENUE), Counter()) is None


@pytest.mark.prove
def test_a_thousand_long_histories_bring_the_same_events_as_the_naive_exchange() -> None:
    for seed in range(1_000, 2_000):
        parted = difference(history(seed, 300), NaiveExchange(VENUE), Counter())
        assert parted is None, f"seed {seed}, {parted}"


# the comparison can fail -----------------------------------------------------------------------------------

Patch = pytest.MonkeyPatch


def fees_round_down(patch: Patch) -> None:
    patch.setattr(matching, "div_ceil", div_floor)


def a_partial_close_releases_cost_rounded_up(patch: Patch) -> None:
    patch.setattr(position, "div_floor", div_ceil)


def a_tie_in_the_queue_goes_to_the_higher_account(patch: Patch) -> None:
    walk = Ranking.__iter__

    def backwards_among_equals(ranking: Ranking) -> Iterator[Candidate]:
        ranked = sorted(walk(ranking), key=lambda candidate: key_of(candidate) - 2 * candidate.account.number)
        for rank, candidate in enumerate(ranked, 1):
            candidate.rank = rank
            yield candidate

    patch.setattr(Ranking, "__iter__", backwards_among_equals)


def a_ranking_of_the_round_does_not_hear_of_who_was_touched(patch: Patch) -> None:
    refresh = Ranking.refresh
    patch.setattr(Ranking, "refresh", lambda ranking, touched: refresh(ranking, ()))


def a_ranking_outlives_the_marks_that_it_was_made_at(patch: Patch) -> None:
    patch.setattr(Ranking, "stands", lambda ranking, score: True)
    patch.setattr(venue.Venue, "watch_touched", keeping_rankings(venue.Venue.watch_touched))


def keeping_rankings(watch_touched: Callable[[venue.Venue], None]) -> Callable[[venue.Venue], None]:
    def kept(state: venue.Venue) -> None:
        rankings = state.rankings
        watch_touched(state)
        state.rankings = rankings

    return kept


def a_remainder_goes_to_the_higher_account(patch: Patch) -> None:
    def backwards(weights: Sequence[int], caps: Sequence[int], total: int) -> list[int]:
        return water_filling.water_fill(weights[::-1], caps[::-1], total)[::-1]

    patch.setattr(shares, "water_fill", backwards)


def a_bankruptcy_price_rounds_to_the_other_side(patch: Patch) -> None:
    patch.setattr("stream_engine.core.margin.div_ceil", div_floor)


def liquidations_go_from_the_highest_account_down(patch: Patch) -> None:
    crossed = MarginWatch.crossed
    patch.setattr(MarginWatch, "crossed", lambda watch, most: crossed(watch, most)[::-1])


def who_came_last_is_filled_first(patch: Patch) -> None:
    def first(side: BookSide) -> Order:
        order = side.levels[-side.sign * side.best_key].last
        assert order is not None
        return order

    patch.setattr(BookSide, "first", first)


def an_account_trades_with_itself(patch: Patch) -> None:
    patch.setattr(matching, "cancel_own", lambda *asked: False)


def a_quote_level_that_stays_goes_to_the_back_of_the_queue(patch: Patch) -> None:
    def keep(state: venue.Venue, market: Market, account: Account, standing: list[Order], wanted: object) -> object:
        for order in [order for order in standing if order.level is not None]:
            cancelling.take_off_book(state, market, account, order)
        return {}

    patch.setattr(quotes, "_keep", keep)


def an_index_rounds_down(patch: Patch) -> None:
    patch.setattr(index_price, "div_nearest", div_floor)


def a_source_is_stale_a_microsecond_early(patch: Patch) -> None:
    value = index_price.IndexPrice.value
    patch.setattr(index_price.IndexPrice, "value", lambda sources, now_us: value(sources, now_us + 1))


def a_price_that_was_overtaken_is_taken(patch: Patch) -> None:
    patch.setattr(index_price.IndexPrice, "is_overtaken", lambda sources, source, sent_us: False)


def an_outlier_counts_for_what_it_says(patch: Patch) -> None:
    patch.setattr(index_price, "LEAST_FOR_A_CLAMP", 4)


def who_receives_funding_is_paid_rounded_up(patch: Patch) -> None:
    patch.setattr(funding, "div_ceil", div_floor)


def funding_is_settled_a_microsecond_late(patch: Patch) -> None:
    settle = funding.settle_funding

    def late(state: venue.Venue, market: Market, rate: funding_rate.FundingRate) -> None:
        if state.now_us != rate.ends_us:
            settle(state, market, rate)

    patch.setattr(exchange, "settle_funding", late)


def a_premium_rounds_down(patch: Patch) -> None:
    patch.setattr(funding_rate, "div_nearest", div_floor)


def two_prices_make_hyperliquids_mark_without_a_third(patch: Patch) -> None:
    mark = mark_price.hyperliquid_mark
    patch.setattr(pricing, "hyperliquid_mark", lambda basis, touch, others, _: mark(basis, touch, others, None))


def every_mark_is_its_index(patch: Patch) -> None:
    patch.setattr(pricing, "mark_price", lambda market, index, now_us: index)


def a_stamp_may_lie_a_microsecond_further_ahead(patch: Patch) -> None:
    patch.setattr(exchange, "AHEAD_ALLOWED_US", exchange.AHEAD_ALLOWED_US + 1)


def an_answer_is_forgotten_a_microsecond_late(patch: Patch) -> None:
    patch.setattr(venue, "ANSWERS_KEPT_US", venue.ANSWERS_KEPT_US + 1)


def the_fund_is_asked_for_one_micro_quote_less(patch: Patch) -> None:
    patch.setattr(liquidation_order, "div_floor", lambda dividend, divisor: div_floor(dividend - 1, divisor))


def the_fund_takes_over_one_lot_more(patch: Patch) -> None:
    takeable = inheritance._takeable
    patch.setattr(inheritance, "_takeable", lambda *asked: min(abs(asked[3].size), takeable(*asked) + 1))


def a_vault_takes_over_a_millionth_earlier(patch: Patch) -> None:
    patch.setattr(liquidation, "is_due", lambda figures, below_ppm: is_due(figures, below_ppm + 1))


def a_drawdown_takes_half_as_much_again(patch: Patch) -> None:
    sets_it_on = drawdown.sets_it_on
    patch.setattr(drawdown, "sets_it_on", lambda change, of, on_ppm: sets_it_on(change, of, on_ppm * 3 // 2))


def presence_rounds_up(patch: Patch) -> None:
    patch.setattr(presence, "div_floor", div_ceil)


def a_halted_venue_pays_out(patch: Patch) -> None:
    waits = halt.waits
    patch.setattr(halt, "waits", lambda state, received: not isinstance(received, Withdraw) and waits(state, received))


def a_halted_venue_answers_no_order_again(patch: Patch) -> None:
    patch.setattr(halt, "is_repeat", lambda state, order: False)


def a_fill_or_kill_order_takes_what_there_is(patch: Patch) -> None:
    patch.setattr(order_entry, "would_take", lambda *asked: (asked[4], 0, False))


def a_reduce_only_order_gives_all_that_it_has(patch: Patch) -> None:
    patch.setattr(matching, "reducible", lambda position, sign: 1 << 40)


def what_reduces_nothing_stays(patch: Patch) -> None:
    patch.setattr(matching, "cancel_spent", lambda *asked: None)


def an_order_goes_on_where_its_own_rule_stops_it(patch: Patch) -> None:
    match: Callable[..., object] = matching.match
    patch.setattr(order_entry, "match", lambda *asked: match(*asked[:8], SelfTrade.CANCEL_MAKER))


def an_order_may_not_come_at_its_own_time(patch: Patch) -> None:
    def is_past(state: venue.Venue, received: Place) -> bool:
        return received.expires_us is not None and received.expires_us <= state.now_us

    patch.setattr(order_entry, "is_past", is_past)


def quotes_are_frozen_a_microsecond_longer(patch: Patch) -> None:
    patch.setattr(quotes, "is_frozen", lambda stake, now_us: protection.is_frozen(stake, now_us - 1))


def what_a_price_reaches_enters_from_the_farthest(patch: Patch) -> None:
    reached = TriggerIndex.take_reached
    patch.setattr(TriggerIndex, "take_reached", lambda index, price: reached(index, price)[::-1])


def what_the_marks_reached_in_a_halt_waits_on(patch: Patch) -> None:
    patch.setattr(halt, "mark_moved", lambda state, market: None)


def an_isolated_position_gives_margin_back_rounded_up(patch: Patch) -> None:
    patch.setattr("stream_engine.core.isolated.div_floor", div_ceil)


def an_isolated_position_draws_more_than_can_be_spared(patch: Patch) -> None:
    patch.setattr(matching, "spare_wallet", lambda *asked: 1 << 60)


def an_isolated_position_reserves_nothing_in_the_wallet(patch: Patch) -> None:
    patch.setattr("stream_engine.core.accounts.reserve_of", lambda *asked: 0)


def the_reference_of_a_price_band_rounds_down(patch: Patch) -> None:
    patch.setattr(price_band, "div_nearest", div_floor)


def a_call_opens_where_the_offers_begin(patch: Patch) -> None:
    call_price = auction.call_price

    def lowest(bids: auction.Levels, asks: auction.Levels, reference: int) -> tuple[int, int, int]:
        return min(price for price, _ in asks), *call_price(bids, asks, reference)[1:]

    patch.setattr(auction, "call_price", lowest)


def a_freeze_comes_a_microsecond_late(patch: Patch) -> None:
    age = freeze.age_of_oldest_us
    patch.setattr(circuit_breaker, "age_of_oldest_us", lambda sources, now_us: age(sources, now_us) - 1)


MUTATIONS: tuple[Callable[[Patch], None], ...] = (
    fees_round_down,
    a_partial_close_releases_cost_rounded_up,
    a_tie_in_the_queue_goes_to_the_higher_account,
    a_ranking_of_the_round_does_not_hear_of_who_was_touched,
    a_ranking_outlives_the_marks_that_it_was_made_at,
    a_remainder_goes_to_the_higher_account,
    a_bankruptcy_price_rounds_to_the_other_side,
    liquidations_go_from_the_highest_account_down,
    who_came_last_is_filled_first,
    an_account_trades_with_itself,
    a_quote_level_that_stays_goes_to_the_back_of_the_queue,
    an_index_rounds_down,
    a_source_is_stale_a_microsecond_early,
    a_price_that_was_overtaken_is_taken,
    an_outlier_counts_for_what_it_says,
    who_receives_funding_is_paid_rounded_up,
    funding_is_settled_a_microsecond_late,
    a_premium_rounds_down,
    two_prices_make_hyperliquids_mark_without_a_third,
    every_mark_is_its_index,
    a_stamp_may_lie_a_microsecond_further_ahead,
    an_answer_is_forgotten_a_microsecond_late,
    the_fund_is_asked_for_one_micro_quote_less,
    the_fund_takes_over_one_lot_more,
    a_vault_takes_over_a_millionth_earlier,
    a_drawdown_takes_half_as_much_again,
    presence_rounds_up,
    a_halted_venue_pays_out,
    a_halted_venue_answers_no_order_again,
    the_reference_of_a_price_band_rounds_down,
    a_call_opens_where_the_offers_begin,
    a_freeze_comes_a_microsecond_late,
    a_fill_or_kill_order_takes_what_there_is,
    a_reduce_only_order_gives_all_that_it_has,
    what_reduces_nothing_stays,
    an_order_goes_on_where_its_own_rule_stops_it,
    an_order_may_not_come_at_its_own_time,
    quotes_are_frozen_a_microsecond_longer,
    what_a_price_reaches_enters_from_the_farthest,
    what_the_marks_reached_in_a_halt_waits_on,
    an_isolated_position_gives_margin_back_rounded_up,
    an_isolated_position_draws_more_than_can_be_spared,
    an_isolated_position_reserves_nothing_in_the_wallet,
)


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_a_rule_of_the_exchange_changed_by_one_step_is_seen(
    mutate: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    mutate(monkeypatch)
    assert any(is_seen(seed) for seed in SEEDS)


def is_seen(seed: int) -> bool:
    """By the naive exchange, or by the exchange itself."""
    try:
        return difference(history(seed, LENGTH), NaiveExchange(VENUE)) is not None
    except AssertionError:
        return True


class WithoutASecondLook(NaiveExchange):
    """Liquidates all that a round found, even who was saved by an earlier liquidation of the round."""

    def _is_doomed(self, account: NaiveAccount, alone: str | None, found: list[str | None]) -> bool:
        return alone in found


class WithoutWaiting(NaiveExchange):
    """Liquidates while trading is halted."""

    def _is_waiting(self) -> bool:
        return False


class WithOneRound(NaiveExchange):
    """Makes no mark anew after a round."""

    def _make_marks_of_what_traded(self) -> None:
        pass


@pytest.mark.parametrize("changed", [WithoutASecondLook, WithoutWaiting, WithOneRound])
def test_a_rule_of_the_cascade_left_out_of_the_naive_exchange_is_seen(changed: type[NaiveExchange]) -> None:
    assert any(difference(history(seed, LENGTH), changed(VENUE)) for seed in SEEDS)


# within the bound ------------------------------------------------------------------------------------------


def with_bound(told: Iterable[AnyInput], checks: int) -> Iterator[AnyInput]:
    """The history with as many checks per input as given, wherever it set them out of reach."""
    for received in told:
        unbound = isinstance(received, SetRules) and received.checks_per_input == NO_BOUND
        yield replace(received, checks_per_input=checks) if unbound else received


def below_maintenance(real: Exchange) -> list[int]:
    """Who is to be liquidated, by a scan of all accounts, but for those who wait."""
    markets = real.state.markets
    return [
        number
        for number, account in real.state.accounts.items()
        if is_marked(account, markets)
        and is_liquidatable(account, markets)
        and number not in real.state.houses
        and number not in real.state.watch.waiting
        and number not in real.state.watch.put_off
    ]


@pytest.mark.parametrize("checks", [1, 2, 5])
def test_within_its_bound_the_exchange_falls_behind_forgets_nobody_and_catches_up(
    checks: int, monkeypatch: Patch
) -> None:
    looked_at: list[int] = []
    crossed = MarginWatch.crossed

    def counting(watch: MarginWatch, most: int) -> list[int]:
        found = crossed(watch, most)
        looked_at.extend(found)
        return found

    monkeypatch.setattr(MarginWatch, "crossed", counting)
    inputs_left_behind = 0
    for seed in SEEDS[:60]:
        real = Exchange(VENUE)
        for received in with_bound(history(seed, LENGTH), checks):
            looked_at.clear()
            events = real.apply(received)
            check(real)
            assert len(looked_at) <= checks
            accounts = {event.account for event in events if isinstance(event, LiquidationStarted)}
            assert len(accounts) + sum(isinstance(event, OrderTriggered) for event in events) <= checks
            is_behind = bool(below_maintenance(real) or real.state.triggered)
            inputs_left_behind += is_behind and not real.state.halted
        real.apply(ResumeTrading(VENUE, real.state.now_us))
        real.apply(SetRules(VENUE, real.state.now_us, breakers=BreakerRules()))
        for number in range(200):
            if not below_maintenance(real) and not real.state.triggered:
                break
            # Between two ticks there are inputs: with each tick whoever was put off takes checks again.
            idle = MapVenue(VENUE, real.state.now_us, 0)
            real.apply(idle if number % 40 else ClockTick(VENUE, real.state.now_us))
            check(real)
        assert below_maintenance(real) == [] and not real.state.triggered
    assert inputs_left_behind > 3
