"""The journal of a running venue: it is handed every command before the engine is.

What has been handed over is committed before anybody is told of it, a few microseconds for all that
one turn of the event loop has brought. When it cannot be committed, no command is taken any more.
"""

import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from struct import Struct

from exchange.engine.codes import N_PARTICIPANTS, CommandKind
from exchange.server.errors import ApiError
from exchange.server.journal import entries
from exchange.server.journal.file import Block, Snapshot
from exchange.server.journal.program import program
from exchange.server.journal.replay import Replay
from exchange.server.journal.state import compress, digest, states
from exchange.server.ledger import Account
from exchange.server.orders import Event
from exchange.server.settings import Settings

SNAPSHOT_S = 60.0  # between two snapshots, each of which brings the journal onto the disk
RETRY_S = 1.0  # between two attempts to write to a disk that was full
SYNC_BYTES = 4 * 2**20  # committed since the last `sync`, at most
PAGES_BYTES = 1_200  # what a small commit adds to what is not yet synced

ADVANCE = int(CommandKind.ADVANCE)
_KIND_AT = 44  # in COMMAND bytes
_INSTRUMENT, _TIME = Struct("<h"), Struct("<q")
_INSTRUMENT_AT, _TIME_AT = 40, 0


class Journal:
    """Writes the journal of one venue; `stopped`: why it takes no more commands, or None."""

    def __init__(self, replay: Replay, bytes_max: int) -> None:
        """replay: of what there is of the journal, applied to its end."""
        self.file, self.venue, self.bytes_max = replay.file, replay.venue, bytes_max
        self._fingerprint = replay.fingerprint
        self.n_entries = replay.n_entries  # in closed blocks
        self.stopped: str | None = None
        self._full = False
        self._n_blocks = replay.n_blocks  # closed
        self._pending: list[bytes] = []  # the open block
        self._advances: dict[int, tuple[int, int]] = {}  # market -> place in it, sequence before
        self._only_time = True  # the open block has nothing but advances
        self._changed = False  # since the last commit
        self._n_bytes = self.file.n_bytes()
        self._unsynced_bytes = 0
        self._retry_s = self._snapshot_s = 0.0
        self._packer = ThreadPoolExecutor(1, "journal")
        self._packing: Future[tuple[Snapshot, bytes]] | None = None
        self.venue.journal, self.venue.on_account = self.command, self.account
        self.venue.listeners.append(self._hear)

    # --- taking -----------------------------------------------------------------------------------

    def command(self, record: bytes, client_order_id: str | None) -> None:
        """Take a command that is about to be applied. Raises ApiError 503 when stopped.

        Time that passes in a market is one entry until something happens that the order matters of:
        a command to any market, or a trader's order that fills or ends meanwhile, as fills are
        numbered over all markets. Else it makes no difference into how many advances it is cut.
        """
        self.check()
        (instrument,) = _INSTRUMENT.unpack_from(record, _INSTRUMENT_AT)
        self._changed = True
        if record[_KIND_AT] == ADVANCE:
            self._advance(instrument, *_TIME.unpack_from(record, _TIME_AT))
            return
        sequence = int(self.venue.sequence[instrument])
        self._add(entries.command_entry(sequence, record, client_order_id))

    def account(self, account: Account) -> None:
        """Take an account that is about to be opened or changed. Raises ApiError 503 when stopped."""
        self.check()
        self._changed = True
        self._add(entries.fact_entry(entries.ACCOUNT_ENTRY, account._asdict()))

    def started(self, settings: Settings) -> None:
        """A process begins to write, here and with these settings."""
        told = {"unix_ms": _unix_ms(), "program": program(), "settings": asdict(settings)}
        self._changed = True
        self._add(entries.fact_entry(entries.START_ENTRY, told))

    def check(self) -> None:
        """Raises ApiError 503 while no command can be taken."""
        if self.stopped is not None:
            raise ApiError(
                503, "journal_stopped", f"the market stands still: {self.stopped}", retryable=True
            )

    def _advance(self, instrument: int, until_ns: int) -> None:
        place, sequence = self._advances.get(instrument, (-1, 0))
        if place < 0:
            place, sequence = len(self._pending), int(self.venue.sequence[instrument])
            self._advances[instrument] = place, sequence
            self._pending.append(b"")
        self._pending[place] = entries.advance_entry(sequence, instrument, until_ns)

    def _hear(self, _instrument: int, events: Sequence[Event]) -> None:
        if self._advances and any(
            event.account >= N_PARTICIPANTS or event.maker_account >= N_PARTICIPANTS
            for event in events
        ):
            self._advances.clear()
            self._only_time = False

    def _add(self, entry: bytes) -> None:
        self._advances.clear()
        self._only_time = False
        self._pending.append(entry)

    # --- committing -------------------------------------------------------------------------------

    def commit(self) -> None:
        """Make all that was taken outlive this process. Between two commands, never inside one."""
        if self.stopped is not None:
            self._try_again()
        elif self._changed:
            self._commit()

    def tick(self) -> None:
        """Commit; from time to time a snapshot, and all onto the disk."""
        self.commit()
        now_s = time.monotonic()
        if self.stopped is not None:
            return
        if self._packing is not None and self._packing.done():
            self._keep_snapshot(*self._packing.result())
            self._packing = None
        elif now_s >= self._snapshot_s + SNAPSHOT_S and self._packing is None:
            self._snapshot_s = now_s
            self._close_block()
            self._packing = self._packer.submit(
                _pack, self.n_entries, _unix_ms(), states(self.venue.markets)
            )
        elif self._unsynced_bytes > SYNC_BYTES:
            self._guarded(self._sync)

    def close(self) -> None:
        """An orderly end: a last snapshot, so that a replay can be compared to its very end."""
        self._packer.shutdown()
        if self.stopped is None:
            self._add(entries.fact_entry(entries.END_ENTRY, {"unix_ms": _unix_ms()}))
            self._changed = True
            self.commit()
        if self.stopped is None:
            self._keep_snapshot(*_pack(self.n_entries, _unix_ms(), states(self.venue.markets)))
        self.abandon()

    def abandon(self) -> None:
        """Let go of the file without a word: what was not committed is lost."""
        self.venue.journal = self.venue.on_account = None
        self.venue.listeners.remove(self._hear)
        self._packer.shutdown()
        self.file.close()

    def _commit(self) -> None:
        if self._guarded(self._put):
            self._committed()

    def _committed(self) -> None:
        self._changed = False
        if not self._only_time:  # else the next commit writes the same block again, with more time
            self._close_block()
        if self._n_bytes >= self.bytes_max:
            self._full = True
            self._stop(
                f"the journal {self.file.path} has reached its {self.bytes_max / 1e6:g} MB; "
                "start again with a larger --journal-max-mb, or with a new journal"
            )

    def _put(self) -> None:
        if not self._pending:
            return
        block = Block(
            self._n_blocks + 1,
            self.n_entries + 1,
            len(self._pending),
            _unix_ms(),
            b"".join(self._pending),
            self._fingerprint.stamp(),
        )
        self.file.put(block)
        self._unsynced_bytes += len(block.entries) + PAGES_BYTES
        if not self._only_time:
            self._n_bytes += len(block.entries) + 64

    def _close_block(self) -> None:
        if not self._pending:
            return
        self.n_entries += len(self._pending)
        self._n_blocks += 1
        self._pending.clear()
        self._advances.clear()
        self._only_time = True

    def _keep_snapshot(self, snapshot: Snapshot, markets: bytes) -> None:
        def put() -> None:
            self.file.put_snapshot(snapshot, markets)
            self._n_bytes += len(markets)
            self._sync()

        self._guarded(put)

    def _sync(self) -> None:
        self.file.sync()
        self._unsynced_bytes = 0
        self._n_bytes = self.file.n_bytes()

    # --- when it cannot be written ----------------------------------------------------------------

    def _guarded(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except (sqlite3.Error, OSError) as error:
            self._stop(f"the journal {self.file.path} cannot be written ({error})")
            return False
        return True

    def _stop(self, why: str) -> None:
        if self.stopped is None:
            print(f"onebook: {why}. The market stands still.", file=sys.stderr, flush=True)
        self.stopped = why
        self._retry_s = time.monotonic() + RETRY_S

    def _try_again(self) -> None:
        """A disk may have room again; a journal that has reached its limit stays as it is."""
        if self._full or time.monotonic() < self._retry_s:
            return
        if self._guarded(self._sync) and self._guarded(self._put):
            self.stopped = None
            self._committed()
            print("onebook: the journal is written again: the market goes on.", file=sys.stderr)


def _pack(entry: int, unix_ms: int, parts: Sequence[bytes]) -> tuple[Snapshot, bytes]:
    return Snapshot(entry, unix_ms, digest(parts)), compress(parts)


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
