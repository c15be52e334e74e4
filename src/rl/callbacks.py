"""What is watched while a policy learns: a progress bar, TensorBoard figures, validation."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from rl.interrupt import Interrupt
from rl.progress import training_bar
from rl.scores import Scores
from strategies.policy import Policy

RECENT_EPISODES = 200  # over which the progress bar averages


class Watch(BaseCallback):
    """Progress bar and log: P&L, Sharpe across episodes, inventory and speed, as learned so far."""

    def __init__(self, timesteps: int, *, shown: bool) -> None:
        super().__init__()
        self._timesteps = timesteps
        self._pnl: deque[float] = deque(maxlen=RECENT_EPISODES)
        self._inventory: deque[float] = deque(maxlen=RECENT_EPISODES)
        self._progress = training_bar(shown=shown)
        self._task = self._progress.add_task("training", total=timesteps, figures="")

    def _on_training_start(self) -> None:
        self._start_steps, self._start_s = self.num_timesteps, time.perf_counter()

    def _on_step(self) -> bool:
        dones = self.locals["dones"]
        if dones.any():
            for row in np.flatnonzero(dones):
                episode = self.locals["infos"][row]["episode"]
                self._pnl.append(episode["pnl"])
                self._inventory.append(episode["mean_abs_position"])
        return True

    def _on_rollout_end(self) -> None:
        done = self.num_timesteps - self._start_steps
        rate = done / max(time.perf_counter() - self._start_s, 1e-9)
        self.logger.record("market/steps_per_s", rate)
        figures = f"{rate:,.0f} steps/s"
        if len(self._pnl) > 1:
            pnl, deviation = float(np.mean(self._pnl)), float(np.std(self._pnl, ddof=1))
            sharpe = pnl / deviation if deviation > 0 else 0.0
            inventory = float(np.mean(self._inventory))
            self.logger.record("market/pnl", pnl)
            self.logger.record("market/sharpe", sharpe)
            self.logger.record("market/inventory", inventory)
            figures = f"P&L {pnl:+.1f}  Sharpe {sharpe:+.2f}  inventory {inventory:.1f}  {figures}"
        self._progress.update(self._task, completed=done, figures=figures)

    def __enter__(self) -> "Watch":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class Candidate(NamedTuple):
    """A policy that is being judged."""

    timesteps: int
    weights: dict[str, Any]
    scores: Future[Scores]


class Validation(BaseCallback):
    """Judge the greedy policy on held-out seeds now and then, and keep the weights of the best.

    A thread does that beside the training, on another core where there is one. It judges a copy, and
    one after the other, so what comes of it does not depend on how fast it is.
    """

    def __init__(
        self, policy: Callable[[], Policy], judge: Callable[[Policy], Scores], every_steps: int
    ) -> None:
        """policy: a copy of what is being trained, as it is now."""
        super().__init__()
        self._policy = policy
        self._judge = judge
        self._every_steps = every_steps
        self._next = every_steps
        self._worker: ThreadPoolExecutor | None = None
        self._judged: Candidate | None = None  # still to be told of
        self._best: dict[str, Any] | None = None
        self.best_scores: Scores | None = None
        self.history: list[dict[str, float]] = []

    def _on_training_start(self) -> None:
        self._worker = ThreadPoolExecutor(1, "validation")
        self._next = self.num_timesteps + self._every_steps
        if self.num_timesteps > 0:  # resumed: what is there already may stay the best
            self.begin()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self._judged is not None and self._judged.scores.done():
            self.finish()
        if self.num_timesteps >= self._next:
            self.begin()
            self._next += self._every_steps

    def _on_training_end(self) -> None:
        self.begin()
        self.finish()
        assert self._worker is not None
        self._worker.shutdown()

    def begin(self) -> None:
        """Begin to judge the policy as it is now, once the one before is judged."""
        assert self._worker is not None
        self.finish()
        state = self.model.policy.state_dict()
        weights = {name: value.clone() for name, value in state.items()}
        scores = self._worker.submit(self._judge, self._policy())
        self._judged = Candidate(self.num_timesteps, weights, scores)

    def finish(self) -> None:
        """Wait until the last policy is judged, if one is; log its scores, keep it if it is the best."""
        if self._judged is None:
            return
        timesteps, weights, future = self._judged
        self._judged = None
        scores = future.result()
        summary = scores.summary()
        self.history.append({"timesteps": timesteps, **summary})
        self.logger.record("validation/timesteps", timesteps)
        for name, value in summary.items():
            self.logger.record(f"validation/{name}", value)
        if self.best_scores is None or scores.objective > self.best_scores.objective:
            self.best_scores = scores
            self._best = weights

    def restore_best(self) -> None:
        """Put the best weights seen so far back into the model."""
        if self._best is not None:
            self.model.policy.load_state_dict(self._best)


class StopOnInterrupt(BaseCallback):
    """Turns Ctrl-C into an orderly end of training; a second one is the usual KeyboardInterrupt."""

    def __init__(self) -> None:
        super().__init__()
        self._interrupt = Interrupt()

    @property
    def requested(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self._interrupt.requested

    def __enter__(self) -> "StopOnInterrupt":
        self._interrupt.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._interrupt.__exit__(*reason)

    def _on_step(self) -> bool:
        return not self.requested
