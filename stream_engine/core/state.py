"""State: everything a venue knows, as bytes, and back.

`dump` gives lines of JSON: the venue, then a line per symbol as listed, then a line per account as opened.
`load` makes of them an exchange that goes on exactly: for ever the same events for the same inputs.

`state_hash` is what the journal carries: it covers a small venue whole, and of a large one what any trade shows in at
once (counters, money, prices) and a part of the rest, another part each time: its cost has a bound.

Kept      also what only says in which order things are looked at: accounts, holders and client ids in the order in
          which they came, the heaps of the margin watch as they lie (stale entries too: `checks_per_input` counts
          what is looked at), the answers to orders that are done, with the time at which each is forgotten.
Not kept  what follows from the rest: a maintenance table, the levels of a quote that are filled, how many
          reduce-only orders rest, how many quotes are protected, on how many symbols an account's margin is isolated.
Holds     dump(load(b)) == b; the same inputs give the same dump, whatever was dumped and loaded on the way.
"""

import hashlib
from collections import deque
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from stream_engine.core.accounts import Account, Answer
from stream_engine.core.duty import Obligation
from stream_engine.core.exchange import Exchange
from stream_engine.core.freeze import Freeze
from stream_engine.core.funding_rate import FundingRate
from stream_engine.core.margin_watch import ACCOUNT_BITS, ACCOUNT_MASK
from stream_engine.core.mark_price import HyperliquidMeans
from stream_engine.core.market import Market, Wait, listed
from stream_engine.core.order_book import BookSide, Order, orders_of
from stream_engine.core.position import Position, Protection, RestingQuote
from stream_engine.core.price_band import PriceBand
from stream_engine.core.reduce_only import count_in
from stream_engine.core.throttle import Turnover
from stream_engine.core.trigger_index import Waiting
from stream_engine.core.triggers import index_of
from stream_engine.core.venue import Expiring, Rules, Venue
from stream_engine.messages.events import Breaker, Cause, OrderAccepted, OrderRejected
from stream_engine.messages.inputs import Place, Side, TimeInForce, Trigger
from stream_engine.messages.instrument import Instrument
from stream_engine.messages.refusals import Reject
from stream_engine.messages.rules import SelfTrade

# Raised with every change of what a dump holds, or of what it means.
FORMAT = 3

# So many entries of a long list go into one state hash (two or three milliseconds in `oct10`), and so many of a list
# that there is for every account or level.
WINDOW = 500
SMALL_WINDOW = 20


class StateError(Exception):
    """Bytes that are no dump, or none of this format."""


class PoolEntry(Struct, array_like=True, gc=False):
    """A pool of the insurance fund. Its house account, once it is opened, is among the accounts."""

    name: str
    balance: int
    inherited: dict[str, int]
    is_down: bool
    parts: list[tuple[int, int, int, int]]


class VenueLine(Struct, array_like=True, gc=False):
    """The venue itself, and how many lines follow. `format` stays the first field for ever."""

    format: int
    venue: str
    markets: int
    accounts: int
    seq: int
    emitted_us: int
    now_us: int
    ticked_us: int | None
    rules: Rules
    halted: bool
    fees: int
    paid_in: int
    paid_out: int
    carried: int
    pools: list[PoolEntry]
    deficit: int
    last_order_id: int
    traded: bool
    owed: list[str]
    indebted: list[int]
    waiting: list[int]
    released: list[int]
    put_off: list[int]
    finished: list[tuple[int, int, str]]
    triggered: list[tuple[int, int, str, Cause]]
    expiring: list[Expiring]
    sent: list[tuple[int, int]]
    sent_since_us: int
    stressed: bool
    duties: list[Obligation]


class MarketLine(Struct, array_like=True, gc=False):
    """A symbol.

    sightings  (price, time) in the order of the sources.
    bids, asks (size of the level, its order ids, first come first), best first.
    watched    what the watch's heaps hold: (key, account), as it lies.
    waits      (breaker, since when, what each account owed when it began to wait) of those that are on.
    freeze     since when last and index are apart, and whose cap is used up.
    turnover   its window, and what was traded in each second of it.
    """

    instrument: Instrument
    mark: int
    previous_mark: int
    index: int
    last: int
    moved: Cause | None
    printed: Cause | None
    open_interest: int
    reported: tuple[int, int, int]
    sightings: list[tuple[int, int]]
    samples: list[tuple[int, int]]
    funding: FundingRate | None
    means: HyperliquidMeans | None
    longs: list[int]
    shorts: list[int]
    bids: list[tuple[int, list[int]]]
    asks: list[tuple[int, list[int]]]
    watched_longs: list[tuple[int, int]]
    watched_shorts: list[tuple[int, int]]
    waits: list[tuple[Breaker, int, list[tuple[int, int]]]]
    band: "BandEntry | None"
    freeze: tuple[int | None, list[Breaker]] | None
    turnover: tuple[int, list[list[int]]] | None


class BandEntry(Struct, array_like=True, gc=False):
    """A price band, with the marks of which its reference is the mean: (time, mark)."""

    samples: list[tuple[int, int]]
    reference: int
    lower: int
    upper: int
    limit_sign: int
    limit_since_us: int
    limit_ended_us: int
    reopened_us: int
    paused_until_us: int | None


class OrderEntry(Struct, array_like=True, gc=False):
    """A resting order of an account, or a level of its quote."""

    order_id: int
    client_id: str
    symbol: str
    sign: int
    price: int
    size: int
    reduce_only: bool


class QuoteEntry(Struct, array_like=True, gc=False):
    """What rests of a quote."""

    quote_id: int
    bids: list[OrderEntry]
    asks: list[OrderEntry]


class ProtectionEntry(Struct, array_like=True, gc=False):
    """How a maker's quotes are protected."""

    window_us: int
    frozen_us: int
    quantity: int
    delta: int
    frozen_until_us: int | None
    fills: list[tuple[int, int]]


class PositionEntry(Struct, array_like=True, gc=False):
    """An account's stake in a symbol, with where the watch has it."""

    symbol: str
    initial_ppm: int
    leverage: int
    size: int
    cost: int
    buying: int
    selling: int
    floor: int | None
    watch: int | None
    standing: int | None
    isolated: bool
    margin: int
    quote: QuoteEntry | None
    protection: ProtectionEntry | None


class WaitingEntry(Struct, array_like=True, gc=False):
    """An order that waits for its trigger."""

    order_id: int
    order: Place


class AnswerEntry(Struct, array_like=True, gc=False):
    """An order as it was sent, and the event that answered it, by what it does not repeat of the order: when it was
    made, the order's id or why it was refused, and the price at which it was taken."""

    client_id: str
    symbol: str
    side: Side
    size: int
    price: int | None
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    self_trade: SelfTrade | None
    trigger: Trigger | None
    expires_us: int | None
    sent_us: int
    seq: int
    n: int
    answered_us: int
    answer: int | Reject
    taken_at: int | None


class AccountLine(Struct, array_like=True, gc=False):
    """An account with all that is its own."""

    number: int
    participant: str
    wallet: int
    slack: int
    changed: Cause | None
    whole_until_us: int
    positions: list[PositionEntry]
    orders: list[OrderEntry]
    waiting: list[WaitingEntry]
    answers: list[AnswerEntry]


class Wanted:
    """How much of each list is wanted: all of it (no turn), or the window whose turn it is. `lengths`: of all lists."""

    __slots__ = ("lengths", "turn")

    def __init__(self, turn: int | None = None) -> None:
        self.turn = turn
        self.lengths: list[int] = []

    def of(self, entries: Collection[Any], window: int) -> list[Any]:
        """What is wanted of a list."""
        if self.turn is None:
            return list(entries)
        length = len(entries)
        self.lengths.append(length)
        if length <= window:
            return list(entries)
        start = self.turn % -(-length // window) * window
        return list(islice(entries, start, start + window))

    def first(self, entries: Iterator[Any], window: int) -> list[Any]:
        """What is wanted of a list that nobody counts: all of it, or its beginning."""
        return list(entries if self.turn is None else islice(entries, window))


class _Format(Struct, array_like=True):
    format: int


_encode = msgspec.json.Encoder().encode
_format = msgspec.json.Decoder(_Format)
_venue_line = msgspec.json.Decoder(VenueLine)
_market_line = msgspec.json.Decoder(MarketLine)
_account_line = msgspec.json.Decoder(AccountLine)


def dump(exchange: Exchange) -> bytes:
    """Everything that the venue knows between two inputs."""
    venue = exchange.state
    assert not venue.dirty and not venue.booked, venue.name
    wanted = Wanted()
    lines = [_encode(_venue_of(venue, wanted))]
    lines += [_encode(_market_of(venue, market, wanted)) for market in venue.markets.values()]
    lines += [_encode(_account_of(account, wanted)) for account in venue.accounts.values()]
    lines.append(b"")
    return b"\n".join(lines)


def load(dumped: bytes) -> Exchange:
    """The exchange that was dumped; raises StateError."""
    lines = iter(dumped.split(b"\n"))
    try:
        first = next(lines)
        found = _format.decode(first).format
        if found != FORMAT:
            raise StateError(f"a state of format {found}, this is format {FORMAT}")
        return _loaded(_venue_line.decode(first), lines)
    except (msgspec.MsgspecError, ValueError, LookupError, StopIteration) as error:
        raise StateError(f"no state of a venue: {type(error).__name__} {error}") from error


def state_hash(exchange: Exchange) -> str:
    """SHA-256, in hex, of the state between two inputs: the same for who ran all the time, who applied the journal from
    its beginning, and who was loaded.

    Whole: what the venue counts, its rules, money and prices. Of each list (accounts with what is theirs, their orders
    and answers, levels of the books, holders, heaps, answers to be forgotten) the length and one window; which one,
    `seq` decides, so that all have their turn: what is wrong with an account that nobody touches is seen some hashes
    later. Of the queue at a level, who is filled next.
    """
    venue = exchange.state
    wanted = Wanted(int.from_bytes(hashlib.sha256(b"%d" % venue.out.seq).digest()[:8], "big"))
    lines: list[Any] = [_venue_of(venue, wanted)]
    lines += [_market_of(venue, market, wanted) for market in venue.markets.values()]
    lines += [_account_of(account, wanted) for account in wanted.of(venue.accounts.values(), WINDOW)]
    return hashlib.sha256(_encode((wanted.lengths, lines))).hexdigest()


# out -------------------------------------------------------------------------------------------------------


def _venue_of(venue: Venue, wanted: Wanted) -> VenueLine:
    return VenueLine(
        format=FORMAT,
        venue=venue.name,
        markets=len(venue.markets),
        accounts=len(venue.accounts),
        seq=venue.out.seq,
        emitted_us=venue.out.now_us,
        now_us=venue.now_us,
        ticked_us=venue.ticked_us,
        rules=venue.rules,
        halted=venue.halted,
        fees=venue.fees,
        paid_in=venue.paid_in,
        paid_out=venue.paid_out,
        carried=venue.carried,
        pools=[
            PoolEntry(pool.name, pool.balance, pool.inherited, pool.is_down, wanted.of(pool.parts, WINDOW))
            for pool in venue.pools.values()
        ],
        deficit=venue.deficit.total,
        last_order_id=venue.last_order_id,
        traded=venue.traded,
        owed=list(venue.watch.owed),
        indebted=list(venue.watch.indebted),
        waiting=wanted.of(venue.watch.waiting, WINDOW),
        released=wanted.of(venue.watch.released, WINDOW),
        put_off=wanted.of(venue.watch.put_off, WINDOW),
        finished=wanted.of(venue.finished, WINDOW),
        triggered=wanted.of([(order_id, *entry) for order_id, entry in venue.triggered.items()], WINDOW),
        expiring=wanted.of(venue.expiring, WINDOW),
        sent=wanted.of(venue.sent.items(), WINDOW),
        sent_since_us=venue.sent_since_us,
        stressed=venue.stressed,
        duties=wanted.of(venue.duties.values(), WINDOW),
    )


def _market_of(venue: Venue, market: Market, wanted: Wanted) -> MarketLine:
    symbol = market.instrument.symbol
    return MarketLine(
        instrument=market.instrument,
        mark=market.mark,
        previous_mark=market.previous_mark,
        index=market.index,
        last=market.last,
        moved=market.moved,
        printed=market.printed,
        open_interest=market.open_interest,
        reported=market.reported,
        sightings=[(sighting.price, sighting.seen_us) for sighting in market.index_price.sightings.values()],
        samples=list(market.basis.samples),
        funding=market.funding,
        means=market.means,
        longs=wanted.of(market.longs, WINDOW),
        shorts=wanted.of(market.shorts, WINDOW),
        bids=_levels(market.book.bids, wanted),
        asks=_levels(market.book.asks, wanted),
        watched_longs=_entries(wanted.of(venue.watch._longs[symbol], WINDOW)),
        watched_shorts=_entries(wanted.of(venue.watch._shorts[symbol], WINDOW)),
        waits=[
            (breaker, wait.since_us, wanted.of(wait.accounts.items(), WINDOW)) for breaker, wait in market.waits.items()
        ],
        band=None if market.band is None else _band_of(market.band, wanted),
        freeze=None if market.freeze is None else (market.freeze.apart_since_us, list(market.freeze.spent)),
        turnover=None
        if market.turnover is None
        else (market.turnover.window_us, wanted.of(market.turnover.seconds, WINDOW)),
    )


def _band_of(band: PriceBand, wanted: Wanted) -> BandEntry:
    return BandEntry(
        wanted.of(band.samples, WINDOW),
        band.reference,
        band.lower,
        band.upper,
        band.limit_sign,
        band.limit_since_us,
        band.limit_ended_us,
        band.reopened_us,
        band.paused_until_us,
    )


def _levels(side: BookSide, wanted: Wanted) -> list[tuple[int, list[int]]]:
    levels = wanted.of(tuple(side.best_first()), WINDOW)
    return [
        (level.size, [order.order_id for order in wanted.first(orders_of(level), SMALL_WINDOW)]) for level in levels
    ]


def _entries(heap: list[int]) -> list[tuple[int, int]]:
    return [(entry >> ACCOUNT_BITS, entry & ACCOUNT_MASK) for entry in heap]


def _account_of(account: Account, wanted: Wanted) -> AccountLine:
    return AccountLine(
        account.number,
        account.participant,
        account.wallet,
        account.slack,
        account.changed,
        account.whole_until_us,
        [_position_of(position) for position in account.positions.values()],
        [_order_of(order) for order in wanted.of(account.orders.values(), SMALL_WINDOW)],
        [WaitingEntry(one.order_id, one.order) for one in wanted.of(account.waiting.values(), SMALL_WINDOW)],
        [_answer_of(answer) for answer in wanted.of(account.answers.values(), SMALL_WINDOW)],
    )


def _position_of(position: Position) -> PositionEntry:
    return PositionEntry(
        position.symbol,
        position.initial_ppm,
        position.leverage,
        position.size,
        position.cost,
        position.buying,
        position.selling,
        position.floor,
        position.watch,
        position.standing,
        position.isolated,
        position.margin,
        None if position.quote is None else _quote_of(position.quote),
        None if position.protection is None else _protection_of(position.protection),
    )


def _quote_of(quote: RestingQuote) -> QuoteEntry:
    return QuoteEntry(
        quote.quote_id,
        [_order_of(order) for order in quote.bids if order.level is not None],
        [_order_of(order) for order in quote.asks if order.level is not None],
    )


def _protection_of(protection: Protection) -> ProtectionEntry:
    return ProtectionEntry(
        protection.window_us,
        protection.frozen_us,
        protection.quantity,
        protection.delta,
        protection.frozen_until_us,
        list(protection.fills),
    )


def _order_of(order: Order) -> OrderEntry:
    return OrderEntry(
        order.order_id, order.client_id, order.symbol, order.sign, order.price, order.size, order.reduce_only
    )


def _answer_of(answer: Answer) -> AnswerEntry:
    place, event = answer.place, answer.event
    return AnswerEntry(
        place.client_id,
        place.symbol,
        place.side,
        place.size,
        place.price,
        place.time_in_force,
        place.post_only,
        place.reduce_only,
        place.self_trade,
        place.trigger,
        place.expires_us,
        place.ts_us,
        event.seq,
        event.n,
        event.ts_us,
        event.order_id if isinstance(event, OrderAccepted) else event.reason,
        event.price if isinstance(event, OrderAccepted) else None,
    )


# in --------------------------------------------------------------------------------------------------------


def _loaded(line: VenueLine, lines: Iterator[bytes]) -> Exchange:
    exchange = Exchange(line.venue)
    venue = exchange.state
    venue.out.seq, venue.out.now_us = line.seq, line.emitted_us
    venue.now_us, venue.ticked_us = line.now_us, line.ticked_us
    venue.rules, venue.halted = line.rules, line.halted
    venue.fees, venue.paid_in, venue.paid_out, venue.carried = line.fees, line.paid_in, line.paid_out, line.carried
    for entry in line.pools:
        pool = venue.open_pool(entry.name)
        pool.house.wallet = pool.told = entry.balance
        pool.inherited, pool.is_down, pool.parts = entry.inherited, entry.is_down, deque(entry.parts)
    venue.deficit.total = line.deficit
    venue.last_order_id, venue.traded = line.last_order_id, line.traded
    venue.finished = deque(line.finished)
    venue.triggered = {order_id: (number, client_id, cause) for order_id, number, client_id, cause in line.triggered}
    venue.stressed = line.stressed
    venue.duties = {(duty.account, duty.symbol): duty for duty in line.duties}
    venue.expiring, venue.sent, venue.sent_since_us = line.expiring, dict(line.sent), line.sent_since_us
    venue.watch.owed = dict.fromkeys(line.owed)
    venue.watch.indebted = dict.fromkeys(line.indebted)
    venue.watch.waiting = dict.fromkeys(line.waiting)
    venue.watch.released = dict.fromkeys(line.released)
    venue.watch.put_off = dict.fromkeys(line.put_off)
    markets = [_market_line.decode(next(lines)) for _ in range(line.markets)]
    for market in markets:
        venue.markets[market.instrument.symbol] = _market_from(market)
    orders: dict[int, Order] = {}
    for _ in range(line.accounts):
        account = _account_from(_account_line.decode(next(lines)), line.venue, orders)
        venue.accounts[account.number] = account
        _count_again(venue, account)
    pools = {pool.house.number: pool for pool in venue.pools.values()}
    for number in venue.accounts:  # in the order in which they were opened
        if number in pools:
            venue.houses[number] = pools[number]
            pools[number].house = venue.accounts[number]
    waiting = [one for account in venue.accounts.values() for one in account.waiting.values()]
    for one in sorted(waiting, key=lambda one: one.order_id):
        if one.order_id not in venue.triggered:
            index_of(venue.markets[one.order.symbol], one.order).add(one)
    if list(lines) != [b""]:
        raise StateError("no state of a venue: more than it says, or cut off in its last line")
    for market in markets:
        _hold_again(venue, market, orders)
    return exchange


def _market_from(line: MarketLine) -> Market:
    market = listed(line.instrument)
    market.mark, market.previous_mark, market.index, market.last = line.mark, line.previous_mark, line.index, line.last
    market.moved, market.printed = line.moved, line.printed
    market.open_interest, market.reported = line.open_interest, line.reported
    for sighting, (price, seen_us) in zip(market.index_price.sightings.values(), line.sightings, strict=True):
        sighting.price, sighting.seen_us = price, seen_us
    market.basis.samples.extend(line.samples)
    market.basis.total = sum(doubled for _, doubled in line.samples)
    market.waits = {breaker: Wait(since_us, dict(accounts)) for breaker, since_us, accounts in line.waits}
    if line.band is not None:
        market.band = _band_from(line.band)
    if line.freeze is not None:
        market.freeze = Freeze()
        market.freeze.apart_since_us, spent = line.freeze
        market.freeze.spent = dict.fromkeys(spent)
    if line.turnover is not None:
        window_us, seconds = line.turnover
        market.turnover = Turnover(window_us)
        market.turnover.seconds.extend(seconds)
        market.turnover.traded = sum(second[1] for second in seconds)
        market.turnover.liquidated = sum(second[2] for second in seconds)
    market.funding, market.means = line.funding, line.means
    return market


def _count_again(venue: Venue, account: Account) -> None:
    """How many reduce-only orders rest, and how many quotes are protected."""
    for order in account.orders.values():
        if order.reduce_only:
            count_in(venue.markets[order.symbol], account.positions[order.symbol])
    for symbol, position in account.positions.items():
        venue.markets[symbol].protected += position.protection is not None


def _band_from(entry: BandEntry) -> PriceBand:
    band = PriceBand()
    band.samples.extend(entry.samples)
    band.total = sum(mark for _, mark in entry.samples)
    band.reference, band.lower, band.upper = entry.reference, entry.lower, entry.upper
    band.limit_sign, band.limit_since_us, band.limit_ended_us = (
        entry.limit_sign,
        entry.limit_since_us,
        entry.limit_ended_us,
    )
    band.reopened_us, band.paused_until_us = entry.reopened_us, entry.paused_until_us
    return band


def _hold_again(venue: Venue, line: MarketLine, orders: dict[int, Order]) -> None:
    """Put the orders of a symbol into its book, and its holders where the market and the watch look for them."""
    symbol = line.instrument.symbol
    market = venue.markets[symbol]
    for side, levels in ((market.book.bids, line.bids), (market.book.asks, line.asks)):
        for _, order_ids in levels:
            for order_id in order_ids:
                side.rest(orders[order_id])
        side.take_changed()
        if [level.size for level in side.best_first()] != [size for size, _ in levels]:
            raise StateError(f"no state of a venue: the book of {symbol} is not what its orders make")
    for holders, numbers in ((market.longs, line.longs), (market.shorts, line.shorts)):
        for number in numbers:
            holders[number] = venue.accounts[number].positions[symbol]
    venue.watch._longs[symbol] = [key << ACCOUNT_BITS | number for key, number in line.watched_longs]
    venue.watch._shorts[symbol] = [key << ACCOUNT_BITS | number for key, number in line.watched_shorts]


def _account_from(line: AccountLine, venue: str, orders: dict[int, Order]) -> Account:
    number = line.number
    owned = [_order_from(entry, number, orders) for entry in line.orders]
    return Account(
        number,
        line.participant,
        line.wallet,
        {entry.symbol: _position_from(entry, number, orders) for entry in line.positions},
        {order.client_id: order for order in owned},
        {entry.order.client_id: Waiting(entry.order, entry.order_id) for entry in line.waiting},
        {entry.client_id: _answer_from(entry, venue, number) for entry in line.answers},
        line.slack,
        line.changed,
        line.whole_until_us,
        sum(entry.isolated for entry in line.positions),
    )


def _position_from(entry: PositionEntry, number: int, orders: dict[int, Order]) -> Position:
    quote = entry.quote
    return Position(
        number,
        entry.symbol,
        entry.initial_ppm,
        entry.leverage,
        entry.size,
        entry.cost,
        entry.buying,
        entry.selling,
        None
        if quote is None
        else RestingQuote(
            quote.quote_id,
            [_order_from(level, number, orders) for level in quote.bids],
            [_order_from(level, number, orders) for level in quote.asks],
        ),
        entry.floor,
        entry.watch,
        entry.standing,
        None if entry.protection is None else _protection_from(entry.protection),
        isolated=entry.isolated,
        margin=entry.margin,
    )


def _protection_from(entry: ProtectionEntry) -> Protection:
    return Protection(
        entry.window_us,
        entry.frozen_us,
        entry.quantity,
        entry.delta,
        entry.frozen_until_us,
        deque(entry.fills),
        sum(abs(lots) for _, lots in entry.fills),
        sum(lots for _, lots in entry.fills),
    )


def _order_from(entry: OrderEntry, number: int, orders: dict[int, Order]) -> Order:
    order = Order(
        entry.order_id, number, entry.client_id, entry.symbol, entry.sign, entry.price, entry.size, entry.reduce_only
    )  # fmt: skip
    orders[order.order_id] = order
    return order


def _answer_from(entry: AnswerEntry, venue: str, number: int) -> Answer:
    place = Place(
        venue, entry.sent_us, number, entry.client_id, entry.symbol, entry.side, entry.size, entry.price,
        entry.time_in_force, entry.post_only, entry.reduce_only, entry.self_trade, entry.trigger, entry.expires_us,
    )  # fmt: skip
    made = (venue, entry.seq, entry.n, entry.answered_us, None, number, entry.client_id)
    if isinstance(entry.answer, Reject):
        return Answer(place, OrderRejected(*made, entry.symbol, entry.answer))
    return Answer(
        place,
        OrderAccepted(
            *made,
            entry.answer,
            entry.symbol,
            entry.side,
            entry.size,
            entry.taken_at,
            entry.time_in_force,
            entry.post_only,
            False,
            entry.reduce_only,
            entry.trigger,
        ),
    )
