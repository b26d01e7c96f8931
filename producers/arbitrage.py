"""Arbitrage: one firm with an account on every venue takes what is dearer or cheaper than elsewhere.

Order     symbol by symbol: 1 venue against venue  2 each venue that had no part in that against outside spot.
Venues    where one venue's best ask lies more than `between_bp` below another's best bid: buys there and sells here in
          the same tick, both immediate, of both the same, and no further than to half the threshold on either side of
          the middle. The legs are not tied: what one of them misses stays as inventory.
Outside   where a venue's best price lies more than `threshold_bp` beyond outside spot. What it holds on a venue it
          holds the other way round outside.
Limits    inventory of a symbol on a venue: `capacity` of its open interest. It is given back within `unwind_s`, outside
          and here together (so it does not trade here), which frees capacity.
          money on a venue: what stands there as margin of all that it took on. What is lost on one venue is won on
          another, so money must follow: it comes back no faster than `transfer_usdt_a_minute`.
Waits     while a symbol is halted or paused; against outside while that has been silent for more than two seconds.
"""

from collections.abc import Mapping, Sequence
from math import ceil, floor

from msgspec import Struct

from producers.labels import AnyLabel
from producers.market_view import MarketView, SymbolView
from producers.participant import NotNegative, Positive, Sized
from stream_engine.messages.events import AnyEvent, PositionDeleveraged, Traded
from stream_engine.messages.inputs import Input, Place, Side, TimeInForce
from stream_engine.messages.topics import Topic

FRESH_S = 2


class Arbitrage(Struct, frozen=True, forbid_unknown_fields=True):
    """How arbitrageurs trade.

    threshold_bp, between_bp   a gap to outside spot, and one between two venues, that is worth taking.
    capacity                   of the open interest may be bought or sold on a venue.
    slice_of_depth             of the normal depth is the most it trades in one tick.
    leverage                   at which it takes inventory on.
    transfer_usdt_a_minute     money that comes back to a venue; 0: it may have all that its capacity needs at any time.
    """

    threshold_bp: Positive = 27.0
    between_bp: Positive = 20.0
    capacity: NotNegative = 0.02
    unwind_s: Positive = 600.0
    slice_of_depth: Positive = 0.01
    leverage: Positive = 2.0
    transfer_usdt_a_minute: NotNegative = 0.0


class Branch(Struct, frozen=True):
    """The firm on one venue: what it sees of it, and what is normal there on each symbol."""

    view: MarketView
    sizes: Mapping[str, Sized]


class _Post:
    """One symbol on one venue. `used`: what it has bought (sold: below zero) and not given back, in USDT."""

    def __init__(self, venue: str, symbol: str, view: SymbolView, size: Sized, arbitrage: Arbitrage) -> None:
        self.venue = venue
        self.symbol = symbol
        self.view = view
        self.most = arbitrage.slice_of_depth * size.depth_usdt
        self.capacity = arbitrage.capacity * size.open_interest_usdt
        self.used = 0.0

    def room(self, sign: int) -> float:
        """USDT that it may still buy (+1) or sell (-1) by its inventory."""
        return max(0.0, min(self.most, self.capacity - sign * self.used))


class Arbitrageurs:
    """The firm: an account for each symbol, of the same number on every venue."""

    name = "arbitrage"
    latency_us = 0
    topics = frozenset({Topic.EXECUTIONS, Topic.ADL})
    labels: tuple[AnyLabel, ...] = ()

    def __init__(self, accounts: Mapping[str, int], branches: Mapping[str, Branch], arbitrage: Arbitrage) -> None:
        self.accounts = frozenset(accounts.values())
        self.venue = next(iter(branches))
        self.hears = frozenset(branches)
        self.views = tuple(branch.view for branch in branches.values())
        self._accounts = accounts
        self._arbitrage = arbitrage
        self._posts = {
            symbol: {
                venue: _Post(venue, symbol, branch.view.symbols[symbol], branch.sizes[symbol], arbitrage)
                for venue, branch in branches.items()
                if symbol in branch.sizes
            }
            for symbol in accounts
        }
        # Money of each venue that stands behind nothing, beyond the margin of what it has on; all of it at the start.
        self._whole = dict.fromkeys(branches, 0.0)
        for posts in self._posts.values():
            for post in posts.values():
                self._whole[post.venue] += post.capacity / arbitrage.leverage
        self._free = dict(self._whole)
        self._orders = 0

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Takes what crosses its thresholds, as far as inventory and money go."""
        for event in events:
            if isinstance(event, Traded):
                buys = (event.taker_side is Side.BUY) == (event.taker == self._accounts[event.symbol])
                self._took_on(event.venue, event.symbol, event.size if buys else -event.size, event.price)
            elif isinstance(event, PositionDeleveraged):
                self._took_on(event.venue, event.symbol, event.size, event.price)
        transferred = self._arbitrage.transfer_usdt_a_minute / 60
        for venue, whole in self._whole.items():
            self._free[venue] = min(whole, self._free[venue] + transferred)
        sent: list[Input] = []
        for symbol, posts in self._posts.items():
            for post in posts.values():
                post.used *= 1 - 1 / self._arbitrage.unwind_s
            open_posts = [post for post in posts.values() if post.view.mark and post.view.trading]
            legs = self._between(now_us, symbol, open_posts)
            sent.extend(legs)
            taken = {leg.venue for leg in legs}
            for post in open_posts:
                if post.venue not in taken:
                    sent.extend(self._against_outside(now_us, post))
        return sent

    def _took_on(self, venue: str, symbol: str, lots: int, price: int) -> None:
        """It has bought so many lots; more inventory takes money on the venue, less of it gives that back."""
        post = self._posts[symbol][venue]
        before = abs(post.used)
        post.used += post.view.usdt(lots, price)
        self._free[venue] -= (abs(post.used) - before) / self._arbitrage.leverage

    def _room(self, post: _Post, sign: int) -> float:
        """USDT that it may buy (+1) or sell (-1): by its inventory, and by the money that is there."""
        room = post.room(sign)
        if self._arbitrage.transfer_usdt_a_minute:
            closes = max(0.0, -sign * post.used)
            room = min(room, closes + max(0.0, self._free[post.venue]) * self._arbitrage.leverage)
        return room

    def _between(self, now_us: int, symbol: str, posts: Sequence[_Post]) -> list[Place]:
        """Both legs between the cheapest ask and the dearest bid, where that is worth it."""
        asks = [(best * post.view.tick_usdt, post.venue, post) for post in posts if (best := post.view.best_ask())]
        bids = [(best * post.view.tick_usdt, post.venue, post) for post in posts if (best := post.view.best_bid())]
        if not asks or not bids:
            return []
        (ask, _, cheap), (bid, _, dear) = min(asks), max(bids)
        threshold = self._arbitrage.between_bp * 1e-4
        if bid <= ask * (1 + threshold):
            return []
        middle = (ask + bid) / 2
        to_buy, to_sell = middle * (1 - threshold / 2), middle * (1 + threshold / 2)
        buy_step, sell_step = cheap.view.instrument.price_step, dear.view.instrument.price_step
        buy_limit = floor(to_buy / cheap.view.tick_usdt / buy_step) * buy_step
        sell_limit = ceil(to_sell / dear.view.tick_usdt / sell_step) * sell_step
        offered = sum(size for price, size in cheap.view.asks.items() if price <= buy_limit)
        wanted = sum(size for price, size in dear.view.bids.items() if price >= sell_limit)
        usdt = min(
            self._room(cheap, 1), self._room(dear, -1),
            cheap.view.usdt(offered, cheap.view.mark), dear.view.usdt(wanted, dear.view.mark),
        )  # fmt: skip
        buys, sells = cheap.view.lots(usdt, cheap.view.mark), dear.view.lots(usdt, dear.view.mark)
        if not buys or not sells:
            return []
        return [self._order(now_us, cheap, buys, buy_limit), self._order(now_us, dear, -sells, sell_limit)]

    def _against_outside(self, now_us: int, post: _Post) -> list[Place]:
        """What lies beyond the outside price and the threshold."""
        view = post.view
        if not view.outside or view.outside_age_s(now_us) > FRESH_S:
            return []
        outside, threshold = float(view.outside), self._arbitrage.threshold_bp * 1e-4
        bid, ask = view.best_bid(), view.best_ask()
        if ask is not None and ask < outside * (1 - threshold):
            sign, limit = 1, view.ticks(outside * (1 - threshold))
        elif bid is not None and bid > outside * (1 + threshold):
            sign, limit = -1, view.ticks(outside * (1 + threshold))
        else:
            return []
        lots = view.lots(self._room(post, sign), outside)
        if not lots or sign * (outside - limit) <= 0:
            return []
        return [self._order(now_us, post, sign * lots, limit)]

    def _order(self, now_us: int, post: _Post, lots: int, limit: int) -> Place:
        self._orders += 1
        side = Side.BUY if lots > 0 else Side.SELL
        account = self._accounts[post.symbol]
        return Place(
            post.venue, now_us, account, str(self._orders), post.symbol, side, abs(lots), limit, TimeInForce.IOC
        )
