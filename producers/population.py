"""Population: who holds what when the run begins. Longs equal shorts, to the lot, on every symbol.

Longs     many, small, lognormal; hedged portfolios hold some.
Shorts    makers (hedged outside), hedged portfolios, a few large accounts, and a crowd of fewer and larger ones.
Balance   the crowd's shares fill each side up to the open interest; what rounding leaves is the largest short's.
Money     a crowd account's equity at the start is its notional over its leverage.
"""

from collections.abc import Mapping
from math import ceil, pow
from typing import Annotated

from msgspec import Meta, Struct

from producers.hedgers import Hedgers
from producers.leveraged_traders import Holder
from producers.noise import Noise

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]


class LeverageClass(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A range of leverage, even on a logarithmic scale, and how often it is met."""

    low: Annotated[float, Meta(ge=1)]
    high: Annotated[float, Meta(ge=1)]
    weight: Positive


class Population(Struct, frozen=True, forbid_unknown_fields=True):
    """The crowd and the few.

    accounts            of the crowd, over all symbols, by `split`; `long_share` of them are long.
    size_sigma          of the lognormal sizes of longs, and of shorts; none above `largest` of the open interest.
    leverage_factor     multiplies the long leverage on a symbol (never below 1).
    maker_share         of the short side is the makers', hedged outside.
    large_share         of the short side is held by `large_accounts` on each symbol, at `large_leverage`.
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
    largest: Positive = 0.01
    leverage_factor: dict[str, Positive] = {}
    maker_share: Share = 0.35
    large_share: Share = 0.2
    large_accounts: Annotated[int, Meta(ge=0)] = 4
    large_leverage: Positive = 1.5
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
        taken = makers[symbol] + hedged[symbol]
        large = population.large_accounts
        large_lots = int(open_lots * population.large_share / large) if large else 0
        cap = population.largest * open_lots
        bought = _shares(open_lots, longs, population.size_sigma, cap, noise, (number, 1))
        net = sum(bought) + taken - large * large_lots
        sold = _shares(net, members - longs, population.short_sigma, 4 * cap, noise, (number, 2))
        biggest = sold.index(max(sold))
        sold[biggest] += net - sum(sold)
        if sold[biggest] <= 0:
            raise ValueError(
                f"population: on {symbol} makers, portfolios and large accounts leave {net} lots of the short side for "
                f"{members - longs} accounts of the crowd"
            )
        for place, lots in enumerate([*bought, *[-large_lots] * large, *[-lots for lots in sold]]):
            if lots:
                is_large = len(bought) <= place < len(bought) + large
                positions.append(_position(population, perpetual, account, lots, is_large, noise))
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


def _shares(total: int, members: int, sigma: float, cap: float, noise: Noise, key: tuple[int, int]) -> list[int]:
    """Whole lots that sum to about the total, heavy-tailed, each at least one."""
    sizes = [noise.lognormal(1.0, sigma, *key, member) for member in range(members)]
    for _ in range(3):  # what the cap cuts off goes to the others
        scale = total / sum(sizes)
        sizes = [min(size * scale, max(cap, total / members)) for size in sizes]
    return [max(1, int(size)) for size in sizes]


def _position(
    population: Population, perpetual: Perpetual, account: int, lots: int, large: bool, noise: Noise
) -> Position:
    if large:
        leverage = population.large_leverage
    elif lots > 0:
        leverage = _drawn(population.long_leverage, noise, account)
        leverage = max(1.0, leverage * population.leverage_factor.get(perpetual.symbol, 1.0))
    else:
        leverage = _drawn(population.short_leverage, noise, account)
    leverage = min(leverage, 0.8 * perpetual.max_leverage)
    off = population.entry_spread * (2 * noise.uniform(account, 4) - 1) / leverage
    entry = max(1, round(perpetual.price * (1 - off if lots > 0 else 1 + off)))
    gained = lots * perpetual.lot_usdt * (perpetual.price - entry) / perpetual.price
    money = abs(lots) * perpetual.lot_usdt / leverage - gained
    holder = Holder(account, perpetual.symbol, lots, entry, perpetual.price, leverage)
    is_isolated = not large and noise.uniform(account, 6) < population.isolated_share
    return Position(holder, money, min(perpetual.max_leverage, ceil(leverage * 1.05) + 1), is_isolated)


def _drawn(classes: list[LeverageClass], noise: Noise, account: int) -> float:
    left = noise.uniform(account, 3) * sum(one.weight for one in classes)
    for one in classes:
        left -= one.weight
        if left <= 0:
            break
    return one.low * pow(one.high / one.low, noise.uniform(account, 5))
