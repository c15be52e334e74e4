"""Every feature, written from a HISTORY: the kernels behind `features.py`."""

from math import copysign, sqrt

import numpy as np

from exchange.engine.kernel import kernel
from strategies.history import GRID_NS, N_GRID, remember, turn_page

FEATURE_MAX = 5.0  # every feature lies within -+ this, whatever the market does
ONE_SECOND, FIVE_SECONDS = 4, 20  # points of the grid back
N_LEVELS_SUMMED = 5  # levels a side in the depth features
POSITION_SCALE = 50.0  # units that reach the bound of `inventory`
TIME_LEFT_MAX_S = 250.0  # an open-ended session has at most this left
SPREAD_UNKNOWN = 100  # ticks, while a side is empty

# Each feature is scale x value + shift, cut to -+ FEATURE_MAX: standard deviation about 1 in the
# default market. docs/ENVIRONMENTS.md has the table with sources.
FEATURES: tuple[tuple[str, float, float], ...] = (
    ("mid_change", 0.15, 0.0),
    ("spread", 1.0, -2.0),
    ("relative_spread", 1.0, -2.0),
    ("bid_depth", 0.8, -6.2),
    ("ask_depth", 0.8, -6.2),
    ("depth_imbalance", 5.0, 0.0),
    ("order_flow_imbalance", 0.05, 0.0),
    ("return_1s", 2.5, 0.0),
    ("return_5s", 1.0, 0.0),
    ("realized_volatility", 5.0, -2.0),
    ("average_volume", 1.2, -2.2),
    ("mid_skew", 2.0, 0.0),
    ("inventory", 5.0, 0.0),
    ("half_tick", 1.0, 0.0),
    ("touch_imbalance", 2.0, 0.0),
    ("flow_fast", 0.12, 0.0),
    ("flow_slow", 0.025, 0.0),
    ("trades_fast", 0.7, 0.0),
    ("trades_slow", 0.22, 0.0),
    ("trend_fast", 2.5, 0.0),
    ("trend_slow", 0.7, 0.0),
    ("last_change", 4.0, 0.0),
    ("bid_queue", 0.7, -2.2),
    ("ask_queue", 0.7, -2.2),
    ("position", 0.4, 0.0),
    ("entry_distance", 0.7, 0.0),
    ("time_left", 2.0, -1.0),
    ("own_bid_away", 1.0, -1.5),
    ("own_ask_away", 1.0, -1.5),
    ("own_bid_lots", 0.3, 0.0),
    ("own_ask_lots", 0.3, 0.0),
    ("own_bid_ahead", 0.6, 0.0),
    ("own_ask_ahead", 0.6, 0.0),
    ("score", 2.0, 0.0),
)
N_FEATURES = len(FEATURES)
SCALES = np.array([scale for _, scale, _ in FEATURES])
SHIFTS = np.array([shift for _, _, shift in FEATURES])

(
    MID_CHANGE,
    SPREAD,
    RELATIVE_SPREAD,
    BID_DEPTH,
    ASK_DEPTH,
    DEPTH_IMBALANCE,
    ORDER_FLOW_IMBALANCE,
    RETURN_1S,
    RETURN_5S,
    REALIZED_VOLATILITY,
    AVERAGE_VOLUME,
    MID_SKEW,
    INVENTORY,
    HALF_TICK,
    TOUCH_IMBALANCE,
    FLOW_FAST,
    FLOW_SLOW,
    TRADES_FAST,
    TRADES_SLOW,
    TREND_FAST,
    TREND_SLOW,
    LAST_CHANGE,
    BID_QUEUE,
    ASK_QUEUE,
    POSITION,
    ENTRY_DISTANCE,
    TIME_LEFT,
    OWN_BID_AWAY,
    OWN_ASK_AWAY,
    OWN_BID_LOTS,
    OWN_ASK_LOTS,
    OWN_BID_AHEAD,
    OWN_ASK_AHEAD,
    SCORE,
) = range(N_FEATURES)


@kernel
def observe(depth, account, own, time_left_s, unit_lots, history, predictor, raw):
    """Fold one observation into `history` and write all its features, float64 (N_FEATURES,), unscaled.

    depth: DEPTH, own quotes included. account: ACCOUNT. own: OWN_QUOTE, what rests of the trader's
    quote now. time_left_s: until the run ends, may be inf. unit_lots: the trader's own lots are told
    in units of so many. predictor: float64 (n_hidden, n_inputs +
    2), see `write_score`; no rows when there is none.
    """
    at_own_prices = remember(depth, account, own, history)
    write_market_features(depth, own, at_own_prices, history, raw)
    write_private_features(own, history, time_left_s, unit_lots, raw)
    write_score(predictor, raw)
    turn_page(depth, own, history)


@kernel
def scaled(raw, i):
    """One feature as policies are given it: scaled, shifted, cut, float32."""
    return np.float32(min(max(SCALES[i] * raw[i] + SHIFTS[i], -FEATURE_MAX), FEATURE_MAX))


@kernel
def write_market_features(depth, own, at_own_prices, history, raw):
    """What the feed shows, without the own quote."""
    bid_lots, ask_lots = history.bid_quantity, history.ask_quantity
    mid_twice = history.mid_twice
    spread = history.ask_price - history.bid_price
    if history.bid_price == 0 or history.ask_price == 0:
        spread = SPREAD_UNKNOWN
    raw[MID_CHANGE] = 0.5 * (mid_twice - history.reference_twice)
    raw[SPREAD] = spread
    raw[RELATIVE_SPREAD] = 2e4 * spread / max(mid_twice, 1)
    imbalance = (bid_lots - ask_lots) / max(bid_lots + ask_lots, 1)
    raw[TOUCH_IMBALANCE] = imbalance
    raw[MID_SKEW] = 0.5 * spread * imbalance
    raw[HALF_TICK] = mid_twice & 1
    raw[BID_QUEUE] = sqrt(bid_lots)
    raw[ASK_QUEUE] = sqrt(ask_lots)
    write_depth_features(depth, own, at_own_prices, raw)
    point = depth.time_ns // GRID_NS
    mids = history.mids_twice
    raw[RETURN_1S] = 0.5 * (mid_twice - mids[(point - ONE_SECOND) & (N_GRID - 1)])
    raw[RETURN_5S] = 0.5 * (mid_twice - mids[(point - FIVE_SECONDS) & (N_GRID - 1)])
    raw[LAST_CHANGE] = 0.5 * history.change_twice
    write_running_features(history, raw)


@kernel
def write_depth_features(depth, own, at_own_prices, raw):
    """Lots on the best levels of each side."""
    at_bid, at_ask = at_own_prices
    bids = sum_side(depth.bid_price, depth.bid_quantity, own.bid_price, own.bid_quantity, at_bid)
    asks = sum_side(depth.ask_price, depth.ask_quantity, own.ask_price, own.ask_quantity, at_ask)
    raw[BID_DEPTH] = sqrt(bids)
    raw[ASK_DEPTH] = sqrt(asks)
    raw[DEPTH_IMBALANCE] = (bids - asks) / max(bids + asks, 1)


@kernel
def sum_side(prices, quantities, own_price, own_quantity, at_own_price):
    """Others' lots on their best levels: where the own order is alone on one, the next one counts.

    Live, a fill may show in the book before it is known of the own order: never below 0.
    """
    total = 0
    for i in range(N_LEVELS_SUMMED):
        total += quantities[i]
    is_summed = abs(own_price - prices[0]) <= abs(prices[N_LEVELS_SUMMED - 1] - prices[0])
    own_lots = min(own_quantity, at_own_price) if is_summed else 0
    next_lots = quantities[N_LEVELS_SUMMED]
    is_alone = (own_lots == at_own_price) & (own_lots > 0)
    return total - own_lots + (next_lots if is_alone else 0)


@kernel
def write_running_features(history, raw):
    """What the running sums and averages say."""
    mid = 0.5 * (history.mid_twice - history.reference_twice)
    raw[ORDER_FLOW_IMBALANCE] = history.flow_medium
    raw[FLOW_FAST] = history.flow_fast
    raw[FLOW_SLOW] = history.flow_slow
    raw[TRADES_FAST] = signed_root(history.trades_fast)
    raw[TRADES_SLOW] = signed_root(history.trades_slow)
    raw[TREND_FAST] = mid - history.mid_fast
    raw[TREND_SLOW] = mid - history.mid_slow
    raw[REALIZED_VOLATILITY] = sqrt(max(history.variance, 0.0))
    raw[AVERAGE_VOLUME] = sqrt(max(history.volume, 0.0))


@kernel
def signed_root(value):
    """sign x sqrt(|value|): large bursts stay comparable."""
    return copysign(sqrt(abs(value)), value)


@kernel
def write_private_features(own, history, time_left_s, unit_lots, raw):
    """The trader's own state: position, its cost, time, and its quote with its place in the queue."""
    position, entry = history.position, history.entry
    mid = 0.5 * history.mid_twice
    raw[INVENTORY] = signed_root(position / unit_lots / POSITION_SCALE)
    raw[POSITION] = position / unit_lots
    distance = mid - entry if position > 0 else entry - mid
    raw[ENTRY_DISTANCE] = distance if position != 0 else 0.0
    raw[TIME_LEFT] = min(time_left_s, TIME_LEFT_MAX_S) / TIME_LEFT_MAX_S
    raw[OWN_BID_AWAY] = mid - own.bid_price if own.bid_price != 0 else 0.0
    raw[OWN_ASK_AWAY] = own.ask_price - mid if own.ask_price != 0 else 0.0
    raw[OWN_BID_LOTS] = own.bid_quantity / unit_lots
    raw[OWN_ASK_LOTS] = own.ask_quantity / unit_lots
    raw[OWN_BID_AHEAD] = sqrt(history.bid_ahead)
    raw[OWN_ASK_AHEAD] = sqrt(history.ask_ahead)


@kernel
def write_score(predictor, raw):
    """The predictor's expected change of the mid, ticks: sum of v_j max(w_j x + b_j, 0).

    Each row of `predictor` holds w_j for the features before POSITION without INVENTORY, b_j, v_j.
    Without rows the score is 0.
    """
    score = 0.0
    n_inputs = POSITION - 1
    for j in range(len(predictor)):
        total = predictor[j, n_inputs]
        for i in range(n_inputs):
            total += predictor[j, i] * scaled(raw, i if i < INVENTORY else i + 1)
        score += predictor[j, n_inputs + 1] * max(total, 0.0)
    raw[SCORE] = score


@kernel
def n_leading(columns):
    """How many columns stand where FEATURES has them, before the first that does not."""
    n = 0
    while n < len(columns) and columns[n] == n:
        n += 1
    return n


@kernel
def choose(raw, columns, n_first, out, i):
    """Write the features of a preset, scaled, by their places in FEATURES, into row i of `out`, float32.

    n_first: how many are simply the first ones, see `n_leading`; they are done as vectors. That waits
    where numbers have only just been stored: do something else after `observe`.
    """
    for j in range(n_first):
        out[i, j] = scaled(raw, j)
    for j in range(n_first, len(columns)):
        out[i, j] = scaled(raw, columns[j])
