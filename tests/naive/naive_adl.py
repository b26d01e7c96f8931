"""The ways to deleverage once more, as fractions: who comes in which order, at which price, and how much each gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from stream_engine.messages.rules import AdlPolicy, AdlRules
from stream_engine.messages.units import MILLION, WIRE_MAX

P = AdlPolicy
UNRANKED = (P.DYDX,)
UNLIT = (
    P.HYPERLIQUID, P.DYDX, P.PRO_RATA, P.PRO_RATA_CONTRACTS, P.CAPPED_PRO_RATA, P.RISK_AWARE, P.SOCIALISED,
    P.SOCIALISED_PROFIT,
)  # fmt: skip
SOCIAL = (P.SOCIALISED, P.SOCIALISED_PROFIT)
BY_CONTRACTS = (P.PRO_RATA_CONTRACTS, *SOCIAL)
PROPORTIONAL = (P.PRO_RATA, *BY_CONTRACTS)
CAPPED = (P.CAPPED_PRO_RATA, P.RISK_AWARE)


@dataclass
class Holder:
    """A position of the side that is deleveraged; money in micro-quote.

    entry_value   what it was bought or sold for, without sign.      beside   the account's other positions, net.
    margins       initial and maintenance margin of the account with so many lots of the position closed.
    """

    number: int
    is_long: bool
    lots: int
    pnl: int
    value: int
    entry_value: int
    wallet: int
    equity: int
    own_maintenance: int
    maintenance: int
    beside: int
    margins: Callable[[int], tuple[int, int]]
    score: int = 0
    rank: int = 0
    lights: int = 0


def ranked(policy: AdlPolicy, holders: Sequence[Holder], identity: tuple[int, int]) -> list[Holder]:
    """The queue, with score, rank and lights."""
    queue = sorted(holders, key=lambda holder: holder.number)
    if policy in UNRANKED:
        start = chance(*identity) % len(queue) if queue else 0
        queue = queue[start:] + queue[:start]
    else:
        for holder in queue:
            holder.score = floor(exact_score(policy, holder) * 10**12) if holder.equity > 0 else 0
        queue.sort(key=lambda holder: holder.score, reverse=True)
        queue.sort(key=lambda holder: holder.equity <= 0)
    for rank, holder in enumerate(queue, 1):
        holder.rank = rank
        holder.lights = lights(policy, queue, rank)
    return queue


def exact_score(policy: AdlPolicy, holder: Holder) -> Fraction:
    """What a policy ranks by; equity is above zero."""
    gain, lever = Fraction(holder.pnl, holder.value), Fraction(holder.value, holder.equity)
    match policy:
        case P.BINANCE | P.OKX:
            return gain * lever if gain >= 0 else gain / lever
        case P.BINANCE_V1:
            profit = Fraction(max(0, holder.pnl), max(MILLION, holder.wallet))
            return profit * Fraction(holder.maintenance, holder.equity)
        case P.BYBIT | P.BITMEX:
            gain = Fraction(holder.pnl, max(1, holder.entry_value))
            lever = holder.value / (holder.equity * Fraction(holder.own_maintenance, holder.maintenance))
            return gain * lever if gain >= 0 else gain / lever
        case P.HYPERLIQUID:
            moved = Fraction(holder.value, max(1, holder.entry_value))
            return moved * lever if holder.is_long else lever / moved
        case P.PRO_RATA | P.CAPPED_PRO_RATA:
            return Fraction(max(0, holder.pnl), MILLION)
        case P.RISK_AWARE:
            return Fraction(max(0, holder.pnl), MILLION) * lever
        case P.HEDGE_AWARE:
            against = -holder.beside if holder.is_long else holder.beside
            hedge_ratio = Fraction(min(max(against, 0), holder.value), holder.value)
            return gain * lever * (1 - hedge_ratio) if gain >= 0 else gain / lever
        case _:
            return Fraction(holder.lots)


def chance(seq: int, n: int) -> int:
    """Where dYdX's queue begins, before it is cut to the length of the queue: SplitMix64's last steps."""
    word = 2**64
    x = (seq * 0x9E3779B97F4A7C15 + n * 0xD1B54A32D192ED03) % word
    x = (x ^ (x // 2**30)) * 0xBF58476D1CE4E5B9 % word
    x = (x ^ (x // 2**27)) * 0x94D049BB133111EB % word
    return x ^ (x // 2**31)


def lights(policy: AdlPolicy, queue: Sequence[Holder], rank: int) -> int:
    """What the holder at a rank is shown."""
    if policy in UNLIT:
        return 0
    if policy is P.BITMEX:
        share = Fraction(sum(holder.lots for holder in queue[:rank]), sum(holder.lots for holder in queue))
        return next(5 - fifth for fifth in range(5) if share <= Fraction(fifth + 1, 5))
    before = Fraction(rank - 1, len(queue))
    return next(5 - fifth for fifth in range(5) if before < Fraction(fifth + 1, 5))


def thresholds_ppm(policy: AdlPolicy, queue: Sequence[Holder]) -> tuple[int, ...]:
    """The least published score with 5, with 4 or more, 3 or more and 2 or more lights."""
    if policy in UNLIT or not queue:
        return ()
    scores = [[published(holder.score) for holder in queue if holder.lights >= least] for least in (5, 4, 3, 2)]
    return tuple(min(found) if found else WIRE_MAX for found in scores)


def published(score: int) -> int:
    """A score of 10^-12 in ppm, rounded down and cut to the wire's range."""
    return min(WIRE_MAX, max(-WIRE_MAX, floor(Fraction(score, MILLION))))


def price(rules: AdlRules, bankruptcy: int, mark: int, previous_mark: int, fund: int) -> int:
    """What the positions are closed at."""
    match rules.policy:
        case P.OKX:
            return mark if fund > rules.near_empty_quote else bankruptcy
        case P.HYPERLIQUID:
            return previous_mark if previous_mark else mark
        case P.SOCIALISED | P.SOCIALISED_PROFIT:
            return mark
        case _:
            return bankruptcy


def given(rules: AdlRules, queue: Sequence[Holder], lots: int, loss: int) -> list[tuple[Holder, int]]:
    """How many lots each gives of so many, of which each loses so much against the mark; who gives none is left out."""
    reach = [reach_of(holder, loss) for holder in queue]
    if rules.policy in PROPORTIONAL:
        first = filled(queue, [max(0, holder.score) for holder in queue], reach, lots)
        room = [most - share for most, share in zip(reach, first, strict=True)]
        then = filled(queue, [holder.lots for holder in queue], room, lots - sum(first))
        shares = [one + other for one, other in zip(first, then, strict=True)]
    elif rules.policy in CAPPED:
        caps = [min(most, cap_of(rules, holder, loss)) for holder, most in zip(queue, reach, strict=True)]
        shares = filled(queue, [max(0, holder.score) for holder in queue], caps, lots)
    else:
        shares = []
        for holder, most in zip(queue, reach, strict=True):
            wanted = lots - sum(shares)
            if rules.policy is P.DYDX:
                whole = min(wanted, holder.lots)
                shares.append(whole if most >= whole and not is_left_worse(holder, whole, loss) else 0)
            else:
                shares.append(min(wanted, most))
    return [(holder, share) for holder, share in zip(queue, shares, strict=True) if share]


def reach_of(holder: Holder, loss: int) -> int:
    """Lots that the equity can lose."""
    return holder.lots if loss <= 0 else min(holder.lots, floor(Fraction(max(0, holder.equity), loss)))


def cap_of(rules: AdlRules, holder: Holder, loss: int) -> int:
    """Lots of a winner, giving no more of the profit and keeping no less equity than the rules say."""
    if loss <= 0:
        return holder.lots
    money = min(floor(Fraction(max(0, holder.pnl) * rules.cap_ppm, MILLION)), holder.equity - rules.least_equity_quote)
    return floor(Fraction(max(0, money), loss))


def is_left_worse(holder: Holder, lots: int, loss: int) -> bool:
    """dYdX: below initial margin, and with less equity to maintenance than before."""
    equity = holder.equity - lots * loss
    initial, maintenance = holder.margins(lots)
    if equity >= initial:
        return False
    if not maintenance:
        return equity < 0
    return Fraction(equity, maintenance) < Fraction(holder.equity, holder.margins(0)[1])


def filled(holders: Sequence[Holder], weights: Sequence[int], caps: Sequence[int], total: int) -> list[int]:
    """Each the least of its cap and its weight times one level, as whole numbers; ties to the lower account."""
    level = level_of(weights, caps, total)
    exact = [Fraction(0) if not w else min(Fraction(cap), level * w) for w, cap in zip(weights, caps, strict=True)]
    shares = [floor(share) for share in exact]
    order = sorted(range(len(holders)), key=lambda place: holders[place].number)
    order.sort(key=lambda place: exact[place] - shares[place], reverse=True)
    missing = ceil(sum(exact, Fraction(0))) - sum(shares)
    for place in order[:missing]:
        shares[place] += 1
    return shares


def level_of(weights: Sequence[int], caps: Sequence[int], total: int) -> Fraction:
    """The level at which the shares sum to the total, or the highest at which anybody's still rises."""
    weighed = [(Fraction(cap, w), w, cap) for w, cap in zip(weights, caps, strict=True) if w]
    for level in sorted(top for top, _, _ in weighed):
        if sum((min(Fraction(cap), level * w) for _, w, cap in weighed), Fraction(0)) >= total:
            full = sum(cap for top, _, cap in weighed if top < level)
            return Fraction(total - full, sum(w for top, w, _ in weighed if top >= level))
    return max((top for top, _, _ in weighed), default=Fraction(0))


def socialised(payers: Sequence[tuple[Holder, int]], loss: int) -> list[tuple[Holder, int]]:
    """What each pays of a loss, by its weight and within its equity."""
    holders = [holder for holder, _ in payers]
    shares = filled(holders, [w for _, w in payers], [max(0, holder.equity) for holder in holders], loss)
    return sorted(zip(holders, shares, strict=True), key=lambda paid: paid[0].number)
