"""What every recording becomes, whatever venue it is from: MESSAGE records about numbered orders.

A reader (`lobster`, `databento`, `shanghai`) turns a venue's file into a `RawRecording`; `prepare`
makes a `Recording` of it, which `rebuild` and `send` check and `flow` feeds to a live market.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

N_MESSAGES_MAX = 20_000_000  # rows of one recording
N_BOOK_VALUES_MAX = 200_000_000  # prices and quantities of one recorded book

Array = npt.NDArray[Any]


class RecordingError(ValueError):
    """A recording that cannot be used: no such file, not its format, or not this line of it."""


class MessageKind(IntEnum):
    """What a message does. ADD .. CLEAR rebuild a book; as input, TAKE stands for the FILLs."""

    IGNORED = 0  # nothing in the visible book: hidden trades, halts, what a fill has already done
    ADD = 1  # a new order rests
    REDUCE = 2  # `quantity` lots less; the order keeps its place
    CANCEL = 3
    FILL = 4  # `quantity` lots of a resting order traded
    MOVE = 5  # new price or larger quantity; the order loses its place
    CLEAR = 6  # every order goes
    TAKE = 7  # an aggressive order, `quantity` lots up to `price` and what is left canceled


class MessageFlag(IntEnum):
    """What else is known of a message."""

    OLDER = 1  # ADD: the order is older than others announced before it, and goes before them
    HIDDEN = 2  # FILL: the order had more lots than it showed (an iceberg)


MESSAGE = np.dtype(
    (
        np.record,
        [
            ("time_ns", np.int64),  # since the start of the recording
            ("price", np.int32),  # ticks
            ("quantity", np.int32),  # lots
            ("order", np.int32),  # the venue's orders numbered 1, 2, ...; 0 is none
            ("aggressor", np.int32),  # FILL and TAKE: aggressive orders numbered 1, 2, ...
            ("line", np.int32),  # of the file, from 1; 0 for what no line says
            ("expected", np.int32),  # row of the recorded book to compare with after it; -1 is none
            ("n_trades", np.int32),  # trades of the venue so far, this message included
            ("first_fill", np.int32),  # TAKE: its first FILL in `Recording.fills`
            ("n_fills", np.int32),  # TAKE
            ("event", np.int32),  # messages of one event of the venue share it; 0 is unknown
            ("kind", np.uint8),
            ("side", np.uint8),  # of the order; TAKE: of the aggressor
            ("flags", np.uint8),  # MessageFlag
            ("_pad", np.uint8),
        ],
    )
)

# What the venue's own book showed, best level first; price 0 where there is no level.
BOOK_FIELDS = ("bid_price", "bid_quantity", "ask_price", "ask_quantity")


@dataclass
class RecordedBook:
    """The venue's own book, row by row: four int64 arrays (n rows, n levels), ticks and lots."""

    bid_price: Array
    bid_quantity: Array
    ask_price: Array
    ask_quantity: Array
    n_trades: Array | None = (
        None  # snapshots: trades of the venue so far; then rows have no message
    )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and levels."""
        n_rows, n_levels = self.bid_price.shape
        return n_rows, n_levels


@dataclass
class RawRecording:
    """A venue's file in MESSAGE records, not yet checked against each other."""

    name: str
    messages: Array  # MESSAGE, in the venue's order
    n_orders: int  # orders are numbered 1 .. n_orders
    tick_size: Decimal
    lot_size: Decimal
    book: RecordedBook | None = None
    adopts: bool = False  # levels beyond the visible edge are unannounced (LOBSTER)
    numbered_by_age: bool = False  # ids, so numbers too, are given in the order of arrival
    fills_repeated: bool = False  # a fill's effect on its maker is sent again as C or M (Databento)
    continuous_from: int = 0  # first message of continuous trading; before it an auction
    notes: dict[str, int] = field(default_factory=dict)  # what the reader set aside, counted


@dataclass
class Recording:
    """A recording ready to replay."""

    name: str
    opening: Array  # ADDs that make the book before the first message, oldest first
    messages: Array  # every change of the book as the venue printed it
    n_orders: int
    tick_size: Decimal
    lot_size: Decimal
    open_price: int  # ticks
    book: RecordedBook | None
    n_trades_before: int  # trades of the venue before the first message
    unannounced: Array | None  # where levels out of sight are adopted: ADDs that may be among them
    notes: dict[str, int]


def new_messages(n: int) -> Array:
    """n blank messages that are compared with nothing."""
    messages = np.zeros(n, MESSAGE)
    messages["expected"] = -1
    return messages


def number_orders(venue_ids: Array) -> tuple[Array, int]:
    """Number the venue's order ids 1, 2, ... in the order of the ids; 0 stays 0.

    Returns (numbers int32 like venue_ids, how many).
    """
    ids, numbers = np.unique(venue_ids, return_inverse=True)
    if len(ids) and ids[0] == 0:
        return numbers.astype(np.int32), len(ids) - 1
    return (numbers + 1).astype(np.int32), len(ids)


def number_groups(first: Array) -> Array:
    """1, 2, ... for runs of rows, where `first` marks the first row of each: int32."""
    return np.asarray(np.cumsum(first), np.int32)
