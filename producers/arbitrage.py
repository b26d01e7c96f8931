"""Arbitrage: who takes what is dearer or cheaper than outside, as far as capacity goes."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from producers.market_view import MarketView
from producers.noise import Noise
from producers.participant import NotNegative, Participant, Positive, Sized
from stream_engine.messages.events import AnyEvent, Traded
from stream_engine.messages.inputs import Input, Side

FRESH_S = 2


class Arbitrage(Struct, frozen=True, forbid_unknown_fields=True):
    """Who buys here what is cheaper than outside, and the other way round, beyond `threshold_bp`.

    capacity   of the open interest may be bought or sold so; a position is given back within `unwind_s`, outside and
               here together (so it does not trade here), which frees capacity.
    slice_of_depth   of the normal depth is the most it trades in one tick.
    """

    threshold_bp: Positive = 27.0
    capacity: NotNegative = 0.02
    unwind_s: Positive = 600.0
    slice_of_depth: Positive = 0.01
    leverage: Positive = 2.0


class Arbitrageurs(Participant):
    """One account on each symbol. What it holds here it holds the other way round outside."""

    def __init__(
        self, venue: str, accounts: Mapping[str, Sequence[int]], arbitrage: Arbitrage, sizes: Mapping[str, Sized],
        view: MarketView, noise: Noise,
    ) -> None:  # fmt: skip
        super().__init__("arbitrage", venue, [one for many in accounts.values() for one in many], view, noise)
        self._arbitrage = arbitrage
        self._accounts = {symbol: numbers[0] for symbol, numbers in accounts.items()}
        self._sizes = sizes
        self._used_usdt = dict.fromkeys(accounts, 0.0)

    def decide(self, now_us: int, events: Sequence[AnyEvent]) -> list[Input]:
        """Takes what crosses its threshold, as far as its capacity goes."""
        self._steps += 1
        for event in events:
            if isinstance(event, Traded):
                bought = (event.taker_side is Side.BUY) == (event.taker == self._accounts[event.symbol])
                usdt = self._view.symbols[event.symbol].usdt(event.size, event.price)
                self._used_usdt[event.symbol] += usdt if bought else -usdt
        sent: list[Input] = []
        for symbol, account in self._accounts.items():
            used = self._used_usdt[symbol] = self._used_usdt[symbol] * (1 - 1 / self._arbitrage.unwind_s)
            view, size = self._view.symbols[symbol], self._sizes[symbol]
            if not view.mark or not view.outside or view.outside_age_s(now_us) > FRESH_S:
                continue
            outside, threshold = float(view.outside), self._arbitrage.threshold_bp * 1e-4
            most = self._arbitrage.slice_of_depth * size.depth_usdt
            capacity = self._arbitrage.capacity * size.open_interest_usdt
            bid, ask = view.best_bid(), view.best_ask()
            if ask is not None and ask < outside * (1 - threshold):
                limit, usdt = view.ticks(outside * (1 - threshold)), min(most, capacity - used)
            elif bid is not None and bid > outside * (1 + threshold):
                limit, usdt = view.ticks(outside * (1 + threshold)), -min(most, capacity + used)
            else:
                continue
            lots = view.lots(abs(usdt), outside)
            if lots and usdt * (outside - limit) > 0:
                sent.append(self._order(now_us, account, symbol, lots if usdt > 0 else -lots, limit))
        return sent
