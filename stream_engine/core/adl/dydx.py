"""dYdX v4 (protocol/x/clob/keeper/deleveraging.go): no rank, from a start of chance round the accounts.

Rank     none. The start follows from the deleveraging's own identity (seq, n), so that every replay starts there too:
         start = mix(seq, n) modulo the number of positions, in the order of account ids.
         mix: x = seq * 0x9E3779B97F4A7C15 + n * 0xD1B54A32D192ED03, then x ^= x >> 30, x *= 0xBF58476D1CE4E5B9,
         x ^= x >> 27, x *= 0x94D049BB133111EB, x ^= x >> 31, all modulo 2^64 (the finaliser of SplitMix64).
Price    the bankruptcy price.      Lights   none.
Share    each whole, the last in part; skipped is whom it would leave undercollateralised: below zero, or below initial
         margin of what it then holds and with less equity to maintenance than before.
"""

from collections.abc import Iterator

from stream_engine.core.adl.candidate import Candidate, closable
from stream_engine.core.adl.policy import Asked, Policy
from stream_engine.core.adl.prices import bankruptcy_price
from stream_engine.core.adl.queue import Queue
from stream_engine.core.margin import initial_margin, maintenance_margin
from stream_engine.messages.events import Cause

WORD = 2**64 - 1


def start_of(deleveraging: Cause, positions: int) -> int:
    """The place, from 0, at which the deleveraging with this identity begins among so many positions."""
    seq, n = deleveraging
    x = (seq * 0x9E3779B97F4A7C15 + n * 0xD1B54A32D192ED03) & WORD
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & WORD
    return (x ^ x >> 31) % positions if positions else 0


def share(queue: Queue, asked: Asked) -> Iterator[tuple[Candidate, int]]:
    """Round the accounts, skipping whom it would leave undercollateralised."""
    left = asked.lots
    for candidate in queue:
        lots = min(left, abs(candidate.position.size))
        if closable(candidate, asked.loss_per_lot) >= lots and stays_collateralised(candidate, lots, asked):
            left -= lots
            yield candidate, lots
        if not left:
            return


def stays_collateralised(candidate: Candidate, lots: int, asked: Asked) -> bool:
    """Whether the account, closed by so many lots, covers initial margin or stands no worse against maintenance."""
    equity_after = candidate.equity - lots * asked.loss_per_lot
    initial_after = before = after = 0
    isolated = candidate.position.isolated
    for symbol, position in candidate.account.positions.items():
        if symbol != candidate.position.symbol and (isolated or position.isolated):
            continue
        market = asked.markets[symbol]
        held = abs(position.size)
        kept = held - lots if symbol == candidate.position.symbol else held
        value = kept * market.mark * market.tick_value
        initial_after += initial_margin(value, position.initial_ppm, market.table)
        before += maintenance_margin(held * market.mark * market.tick_value, market.table)
        after += maintenance_margin(value, market.table)
    return equity_after >= initial_after or equity_after * before >= candidate.equity * after


POLICY = Policy(score=None, price=bankruptcy_price, share=share)
