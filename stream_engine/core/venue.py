"""Venue: the state that the mechanisms share.

Money     sum of (wallet + isolated margins - cost) + pools + fees + deficit (<= 0) = paid_in - paid_out + carried, to
          the micro-unit, after every input. `carried` is minus the cost of the seeded positions, which were traded
          before the run.
"""

from collections import deque

from msgspec import Struct

from stream_engine.core.accounts import Account
from stream_engine.core.adl.queue import Ranking
from stream_engine.core.duty import Obligation
from stream_engine.core.emitter import Emitter
from stream_engine.core.insurance_fund import Deficit, InsuranceFund
from stream_engine.core.margin import initial_rate
from stream_engine.core.margin_watch import MarginWatch
from stream_engine.core.market import Market
from stream_engine.core.position import Position
from stream_engine.messages.events import Cause, FundReason
from stream_engine.messages.instrument import MAIN_POOL
from stream_engine.messages.rules import (
    AdlRules,
    BackstopRules,
    BreakerRules,
    FundRules,
    LiquidationRules,
    ObligationRules,
    OrderRules,
)
from stream_engine.messages.units import MILLION

# (time, account, client id or "" for a quote, symbol, order or quote id)
Expiring = tuple[int, int, str, str, int]

ANSWERS_KEPT_US = 600_000_000  # a client order id may be sent again for ten minutes after its order is done


class Rules(Struct, frozen=True, gc=False):
    """The venue's own settings; see `SetRules`."""

    checks_per_input: int = 500
    fund_draw_ppm: int = MILLION
    cover_bound_ppm: int = MILLION
    orders: OrderRules = OrderRules()
    liquidation: LiquidationRules = LiquidationRules()
    fund: FundRules = FundRules()
    backstop: BackstopRules = BackstopRules()
    adl: AdlRules = AdlRules()
    breakers: BreakerRules = BreakerRules()
    obligations: ObligationRules = ObligationRules()


class Venue:
    """Accounts, markets, fund and ledger of one venue, and what the input being applied has touched.

    fund       the main pool.     pools      all pools by name.     houses   those whose account is open, by its number.
    now_us     the venue's time.     ticked_us   its last clock tick; None before the first.
    finished   (time, account, client id) of orders that are done, oldest first.
    expiring   what stands until a time, as a heap; see expiry.
    triggered  orders whose price was reached, to enter in this order: (account, client id, by what) by order id.
    sent       what accounts have sent since `sent_since_us`; see rate_limit.
    dirty      accounts changed by this input, with the symbols on which their positions changed.
    booked     symbols whose book this input changed.
    rankings   ADL queues of the round, by symbol and side; whom it touched since stands in `dirty`.
    halted     trading is; see halt.
    duties     of market makers, by account and symbol; stressed: stress is declared. See obligations.
    """

    __slots__ = (
        "accounts",
        "booked",
        "carried",
        "deficit",
        "dirty",
        "duties",
        "expiring",
        "fees",
        "finished",
        "fund",
        "halted",
        "houses",
        "last_order_id",
        "markets",
        "name",
        "now_us",
        "out",
        "paid_in",
        "paid_out",
        "pools",
        "rankings",
        "rules",
        "sent",
        "sent_since_us",
        "stressed",
        "ticked_us",
        "traded",
        "triggered",
        "watch",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.out = Emitter(name)
        self.rules = Rules()
        self.accounts: dict[int, Account] = {}
        self.markets: dict[str, Market] = {}
        self.deficit = Deficit()
        self.houses: dict[int, InsuranceFund] = {}
        self.pools: dict[str, InsuranceFund] = {}
        self.fund = self.open_pool(MAIN_POOL)
        self.watch = MarginWatch(self.accounts, self.markets, self.houses)
        self.fees = self.paid_in = self.paid_out = self.carried = 0
        self.now_us = 0
        self.ticked_us: int | None = None
        self.last_order_id = 0
        self.traded = self.halted = self.stressed = False
        self.duties: dict[tuple[int, str], Obligation] = {}
        self.finished: deque[tuple[int, int, str]] = deque()
        self.expiring: list[Expiring] = []
        self.triggered: dict[int, tuple[int, str, Cause]] = {}
        self.sent: dict[int, int] = {}
        self.sent_since_us = 0
        self.dirty: dict[int, tuple[str, ...]] = {}
        self.booked: dict[str, None] = {}
        self.rankings: dict[tuple[str, int], Ranking] = {}

    def next_order_id(self) -> int:
        """The venue's own number for an order, from 1."""
        self.last_order_id += 1
        return self.last_order_id

    def open_pool(self, name: str) -> InsuranceFund:
        """The pool of that name; a new one, empty, where there is none."""
        if name not in self.pools:
            self.pools[name] = InsuranceFund(name, len(self.pools), self.deficit)
        return self.pools[name]

    def pool_behind(self, market: Market) -> InsuranceFund:
        """The pool of the insurance fund that stands behind a symbol."""
        return self.pools[market.instrument.fund_pool]

    def touch(self, account: Account, symbol: str | None = None) -> None:
        """Remember that an account's position on a symbol changed, or (no symbol) only its wallet."""
        symbols = self.dirty.get(account.number)
        if symbols is None:
            self.dirty[account.number] = (symbol,) if symbol is not None else ()
        elif symbol is not None and symbol not in symbols:
            self.dirty[account.number] = (*symbols, symbol)

    def watch_touched(self) -> None:
        """Put the margin watch right for every account that was touched."""
        if self.dirty:
            for number in self.houses:
                self.dirty.pop(number, None)
            for number, symbols in self.dirty.items():
                self.watch.account_changed(self.accounts[number], symbols)
            self.dirty = {}
            if self.rankings:
                self.rankings = {}

    def forget_answers(self) -> None:
        """Let go of what orders were answered that have been done for longer than a repeat may take."""
        finished = self.finished
        while finished and finished[0][0] <= self.now_us - ANSWERS_KEPT_US:
            _, number, client_id = finished.popleft()
            del self.accounts[number].answers[client_id]


def balance_of_house(
    venue: Venue,
    pool: InsuranceFund,
    cause: Cause | None,
    symbol: str | None,
    reason: FundReason = FundReason.UNWOUND,
) -> None:
    """What a fill left in the wallet of a pool's house account is its balance: never below zero. See inheritance."""
    house = pool.house
    pool.inherited = {held: lots for held, lots in pool.inherited.items() if house.positions[held].size}
    for position in house.positions.values() if house.wallet < 0 else ():
        market = venue.markets[position.symbol]
        gained = position.size * market.mark * market.tick_value - position.cost
        counted = max(0, min(gained, -house.wallet))
        position.cost += counted
        house.wallet += counted
    if house.wallet < 0:
        owed, house.wallet = -house.wallet, 0
        pool.deficit.run(venue.out, cause, owed, house.number, symbol)
    pool.tell(venue.out, cause, reason, house.number, symbol)


def position_of(account: Account, market: Market) -> Position:
    """The account's stake in the symbol; made, flat and at the default leverage, where it has none."""
    instrument = market.instrument
    position = account.positions.get(instrument.symbol)
    if position is None:
        leverage = instrument.default_leverage
        position = Position(account.number, instrument.symbol, initial_rate(leverage), leverage)
        account.positions[instrument.symbol] = position
    return position
