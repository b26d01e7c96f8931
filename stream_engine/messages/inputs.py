"""Inputs: anything that may change the exchange. One tagged union, field `type`.

Each names its venue and carries `ts_us`, the sender's time. Which topic an input may come in on is in
`topics.py`: who may write prices, who may only quote and who may open accounts is told apart by topic.
Schema rules: new fields have defaults; a type never changes; a name is never used again. A field that is not known is
no input, unlike in an event: a limit order whose price is misspelt must not become a market order.
"""

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from stream_engine.messages.instrument import Instrument
from stream_engine.messages.units import AccountId, ClientId, Count, Lots, Micros, Name, Ppm, Quote, Text, Ticks


class Side(Enum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"


class TimeInForce(Enum):
    """How long an order may rest: GTC until cancelled, IOC not at all."""

    GTC = "gtc"
    IOC = "ioc"


class Input(Struct, frozen=True, gc=False, tag=True, tag_field="type", omit_defaults=True, forbid_unknown_fields=True):
    """What every input carries: the venue (also the record's key) and the sender's time."""

    venue: Name
    ts_us: Micros


Level = tuple[Ticks, Lots]


# orders -------------------------------------------------------------------------------------------------


class Place(Input, frozen=True):
    """Place an order. No price: a market order (immediate or cancel, bounded by the instrument).

    client_id    unique per account; a repeat with the same content gets the original answer again.
    size         lots, 1 or more.      price    ticks; None for a market order.
    """

    account: AccountId
    client_id: ClientId
    symbol: Name
    side: Side
    size: Lots
    price: Ticks | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False


class Cancel(Input, frozen=True):
    """Cancel one resting order by its owner's id."""

    account: AccountId
    client_id: ClientId


class CancelAll(Input, frozen=True):
    """Cancel all resting orders of an account, quotes included: on one symbol, or on all (no symbol)."""

    account: AccountId
    symbol: Name | None = None


class SetLeverage(Input, frozen=True):
    """Choose the leverage of an account on a symbol: initial margin = notional / leverage."""

    account: AccountId
    symbol: Name
    leverage: Count


# quotes -------------------------------------------------------------------------------------------------

Ladder = Annotated[tuple[Level, ...], Meta(max_length=32)]


class MassQuote(Input, frozen=True):
    """A maker's two-sided quote of several levels; replaces its former quote on the symbol as one input.

    quote_id      rises with every quote of the account on the symbol; one that does not is refused.
    bids, asks    (price in ticks, size in lots), each price once; an empty side is no quote there.
    A level that stands as before keeps its place in the queue. A level that crosses takes.
    """

    account: AccountId
    symbol: Name
    quote_id: Count
    bids: Ladder = ()
    asks: Ladder = ()


class QuoteCancel(Input, frozen=True):
    """Take a maker's quote away: on one symbol, or on all (no symbol)."""

    account: AccountId
    symbol: Name | None = None


# shocks -------------------------------------------------------------------------------------------------

SymbolPrice = tuple[Name, Ticks]


class IndexPrices(Input, frozen=True):
    """Prices of one outside source, in ticks of each symbol's instrument; all are set before anybody is looked at."""

    source: Name
    prices: tuple[SymbolPrice, ...]


class PriceShock(Input, frozen=True):
    """News with a name ("100 % tariff") and what it does at once to one source's prices (maybe nothing)."""

    label: Name
    headline: Text
    source: Name
    prices: tuple[SymbolPrice, ...] = ()


# control ------------------------------------------------------------------------------------------------


class MapVenue(Input, frozen=True):
    """On which partition number of every topic the venue lives."""

    partition: Count


class SetRules(Input, frozen=True):
    """The venue's own settings: those that are given change, the others stay. A venue begins with 500 checks, and with
    both shares at 1,000,000.

    checks_per_input   accounts checked for liquidation per input at most (WATCH: K); the rest waits for the next.
    fund_draw_ppm      share of the fund's balance that the liquidation of one position may draw at most.
    cover_bound_ppm    how far beyond the bankruptcy price the fund trades on at most.
    """

    checks_per_input: Count | None = None
    fund_draw_ppm: Ppm | None = None
    cover_bound_ppm: Ppm | None = None


class ListInstrument(Input, frozen=True):
    """List a perpetual."""

    instrument: Instrument


class OpenAccounts(Input, frozen=True):
    """Open accounts: (account, its participant). Many to a record."""

    accounts: tuple[tuple[AccountId, Name], ...]


class Deposit(Input, frozen=True):
    """Pay money into accounts: (account, micro-quote). Many to a record, taken or refused as a whole."""

    deposits: tuple[tuple[AccountId, Quote], ...]


class Withdraw(Input, frozen=True):
    """Pay money out of an account, as far as its free margin goes."""

    account: AccountId
    quote: Quote


class Leg(Struct, frozen=True, gc=False, array_like=True):
    """One seeded position: signed lots, entry price in ticks, leverage (0: the instrument's default)."""

    account: AccountId
    symbol: Name
    size: Lots
    entry: Ticks
    leverage: Count = 0


class SeedPositions(Input, frozen=True):
    """Positions that exist when the run begins. They sum to zero per symbol over the record, or are refused as a whole;
    so they are once anything has traded."""

    legs: tuple[Leg, ...]


class SeedFund(Input, frozen=True):
    """Pay money into the insurance fund."""

    quote: Quote


class HaltTrading(Input, frozen=True):
    """Stop trading: until it is resumed orders, quotes and withdrawals are refused, cancels are taken, prices and marks
    move, and liquidations wait."""

    reason: Text


class ResumeTrading(Input, frozen=True):
    """Let trading go on; liquidations that waited are the first thing that happens."""


class ClockTick(Input, frozen=True):
    """Moves the venue's time; the only input that moves it freely."""


AnyInput = (
    Place
    | Cancel
    | CancelAll
    | SetLeverage
    | MassQuote
    | QuoteCancel
    | IndexPrices
    | PriceShock
    | MapVenue
    | SetRules
    | ListInstrument
    | OpenAccounts
    | Deposit
    | Withdraw
    | SeedPositions
    | SeedFund
    | HaltTrading
    | ResumeTrading
    | ClockTick
)
