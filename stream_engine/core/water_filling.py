"""Water-filling: so many units are shared in proportion to weights, nobody beyond a cap.

Shares    min(cap_i, eta * w_i), with one level eta for all at which they sum to the total; where the caps do not hold
          the total, everybody with a weight is at the cap and the rest is left.
Rounding  shares are rounded down, then the largest remainders get one unit more each; ties go to whoever comes first.
Holds     the shares sum to the total, or to all caps where that is less; no share is above its cap or below zero.
Bound     every round puts somebody at the cap for good, or is the last.
"""

from collections.abc import Sequence

from stream_engine.core.arithmetic import div_floor


def water_level(weights: Sequence[int], caps: Sequence[int], total: int) -> tuple[int, int]:
    """The level eta as a fraction (numerator, denominator); a denominator of 0: everybody is at the cap."""
    left, weight = total, sum(weights)
    rising = [place for place in range(len(weights)) if weights[place]]
    while rising:
        full = [place for place in rising if caps[place] * weight <= left * weights[place]]
        if not full:
            break
        rising = [place for place in rising if caps[place] * weight > left * weights[place]]
        left -= sum(caps[place] for place in full)
        weight -= sum(weights[place] for place in full)
    return left, weight


def water_fill(weights: Sequence[int], caps: Sequence[int], total: int) -> list[int]:
    """The share of each; weights and caps are 0 or more."""
    left, weight = water_level(weights, caps, total)
    shares = [
        0 if not own else cap if cap * weight <= left * own else div_floor(left * own, weight)
        for own, cap in zip(weights, caps, strict=True)
    ]
    if not weight:
        return shares
    below = [place for place, own in enumerate(weights) if caps[place] * weight > left * own and own]
    below.sort(key=lambda place: (-(left * weights[place] % weight), place))
    for place in below[: total - sum(shares)]:
        shares[place] += 1
    return shares
