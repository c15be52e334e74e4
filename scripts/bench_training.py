"""How fast is training, and how fast decides what was trained? Steps/s, learning included.

PPO with the tuned recipe's numbers on the market-making task and, in turn, on an environment that
costs nothing: what is between the two is the market's share. One thread, so figures are a core's.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.progress import track
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from rl.export import save_policy
from rl.recipe import PRESETS, TASKS, with_settings
from rl.sb3_env import MarketMakingVecEnv
from rl.spaces import action_space, observation_space
from rl.train import be_reproducible, card_of, new_model
from strategies.policy import load_policy

N_LATENCIES = 20_000
WARM_UP_UPDATES = 2


class FreeEnv(VecEnv):
    """The same spaces, and nothing behind them."""

    def __init__(self, n_envs: int, task: Any) -> None:
        super().__init__(n_envs, observation_space(task), action_space(task))
        random = np.random.default_rng(0)
        shape = (n_envs, *(self.observation_space.shape or ()))
        self._seen = random.standard_normal(shape).astype(np.float32)
        self._rewards, self._dones = np.zeros(n_envs, np.float32), np.zeros(n_envs, np.bool_)
        self._infos: list[dict[str, Any]] = [{}] * n_envs

    def reset(self) -> Any:
        """Begin."""
        return self._seen

    def step_async(self, actions: Any) -> None:
        """Take an action a row."""

    def step_wait(self) -> Any:
        """Nothing came of it."""
        return self._seen, self._rewards, self._dones, self._infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same for each row."""
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Nothing to set."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Nothing to call."""

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Nothing is."""
        return [False] * self.num_envs


def measure(n_envs: int, n_updates: int, n_runs: int) -> dict[str, Any]:
    """Both environments in turn, medians of steps/s; and SB3's own loops on the real one."""
    task = TASKS["tuned"].change(features="extended")
    recipe = with_settings(PRESETS["tuned"], {"n_envs": n_envs, "n_epochs": 4})
    be_reproducible(0)
    real, free = MarketMakingVecEnv(n_envs, task, seed=0, stagger=True), FreeEnv(n_envs, task)
    models = {
        "steps_per_s": new_model(real, recipe),
        "free_env_steps_per_s": new_model(free, recipe),
    }
    plain = models["steps_per_s"]
    models["sb3_loops_steps_per_s"] = PPO(
        "MlpPolicy",
        real,
        n_steps=recipe.n_steps,
        batch_size=recipe.batch_size,
        n_epochs=recipe.n_epochs,
        device="cpu",
        policy_kwargs={"net_arch": list(recipe.hidden)},
    )
    steps = n_envs * recipe.n_steps
    for model in models.values():
        model.learn(WARM_UP_UPDATES * steps)
    rates: dict[str, list[float]] = {name: [] for name in models}
    cpu_rates: dict[str, list[float]] = {name: [] for name in models}  # honest on a busy machine
    for _ in track(range(n_runs), "training", console=Console(stderr=True)):
        for name, model in models.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            model.learn(n_updates * steps, reset_num_timesteps=False)
            rates[name].append(n_updates * steps / (time.perf_counter() - start))
            cpu_rates[name].append(n_updates * steps / (time.process_time() - cpu_start))
    result: dict[str, Any] = {name: round(median(values)) for name, values in rates.items()}
    result |= {f"cpu_{name}": round(median(values)) for name, values in cpu_rates.items()}
    for name, found in (("vs_free_env", rates), ("cpu_vs_free_env", cpu_rates)):
        pairs = zip(found["steps_per_s"], found["free_env_steps_per_s"], strict=True)
        result[name] = round(median([real / free for real, free in pairs]), 3)
    result |= {"n_envs": n_envs, "updates": n_updates, "runs": n_runs}
    return result | latencies(plain, card_of(task, recipe))


def latencies(model: Any, card: dict[str, Any]) -> dict[str, float]:
    """Microseconds from one observation to its action: the .zip compiled, the .onnx, SB3 itself."""
    size = model.observation_space.shape[0]
    seen = np.random.default_rng(1).standard_normal((N_LATENCIES, size)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        zip_path, onnx_path = save_policy(model, card, Path(folder) / "policy")
        compiled, onnx = load_policy(zip_path), load_policy(onnx_path)
    return {
        **percentiles("zip", compiled.act, seen),
        **percentiles("onnx", onnx.act, seen),
        **percentiles("sb3", lambda row: model.predict(row, deterministic=True), seen[:2_000]),
    }


def percentiles(name: str, act: Any, seen: Any) -> dict[str, float]:
    """p50 and p99 of a call a row."""
    act(seen[0])
    times = np.empty(len(seen))
    for i, row in enumerate(seen):
        start = time.perf_counter_ns()
        act(row)
        times[i] = time.perf_counter_ns() - start
    p50, p99 = np.percentile(times, [50, 99]) / 1_000
    return {f"{name}_latency_us_p50": round(p50, 1), f"{name}_latency_us_p99": round(p99, 1)}


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--n-envs", type=int, default=256)
    parser.add_argument("--updates", type=int, default=10, help="of the policy, in each run")
    parser.add_argument("--runs", type=int, default=5, help="medians are taken over this many")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if min(arguments.n_envs, arguments.updates, arguments.runs) < 1:
        sys.exit("bench_training.py: --n-envs, --updates and --runs are above 0")
    result = measure(arguments.n_envs, arguments.updates, arguments.runs)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread")
    for name, value in result.items():
        print(f"{name:28} {value:>12,}")


if __name__ == "__main__":
    main()
