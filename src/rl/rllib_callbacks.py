"""What RLlib reports of the market beside its own figures, and the bar on the screen."""

import time
from typing import Any

from ray.rllib.callbacks.callbacks import RLlibCallback

from rl.progress import training_bar

RECENT_EPISODES = 200  # over which the figures are averaged
REPORTED = {
    "pnl": "pnl",
    "pnl_pct": "pnl_pct",
    "final_worth": "final_worth",
    "inventory": "mean_abs_position",
}


class MarketFigures(RLlibCallback):  # type: ignore[misc] # Ray has no types here
    """How each episode went, under `result["env_runners"]`: REPORTED, and `pnl_squared`."""

    def on_episode_end(self, *, episode: Any, metrics_logger: Any, **_: Any) -> None:
        """RLlib calls this with the episode that just ended."""
        summary = episode.get_infos(-1)["summary"]
        for name, key in REPORTED.items():
            metrics_logger.log_value(name, summary[key], reduce="mean", window=RECENT_EPISODES)
        squared = summary["pnl"] ** 2
        metrics_logger.log_value("pnl_squared", squared, reduce="mean", window=RECENT_EPISODES)


def figures_of(result: dict[str, Any]) -> dict[str, float]:
    """P&L, its share, final worth, inventory and Sharpe across recent episodes; empty before one."""
    reported = result.get("env_runners", {})
    if reported.get("pnl") is None or reported["pnl"] != reported["pnl"]:  # NaN before an end
        return {}
    figures = {name: float(reported[name]) for name in REPORTED}
    variance = max(float(reported["pnl_squared"]) - figures["pnl"] ** 2, 0.0)
    figures["sharpe"] = figures["pnl"] / variance**0.5 if variance > 0 else 0.0
    return figures


class Screen:
    """A progress bar with the figures of the last iterations."""

    def __init__(self, n_steps: int, *, shown: bool) -> None:
        self._progress = training_bar(shown=shown)
        self._task = self._progress.add_task("training", total=n_steps, figures="")
        self._start_s = time.perf_counter()

    def __enter__(self) -> "Screen":
        self._start_s = time.perf_counter()
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, n_steps: int, figures: dict[str, float]) -> float:
        """So many steps are done; returns how many a second."""
        rate = n_steps / max(time.perf_counter() - self._start_s, 1e-9)
        text = f"{rate:,.0f} steps/s"
        if figures:
            text = (
                f"P&L {figures['pnl']:+.1f} ({figures['pnl_pct']:+.3f}%)  "
                f"Sharpe {figures['sharpe']:+.2f}  inventory {figures['inventory']:.1f}  {text}"
            )
        self._progress.update(self._task, completed=n_steps, figures=text)
        return rate
