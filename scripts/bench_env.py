"""How many environment steps a second, on one core.

    python scripts/bench_env.py [--json] [--seconds 2]

A step is: an action read as a quote, the quote into the book, ten background orders on average, the
full depth, features (the preset `extended` but for one figure) and reward. Actions are random near
the touch, so quotes change all the time and trade. Resets are counted: episodes end and begin during
the measurement. Beside it, for scale: the same market under nobody's quote, and a step in the style
of vectorized arithmetic without a book (mid as a random walk, fills by an exponential of the
distance), as model-based gyms have it.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import advance_batch
from rl.batch import MarketBatch
from rl.config import TaskConfig

BATCHES = (64, 256, 512, 1024)
N_ACTIONS = 32  # different rows of actions, drawn before the clock starts
ROUNDS = 3  # the best of these is reported


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--features", default="extended", help="preset of features")
    options = parser.parse_args()
    results = measure(options.seconds / ROUNDS, TaskConfig(features=options.features))
    if options.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        print(f"{name:28} {value if isinstance(value, str) else f'{value:14,.0f}'}")


def measure(seconds: float, config: TaskConfig) -> dict[str, Any]:
    """Every figure, by name; steps a second of one thread's processor time unless named otherwise."""
    results: dict[str, Any] = {}
    for n in BATCHES:
        results[f"batch_{n}_steps_per_s"] = best(batch_stepper(n, config), n, seconds)
    default = batch_stepper(256, config.change(features="default"))
    results["batch_256_default_features_steps_per_s"] = best(default, 256, seconds)
    results["steps_per_s_per_core"] = max(results[f"batch_{n}_steps_per_s"] for n in BATCHES[1:])
    results["single_env_steps_per_s"] = best(single_stepper(config), 1, seconds)
    results["vector_env_256_steps_per_s"] = best(vector_stepper(256, config), 256, seconds)
    results["market_only_256_steps_per_s"] = best(market_stepper(256), 256, seconds)
    results["arithmetic_256_steps_per_s"] = best(arithmetic_stepper(256), 256, seconds)
    results["background_orders_per_step"] = orders_per_step(256)
    results["machine"] = (
        f"{platform.processor() or platform.machine()}, {platform.python_version()}"
    )
    return results


def best(step: Callable[[int], Any], n: int, seconds: float) -> float:
    """Steps a second of processor time, the best of some rounds. Where nothing else runs that is
    the wall clock; where other processes share the core, it leaves out their time.
    """
    step(0)
    rates = []
    for _ in range(ROUNDS):
        start, count = time.process_time(), 0
        while time.process_time() - start < seconds:
            for _ in range(10):
                step(count)
                count += 1
        rates.append(count * n / (time.process_time() - start))
    return max(rates)


def near_the_touch(n: int) -> list[np.ndarray[Any, Any]]:
    """Offsets 0 .. 2 and one to five lots."""
    random = np.random.default_rng(1)
    return list(random.integers(0, [3, 3, 5], (N_ACTIONS, n, 3)).astype(np.float64))


def batch_stepper(n: int, config: TaskConfig) -> Callable[[int], Any]:
    """The core that all environments share, with the resets that a trainer would do."""
    batch, actions = MarketBatch(n, config, stagger=True), near_the_touch(n)
    batch.reset()

    def step(i: int) -> None:
        if np.count_nonzero(batch.step(actions[i % N_ACTIONS])[2]):
            batch.reset(batch.ended)

    return step


def single_stepper(config: TaskConfig) -> Callable[[int], Any]:
    """`gymnasium.Env`, one step a call."""
    from rl.lob_env import MarketMakingEnv  # noqa: PLC0415 - only where Gymnasium is installed

    env, actions = MarketMakingEnv(config), near_the_touch(1)
    env.reset(seed=1)

    def step(i: int) -> None:
        if env.step(actions[i % N_ACTIONS][0])[3]:
            env.reset()

    return step


def vector_stepper(n: int, config: TaskConfig) -> Callable[[int], Any]:
    """`gymnasium.vector.VectorEnv`, one step of n markets a call."""
    from rl.vector_env import MarketMakingVectorEnv  # noqa: PLC0415

    env, actions = MarketMakingVectorEnv(n, config), near_the_touch(n)
    env.reset(seed=1)
    return lambda i: env.step(actions[i % N_ACTIONS])


def market_stepper(n: int) -> Callable[[int], Any]:
    """The simulated market alone, silent as in an environment: no quote, no depth, no features."""
    markets = new_simulated_markets(n)
    markets["silent"] = 1

    def step(_: int) -> None:
        advance_batch(markets, markets["now_ns"] + 250_000_000, n_threads=1)

    return step


def arithmetic_stepper(n: int) -> Callable[[int], Any]:
    """No book at all: what a vectorized model costs whose fills are an exponential of the distance."""
    random = np.random.default_rng(0)
    mid, position, cash = np.full(n, 10_000.0), np.zeros(n), np.zeros(n)
    away = random.uniform(0.5, 2.5, (N_ACTIONS, 2, n))

    def step(i: int) -> tuple[Any, Any]:
        nonlocal mid, position, cash
        below, above = away[i % N_ACTIONS]
        worth = cash + position * mid
        arrived = random.uniform(size=(2, n)) < 0.39  # a taker came, a side
        filled = random.uniform(size=(2, n)) < np.exp(-2.2 * away[i % N_ACTIONS])
        bought, sold = arrived & filled
        cash = cash - bought * (mid - below) + sold * (mid + above)
        position = position + bought - sold
        mid = mid + 0.22 * random.standard_normal(n)
        observation = np.stack([mid, position, cash, np.full(n, i)], axis=1)
        return observation, cash + position * mid - worth

    return step


def orders_per_step(n: int) -> float:
    """Orders and cancelations of the crowd in a step, on average."""
    batch = MarketBatch(n)
    batch.reset()
    idle, n_steps, n_orders = np.zeros((n, 4)), 900, 0
    for _ in range(n_steps):
        batch.step_quotes(idle)
        n_orders += int(batch.markets["flow"]["n_orders"].sum())
    return n_orders / (n * n_steps)


if __name__ == "__main__":
    main()
