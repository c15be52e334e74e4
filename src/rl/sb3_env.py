"""The market-making task for Stable-Baselines3: n markets as one of its `VecEnv`.

Autoreset is SAME_STEP, as SB3 has it: the observation returned at the end of an episode is the first
of the next one, and the last of the old one is in the info. A step costs Python the same for one
market and for a thousand; only rows whose episode ends cost more.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import VecEnv

from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.spaces import action_space, observation_space
from rl.vector_env import check_render_mode, episode_info, fresh_seeds, render_row, task_config


class MarketMakingVecEnv(VecEnv):
    """n markets, one call. Settings are those of `TaskConfig`, as one or one by one.

    seed: row i gets seed + i; fresh ones unless given. stagger: see `MarketBatch`.
    """

    metadata = {"render_modes": ["rgb_array", "ansi"]}  # noqa: RUF012

    def __init__(
        self,
        n_envs: int,
        config: TaskConfig | dict[str, Any] | None = None,
        *,
        seed: int | None = None,
        predictor: npt.NDArray[np.float64] | None = None,
        n_threads: int = 1,
        stagger: bool = False,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        self.config = task_config(config, settings)
        self.render_mode = check_render_mode(render_mode, self.metadata)
        self.batch = MarketBatch(
            n_envs,
            self.config,
            fresh_seeds(n_envs) if seed is None else range(seed, seed + n_envs),
            predictor=predictor,
            n_threads=n_threads,
            stagger=stagger,
        )
        self._actions: npt.ArrayLike = ()
        self._infos: list[dict[str, Any]] = []
        super().__init__(n_envs, observation_space(self.config), action_space(self.config))

    def reset(self) -> npt.NDArray[np.float32]:
        """Begin an episode in every row; after `seed(s)` row i's is that of s + i."""
        given = [seed for seed in self._seeds if seed is not None]
        self.batch.reset(seeds=given if len(given) == self.num_envs else None)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return self.batch.observations.copy()

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Keep the actions, (n, 3), for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """One decision a row: (observations, rewards, dones, infos)."""
        batch = self.batch
        batch.step(self._actions)
        rewards, dones = batch.rewards.copy(), batch.ended.copy()
        infos: list[dict[str, Any]] = [{}] * self.num_envs  # one empty dict: nobody may write in it
        if dones.any():
            for row in np.flatnonzero(dones):
                infos[row] = self._end_info(int(row))
            batch.reset(dones)
        return batch.observations.copy(), rewards, dones, infos

    def _end_info(self, row: int) -> dict[str, Any]:
        return {
            "episode": {"t": 0.0, **episode_info(self.batch, row)},
            "terminal_observation": self.batch.observations[row].copy(),
            "TimeLimit.truncated": True,
        }

    def close(self) -> None:
        """Nothing outside this process to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same for each row: they share one object."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: what defines the task is fixed when the environment is made."""
        raise NotImplementedError("rows share one task: make a new environment to change it")

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Refused: there is no environment object a row; use `batch`."""
        raise NotImplementedError(f"no {method_name!r} a row: use the attribute `batch`")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """No row is wrapped. SB3's Monitor counts as there: infos hold what it would add."""
        monitored = wrapper_class.__name__ == "Monitor"
        return [monitored for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """An image of each row."""
        return [render_row(self.batch, row, "rgb_array") for row in range(self.num_envs)]
