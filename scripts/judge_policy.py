"""Does the policy win? Baselines tuned on tuning seeds, everything compared on held-out test seeds.

Every family is tuned twice over its grid, for the mean reward of the task and for the Sharpe ratio
across episodes; both come to the test. Differences are paired by seed, with 95% intervals.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from exchange.simulation.presets import PRESETS
from rl.baselines import quoter
from rl.config import TaskConfig
from rl.evaluate import TEST_SEEDS, TUNING_SEEDS, evaluate, evaluate_quoter
from rl.scores import Scores, paired
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.glft import Glft
from strategies.policy import PolicyError, load_policy
from strategies.skew import SkewMaker
from strategies.symmetric_mm import SymmetricMaker

SHIPPED = Path(__file__).parents[1] / "models" / "rl_mm_agent.zip"
FAMILIES: dict[str, tuple[Any, dict[str, list[Any]]]] = {
    "symmetric": (SymmetricMaker, {"half_spread": [0.5, 1.0, 1.5, 2.0], "quantity": [1, 2, 5]}),
    "skew": (
        SkewMaker,
        {
            "half_spread": [0.75, 1.0, 1.25],
            "skew": [0.1, 0.2, 0.3, 0.4],
            "quantity": [1, 2, 3, 5],
        },
    ),
    "avellaneda_stoikov": (
        AvellanedaStoikov,
        {
            "risk_aversion": [0.03, 0.1, 0.3, 1.0],
            "time_left_max_s": [12.5, 50.0],
            "quantity": [1, 2, 5],
        },
    ),
    "glft": (Glft, {"risk_aversion": [0.3, 1.0, 3.0, 10.0], "quantity": [1, 2, 3, 5]}),
}


def candidates(family: str) -> Iterator[dict[str, Any]]:
    """Every point of the family's grid."""
    grid = FAMILIES[family][1]
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def tune(task: TaskConfig, seeds: Any, console: Console) -> dict[str, dict[str, Any]]:
    """The best parameters of each family on the seeds, by reward and by Sharpe."""
    best: dict[str, dict[str, Any]] = {}
    for family, (maker, _) in FAMILIES.items():
        points = list(candidates(family))
        scores = [
            evaluate_quoter(quoter(maker(**point)), task, seeds)
            for point in track(points, f"tuning {family}", console=console)
        ]
        by_reward = max(range(len(points)), key=lambda i: scores[i].objective)
        by_sharpe = max(range(len(points)), key=lambda i: scores[i].sharpe)
        best[f"{family} (reward)"] = {"family": family, "parameters": points[by_reward]}
        best[f"{family} (sharpe)"] = {"family": family, "parameters": points[by_sharpe]}
    return best


def judge(policy: Any, task: TaskConfig, baselines: Any, seeds: Any, console: Console) -> Any:
    """Scores of everybody on the same seeds, and paired differences policy - baseline."""
    found: dict[str, Scores] = {"rl": evaluate(policy, task, seeds)}
    for name, baseline in track(baselines.items(), f"testing on {task.market}", console=console):
        maker = FAMILIES[baseline["family"]][0](**baseline["parameters"])
        found[name] = evaluate_quoter(quoter(maker), task, seeds)
    return {
        "strategies": {name: scores.report() for name, scores in found.items()},
        "paired": {name: paired(found["rl"], found[name]) for name in baselines},
    }


def show(console: Console, market: str, result: Any, baselines: Any) -> None:
    """One table a market."""
    table = Table(
        "strategy", "P&L", "Sharpe", "reward", "|pos|", "rl - it: P&L", "Sharpe", "reward"
    )
    for name, report in result["strategies"].items():
        parameters = baselines.get(name, {}).get("parameters", {})
        label = f"{name} {', '.join(f'{k}={v:g}' for k, v in parameters.items())}".strip()
        difference = result["paired"].get(name)
        cells = [interval(report[key]) for key in ("pnl", "sharpe", "reward")]
        cells.append(f"{report['inventory']:.2f}")
        if difference:
            cells += [interval(difference[key]) for key in ("pnl", "sharpe", "reward")]
        table.add_row(label, *cells)
    console.print(f"[bold]{market}[/bold]")
    console.print(table)


def interval(value: dict[str, float]) -> str:
    """Mean and interval."""
    return f"{value['mean']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"


def main() -> None:
    """Parse arguments, tune, test, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model-path", type=Path, default=SHIPPED)
    parser.add_argument("--markets", default="default", help="presets, as default,volatile,thin")
    parser.add_argument("--tuning-seeds", type=int, default=len(TUNING_SEEDS))
    parser.add_argument("--test-seeds", type=int, default=len(TEST_SEEDS))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    console = Console(stderr=True, width=200)
    markets = arguments.markets.split(",")
    unknown = [market for market in markets if market not in PRESETS]
    if unknown or min(arguments.tuning_seeds, arguments.test_seeds) < 2:
        sys.exit(f"judge_policy.py: markets are of {', '.join(PRESETS)}; seeds at least 2")
    try:
        policy = load_policy(arguments.model_path)
    except PolicyError as error:
        sys.exit(f"judge_policy.py: {error}")
    task = TaskConfig.from_dict(policy.card["task"])
    baselines = tune(task, TUNING_SEEDS[: arguments.tuning_seeds], console)
    results = {}
    for market in markets:
        test = TEST_SEEDS[: arguments.test_seeds]
        results[market] = judge(policy, task.change(market=market), baselines, test, console)
        show(console, market, results[market], baselines)
    if arguments.json:
        print(json.dumps({"baselines": baselines, "markets": results}))


if __name__ == "__main__":
    main()
