"""Ledger: a venue's money, positions, orders and books, kept again from its events alone. A part of the checker.

Money     every event that moves money is booked to wallets, costs, fees, fund and deficit; wherever an event says what
          a figure is after it (wallet, balance, equity, position, open interest), that is what the books must say.
Holds     I5  sum of (wallet - cost) + fund + fees + deficit = deposits - withdrawals + what was carried in, and the
              positions of a symbol sum to zero, after every input; the fund is never below zero;
          I6  an order is filled and cancelled for its size at most, what rests is what was taken and not yet filled or
              cancelled, and no book is crossed at rest.
Knows     the vocabulary and nothing else of ours: the rule of a fill is written down here a second time.
"""

from collections import defaultdict

from msgspec import Struct

from stream_engine.messages.events import (
    AccountsOpened,
    AdlQueueRanked,
    AnyEvent,
    BookChanged,
    DeficitChanged,
    Deposited,
    FundChanged,
    FundingPaid,
    FundReason,
    InstrumentListed,
    LiquidationEnded,
    LiquidationFilled,
    LiquidationStarted,
    MarkPriceChanged,
    OpenInterestChanged,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrdersResting,
    OrderTriggered,
    PositionDeleveraged,
    PositionsSeeded,
    QuoteAccepted,
    QuoteCancelled,
    Traded,
    Withdrawn,
)
from stream_engine.messages.inputs import Level, Side, TimeInForce


class Violated(Exception):
    """What must hold does not; the text names the invariant and the record."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant} violated: {what}")
        self.invariant = invariant


class _Holding(Struct):
    size: int = 0
    cost: int = 0


class _Order(Struct):
    account: int
    client_id: str
    symbol: str
    side: Side
    price: int | None
    left: int
    is_gtc: bool
    waits: bool


_Place = tuple[str, Side, int]


class Ledger:
    """One venue's books. `take` each event in order, `close` after the last of each input."""

    def __init__(self) -> None:
        self.fund = 0
        self.pools: dict[str, int] = defaultdict(int)
        self.deficit = 0
        self.fees = 0
        self.paid_in = 0
        self.paid_out = 0
        self.carried = 0
        self.wallets: dict[int, int] = {}
        self.trades = 0
        self.liquidations = 0
        self.deleveragings = 0
        self._holdings: dict[str, dict[int, _Holding]] = {}  # by symbol, then account
        self._lots: defaultdict[str, int] = defaultdict(int)  # sum of the positions, by symbol
        self._held = 0  # sum of wallets - sum of costs
        self._tick_values: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        self._orders: dict[int, _Order] = {}  # accepted, and neither filled nor cancelled
        self._done: set[int] = set()
        self._unnamed: dict[int, int] = {}  # lots left of the orders of quotes and liquidations, once they have filled
        self._quotes: dict[tuple[int, str], dict[tuple[Side, int], int]] = {}
        self._resting: defaultdict[_Place, int] = defaultdict(int)  # what should rest, by price
        self._books: dict[str, dict[Side, dict[int, int]]] = {}  # what the venue said that rests
        self._touched: set[_Place] = set()
        self._parts: list[OrdersResting] = []
        self._at = ""

    def take(self, event: AnyEvent, at: str) -> None:
        """Book the next event; `at` is where it stands."""
        self._at = at
        match event:
            case AccountsOpened(accounts=accounts):
                for account, _ in accounts:
                    self._must("I5", account not in self.wallets, f"account {account} is opened twice")
                    self.wallets[account] = 0
            case Deposited(deposits=deposits):
                for account, quote, wallet in deposits:
                    self.paid_in += quote
                    self._pay(account, quote)
                    self._wallet_is(account, wallet)
            case Withdrawn(account=account, quote=quote, wallet=wallet):
                self.paid_out += quote
                self._pay(account, -quote)
                self._wallet_is(account, wallet)
            case InstrumentListed(instrument=instrument):
                self._tick_values[instrument.symbol] = instrument.tick_value
                self._holdings[instrument.symbol] = {}
                self._books[instrument.symbol] = {Side.BUY: {}, Side.SELL: {}}
            case PositionsSeeded(legs=legs):
                for leg in legs:
                    self.carried -= leg.size * leg.entry * self._tick_values[leg.symbol]
                    self._fill(leg.account, leg.symbol, leg.size, leg.entry)
            case MarkPriceChanged(symbol=symbol, mark=mark):
                self._marks[symbol] = mark
            case OpenInterestChanged():
                self._open_interest_is(event)
            case AdlQueueRanked():
                self._queue_is(event)
            case OrderAccepted(repeated=False):
                self._accept(event)
            case OrderTriggered():
                self._trigger(event)
            case OrderAmended():
                self._amend(event)
            case OrderCancelled():
                self._cancel(event)
            case QuoteAccepted(account=account, symbol=symbol, bids=bids, asks=asks):
                self._quote(account, symbol, bids, asks)
            case QuoteCancelled(account=account, symbol=symbol, size=size):
                stood = sum(self._quotes.get((account, symbol), {}).values())
                self._must("I6", stood == size, f"{size} lots of a quote are cancelled, {stood} stood")
                self._quote(account, symbol, (), ())
            case Traded():
                self._trade(event)
            case BookChanged():
                self._book(event)
            case OrdersResting():
                self._resting_are(event)
            case LiquidationStarted():
                self._liquidation_starts(event)
            case FundingPaid(payments=payments):
                for account, paid, wallet in payments:
                    self.fees += paid
                    self._pay(account, -paid)
                    self._wallet_is(account, wallet)
            case LiquidationFilled(account=account, to_fund=to_fund):
                self._pay(account, -to_fund)
            case LiquidationEnded(account=account, symbol=symbol, wallet=wallet):
                left = abs(self._holdings[symbol][account].size)
                self._must("I5", left == event.left, f"{left} lots are left of a liquidated position, not {event.left}")
                self._wallet_is(account, wallet)
            case FundChanged():
                self._fund_changes(event)
            case DeficitChanged(account=account, change=change, total=total):
                self.deficit += change
                self._pay(account, -change)
                self._must("I5", self.deficit == total <= 0, f"the deficit is {total}, {self.deficit} by the events")
            case PositionDeleveraged():
                self._deleverage(event)
            case _:
                pass

    def close(self, at: str) -> None:
        """What must hold after every input."""
        self._at = at
        held = self._held + self.fund + self.fees + self.deficit
        expected = self.paid_in - self.paid_out + self.carried
        self._must("I5", held == expected, f"{held - expected} micro-quote too much")
        for symbol in {symbol for symbol, _, _ in self._touched}:
            lots = self._lots[symbol]
            self._must("I5", lots == 0, f"the positions in {symbol} sum to {lots} lots")
            bids, asks = self._books[symbol][Side.BUY], self._books[symbol][Side.SELL]
            crossed = bool(bids and asks) and max(bids) >= min(asks)
            self._must("I6", not crossed, f"the book of {symbol} is crossed: {max(bids, default=0)} is bid")
        for symbol, side, price in self._touched:
            said, is_left = self._books[symbol][side].get(price, 0), self._resting[symbol, side, price]
            self._must(
                "I6", said == is_left, f"{symbol} {side.value} {price}: {said} lots rest, {is_left} by the orders"
            )
        self._touched.clear()

    # money ---------------------------------------------------------------------------------------------------

    def _pay(self, account: int, quote: int) -> None:
        self._must("I5", account in self.wallets, f"account {account} was never opened")
        self.wallets[account] += quote
        self._held += quote

    def _wallet_is(self, account: int, wallet: int) -> None:
        kept = self.wallets[account]
        self._must("I5", kept == wallet, f"the wallet of account {account} is {wallet}, {kept} by the events")

    def _fund_changes(self, event: FundChanged) -> None:
        self.fund += event.change
        self.pools[event.pool] += event.change
        kept = self.pools[event.pool]
        self._must("I5", kept == event.balance >= 0, f"the fund has {event.balance}, {kept} by the events")
        if event.reason is FundReason.SEEDED:
            self.paid_in += event.change
        elif event.reason in (FundReason.DEBT, FundReason.SHORTFALL, FundReason.DUST):
            assert event.account is not None
            self._pay(event.account, -event.change)

    def _fill(self, account: int, symbol: str, lots: int, price: int) -> int:
        """Signed lots at a price; what it realises goes to the wallet. A part closed releases its share, rounded down.

        Returns what it realised.
        """
        holding = self._holdings[symbol].setdefault(account, _Holding())
        value = lots * price * self._tick_values[symbol]
        size, cost = holding.size, holding.cost
        realised = 0
        if size == 0 or (size > 0) == (lots > 0):
            holding.cost = cost + value
        elif abs(lots) < abs(size):
            released = cost * -lots // size
            holding.cost = cost - released
            realised = -value - released
        else:
            realised = size * price * self._tick_values[symbol] - cost
            holding.cost = (size + lots) * price * self._tick_values[symbol]
        holding.size = size + lots
        self._lots[symbol] += lots
        self._held -= holding.cost - cost
        self._pay(account, realised)
        return realised

    def _liquidation_starts(self, event: LiquidationStarted) -> None:
        self.liquidations += 1
        held = {symbol: of[event.account] for symbol, of in self._holdings.items() if event.account in of}
        size = held[event.symbol].size
        self._must("I5", size == event.size, f"a position of {event.size} lots is liquidated, {size} by the events")
        equity = self.wallets[event.account] + sum(
            holding.size * self._marks[symbol] * self._tick_values[symbol] - holding.cost
            for symbol, holding in held.items()
            if holding.size and symbol in self._marks
        )
        self._must("I5", equity == event.equity, f"equity is {event.equity}, {equity} by the events")

    def _deleverage(self, event: PositionDeleveraged) -> None:
        self.deleveragings += 1
        self._fill(event.bankrupt, event.symbol, -event.size, event.price)
        realised = self._fill(event.account, event.symbol, event.size, event.price)
        position = self._holdings[event.symbol][event.account].size
        found = (realised, position)
        said = (event.realised, event.position)
        self._must("I5", found == said, f"(realised, position) are {said}, {found} by the events")

    def _open_interest_is(self, event: OpenInterestChanged) -> None:
        sizes = [holding.size for holding in self._holdings[event.symbol].values()]
        longs = [size for size in sizes if size > 0]
        kept = (sum(longs), len(longs), sum(1 for size in sizes if size < 0))
        said = (event.open_interest, event.long_accounts, event.short_accounts)
        self._must("I5", kept == said, f"open interest, longs and shorts are {said}, {kept} by the events")

    def _queue_is(self, event: AdlQueueRanked) -> None:
        sign = 1 if event.side is Side.BUY else -1
        of = {account: h.size for account, h in self._holdings[event.symbol].items() if sign * h.size > 0}
        self._must("I5", len(of) == event.positions, f"{event.positions} positions are ranked, {len(of)} by the events")
        for account, size, _, _ in event.head:
            self._must(
                "I5", of.get(account) == size, f"account {account} holds {of.get(account)}, is ranked for {size}"
            )

    # orders and books ----------------------------------------------------------------------------------------

    def _accept(self, event: OrderAccepted) -> None:
        new = event.order_id not in self._orders and event.order_id not in self._done
        self._must("I6", new, f"order {event.order_id} is accepted twice")
        is_gtc = event.time_in_force is TimeInForce.GTC
        waits = event.trigger is not None
        self._orders[event.order_id] = order = _Order(
            event.account, event.client_id, event.symbol, event.side, event.price, 0, is_gtc, waits
        )
        self._leave(order, event.size)

    def _trigger(self, event: OrderTriggered) -> None:
        order = self._orders.get(event.order_id)
        self._must("I6", order is not None and order.waits, f"order {event.order_id} is triggered and did not wait")
        assert order is not None
        left, order.left, order.waits = order.left, 0, False
        self._leave(order, left)

    def _amend(self, event: OrderAmended) -> None:
        order = self._orders.get(event.order_id)
        known = order is not None and order.client_id == event.client_id and order.side is event.side
        self._must("I6", known, f"order {event.order_id} is amended and was never accepted so")
        assert order is not None
        self._leave(order, 0)
        order.price = event.price
        self._leave(order, event.size)

    def _cancel(self, event: OrderCancelled) -> None:
        order = self._orders.get(event.order_id)
        self._must("I6", order is not None, f"order {event.order_id} is cancelled and was never accepted")
        assert order is not None
        known = order.account == event.account and order.client_id == event.client_id
        self._must("I6", known, f"order {event.order_id} is cancelled as another's")
        self._must("I6", order.left == event.size, f"{event.size} lots are cancelled, {order.left} were open")
        self._leave(order, 0)
        self._end(event.order_id)

    def _end(self, order_id: int) -> None:
        del self._orders[order_id]
        self._done.add(order_id)

    def _leave(self, order: _Order, left: int) -> None:
        if order.is_gtc and not order.waits and order.price is not None:
            self._rest(order.symbol, order.side, order.price, left - order.left)
        order.left = left

    def _rest(self, symbol: str, side: Side, price: int, lots: int) -> None:
        self._resting[symbol, side, price] += lots
        self._touched.add((symbol, side, price))

    def _quote(self, account: int, symbol: str, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> None:
        for (side, price), size in self._quotes.pop((account, symbol), {}).items():
            self._rest(symbol, side, price, -size)
        levels = {(Side.BUY, price): size for price, size in bids} | {(Side.SELL, price): size for price, size in asks}
        self._quotes[account, symbol] = levels
        for (side, price), size in levels.items():
            self._rest(symbol, side, price, size)

    def _trade(self, event: Traded) -> None:
        self.trades += 1
        sign = 1 if event.taker_side is Side.BUY else -1
        self._must("I6", event.size > 0 and event.taker != event.maker, "nothing traded, or an account with itself")
        self._filled(event.taker_order_id, event, event.taker_left, is_maker=False)
        self._filled(event.maker_order_id, event, event.maker_left, is_maker=True)
        self.fees += event.taker_fee + event.maker_fee
        for account, lots, fee in (
            (event.maker, -sign * event.size, event.maker_fee),
            (event.taker, sign * event.size, event.taker_fee),
        ):
            self._fill(account, event.symbol, lots, event.price)
            self._pay(account, -fee)

    def _filled(self, order_id: int, event: Traded, left: int, is_maker: bool) -> None:
        account = event.maker if is_maker else event.taker
        order = self._orders.get(order_id)
        if order is not None:
            mine = order.account == account and order.symbol == event.symbol
            self._must("I6", mine, f"order {order_id} fills for account {account}")
            found = order.left - event.size
            self._must("I6", found == left >= 0, f"order {order_id} has {left} lots left, {found} by its fills")
            if order.price is not None:
                better = (event.price - order.price) * (1 if order.side is Side.BUY else -1)
                within = better == 0 if is_maker else better <= 0
                self._must("I6", within, f"order {order_id} at {order.price} fills at {event.price}")
            self._leave(order, left)
            if not left:
                self._end(order_id)
            return
        self._must("I6", order_id not in self._done, f"order {order_id} fills and is done")
        had = self._unnamed.get(order_id, event.size + left)
        self._must("I6", left >= 0 and event.size + left <= had, f"order {order_id} fills for more than it had")
        self._unnamed[order_id] = left
        if is_maker:
            side = Side.SELL if event.taker_side is Side.BUY else Side.BUY
            quote = self._quotes.get((account, event.symbol), {})
            stood = quote.get((side, event.price), 0)
            self._must("I6", stood - event.size == left, f"a quote of {stood} lots fills {event.size}, {left} left")
            quote[side, event.price] = left
            self._rest(event.symbol, side, event.price, -event.size)

    def _book(self, event: BookChanged) -> None:
        for side, levels in ((Side.BUY, event.bids), (Side.SELL, event.asks)):
            book = self._books[event.symbol][side]
            for price, size in levels:
                self._touched.add((event.symbol, side, price))
                if size:
                    book[price] = size
                else:
                    book.pop(price, None)

    def _resting_are(self, event: OrdersResting) -> None:
        self._parts = [*self._parts, event] if event.part else [event]
        if event.part + 1 < event.parts:
            return
        for side in Side:
            said: dict[int, int] = {}
            for part in self._parts:
                for _, order_id, client_id, price, size in part.bids if side is Side.BUY else part.asks:
                    said[price] = said.get(price, 0) + size
                    left = self._orders[order_id].left if order_id in self._orders else 0
                    is_known = left == size if client_id else order_id not in self._orders
                    self._must("I6", is_known, f"order {order_id} rests with {size} lots, {left} by its fills")
            # What expired with this very tick is in no list, and out of the published book only at its end.
            book = {
                price: lots
                for (symbol, of_side, price), lots in self._resting.items()
                if lots and symbol == event.symbol and of_side is side
            }
            self._must("I6", said == book, f"the resting {side.value} orders of {event.symbol} are not its book")

    def _must(self, invariant: str, holds: bool, otherwise: str) -> None:
        if not holds:
            raise Violated(invariant, f"{self._at}: {otherwise}")
