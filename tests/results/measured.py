"""Measured: the figures of one run that are held against the public record, each defined here and nowhere else.

Token      the symbol with the smallest normal depth.
Depth      two-sided, within 1 %, of the token, added up over the venues that list it; means of minutes.
Normal     of depth and spread: the median of the minutes before the news.
First      the first venue of the scenario: whose index, whose last trades and whose makers are meant where the record
           is that of one venue.
Thins      the first minute after the news from which depth stays under 80 % of normal for five minutes.
Gone       the first moment at which none of the first venue's makers of the token is there (see market_makers).
Trough     of depth, by means of five minutes, as a chart of hours shows them: the least that ends after the news, the
           first of equals, told by its middle minute. The worst single minute is an outcome of whatif.
Return     the first end of an absence of a maker of the token on the first venue after the trough began.
Earned     what the first venue's makers had of what was traded with their quotes in the token, by the mark five minutes
           after the minute of the trade, in bp of it; trades of makers with each other are left out. While the mark is
           that of before the news; in the 30 minutes until all were out; in the 30 minutes from the first return.
Back       of spreads, for each symbol of the first venue: how much of the way from the widest minute after the news to
           normal it had come back 35 minutes later (or at the end of the run, if that is earlier), in percent; of the
           symbols the least. A minute has the median of its ticks; one without a spread at that time is nowhere near.
Accounts   liquidated ones, over venues, each by the side of the first position that was taken from it.
Fund       all venues together, backstop vaults left out: from the balance at 20:55 to the lowest minute until 21:25.
Top        the hundredth of the deleveraged accounts of all venues from which most was taken, at least one.
Per sold   how far a sale of a million pushes the token by what stands in the books: one percent for all bids within one
           percent, all venues added up, mean of the window's minutes. What sales did push it by cannot be told in quiet
           minutes: they are small, and the price moves with the news more than with them.
Clock      times of day as minutes after midnight UTC. None: it never came to that, or there is no such venue.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

from consumers.figures import usd
from consumers.market_makers import MarketMakers
from consumers.paths import MINUTE_US, SECOND_US, Path
from stream_engine.messages.instrument import Instrument, price_of
from stream_engine.messages.units import MILLION
from stream_engine.whatif.play import Watched
from tests.results.trace import Minute, Quoted, Trace

THIN_PERCENT = 80
THIN_FOR = 5  # minutes
BACK_AFTER = 35  # minutes
TROUGH_REACH = 2  # minutes to either side of the middle one
EARNED_IN = 30  # minutes
MARKED_AFTER = 5  # minutes
STEP_US = 5 * MINUTE_US  # of the outside path

# Minutes of the day between which something is measured.
FUND_FROM, FUND_UNTIL = 20 * 60 + 55, 21 * 60 + 25
CALM_FROM, CALM_UNTIL = 20 * 60 + 10, 20 * 60 + 15
VOID_FROM, VOID_UNTIL = 21 * 60 + 15, 21 * 60 + 20

Times = tuple[int, int | None]
Clock = Callable[[int | None], float | None]


def figures(run: Watched, traces: Sequence[Trace], presets: Mapping[str, str | None]) -> dict[str, float | None]:
    """Every figure of a run by name. `presets`: the published rules that each venue has, by its name."""
    first = traces[0]
    midnight_us = midnight(first.board.prices.started_us)

    def clock(ts_us: int | None) -> float | None:
        return None if ts_us is None else (ts_us - midnight_us) / MINUTE_US

    def day(minute: int) -> int:
        return midnight_us + minute * MINUTE_US

    found: dict[str, float | None] = {}
    news = first.board.prices.news
    if news:
        token = token_of(traces, news[0].ts_us)
        found |= _of_makers(traces, token, news[0].ts_us, clock)
        found["spreads_back"] = least(
            back_percent(first.minutes[symbol], news[0].ts_us) for symbol in sorted(first.minutes)
        )
        found |= {
            "token_fall": fall_percent(first.board.prices.last.get(token)),
            "token_outside_fall": fall_percent(run.outside.get(token)),
        }
        bids = depth_of(traces, token, bids_only=True)
        void, calm = (
            per_million_sold(bids, day(start), day(end))
            for start, end in ((VOID_FROM, VOID_UNTIL), (CALM_FROM, CALM_UNTIL))
        )
        found["impact_ratio"] = void / calm if void is not None and calm is not None else None
    found |= _of_bitcoin(first, clock)
    found |= {
        "long_liquidated": percent(
            sum(len(trace.long_accounts) for trace in traces),
            sum(len(trace.long_accounts) + len(trace.short_accounts) for trace in traces),
        ),
        "adl_absent": percent(
            sum(trace.board.adl.all.absent_notional for trace in traces),
            sum(trace.board.adl.all.notional for trace in traces),
        ),
        "fund_fall": fall_between(together(trace.fund for trace in traces), day(FUND_FROM), day(FUND_UNTIL)),
        "adl_top": top_percent([taken for trace in traces for taken in trace.board.adl.all.by_account.values()]),
    }
    return found | _of_venues(traces, presets) | _of_cost(run, traces)


def outside_closes(paths: Mapping[str, Path], instruments: Mapping[str, Instrument]) -> dict[str, dict[int, float]]:
    """The outside price of each symbol at the end of every fifth minute: the last one of the minute before, by the
    minute of the day."""
    return {
        symbol: {
            (minute.ts_us + MINUTE_US - midnight(minute.ts_us)) // MINUTE_US: float(
                price_of(instruments[symbol], minute.last)
            )
            for minute in path.minutes
            if (minute.ts_us + MINUTE_US) % STEP_US == 0
        }
        for symbol, path in sorted(paths.items())
    }


# what is computed from its arguments -----------------------------------------------------------------------------


def normal_of(minutes: Iterable[tuple[int, float]], news_us: int) -> float | None:
    """The median of the minutes that are over by the news."""
    before = [value for ts_us, value in minutes if ts_us + MINUTE_US <= news_us]
    return median(before) if before else None


def thinning_starts(depth: Mapping[int, float], news_us: int) -> int | None:
    """The first minute after the news from which it stays under 80 % of normal for five minutes."""
    normal = normal_of(depth.items(), news_us)
    if normal is None:
        return None
    under = {ts_us for ts_us, value in depth.items() if ts_us >= news_us and 100 * value < THIN_PERCENT * normal}
    starts = (ts_us for ts_us in sorted(under) if all(ts_us + each * MINUTE_US in under for each in range(THIN_FOR)))
    return next(starts, None)


def trough_of(depth: Mapping[int, float], news_us: int) -> tuple[int, float] | None:
    """The middle minute of the five after the news with the least depth in the mean, and what part of normal that mean
    was, in percent."""
    normal = normal_of(depth.items(), news_us)
    around = range(-TROUGH_REACH, TROUGH_REACH + 1)
    means = []
    for middle_us in sorted(depth):
        minutes = [middle_us + away * MINUTE_US for away in around]
        if minutes[0] >= news_us and all(minute in depth for minute in minutes):
            means.append((sum(depth[minute] for minute in minutes) / len(minutes), middle_us))
    if not means or not normal:
        return None
    value, ts_us = min(means)
    return ts_us, 100 * value / normal


def all_out(absences: Sequence[Sequence[Times]]) -> int | None:
    """The first moment at which everybody is out, given each one's times out; None: there is no such moment."""
    starts = sorted(start for each in absences for start, _ in each)
    return next((at for at in starts if all(any(_within(at, out) for out in each) for each in absences)), None)


def first_back(absences: Sequence[Sequence[Times]], after_us: int) -> int | None:
    """The first end of any absence after a moment."""
    ends = [until for each in absences for _, until in each if until is not None and until >= after_us]
    return min(ends, default=None)


def back_percent(minutes: Sequence[Minute], news_us: int) -> float | None:
    """How much of the way from the widest spread to the normal one it had come back 35 minutes later."""
    known = [(each.ts_us, each.spread_ppm) for each in minutes if each.spread_ppm is not None]
    normal = normal_of(known, news_us)
    after = [(-spread, ts_us) for ts_us, spread in known if ts_us >= news_us]
    if normal is None or not after:
        return None
    widest, widest_us = -min(after)[0], min(after)[1]
    if widest <= normal:
        return None
    later = [each for each in minutes if each.ts_us <= widest_us + BACK_AFTER * MINUTE_US][-1].spread_ppm
    return 0.0 if later is None else 100 * (widest - later) / (widest - normal)


def earned_bp(quoted: Mapping[int, Quoted], marks: Mapping[int, int], from_us: int, until_us: int) -> float | None:
    """What quotes earned of what was traded with them, in the minutes of a window whose later mark is known."""
    earned = traded = 0
    for ts_us, given in quoted.items():
        mark = marks.get(ts_us + MARKED_AFTER * MINUTE_US)
        if from_us <= ts_us < until_us and mark is not None:
            earned += given.lots * mark - given.paid
            traded += given.traded
    return 10_000 * earned / traded if traded else None


def fall_between(balance: Mapping[int, int], from_us: int, until_us: int) -> float | None:
    """From the balance when a minute begins to the lowest until another does, in percent; None of nothing."""
    start = max((ts_us for ts_us in balance if ts_us < from_us), default=None)
    lowest = min((value for ts_us, value in balance.items() if from_us <= ts_us < until_us), default=None)
    if start is None or lowest is None or balance[start] <= 0:
        return None
    return 100 * (balance[start] - lowest) / balance[start]


def top_percent(taken: Sequence[int]) -> float | None:
    """What the largest hundredth gave, at least one of them, in percent of all."""
    largest = sorted(taken, reverse=True)
    return percent(sum(largest[: max(1, len(largest) // 100)]), sum(largest))


def per_million_sold(bids: Mapping[int, float], from_us: int, until_us: int) -> float | None:
    """Percent that a sale of a million pushes the price, by the mean of the minutes of a window."""
    within = [value for ts_us, value in bids.items() if from_us <= ts_us < until_us]
    return MILLION * MILLION * len(within) / sum(within) if sum(within) else None


def percent(part: float, whole: float) -> float | None:
    """A part of a whole; None of nothing."""
    return 100 * part / whole if whole else None


def fall_percent(path: Path | None) -> float | None:
    """From the first value to the lowest, in percent, below zero."""
    if path is None or path.first is None or path.low is None:
        return None
    return 100 * (path.low.value - path.first.value) / path.first.value


def least(values: Iterable[float | None]) -> float | None:
    """Of those that are known."""
    return min((value for value in values if value is not None), default=None)


def together(paths: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Minutes added up."""
    summed: dict[int, int] = {}
    for path in paths:
        for ts_us, value in path.items():
            summed[ts_us] = summed.get(ts_us, 0) + value
    return summed


def midnight(ts_us: int) -> int:
    """The midnight before a moment, UTC."""
    moment = datetime.fromtimestamp(ts_us // SECOND_US, UTC)
    start = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


# the parts -------------------------------------------------------------------------------------------------------


def depth_of(traces: Sequence[Trace], symbol: str, bids_only: bool = False) -> dict[int, float]:
    """Means of minutes of a symbol's depth, added up over the venues that list it."""
    depth: dict[int, float] = {}
    for trace in traces:
        for minute in trace.minutes.get(symbol, []):
            depth[minute.ts_us] = depth.get(minute.ts_us, 0.0) + (minute.bids if bids_only else minute.depth)
    return depth


def token_of(traces: Sequence[Trace], news_us: int) -> str:
    """The symbol with the smallest normal depth, then by name; those without any come last."""
    symbols = {symbol for trace in traces for symbol in trace.minutes}
    normal = {symbol: normal_of(depth_of(traces, symbol).items(), news_us) for symbol in symbols}
    return min(symbols, key=lambda symbol: (normal[symbol] is None, normal[symbol] or 0.0, symbol))


def absences_of(makers: MarketMakers, symbol: str) -> list[list[Times]]:
    """The times out of each maker of a symbol."""
    return [[(out.from_us, out.until_us) for out in maker.absences] for maker in makers.of(symbol)]


def _of_makers(traces: Sequence[Trace], token: str, news_us: int, clock: Clock) -> dict[str, float | None]:
    """How depth went, and who was there."""
    first, depth = traces[0], depth_of(traces, token)
    absences = absences_of(first.board.market_makers, token)
    thin_us, gone_us = thinning_starts(depth, news_us), all_out(absences) if absences else None
    trough = trough_of(depth, news_us)
    trough_us = trough[0] if trough else None
    back_us = first_back(absences, trough_us) if trough_us is not None else None
    return {
        "thin_at": clock(thin_us),
        "gone_at": clock(gone_us),
        "thin_to_gone": (gone_us - thin_us) / MINUTE_US if gone_us is not None and thin_us is not None else None,
        "trough": trough[1] if trough else None,
        "trough_at": clock(trough_us),
        "return_at": clock(back_us),
        "spread_at_return": _spread_then(first.minutes.get(token, []), news_us, back_us),
        **_of_quotes(first, token, news_us, gone_us, back_us),
    }


def _of_quotes(
    first: Trace, token: str, news_us: int, gone_us: int | None, back_us: int | None
) -> dict[str, float | None]:
    """What it paid to quote: when all was calm, until everybody was out, and from the first return."""
    span_us = EARNED_IN * MINUTE_US
    windows = {
        "earned_calm": (0, news_us - MARKED_AFTER * MINUTE_US),
        "earned_leaving": None if gone_us is None else (gone_us - span_us, gone_us),
        "earned_back": None if back_us is None else (back_us, back_us + span_us),
    }
    quoted, marks = first.quoted.get(token, {}), first.marks.get(token, {})
    return {name: None if window is None else earned_bp(quoted, marks, *window) for name, window in windows.items()}


def _spread_then(minutes: Sequence[Minute], news_us: int, at_us: int | None) -> float | None:
    """The spread of the minute before the one of a moment, in multiples of normal."""
    known = [(each.ts_us, each.spread_ppm) for each in minutes if each.spread_ppm is not None]
    normal = normal_of(known, news_us)
    if at_us is None or not normal:
        return None
    before = [spread for ts_us, spread in known if ts_us + MINUTE_US <= at_us]
    return before[-1] / normal if before else None


def _of_bitcoin(first: Trace, clock: Clock) -> dict[str, float | None]:
    symbol = next((symbol for symbol in first.board.symbols if symbol.startswith("BTC")), None)
    low = first.board.prices.index[symbol].low if symbol is not None else None
    if symbol is None or low is None:
        return {"btc_index_low": None, "btc_index_low_at": None}
    instrument = first.board.prices.instruments[symbol]
    return {"btc_index_low": float(price_of(instrument, low.value)), "btc_index_low_at": clock(low.ts_us)}


def _of_venues(traces: Sequence[Trace], presets: Mapping[str, str | None]) -> dict[str, float | None]:
    """What the venues with the rules of bybit, hyperliquid and bitmex show beside the others; 1: it is so, 0: not."""
    with_rules = {presets[trace.venue]: trace for trace in traces if presets[trace.venue] is not None}
    taken = {trace.venue: trace.board.adl.all.notional for trace in traces}
    whole, most = sum(taken.values()), max(taken.values())
    found: dict[str, float | None] = {"bybit_most_adl": None, "vault_deleveraged": None, "bitmex_adl": None}
    if whole and "bybit" in with_rules and len(traces) > 1:
        found["bybit_most_adl"] = float(taken[with_rules["bybit"].venue] == most)
    if "hyperliquid" in with_rules:
        found["vault_deleveraged"] = float(len(with_rules["hyperliquid"].houses_deleveraged_in) > 1)
    if "bitmex" in with_rules:
        found["bitmex_adl"] = percent(taken[with_rules["bitmex"].venue], whole)
    return found


def _of_cost(run: Watched, traces: Sequence[Trace]) -> dict[str, float | None]:
    """What a remedy may cost."""
    paid_in = sum(trace.board.fund.opening for trace in traces)
    return {
        "fund_paid_in": usd(paid_in) / MILLION,
        "waited": sum(trace.board.breakers.waited_us for trace in traces) / MINUTE_US,
        "delay_cost": sum(each.breakers.delay_cost_usd for each in run.outcome.summaries) / MILLION,
    }


def _within(at: int, out: Times) -> bool:
    start, end = out
    return start <= at and (end is None or at < end)
