"""Databento MBO files (CSV), and MBP-10 files as the book to expect.

https://databento.com/docs/schemas-and-data-formats/mbo: actions A add, C cancel (size lots),
M modify, R clear, T trade and F fill. T and F do not change the book: what they did to the maker
follows as C or M.
Prices are decimals or whole numbers of 1e-9, times nanoseconds or ISO 8601.
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np

from exchange.engine.codes import Side
from exchange.engine.records import PRICE_MAX, QUANTITY_MAX
from exchange.simulation.recorded.files import check_columns, read_lines, whole
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

PRICE_UNIT = 10**9
UNDEFINED = 2**63 - 1  # the price of a message that has none
LAST, SNAPSHOT = 128, 32  # flags: last message of the venue's event; part of a snapshot
N_LEVELS = 10
COLUMNS = ("ts_event", "action", "side", "price", "size", "order_id", "flags", "sequence")
KINDS = {
    "A": MessageKind.ADD,
    "C": MessageKind.REDUCE,
    "M": MessageKind.MOVE,
    "F": MessageKind.FILL,
    "T": MessageKind.IGNORED,
    "R": MessageKind.CLEAR,
    "N": MessageKind.IGNORED,
}

Table = dict[str, Array]


def read_databento(path: Path, orderbook: Path | None = None) -> RawRecording:
    """Read an MBO file and, if there is one, the MBP-10 file of the same messages."""
    table = _read_table(path, COLUMNS)
    lines = table["line"]
    kinds = _kinds(path, table)
    prices = _prices(path, table["price"], lines)
    resting = np.isin(kinds, (MessageKind.ADD, MessageKind.MOVE, MessageKind.FILL))
    tick = _tick(path, prices[resting])
    messages = new_messages(len(lines))
    messages["kind"] = kinds
    messages["line"] = lines
    messages["side"] = np.where(table["side"] == "B", Side.BUY, Side.SELL)
    times = _times(path, table["ts_event"], lines)
    messages["time_ns"] = np.maximum.accumulate(times)
    named = resting | (kinds == MessageKind.REDUCE)
    messages["price"][named] = whole(path, prices[named], tick, 1, PRICE_MAX, "price", lines[named])
    sizes = _integers(path, table["size"], lines, "size")
    messages["quantity"][named] = whole(
        path, sizes[named], 1, 0, QUANTITY_MAX, "size", lines[named]
    )
    venue_ids = _integers(path, table["order_id"], lines, "order_id")
    messages["order"], n_orders = number_orders(np.where(named, venue_ids, 0))
    n_auction = _auction_end(table, kinds)
    _number_aggressors(messages, table, venue_ids, times)
    book = None
    if orderbook is not None:
        sequences = _integers(path, table["sequence"], lines, "sequence")
        book, messages["expected"] = _read_book(orderbook, tick, table, times, sequences)
    flags = _integers(path, table["flags"], lines, "flags")
    ended = (flags[:-1] & LAST != 0) | (np.diff(times) != 0)
    messages["event"] = 1 + np.concatenate(([0], np.cumsum(ended)))
    trades = table["action"] == "T"
    messages["n_trades"] = np.cumsum(trades)
    return RawRecording(
        name=path.name,
        messages=messages,
        n_orders=n_orders,
        tick_size=Decimal(tick) / PRICE_UNIT,
        lot_size=Decimal(1),
        book=book,
        fills_repeated=True,
        continuous_from=n_auction,
        notes={"trades": int(trades.sum()), "auction_messages": n_auction},
    )


def _read_table(path: Path, wanted: Sequence[str]) -> Table:
    """The wanted columns of a CSV with a header, as text, and `line`: where each row stands."""
    lines = read_lines(path)
    header = lines[0].decode("latin-1").split(",")
    missing = [name for name in wanted if name not in header]
    if missing:
        raise RecordingError(f"{path}: not a Databento CSV: no column {', '.join(missing)}")
    if len(lines) == 1:
        raise RecordingError(f"{path}: has no rows")
    numbers = np.arange(2, len(lines) + 1)
    check_columns(path, lines[1:], len(header), numbers)
    rows = [line.decode("latin-1").split(",") for line in lines[1:]]
    columns = list(zip(*rows, strict=True))
    for name in ("instrument_id", "symbol"):
        if name in header and len(set(columns[header.index(name)])) > 1:
            raise RecordingError(f"{path}: has several instruments ({name}); split it first")
    table = {name: np.array(columns[header.index(name)]) for name in wanted}
    table["line"] = numbers
    return table


def _kinds(path: Path, table: Table) -> Array:
    actions = table["action"]
    unknown = np.flatnonzero(
        ~np.isin(actions, list(KINDS)) | ~np.isin(table["side"], ("A", "B", "N"))
    )
    if len(unknown):
        row = int(unknown[0])
        raise RecordingError(
            f"{path}, line {table['line'][row]}: action {str(actions[row])!r}, side "
            f"{str(table['side'][row])!r} are not of A C M R T F N and A B N"
        )
    kinds = np.zeros(len(actions), np.uint8)
    for letter, kind in KINDS.items():
        kinds[actions == letter] = kind
    return kinds


def _convert(path: Path, texts: Array, lines: Array, what: str, dtype: str) -> Array:
    """Text to numbers or times; the error names the first line that is none."""
    try:
        return texts.astype(dtype)
    except ValueError:
        for text, line in zip(texts, lines, strict=True):
            try:
                np.array([text]).astype(dtype)
            except ValueError:
                raise RecordingError(f"{path}, line {line}: {what} {str(text)!r} is none") from None
        raise


def _integers(path: Path, texts: Array, lines: Array, what: str) -> Array:
    return _convert(path, np.where(texts == "", "0", texts), lines, what, "int64")


def _prices(path: Path, texts: Array, lines: Array) -> Array:
    """Prices in 1e-9 as int64; 0 where there is none."""
    texts = np.where(texts == "", "0", texts)
    if np.char.find(texts, ".").max(initial=-1) >= 0:
        values = _convert(path, texts, lines, "price", "float64")
        return np.asarray(np.rint(values * PRICE_UNIT).astype(np.int64))
    values = _convert(path, texts, lines, "price", "int64")
    return np.asarray(np.where(values == UNDEFINED, 0, values), np.int64)


def _tick(path: Path, prices: Array) -> int:
    """The largest price step that all resting orders share, in 1e-9."""
    tick = int(np.gcd.reduce(prices)) if len(prices) else PRICE_UNIT
    if tick <= 0:
        raise RecordingError(f"{path}: its orders have no prices")
    return tick


def _times(path: Path, texts: Array, lines: Array) -> Array:
    """Nanoseconds since 1970 (UTC)."""
    if np.char.isdigit(texts).all():
        return _convert(path, texts, lines, "ts_event", "int64")
    return _convert(path, np.char.rstrip(texts, "Z"), lines, "ts_event", "datetime64[ns]").view(
        np.int64
    )


def _auction_end(table: Table, kinds: Array) -> int:
    """The first message after the last auction: fills without an aggressor's side."""
    auction = np.flatnonzero((kinds == MessageKind.FILL) & (table["side"] == "N"))
    if not len(auction):
        return 0
    times = table["ts_event"]
    same = np.flatnonzero(times == times[auction[-1]])
    return int(same[-1]) + 1


def _number_aggressors(messages: Array, table: Table, venue_ids: Array, times: Array) -> None:
    """Fills follow their trade (T), whose order is the aggressor (0 where the venue hides it).

    A resting order that is changed so that it trades has a fill too: it is told by its id. The C or
    M that follows says what is left of it, so its own fill changes nothing.
    """
    trades = np.flatnonzero(table["action"] == "T")
    if not len(trades):
        return
    first = np.ones(len(trades), bool)
    first[1:] = False
    for column in (venue_ids[trades], times[trades], table["side"][trades]):
        first[1:] |= column[1:] != column[:-1]
    numbers = number_groups(first)
    fills = np.flatnonzero(messages["kind"] == MessageKind.FILL)
    behind = np.searchsorted(trades, fills) - 1
    behind, fills = behind[behind >= 0], fills[behind >= 0]
    messages["aggressor"][fills] = numbers[behind]
    own = venue_ids[fills] == venue_ids[trades[behind]]
    messages["kind"][fills[own]] = MessageKind.IGNORED


def _read_book(
    path: Path, tick: int, table: Table, times: Array, sequences: Array
) -> tuple[RecordedBook, Array]:
    """The MBP-10 rows, and for every message the row that shows the book after it, or -1."""
    names = [
        f"{side}_{what}_{k:02}"
        for side in ("bid", "ask")
        for what in ("px", "sz")
        for k in range(N_LEVELS)
    ]
    book = _read_table(path, ("ts_event", "action", "sequence", "order_id", *names))
    lines = book["line"]
    sides = []
    for side in ("bid", "ask"):
        prices = [_prices(path, book[f"{side}_px_{k:02}"], lines) for k in range(N_LEVELS)]
        sizes = [_integers(path, book[f"{side}_sz_{k:02}"], lines, "size") for k in range(N_LEVELS)]
        ticks = np.stack(prices, axis=1)
        if (ticks % tick != 0).any():
            raise RecordingError(f"{path}: has prices that are no multiple of the messages' tick")
        sides += [ticks // tick, np.stack(sizes, axis=1)]
    keys = zip(
        _integers(path, book["sequence"], lines, "sequence").tolist(),
        _times(path, book["ts_event"], lines).tolist(),
        book["action"].tolist(),
        _integers(path, book["order_id"], lines, "order_id").tolist(),
        strict=True,
    )
    rows = {key: row for row, key in enumerate(keys)}
    venue_ids = _integers(path, table["order_id"], table["line"], "order_id").tolist()
    messages = zip(
        sequences.tolist(), times.tolist(), table["action"].tolist(), venue_ids, strict=True
    )
    expected = np.fromiter((rows.get(key, -1) for key in messages), np.int32, len(venue_ids))
    return RecordedBook(*sides), _after_fills(table["action"], expected)


def _after_fills(actions: Array, expected: Array) -> Array:
    """A trade's row shows the book after its fills, which stand in the lines behind it."""
    moved = expected.copy()
    for trade in np.flatnonzero((actions == "T") & (expected >= 0)).tolist():
        last = trade
        while last + 1 < len(actions) and actions[last + 1] == "F":
            last += 1
        if last > trade:
            moved[trade], moved[last] = -1, expected[trade]
    return moved
