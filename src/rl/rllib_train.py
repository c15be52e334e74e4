"""Training by RLlib: PPO, APPO and IMPALA on this machine or on a Ray cluster.

The same task, recipe, seeds, validation and policy files as `rl.train`. What is RLlib's own lies in
the folder NAME.rllib: its checkpoint, from which training goes on.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.rllib.algorithms.appo import APPOConfig
from ray.rllib.algorithms.impala import IMPALAConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from stable_baselines3.common.logger import configure

from rl.callbacks import StopOnInterrupt
from rl.config import TaskConfig
from rl.evaluate import VALIDATION_SEEDS, evaluate
from rl.imitation import can_imitate, imitate
from rl.recipe import RLLIB_ALGORITHMS, Recipe, RecipeError, check_task, resumed_recipe
from rl.rllib_callbacks import MarketFigures, Screen, figures_of
from rl.rllib_env import ENV_NAME, register
from rl.rllib_export import actor_of, module_policy, save_network
from rl.scores import Scores
from rl.spaces import action_space
from rl.train import SEEDS_A_RUN, be_reproducible, card_of, first_seed, lesson_seed
from strategies.policy import CARD_NAME, Policy

CONFIGS: dict[str, Any] = {"ppo": PPOConfig, "appo": APPOConfig, "impala": IMPALAConfig}
GRADIENT_MAX, VALUE_WEIGHT = 0.5, 0.5  # as SB3 has them
ASYNCHRONOUS_ITERATION_S = 1


@dataclass(frozen=True)
class Cluster:
    """Where RLlib runs. n_runners: processes that step markets; 0 is this one itself."""

    address: str | None = None  # of a Ray cluster's head; None starts one on this machine
    n_runners: int = 0


class RllibRun:
    """One training run, as `rl.train.Run` is one."""

    def __init__(
        self,
        task: TaskConfig,
        recipe: Recipe,
        folder: Path,
        *,
        resume: bool = False,
        cluster: Cluster | None = None,
        log_folder: Path | None = None,
        shown: bool = True,
    ) -> None:
        """Start Ray and build the algorithm. folder: of its checkpoint. resume: it goes on with its
        own settings, but for those of RESUMED.

        Raises RecipeError for an algorithm that RLlib lacks, or nothing to resume; ConfigError.
        """
        self.folder = folder.absolute()
        saved = saved_card(self.folder) if resume else {}
        if resume:
            recipe = resumed_recipe(saved, recipe)
        check_algorithm(recipe)
        check_task(task)
        self.task = task
        self.recipe = recipe
        self.cluster = cluster or Cluster()
        self.interrupted = False
        self.seconds = 0.0
        self.history: list[dict[str, float]] = []
        self._best: tuple[Policy, Scores] | None = None
        self._logger = configure(*log_options(log_folder))
        self._shown = shown
        n_before = resumed_steps(saved, self.card()) if resume else 0
        be_reproducible(recipe.seed)
        start_ray(self.cluster.address)
        register()
        self.algorithm = algorithm_config(
            self.task, self.recipe, n_before, self.cluster
        ).build_algo()
        self.n_steps = n_before
        self._imitates = recipe.imitate and not resume and can_imitate(task)
        if resume:
            self.algorithm.restore_from_path(str(self.folder))

    def learn(self) -> Scores:
        """Train to the end, or until Ctrl-C or SIGTERM; the best policy's validation scores."""
        start_s = time.perf_counter()
        first = self.n_steps
        end = first + self.recipe.timesteps
        every = max(self.recipe.timesteps // max(self.recipe.validations, 1), 1)
        due = first + every
        with StopOnInterrupt() as stop, Screen(self.recipe.timesteps, shown=self._shown) as screen:
            if self._imitates:
                self.imitate()
            if first > 0:  # resumed: what is there already may stay the best
                self.validate()
            while self.n_steps < end and not stop.requested:
                result = self.algorithm.train()
                self.n_steps = int(result["num_env_steps_sampled_lifetime"])
                self._report(result, screen, self.n_steps - first)
                if due <= self.n_steps < end:
                    self.validate()
                    due += every
            self.validate()
        self.interrupted = stop.requested
        self.seconds += time.perf_counter() - start_s
        assert self._best is not None
        return self._best[1]

    def imitate(self) -> None:
        """Start from a clone of the skew maker."""
        module, space = self.module(), action_space(self.task)
        imitate(actor_of(module), space, self.task, self.recipe, lesson_seed(self.recipe))
        learners, runners = self.algorithm.learner_group, self.algorithm.env_runner_group
        weights = learners.get_weights()[DEFAULT_MODULE_ID] | module.get_state()
        learners.set_weights({DEFAULT_MODULE_ID: weights})
        runners.sync_weights(from_worker_or_learner_group=learners, inference_only=True)

    def _report(self, result: dict[str, Any], screen: Screen, n_done: int) -> None:
        figures = figures_of(result)
        rate = screen.show(n_done, figures)
        for name, value in {**figures, "steps_per_s": rate}.items():
            self._logger.record(f"market/{name}", value)
        self._logger.dump(self.n_steps)

    def validate(self) -> None:
        """Judge the greedy policy on the validation seeds, keep the best, save a checkpoint."""
        policy = module_policy(self.module(), self.card())
        seeds = VALIDATION_SEEDS[: self.recipe.validation_seeds]
        scores = evaluate(policy, self.task.on("validation"), seeds)
        summary = scores.summary()
        self.history.append({"timesteps": self.n_steps, **summary})
        for name, value in summary.items():
            self._logger.record(f"validation/{name}", value)
        self._logger.dump(self.n_steps)
        best = self._best
        keeps_last = self.recipe.validations == 0
        if best is None or keeps_last or scores.objective > best[1].objective:
            self._best = policy, scores
        self.checkpoint()

    def module(self) -> Any:
        """The network as the learner has it now. The runners' copies may be older: those of APPO and
        IMPALA are updated now and then, and this process's own not at all while others run.
        """
        module = self.algorithm.get_module()
        weights = self.algorithm.learner_group.get_weights()[DEFAULT_MODULE_ID]
        known = module.get_state()  # without the critic, which only the learner has
        module.set_state({name: weights[name] for name in known})
        return module

    def checkpoint(self) -> None:
        """Save all that training goes on from, and the card beside it."""
        self.algorithm.save_to_path(str(self.folder))
        card = self.card()
        card["training"]["timesteps"] = self.n_steps
        (self.folder / CARD_NAME).write_text(json.dumps(card, indent=1), encoding="utf-8")

    def policy(self) -> Policy:
        """The best policy so far."""
        assert self._best is not None
        return self._best[0]

    def card(self) -> dict[str, Any]:
        """What the policy file says of this run."""
        card = card_of(self.task, self.recipe)
        card["training"] |= {
            "library": "rllib",
            "ray": ray.__version__,
            "n_runners": self.cluster.n_runners,
        }
        return card

    def save(self, path: Path, scores: dict[str, Any] | None = None) -> list[Path]:
        """Write the best policy with its card; the files, the checkpoint's folder last."""
        policy = self.policy()
        card = {**policy.card, "scores": scores or {}}
        card["training"] |= {
            "timesteps": self.n_steps,
            "seconds": round(self.seconds, 1),
            "interrupted": self.interrupted,
            "validation": self.history,
        }
        return [*save_network(Policy(policy.network, card), path), self.folder]

    def close(self) -> None:
        """End the algorithm and its runners; Ray goes on for the next run."""
        self.algorithm.stop()
        self._logger.close()


def check_algorithm(recipe: Recipe) -> None:
    """Raise RecipeError for an algorithm that is not trained by RLlib here."""
    if recipe.algorithm not in RLLIB_ALGORITHMS:
        raise RecipeError(
            f"RLlib trains {', '.join(RLLIB_ALGORITHMS)} here; {recipe.algorithm} has --library sb3"
        )


def log_options(folder: Path | None) -> tuple[str | None, list[str]]:
    """For SB3's logger, which writes TensorBoard files."""
    return (None, []) if folder is None else (str(folder), ["tensorboard"])


def saved_card(folder: Path) -> Any:
    """The card beside a checkpoint. Raises RecipeError when there is none that can be read."""
    path = folder / CARD_NAME
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"nothing to resume: {path} cannot be read: {error}") from error


def resumed_steps(saved: Any, card: dict[str, Any]) -> int:
    """How many steps a checkpoint has behind it. Raises RecipeError for another task's."""
    for name in ("features", "feature_table", "task"):
        if saved.get(name) != json.loads(json.dumps(card[name])):
            raise RecipeError(f"the checkpoint does not continue this task: its {name} differ")
    return int(saved["training"].get("timesteps", 0))


def start_ray(address: str | None) -> None:
    """Join a cluster, or start one on this machine; nothing when that is done already."""
    if not ray.is_initialized():
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=40)


def algorithm_config(task: TaskConfig, recipe: Recipe, n_before: int, cluster: Cluster) -> Any:
    """RLlib's configuration of the run. n_before: steps that a resumed run has behind it."""
    n_runners = cluster.n_runners
    if recipe.n_envs % max(n_runners, 1):
        raise RecipeError(f"{recipe.n_envs} markets are not shared evenly by {n_runners} runners")
    n_steps_an_update = recipe.n_envs * recipe.n_steps
    config = CONFIGS[recipe.algorithm]()
    config.environment(
        ENV_NAME,
        env_config=env_config(task, recipe, n_before),
        normalize_actions=False,
        clip_actions=False,
    )
    config.env_runners(
        num_env_runners=n_runners,
        num_envs_per_env_runner=recipe.n_envs // max(n_runners, 1),
        gym_env_vectorize_mode="vector_entry_point",
        rollout_fragment_length=recipe.n_steps,
    )
    config.learners(num_learners=0, num_gpus_per_learner=0)
    config.rl_module(
        model_config=DefaultModelConfig(
            fcnet_hiddens=list(recipe.hidden),
            fcnet_activation=recipe.activation,
            vf_share_layers=False,
        )
    )
    config.training(
        train_batch_size_per_learner=n_steps_an_update,
        lr=learning_rates(recipe, n_before),
        gamma=recipe.gamma,
        entropy_coeff=recipe.entropy,
        vf_loss_coeff=VALUE_WEIGHT,
        grad_clip=GRADIENT_MAX,
        grad_clip_by="global_norm",
        **own_settings(recipe),
    )
    config.reporting(  # APPO and IMPALA learn beside the loop, which must not keep asking
        min_time_s_per_iteration=0 if recipe.algorithm == "ppo" else ASYNCHRONOUS_ITERATION_S,
        min_sample_timesteps_per_iteration=0,
    )
    config.callbacks(MarketFigures)
    config.debugging(seed=recipe.seed, log_level="ERROR")
    return config


def env_config(task: TaskConfig, recipe: Recipe, n_before: int) -> dict[str, Any]:
    """What `rllib_env.new_environment` is given on every runner."""
    return {
        "task": task.as_dict(),
        "seed": recipe.seed,
        "first_seed": first_seed(recipe) + n_before % SEEDS_A_RUN,
    }


def learning_rates(recipe: Recipe, n_before: int) -> list[list[float]]:
    """RLlib's schedule: linear over this run, constant over what a resumed one has behind it."""
    first, last = recipe.learning_rate, recipe.learning_rate_end
    steps = [[0, first]] if n_before == 0 else [[0, first], [n_before, first]]
    return [*steps, [n_before + recipe.timesteps, last]]


def own_settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that only this algorithm has."""
    if recipe.algorithm == "impala":
        return {}
    settings: dict[str, Any] = {
        "lambda_": recipe.gae_lambda,
        "clip_param": recipe.clip_range,
        "use_kl_loss": False,
    }
    if recipe.algorithm == "ppo":
        settings |= {
            "minibatch_size": min(recipe.batch_size, recipe.n_steps * recipe.n_envs),
            "num_epochs": recipe.n_epochs,
            "vf_clip_param": np.inf,
        }
    return settings
