"""Outcomes: the figures by which runs are held against each other, each defined here and nowhere else.

From      the summaries of a run, one for each venue, and what its participants say that they earned.
Venues    taken together: sums are added up; shares are of the venues' sums, lowest points included, although they need
          not fall into the same minute on each; of prices the venue that fell farthest counts, of times the first.
Token     the one that the first venue is told of (see consumers/summary); a venue that does not list it says nothing
          of it.
Times     in minutes: how long something took, or how long after the first tick it happened.
R         see consumers/cascade. No venue's liquidations set off another's there, so that of all is what was set off on
          each, over what was liquidated on all; and of minutes that of the venue where it was highest.
None      it never came to that, or it is not known. None is no zero: it is left out of every median, and counted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from consumers.summary import MarketSummary, Summary

MILLION_USD = 1e6


class Told(Struct, frozen=True):
    """What a run says of itself. `profits_usdt`: by participant, of those that keep an account of it."""

    summaries: Sequence[Summary]
    profits_usdt: Mapping[str, float]

    @property
    def token(self) -> str | None:
        """The symbol that stands for all thin ones."""
        return next((each.token for each in self.summaries if each.token is not None), None)

    def markets(self, symbol: str | None) -> list[MarketSummary]:
        """A symbol on every venue that lists it."""
        return [market for each in self.summaries for market in each.markets if market.symbol == symbol]

    def bitcoin(self) -> list[MarketSummary]:
        """The same of the symbol that stands for all deep ones."""
        return [market for each in self.summaries for market in each.markets if market.symbol.startswith("BTC")]

    def minutes_of(self, what: str) -> list[float]:
        """When something of the timeline of the token first happened, by venue."""
        return [
            minutes_between(each.from_at, onset.at)
            for each in self.summaries
            for onset in each.timeline
            if onset.what == what and onset.symbol in (None, self.token)
        ]


class Outcome(Struct, frozen=True):
    """One figure: its name for programs, its title and unit for people, how many decimals it is worth showing, and
    where it is from."""

    name: str
    title: str
    unit: str
    decimals: int
    source: str
    of: Callable[[Told], float | None]


def outcomes(summaries: Sequence[Summary], profits_usdt: Mapping[str, float]) -> dict[str, float | None]:
    """Every outcome of a run by name."""
    told = Told(summaries, profits_usdt)
    return {each.name: each.of(told) for each in OUTCOMES}


def minutes_between(earlier: str, later: str) -> float:
    """Minutes from one UTC stamp to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds() / 60


def _share(parts: Iterable[tuple[float | None, float | None]]) -> float | None:
    """Part of a whole in percent, both summed where both are known."""
    known = [(part, whole) for part, whole in parts if part is not None and whole]
    whole = sum(each for _, each in known)
    return 100 * sum(part for part, _ in known) / whole if whole else None


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _depth_trough(told: Told) -> float | None:
    markets = told.markets(told.token)
    return _share((each.depth_trough_usd, each.depth_normal_usd) for each in markets)


def _open_interest_change(told: Told) -> float | None:
    changes = [
        (market.open_interest_first_usd * market.open_interest_change_percent / 100, market.open_interest_first_usd)
        for each in told.summaries
        for market in each.markets
        if market.open_interest_first_usd is not None and market.open_interest_change_percent is not None
    ]
    return _share(changes)


def _reproduction(told: Told) -> float | None:
    liquidated = sum(each.cascade.liquidated_usd for each in told.summaries)
    return sum(each.cascade.set_off_usd for each in told.summaries) / liquidated if liquidated else None


def _profit(told: Told) -> float | None:
    """Of the makers, known by their quotes; None where nobody keeps an account."""
    makers = {maker.maker for each in told.summaries for maker in each.makers}
    known = [profit for participant, profit in told.profits_usdt.items() if participant in makers]
    return sum(known) / MILLION_USD if known else None


def _warning(told: Told) -> float | None:
    """On the venue that most makers left first."""
    spans: list[tuple[float, float]] = []
    for each in told.summaries:
        at = {onset.what: onset.at for onset in each.timeline if onset.symbol == told.token}
        if "most_thin" in at and "most_gone" in at:
            spans.append(
                (minutes_between(each.from_at, at["most_gone"]), minutes_between(at["most_thin"], at["most_gone"]))
            )
    return min(spans)[1] if spans else None


def _exits(told: Told) -> list[float]:
    """When each firm was first gone from a venue, in minutes after the first tick."""
    first: dict[str, float] = {}
    for each in told.summaries:
        for maker in each.makers:
            if maker.symbol == told.token and maker.gone_at is not None:
                gone = minutes_between(each.from_at, maker.gone_at)
                first[maker.maker] = min(gone, first.get(maker.maker, gone))
    return sorted(first.values())


def _synchrony(told: Told) -> float | None:
    exits = _exits(told)
    return exits[-1] - exits[0] if len(exits) > 1 else None


OUTCOMES = (
    Outcome(
        "liquidated", "liquidated", "M USD", 1, "positions taken, at the mark at which they were",
        lambda told: sum(each.liquidations.notional_usd for each in told.summaries) / MILLION_USD,
    ),
    Outcome(
        "reproduction", "R of the run", "per USD", 2, "liquidated notional set off, per liquidated notional",
        _reproduction,
    ),
    Outcome(
        "reproduction_highest", "R, highest minute", "per USD", 2,
        "the same of a minute in which a hundredth of the venue's was liquidated, or more",
        lambda told: _largest(each.cascade.r_highest for each in told.summaries),
    ),
    Outcome(
        "accounts_liquidated", "accounts liquidated", "number", 0, "of which a position or a part was taken",
        lambda told: float(sum(each.liquidations.accounts for each in told.summaries)),
    ),
    Outcome(
        "accounts_wiped_out", "accounts wiped out", "number", 0,
        "that had no money when their last position was liquidated, or that a vault took over",
        lambda told: float(sum(each.liquidations.wiped_out for each in told.summaries)),
    ),
    Outcome(
        "fund_lowest", "fund at its lowest", "% of start", 1, "balance of all pools over what was paid in",
        lambda told: _share((each.fund.lowest_usd, each.fund.opening_usd) for each in told.summaries),
    ),
    Outcome(
        "fund_lost", "fund lost at worst", "M USD", 3, "start less the lowest balance, of all pools",
        lambda told: sum(max(each.fund.opening_usd - each.fund.lowest_usd, 0) for each in told.summaries) / MILLION_USD,
    ),
    Outcome(
        "deficit", "deficit", "M USD", 3, "losses that neither fund nor ADL could bear",
        lambda told: sum(each.fund.deficit_usd for each in told.summaries) / MILLION_USD,
    ),
    Outcome(
        "adl", "deleveraged (ADL)", "M USD", 1, "positions closed by ADL, at the price of closing",
        lambda told: sum(each.adl.notional_usd for each in told.summaries) / MILLION_USD,
    ),
    Outcome(
        "adl_accounts", "accounts deleveraged", "number", 0, "of which ADL closed a position or a part",
        lambda told: float(sum(each.adl.accounts for each in told.summaries)),
    ),
    Outcome(
        "depth_trough", "token depth, trough", "% of normal", 2,
        "least mean of a minute within 1 % of the mid, over what was normal at the first news",
        _depth_trough,
    ),
    Outcome(
        "token_beyond_outside", "token beyond outside", "points", 1,
        "percent that the last trade fell from its first, less what the outside price fell",
        lambda told: _largest(each.beyond_outside_points for each in told.markets(told.token)),
    ),
    Outcome(
        "btc_beyond_outside", "BTC beyond outside", "points", 2, "as of the token",
        lambda told: _largest(each.beyond_outside_points for each in told.bitcoin()),
    ),
    Outcome(
        "btc_low", "BTC, lowest trade", "USD", 0, "last trade",
        lambda told: _least(each.price_low for each in told.bitcoin()),
    ),
    Outcome(
        "open_interest_change", "open interest", "% change", 1,
        "contracts, start to end, each symbol weighed by its first value",
        _open_interest_change,
    ),
    Outcome(
        "makers_profit", "makers' profit", "M USD", 2, "their own accounts of themselves, hedges included", _profit,
    ),
    Outcome(
        "warning", "warning time", "min", 1, "from most makers thin to most gone, where they left first", _warning,
    ),
    Outcome(
        "first_exit", "first maker leaves after", "min", 1, "since the first tick", lambda told: _least(_exits(told)),
    ),
    Outcome(
        "first_return", "first maker is back after", "min", 1, "since the first tick, the first after the trough",
        lambda told: _least(told.minutes_of("return")),
    ),
    Outcome(
        "synchrony", "first to last exit", "min", 1, "of the makers that leave, where two or more do", _synchrony,
    ),
)  # fmt: skip
BY_NAME = {each.name: each for each in OUTCOMES}
