"""The public record of 10 October 2025 (UTC): what a run is held against, with the source of each figure.

How sure   H read in the source's own text; M older text, or secondary copies that agree; L a single secondary source;
           own computed from public recordings for this project.
Two clocks The account that this project starts from dates the announcement at 20:00, others at 20:50; both are given.
The scale differs (the record is the whole market, a run one venue of some ten thousand accounts), so ratios, orders
and times can be compared, sums of money cannot.
"""

from msgspec import Struct

HONESTY = (
    "Synthetic participants. Times and totals calibrated to public reports; firm behaviour is modelled, not attributed."
)

ACCOUNT = "analysis by YQ, with Coinwatch's two-sided 1 % depth chart"


class Figure(Struct, frozen=True):
    """One figure of the record, as people say it."""

    value: str
    source: str
    how_sure: str


NEWS = Figure("20:00 (others: 20:50)", f"20:00: {ACCOUNT}; 20:50: other accounts of the day", "M")
WIDENING = Figure("20:00: they stay, but widen", ACCOUNT, "M")
THINNING = Figure("20:40", ACCOUNT, "M")
FULL_WITHDRAWAL = Figure("21:00", ACCOUNT, "M")
WARNING_TIME = Figure("20-40 min", ACCOUNT, "M")
ADL_ONSET = Figure("21:00-21:20; Hyperliquid 21:16:04", f"{ACCOUNT}; Hyperliquid's fills", "M; own")
TROUGH = Figure("21:20", ACCOUNT, "M")
RETURN = Figure("21:35", ACCOUNT, "M")
MAKERS_BACK = Figure("makers back from 21:35", ACCOUNT, "M")

DEPTH_NORMAL = Figure("$1.2M", ACCOUNT, "M")
DEPTH_TROUGH = Figure("$27k (-98 %)", ACCOUNT, "M")
SPREAD_RECOVERY = Figure("over 90 % within 35 min", ACCOUNT, "M")

BTC_LOW = Figure("101,877.69 at 21:20; outside 107,000", "Binance index; Coinbase and Gemini, minute bars", "own / H")
TOKEN_FALL = Figure("-82.4 % (outside -27.9 %)", "DOT, Binance COIN-M and Coinbase, minute bars", "own")

LIQUIDATED = Figure("$19bn", ACCOUNT, "M")
LIQUIDATED_ACCOUNTS = Figure("1.6 million", ACCOUNT, "M")
LONG_SHARE_LIQUIDATED = Figure("83.9 %", "liquidations tracked 20:50-21:30", "M")
LONG_ACCOUNTS = Figure("87 %", ACCOUNT, "M")
PEAK_MINUTE = Figure("21:15, $3.21bn of $6.93bn in 20:50-21:30", "liquidations tracked 20:50-21:30", "M")
OPEN_INTEREST = Figure("-43 % in USD (the account: -50 %)", f"open interest tracked; {ACCOUNT}", "M")

FUND_LOST = Figure("Binance lost $184M-188M", "the venue's published balances, secondary copies", "M")
ADL_TOTAL = Figure("Hyperliquid $2.10bn, 34,983 fills, 19,337 users", "Hyperliquid's fills", "own")
ADL_CONCENTRATION = Figure("84.2 %", "Hyperliquid's fills", "own")
ADL_ABSENCE = Figure("high correlation", ACCOUNT, "M")
