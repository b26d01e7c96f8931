"""Circuit breakers: what makes the liquidations of a symbol wait, who waits, and what the delay cost.

Kinds     price band, throttle and two freezes; each of a symbol, each off unless the venue sets it, and set from the
          next clock tick on (but for the limit of order prices, which holds at once).
Band      nothing trades outside the edges of price_band. What is priced beyond the far edge is taken at the edge, and
          rests there; a quote's level beyond it takes as far as the edge, and the rest of it does not rest. Where the
          band moves away from resting orders (a bid above it, an offer below) they are cancelled at that clock tick.
Limit     the limit state begins where an order, a quote or a liquidation that may go to the edge has lots left there.
state     Trading goes on inside the band. It ends at a clock tick at which the other side has a price inside the band,
          or after its time in a pause; one that begins again in the same instant goes on.
Pause     orders and quotes are collected, immediate orders refused, triggers wait. The first clock tick at or past its
          end holds the call (auction), and the band begins anew there. In that instant the band does not stop a
          liquidation from going on to fund and deleveraging: nobody waits through a second pause.
Waits     an account below maintenance that holds a symbol of which a breaker is on, with all that it has, isolated too:
          neither book nor fund nor deleveraging touches it, its orders stay. Its owner may mend it meanwhile.
Goes on   with the release, in the same input: who waited longest is looked at first, within the venue's bound, and is
          liquidated only if still below maintenance; so nobody is forgotten, and nobody is liquidated twice.
Says      the release how many were below maintenance meanwhile, and what they owed beyond their margin when each began
          to wait and at the end of it: the fund carries the risk of the delay, and here it is.
Halted    while the operator has halted trading nothing is liquidated anyway; the band stands still, a pause goes on;
          freezes come and go as prices do.
Causes    of a freeze or a throttle Tripped and Released <- the symbol's last mark; the band's Tripped <- what stopped;
          what the clock does has no cause.
"""

from stream_engine.core import triggers
from stream_engine.core.accounts import Account, shortfall
from stream_engine.core.auction import uncross
from stream_engine.core.cancelling import cancel_order, take_off_book
from stream_engine.core.freeze import Freeze, age_of_oldest_us
from stream_engine.core.market import Market, Wait, is_paused
from stream_engine.core.matching import emit_quote
from stream_engine.core.order_book import Order
from stream_engine.core.price_band import PriceBand
from stream_engine.core.throttle import Turnover
from stream_engine.core.venue import Venue
from stream_engine.messages.events import (
    Breaker,
    BreakerReleased,
    BreakerTripped,
    CancelReason,
    Cause,
    TradingPaused,
    TradingReopened,
)
from stream_engine.messages.rules import SECOND_US, BreakerRules
from stream_engine.messages.units import MILLION, WIRE_MAX


def complaint(rules: BreakerRules) -> str | None:
    """What is wrong with the settings, if anything."""
    if rules.band_ppm >= MILLION:
        return f"band_ppm: expected less than {MILLION}, found {rules.band_ppm}"
    if rules.band_ppm and min(rules.band_window_us, rules.pause_us) < SECOND_US:
        return f"band_window_us, pause_us: expected {SECOND_US} or more"
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


def is_out_of_band(market: Market, sign: int, price: int, band_ppm: int) -> bool:
    """Whether a limit is farther from the mark, to the bad side, than the venue takes it; no mark, no limit."""
    return market.mark > 0 and sign * price * MILLION > sign * market.mark * (MILLION + sign * band_ppm)


def stopped(venue: Venue, market: Market, band: PriceBand, sign: int, limit: int, cause: Cause | None) -> bool:
    """Something with lots left has met its limit: if that is the edge, the limit state begins. Says whether what is
    left has to wait for the band."""
    if not band.is_at_edge(sign, limit) or band.reopened_us == venue.now_us:
        return False
    if Breaker.BAND not in market.waits:
        band.limit_sign = sign
        if band.limit_ended_us != venue.now_us:
            band.limit_since_us = venue.now_us
        _trip(venue, market, Breaker.BAND, cause, reference=band.reference)
    return True


def wait(venue: Venue, account: Account) -> None:
    """Keep an account below maintenance waiting, for every breaker that is on for it."""
    venue.watch.wait(account.number)
    owed = shortfall(account, venue.markets)
    for symbol, position in account.positions.items():
        if position.size:
            for breaker in venue.markets[symbol].waits.values():
                breaker.accounts.setdefault(account.number, owed)


def arm(venue: Venue, market: Market) -> None:
    """At a clock tick, before marks are made: the breakers that are set from now on, and those that no longer are."""
    rules = venue.rules.breakers
    band = market.band
    until_us = band.paused_until_us if band is not None and not venue.halted else None
    if band is not None and until_us is not None and (venue.now_us >= until_us or not rules.band_ppm):
        _reopen(venue, market, band)
    if not rules.band_ppm and band is not None and not is_paused(market):
        if Breaker.BAND in market.waits:
            _release(venue, market, Breaker.BAND, None)
        market.band = None
    elif rules.band_ppm and band is None:
        market.band = PriceBand()
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
    band = market.band
    if band is not None and not is_paused(market) and not venue.halted and market.mark:
        _move_band(venue, market, band)


def look_at_feeds(venue: Venue, market: Market, freeze: Freeze) -> None:
    """After index and mark were made: do the freezes begin, or end?"""
    rules = venue.rules.breakers
    diverged = freeze.is_diverged(market.last, market.index, venue.now_us, rules)
    _freeze(venue, market, freeze, Breaker.DIVERGENCE, diverged, rules.divergence_cap_us)
    age_us = age_of_oldest_us(market.index_price, venue.now_us)
    _freeze(venue, market, freeze, Breaker.STALL, 0 < rules.stall_us < age_us, rules.stall_cap_us, age_us)


def _move_band(venue: Venue, market: Market, band: PriceBand) -> None:
    rules = venue.rules.breakers
    band.sample(venue.now_us, market.mark, rules.band_window_us)
    band.set_edges(rules.band_ppm, market.instrument.price_step)
    _cancel_what_lies_outside(venue, market, band)
    if Breaker.BAND not in market.waits:
        return
    edge = band.lower if band.limit_sign < 0 else band.upper
    if market.book.opposite(band.limit_sign).best_key <= band.limit_sign * edge:
        band.limit_ended_us = venue.now_us
        _release(venue, market, Breaker.BAND, None)
    elif venue.now_us - band.limit_since_us >= rules.limit_state_us:
        band.paused_until_us = min(WIRE_MAX, venue.now_us + rules.pause_us)
        triggers.paused(venue, market)
        venue.out.emit(
            TradingPaused, None, market.instrument.symbol, band.reference, band.lower, band.upper, band.paused_until_us
        )


def _cancel_what_lies_outside(venue: Venue, market: Market, band: PriceBand) -> None:
    book = market.book
    quoters: dict[int, None] = {}
    while book.bids.best_key < -band.upper:
        _cancel_as_outside(venue, market, book.bids.first(), quoters)
    while book.asks.best_key < band.lower:
        _cancel_as_outside(venue, market, book.asks.first(), quoters)
    for number in quoters:
        emit_quote(venue, market, venue.accounts[number], None)


def _cancel_as_outside(venue: Venue, market: Market, order: Order, quoters: dict[int, None]) -> None:
    owner = venue.accounts[order.account]
    if order.client_id:
        cancel_order(venue, owner, order, CancelReason.OUT_OF_BAND, None)
    else:
        take_off_book(venue, market, owner, order)
        quoters[owner.number] = None


def _reopen(venue: Venue, market: Market, band: PriceBand) -> None:
    price = uncross(venue, market, band.reference)
    band.begin_anew(venue.now_us, price)
    reopened = venue.out.emit(TradingReopened, None, market.instrument.symbol, price)
    triggers.reopened(venue, market, reopened)
    _release(venue, market, Breaker.BAND, None)


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
    after = sum(shortfall(venue.accounts[number], venue.markets) for number in waited.accounts)
    venue.out.emit(
        BreakerReleased, cause, market.instrument.symbol, breaker, venue.now_us - waited.since_us, len(waited.accounts),
        sum(waited.accounts.values()), after, capped,
    )  # fmt: skip
    for number in waited.accounts:
        venue.watch.release(number)
