"""LOBSTER files: `message` (one line an event) and `orderbook` (the book after each event).

https://lobsterdata.com/info/DataStructure.php: time (seconds after midnight), type, order id, size,
price x 10000, direction (1 the resting order buys, -1 it sells).
"""

from decimal import Decimal
from pathlib import Path

import numpy as np

from exchange.engine.codes import Side
from exchange.engine.records import PRICE_MAX, QUANTITY_MAX
from exchange.simulation.recorded.files import read_lines, read_numbers, whole
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

PRICE_UNIT = 10_000  # of a price of 1.0
EMPTY_PRICE = 9_999_999_999  # either sign: there is no such level
SECONDS_A_DAY = 86_400
KINDS = {
    1: MessageKind.ADD,
    2: MessageKind.REDUCE,
    3: MessageKind.CANCEL,
    4: MessageKind.FILL,
    5: MessageKind.IGNORED,  # execution of a hidden order
    6: MessageKind.IGNORED,  # auction
    7: MessageKind.IGNORED,  # halt
}
FULL_TICK = 100  # one cent: the tick of a US stock of a dollar and more


def read_lobster(path: Path, orderbook: Path | None = None) -> RawRecording:
    """Read a message file and, if there is one, the orderbook file beside it."""
    rows = read_numbers(path, read_lines(path), 6)
    lines = np.arange(1, len(rows) + 1)
    _check(path, rows)
    kinds = _kinds(rows[:, 1])
    tick = _tick(rows[kinds != MessageKind.IGNORED, 4])
    times = np.rint(rows[:, 0] * 1e9).astype(np.int64)
    used = kinds != MessageKind.IGNORED
    orders, n_orders = number_orders(np.where(used, rows[:, 2].astype(np.int64), 0))
    messages = new_messages(len(rows))
    messages["time_ns"] = times - times[0]
    messages["kind"] = kinds
    messages["line"] = lines
    messages["order"] = orders
    messages["price"][used] = whole(path, rows[used, 4], tick, 1, PRICE_MAX, "price", lines[used])
    messages["quantity"][used] = whole(path, rows[used, 3], 1, 1, QUANTITY_MAX, "size", lines[used])
    messages["side"] = np.where(rows[:, 5] > 0, Side.BUY, Side.SELL)
    _number_aggressors(messages)
    book = None
    if orderbook is not None:
        book = _read_orderbook(orderbook, messages, tick)
        messages["expected"] = np.arange(1, len(rows) + 1)
    return RawRecording(
        name=path.name,
        messages=messages,
        n_orders=n_orders,
        tick_size=Decimal(tick) / PRICE_UNIT,
        lot_size=Decimal(1),
        book=book,
        adopts=True,
        numbered_by_age=True,
        notes={
            "hidden_executions": int((rows[:, 1] == 5).sum()),
            "halts": int((rows[:, 1] == 7).sum()),
        },
    )


def _check(path: Path, rows: Array) -> None:
    wrong = np.flatnonzero(~np.isin(rows[:, 1], list(KINDS)) | ~np.isin(rows[:, 5], (1, -1)))
    if len(wrong):
        line, kind, side = wrong[0] + 1, rows[wrong[0], 1], rows[wrong[0], 5]
        raise RecordingError(
            f"{path}, line {line}: not a LOBSTER message: type {kind:g} is not 1-7 or direction "
            f"{side:g} not 1 or -1"
        )
    wrong = np.flatnonzero(~((rows[:, 0] >= 0) & (rows[:, 0] <= SECONDS_A_DAY)))
    if len(wrong):
        raise RecordingError(f"{path}, line {wrong[0] + 1}: its time is not within a day")
    back = np.flatnonzero(np.diff(rows[:, 0]) < 0)
    if len(back):
        raise RecordingError(f"{path}, line {back[0] + 2}: its time is before the line above")


def _kinds(types: Array) -> Array:
    table = np.zeros(8, np.uint8)
    for number, kind in KINDS.items():
        table[number] = kind
    return table[types.astype(np.int64)]


def _tick(prices: Array) -> int:
    """One cent if every price is a multiple of it, else the largest step that all of them share."""
    prices = prices[(prices > 0) & (prices <= FULL_TICK * PRICE_MAX)]  # others are refused later
    if not len(prices):
        return FULL_TICK
    return int(np.gcd(np.gcd.reduce(prices.astype(np.int64)), FULL_TICK))


def _number_aggressors(messages: Array) -> None:
    """Executions of one moment and side are one aggressive order."""
    fills = np.flatnonzero(messages["kind"] == MessageKind.FILL)
    times, sides = messages["time_ns"][fills], messages["side"][fills]
    first = np.ones(len(fills), bool)
    first[1:] = (times[1:] != times[:-1]) | (sides[1:] != sides[:-1])
    messages["aggressor"][fills] = number_groups(first)


def _read_orderbook(path: Path, messages: Array, tick: int) -> RecordedBook:
    """Row 0 is the book before the first message, row i the book after the i-th."""
    lines = read_lines(path)
    n_columns = lines[0].count(b",") + 1
    if n_columns % 4:
        raise RecordingError(f"{path}: {n_columns} columns are not ask, size, bid, size per level")
    if len(lines) != len(messages):
        raise RecordingError(
            f"{path}: {len(lines)} lines, but the message file has {len(messages)}"
        )
    values = read_numbers(path, lines, n_columns, dtype=np.int64)
    levels = values.reshape(len(lines), n_columns // 4, 2, 2)  # ask, bid; price, quantity
    prices, quantities = levels[..., 0], levels[..., 1]
    empty = np.abs(prices) == EMPTY_PRICE
    off = np.argwhere(~empty & (prices % tick != 0))
    if len(off):
        raise RecordingError(f"{path}, line {off[0, 0] + 1}: a price is not a multiple of {tick}")
    prices = np.where(empty, 0, prices // tick)
    quantities = np.where(empty, 0, quantities)
    sides = []
    for side in (Side.BUY, Side.SELL):
        column = 1 - side
        before = _undone(prices[0, :, column], quantities[0, :, column], messages[0], side)
        sides += [
            np.vstack((first, rows[:, :, column]))
            for first, rows in zip(before, (prices, quantities), strict=True)
        ]
    return RecordedBook(*sides)


def _undone(prices: Array, quantities: Array, message: Array, side: Side) -> tuple[Array, Array]:
    """One side of the book (prices, quantities) as it was before a message."""
    levels = dict(zip(prices.tolist(), quantities.tolist(), strict=True))
    if message["side"] == side and message["kind"] != MessageKind.IGNORED:
        price, quantity = int(message["price"]), int(message["quantity"])
        change = -quantity if message["kind"] == MessageKind.ADD else quantity
        levels[price] = levels.get(price, 0) + change
    best_first = sorted(levels.items(), reverse=side == Side.BUY)
    left = [level for level in best_first if level[0] > 0 and level[1] > 0][: len(prices)]
    before = np.zeros((2, len(prices)), np.int64)
    before[:, : len(left)] = np.array(left, np.int64).reshape(-1, 2).T
    return before[0], before[1]
