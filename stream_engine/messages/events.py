"""Events: anything that has changed, in the past tense, with the state after it. One tagged union, field `type`.

An event is identified by `(venue, seq, n)`: the input that it belongs to and its place among that input's events.
`cause` is the `[seq, n]` of the event that set it off (maybe of an earlier input: a cascade cut short goes on at
the next); no cause means the input itself. Which topic an event goes to is in `topics.py`.
"""

from enum import Enum

from msgspec import Struct

from stream_engine.messages.inputs import Leg, Level, Side, SymbolPrice, TimeInForce, Trigger
from stream_engine.messages.instrument import MAIN_POOL, Instrument
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import (
    AdlRules,
    BackstopRules,
    BreakerRules,
    FundRules,
    LiquidationRules,
    ObligationRules,
    OrderRules,
)
from stream_engine.messages.units import AccountId, ClientId, Count, Lots, Micros, Name, Ppm, Quote, Text, Ticks

Cause = tuple[Count, Count]


class CancelReason(Enum):
    """Why an order left the book, or never rested, without being filled."""

    OWNER = "owner"  # its owner asked
    IMMEDIATE = "immediate"  # what an immediate order or a market order could not fill
    SELF_TRADE = "self_trade"  # it would have traded with its own account
    REDUCE_ONLY = "reduce_only"  # its owner has no position that it could make smaller
    LIQUIDATION = "liquidation"  # its owner is being liquidated
    OUT_OF_BAND = "out_of_band"  # the price band has moved away from it: it might have traded outside
    DELEVERAGED = "deleveraged"  # its owner's position on the symbol was deleveraged
    EXPIRED = "expired"  # its own time was past
    NOT_ALLOWED = "not_allowed"  # it was triggered, and is refused as an order (`refusal`)
    PROTECTION = "protection"  # the market-maker protection of its owner took it away


class Breaker(Enum):
    """Which circuit breaker keeps the liquidations of a symbol waiting."""

    BAND = "band"  # nothing more trades inside the price band: its limit state, and the pause after it
    THROTTLE = "throttle"  # liquidations have had their share of the volume
    DIVERGENCE = "divergence"  # last and index are too far apart
    STALL = "stall"  # a source of the index is silent


class FundReason(Enum):
    """Why the insurance fund's balance changed."""

    SEEDED = "seeded"
    SURPLUS = "surplus"  # a liquidation order filled better than the bankruptcy price
    COVER = "cover"  # it filled worse: the fund paid the difference
    SHORTFALL = "shortfall"  # what deleveraging left was closed at the mark: the fund paid the difference
    DEBT = "debt"  # an account without a position owed money
    TRANCHE = "tranche"  # makers that failed their duties paid in
    DUST = "dust"  # what rounding left in a liquidated account
    UNWOUND = "unwound"  # what it had taken over realised: a part was closed, or funding came
    BACKSTOP = "backstop"  # a vault took over an account: its equity


class Event(Struct, frozen=True, gc=False, tag=True, tag_field="type", omit_defaults=True):
    """What every event carries. `ts_us` is the venue's time."""

    venue: Name
    seq: Count
    n: Count
    ts_us: Micros
    cause: Cause | None


# executions: the venue's view, with account ids ------------------------------------------------------------


class AccountsOpened(Event, frozen=True):
    """(account, participant) of each."""

    accounts: tuple[tuple[AccountId, Name], ...]


class Deposited(Event, frozen=True):
    """(account, micro-quote paid in, wallet after) of each."""

    deposits: tuple[tuple[AccountId, Quote, Quote], ...]


class Withdrawn(Event, frozen=True):
    """Money paid out, and the wallet after."""

    account: AccountId
    quote: Quote
    wallet: Quote


class LeverageSet(Event, frozen=True):
    """The leverage of an account on a symbol."""

    account: AccountId
    symbol: Name
    leverage: Count


class MarginModeSet(Event, frozen=True):
    """Whether an account's margin on a symbol is isolated."""

    account: AccountId
    symbol: Name
    isolated: bool


class MarginMoved(Event, frozen=True):
    """Money moved from the wallet to an isolated position's margin (+) or back (-), and both after it."""

    account: AccountId
    symbol: Name
    quote: Quote
    margin: Quote
    wallet: Quote


class PositionsSeeded(Event, frozen=True):
    """The positions that exist when the run begins."""

    legs: tuple[Leg, ...]


class ControlRejected(Event, frozen=True):
    """A control, leverage or price input that is not allowed. `input` is its type; `detail` says what was found."""

    input: Name
    reason: Reject
    detail: Text = ""


class OrderAccepted(Event, frozen=True):
    """An order was taken; `order_id` is the venue's. Fills follow as `Traded`. The price is the edge of the price band
    where the order's own lies beyond it. `repeated`: the same answer again. With a `trigger` it waits, and
    `OrderTriggered` comes first."""

    account: AccountId
    client_id: ClientId
    order_id: Count
    symbol: Name
    side: Side
    size: Lots
    price: Ticks | None
    time_in_force: TimeInForce
    post_only: bool
    repeated: bool = False
    reduce_only: bool = False
    trigger: Trigger | None = None


class OrderRejected(Event, frozen=True):
    """An order was refused, and nothing changed. `repeated`: the same answer again."""

    account: AccountId
    client_id: ClientId
    symbol: Name
    reason: Reject
    repeated: bool = False


class OrderAmended(Event, frozen=True):
    """An order that rests, or waits for its trigger, was changed: its open size and price (none: a market order) from
    here on. Fills follow as `Traded`."""

    account: AccountId
    client_id: ClientId
    order_id: Count
    symbol: Name
    side: Side
    size: Lots
    price: Ticks | None


class AmendRejected(Event, frozen=True):
    """An amend was refused; the order stands as it stood."""

    account: AccountId
    client_id: ClientId
    reason: Reject


class OrderTriggered(Event, frozen=True):
    """The price that an order waited for has come, by the event that is its cause; it enters like a new order, with the
    size and price that it has by now. Fills follow as `Traded`."""

    account: AccountId
    client_id: ClientId
    order_id: Count
    symbol: Name
    side: Side
    size: Lots
    price: Ticks | None
    time_in_force: TimeInForce


class OrderCancelled(Event, frozen=True):
    """`size` lots of an order are no longer to be filled; nothing of it rests or waits. `refusal`: why one that was
    triggered is not allowed."""

    account: AccountId
    client_id: ClientId
    order_id: Count
    symbol: Name
    size: Lots
    reason: CancelReason
    refusal: Reject | None = None


class CancelRejected(Event, frozen=True):
    """A cancel was refused."""

    account: AccountId
    client_id: ClientId | None
    reason: Reject


class QuoteAccepted(Event, frozen=True):
    """What rests of a maker's quote on the symbol after the input: (price, size), best first; all that it quotes."""

    account: AccountId
    symbol: Name
    quote_id: Count
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class QuoteRejected(Event, frozen=True):
    """A quote was refused; the former one stands."""

    account: AccountId
    symbol: Name
    quote_id: Count
    reason: Reject


class QuoteCancelled(Event, frozen=True):
    """A maker's whole quote on a symbol is gone: `size` lots of it."""

    account: AccountId
    symbol: Name
    size: Lots
    reason: CancelReason


class ProtectionSet(Event, frozen=True):
    """A maker's quotes on a symbol are protected so from here on (see `SetProtection`); both limits 0: not at all."""

    account: AccountId
    symbol: Name
    window_us: Micros
    frozen_us: Micros
    quantity: Lots
    delta: Lots


class ProtectionTriggered(Event, frozen=True):
    """A maker withdraws lawfully: its protection takes its quote on the symbol away, and refuses new ones until
    `frozen_until_us` (none: until it is set again). `quantity` lots of it were filled in the window, of which `delta`
    more were bought (+) or sold (-)."""

    account: AccountId
    symbol: Name
    quantity: Lots
    delta: Lots
    frozen_until_us: Micros | None


class Traded(Event, frozen=True):
    """One fill, at the maker's price. `left` is the open size after it; fees are paid (+) or received (-).

    liquidation   the taker's order is the venue's, closing `taker`'s position.
    """

    symbol: Name
    price: Ticks
    size: Lots
    taker: AccountId
    taker_order_id: Count
    taker_side: Side
    taker_left: Lots
    taker_fee: Quote
    maker: AccountId
    maker_order_id: Count
    maker_left: Lots
    maker_fee: Quote
    liquidation: bool = False


class FundingPaid(Event, frozen=True):
    """What each position paid (+) or received (-) at a settlement of funding: (account, micro-quote, wallet after); an
    isolated position's margin pays, and the wallet stays. What the roundings leave is the venue's. Very many come in
    several of these."""

    symbol: Name
    payments: tuple[tuple[AccountId, Quote, Quote], ...]


class OrdersResting(Event, frozen=True):
    """Each minute: every resting order of a symbol with its owner (account, order id, client id, price, size),
    bids and asks in the order of their priority. A quote's levels have the client id "". A long book comes in parts."""

    symbol: Name
    part: Count
    parts: Count
    bids: tuple[tuple[AccountId, Count, str, Ticks, Lots], ...]
    asks: tuple[tuple[AccountId, Count, str, Ticks, Lots], ...]


class DutySet(Event, frozen=True):
    """A market maker's account on a symbol is in a tier of duty from here on; none: in none."""

    account: AccountId
    symbol: Name
    duty: Name | None


class DutyMeasured(Event, frozen=True):
    """How a duty was met over a period: clock ticks at which something was due (those in stress among them), the share
    at which it was there and the share that was asked for, what of that was missed; the rebates of the period, what
    was taken back of them, and the wallet after."""

    account: AccountId
    symbol: Name
    duty: Name
    ticks: Count
    stressed: Count
    presence_ppm: Ppm
    required_ppm: Ppm
    shortfall_ppm: Ppm
    rebates: Quote
    clawed_back: Quote
    wallet: Quote


# market: what everybody sees -------------------------------------------------------------------------------


class InstrumentListed(Event, frozen=True):
    """A perpetual was listed."""

    instrument: Instrument


class RulesSet(Event, frozen=True):
    """The venue's own settings after a change, all of them. What is set before the first clock tick brings no event."""

    checks_per_input: Count
    fund_draw_ppm: Ppm
    cover_bound_ppm: Ppm
    orders: OrderRules = OrderRules()
    liquidation: LiquidationRules = LiquidationRules()
    fund: FundRules = FundRules()
    backstop: BackstopRules = BackstopRules()
    adl: AdlRules = AdlRules()
    breakers: BreakerRules = BreakerRules()
    obligations: ObligationRules = ObligationRules()


class TradingHalted(Event, frozen=True):
    """Orders, quotes and withdrawals are refused from here on, and liquidations wait."""

    reason: Text


class TradingResumed(Event, frozen=True):
    """Trading goes on."""


class TradingPaused(Event, frozen=True):
    """A symbol's limit state has lasted too long: orders and quotes are collected until the first clock tick at or past
    `until_us`, and nothing trades. `reference`, `lower` and `upper` are those of the price band."""

    symbol: Name
    reference: Ticks
    lower: Ticks
    upper: Ticks
    until_us: Micros


class AuctionUncrossed(Event, frozen=True):
    """The call at the end of a pause: `size` lots cross at one price. `surplus`: lots left over at it, bids (+) or
    offers (-)."""

    symbol: Name
    price: Ticks
    size: Lots
    surplus: Lots


class TradingReopened(Event, frozen=True):
    """A paused symbol trades again. `price` is that of its call; 0 where nothing crossed."""

    symbol: Name
    price: Ticks


class BreakerTripped(Event, frozen=True):
    """Liquidations of whoever holds the symbol wait from here on.

    reference  of the band (else 0).     age_us   of the oldest outside source of the index (a stall; else 0).
    """

    symbol: Name
    breaker: Breaker
    mark: Ticks
    index: Ticks
    last: Ticks
    reference: Ticks = 0
    age_us: Micros = 0


class BreakerReleased(Event, frozen=True):
    """Liquidations of the symbol go on, as far as no other breaker is on; what the delay cost the fund, or saved it.

    accounts   how many were below maintenance while it was on.
    shortfall_before, shortfall_after   what they owed beyond their margin, all of them together: each at the marks when
               it began to wait, and all at the marks of the release. Whoever liquidates carries this.
    capped     its time was up, not its reason.
    """

    symbol: Name
    breaker: Breaker
    waited_us: Micros
    accounts: Count
    shortfall_before: Quote
    shortfall_after: Quote
    capped: bool = False


class StressDeclared(Event, frozen=True):
    """Makers' duties are relaxed from here on."""

    reason: Text


class StressEnded(Event, frozen=True):
    """Makers' duties are what they were."""


class PresencePublished(Event, frozen=True):
    """Each minute, where makers' presence is public: of the minute before, the share of the clock ticks at which each
    maker with a duty on the symbol met it: (participant, ppm), by name. Who owed nothing at any tick is left out. Very
    many come in several of these."""

    symbol: Name
    presences: tuple[tuple[Name, Ppm], ...]


class ClockTicked(Event, frozen=True):
    """The participants' clock."""


class NewsPublished(Event, frozen=True):
    """The name of a price shock."""

    label: Name
    headline: Text


class SourcePriced(Event, frozen=True):
    """What a source of the index said: (symbol, price) of each. The venue's time may lie behind the source's own."""

    source: Name
    prices: tuple[SymbolPrice, ...]


class BookChanged(Event, frozen=True):
    """The levels of one symbol that one input changed: (price, size after; 0: gone), best first. Where it changed very
    many, several of these follow one another."""

    symbol: Name
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class TradePrinted(Event, frozen=True):
    """One fill, without names."""

    symbol: Name
    price: Ticks
    size: Lots
    taker_side: Side
    liquidation: bool = False


class MarkPriceChanged(Event, frozen=True):
    """Mark and index after an input or a round of a cascade; `last` is the last trade (0: none yet)."""

    symbol: Name
    mark: Ticks
    index: Ticks
    last: Ticks


class FundingSettled(Event, frozen=True):
    """An interval of funding has ended: longs pay `rate_ppm` of their notional at the mark (below 0: shorts pay).
    `premium_ppm` is the mean premium of the interval. `FundingPaid` says who paid what."""

    symbol: Name
    rate_ppm: Ppm
    premium_ppm: Ppm
    mark: Ticks


class OpenInterestChanged(Event, frozen=True):
    """Open interest in lots (of one side), and how many accounts hold either side."""

    symbol: Name
    open_interest: Lots
    long_accounts: Count
    short_accounts: Count


# liquidations ----------------------------------------------------------------------------------------------


class LiquidationStarted(Event, frozen=True):
    """A position, or a part of it, is taken from an account below maintenance. `size` is signed; equity and maintenance
    at the mark."""

    account: AccountId
    symbol: Name
    size: Lots
    mark: Ticks
    bankruptcy_price: Ticks
    equity: Quote
    maintenance: Quote


class LiquidationFilled(Event, frozen=True):
    """One fill of a liquidation order against the bankruptcy price. `to_fund`: > 0 surplus, < 0 the fund paid."""

    account: AccountId
    symbol: Name
    side: Side
    size: Lots
    price: Ticks
    bankruptcy_price: Ticks
    to_fund: Quote


class LiquidationEnded(Event, frozen=True):
    """Where the lots of a liquidated position went: into the book, into the book at the fund's cost, to deleveraged
    accounts, to the deficit, to the fund itself (`taken_over`). `wallet` is the account's after it (of an isolated
    position: its margin), `left` the lots that it still holds: a step may take a part of a position only."""

    account: AccountId
    symbol: Name
    book: Lots
    fund: Lots
    adl: Lots
    deficit: Lots
    bankruptcy_price: Ticks
    wallet: Quote
    left: Lots = 0
    taken_over: Lots = 0


class BackstopTookOver(Event, frozen=True):
    """A backstop vault took over all that an account had: (symbol, signed lots, mark) of each position, and its
    equity. `house` is the vault's own account."""

    account: AccountId
    house: AccountId
    vault: Name
    positions: tuple[tuple[Name, Lots, Ticks], ...]
    equity: Quote
    maintenance: Quote


# fund ------------------------------------------------------------------------------------------------------


class PositionTakenOver(Event, frozen=True):
    """A pool of the insurance fund took `size` signed lots of a liquidated position at its bankruptcy price; `house` is
    the pool's own account, and `position` what it holds now."""

    account: AccountId
    house: AccountId
    symbol: Name
    size: Lots
    price: Ticks
    position: Lots
    pool: Name


class DrawdownChanged(Event, frozen=True):
    """A pool has lost too much of the window's reference and no longer pays, or (not `on`) pays again. `worth` is its
    balance and the unrealised PnL of what it has taken over."""

    pool: Name
    on: bool
    ratio_ppm: Ppm
    reference: Quote
    worth: Quote


class FundChanged(Event, frozen=True):
    """The balance of a pool of the insurance fund changed; `account` and `symbol` say for whom (none: the venue's
    operator)."""

    change: Quote
    balance: Quote
    reason: FundReason
    account: AccountId | None = None
    symbol: Name | None = None
    pool: Name = MAIN_POOL


class DeficitChanged(Event, frozen=True):
    """A loss that nobody carried: what the fund and deleveraging left. `total` is never above zero."""

    change: Quote
    total: Quote
    account: AccountId
    symbol: Name | None = None


class TrancheCalled(Event, frozen=True):
    """A market maker that failed its duty pays into what the fund cannot, before anybody is deleveraged."""

    account: AccountId
    symbol: Name
    quote: Quote
    shortfall_ppm: Ppm
    wallet: Quote


# adl -------------------------------------------------------------------------------------------------------

Queued = tuple[AccountId, Lots, Ppm, Count]


class DeleveragingStarted(Event, frozen=True):
    """`size` lots of a bankrupt position (signed) find neither a book nor a fund and go to the opposite side."""

    account: AccountId
    symbol: Name
    size: Lots
    price: Ticks
    candidates: Count


class PositionDeleveraged(Event, frozen=True):
    """A position was closed, in part or whole, against a bankrupt one of another account.

    size       signed change of the position.      position     what is left of it.
    rank       1 is the first of the queue.        score_ppm    its score when it was ranked, as the policy has it.
    lights     1 to 5; five is next; 0: the policy has none.    realised   micro-quote booked to its wallet.
    """

    account: AccountId
    bankrupt: AccountId
    symbol: Name
    size: Lots
    price: Ticks
    position: Lots
    rank: Count
    score_ppm: Ppm
    lights: Count
    realised: Quote


class LossSocialised(Event, frozen=True):
    """What a holder of the symbol pays into a loss that a bankrupt account left; `wallet` is its own after it (of an
    isolated position: its margin)."""

    account: AccountId
    bankrupt: AccountId
    symbol: Name
    loss: Quote
    wallet: Quote


class AdlQueueRanked(Event, frozen=True):
    """Each minute: the head of one side's queue, first to be deleveraged first: (account, signed lots, score in ppm,
    lights). `thresholds_ppm`: the least score with 5, with 4 or more, 3 or more and 2 or more lights; empty for an
    empty queue and where the policy has no lights. `positions` is the length of the queue; `head` is empty where the
    policy has no rank."""

    symbol: Name
    side: Side
    positions: Count
    thresholds_ppm: tuple[Ppm, ...]
    head: tuple[Queued, ...]


AnyEvent = (
    AccountsOpened
    | Deposited
    | Withdrawn
    | LeverageSet
    | MarginModeSet
    | MarginMoved
    | PositionsSeeded
    | ControlRejected
    | OrderAccepted
    | OrderRejected
    | OrderAmended
    | AmendRejected
    | OrderTriggered
    | OrderCancelled
    | CancelRejected
    | QuoteAccepted
    | QuoteRejected
    | QuoteCancelled
    | ProtectionSet
    | ProtectionTriggered
    | Traded
    | FundingPaid
    | OrdersResting
    | DutySet
    | DutyMeasured
    | InstrumentListed
    | RulesSet
    | TradingHalted
    | TradingResumed
    | TradingPaused
    | AuctionUncrossed
    | TradingReopened
    | BreakerTripped
    | BreakerReleased
    | StressDeclared
    | StressEnded
    | PresencePublished
    | ClockTicked
    | NewsPublished
    | SourcePriced
    | BookChanged
    | TradePrinted
    | MarkPriceChanged
    | FundingSettled
    | OpenInterestChanged
    | LiquidationStarted
    | LiquidationFilled
    | LiquidationEnded
    | BackstopTookOver
    | PositionTakenOver
    | DrawdownChanged
    | FundChanged
    | DeficitChanged
    | TrancheCalled
    | DeleveragingStarted
    | PositionDeleveraged
    | LossSocialised
    | AdlQueueRanked
)
