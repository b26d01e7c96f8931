"""The words in which the rulebook is written: an exchange in one line, inputs, and what came of them.

One lot is one coin and one tick one USDT, so `4 @ 100` is 400 USDT. Unless a test says otherwise there are no fees,
initial margin is 10 %, maintenance 5 %, and the mark is the index. A book is drawn as a ladder from the lowest price
to the highest: `2 @ 99, 4 @ 100 | 101 @ 5, 102 @ 1`, size before price for bids, price before size for asks.

`apply` takes each input, asserts the invariants after it, and that its events can be read from the wire, are
numbered, and name causes that came before.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, TypeVar

from msgspec.structs import replace

from stream_engine.core.exchange import Exchange
from stream_engine.core.invariants import check
from stream_engine.core.order_book import orders_of
from stream_engine.core.position import Position
from stream_engine.messages.codec import decode_event, encode
from stream_engine.messages.events import (
    AmendRejected,
    AnyEvent,
    CancelRejected,
    ControlRejected,
    Event,
    OrderRejected,
    QuoteRejected,
    Traded,
)
from stream_engine.messages.inputs import (
    Amend,
    AnyInput,
    Cancel,
    CancelAll,
    ClockTick,
    Deposit,
    HaltTrading,
    IndexPrices,
    Leg,
    Level,
    ListInstrument,
    MassQuote,
    MoveMargin,
    OpenAccounts,
    Place,
    PriceShock,
    QuoteCancel,
    ResumeTrading,
    SeedFund,
    SeedPositions,
    SetLeverage,
    SetMarginMode,
    SetRules,
    Side,
    TimeInForce,
    Withdraw,
)
from stream_engine.messages.instrument import IndexSource, Instrument, Tier
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import SelfTrade
from stream_engine.messages.units import MILLION

VENUE = "test"
ALICE, BOB, CAROL, DAVE, MM = 1, 2, 3, 4, 9
PEOPLE = {ALICE: "alice", BOB: "bob", CAROL: "carol", DAVE: "dave", MM: "MM1"}
RICH = 1_000_000  # USDT that everybody has whose wallet a test does not name
SECOND = MILLION
MINUTE = 60 * SECOND

EventType = TypeVar("EventType", bound=Event)
_ids = count(1)


def usd(dollars: float) -> int:
    """USDT in micro-quote; exact for what a test writes."""
    micro_quote = round(dollars * MILLION)
    assert micro_quote / MILLION == dollars, dollars
    return micro_quote


# setting the scene -----------------------------------------------------------------------------------------


def an_instrument(symbol: str = "BTC", **changes: object) -> Instrument:
    """A perpetual in human sizes; `changes` are fields of Instrument."""
    instrument = Instrument(
        symbol=symbol,
        tick_size="1",
        lot_size="1",
        tick_value=MILLION,
        max_price=100_000,
        max_size=50_000,
        tiers=(Tier(0, 50_000),),
        max_leverage=10,
        default_leverage=10,
        maker_fee_ppm=0,
        taker_fee_ppm=0,
        sources=(IndexSource("spot", 1),),
        mark="index",
    )
    return replace(instrument, **changes)


def an_exchange(
    book: str = "",
    *,
    marks: dict[str, int] | None = None,
    wallets: dict[int, float] | None = None,
    holds: Iterable[Leg] = (),
    fund: float = 0,
    rules: SetRules | None = None,
    **instrument_changes: object,
) -> Exchange:
    """An exchange with a symbol for every mark (BTC at 100), five people, and a book that MM made.

    `holds` are positions from before the run; `fund` and `wallets` are in USDT.
    """
    exchange = Exchange(VENUE)
    marks = {"BTC": 100} if marks is None else marks
    money = {account: usd((wallets or {}).get(account, RICH)) for account in PEOPLE}
    for symbol in marks:
        apply(exchange, ListInstrument(VENUE, 0, an_instrument(symbol, **instrument_changes)))
    apply(exchange, OpenAccounts(VENUE, 0, tuple(PEOPLE.items())))
    apply(exchange, Deposit(VENUE, 0, tuple((account, quote) for account, quote in money.items() if quote)))
    if rules is not None:
        apply(exchange, rules)
    if fund:
        apply(exchange, SeedFund(VENUE, 0, usd(fund)))
    apply(exchange, spot(**marks))
    legs = tuple(holds)
    if legs:
        assert kinds(apply(exchange, SeedPositions(VENUE, 0, legs))) == ["PositionsSeeded"], legs
    assert not refusals(apply(exchange, *orders_of_book(book))), book
    return exchange


def orders_of_book(drawn: str, by: int = MM, symbol: str = "BTC") -> list[Place]:
    """The orders that make a book as it is drawn; best first, so that their ids tell nothing of the place."""
    bids, asks = drawn.split("|") if drawn else ("", "")
    orders = []
    for level in reversed([level for level in bids.split(",") if level.strip()]):
        size, price = level.split("@")
        orders.append(buy(int(size), int(price), by=by, symbol=symbol))
    for level in (level for level in asks.split(",") if level.strip()):
        price, size = level.split("@")
        orders.append(sell(int(size), int(price), by=by, symbol=symbol))
    return orders


def leg(account: int, size: int, at: int, symbol: str = "BTC", leverage: int = 0, margin: float | None = None) -> Leg:
    """A position from before the run; isolated where it has a margin (in USDT; 0: its initial margin)."""
    return Leg(account, symbol, size, at, leverage, margin is not None, usd(margin or 0))


# inputs ----------------------------------------------------------------------------------------------------


def buy(
    size: int,
    at: int | None = None,
    *,
    by: int = ALICE,
    symbol: str = "BTC",
    id: str = "",
    ioc: bool = False,
    fok: bool = False,
    post_only: bool = False,
    reduce_only: bool = False,
    self_trade: SelfTrade | None = None,
) -> Place:
    """An order to buy; without a price a market order, without an id one of its own."""
    force = _force(ioc, fok)
    return _place(Side.BUY, size, at, by, symbol, id, force, post_only, reduce_only, self_trade)


def sell(
    size: int,
    at: int | None = None,
    *,
    by: int = ALICE,
    symbol: str = "BTC",
    id: str = "",
    ioc: bool = False,
    fok: bool = False,
    post_only: bool = False,
    reduce_only: bool = False,
    self_trade: SelfTrade | None = None,
) -> Place:
    """An order to sell; see `buy`."""
    force = _force(ioc, fok)
    return _place(Side.SELL, size, at, by, symbol, id, force, post_only, reduce_only, self_trade)


def amend(id: str, size: int | None = None, at: int | None = None, by: int = ALICE) -> Amend:
    """Change the open size of an order, its price, or both."""
    return Amend(VENUE, 0, by, id, size, at)


Timed = TypeVar("Timed", Place, MassQuote)


def until(us: int, order: Timed) -> Timed:
    """An order or a quote that stands until then."""
    return replace(order, expires_us=us)


def cancel(id: str, by: int = ALICE) -> Cancel:
    """Cancel one order."""
    return Cancel(VENUE, 0, by, id)


def cancel_all(by: int = ALICE, symbol: str | None = None) -> CancelAll:
    """Cancel everything of an account."""
    return CancelAll(VENUE, 0, by, symbol)


def quote(
    number: int, bids: Sequence[Level] = (), asks: Sequence[Level] = (), *, by: int = MM, symbol: str = "BTC"
) -> MassQuote:
    """A maker's quote: levels as (price, size), best first."""
    return MassQuote(VENUE, 0, by, symbol, number, tuple(bids), tuple(asks))


def quote_cancel(by: int = MM, symbol: str | None = None) -> QuoteCancel:
    """Take a maker's quote away."""
    return QuoteCancel(VENUE, 0, by, symbol)


def spot(**prices: int) -> IndexPrices:
    """Prices of the outside market, by symbol."""
    return prices_of("spot", **prices)


def prices_of(source: str, sent: float = 0, **prices: int) -> IndexPrices:
    """Prices of one source of the index, sent so many seconds after the beginning (0: when they are taken)."""
    return IndexPrices(VENUE, round(sent * SECOND), source, tuple(prices.items()))


def tick(seconds: float) -> ClockTick:
    """The clock, so many seconds after the beginning."""
    return ClockTick(VENUE, round(seconds * SECOND))


def deposit(account: int, dollars: float) -> Deposit:
    """Pay USDT in."""
    return Deposit(VENUE, 0, ((account, usd(dollars)),))


def withdraw(account: int, dollars: float) -> Withdraw:
    """Pay USDT out."""
    return Withdraw(VENUE, 0, account, usd(dollars))


def halt(reason: str = "a feed has stalled") -> HaltTrading:
    """Stop trading."""
    return HaltTrading(VENUE, 0, reason)


def resume() -> ResumeTrading:
    """Let trading go on."""
    return ResumeTrading(VENUE, 0)


def set_leverage(account: int, leverage: int, symbol: str = "BTC") -> SetLeverage:
    """Choose a leverage."""
    return SetLeverage(VENUE, 0, account, symbol, leverage)


def isolate(account: int, symbol: str = "BTC", isolated: bool = True) -> SetMarginMode:
    """Let an account's position on a symbol stand alone, or (not isolated) in the cross portfolio."""
    return SetMarginMode(VENUE, 0, account, symbol, isolated)


def move_margin(account: int, dollars: float, symbol: str = "BTC") -> MoveMargin:
    """Move USDT from the wallet to an isolated position (+), or back (-)."""
    return MoveMargin(VENUE, 0, account, symbol, usd(dollars))


def seed(*legs: Leg) -> SeedPositions:
    """Positions from before the run."""
    return SeedPositions(VENUE, 0, legs)


# what came of them -----------------------------------------------------------------------------------------


def apply(exchange: Exchange, *inputs: AnyInput) -> list[AnyEvent]:
    """Take the inputs one after another; the events of all of them."""
    events: list[AnyEvent] = []
    for received in inputs:
        seq = exchange.seq
        new = exchange.apply(_sent_now(exchange, received))
        check(exchange)
        for n, event in enumerate(new):
            assert (event.venue, event.seq, event.n) == (exchange.venue, seq, n), event
            assert event.cause is None or event.cause < (seq, n), event
            assert decode_event(encode(event)) == event, event
        assert exchange.seq == seq + 1
        events += new
    return events


def only(events: Sequence[AnyEvent], kind: type[EventType]) -> list[EventType]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def one(events: Sequence[AnyEvent], kind: type[EventType]) -> EventType:
    """The only event of a kind."""
    (event,) = only(events, kind)
    return event


def kinds(events: Sequence[AnyEvent]) -> list[str]:
    """The names of the events, in order."""
    return [type(event).__name__ for event in events]


def refusals(
    events: Sequence[AnyEvent],
) -> list[OrderRejected | AmendRejected | QuoteRejected | CancelRejected | ControlRejected]:
    """Everything that was refused."""
    kinds_of_refusal = (OrderRejected, AmendRejected, QuoteRejected, CancelRejected, ControlRejected)
    return [event for event in events if isinstance(event, kinds_of_refusal)]


def reasons(events: Sequence[AnyEvent]) -> list[Reject]:
    """Why, for everything that was refused."""
    return [refusal.reason for refusal in refusals(events)]


def trades(events: Sequence[AnyEvent]) -> list[str]:
    """The fills, as `3 @ 101`."""
    return [f"{trade.size} @ {trade.price}" for trade in only(events, Traded)]


def book(exchange: Exchange, symbol: str = "BTC") -> str:
    """The book, drawn."""
    levels = exchange.state.markets[symbol].book
    bids = [f"{level.size} @ {level.price}" for level in levels.bids.best_first()]
    asks = [f"{level.price} @ {level.size}" for level in levels.asks.best_first()]
    return f"{', '.join(reversed(bids))} | {', '.join(asks)}".strip()


def queue_at(exchange: Exchange, price: int, symbol: str = "BTC") -> list[str]:
    """Who stands at a price, first to be filled first: `alice 3`."""
    levels = exchange.state.markets[symbol].book
    level = levels.bids.levels.get(price) or levels.asks.levels[price]
    return [f"{PEOPLE[order.account]} {order.size}" for order in orders_of(level)]


def held(exchange: Exchange, account: int, symbol: str = "BTC") -> int:
    """Signed lots of an account's position."""
    return position_of(exchange, account, symbol).size


def position_of(exchange: Exchange, account: int, symbol: str = "BTC") -> Position:
    """An account's position, flat where it never had one."""
    return exchange.state.accounts[account].positions.get(symbol) or Position(account, symbol, 0, 0)


def wallet(exchange: Exchange, account: int) -> float:
    """USDT in an account's wallet."""
    return exchange.state.accounts[account].wallet / MILLION


def margin(exchange: Exchange, account: int, symbol: str = "BTC") -> float:
    """USDT that an isolated position has of its own."""
    return position_of(exchange, account, symbol).margin / MILLION


def fund(exchange: Exchange) -> float:
    """USDT in the insurance fund."""
    return exchange.state.fund.balance / MILLION


def mark(exchange: Exchange, symbol: str = "BTC") -> int:
    """The mark price, in ticks."""
    return exchange.state.markets[symbol].mark


def _sent_now(exchange: Exchange, received: AnyInput) -> AnyInput:
    """Prices count from when they were sent: where a test does not say when, now."""
    is_undated = isinstance(received, IndexPrices | PriceShock) and not received.ts_us
    return replace(received, ts_us=exchange.state.now_us) if is_undated else received


def _force(ioc: bool, fok: bool) -> TimeInForce:
    return TimeInForce.IOC if ioc else TimeInForce.FOK if fok else TimeInForce.GTC


def _place(side: Side, size: int, at: int | None, by: int, symbol: str, id: str, *terms: Any) -> Place:
    return Place(VENUE, 0, by, id or f"order {next(_ids)}", symbol, side, size, at, *terms)
