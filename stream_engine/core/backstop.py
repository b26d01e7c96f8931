"""Backstop vaults: under the fund, above deleveraging, somebody takes a falling account over as it is.

Takes     an account whose equity is below `below_ppm` of its maintenance (Hyperliquid: two thirds), strictly, and not
          below zero, once the book (and the fund, if it has anything to do) has left something of it: the whole cross
          portfolio at the marks, and with it the equity; or an isolated position with its margin. Nothing of it is
          left to its owner.
Which     the vault that is worth most; of equals the first by name. One that is worth less than nothing takes nothing.
Then      it unwinds as the fund does, with its own pace, and ends as a pool does (inheritance): nothing protects it.
Holds     equity moves, none is made; every lot leaving the account enters the vault's house account.
"""

from stream_engine.core.accounts import Account, Standing, collateral_behind, credit
from stream_engine.core.drawdown import worth_of
from stream_engine.core.inheritance import note_inherited, open_house
from stream_engine.core.insurance_fund import InsuranceFund
from stream_engine.core.matching import settle
from stream_engine.core.position import Position
from stream_engine.core.venue import Venue, balance_of_house
from stream_engine.messages.events import BackstopTookOver, Cause, FundReason
from stream_engine.messages.rules import BackstopRules
from stream_engine.messages.units import MILLION


def complaint(rules: BackstopRules) -> str | None:
    """What contradicts itself in the rules, if anything."""
    if rules.below_ppm and not rules.vaults:
        return "vaults: expected one at least"
    if len(set(rules.vaults)) < len(rules.vaults):
        return "vaults: expected each once"
    if rules.below_ppm and not rules.unwind_ppm:
        return "unwind_ppm: a vault that takes over and never unwinds"
    return None


def is_due(figures: Standing, below_ppm: int) -> bool:
    """Whether an account is so far below maintenance that a vault takes it."""
    return figures.equity * MILLION < below_ppm * figures.maintenance


def next_vault(venue: Venue) -> InsuranceFund | None:
    """The vault whose turn it is."""
    vaults = [venue.pools[name] for name in sorted(venue.rules.backstop.vaults)]
    able = [(worth, vault) for vault in vaults if (worth := worth_of(venue, vault)) >= 0]
    return max(able, key=lambda pair: pair[0])[1] if able else None


def hand_over(
    venue: Venue, vault: InsuranceFund, account: Account, live: list[Position], figures: Standing, trigger: Cause | None
) -> Cause:
    """Move everything that an account has to a vault."""
    held = tuple((held.symbol, held.size, venue.markets[held.symbol].mark) for held in live if held.size)
    took = venue.out.emit(
        BackstopTookOver, trigger, account.number, vault.house.number, vault.name, held, figures.equity,
        figures.maintenance,
    )  # fmt: skip
    house = open_house(venue, vault, took)
    for symbol, size, mark in held:
        market = venue.markets[symbol]
        settle(venue, market, account, -size, mark, 0, liquidation=True)
        settle(venue, market, house, size, mark, 0)
    equity = collateral_behind(account, live[0])
    credit(account, live[0], -equity)
    house.wallet += equity
    account.changed = house.changed = took
    for symbol, _, _ in held:
        note_inherited(vault, house.positions[symbol])
    balance_of_house(venue, vault, took, None, FundReason.BACKSTOP)
    return took
