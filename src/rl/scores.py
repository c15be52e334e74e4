"""What a policy earned, episode by episode, and how sure one can be that one beats another.

Intervals are percentile bootstraps over seeds (Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993); two policies that met the same seeds are compared seed by seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
N_RESAMPLES = 4_000
RESAMPLES_AT_ONCE = 500  # bounds the memory: this many rows of indexes
CONFIDENCE = 0.95
BOOTSTRAP_SEED = 20_240_229  # fixed: a report must come out the same twice


@dataclass(frozen=True)
class Scores:
    """One row a seed. Money in tick-lots, after fees, marked to the others' mid."""

    seeds: npt.NDArray[np.int64]
    pnl: Floats  # change of equity over the episode
    reward: Floats  # sum over the episode, before any scaling for the learner
    mean_abs_position: Floats  # lots

    @property
    def sharpe(self) -> float:
        """Mean over standard deviation of the episodes' P&L."""
        return sharpe(self.pnl)

    @property
    def objective(self) -> float:
        """What the best of several policies is chosen by: the mean reward."""
        return float(self.reward.mean())

    def summary(self) -> dict[str, float]:
        """The figures of a log line."""
        return {
            "pnl": float(self.pnl.mean()),
            "pnl_sd": float(self.pnl.std(ddof=1)),
            "sharpe": self.sharpe,
            "reward": float(self.reward.mean()),
            "inventory": float(self.mean_abs_position.mean()),
        }

    def report(self) -> dict[str, Any]:
        """The same with intervals, for a card or a table."""
        return {
            "n_seeds": len(self.seeds),
            "pnl": interval(self.pnl),
            "reward": interval(self.reward),
            "sharpe": sharpe_interval(self.pnl),
            "pnl_sd": float(self.pnl.std(ddof=1)),
            "inventory": float(self.mean_abs_position.mean()),
        }


def sharpe(pnl: Floats) -> float:
    """Mean over standard deviation across episodes, 0 when nothing varies."""
    return float(_sharpes(pnl[None, :])[0])


def interval(values: Floats) -> dict[str, float]:
    """The mean of one value a seed, with its interval."""
    return _interval(len(values), lambda rows: values[rows].mean(axis=1))


def sharpe_interval(pnl: Floats) -> dict[str, float]:
    """The Sharpe ratio across episodes, with its interval."""
    return _interval(len(pnl), lambda rows: _sharpes(pnl[rows]))


def paired(a: Scores, b: Scores) -> dict[str, dict[str, float]]:
    """Differences a - b on the same seeds: mean P&L, mean reward, Sharpe; each with its interval.

    Raises ValueError when the seeds differ.
    """
    if not np.array_equal(a.seeds, b.seeds):
        raise ValueError("a paired difference needs the same seeds in the same order")
    return {
        "pnl": interval(a.pnl - b.pnl),
        "reward": interval(a.reward - b.reward),
        "sharpe": _interval(
            len(a.seeds), lambda rows: _sharpes(a.pnl[rows]) - _sharpes(b.pnl[rows])
        ),
    }


def _sharpes(pnl: Floats) -> Floats:
    """Of each row, (k, n) -> (k,)."""
    deviation = pnl.std(axis=1, ddof=1)
    ratios: Floats = np.divide(
        pnl.mean(axis=1), deviation, out=np.zeros(len(pnl)), where=deviation > 0
    )
    return ratios


def _interval(n: int, statistic: Callable[[Any], Any]) -> dict[str, float]:
    """`statistic` takes rows of indexes (k, n) and gives (k,)."""
    random = np.random.default_rng(BOOTSTRAP_SEED)
    found = [
        statistic(random.integers(0, n, (RESAMPLES_AT_ONCE, n)))
        for _ in range(N_RESAMPLES // RESAMPLES_AT_ONCE)
    ]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.concatenate(found), [tail, 100 - tail])
    mean = statistic(np.arange(n)[None, :])[0]
    return {"mean": float(mean), "low": float(low), "high": float(high)}
