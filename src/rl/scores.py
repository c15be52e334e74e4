"""What a policy earned, episode by episode, and how sure one can be that one beats another.

Intervals are bootstraps over seeds (`rl.bootstrap`); two policies that met the same seeds are
compared seed by seed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rl.bootstrap import mean_interval, sharpe, sharpe_difference, sharpe_interval

Floats = npt.NDArray[np.float64]


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
            "pnl": mean_interval(self.pnl),
            "reward": mean_interval(self.reward),
            "sharpe": sharpe_interval(self.pnl),
            "pnl_sd": float(self.pnl.std(ddof=1)),
            "inventory": float(self.mean_abs_position.mean()),
        }


def paired(a: Scores, b: Scores) -> dict[str, dict[str, float]]:
    """Differences a - b on the same seeds: mean P&L, mean reward, Sharpe; each with its interval.

    Raises ValueError when the seeds differ.
    """
    if not np.array_equal(a.seeds, b.seeds):
        raise ValueError("a paired difference needs the same seeds in the same order")
    return {
        "pnl": mean_interval(a.pnl - b.pnl),
        "reward": mean_interval(a.reward - b.reward),
        "sharpe": sharpe_difference(a.pnl, b.pnl),
    }
