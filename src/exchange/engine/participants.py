"""FLOW: the part of a market record that belongs to its simulated participants.

The engine only stores it; `exchange.simulation` gives it meaning, `docs/MARKET.md` its equations.
It stands here because a market is one plain record, its crowd included. Parameters of the crowd come
first, then the state that it changes, then stress and Poisson flow. Prices are ticks; a weight is a
share of the orders sent.
"""

from enum import IntEnum

import numpy as np

CROWD_ORDERS_MAX = 256  # resting orders of the crowd in one market
POISSON_DISTANCE_MAX = 32  # ticks from the opposite best price at which Poisson orders arrive
N_META_ORDERS = 2  # large orders worked in slices at the same time
SHOCKS_MAX = 16  # entries of a market's stress timetable


class FlowKind(IntEnum):
    """Who else is in the market."""

    NONE = 0  # nobody: only the clock runs
    CROWD = 1  # liquidity providers, noise, value and momentum traders
    POISSON = 2  # unit orders at constant rates (Cont, Stoikov and Talreja)


# One entry of the stress timetable; `exchange.simulation.scenario` gives it meaning.
SHOCK = np.dtype(
    (
        np.record,
        [
            ("begin_ns", np.int64),
            ("end_ns", np.int64),
            ("magnitude", np.int64),  # thousandths
            ("kind", np.int32),  # ShockKind; NONE is a free entry
            ("active", np.int32),  # 1 between begin and end
        ],
    )
)

FLOW = np.dtype(
    (
        np.record,
        [
            ("kind", np.int64),  # FlowKind
            ("step_ns", np.int64),  # the hidden state moves once a step
            # how many orders, and of which kind
            ("orders_per_step", np.float64),
            ("calm_share", np.float64),  # part of the orders that does not follow volatility
            ("orders_target", np.float64),  # resting orders at which limits and cancels balance
            ("limit_weight", np.float64),
            ("cancel_weight", np.float64),  # with orders_target orders resting
            ("noise_weight", np.float64),
            ("value_weight", np.float64),
            ("momentum_weight", np.float64),
            ("excitation_base", np.float64),  # takers come at least at this share of their weight
            ("excitation_gain", np.float64),
            ("excitation_decay", np.float64),  # per order
            ("excitation_max", np.float64),
            ("stickiness", np.float64),  # probability that the taker of before acts again
            # the hidden value and its volatility
            ("value_sd", np.float64),  # ticks per square root of a step
            ("jump_probability", np.float64),  # per step
            ("jump_scale", np.float64),  # ticks
            ("volatility_steps", np.float64),  # steps in which log volatility forgets itself
            ("volatility_sd", np.float64),  # of log volatility
            # liquidity providers
            ("estimate_gain", np.float64),  # per order: how fast their estimate follows the mid
            ("value_known", np.float64),  # share of value - estimate that they know of
            ("flow_decay", np.float64),  # per order: how fast the trade flow is forgotten
            ("flow_impact", np.float64),  # ticks per signed trade in the flow
            ("estimate_noise", np.float64),  # width of the uniform error in their estimate, ticks
            ("half_spread", np.float64),  # ticks
            ("half_spread_volatility", np.float64),  # ticks per tick of mean |mid change| a step
            # value and momentum traders
            ("value_noise", np.float64),  # sd of a value trader's error, ticks
            ("edge_min", np.float64),  # ticks a value trader wants to gain
            ("value_urgency", np.float64),  # more value traders per tick of |value - mid|
            ("momentum_min", np.float64),  # ticks between fast and slow mid average
            # what a scenario may scale; 1 leaves a parameter as it is
            ("volatility_factor", np.float64),  # on value_sd and jump_scale
            ("liquidity_factor", np.float64),  # on orders_target
            ("noise_factor", np.float64),  # on noise_weight
            ("informed_factor", np.float64),  # on value_weight
            ("pressure", np.float64),  # share of orders that are forced; below 0 they sell
            # state: the clock of the participants
            ("next_ns", np.int64),  # when the next order arrives or the next step begins
            ("shock_next_ns", np.int64),  # when the next shock begins or ends, 0 when none does
            ("step_end_ns", np.int64),
            ("draw", np.uint64),  # random bits: who acts next
            ("n_orders", np.int64),  # of this step
            ("n_orders_left", np.int64),  # to arrive in this step
            ("part_ns", np.int64),  # of the step for each of its orders
            # state: what moves once a step
            ("value", np.float64),  # hidden, ticks
            ("value_min", np.float64),
            ("value_max", np.float64),
            ("log_volatility", np.float64),
            ("mid_before", np.float64),  # at the start of this step
            ("mid_change", np.float64),  # average of |mid change| a step
            ("estimate", np.float64),  # of the value, by the providers
            ("mid_fast", np.float64),
            ("mid_slow", np.float64),
            ("center", np.int64),  # of the providers' quotes, 1/65536 ticks; trades move it, too
            ("half_width", np.int64),  # of the providers' quotes, 1/65536 ticks
            ("limit_below", np.int64),  # of 2**32 draws, those that are a limit order,
            ("cancel_below", np.int64),  # or a cancelation,
            ("taker_below", np.int64),  # or a taker; the rest are momentum traders
            ("value_share", np.float64),  # of takers' orders, by value traders
            # state: what moves with each trade
            ("trade_flow", np.float64),  # signed trades, recent ones first
            ("excitation", np.float64),  # recent trades, whichever sign
            ("last_taker", np.int64),  # meta-order slot, or N_META_ORDERS for the value trader
            ("value_error", np.float64),  # of the value trader of before
            ("meta_side", np.int64, (N_META_ORDERS,)),
            ("meta_left", np.int64, (N_META_ORDERS,)),  # slices
            ("n_slots", np.int64),  # of orders: of which one may be canceled by Poisson flow
            # state: the stress timetable. It and Poisson flow stand last: what a crowd needs is together
            ("n_shocks_active", np.int64),
            ("calm_factors", np.float64, (3,)),  # volatility, liquidity, informed without shocks
            ("shocks", SHOCK, (SHOCKS_MAX,)),
            # Poisson flow, events per second; index 0 is one tick from the opposite best price
            ("limit_rates", np.float64, (POISSON_DISTANCE_MAX,)),  # per side
            ("cancel_rates", np.float64, (POISSON_DISTANCE_MAX,)),  # per resting order
            ("market_rate", np.float64),  # per side
        ],
    )
)
