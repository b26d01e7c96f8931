"""Ledger: a venue's money, positions, orders and books, kept again from its events alone. A part of the checker.

Money     every event that moves money is booked to wallets, costs, fees, pools and deficit; wherever an event says what
          a figure is after it (wallet, balance, equity, position, open interest), that is what the books must say.
Isolated  what a fill moves between the wallet and an isolated position's margin is a rule of margin, and no event: both
          are one purse here, and where an account has such a margin only the purse is compared.
Pools     a pool of the fund, or a vault, has a house account as soon as it takes something over. That one's wallet is
          the balance; what it earned by its fills is told by the next `FundChanged`. A wallet that a loss would bring
          below zero counts in first what its other positions have gained (their cost moves). A pool that is closed is
          an estate with the pool's money until nothing is left of it.
Holds     I5  sum of (purse - cost) + pools + fees + deficit = deposits - withdrawals + what was carried in, and the
              positions of a symbol sum to zero, after every input; no pool is below zero;
          I6  an order is filled and cancelled for its size at most, what rests is what was taken and not yet filled or
              cancelled, and no book is crossed at rest, but while its symbol is paused.
Knows     the vocabulary and nothing else of ours: the rule of a fill is written down here a second time.
"""

from collections import defaultdict

from msgspec import Struct

from stream_engine.messages.events import (
    AccountsOpened,
    AdlQueueRanked,
    AnyEvent,
    AuctionUncrossed,
    BackstopTookOver,
    BookChanged,
    Cause,
    DeficitChanged,
    Deposited,
    DutyMeasured,
    FundChanged,
    FundingPaid,
    FundingSettled,
    FundReason,
    InstrumentListed,
    LiquidationEnded,
    LiquidationFilled,
    LiquidationStarted,
    LossSocialised,
    MarginModeSet,
    MarginMoved,
    MarkPriceChanged,
    OpenInterestChanged,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrdersResting,
    OrderTriggered,
    PositionDeleveraged,
    PositionsSeeded,
    PositionTakenOver,
    QuoteAccepted,
    QuoteCancelled,
    Traded,
    TradingPaused,
    TradingReopened,
    TrancheCalled,
    Withdrawn,
)
from stream_engine.messages.inputs import Level, Side, TimeInForce

HOUSE = "insurance-fund:"  # so begins the participant of a pool's own account; the pool's name follows


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
        self.pools: dict[str, int] = {}  # what each said last that it has
        self.deficit = 0
        self.fees = 0
        self.paid_in = 0
        self.paid_out = 0
        self.carried = 0
        self.wallets: dict[int, int] = {}  # with what its isolated positions have
        self.trades = 0
        self.liquidations = 0
        self.deleveragings = 0
        self._holdings: dict[str, dict[int, _Holding]] = {}  # by symbol, then account
        self._lots: defaultdict[str, int] = defaultdict(int)  # sum of the positions, by symbol
        self._held = 0  # sum of wallets - sum of costs
        self._apart: dict[int, set[str]] = defaultdict(set)  # by account, the symbols on which its margin is isolated
        self._houses: dict[int, str] = {}  # the pool of each house account
        self._taken: dict[int, dict[str, None]] = {}  # by house, the symbols that it has held, first taken first
        self._uncounted: dict[int, None] = {}  # houses that filled by the last event
        self._estates: set[int] = set()  # houses that are being closed
        self._filled_by: Cause | None = None  # the last fill of a liquidation, which paid the fund already
        self._paused: set[str] = set()
        self._uncrossed: Cause | None = None
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

    @property
    def fund(self) -> int:
        """What all pools have."""
        return sum(self.pools.values())

    def take(self, event: AnyEvent, at: str) -> None:
        """Book the next event; `at` is where it stands."""
        if not isinstance(event, FundingPaid | FundingSettled):  # of one tick they count together
            self._count_in()
        self._at = at
        match event:
            case AccountsOpened():
                self._open(event)
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
                    if leg.isolated:
                        self._apart[leg.account].add(leg.symbol)
                    self.carried -= leg.size * leg.entry * self._tick_values[leg.symbol]
                    self._fill(leg.account, leg.symbol, leg.size, leg.entry)
            case MarginModeSet(account=account, symbol=symbol, isolated=isolated):
                (self._apart[account].add if isolated else self._apart[account].discard)(symbol)
            case MarginMoved(account=account, margin=margin, wallet=wallet):
                if len(self._apart[account]) == 1:
                    self._purse_is(account, margin + wallet)
            case MarkPriceChanged(symbol=symbol, mark=mark):
                self._marks[symbol] = mark
            case TradingPaused(symbol=symbol):
                self._paused.add(symbol)
            case AuctionUncrossed():
                self._uncrossed = event.seq, event.n
            case TradingReopened(symbol=symbol):
                self._paused.discard(symbol)
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
                    self._note_house(account)
            case LiquidationFilled(account=account, to_fund=to_fund):
                self._filled_by = event.seq, event.n
                self._pay(account, -to_fund)
            case LiquidationEnded():
                self._liquidation_ends(event)
            case PositionTakenOver():
                self._take_over(event)
            case BackstopTookOver():
                self._back(event)
            case FundChanged():
                self._fund_changes(event)
            case DeficitChanged(account=account, change=change, total=total):
                self.deficit += change
                self._pay(account, -change)
                self._must("I5", self.deficit == total <= 0, f"the deficit is {total}, {self.deficit} by the events")
            case TrancheCalled(account=account, quote=quote, wallet=wallet):
                self._pay(account, -quote)
                self._wallet_is(account, wallet)
            case DutyMeasured(account=account, clawed_back=clawed_back, wallet=wallet):
                self.fees += clawed_back
                self._pay(account, -clawed_back)
                self._wallet_is(account, wallet)
            case PositionDeleveraged():
                self._deleverage(event)
            case LossSocialised(account=account, bankrupt=bankrupt, loss=loss, wallet=wallet):
                self._pay(account, -loss)
                self._pay(bankrupt, loss)
                self._wallet_is(account, wallet)
                self._note_house(account)
            case _:
                pass

    def close(self, at: str) -> None:
        """What must hold after every input."""
        self._count_in()
        self._at = at
        unopened = sum(has for pool, has in self.pools.items() if pool not in self._houses.values())
        held = self._held + unopened + self.fees + self.deficit
        expected = self.paid_in - self.paid_out + self.carried
        self._must("I5", held == expected, f"{held - expected} micro-quote too much")
        self._must("I5", not self._estates, f"the houses {self._estates} are not closed")
        for house, pool in self._houses.items():
            has = self.wallets[house]
            self._must("I5", has == self.pools[pool], f"{pool} has {self.pools[pool]}, {has} by its fills")
        for symbol in {symbol for symbol, _, _ in self._touched}:
            lots = self._lots[symbol]
            self._must("I5", lots == 0, f"the positions in {symbol} sum to {lots} lots")
            bids, asks = self._books[symbol][Side.BUY], self._books[symbol][Side.SELL]
            crossed = bool(bids and asks) and symbol not in self._paused and max(bids) >= min(asks)
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
        if not self._apart[account]:
            self._purse_is(account, wallet)

    def _purse_is(self, account: int, wallet: int) -> None:
        kept = self.wallets[account]
        if account in self._estates:  # the pool's new house has the same number, and what the pool has got since
            kept -= self.pools[self._houses[account]]
        self._must("I5", kept == wallet, f"the wallet of account {account} is {wallet}, {kept} by the events")

    def _open(self, event: AccountsOpened) -> None:
        for account, participant in event.accounts:
            pool = participant.removeprefix(HOUSE)
            if event.cause is not None and pool != participant:
                self._open_house(account, pool)
                continue
            self._must("I5", account not in self.wallets, f"account {account} is opened twice")
            self.wallets[account] = 0

    def _open_house(self, house: int, pool: str) -> None:
        if house not in self._houses:
            self._must("I5", house not in self.wallets, f"the account {house} of {pool} is another's")
            self._houses[house], self._taken[house] = pool, {}
            self.pools.setdefault(pool, 0)
            self.wallets[house] = self.pools[pool]
            self._held += self.pools[pool]
        self._must("I5", self._houses[house] == pool, f"account {house} is of {self._houses[house]}, not of {pool}")

    def _fund_changes(self, event: FundChanged) -> None:
        pool, reason = event.pool, event.reason
        kept = self.pools[pool] = self.pools.get(pool, 0) + event.change
        self._must("I5", kept == event.balance >= 0, f"the fund has {event.balance}, {kept} by the events")
        house = next((number for number, of in self._houses.items() if of == pool), None)
        if reason is FundReason.SEEDED:
            self.paid_in += event.change
        elif reason in (FundReason.UNWOUND, FundReason.BACKSTOP):  # the house has it already
            house = None
        elif reason is not FundReason.TRANCHE and event.cause != self._filled_by:
            assert event.account is not None
            self._pay(event.account, -event.change)
        if house is not None:
            self._pay(house, event.change)

    def _count_in(self) -> None:
        for house in self._uncounted:
            for symbol in self._taken[house]:
                holding = self._holdings[symbol][house]
                gained = holding.size * self._marks[symbol] * self._tick_values[symbol] - holding.cost
                counted = max(0, min(gained, -self.wallets[house]))
                holding.cost += counted
                self.wallets[house] += counted
        self._uncounted.clear()

    def _note_house(self, account: int) -> None:
        if account in self._houses and account not in self._estates:
            self._uncounted[account] = None

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
        if account in self._houses:
            self._taken[account][symbol] = None
            self._note_house(account)
        return realised

    def _liquidation_starts(self, event: LiquidationStarted) -> None:
        self.liquidations += 1
        held = {symbol: of[event.account] for symbol, of in self._holdings.items() if event.account in of}
        size = held[event.symbol].size
        is_part = 0 < abs(event.size) <= abs(size) and (event.size > 0) == (size > 0)
        self._must("I5", is_part, f"{event.size} lots are liquidated of a position of {size} by the events")
        if event.account in self._houses:
            self._estates.add(event.account)
        if self._apart[event.account]:
            return
        gained = sum(
            holding.size * self._marks[symbol] * self._tick_values[symbol] - holding.cost
            for symbol, holding in held.items()
            if holding.size and symbol in self._marks
        )
        self._purse_is(event.account, event.equity - gained)

    def _liquidation_ends(self, event: LiquidationEnded) -> None:
        account = event.account
        left = abs(self._holdings[event.symbol][account].size)
        self._must("I5", left == event.left, f"{left} lots are left of a liquidated position, not {event.left}")
        self._wallet_is(account, event.wallet)
        if account in self._estates and not any(
            self._holdings[symbol][account].size for symbol in self._taken[account]
        ):
            self._estates.remove(account)
            self._taken[account] = {}

    def _take_over(self, event: PositionTakenOver) -> None:
        self._must("I5", self._houses.get(event.house) == event.pool, f"account {event.house} is not of {event.pool}")
        self._fill(event.account, event.symbol, -event.size, event.price)
        self._fill(event.house, event.symbol, event.size, event.price)
        held = self._holdings[event.symbol][event.house].size
        self._must("I5", held == event.position, f"{event.pool} holds {event.position} lots, {held} by the events")

    def _back(self, event: BackstopTookOver) -> None:
        self._open_house(event.house, event.vault)
        for symbol, size, mark in event.positions:
            held = self._holdings[symbol][event.account].size
            self._must("I5", held == size, f"a vault takes {size} lots of a position of {held}")
            self._fill(event.account, symbol, -size, mark)
            self._fill(event.house, symbol, size, mark)
        self._pay(event.account, -event.equity)
        self._pay(event.house, event.equity)
        self._wallet_is(event.account, 0)

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
        self._must("I6", order.left == event.size, f"{event.size} lots are triggered, {order.left} waited")
        order.left, order.waits, order.price = 0, False, event.price
        self._leave(order, event.size)

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
                within = better == 0 if is_maker and not self._is_called(event) else better <= 0
                self._must("I6", within, f"order {order_id} at {order.price} fills at {event.price}")
            self._leave(order, left)
            if not left:
                self._end(order_id)
            return
        self._must("I6", order_id not in self._done, f"order {order_id} fills and is done")
        had = self._unnamed.get(order_id, event.size + left)
        self._must("I6", left >= 0 and event.size + left <= had, f"order {order_id} fills for more than it had")
        self._unnamed[order_id] = left
        is_called = self._is_called(event)
        if is_maker or is_called:
            side = event.taker_side
            if is_maker:
                side = Side.SELL if event.taker_side is Side.BUY else Side.BUY
            quote = self._quotes.get((account, event.symbol), {})
            price = _best(quote, side) if is_called else event.price
            stood = quote.get((side, price), 0)
            self._must("I6", stood - event.size == left, f"a quote of {stood} lots fills {event.size}, {left} left")
            quote[side, price] = left
            self._rest(event.symbol, side, price, -event.size)

    def _is_called(self, event: Traded) -> bool:
        """Whether it is of a call auction, in which both orders rest and may get a better price than their own."""
        return event.cause is not None and event.cause == self._uncrossed

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


def _best(quote: dict[tuple[Side, int], int], side: Side) -> int:
    """The best price of what still stands of one side of a quote; 0 for none."""
    prices = [price for (of_side, price), size in quote.items() if of_side is side and size]
    return (max if side is Side.BUY else min)(prices, default=0)
