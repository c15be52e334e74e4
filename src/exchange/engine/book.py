"""The book: orders in price-time priority. Levels and links only; it knows no rule of the market.

A ladder row is `price - price_base`. Rows with orders have their bit set in `occupied`; every row
at or below the best bid holds bids, every row at or above the best ask holds asks.
"""

import numpy as np

from exchange.engine.bits import highest_bit, lowest_bit
from exchange.engine.codes import Side
from exchange.engine.kernel import kernel
from exchange.engine.records import N_ENTERED_MAX

# Plain integers: an enum member as an argument would compile all rules below it once more.
BUY, SELL = int(Side.BUY), int(Side.SELL)
NONE, ONE, LAST = np.uint64(0), np.uint64(1), np.uint64(63)
ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@kernel
def find_order(market, order_id):
    """Slot of a resting order, 0 when there is none of that id."""
    n_orders = len(market.orders)
    slot = order_id & (n_orders - 1)
    is_there = np.int64(market.orders[slot].number) == order_id // n_orders and order_id >= n_orders
    return slot if is_there else 0


@kernel
def order_id(market, slot):
    """The id of the order in a slot: its number among all orders, then the slot."""
    return np.int64(market.orders[slot].number) * len(market.orders) + slot


@kernel
def price_of(market, slot):
    """The price of the order in a slot, ticks."""
    return market.price_base + np.int64(market.orders[slot].row)


@kernel
def side_of(market, slot):
    """The side of a resting order: all rows up to the best bid hold bids, all others asks."""
    return BUY if market.orders[slot].row <= market.best_bid else SELL


@kernel
def sure_slot(market, slot):
    """A slot as it is, in a way that shows the compiler that it is one: each use of it as an index is
    shorter then by the question whether it counts from the end.
    """
    return slot & (len(market.orders) - 1)


@kernel
def take_slot(market):
    """Reserve an order slot, 0 when every slot is taken. Give it back with `free_slot`."""
    slot = sure_slot(market, market.free_slot)
    if market.n_entered >= N_ENTERED_MAX:
        slot = 0
    elif slot != 0:
        market.free_slot = market.orders[slot].next
    elif market.n_slots_used + 1 < len(market.orders):
        market.n_slots_used += 1
        slot = market.n_slots_used
    return slot


@kernel
def free_slot(market, slot):
    """Give a slot back; its order id is forgotten."""
    order = market.orders[slot]
    order.number = 0
    order.next = market.free_slot
    market.free_slot = slot


@kernel
def rest(market, side, slot):
    """Put an order (already written in its slot) at the end of the queue at its price."""
    order = market.orders[slot]
    row = np.int64(order.row)
    level = market.levels[row]
    is_first = level.head == 0
    link(market, level.tail, slot)
    order.next = 0
    level.tail = slot
    if is_first:
        level.head = slot
        open_row(market, side, row)
    level.quantity += order.quantity
    market.n_resting += 1


@kernel
def unlink(market, slot):
    """Take an order out of the queue at its price. Its slot stays reserved."""
    order = market.orders[slot]
    row = np.int64(order.row)
    level = market.levels[row]
    before, behind = order.previous, order.next
    head, tail = level.head, level.tail
    link(market, before, behind)
    level.head = behind if before == 0 else head
    level.tail = before if behind == 0 else tail
    level.quantity -= order.quantity
    market.n_resting -= 1
    if level.head == 0:
        close_row(market, row)


@kernel
def link(market, before, behind):
    """Make two orders neighbors in their queue; either may be slot 0, which is no order.

    Slot 0 takes what is written to it and is blanked again: whether an order has a neighbor is as good
    as random, and a branch that is guessed wrongly costs more than four writes.
    """
    market.orders[before].next = behind
    market.orders[behind].previous = before
    market.orders[0].next = 0
    market.orders[0].previous = 0


@kernel
def open_row(market, side, row):
    """The first order has come to this row."""
    market.occupied[row >> 6] |= ONE << np.uint64(row & 63)
    bid, ask = market.best_bid, market.best_ask
    market.best_bid = max(bid, row) if side == Side.BUY else bid
    better_ask = min(ask, row) if ask != 0 else row
    market.best_ask = better_ask if side == Side.SELL else ask


@kernel
def close_row(market, row):
    """The last order has left this row."""
    market.occupied[row >> 6] &= ~(ONE << np.uint64(row & 63))
    if row == market.best_bid:
        market.best_bid = occupied_row_below(market, row)
    elif row == market.best_ask:
        market.best_ask = occupied_row_above(market, row)


@kernel
def below_in_word(market, row):
    """The occupied rows below this one in its word of `occupied`."""
    return market.occupied[row >> 6] & ~(ALL << np.uint64(row & 63))


@kernel
def above_in_word(market, row):
    """The occupied rows above this one in its word of `occupied`."""
    return market.occupied[row >> 6] & ~(ALL >> np.uint64(63 - (row & 63)))


@kernel
def occupied_row_below(market, row):
    """The next row below that holds orders, 0 when none does."""
    word = row >> 6
    found = below_in_word(market, row)
    while found == 0:
        word -= 1
        if word < 0:
            return 0
        found = market.occupied[word]
    return (word << 6) + highest_bit(found)


@kernel
def occupied_row_above(market, row):
    """The next row above that holds orders, 0 when none does."""
    word = row >> 6
    found = above_in_word(market, row)
    while found == 0:
        word += 1
        if word == len(market.occupied):
            return 0
        found = market.occupied[word]
    return (word << 6) + lowest_bit(found)


@kernel
def rows_upto(market, row):
    """Which of 64 rows are occupied: this one (bit 63) and those below it."""
    word, place = row >> 6, np.uint64(row & 63)
    below = market.occupied[word - 1] if word > 0 else NONE
    return (market.occupied[word] << (LAST - place)) | ((below >> ONE) >> place)


@kernel
def rows_from(market, row):
    """Which of 64 rows are occupied: this one (bit 0) and those above it."""
    word, place = row >> 6, np.uint64(row & 63)
    above = market.occupied[word + 1] if word + 1 < len(market.occupied) else NONE
    return (market.occupied[word] >> place) | ((above << ONE) << (LAST - place))


@kernel
def best_opposite(market, side):
    """Ladder row of the best price that an order of this side can trade with, 0 when none."""
    bid, ask = market.best_bid, market.best_ask
    return ask if side == Side.BUY else bid


@kernel
def next_worse(market, side, row):
    """From a row of this side's book to its next worse one, 0 at the end."""
    if side == Side.BUY:
        return occupied_row_below(market, row)
    return occupied_row_above(market, row)
