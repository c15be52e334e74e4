"""Poisson flow: unit orders at constant rates, the model of Cont, Stoikov and Talreja (2010).

Limit orders arrive at rate `limit_rates[i - 1]` i ticks from the opposite best price, each resting
order is canceled at rate `cancel_rates[i - 1]`, market orders arrive at `market_rate` on each side.
"""

from exchange.engine.book import price_of, side_of
from exchange.engine.kernel import kernel
from exchange.engine.participants import POISSON_DISTANCE_MAX
from exchange.simulation.orders import (
    BUY,
    GTC,
    IOC,
    LIQUIDITY,
    NO_ORDER,
    NOISE,
    SELL,
    cancel,
    is_crowds,
)
from exchange.simulation.rng import below, exponential, uniform

NS_PER_S = 1e9


@kernel
def wait_for_arrival(market, flow):
    """Draw when the next order comes: an exponential gap at the sum of all rates."""
    flow.n_slots = market.n_slots_used
    gap_ns = exponential(market) / total_rate(flow) * NS_PER_S
    flow.next_ns = market.now_ns + 1 + int(min(gap_ns, 1e18))


@kernel
def total_rate(flow):
    """Arrivals per second, counting every slot as an order that is canceled at the highest rate."""
    return 2.0 * (limit_rate(flow) + flow.market_rate) + cancel_rate_max(flow) * flow.n_slots


@kernel
def limit_rate(flow):
    total = 0.0
    for i in range(POISSON_DISTANCE_MAX):
        total += flow.limit_rates[i]
    return total


@kernel
def cancel_rate_max(flow):
    highest = 0.0
    for i in range(POISSON_DISTANCE_MAX):
        highest = max(highest, flow.cancel_rates[i])
    return highest


@kernel
def decide_unit(market, flow):
    """The arrival that was waited for: a limit order, a market order or a cancelation.

    Returns the order as (account, side, price, quantity, time in force), or NO_ORDER.
    """
    limits, markets = limit_rate(flow), flow.market_rate
    point = uniform(market) * total_rate(flow)
    if point < 2.0 * limits:
        side = BUY if point < limits else SELL
        return limit_unit(market, flow, side, point if point < limits else point - limits)
    if point < 2.0 * (limits + markets):
        side = BUY if point < 2.0 * limits + markets else SELL
        return NOISE, side, opposite_best(market, side), 1, IOC
    return cancel_unit(market, flow)


@kernel
def limit_unit(market, flow, side, point):
    """One lot at the distance at which the cumulative rates pass `point`."""
    i = 0
    while i < POISSON_DISTANCE_MAX - 1 and point >= flow.limit_rates[i]:
        point -= flow.limit_rates[i]
        i += 1
    away = i + 1
    price = opposite_best(market, side) + (-away if side == BUY else away)
    return LIQUIDITY, side, price, 1, GTC


@kernel
def opposite_best(market, side):
    """The best price of the other side; where that is empty, a tick from one's own best price."""
    if side == BUY:
        if market.best_ask != 0:
            return market.price_base + market.best_ask
        return (
            market.price_base + market.best_bid + 1 if market.best_bid != 0 else market.last_price
        )
    if market.best_bid != 0:
        return market.price_base + market.best_bid
    return market.price_base + market.best_ask - 1 if market.best_ask != 0 else market.last_price


@kernel
def cancel_unit(market, flow):
    """A slot is drawn, and the order in it canceled with its own rate as a share of the highest one.

    Exact: `total_rate` counted every slot at the highest rate, so when the crowd has no order there
    or one in less of a hurry, this arrival is one that never was.
    """
    if flow.n_slots == 0:
        return NO_ORDER
    slot = 1 + below(market, flow.n_slots)
    if not is_crowds(market, slot):
        return NO_ORDER
    away = abs(opposite_best(market, side_of(market, slot)) - price_of(market, slot))
    away = min(max(away, 1), POISSON_DISTANCE_MAX)
    if uniform(market) * cancel_rate_max(flow) < flow.cancel_rates[away - 1]:
        cancel(market, slot)
    return NO_ORDER
