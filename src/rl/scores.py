"""What a policy earned, episode by episode, and how sure one can be that one beats another.

Intervals are bootstraps over seeds (`rl.bootstrap`); two policies that met the same seeds are
compared seed by seed.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from rl.bootstrap import mean_interval, plain, sharpe, sharpe_difference, sharpe_interval

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
        """Mean over standard deviation of the episodes' P&L; 0 when it never varies, since what is
        searched for and what is logged must be a number.
        """
        ratio = sharpe(self.pnl)
        return ratio if isfinite(ratio) else 0.0

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
        """The same with intervals, for a card or a table; None for what nobody knows."""
        return {
            "n_seeds": len(self.seeds),
            "pnl": plain(mean_interval(self.pnl)),
            "reward": plain(mean_interval(self.reward)),
            "sharpe": plain(sharpe_interval(self.pnl)),
            "pnl_sd": float(self.pnl.std(ddof=1)),
            "inventory": float(self.mean_abs_position.mean()),
        }


def paired(a: Scores, b: Scores) -> dict[str, dict[str, float | None]]:
    """Differences a - b on the same seeds: mean P&L, mean reward, Sharpe; each with its interval, and
    None for what nobody knows.

    Raises ValueError when the seeds differ.
    """
    if not np.array_equal(a.seeds, b.seeds):
        raise ValueError("a paired difference needs the same seeds in the same order")
    return {
        "pnl": plain(mean_interval(a.pnl - b.pnl)),
        "reward": plain(mean_interval(a.reward - b.reward)),
        "sharpe": plain(sharpe_difference(a.pnl, b.pnl)),
    }
