"""Shanghai order-by-order files: O orders, E executions, S snapshots of ten levels.

O,ApplSeqNum,BizIndex,time,OrderNo,price,qty,A|D,B|S and E,ApplSeqNum,BizIndex,time,bidOrderNo,
askOrderNo,price,qty,B|S|N belong in the order of BizIndex. An order that trades on arrival has its
executions first and an A row, if any, for what is left. Prices and shares are times 1000.
"""

from decimal import Decimal
from pathlib import Path

import numpy as np

from exchange.engine.codes import Side
from exchange.engine.records import PRICE_MAX, QUANTITY_MAX
from exchange.simulation.recorded.files import bad_line, read_lines, read_numbers, whole
from exchange.simulation.recorded.messages import (
    Array,
    MessageKind,
    RawRecording,
    RecordedBook,
    RecordingError,
    new_messages,
    number_groups,
    number_orders,
)

N_LEVELS = 10
TICK = 10  # 0.01 CNY
UNIT = 1_000  # of a price of 1 CNY; of one share
CODES = {b"A": 0, b"D": 1, b"B": 0, b"S": 1, b"N": 2}
AUCTION = 2
BUY, SELL = int(Side.BUY), int(Side.SELL)


def read_shanghai(path: Path) -> RawRecording:
    """Read a file of O, E and S rows."""
    lines = read_lines(path)
    first = np.frombuffer(b"".join(line[:1] or b" " for line in lines), np.uint8)
    unknown = np.flatnonzero(~np.isin(first, np.frombuffer(b"OES", np.uint8)))
    if len(unknown):
        row = int(unknown[0])
        raise bad_line(path, row, lines[row], "does not begin with O, E or S")
    orders, executions, snapshots = (_rows(path, lines, first == ord(kind)) for kind in "OES")
    if not len(orders[0]) + len(executions[0]):
        raise RecordingError(f"{path}: has no orders")
    messages, n_orders, n_auction = _messages(path, orders, executions)
    notes = {"auction_trades": n_auction, "auction_messages": _continuous_from(messages)}
    return RawRecording(
        name=path.name,
        messages=messages,
        n_orders=n_orders,
        tick_size=Decimal(TICK) / UNIT,
        lot_size=Decimal(1),
        book=_snapshots(path, snapshots, n_auction),
        continuous_from=notes["auction_messages"],
        notes=notes,
    )


def _rows(path: Path, lines: list[bytes], chosen: Array) -> tuple[Array, Array, Array]:
    """Rows of one kind: numbers, the letters at their end (0, 1, 2 as in CODES), line numbers."""
    numbers = np.flatnonzero(chosen)
    part = [lines[row] for row in numbers]
    kind = part[0][:1] if part else b""
    n_columns = 5 + 4 * N_LEVELS if kind == b"S" else 9
    n_letters = {b"O": 2, b"E": 1}.get(kind, 0)
    columns = range(1, n_columns - n_letters)
    values = read_numbers(path, part, n_columns, columns, numbers + 1, np.int64)
    letters = np.zeros((len(part), n_letters), np.uint8)
    for row, line in enumerate(part if n_letters else ()):
        for column, letter in enumerate(line.rstrip().rsplit(b",", n_letters)[1:]):
            allowed = (b"A", b"D") if n_letters == 2 and column == 0 else (b"B", b"S", b"N")
            if letter not in allowed or (n_letters == 2 and letter == b"N"):
                problem = f"{letter.decode('latin-1')!r} is none of its letters"
                raise bad_line(path, row, line, problem, numbers + 1)
            letters[row, column] = CODES[letter]
    return values, letters, numbers + 1


def _messages(
    path: Path,
    orders: tuple[Array, Array, Array],
    executions: tuple[Array, Array, Array],
) -> tuple[Array, int, int]:
    """MESSAGEs in the order of BizIndex: one an order row, one an execution
    (its resting order), two an execution of an auction.

    Returns (messages, number of orders, trades of the auction).
    """
    adds, trades = new_messages(len(orders[0])), new_messages(2 * len(executions[0]))
    values, letters, lines = orders
    adds["kind"] = np.where(letters[:, 0] == 0, MessageKind.ADD, MessageKind.CANCEL)
    adds["side"] = letters[:, 1]
    _fill_numbers(path, adds, values[:, 4:6], lines)
    _, aggressor, lines = executions
    values = executions[0].repeat(2, axis=0)
    trades["kind"] = MessageKind.FILL
    trades["side"] = np.tile(np.array([BUY, SELL], np.uint8), len(lines))
    _fill_numbers(path, trades, values[:, 5:7], lines.repeat(2))
    aggressor = aggressor[:, 0].repeat(2)
    own = aggressor == trades["side"]  # the aggressor's own half of the trade
    venue_ids = np.concatenate(
        (orders[0][:, 3], np.where(trades["side"] == BUY, values[:, 3], values[:, 4]))
    )
    messages = np.concatenate((adds, trades))
    messages["order"], n_orders = number_orders(venue_ids)
    takers = np.where(trades["side"] == BUY, values[:, 4], values[:, 3])
    taker = np.concatenate((np.zeros(len(adds), np.int64), takers))
    auction = np.concatenate((np.zeros(len(adds), bool), aggressor == AUCTION))
    business = np.concatenate((orders[0][:, 1], values[:, 1]))
    times = np.concatenate((orders[0][:, 2], values[:, 2]))
    order = np.argsort(business, kind="stable")
    is_trade = np.arange(len(order)) >= len(adds)
    messages["time_ns"] = _nanoseconds(times)
    messages["n_trades"][order] = (np.cumsum(is_trade[order]) + 1) // 2
    order = order[~np.concatenate((np.zeros(len(adds), bool), own))[order]]
    messages = messages[order]
    _number_aggressors(messages, taker[order], auction[order])
    return messages, n_orders, int((executions[1] == AUCTION).sum())


def _fill_numbers(path: Path, messages: Array, values: Array, lines: Array) -> None:
    """Price and quantity columns into messages, checked."""
    messages["line"] = lines
    messages["price"] = whole(path, values[:, 0], TICK, 1, PRICE_MAX, "price", lines)
    messages["quantity"] = whole(path, values[:, 1], UNIT, 1, QUANTITY_MAX, "quantity", lines)


def _number_aggressors(messages: Array, taker: Array, auction: Array) -> None:
    """Executions in a row of one incoming order are one aggressive order; auctions have none."""
    fills = np.flatnonzero((messages["kind"] == MessageKind.FILL) & ~auction)
    first = np.ones(len(fills), bool)
    first[1:] = (np.diff(taker[fills]) != 0) | (np.diff(fills) > 1)
    messages["aggressor"][fills] = number_groups(first)
    messages["aggressor"][auction] = 0


def _continuous_from(messages: Array) -> int:
    """The first message after the opening auction's last trade."""
    auction = np.flatnonzero((messages["kind"] == MessageKind.FILL) & (messages["aggressor"] == 0))
    return int(auction[-1]) + 1 if len(auction) else 0


def _nanoseconds(clock: Array) -> Array:
    """Since midnight, from HHMMSScc (hundredths)."""
    seconds = clock // 1_000_000 * 3600 + clock // 10_000 % 100 * 60 + clock // 100 % 100
    return np.asarray(seconds * 10**9 + clock % 100 * 10**7)


def _snapshots(path: Path, rows: tuple[Array, Array, Array], n_auction: int) -> RecordedBook | None:
    """The snapshots of continuous trading."""
    values, _, _ = rows
    opening = 92_500 if n_auction else 93_000
    values = values[(values[:, 0] >= opening) & (values[:, 1] >= n_auction)]
    if not len(values):
        return None
    levels = values[:, 4:].reshape(len(values), 4, N_LEVELS)
    return RecordedBook(
        bid_price=levels[:, 0] // TICK,
        bid_quantity=levels[:, 1] // UNIT,
        ask_price=levels[:, 2] // TICK,
        ask_quantity=levels[:, 3] // UNIT,
        n_trades=np.ascontiguousarray(values[:, 1]),
    )
