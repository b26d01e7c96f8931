"""Refusals: why an input that was understood is not allowed.

One ordered enum: the checks run in this order, the first that fails answers, and refusing changes nothing.
"""

from enum import Enum


class Reject(Enum):
    """The reason of a refusal, in the order in which the reasons are looked for."""

    TIMESTAMP_IN_FUTURE = "timestamp_in_future"  # more than 1 s past the venue's last clock tick
    TRADING_HALTED = "trading_halted"  # orders, quotes and withdrawals wait; and nothing is halted twice
    TRADING_NOT_HALTED = "trading_not_halted"  # nothing is to be resumed
    EXPIRED = "expired"  # the order or quote came later than its `expires_us`
    RATE_LIMITED = "rate_limited"  # its account has sent all that the venue takes in the window
    UNKNOWN_ACCOUNT = "unknown_account"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"  # the id stands for an order with other content
    UNKNOWN_SYMBOL = "unknown_symbol"
    ALREADY_EXISTS = "already_exists"  # an account or a symbol opened or listed a second time
    BAD_RULES = "bad_rules"  # rules that contradict themselves; `detail` says where
    BAD_INSTRUMENT = "bad_instrument"  # a listing that contradicts itself; `detail` says where
    TRADING_HAS_BEGUN = "trading_has_begun"  # positions are seeded before the first trade only
    POSITIONS_DO_NOT_BALANCE = "positions_do_not_balance"  # the seeded lots of a symbol do not sum to zero
    UNKNOWN_SOURCE = "unknown_source"  # the instrument's index has no such source
    STALE_PRICE = "stale_price"  # the source has already sent a newer one
    UNKNOWN_POOL = "unknown_pool"  # no instrument and no vault has such a pool
    UNKNOWN_DUTY = "unknown_duty"  # the venue's obligations have no such tier, or the maker is in none
    UNKNOWN_ORDER = "unknown_order"  # nothing rests under that id
    QUOTE_ID_NOT_NEWER = "quote_id_not_newer"
    PROTECTED = "protected"  # the maker's protection has taken its quotes away, and holds still
    TRADING_PAUSED = "trading_paused"  # a breaker has paused the symbol: what could not rest is refused
    NOT_ISOLATED = "not_isolated"  # margin moves to and from isolated positions only
    POSITION_OR_ORDERS_OPEN = "position_or_orders_open"  # the margin mode changes while there are none
    LEVERAGE_OUT_OF_RANGE = "leverage_out_of_range"
    SIZE_NOT_POSITIVE = "size_not_positive"
    SIZE_TOO_LARGE = "size_too_large"
    PRICE_NOT_POSITIVE = "price_not_positive"
    PRICE_TOO_HIGH = "price_too_high"
    PRICE_OFF_TICK = "price_off_tick"  # between two steps of the instrument's price grid
    PRICE_OUT_OF_BAND = "price_out_of_band"  # farther from the mark than the venue takes it
    LEVELS_NOT_SORTED = "levels_not_sorted"  # a quote names a price twice, or a worse level first
    QUOTE_CROSSES_ITSELF = "quote_crosses_itself"
    TRIGGER_MET = "trigger_met"  # the order would be triggered at once
    POST_ONLY_MARKET_ORDER = "post_only_market_order"  # or post-only with IOC or FOK: it could never rest
    NO_MARK_PRICE = "no_mark_price"  # nothing can be margined before the first price of the symbol
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    FOK_NOT_FILLABLE = "fok_not_fillable"  # not as a whole, at once
    REDUCE_ONLY_WITHOUT_POSITION = "reduce_only_without_position"  # it would open or enlarge a position
    POSITION_TOO_LARGE = "position_too_large"  # with open orders it would pass max_size, or what its leverage allows
    OPEN_INTEREST_TOO_LARGE = "open_interest_too_large"  # the instrument's limit
    INSUFFICIENT_MARGIN = "insufficient_margin"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    AMOUNT_TOO_LARGE = "amount_too_large"  # a balance would pass 2^52 micro-quote
