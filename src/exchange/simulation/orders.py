"""What any simulated participant does with the market: send an order, cancel one at random.

Their orders pass the engine's checks like everybody's. What the engine would refuse anyway (price
band, ladder, a full book) is not sent, so that the feed is not filled with the crowd's refusals.
"""

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
from exchange.engine.participants import CROWD_ORDERS_MAX

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
    enter_order(market, account, side, price, quantity, time_in_force, 0, False)
    return market.n_trades != n_trades


@kernel
def is_crowds(market, slot):
    """1 where an order of the crowd rests in this slot, else 0; no branch, as it is hard to foresee."""
    order = market.orders[slot]
    return (order.number != 0) & (order.account < N_PARTICIPANTS)


@kernel
def cancel(market, slot):
    """Cancel an order of the crowd."""
    cancel_slot(market, slot, CANCEL_BY_USER)


@kernel
def best_bid_price(market):
    """Ticks, 0 when there is no bid."""
    return market.best_bid + market.price_base if market.best_bid != 0 else 0


@kernel
def best_ask_price(market):
    """Ticks, 0 when there is no ask."""
    return market.best_ask + market.price_base if market.best_ask != 0 else 0
