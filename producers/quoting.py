"""Quoting: what it is worth to a maker to stand on both sides of a market, in USDT a second. Formulas; no state.

Income    what two-sided flow pays at half the spread, and the venue's rebates.
Loss      what one-sided flow costs beyond half the spread, and the price of standing there if the crowd of leveraged
          longs is forced out: it grows with the fall, with the share of accounts that are long, with the open interest
          still there, and as the others' quotes disappear.
Duty      what staying saves: rebates that would be clawed back, and what a failing maker pays into losses.
Arbitrage what the gap to the outside market pays to who takes it instead of quoting.
Scale     a million quoted earns some ten thousand in normal times and may lose half a million in a crash, says the
          analysis.
"""

from math import pi, pow, sqrt
from typing import Annotated

from msgspec import Meta, Struct

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]

HOLDS_S = 30.0


class Scale(Struct, frozen=True):
    """What is normal on a symbol of a venue: depth of both sides together, half spread, volatility per root second."""

    depth_usdt: float
    half_spread: float
    volatility: float


class Crowding(Struct, frozen=True, forbid_unknown_fields=True):
    """How a maker prices the forced selling of a crowd that is on one side.

    rate            per second, at a fall of `fall_pct` (of a symbol whose volatility is `volatility_bp`; a livelier one
                    falls further for the same), were every account long.
    flow            per turnover of the normal depth by forced selling that is under way.
    loss            of what it quotes, when it comes.
    oi_floor        share of the open interest at the start that is held without danger.
    memory_s        how long the high from which the fall counts is remembered.
    """

    rate: NotNegative = 8.6e-4
    flow: NotNegative = 0.008
    loss: Share = 0.2
    fall_pct: Positive = 5.0
    volatility_bp: Positive = 0.6
    liveliness: NotNegative = 0.55
    oi_floor: Share = 0.457
    memory_s: Positive = 3600.0


def half_width(scale: Scale, volatility: float, horizon_s: float, load: float, gap: float, most: float) -> float:
    """Half the width between best bid and ask, as a share of the price: wider with volatility, inventory and gap."""
    width = max(scale.half_spread * max(1.0, volatility / scale.volatility), 0.8 * volatility * sqrt(horizon_s))
    return min(width * (1 + 0.75 * min(abs(load), 1.0)) + 0.25 * max(0.0, gap - 0.003), most)


def bipower(move: float, before: float) -> float:
    """The variance that two neighbouring moves (both of their size alone) stand for. One jump, at known news, is next
    to none: it is not taken for volatility (Barndorff-Nielsen and Shephard, 2004)."""
    return 0.5 * pi * move * before


def flow_income(share: float, bought: float, sold: float, quoted: float, width: float) -> float:
    """Of flow in USDT a second on either side, its share of what comes both ways, at half the spread."""
    return min(share * 2 * min(bought, sold), 0.05 * quoted) * width


def flow_loss(share: float, bought: float, sold: float, quoted: float, width: float, volatility: float) -> float:
    """Its share of what comes one way only, times how far the price runs while it is held."""
    one_sided = abs(sold - bought)
    if not one_sided:
        return 0.0
    move = 0.6 * (1 + one_sided / (bought + sold)) * volatility * sqrt(HOLDS_S)
    return min(share * one_sided, 0.05 * quoted) * max(0.0, move - width)


def crowd_hazard(
    crowding: Crowding, scale: Scale, fall: float, long_share: float, oi_left: float, forced: float
) -> float:
    """Rate per second at which the leveraged crowd may be forced out on whoever still bids.

    fall     from the high, as a share.       oi_left   open interest, as a share of that at the start.
    forced   forced selling a second, as a share of the normal depth.
    """
    liveliness = pow(scale.volatility / (crowding.volatility_bp * 1e-4), crowding.liveliness)
    fallen = max(0.0, fall) / (crowding.fall_pct / 100 * liveliness)
    one_way = max(0.0, 2 * long_share - 1)
    fuel = max(0.0, oi_left - crowding.oi_floor) / (1 - crowding.oi_floor) if crowding.oi_floor < 1 else 0.0
    return crowding.rate * one_way * fallen**3 / (1 + fallen**3 / 20) * fuel**2 + crowding.flow * forced


def crowd_loss(crowding: Crowding, hazard: float, quoted: float, seen: float, alone: float) -> float:
    """What that may cost. `seen`: the depth still shown, as a share of the normal one; the last one left bears most."""
    return quoted * hazard * crowding.loss * pow(max(seen, 0.01), -alone)


def arbitrage_income(gap: float, cost: float, usdt_a_second: float) -> float:
    """What the gap to outside pays beyond the cost of both legs."""
    return max(0.0, gap - cost) * usdt_a_second
