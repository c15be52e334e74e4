"""One message as one command: how a recording reaches the engine.

Recorded orders belong to account 0 and may trade with each other (no self-trade prevention).
"""

from typing import NamedTuple

import numpy as np

from exchange.engine import commands
from exchange.engine.book import best_opposite, find_order, price_of
from exchange.engine.codes import CommandKind, Option, RejectReason, TimeInForce
from exchange.engine.kernel import kernel
from exchange.engine.matching import crosses
from exchange.engine.records import COMMAND, LIVE_MARKET
from exchange.simulation.recorded.messages import Array, MessageKind

RECORDED_ACCOUNT = 0
# plain integers: each member's own type would be compiled for by itself
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
POST_ONLY = int(Option.POST_ONLY)
N_SLOTS = LIVE_MARKET["orders"].shape[0]

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


class Orders(NamedTuple):
    """What ties the venue's orders to the engine's, and room to work."""

    engine_ids: Array  # int64, by the venue's order number: the engine's id, 0 when there is none
    orders_at: Array  # int32, by slot of the market: the number of the order last put there
    counts: Array  # (1,) of COUNTS
    commands: Array  # (1,) of COMMAND, written anew for every message


def new_orders(n_orders: int) -> Orders:
    """Orders numbered 1 .. n_orders, none of them entered yet."""
    return Orders(
        engine_ids=np.zeros(n_orders + 1, np.int64),
        orders_at=np.zeros(N_SLOTS, np.int32),
        counts=np.zeros(1, COUNTS),
        commands=np.zeros(1, COMMAND),
    )


@kernel
def apply_message(markets, instrument, message, orders, options):
    """Apply one MESSAGE; its events are appended. options: of orders that rest.

    Returns what the engine said: the order's id, 0 when there was nothing to do, or -RejectReason.
    """
    market = markets[instrument]
    command = orders.commands[0]
    command.instrument = instrument
    if not write_command(market, message, orders, options, command):
        return 0
    result = commands.obey(markets, command)
    if result < 0:
        note_refusal(orders.counts[0], result)
        if command.kind == CommandKind.REPLACE:  # it has left its old place at the venue
            command.kind = CommandKind.CANCEL
            commands.obey(markets, command)
    if message.kind == MessageKind.ADD:
        orders.engine_ids[message.order] = max(result, 0)
        orders.orders_at[find_order(market, result)] = message.order
    return result


@kernel
def write_command(market, message, orders, options, command):
    """Write the COMMAND that a message stands for; False when there is nothing to do."""
    kind = message.kind
    command.account = RECORDED_ACCOUNT
    command.side = message.side
    command.price = message.price
    command.quantity = message.quantity
    if kind == MessageKind.ADD or kind == MessageKind.TAKE:
        command.kind = CommandKind.ENTER
        command.options = options if kind == MessageKind.ADD else IOC
        if kind == MessageKind.ADD:
            note_crossing(market, message, orders.counts[0])
        return True
    if kind == MessageKind.CLEAR:
        command.kind = CommandKind.CANCEL_ALL
        return True
    if kind == MessageKind.IGNORED:
        return False
    command.order_id = orders.engine_ids[message.order]
    slot = find_order(market, command.order_id)
    if slot == 0:
        orders.counts[0].n_gone += 1
        return False
    if kind == MessageKind.MOVE:
        command.kind = CommandKind.REPLACE
        note_crossing(market, message, orders.counts[0])
    else:
        write_reduction(market, slot, message, command)
    return True


@kernel
def write_reduction(market, slot, message, command):
    """CANCEL, or a REPLACE at the same price: fewer lots keep the order's place."""
    left = market.orders[slot].quantity - message.quantity
    if message.kind == MessageKind.CANCEL or left <= 0:
        command.kind = CommandKind.CANCEL
    else:
        command.kind = CommandKind.REPLACE
        command.price = price_of(market, slot)
        command.quantity = left


@kernel
def note_crossing(market, message, counts):
    if crosses(market, message.side, message.price, best_opposite(market, message.side)):
        counts.n_crossing += 1


@kernel
def note_refusal(counts, result):
    if result == -RejectReason.PRICE_OUT_OF_RANGE:
        counts.n_outside_ladder += 1
    elif result != -RejectReason.POST_ONLY_WOULD_TRADE:  # that is counted as crossing
        counts.n_refused += 1


@kernel
def open_market(markets, instrument, opening, orders):
    """Rest the orders of the opening book."""
    for i in range(len(opening)):
        commands.begin(markets, instrument)
        apply_message(markets, instrument, opening[i], orders, POST_ONLY)
    commands.begin(markets, instrument)
