"""From a venue's messages to a recording that can be replayed: what every format has in common.

Orders that the file mentions before it announces them are added where their ids say they entered;
what a fill already did is not done twice; trading before the opening becomes the opening book.
"""

import numpy as np

from exchange.engine.codes import Side
from exchange.engine.kernel import kernel
from exchange.engine.records import LIVE_MARKET, PRICE_MAX
from exchange.simulation.recorded.messages import (
    Array,
    MessageFlag,
    MessageKind,
    RawRecording,
    RecordedBook,
    Recording,
    RecordingError,
    new_messages,
)

N_LEVELS = LIVE_MARKET["levels"].shape[0]

# What is known of one of the venue's orders while its messages are read.
TRACK = np.dtype(
    (
        np.record,
        [
            ("quantity", np.int64),  # lots open
            ("filled", np.int64),  # lots filled whose C or M is still to come
            ("place", np.int64),  # orders that came earlier have smaller ones
            ("fill_row", np.int64),  # its last fill
            ("price", np.int32),
            ("side", np.uint8),
            ("_pad", np.uint8, (3,)),
        ],
    )
)


def prepare(raw: RawRecording) -> Recording:
    """Check a file's messages against each other and settle the opening book."""
    if not len(raw.messages):
        raise RecordingError(f"{raw.name}: has no messages")
    messages, start = raw.messages.copy(), raw.continuous_from
    if raw.numbered_by_age:
        _flag_older(messages)
    unannounced, mentioned = _unannounced_orders(raw)
    adopts = raw.adopts and raw.book is not None
    if not adopts:
        at = np.minimum(_arrivals(raw, unannounced["order"]), mentioned)
        messages = _inserted(messages, unannounced, at)
        start += int((at <= start).sum())
    else:  # there a cancel takes the lots it names off its level, whichever orders they are
        messages["kind"][messages["kind"] == MessageKind.CANCEL] = MessageKind.REDUCE
    tracks = np.zeros(raw.n_orders + 1, TRACK)
    settle_messages(messages[:start], tracks, raw.fills_repeated)
    opening = _resting(tracks)
    settle_messages(messages[start:], tracks, raw.fills_repeated)
    n_trades = int(messages["n_trades"][start - 1]) if start else 0
    messages, n_hoisted = _hoist_cancels(messages[start:])
    messages["time_ns"] -= messages["time_ns"][0] if len(messages) else 0
    open_price = _open_price(raw, opening, messages)
    notes = raw.notes | {
        "unannounced_orders": len(unannounced),
        "older_orders": int((messages["flags"] & MessageFlag.OLDER != 0).sum()),
        "self_match_cancels": n_hoisted,
    }
    if raw.book is not None:
        notes["levels_outside_ladder"] = _trim(raw.book, max(open_price - N_LEVELS // 2, 0))
    return Recording(
        name=raw.name,
        opening=opening,
        messages=messages,
        n_orders=raw.n_orders,
        tick_size=raw.tick_size,
        lot_size=raw.lot_size,
        open_price=open_price,
        book=raw.book,
        n_trades_before=n_trades,
        unannounced=unannounced if adopts else None,
        notes=notes,
    )


def _unannounced_orders(raw: RawRecording) -> tuple[Array, Array]:
    """Orders that were in the book, or entered it out of sight, before their first message.

    Returns ADDs with all the lots that later messages take from them and the line that mentions
    them first, and the rows of those first messages.
    """
    messages = raw.messages
    if raw.fills_repeated:  # then the lots of an order cannot be told from its messages
        return new_messages(0), np.zeros(0, np.int64)
    rows = np.flatnonzero((messages["kind"] != MessageKind.IGNORED) & (messages["order"] > 0))
    orders = messages["order"][rows]
    first = np.full(raw.n_orders + 1, -1, np.int64)
    first[orders[::-1]] = rows[::-1]
    adding = messages["kind"] == MessageKind.ADD
    taken = np.where(adding[rows], 0, messages["quantity"][rows])
    lots = np.bincount(orders, taken, raw.n_orders + 1)
    unannounced = np.flatnonzero((first >= 0) & ~adding[first])
    adds = new_messages(len(unannounced))
    adds["kind"] = MessageKind.ADD
    adds["order"] = unannounced
    adds["quantity"] = lots[unannounced]
    for field in ("side", "price", "line"):
        adds[field] = messages[field][first[unannounced]]
    return adds, first[unannounced]


def _arrivals(raw: RawRecording, orders: Array) -> Array:
    """Before which message orders entered: ids are given in the order of arrival."""
    adding = raw.messages["kind"] == MessageKind.ADD
    newest = np.maximum.accumulate(np.where(adding, raw.messages["order"], 0))
    return np.searchsorted(newest, orders)


def _inserted(messages: Array, adds: Array, at: Array) -> Array:
    """Messages with others put in before the rows `at`, at the time of those."""
    order = np.argsort(at, kind="stable")
    adds, at = adds[order], at[order]
    adds["line"] = 0
    for field in ("time_ns", "n_trades"):
        adds[field] = messages[field][at]
    return np.insert(messages, at, adds)


def _flag_older(messages: Array) -> None:
    """Mark orders whose id is below that of one announced before: premarket orders, mostly."""
    adding = messages["kind"] == MessageKind.ADD
    newest = np.maximum.accumulate(np.where(adding, messages["order"], 0))
    messages["flags"][adding & (messages["order"] < newest)] |= np.uint8(MessageFlag.OLDER)


def _hoist_cancels(messages: Array) -> tuple[Array, int]:
    """Put self-match cancels before the trades of their event; returns how many moved.

    The venue prints trades first. But an order that it cancels on the other side of an incoming
    one, in the same event, is the incoming trader's own: it was out before those behind it traded.
    """
    kinds, sides, events = messages["kind"], messages["side"], messages["event"]
    placing = (kinds == MessageKind.ADD) | (kinds == MessageKind.MOVE)
    incoming = placing | (kinds == MessageKind.FILL)
    side = np.where(placing, sides, 1 - sides)
    first_row = np.full(int(events.max(initial=0)) + 1, len(messages))
    np.minimum.at(first_row, events[incoming], np.flatnonzero(incoming))
    before = first_row[events]  # the row of the event's incoming order
    cancels = (kinds == MessageKind.CANCEL) & (events > 0) & (before < np.arange(len(messages)))
    hoisted = np.flatnonzero(cancels)
    hoisted = hoisted[sides[hoisted] != side[before[hoisted]]]
    rest = np.delete(messages, hoisted)
    at = before[hoisted] - np.searchsorted(hoisted, before[hoisted])
    return np.insert(rest, at, messages[hoisted]), len(hoisted)


@kernel
def settle_messages(messages, tracks, fills_repeated):
    """Follow every order; a message keeps only what it changes. Changes messages and tracks."""
    for i in range(len(messages)):
        message = messages[i]
        track = tracks[message.order]
        kind = message.kind
        if kind == MessageKind.ADD or kind == MessageKind.MOVE:
            if track.filled > 0 and message.quantity > track.quantity:
                messages[track.fill_row].flags |= MessageFlag.HIDDEN
            settle_placing(message, track, i)
        elif kind == MessageKind.FILL:
            if fills_repeated:
                track.filled += message.quantity
                track.fill_row = i
                if message.quantity > track.quantity:
                    message.flags |= MessageFlag.HIDDEN
            track.quantity = max(track.quantity - message.quantity, 0)
        elif kind == MessageKind.REDUCE and fills_repeated:
            settle_reducing(message, track)
        elif kind == MessageKind.REDUCE:
            track.quantity = max(track.quantity - message.quantity, 0)
        elif kind == MessageKind.CANCEL:
            track.quantity = 0
        elif kind == MessageKind.CLEAR:
            for k in range(len(tracks)):
                tracks[k].quantity = 0
                tracks[k].filled = 0


@kernel
def settle_placing(message, track, place):
    """An order's price and quantity as they are from now on."""
    if message.quantity == 0:
        message.kind = MessageKind.CANCEL
    elif track.quantity == 0:
        message.kind = MessageKind.ADD  # new, or an iceberg showing its next lots
    elif message.price == track.price and message.quantity == track.quantity:
        message.kind = MessageKind.IGNORED  # what its fills have left
    elif message.price == track.price and message.quantity < track.quantity:
        message.kind = MessageKind.REDUCE
        message.quantity = track.quantity - message.quantity
    else:
        message.kind = MessageKind.MOVE
    if message.kind == MessageKind.REDUCE:
        track.quantity -= message.quantity
    elif message.kind != MessageKind.IGNORED:
        track.place = place
        track.price = message.price
        track.side = message.side
        track.quantity = message.quantity
    track.filled = 0


@kernel
def settle_reducing(message, track):
    """Fewer lots; those that a fill has taken already are not taken again."""
    repeated = min(track.filled, message.quantity)
    track.filled -= repeated
    message.quantity = min(message.quantity - repeated, track.quantity)
    track.quantity -= message.quantity
    if message.quantity == 0:
        message.kind = MessageKind.IGNORED
    elif track.quantity == 0:
        message.kind = MessageKind.CANCEL


def _resting(tracks: Array) -> Array:
    """ADDs of the orders that are open, in the order of their places."""
    orders = np.flatnonzero(tracks["quantity"] > 0)
    orders = orders[np.argsort(tracks["place"][orders], kind="stable")]
    opening = new_messages(len(orders))
    opening["kind"] = MessageKind.ADD
    opening["order"] = orders
    for field in ("price", "quantity", "side"):
        opening[field] = tracks[field][orders]
    return opening


def _open_price(raw: RawRecording, opening: Array, messages: Array) -> int:
    """The middle of the opening book, or the first price that traded, or a middling one: ticks."""
    bids = opening["price"][opening["side"] == Side.BUY]
    asks = opening["price"][opening["side"] == Side.SELL]
    if raw.book is not None and raw.book.n_trades is None:
        bids, asks = raw.book.bid_price[:1, 0], raw.book.ask_price[:1, 0]
    fills = messages["price"][messages["kind"] == MessageKind.FILL]
    named = messages["price"][messages["price"] > 0]
    if not len(named):
        raise RecordingError(f"{raw.name}: has no order with a price")
    if len(bids) and len(asks) and 0 < bids.max() < asks.min():
        price = (int(bids.max()) + int(asks.min())) // 2
    else:
        price = int(fills[0]) if len(fills) else int(np.median(named))
    return int(min(max(price, 1), PRICE_MAX - N_LEVELS))


def _trim(book: RecordedBook, price_base: int) -> int:
    """Blank the levels of a recorded book that the ladder cannot hold; returns how many."""
    n = 0
    for prices, quantities in (
        (book.bid_price, book.bid_quantity),
        (book.ask_price, book.ask_quantity),
    ):
        outside = (prices != 0) & ((prices <= price_base) | (prices >= price_base + N_LEVELS))
        prices[outside] = quantities[outside] = 0
        n += int(outside.sum())
    return n


def as_input(recording: Recording) -> tuple[Array, Array]:
    """The flow as orders: the fills of each aggressive order become one immediate-or-cancel order.

    Its limit is the worst price it traded at, its quantity what it traded. Returns (messages with
    TAKEs, FILLs in the order of the TAKEs).
    """
    messages = recording.messages
    is_fill = (messages["kind"] == MessageKind.FILL) & (messages["aggressor"] > 0)
    fills = messages[is_fill]
    fills = fills[np.argsort(fills["aggressor"], kind="stable")]
    if not len(fills):
        return messages.copy(), fills
    _, first, counts = np.unique(fills["aggressor"], return_index=True, return_counts=True)
    takes = fills[first]
    takes["kind"] = MessageKind.TAKE
    takes["order"] = 0
    takes["expected"] = -1
    takes["side"] = 1 - takes["side"]
    highest = np.maximum.reduceat(fills["price"], first)
    lowest = np.minimum.reduceat(fills["price"], first)
    takes["price"] = np.where(takes["side"] == Side.BUY, highest, lowest)
    takes["quantity"] = np.add.reduceat(fills["quantity"], first)
    takes["n_trades"] = np.maximum.reduceat(fills["n_trades"], first)
    takes["first_fill"], takes["n_fills"] = first, counts
    rows = np.flatnonzero(is_fill)
    _, at = np.unique(messages["aggressor"][rows], return_index=True)
    flow = messages.copy()
    flow[rows[at]] = takes
    keep = ~is_fill
    keep[rows[at]] = True
    return flow[keep], fills
