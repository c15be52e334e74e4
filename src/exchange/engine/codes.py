"""The numbers of the engine's vocabulary: sides, order options, commands, events, refusals.

Kernels use members as they are; callers outside pass plain integers (`int(Side.BUY)`), since numba
compiles anew for each argument type.
"""

from enum import IntEnum


class Side(IntEnum):
    """Which side of the market an order is on."""

    BUY = 0
    SELL = 1


class TimeInForce(IntEnum):
    """How long an order may wait; the two lowest bits of an order's options."""

    GTC = 0  # good till canceled
    IOC = 1  # immediate or cancel: what does not trade at once is canceled
    FOK = 2  # fill or kill: all at once or nothing
    GTD = 3  # good till a date: expires when the clock reaches `expire_ns`


class Option(IntEnum):
    """Bits of an order's options beside its time in force. Combine with `|`."""

    TIME_IN_FORCE = 0b0000_0011  # mask of the two TimeInForce bits
    MARKET = 0b0000_0100  # no price limit but the price band; never rests
    POST_ONLY = 0b0000_1000  # refused rather than trade on entry
    REDUCE_ONLY = 0b0001_0000  # may only bring the position nearer to zero
    STP = 0b0110_0000  # mask of the two self-trade prevention bits
    STP_NONE = 0b0000_0000  # may trade with itself: simulated crowds that share an account
    STP_CANCEL_NEWEST = 0b0010_0000  # the incoming order's rest is canceled
    STP_CANCEL_OLDEST = 0b0100_0000  # the resting order is canceled, matching goes on
    STP_CANCEL_BOTH = 0b0110_0000  # both are canceled


class CommandKind(IntEnum):
    """What a command asks of the market. 0 is no command, so a blank record is never obeyed."""

    NONE = 0
    ENTER = 1
    CANCEL = 2
    REPLACE = 3
    QUOTE = 4
    CANCEL_ALL = 5
    ADVANCE = 6
    HALT = 7
    RESUME = 8
    SET_LIMITS = 9
    SCHEDULE = 10  # a shock; obeyed by `exchange.simulation`, where the participants live


class ShockKind(IntEnum):
    """What an entry of a market's stress timetable does while it lasts."""

    NONE = 0
    FLASH_CRASH = 1  # forced selling into a book that its providers leave
    RALLY = 2  # the mirror image
    VOLATILITY_SPIKE = 3  # the hidden value moves more
    LIQUIDITY_DROUGHT = 4  # providers keep fewer orders
    NEWS_JUMP = 5  # the hidden value jumps; a negative magnitude is bad news
    HALT = 6  # no entries until it ends


class EventKind(IntEnum):
    """What happened."""

    NONE = 0
    RESTED = 1
    TRADED = 2
    CANCELED = 3
    REPLACED = 4
    REJECTED = 5
    HALTED = 6
    RESUMED = 7
    LIMITS_SET = 8
    SHOCK_SCHEDULED = 9  # side: ShockKind; order_id, maker_order_id: begin and end, ns;
    SHOCK_BEGAN = 10  # quantity: magnitude in thousandths
    SHOCK_ENDED = 11


class CancelReason(IntEnum):
    """Why an order left the market without trading."""

    USER = 0
    CANCEL_ALL = 1
    QUOTE = 2  # pulled by the quote that replaced it
    EXPIRED = 3
    IMMEDIATE_OR_CANCEL = 4
    FILL_OR_KILL = 5
    MARKET_REMAINDER = 6  # a market order met an empty side or the price band
    SELF_TRADE = 7
    BOOK_FULL = 8  # the order could not rest: every order slot, or its level's quantity, is taken


class RejectReason(IntEnum):
    """Why a command was refused; nothing in the market has changed."""

    NONE = 0
    UNKNOWN_COMMAND = 1
    UNKNOWN_INSTRUMENT = 2
    UNKNOWN_ACCOUNT = 3
    UNKNOWN_ORDER = 4  # no such order, already gone, or another account's
    INVALID_SIDE = 5
    INVALID_OPTIONS = 6  # options that contradict each other
    INVALID_TIME = 7  # a clock that would run backwards, or an expiry not in the future
    INVALID_LIMITS = 8
    INVALID_QUOTE = 9  # a bid at or above its own ask
    PRICE_OUT_OF_RANGE = 10  # outside the price ladder
    PRICE_BAND = 11
    QUANTITY_OUT_OF_RANGE = 12
    NOTIONAL_MAX = 13
    HALTED = 14
    BOOK_FULL = 15
    ACCOUNT_QUANTITY_MAX = 16
    ACCOUNT_OPEN_ORDERS_MAX = 17
    ACCOUNT_POSITION_MAX = 18
    ACCOUNT_LOSS_MAX = 19
    ACCOUNT_LEDGER_MAX = 20  # cash or fees too large to count exactly
    POST_ONLY_WOULD_TRADE = 21
    REDUCE_ONLY = 22
    INVALID_SHOCK = 23  # an unknown kind, a time in the past, or a magnitude out of its range
    TIMETABLE_FULL = 24


class Phase(IntEnum):
    """Whether a market takes orders."""

    OPEN = 0
    HALTED = 1


class Participant(IntEnum):
    """The accounts of the simulated crowd; strategies' accounts follow from N_PARTICIPANTS."""

    LIQUIDITY = 0
    NOISE = 1
    VALUE = 2
    MOMENTUM = 3


N_PARTICIPANTS = len(Participant)
