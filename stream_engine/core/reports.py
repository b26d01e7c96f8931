"""Reports: what the venue says of itself with the clock, so that a late reader can start there.

Each tick    open interest and the number of accounts on either side, where they changed.
Each minute  (at its first tick, and at the first of all; before what that tick's cascade does)
             every resting order with its owner, and the head of each side's ADL queue with its lights.
"""

from stream_engine.core.adl.candidate import score_ppm
from stream_engine.core.adl.census import Census
from stream_engine.core.adl.lights import by_quantity, thresholds_ppm
from stream_engine.core.adl.policies import POLICIES
from stream_engine.core.adl.queue import holders
from stream_engine.core.deleveraging import lights_of
from stream_engine.core.market import Market
from stream_engine.core.matching import side_of
from stream_engine.core.order_book import BookSide, orders_of
from stream_engine.core.venue import Venue
from stream_engine.messages.events import AdlQueueRanked, OpenInterestChanged, OrdersResting

# So many of either side, whatever their owners called them, are a record that a log takes (1 MB).
ORDERS_PER_EVENT = 1_500
QUEUE_HEAD = 20

Resting = tuple[int, int, str, int, int]


def report_open_interest(venue: Venue, market: Market) -> None:
    """Open interest, if it changed since the last time."""
    now = (market.open_interest, len(market.longs), len(market.shorts))
    if now != market.reported:
        market.reported = now
        venue.out.emit(OpenInterestChanged, None, market.instrument.symbol, *now)


def report_resting_orders(venue: Venue, market: Market) -> None:
    """All resting orders of a symbol, in parts."""
    bids, asks = _resting(market.book.bids), _resting(market.book.asks)
    parts = max(1, -(-max(len(bids), len(asks)) // ORDERS_PER_EVENT))
    for part in range(parts):
        cut = slice(part * ORDERS_PER_EVENT, (part + 1) * ORDERS_PER_EVENT)
        venue.out.emit(OrdersResting, None, market.instrument.symbol, part, parts, bids[cut], asks[cut])


def report_adl_queue(venue: Venue, market: Market, sign: int) -> None:
    """Who would be deleveraged first on one side; nobody, where the policy has no rank."""
    policy = POLICIES[venue.rules.adl.policy]
    symbol, side = market.instrument.symbol, side_of(sign)
    if policy.score is None:
        venue.out.emit(AdlQueueRanked, None, symbol, side, len(holders(market, sign)), (), ())
        return
    counts_lots = policy.lights is by_quantity
    census = Census(market, sign, venue.accounts, venue.markets, policy.score, counts_lots)
    first = [census[place] for place in range(min(QUEUE_HEAD, len(census)))]
    head = tuple(
        (candidate.account.number, candidate.position.size, score_ppm(candidate), lights_of(policy, candidate, census))
        for candidate in first
    )
    thresholds = thresholds_ppm(census, policy.lights)
    venue.out.emit(AdlQueueRanked, None, symbol, side, census.positions, thresholds, head)


def _resting(side: BookSide) -> tuple[Resting, ...]:
    return tuple(
        (order.account, order.order_id, order.client_id, order.price, order.size)
        for level in side.best_first()
        for order in orders_of(level)
    )
