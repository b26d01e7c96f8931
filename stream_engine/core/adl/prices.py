"""Prices: what a deleveraged position is closed at, in ticks.

Bankruptcy      that of the bankrupt position: nobody but the winners loses by it.
Mark            the winners lose nothing; the difference to the bankruptcy price is the fund's, then the deficit's.
Mark, funded    the mark while the fund holds more than `near_empty_quote`, else the bankruptcy price (OKX).
Previous mark   the one before the present mark (Hyperliquid: at it the bankrupt was still solvent, mostly); before a
                second mark, the present one.
"""

from stream_engine.core.adl.policy import Left
from stream_engine.core.market import Market
from stream_engine.messages.rules import AdlRules


def bankruptcy_price(market: Market, left: Left, rules: AdlRules) -> int:
    """The bankruptcy price."""
    return left.bankruptcy


def mark_price(market: Market, left: Left, rules: AdlRules) -> int:
    """The mark."""
    return market.mark


def mark_price_while_funded(market: Market, left: Left, rules: AdlRules) -> int:
    """The mark, or with a fund that is nearly empty the bankruptcy price."""
    return market.mark if left.fund > rules.near_empty_quote else left.bankruptcy


def previous_mark_price(market: Market, left: Left, rules: AdlRules) -> int:
    """The mark before the present one."""
    return market.previous_mark or market.mark
