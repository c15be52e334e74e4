"""The keys file of a running exchange: kept from one start to the next, so that clients log in again.

One process holds it at a time. Beside it stands a lock file, which also says up to which timestamp
signed requests may have been accepted: the next process takes none so old, so no request is
accepted twice although the keys live on.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from exchange.engine.codes import N_PARTICIPANTS
from exchange.keys import AccountKey, KeysFile, read_keys, write_keys
from exchange.server.auth import MARK_AHEAD_MS, TIMESTAMP_AGE_MS_MAX
from exchange.server.errors import ApiError
from exchange.server.service import Exchange

LOCK_BYTES_MAX = 64


class KeysFileError(Exception):
    """The keys file cannot be used; the message says why and what to do."""


class KeptKeys:
    """The keys file at `path`, held by this process until it is closed.

    kept: what an earlier start has left there; None when there is nothing, or fresh keys are wanted.
    """

    def __init__(self, path: Path, lock: int, kept: KeysFile | None, accept_after_ms: int) -> None:
        self.path, self.kept = path, kept
        self._lock = lock
        self._accept_after_ms = accept_after_ms
        self._url = self._ws_url = ""

    def admit(self, exchange: Exchange, n_accounts: int) -> int:
        """Open the kept accounts under their old numbers, then what is missing of demo1 .. demoN.

        Returns the unix time (ms) after which requests are accepted. Raises KeysFileError.
        """
        if self.kept is not None:  # a mark further ahead tells that the clock was set back since
            latest_ms = exchange.unix_ms() + TIMESTAMP_AGE_MS_MAX + MARK_AHEAD_MS
            exchange.keys.accept_after_ms = min(self._accept_after_ms, latest_ms)
        for key in self.kept.accounts if self.kept is not None else []:
            self._readmit(exchange, key)
        for name in [f"demo{n + 1}" for n in range(n_accounts)]:
            if name not in {account.name for account in exchange.venue.accounts.values()}:
                exchange.open_account(name, True)
        exchange.issue_missing_keys()
        exchange.keys.on_mark = self._write_mark
        return exchange.keys.accept_after_ms

    def _readmit(self, exchange: Exchange, key: AccountKey) -> None:
        assert self.kept is not None
        try:
            exchange.readmit(key, key.name not in self.kept.hidden)
        except ApiError as error:
            raise KeysFileError(_useless(self.path, f"account {key.name!r}: {error}")) from error

    def publish(self, exchange: Exchange, url: str, ws_url: str) -> KeysFile:
        """Write the file, now and whenever an account is opened, shown or hidden."""
        self._url, self._ws_url = url, ws_url
        exchange.account_listeners.append(lambda: write_keys(self.path, self._file(exchange)))
        file = self._file(exchange)
        write_keys(self.path, file)
        return file

    def _file(self, exchange: Exchange) -> KeysFile:
        accounts = exchange.venue.accounts.values()
        return KeysFile(
            url=self._url,
            ws_url=self._ws_url,
            accounts=exchange.keys.all(),
            hidden=[account.name for account in accounts if not account.visible],
        )

    def _write_mark(self, accepted_until_ms: int) -> None:
        os.pwrite(self._lock, f"{accepted_until_ms:020d} {os.getpid()}\n".encode(), 0)


@contextlib.contextmanager
def hold_keys(path: Path, *, fresh: bool) -> Iterator[KeptKeys]:
    """Take the keys file for this process. Raises KeysFileError.

    fresh: what stands there is forgotten, and whoever has one of its keys is shut out.
    """
    _read_kept(path, fresh=fresh)  # may refuse: no lock file beside what is not ours
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise KeysFileError(f"cannot keep keys in {path}: {error.strerror}") from error
    try:
        accepted_until_ms = _take_lock(path, lock)
        kept = _read_kept(path, fresh=fresh)
        yield KeptKeys(path, lock, None if fresh else kept, accepted_until_ms)
    finally:
        os.close(lock)


def _take_lock(path: Path, lock: int) -> int:
    """Lock or raise; returns the mark that the last process has left, 0 when there is none."""
    said = os.pread(lock, LOCK_BYTES_MAX, 0).split()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        who = f" (process {said[1].decode()})" if len(said) == 2 else ""
        raise KeysFileError(
            f"another exchange{who} is running with the keys file {path}: stop it, "
            "or name another file with --keys-file"
        ) from None
    mark = int(said[0]) if said and said[0].isdigit() else 0
    os.pwrite(lock, f"{mark:020d} {os.getpid()}\n".encode(), 0)
    return mark


def _read_kept(path: Path, *, fresh: bool) -> KeysFile | None:
    """The keys of an earlier start, None when this is the first.

    Raises KeysFileError; fresh: only when the file is not ours to replace.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeysFileError(f"cannot read the keys in {path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise KeysFileError(f"{path} is not a file: name another with --keys-file")
    if status.st_uid != os.geteuid():
        raise KeysFileError(f"{path} belongs to another user: name another with --keys-file")
    if status.st_mode & 0o077 and not fresh:
        raise KeysFileError(
            f"others than its owner may read the keys in {path}: start with --new-keys, or, if nobody "
            f"has, say chmod 600 {path}"
        )
    try:
        kept = read_keys(path)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]  # an input may be a secret
        place = ".".join(str(part) for part in first["loc"])
        reason = f"{place} {first['msg']}".strip()
        raise KeysFileError(
            f"{path} is not a keys file of this exchange ({reason}): name another with --keys-file"
        ) from None
    except OSError as error:
        raise KeysFileError(f"cannot read the keys in {path}: {error.strerror}") from error
    taken = any(key.account < N_PARTICIPANTS for key in kept.accounts if key.role == "trader")
    if taken and not fresh:
        raise KeysFileError(
            _useless(path, "an account number belongs to the simulated participants")
        )
    return kept


def _useless(path: Path, reason: str) -> str:
    return (
        f"the keys in {path} cannot be used ({reason}): start with --new-keys to make new ones, "
        "or name another file with --keys-file"
    )
