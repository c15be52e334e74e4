"""One command to a market: plain integers, the bytes of the engine's COMMAND record, a call."""

from struct import Struct
from typing import NamedTuple

import numpy as np

from exchange.engine.codes import CommandKind
from exchange.engine.door import Door
from exchange.engine.records import COMMAND
from exchange.simulation.scenario import schedule


class Command(NamedTuple):
    """The fields of COMMAND, the ones every command has first."""

    kind: int
    instrument: int
    account: int
    side: int = 0
    price: int = 0
    quantity: int = 0
    options: int = 0
    order_id: int = 0
    expire_ns: int = 0
    ask_price: int = 0
    ask_quantity: int = 0
    time_ns: int = 0

    def pack(self) -> bytes:
        """The COMMAND record. The integers must fit their fields."""
        return _STRUCT.pack(
            self.time_ns,
            self.order_id,
            self.expire_ns,
            self.price,
            self.quantity,
            self.ask_price,
            self.ask_quantity,
            self.instrument,
            self.account,
            self.kind,
            self.side,
            self.options,
        )


_STRUCT = Struct("<qqqiiiihhBBBx")
assert _STRUCT.size == COMMAND.itemsize


def unpack(record: bytes) -> Command:
    """The command in the bytes of a COMMAND record."""
    fields = dict(zip(_FIELDS, _STRUCT.unpack(record), strict=True))
    return Command(**fields)


_FIELDS = tuple(name for name in COMMAND.names or () if name != "_pad")


def obey(door: Door, command: Command) -> int:
    """Apply a command; returns the order's id, 0, or -RejectReason. Its events wait to be read."""
    (
        kind,
        instrument,
        account,
        side,
        price,
        quantity,
        options,
        order_id,
        expire_ns,
        ask_price,
        ask_quantity,
        _,
    ) = command
    if kind == ENTER:
        return door.enter(instrument, account, side, price, quantity, options, expire_ns)
    if kind == CANCEL:
        return door.cancel(instrument, account, order_id)
    if kind == REPLACE:
        return door.replace(instrument, account, order_id, price, quantity)
    if kind == QUOTE:
        ask = ask_price, ask_quantity
        return door.quote(instrument, account, price, quantity, *ask, options, expire_ns)
    if kind == CANCEL_ALL:
        return door.cancel_all(instrument, account)
    record = np.frombuffer(bytearray(command.pack()), COMMAND)[0]
    if kind == SCHEDULE:
        return int(schedule(door.markets, record))
    return door.apply(record)


ENTER, CANCEL, REPLACE = int(CommandKind.ENTER), int(CommandKind.CANCEL), int(CommandKind.REPLACE)
QUOTE, CANCEL_ALL = int(CommandKind.QUOTE), int(CommandKind.CANCEL_ALL)
SCHEDULE = int(CommandKind.SCHEDULE)
