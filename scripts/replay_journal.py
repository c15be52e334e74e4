#!/usr/bin/env python3
"""Apply a session's journal again, offline, and compare it with what the live session was.

For example:
  replay_journal.py session.journal                     compare all, say how everybody came out
  replay_journal.py session.journal --story             every command and what came of it
  replay_journal.py session.journal --story --account demo1
  replay_journal.py session.journal --until 1200        how it stood after entry 1200
  replay_journal.py session.journal --until 90.5s       how it stood at 90.5 s of market time
  replay_journal.py session.journal --csv fills.csv     all fills of all traders, or of --account
  replay_journal.py session.journal --lobster FOLDER    the session as LOBSTER files: a market to train on

Exit status 0: every comparison agrees. 1: a difference, or damage; the first command at which it shows
is named. 2: there is no such journal, or it cannot be read.
"""

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from exchange.engine.codes import CommandKind, EventKind, RejectReason
from exchange.instrument import Instrument
from exchange.server.answers import account_answer, fill_answer
from exchange.server.journal import program
from exchange.server.journal.entries import Entry
from exchange.server.journal.file import JournalDamagedError, JournalError, JournalFile
from exchange.server.journal.lobster import LobsterFiles
from exchange.server.journal.replay import Replay
from exchange.server.journal.state import digest, states
from exchange.server.opening import reopened
from exchange.server.orders import Event, Fill
from exchange.simulation.recorded.messages import RecordingError

ADVANCE = int(CommandKind.ADVANCE)


def main() -> int:
    """Replay and report."""
    arguments = parse_arguments()
    try:
        with ExitStack() as stack:
            file = JournalFile(arguments.journal)
            stack.callback(file.close)
            check_arguments(file, arguments)
            session = Session(file, arguments, stack)
            session.run()
            report = session.report()
    except JournalDamagedError as error:
        print(f"replay_journal: {error}", file=sys.stderr)
        return 1
    except (JournalError, RecordingError, OSError, ValueError) as error:
        print(f"replay_journal: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return 1 if report["differences"] else 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("journal", type=Path, metavar="FILE", help="of run_interface.py --journal")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--story", action="store_true", help="print commands and what came of them")
    parser.add_argument(
        "--until", type=until, metavar="N|TIME", help="an entry's number, or market time as 90.5s"
    )
    parser.add_argument("--account", metavar="NAME", help="story and fills of this account only")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the fills")
    parser.add_argument(
        "--lobster",
        type=Path,
        metavar="FOLDER",
        help="write SYMBOL_message.csv, SYMBOL_orderbook.csv",
    )
    return parser.parse_args()


def until(text: str) -> tuple[int | None, int | None]:
    """An entry's number or a market time (ns)."""
    try:
        is_time = text.endswith("s")
        number = round(float(text[:-1]) * 1e9) if is_time else int(text)
        if number < 0:
            raise ValueError
        return (None, number) if is_time else (number, None)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither 1200 nor 90.5s") from None


def check_arguments(file: JournalFile, arguments: argparse.Namespace) -> None:
    """Before anything is written. Raises JournalDamagedError, ValueError."""
    if arguments.csv is not None and is_part_of(file.path, arguments.csv):
        raise ValueError(f"{arguments.csv} is the journal itself: name another file with --csv")
    if arguments.account is not None:
        entries = (entry for block in file.blocks() for entry in block.read())
        known = dict.fromkeys(entry.told["name"] for entry in entries if entry.fact == "account")
        if arguments.account not in known:
            raise ValueError(f"no account {arguments.account!r}; there are {', '.join(known)}")


def is_part_of(journal: Path, path: Path) -> bool:
    """Whether a path leads to a journal, or to a file that SQLite keeps beside it."""
    own, other = journal.resolve(), path.resolve()
    parts = [own.with_name(own.name + end) for end in ("", "-wal", "-shm", "-journal")]
    return other in parts or (other.exists() and other.samefile(own))  # a hard link


class Session:
    """A journal applied again, and what it tells on the way."""

    def __init__(self, file: JournalFile, arguments: argparse.Namespace, stack: ExitStack) -> None:
        self.opening = reopened(file)
        self.venue = self.opening.venue()
        self.replay = Replay(self.venue, file)
        self.limits: tuple[int | None, int | None] = arguments.until or (None, None)
        self.n_commands: Counter[str] = Counter()
        self.n_events: Counter[str] = Counter()
        self._wanted: str | None = arguments.account
        self._story = sys.stderr if arguments.json else sys.stdout
        self._tells = arguments.story
        self._fills: Any = None
        self._n_fills = 0
        self._lobster: list[LobsterFiles] = []
        if arguments.lobster is not None:
            self._lobster = [
                LobsterFiles(arguments.lobster, own, self.venue.markets[row], stack)
                for row, own in enumerate(self.venue.instruments)
            ]
        if arguments.csv is not None:
            file_out = stack.enter_context(arguments.csv.open("w", newline=""))
            self._fills = csv.writer(file_out)
        self.replay.before = self._note
        self.venue.listeners.append(self._hear)
        self.venue.log.on_fill = self._fill

    def run(self) -> None:
        """Apply it. Raises JournalError."""
        self.replay.run(*self.limits)

    def report(self) -> dict[str, Any]:
        """What --json prints. Money, prices and quantities are decimal strings."""
        replay, starts = self.replay, self.replay.starts
        wrote = starts[-1]["program"] if starts else program.program()
        return {
            "entries": replay.n_entries,
            "commands": dict(self.n_commands),
            "events": dict(self.n_events),
            "starts": len(starts),
            "ended_in_order": replay.ended,
            "partial": self.limits != (None, None),
            "snapshots_compared": replay.n_snapshots,
            "program_differs": program.differences(wrote),
            "markets": [self._market(row, own) for row, own in enumerate(self.venue.instruments)],
            "accounts": [
                account_answer(self.venue, account).model_dump()
                for account in self.venue.accounts.values()
                if self._wanted in (None, account.name)
            ],
            "differences": [str(replay.difference)] if replay.difference else [],
            "market_hash": digest(states(self.venue.markets)).hex(),
            "lobster": [str(path) for files in self._lobster for path in files.paths],
        }

    def _market(self, row: int, own: Instrument) -> dict[str, Any]:
        venue = self.venue
        return {
            "symbol": own.symbol,
            "time_ns": int(venue.now_ns[row]),
            "events": int(venue.sequence[row]),
            "trades": venue.tapes[row].n_trades,
            "volume": own.quantity_text(venue.tapes[row].volume),
            "last_price": own.price_text(int(venue.last_price[row])),
        }

    # --- the story --------------------------------------------------------------------------------

    def _note(self, entry: Entry) -> None:
        command = entry.command
        self.n_commands[entry.fact if command is None else CommandKind(command.kind).name] += 1
        if not self._tells or (command is not None and command.kind == ADVANCE):
            return
        number = entry.told.get("number", 0) if command is None else command.account
        if self._wanted is None or self._concerns(number):
            print(entry, file=self._story)

    def _hear(self, instrument: int, events: Sequence[Event]) -> None:
        if self._lobster:
            self._lobster[instrument].hear(events)
        for event in events:
            self.n_events[EventKind(event.kind).name] += 1
            own = self._concerns(event.account) or self._concerns(event.maker_account)
            if self._tells and own:
                print(
                    f"    {describe(event, self.venue.instruments[instrument])}", file=self._story
                )

    def _fill(self, number: int, fill: Fill) -> None:
        if self._fills is None or not self._concerns(number):
            return
        account = self.venue.accounts[number]
        answer = fill_answer(self.venue.instruments[fill.instrument], fill).model_dump()
        if self._n_fills == 0:
            self._fills.writerow(["account", *answer])
        self._n_fills += 1
        self._fills.writerow([account.name, *answer.values()])

    def _concerns(self, number: int) -> bool:
        """Whether a trader's command or event is wanted; the crowd's are not."""
        account = self.venue.accounts.get(number)
        return account is not None and self._wanted in (None, account.name)


def describe(event: Event, own: Instrument) -> str:
    """One event in words."""
    time_s = f"{event.time_ns / 1e9:.6f} s {own.symbol}"
    kind = EventKind(event.kind)
    if kind == EventKind.REJECTED:
        return f"{time_s} rejected: {RejectReason(event.reason).name.lower()}"
    what = f"{own.quantity_text(event.quantity)} at {own.price_text(event.price)}"
    if kind == EventKind.TRADED:
        return f"{time_s} traded {what}, taker {event.account}, maker {event.maker_account}"
    return f"{time_s} {kind.name.lower()} order {event.order_id}, account {event.account}: {what}"


def print_report(report: dict[str, Any]) -> None:
    """The report for people."""
    commands = ", ".join(f"{n} {name}" for name, n in sorted(report["commands"].items()))
    print(f"entries      {report['entries']}: {commands}")
    print(
        f"events       {', '.join(f'{n} {name}' for name, n in sorted(report['events'].items()))}"
    )
    end = "in order" if report["ended_in_order"] else "without an orderly end"
    if report["partial"]:
        end = "not replayed to its end"
    print(f"session      {report['starts']} start(s), {end}")
    for own in report["markets"]:
        print(
            f"market       {own['symbol']}: {own['time_ns'] / 1e9:.3f} s, {own['trades']} trades, "
            f"{own['volume']} lots, last price {own['last_price']}"
        )
    for account in report["accounts"]:
        positions = ", ".join(
            f"{own['symbol']} {own['position']} ({own['n_fills']} fills, {own['n_open']} open)"
            for own in account["positions"]
        )
        print(f"account      {account['name']}: P&L {account['equity']}, {positions}")
    for path in report["lobster"]:
        print(f"written      {path}")
    print(f"market hash  {report['market_hash']}")
    if report["program_differs"]:
        print(f"program      not the one that wrote it: {'; '.join(report['program_differs'])}")
    print(f"differences  {len(report['differences'])} ({report['snapshots_compared']} snapshots)")
    for difference in report["differences"]:
        print(f"  {difference}")


if __name__ == "__main__":
    sys.exit(main())
