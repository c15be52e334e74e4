"""One command to a market as plain integers, and as the bytes of the engine's COMMAND record."""

from struct import Struct
from typing import NamedTuple

from exchange.engine.records import COMMAND


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
