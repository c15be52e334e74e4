"""The measuring stick itself, on series whose statistics are known."""

import numpy as np
import pytest

from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.stylized_facts import (
    autocorrelation,
    correlation,
    excess_kurtosis,
    facts,
    record_tape,
    tail_index,
)

RNG_SEED = 20_240_601


def test_autocorrelation_of_an_autoregressive_series_falls_by_its_coefficient():
    rng = np.random.default_rng(RNG_SEED)
    series = np.zeros(100_000)
    for i, shock in enumerate(rng.normal(size=len(series) - 1)):
        series[i + 1] = 0.6 * series[i] + shock
    assert autocorrelation(series, 1) == pytest.approx(0.6, abs=0.02)
    assert autocorrelation(series, 2) == pytest.approx(0.36, abs=0.02)


def test_excess_kurtosis_is_0_for_a_normal_and_3_for_a_laplace_distribution():
    rng = np.random.default_rng(RNG_SEED)
    assert excess_kurtosis(rng.normal(size=400_000)) == pytest.approx(0, abs=0.05)
    assert excess_kurtosis(rng.laplace(size=400_000)) == pytest.approx(3, abs=0.3)


def test_the_tail_index_of_a_pareto_distribution_is_its_exponent():
    rng = np.random.default_rng(RNG_SEED)
    assert tail_index(1 + rng.pareto(3.0, size=200_000)) == pytest.approx(3.0, abs=0.2)


def test_what_cannot_be_known_is_nan_and_not_a_crash():
    nothing = np.full(10, np.nan)
    assert np.isnan(autocorrelation([1.0], 1))
    assert np.isnan(correlation(nothing, nothing))
    assert np.isnan(excess_kurtosis(np.zeros(5)))


def test_a_tape_counts_what_the_market_counts():
    markets = new_simulated_markets(2)
    before = markets.copy()
    tape = record_tape(markets, 400)
    assert tape.mid.shape == (2, 401) and tape.volume.shape == (2, 400)
    for row in range(2):
        lots = markets["bought"][row] + markets["sold"][row]
        lots -= before["bought"][row] + before["sold"][row]
        assert tape.volume[row].sum() == lots
        buys = int((tape.signs[row] > 0).sum())
        assert 0 < buys <= markets["bought"][row] - before["bought"][row]
    assert 0 < tape.n_filled < tape.n_rested
    assert facts(tape)["spread_mean"] == pytest.approx(tape.spread.mean())
