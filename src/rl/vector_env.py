"""The market-making task as Gymnasium's native vector environment: `gymnasium.make_vec`.

Autoreset is NEXT_STEP, as RLlib needs it: in the step after its end a row begins anew, its action
ignored. `rl.sb3_env` is the same for Stable-Baselines3, `rl.lob_env` for one market.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.render import RenderError, draw, write
from rl.seeds import DERIVED_SEEDS_MIN
from rl.spaces import action_space, observation_space

__all__ = ["MarketBatch", "MarketMakingVectorEnv"]

Arrays = dict[str, Any]


class MarketMakingVectorEnv(VectorEnv):  # type: ignore[type-arg]
    """n markets, one call. Settings are those of `TaskConfig`, as one or one by one."""

    metadata = {  # noqa: RUF012 - Gymnasium's own spelling
        "render_modes": ["rgb_array", "ansi"],
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        config: TaskConfig | dict[str, Any] | None = None,
        *,
        predictor: npt.NDArray[np.float64] | None = None,
        n_threads: int = 1,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        self.config = task_config(config, settings)
        self.render_mode = check_render_mode(render_mode, self.metadata)
        self.num_envs = num_envs
        self.single_observation_space = observation_space(self.config)
        self.single_action_space = action_space(self.config)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.batch = MarketBatch(
            num_envs, self.config, fresh_seeds(num_envs), predictor=predictor, n_threads=n_threads
        )
        self._beginning = np.zeros(num_envs, np.bool_)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[npt.NDArray[np.float32], Arrays]:
        """Begin an episode in every row, or in those of `options["reset_mask"]`.

        seed: row i gets seed + i, or one each. The same seeds give the same episodes.
        """
        mask = (options or {}).get("reset_mask")
        if seed is not None:
            self.batch.reset(mask, self._seeds(seed, mask))
        else:
            self.batch.reset(mask)
        self._beginning[:] = False if mask is None else self._beginning & ~mask
        return self.batch.observations.copy(), {}

    def _seeds(
        self, seed: int | Sequence[int | None], mask: npt.NDArray[np.bool_] | None
    ) -> list[int]:
        if isinstance(seed, (int, np.integer)):
            seeds: list[int | None] = [int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        fresh = fresh_seeds(self.num_envs)
        chosen = [fresh[i] if one is None else one for i, one in enumerate(seeds)]
        return [one for i, one in enumerate(chosen) if mask is None or mask[i]]

    def step(
        self, actions: Any
    ) -> tuple[
        npt.NDArray[np.float32],
        npt.NDArray[np.float64],
        npt.NDArray[np.bool_],
        npt.NDArray[np.bool_],
        Arrays,
    ]:
        """One decision a row. At the end of an episode the info tells how it went."""
        batch = self.batch
        if self._beginning.any():
            batch.step(actions, ~self._beginning)
            batch.reset(self._beginning)
            batch.rewards[self._beginning] = 0.0
        else:
            batch.step(actions)
        self._beginning = batch.ended.copy()
        infos = self._end_infos() if self._beginning.any() else {}
        terminated = np.zeros(self.num_envs, np.bool_)
        rewards = batch.rewards.astype(np.float64)
        return batch.observations.copy(), rewards, terminated, self._beginning.copy(), infos

    def _end_infos(self) -> Arrays:
        """Gymnasium's form: an array a key, and beside it which rows it holds for."""
        infos: Arrays = {}
        for row in np.flatnonzero(self._beginning):
            infos = self._add_info(infos, {"summary": episode_info(self.batch, int(row))}, int(row))
        return infos

    def render(self) -> Any:
        """The book and the quotes of each row: images (h, w, 3) or texts, a tuple of them."""
        return tuple(render_row(self.batch, row, self.render_mode) for row in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Nothing outside this process to close."""


def task_config(config: TaskConfig | dict[str, Any] | None, settings: dict[str, Any]) -> TaskConfig:
    """A task from a config, its dict or nothing, with single settings changed."""
    if not isinstance(config, TaskConfig):
        config = TaskConfig.from_dict(config or {})
    return config.change(**settings) if settings else config


def fresh_seeds(n: int) -> list[int]:
    """Seeds nobody has chosen by name, for environments that are not seeded."""
    words = np.random.SeedSequence().generate_state(n, np.uint64)
    return [DERIVED_SEEDS_MIN | (int(word) >> 3) for word in words]


def episode_info(batch: MarketBatch, row: int) -> dict[str, float]:
    """An episode's summary under the keys that learning libraries look for: r, l."""
    summary = batch.summary(row)
    return {"r": summary["reward"], "l": summary["n_steps"], **summary}


def check_render_mode(mode: str | None, metadata: dict[str, Any]) -> str | None:
    """Raise RenderError for a mode that is not offered."""
    if mode is not None and mode not in metadata["render_modes"]:
        raise RenderError(f"render_mode {mode!r} is none of {metadata['render_modes']}")
    return mode


def render_row(batch: MarketBatch, row: int, mode: str | None) -> Any:
    """One row drawn; RenderError when no mode was chosen."""
    if mode is None:
        raise RenderError("choose a render_mode when making the environment: rgb_array or ansi")
    return (draw if mode == "rgb_array" else write)(batch, row)
