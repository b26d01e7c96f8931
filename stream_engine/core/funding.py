"""Funding: at the end of each interval longs pay shorts, or are paid by them.

When      at a clock tick, after all marks were made anew (the interval that ends is in P1 no more) and before the
          cascade: who can no longer carry his position then is liquidated in the same input. A halt does not stop it.
Payment   size * mark * tick_value * rate; above zero it is paid, below received. From the wallet, or out of the margin
          of an isolated position: what stands behind the position.
Missed    a clock that jumps over several ends pays once, for the interval that ran: of the others nothing was seen.
Before    the first mark there is nobody to pay: an interval ends without a payment.
Holds     money: what is paid = what is received + what the roundings leave, which the venue books as fees, less than
          a micro-quote for each position.
Rounding  payments up, receipts down. Positions in the order of their accounts.
"""

from stream_engine.core.accounts import credit
from stream_engine.core.arithmetic import div_ceil
from stream_engine.core.funding_rate import FundingRate, rate_of
from stream_engine.core.market import Market
from stream_engine.core.venue import Venue
from stream_engine.messages.events import Cause, FundingPaid, FundingSettled
from stream_engine.messages.units import MILLION

# So many, whatever their numbers, are a record that a log takes (1 MB).
PAYMENTS_PER_EVENT = 15_000

Payment = tuple[int, int, int]


def settle_funding(venue: Venue, market: Market, funding: FundingRate) -> None:
    """End the interval of a symbol that has funding, if it is over."""
    instrument = market.instrument
    if venue.now_us < funding.ends_us:
        return
    premium = funding.premium_ppm()
    is_begun = funding.ends_us > 0
    rate = rate_of(premium, instrument) if is_begun else 0
    funding.begin(venue.now_us, instrument.funding_interval_us, rate)
    if not is_begun or not market.mark:
        return
    settled = venue.out.emit(FundingSettled, None, instrument.symbol, rate, premium, market.mark)
    payments = _pay(venue, market, rate)
    for start in range(0, len(payments), PAYMENTS_PER_EVENT):
        _tell(venue, market, payments[start : start + PAYMENTS_PER_EVENT], settled)


def _pay(venue: Venue, market: Market, rate_ppm: int) -> list[Payment]:
    payments = []
    for number in sorted((*market.longs, *market.shorts)):
        position = market.longs.get(number) or market.shorts[number]
        paid = div_ceil(position.size * market.mark * market.tick_value * rate_ppm, MILLION)
        if paid:
            account = venue.accounts[number]
            credit(account, position, -paid)
            venue.fees += paid
            payments.append((number, paid, account.wallet))
    return payments


def _tell(venue: Venue, market: Market, payments: list[Payment], settled: Cause) -> None:
    told = venue.out.emit(FundingPaid, settled, market.instrument.symbol, tuple(payments))
    for number, _, _ in payments:
        account = venue.accounts[number]
        account.changed = told
        venue.touch(account)
