"""Intervals: exact where the answer is known, the same twice, pairs kept together."""

import numpy as np
import pytest

from rl.bootstrap import (
    BOOTSTRAP_SEED,
    N_RESAMPLES,
    mean_interval,
    plain,
    resamples,
    sharpe,
    sharpe_difference,
    sharpe_interval,
)


def drawn(n: int) -> np.ndarray:
    """The resamples as places, one after the other: what the counts stand for."""
    random = np.random.default_rng(BOOTSTRAP_SEED)
    return np.array([random.integers(0, n, n) for _ in range(N_RESAMPLES)])


def test_the_interval_is_the_plain_percentile_bootstrap():
    values = np.random.default_rng(3).normal(5, 2, 40)
    low, high = np.percentile(values[drawn(40)].mean(axis=1), [2.5, 97.5])
    found = mean_interval(values)
    assert found["mean"] == pytest.approx(values.mean(), abs=1e-12)
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-12)


def test_the_sharpe_interval_is_the_plain_one_too():
    pnl = np.random.default_rng(4).normal(1e6, 30, 25)  # far from 0, where squares lose digits
    rows = pnl[drawn(25)]
    low, high = np.percentile(rows.mean(axis=1) / rows.std(axis=1, ddof=1), [2.5, 97.5])
    found = sharpe_interval(pnl)
    assert found["mean"] == pytest.approx(pnl.mean() / pnl.std(ddof=1))
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=1e-7)


def test_two_episodes_of_which_each_is_drawn_half_the_time():
    # means of two draws from {0, 1}: 0, 0.5, 1 with 1/4, 1/2, 1/4
    assert mean_interval(np.array([0.0, 1.0])) == {"mean": 0.5, "low": 0.0, "high": 1.0}
    assert mean_interval(np.full(9, 7.0)) == {"mean": 7.0, "low": 7.0, "high": 7.0}


def test_what_never_varies_has_no_sharpe():
    for pnl in (np.full(5, 3.0), np.full(3, 0.1)):  # the mean of which is not 0.1 but for rounding
        assert np.isnan(sharpe(pnl))
        found = sharpe_interval(pnl)
        assert np.isnan([found["mean"], found["low"], found["high"]]).all()
        assert plain(found) == {"mean": None, "low": None, "high": None}
    assert np.isnan(sharpe_difference(np.arange(5.0), np.full(5, 3.0))["mean"])


def test_a_resample_that_does_not_vary_is_left_out():
    pnl = np.array([7.25, 8.0, 9.5])  # never below 7, so no resample has a Sharpe of 0
    found = sharpe_interval(pnl)
    assert found["mean"] == sharpe(pnl)
    assert 3 < found["low"] < found["mean"] < found["high"]
    two = sharpe_interval(np.array([1.0, 2.0]))  # half of the resamples are one of them twice
    assert two["low"] == two["high"] == pytest.approx(two["mean"])


def test_an_episode_without_a_value_counts_nothing():
    values = np.array([1.0, np.nan, 3.0, np.nan])
    assert mean_interval(values)["mean"] == 2.0
    assert np.isnan(mean_interval(np.full(3, np.nan))["mean"])


def test_differences_are_paired():
    random = np.random.default_rng(5)
    luck = random.normal(0, 100, 300)  # the market's, the same for both
    a, b = luck + 1 + random.normal(0, 0.1, 300), luck
    difference = mean_interval(a - b)
    assert 0.9 < difference["low"] < 1 < difference["high"] < 1.1
    assert sharpe_difference(a, a) == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert sharpe_difference(a, b)["low"] > 0


def test_resamples_are_fixed_and_whole():
    counts = resamples(10)
    assert (counts.sum(axis=1) == 10).all()
    assert counts.tobytes() == resamples.__wrapped__(10).tobytes()
