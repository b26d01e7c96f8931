"""Market-maker protection: quotes that have been hit too much, too fast, are taken away all at once.

It is the lawful first step of withdrawal: the maker asked for it beforehand, the venue does it, and says so.

Counted   fills of the levels of the account's quote that rest on the symbol, within the last `window_us` of the venue's
          time (a fill is out of the window once it is that old). What a level takes as it comes in does not count: that
          was its maker's own decision.
Trigger   more than `quantity` lots filled, or a balance of bought and sold of more than `delta` lots either way.
Steps     1 right after the fill that exceeds, all of the account's quote on the symbol is taken away: the same taker
            finds no further level of it
          2 quotes are refused until `frozen_us` are over (0: until the protection is set again); the count begins anew.
Set       anew: the count begins anew, and a freeze ends. Orders of the account are neither counted nor taken away.
Causes    ProtectionTriggered <- Traded; QuoteCancelled <- ProtectionTriggered.
"""

from stream_engine.core.cancelling import cancel_quotes
from stream_engine.core.position import Position, Protection
from stream_engine.core.venue import Venue, position_of
from stream_engine.messages.events import (
    CancelReason,
    Cause,
    ControlRejected,
    ProtectionSet,
    ProtectionTriggered,
)
from stream_engine.messages.inputs import SetProtection
from stream_engine.messages.refusals import Reject
from stream_engine.messages.units import WIRE_MAX


def set_protection(venue: Venue, received: SetProtection) -> None:
    """Protect an account's quotes on a symbol, or no longer."""
    account = venue.accounts.get(received.account)
    market = venue.markets.get(received.symbol)
    refusal = _refusal(venue, received)
    if refusal is not None:
        venue.out.emit(ControlRejected, None, "SetProtection", *refusal)
        return
    assert account is not None and market is not None, received.account
    limits = (received.window_us, received.frozen_us, received.quantity, received.delta)
    is_on = received.quantity or received.delta
    position = position_of(account, market)
    market.protected += bool(is_on) - (position.protection is not None)
    position.protection = Protection(*limits) if is_on else None
    venue.out.emit(ProtectionSet, None, account.number, received.symbol, *limits)


def is_frozen(position: Position, now_us: int) -> bool:
    """Whether the protection refuses quotes still."""
    protection = position.protection
    if protection is None:
        return False
    return protection.frozen_until_us is None or now_us < protection.frozen_until_us


def would_trigger(protection: Protection, lots: int, now_us: int) -> bool:
    """Whether that many signed lots more, filled now, would be too many."""
    _forget_old(protection, now_us)
    return _is_exceeded(protection, protection.filled + abs(lots), protection.balance + lots)


def count_fill(venue: Venue, position: Position, lots: int, traded: Cause) -> None:
    """A resting level of a protected quote was filled: signed lots of its maker."""
    protection = position.protection
    assert protection is not None, position.account
    fills, now_us = protection.fills, venue.now_us
    _forget_old(protection, now_us)
    fills.append((now_us, lots))
    protection.filled += abs(lots)
    protection.balance += lots
    filled, balance = protection.filled, protection.balance
    if not _is_exceeded(protection, filled, balance):
        return
    fills.clear()
    protection.filled = protection.balance = 0
    protection.frozen_until_us = min(WIRE_MAX, now_us + protection.frozen_us) if protection.frozen_us else None
    triggered = venue.out.emit(
        ProtectionTriggered, traded, position.account, position.symbol, filled, balance, protection.frozen_until_us
    )
    cancel_quotes(venue, venue.accounts[position.account], position.symbol, CancelReason.PROTECTION, triggered)


def _forget_old(protection: Protection, now_us: int) -> None:
    fills = protection.fills
    while fills and fills[0][0] <= now_us - protection.window_us:
        _, gone = fills.popleft()
        protection.filled -= abs(gone)
        protection.balance -= gone


def _is_exceeded(protection: Protection, filled: int, balance: int) -> bool:
    return 0 < protection.quantity < filled or 0 < protection.delta < abs(balance)


def _refusal(venue: Venue, received: SetProtection) -> tuple[Reject, str] | None:
    where = f"account {received.account}, {received.symbol}"
    if received.account not in venue.accounts:
        return Reject.UNKNOWN_ACCOUNT, where
    if received.symbol not in venue.markets:
        return Reject.UNKNOWN_SYMBOL, where
    if received.quantity < 0 or received.delta < 0:
        return Reject.SIZE_NOT_POSITIVE, f"{where}: quantity {received.quantity}, delta {received.delta}"
    if (received.quantity or received.delta) and not received.window_us:
        return Reject.AMOUNT_NOT_POSITIVE, f"{where}: window_us 0"
    return None
