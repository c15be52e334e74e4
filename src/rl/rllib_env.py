"""The market-making task for RLlib: registered with Ray as "onebook".

    register()
    config.environment(ENV_NAME, env_config={"task": task.as_dict()}, normalize_actions=False)
    config.env_runners(gym_env_vectorize_mode="vector_entry_point", num_envs_per_env_runner=512)

With "vector_entry_point" RLlib steps the native vector environment; without it, single ones.
Autoreset is NEXT_STEP, the only mode in which RLlib sees whole episodes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from ray.tune.registry import register_env

from rl.config import TaskConfig
from rl.lob_env import MarketMakingEnv
from rl.vector_env import MarketMakingVectorEnv

ENV_NAME = "onebook"


def register() -> None:
    """Make `ENV_NAME` known to Ray, on all machines of a cluster."""
    register_env(ENV_NAME, new_environment)


def new_environment(config: Mapping[str, Any]) -> gymnasium.Env[Any, Any] | MarketMakingVectorEnv:
    """One market, or with `num_envs`, which RLlib adds, a batch of them.

    config: `task`, a TaskConfig's dict; of a batch also `seed`, that of the algorithm, and
    `first_seed`, from where its runners take markets.
    """
    task = TaskConfig.from_dict(config.get("task", {}))
    if "num_envs" not in config:
        return MarketMakingEnv(task)
    return RunnerMarkets(
        config["num_envs"],
        task,
        algorithm_seed=config.get("seed", 0),
        first_seed=config.get("first_seed"),
    )


class RunnerMarkets(MarketMakingVectorEnv):
    """The markets of one of RLlib's environment runners: no two runners share one.

    RLlib seeds runner k with the algorithm's seed + k, which would give neighboring runners the same
    markets but one. Here row i of runner k begins with first_seed + k x num_envs + i.
    """

    def __init__(
        self,
        num_envs: int,
        task: TaskConfig,
        *,
        algorithm_seed: int,
        first_seed: int | None,
    ) -> None:
        super().__init__(num_envs, task)
        self._algorithm_seed = algorithm_seed
        self._first_seed = first_seed

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Begin an episode in every row. seed: of the runner, as RLlib gives it."""
        if isinstance(seed, int) and self._first_seed is not None:
            runner = seed - self._algorithm_seed
            seed = self._first_seed + runner * self.num_envs
        return super().reset(seed=seed, options=options)
