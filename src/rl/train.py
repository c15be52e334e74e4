"""From a task and a recipe to a policy file: build the learner, imitate, learn, validate, save."""

import platform
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import A2C, DQN, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from rl.callbacks import StopOnInterrupt, Validation, Watch
from rl.config import TaskConfig
from rl.evaluate import TRAINING_SEEDS_MIN, VALIDATION_SEEDS, evaluate
from rl.export import as_policy, new_card, save_policy
from rl.flatten import JointActions
from rl.imitation import can_imitate, imitate
from rl.ppo import LeanPPO
from rl.recipe import Recipe, RecipeError, check_task, resumed_recipe
from rl.sb3_env import MarketMakingVecEnv
from rl.scores import Scores
from strategies.policy import Policy, PolicyError, load_policy

SEEDS_A_RUN = 1_000_000  # training runs do not share their markets
CLASSES: dict[str, Any] = {"ppo": LeanPPO, "a2c": A2C, "dqn": DQN, "sac": SAC}
DQN_TARGET_STEPS, OFF_POLICY_BATCH, REPLAY_STEPS = 10_000, 256, 500_000
N_THREADS = 1  # weights are the same for a seed and this number; more gain nothing at this size


class Run:
    """One training run: a task, a recipe, and where the policy goes."""

    def __init__(
        self,
        task: TaskConfig,
        recipe: Recipe,
        *,
        resume: Path | None = None,
        log_folder: Path | None = None,
        shown: bool = True,
    ) -> None:
        """Build everything. log_folder: for TensorBoard; none without it. resume: a file that goes
        on with its own settings, but for those of RESUMED.

        Raises RecipeError for an algorithm that cannot learn the task, ConfigError, ValueError.
        """
        if resume is not None:
            recipe = resumed_recipe(saved_card(resume), recipe)
        check_task(task)
        self.task = task_for(task, recipe)
        self.recipe = recipe
        self.interrupted = False
        be_reproducible(recipe.seed)
        self.env = new_env(self.task, recipe)
        self.model = (
            new_model(self.env, recipe) if resume is None else resumed(resume, self.env, recipe)
        )
        self.env.seed(first_seed(recipe) + self.model.num_timesteps % SEEDS_A_RUN)
        folder = None if log_folder is None else str(log_folder)
        self.model.set_logger(configure(folder, ["tensorboard"] if folder else []))
        self.watch = Watch(recipe.timesteps, shown=shown)
        self.validation = self._new_validation()
        self.seconds = 0.0
        starts = resume is None and recipe.algorithm in ("ppo", "a2c")
        self._imitates = recipe.imitate and starts and can_imitate(self.task)

    def _new_validation(self) -> Validation:
        n = self.recipe.validations
        every = self.recipe.timesteps // n if n > 0 else self.recipe.timesteps
        return Validation(self.policy, self.judge, max(every, 1))

    def judge(self, policy: Policy) -> Scores:
        """The greedy policy on the first of the validation seeds."""
        seeds = VALIDATION_SEEDS[: self.recipe.validation_seeds]
        return evaluate(policy, self.task.on("validation"), seeds)

    def learn(self) -> Scores:
        """Train to the end, or until Ctrl-C or SIGTERM; the best policy's validation scores."""
        start_s = time.perf_counter()
        steps_before = self.model.num_timesteps
        with StopOnInterrupt() as stop, self.watch:
            if self._imitates:
                self.imitate()
            self.model.learn(
                self.recipe.timesteps,
                callback=CallbackList([self.watch, self.validation, stop]),
                reset_num_timesteps=steps_before == 0,
            )
        self.interrupted = stop.requested
        if self.recipe.validations > 0:
            self.validation.restore_best()
        self.seconds += time.perf_counter() - start_s
        assert self.validation.best_scores is not None
        return self.validation.best_scores

    def imitate(self) -> None:
        """Start from a clone of the skew maker."""
        policy: Any = self.model.policy
        actor = torch.nn.Sequential(policy.mlp_extractor.policy_net, policy.action_net)
        imitate(actor, self.env.action_space, self.task, self.recipe, lesson_seed(self.recipe))

    @property
    def n_steps(self) -> int:
        """Decisions learned from so far, those before a resumed run included."""
        return int(self.model.num_timesteps)

    def policy(self) -> Policy:
        """The model as it is now, ready to trade."""
        return as_policy(self.model, self.card())

    def card(self) -> dict[str, Any]:
        """What the policy file says of this run."""
        return card_of(self.task, self.recipe)

    def close(self) -> None:
        """End what the run holds; the model stays."""
        self.env.close()

    def save(self, path: Path, scores: dict[str, Any] | None = None) -> list[Path]:
        """Write the policy with its card; the files."""
        card = self.card()
        card["training"] |= {
            "timesteps": int(self.model.num_timesteps),
            "seconds": round(self.seconds, 1),
            "interrupted": self.interrupted,
            "validation": self.validation.history,
        }
        card["scores"] = scores or {}
        return save_policy(self.model, card, path)


def card_of(task: TaskConfig, recipe: Recipe) -> dict[str, Any]:
    """The card of a policy trained by this recipe, without results."""
    training = {
        "library": "sb3",
        "recipe": recipe.as_dict(),
        "n_threads": N_THREADS,
        "torch": torch.__version__.split("+", maxsplit=1)[0],
        "machine": platform.machine(),
    }
    return new_card(task.features, task.as_dict(), training)


def be_reproducible(seed: int) -> None:
    """Seed every source of chance, and fix the number of threads."""
    torch.set_num_threads(N_THREADS)
    torch.distributions.Distribution.set_default_validate_args(False)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def task_for(task: TaskConfig, recipe: Recipe) -> TaskConfig:
    """The task with actions that the algorithm can learn."""
    if recipe.algorithm == "sac" and task.action != "box":
        return task.change(action="box")
    if recipe.algorithm == "dqn" and task.action == "box":
        raise RecipeError("dqn chooses among discrete actions: not with the action box")
    return task


def first_seed(recipe: Recipe) -> int:
    """Of this run's markets: runs do not share them, and nobody tests on them."""
    return TRAINING_SEEDS_MIN + SEEDS_A_RUN * recipe.seed


def lesson_seed(recipe: Recipe) -> int:
    """The first of those in which the teacher plays."""
    return first_seed(recipe) + SEEDS_A_RUN // 2


def new_env(task: TaskConfig, recipe: Recipe) -> VecEnv:
    """The markets to train on; their seeds are this run's own."""
    env: VecEnv = MarketMakingVecEnv(recipe.n_envs, task, seed=first_seed(recipe), stagger=True)
    return JointActions(env) if recipe.algorithm == "dqn" else env


def new_model(env: VecEnv, recipe: Recipe) -> BaseAlgorithm:
    """An untrained learner."""
    activation = torch.nn.ReLU if recipe.activation == "relu" else torch.nn.Tanh
    common: dict[str, Any] = {
        "policy": "MlpPolicy",
        "env": env,
        "seed": recipe.seed,
        "gamma": recipe.gamma,
        "learning_rate": LinearSchedule(recipe.learning_rate, recipe.learning_rate_end, 1.0),
        "device": "cpu",
        "policy_kwargs": {"net_arch": list(recipe.hidden), "activation_fn": activation},
    }
    model: BaseAlgorithm = CLASSES[recipe.algorithm](**common, **_own_settings(recipe))
    return model


def _own_settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that only this algorithm has."""
    if recipe.algorithm == "ppo":
        return {
            "n_steps": recipe.n_steps,
            "batch_size": min(recipe.batch_size, recipe.n_steps * recipe.n_envs),
            "n_epochs": recipe.n_epochs,
            "gae_lambda": recipe.gae_lambda,
            "clip_range": recipe.clip_range,
            "ent_coef": recipe.entropy,
        }
    if recipe.algorithm == "a2c":
        return {
            "n_steps": recipe.n_steps,
            "gae_lambda": recipe.gae_lambda,
            "ent_coef": recipe.entropy,
        }
    replay = {
        "buffer_size": max(REPLAY_STEPS, recipe.n_envs),
        "batch_size": OFF_POLICY_BATCH,
        "learning_starts": min(10_000, recipe.timesteps // 10),
        "gradient_steps": max(recipe.n_envs // 64, 1),
        "train_freq": 1,
    }
    return replay | (
        {"target_update_interval": DQN_TARGET_STEPS} if recipe.algorithm == "dqn" else {}
    )


def saved_card(path: Path) -> dict[str, Any]:
    """The card of the policy to go on with. Raises RecipeError."""
    if not path.is_file():
        raise RecipeError(f"nothing to resume: there is no {path}")
    try:
        return load_policy(path).card
    except PolicyError as error:
        raise RecipeError(str(error)) from error


def resumed(path: Path, env: VecEnv, recipe: Recipe) -> BaseAlgorithm:
    """The learner as it was saved. Raises RecipeError for another task's."""
    try:
        model: BaseAlgorithm = CLASSES[recipe.algorithm].load(path, env=env, device="cpu")
    except (ValueError, KeyError, RuntimeError) as error:
        raise RecipeError(f"{path} does not continue this task: {error}") from error
    return model
