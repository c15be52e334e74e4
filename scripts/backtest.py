"""Compare strategies on the same simulated markets, without sockets.

    backtest.py --strategies symmetric,skew,avellaneda_stoikov,glft,rl --episodes 1000

Each episode is a fresh market with its own seed: --seed, --seed + 1, ... Every strategy, the same
class that trades live, meets the same seeds. Figures are means over episodes with 95% bootstrap
intervals, in ticks, lots and tick-lots. Sharpe is mean / standard deviation of the episodes' P&L
(not annualized). Reward is that of the task: of the policy's card when rl takes part, else of the
--market file, else spread captured - 0.01 position^2 + 0.001 unrealized P&L a step. Differences are
paired by seed: rl (without it the strategy named first) less each other one.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from patience import patience
from rl.bootstrap import in_words
from rl.comparison import compare
from rl.config import ConfigError, TaskConfig
from rl.contest import Contestant, Episodes, run_contest
from rl.market_file import REWARD_FIELDS, read_market
from rl.page import check_writable, write_page
from rl.provenance import provenance
from strategies.registry import StrategyError
from strategies.rl_mm import RLMarketMaker
from strategies.strategy import DecisionError
from table_console import table_console

MAIN = {"sharpe": "Sharpe", "pnl": "P&L", "reward": "reward", "max_drawdown": "drawdown"}
DETAILS = {
    "captured_spread": "captured",
    "realized_spread": "realized",
    "adverse_selection_1s": "adverse 1 s",
    "adverse_selection_5s": "adverse 5 s",
    "fill_rate": "fill rate",
    "mean_abs_position": "mean |pos|",
    "max_abs_position": "max |pos|",
    "volume": "lots",
    "turnover": "turnover",
}


def main() -> int:
    """Parse, run, print."""
    parser = new_parser()
    arguments = parser.parse_args()
    console = Console(stderr=True)
    try:
        check_numbers(arguments)
        if arguments.report is not None:
            check_writable(arguments.report)
        contestants = read_contestants(arguments)
        task = read_task(arguments, contestants)
        results, seconds = run(arguments, contestants, task, console)
    except (StrategyError, ConfigError, OSError) as error:
        print(f"backtest: {error}", file=sys.stderr)
        return 2
    except DecisionError as error:
        print(f"backtest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("backtest: stopped", file=sys.stderr)
        return 130
    reference = "rl" if "rl" in results else next(iter(results))
    report = compare(results, reference)
    report |= describe(arguments, contestants, task, seconds)
    if arguments.report is not None:
        write_page(arguments.report, results, report)
        console.print(f"wrote {arguments.report}")
    if arguments.json:
        print(json.dumps(report))
    else:
        show(table_console(), report)
    return 0


def new_parser() -> argparse.ArgumentParser:
    """The command line."""
    this = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    this.add_argument(
        "--strategies", required=True, help="names, or path/to/file.py:Class, by commas"
    )
    this.add_argument("--param", action="append", default=[], metavar="NAME.KEY=VALUE")
    this.add_argument("--tuned", action="append", default=[], type=Path, metavar="FILE",
                      help="parameters as tune_strategy.py --save wrote them")  # fmt: skip
    this.add_argument("--market", default="default", help="a preset, or a JSON file of parameters")
    this.add_argument("--episodes", type=int, default=100)
    this.add_argument("--steps", type=int, help="decisions an episode (default 1000)")
    this.add_argument("--seed", type=int, default=0)
    this.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    this.add_argument("--json", action="store_true", help="print one JSON object")
    this.add_argument("--report", type=Path, metavar="FILE", help="write one HTML page")
    return this


def check_numbers(arguments: argparse.Namespace) -> None:
    """What argparse does not know."""
    if arguments.episodes < 2 or arguments.processes < 1:
        raise ConfigError("--episodes must be 2 or more, --processes 1 or more")
    if not 0 <= arguments.seed <= 2**62 - arguments.episodes:
        raise ConfigError("seeds are whole numbers within 0 .. 2**62 - 1")


def read_contestants(arguments: argparse.Namespace) -> dict[str, Contestant]:
    """Who takes part, by name, each tried once so that what is wrong is said at once."""
    names = [name for name in arguments.strategies.split(",") if name]
    if not names or len(set(names)) < len(names):
        raise StrategyError("--strategies are different names, divided by commas")
    words: dict[str, dict[str, str]] = {name: {} for name in names}
    for path in arguments.tuned:
        name, parameters = read_tuned(path)
        words_of(words, name, str(path)).update(parameters)
    for text in arguments.param:
        owner = next((name for name in names if text.startswith(f"{name}.")), None)
        if owner is None or "=" not in text:
            raise StrategyError(f"--param {text!r} is not NAME.KEY=VALUE of {', '.join(names)}")
        key, _, value = text[len(owner) + 1 :].partition("=")
        words[owner][key] = value
    found = {
        name: Contestant(name, tuple(f"{k}={v}" for k, v in of.items()))
        for name, of in words.items()
    }
    for contestant in found.values():
        contestant.new()
    return found


def read_tuned(path: Path) -> tuple[str, dict[str, str]]:
    """Name and parameters out of a file of tune_strategy.py."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return str(values["strategy"]), {k: str(v) for k, v in values["parameters"].items()}
    except OSError as error:
        raise StrategyError(f"--tuned {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StrategyError(f"{path} was not written by tune_strategy.py --save") from error


def words_of(words: dict[str, dict[str, str]], name: str, source: str) -> dict[str, str]:
    """The parameters so far of the strategy that a file is about."""
    if name not in words:
        raise StrategyError(f"{source} is about {name!r}, which does not take part")
    return words[name]


def read_task(arguments: argparse.Namespace, contestants: dict[str, Contestant]) -> TaskConfig:
    """The market, and the reward that everybody is measured by."""
    values = read_market(arguments.market)
    if arguments.steps is not None:
        values["episode_steps"] = arguments.steps
    if "rl" in contestants and not set(values) & set(REWARD_FIELDS):
        maker = contestants["rl"].new()
        assert isinstance(maker, RLMarketMaker)
        card = maker.policy.card["task"]
        values |= {name: card[name] for name in REWARD_FIELDS if name in card}
    return TaskConfig.from_dict(values)


def run(
    arguments: argparse.Namespace,
    contestants: dict[str, Contestant],
    task: TaskConfig,
    console: Console,
) -> tuple[dict[str, Episodes], float]:
    """Everybody on every seed; the seconds it took."""
    seeds = range(arguments.seed, arguments.seed + arguments.episodes)
    columns = TextColumn("episodes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    start = time.perf_counter()
    bars = Progress(*columns, console=console, transient=True)
    with patience() as has_begun, bars as progress:
        bar = progress.add_task("episodes", total=len(contestants) * len(seeds))

        def advance(n_episodes: int) -> None:
            has_begun()
            progress.advance(bar, n_episodes)

        found = run_contest(
            list(contestants.values()),
            task,
            seeds,
            n_processes=arguments.processes,
            progress=advance,
        )
    return dict(zip(contestants, found, strict=True)), time.perf_counter() - start


def describe(
    arguments: argparse.Namespace,
    contestants: dict[str, Contestant],
    task: TaskConfig,
    seconds: float,
) -> dict[str, Any]:
    """What was run, so that it can be run again."""
    n_decisions = len(contestants) * arguments.episodes * task.episode_steps
    return {
        "market": arguments.market,
        "episodes": arguments.episodes,
        "seeds": [arguments.seed, arguments.seed + arguments.episodes - 1],
        "parameters": {name: list(who.parameters) for name, who in contestants.items()},
        "task": task.as_dict(),
        "processes": arguments.processes,
        "seconds": round(seconds, 2),
        "decisions_per_s": round(n_decisions / seconds),
        **provenance(),
    }


def show(console: Console, report: dict[str, Any]) -> None:
    """Three tables: the main figures, what is behind them, differences."""
    first, last = report["seeds"]
    console.print(
        f"{report['market']}: {report['episodes']} episodes of {report['task']['episode_steps']} "
        f"decisions, seeds {first}-{last}; mean [95% interval]; {report['seconds']} s"
    )
    rows = report["strategies"]
    main_table = Table("strategy", *(f"{label}" for label in MAIN.values()))
    details = Table("strategy", *DETAILS.values())
    for name, figures in rows.items():
        main_table.add_row(name, *(in_words(figures[key], number) for key in MAIN))
        details.add_row(name, *(number(figures[key]["mean"]) for key in DETAILS))
    console.print(main_table, details)
    if report["paired"]:
        paired = Table(f"{report['reference']} less", *MAIN.values())
        for name, figures in report["paired"].items():
            paired.add_row(name, *(in_words(figures[key], number) for key in MAIN))
        console.print(paired)


def number(value: float | None) -> str:
    """As many digits as are worth reading."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{1 if abs(value) >= 20 else 2}f}"


if __name__ == "__main__":
    sys.exit(main())
