"""The plain records that a market is made of, and the limits of each.

`np.zeros(n, LIVE_MARKET)` is n empty markets, `market.tobytes()` saves one, assignment copies it.
Slot 0 holds no order and ladder row 0 no level, so that zero can mean "none" and a blank record is
valid; between commands both are blank.
Prices are ticks, quantities lots, money tick-lots (price times quantity), times nanoseconds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.participants import FLOW
from exchange.engine.seeds import write_states

N_DEPTH = 10  # levels a side shown to everybody
LINE_BYTES = 64  # of a cache

N_ORDERS_MAX = 2**16  # slots of one market
N_LEVELS_MAX = 2**16
N_ACCOUNTS_MAX = 2**8
N_ENTERED_MAX = 2**32 - 1  # orders of one market; no later one may rest
QUANTITY_MAX = 100_000_000  # lots in one order
NOTIONAL_MAX = 10**11  # tick-lots in one order
LEVEL_QUANTITY_MAX = 2**31 - 1  # lots at one price
PRICE_MAX = 2**31 - 1  # ticks
SEED_MAX = 2**63 - 1
FEE_UNITS = 1_000_000  # fees are counted in millionths of a tick-lot, exactly
MAKER_FEE_PPM_MAX = 1_000  # 10 basis points, either sign
TAKER_FEE_PPM_MAX = 10_000  # 100 basis points, either sign
# With these limits no ledger leaves int64: LEDGER_MAX plus a full book of the largest orders fits.
LEDGER_MAX = 4 * 10**18

LEVEL = np.dtype(
    (
        np.record,
        [
            ("quantity", np.int32),  # lots resting at this price
            ("head", np.uint16),  # slot of the oldest order
            ("tail", np.uint16),  # slot of the newest order
        ],
    )
)

# Small, since a command meets orders anywhere in memory: what fits into a near cache is met sooner.
ORDER = np.dtype(
    (
        np.record,
        [
            ("number", np.uint32),  # of its id, see `book.order_id`; 0 when the slot is free
            ("quantity", np.int32),  # lots still open
            ("row", np.uint16),  # of the ladder: its price; and so its side, see `book.side_of`
            ("next", np.uint16),  # slot behind this one at its price; next free slot when free
            ("previous", np.uint16),  # slot before this one at its price
            ("account", np.uint8),
            ("options", np.uint8),
        ],
    )
)

# A trader's own state in one market. A venue's accounts are shared: the same number is the same
# trader in every market of the venue, its equity is the sum over them. A limit of 0 is no limit.
ACCOUNT = np.dtype(
    (
        np.record,
        [
            ("position", np.int64),  # lots, negative when short
            ("cash", np.int64),  # tick-lots, before fees
            ("fees", np.int64),  # paid so far, in millionths of a tick-lot; negative when rebated
            ("buy_open", np.int64),  # lots in resting buy orders
            ("sell_open", np.int64),
            ("n_open", np.int64),  # resting orders
            ("n_reduce_only", np.int64),  # of which reduce-only
            ("bid_quote_id", np.int64),  # order_id of the resting quote, 0 or stale when none
            ("ask_quote_id", np.int64),
            ("bought", np.int64),  # lots, since the start
            ("sold", np.int64),
            ("n_fills", np.int64),
            ("position_max", np.int64),  # lots, either way, resting orders counted as if filled
            ("quantity_max", np.int64),  # lots in one order
            ("n_open_max", np.int64),
            ("loss_max", np.int64),  # tick-lots that equity may lie below zero
        ],
    )
)

COMMAND = np.dtype(
    (
        np.record,
        [
            ("time_ns", np.int64),  # advance: where the clock shall stand
            ("order_id", np.int64),  # cancel, replace; set_limits: loss_max
            ("expire_ns", np.int64),  # enter with gtd; set_limits: position_max
            ("price", np.int32),  # enter, replace; quote: bid
            ("quantity", np.int32),  # enter, replace; quote: bid; set_limits: quantity_max
            ("ask_price", np.int32),  # quote
            ("ask_quantity", np.int32),  # quote; set_limits: n_open_max
            ("instrument", np.int16),  # which market of the venue
            ("account", np.int16),
            ("kind", np.uint8),
            ("side", np.uint8),
            ("options", np.uint8),
            ("_pad", np.uint8),
        ],
    )
)

EVENT = np.dtype(
    (
        np.record,
        [
            ("sequence", np.int64),  # 1, 2, 3 ... in one market, without gaps
            ("time_ns", np.int64),
            ("order_id", np.int64),  # traded: the taker's
            ("maker_order_id", np.int64),  # traded
            ("price", np.int32),  # traded: the maker's price
            ("quantity", np.int32),  # rested: open lots; traded: lots; canceled: lots taken away
            ("price_before", np.int32),  # replaced
            ("quantity_before", np.int32),  # replaced: open lots; traded: the maker's lots left
            ("account", np.int16),  # traded: the taker's
            ("maker_account", np.int16),  # traded
            ("kind", np.uint8),
            ("side", np.uint8),  # traded: the taker's
            ("reason", np.uint8),  # canceled: CancelReason; rejected: RejectReason
            ("kept_priority", np.uint8),  # replaced: 1 when the place in the queue was kept
        ],
    )
)

# What the public feed shows (L2): everything that features and strategies may know of a market.
DEPTH = np.dtype(
    (
        np.record,
        [
            ("time_ns", np.int64),
            ("bought", np.int64),  # lots bought by takers since the market began
            ("sold", np.int64),  # lots sold by takers since the market began
            ("last_price", np.int64),  # of the last trade; the opening reference before it
            # int32, as a batch of markets is as quick as its records are small
            ("bid_price", np.int32, (N_DEPTH,)),  # best first; 0 where there is no level
            ("bid_quantity", np.int32, (N_DEPTH,)),
            ("ask_price", np.int32, (N_DEPTH,)),
            ("ask_quantity", np.int32, (N_DEPTH,)),
        ],
    )
)


def market_dtype(n_levels: int, n_orders: int, n_accounts: int) -> np.dtype[Any]:
    """The record of one market: a ladder of `n_levels` prices (a multiple of 64), `n_orders` slots.

    Order ids carry their slot in the low bits, so `n_orders` must be a power of two. Every new size
    compiles the rules anew: prefer LIVE_MARKET and TRAINING_MARKET.
    """
    assert n_levels % 64 == 0, "the ladder's occupancy is kept in words of 64 prices"
    assert n_orders & (n_orders - 1) == 0, "order ids carry the slot in their low bits"
    assert n_orders <= N_ORDERS_MAX and n_levels <= N_LEVELS_MAX, "slots and rows are 16 bits"
    assert n_accounts <= N_ACCOUNTS_MAX, "accounts of orders are 8 bits"
    return np.dtype(
        (
            np.record,
            [
                ("now_ns", np.int64),
                ("sequence", np.int64),  # of the last event
                ("n_entered", np.int64),  # orders given an id so far
                ("price_base", np.int64),  # ladder row r holds the price price_base + r, r > 0
                ("last_price", np.int64),  # of the last trade; the opening reference before it
                ("band_ticks", np.int64),  # limit prices this far from last_price; 0 is no band
                ("maker_fee_ppm", np.int64),  # millionths of the notional; negative is a rebate
                ("taker_fee_ppm", np.int64),
                ("phase", np.int64),
                ("best_bid", np.int64),  # ladder rows; 0 is an empty side
                ("best_ask", np.int64),
                ("n_resting", np.int64),
                ("free_slot", np.int64),  # first of the list of freed slots, 0 when empty
                ("n_slots_used", np.int64),  # slots ever used
                ("expire_next_ns", np.int64),  # no gtd order expires before this; 0 is none rests
                ("n_trades", np.int64),
                ("bought", np.int64),  # lots by takers
                ("sold", np.int64),
                ("fees_collected", np.int64),  # millionths of a tick-lot
                ("rng", np.uint64, (2,)),
                ("silent", np.int64),  # 1: nobody reads the events, so none are written
                ("n_events", np.int64),  # of the command just applied
                ("_pad", np.uint8, (8,)),  # so that what follows begins with a line of the caches
                ("accounts", ACCOUNT, (n_accounts,)),
                ("flow", FLOW),
                ("occupied", np.uint64, (n_levels // 64,)),  # bit r: ladder row r holds orders
                ("levels", LEVEL, (n_levels,)),
                ("orders", ORDER, (n_orders,)),
                ("events", EVENT, (2 * n_orders,)),
                ("expires_ns", np.int64, (n_orders,)),  # of the gtd orders in these slots
            ],
        )
    )


LIVE_MARKET = market_dtype(n_levels=65_536, n_orders=32_768, n_accounts=256)
TRAINING_MARKET = market_dtype(n_levels=1_024, n_orders=512, n_accounts=8)

Markets = npt.NDArray[Any]  # (n,) of a market dtype


def blank_records(n: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """n blank records, (n,), of which the first begins with a line of the caches.

    numpy promises 16 bytes only; a batch is the quicker the fewer lines its records lie in.
    """
    n_bytes = n * dtype.itemsize
    memory = np.zeros(n_bytes + LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % LINE_BYTES
    return memory[start : start + n_bytes].view(dtype)


def new_markets(
    n: int,
    seeds: Sequence[int] | None = None,
    *,
    dtype: np.dtype[Any] = TRAINING_MARKET,
    open_price: int = 10_000,
    band_ticks: int = 0,
    maker_fee_ppm: int = 0,
    taker_fee_ppm: int = 0,
) -> Markets:
    """n empty, open markets, (n,) of `dtype`; their ladders are centered on `open_price` (ticks).

    seeds: one a market, 0 .. n-1 unless given. Fees are millionths of the notional.
    Raises ValueError for a price, fee or seed outside its limit.
    """
    markets = blank_records(n, dtype)
    n_levels = markets.dtype["levels"].shape[0]
    if not 1 <= open_price <= PRICE_MAX - n_levels:
        raise ValueError(f"open_price {open_price} is not within 1 .. {PRICE_MAX - n_levels} ticks")
    if abs(maker_fee_ppm) > MAKER_FEE_PPM_MAX or abs(taker_fee_ppm) > TAKER_FEE_PPM_MAX:
        raise ValueError(
            f"fees are at most {MAKER_FEE_PPM_MAX} (maker) and {TAKER_FEE_PPM_MAX} (taker) ppm"
        )
    if maker_fee_ppm + taker_fee_ppm < 0:
        raise ValueError(
            "a maker rebate may not exceed the taker fee: the venue would pay to trade"
        )
    markets["price_base"] = max(open_price - n_levels // 2, 0)
    markets["last_price"] = open_price
    markets["band_ticks"] = band_ticks
    markets["maker_fee_ppm"] = maker_fee_ppm
    markets["taker_fee_ppm"] = taker_fee_ppm
    given = range(n) if seeds is None else [int(seed) for seed in seeds]
    if not all(0 <= seed <= SEED_MAX for seed in given):
        raise ValueError("seeds are whole numbers within 0 .. 2**63 - 1")
    states = np.empty((n, 2), np.uint64)
    write_states(np.array(given, np.int64), states)
    markets["rng"] = states
    return markets


def field_offset(markets: Markets, name: str) -> int:
    """Bytes of a market's record before this field."""
    fields: Any = markets.dtype.fields
    return int(fields[name][1])
