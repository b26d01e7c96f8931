"""Inputs: anything that may change the exchange. One tagged union, field `type`.

Each names its venue and carries `ts_us`, the sender's time. Which topic an input may come in on is in
`topics.py`: who may write prices, who may only quote and who may open accounts is told apart by topic.
Schema rules: new fields have defaults; a type never changes; a name is never used again. A field that is not known is
no input, unlike in an event: a limit order whose price is misspelt must not become a market order.
"""

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from stream_engine.messages.instrument import MAIN_POOL, Instrument
from stream_engine.messages.rules import (
    AdlRules,
    BackstopRules,
    BreakerRules,
    FundRules,
    LiquidationRules,
    ObligationRules,
    OrderRules,
    SelfTrade,
)
from stream_engine.messages.units import ClientId, Count, Lots, Micros, Name, Ppm, Quote, Text, Ticks, TraderId


class Side(Enum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"


class TimeInForce(Enum):
    """How long an order may rest: GTC until cancelled, IOC not at all, FOK not at all, and it is filled as a whole or
    refused."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class TriggerKind(Enum):
    """What an order waits for. A stop: that the price goes against who holds the other way (a buy stop: up to the
    trigger price or above); a take-profit: that it comes (a buy take-profit: down to it or below)."""

    STOP = "stop"
    TAKE_PROFIT = "take_profit"


class TriggerBy(Enum):
    """The price that a trigger looks at."""

    MARK = "mark"
    LAST = "last"


class Trigger(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The condition of an order that waits: until it is met, nothing of it is in the book, and no margin is needed."""

    kind: TriggerKind
    price: Ticks
    by: TriggerBy = TriggerBy.MARK


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
    reduce_only  may only make the position smaller: cut to it, and cancelled once there is none.
    self_trade   what happens if it meets its own account's order; None: as the venue has it.
    trigger      the order waits for it.
    expires_us   refused when it comes later than that, cancelled when it still rests or waits then.
    """

    account: TraderId
    client_id: ClientId
    symbol: Name
    side: Side
    size: Lots
    price: Ticks | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    self_trade: SelfTrade | None = None
    trigger: Trigger | None = None
    expires_us: Micros | None = None


class Amend(Input, frozen=True):
    """Change an order that rests or waits: its open size, its price, or both (None: as it is). Size 0 cancels. One that
    rests keeps its place at the same price and not larger; otherwise it is taken out and comes anew, and may trade."""

    account: TraderId
    client_id: ClientId
    size: Lots | None = None
    price: Ticks | None = None


class Cancel(Input, frozen=True):
    """Cancel one order, that rests or waits, by its owner's id."""

    account: TraderId
    client_id: ClientId


class CancelAll(Input, frozen=True):
    """Cancel all orders of an account, quotes and those that wait included: on one symbol, or on all (no symbol)."""

    account: TraderId
    symbol: Name | None = None


class SetLeverage(Input, frozen=True):
    """Choose the leverage of an account on a symbol: initial margin = notional / leverage."""

    account: TraderId
    symbol: Name
    leverage: Count


class SetMarginMode(Input, frozen=True):
    """Choose cross or isolated margin for an account on a symbol, while it has neither position nor orders there."""

    account: TraderId
    symbol: Name
    isolated: bool


class MoveMargin(Input, frozen=True):
    """Move money from the wallet to an isolated position's margin (+) or back (-), as far as it is free."""

    account: TraderId
    symbol: Name
    quote: Quote


# quotes -------------------------------------------------------------------------------------------------

Ladder = Annotated[tuple[Level, ...], Meta(max_length=32)]


class MassQuote(Input, frozen=True):
    """A maker's two-sided quote of several levels; replaces its former quote on the symbol as one input.

    quote_id      rises with every quote of the account on the symbol; one that does not is refused.
    bids, asks    (price in ticks, size in lots), each price once; an empty side is no quote there.
    expires_us    refused when it comes later than that, taken away when it still stands then.
    A level that stands as before keeps its place in the queue. A level that crosses takes.
    """

    account: TraderId
    symbol: Name
    quote_id: Count
    bids: Ladder = ()
    asks: Ladder = ()
    expires_us: Micros | None = None


class QuoteCancel(Input, frozen=True):
    """Take a maker's quote away: on one symbol, or on all (no symbol)."""

    account: TraderId
    symbol: Name | None = None


class SetProtection(Input, frozen=True):
    """Market-maker protection of an account's quotes on a symbol: once within `window_us` more than `quantity` lots of
    them are filled, or the fills' balance passes `delta` lots either way, all of them are taken away, and quotes are
    refused for `frozen_us` (0: until the protection is set again). A limit of 0 is off; both 0: no protection."""

    account: TraderId
    symbol: Name
    window_us: Micros
    frozen_us: Micros
    quantity: Lots
    delta: Lots


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
    orders, ...        a section of rules.py, as a whole.
    """

    checks_per_input: Count | None = None
    fund_draw_ppm: Ppm | None = None
    cover_bound_ppm: Ppm | None = None
    orders: OrderRules | None = None
    liquidation: LiquidationRules | None = None
    fund: FundRules | None = None
    backstop: BackstopRules | None = None
    adl: AdlRules | None = None
    breakers: BreakerRules | None = None
    obligations: ObligationRules | None = None


class ListInstrument(Input, frozen=True):
    """List a perpetual."""

    instrument: Instrument


class OpenAccounts(Input, frozen=True):
    """Open accounts: (account, its participant). Many to a record."""

    accounts: tuple[tuple[TraderId, Name], ...]


class Deposit(Input, frozen=True):
    """Pay money into accounts: (account, micro-quote). Many to a record, taken or refused as a whole."""

    deposits: tuple[tuple[TraderId, Quote], ...]


class Withdraw(Input, frozen=True):
    """Pay money out of an account, as far as its free margin goes."""

    account: TraderId
    quote: Quote


class Leg(Struct, frozen=True, gc=False, array_like=True):
    """One seeded position: signed lots, entry price in ticks, leverage (0: the instrument's default); isolated with its
    initial margin out of the wallet, or with `margin` micro-quote of it where that is given."""

    account: TraderId
    symbol: Name
    size: Lots
    entry: Ticks
    leverage: Count = 0
    isolated: bool = False
    margin: Quote = 0


class SeedPositions(Input, frozen=True):
    """Positions that exist when the run begins. They sum to zero per symbol over the record, or are refused as a whole;
    so they are once anything has traded. `adds`: an account may hold something on the same side of the symbol already
    (a bulk is cut into records that balance); without it that is refused: a record sent twice would count twice."""

    legs: tuple[Leg, ...]
    adds: bool = False


class SeedFund(Input, frozen=True):
    """Pay money into a pool of the insurance fund, or into a backstop vault."""

    quote: Quote
    pool: Name = MAIN_POOL


class SetDuty(Input, frozen=True):
    """Put a market maker's account on a symbol into a tier of duty; no tier: out of its duty."""

    account: TraderId
    symbol: Name
    duty: Name | None = None


class DeclareStress(Input, frozen=True):
    """Declare a time of stress, in which makers' duties are relaxed, or end it."""

    declared: bool
    reason: Text = ""


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
    | Amend
    | Cancel
    | CancelAll
    | SetLeverage
    | SetMarginMode
    | MoveMargin
    | MassQuote
    | QuoteCancel
    | SetProtection
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
    | SetDuty
    | DeclareStress
    | HaltTrading
    | ResumeTrading
    | ClockTick
)
