"""Random histories of one venue: what traders, makers, the outside world and a careless operator send.

A `Story` is told one step at a time from a `random.Random`: either one with a seed, or one that hypothesis draws and
shrinks. It knows nothing of the exchange; it remembers only what it said itself (the time, the outside prices, client
ids), so that prices lie near the market and cancels hit something. Bad inputs are a part of every story.

Accounts  1 and 2 make markets, 3 and 4 are twins (same money, same seeded positions: a tie in every queue), 5 to 9
          and 12 to 16 trade with little money, 10 is rich, 11 has nothing. 99 does not exist.
Symbols   A in fine ticks with a steep table, its own trades weigh most in its index; B on a price grid with a maker's
          rebate and two outside sources; C marked at its index, with a pool of the fund for itself. D is listed late or
          never, and has no price at first.
          Some stories list one of them with other prices behind it (`LISTINGS`).
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

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
    Leg,
    Level,
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
    Side,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
    Withdraw,
)
from stream_engine.messages.instrument import MAIN_POOL, OWN_TRADES, IndexSource, Instrument, Tier
from stream_engine.messages.rules import (
    AdlPolicy,
    AdlRules,
    BackstopRules,
    BreakerRules,
    Duty,
    FundPolicy,
    FundRules,
    LiquidationLimit,
    LiquidationRules,
    LiquidationStep,
    ObligationRules,
    OrderRules,
    Reference,
    SelfTrade,
)
from stream_engine.messages.units import MILLION, WIRE_MAX

VENUE = "v"
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
USDT = MILLION
MAKERS = (1, 2)
TWINS = (3, 4)
POOR = (5, 6, 7, 8, 9, 12, 13, 14, 15, 16)
RICH = 10
EMPTY = 11
NOBODY = 99
ACCOUNTS = (*MAKERS, *TWINS, *POOR, RICH, EMPTY)
NO_BOUND = 1_000_000  # checks per input that no story here needs

A = Instrument(
    symbol="A", tick_size="0.01", lot_size="0.01", tick_value=100, max_price=60_000, max_size=400,
    tiers=(Tier(10 * USDT, 10_000), Tier(60 * USDT, 25_000), Tier(0, 100_000)),
    sources=(IndexSource("spot", 1), IndexSource(OWN_TRADES, 3)),
    basis_every_us=2 * SECOND_US, basis_window_us=10 * SECOND_US,
)  # fmt: skip
B = Instrument(
    symbol="B", tick_size="0.1", lot_size="0.1", tick_value=10_000, price_step=5, max_price=5_000, max_size=300,
    tiers=(Tier(30 * USDT, 20_000), Tier(0, 50_000)), max_leverage=25, default_leverage=10,
    maker_fee_ppm=-137, taker_fee_ppm=613, market_bound_ppm=50_000, liquidation_fee_ppm=4_000,
    sources=(IndexSource("spot", 2), IndexSource("other", 1), IndexSource(OWN_TRADES, 1)),
)  # fmt: skip
C = Instrument(
    symbol="C", tick_size="1", lot_size="0.001", tick_value=1_000, max_price=3_000, max_size=1_000,
    tiers=(Tier(0, 50_000),), max_leverage=10, default_leverage=5, sources=(IndexSource("spot", 1),), mark="index",
    fund_pool="small",
)  # fmt: skip
D = Instrument(
    symbol="D", tick_size="0.01", lot_size="1", tick_value=10_000, max_price=1_000, max_size=100,
    tiers=(Tier(5 * USDT, 30_000), Tier(0, 200_000)), max_leverage=20,
    sources=(IndexSource("spot", 1), IndexSource("idle", 0)), stale_after_us=2 * SECOND_US,
)  # fmt: skip
# Where a story does not list the plain one: the same symbol with other prices behind it.
A_FUNDED = replace(
    A, funding_interval_us=5 * SECOND_US, interest_ppm=300, funding_damp_ppm=1_000, funding_cap_ppm=20_000
)
B_OF_MANY_PRICES = replace(
    B, mark="hyperliquid", index_clamp_ppm=15_000,
    sources=(
        *B.sources, IndexSource("third", 1), IndexSource("idle", 0), IndexSource("perp-x", 2), IndexSource("perp-y", 1),
    ),
)  # fmt: skip
A_WITH_LIMITS = replace(
    A, tiers=(Tier(10 * USDT, 10_000), Tier(60 * USDT, 25_000, 20), Tier(0, 100_000, 5)), max_open_interest=150,
)  # fmt: skip
C_FUNDED = replace(C, mark="fair", funding_interval_us=10 * SECOND_US, interest_ppm=-2_000, funding_cap_ppm=40_000)
C_BOUND = replace(C, mark="moving-average", mark_bound_ppm=30_000, basis_every_us=SECOND_US)
LISTINGS = {"A": (A, A_FUNDED, A_WITH_LIMITS), "B": (B, B_OF_MANY_PRICES), "C": (C, C, C_FUNDED, C_BOUND)}
SOURCES_OF_B = ("other", "third", "perp-x", "perp-y")
INSTRUMENTS = {instrument.symbol: instrument for instrument in (A, B, C, D)}
FIRST_PRICES = {"A": 10_000, "B": 1_000, "C": 400, "D": 100}
TRADED = ("A", "A", "A", "B", "B", "C")


class Story:
    """One venue's history as it is being told; `begin` and then `go_on` as often as wanted."""

    def __init__(self) -> None:
        self.now_us = 1_000 * MINUTE_US
        self.ticked_us = self.now_us
        self.prices = dict(FIRST_PRICES)
        self.orders: list[Place] = []
        self.quotes = 0
        self.news = 0
        self.traded: tuple[str, ...] = TRADED
        self.newcomers = 1_000
        self.wallets: dict[int, int] = {}
        self.is_isolating = False
        self.isolated: list[tuple[int, str]] = []  # whom it set so, or tried to
        self.plot: list[AnyInput] = []  # what is still to come of a plan that somebody is carrying out

    def begin(self, random: Random) -> Iterator[AnyInput]:
        """Listings, accounts, money, seeded positions, first prices, first quotes; not always in this order."""
        yield MapVenue(VENUE, self.now_us, 0)
        yield self._rules(random)
        if random.random() < 0.3:
            yield self._breakers(random)
        self.is_isolating = random.random() < 0.6
        for listings in LISTINGS.values():
            yield ListInstrument(VENUE, self.now_us, random.choice(listings))
        is_d_listed = random.random() < 0.5
        if is_d_listed:
            self.traded = (*TRADED, "D")
            yield ListInstrument(VENUE, self.now_us, D)
        firms = dict.fromkeys(MAKERS, "makers") if is_d_listed else {}
        names = tuple((account, firms.get(account, f"p{account}")) for account in ACCOUNTS)
        yield OpenAccounts(VENUE, self.now_us, names)
        yield Deposit(VENUE, self.now_us, self._money(random))
        if random.random() < 0.8:
            yield SeedFund(VENUE, self.now_us, random.choice((1, USDT // 2, USDT, 2 * USDT, 5 * USDT, 30 * USDT)))
        symbols = ("A", "B", "C", "D") if is_d_listed else ("A", "B", "C")
        early = [symbol for symbol in symbols if random.random() < 0.4]
        late = [symbol for symbol in symbols if symbol not in early]
        if random.random() < 0.3:
            yield self._bad_seed(random)
        if random.random() < 0.5:
            yield SeedFund(VENUE, self.now_us, random.choice((USDT // 10, USDT, 10 * USDT)), C.fund_pool)
        yield SeedPositions(VENUE, self.now_us, self._legs(random, early))
        yield self._outside(("A", "B", "C"))
        yield SeedPositions(VENUE, self.now_us, self._legs(random, late))
        if self.is_isolating:
            for _ in range(5):
                yield self._margin_mode(random)
        if random.random() < 0.8:
            yield ClockTick(VENUE, self.now_us)
        for maker in MAKERS:
            for symbol in ("A", "B", "C"):
                if random.random() < 0.7:
                    yield self._quote(random, maker, symbol)

    def go_on(self, random: Random) -> AnyInput:
        """One more input."""
        if self.plot and random.random() < 0.9:
            return self.plot.pop(0)
        tell = random.choices(KINDS, WEIGHTS)[0]
        if tell is not Story._tick:
            self.now_us = min(self.now_us + random.choice((0, 0, 50_000, 300_000)), self.ticked_us + SECOND_US)
        return tell(self, random)

    # orders and quotes -------------------------------------------------------------------------------------

    def _order(self, random: Random) -> AnyInput:
        symbol = random.choice(self.traded)
        account = random.choice((*MAKERS, *TWINS, *POOR, *POOR, RICH, EMPTY))
        price = None if random.random() < 0.3 else self._near(random, symbol)
        force = random.choice((TimeInForce.GTC,) * 7 + (TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK))
        post_only = random.random() < 0.1
        side, lots = random.choice(list(Side)), self._lots(random, symbol)
        expires_us = self._expiry(random) if random.random() < 0.15 else None
        order = self._place(account, symbol, side, lots, price, force, post_only, expires_us)
        if random.random() < 0.15:
            self.orders[-1] = order = replace(order, trigger=self._trigger(random, symbol))
        return order

    def _trigger(self, random: Random, symbol: str) -> Trigger:
        off = random.choice((-20_000, -5_000, -1_000, 0, 1_000, 5_000, 20_000))
        price = self._on_grid(symbol, self.prices[symbol] + self.prices[symbol] * off // MILLION)
        return Trigger(random.choice(list(TriggerKind)), price, random.choice(list(TriggerBy)))

    def _reducing_order(self, random: Random) -> AnyInput:
        """One that may only reduce, near the market or away from it, and often larger than what is held."""
        symbol = random.choice(self.traded)
        account = random.choice((*MAKERS, *TWINS, *POOR, *POOR, RICH))
        price = None if random.random() < 0.2 else self._near(random, symbol)
        order = self._place(
            account, symbol, random.choice(list(Side)), self._lots(random, symbol), price,
            random.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)),
        )  # fmt: skip
        return self._sent_as(replace(order, reduce_only=True, self_trade=self._self_trade(random)))

    def _sent_as(self, order: Place) -> Place:
        """What was just placed, on other terms."""
        self.orders[-1] = order
        return order

    def _self_trade(self, random: Random) -> SelfTrade | None:
        rules: tuple[SelfTrade | None, ...] = (None, None, None, *SelfTrade)
        return random.choice(rules)

    def _deep_order(self, random: Random) -> AnyInput:
        """A large order far into the other side, by somebody who can pay for it."""
        symbol = random.choice(("A", "A", "B", "C"))
        side = random.choice(list(Side))
        reach = random.choice((50_000, 150_000, 300_000)) * (1 if side is Side.BUY else -1)
        price = self._on_grid(symbol, self.prices[symbol] + self.prices[symbol] * reach // MILLION)
        return self._place(random.choice((RICH, *MAKERS)), symbol, side, self._lots(random, symbol) * 4, price)

    def _own_crossing(self, random: Random) -> AnyInput:
        """An order against an earlier one of the same account."""
        if not self.orders:
            return self._order(random)
        earlier = random.choice(self.orders[-12:])
        side = Side.SELL if earlier.side is Side.BUY else Side.BUY
        order = self._place(earlier.account, earlier.symbol, side, max(1, abs(earlier.size)), earlier.price)
        force = random.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.FOK))
        return self._sent_as(replace(order, time_in_force=force, self_trade=self._self_trade(random)))

    def _stray_order(self, random: Random) -> AnyInput:
        """A resting order far from the market, for a liquidation to find, or for a crash to run over."""
        symbol = random.choice(("A", "B", "C"))
        side = random.choice(list(Side))
        away = random.choice((80_000, 200_000, 400_000)) * (-1 if side is Side.BUY else 1)
        price = self._on_grid(symbol, self.prices[symbol] + self.prices[symbol] * away // MILLION)
        account = random.choice((*MAKERS, *POOR, RICH))
        return self._place(account, symbol, side, self._lots(random, symbol), price)

    def _again(self, random: Random) -> AnyInput:
        """A client id a second time: the same order, or another under its name."""
        if not self.orders:
            return self._order(random)
        order = random.choice(self.orders[-20:] if random.random() < 0.7 else self.orders)
        return self._repeated(order, more=random.choice((0, 0, 1)))

    def _repeated(self, order: Place, more: int = 0) -> Place:
        return replace(order, ts_us=self.now_us, size=order.size + more)

    def _cancel(self, random: Random) -> AnyInput:
        if not self.orders:
            return Cancel(VENUE, self.now_us, random.choice(ACCOUNTS), "never sent")
        order = random.choice(self.orders[-15:])
        return Cancel(VENUE, self.now_us, order.account, order.client_id)

    def _amend(self, random: Random) -> AnyInput:
        """Another size, another price, or both; maybe of an order that is done."""
        resting = [
            order
            for order in self.orders[-40:]
            if order.trigger or (order.price and order.time_in_force is TimeInForce.GTC)
        ]
        if not resting:
            return Amend(VENUE, self.now_us, random.choice(ACCOUNTS), "never sent", 1)
        waiting = [order for order in resting if order.trigger]
        order = random.choice(waiting if waiting and random.random() < 0.3 else resting)
        size = random.choice((None, 0, order.size, max(1, order.size // 2), order.size + 1, 2 * order.size))
        price = order.price
        if random.random() < (0.7 if order.price else 0.3) and order.symbol in self.prices:
            better = random.choice((0, 2_000, 30_000, 60_000)) * (1 if order.side is Side.BUY else -1)
            price = self._on_grid(order.symbol, self.prices[order.symbol] * (MILLION + better) // MILLION)
        account = order.account if random.random() < 0.95 else random.choice((*ACCOUNTS, NOBODY))
        return Amend(VENUE, self.now_us, account, order.client_id, size, price)

    def _cancel_all(self, random: Random) -> AnyInput:
        symbol = random.choice((None, None, "A", "B", "C", "E"))
        return CancelAll(VENUE, self.now_us, random.choice((*ACCOUNTS, NOBODY)), symbol)

    def _some_quote(self, random: Random) -> AnyInput:
        quote = self._quote(random, random.choice((*MAKERS, *MAKERS, *MAKERS, *POOR)), random.choice(self.traded))
        return quote if random.random() < 0.97 else replace(quote, quote_id=quote.quote_id // 2)  # one that came late

    def _quote_cancel(self, random: Random) -> AnyInput:
        symbol = random.choice((None, "A", "B", "C", "E"))
        return QuoteCancel(VENUE, self.now_us, random.choice((*MAKERS, *POOR, NOBODY)), symbol)

    def _quote(self, random: Random, account: int, symbol: str) -> MassQuote:
        self.quotes += 1
        step, price = INSTRUMENTS[symbol].price_step, self.prices[symbol]
        half = max(step, price * random.choice((500, 2_000, 10_000, 30_000)) // MILLION)
        # From time to time a side starts beyond the market: such levels take.
        middle = price + price * random.choice((0, 0, 0, 1_000, -1_000, 40_000, -40_000)) // MILLION
        apart = step * random.choice((1, 2, max(1, half // step)))
        bids = self._ladder(random, symbol, self._on_grid(symbol, middle - half), -apart)
        asks = self._ladder(random, symbol, self._on_grid(symbol, middle + half) + step, apart)
        expires_us = self._expiry(random) if random.random() < 0.2 else None
        return MassQuote(VENUE, self.now_us, account, symbol, self.quotes, bids, asks, expires_us)

    def _protection(self, random: Random) -> AnyInput:
        """Limits that a few fills pass, or none; from time to time what is not allowed."""
        account = random.choice((*MAKERS, *MAKERS, *MAKERS, *MAKERS, POOR[0], NOBODY))
        quantity, delta = random.choice((0, 3, 10, 10, 30, -1)), random.choice((0, 2, 8, 20))
        window_us, frozen_us = (
            random.choice((0, 300_000, SECOND_US, 5 * SECOND_US)),
            random.choice((0, 50_000, SECOND_US)),
        )
        symbol = random.choice((*TRADED, "E"))
        return SetProtection(VENUE, self.now_us, account, symbol, window_us, frozen_us, quantity, delta)

    def _ladder(self, random: Random, symbol: str, best: int, apart: int) -> tuple[Level, ...]:
        prices = [best + level * apart for level in range(random.choice((0, 1, 2, 2, 3, 3)))]
        most = INSTRUMENTS[symbol].max_price
        return tuple((price, random.choice((1, 3, 10, 25, 60))) for price in prices if 0 < price <= most)

    def _place(
        self,
        account: int,
        symbol: str,
        side: Side,
        size: int,
        price: int | None,
        force: TimeInForce = TimeInForce.GTC,
        post_only: bool = False,
        expires_us: int | None = None,
    ) -> Place:
        client_id = f"c{len(self.orders)}"
        order = Place(
            VENUE, self.now_us, account, client_id, symbol, side, size, price, force, post_only, expires_us=expires_us
        )
        self.orders.append(order)
        return order

    def _expiry(self, random: Random) -> int:
        """A time that is past, now, soon, or never comes."""
        return max(0, self.now_us + random.choice((-1, 0, 0, 50_000, SECOND_US, 2 * SECOND_US, MINUTE_US)))

    def _lots(self, random: Random, symbol: str) -> int:
        return random.choice((1, 2, 5, 13, 30, 60)) if symbol in ("A", "C") else random.choice((1, 2, 5, 12))

    def _near(self, random: Random, symbol: str) -> int:
        off = random.choice((-60_000, -10_000, -2_000, -500, 0, 0, 500, 2_000, 10_000, 60_000))
        return self._on_grid(symbol, self.prices[symbol] + self.prices[symbol] * off // MILLION)

    def _on_grid(self, symbol: str, price: int) -> int:
        instrument = INSTRUMENTS[symbol]
        return max(1, min(price, instrument.max_price) // instrument.price_step) * instrument.price_step

    # money and leverage ------------------------------------------------------------------------------------

    def _money(self, random: Random) -> tuple[tuple[int, int], ...]:
        twins = random.randint(4, 20) * USDT
        wallets = {account: twins for account in TWINS}
        wallets |= {maker: random.choice((20, 60, 200)) * USDT for maker in MAKERS}
        wallets |= {account: random.randint(USDT, 12 * USDT) for account in POOR}
        wallets[RICH] = 2_000 * USDT
        self.wallets = dict(wallets)
        return tuple((account, wallets[account]) for account in sorted(wallets))

    def _legs(self, random: Random, symbols: list[str]) -> tuple[Leg, ...]:
        """The twins and the poor hold one or several symbols each, mostly long; the others hold the other side."""
        legs: list[Leg] = []
        for symbol in symbols:
            direction = random.choice((1, 1, -1))
            entry = FIRST_PRICES[symbol] + FIRST_PRICES[symbol] * random.choice((-20_000, 0, 10_000)) // MILLION
            most = {"A": 60, "B": 8, "C": 60, "D": 6}[symbol]
            total = 0
            twins = random.choice((0, 1, 1)) * direction * random.randint(1, most)
            for account in (*TWINS, *POOR):
                size = twins
                if account in POOR:
                    size = random.choice((1, 1, 1, -1)) * direction * random.randint(1, most)
                    if random.random() < 0.4:
                        continue
                if size:
                    leg = Leg(account, symbol, size, entry, random.choice((0, 2, 10)))
                    if self.is_isolating and account in POOR and random.random() < 0.4:
                        leg = self._isolated(random, leg)
                    legs.append(leg)
                    total += size
            last = random.choice((RICH, *MAKERS, EMPTY))
            for account in (*MAKERS, RICH, last):
                part = total if account == last else total * random.choice((0, 1, 1)) // 3
                total -= part
                if part:
                    legs.append(Leg(account, symbol, -part, entry))
        return tuple(legs)

    def _isolated(self, random: Random, leg: Leg) -> Leg:
        """The leg with a margin of its own, as far as the wallet goes."""
        value = abs(leg.size) * leg.entry * INSTRUMENTS[leg.symbol].tick_value
        margin = min(value * random.choice((20, 60, 150, 400)) // 1_000, self.wallets[leg.account] // 2)
        self.wallets[leg.account] -= margin
        self.isolated.append((leg.account, leg.symbol))
        return replace(leg, isolated=True, margin=margin)

    def _margin_mode(self, random: Random) -> AnyInput:
        isolated = random.random() < 0.8
        account, symbol = random.choice((*MAKERS, *POOR, *POOR, RICH)), random.choice(("A", "B", "C"))
        self.isolated.append((account, symbol))
        return SetMarginMode(VENUE, self.now_us, account, symbol, isolated)

    def _move_margin(self, random: Random) -> AnyInput:
        quote = random.choice((1, USDT // 10, USDT, 5 * USDT)) * random.choice((1, -1))
        account, symbol = random.choice(self.isolated or [(RICH, "A")])
        return MoveMargin(VENUE, self.now_us, account, symbol, quote)

    def _isolated_order(self, random: Random) -> AnyInput:
        """Near the market, by somebody whose margin may be isolated there."""
        account, symbol = random.choice(self.isolated or [(RICH, "A")])
        price = None if random.random() < 0.4 else self._near(random, symbol)
        return self._place(account, symbol, random.choice(list(Side)), self._lots(random, symbol), price)

    def _deposit(self, random: Random) -> AnyInput:
        count = random.choice((1, 1, 2))
        coming = tuple((random.choice(ACCOUNTS), random.choice((1, USDT, 3 * USDT))) for _ in range(count))
        return Deposit(VENUE, self.now_us, coming)

    def _withdraw(self, random: Random) -> AnyInput:
        quote = random.choice((1, USDT, 2 * USDT, 10 * USDT, 50 * USDT))
        return Withdraw(VENUE, self.now_us, random.choice(ACCOUNTS), quote)

    def _leverage(self, random: Random) -> AnyInput:
        leverage = random.choice((1, 2, 5, 10, 10, 20, 50))
        account, symbol = random.choice(ACCOUNTS), random.choice(self.traded)
        if self.isolated and random.random() < 0.4:
            account, symbol = random.choice(self.isolated)
        return SetLeverage(VENUE, self.now_us, account, symbol, leverage)

    def _rules(self, random: Random) -> SetRules:
        draw, bound = random.choice((0, 200_000, MILLION, MILLION)), random.choice((0, 50_000, 300_000, MILLION))
        orders, waterfall = self._order_rules(random), self._waterfall_rules(random)
        if random.random() < 0.5:
            waterfall["obligations"] = self._obligations(random)
        return SetRules(VENUE, self.now_us, NO_BOUND, draw, bound, orders, adl=self._adl(random), **waterfall)

    def _waterfall_rules(self, random: Random) -> dict[str, Any]:
        """How venues liquidate; half the time as a plain one."""
        if random.random() < 0.4:
            return {"liquidation": LiquidationRules(), "fund": FundRules(), "backstop": BackstopRules()}
        drawdown = random.choice((0, 0, 100_000, 300_000))
        fund = FundRules(
            policy=random.choice((FundPolicy.COVER, FundPolicy.TAKE_OVER, FundPolicy.TAKE_OVER, FundPolicy.NONE)),
            position_limit_ppm=random.choice((300_000, MILLION, 5 * MILLION)),
            unwind_ppm=random.choice((1, 100_000, 500_000)),
            unwind_within_ppm=random.choice((0, 25_000, 200_000)),
            drawdown_on_ppm=drawdown,
            drawdown_off_ppm=random.choice((drawdown, drawdown // 2)),
            drawdown_window_us=random.choice((480, 10 * SECOND_US, 10 * MINUTE_US)),
            drawdown_reference=random.choice(list(Reference)),
            drawdown_above_quote=random.choice((0, USDT)),
        )
        backstop = BackstopRules(
            below_ppm=random.choice((0, 666_667, MILLION)),
            vaults=random.choice((("vault",), ("vault", "another"))),
            unwind_ppm=random.choice((100_000, 500_000)),
            unwind_within_ppm=random.choice((0, 25_000, 200_000)),
        )
        step = random.choice(list(LiquidationStep))
        liquidation = LiquidationRules(
            step=step,
            share_ppm=random.choice((200_000, 333_333, MILLION)),
            share_above_quote=random.choice((0, 5 * USDT, 20 * USDT)),
            cooldown_us=random.choice((0, 3 * SECOND_US, MINUTE_US)),
            limit=random.choice(list(LiquidationLimit)),
            spread_ppm=random.choice((0, 100_000, 1_500_000)),
            adjustment_ppm=random.choice((500_000, MILLION, 3 * MILLION)),
        )
        return {"liquidation": liquidation, "fund": fund, "backstop": backstop}

    def _obligations(self, random: Random) -> ObligationRules:
        """Two tiers of duty, easily missed."""
        presence, spread = random.choice((400_000, 900_000, MILLION)), random.choice((2_000, 20_000, 80_000))
        size = random.choice((0, USDT // 2, 5 * USDT))
        tiers = [
            Duty(
                name=name, presence_ppm=presence, spread_ppm=spread, size_quote=size,
                stress_presence_ppm=random.choice((0, presence // 2, presence)),
                stress_spread_ppm=spread * random.choice((1, 2)),
                stress_size_quote=random.choice((0, size // 2, size)),
            )
            for name in ("T1", "T2")
        ]  # fmt: skip
        period_us = random.choice((3, 3, 10, 60)) * SECOND_US
        cap = random.choice((0, 1, USDT // 2, 3 * USDT))
        return ObligationRules(
            duties=tuple(tiers), period_us=period_us, clawback=random.random() < 0.6, tranche_cap_quote=cap,
            public=cap > 0,
        )  # fmt: skip

    def _bad_obligations(self, random: Random) -> ObligationRules:
        """Rules of duty that contradict themselves, or leave out a tier that somebody may be in."""
        rules = self._obligations(random)
        tiers = rules.duties
        tighter = replace(tiers[0], stress_spread_ppm=tiers[0].spread_ppm - 1)
        return random.choice(
            (
                replace(rules, duties=random.choice(((), tiers[:1], (*tiers, tiers[0]), (tighter, tiers[1])))),
                replace(rules, period_us=0),
            )
        )

    def _duty(self, random: Random) -> AnyInput:
        """A maker into a tier, or out of it; from time to time nobody's, or one that is not there."""
        account, symbol = random.choice((*MAKERS, *MAKERS, *MAKERS, POOR[0], NOBODY)), random.choice((*TRADED, "E"))
        return SetDuty(VENUE, self.now_us, account, symbol, random.choice(("T1", "T1", "T2", "T2", "T3", None)))

    def _stress(self, random: Random) -> AnyInput:
        return DeclareStress(VENUE, self.now_us, random.random() < 0.5, "volatile")

    def _order_rules(self, random: Random) -> OrderRules:
        """Mostly those of a plain venue."""
        limit, window_us = random.choice((1, 2, 3, 4)), random.choice((SECOND_US, 300_000))
        self_trade = random.choice((SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_MAKER, *SelfTrade))
        return OrderRules(
            self_trade=self_trade, rate_limit=limit if random.random() < 0.1 else 0, rate_window_us=window_us
        )  # fmt: skip

    def _adl(self, random: Random) -> AdlRules | None:
        """In half of all stories that of most venues; else any, with caps that bind from time to time."""
        if random.random() < 0.5:
            return None
        return AdlRules(
            policy=random.choice(list(AdlPolicy)),
            cap_ppm=random.choice((0, 300_000, MILLION)),
            least_equity_quote=random.choice((0, 2 * USDT)),
            near_empty_quote=random.choice((0, USDT // 2)),
        )

    def _some_rules(self, random: Random) -> SetRules:
        """Some settings; the others stay."""
        draw, bound = random.choice((None, 0, 200_000, MILLION)), random.choice((None, 0, 50_000, MILLION))
        orders = random.choice((None, self._order_rules(random)))
        waterfall = self._waterfall_rules(random) if random.random() < 0.5 else {}
        return SetRules(VENUE, self.now_us, random.choice((None, NO_BOUND)), draw, bound, orders, **waterfall)

    def _breakers(self, random: Random) -> SetRules:
        """Each of them, or it is off. A throttle that leaves nothing is refused."""
        set_here: dict[str, int] = {}
        if random.random() < 0.7:
            set_here |= {
                "throttle_ppm": random.choice((50_000, 300_000)),
                "throttle_window_us": random.choice((2, 10, 60)) * SECOND_US,
                "throttle_least_quote": random.choice((1, 1, 20 * USDT)),
            }
        if random.random() < 0.6:
            set_here |= {
                "divergence_ppm": random.choice((5_000, 30_000, 100_000)),
                "divergence_after_us": random.choice((0, 1, 3)) * SECOND_US,
                "divergence_cap_us": random.choice((0, 2, 10)) * SECOND_US,
            }
        if random.random() < 0.4:
            set_here |= {
                "stall_us": random.choice((1, 3, 8)) * SECOND_US,
                "stall_cap_us": random.choice((0, 1, 10)) * SECOND_US,
            }
        if random.random() < 0.3:
            set_here["price_band_ppm"] = random.choice((20_000, 100_000, 300_000))
        if random.random() < 0.7:
            set_here |= {
                "band_ppm": random.choice((2_000, 20_000, 50_000)),
                "band_window_us": random.choice((1, 5, 60)) * SECOND_US,
                "limit_state_us": random.choice((0, 0, 2)) * SECOND_US,
                "pause_us": random.choice((2, 7, 20)) * SECOND_US,
            }
        if random.random() < 0.05:
            set_here |= {"band_ppm": random.choice((1_000, MILLION)), "band_window_us": 1}
        if random.random() < 0.05:
            set_here |= {"throttle_ppm": 50_000, "throttle_window_us": random.choice((0, 5)), "throttle_least_quote": 0}
        return SetRules(VENUE, self.now_us, breakers=BreakerRules(**set_here))

    def _other_breakers(self, random: Random) -> SetRules:
        """Mostly none, or nothing else would happen any more."""
        if random.random() < 0.7:
            return SetRules(VENUE, self.now_us, breakers=BreakerRules())
        return self._breakers(random)

    def _seed_fund(self, random: Random) -> AnyInput:
        pool = random.choice((MAIN_POOL, C.fund_pool, C.fund_pool, "vault", "none"))
        return SeedFund(VENUE, self.now_us, random.choice((1, USDT, 4 * USDT)), pool)

    def _late_listing(self, random: Random) -> AnyInput:
        self.traded = (*TRADED, "D")
        return ListInstrument(VENUE, self.now_us, D)

    # the outside and the clock -----------------------------------------------------------------------------

    def _drift(self, random: Random) -> AnyInput:
        """Some outside prices, now and then late, and overtaken."""
        symbols = [symbol for symbol in ("A", "B", "C") if random.random() < 0.6]
        for symbol in symbols:
            self._move(symbol, random.choice((-20_000, -5_000, -700, 0, 700, 5_000, 20_000)))
        source = "spot" if random.random() < 0.6 else random.choice(SOURCES_OF_B)
        sent = self._outside(symbols if source == "spot" else ["B"], source)
        late_us = random.choice((0, 0, 0, 0, 0, SECOND_US // 2, 5 * SECOND_US, 5 * SECOND_US + 1))
        return replace(sent, ts_us=self.now_us - late_us)

    def _jump(self, random: Random) -> AnyInput:
        """Several symbols at once, up to 40 % down or up."""
        size = random.choice((-400_000, -250_000, -120_000, -60_000, 60_000, 120_000, 250_000, 400_000))
        symbols = [symbol for symbol in ("A", "B", "C", "D") if random.random() < 0.7]
        for symbol in symbols:
            self._move(symbol, size * random.choice((1, 1, 1, -1)) * random.choice((2, 3)) // 3)
        self.news += 1
        prices = tuple((symbol, self.prices[symbol]) for symbol in symbols)
        return PriceShock(VENUE, self.now_us, f"news {self.news}", "It was in the news.", "spot", prices)

    def _d_priced(self, random: Random) -> AnyInput:
        self._move("D", random.choice((-200_000, -20_000, 0, 20_000, 200_000)))
        return self._outside(["D"])

    def _tick(self, random: Random) -> AnyInput:
        step = random.choice((0, SECOND_US, SECOND_US, SECOND_US, 2 * SECOND_US, 7 * SECOND_US, MINUTE_US))
        if self.orders and random.random() < 0.05:
            # Ten minutes after an order, to the microsecond; then the order once more.
            step = max(0, self.orders[-1].ts_us + 10 * MINUTE_US - self.ticked_us)
            self.plot.append(self._repeated(self.orders[-1]))
        self.ticked_us += step
        self.now_us = self.ticked_us
        return ClockTick(VENUE, self.now_us)

    def _move(self, symbol: str, ppm: int) -> None:
        price, first = self.prices[symbol], FIRST_PRICES[symbol]
        self.prices[symbol] = min(max(price + price * ppm // MILLION, first // 10), first * 3)

    def _outside(self, symbols: list[str] | tuple[str, ...], source: str = "spot") -> IndexPrices:
        taken = [symbol for symbol in symbols if source == "spot" or symbol == "B"]
        return IndexPrices(VENUE, self.now_us, source, tuple((symbol, self.prices[symbol]) for symbol in taken))

    # plots -------------------------------------------------------------------------------------------------

    def _run_up_a_debt(self, random: Random) -> AnyInput:
        """Somebody offers his position so far below the mark that nothing is left, is filled, and owes the fee.

        On C, whose mark does not follow its trades; everybody else's orders are cleared away first.
        """
        price, lots = self.prices["C"], random.choice((10, 50))
        per_tick, away = lots * C.tick_value, price * random.choice((8, 9)) // 20
        fee = -(-price * per_tick * C.maker_fee_ppm // MILLION)
        self.plot = [
            *self._cleared("C"),
            Deposit(VENUE, self.now_us, ((EMPTY, away * per_tick + fee),)),
            self._place(EMPTY, "C", Side.BUY, lots, price),
            self._place(RICH, "C", Side.SELL, lots, price, TimeInForce.IOC),
            self._place(EMPTY, "C", Side.SELL, lots, price - away),
            self._place(RICH, "C", Side.BUY, lots, price - away, TimeInForce.IOC),
        ]
        return self.plot.pop(0)

    def _fail_a_duty(self, random: Random) -> AnyInput:
        """Makers who should quote and do not, for a whole period; then somebody falls so fast that all who stand behind
        him are asked. On C, where nobody else is left in the book. On B one of them has earned a rebate meanwhile.
        Before that period one was there, for one tick of the minute."""
        duty = Duty(
            name="T1", presence_ppm=900_000, spread_ppm=20_000, size_quote=random.choice((USDT, 3 * USDT)),
            stress_presence_ppm=0, stress_spread_ppm=20_000, stress_size_quote=0,
        )  # fmt: skip
        tiers = (duty, replace(duty, name="T2", presence_ppm=MILLION))
        cap = random.choice((USDT // 100, 3 * USDT))
        price, lots = self.prices["C"], 50
        newcomer, margin = self.newcomers, price * lots * C.tick_value // 5
        self.newcomers += 1
        first_us = self.ticked_us + SECOND_US
        us = [first_us, first_us + 3 * SECOND_US, first_us + 6 * SECOND_US]
        over_us = (us[-1] // MINUTE_US + 1) * MINUTE_US
        lost = price * random.choice((40, 60)) // 100
        self.quotes += 1
        once = f"rebate-{newcomer}"
        self.plot = [
            SetRules(
                VENUE, self.now_us, fund_draw_ppm=MILLION, cover_bound_ppm=MILLION,
                obligations=ObligationRules(
                    duties=tiers, period_us=3 * SECOND_US, clawback=True, tranche_cap_quote=cap, public=True
                ),
            ),
            *self._cleared("C"),
            SetDuty(VENUE, self.now_us, MAKERS[0], "B", "T1"),
            Place(VENUE, self.now_us, MAKERS[0], once, "B", Side.SELL, 5, self._on_grid("B", self.prices["B"])),
            Place(VENUE, self.now_us, RICH, once, "B", Side.BUY, 5),
            *(SetDuty(VENUE, self.now_us, maker, "C", tier) for maker, tier in zip(MAKERS, ("T1", "T2"), strict=True)),
            DeclareStress(VENUE, self.now_us, False),
            MassQuote(VENUE, self.now_us, MAKERS[0], "C", self.quotes, ((price - 1, 9),), ((price + 1, 9),)),
            ClockTick(VENUE, us[0]),
            QuoteCancel(VENUE, us[0], MAKERS[0]),
            *(ClockTick(VENUE, tick_us) for tick_us in us[1:]),
            OpenAccounts(VENUE, us[-1], ((newcomer, "newcomer"),)),
            Deposit(VENUE, us[-1], ((newcomer, margin), (MAKERS[0], 20 * USDT), (RICH, 100 * USDT))),
            IndexPrices(VENUE, us[-1], "spot", (("C", price),)),
            self._place(RICH, "C", Side.SELL, lots, price),
            self._place(newcomer, "C", Side.BUY, lots, price, TimeInForce.IOC),
            self._place(RICH, "C", Side.BUY, lots // 2, max(1, price - lost)),
            IndexPrices(VENUE, us[-1], "spot", (("C", max(1, price - lost)),)),
            ClockTick(VENUE, over_us),
        ]  # fmt: skip
        self.ticked_us = self.now_us = over_us
        return self.plot.pop(0)

    def _build_a_staircase(self, random: Random) -> AnyInput:
        """Newcomers with ever more margin, and a bid for each just above where it is bankrupt: one pulls down the next.

        On A, whose own trades weigh most in its index, once they are stale.
        """
        price, lots, steps = self.prices["A"], 20, 5
        value = price * lots * A.tick_value
        crowd = range(self.newcomers, self.newcomers + steps)
        self.newcomers += steps
        margins = [value * (5_500 + step * 700) // 100_000 for step in range(steps)]
        bids = [price * (94_800 - step * 700) // 100_000 for step in range(steps)]
        tick_us = self.ticked_us + 7 * SECOND_US
        fall = random.choice((3_000, 4_200, 4_200, 4_200, 6_000))
        stop = self._place(MAKERS[0], "A", Side.SELL, lots, bids[1])
        self.orders[-1] = stop = replace(stop, trigger=Trigger(TriggerKind.STOP, price * 99 // 100))
        self.plot = [
            *self._cleared("A"),
            OpenAccounts(VENUE, self.now_us, tuple((account, "newcomer") for account in crowd)),
            Deposit(VENUE, self.now_us, tuple(zip(crowd, margins, strict=True))),
            self._outside(["A"]),
            ClockTick(VENUE, tick_us),
            self._outside(["A"]),
            self._place(RICH, "A", Side.SELL, lots * steps, price),
            *(self._place(account, "A", Side.BUY, lots, price, TimeInForce.IOC) for account in crowd),
            *(self._place(RICH, "A", Side.BUY, lots, bid) for bid in bids),
            *([stop] if random.random() < 0.7 else []),
            ClockTick(VENUE, tick_us + 7 * SECOND_US),
            IndexPrices(VENUE, tick_us + 7 * SECOND_US, "spot", (("A", price - price * fall // 100_000),)),
        ]
        self.ticked_us = self.now_us = tick_us + 7 * SECOND_US
        return self.plot.pop(0)

    def _fall_through_the_book(self, random: Random) -> AnyInput:
        """A newcomer at ten times falls to where a bid stands above his bankruptcy price, one just below it, and none
        for the rest. On A, once its own trades are stale."""
        price, lots = self.prices["A"], 20
        newcomer, margin = self.newcomers, price * lots * A.tick_value // 10
        self.newcomers += 1
        tick_us = self.ticked_us + 14 * SECOND_US
        below = price * 90 // 100 - random.choice((1, 5, 30))
        self.plot = [
            *self._cleared("A"),
            SetRules(
                VENUE,
                self.now_us,
                NO_BOUND,
                MILLION,
                MILLION,
                liquidation=LiquidationRules(),
                fund=FundRules(),
                backstop=BackstopRules(),
            ),
            OpenAccounts(VENUE, self.now_us, ((newcomer, "newcomer"),)),
            Deposit(VENUE, self.now_us, ((newcomer, margin + margin // 100),)),
            self._outside(["A"]),
            self._place(RICH, "A", Side.SELL, lots, price),
            self._place(newcomer, "A", Side.BUY, lots, price, TimeInForce.IOC),
            self._place(RICH, "A", Side.BUY, 5, price * 94 // 100),
            self._place(MAKERS[0], "A", Side.BUY, 5, below),
            ClockTick(VENUE, tick_us),
            IndexPrices(VENUE, tick_us, "spot", (("A", price * 905 // 1_000),)),
        ]
        self.ticked_us = self.now_us = tick_us
        return self.plot.pop(0)

    def _leave_nobody_to_pay(self, random: Random) -> AnyInput:
        """Two newcomers alone on a symbol: its fall ruins the long, and what the short wins there he loses on C."""
        loser, winner, symbol = self.newcomers, self.newcomers + 1, f"F{self.newcomers}"
        self.newcomers += 2
        price, after = self.prices["C"], self.prices["C"] * random.choice((40, 45)) // 100
        lots = 100_000 // price
        self.plot = [
            *self._cleared("C"),
            ListInstrument(VENUE, self.now_us, replace(D, symbol=symbol, stale_after_us=MINUTE_US)),
            OpenAccounts(VENUE, self.now_us, ((loser, "newcomer"), (winner, "newcomer"))),
            Deposit(VENUE, self.now_us, ((loser, 8 * USDT), (winner, 28 * USDT))),
            IndexPrices(VENUE, self.now_us, "spot", ((symbol, 100),)),
            self._outside(["C"]),
            self._place(loser, symbol, Side.BUY, 30, 100),
            self._place(winner, symbol, Side.SELL, 30, 100, TimeInForce.IOC),
            self._place(RICH, "C", Side.SELL, lots, price),
            self._place(winner, "C", Side.BUY, lots, price, TimeInForce.IOC),
            IndexPrices(VENUE, self.now_us, "spot", ((symbol, 50), ("C", after))),
        ]
        self.prices["C"] = after
        return self.plot.pop(0)

    def _stall(self, random: Random) -> AnyInput:
        """A feed stands still for eight seconds and then delivers what it kept back, not always in order."""
        symbol = random.choice(("A", "B", "C"))
        source = random.choice(("spot", "spot", "other")) if symbol == "B" else "spot"
        kept_back: list[AnyInput] = []
        for step in range(16):
            self._move(symbol, random.choice((-40_000, -20_000, -5_000, 5_000, 30_000)))
            sent_us = self.ticked_us + (step + 1) * SECOND_US // 2
            kept_back.append(IndexPrices(VENUE, sent_us, source, ((symbol, self.prices[symbol]),)))
        if random.random() < 0.3:
            random.shuffle(kept_back)
        self.ticked_us += 8 * SECOND_US
        self.now_us = self.ticked_us
        self.plot = kept_back
        return ClockTick(VENUE, self.now_us)

    def _reduce_more_than_there_is(self, random: Random) -> AnyInput:
        """A newcomer buys, offers more than that in reduce-only orders, at several prices, and is taken up on it by one
        who may himself only reduce, or wants all of it or nothing; on C, as above."""
        price, lots, newcomer = self.prices["C"], random.choice((6, 20)), self.newcomers
        self.newcomers += 1
        offers = [(lots - 1, price), (lots, price + 1), (2, price + 1)]
        random.shuffle(offers)
        force = random.choice((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK))
        bid = self._place(RICH, "C", Side.BUY, random.choice((lots, lots + 1, 3 * lots)), price + 1, force)
        if random.random() < 0.3:
            bid = self._sent_as(replace(bid, reduce_only=True))
        self.plot = [
            *self._cleared("C"),
            OpenAccounts(VENUE, self.now_us, ((newcomer, "newcomer"),)),
            Deposit(VENUE, self.now_us, ((newcomer, 2_000 * USDT),)),
            self._place(RICH, "C", Side.SELL, lots, price),
            self._place(newcomer, "C", Side.BUY, lots, price, TimeInForce.IOC),
        ]
        for size, offered in offers:
            order = self._place(newcomer, "C", Side.SELL, size, offered)
            self.plot.append(self._sent_as(replace(order, reduce_only=random.random() < 0.8)))
        self.plot.append(bid)
        return self.plot.pop(0)

    def _fall_on_both_sides(self, random: Random) -> AnyInput:
        """Two newcomers hold a new symbol between them; one is ruined by it, the other by C in the same moment."""
        price, long, short = self.prices["C"], self.newcomers, self.newcomers + 1
        self.newcomers += 2
        symbol, value = f"Y{long}", price * 10 * C.tick_value

        def order(account: int, client_id: str, symbol: str, side: Side, size: int) -> Place:
            return Place(VENUE, self.now_us, account, client_id, symbol, side, size, price)

        self.plot = [
            *self._cleared("C")[:2],
            ListInstrument(VENUE, self.now_us, replace(C, symbol=symbol)),
            IndexPrices(VENUE, self.now_us, "spot", ((symbol, price), ("C", price))),
            OpenAccounts(VENUE, self.now_us, ((long, "newcomer"), (short, "newcomer"))),
            Deposit(VENUE, self.now_us, ((long, value // 4), (short, value * 3 // 2))),
            self._place(RICH, "C", Side.SELL, 60, price),
            order(short, "C", "C", Side.BUY, 60),
            order(long, "buy", symbol, Side.BUY, 10),
            order(short, "sell", symbol, Side.SELL, 10),
            IndexPrices(VENUE, self.now_us, "spot", ((symbol, price * 7 // 10), ("C", price * 6 // 10))),
        ]
        return self.plot.pop(0)

    def _stand_alone(self, random: Random) -> AnyInput:
        """A newcomer isolates a position, adds to it, turns it, changes its margin and its leverage, and the market
        moves."""
        symbol = random.choice(("A", "B"))
        price, lots = self._on_grid(symbol, self.prices[symbol]), random.choice((4, 9))
        side, other = random.choice(((Side.BUY, Side.SELL), (Side.SELL, Side.BUY)))
        away = price * random.choice((-30, 0, 0, 30, 45)) // 1_000 * (1 if side is Side.BUY else -1)
        worse = self._on_grid(symbol, price + away)
        behind = price * (90 if side is Side.BUY else 110) // 100
        newcomer, value = self.newcomers, price * lots * INSTRUMENTS[symbol].tick_value
        self.newcomers += 1
        self.isolated.append((newcomer, symbol))
        steps: list[AnyInput] = [
            MoveMargin(VENUE, self.now_us, newcomer, symbol, value // 100 * random.choice((1, 5, -1))),
            MoveMargin(VENUE, self.now_us, newcomer, symbol, -value // random.choice((40, 400))),
            SetLeverage(VENUE, self.now_us, newcomer, symbol, random.choice((2, 5, 10))),
            self._place(newcomer, symbol, other, lots // 2, price),
            self._place(RICH, symbol, side, lots // 2, price),
            self._place(newcomer, symbol, side, lots, worse),
            self._place(RICH, symbol, other, lots, worse),
            self._place(newcomer, symbol, other, lots * 3, price),
            self._place(RICH, symbol, side, lots * 3, price),
            Deposit(VENUE, self.now_us, ((newcomer, value // 50),)),
        ]
        rest = [
            self._place(newcomer, symbol, side, lots * random.choice((1, 2, 4)), self._on_grid(symbol, behind)),
            *(Withdraw(VENUE, self.now_us, newcomer, value * part // 100) for part in (12, 5, 3, 2)),
        ]
        random.shuffle(steps)
        self.plot = [
            *self._cleared(symbol)[:2],
            OpenAccounts(VENUE, self.now_us, ((newcomer, "newcomer"),)),
            Deposit(VENUE, self.now_us, ((newcomer, value * random.choice((6, 15, 40)) // 100),)),
            SetMarginMode(VENUE, self.now_us, newcomer, symbol, True),
            self._place(newcomer, symbol, side, lots, worse),
            self._place(RICH, symbol, other, lots, worse, TimeInForce.IOC),
            *(rest if random.random() < 0.5 else ()),
            *steps[: random.choice((2, 5, 10))],
        ]
        return self.plot.pop(0)

    def _halt(self, random: Random) -> AnyInput:
        """Trading is halted, everybody goes on as if it were not, and prices may move far; then it is resumed."""
        tellers = (
            self._order,
            self._own_crossing,
            self._amend,
            self._again,
            self._cancel,
            self._cancel_all,
            self._some_quote,
            self._quote_cancel,
            self._withdraw,
            self._deposit,
            self._leverage,
            self._drift,
            self._jump,
        )
        told = [random.choice(tellers)(random) for _ in range(random.choice((0, 2, 5, 9)))]
        self.plot = [*told, ResumeTrading(VENUE, self.now_us)]
        return HaltTrading(VENUE, self.now_us, random.choice(("feed", "")))

    def _run_over_a_protected_quote(self, random: Random) -> AnyInput:
        """A maker's ladder is swept, taken away in the middle of it, and laid again too early and in time."""
        maker, price, frozen_us = MAKERS[0], self.prices["C"], random.choice((0, SECOND_US, SECOND_US))
        bids = tuple((price - level, lots) for level, lots in enumerate((4, 5, 3, 9), 1))
        quotes = [
            MassQuote(VENUE, self.now_us, maker, "C", self.quotes + number, bids[number - 1 :]) for number in (1, 2, 3)
        ]
        self.quotes += len(quotes)
        quantity, delta = random.choice(((9, 0), (8, 0), (0, 8), (0, 3), (30, 0)))
        protection = SetProtection(VENUE, self.now_us, maker, "C", SECOND_US, frozen_us, quantity, delta)
        sweep = self._place(RICH, "C", Side.SELL, 15, price - 5, TimeInForce.IOC)
        cleared = self._cleared("C")
        self.now_us = self.ticked_us = self.now_us + SECOND_US
        self.plot = [
            *cleared,
            quotes[0],
            sweep,
            quotes[1],
            ClockTick(VENUE, self.now_us),
            quotes[2],
        ]
        return protection

    def _line_up_stops(self, random: Random) -> AnyInput:
        """Stops one below the other, and a bid below each: one sets off the next, down to the last. Or trading is
        halted meanwhile, and they find the mark where it is by then."""
        is_halted = random.random() < 0.4
        symbol = "C" if is_halted else random.choice(("A", "C"))
        by = TriggerBy.MARK if is_halted else random.choice((TriggerBy.LAST, TriggerBy.LAST, TriggerBy.MARK))
        price, lots = self.prices[symbol], 5
        steps = [price * (1_000 - 5 * step) // 1_000 for step in range(1, 6)]
        owners = [random.choice((*MAKERS, *POOR)) for _ in steps]
        stops = []
        for account, step in zip(owners, steps, strict=True):
            limit = random.choice((None, step * 95 // 100))
            stops.append(self._place(account, symbol, Side.SELL, lots, limit))
            self.orders[-1] = stops[-1] = replace(stops[-1], trigger=Trigger(TriggerKind.STOP, step, by))
        self.plot = [
            *self._cleared(symbol)[:-1],
            *stops,
            *(self._place(RICH, symbol, Side.BUY, lots, step) for step in steps),
            Amend(VENUE, self.now_us, stops[2].account, stops[2].client_id, lots - 1),
            *([HaltTrading(VENUE, self.now_us, "stops")] if is_halted else []),
            self._place(random.choice(TWINS), symbol, Side.SELL, lots, steps[0], TimeInForce.IOC),
            IndexPrices(VENUE, self.now_us, "spot", ((symbol, steps[random.choice((0, 1, 4))]),)),
            ResumeTrading(VENUE, self.now_us),
        ]
        return self._cleared(symbol)[-1]

    def _be_stopped_by_the_band(self, random: Random) -> AnyInput:
        """A buyer finds no offer inside the band of C, which is paused; what is collected is uncrossed by a call."""
        price, begun_us = self.prices["C"], self.ticked_us + SECOND_US
        rules = BreakerRules(band_ppm=20_000, band_window_us=SECOND_US, limit_state_us=0, pause_us=2 * SECOND_US)
        self.plot = [
            *self._cleared("C"),
            SetRules(VENUE, self.now_us, breakers=rules),
            self._outside(["C"]),
            ClockTick(VENUE, begun_us),
            self._place(RICH, "C", Side.BUY, 5, price + price // 10),
            ClockTick(VENUE, begun_us + SECOND_US),
        ]
        for _ in range(random.choice((2, 4, 6))):
            side, account = random.choice(list(Side)), random.choice((*MAKERS, RICH))
            limit = price + random.choice((-8, -2, 0, 2, 8))
            self.plot.append(self._place(account, "C", side, random.choice((1, 5, 13)), limit))
        self.plot.append(ClockTick(VENUE, begun_us + 3 * SECOND_US))
        self.plot.append(SetRules(VENUE, self.now_us, breakers=BreakerRules()))
        self.ticked_us = self.now_us = begun_us + 3 * SECOND_US
        return self.plot.pop(0)

    def _cleared(self, symbol: str) -> list[AnyInput]:
        return [CancelAll(VENUE, self.now_us, account, symbol) for account in ACCOUNTS]

    # what is not allowed -----------------------------------------------------------------------------------

    def _bad(self, random: Random) -> AnyInput:
        return random.choice(
            (
                self._bad_order,
                self._bad_order,
                self._bad_amend,
                self._bad_quote,
                self._bad_quote,
                self._bad_quote,
                self._bad_prices,
                self._bad_money,
                self._bad_control,
                self._bad_seed,
                self._bad_listing,
                self._from_the_future,
            )
        )(random)

    def _bad_order(self, random: Random) -> AnyInput:
        """Maybe several things are wrong at once: the first of the enum answers."""
        if random.random() < 0.2:  # as large as may be, and away from the market: a second one is too large
            symbol = random.choice(("A", "B"))
            low = self._on_grid(symbol, self.prices[symbol] // 2)
            return self._place(RICH, symbol, Side.BUY, INSTRUMENTS[symbol].max_size, low)
        if random.random() < 0.1:  # between two steps of the grid
            return self._place(RICH, "B", random.choice(list(Side)), 1, self._near(random, "B") - 1)
        symbol = random.choice(("A", "B", "C", "E"))
        price = random.choice((None, 0, -5, 1_001, 100_000, self.prices.get(symbol, 1)))
        size = random.choice((0, -3, 1, 10, 401, 5_000))
        force = random.choice(list(TimeInForce))
        account = random.choice((*MAKERS, RICH, RICH, NOBODY))
        order = self._place(account, symbol, random.choice(list(Side)), size, price, force, random.random() < 0.4)
        if random.random() < 0.3:
            trigger = Trigger(random.choice(list(TriggerKind)), random.choice((0, 1_001, 100_000, 900, 1_100)))
            self.orders[-1] = order = replace(order, trigger=trigger)
        return order

    def _bad_amend(self, random: Random) -> AnyInput:
        if not self.orders:
            return self._bad_order(random)
        order = random.choice(self.orders[-10:])
        size, price = random.choice((None, -1, 5_000, 400)), random.choice((None, 0, 1_001, 100_000))
        return Amend(VENUE, self.now_us, order.account, order.client_id, size, price)

    def _bad_quote(self, random: Random) -> AnyInput:
        """A good quote, spoilt in one way or two."""
        good = self._quote(random, random.choice(MAKERS), random.choice(("A", "B")))
        bids, asks = good.bids, good.asks
        account, symbol, quote_id = good.account, good.symbol, good.quote_id
        price = self.prices[symbol] // 10 * 10
        for _ in range(random.choice((1, 1, 2))):
            match random.choice((0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8)):
                case 0:
                    account = NOBODY
                case 1:
                    symbol = "E"
                case 2:
                    quote_id = random.choice((0, 0, quote_id // 2))
                case 3:
                    bids = ((price, random.choice((0, -1, 5_000))), *bids[1:])
                case 4:
                    asks = (*asks, (random.choice((0, -5, 100_000)), 1))
                case 5:
                    bids = (*bids, (price - price // 2 * 2 + 1, 1))
                case 6:
                    bids = (*bids, *bids[:1])
                case 7:
                    asks = (*asks, (price // 2 // 5 * 5, 1))
                case _:
                    asks = ((price, 1),)
                    bids = ((price + 10 * random.choice((0, 1)), 1),)
        return MassQuote(VENUE, self.now_us, account, symbol, quote_id, bids, asks)

    def _bad_prices(self, random: Random) -> AnyInput:
        source = random.choice(("spot", "spot", "other", OWN_TRADES, "nowhere"))
        prices = tuple(
            (random.choice(("A", "B", "C", "E")), random.choice((0, -1, 70_000, 400)))
            for _ in range(random.choice((1, 2)))
        )
        if random.random() < 0.5:
            return IndexPrices(VENUE, self.now_us, source, prices)
        return PriceShock(VENUE, self.now_us, "rumour", "Somebody said so.", source, prices)

    def _bad_money(self, random: Random) -> AnyInput:
        account = random.choice((*ACCOUNTS, NOBODY))
        quote = random.choice((0, -USDT, USDT, WIRE_MAX))
        match random.choice(("deposit", "withdraw", "fund")):
            case "deposit":
                return Deposit(VENUE, self.now_us, ((random.choice(ACCOUNTS), -1), (account, quote)))
            case "withdraw":
                return Withdraw(VENUE, self.now_us, account, quote)
            case _:
                return SeedFund(VENUE, self.now_us, random.choice((0, -1, WIRE_MAX)))

    def _bad_control(self, random: Random) -> AnyInput:
        match random.choice(
            ("leverage", "margin", "open", "rules", "duties", "orders", "waterfall", "again", "halt", "resume")
        ):
            case "margin":
                account, symbol = random.choice((*ACCOUNTS, NOBODY)), random.choice(("A", "B", "E"))
                if random.random() < 0.3:
                    return SetMarginMode(VENUE, self.now_us, account, symbol, True)
                return MoveMargin(VENUE, self.now_us, account, symbol, random.choice((0, WIRE_MAX, -WIRE_MAX)))
            case "leverage":
                account, symbol = random.choice((*ACCOUNTS, NOBODY)), random.choice(("A", "C", "E"))
                return SetLeverage(VENUE, self.now_us, account, symbol, random.choice((0, 11, 51)))
            case "open":
                numbers = random.choice(((1,), (12_345, 12_345), (NOBODY + 1, 4)))
                return OpenAccounts(VENUE, self.now_us, tuple((number, "new") for number in numbers))
            case "rules":
                checks, draw = random.choice((0, NO_BOUND)), random.choice((-1, 0, MILLION + 1))
                return SetRules(VENUE, self.now_us, checks, draw, random.choice((-1, MILLION, MILLION + 1)))
            case "duties":
                return SetRules(VENUE, self.now_us, obligations=self._bad_obligations(random))
            case "orders":
                return SetRules(VENUE, self.now_us, orders=OrderRules(rate_limit=3, rate_window_us=0))
            case "waterfall":
                no_share = LiquidationRules(step=LiquidationStep.SHARE, share_ppm=0)
                return random.choice(
                    (
                        SetRules(VENUE, self.now_us, liquidation=no_share),
                        SetRules(VENUE, self.now_us, fund=FundRules(policy=FundPolicy.TAKE_OVER, unwind_ppm=0)),
                        SetRules(VENUE, self.now_us, fund=FundRules(drawdown_on_ppm=1, drawdown_off_ppm=2)),
                        SetRules(VENUE, self.now_us, fund=FundRules(drawdown_on_ppm=MILLION, drawdown_window_us=479)),
                        SetRules(VENUE, self.now_us, backstop=BackstopRules(below_ppm=1)),
                        SetRules(VENUE, self.now_us, backstop=BackstopRules(vaults=("vault", "vault"))),
                    )
                )
            case "halt":  # maybe a second time; it is resumed at once
                self.plot.insert(0, ResumeTrading(VENUE, self.now_us))
                return HaltTrading(VENUE, self.now_us, "by mistake")
            case "resume":
                return ResumeTrading(VENUE, self.now_us)
            case _:
                return ListInstrument(VENUE, self.now_us, random.choice((A, B, C)))

    def _bad_seed(self, random: Random) -> AnyInput:
        count = random.choice((1, 2, 2, 3))
        legs = tuple(
            Leg(
                random.choice((*ACCOUNTS, NOBODY)),
                random.choice(("A", "B", "C", "D", "E")),
                random.choice((0, 1, -1, 5_000)),
                random.choice((400, 400, 0, 100_000)),
                random.choice((0, 0, 5, 99)),
                random.choice((False, True)),
                random.choice((0, 0, -1, USDT)),
            )
            for _ in range(count)
        )
        return SeedPositions(VENUE, self.now_us, legs)

    def _bad_listing(self, random: Random) -> AnyInput:
        wrong = random.choice(
            (
                {"tick_value": 7},
                {"tick_size": "cheap"},
                {"price_step": 0},
                {"max_size": WIRE_MAX},
                {"default_leverage": 51},
                {"maker_fee_ppm": -600},
                {"taker_fee_ppm": MILLION},
                {"market_bound_ppm": -1},
                {"mark": "mid"},
                {"sources": (IndexSource("spot", 0),)},
                {"sources": (IndexSource("spot", 1), IndexSource("spot", 1))},
                {"tiers": ()},
                {"tiers": (Tier(USDT, 10_000),)},
                {"tiers": (Tier(USDT, 10_000), Tier(0, 10_000))},
                {"tiers": (Tier(USDT, 10_000), Tier(USDT, 20_000), Tier(0, 30_000))},
                {"tiers": (Tier(0, 20_001),)},
                {"tiers": (Tier(USDT, 10_000, 20), Tier(0, 20_000, 25))},
                {"tiers": (Tier(USDT, 10_000), Tier(0, 20_001, 50))},
                {"tiers": (Tier(USDT, 10_000, 10), Tier(0, 20_000, 5))},
                {"max_open_interest": -1},
            )
        )
        fields = {name: getattr(A, name) for name in A.__struct_fields__}
        return ListInstrument(VENUE, self.now_us, Instrument(**{**fields, "symbol": "Z", **wrong}))

    def _from_the_future(self, random: Random) -> AnyInput:
        """Stamped just past what is allowed, or far past it."""
        ahead_us = self.ticked_us + SECOND_US + random.choice((1, 1, MINUTE_US))
        now_us, self.now_us = self.now_us, ahead_us
        told = random.choice(
            (
                self._order,
                self._amend,
                self._cancel,
                self._cancel_all,
                self._some_quote,
                self._quote_cancel,
                self._drift,
                self._deposit,
                self._withdraw,
                self._leverage,
                self._jump,
                self._bad_seed,
            )
        )(random)
        self.now_us = now_us
        return told


Teller = Callable[[Story, Random], AnyInput]
TELLERS: tuple[tuple[Teller, int], ...] = (
    (Story._order, 26),
    (Story._deep_order, 4),
    (Story._own_crossing, 4),
    (Story._reducing_order, 6),
    (Story._amend, 11),
    (Story._stray_order, 5),
    (Story._again, 3),
    (Story._cancel, 6),
    (Story._cancel_all, 2),
    (Story._some_quote, 14),
    (Story._quote_cancel, 2),
    (Story._protection, 2),
    (Story._duty, 3),
    (Story._stress, 1),
    (Story._deposit, 2),
    (Story._withdraw, 3),
    (Story._leverage, 3),
    (Story._margin_mode, 1),
    (Story._move_margin, 2),
    (Story._isolated_order, 4),
    (Story._rules, 1),
    (Story._some_rules, 1),
    (Story._halt, 2),
    (Story._other_breakers, 1),
    (Story._seed_fund, 1),
    (Story._late_listing, 1),
    (Story._drift, 9),
    (Story._jump, 5),
    (Story._d_priced, 2),
    (Story._tick, 12),
    (Story._stall, 1),
    (Story._leave_nobody_to_pay, 1),
    (Story._run_up_a_debt, 3),
    (Story._fail_a_duty, 2),
    (Story._build_a_staircase, 2),
    (Story._be_stopped_by_the_band, 1),
    (Story._fall_through_the_book, 2),
    (Story._run_over_a_protected_quote, 1),
    (Story._reduce_more_than_there_is, 2),
    (Story._line_up_stops, 3),
    (Story._stand_alone, 2),
    (Story._fall_on_both_sides, 1),
    (Story._bad, 12),
)
KINDS = [teller for teller, _ in TELLERS]
WEIGHTS = [weight for _, weight in TELLERS]


def history(seed: int, length: int) -> list[AnyInput]:
    """The story of a seed: its beginning and so many inputs more."""
    random, story = Random(seed), Story()
    return [*story.begin(random), *(story.go_on(random) for _ in range(length))]


@st.composite
def histories(draw: st.DrawFn, chapters: int) -> list[AnyInput]:
    """Stories that hypothesis tells, and shortens when one of them fails.

    In chapters of about five inputs: from one long list it would draw short ones.
    """
    randoms = st.randoms(use_true_random=False)
    story = Story()
    told = list(story.begin(draw(randoms)))
    for _ in range(chapters):
        told += draw(st.lists(randoms.map(story.go_on), max_size=12))
    return told
