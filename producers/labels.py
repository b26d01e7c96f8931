"""Labels: what really happened in a run, for whoever judges a detector by it. One tagged union, field `type`.

Told      when all is over, on a topic of its own: whoever is to find out by watching must not be able to read it.
By whom   what a participant did and why, by itself; what only the whole shows (coordinated withdrawal, depth episodes,
          lawful quick cancels) by `ground_truth`, from the run's own events and what the participants tell.
Times     `ts_us` is when it was done; of what lasts, when it began. `to_us` is its end; none: it outlasts the run, or
          nobody knew. Of a return `from_us` is when it had left.
To find   withdrawal to re_entry, depth_episode, coordinated, spoof and stuffing are what there is to be found.
Benign    benign_outage, protection and lawful_quick_cancels are not: an alert that calls them withdrawal on purpose,
          synchronised withdrawal or abuse is a false one. state_change, arbitrage, hedge_broken, rehedged and
          hedge_given_up explain, and count neither way.
Holds     each has one venue and one symbol; an order is named by its account and client id, a participant by the
          name under which its accounts were opened.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec
from msgspec import Struct

from stream_engine.messages.inputs import Side
from stream_engine.messages.units import AccountId, ClientId, Count, Lots, Micros, Name, Quote, Text


class Mode(Enum):
    """How it came that makers were out."""

    INDEPENDENT = "independent"  # each by its own sum, though the news may be the same and the times close together
    COORDINATED = "coordinated"  # by a signal that had been agreed on
    OUTAGE = "outage"  # a machine failed; it says nothing about the market


class State(Enum):
    """What a maker that goes on quoting has changed."""

    WIDENED = "widened"
    NARROWED = "narrowed"
    THINNED = "thinned"
    FILLED_UP = "filled_up"


class Way(Enum):
    """How a portfolio that lost a leg is hedged again."""

    AGAIN = "again"  # what it lost, where it was
    ELSEWHERE = "elsewhere"  # the same, on another venue
    AGAINST_LONGS = "against_longs"  # a short of its largest long, on another venue


class Label(Struct, frozen=True, gc=False, tag_field="type", omit_defaults=True):
    """What every label carries. `participant`: who did it; empty where nobody did it alone (see `actors`)."""

    ts_us: Micros
    venue: Name
    participant: str
    symbol: Name


# makers ----------------------------------------------------------------------------------------------------


class Withdrawal(Label, frozen=True, tag="withdrawal"):
    """A maker took its quotes away, and why."""

    reason: Text
    mode: Mode = Mode.INDEPENDENT


class ReEntry(Label, frozen=True, tag="re_entry"):
    """A maker that had withdrawn (or whose machine had failed) quotes again, and why."""

    reason: Text
    from_us: Micros


class StateChange(Label, frozen=True, tag="state_change"):
    """A maker goes on quoting, otherwise than before."""

    state: State
    reason: Text = ""


class Protection(Label, frozen=True, tag="protection"):
    """A maker's protection took its quotes away: lawful, and no decision to leave. Quotes may come again at `to_us`."""

    reason: Text
    to_us: Micros | None = None


class Arbitrage(Label, frozen=True, tag="arbitrage"):
    """A maker trades a gap instead of quoting, because that pays better; its withdrawal is told beside it. `against`:
    another venue, or an outside source."""

    reason: Text
    against: Name
    to_us: Micros | None = None


class BenignOutage(Label, frozen=True, tag="benign_outage"):
    """A maker's machine failed: it is out for nothing that it saw. While it lasts the absence is real and may be told;
    whoever calls it synchronised, coordinated or a sign of the market is wrong."""

    reason: Text
    to_us: Micros | None = None


# hedged portfolios -----------------------------------------------------------------------------------------


class HedgeBroken(Label, frozen=True, tag="hedge_broken"):
    """A leg of a hedged portfolio was deleveraged: `lots` of it (short below zero), and `left` stayed."""

    lots: Lots
    left: Lots


class Rehedged(Label, frozen=True, tag="rehedged"):
    """The portfolio opened signed `lots` for what it had lost at `from_us`."""

    way: Way
    lots: Lots
    from_us: Micros


class HedgeGivenUp(Label, frozen=True, tag="hedge_given_up"):
    """The portfolio sells so many lots of a long, because what hedged it is gone."""

    lots: Lots


# the whole -------------------------------------------------------------------------------------------------


class Coordinated(Label, frozen=True, tag="coordinated"):
    """An agreed signal was followed by two makers or more: `actors`, in the order in which they left, within ten
    minutes of the first. Their withdrawals have the mode."""

    reason: Text
    actors: tuple[Name, ...]
    to_us: Micros


class DepthEpisode(Label, frozen=True, tag="depth_episode"):
    """What all makers together showed within 1 % was under half of normal (see `ground_truth`). Money in micro-quote.

    trough, trough_us   the least that was there, and when first.
    actors              who was out meanwhile, in the order in which they left; nobody: they only thinned.
    mode                coordinated where a withdrawal of theirs was, outage where all of them were outages.
    synchronised        whether three or more of them left within ten minutes: close together in time, agreed or not.
    """

    normal: Quote
    trough: Quote
    trough_us: Micros
    actors: tuple[Name, ...]
    mode: Mode
    synchronised: bool
    to_us: Micros | None = None


class LawfulQuickCancels(Label, frozen=True, tag="lawful_quick_cancels"):
    """An honest maker replaced its quote so often in this minute: `count` levels lived for less than two seconds."""

    count: Count
    to_us: Micros


# abuse -----------------------------------------------------------------------------------------------------


class Spoof(Label, frozen=True, tag="spoof"):
    """Large orders that were never meant to trade lay on one side of the book while a small one waited on the other.

    side     of the large orders.      orders   their client ids, nearest to the market first.
    levels   prices they stood at; three or more: layering.      hit   lots of them that traded.
    small    the client id of the order that was meant; none: it did not come to it.   filled   lots of it that traded.
    """

    account: AccountId
    side: Side
    orders: tuple[ClientId, ...]
    levels: Count
    small: ClientId | None
    filled: Count
    hit: Count
    to_us: Micros | None = None


class Stuffing(Label, frozen=True, tag="stuffing"):
    """A burst of orders that were taken away at once: `placed` of them, from the client id `first` to `last`; `refused`
    of these, for the rate limit, never rested."""

    account: AccountId
    first: ClientId
    last: ClientId
    placed: Count
    refused: Count = 0
    to_us: Micros | None = None


AnyLabel = (
    Withdrawal
    | ReEntry
    | StateChange
    | Protection
    | Arbitrage
    | BenignOutage
    | Coordinated
    | HedgeBroken
    | Rehedged
    | HedgeGivenUp
    | DepthEpisode
    | LawfulQuickCancels
    | Spoof
    | Stuffing
)

_decoder: msgspec.json.Decoder[AnyLabel] = msgspec.json.Decoder(AnyLabel)


def encode(label: AnyLabel) -> bytes:
    """The label as JSON, none of its fields that has its default."""
    return msgspec.json.encode(label)


def decode(value: bytes) -> AnyLabel:
    """The label in a record's value; raises msgspec.DecodeError where it is none."""
    return _decoder.decode(value)


def in_order(labels: Sequence[AnyLabel]) -> list[AnyLabel]:
    """By time; at the same by participant, venue and symbol; what one did at once in the order in which it did it."""
    return sorted(labels, key=lambda label: (label.ts_us, label.participant, label.venue, label.symbol))


# what makers write -----------------------------------------------------------------------------------------


def withdrew(now_us: int, venue: str, name: str, symbol: str, reason: str, coordinated: bool = False) -> Withdrawal:
    """A maker leaves."""
    return Withdrawal(now_us, venue, name, symbol, reason, Mode.COORDINATED if coordinated else Mode.INDEPENDENT)


def returned(now_us: int, venue: str, name: str, symbol: str, reason: str, left_us: int) -> ReEntry:
    """A maker comes back; it had left at `left_us`."""
    return ReEntry(now_us, venue, name, symbol, reason, left_us)


def changed(now_us: int, venue: str, name: str, symbol: str, state: State, reason: str = "") -> StateChange:
    """A maker quotes otherwise than before."""
    return StateChange(now_us, venue, name, symbol, state, reason)
