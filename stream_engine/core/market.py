"""Market: what the venue keeps for one listed symbol.

Holds     open_interest = sum of the longs = sum of the shorts; `longs` and `shorts` name every account with a
          position, by account.
"""

from msgspec import Struct

from stream_engine.core.freeze import Freeze
from stream_engine.core.funding_rate import FundingRate
from stream_engine.core.index_price import IndexPrice
from stream_engine.core.margin import MaintenanceTable, maintenance_table
from stream_engine.core.mark_price import Basis, HyperliquidMeans, hyperliquid_means
from stream_engine.core.order_book import OrderBook
from stream_engine.core.position import Position
from stream_engine.core.price_band import PriceBand
from stream_engine.core.throttle import Turnover
from stream_engine.core.trigger_index import TriggerIndex
from stream_engine.messages.events import Breaker, Cause
from stream_engine.messages.instrument import Instrument


class Wait(Struct, gc=False):
    """A circuit breaker that is on: since when, and whom it has kept waiting: what each owed then beyond its margin, in
    micro-quote (0 or more), by account."""

    since_us: int
    accounts: dict[int, int] = {}


class Market(Struct, gc=False):
    """One symbol: its book, its prices in ticks (0: none yet), and who holds it.

    moved          the event that set the mark.       printed   the event of the last trade.
    reducing       how many reduce-only orders rest in its book.       protected   how many accounts' quotes are.
    previous_mark  the mark before the present one; 0 before there were two.
    by_mark, by_last   the orders that wait for these prices.
    funding        where the instrument has any.     means   where its mark is Hyperliquid's.
    reported       what the last OpenInterestChanged said.
    waits          the circuit breakers that are on, by which came first; empty as long as liquidations go on.
    band, freeze, turnover   of the breakers that the venue has set (None: it has not).
    """

    instrument: Instrument
    table: MaintenanceTable
    tick_value: int
    book: OrderBook
    index_price: IndexPrice
    basis: Basis
    by_mark: TriggerIndex
    by_last: TriggerIndex
    funding: FundingRate | None
    means: HyperliquidMeans | None
    mark: int = 0
    previous_mark: int = 0
    index: int = 0
    last: int = 0
    moved: Cause | None = None
    printed: Cause | None = None
    longs: dict[int, Position] = {}
    shorts: dict[int, Position] = {}
    open_interest: int = 0
    reducing: int = 0
    protected: int = 0
    reported: tuple[int, int, int] = (0, 0, 0)
    waits: dict[Breaker, Wait] = {}
    band: PriceBand | None = None
    freeze: Freeze | None = None
    turnover: Turnover | None = None


def listed(instrument: Instrument) -> Market:
    """The market of a perpetual that is listed now: an empty book, no price, nobody in it."""
    return Market(
        instrument,
        maintenance_table(instrument.tiers, instrument.max_leverage),
        instrument.tick_value,
        OrderBook(),
        IndexPrice(instrument),
        Basis(instrument.basis_every_us, instrument.basis_window_us),
        TriggerIndex(),
        TriggerIndex(),
        FundingRate() if instrument.funding_interval_us else None,
        hyperliquid_means() if instrument.mark == "hyperliquid" else None,
    )


def is_paused(market: Market) -> bool:
    """Whether a breaker has paused the symbol: orders are collected, and nothing trades."""
    return market.band is not None and market.band.paused_until_us is not None


def hold(market: Market, position: Position, before: int) -> None:
    """Keep the registries and the open interest right after a position changed from `before` lots."""
    after = position.size
    if before > 0:
        market.open_interest -= before
    if after > 0:
        market.open_interest += after
    if (before > 0) != (after > 0):
        _enter(market.longs, position, after > 0)
    if (before < 0) != (after < 0):
        _enter(market.shorts, position, after < 0)


def _enter(holders: dict[int, Position], position: Position, holds: bool) -> None:
    if holds:
        holders[position.account] = position
    else:
        del holders[position.account]
