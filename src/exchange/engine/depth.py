"""The book as everybody sees it: best levels, traded volume, time. Exactly what the feed shows."""

import numba

from exchange.engine.book import occupied_row_above, occupied_row_below
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
    for i in range(N_DEPTH):
        depth.bid_price[i] = bid + market.price_base if bid != 0 else 0
        depth.bid_quantity[i] = market.levels[bid].quantity
        depth.ask_price[i] = ask + market.price_base if ask != 0 else 0
        depth.ask_quantity[i] = market.levels[ask].quantity
        bid = occupied_row_below(market, bid) if bid != 0 else 0
        ask = occupied_row_above(market, ask) if ask != 0 else 0


@batch_kernel
def write_depths(markets, depths):
    """`write_depth` for a batch: markets (n,) of MARKET -> depths (n,) of DEPTH."""
    for i in numba.prange(len(markets)):
        write_depth(markets[i], depths[i])
