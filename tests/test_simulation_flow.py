"""The crowd: it looks like a market, and it survives whatever strangers and parameters do to it."""

import numpy as np
import pytest

from exchange.engine.codes import N_PARTICIPANTS, EventKind, Side, TimeInForce
from exchange.engine.door import Door
from exchange.engine.invariants import check_invariants, check_venue
from exchange.engine.participants import CROWD_ORDERS_MAX
from exchange.engine.records import Markets
from exchange.simulation.presets import PRESETS, new_simulated_markets
from exchange.simulation.step import advance, advance_batch
from exchange.simulation.stylized_facts import facts, record_tape

SECOND = 1_000_000_000
STRANGER = 4
IOC, GTC = int(TimeInForce.IOC), int(TimeInForce.GTC)
BUY, SELL = int(Side.BUY), int(Side.SELL)


def wait(markets: Markets, seconds: int) -> None:
    advance_batch(markets, markets["now_ns"] + seconds * SECOND)


def prices(markets: Markets) -> tuple[int, int]:
    """Best bid and ask of the first market, in ticks."""
    base = int(markets["price_base"][0])
    return base + int(markets["best_bid"][0]), base + int(markets["best_ask"][0])


def test_the_default_market_has_the_statistics_of_one():
    """Wide bands around what 60 seeds show (docs/MARKET.md), so that a dozen seeds stay inside."""
    found = facts(record_tape(new_simulated_markets(12, range(100, 112)), 3_000))
    bands = {
        "spread_mean": (1.6, 2.3),
        "spread_le_3": (0.93, 1.0),
        "depth_0": (9.0, 14.0),
        "depth_1": (15.0, 22.0),
        "depth_7": (3.5, 7.5),
        "fill_fraction": (0.06, 0.13),
        "sign_autocorrelation_1": (0.5, 0.7),
        "sign_autocorrelation_5": (0.12, 0.32),
        "return_sd_1s": (0.25, 0.8),
        "return_sd_10s": (0.9, 3.5),
        "excess_kurtosis_1s": (3.0, 60.0),
        "excess_kurtosis_10s": (1.5, 60.0),
        "return_autocorrelation_1s": (-0.12, 0.15),
        "abs_return_autocorrelation_1s": (0.12, 0.4),
        "abs_return_autocorrelation_5s": (0.03, 0.3),
        "volume_volatility_correlation": (0.3, 0.9),
        "tail_index": (1.8, 7.0),
    }
    for name, (lowest, highest) in bands.items():
        assert lowest < found[name] < highest, name


def test_named_changes_of_the_market_change_what_they_say():
    sd = {}
    for preset in ("calm", "default", "volatile", "thin"):
        sd[preset] = facts(record_tape(new_simulated_markets(6, preset=preset), 2_000))
    assert sd["calm"]["return_sd_10s"] < sd["default"]["return_sd_10s"]
    assert sd["default"]["return_sd_10s"] < sd["volatile"]["return_sd_10s"]
    assert sd["thin"]["depth_1"] < 0.75 * sd["default"]["depth_1"]
    assert sd["thin"]["spread_mean"] > sd["default"]["spread_mean"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_market_is_sound_after_a_long_run(preset):
    markets = new_simulated_markets(3, [21, 22, 23], preset=preset)
    for _ in range(5):
        wait(markets, 300)
        check_venue(markets)
    crowd = markets["accounts"]["n_open"][:, :N_PARTICIPANTS].sum(axis=1)
    assert (crowd == markets["n_resting"]).all()
    assert (crowd <= CROWD_ORDERS_MAX).all()
    if preset != "empty":
        assert (markets["best_bid"] > 0).all() and (markets["best_ask"] > 0).all()
        assert (markets["n_trades"] > 0).all()


@pytest.mark.parametrize("sides", [(BUY,), (SELL,), (BUY, SELL)])
@pytest.mark.parametrize("preset", ["default", "thin", "noise", "poisson"])
def test_a_swept_side_fills_again(preset, sides):
    markets = new_simulated_markets(1, preset=preset)
    door = Door(markets)
    last = int(markets["price_base"][0]) + 1_023
    for side in sides:
        door.enter(0, STRANGER, side, last if side == BUY else last - 1_022, 10_000, IOC, 0)
    assert (BUY not in sides) or markets["best_ask"][0] == 0
    assert (SELL not in sides) or markets["best_bid"][0] == 0
    wait(markets, 600 if preset == "poisson" else 10)
    check_invariants(markets[0])
    bid, ask = prices(markets)
    assert 0 < ask - bid < 200
    assert markets["n_resting"][0] > 15


def test_a_book_nearly_full_of_a_stranger_leaves_the_market_alive():
    markets = new_simulated_markets(1)
    door = Door(markets)
    low = int(markets["price_base"][0]) + 1
    while door.enter(0, STRANGER, BUY, low, 1, GTC, 0) > 0:
        pass
    assert markets["n_resting"][0] == 511
    trades = int(markets["n_trades"][0])
    wait(markets, 60)
    check_invariants(markets[0])
    assert markets["n_trades"][0] > trades
    door.cancel_all(0, STRANGER)
    wait(markets, 20)
    assert markets["n_resting"][0] > 60


def test_the_crowd_never_sends_what_the_engine_would_refuse():
    for band_ticks in (0, 1, 3, 50):
        markets = new_simulated_markets(1, [5], preset="volatile", band_ticks=band_ticks)
        until_ns = int(markets["now_ns"][0]) + 120 * SECOND
        trades = int(markets["n_trades"][0])
        while markets["now_ns"][0] < until_ns:
            advance(markets, 0, until_ns)
            events = markets["events"][0, : markets["n_events"][0]]
            assert not (events["kind"] == EventKind.REJECTED).any()
        assert markets["n_trades"][0] > trades


def test_a_price_that_must_follow_the_value_does_so_inside_a_band():
    markets = new_simulated_markets(1, [1], band_ticks=4)
    markets["flow"]["value"] += 60
    wait(markets, 600)
    bid, ask = prices(markets)
    assert abs((bid + ask) / 2 - markets["flow"]["value"][0]) < 15
    check_invariants(markets[0])


def test_extreme_parameters_keep_prices_on_the_ladder():
    markets = new_simulated_markets(
        8, value_sd=10.0, jump_scale=100.0, jump_probability=0.2, volatility_factor=20.0
    )
    for _ in range(6):
        wait(markets, 100)
        check_venue(markets)
    flow = markets["flow"]
    assert (flow["value"] >= flow["value_min"]).all() and (flow["value"] <= flow["value_max"]).all()
    assert (flow["value_min"] > markets["price_base"]).all()
    assert (flow["value_max"] < markets["price_base"] + 1_023).all()
    flow["volatility_factor"] = 0.0  # a calm after the storm
    wait(markets, 30)
    assert (markets["best_bid"] > 0).all() and (markets["best_ask"] > 0).all()


@pytest.mark.parametrize("edge", ["value_min", "value_max"])
def test_a_value_at_the_edge_of_its_range_leaves_room_for_a_book_around_it(edge):
    markets = new_simulated_markets(2, volatility_factor=0.0)
    markets["flow"]["value"] = markets["flow"][edge]
    wait(markets, 1_500)
    check_venue(markets)
    bid, ask = prices(markets)
    assert ask - bid < 20
    assert abs((bid + ask) / 2 - markets["flow"][edge][0]) < 5


@pytest.mark.parametrize("open_price", [2, 5, 40, 600])
def test_a_cheap_instrument_trades_at_positive_prices(open_price):
    markets = new_simulated_markets(2, open_price=open_price, value_sd=2.0)
    wait(markets, 300)
    check_venue(markets)
    assert (markets["last_price"] >= 1).all()
    assert (markets["n_trades"] > 0).all()


def test_extreme_order_flow_stays_within_the_crowds_own_limit():
    markets = new_simulated_markets(2, orders_target=200.0, orders_per_step=40.0, cancel_weight=0.0)
    wait(markets, 200)
    check_venue(markets)
    crowd = markets["accounts"]["n_open"][:, :N_PARTICIPANTS].sum(axis=1)
    assert (crowd <= CROWD_ORDERS_MAX).all() and (crowd > 200).all()


def test_orders_whose_ids_pass_32_bits_are_forgotten_like_others():
    """Slots are nine bits of an id: that of order 2^23 is the first of 33."""
    markets = new_simulated_markets(60, range(60))
    markets["n_entered"] = 2**23 - 1
    for _ in range(40):
        wait(markets, 5)
        check_venue(markets)
    assert (markets["n_entered"] > 2**23).all()


def test_factors_of_a_running_market_scale_it_at_once():
    start = new_simulated_markets(40, range(40))
    quiet, drought, crowded = start.copy(), start.copy(), start.copy()
    quiet["flow"]["noise_factor"] = quiet["flow"]["informed_factor"] = 0.0
    quiet["flow"]["momentum_weight"] = 0.0
    drought["flow"]["liquidity_factor"] = 0.3
    crowded["flow"]["noise_factor"] = 4.0
    for markets in (start, quiet, drought, crowded):
        wait(markets, 60)
    trades = [int(markets["n_trades"].sum()) for markets in (start, quiet, crowded)]
    before = int(new_simulated_markets(40, range(40))["n_trades"].sum())
    assert trades[1] - before < 0.05 * (trades[0] - before)
    assert trades[2] > trades[0]
    assert drought["n_resting"].mean() < 0.5 * start["n_resting"].mean()


def test_the_price_follows_the_hidden_value_unless_nobody_knows_it():
    informed = new_simulated_markets(20, value_sd=0.0, jump_probability=0.0)
    noise = new_simulated_markets(20, preset="noise")
    for markets in (informed, noise):
        markets["flow"]["value"] += 20
        wait(markets, 120)
    for markets, lowest, highest in ((informed, 17, 23), (noise, -6, 6)):
        mid = markets["price_base"] + (markets["best_bid"] + markets["best_ask"]) / 2
        assert lowest < np.mean(mid - 10_000) < highest
