"""Modes of leaving: what makers do together, by agreement, by duty or by mishap; each says so in its labels."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from producers.labels import BenignOutage, ReEntry, Withdrawal
from producers.labels import Mode as Told
from producers.market_maker import JUDGED_EVERY_S, Makers, MarketMaker, Mode, Seat
from producers.noise import Noise
from producers.quoting import Crowding
from producers.shocks import SECOND_US
from stream_engine.messages.inputs import MassQuote, QuoteCancel
from tests.agents.stage import (
    ACCOUNT,
    SCALE,
    START_US,
    SYMBOL,
    VENUE,
    a_desk,
    a_maker,
    a_path,
    a_view,
    an_outside,
    play,
)

CALM = a_path(an_outside((0, 100.0)))
# One percent in a hundred seconds, and a high that is not forgotten; agreed on: 4.5 % from it, reached at 450 s.
FALLING = a_path(an_outside((0, 100.0), (1_000, 90.0)))
CROWDING = Crowding(volatility_bp=1.0, memory_s=1e9)
AGREED_S = 450
NAMES = ("MM1", "MM2", "MM3")
# Whatever it loses, it bears it.
BOLD = {"accepts_pct": 1e6, "loss_budget_pct": 1e6}


def three(seed: int = 1, bold: bool = True, **settings: object) -> list[MarketMaker]:
    """Three makers of one market, who accept more the later they are named."""
    tolerances = [BOLD if bold else {"accepts_pct": 0.5 * times} for times in (1, 2, 4)]
    desks = [a_desk(name=name, **each) for name, each in zip(NAMES, tolerances, strict=True)]
    makers = Makers(**({"desks": desks, "variation": 0.0, "crowding": CROWDING} | settings))  # type: ignore[arg-type]
    return [
        MarketMaker(ACCOUNT + number, desk, makers, {VENUE: Seat(a_view(), {SYMBOL: SCALE})}, Noise(seed, desk.name))
        for number, desk in enumerate(desks)
    ]


def second_of(label: BenignOutage | ReEntry | Withdrawal) -> int:
    return (label.ts_us - START_US) // SECOND_US


def withdrawals(makers: Sequence[MarketMaker]) -> dict[str, Withdrawal]:
    """The first of each that left."""
    found = [label for maker in makers for label in maker.labels if isinstance(label, Withdrawal)]
    return {label.participant: label for label in reversed(found)}


# independent and coordinated ----------------------------------------------------------------------------------


def test_at_an_agreed_signal_all_leave_within_a_judgement_of_it_and_say_that_it_was_agreed() -> None:
    makers = three(mode=Mode.COORDINATED)
    for maker in makers:
        play(maker, FALLING, range(AGREED_S + 10))
    left = withdrawals(makers)
    assert set(left) == set(NAMES)
    assert {(label.reason, label.mode) for label in left.values()} == {("agreed", Told.COORDINATED)}
    assert all(AGREED_S <= second_of(label) <= AGREED_S + JUDGED_EVERY_S for label in left.values())


def test_before_the_signal_nobody_leaves_by_agreement() -> None:
    makers = three(mode=Mode.COORDINATED)
    for maker in makers:
        play(maker, FALLING, range(AGREED_S))
    assert withdrawals(makers) == {}


def test_without_an_agreement_the_same_fall_drives_nobody_out_who_bears_its_cost() -> None:
    makers = three(mode=Mode.INDEPENDENT)
    for maker in makers:
        play(maker, FALLING, range(1_000))
    assert withdrawals(makers) == {}


def test_independent_makers_leave_by_their_own_sums_the_less_tolerant_first() -> None:
    makers = three(bold=False, mode=Mode.INDEPENDENT)
    for maker in makers:
        play(maker, FALLING, range(1_000))
    left = withdrawals(makers)
    times = [second_of(left[name]) for name in NAMES]
    assert times == sorted(times) and times[-1] - times[0] > 30
    assert {label.mode for label in left.values()} == {Told.INDEPENDENT}


def test_a_livelier_symbol_must_fall_further_for_the_same_signal() -> None:
    lively = msgspec.structs.replace(CROWDING, volatility_bp=0.5)
    makers = three(mode=Mode.COORDINATED, crowding=lively)
    for maker in makers:
        play(maker, FALLING, range(1_000))
    later = AGREED_S * 2**0.4
    assert all(later <= second_of(label) <= later + JUDGED_EVERY_S for label in withdrawals(makers).values())


# staying ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "stays"), [("", "MM1"), ("MM2", "MM2")])
def test_of_one_stays_the_one_stays_and_the_others_decide_for_themselves(who: str, stays: str) -> None:
    makers = three(bold=False, mode=Mode.ONE_STAYS, who=who)
    for maker in makers:
        play(maker, FALLING, range(1_000))
    assert set(NAMES) - set(withdrawals(makers)) == {stays}


def test_who_stays_shows_its_duty_however_much_it_has_bought() -> None:
    (maker, *_) = three(mode=Mode.STAY, duty_size=0.5)
    sent = play(maker, FALLING, range(1_000))
    quotes = [each for inputs in sent.values() for each in inputs if isinstance(each, MassQuote)]
    first = quotes[0]
    assert len(quotes) > 10
    assert all(min(q.bids[0][1], q.asks[0][1]) >= 0.45 * first.bids[0][1] for q in quotes)


# an outage ----------------------------------------------------------------------------------------------------

OUTAGE: dict[str, Any] = {"mode": Mode.ONE_FIRM_OUTAGE, "outage_wait_s": 300.0, "outage_s": 200}


def outages(makers: Sequence[MarketMaker]) -> list[BenignOutage]:
    return [label for maker in makers for label in maker.labels if isinstance(label, BenignOutage)]


@pytest.mark.parametrize(("who", "fails"), [("", "MM1"), ("MM3", "MM3")])
def test_in_a_calm_the_machines_of_the_one_fail_once_and_nobody_else_leaves(who: str, fails: str) -> None:
    makers = three(who=who, **OUTAGE)
    for maker in makers:
        play(maker, CALM, range(3_600))
    assert [label.participant for label in outages(makers)] == [fails]
    assert withdrawals(makers) == {}


def test_its_quotes_go_with_its_machines_and_it_is_back_when_the_outage_is_over() -> None:
    (maker, *_) = three(**OUTAGE)
    sent = play(maker, CALM, range(3_600))
    (outage,) = outages([maker])
    (back,) = [label for label in maker.labels if isinstance(label, ReEntry)]
    assert (outage.to_us, back.from_us, back.reason) == (back.ts_us, outage.ts_us, "outage over")
    assert 200 <= second_of(back) - second_of(outage) < 200 + JUDGED_EVERY_S
    assert [type(each) for each in sent[second_of(outage)]] == [QuoteCancel]
    assert not [each for at in range(second_of(outage) + 1, second_of(back)) for each in sent[at]]
    again = [each for at in range(second_of(back), 3_600) for each in sent[at] if isinstance(each, MassQuote)]
    assert again[0].bids[0][1] < 0.2 * again[-1].bids[0][1]  # its sizes come back slowly


def test_when_the_machines_fail_is_a_matter_of_chance_and_of_nothing_that_happens() -> None:
    times = []
    for seed, path in ((1, CALM), (1, FALLING), (2, CALM)):
        (maker, *_) = three(seed=seed, **OUTAGE)
        play(maker, path, range(3_000))
        times.append(second_of(outages([maker])[0]))
    assert times[0] == times[1] != times[2]


def test_who_had_left_by_its_own_sum_is_not_brought_back_by_the_end_of_an_outage() -> None:
    maker = a_maker(a_desk(gap_pct=4.0, hold_s=30), crowding=CROWDING, **OUTAGE)
    play(maker, CALM, range(3_600), gap=-0.4)
    left = maker.labels[-1]
    assert isinstance(left, Withdrawal) and left.reason == "gap"
    assert not outages([maker])
