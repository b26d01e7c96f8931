"""Control: what the operator sets up. Rules, listings, accounts, money in and out, seeded positions, fund.

Bulk inputs are taken or refused as a whole; of several wrong entries the reason that the enum has first answers.
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import astuple, replace

from stream_engine.core import (
    backstop,
    circuit_breaker,
    drawdown,
    duty,
    funding_rate,
    index_price,
    inheritance,
    liquidation,
    mark_price,
    rate_limit,
)
from stream_engine.core.accounts import Account, free_wallet, is_marked, isolate
from stream_engine.core.margin import (
    TierTableError,
    highest_leverage,
    initial_margin,
    initial_rate,
    maintenance_table,
)
from stream_engine.core.market import Market, hold, listed
from stream_engine.core.order_entry import resting_loss
from stream_engine.core.position import Position, fill
from stream_engine.core.venue import Rules, Venue, position_of
from stream_engine.messages.events import (
    AccountsOpened,
    ControlRejected,
    Deposited,
    FundReason,
    InstrumentListed,
    PositionsSeeded,
    RulesSet,
    Withdrawn,
)
from stream_engine.messages.inputs import (
    Deposit,
    Input,
    Leg,
    ListInstrument,
    OpenAccounts,
    SeedFund,
    SeedPositions,
    SetRules,
    Withdraw,
)
from stream_engine.messages.instrument import Instrument, tick_value_of
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import BALANCE_MAX, MILLION, WIRE_MAX

DETAIL_LENGTH = 400  # what a message's text may have

LOOKED_FOR = {reason: place for place, reason in enumerate(Reject)}

Refusal = tuple[Reject, str]


def refuse(venue: Venue, received: Input, reason: Reject, detail: str = "") -> None:
    """Say why an input of the operator, of an account's settings or of a price source is not allowed."""
    venue.out.emit(ControlRejected, None, type(received).__name__, reason, detail[:DETAIL_LENGTH])


def first_refusal(found: Iterable[Refusal]) -> Refusal | None:
    """Of all that is wrong with an input of many entries, what stands first in the enum, at its first entry."""
    return min(found, key=lambda refusal: LOOKED_FOR[refusal[0]], default=None)


def set_rules(venue: Venue, received: SetRules) -> None:
    """Change the settings that are given. Once the clock has ticked all of them are published."""
    fields = Rules.__struct_fields__
    given = {field: value for field in fields if (value := getattr(received, field)) is not None}
    checks = given.get("checks_per_input", 1)
    shares = {field: value for field, value in given.items() if field.endswith("_ppm")}
    least = min(shares, key=lambda field: shares[field], default="")
    most = max(shares, key=lambda field: shares[field], default="")
    complaint = _complaint_of_rules(venue, received)
    if complaint is not None:
        refuse(venue, received, Reject.BAD_RULES, complaint)
    elif checks < 1:
        refuse(venue, received, Reject.AMOUNT_NOT_POSITIVE, f"checks_per_input: {checks}")
    elif shares and shares[least] < 0:
        refuse(venue, received, Reject.AMOUNT_NOT_POSITIVE, f"{least}: {shares[least]}")
    elif shares and shares[most] > MILLION:
        refuse(venue, received, Reject.AMOUNT_TOO_LARGE, f"{most}: {shares[most]}")
    else:
        venue.rules = replace(venue.rules, **given)
        for vault in venue.rules.backstop.vaults:
            venue.open_pool(vault)
        if received.orders is not None:  # another rate limit counts from its own beginning
            venue.sent = {}
        if venue.ticked_us is not None:  # before, it is a part of the setup, which nobody listens to yet
            venue.out.emit(RulesSet, None, *astuple(venue.rules))


def list_instrument(venue: Venue, received: ListInstrument) -> None:
    """List a perpetual."""
    instrument = received.instrument
    if instrument.symbol in venue.markets:
        refuse(venue, received, Reject.ALREADY_EXISTS, instrument.symbol)
        return
    complaint = _complaint(instrument)
    if complaint is not None:
        refuse(venue, received, Reject.BAD_INSTRUMENT, f"{instrument.symbol}: {complaint}")
        return
    venue.markets[instrument.symbol] = listed(instrument)
    venue.watch.list_symbol(instrument.symbol)
    venue.open_pool(instrument.fund_pool)
    venue.out.emit(InstrumentListed, None, instrument)


def open_accounts(venue: Venue, received: OpenAccounts) -> None:
    """Open accounts, empty."""
    numbers = [number for number, _ in received.accounts]
    known = [number for number in numbers if number in venue.accounts]
    if known or len(set(numbers)) < len(numbers):
        twice = known or [number for number in numbers if numbers.count(number) > 1]
        refuse(venue, received, Reject.ALREADY_EXISTS, f"account {twice[0]}")
        return
    for number, participant in received.accounts:
        venue.accounts[number] = Account(number, participant)
    venue.out.emit(AccountsOpened, None, received.accounts)


def deposit(venue: Venue, received: Deposit) -> None:
    """Pay money into accounts."""
    refusal = first_refusal(_deposit_refusals(venue, received))
    if refusal is not None:
        refuse(venue, received, *refusal)
        return
    done = []
    for number, quote in received.deposits:
        account = venue.accounts[number]
        account.wallet += quote
        venue.paid_in += quote
        venue.touch(account)
        done.append((number, quote, account.wallet))
    venue.out.emit(Deposited, None, tuple(done))


def withdraw(venue: Venue, received: Withdraw) -> None:
    """Pay money out: no more than the wallet holds, and equity must still cover initial margin and what the account's
    resting orders would lose at once."""
    account = venue.accounts.get(received.account)
    if account is None:
        refuse(venue, received, Reject.UNKNOWN_ACCOUNT, f"account {received.account}")
        return
    if not is_marked(account, venue.markets):
        refuse(venue, received, Reject.NO_MARK_PRICE, f"account {account.number}")
        return
    free = free_wallet(account, venue.markets, loss=resting_loss(venue, account))
    if free < received.quote:
        refuse(venue, received, Reject.INSUFFICIENT_MARGIN, f"account {account.number}: free margin {free}")
        return
    if received.quote <= 0:
        refuse(venue, received, Reject.AMOUNT_NOT_POSITIVE, f"account {account.number}: {received.quote}")
        return
    account.wallet -= received.quote
    venue.paid_out += received.quote
    venue.touch(account)
    venue.out.emit(Withdrawn, None, account.number, received.quote, account.wallet)


def seed_positions(venue: Venue, received: SeedPositions) -> None:
    """Put the positions in that exist when the run begins."""
    refusal = first_refusal(_seed_refusals(venue, received))
    if refusal is not None:
        refuse(venue, received, *refusal)
        return
    for leg in received.legs:
        account, market = venue.accounts[leg.account], venue.markets[leg.symbol]
        position = position_of(account, market)
        if leg.leverage:
            position.initial_ppm, position.leverage = initial_rate(leg.leverage), leg.leverage
        before, cost = position.size, position.cost
        venue.carried += cost
        fill(position, leg.size, leg.entry, market.tick_value)
        if leg.isolated or position.isolated:
            isolate(account, position, True)
            margin = _seeded_margin(leg, position, market)
            position.margin += margin
            account.wallet -= margin
        venue.carried -= position.cost
        hold(market, position, before)
        venue.touch(account, leg.symbol)
    venue.out.emit(PositionsSeeded, None, received.legs)


def seed_fund(venue: Venue, received: SeedFund) -> None:
    """Pay money into a pool of the insurance fund."""
    pool = venue.pools.get(received.pool)
    where = f"{received.pool}: {received.quote}"
    if pool is None:
        refuse(venue, received, Reject.UNKNOWN_POOL, where)
    elif received.quote <= 0:
        refuse(venue, received, Reject.AMOUNT_NOT_POSITIVE, where)
    elif pool.balance + received.quote > BALANCE_MAX:
        refuse(venue, received, Reject.AMOUNT_TOO_LARGE, where)
    else:
        venue.paid_in += received.quote
        pool.change(venue.out, None, received.quote, FundReason.SEEDED, None, None)


def _deposit_refusals(venue: Venue, received: Deposit) -> Iterator[Refusal]:
    coming: dict[int, int] = {}
    for number, quote in received.deposits:
        account = venue.accounts.get(number)
        if account is None:
            yield Reject.UNKNOWN_ACCOUNT, f"account {number}"
            continue
        coming[number] = coming.get(number, 0) + quote
        if quote <= 0:
            yield Reject.AMOUNT_NOT_POSITIVE, f"account {number}: {quote}"
        if account.wallet + coming[number] > BALANCE_MAX:
            yield Reject.AMOUNT_TOO_LARGE, f"account {number}: {quote}"


def _seed_refusals(venue: Venue, received: SeedPositions) -> Iterator[Refusal]:
    sums: dict[str, int] = {}
    margins: dict[int, int] = {}
    seen: set[tuple[int, str]] = set()
    for leg in received.legs:
        where = f"account {leg.account}, {leg.symbol}"
        account, market = venue.accounts.get(leg.account), venue.markets.get(leg.symbol)
        if account is None or market is None:
            yield Reject.UNKNOWN_ACCOUNT if account is None else Reject.UNKNOWN_SYMBOL, where
            continue
        held = account.positions.get(leg.symbol)
        begun = held.size if held is not None else 0
        if (leg.account, leg.symbol) in seen or (begun and not (received.adds and (begun > 0) == (leg.size > 0))):
            yield Reject.ALREADY_EXISTS, where
        if leg.leverage and not 1 <= leg.leverage <= market.instrument.max_leverage:
            yield Reject.LEVERAGE_OUT_OF_RANGE, f"{where}: leverage {leg.leverage}"
        if leg.size == 0:
            yield Reject.SIZE_NOT_POSITIVE, where
        if abs(begun + leg.size) > market.instrument.max_size:
            yield Reject.SIZE_TOO_LARGE, f"{where}: size {begun + leg.size}"
        if not 0 < leg.entry <= market.instrument.max_price:
            yield Reject.PRICE_NOT_POSITIVE if leg.entry <= 0 else Reject.PRICE_TOO_HIGH, f"{where}: entry {leg.entry}"
        is_isolated = leg.isolated or (held is not None and held.isolated)
        if leg.margin and not is_isolated:
            yield Reject.NOT_ISOLATED, where
        if leg.isolated and held is not None and not held.isolated and (begun or held.buying or held.selling):
            yield Reject.POSITION_OR_ORDERS_OPEN, where
        if leg.margin < 0:
            yield Reject.AMOUNT_NOT_POSITIVE, f"{where}: margin {leg.margin}"
        elif is_isolated and leg.size and leg.entry > 0:
            margins[leg.account] = margins.get(leg.account, 0) + _seeded_margin(leg, held, market)
            if margins[leg.account] > account.wallet:
                yield Reject.INSUFFICIENT_MARGIN, f"{where}: the wallet holds {account.wallet}"
        seen.add((leg.account, leg.symbol))
        sums[leg.symbol] = sums.get(leg.symbol, 0) + leg.size
    if venue.traded:
        yield Reject.TRADING_HAS_BEGUN, ""
    uneven = [f"{symbol}: {total} lots" for symbol, total in sums.items() if total]
    if uneven:
        yield Reject.POSITIONS_DO_NOT_BALANCE, "; ".join(uneven)


def _complaint_of_rules(venue: Venue, received: SetRules) -> str | None:
    if received.orders is not None and (complaint := rate_limit.complaint(received.orders)) is not None:
        return f"orders: {complaint}"
    if received.breakers is not None and (complaint := circuit_breaker.complaint(received.breakers)) is not None:
        return f"breakers: {complaint}"
    if received.liquidation is not None and (complaint := liquidation.complaint(received.liquidation)) is not None:
        return f"liquidation: {complaint}"
    if received.fund is not None:
        for complain in (drawdown.complaint, inheritance.complaint):
            if (complaint := complain(received.fund)) is not None:
                return f"fund: {complaint}"
    if received.backstop is not None and (complaint := backstop.complaint(received.backstop)) is not None:
        return f"backstop: {complaint}"
    if received.obligations is not None:
        return duty.complaint(received.obligations, {obligation.duty for obligation in venue.duties.values()})
    return None


def _seeded_margin(leg: Leg, held: Position | None, market: Market) -> int:
    """What an isolated leg takes out of the wallet: what it says, or its initial margin at its entry."""
    leverage = leg.leverage or (market.instrument.default_leverage if held is None else held.leverage)
    value = abs(leg.size) * leg.entry * market.tick_value
    return leg.margin or initial_margin(value, initial_rate(leverage), market.table)


def _complaint(instrument: Instrument) -> str | None:
    expected = tick_value_of(instrument)
    if expected is None or expected < 1:
        return (
            f"tick_size {instrument.tick_size} * lot_size {instrument.lot_size} must be a whole number of micro-quote, "
            "1 or more"
        )
    if instrument.tick_value != expected:
        return f"tick_value: expected {expected}, found {instrument.tick_value}"
    positive = ("price_step", "max_price", "max_size", "max_leverage", "default_leverage", "stale_after_us")
    for field in (*positive, "basis_every_us", "basis_window_us"):
        if getattr(instrument, field) < 1:
            return f"{field}: expected 1 or more, found {getattr(instrument, field)}"
    if instrument.max_price * instrument.max_size * instrument.tick_value > WIRE_MAX:
        return "max_price * max_size * tick_value: expected less than 2^53 micro-quote"
    if instrument.default_leverage > instrument.max_leverage:
        return f"default_leverage: expected at most {instrument.max_leverage}, found {instrument.default_leverage}"
    if instrument.maker_fee_ppm + instrument.taker_fee_ppm < 0 or instrument.taker_fee_ppm < 0:
        return "fees: expected a taker fee of 0 or more that covers the maker's rebate"
    if max(instrument.maker_fee_ppm, instrument.taker_fee_ppm) >= MILLION or instrument.market_bound_ppm < 0:
        return "fees below 1,000,000 ppm and market_bound_ppm of 0 or more expected"
    for complaint in (index_price.complaint, mark_price.complaint, funding_rate.complaint):
        found = complaint(instrument)
        if found is not None:
            return found
    try:
        table = maintenance_table(instrument.tiers, instrument.max_leverage)
    except TierTableError as error:
        return str(error)
    if table.leverages and instrument.default_leverage > highest_leverage(0, table):
        return f"default_leverage: expected at most {highest_leverage(0, table)}, found {instrument.default_leverage}"
    if instrument.max_open_interest < 0:
        return f"max_open_interest: expected 0 or more, found {instrument.max_open_interest}"
    if instrument.tiers[0].rate_ppm > initial_rate(instrument.max_leverage):
        return "tiers: the first rate is above the initial margin at max_leverage"
    return None
