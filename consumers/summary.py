"""Summary: what happened in a run, in decimals, each figure beside the public record.

Told of      one venue, from the state of its monitors (`Board`); of one token, the symbol with the smallest normal
             depth, a choice that does not depend on what happens to it.
Order        the timeline holds when each thing first happened; what happened at the same time stays in causal order.
Percentages  of depth and spread: of what was normal at the first news (see `depth`); of prices and open interest: of
             the first value.
Recovery     of the spread: 35 minutes after the first maker's return after the trough if the run lasts that long, as
             the record has it, else at the end; unknown while a side of the book is empty.
Record       a run stands beside the record only if it is meant to be that day (`beside_record`).
Floats       are for reading; what must add up (the fund's ledger) is checked in micro-quote before it is rounded.
"""

from collections.abc import Mapping

from msgspec import Struct

from consumers import public_record as record
from consumers.board import Board
from consumers.figures import bps, change, clock, duration, money, price, price_text, share, stamp, usd
from consumers.loop import CascadeSummary, summarize_cascade
from consumers.monitor import Finding, State
from consumers.paths import MINUTE_US, SECOND_US, Path
from consumers.prices import beyond_ppm, fall_ppm
from stream_engine.messages.events import FundReason

RECOVERY_MEASURED_AFTER_MINUTES = 35


class Onset(Struct, frozen=True):
    """When something first happened: what (a name for programs), the time, where, and in words."""

    what: str
    at: str
    symbol: str | None
    text: str
    record: str | None = None


class MarketSummary(Struct, frozen=True):
    """One symbol. None: it never came to that."""

    symbol: str
    depth_normal_usd: float | None
    depth_trough_usd: float | None
    depth_trough_percent: float | None
    depth_trough_at: str | None
    depth_end_usd: float | None
    depth_end_percent: float | None
    spread_normal_bps: float | None
    spread_widest_bps: float | None
    spread_widest_at: str | None
    spread_end_bps: float | None
    spread_recovered_percent: float | None
    spread_recovered_to_bps: float | None
    spread_recovered_when: str
    one_sided_s: int
    price_first: float | None
    price_low: float | None
    price_low_at: str | None
    price_end: float | None
    fall_percent: float | None
    mark_low: float | None
    mark_fall_percent: float | None
    index_low: float | None
    index_low_at: str | None
    outside_low: float | None
    outside_fall_percent: float | None
    beyond_outside_points: float | None
    open_interest_first_usd: float | None
    open_interest_end_usd: float | None
    open_interest_change_percent: float | None
    open_interest_lowest_percent: float | None
    long_accounts_percent: float | None
    liquidated_usd: float
    deleveraged_usd: float


class MakerSummary(Struct, frozen=True):
    """One maker in one symbol. None: it never did. `order`: 1 left first. `gone_at`: the first time; `thin_at`: since
    when it was thin before that, or the first time."""

    maker: str
    symbol: str
    state: str
    normal_usd: float | None
    thin_at: str | None
    gone_at: str | None
    order: int | None
    back_at: str | None
    out_s: int


class LiquidationSummary(Struct, frozen=True):
    """Liquidated positions, valued at the mark at which they were taken, and where they went: the six add up.

    wiped_out   accounts that had no money when their last position was liquidated, or that a vault took over.
    """

    positions: int
    accounts: int
    wiped_out: int
    notional_usd: float
    long_notional_percent: float | None
    long_positions_percent: float | None
    into_book_usd: float
    at_the_funds_cost_usd: float
    taken_over_usd: float
    to_vaults_usd: float
    deleveraged_usd: float
    deficit_usd: float
    largest_usd: float
    peak_minute_at: str | None
    peak_minute_usd: float


class FundSummary(Struct, frozen=True):
    """Opening + surplus + dust - cover - shortfall - debt + tranche + unwound + backstop = closing, over all pools;
    `adds_up` says whether, to the micro-unit."""

    opening_usd: float
    surplus_usd: float
    dust_usd: float
    cover_usd: float
    shortfall_usd: float
    debt_usd: float
    tranche_usd: float
    unwound_usd: float
    backstop_usd: float
    closing_usd: float
    adds_up: bool
    lowest_usd: float
    lowest_at: str | None
    lowest_percent: float | None
    deficit_usd: float


class AdlSummary(Struct, frozen=True):
    """Deleveraged positions, at the price of closing; `absent`: while most of the symbol's makers were out."""

    closings: int
    positions: int
    accounts: int
    notional_usd: float
    short_percent: float | None
    absent_percent: float | None
    top_1_percent_of_accounts_percent: float | None
    by_lights_usd: dict[str, float]


class BreakerSummary(Struct, frozen=True):
    """Pauses of symbols; how often which breaker held liquidations up, for how long in all; and by how much more those
    who fell meanwhile owed when they went on than before (below zero: less)."""

    pauses: int
    held_up: dict[str, int]
    waited_s: int
    delay_cost_usd: float


class Beside(Struct, frozen=True):
    """One figure of the run and what the public record has."""

    figure: str
    run: str
    record: str
    source: str
    how_sure: str


class Summary(Struct, frozen=True):
    """A run of one venue."""

    title: str
    venue: str
    token: str | None
    from_at: str
    until_at: str
    timeline: list[Onset]
    markets: list[MarketSummary]
    makers: list[MakerSummary]
    liquidations: LiquidationSummary
    fund: FundSummary
    adl: AdlSummary
    cascade: CascadeSummary
    funding_paid_usd: float
    breakers: BreakerSummary
    beside: list[Beside]
    honesty: str = record.HONESTY


def summarize(
    board: Board,
    *,
    title: str = "",
    outside: Mapping[str, Path] | None = None,
    token: str | None = None,
    beside_record: bool = True,
) -> Summary:
    """What the monitors saw.

    outside        the paths of the outside source (`prices.Outside.paths`), if known.
    beside_record  whether the run is meant to be 10 October 2025; of any other the record says nothing.
    """
    outside = outside or {}
    token = token or _thinnest(board)
    markets = [_market(board, symbol, outside) for symbol in board.symbols]
    liquidations, fund, adl = _liquidations(board), _fund(board), _adl(board)
    timeline = _timeline(board, token, beside_record)
    by_symbol = {market.symbol: market for market in markets}
    return Summary(
        title=title,
        venue=board.venue,
        token=token,
        from_at=stamp(board.prices.started_us),
        until_at=stamp(board.now_us),
        timeline=timeline,
        markets=markets,
        makers=_makers(board),
        liquidations=liquidations,
        fund=fund,
        adl=adl,
        cascade=summarize_cascade(board, token, outside),
        funding_paid_usd=usd(board.funding.paid),
        breakers=_breakers(board),
        beside=_beside(board, token, outside, by_symbol, liquidations, fund, adl, timeline) if beside_record else [],
    )


# the parts -------------------------------------------------------------------------------------------------------


def _thinnest(board: Board) -> str | None:
    """The symbol with the smallest normal depth, then by name; those without any come last."""
    normal = {symbol: board.depth.books[symbol].summed_normal_depth for symbol in board.symbols}
    return min(normal, key=lambda symbol: (normal[symbol] is None, normal[symbol] or 0, symbol), default=None)


def _market(board: Board, symbol: str, outside: Mapping[str, Path]) -> MarketSummary:
    instrument = board.prices.instruments[symbol]
    book = board.depth.books[symbol]
    last, mark, index = board.prices.last[symbol], board.prices.mark[symbol], board.prices.index[symbol]
    lots = board.open_interest.lots.get(symbol) or Path()
    notional = board.open_interest.notional.get(symbol) or Path()
    longs, shorts = board.open_interest.first_accounts.get(symbol, (0, 0))
    trough, widest = book.trough, book.widest
    normal, normal_spread, spread_now = book.summed_normal_depth, book.summed_normal_spread, book.spread_now
    recovery = _recovery(board, symbol)
    both = book.sample.both if book.sample else None
    return MarketSummary(
        symbol=symbol,
        depth_normal_usd=None if normal is None else usd(normal),
        depth_trough_usd=usd(trough.value) if trough else None,
        depth_trough_percent=share(trough.value, trough.normal) if trough else None,
        depth_trough_at=stamp(trough.ts_us) if trough else None,
        depth_end_usd=None if both is None else usd(both),
        depth_end_percent=None if both is None or normal is None else share(both, normal),
        spread_normal_bps=None if normal_spread is None else bps(normal_spread),
        spread_widest_bps=bps(widest.value) if widest else None,
        spread_widest_at=stamp(widest.ts_us) if widest else None,
        spread_end_bps=None if spread_now is None else bps(spread_now),
        spread_recovered_percent=recovery.percent,
        spread_recovered_to_bps=None if recovery.spread_ppm is None else bps(recovery.spread_ppm),
        spread_recovered_when=recovery.when,
        one_sided_s=book.one_sided_us // SECOND_US,
        price_first=price(instrument, last.first.value) if last.first else None,
        price_low=price(instrument, last.low.value) if last.low else None,
        price_low_at=stamp(last.low.ts_us) if last.low else None,
        price_end=price(instrument, last.last.value) if last.last else None,
        fall_percent=_percent(fall_ppm(last)),
        mark_low=price(instrument, mark.low.value) if mark.low else None,
        mark_fall_percent=_percent(fall_ppm(mark)),
        index_low=price(instrument, index.low.value) if index.low else None,
        index_low_at=stamp(index.low.ts_us) if index.low else None,
        outside_low=price(instrument, low.value) if (low := outside.get(symbol, Path()).low) else None,
        outside_fall_percent=_percent(fall_ppm(outside.get(symbol))),
        beyond_outside_points=_percent(beyond_ppm(last, symbol, outside)),
        open_interest_first_usd=usd(notional.first.value) if notional.first else None,
        open_interest_end_usd=None if (now := board.open_interest.now(symbol)) is None else usd(now),
        open_interest_change_percent=change(lots.first.value, lots.last.value) if lots.first and lots.last else None,
        open_interest_lowest_percent=change(lots.first.value, lots.low.value) if lots.first and lots.low else None,
        long_accounts_percent=share(longs, longs + shorts),
        liquidated_usd=usd(board.liquidations.of(symbol).notional),
        deleveraged_usd=usd(board.adl.of(symbol).notional),
    )


class _Recovery(Struct, frozen=True):
    """How much of the way from the widest spread to the normal one it had come back, in percent; when; to what.

    None: a side of the book was empty then, or the spread had never been wider than normal.
    """

    when: str
    spread_ppm: int | None
    percent: float | None


def _recovery(board: Board, symbol: str) -> _Recovery:
    book = board.depth.books[symbol]
    returns = _returns(board, symbol)
    when, spread = "at the end", book.spread_now
    if returns:
        due_us = returns[0][0] + RECOVERY_MEASURED_AFTER_MINUTES * MINUTE_US
        if due_us <= board.now_us:
            when = f"{RECOVERY_MEASURED_AFTER_MINUTES} min after the first return"
            spread = book.spread_at_end_of.get(due_us - due_us % MINUTE_US - MINUTE_US)  # the last full minute then
    widest = book.widest
    if spread is None or widest is None or widest.value <= widest.normal:
        return _Recovery(when, spread, None)
    return _Recovery(when, spread, share(widest.value - spread, widest.value - widest.normal))


def _returns(board: Board, symbol: str) -> list[tuple[int, str]]:
    """When which maker came back after the trough, the first one first."""
    trough = board.depth.books[symbol].trough
    return sorted(
        (absence.until_us, maker.name)
        for maker in board.market_makers.of(symbol)
        for absence in maker.absences
        if absence.until_us is not None and (trough is None or absence.until_us >= trough.ts_us)
    )


def _makers(board: Board) -> list[MakerSummary]:
    rows: list[MakerSummary] = []
    for symbol in board.symbols:
        order = {maker.name: at for at, maker in enumerate(board.market_makers.leaving_order(symbol), 1)}
        for maker in board.market_makers.of(symbol):
            first = maker.absences[0] if maker.absences else None
            back_us = maker.absences[-1].until_us if maker.absences else None
            thin_us = first.thin_from_us if first and first.thin_from_us is not None else maker.thin_from_us
            rows.append(
                MakerSummary(
                    maker=maker.name,
                    symbol=symbol,
                    state=maker.state.value,
                    normal_usd=usd(maker.normal.value) if maker.normal.value is not None else None,
                    thin_at=_stamp(thin_us),
                    gone_at=stamp(first.from_us) if first else None,
                    order=order.get(maker.name),
                    back_at=_stamp(back_us),
                    out_s=maker.out_us(board.now_us) // SECOND_US,
                )
            )
    return rows


def _liquidations(board: Board) -> LiquidationSummary:
    tally = board.liquidations.all
    peak = tally.minutes().peak()
    return LiquidationSummary(
        positions=tally.positions,
        accounts=len(tally.accounts),
        wiped_out=len(board.liquidations.wiped_out),
        notional_usd=usd(tally.notional),
        long_notional_percent=share(tally.long_notional, tally.notional),
        long_positions_percent=share(tally.long_positions, tally.positions),
        into_book_usd=usd(tally.book),
        at_the_funds_cost_usd=usd(tally.fund),
        taken_over_usd=usd(tally.taken_over),
        to_vaults_usd=usd(tally.vault),
        deleveraged_usd=usd(tally.adl),
        deficit_usd=usd(tally.deficit),
        largest_usd=usd(tally.largest.notional) if tally.largest else 0.0,
        peak_minute_at=stamp(peak.ts_us) if peak else None,
        peak_minute_usd=usd(peak.value) if peak else 0.0,
    )


def _fund(board: Board) -> FundSummary:
    fund = board.fund
    low = fund.balance.low
    return FundSummary(
        opening_usd=usd(fund.opening),
        surplus_usd=usd(fund.by_reason[FundReason.SURPLUS]),
        dust_usd=usd(fund.by_reason[FundReason.DUST]),
        cover_usd=usd(-fund.by_reason[FundReason.COVER]),
        shortfall_usd=usd(-fund.by_reason[FundReason.SHORTFALL]),
        debt_usd=usd(-fund.by_reason[FundReason.DEBT]),
        tranche_usd=usd(fund.by_reason[FundReason.TRANCHE]),
        unwound_usd=usd(fund.by_reason[FundReason.UNWOUND]),
        backstop_usd=usd(fund.by_reason[FundReason.BACKSTOP]),
        closing_usd=usd(fund.closing),
        adds_up=fund.adds_up,
        lowest_usd=usd(low.value) if low else 0.0,
        lowest_at=stamp(low.ts_us) if low else None,
        lowest_percent=share(low.value, fund.opening) if low else None,
        deficit_usd=usd(fund.deficit),
    )


def _adl(board: Board) -> AdlSummary:
    done = board.adl.all
    return AdlSummary(
        closings=done.closings,
        positions=len(done.positions),
        accounts=len(done.by_account),
        notional_usd=usd(done.notional),
        short_percent=share(done.short_notional, done.notional),
        absent_percent=share(done.absent_notional, done.notional),
        top_1_percent_of_accounts_percent=share(done.top_percent_notional(), done.notional),
        by_lights_usd={str(lights): usd(notional) for lights, notional in sorted(done.by_lights.items())},
    )


def _breakers(board: Board) -> BreakerSummary:
    seen = board.breakers
    return BreakerSummary(
        pauses=seen.pauses,
        held_up={breaker.value: times for breaker, times in seen.held_up.items()},
        waited_s=seen.waited_us // SECOND_US,
        delay_cost_usd=usd(seen.delay_cost),
    )


# the timeline ----------------------------------------------------------------------------------------------------


class _Timeline:
    """What has happened for the first time, sorted by time; at equal times in the order of adding, the causal one."""

    def __init__(self, beside_record: bool) -> None:
        self._beside_record = beside_record
        self._found: list[tuple[int, Onset]] = []

    def add(
        self, what: str, ts_us: int | None, text: str, symbol: str | None = None, known: record.Figure | None = None
    ) -> None:
        """It happened then; None: never."""
        if ts_us is not None:
            beside = known.value if known and self._beside_record else None
            self._found.append((ts_us, Onset(what, stamp(ts_us), symbol, text, beside)))

    def sorted(self) -> list[Onset]:
        return [onset for _, onset in sorted(self._found, key=lambda pair: pair[0])]


def _timeline(board: Board, token: str | None, beside_record: bool) -> list[Onset]:
    """First times: of the token where a thing belongs to a symbol, else of the venue."""
    line = _Timeline(beside_record)
    for at, news in enumerate(board.prices.news):
        line.add("news", news.ts_us, news.headline, known=None if at else record.NEWS)
    if token is not None:
        _add_leaving(line, board, token)
    opened = _first_opened(board.findings)
    line.add("liquidations", board.liquidations.first_into_book_us, "liquidations into the book")
    line.add("fund_pays", board.fund.first_payment_us, "the insurance fund pays")
    line.add("fund_half", opened.get("fund-half"), "the insurance fund below half")
    line.add("fund_empty", opened.get("fund-empty"), "the insurance fund drained (below 1 %)")
    line.add("fund_drawdown", opened.get("fund-drawdown"), "the insurance fund stops paying (drawdown)")
    line.add("fund_takes_over", board.liquidations.first_taken_over_us, "the insurance fund takes a position over")
    line.add("vault_takes_over", board.liquidations.first_vault_us, "a backstop vault takes an account over")
    line.add("held_up", board.breakers.first_held_up_us, "a circuit breaker holds liquidations up")
    line.add("paused", board.breakers.first_pause_us, "a symbol is paused")
    line.add("adl", board.adl.first_us, "ADL begins", known=record.ADL_ONSET)
    if token is not None:
        _add_trough_and_return(line, board, token)
    return line.sorted()


def _add_leaving(line: _Timeline, board: Board, token: str) -> None:
    makers = board.market_makers
    thin = sorted((maker.thin_from_us, maker.name) for maker in makers.of(token) if maker.thin_from_us is not None)
    leaving = makers.leaving_order(token)
    line.add("widen", makers.most_wide_us(token), "most makers have widened", token, record.WIDENING)
    if thin:
        line.add("thin", thin[0][0], f"{thin[0][1]} thins out, the first maker", token)
    line.add("most_thin", makers.most_thin_us(token), "most makers have thinned out", token, record.THINNING)
    line.add("depth_low", _low_with_the_trough(board, token), "depth under 20 % of its normal", token)
    if leaving:
        line.add("gone", leaving[0].absences[0].from_us, f"{leaving[0].name} is gone, the first maker", token)
    line.add("most_gone", makers.most_gone_us(token), "most makers are gone", token, record.FULL_WITHDRAWAL)


def _add_trough_and_return(line: _Timeline, board: Board, token: str) -> None:
    book, low = board.depth.books[token], board.prices.last[token].low
    trough = book.trough
    if trough is not None:
        percent = share(trough.value, trough.normal)
        text = f"trough of depth: {money(trough.value)}, {percent:g} % of its normal"
        line.add("trough", trough.ts_us, text, token, record.TROUGH)
    if low is not None:
        lowest = price_text(board.prices.instruments[token], low.value)
        line.add("price_low", low.ts_us, f"lowest trade, {lowest}", token)
    back = _returns(board, token)
    if back:
        line.add("return", back[0][0], f"{back[0][1]} is back, the first after the trough", token, record.RETURN)
    if trough is not None and 2 * trough.value <= trough.normal:  # else it was never under half
        line.add("recovered", book.recovered_us, "depth back over half of its normal", token)


def _low_with_the_trough(board: Board, token: str) -> int | None:
    """Onset of the time under 20 % that the trough belongs to; None if it belongs to none."""
    trough = board.depth.books[token].trough
    newest: Finding | None = None
    for finding in board.findings:
        if finding.rule != "depth-low" or finding.symbol != token or trough is None:
            continue
        since_us = finding.values["since_us"]
        if finding.state is State.OPEN and since_us <= trough.ts_us:
            newest = finding
        elif newest is not None and finding.id == newest.id and finding.ts_us < trough.ts_us:
            newest = None
    return newest.values["since_us"] if newest else None


def _first_opened(findings: list[Finding]) -> dict[str, int]:
    """Onset of the first finding of each rule about the venue."""
    first: dict[str, int] = {}
    for finding in findings:
        if finding.symbol is None and finding.state is State.OPEN:
            first.setdefault(finding.rule, finding.values["since_us"])
    return first


# beside the record -----------------------------------------------------------------------------------------------


def _beside(
    board: Board,
    token: str | None,
    outside: Mapping[str, Path],
    markets: Mapping[str, MarketSummary],
    liquidations: LiquidationSummary,
    fund: FundSummary,
    adl: AdlSummary,
    timeline: list[Onset],
) -> list[Beside]:
    rows: list[Beside] = []

    def add(figure: str, run: str, known: record.Figure) -> None:
        rows.append(Beside(figure, run, known.value, known.source, known.how_sure))

    if token is not None:
        market = markets[token]
        add(f"{token} depth, normal", usd_text(market.depth_normal_usd), record.DEPTH_NORMAL)
        add(
            f"{token} depth, trough",
            f"{usd_text(market.depth_trough_usd)} ({_signed(market.depth_trough_percent, minus=100)})",
            record.DEPTH_TROUGH,
        )
        add(f"{token} depth, at the end", _depth_end_text(market, timeline), record.MAKERS_BACK)
        add(
            f"{token} spread, recovered",
            f"{_percent_text(market.spread_recovered_percent)} {market.spread_recovered_when} "
            f"(from {_bps_text(market.spread_widest_bps)} to {_bps_text(market.spread_recovered_to_bps)})",
            record.SPREAD_RECOVERY,
        )
        add("warning: most thin to most gone", _warning_time(board, token), record.WARNING_TIME)
    bitcoin = next((symbol for symbol in board.symbols if symbol.startswith("BTC")), None)
    if bitcoin is not None:
        add(f"{bitcoin} low", _btc_text(board, bitcoin, outside), record.BTC_LOW)
    if token is not None:
        market = markets[token]
        add(
            f"{token} fall",
            f"{_fall_text(market.fall_percent)} (outside {_fall_text(market.outside_fall_percent)}, "
            f"beyond it {_points_text(market.beyond_outside_points)})",
            record.TOKEN_FALL,
        )
    add("open interest, contracts and USD", _open_interest_text(board), record.OPEN_INTEREST)
    add("accounts long at the start", _long_accounts_text(board), record.LONG_ACCOUNTS)
    add("liquidated", usd_text(liquidations.notional_usd), record.LIQUIDATED)
    add("accounts liquidated", f"{liquidations.accounts:,}", record.LIQUIDATED_ACCOUNTS)
    add("longs among the liquidated", _percent_text(liquidations.long_notional_percent), record.LONG_SHARE_LIQUIDATED)
    add("peak minute of liquidations", _peak_text(liquidations), record.PEAK_MINUTE)
    lost = fund.opening_usd - fund.closing_usd
    add(
        "fund lost, start to end",
        f"{usd_text(lost) if lost >= 0 else f'nothing, it gained {usd_text(-lost)}'} (from "
        f"{usd_text(fund.opening_usd)} to {usd_text(fund.closing_usd)}, lowest {usd_text(fund.lowest_usd)})",
        record.FUND_LOST,
    )
    add(
        "ADL",
        f"{usd_text(adl.notional_usd)}, {adl.closings:,} closings, {adl.accounts:,} accounts",
        record.ADL_TOTAL,
    )
    if any(board.market_makers.of(symbol) for symbol in board.symbols):
        add("ADL while most makers are out", _percent_text(adl.absent_percent), record.ADL_ABSENCE)
    top = adl.top_1_percent_of_accounts_percent
    add("ADL on the top 1 % of accounts", _percent_text(top), record.ADL_CONCENTRATION)
    return rows


def _warning_time(board: Board, token: str) -> str:
    thin_us, gone_us = board.market_makers.most_thin_us(token), board.market_makers.most_gone_us(token)
    return duration(gone_us - thin_us) if thin_us is not None and gone_us is not None else "none"


def _depth_end_text(summary: MarketSummary, timeline: list[Onset]) -> str:
    again = next((f"; over half again at {onset.at[11:19]}" for onset in timeline if onset.what == "recovered"), "")
    return f"{_percent_text(summary.depth_end_percent)} of normal{again}"


def _btc_text(board: Board, symbol: str, outside: Mapping[str, Path]) -> str:
    instrument, index = board.prices.instruments[symbol], board.prices.index[symbol]
    if index.low is None:
        return "no price"
    low = outside.get(symbol, Path()).low
    beside = f"; outside {price_text(instrument, low.value)}" if low else ""
    return f"{price_text(instrument, index.low.value)} at {clock(index.low.ts_us)}{beside}"


def _open_interest_text(board: Board) -> str:
    """All symbols together; contracts are added up at each symbol's first mark, USD are those of each moment."""
    before = after = after_usd = 0
    for symbol, notional in board.open_interest.notional.items():
        lots = board.open_interest.lots[symbol]
        if notional.first and lots.first and lots.last and lots.first.value:
            before += notional.first.value
            after += notional.first.value * lots.last.value // lots.first.value
            after_usd += board.open_interest.now(symbol) or 0
    contracts, dollars = (_signed(share(end, before), minus=100) for end in (after, after_usd))
    return f"{contracts} in contracts, {dollars} in USD of {money(before)}"


def _long_accounts_text(board: Board) -> str:
    longs = sum(held[0] for held in board.open_interest.first_accounts.values())
    shorts = sum(held[1] for held in board.open_interest.first_accounts.values())
    return _percent_text(share(longs, longs + shorts))


def _peak_text(liquidations: LiquidationSummary) -> str:
    if liquidations.peak_minute_at is None:
        return "none"
    minute = liquidations.peak_minute_at[11:16]
    peak, whole = usd_text(liquidations.peak_minute_usd), usd_text(liquidations.notional_usd)
    return f"{minute}, {peak} of {whole} in the whole run"


# words -----------------------------------------------------------------------------------------------------------


def _stamp(ts_us: int | None) -> str | None:
    return None if ts_us is None else stamp(ts_us)


def _percent(ppm: int | None) -> float | None:
    return None if ppm is None else round(ppm / 10_000, 2)


def usd_text(dollars: float | None) -> str:
    return "-" if dollars is None else money(round(dollars * 1_000_000))


def _percent_text(percent: float | None) -> str:
    return "-" if percent is None else f"{percent:.1f} %"


def _signed(percent: float | None, minus: int) -> str:
    return "-" if percent is None else f"{percent - minus:+.1f} %"


def _fall_text(percent: float | None) -> str:
    return "unknown" if percent is None else f"{-percent:.1f} %"


def _points_text(points: float | None) -> str:
    return "unknown" if points is None else f"{-points:+.1f} points"


def _bps_text(value: float | None) -> str:
    return "-" if value is None else f"{value:g} bps"
