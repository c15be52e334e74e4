"""The journal's file: an SQLite database with the opening markets, blocks of entries, snapshots.

A block is what was committed at once. Each carries a digest of itself and of the block before it, so
that a changed byte anywhere is found, and named, when the journal is read.
"""

import json
import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

from exchange.engine.records import Markets
from exchange.server.journal.entries import Entry, read_entries
from exchange.server.journal.state import compress, restore, sizes_of, states

APPLICATION_ID = 0x4F424A4C  # "OBJL" in the file's header
FORMAT = 5  # SQLite's user_version: of tables, entries, records and what participants do
CHAIN_BYTES = 16
HEADER_BYTES = 100  # of every SQLite file; bytes 68 to 71 are its application's number
PAGE_BYTES = 1024  # every commit writes at least one page
SCHEMA = """
CREATE TABLE heading (told TEXT NOT NULL, markets BLOB NOT NULL);
CREATE TABLE block (
    number INTEGER PRIMARY KEY, first_entry INTEGER NOT NULL, n_entries INTEGER NOT NULL,
    unix_ms INTEGER NOT NULL, entries BLOB NOT NULL, stamp BLOB NOT NULL, chain BLOB NOT NULL);
CREATE TABLE snapshot (
    entry INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, markets BLOB NOT NULL,
    digest BLOB NOT NULL, seal BLOB NOT NULL);
"""

_NUMBERS = Struct("<qqqq")


class JournalError(Exception):
    """The journal cannot be used; the message names the file and what to do."""


class JournalDamagedError(JournalError):
    """Bytes of the journal are not those that were written."""


class Block(NamedTuple):
    """Entries committed at once; stamp: `state.stamp` of the markets after the last of them."""

    number: int
    first_entry: int
    n_entries: int
    unix_ms: int
    entries: bytes
    stamp: bytes

    def read(self) -> Iterator[Entry]:
        """Its entries."""
        return read_entries(self.entries, self.first_entry)

    def chain(self, before: bytes) -> bytes:
        """The digest of this block and all before it; before: that of the block before."""
        numbers = _NUMBERS.pack(self.number, self.first_entry, self.n_entries, self.unix_ms)
        linked = before + numbers + self.stamp + self.entries
        return blake2b(linked, digest_size=CHAIN_BYTES).digest()


class Snapshot(NamedTuple):
    """The digest of all markets after an entry."""

    entry: int
    unix_ms: int
    digest: bytes

    def seal(self, markets: bytes) -> bytes:
        """A digest of the snapshot as it is kept, with its compressed markets."""
        kept = json.dumps([self.entry, self.unix_ms]).encode() + self.digest + markets
        return blake2b(kept, digest_size=CHAIN_BYTES).digest()


class JournalFile:
    """An open journal. One process has it at a time; `heading`: what `create` was told."""

    def __init__(self, path: Path) -> None:
        """Open an existing journal. Raises JournalError."""
        self.path = path
        with self._explained():
            if path.is_file() and not _is_journal(path):  # SQLite would write into it
                raise JournalError(f"{path} is not a journal of an exchange")
            self._connection = _connect(path)
        try:
            self.heading, self._opening = self._read_heading()
        except BaseException:
            self._connection.close()
            raise
        self._first_link = _link(self.heading, self._opening)
        self._newest = (0, self._first_link, self._first_link)  # block, chain before it, its own

    @classmethod
    def create(cls, path: Path, heading: dict[str, Any], markets: Markets) -> "JournalFile":
        """A new journal that begins with these markets; it is there whole or not at all.

        Raises JournalError.
        """
        told = {**heading, "market_sizes": sizes_of(markets), "created_ms": _unix_ms()}
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            partial.unlink(missing_ok=True)
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            _write_opening(partial, json.dumps(told), compress(states(markets)))
            os.replace(partial, path)
        except (OSError, sqlite3.Error) as error:
            partial.unlink(missing_ok=True)
            raise JournalError(f"cannot write the journal {path}: {error}") from error
        return cls(path)

    def opening_markets(self) -> Markets:
        """The markets as the journal begins. Raises JournalDamagedError."""
        n = len(self.heading["instruments"])
        try:
            return restore(self._opening, n, self.heading["market_sizes"])
        except (ValueError, zlib.error) as error:
            raise self.damaged(f"its opening markets cannot be read ({error})") from error

    # --- reading ----------------------------------------------------------------------------------

    def blocks(self) -> Iterator[Block]:
        """All blocks in their order, each checked. Raises JournalDamagedError."""
        chain, number, entry = self._first_link, 0, 1
        columns = "number, first_entry, n_entries, unix_ms, entries, stamp, chain"
        with self._explained():
            for *fields, written in self._connection.execute(
                f"SELECT {columns} FROM block ORDER BY number"
            ):
                block = Block(*fields)
                try:
                    before, chain = chain, block.chain(chain)
                except (struct.error, TypeError):  # a column that is no number or no bytes
                    raise self.damaged(f"block {number + 1} cannot be read") from None
                if chain != written or (block.number, block.first_entry) != (number + 1, entry):
                    raise self.damaged(
                        f"block {block.number} (entries {block.first_entry} to "
                        f"{block.first_entry + block.n_entries - 1}) is not as it was written"
                    )
                number, entry = block.number, block.first_entry + block.n_entries
                self._newest = (number, before, chain)
                yield block

    def snapshots(self) -> dict[int, Snapshot]:
        """By the number of the entry that they were taken after. Raises JournalDamagedError."""
        found = {}
        with self._explained():
            for *fields, markets, seal in self._connection.execute(
                "SELECT entry, unix_ms, digest, markets, seal FROM snapshot"
            ):
                snapshot = Snapshot(*fields)
                try:
                    intact = snapshot.seal(markets) == seal
                except TypeError:  # a column that is no number or no bytes
                    intact = False
                if not intact:
                    raise self.damaged(f"its snapshot after entry {snapshot.entry}")
                found[snapshot.entry] = snapshot
        return found

    def snapshot_markets(self, entry: int) -> Markets:
        """The markets of a snapshot. Raises JournalDamagedError."""
        with self._explained():
            (blob,) = self._connection.execute(
                "SELECT markets FROM snapshot WHERE entry = ?", (entry,)
            ).fetchone()
        try:
            return restore(blob, len(self.heading["instruments"]), self.heading["market_sizes"])
        except (ValueError, zlib.error) as error:
            raise self.damaged(f"the snapshot after entry {entry} cannot be read") from error

    # --- writing ----------------------------------------------------------------------------------

    def put(self, block: Block) -> None:
        """Commit a block: the next one, or the newest again with more in it. Raises sqlite3.Error."""
        number, before, own = self._newest
        before = own if block.number == number + 1 else before
        chain = block.chain(before)
        self._connection.execute(
            "INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?, ?, ?, ?)", (*block, chain)
        )
        self._newest = (block.number, before, chain)

    def put_snapshot(self, snapshot: Snapshot, markets: bytes) -> None:
        """Keep a snapshot; markets: compressed. Raises sqlite3.Error."""
        self._connection.execute(
            "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?, ?)",
            (
                snapshot.entry,
                snapshot.unix_ms,
                markets,
                snapshot.digest,
                snapshot.seal(markets),
            ),
        )

    def sync(self) -> None:
        """Bring all that is committed onto the disk itself. Raises sqlite3.Error."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def n_bytes(self) -> int:
        """What the journal takes on the disk."""
        parts = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    # --- parts ------------------------------------------------------------------------------------

    def _read_heading(self) -> tuple[dict[str, Any], bytes]:
        with self._explained():
            (application,) = self._connection.execute("PRAGMA application_id").fetchone()
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION_ID:
                raise JournalError(f"{self.path} is not a journal of an exchange")
            if version != FORMAT:
                raise JournalError(
                    f"{self.path} is a journal of format {version}; this program reads {FORMAT}"
                )
            told, markets = self._connection.execute("SELECT * FROM heading").fetchone()
            try:
                return json.loads(told), bytes(markets)
            except (ValueError, TypeError) as error:  # TypeError: a column that holds nothing
                raise self.damaged("its heading cannot be read") from error

    def damaged(self, what: str) -> JournalDamagedError:
        """What to raise when bytes are not as they were written."""
        return JournalDamagedError(f"the journal {self.path} is damaged: {what}")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's complaints in the words of a user."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalError(
                    f"the journal {self.path} is in use by another process: stop it first"
                ) from error
            raise JournalError(f"cannot read the journal {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error):
                raise JournalError(f"{self.path} is not a journal of an exchange") from error
            raise self.damaged(str(error)) from error


def _is_journal(path: Path) -> bool:
    """Whether the file's header is SQLite's, with our number in it."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    return header.startswith(b"SQLite format 3\0") and header[68:72] == APPLICATION_ID.to_bytes(
        4, "big"
    )


def _connect(path: Path) -> sqlite3.Connection:
    """Open for this process alone.

    Committed is: handed to the operating system, so it outlives the process. It is on the disk, and
    outlives a power cut, after the next `sync`.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0.5
    )
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(
            "PRAGMA wal_autocheckpoint = 0"
        )  # `sync` decides when to wait for a disk
    except BaseException:
        connection.close()
        raise
    return connection


def _write_opening(path: Path, told: str, markets: bytes) -> None:
    connection = _connect(path)
    try:
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO heading VALUES (?, ?)", (told, markets))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    finally:
        connection.close()


def _link(heading: dict[str, Any], opening: bytes) -> bytes:
    told: Sequence[bytes] = (json.dumps(heading, sort_keys=True).encode(), opening)
    return blake2b(b"".join(told), digest_size=CHAIN_BYTES).digest()


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
