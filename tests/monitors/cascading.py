"""Cascades by hand: liquidations, and what each set off, with the causes that the exchange would give."""

from consumers.board import Board
from consumers.cascade import Cascade
from stream_engine.messages import events as e
from stream_engine.messages.inputs import Side
from tests.monitors.story import BTC, MINUTE_US, TOKEN, USD, VENUE, Story, an_instrument

Cause = e.Cause | None


class Cascading(Story):
    """A story of liquidations and of what set them off; all around 100.00, where a lot is worth $100."""

    def __init__(self, board: Board | None = None) -> None:
        """`board`: all monitors see it, not the cascade's alone."""
        self.cascade = board.cascade if board else Cascade(VENUE)
        super().__init__((board or self.cascade).observe)
        self.listed(an_instrument(), an_instrument(BTC))

    def takes(
        self, account: int, size: int = 10, because: Cause = None, *, adl: int = 0, left: int = 0, symbol: str = TOKEN
    ) -> e.Cause:
        """A liquidation from beginning to end; returns its trade."""
        begun = self.tell(e.LiquidationStarted, account, symbol, size, 10_000, 9_900, 0, 0, because=because)
        lots = abs(size) - adl
        traded = self.fills(begun, lots, symbol, long=size > 0)
        if adl:
            self.closes(begun, account, adl, symbol)
        self.tell(e.LiquidationEnded, account, symbol, lots, 0, adl, 0, 9_900, 0, left, because=begun)
        return traded

    def fills(
        self, because: Cause, lots: int, symbol: str = TOKEN, *, long: bool = True, forced: bool = True
    ) -> e.Cause:
        """A trade, printed."""
        side = Side.SELL if long else Side.BUY
        traded = self.tell(
            e.Traded, symbol, 10_000, lots, 1, 5, side, 0, 0, 2, 6, 0, 0, because=because, liquidation=forced
        )
        self.tell(e.TradePrinted, symbol, 10_000, lots, side, because=traded, liquidation=forced)
        return traded

    def closes(self, because: Cause, bankrupt: int, lots: int, symbol: str = TOKEN, account: int = 50) -> e.Cause:
        """Somebody is deleveraged for a bankrupt account."""
        started = self.tell(e.DeleveragingStarted, bankrupt, symbol, lots, 9_900, 3, because=because)
        return self.tell(e.PositionDeleveraged, account, bankrupt, symbol, lots, 10_000, 0, 1, 0, 5, 0, because=started)

    def marks(self, because: Cause = None, mark: int = 9_990, symbol: str = TOKEN) -> e.Cause:
        """The mark is made anew."""
        return self.tell(e.MarkPriceChanged, symbol, mark, mark, 0, because=because)

    def prices(self, outside: int = 10_000, symbol: str = TOKEN, source: str = "spot") -> e.Cause:
        """What a source of the index says."""
        return self.tell(e.SourcePriced, source, ((symbol, outside),))

    @property
    def generations(self) -> dict[int, tuple[int, int]]:
        """Positions and dollars of each."""
        return {at: (each.positions, each.notional // USD) for at, each in self.cascade.generations.items()}

    @property
    def largest(self) -> tuple[int, int, int]:
        """Positions, dollars and depth of the largest tree."""
        tree = self.cascade.largest
        assert tree is not None
        return tree.positions, tree.notional // USD, tree.deepest

    def minutes_on(self, count: int = 1) -> "Cascading":
        """To the next full minutes, a tick at each."""
        for _ in range(count):
            self.now_us += MINUTE_US - self.now_us % MINUTE_US
            self.tell(e.ClockTicked)
        return self
