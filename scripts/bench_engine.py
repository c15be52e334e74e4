"""How fast is the engine? Messages a second, beside bourse (Rust) and a sorted-container book.

One stream for all: 60% limit orders near the touch, 30% cancels of resting orders, 10% marketable
orders, over a book that starts with 1,000 orders and keeps about that size. Every system is fed the
whole stream several times in turn, and the medians are printed; that all trade the same volume is
checked. Ours runs with every rule on: accounts, limits, fees, events.
"""

import argparse
import json
import platform
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from exchange.engine.codes import CommandKind, EventKind, Option, Side
from exchange.engine.commands import apply_commands
from exchange.engine.door import Door
from exchange.engine.records import COMMAND, EVENT, LIVE_MARKET, Markets, new_markets

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

OPEN_PRICE = 30_000
N_PRELOADED = 1_000
N_TRADERS = 8
FIRST_TRADER = 4
STP = int(Option.STP_NONE)  # bourse and the reference stream let accounts trade with themselves
BOURSE_BATCH = 1_000


def fresh_markets() -> Markets:
    """One live market with fees and account limits in force (none of which the stream reaches)."""
    markets = new_markets(
        1, dtype=LIVE_MARKET, open_price=OPEN_PRICE, maker_fee_ppm=-20, taker_fee_ppm=50
    )
    limits = {"position_max": 10**9, "quantity_max": 10**6, "n_open_max": 10**6, "loss_max": 10**14}
    for name, value in limits.items():
        markets["accounts"][name] = value
    return markets


class StreamWriter:
    """Writes the stream by running it: cancels must name orders that really rest."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.markets = fresh_markets()
        self.door = Door(self.markets)
        self.number_of: dict[int, int] = {}  # resting order_id -> how many orders entered before it
        self.resting: list[int] = []  # ids, some already gone
        self.n_entered = 0
        self.rows: list[tuple[int, ...]] = []  # kind, side, price, quantity, account, id, number

    def add(self) -> None:
        """A limit order a few ticks behind the best opposite price."""
        market = self.markets[0]
        side = self.random.randrange(2)
        distance = 1 + min(int(self.random.expovariate(0.25)), 40)
        best_bid = int(market.best_bid + market.price_base) if market.best_bid else OPEN_PRICE - 1
        best_ask = int(market.best_ask + market.price_base) if market.best_ask else OPEN_PRICE + 1
        price = best_ask - distance if side == Side.BUY else best_bid + distance
        self._enter(side, price, self.random.randrange(1, 10))

    def take(self) -> None:
        """A marketable limit order, about three resting orders large."""
        market = self.markets[0]
        side = self.random.randrange(2)
        best = market.best_ask if side == Side.BUY else market.best_bid
        price = int(best + market.price_base) + (60 if side == Side.BUY else -60)
        self._enter(side, price, self.random.randrange(1, 30))

    def cancel(self) -> None:
        """Cancel a resting order chosen at random."""
        while True:
            place = self.random.randrange(len(self.resting))
            order_id = self.resting[place]
            self.resting[place] = self.resting[-1]
            self.resting.pop()
            number = self.number_of.pop(order_id, None)
            if number is not None:
                break
        account = FIRST_TRADER + number % N_TRADERS
        self.door.cancel(0, account, order_id)
        self.rows.append((CommandKind.CANCEL, 0, 0, 0, account, order_id, number))

    def _enter(self, side: int, price: int, quantity: int) -> None:
        account = FIRST_TRADER + self.n_entered % N_TRADERS
        self.door.enter(0, account, side, price, quantity, STP, 0)
        self.rows.append((CommandKind.ENTER, side, price, quantity, account, 0, self.n_entered))
        for event in self.door.events(0):
            if event["kind"] == EventKind.RESTED:
                self.resting.append(int(event["order_id"]))
                self.number_of[int(event["order_id"])] = self.n_entered
            elif event["kind"] == EventKind.TRADED and event["quantity_before"] == 0:
                self.number_of.pop(int(event["maker_order_id"]), None)
        self.n_entered += 1


def write_stream(n_messages: int, seed: int) -> tuple[list[tuple[int, ...]], int]:
    """The preload followed by n messages; returns the rows and the volume they trade."""
    writer = StreamWriter(seed)
    for _ in range(N_PRELOADED):
        writer.add()
    for _ in track(range(n_messages), "writing the stream", console=Console(stderr=True)):
        draw = writer.random.random()
        if draw < 0.6 or not writer.number_of:
            writer.add()
        elif draw < 0.9:
            writer.cancel()
        else:
            writer.take()
    market = writer.markets[0]
    return writer.rows, int(market.bought + market.sold)


def as_commands(rows: list[tuple[int, ...]]) -> Any:
    """The stream as COMMAND records, (n,)."""
    commands = np.zeros(len(rows), COMMAND)
    table = np.array(rows, np.int64)
    for column, name in enumerate(("kind", "side", "price", "quantity", "account", "order_id")):
        commands[name] = table[:, column]
    commands["options"] = STP
    return commands


def timed_calls(
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]], n_preloaded: int = N_PRELOADED
) -> float:
    """Seconds for the calls after the preload, one Python call each."""
    for function, arguments in calls[:n_preloaded]:
        function(*arguments)
    messages = calls[n_preloaded:]
    start = time.perf_counter()
    for function, arguments in messages:
        function(*arguments)
    return time.perf_counter() - start


def our_calls(rows: list[tuple[int, ...]]) -> tuple[float, int]:
    """One call of the Door a message; returns seconds and volume."""
    markets = fresh_markets()
    door = Door(markets)
    enter, cancel = door.enter, door.cancel
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (cancel, (0, account, order_id))
        if kind == CommandKind.CANCEL
        else (enter, (0, account, side, price, quantity, STP, 0))
        for kind, side, price, quantity, account, order_id, _ in rows
    ]
    return timed_calls(calls), int(markets["bought"][0] + markets["sold"][0])


def our_array(commands: Any) -> tuple[float, int]:
    """The messages as one array of commands; returns seconds and volume."""
    markets = fresh_markets()
    events = np.zeros(4 * len(commands) + 40_000, EVENT)
    events["sequence"] = 1  # touch the memory before the clock runs
    results = np.zeros(len(commands), np.int64)
    apply_commands(markets, commands[:N_PRELOADED], events, results)
    messages = commands[N_PRELOADED:]
    start = time.perf_counter()
    n_applied, _ = apply_commands(markets, messages, events, results)
    seconds = time.perf_counter() - start
    assert n_applied == len(messages)
    return seconds, int(markets["bought"][0] + markets["sold"][0])


def bourse_calls(rows: list[tuple[int, ...]]) -> tuple[float, int]:
    """One call of bourse's OrderBook a message; returns seconds and volume.

    Two bourse orders of one price and one time overwrite each other, so its clock must move with
    every message; what those calls take by themselves is measured and left out, in bourse's favor.
    """
    from bourse.core import OrderBook  # noqa: PLC0415  an extra

    book = OrderBook(0, 1)
    place, cancel, set_time = book.place_order, book.cancel_order, book.set_time
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
    for time_ns, (kind, side, price, quantity, account, _, number) in enumerate(rows):
        calls.append((set_time, (time_ns,)))
        if kind == CommandKind.CANCEL:
            calls.append((cancel, (number,)))
        else:
            calls.append((place, (side == Side.BUY, quantity, account, price)))
    seconds = timed_calls(calls, 2 * N_PRELOADED)
    volume = sum(trade[3] for trade in book.get_trades())
    return seconds - timed_calls(calls[::2], N_PRELOADED), volume


def bourse_array(rows: list[tuple[int, ...]]) -> tuple[float, int]:
    """bourse's StepEnvNumpy, arrays of 1,000, which it shuffles: its volume differs a little."""
    from bourse.core import StepEnvNumpy  # noqa: PLC0415  an extra

    env = StepEnvNumpy(1, 0, 1, 1_000)
    table = np.array(rows, np.int64)
    is_cancel = table[:, 0] == CommandKind.CANCEL
    columns = (
        np.where(is_cancel, 2, 1).astype(np.uint32),
        table[:, 1] == Side.BUY,
        table[:, 3].astype(np.uint32),
        table[:, 4].astype(np.uint32),
        table[:, 2].astype(np.uint32),
        np.where(is_cancel, table[:, 6], 0).astype(np.uint64),
    )
    batches = [
        tuple(column[first : first + BOURSE_BATCH] for column in columns)
        for first in range(0, len(rows), BOURSE_BATCH)
    ]
    assert N_PRELOADED % BOURSE_BATCH == 0
    n_preloaded = N_PRELOADED // BOURSE_BATCH
    seconds = 0.0
    for i, batch in enumerate(batches):
        start = time.perf_counter()
        env.submit_instructions(batch)
        env.step()
        seconds += (time.perf_counter() - start) * (i >= n_preloaded)
    return seconds, sum(trade[3] for trade in env.get_trades())


def reference_calls(commands: Any) -> tuple[float, int]:
    """The tests' reference book on sortedcontainers, one call a message; seconds and volume."""
    from reference_book import ReferenceVenue  # noqa: PLC0415  in tests

    venue = ReferenceVenue(fresh_markets())
    seconds = timed_calls([(venue.apply, (command,)) for command in commands.tolist()])
    return seconds, venue.books[0].bought + venue.books[0].sold


def measure(n_messages: int, n_runs: int, seed: int) -> dict[str, Any]:
    """Every system in turn, `n_runs` times; medians of messages a second."""
    rows, volume = write_stream(n_messages, seed)
    commands = as_commands(rows)
    systems: dict[str, Callable[[], tuple[float, int]]] = {
        "calls_per_s": lambda: our_calls(rows),
        "array_messages_per_s": lambda: our_array(commands),
        "reference_messages_per_s": lambda: reference_calls(commands),
        "bourse_calls_per_s": lambda: bourse_calls(rows),
        "bourse_array_messages_per_s": lambda: bourse_array(rows),
    }
    rates: dict[str, list[float]] = {name: [] for name in systems}
    for _ in track(range(n_runs), "measuring", console=Console(stderr=True)):
        for name, run in systems.items():
            seconds, traded = run()
            if name != "bourse_array_messages_per_s" and traded != volume:
                raise SystemExit(f"{name}: traded {traded} lots, the stream trades {volume}")
            rates[name].append(n_messages / seconds)
    result: dict[str, Any] = {name: round(median(values)) for name, values in rates.items()}
    result["calls_vs_bourse"] = result["calls_per_s"] / result["bourse_calls_per_s"]
    result["calls_vs_reference"] = result["calls_per_s"] / result["reference_messages_per_s"]
    result["array_vs_bourse"] = (
        result["array_messages_per_s"] / result["bourse_array_messages_per_s"]
    )
    return result | {"messages": n_messages, "runs": n_runs, "volume": volume, "seed": seed}


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=7, help="medians are taken over this many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = measure(arguments.messages, arguments.runs, arguments.seed)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{platform.machine()}, Python {platform.python_version()}, medians of {arguments.runs}")
    for name, value in result.items():
        text = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
        print(f"{name:32} {text:>14}")


if __name__ == "__main__":
    main()
