"""Judge a policy on seeds: the greedy action in every market, episode by episode."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rl.baselines import Quoter, run_episodes
from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.scores import Scores
from strategies.network import choose_rows
from strategies.policy import Policy, PolicyError

ROWS_MAX = 256  # markets at once: more leave the processor's caches
Decide = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]

# Which seeds are for what. Nothing is ever chosen by the test seeds.
TRAINING_SEEDS_MIN = 10_000_000  # training run s starts at this + 1,000,000 s
TUNING_SEEDS = range(100_000, 100_300)  # parameters of baselines
VALIDATION_SEEDS = range(200_000, 201_000)  # the best policy of a run, the best run
# What is reported; 300,000-300,299 and a thousand each from 400,000, 500,000 and 600,000 on were spent on
# earlier recipes.
TEST_SEEDS = range(700_000, 701_000)


def evaluate(policy: Policy, task: TaskConfig, seeds: Sequence[int]) -> Scores:
    """One episode of the task on each seed. Scores are before `reward_scale`."""
    return evaluate_actions(greedy(policy), task, seeds)


def evaluate_actions(decide: Decide, task: TaskConfig, seeds: Sequence[int]) -> Scores:
    """The same for any function from observations (n, n_features) to actions (n, 3)."""
    parts = [
        _episodes(decide, task, seeds[first : first + ROWS_MAX])
        for first in range(0, len(seeds), ROWS_MAX)
    ]
    return _scores(seeds, np.concatenate(parts), task)


def evaluate_quoter(quotes: Quoter, task: TaskConfig, seeds: Sequence[int]) -> Scores:
    """The same for a strategy over arrays, see `rl.baselines.quoter`."""
    episodes = run_episodes(task, seeds, quotes)
    return _scores(seeds, episodes, task)


def _scores(seeds: Sequence[int], episodes: Any, task: TaskConfig) -> Scores:
    """What EPISODE records, one a seed, say."""
    return Scores(
        seeds=np.array(seeds, np.int64),
        pnl=episodes["equity"].copy(),
        reward=episodes["reward"] / task.reward_scale,
        mean_abs_position=episodes["positions"] / task.episode_steps,
    )


def _episodes(decide: Decide, task: TaskConfig, seeds: Sequence[int]) -> npt.NDArray[Any]:
    batch = MarketBatch(len(seeds), task, seeds)
    observations = batch.reset()
    for _ in range(task.episode_steps):
        observations, _, _ = batch.step(decide(observations))
    return batch.episodes


def greedy(policy: Policy) -> Decide:
    """A policy's most likely action for many observations at once, each as for it alone."""
    output = policy.card["output"]
    if output["kind"] != "choices":
        return lambda rows: np.stack([policy.act(row) for row in rows]).astype(np.float64)
    sizes = np.array(output["sizes"], np.int64)
    batch = getattr(policy.network, "batch", None)
    if batch is None:
        raise PolicyError("this network takes one observation at a time")

    def decide(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        actions = np.empty((len(observations), len(sizes)), np.int64)
        choose_rows(batch(observations), sizes, actions)
        return actions.astype(np.float64)

    return decide
