"""Poisson flow against the paper it comes from, and against its own arithmetic."""

import numpy as np
import pytest

from exchange.engine.codes import EventKind
from exchange.simulation.cont_stoikov_talreja import TABLE_3, measure_up_move
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import advance, advance_batch

SECOND = 1_000_000_000
TOLERANCE = 0.01
N_PATHS = 50_000  # standard error .0022: the tolerance is more than four of them


@pytest.mark.parametrize(("n_bid", "n_ask"), TABLE_3)
def test_the_mid_goes_up_as_often_as_in_table_3_of_the_paper(n_bid, n_ask):
    up = measure_up_move(n_bid, n_ask, N_PATHS, seed=17)
    assert up.n_paths >= N_PATHS
    assert 4 * up.standard_error < TOLERANCE
    assert abs(up.probability - TABLE_3[n_bid, n_ask]) < TOLERANCE


def test_market_orders_arrive_at_their_rate_in_exponential_gaps():
    markets = new_simulated_markets(1, [3], preset="poisson", market_rate=2.0)
    times = []
    until_ns = int(markets["now_ns"][0]) + 2_000 * SECOND
    while markets["now_ns"][0] < until_ns:
        advance(markets, 0, until_ns)
        events = markets["events"][0, : markets["n_events"][0]]
        takes = (events["kind"] == EventKind.TRADED) | (events["kind"] == EventKind.CANCELED)
        times.append(events["time_ns"][takes & (events["account"] == 1)])
    gaps = np.diff(np.concatenate(times)) / SECOND
    n = len(gaps)
    assert abs(gaps.mean() - 1 / 4) < 5 * 0.25 / n**0.5
    assert abs(gaps.std() / gaps.mean() - 1) < 0.1


def test_every_order_is_one_lot_and_levels_balance_arrivals_with_cancelations():
    """Far from the best prices nothing trades: mean depth is arrival rate over cancelation rate."""
    markets = new_simulated_markets(30, preset="poisson", market_rate=0.0)
    lots = []
    for _ in range(60):
        advance_batch(markets, markets["now_ns"] + 120 * SECOND)
        resting = markets["orders"]["number"] != 0
        assert (markets["orders"]["quantity"][resting] == 1).all()
        rows = markets["best_ask"] - 20
        lots.append(markets["levels"]["quantity"][np.arange(30), rows].mean())
    flow = markets["flow"][0]
    expected = flow["limit_rates"][19] / flow["cancel_rates"][19]
    assert abs(np.mean(lots) / expected - 1) < 0.15
