"""Noise traders: they buy and sell a little all the time, less as the spread widens."""

from collections.abc import Mapping, Sequence
from math import exp
from typing import Annotated

from msgspec import Meta, Struct

from producers.market_view import MarketView
from producers.noise import Noise
from producers.participant import Participant, Positive, Share, Sized, bought
from stream_engine.messages.events import AnyEvent, LiquidationStarted, Traded
from stream_engine.messages.inputs import Input


class NoiseFlow(Struct, frozen=True, forbid_unknown_fields=True):
    """Flow without a view: `turnover` of the open interest a day, falling with the spread by `spread_bp`."""

    traders: Annotated[int, Meta(ge=1)] = 30
    turnover: Positive = 1.75
    chance: Share = 0.7
    spread_bp: Positive = 36.0
    size_sigma: Positive = 1.0
    reach_pct: Positive = 0.5
    capital_usdt: Positive = 20_000_000.0


class NoiseTraders(Participant):
    """A trade now and then on either side, inside the spread's reach, until the spread is too dear."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], flow: NoiseFlow, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("noise", venue, [one for many in accounts.values() for one in many], view, noise)
        self._flow = flow
        self._numbers = accounts
        self._held: dict[int, int] = dict.fromkeys(self.accounts, 0)
        # A lognormal's mean lies above its median; the turnover is about the mean.
        lift = exp(flow.size_sigma**2 / 2) * flow.chance * 86_400
        self._median = {symbol: flow.turnover * size.open_interest_usdt / lift for symbol, size in sizes.items()}

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """At most one order on each symbol."""
        self._steps += 1
        for event in events:
            self._take(event)
        sent: list[Input] = []
        for number, (symbol, accounts) in enumerate(self._numbers.items()):
            view = self._view.symbols[symbol]
            half = view.half_spread()
            if half is None or not view.trading:
                continue
            chance = self._flow.chance * exp(-2 * half / (self._flow.spread_bp * 1e-4))
            if self._noise.uniform(self._steps, number, 0) >= chance:
                continue
            account = accounts[int(self._noise.uniform(self._steps, number, 1) * len(accounts))]
            usdt = self._noise.lognormal(self._median[symbol], self._flow.size_sigma, self._steps, number, 2)
            lots = view.lots(usdt, view.mark)
            if not lots:
                continue
            sells = self._noise.uniform(self._steps, number, 3) < self._leans(account)
            best = view.best_bid() if sells else view.best_ask()
            assert best is not None
            reach = self._flow.reach_pct / 100
            price = view.ticks(best * (1 - reach) if sells else best * (1 + reach))
            sent.append(self._order(now_us, account, symbol, -lots if sells else lots, price))
        return sent

    def _leans(self, account: int) -> float:
        """Chance of selling: who has bought is likelier to sell."""
        held = self._held[account]
        return 0.5 if held == 0 else 0.65 if held > 0 else 0.35

    def _take(self, event: AnyEvent) -> None:
        if isinstance(event, Traded):
            for account, lots in bought(event):
                if account in self._held:
                    self._held[account] += lots
        elif isinstance(event, LiquidationStarted):
            self._held[event.account] = 0
