"""Does a policy win? Baselines tuned on tuning seeds, everybody compared on held-out test seeds.

Every family is searched twice with the same budget of market steps, once for Sharpe and once for the
mean reward of the task; both come to the test. All of it runs over arrays (`rl.baselines`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.config import TaskConfig
from rl.contest import Contestant
from rl.evaluate import TUNING_SEEDS, evaluate
from rl.interrupt import spread_over
from rl.scores import Scores, paired
from rl.tune import Search, Tuned, score, tune
from strategies.policy import ADVICE, PolicyError, load_policy

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
    sizes: tuple[int, ...] = (2, 3, 5, 8)  # lots that the policy is also tried with, for each one


def judge(plan: Plan, *, n_processes: int = 1, say: Say = lambda line: None) -> Json:
    """Tune, test, compare. say: told what is done.

    Raises PolicyError for a file that is none. Ctrl-C is a KeyboardInterrupt: a search that was cut
    short gives no result.
    """
    card = load_policy(plan.model_path).card
    # a limit that the policy was trained with is its own: a baseline's is searched with the rest of it
    task = _task_of(plan.model_path).change(position_max=TaskConfig().position_max, unit_lots=1)
    runs = [training_of(path) for path in plan.runs]
    for path in plan.runs:
        _task_of(path)  # a damaged one is found now, not after the searches
    with spread_over(n_processes) as spread:
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
        if found.interrupted:
            raise KeyboardInterrupt
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
    tasks = [task.change(unit_lots=lots) for lots in (1, *plan.sizes)]
    policy, *larger = spread(
        _score_policy, [(plan.model_path, each, plan.test_seeds) for each in tasks]
    )
    entries = [(_contestant(row), task, plan.test_seeds) for row in baselines.values()]
    found = dict(zip(baselines, spread(_score, entries), strict=True))
    return {
        "strategies": {RL: policy.report()} | {name: of.report() for name, of in found.items()},
        "paired": {name: paired(policy, scores) for name, scores in found.items()},
        "sizes": {str(lots): of.report() for lots, of in zip(plan.sizes, larger, strict=True)},
    }


def _contestant(row: Json) -> Contestant:
    return Contestant(row["family"], tuple(f"{k}={v}" for k, v in row["parameters"].items()))


def training_of(path: Path) -> Json:
    """What a training run says of itself. Raises PolicyError."""
    training = load_policy(path).card.get("training", {})
    try:
        return {
            "file": path.name,
            "seed": training.get("recipe", {}).get("seed"),
            "timesteps": int(training.get("timesteps", 0)),
            "seconds": training.get("seconds"),
            "validation": max(
                training.get("validation", []), key=lambda row: row["reward"], default=None
            ),
        }
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise PolicyError(f"{path}: the training on its card: {error!r}: {ADVICE}") from error


def _task_of(path: Path) -> TaskConfig:
    """What a policy was trained for. Raises PolicyError."""
    task = load_policy(path).card["task"]
    try:
        return TaskConfig.from_dict(task)
    except ValueError as error:
        raise PolicyError(f"{path}: the task on its card: {error}: {ADVICE}") from error


# One argument each, so that they can be mapped over processes.


def _tune(work: tuple[Search, int]) -> Tuned:
    return tune(*work)


def _score(work: tuple[Contestant, TaskConfig, Sequence[int]]) -> Scores:
    return score(*work)


def _score_policy(work: tuple[Path, TaskConfig, Sequence[int]]) -> Scores:
    path, task, seeds = work
    policy, own = load_policy(path), _task_of(path)  # its action and features, in the task's market
    seen = {"features": own.features, "action": own.action, "skew": own.skew}
    units = {"position_max": own.position_max, "unit_lots": own.unit_lots * task.unit_lots}
    return evaluate(policy, task.change(**seen, **units), seeds)
