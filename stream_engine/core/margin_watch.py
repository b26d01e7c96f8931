"""Margin watch: who is liquidatable, without a scan.

Every position stands in an index under the mark price at which its share of the account's cushion is used up. No
account can be liquidatable before one of its watch prices is crossed, so only those are looked at, and exactly.

Floor     f(M) = unrealised PnL - maintenance at the mark M. Each position has a floor T. Standing alone:
          T = -wallet, and the watch is the exact liquidation price; isolated: T = -margin, and so it is always. With
          others: T_i = f_i - floor(X w_i / sum w), X = wallet + sum f, w = maintenance margin. The watch is the first
          mark at which f < T.
Holds     slack = wallet + sum T >= 0, and f is monotone in M: while no watch is crossed every f_i >= T_i, so
          X >= slack >= 0. (`check` proves it by a full scan.)
Upkeep    a change of wallet goes into the slack. A fill keeps T and makes that one watch anew, while f >= T and
          slack >= 0; otherwise the cushion is split anew. Nearer: push. Farther: the old entry stays, and is put
          right when it is popped, even where the true one is crossed too.
Index     per symbol and side a heap of one integer per entry, key << 32 | account: a smaller key is crossed first
          (shorts: the watch price, longs: minus it). The position knows its true key (`watch`) and the key under
          which it stands in the heap (`standing`).
Waiting   who is found below maintenance while a circuit breaker is on does not go back into the index: he stands in
          `waiting` until he is released, and is then handed out as if he had been crossed. Who changes meanwhile is
          watched again.
"""

from collections.abc import Collection
from heapq import heapify, heappop, heappush

from stream_engine.core.accounts import Account
from stream_engine.core.arithmetic import div_floor
from stream_engine.core.margin import long_falls_below, maintenance_margin, short_falls_below
from stream_engine.core.market import Market
from stream_engine.core.position import Position

ACCOUNT_BITS = 32
ACCOUNT_MASK = (1 << ACCOUNT_BITS) - 1
GARBAGE_ALLOWED = 1_024


class MarginWatch:
    """The index of one venue.

    owed      symbols on which somebody may have been crossed since they were looked at.
    indebted  accounts with a debt.
    waiting   accounts for which a circuit breaker must end first.
    put_off   accounts below maintenance that are not looked at before the next clock tick.
    exempt    accounts that are not watched: the house accounts of the fund.
    released  those of either that are to be looked at again.
    """

    __slots__ = (
        "_longs",
        "_shorts",
        "accounts",
        "exempt",
        "indebted",
        "markets",
        "owed",
        "put_off",
        "released",
        "waiting",
    )

    def __init__(self, accounts: dict[int, Account], markets: dict[str, Market], exempt: Collection[int] = ()) -> None:
        self.accounts = accounts
        self.markets = markets
        self._longs: dict[str, list[int]] = {}
        self._shorts: dict[str, list[int]] = {}
        self.owed: dict[str, None] = {}
        self.indebted: dict[int, None] = {}
        self.exempt = exempt
        self.waiting: dict[int, None] = {}
        self.released: dict[int, None] = {}
        self.put_off: dict[int, None] = {}

    def list_symbol(self, symbol: str) -> None:
        """Begin to watch a symbol."""
        self._longs[symbol] = []
        self._shorts[symbol] = []

    def mark_moved(self, symbol: str) -> None:
        """A mark was set: is the nearest watch of either side crossed?"""
        mark = self.markets[symbol].mark
        longs, shorts = self._longs[symbol], self._shorts[symbol]
        if (longs and longs[0] <= _crossed_long(mark)) or (shorts and shorts[0] <= _crossed_short(mark)):
            self.owed[symbol] = None

    def account_changed(self, account: Account, symbols: tuple[str, ...] = ()) -> None:
        """The wallet, or the positions on `symbols`, changed: put floors and watches right."""
        if len(account.positions) == 1 and not account.isolated and account.number not in self.waiting:
            self._alone_changed(account)
            return
        live = [position for position in account.positions.values() if position.size]
        if account.isolated:
            live = [position for position in live if not position.isolated]
            if account.number in self.waiting or account.number in self.released:
                self.waiting.pop(account.number, None)
                self.released.pop(account.number, None)
                self.split(account)
            self._isolated_changed(account, symbols)
        if not live:
            account.slack = 0
            if account.wallet < 0:
                self.indebted[account.number] = None
            return
        for position in live:
            if not self.markets[position.symbol].mark:
                for unjudged in live:  # until the mark comes
                    forget(unjudged)
                self.waiting.pop(account.number, None)
                self.released.pop(account.number, None)
                return
        if account.number in self.waiting:
            del self.waiting[account.number]
            self.split(account)
            return
        if len(live) == 1:
            self._watch(live[0], -account.wallet)
            account.slack = 0
            return
        slack = account.wallet
        for position in live:
            floor = position.floor
            if floor is None or (position.symbol in symbols and self._cushion(position) < floor):
                self.split(account)
                return
            slack += floor
        account.slack = slack
        if slack < 0:
            self.split(account)
            return
        for position in live:
            if position.symbol in symbols:
                assert position.floor is not None
                self._watch(position, position.floor)

    def _alone_changed(self, account: Account) -> None:
        """`account_changed`, for by far the most: one position, cross, and nothing that it waits for."""
        (position,) = account.positions.values()
        if not position.size:
            account.slack = 0
            if account.wallet < 0:
                self.indebted[account.number] = None
        elif not self.markets[position.symbol].mark:
            forget(position)
            self.released.pop(account.number, None)
        else:
            self._watch(position, -account.wallet)
            account.slack = 0

    def split(self, account: Account) -> None:
        """Give every position of an account its share of the cushion anew. Below zero every share is crossed."""
        live = [position for position in account.positions.values() if position.size]
        if account.isolated:
            live = [position for position in live if not position.isolated]
            self._isolated_changed(account, tuple(account.positions))
            if any(not self.markets[position.symbol].mark for position in live):
                return
        cushions = [self._cushion(position) for position in live]
        weights = [self._maintenance(position) for position in live]
        total = sum(weights)
        if len(live) == 1 or total == 0:
            weights, total = [1] * len(live), len(live)
        cushion = account.wallet + sum(cushions)
        slack = account.wallet
        for position, share, weight in zip(live, cushions, weights, strict=True):
            floor = share - div_floor(cushion * weight, total)
            slack += floor
            self._watch(position, floor)
        account.slack = slack

    def crossed(self, most: int) -> list[int]:
        """Up to `most` accounts with a crossed watch or a debt, or released, by account; their entries are taken out.

        Whoever calls checks each exactly, and liquidates it or has its cushion split anew. What is left stays owed.
        """
        found: dict[int, None] = {}
        while self.indebted and len(found) < most:
            number = next(iter(self.indebted))
            del self.indebted[number]
            found[number] = None
        while self.released and len(found) < most:
            number = next(iter(self.released))
            del self.released[number]
            found[number] = None
        for symbol in tuple(self.owed):
            market = self.markets[symbol]
            done = self._pop(self._longs[symbol], market.longs, _crossed_long(market.mark), found, most)
            done = self._pop(self._shorts[symbol], market.shorts, _crossed_short(market.mark), found, most) and done
            if not done:
                break
            del self.owed[symbol]
        return sorted(found)

    def wait(self, number: int) -> None:
        """An account that `crossed` handed out waits for a circuit breaker."""
        self.waiting[number] = None

    def release(self, number: int) -> None:
        """Whoever waits (and only he) is to be looked at again."""
        if number in self.waiting:
            del self.waiting[number]
            self.released[number] = None

    def wake(self) -> None:
        """The clock has ticked: who was put off is to be looked at."""
        if self.put_off:
            self.released.update(self.put_off)
            self.put_off = {}

    def check(self) -> None:
        """Asserts, by a full scan, that nobody is below maintenance of whom the watch does not know."""
        standing = {
            symbol: {ACCOUNT_MASK & entry: set[int]() for entry in self._longs[symbol] + self._shorts[symbol]}
            for symbol in self.markets
        }
        for symbol in self.markets:
            for entry in self._longs[symbol] + self._shorts[symbol]:
                standing[symbol][entry & ACCOUNT_MASK].add(entry >> ACCOUNT_BITS)
        for account in self.accounts.values():
            if account.number in self.exempt:
                continue
            for position in account.positions.values():
                if position.isolated and not self._is_taken_out(account.number):
                    self._check_isolated(account, position, standing)
            live = [position for position in account.positions.values() if position.size and not position.isolated]
            if any(not self.markets[position.symbol].mark for position in live):
                continue
            if not live:
                is_known = account.number in self.indebted or self._is_taken_out(account.number)
                assert account.wallet >= 0 or is_known, account.number
                continue
            if self._is_taken_out(account.number):
                continue
            slack = account.wallet + sum(position.floor or 0 for position in live)
            assert slack == account.slack and slack >= 0, (account.number, slack, account.slack)
            cushion = account.wallet + sum(self._cushion(position) for position in live)
            known = False
            for position in live:
                where = (account.number, position.symbol)
                assert position.floor is not None and position.watch is not None, where
                assert position.standing is not None and position.standing <= position.watch, where
                assert position.standing in standing[position.symbol][account.number], where
                mark = self.markets[position.symbol].mark
                is_crossed = position.watch <= (-mark if position.size > 0 else mark)
                assert is_crossed == (self._cushion(position) < position.floor), where
                known = known or (is_crossed and position.symbol in self.owed)
            assert cushion >= 0 or known, (account.number, cushion)

    def _is_taken_out(self, number: int) -> bool:
        return number in self.waiting or number in self.put_off or number in self.released

    def _check_isolated(self, account: Account, position: Position, standing: dict[str, dict[int, set[int]]]) -> None:
        where = (account.number, position.symbol)
        mark = self.markets[position.symbol].mark
        if not position.size:
            assert position.margin >= 0 or account.number in self.indebted, where
        elif mark:
            assert position.floor == -position.margin and position.watch is not None, where
            assert position.standing is not None and position.standing <= position.watch, where
            assert position.standing in standing[position.symbol][account.number], where
            is_crossed = position.watch <= (-mark if position.size > 0 else mark)
            assert is_crossed == (self._cushion(position) < position.floor), where
            assert not is_crossed or position.symbol in self.owed, where

    def _isolated_changed(self, account: Account, symbols: tuple[str, ...]) -> None:
        for symbol, position in account.positions.items():
            if not position.isolated:
                continue
            if not position.size:
                if position.margin < 0:
                    self.indebted[account.number] = None
            elif not self.markets[symbol].mark:
                forget(position)
            elif symbol in symbols or position.floor != -position.margin:
                self._watch(position, -position.margin)

    def _pop(
        self, heap: list[int], holders: dict[int, Position], limit: int, found: dict[int, None], most: int
    ) -> bool:
        while heap and heap[0] <= limit:
            number = heap[0] & ACCOUNT_MASK
            key = heap[0] >> ACCOUNT_BITS
            position = holders.get(number)
            if position is None or position.standing != key:
                heappop(heap)
            elif position.watch != key:
                heappop(heap)
                assert position.watch is not None
                heappush(heap, position.watch << ACCOUNT_BITS | number)
                position.standing = position.watch
            elif len(found) >= most and number not in found:
                return False
            else:
                heappop(heap)
                position.standing = None
                found[number] = None
        return True

    def _watch(self, position: Position, floor: int) -> None:
        market, size = self.markets[position.symbol], position.size
        position.floor = floor
        if size > 0:
            key = -long_falls_below(floor, position.cost, size * market.tick_value, market.table)
            heap, mark_key = self._longs[position.symbol], -market.mark
        else:
            key = short_falls_below(floor, position.cost, -size * market.tick_value, market.table)
            heap, mark_key = self._shorts[position.symbol], market.mark
        position.watch = key
        standing = position.standing
        if standing is None or key < standing:
            position.standing = key
            heappush(heap, key << ACCOUNT_BITS | position.account)
            if len(heap) > GARBAGE_ALLOWED + 2 * (len(market.longs) + len(market.shorts)):
                self._compact(position.symbol)
        if key <= mark_key:
            self.owed[position.symbol] = None

    def _compact(self, symbol: str) -> None:
        market = self.markets[symbol]
        for heap, holders in ((self._longs[symbol], market.longs), (self._shorts[symbol], market.shorts)):
            heap[:] = [
                position.standing << ACCOUNT_BITS | number
                for number, position in holders.items()
                if position.standing is not None
            ]
            heapify(heap)

    def _cushion(self, position: Position) -> int:
        market = self.markets[position.symbol]
        value = position.size * market.mark * market.tick_value
        return value - position.cost - maintenance_margin(abs(value), market.table)

    def _maintenance(self, position: Position) -> int:
        market = self.markets[position.symbol]
        return maintenance_margin(abs(position.size) * market.mark * market.tick_value, market.table)


def forget(position: Position) -> None:
    """The position is new, closed or has changed sides: what stands in the heap for it is stale."""
    position.floor = position.watch = position.standing = None


def _crossed_long(mark: int) -> int:
    return -mark << ACCOUNT_BITS | ACCOUNT_MASK


def _crossed_short(mark: int) -> int:
    return mark << ACCOUNT_BITS | ACCOUNT_MASK
