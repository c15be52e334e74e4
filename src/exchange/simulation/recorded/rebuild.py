"""Rebuild the venue's book from every message as the venue printed it, and compare row by row.

A recording of K levels leaves out what happens beyond them. So a level that slides into view is taken
over from the recorded book, but only where the row before could not show it: beyond its worst level.
"""

from typing import NamedTuple

import numpy as np

from exchange.engine import commands
from exchange.engine.book import find_order, next_worse
from exchange.engine.codes import Option, Side
from exchange.engine.kernel import kernel
from exchange.simulation.recorded.messages import Array, MessageKind
from exchange.simulation.recorded.replay import (
    RECORDED_ACCOUNT,
    Comparison,
    apply_message,
    compare_row,
    compare_snapshots,
    reduce_order,
)

REBUILD_STATE = np.dtype(
    (
        np.record,
        [
            ("n_orders", np.int64),  # orders numbered so far, those nobody announced included
            ("n_corrections", np.int64),
            ("n_adopted", np.int64),  # levels taken over from the recorded book
            ("after", np.int64),  # row of the message just applied; -1 before the first
            ("line", np.int64),  # its line
        ],
    )
)


class Rebuild(NamedTuple):
    """What a rebuild works with, beside the market and the messages."""

    state: Array  # (1,) of REBUILD_STATE
    book: Comparison
    engine_ids: Array  # int64, by order
    orders_at: Array  # int32, the order in each slot of the market
    last_lines: Array  # int32, by order: the last line about it
    unannounced: Array  # ADDs sorted by side, price and order; `line` is their first mention
    placed: Array  # bool, which of them are in the book
    corrections: Array  # MESSAGE: what was added and cut beside the messages; `expected`: after which


@kernel
def rebuild(markets, messages, adopts, work, counts):
    """Apply all messages to markets[0]; after each that names a row of the book, compare.

    adopts: whether levels out of sight are taken over. Returns the rows compared, or -1 when the
    corrections are full.
    """
    market = markets[0]
    state = work.state[0]
    state.after = -1
    n_compared = 0
    row_before = -1
    if adopts:
        adopt(markets, work, -1, 0)
        row_before = 0
    for i in range(len(messages)):
        message = messages[i]
        state.after = i
        state.line = message.line
        commands.begin(markets, 0)
        commands.advance_clock(market, message.time_ns)
        if adopts and message.kind != MessageKind.ADD and message.kind != MessageKind.IGNORED:
            take_lots(markets, work, message, counts)
        else:
            apply_message(markets, 0, message, work.engine_ids, counts, Option.POST_ONLY)
            note_order(market, work, message.order)
        row = message.expected
        if row >= 0:
            if adopts:
                adopt(markets, work, row_before, row)
                row_before = row
            n_compared += 1
            compare_row(market, work.book, row)
        elif len(work.book.n_trades) > 0:
            compare_snapshots(market, work.book, message.n_trades)
        if state.n_corrections == len(work.corrections):
            return -1
    return n_compared


@kernel
def take_lots(markets, work, message, counts):
    """Take exactly the lots that a message names off its level, from its order first.

    Which order of an adopted level is which can be a guess; the level's lots are not.
    """
    market = markets[0]
    order_id = work.engine_ids[message.order]
    slot = find_order(market, order_id)
    found = market.orders[slot].quantity if slot != 0 else 0
    reduce_order(markets, 0, order_id, message.quantity, counts)
    if found < message.quantity:
        cut_level(markets, work, message.side, message.price, message.quantity - found)


@kernel
def note_order(market, work, order):
    """Remember who stands in the slot of an order."""
    slot = find_order(market, work.engine_ids[order])
    work.orders_at[slot] = order


@kernel
def adopt(markets, work, row_before, row):
    """Take over the levels of a row that lie beyond the worst of the row before (-1: all)."""
    book = work.book
    adopt_side(markets, work, Side.BUY, book.bid_price, book.bid_quantity, row_before, row)
    adopt_side(markets, work, Side.SELL, book.ask_price, book.ask_quantity, row_before, row)


@kernel
def adopt_side(markets, work, side, prices, quantities, row_before, row):
    market = markets[0]
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
            set_level(markets, work, side, own + market.price_base, 0)
            own = following
        if price == 0:
            return
        if own == price - market.price_base:
            own = next_worse(market, side, own)
        set_level(markets, work, side, price, quantities[row, k])


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
def set_level(markets, work, side, price, quantity):
    """Bring a level to a quantity: cut it, or add the orders that nobody announced."""
    market = markets[0]
    row = price - market.price_base
    if row <= 0 or row >= len(market.levels) or market.levels[row].quantity == quantity:
        return
    work.state[0].n_adopted += 1
    missing = quantity - market.levels[row].quantity
    if missing < 0:
        cut_level(markets, work, side, price, -missing)
    else:
        add_unannounced(markets, work, side, price, missing)


@kernel
def add_unannounced(markets, work, side, price, quantity):
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
            correct_add(markets, work, order.order, side, price, order.quantity)
        place += 1
    if quantity > 0 and state.n_orders + 1 < len(work.engine_ids):
        state.n_orders += 1
        correct_add(markets, work, state.n_orders, side, price, quantity)


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
def correct_add(markets, work, order, side, price, quantity):
    order_id = commands.enter(
        markets, 0, RECORDED_ACCOUNT, side, price, quantity, Option.POST_ONLY, 0
    )
    work.engine_ids[order] = max(order_id, 0)
    note_order(markets[0], work, order)
    note_correction(work, MessageKind.ADD, order, side, price, quantity)


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
def cut_level(markets, work, side, price, quantity):
    """Take lots off a level, the newest first: of orders no later line names, then of any."""
    market = markets[0]
    row = price - market.price_base
    if row <= 0 or row >= len(market.levels) or market.levels[row].head == 0:
        return
    if market.orders[market.levels[row].head].side != side:
        return
    for any_order in (False, True):
        slot = market.levels[row].tail
        while slot != 0 and quantity > 0:
            before = market.orders[slot].previous
            order = work.orders_at[slot]
            if any_order or work.last_lines[order] <= work.state[0].line:
                quantity -= cut_order(markets, work, slot, order, quantity)
            slot = before


@kernel
def cut_order(markets, work, slot, order, quantity):
    """Take at most `quantity` lots off one order; returns how many."""
    resting = markets[0].orders[slot]
    side, price, open_quantity, order_id = (
        resting.side,
        resting.price,
        resting.quantity,
        resting.order_id,
    )
    if quantity < open_quantity:
        left = open_quantity - quantity
        commands.replace(markets, 0, RECORDED_ACCOUNT, order_id, price, left)
        note_correction(work, MessageKind.REDUCE, order, side, price, quantity)
        return quantity
    commands.cancel(markets, 0, RECORDED_ACCOUNT, order_id)
    note_correction(work, MessageKind.CANCEL, order, side, price, open_quantity)
    return open_quantity
