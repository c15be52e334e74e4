"""The entries of a journal as bytes: commands, the passing of time, accounts, starts and ends.

Each is a kind, the length of its payload, and the payload. A command keeps the number of the market's
last event before it, so that a replay knows by which command it has gone another way.
"""

import json
from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple

from exchange.engine.codes import CommandKind
from exchange.engine.records import COMMAND
from exchange.server.command import Command, unpack

COMMAND_ENTRY, ADVANCE_ENTRY, ACCOUNT_ENTRY, START_ENTRY, END_ENTRY = 1, 2, 3, 4, 5
FACTS = {ACCOUNT_ENTRY: "account", START_ENTRY: "start", END_ENTRY: "end"}
# what a command keeps in a field of another name
NAMES: dict[int, dict[str, str]] = {
    CommandKind.QUOTE: {"price": "bid_price", "quantity": "bid_quantity"},
    CommandKind.SCHEDULE: {
        "side": "shock",
        "order_id": "magnitude",
        "time_ns": "begin_ns",
        "expire_ns": "end_ns",
    },
    CommandKind.SET_LIMITS: {
        "expire_ns": "position_max",
        "quantity": "quantity_max",
        "ask_quantity": "n_open_max",
        "order_id": "loss_max",
    },
}

_HEAD = Struct("<BH")
_SEQUENCE = Struct("<q")
_ADVANCE = Struct("<qhq")
_COMMAND_BYTES = COMMAND.itemsize


class Entry(NamedTuple):
    """One entry: a command with its client_order_id, or a fact with its name.

    sequence: of the market's last event before the command.
    """

    number: int  # 1, 2, 3 ... over the whole journal
    command: Command | None
    sequence: int = 0
    client_order_id: str | None = None
    fact: str = ""
    told: dict[str, Any] = {}  # noqa: RUF012  never changed

    def __str__(self) -> str:
        if self.command is None:
            return f"entry {self.number}: {self.fact} {json.dumps(self.told)}"
        own = self.command
        named = f" client_order_id {self.client_order_id!r}" if self.client_order_id else ""
        names = NAMES.get(own.kind, {})
        fields = ", ".join(
            f"{names.get(name, name)} {value}"
            for name, value in own._asdict().items()
            if name not in ("kind", "instrument", "account") and value
        )
        who = f"market {own.instrument}, account {own.account}"
        return f"entry {self.number}: {CommandKind(own.kind).name} ({who}): {fields}{named}"


def command_entry(sequence: int, record: bytes, client_order_id: str | None) -> bytes:
    """A command; record: its COMMAND bytes."""
    body = _SEQUENCE.pack(sequence) + record
    if client_order_id is not None:
        body += client_order_id.encode()
    return _HEAD.pack(COMMAND_ENTRY, len(body)) + body


def advance_entry(sequence: int, instrument: int, until_ns: int) -> bytes:
    """Time passed in one market."""
    return _HEAD.pack(ADVANCE_ENTRY, _ADVANCE.size) + _ADVANCE.pack(sequence, instrument, until_ns)


def fact_entry(kind: int, told: dict[str, Any]) -> bytes:
    """An account, a start or an end."""
    body = json.dumps(told, separators=(",", ":")).encode()
    return _HEAD.pack(kind, len(body)) + body


def read_entries(block: bytes, first: int) -> Iterator[Entry]:
    """The entries in the bytes of a block; first: the number of its first one."""
    place, number = 0, first
    while place < len(block):
        kind, length = _HEAD.unpack_from(block, place)
        place += _HEAD.size
        yield _read(kind, block[place : place + length], number)
        place, number = place + length, number + 1


def _read(kind: int, body: bytes, number: int) -> Entry:
    if kind == ADVANCE_ENTRY:
        sequence, instrument, until_ns = _ADVANCE.unpack(body)
        command = Command(int(CommandKind.ADVANCE), instrument, 0, time_ns=until_ns)
        return Entry(number, command, sequence)
    if kind == COMMAND_ENTRY:
        (sequence,) = _SEQUENCE.unpack_from(body)
        end = _SEQUENCE.size + _COMMAND_BYTES
        named = body[end:].decode() or None
        return Entry(number, unpack(body[_SEQUENCE.size : end]), sequence, named)
    return Entry(number, None, fact=FACTS[kind], told=json.loads(body))
