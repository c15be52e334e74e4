"""A live market with market makers trading on it, each in a process of its own.

Starts the exchange with its simulated participants on a free port of this machine, then strategies
as its clients, and shows the book, the trades and what each strategy earns until Ctrl-C.
With --json it prints one JSON object at the end instead. The session's journal is left for
replay_journal.py.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import Coroutine
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

import demo_screen
from exchange.keys import read_keys
from exchange.simulation.presets import PRESETS
from exchange_process import NotStarted, start_child, start_exchange, stop
from run_interface import PORTS, SEEDS, SPEEDS, number, whole
from strategies.errors import ExchangeError
from strategies.registry import STRATEGIES
from strategies.rest import RestClient

SCRIPTS = Path(__file__).parent
SYMBOL = "SIM"
REFRESH_S = 0.25
T = TypeVar("T")
DEFAULT_STRATEGIES = "symmetric,skew,avellaneda_stoikov,rl"


@dataclass
class Trader:
    """One strategy's process, and its last report: an object of `run_strategy.py --json`."""

    name: str
    process: Process
    is_stopped: bool = False  # by us
    report: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


async def start_market(arguments: argparse.Namespace, keys_file: Path) -> tuple[Process, str]:
    """Start the exchange; returns its process and its URL once it listens."""
    market = ["--symbols", SYMBOL, "--preset", arguments.preset, "--seed", str(arguments.seed)]
    market += ["--speed", str(arguments.speed), "--port", str(arguments.port)]
    market += ["--accounts", "1", "--keys-file", str(keys_file)]
    return await start_exchange(*market, "--journal", str(arguments.journal))


async def open_accounts(url: str, keys_file: Path, names: list[str]) -> None:
    """Open one account a strategy under its own name; the exchange adds their keys to the file."""
    admin = read_keys(keys_file).named("admin")
    rest = RestClient(url, admin.key, admin.secret)
    await rest.open()
    try:
        for name in names:
            body = {"name": name, "visible": True}
            await rest.request("POST", "/v1/admin/accounts", body=body)
    finally:
        await rest.close()


async def start_trader(name: str, arguments: argparse.Namespace, keys_file: Path) -> Trader:
    """Start one strategy on its own account; its output is read by `follow`."""
    command = [str(SCRIPTS / "run_strategy.py"), "--strategy", name]
    command += ["--account", name, "--symbol", SYMBOL, "--keys-file", str(keys_file)]
    command += ["--json", "--report-every", "1"]
    return Trader(name, await start_child(*command))


async def follow(trader: Trader) -> None:
    """Keep the newest report that the strategy printed, until it ends."""
    assert trader.process.stdout is not None
    async for line in trader.process.stdout:
        trader.report = json.loads(line)
    status = await trader.process.wait()
    ended_early = trader.is_stopped and status == -signal.SIGTERM  # before it had begun to trade
    if status != 0 and not ended_early:
        trader.errors.append(f"{trader.name} ended with status {status}")


async def watch(
    url: str, show: demo_screen.Show, traders: list[Trader], stopping: asyncio.Event, end: float
) -> dict[str, Any]:
    """Poll the exchange's public pages and show them until the time is up; returns the last."""
    pages: dict[str, Any] = {}
    rest = RestClient(url)
    await rest.open()
    try:
        while not stopping.is_set() and time.monotonic() < end:
            symbol = {"symbol": SYMBOL}
            levels = {**symbol, "levels": demo_screen.N_LEVELS}
            pages["book"] = await rest.request("GET", "/v1/book", levels)
            newest = {**symbol, "limit": demo_screen.N_TRADES}
            pages["trades"] = (await rest.request("GET", "/v1/trades", newest))["trades"]
            pages["accounts"] = (await rest.request("GET", "/v1/leaderboard"))["accounts"]
            show(pages, {trader.name: trader.report for trader in traders})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), REFRESH_S)
    finally:
        await rest.close()
    return pages


async def run(arguments: argparse.Namespace, show: demo_screen.Show) -> dict[str, Any]:
    """The whole demo; returns its facts. No process is left behind."""
    stopping = asyncio.Event()
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # HUP: the terminal is closed
        if signal.getsignal(which) == signal.SIG_IGN:  # nohup
            continue
        asyncio.get_running_loop().add_signal_handler(which, stopping.set)
    with tempfile.TemporaryDirectory(prefix="onebook-demo-") as folder:
        keys_file = Path(folder) / "keys.json"
        exchange, url = await unless(stopping, start_market(arguments, keys_file))
        traders: list[Trader] = []
        followers = []
        try:
            await open_accounts(url, keys_file, arguments.strategies)
            for name in arguments.strategies:
                traders.append(await start_trader(name, arguments, keys_file))
                followers.append(asyncio.create_task(follow(traders[-1])))
            show.address = url
            end = time.monotonic() + (arguments.duration or 1e9)
            pages = await watch(url, show, traders, stopping, end)
        finally:
            for trader in traders:
                trader.is_stopped = True
                await stop(trader.process, signal.SIGTERM)
            await asyncio.gather(*followers)
            await stop(exchange, signal.SIGTERM)
    return {**facts(pages, traders, exchange.returncode), "journal": str(arguments.journal)}


async def unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. Raises NotStarted when it is to stop before that."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    raise NotStarted("stopped before the exchange had started")


def facts(
    pages: dict[str, Any], traders: list[Trader], exchange_status: int | None
) -> dict[str, Any]:
    """What --json prints. Money and prices are in the symbol's currency."""
    errors = [error for trader in traders for error in trader.errors]
    errors += [error for trader in traders for error in trader.report.get("errors", [])]
    if exchange_status != 0:
        errors.append(f"the exchange ended with status {exchange_status}")
    newest = pages.get("trades") or [{"trade_id": 0}]
    return {
        "strategies": [{"name": trader.name, **trader.report} for trader in traders],
        "trades": newest[-1]["trade_id"],
        "book": pages.get("book"),
        "errors": errors,
    }


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--duration", type=float, metavar="S", help="seconds; default: until Ctrl-C"
    )
    parser.add_argument("--json", action="store_true", help="no screen; one JSON object at the end")
    parser.add_argument(
        "--strategies", default=DEFAULT_STRATEGIES, help=f"of {', '.join(STRATEGIES)} (%(default)s)"
    )
    parser.add_argument("--preset", choices=sorted(PRESETS), default="default")
    parser.add_argument("--seed", type=whole(*SEEDS), default=1)
    parser.add_argument(
        "--speed", type=number(*SPEEDS), default=1.0, help="x wall time (%(default)s)"
    )
    parser.add_argument("--port", type=whole(*PORTS), default=0, help="default: any free one")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="default: a temporary file")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="save the last screen")
    arguments = parser.parse_args()
    arguments.strategies = arguments.strategies.split(",")
    for name in arguments.strategies:
        if name not in STRATEGIES:
            parser.error(f"no strategy {name!r}: choose of {', '.join(STRATEGIES)}")
    if len(set(arguments.strategies)) < len(arguments.strategies):
        parser.error("--strategies: each one once, as each has the account of its name")
    if arguments.duration is not None and not 0 < arguments.duration < inf:
        parser.error("--duration must be above 0")
    if arguments.picture is not None and not arguments.picture.absolute().parent.is_dir():
        parser.error(f"--picture: there is no folder {arguments.picture.parent}")
    if arguments.picture is not None and arguments.picture.is_dir():
        parser.error(f"--picture: {arguments.picture} is a folder, not a file")
    if arguments.journal is None:
        arguments.journal = Path(tempfile.mkdtemp(prefix="onebook-session-")) / "demo.journal"
    elif arguments.journal.exists():
        parser.error(f"{arguments.journal} is there already; a demo begins a new session")
    return arguments


def main() -> int:
    """Run the demo; 0 when everything ended in order."""
    arguments = parse_arguments()
    console = Console(stderr=arguments.json)
    show = demo_screen.Show(SYMBOL, arguments.strategies)
    try:
        if arguments.json:
            result = asyncio.run(run(arguments, show))
            print(json.dumps(result))
        else:
            console.print(
                "Starting the exchange (the first time, its rules are compiled: a minute)."
            )
            with demo_screen.shown(show, console):
                result = asyncio.run(run(arguments, show))
    except (NotStarted, ExchangeError) as error:
        console.print(f"run_demo: {error}", style="red")
        return 1
    if arguments.picture:
        show.save(arguments.picture)
    if not arguments.json:
        replay = f"{sys.executable} {SCRIPTS / 'replay_journal.py'} {arguments.journal}"
        console.print(f"Replay this session: {replay}", soft_wrap=True)
    for sentence in result["errors"]:
        console.print(sentence, style="red")
    return 1 if result["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
