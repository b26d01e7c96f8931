"""Own positions: the accounts that an exchange really has, and its margin brackets, read from files.

Positions CSV (`.csv`, with a head line) or JSON lines, one row per account and symbol: account, participant, symbol,
          size (coins, short is negative), entry, wallet (USDT), margin_mode (cross or isolated), leverage, margin (USDT
          of an isolated position: a part of the wallet). account and symbol, size, entry are needed; a participant that
          is left out is the account; a wallet that is left out is another row's of the account, or 0; a margin that is
          left out is size * entry / leverage.
Accounts  a whole number n below 10^9 becomes account 1,000,000,000 + n, which no participant of a scenario has; other
          names are numbered from 2,000,000,001 as they come.
Entry     an average price need not lie on a tick: the position enters at the nearest, and what that makes of its profit
          is taken from the money behind it, so that its equity is exact to the micro-unit (rounded down).
Balance   longs equal shorts on every symbol, to the lot; otherwise the file is refused with the sum of each symbol, or,
          where it is asked for, one more account by that name holds the rest, at the first price, fully paid.
Brackets  CSV with the head bound_usdt, rate_pct (or rate_ppm), max_leverage; the last bound is 0. Or the brackets of
          one symbol as JSON: notionalCap, maintMarginRatio, initialLeverage.
Whatever is wrong with a row is said with its file, line, column and what was found; nothing of the file is then taken.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from stream_engine.layers import ScenarioError, nearest
from stream_engine.messages.inputs import Leg
from stream_engine.messages.instrument import Instrument
from stream_engine.messages.units import BALANCE_MAX, MILLION

NEEDED = ("account", "symbol", "size", "entry")
COLUMNS = ("account", "participant", "symbol", "size", "entry", "wallet", "margin_mode", "leverage", "margin")
NUMBERED_FROM, NAMED_FROM = 1_000_000_000, 2_000_000_001
MOST_NAMED = 2_000_000_000
BALANCING = 999_999_999  # the number of the account that balances the rest

Row = Mapping[str, Any]


class PositionsError(ScenarioError):
    """A file of positions or of brackets that cannot be taken."""

    look = 'The README says under "Your venue\'s rules, your positions" what such a file holds.'


class OwnAccounts(Struct, frozen=True, forbid_unknown_fields=True, rename={"file": "from"}):
    """Where the positions stand, and who holds what they do not balance by (None: they must)."""

    file: str
    balance_with: str | None = None


class Own(Struct):
    """What a file comes to: (account, participant) and (account, micro-quote) of each, and the legs by symbol."""

    accounts: list[tuple[int, str]]
    money: list[tuple[int, int]]
    legs: dict[str, list[Leg]]


class _Holder(Struct):
    number: int
    participant: str
    wallet: int | None = None
    correction: int = 0
    isolated: int = 0
    symbols: set[str] = set()


def own_positions(settings: OwnAccounts, instruments: Mapping[str, Instrument], prices: Mapping[str, int]) -> Own:
    """The accounts and positions of a file; `prices` are the first ones, in ticks. Raises PositionsError."""
    holders: dict[str, _Holder] = {}
    legs: dict[str, list[Leg]] = {symbol: [] for symbol in instruments}
    for where, row in _rows(Path(settings.file)):
        symbol = _text(row, "symbol", where)
        if symbol not in instruments:
            raise PositionsError(f"{where}: symbol: there is no market {symbol}{nearest(symbol, list(instruments))}")
        holder = _holder(holders, row, where)
        if symbol in holder.symbols:
            raise PositionsError(f"{where}: account: a second position on {symbol}; one row holds all of it")
        holder.symbols.add(symbol)
        legs[symbol].append(_leg(holder, row, instruments[symbol], where))
    _balance(settings, holders, legs, instruments, prices)
    accounts = [(holder.number, holder.participant) for holder in holders.values()]
    money = [(holder.number, (holder.wallet or 0) + holder.correction) for holder in holders.values()]
    for (_, quote), (name, _) in zip(money, holders.items(), strict=True):
        if not 0 <= quote <= BALANCE_MAX:
            found = Decimal(quote) / MILLION
            raise PositionsError(
                f"{settings.file}: account {name}: wallet: expected from 0 to 4.5 bn USDT, found {found}"
            )
    for name, holder in holders.items():
        wallet = (holder.wallet or 0) + holder.correction
        if holder.isolated > wallet:
            needed, found = (Decimal(quote) / MILLION for quote in (holder.isolated, wallet))
            raise PositionsError(
                f"{settings.file}: account {name}: wallet: expected the {needed} USDT or more that its isolated "
                f"positions stand on (their margin, or size * entry / leverage), found {found}"
            )
    return Own(accounts, [(number, quote) for number, quote in money if quote], legs)


def tiers_from(path: Path, setting: str) -> list[list[int]]:
    """The margin brackets of a file: notional in USDT (the last: 0), rate in ppm, largest leverage."""
    tiers = []
    for where, row in _rows(path, brackets=setting):
        if "notionalCap" in row:
            row = {
                "bound_usdt": row["notionalCap"],
                "rate_pct": Decimal(str(row.get("maintMarginRatio"))) * 100,
                "max_leverage": row.get("initialLeverage", 0),
            }
        bound = _number(row, "bound_usdt", where)
        in_percent = row.get("rate_pct") not in (None, "")
        rate = _number(row, "rate_pct", where) * 10_000 if in_percent else _number(row, "rate_ppm", where)
        leverage = _number(row, "max_leverage", where, Decimal(0))
        for column, value in (("bound_usdt", bound), ("rate", rate), ("max_leverage", leverage)):
            if value != int(value) or value < 0:
                raise PositionsError(f"{where}: {column}: expected a whole number of 0 or more, found {value}")
        tiers.append([int(bound), int(rate), int(leverage)])
    if not tiers:
        raise PositionsError(f"{setting}: {path} has no bracket")
    tiers[-1][0] = 0  # the largest position has a bound of its own
    return tiers


def _rows(path: Path, brackets: str = "accounts.from") -> Iterator[tuple[str, Row]]:
    """Each row with where it stands."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise PositionsError(f"{brackets}: {path} cannot be read ({why})") from error
    if path.suffix.lower() == ".csv":
        yield from _csv_rows(path, text)
        return
    if text.lstrip().startswith("["):
        yield from ((f"{path}: entry {number}", row) for number, row in enumerate(_whole(path, text), 1))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"{path}:{number}", _object(line, f"{path}:{number}")


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, Row]]:
    lines = csv.reader(text.splitlines())
    head = [name.strip() for name in next(lines, [])]
    if "bound_usdt" not in head:
        for name in NEEDED:
            if name not in head:
                raise PositionsError(f"{path}:1: the head has no column {name}; expected {', '.join(COLUMNS)}")
        for name in head:
            if name not in COLUMNS:
                raise PositionsError(f"{path}:1: there is no column {name}{nearest(name, COLUMNS)}")
    for values in lines:
        where = f"{path}:{lines.line_num}"
        if not values:
            continue
        if len(values) != len(head):
            raise PositionsError(f"{where}: {len(head)} columns expected, found {len(values)}")
        yield where, dict(zip(head, (value.strip() for value in values), strict=True))


def _whole(path: Path, text: str) -> list[Row]:
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PositionsError(f"{path}: no JSON: {error}") from error
    rows = [
        row for each in found for row in (each["brackets"] if isinstance(each, dict) and "brackets" in each else [each])
    ]
    if not all(isinstance(row, dict) for row in rows):
        raise PositionsError(f"{path}: expected a list of objects")
    return rows


def _object(line: str, where: str) -> Row:
    try:
        row = json.loads(line, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PositionsError(f"{where}: no JSON: {error}") from error
    if not isinstance(row, dict):
        raise PositionsError(f"{where}: expected an object, found {line.strip()[:40]}")
    if "bound_usdt" not in row and "notionalCap" not in row:
        for name in row:
            if name not in COLUMNS:
                raise PositionsError(f"{where}: there is no column {name}{nearest(name, COLUMNS)}")
    return row


def _text(row: Row, column: str, where: str) -> str:
    value = row.get(column)
    if value is None or value == "":
        raise PositionsError(f"{where}: {column}: nothing stands there")
    return str(value)


def _number(row: Row, column: str, where: str, absent: Decimal | None = None) -> Decimal:
    value = row.get(column)
    if value is None or value == "":
        if absent is None:
            raise PositionsError(f"{where}: {column}: nothing stands there")
        return absent
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or abs(number) > BALANCE_MAX:
        raise PositionsError(f"{where}: {column}: expected a number, found {value}")
    return number


def _holder(holders: dict[str, _Holder], row: Row, where: str) -> _Holder:
    name = _text(row, "account", where)
    holder = holders.get(name)
    if holder is None:
        if name.isdecimal() and str(int(name)) == name and int(name) < BALANCING:
            number = NUMBERED_FROM + int(name)
        elif len(holders) < MOST_NAMED:
            number = NAMED_FROM + len(holders)
        else:
            raise PositionsError(f"{where}: account: more accounts than a venue has numbers for")
        holder = holders[name] = _Holder(number, str(row.get("participant") or name)[:64], symbols=set())
    if row.get("wallet") not in (None, ""):
        wallet = int((_number(row, "wallet", where) * MILLION).to_integral_value(ROUND_FLOOR))
        if holder.wallet not in (None, wallet):
            raise PositionsError(f"{where}: wallet: another row of account {name} has another one")
        holder.wallet = wallet
    return holder


def _leg(holder: _Holder, row: Row, instrument: Instrument, where: str) -> Leg:
    coins = _number(row, "size", where)
    lots = coins / Decimal(instrument.lot_size)
    if lots != int(lots) or not lots:
        raise PositionsError(
            f"{where}: size: expected a multiple of the lot {instrument.lot_size}, not 0, found {coins}"
        )
    if abs(lots) > instrument.max_size:
        most = instrument.max_size * Decimal(instrument.lot_size)
        raise PositionsError(f"{where}: size: {instrument.symbol} takes {most} at most (it follows from max_price)")
    price = _number(row, "entry", where) / Decimal(instrument.tick_size)
    entry = int(price.to_integral_value(ROUND_HALF_UP))
    if not 0 < entry <= instrument.max_price:
        raise PositionsError(
            f"{where}: entry: expected a price above 0, of max_price at most, found {row.get('entry')}"
        )
    # A long that is entered a part of a tick higher than it was has won that much less: the money makes it good.
    correction = int(((entry - price) * lots * instrument.tick_value).to_integral_value(ROUND_FLOOR))
    leverage = _number(row, "leverage", where, Decimal(0))
    if leverage != int(leverage) or not 0 <= leverage <= instrument.max_leverage:
        found = f"expected a whole number from 1 to {instrument.max_leverage}, found {leverage}"
        raise PositionsError(f"{where}: leverage: {found}")
    mode = str(row.get("margin_mode") or "cross").lower()
    if mode not in ("cross", "isolated"):
        raise PositionsError(f"{where}: margin_mode: expected cross or isolated, found {mode}")
    isolated = mode == "isolated"
    margin = int((_number(row, "margin", where, Decimal(0)) * MILLION).to_integral_value(ROUND_FLOOR))
    if margin < 0 or (margin and not isolated):
        raise PositionsError(f"{where}: margin: expected 0 or more USDT of an isolated position, found {row['margin']}")
    holder.correction += correction
    if isolated:
        value = abs(int(lots)) * entry * instrument.tick_value
        margin = margin + correction if margin else -(-value // (int(leverage) or instrument.default_leverage))
        holder.isolated += margin
    return Leg(holder.number, instrument.symbol, int(lots), entry, int(leverage), isolated, margin)


def _balance(
    settings: OwnAccounts,
    holders: dict[str, _Holder],
    legs: dict[str, list[Leg]],
    instruments: Mapping[str, Instrument],
    prices: Mapping[str, int],
) -> None:
    sums = {symbol: sum(leg.size for leg in each) for symbol, each in legs.items()}
    uneven = {symbol: lots for symbol, lots in sums.items() if lots}
    if not uneven:
        return
    name = settings.balance_with
    if name is None:
        told = ", ".join(
            f"{symbol} {lots * Decimal(instruments[symbol].lot_size):+f}" for symbol, lots in uneven.items()
        )
        raise PositionsError(
            f"{settings.file}: longs and shorts do not balance, the sum is {told}; somebody holds the other side. "
            'Add who does, or say accounts.balance_with = "NAME" and an account of that name will'
        )
    if name in holders:
        raise PositionsError(f"accounts.balance_with: {name} is an account of {settings.file}; choose another name")
    house = holders[name] = _Holder(NUMBERED_FROM + BALANCING, name, wallet=0)
    for symbol, lots in uneven.items():
        instrument = instruments[symbol]
        if abs(lots) > instrument.max_size:
            raise PositionsError(f"accounts.balance_with: {name} would hold more of {symbol} than an account may")
        assert house.wallet is not None
        house.wallet += abs(lots) * prices[symbol] * instrument.tick_value
        legs[symbol].append(Leg(house.number, symbol, -lots, prices[symbol], 1))


def balanced_records(legs: Iterable[Leg], most: int) -> Iterator[list[Leg]]:
    """The legs of one symbol, which sum to zero, in records of about `most` that each do.

    Where a record ends, a leg may be cut in two; the second piece opens the next.
    """
    waiting = list(legs)
    if len(waiting) <= most:
        yield from [waiting] if waiting else []
        return
    longs = iter([leg for leg in waiting if leg.size > 0])
    shorts = iter([leg for leg in waiting if leg.size < 0])
    record: dict[int, Leg] = {}
    long, short = next(longs, None), next(shorts, None)
    while long is not None and short is not None:
        lots = min(long.size, -short.size)
        for leg, piece in ((long, _piece(long, lots)), (short, _piece(short, -lots))):
            begun = record.get(leg.account)
            record[leg.account] = piece if begun is None else _joined(begun, piece)
        long = _rest(long, lots) or next(longs, None)
        short = _rest(short, -lots) or next(shorts, None)
        if len(record) >= most:
            yield list(record.values())
            record = {}
    if record:
        yield list(record.values())


def _piece(leg: Leg, lots: int) -> Leg:
    return replace(leg, size=lots, margin=leg.margin * lots // leg.size)


def _rest(leg: Leg, lots: int) -> Leg | None:
    if lots == leg.size:
        return None
    return replace(leg, size=leg.size - lots, margin=leg.margin - _piece(leg, lots).margin)


def _joined(one: Leg, other: Leg) -> Leg:
    return replace(one, size=one.size + other.size, margin=one.margin + other.margin)
