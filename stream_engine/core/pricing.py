"""Pricing: index and mark are made anew, and everybody is told.

When      at each clock tick, at each price that comes in, and between the rounds of a cascade; several symbols of
          one input are all set before anybody is looked at.
"""

from stream_engine.core.mark_price import mark_price
from stream_engine.core.market import Market
from stream_engine.core.triggers import mark_moved
from stream_engine.core.venue import Venue
from stream_engine.messages.events import Cause, MarkPriceChanged


def reprice(venue: Venue, market: Market, cause: Cause | None) -> None:
    """Make the index and the mark of one symbol anew."""
    index = market.index_price.value(venue.now_us) or market.index
    if not index:
        return
    mark = mark_price(index, market.basis.mean(), market.last, market.instrument.mark)
    if mark == market.mark and index == market.index:
        return
    is_first = not market.mark
    if mark != market.mark:
        market.previous_mark = market.mark
    market.index, market.mark = index, mark
    market.moved = venue.out.emit(MarkPriceChanged, cause, market.instrument.symbol, mark, index, market.last)
    if is_first:
        for holders in (market.longs, market.shorts):
            for number in holders:
                venue.touch(venue.accounts[number], market.instrument.symbol)
    if market.by_mark.waiting:
        mark_moved(venue, market)
    venue.watch.mark_moved(market.instrument.symbol)
