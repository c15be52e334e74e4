"""The experiment of Cont, Stoikov and Talreja (2010), section 4.2: which way the mid moves next.

Starts many books with b lots at the best bid and a lots at the best ask, one tick apart, lets
Poisson orders come through the engine, and counts how often the mid goes up before it goes down.
"""

from dataclasses import dataclass

import numba
import numpy as np

from exchange.engine.kernel import batch_kernel, kernel
from exchange.engine.matching import cancel_account_orders
from exchange.simulation.orders import BUY, GTC, LIQUIDITY, SELL, send
from exchange.simulation.poisson import wait_for_arrival
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import move_on

# Table 3, "Markov" rows: P(mid goes up next | b lots bid, a lots asked), spread one tick.
TABLE_3 = {
    (1, 1): 0.500,
    (1, 2): 0.336,
    (1, 3): 0.259,
    (2, 1): 0.664,
    (2, 2): 0.500,
    (2, 3): 0.407,
    (3, 1): 0.741,
    (3, 2): 0.593,
    (3, 3): 0.500,
}
N_BOOKS = 16  # each runs its share of the paths, one after the other


@dataclass(frozen=True)
class UpMove:
    """Share of the paths whose mid went up first, with its standard error."""

    probability: float
    standard_error: float
    n_paths: int


def measure_up_move(n_bid: int, n_ask: int, n_paths: int, seed: int = 0) -> UpMove:
    """Run n_paths paths (rounded up to whole shares) from n_bid lots bid and n_ask lots asked."""
    markets = new_simulated_markets(
        N_BOOKS, range(seed * N_BOOKS, (seed + 1) * N_BOOKS), preset="poisson"
    )
    n_up = np.zeros(N_BOOKS, np.int64)
    n_each = -(-n_paths // N_BOOKS)
    count_up_moves(markets, n_bid, n_ask, n_each, n_up)
    n = n_each * N_BOOKS
    probability = float(n_up.sum() / n)
    return UpMove(probability, float(np.sqrt(probability * (1 - probability) / n)), n)


def measure_table_3(n_paths: int, seed: int = 0) -> dict[tuple[int, int], UpMove]:
    """All nine entries of the table, n_paths paths each."""
    return {
        (n_bid, n_ask): measure_up_move(n_bid, n_ask, n_paths, seed + i)
        for i, (n_bid, n_ask) in enumerate(TABLE_3)
    }


@batch_kernel
def count_up_moves(markets, n_bid, n_ask, n_paths, n_up):
    """markets (n,) with Poisson flow; n_up int64 (n,) receives each book's number of up moves."""
    for i in numba.prange(len(markets)):
        for _ in range(n_paths):
            if goes_up_first(markets[i], n_bid, n_ask):
                n_up[i] += 1


@kernel
def goes_up_first(market, n_bid, n_ask):
    """One path: with a spread of one tick, the first empty queue decides which way the mid goes."""
    open_queues(market, n_bid, n_ask)
    best_bid, best_ask = market.best_bid, market.best_ask
    while market.best_bid == best_bid and market.best_ask == best_ask:
        market.n_events = 0
        move_on(market, market.flow.next_ns)
    return market.best_bid == best_bid


@kernel
def open_queues(market, n_bid, n_ask):
    """An empty book but for n_bid and n_ask orders of one lot, a tick apart, mid-ladder."""
    market.n_events = 0
    cancel_account_orders(market, LIQUIDITY)
    market.free_slot = market.n_slots_used = 0  # as new: free slots would be drawn in vain
    middle = market.price_base + len(market.levels) // 2
    for _ in range(n_bid):
        send(market, LIQUIDITY, BUY, middle, 1, GTC)
    for _ in range(n_ask):
        send(market, LIQUIDITY, SELL, middle + 1, 1, GTC)
    wait_for_arrival(market, market.flow)
