"""Trade a strategy live, then see whether its P&L lies where backtests of it lie.

    live_vs_backtest.py --strategy rl --minutes 10 --report out.html

Starts an exchange with the default market, a process of its own on a free port, and trades on it as
a client at wall speed. Then the same class is backtested on other seeds, as long and with the same
time between decisions. The verdict: whether the live mean P&L a minute lies within the central 95%
of the backtests'. Money is tick-lots. Exit status: 0 within, 1 not within or the exchange is lost.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from math import inf
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from exchange.keys import read_keys
from exchange_process import NotStarted, start_exchange, stop
from rl.agreement import POINTS_PER_MINUTE, compare_live
from rl.agreement_page import LABELS, amount, verdict, write_agreement
from rl.config import TaskConfig
from rl.contest import Contestant, Episodes, run_contest
from rl.page import check_writable
from rl.provenance import provenance
from strategies.client import ExchangeClient
from strategies.errors import ExchangeError
from strategies.live_record import LiveRecord, record_live
from strategies.registry import StrategyError
from strategies.strategy import DecisionError
from table_console import table_console

SYMBOL = "SIM"
MINUTES_MAX = 10_000
STEPS_PER_MINUTE = 240
NEWS_EACH_MS = 60  # of market time at most: some times between two decisions


def main() -> int:
    """Parse, trade, backtest, compare, print."""
    arguments = parse_arguments()
    console = Console(stderr=True)
    origin = provenance()  # now: the files may change while it runs
    contestant = Contestant(arguments.strategy, tuple(arguments.param))
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    try:
        contestant.new()  # so that what is wrong is said before anything is started
        if arguments.report is not None:
            check_writable(arguments.report)
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True,
                      refresh_per_second=1) as progress:  # fmt: skip
            begun = time.time()
            record = asyncio.run(trade(arguments, contestant, progress))
            wall_s = time.time() - begun
            backtest = run_backtests(arguments, contestant, progress)
    except (StrategyError, OSError) as error:
        print(f"live_vs_backtest: {error}", file=sys.stderr)
        return 2
    except (NotStarted, ExchangeError, DecisionError) as error:
        print(f"live_vs_backtest: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("live_vs_backtest: stopped", file=sys.stderr)
        return 130
    report = (
        describe(arguments, wall_s) | origin | compare_live(record, backtest, arguments.minutes)
    )
    if arguments.report is not None:
        write_agreement(arguments.report, report, record.trader, backtest)
        console.print(f"wrote {arguments.report}")
    if arguments.json:
        print(json.dumps(report))
    else:
        show(table_console(), report)
    return 0 if report["within"] and report["same_pace"] else 1


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategy", required=True, help="a name, or path/to/file.py:Class")
    parser.add_argument("--param", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--minutes", type=int, default=10, help="market time (%(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="x wall time (%(default)s)")
    parser.add_argument("--backtests", type=int, default=200, metavar="N", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="S",
                        help="of the live market; backtests: S+1 .. S+N (%(default)s)")  # fmt: skip
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write one HTML page")
    found = parser.parse_args()
    bounds = {"minutes": (1, MINUTES_MAX), "backtests": (2, 100_000), "processes": (1, inf),
              "speed": (0.001, 1_000.0), "seed": (0, 2**61)}  # fmt: skip
    for name, (lowest, highest) in bounds.items():
        if not lowest <= getattr(found, name) <= highest:
            parser.error(f"--{name} must be within {lowest:g} .. {highest:g}")
    return found


async def trade(
    arguments: argparse.Namespace, contestant: Contestant, progress: Progress
) -> LiveRecord:
    """The live run. Whatever happens, no process is left behind."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    market_s = 60 * arguments.minutes
    bar = progress.add_task("live, market seconds", total=market_s)
    with tempfile.TemporaryDirectory(prefix="onebook-live-") as folder:
        keys_file = Path(folder) / "keys.json"
        market = ["--symbols", SYMBOL, "--seed", str(arguments.seed), "--accounts", "1"]
        market += ["--speed", str(arguments.speed), "--port", "0", "--keys-file", str(keys_file)]
        market += ["--publish-ms", str(min(20.0, NEWS_EACH_MS / arguments.speed))]
        exchange, url = await start_exchange(*market)
        try:
            own = next(a for a in read_keys(keys_file).accounts if a.role == "trader")
            async with ExchangeClient(
                url, own.key, own.secret, cancel_on_disconnect=True
            ) as client:
                return await record_live(
                    client, SYMBOL, contestant.new(), market_s,
                    lambda traded_s: progress.update(bar, completed=int(traded_s)),
                )  # fmt: skip
        finally:
            await stop(exchange, signal.SIGTERM)


def run_backtests(
    arguments: argparse.Namespace, contestant: Contestant, progress: Progress
) -> Episodes:
    """The same strategy on other seeds, as long."""
    seeds = range(arguments.seed + 1, arguments.seed + 1 + arguments.backtests)
    task = TaskConfig(episode_steps=arguments.minutes * STEPS_PER_MINUTE)
    bar = progress.add_task("backtests", total=len(seeds))
    (episodes,) = run_contest(
        [contestant],
        task,
        seeds,
        n_processes=arguments.processes,
        curve_points=arguments.minutes * POINTS_PER_MINUTE,
        progress=lambda n: progress.advance(bar, n),
    )
    return episodes


def describe(arguments: argparse.Namespace, wall_s: float) -> dict[str, Any]:
    """What was run, so that it can be run again."""
    return {
        "strategy": arguments.strategy,
        "parameters": arguments.param,
        "n_minutes": arguments.minutes,
        "speed": arguments.speed,
        "seed": arguments.seed,
        "backtests": arguments.backtests,
        "backtest_seeds": [arguments.seed + 1, arguments.seed + arguments.backtests],
        "live_wall_s": round(wall_s, 1),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def show(console: Console, report: dict[str, Any]) -> None:
    """The verdict and the figures behind it."""
    table = Table("", "live", "backtests: mean", "central 95%", "live at percentile")
    for name, of in report["figures"].items():
        between = f"{amount(of['low'])} … {amount(of['high'])}"
        table.add_row(LABELS[name], amount(of["live"]), amount(of["mean"]), between,
                      amount(of["percentile"]))  # fmt: skip
    minute = report["minute"]
    of_minutes = ", ".join(amount(one["pnl"]) for one in report["minutes"])
    console.print(table)
    console.print(f"P&L of each live minute: {of_minutes}")
    console.print(
        f"{minute['n_within']} of {report['n_minutes']} minutes lie within the central 95% of single "
        f"backtest minutes ({amount(minute['low'])} … {amount(minute['high'])})"
    )
    pace = report["live"]
    times = "; ".join(
        f"{label} {amount(pace[key]['p50'])} / {amount(pace[key]['p99'])} ms"
        for label, key in (
            ("between decisions", "between_decisions_ms"),
            ("deciding", "decide_ms"),
            ("answer", "answer_ms"),
            ("age of the view when the command took effect", "view_age_ms"),
        )
    )
    console.print(f"median / 99th percentile: {times}")
    console.print(verdict(report))


if __name__ == "__main__":
    sys.exit(main())
