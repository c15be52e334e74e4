"""Does a policy win? Baselines tuned on tuning seeds, everybody compared on held-out test seeds.

Every family is searched twice with the same budget of market steps, once for Sharpe and once for the
mean reward of the task; both come to the test. All of it runs over arrays (`rl.baselines`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rl.config import TaskConfig
from rl.contest import Contestant
from rl.evaluate import TUNING_SEEDS, evaluate
from rl.scores import Scores, paired
from rl.tune import Search, Tuned, score, tune
from strategies.policy import load_policy

FAMILIES = ("symmetric", "skew", "avellaneda_stoikov", "glft")
OBJECTIVES = ("sharpe", "reward")
RL = "rl"
Json = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is judged, on what, and how hard the baselines may try."""

    model_path: Path
    markets: tuple[str, ...]  # presets; the task's own first, where the training runs are judged
    budget: int  # market steps of each search
    test_seeds: range
    runs: tuple[Path, ...] = ()  # the policies of all training seeds
    tuning_seeds: range = TUNING_SEEDS
    seed: int = 0  # of the searches


def judge(plan: Plan, *, n_processes: int = 1, say: Say = lambda line: None) -> Json:
    """Tune, test, compare. PolicyError for a file that is none. say: told what is done."""
    card = load_policy(plan.model_path).card
    # a limit that the policy was trained with is its own: a baseline's is searched with the rest of it
    task = TaskConfig.from_dict(card["task"]).change(position_max=TaskConfig().position_max)
    runs = [_card_of(path) for path in plan.runs]
    with _pool(n_processes) as spread:
        baselines = _tuned(plan, task, spread, say)
        markets = {}
        for market in plan.markets:
            markets[market] = _compare(plan, task.change(market=market), baselines, spread)
            say(f"tested on {market}")
        if runs:
            scores = list(
                spread(_score_policy, [(path, task, plan.test_seeds) for path in plan.runs])
            )
            for run, found in zip(runs, scores, strict=True):
                run["test"] = found.report()
    return {
        "policy": plan.model_path.name,
        "training": card.get("training", {}),
        "task": task.as_dict(),
        "budget": plan.budget,
        "tuning_seeds": [plan.tuning_seeds.start, plan.tuning_seeds.stop - 1],
        "test_seeds": [plan.test_seeds.start, plan.test_seeds.stop - 1],
        "baselines": baselines,
        "markets": markets,
        "runs": runs,
    }


@contextmanager
def _pool(n_processes: int) -> Iterator[Callable[..., Any]]:
    """A `map(function, arguments)` over processes, or in this one."""
    if n_processes == 1:
        yield map
        return
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        yield pool.map


def _tuned(plan: Plan, task: TaskConfig, spread: Any, say: Say) -> dict[str, Json]:
    """The best of each family by each objective, as rows of the report."""
    searches = [
        Search(family, task, plan.tuning_seeds, objective, seed=plan.seed)
        for family in FAMILIES
        for objective in OBJECTIVES
    ]
    n_trials = -(-plan.budget // searches[0].steps_a_trial)
    rows = {}
    for search, found in zip(
        searches, spread(_tune, [(search, n_trials) for search in searches]), strict=True
    ):
        say(f"tuned {search.strategy} for {search.objective}: {found.value:.2f}")
        rows[f"{search.strategy} ({search.objective})"] = {
            "family": search.strategy,
            "objective": search.objective,
            "parameters": found.parameters,
            "value": found.value,
            "default_value": found.default_value,
            "trials": found.n_trials,
            "market_steps": found.n_trials * search.steps_a_trial,
        }
    return rows


def _compare(plan: Plan, task: TaskConfig, baselines: Mapping[str, Json], spread: Any) -> Json:
    """Everybody's scores on the test seeds, and the policy less each baseline."""
    (policy,) = spread(_score_policy, [(plan.model_path, task, plan.test_seeds)])
    entries = [(_contestant(row), task, plan.test_seeds) for row in baselines.values()]
    found = dict(zip(baselines, spread(_score, entries), strict=True))
    return {
        "strategies": {RL: policy.report()} | {name: of.report() for name, of in found.items()},
        "paired": {name: paired(policy, scores) for name, scores in found.items()},
    }


def _contestant(row: Json) -> Contestant:
    return Contestant(row["family"], tuple(f"{k}={v}" for k, v in row["parameters"].items()))


def _card_of(path: Path) -> Json:
    """What a training run says of itself."""
    training = load_policy(path).card.get("training", {})
    return {
        "file": path.name,
        "seed": training.get("recipe", {}).get("seed"),
        "timesteps": training.get("timesteps"),
        "seconds": training.get("seconds"),
        "validation": max(
            training.get("validation", []), key=lambda row: row["reward"], default=None
        ),
    }


# One argument each, so that they can be mapped over processes.


def _tune(work: tuple[Search, int]) -> Tuned:
    return tune(*work)


def _score(work: tuple[Contestant, TaskConfig, Sequence[int]]) -> Scores:
    return score(*work)


def _score_policy(work: tuple[Path, TaskConfig, Sequence[int]]) -> Scores:
    path, task, seeds = work
    policy = load_policy(path)
    own = TaskConfig.from_dict(policy.card["task"])  # its action and features, in the task's market
    seen = {"features": own.features, "action": own.action, "skew": own.skew}
    return evaluate(policy, task.change(**seen, position_max=own.position_max), seeds)
