"""How a policy is trained, as data: every number of a run, presets by name, files of them.

The task (what is rewarded, observed and allowed) is `rl.config.TaskConfig`; this is the rest.
"""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

from rl.config import ConfigError, TaskConfig
from rl.evaluate import VALIDATION_SEEDS
from strategies.actions import OFFSET_MAX, QUANTITY_MAX
from strategies.features import feature_names

ALGORITHMS = ("ppo", "a2c", "dqn", "sac")  # of Stable-Baselines3
RLLIB_ALGORITHMS = ("ppo", "appo", "impala")
ALL_ALGORITHMS = (*ALGORITHMS, *RLLIB_ALGORITHMS[1:])
OFF_POLICY = ("dqn", "sac")  # which learn from what is remembered, after every step
ROLLOUT_MAX = 4_000_000  # decisions between two updates: 2 GB
RESUMED = ("timesteps", "validations", "validation_seeds")  # settings that a resumed run may change


class RecipeError(ValueError):
    """A training setting that does not exist or cannot be."""


@dataclass(frozen=True)
class Recipe:
    """One training run. Steps are decisions in one market; `n_envs` markets take one at a time.

    The lowest and the highest value of a number stand with its type.
    """

    algorithm: str = "ppo"
    timesteps: Annotated[int, 1, 10**12] = 24_000_000
    n_envs: Annotated[int, 1, 10_000] = 512  # 82 kB each, of most recordings 5 MB
    seed: Annotated[int, 0, 9_999] = 0
    # the learner
    learning_rate: Annotated[float, 1e-9, 1] = 1e-3  # at the start
    learning_rate_end: Annotated[float, 0, 1] = 2e-5  # reached linearly
    # a horizon of 50 steps: what a fill was worth shows within seconds
    gamma: Annotated[float, 0, 1] = 0.98
    gae_lambda: Annotated[float, 0, 1] = 0.9
    clip_range: Annotated[float, 1e-6, 10] = 0.2
    entropy: Annotated[float, 0, 10] = 1e-4
    n_steps: Annotated[int, 1, 100_000] = 64  # in each market between two updates
    batch_size: Annotated[int, 2, 10**9] = 4_096  # all that n_envs x n_steps has where it is less
    n_epochs: Annotated[int, 1, 1_000] = 3
    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    # the start by imitation (PPO and A2C)
    imitate: bool = True
    teacher_half_spread: Annotated[float, 0, OFFSET_MAX] = 1.0  # ticks
    teacher_skew: Annotated[float, 0, 1_000] = 0.6  # ticks a lot
    teacher_quantity: Annotated[int, 1, QUANTITY_MAX] = 1  # lots
    lesson_steps: Annotated[int, 1, 10_000] = 700  # of the teacher, in each of 256 markets
    # validation during training: a Sharpe needs two seeds
    validation_seeds: Annotated[int, 2, len(VALIDATION_SEEDS)] = 1_000
    # spread over the run; 0 keeps the last policy instead of the best
    validations: Annotated[int, 0, 10_000] = 10

    def __post_init__(self) -> None:
        if self.algorithm not in ALL_ALGORITHMS:
            known = ", ".join(ALL_ALGORITHMS)
            raise RecipeError(f"algorithm {self.algorithm!r} is none of {known}")
        if self.activation not in ("relu", "tanh"):
            raise RecipeError(f"activation {self.activation!r} is neither relu nor tanh")
        for name, (lowest, highest) in bounds().items():
            value = getattr(self, name)
            if not lowest <= value <= highest:  # so that NaN, which compares as false, is refused
                raise RecipeError(f"{name} lies within {lowest:g} .. {highest:g}, not {value}")
        if not 2 <= self.n_envs * self.n_steps <= ROLLOUT_MAX:
            raise RecipeError(f"n_envs x n_steps: an update needs 2 .. {ROLLOUT_MAX:,} decisions")
        if not self.hidden or min(self.hidden) < 1 or max(self.hidden) > 1_024:
            raise RecipeError(f"hidden layers have 1 .. 1024 units, not {self.hidden}")

    @property
    def whole_timesteps(self) -> int:
        """`timesteps` rounded up to whole rollouts: what is trained."""
        rollout = self.n_envs * (1 if self.algorithm in OFF_POLICY else self.n_steps)
        return -(-self.timesteps // rollout) * rollout

    def as_dict(self) -> dict[str, Any]:
        """Every setting, as JSON has it."""
        return {**asdict(self), "hidden": list(self.hidden)}


def bounds() -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each number in a recipe."""
    hints = get_type_hints(Recipe, include_extras=True)
    return {
        name: hint.__metadata__ for name, hint in hints.items() if get_origin(hint) is Annotated
    }


# What SB3's papers and tutorials start from; batch 64 is theirs too, and many times slower.
CLASSIC = Recipe(
    timesteps=8_000_000,
    n_envs=64,
    learning_rate=3e-4,
    learning_rate_end=3e-4,
    gamma=0.99,
    gae_lambda=0.95,
    entropy=0.01,
    n_steps=256,
    batch_size=4_096,
    n_epochs=10,
    activation="tanh",
    imitate=False,
)
PRESETS: dict[str, Recipe] = {"tuned": Recipe(), "classic": CLASSIC}

# The task each preset is for. The classic one is the environment's default: the guide's reward, 13
# features. The tuned one is paid the mean of an episode's P&L less a tenth of its variance
# (pnl_variance is half of it), with a charge for what the position risks at this moment, and sees its
# own orders. It holds at most one lot, which is what saves it in markets wilder than those it knows;
# docs/TRAINING.md has what else was tried.
TASKS: dict[str, TaskConfig] = {
    "tuned": TaskConfig(
        features="extended",
        reward={
            "equity_change_clipped": 1.0,
            "volatility_scaled_position_squared": 0.012,
            "pnl_variance": 0.2,
        },
        pnl_target=0.038,
        reward_scale=0.1,
        position_max=1,
    ),
    "classic": TaskConfig(),
}


def read_config(path: Path, preset: str) -> tuple[TaskConfig, Recipe]:
    """Task and recipe from a JSON file {"task": {}, "training": {}}; the preset fills the rest.

    Raises RecipeError or ConfigError, naming the setting that is wrong.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RecipeError(f"{path} is not JSON: {error}") from error
    fits = isinstance(content, dict) and set(content) <= {"task", "training"}
    if not fits or not all(isinstance(part, dict) for part in content.values()):
        raise RecipeError(f'{path} is not of the form {{"task": {{}}, "training": {{}}}}')
    task = TASKS[preset].change(**content.get("task", {}))
    return task, with_settings(PRESETS[preset], content.get("training", {}))


def with_settings(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """The recipe with some settings changed; texts are read as the setting's type."""
    kinds = {item.name: type(getattr(recipe, item.name)) for item in fields(recipe)}
    values = {}
    for name, value in settings.items():
        if name not in kinds:
            raise RecipeError(f"no training setting {name!r}: choose of {', '.join(kinds)}")
        values[name] = _read(name, value, kinds[name])
    return replace(recipe, **values)


def _read(name: str, value: Any, kind: type) -> Any:
    try:
        if kind is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(int(part) for part in parts)
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        number = kind(value)
    except (TypeError, ValueError, KeyError, OverflowError):
        raise RecipeError(f"{name} is {kind.__name__}, not {value!r}") from None
    if kind is int and not isinstance(value, str) and number != value:
        raise RecipeError(f"{name} is a whole number, not {value!r}")
    return number


def check_task(task: TaskConfig) -> None:
    """Raise ConfigError for a task that would be trained without what it asks for."""
    if "score" in feature_names(task.features) and not task.predictor:
        raise ConfigError("the feature score is always 0 without a predictor: --use-predictor")


def resumed_recipe(card: Any, recipe: Recipe) -> Recipe:
    """The settings on a saved policy's card, which it goes on with, with the length of `recipe`.

    Raises RecipeError for a card that does not tell them.
    """
    try:
        saved = card["training"]["recipe"]
        own = Recipe(**{**saved, "hidden": tuple(saved["hidden"])})
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"the card does not tell how the policy was trained: {error}") from error
    return replace(own, **{name: getattr(recipe, name) for name in RESUMED})
