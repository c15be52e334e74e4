"""The book as everybody sees it: best levels, traded volume, time. Exactly what the feed shows."""

import numba
import numpy as np

from exchange.engine.bits import highest_bit, lowest_bit
from exchange.engine.book import ONE, above_in_word, below_in_word
from exchange.engine.kernel import batch_kernel, kernel
from exchange.engine.records import N_DEPTH

NONE = np.uint64(0)


@kernel
def write_depth(market, depth):
    """Write the public view of one MARKET into one DEPTH record."""
    depth.time_ns = market.now_ns
    depth.bought = market.bought
    depth.sold = market.sold
    depth.last_price = market.last_price
    write_bids(market, depth.bid_price, depth.bid_quantity)
    write_asks(market, depth.ask_price, depth.ask_quantity)


@kernel
def write_bids(market, prices, quantities):
    """Bids from the best down; row 0, which holds nothing, stands for a level that is not there.

    Words of `occupied` are emptied bit by bit, which is less work than asking for each next row anew.
    """
    row = market.best_bid
    word = row >> 6
    rows = below_in_word(market, row)
    for i in range(N_DEPTH):
        prices[i] = row + market.price_base if row != 0 else 0
        quantities[i] = market.levels[row].quantity
        while rows == 0 and word > 0:
            word -= 1
            rows = market.occupied[word]
        row = 0
        if rows != 0:
            bit = highest_bit(rows)
            rows ^= ONE << np.uint64(bit)
            row = (word << 6) + bit


@kernel
def write_asks(market, prices, quantities):
    """Asks from the best up, as `write_bids`."""
    row = market.best_ask
    word_max = len(market.occupied) - 1
    word, rows = row >> 6, above_in_word(market, row)
    if row == 0:
        word, rows = word_max, NONE
    for i in range(N_DEPTH):
        prices[i] = row + market.price_base if row != 0 else 0
        quantities[i] = market.levels[row].quantity
        while rows == 0 and word < word_max:
            word += 1
            rows = market.occupied[word]
        row = 0
        if rows != 0:
            bit = lowest_bit(rows)
            rows ^= ONE << np.uint64(bit)
            row = (word << 6) + bit


@batch_kernel
def write_depths(markets, depths):
    """`write_depth` for a batch: markets (n,) of MARKET -> depths (n,) of DEPTH."""
    for i in numba.prange(len(markets)):
        write_depth(markets[i], depths[i])
