"""Pricing: index and mark are made anew, and everybody is told.

When      at each clock tick, at each price that comes in, and between the rounds of a cascade; several symbols of
          one input are all set before anybody is looked at.
Samples   of basis, premium and Hyperliquid's means are taken at clock ticks only, before the mark is made.
"""

from stream_engine.core.funding_rate import funded_index
from stream_engine.core.mark_price import (
    bounded_mark,
    hyperliquid_mark,
    median_mark,
    touch_price,
    weighted_median,
)
from stream_engine.core.market import Market
from stream_engine.core.triggers import mark_moved
from stream_engine.core.venue import Venue
from stream_engine.messages.events import Cause, MarkPriceChanged


def sample(venue: Venue, market: Market) -> None:
    """Take the samples of a clock tick."""
    now_us = venue.now_us
    index = market.index_price.value(now_us) or market.index
    if index:
        doubled_mid = market.book.doubled_mid()
        market.basis.sample(now_us, doubled_mid, index)
        if market.funding is not None:
            market.funding.sample(doubled_mid, index)
        if market.means is not None:
            market.means.sample(now_us, market.book, index, market.last)


def reprice(venue: Venue, market: Market, cause: Cause | None) -> None:
    """Make the index and the mark of one symbol anew."""
    index = market.index_price.value(venue.now_us) or market.index
    if not index:
        return
    mark = max(1, min(market.instrument.max_price, mark_price(market, index, venue.now_us)))
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


def mark_price(market: Market, index: int, now_us: int) -> int:
    """The mark in ticks that the instrument asks for, at an index."""
    instrument = market.instrument
    match instrument.mark:
        case "median":
            return median_mark(_funded(market, index, now_us), index + market.basis.mean(), market.last or index)
        case "fair":
            return _funded(market, index, now_us)
        case "moving-average":
            return bounded_mark(index, market.basis.mean(), instrument.mark_bound_ppm)
        case "hyperliquid":
            assert market.means is not None
            with_basis = index + (market.means.basis.mean() or 0)
            others = weighted_median(market.index_price.others(now_us))
            touch = touch_price(market.book, market.last)
            return hyperliquid_mark(with_basis, touch, others, market.means.touch.mean())
        case _:
            return index


def _funded(market: Market, index: int, now_us: int) -> int:
    funding = market.funding
    if funding is None or not funding.rate_ppm:
        return index
    left_us = max(0, funding.ends_us - now_us)
    return funded_index(index, funding.rate_ppm, left_us, market.instrument.funding_interval_us)
