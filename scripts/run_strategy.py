"""Run one strategy on a running exchange.

    run_strategy.py --strategy skew --param half_spread=1.5 --account demo1 --duration 60
    run_strategy.py --strategy my_strategy.py:MyStrategy

The account's key comes from the keys file that the exchange writes at its start, or from the
environment (ONEBOOK_API_KEY, ONEBOOK_API_SECRET). Ctrl-C cancels all orders and prints the summary.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from math import inf
from pathlib import Path

from exchange.keys import DEFAULT_PORT, KeysFile, default_keys_path, read_keys
from strategies.client import ExchangeClient
from strategies.desk import Desk
from strategies.errors import ExchangeError, NotAuthorized, Unreachable
from strategies.live import LiveRun
from strategies.metrics import in_money
from strategies.record import RecordFull
from strategies.registry import STRATEGIES, StrategyError, describe_parameters, new_strategy
from strategies.report import status_line, summary, summary_text
from strategies.strategy import DecisionError, Strategy

FAILED_EXIT, LOGIN_EXIT, USAGE_EXIT, LOST_EXIT = 4, 3, 2, 1


class UsageError(Exception):
    """The command line asks for something that cannot be; the message says what to change."""


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", maxsplit=1)[0],
        epilog="strategies and their parameters: "
        + "; ".join(f"{name} ({describe_parameters(kind)})" for name, kind in STRATEGIES.items()),
    )
    parser.add_argument("--strategy", required=True, help="a name, or path/to/file.py:Class")
    parser.add_argument("--param", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--model-path", help="with --strategy rl: its policy, .zip or .onnx")
    parser.add_argument("--url", help="of the exchange; default: as the keys file says")
    parser.add_argument("--symbol", help="default: the exchange's first")
    parser.add_argument("--account", help="a name in the keys file; default: its first trader")
    parser.add_argument("--keys-file", type=Path, help=f"default: {default_keys_path()}")
    parser.add_argument(
        "--duration", type=float, metavar="S", help="seconds; default: until Ctrl-C"
    )
    parser.add_argument("--interval", type=float, metavar="S", help="least time between decisions")
    parser.add_argument("--lockstep", action="store_true", help="answer each step of the market")
    parser.add_argument("--steps", type=int, help="with --lockstep: how many to trade")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument(
        "--report-every", type=float, metavar="S", help="with --json: an object this often, too"
    )
    arguments = parser.parse_args()
    if arguments.model_path is not None:
        arguments.param.append(f"model_path={arguments.model_path}")
    for name in ("duration", "interval", "steps", "report_every"):
        value = getattr(arguments, name)
        if value is not None and not 0 < value < inf:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    if arguments.steps is not None and not arguments.lockstep:
        parser.error("--steps counts steps of --lockstep; at wall speed there is --duration")
    return arguments


def find_key(arguments: argparse.Namespace) -> tuple[str, str, str]:
    """URL, API key and secret."""
    if arguments.url is not None and not arguments.url.startswith(("http://", "https://")):
        raise UsageError(f"--url {arguments.url} has to begin with http://")
    key, secret = os.environ.get("ONEBOOK_API_KEY"), os.environ.get("ONEBOOK_API_SECRET")
    default_url = f"http://127.0.0.1:{DEFAULT_PORT}"
    if key and secret and arguments.account is None and arguments.keys_file is None:
        return arguments.url or default_url, key, secret
    keys = load_keys(arguments.keys_file or default_keys_path())
    try:
        name = arguments.account or next(a.name for a in keys.accounts if a.role == "trader")
        account = keys.named(name)
    except KeyError as error:
        raise UsageError(str(error.args[0])) from error
    except StopIteration:
        raise UsageError("the keys file has no trader account") from None
    return arguments.url or keys.url, account.key, account.secret


def load_keys(path: Path) -> KeysFile:
    """The exchange's keys file."""
    try:
        return read_keys(path)
    except OSError as error:
        raise UsageError(
            f"no keys file {path} ({error.strerror}); start the exchange with "
            "scripts/run_interface.py, or name its file with --keys-file"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not a keys file of the exchange") from error


async def trade(arguments: argparse.Namespace, strategy: Strategy) -> int:
    """Connect, trade until the time is up, cancel everything, report; returns the exit status."""
    url, key, secret = find_key(arguments)
    async with ExchangeClient(
        url, key, secret, lockstep=arguments.lockstep, cancel_on_disconnect=True
    ) as client:
        symbol = await listed_symbol(client, arguments.symbol)
        clock = await client.rest.request("GET", "/v1/status")
        if arguments.lockstep != (clock["mode"] == "lockstep"):
            raise UsageError(f"the exchange runs in {clock['mode']} mode: see --lockstep")
        desk = await client.open(symbol)
        warn_of_company(desk, symbol)
        run = LiveRun(client, desk, strategy)
        for what in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(what, run.stop)
        reporter = asyncio.create_task(report(arguments, run, client))
        status = 0
        try:
            await drive(arguments, run, desk, clock["speed"])
        except (RecordFull, ExchangeError) as error:
            client.note(error)
            status = LOST_EXIT
        except DecisionError as error:
            client.note(error)
            status = complain(error, FAILED_EXIT)
        finally:
            reporter.cancel()
            await asyncio.gather(reporter, return_exceptions=True)
            await run.finish()
        print_summary(arguments, run, client)
    return status


def warn_of_company(desk: Desk, symbol: str) -> None:
    """Say so when the account is not as fresh as the figures at the end may be taken for."""
    account = desk.blotter.write_account()
    if account["n_open"] > 0:
        print(
            f"run_strategy: this account has orders in {symbol} already. If another strategy trades "
            "on it, they will pull each other's quotes: give each its own, see --account",
            file=sys.stderr,
        )
    if account["position"] != 0:
        print(
            f"run_strategy: this account begins with a position of {account['position']} in {symbol}",
            file=sys.stderr,
        )


async def listed_symbol(client: ExchangeClient, wanted: str | None) -> str:
    """The wanted symbol, else the first one. Raises UsageError when it is not traded there."""
    instruments = (await client.rest.request("GET", "/v1/instruments"))["instruments"]
    symbols = [str(instrument["symbol"]) for instrument in instruments]
    if wanted is not None and wanted not in symbols:
        raise UsageError(f"no symbol {wanted!r}; there are {', '.join(symbols)}")
    return wanted or symbols[0]


async def drive(arguments: argparse.Namespace, run: LiveRun, desk: Desk, speed: float) -> None:
    """Run at wall speed or in lockstep, as the exchange does."""
    if arguments.lockstep:
        n_steps = arguments.steps or inf
        if arguments.duration:  # of market time
            n_steps = min(n_steps, round(arguments.duration * 1e9 / desk.step_ns))
        await run.run_steps(n_steps)
    else:
        interval_s = arguments.interval or desk.step_ns / 1e9 / speed
        await run.run(arguments.duration or inf, interval_s, speed)


async def report(arguments: argparse.Namespace, run: LiveRun, client: ExchangeClient) -> None:
    """Say how it goes, once a second for people, as often as wished in JSON."""
    every_s = arguments.report_every if arguments.json else 1.0
    while every_s:
        await asyncio.sleep(every_s)
        if not arguments.json:
            print(status_line(arguments.strategy, run, client), flush=True)
        elif len(run.trader.samples):
            print(json.dumps(summary(arguments.strategy, run, client)), flush=True)


def print_summary(arguments: argparse.Namespace, run: LiveRun, client: ExchangeClient) -> None:
    """The last word on the run."""
    if arguments.json:
        print(json.dumps(summary(arguments.strategy, run, client)), flush=True)
        return
    metrics = in_money(run.trader.metrics(), run.desk.instrument)
    print(summary_text(arguments.strategy, metrics, run, client), flush=True)


def main() -> int:
    """0: done; 1: the exchange is not there or is lost; 2: wrong arguments; 3: not let in; 4: the
    strategy failed.
    """
    arguments = parse_arguments()
    try:
        strategy = new_strategy(arguments.strategy, arguments.param)
        return asyncio.run(trade(arguments, strategy))
    except KeyboardInterrupt:  # before there was anything to sum up
        return 0
    except (UsageError, StrategyError) as error:
        return complain(error, USAGE_EXIT)
    except NotAuthorized as error:
        return complain(f"the exchange does not accept this key ({error})", LOGIN_EXIT)
    except Unreachable as error:
        return complain(
            f"{error}; is it running? Start it with scripts/run_interface.py", LOST_EXIT
        )
    except ExchangeError as error:
        return complain(error, LOST_EXIT)


def complain(problem: object, status: int) -> int:
    """Print what went wrong, return the exit status."""
    print(f"run_strategy: {problem}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
