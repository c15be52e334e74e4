"""Messages applied to a market through the engine's commands, and the market compared with the venue.

Recorded orders belong to account 0 and may trade with each other (no self-trade prevention).
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from exchange.engine import commands
from exchange.engine.book import best_opposite, find_order, next_worse
from exchange.engine.codes import EventKind, Option, RejectReason, Side, TimeInForce
from exchange.engine.kernel import kernel
from exchange.engine.matching import crosses
from exchange.simulation.recorded.messages import Array, MessageFlag, MessageKind

RECORDED_ACCOUNT = 0

# How a replay went so far.
COUNTS = np.dtype(
    (
        np.record,
        [
            ("n_gone", np.int64),  # messages to orders that no longer rest
            ("n_outside_ladder", np.int64),  # orders whose price the ladder does not hold
            ("n_crossing", np.int64),  # orders that met the other side of the book as they came
            ("n_refused", np.int64),  # for any other reason
        ],
    )
)


class Outcome(IntEnum):
    """How an aggressive order traded, by its first difference from the venue's fills."""

    NONE = 0
    EXACT = 1  # the venue's resting orders, in the venue's order, at the same prices and quantities
    OTHER_PRICE = 2
    OTHER_ORDER = 3  # the right price, but another order is first there
    OTHER_QUANTITY = 4  # the right order, but more or fewer lots of it
    UNFILLED = 5  # nothing left to trade with
    OUTSIDE_LADDER = 6  # refused: its price is outside the ladder


@kernel
def apply_message(markets, instrument, message, engine_ids, counts, options):
    """Apply one MESSAGE but TAKE; its events are appended.

    engine_ids: int64, by the venue's order number; 0 is none. options: of orders that rest.
    """
    kind = message.kind
    order = message.order
    if kind == MessageKind.ADD:
        add_order(markets, instrument, message, engine_ids, counts, options)
    elif kind == MessageKind.REDUCE or kind == MessageKind.FILL:
        reduce_order(markets, instrument, engine_ids[order], message.quantity, counts)
    elif kind == MessageKind.CANCEL:
        if find_order(markets[instrument], engine_ids[order]) == 0:
            counts.n_gone += 1
        else:
            commands.cancel(markets, instrument, RECORDED_ACCOUNT, engine_ids[order])
    elif kind == MessageKind.MOVE:
        move_order(markets, instrument, message, engine_ids, counts)
    elif kind == MessageKind.CLEAR:
        commands.cancel_all(markets, instrument, RECORDED_ACCOUNT)


@kernel
def add_order(markets, instrument, message, engine_ids, counts, options):
    market = markets[instrument]
    side = message.side
    if crosses(market, side, message.price, market.best_ask if side == 0 else market.best_bid):
        counts.n_crossing += 1
    order_id = commands.enter(
        markets, instrument, RECORDED_ACCOUNT, side, message.price, message.quantity, options, 0
    )
    engine_ids[message.order] = max(order_id, 0)
    if order_id == -RejectReason.PRICE_OUT_OF_RANGE:
        counts.n_outside_ladder += 1
    elif order_id < 0 and order_id != -RejectReason.POST_ONLY_WOULD_TRADE:
        counts.n_refused += 1


@kernel
def add_older(markets, message, engine_ids, orders_at, counts):
    """Add an order, and let it pass those at its price that are younger (have higher numbers)."""
    add_order(markets, 0, message, engine_ids, counts, TimeInForce.GTC)
    requeue(markets, message.order, engine_ids, orders_at, True)


@kernel
def requeue(markets, order, engine_ids, orders_at, only_younger):
    """Send the others at an order's price, or the younger of them, to the end of the queue, in order."""
    market = markets[0]
    slot = find_order(market, engine_ids[order])
    if slot == 0:
        return
    orders_at[slot] = order
    level = market.levels[market.orders[slot].price - market.price_base]
    slot = level.head
    for _ in range(level.n_orders):
        behind = market.orders[slot].next
        other = orders_at[slot]
        if other != order and (other > order or not only_younger):
            resting = market.orders[slot]
            side, price, quantity = resting.side, resting.price, resting.quantity
            commands.cancel(markets, 0, RECORDED_ACCOUNT, resting.order_id)
            engine_ids[other] = commands.enter(
                markets, 0, RECORDED_ACCOUNT, side, price, quantity, TimeInForce.GTC, 0
            )
            orders_at[find_order(market, engine_ids[other])] = other
        slot = behind


@kernel
def reduce_order(markets, instrument, order_id, quantity, counts):
    """Take lots off a resting order, which keeps its place."""
    market = markets[instrument]
    slot = find_order(market, order_id)
    if slot == 0:
        counts.n_gone += 1
        return
    left = market.orders[slot].quantity - quantity
    price = market.orders[slot].price
    if left > 0:
        commands.replace(markets, instrument, RECORDED_ACCOUNT, order_id, price, left)
    else:
        commands.cancel(markets, instrument, RECORDED_ACCOUNT, order_id)


@kernel
def move_order(markets, instrument, message, engine_ids, counts):
    """Give an order a new price or more lots; one that cannot go there leaves the book."""
    order_id = engine_ids[message.order]
    if find_order(markets[instrument], order_id) == 0:
        counts.n_gone += 1
        return
    result = commands.replace(
        markets, instrument, RECORDED_ACCOUNT, order_id, message.price, message.quantity
    )
    if result < 0:
        commands.cancel(markets, instrument, RECORDED_ACCOUNT, order_id)
    if result == -RejectReason.PRICE_OUT_OF_RANGE:
        counts.n_outside_ladder += 1
    elif result == -RejectReason.POST_ONLY_WOULD_TRADE:
        counts.n_crossing += 1
    elif result < 0:
        counts.n_refused += 1


@kernel
def take(markets, instrument, message):
    """Send an aggressive order; what it cannot trade is canceled."""
    return commands.enter(
        markets,
        instrument,
        RECORDED_ACCOUNT,
        message.side,
        message.price,
        message.quantity,
        TimeInForce.IOC,
        0,
    )


@kernel
def judge_take(market, first_event, result, message, fills, engine_ids):
    """Compare the trades of a TAKE with the venue's fills, in order: an Outcome."""
    for k in range(message.n_fills):
        fill = fills[message.first_fill + k]
        place = first_event + k
        if place >= market.n_events or market.events[place].kind != EventKind.TRADED:
            if result == -RejectReason.PRICE_OUT_OF_RANGE:
                return Outcome.OUTSIDE_LADDER
            return Outcome.UNFILLED
        event = market.events[place]
        if event.price != fill.price:
            return Outcome.OTHER_PRICE
        if event.maker_order_id != engine_ids[fill.order]:
            return Outcome.OTHER_ORDER
        if event.quantity != fill.quantity:
            return Outcome.OTHER_QUANTITY
    return Outcome.EXACT


class Comparison(NamedTuple):
    """The venue's own book and how much of it was met so far."""

    bid_price: Array  # these four as in RecordedBook
    bid_quantity: Array
    ask_price: Array
    ask_quantity: Array
    n_trades: Array  # int64: trades before each snapshot; empty when messages name their rows
    matched: Array  # int64, rows that matched, by level
    matches: Array  # bool, by level: room to work
    best: Array  # bool, by level: the best match of the snapshot at hand
    place: Array  # int64 (2,): the snapshot at hand, levels in its best match (-1 is not yet)


@kernel
def compare_row(market, book, row):
    """Count the levels of one row that are as the venue's."""
    n_levels_matching(market, book, row)
    for k in range(len(book.matches)):
        book.matched[k] += book.matches[k]


@kernel
def compare_snapshots(market, book, n_trades):
    """Compare with the snapshots that the venue took after so many trades.

    A snapshot does not say after which message it was taken: it is met if one of the states between
    those two trades, none before that which met the snapshot before it, is the same in every level.
    """
    settle_snapshots(book, n_trades)
    while book.place[0] < len(book.n_trades) and book.n_trades[book.place[0]] == n_trades:
        n = n_levels_matching(market, book, book.place[0])
        if n > book.place[1]:
            book.place[1] = n
            book.best[:] = book.matches
        if n < len(book.matches):
            return
        count_snapshot(book)


@kernel
def settle_snapshots(book, n_trades):
    """Count the snapshots taken before so many trades: there will be no better match."""
    while book.place[0] < len(book.n_trades) and book.n_trades[book.place[0]] < n_trades:
        count_snapshot(book)


@kernel
def count_snapshot(book):
    """Count the best match of the snapshot at hand and go to the next."""
    for k in range(len(book.best)):
        book.matched[k] += book.best[k]
        book.best[k] = False
    book.place[0] += 1
    book.place[1] = -1


@kernel
def n_levels_matching(market, book, row):
    """Compare a market with one row, level by level, into `matches`; how many are the same."""
    base = market.price_base
    bid, ask = market.best_bid, market.best_ask
    n = 0
    for k in range(book.bid_price.shape[1]):
        same_bid = book.bid_price[row, k] == (bid + base if bid != 0 else 0)
        same_ask = book.ask_price[row, k] == (ask + base if ask != 0 else 0)
        same_bid = same_bid and book.bid_quantity[row, k] == market.levels[bid].quantity
        same_ask = same_ask and book.ask_quantity[row, k] == market.levels[ask].quantity
        book.matches[k] = same_bid and same_ask
        n += book.matches[k]
        bid = next_worse(market, Side.BUY, bid) if bid != 0 else 0
        ask = next_worse(market, Side.SELL, ask) if ask != 0 else 0
    return n


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
        if order.price != fill.price:
            return Outcome.OTHER_PRICE
        if order.order_id != engine_ids[fill.order]:
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
def send_flow(
    markets, messages, fills, book, engine_ids, orders_at, counts, outcomes, corrects
):
    """Send the messages of `as_input` to markets[0] as orders; compare trades, and snapshots.

    orders_at: int32, the order in each slot. outcomes: uint8 per message, an Outcome for every TAKE. corrects: a TAKE that would trade otherwise
    than at the venue is counted so, and the venue's own fills are booked in its stead; thus one
    difference is not counted again in all that follow from it.
    """
    market = markets[0]
    for i in range(len(messages)):
        message = messages[i]
        commands.begin(markets, 0)
        commands.advance_clock(market, message.time_ns)
        if message.kind == MessageKind.TAKE:
            outcome = foresee_take(market, message, fills, engine_ids)
            if corrects and outcome != Outcome.EXACT:
                outcomes[i] = outcome
                book_fills(markets, message, fills, engine_ids, orders_at, counts)
                continue
            first_event = market.n_events
            result = take(markets, 0, message)
            outcomes[i] = judge_take(market, first_event, result, message, fills, engine_ids)
        elif message.kind == MessageKind.ADD and (message.flags & MessageFlag.OLDER) != 0:
            add_older(markets, message, engine_ids, orders_at, counts)
        else:
            apply_message(markets, 0, message, engine_ids, counts, TimeInForce.GTC)
            orders_at[find_order(market, engine_ids[message.order])] = message.order
        if len(book.n_trades) > 0:
            compare_snapshots(market, book, message.n_trades)


@kernel
def book_fills(markets, message, fills, engine_ids, orders_at, counts):
    """Take the lots of a TAKE's fills off the orders that the venue filled.

    One that is left with lots was, as its fill proves, before all others at its price.
    """
    for k in range(message.n_fills):
        fill = fills[message.first_fill + k]
        apply_message(markets, 0, fill, engine_ids, counts, TimeInForce.GTC)
        if (fill.flags & MessageFlag.HIDDEN) == 0:
            requeue(markets, fill.order, engine_ids, orders_at, False)


@kernel
def open_market(markets, instrument, opening, engine_ids, counts):
    """Rest the orders of the opening book."""
    for i in range(len(opening)):
        commands.begin(markets, instrument)
        options = Option.POST_ONLY
        apply_message(markets, instrument, opening[i], engine_ids, counts, options)
    commands.begin(markets, instrument)
