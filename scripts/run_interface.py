#!/usr/bin/env python3
"""Run an exchange: a live simulated market that strategies trade on by REST and WebSocket.

For example:
  run_interface.py                                  one symbol, SIM, at wall speed on port 8600
  run_interface.py --symbols SIM,ALT --speed 10     two symbols, ten times as fast
  run_interface.py --lockstep --seed 7              time stands still until every strategy answers
  run_interface.py --replay AMZN_message_5.csv      strategies trade against a recording
  run_interface.py --journal session.journal        written down; started again, it goes on there
  run_interface.py --port 0 --json-ready            a free port, named in one line of JSON

Demo accounts and their keys are printed and written to the keys file (readable by you alone), which
run_strategy.py reads and the next start takes up again. docs/PROTOCOL.md describes every message.
Ctrl-C ends it in order.
"""

import argparse
import re
import sys
from pathlib import Path

from exchange.keys import DEFAULT_PORT, default_keys_path
from exchange.server.journal.file import JournalError, JournalFile
from exchange.server.opening import Opening, recorded, simulated
from exchange.server.run import Choices, run
from exchange.server.settings import MILLISECOND_NS, Settings
from exchange.simulation.presets import PRESETS
from exchange.simulation.recorded.messages import RecordingError
from exchange.simulation.recorded.read import FORMATS
from patience import patience

DEFAULTS = Settings()
ACCOUNTS_MAX = 252
SYMBOLS_MAX = 32
PORTS, SEEDS, SPEEDS = (0, 65_535), (0, 2**62), (0.001, 1_000.0)  # lowest, highest
MARKET_ARGUMENTS = (
    *("symbols", "preset", "seed", "replay", "format", "orderbook"),
    *("maker_fee_ppm", "taker_fee_ppm"),
)


def main() -> int:
    """Parse, build the markets, serve."""
    arguments = parser().parse_args()
    try:
        with patience(quiet=arguments.json_ready):
            opening = choose_opening(arguments)
    except (ValueError, RecordingError, JournalError) as error:
        print(f"run_interface: {error}", file=sys.stderr)
        return 2
    choices = Choices(
        host=arguments.host,
        port=arguments.port,
        n_accounts=arguments.accounts,
        keys_file=arguments.keys_file,
        new_keys=arguments.new_keys,
        json_ready=arguments.json_ready,
        journal=arguments.journal,
        journal_bytes_max=arguments.journal_max_mb * 10**6,
    )
    return run(opening, settings(arguments), choices)


def choose_opening(arguments: argparse.Namespace) -> Opening | None:
    """The markets to begin with, or None to go on with an existing journal.

    Raises ValueError, RecordingError, JournalError.
    """
    if arguments.journal is not None and arguments.journal.exists():
        check_same_market(arguments)
        return None
    fees = arguments.maker_fee_ppm, arguments.taker_fee_ppm
    if arguments.replay is None:
        return simulated(arguments.symbols, arguments.preset, arguments.seed, *fees)
    if len(arguments.symbols) > 1:
        raise ValueError("--replay is a market of one symbol: name one with --symbols")
    symbol = arguments.symbols[0]
    return recorded(symbol, arguments.replay, arguments.format, arguments.orderbook, *fees)


def check_same_market(arguments: argparse.Namespace) -> None:
    """An existing journal says what is traded: what is asked for beside it must agree.

    Raises ValueError, JournalError.
    """
    file = JournalFile(arguments.journal)
    recipe = file.heading["recipe"]
    file.close()
    for name in MARKET_ARGUMENTS:
        asked = getattr(arguments, name)
        if isinstance(asked, Path):
            asked = str(asked.absolute())
        if asked != parser().get_default(name) and asked != recipe.get(name):
            raise ValueError(
                f"{arguments.journal} is the journal of a market with {name} "
                f"{recipe.get(name)!r}, not {asked!r}: leave --{name.replace('_', '-')} out, or "
                "name another journal"
            )


def settings(arguments: argparse.Namespace) -> Settings:
    """The arguments that concern a running exchange."""
    return Settings(
        lockstep=arguments.lockstep,
        lockstep_clients=arguments.lockstep_clients,
        speed=arguments.speed,
        publish_ns=round(arguments.publish_ms * MILLISECOND_NS),
        position_max=arguments.position_max,
        quantity_max=arguments.quantity_max,
        n_open_max=arguments.open_orders_max,
        rate_per_s=arguments.rate_limit,
    )


def parser() -> argparse.ArgumentParser:
    """Everything that can be chosen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = parser.add_argument_group("where it listens")
    where.add_argument("--host", default="127.0.0.1", help="address (default %(default)s)")
    where.add_argument(
        "--port", type=whole(*PORTS), default=DEFAULT_PORT, help="0: any (default %(default)s)"
    )
    where.add_argument("--keys-file", type=Path, default=default_keys_path(), help="(%(default)s)")
    where.add_argument(
        "--new-keys", action="store_true", help="forget the keys of the last start, make new ones"
    )
    where.add_argument("--json-ready", action="store_true", help="print one JSON line when open")
    market = parser.add_argument_group("what is traded")
    market.add_argument("--symbols", type=symbols, default=["SIM"], help="A,B,... (default SIM)")
    market.add_argument("--preset", choices=sorted(PRESETS), default="default")
    market.add_argument("--seed", type=whole(*SEEDS), default=1, help="(default %(default)s)")
    market.add_argument(
        "--replay", type=Path, metavar="FILE", help="a recording trades instead of the crowd"
    )
    market.add_argument("--format", choices=FORMATS, default="lobster", help="of --replay")
    market.add_argument(
        "--orderbook", type=Path, metavar="FILE", help="the recording's own book, if in a file"
    )
    market.add_argument(
        "--maker-fee-ppm", type=int, default=0, metavar="PPM", help="negative: rebate"
    )
    market.add_argument("--taker-fee-ppm", type=int, default=0, metavar="PPM")
    time = parser.add_argument_group("how time passes")
    time.add_argument("--speed", type=number(*SPEEDS), default=1.0, help="x wall time")
    time.add_argument("--lockstep", action="store_true", help="one step when all have answered")
    time.add_argument(
        "--lockstep-clients",
        type=whole(1, 250),
        default=1,
        metavar="N",
        help="strategies to wait for before the first step (default %(default)s)",
    )
    time.add_argument(
        "--publish-ms",
        type=number(0.0, 10_000.0),
        default=DEFAULTS.publish_ns / MILLISECOND_NS,
        metavar="MS",
        help="book changes within this time are one message, 0: each its own (default %(default)g)",
    )
    journal = parser.add_argument_group("what is written down")
    journal.add_argument(
        "--journal", type=Path, metavar="FILE", help="write every command; go on where FILE ends"
    )
    journal.add_argument(
        "--journal-max-mb",
        type=whole(1, 10**6),
        default=4_000,
        metavar="MB",
        help="the market stands still when the journal has this size (default %(default)s)",
    )
    traders = parser.add_argument_group("who may trade, and how much (0: no limit)")
    traders.add_argument(
        "--accounts", type=whole(0, ACCOUNTS_MAX), default=6, help="demo1 .. demoN (%(default)s)"
    )
    traders.add_argument(
        "--position-max", type=whole(0, 10**9), default=DEFAULTS.position_max, metavar="LOTS"
    )
    traders.add_argument(
        "--quantity-max", type=whole(0, 10**8), default=DEFAULTS.quantity_max, metavar="LOTS"
    )
    traders.add_argument(
        "--open-orders-max", type=whole(0, 30_000), default=DEFAULTS.n_open_max, metavar="N"
    )
    traders.add_argument(
        "--rate-limit",
        type=number(0.0, 1e9),
        default=DEFAULTS.rate_per_s,
        metavar="N",
        help="commands a second of one account (default %(default)g)",
    )
    return parser


def symbols(text: str) -> list[str]:
    """Comma-separated symbols, each once."""
    found = [part.strip() for part in text.split(",")]
    if len(found) > SYMBOLS_MAX or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"at most {SYMBOLS_MAX} symbols, each once")
    return found


def whole(lowest: int, highest: int):  # type: ignore[no-untyped-def]
    """A whole number within bounds."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,20}", text) or not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {lowest}..{highest}")
        return int(text)

    return read


def number(lowest: float, highest: float):  # type: ignore[no-untyped-def]
    """A number within bounds."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not within {lowest:g} .. {highest:g}")
        return value

    return read


if __name__ == "__main__":
    sys.exit(main())
