"""What any simulated participant does with the market: send an order, cancel one at random.

Their orders pass the engine's checks like everybody's. What the engine would refuse anyway (price
band, ladder, a full book) is not sent, so that the feed is not filled with the crowd's refusals.
"""

import numpy as np

from exchange.engine.book import find_order, order_id
from exchange.engine.codes import (
    N_PARTICIPANTS,
    CancelReason,
    Participant,
    Phase,
    Side,
    TimeInForce,
)
from exchange.engine.kernel import kernel
from exchange.engine.matching import cancel_slot, enter_order
from exchange.engine.memory import fetch
from exchange.engine.participants import CROWD_ORDERS_MAX
from exchange.simulation.rng import below, below_of, peek

# Plain integers: an enum member as an argument would compile all rules below it once more.
BUY, SELL = int(Side.BUY), int(Side.SELL)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
NO_ORDER = (0, BUY, 0, 0, GTC)  # account, side, price, quantity, time in force
QUANTITY = 3  # its place in an order as decided
LIQUIDITY, NOISE = int(Participant.LIQUIDITY), int(Participant.NOISE)
VALUE, MOMENTUM = int(Participant.VALUE), int(Participant.MOMENTUM)
CANCEL_BY_USER = int(CancelReason.USER)
LOW_32 = 0xFFFF_FFFF  # bits of an id that are listed


@kernel
def n_resting_crowd(market):
    """Resting orders of the crowd: only liquidity and value traders leave any."""
    accounts = market.accounts
    return accounts[LIQUIDITY].n_open + accounts[VALUE].n_open


@kernel
def price_min(market):
    """The lowest price that an order may have now, ticks."""
    lowest = market.price_base + 1
    return max(lowest, market.last_price - market.band_ticks) if market.band_ticks > 0 else lowest


@kernel
def price_max(market):
    """The highest price that an order may have now, ticks."""
    highest = market.price_base + len(market.levels) - 1
    return min(highest, market.last_price + market.band_ticks) if market.band_ticks > 0 else highest


@kernel
def can_rest(market):
    """Whether the crowd may leave one more order in the book."""
    if n_resting_crowd(market) >= CROWD_ORDERS_MAX:
        return False
    return market.free_slot != 0 or market.n_slots_used + 1 < len(market.orders)


@kernel
def send(market, account, side, price, quantity, time_in_force):
    """Enter one order of the crowd; returns whether it traded.

    A price beyond the band's far edge is brought back to it (who would bid more, bids the most that
    is allowed); one beyond the near edge, which nobody would meet, is not sent.
    """
    lowest, highest = price_min(market), price_max(market)
    at_most, at_least = min(price, highest), max(price, lowest)
    price = at_most if side == BUY else at_least
    if price < lowest or price > highest or quantity < 1 or market.phase != Phase.OPEN:
        return False
    if time_in_force == GTC and not can_rest(market):
        return False
    n_trades = market.n_trades
    entered = enter_order(market, account, side, price, quantity, time_in_force, 0, False)
    if find_order(market, entered) != 0:
        remember(market.flow, market, entered)
    return market.n_trades != n_trades


@kernel
def remember(flow, market, entered):
    """Note a resting order of the crowd, so that it can be found for cancelation."""
    if flow.n_crowd == CROWD_ORDERS_MAX:
        forget_gone(flow, market)
    flow.crowd[flow.n_crowd] = entered & LOW_32
    flow.n_crowd += 1


@kernel
def listed_slot(flow, market, i):
    """Slot of the i-th listed order, 0 when it rests no more.

    Half an id is enough: another order of the same half in the same slot would have to be the crowd's,
    and then it is as good a random one as any.
    """
    entry = np.int64(flow.crowd[i])
    slot = entry & (len(market.orders) - 1)
    order = market.orders[slot]
    is_there = order.number != 0 and (order_id(market, slot) & LOW_32) == entry
    return slot if is_there and order.account < N_PARTICIPANTS else 0


@kernel
def forget_gone(flow, market):
    """Keep only the orders that still rest; `can_rest` sees to it that this makes room."""
    kept = 0
    for i in range(flow.n_crowd):
        if listed_slot(flow, market, i) != 0:
            flow.crowd[kept] = flow.crowd[i]
            kept += 1
    flow.n_crowd = kept


@kernel
def drop(flow, i):
    """Take entry i out of the list; the last entry fills its place."""
    flow.n_crowd -= 1
    flow.crowd[i] = flow.crowd[flow.n_crowd]


@kernel
def choose_order(flow, market):
    """Place in the list of an equally likely resting order of the crowd, -1 when none rests.

    Filled orders stay listed until a draw meets them: each is dropped once, so a draw is O(1).
    """
    while flow.n_crowd > 0:
        i = below(market, flow.n_crowd)
        if listed_slot(flow, market, i) != 0:
            return i
        drop(flow, i)
    return -1


@kernel
def fetch_orders(flow, market):
    """Fetch the order that `choose_order` would look at next and the slot that a new one would get.

    Both lie anywhere in memory, and while it is being decided which of them it is there is time.
    """
    i = below_of(peek(market), flow.n_crowd)
    fetch(market.orders, np.int64(flow.crowd[i]) & (len(market.orders) - 1))
    fetch(market.orders, market.free_slot)


@kernel
def cancel_entry(flow, market, i):
    """Cancel the i-th listed order, which rests."""
    slot = listed_slot(flow, market, i)
    drop(flow, i)
    cancel_slot(market, slot, CANCEL_BY_USER)


@kernel
def best_bid_price(market):
    """Ticks, 0 when there is no bid."""
    return market.best_bid + market.price_base if market.best_bid != 0 else 0


@kernel
def best_ask_price(market):
    """Ticks, 0 when there is no ask."""
    return market.best_ask + market.price_base if market.best_ask != 0 else 0
