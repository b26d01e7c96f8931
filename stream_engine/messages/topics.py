"""Topics: which message travels where, and in which order the intake topics are merged."""

from enum import Enum

from stream_engine.messages import events, inputs


class Topic(Enum):
    """Every topic by its name (without the run's prefix)."""

    CONTROL = "control"
    SHOCKS = "shocks"
    QUOTES = "quotes"
    ORDERS = "orders"
    EXECUTIONS = "executions"
    MARKET = "market"
    LIQUIDATIONS = "liquidations"
    FUND = "fund"
    ADL = "adl"
    ALERTS = "alerts"
    LABELS = "labels"
    DEADLETTERS = "deadletters"
    JOURNAL = "journal"
    SNAPSHOTS = "snapshots"


# At equal times the earlier of these is taken first: prices before the quotes and orders that react to them.
INTAKE = (Topic.CONTROL, Topic.SHOCKS, Topic.QUOTES, Topic.ORDERS)
OUTPUT = (Topic.EXECUTIONS, Topic.MARKET, Topic.LIQUIDATIONS, Topic.FUND, Topic.ADL)

MAX_INPUT_BYTES = {Topic.CONTROL: 262_144, Topic.SHOCKS: 4_096, Topic.QUOTES: 4_096, Topic.ORDERS: 4_096}

INPUT_TOPIC: dict[type[inputs.Input], Topic] = {
    inputs.Place: Topic.ORDERS,
    inputs.Amend: Topic.ORDERS,
    inputs.Cancel: Topic.ORDERS,
    inputs.CancelAll: Topic.ORDERS,
    inputs.SetLeverage: Topic.ORDERS,
    inputs.SetMarginMode: Topic.ORDERS,
    inputs.MoveMargin: Topic.ORDERS,
    inputs.MassQuote: Topic.QUOTES,
    inputs.QuoteCancel: Topic.QUOTES,
    inputs.SetProtection: Topic.QUOTES,
    inputs.IndexPrices: Topic.SHOCKS,
    inputs.PriceShock: Topic.SHOCKS,
    inputs.MapVenue: Topic.CONTROL,
    inputs.SetRules: Topic.CONTROL,
    inputs.ListInstrument: Topic.CONTROL,
    inputs.OpenAccounts: Topic.CONTROL,
    inputs.Deposit: Topic.CONTROL,
    inputs.Withdraw: Topic.CONTROL,
    inputs.SeedPositions: Topic.CONTROL,
    inputs.SeedFund: Topic.CONTROL,
    inputs.SetDuty: Topic.CONTROL,
    inputs.DeclareStress: Topic.CONTROL,
    inputs.HaltTrading: Topic.CONTROL,
    inputs.ResumeTrading: Topic.CONTROL,
    inputs.ClockTick: Topic.CONTROL,
}

EVENT_TOPIC: dict[type[events.Event], Topic] = {
    events.AccountsOpened: Topic.EXECUTIONS,
    events.Deposited: Topic.EXECUTIONS,
    events.Withdrawn: Topic.EXECUTIONS,
    events.LeverageSet: Topic.EXECUTIONS,
    events.MarginModeSet: Topic.EXECUTIONS,
    events.MarginMoved: Topic.EXECUTIONS,
    events.PositionsSeeded: Topic.EXECUTIONS,
    events.ControlRejected: Topic.EXECUTIONS,
    events.OrderAccepted: Topic.EXECUTIONS,
    events.OrderRejected: Topic.EXECUTIONS,
    events.OrderAmended: Topic.EXECUTIONS,
    events.AmendRejected: Topic.EXECUTIONS,
    events.OrderTriggered: Topic.EXECUTIONS,
    events.OrderCancelled: Topic.EXECUTIONS,
    events.CancelRejected: Topic.EXECUTIONS,
    events.QuoteAccepted: Topic.EXECUTIONS,
    events.QuoteRejected: Topic.EXECUTIONS,
    events.QuoteCancelled: Topic.EXECUTIONS,
    events.ProtectionSet: Topic.EXECUTIONS,
    events.ProtectionTriggered: Topic.EXECUTIONS,
    events.Traded: Topic.EXECUTIONS,
    events.FundingPaid: Topic.EXECUTIONS,
    events.OrdersResting: Topic.EXECUTIONS,
    events.DutySet: Topic.EXECUTIONS,
    events.DutyMeasured: Topic.EXECUTIONS,
    events.InstrumentListed: Topic.MARKET,
    events.RulesSet: Topic.MARKET,
    events.TradingHalted: Topic.MARKET,
    events.TradingResumed: Topic.MARKET,
    events.TradingPaused: Topic.MARKET,
    events.AuctionUncrossed: Topic.MARKET,
    events.TradingReopened: Topic.MARKET,
    events.BreakerTripped: Topic.MARKET,
    events.BreakerReleased: Topic.MARKET,
    events.StressDeclared: Topic.MARKET,
    events.StressEnded: Topic.MARKET,
    events.PresencePublished: Topic.MARKET,
    events.ClockTicked: Topic.MARKET,
    events.NewsPublished: Topic.MARKET,
    events.SourcePriced: Topic.MARKET,
    events.BookChanged: Topic.MARKET,
    events.TradePrinted: Topic.MARKET,
    events.MarkPriceChanged: Topic.MARKET,
    events.FundingSettled: Topic.MARKET,
    events.OpenInterestChanged: Topic.MARKET,
    events.LiquidationStarted: Topic.LIQUIDATIONS,
    events.LiquidationFilled: Topic.LIQUIDATIONS,
    events.LiquidationEnded: Topic.LIQUIDATIONS,
    events.BackstopTookOver: Topic.LIQUIDATIONS,
    events.PositionTakenOver: Topic.FUND,
    events.DrawdownChanged: Topic.FUND,
    events.FundChanged: Topic.FUND,
    events.DeficitChanged: Topic.FUND,
    events.TrancheCalled: Topic.FUND,
    events.DeleveragingStarted: Topic.ADL,
    events.PositionDeleveraged: Topic.ADL,
    events.LossSocialised: Topic.ADL,
    events.AdlQueueRanked: Topic.ADL,
}
