"""Market maker: whether to quote, how wide, how much; decided from cost against income, never from the clock.

Per symbol and tick
  sees      the outside price on its own line (lagged), the venue's book, trades, mark and open interest; its fills.
  risk      s = volatility of the outside price, raised when the venue's own is higher (a share per root second).
  width     w = max(normal w * s / normal s, 0.8 s sqrt(horizon)), wider with inventory and with the gap to outside.
  fair      0.8 outside + 0.2 last, leaned against its inventory.
  income    what two-sided flow pays at w.        loss   what one-sided flow costs beyond w, and the price of
            standing there if the crowd of leveraged longs is forced out: it grows with the fall, with the share of
            accounts that are long, with the open interest still there, and as the others' quotes disappear.
  strain    X = the net loss of ten minutes as a share of what it quotes, over the loss it would accept.
Decides
  widen     s, inventory and gap do it by themselves.      thin   size falls with s, with own losses and with X.
  withdraw  X, losses, gap or inventory beyond their bounds for `hold_s`; a stale feed at once.
  return    calm for `return_s`: no new outside low, volatility well below its peak, gap and forced selling small, and
            what flow pays is more than what it costs. Sizes come back over `ramp_s`; the fall counts from there.
Holds     Made to stay (`stay`), a maker never withdraws, and quotes at least `duty_size` of its normal size at most
          `duty_width_pct` from its fair price. Inventory is hedged outside, at the outside price less a cost.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from math import ceil, exp, floor, log, pow, sqrt
from typing import Annotated

from msgspec import Meta, Struct

from producers.labels import AnyLabel, State, changed, returned, withdrew
from producers.market_view import MarketView, SymbolView
from producers.noise import Noise
from producers.shocks import OutsidePath
from stream_engine.messages.events import AnyEvent, PositionDeleveraged, QuoteRejected, Traded
from stream_engine.messages.inputs import Input, MassQuote, QuoteCancel, Side
from stream_engine.messages.topics import Topic

Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]

LEVELS = (1.0, 1.6, 2.6, 4.2, 7.0, 12.0, 20.0, 32.0)
MEMORIES_S = (15.0, 60.0, 300.0)
FLOW_MEMORY_S = 60.0
LOOK_AT_DEPTH_S = 5
BUDGET_MINUTES = 30


class Desk(Struct, frozen=True, forbid_unknown_fields=True):
    """One maker's own parameters. Intervals in seconds.

    share            of the normal depth of every symbol that it quotes.
    horizon_s        how long it expects to hold what it buys.
    boldness         how many times the normal volatility it takes before it shows less size.
    accepts_pct      net loss in ten minutes that it accepts, percent of what it quotes.
    loss_budget_pct  loss in half an hour at which it stops, percent of what it quotes.
    inventory_limit  times the normal size of one of its sides.
    alone            how much it minds being the last one left (exponent of normal depth over depth seen).
    """

    name: str
    capital_usdt: Positive
    share: Share
    horizon_s: Positive
    requote_s: Annotated[int, Meta(ge=1)]
    feed_lag_s: Annotated[int, Meta(ge=0)]
    boldness: Positive
    accepts_pct: Positive
    loss_budget_pct: Positive
    inventory_limit: Positive
    hedge_s: Positive
    feed_age_s: Annotated[int, Meta(ge=1)]
    gap_pct: Positive
    return_gap_pct: Positive
    alone: Annotated[float, Meta(ge=0)]
    hold_s: Annotated[int, Meta(ge=1)]
    return_s: Annotated[int, Meta(ge=1)]
    ramp_s: Positive
    capital_scale: Positive = 1.0


class Makers(Struct, frozen=True, forbid_unknown_fields=True):
    """What all makers have in common.

    stay                made to stay: they widen and thin within their duty, and never withdraw.
    variation           how far a seed moves each maker's tolerance (standard deviation of its logarithm).
    crowd_*             price of forced selling: rate per second at a fall of `crowd_fall_pct` (of the symbol whose
                        volatility is `crowd_volatility_bp`; more for livelier ones), and per turnover of depth by it.
    oi_floor            share of the open interest at the start that is held without danger.
    strain_*            the strain at which a maker withdraws; the time over which it averages.
    calm_strain         strain from two-sided and one-sided flow alone at which quoting pays again.
    calm_volatility     share of the peak since it left to which volatility must have come down before it returns.
    calm_liquidations   forced selling per second, as a share of normal depth, that it calls calm.
    """

    desks: list[Desk]
    stay: bool = False
    duty_size: Share = 0.5
    duty_width_pct: Positive = 0.5
    variation: Annotated[float, Meta(ge=0)] = 0.2
    max_width_pct: Positive = 3.0
    crowd_rate: Annotated[float, Meta(ge=0)] = 8.6e-4
    crowd_loss: Share = 0.2
    crowd_fall_pct: Positive = 5.0
    crowd_volatility_bp: Positive = 0.6
    crowd_flow: Annotated[float, Meta(ge=0)] = 0.008
    oi_floor: Share = 0.457
    fall_memory_s: Positive = 3600.0
    strain_withdraws: Positive = 1.2
    strain_memory_s: Positive = 320.0
    calm_strain: Positive = 0.25
    calm_volatility: Share = 0.65
    calm_liquidations: Positive = 2e-4
    hedge_cost_bp: Annotated[float, Meta(ge=0)] = 2.0


class Scale(Struct, frozen=True):
    """What is normal on a symbol: depth of both sides together, half spread, volatility per root second."""

    depth_usdt: float
    half_spread: float
    volatility: float


class _Line:
    """A maker's state on one symbol. `inventory` is what it has bought since the start, in lots; money in USDT."""

    def __init__(self, symbol: str, scale: Scale, side_usdt: float) -> None:
        self.symbol = symbol
        self.scale = scale
        self.side_usdt = side_usdt
        # The levels are of one size, such that those within 1 % make up its side in normal times.
        self.level_usdt = side_usdt / sum(times * scale.half_spread <= 0.01 for times in LEVELS)
        self.steps = 0
        # the market, as seen from here
        self.outside = 0.0
        self.last = 0
        self.high = 0.0
        self.variances = [scale.volatility**2] * len(MEMORIES_S)
        self.venue_variance = scale.volatility**2
        self.bought = self.sold = self.liquidated = 0.0
        self.first_open_interest = 0
        self.depth_seen = scale.depth_usdt
        # its own affairs
        self.inventory = 0
        self.hedged = 0.0
        self.profit = 0.0
        self.profits: deque[float] = deque([0.0], maxlen=BUDGET_MINUTES)
        self.net_rate = 0.0
        self.flow_rate = 0.0
        # whether it quotes
        self.quoting = True
        self.left_us = 0
        self.widened = self.thinned = False
        self.strained_s = self.calm_s = 0
        self.low = self.peak = 0.0
        self.ramp = 1.0
        # what it quotes: fair price, half width, size of bid and ask
        self.quote_id = 0
        self.quoted_at = -BUDGET_MINUTES * 60
        self.quoted: tuple[float, float, float, float] | None = None
        self.resting = self.refused = False
        self.filled = False

    def volatility(self) -> float:
        """Per root second. The venue's own counts by half, and at most three times the outside's: the last price of an
        empty book would otherwise drive everybody out by itself."""
        outside = max(self.variances)
        return sqrt(outside + 0.5 * min(max(self.venue_variance - outside, 0.0), 3 * outside))

    def recent_loss(self) -> float:
        """How far its profit lies below the best of the last half hour."""
        return max(self.profits) - self.profit


class MarketMaker:
    """One maker with one account."""

    latency_us = 0
    topics = frozenset({Topic.MARKET, Topic.EXECUTIONS, Topic.ADL})

    def __init__(
        self, venue: str, account: int, desk: Desk, makers: Makers, scales: Mapping[str, Scale], view: MarketView,
        path: OutsidePath, noise: Noise,
    ) -> None:  # fmt: skip
        self.name = desk.name
        self.accounts = frozenset({account})
        self.labels: list[AnyLabel] = []
        self.venue = venue
        self._account = account
        self._desk = desk
        self._makers = makers
        self._view = view
        self._path = path
        tolerance = desk.capital_scale * exp(makers.variation * noise.normal(0))
        self._accepts = desk.accepts_pct / 100 * tolerance
        self._loss_budget = desk.loss_budget_pct / 100 * tolerance
        self._inventory_limit = desk.inventory_limit * desk.capital_scale
        self._lines = {
            symbol: _Line(symbol, scale, desk.share * scale.depth_usdt / 2) for symbol, scale in scales.items()
        }

    @property
    def profit_usdt(self) -> float:
        """What it has earned, by its own account."""
        return sum(line.profit for line in self._lines.values())

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Its quotes of this tick: made anew only where price, width or size have moved enough."""
        for event in self._view.take(events):
            self._take(event)
        sent: list[Input] = []
        for symbol, line in self._lines.items():
            view = self._view.symbols[symbol]
            outside, age = self._path.seen(symbol, now_us, self._desk.feed_lag_s)
            self._observe(line, view, outside / view.tick_usdt, age)
            if view.mark == 0:
                continue
            load = self._load(line, view)
            width = self._width(line, view, load)
            strain = self._strain(line, view, width)
            if line.quoting:
                self._consider_leaving(now_us, line, view, strain, age, load)
            else:
                self._consider_returning(now_us, line, view, age)
            if line.resting and (line.refused or not line.quoting):
                # A refused quote leaves the former one standing: it is as stale as the reason to quote anew was good.
                line.resting, line.quoted = False, None
                sent.append(QuoteCancel(self.venue, now_us, self._account, symbol))
            line.refused = False
            if not line.quoting:
                continue
            size = self._size(line, strain)
            self._label_changes(now_us, line, width, size)
            quote = self._quote(line, view, load, width, size)
            if self._differs(line, quote):
                sent.append(self._mass_quote(now_us, line, view, quote))
        return sent

    # seeing -----------------------------------------------------------------------------------------------

    def _take(self, event: AnyEvent) -> None:
        if isinstance(event, Traded):
            buys = (event.taker_side is Side.BUY) == (event.taker == self._account)
            self._book(event.symbol, event.size if buys else -event.size, event.price)
        elif isinstance(event, PositionDeleveraged):
            self._book(event.symbol, event.size, event.price)
        elif isinstance(event, QuoteRejected):
            self._lines[event.symbol].refused = True

    def _book(self, symbol: str, size: int, price: int) -> None:
        line = self._lines[symbol]
        line.inventory += size
        line.filled = True
        line.profit += self._view.symbols[symbol].usdt(size, line.outside - price)

    def _observe(self, line: _Line, view: SymbolView, outside: float, age: int) -> None:
        line.steps += 1
        line.outside = line.outside or outside
        line.high = line.high or outside
        if age <= self._desk.feed_lag_s:
            squared = log(outside / line.outside) ** 2
            line.variances = [
                variance + (squared - variance) / memory
                for variance, memory in zip(line.variances, MEMORIES_S, strict=True)
            ]
            line.profit += view.usdt(line.inventory + line.hedged, outside - line.outside)
            line.outside = outside
        if view.last and line.last:
            line.venue_variance += (log(view.last / line.last) ** 2 - line.venue_variance) / FLOW_MEMORY_S
        line.last = view.last
        line.high = max(outside, line.high - (line.high - outside) / self._makers.fall_memory_s)
        line.bought += (view.bought_usdt - line.bought) / FLOW_MEMORY_S
        line.sold += (view.sold_usdt - line.sold) / FLOW_MEMORY_S
        line.liquidated += (view.liquidated_usdt - line.liquidated) / FLOW_MEMORY_S
        line.first_open_interest = line.first_open_interest or view.open_interest
        # Sell outside what was bought here, a share of the difference every second.
        sold = (line.inventory + line.hedged) / self._desk.hedge_s
        line.hedged -= sold
        line.profit -= view.usdt(abs(sold), line.outside) * self._makers.hedge_cost_bp * 1e-4
        if line.steps % LOOK_AT_DEPTH_S == 0:
            line.depth_seen = view.depth_usdt(0.01)
        if line.steps % 60 == 0:
            line.profits.append(line.profit)

    # judging ----------------------------------------------------------------------------------------------

    def _load(self, line: _Line, view: SymbolView) -> float:
        """Inventory as a share of its limit: below zero when it has sold."""
        return view.usdt(line.inventory, line.outside) / (self._inventory_limit * line.side_usdt)

    def _width(self, line: _Line, view: SymbolView, load: float) -> float:
        """Half the width between its best bid and ask, as a share of the price."""
        volatility = line.volatility()
        width = line.scale.half_spread * max(1.0, volatility / line.scale.volatility)
        width = max(width, 0.8 * volatility * sqrt(self._desk.horizon_s))
        width = width * (1 + 0.75 * min(abs(load), 1.0)) + 0.25 * max(0.0, abs(self._gap(line, view)) - 0.003)
        return min(width, (self._makers.duty_width_pct if self._makers.stay else self._makers.max_width_pct) / 100)

    def _gap(self, line: _Line, view: SymbolView) -> float:
        return view.mark / line.outside - 1

    def _strain(self, line: _Line, view: SymbolView, width: float) -> float:
        """Ten minutes of the net loss that it has come to expect, over what it accepts."""
        quoted = 2 * line.side_usdt
        if not line.quoting:  # an absent maker judges by what the market would pay it
            widest = self._makers.max_width_pct / 100
            width = min(view.half_spread() or widest, widest)
        share, most = self._desk.share, 0.05 * quoted
        one_sided = abs(line.sold - line.bought)
        income = min(share * 2 * min(line.bought, line.sold), most) * width
        imbalance = one_sided / (line.bought + line.sold) if one_sided else 0.0
        move = 0.6 * (1 + imbalance) * line.volatility() * sqrt(30.0)
        loss = min(share * one_sided, most) * max(0.0, move - width)
        line.flow_rate += ((income - loss) / quoted - line.flow_rate) / self._makers.strain_memory_s
        seen = max(line.depth_seen / line.scale.depth_usdt, 0.01)
        loss += quoted * self._crowd_rate(line, view) * self._makers.crowd_loss * pow(seen, -self._desk.alone)
        line.net_rate += ((income - loss) / quoted - line.net_rate) / self._makers.strain_memory_s
        return self._over_ten_minutes(line.net_rate)

    def _over_ten_minutes(self, rate: float) -> float:
        """The loss of ten minutes at this rate (a gain below zero is none) over the loss that it accepts."""
        return 600 * max(0.0, -rate) / self._accepts

    def _crowd_rate(self, line: _Line, view: SymbolView) -> float:
        """Rate per second at which the leveraged longs may be forced out on whoever still bids."""
        makers = self._makers
        liveliness = line.scale.volatility / (makers.crowd_volatility_bp * 1e-4)
        fall = max(0.0, 1 - line.outside / line.high) / (makers.crowd_fall_pct / 100 * pow(liveliness, 0.4))
        crowding = max(0.0, 2 * view.long_share() - 1)
        remaining = view.open_interest / line.first_open_interest if line.first_open_interest else 1.0
        fuel = max(0.0, remaining - makers.oi_floor) / (1 - makers.oi_floor)
        forced = line.liquidated / line.scale.depth_usdt
        return makers.crowd_rate * crowding * fall**3 / (1 + fall**3 / 20) * fuel**2 + makers.crowd_flow * forced

    # staying, leaving, returning --------------------------------------------------------------------------

    def _consider_leaving(
        self, now_us: int, line: _Line, view: SymbolView, strain: float, age: int, load: float
    ) -> None:
        if self._makers.stay:
            return
        reason = ""
        if age > self._desk.feed_age_s:
            reason = "feed"
        elif strain > self._makers.strain_withdraws:
            reason = "strain"
        elif line.recent_loss() > self._loss_budget * 2 * line.side_usdt:
            reason = "losses"
        elif abs(self._gap(line, view)) > self._desk.gap_pct / 100:
            reason = "gap"
        elif abs(load) > 1.5:
            reason = "inventory"
        line.strained_s = line.strained_s + 1 if reason else 0
        if reason == "feed" or line.strained_s >= self._desk.hold_s:
            line.quoting = False
            line.strained_s = line.calm_s = 0
            line.low, line.peak = line.outside, sqrt(line.variances[1])
            line.left_us = now_us
            self.labels.append(withdrew(now_us, self.venue, self.name, line.symbol, reason))

    def _consider_returning(self, now_us: int, line: _Line, view: SymbolView, age: int) -> None:
        makers = self._makers
        now = sqrt(line.variances[1])
        line.peak = max(line.peak, now)
        new_low = line.outside < line.low
        line.low = min(line.low, line.outside)
        calm = (
            not new_low
            and age <= self._desk.feed_lag_s + 1
            and now <= max(makers.calm_volatility * line.peak, 2 * line.scale.volatility)
            and abs(self._gap(line, view)) <= self._desk.return_gap_pct / 100
            and line.liquidated <= makers.calm_liquidations * line.scale.depth_usdt
            and self._over_ten_minutes(line.flow_rate) <= makers.calm_strain
        )
        line.calm_s = line.calm_s + 1 if calm else 0
        if line.calm_s >= self._desk.return_s:
            line.quoting = True
            line.calm_s = 0
            line.ramp = 0.0
            line.net_rate = 0.0
            line.high = line.outside
            line.profits = deque([line.profit], maxlen=BUDGET_MINUTES)
            self.labels.append(returned(now_us, self.venue, self.name, line.symbol, "calm", line.left_us))

    # quoting ----------------------------------------------------------------------------------------------

    def _size(self, line: _Line, strain: float) -> float:
        """Share of its normal size that it shows on a side."""
        line.ramp = min(1.0, line.ramp + 1.0 / self._desk.ramp_s)
        size = min(1.0, self._desk.boldness * line.scale.volatility / line.volatility())
        size *= max(0.1, 1 - line.recent_loss() / (self._loss_budget * 2 * line.side_usdt))
        size *= min(max(1.5 - strain, 0.05), 1.0) * line.ramp
        return max(size, self._makers.duty_size) if self._makers.stay else size

    def _quote(
        self, line: _Line, view: SymbolView, load: float, width: float, size: float
    ) -> tuple[float, float, float, float]:
        """Fair price, half width, size of bid and ask; the side that would add to its inventory is the smaller one."""
        load = min(max(load, -1.0), 1.0)
        fair = 0.8 * line.outside + 0.2 * (view.last or line.outside)
        least = self._makers.duty_size if self._makers.stay else 0.0
        bid, ask = size * (1 - max(load, 0.0)), size * (1 + min(load, 0.0))
        return fair * (1 - 0.5 * width * load), width, max(bid, least), max(ask, least)

    def _differs(self, line: _Line, quote: tuple[float, float, float, float]) -> bool:
        if line.steps - line.quoted_at < self._desk.requote_s:
            return False
        if line.quoted is None or line.filled:
            return True
        fair, width, bid, ask = line.quoted
        return (
            abs(quote[0] - fair) > 0.5 * width * fair
            or abs(quote[1] - width) > 0.2 * width
            or abs(quote[2] - bid) > 0.25 * bid
            or abs(quote[3] - ask) > 0.25 * ask
        )

    def _mass_quote(
        self, now_us: int, line: _Line, view: SymbolView, quote: tuple[float, float, float, float]
    ) -> MassQuote:
        fair, width, bid, ask = quote
        line.quoted = quote
        line.quoted_at = line.steps
        line.filled = False
        line.resting = True
        line.quote_id += 1
        bids = view.lots(bid * line.level_usdt, fair)
        asks = view.lots(ask * line.level_usdt, fair)
        return MassQuote(
            self.venue, now_us, self._account, line.symbol, line.quote_id,
            tuple((price, bids) for price in _ladder(view, fair, -width)) if bids else (),
            tuple((price, asks) for price in _ladder(view, fair, width)) if asks else (),
        )  # fmt: skip

    # telling ----------------------------------------------------------------------------------------------

    def _label_changes(self, now_us: int, line: _Line, width: float, size: float) -> None:
        if not line.widened and width > 2 * line.scale.half_spread:
            line.widened = True
            self._label(now_us, line, State.WIDENED)
        elif line.widened and width < 1.3 * line.scale.half_spread:
            line.widened = False
            self._label(now_us, line, State.NARROWED)
        if not line.thinned and size < 0.8 and line.ramp == 1.0:
            line.thinned = True
            self._label(now_us, line, State.THINNED)
        elif line.thinned and size > 0.95:
            line.thinned = False
            self._label(now_us, line, State.FILLED_UP)

    def _label(self, now_us: int, line: _Line, state: State) -> None:
        self.labels.append(changed(now_us, self.venue, self.name, line.symbol, state))


def _ladder(view: SymbolView, fair: float, width: float) -> list[int]:
    """Prices of the levels on one side, best first, each once; the nearest tick that is no better than meant."""
    step = view.instrument.price_step
    prices: list[int] = []
    for times in LEVELS:
        exact = fair * (1 + width * times) / step
        price = min((floor(exact) if width < 0 else ceil(exact)) * step, view.instrument.max_price // step * step)
        if price > 0 and (not prices or price != prices[-1]):
            prices.append(price)
    return prices
