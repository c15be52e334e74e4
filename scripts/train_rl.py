"""Train a market maker: `train_rl.py --episodes 1000 --save-path models/my_agent`.

Writes NAME.zip (a Stable-Baselines3 file that also holds the card and plain weights) and NAME.onnx.
With several --seeds each run is saved under its own name and the best, by validation, as NAME.
Ctrl-C or SIGTERM ends training in good order: what was learned is validated and saved.
"""

import argparse
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread: faster at this size, and reproducible

from rich.console import Console
from rich.table import Table

from rl.bootstrap import in_words
from rl.config import ConfigError, TaskConfig
from rl.evaluate import TEST_SEEDS, evaluate
from rl.recipe import (
    ALGORITHMS,
    ALL_ALGORITHMS,
    PRESETS,
    RESUMED,
    TASKS,
    Recipe,
    RecipeError,
    read_config,
    with_settings,
)
from strategies.features import PRESETS as FEATURES
from strategies.features import feature_names
from strategies.rl_mm import SHIPPED_POLICY
from table_console import table_console

SEED_MAX = 9_999
PREDICTOR = Path(__file__).parents[1] / "models" / "predictor.json"


def main() -> int:
    """Parse arguments, train, save."""
    arguments = parser().parse_args()
    if importlib.util.find_spec("stable_baselines3") is None:
        sys.exit("training needs PyTorch and Stable-Baselines3: pip install -e '.[rl]'")
    try:
        arguments.save_path = policy_path(arguments.save_path)
        check_options(arguments)
        task, recipe = settings(arguments)
        train_all(task, recipe, arguments)
    except (RecipeError, ConfigError) as error:
        print(f"train_rl.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # a second one, or during the tests: what was saved by then stays
        print("train_rl.py: stopped", file=sys.stderr)
        return 130
    return 0


def policy_path(text: str) -> Path:
    """Where the policy goes. Raises RecipeError for a folder, of which no file can be named."""
    path = Path(text)
    if text.endswith(os.sep) or path.is_dir() or with_ending(path, ".zip").is_dir():
        raise RecipeError(f"--save-path {text!r} is a folder: name a file in it, as my_agent")
    return path


def check_options(arguments: argparse.Namespace) -> None:
    """What would else be found out after the training, or ignored. Raises RecipeError."""
    check_folder("--save-path", arguments.save_path.absolute().parent)
    if arguments.tensorboard is not None:
        check_folder("--tensorboard", arguments.tensorboard)
    if arguments.test_seeds != 0 and not 2 <= arguments.test_seeds <= len(TEST_SEEDS):
        raise RecipeError(f"--test-seeds is 0 or 2 .. {len(TEST_SEEDS)}: a Sharpe needs two")
    changed = {name for name, _ in pairs(arguments.changes)}
    if "seed" in changed:
        raise RecipeError("--set seed: training seeds are given by --seeds")
    if arguments.resume:
        fixed = changed.difference(RESUMED)
        fixed |= {n for n in ("algorithm", "batch_size") if getattr(arguments, n) is not None}
        if fixed:
            raise RecipeError(
                f"--resume goes on as it was saved: leave out {', '.join(sorted(fixed))}"
            )


def check_folder(option: str, folder: Path) -> None:
    """Make it, and raise RecipeError where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RecipeError(f"{option}: nothing can be written to {folder}: {error}") from error


def parser() -> argparse.ArgumentParser:
    """All options."""
    this = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    length = this.add_mutually_exclusive_group()
    length.add_argument("--episodes", type=int, help="length of training, all markets together")
    length.add_argument("--timesteps", type=int,
                        help="the same in decisions; rounded up to whole rollouts, "
                        "which have n_envs x n_steps of them")  # fmt: skip
    this.add_argument("--save-path", default="models/my_agent", help="(default models/my_agent)")
    this.add_argument("--library", choices=("sb3", "rllib"), default="sb3")
    this.add_argument("--algorithm", choices=ALL_ALGORITHMS,
                      help="default: the preset's, ppo; appo and impala are RLlib's")  # fmt: skip
    this.add_argument("--ray-address", help="RLlib: a cluster's head, as ray start prints it")
    this.add_argument("--ray-runners", type=int, default=0,
                      help="RLlib: processes that step markets; 0: this one")  # fmt: skip
    this.add_argument("--preset", choices=tuple(PRESETS), default="tuned")
    this.add_argument("--n-envs", type=int, help="markets trained on at once")
    this.add_argument("--batch-size", type=int, help="64 is the classic one, and slow")
    this.add_argument("--seeds", default="0", help="training seeds, as 0 or 0,1,2 or 0-4")
    this.add_argument("--config", type=Path, help='JSON: {"task": {...}, "training": {...}}')
    this.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="changes",
                      help="any setting of the training")  # fmt: skip
    this.add_argument("--task", action="append", default=[], metavar="NAME=VALUE",
                      help="any setting of the task; values are JSON")  # fmt: skip
    this.add_argument("--resume", action="store_true", help="go on from SAVE_PATH.zip")
    this.add_argument("--use-predictor", action="store_true", help="its score is one more feature")
    this.add_argument("--predictor", type=Path, default=PREDICTOR,
                      help="of --use-predictor, from train_predictor.py")  # fmt: skip
    this.add_argument("--tensorboard", type=Path, help="folder for TensorBoard's files")
    this.add_argument("--test-seeds", type=int, default=len(TEST_SEEDS),
                      help="held-out markets for the scores on the card: 2 or more; 0: none")  # fmt: skip
    this.add_argument("--quiet", action="store_true", help="no progress bar")
    this.add_argument("--json", action="store_true", help="print one JSON object at the end")
    return this


def settings(arguments: argparse.Namespace) -> tuple[TaskConfig, Recipe]:
    """Task and recipe: the preset, changed by the file, changed by the options."""
    if arguments.config is not None:
        task, recipe = read_config(arguments.config, arguments.preset)
    else:
        task, recipe = TASKS[arguments.preset], PRESETS[arguments.preset]
    task = task.change(**{name: as_json(text) for name, text in pairs(arguments.task)})
    if arguments.use_predictor:
        task = with_predictor(task, read_predictor(arguments.predictor))
    recipe = with_settings(recipe, dict(pairs(arguments.changes)))
    options = {
        "algorithm": arguments.algorithm,
        "n_envs": arguments.n_envs,
        "batch_size": arguments.batch_size,
        "timesteps": arguments.timesteps,
    }
    if arguments.episodes is not None:
        options["timesteps"] = arguments.episodes * task.episode_steps
    given = {name: value for name, value in options.items() if value is not None}
    return task, with_settings(recipe, given)


def read_predictor(path: Path) -> Any:
    """The predictor's weights, as a task has them. Raises RecipeError."""
    from rl.predictor import PredictorError, load_predictor  # noqa: PLC0415 - needs PyTorch

    try:
        return load_predictor(path)
    except PredictorError as error:
        raise RecipeError(str(error)) from error


def with_predictor(task: TaskConfig, weights: Any) -> TaskConfig:
    """The same task that also shows the predictor's score."""
    names = feature_names(task.features)
    preset = f"{task.features}+predictor"
    features = preset if preset in FEATURES else tuple(dict.fromkeys((*names, "score")))
    return task.change(features=features, predictor=weights.tolist())


def pairs(texts: list[str]) -> list[tuple[str, str]]:
    """NAME=VALUE texts in two."""
    for text in texts:
        if "=" not in text:
            raise RecipeError(f"{text!r} is not NAME=VALUE")
    return [(text.partition("=")[0], text.partition("=")[2]) for text in texts]


def as_json(text: str) -> Any:
    """A number, list or object as JSON has it, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def seeds_of(text: str) -> list[int]:
    """0 or 0,1,2 or 0-4."""
    try:
        first, dash, last = text.partition("-")
        first_last = range(int(first), int(last) + 1) if dash else map(int, text.split(","))
        seeds = list(dict.fromkeys(first_last))
        if not seeds or min(seeds) < 0 or max(seeds) > SEED_MAX:
            raise ValueError
        return seeds
    except ValueError:
        raise RecipeError(
            f"--seeds {text!r} is neither 0 nor 0,1,2 nor 0-4, up to {SEED_MAX}"
        ) from None


def train_all(task: TaskConfig, recipe: Recipe, arguments: argparse.Namespace) -> None:
    """One run a seed; the best stays as the save path."""
    console = table_console(stderr=True)
    seeds = seeds_of(arguments.seeds)
    if is_shipped(arguments.save_path):
        print(f"{SHIPPED_POLICY}, which is shipped, will be replaced: git checkout brings it back",
              file=sys.stderr)  # fmt: skip
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        name = arguments.save_path if len(seeds) == 1 else seed_path(arguments.save_path, seed)
        row, interrupted = train_one(task, replace(recipe, seed=seed), name, arguments)
        rows.append(row)
        if interrupted:
            break
    best = max(rows, key=lambda row: row["objective"])
    if len(seeds) > 1:
        for ending in (".zip", ".onnx"):
            source = seed_path(arguments.save_path, best["seed"])
            shutil.copyfile(with_ending(source, ending), with_ending(arguments.save_path, ending))
    report(console, rows, best, arguments)


def train_one(
    task: TaskConfig, recipe: Recipe, path: Path, arguments: argparse.Namespace
) -> tuple[dict[str, Any], bool]:
    """Train with one seed and save; its figures, and whether it was interrupted."""
    run = new_run(task, recipe, path, arguments)
    tell_length(run.recipe)
    validation = run.learn()
    n_test = 0 if run.interrupted else arguments.test_seeds
    scores: dict[str, Any] = {"validation": validation.summary()}
    files = run.save(path, scores)  # before the tests: Ctrl-C there loses no policy
    if n_test:
        scores["test"] = evaluate(run.policy(), run.task.on("test"), TEST_SEEDS[:n_test]).report()
        files = run.save(path, scores)
    run.close()
    row = {
        "seed": run.recipe.seed,
        "objective": validation.objective,
        "steps": run.n_steps,
        "seconds": run.seconds,
        "files": [str(file) for file in files],
        **scores,
    }
    return row, run.interrupted


def tell_length(recipe: Recipe) -> None:
    """Say so when other than the asked-for number of decisions is trained."""
    if recipe.algorithm in ALGORITHMS and recipe.whole_timesteps != recipe.timesteps:
        print(f"{recipe.timesteps:,} decisions are rounded up to whole rollouts: "
              f"{recipe.whole_timesteps:,}", file=sys.stderr)  # fmt: skip


def new_run(task: TaskConfig, recipe: Recipe, path: Path, arguments: argparse.Namespace) -> Any:
    """A `Run`, or an `RllibRun`, which answers to the same calls."""
    from rl.train import Run  # noqa: PLC0415 - needs PyTorch

    options: dict[str, Any] = {
        "log_folder": None if arguments.tensorboard is None else arguments.tensorboard / path.name,
        "shown": not arguments.quiet,
    }
    if arguments.library == "rllib" or recipe.algorithm not in ALGORITHMS:
        try:
            from rl.rllib_train import Cluster, RllibRun  # noqa: PLC0415 - Ray is optional
        except ImportError as error:
            raise RecipeError(f"RLlib needs pip install -e '.[rllib]': {error}") from error
        cluster = Cluster(arguments.ray_address, arguments.ray_runners)
        folder = with_ending(path, ".rllib")
        return RllibRun(task, recipe, folder, resume=arguments.resume, cluster=cluster, **options)
    resume = with_ending(path, ".zip") if arguments.resume else None
    return Run(task, recipe, resume=resume, **options)


def is_shipped(path: Path) -> bool:
    """Whether the policy that comes with OneBook would be replaced."""
    return with_ending(path, ".zip").resolve() == SHIPPED_POLICY.resolve()


def seed_path(path: Path, seed: int) -> Path:
    """Where the run of one seed among several is saved."""
    return path.with_name(f"{path.stem if path.suffix == '.zip' else path.name}_seed{seed}")


def with_ending(path: Path, ending: str) -> Path:
    """models/agent, models/agent.zip -> models/agent + ending."""
    return path.with_name((path.stem if path.suffix == ".zip" else path.name) + ending)


def report(
    console: Console,
    rows: list[dict[str, Any]],
    best: dict[str, Any],
    arguments: argparse.Namespace,
) -> None:
    """What came out, as a table and, if asked, as JSON."""
    table = Table("seed", "steps", "seconds", "P&L", "Sharpe", "reward", "inventory", "of")
    for row in rows:
        for part in ("validation", "test"):
            if part not in row:
                continue
            figures = [
                in_words(row[part][name]) for name in ("pnl", "sharpe", "reward", "inventory")
            ]
            mark = f"{row['seed']}{' *' if row is best else ''}"
            table.add_row(mark, f"{row['steps']:,}", f"{row['seconds']:.0f}", *figures, part)
    console.print(table)
    for file in best["files"]:
        console.print(f"saved {file}")
    if arguments.json:
        print(json.dumps({"runs": rows, "best_seed": best["seed"]}))


if __name__ == "__main__":
    sys.exit(main())
