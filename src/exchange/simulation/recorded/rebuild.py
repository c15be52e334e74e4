"""Rebuild the venue's book from every message as the venue printed it, and compare row by row.

A recording of K levels leaves out what happens beyond them. So a level that slides into view is
taken over from the recorded book, but only where the row before could not show it: beyond its worst
level.
"""

from typing import NamedTuple

import numpy as np

from exchange.engine import commands
from exchange.engine.book import find_order, next_worse, side_of
from exchange.engine.codes import Side
from exchange.engine.kernel import kernel
from exchange.simulation.recorded.apply import POST_ONLY, Orders, apply_message
from exchange.simulation.recorded.compare import Comparison, compare_row, compare_snapshots
from exchange.simulation.recorded.messages import Array, MessageKind

REBUILD_STATE = np.dtype(
    (
        np.record,
        [
            ("n_orders", np.int64),  # orders numbered so far, those nobody announced included
            ("n_corrections", np.int64),
            ("n_applied", np.int64),  # of them
            ("n_adopted", np.int64),  # levels taken over from the recorded book
            ("after", np.int64),  # row of the message just applied; -1 before the first
            ("line", np.int64),  # its line
        ],
    )
)


class Rebuild(NamedTuple):
    """What a rebuild works with, beside the market and the messages."""

    state: Array  # (1,) of REBUILD_STATE
    orders: Orders
    book: Comparison
    last_lines: Array  # int32, by order: the last line about it
    unannounced: Array  # ADDs sorted by side, price and order; `line` is their first mention
    placed: Array  # bool, which of them are in the book
    corrections: (
        Array  # MESSAGE: what was added and cut beside the messages; `expected`: after which
    )


@kernel
def rebuild(markets, messages, adopts, work):
    """Apply all messages to markets[0]; after each that names a row of the book, compare.

    adopts: whether levels out of sight are taken over. Returns the rows compared, or -1 when the
    corrections are full.
    """
    market = markets[0]
    n_compared = 0
    row_before = -1
    if adopts:
        work.state[0].after = -1
        adopt(market, work, -1, 0)  # the opening book
        apply_messages(markets, messages[:0], adopts, work)
        row_before = 0
    for i in range(len(messages)):
        work.state[0].after = i
        commands.advance_clock(market, messages[i].time_ns)
        apply_messages(markets, messages[i : i + 1], adopts, work)
        row = messages[i].expected
        if row >= 0 and adopts:
            adopt(market, work, row_before, row)
            apply_messages(markets, messages[:0], adopts, work)
            row_before = row
        if work.state[0].n_corrections == len(work.corrections):
            return -1
        if row >= 0:
            n_compared += 1
            compare_row(market, work.book, row)
        elif len(work.book.n_trades) > 0:
            compare_snapshots(market, work.book, messages[i].n_trades)
    return n_compared


@kernel
def apply_messages(markets, messages, adopts, work):
    """Apply one message, or none, and then the corrections that wait."""
    market = markets[0]
    state = work.state[0]
    n_left = len(messages)
    while n_left > 0 or state.n_applied < state.n_corrections:
        message = messages[0] if n_left > 0 else work.corrections[state.n_applied]
        commands.begin(markets, 0)
        found = open_quantity(market, work, message)
        if n_left > 0:
            state.line = message.line
        apply_message(markets, 0, message, work.orders, POST_ONLY)
        if n_left == 0:
            state.n_applied += 1
        elif adopts and takes_lots(message) and found < message.quantity:
            cut_level(market, work, message.side, message.price, message.quantity - found)
        n_left = 0


@kernel
def open_quantity(market, work, message):
    """Lots that the message's order has in the market, 0 when it is gone."""
    slot = find_order(market, work.orders.engine_ids[message.order])
    return market.orders[slot].quantity if slot != 0 else 0


@kernel
def takes_lots(message):
    """Whether a message takes lots off its level: all of them must come off, if not of its order.

    Which order of an adopted level is which can be a guess; the level's lots are not.
    """
    return message.kind == MessageKind.REDUCE or message.kind == MessageKind.FILL


@kernel
def adopt(market, work, row_before, row):
    """Take over the levels of a row that lie beyond the worst of the row before (-1: all)."""
    book = work.book
    adopt_side(market, work, Side.BUY, book.bid_price, book.bid_quantity, row_before, row)
    adopt_side(market, work, Side.SELL, book.ask_price, book.ask_quantity, row_before, row)


@kernel
def adopt_side(market, work, side, prices, quantities, row_before, row):
    n_levels = prices.shape[1]
    edge = prices[row_before, n_levels - 1] if row_before >= 0 else -1
    if edge == 0:
        return  # the whole side was visible
    own = first_beyond(market, side, edge)
    for k in range(n_levels):
        price = prices[row, k]
        if price != 0 and edge >= 0 and not worse(side, price, edge):
            continue
        while own != 0 and (price == 0 or worse(side, price, own + market.price_base)):
            following = next_worse(market, side, own)
            set_level(market, work, side, own + market.price_base, 0)
            own = following
        if price == 0:
            return
        if own == price - market.price_base:
            own = next_worse(market, side, own)
        set_level(market, work, side, price, quantities[row, k])


@kernel
def worse(side, price, than):
    """Whether a price of this side of the book has less priority than another."""
    return price < than if side == Side.BUY else price > than


@kernel
def first_beyond(market, side, edge):
    """The first ladder row of this side that is worse than a price (-1: at all), 0 when none is."""
    row = market.best_bid if side == Side.BUY else market.best_ask
    while row != 0 and edge >= 0 and not worse(side, row + market.price_base, edge):
        row = next_worse(market, side, row)
    return row


@kernel
def set_level(market, work, side, price, quantity):
    """Bring a level to a quantity: cut it, or add the orders that nobody announced."""
    row = price - market.price_base
    if row <= 0 or row >= len(market.levels) or market.levels[row].quantity == quantity:
        return
    work.state[0].n_adopted += 1
    missing = quantity - market.levels[row].quantity
    if missing < 0:
        cut_level(market, work, side, price, -missing)
    else:
        add_unannounced(work, side, price, missing)


@kernel
def add_unannounced(work, side, price, quantity):
    """Add orders that later lines name, as far as they fit, and behind them one that no line names.

    One that no line names is never filled, so those that are stood before it.
    """
    state = work.state[0]
    place = first_unannounced(work.unannounced, side, price)
    while place < len(work.unannounced):
        order = work.unannounced[place]
        if order.side != side or order.price != price:
            break
        if not work.placed[place] and order.line > state.line and order.quantity <= quantity:
            work.placed[place] = True
            quantity -= order.quantity
            note_correction(work, MessageKind.ADD, order.order, side, price, order.quantity)
        place += 1
    if quantity > 0 and state.n_orders + 1 < len(work.orders.engine_ids):
        state.n_orders += 1
        note_correction(work, MessageKind.ADD, state.n_orders, side, price, quantity)


@kernel
def first_unannounced(unannounced, side, price):
    """Where the orders of this side and price begin (binary search)."""
    low, high = 0, len(unannounced)
    while low < high:
        middle = (low + high) // 2
        order = unannounced[middle]
        if order.side < side or (order.side == side and order.price < price):
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def note_correction(work, kind, order, side, price, quantity):
    state = work.state[0]
    if state.n_corrections < len(work.corrections):
        correction = work.corrections[state.n_corrections]
        correction.kind = kind
        correction.order = order
        correction.side = side
        correction.price = price
        correction.quantity = quantity
        correction.expected = state.after
        state.n_corrections += 1


@kernel
def cut_level(market, work, side, price, quantity):
    """Take lots off a level, the newest first: of orders no later line names, then of any."""
    row = price - market.price_base
    if row <= 0 or row >= len(market.levels) or market.levels[row].head == 0:
        return
    if side_of(market, market.levels[row].head) != side:
        return
    for any_order in (False, True):
        slot = market.levels[row].tail
        while slot != 0 and quantity > 0:
            resting = market.orders[slot]
            order = work.orders.orders_at[slot]
            if (work.last_lines[order] > work.state[0].line) == any_order:
                lots = min(quantity, resting.quantity)
                note_correction(work, MessageKind.REDUCE, order, side, price, lots)
                quantity -= lots
            slot = resting.previous
