"""Train the predictor of short moves: `train_predictor.py --save-path models/my_predictor.json`.

Data comes from generated markets, or with --task market=FILE from a recording. The figures are
on held-out seeds (of a recording: on its test part), beside a logistic regression and a constant.
"""

import argparse
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from rich.console import Console
from rich.table import Table

from rl.config import ConfigError, TaskConfig
from rl.evaluate import TEST_SEEDS, TRAINING_SEEDS_MIN
from rl.page import check_writable
from rl.recipe import RecipeError
from train_rl import as_json, pairs

HORIZONS_S = (1.0, 5.0)
FIRST_SEED = TRAINING_SEEDS_MIN + 900_000_000  # beyond those of any policy's training
BOUNDS = {  # lowest and highest of every number
    "markets": (1, 10_000),
    "test_markets": (2, len(TEST_SEEDS)),
    "n_hidden": (1, 1_024),
    "n_epochs": (1, 1_000),
    "seed": (0, 9_999),
}


def main() -> None:
    """Fit one network a horizon, compare, save the chosen one."""
    arguments = parser().parse_args()
    if importlib.util.find_spec("torch") is None:
        sys.exit("training needs PyTorch: pip install -e '.[rl]'")
    from rl.predictor import PredictorError, save_predictor  # noqa: PLC0415 - needs PyTorch

    try:
        check_numbers(arguments)
        task = TaskConfig().change(**{n: as_json(v) for n, v in pairs(arguments.task)})
        check_writable(arguments.save_path)
        results = {horizon: trained(task, horizon, arguments) for horizon in HORIZONS_S}
    except (ConfigError, RecipeError, PredictorError, OSError) as error:
        print(f"train_predictor.py: {error}", file=sys.stderr)
        sys.exit(2)
    weights, figures = results[arguments.horizon]
    about = {"horizon_s": arguments.horizon, "task": task.as_dict(), "figures": figures}
    save_predictor(arguments.save_path, weights, about)
    show(results, arguments)


def parser() -> argparse.ArgumentParser:
    """All options."""
    this = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    this.add_argument("--save-path", type=Path, default=Path("models/my_predictor.json"),
                      help="(default %(default)s)")  # fmt: skip
    this.add_argument("--horizon", type=float, choices=HORIZONS_S, default=1.0,
                      help="seconds ahead of the one that is saved")  # fmt: skip
    this.add_argument("--markets", type=int, default=300, help="to train on, an episode each")
    this.add_argument("--test-markets", type=int, default=200)
    this.add_argument("--n-hidden", type=int, default=16)
    this.add_argument("--n-epochs", type=int, default=20)
    this.add_argument("--seed", type=int, default=0)
    this.add_argument("--task", action="append", default=[], metavar="NAME=VALUE",
                      help="any setting of the task; values are JSON")  # fmt: skip
    this.add_argument("--json", action="store_true", help="print one JSON object at the end")
    return this


def check_numbers(arguments: argparse.Namespace) -> None:
    """What argparse does not know. Raises ConfigError."""
    for name, (lowest, highest) in BOUNDS.items():
        value = getattr(arguments, name)
        if not lowest <= value <= highest:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} lies within {lowest} .. {highest}, not {value}")


def trained(task: TaskConfig, horizon_s: float, arguments: argparse.Namespace) -> Any:
    """Weights for a horizon, and how they compare on the test markets. Raises PredictorError."""
    from rl.predictor import (  # noqa: PLC0415 - needs PyTorch
        Fit,
        PredictorError,
        compare,
        fit_network,
        sessions,
    )

    start_s = time.perf_counter()
    horizon_steps = max(round(horizon_s * 1e9 / task.step_ns), 1)
    if horizon_steps >= task.episode_steps:
        raise PredictorError(f"an episode of {task.episode_steps} steps has no {horizon_s:g} s")
    first = FIRST_SEED + 1_000_000 * arguments.seed
    train = sessions(task.on("train"), range(first, first + arguments.markets), horizon_steps)
    test = sessions(task.on("test"), TEST_SEEDS[: arguments.test_markets], horizon_steps)
    fit = Fit(n_hidden=arguments.n_hidden, n_epochs=arguments.n_epochs, seed=arguments.seed)
    weights = fit_network(train, fit)
    figures = compare(weights, train, test)
    return weights, {**figures, "seconds": round(time.perf_counter() - start_s, 1)}


def show(results: dict[float, Any], arguments: argparse.Namespace) -> None:
    """A table on the screen and, if asked, JSON."""
    table = Table("horizon", "model", "log loss", "accuracy", "AUC", "R2")
    for horizon, (_, figures) in results.items():
        for model in ("constant", "logistic", "linear", "network"):
            cells = [text(figures[model].get(n)) for n in ("log_loss", "accuracy", "auc", "r2")]
            table.add_row(f"{horizon:g} s", model, *cells)
    Console(stderr=True).print(table)
    print(f"saved {arguments.save_path}", file=sys.stderr)
    if arguments.json:
        horizons = {f"{horizon:g}": figures for horizon, (_, figures) in results.items()}
        print(json.dumps({"horizons": horizons}))


def text(figure: Any) -> str:
    """A mean with its interval; nothing for what a model does not say."""
    if figure is None:
        return ""
    return f"{figure['mean']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


if __name__ == "__main__":
    main()
