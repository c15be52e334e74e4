"""The book as everybody sees it: best levels, traded volume, time. Exactly what the feed shows."""

import numba
import numpy as np

from exchange.engine.bits import lowest_bit, reversed_bits, without_lowest_bit
from exchange.engine.book import (
    NONE,
    occupied_row_above,
    occupied_row_below,
    rows_from,
    rows_upto,
)
from exchange.engine.kernel import batch_kernel, kernel
from exchange.engine.records import N_DEPTH


@kernel
def write_depth(market, depth):
    """Write the public view of one MARKET into one DEPTH record."""
    depth.time_ns = market.now_ns
    depth.bought = market.bought
    depth.sold = market.sold
    depth.last_price = market.last_price
    bid, ask = market.best_bid, market.best_ask
    rows = reversed_bits(rows_upto(market, bid))
    write_side(market, bid, -1, rows, depth.bid_price, depth.bid_quantity)
    rows = rows_from(market, ask) if ask != 0 else NONE
    write_side(market, ask, 1, rows, depth.ask_price, depth.ask_quantity)


@kernel
def write_side(market, best, step, rows, prices, quantities):
    """The levels of one side from the best row on, `step` rows (1 or -1) to the next worse price.

    rows: where there are levels, bit k for the row k steps from the best. All ten are taken from
    there, bit by bit, without a question that could be guessed wrongly; what lies further away is
    looked for one by one. Row 0, which holds nothing, stands for a level that is not there.
    """
    price_base = market.price_base
    for i in range(N_DEPTH):
        if rows != 0:
            row = best + step * lowest_bit(rows)
            prices[i] = row + price_base
            quantities[i] = market.levels[np.uint64(row)].quantity
        else:
            prices[i] = quantities[i] = 0
        rows = without_lowest_bit(rows)
    if prices[N_DEPTH - 1] == 0 and best != 0:
        write_far_levels(market, best, step, prices, quantities)


@kernel
def write_far_levels(market, best, step, prices, quantities):
    """`write_side` where some of the levels are more than 63 rows from the best."""
    row = best
    for i in range(N_DEPTH):
        prices[i] = row + market.price_base if row != 0 else 0
        quantities[i] = market.levels[row].quantity
        if row != 0:
            row = occupied_row_above(market, row) if step > 0 else occupied_row_below(market, row)


@batch_kernel
def write_depths(markets, depths):
    """`write_depth` for a batch: markets (n,) of MARKET -> depths (n,) of DEPTH."""
    for i in numba.prange(len(markets)):
        write_depth(markets[i], depths[i])
