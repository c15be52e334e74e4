"""Presets are data: names, bounds and sources, and an error that names the choices."""

from pathlib import Path

import numpy as np
import pytest

from exchange.engine.participants import FLOW, FlowKind
from exchange.simulation.presets import PARAMETERS, PRESETS, new_simulated_markets

DOCUMENT = Path(__file__).parents[1] / "docs" / "MARKET.md"


def test_an_unknown_preset_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"unknown preset 'wild': choose of default, calm"):
        new_simulated_markets(1, preset="wild")


def test_an_unknown_parameter_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match=r"unknown parameter 'sigma': choose of .*value_sd.*open_price"
    ):
        new_simulated_markets(1, sigma=1.0)


@pytest.mark.parametrize("value", [-0.1, 10.1, float("nan"), float("inf"), [0.2, 99.0]])
def test_a_value_out_of_bounds_is_refused_with_the_bounds(value):
    with pytest.raises(ValueError, match=r"value_sd .* is not within 0 \.\. 10 ticks"):
        new_simulated_markets(2, value_sd=value)


@pytest.mark.parametrize("value", ["much", None, [1.0, 2.0, 3.0]])
def test_a_value_that_is_no_number_or_of_the_wrong_length_is_refused(value):
    with pytest.raises(ValueError, match="value_sd"):
        new_simulated_markets(2, value_sd=value)


@pytest.mark.parametrize(("n", "seeds"), [(0, None), (2, [1]), (2, [1, 2, 3])])
def test_as_many_seeds_as_markets_are_needed(n, seeds):
    with pytest.raises(ValueError, match="one seed for each"):
        new_simulated_markets(n, seeds)


def test_market_choices_reach_the_market():
    markets = new_simulated_markets(
        2, open_price=50_000, band_ticks=30, maker_fee_ppm=-10, taker_fee_ppm=40
    )
    assert (markets["band_ticks"] == 30).all()
    assert (np.abs(markets["last_price"] - 50_000) < 100).all()
    assert (markets["accounts"]["fees"].sum(axis=1) == markets["fees_collected"]).all()


def test_each_market_of_a_batch_can_have_its_own_parameters():
    markets = new_simulated_markets(2, [1, 1], orders_target=[30.0, 150.0])
    assert markets["flow"]["orders_target"].tolist() == [30.0, 150.0]
    assert markets["n_resting"][0] < markets["n_resting"][1]


def test_a_warm_market_has_a_book_a_clock_and_no_events():
    markets = new_simulated_markets(3)
    assert (markets["now_ns"] == 10_000_000_000).all()
    assert (markets["n_events"] == 0).all()
    assert (markets["n_resting"] > 60).all()
    assert (markets["best_ask"] > markets["best_bid"]).all()


def test_the_empty_preset_has_nobody_in_it():
    markets = new_simulated_markets(2, preset="empty")
    assert (markets["flow"]["kind"] == FlowKind.NONE).all()
    assert not markets["n_entered"].any() and not markets["now_ns"].any()


def test_every_preset_changes_only_parameters_that_exist_within_their_bounds():
    for changes in PRESETS.values():
        for name, value in changes.items():
            if name != "kind":
                assert PARAMETERS[name].lowest <= value <= PARAMETERS[name].highest
    assert set(PARAMETERS) <= set(FLOW.names)


def test_every_parameter_and_preset_is_documented():
    text = DOCUMENT.read_text()
    missing = [name for name in [*PARAMETERS, *PRESETS] if f"`{name}`" not in text]
    assert not missing


def test_documented_defaults_are_the_defaults():
    rows = [line.split("|") for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    values = {row[1].strip().strip("`"): row[2].strip().replace(",", "") for row in rows}
    for name, parameter in PARAMETERS.items():
        assert float(values[name]) == pytest.approx(parameter.default, rel=5e-3), name
