"""Market maker: a firm that quotes on several venues; whether, how wide and how much follows from what it pays.

Per venue and symbol (a line)
  sees      the venue's book, trades, mark, open interest and what the outside source said, all as old as its own line;
            its fills; the marks of the other venues; who else still quotes, where that is public.
  risk      s = volatility of the outside price, raised when the venue's own is higher (a share per root second).
  weighs    income of two-sided flow and rebates against the loss of one-sided flow and of the crowd's forced selling
            (producers.quoting). What leaving would cost in duties counts for staying.
  strain    X = the net loss of ten minutes as a share of what it quotes, over the loss it would accept.
Decides
  widen     s, inventory and gap do it by themselves.      thin   size falls with s, with own losses and with X.
  protect   the venue takes its quote away once it is hit too much too fast (market-maker protection): the lawful first
            step. It comes back with half its size.
  withdraw  X, losses, gap or inventory beyond their bounds for `hold_s`, or because the gap to outside pays better than
            quoting; a stale feed at once. Who arbitrages takes what is dearer or cheaper than outside instead.
  return    calm for `return_s`: no new outside low, volatility well below its peak, gap and forced selling small, and
            what flow pays is more than what it costs. Sizes come back over `ramp_s`; the fall counts from there.
Modes     independent      same news, own decisions.
          coordinated      all leave at an agreed signal: a fall of `agreed_fall_pct` from the high.
          stay             nobody withdraws: `duty_size` of the normal size or more, within `duty_width_pct` of fair.
          one-stays        `who` stays, the others decide for themselves.
          one-firm-outage  the machines of `who` fail for `outage_s`, after a wait by chance; nothing else is wrong.
Holds     Nothing here reads the clock but for the age of a price. Inventory is hedged outside, at the outside price
          less a cost that rises with volatility.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum
from math import ceil, exp, floor, log, pow, sqrt
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from producers import quoting
from producers.labels import AnyLabel, Arbitrage, BenignOutage, Protection, State, changed, returned, withdrew
from producers.market_view import SECOND_US, MarketView, SymbolView
from producers.noise import Noise
from producers.quoting import Crowding, Scale
from stream_engine.messages.events import (
    AnyEvent,
    PositionDeleveraged,
    ProtectionTriggered,
    QuoteRejected,
    Traded,
)
from stream_engine.messages.inputs import (
    Input,
    MassQuote,
    Place,
    QuoteCancel,
    SetProtection,
    Side,
    TimeInForce,
)
from stream_engine.messages.topics import Topic

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
AtLeastOne = Annotated[int, Meta(ge=1)]

LEVELS = (1.0, 1.4, 2.0, 2.8, 3.8, 5.0, 6.5, 8.0)
MEMORIES_S = (15.0, 60.0, 300.0)
OF_A_SECOND = [1 / memory for memory in MEMORIES_S]  # what one second counts
FLOW_MEMORY_S = 60.0
# A line is judged this often, each in its turn; its price is looked at every second.
JUDGED_EVERY_S = 3
BUDGET_MINUTES = 30
# At full inventory its fair price leans by this share of its half width.
LEAN = 0.5
# Who keeps a duty quotes no wider than this share of the duty's spread from fair, and so much more than its size: the
# mid of the book is not its fair price, and a bid lies below it.
DUTY_WIDTH = 0.25
DUTY_SPARE = 1.1
# So much lower, as a share, is a new low of the outside price and no noise.
NEW_LOW = 1e-3


class Mode(Enum):
    """How the makers of a run go about leaving."""

    INDEPENDENT = "independent"
    COORDINATED = "coordinated"
    STAY = "stay"
    ONE_STAYS = "one-stays"
    ONE_FIRM_OUTAGE = "one-firm-outage"


class Desk(Struct, frozen=True, forbid_unknown_fields=True):
    """One maker's own parameters. Intervals in seconds.

    capital_usdt     over all venues.       share   of the normal depth of every symbol that it quotes.
    horizon_s        how long it expects to hold what it buys.
    feed_lag_s       how late it sees everything.
    boldness         how many times the normal volatility it takes before it shows less size.
    accepts_pct      net loss in ten minutes that it accepts, percent of what it quotes.
    loss_budget_pct  loss in half an hour at which it stops, percent of what it quotes.
    inventory_limit  times the normal size of one of its sides.
    hedge_s, hedge_cost_bp   how long it takes to hedge outside, and what that costs in normal times.
    arbitrage_bp     gap to the outside price from which taking it is worth a thought.
    alone            how much it minds being the last one left (exponent of normal depth over depth seen).
    protection       fills within ten seconds, times the normal size of a side, at which its quotes are taken away;
                     0: it has no protection.
    """

    name: str
    capital_usdt: Positive
    share: Share
    horizon_s: Positive
    requote_s: AtLeastOne
    feed_lag_s: Annotated[int, Meta(ge=0)]
    boldness: Positive
    accepts_pct: Positive
    loss_budget_pct: Positive
    inventory_limit: Positive
    hedge_s: Positive
    feed_age_s: AtLeastOne
    gap_pct: Positive
    return_gap_pct: Positive
    alone: NotNegative
    hold_s: AtLeastOne
    return_s: AtLeastOne
    ramp_s: Positive
    hedge_cost_bp: NotNegative = 2.0
    arbitrage_bp: Positive = 30.0
    protection: NotNegative = 0.0
    capital_scale: Positive = 1.0


class Makers(Struct, frozen=True, forbid_unknown_fields=True):
    """What all makers have in common.

    mode, who           see the head of this file; `who` is the one meant (else the first).
    agreed_fall_pct     of a symbol whose volatility is crowding.volatility_bp; more for livelier ones.
    outage_wait_s       how long it takes on average until the machines of `who` fail.
    duty_size, duty_width_pct   what one who is made to stay shows at least.
    variation           how far a seed moves each maker's tolerance (standard deviation of its logarithm).
    strain_withdraws    the strain at which a maker withdraws.       strain_memory_s   the time over which it averages.
    calm_strain         strain from two-sided and one-sided flow alone at which quoting pays again.
    calm_volatility     share of the peak since it left to which volatility must have come down before it returns.
    calm_liquidations   forced selling per second, as a share of normal depth, that it calls calm.
    arbitrage_slice     of its normal side, what one who arbitrages takes a second.
    reputation_bp       of what it quotes normally, what an hour's absence costs where presence is public.
    """

    desks: list[Desk]
    mode: Mode = Mode.INDEPENDENT
    who: str = ""
    agreed_fall_pct: Positive = 4.5
    outage_wait_s: Positive = 1_800.0
    outage_s: AtLeastOne = 3_600
    duty_size: Share = 0.5
    duty_width_pct: Positive = 0.5
    variation: NotNegative = 0.2
    max_width_pct: Positive = 3.0
    crowding: Crowding = Crowding()
    strain_withdraws: Positive = 1.2
    strain_memory_s: Positive = 320.0
    calm_strain: Positive = 0.25
    calm_volatility: Share = 0.65
    calm_liquidations: Positive = 2e-4
    arbitrage_slice: NotNegative = 0.002
    reputation_bp: NotNegative = 0.0


class Benefits(Struct, frozen=True):
    """What a venue gives and takes: rebate on what is bought from or sold to it; the duty's size and full spread (in
    stress too); whether absence costs the rebates of the period, and what it may cost in losses."""

    rebate: float = 0.0
    duty_usdt: float = 0.0
    duty_spread: float = 0.0
    clawback: bool = False
    tranche_usdt: float = 0.0
    period_s: float = 3_600.0


class Seat(Struct, frozen=True):
    """A firm's place on one venue: its view of it, and what is normal and due on each symbol."""

    view: MarketView
    scales: Mapping[str, Scale]
    benefits: Mapping[str, Benefits] = {}


class _Spot:
    """The outside price of one symbol, in USDT, as a maker sees it."""

    def __init__(self, scale: Scale) -> None:
        self.normal = scale.volatility
        self.price = self.high = self.move = 0.0
        self.seen_us = 0
        self.variances = [scale.volatility**2] * len(MEMORIES_S)

    def observe(self, price: float, seen_us: int, fall_memory_s: float) -> None:
        """A second has passed; with a newer price, volatility moves."""
        self.price = self.price or price
        self.high = self.high or price
        if seen_us > self.seen_us:
            move = abs(log(price / self.price))
            squared, self.move = quoting.bipower(move, self.move), move
            seconds = max(1, (seen_us - self.seen_us) // SECOND_US) if self.seen_us else 1
            now = squared / seconds
            weights = OF_A_SECOND if seconds == 1 else [min(1.0, seconds / memory) for memory in MEMORIES_S]
            self.variances = [was + (now - was) * weight for was, weight in zip(self.variances, weights, strict=True)]
            self.price, self.seen_us = price, seen_us
        self.high = max(self.price, self.high - (self.high - self.price) / fall_memory_s)


class _Line:
    """A maker's state on one symbol of one venue. `inventory` is what it has bought since the start, in lots; money in
    USDT; prices in ticks."""

    def __init__(self, venue: str, symbol: str, seat: Seat, side_usdt: float, turn: int) -> None:
        self.venue = venue
        self.symbol = symbol
        self.view: SymbolView = seat.view.symbols[symbol]
        self.market = seat.view
        self.scale = seat.scales[symbol]
        self.benefits = seat.benefits.get(symbol, Benefits())
        self.side_usdt = side_usdt
        # The levels are of one size, such that those within 1 % make up its side in normal times.
        self.level_usdt = side_usdt / sum(times * self.scale.half_spread <= 0.01 for times in LEVELS)
        self.turn = turn
        self.steps = 0
        # the market, as seen from here
        self.outside = 0.0
        self.last = 0
        self.low = 0.0
        self.high = 0.0
        self.venue_variance = self.scale.volatility**2
        self.bought = self.sold = self.liquidated = 0.0
        self.first_open_interest = 0
        self.depth_seen = self.scale.depth_usdt
        # its own affairs
        self.inventory = 0
        self.hedged = 0.0
        self.profit = 0.0
        self._profits: deque[float] = deque([0.0], maxlen=BUDGET_MINUTES)
        self._best_profit = 0.0
        self.rebates = 0.0
        self.net_rate = 0.0
        self.flow_rate = 0.0
        # whether it quotes
        self.quoting = True
        self.left_us = 0
        self.arbitrages = self.failed = False
        self.lasting: int | None = None
        self.widened = self.thinned = False
        self.strained_s = self.calm_s = 0
        self.peak = 0.0
        self.ramp = 1.0
        # what it means to quote, and what it does: lean of the fair price, half width, size of bid and ask
        self.meant = (0.0, self.scale.half_spread, 1.0, 1.0)
        self.quote_id = 0
        self.quoted_at = -BUDGET_MINUTES * 60
        self.quoted: tuple[float, float, float, float] | None = None
        self.quoted_fair = 0.0
        self.resting = self.refused = self.filled = False
        self.frozen_until_us = 0

    def gap(self) -> float:
        """Mark over outside, less one."""
        return self.view.mark / self.outside - 1

    def load(self, limit: float) -> float:
        """Inventory as a share of its limit: below zero when it has sold."""
        return self.view.usdt(self.inventory, self.outside) / (limit * self.side_usdt)

    def recent_loss(self) -> float:
        """How far its profit lies below the best of the last half hour."""
        return self._best_profit - self.profit

    def end_minute(self) -> None:
        """Remember its profit for half an hour."""
        self._profits.append(self.profit)
        self._best_profit = max(self._profits)

    def forgive(self) -> None:
        """Losses count from here on."""
        self._profits = deque([self.profit], maxlen=BUDGET_MINUTES)
        self._best_profit = self.profit


class MarketMaker:
    """One firm, with an account of the same number on each of its venues."""

    topics = frozenset({Topic.EXECUTIONS, Topic.ADL})

    def __init__(self, account: int, desk: Desk, makers: Makers, seats: Mapping[str, Seat], noise: Noise) -> None:
        self.name = desk.name
        self.venue = next(iter(seats))
        self.hears = frozenset(seats)
        self.views = tuple(seat.view for seat in seats.values())
        self.latency_us = desk.feed_lag_s * SECOND_US
        self.accounts = frozenset({account})
        self.labels: list[AnyLabel] = []
        self._account = account
        self._desk = desk
        self._makers = makers
        self._noise = noise
        self._steps = 0
        self._orders = 0
        meant = (makers.who or makers.desks[0].name) == desk.name
        self._stays = makers.mode is Mode.STAY or (makers.mode is Mode.ONE_STAYS and meant)
        self._fails = makers.mode is Mode.ONE_FIRM_OUTAGE and meant
        tolerance = desk.capital_scale * exp(makers.variation * noise.normal(0))
        self._accepts = desk.accepts_pct / 100 * tolerance
        self._loss_budget = desk.loss_budget_pct / 100 * tolerance
        self._inventory_limit = desk.inventory_limit * desk.capital_scale
        places = [(venue, symbol) for venue, seat in seats.items() for symbol in seat.scales]
        self._lines = {
            (venue, symbol): _Line(
                venue, symbol, seats[venue], desk.share * seats[venue].scales[symbol].depth_usdt / 2, number
            )
            for number, (venue, symbol) in enumerate(places)
        }
        self._of_symbol: dict[str, list[_Line]] = {}
        for line in self._lines.values():
            self._of_symbol.setdefault(line.symbol, []).append(line)
        self._spots = {symbol: _Spot(lines[0].scale) for symbol, lines in self._of_symbol.items()}
        self._falls = self._wait_of_failure() if self._fails else 0
        self._is_down = False  # its machines fail at the step drawn, for a while, on every line

    @property
    def profit_usdt(self) -> float:
        """What it has earned since the start, by its own account: marked at the outside price, hedges included."""
        return sum(line.profit for line in self._lines.values())

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Its quotes of this tick: made anew only where price, width or size have moved enough."""
        self._steps += 1
        self._is_down = self._fails and self._falls <= self._steps < self._falls + self._makers.outage_s
        for event in events:
            self._take(now_us, event)
        for symbol, spot in self._spots.items():
            self._look_outside(self._of_symbol[symbol], spot)
        sent: list[Input] = []
        for line in self._lines.values():
            self._watch(line)
        for line in self._lines.values():
            if line.view.mark and line.outside:
                sent.extend(self._act(now_us, line))
        return sent

    # seeing -----------------------------------------------------------------------------------------------

    def _take(self, now_us: int, event: AnyEvent) -> None:
        if isinstance(event, Traded):
            line = self._lines[event.venue, event.symbol]
            buys = (event.taker_side is Side.BUY) == (event.taker == self._account)
            self._book(line, event.size if buys else -event.size, event.price)
            if event.maker == self._account:
                line.rebates += line.view.usdt(event.size, event.price) * line.benefits.rebate
        elif isinstance(event, PositionDeleveraged):
            self._book(self._lines[event.venue, event.symbol], event.size, event.price)
        elif isinstance(event, QuoteRejected):
            self._lines[event.venue, event.symbol].refused = True
        elif isinstance(event, ProtectionTriggered):
            line = self._lines[event.venue, event.symbol]
            line.resting, line.quoted = False, None
            line.frozen_until_us = event.frozen_until_us or now_us
            line.ramp = min(line.ramp, 0.5)
            until_us = event.frozen_until_us or None
            self.labels.append(Protection(now_us, line.venue, self.name, line.symbol, "fills", until_us))

    def _book(self, line: _Line, size: int, price: int) -> None:
        line.inventory += size
        line.filled = True
        line.profit += line.view.usdt(size, line.outside - price)

    def _look_outside(self, lines: Sequence[_Line], spot: _Spot) -> None:
        """By the venue that was told of it last."""
        newest = lines[0].view
        for line in lines:
            if line.view.outside_us > newest.outside_us:
                newest = line.view
        if newest.outside:
            spot.observe(newest.outside * newest.tick_usdt, newest.outside_us, self._makers.crowding.memory_s)

    def _watch(self, line: _Line) -> None:
        """Take the second's volumes."""
        view = line.view
        line.steps += 1
        line.bought += (view.bought_usdt - line.bought) / FLOW_MEMORY_S
        line.sold += (view.sold_usdt - line.sold) / FLOW_MEMORY_S
        line.liquidated += (view.liquidated_usdt - line.liquidated) / FLOW_MEMORY_S
        spot = self._spots[line.symbol]
        if spot.price:
            outside = spot.price / view.tick_usdt
            if line.outside:
                line.profit += view.usdt(line.inventory + line.hedged, outside - line.outside)
            line.outside = outside

    def _observe(self, line: _Line, spot: _Spot) -> None:
        """What a judgement is made from, at each of its turns."""
        view, seconds = line.view, JUDGED_EVERY_S
        if view.last and line.last:
            squared = log(view.last / line.last) ** 2 / seconds
            line.venue_variance += (squared - line.venue_variance) * seconds / FLOW_MEMORY_S
        line.last = view.last
        line.high = max(line.outside, line.high - (line.high - line.outside) * seconds / self._makers.crowding.memory_s)
        line.first_open_interest = line.first_open_interest or view.open_interest
        line.depth_seen = view.depth_usdt(0.01)
        # Sell outside what was bought here, a share of the difference every second.
        hedged = (line.inventory + line.hedged) * min(1.0, seconds / self._desk.hedge_s)
        line.hedged -= hedged
        cost = self._desk.hedge_cost_bp * 1e-4 * max(1.0, sqrt(spot.variances[1]) / spot.normal)
        line.profit -= view.usdt(abs(hedged), line.outside) * cost
        if line.steps // 60 > (line.steps - seconds) // 60:
            line.end_minute()

    def _volatility(self, line: _Line) -> float:
        """Per root second. The venue's own counts by half, and at most three times the outside's: the last price of an
        empty book would otherwise drive everybody out by itself."""
        outside = max(self._spots[line.symbol].variances)
        return sqrt(outside + 0.5 * min(max(line.venue_variance - outside, 0.0), 3 * outside))

    def _widest_gap(self, line: _Line) -> float:
        """How far this venue's mark lies from outside or from the other venues', whichever is further."""
        own = line.gap()
        others = [other.gap() for other in self._of_symbol[line.symbol] if other is not line and other.view.mark]
        return max(abs(own), *(abs(own - other) for other in others)) if others else abs(own)

    # judging ----------------------------------------------------------------------------------------------

    def _act(self, now_us: int, line: _Line) -> list[Input]:
        age_s = (now_us - line.view.outside_us) // SECOND_US - self._desk.feed_lag_s
        sent = self._protect(now_us, line) if not line.high else []
        line.high = line.high or line.outside
        spot = self._spots[line.symbol]
        if (self._steps + line.turn) % JUDGED_EVERY_S == 0 or not line.quote_id:
            self._observe(line, spot)
            self._judge(now_us, line, age_s)
        elif line.quoting and age_s > self._desk.feed_age_s and not self._stays:
            self._withdraw(now_us, line, "feed")
        if line.quoting and self._is_down:
            self._withdraw(now_us, line, "outage")
        if line.resting and (line.refused or not line.quoting):
            # A refused quote leaves the former one standing: it is as stale as the reason to quote anew was good.
            line.resting, line.quoted = False, None
            sent.append(QuoteCancel(line.venue, now_us, self._account, line.symbol))
        line.refused = False
        if line.quoting:
            sent.extend(self._requote(now_us, line))
        elif line.arbitrages and not self._is_down:
            sent.extend(self._arbitrage(now_us, line))
        return sent

    def _judge(self, now_us: int, line: _Line, age_s: int) -> None:
        volatility, load, gap = self._volatility(line), line.load(self._inventory_limit), abs(line.gap())
        most = (self._makers.duty_width_pct if self._stays else self._makers.max_width_pct) / 100
        width = quoting.half_width(line.scale, volatility, self._desk.horizon_s, load, self._widest_gap(line), most)
        strain = self._strain(line, volatility, width)
        if line.quoting:
            self._consider_leaving(now_us, line, strain, age_s, load, gap)
        elif not self._is_down:
            self._consider_returning(now_us, line, age_s, gap)
        if line.quoting:
            if line.benefits.duty_usdt and strain < 1.0:  # a duty is kept while it pays to keep it
                width = min(width, DUTY_WIDTH * line.benefits.duty_spread)
            least = self._least(line, strain, width)
            size = max(self._size(line, volatility, strain), least)
            self._label_changes(now_us, line, width, size)
            line.meant = self._meant(load, width, size, least)

    def _strain(self, line: _Line, volatility: float, width: float) -> float:
        """Ten minutes of the net loss that it has come to expect, over what it accepts."""
        makers, share, seconds = self._makers, self._desk.share, JUDGED_EVERY_S
        quoted = 2 * line.side_usdt
        if not line.quoting:  # an absent maker judges by what the market would pay it
            widest = makers.max_width_pct / 100
            width = min(line.view.half_spread() or widest, widest)
        flow = quoting.flow_income(share, line.bought, line.sold, quoted, width + line.benefits.rebate)
        flow -= quoting.flow_loss(share, line.bought, line.sold, quoted, width, volatility)
        line.flow_rate += (flow / quoted - line.flow_rate) * seconds / makers.strain_memory_s
        hazard = self._hazard(line)
        seen = line.depth_seen / line.scale.depth_usdt
        if line.view.present is not None:  # who can see that the others are there need not infer it from the book
            seen = max(seen, line.view.present)
        net = flow - quoting.crowd_loss(makers.crowding, hazard, quoted, seen, self._desk.alone)
        net += self._saved_by_staying(line, hazard, quoted)
        line.net_rate += (net / quoted - line.net_rate) * seconds / makers.strain_memory_s
        return self._over_ten_minutes(line.net_rate)

    def _over_ten_minutes(self, rate: float) -> float:
        """The loss of ten minutes at this rate (a gain below zero is none) over the loss that it accepts."""
        return 600 * max(0.0, -rate) / self._accepts

    def _hazard(self, line: _Line) -> float:
        oi_left = line.view.open_interest / line.first_open_interest if line.first_open_interest else 1.0
        forced = line.liquidated / line.scale.depth_usdt
        fall = 1 - line.outside / line.high
        return quoting.crowd_hazard(self._makers.crowding, line.scale, fall, line.view.long_share(), oi_left, forced)

    def _saved_by_staying(self, line: _Line, hazard: float, quoted: float) -> float:
        """USDT a second that absence would cost: rebates taken back, a share of losses, its name."""
        benefits = line.benefits
        saved = line.rebates / max(line.steps, 1) if benefits.clawback else 0.0
        saved += benefits.tranche_usdt * min(1.0, hazard * benefits.period_s) / benefits.period_s
        if line.view.present is not None:
            saved += quoted * self._makers.reputation_bp * 1e-4 / 3_600
        return saved

    # staying, leaving, returning --------------------------------------------------------------------------

    def _consider_leaving(self, now_us: int, line: _Line, strain: float, age_s: int, load: float, gap: float) -> None:
        if self._stays:
            return
        if age_s > self._desk.feed_age_s:
            self._withdraw(now_us, line, "feed")
            return
        if self._makers.mode is Mode.COORDINATED and self._signal_given(line):
            self._withdraw(now_us, line, "agreed")
            return
        reason = ""
        if strain > self._makers.strain_withdraws:
            reason = "strain"
        elif line.recent_loss() > self._loss_budget * 2 * line.side_usdt:
            reason = "losses"
        elif gap > self._desk.gap_pct / 100:
            reason = "gap"
        elif abs(load) > 1.5:
            reason = "inventory"
        elif self._arbitrage_pays(line):
            reason = "arbitrage"
        line.strained_s = line.strained_s + JUDGED_EVERY_S if reason else 0
        if line.strained_s >= self._desk.hold_s:
            self._withdraw(now_us, line, reason)

    def _signal_given(self, line: _Line) -> bool:
        normal = self._makers.crowding.volatility_bp * 1e-4
        agreed = self._makers.agreed_fall_pct / 100 * pow(line.scale.volatility / normal, 0.4)
        return 1 - line.outside / line.high > agreed

    def _arbitrage_pays(self, line: _Line) -> bool:
        """Whether taking the gap pays better than quoting does (the flow's net income)."""
        if line.net_rate >= 0:
            return False
        cost = self._desk.arbitrage_bp * 1e-4
        takes = self._makers.arbitrage_slice * line.side_usdt
        pays = quoting.arbitrage_income(self._widest_gap(line), cost, takes)
        return pays > 0 and pays > line.flow_rate * 2 * line.side_usdt

    def _withdraw(self, now_us: int, line: _Line, reason: str) -> None:
        line.quoting = False
        line.arbitrages = reason == "arbitrage"
        line.strained_s = line.calm_s = 0
        line.low, line.peak = line.outside, sqrt(self._spots[line.symbol].variances[1])
        line.left_us = now_us
        where = (now_us, line.venue, self.name, line.symbol)
        if reason == "outage":
            line.failed = True
            self._label_lasting(line, BenignOutage(*where, "its machines failed"))
            return
        self.labels.append(withdrew(*where, reason, coordinated=reason == "agreed"))
        if line.arbitrages:
            against = line.market.outside
            self._label_lasting(line, Arbitrage(*where, "the gap pays better than quoting", against))

    def _consider_returning(self, now_us: int, line: _Line, age_s: int, gap: float) -> None:
        if line.failed:  # nothing but the outage took it away
            self._return(now_us, line, "outage over")
            return
        makers = self._makers
        now = sqrt(self._spots[line.symbol].variances[1])
        line.peak = max(line.peak, now)
        new_low = line.outside < line.low * (1 - NEW_LOW)
        if new_low:
            line.low = line.outside
        calm = (
            not new_low
            and age_s <= 2
            and line.view.trading
            and now <= max(makers.calm_volatility * line.peak, 2 * line.scale.volatility)
            and gap <= self._desk.return_gap_pct / 100
            and line.liquidated <= makers.calm_liquidations * line.scale.depth_usdt
            and self._over_ten_minutes(line.flow_rate) <= makers.calm_strain
        )
        line.calm_s = line.calm_s + JUDGED_EVERY_S if calm else 0
        if line.calm_s >= self._desk.return_s:
            self._return(now_us, line, "calm")

    def _return(self, now_us: int, line: _Line, reason: str) -> None:
        line.quoting = True
        line.arbitrages = line.failed = False
        line.calm_s = 0
        line.ramp = 0.0
        line.net_rate = 0.0
        line.high = line.outside
        line.forgive()
        if line.lasting is not None:
            self.labels[line.lasting] = replace(self.labels[line.lasting], to_us=now_us)
            line.lasting = None
        self.labels.append(returned(now_us, line.venue, self.name, line.symbol, reason, line.left_us))

    def _wait_of_failure(self) -> int:
        return 1 + round(self._noise.exponential(self._makers.outage_wait_s, 1))

    # quoting ----------------------------------------------------------------------------------------------

    def _size(self, line: _Line, volatility: float, strain: float) -> float:
        """Share of its normal size that it shows on a side."""
        line.ramp = min(1.0, line.ramp + JUDGED_EVERY_S / self._desk.ramp_s)
        size = min(1.0, self._desk.boldness * line.scale.volatility / volatility)
        size *= max(0.1, 1 - line.recent_loss() / (self._loss_budget * 2 * line.side_usdt))
        return size * min(max(1.5 - strain, 0.05), 1.0) * line.ramp

    def _least(self, line: _Line, strain: float, width: float) -> float:
        """What it shows on either side in any case: made to, or because its duty pays. Of its levels only those near
        enough count for the duty, wherever it leans."""
        if self._stays:
            return self._makers.duty_size
        if not line.benefits.duty_usdt or strain >= 1.0:
            return 0.0
        within = line.benefits.duty_spread / 2
        counted = sum((times + LEAN) * width <= within for times in LEVELS)
        return min(1.0, DUTY_SPARE * line.benefits.duty_usdt / (max(counted, 1) * line.level_usdt))

    def _meant(self, load: float, width: float, size: float, least: float) -> tuple[float, float, float, float]:
        """Lean of the fair price, half width, size of bid and ask; the side that would add to its inventory is the
        smaller one."""
        load = min(max(load, -1.0), 1.0)
        bid, ask = size * (1 - max(load, 0.0)), size * (1 + min(load, 0.0))
        return 1 - LEAN * width * load, width, max(bid, least), max(ask, least)

    def _requote(self, now_us: int, line: _Line) -> list[Input]:
        if (
            self._steps - line.quoted_at < self._desk.requote_s
            or not line.view.trading
            or now_us < line.frozen_until_us
        ):
            return []
        fair = (0.8 * line.outside + 0.2 * (line.view.last or line.outside)) * line.meant[0]
        return [self._mass_quote(now_us, line, fair)] if self._differs(line, fair) else []

    def _differs(self, line: _Line, fair: float) -> bool:
        if line.quoted is None or line.filled:
            return True
        if line.quoted is line.meant:
            return abs(fair - line.quoted_fair) > 0.5 * line.meant[1] * line.quoted_fair
        _, width, bid, ask = line.quoted
        return (
            abs(fair - line.quoted_fair) > 0.5 * width * line.quoted_fair
            or abs(line.meant[1] - width) > 0.2 * width
            or abs(line.meant[2] - bid) > 0.25 * bid
            or abs(line.meant[3] - ask) > 0.25 * ask
        )

    def _mass_quote(self, now_us: int, line: _Line, fair: float) -> MassQuote:
        _, width, bid, ask = line.quoted = line.meant
        line.quoted_fair = fair
        line.quoted_at = self._steps
        line.filled = False
        line.resting = True
        line.quote_id += 1
        bids = line.view.lots(bid * line.level_usdt, fair)
        asks = line.view.lots(ask * line.level_usdt, fair)
        return MassQuote(
            line.venue, now_us, self._account, line.symbol, line.quote_id,
            tuple((price, bids) for price in _ladder(line.view, fair, -width)) if bids else (),
            tuple((price, asks) for price in _ladder(line.view, fair, width)) if asks else (),
        )  # fmt: skip

    def _protect(self, now_us: int, line: _Line) -> list[Input]:
        lots = line.view.lots(self._desk.protection * line.side_usdt, line.outside)
        if not lots or self._stays:
            return []
        return [SetProtection(line.venue, now_us, self._account, line.symbol, 10 * SECOND_US, 5 * SECOND_US, lots, 0)]

    def _arbitrage(self, now_us: int, line: _Line) -> list[Input]:
        """Take what lies beyond the outside price and its cost, as far as its inventory goes."""
        load, cost = line.load(self._inventory_limit), self._desk.arbitrage_bp * 1e-4
        lots = line.view.lots(self._makers.arbitrage_slice * line.side_usdt, line.outside)
        bid, ask = line.view.best_bid(), line.view.best_ask()
        side = None
        if ask is not None and ask < line.outside * (1 - cost) and load < 1:
            side, limit = Side.BUY, line.view.ticks(line.outside * (1 - cost))
        elif bid is not None and bid > line.outside * (1 + cost) and load > -1:
            side, limit = Side.SELL, line.view.ticks(line.outside * (1 + cost))
        if side is None or not lots or not line.view.trading:
            return []
        self._orders += 1
        return [
            Place(line.venue, now_us, self._account, str(self._orders), line.symbol, side, lots, limit, TimeInForce.IOC)
        ]

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
        self.labels.append(changed(now_us, line.venue, self.name, line.symbol, state))

    def _label_lasting(self, line: _Line, label: BenignOutage | Arbitrage) -> None:
        """Its end is told when it is known."""
        line.lasting = len(self.labels)
        self.labels.append(label)


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
