"""How fast is the simulated market? Background steps a second on one core, and on all of them.

One step is 250 ms of market time: about ten orders of the crowd through every rule of the engine,
then the public depth written out. Serial runs are timed in CPU seconds of their thread, so that
other work on the machine counts as little as it can. The yardstick of the same run is a numpy step
over as many markets that only adds ten random orders to a ladder of quantities: no matching, no
accounts.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numba
import numpy as np

from exchange.engine.records import DEPTH, TRAINING_MARKET, Markets
from exchange.simulation.presets import PRESETS, new_simulated_markets
from exchange.simulation.step import step_batch

STEP_NS = 250_000_000
ORDERS_PER_STEP = 10
N_LEVELS = TRAINING_MARKET["levels"].shape[0]


def seconds_of(
    function: Callable[[], None], clock: Callable[[], float] = time.thread_time
) -> float:
    start = clock()
    function()
    return clock() - start


def run_steps(markets: Markets, depths: Any, n_steps: int, n_threads: int) -> None:
    """What a trainer does without its maker: a step at a time, the depth after each."""
    now_ns = int(markets["now_ns"][0])
    for step in range(1, n_steps + 1):
        step_batch(markets, now_ns + step * STEP_NS, depths, n_threads)


def run_numpy(n_markets: int, n_steps: int) -> None:
    """The yardstick: ten orders a market and step, each one array operation over all markets."""
    rng = np.random.default_rng(0)
    ladder = np.zeros((n_markets, N_LEVELS))
    rows = np.arange(n_markets)
    for _ in range(n_steps):
        for _ in range(ORDERS_PER_STEP):
            levels = (rng.random(n_markets) * N_LEVELS).astype(np.int64)
            ladder[rows, levels] += 1.0 + np.floor(3.0 * rng.random(n_markets))


def measure(n_markets: int, n_steps: int, n_runs: int, preset: str) -> dict[str, Any]:
    """Medians over n_runs, the systems in turn so that a busy machine slows all alike."""
    markets = new_simulated_markets(n_markets, preset=preset)
    depths = np.zeros(n_markets, DEPTH)
    n_threads = numba.get_num_threads()
    for threads in (1, n_threads):  # compile
        run_steps(markets, depths, 1, threads)
    rates: dict[str, list[float]] = {"one": [], "all": [], "orders": [], "numpy": []}
    n, n_yard = n_markets * n_steps, max(n_steps // 10, 1)
    for _ in range(n_runs):
        entered = int(markets["n_entered"].sum())
        seconds = seconds_of(lambda: run_steps(markets, depths, n_steps, 1))
        rates["one"].append(n / seconds)
        rates["orders"].append((int(markets["n_entered"].sum()) - entered) / seconds)
        rates["all"].append(
            n
            / seconds_of(lambda: run_steps(markets, depths, n_steps, n_threads), time.perf_counter)
        )
        rates["numpy"].append(n_markets * n_yard / seconds_of(lambda: run_numpy(n_markets, n_yard)))
    found = {name: median(values) for name, values in rates.items()}
    return {
        "steps_per_s": round(found["one"]),
        "orders_per_s": round(found["orders"]),
        "steps_per_s_all_threads": round(found["all"]),
        "threads": n_threads,
        "numpy_steps_per_s": round(found["numpy"]),
        "steps_vs_numpy": round(found["one"] / found["numpy"], 2),
        "markets": n_markets,
        "steps": n_steps,
        "runs": n_runs,
        "preset": preset,
    }


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--markets", type=int, default=256)
    parser.add_argument("--steps", type=int, default=400, help="in each run")
    parser.add_argument("--runs", type=int, default=7, help="medians are taken over this many")
    parser.add_argument("--preset", default="default", choices=[*PRESETS])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    if min(chosen.markets, chosen.steps, chosen.runs) < 1:
        parser.error("--markets, --steps and --runs are positive")
    result = measure(chosen.markets, chosen.steps, chosen.runs, chosen.preset)
    if chosen.json:
        print(json.dumps(result))
        return
    print(f"{platform.machine()}, Python {platform.python_version()}, medians of {chosen.runs}")
    for name, value in result.items():
        text = f"{value:,}" if isinstance(value, int | float) else value
        print(f"{name:28} {text:>14}")


if __name__ == "__main__":
    main()
