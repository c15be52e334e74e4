"""The market-making task for one market: `gymnasium.make("OneBook/MarketMaking-v0")`."""

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.error import ResetNeeded

from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.spaces import action_space, observation_space
from rl.vector_env import (
    check_render_mode,
    episode_info,
    fresh_seeds,
    render_row,
    task_config,
)


class MarketMakingEnv(gymnasium.Env[npt.NDArray[np.float32], npt.NDArray[Any]]):
    """A batch of one. Settings are those of `TaskConfig`, as one or one by one.

    `reset(seed=s)` begins the market that `new_simulated_markets(1, [s])` gives; without a seed the
    next of its episodes.
    """

    metadata = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        config: TaskConfig | dict[str, Any] | None = None,
        *,
        predictor: npt.NDArray[np.float64] | None = None,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        self.config = task_config(config, settings)
        self.render_mode = check_render_mode(render_mode, self.metadata)
        self.observation_space = observation_space(self.config)
        self.action_space = action_space(self.config)
        self.batch = MarketBatch(1, self.config, fresh_seeds(1), predictor=predictor)
        self._action = np.zeros((1, 3))
        self._runs = False  # an episode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self.batch.reset(seeds=None if seed is None else [seed])
        self._runs = True
        return self.batch.observations[0].copy(), {}

    def step(
        self, action: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """One decision. At the end of the episode the info tells how it went.

        Raises gymnasium's ResetNeeded after that and before the first reset, ValueError for an action
        that is not 3 finite numbers.
        """
        if not self._runs:
            raise ResetNeeded(
                "no episode runs: call reset() before the first step and after an end"
            )
        numbers = np.asarray(action)
        if numbers.shape != (3,):  # numpy would spread a single one over all three
            raise ValueError(f"an action is 3 numbers, not {action!r}")
        self._action[0] = numbers
        observations, rewards, ended = self.batch.step(self._action)
        truncated = bool(ended[0])
        self._runs = not truncated
        info = {"summary": episode_info(self.batch, 0)} if truncated else {}
        return observations[0].copy(), float(rewards[0]), False, truncated, info

    def render(self) -> Any:
        """The book and the own quotes: an image (h, w, 3), or a text."""
        return render_row(self.batch, 0, self.render_mode)
