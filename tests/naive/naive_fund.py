"""The insurance fund again: pools, what they take over and unwind, their drawdown, and backstop vaults.

A pool's money is the wallet of an account of its own; `exchange.pools` is what was last said of it. All that a pool was
worth at clock ticks is kept, and looked through each time.
"""

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from stream_engine.messages import events
from stream_engine.messages.events import Cause, FundReason
from stream_engine.messages.inputs import SetRules
from stream_engine.messages.rules import FundPolicy, Reference
from stream_engine.messages.units import MILLION, WIRE_MAX
from tests.naive.naive_rules import bankruptcy_price, part_of

if TYPE_CHECKING:
    from tests.naive.naive_exchange import NaiveAccount, NaiveExchange

LAST_ACCOUNT = 2**32 - 1
PARTS_OF_WINDOW = 480


def is_bad(received: SetRules) -> bool:
    """Whether the rules of the fund or of the vaults contradict themselves."""
    fund, backstop = received.fund, received.backstop
    if fund is not None:
        if fund.policy is FundPolicy.TAKE_OVER and fund.unwind_ppm == 0:
            return True
        if fund.drawdown_on_ppm and not fund.drawdown_off_ppm <= fund.drawdown_on_ppm:
            return True
        if fund.drawdown_on_ppm and fund.drawdown_window_us < PARTS_OF_WINDOW:
            return True
    if backstop is None:
        return False
    is_on = backstop.below_ppm > 0
    return len(set(backstop.vaults)) != len(backstop.vaults) or (
        is_on and not (backstop.vaults and backstop.unwind_ppm)
    )


class NaiveFund:
    """All pools of an exchange."""

    def __init__(self, exchange: "NaiveExchange") -> None:
        self.exchange = exchange
        self.money: dict[str, NaiveAccount] = {}
        self.largest: dict[tuple[str, str], int] = {}
        self.worths: dict[str, list[tuple[int, int]]] = {}
        self.down: set[str] = set()

    def account_of(self, pool: str) -> "NaiveAccount":
        """The pool's own account, whether anybody has seen it or not."""
        if pool not in self.money:
            self.money[pool] = self.exchange._new_account(LAST_ACCOUNT - list(self.exchange.pools).index(pool))
        return self.money[pool]

    def takes(
        self, pool: str, change: int, reason: FundReason, account: int | None, symbol: str | None, cause: Cause | None
    ) -> None:
        """Pay in or out."""
        self.account_of(pool).wallet += change
        self._tell(pool, reason, account, symbol, cause)

    def settle(
        self, pool: str, symbol: str | None, cause: Cause | None, reason: FundReason = FundReason.UNWOUND
    ) -> None:
        """What a fill left is the balance; gains elsewhere count before anything is owed."""
        own = self.account_of(pool)
        self._forget_what_is_gone(pool)
        for held, holding in own.holdings.items():
            short = max(0, -own.wallet)
            counted = min(short, max(0, self.exchange._unrealised(own, held)))
            holding.cost += counted
            own.wallet += counted
        if own.wallet < 0:
            owed, own.wallet = -own.wallet, 0
            self.exchange._deficit_takes(owed, own.number, symbol, cause)
        self._tell(pool, reason, own.number, symbol, cause)

    def settle_if_it_is_one(self, account: "NaiveAccount", symbol: str, cause: Cause | None) -> None:
        """An account was deleveraged, or paid: maybe it is a pool's."""
        for pool in self.open_pools():
            if self.account_of(pool).number == account.number:
                self.settle(pool, symbol, cause)

    def open_pools(self) -> list[str]:
        """Those whose account has been opened."""
        return [pool for pool in self.opened if pool in self.exchange.pools]

    @property
    def opened(self) -> list[str]:
        """In the order in which they were."""
        numbers = {self.account_of(pool).number: pool for pool in self.exchange.pools}
        return [numbers[number] for number in self.exchange.accounts if number in numbers]

    def is_own(self, account: "NaiveAccount") -> bool:
        """Whether an account is a pool's."""
        return account.number > LAST_ACCOUNT - 2**16

    def worth(self, pool: str) -> int:
        """Balance and unrealised PnL."""
        return self.exchange._equity(self.account_of(pool))

    # take-over ---------------------------------------------------------------------------------------------

    def take_over(self, account: "NaiveAccount", symbol: str, bankruptcy: int, started: Cause) -> int:
        """As much of a position as the pool may have."""
        exchange, pool = self.exchange, self.exchange._pool_of(symbol)
        own, market = self.account_of(pool), exchange.markets[symbol]
        size, direction = exchange._size(account, symbol), 1 if exchange._size(account, symbol) > 0 else -1
        if pool in self.down:
            return 0
        lots = 0
        worth = self.worth(pool)
        limit = floor(part_of(worth, exchange.rules["fund"].position_limit_ppm))
        tick_value = market.instrument.tick_value
        others = sum(exchange._notional(each, held.size) for each, held in own.holdings.items() if each != symbol)
        held = exchange._size(own, symbol)
        against = max(0, -direction * held)  # so many lots close what it has
        most = floor(Fraction(limit - others, market.mark * tick_value))
        lots = min(abs(size), max(min(abs(size), against), against + (most if against else most - abs(held))))
        loss = direction * (bankruptcy - market.mark) * tick_value
        if loss > 0:
            lots = min(lots, max(0, floor(Fraction(worth, loss))))
        if lots <= 0:
            return 0
        self._open(pool, started)
        exchange.has_traded = True
        exchange._book_fill(account, symbol, -direction * lots, bankruptcy, liquidation=True)
        exchange._book_fill(own, symbol, direction * lots, bankruptcy)
        taken = exchange._emit(
            events.PositionTakenOver, started, account=account.number, house=own.number, symbol=symbol,
            size=direction * lots, price=bankruptcy, position=exchange._size(own, symbol), pool=pool,
        )  # fmt: skip
        account.changed = own.changed = taken
        self._note_size(pool, symbol)
        self.settle(pool, symbol, taken)
        return lots

    def _open(self, pool: str, cause: Cause) -> None:
        own = self.account_of(pool)
        if own.number not in self.exchange.accounts:
            self.exchange.accounts[own.number] = own
            named = ((own.number, f"insurance-fund:{pool}"),)
            self.exchange._emit(events.AccountsOpened, cause, accounts=named)

    def _note_size(self, pool: str, symbol: str) -> None:
        lots = abs(self.exchange._size(self.account_of(pool), symbol))
        self.largest[pool, symbol] = max(lots, self.largest.get((pool, symbol), 0))

    def _forget_what_is_gone(self, pool: str) -> None:
        for symbol, holding in self.account_of(pool).holdings.items():
            if not holding.size:
                self.largest[pool, symbol] = 0

    def count(self) -> None:
        """What the clock's funding has left is the balances'."""
        for pool in self.open_pools():
            self.settle(pool, None, None)

    def unwind(self) -> None:
        """A part of everything that is held goes back into the book."""
        for pool in self.open_pools():
            vaults = self.exchange.rules["backstop"]
            rules = vaults if pool in vaults.vaults else self.exchange.rules["fund"]
            own = self.account_of(pool)
            for symbol in [each for each, held in own.holdings.items() if held.size]:
                if not self.exchange.breakers.of(symbol).on:
                    self._unwind(pool, own, symbol, rules.unwind_ppm, rules.unwind_within_ppm)

    def _unwind(self, pool: str, own: "NaiveAccount", symbol: str, share_ppm: int, within_ppm: int) -> None:
        exchange, market = self.exchange, self.exchange.markets[symbol]
        direction = 1 if exchange._size(own, symbol) > 0 else -1
        wanted = max(1, floor(part_of(self.largest[pool, symbol], share_ppm)))
        left = min(wanted, abs(exchange._size(own, symbol)))
        limit = market.mark - direction * floor(part_of(market.mark, within_ppm))
        limit = exchange.breakers.cut(symbol, -direction, limit)
        order_id = exchange._new_order_id()
        while left and (reachable := exchange._within(symbol, -direction, limit)):
            best = reachable[0]
            lots = min(left, exchange._gives(best))
            loss = direction * (market.mark - best.price) * market.instrument.tick_value
            if loss > 0:
                lots = min(lots, max(0, floor(Fraction(self.worth(pool), loss))))
            if not lots:
                break
            left -= lots
            traded = exchange._trade(own, best, lots, left, order_id, None, liquidation=True)
            self.settle(pool, symbol, traded)

    def close_bankrupt(self) -> bool:
        """Every pool worth less than nothing, with all that it holds."""
        found = [pool for pool in self.open_pools() if self.worth(pool) < 0]
        for pool in found:
            self._close(pool)
        return bool(found)

    def _close(self, pool: str) -> None:
        exchange, estate = self.exchange, self.account_of(pool)
        symbols = sorted(each for each, held in estate.holdings.items() if held.size)
        symbols.sort(key=lambda symbol: exchange._maintenance_on(estate, symbol), reverse=True)
        moved = [exchange.markets[symbol].moved for symbol in symbols]
        trigger = last = max((cause for cause in moved if cause is not None), default=None)
        money = estate.wallet
        self.money[pool] = type(estate)(estate.number)
        self._tell(pool, FundReason.UNWOUND, estate.number, None, last)
        estate.wallet = money
        for symbol in symbols:
            market = exchange.markets[symbol]
            equity, maintenance = exchange._equity(estate), exchange._maintenance(estate)
            own, size = exchange._maintenance_on(estate, symbol), exchange._size(estate, symbol)
            price = bankruptcy_price(size, market.mark, equity, own, maintenance, market.instrument.tick_value)
            price = min(max(1, price), market.instrument.max_price)
            started = exchange._emit(
                events.LiquidationStarted, trigger, account=estate.number, symbol=symbol, size=size, mark=market.mark,
                bankruptcy_price=price, equity=equity, maintenance=maintenance,
            )  # fmt: skip
            adl, deficit = exchange._deleverage(estate, symbol, price, started)
            last = exchange._emit(
                events.LiquidationEnded, started, account=estate.number, symbol=symbol, book=0, fund=0, adl=adl,
                deficit=deficit, bankruptcy_price=price, wallet=estate.wallet,
            )  # fmt: skip
            self.largest[pool, symbol] = 0
        exchange.accounts[estate.number] = self.account_of(pool)
        if estate.wallet < 0:
            exchange._deficit_takes(-estate.wallet, estate.number, None, last)
        else:
            self.takes(pool, estate.wallet, FundReason.DUST, estate.number, None, last)

    def _tell(
        self, pool: str, reason: FundReason, account: int | None, symbol: str | None, cause: Cause | None
    ) -> None:
        balance = self.account_of(pool).wallet
        change, self.exchange.pools[pool] = balance - self.exchange.pools[pool], balance
        if change:
            self.exchange._emit(
                events.FundChanged, cause, change=change, balance=balance, reason=reason, account=account,
                symbol=symbol, pool=pool,
            )  # fmt: skip

    # vaults ------------------------------------------------------------------------------------------------

    def vault_for(self, equity: int, maintenance: int) -> str | None:
        """Who takes over an account with these figures."""
        rules = self.exchange.rules["backstop"]
        if equity < 0 or equity >= part_of(maintenance, rules.below_ppm):
            return None
        able = [vault for vault in rules.vaults if self.worth(vault) >= 0]
        return min(able, key=lambda vault: (-self.worth(vault), vault), default=None)

    def hand_over(
        self, vault: str, account: "NaiveAccount", alone: str | None, symbols: list[str], trigger: Cause | None
    ) -> None:
        """Everything that the account has, at the marks."""
        exchange, own = self.exchange, self.account_of(vault)
        held = [(symbol, exchange._size(account, symbol), exchange.markets[symbol].mark) for symbol in symbols]
        held = [(symbol, size, mark) for symbol, size, mark in held if size]
        took = exchange._emit(
            events.BackstopTookOver, trigger, account=account.number, house=own.number, vault=vault,
            positions=tuple(held), equity=exchange._equity(account, alone),
            maintenance=exchange._maintenance(account, alone),
        )  # fmt: skip
        self._open(vault, took)
        exchange.has_traded = True
        for symbol, size, mark in held:
            exchange._book_fill(account, symbol, -size, mark, liquidation=True)
            exchange._book_fill(own, symbol, size, mark)
            self._note_size(vault, symbol)
        money = exchange._collateral(account, alone)
        own.wallet += money
        exchange._credit(account, alone, -money)
        account.changed = own.changed = took
        self.settle(vault, None, took, FundReason.BACKSTOP)

    # drawdown ----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Note what every pool is worth, and judge it."""
        rules, now_us = self.exchange.rules["fund"], self.exchange.now_us
        for pool in self.exchange.pools:
            noted = self.worths.setdefault(pool, [])
            if rules.drawdown_on_ppm:
                while noted and noted[0][0] <= now_us - rules.drawdown_window_us:
                    noted.pop(0)
                noted.append((now_us - now_us % (rules.drawdown_window_us // PARTS_OF_WINDOW), self.worth(pool)))
            else:
                noted.clear()
            self.judge(pool, None)

    def judge(self, pool: str, cause: Cause | None) -> None:
        """Whether the pool has lost too much."""
        rules, worth, reference = self.exchange.rules["fund"], self.worth(pool), self._reference(pool)
        is_down = False
        if rules.drawdown_on_ppm and reference > rules.drawdown_above_quote:
            lost = Fraction(reference - worth, reference) * MILLION
            is_down = lost >= rules.drawdown_on_ppm or (pool in self.down and lost >= rules.drawdown_off_ppm)
        if is_down == (pool in self.down):
            return
        self.down ^= {pool}
        ratio = min(WIRE_MAX, floor(Fraction(worth - reference, reference) * MILLION)) if reference > 0 else 0
        self.exchange._emit(
            events.DrawdownChanged, cause, pool=pool, on=is_down, ratio_ppm=ratio, reference=reference, worth=worth
        )

    def payable(self, pool: str) -> int:
        """What it may pay for one position."""
        rules = self.exchange.rules["fund"]
        share = floor(part_of(self.exchange.pools[pool], self.exchange.rules["fund_draw_ppm"]))
        if not rules.drawdown_on_ppm:
            return share
        if pool in self.down:
            return 0
        reference = self._reference(pool)
        if reference <= rules.drawdown_above_quote:
            return share
        least = ceil(part_of(reference, MILLION - rules.drawdown_on_ppm))
        return max(0, min(share, self.worth(pool) - least))

    def _reference(self, pool: str) -> int:
        worths = [worth for _, worth in self.worths.get(pool, [])]
        if not worths:
            return 0
        if self.exchange.rules["fund"].drawdown_reference is Reference.PEAK:
            return max(worths)
        return floor(Fraction(sum(worths), len(worths)))
