"""How long a strategy takes from a feed message to its orders, over a real connection.

    python scripts/bench_decision.py [--strategy rl] [--steps 2000] [--json]

An exchange in a process of its own runs in lockstep; for each step the clock starts when the bytes of
the step's last message have been read from the socket and stops when the last of the orders has been
written to it: parsing, book, features, policy, quoting and writing are all within. Steps that need
no orders are counted apart, up to the message that the step is done, and `done` is the time to that
message where there were orders. Beside it: one observation through the policy alone.
"""

import argparse
import asyncio
import json
import platform
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from exchange.keys import KeysFile
from exchange_process import running_exchange
from strategies.client import ExchangeClient
from strategies.live import LiveRun
from strategies.registry import new_strategy
from strategies.rl_mm import RLMarketMaker
from strategies.wire import Json

N_WARM_UP = 200  # steps not counted: caches and branch predictors settle
N_OBSERVATIONS = 20_000


class StampedSocket:
    """A connection that notes when each frame was read."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self.read_ns = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for frame in self._socket:
            self.read_ns = time.perf_counter_ns()
            yield frame


class TimedClient(ExchangeClient):
    """An `ExchangeClient` that notes, for each step, how long its answer took."""

    _stamped: StampedSocket | None = None
    _last_order_ns = 0  # when the last one of this step was written; 0: none yet

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.with_orders_ns: list[int] = []
        self.without_ns: list[int] = []
        self.done_ns: list[int] = []  # where there were orders

    async def _read(self, socket: Any) -> None:
        self._stamped = StampedSocket(socket)
        await super()._read(self._stamped)  # type: ignore[arg-type]

    async def post(self, message: Json) -> "asyncio.Future[Json]":
        future = await super().post(message)
        now_ns = time.perf_counter_ns()
        if message["op"] in ("quote", "enter", "cancel"):
            self._last_order_ns = now_ns
        elif message["op"] == "done" and self._stamped is not None:
            read_ns = self._stamped.read_ns
            if self._last_order_ns:
                self.with_orders_ns.append(self._last_order_ns - read_ns)
                self.done_ns.append(now_ns - read_ns)
            else:
                self.without_ns.append(now_ns - read_ns)
            self._last_order_ns = 0
        return future


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategy", default="rl", help="a name (default %(default)s)")
    parser.add_argument("--param", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--steps", type=int, default=2_000, help="default %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.steps < 100:
        parser.error("--steps must be 100 or more")
    with running_exchange("--lockstep", "--rate-limit", "0") as server:
        figures = asyncio.run(measure(server.keys, arguments))
    if arguments.strategy == "rl":
        figures |= observation_times(arguments.param)
    if arguments.json:
        print(json.dumps(figures | {"machine": platform.machine()}))
        return
    for name, figure in figures.items():
        print(f"{name:<28}{figure:>12,.1f}")


async def measure(keys: KeysFile, arguments: argparse.Namespace) -> dict[str, float]:
    """Microseconds from message to orders."""
    account = next(account for account in keys.accounts if account.role == "trader")
    strategy = new_strategy(arguments.strategy, arguments.param)
    async with TimedClient(keys.url, account.key, account.secret, lockstep=True) as client:
        run = LiveRun(client, await client.open("SIM"), strategy)
        await run.run_steps(N_WARM_UP)
        client.with_orders_ns.clear()
        client.without_ns.clear()
        client.done_ns.clear()
        await run.run_steps(arguments.steps)
        n_steps = len(client.with_orders_ns) + len(client.without_ns)
        return {
            **percentiles("decision", np.array(client.with_orders_ns or [0])),
            **percentiles("done", np.array(client.done_ns or [0])),
            **percentiles("no_orders", np.array(client.without_ns or [0])),
            "steps": n_steps,
            "share_with_orders": len(client.with_orders_ns) / n_steps,
        }


def observation_times(parameters: list[str]) -> dict[str, float]:
    """Microseconds from one observation to its action, through the policy's file."""
    strategy = new_strategy("rl", parameters)
    assert isinstance(strategy, RLMarketMaker)
    policy = strategy.policy
    random = np.random.default_rng(1)
    seen = random.standard_normal((N_OBSERVATIONS, len(policy.features))).astype(np.float32)
    policy.act(seen[0])
    times = np.empty(N_OBSERVATIONS)
    for i, observation in enumerate(seen):
        start = time.perf_counter_ns()
        policy.act(observation)
        times[i] = time.perf_counter_ns() - start
    return percentiles("observation", times)


def percentiles(name: str, times_ns: Any) -> dict[str, float]:
    """p50 and p99, microseconds."""
    p50, p99 = np.percentile(times_ns, [50, 99]) / 1_000
    return {f"{name}_us_p50": round(float(p50), 1), f"{name}_us_p99": round(float(p99), 1)}


if __name__ == "__main__":
    main()
