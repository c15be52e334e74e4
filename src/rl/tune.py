"""Search a strategy's parameters on tuning seeds, with Optuna (the extra `tune`).

Where the strategy has a form over arrays (`rl.baselines`) thousands of episodes are judged a second;
else its class is run as `rl.contest` runs it. Both give the same scores, to the byte.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rl.baselines import quoter
from rl.config import TaskConfig
from rl.contest import Contestant, run_contest
from rl.evaluate import evaluate_quoter
from rl.interrupt import Interrupt
from rl.scores import Scores
from strategies.registry import StrategyError, find_strategy, parse_parameters
from strategies.tuning import Range

if TYPE_CHECKING or find_spec("optuna"):  # an extra; the scripts' --help does without
    import optuna

OBJECTIVES: dict[str, Callable[[Scores], float]] = {
    "sharpe": lambda scores: scores.sharpe,
    "reward": lambda scores: float(scores.reward.mean()),
    "pnl": lambda scores: float(scores.pnl.mean()),
}
DIGITS = 4  # of a parameter: what is printed is what was tried


@dataclass(frozen=True)
class Search:
    """What is searched for, and on what."""

    strategy: str
    task: TaskConfig
    seeds: range
    objective: str = "sharpe"
    fixed: tuple[str, ...] = ()  # parameters held, as `key=value` words
    ranges: Mapping[str, Range] | None = None  # of the strategy's own unless given
    seed: int = 0  # of the search itself

    @property
    def steps_a_trial(self) -> int:
        """Market steps that one set of parameters costs."""
        return len(self.seeds) * self.task.episode_steps

    def searched(self) -> dict[str, Range]:
        """Parameters and ranges. StrategyError when there are none, or for one that cannot be."""
        strategy_class = find_strategy(self.strategy)
        ranges = getattr(strategy_class, "SEARCH", {}) if self.ranges is None else self.ranges
        if not ranges:
            raise StrategyError(
                f"{self.strategy} does not say what to tune: give --range KEY=LOW..HIGH, or its "
                f"class a SEARCH as in strategies/skew.py"
            )
        ends = [f"{name}={end}" for name, r in ranges.items() for end in (r.low, r.high)]
        values = parse_parameters(self.strategy, strategy_class, ends)
        texts = [name for name, value in values.items() if isinstance(value, str)]
        if texts:
            raise StrategyError(
                f"{self.strategy}: {texts[0]} is a text, and only numbers are tuned"
            )
        held = set(parse_parameters(self.strategy, strategy_class, self.fixed))
        found = {name: bounds for name, bounds in ranges.items() if name not in held}
        if not found:
            raise StrategyError(f"all that could be tuned of {self.strategy} is held fixed")
        return found

    def contestant(self, parameters: Mapping[str, float]) -> Contestant:
        """The strategy with these parameters and the fixed ones."""
        words = [f"{name}={value}" for name, value in parameters.items()]
        return Contestant(self.strategy, (*self.fixed, *words))

    def name(self) -> str:
        """Of the study: trials of different questions do not mix in one file."""
        ranges = {name: asdict(bounds) for name, bounds in self.searched().items()}
        asked = [self.task.to_json(), str(self.seeds), sorted(self.fixed), ranges]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
        return f"{self.strategy} by {self.objective} {digest}"


@dataclass(frozen=True)
class Tuned:
    """What a search found."""

    parameters: dict[str, float | int | str]  # those held among them
    value: float  # of the objective, on the tuning seeds
    default_value: float | None  # of the strategy's own defaults; None where they cannot be tried
    n_trials: int
    interrupted: bool


def score(
    contestant: Contestant, task: TaskConfig, seeds: Sequence[int], n_processes: int = 1
) -> Scores:
    """One episode a seed, the fast way where there is one."""
    strategy: Any = contestant.new()
    try:
        quotes = quoter(strategy)
    except ValueError:
        return score_class(contestant, task, seeds, n_processes)
    return evaluate_quoter(quotes, task, seeds)


def score_class(
    contestant: Contestant, task: TaskConfig, seeds: Sequence[int], n_processes: int = 1
) -> Scores:
    """The same by the strategy's own class; a taker's P&L is at the mid, its reward NaN."""
    (episodes,) = run_contest([contestant], task, seeds, n_processes=n_processes)
    pnl = episodes["pnl_others_mid"]
    return Scores(
        seeds=np.array(seeds, np.int64),
        pnl=np.where(np.isnan(pnl), episodes["pnl"], pnl),
        reward=episodes["reward"],
        mean_abs_position=episodes["mean_abs_position"],
    )


def tune(
    search: Search,
    n_trials: int,
    *,
    storage: Path | None = None,
    n_processes: int = 1,
    progress: Callable[[int, float], None] = lambda n_done, best: None,
) -> Tuned:
    """Search until n_trials are done in all, those of an earlier run in `storage` counted.

    The strategy's defaults are the first trial, so the best is never worse than they. Ctrl-C ends
    the search after the trial at hand with the best so far (KeyboardInterrupt when there is none).
    progress: called after each trial with the number done and the best value.
    Raises OSError for a storage that cannot be opened, StrategyError.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    stored = None if storage is None else _open(storage)
    try:
        return _tune(search, n_trials, stored, n_processes, progress)
    finally:
        if stored is not None:
            stored.remove_session()
            stored.engine.dispose()


def _open(storage: Path) -> "optuna.storages.RDBStorage":
    """The trials in a SQLite file, which is made where it is not there. Raises OSError."""
    try:
        return optuna.storages.RDBStorage(f"sqlite:///{storage}")
    except Exception as error:  # of SQLite, of SQLAlchemy or of Optuna: the first line says it
        reason = str(error).split("\n", maxsplit=1)[0]
        raise OSError(f"{storage} is no file of trials: {reason}") from error


def _tune(search: Search, n_trials: int, stored: Any, n_processes: int, progress: Any) -> Tuned:
    study = optuna.create_study(
        study_name=search.name(), storage=stored, direction="maximize", load_if_exists=True
    )
    done = len(_complete(study))
    # a search that goes on must not draw its first trials again
    study.sampler = optuna.samplers.TPESampler(seed=search.seed + done)
    defaults = _defaults(search)
    if not study.trials and defaults is not None:
        study.enqueue_trial(defaults)
    with Interrupt() as interrupt:
        study.optimize(
            lambda trial: _try(search, trial, n_processes),
            n_trials=max(n_trials - done, 0),
            callbacks=[lambda study, _: _tell(study, progress, interrupt)],
        )
    complete = _complete(study)
    if not complete and not interrupt.requested:
        raise StrategyError(f"{search.strategy} refused all that was tried: search another range")
    if not complete:
        raise KeyboardInterrupt
    first = complete[0]
    fixed = parse_parameters(search.strategy, find_strategy(search.strategy), search.fixed)
    return Tuned(
        parameters={**fixed, **_rounded(study.best_params)},
        value=study.best_value,
        default_value=first.value if _rounded(first.params) == defaults else None,
        n_trials=len(complete),
        interrupted=interrupt.requested,
    )


def _tell(
    study: "optuna.Study", progress: Callable[[int, float], None], interrupt: Interrupt
) -> None:
    done = len(_complete(study))
    if done:  # a refused trial has no value
        progress(done, study.best_value)
    if interrupt.requested:
        study.stop()


def _complete(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]


def _try(search: Search, trial: "optuna.Trial", n_processes: int) -> float:
    """The objective at one point; parameters that the strategy refuses are no trial."""
    parameters = _rounded({name: _suggest(trial, name, r) for name, r in search.searched().items()})
    try:
        scores = score(search.contestant(parameters), search.task, search.seeds, n_processes)
    except StrategyError as error:
        raise optuna.TrialPruned(str(error)) from error
    value = OBJECTIVES[search.objective](scores)
    if np.isnan(value):
        raise StrategyError(
            f"{search.strategy} has no {search.objective}: the reward is of quotes, and it takes"
        )
    return value


def _suggest(trial: "optuna.Trial", name: str, bounds: Range) -> float:
    if bounds.whole:
        return trial.suggest_int(name, int(bounds.low), int(bounds.high), log=bounds.log)
    return trial.suggest_float(name, bounds.low, bounds.high, log=bounds.log)


def _rounded(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for name, value in parameters.items()
    }


def _defaults(search: Search) -> dict[str, Any] | None:
    """The strategy's own values of what is searched; None when one lies outside its range."""
    known: dict[str, Any] = {
        item.name: item.default for item in fields(find_strategy(search.strategy))
    }
    found = {name: known[name] for name in search.searched()}
    for name, bounds in search.searched().items():
        if not isinstance(found[name], int | float) or not bounds.low <= found[name] <= bounds.high:
            return None
        found[name] = int(found[name]) if bounds.whole else float(found[name])
    return found
