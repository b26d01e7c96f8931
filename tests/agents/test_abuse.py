"""Abusers do what their labels say, order by order, at times that chance and intervals give."""

from collections.abc import Iterable, Sequence

import pytest

from producers.abuse import Abuse, Abuser, Spoofers, Stuffers, abusers_of
from producers.labels import Spoof, Stuffing
from producers.noise import Noise
from producers.shocks import SECOND_US
from stream_engine.messages.events import (
    AnyEvent,
    BookChanged,
    CancelReason,
    CancelRejected,
    MarkPriceChanged,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    Traded,
)
from stream_engine.messages.inputs import Cancel, Input, Level, Place, Side
from stream_engine.messages.refusals import Reject
from tests.agents.stage import OTHER, START_US, SYMBOL, VENUE, a_view, hear

WHO = Abuser(77, "trader-9", SYMBOL)
BIDS = ((9_990, 10), (9_989, 20), (9_988, 30), (9_987, 900))
ASKS = ((10_010, 10), (10_011, 20), (10_012, 30), (10_013, 900))


class Venue:
    """Answers every order and cancel of one agent at the next tick; the book and the mark stand still."""

    def __init__(self, agent: Spoofers | Stuffers, start_us: int = START_US, takes: int = 1_000_000) -> None:
        self.agent, self.start_us, self.takes = agent, start_us, takes
        self.open: dict[str, tuple[int, Place]] = {}
        self.sent: dict[int, list[Input]] = {}
        self.second = -1
        self.answers: list[AnyEvent] = [
            self.book(BIDS, ASKS),
            MarkPriceChanged(VENUE, 0, 0, start_us, None, SYMBOL, 10_000, 10_000, 10_000),
        ]

    def book(self, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> BookChanged:
        return BookChanged(VENUE, 0, 0, self.start_us, None, SYMBOL, bids, asks)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second += 1
            heard, self.answers = self.answers, []
            now_us = self.start_us + self.second * SECOND_US
            self.sent[self.second] = list(hear(self.agent, self.second, heard, self.start_us))
            taken = 0
            for number, each in enumerate(self.sent[self.second]):
                taken += isinstance(each, Place)
                self.answers.append(self.answer(each, number, now_us, taken <= self.takes))

    def run_until(self, sends: type[Input], at_most: int = 3_000) -> list[Input]:
        """Run to the next tick at which it sends such."""
        for _ in range(at_most):
            self.run(1)
            if any(isinstance(each, sends) for each in self.sent[self.second]):
                return self.sent[self.second]
        raise AssertionError(f"no {sends.__name__} in {at_most} s")

    def answer(self, each: Input, number: int, now_us: int, takes: bool) -> AnyEvent:
        head = (VENUE, self.second, number, now_us, None)
        if isinstance(each, Cancel):
            if each.client_id not in self.open:
                return CancelRejected(*head, each.account, each.client_id, Reject.UNKNOWN_ORDER)
            order_id, placed = self.open.pop(each.client_id)
            return OrderCancelled(
                *head, each.account, each.client_id, order_id, SYMBOL, placed.size, CancelReason.OWNER
            )
        assert isinstance(each, Place)
        if not takes:
            return OrderRejected(*head, each.account, each.client_id, SYMBOL, Reject.RATE_LIMITED)
        order_id = 1_000 * self.second + number
        self.open[each.client_id] = (order_id, each)
        return OrderAccepted(
            *head, each.account, each.client_id, order_id, SYMBOL, each.side, each.size, each.price,
            each.time_in_force, each.post_only,
        )  # fmt: skip

    def fill(self, client_id: str, lots: int) -> None:
        """Somebody takes so many lots of a resting order; it is heard of at the next tick."""
        order_id, placed = self.open[client_id]
        left = placed.size - lots
        taker_side = Side.SELL if placed.side is Side.BUY else Side.BUY
        assert placed.price is not None
        if left == 0:
            del self.open[client_id]
        fill = Traded(
            VENUE, self.second, 900, self.start_us + self.second * SECOND_US, None, SYMBOL, placed.price, lots,
            OTHER, 1, taker_side, 0, 0, placed.account, order_id, left, 0,
        )  # fmt: skip
        self.answers.append(fill)


def a_spoofer(seed: int = 1, **settings: float) -> Spoofers:
    abuse = Abuse(**({"levels_from": 4, "levels_to": 4, "spoof_every_s": 20.0} | settings))  # type: ignore[arg-type]
    return Spoofers(VENUE, [WHO], abuse, a_view(), Noise(seed, "spoofers"))


def a_stuffer(seed: int = 1, **settings: float) -> Stuffers:
    abuse = Abuse(**({"orders_from": 200, "orders_to": 500, "stuff_every_s": 20.0} | settings))  # type: ignore[arg-type]
    return Stuffers(VENUE, [WHO], abuse, a_view(), Noise(seed, "stuffers"))


def places(sent: Iterable[Input]) -> list[Place]:
    return [each for each in sent if isinstance(each, Place)]


def spoofs(agent: Spoofers) -> list[Spoof]:
    return [label for label in agent.labels if isinstance(label, Spoof)]


def bursts(agent: Stuffers) -> list[Stuffing]:
    return [label for label in agent.labels if isinstance(label, Stuffing)]


def prices(sent: Sequence[Place]) -> list[int]:
    return [each.price or 0 for each in sent]


# spoofing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_large_orders_lie_away_from_the_best_at_several_prices_on_one_side(seed: int) -> None:
    large = places(Venue(a_spoofer(seed)).run_until(Place))
    buys = large[0].side is Side.BUY
    assert len(large) == 4 and {each.side for each in large} == {large[0].side}
    assert prices(large) == ([9_960, 9_950, 9_940, 9_930] if buys else [10_040, 10_050, 10_060, 10_070])


@pytest.mark.parametrize(("large", "lots"), [(3.0, 60), (4.0, 80)])
def test_each_is_so_many_times_the_median_of_the_three_best_levels(large: float, lots: int) -> None:
    assert {each.size for each in places(Venue(a_spoofer(large=large)).run_until(Place))} == {lots}


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_small_order_follows_within_two_seconds_inside_the_spread_on_the_other_side_and_never_takes(
    seed: int,
) -> None:
    venue = Venue(a_spoofer(seed))
    large = places(venue.run_until(Place))
    began = venue.second
    (small,) = places(venue.run_until(Place))
    assert 1 <= venue.second - began <= 2
    assert small.post_only and small.size == 4
    assert (small.side, small.price) == ((Side.SELL, 10_009) if large[0].side is Side.BUY else (Side.BUY, 9_991))


def test_once_the_small_order_is_filled_everything_is_cancelled_at_the_next_tick() -> None:
    venue = Venue(a_spoofer())
    large = places(venue.run_until(Place))
    (small,) = places(venue.run_until(Place))
    venue.run(2)
    venue.fill(small.client_id, 4)
    venue.run(1)
    assert venue.sent[venue.second] == [
        Cancel(VENUE, START_US + venue.second * SECOND_US, WHO.account, each.client_id) for each in large
    ]


@pytest.mark.parametrize(("waited", "cancels"), [(7, False), (8, True)])
def test_without_a_fill_it_gives_up_after_its_patience(waited: int, cancels: bool) -> None:
    venue = Venue(a_spoofer(patience_s=8))
    venue.run_until(Place)
    venue.run_until(Place)
    venue.run(waited)
    assert bool(venue.sent[venue.second]) == cancels


def test_when_a_large_order_is_hit_it_runs() -> None:
    venue = Venue(a_spoofer())
    large = places(venue.run_until(Place))
    venue.run_until(Place)
    venue.fill(large[0].client_id, 1)
    venue.run(1)
    assert len(venue.sent[venue.second]) == 5
    venue.run(1)
    assert spoofs(venue.agent)[0].hit == 1  # type: ignore[arg-type]


def test_the_next_act_leans_so_that_the_small_order_gives_back_what_it_holds() -> None:
    for seed in range(1, 6):
        venue = Venue(a_spoofer(seed))
        venue.run_until(Place)
        (small,) = places(venue.run_until(Place))
        venue.fill(small.client_id, 4)
        venue.run(3)
        assert places(venue.run_until(Place))[0].side is small.side


def test_a_label_tells_the_act_with_its_orders_and_what_came_of_it() -> None:
    agent = a_spoofer()
    venue = Venue(agent)
    large = places(venue.run_until(Place))
    began = venue.second
    (small,) = places(venue.run_until(Place))
    venue.fill(small.client_id, 3)
    venue.run(1)
    ended = venue.second
    venue.run(2)
    assert spoofs(agent) == [
        Spoof(
            START_US + began * SECOND_US, VENUE, WHO.name, SYMBOL, WHO.account, large[0].side,
            tuple(each.client_id for each in large), 4, small.client_id, 3, 0, START_US + ended * SECOND_US,
        )
    ]  # fmt: skip


def test_an_act_that_the_run_cuts_short_is_told_without_an_end() -> None:
    agent = a_spoofer()
    Venue(agent).run_until(Place)
    (spoof,) = spoofs(agent)
    assert (spoof.small, spoof.to_us) == (None, None)


def test_large_orders_that_were_all_refused_are_no_spoof() -> None:
    agent = a_spoofer()
    venue = Venue(agent, takes=0)
    venue.run_until(Place)
    venue.run(15)
    assert spoofs(agent) == []


@pytest.mark.parametrize("levels", [0, 2, 3])
def test_without_three_levels_to_lean_on_it_waits(levels: int) -> None:
    venue = Venue(a_spoofer())
    venue.answers[0] = venue.book(BIDS[:levels], ASKS[:levels])
    venue.run(300)
    assert any(venue.sent.values()) == (levels == 3)


def test_a_cancel_that_was_not_answered_is_sent_again() -> None:
    agent = a_spoofer()
    venue = Venue(agent)
    venue.run_until(Place)
    gone = venue.run_until(Cancel)
    venue.answers.clear()
    venue.run(1)
    assert len(venue.sent[venue.second]) == len(gone)
    venue.run(1)
    assert venue.sent[venue.second] == [] and spoofs(agent)[0].to_us is not None


# stuffing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_burst_sends_hundreds_of_orders_a_second_for_some_seconds(seed: int) -> None:
    venue = Venue(a_stuffer(seed, burst_from_s=4, burst_to_s=10))
    venue.run_until(Place)
    many = [len(places(venue.sent[venue.second]))]
    while many[-1]:
        venue.run(1)
        many.append(len(places(venue.sent[venue.second])))
    assert 4 <= len(many) - 1 <= 10
    assert len(set(many[:-1])) == 1 and 200 <= many[0] <= 500


def test_every_order_of_it_is_cancelled_a_second_later() -> None:
    venue = Venue(a_stuffer())
    venue.run_until(Place)
    for _ in range(12):
        before = [each.client_id for each in places(venue.sent[venue.second])]
        venue.run(1)
        assert [each.client_id for each in venue.sent[venue.second] if isinstance(each, Cancel)] == before
    assert venue.open == {}


def test_its_orders_are_of_one_lot_on_both_sides_away_from_the_mark() -> None:
    sent = places(Venue(a_stuffer(away_pct=1.0)).run_until(Place))
    assert {each.size for each in sent} == {1} and {each.side for each in sent} == {Side.BUY, Side.SELL}
    away = [abs(each - 10_000) for each in prices(sent)]
    assert min(away) >= 100 and max(away) <= 200


def test_a_label_tells_the_burst_from_its_first_order_to_its_last() -> None:
    agent = a_stuffer()
    venue = Venue(agent)
    placed = places(venue.run_until(Place))
    began, a_second = venue.second, len(placed)
    assert bursts(agent)[0].to_us is None
    while placed:
        venue.run(1)
        placed = places(venue.sent[venue.second])
    many = a_second * (venue.second - began)
    assert bursts(agent) == [
        Stuffing(
            START_US + began * SECOND_US, VENUE, WHO.name, SYMBOL, WHO.account, "1", str(many), many, 0,
            START_US + venue.second * SECOND_US,
        )
    ]  # fmt: skip


def test_what_the_rate_limit_refuses_is_counted_and_not_cancelled() -> None:
    agent = a_stuffer()
    venue = Venue(agent, takes=50)
    venue.run_until(Place)
    venue.run(20)
    (burst, *_) = bursts(agent)
    cancels = sum(isinstance(each, Cancel) for sent in venue.sent.values() for each in sent)
    assert burst.refused > 0 and cancels == burst.placed - burst.refused


# times and names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [a_spoofer, a_stuffer])
def test_an_hour_later_abusers_do_the_same_an_hour_later(make: type[Spoofers] | type[Stuffers]) -> None:
    now, later = Venue(make()), Venue(make(), START_US + 3_600 * SECOND_US)  # type: ignore[call-arg]
    now.run(300)
    later.run(300)
    assert any(now.sent.values())
    for second, sent in now.sent.items():
        assert [type(each) for each in sent] == [type(each) for each in later.sent[second]]
        assert prices(places(sent)) == prices(places(later.sent[second]))


def test_another_seed_gives_other_times() -> None:
    def acts(seed: int) -> list[int]:
        agent = a_spoofer(seed)
        Venue(agent).run(600)
        return [label.ts_us for label in spoofs(agent)]

    assert len(acts(1)) > 5 and acts(1) == acts(1) != acts(2)


def test_abusers_are_numbered_and_called_on_after_the_others() -> None:
    assert abusers_of({"A": 2, "B": 0, "C": 1}, first=10_601, first_name=601) == [
        Abuser(10_601, "trader-601", "A"), Abuser(10_602, "trader-602", "A"), Abuser(10_603, "trader-603", "C"),
    ]  # fmt: skip
