"""Circuit breakers: what makes the liquidations of a symbol wait, who waits, and what the delay cost.

Kinds     throttle and the two freezes; each of a symbol, each off unless the venue sets it, and set from the
          next clock tick on.
Waits     an account below maintenance that holds a symbol of which a breaker is on, with all that it holds: neither
          book nor fund nor deleveraging touches it, its orders stay. Its prices move on, and its owner may mend it.
Goes on   with the release, in the same input: who waited longest is looked at first, within the venue's bound, and is
          liquidated only if still below maintenance; so nobody is forgotten, and nobody is liquidated twice.
Says      the release how many were below maintenance meanwhile, and what they owed beyond their margin when each began
          to wait and at the end of it: the fund carries the risk of the delay, and here it is.
Halted    while the operator has halted trading nothing is liquidated anyway; freezes come and go as prices do.
Causes    Tripped and Released <- the symbol's last mark; what the clock does has no cause.
"""

from stream_engine.core.accounts import Account, equity_of
from stream_engine.core.freeze import Freeze, age_of_oldest_us
from stream_engine.core.market import Market, Wait
from stream_engine.core.throttle import Turnover
from stream_engine.core.venue import Venue
from stream_engine.messages.events import Breaker, BreakerReleased, BreakerTripped, Cause
from stream_engine.messages.rules import SECOND_US, BreakerRules


def complaint(rules: BreakerRules) -> str | None:
    """What is wrong with the settings, if anything."""
    if rules.throttle_ppm and rules.throttle_window_us < SECOND_US:
        return f"throttle_window_us: expected {SECOND_US} or more, found {rules.throttle_window_us}"
    if rules.throttle_ppm and not rules.throttle_least_quote:
        return "throttle_least_quote: expected 1 or more, or who waits might wait for ever"
    return None


def is_on(venue: Venue, account: Account) -> bool:
    """Whether the account holds a symbol whose liquidations wait."""
    markets = venue.markets
    return any(position.size and markets[symbol].waits for symbol, position in account.positions.items())


def may_go(venue: Venue, account: Account) -> bool:
    """Whether an account may be liquidated now, its turn having come; a throttle with nothing left trips here."""
    for symbol, position in account.positions.items():
        market = venue.markets[symbol]
        if not position.size or market.turnover is None or Breaker.THROTTLE in market.waits:
            continue
        if market.turnover.allowance(venue.now_us, venue.rules.breakers) <= 0:
            _trip(venue, market, Breaker.THROTTLE, market.moved)
    return not is_on(venue, account)


def wait(venue: Venue, account: Account) -> None:
    """Keep an account below maintenance waiting, for every breaker that is on for it."""
    venue.watch.wait(account.number)
    owed = max(0, -equity_of(account, venue.markets))
    for symbol, position in account.positions.items():
        if position.size:
            for breaker in venue.markets[symbol].waits.values():
                breaker.accounts.setdefault(account.number, owed)


def arm(venue: Venue, market: Market) -> None:
    """At a clock tick, before marks are made: the breakers that are set from now on, and those that no longer are."""
    rules = venue.rules.breakers
    if not rules.divergence_ppm and not rules.stall_us:
        if market.freeze is not None:
            for breaker in (Breaker.DIVERGENCE, Breaker.STALL):
                if breaker in market.waits:
                    _release(venue, market, breaker, None)
            market.freeze = None
    elif market.freeze is None:
        market.freeze = Freeze()
    if not rules.throttle_ppm:
        market.turnover = None
    elif market.turnover is None or market.turnover.window_us != rules.throttle_window_us:
        market.turnover = Turnover(rules.throttle_window_us)


def tick(venue: Venue, market: Market) -> None:
    """At a clock tick, when the marks are made."""
    if Breaker.THROTTLE in market.waits:
        turnover = market.turnover
        if turnover is None or turnover.allowance(venue.now_us, venue.rules.breakers) > 0:
            _release(venue, market, Breaker.THROTTLE, None)


def look_at_feeds(venue: Venue, market: Market, freeze: Freeze) -> None:
    """After index and mark were made: do the freezes begin, or end?"""
    rules = venue.rules.breakers
    diverged = freeze.is_diverged(market.last, market.index, venue.now_us, rules)
    _freeze(venue, market, freeze, Breaker.DIVERGENCE, diverged, rules.divergence_cap_us)
    age_us = age_of_oldest_us(market.index_price, venue.now_us)
    _freeze(venue, market, freeze, Breaker.STALL, 0 < rules.stall_us < age_us, rules.stall_cap_us, age_us)


def _freeze(
    venue: Venue, market: Market, freeze: Freeze, breaker: Breaker, wanted: bool, cap_us: int, age_us: int = 0
) -> None:
    on = market.waits.get(breaker)
    if not wanted:
        freeze.spent.pop(breaker, None)
        if on is not None:
            _release(venue, market, breaker, market.moved)
    elif on is None:
        if breaker not in freeze.spent:
            _trip(venue, market, breaker, market.moved, age_us=age_us)
    elif cap_us and venue.now_us - on.since_us >= cap_us:
        freeze.spent[breaker] = None
        _release(venue, market, breaker, market.moved, capped=True)


def _trip(
    venue: Venue, market: Market, breaker: Breaker, cause: Cause | None, reference: int = 0, age_us: int = 0
) -> None:
    market.waits[breaker] = Wait(venue.now_us)
    symbol = market.instrument.symbol
    venue.out.emit(BreakerTripped, cause, symbol, breaker, market.mark, market.index, market.last, reference, age_us)
    for number in tuple(venue.watch.waiting):  # whoever waits already for another: he waits for this one as well
        position = venue.accounts[number].positions.get(symbol)
        if position is not None and position.size:
            venue.watch.release(number)


def _release(venue: Venue, market: Market, breaker: Breaker, cause: Cause | None, capped: bool = False) -> None:
    waited = market.waits.pop(breaker)
    after = sum(max(0, -equity_of(venue.accounts[number], venue.markets)) for number in waited.accounts)
    venue.out.emit(
        BreakerReleased, cause, market.instrument.symbol, breaker, venue.now_us - waited.since_us, len(waited.accounts),
        sum(waited.accounts.values()), after, capped,
    )  # fmt: skip
    for number in waited.accounts:
        venue.watch.release(number)
