"""Does the policy win? Tuned baselines and the policy on held-out test seeds, paired by seed.

symmetric, skew, avellaneda_stoikov and glft are each searched twice on tuning seeds, for Sharpe and
for the task's mean reward, with --budget market steps a search (default: as many as the policy was
trained on). `--out results.json` is what write_results.py makes docs/RESULTS.md of.
"""

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from exchange.simulation.presets import PRESETS
from rl.bootstrap import in_words
from rl.evaluate import TEST_SEEDS, TUNING_SEEDS
from rl.judge import Plan, judge, training_of
from rl.page import check_writable
from rl.provenance import provenance
from strategies.rl_mm import SHIPPED_POLICY

REGIMES = "default,volatile,thin,informed"


def main() -> int:
    """Parse arguments, judge, print."""
    arguments = new_parser().parse_args()
    if importlib.util.find_spec("optuna") is None:
        sys.exit("tuning the baselines needs Optuna: pip install -e '.[tune]'")
    console = Console(stderr=True, width=200)
    start, origin = time.perf_counter(), provenance()  # now: the files may change while it runs
    try:
        plan = read_plan(arguments)
        if arguments.out is not None:
            check_writable(arguments.out)
        result = judge(plan, n_processes=arguments.processes, say=console.print)
    except (ValueError, OSError) as error:
        print(f"judge_policy: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("judge_policy: stopped", file=sys.stderr)
        return 130
    result |= {"seconds": round(time.perf_counter() - start, 1), **origin}
    for market, found in result["markets"].items():
        show(console, market, found, result["baselines"])
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.json:
        print(json.dumps(result))
    return 0


def new_parser() -> argparse.ArgumentParser:
    """The command line."""
    this = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    this.add_argument("--model-path", type=Path, default=SHIPPED_POLICY)
    this.add_argument("--runs", type=Path, nargs="*", default=[], metavar="FILE",
                      help="the policies of all training seeds, judged too")  # fmt: skip
    this.add_argument("--markets", default=REGIMES, help=f"presets (default {REGIMES})")
    this.add_argument("--budget", type=int, help="market steps of each search")
    this.add_argument("--tuning-seeds", type=int, default=len(TUNING_SEEDS), help="how many")
    this.add_argument("--test-seeds", default=f"{TEST_SEEDS.start}-{TEST_SEEDS.stop - 1}",
                      metavar="FIRST-LAST")  # fmt: skip
    this.add_argument("--seed", type=int, default=0, help="of the searches")
    this.add_argument("--processes", type=int, default=2)
    this.add_argument("--out", type=Path, metavar="FILE", help="write the result as JSON")
    this.add_argument("--json", action="store_true", help="print one JSON object")
    return this


def read_plan(arguments: argparse.Namespace) -> Plan:
    """What the options ask for; ValueError when it cannot be."""
    markets = tuple(arguments.markets.split(","))
    unknown = [market for market in markets if market not in PRESETS]
    if unknown:
        raise ValueError(f"no market {unknown[0]!r}: choose of {', '.join(PRESETS)}")
    trained = training_of(arguments.model_path)["timesteps"]
    budget = trained if arguments.budget is None else arguments.budget
    if budget < 1 or arguments.processes < 1 or arguments.tuning_seeds < 2:
        raise ValueError("--budget and --processes are 1 or more, --tuning-seeds 2 or more")
    tuning = range(TUNING_SEEDS.start, TUNING_SEEDS.start + arguments.tuning_seeds)
    test = read_seeds(arguments.test_seeds)
    if test.start < tuning.stop and tuning.start < test.stop:
        raise ValueError(f"test seeds {arguments.test_seeds} are tuned on")
    return Plan(
        arguments.model_path, markets, budget, test, tuple(arguments.runs), tuning, arguments.seed
    )


def read_seeds(text: str) -> range:
    """FIRST-LAST, both included."""
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise ValueError(f"seeds {text!r} are not FIRST-LAST")
    return range(int(first), int(last) + 1)


def show(console: Console, market: str, result: Any, baselines: Any) -> None:
    """One table a market."""
    table = Table(
        "strategy", "P&L", "Sharpe", "reward", "|pos|", "rl - it: P&L", "Sharpe", "reward"
    )
    for name, report in result["strategies"].items():
        parameters = baselines.get(name, {}).get("parameters", {})
        label = f"{name} {', '.join(f'{k}={v}' for k, v in parameters.items())}".strip()
        difference = result["paired"].get(name)
        cells = [in_words(report[key]) for key in ("pnl", "sharpe", "reward")]
        cells.append(f"{report['inventory']:.2f}")
        if difference:
            cells += [in_words(difference[key]) for key in ("pnl", "sharpe", "reward")]
        table.add_row(label, *cells)
    for lots, report in result["sizes"].items():
        cells = [in_words(report[key]) for key in ("pnl", "sharpe", "reward")]
        table.add_row(f"rl, unit_lots={lots}", *cells, f"{report['inventory']:.2f}")
    console.print(f"[bold]{market}[/bold]")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
