"""The crowd: liquidity providers, noise traders, value traders and momentum traders.

`docs/MARKET.md` gives the model in equations. `begin_step` moves what is hidden, `decide` lets
one participant decide. Every kernel works on one MARKET; `flow` is its FLOW record.
"""

from math import ceil, exp, floor, sqrt

import numpy as np

from exchange.engine.book import best_opposite, sure_slot
from exchange.engine.kernel import kernel
from exchange.engine.participants import N_META_ORDERS
from exchange.simulation.orders import (
    BUY,
    GTC,
    IOC,
    LIQUIDITY,
    MOMENTUM,
    NO_ORDER,
    NOISE,
    QUANTITY,
    SELL,
    VALUE,
    best_ask_price,
    best_bid_price,
    cancel,
    is_crowds,
    n_resting_crowd,
    price_max,
    price_min,
)
from exchange.simulation.rng import (
    U32,
    below,
    bits8,
    bits16,
    high_half,
    low_half,
    next_word,
    normal,
    pick,
    quarter,
    uniform,
)
from exchange.simulation.tables import CANCEL_ACCEPTANCE, DISTANCES, LOTS, META_LENGTHS

ORDERS_PER_STEP_MAX = 40
TICK_BITS = 16
TICK = float(1 << TICK_BITS)  # providers reckon in whole numbers of such parts
JUMP_UNIFORM_MIN = 0.35  # a jump is a normal times 0.5 / max(this, uniform): some are larger
MID_CHANGE_GAIN = 0.02  # per step
FAST_GAIN, SLOW_GAIN = 0.03, 0.005  # per order, of the momentum traders' averages
LAST_ACCEPTANCE = np.uint64(len(CANCEL_ACCEPTANCE) - 1)
WEIGHT_MIN = 1e-9  # of all together: nobody there must not divide by 0
SWEEP_TICKS = 2  # takers go at most this far beyond the best price
WHOLE_SIZE_SHARE = 0.125  # of noise orders are not cut to the best queue
VALUE_LOTS_MAX, LOTS_PER_TICK = 8, 1.5
URGENT_TICKS_MAX = 8.0
FRIGHT_TICKS = 1.5  # by which a forced trade moves the providers' estimate
VALUE_TRADER = N_META_ORDERS  # `last_taker` when it was no meta-order


@kernel
def begin_step(market, flow):
    """Move what is hidden and what is remembered, weigh who acts, draw how many orders there will be."""
    mid = middle(market, flow)
    remember_step(flow, mid)
    sd = flow.volatility_sd
    pull = 1.0 / flow.volatility_steps
    flow.log_volatility += sd * sqrt(2.0 * pull) * normal(market) - pull * flow.log_volatility
    activity = exp(flow.log_volatility - 0.5 * sd * sd)  # mean 1
    move_value(market, flow, activity)
    weigh(market, flow, mid)
    flow.trade_flow -= share(flow.n_orders * flow.flow_decay) * flow.trade_flow
    flow.excitation -= share(flow.n_orders * flow.excitation_decay) * flow.excitation
    expected = flow.orders_per_step * (flow.calm_share + (1.0 - flow.calm_share) * activity)
    flow.n_orders = flow.n_orders_left = min(ORDERS_PER_STEP_MAX, floor(expected + uniform(market)))
    flow.part_ns = flow.step_ns // max(flow.n_orders_left, 1)
    flow.step_end_ns = market.now_ns + flow.step_ns


@kernel
def remember_step(flow, mid):
    """Averages move, and memories fade, by the number of orders of the step before."""
    flow.mid_change += MID_CHANGE_GAIN * (abs(mid - flow.mid_before) - flow.mid_change)
    flow.mid_before = mid
    n = flow.n_orders
    flow.estimate += share(n * flow.estimate_gain) * (mid - flow.estimate)
    flow.mid_fast += share(n * FAST_GAIN) * (mid - flow.mid_fast)
    flow.mid_slow += share(n * SLOW_GAIN) * (mid - flow.mid_slow)


@kernel
def share(gain):
    """The part of the way that some small steps go together: their sum, at most all of it."""
    return min(gain, 1.0)


@kernel
def weigh(market, flow, mid):
    """Who acts how often in this step: shares of 2**32, cumulated; and where providers quote."""
    noise = flow.noise_weight * flow.noise_factor
    value = value_trader_weight(flow, mid)
    resting_target = max(1.0, flow.orders_target * flow.liquidity_factor)
    cancel = flow.cancel_weight * n_resting_crowd(market) / resting_target
    takers = (noise + value) * excitement(flow, noise + 0.6 * value)
    upto_cancel = flow.limit_weight + cancel
    unit = 2.0**32 / max(upto_cancel + takers + flow.momentum_weight, WEIGHT_MIN)
    flow.limit_below = int(flow.limit_weight * unit)
    flow.cancel_below = int(upto_cancel * unit)
    flow.taker_below = int((upto_cancel + takers) * unit)
    flow.value_share = value / max(noise + value, WEIGHT_MIN)
    center = flow.estimate + flow.value_known * (flow.value - flow.estimate)
    half_width = flow.half_spread + flow.half_spread_volatility * flow.mid_change
    flow.center = int((center + flow.flow_impact * flow.trade_flow) * TICK)
    flow.half_width = int(half_width * TICK)


@kernel
def move_value(market, flow, activity):
    """One step of the hidden value: a random walk with jumps, both livelier in lively times."""
    change = flow.value_sd * activity * normal(market)
    if uniform(market) < flow.jump_probability * activity:
        size = 0.5 / max(JUMP_UNIFORM_MIN, uniform(market))
        change += flow.jump_scale * size * normal(market)
    value = flow.value + flow.volatility_factor * change
    flow.value = min(max(value, flow.value_min), flow.value_max)


@kernel
def decide(market, flow):
    """One participant, drawn by the weights of this step, acts.

    Returns its order as (account, side, price, quantity, time in force), or NO_ORDER. Decisions and
    the engine meet in one place only, `step.play_order`, which keeps the compiled code small.
    """
    if market.best_bid == 0 or market.best_ask == 0:
        order = refill(market, flow, BUY if market.best_bid == 0 else SELL)
        if order[QUANTITY] != 0:
            return order
    if flow.pressure != 0.0 and uniform(market) < abs(flow.pressure):
        return trade_under_pressure(market, flow)
    who = np.int64(flow.draw >> U32)
    if who < flow.limit_below:
        return provide(market, flow)
    if who < flow.cancel_below:
        return cancel_one(market)
    if who < flow.taker_below:
        return trade(market, flow, flow.value_share)
    return follow_trend(market, flow)


@kernel
def middle(market, flow):
    """The mid price in ticks; with a side empty, the providers' estimate stands in."""
    if market.best_bid == 0 or market.best_ask == 0:
        return flow.estimate
    return market.price_base + 0.5 * (market.best_bid + market.best_ask)


@kernel
def value_trader_weight(flow, mid):
    """The further the market is from the value, the more of those who know it come."""
    weight = flow.value_weight * flow.informed_factor
    return weight + weight * flow.value_urgency * min(abs(flow.value - mid), URGENT_TICKS_MAX)


@kernel
def excitement(flow, taker_weight):
    """How much livelier takers are than their weights: trades bring trades.

    taker_weight: of those who surely trade. The recent share of trades among all orders is compared
    with what the weights alone would give.
    """
    if taker_weight <= 0.0:
        return flow.excitation_base
    recent_share = flow.excitation * flow.excitation_decay
    others = flow.limit_weight + flow.cancel_weight
    excited = flow.excitation_gain * recent_share * (1.0 + others / taker_weight)
    return min(flow.excitation_max, flow.excitation_base + excited)


@kernel
def refill(market, flow, side):
    """One order for an empty side, a tick or two from the estimate; none where no price is left."""
    word = next_word(market)
    away = 1 if high_half(word) < 0.5 else 2
    quantity = pick(LOTS, word, 0)
    if side == BUY:
        price = max(floor(flow.estimate) - away, price_min(market))
        if market.best_ask != 0:
            price = min(price, best_ask_price(market) - 1)
        if price < price_min(market):
            return NO_ORDER
    else:
        price = min(ceil(flow.estimate) + away, price_max(market))
        price = max(price, best_bid_price(market) + 1)
        if price > price_max(market):
            return NO_ORDER
    return LIQUIDITY, side, price, quantity, GTC


@kernel
def provide(market, flow):
    """A liquidity provider joins the side with fewer lots, around what it thinks the value is.

    An ask is the bid of a market turned upside down: one sum serves both.
    """
    word = next_word(market)
    bids = market.accounts[LIQUIDITY].buy_open + 1
    asks = market.accounts[LIQUIDITY].sell_open + 1
    side = BUY if bits16(word, 1) * (bids + asks) < asks << 16 else SELL
    sign = 1 if side == BUY else -1
    center = flow.center + ((bits16(word, 0) - (1 << 15)) * int(flow.estimate_noise * TICK) >> 16)
    price = (sign * center - flow.half_width >> TICK_BITS) - pick(DISTANCES, word, 52)
    opposite = best_opposite(market, side)
    if opposite != 0:
        price = min(price, sign * (market.price_base + opposite) - 1)
    return LIQUIDITY, side, sign * price, pick(LOTS, word, 40), GTC


@kernel
def cancel_one(market):
    """Of three random orders of the crowd the first that its owner wants to cancel; else the third.

    An order is a random slot. All three are looked at before one is chosen, so that nothing waits for
    a guess; where the third holds no order of the crowd, three others are drawn.
    """
    while n_resting_crowd(market) > 0:
        word = next_word(market)
        first, second, third = (
            slot_of(market, word, 0),
            slot_of(market, word, 1),
            slot_of(market, word, 2),
        )
        wants_first = is_crowds(market, first) & (bits8(word, 6) < readiness(market, first))
        wants_second = is_crowds(market, second) & (bits8(word, 7) < readiness(market, second))
        chosen = second if wants_second else third
        chosen = first if wants_first else chosen
        if is_crowds(market, chosen):
            cancel(market, chosen)
            break
    return NO_ORDER


@kernel
def slot_of(market, word, i):
    """A random slot of all that were ever used, from the i-th 16 bits of a word."""
    return sure_slot(market, 1 + (bits16(word, i) * market.n_slots_used >> 16))


@kernel
def readiness(market, slot):
    """How readily the order in a slot is canceled, of 256: by its ticks behind the best price.

    A free slot may hold any row: as a uint64, what is less than no ticks counts as very many.
    """
    row = np.int64(market.orders[slot].row)
    ticks = np.uint64(max(market.best_bid - row, row - market.best_ask))
    return CANCEL_ACCEPTANCE[min(ticks, LAST_ACCEPTANCE)]


@kernel
def trade(market, flow, value_share):
    """A taker acts: often the same one as before, which makes trade signs persist."""
    word = next_word(market)
    if high_half(word) >= flow.stickiness:
        flow.last_taker = VALUE_TRADER
        if low_half(word) >= value_share:
            flow.last_taker = below(market, N_META_ORDERS)
        flow.value_error = flow.value_noise * normal(market)
    if flow.last_taker == VALUE_TRADER:
        return trade_on_value(market, flow)
    return work_meta_order(market, flow, flow.last_taker)


@kernel
def work_meta_order(market, flow, slot):
    """One slice of a noise trader's large order; when that is done, the next one begins."""
    word = next_word(market)
    if flow.meta_left[slot] == 0:
        flow.meta_left[slot] = pick(META_LENGTHS, word, 52)
        flow.meta_side[slot] = BUY if quarter(word, 0) < 0.5 else SELL
    flow.meta_left[slot] -= 1
    side = flow.meta_side[slot]
    quantity = pick(LOTS, word, 40)
    if quarter(word, 1) >= WHOLE_SIZE_SHARE:
        quantity = min(quantity, best_queue(market, side))
    return NOISE, side, sweep_price(market, side, SWEEP_TICKS), quantity, IOC


@kernel
def best_queue(market, side):
    """Lots at the best price that this side can take, 0 when there are none."""
    return market.levels[best_opposite(market, side)].quantity


@kernel
def sweep_price(market, side, ticks):
    """The price `ticks` beyond the best one that this side can take."""
    best = market.price_base + best_opposite(market, side)
    return best + ticks if side == BUY else best - ticks


@kernel
def note_trade(flow, side):
    """Every taker's order that traded moves the trade flow and brings more takers."""
    flow.trade_flow += 1.0 if side == BUY else -1.0
    impact = int(flow.flow_impact * TICK)
    flow.center += impact if side == BUY else -impact
    flow.excitation += 1.0


@kernel
def trade_under_pressure(market, flow):
    """A forced trader (margin calls, stops) takes the best queue, and providers take fright."""
    side = BUY if flow.pressure > 0.0 else SELL
    frightened = flow.estimate + (FRIGHT_TICKS if side == BUY else -FRIGHT_TICKS)
    frightened = min(max(frightened, flow.value_min), flow.value_max)
    flow.center += int((1.0 - flow.value_known) * (frightened - flow.estimate) * TICK)
    flow.estimate = frightened
    return NOISE, side, sweep_price(market, side, 0), best_queue(market, side), IOC


@kernel
def trade_on_value(market, flow):
    """A value trader takes what is clearly mispriced, else waits on its side of the book."""
    value = flow.value + flow.value_error
    bid, ask = best_bid_price(market), best_ask_price(market)
    if bid == 0 or ask == 0:
        return NO_ORDER
    if value - ask > flow.edge_min:
        price = min(floor(value - flow.edge_min), ask + SWEEP_TICKS)
        return VALUE, BUY, price, value_lots(market, flow, value - ask), IOC
    if bid - value > flow.edge_min:
        price = max(ceil(value + flow.edge_min), bid - SWEEP_TICKS)
        return VALUE, SELL, price, value_lots(market, flow, bid - value), IOC
    quantity = pick(LOTS, next_word(market), 40)
    if value > 0.5 * (bid + ask):
        price = min(floor(value - flow.edge_min), bid + 1, ask - 1)
        return VALUE, BUY, price, quantity, GTC
    price = max(ceil(value + flow.edge_min), ask - 1, bid + 1)
    return VALUE, SELL, price, quantity, GTC


@kernel
def value_lots(market, flow, edge):
    """The more there is to gain, the more a value trader wants, lots."""
    wanted = LOTS_PER_TICK * (edge - flow.edge_min) + 2.0 * uniform(market)
    return 1 + floor(min(wanted, VALUE_LOTS_MAX - 1.0))


@kernel
def follow_trend(market, flow):
    """A momentum trader takes in the direction in which the mid has moved."""
    trend = flow.mid_fast - flow.mid_slow
    if abs(trend) <= flow.momentum_min:
        return NO_ORDER
    side = BUY if trend > 0.0 else SELL
    quantity = min(pick(LOTS, next_word(market), 40), best_queue(market, side))
    return MOMENTUM, side, sweep_price(market, side, 0), quantity, IOC
