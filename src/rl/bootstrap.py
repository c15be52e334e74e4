"""How sure a mean over episodes is: percentile bootstraps, the one place for them.

Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. The resamples depend on
the number of episodes alone, so every figure of a report is drawn on the same ones, differences are
paired by themselves, and a report comes out the same twice. NaN is what nobody knows: the Sharpe
ratio of a P&L that never varies is no number, neither that of all episodes nor that of a resample.
"""

from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Interval = dict[str, float]  # mean, low, high

N_RESAMPLES = 4_000
CONFIDENCE = 0.95
BOOTSTRAP_SEED = 20_240_229


def mean_interval(values: Floats) -> Interval:
    """The mean of (n,), one value an episode, with its interval. NaN: the episode has no value."""
    values = np.asarray(values, np.float64)
    known = np.isfinite(values)
    mean = float(values[known].mean()) if known.any() else float("nan")
    return _interval(mean, _resampled_means(values))


def sharpe_interval(pnl: Floats) -> Interval:
    """The Sharpe ratio across episodes, (n,), with its interval; NaN where there is none."""
    return _interval(sharpe(pnl), _resampled_sharpes(pnl))


def sharpe_difference(a: Floats, b: Floats) -> Interval:
    """Sharpe of a less Sharpe of b, (n,) each, on the same episodes, with its interval."""
    found = _resampled_sharpes(a) - _resampled_sharpes(b)
    return _interval(sharpe(a) - sharpe(b), found)


def sharpe(pnl: Floats) -> float:
    """Mean over standard deviation (n - 1) across episodes, NaN when nothing varies."""
    varies = np.ptp(pnl) > 0  # a deviation may be of rounding alone
    return float(np.mean(pnl) / np.std(pnl, ddof=1)) if varies else float("nan")


def plain(interval: Interval) -> dict[str, float | None]:
    """As JSON has it, which knows no NaN: what nobody knows is null."""
    return {key: value if isfinite(value) else None for key, value in interval.items()}


def two_digits(value: float | None) -> str:
    """A number for a table; a dash for what nobody knows."""
    return "-" if value is None else f"{value:.2f}"


def in_words(value: Any, number: Callable[[float | None], str] = two_digits) -> str:
    """A number, or `mean [low, high]` of a plain interval; a dash for what nobody knows."""
    if not isinstance(value, dict):
        return number(value)
    if value["mean"] is None:
        return "-"
    return f"{number(value['mean'])} [{number(value['low'])}, {number(value['high'])}]"


@lru_cache(maxsize=2)
def resamples(n: int) -> Floats:
    """How often each of n episodes is drawn in each resample: (N_RESAMPLES, n), rows sum to n."""
    random = np.random.default_rng(BOOTSTRAP_SEED)
    counts = np.zeros((N_RESAMPLES, n))
    for row in counts:
        row += np.bincount(random.integers(0, n, n), minlength=n)
    counts.flags.writeable = False
    return counts


def _resampled_means(values: Floats) -> Floats:
    """(N_RESAMPLES,), over the episodes with a value; NaN where a resample has none of them."""
    known = np.isfinite(values)
    counts = resamples(len(values))
    totals = counts @ np.where(known, values, 0.0)
    if known.all():
        means: Floats = totals / len(values)
        return means
    weights = counts @ known.astype(np.float64)
    weighed: Floats = np.divide(
        totals, weights, out=np.full(len(totals), np.nan), where=weights > 0
    )
    return weighed


def _resampled_sharpes(pnl: Floats) -> Floats:
    """(N_RESAMPLES,), NaN where nothing varies; the squares are taken around the mean, where they
    keep their digits.
    """
    pnl = np.asarray(pnl, np.float64)
    n, center = len(pnl), float(np.mean(pnl))
    counts, away = resamples(n), pnl - center
    shifts = counts @ away / n
    variances = np.maximum(counts @ away**2 / n - shifts**2, 0.0) * n / (n - 1)
    # what rounding leaves of no variance at all is not a standard deviation
    real = variances > 1e-12 * max(float((away**2).max()), 1e-300)
    deviations = np.sqrt(variances)
    found: Floats = np.divide(
        center + shifts, deviations, out=np.full(len(shifts), np.nan), where=real
    )
    return found


def _interval(mean: float, found: Floats) -> Interval:
    if np.isnan(found).all():
        return {"mean": mean, "low": float("nan"), "high": float("nan")}
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.nanpercentile(found, [tail, 100 - tail])
    return {"mean": mean, "low": float(low), "high": float(high)}
