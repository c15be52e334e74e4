"""Each combination of a MultiDiscrete action as one number, for learners that choose one."""

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn


class JointActions(VecEnvWrapper):
    """A VecEnv with `Discrete(n)` actions for `MultiDiscrete` ones, the last part fastest."""

    def __init__(self, venv: VecEnv) -> None:
        assert isinstance(venv.action_space, spaces.MultiDiscrete)
        self.sizes = tuple(int(size) for size in venv.action_space.nvec)
        super().__init__(venv, action_space=spaces.Discrete(int(np.prod(self.sizes))))

    def step_async(self, actions: Any) -> None:
        """Take one number a market."""
        self.venv.step_async(np.stack(np.unravel_index(actions, self.sizes), axis=1))

    def step_wait(self) -> VecEnvStepReturn:
        """What came of it."""
        return self.venv.step_wait()

    def reset(self) -> Any:
        """Begin anew in all markets."""
        return self.venv.reset()
