"""A journal applied again: the same commands through the same `Venue`, compared with what was.

Three comparisons, each with what the live process wrote. Before a command: the number of its market's
last event. After a block: all events so far, clocks and random states. At a snapshot: all bytes of
the state.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from exchange.engine.codes import CommandKind
from exchange.server.command import Command
from exchange.server.journal.entries import Entry
from exchange.server.journal.file import Block, JournalFile
from exchange.server.journal.state import Fingerprint, differing_fields, digest, states
from exchange.server.ledger import Limits
from exchange.server.venue import Refused, Venue

ADVANCE = int(CommandKind.ADVANCE)


@dataclass(frozen=True)
class Difference:
    """Where a replay has gone another way than the live session; entry: the last before it shows."""

    entry: Entry | None
    what: str

    def __str__(self) -> str:
        where = "before any command" if self.entry is None else f"at {self.entry}"
        return f"{self.what}, {where}"


@dataclass
class Replay:
    """How far a journal has been applied, and what was found."""

    venue: Venue
    file: JournalFile
    n_entries: int = 0
    n_blocks: int = 0
    n_snapshots: int = 0  # compared
    ended: bool = False  # in order, by the last process that wrote it
    starts: list[dict[str, Any]] = field(default_factory=list)
    difference: Difference | None = None
    newest: Entry | None = None  # applied
    before: Callable[[Entry], None] | None = None  # told of each entry before it is applied
    _last: dict[int, Entry] = field(default_factory=dict)  # by market

    def __post_init__(self) -> None:
        self.fingerprint = Fingerprint(self.venue.markets)
        self.venue.listeners.append(self.fingerprint.hear)

    def run(self, entry_max: int | None = None, until_ns: int | None = None) -> Difference | None:
        """Apply the journal up to an entry or a market time; stops at the first difference.

        Raises JournalError.
        """
        kept = self.file.snapshots()
        for block in self.file.blocks():
            for entry in block.read():
                if entry_max is not None and entry.number > entry_max:
                    return None
                if until_ns is not None and self._is_later(entry, until_ns):
                    return None
                if self._has_gone_astray(entry):
                    return self.difference
                self._apply(entry, until_ns)
            if until_ns is not None:
                continue  # time may have been cut short in it
            self.n_blocks = block.number
            snapshot = kept.pop(self.n_entries, None)
            if self._differs_after(block) or (
                snapshot is not None and self._differs_from(snapshot.digest)
            ):
                return self.difference
        if kept and until_ns is None:
            raise self.file.damaged(f"its snapshot after entry {min(kept)} is of no block")
        return None

    # --- parts ------------------------------------------------------------------------------------

    def _apply(self, entry: Entry, until_ns: int | None) -> None:
        if self.before is not None:
            self.before(entry)
        command = entry.command
        if command is None:
            self._learn(entry)
        else:
            if until_ns is not None and command.kind == ADVANCE:
                command = command._replace(time_ns=min(command.time_ns, until_ns))
            give(self.venue, command, entry.client_order_id)
            self._last[command.instrument] = entry
        self.n_entries, self.newest = entry.number, entry

    def _learn(self, entry: Entry) -> None:
        self.ended = entry.fact == "end"
        if entry.fact == "start":
            self.starts.append(entry.told)
        elif entry.fact == "account":
            told = entry.told
            self.venue.open_account(told["name"], told["visible"], told["number"])

    def _is_later(self, entry: Entry, until_ns: int) -> bool:
        command = entry.command
        if command is None or command.kind == ADVANCE:
            return False
        return int(self.venue.now_ns[command.instrument]) >= until_ns

    def _has_gone_astray(self, entry: Entry) -> bool:
        if entry.command is None:
            return False
        market = entry.command.instrument
        now = int(self.venue.sequence[market])
        if now == entry.sequence:
            return False
        what = f"market {market} has had {now} events, live it had {entry.sequence}"
        self.difference = Difference(self._last.get(market), what)
        return True

    def _differs_after(self, block: Block) -> bool:
        if self.fingerprint.stamp() == block.stamp:
            return False
        what = f"entries {block.first_entry} to {self.n_entries} end in another state than live"
        self.difference = Difference(self.newest, what)
        return True

    def _differs_from(self, written: bytes) -> bool:
        self.n_snapshots += 1
        if digest(states(self.venue.markets)) == written:
            return False
        theirs = self.file.snapshot_markets(self.n_entries)
        fields = ", ".join(differing_fields(self.venue.markets, theirs)) or "only its digest"
        what = f"the snapshot after entry {self.n_entries} differs in {fields}"
        self.difference = Difference(self.newest, what)
        return True


def give(venue: Venue, command: Command, client_order_id: str | None) -> None:
    """Give a venue a journaled command as the server gave it; what was refused is refused again."""
    try:
        _give(venue, command, client_order_id)
    except Refused:
        return


def _give(venue: Venue, own: Command, client_order_id: str | None) -> None:
    row, account = own.instrument, own.account
    wire_id = venue.log.wire_id(row, own.order_id)
    match own.kind:
        case CommandKind.ADVANCE:
            venue.advance(row, own.time_ns)
        case CommandKind.ENTER:
            wanted = (row, own.side, own.price, own.quantity, own.options, own.expire_ns)
            venue.enter(account, wanted, client_order_id)
        case CommandKind.CANCEL:
            venue.cancel(account, wire_id)
        case CommandKind.REPLACE:
            venue.replace(account, wire_id, own.price, own.quantity)
        case CommandKind.QUOTE:
            bid, ask = (own.price, own.quantity), (own.ask_price, own.ask_quantity)
            venue.quote(account, row, bid, ask, own.options, own.expire_ns)
        case CommandKind.CANCEL_ALL:
            venue.cancel_all(account, row)
        case CommandKind.SET_LIMITS:
            limits = Limits(own.expire_ns, own.quantity, own.ask_quantity, own.order_id)
            venue.set_limits(account, row, limits)
        case CommandKind.SCHEDULE:
            venue.schedule(row, own.side, own.order_id, own.time_ns, own.expire_ns)
        case CommandKind.HALT:
            venue.halt(row)
        case CommandKind.RESUME:
            venue.resume(row)
        case _:
            raise AssertionError(f"a venue does not take {own}")
