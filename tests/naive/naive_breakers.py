"""The circuit breakers once more: every fill is kept, everybody is asked again at every look."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor
from typing import TYPE_CHECKING

from stream_engine.messages import events
from stream_engine.messages.events import Breaker, Cause
from stream_engine.messages.instrument import OWN_TRADES
from stream_engine.messages.rules import BreakerRules
from tests.naive.naive_rules import part_of

if TYPE_CHECKING:
    from tests.naive.naive_exchange import NaiveAccount, NaiveExchange, NaiveMarket

SECOND_US = 1_000_000


def is_bad(rules: BreakerRules) -> bool:
    """Whether the settings contradict themselves."""
    return rules.throttle_ppm > 0 and (rules.throttle_window_us < SECOND_US or rules.throttle_least_quote < 1)


@dataclass
class NaiveWait:
    """A breaker that is on, and what each owed who was found below maintenance."""

    since_us: int
    accounts: dict[int, int] = field(default_factory=dict)


@dataclass
class NaiveFill:
    """What the throttle remembers of a trade."""

    ts_us: int
    value: int
    liquidation: bool


@dataclass
class NaiveBreaker:
    """Of one symbol. `window_us`: of the throttle; 0 while there is none."""

    on: dict[Breaker, NaiveWait] = field(default_factory=dict)
    looks_at_feeds: bool = False
    apart_since_us: int | None = None
    used_up: set[Breaker] = field(default_factory=set)
    window_us: int = 0
    fills: list[NaiveFill] = field(default_factory=list)


class NaiveBreakers:
    """The breakers of a naive exchange."""

    def __init__(self, exchange: NaiveExchange) -> None:
        self.exchange = exchange
        self.symbols: dict[str, NaiveBreaker] = {}

    @property
    def rules(self) -> BreakerRules:
        """As the venue has them now."""
        rules: BreakerRules = self.exchange.rules["breakers"]
        return rules

    def of(self, symbol: str) -> NaiveBreaker:
        """What there is for a symbol."""
        return self.symbols.setdefault(symbol, NaiveBreaker())

    # who waits ---------------------------------------------------------------------------------------------

    def those_who_need_not_wait(self, found: list[NaiveAccount]) -> list[NaiveAccount]:
        """Of accounts below maintenance; the others are remembered."""
        for account in found:
            for breaker in self._on_for(account):
                breaker.accounts.setdefault(account.number, self._owed(account))
        return [account for account in found if not self._on_for(account)]

    def may_go(self, account: NaiveAccount) -> bool:
        """Whether it is its turn indeed."""
        for symbol in self._held(account):
            has_share = self.of(symbol).window_us and Breaker.THROTTLE not in self.of(symbol).on
            if has_share and self._allowance(symbol) <= 0:
                self._trip(symbol, Breaker.THROTTLE, self.exchange.markets[symbol].moved)
        return not self._on_for(account)

    def _held(self, account: NaiveAccount) -> list[str]:
        return [symbol for symbol, holding in account.holdings.items() if holding.size]

    def _on_for(self, account: NaiveAccount) -> list[NaiveWait]:
        return [wait for symbol in self._held(account) for wait in self.of(symbol).on.values()]

    def _owed(self, account: NaiveAccount) -> int:
        return max(0, -self.exchange._equity(account))

    # what happens ------------------------------------------------------------------------------------------

    def traded(self, symbol: str, value: int, liquidation: bool) -> None:
        """A fill, for the throttle."""
        if self.of(symbol).window_us:
            self.of(symbol).fills.append(NaiveFill(self.exchange.now_us, value, liquidation))

    def before_marks(self, symbol: str) -> None:
        """At a clock tick."""
        breaker, rules = self.of(symbol), self.rules
        breaker.looks_at_feeds = rules.divergence_ppm > 0 or rules.stall_us > 0
        if not breaker.looks_at_feeds:
            breaker.apart_since_us = None
            breaker.used_up.clear()
            for kind in (Breaker.DIVERGENCE, Breaker.STALL):
                if kind in breaker.on:
                    self._release(symbol, kind, None)
        window_us = rules.throttle_window_us if rules.throttle_ppm else 0
        if window_us != breaker.window_us:
            breaker.window_us, breaker.fills = window_us, []

    def after_marks(self, symbol: str) -> None:
        """At a clock tick."""
        breaker = self.of(symbol)
        if Breaker.THROTTLE in breaker.on and (not breaker.window_us or self._allowance(symbol) > 0):
            self._release(symbol, Breaker.THROTTLE, None)

    def look_at_feeds(self, symbol: str, market: NaiveMarket) -> None:
        """Whenever a mark was made."""
        breaker, rules, now_us = self.of(symbol), self.rules, self.exchange.now_us
        if not breaker.looks_at_feeds:
            return
        apart = abs(market.last - market.index) > part_of(market.index, rules.divergence_ppm)
        if not rules.divergence_ppm or not market.last or not apart:
            breaker.apart_since_us = None
        elif breaker.apart_since_us is None:
            breaker.apart_since_us = now_us
        since_us = breaker.apart_since_us
        diverged = since_us is not None and now_us > since_us + rules.divergence_after_us
        self._freeze(symbol, Breaker.DIVERGENCE, diverged, rules.divergence_cap_us, 0)
        outside = [source.name for source in market.instrument.sources if source.weight and source.name != OWN_TRADES]
        ages = [now_us - market.seen[name][1] for name in outside if name in market.seen]
        oldest = max(ages, default=0)
        self._freeze(symbol, Breaker.STALL, rules.stall_us > 0 and oldest > rules.stall_us, rules.stall_cap_us, oldest)

    def _freeze(self, symbol: str, kind: Breaker, wanted: bool, cap_us: int, age_us: int) -> None:
        breaker, moved = self.of(symbol), self.exchange.markets[symbol].moved
        if not wanted:
            breaker.used_up.discard(kind)
            if kind in breaker.on:
                self._release(symbol, kind, moved)
        elif kind in breaker.on:
            if cap_us and self.exchange.now_us >= breaker.on[kind].since_us + cap_us:
                breaker.used_up.add(kind)
                self._release(symbol, kind, moved, capped=True)
        elif kind not in breaker.used_up:
            self._trip(symbol, kind, moved, age_us=age_us)

    def _allowance(self, symbol: str) -> int:
        breaker = self.of(symbol)
        began_after_us = self.exchange.now_us - breaker.window_us
        counted = [fill for fill in breaker.fills if fill.ts_us // SECOND_US * SECOND_US > began_after_us]
        share = floor(part_of(sum(fill.value for fill in counted), self.rules.throttle_ppm))
        used = sum(fill.value for fill in counted if fill.liquidation)
        return share + self.rules.throttle_least_quote - used

    def _trip(self, symbol: str, kind: Breaker, cause: Cause | None, reference: int = 0, age_us: int = 0) -> None:
        market = self.exchange.markets[symbol]
        self.of(symbol).on[kind] = NaiveWait(self.exchange.now_us)
        self.exchange._emit(
            events.BreakerTripped, cause, symbol=symbol, breaker=kind, mark=market.mark, index=market.index,
            last=market.last, reference=reference, age_us=age_us,
        )  # fmt: skip

    def _release(self, symbol: str, kind: Breaker, cause: Cause | None, capped: bool = False) -> None:
        wait = self.of(symbol).on.pop(kind)
        after = sum(self._owed(self.exchange.accounts[number]) for number in wait.accounts)
        self.exchange._emit(
            events.BreakerReleased, cause, symbol=symbol, breaker=kind,
            waited_us=self.exchange.now_us - wait.since_us, accounts=len(wait.accounts),
            shortfall_before=sum(wait.accounts.values()), shortfall_after=after, capped=capped,
        )  # fmt: skip
