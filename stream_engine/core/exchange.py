"""Exchange: the state machine of one venue, `apply(input) -> events`.

It orders the mechanisms and contains none. For every input:
1  the venue's time moves (only a clock tick moves it freely; what is stamped over 1 s past the last is refused)
2  what has expired by then is cancelled (expiry)
3  while trading is halted, what would trade or pay out is refused (halt), and so is what comes over its account's
   rate_limit; else the input does what it does: control, order_entry, quotes, protection, or prices that make index and
   mark anew (pricing)
4  the cascade, unless trading is halted: while somebody may be below maintenance (margin_watch), rounds of
   a  all accounts with a crossed watch are checked exactly, at most `checks_per_input` of them per input; those below
      maintenance for which a breaker is on wait until it is released (circuit_breaker)
   b  the others below maintenance are liquidated in the order of their ids, each checked once more at its turn: of an
      account the cross portfolio, then its isolated positions, as far as they are below
   c  where somebody was, the marks of all symbols that traded since theirs was made are made anew, as listed
   and when nobody is left, a pool of the fund that is worth less than nothing is closed (inheritance), and they go on
5  what input and cascade have triggered enters the book (triggers), and the cascade goes on, until there is neither.
   What the bound of 4 leaves of both goes on at the venue's next input.
6  the changed levels of each book are published.

It knows no offsets, topics, clock or bytes, and never raises for what a participant did wrong.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from stream_engine.core import (
    amend,
    circuit_breaker,
    control,
    drawdown,
    expiry,
    halt,
    inheritance,
    margin_mode,
    obligations,
    order_entry,
    presence,
    protection,
    quotes,
    rate_limit,
)
from stream_engine.core.accounts import is_liquidatable, is_marked
from stream_engine.core.funding import settle_funding
from stream_engine.core.liquidation import liquidate
from stream_engine.core.market import Market
from stream_engine.core.order_entry import price_refusal
from stream_engine.core.pricing import reprice, sample
from stream_engine.core.reports import report_adl_queue, report_open_interest, report_resting_orders
from stream_engine.core.venue import Venue
from stream_engine.messages.events import (
    AmendRejected,
    AnyEvent,
    BookChanged,
    CancelRejected,
    Cause,
    ClockTicked,
    NewsPublished,
    OrderRejected,
    QuoteRejected,
    SourcePriced,
)
from stream_engine.messages.inputs import (
    Amend,
    AnyInput,
    Cancel,
    CancelAll,
    ClockTick,
    DeclareStress,
    Deposit,
    HaltTrading,
    IndexPrices,
    ListInstrument,
    MapVenue,
    MassQuote,
    MoveMargin,
    OpenAccounts,
    Place,
    PriceShock,
    QuoteCancel,
    ResumeTrading,
    SeedFund,
    SeedPositions,
    SetDuty,
    SetLeverage,
    SetMarginMode,
    SetProtection,
    SetRules,
    Withdraw,
)
from stream_engine.messages.instrument import OWN_TRADES
from stream_engine.messages.refusals import Reject

AHEAD_ALLOWED_US = 1_000_000
MINUTE_US = 60_000_000
# So many of either side are a record that a log takes (1 MB), whatever their prices and sizes.
LEVELS_PER_EVENT = 10_000


class Exchange:
    """One venue. `state` is everything it knows; the same inputs always give the same events."""

    __slots__ = ("_mechanisms", "state")

    def __init__(self, venue: str) -> None:
        self.state = Venue(venue)
        self._mechanisms: dict[type, Callable[[Any], None]] = {
            Place: self._with_state(order_entry.place),
            Amend: self._with_state(amend.amend),
            Cancel: self._with_state(order_entry.cancel),
            CancelAll: self._with_state(order_entry.cancel_all),
            MassQuote: self._with_state(quotes.mass_quote),
            QuoteCancel: self._with_state(order_entry.quote_cancel),
            IndexPrices: self._set_prices,
            PriceShock: self._shock,
            ClockTick: self._tick,
            MapVenue: _nothing,
            SetRules: self._with_state(control.set_rules),
            ListInstrument: self._with_state(control.list_instrument),
            OpenAccounts: self._with_state(control.open_accounts),
            Deposit: self._with_state(control.deposit),
            Withdraw: self._with_state(control.withdraw),
            SetLeverage: self._with_state(margin_mode.set_leverage),
            SetMarginMode: self._with_state(margin_mode.set_margin_mode),
            MoveMargin: self._with_state(margin_mode.move_margin),
            SetProtection: self._with_state(protection.set_protection),
            SeedPositions: self._with_state(control.seed_positions),
            SeedFund: self._with_state(control.seed_fund),
            SetDuty: self._with_state(obligations.set_duty),
            DeclareStress: self._with_state(obligations.declare_stress),
            HaltTrading: self._with_state(halt.halt_trading),
            ResumeTrading: self._with_state(halt.resume_trading),
        }

    @property
    def venue(self) -> str:
        """The venue's name."""
        return self.state.name

    @property
    def seq(self) -> int:
        """The number that the next input gets."""
        return self.state.out.seq + 1

    def apply(self, received: AnyInput) -> list[AnyEvent]:
        """Take one input; returns what changed, in order."""
        state = self.state
        assert received.venue == state.name, received.venue
        ts_us, ticked_us = received.ts_us, state.ticked_us
        late = ticked_us is not None and ts_us > ticked_us + AHEAD_ALLOWED_US
        if late and type(received) is not ClockTick:
            state.out.begin(state.now_us)
            ahead_us = ts_us - (ticked_us or 0)
            self._refuse(received, Reject.TIMESTAMP_IN_FUTURE, f"{ahead_us} us past the last clock tick")
        else:
            if ts_us > state.now_us:
                state.now_us = ts_us
            state.out.begin(state.now_us)
            if state.expiring and state.expiring[0][0] < state.now_us:
                expiry.expire(state)
            if state.halted and halt.waits(state, received):
                self._refuse(received, Reject.TRADING_HALTED)
            elif state.rules.orders.rate_limit and not rate_limit.takes(state, received):
                self._refuse(received, Reject.RATE_LIMITED)
            else:
                self._mechanisms[type(received)](received)
        if state.dirty:
            state.watch_touched()
        watch = state.watch
        if (watch.owed or watch.indebted or watch.released or state.triggered or state.houses) and not state.halted:
            self._run_its_course()
        if state.booked:
            self._publish_books()
        return state.out.events

    def _run_its_course(self) -> None:
        state = self.state
        budget = state.rules.checks_per_input
        while budget:
            if state.watch.owed or state.watch.indebted or state.watch.released or state.houses:
                budget = self._cascade(budget)
            entering = min(budget, len(state.triggered))
            if not entering:
                return
            budget -= entering
            for _ in range(entering):
                number, client_id, cause = next(iter(state.triggered.values()))
                account = state.accounts[number]
                order_entry.enter_triggered(state, account, account.waiting[client_id], cause)
            self._make_marks_of_what_traded()

    def _cascade(self, budget: int) -> int:
        state = self.state
        while budget:
            crossed = state.watch.crossed(budget)
            if not crossed:
                if not state.houses or not inheritance.close_bankrupt(state):
                    break
                self._make_marks_of_what_traded()
                continue
            budget -= len(crossed)
            doomed = []
            for number in crossed:
                account = state.accounts[number]
                if number in state.watch.put_off or not (account.isolated or is_marked(account, state.markets)):
                    continue
                if not is_liquidatable(account, state.markets):
                    state.watch.split(account)
                elif circuit_breaker.is_on(state, account):
                    circuit_breaker.wait(state, account)
                else:
                    doomed.append(number)
            for number in doomed:
                account = state.accounts[number]
                if is_liquidatable(account, state.markets) and circuit_breaker.may_go(state, account):
                    liquidate(state, account)
                else:
                    state.watch.split(account)
            if not doomed:  # a watch that was only near is no round: no price may depend on how the watch is kept
                continue
            self._make_marks_of_what_traded()
        return budget

    def _make_marks_of_what_traded(self) -> None:
        state = self.state
        state.watch_touched()
        for market in state.markets.values():
            if market.printed is not None:
                self._make_mark(market, market.printed)
        state.watch_touched()

    def _make_mark(self, market: Market, cause: Cause | None) -> None:
        reprice(self.state, market, cause)
        market.printed = None
        if market.freeze is not None:
            circuit_breaker.look_at_feeds(self.state, market, market.freeze)

    def _tick(self, received: ClockTick) -> None:
        state = self.state
        is_new_minute = state.ticked_us is None or received.ts_us // MINUTE_US > state.ticked_us // MINUTE_US
        before_us, state.ticked_us = state.ticked_us, max(received.ts_us, state.ticked_us or 0)
        state.forget_answers()
        state.watch.wake()
        state.out.emit(ClockTicked, None)
        for market in state.markets.values():
            circuit_breaker.arm(state, market)
            sample(state, market)
            self._make_mark(market, None)
        for market in state.markets.values():
            circuit_breaker.tick(state, market)
        for market in state.markets.values():
            if market.funding is not None:
                settle_funding(state, market, market.funding)
        inheritance.count(state)
        drawdown.tick(state)
        if state.duties:
            if is_new_minute:
                presence.end_minute(state)
            obligations.measure(state, before_us)
        if is_new_minute:
            expiry.throw_away_stale(state)
        for market in state.markets.values():
            report_open_interest(state, market)
            if is_new_minute:
                report_resting_orders(state, market)
                if market.mark:
                    report_adl_queue(state, market, 1)
                    report_adl_queue(state, market, -1)
        if state.houses and not state.halted:
            inheritance.unwind(state)

    def _shock(self, received: PriceShock) -> None:
        if self._prices_taken(received):
            self.state.out.emit(NewsPublished, None, received.label, received.headline)
            self._see(received)

    def _set_prices(self, received: IndexPrices) -> None:
        if self._prices_taken(received):
            self._see(received)

    def _see(self, received: IndexPrices | PriceShock) -> None:
        state = self.state
        if received.prices:
            state.out.emit(SourcePriced, None, received.source, received.prices)
        for symbol, price in received.prices:
            state.markets[symbol].index_price.see(received.source, price, received.ts_us)
        for symbol, _ in received.prices:
            self._make_mark(state.markets[symbol], None)

    def _prices_taken(self, received: IndexPrices | PriceShock) -> bool:
        refusal = control.first_refusal(self._price_refusals(received))
        if refusal is not None:
            control.refuse(self.state, received, *refusal)
        return refusal is None

    def _price_refusals(self, received: IndexPrices | PriceShock) -> Iterator[tuple[Reject, str]]:
        for symbol, price in received.prices:
            where = f"{received.source}, {symbol}: {price}"
            market = self.state.markets.get(symbol)
            if market is None:
                yield Reject.UNKNOWN_SYMBOL, where
            elif received.source == OWN_TRADES or received.source not in market.index_price.sightings:
                yield Reject.UNKNOWN_SOURCE, where
            elif market.index_price.is_overtaken(received.source, received.ts_us):
                yield Reject.STALE_PRICE, where
            else:
                reason = price_refusal(market, price)
                if reason is not None and reason is not Reject.PRICE_OFF_TICK:  # the grid is for orders
                    yield reason, where

    def _refuse(self, received: AnyInput, reason: Reject, detail: str = "") -> None:
        emit = self.state.out.emit
        match received:
            case Place():
                emit(OrderRejected, None, received.account, received.client_id, received.symbol, reason)
            case Amend():
                emit(AmendRejected, None, received.account, received.client_id, reason)
            case Cancel():
                emit(CancelRejected, None, received.account, received.client_id, reason)
            case CancelAll() | QuoteCancel():
                emit(CancelRejected, None, received.account, None, reason)
            case MassQuote():
                emit(QuoteRejected, None, received.account, received.symbol, received.quote_id, reason)
            case _:
                control.refuse(self.state, received, reason, detail)

    def _publish_books(self) -> None:
        state, out = self.state, self.state.out
        for symbol in state.booked:
            book = state.markets[symbol].book
            bids = book.bids.take_changed() if book.bids.changed else ()
            asks = book.asks.take_changed() if book.asks.changed else ()
            while len(bids) > LEVELS_PER_EVENT or len(asks) > LEVELS_PER_EVENT:
                out.emit(BookChanged, None, symbol, bids[:LEVELS_PER_EVENT], asks[:LEVELS_PER_EVENT])
                bids, asks = bids[LEVELS_PER_EVENT:], asks[LEVELS_PER_EVENT:]
            if bids or asks:
                n = len(out.events)
                out.events.append(BookChanged(out.venue, out.seq, n, out.now_us, None, symbol, bids, asks))
        state.booked = {}

    def _with_state(self, mechanism: Callable[[Venue, Any], None]) -> Callable[[Any], None]:
        return partial(mechanism, self.state)


def _nothing(received: AnyInput) -> None:
    """The map of the venues is the engine's business; here it only counts as an input."""
