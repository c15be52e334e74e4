"""Run a strategy on many simulated markets without sockets and say how it did.

    backtest.py --strategy skew --param half_spread=1.5 --episodes 200

Each episode is a fresh market with its own seed: --seed, --seed + 1, ...
"""

import argparse
import json
import sys
from math import sqrt
from typing import Any

import numpy as np

from exchange.engine.codes import N_PARTICIPANTS
from exchange.simulation.presets import PRESETS, new_simulated_markets
from strategies.backtest import Entrant, run_backtest
from strategies.metrics import Metrics
from strategies.registry import StrategyError, new_strategy

FIGURES = (
    "pnl",
    "max_drawdown",
    "mean_abs_position",
    "n_fills",
    "volume",
    "fill_rate",
    "captured_spread",
    "realized_spread",
    "adverse_selection",
)


def main() -> int:
    """Parse, run, print."""
    arguments = parse_arguments()
    try:
        new_strategy(arguments.strategy, arguments.param)
        episodes = [run_episode(arguments, n) for n in range(arguments.episodes)]
    except StrategyError as error:
        print(f"backtest: {error}", file=sys.stderr)
        return 2
    report = summarize(episodes)
    if arguments.json:
        print(json.dumps({"name": arguments.strategy, "param": arguments.param, **report}))
        return 0
    width = max(len(name) for name in report)
    for name, value in report.items():
        print(f"{name:<{width}}  {value if isinstance(value, int) else format(value, '.3f')}")
    return 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategy", required=True, help="a name, or path/to/file.py:Class")
    parser.add_argument("--param", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="default")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1_000, help="of 250 ms (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.episodes < 2 or arguments.steps < 1 or arguments.seed < 0:
        parser.error("--episodes must be 2 or more, --steps 1 or more, --seed 0 or more")
    return arguments


def run_episode(arguments: argparse.Namespace, n: int) -> Metrics:
    """One market from its start, with a fresh strategy."""
    markets = new_simulated_markets(1, [arguments.seed + n], preset=arguments.preset)
    strategy = new_strategy(arguments.strategy, arguments.param)
    (trader,) = run_backtest(markets, [Entrant(strategy, N_PARTICIPANTS)], arguments.steps)
    return trader.metrics()


def summarize(episodes: list[Metrics]) -> dict[str, Any]:
    """Means over the episodes, in ticks, lots and tick-lots; P&L with its spread."""
    pnl = np.array([episode.pnl for episode in episodes])
    deviation = float(pnl.std(ddof=1))
    report: dict[str, Any] = {"episodes": len(episodes)}
    for name in FIGURES:
        known = [value for value in (getattr(e, name) for e in episodes) if value is not None]
        report[name] = round(float(np.mean(known)), 4) if known else 0.0
    report["pnl_standard_error"] = round(deviation / sqrt(len(pnl)), 4)
    report["pnl_deviation"] = round(deviation, 4)
    report["sharpe_of_episodes"] = round(float(pnl.mean()) / deviation, 4) if deviation else 0.0
    report["episode_s"] = episodes[0].duration_s
    return report


if __name__ == "__main__":
    sys.exit(main())
