"""Tune a strategy's parameters on tuning seeds: `tune_strategy.py --strategy skew --trials 200`.

Prints the best as `--param` words; `--save FILE` writes them for `backtest.py --tuned FILE`. Ctrl-C
keeps the best so far; `--storage FILE` (SQLite) lets a later run go on. The ranges stand beside the
strategy's parameters (`SEARCH`); test seeds are never touched.
"""

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rl.config import ConfigError, TaskConfig
from rl.evaluate import TEST_SEEDS, TUNING_SEEDS
from rl.market_file import read_market
from rl.page import check_writable
from rl.provenance import provenance
from rl.tune import OBJECTIVES, Search, Tuned, tune
from strategies.registry import StrategyError
from strategies.strategy import DecisionError
from strategies.tuning import Range

END_MAX = 1_000_000_000  # of a range


def main() -> int:
    """Parse, search, print."""
    arguments = new_parser().parse_args()
    if importlib.util.find_spec("optuna") is None:
        sys.exit("tuning needs Optuna: pip install -e '.[tune]'")
    try:
        search = read_search(arguments)
        for path in (arguments.storage, arguments.save):
            if path is not None:
                check_writable(path)
        found = run(arguments, search)
    except (StrategyError, ConfigError, OSError) as error:
        print(f"tune_strategy: {error}", file=sys.stderr)
        return 2
    except DecisionError as error:
        print(f"tune_strategy: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tune_strategy: stopped before the first trial was done", file=sys.stderr)
        return 130
    report = describe(search, found)
    if arguments.save is not None:
        arguments.save.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)
    return 0


def new_parser() -> argparse.ArgumentParser:
    """The command line."""
    this = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    this.add_argument("--strategy", required=True, help="a name, or path/to/file.py:Class")
    this.add_argument("--market", default="default", help="a preset, or a JSON file of parameters")
    length = this.add_mutually_exclusive_group()
    length.add_argument("--trials", type=int, default=100, help="in all, those stored counted")
    length.add_argument("--budget", type=int, metavar="STEPS", help="trials by market steps")
    this.add_argument("--episodes", type=int, default=len(TUNING_SEEDS), help="of each trial")
    this.add_argument("--steps", type=int, help="decisions an episode (default 1000)")
    this.add_argument("--first-seed", type=int, default=TUNING_SEEDS.start, help="of the markets")
    this.add_argument("--seed", type=int, default=0, help="of the search")
    this.add_argument("--objective", choices=tuple(OBJECTIVES), default="sharpe")
    this.add_argument(
        "--param", action="append", default=[], metavar="KEY=VALUE", help="held fixed"
    )
    this.add_argument("--range", action="append", default=[], metavar="KEY=LOW..HIGH[:log]",
                      dest="ranges", help="searched in place of the strategy's own")  # fmt: skip
    this.add_argument("--processes", type=int, default=os.cpu_count() or 1,
                      help="for strategies without a form over arrays")  # fmt: skip
    this.add_argument("--storage", type=Path, metavar="FILE", help="SQLite file of all trials")
    this.add_argument("--save", type=Path, metavar="FILE", help="write the result as JSON")
    this.add_argument("--json", action="store_true", help="print one JSON object")
    return this


def read_search(arguments: argparse.Namespace) -> Search:
    """What the options ask for, checked before anything runs."""
    values = read_market(arguments.market)
    if arguments.steps is not None:
        values["episode_steps"] = arguments.steps
    numbers = (arguments.trials, arguments.processes, arguments.budget or 1)
    if arguments.episodes < 2 or min(numbers) < 1 or min(arguments.first_seed, arguments.seed) < 0:
        raise ConfigError("--episodes is 2 or more, seeds 0 or more, other numbers 1 or more")
    scheme, is_url, _ = str(arguments.storage).partition(":/")
    if is_url and len(scheme) > 1:  # one letter is a drive of Windows
        raise ConfigError(f"--storage is the name of a file, not an address: {arguments.storage}")
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.episodes)
    if seeds.start < TEST_SEEDS.stop and TEST_SEEDS.start < seeds.stop:
        raise ConfigError(
            f"seeds {seeds.start}-{seeds.stop - 1} are for testing: never tune on them"
        )
    search = Search(
        strategy=arguments.strategy,
        task=TaskConfig.from_dict(values),
        seeds=seeds,
        objective=arguments.objective,
        fixed=tuple(arguments.param),
        ranges=dict(read_range(text) for text in arguments.ranges) or None,
        seed=arguments.seed,
    )
    search.searched()
    return search


def read_range(text: str) -> tuple[str, Range]:
    """KEY=LOW..HIGH, with :log behind it for equal ratios."""
    key, _, bounds = text.partition("=")
    numbers, _, scale = bounds.partition(":")
    low, dots, high = numbers.partition("..")
    try:
        if not dots or scale not in ("", "log"):
            raise ValueError("not KEY=LOW..HIGH or KEY=LOW..HIGH:log")
        ends = as_number(low), as_number(high)
        if not all(abs(end) <= END_MAX for end in ends):
            raise ValueError(f"its ends lie within -{END_MAX:,} .. {END_MAX:,}")
        return key, Range(*ends, scale == "log")
    except ValueError as error:
        raise StrategyError(f"--range {text!r}: {error}") from None


def as_number(text: str) -> int | float:
    """A whole number where it is written as one."""
    return int(text) if text.lstrip("-").isdigit() else float(text)


def run(arguments: argparse.Namespace, search: Search) -> Tuned:
    """The search, with its progress."""
    n_trials = arguments.trials
    if arguments.budget is not None:
        n_trials = -(-arguments.budget // search.steps_a_trial)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        bar = progress.add_task(search.strategy, total=n_trials)
        return tune(
            search,
            n_trials,
            storage=arguments.storage,
            n_processes=arguments.processes,
            progress=lambda n_done, best: progress.update(
                bar, completed=n_done, description=f"best {search.objective} {best:.3f}"
            ),
        )


def describe(search: Search, found: Tuned) -> dict[str, Any]:
    """The result as one object."""
    return {
        "strategy": search.strategy,
        "parameters": found.parameters,
        "param_words": [f"{name}={value}" for name, value in found.parameters.items()],
        "objective": search.objective,
        "value": found.value,
        "default_value": found.default_value,
        "trials": found.n_trials,
        "market_steps": found.n_trials * search.steps_a_trial,
        "interrupted": found.interrupted,
        "seeds": [search.seeds.start, search.seeds.stop - 1],
        "ranges": {name: [r.low, r.high] for name, r in search.searched().items()},
        "task": search.task.as_dict(),
        **provenance(),
    }


def show(report: dict[str, Any]) -> None:
    """Ready to be pasted."""
    print(" ".join(f"--param {word}" for word in report["param_words"]))
    default = report["default_value"]
    compared = "" if default is None else f", with its defaults {default:.3f}"
    first, last = report["seeds"]
    print(
        f"{report['objective']} {report['value']:.3f}{compared}; {report['trials']} trials, "
        f"{report['market_steps']:,} market steps on seeds {first}-{last}"
        f"{', interrupted' if report['interrupted'] else ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
