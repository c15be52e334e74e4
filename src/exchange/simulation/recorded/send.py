"""A recording sent as orders: do they trade with the orders that the venue's did?"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from exchange.engine import commands
from exchange.engine.book import best_opposite, find_order, next_worse, order_id, price_of, side_of
from exchange.engine.codes import EventKind, RejectReason
from exchange.engine.kernel import kernel
from exchange.engine.matching import crosses
from exchange.simulation.recorded.apply import GTC, N_SLOTS, Orders, apply_message
from exchange.simulation.recorded.compare import Comparison, compare_snapshots
from exchange.simulation.recorded.messages import Array, MessageFlag, MessageKind, new_messages


class Outcome(IntEnum):
    """How an aggressive order traded, by its first difference from the venue's fills."""

    NONE = 0
    EXACT = 1  # the venue's resting orders, in the venue's order, at the same prices and quantities
    OTHER_PRICE = 2
    OTHER_ORDER = 3  # the right price, but another order is first there
    OTHER_QUANTITY = 4  # the right order, but more or fewer lots of it
    UNFILLED = 5  # nothing left to trade with
    OUTSIDE_LADDER = 6  # refused: its price is outside the ladder


class Send(NamedTuple):
    """What sending works with, beside the market and the messages."""

    orders: Orders
    book: Comparison
    fills: Array  # the venue's FILLs in the order of the TAKEs
    outcomes: Array  # uint8 per message: an Outcome for every TAKE
    pending: Array  # MESSAGEs that put a queue in order, to be applied
    n_pending: Array  # int64 (1,)


def new_send(orders: Orders, book: Comparison, fills: Array, n_messages: int) -> Send:
    """Nothing sent yet."""
    return Send(
        orders=orders,
        book=book,
        fills=fills,
        outcomes=np.zeros(n_messages, np.uint8),
        pending=new_messages(2 * N_SLOTS),  # every order of the book canceled and entered again
        n_pending=np.zeros(1, np.int64),
    )


@kernel
def send_flow(markets, messages, work, corrects):
    """Send the messages of `as_input` to markets[0] as orders; compare trades, and snapshots.

    corrects: a TAKE that would trade otherwise than at the venue is counted so, and the venue's own
    fills are booked in its stead; thus one difference is not counted again in all that follow.
    """
    market = markets[0]
    for i in range(len(messages)):
        message = messages[i]
        commands.advance_clock(market, message.time_ns)
        books = False
        if message.kind == MessageKind.TAKE and corrects:
            outcome = foresee_take(market, message, work.fills, work.orders.engine_ids)
            books = outcome != Outcome.EXACT
            work.outcomes[i] = outcome
        if books:
            write_fills(message, work)
        else:
            work.pending[0] = message
            work.n_pending[0] = 1
        k = 0
        while k < work.n_pending[0]:
            pending = work.pending[k]
            commands.begin(markets, 0)
            result = apply_message(markets, 0, pending, work.orders, GTC)
            if pending.kind == MessageKind.TAKE:
                work.outcomes[i] = judge_take(market, result, pending, work)
            elif pending.kind == MessageKind.ADD and pending.flags == MessageFlag.OLDER:
                requeue(market, pending.order, work, True)
            elif books and pending.kind == MessageKind.FILL:
                if pending.flags != MessageFlag.HIDDEN:
                    requeue(market, pending.order, work, False)
            k += 1
        work.n_pending[0] = 0
        if len(work.book.n_trades) > 0:
            compare_snapshots(market, work.book, message.n_trades)


@kernel
def foresee_take(market, message, fills, engine_ids):
    """Whether a TAKE would trade as the venue's order did: an Outcome. Changes nothing."""
    row = best_opposite(market, message.side)
    slot = market.levels[row].head if row != 0 else 0
    left = message.quantity
    for k in range(message.n_fills):
        fill = fills[message.first_fill + k]
        if slot == 0 or not crosses(market, message.side, message.price, row):
            return Outcome.UNFILLED
        order = market.orders[slot]
        if price_of(market, slot) != fill.price:
            return Outcome.OTHER_PRICE
        if order_id(market, slot) != engine_ids[fill.order]:
            return Outcome.OTHER_ORDER
        if min(order.quantity, left) != fill.quantity:
            return Outcome.OTHER_QUANTITY
        left -= fill.quantity
        slot = order.next
        if slot == 0:
            row = next_worse(market, 1 - message.side, row)
            slot = market.levels[row].head if row != 0 else 0
    return Outcome.EXACT


@kernel
def judge_take(market, result, message, work):
    """Compare the trades of a TAKE with the venue's fills, in order: an Outcome."""
    for k in range(message.n_fills):
        fill = work.fills[message.first_fill + k]
        if k >= market.n_events or market.events[k].kind != EventKind.TRADED:
            if result == -RejectReason.PRICE_OUT_OF_RANGE:
                return Outcome.OUTSIDE_LADDER
            return Outcome.UNFILLED
        event = market.events[k]
        if event.price != fill.price:
            return Outcome.OTHER_PRICE
        if event.maker_order_id != work.orders.engine_ids[fill.order]:
            return Outcome.OTHER_ORDER
        if event.quantity != fill.quantity:
            return Outcome.OTHER_QUANTITY
    return Outcome.EXACT


@kernel
def write_fills(message, work):
    """Have the lots of a TAKE's fills taken off the orders that the venue filled.

    One that is left with lots was, as its fill proves, before all others at its price.
    """
    for k in range(message.n_fills):
        work.pending[work.n_pending[0]] = work.fills[message.first_fill + k]
        work.n_pending[0] += 1


@kernel
def requeue(market, order, work, only_younger):
    """Send the others at an order's price, or only the younger, to the end of the queue, in order.

    Younger orders have higher numbers. To be sent back is to be canceled and entered again.
    """
    slot = find_order(market, work.orders.engine_ids[order])
    if slot == 0:
        return
    slot = market.levels[market.orders[slot].row].head
    while slot != 0:
        other = work.orders.orders_at[slot]
        if other != order and (other > order or not only_younger):
            write_again(market, work, other, slot)
        slot = market.orders[slot].next


@kernel
def write_again(market, work, order, slot):
    """Have an order canceled and entered again; nothing when there is no room for it."""
    n = work.n_pending[0]
    if n + 2 > len(work.pending):
        return
    for kind in (MessageKind.CANCEL, MessageKind.ADD):
        message = work.pending[work.n_pending[0]]
        message.kind = kind
        message.order = order
        message.side = side_of(market, slot)
        message.price = price_of(market, slot)
        message.quantity = market.orders[slot].quantity
        message.flags = 0
        work.n_pending[0] += 1
