"""Invariants: what must hold after every input, looked at from scratch. Tests call `check` after each."""

from collections.abc import Iterator

from stream_engine.core.accounts import Account
from stream_engine.core.exchange import Exchange
from stream_engine.core.market import is_paused
from stream_engine.core.order_book import Order, orders_of
from stream_engine.core.position import resting_levels
from stream_engine.core.protection import is_frozen
from stream_engine.core.reduce_only import reducible
from stream_engine.core.venue import Venue
from stream_engine.messages.events import Breaker
from stream_engine.messages.units import MILLION


def check(exchange: Exchange) -> None:
    """Raises AssertionError where the exchange contradicts itself; by full scans, so it is slow."""
    state = exchange.state
    _money_is_conserved(state)
    _margins_stand_with_isolated_positions(state)
    _longs_equal_shorts(state)
    _books_equal_their_orders(state)
    for pool in state.pools.values():
        pool.check()
    _houses_hold_what_pools_took(state)
    state.deficit.check()
    _waiting_orders_are_found(state)
    _nothing_stands_beyond_its_time(state)
    _protections_count_their_fills(state)
    _duties_are_counted_within_their_bounds(state)
    assert state.rules.checks_per_input > 0
    _funding_is_within_its_terms(state)
    state.watch.check()
    assert not state.rankings, "a ranking outlives its round"
    _who_waits_waits_for_a_breaker(state)


def _houses_hold_what_pools_took(state: Venue) -> None:
    for number, pool in state.houses.items():
        house = state.accounts[number]
        assert house is pool.house and house.number == number, pool.name
        assert not house.orders and not house.isolated, pool.name
        held = {symbol: abs(position.size) for symbol, position in house.positions.items() if position.size}
        assert set(held) == set(pool.inherited), pool.name
        assert all(pool.inherited[symbol] >= lots for symbol, lots in held.items()), pool.name


def _money_is_conserved(state: Venue) -> None:
    unopened = [pool.house for pool in state.pools.values() if pool.house.number not in state.accounts]
    held = sum(
        account.wallet + sum(position.margin - position.cost for position in account.positions.values())
        for account in (*state.accounts.values(), *unopened)
    )
    total = held + state.fees + state.deficit.total
    expected = state.paid_in - state.paid_out + state.carried
    assert total == expected, f"money: {total - expected} micro-quote too much"


def _who_waits_waits_for_a_breaker(state: Venue) -> None:
    for number in state.watch.waiting:
        assert number not in state.watch.indebted, number
        assert any(number in wait.accounts for market in state.markets.values() for wait in market.waits.values()), (
            number
        )
    for market in state.markets.values():
        if market.turnover is not None:
            market.turnover.check()
        if market.band is not None:
            market.band.check()
            assert not is_paused(market) or Breaker.BAND in market.waits, market.instrument.symbol


def _funding_is_within_its_terms(state: Venue) -> None:
    for symbol, market in state.markets.items():
        terms, funding = market.instrument, market.funding
        assert (funding is not None) == bool(terms.funding_interval_us), symbol
        if funding is not None:
            assert abs(funding.rate_ppm) <= terms.funding_cap_ppm, (symbol, funding.rate_ppm)
            assert funding.ends_us % terms.funding_interval_us == 0, (symbol, funding.ends_us)
            assert funding.samples >= 0 and (funding.samples or not funding.total), symbol
        assert 1 <= market.mark <= terms.max_price or not market.index, (symbol, market.mark)


def _margins_stand_with_isolated_positions(state: Venue) -> None:
    for account in state.accounts.values():
        positions = account.positions.values()
        assert account.isolated == sum(position.isolated for position in positions), account.number
        for position in positions:
            assert position.isolated or not position.margin, (account.number, position.symbol)
            assert position.size or position.margin <= 0, (account.number, position.symbol)


def _duties_are_counted_within_their_bounds(state: Venue) -> None:
    tiers = {duty.name for duty in state.rules.obligations.duties}
    for place, duty in state.duties.items():
        assert place == (duty.account, duty.symbol) and duty.duty in tiers, place
        assert 0 <= max(duty.met, duty.stressed) <= duty.ticks and duty.rebates >= 0 and duty.called >= 0, place
        assert 0 <= duty.minute_met <= duty.minute_ticks, place
        assert 0 <= duty.required <= duty.ticks * MILLION and 0 <= duty.shortfall_ppm <= MILLION, place


def _longs_equal_shorts(state: Venue) -> None:
    for symbol, market in state.markets.items():
        held = {
            number: account.positions[symbol]
            for number, account in state.accounts.items()
            if symbol in account.positions and account.positions[symbol].size
        }
        assert sum(position.size for position in held.values()) == 0, symbol
        longs = {number for number, position in held.items() if position.size > 0}
        assert longs == set(market.longs) and set(held) - longs == set(market.shorts), symbol
        assert market.open_interest == sum(position.size for position in held.values() if position.size > 0), symbol
        for account in state.accounts.values():
            position = account.positions.get(symbol)
            assert position is None or position.size or not position.cost, (account.number, symbol)


def _books_equal_their_orders(state: Venue) -> None:
    resting: dict[int, Order] = {}
    for market in state.markets.values():
        market.book.check(may_cross=is_paused(market))
        band = market.band
        if band is not None and band.reference and not is_paused(market):
            assert -market.book.bids.best_key <= band.upper, "a bid above the band"
            assert market.book.asks.best_key >= band.lower, "an offer below the band"
        for side in (market.book.bids, market.book.asks):
            for level in side.best_first():
                for order in orders_of(level):
                    resting[order.order_id] = order
    owned: dict[int, Order] = {}
    for account in state.accounts.values():
        open_lots: dict[tuple[str, int], int] = {}
        reducing: dict[str, int] = {}
        for order in _orders_of_account(account):
            assert order.account == account.number, order.order_id
            owned[order.order_id] = order
            if order.reduce_only:
                assert reducible(account.positions[order.symbol], order.sign), order.order_id
                reducing[order.symbol] = reducing.get(order.symbol, 0) + 1
                continue
            where = (order.symbol, order.sign)
            open_lots[where] = open_lots.get(where, 0) + order.size
        for symbol, position in account.positions.items():
            known = (position.buying, position.selling)
            assert known == (open_lots.pop((symbol, 1), 0), open_lots.pop((symbol, -1), 0)), (account.number, symbol)
            assert position.reducing == reducing.get(symbol, 0), (account.number, symbol)
        assert not open_lots, account.number
    for symbol, market in state.markets.items():
        positions = [account.positions[symbol] for account in state.accounts.values() if symbol in account.positions]
        assert market.protected == sum(position.protection is not None for position in positions), symbol
        assert market.reducing == sum(order.reduce_only for order in resting.values() if order.symbol == symbol), symbol
    assert set(resting) == set(owned), set(resting) ^ set(owned)


def _waiting_orders_are_found(state: Venue) -> None:
    known = set(state.triggered)
    for market in state.markets.values():
        market.by_mark.check(None if state.halted or is_paused(market) else market.mark)
        market.by_last.check(None if is_paused(market) else market.last)
        for index in (market.by_mark, market.by_last):
            assert not known & set(index.waiting), market.instrument.symbol
            known |= set(index.waiting)
    owned = set()
    for account in state.accounts.values():
        assert not set(account.waiting) & set(account.orders), account.number
        for client_id, waiting in account.waiting.items():
            assert (waiting.order.account, waiting.order.client_id) == (account.number, client_id), client_id
            owned.add(waiting.order_id)
    assert known == owned, known ^ owned
    for order_id, (number, client_id, _) in state.triggered.items():
        assert state.accounts[number].waiting[client_id].order_id == order_id, order_id


def _nothing_stands_beyond_its_time(state: Venue) -> None:
    assert all(
        state.expiring[child // 2 - (child % 2 == 0)] <= state.expiring[child]
        for child in range(1, len(state.expiring))
    )
    noted = {(number, client_id, order_id): us for us, number, client_id, _, order_id in state.expiring}
    for account in state.accounts.values():
        order_ids = {client_id: order.order_id for client_id, order in account.orders.items()}
        order_ids |= {client_id: waiting.order_id for client_id, waiting in account.waiting.items()}
        for client_id, order_id in order_ids.items():
            expires_us = account.answers[client_id].place.expires_us
            assert noted.get((account.number, client_id, order_id)) == expires_us, client_id
            assert expires_us is None or state.now_us <= expires_us, client_id


def _protections_count_their_fills(state: Venue) -> None:
    for account in state.accounts.values():
        for symbol, position in account.positions.items():
            protection = position.protection
            if protection is not None:
                lots = [filled for _, filled in protection.fills]
                assert (protection.filled, protection.balance) == (sum(map(abs, lots)), sum(lots)), symbol
                assert not is_frozen(position, state.now_us) or not resting_levels(position), symbol


def _orders_of_account(account: Account) -> Iterator[Order]:
    for client_id, order in account.orders.items():
        assert order.client_id == client_id, client_id
        yield order
    for position in account.positions.values():
        yield from resting_levels(position)
