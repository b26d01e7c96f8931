"""A maker weighs cost against income; what it does follows from what it sees."""

from collections.abc import Iterable

import msgspec
import pytest

from producers.labels import AnyLabel, ReEntry, StateChange, Withdrawal
from producers.market_maker import JUDGED_EVERY_S, LEVELS, Benefits, MarketMaker, Mode
from producers.shocks import SECOND_US
from stream_engine.messages.events import QuoteRejected
from stream_engine.messages.inputs import MassQuote, QuoteCancel
from stream_engine.messages.refusals import Reject
from tests.agents.stage import (
    ACCOUNT,
    SCALE,
    START_US,
    SYMBOL,
    VENUE,
    a_desk,
    a_fill,
    a_maker,
    a_path,
    an_outside,
    hear,
    play,
    quotes,
    the_market,
)

CALM = an_outside((0, 100.0))
A_FALL = an_outside((0, 100.0), (300, 100.0), (2_700, 88.0), (3_300, 88.0), noise=1.0)


def half_spread(quote: MassQuote) -> float:
    return (quote.asks[0][0] - quote.bids[0][0]) / (quote.asks[0][0] + quote.bids[0][0])


def shown_usdt(quote: MassQuote) -> float:
    return sum(price * size * 1e-4 for price, size in (*quote.bids, *quote.asks))


def states(labels: Iterable[AnyLabel]) -> list[tuple[int, str, str]]:
    told = []
    for label in labels:
        assert isinstance(label, Withdrawal | ReEntry | StateChange), label
        kind = {Withdrawal: "withdrew", ReEntry: "returned"}.get(type(label)) or label.state.value  # type: ignore[union-attr]
        told.append(((label.ts_us - START_US) // SECOND_US, kind, label.reason))
    return told


def withdrew_at(maker: MarketMaker) -> int | None:
    return next((at for at, state, _ in states(maker.labels) if state == "withdrew"), None)


def test_it_quotes_eight_levels_on_both_sides_of_the_outside_price() -> None:
    path = a_path(CALM)
    quote = quotes(play(a_maker(), path, range(1)).values())[0]
    assert len(quote.bids) == len(quote.asks) == len(LEVELS)
    assert quote.bids[0][0] < 10_000 < quote.asks[0][0]
    assert half_spread(quote) == pytest.approx(SCALE.half_spread, rel=0.2)


def test_in_normal_times_it_shows_its_share_of_the_depth_within_one_percent() -> None:
    path = a_path(CALM)
    quote = quotes(play(a_maker(), path, range(1)).values())[0]
    near = sum(price * size * 1e-4 for price, size in (*quote.bids, *quote.asks) if abs(price - 10_000) <= 100)
    assert near == pytest.approx(0.5 * SCALE.depth_usdt, rel=0.02)


def test_when_a_quote_is_refused_it_takes_the_former_one_away_and_quotes_anew() -> None:
    path = a_path(CALM)
    maker = a_maker()
    play(maker, path, range(3))
    now_us = START_US + 3 * SECOND_US
    refused = QuoteRejected(VENUE, 3, 2, now_us, None, ACCOUNT, SYMBOL, 2, Reject.INSUFFICIENT_MARGIN)
    cancel, quote = hear(maker, 3, [*the_market(path, 3), refused])
    assert isinstance(cancel, QuoteCancel) and isinstance(quote, MassQuote)


def test_while_nothing_moves_it_sends_nothing_new() -> None:
    path = a_path(CALM)
    assert len(quotes(play(a_maker(), path, range(600)).values())) == 1


def test_after_a_fill_it_quotes_again_with_a_newer_id() -> None:
    path = a_path(CALM)
    maker = a_maker()
    first = quotes(play(maker, path, range(5)).values())[-1]
    again = hear(maker, 5, [a_fill(5, 10, 9_995, account_buys=True), *the_market(path, 5)])
    assert [quote.quote_id for quote in quotes([again])] == [first.quote_id + 1]


def test_what_it_has_bought_makes_it_bid_less_and_lean_down() -> None:
    path = a_path(CALM)
    maker = a_maker()
    before = quotes(play(maker, path, range(5)).values())[-1]
    fill = a_fill(5, 900_000, 9_995, account_buys=True)
    after = quotes([hear(maker, 5, [fill, *the_market(path, 5)])])[0]
    assert sum(size for _, size in after.bids) < sum(size for _, size in before.bids)
    assert sum(size for _, size in after.asks) >= sum(size for _, size in before.asks)
    assert after.bids[0][0] + after.asks[0][0] < before.bids[0][0] + before.asks[0][0]


def test_a_restless_market_makes_it_quote_wider_and_less() -> None:
    calm, rough = (a_path(an_outside((0, 100.0), (3_600, 100.0), noise=noise)) for noise in (1.0, 10.0))
    quiet = quotes(play(a_maker(), calm, range(300)).values())[-1]
    wild = quotes(play(a_maker(), rough, range(300)).values())[-1]
    assert half_spread(wild) > 2 * half_spread(quiet)
    assert shown_usdt(wild) < 0.8 * shown_usdt(quiet)


@pytest.mark.parametrize(("age", "leaves"), [(4, False), (5, False), (6, True)])
def test_it_withdraws_the_moment_its_feed_is_older_than_it_bears(age: int, leaves: bool) -> None:
    path = a_path(an_outside((0, 100.0), faults=[(100, 100 + age)]))
    maker = a_maker(a_desk(feed_age_s=5))
    sent = play(maker, path, range(100 + age))
    assert withdrew_at(maker) == (105 if leaves else None)
    assert isinstance(sent[99 + age][0], QuoteCancel) if leaves else not sent[99 + age]


def test_a_gap_between_mark_and_outside_drives_it_out_only_when_it_lasts() -> None:
    path = a_path(CALM)
    maker = a_maker(a_desk(gap_pct=4.0, hold_s=30))
    play(maker, path, range(0, 10))
    play(maker, path, range(10, 40 - JUDGED_EVERY_S), gap=-0.05)
    assert withdrew_at(maker) is None
    play(maker, path, range(40 - JUDGED_EVERY_S, 40), gap=-0.05)
    left, state, reason = states(maker.labels)[-1]
    assert (state, reason) == ("withdrew", "gap") and 40 - JUDGED_EVERY_S <= left < 40


@pytest.mark.parametrize(("gap", "leaves"), [(0.039, False), (0.041, True)])
def test_a_gap_inside_its_bound_is_borne(gap: float, leaves: bool) -> None:
    path = a_path(CALM)
    maker = a_maker(a_desk(gap_pct=4.0))
    play(maker, path, range(60), gap=-gap)
    assert (withdrew_at(maker) is not None) == leaves


def test_in_a_fall_with_a_crowd_of_longs_it_thins_and_then_withdraws_under_strain() -> None:
    path = a_path(A_FALL)
    maker = a_maker()
    play(maker, path, range(2_700))
    thinned = next(at for at, state, _ in states(maker.labels) if state == "thinned")
    left = withdrew_at(maker)
    assert left is not None and 300 < thinned < left
    assert "strain" in [reason for _, state, reason in states(maker.labels) if state == "withdrew"]


def test_with_twice_the_capital_it_leaves_later() -> None:
    path = a_path(A_FALL)
    poor, rich = a_maker(), a_maker(a_desk(capital_scale=2.0))
    play(poor, path, range(2_700))
    play(rich, path, range(2_700))
    left, later = withdrew_at(poor), withdrew_at(rich)
    assert left is not None and (later is None or later > left)


def test_made_to_stay_it_never_withdraws_and_keeps_to_its_duty() -> None:
    path = a_path(an_outside((0, 100.0), (300, 100.0), (2_700, 70.0), noise=8.0, faults=[(900, 920)]))
    maker = a_maker(mode=Mode.STAY, duty_size=0.5, duty_width_pct=0.5)
    made = quotes(play(maker, path, range(2_700), gap=-0.1).values())
    assert withdrew_at(maker) is None
    assert max(half_spread(quote) for quote in made) < 0.0055
    full = shown_usdt(quotes(play(a_maker(), a_path(CALM), range(1)).values())[0])
    assert min(shown_usdt(quote) for quote in made) > 0.5 * full * 0.65  # half the lots, at prices down to 0.7


@pytest.mark.parametrize("bought", [0, 300_000])
def test_a_duty_that_pays_is_met_on_both_sides_in_a_restless_market_whatever_it_holds(bought: int) -> None:
    path = a_path(an_outside((0, 100.0), noise=6.0))
    duty = Benefits(duty_usdt=40_000.0, duty_spread=0.01)

    def least_shown_usdt(maker: MarketMaker) -> float:
        """Of either side, within half the duty's spread of the outside price."""
        hear(maker, 0, [a_fill(0, bought, 10_000, account_buys=True), *the_market(path, 0)])
        shown = []
        for second, inputs in play(maker, path, range(1, 60)).items():
            outside = path.prices(START_US + second * SECOND_US)[SYMBOL] * 100
            for quote in quotes([inputs]):
                for levels in (quote.bids, quote.asks):
                    near = [level for level in levels if abs(level[0] - outside) <= duty.duty_spread / 2 * outside]
                    shown.append(sum(price * size * 1e-4 for price, size in near))
        return min(shown)

    assert least_shown_usdt(a_maker(benefits=duty)) >= duty.duty_usdt > least_shown_usdt(a_maker())


def test_it_returns_once_it_has_been_calm_for_long_enough_and_fills_up_slowly() -> None:
    path = a_path(an_outside((0, 100.0), faults=[(100, 110)]))
    maker = a_maker(a_desk(feed_age_s=5, return_s=120, ramp_s=60.0))
    sent = play(maker, path, range(600))
    (left, _, feed), (back_at, state, calm) = states(maker.labels)
    assert (left, feed, state, calm) == (105, "feed", "returned", "calm")
    assert 230 - JUDGED_EVERY_S <= back_at < 230  # calm for 120 s since the price was there again, to a judgement
    assert [label.from_us for label in maker.labels if isinstance(label, ReEntry)] == [maker.labels[0].ts_us]
    back = quotes(sent[second] for second in range(back_at, 600))
    assert shown_usdt(back[0]) < 0.1 * shown_usdt(back[-1])


def test_every_new_low_outside_begins_the_wait_anew() -> None:
    falling = an_outside((0, 100.0), (110, 100.0), (400, 99.0), faults=[(100, 110)])
    maker = a_maker(a_desk(feed_age_s=5, return_s=120))
    play(maker, a_path(falling), range(600))
    at, state, _ = states(maker.labels)[-1]
    # A tenth of a percent lower is a new low; the path falls by so much every 29 s, to the last at about 400 s.
    assert state == "returned" and 400 - 29 - JUDGED_EVERY_S <= at - 120 <= 400 + JUDGED_EVERY_S


def test_an_hour_later_it_does_the_same_an_hour_later() -> None:
    path = a_path(A_FALL)
    maker = a_maker()
    sent = play(maker, path, range(1_500))
    later_us = START_US + 3_600 * SECOND_US
    late_path = a_path(msgspec.structs.replace(A_FALL, shift_s=3_600))
    late = a_maker()
    late_sent = play(late, late_path, range(1_500), start_us=later_us)
    assert [(quote.quote_id, quote.bids, quote.asks) for quote in quotes(sent.values())] == [
        (quote.quote_id, quote.bids, quote.asks) for quote in quotes(late_sent.values())
    ]
    assert [each.ts_us + 3_600 * SECOND_US for each in maker.labels] == [each.ts_us for each in late.labels]
