"""Population: who holds what when the run begins. Longs equal shorts, to the lot, on every symbol.

Longs     many, small, lognormal; hedged portfolios hold some.
Shorts    makers (hedged outside), hedged portfolios, a few large accounts, and a crowd of fewer and larger ones: their
          sizes lognormal, or with a tail as heavy as the record's, where a few are deleveraged of nearly all.
Leverage  drawn; of the shorts some go by the rank of their size, so that the large ones stand first in the queue.
Balance   the crowd fills each side up to the open interest, to the lot; what rounding leaves is its largest ones'.
Money     a crowd account's equity at the start is its notional over its leverage.
"""

from collections.abc import Mapping, Sequence
from math import ceil, pow
from typing import Annotated

from msgspec import Meta, Struct

from producers.hedgers import Hedgers
from producers.leveraged_traders import Holder
from producers.noise import Noise
from producers.participant import NotNegative, Positive, Share


class LeverageClass(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A range of leverage, even on a logarithmic scale, and how often it is met."""

    low: Annotated[float, Meta(ge=1)]
    high: Annotated[float, Meta(ge=1)]
    weight: Positive


class Population(Struct, frozen=True, forbid_unknown_fields=True):
    """The crowd and the few.

    accounts            of the crowd, over all symbols, by `split`; `long_share` of them are long.
    size_sigma, short_sigma   of the lognormal sizes of longs, and of shorts.
    short_tail          exponent of the Pareto tail that the sizes of shorts have instead; 0: they are lognormal.
    largest, largest_short    of the open interest: none is larger, long or short (0: four times `largest`).
    rank_leverage       of the crowd's shorts have the leverage that the rank of their size has among the leverages.
    leverage_factor     multiplies the long leverage on a symbol (never below 1).
    maker_share         of the short side is the makers', hedged outside.
    large_share         of the short side is held by `large_accounts` on each symbol, at `large_leverage`; or, where
                        `large_leverage_to` is above it, evenly between the two on a logarithmic scale.
    isolated_share      of the crowd's positions have isolated margin, the others cross.
    entry_spread        entries lie within this share of the distance to the loss of all margin.
    """

    accounts: Annotated[int, Meta(ge=1)]
    split: dict[str, Positive]
    long_leverage: list[LeverageClass]
    short_leverage: list[LeverageClass]
    long_share: Share = 0.87
    size_sigma: Positive = 1.6
    short_sigma: Positive = 1.8
    short_tail: NotNegative = 0.0
    largest: Positive = 0.01
    largest_short: NotNegative = 0.0
    rank_leverage: Share = 0.0
    leverage_factor: dict[str, Positive] = {}
    maker_share: Share = 0.35
    large_share: Share = 0.2
    large_accounts: Annotated[int, Meta(ge=0)] = 4
    large_leverage: Positive = 1.5
    large_leverage_to: NotNegative = 0.0
    entry_spread: Share = 0.3
    isolated_share: Share = 0.0


class Perpetual(Struct, frozen=True):
    """What the population needs of a symbol: USDT that a lot costs, its price in ticks, and the open interest."""

    symbol: str
    lot_usdt: float
    price: int
    open_interest_usdt: float
    max_leverage: int


class Position(Struct, frozen=True):
    """One position at the start, and the money its account needs for it (USDT)."""

    holder: Holder
    money_usdt: float
    set_leverage: int
    is_isolated: bool


def crowd_positions(
    population: Population,
    perpetuals: Mapping[str, Perpetual],
    hedged: Mapping[str, int],
    makers: Mapping[str, int],
    noise: Noise,
    first_account: int,
) -> list[Position]:
    """The positions of large accounts and crowd; `hedged` and `makers` are the lots that others hold on each symbol."""
    positions: list[Position] = []
    account = first_account
    total = sum(population.split[symbol] for symbol in perpetuals)
    for number, (symbol, perpetual) in enumerate(perpetuals.items()):
        members = max(2, round(population.accounts * population.split[symbol] / total))
        longs = min(max(1, round(members * population.long_share)), members - 1)
        open_lots = int(perpetual.open_interest_usdt / perpetual.lot_usdt)
        large = population.large_accounts
        large_lots = int(open_lots * population.large_share / large) if large else 0
        cap = population.largest * open_lots
        to_buy = open_lots - max(0, hedged[symbol])
        to_sell = open_lots + makers[symbol] + min(0, hedged[symbol]) - large * large_lots
        short_cap = population.largest_short * open_lots or 4 * cap
        buyers = _lognormal(population.size_sigma, longs, noise, (number, 1))
        sellers = _short_sizes(population, members - longs, noise, (number, 2))
        bought = _shares(to_buy, buyers, cap)
        sold = _shares(to_sell, sellers, short_cap)
        for side, crowd, to_fill in (("long", bought, to_buy), ("short", sold, to_sell)):
            if not _fill_up(crowd, to_fill):
                raise ValueError(
                    f"population: on {symbol} makers, portfolios and large accounts leave {to_fill} lots of the {side} "
                    f"side for {len(crowd)} accounts of the crowd"
                )
        for lots in bought:
            leverage = _drawn(population.long_leverage, noise.uniform(account, 3), noise.uniform(account, 5))
            leverage = max(1.0, leverage * population.leverage_factor.get(symbol, 1.0))
            positions.append(_position(population, perpetual, account, lots, leverage, noise))
            account += 1
        for place in range(large):
            if large_lots:
                leverage = _large_leverage(population, place)
                positions.append(_position(population, perpetual, account, -large_lots, leverage, noise, large=True))
            account += 1
        for lots, rank in zip(sold, _ranks(sold), strict=True):
            leverage = _short_leverage(population, account, rank, noise)
            positions.append(_position(population, perpetual, account, -lots, leverage, noise))
            account += 1
    return positions


def maker_lots(population: Population, perpetual: Perpetual, share: float) -> int:
    """The signed lots that makers with this share of all makers' depth are short at the start."""
    return -int(perpetual.open_interest_usdt / perpetual.lot_usdt * population.maker_share * share)


def hedger_lots(hedgers: Hedgers, perpetuals: Mapping[str, Perpetual], portfolio: int, noise: Noise) -> dict[str, int]:
    """Signed lots of a hedged portfolio on each symbol, in the order of its legs."""
    times = hedgers.size_median
    if hedgers.size_sigma:
        times = noise.lognormal(times, hedgers.size_sigma, portfolio)
    lots = {leg.symbol: int(leg.usdt * times / perpetuals[leg.symbol].lot_usdt) for leg in hedgers.legs}
    return {symbol: held for symbol, held in lots.items() if held}


def _short_sizes(population: Population, members: int, noise: Noise, key: tuple[int, int]) -> list[float]:
    if not population.short_tail:
        return _lognormal(population.short_sigma, members, noise, key)
    return [pow(noise.uniform(*key, member), -1 / population.short_tail) for member in range(members)]


def _lognormal(sigma: float, members: int, noise: Noise, key: tuple[int, int]) -> list[float]:
    return [noise.lognormal(1.0, sigma, *key, member) for member in range(members)]


def _shares(total: int, sizes: list[float], cap: float) -> list[int]:
    """Whole lots in proportion to the sizes, that sum to about the total: each at least one, none above the cap where
    they fit under it. What the cap cuts off goes to the others."""
    cap = max(cap, total / len(sizes))
    left, weight = float(total), sum(sizes)
    for size in sorted(sizes, reverse=True):
        if size * left <= cap * weight:
            break
        left, weight = left - cap, weight - size
    scale = left / weight if weight > 0 else 0.0
    return [max(1, int(min(size * scale, cap))) for size in sizes]


def _fill_up(lots: list[int], total: int) -> bool:
    """Hand out what is missing to the total, evenly, the odd lots to the largest; or take what is too much from the
    largest. Whether it can bear that."""
    missing = total - sum(lots)
    if missing < 0:
        biggest = lots.index(max(lots))
        lots[biggest] += missing
        return lots[biggest] > 0
    each, odd = divmod(missing, len(lots))
    for place, member in enumerate(sorted(range(len(lots)), key=lambda member: (-lots[member], member))):
        lots[member] += each + (place < odd)
    return True


def _ranks(sizes: list[int]) -> list[float]:
    """Where each stands among all, the largest next to 1; of two equal ones the first is the smaller."""
    ranks = [0.0] * len(sizes)
    for place, member in enumerate(sorted(range(len(sizes)), key=lambda member: (sizes[member], member))):
        ranks[member] = (place + 0.5) / len(sizes)
    return ranks


def _short_leverage(population: Population, account: int, rank: float, noise: Noise) -> float:
    classes = population.short_leverage
    if population.rank_leverage and noise.uniform(account, 7) < population.rank_leverage:
        return _drawn(sorted(classes, key=lambda one: (one.low, one.high)), rank, rank)
    return _drawn(classes, noise.uniform(account, 3), noise.uniform(account, 5))


def _large_leverage(population: Population, place: int) -> float:
    low, high = population.large_leverage, population.large_leverage_to
    if high <= low or population.large_accounts == 1:
        return low
    return low * pow(high / low, place / (population.large_accounts - 1))


def _position(
    population: Population, perpetual: Perpetual, account: int, lots: int, leverage: float, noise: Noise,
    large: bool = False,
) -> Position:  # fmt: skip
    leverage = min(leverage, 0.8 * perpetual.max_leverage)
    off = population.entry_spread * (2 * noise.uniform(account, 4) - 1) / leverage
    entry = max(1, round(perpetual.price * (1 - off if lots > 0 else 1 + off)))
    gained = lots * perpetual.lot_usdt * (perpetual.price - entry) / perpetual.price
    money = abs(lots) * perpetual.lot_usdt / leverage - gained
    holder = Holder(account, perpetual.symbol, lots, entry, perpetual.price, leverage)
    is_isolated = not large and noise.uniform(account, 6) < population.isolated_share
    return Position(holder, money, min(perpetual.max_leverage, ceil(leverage * 1.05) + 1), is_isolated)


def _drawn(classes: Sequence[LeverageClass], which: float, where: float) -> float:
    """The leverage at a share of all weights, and at a share of that class's range."""
    left = which * sum(one.weight for one in classes)
    for one in classes:
        left -= one.weight
        if left <= 0:
            break
    return one.low * pow(one.high / one.low, where)
