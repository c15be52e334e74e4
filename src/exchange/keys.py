"""The keys file: how a server on this machine tells its users their API keys and secrets.

A server keeps it from one start to the next (`exchange.server.kept_keys`). This module stands outside
`exchange.server` so that strategies can read it. Only its owner may: mode 0600.
"""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from exchange.messages.base import Role

DEFAULT_PORT = 8600


class AccountKey(BaseModel):
    """One account's name, number, role, API key and secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    account: int
    role: Role
    key: str
    secret: str

    def __repr_args__(self) -> list[tuple[str | None, object]]:
        return [("name", self.name), ("account", self.account), ("role", self.role)]


class KeysFile(BaseModel):
    """Where the server listens, and the keys of its accounts.

    hidden: names of the accounts that chose not to be seen on the leaderboard.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    ws_url: str
    accounts: list[AccountKey]
    hidden: list[str] = []

    @model_validator(mode="after")
    def _each_once(self) -> "KeysFile":
        for field in ("name", "account", "key"):
            if len({getattr(own, field) for own in self.accounts}) < len(self.accounts):
                raise ValueError(f"two accounts have the same {field}")
        return self

    def named(self, name: str) -> AccountKey:
        """The account of that name. Raises KeyError, naming those there are."""
        for account in self.accounts:
            if account.name == name:
                return account
        raise KeyError(f"no account {name!r}; there are {', '.join(a.name for a in self.accounts)}")


def default_keys_path() -> Path:
    """`$XDG_STATE_HOME/onebook/keys.json`, in ~/.local/state unless that is set."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "onebook" / "keys.json"


def read_keys(path: Path) -> KeysFile:
    """Raises OSError when there is no such file, ValueError when it is not a keys file."""
    return KeysFile.model_validate_json(path.read_bytes())


def write_keys(path: Path, keys: KeysFile) -> None:
    """Write the file whole or not at all, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(keys.model_dump_json(indent=2) + "\n")
    os.replace(partial, path)
